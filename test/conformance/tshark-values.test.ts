import { afterAll, describe, expect, it } from 'vitest';
import { loadBuiltInRegistry } from '../../src/ie/registry.ts';
import {
  cataloguedCaptures,
  decodeCapture,
  exporterOf,
  hasCorpora,
  type Line,
  type LineValue,
} from '../support/conformance-capture.ts';
import { hasTshark, type TsharkField, type TsharkRecord, tsharkRecords } from '../support/tshark-records.ts';

/** How a field of tshark's becomes what a line says. */
type Conversion = 'number' | 'text' | 'address' | 'octets' | 'masked';

const N = (...keys: string[]) => ({ keys, as: 'number' as Conversion });
const T = (...keys: string[]) => ({ keys, as: 'text' as Conversion });
const A = (...keys: string[]) => ({ keys, as: 'address' as Conversion });
const X = (...keys: string[]) => ({ keys, as: 'octets' as Conversion });
/** Number that tshark shows after masking. */
const M = (...keys: string[]) => ({ keys, as: 'masked' as Conversion });

/** tshark's fields and our keys under IANA's names; of several keys the first that the line has. */
const FIELDS: Readonly<Record<string, { readonly keys: readonly string[]; readonly as: Conversion }>> = {
  'cflow.srcaddr': A('sourceIPv4Address'),
  'cflow.dstaddr': A('destinationIPv4Address'),
  'cflow.srcaddrv6': A('sourceIPv6Address'),
  'cflow.dstaddrv6': A('destinationIPv6Address'),
  'cflow.srcport': N('sourceTransportPort'),
  'cflow.dstport': N('destinationTransportPort'),
  'cflow.protocol': N('protocolIdentifier'),
  'cflow.ip_version': N('ipVersion'),
  'cflow.octets': N('octetDeltaCount'),
  'cflow.packets': N('packetDeltaCount'),
  'cflow.permanent_octets': N('octetTotalCount', 'octetDeltaCount'),
  'cflow.permanent_packets': N('packetTotalCount', 'packetDeltaCount'),
  'cflow.initiator_octets': N('octetDeltaCount'),
  'cflow.initiator_packets': N('packetDeltaCount'),
  'cflow.responder_octets': N('reverseOctetDeltaCount'),
  'cflow.responder_packets': N('reversePacketDeltaCount'),
  'cflow.post_octets': N('postOctetDeltaCount'),
  'cflow.post_packets': N('postPacketDeltaCount'),
  'cflow.inputint': N('ingressInterface'),
  'cflow.outputint': N('egressInterface'),
  'cflow.tos': N('ipClassOfService'),
  'cflow.post_tos': N('postIpClassOfService'),
  'cflow.tcpflags': N('tcpControlBits'),
  'cflow.srcas': N('bgpSourceAsNumber'),
  'cflow.dstas': N('bgpDestinationAsNumber'),
  'cflow.peer_dstas': N('bgpNextAdjacentAsNumber'),
  'cflow.peer_srcas': N('bgpPrevAdjacentAsNumber'),
  'cflow.srcmask': N('sourceIPv4PrefixLength'),
  'cflow.dstmask': N('destinationIPv4PrefixLength'),
  'cflow.srcmaskv6': N('sourceIPv6PrefixLength'),
  'cflow.dstmaskv6': N('destinationIPv6PrefixLength'),
  'cflow.srcprefix': A('sourceIPv4Prefix'),
  'cflow.nexthop': A('ipNextHopIPv4Address'),
  'cflow.nexthopv6': A('ipNextHopIPv6Address'),
  'cflow.bgpnexthop': A('bgpNextHopIPv4Address'),
  'cflow.bgpnexthopv6': A('bgpNextHopIPv6Address'),
  'cflow.direction': N('flowDirection'),
  'cflow.flow_end_reason': N('flowEndReason'),
  'cflow.biflow_direction': N('biflowDirection'),
  'cflow.vlanid': N('vlanId'),
  'cflow.post_vlanid': N('postVlanId'),
  'cflow.dot1q_vlan_id': N('dot1qVlanId'),
  'cflow.dot1q_customer_vlan_id': N('dot1qCustomerVlanId'),
  'cflow.dot1q_priority': N('dot1qPriority'),
  'cflow.srcmac': A('sourceMacAddress'),
  'cflow.dstmac': A('destinationMacAddress'),
  'cflow.post_srcmac': A('postSourceMacAddress'),
  'cflow.post_dstmac': A('postDestinationMacAddress'),
  'cflow.ethernet_type': N('ethernetType'),
  'cflow.ethernet_header_length': N('ethernetHeaderLength'),
  'cflow.ip_ttl': N('ipTTL'),
  'cflow.ttl_min': N('minimumTTL'),
  'cflow.ttl_max': N('maximumTTL'),
  'cflow.length_min': N('minimumIpTotalLength'),
  'cflow.length_max': N('maximumIpTotalLength'),
  'cflow.ip_dscp': N('ipDiffServCodePoint'),
  'cflow.post_ip_diff_serv_code_point': N('postIpDiffServCodePoint'),
  'cflow.ip_precedence': N('ipPrecedence'),
  'cflow.ipv6flowlabel': N('flowLabelIPv6'),
  'cflow.ipv6_exthdr': N('ipv6ExtensionHeaders'),
  'cflow.ipv6_next_hdr': N('nextHeaderIPv6'),
  'cflow.frag_ident': N('fragmentIdentification'),
  'cflow.icmp_type_code_ipv4': N('icmpTypeCodeIPv4'),
  'cflow.icmp_type_code_ipv6': N('icmpTypeCodeIPv6'),
  'cflow.icmp_ipv4_type': N('icmpTypeIPv4'),
  'cflow.icmp_ipv4_code': N('icmpCodeIPv4'),
  'cflow.icmp_ipv6_type': N('icmpTypeIPv6'),
  'cflow.icmp_ipv6_code': N('icmpCodeIPv6'),
  'cflow.sampling_interval': N('samplingInterval'),
  'cflow.sampling_algorithm': N('samplingAlgorithm'),
  'cflow.sampler_id': N('samplerId'),
  'cflow.sampler_mode': N('samplerMode'),
  'cflow.sampler_name': T('samplerName'),
  'cflow.sampler_random_interval': N('samplerRandomInterval'),
  'cflow.selector_id': N('selectorId'),
  'cflow.selector_name': T('selectorName'),
  'cflow.selector_algorithm': N('selectorAlgorithm'),
  'cflow.sampling_size': N('samplingSize'),
  'cflow.sampling_population': N('samplingPopulation'),
  'cflow.sampling_packet_interval': N('samplingPacketInterval'),
  'cflow.sampling_packet_space': N('samplingPacketSpace'),
  'cflow.ingress_vrfid': N('ingressVRFID'),
  'cflow.egress_vrfid': N('egressVRFID'),
  'cflow.vrfname': T('VRFname'),
  'cflow.mpls_vpn_rd': X('mplsVpnRouteDistinguisher'),
  'cflow.forwarding_status': N('forwardingStatus'),
  'cflow.delta_octets_squared': N('octetDeltaSumOfSquares'),
  'cflow.total_octets_squared': N('octetTotalSumOfSquares'),
  'cflow.if_name': T('interfaceName'),
  'cflow.if_descr': T('interfaceDescription'),
  'cflow.toplabeladdr': A('mplsTopLabelIPv4Address'),
  'cflow.toplabeladdr_v6': A('mplsTopLabelIPv6Address'),
  'cflow.toplabeltype': N('mplsTopLabelType'),
  'cflow.mpls_top_label_prefix_length': N('mplsTopLabelPrefixLength'),
  'cflow.mpls_label_length': N('mplsLabelStackLength'),
  'cflow.appl_name': T('applicationName'),
  'cflow.appl_desc': T('applicationDescription'),
  'cflow.observation_point_id': N('observationPointId'),
  'cflow.drop_octets': N('droppedOctetDeltaCount'),
  'cflow.drop_packets': N('droppedPacketDeltaCount'),
  'cflow.drop_total_octets': N('droppedOctetTotalCount'),
  'cflow.drop_total_packets': N('droppedPacketTotalCount'),
  'cflow.ignore_packets': N('ignoredPacketTotalCount'),
  'cflow.notsent_packets': N('notSentPacketTotalCount'),
  'cflow.flowsexp': N('exportedFlowRecordTotalCount'),
  'cflow.packetsexp': N('exportedMessageTotalCount'),
  'cflow.octetsexp': N('exportedOctetTotalCount'),
  'cflow.flow_active_timeout': N('flowActiveTimeout'),
  'cflow.flow_inactive_timeout': N('flowIdleTimeout'),
  'cflow.muloctets': N('postMCastOctetDeltaCount'),
  'cflow.mulpackets': N('postMCastPacketDeltaCount'),
  'cflow.post_total_muloctets': N('postMCastOctetTotalCount'),
  'cflow.post_total_mulpackets': N('postMCastPacketTotalCount'),
  'cflow.layer2_octet_delta_count': N('layer2OctetDeltaCount'),
  'cflow.layer2_octet_total_count': N('layer2OctetTotalCount'),
  'cflow.layer2_segment_id': N('layer2SegmentId'),
  'cflow.ingress_unicast_packet_total_count': N('ingressUnicastPacketTotalCount'),
  'cflow.ingress_multicast_packet_total_count': N('ingressMulticastPacketTotalCount'),
  'cflow.ingress_broadcast_packet_total_count': N('ingressBroadcastPacketTotalCount'),
  'cflow.egress_unicast_packet_total_count': N('egressUnicastPacketTotalCount'),
  'cflow.egress_broadcast_packet_total_count': N('egressBroadcastPacketTotalCount'),
  'cflow.ingress_interface_type': N('ingressInterfaceType'),
  'cflow.egress_interface_type': N('egressInterfaceType'),
  'cflow.total_tcp_syn': N('tcpSynTotalCount'),
  'cflow.total_tcp_fin': N('tcpFinTotalCount'),
  'cflow.total_tcp_rst': N('tcpRstTotalCount'),
  'cflow.total_tcp_psh': N('tcpPshTotalCount'),
  'cflow.total_tcp_ack': N('tcpAckTotalCount'),
  'cflow.total_tcp_urg': N('tcpUrgTotalCount'),
  'cflow.tcp_seq_num': N('tcpSequenceNumber'),
  'cflow.post_natsource_ipv4_address': A('postNATSourceIPv4Address'),
  'cflow.post_natdestination_ipv4_address': A('postNATDestinationIPv4Address'),
  'cflow.post_naptsource_transport_port': N('postNAPTSourceTransportPort'),
  'cflow.post_naptdestination_transport_port': N('postNAPTDestinationTransportPort'),
  'cflow.firewall_event': N('firewallEvent'),
  'cflow.fw_ext_event': N('firewallEventExtended'),
  'cflow.ingress_acl_id': X('ingressAclId'),
  'cflow.egress_acl_id': X('egressAclId'),
  'cflow.aaa_username': T('userName'),
  'cflow.flow_id': N('flowId'),
  'cflow.flow_exporter': N('exportingProcessId'),
  'cflow.exporter_addr': A('exporterIPv4Address'),
  'cflow.mp_id': N('meteringProcessId'),
  'cflow.od_id': N('observationDomainId'),
  'cflow.flows': N('deltaFlowCount'),
  'cflow.engine_id': N('engineId', 'ENGINE_ID'),
  'cflow.engine_type': N('engineType', 'ENGINE_TYPE'),
  'cflow.is_multicast': N('isMulticast'),
  'cflow.multicast_replication_factor': N('multicastReplicationFactor'),
  'cflow.new_connection_delta_count': N('newConnectionDeltaCount'),
  'cflow.connection_sum_duration_seconds': N('connectionSumDurationSeconds'),
  'cflow.data_link_frame_size': N('dataLinkFrameSize'),
  'cflow.data_link_frame_section': X('dataLinkFrameSection'),
  'cflow.wlan_ssid': T('wlanSSID'),
  'cflow.wtp_mac_address': A('wtpMacAddress'),
  'cflow.sta_mac_address': A('staMacAddress'),
  'cflow.sta_ipv4_address': A('staIPv4Address'),
  'cflow.scope_system': N('SCOPE_SYSTEM'),
  'cflow.scope_interface': N('SCOPE_INTERFACE'),
  'cflow.pie.ntop.l7_proto': N('L7_PROTO'),
  'cflow.pie.ntop.l7_proto_name': T('L7_PROTO_NAME'),
  'cflow.pie.cisco.connection_client_ipv4_address': A('clientIPv4Address'),
  'cflow.pie.cisco.connection_server_ipv4_address': A('serverIPv4Address'),
  'cflow.pie.cisco.connection_server_transport_port': N('serverTransportPort'),
  'cflow.pie.cisco.services_waas_segment': N('servicesWaasSegment'),
  'cflow.pie.cisco.services_waas_passthrough-reason': N('servicesWaasPassThroughReason'),
  'cflow.pie.cisco.connection_delay_response_to_server_sum': N('sumRespTime'),
  'cflow.pie.ciso.connection_server_counter_responses': N('numRespsCountDelta'),
  'cflow.pie.ciso.connection_delay_response_to_server_histogram_late': N('numLateRespsCountDelta'),
  'cflow.pie.cisco.connection_delay_network_to_server_sum': N('sumServerNwkTime'),
  'cflow.pie.cisco.connection_delay_network_to-client_sum': N('sumClientNwkTime'),
  'cflow.pie.ciso.connection_client_counter_packets_retransmitted': N('clientRetransPackets'),
  'cflow.pie.cisco.connection_delay_network_client-to_server_sum': N('sumNwkTime'),
  'cflow.pie.cisco.connection_delay_application_sum': N('sumServerRespTime'),
  'cflow.pie.cisco.connection_delay_application_max': N('maxServerRespTime'),
  'cflow.pie.cisco.connection_delay_response_client-to_server_sum': N('sumTotalRespTime'),
  'cflow.pie.cisco.connection_transaction_duration_sum': N('sumTransactionTime'),
  'cflow.pie.ciso.connection_transaction_counter_complete': N('transactionCountDelta'),
  'cflow.pie.netscaler.transaction-id': N('transactionId'),
  'cflow.pie.netscaler.connection-id': N('connectionId'),
  'cflow.pie.netscaler.connection-chain-id': X('connectionChainID'),
  'cflow.pie.netscaler.connection-chain-hop-count': N('connectionChainHopCount'),
  'cflow.pie.netscaler.flow-flags': N('flowFlags'),
  'cflow.pie.netscaler.appname-app-id': N('appNameAppId'),
  'cflow.pie.netscaler.app-unit-name-appid': N('appUnitNameAppId'),
  'cflow.pie.netscaler.http-res-forw-fb': N('httpResForwFB'),
  'cflow.pie.netscaler.http-res-forw-lb': N('httpResForwLB'),
  'cflow.pie.netscaler.round-trip-time': N('roundTripTime'),
  'cflow.pie.netscaler.aaa-username': T('aaaUsername'),
  'cflow.pie.netscaler.http-contenttype': T('httpContentType'),
  'cflow.pie.netscaler.http-domain-name': T('httpDomainName'),
  'cflow.pie.netscaler.http-req-authorization': T('httpReqAuthorization'),
  'cflow.pie.netscaler.http-req-cookie': T('httpReqCookie'),
  'cflow.pie.netscaler.http-req-host': T('httpReqHost'),
  'cflow.pie.netscaler.http-req-method': T('httpReqMethod'),
  'cflow.pie.netscaler.http-req-referer': T('httpReqReferer'),
  'cflow.pie.netscaler.http-req-url': T('httpReqUrl'),
  'cflow.pie.netscaler.http-req-useragent': T('httpReqUserAgent'),
  'cflow.pie.netscaler.http-req-via': T('httpReqVia'),
  'cflow.pie.netscaler.http-reqx-forwardedfor': T('httpReqXForwardedFor'),
};

