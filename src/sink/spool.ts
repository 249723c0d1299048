/**
 * What was handed over and is not confirmed yet: on disk where there is a directory for it, else in memory. Lines are in the
 * file before {@link Spool.append} returns, so that they outlive the process however it ends; a loss of power may cost the
 * last seconds, which the kernel holds.
 */

import { mkdirSync } from 'node:fs';
import { later, type SpoolPosition } from './pending-ranges.ts';
import { MAX_RECORD_OCTETS, RECORD_HEAD, recordLines, recordTimeMs, sealRecord } from './spool-record.ts';
import { FileSegment, findSegments, MemorySegment, readRecords, type SpoolSegment } from './spool-segment.ts';

/** What an operator should know of a spool. */
export type SpoolEvent =
  | { readonly kind: 'spool_failed'; readonly path: string; readonly reason: string }
  | { readonly kind: 'spool_recovered'; readonly path: string };

/** Where a spool is and how large it may become. */
export interface SpoolOptions {
  /** Made where missing; undefined for memory alone. */
  readonly directory: string | undefined;
  /** Most octets on disk. */
  readonly maxOctets: number;
  /** Most octets in memory, without a directory or while it cannot be written. */
  readonly memoryOctets: number;
  /** Position that everything new comes behind, whatever is found. */
  readonly after: SpoolPosition;
  readonly onEvent: (event: SpoolEvent) => void;
  /** Called before what nobody has confirmed is given up because the spool is full. */
  readonly onFull: () => void;
  /** Called when a part was given up. */
  readonly onLost: (from: SpoolPosition, to: SpoolPosition) => void;
}

/** Lines read from a spool. */
export interface SpoolBatch {
  /** The lines, the reader's own. */
  readonly octets: Buffer;
  readonly lines: number;
  /** Where they begin, and where what comes behind them does. */
  readonly from: SpoolPosition;
  readonly next: SpoolPosition;
}

const SEGMENT_OCTETS = 16 * 1024 * 1024;
const MEMORY_SEGMENT_OCTETS = 1024 * 1024;
const RETRY_DISK_MS = 10_000;
const NEWLINE = 0x0a;

/** A bounded log of lines. */
export class Spool {
  /** Writes to the directory that failed. */
  writeErrors = 0;
  readonly #options: SpoolOptions;
  readonly #segments: SpoolSegment[];
  readonly #segmentOctets: number;
  readonly #memorySegmentOctets: number;
  #active: SpoolSegment | undefined;
  #end: SpoolPosition;
  #octetsOnDisk = 0;
  #octetsInMemory = 0;
  #isFailing = false;
  #retryDiskAtMs = 0;

