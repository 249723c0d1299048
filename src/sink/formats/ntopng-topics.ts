/** What ntopng is told besides flows, as JSON: the state of the probe, names, counters. Types and names are those its parsers read. */

import { FIELDS, type FieldName } from '../../flow/fields.ts';
import type { PlainRecord, PlainValue } from '../../flow/flow.ts';
import { containerItem } from './ntopng-agent.ts';
import { fieldKey, KNOWN_NAMES, NTOP_ENTERPRISE, NTOP_OFFSET } from './ntopng-keys.ts';
import { plainJson } from './plain-json.ts';

/** One Exporter, as the event message lists it. */
export interface FeedExporter {
  readonly address: string;
  /** When it was heard last, Unix seconds. */
  readonly lastSeenSeconds: number;
  readonly netflowFlows: number;
  readonly sflowFlows: number;
  /** Records, packets or datagrams missing by sequence number, and messages that could not be decoded. */
  readonly drops: number;
}

/** The collector, as the event message tells of it: sums since the start. */
export interface FeedStatus {
  readonly netflowFlows: number;
  readonly sflowSamples: number;
  /** Samples the Exporters' sFlow agents lost. */
  readonly sflowDrops: number;
  /** Missing by sequence number, or not decoded. */
  readonly collectionDrops: number;
  /** Datagrams the kernel dropped. */
  readonly socketDrops: number;
  /** Port flows come in by; 0 for none. */
  readonly collectionPort: number;
  readonly exporters: readonly FeedExporter[];
}

/** What the feed itself adds to an event. */
export interface FeedTotals {
  readonly octets: number;
  readonly packets: number;
  readonly flows: number;
  readonly octetsPerSecond: number;
  readonly packetsPerSecond: number;
  /** Flows that the endpoint lost: they went out to nobody or not at all. */
  readonly flowsDropped: number;
  /** Ends the feed has. */
  readonly endpoints: number;
}

/** Who sends. */
export interface FeedProbe {
  readonly version: string;
  readonly hostName: string;
  readonly operatingSystem: string;
  readonly address: string;
  readonly sourceId: number;
}

/** Seconds without a record after which ntopng ends a flow, and how long one may last: it keeps flows for the lower of the first and last, and 10 more. */
const TIMEOUTS = { lifetime: 300, idle: 60, collected_lifetime: 300 } as const;
/** Octets left for what an event says besides its Exporters. */
const EVENT_OCTETS = 2000;

/**
 * The message of topic `event`, of at most `maxOctets`: ntopng shows nothing of a longer one. It tells of as many Exporters as fit,
 * those heard last. `exporterId` gives the id under which flows name an Exporter.
 */
export function eventMessage(
  status: FeedStatus,
  totals: FeedTotals,
  probe: FeedProbe,
  nowMs: number,
  maxOctets: number,
  exporterId: (address: string) => number,
): string {
  const exporters: Record<string, PlainValue> = {};
  let octets = EVENT_OCTETS;
  // ntopng reads their keys as IPv4.
  const listed = status.exporters.filter(({ address }) => !address.includes(':'));
  for (const exporter of listed.sort((one, other) => other.lastSeenSeconds - one.lastSeenSeconds)) {
    const row = {
      time_last_flow: exporter.lastSeenSeconds,
      num_sflow_flows: exporter.sflowFlows,
      num_netflow_ipfix_flows: exporter.netflowFlows,
      num_drops: exporter.drops,
      unique_source_id: exporterId(exporter.address),
    };
    octets += plainJson(row).length + exporter.address.length + 4;
    if (octets > maxOctets) break;
    exporters[exporter.address] = row;
  }
  return plainJson({
    iface: { name: 'flowrelay', speed: 1000, ip: probe.address },
    mode: 'flow_collection',
    probe: {
      ip: probe.address,
      public_ip: probe.address,
      version: probe.version,
      osname: probe.operatingSystem,
      license: 'MIT',
      edition: 'flowrelay',
      maintenance: '',
      uuid: `${probe.hostName}-${probe.sourceId.toString(16).padStart(8, '0')}`.slice(-35),
      uuid_num: probe.sourceId,
      unique_source_id: probe.sourceId,
    },
    time: Math.floor(nowMs / 1000),
    bytes: Math.round(totals.octets),
    packets: Math.round(totals.packets),
    packet_drops: status.socketDrops,
    avg: { bps: Math.round(totals.octetsPerSecond * 8), pps: Math.round(totals.packetsPerSecond) },
    timeout: TIMEOUTS,
    drops: {
      export_queue_full: totals.flowsDropped,
      too_many_flows: 0,
      elk_flow_drops: 0,
      sflow_pkt_sample_drops: status.sflowDrops,
      flow_collection_drops: status.collectionDrops,
      flow_collection_udp_socket_drops: status.socketDrops,
    },
    flow_collection: {
      nf_ipfix_flows: status.netflowFlows,
      sflow_samples: status.sflowSamples,
      collection_port: status.collectionPort,
      exporters,
    },
    zmq: { num_flow_exports: totals.flows, num_exporters: totals.endpoints, num_zmq_exporters: totals.endpoints },
  });
}

