import { describe, expect, it } from 'vitest';
import { ExportHarness } from '../support/export-harness.ts';
import { type MadeFlow, makeFlow } from '../support/flow-builder.ts';
import { v5Datagram, v5Record } from '../support/netflow5-message.ts';
import { ipv6 } from '../support/wire-octets.ts';

const EXPORT_MS = 1_700_000_010_250;
/** sysUpTime of the first datagram: 20 days. */
const UP_TIME = 1_728_000_000;
const HEADER = {
  sysUpTimeMs: UP_TIME,
  exportTime: 1_700_000_010,
  nanoseconds: 250_000_000,
  engineType: 1,
  engineId: 2,
};
const ORIGIN = { exportTimeMs: EXPORT_MS, protocol: 'NetFlow', version: 5, engineType: 1, engineId: 2 } as const;
const FLOW: MadeFlow = {
  origin: ORIGIN,
  fields: {
    sourceIPv4: 0xc0000201,
    destinationIPv4: 0xc6336402,
    nextHopIPv4: 0xcb007103,
    inputInterface: 1,
    outputInterface: 2,
    packets: 10,
    octets: 1000,
    startMs: EXPORT_MS - 9000,
    endMs: EXPORT_MS - 1000,
    sourcePort: 40_000,
    destinationPort: 443,
    tcpFlags: 0x1b,
    protocol: 6,
    tos: 8,
    sourceAs: 64_500,
    destinationAs: 64_501,
    sourceIPv4Mask: 24,
    destinationIPv4Mask: 16,
  },
};
const RECORD = {
  source: '192.0.2.1',
  destination: '198.51.100.2',
  nextHop: '203.0.113.3',
  input: 1,
  output: 2,
  packets: 10,
  octets: 1000,
  first: UP_TIME - 9000,
  last: UP_TIME - 1000,
  sourcePort: 40_000,
  destinationPort: 443,
  tcpFlags: 0x1b,
  protocol: 6,
  tos: 8,
  sourceAs: 64_500,
  destinationAs: 64_501,
  sourceMask: 24,
  destinationMask: 16,
};

function withFields(fields: NonNullable<MadeFlow['fields']>): MadeFlow {
  return { ...FLOW, fields: { ...FLOW.fields, ...fields } };
}

function hexes(messages: readonly Uint8Array[]): string[] {
  return messages.map((each) => Buffer.from(each).toString('hex'));
}

describe('NetFlow v5 datagrams, octet by octet', () => {
  it('carry up to 30 records, numbered by flows', () => {
    const harness = new ExportHarness({ version: 5 });
    const flows = new Array(31).fill(makeFlow(FLOW));
    expect(hexes(harness.take(...flows))).toEqual(
      hexes([
        v5Datagram(new Array(30).fill(v5Record(RECORD)), HEADER),
        v5Datagram([v5Record(RECORD)], { ...HEADER, sequence: 30 }),
      ]),
    );
  });

  it('carry fewer where a datagram may not be as long', () => {
    const harness = new ExportHarness({ version: 5, messageOctets: 528 });
    const flows = new Array(11).fill(makeFlow(FLOW));
    expect(harness.take(...flows).map(({ length }) => length)).toEqual([504, 72]);
  });

  it('carry the other direction of a biflow in a record of its own', () => {
    const harness = new ExportHarness({ version: 5 });
    const flow = makeFlow(
      withFields({
        reverseOctets: 5000,
        reversePackets: 7,
        tcpFlags: 0x1f,
        clientTcpFlags: 0x1b,
        serverTcpFlags: 0x12,
        postTos: 4,
        reverseStartMs: EXPORT_MS - 8000,
        reverseEndMs: EXPORT_MS - 2000,
      }),
    );
    const reverse = v5Record({
      ...RECORD,
      source: RECORD.destination,
      destination: RECORD.source,
      nextHop: '0.0.0.0',
      input: 2,
      output: 1,
      packets: 7,
      octets: 5000,
      first: UP_TIME - 8000,
      last: UP_TIME - 2000,
      sourcePort: 443,
      destinationPort: 40_000,
      tcpFlags: 0x12,
      tos: 4,
      sourceAs: 64_501,
      destinationAs: 64_500,
      sourceMask: 16,
      destinationMask: 24,
    });
    expect(hexes(harness.take(flow))).toEqual(hexes([v5Datagram([v5Record(RECORD), reverse], HEADER)]));
  });

  it('have the largest number that fits where one is too large, and count it', () => {
    const harness = new ExportHarness({ version: 5 });
    const flow = makeFlow(withFields({ octets: 4_294_967_296n, inputInterface: 70_000, sourceAs: 4_200_000_000 }));
    const record = { ...RECORD, octets: 4_294_967_295, input: 65_535, sourceAs: 23_456 };
    expect(hexes(harness.take(flow))).toEqual(hexes([v5Datagram([v5Record(record)], HEADER)]));
    expect(harness.format.context.valuesSaturated).toBe(2);
  });

  it('have one sampling interval each', () => {
    const harness = new ExportHarness({ version: 5 });
    const flows = [100, 100, 20_000].map((samplingInterval) => makeFlow(withFields({ samplingInterval })));
    expect(hexes(harness.take(...flows))).toEqual(
      hexes([
        v5Datagram([v5Record(RECORD), v5Record(RECORD)], { ...HEADER, sampling: 0x4000 | 100 }),
        v5Datagram([v5Record(RECORD)], { ...HEADER, sampling: 0x7fff, sequence: 2 }),
      ]),
    );
    expect(harness.format.context.valuesSaturated).toBe(1);
  });

  it('clamp times that are out of reach', () => {
    const harness = new ExportHarness({ version: 5 });
    const flow = makeFlow(withFields({ startMs: 1, endMs: EXPORT_MS + 5000 }));
    const record = { ...RECORD, first: 0, last: UP_TIME + 5000 };
    expect(hexes(harness.take(flow))).toEqual(hexes([v5Datagram([v5Record(record)], HEADER)]));
    expect(harness.format.context.timesClamped).toBe(1);
  });

  it('leave out, and count, what they cannot carry', () => {
    const harness = new ExportHarness({ version: 5 });
    const { sourceIPv4: _source, destinationIPv4: _destination, ...rest } = FLOW.fields!;
    const address = [...ipv6('2001:db8::1')];
    harness.write(makeFlow({ origin: ORIGIN, fields: { ...rest, sourceIPv6: address } }));
    harness.write(makeFlow(withFields({ sourceIPv4: 0, destinationIPv4: 0, sourceIPv6: address })));
    harness.write(makeFlow(withFields({ sourceIPv6: address, ipVersion: 6 })));
    harness.write(makeFlow({ ...FLOW, recordType: 'event' }));
    harness.write(makeFlow({ ...FLOW, recordType: 'discard' }));
    expect(harness.take()).toEqual([]);
    expect(harness.format.leftOut).toMatchObject({ ipv6: 3, event: 1, discard: 1 });
    expect(harness.take(makeFlow(withFields({ sourceIPv6: address, ipVersion: 4 })))).toHaveLength(1);
  });
});
