/** Octets from the start of a stream that one buffer holds: a ClientHello with post-quantum keys has about 2000. */
export const REASSEMBLY_OCTETS = 16_384;
/** Pieces with gaps between them that one buffer keeps apart. */
const MAX_RANGES = 8;

/**
 * Buffers that put the beginning of a stream together: segments of TCP or CRYPTO frames of QUIC, in any order, overlapping, the
 * later copy of an octet over the earlier. A fixed number of them; when all are in use the one longest in use is taken away.
 */
export class ReassemblyPool {
  /** Buffers taken away from a flow for another. */
  abandoned = 0;
  private readonly count: number;
  private readonly buffers: Uint8Array[] = [];
  /** Buffer by slot, -1 for none. */
  private readonly bySlot: Int16Array;
  private readonly holders: Int32Array;
  private readonly bases: Uint32Array;
  private readonly directions: Uint8Array;
  private readonly rangeCounts: Uint8Array;
  /** Start and end of each range, sorted, none touching another. */
  private readonly ranges: Uint16Array;
  private readonly free: number[] = [];
  private next = 0;

  /** At most `count` buffers (32,767 and no more), made when needed, for flows of slots below `maxFlows`. */
  constructor(maxFlows: number, count: number) {
    this.count = Math.min(count, 32_767);
    this.bySlot = new Int16Array(maxFlows).fill(-1);
    this.holders = new Int32Array(count).fill(-1);
    this.bases = new Uint32Array(count);
    this.directions = new Uint8Array(count);
    this.rangeCounts = new Uint8Array(count);
    this.ranges = new Uint16Array(count * MAX_RANGES * 2);
  }

  /** Buffers in use. */
  get used(): number {
    return this.buffers.length - this.free.length;
  }

  /** The buffer of a flow, -1 where it has none. */
  of(slot: number): number {
    return this.bySlot[slot]!;
  }

  /** Which direction's stream the buffer holds. */
  directionOf(buffer: number): number {
    return this.directions[buffer]!;
  }

  /** An empty buffer for a flow that has none, whose stream in `direction` begins at `base`; another flow may lose its own. */
  take(slot: number, direction: number, base: number): number {
    let buffer = this.free.pop();
    if (buffer === undefined) {
      if (this.buffers.length < this.count) {
        buffer = this.buffers.push(new Uint8Array(REASSEMBLY_OCTETS)) - 1;
      } else {
        buffer = this.next;
        this.next = (this.next + 1) % this.count;
        this.bySlot[this.holders[buffer]!] = -1;
        this.abandoned++;
      }
    }
    this.bySlot[slot] = buffer;
    this.holders[buffer] = slot;
    this.bases[buffer] = base;
    this.directions[buffer] = direction;
    this.rangeCounts[buffer] = 0;
    return buffer;
  }

  /** Takes a flow's buffer back, if it has one. */
  release(slot: number): void {
    const buffer = this.bySlot[slot]!;
    if (buffer < 0) return;
    this.bySlot[slot] = -1;
    this.holders[buffer] = -1;
    this.free.push(buffer);
  }

  /** What was put together, valid up to {@link ReassemblyPool.prefixEnd}. */
  octets(buffer: number): Uint8Array {
    return this.buffers[buffer]!;
  }

  /**
   * Where what was put together begins: the base, or one behind it, since the sequence number of a SYN is one before the
   * stream's; -1 while it is missing.
   */
  prefixStart(buffer: number): number {
    const first = this.rangeCounts[buffer]! > 0 ? this.ranges[buffer * MAX_RANGES * 2]! : -1;
    return first <= 1 ? first : -1;
  }

  /** One behind the last octet without a gap; of use only where there is a {@link ReassemblyPool.prefixStart}. */
  prefixEnd(buffer: number): number {
    return this.ranges[buffer * MAX_RANGES * 2 + 1]!;
  }

  /**
   * Adds `octets[start, end)`, whose first has the sequence number `sequence`. What lies before the base (the octet of a
   * keep-alive) or behind the end of the buffer is left out. False where nothing can be added any more: there are too many
   * gaps, or the buffer is too short.
   */
  add(buffer: number, sequence: number, octets: Uint8Array, start: number, end: number): boolean {
    const offset = (sequence - this.bases[buffer]!) | 0;
    const from = start + Math.max(0, -offset);
    if (from >= end) return true;
    const at = Math.max(offset, 0);
    const length = Math.min(end - from, REASSEMBLY_OCTETS - at);
    if (length <= 0 || !this.insert(buffer, at, at + length)) return false;
    this.buffers[buffer]!.set(octets.subarray(from, from + length), at);
    return true;
  }

  /** Notes that [start, end) is there, joining it with what it touches. */
  private insert(buffer: number, start: number, end: number): boolean {
    const { ranges } = this;
    const base = buffer * MAX_RANGES * 2;
    const count = this.rangeCounts[buffer]!;
    let first = 0;
    while (first < count && ranges[base + 2 * first + 1]! < start) first++;
    let behind = first;
    let from = start;
    let to = end;
    while (behind < count && ranges[base + 2 * behind]! <= end) {
      from = Math.min(from, ranges[base + 2 * behind]!);
      to = Math.max(to, ranges[base + 2 * behind + 1]!);
      behind++;
    }
    const grown = count - (behind - first) + 1;
    if (grown > MAX_RANGES) return false;
    ranges.copyWithin(base + 2 * (first + 1), base + 2 * behind, base + 2 * count);
    ranges[base + 2 * first] = from;
    ranges[base + 2 * first + 1] = to;
    this.rangeCounts[buffer] = grown;
    return true;
  }
}