/** The message of topic `hello`, whose content ntopng does not look at. */
export function helloMessage({ version, hostName, sourceId }: FeedProbe): string {
  return plainJson({ version, name: hostName, unique_source_id: sourceId });
}

/** Elements ntopng reads but knows by no name until it is told: number, name, octets. */
const NAMES_TO_TELL: readonly (readonly [id: number, name: string])[] = [
  [78, 'CLIENT_TCP_FLAGS'],
  [79, 'SERVER_TCP_FLAGS'],
  [125, 'APPL_LATENCY_MS'],
  [130, 'SIP_CALL_ID'],
  [355, 'DHCP_CLIENT_NAME'],
  [416, 'TCP_WIN_MAX_IN'],
  [420, 'TCP_WIN_MAX_OUT'],
];

const OCTETS = { u8: 1, u16: 2, u32: 4, u64: 8, ipv4: 4, ipv6: 16, mac: 6, time: 4 } as const;

/** The message of topic `template`: names and descriptions of the numbers that flows use. */
export function templateMessage(): string {
  const rows = new Map<number, { name: string; len: number; format: string; descr: string }>();
  for (const { field, type, ntop, iana, meaning } of FIELDS) {
    const key = fieldKey(field as FieldName, ntop, iana);
    if (typeof key !== 'number' || rows.has(key)) continue;
    const len: number = (OCTETS as Readonly<Record<string, number>>)[type] ?? 0;
    rows.set(key, { name: ntop, len, format: len === 0 ? 'ascii' : 'formatted_uint', descr: meaning });
  }
  for (const [name, key] of KNOWN_NAMES) {
    const known = rows.get(key);
    if (known === undefined) rows.set(key, { name, len: 4, format: 'formatted_uint', descr: name });
    else known.name = name;
  }
  for (const [id, name] of NAMES_TO_TELL) {
    const key = NTOP_OFFSET + id;
    rows.set(key, { ...(rows.get(key) ?? { len: 4, format: 'formatted_uint', descr: name }), name });
  }
  return plainJson(
    [...rows].map(([key, row]) => ({
      PEN: key >= NTOP_OFFSET ? NTOP_ENTERPRISE : 0,
      field: key >= NTOP_OFFSET ? key - NTOP_OFFSET : key,
      ...row,
    })),
  );
}

const DIRECTIONS = ['Unknown', 'Full', 'Half', 'In', 'Out'];
const UNKNOWN_32 = 0xffff_ffff;

