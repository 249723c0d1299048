/** An Exporter of NetFlow v9 that tells which containers its flows are of, as ntop's probes do. */

import { ethernet, ipv4 as ipv4Packet, pcap, udp } from './capture-builder.ts';
import { type Field9, v9DataSet, v9Packet, v9TemplateSet } from './netflow9-message.ts';
import { ipv4, joined, type Octets, text, u8, u16, u32 } from './wire-octets.ts';

/** Addresses, ports, protocol, octets, packets, first and last switched, containers of both ends, half latencies of both ends. */
const FIELDS: readonly Field9[] = [
  [8, 4],
  [12, 4],
  [7, 2],
  [11, 2],
  [4, 1],
  [1, 4],
  [2, 4],
  [22, 4],
  [21, 4],
  [57_472 + 558, 16],
  [57_472 + 559, 16],
  [57_472 + 123, 4],
  [57_472 + 124, 4],
];
const UP_TIME_MS = 3_600_000;

/** An end of a flow; `''` for one that is in no container. */
interface End {
  readonly address: string;
  readonly container: string;
}
const ONE: End = { address: '10.1.1.1', container: '1edb6c16e3d2' };
const OTHER: End = { address: '10.1.1.2', container: 'f427db2c87ac' };
const OUTSIDE: End = { address: '198.51.100.7', container: '' };

/**
 * Who called whom how often, and whether round-trip times were seen: one container is the client of 10 + 128 flows and the
 * server of 1 + 33, the other of 1 and of 10 + 1.
 */
const CALLS: readonly (readonly [client: End, server: End, count: number, hasLatency: boolean])[] = [
  [ONE, OTHER, 10, true],
  [OTHER, ONE, 1, false],
  [ONE, OUTSIDE, 128, false],
  [OUTSIDE, ONE, 33, false],
  [OUTSIDE, OTHER, 1, false],
];
/**
 * Packets of an Exporter that tells those 173 flows of 1000 octets and 10 packets each, all of them within a tenth of a second
 * from `startMs`, Unix milliseconds; 10 of them with a round-trip time of 6 ms.
 */
export function containerPackets(startMs: number): Octets[] {
  const exportTime = Math.ceil(startMs / 1000) + 1;
  const first = UP_TIME_MS + startMs - exportTime * 1000;
  let port = 40_000;
  const records = CALLS.flatMap(([client, server, count, hasLatency]) =>
    Array.from({ length: count }, () =>
      joined(
        ipv4(client.address),
        ipv4(server.address),
        u16(port++),
        u16(8080),
        u8(6),
        u32(1000),
        u32(10),
        u32(first),
        u32(first + 100),
        text(client.container, 16),
        text(server.container, 16),
        // Half the round-trip times between the probe and each end: 2 (1 + 2) = 6 ms between the ends.
        u32(hasLatency ? 1 : 0),
        u32(hasLatency ? 2 : 0),
      ),
    ),
  );
  const packets = [v9Packet([v9TemplateSet(300, FIELDS)], { exportTime, sysUpTimeMs: UP_TIME_MS })];
  for (let at = 0; at < records.length; at += 15) {
    const some = records.slice(at, at + 15);
    const header = { count: some.length, exportTime, sysUpTimeMs: UP_TIME_MS, sequence: packets.length };
    packets.push(v9Packet([v9DataSet(300, ...some)], header));
  }
  return packets;
}

/** A capture of them, a second after they began. */
export function containerCapture(startMs: number): Octets {
  const packets = containerPackets(startMs).map((payload) => ({
    seconds: Math.floor(startMs / 1000) + 1,
    octets: ethernet(0x0800, ipv4Packet({}, udp(40_000, 2055, payload))),
  }));
  return pcap({}, packets);
}
