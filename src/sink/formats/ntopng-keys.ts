/**
 * Under which key ntopng takes what: its flow parser knows IANA's numbers, ntop's own as 57472 + id, and names. A number
 * it does not know is tried once more as one of ntop's, so that IANA's element 78 would become ntop's 78: numbers
 * from {@link FIRST_NTOP_ID} on go out only where ntopng means the same by them, all others under a name.
 */

import { type FieldName, SLOT } from '../../flow/fields.ts';

/** ntop's Private Enterprise Number. */
export const NTOP_ENTERPRISE = 35_632;
/** What ntopng adds to the id of an element of ntop's. */
export const NTOP_OFFSET = 57_472;
/** Lowest id of ntop's own elements. */
const FIRST_NTOP_ID = 78;
const MAX_NAME_LENGTH = 127;
/** Fields of protocols without elements have numbers from here on, which nobody else knows: NetFlow v1's. */
const FIRST_MADE_UP_ENTERPRISE = 0x7fff_fffe;

/** A key of a flow record: a number, or the text of `PEN.id` or a name. */
export type FeedKey = number | string;

/** Numbers of what a record says besides the fields of a flow. */
export const NTOPNG = {
  inOctets: 1,
  inPackets: 2,
  lastSwitched: 21,
  firstSwitched: 22,
  outOctets: 23,
  outPackets: 24,
  exporterIPv4: 130,
  exporterIPv6: 131,
  /** ntopng's meaning of 300; IANA's element 300 is a name. */
  observationPointId: 300,
  clientTcpFlags: NTOP_OFFSET + 78,
  clientLatency: NTOP_OFFSET + 123,
  serverLatency: NTOP_OFFSET + 124,
  flowSource: NTOP_OFFSET + 579,
  uniqueSourceId: NTOP_OFFSET + 589,
} as const;

