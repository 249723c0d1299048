/** Goldens of two collectors of Elastic's: of logstash's NetFlow codec and of filebeat's NetFlow input. */

import { loadBuiltInRegistry } from '../../src/ie/registry.ts';
import type { Line, LineValue } from './conformance-capture.ts';
import { type GoldenRecord, type GoldenValue, lineValue } from './golden.ts';

type Json = string | number | boolean | null | Json[] | { [key: string]: Json };
type JsonObject = { [key: string]: Json };

/** Names that are neither IANA's nor ntop's in another spelling. */
const KEYS: Readonly<Record<string, readonly string[]>> = {
  // The flow's times are in milliseconds whatever the Exporter sent.
  flowStartSeconds: ['flowStartMilliseconds'],
  flowEndSeconds: ['flowEndMilliseconds'],
  flow_start_seconds: ['flowStartMilliseconds'],
  flow_end_seconds: ['flowEndMilliseconds'],
  first_switched: ['flowStartMilliseconds'],
  last_switched: ['flowEndMilliseconds'],
  octetTotalCount: ['octetTotalCount', 'octetDeltaCount'],
  packetTotalCount: ['packetTotalCount', 'packetDeltaCount'],
  reverseOctetTotalCount: ['reverseOctetTotalCount', 'reverseOctetDeltaCount'],
  reversePacketTotalCount: ['reversePacketTotalCount', 'reversePacketDeltaCount'],
  octet_total_count: ['octetTotalCount', 'octetDeltaCount'],
  packet_total_count: ['packetTotalCount', 'packetDeltaCount'],
  reverse_octet_total_count: ['reverseOctetTotalCount', 'reverseOctetDeltaCount'],
  reverse_packet_total_count: ['reversePacketTotalCount', 'reversePacketDeltaCount'],
  initiator_octets: ['octetDeltaCount'],
  initiator_packets: ['packetDeltaCount'],
  responder_octets: ['reverseOctetDeltaCount'],
  responder_packets: ['reversePacketDeltaCount'],
  in_permanent_bytes: ['octetTotalCount', 'octetDeltaCount'],
  flowset_id: ['templateId'],
  flow_seq_num: ['exportSequenceNumber'],
  version: ['exportProtocolVersion'],
  src_mask: ['sourceIPv4PrefixLength'],
  dst_mask: ['destinationIPv4PrefixLength'],
  flows: ['deltaFlowCount'],
  nprobe_proto: ['L7_PROTO'],
  nprobe_proto_name: ['L7_PROTO_NAME'],
  application_name: ['applicationName'],
  ip_dscp: ['ipDiffServCodePoint'],
  tcp_src_port: ['tcpSourcePort'],
  udp_dst_port: ['udpDestinationPort'],
  if_desc: ['interfaceDescription'],
  rev_flow_delta_bytes: ['postOctetDeltaCount', 'reverseOctetDeltaCount'],
  conn_id: ['flowId'],
  icmp_type: ['icmpTypeIPv4'],
  icmp_code: ['icmpCodeIPv4'],
  xlate_src_addr_ipv4: ['postNATSourceIPv4Address'],
  xlate_dst_addr_ipv4: ['postNATDestinationIPv4Address'],
  xlate_src_port: ['postNAPTSourceTransportPort'],
  xlate_dst_port: ['postNAPTDestinationTransportPort'],
  asa_xlate_src_addr_ipv4: ['postNATSourceIPv4Address'],
  asa_xlate_dst_addr_ipv4: ['postNATDestinationIPv4Address'],
  asa_xlate_src_port: ['postNAPTSourceTransportPort'],
  asa_xlate_dst_port: ['postNAPTDestinationTransportPort'],
  asa_fw_event: ['firewallEvent'],
  asa_username: ['userName'],
  username: ['userName'],
  fw_event: ['firewallEvent'],
  fw_ext_event: ['firewallEventExtended'],
  event_time_msec: ['observationTimeMilliseconds'],
  flow_start_msec: ['flowStartMilliseconds'],
  reamcore_id_rule_1: ['streamcoreIdRule1'],
  scope_system: ['SCOPE_SYSTEM'],
  waasoptimization_segment: ['servicesWaasSegment'],
  art_client_network_time_sum: ['sumClientNwkTime'],
  art_count_late_responses: ['numLateRespsCountDelta'],
  art_count_responses: ['numRespsCountDelta'],
  art_count_retransmissions: ['clientRetransPackets'],
  art_count_transactions: ['transactionCountDelta'],
  art_network_time_sum: ['sumNwkTime'],
  art_response_time_sum: ['sumRespTime'],
  art_server_network_time_sum: ['sumServerNwkTime'],
  art_server_response_time_maximum: ['maxServerRespTime'],
  art_server_response_time_sum: ['sumServerRespTime'],
  art_total_response_time_sum: ['sumTotalRespTime'],
  art_total_transaction_time_sum: ['sumTransactionTime'],
  exporterIPv4Address: ['EXPORTER_IPV4_ADDRESS'],
  exporter_ipv4_address: ['EXPORTER_IPV4_ADDRESS'],
};

