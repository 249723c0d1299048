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
    const first = Math.imul(this.first ^ value, 0xcc9e_2d51 | 0);
    const second = Math.imul(this.second ^ value, 0x1b87_3593 | 0);
    this.first = Math.imul(((first << 15) | (first >>> 17)) ^ (first >>> 16), 0xe654_6b64 | 1);
    this.second = Math.imul(((second << 13) | (second >>> 19)) + (this.first >>> 3), 0xc2b2_ae35 | 0);
  }

  /** Spreads what has come over all bits: the last step. */
  end(): void {
    let first = this.first ^ (this.first >>> 16);
    first = Math.imul(first, 0x85eb_ca6b | 0);
    this.first = first ^ (first >>> 13);
    let second = this.second ^ (this.second >>> 15);
    second = Math.imul(second, 0x2c1b_3c6d | 0);
    this.second = second ^ (second >>> 12);
  }
}
