import { expect, it } from 'vitest';
import { DecodingHarness } from '../support/decoding-harness.ts';
import { v1Datagram, v5Datagram, v5Record, v7Datagram } from '../support/netflow5-message.ts';

const SAID = {
  source: '10.1.2.3',
  destination: '10.4.5.6',
  nextHop: '10.7.8.9',
  input: 65535,
  output: 258,
  packets: 4_000_000_001,
  octets: 4_000_000_002,
  first: 3_500_000,
  last: 3_599_999,
  sourcePort: 1025,
  destinationPort: 53,
  tcpFlags: 0x12,
  protocol: 17,
  tos: 0xb8,
  sourceAs: 65001,
  destinationAs: 65002,
  sourceMask: 19,
  destinationMask: 27,
};
const COMMON = {
  RECORD_TYPE: 'flow',
  EXPORT_PROTOCOL: 'NetFlow',
  IPV4_SRC_ADDR: '10.1.2.3',
  IPV4_DST_ADDR: '10.4.5.6',
  IPV4_NEXT_HOP: '10.7.8.9',
  INPUT_SNMP: 65535,
  OUTPUT_SNMP: 258,
  IN_PKTS: 4_000_000_001,
  IN_BYTES: 4_000_000_002,
  // sysUpTime is 3,600,000 ms at export
  FLOW_START_MILLISECONDS: 1_700_000_000_000 - 100_000,
  FLOW_END_MILLISECONDS: 1_700_000_000_000 - 1,
  L4_SRC_PORT: 1025,
  L4_DST_PORT: 53,
  TCP_FLAGS: 0x12,
  PROTOCOL: 17,
  SRC_TOS: 0xb8,
};
const WITH_AS = { SRC_AS: 65001, DST_AS: 65002, IPV4_SRC_MASK: 19, IPV4_DST_MASK: 27 };

it('every field of a v5 datagram', () => {
  const header = { engineType: 3, engineId: 4, sequence: 77, nanoseconds: 0 };
  const [first, second] = new DecodingHarness().lines(
    v5Datagram([v5Record(SAID), v5Record({ sourcePort: 7 })], header),
  );
  expect(first).toMatchObject({ ...COMMON, ...WITH_AS, ENGINE_TYPE: 3, ENGINE_ID: 4, EXPORT_SEQUENCE_NUMBER: 77 });
  expect(second).toMatchObject({ L4_SRC_PORT: 7, IPV4_DST_MASK: 16 });
});

it('every field of a v1 datagram', () => {
  const [first, second] = new DecodingHarness().lines(v1Datagram([SAID, { sourcePort: 7 }]));
  expect(first).toMatchObject({ ...COMMON, EXPORT_PROTOCOL_VERSION: 1 });
  expect(first).not.toHaveProperty('SRC_AS');
  expect(first).not.toHaveProperty('EXPORT_SEQUENCE_NUMBER');
  expect(second).toMatchObject({ L4_SRC_PORT: 7 });
});

it('every field of a v7 datagram', () => {
  const [first, second] = new DecodingHarness().lines(v7Datagram([SAID, { sourcePort: 7 }], 5));
  expect(first).toMatchObject({
    ...COMMON,
    ...WITH_AS,
    EXPORT_PROTOCOL_VERSION: 7,
    NETFLOW7_ROUTER_SHORTCUT: '203.0.113.77',
  });
  expect(second).toMatchObject({ L4_SRC_PORT: 7 });
});

it('v5 sequence numbers count records', () => {
  const harness = new DecodingHarness();
  for (const sequence of [100, 102, 104, 110]) harness.decode(v5Datagram([v5Record(), v5Record()], { sequence }));
  expect(harness.counters.sequenceLost).toBe(4);
});

it('nanoseconds of the header count where they can be any', () => {
  const time = (nanoseconds: number) =>
    new DecodingHarness().lines(v5Datagram([v5Record()], { nanoseconds }))[0]!['EXPORT_TIME_MILLISECONDS'];
  expect([time(0), time(999_999_999), time(0xffffffff)]).toEqual([
    1_700_000_000_000, 1_700_000_000_999, 1_700_000_000_000,
  ]);
});
