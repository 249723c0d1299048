/**
 * Export traffic for series: a second of it, again and again.
 *
 * 5,000 local hosts and 20,000 others at random make each record meet another host than those before it, as in a network of that
 * size, and more series than the default limit has room for. The same 50,000 conversations come back each second, in the same order:
 * what a new conversation costs is not in the figures, and the order suits whatever lies in order of arrival.
 */

import { v9DataSet, v9Packet, v9TemplateSet } from '../support/netflow9-message.ts';
import { joined, number } from '../support/wire-octets.ts';
import { NETFLOW9_FIELDS, Random } from './traffic.ts';

const RECORDS = 17;
/** Export time of the first second, Unix seconds. */
export const EXPORT_SECONDS = 1_767_225_600;
const UPTIME_MS = 3_600_000;
const TEMPLATE_ID = 260;
const DATA_START = 20;

/** Datagrams of one second, the first with the Template: 5,000 local hosts, 20,000 others, flows of up to a minute. */
export function makeSecond(flows: number): Uint8Array[] {
  const random = new Random(7);
  const datagrams = [
    joined(
      v9Packet([v9TemplateSet(TEMPLATE_ID, NETFLOW9_FIELDS)], {
        exportTime: EXPORT_SECONDS,
        sysUpTimeMs: UPTIME_MS,
      }),
    ),
  ];
  for (let made = 0; made < flows; made += RECORDS) {
    const records = Array.from({ length: RECORDS }, () => makeRecord(random));
    datagrams.push(
      v9Packet([v9DataSet(TEMPLATE_ID, ...records)], { exportTime: EXPORT_SECONDS, sysUpTimeMs: UPTIME_MS }),
    );
  }
  return datagrams;
}

function makeRecord(random: Random): Uint8Array {
  const isOut = random.below(2) === 0;
  const local = 0x0a00_0000 + random.below(5000);
  const remote = 0xc600_0000 + random.below(20_000);
  const packets = 1 + random.below(1 << (1 + random.below(12)));
  const endedBefore = random.below(15_000);
  const startedBefore = endedBefore + (random.below(2) === 0 ? random.below(1000) : random.below(60_000));
  const service = [443, 80, 53, 22][random.below(4)]!;
  const client = 1024 + random.below(60_000);
  const ports = isOut ? [client, service] : [service, client];
  const values: readonly number[] = [
    isOut ? local : remote,
    isOut ? remote : local,
    0xc0a8_0001,
    1 + random.below(48),
    1 + random.below(48),
    packets,
    packets * (40 + random.below(1400)),
    UPTIME_MS - startedBefore,
    UPTIME_MS - endedBefore,
    ports[0]!,
    ports[1]!,
    0x1b,
    service === 53 ? 17 : 6,
    random.below(8) === 0 ? 0xb8 : 0,
    64_512 + random.below(20),
    1 + random.below(500),
    24,
    16,
    1 + (local % 10),
    0,
    random.next(),
    random.next(),
  ];
  return joined(...values.map((value, i) => number(value, NETFLOW9_FIELDS[i]![1])));
}

/** Moves all times of the datagrams of {@link makeSecond} on by a number of seconds, one where not told. */
export function moveASecondOn(datagrams: readonly Uint8Array[], seconds = 1): void {
  for (const datagram of datagrams) {
    const view = new DataView(datagram.buffer, datagram.byteOffset, datagram.length);
    view.setUint32(4, view.getUint32(4) + 1000 * seconds);
    view.setUint32(8, view.getUint32(8) + seconds);
    // Flow times are relative to the uptime.
    if (datagram !== datagrams[0]) moveFlows(view, 1000 * seconds);
  }
}

function moveFlows(view: DataView, byMs: number): void {
  const recordLength = NETFLOW9_FIELDS.reduce((sum, [, length]) => sum + length, 0);
  const timesAt = NETFLOW9_FIELDS.slice(0, 7).reduce((sum, [, length]) => sum + length, 0);
  for (let i = 0; i < RECORDS; i++) {
    const at = DATA_START + 4 + i * recordLength + timesAt;
    view.setUint32(at, view.getUint32(at) + byMs);
    view.setUint32(at + 4, view.getUint32(at + 4) + byMs);
  }
}
