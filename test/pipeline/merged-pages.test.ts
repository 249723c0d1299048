import { describe, expect, it } from 'vitest';
import { mergeExporters, mergeHealth, mergeMetrics, mergeTemplates } from '../../src/pipeline/merged-pages.ts';
import { mergeStates } from '../../src/pipeline/merged-state.ts';
import { canSharePorts } from '../../src/pipeline/shared-port-fault.ts';
import { TurnQueue } from '../../src/pipeline/write-turns.ts';

const SESSION = { address: '192.0.2.1', port: 7, protocol: 'IPFIX', version: 10, domain: 1, transport: 'udp' };

function exporter(port: number, seen: number, messages: number) {
  return {
    ...SESSION,
    port,
    firstSeen: `2026-01-01T00:00:0${seen}.000Z`,
    lastSeen: `2026-01-01T00:00:1${seen}.000Z`,
    sampling: seen,
    templates: messages,
    counters: { messagesReceived: messages, faults: { list_invalid: 1 } },
  };
}

describe('health', () => {
  it('is the sum of the threads by listener and sink, with the program’s own words', () => {
    const thread = (listener: string, drops: number | null) => ({
      status: 'ok',
      uptimeSeconds: 5,
      listeners: [{ listener, messagesReceived: 2, kernelDrops: drops }],
      sinks: [{ sink: 'a.json', linesWritten: 3 }],
      pending: { sets: 1, octets: 10 },
    });
    expect(mergeHealth([thread('udp://a:1', null), thread('udp://a:1', 4)], { uptimeSeconds: 9 })).toEqual({
      status: 'ok',
      uptimeSeconds: 9,
      listeners: [{ listener: 'udp://a:1', messagesReceived: 4, kernelDrops: 4 }],
      sinks: [{ sink: 'a.json', linesWritten: 6 }],
      pending: { sets: 2, octets: 20 },
      workers: 2,
      threads: [
        { listeners: [{ listener: 'udp://a:1', messagesReceived: 2, kernelDrops: null }] },
        { listeners: [{ listener: 'udp://a:1', messagesReceived: 2, kernelDrops: 4 }] },
      ],
    });
    const apart = mergeHealth([thread('udp://a:1', 1), thread('udp://b:1', 1)], {});
    expect(apart['listeners']).toHaveLength(2);
  });
});

describe('Exporters', () => {
  it('are those of all threads, the one heard last first; one that two threads heard is one', () => {
    const one = { total: 2, exporters: [exporter(1, 3, 10), exporter(2, 1, 20)] };
    const two = { total: 1, exporters: [exporter(2, 5, 5)] };
    const merged = mergeExporters([one, two], 10);
    expect(merged).toEqual({
      total: 2,
      exporters: [
        {
          ...exporter(2, 5, 5),
          firstSeen: exporter(2, 1, 0).firstSeen,
          templates: 20,
          counters: { messagesReceived: 25, faults: { list_invalid: 2 } },
        },
        exporter(1, 3, 10),
      ],
    });
    expect(mergeExporters([one, two], 1)).toMatchObject({ total: 2, exporters: [{ port: 2 }] });
  });
});

describe('Templates', () => {
  it('that two threads know are shown as announced last', () => {
    const template = (id: number, announced: string) => ({ ...SESSION, template: id, announced });
    const one = { total: 2, templates: [template(256, '2026-01-02'), template(257, '2026-01-01')] };
    const two = { total: 1, templates: [template(256, '2026-01-01')] };
    expect(mergeTemplates([two, one], 10)).toEqual({
      total: 2,
      templates: [template(256, '2026-01-02'), template(257, '2026-01-01')],
    });
  });
});

describe('metrics', () => {
  it('are sums by labels, but for those of the process', () => {
    const metric = (name: string, exporterAddress: string, value: number) => ({
      name,
      kind: 'counter' as const,
      help: '',
      samples: [{ labels: { exporter: exporterAddress }, value }],
    });
    expect(
      mergeMetrics([
        [metric('flows_total', 'a', 1), metric('process_cpu_seconds_total', '', 7)],
        [metric('flows_total', 'a', 2), metric('process_cpu_seconds_total', '', 7.1)],
        [metric('flows_total', 'b', 4)],
      ]),
    ).toEqual([
      {
        ...metric('flows_total', 'a', 0),
        samples: [
          { labels: { exporter: 'a' }, value: 3 },
          { labels: { exporter: 'b' }, value: 4 },
        ],
      },
      metric('process_cpu_seconds_total', '', 7),
    ]);
  });
});

describe('saved state of several threads', () => {
  const saved = (port: number, lastSeenMs: number, templates: Record<number, string>, samplingInterval = 0) => ({
    version: 10,
    address: '192.0.2.1',
    port,
    domain: 1,
    agent: '',
    lastSeenMs,
    templates: Object.entries(templates).map(([id, octets]) => ({ id: Number(id), kind: 'ipfix', fields: 1, octets })),
    ...(samplingInterval > 0 && { options: { samplingInterval } }),
  });
  const text = (...sessions: readonly object[]): string => JSON.stringify({ format: 1, sessions });

  it('has every Template once, as known where the session was heard last', () => {
    const merged = mergeStates(
      [text(saved(1, 20, { 256: 'new', 257: 'a' })), text(saved(1, 10, { 256: 'old', 258: 'b' }))],
      'address',
    );
    const [session, ...others] = (JSON.parse(merged) as { sessions: ReturnType<typeof saved>[] }).sessions;
    expect(others).toEqual([]);
    expect(session).toMatchObject({ port: 1, lastSeenMs: 20 });
    expect(session?.templates.map(({ id, octets }) => [id, octets]).sort()).toEqual([
      [256, 'new'],
      [257, 'a'],
      [258, 'b'],
    ]);
  });

  it('has the options of a domain once, or of each session where each is an Exporter of its own', () => {
    const texts = [text(saved(1, 20, {}, 100)), text(saved(2, 10, {}, 50))];
    expect(JSON.parse(mergeStates(texts, 'address'))).toEqual({
      format: 1,
      sessions: [saved(2, 10, {}), saved(1, 20, {}, 100)],
    });
    expect(JSON.parse(mergeStates(texts, 'session'))).toEqual({
      format: 1,
      sessions: [saved(2, 10, {}, 50), saved(1, 20, {}, 100)],
    });
  });
});

describe('turns', () => {
  it('come in the order asked for, at each destination by itself', () => {
    const turns: string[] = [];
    const queue = new TurnQueue<string>((taker, destination) => turns.push(`${taker} ${destination}`));
    queue.take('one', 'a');
    queue.take('two', 'a');
    queue.take('three', 'a');
    queue.take('two', 'b');
    expect(turns).toEqual(['one a', 'two b']);
    queue.give('a');
    expect(turns).toEqual(['one a', 'two b', 'two a']);
    queue.give('a');
    queue.give('a');
    queue.take('one', 'a');
    expect(turns).toEqual(['one a', 'two b', 'two a', 'three a', 'one a']);
  });
});

// Node's documentation: `reusePort` of dgram.createSocket was added in v23.1.0 and v22.12.0.
it.each([
  ['20.20.2', false],
  ['22.11.0', false],
  ['22.12.0', true],
  ['23.0.0', false],
  ['23.1.0', true],
  ['24.0.0', true],
])('Node %s can share ports: %s', (version, can) => {
  expect(canSharePorts(version)).toBe(can);
});
