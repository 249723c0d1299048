/** Bidirectional flows (RFC 5103): reverse elements under enterprise number 29305 and in enterprises' own numbers. */

import { expect, it } from 'vitest';
import { DecodingHarness } from '../support/decoding-harness.ts';
import { dataSet, type Field, message, templateSet } from '../support/ipfix-message.ts';
import { ipv4, joined, type Octets, u8, u16, u32, u64 } from '../support/wire-octets.ts';

const REVERSE = 29305;

function lineOf(fields: readonly Field[], record: Octets, names: 'ntop' | 'iana' = 'ntop') {
  const harness = new DecodingHarness({}, names);
  const [line] = harness.lines(message([templateSet(256, fields), dataSet(256, record)]));
  expect(harness.problems()).toEqual([]);
  return line!;
}

const FIELDS: readonly Field[] = [
  [8, 4],
  [12, 4],
  [1, 8],
  [2, 4],
  [1, 8, REVERSE],
  [2, 4, REVERSE],
  [6, 1],
  [6, 1, REVERSE],
];
const RECORD = joined(
  ipv4('192.0.2.2'),
  ipv4('192.0.2.3'),
  u64(18000),
  u32(65),
  u64(128000),
  u32(110),
  u8(0x1b),
  u8(0x1a),
);

it('section 6.1: counters and flags of both directions', () => {
  expect(lineOf(FIELDS, RECORD)).toMatchObject({
    IPV4_SRC_ADDR: '192.0.2.2',
    IPV4_DST_ADDR: '192.0.2.3',
    IN_BYTES: 18000,
    IN_PKTS: 65,
    OUT_BYTES: 128000,
    OUT_PKTS: 110,
    TCP_FLAGS: 0x1b,
    SERVER_TCP_FLAGS: 0x1a,
  });
  expect(lineOf(FIELDS, RECORD, 'iana')).toMatchObject({
    octetDeltaCount: 18000,
    packetDeltaCount: 65,
    reverseOctetDeltaCount: 128000,
    reversePacketDeltaCount: 110,
    tcpControlBits: 0x1b,
    reverseTcpControlBits: 0x1a,
  });
});

it('section 6.1: any element has a reverse, named after it', () => {
  const line = lineOf(
    [
      [1, 4],
      [152, 8],
      [154, 4, REVERSE],
      [61, 1, REVERSE],
    ],
    joined(u32(1), u64(1_699_999_999_000), u32(0x0102_0304), u8(1)),
  );
  expect(line).toMatchObject({
    FLOW_START_MILLISECONDS: 1_699_999_999_000,
    reverseFlowStartMicroseconds: '01020304',
    reverseFlowDirection: 1,
  });
});

it('section 6.1: times, sizes and hop limits of the reverse direction', () => {
  const fields: readonly Field[] = [
    [1, 4],
    [152, 8],
    [152, 8, REVERSE],
    [153, 8, REVERSE],
    [25, 2, REVERSE],
    [26, 4, REVERSE],
    [52, 1, REVERSE],
    [53, 1, REVERSE],
  ];
  const record = joined(
    u32(1),
    u64(1_699_999_999_000),
    u64(1_699_999_999_250),
    u64(1_699_999_999_750),
    u16(40),
    u32(1500),
    u8(63),
    u8(64),
  );
  expect(lineOf(fields, record)).toMatchObject({
    FLOW_START_MILLISECONDS: 1_699_999_999_000,
    REVERSE_FLOW_START_MILLISECONDS: 1_699_999_999_250,
    REVERSE_FLOW_END_MILLISECONDS: 1_699_999_999_750,
    DST_TO_SRC_MIN_IP_PKT_LEN: 40,
    DST_TO_SRC_MAX_IP_PKT_LEN: 1500,
    DST_TO_SRC_MIN_TTL: 63,
    DST_TO_SRC_MAX_TTL: 64,
  });
  expect(lineOf(fields, record, 'iana')).toMatchObject({
    reverseFlowStartMilliseconds: 1_699_999_999_250,
    reverseMinimumTTL: 63,
  });
});

it('reverse elements fill no field of the forward direction', () => {
  const line = lineOf(
    [
      [1, 4, REVERSE],
      [8, 4, REVERSE],
      [152, 8, REVERSE],
    ],
    joined(u32(5), ipv4('192.0.2.9'), u64(1_699_999_999_000)),
  );
  expect(line).toMatchObject({ OUT_BYTES: 5, reverseSourceIPv4Address: '192.0.2.9' });
  for (const key of ['IN_BYTES', 'IPV4_SRC_ADDR', 'FLOW_START_MILLISECONDS']) expect(line).not.toHaveProperty(key);
});
