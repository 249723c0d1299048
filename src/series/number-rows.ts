/** Rows kept at a time, a power of two. */
const KEPT = 1024;
/** Greater numbers are not kept. */
const MOST = 0xffff_ffff;
/** Words of a place: the owner, the number, and the row and one, 0 where it is free. */
const PLACE = 4;

/**
 * Rows of a table that has one for each number, such as that of an interface or AS: those looked up lately, without the keys that
 * the table knows them by. Numbers may be those of an owner, which is a row of another table.
 */
export class NumberRows {
  private readonly places = new Int32Array(KEPT * PLACE);
  private isEmpty = true;

  /** The row of an owner's number, 0 or above; -1 where it is not kept. */
  find(owner: number, number: number): number {
    const { places } = this;
    // Its lower half may be another number.
    if (number > MOST) return -1;
    const at = ((number + 61 * owner) & (KEPT - 1)) * PLACE;
    return places[at + 1] === (number | 0) && places[at] === owner ? places[at + 2]! - 1 : -1;
  }

  /** Keeps the row of an owner's number of up to 32 bits, instead of another one's that has the place. */
  set(owner: number, number: number, row: number): void {
    if (number > MOST) return;
    const { places } = this;
    const at = ((number + 61 * owner) & (KEPT - 1)) * PLACE;
    places[at] = owner;
    places[at + 1] = number;
    places[at + 2] = row + 1;
    this.isEmpty = false;
  }

  /** Forgets all: a row, or an owner, is gone. */
  clear(): void {
    if (this.isEmpty) return;
    this.places.fill(0);
    this.isEmpty = true;
  }
}
