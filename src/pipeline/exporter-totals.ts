import type { Session } from '../decode/session.ts';
import { addCounters, type SessionTable } from '../decode/session-table.ts';
import { DecodeCounters } from '../metrics/decode-counters.ts';

/** Exporters with counters of their own; what others sent is summed under {@link OTHER_EXPORTERS}. */
export const MAX_EXPORTERS = 1000;
/** Stands for all Exporters without counters of their own. */
export const OTHER_EXPORTERS = 'other';

/** What one Exporter sent by one protocol since the program started. */
export interface ExporterTotal {
  /** Its address, or {@link OTHER_EXPORTERS}. */
  readonly exporter: string;
  /** `netflow9`, `ipfix`, `sflow5` and so on; `all` for {@link OTHER_EXPORTERS}. */
  readonly version: string;
  readonly counters: DecodeCounters;
}

/** Short name of a session's protocol and version. */
export function versionName(version: number): string {
  if (version === 10) return 'ipfix';
  return version >= 100 ? `sflow${version - 100}` : `netflow${version}`;
}

/**
 * Sums sessions by Exporter in a way that never goes down: sessions come and go, a monitoring system's counters must not.
 * The sums of all rows always equal the totals of the session tables they were taken from.
 */
export class ExporterTotals {
  readonly #rows = new Map<string, ExporterTotal>();
  readonly #addresses = new Set<string>();
  readonly #other: ExporterTotal = { exporter: OTHER_EXPORTERS, version: 'all', counters: new DecodeCounters() };
  #seen = new WeakMap<Session, DecodeCounters>();
  /** Sum of all that was taken from the present table. */
  #taken = new DecodeCounters();

  /** Takes what has come since the last call. To be called now and then, and before the numbers are shown. */
  update(table: SessionTable): void {
    for (const session of table.sessions()) {
      let before = this.#seen.get(session);
      if (before === undefined) {
        before = new DecodeCounters();
        this.#seen.set(session, before);
      } else if (isUnchanged(session.counters, before)) {
        continue;
      }
      const row = this.#rowOf(session);
      addDifference(row.counters, session.counters, before);
      addDifference(this.#taken, session.counters, before);
      copyCounters(before, session.counters);
    }
    // What sessions received between the last call and their end belongs to nobody we can name any more.
    const totals = table.totals();
    addDifference(this.#other.counters, totals, this.#taken);
    copyCounters(this.#taken, totals);
  }

  /** Makes ready for another table, which starts from zero; the last {@link ExporterTotals.update} of the old one comes first. */
  startTable(): void {
    this.#seen = new WeakMap();
    this.#taken = new DecodeCounters();
  }

  /** All rows, in order of first appearance, {@link OTHER_EXPORTERS} last where there is anything. */
  rows(): ExporterTotal[] {
    const rows = [...this.#rows.values()];
    const { counters } = this.#other;
    const isUsed = Object.entries(counters).some(([, value]) => typeof value === 'number' && value !== 0);
    return isUsed ? [...rows, this.#other] : rows;
  }

  /** Half of the places are kept for Exporters that have decoded a few messages: spoofed ones must not fill them all. */
  #rowOf(session: Session): ExporterTotal {
    const version = versionName(session.version);
    const key = `${version} ${session.address}`;
    const row = this.#rows.get(key);
    if (row !== undefined) return row;
    if (!this.#addresses.has(session.address)) {
      if (this.#addresses.size >= (session.isEstablished ? MAX_EXPORTERS : MAX_EXPORTERS / 2)) return this.#other;
      this.#addresses.add(session.address);
    }
    const made = { exporter: session.address, version, counters: new DecodeCounters() };
    this.#rows.set(key, made);
    return made;
  }
}

/** Without a message only what waits or grows old changes: comparing all counters of all sessions would take too long. */
function isUnchanged(now: DecodeCounters, before: DecodeCounters): boolean {
  return (
    now.messagesReceived === before.messagesReceived &&
    now.pendingDecoded === before.pendingDecoded &&
    now.pendingDropped === before.pendingDropped &&
    now.templatesExpired === before.templatesExpired &&
    now.templatesEvicted === before.templatesEvicted
  );
}

function addDifference(to: DecodeCounters, now: DecodeCounters, before: DecodeCounters): void {
  const target = to as unknown as Record<string, number>;
  const start = before as unknown as Record<string, number>;
  for (const [name, value] of Object.entries(now)) {
    if (typeof value === 'number') target[name] = target[name]! + value - start[name]!;
  }
  for (const fault of Object.keys(now.faults) as (keyof typeof now.faults)[]) {
    to.faults[fault] += now.faults[fault] - before.faults[fault];
  }
}

function copyCounters(to: DecodeCounters, from: DecodeCounters): void {
  const zero = new DecodeCounters();
  Object.assign(to, zero, { faults: to.faults });
  Object.assign(to.faults, zero.faults);
  addCounters(to, from);
}
