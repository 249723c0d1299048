/** Parts of a batch of lines that are sent by themselves, to find those a server refuses or has no time for. */

import { countLines } from './spool.ts';

/** Part of a batch that is sent by itself. */
export interface Slice {
  /** Whole lines. */
  readonly octets: Buffer;
  readonly lines: number;
  /** Times it failed for itself, and since when. */
  failures: number;
  failedSinceMs: number;
}

const NEWLINE = 0x0a;

/** Two parts with half of the lines each, the first one last: it is sent first. */
export function halves({ octets }: Slice): Slice[] {
  const middle = octets.length >> 1;
  let cut = octets.lastIndexOf(NEWLINE, middle) + 1;
  if (cut === 0 || cut === octets.length) cut = octets.indexOf(NEWLINE) + 1;
  return [makeSlice(octets.subarray(cut)), makeSlice(octets.subarray(0, cut))];
}

/** All of some whole lines. */
export function makeSlice(octets: Buffer): Slice {
  return { octets, lines: countLines(octets, 0, octets.length), failures: 0, failedSinceMs: 0 };
}

/** The lines, without their line feeds. */
export function linesIn(octets: Buffer): string[] {
  return octets.toString('utf8').split('\n').slice(0, -1);
}

/** The lines whose index is not in `left`, octet by octet as they are. */
export function without(octets: Buffer, left: ReadonlyMap<number, string>): Buffer {
  const kept: Buffer[] = [];
  for (let at = 0, i = 0; at < octets.length; i++) {
    const behind = octets.indexOf(NEWLINE, at) + 1;
    if (!left.has(i)) kept.push(octets.subarray(at, behind));
    at = behind;
  }
  return Buffer.concat(kept);
}
