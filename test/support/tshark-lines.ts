/**
 * The lines that a capture should become, by tshark's reading of it: those keys that tshark knows. A field of a record that
 * the tables below don't know is an error, so that nothing goes uncompared in silence.
 */

import { allNodes, findNode, type PdmlNode, readPdml } from './pdml.ts';

/** Some keys of a line, under ntop's names. */
export type PartialLine = Record<string, unknown>;

type Reading = 'number' | 'text' | 'hexadecimalNumber';

/** Fields of tshark's cflow and the keys they are here. */
const FLOW_FIELDS: Readonly<Record<string, readonly [key: string, reading: Reading]>> = {
  srcaddr: ['IPV4_SRC_ADDR', 'text'],
  dstaddr: ['IPV4_DST_ADDR', 'text'],
  srcaddrv6: ['IPV6_SRC_ADDR', 'text'],
  dstaddrv6: ['IPV6_DST_ADDR', 'text'],
  nexthop: ['IPV4_NEXT_HOP', 'text'],
  bgpnexthop: ['BGP_IPV4_NEXT_HOP', 'text'],
  bgpnexthopv6: ['BGP_IPV6_NEXT_HOP', 'text'],
  srcport: ['L4_SRC_PORT', 'number'],
  dstport: ['L4_DST_PORT', 'number'],
  protocol: ['PROTOCOL', 'number'],
  ip_version: ['IP_PROTOCOL_VERSION', 'number'],
  octets: ['IN_BYTES', 'number'],
  packets: ['IN_PKTS', 'number'],
  inputint: ['INPUT_SNMP', 'number'],
  outputint: ['OUTPUT_SNMP', 'number'],
  tcpflags: ['TCP_FLAGS', 'number'],
  tos: ['SRC_TOS', 'number'],
  icmp_type_code_ipv4: ['ICMP_TYPE', 'hexadecimalNumber'],
  icmp_ipv4_type: ['ICMP_IPV4_TYPE', 'number'],
  icmp_ipv4_code: ['ICMP_IPV4_CODE', 'number'],
  srcas: ['SRC_AS', 'number'],
  dstas: ['DST_AS', 'number'],
  srcmask: ['IPV4_SRC_MASK', 'number'],
  dstmask: ['IPV4_DST_MASK', 'number'],
  srcmaskv6: ['IPV6_SRC_MASK', 'number'],
  dstmaskv6: ['IPV6_DST_MASK', 'number'],
  direction: ['DIRECTION', 'number'],
  flow_end_reason: ['FLOW_END_REASON', 'number'],
  vlanid: ['SRC_VLAN', 'number'],
  post_vlanid: ['DST_VLAN', 'number'],
  dot1q_vlan_id: ['DOT1Q_SRC_VLAN', 'number'],
  dot1q_priority: ['SRC_VLAN_PRIORITY', 'number'],
  srcmac: ['IN_SRC_MAC', 'text'],
  dstmac: ['IN_DST_MAC', 'text'],
  post_dstmac: ['OUT_DST_MAC', 'text'],
  ethernet_type: ['ETHERNET_TYPE', 'number'],
  ethernet_header_length: ['ethernetHeaderLength', 'number'],
  ipv6flowlabel: ['IPV6_FLOW_LABEL', 'number'],
  if_name: ['INTERFACE_NAME', 'text'],
  if_descr: ['IF_DESC', 'text'],
  observation_point_id: ['OBSERVATION_POINT_ID', 'number'],
  ingress_interface_type: ['ingressInterfaceType', 'number'],
  egress_interface_type: ['egressInterfaceType', 'number'],
  ip_ttl: ['ipTTL', 'number'],
  ip_dscp: ['ipDiffServCodePoint', 'number'],
  ip_precedence: ['ipPrecedence', 'number'],
  drop_packets: ['droppedPacketDeltaCount', 'number'],
  drop_total_packets: ['droppedPacketTotalCount', 'number'],
  drop_octets: ['droppedOctetDeltaCount', 'number'],
  drop_total_octets: ['droppedOctetTotalCount', 'number'],
  permanent_packets: ['PACKET_TOTAL', 'number'],
  permanent_octets: ['OCTET_TOTAL', 'number'],
  ingress_unicast_packet_total_count: ['ingressUnicastPacketTotalCount', 'number'],
  ingress_multicast_packet_total_count: ['ingressMulticastPacketTotalCount', 'number'],
  ingress_broadcast_packet_total_count: ['ingressBroadcastPacketTotalCount', 'number'],
  egress_unicast_packet_total_count: ['egressUnicastPacketTotalCount', 'number'],
  egress_broadcast_packet_total_count: ['egressBroadcastPacketTotalCount', 'number'],
  mulpackets: ['MUL_DST_PKTS', 'number'],
  muloctets: ['MUL_DST_BYTES', 'number'],
  post_total_mulpackets: ['postMCastPacketTotalCount', 'number'],
  post_total_muloctets: ['postMCastOctetTotalCount', 'number'],
  layer2_octet_delta_count: ['layer2OctetDeltaCount', 'number'],
  layer2_octet_total_count: ['layer2OctetTotalCount', 'number'],
  delta_octets_squared: ['octetDeltaSumOfSquares', 'number'],
  total_octets_squared: ['octetTotalSumOfSquares', 'number'],
  length_min: ['MIN_IP_PKT_LEN', 'number'],
  length_max: ['MAX_IP_PKT_LEN', 'number'],
  total_tcp_ack: ['tcpAckTotalCount', 'number'],
  total_tcp_fin: ['tcpFinTotalCount', 'number'],
  total_tcp_psh: ['tcpPshTotalCount', 'number'],
  total_tcp_rst: ['tcpRstTotalCount', 'number'],
  total_tcp_syn: ['tcpSynTotalCount', 'number'],
  total_tcp_urg: ['tcpUrgTotalCount', 'number'],
  // Options data.
  scope_interface: ['SCOPE_INTERFACE', 'number'],
  sampling_interval: ['SAMPLING_INTERVAL', 'number'],
  sampling_algorithm: ['SAMPLING_ALGORITHM', 'number'],
  mp_id: ['meteringProcessId', 'number'],
  flow_exporter: ['exportingProcessId', 'number'],
  notsent_packets: ['notSentPacketTotalCount', 'number'],
  sampling_packet_interval: ['samplingPacketInterval', 'number'],
  sampling_packet_space: ['samplingPacketSpace', 'number'],
  selector_algorithm: ['IPFIX_SAMPLING_ALGORITHM', 'number'],
};

