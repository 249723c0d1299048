import { beforeEach, describe, expect, it } from 'vitest';
import {
  address,
  countersSample,
  datagram,
  discardedPacket,
  expandedCountersSample,
  expandedFlowSample,
  flowSample,
  hex,
  type Octets,
  record,
  sample,
  sampledHeader,
  TCP_FRAME,
  words,
} from '../support/sflow-builder.ts';
import { SflowHarness } from '../support/sflow-harness.ts';

let harness: SflowHarness;
beforeEach(() => {
  harness = new SflowHarness();
});

const HEADER = sampledHeader(TCP_FRAME, 1518);
const VLAN_COUNTERS = record(5, [...words(100), ...words(0, 5000), ...words(1, 2, 3, 4)]);
const GOOD = datagram([flowSample([HEADER])], { sequence: 90_000 });

/** After whatever came before, a good datagram decodes and the counters add up. */
function expectSound(): void {
  const before = harness.lines.length;
  expect(harness.decode(GOOD)).toBe('ok');
  expect(harness.lines.length).toBe(before + 1);
  expect(harness.lines.at(-1)?.fields).toMatchObject({ sourceIPv4: '10.1.2.3', octets: 1518 });
  const { messagesReceived, messagesDecoded, messagesDiscarded } = harness.counters;
  expect(messagesReceived).toBe(messagesDecoded + messagesDiscarded);
}

describe('datagram header', () => {
  it('names agent, sub-agent and sequence number', () => {
    const [line] = harness.linesOf(GOOD);
    expect(line).toMatchObject({ agentAddress: '192.0.2.77', subAgentId: 2 });
    expect(harness.flow.origin).toMatchObject({
      protocol: 'sFlow',
      version: 5,
      exporterAddress: '203.0.113.9',
      exporterPort: 6343,
      exportTimeMs: 1_700_000_000_000,
      sequenceNumber: 90_000,
      observationDomainId: -1,
      engineType: -1,
      engineId: -1,
      templateId: -1,
    });
  });

  it('reads IPv6 agents and tells them apart', () => {
    const a = datagram([flowSample([HEADER])], { agent: address('20010db8000000000000000000000001') });
    const b = datagram([flowSample([HEADER])], { agent: address('20010db8000000000000000000000002') });
    for (const octets of [a, a, b, a]) harness.decode(octets);
    expect(harness.lines.map((line) => line.agentAddress)).toEqual([
      '2001:db8::1',
      '2001:db8::1',
      '2001:db8::2',
      '2001:db8::1',
    ]);
    expect(harness.sessions.size).toBe(2);
  });

  it('keeps agents and sub-agents of one sender apart', () => {
    harness.decode(datagram([], { subAgent: 1 }));
    harness.decode(datagram([], { subAgent: 2 }));
    harness.decode(datagram([], { subAgent: 1, agent: address('192.0.2.78') }));
    expect([...harness.sessions.sessions()].map((session) => `${session.agentAddress} ${session.domain.id}`)).toEqual([
      '192.0.2.77 1',
      '192.0.2.77 2',
      '192.0.2.78 1',
    ]);
  });

  it.each([0, 3, 4294967295])('discards agent address type %d', (type) => {
    expect(harness.decode(datagram([flowSample([HEADER])], { agent: words(type, 1, 2, 3, 4) }))).toBe(
      'agent_address_invalid',
    );
    expect(harness.counters).toMatchObject({ messagesReceived: 1, messagesDiscarded: 1, messagesDecoded: 0 });
    expect(harness.counters.faults.agent_address_invalid).toBe(1);
    expectSound();
  });

  it('takes its version as 32 bits: NetFlow version 5 is something else', () => {
    expect(harness.decode(datagram([], { version: 4 }))).toBe('version_unsupported');
    expect(harness.decode(Uint8Array.from([0, 5, 0, 1, ...new Array<number>(68).fill(0)]))).toBe('version_unsupported');
    expectSound();
  });

  it('discards headers that are cut', () => {
    const whole = datagram([]);
    const whole6 = datagram([], { agent: address('20010db8000000000000000000000001') });
    for (let length = 0; length < 28; length++)
      expect(harness.decode(whole.subarray(0, length)), `${length}`).toBe('message_length_invalid');
    for (let length = 28; length < 40; length++)
      expect(harness.decode(whole6.subarray(0, length))).toBe('message_length_invalid');
    expect(harness.decode(whole)).toBe('ok');
    expect(harness.decode(whole6)).toBe('ok');
    expectSound();
  });

  it('counts what the octets were', () => {
    harness.decode(GOOD);
    expect(harness.counters.octetsReceived).toBe(GOOD.length);
  });
});

