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
  private readonly firstKeys: Int32Array;
  private readonly secondKeys: Int32Array;
  private readonly lows: Float64Array;
  private readonly highs: Float64Array;

  /** Holds about `size` keys, a power of two of at least 8. */
  constructor(size: number) {
    this.buckets = size / WAYS;
    this.firstKeys = new Int32Array(size);
    this.secondKeys = new Int32Array(size);
    this.lows = new Float64Array(size);
    // Steps are above 0.
    this.highs = new Float64Array(size);
  }

  /** Says that a key was there from step `first` to `last`, of which `base` is the oldest that is open. */
  mark(firstKey: number, secondKey: number, first: number, last: number, base: number): void {
    const from = (secondKey & (this.buckets - 1)) * WAYS;
    let place = -1;
    let oldest = from;
    for (let i = from; i < from + WAYS; i++) {
      if (this.firstKeys[i] === firstKey && this.secondKeys[i] === secondKey && this.highs[i]! > 0) {
        place = i;
        break;
      }
      if (this.highs[i]! < this.highs[oldest]!) oldest = i;
    }
    if (place < 0) {
      if (this.highs[oldest]! >= base) this.pushedOut++;
      this.firstKeys[oldest] = firstKey;
      this.secondKeys[oldest] = secondKey;
      this.lows[oldest] = first;
      this.highs[oldest] = last;
      this.lowFrom = first;
      this.lowTo = last;
      this.highFrom = 0;
      this.highTo = -1;
      return;
    }
    const low = this.lows[place]!;
    const high = this.highs[place]!;
    this.lowFrom = first;
    this.lowTo = Math.min(last, low - 1);
    this.highFrom = Math.max(first, high + 1);
    this.highTo = last;
    if (first < low) this.lows[place] = first;
    if (last > high) this.highs[place] = last;
  }
}