/** Fields that are no value of their own: parts of others, lengths, padding, tshark's notes. */
const NO_VALUE =
  /^cflow\.(?:timedelta|padding|reserved|string_len_(?:short|long)|mpls_exp|mpls_bos|forwarding_status_.*|pie\.[a-z]+|subtemplate_.*|appl_id\.selector_id)$|^_ws\./;

/** Enterprise numbers by tshark's names, for fields it does not know itself. */
const ENTERPRISES: Readonly<Record<string, number>> = {
  'CERT Coordination Center': 6871,
  'VMware Inc.': 6876,
  Netscaler: 5951,
  CESNET: 8057,
  'Masaryk University': 16982,
  'vIPtela Inc.': 41916,
};

const MPLS_KEYS = [
  'mplsTopLabelStackSection',
  ...Array.from({ length: 9 }, (_, index) => `mplsLabelStackSection${index + 2}`),
];

const TIME_KEYS: Readonly<Record<string, readonly [milliseconds: string, raw: readonly string[]]>> = {
  start: ['flowStartMilliseconds', ['flowStartSysUpTime']],
  end: ['flowEndMilliseconds', ['flowEndSysUpTime']],
};

interface Comparison {
  readonly name: string;
  readonly expected: string;
  readonly ours: string;
}

const registry = loadBuiltInRegistry();

