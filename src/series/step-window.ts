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
  private baseStep = 0;
  /** When it begins, and its slot. */
  private baseMs = 0;
  private baseSlot = 0;
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

  /** The oldest open step. */
  get base(): number {
    return this.baseStep;
  }

  set base(step: number) {
    this.baseStep = step;
    this.baseMs = step * this.stepMs;
    this.baseSlot = step % this.slots;
  }

  /** The newest step that can be open. */
  get newest(): number {
    return this.base + this.openSteps - 1;
  }

  /**
   * Places a flow from `times[0]` to `times[1]`, Unix milliseconds, the end not included unless both are the same.
   */
  place(times: Float64Array): void {
    const { baseStep, openSteps, slots } = this;
    const startMs = times[0]!;
    const endMs = times[1]!;
    this.shared = 0;
    this.startMs = startMs;
    this.endMs = endMs;
    // Where steps are long, most flows lie in the same one as the flow before.
    if (startMs >= this.singleFromMs && endMs < this.singleToMs && baseStep === this.singleBase) {
      if (this.last > this.used) this.used = this.last;
      return;
    }
    const { stepMs, baseMs, baseSlot } = this;
    // Counted from the oldest open step; rounded by hand, since integers are what is wanted.
    const from = (startMs - baseMs) / stepMs;
    const to = (endMs - baseMs) / stepMs;
    let first = from < 0 ? -1 : from < openSteps ? from | 0 : openSteps - 1;
    let last = first;
    if (endMs > startMs) {
      if (to <= 0) last = -1;
      else if (to >= openSteps) last = openSteps - 1;
      else {
        last = to | 0;
        if (last === to) last--;
      }
    }
    const isSingle = first === last && first >= 0 && last < openSteps - 1;
    this.isLate = first < 0;
    this.isWhollyLate = last < 0;
    if (last < 0) last = 0;
    if (first < 0) first = 0;
    else if (first > last) first = last;
    this.first = baseStep + first;
    this.last = baseStep + last;
    const firstSlot = baseSlot + first;
    const lastSlot = baseSlot + last;
    this.firstSlot = firstSlot < slots ? firstSlot : firstSlot - slots;
    this.lastSlot = lastSlot < slots ? lastSlot : lastSlot - slots;
    if (this.last > this.used) this.used = this.last;
    this.singleFromMs = this.first * stepMs;
    this.singleToMs = isSingle ? this.singleFromMs + stepMs : 0;
    this.singleBase = baseStep;
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