/** Fields by number; those that are missing have a name only. */
const FIELD_NUMBERS: Readonly<Partial<Record<FieldName, number>>> = {
  sourceIPv4: 8,
  destinationIPv4: 12,
  sourceIPv6: 27,
  destinationIPv6: 28,
  sourcePort: 7,
  destinationPort: 11,
  protocol: 4,
  ipVersion: 60,
  octets: NTOPNG.inOctets,
  packets: NTOPNG.inPackets,
  reverseOctets: NTOPNG.outOctets,
  reversePackets: NTOPNG.outPackets,
  startMs: NTOPNG.firstSwitched,
  endMs: NTOPNG.lastSwitched,
  samplerId: 48,
  tcpFlags: 6,
  clientTcpFlags: NTOPNG.clientTcpFlags,
  serverTcpFlags: NTOP_OFFSET + 79,
  tos: 5,
  postTos: 55,
  icmpType: 32,
  inputInterface: 10,
  outputInterface: 14,
  sourceAs: 16,
  destinationAs: 17,
  nextAdjacentAs: 128,
  previousAdjacentAs: 129,
  sourceIPv4Mask: 9,
  destinationIPv4Mask: 13,
  sourceIPv6Mask: 29,
  destinationIPv6Mask: 30,
  nextHopIPv4: 15,
  nextHopIPv6: 62,
  bgpNextHopIPv4: 18,
  bgpNextHopIPv6: 63,
  vlan: 58,
  postVlan: 59,
  dot1qVlan: 243,
  postDot1qVlan: 254,
  sourceMac: 56,
  destinationMac: 80,
  postSourceMac: 81,
  postDestinationMac: 57,
  direction: 61,
  flowEndReason: 136,
  minimumTtl: 52,
  maximumTtl: 53,
  minimumPacketLength: 25,
  maximumPacketLength: 26,
  fragments: NTOP_OFFSET + 80,
  reverseFragments: NTOP_OFFSET + 81,
  retransmittedPackets: NTOP_OFFSET + 109,
  reverseRetransmittedPackets: NTOP_OFFSET + 110,
  outOfOrderPackets: NTOP_OFFSET + 111,
  reverseOutOfOrderPackets: NTOP_OFFSET + 112,
  clientNetworkLatency: NTOPNG.clientLatency,
  serverNetworkLatency: NTOPNG.serverLatency,
  applicationLatency: NTOP_OFFSET + 125,
  flowLabel: 31,
  fragmentIdentification: 54,
  ingressVrf: 234,
  postNatSourceIPv4: 225,
  postNatDestinationIPv4: 226,
  postNaptSourcePort: 227,
  postNaptDestinationPort: 228,
  innerProtocol: NTOP_OFFSET + 113,
  innerSourceIPv4: NTOP_OFFSET + 114,
  innerSourcePort: NTOP_OFFSET + 115,
  innerDestinationIPv4: NTOP_OFFSET + 116,
  innerDestinationPort: NTOP_OFFSET + 117,
  innerSourceIPv6: NTOP_OFFSET + 396,
  innerDestinationIPv6: NTOP_OFFSET + 397,
  l7Protocol: NTOP_OFFSET + 118,
  l7ProtocolName: NTOP_OFFSET + 119,
  l7Confidence: NTOP_OFFSET + 560,
  l7Info: NTOP_OFFSET + 539,
  dnsQuery: NTOP_OFFSET + 205,
  dnsQueryType: NTOP_OFFSET + 207,
  dnsReturnCode: NTOP_OFFSET + 208,
  tlsServerName: NTOP_OFFSET + 188,
  tlsCipher: NTOP_OFFSET + 493,
  ja4: NTOP_OFFSET + 576,
  httpMethod: NTOP_OFFSET + 360,
  // ntopng knows no HTTP_HOST: it shows the HTTP_SITE as the host.
  httpHost: NTOP_OFFSET + 361,
  httpUrl: NTOP_OFFSET + 180,
  httpReturnCode: NTOP_OFFSET + 181,
  httpUserAgent: NTOP_OFFSET + 183,
  smtpMailFrom: NTOP_OFFSET + 185,
  smtpRecipient: NTOP_OFFSET + 186,
  bittorrentHash: NTOP_OFFSET + 189,
  sipCallId: NTOP_OFFSET + 130,
  dhcpClientName: NTOP_OFFSET + 355,
  sourceProcessId: NTOP_OFFSET + 168,
  sourceProcessName: NTOP_OFFSET + 169,
  sourceProcessUserName: NTOP_OFFSET + 372,
  sourceFatherProcessId: NTOP_OFFSET + 373,
  sourceFatherProcessName: NTOP_OFFSET + 374,
  destinationProcessId: NTOP_OFFSET + 375,
  destinationProcessName: NTOP_OFFSET + 376,
  destinationProcessUserName: NTOP_OFFSET + 377,
  destinationFatherProcessId: NTOP_OFFSET + 378,
  destinationFatherProcessName: NTOP_OFFSET + 379,
  sourceProcessMemory: NTOP_OFFSET + 383,
  sourceProcessPeakMemory: NTOP_OFFSET + 384,
  sourceProcessCpuLoad: NTOP_OFFSET + 385,
  sourceProcessPageFaults: NTOP_OFFSET + 386,
  destinationProcessMemory: NTOP_OFFSET + 387,
  destinationProcessPeakMemory: NTOP_OFFSET + 388,
  destinationProcessCpuLoad: NTOP_OFFSET + 389,
  destinationProcessPageFaults: NTOP_OFFSET + 390,
  sourceProcessIoWait: NTOP_OFFSET + 393,
  destinationProcessIoWait: NTOP_OFFSET + 394,
  sourceProcessUserId: NTOP_OFFSET + 425,
  destinationProcessUserId: NTOP_OFFSET + 426,
  sourceProcessPackage: NTOP_OFFSET + 540,
  destinationProcessPackage: NTOP_OFFSET + 541,
  sourceProcessCommandLine: NTOP_OFFSET + 556,
  destinationProcessCommandLine: NTOP_OFFSET + 557,
  sourceContainerId: NTOP_OFFSET + 558,
  destinationContainerId: NTOP_OFFSET + 559,
  sourceFatherProcessPackage: NTOP_OFFSET + 561,
  destinationFatherProcessPackage: NTOP_OFFSET + 563,
  sourceFatherProcessUserId: NTOP_OFFSET + 564,
  sourceFatherProcessUserName: NTOP_OFFSET + 565,
  destinationFatherProcessUserId: NTOP_OFFSET + 567,
  destinationFatherProcessUserName: NTOP_OFFSET + 568,
};

