import { createHash } from 'node:crypto';
import type { NumberList, TlsHello } from './tls-hello.ts';

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
    alpnLetters(hello),
    '_',
    ciphers.count === 0 ? NO_HASH : hash(hex(sorted(ciphers))),
    '_',
    extensions.count === 0 ? NO_HASH : hash(algorithms === '' ? described : `${described}_${algorithms}`),
  ].join('');
}

/** First and last character of the first protocol offered; of their hexadecimal form where they are no letters or digits. */
function alpnLetters({ octets, alpnAt, alpnEnd }: TlsHello): string {
  if (alpnAt < 0 || alpnAt >= alpnEnd) return '00';
  const first = alpnAt + 1;
  const last = alpnAt + octets[alpnAt]!;
  if (last < first || last >= alpnEnd) return '00';
  const text = String.fromCharCode(octets[first]!, octets[last]!);
  if (/^[0-9A-Za-z]{2}$/.test(text)) return text;
  return HEX_OCTETS[octets[first]!]!.charAt(0) + HEX_OCTETS[octets[last]!]!.charAt(1);
}

function sorted({ numbers, count }: NumberList): Uint16Array {
  return numbers.slice(0, count).sort();
}

function hex(numbers: Uint16Array): string {
  let text = '';
  for (let i = 0; i < numbers.length; i++) {
    const number = numbers[i]!;
    text += `${i === 0 ? '' : ','}${HEX_OCTETS[number >> 8]}${HEX_OCTETS[number & 0xff]}`;
  }
  return text;
}

const HEX_OCTETS: readonly string[] = Array.from({ length: 256 }, (_, octet) => octet.toString(16).padStart(2, '0'));

/** Clients are of few kinds: the same lists come again and again. */
const MAX_HASHES = 2048;
const hashes = new Map<string, string>();

function hash(text: string): string {
  let digest = hashes.get(text);
  if (digest === undefined) {
    if (hashes.size >= MAX_HASHES) hashes.clear();
    digest = createHash('sha256').update(text).digest('hex').slice(0, 12);
    hashes.set(text, digest);
  }
  return digest;
}

function twoDigits(count: number): string {
  return String(Math.min(count, 99)).padStart(2, '0');
}