describe('samples', () => {
  it('reads compact and expanded flow samples alike', () => {
    const expected = {
      sampleSequence: 7001,
      sourceIdType: 2,
      sourceIdIndex: 99,
      samplingInterval: 512,
      samplingOrigin: 'sample',
      samplePool: 90_210,
      sampleDrops: 3,
      inputInterface: 21,
      outputInterface: 34,
    };
    const source = { sourceType: 2, sourceIndex: 99 };
    const lines = harness.linesOf(datagram([flowSample([HEADER], source), expandedFlowSample([HEADER], source)]));
    expect(lines.length).toBe(2);
    for (const line of lines) expect(line.fields).toMatchObject(expected);
    expect(harness.counters).toMatchObject({
      flowRecords: 2,
      countersRecords: 0,
      unknownSamples: 0,
      trailingOctets: 0,
    });
  });

  it('reads 32-bit interface and source numbers of expanded samples', () => {
    const [line] = harness.linesOf(
      datagram([expandedFlowSample([], { sourceIndex: 0xfedcba98, input: 0xdeadbeef, output: 0xcafef00d })]),
    );
    expect(line?.fields).toMatchObject({
      sourceIdIndex: 0xfedcba98,
      inputInterface: 0xdeadbeef,
      outputInterface: 0xcafef00d,
    });
  });

  it('reads compact and expanded counters samples alike', () => {
    const lines = harness.linesOf(
      datagram([
        countersSample([VLAN_COUNTERS], { sourceType: 1, sourceIndex: 100, sequence: 5 }),
        expandedCountersSample([VLAN_COUNTERS], { sourceType: 1, sourceIndex: 100, sequence: 6 }),
      ]),
    );
    const vlan = { vlan_id: 100, octets: 5000, ucastPkts: 1, multicastPkts: 2, broadcastPkts: 3, discards: 4 };
    expect(lines.map((line) => line.attachments)).toEqual(
      [5, 6].map((sequence) => ({
        SFLOW_SOURCE_ID_TYPE: 1,
        SFLOW_SOURCE_ID_INDEX: 100,
        SFLOW_SAMPLE_SEQUENCE_NUMBER: sequence,
        vlan_counters: vlan,
      })),
    );
    expect(harness.counters).toMatchObject({ flowRecords: 0, countersRecords: 2 });
  });

  it('passes over samples of unknown formats and enterprises', () => {
    const unknown = [
      sample(6, words(1, 2)),
      sample(4300 * 4096 + 1002, words(1)),
      sample(1 * 4096 + 1, words(1, 2, 3, 4, 5, 6, 7, 8)),
    ];
    harness.decode(datagram([...unknown, flowSample([HEADER])]));
    expect(harness.lines.length).toBe(1);
    expect(harness.counters.unknownSamples).toBe(3);
    expectSound();
  });

  it('does not trust the sample count', () => {
    harness.decode(datagram([flowSample([HEADER])], { count: 4294967295 }));
    expect(harness.lines.length).toBe(1);
    expect(harness.counters.faults.record_count_invalid).toBe(1);
    harness.decode(datagram([flowSample([HEADER]), flowSample([HEADER])], { count: 1 }));
    expect(harness.lines.length).toBe(2);
    expect(harness.counters.trailingOctets).toBe(flowSample([HEADER]).length);
    expectSound();
  });

  const RECORD_COUNT_FORMS: [string, (count: number) => Octets][] = [
    ['flow', (count) => flowSample([HEADER], { count })],
    ['expanded flow', (count) => expandedFlowSample([HEADER], { count })],
    ['counters', (count) => countersSample([VLAN_COUNTERS], { count })],
    ['expanded counters', (count) => expandedCountersSample([VLAN_COUNTERS], { count })],
    ['discarded packet', (count) => discardedPacket([HEADER], 256, { count })],
  ];
  it.each(RECORD_COUNT_FORMS)('does not trust the record count of a %s sample', (_, build) => {
    harness.decode(datagram([build(4294967295), flowSample([HEADER])]));
    expect(harness.lines.length).toBe(2);
    expect(harness.counters.faults.sample_record_truncated).toBe(1);
    harness.decode(datagram([build(0)]));
    expect(harness.counters.trailingOctets).toBeGreaterThan(0);
    expectSound();
  });

  it('reads the records that are there of a sample longer than its datagram', () => {
    const whole = flowSample([HEADER]);
    const lying = [...words(1, whole.length + 100), ...whole.slice(8)];
    const [line] = harness.linesOf(datagram([lying]));
    expect(line?.fields).toMatchObject({ sourceIPv4: '10.1.2.3' });
    expect(harness.counters.faults.sample_truncated).toBe(1);
    harness.decode(datagram([[...words(1, 4294967295), ...whole.slice(8)]]));
    expect(harness.counters.faults.sample_truncated).toBe(2);
    expectSound();
  });

  it.each([
    [1, 32],
    [2, 12],
    [3, 44],
    [4, 16],
    [5, 32],
  ])('drops a sample of format %d under %d octets', (format, minimum) => {
    for (let length = 0; length < minimum; length += 4) {
      harness.decode(datagram([sample(format, new Array<number>(length).fill(0))]));
    }
    expect(harness.lines).toEqual([]);
    expect(harness.counters.faults.sample_truncated).toBe(minimum / 4);
    harness.decode(datagram([sample(format, new Array<number>(minimum).fill(0))]));
    expect(harness.lines.length).toBe(1);
    expectSound();
  });

  it('advances over samples of no length', () => {
    const empty = Array.from({ length: 8000 }, () => words(9, 0));
    expect(harness.decode(datagram(empty))).toBe('ok');
    expect(harness.counters.unknownSamples).toBe(8000);
    expectSound();
  });
});