function octetsOf(field: TsharkField): Buffer {
  return Buffer.from(field.octets, 'hex');
}

function textOfOctets(octets: Buffer): string {
  return new TextDecoder().decode(octets).replace(/\0+$/, '');
}

function convert(field: TsharkField, as: Conversion): string {
  switch (as) {
    case 'number':
      return field.octets === '' ? field.show : BigInt(`0x${field.octets}`).toString();
    case 'masked':
      return String(Number(field.show));
    case 'text':
      return textOfOctets(octetsOf(field));
    case 'octets':
      return field.octets;
    default:
      return field.show;
  }
}

function plain(value: LineValue | undefined): string {
  if (value === undefined) return '(absent)';
  if (value === true) return '1';
  if (value === false) return '0';
  return typeof value === 'object' ? JSON.stringify(value) : String(value);
}

/** `Oct  5, 2009 06:06:07.492059999 UTC` in nanoseconds since 1970. */
function nanosecondsOf(show: string): bigint {
  const [, date, fraction = ''] = /^(.*?)(?:\.(\d+))? UTC$/.exec(show) ?? [];
  return BigInt(Date.parse(`${date} UTC`)) * 1_000_000n + BigInt(fraction.padEnd(9, '0').slice(0, 9));
}

/** Export time and time since the Exporter's start, of a header; milliseconds. */
function exportTimes({ header }: TsharkRecord): { exportMs: number; upMs: number } {
  const number = (name: string): number => Number.parseInt(header.get(name)?.octets ?? '0', 16);
  const seconds = number('cflow.unix_secs') || number('cflow.exporttime');
  const stamp = header.get('cflow.timestamp');
  const exportMs = stamp !== undefined ? Number(nanosecondsOf(stamp.show) / 1_000_000n) : seconds * 1000;
  return { exportMs, upMs: number('cflow.sysuptime') };
}

