import { describe, expect, it } from 'vitest';
import { DecodingHarness, type Line, type Sender } from '../support/decoding-harness.ts';
import {
  dataSet,
  type Field,
  message,
  optionsTemplateRecord,
  optionsTemplateSet,
  set,
  specifiers,
  templateRecord,
  templateSet,
  VARIABLE,
  withdrawal,
} from '../support/ipfix-message.ts';
import { v1Datagram, v5Datagram, v5Record, v7Datagram } from '../support/netflow5-message.ts';
import {
  flowSet,
  v9DataSet,
  v9OptionsTemplateRecord,
  v9OptionsTemplateSet,
  v9Packet,
  v9TemplateRecord,
  v9TemplateSet,
} from '../support/netflow9-message.ts';
import { hex, ipv4, joined, type Octets, text, u8, u16, u32, u64, variable, zeros } from '../support/wire-octets.ts';

const GOOD: readonly Field[] = [
  [8, 4],
  [12, 4],
  [1, 8],
  [2, 4],
];
const GOOD_RECORD = joined(ipv4('10.1.2.3'), ipv4('10.4.5.6'), u64(123456), u32(78));

/** A message that always decodes, with a Template of its own. */
function goodMessage(sequence = 0): Octets {
  return message([templateSet(9999, GOOD), dataSet(9999, GOOD_RECORD)], { sequence, domain: 1 });
}

/** Sends what is hostile, then looks whether everything still holds and the same decoder, session and domain still work. */
function survive(harness: DecodingHarness, messages: readonly Octets[], sender: Sender = {}): Line[] {
  const lines = harness.lines(messages, sender);
  expect(harness.decoding.lastInternalError).toBe('');
  expect(harness.problems()).toEqual([]);
  const { text: written } = harness;
  const [good, ...others] = harness.lines(goodMessage(), sender);
  harness.text = written;
  expect(good).toMatchObject({ IPV4_SRC_ADDR: '10.1.2.3', IPV4_DST_ADDR: '10.4.5.6', IN_BYTES: 123456, IN_PKTS: 78 });
  expect(others).toEqual([]);
  expect(harness.problems()).toEqual([]);
  return lines;
}

function faultsOf(harness: DecodingHarness): string[] {
  const faults: string[] = [];
  for (const counters of [harness.counters, harness.decoding.unattributed]) {
    for (const [fault, count] of Object.entries(counters.faults)) if (count > 0) faults.push(`${fault} ${count}`);
  }
  return faults;
}

describe('Headers', () => {
  it.each([0, 1, 2, 3, 10, 15, 19])('datagrams of %i octets are discarded', (length) => {
    const templates = [
      v9Packet([v9TemplateSet(256, [[1, 4]])]),
      goodMessage(),
      v5Datagram([v5Record()]),
      v1Datagram([{}]),
      v7Datagram([{}]),
    ];
    for (const octets of templates) {
      const harness = new DecodingHarness();
      expect(survive(harness, [octets.subarray(0, length)])).toEqual([]);
      const { unattributed } = harness.decoding;
      const discarded = unattributed.messagesDiscarded + harness.counters.messagesDiscarded;
      expect(discarded).toBe(1);
    }
  });

  it.each([0, 2, 3, 4, 6, 8, 11, 255, 65535])('version %i is unsupported', (version) => {
    for (const length of [2, 4, 20, 64, 1400]) {
      const harness = new DecodingHarness();
      expect(survive(harness, [joined(u16(version), zeros(length - 2))])).toEqual([]);
      expect(faultsOf(harness)).toEqual(['version_unsupported 1']);
      expect(harness.decoding.unattributed.octetsReceived).toBe(length);
    }
  });

  it.each([
    [0, 1, 0],
    [1, 0, 0],
    [31, 2, 2],
    [65535, 3, 3],
    [30, 30, 30],
    [31, 31, 31],
    [2, 3, 2],
  ])('v5 count %i with %i records makes %i flows', (count, present, flows) => {
    const harness = new DecodingHarness();
    const records = Array.from({ length: present }, (_, i) => v5Record({ sourcePort: i }));
    const lines = survive(harness, [v5Datagram(records, { count })]);
    expect(lines.map((line) => line['L4_SRC_PORT'])).toEqual(Array.from({ length: flows }, (_, i) => i));
    expect(harness.counters.faults.record_count_invalid).toBe(count > present || flows === 0 ? 1 : 0);
    expect(harness.counters.trailingOctets).toBe(flows === 0 ? 0 : (present - flows) * 48);
  });

  it('a v5 record cut in its middle is left out', () => {
    const harness = new DecodingHarness();
    const whole = v5Datagram([v5Record(), v5Record()]);
    expect(survive(harness, [whole.subarray(0, whole.length - 1)])).toHaveLength(1);
    expect(faultsOf(harness)).toEqual(['record_count_invalid 1']);
    expect(harness.counters.trailingOctets).toBe(47);
  });

  it.each([0, 1, 2, 15, 16, 17, 19])('IPFIX length %i under its content is discarded whole or at a set', (length) => {
    const harness = new DecodingHarness();
    const octets = message([templateSet(256, GOOD), dataSet(256, GOOD_RECORD)], { length });
    expect(survive(harness, [octets])).toEqual([]);
    expect(harness.counters.messagesDiscarded).toBe(length === 16 ? 0 : 1);
    expect(faultsOf(harness)).toEqual(
      length < 16 ? ['message_length_invalid 1'] : length === 16 ? [] : ['set_length_invalid 1'],
    );
  });

  it('IPFIX length over the datagram discards it', () => {
    const harness = new DecodingHarness();
    for (const length of [17, 40, 65535]) {
      expect(survive(harness, [message([], { length })])).toEqual([]);
    }
    expect(faultsOf(harness)).toEqual(['message_length_invalid 3']);
  });

  it('octets behind an IPFIX message are counted and not read', () => {
    const harness = new DecodingHarness();
    const [line] = survive(harness, [joined(goodMessage(), hex('000102030405'), goodMessage())]);
    expect(line).toMatchObject({ IN_BYTES: 123456 });
    expect(harness.counters.trailingOctets).toBe(6 + goodMessage().length);
    expect(harness.counters.flowRecords).toBe(2);
  });

  it.each([0, 1, 2, 7, 255, 65535])('v9 count %i lies: set lengths tell', (count) => {
    const harness = new DecodingHarness();
    const packet = v9Packet([v9TemplateSet(256, [[1, 4]]), v9DataSet(256, u32(7), u32(8))], { count });
    expect(survive(harness, [packet]).map((line) => line['IN_BYTES'])).toEqual([7, 8]);
    expect(faultsOf(harness)).toEqual([]);
  });

  it('a 16-bit version 5 is NetFlow, a 32-bit one sFlow', () => {
    const harness = new DecodingHarness();
    const lines = survive(harness, [v5Datagram([v5Record()]), joined(u32(5), zeros(40))]);
    expect(lines.map((line) => line['EXPORT_PROTOCOL'])).toEqual(['NetFlow']);
    expect(faultsOf(harness)).toHaveLength(1);
  });
});

