/**
 * A big-endian read position over octets `[pos, end)` of a view.
 *
 * A read past `end` yields 0, moves to `end` and sets {@link Cursor.overrun}, which stays until the next
 * {@link Cursor.reset}: a parser reads a structure in straight lines and asks once whether it was all there.
 */
export class Cursor {
  /** The octets read from. */
  view: DataView;
  /** Where the next read starts, from the start of {@link Cursor.view}. */
  pos = 0;
  /** First octet that may not be read. */
  end = 0;
  /** True once a read went past {@link Cursor.end}. */
  overrun = false;

  /** Starts over the whole of `view`. */
  constructor(view: DataView) {
    this.view = view;
    this.end = view.byteLength;
  }

  /** Points the cursor at octets `[pos, end)` of `view` and clears {@link Cursor.overrun}. */
  reset(view: DataView, pos: number, end: number): this {
    this.view = view;
    this.pos = pos;
    this.end = end;
    this.overrun = false;
    return this;
  }

  /** Octets left before {@link Cursor.end}. */
  get remaining(): number {
    return this.end - this.pos;
  }

  /** Reads one octet. */
  u8(): number {
    const at = this.take(1);
    return at < 0 ? 0 : this.view.getUint8(at);
  }

  /** Reads an unsigned 16-bit number. */
  u16(): number {
    const at = this.take(2);
    return at < 0 ? 0 : this.view.getUint16(at);
  }

  /** Reads an unsigned 32-bit number. */
  u32(): number {
    const at = this.take(4);
    return at < 0 ? 0 : this.view.getUint32(at);
  }

  /** Reads an unsigned 64-bit number, exact whatever its size; not for hot paths. */
  u64(): bigint {
    const at = this.take(8);
    return at < 0 ? 0n : this.view.getBigUint64(at);
  }

  /** Moves past `length` octets and returns where they start, or -1 when there are fewer. */
  take(length: number): number {
    const at = this.pos;
    if (length > this.end - at) {
      this.overrun = true;
      this.pos = this.end;
      return -1;
    }
    this.pos = at + length;
    return at;
  }
}