/** Names ntopng knows without being told, by the number it takes them for. */
export const KNOWN_NAMES: ReadonlyMap<string, number> = new Map(
  (
    [
      [
        0,
        '1 IN_BYTES 2 IN_PKTS 4 PROTOCOL 5 SRC_TOS 6 TCP_FLAGS 7 L4_SRC_PORT 8 IPV4_SRC_ADDR 9 IPV4_SRC_MASK 10 INPUT_SNMP ' +
          '11 L4_DST_PORT 12 IPV4_DST_ADDR 13 IPV4_DST_MASK 14 OUTPUT_SNMP 15 IPV4_NEXT_HOP 16 SRC_AS 17 DST_AS ' +
          '21 LAST_SWITCHED 22 FIRST_SWITCHED 23 OUT_BYTES 24 OUT_PKTS 27 IPV6_SRC_ADDR 28 IPV6_DST_ADDR ' +
          '34 SAMPLING_INTERVAL 42 TOTAL_FLOWS_EXP 55 DST_TOS 56 IN_SRC_MAC 57 OUT_DST_MAC 58 SRC_VLAN 59 DST_VLAN ' +
          '60 IP_PROTOCOL_VERSION 61 DIRECTION 80 IN_DST_MAC 81 OUT_SRC_MAC 128 BGP_NEXT_ADJACENT_ASN ' +
          '129 BGP_PREV_ADJACENT_ASN 130 EXPORTER_IPV4_ADDRESS 131 EXPORTER_IPV6_ADDRESS 136 FLOW_END_REASON ' +
          '225 POST_NAT_SRC_IPV4_ADDR 226 POST_NAT_DST_IPV4_ADDR 227 POST_NAT_SRC_TRANSPORT_PORT ' +
          '228 POST_NAT_DST_TRANSPORT_PORT 231 INITIATOR_OCTETS 232 RESPONDER_OCTETS 234 INGRESS_VRFID ' +
          '243 DOT1Q_SRC_VLAN 254 DOT1Q_DST_VLAN 298 INITIATOR_PKTS 299 RESPONDER_PKTS 300 OBSERVATION_POINT_ID',
      ],
      [
        NTOP_OFFSET,
        '80 SRC_FRAGMENTS 81 DST_FRAGMENTS 109 RETRANSMITTED_IN_PKTS 110 RETRANSMITTED_OUT_PKTS 111 OOORDER_IN_PKTS ' +
          '112 OOORDER_OUT_PKTS 118 L7_PROTO 119 L7_PROTO_NAME 122 NPROBE_INSTANCE_NAME 123 CLIENT_NW_LATENCY_MS ' +
          '124 SERVER_NW_LATENCY_MS 168 SRC_PROC_PID 169 SRC_PROC_NAME 180 HTTP_URL 181 HTTP_RET_CODE ' +
          '183 HTTP_USER_AGENT 185 SMTP_MAIL_FROM 186 SMTP_RCPT_TO 188 TLS_SERVER_NAME 189 BITTORRENT_HASH ' +
          '205 DNS_QUERY 207 DNS_QUERY_TYPE 208 DNS_RET_CODE 360 HTTP_METHOD 361 HTTP_SITE 372 SRC_PROC_USER_NAME ' +
          '373 SRC_FATHER_PROC_PID 374 SRC_FATHER_PROC_NAME 375 DST_PROC_PID 376 DST_PROC_NAME 377 DST_PROC_USER_NAME ' +
          '378 DST_FATHER_PROC_PID 379 DST_FATHER_PROC_NAME 383 SRC_PROC_ACTUAL_MEMORY 384 SRC_PROC_PEAK_MEMORY ' +
          '385 SRC_PROC_AVERAGE_CPU_LOAD 386 SRC_PROC_NUM_PAGE_FAULTS 387 DST_PROC_ACTUAL_MEMORY ' +
          '388 DST_PROC_PEAK_MEMORY 389 DST_PROC_AVERAGE_CPU_LOAD 390 DST_PROC_NUM_PAGE_FAULTS ' +
          '393 SRC_PROC_PCTG_IOWAIT 394 DST_PROC_PCTG_IOWAIT 425 SRC_PROC_UID 426 DST_PROC_UID ' +
          '471 NPROBE_IPV4_ADDRESS 493 TLS_CIPHER 494 SSL_UNSAFE_CIPHER 509 L7_PROTO_RISK 510 L7_PROTO_RISK_NAME ' +
          '522 FLOW_VERDICT 539 L7_INFO 540 SRC_PROC_PKG_NAME 541 DST_PROC_PKG_NAME 554 L7_ERROR_CODE 555 L7_RISK_INFO ' +
          '556 SRC_PROC_CMDLINE 557 DST_PROC_CMDLINE 558 SRC_PROC_CONTAINER_ID 559 DST_PROC_CONTAINER_ID ' +
          '560 L7_CONFIDENCE 561 SRC_FATHER_PROC_PKG_NAME 563 DST_FATHER_PROC_PKG_NAME 564 SRC_FATHER_PROC_UID ' +
          '565 SRC_FATHER_PROC_USER_NAME 567 DST_FATHER_PROC_UID 568 DST_FATHER_PROC_USER_NAME 576 JA4C_HASH ' +
          '579 FLOW_SOURCE 589 UNIQUE_SOURCE_ID',
      ],
    ] as const
  ).flatMap(([offset, rows]) => {
    const words = rows.split(' ');
    return Array.from(
      { length: words.length / 2 },
      (_, i) => [words[2 * i + 1]!, offset + Number(words[2 * i])] as const,
    );
  }),
);

