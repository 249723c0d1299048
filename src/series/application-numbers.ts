/** Numbers given, at most. */
const MOST = 2048;
/** Words of a place: the key, and the number and one, 0 where it is free. */
const PLACE = 4;
const MASK = 2 * MOST * PLACE - 1;

/** Small numbers for the first applications seen, by the hash of their name; they stay as long as the program runs. */
export class ApplicationNumbers {
  private readonly index = new Int32Array(2 * MOST * PLACE);
  private given = 0;

  /** The number of an application, from 0 on; -1 for those that came when all were given. */
  numberOf(first: number, second: number): number {
    const { index } = this;
    for (let at = (first * PLACE) & MASK; ; at = (at + PLACE) & MASK) {
      const entry = index[at + 2]!;
      if (entry === 0) return this.give(at, first, second);
      if (index[at] === first && index[at + 1] === second) return entry - 1;
    }
  }

  private give(at: number, first: number, second: number): number {
    if (this.given === MOST) return -1;
    const { index } = this;
    index[at] = first;
    index[at + 1] = second;
    index[at + 2] = ++this.given;
    return this.given - 1;
  }
}