/** Prefixes that name the vendor in front of its own name. */
const VENDOR = /^(?:netscaler|vmware)_?/;

/** An element that the collector knows by number only. */
const UNKNOWN = /^(vmware|netscaler)_?[uU]nknown(\d+)$/;

const ISO_TIME = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d+)?Z$/;
const DASHED_MAC = /^(?:[0-9A-F]{2}-){5}[0-9A-F]{2}$/;
const DASHED_OCTETS = /^[0-9a-f]{8}(?:-[0-9a-f]{8})+$/;

function squeezed(name: string): string {
  return name.replaceAll('_', '').toLowerCase();
}

/** The keys of a line that are the golden's name in another spelling. */
function keysFor(name: string, line: Line): readonly string[] {
  const known = KEYS[name];
  if (known !== undefined) return known;
  const [, vendor, id] = UNKNOWN.exec(name) ?? [];
  if (id !== undefined) {
    const pen = vendor === 'vmware' ? 6876 : 5951;
    return [registry.find(pen, Number(id))?.name ?? `${pen}.${id}`];
  }
  for (const each of [name, name.replace(VENDOR, '')]) {
    if (line.ntop[each.toUpperCase()] !== undefined) return [each.toUpperCase()];
    const wanted = squeezed(each);
    const found = Object.keys(line.iana).find((key) => squeezed(key) === wanted);
    if (found !== undefined) return [found];
  }
  return [];
}

const registry = loadBuiltInRegistry();

/** Rounded: the nanoseconds are what is left of a fraction of 2^-32 s. */
function microseconds(iso: string): string {
  const nanoseconds = Number(/\.(\d+)Z$/.exec(iso)?.[1]?.padEnd(9, '0') ?? 0);
  return String(BigInt(Date.parse(iso.replace(/\.\d+Z$/, 'Z'))) * 1000n + BigInt(Math.round(nanoseconds / 1000)));
}

function milliseconds(iso: string): string {
  return String(Date.parse(iso.replace(/(\.\d{3})\d+Z$/, '$1Z')));
}

function plainText(name: string, value: Json): string {
  if (/^flow(?:Start|End)Seconds$/.test(name) && typeof value === 'number') return String(value * 1000);
  if (typeof value !== 'string') return JSON.stringify(value);
  if (ISO_TIME.test(value)) return name.endsWith('_microseconds') ? microseconds(value) : milliseconds(value);
  if (DASHED_MAC.test(value)) return value.replaceAll('-', ':').toLowerCase();
  if (DASHED_OCTETS.test(value)) return value.replaceAll('-', '');
  if (name === 'application_id') return applicationId(value);
  if (name === 'netscaler_connection_chain_id') return Buffer.from(value, 'base64').toString('hex');
  return value;
}

/** logstash writes `5..38`, filebeat the octets in base64. */
function applicationId(value: string): string {
  if (value.includes('..')) return value.replace('..', ':');
  const octets = Buffer.from(value, 'base64');
  return `${octets[0]}:${octets.readUIntBE(1, octets.length - 1)}`;
}

function golden(name: string, value: Json): GoldenValue {
  const find = (line: Line): LineValue | undefined => {
    for (const key of keysFor(name, line)) {
      const found = lineValue(line, key);
      // Octets of an element that no definition has; the collector took them for a number.
      if (/^\d+\.\d+$/.test(key) && found !== undefined) return Number(`0x${String(found)}`);
      if (found !== undefined) return found;
    }
    return undefined;
  };
  return { name, keys: find, text: plainText(name, value) };
}

