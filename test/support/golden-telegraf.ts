/** Goldens of telegraf's NetFlow input: InfluxDB's line protocol. */

import { loadBuiltInRegistry } from '../../src/ie/registry.ts';
import type { Line } from './conformance-capture.ts';
import { type GoldenRecord, type GoldenValue, PROTOCOL_NUMBERS } from './golden.ts';
import { reverseKey } from './tshark-fields.ts';

const NUMBERS: Readonly<Record<string, readonly string[]>> = {
  src: ['sourceIPv4Address', 'sourceIPv6Address'],
  dst: ['destinationIPv4Address', 'destinationIPv6Address'],
  src_port: ['sourceTransportPort'],
  dst_port: ['destinationTransportPort'],
  next_hop: ['ipNextHopIPv4Address'],
  in_bytes: ['octetDeltaCount', 'if_counters.ifInOctets'],
  in_packets: ['packetDeltaCount'],
  in_total_bytes: ['octetTotalCount', 'octetDeltaCount'],
  in_total_packets: ['packetTotalCount', 'packetDeltaCount'],
  flow_start_ms: ['flowStartMilliseconds'],
  flow_end_ms: ['flowEndMilliseconds'],
  vlan_src: ['vlanId'],
  bgp_src_as: ['bgpSourceAsNumber'],
  bgp_dst_as: ['bgpDestinationAsNumber'],
  src_mask: ['sourceIPv4PrefixLength'],
  dst_mask: ['destinationIPv4PrefixLength'],
  in_snmp: ['ingressInterface', 'SFLOW_SOURCE_ID_INDEX'],
  out_snmp: ['egressInterface'],
  app_desc: ['applicationDescription'],
  app_name: ['applicationName'],
  dropped_packets_total: ['droppedPacketTotalCount'],
  ignored_packet_total: ['ignoredPacketTotalCount'],
  notsent_packet_total: ['notSentPacketTotalCount'],
  total_flows_exported: ['exportedFlowRecordTotalCount'],
  event_time: ['observationTimeSeconds'],
  system_init_ms: ['systemInitTimeMilliseconds'],
  exporter: ['EXPORTER_IPV4_ADDRESS'],
  exporting_pid: ['exportingProcessId'],
  observation_domain_id: ['0.149'],
  agent_ip: ['sflowAgentAddress'],
  agent_subid: ['sflowSubAgentId'],
  interface: ['if_counters.ifIndex'],
  interface_type: ['if_counters.ifType'],
  speed: ['if_counters.ifSpeed'],
  promiscuous: ['if_counters.ifPromiscuousMode'],
  in_unicast_packets_total: ['if_counters.ifInUcastPkts'],
  in_mcast_packets_total: ['if_counters.ifInMulticastPkts'],
  in_broadcast_packets_total: ['if_counters.ifInBroadcastPkts'],
  in_dropped_packets: ['if_counters.ifInDiscards'],
  in_errors: ['if_counters.ifInErrors'],
  in_unknown_protocol: ['if_counters.ifInUnknownProtos'],
  out_bytes: ['if_counters.ifOutOctets'],
  out_unicast_packets_total: ['if_counters.ifOutUcastPkts'],
  out_mcast_packets_total: ['if_counters.ifOutMulticastPkts'],
  out_broadcast_packets_total: ['if_counters.ifOutBroadcastPkts'],
  out_dropped_packets: ['if_counters.ifOutDiscards'],
  out_errors: ['if_counters.ifOutErrors'],
  port_name: ['port_name.name'],
  reason: ['OUTPUT_DISCARD_REASON'],
  out_queue: ['SFLOW_EXTENDED_EGRESS_QUEUE.queue'],
  sampling_drops: ['SFLOW_SAMPLE_DROPS'],
};

/**
 * Values that no line has, each with its reason: `source` is the sender of telegraf's own test; `flows`, `seq_number`,
 * `sys_uptime` and `sampling_interval` are of v5's header (time and sequence are compared through others, an interval of 0 is
 * none); the unit ids of v9's Source ID are telegraf's reading of it; `fwd_reason`, `ip_version` and `direction` repeat others;
 * a line has one code for ICMP's two; an sFlow line has no uptime of its agent.
 */
const UNCOMPARED =
  /^(?:source|flows|seq_number|sys_uptime|sampling_interval|fwd_reason|ip_version|direction|icmp_code|padding)$/;

