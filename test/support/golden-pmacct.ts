/** Goldens of pmacct: aggregates, of which keys and sums are compared. */

import type { Line, LineValue } from './conformance-capture.ts';
import { lineValue, PROTOCOL_NUMBERS } from './golden.ts';

type Aggregate = Readonly<Record<string, unknown>>;

/** The key fields of an aggregate that a line has, in a fixed spelling. */
type KeyFields = readonly (readonly [
  name: string,
  theirs: (aggregate: Aggregate) => string,
  ours: (line: Line) => string,
])[];

const FLAG_BITS: Readonly<Record<string, number>> = {
  FIN: 1,
  SYN: 2,
  RST: 4,
  PSH: 8,
  ACK: 16,
  URG: 32,
  ECE: 64,
  CWR: 128,
};

/** RFC 7270 section 4.12. */
const FORWARDING: Readonly<Record<string, string>> = {
  'UNKNOWN Unclassified': '0',
  'FORWARDED Unknown': '64',
  'CONSUMED For us': '195',
};

const LABEL_KEYS = ['mplsTopLabelStackSection', ...[2, 3, 4, 5, 6].map((depth) => `mplsLabelStackSection${depth}`)];

function last(value: LineValue | undefined): LineValue | undefined {
  return Array.isArray(value) ? value.at(-1) : value;
}

function number(line: Line, ...keys: string[]): string {
  for (const key of keys) {
    const value = last(lineValue(line, key));
    if (value !== undefined) return String(value);
  }
  return '0';
}

/**
 * Of a flow in a tunnel (SRv6 with IPv4 or IPv6 inside) pmacct's address is the inner one, which is IPv4's beside IPv6's, or
 * the second of two.
 */
function address({ iana }: Line, side: 'source' | 'destination'): string {
  const four = last(iana[`${side}IPv4Address`]);
  const six = last(iana[`${side}IPv6Address`]);
  return String(four === undefined || (four === '0.0.0.0' && six !== undefined) ? six : four);
}

/** The outer address of such a flow, `''` of others. */
function tunnel({ iana }: Line, side: 'source' | 'destination'): string {
  const four = iana[`${side}IPv4Address`];
  const six = iana[`${side}IPv6Address`];
  if (Array.isArray(six)) return String(six[0]);
  return four !== undefined && four !== '0.0.0.0' && six !== undefined && six !== '::' ? String(six) : '';
}

function outerProtocol({ iana }: Line): string {
  const protocol = iana.protocolIdentifier;
  return Array.isArray(protocol) ? String(protocol[0]) : '0';
}

function protocolNumber(name: unknown): string {
  return PROTOCOL_NUMBERS[String(name)] ?? String(name);
}

/** Labels from the top of the stack; zero ends it. */
function labels(line: Line): string {
  const found = LABEL_KEYS.map((key) => Number(lineValue(line, key) ?? 0));
  return found.filter((label) => label !== 0).join();
}

function theirLabels(value: unknown): string {
  return (value as string[]).map((label) => label.split('-')[1]).join();
}

function secondsOf(value: unknown): string {
  return String(Math.floor(Number(value)));
}

/** Whole seconds. Of NetFlow v9, pmacct cuts the milliseconds off the distance to the export time: a broken second is the next. */
function seconds({ iana }: Line, key: string): string {
  const value = Number(iana[key]) / 1000;
  return String(iana.exportProtocolVersion === 9 ? Math.ceil(value) : Math.floor(value));
}

const NO_MAC = '00:00:00:00:00:00';

const KEYS: KeyFields = [
  ['iface_in', (a) => String(a.iface_in), (line) => number(line, 'ingressInterface')],
  ['iface_out', (a) => String(a.iface_out), (line) => number(line, 'egressInterface')],
  ['ip_src', (a) => String(a.ip_src), (line) => address(line, 'source')],
  ['ip_dst', (a) => String(a.ip_dst), (line) => address(line, 'destination')],
  ['port_src', (a) => String(a.port_src), (line) => number(line, 'sourceTransportPort')],
  ['port_dst', (a) => String(a.port_dst), (line) => number(line, 'destinationTransportPort')],
  ['ip_proto', (a) => protocolNumber(a.ip_proto), (line) => number(line, 'protocolIdentifier')],
  ['tos', (a) => String(a.tos), (line) => number(line, 'ipClassOfService')],
  [
    'fwd_status',
    (a) => FORWARDING[String(a.fwd_status)] ?? String(a.fwd_status),
    (line) => number(line, 'forwardingStatus'),
  ],
  ['mpls_label_stack', (a) => theirLabels(a.mpls_label_stack), labels],
  ['mac_src', (a) => String(a.mac_src), (line) => number(line, 'sourceMacAddress').replace(/^0$/, NO_MAC)],
  ['mac_dst', (a) => String(a.mac_dst), (line) => number(line, 'destinationMacAddress').replace(/^0$/, NO_MAC)],
  ['vlan_in', (a) => String(a.vlan_in), (line) => number(line, 'dot1qVlanId', 'vlanId')],
  ['tunnel_ip_src', (a) => String(a.tunnel_ip_src), (line) => tunnel(line, 'source')],
  ['tunnel_ip_dst', (a) => String(a.tunnel_ip_dst), (line) => tunnel(line, 'destination')],
  ['tunnel_ip_proto', (a) => protocolNumber(a.tunnel_ip_proto), outerProtocol],
  ['timestamp_start', (a) => secondsOf(a.timestamp_start), (line) => seconds(line, 'flowStartMilliseconds')],
  ['timestamp_end', (a) => secondsOf(a.timestamp_end), (line) => seconds(line, 'flowEndMilliseconds')],
  ['timestamp_export', (a) => secondsOf(a.timestamp_export), (line) => seconds(line, 'exportTimeMilliseconds')],
  ['ingress_vrf_name', (a) => String(a.ingress_vrf_name), (line) => String(line.iana.ingressVRFname ?? '')],
  ['egress_vrf_name', (a) => String(a.egress_vrf_name), (line) => String(line.iana.egressVRFname ?? '')],
];

