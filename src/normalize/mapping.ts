import type { FieldName } from '../flow/fields.ts';

/** Enterprise numbers whose elements fill flow fields. */
export const ENTERPRISES = {
  /** IANA's own elements. */
  iana: 0,
  /** Reverse elements (RFC 5103 section 6.1). */
  reverse: 29305,
  ntop: 35632,
  vmware: 6876,
} as const;

/** First NetFlow v9 number of ntop's elements: number = this + id in ntop's enterprise. */
export const NTOP_NETFLOW9_OFFSET = 57_472;

/** Which flow field an Information Element fills. */
export interface FieldMapping {
  readonly field: FieldName;
  /** Of several elements of a Template that fill one field the lowest rank does; the others stay elements of their own. */
  readonly rank: number;
}

function table(
  rows: readonly (readonly [id: number, field: FieldName, rank?: number])[],
): ReadonlyMap<number, FieldMapping> {
  return new Map(rows.map(([id, field, rank = 0]) => [id, { field, rank }]));
}

const IANA_MAPPING = table([
  [1, 'octets'],
  [2, 'packets'],
  [4, 'protocol'],
  [5, 'tos'],
  [6, 'tcpFlags'],
  [7, 'sourcePort'],
  [8, 'sourceIPv4'],
  [9, 'sourceIPv4Mask'],
  [10, 'inputInterface'],
  [11, 'destinationPort'],
  [12, 'destinationIPv4'],
  [13, 'destinationIPv4Mask'],
  [14, 'outputInterface'],
  [15, 'nextHopIPv4'],
  [16, 'sourceAs'],
  [17, 'destinationAs'],
  [18, 'bgpNextHopIPv4'],
  [23, 'postOctets'],
  [24, 'postPackets'],
  [25, 'minimumPacketLength'],
  [26, 'maximumPacketLength'],
  [27, 'sourceIPv6'],
  [28, 'destinationIPv6'],
  [29, 'sourceIPv6Mask'],
  [30, 'destinationIPv6Mask'],
  [31, 'flowLabel'],
  [32, 'icmpType'],
  [34, 'samplingInterval'],
  [48, 'samplerId'],
  [52, 'minimumTtl'],
  [53, 'maximumTtl'],
  [54, 'fragmentIdentification'],
  [55, 'postTos'],
  [56, 'sourceMac'],
  [57, 'postDestinationMac'],
  [58, 'vlan'],
  [59, 'postVlan'],
  [60, 'ipVersion'],
  [61, 'direction'],
  [62, 'nextHopIPv6'],
  [63, 'bgpNextHopIPv6'],
  [80, 'destinationMac'],
  [81, 'postSourceMac'],
  [85, 'octets', 2], // octetTotalCount: of Exporters that count no deltas
  [86, 'packets', 2], // packetTotalCount
  [88, 'fragmentOffset'],
  [89, 'forwardingStatus'],
  [95, 'applicationId'],
  [128, 'nextAdjacentAs'],
  [129, 'previousAdjacentAs'],
  [136, 'flowEndReason'],
  [139, 'icmpTypeIPv6'],
  [225, 'postNatSourceIPv4'],
  [226, 'postNatDestinationIPv4'],
  [227, 'postNaptSourcePort'],
  [228, 'postNaptDestinationPort'],
  [230, 'natEvent'],
  [231, 'octets', 1], // initiatorOctets: Cisco ASA and AVC report biflows this way
  [232, 'reverseOctets', 1], // responderOctets
  [233, 'firewallEvent'],
  [234, 'ingressVrf'],
  [235, 'egressVrf'],
  [243, 'dot1qVlan'],
  [244, 'vlanPriority'],
  [245, 'dot1qCustomerVlan'],
  [254, 'postDot1qVlan'],
  [256, 'ethernetType'],
  [281, 'postNatSourceIPv6'],
  [282, 'postNatDestinationIPv6'],
  [298, 'packets', 1], // initiatorPackets
  [299, 'reversePackets', 1], // responderPackets
  [302, 'selectorId'],
  [312, 'frameLength'],
]);

const REVERSE_MAPPING = table([
  [1, 'reverseOctets'],
  [2, 'reversePackets'],
  [6, 'serverTcpFlags'],
  [25, 'reverseMinimumPacketLength'],
  [26, 'reverseMaximumPacketLength'],
  [52, 'reverseMinimumTtl'],
  [53, 'reverseMaximumTtl'],
  [85, 'reverseOctets', 2],
  [86, 'reversePackets', 2],
  [152, 'reverseStartMs'],
  [153, 'reverseEndMs'],
]);

/** Cisco ASA's own numbers of before IANA's ("Cisco ASA NetFlow Implementation Guide"). */
const NETFLOW9_MAPPING = table([
  [40001, 'postNatSourceIPv4', 1],
  [40002, 'postNatDestinationIPv4', 1],
  [40003, 'postNaptSourcePort', 1],
  [40004, 'postNaptDestinationPort', 1],
  [40005, 'firewallEvent', 1],
]);

