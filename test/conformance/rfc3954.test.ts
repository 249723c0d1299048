/** What RFC 3954 (NetFlow version 9) asks of a collector, by section; expected values are the RFC's or decoded by hand. */

import { describe, expect, it } from 'vitest';
import { DecodingHarness } from '../support/decoding-harness.ts';
import {
  flowSet,
  v9DataSet,
  v9OptionsTemplateSet,
  v9Packet,
  v9TemplateRecord,
  v9TemplateSet,
} from '../support/netflow9-message.ts';
import { hex, ipv4, joined, u8, u16, u32, zeros } from '../support/wire-octets.ts';

describe('section 5: packet layout', () => {
  it('5.1: the header, decoded by hand', () => {
    const harness = new DecodingHarness();
    // version 9, count 2, sysUpTime 100000 ms, 2001-09-09 01:46:40 UTC, sequence 5, source id 0x01020304
    const octets = hex(`
      0009 0002 000186a0 3b9aca00 00000005 01020304
      0000 0010 0100 0002 0001 0004 0016 0004
      0100 000c 000004d2 00011170`);
    expect(harness.lines(octets)).toMatchObject([
      {
        EXPORT_PROTOCOL: 'NetFlow',
        EXPORT_PROTOCOL_VERSION: 9,
        OBSERVATION_DOMAIN_ID: 0x01020304,
        TEMPLATE_ID: 256,
        EXPORT_TIME_MILLISECONDS: 1_000_000_000_000,
        EXPORT_SEQUENCE_NUMBER: 5,
        IN_BYTES: 1234,
        // 70000 ms after the start, which was 100000 ms before the export
        FLOW_START_MILLISECONDS: 1_000_000_000_000 - 30_000,
      },
    ]);
  });

  it('5.1: the sequence number counts Export Packets', () => {
    const harness = new DecodingHarness();
    const packet = (sequence: number) =>
      v9Packet([v9TemplateSet(256, [[1, 4]]), v9DataSet(256, u32(1), u32(2))], { sequence });
    for (const sequence of [10, 11, 12, 15]) harness.decode(packet(sequence));
    expect(harness.counters.sequenceLost).toBe(2);
  });

  it('5.1: the Source ID and the address tell Exporters and their domains apart', () => {
    const harness = new DecodingHarness();
    harness.decode(v9Packet([v9TemplateSet(256, [[1, 4]])], { sourceId: 1 }));
    harness.decode(v9Packet([v9TemplateSet(256, [[2, 4]])], { sourceId: 2 }));
    expect(harness.lines(v9Packet([v9DataSet(256, u32(5))], { sourceId: 1 }))).toMatchObject([{ IN_BYTES: 5 }]);
    expect(harness.lines(v9Packet([v9DataSet(256, u32(5))], { sourceId: 2 }))).toMatchObject([{ IN_PKTS: 5 }]);
    expect(harness.lines(v9Packet([v9DataSet(256, u32(5))], { sourceId: 1 }), { address: '192.0.2.9' })).toEqual([]);
  });

  it('5.2: several Templates in one FlowSet, FlowSets in any order', () => {
    const harness = new DecodingHarness();
    const lines = harness.lines(
      v9Packet([
        flowSet(
          0,
          joined(
            v9TemplateRecord(256, [[1, 4]]),
            v9TemplateRecord(257, [
              [2, 2],
              [7, 2],
            ]),
          ),
        ),
        v9DataSet(257, joined(u16(9), u16(80))),
        v9DataSet(256, u32(5)),
      ]),
    );
    expect(lines).toMatchObject([{ IN_PKTS: 9, L4_SRC_PORT: 80 }, { IN_BYTES: 5 }]);
  });

  it('5.3: padding to four octets is no record', () => {
    const harness = new DecodingHarness();
    // Records of 5 octets: 10 octets and 2 of padding
    const lines = harness.lines(
      v9Packet([
        v9TemplateSet(256, [
          [1, 4],
          [4, 1],
        ]),
        v9DataSet(256, joined(u32(1), u8(6)), joined(u32(2), u8(17))),
      ]),
    );
    expect(lines.map((line) => [line['IN_BYTES'], line['PROTOCOL']])).toEqual([
      [1, 6],
      [2, 17],
    ]);
  });

  it('5.3: Data FlowSets of a Template that is not known are kept until it comes', () => {
    const harness = new DecodingHarness();
    expect(harness.lines(v9Packet([v9DataSet(256, u32(5))]))).toEqual([]);
    expect(harness.lines(v9Packet([v9TemplateSet(256, [[1, 4]])]))).toMatchObject([{ IN_BYTES: 5 }]);
  });
});

