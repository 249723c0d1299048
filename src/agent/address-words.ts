import { isIPv4, isIPv6 } from 'node:net';
import { formatIPv6 } from '../bytes/address.ts';
import { parseIPv4, parseIPv6 } from '../bytes/parse-address.ts';

/** What IPv6 writes before an IPv4 address (RFC 4291 section 2.5.5.2), as the third word of four. */
export const IPV4_PREFIX = 0xffff;

const encoder = new TextEncoder();
const text = new Uint8Array(64);
const octets = new Uint8Array(16);
const view = new DataView(octets.buffer);

/** Writes an address as four words, IPv4 in its IPv6 form, to `words` from `at` on; false where the text is none. A zone is left out. */
export function addressWords(address: string, words: Uint32Array, at: number): boolean {
  const zone = address.indexOf('%');
  const { written } = encoder.encodeInto(zone < 0 ? address : address.slice(0, zone), text);
  if (!address.includes(':')) {
    const number = parseIPv4(text, 0, written);
    words[at] = words[at + 1] = 0;
    words[at + 2] = IPV4_PREFIX;
    words[at + 3] = number;
    return number >= 0;
  }
  if (!parseIPv6(text, 0, written, octets, 0)) return false;
  for (let i = 0; i < 4; i++) words[at + i] = view.getUint32(4 * i);
  return true;
}

/** Whether the four words from `at` on mean the host itself wherever they are used. */
export function isLoopbackWords(words: Uint32Array, at: number): boolean {
  if (words[at] !== 0 || words[at + 1] !== 0) return false;
  return words[at + 2] === IPV4_PREFIX ? words[at + 3]! >>> 24 === 127 : words[at + 2] === 0 && words[at + 3] === 1;
}

/** A number made of `count` words from `at` on, which nobody can choose without `seed`. */
export function hashWords(words: Uint32Array, at: number, count: number, seed: Uint32Array): number {
  let first = seed[0]!;
  let second = seed[1]!;
  for (let i = at; i < at + count; i++) {
    first = Math.imul(first ^ words[i]!, 0x9e37_79b1);
    first = ((first ^ (first >>> 15)) + second) | 0;
    second = Math.imul((second << 13) | (second >>> 19), 0x85eb_ca6b) ^ first;
  }
  first = Math.imul(first ^ (first >>> 16), 0xc2b2_ae35) ^ second;
  return (first ^ (first >>> 13)) >>> 0;
}

/** Canonical text (RFC 5952) of an address; one mapped into IPv6 is given as IPv4. Undefined for anything else. */
export function canonicalAddress(address: string): string | undefined {
  if (isIPv4(address)) return address;
  const mapped = address.startsWith('::ffff:') ? address.slice(7) : '';
  if (isIPv4(mapped)) return mapped;
  if (!isIPv6(address)) return undefined;
  const { written } = encoder.encodeInto(address, text);
  return parseIPv6(text, 0, written, octets, 0) ? formatIPv6(view, 0) : undefined;
}