describe('Sets', () => {
  it.each([0, 1, 4, 5, 100, 255])('IPFIX set id %i is reserved: its siblings are read', (id) => {
    const harness = new DecodingHarness();
    const octets = message([set(id, zeros(8)), templateSet(256, GOOD), set(id, zeros(5)), dataSet(256, GOOD_RECORD)]);
    expect(survive(harness, [octets])).toHaveLength(1);
    expect(faultsOf(harness)).toEqual(['set_id_reserved 2']);
  });

  it.each([2, 3, 4, 100, 255])('v9 FlowSet id %i is reserved: its siblings are read', (id) => {
    const harness = new DecodingHarness();
    const packet = v9Packet([
      flowSet(id, templateRecord(300, GOOD)),
      v9TemplateSet(256, [[1, 4]]),
      v9DataSet(256, u32(7)),
    ]);
    expect(survive(harness, [packet])).toHaveLength(1);
    expect(faultsOf(harness)).toEqual(['set_id_reserved 1']);
  });

  it.each([0, 1, 2, 3, 5, 65535])('a set length of %i ends an IPFIX message before anything is read', (length) => {
    const harness = new DecodingHarness();
    const octets = message([templateSet(256, GOOD), dataSet(256, GOOD_RECORD), set(256, zeros(0), length)]);
    expect(survive(harness, [octets])).toEqual([]);
    expect(faultsOf(harness)).toEqual(['set_length_invalid 1']);
    expect(harness.counters.templatesLearned).toBe(1);
  });

  it.each([0, 1, 2, 3, 5, 65535])('a set length of %i ends a v9 packet where it stands', (length) => {
    const harness = new DecodingHarness();
    const packet = v9Packet([v9TemplateSet(256, [[1, 4]]), v9DataSet(256, u32(7)), flowSet(256, zeros(0), length)]);
    expect(survive(harness, [packet])).toHaveLength(1);
    expect(faultsOf(harness)).toEqual(['set_length_invalid 1']);
    expect(harness.counters.trailingOctets).toBe(4);
  });

  it.each([0, 1, 2, 3])('padding of %i octets behind records is no record', (padding) => {
    const harness = new DecodingHarness();
    const octets = message([templateSet(256, GOOD), dataSet(256, GOOD_RECORD, GOOD_RECORD, zeros(padding))]);
    expect(survive(harness, [octets])).toHaveLength(2);
    expect(faultsOf(harness)).toEqual([]);
  });

  it.each([1, 2, 3, 4, 7])('padding of %i octets behind a Template is no Template', (padding) => {
    const harness = new DecodingHarness();
    const octets = message([
      set(2, joined(templateRecord(256, GOOD), zeros(padding))),
      set(3, joined(optionsTemplateRecord(257, [[149, 4]], [[41, 8]]), zeros(padding))),
      dataSet(256, GOOD_RECORD),
    ]);
    expect(survive(harness, [octets])).toHaveLength(1);
    expect(faultsOf(harness)).toEqual([]);
    expect(harness.counters.withdrawalsIgnored).toBe(0);
  });

  it('a v9 packet filled up with zeros behind a good FlowSet is read up to them', () => {
    const harness = new DecodingHarness();
    for (const filling of [4, 16, 1000, 60000]) {
      const packet = joined(v9Packet([v9TemplateSet(256, [[1, 4]]), v9DataSet(256, u32(7))]), zeros(filling));
      expect(survive(harness, [packet])).toHaveLength(1);
    }
    expect(faultsOf(harness)).toEqual([]);
    expect(harness.counters.trailingOctets).toBe(4 + 16 + 1000 + 60000);
  });

  it('empty Data Sets make no record', () => {
    const harness = new DecodingHarness();
    const octets = message([templateSet(256, GOOD), dataSet(256), dataSet(256), dataSet(300), set(2, zeros(0))]);
    expect(survive(harness, [octets])).toEqual([]);
    expect(survive(harness, [v9Packet([v9DataSet(300), flowSet(0, zeros(0)), flowSet(1, zeros(0))])])).toEqual([]);
    expect(faultsOf(harness)).toEqual([]);
  });
});