const FLOW_END_REASONS: Readonly<Record<string, string>> = {
  'idle timeout': '1',
  'active timeout': '2',
  'end of flow': '3',
  'forced end': '4',
  'lack of resources': '5',
};

/** From the highest bit down: CWR, ECE, URG, ACK, PSH, RST, SYN, FIN. */
const FLAG_BITS = 8;

const registry = loadBuiltInRegistry();

/** Records of a golden of telegraf's. */
export function telegrafRecords(text: string): GoldenRecord[] {
  return text
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => {
      const version = /version=(\w+)/.exec(line)?.[1] ?? '';
      const fields = [...line.matchAll(/[ ,](\w+)=(?:"([^"]*)"|(\d+)u?)(?=[, ]|$)/g)].map(
        ([, name = '', quoted, digits]): [string, string] => [name, quoted ?? digits ?? ''],
      );
      const upTimeMs = Number(fields.find(([name]) => name === 'sys_uptime')?.[1] ?? 0);
      return fields.flatMap(([name, value]) => telegrafValue(name, value, version, upTimeMs));
    });
}

function telegrafValue(name: string, value: string, version: string, upTimeMs: number): GoldenValue[] {
  if (UNCOMPARED.test(name)) return [];
  const one = (keys: readonly string[], text: GoldenValue['text']): GoldenValue[] => [{ name, keys, text }];
  const numbered = NUMBERS[name];
  if (numbered !== undefined) return one(numbered, value);
  switch (name) {
    case 'protocol':
      return one(['protocolIdentifier'], PROTOCOL_NUMBERS[value] ?? value);
    case 'src_tos':
      return one(['ipClassOfService'], String(Number(value)));
    case 'tcp_flags':
      return one(['tcpControlBits'], flags(value));
    case 'flow_end_reason':
      return one(['flowEndReason'], FLOW_END_REASONS[value] ?? value);
    case 'fwd_status':
      return one(['forwardingStatus'], value === 'unknown' ? '0' : value);
    case 'icmp_type':
      return one(['icmpTypeCodeIPv4'], String(Number(value) * 256));
    case 'engine_type':
      return one(['engineType', 'ENGINE_TYPE'], value);
    case 'engine_id':
      return one(['engineId', 'ENGINE_ID'], String(Number(value)));
    case 'first_switched':
      return one(['flowStartMilliseconds'], (line) => placed(line, Number(value) - upTimeMs));
    case 'last_switched':
      return one(['flowEndMilliseconds'], (line) => placed(line, Number(value) - upTimeMs));
    case 'app_id':
      return one(['applicationId'], `${Number(value.slice(0, 4))}:${Number(`0x${value.slice(4)}`)}`);
    case 'status':
      return one(['if_counters.ifStatus'], value === 'up' ? '3' : value);
    case 'version':
      return one(['exportProtocol'], version.replace(/V\d+$/, ''));
    default:
      return byNumber(name, value);
  }
}

function placed({ iana }: Line, sinceExportMs: number): string {
  return String(Number(iana.exportTimeMilliseconds) + sinceExportMs);
}

function flags(letters: string): string {
  const bits = [...letters].map((letter) => (letter === '.' ? '0' : '1')).join('');
  return String(Number.parseInt(bits.padStart(FLAG_BITS, '0'), 2));
}

/** `type_6871_rev_40`, `type_29305_85`, `type_6871_33322`: elements by number; the name is the definitions'. */
function byNumber(name: string, value: string): GoldenValue[] {
  const [, pen, reverse, digits] = /^type_(\d+)_(rev_)?(\d+)$/.exec(name) ?? [];
  if (digits === undefined) return [{ name, keys: [], text: `${value}, of which no table knows` }];
  const id = Number(digits) & 0x7fff;
  const isReverse = reverse !== undefined || pen === '29305';
  const element = registry.find(pen === '29305' ? 0 : Number(pen), id);
  const base = element?.name ?? `${pen}.${id}`;
  // The entry of a list: compared as part of it by another golden.
  if (element !== undefined && /List$/.test(element.type)) return [];
  const keys = isReverse ? [reverseKey(base), reverseKey(base).replace('Total', 'Delta')] : [base];
  return [{ name, keys, text: String(Number(value)) }];
}
