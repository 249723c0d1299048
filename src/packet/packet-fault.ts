/**
 * What can be wrong with a packet: a closed list. {@link PacketHeaders.fault} is an index into it, 0 for nothing.
 * What was read before the fault stays readable.
 */
export const PACKET_FAULTS = [
  '',
  'link_type_unknown',
  'truncated',
  'link_header_invalid',
  'link_headers_too_many',
  'mpls_bottomless',
  'ip_version_invalid',
  'ip_header_length_invalid',
  'ip_total_length_invalid',
  'ip_extension_chain_too_long',
  'transport_header_cut',
  'tcp_data_offset_invalid',
  'udp_length_invalid',
  'tunnel_header_invalid',
] as const;

/** Name of a fault, for counters and people; '' is no fault. */
export type PacketFault = (typeof PACKET_FAULTS)[number];

/** Nothing is wrong. */
export const FAULT_NONE = 0;
/** The link type is none of those in `link-type.ts`. */
export const FAULT_LINK_TYPE_UNKNOWN = 1;
/** The capture ends inside a header: the usual fate of a packet cut by a short snap length. */
export const FAULT_TRUNCATED = 2;
/** A link header contradicts itself: a radiotap length under 8, a PPPoE version that is not 1. */
export const FAULT_LINK_HEADER_INVALID = 3;
/** More VLAN tags and other link headers follow each other than any network has. */
export const FAULT_LINK_HEADERS_TOO_MANY = 4;
/** A label stack without a bottom of stack within the labels we follow. */
export const FAULT_MPLS_BOTTOMLESS = 5;
/** The version in the IP header is not the one announced, or neither 4 nor 6. */
export const FAULT_IP_VERSION_INVALID = 6;
/** IHL under 5 (RFC 791 section 3.1). */
export const FAULT_IP_HEADER_LENGTH_INVALID = 7;
/** The total length is shorter than the header. */
export const FAULT_IP_TOTAL_LENGTH_INVALID = 8;
/** More extension headers follow each other than we follow. */
export const FAULT_IP_EXTENSION_CHAIN_TOO_LONG = 9;
/** The IP packet, not the capture, ends inside the extension or transport header. */
export const FAULT_TRANSPORT_HEADER_CUT = 10;
/** TCP data offset under 5 (RFC 9293 section 3.1), DCCP data offset under its fixed header. */
export const FAULT_TCP_DATA_OFFSET_INVALID = 11;
/** UDP length of 1 to 7 (RFC 768). */
export const FAULT_UDP_LENGTH_INVALID = 12;
/** A tunnel header of a version or with a length that does not exist. */
export const FAULT_TUNNEL_HEADER_INVALID = 13;
