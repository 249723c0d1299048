import { FAULT_NONE } from './packet-fault.ts';

/** Label values kept in {@link PacketHeaders.mplsLabels}; IPFIX has elements for ten. */
export const MAX_MPLS_LABELS = 10;

/** {@link PacketHeaders.tunnelType}: no tunnel. */
export const TUNNEL_NONE = 0;
/** GRE, versions 0 and 1 (RFC 2784, RFC 2890, RFC 2637), ERSPAN within it too. */
export const TUNNEL_GRE = 1;
/** IPv4 or IPv6 directly in IPv4 or IPv6, protocols 4 and 41 (RFC 2003, RFC 4213, RFC 2473). */
export const TUNNEL_IP = 2;
/** VXLAN (RFC 7348), UDP 4789 and Linux' older 8472. */
export const TUNNEL_VXLAN = 3;
/** VXLAN-GPE, UDP 4790. */
export const TUNNEL_VXLAN_GPE = 4;
/** Geneve (RFC 8926), UDP 6081. */
export const TUNNEL_GENEVE = 5;
/** GTP-U version 1 (3GPP TS 29.281), UDP 2152. */
export const TUNNEL_GTP = 6;
/** Teredo (RFC 4380), UDP 3544. */
export const TUNNEL_TEREDO = 7;
/** L2TP version 2 (RFC 2661), UDP 1701. */
export const TUNNEL_L2TP = 8;
/** EtherIP (RFC 3378), protocol 97. */
export const TUNNEL_ETHERIP = 9;
/** MPLS in IP, protocol 137 (RFC 4023), and in UDP 6635 (RFC 7510). */
export const TUNNEL_MPLS = 10;

/** Starts a field that holds all of 32 bits, so that V8 stores it as a double from its first value on. */
const UNSIGNED_32 = 0xffffffff;

/**
 * The headers of one packet, in place: numbers and positions, no octets copied. Positions (`…At`) count from the start of
 * the view that was parsed and are -1 where there is nothing. One object serves packet after packet;
 * `parsePacket` resets it, and its content means something only as long as the octets under the view stay.
 */
export class PacketHeaders {
  /** First octet of the frame. */
  linkAt = -1;
  /** Outermost destination MAC address, 6 octets. */
  destinationMacAt = -1;
  /** Outermost source MAC address, 6 octets. */
  sourceMacAt = -1;
  /** EtherType after all VLAN tags and SNAP, 0 where the link has none. MPLS and PPPoE keep theirs. */
  etherType = 0;
  /** VLAN tags read: 802.1Q, 802.1ad and the older 0x9100, 0x9200, 0x9300. */
  vlanCount = 0;
  /** VLAN identifier of the outermost tag, 12 bits. */
  vlanId = 0;
  /** Priority code point of the outermost tag, 3 bits. */
  vlanPriority = 0;
  /** VLAN identifier of the innermost tag where there are two or more, else 0. */
  innerVlanId = 0;
  /** Priority code point of the innermost tag where there are two or more, else 0. */
  innerVlanPriority = 0;
  /** First label stack entry, 4 octets each. */
  mplsAt = -1;
  /** Label stack entries read; may be over {@link MAX_MPLS_LABELS}. */
  mplsLabelCount = 0;
  /** Label values from the top of the stack, 20 bits each; valid up to the smaller of count and {@link MAX_MPLS_LABELS}. */
  readonly mplsLabels: Uint32Array = new Uint32Array(MAX_MPLS_LABELS);
  /** Label at the top of the stack. */
  mplsTopLabel = 0;
  /** Traffic class (EXP) at the top of the stack, 3 bits. */
  mplsTopTrafficClass = 0;
  /** TTL at the top of the stack. */
  mplsTopTtl = 0;
  /** PPPoE session identifier, 0 when there is none. */
  pppoeSessionId = 0;

  /** An ARP or RARP packet for IPv4 over 6-octet addresses. */
  isArp = false;
  /** ARP operation: 1 request, 2 reply (RFC 826). */
  arpOperation = 0;
  /** Sender's MAC address. */
  arpSenderMacAt = -1;
  /** Target's MAC address. */
  arpTargetMacAt = -1;
  /** Sender's IPv4 address, unsigned. */
  arpSenderIPv4 = UNSIGNED_32;
  /** Target's IPv4 address, unsigned. */
  arpTargetIPv4 = UNSIGNED_32;

  /** First octet of the IP header, also when it turns out to be broken. */
  networkAt = -1;
  /** 4 or 6 when the whole fixed IP header was there and sound, so that both addresses are valid; else 0. */
  ipVersion = 0;
  /** Octets of the IP header, IPv4 options and extension headers included. */
  ipHeaderLength = 0;
  /** Octets of the IP packet as its header says, for IPv6 40 more than the payload length; 0 where it does not say (segmentation offload). */
  ipTotalLength = 0;
  /** Source IPv4 address, unsigned. */
  sourceIPv4 = UNSIGNED_32;
  /** Destination IPv4 address, unsigned. */
  destinationIPv4 = UNSIGNED_32;
  /** Source IPv6 address, 16 octets. */
  sourceIPv6At = -1;
  /** Destination IPv6 address, 16 octets. */
  destinationIPv6At = -1;
  /** Type of service, or IPv6 traffic class: DSCP and ECN. */
  tos = 0;
  /** TTL or hop limit. */
  ttl = 0;
  /** Protocol after all extension headers; of a later IPv6 fragment what its fragment header says. */
  protocol = 0;
  /** IPv6 flow label, 20 bits. */
  flowLabel = 0;
  /** Identification: 16 bits in IPv4, 32 in an IPv6 fragment header. */
  identification = UNSIGNED_32;
  /** Fragment offset in octets. */
  fragmentOffset = 0;
  /** More fragments follow. */
  moreFragments = false;
  /** A fragment, first or later; an IPv6 fragment header around a whole packet does not count (RFC 6946). */
  isFragment = false;

