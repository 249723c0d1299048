/**
 * THE table of normalised flow fields. The class `Flow`, the JSON Schema, every writer and the README's table come from it.
 * A field more: one row here, one in `normalize/mapping.ts`.
 */

/**
 * How a field is held in a `Flow`:
 * - `u8` `u16` `u32` `ipv4`: one word, the number itself
 * - `u64`: two words, high then low
 * - `ipv6` `mac`: one word, the position of its 16 or 6 octets in `Flow.bytes`
 * - `text` `application`: two words, position and length of its octets in `Flow.bytes`
 * - `time`: Unix milliseconds in `Flow.times`
 * - `name`: a string in `Flow.names`, `''` when unknown
 * - `choice`: one word, an index into the row's `choices`
 * - `duration`: one word of microseconds, printed as milliseconds with three decimals; 0 is unknown and left out
 */
export type FieldType =
  | 'u8'
  | 'u16'
  | 'u32'
  | 'u64'
  | 'ipv4'
  | 'ipv6'
  | 'mac'
  | 'text'
  | 'application'
  | 'time'
  | 'name'
  | 'choice'
  | 'duration';

/** What a field is to a time series: a dimension, a value to add up, or neither. */
export type SeriesRole = 'tag' | 'counter' | 'value';

/** One row of {@link FIELDS}. */
export interface Field<Name extends string = string, Type extends FieldType = FieldType> {
  /** Property of `Flow`. */
  readonly field: Name;
  /** ntop's name: the JSON key by default. */
  readonly ntop: string;
  /** IANA's name: the JSON key under `--names iana`. ntop's where IANA has none. */
  readonly iana: string;
  readonly type: Type;
  /** Unit of the value, `''` for identifiers. */
  readonly unit: string;
  readonly role: SeriesRole;
  readonly meaning: string;
  /** Texts of a `choice`, by value. */
  readonly choices?: readonly string[];
}

function row<const Name extends string, const Type extends FieldType>(
  field: Name,
  type: Type,
  ntop: string,
  iana: string,
  role: SeriesRole,
  unit: string,
  meaning: string,
  choices?: readonly string[],
): Field<Name, Type> {
  return { field, type, ntop, iana: iana === '' ? ntop : iana, unit, role, meaning, ...(choices && { choices }) };
}

/** Where a sampling rate came from, by the value of `Flow.samplingOrigin`. */
export const SAMPLING_ORIGINS = ['unknown', 'record', 'option', 'header', 'override', 'sample'] as const;

/** Where a sampling rate came from. */
export type SamplingOrigin = (typeof SAMPLING_ORIGINS)[number];

/** What was found around the inner packet of a tunnelled one, by the value of `Flow.tunnelType`. */
export const TUNNEL_TYPES = [
  'none',
  'gre',
  'ip-in-ip',
  'vxlan',
  'geneve',
  'gtp-u',
  'l2tp',
  'teredo',
  'vxlan-gpe',
  'etherip',
  'mpls',
] as const;

