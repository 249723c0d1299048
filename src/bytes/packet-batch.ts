/** Most packets of a batch. */
const CAPACITY = 256;

/** Captured packets that lie in one piece of memory, each in `[start, end)`. One object serves batch after batch. */
export class PacketBatch {
  /** Packets in it. */
  count = 0;
  /** The memory they lie in. */
  octets: Uint8Array = new Uint8Array(0);
  /** The same memory; positions count from its start. */
  view: DataView = new DataView(this.octets.buffer);
  /** First octet of each packet. */
  readonly starts = new Int32Array(CAPACITY);
  /** One past the last captured octet of each. */
  readonly ends = new Int32Array(CAPACITY);
  /** Octets each had on the wire. */
  readonly wireLengths = new Uint32Array(CAPACITY);
  /** Link type of each: how its first header looks (tcpdump.org's list). */
  readonly linkTypes = new Uint16Array(CAPACITY);
  /** When each was captured, in microseconds since 1970. */
  readonly timesUs = new Float64Array(CAPACITY);

  /** Whether no further packet fits. */
  get isFull(): boolean {
    return this.count === CAPACITY;
  }
}
