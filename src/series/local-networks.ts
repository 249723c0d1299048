import { parseIPv4, parseIPv6 } from '../bytes/parse-address.ts';

/** Private, link-local and loopback ranges: RFC 1918, 4193, 6598, 3927, 4291 sections 2.5.3 and 2.5.6, 1122 section 3.2.1.3. */
export const DEFAULT_LOCAL_NETWORKS: readonly string[] = [
  '10.0.0.0/8',
  '172.16.0.0/12',
  '192.168.0.0/16',
  '100.64.0.0/10',
  '169.254.0.0/16',
  '127.0.0.0/8',
  'fc00::/7',
  'fe80::/10',
  '::1/128',
];

/** Most networks: each address of each flow is compared with all of them. */
export const MAX_LOCAL_NETWORKS = 256;

const SOME = -2;

/** Networks whose hosts get series. */
export class LocalNetworks {
  /** The networks as text, longest prefix first. */
  readonly names: readonly string[];
  /** By first octet of an IPv4 address: the network of all that have it, -1 for none, {@link SOME} where only some are in one. */
  private readonly byFirstOctet = new Int16Array(256).fill(-1);
  private readonly networks4: Int32Array;
  private readonly masks4: Int32Array;
  private readonly indices4: Int32Array;
  private readonly networks6: Int32Array;
  private readonly masks6: Int32Array;
  private readonly indices6: Int32Array;

  /** Throws one clear error where a text is no prefix (`10.0.0.0/8`, `fc00::/7`, or an address alone) or there are too many. */
  constructor(texts: readonly string[]) {
    if (texts.length > MAX_LOCAL_NETWORKS) {
      throw new Error(`local networks: ${texts.length} are more than ${MAX_LOCAL_NETWORKS}`);
    }
    const prefixes = texts.map(parsePrefix).sort((a, b) => b.length - a.length);
    this.names = prefixes.map(({ text }) => text);
    const of = (octets: number) =>
      prefixes.map((prefix, index) => ({ ...prefix, index })).filter(({ address }) => address.length === octets);
    const [four, six] = [of(4), of(16)];
    this.networks4 = Int32Array.from(four.flatMap(({ address, length }) => maskedWords(address, length)));
    this.masks4 = Int32Array.from(four.flatMap(({ length }) => maskedWords(ONES.subarray(0, 4), length)));
    this.indices4 = Int32Array.from(four.map(({ index }) => index));
    for (const { address, length, index } of four) {
      const first = maskedWords(address, length)[0]! >>> 24;
      // The longest prefix comes first.
      for (let octet = first; octet < first + 2 ** Math.max(8 - length, 0); octet++) {
        if (this.byFirstOctet[octet] === -1) this.byFirstOctet[octet] = length <= 8 ? index : SOME;
      }
    }
    this.networks6 = Int32Array.from(six.flatMap(({ address, length }) => maskedWords(address, length)));
    this.masks6 = Int32Array.from(six.flatMap(({ length }) => maskedWords(ONES, length)));
    this.indices6 = Int32Array.from(six.map(({ index }) => index));
  }

  /** Index in {@link LocalNetworks.names} of the network an IPv4 address is in, or -1. */
  find4(address: number): number {
    const found = this.byFirstOctet[address >>> 24]!;
    if (found !== SOME) return found;
    const { networks4, masks4 } = this;
    for (let i = 0; i < networks4.length; i++) {
      if ((address & masks4[i]!) === networks4[i]) return this.indices4[i]!;
    }
    return -1;
  }

  /** The same for the IPv6 address in 16 octets at `at`, which are there. */
  find6(view: DataView, at: number): number {
    const { networks6, masks6, indices6 } = this;
    for (let i = 0; i < indices6.length; i++) {
      const from = 4 * i;
      if (
        (view.getInt32(at) & masks6[from]!) === networks6[from] &&
        (view.getInt32(at + 4) & masks6[from + 1]!) === networks6[from + 1] &&
        (view.getInt32(at + 8) & masks6[from + 2]!) === networks6[from + 2] &&
        (view.getInt32(at + 12) & masks6[from + 3]!) === networks6[from + 3]
      ) {
        return indices6[i]!;
      }
    }
    return -1;
  }
}

interface Prefix {
  readonly text: string;
  readonly address: Uint8Array;
  readonly length: number;
}

const ONES = new Uint8Array(16).fill(0xff);

function parsePrefix(text: string): Prefix {
  const [, addressText = '', lengthText] = /^([0-9a-fA-F.:]+)(?:\/(\d{1,3}))?$/.exec(text) ?? [];
  const octets = Buffer.from(addressText, 'latin1');
  let address: Uint8Array | undefined;
  const four = octets.length === 0 ? -1 : parseIPv4(octets, 0, octets.length);
  if (four >= 0) address = Uint8Array.of(four >>> 24, (four >>> 16) & 255, (four >>> 8) & 255, four & 255);
  else {
    const six = new Uint8Array(16);
    if (octets.length > 0 && parseIPv6(octets, 0, octets.length, six, 0)) address = six;
  }
  const length = lengthText === undefined ? 8 * (address?.length ?? 0) : Number(lengthText);
  if (address === undefined || length > 8 * address.length) {
    throw new Error(`local networks: ${JSON.stringify(text)} is no prefix like 10.0.0.0/8 or fc00::/7`);
  }
  return { text: `${addressText}/${length}`, address, length };
}

function maskedWords(address: Uint8Array, length: number): number[] {
  const words: number[] = [];
  for (let at = 0; at < address.length; at += 4) {
    let word = 0;
    for (let i = 0; i < 4; i++) {
      const bits = Math.min(Math.max(length - 8 * (at + i), 0), 8);
      word = (word << 8) | (address[at + i]! & (0xff00 >> bits) & 0xff);
    }
    words.push(word | 0);
  }
  return words;
}