/** Times since the Exporter's start: as they are where the line keeps them, else placed by when it started. */
function sinceStart(name: string, value: number, startMs: number | undefined): GoldenValue {
  const isStart = /^flow_?start/i.test(name);
  const raw = isStart ? 'flowStartSysUpTime' : 'flowEndSysUpTime';
  const keys = [raw, isStart ? 'flowStartMilliseconds' : 'flowEndMilliseconds'];
  return {
    name,
    keys,
    text: (line) => (lineValue(line, raw) !== undefined ? String(value) : String((startMs ?? Number.NaN) + value)),
  };
}

/** Records of a golden of logstash's codec. */
export function logstashRecords(text: string): { records: GoldenRecord[]; templates: JsonObject[] } {
  const events = JSON.parse(text) as JsonObject[];
  const records: GoldenRecord[] = [];
  const templates: JsonObject[] = [];
  let startMs: number | undefined;
  for (const event of events) {
    const fields = event.netflow as JsonObject | undefined;
    if (fields === undefined) {
      templates.push(event);
      continue;
    }
    if (typeof fields.systemInitTimeMilliseconds === 'number') startMs = fields.systemInitTimeMilliseconds;
    const start = startMs;
    records.push(Object.entries(fields).flatMap(([name, value]) => logstashValue(name, value, fields.version!, start)));
  }
  return { records, templates };
}

function logstashValue(name: string, value: Json, version: Json, startMs: number | undefined): GoldenValue[] {
  // How many records the datagram has: of no record.
  if (name === 'flow_records') return [];
  // NetFlow v5's way to say that nothing is sampled; such a line has no interval.
  if (version === 5 && /^sampling_/.test(name) && value === 0) return [];
  // Octets that run on into the next record: the Exporter's lengths are wrong, and what they would say is nothing.
  if (name === 'mpls_label_stack_octets') return [];
  if (/SysUpTime$/.test(name)) return [sinceStart(name, value as number, startMs)];
  if (/_switched$/.test(name)) return [switched(name, value as string, version)];
  if (name === 'forwarding_status') {
    const { status, reason } = value as { status: number; reason: number };
    return [{ name, keys: ['forwardingStatus'], text: String(status * 64 + reason) }];
  }
  return [golden(name, value)];
}

/**
 * logstash counts the milliseconds of a time since the Exporter's start from the next second on, so that its NetFlow v9 times
 * are one second late, always.
 */
function switched(name: string, value: string, version: Json): GoldenValue {
  return { name, keys: KEYS[name]!, text: String(Date.parse(value) - (version === 9 ? 1000 : 0)) };
}

/** Records of a golden of filebeat's input. */
export function beatsRecords(text: string): GoldenRecord[] {
  const { events = [] } = JSON.parse(text) as { events?: { Fields: { netflow: JsonObject } }[] };
  let startMs: number | undefined;
  return events.map(({ Fields: { netflow } }) => {
    const { exporter, type, options, scope, ...fields } = netflow as JsonObject & { exporter: JsonObject };
    const { timestamp, version, uptime_millis: uptime, source_id: domain } = exporter;
    const exportMs = Date.parse(timestamp as string);
    const more = { ...(options as JsonObject | undefined), ...(scope as JsonObject | undefined) };
    const init = more.system_init_time_milliseconds;
    if (typeof init === 'string') startMs = Date.parse(init);
    const bootMs = version === 9 ? exportMs - (uptime as number) : startMs;
    const values: GoldenValue[] = [
      { name: 'type', keys: ['recordType'], text: (line) => recordType(type as string, line) },
      { name: 'exporter.timestamp', keys: ['exportTimeMilliseconds'], text: String(exportMs) },
      { name: 'exporter.version', keys: ['exportProtocolVersion'], text: String(version) },
      { name: 'exporter.source_id', keys: ['observationDomainId'], text: String(domain) },
    ];
    for (const [name, value] of Object.entries({ ...fields, ...more })) {
      if (name === 'padding_octets') continue;
      if (/sys_up_time$/.test(name)) values.push(sinceStart(name, value as number, bootMs));
      // filebeat takes NetFlow v9's scope types for elements of the same number: 1 is the system.
      else if (scope !== undefined && name === 'octet_delta_count' && version === 9)
        values.push({ name: 'scope.octet_delta_count', keys: ['SCOPE_SYSTEM'], text: String(value) });
      else values.push(golden(name, value));
    }
    return values;
  });
}

function recordType(type: string, { iana }: Line): string {
  if (type === 'netflow_options') return 'options';
  return iana.recordType === 'event' ? 'event' : 'flow';
}
