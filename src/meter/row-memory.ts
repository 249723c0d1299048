/**
 * Octets in front of rows. The allocator puts large blocks 16 octets behind the start of a page: with these, rows of 128 octets
 * take two cache lines each instead of three.
 */
const AHEAD_OCTETS = 112;

/** Memory of rows of words. It is the kernel's to give when it is first used. */
export class RowMemory {
  readonly words: Uint32Array;
  /** The same memory: word `i` is double `i / 2`. */
  readonly doubles: Float64Array;

  /** Takes address space for `words`, an even number, all zero. */
  constructor(words: number) {
    const memory = new ArrayBuffer(AHEAD_OCTETS + 4 * words);
    this.words = new Uint32Array(memory, AHEAD_OCTETS);
    this.doubles = new Float64Array(memory, AHEAD_OCTETS);
  }
}
