const END = 0;
const NO_OPERATION = 1;
const MAXIMUM_SEGMENT_SIZE = 2;
const WINDOW_SCALE = 3;
const TIMESTAMPS = 8;

/** What hosts lay out options like: two of no operation, then timestamps (RFC 7323 appendix A). */
const TIMESTAMPS_ALIGNED = 0x0101080a;

/** The options of one TCP header that metering uses (RFC 9293 section 3.2, RFC 7323); one object serves header after header. */
export class TcpOptions {
  /** Maximum segment size, 0 for none. */
  maximumSegmentSize = 0;
  /** Window scale, -1 for none. */
  windowScale = -1;
  /** Whether there are timestamps. */
  hasTimestamps = false;
  /** Timestamp of the sender, unsigned. */
  timestamp = 0xffffffff;
  /** Timestamp it echoes, unsigned. */
  echo = 0xffffffff;

  /** Has none. */
  clear(): void {
    this.maximumSegmentSize = 0;
    this.windowScale = -1;
    this.hasTimestamps = false;
  }

  /** Reads the options in octets `[at, end)`, all of them captured. */
  read(view: DataView, at: number, end: number): void {
    this.clear();
    if (end - at === 12 && view.getUint32(at) === TIMESTAMPS_ALIGNED) {
      this.readTimestamps(view, at + 4);
      return;
    }
    for (let position = at; position < end; ) {
      const kind = view.getUint8(position);
      if (kind === END) return;
      if (kind === NO_OPERATION) {
        position++;
        continue;
      }
      if (end - position < 2) return;
      const length = view.getUint8(position + 1);
      if (length < 2 || length > end - position) return;
      if (kind === MAXIMUM_SEGMENT_SIZE && length === 4) this.maximumSegmentSize = view.getUint16(position + 2);
      else if (kind === WINDOW_SCALE && length === 3) this.windowScale = view.getUint8(position + 2);
      else if (kind === TIMESTAMPS && length === 10) this.readTimestamps(view, position + 2);
      position += length;
    }
  }

  private readTimestamps(view: DataView, at: number): void {
    this.hasTimestamps = true;
    this.timestamp = view.getUint32(at);
    this.echo = view.getUint32(at + 4);
  }
}
