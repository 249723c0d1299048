/**
 * A seeded hash of 64 bits, kept as two signed 32-bit numbers, which V8 holds without allocating. Two keys with the same hash
 * are taken for one: with a seed that nobody outside knows, that does not happen by design, and by chance once in 10^9 years.
 */
export class SeededHash {
  /** First half of the hash so far. */
  first = 0;
  /** Second half of it. */
  second = 0;
  private readonly seedFirst: number;
  private readonly seedSecond: number;

  /** `seed` is any number; the same seed makes the same hashes. */
  constructor(seed: number) {
    this.seedFirst = Math.imul(seed ^ 0x3c6e_f372, 0x9e37_79b1) | 0;
    this.seedSecond = Math.imul((seed / 4294967296) ^ seed ^ 0x1b87_3593, 0x85eb_ca6b) | 0;
  }

  /** Begins a key; `kind` keeps keys of different kinds apart. */
  start(kind: number): void {
    this.first = this.seedFirst ^ kind;
    this.second = (this.seedSecond + kind) | 0;
  }

  /** Begins with what another key came to. */
  resume(first: number, second: number): void {
    this.first = first ^ this.seedFirst;
    this.second = (second + this.seedSecond) | 0;
  }

  /** Goes on with 32 bits. */
  word(value: number): void {
    this.first = mixFirst(this.first, value);
    this.second = mixSecond(this.second, value, this.first);
  }

  /** Spreads what has come over all bits: the last step. */
  end(): void {
    this.first = endFirst(this.first);
    this.second = endSecond(this.second);
  }

  /** The key of one word, begun and ended. */
  ofWord(kind: number, value: number): void {
    const first = mixFirst(this.seedFirst ^ kind, value);
    this.first = endFirst(first);
    this.second = endSecond(mixSecond((this.seedSecond + kind) | 0, value, first));
  }

  /** The key of five words, begun and ended. */
  ofWords(kind: number, word0: number, word1: number, word2: number, word3: number, word4: number): void {
    let first = mixFirst(this.seedFirst ^ kind, word0);
    let second = mixSecond((this.seedSecond + kind) | 0, word0, first);
    first = mixFirst(first, word1);
    second = mixSecond(second, word1, first);
    first = mixFirst(first, word2);
    second = mixSecond(second, word2, first);
    first = mixFirst(first, word3);
    second = mixSecond(second, word3, first);
    first = mixFirst(first, word4);
    this.first = endFirst(first);
    this.second = endSecond(mixSecond(second, word4, first));
  }
}

function mixFirst(first: number, value: number): number {
  const mixed = Math.imul(first ^ value, 0xcc9e_2d51 | 0);
  return Math.imul(((mixed << 15) | (mixed >>> 17)) ^ (mixed >>> 16), 0xe654_6b64 | 1);
}

/** `first` is what {@link mixFirst} gave for the same word. */
function mixSecond(second: number, value: number, first: number): number {
  const mixed = Math.imul(second ^ value, 0x1b87_3593 | 0);
  return Math.imul(((mixed << 13) | (mixed >>> 19)) + (first >>> 3), 0xc2b2_ae35 | 0);
}

function endFirst(first: number): number {
  const mixed = Math.imul(first ^ (first >>> 16), 0x85eb_ca6b | 0);
  return mixed ^ (mixed >>> 13);
}

function endSecond(second: number): number {
  const mixed = Math.imul(second ^ (second >>> 15), 0x2c1b_3c6d | 0);
  return mixed ^ (mixed >>> 12);
}
