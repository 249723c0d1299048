const LF = 0x0a;
const FOUR_LFS = 0x0a0a0a0a;
const ONES = 0x01010101;
const TOP_BITS = 0x80808080;

/** Finds the ends of lines in octets, four of them at a time: header fields of HTTP are long, and few of them are asked for. */
export class LineEnds {
  private octets: Uint8Array = new Uint8Array(0);
  private view: DataView = new DataView(this.octets.buffer);

  /** What is searched from now on. */
  within(octets: Uint8Array): void {
    if (octets === this.octets) return;
    this.octets = octets;
    this.view = new DataView(octets.buffer, octets.byteOffset, octets.byteLength);
  }

  /** Position of the first LF in `[start, end)`, which lies within the octets; -1 where there is none. */
  find(start: number, end: number): number {
    const { octets, view } = this;
    let at = start;
    for (; at + 4 <= end; at += 4) {
      // An octet without bits has the top one when 1 is taken from it; an LF has none here.
      const word = view.getInt32(at, true) ^ FOUR_LFS;
      if (((word - ONES) & ~word & TOP_BITS) !== 0) break;
    }
    for (; at < end; at++) if (octets[at] === LF) return at;
    return -1;
  }
}
