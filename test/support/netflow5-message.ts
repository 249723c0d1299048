/** Builds NetFlow v1, v5 and v7 datagrams (Cisco, "NetFlow Services Solutions Guide"), right or deliberately wrong. */

import { ipv4, joined, type Octets, u8, u16, u32 } from './wire-octets.ts';

/** Parts of a v5 header that a test may set. */
export interface V5Header {
  readonly count?: number;
  readonly sysUpTimeMs?: number;
  readonly exportTime?: number;
  readonly nanoseconds?: number;
  readonly sequence?: number;
  readonly engineType?: number;
  readonly engineId?: number;
  /** Mode in the upper two bits, interval in the others. */
  readonly sampling?: number;
}

/** What a v5 record of a test says where it says nothing else. */
export interface V5Record {
  readonly source?: string;
  readonly destination?: string;
  readonly nextHop?: string;
  readonly input?: number;
  readonly output?: number;
  readonly packets?: number;
  readonly octets?: number;
  readonly first?: number;
  readonly last?: number;
  readonly sourcePort?: number;
  readonly destinationPort?: number;
  readonly tcpFlags?: number;
  readonly protocol?: number;
  readonly tos?: number;
  readonly sourceAs?: number;
  readonly destinationAs?: number;
  readonly sourceMask?: number;
  readonly destinationMask?: number;
}

function head(record: V5Record): Octets {
  const { source = '192.0.2.1', destination = '198.51.100.2', nextHop = '203.0.113.3', input = 1, output = 2 } = record;
  const { packets = 10, octets = 1000, first = 3_590_000, last = 3_599_000 } = record;
  const { sourcePort = 40000, destinationPort = 443 } = record;
  return joined(
    ipv4(source),
    ipv4(destination),
    ipv4(nextHop),
    u16(input),
    u16(output),
    u32(packets),
    u32(octets),
    u32(first),
    u32(last),
    u16(sourcePort),
    u16(destinationPort),
  );
}

/** One v5 record of 48 octets. */
export function v5Record(record: V5Record = {}): Octets {
  const { tcpFlags = 0x1b, protocol = 6, tos = 0, sourceAs = 64500, destinationAs = 64501 } = record;
  const { sourceMask = 24, destinationMask = 16 } = record;
  return joined(
    head(record),
    u8(0),
    u8(tcpFlags),
    u8(protocol),
    u8(tos),
    u16(sourceAs),
    u16(destinationAs),
    u8(sourceMask),
    u8(destinationMask),
    u16(0),
  );
}

/** A v5 datagram of these records. */
export function v5Datagram(records: readonly Octets[], header: V5Header = {}): Octets {
  const { count = records.length, sysUpTimeMs = 3_600_000, exportTime = 1_700_000_000, nanoseconds = 0 } = header;
  const { sequence = 0, engineType = 0, engineId = 0, sampling = 0 } = header;
  return joined(
    u16(5),
    u16(count),
    u32(sysUpTimeMs),
    u32(exportTime),
    u32(nanoseconds),
    u32(sequence),
    u8(engineType),
    u8(engineId),
    u16(sampling),
    ...records,
  );
}

/** A v1 datagram: a header of 16 octets and records of 52. */
export function v1Datagram(records: readonly V5Record[], count = records.length): Octets {
  const body = records.map((record) =>
    joined(
      head(record),
      u16(0),
      u8(record.protocol ?? 6),
      u8(record.tos ?? 0),
      u8(record.tcpFlags ?? 0x1b),
      new Uint8Array(7),
    ),
  );
  return joined(u16(1), u16(count), u32(3_600_000), u32(1_700_000_000), u32(0), ...body);
}

/** A v7 datagram: a header of 24 octets and records of 52. */
export function v7Datagram(records: readonly V5Record[], sequence = 0, count = records.length): Octets {
  const body = records.map((record) => joined(v5Record(record).subarray(0, 46), u16(0), ipv4('203.0.113.77')));
  return joined(u16(7), u16(count), u32(3_600_000), u32(1_700_000_000), u32(0), u32(sequence), u32(0), ...body);
}