/** Keys of fields of the other direction (RFC 5103). */
const REVERSE_KEYS: Readonly<Record<string, string>> = {
  octets: 'OUT_BYTES',
  packets: 'OUT_PKTS',
  tcpflags: 'SERVER_TCP_FLAGS',
  tos: 'reverseIpClassOfService',
  icmp_type_code_ipv4: 'reverseIcmpTypeCodeIPv4',
};

/** What is no value of its own. */
const NOT_COMPARED: ReadonlySet<string> = new Set([
  'padding',
  'reserved',
  'string_len_short',
  'string_len_long',
  // Duration, with the times below it.
  'timedelta',
]);

/** Fields that tshark cuts in two though the element is one (type and code of ICMPv6). */
const ICMPV6 = { type: 'icmp_ipv6_type', code: 'icmp_ipv6_code' };

/** tshark's rules for datagrams and connections to `port`. */
export function decodeAsRules(port: number, protocol: 'cflow' | 'sflow'): string[] {
  return protocol === 'sflow' ? [`udp.port==${port},sflow`] : [`udp.port==${port},cflow`, `tcp.port==${port},cflow`];
}

/** The lines of a capture of export to `port`, in order. */
export function linesByTshark(file: string, port: number, protocol: 'cflow' | 'sflow'): PartialLine[] {
  const reader = new LineReader();
  return readPdml(file, decodeAsRules(port, protocol)).flatMap(({ protocols }) => {
    const address = findNode(protocols, 'ip.src') ?? findNode(protocols, 'ipv6.src');
    const sourcePort = findNode(protocols, 'udp.srcport') ?? findNode(protocols, 'tcp.srcport');
    const origin: PartialLine = {
      [findNode(protocols, 'ip.src') ? 'EXPORTER_IPV4_ADDRESS' : 'EXPORTER_IPV6_ADDRESS']: address?.show,
      EXPORTER_TRANSPORT_PORT: Number(sourcePort?.show),
    };
    return protocols.filter(({ name }) => name === protocol).flatMap((message) => reader.read(message, origin));
  });
}

class LineReader {
  readonly #optionsTemplates = new Set<string>();
  /** Templates with type and code of ICMPv6 as elements of their own (178 and 179): tshark shows one element (139) alike. */
  readonly #icmpv6Apart = new Set<string>();
  /** Start of an Exporter's clock (element 160), by Observation Domain. */
  readonly #systemInitMs = new Map<number, number>();

