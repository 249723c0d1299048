import { expect, it } from 'vitest';
import { writeJsonString, writeJsonText } from '../../src/bytes/json-text.ts';
import { Random } from '../support/random.ts';

const SEED = Date.now() % 2 ** 32;
const out = new Uint8Array(8192);

function writtenText(octets: Uint8Array): string {
  const bytes = new Uint8Array(octets.length + 4).fill(0x41);
  bytes.set(octets, 2);
  const end = writeJsonText(out, 5, bytes, 2, octets.length);
  expect(end - 5).toBeLessThanOrEqual(6 * octets.length);
  return new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(out.subarray(5, end));
}

/** Decoded as the Encoding Standard says, byte order mark kept, NULs at the end taken off; then quoted by JSON. */
function expected(octets: Uint8Array): string {
  let end = octets.length;
  while (end > 0 && octets[end - 1] === 0) end--;
  const text = new TextDecoder('utf-8', { ignoreBOM: true }).decode(octets.subarray(0, end));
  return JSON.stringify(text).slice(1, -1);
}

it('writes every octet alone, in front of and behind others', () => {
  for (let octet = 0; octet < 256; octet++) {
    for (const octets of [[octet], [octet, 0x61], [0x61, octet], [0x61, octet, 0x62, 0]]) {
      expect(writtenText(Uint8Array.from(octets))).toBe(expected(Uint8Array.from(octets)));
    }
  }
});

it.each([
  '',
  'eth0',
  'Größe',
  '\u2028\u2029',
  '\ufeffmark',
  '\u{1f600}',
  'a"b\\c',
  '\u007f\u0080\u009f',
  '\t\r\n\b\f\v',
  'end\\',
])('writes %j', (text) => {
  const octets = new TextEncoder().encode(text);
  expect(JSON.parse(`"${writtenText(octets)}"`)).toBe(text);
  const end = writeJsonString(out, 5, text);
  expect(Buffer.from(out.subarray(5, end)).toString('utf8')).toBe(JSON.stringify(text).slice(1, -1));
});

it('escapes lone surrogates of strings, so that the line is UTF-8', () => {
  const end = writeJsonString(out, 0, 'a\ud800b');
  expect(JSON.parse(`"${Buffer.from(out.subarray(0, end)).toString('utf8')}"`)).toBe('a\ud800b');
});

it('writes random octets as JSON of what they decode to', () => {
  const random = new Random(SEED);
  for (let i = 0; i < 3000; i++) {
    const octets = random.octets(random.below(40));
    if (random.below(2) === 0) for (let j = 0; j < octets.length; j++) octets[j] = octets[j]! & 0x7f;
    expect(writtenText(octets), `seed ${SEED}`).toBe(expected(octets));
  }
});
