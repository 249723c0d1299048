const WAYS = 8;

/**
 * Which keys were seen in which steps, bounded: a key has one of eight places, of which the one unused for longest is taken for
 * a new key. What it tells is exact unless keys are pushed out within the steps that are open, which is counted.
 */
export class ActiveSet {
  /** Keys that were pushed out while their steps were open: they count anew when they come again. */
  pushedOut = 0;
  /** First and last step before those seen until now that {@link ActiveSet.mark} found new: none where from is after to. */
  lowFrom = 0;
  lowTo = -1;
  /** The same behind those seen until now. */
  highFrom = 0;
  highTo = -1;
  private readonly buckets: number;
  /** Two words a place: the eight of a bucket share a cache line, here and below. */
  private readonly keys: Int32Array;
  /** First and last step of a place; steps are above 0. */
  private readonly steps: Int32Array;

  /** Holds about `size` keys, a power of two of at least 8. */
  constructor(size: number) {
    this.buckets = size / WAYS;
    this.keys = new Int32Array(2 * size);
    this.steps = new Int32Array(2 * size);
  }

  /** Says that a key was there from step `first` to `last`, of which `base` is the oldest that is open. */
  mark(firstKey: number, secondKey: number, first: number, last: number, base: number): void {
    const { keys, steps } = this;
    const from = (secondKey & (this.buckets - 1)) * WAYS * 2;
    let at = -1;
    for (let i = from; i < from + 2 * WAYS; i += 2) {
      if (keys[i] === firstKey && keys[i + 1] === secondKey && steps[i + 1]! > 0) {
        at = i;
        break;
      }
    }
    if (at < 0) {
      at = from;
      for (let i = from + 2; i < from + 2 * WAYS; i += 2) if (steps[i + 1]! < steps[at + 1]!) at = i;
      if (steps[at + 1]! >= base) this.pushedOut++;
      keys[at] = firstKey;
      keys[at + 1] = secondKey;
      steps[at] = first;
      steps[at + 1] = last;
      this.lowFrom = first;
      this.lowTo = last;
      this.highFrom = 0;
      this.highTo = -1;
      return;
    }
    const low = steps[at]!;
    const high = steps[at + 1]!;
    this.lowFrom = first;
    this.lowTo = last < low ? last : low - 1;
    this.highFrom = first > high ? first : high + 1;
    this.highTo = last;
    if (first < low) steps[at] = first;
    if (last > high) steps[at + 1] = last;
  }
}