describe('Templates', () => {
  it('of zero fields: a withdrawal in IPFIX, refused in v9, the next record read', () => {
    const harness = new DecodingHarness();
    const packet = v9Packet([
      flowSet(0, joined(v9TemplateRecord(300, []), v9TemplateRecord(256, [[1, 4]]))),
      v9DataSet(300, zeros(64)),
      v9DataSet(256, u32(7)),
    ]);
    expect(survive(harness, [packet])).toHaveLength(1);
    expect(faultsOf(harness)).toEqual(['template_record_empty 1']);
    const octets = message([
      set(2, joined(templateRecord(300, []), templateRecord(256, GOOD))),
      dataSet(300, zeros(64)),
      dataSet(256, GOOD_RECORD),
    ]);
    expect(survive(harness, [octets])).toHaveLength(1);
    expect(harness.counters.withdrawalsIgnored).toBe(1);
  });

  it('of one field of zero length are refused, and data for them waits', () => {
    const harness = new DecodingHarness();
    const octets = message([templateSet(256, [[1, 0]]), dataSet(256, zeros(64))]);
    expect(survive(harness, [octets])).toEqual([]);
    expect(faultsOf(harness)).toEqual(['template_record_empty 1']);
    const packet = v9Packet([v9TemplateSet(256, [[1, 0]]), v9DataSet(256, zeros(64))]);
    expect(survive(harness, [packet])).toEqual([]);
    expect(harness.decoding.pendingStatus().sets).toBe(2);
  });

  it('with fields of zero length beside others read the others', () => {
    const harness = new DecodingHarness();
    const fields: Field[] = [
      [1, 0],
      [8, 0],
      [2, 4],
      [82, 0],
      [1234, 0, 9],
    ];
    const [line] = survive(harness, [message([templateSet(256, fields), dataSet(256, u32(77))])]);
    expect(line).toMatchObject({ IN_PKTS: 77 });
    expect(line).not.toHaveProperty('IPV4_SRC_ADDR');
    expect(line).not.toHaveProperty('IN_BYTES');
  });

  it('of only variable fields end at the set', () => {
    const harness = new DecodingHarness();
    const fields: Field[] = [
      [82, VARIABLE],
      [83, VARIABLE],
    ];
    const records = [joined(variable('a'), variable('')), joined(variable(''), variable('')), joined(u8(200))];
    const lines = survive(harness, [message([templateSet(256, fields), dataSet(256, ...records)])]);
    expect(lines).toHaveLength(2);
    expect(lines[0]).toMatchObject({ INTERFACE_NAME: 'a', IF_DESC: '' });
  });

  it('with a field count of 16,384 and 8 octets are refused', () => {
    const harness = new DecodingHarness();
    survive(harness, [
      message([
        set(
          2,
          joined(
            templateRecord(
              256,
              [
                [1, 4],
                [2, 4],
              ],
              16384,
            ),
          ),
        ),
      ]),
    ]);
    survive(harness, [
      v9Packet([
        flowSet(
          0,
          v9TemplateRecord(
            256,
            [
              [1, 4],
              [2, 4],
            ],
            16384,
          ),
        ),
      ]),
    ]);
    survive(harness, [message([set(3, optionsTemplateRecord(256, [[1, 4]], [[2, 4]], 1, 16384))])]);
    expect(faultsOf(harness)).toEqual(['template_truncated 3']);
  });

  it.each([0, 1, 2, 3, 4, 255])('with id %i are refused', (id) => {
    const harness = new DecodingHarness();
    survive(harness, [message([templateSet(id, GOOD)])]);
    survive(harness, [message([optionsTemplateSet(id, [[149, 4]], [[41, 8]])])]);
    survive(harness, [v9Packet([v9TemplateSet(id, [[1, 4]])])]);
    survive(harness, [v9Packet([v9OptionsTemplateSet(id, [[1, 4]], [[34, 4]])])]);
    expect(harness.counters.faults.template_id_reserved).toBe(4);
    expect(harness.counters.templatesLearned).toBe(1);
  });

  it('with the enterprise number cut off are refused', () => {
    const harness = new DecodingHarness();
    for (const cut of [1, 2, 3, 4]) {
      const record = templateRecord(256, [
        [1, 4],
        [100, 4, 35632],
      ]);
      survive(harness, [message([set(2, record.subarray(0, record.length - cut))])]);
      const options = optionsTemplateRecord(256, [[149, 4]], [[100, 4, 35632]]);
      survive(harness, [message([set(3, options.subarray(0, options.length - cut))])]);
    }
    expect(faultsOf(harness)).toEqual(['template_truncated 8']);
  });

  it('read an enterprise element the same in Templates and Options Templates', () => {
    const harness = new DecodingHarness();
    const lines = survive(harness, [
      message([
        templateSet(256, [
          [1, 4],
          [54321 & 0x7fff, 2, 4242],
        ]),
        optionsTemplateSet(257, [[54321 & 0x7fff, 2, 4242]], [[41, 8]]),
        dataSet(256, joined(u32(1), u16(0xabcd))),
        dataSet(257, joined(u16(0xabcd), u64(5))),
      ]),
    ]);
    expect(lines.map((line) => line['4242.21553'])).toEqual(['abcd', 'abcd']);
  });

  it('with lengths that sum to over 65,535 are refused', () => {
    const harness = new DecodingHarness();
    const long: Field[] = [
      [82, 40000],
      [83, 25536],
    ];
    survive(harness, [message([templateSet(256, long)])]);
    survive(harness, [
      v9Packet([
        v9TemplateSet(256, [
          [82, 40000],
          [83, 25536],
        ]),
      ]),
    ]);
    survive(harness, [v9Packet([v9OptionsTemplateSet(256, [[1, 65000]], [[83, 25536]])])]);
    expect(faultsOf(harness)).toEqual(['template_too_long 3']);
    survive(harness, [
      message([
        templateSet(256, [
          [82, 65534],
          [4, 1],
        ]),
      ]),
    ]);
    expect(harness.counters.templatesLearned).toBe(2);
  });

  it('defined twice in one message: each set is read by what came before it', () => {
    const harness = new DecodingHarness();
    const lines = survive(harness, [
      message([
        templateSet(256, [[1, 4]]),
        dataSet(256, u32(1)),
        templateSet(256, [[2, 4]]),
        dataSet(256, u32(2)),
        set(2, joined(templateRecord(257, [[1, 2]]), templateRecord(257, [[2, 2]]))),
        dataSet(257, u16(3)),
      ]),
    ]);
    expect(lines.map(({ IN_BYTES, IN_PKTS }) => [IN_BYTES, IN_PKTS])).toEqual([
      [1, undefined],
      [undefined, 2],
      [undefined, 3],
    ]);
    expect(harness.counters.templatesRedefined).toBe(2);
  });

  it('that go from data to options and back are read as what they are', () => {
    const harness = new DecodingHarness();
    for (let round = 0; round < 3; round++) {
      const lines = survive(harness, [
        message([templateSet(256, [[1, 4]]), dataSet(256, u32(5))]),
        message([optionsTemplateSet(256, [[149, 4]], []), dataSet(256, u32(6))]),
        v9Packet([v9TemplateSet(256, [[1, 4]]), v9DataSet(256, u32(7))]),
        v9Packet([v9OptionsTemplateSet(256, [[1, 4]], []), v9DataSet(256, u32(8))]),
      ]);
      expect(lines.map((line) => line['RECORD_TYPE'])).toEqual(['flow', 'options', 'flow', 'options']);
    }
  });

  it('with an element several times give an array, whatever the lengths', () => {
    const harness = new DecodingHarness();
    const fields: Field[] = [
      [1, 4],
      [1, 8],
      [1, 3],
      [82, VARIABLE],
      [82, 4],
      [10, 2],
      [10, 4],
    ];
    const record = joined(u32(1), u64(2n ** 63n + 1n), hex('000003'), variable('x"'), text('y', 4), u16(9), u32(10));
    const [line] = survive(harness, [message([templateSet(256, fields), dataSet(256, record)])]);
    expect(harness.text).toContain('"IN_BYTES":[1,9223372036854775809,3]');
    expect(line).toMatchObject({ INTERFACE_NAME: ['x"', 'y'], INPUT_SNMP: [9, 10] });
  });

  it('with a variable-length element several times do not take over the record before', () => {
    const harness = new DecodingHarness();
    const fields: Field[] = [
      [10, VARIABLE],
      [10, VARIABLE],
      [1, VARIABLE],
      [1, VARIABLE],
    ];
    const options = message([
      optionsTemplateSet(257, [[10, 4]], [[82, VARIABLE]]),
      dataSet(257, joined(u32(7), variable('seven'))),
      templateSet(258, [
        [10, 4],
        [1, 4],
      ]),
      dataSet(258, joined(u32(7), u32(1))),
    ]);
    harness.lines(options);
    const [line] = survive(harness, [
      message([templateSet(256, fields), dataSet(256, ...[1, 2, 3, 4].map((each) => variable(u8(each))))]),
    ]);
    expect(line).toMatchObject({ INPUT_SNMP: [1, 2], IN_BYTES: [3, 4] });
    expect(line).not.toHaveProperty('INPUT_INTERFACE_NAME');
  });

  it.each([1, 2, 3, 5, 7, 100, VARIABLE])('with padding element 210 of length %i leave it out', (length) => {
    const harness = new DecodingHarness();
    const padding = length === VARIABLE ? variable(zeros(9)) : zeros(length);
    const octets = message([
      templateSet(256, [
        [210, length],
        [1, 4],
        [210, length],
      ]),
      dataSet(256, joined(padding, u32(7), padding)),
    ]);
    const [line, ...others] = survive(harness, [octets]);
    expect(others).toEqual([]);
    expect(line).toMatchObject({ IN_BYTES: 7 });
    expect(Object.keys(line!).filter((key) => /pad|210/i.test(key))).toEqual([]);
  });

  it.each([1, 3, 5, 16, 50])('an IPv4 address of length %i is shown as octets', (length) => {
    const harness = new DecodingHarness();
    const octets = Uint8Array.from({ length }, (_, i) => i + 1);
    const [line] = survive(harness, [
      message([
        templateSet(256, [
          [8, length],
          [1, 4],
        ]),
        dataSet(256, joined(octets, u32(7))),
      ]),
    ]);
    expect(line).toMatchObject({ IPV4_SRC_ADDR: Buffer.from(octets).toString('hex'), IN_BYTES: 7 });
  });

  it.each([1, 2, 3, 4, 5, 6, 7, 8])('integers of %i octets are exact', (length) => {
    const harness = new DecodingHarness();
    const value = BigInt.asUintN(length * 8, 0xf1f2f3f4f5f6f7f9n);
    const octets = u64(value).subarray(8 - length);
    survive(harness, [
      message([
        // octets, ifIndex (a field of one word), flowId (no field)
        templateSet(256, [
          [1, length],
          [10, length],
          [148, length],
          [82, 1],
        ]),
        dataSet(256, joined(octets, octets, octets, u8(0x61))),
      ]),
    ]);
    const harness2 = new DecodingHarness();
    harness2.lines(
      message([
        templateSet(256, [
          [1, length],
          [10, length],
          [148, length],
        ]),
        dataSet(256, joined(octets, octets, octets)),
      ]),
    );
    expect(harness2.text).toContain(`"IN_BYTES":${value}`);
    expect(harness2.text).toContain(`"INPUT_SNMP":${value}`);
    expect(harness2.text).toContain(`"FLOW_ID":${value}`);
  });

  it.each([9, 16, 33])('integers of %i octets are shown as octets', (length) => {
    const harness = new DecodingHarness();
    const octets = Uint8Array.from({ length }, (_, i) => 255 - i);
    const [line] = survive(harness, [
      message([
        templateSet(256, [
          [1, length],
          [148, length],
        ]),
        dataSet(256, joined(octets, octets)),
      ]),
    ]);
    const expected = Buffer.from(octets).toString('hex');
    expect(line).toMatchObject({ IN_BYTES: expected, FLOW_ID: expected });
  });

  it('booleans of length 4 and of other values are numbers', () => {
    const harness = new DecodingHarness();
    const fields: Field[] = [
      [276, 4],
      [277, 1],
      [276, 1],
      [227, 2],
    ];
    const octets = message([templateSet(256, fields), dataSet(256, joined(u32(1), u8(7), u8(1), u16(5)))]);
    const [line] = survive(harness, [octets]);
    expect(line).toMatchObject({ dataRecordsReliability: [1, true], OBSERVATION_POINT_TYPE: 7 });
  });

  it('of v9 with length 65535 have their length in front', () => {
    const harness = new DecodingHarness();
    const packet = v9Packet([
      v9TemplateSet(256, [
        [1, 4],
        [82, 65535],
      ]),
      v9DataSet(256, joined(u32(5), variable('eth0'))),
    ]);
    expect(survive(harness, [packet])[0]).toMatchObject({ IN_BYTES: 5, INTERFACE_NAME: 'eth0' });
  });

  it('for options with scope counts that are 0 or too high', () => {
    const harness = new DecodingHarness();
    const zero = message([set(3, optionsTemplateRecord(256, [], [[41, 8]])), dataSet(256, u64(5))]);
    expect(survive(harness, [zero])).toHaveLength(1);
    survive(harness, [message([set(3, optionsTemplateRecord(257, [[149, 4]], [[41, 8]], 3))])]);
    survive(harness, [message([set(3, optionsTemplateRecord(257, [[149, 4]], [[41, 8]], 65535))])]);
    expect(faultsOf(harness)).toEqual(['scope_invalid 2']);
    const allScope = message([
      set(
        3,
        optionsTemplateRecord(
          258,
          [
            [149, 4],
            [41, 8],
          ],
          [],
        ),
      ),
      dataSet(258, joined(u32(1), u64(2))),
    ]);
    expect(survive(harness, [allScope])).toHaveLength(1);
  });

  it.each([
    [1, 4],
    [2, 4],
    [3, 4],
    [5, 4],
    [4, 3],
    [4, 6],
    [65535, 4],
    [4, 65535],
    [32768, 32768],
    [65532, 8],
    [65532, 65532],
    [0, 65532],
  ])('for v9 options with lists of %i and %i octets are refused', (scopeLength, optionLength) => {
    const harness = new DecodingHarness();
    const record = v9OptionsTemplateRecord(256, [[1, 4]], [[34, 4]], scopeLength, optionLength);
    survive(harness, [v9Packet([flowSet(1, record), v9DataSet(256, zeros(32))])]);
    expect(faultsOf(harness)).toHaveLength(1);
    expect(harness.counters.templatesLearned).toBe(1);
  });

  it.each([1, 2, 3, 4, 5])('for v9 options cut to %i octets are no Template', (length) => {
    const harness = new DecodingHarness();
    const record = v9OptionsTemplateRecord(256, [[1, 4]], [[34, 4]]).subarray(0, length);
    survive(harness, [v9Packet([joined(u16(1), u16(4 + length), record)])]);
    expect(faultsOf(harness)).toEqual(length < 4 ? [] : ['template_truncated 1']);
  });

  it('for v9 options of no field at all are refused', () => {
    const harness = new DecodingHarness();
    survive(harness, [v9Packet([flowSet(1, v9OptionsTemplateRecord(256, [], [])), v9DataSet(256, zeros(32))])]);
    expect(faultsOf(harness)).toEqual(['template_record_empty 1']);
  });

  it('for options with a scope of length 0 are read', () => {
    const harness = new DecodingHarness();
    const packet = v9Packet([
      v9OptionsTemplateSet(
        256,
        [[1, 0]],
        [
          [34, 4],
          [35, 1],
        ],
      ),
      v9DataSet(256, joined(u32(100), u8(2))),
    ]);
    expect(survive(harness, [packet])[0]).toMatchObject({ RECORD_TYPE: 'options', SAMPLING_INTERVAL: 100 });
    const [flow] = harness.lines(v9Packet([v9TemplateSet(257, [[1, 4]]), v9DataSet(257, u32(7))]));
    expect(flow).toMatchObject({ SAMPLING_INTERVAL: 100, SAMPLING_ORIGIN: 'option' });
  });

  it('with 512 fields of one octet and more', () => {
    const harness = new DecodingHarness();
    const fields = Array.from({ length: 513 }, (_, i): Field => [i % 250, 1]);
    const most = fields.slice(0, 512);
    const records = Array.from({ length: 4 }, () => Uint8Array.from({ length: 512 }, (_, i) => i));
    expect(survive(harness, [message([templateSet(256, most), dataSet(256, ...records)])])).toHaveLength(4);
    expect(survive(harness, [message([templateSet(257, fields)])])).toEqual([]);
    expect(faultsOf(harness)).toEqual(['template_too_long 1']);
  });
});

