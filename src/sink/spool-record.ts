/**
 * How lines lie in a spool, in memory and on disk: records of a head and whole lines.
 *
 *     0       4        8       12        16        24
 *     | magic | octets | lines | seconds | checksum | octets of lines …
 *
 * The checksum covers the 16 octets before it and the lines, so that a record half written is never taken for one.
 */

import { createHash } from 'node:crypto';

/** Octets before the lines. */
export const RECORD_HEAD = 24;
/** Most octets of lines in a record. */
export const MAX_RECORD_OCTETS = 262_144;
const MAGIC = 0x666c_7231;
const CHECKED_HEAD = 16;
const CHECKSUM_OCTETS = 8;

/** Writes the head of a record whose lines stand behind it in `record`. */
export function sealRecord(record: Buffer, lines: number, nowMs: number): void {
  record.writeUInt32BE(MAGIC, 0);
  record.writeUInt32BE(record.length - RECORD_HEAD, 4);
  record.writeUInt32BE(lines, 8);
  record.writeUInt32BE(Math.floor(nowMs / 1000) >>> 0, 12);
  checksum(record).copy(record, CHECKED_HEAD, 0, CHECKSUM_OCTETS);
}

/** Octets of the record at `at`, head included; 0 where `octets` has no whole and sound one there. */
export function recordOctets(octets: Buffer, at: number): number {
  const length = announcedOctets(octets, at);
  if (length === 0 || at + length > octets.length) return 0;
  const record = octets.subarray(at, at + length);
  const stored = record.subarray(CHECKED_HEAD, CHECKED_HEAD + CHECKSUM_OCTETS);
  return checksum(record).compare(stored, 0, CHECKSUM_OCTETS, 0, CHECKSUM_OCTETS) === 0 ? length : 0;
}

/** What the head at `at` says the record has in octets, head included; 0 for no head. */
export function announcedOctets(octets: Buffer, at: number): number {
  if (at + RECORD_HEAD > octets.length || octets.readUInt32BE(at) !== MAGIC) return 0;
  const length = octets.readUInt32BE(at + 4);
  return length === 0 || length > MAX_RECORD_OCTETS ? 0 : RECORD_HEAD + length;
}

/** Lines of the record at `at`. */
export function recordLines(octets: Buffer, at: number): number {
  return octets.readUInt32BE(at + 8);
}

/** When the record at `at` was written, Unix milliseconds. */
export function recordTimeMs(octets: Buffer, at: number): number {
  return octets.readUInt32BE(at + 12) * 1000;
}

function checksum(record: Buffer): Buffer {
  return createHash('sha1').update(record.subarray(0, CHECKED_HEAD)).update(record.subarray(RECORD_HEAD)).digest();
}