const NAME_BY_NUMBER: ReadonlyMap<number, string> = new Map([...KNOWN_NAMES].map(([name, number]) => [number, name]));

/** Names that agents use for nested records: ntopng would read ours as theirs, and 5.6 crashes on INTERFACE_NAME. */
const AGENT_NAMES: ReadonlySet<string> = new Set([
  'timestamp',
  'json',
  'TCP',
  'TCP_EVENT_TYPE',
  'UDP_EVENT_TYPE',
  'EVENT_TYPE',
  'USER_NAME',
  'INTERFACE_NAME',
  'IPV4_LOCAL_ADDR',
  'IPV6_LOCAL_ADDR',
  'IPV4_REMOTE_ADDR',
  'IPV6_REMOTE_ADDR',
  'L4_LOCAL_PORT',
  'L4_REMOTE_PORT',
]);

/** ntopng's own numbers that say who sent the flow, or ask it to take counters as sums: what an Exporter says there is not passed on. */
const OURS: ReadonlySet<number> = new Set([
  NTOPNG.exporterIPv4,
  NTOPNG.exporterIPv6,
  NTOP_OFFSET + 471,
  NTOPNG.flowSource,
  NTOPNG.uniqueSourceId,
]);

/** The name ntopng knows for a number without being told, or undefined. */
export function knownName(number: number): string | undefined {
  return NAME_BY_NUMBER.get(number);
}

/** The application of a flow as ntopng reads it: nDPI's number, behind that of what carries it where there is such. */
export function l7Numbers(words: Uint32Array): string {
  const master = words[SLOT.l7MasterProtocol]!;
  const application = words[SLOT.l7Protocol]!;
  return master === 0 ? String(application) : `${master}.${application}`;
}

/** The key of a field of a flow, or undefined where it stays out. */
export function fieldKey(field: FieldName, ntop: string, iana: string): FeedKey | undefined {
  return FIELD_NUMBERS[field] ?? freeName(ntop, iana);
}

/**
 * The key of an Information Element no field stands for, or undefined where ntopng would take it for something else.
 * `ntop` and `iana` are its names.
 */
export function elementKey(
  enterpriseNumber: number,
  elementId: number,
  ntop: string,
  iana: string,
): FeedKey | undefined {
  if (enterpriseNumber === NTOP_ENTERPRISE || (enterpriseNumber === 0 && elementId >= NTOP_OFFSET)) {
    const number = elementId >= NTOP_OFFSET ? elementId : elementId + NTOP_OFFSET;
    if (OURS.has(number)) return undefined;
    return number <= 0xffff ? number : `${NTOP_ENTERPRISE}.${elementId}`;
  }
  // RFC 5610 lets Exporters name their elements as they like; numbers cannot be mistaken.
  if (enterpriseNumber !== 0 && enterpriseNumber < FIRST_MADE_UP_ENTERPRISE) return `${enterpriseNumber}.${elementId}`;
  if (enterpriseNumber === 0 && elementId < FIRST_NTOP_ID && !NAME_BY_NUMBER.has(elementId)) return elementId;
  return freeName(ntop, iana);
}

/** The first of `names` that means nothing else to ntopng. */
export function freeName(...names: readonly string[]): string | undefined {
  return names.find(isFree);
}

function isFree(name: string): boolean {
  return (
    name !== '' &&
    name.length <= MAX_NAME_LENGTH &&
    !/^[0-9.]+$/.test(name) &&
    !/(PROCESS|CONTAINER)$/.test(name) &&
    !KNOWN_NAMES.has(name) &&
    !AGENT_NAMES.has(name)
  );
}