class RecordComparison {
  readonly comparisons: Comparison[] = [];
  readonly unmapped = new Set<string>();
  private readonly line: Line;
  private readonly record: TsharkRecord;
  private readonly systemInitMs: number;
  private readonly seen = new Map<string, number>();
  private labels = 0;

  constructor(record: TsharkRecord, line: Line, systemInitMs: number) {
    this.record = record;
    this.line = line;
    this.systemInitMs = systemInitMs;
    for (const field of record.fields) this.compare(field);
  }

  private compare(field: TsharkField): void {
    const { name } = field;
    if (NO_VALUE.test(name)) return;
    if (name === 'cflow.enterprise_private_entry' || name === 'cflow.unknown_field_type') return this.byNumber(field);
    if (name === 'cflow.appl_id.classification_engine_id') return this.application(field);
    if (name === 'cflow.mpls_label') {
      const key = MPLS_KEYS[this.labels++]!;
      return this.add(name, field.show, this.line.iana[key]);
    }
    const time = /^cflow\.(abs)?time(start|end)$/.exec(name);
    if (time !== null) return time[1] === 'abs' ? this.absolute(field, time[2]!) : this.relative(field, time[2]!);
    const instant = /^cflow\.(sys_init_time|observation_time_(?:seconds|milliseconds))$/.exec(name);
    if (instant !== null) return this.instant(field);
    const mapped = FIELDS[name];
    if (mapped === undefined) {
      this.unmapped.add(name);
      return;
    }
    const keys = field.isReverse ? mapped.keys.map(reverseKey) : mapped.keys;
    const key = keys.find((candidate) => this.line.iana[candidate] !== undefined) ?? keys[0]!;
    this.add(field.isReverse ? `${name} reverse` : name, convert(field, mapped.as), this.line.iana[key], key);
  }