describe('Withdrawals', () => {
  const learn = message([
    templateSet(256, GOOD),
    templateSet(257, GOOD),
    optionsTemplateSet(258, [[149, 4]], [[41, 8]]),
  ]);
  const data = message([dataSet(256, GOOD_RECORD), dataSet(257, GOOD_RECORD), dataSet(258, joined(u32(1), u64(2)))]);

  it.each([
    ['one', withdrawal(256), 1],
    ['all Templates', withdrawal(2), 2],
    ['all Options Templates', withdrawal(3, 3), 1],
    ['an Options Template', withdrawal(258, 3), 1],
    ['an unknown one', withdrawal(400), 0],
    ['a reserved id', withdrawal(100), 0],
    ['all Options Templates in a Template Set', withdrawal(3, 2), 0],
    ['all Templates in an Options Template Set', withdrawal(2, 3), 0],
  ])('of %s over UDP and over TCP', (_, octets, forgotten) => {
    const udp = new DecodingHarness();
    expect(survive(udp, [learn, message([octets]), data])).toHaveLength(3);
    expect(udp.counters).toMatchObject({ templatesWithdrawn: 0, withdrawalsIgnored: 1 });
    const tcp = new DecodingHarness();
    expect(survive(tcp, [learn, message([octets]), data], { isReliable: true })).toHaveLength(3 - forgotten);
    expect(tcp.counters).toMatchObject({ templatesWithdrawn: forgotten, withdrawalsIgnored: 0 });
    expect(tcp.decoding.pendingStatus().sets).toBe(forgotten);
    expect(survive(tcp, [learn], { isReliable: true })).toHaveLength(forgotten);
  });

  it.each([1, 2, 3, 4, 5])('of %i octets', (length) => {
    for (const isReliable of [false, true]) {
      const harness = new DecodingHarness();
      const body = joined(u16(256), u16(0), u8(1)).subarray(0, length);
      const lines = survive(harness, [learn, message([set(2, body)]), data], { isReliable });
      expect(lines).toHaveLength(isReliable && length >= 4 ? 2 : 3);
    }
  });

  it('mixed with definitions count in order', () => {
    const mixed = message([
      set(2, joined(templateRecord(256, []), templateRecord(256, [[1, 4]]), templateRecord(257, []))),
      dataSet(256, u32(42)),
      dataSet(257, GOOD_RECORD),
    ]);
    const tcp = new DecodingHarness();
    expect(survive(tcp, [learn, mixed], { isReliable: true }).map((line) => line['IN_BYTES'])).toEqual([42]);
    const udp = new DecodingHarness();
    expect(survive(udp, [learn, mixed]).map((line) => line['IN_BYTES'])).toEqual([42, 123456]);
  });

  it('over UDP from the address and port of a TCP connection are ignored', () => {
    const harness = new DecodingHarness();
    expect(survive(harness, [learn], { isReliable: true })).toEqual([]);
    harness.decode(message([withdrawal(2)]), { isReliable: false });
    expect(survive(harness, [data], { isReliable: true })).toHaveLength(3);
  });

  it('are forgotten with the connection: its Templates end with it', () => {
    const harness = new DecodingHarness();
    expect(survive(harness, [learn, data], { isReliable: true })).toHaveLength(3);
    harness.decoding.endSessions('192.0.2.250', 2055);
    expect(survive(harness, [data], { isReliable: true })).toEqual([]);
  });
});

