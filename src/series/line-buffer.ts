import { writeInteger } from '../bytes/digits.ts';
import type { PointOutput } from '../flow/point-output.ts';

const BUFFER_OCTETS = 256 * 1024;
/** Longest line: names, tags and numbers are all bounded. */
const LINE_ROOM = 8 * 1024;

/** Lines of InfluxDB line protocol, collected and handed on together. */
export class LineBuffer {
  /** Lines handed on or waiting. */
  lines = 0;
  private readonly octets = new Uint8Array(BUFFER_OCTETS);
  private readonly view = new DataView(this.octets.buffer);
  private readonly output: PointOutput;
  private readonly time = new Uint8Array(32);
  private readonly timeView = new DataView(this.time.buffer);
  private timeLength = 0;
  private pos = 0;
  private waiting = 0;

  /** Lines go to `output`. */
  constructor(output: PointOutput) {
    this.output = output;
  }

  /** Sets the time of the lines that follow, Unix milliseconds; it is written in nanoseconds. */
  setTime(timeMs: number): void {
    if (timeMs === 0) {
      this.time[0] = 0x30;
      this.timeLength = 1;
      return;
    }
    let pos = writeInteger(this.timeView, 0, timeMs);
    for (let i = 0; i < 6; i++) this.time[pos++] = 0x30;
    this.timeLength = pos;
  }

  /** Begins a line with a measurement's name and tags rendered before. */
  begin(measurement: Uint8Array, tags: Uint8Array, tagStart: number, tagLength: number): void {
    this.pos = copy(this.octets, this.pos, measurement, 0, measurement.length);
    this.pos = copy(this.octets, this.pos, tags, tagStart, tagLength);
  }

  /** Writes a field: what stands before its value, and the value, a float without the `i` of integers. */
  field(before: Uint8Array, value: number): void {
    this.pos = copy(this.octets, this.pos, before, 0, before.length);
    this.pos = Number.isInteger(value)
      ? writeInteger(this.view, this.pos, value)
      : writeFraction(this.octets, this.pos, value);
  }

  /** Ends the line with the time. */
  end(): void {
    const { octets } = this;
    octets[this.pos++] = 0x20;
    this.pos = copy(octets, this.pos, this.time, 0, this.timeLength);
    octets[this.pos++] = 0x0a;
    this.lines++;
    this.waiting++;
    if (this.pos > BUFFER_OCTETS - LINE_ROOM) this.flush();
  }

  /** Hands on what waits. */
  flush(): void {
    if (this.waiting === 0) return;
    const { pos, waiting } = this;
    this.pos = 0;
    this.waiting = 0;
    this.output.writeLines(this.octets, 0, pos, waiting);
  }
}

/** Copies a few dozen octets: faster than `set`, which needs a view. */
function copy(out: Uint8Array, at: number, from: Uint8Array, start: number, length: number): number {
  for (let i = 0; i < length; i++) out[at + i] = from[start + i]!;
  return at + length;
}

/** Means and rates: six digits behind the point are more than any exporter measures. */
function writeFraction(out: Uint8Array, at: number, value: number): number {
  const text = Number.isFinite(value) ? String(Number(value.toFixed(6))) : '0';
  for (let i = 0; i < text.length; i++) out[at + i] = text.charCodeAt(i);
  return at + text.length;
}
