/** What a golden output says of a record, and the line it belongs to. */

import type { Line, LineValue } from './conformance-capture.ts';

/** One value that a golden names. */
export interface GoldenValue {
  /** The golden's own name. */
  readonly name: string;
  /**
   * Keys under which a line may have it, of which the first that is there counts: IANA's names, ntop's, or a path with dots
   * into nested values. Or what finds the value.
   */
  readonly keys: readonly string[] | ((line: Line) => LineValue | undefined);
  /** What the line should say; a function where it follows from what else the line says. */
  readonly text: string | ((line: Line) => string);
}

/** One record of a golden. */
export type GoldenRecord = readonly GoldenValue[];

function find(line: Line, keys: GoldenValue['keys']): LineValue | undefined {
  if (typeof keys === 'function') return keys(line);
  for (const key of keys) {
    const value = lineValue(line, key);
    if (value !== undefined) return value;
  }
  return undefined;
}

/** A value of a line by one of its keys. */
export function lineValue(line: Line, key: string): LineValue | undefined {
  const direct = line.iana[key] ?? line.ntop[key];
  if (direct !== undefined || !key.includes('.')) return direct;
  const [head = '', ...rest] = key.split('.');
  let value: LineValue | undefined = line.ntop[head];
  for (const step of rest) {
    if (value === null || typeof value !== 'object' || Array.isArray(value)) return undefined;
    value = value[step];
  }
  return value;
}

function texts(value: LineValue): string[] {
  if (Array.isArray(value)) return value.flatMap(texts);
  if (typeof value === 'boolean') return [value ? '1' : '2'];
  return [value !== null && typeof value === 'object' ? JSON.stringify(value) : String(value)];
}

/** Where a line differs from a golden record: name, expectation and what the line has. Of an array any item will do. */
export function differencesOf(record: GoldenRecord, line: Line): string[] {
  const differences: string[] = [];
  for (const { name, keys, text } of record) {
    const expected = typeof text === 'string' ? text : text(line);
    const value = find(line, keys);
    const ours = value === undefined ? ['(absent)'] : texts(value);
    if (!ours.includes(expected)) differences.push(`${name}: ${expected}, not ${ours.join()}`);
  }
  return differences;
}

/** Outcome of {@link matchGolden}. */
export interface GoldenMatch {
  readonly records: number;
  readonly values: number;
  /** What no line has, with the line that comes nearest. */
  readonly failures: readonly string[];
  /** Lines that no record of the golden took. */
  readonly linesLeft: number;
}

/** Gives each record of a golden a line of its own that has every value. */
export function matchGolden(records: readonly GoldenRecord[], lines: readonly Line[]): GoldenMatch {
  const free = new Set(lines);
  const failures: string[] = [];
  let values = 0;
  for (const record of records) {
    let nearest: { line: Line; differences: string[] } | undefined;
    for (const line of free) {
      const differences = differencesOf(record, line);
      if (nearest === undefined || differences.length < nearest.differences.length) nearest = { line, differences };
      if (differences.length === 0) break;
    }
    if (nearest === undefined) failures.push('no line is left');
    else {
      free.delete(nearest.line);
      values += record.length - nearest.differences.length;
      failures.push(...nearest.differences);
    }
  }
  return { records: records.length, values, failures, linesLeft: free.size };
}

/** Protocol numbers by the names goldens use (IANA's registry of protocol numbers). */
export const PROTOCOL_NUMBERS: Readonly<Record<string, string>> = {
  icmp: '1',
  ipencap: '4',
  tcp: '6',
  udp: '17',
  ipv6: '41',
  'ipv6-icmp': '58',
  vrrp: '112',
};
