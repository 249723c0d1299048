const REGISTER_BITS = 14;
const REGISTERS = 1 << REGISTER_BITS;

/**
 * How many different keys there were, in 16 KiB whatever comes: HyperLogLog with linear counting for small numbers (Flajolet et
 * al. 2007). Exact for some hundred, within about 1 % above.
 */
export class DistinctCount {
  private readonly registers = new Uint8Array(REGISTERS);

  /** Takes a key by its hash. */
  add(first: number, second: number): void {
    const register = first & (REGISTERS - 1);
    const rank = Math.clz32(second) + 1;
    if (rank > this.registers[register]!) this.registers[register] = rank;
  }

  /** The estimate. */
  count(): number {
    let sum = 0;
    let zeros = 0;
    for (let i = 0; i < REGISTERS; i++) {
      const rank = this.registers[i]!;
      sum += 2 ** -rank;
      if (rank === 0) zeros++;
    }
    const estimate = ((0.7213 / (1 + 1.079 / REGISTERS)) * REGISTERS * REGISTERS) / sum;
    return Math.round(estimate <= 2.5 * REGISTERS && zeros > 0 ? REGISTERS * Math.log(REGISTERS / zeros) : estimate);
  }

  /** Forgets all. */
  clear(): void {
    this.registers.fill(0);
  }
}