describe('Variable length', () => {
  const NAME: readonly Field[] = [
    [1, 4],
    [82, VARIABLE],
  ];

  it.each([
    ['255 with no octet left', hex('ff')],
    ['255 with one octet left', hex('ff00')],
    ['255 and a length over the rest', hex('ff0005 61')],
    ['65,535 in a set of 20 octets', hex('ffffff 616161616161616161')],
    ['one octet too long', hex('04 616263')],
    ['254 and nothing', hex('fe')],
  ])('%s ends the set', (_, broken) => {
    const harness = new DecodingHarness();
    const lines = survive(harness, [
      message([
        templateSet(256, NAME),
        dataSet(256, joined(u32(1), variable('good')), joined(u32(2), broken)),
        dataSet(256, joined(u32(3), variable('next'))),
      ]),
    ]);
    expect(lines.map((line) => line['INTERFACE_NAME'])).toEqual(['good', 'next']);
    expect(faultsOf(harness)).toEqual(['record_truncated 1']);
  });

  it.each(['ff', 'ff00', 'ffff'])('%s as the last octets there are ends the set', (broken) => {
    const harness = new DecodingHarness();
    const octets = message([templateSet(256, NAME), dataSet(256, joined(u32(2), hex(broken)))]);
    // At the very end of its buffer, then with octets behind it.
    expect(survive(harness, [octets])).toEqual([]);
    expect(survive(harness, [goodMessage(), octets])).toHaveLength(1);
    expect(faultsOf(harness)).toEqual(['record_truncated 2']);
  });

  it('a field in front may not take what the fixed fields behind it need', () => {
    const harness = new DecodingHarness();
    const fields: Field[] = [
      [82, VARIABLE],
      [1, 4],
    ];
    const lines = survive(harness, [
      message([
        templateSet(256, fields),
        dataSet(256, joined(variable('ab'), u32(7)), joined(variable('abc'), hex('000001'))),
      ]),
    ]);
    expect(lines).toHaveLength(1);
    expect(faultsOf(harness)).toEqual(['record_truncated 1']);
  });

  it.each([0, 1, 254, 255, 256, 1000, 60000])('texts of %i octets, in the short and the long form', (length) => {
    const harness = new DecodingHarness();
    const value = 'x'.repeat(length);
    for (const isLong of [false, true]) {
      const octets = message([templateSet(256, NAME), dataSet(256, joined(u32(1), variable(value, isLong)))]);
      expect(survive(harness, [octets])[0]).toMatchObject({ INTERFACE_NAME: value });
    }
  });

  it.each([
    ['no UTF-8', hex('61 ff fe 62'), 'a��b'],
    ['NUL inside', hex('61 00 62'), 'a\0b'],
    ['NULs at the end', hex('61 62 00 00'), 'ab'],
    ['controls', hex('01 08 09 0a 0c 0d 1f 7f'), '\u0001\b\t\n\f\r\u001f\u007f'],
    ['line separators', text('\u2028\u2029'), '\u2028\u2029'],
    ['a lone surrogate', hex('ed a0 80'), '���'],
    ['quotes', text('"\'"'), '"\'"'],
    ['a backslash at the end', text('c:\\'), 'c:\\'],
    ['line protocol', text('a,b=c d\ne'), 'a,b=c d\ne'],
    ['four octets to the character', text('\u{1f600}'), '\u{1f600}'],
    ['a byte order mark', hex('ef bb bf 61'), '\ufeffa'],
    ['a character cut off', hex('61 e2 82'), 'a�'],
  ])('text with %s', (_, octets, expected) => {
    for (const field of [VARIABLE, octets.length]) {
      const harness = new DecodingHarness();
      const value = field === VARIABLE ? variable(octets) : octets;
      const fields: Field[] = [
        [1, 4],
        [82, field],
        [169, field, 35632],
      ];
      const [line] = survive(harness, [
        message([templateSet(256, fields), dataSet(256, joined(u32(1), value, value))]),
      ]);
      expect(line).toMatchObject({ INTERFACE_NAME: expected, SRC_PROC_NAME: expected });
    }
  });

  it('numbers, addresses and counters of any length', () => {
    const fields: Field[] = [1, 8, 10, 27, 56, 95, 148, 152, 154, 276, 210, 70].map((id) => [id, VARIABLE]);
    for (let length = 0; length <= 20; length++) {
      const harness = new DecodingHarness();
      const value = Uint8Array.from({ length }, (_, i) => 200 + i);
      const record = joined(...fields.map(() => variable(value)));
      const [line] = survive(harness, [message([templateSet(256, fields), dataSet(256, record)])]);
      expect(line?.['IPV4_SRC_ADDR']).toBe(length === 4 ? '200.201.202.203' : Buffer.from(value).toString('hex'));
    }
  });
});

