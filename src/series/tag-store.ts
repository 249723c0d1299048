/** Tags of a table's rows, rendered once: octets one after the other, with room taken back when rows are forgotten. */
export class TagStore {
  /** All octets; those of a row start at {@link TagStore.startOf}. */
  octets = new Uint8Array(1024);
  private starts = new Uint32Array(16);
  private lengths = new Uint16Array(16);
  private end = 0;
  private wasted = 0;

  /** Where a row's tags start. */
  startOf(row: number): number {
    return this.starts[row]!;
  }

  /** Octets of a row's tags. */
  lengthOf(row: number): number {
    return this.lengths[row]!;
  }

  /** Keeps octets `[0, length)` of `tags` for a row that has none. */
  set(row: number, tags: Uint8Array, length: number): void {
    if (row >= this.starts.length) {
      const starts = new Uint32Array(2 * this.starts.length);
      starts.set(this.starts);
      this.starts = starts;
      const lengths = new Uint16Array(2 * this.lengths.length);
      lengths.set(this.lengths);
      this.lengths = lengths;
    }
    if (this.end + length > this.octets.length) this.makeRoom(length);
    for (let i = 0; i < length; i++) this.octets[this.end + i] = tags[i]!;
    this.starts[row] = this.end;
    this.lengths[row] = length;
    this.end += length;
  }

  /** Forgets a row's tags. */
  delete(row: number): void {
    this.wasted += this.lengths[row]!;
    this.lengths[row] = 0;
  }

  /** Moves what is in use together, into twice the room where that is not enough. */
  private makeRoom(length: number): void {
    const needed = this.end - this.wasted + length;
    let room = this.octets.length;
    while (needed > room / 2) room *= 2;
    const octets = new Uint8Array(room);
    let end = 0;
    for (let row = 0; row < this.starts.length; row++) {
      const start = this.starts[row]!;
      const ofRow = this.lengths[row]!;
      if (ofRow === 0) continue;
      octets.set(this.octets.subarray(start, start + ofRow), end);
      this.starts[row] = end;
      end += ofRow;
    }
    this.octets = octets;
    this.end = end;
    this.wasted = 0;
  }
}
