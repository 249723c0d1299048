/** What ntopng should know of flows that were printed as lines: an expectation made from the lines alone. */

import type { NtopngFlow } from './ntopng.ts';

/** A line of JSON, as parsed. */
export type FlowLine = Readonly<Record<string, unknown>>;

/** Flows of the same peers, protocol and VLAN, as ntopng keeps them: one, whoever came first. */
export interface ModelledFlow {
  /** Addresses and ports of both ends, in the order of their texts. */
  readonly ends: readonly [string, string];
  readonly protocol: number;
  readonly vlan: number;
  /** Octets from the first of `ends` to the second, and back. */
  readonly octets: [number, number];
  readonly packets: [number, number];
  /** Seconds since 1970. */
  firstSeen: number;
  lastSeen: number;
  /** Addresses of the exporters that have seen it. */
  readonly exporters: Set<string>;
}

/** A number of a line, 0 where it has none. */
export function numberOf(line: FlowLine, key: string): number {
  const value = line[key];
  return value === undefined ? 0 : Number(value);
}

/** One end of a flow as text. */
export function endOf(address: unknown, port: number): string {
  return `${String(address)} ${port}`;
}

/** Under what a flow is kept. */
export function keyOf(ends: readonly string[], protocol: number, vlan: number): string {
  return [...ends, protocol, vlan].join(' | ');
}

/** Whether a line is a flow that can be shown: with counters. */
export function isShowable(line: FlowLine): boolean {
  const counters = ['IN_BYTES', 'IN_PKTS', 'OUT_BYTES', 'OUT_PKTS'];
  return line['RECORD_TYPE'] === 'flow' && counters.some((key) => key in line);
}

/** An address of a line; what has none, such as ARP, is shown between zeroes. */
function addressOf(line: FlowLine, side: 'SRC' | 'DST'): unknown {
  return line[`IPV4_${side}_ADDR`] ?? line[`IPV6_${side}_ADDR`] ?? '0.0.0.0';
}

/** Protocols whose ports ntopng keeps: of ICMP, for one, exporters put type and code there. */
const HAS_PORTS: ReadonlySet<number> = new Set([6, 17, 132]);

/** The flows that lines add up to. Counters are multiplied by the sampling interval, which ntopng expects to be done. */
export function modelledFlows(lines: readonly FlowLine[]): Map<string, ModelledFlow> {
  const flows = new Map<string, ModelledFlow>();
  for (const line of lines.filter(isShowable)) {
    const protocol = numberOf(line, 'PROTOCOL');
    const port = (key: string): number => (HAS_PORTS.has(protocol) ? numberOf(line, key) : 0);
    const source = endOf(addressOf(line, 'SRC'), port('L4_SRC_PORT'));
    const target = endOf(addressOf(line, 'DST'), port('L4_DST_PORT'));
    const isForward = source <= target;
    const ends = isForward ? ([source, target] as const) : ([target, source] as const);
    const vlan = numberOf(line, 'SRC_VLAN') || numberOf(line, 'DST_VLAN') || numberOf(line, 'DOT1Q_SRC_VLAN');
    const first = Math.floor(numberOf(line, 'FLOW_START_MILLISECONDS') / 1000);
    const last = Math.floor(numberOf(line, 'FLOW_END_MILLISECONDS') / 1000);
    const key = keyOf(ends, protocol, vlan);
    let flow = flows.get(key);
    if (flow === undefined) {
      flow = {
        ends,
        protocol,
        vlan,
        octets: [0, 0],
        packets: [0, 0],
        firstSeen: first,
        lastSeen: last,
        exporters: new Set(),
      };
      flows.set(key, flow);
    }
    const rate = numberOf(line, 'SAMPLING_INTERVAL') || 1;
    const [out, back] = isForward ? ([0, 1] as const) : ([1, 0] as const);
    flow.octets[out] += numberOf(line, 'IN_BYTES') * rate;
    flow.octets[back] += numberOf(line, 'OUT_BYTES') * rate;
    flow.packets[out] += numberOf(line, 'IN_PKTS') * rate;
    flow.packets[back] += numberOf(line, 'OUT_PKTS') * rate;
    flow.firstSeen = Math.min(flow.firstSeen, first);
    flow.lastSeen = Math.max(flow.lastSeen, last);
    flow.exporters.add(String(line['EXPORTER_IPV4_ADDRESS']));
  }
  return flows;
}

/** A listed flow in the same form, packets apart. */
export function listedFlow(listed: NtopngFlow): Omit<ModelledFlow, 'packets'> & { readonly key: string } {
  const client = endOf(listed.client.ip, listed.client.port);
  const server = endOf(listed.server.ip, listed.server.port);
  const isForward = client <= server;
  const ends = isForward ? ([client, server] as const) : ([server, client] as const);
  const { cli_bytes: sent, srv_bytes: received } = listed.bytes;
  const vlan = listed.client.vlan ?? 0;
  return {
    key: keyOf(ends, listed.l4_proto.id, vlan),
    ends,
    protocol: listed.l4_proto.id,
    vlan,
    octets: isForward ? [sent, received] : [received, sent],
    firstSeen: listed.first_seen,
    lastSeen: listed.last_seen,
    exporters: new Set(listed.flow_exporter === undefined ? [] : [listed.flow_exporter.device.ip]),
  };
}