describe('Lists', () => {
  const LIST: readonly Field[] = [
    [1, 4],
    [291, VARIABLE],
    [292, VARIABLE],
    [293, VARIABLE],
  ];
  /** A record with one of the three lists filled. */
  function record(at: 0 | 1 | 2, content: Octets): Octets {
    const lists = [variable(''), variable(''), variable('')];
    lists[at] = variable(content);
    return joined(u32(1), ...lists);
  }
  function send(at: 0 | 1 | 2, content: Octets): { line: Line; damaged: number } {
    const harness = new DecodingHarness();
    const octets = message([
      templateSet(300, [
        [7, 2],
        [82, VARIABLE],
      ]),
      templateSet(301, [[292, VARIABLE]]),
      templateSet(256, LIST),
      dataSet(256, record(at, content)),
    ]);
    const [line, ...others] = survive(harness, [octets]);
    expect(others).toEqual([]);
    // The two empty lists are damaged too: they lack even their semantic.
    return { line: line!, damaged: harness.counters.faults.list_invalid - 2 };
  }

  it.each([1, 2, 3, 4])('basicList of %i octets', (length) => {
    expect(send(0, hex('03 000a 0004').subarray(0, length)).damaged).toBe(1);
  });

  it('basicList of nothing, of elements of length 0 with content, of half an enterprise number', () => {
    expect(send(0, hex('03 000a 0004'))).toMatchObject({ damaged: 0, line: { basicList: [] } });
    expect(send(0, hex('03 000a 0000 01020304')).damaged).toBe(1);
    expect(send(0, hex('03 000a 0000')).damaged).toBe(0);
    expect(send(0, hex('03 800a 0004 0000')).damaged).toBe(1);
    expect(send(0, hex('03 800a 0004 00008b30')).damaged).toBe(0);
    expect(send(0, hex('03 000a 0004 00000007 0000')).damaged).toBe(1);
  });

  it('basicList of variable elements', () => {
    const texts = joined(hex('03 0052 ffff'), variable('eth0'), variable(''), variable('eth1', true));
    expect(send(0, texts).line['basicList']).toEqual([{ INTERFACE_NAME: 'eth0' }, {}, { INTERFACE_NAME: 'eth1' }]);
    expect(send(0, joined(hex('03 0052 ffff'), variable('eth0'), hex('ff')))).toMatchObject({ damaged: 1 });
    expect(send(0, joined(hex('03 0052 ffff'), variable('eth0'), hex('09 61')))).toMatchObject({
      damaged: 1,
      line: { basicList: [{ INTERFACE_NAME: 'eth0' }] },
    });
  });

  it('nesting 100 deep stops', () => {
    let content = hex('03 000a 0004 00000001');
    for (let i = 0; i < 100; i++) content = joined(hex('03 0123 ffff'), variable(content));
    expect(send(0, content).damaged).toBe(1);
  });

  it('a subTemplateList of its own Template stops', () => {
    // Template 301 is one subTemplateList: lists of 301 in lists of 301.
    let content = joined(u8(3), u16(301));
    for (let i = 0; i < 100; i++) content = joined(u8(3), u16(301), variable(content));
    expect(send(1, content).damaged).toBe(1);
  });

  it('subTemplateList of 1 and 2 octets, of an unknown Template and of a reserved id', () => {
    expect(send(1, hex('03')).damaged).toBe(1);
    expect(send(1, hex('0301')).damaged).toBe(1);
    expect(send(1, hex('03 012c')).line['subTemplateList']).toEqual([]);
    expect(send(1, hex('03 1234 616263')).line['subTemplateList']).toEqual([{ templateId: 0x1234, octets: '616263' }]);
    expect(send(1, hex('03 0002 616263')).damaged).toBe(0);
    expect(send(1, joined(hex('03 012c'), u16(443), variable('x'), u16(80), variable('y')))).toMatchObject({
      damaged: 0,
      line: {
        subTemplateList: [
          { L4_SRC_PORT: 443, INTERFACE_NAME: 'x' },
          { L4_SRC_PORT: 80, INTERFACE_NAME: 'y' },
        ],
      },
    });
    expect(send(1, joined(hex('03 012c'), u16(443), hex('09 78')))).toMatchObject({ damaged: 1 });
  });

  it.each([0, 1, 2, 3])('subTemplateMultiList block of length %i ends the list', (length) => {
    expect(send(2, joined(u8(3), u16(300), u16(length), zeros(40))).damaged).toBe(1);
  });

  it('subTemplateMultiList block of 4 octets, over the rest, cut', () => {
    expect(send(2, joined(u8(3), u16(300), u16(4))).damaged).toBe(0);
    expect(send(2, joined(u8(3), u16(300), u16(50), zeros(4))).damaged).toBe(1);
    expect(send(2, joined(u8(3), u16(300), u8(0))).damaged).toBe(1);
    expect(
      send(2, joined(u8(3), u16(400), u16(7), text('abc'), u16(300), u16(8), u16(443), variable('q'))),
    ).toMatchObject({
      damaged: 0,
      line: {
        subTemplateMultiList: [
          { templateId: 400, octets: '616263' },
          { L4_SRC_PORT: 443, INTERFACE_NAME: 'q' },
        ],
      },
    });
  });

  it('60,000 elements of one octet are bounded and quick', () => {
    const started = process.cpuUsage();
    const { line, damaged } = send(0, joined(hex('03 0004 0001'), zeros(60000)));
    expect(damaged).toBe(1);
    expect(line['basicList'].length).toBeLessThanOrEqual(8192);
    expect(process.cpuUsage(started).user).toBeLessThan(1_000_000);
  });

  it('a record of 512 times one element inside a list is quick', () => {
    const harness = new DecodingHarness();
    const fields = Array.from({ length: 512 }, (): Field => [4, 1]);
    const records = zeros(512 * 4);
    const started = process.cpuUsage();
    const octets = message([
      templateSet(300, fields),
      templateSet(256, [
        [1, 4],
        [292, VARIABLE],
      ]),
      dataSet(256, ...Array.from({ length: 4 }, () => joined(u32(1), variable(joined(u8(3), u16(300), records))))),
    ]);
    expect(survive(harness, [octets])).toHaveLength(4);
    expect(process.cpuUsage(started).user).toBeLessThan(1_000_000);
  });

  it('a list element several times in one record gives an array of lists', () => {
    const harness = new DecodingHarness();
    const list = (value: number): Octets => variable(joined(hex('03 000a 0004'), u32(value)));
    const octets = message([
      templateSet(256, [
        [1, 4],
        [291, VARIABLE],
        [291, VARIABLE],
        [291, VARIABLE],
      ]),
      dataSet(256, joined(u32(1), list(1), list(2), list(3))),
    ]);
    const [line] = survive(harness, [octets]);
    expect(line).toMatchObject({
      basicList: [[{ INPUT_SNMP: 1 }], [{ INPUT_SNMP: 2 }], [{ INPUT_SNMP: 3 }]],
    });
  });

  it('lists in options data', () => {
    const harness = new DecodingHarness();
    const octets = message([
      optionsTemplateSet(256, [[149, 4]], [[291, VARIABLE]]),
      dataSet(256, joined(u32(1), variable(hex('03 000a 0004 00000007'))), joined(u32(1), variable(hex('03 000a')))),
    ]);
    expect(survive(harness, [octets])[0]).toMatchObject({ basicList: [{ INPUT_SNMP: 7 }] });
  });
});