/** Primitives that the test defines itself, by their names. */
const CUSTOM: Readonly<Record<string, readonly string[]>> = {
  vrf_id_ingress: ['ingressVRFID'],
  vrf_id_egress: ['egressVRFID'],
  mpls_tl_ipv4_address: ['mplsTopLabelIPv4Address'],
  mpls_tl_prefix_length: ['mplsTopLabelPrefixLength'],
  mpls_tl_type: ['mplsTopLabelType'],
};

/** What an aggregate says that no line does: pmacct's own maps, BGP and BMP, what follows from other keys, counts it leaves empty. */
const UNCOMPARED: ReadonlySet<string> = new Set([
  'event_type',
  'label',
  'writer_id',
  'flows',
  'peer_ip_src',
  'comms',
  'ecomms',
  'as_path',
  'comms_src',
  'ecomms_src',
  'as_path_src',
  'mpls_vpn_rd',
  'mpls_vpn_rd_origin',
  'net_src',
  'net_dst',
  'mask_src',
  'mask_dst',
  'vrf_name',
  'srv6_seg_ipv6_list',
  'tunnel_tos',
  'tunnel_flow_label',
  'cos',
  'etype',
  'post_nat_ip_src',
  'post_nat_ip_dst',
  'post_nat_port_src',
  'post_nat_port_dst',
  'nat_event',
]);

interface Sum {
  packets: number;
  octets: number;
  /** Of all records together. */
  tcpFlags: number;
}

/** Sums per key as text: what pmacct has and what the lines add up to. */
export interface PmacctSums {
  readonly expected: string[];
  readonly ours: string[];
  /** Names of the golden that were compared, sums included. */
  readonly names: string[];
  /** Names that neither table knows. */
  readonly unknown: string[];
}

/** What pmacct multiplied packets and octets by, for a line. */
export type Factor = (line: Line) => number;

/** Adds up lines the way a golden's aggregates are keyed. */
export function pmacctSums(
  text: string,
  lines: readonly Line[],
  factor: Factor,
  uncompared: readonly string[],
): PmacctSums {
  const aggregates = text
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => JSON.parse(line) as Aggregate);
  const first = aggregates[0]!;
  const fields = KEYS.filter(([name]) => first[name] !== undefined && !uncompared.includes(name));
  const custom = Object.keys((first.custom_primitives ?? {}) as object);
  const summed = ['packets', 'bytes', 'tcp_flags'];
  const known = new Set([
    ...fields.map(([name]) => name),
    ...UNCOMPARED,
    ...uncompared,
    ...summed,
    'custom_primitives',
  ]);
  const unknown = [
    ...Object.keys(first).filter((name) => !known.has(name)),
    ...custom.filter((name) => CUSTOM[name] === undefined),
  ];
  const theirs = new Map<string, Sum>();
  const ours = new Map<string, Sum>();
  for (const aggregate of aggregates) {
    const primitives = (aggregate.custom_primitives ?? {}) as Record<string, string>;
    const key = [...fields.map(([, read]) => read(aggregate)), ...custom.map((name) => primitives[name] ?? '0')];
    const tcpFlags = (aggregate.tcp_flags as string[]).reduce((sum, flag) => sum | (FLAG_BITS[flag] ?? 256), 0);
    add(theirs, key.join(' '), Number(aggregate.packets), Number(aggregate.bytes), tcpFlags);
  }
  for (const line of lines) {
    const key = [...fields.map(([, , read]) => read(line)), ...custom.map((name) => customValue(line, name))];
    const { packetDeltaCount = 0, octetDeltaCount = 0 } = line.iana;
    const times = factor(line);
    const flags = Number(number(line, 'tcpControlBits'));
    add(ours, key.join(' '), Number(packetDeltaCount) * times, Number(octetDeltaCount) * times, flags);
  }
  const texts = (sums: ReadonlyMap<string, Sum>): string[] =>
    [...sums].map(([key, { packets, octets, tcpFlags }]) => `${key}: ${packets} ${octets} ${tcpFlags}`);
  return {
    expected: texts(theirs),
    ours: texts(ours),
    names: [...fields.map(([name]) => name), ...custom, ...summed],
    unknown,
  };
}

function customValue(line: Line, name: string): string {
  const value = number(line, ...(CUSTOM[name] ?? []));
  return name === 'mpls_tl_ipv4_address' && value === '0' ? '0.0.0.0' : value;
}

function add(sums: Map<string, Sum>, key: string, packets: number, octets: number, tcpFlags: number): void {
  const sum = sums.get(key) ?? { packets: 0, octets: 0, tcpFlags: 0 };
  sum.packets += packets;
  sum.octets += octets;
  sum.tcpFlags |= tcpFlags;
  sums.set(key, sum);
}