  /** The occurrence of a repeated element is the array's item of the same place. */
  private add(name: string, expected: string, value: LineValue | undefined, key = name): void {
    const occurrence = this.seen.get(key) ?? 0;
    this.seen.set(key, occurrence + 1);
    const one = Array.isArray(value) ? value[occurrence] : value;
    this.comparisons.push({ name, expected, ours: plain(one) });
  }

  private application(field: TsharkField): void {
    const { fields } = this.record;
    const selector = fields[fields.indexOf(field) + 1];
    const number = selector?.name === 'cflow.appl_id.selector_id' ? Number.parseInt(selector.octets, 16) : 0;
    this.add('cflow.appl_id', `${Number.parseInt(field.octets, 16)}:${number}`, this.line.iana.applicationId);
  }

  private instant(field: TsharkField): void {
    const isSeconds = field.name.endsWith('_seconds');
    const key = field.name.endsWith('sys_init_time')
      ? 'systemInitTimeMilliseconds'
      : isSeconds
        ? 'observationTimeSeconds'
        : 'observationTimeMilliseconds';
    const expected = nanosecondsOf(field.show) / (isSeconds ? 1_000_000_000n : 1_000_000n);
    this.add(field.name, String(expected), this.line.iana[key]);
  }

  private absolute(field: TsharkField, side: string): void {
    const { iana } = this.line;
    const [key] = TIME_KEYS[side]!;
    const prefix = side === 'start' ? 'flowStart' : 'flowEnd';
    const nanoseconds = nanosecondsOf(field.show);
    const microseconds = iana[`${prefix}Microseconds`];
    if (microseconds !== undefined) {
      const rounded = (nanoseconds + 500n) / 1000n;
      this.add(`${field.name} microseconds`, String(rounded), microseconds);
      return;
    }
    const seconds = iana[`${prefix}Seconds`];
    if (field.octets.length === 8 && seconds !== undefined)
      return this.add(field.name, String(nanoseconds / 1_000_000_000n), seconds);
    this.add(field.name, String(nanoseconds / 1_000_000n), iana[key]);
  }

