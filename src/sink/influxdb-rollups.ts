/** What a database of InfluxDB 1.x is set up with: the statements ntopng sets its own up with (its driver `influxdb.lua`). */

/** A measurement that is rolled up by the day. */
export interface RollUp {
  readonly measurement: string;
  readonly tags: readonly string[];
  readonly fields: readonly string[];
  /** `counter`: ever growing, rolled up to a mean rate; `gauge`: rolled up to its mean. */
  readonly kind: 'counter' | 'gauge';
  /** Seconds between points. */
  readonly step: number;
}

/** Retention policy of the points rolled up. */
const DAILY = '1d';

/** Creates the database. */
export function createDatabase(database: string): string {
  return `CREATE DATABASE ${name(database)}`;
}

/** Sets how long the points of the policy every database has are kept. */
export function alterRetention(database: string, days: number): string {
  return `ALTER RETENTION POLICY "autogen" ON ${name(database)} DURATION ${days}d REPLICATION 1 SHARD DURATION ${shardDuration(days)}`;
}

/** Creates the policy of the points rolled up; `Infinity` keeps them for ever. */
export function createDailyPolicy(database: string, days: number): string {
  const duration = Number.isFinite(days) ? `${days}d` : 'INF';
  return `CREATE RETENTION POLICY "${DAILY}" ON ${name(database)} DURATION ${duration} REPLICATION 1`;
}

/** Creates the continuous query of a measurement, under ntopng's name for it. */
export function createRollUp(database: string, { measurement, tags, fields, kind, step }: RollUp): string {
  const source = `"autogen".${name(measurement)}`;
  const by = tags.map((tag) => `,${name(tag)}`).join('');
  const outer = fields.map((field) =>
    kind === 'counter' ? `SUM(${name(field)})/86400 AS ${name(field)}` : `MEAN(${name(field)}) AS ${name(field)}`,
  );
  const inner = fields.map((field) =>
    kind === 'counter'
      ? `NON_NEGATIVE_DIFFERENCE(${name(field)}) AS ${name(field)}`
      : `MEAN(${name(field)}) AS ${name(field)}`,
  );
  // Without points in a step a gauge was zero.
  const steps = kind === 'counter' ? '' : ` GROUP BY time(${step}s)${by} FILL(0)`;
  return (
    `CREATE CONTINUOUS QUERY ${name(`${measurement}__${DAILY}`)} ON ${name(database)} BEGIN ` +
    `SELECT ${outer.join(',')} INTO "${DAILY}".${name(measurement)} ` +
    `FROM (SELECT ${inner.join(',')} FROM ${source}${steps}) GROUP BY time(${DAILY})${by} END`
  );
}

/** A quoted identifier of InfluxQL. */
function name(text: string): string {
  return `"${text.replace(/\\/g, '\\\\').replace(/"/g, '\\"').replace(/\n/g, '\\n')}"`;
}

function shardDuration(days: number): string {
  return days < 2 ? '1h' : days < 180 ? '1d' : '7d';
}
