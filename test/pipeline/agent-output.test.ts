import { setImmediate as nextTurn } from 'node:timers/promises';
import { describe, expect, it } from 'vitest';
import type { Configuration } from '../../src/config/configuration.ts';
import type { Flow, PlainRecord, PlainValue } from '../../src/flow/flow.ts';
import { AgentRouting } from '../../src/pipeline/agent-output.ts';
import type { Output } from '../../src/pipeline/output.ts';
import { NtopngFlows } from '../../src/sink/formats/ntopng-flows.ts';
import { counterMessages } from '../../src/sink/formats/ntopng-topics.ts';
import { AgentHarness } from '../support/agent-harness.ts';
import { containerOf, eventOf, processOf } from '../support/agent-parts.ts';
import { makeFlow } from '../support/flow-builder.ts';

/** Sinks that only note what they were given. */
function fakeOutput(withFeed: boolean) {
  const given: string[] = [];
  const sink = (name: string) => ({
    write: ({ layout }: Flow) => given.push(`${name} ${layout.recordType}`),
    writeRecord: ({ recordType }: PlainRecord) => given.push(`${name} ${recordType}`),
    relay: (topic: string, value: PlainValue) => given.push(`${name} ${topic} ${JSON.stringify(value)}`),
    flushNow: () => given.push(`${name} flushed`),
  });
  const output = {
    sinks: [sink('lines')],
    feed: withFeed ? sink('feed') : undefined,
    exportSink: sink('export'),
    points: sink('points'),
    writeRecord: ({ recordType }: PlainRecord) => given.push(`all ${recordType}`),
  };
  return { given, output: output as unknown as Output };
}

function configured(values: Partial<Configuration> = {}): Configuration {
  return { zmqPayload: 'ntopng', zmqFormat: 'tlv', agentDialect: 'default', ...values } as Configuration;
}

const FLOW = makeFlow({ fields: { protocol: 6 } });
const EVENT = makeFlow({ recordType: 'event', fields: { protocol: 6 } });

describe('records of an agent', () => {
  it('go everywhere as flows, and to lines alone as events', () => {
    const { given, output } = fakeOutput(true);
    const routing = new AgentRouting(output, configured());
    routing.flow(FLOW);
    routing.event(EVENT, false);
    expect(given).toEqual(['lines flow', 'feed flow', 'export flow', 'points flow', 'lines event']);
  });

  it('are written out as lines in the turn that made them, all at once', async () => {
    const { given, output } = fakeOutput(false);
    const routing = new AgentRouting(output, configured());
    for (let i = 0; i < 2; i++) {
      routing.flow(FLOW);
      routing.event(EVENT, false);
      await nextTurn();
    }
    const turn = ['lines flow', 'export flow', 'points flow', 'lines event', 'lines flushed'];
    expect(given).toEqual([...turn, ...turn]);
  });

  it('are fed as lines where the feed has lines', () => {
    const { given, output } = fakeOutput(true);
    const routing = new AgentRouting(output, configured({ zmqPayload: 'ndjson' }));
    routing.flow(FLOW);
    routing.event(EVENT, true);
    expect(given).toEqual(['lines flow', 'feed flow', 'export flow', 'points flow', 'lines event', 'feed event']);
  });

  it('are fed as events in place of flows in the dialect of ntopng, but for sockets that listen', () => {
    const { given, output } = fakeOutput(true);
    const routing = new AgentRouting(output, configured({ zmqFormat: 'json', agentDialect: 'ntopng' }));
    routing.flow(FLOW);
    routing.event(EVENT, false);
    routing.event(EVENT, true);
    expect(given).toEqual(['lines flow', 'export flow', 'points flow', 'lines event', 'feed event', 'lines event']);
  });

  it('are made of events only where something takes them', () => {
    const { output } = fakeOutput(false);
    const takes = (values: Partial<Configuration>, sinks: Output['sinks'], withFeed: boolean): boolean => {
      const fake = { ...fakeOutput(withFeed).output, sinks } as unknown as Output;
      return new AgentRouting(fake, configured(values)).takesEvents;
    };
    expect(takes({}, output.sinks, false)).toBe(true);
    expect(takes({}, [], true)).toBe(false);
    expect(takes({ zmqFormat: 'json', agentDialect: 'ntopng' }, [], true)).toBe(true);
    expect(takes({ zmqFormat: 'json', agentDialect: 'ntopng' }, [], false)).toBe(false);
  });

  it('tell of listening ports when they change', () => {
    const { given, output } = fakeOutput(true);
    const routing = new AgentRouting(output, configured());
    for (const value of [{ a: 1 }, { a: 1 }, { a: 2 }]) routing.listeningPorts(value);
    expect(given).toEqual(['feed listening-ports {"a":1}', 'feed listening-ports {"a":2}']);
  });
});