  private relative(field: TsharkField, side: string): void {
    const { iana } = this.line;
    const [key, [raw]] = TIME_KEYS[side]!;
    const value = Number.parseInt(field.octets, 16);
    if (iana[raw!] !== undefined) return this.add(`${field.name} raw`, String(value), iana[raw!]);
    const { exportMs, upMs } = exportTimes(this.record);
    const { version } = this.record;
    // RFC 3954 section 5.1; the difference is signed, so that it survives the wrap of sysUpTime.
    const expected = version === 10 ? this.systemInitMs + value : exportMs + ((value - upMs) | 0);
    this.add(field.name, String(expected), iana[key]);
  }

  private byNumber(field: TsharkField): void {
    const [, vendor = '', number = ''] = /(?:\((.*)\) )?Type (\d+): Value/.exec(field.label) ?? [];
    const id = Number(number);
    if (vendor === '(null)') return;
    const pen = ENTERPRISES[vendor] ?? 0;
    const element = pen === 0 ? registry.findNetflow9(id) : registry.find(pen, id);
    const reversed = pen === 0 || id < 16_384 ? undefined : registry.find(pen, id - 16_384);
    const described = element ?? reversed;
    const baseName = described?.name ?? `${pen}.${id}`;
    const key = element === undefined && reversed !== undefined ? reverseKey(baseName) : baseName;
    const octets = octetsOf(field);
    const type = described?.type ?? 'octetArray';
    const expected = type.startsWith('unsigned')
      ? convert(field, 'number')
      : type === 'string'
        ? textOfOctets(octets)
        : field.octets;
    const ours = this.line.iana[key];
    this.add(`${field.name} ${pen}.${id}`, expected, ours ?? this.line.ntop[described?.ntopName ?? key], key);
  }
}