  read(message: PdmlNode, origin: PartialLine): PartialLine[] {
    return message.name === 'sflow' ? sflowLines(message, origin) : this.#flowLines(message, origin);
  }

  #flowLines(message: PdmlNode, address: PartialLine): PartialLine[] {
    const header = (name: string) => findNode(message.children, `cflow.${name}`);
    const version = Number(header('version')?.show);
    const seconds = Number((header('unix_secs') ?? header('exporttime'))?.show);
    const exportMs = seconds * 1000 + Math.floor(Number(header('unix_nsecs')?.show ?? 0) / 1e6);
    const domain = header('source_id') ?? header('od_id');
    const upTime = header('sysuptime');
    const origin: PartialLine = {
      ...address,
      EXPORT_PROTOCOL: version === 10 ? 'IPFIX' : 'NetFlow',
      EXPORT_PROTOCOL_VERSION: version,
      EXPORT_TIME_MILLISECONDS: exportMs,
      ...(header('sequence') && { EXPORT_SEQUENCE_NUMBER: Number(header('sequence')?.show) }),
      ...(domain && { OBSERVATION_DOMAIN_ID: Number(domain.show) }),
      ...(header('engine_type') && { ENGINE_TYPE: Number(header('engine_type')?.show) }),
      ...(header('engine_id') && { ENGINE_ID: Number(header('engine_id')?.show) }),
    };
    const key = (id: string) => `${version} ${JSON.stringify(address)} ${origin['OBSERVATION_DOMAIN_ID']} ${id}`;
    const clock: Clock = {
      exportMs,
      upTimeMs: upTime && Number.parseInt(upTime.value, 16),
      systemInitMs: undefined,
    };
    const lines: PartialLine[] = [];
    const isRecord = ({ name, show }: PdmlNode) => name === '' && /^(Flow \d+|pdu \d+\/\d+)$/.test(show);
    const isSet = ({ name, show }: PdmlNode) => name === '' && /^(Flow)?Set \d+ \[id=\d+\]/.test(show);
    if (version < 9) {
      for (const record of allNodes(message.children, isRecord)) lines.push({ ...origin, ...flowLine(record, clock) });
      return lines;
    }
    for (const set of allNodes(message.children, isSet)) {
      const id = /\[id=(\d+)\]/.exec(set.show)![1]!;
      if (set.show.includes('Template)')) {
        for (const template of set.children.filter(
          ({ name, show }) => name === '' && /^(Options )?Template \(/.test(show),
        )) {
          const templateKey = key(findNode(template.children, 'cflow.template_id')!.show);
          if (set.show.includes('(Options Template)')) this.#optionsTemplates.add(templateKey);
          const isType = ({ name, show }: PdmlNode) => name === 'cflow.template_ipfix_field_type' && show === '178';
          if (allNodes(template.children, isType).length > 0) this.#icmpv6Apart.add(templateKey);
        }
        continue;
      }
      const isOptions = this.#optionsTemplates.has(key(id));
      for (const record of allNodes(set.children, isRecord)) {
        const start = findNode(record.children, 'cflow.sys_init_time');
        if (start !== undefined) this.#systemInitMs.set(Number(domain?.show), Number.parseInt(start.value, 16));
        clock.systemInitMs = this.#systemInitMs.get(Number(domain?.show));
        const fields = flowLine(record, clock, this.#icmpv6Apart.has(key(id)));
        const line: PartialLine = { ...origin, TEMPLATE_ID: Number(id), ...fields };
        if (isOptions) line['RECORD_TYPE'] = 'options';
        lines.push(line);
      }
    }
    return lines;
  }
}

interface Clock {
  readonly exportMs: number;
  /** In the header of NetFlow. */
  readonly upTimeMs: number | undefined;
  systemInitMs: number | undefined;
}

const WRAP = 4294967296;

/** A moment told in milliseconds since the Exporter's start, which wrap every 49.7 days. */
function moment(relativeMs: number, { exportMs, upTimeMs, systemInitMs }: Clock): number | undefined {
  if (upTimeMs !== undefined) {
    const agoMs = (upTimeMs - relativeMs + 2 * WRAP) % WRAP;
    return exportMs - (agoMs > WRAP / 2 ? agoMs - WRAP : agoMs);
  }
  if (systemInitMs === undefined) return undefined;
  const behindMs = systemInitMs + relativeMs - exportMs;
  return exportMs + behindMs - WRAP * Math.round(behindMs / WRAP);
}

function flowLine(record: PdmlNode, clock: Clock, isIcmpv6Apart = false): PartialLine {
  const line: PartialLine = {};
  const fields = allNodes(record.children, ({ name }) => name.startsWith('cflow.') && name !== 'cflow.timedelta');
  const put = (key: string, value: unknown) => {
    const known = line[key];
    line[key] = known === undefined ? value : Array.isArray(known) ? [...known, value] : [known, value];
  };
  let icmpType = 0;
  for (const { name, show, label, value } of fields) {
    const field = name.slice('cflow.'.length);
    const isReverse = label.includes('(Reverse Type');
    if (NOT_COMPARED.has(field)) continue;
    if (field === 'timestart' || field === 'timeend') {
      const timeMs = moment(Number.parseInt(value, 16), clock);
      if (timeMs !== undefined)
        line[field === 'timestart' ? 'FLOW_START_MILLISECONDS' : 'FLOW_END_MILLISECONDS'] = timeMs;
    } else if (field === 'abstimestart' || field === 'abstimeend') {
      line[field === 'abstimestart' ? 'FLOW_START_MILLISECONDS' : 'FLOW_END_MILLISECONDS'] = millisecondsOf(show);
    } else if (field === 'sys_init_time') {
      line['systemInitTimeMilliseconds'] = Number.parseInt(value, 16);
    } else if (isIcmpv6Apart && (field === ICMPV6.type || field === ICMPV6.code)) {
      line[field === ICMPV6.type ? 'icmpTypeIPv6' : 'icmpCodeIPv6'] = Number(show);
    } else if (field === ICMPV6.type) {
      icmpType = Number(show);
    } else if (field === ICMPV6.code) {
      // Of the reverse one tshark shows the code alone.
      if (!isReverse) line['ICMP_TYPE'] = icmpType * 256 + Number(show);
    } else {
      const known = FLOW_FIELDS[field];
      const key = isReverse ? REVERSE_KEYS[field] : known?.[0];
      if (known === undefined || key === undefined) throw new Error(`no key for what tshark calls ${name}: ${label}`);
      put(key, known[1] === 'text' ? show : Number(show));
    }
  }
  if (line['RECORD_TYPE'] === undefined) {
    line['RECORD_TYPE'] = 'IN_BYTES' in line || 'IN_PKTS' in line ? 'flow' : 'event';
  }
  return line;
}

/** `Nov 21, 2026 08:53:43.255000999 UTC`, finer parts cut off. */
function millisecondsOf(show: string): number {
  const [, day, fraction] = /^(.*:\d\d)\.(\d{3})\d* UTC$/.exec(show) ?? [];
  return Date.parse(`${day} UTC`) + Number(fraction);
}

function sflowLines(datagram: PdmlNode, address: PartialLine): PartialLine[] {
  const show = (node: PdmlNode | undefined) => node?.show;
  const header = (name: string) => show(findNode(datagram.children, `sflow_245.${name}`));
  const origin: PartialLine = {
    ...address,
    EXPORT_PROTOCOL: 'sFlow',
    EXPORT_PROTOCOL_VERSION: Number(header('version')),
    SFLOW_AGENT_ADDRESS: header('agent') ?? header('agent.v6'),
    SFLOW_SUB_AGENT_ID: Number(header('sub_agent_id')),
    EXPORT_SEQUENCE_NUMBER: Number(header('sequence_number')),
  };
  const samples = datagram.children.filter(({ name }) => name === '');
  return samples.map((sample) =>
    /^(Expanded f|F)low sample/.test(sample.show)
      ? { ...origin, ...flowSample(sample) }
      : { ...origin, ...countersSample(sample) },
  );
}

const UPPER_PROTOCOLS = { tcp: 6, udp: 17, icmpv6: 58 };

/** What an sFlow sample's output is, by its format. */
const OUTPUT_KEYS = ['OUTPUT_SNMP', 'OUTPUT_DISCARD_REASON', 'OUTPUT_INTERFACE_COUNT'];

function flowSample(sample: PdmlNode): PartialLine {
  const number = (name: string) => Number(findNode(sample.children, `sflow.flow_sample.${name}`)?.show);
  const line: PartialLine = {
    RECORD_TYPE: 'flow',
    SAMPLING_ORIGIN: 'sample',
    SFLOW_SAMPLE_SEQUENCE_NUMBER: number('sequence_number'),
    SFLOW_SOURCE_ID_TYPE: number('source_id_class'),
    SFLOW_SOURCE_ID_INDEX: number('index'),
    SAMPLING_INTERVAL: number('sampling_rate'),
    SFLOW_SAMPLE_POOL: number('sample_pool'),
    SFLOW_SAMPLE_DROPS: number('dropped_packets'),
    INPUT_SNMP: number('input_interface'),
    [OUTPUT_KEYS[number('output_interface_format')]!]: number('output_interface_value'),
    IN_PKTS: 1,
  };
  const put = (key: string, name: string, from: readonly PdmlNode[] = sample.children) => {
    const node = findNode(from, name);
    if (node !== undefined && line[key] === undefined)
      line[key] = /^[0-9]+$|^0x/.test(node.show) ? Number(node.show) : node.show;
  };
  put('FRAME_LENGTH', 'sflow_245.header.frame_length');
  put('IN_BYTES', 'sflow_245.header.frame_length');
  put('SFLOW_STRIPPED_OCTETS', 'sflow_245.header.payload_stripped');
  put('SRC_VLAN', 'sflow_245.vlan.in');
  put('DST_VLAN', 'sflow_245.vlan.out');
  put('SRC_VLAN_PRIORITY', 'sflow_245.pri.in');
  put('DST_VLAN_PRIORITY', 'sflow_245.pri.out');
  const packet = findNode(sample.children, 'sflow_245.header')?.children ?? [];
  // The outermost of each protocol; an ICMP error's quotation is none.
  const protocol = (name: string) => packet.find((node) => node.name === name)?.children ?? [];
  put('IN_SRC_MAC', 'eth.src', protocol('eth'));
  put('IN_DST_MAC', 'eth.dst', protocol('eth'));
  put('IPV4_SRC_ADDR', 'ip.src', protocol('ip'));
  put('IPV4_DST_ADDR', 'ip.dst', protocol('ip'));
  put('PROTOCOL', 'ip.proto', protocol('ip'));
  put('SRC_TOS', 'ip.dsfield', protocol('ip'));
  put('MIN_TTL', 'ip.ttl', protocol('ip'));
  put('IPV6_SRC_ADDR', 'ipv6.src', protocol('ipv6'));
  put('IPV6_DST_ADDR', 'ipv6.dst', protocol('ipv6'));
  // Behind extension headers the IPv6 header does not say what follows at last.
  const last = Object.entries(UPPER_PROTOCOLS).find(([name]) => protocol(name).length > 0);
  if (protocol('ipv6').length > 0 && last !== undefined) line['PROTOCOL'] = last[1];
  put('MIN_TTL', 'ipv6.hlim', protocol('ipv6'));
  for (const name of ['tcp', 'udp']) {
    put('L4_SRC_PORT', `${name}.srcport`, protocol(name));
    put('L4_DST_PORT', `${name}.dstport`, protocol(name));
  }
  put('TCP_FLAGS', 'tcp.flags', protocol('tcp'));
  for (const name of ['icmp', 'icmpv6']) {
    const type = findNode(protocol(name), `${name}.type`);
    const code = findNode(protocol(name), `${name}.code`);
    if (type !== undefined) line['ICMP_TYPE'] = Number(type.show) * 256 + Number(code?.show);
  }
  return line;
}

function countersSample(sample: PdmlNode): PartialLine {
  const number = (name: string) => Number(findNode(sample.children, `sflow.counters_sample.${name}`)?.show);
  const line: PartialLine = {
    RECORD_TYPE: 'counters',
    SFLOW_SAMPLE_SEQUENCE_NUMBER: number('sequence_number'),
    SFLOW_SOURCE_ID_TYPE: number('source_id_type'),
    SFLOW_SOURCE_ID_INDEX: number('source_id_index'),
  };
  return line;
}

/** Keys of `expected` that `line` has otherwise, with both values. */
export function differences(
  expected: PartialLine,
  line: PartialLine,
): Record<string, { tshark: unknown; ours: unknown }> {
  const found: Record<string, { tshark: unknown; ours: unknown }> = {};
  for (const [key, value] of Object.entries(expected)) {
    if (JSON.stringify(line[key]) !== JSON.stringify(value)) found[key] = { tshark: value, ours: line[key] };
  }
  return found;
}

/** How many messages tshark finds: several may be in one TCP segment. */
export function messagesByTshark(file: string, port: number, protocol: 'cflow' | 'sflow'): number {
  const packets = readPdml(file, decodeAsRules(port, protocol));
  return packets.flatMap(({ protocols }) => protocols.filter(({ name }) => name === protocol)).length;
}