/** Every normalised field, in the order in which a line prints them. */
// biome-ignore format: a table has one row a line
export const FIELDS = [
  row('sourceIPv4', 'ipv4', 'IPV4_SRC_ADDR', 'sourceIPv4Address', 'tag', '', 'source address'),
  row('destinationIPv4', 'ipv4', 'IPV4_DST_ADDR', 'destinationIPv4Address', 'tag', '', 'destination address'),
  row('sourceIPv6', 'ipv6', 'IPV6_SRC_ADDR', 'sourceIPv6Address', 'tag', '', 'source address'),
  row('destinationIPv6', 'ipv6', 'IPV6_DST_ADDR', 'destinationIPv6Address', 'tag', '', 'destination address'),
  row('sourcePort', 'u16', 'L4_SRC_PORT', 'sourceTransportPort', 'value', '', 'source port of TCP, UDP or SCTP'),
  row('destinationPort', 'u16', 'L4_DST_PORT', 'destinationTransportPort', 'value', '', 'destination port of TCP, UDP or SCTP'),
  row('protocol', 'u8', 'PROTOCOL', 'protocolIdentifier', 'tag', '', 'IP protocol number'),
  row('ipVersion', 'u8', 'IP_PROTOCOL_VERSION', 'ipVersion', 'tag', '', 'IP version, 4 or 6'),
  row('octets', 'u64', 'IN_BYTES', 'octetDeltaCount', 'counter', 'octets', 'octets from source to destination since the last record of the flow'),
  row('packets', 'u64', 'IN_PKTS', 'packetDeltaCount', 'counter', 'packets', 'packets from source to destination since the last record of the flow'),
  row('reverseOctets', 'u64', 'OUT_BYTES', 'reverseOctetDeltaCount', 'counter', 'octets', 'octets from destination to source (RFC 5103, or a responder)'),
  row('reversePackets', 'u64', 'OUT_PKTS', 'reversePacketDeltaCount', 'counter', 'packets', 'packets from destination to source (RFC 5103, or a responder)'),
  row('postOctets', 'u64', 'OUT_BYTES', 'postOctetDeltaCount', 'counter', 'octets', 'octets leaving the observation point'),
  row('postPackets', 'u64', 'OUT_PKTS', 'postPacketDeltaCount', 'counter', 'packets', 'packets leaving the observation point'),
  row('startMs', 'time', 'FLOW_START_MILLISECONDS', 'flowStartMilliseconds', 'value', 'ms since 1970', 'first packet of the flow'),
  row('endMs', 'time', 'FLOW_END_MILLISECONDS', 'flowEndMilliseconds', 'value', 'ms since 1970', 'last packet of the flow'),
  row('reverseStartMs', 'time', 'REVERSE_FLOW_START_MILLISECONDS', 'reverseFlowStartMilliseconds', 'value', 'ms since 1970', 'first packet from destination to source'),
  row('reverseEndMs', 'time', 'REVERSE_FLOW_END_MILLISECONDS', 'reverseFlowEndMilliseconds', 'value', 'ms since 1970', 'last packet from destination to source'),
  row('samplingInterval', 'u32', 'SAMPLING_INTERVAL', 'samplingInterval', 'value', 'packets', 'one packet in this many was seen; absent when unknown'),
  row('samplingOrigin', 'choice', 'SAMPLING_ORIGIN', 'samplingOrigin', 'value', '', 'where the sampling interval came from', SAMPLING_ORIGINS),
  row('samplerId', 'u32', 'FLOW_SAMPLER_ID', 'samplerId', 'value', '', 'sampler the record names'),
  row('selectorId', 'u64', 'SELECTOR_ID', 'selectorId', 'value', '', 'selector the record names'),
  row('tcpFlags', 'u16', 'TCP_FLAGS', 'tcpControlBits', 'value', '', 'TCP flags of all packets'),
  row('clientTcpFlags', 'u16', 'CLIENT_TCP_FLAGS', '', 'value', '', 'TCP flags of all packets from client to server'),
  row('serverTcpFlags', 'u16', 'SERVER_TCP_FLAGS', 'reverseTcpControlBits', 'value', '', 'TCP flags of all packets from server to client'),
  row('tos', 'u8', 'SRC_TOS', 'ipClassOfService', 'value', '', 'IPv4 type of service or IPv6 traffic class'),
  row('postTos', 'u8', 'DST_TOS', 'postIpClassOfService', 'value', '', 'the same when leaving, or of the other direction'),
  row('icmpType', 'u16', 'ICMP_TYPE', 'icmpTypeCodeIPv4', 'value', '', 'ICMP type * 256 + code'),
  row('icmpTypeIPv6', 'u16', 'ICMP_TYPE', 'icmpTypeCodeIPv6', 'value', '', 'ICMPv6 type * 256 + code'),
  row('inputInterface', 'u32', 'INPUT_SNMP', 'ingressInterface', 'tag', '', 'ifIndex where packets came in'),
  row('outputInterface', 'u32', 'OUTPUT_SNMP', 'egressInterface', 'tag', '', 'ifIndex where packets left'),
  row('inputInterfaceName', 'name', 'INPUT_INTERFACE_NAME', 'ingressInterfaceName', 'tag', '', 'name of that interface, from options data'),
  row('outputInterfaceName', 'name', 'OUTPUT_INTERFACE_NAME', 'egressInterfaceName', 'tag', '', 'name of that interface, from options data'),
  row('sourceAs', 'u32', 'SRC_AS', 'bgpSourceAsNumber', 'tag', '', 'AS number of the source'),
  row('destinationAs', 'u32', 'DST_AS', 'bgpDestinationAsNumber', 'tag', '', 'AS number of the destination'),
  row('nextAdjacentAs', 'u32', 'BGP_NEXT_ADJACENT_ASN', 'bgpNextAdjacentAsNumber', 'value', '', 'next AS on the path to the destination'),
  row('previousAdjacentAs', 'u32', 'BGP_PREV_ADJACENT_ASN', 'bgpPrevAdjacentAsNumber', 'value', '', 'AS the packets came from'),
  row('sourceIPv4Mask', 'u8', 'IPV4_SRC_MASK', 'sourceIPv4PrefixLength', 'value', 'bits', 'prefix length of the source'),
  row('destinationIPv4Mask', 'u8', 'IPV4_DST_MASK', 'destinationIPv4PrefixLength', 'value', 'bits', 'prefix length of the destination'),
  row('sourceIPv6Mask', 'u8', 'IPV6_SRC_MASK', 'sourceIPv6PrefixLength', 'value', 'bits', 'prefix length of the source'),
  row('destinationIPv6Mask', 'u8', 'IPV6_DST_MASK', 'destinationIPv6PrefixLength', 'value', 'bits', 'prefix length of the destination'),
  row('nextHopIPv4', 'ipv4', 'IPV4_NEXT_HOP', 'ipNextHopIPv4Address', 'value', '', 'next hop'),
  row('nextHopIPv6', 'ipv6', 'IPV6_NEXT_HOP', 'ipNextHopIPv6Address', 'value', '', 'next hop'),
  row('bgpNextHopIPv4', 'ipv4', 'BGP_IPV4_NEXT_HOP', 'bgpNextHopIPv4Address', 'value', '', 'BGP next hop'),
  row('bgpNextHopIPv6', 'ipv6', 'BGP_IPV6_NEXT_HOP', 'bgpNextHopIPv6Address', 'value', '', 'BGP next hop'),
  row('vlan', 'u16', 'SRC_VLAN', 'vlanId', 'tag', '', 'VLAN of the packets coming in'),
  row('postVlan', 'u16', 'DST_VLAN', 'postVlanId', 'tag', '', 'VLAN of the packets leaving'),
  row('vlanPriority', 'u8', 'SRC_VLAN_PRIORITY', 'dot1qPriority', 'value', '', '802.1p priority of the packets coming in'),
  row('postVlanPriority', 'u8', 'DST_VLAN_PRIORITY', '', 'value', '', '802.1p priority of the packets leaving'),
  row('dot1qVlan', 'u16', 'DOT1Q_SRC_VLAN', 'dot1qVlanId', 'tag', '', 'outer 802.1Q VLAN coming in'),
  row('dot1qCustomerVlan', 'u16', 'DOT1Q_CUSTOMER_VLAN', 'dot1qCustomerVlanId', 'tag', '', 'inner 802.1Q VLAN coming in'),
  row('postDot1qVlan', 'u16', 'DOT1Q_DST_VLAN', 'postDot1qVlanId', 'tag', '', 'outer 802.1Q VLAN leaving'),
  row('sourceMac', 'mac', 'IN_SRC_MAC', 'sourceMacAddress', 'value', '', 'source MAC coming in'),
  row('destinationMac', 'mac', 'IN_DST_MAC', 'destinationMacAddress', 'value', '', 'destination MAC coming in'),
  row('postSourceMac', 'mac', 'OUT_SRC_MAC', 'postSourceMacAddress', 'value', '', 'source MAC leaving'),
  row('postDestinationMac', 'mac', 'OUT_DST_MAC', 'postDestinationMacAddress', 'value', '', 'destination MAC leaving'),
  row('direction', 'u8', 'DIRECTION', 'flowDirection', 'value', '', '0 ingress, 1 egress'),
  row('flowEndReason', 'u8', 'FLOW_END_REASON', 'flowEndReason', 'value', '', '1 idle, 2 active, 3 end seen, 4 forced, 5 lack of resources'),
  row('forwardingStatus', 'u32', 'FORWARDING_STATUS', 'forwardingStatus', 'value', '', 'forwarded, dropped or consumed, and why (RFC 7270 section 4.12)'),
  row('ethernetType', 'u16', 'ETHERNET_TYPE', 'ethernetType', 'value', '', 'Ethernet type of the payload'),
  row('minimumTtl', 'u8', 'MIN_TTL', 'minimumTTL', 'value', 'hops', 'lowest time to live'),
  row('maximumTtl', 'u8', 'MAX_TTL', 'maximumTTL', 'value', 'hops', 'highest time to live'),
  row('reverseMinimumTtl', 'u8', 'DST_TO_SRC_MIN_TTL', 'reverseMinimumTTL', 'value', 'hops', 'lowest time to live from destination to source'),
  row('reverseMaximumTtl', 'u8', 'DST_TO_SRC_MAX_TTL', 'reverseMaximumTTL', 'value', 'hops', 'highest time to live from destination to source'),
  row('minimumPacketLength', 'u32', 'MIN_IP_PKT_LEN', 'minimumIpTotalLength', 'value', 'octets', 'shortest IP packet'),
  row('maximumPacketLength', 'u32', 'MAX_IP_PKT_LEN', 'maximumIpTotalLength', 'value', 'octets', 'longest IP packet'),
  row('reverseMinimumPacketLength', 'u32', 'DST_TO_SRC_MIN_IP_PKT_LEN', 'reverseMinimumIpTotalLength', 'value', 'octets', 'shortest IP packet from destination to source'),
  row('reverseMaximumPacketLength', 'u32', 'DST_TO_SRC_MAX_IP_PKT_LEN', 'reverseMaximumIpTotalLength', 'value', 'octets', 'longest IP packet from destination to source'),
  row('packetsUpTo128', 'u32', 'NUM_PKTS_UP_TO_128_BYTES', '', 'value', 'packets', 'IP packets of up to 128 octets, both directions'),
  row('packets128To256', 'u32', 'NUM_PKTS_128_TO_256_BYTES', '', 'value', 'packets', 'IP packets of 129 to 256 octets'),
  row('packets256To512', 'u32', 'NUM_PKTS_256_TO_512_BYTES', '', 'value', 'packets', 'IP packets of 257 to 512 octets'),
  row('packets512To1024', 'u32', 'NUM_PKTS_512_TO_1024_BYTES', '', 'value', 'packets', 'IP packets of 513 to 1024 octets'),
  row('packets1024To1514', 'u32', 'NUM_PKTS_1024_TO_1514_BYTES', '', 'value', 'packets', 'IP packets of 1025 to 1514 octets'),
  row('packetsOver1514', 'u32', 'NUM_PKTS_OVER_1514_BYTES', '', 'value', 'packets', 'longer IP packets'),
  row('fragments', 'u32', 'SRC_FRAGMENTS', '', 'value', 'packets', 'fragments from source to destination'),
  row('reverseFragments', 'u32', 'DST_FRAGMENTS', '', 'value', 'packets', 'fragments from destination to source'),
  row('mplsLabel1', 'u32', 'MPLS_LABEL_1', 'mplsTopLabelStackSection', 'value', '', 'label at the top of the MPLS stack'),
  row('mplsLabel2', 'u32', 'MPLS_LABEL_2', 'mplsLabelStackSection2', 'value', '', 'second label'),
  row('mplsLabel3', 'u32', 'MPLS_LABEL_3', 'mplsLabelStackSection3', 'value', '', 'third label'),
  row('clientNetworkLatency', 'duration', 'CLIENT_NW_LATENCY_MS', '', 'value', 'ms', 'network between client and probe: half the time from SYN-ACK to the ACK of the handshake'),
  row('serverNetworkLatency', 'duration', 'SERVER_NW_LATENCY_MS', '', 'value', 'ms', 'network between probe and server: half the time from SYN to SYN-ACK'),
  row('applicationLatency', 'duration', 'APPL_LATENCY_MS', '', 'value', 'ms', "last payload of the first TCP request to the first of the server's answer"),
  row('clientRoundTripTime', 'duration', 'CLIENT_RTT_MS', '', 'value', 'ms', "smoothed round-trip time between probe and client, of the server's data and its ACKs (RFC 6298)"),
  row('clientRoundTripVariance', 'duration', 'CLIENT_RTT_VARIANCE_MS', '', 'value', 'ms', 'its variation, RTTVAR of RFC 6298'),
  row('serverRoundTripTime', 'duration', 'SERVER_RTT_MS', '', 'value', 'ms', "smoothed round-trip time between probe and server, of the client's data and its ACKs (RFC 6298)"),
  row('serverRoundTripVariance', 'duration', 'SERVER_RTT_VARIANCE_MS', '', 'value', 'ms', 'its variation, RTTVAR of RFC 6298'),
  row('retransmittedPackets', 'u32', 'RETRANSMITTED_IN_PKTS', '', 'counter', 'packets', 'TCP segments sent again, from source to destination'),
  row('reverseRetransmittedPackets', 'u32', 'RETRANSMITTED_OUT_PKTS', '', 'counter', 'packets', 'TCP segments sent again, from destination to source'),
  row('retransmittedOctets', 'u32', 'RETRANSMITTED_IN_BYTES', '', 'counter', 'octets', 'their payload, from source to destination'),
  row('reverseRetransmittedOctets', 'u32', 'RETRANSMITTED_OUT_BYTES', '', 'counter', 'octets', 'their payload, from destination to source'),
  row('outOfOrderPackets', 'u32', 'OOORDER_IN_PKTS', '', 'counter', 'packets', 'TCP segments out of order, from source to destination'),
  row('reverseOutOfOrderPackets', 'u32', 'OOORDER_OUT_PKTS', '', 'counter', 'packets', 'TCP segments out of order, from destination to source'),
  row('lostPackets', 'u32', 'LOST_IN_PKTS', '', 'counter', 'packets', 'gaps in the TCP sequence numbers, from source to destination'),
  row('reverseLostPackets', 'u32', 'LOST_OUT_PKTS', '', 'counter', 'packets', 'gaps in the TCP sequence numbers, from destination to source'),
  row('zeroWindows', 'u32', 'TCP_WIN_ZERO_IN', '', 'counter', 'packets', 'TCP segments with a window of 0, from source to destination'),
  row('reverseZeroWindows', 'u32', 'TCP_WIN_ZERO_OUT', '', 'counter', 'packets', 'TCP segments with a window of 0, from destination to source'),
  row('keepAlives', 'u32', 'TCP_KEEP_ALIVE_IN', '', 'counter', 'packets', 'TCP keep-alives from source to destination'),
  row('reverseKeepAlives', 'u32', 'TCP_KEEP_ALIVE_OUT', '', 'counter', 'packets', 'TCP keep-alives from destination to source'),
  row('resets', 'u32', 'TCP_RESETS_IN', '', 'counter', 'packets', 'TCP resets from source to destination'),
  row('reverseResets', 'u32', 'TCP_RESETS_OUT', '', 'counter', 'packets', 'TCP resets from destination to source'),
  row('minimumWindow', 'u16', 'TCP_WIN_MIN_IN', '', 'value', 'octets', 'lowest TCP window as sent, without scale, from source to destination'),
  row('maximumWindow', 'u16', 'TCP_WIN_MAX_IN', '', 'value', 'octets', 'highest TCP window'),
  row('maximumSegmentSize', 'u16', 'TCP_WIN_MSS_IN', '', 'value', 'octets', 'TCP maximum segment size that the source announces'),
  row('windowScale', 'u8', 'TCP_WIN_SCALE_IN', '', 'value', 'bits', 'TCP window scale that the source announces'),
  row('reverseMinimumWindow', 'u16', 'TCP_WIN_MIN_OUT', '', 'value', 'octets', 'lowest TCP window as sent, without scale, from destination to source'),
  row('reverseMaximumWindow', 'u16', 'TCP_WIN_MAX_OUT', '', 'value', 'octets', 'highest TCP window'),
  row('reverseMaximumSegmentSize', 'u16', 'TCP_WIN_MSS_OUT', '', 'value', 'octets', 'TCP maximum segment size that the destination announces'),
  row('reverseWindowScale', 'u8', 'TCP_WIN_SCALE_OUT', '', 'value', 'bits', 'TCP window scale that the destination announces'),
  row('flowLabel', 'u32', 'IPV6_FLOW_LABEL', 'flowLabelIPv6', 'value', '', 'IPv6 flow label'),
  row('fragmentOffset', 'u16', 'FRAGMENT_OFFSET', 'fragmentOffset', 'value', '8 octets', 'fragment offset'),
  row('fragmentIdentification', 'u32', 'IPV4_IDENT', 'fragmentIdentification', 'value', '', 'identification of the fragmented packet'),
  row('frameLength', 'u32', 'FRAME_LENGTH', 'dataLinkFrameSize', 'value', 'octets', 'length of the sampled frame on the wire'),
  row('strippedOctets', 'u32', 'SFLOW_STRIPPED_OCTETS', '', 'value', 'octets', 'octets of the sampled frame taken off before its header was copied'),
  row('sampleSequence', 'u32', 'SFLOW_SAMPLE_SEQUENCE_NUMBER', '', 'value', '', 'sequence number of the sFlow sample within its source'),
  row('sourceIdType', 'u32', 'SFLOW_SOURCE_ID_TYPE', '', 'value', '', 'what the sFlow data source is: 0 ifIndex, 1 smonVlanDataSource, 2 entPhysicalEntry'),
  row('sourceIdIndex', 'u32', 'SFLOW_SOURCE_ID_INDEX', '', 'value', '', 'which of these the sFlow data source is'),
  row('samplePool', 'u32', 'SFLOW_SAMPLE_POOL', '', 'value', 'packets', 'packets of the sFlow data source that could have been sampled'),
  row('sampleDrops', 'u32', 'SFLOW_SAMPLE_DROPS', '', 'value', 'packets', 'packets the sFlow data source could not sample or report'),
  row('ingressVrf', 'u32', 'INGRESS_VRFID', 'ingressVRFID', 'tag', '', 'VRF where packets came in'),
  row('egressVrf', 'u32', 'EGRESS_VRFID', 'egressVRFID', 'tag', '', 'VRF where packets left'),
  row('ingressVrfName', 'name', 'INGRESS_VRF_NAME', 'ingressVRFname', 'tag', '', 'name of that VRF, from options data'),
  row('egressVrfName', 'name', 'EGRESS_VRF_NAME', 'egressVRFname', 'tag', '', 'name of that VRF, from options data'),
  row('postNatSourceIPv4', 'ipv4', 'POST_NAT_SRC_IPV4_ADDR', 'postNATSourceIPv4Address', 'value', '', 'source after translation'),
  row('postNatDestinationIPv4', 'ipv4', 'POST_NAT_DST_IPV4_ADDR', 'postNATDestinationIPv4Address', 'value', '', 'destination after translation'),
  row('postNatSourceIPv6', 'ipv6', 'POST_NAT_SRC_IPV6_ADDR', 'postNATSourceIPv6Address', 'value', '', 'source after translation'),
  row('postNatDestinationIPv6', 'ipv6', 'POST_NAT_DST_IPV6_ADDR', 'postNATDestinationIPv6Address', 'value', '', 'destination after translation'),
  row('postNaptSourcePort', 'u16', 'POST_NAPT_SRC_TRANSPORT_PORT', 'postNAPTSourceTransportPort', 'value', '', 'source port after translation'),
  row('postNaptDestinationPort', 'u16', 'POST_NAPT_DST_TRANSPORT_PORT', 'postNAPTDestinationTransportPort', 'value', '', 'destination port after translation'),
  row('natEvent', 'u8', 'NAT_EVENT', 'natEvent', 'value', '', 'NAT event (RFC 8158 section 4.3)'),
  row('firewallEvent', 'u8', 'FIREWALL_EVENT', 'firewallEvent', 'value', '', '1 created, 2 deleted, 3 denied, 4 alert, 5 updated'),
  row('applicationId', 'application', 'APPLICATION_ID', 'applicationId', 'tag', '', 'classification engine and selector, engine:selector (RFC 6759)'),
  row('applicationName', 'name', 'APPLICATION_NAME', 'applicationName', 'tag', '', 'name of the application, from options data or the record'),
  row('l7Protocol', 'u16', 'L7_PROTO', '', 'tag', '', "application in nDPI's numbering"),
  row('l7ProtocolName', 'text', 'L7_PROTO_NAME', '', 'tag', '', "application in nDPI's words"),
  row('l7MasterProtocol', 'u16', 'L7_MASTER_PROTO', '', 'tag', '', "protocol that carries the application, in nDPI's numbering, where it is another: 91 in nDPI's 91.126"),
  row('l7Confidence', 'u8', 'L7_CONFIDENCE', '', 'value', '', 'how the application is known: 1 by its port, a guess; 6 by its payload; 7 by the network of its server'),
  row('l7Info', 'name', 'L7_INFO', '', 'value', '', 'what names the other end where no other field does: the software of an SSH, mail or database server, the name asked for'),
  row('dnsQuery', 'name', 'DNS_QUERY', '', 'value', '', 'name of the first question of DNS'),
  row('dnsQueryType', 'u16', 'DNS_QUERY_TYPE', '', 'value', '', 'its type: 1 A, 28 AAAA'),
  row('dnsReturnCode', 'u8', 'DNS_RET_CODE', '', 'value', '', 'RCODE of the answer: 0 no error, 3 no such name'),
  row('dnsAnswers', 'u16', 'DNS_NUM_ANSWERS', '', 'value', '', 'resource records in the answer section'),
  row('tlsServerName', 'name', 'TLS_SERVER_NAME', '', 'tag', '', 'server name the client asks for in TLS or QUIC (RFC 6066 section 3)'),
  row('tlsAlpn', 'name', 'TLS_ALPN', '', 'value', '', 'application protocols the client offers, its favourite first (RFC 7301)'),
  row('tlsVersion', 'u16', 'TLS_VERSION', '', 'value', '', 'version the server chose, else the highest the client offers: 771 is TLS 1.2, 772 TLS 1.3'),
  row('tlsCipher', 'u16', 'TLS_CIPHER', '', 'value', '', 'cipher suite the server chose'),
  row('ja4', 'name', 'JA4C_HASH', '', 'value', '', "JA4 fingerprint of the client's ClientHello"),
  row('httpMethod', 'name', 'HTTP_METHOD', '', 'value', '', 'method of the first request'),
  row('httpHost', 'name', 'HTTP_HOST', '', 'tag', '', 'its Host, without the port'),
  row('httpUrl', 'name', 'HTTP_URL', '', 'value', '', 'its target as sent'),
  row('httpUserAgent', 'name', 'HTTP_USER_AGENT', '', 'value', '', 'its User-Agent'),
  row('httpReturnCode', 'u16', 'HTTP_RET_CODE', '', 'value', '', 'status of the first response'),
  row('smtpMailFrom', 'name', 'SMTP_MAIL_FROM', '', 'value', '', 'sender of the first mail'),
  row('smtpRecipient', 'name', 'SMTP_RCPT_TO', '', 'value', '', 'its first recipient'),
  row('sipCallId', 'name', 'SIP_CALL_ID', '', 'value', '', 'Call-ID of SIP'),
  row('sipCallingParty', 'name', 'SIP_CALLING_PARTY', '', 'value', '', 'From of SIP'),
  row('sipCalledParty', 'name', 'SIP_CALLED_PARTY', '', 'value', '', 'To of SIP'),
  row('sipResponseCode', 'u16', 'SIP_RESPONSE_CODE', '', 'value', '', 'first final status of SIP, 200 and up'),
  row('dhcpClientName', 'name', 'DHCP_CLIENT_NAME', '', 'value', '', 'host name the DHCP client says it has'),
  row('dhcpMessageType', 'u8', 'DHCP_MESSAGE_TYPE', '', 'value', '', 'first DHCP message: 1 discover, 3 request, 8 inform (RFC 2132 section 9.6)'),
  row('netbiosQueryName', 'name', 'NETBIOS_QUERY_NAME', '', 'value', '', 'name asked for or registered, decoded (RFC 1001 section 14.1)'),
  row('rtpSsrc', 'u32', 'RTP_SSRC', '', 'value', '', 'synchronisation source of RTP'),
  row('bittorrentHash', 'name', 'BITTORRENT_HASH', '', 'value', '', 'info hash of the torrent, hexadecimal'),
  row('tunnelType', 'choice', 'TUNNEL_TYPE', 'tunnelTechnology', 'value', '', 'what the inner packet was wrapped in', TUNNEL_TYPES),
  row('tunnelId', 'u32', 'TUNNEL_ID', 'tunnelIdentifier', 'value', '', 'VNI, GRE key or tunnel endpoint id'),
  row('outerSourceIPv4', 'ipv4', 'OUTER_IPV4_SRC_ADDR', '', 'value', '', 'source of the packet around the tunnel'),
  row('outerDestinationIPv4', 'ipv4', 'OUTER_IPV4_DST_ADDR', '', 'value', '', 'destination of the packet around the tunnel'),
  row('outerSourceIPv6', 'ipv6', 'OUTER_IPV6_SRC_ADDR', '', 'value', '', 'source of the packet around the tunnel'),
  row('outerDestinationIPv6', 'ipv6', 'OUTER_IPV6_DST_ADDR', '', 'value', '', 'destination of the packet around the tunnel'),
  row('innerSourceIPv4', 'ipv4', 'UNTUNNELED_IPV4_SRC_ADDR', '', 'value', '', 'source inside the tunnel'),
  row('innerDestinationIPv4', 'ipv4', 'UNTUNNELED_IPV4_DST_ADDR', '', 'value', '', 'destination inside the tunnel'),
  row('innerSourceIPv6', 'ipv6', 'UNTUNNELED_IPV6_SRC_ADDR', '', 'value', '', 'source inside the tunnel'),
  row('innerDestinationIPv6', 'ipv6', 'UNTUNNELED_IPV6_DST_ADDR', '', 'value', '', 'destination inside the tunnel'),
  row('innerSourcePort', 'u16', 'UNTUNNELED_L4_SRC_PORT', '', 'value', '', 'source port inside the tunnel'),
  row('innerDestinationPort', 'u16', 'UNTUNNELED_L4_DST_PORT', '', 'value', '', 'destination port inside the tunnel'),
  row('innerProtocol', 'u8', 'UNTUNNELED_PROTOCOL', '', 'value', '', 'IP protocol inside the tunnel'),
  row('sourceProcessId', 'u32', 'SRC_PROC_PID', '', 'value', '', 'process id at the source'),
  row('sourceProcessName', 'text', 'SRC_PROC_NAME', '', 'tag', '', 'process at the source'),
  row('sourceProcessUserId', 'u32', 'SRC_PROC_UID', '', 'value', '', 'user id of the process at the source'),
  row('sourceProcessUserName', 'text', 'SRC_PROC_USER_NAME', '', 'tag', '', 'user of the process at the source'),
  row('sourceFatherProcessId', 'u32', 'SRC_FATHER_PROC_PID', '', 'value', '', 'process id of the father at the source'),
  row('sourceFatherProcessName', 'text', 'SRC_FATHER_PROC_NAME', '', 'value', '', 'father process at the source'),
  row('sourceFatherProcessUserId', 'u32', 'SRC_FATHER_PROC_UID', '', 'value', '', 'user id of the father at the source'),
  row('sourceFatherProcessUserName', 'text', 'SRC_FATHER_PROC_USER_NAME', '', 'value', '', 'user of the father at the source'),
  row('sourceFatherProcessPackage', 'text', 'SRC_FATHER_PROC_PKG_NAME', '', 'value', '', 'package of the father at the source'),
  row('sourceProcessPackage', 'text', 'SRC_PROC_PKG_NAME', '', 'value', '', 'package of the process at the source'),
  row('sourceProcessCommandLine', 'text', 'SRC_PROC_CMDLINE', '', 'value', '', 'command line at the source'),
  row('sourceContainerId', 'text', 'SRC_PROC_CONTAINER_ID', '', 'tag', '', 'container at the source'),
  row('sourceContainerName', 'name', 'SRC_CONTAINER_NAME', '', 'value', '', 'its name, as the container engine or Kubernetes gives it'),
  row('sourcePodName', 'name', 'SRC_POD_NAME', '', 'tag', '', 'Kubernetes pod at the source'),
  row('sourcePodNamespace', 'name', 'SRC_POD_NAMESPACE', '', 'value', '', 'namespace of that pod'),
  row('destinationProcessId', 'u32', 'DST_PROC_PID', '', 'value', '', 'process id at the destination'),
  row('destinationProcessName', 'text', 'DST_PROC_NAME', '', 'tag', '', 'process at the destination'),
  row('destinationProcessUserId', 'u32', 'DST_PROC_UID', '', 'value', '', 'user id of the process at the destination'),
  row('destinationProcessUserName', 'text', 'DST_PROC_USER_NAME', '', 'tag', '', 'user of the process at the destination'),
  row('destinationFatherProcessId', 'u32', 'DST_FATHER_PROC_PID', '', 'value', '', 'process id of the father at the destination'),
  row('destinationFatherProcessName', 'text', 'DST_FATHER_PROC_NAME', '', 'value', '', 'father process at the destination'),
  row('destinationFatherProcessUserId', 'u32', 'DST_FATHER_PROC_UID', '', 'value', '', 'user id of the father at the destination'),
  row('destinationFatherProcessUserName', 'text', 'DST_FATHER_PROC_USER_NAME', '', 'value', '', 'user of the father at the destination'),
  row('destinationFatherProcessPackage', 'text', 'DST_FATHER_PROC_PKG_NAME', '', 'value', '', 'package of the father at the destination'),
  row('destinationProcessPackage', 'text', 'DST_PROC_PKG_NAME', '', 'value', '', 'package of the process at the destination'),
  row('destinationProcessCommandLine', 'text', 'DST_PROC_CMDLINE', '', 'value', '', 'command line at the destination'),
  row('destinationContainerId', 'text', 'DST_PROC_CONTAINER_ID', '', 'tag', '', 'container at the destination'),
  row('destinationContainerName', 'name', 'DST_CONTAINER_NAME', '', 'value', '', 'its name, as the container engine or Kubernetes gives it'),
  row('destinationPodName', 'name', 'DST_POD_NAME', '', 'tag', '', 'Kubernetes pod at the destination'),
  row('destinationPodNamespace', 'name', 'DST_POD_NAMESPACE', '', 'value', '', 'namespace of that pod'),
  row('sourceProcessMemory', 'u32', 'SRC_PROC_ACTUAL_MEMORY', '', 'value', 'octets', 'resident memory of the process at the source'),
  row('sourceProcessPeakMemory', 'u32', 'SRC_PROC_PEAK_MEMORY', '', 'value', 'octets', 'its peak memory'),
  row('sourceProcessCpuLoad', 'u32', 'SRC_PROC_AVERAGE_CPU_LOAD', '', 'value', 'percent * 100', 'its CPU load'),
  row('sourceProcessPageFaults', 'u32', 'SRC_PROC_NUM_PAGE_FAULTS', '', 'value', '', 'its page faults'),
  row('sourceProcessIoWait', 'u32', 'SRC_PROC_PCTG_IOWAIT', '', 'value', 'percent * 100', 'its I/O wait'),
  row('destinationProcessMemory', 'u32', 'DST_PROC_ACTUAL_MEMORY', '', 'value', 'octets', 'resident memory of the process at the destination'),
  row('destinationProcessPeakMemory', 'u32', 'DST_PROC_PEAK_MEMORY', '', 'value', 'octets', 'its peak memory'),
  row('destinationProcessCpuLoad', 'u32', 'DST_PROC_AVERAGE_CPU_LOAD', '', 'value', 'percent * 100', 'its CPU load'),
  row('destinationProcessPageFaults', 'u32', 'DST_PROC_NUM_PAGE_FAULTS', '', 'value', '', 'its page faults'),
  row('destinationProcessIoWait', 'u32', 'DST_PROC_PCTG_IOWAIT', '', 'value', 'percent * 100', 'its I/O wait'),
] as const;