function reverseKey(key: string): string {
  return `reverse${key[0]!.toUpperCase()}${key.slice(1)}`;
}

const groupOfRecord = ({ version, exporter, domain, templateId }: TsharkRecord): string =>
  version >= 9 ? `${version} ${exporter} ${domain} ${templateId}` : `${version} ${exporter}`;

function groupOfLine(line: Line): string {
  const { ntop } = line;
  const version = Number(ntop.EXPORT_PROTOCOL_VERSION);
  const exporter = exporterOf(line);
  return version >= 9
    ? `${version} ${exporter} ${ntop.OBSERVATION_DOMAIN_ID} ${ntop.TEMPLATE_ID}`
    : `${version} ${exporter}`;
}

const captures = cataloguedCaptures().filter(({ protocol }) => protocol !== 'sflow5');

describe.skipIf(!hasCorpora || !hasTshark)('values against tshark', () => {
  it('all', async () => {
    const counts = new Map<string, number>();
    const differences = new Map<string, string[]>();
    const unmapped = new Map<string, string>();
    const missing: string[] = [];
    let agree = 0;
    let recs = 0;
    const queue = [...captures];
    const worker = async () => {
      for (let capture = queue.shift(); capture !== undefined; capture = queue.shift()) {
        const records = await tsharkRecords(capture);
        const { lines } = decodeCapture(capture.path);
        const groups = new Map<string, Line[]>();
        for (const line of lines) {
          if (line.ntop.EXPORT_PROTOCOL === 'sFlow') continue;
          const g = groupOfLine(line);
          const list = groups.get(g);
          if (list) list.push(line);
          else groups.set(g, [line]);
        }
        const init = new Map<string, number>();
        const theirs = new Map<string, TsharkRecord[]>();
        for (const r of records) {
          const g = groupOfRecord(r);
          const list = theirs.get(g);
          if (list) list.push(r);
          else theirs.set(g, [r]);
        }
        for (const [g, list] of theirs) {
          const ours = groups.get(g) ?? [];
          if (ours.length !== list.length) missing.push(`${capture.path} ${g}: tshark ${list.length} ours ${ours.length}`);
        }
        for (const [g, list] of groups) if (!theirs.has(g)) missing.push(`${capture.path} ${g}: tshark 0 ours ${list.length}`);
        for (const r of records) {
          const g = groupOfRecord(r);
          if (theirs.get(g)!.length !== (groups.get(g) ?? []).length) continue;
          const line = groups.get(g)![theirs.get(g)!.indexOf(r)]!;
          const domain = `${r.exporter} ${r.domain}`;
          const own = r.fields.find((f) => f.name === 'cflow.sys_init_time');
          if (own) init.set(domain, Number(nanosecondsOf(own.show) / 1_000_000n));
          const c = new RecordComparison(r, line, init.get(domain) ?? 0);
          recs++;
          for (const u of c.unmapped) unmapped.set(u, capture.path);
          for (const { name, expected, ours } of c.comparisons) {
            counts.set(name, (counts.get(name) ?? 0) + 1);
            if (expected === ours) agree++;
            else {
              const key = `${name}`;
              const d = differences.get(key) ?? [];
              d.push(`${capture.path} frame ${r.frame} ${g}: ${expected} / ${ours}`);
              differences.set(key, d);
            }
          }
        }
      }
    };
    await Promise.all([worker(), worker()]);
    console.log(recs, agree, [...counts].length);
    console.log('UNMAPPED', [...unmapped]);
    console.log('MISSING', missing.join('\n'));
    for (const [k, d] of differences) {
      const per = new Map<string, string[]>();
      for (const x of d) { const p = x.split(' ')[0]!; per.set(p, [...(per.get(p) ?? []), x]); }
      console.log(`DIFF ${k} ${d.length} of ${counts.get(k)}`);
      for (const [, xs] of per) console.log(`   ${xs.length}x ${xs.slice(0, 2).join('\n      ')}`.slice(0, 700));
    }
  }, 600_000);
});
