/** Flows of real captures against the flows that tshark sees in them. */

import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import { type FlowLine, MeterHarness } from '../support/meter-harness.ts';

const CORPORA = fileURLToPath(new URL('../../../shared/corpora/', import.meta.url));
const PACKETS = join(CORPORA, 'packets');
const ORACLE = join(PACKETS, 'oracle');

/** Counts of one direction of a flow. */
interface Counts {
  packets: number;
  octets: number;
  tcpFlags: number;
}

const ICMP = 1;
const ICMPV6 = 58;

/** Fragmented: the oracle shows later fragments without ports, the meter counts them to their flow. Compared without ports. */
const FRAGMENTED: ReadonlySet<string> = new Set([
  'ipv4-udp-fragmented.pcap',
  'ipv6-udp-fragmented.pcap',
  'fragmented-1.pcap',
]);

/** A jumbogram: the oracle takes the 16-bit payload length, which is 0 in it, for the length. Compared without octets. */
const JUMBOGRAM = 'ipv6_jumbogram_1.pcap';

/** What can be compared of a capture's flows. */
function comparable(capture: string, flows: ReadonlyMap<string, Counts>): Map<string, Counts> {
  const result = new Map<string, Counts>();
  for (const [key, { packets, octets, tcpFlags }] of flows) {
    const [source, destination, , , protocol] = key.split(' ');
    const compared = FRAGMENTED.has(basename(capture)) ? `${source} ${destination} ${protocol}` : key;
    add(result, compared, packets, basename(capture) === JUMBOGRAM ? 0 : octets, tcpFlags);
  }
  return result;
}

function add(flows: Map<string, Counts>, key: string, packets: number, octets: number, tcpFlags: number): void {
  if (packets === 0) return;
  const counts = flows.get(key) ?? { packets: 0, octets: 0, tcpFlags: 0 };
  counts.packets += packets;
  counts.octets += octets;
  counts.tcpFlags |= tcpFlags;
  flows.set(key, counts);
}

/** Directions of our flows by source, destination, ports and protocol. */
function ownFlows(lines: readonly FlowLine[]): Map<string, Counts> {
  const flows = new Map<string, Counts>();
  for (const line of lines) {
    const text = (key: string): string => String(line[key] ?? '');
    const number = (key: string): number => Number(line[key] ?? 0);
    const source = text('IPV4_SRC_ADDR') + text('IPV6_SRC_ADDR');
    const destination = text('IPV4_DST_ADDR') + text('IPV6_DST_ADDR');
    const protocol = number('PROTOCOL');
    const isIcmp = protocol === ICMP || protocol === ICMPV6;
    const [from, to] = isIcmp ? [0, 0] : [number('L4_SRC_PORT'), number('L4_DST_PORT')];
    add(
      flows,
      [source, destination, from, to, protocol].join(' '),
      number('IN_PKTS'),
      number('IN_BYTES'),
      number('CLIENT_TCP_FLAGS'),
    );
    add(
      flows,
      [destination, source, to, from, protocol].join(' '),
      number('OUT_PKTS'),
      number('OUT_BYTES'),
      number('SERVER_TCP_FLAGS'),
    );
  }
  return flows;
}

/** The same of a file that tshark's view was written to. */
function tsharkFlows(path: string): Map<string, Counts> {
  const flows = new Map<string, Counts>();
  for (const row of readFileSync(path, 'utf8').split('\n')) {
    if (row === '' || row.startsWith('#')) continue;
    const [, source, destination, sourcePort, destinationPort, protocol, packets, octets, , flags] = row.split('\t');
    const isIcmp = Number(protocol) === ICMP || Number(protocol) === ICMPV6;
    const ports = isIcmp ? [0, 0] : [sourcePort, destinationPort];
    add(flows, [source, destination, ...ports, protocol].join(' '), Number(packets), Number(octets), Number(flags));
  }
  return flows;
}

const corporaAreThere = existsSync(ORACLE);
if (!corporaAreThere) console.log(`SKIPPED: comparison of flows with tshark's, no captures in ${PACKETS}`);

const captures = corporaAreThere
  ? readFileSync(join(PACKETS, 'MANIFEST.tsv'), 'utf8')
      .split('\n')
      .slice(1)
      .filter((row) => row !== '')
      .map((row) => row.split('\t')[1]!)
  : [];

describe.skipIf(!corporaAreThere)('flows of real captures', () => {
  const oracles = corporaAreThere ? readdirSync(ORACLE) : [];
  for (const capture of captures) {
    for (const layer of ['outer', 'inner'] as const) {
      const oracle = oracles.find((name) => `packets__${name}` === `${capture.replaceAll('/', '__')}.${layer}.tsv`);
      it(`${capture}: ${layer} flows have the packets, octets and flags that tshark sees`, () => {
        expect(oracle).toBeDefined();
        const harness = new MeterHarness({ tunnels: layer });
        harness.addFile(join(dirname(PACKETS), capture));
        const lines = harness.lines();
        expect(comparable(capture, ownFlows(lines))).toEqual(comparable(capture, tsharkFlows(join(ORACLE, oracle!))));
        const { packetsSeen, packetsMetered, packetsIgnored } = harness.meter.counters;
        const ignored = Object.values(packetsIgnored).reduce((sum, count) => sum + count, 0);
        expect(packetsMetered + ignored).toBe(packetsSeen);
        expect(harness.meter.counters.flowRecords).toBe(lines.length);
      });
    }
  }
});
