/** Seeded pseudo-random numbers for tests (xorshift32, Marsaglia 2003): the same seed gives the same numbers everywhere. */
export class Random {
  private state: number;

  /** Starts at `seed`, any 32-bit number; print it when a test fails. */
  constructor(seed: number) {
    // Xorshift never leaves 0.
    this.state = seed >>> 0 || 0x9e3779b9;
    for (let i = 0; i < 8; i++) this.u32();
  }

  /** Next unsigned 32-bit number. */
  u32(): number {
    let x = this.state;
    x ^= x << 13;
    x ^= x >>> 17;
    x ^= x << 5;
    this.state = x >>> 0;
    return this.state;
  }

  /** Whole number of at least 0 and less than `limit`. */
  below(limit: number): number {
    return Math.floor((this.u32() / 2 ** 32) * limit);
  }

  /** One of `items`, which has at least one. */
  pick<T>(items: readonly T[]): T {
    return items[this.below(items.length)] as T;
  }

  /** `length` octets. */
  octets(length: number): Uint8Array {
    const octets = new Uint8Array(length);
    for (let i = 0; i < length; i++) octets[i] = this.u32() >>> 24;
    return octets;
  }
}