  /** Transport header with at least its ports (ICMP, IGMP: type) captured; -1 for other protocols and later fragments. */
  transportAt = -1;
  /** Source port of TCP, UDP, UDP-Lite, SCTP, DCCP. */
  sourcePort = 0;
  /** Destination port of the same. */
  destinationPort = 0;
  /** TCP flags with ECN and reserved bits, 12 bits as in IPFIX element 6. */
  tcpFlags = 0;
  /** TCP sequence number, unsigned. */
  tcpSequence = UNSIGNED_32;
  /** TCP acknowledgement number, unsigned. */
  tcpAcknowledgement = UNSIGNED_32;
  /** TCP window as sent, unscaled. */
  tcpWindow = 0;
  /** Octets of the TCP header, options included; 0 when cut before it. */
  tcpDataOffset = 0;
  /** UDP length as its header says. */
  udpLength = 0;
  /** ICMP or ICMPv6 type. */
  icmpType = 0;
  /** ICMP or ICMPv6 code. */
  icmpCode = 0;
  /** IGMP type. */
  igmpType = 0;

  /** First octet after the last header read within the IP packet: transport payload, or that of an unknown protocol or later fragment. */
  payloadAt = -1;
  /** End of the payload in the capture: Ethernet padding and trailers are left out. */
  payloadEnd = -1;
  /** Octets of payload the headers announce; more than captured when {@link PacketHeaders.payloadCut}. */
  payloadLength = 0;
  /** The capture is shorter than the IP packet says. */
  payloadCut = false;

  /** Which tunnel this packet carries: one of the `TUNNEL_…` numbers. */
  tunnelType = TUNNEL_NONE;
  /** VNI, GRE key, TEID, L2TP tunnel and session; see {@link PacketHeaders.hasTunnelId}. */
  tunnelId = UNSIGNED_32;
  /** The tunnel header has an identifier (GRE: its key is present). */
  hasTunnelId = false;
  /** Flags as sent: GRE and L2TP 16 bits, Geneve its first 16 bits, VXLAN and GTP-U one octet. */
  tunnelFlags = 0;
  /** First octet within the tunnel, -1 when it is nothing we read. */
  tunnelPayloadAt = -1;
  /** What is in the tunnel: under 0x600 a link type, else an EtherType. */
  tunnelPayloadType = 0;
  /** Tunnels entered one within the other. */
  tunnelDepth = 0;
  /** A tunnel was too deep within others to be entered. */
  tunnelDepthExceeded = false;
  /** {@link PacketHeaders.inner} holds the innermost headers. */
  hasInner = false;
  /** Headers within the innermost tunnel, while {@link PacketHeaders.hasInner}; undefined only within itself. */
  readonly inner: PacketHeaders | undefined;

  /** First thing wrong, an index into `PACKET_FAULTS`; what is wrong within a tunnel is in {@link PacketHeaders.inner}. */
  fault = FAULT_NONE;

  /** Makes headers with room for those in a tunnel; `withInner` false is for that room. */
  constructor(withInner = true) {
    this.inner = withInner ? new PacketHeaders(false) : undefined;
    this.reset();
  }

  /** Forgets the packet. {@link PacketHeaders.inner} is left as it is: {@link PacketHeaders.hasInner} says whether it counts. */
  reset(): void {
    this.linkAt = -1;
    this.destinationMacAt = -1;
    this.sourceMacAt = -1;
    this.etherType = 0;
    this.vlanCount = 0;
    this.vlanId = 0;
    this.vlanPriority = 0;
    this.innerVlanId = 0;
    this.innerVlanPriority = 0;
    this.mplsAt = -1;
    this.mplsLabelCount = 0;
    this.mplsTopLabel = 0;
    this.mplsTopTrafficClass = 0;
    this.mplsTopTtl = 0;
    this.pppoeSessionId = 0;
    this.isArp = false;
    this.arpOperation = 0;
    this.arpSenderMacAt = -1;
    this.arpTargetMacAt = -1;
    this.arpSenderIPv4 = 0;
    this.arpTargetIPv4 = 0;
    this.networkAt = -1;
    this.ipVersion = 0;
    this.ipHeaderLength = 0;
    this.ipTotalLength = 0;
    this.sourceIPv4 = 0;
    this.destinationIPv4 = 0;
    this.sourceIPv6At = -1;
    this.destinationIPv6At = -1;
    this.tos = 0;
    this.ttl = 0;
    this.protocol = 0;
    this.flowLabel = 0;
    this.identification = 0;
    this.fragmentOffset = 0;
    this.moreFragments = false;
    this.isFragment = false;
    this.transportAt = -1;
    this.sourcePort = 0;
    this.destinationPort = 0;
    this.tcpFlags = 0;
    this.tcpSequence = 0;
    this.tcpAcknowledgement = 0;
    this.tcpWindow = 0;
    this.tcpDataOffset = 0;
    this.udpLength = 0;
    this.icmpType = 0;
    this.icmpCode = 0;
    this.igmpType = 0;
    this.payloadAt = -1;
    this.payloadEnd = -1;
    this.payloadLength = 0;
    this.payloadCut = false;
    this.tunnelType = TUNNEL_NONE;
    this.tunnelId = 0;
    this.hasTunnelId = false;
    this.tunnelFlags = 0;
    this.tunnelPayloadAt = -1;
    this.tunnelPayloadType = 0;
    this.tunnelDepth = 0;
    this.tunnelDepthExceeded = false;
    this.hasInner = false;
    this.fault = FAULT_NONE;
  }
}
