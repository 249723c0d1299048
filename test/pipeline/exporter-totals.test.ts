import { expect, it } from 'vitest';
import { SessionTable } from '../../src/decode/session-table.ts';
import { ExporterTotals, MAX_EXPORTERS, OTHER_EXPORTERS } from '../../src/pipeline/exporter-totals.ts';

const LIMITS = { maxSessions: 1_000_000, maxTemplateFields: 1_000_000, exporterKey: 'address' } as const;

function receive(table: SessionTable, address: string, port: number, flows: number) {
  const session = table.find(10, address, port, 1, '', true, 1000);
  session.counters.messagesReceived++;
  session.counters.messagesDecoded++;
  session.counters.flowRecords += flows;
  session.counters.faults.list_invalid++;
  table.messageDecoded(session);
  return session;
}

function flowsOf(totals: ExporterTotals): Record<string, number> {
  return Object.fromEntries(
    totals.rows().map(({ exporter, version, counters }) => [`${exporter} ${version}`, counters.flowRecords]),
  );
}

it('sums the sessions of an Exporter and keeps the sum when they end', () => {
  const table = new SessionTable(LIMITS);
  const totals = new ExporterTotals();
  receive(table, '192.0.2.1', 1, 10);
  receive(table, '192.0.2.1', 2, 5);
  receive(table, '192.0.2.2', 1, 1);
  totals.update(table);
  expect(flowsOf(totals)).toEqual({ '192.0.2.1 ipfix': 15, '192.0.2.2 ipfix': 1 });
  table.endReliable('192.0.2.1', 2);
  receive(table, '192.0.2.1', 3, 100);
  totals.update(table);
  totals.update(table);
  expect(flowsOf(totals)).toEqual({ '192.0.2.1 ipfix': 115, '192.0.2.2 ipfix': 1 });
  expect(totals.rows()[0]?.counters.faults.list_invalid).toBe(3);
});

it('counts what a session received between two updates and its end for the others', () => {
  const table = new SessionTable(LIMITS);
  const totals = new ExporterTotals();
  receive(table, '192.0.2.1', 1, 7);
  table.endReliable('192.0.2.1', 1);
  totals.update(table);
  expect(flowsOf(totals)).toEqual({ [`${OTHER_EXPORTERS} all`]: 7 });
});

it('goes on when another table takes over from zero', () => {
  const totals = new ExporterTotals();
  const first = new SessionTable(LIMITS);
  receive(first, '192.0.2.1', 1, 7);
  totals.update(first);
  totals.startTable();
  const second = new SessionTable(LIMITS);
  receive(second, '192.0.2.1', 1, 2);
  totals.update(second);
  expect(flowsOf(totals)).toEqual({ '192.0.2.1 ipfix': 9 });
});

it('stays bounded under spoofed Exporters, keeps room for real ones, and loses nothing', () => {
  const table = new SessionTable(LIMITS);
  const totals = new ExporterTotals();
  const spoofed = 3000;
  for (let i = 0; i < spoofed; i++) receive(table, `10.0.${i >> 8}.${i & 255}`, 1, 1);
  for (let i = 0; i < 4; i++) receive(table, '192.0.2.1', 1, 1);
  totals.update(table);
  const flows = flowsOf(totals);
  expect(flows['192.0.2.1 ipfix']).toBe(4);
  expect(totals.rows().length).toBeLessThanOrEqual(MAX_EXPORTERS + 1);
  expect(Object.values(flows).reduce((sum, each) => sum + each, 0)).toBe(spoofed + 4);
});
