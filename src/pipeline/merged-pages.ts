/** The status pages of several threads as one: what counts is added up, what says when is the first or the last. */

import type { Metric, MetricSample } from '../metrics/prometheus.ts';

/** A JSON object whose form the pages know. */
type Fields = Readonly<Record<string, unknown>>;

/** `/health` of all threads: numbers are sums; lists of objects are joined by what the first property names. */
export function mergeHealth(threads: readonly Fields[], ofProgram: Fields): Fields {
  const merged = threads.reduce((sum, thread) => addFields(sum, thread), {});
  const listeners = threads.map((thread) => ({ listeners: thread['listeners'] }));
  return { ...merged, ...ofProgram, workers: threads.length, threads: listeners };
}

/** `/exporters` of all threads, the `limit` heard last. A session that two threads heard, one after the other, is one. */
export function mergeExporters(threads: readonly Fields[], limit: number): Fields {
  const { rows, total } = joinRows(threads, 'exporters', keyOfSession, (known, row) => {
    const [early, late] = known['lastSeen']! < row['lastSeen']! ? [known, row] : [row, known];
    return {
      ...early,
      ...late,
      firstSeen: earlier(known['firstSeen'], row['firstSeen']),
      templates: Math.max(Number(known['templates']), Number(row['templates'])),
      counters: addFields(known['counters'] as Fields, row['counters'] as Fields),
    };
  });
  rows.sort((a, b) => (a['lastSeen']! < b['lastSeen']! ? 1 : -1));
  return { total, exporters: rows.slice(0, limit) };
}

/** `/templates` of all threads, `limit` at most. */
export function mergeTemplates(threads: readonly Fields[], limit: number): Fields {
  const keyOf = (row: Fields): string => `${row['template']} ${keyOfSession(row)}`;
  const { rows, total } = joinRows(threads, 'templates', keyOf, (known, row) =>
    known['announced']! < row['announced']! ? row : known,
  );
  return { total, templates: rows.slice(0, limit) };
}

/** The metrics of all threads: sums, but for what each thread says of the whole process. */
export function mergeMetrics(threads: readonly (readonly Metric[])[]): Metric[] {
  const merged = new Map<string, { metric: Metric; samples: Map<string, MetricSample> }>();
  for (const metric of threads.flat()) {
    let known = merged.get(metric.name);
    if (known === undefined) {
      known = { metric, samples: new Map() };
      merged.set(metric.name, known);
    }
    for (const sample of metric.samples) {
      const key = JSON.stringify(sample.labels);
      const before = known.samples.get(key);
      if (before === undefined) known.samples.set(key, sample);
      else if (!metric.name.startsWith('process_')) {
        known.samples.set(key, { labels: sample.labels, value: before.value + sample.value });
      }
    }
  }
  return Array.from(merged.values(), ({ metric, samples }) => ({ ...metric, samples: [...samples.values()] }));
}

function joinRows(
  threads: readonly Fields[],
  list: string,
  keyOf: (row: Fields) => string,
  join: (known: Fields, row: Fields) => Fields,
): { rows: Fields[]; total: number } {
  const rows = new Map<string, Fields>();
  let total = 0;
  for (const thread of threads) {
    total += Number(thread['total']);
    for (const row of thread[list] as readonly Fields[]) {
      const key = keyOf(row);
      const known = rows.get(key);
      if (known !== undefined) total--;
      rows.set(key, known === undefined ? row : join(known, row));
    }
  }
  return { rows: [...rows.values()], total };
}

function keyOfSession({ address, port, protocol, version, domain, agent, transport }: Fields): string {
  return `${address} ${port} ${protocol} ${version} ${domain} ${agent ?? ''} ${transport ?? ''}`;
}

/** Times in ISO 8601 order as text does. */
function earlier(a: unknown, b: unknown): unknown {
  return String(a) < String(b) ? a : b;
}

/** Adds numbers, in objects within objects too; of all else the first counts. */
function addFields(a: Fields, b: Fields): Fields {
  const sum: Record<string, unknown> = { ...a };
  for (const [name, value] of Object.entries(b)) sum[name] = addValues(sum[name], value);
  return sum;
}

function addValues(a: unknown, b: unknown): unknown {
  if (a === undefined || a === null) return b;
  if (typeof a === 'number' && typeof b === 'number') return a + b;
  if (Array.isArray(a) && Array.isArray(b)) return addLists(a, b);
  if (isFields(a) && isFields(b)) return addFields(a, b);
  return a;
}

function addLists(a: readonly unknown[], b: readonly unknown[]): unknown[] {
  const sum = [...a];
  for (const item of b) {
    const at = sum.findIndex((known) => nameOf(known) !== undefined && nameOf(known) === nameOf(item));
    if (at < 0) sum.push(item);
    else sum[at] = addFields(sum[at] as Fields, item as Fields);
  }
  return sum;
}

/** What the first property of an object names, as a listener's or sink's does. */
function nameOf(item: unknown): unknown {
  return isFields(item) ? Object.values(item)[0] : undefined;
}

function isFields(value: unknown): value is Fields {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