  /** Finds what an earlier run left. Throws one clear error where the directory cannot be used. */
  constructor(options: SpoolOptions) {
    this.#options = options;
    const { directory, maxOctets, memoryOctets } = options;
    this.#segmentOctets = Math.min(SEGMENT_OCTETS, maxOctets / 8);
    this.#memorySegmentOctets = Math.min(MEMORY_SEGMENT_OCTETS, memoryOctets / 8);
    try {
      if (directory !== undefined) mkdirSync(directory, { recursive: true, mode: 0o700 });
      this.#segments = directory === undefined ? [] : findSegments(directory);
    } catch (error) {
      throw new Error(`cannot use spool ${directory}: ${(error as Error).message}`, { cause: error });
    }
    this.#end = later(options.after, this.#segments.at(-1)?.end ?? options.after);
    for (const { start, end } of this.#segments) this.#octetsOnDisk += end.at - start.at;
  }

  /** Where the next lines will be. */
  get end(): SpoolPosition {
    return this.#end;
  }

  /** What is kept, oldest first. */
  get segments(): readonly SpoolSegment[] {
    return this.#segments;
  }

  /** Octets kept, heads of records included. */
  get octets(): number {
    return this.#octetsOnDisk + this.#octetsInMemory;
  }

  /** Whether all that is kept outlives the process. */
  get isOnDisk(): boolean {
    return this.#octetsInMemory === 0;
  }

  /** Whether the directory cannot be written. */
  get isFailing(): boolean {
    return this.#isFailing;
  }

  /** Adds `count` whole lines; returns how many of them were added: a line longer than a record is none of ours. */
  append(octets: Uint8Array, start: number, end: number, count: number, nowMs: number): number {
    let from = start;
    let linesLeft = count;
    let linesAdded = 0;
    while (end - from > MAX_RECORD_OCTETS) {
      const to = octets.lastIndexOf(NEWLINE, from + MAX_RECORD_OCTETS - 1) + 1;
      if (to > from) {
        const lines = countLines(octets, from, to);
        this.#appendRecord(octets, from, to, lines, nowMs);
        linesAdded += lines;
        linesLeft -= lines;
        from = to;
      } else {
        const behind = octets.indexOf(NEWLINE, from) + 1;
        from = behind === 0 ? end : Math.min(behind, end);
        linesLeft--;
      }
    }
    if (end > from) {
      this.#appendRecord(octets, from, end, linesLeft, nowMs);
      linesAdded += linesLeft;
    }
    return linesAdded;
  }

  /**
   * Lines from `from` on, to `to` at most, of as many whole records as fit `maxOctets` but one at least. Damaged ones are
   * passed over: lines then begin behind `from`. Undefined where nothing is left.
   */
  read(from: SpoolPosition, to: SpoolPosition, maxOctets: number): SpoolBatch | undefined {
    for (const segment of this.#segments) {
      if (segment.end.at <= from.at) continue;
      if (segment.start.at >= to.at) return undefined;
      const begin = later(segment.start, from);
      const records = readOrNothing(segment, begin.at - segment.start.at, Math.min(maxOctets, to.at - begin.at));
      if (records === undefined) continue;
      return linesOf(records.octets, records.behind, begin);
    }
    return undefined;
  }

  /** When the oldest lines kept were handed over, Unix milliseconds; undefined where there are none. */
  timeMsAt(position: SpoolPosition): number | undefined {
    for (const segment of this.#segments) {
      if (segment.end.at <= position.at) continue;
      const at = later(segment.start, position).at - segment.start.at;
      const records = readOrNothing(segment, at, RECORD_HEAD);
      if (records !== undefined) return recordTimeMs(records.octets, 0);
    }
    return undefined;
  }

  /** Gives up what `isNeeded` does not want any more. */
  release(isNeeded: (from: SpoolPosition, to: SpoolPosition) => boolean): void {
    for (let i = this.#segments.length - 1; i >= 0; i--) {
      const segment = this.#segments[i]!;
      if (segment.end.at === segment.start.at || isNeeded(segment.start, segment.end)) continue;
      if (segment !== this.#active || this.#isWorthEnding(segment)) this.#remove(i);
    }
  }

  /** Gives up files that are not needed, and ends. */
  close(isNeeded: (from: SpoolPosition, to: SpoolPosition) => boolean): void {
    this.#active?.finish();
    this.#active = undefined;
    this.release(isNeeded);
  }

  /** One in use is not given up for every few lines confirmed. */
  #isWorthEnding({ start, end, isOnDisk }: SpoolSegment): boolean {
    return end.at - start.at >= (isOnDisk ? this.#segmentOctets : this.#memorySegmentOctets) / 16;
  }

  #appendRecord(octets: Uint8Array, start: number, end: number, lines: number, nowMs: number): void {
    const record = Buffer.allocUnsafeSlow(RECORD_HEAD + end - start);
    record.set(octets.subarray(start, end), RECORD_HEAD);
    sealRecord(record, lines, nowMs);
    if (!this.#appendToDisk(record, lines, nowMs)) this.#appendToMemory(record, lines);
    this.#end = this.#active!.end;
  }

  #appendToDisk(record: Buffer, lines: number, nowMs: number): boolean {
    const { directory, maxOctets } = this.#options;
    if (directory === undefined || (this.#isFailing && nowMs < this.#retryDiskAtMs)) return false;
    this.#makeRoom(record.length, maxOctets, true);
    try {
      if (!this.#active?.isOnDisk || this.#active.end.at - this.#active.start.at >= this.#segmentOctets) {
        this.#use(new FileSegment(directory, this.#end));
      }
      this.#active!.append(record, lines);
    } catch (error) {
      this.writeErrors++;
      this.#retryDiskAtMs = nowMs + RETRY_DISK_MS;
      if (!this.#isFailing) {
        this.#options.onEvent({ kind: 'spool_failed', path: directory, reason: (error as Error).message });
      }
      this.#isFailing = true;
      return false;
    }
    this.#octetsOnDisk += record.length;
    if (this.#isFailing) this.#options.onEvent({ kind: 'spool_recovered', path: directory });
    this.#isFailing = false;
    return true;
  }

  #appendToMemory(record: Buffer, lines: number): void {
    this.#makeRoom(record.length, this.#options.memoryOctets, false);
    const active = this.#active;
    if (active === undefined || active.isOnDisk || active.end.at - active.start.at >= this.#memorySegmentOctets) {
      this.#use(new MemorySegment(this.#end));
    }
    this.#active!.append(record, lines);
    this.#octetsInMemory += record.length;
  }

  #use(segment: SpoolSegment): void {
    this.#active?.finish();
    this.#dropEmpty();
    this.#segments.push(segment);
    this.#active = segment;
  }

  /** A file made just before the disk was full may never have got a record. */
  #dropEmpty(): void {
    const last = this.#segments.length - 1;
    const segment = this.#segments[last];
    if (segment !== undefined && segment.end.at === segment.start.at) this.#remove(last);
  }

  #makeRoom(octets: number, maxOctets: number, isOnDisk: boolean): void {
    const kept = (): number => (isOnDisk ? this.#octetsOnDisk : this.#octetsInMemory);
    if (kept() + octets <= maxOctets) return;
    this.#options.onFull();
    while (kept() + octets > maxOctets) {
      const oldest = this.#segments.findIndex(
        (segment) => segment.isOnDisk === isOnDisk && segment.end.at > segment.start.at,
      );
      if (oldest < 0) return;
      const { start, end } = this.#segments[oldest]!;
      this.#remove(oldest);
      this.#options.onLost(start, end);
    }
  }