describe('section 6: options', () => {
  it.each([
    [1, 'SCOPE_SYSTEM'],
    [2, 'SCOPE_INTERFACE'],
    [3, 'SCOPE_LINECARD'],
    [4, 'SCOPE_CACHE'],
    [5, 'SCOPE_TEMPLATE'],
  ])('6.1: scope type %i is %s', (type, key) => {
    const harness = new DecodingHarness();
    const [line] = harness.lines(
      v9Packet([v9OptionsTemplateSet(256, [[type, 4]], [[41, 4]]), v9DataSet(256, joined(u32(7), u32(8)))]),
    );
    expect(
      Object.fromEntries(Object.entries(line!).map(([name, value]) => [name.replace(/ /g, ''), value])),
    ).toMatchObject({
      RECORD_TYPE: 'options',
      [key]: 7,
    });
  });

  it('6.1: lengths of the field lists are in octets; the figure of the section', () => {
    const harness = new DecodingHarness();
    // Template 257: scope Interface (2) of 2 octets; options sampling interval (34) of 2 and algorithm (35) of 1
    const octets = v9Packet([
      hex('0001 0018 0101 0004 0008 0002 0002 0022 0002 0023 0001 0000'),
      hex('0101 0010 0003 0064 02 0004 000a 01 0000'),
    ]);
    expect(harness.lines(octets)).toMatchObject([
      { SCOPE_INTERFACE: 3, SAMPLING_INTERVAL: 100, SAMPLING_ALGORITHM: 2 },
      { SCOPE_INTERFACE: 4, SAMPLING_INTERVAL: 10, SAMPLING_ALGORITHM: 1 },
    ]);
    const [three, four, other] = harness.lines(
      v9Packet([
        v9TemplateSet(256, [
          [10, 2],
          [1, 4],
        ]),
        v9DataSet(256, joined(u16(3), u32(1)), joined(u16(4), u32(1)), joined(u16(5), u32(1))),
      ]),
    );
    expect([three!['SAMPLING_INTERVAL'], four!['SAMPLING_INTERVAL'], other!['SAMPLING_INTERVAL']]).toEqual([
      100,
      10,
      undefined,
    ]);
  });
});

describe('section 7: Template management', () => {
  it('a Template announced anew with other fields replaces the old one', () => {
    const harness = new DecodingHarness();
    harness.decode(v9Packet([v9TemplateSet(256, [[1, 4]])]));
    harness.decode(v9Packet([v9TemplateSet(256, [[2, 4]])]));
    expect(harness.lines(v9Packet([v9DataSet(256, u32(5))]))).toMatchObject([{ IN_PKTS: 5 }]);
    expect(harness.counters).toMatchObject({ templatesLearned: 1, templatesRedefined: 1 });
  });

  it('a restart of the Exporter is told by sysUpTime', () => {
    const harness = new DecodingHarness();
    const packet = (sequence: number, sysUpTimeMs: number) =>
      v9Packet([v9TemplateSet(256, [[1, 4]])], { sequence, sysUpTimeMs });
    for (const [sequence, upTime] of [
      [900, 5_000_000],
      [901, 5_001_000],
      [0, 2000],
      [1, 3000],
    ] as const)
      harness.decode(packet(sequence, upTime));
    expect(harness.counters).toMatchObject({ sequenceRestarts: 1, sequenceLost: 0 });
  });
});

it('section 8: field types, with counters of any length', () => {
  const harness = new DecodingHarness();
  const fields = [
    [1, 8],
    [2, 3],
    [4, 1],
    [5, 1],
    [6, 1],
    [7, 2],
    [8, 4],
    [9, 1],
    [10, 2],
    [15, 4],
    [16, 2],
    [58, 2],
    [61, 1],
  ] as const;
  const record = joined(
    hex('0000000100000000'),
    hex('010000'),
    u8(6),
    u8(0xb8),
    u8(0x12),
    u16(443),
    ipv4('192.0.2.1'),
    u8(24),
    u16(17),
    ipv4('192.0.2.254'),
    u16(65001),
    u16(4094),
    u8(1),
  );
  expect(harness.lines(v9Packet([v9TemplateSet(256, fields), v9DataSet(256, record, zeros(0))]))[0]).toMatchObject({
    IN_BYTES: 2 ** 32,
    IN_PKTS: 65536,
    PROTOCOL: 6,
    SRC_TOS: 0xb8,
    TCP_FLAGS: 0x12,
    L4_SRC_PORT: 443,
    IPV4_SRC_ADDR: '192.0.2.1',
    IPV4_SRC_MASK: 24,
    INPUT_SNMP: 17,
    IPV4_NEXT_HOP: '192.0.2.254',
    SRC_AS: 65001,
    SRC_VLAN: 4094,
    DIRECTION: 1,
  });
});