describe('records', () => {
  it('costs the rest of its sample alone when one is longer than it', () => {
    const long = record(1005, words(1), 400);
    harness.decode(datagram([flowSample([HEADER, long, HEADER]), flowSample([HEADER])]));
    expect(harness.lines.map((line) => line.fields['sourceIPv4'])).toEqual(['10.1.2.3', '10.1.2.3']);
    expect(harness.counters.faults.sample_record_truncated).toBe(1);
    harness.decode(datagram([flowSample([record(1, words(1), 4294967295)])]));
    expect(harness.counters.faults.sample_record_truncated).toBe(2);
    expectSound();
  });

  it('takes records of no length and passes over the padding of others', () => {
    const odd = record(1038, [...words(5), ...Buffer.from('abcde')]);
    const [line] = harness.linesOf(datagram([flowSample([record(2500, []), odd, HEADER])]));
    expect(line?.attachments).toMatchObject({
      SFLOW_EXTENDED_FUNCTION: { symbol: 'abcde' },
      UNKNOWN_RECORDS: [{ enterprise: 0, format: 2500, octets: '' }],
    });
    expect(line?.fields).toMatchObject({ sourceIPv4: '10.1.2.3' });
    expect(harness.counters.faults.sample_record_truncated).toBe(0);
    expect(harness.counters.unknownSampleRecords).toBe(1);
  });

  it('does without the last padding', () => {
    const unpadded = [...words(1038, 9, 5), ...Buffer.from('abcde')];
    const [line] = harness.linesOf(datagram([flowSample([unpadded])]));
    expect(line?.attachments).toMatchObject({ SFLOW_EXTENDED_FUNCTION: { symbol: 'abcde' } });
    expect(harness.counters.faults.sample_record_truncated).toBe(0);
  });

  it('counts octets behind the records and behind the samples', () => {
    const behind = sample(1, [...flowSample([HEADER]).slice(8), ...hex('0102030405060708')]);
    harness.decode(Uint8Array.from([...datagram([behind]), 1, 2, 3]));
    expect(harness.counters.trailingOctets).toBe(11);
    expectSound();
  });
});

describe('sequence numbers', () => {
  it('counts lost datagrams', () => {
    for (const sequence of [1, 2, 5, 6]) harness.decode(datagram([], { sequence, upTime: 1000 + sequence }));
    expect(harness.counters).toMatchObject({ sequenceLost: 2, sequenceReordered: 0, sequenceDuplicates: 0 });
  });

  it('counts lost samples by source and kind', () => {
    const from = (sourceIndex: number, sequence: number) => flowSample([], { sourceIndex, sequence });
    const samples = [
      from(1, 10),
      from(2, 500),
      from(1, 11),
      from(2, 503),
      countersSample([], { sourceIndex: 1, sequence: 90 }),
      from(1, 12),
    ];
    harness.decode(datagram(samples));
    expect(harness.counters.samplesLost).toBe(2);
  });

  it('counts compact and expanded forms as one series', () => {
    harness.decode(
      datagram([
        flowSample([], { sequence: 1 }),
        expandedFlowSample([], { sequence: 2 }),
        flowSample([], { sequence: 4 }),
      ]),
    );
    expect(harness.counters.samplesLost).toBe(1);
  });

  it('takes late samples off again and counts restarts as nothing', () => {
    for (const sequence of [1, 4, 2, 3, 5, 5, 1_000_000_000, 1, 2])
      harness.decode(datagram([flowSample([], { sequence })]));
    expect(harness.counters.samplesLost).toBe(0);
  });

  it('wraps', () => {
    for (const sequence of [4294967294, 4294967295, 0, 2]) harness.decode(datagram([flowSample([], { sequence })]));
    expect(harness.counters.samplesLost).toBe(1);
  });

  it('keeps agents apart', () => {
    for (let i = 0; i < 20; i++) {
      const samples = Array.from({ length: 20 }, (_, k) =>
        flowSample([], { sourceIndex: k, sequence: k * 77 + i * 5000 }),
      );
      harness.decode(datagram(samples, { agent: address(`192.0.2.${i}`) }));
    }
    expect(harness.counters.samplesLost).toBe(0);
    expect(harness.counters.flowRecords).toBe(400);
    expectSound();
  });
});
