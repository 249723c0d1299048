import { createHash } from 'node:crypto';
import { ascii } from './octet-text.ts';
import { MAX_LIST, type NumberList, type TlsHello } from './tls-hello.ts';

/** What a ClientHello came over: TLS over TCP, QUIC, or DTLS. */
export type HelloTransport = 't' | 'q' | 'd';

const NO_HASH = '000000000000';
const EXTENSION_SERVER_NAME = 0;
const EXTENSION_ALPN = 16;

const VERSIONS: ReadonlyMap<number, string> = new Map([
  [0x0304, '13'],
  [0x0303, '12'],
  [0x0302, '11'],
  [0x0301, '10'],
  [0x0300, 's3'],
  [0x0002, 's2'],
  [0xfeff, 'd1'],
  [0xfefd, 'd2'],
  [0xfefc, 'd3'],
]);

/** Fingerprints kept, a power of two. */
const PLACES = 1024;
/** Transport and server name, version, letters of ALPN, and how long the three lists are that follow. */
const KEY_HEADER = 6;
const HASH_SEED = 0x811c9dc5;
const HASH_PRIME = 0x01000193;

/**
 * Fingerprints of ClientHellos by all that goes into them: clients are of few kinds, and hashing takes 20 times as long as
 * seeing that a hello is of a known one.
 */
export class Ja4Table {
  /** Each in the place its hash gives it, until another takes it. */
  private readonly keys: Uint16Array[] = new Array<Uint16Array>(PLACES).fill(new Uint16Array(0));
  private readonly prints: Uint8Array[] = new Array<Uint8Array>(PLACES).fill(new Uint8Array(0));
  private readonly key = new Uint16Array(KEY_HEADER + 3 * MAX_LIST);

  /** {@link ja4} in ASCII, to be read only. Sorts the ciphers and extensions of `hello`. */
  of(hello: TlsHello, transport: HelloTransport): Uint8Array {
    const { key, keys } = this;
    const { ciphers, extensions, signatureAlgorithms } = hello;
    sort(ciphers);
    sort(extensions);
    key[0] = (transport.charCodeAt(0) << 8) | (hello.hasServerName ? 1 : 0);
    key[1] = hello.version;
    key[2] = alpnEnds(hello);
    key[3] = ciphers.count;
    key[4] = extensions.count;
    key[5] = signatureAlgorithms.count;
    let length = append(key, KEY_HEADER, ciphers);
    length = append(key, length, extensions);
    length = append(key, length, signatureAlgorithms);
    let hash = HASH_SEED;
    for (let i = 0; i < length; i++) hash = Math.imul(hash ^ key[i]!, HASH_PRIME);
    const place = (hash ^ (hash >>> 15)) & (PLACES - 1);
    if (!isSame(keys[place]!, key, length)) {
      keys[place] = key.slice(0, length);
      this.prints[place] = ascii(ja4(hello, transport));
    }
    return this.prints[place]!;
  }
}

/** The JA4 fingerprint of a ClientHello ("JA4: TLS Client Fingerprinting", FoxIO, 2023). */
export function ja4(hello: TlsHello, transport: HelloTransport): string {
  const { ciphers, extensions, signatureAlgorithms } = hello;
  const described = hex(sorted(extensions).filter((type) => type !== EXTENSION_SERVER_NAME && type !== EXTENSION_ALPN));
  const algorithms = hex(signatureAlgorithms.numbers.subarray(0, signatureAlgorithms.count));
  return [
    transport,
    VERSIONS.get(hello.version) ?? '00',
    hello.hasServerName ? 'd' : 'i',
    twoDigits(ciphers.count),
    twoDigits(extensions.count),
    alpnLetters(alpnEnds(hello)),
    '_',
    ciphers.count === 0 ? NO_HASH : hash(hex(sorted(ciphers))),
    '_',
    extensions.count === 0 ? NO_HASH : hash(algorithms === '' ? described : `${described}_${algorithms}`),
  ].join('');
}

/** First and last octet of the first protocol offered; 0 where there is none. */
function alpnEnds({ octets, alpnAt, alpnEnd }: TlsHello): number {
  if (alpnAt < 0 || alpnAt >= alpnEnd) return 0;
  const first = alpnAt + 1;
  const last = alpnAt + octets[alpnAt]!;
  return last < first || last >= alpnEnd ? 0 : (octets[first]! << 8) | octets[last]!;
}

/** Both as characters; of their hexadecimal form where they are no letters or digits. */
function alpnLetters(ends: number): string {
  const text = String.fromCharCode(ends >> 8, ends & 0xff);
  if (/^[0-9A-Za-z]{2}$/.test(text)) return text;
  return HEX_OCTETS[ends >> 8]!.charAt(0) + HEX_OCTETS[ends & 0xff]!.charAt(1);
}

function append(key: Uint16Array, start: number, { numbers, count }: NumberList): number {
  for (let i = 0; i < count; i++) key[start + i] = numbers[i]!;
  return start + count;
}

function isSame(known: Uint16Array, key: Uint16Array, length: number): boolean {
  if (known.length !== length) return false;
  for (let i = 0; i < length; i++) if (known[i] !== key[i]) return false;
  return true;
}

/** In place, by insertion: lists are short, and many come sorted. */
function sort({ numbers, count }: NumberList): void {
  for (let i = 1; i < count; i++) {
    const number = numbers[i]!;
    let at = i;
    while (at > 0 && numbers[at - 1]! > number) {
      numbers[at] = numbers[at - 1]!;
      at--;
    }
    numbers[at] = number;
  }
}

function sorted({ numbers, count }: NumberList): Uint16Array {
  return numbers.slice(0, count).sort();
}

function hex(numbers: Uint16Array): string {
  return Array.from(numbers, (number) => `${HEX_OCTETS[number >> 8]}${HEX_OCTETS[number & 0xff]}`).join(',');
}

const HEX_OCTETS: readonly string[] = Array.from({ length: 256 }, (_, octet) => octet.toString(16).padStart(2, '0'));

function hash(text: string): string {
  return createHash('sha256').update(text).digest('hex').slice(0, 12);
}

function twoDigits(count: number): string {
  return String(Math.min(count, 99)).padStart(2, '0');
}
