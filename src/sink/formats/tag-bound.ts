/** Bounds the series that flows make: an Exporter may name any interfaces. */
export class TagBound {
  /** Flows that would have made a series too many. */
  flowsBeyond = 0;
  readonly #maxSeries: number;
  /** Small numbers for interfaces, so that three tags make one number. */
  readonly #interfaces = new Map<number, number>();
  readonly #series = new Map<string, Set<number>>();
  #count = 0;
  #exporter = '';
  #known: Set<number> | undefined;

  /** Of all Exporters together. */
  constructor(maxSeries: number) {
    this.#maxSeries = maxSeries;
  }

  /** Whether the Exporter is one of those that may have series. */
  knows(exporter: string): boolean {
    return this.#select(exporter) !== undefined;
  }

  /** Whether these tags are a series of theirs; -1 stands for one that is not there. */
  admits(exporter: string, input: number, output: number, protocol: number): boolean {
    const known = exporter === this.#exporter ? this.#known : this.#select(exporter);
    const from = this.#numberOf(input);
    const to = this.#numberOf(output);
    if (known !== undefined && from >= 0 && to >= 0) {
      const key = (from * MAX_INTERFACES + to) * 512 + protocol + 1;
      if (known.has(key)) return true;
      if (this.#count < this.#maxSeries) {
        this.#count++;
        known.add(key);
        return true;
      }
    }
    this.flowsBeyond++;
    return false;
  }

  #select(exporter: string): Set<number> | undefined {
    let known = this.#series.get(exporter);
    if (known === undefined && this.#series.size < this.#maxSeries) {
      known = new Set();
      this.#series.set(exporter, known);
    }
    this.#exporter = exporter;
    this.#known = known;
    return known;
  }

  #numberOf(ifIndex: number): number {
    const known = this.#interfaces.get(ifIndex);
    if (known !== undefined) return known;
    if (this.#interfaces.size >= MAX_INTERFACES) return -1;
    this.#interfaces.set(ifIndex, this.#interfaces.size);
    return this.#interfaces.size - 1;
  }
}

/** Squared and times 512 this is below 2^53. */
const MAX_INTERFACES = 2 ** 21;
