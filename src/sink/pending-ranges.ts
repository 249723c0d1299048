/** A place in the spool: the octet, and how many lines were handed over before it. */
export interface SpoolPosition {
  /** Octets since the spool was first made. */
  readonly at: number;
  /** Lines since then. */
  readonly line: number;
}

/** Part of the spool, `to` not included. */
export interface SpoolRange {
  readonly from: SpoolPosition;
  readonly to: SpoolPosition;
}

/** Which parts of the spool one server has not confirmed: in order, apart from one another. */
export class PendingRanges {
  #ranges: SpoolRange[] = [];

  /** The ranges, oldest first. */
  get ranges(): readonly SpoolRange[] {
    return this.#ranges;
  }

  /** Lines in them. */
  get lines(): number {
    let lines = 0;
    for (const { from, to } of this.#ranges) lines += to.line - from.line;
    return lines;
  }

  /** Octets in them. */
  get octets(): number {
    let octets = 0;
    for (const { from, to } of this.#ranges) octets += to.at - from.at;
    return octets;
  }

  /** Adds what lies behind all there is. */
  append(from: SpoolPosition, to: SpoolPosition): void {
    if (to.at <= from.at) return;
    const last = this.#ranges.at(-1);
    if (last === undefined || last.to.at !== from.at) this.#ranges.push({ from, to });
    else this.#ranges[this.#ranges.length - 1] = { from: last.from, to };
  }

  /** Takes a part out; returns how many lines of it were in. */
  remove(from: SpoolPosition, to: SpoolPosition): number {
    let lines = 0;
    const kept: SpoolRange[] = [];
    for (const range of this.#ranges) {
      if (range.to.at <= from.at || range.from.at >= to.at) {
        kept.push(range);
        continue;
      }
      const first = later(range.from, from);
      const last = earlier(range.to, to);
      lines += last.line - first.line;
      if (range.from.at < first.at) kept.push({ from: range.from, to: first });
      if (range.to.at > last.at) kept.push({ from: last, to: range.to });
    }
    this.#ranges = kept;
    return lines;
  }

  /** Whether anything between the two is in. */
  touches(from: SpoolPosition, to: SpoolPosition): boolean {
    return this.#ranges.some((range) => range.from.at < to.at && range.to.at > from.at);
  }
}

/** The one nearer to the end. */
export function later(a: SpoolPosition, b: SpoolPosition): SpoolPosition {
  return a.at >= b.at ? a : b;
}

/** The one nearer to the beginning. */
export function earlier(a: SpoolPosition, b: SpoolPosition): SpoolPosition {
  return a.at <= b.at ? a : b;
}
