/** Applications of an owner that are kept at a time. */
const KEPT = 8;
/** An entry is the application's number above, and a row and one, or {@link FULL}, in so many bits. */
const ROW_BITS = 20;
const FULL = 2 ** ROW_BITS - 1;
/** Numbers of applications that can be kept are below. */
const MOST = 2 ** (31 - ROW_BITS);
const FIRST_OWNERS = 16;

/** Nothing is known. */
export const UNKNOWN = -1;
/** There was no room for it: until the step ends it goes to `other`. */
export const OVER = -2;

/**
 * Rows of a table that has one for each owner's application, by the owner's row in another table and the number of the application:
 * those of one owner lie side by side, where the rows' own keys would have to be made and looked up for each flow. Eight are kept
 * for each owner; others are to be looked up by their keys.
 */
export class ApplicationRows {
  /** 0 where nothing is kept. */
  private entries = new Int32Array(FIRST_OWNERS * KEPT);
  /** Of each row: where it stands in the above, and one; 0 for none. */
  private places = new Int32Array(FIRST_OWNERS);
  /** Where {@link OVER} was set since the last {@link ApplicationRows.retry}. */
  private over: number[] = [];

  /** The row of an owner's application, {@link UNKNOWN} or {@link OVER}. */
  find(owner: number, number: number): number {
    const place = owner * KEPT + (number & (KEPT - 1));
    // Behind the end there is nothing.
    if (number < 0 || place >= this.entries.length) return UNKNOWN;
    const entry = this.entries[place]!;
    if (entry >> ROW_BITS !== number) return UNKNOWN;
    const row = entry & FULL;
    return row === FULL ? OVER : row - 1;
  }

  /** Keeps the row of an owner's application, instead of another one's where these are many. */
  set(owner: number, number: number, row: number): void {
    if (number < 0 || number >= MOST || row + 1 >= FULL) return;
    const place = owner * KEPT + (number & (KEPT - 1));
    this.entries = atLeast(this.entries, (owner + 1) * KEPT);
    this.places = atLeast(this.places, row + 1);
    this.entries[place] = (number << ROW_BITS) | (row + 1);
    this.places[row] = place + 1;
  }

  /** Keeps that there is no room for an owner's application, unless another one has the place. */
  setOver(owner: number, number: number): void {
    if (number < 0 || number >= MOST) return;
    const place = owner * KEPT + (number & (KEPT - 1));
    this.entries = atLeast(this.entries, (owner + 1) * KEPT);
    if (this.entries[place] !== 0) return;
    this.entries[place] = (number << ROW_BITS) | FULL;
    this.over.push(place);
  }

  /** Forgets for what there was no room. */
  retry(): void {
    for (const place of this.over) if ((this.entries[place]! & FULL) === FULL) this.entries[place] = 0;
    this.over = [];
  }

  /** Forgets an owner. */
  forgetOwner(owner: number): void {
    this.entries.fill(0, owner * KEPT, (owner + 1) * KEPT);
  }

  /** Forgets a row. */
  forgetRow(row: number): void {
    const place = (this.places[row] ?? 0) - 1;
    // Another owner or application may have the place by now.
    if (place >= 0 && (this.entries[place]! & FULL) === row + 1) this.entries[place] = 0;
  }
}

/** `from`, or a longer one with the same at its beginning. */
export function atLeast(from: Int32Array<ArrayBuffer>, length: number): Int32Array<ArrayBuffer> {
  if (length <= from.length) return from;
  const to = new Int32Array(Math.max(length, 2 * from.length));
  to.set(from);
  return to;
}