/**
 * Latencies (123 to 125) stay elements of their own: an Exporter's 0 is printed, and 32 bits of milliseconds are more than a
 * `duration` holds.
 */
const NTOP_MAPPING = table([
  [78, 'clientTcpFlags'],
  [79, 'serverTcpFlags'],
  [80, 'fragments'],
  [81, 'reverseFragments'],
  [88, 'packetsUpTo128'],
  [89, 'packets128To256'],
  [90, 'packets256To512'],
  [91, 'packets512To1024'],
  [92, 'packets1024To1514'],
  [93, 'packetsOver1514'],
  [109, 'retransmittedPackets'],
  [110, 'reverseRetransmittedPackets'],
  [111, 'outOfOrderPackets'],
  [112, 'reverseOutOfOrderPackets'],
  [113, 'innerProtocol'],
  [114, 'innerSourceIPv4'],
  [115, 'innerSourcePort'],
  [116, 'innerDestinationIPv4'],
  [117, 'innerDestinationPort'],
  [118, 'l7Protocol'],
  [119, 'l7ProtocolName'],
  [127, 'retransmittedOctets'],
  [128, 'reverseRetransmittedOctets'],
  [168, 'sourceProcessId'],
  [169, 'sourceProcessName'],
  [372, 'sourceProcessUserName'],
  [373, 'sourceFatherProcessId'],
  [374, 'sourceFatherProcessName'],
  [375, 'destinationProcessId'],
  [376, 'destinationProcessName'],
  [377, 'destinationProcessUserName'],
  [378, 'destinationFatherProcessId'],
  [379, 'destinationFatherProcessName'],
  [383, 'sourceProcessMemory'],
  [384, 'sourceProcessPeakMemory'],
  [385, 'sourceProcessCpuLoad'],
  [386, 'sourceProcessPageFaults'],
  [387, 'destinationProcessMemory'],
  [388, 'destinationProcessPeakMemory'],
  [389, 'destinationProcessCpuLoad'],
  [390, 'destinationProcessPageFaults'],
  [393, 'sourceProcessIoWait'],
  [394, 'destinationProcessIoWait'],
  [396, 'innerSourceIPv6'],
  [397, 'innerDestinationIPv6'],
  [415, 'minimumWindow'],
  [416, 'maximumWindow'],
  [417, 'maximumSegmentSize'],
  [418, 'windowScale'],
  [419, 'reverseMinimumWindow'],
  [420, 'reverseMaximumWindow'],
  [421, 'reverseMaximumSegmentSize'],
  [422, 'reverseWindowScale'],
  [425, 'sourceProcessUserId'],
  [426, 'destinationProcessUserId'],
  [540, 'sourceProcessPackage'],
  [541, 'destinationProcessPackage'],
  [556, 'sourceProcessCommandLine'],
  [557, 'destinationProcessCommandLine'],
  [558, 'sourceContainerId'],
  [559, 'destinationContainerId'],
  [561, 'sourceFatherProcessPackage'],
  [563, 'destinationFatherProcessPackage'],
  [564, 'sourceFatherProcessUserId'],
  [565, 'sourceFatherProcessUserName'],
  [567, 'destinationFatherProcessUserId'],
  [568, 'destinationFatherProcessUserName'],
]);

/** The tenant's packet inside VMware's VXLAN ("vSphere Distributed Switch IPFIX", enterprise elements). */
const VMWARE_MAPPING = table([
  [880, 'innerProtocol'],
  [881, 'innerSourceIPv4'],
  [882, 'innerDestinationIPv4'],
  [883, 'innerSourceIPv6'],
  [884, 'innerDestinationIPv6'],
  [886, 'innerSourcePort'],
  [887, 'innerDestinationPort'],
]);

const BY_ENTERPRISE: ReadonlyMap<number, ReadonlyMap<number, FieldMapping>> = new Map([
  [ENTERPRISES.iana, IANA_MAPPING],
  [ENTERPRISES.reverse, REVERSE_MAPPING],
  [ENTERPRISES.ntop, NTOP_MAPPING],
  [ENTERPRISES.vmware, VMWARE_MAPPING],
]);

/** The flow field that an element fills, or undefined. `version` 9 takes `elementId` as NetFlow v9's number. */
export function mappingOf(version: number, enterpriseNumber: number, elementId: number): FieldMapping | undefined {
  if (version === 9 && enterpriseNumber === 0) {
    if (elementId >= NTOP_NETFLOW9_OFFSET) return NTOP_MAPPING.get(elementId - NTOP_NETFLOW9_OFFSET);
    return NETFLOW9_MAPPING.get(elementId) ?? IANA_MAPPING.get(elementId);
  }
  return BY_ENTERPRISE.get(enterpriseNumber)?.get(elementId);
}
