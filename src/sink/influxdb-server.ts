/** Which server a URL leads to, how it is written to, and what it needs before. */

import { alterRetention, createDailyPolicy, createDatabase, createRollUp, type RollUp } from './influxdb-rollups.ts';
import type { InfluxdbAnswer, InfluxdbTransport } from './influxdb-transport.ts';

/** What a server is. `unknown`: it answers, but does not say. */
export type InfluxdbKind = 'influxdb1' | 'influxdb2' | 'influxdb3' | 'victoriametrics' | 'unknown';

/** Where in a server points go. */
export interface InfluxdbTarget {
  /** Database of InfluxDB 1.x, and the bucket of others where {@link InfluxdbTarget.bucket} is `''`; and the other way round. */
  readonly database: string;
  /** Organisation of InfluxDB 2.x. */
  readonly organisation: string;
  /** Bucket of InfluxDB 2.x, database of 3.x. */
  readonly bucket: string;
  /** Days that points are kept: a database is changed to that. Undefined: one that is there stays as it is. */
  readonly retentionDays: number | undefined;
  /** Days that points are kept in a database this creates, where nothing else is said; `Infinity` for ever. */
  readonly retentionDaysOfNew: number;
  /** Series to roll up by the day in InfluxDB 1.x. */
  readonly rollUps: readonly RollUp[];
}

/** What was found out of a server. */
export interface InfluxdbIdentity {
  readonly kind: InfluxdbKind;
  /** As the server gives it, `''` where it does not. */
  readonly version: string;
}

/** Asks a server what it is; the answer to /ping where it gave none at all. */
export async function identify(transport: InfluxdbTransport): Promise<InfluxdbIdentity | InfluxdbAnswer> {
  const ping = await transport.get('/ping');
  if (hasFailed(ping)) return ping;
  const health = ping.version === '' ? await transport.get('/health') : undefined;
  const version = plainVersion(
    ping.version || health?.version || versionIn(ping.text) || versionIn(health?.text ?? ''),
  );
  if (/^v?1\./.test(version)) return { kind: 'influxdb1', version };
  if (/^v?2\./.test(version)) return { kind: 'influxdb2', version };
  if (/^v?[3-9]\./.test(version)) return { kind: 'influxdb3', version };
  // It answers /ping as InfluxDB does, without a version, and /health with these two letters.
  if (ping.status === 204 && health?.status === 200 && health.text.trim() === 'OK') {
    return { kind: 'victoriametrics', version: '' };
  }
  return { kind: 'unknown', version: '' };
}

/** No answer, or one that passes. */
function hasFailed({ status }: InfluxdbAnswer): boolean {
  return status === 0 || status >= 500 || status === 429;
}

/** Path and query of writes to `target`. Times are in nanoseconds. */
export function writePath(kind: InfluxdbKind, { database, organisation, bucket }: InfluxdbTarget): string {
  const takesBuckets = kind === 'influxdb2' || kind === 'influxdb3' || kind === 'victoriametrics';
  if (kind === 'influxdb1' || (!takesBuckets && bucket === '')) {
    return `/write?${new URLSearchParams({ db: database || bucket, precision: 'ns' })}`;
  }
  return `/api/v2/write?${new URLSearchParams({ org: organisation, bucket: bucket || database, precision: 'ns' })}`;
}

/**
 * Sees that the database of an InfluxDB 1.x is there, with its retention policies and continuous queries; others are left as
 * they are. Returns what was refused, `''` for nothing (writing may work all the same), or the answer of a server that went
 * away in the middle. What exists already stays as it is: a database may hold years of somebody else's points.
 */
export async function prepare(
  transport: InfluxdbTransport,
  kind: InfluxdbKind,
  target: InfluxdbTarget,
): Promise<string | InfluxdbAnswer> {
  if (kind !== 'influxdb1') return '';
  const { retentionDays } = target;
  const database = target.database || target.bucket;
  const days = retentionDays ?? target.retentionDaysOfNew;
  const shown = await transport.query('SHOW DATABASES');
  if (hasFailed(shown)) return shown;
  const isThere = databasesIn(shown.text).includes(database);
  const statements = isThere ? [] : [createDatabase(database)];
  // A new database keeps for ever by itself.
  if (Number.isFinite(days) && (!isThere || retentionDays !== undefined))
    statements.push(alterRetention(database, days));
  if (target.rollUps.length > 0) statements.push(createDailyPolicy(database, days));
  for (const rollUp of target.rollUps) statements.push(createRollUp(database, rollUp));
  for (const statement of statements) {
    const answer = await transport.query(statement);
    if (hasFailed(answer)) return answer;
    const problem = answer.status === 200 ? errorIn(answer.text) : `${answer.status} ${errorIn(answer.text)}`;
    if (problem !== '' && !/already exists/.test(problem)) return `${statement.slice(0, 60)}: ${problem}`;
  }
  return '';
}

/** What an answer says is wrong: the text of its JSON, or its beginning. Of one line and bounded length. */
export function serverWords(text: string): string {
  return errorIn(text) || oneLine(text);
}

/** Names in the answer to SHOW DATABASES. */
function databasesIn(text: string): string[] {
  const results = property(parse(text), 'results');
  const series = property(Array.isArray(results) ? results[0] : undefined, 'series');
  const values = property(Array.isArray(series) ? series[0] : undefined, 'values');
  if (!Array.isArray(values)) return [];
  return values.map((row: unknown) => String(Array.isArray(row) ? row[0] : ''));
}

function errorIn(text: string): string {
  const answer = parse(text);
  const results = property(answer, 'results');
  const whole = property(answer, 'error') ?? property(answer, 'message');
  const first = Array.isArray(results) ? results.map((result) => property(result, 'error')).find(Boolean) : undefined;
  const problem = whole ?? first;
  return typeof problem === 'string' ? oneLine(problem) : '';
}

function oneLine(text: string): string {
  return text.slice(0, 500).replace(/\s+/g, ' ').trim();
}

function versionIn(text: string): string {
  const version = property(parse(text), 'version');
  return typeof version === 'string' ? version : '';
}

function plainVersion(text: string): string {
  return /^[\w.+~-]{1,40}$/.test(text) ? text : '';
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text) as unknown;
  } catch {
    return undefined;
  }
}

function property(value: unknown, key: string): unknown {
  return typeof value === 'object' && value !== null ? (value as Readonly<Record<string, unknown>>)[key] : undefined;
}
