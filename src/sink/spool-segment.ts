/** The parts a spool is made of: each holds whole records one behind the other, in a file or in memory. */

import {
  closeSync,
  fstatSync,
  ftruncateSync,
  openSync,
  readdirSync,
  readSync,
  statSync,
  truncateSync,
  unlinkSync,
  writeSync,
} from 'node:fs';
import { join } from 'node:path';
import type { SpoolPosition } from './pending-ranges.ts';
import { announcedOctets, MAX_RECORD_OCTETS, RECORD_HEAD, recordLines, recordOctets } from './spool-record.ts';

/** Some records. */
export interface SpoolSegment {
  readonly start: SpoolPosition;
  end: SpoolPosition;
  /** Whether it lasts longer than the process. */
  readonly isOnDisk: boolean;
  /** Adds a record. Throws where that fails, and is as it was before then. */
  append(record: Buffer, lines: number): void;
  /** A copy of up to `length` octets at `at` from the segment's start; fewer where there are not as many. Throws where it cannot be read. */
  read(at: number, length: number): Buffer;
  /** Nothing more is added. */
  finish(): void;
  /** Gives it up with all it holds. */
  remove(): void;
}

/** Records in memory: as much as fits the room given. */
export class MemorySegment implements SpoolSegment {
  readonly start: SpoolPosition;
  end: SpoolPosition;
  readonly isOnDisk = false;
  #records: Buffer[] = [];

  constructor(start: SpoolPosition) {
    this.start = start;
    this.end = start;
  }

  append(record: Buffer, lines: number): void {
    this.#records.push(record);
    this.end = { at: this.end.at + record.length, line: this.end.line + lines };
  }

  read(at: number, length: number): Buffer {
    // Many small records become one the first time they are read.
    if (this.#records.length > 1) this.#records = [Buffer.concat(this.#records)];
    return Buffer.from(this.#records[0]?.subarray(at, at + length) ?? []);
  }

  finish(): void {}

  remove(): void {
    this.#records = [];
  }
}

/** Records in a file whose name says where in the spool they belong. */
export class FileSegment implements SpoolSegment {
  readonly start: SpoolPosition;
  end: SpoolPosition;
  readonly isOnDisk = true;
  readonly #path: string;
  #descriptor: number | undefined;

  /** A new file, or one that is there: nothing is added to such a one. Throws where it cannot be made. */
  constructor(directory: string, start: SpoolPosition, end: SpoolPosition | undefined = undefined) {
    this.start = start;
    this.end = end ?? start;
    this.#path = join(directory, `${digits(start.at)}-${digits(start.line)}${SUFFIX}`);
    if (end === undefined) this.#descriptor = openSync(this.#path, 'w', 0o600);
  }

  append(record: Buffer, lines: number): void {
    const descriptor = this.#descriptor!;
    try {
      for (let at = 0; at < record.length; ) at += writeSync(descriptor, record, at);
    } catch (error) {
      ftruncateSync(descriptor, this.end.at - this.start.at);
      throw error;
    }
    this.end = { at: this.end.at + record.length, line: this.end.line + lines };
  }

  read(at: number, length: number): Buffer {
    const descriptor = openSync(this.#path, 'r');
    try {
      const size = Math.min(length, Math.max(fstatSync(descriptor).size - at, 0));
      const octets = Buffer.allocUnsafeSlow(size);
      let filled = 0;
      while (filled < size) {
        const read = readSync(descriptor, octets, filled, size - filled, at + filled);
        if (read === 0) break;
        filled += read;
      }
      return octets.subarray(0, filled);
    } finally {
      closeSync(descriptor);
    }
  }

  finish(): void {
    if (this.#descriptor !== undefined) closeSync(this.#descriptor);
    this.#descriptor = undefined;
  }

  remove(): void {
    this.finish();
    unlinkSync(this.#path);
  }
}

const SUFFIX = '.spool';
const NAME = /^(\d{16})-(\d{16})\.spool$/;

function digits(value: number): string {
  return String(value).padStart(16, '0');
}

/**
 * The files of an earlier run, oldest first. The last one is read through: what a crash cut off in the middle goes. Throws
 * where the directory cannot be read.
 */
export function findSegments(directory: string): SpoolSegment[] {
  const starts = readdirSync(directory)
    .flatMap((file) => {
      const [, at, line] = NAME.exec(file) ?? [];
      return at === undefined ? [] : [{ file, position: { at: Number(at), line: Number(line) } }];
    })
    .sort((a, b) => a.position.at - b.position.at);
  return starts.flatMap(({ file, position }, i) => {
    const path = join(directory, file);
    const next = starts[i + 1];
    const size = statSync(path).size;
    // Line numbers of the next file tell how many lines this one holds.
    if (next !== undefined && position.at + size === next.position.at) {
      return [new FileSegment(directory, position, next.position)];
    }
    const end = soundEnd(new FileSegment(directory, position, position));
    if (end.at - position.at < size) truncateSync(path, end.at - position.at);
    if (end.at > position.at) return [new FileSegment(directory, position, end)];
    unlinkSync(path);
    return [];
  });
}

/** Where the whole records of a segment end. */
function soundEnd(segment: FileSegment): SpoolPosition {
  let { at, line } = segment.start;
  for (;;) {
    const octets = segment.read(at - segment.start.at, 4 * (MAX_RECORD_OCTETS + RECORD_HEAD));
    let pos = 0;
    for (let length = recordOctets(octets, pos); length > 0; length = recordOctets(octets, pos)) {
      line += recordLines(octets, pos);
      pos += length;
    }
    if (pos === 0) return { at, line };
    at += pos;
  }
}

/** Records from `at` on, whole and sound ones, as many as fit `maxOctets` but one at least; none where the first is damaged. */
export function readRecords(segment: SpoolSegment, at: number, maxOctets: number): { octets: Buffer; behind: number } {
  let octets = segment.read(at, Math.max(maxOctets, RECORD_HEAD));
  const first = announcedOctets(octets, 0);
  if (first > octets.length) octets = segment.read(at, first);
  let behind = 0;
  for (let length = recordOctets(octets, behind); length > 0; length = recordOctets(octets, behind)) behind += length;
  return { octets, behind };
}
