/**
 * Link types: what the first octet of a captured frame starts. Numbers from tcpdump.org's list of link-layer header
 * types, which pcap and pcapng files carry.
 */

/** BSD loopback: an address family of four octets in the byte order of the capturing host. */
export const LINK_NULL = 0;
/** Ethernet, without preamble and usually without frame check sequence. */
export const LINK_ETHERNET = 1;
/** PPP, with or without its address and control octets. */
export const LINK_PPP = 9;
/** Raw IP, version told by the first four bits. */
export const LINK_RAW = 101;
/** Raw IP under the number most BSDs use for it inside the kernel. */
export const LINK_RAW_BSD = 12;
/** Raw IP under the number OpenBSD uses for it inside the kernel. */
export const LINK_RAW_OPENBSD = 14;
/** PPP in HDLC-like framing (RFC 1662), or Cisco HDLC when the first octet says so. */
export const LINK_PPP_SERIAL = 50;
/** PPPoE: the frame starts with the PPPoE header (RFC 2516). */
export const LINK_PPP_ETHER = 51;
/** Cisco HDLC: address, control, EtherType (RFC 1547 section 4.3.1). */
export const LINK_CISCO_HDLC = 104;
/** IEEE 802.11 without radio information. */
export const LINK_IEEE802_11 = 105;
/** OpenBSD loopback: an address family of four octets in network byte order. */
export const LINK_LOOP = 108;
/** Linux "cooked" capture, first version: 16 octets. */
export const LINK_LINUX_SLL = 113;
/** IEEE 802.11 after a radiotap header. */
export const LINK_IEEE802_11_RADIOTAP = 127;
/** PPP after one octet that says the direction. */
export const LINK_PPP_WITH_DIRECTION = 204;
/** An MPLS label stack. */
export const LINK_MPLS = 219;
/** IPv4 without anything before it. */
export const LINK_IPV4 = 228;
/** IPv6 without anything before it. */
export const LINK_IPV6 = 229;
/** Linux netfilter log: a header and type-length-value attributes, one of which is the IP packet. */
export const LINK_NFLOG = 239;
/** Linux "cooked" capture, second version: 20 octets. */
export const LINK_LINUX_SLL2 = 276;

/** Says that a header protocol has no link type here. */
export const LINK_UNKNOWN = -1;

/**
 * Link type of the `header_protocol` of an sFlow sampled header, or {@link LINK_UNKNOWN} (sFlow version 5,
 * enumeration `header_protocol`; 15 to 17 from sFlow 802.11 structures). An A-MSDU subframe is laid out as an Ethernet
 * frame with a length.
 */
export function linkTypeOfSflowHeaderProtocol(headerProtocol: number): number {
  switch (headerProtocol) {
    case 1: // ETHERNET-ISO88023
    case 17: // IEEE80211-AMSDU-SUBFRAME
      return LINK_ETHERNET;
    case 7: // PPP
      return LINK_PPP;
    case 11: // IPv4
      return LINK_IPV4;
    case 12: // IPv6
      return LINK_IPV6;
    case 13: // MPLS
      return LINK_MPLS;
    case 14: // POS
      return LINK_PPP_SERIAL;
    case 15: // IEEE80211MAC
      return LINK_IEEE802_11;
    default:
      return LINK_UNKNOWN;
  }
}
