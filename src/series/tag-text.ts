import type { SeededHash } from './seeded-hash.ts';

/** Octets of a tag's value, at most: the rest is cut off. InfluxDB refuses keys of more than 65,535 in all. */
export const MAX_TAG_OCTETS = 256;

/** What an empty value is written as: line protocol has no empty tags. */
const EMPTY = Buffer.from('-');
const REPLACEMENT = Buffer.from('\ufffd');
const BACKSLASH = 0x5c;
const SLASH = 0x2f;
const UNDERSCORE = 0x5f;

/** Kind of key that {@link TagText.read} hashes. */
const TEXT_KIND = 11;

/**
 * A tag's value as any sender may have made it, and its hash. What line protocol can say with a backslash in front (comma,
 * space, equals) stays; what it cannot say is replaced: control octets by `_`, a backslash by `/` (InfluxDB 1.x and
 * VictoriaMetrics read two of them differently, and at the end it would swallow the separator), octets that are no UTF-8 by
 * U+FFFD. Trailing NULs, which fill up fields of fixed length, are no part of it.
 */
export class TagText {
  /** Halves of the hash of the value as it is written. */
  first = 0;
  /** Second half. */
  second = 0;
  /** Values that were cut. */
  cut = 0;
  private octets: Uint8Array = EMPTY;
  private start = 0;
  private length = 0;
  private readonly hash: SeededHash;
  private readonly clean = new Uint8Array(MAX_TAG_OCTETS + 4);

  /** Hashes with `hash`. */
  constructor(hash: SeededHash) {
    this.hash = hash;
  }

  /** Takes the value in octets `[at, at + length)`, which stay where they are until it is written. */
  read(octets: Uint8Array, at: number, length: number): void {
    let end = at + length;
    if (end > octets.length) end = octets.length;
    while (end > at && octets[end - 1] === 0) end--;
    this.octets = octets;
    this.start = at;
    this.length = end - at;
    if (this.length <= 0 || this.length > MAX_TAG_OCTETS) {
      this.makeClean();
    } else {
      for (let i = at; i < end; i++) {
        const octet = octets[i]!;
        if (octet < 0x20 || octet > 0x7e || octet === BACKSLASH) {
          this.makeClean();
          break;
        }
      }
    }
    this.takeHash();
  }

  /** Takes a text of our own. */
  readString(text: string): void {
    const octets = Buffer.from(text, 'utf8');
    this.read(octets, 0, octets.length);
  }

  /** Keeps the value here, so that the octets it was read from may go. */
  keep(): void {
    const { octets, start, length, clean } = this;
    if (octets === clean) return;
    for (let i = 0; i < length; i++) clean[i] = octets[start + i]!;
    this.octets = clean;
    this.start = 0;
  }

  /** Writes the value with its escapes at `pos` and returns where it ends: at most twice {@link MAX_TAG_OCTETS} further. */
  writeTo(out: Uint8Array, at: number): number {
    let pos = at;
    for (let i = this.start; i < this.start + this.length; i++) {
      const octet = this.octets[i]!;
      if (octet === 0x2c || octet === 0x20 || octet === 0x3d) out[pos++] = BACKSLASH;
      out[pos++] = octet;
    }
    return pos;
  }

  private takeHash(): void {
    const { hash, octets, start, length } = this;
    hash.start(TEXT_KIND);
    let word = length;
    for (let i = 0; i < length; i++) {
      word = (word << 8) | octets[start + i]!;
      if ((i & 3) === 3) {
        hash.word(word);
        word = 0;
      }
    }
    hash.word(word);
    hash.end();
    this.first = hash.first;
    this.second = hash.second;
  }

  /** The rare case: the value made fit, in octets of our own. */
  private makeClean(): void {
    const { octets, start, length, clean } = this;
    const end = start + length;
    let pos = 0;
    for (let i = start; i < end; ) {
      const octet = octets[i]!;
      const sequence = octet < 0x80 ? 1 : sequenceLength(octets, i, end);
      const needed = sequence === 0 ? REPLACEMENT.length : sequence;
      if (pos + needed > MAX_TAG_OCTETS) {
        this.cut++;
        break;
      }
      if (sequence === 0) {
        clean.set(REPLACEMENT, pos);
      } else if (octet < 0x80) {
        clean[pos] = octet < 0x20 || octet === 0x7f ? UNDERSCORE : octet === BACKSLASH ? SLASH : octet;
      } else {
        for (let j = 0; j < sequence; j++) clean[pos + j] = octets[i + j]!;
      }
      pos += needed;
      i += sequence === 0 ? 1 : sequence;
    }
    this.octets = pos === 0 ? EMPTY : clean;
    this.start = 0;
    this.length = pos === 0 ? EMPTY.length : pos;
  }
}

/** Octets of the UTF-8 sequence at `at` (RFC 3629 section 4), or 0 where there is none, or one of the control characters behind ASCII. */
function sequenceLength(octets: Uint8Array, at: number, end: number): number {
  const first = octets[at]!;
  const length =
    first >= 0xc2 && first <= 0xdf ? 2 : (first & 0xf0) === 0xe0 ? 3 : first >= 0xf0 && first <= 0xf4 ? 4 : 0;
  if (length === 0 || at + length > end) return 0;
  for (let i = 1; i < length; i++) if ((octets[at + i]! & 0xc0) !== 0x80) return 0;
  const second = octets[at + 1]!;
  if (first === 0xc2 && second < 0xa0) return 0;
  if ((first === 0xe0 && second < 0xa0) || (first === 0xed && second > 0x9f)) return 0;
  if ((first === 0xf0 && second < 0x90) || (first === 0xf4 && second > 0x8f)) return 0;
  return length;
}