/** Messages of topic `counter`: one for each interface of an sFlow counters sample, or the one that was heard as such. */
export function counterMessages({ values, origin }: PlainRecord): string[] {
  const device = ipv4Number(origin.exporterAddress);
  if (device === undefined) return [];
  if (origin.protocol === 'ntopng' || origin.protocol === 'agent')
    return typeof values['ifIndex'] === 'number' ? [heardCounters(values, device)] : [];
  return listOf(values['if_counters']).flatMap((item) => {
    if (!isObject(item)) return [];
    const number = (name: string): number => {
      const value = item[name];
      const plain = typeof value === 'bigint' ? Number(value) : value;
      return typeof plain === 'number' && plain !== UNKNOWN_32 && plain < 2 ** 64 - 1 ? plain : 0;
    };
    const sum = (...names: readonly string[]): number => names.reduce((total, name) => total + number(name), 0);
    const status = number('ifStatus');
    const portName = listOf(values['port_name'])[0];
    const name = isObject(portName) && typeof portName['name'] === 'string' ? portName['name'] : '';
    const sequence = values['SFLOW_SAMPLE_SEQUENCE_NUMBER'];
    return [
      plainJson({
        deviceIP: device,
        samplesGenerated: typeof sequence === 'number' ? sequence : 0,
        ifIndex: number('ifIndex'),
        ifName: name,
        ifType: number('ifType'),
        ifSpeed: Math.min(number('ifSpeed'), UNKNOWN_32),
        ifDirection: DIRECTIONS[number('ifDirection')] ?? 'Unknown',
        ifAdminStatus: (status & 1) === 0 ? 'Down' : 'Up',
        ifOperStatus: (status & 2) === 0 ? 'Down' : 'Up',
        ifInOctets: number('ifInOctets'),
        ifInPackets: sum('ifInUcastPkts', 'ifInMulticastPkts', 'ifInBroadcastPkts'),
        ifInErrors: number('ifInErrors'),
        ifOutOctets: number('ifOutOctets'),
        ifOutPackets: sum('ifOutUcastPkts', 'ifOutMulticastPkts', 'ifOutBroadcastPkts'),
        ifOutErrors: number('ifOutErrors'),
        ifPromiscuousMode: number('ifPromiscuousMode') === 1 ? 1 : 0,
      }),
    ];
  });
}

/** Counters that came by a feed, or from an agent, which names containers. */
function heardCounters(values: PlainRecord['values'], device: number): string {
  const items = Object.entries(values).flatMap(([key, value]): [string, PlainValue][] => {
    if (/CONTAINER$/.test(key)) return [[key, containerItem(value)]];
    if (key === 'deviceIP' || typeof value === 'object') return [];
    return [[key, key === 'ifSpeed' && Number(value) > UNKNOWN_32 ? UNKNOWN_32 : value]];
  });
  return plainJson({ deviceIP: device, ...Object.fromEntries(items) });
}

/** The message of topic `option` for an options record that names an application or was heard as such, or undefined. */
export function optionMessage({ ianaValues, origin }: PlainRecord): string | undefined {
  if (origin.protocol === 'ntopng') {
    const { PEN, field, value, map } = ianaValues;
    const isNamed = typeof PEN === 'number' && typeof field === 'number' && typeof value === 'number' && isObject(map);
    return isNamed ? plainJson({ PEN, field, value, map }) : undefined;
  }
  const id = ianaValues['applicationId'];
  const name = textOf(ianaValues['applicationName']) ?? textOf(ianaValues['applicationDescription']);
  const parts = typeof id === 'string' ? /^([0-9]+):([0-9]+)$/.exec(id) : null;
  if (parts === null || name === undefined) return undefined;
  const [engine, selector] = [Number(parts[1]), Number(parts[2])];
  if (selector >= 2 ** 24) return undefined;
  return plainJson({ PEN: 0, field: 95, value: engine * 2 ** 24 + selector, map: { name } });
}

/** The interface an options record names, or undefined. */
export function interfaceName({ ianaValues }: PlainRecord): readonly [ifIndex: number, name: string] | undefined {
  const index = [ianaValues['ingressInterface'], ianaValues['egressInterface'], ianaValues['SCOPE_INTERFACE']].find(
    (value) => typeof value === 'number',
  );
  const name = textOf(ianaValues['interfaceName']) ?? textOf(ianaValues['interfaceDescription']);
  return typeof index !== 'number' || name === undefined ? undefined : [index, name];
}

function textOf(value: PlainValue | undefined): string | undefined {
  return typeof value === 'string' && value !== '' ? value : undefined;
}

function listOf(value: PlainValue | undefined): readonly PlainValue[] {
  if (value === undefined) return [];
  return Array.isArray(value) ? (value as readonly PlainValue[]) : [value];
}

function isObject(value: PlainValue | undefined): value is { readonly [key: string]: PlainValue } {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function ipv4Number(address: string): number | undefined {
  const parts = /^(\d+)\.(\d+)\.(\d+)\.(\d+)$/.exec(address);
  if (parts === null) return undefined;
  return parts.slice(1).reduce((value, part) => value * 256 + Number(part), 0);
}
