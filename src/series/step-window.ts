/** Amounts of a flow that are shared out over its steps. */
export const AMOUNTS = 4;
/** Octets from source to destination. */
export const OCTETS = 0;
/** Packets of these. */
export const PACKETS = 1;
/** Octets from destination to source. */
export const REVERSE_OCTETS = 2;
/** Packets of these. */
export const REVERSE_PACKETS = 3;

/** How far a time may be ahead of the clock before it is taken back to it. */
export const SLACK_MS = 2000;

/**
 * The steps of one length that are open, and where in them the present flow lies. Steps are numbered from 1970; those that are
 * open, and one that is being closed, each have a slot in rings of {@link StepWindow.slots}.
 */
export class StepWindow {
  /** Length of a step. */
  readonly stepMs: number;
  /** Slots of a ring: the open steps and one that is being closed. */
  readonly slots: number;
  /** The oldest open step. */
  base = 0;
  /** The newest step that a flow was placed in. */
  used = 0;
  /** First step of the present flow that is open. */
  first = 0;
  /** Last step of the present flow. */
  last = 0;
  /** Slots of these two. */
  firstSlot = 0;
  lastSlot = 0;
  /** Start and end of the present flow, Unix milliseconds. */
  startMs = 0;
  endMs = 0;
  /** Whether the flow, or a part of it, belongs to a step that is closed. */
  isLate = false;
  /** The same for its end: all of it is late. */
  isWhollyLate = false;
  private readonly shares: readonly Float64Array[];
  /** Which of these are of the present flow: a bit each. */
  private shared = 0;
  private readonly openSteps: number;
  /** The step of the present flow, where that is all in one that is open, and what was the oldest open step then. */
  private singleFromMs = 0;
  private singleToMs = 0;
  private singleBase = -1;

  /** `delayMs` is how long a step stays open after its end. */
  constructor(stepMs: number, delayMs: number) {
    this.stepMs = stepMs;
    this.openSteps = Math.ceil((delayMs + SLACK_MS) / stepMs) + 1;
    this.slots = this.openSteps + 1;
    this.shares = Array.from({ length: AMOUNTS }, () => new Float64Array(this.openSteps));
  }

  /** The newest step that can be open. */
  get newest(): number {
    return this.base + this.openSteps - 1;
  }

  /**
   * Places a flow from `times[0]` to `times[1]`, Unix milliseconds, the end not included unless both are the same.
   */
  place(times: Float64Array): void {
    const { stepMs, base } = this;
    const startMs = times[0]!;
    const endMs = times[1]!;
    this.shared = 0;
    this.startMs = startMs;
    this.endMs = endMs;
    // Where steps are long, most flows lie in the same one as the flow before.
    if (startMs >= this.singleFromMs && endMs < this.singleToMs && base === this.singleBase) {
      if (this.last > this.used) this.used = this.last;
      return;
    }
    let first = Math.floor(startMs / stepMs);
    let last = endMs > startMs ? Math.ceil(endMs / stepMs) - 1 : first;
    this.isLate = first < base;
    this.isWhollyLate = last < base;
    if (first < base) first = base;
    if (last < base) last = base;
    else if (last > base + this.openSteps - 1) last = base + this.openSteps - 1;
    if (first > last) first = last;
    this.first = first;
    this.last = last;
    this.firstSlot = first % this.slots;
    this.lastSlot = last === first ? this.firstSlot : last % this.slots;
    if (last > this.used) this.used = last;
    const isSingle = first === last && !this.isLate && last < base + this.openSteps - 1;
    this.singleFromMs = first * stepMs;
    this.singleToMs = isSingle ? this.singleFromMs + stepMs : 0;
    this.singleBase = base;
  }

  /** The open step that a time, Unix milliseconds, is in, or the nearest one. */
  stepAt(timeMs: number): number {
    const step = Math.floor(timeMs / this.stepMs);
    const open = step < this.base ? this.base : Math.min(step, this.newest);
    if (open > this.used) this.used = open;
    return open;
  }

  /**
   * What of the present flow's amount of a kind falls into each of its steps: whole numbers that add up to the whole. To be used
   * where it has several.
   */
  sharesOf(kind: number, amounts: Float64Array): Float64Array {
    const shares = this.shares[kind]!;
    if ((this.shared & (1 << kind)) !== 0) return shares;
    this.shared |= 1 << kind;
    const { stepMs, first, last, startMs, endMs } = this;
    const amount = amounts[kind]!;
    const rate = amount / (endMs - startMs);
    // Differences of a rounded-down running sum.
    let before = 0;
    let elapsedMs = (first + 1) * stepMs - startMs;
    for (let i = 0; i < last - first; i++) {
      const upTo = Math.floor(rate * elapsedMs);
      shares[i] = upTo - before;
      before = upTo;
      elapsedMs += stepMs;
    }
    shares[last - first] = amount - before;
    return shares;
  }
}