describe('Names that an Exporter gives its elements (RFC 5610)', () => {
  it.each([
    'constructor',
    'toString',
    'hasOwnProperty',
    'valueOf',
    'IN_BYTES',
    'RECORD_TYPE',
    'TEMPLATE_ID',
    'exporterPort',
  ])('%s breaks no line', (name) => {
    const harness = new DecodingHarness();
    const octets = message([
      optionsTemplateSet(
        256,
        [
          [346, 4],
          [303, 2],
        ],
        [
          [339, 1],
          [341, VARIABLE],
        ],
      ),
      dataSet(256, joined(u32(64999), u16(77), u8(2), variable(name))),
      templateSet(257, [
        [1, 4],
        [77, 2, 64999],
      ]),
      optionsTemplateSet(258, [[149, 4]], [[77, 2, 64999]]),
      dataSet(257, joined(u32(5), u16(6))),
      dataSet(258, joined(u32(1), u16(6))),
    ]);
    const lines = survive(harness, [octets, octets]);
    expect(lines.map((line) => line['RECORD_TYPE'])).toEqual([
      'options',
      'flow',
      'options',
      'options',
      'flow',
      'options',
    ]);
    // A name that a definition file gives another element is refused: the octets stay under the numbers.
    expect([6, '0006']).toContain(Object.values(lines[1]!).find((value) => value === 6 || value === '0006'));
    expect([6, '0006']).toContain(Object.values(lines[2]!).find((value) => value === 6 || value === '0006'));
  });
});