  #remove(index: number): void {
    const segment = this.#segments[index]!;
    const octets = segment.end.at - segment.start.at;
    if (segment.isOnDisk) this.#octetsOnDisk -= octets;
    else this.#octetsInMemory -= octets;
    if (segment === this.#active) this.#active = undefined;
    this.#segments.splice(index, 1);
    try {
      segment.remove();
    } catch {
      // A file that cannot be removed costs room only: what it holds is read again by the next run, at worst.
      this.writeErrors++;
    }
  }
}

function readOrNothing(
  segment: SpoolSegment,
  at: number,
  maxOctets: number,
): { octets: Buffer; behind: number } | undefined {
  try {
    const records = readRecords(segment, at, maxOctets);
    return records.behind === 0 ? undefined : records;
  } catch {
    return undefined;
  }
}

/** The lines of records, moved together over the heads. */
function linesOf(octets: Buffer, behind: number, from: SpoolPosition): SpoolBatch {
  let lines = 0;
  let filled = 0;
  for (let at = 0; at < behind; ) {
    const length = octets.readUInt32BE(at + 4);
    lines += recordLines(octets, at);
    octets.copyWithin(filled, at + RECORD_HEAD, at + RECORD_HEAD + length);
    filled += length;
    at += RECORD_HEAD + length;
  }
  return {
    octets: octets.subarray(0, filled),
    lines,
    from,
    next: { at: from.at + behind, line: from.line + lines },
  };
}

/** Whole lines between two places. */
export function countLines(octets: Uint8Array, start: number, end: number): number {
  let lines = 0;
  for (let at = octets.indexOf(NEWLINE, start); at >= 0 && at < end; at = octets.indexOf(NEWLINE, at + 1)) lines++;
  return lines;
}