describe('an event of an agent in the feed of ntopng', () => {
  it('is a flow with its nested records, as ntopng 4 and 5 read them', () => {
    const payloads: string[] = [];
    const flows = new NtopngFlows(
      {
        format: 'json',
        keys: 'named',
        batchOctets: 32_000,
        sourceId: 1,
        observationPoint: 0,
        targets: 1,
        codeGeneration: true,
      },
      (_target, payload) => payloads.push(new TextDecoder().decode(payload)),
    );
    const harness = new AgentHarness({ records: new Set(['events']), dialect: 'ntopng' }, 'ntop', (flow) =>
      flows.write(flow),
    );
    harness.parts.table.set(7, processOf(7, { cgroup: 'c' }));
    harness.parts.byCgroup.set('c', containerOf('89b0acbdba4b', { name: 'n', pod: 'p', podNamespace: 's' }));
    harness.agent.takeEvents([
      eventOf('CONNECT', '192.0.2.7:40000', '198.51.100.1:443', 1_556_532_594_175, { pid: 7 }),
    ]);
    flows.flush();
    expect(flows.leftOut).toEqual({ record_type: 0, no_counters: 0, too_large: 0, no_message: 0 });
    const [record] = JSON.parse(payloads[0]!) as Record<string, unknown>[];
    expect(record).toMatchObject({
      IPV4_SRC_ADDR: '192.0.2.7',
      L4_SRC_PORT: 40_000,
      EXPORTER_IPV4_ADDRESS: '192.0.2.7',
      timestamp: '1556532594.175000',
      TCP_EVENT_TYPE: 'CONNECT',
      LOCAL_PROCESS: { PID: 7, UID_NAME: 'alice' },
      LOCAL_CONTAINER: { ID: '89b0acbdba4b', K8S: { NAME: 'n', POD: 'p', NS: 's' } },
    });
  });

  it('has counters of interfaces with the device as a number', async () => {
    const records: PlainRecord[] = [];
    const harness = new AgentHarness({ records: new Set(['counters']) });
    harness.onCounters = (record) => records.push(record);
    const none = { octetsReceived: 1, packetsReceived: 2, errorsReceived: 3, dropsReceived: 4 };
    const sent = { octetsSent: 5, packetsSent: 6, errorsSent: 7, dropsSent: 8 };
    const container = containerOf('89b0acbdba4b', { name: 'n' });
    harness.parts.interfaces_ = [
      { name: 'veth1', index: 9, isUp: true, speed: 10_000_000_000, ...none, ...sent, containers: [container] },
    ];
    await harness.look();
    expect(records.flatMap(counterMessages).map((text) => JSON.parse(text) as unknown)).toMatchObject([
      {
        deviceIP: 0xc000_0207,
        ifName: 'veth1',
        ifIndex: 9,
        ifInOctets: 1,
        ifOutErrors: 7,
        ifOperStatus: 'Up',
        ifSpeed: 0xffff_ffff,
        LOCAL_CONTAINER: { ID: '89b0acbdba4b', DOCKER: { NAME: 'n' } },
      },
    ]);
  });
});