describe('Times', () => {
  it.each([0n, 1n, 2n ** 31n, 2n ** 32n, 2n ** 53n - 1n, 2n ** 53n + 1n, 2n ** 63n, 2n ** 64n - 1n])(
    'of %i are digits',
    (value) => {
      const harness = new DecodingHarness();
      for (const id of [150, 152, 154, 156, 160]) {
        const fields: Field[] = [
          [1, 4],
          [id, 8],
          [22, 4],
          [21, 4],
        ];
        survive(harness, [
          message([templateSet(256, fields), dataSet(256, joined(u32(1), u64(value), u32(5), u32(6)))]),
        ]);
      }
    },
  );
});

it('specifiers of wrong counts in one set do not reach the next', () => {
  const harness = new DecodingHarness();
  const octets = message([
    set(2, joined(u16(256), u16(3), specifiers([[1, 4]]))),
    templateSet(257, GOOD),
    dataSet(257, GOOD_RECORD),
  ]);
  expect(survive(harness, [octets])).toHaveLength(1);
});

it('what a packet section tells takes no key that the record has', () => {
  const harness = new DecodingHarness();
  const frame = hex(
    '020000000001020000000002080045000028000100004006000 0c0000201c633640201bb9c400000000100000000500210000000 0000',
  );
  const fields: Field[] = [
    [1, 20],
    [8, 5],
    [315, frame.length],
  ];
  const [line] = survive(harness, [message([templateSet(256, fields), dataSet(256, joined(zeros(25), frame))])]);
  expect(line).toMatchObject({ IPV4_SRC_ADDR: '192.0.2.1', sourceIPv4Address: '0000000000', IN_PKTS: 1 });
});