/** Name of a normalised field: a property of `Flow`. */
export type FieldName = (typeof FIELDS)[number]['field'];

/** Names of the fields whose type is one of `Types`. */
export type FieldNameOf<Types extends FieldType> = Extract<(typeof FIELDS)[number], { type: Types }>['field'];

/** The rows by field name. */
export const FIELD_BY_NAME: ReadonlyMap<FieldName, Field> = new Map(FIELDS.map((field) => [field.field, field]));

const WORDS: Readonly<Record<FieldType, number>> = {
  u8: 1,
  u16: 1,
  u32: 1,
  u64: 2,
  ipv4: 1,
  ipv6: 1,
  mac: 1,
  text: 2,
  application: 2,
  choice: 1,
  duration: 1,
  time: 0,
  name: 0,
};

const slots = {} as Record<FieldName, number>;
let words = 0;
let times = 0;
let names = 0;
for (const { field, type } of FIELDS) {
  if (type === 'time') slots[field] = times++;
  else if (type === 'name') slots[field] = names++;
  else {
    slots[field] = words;
    words += WORDS[type];
  }
}

/**
 * Where a field lies: index of its first word in `Flow.words`, or its index in `Flow.times` or `Flow.names`. A copy: in an object
 * that grew name by name V8 looks names up at every use, in this one when it compiles.
 */
export const SLOT: Readonly<Record<FieldName, number>> = { ...slots };

/** Words that {@link FIELDS} take; what comes behind is for elements without a field. */
export const FIELD_WORDS = words;

/** Fields of type `time`. */
export const TIME_COUNT = times;

/** Fields of type `name`. */
export const NAME_COUNT = names;
