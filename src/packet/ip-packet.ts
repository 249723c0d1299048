/**
 * What metering asks of every packet: numbers and positions in the view it lies in, nothing copied. One object serves packet
 * after packet. Only plain frames are read into it directly; for all others see `PacketHeaders`, which knows more.
 */
export class IpPacket {
  /** First octet of the frame. */
  start = 0;
  /** One past the last captured octet of the frame. */
  end = 0;
  /** 4 or 6. */
  ipVersion = 4;
  /** Protocol after all extension headers. */
  protocol = 0;
  /** Type of service or traffic class. */
  tos = 0;
  /** TTL or hop limit. */
  ttl = 0;
  /** Octets of the IP packet. */
  ipLength = 0;
  /** Source address, 4 or 16 octets. */
  sourceAt = 0;
  /** Destination address, 4 or 16 octets. */
  destinationAt = 0;
  /** Source port; of ICMP what stands for it in a flow key. */
  sourcePort = 0;
  /** Destination port, or the same. */
  destinationPort = 0;
  /** Any fragment of a packet. */
  isFragment = false;
  /** VLAN identifiers of the frame: the outermost, the innermost of several << 12. */
  vlans = 0;
  /** Identifier of the tunnel around or inside, 0 for none. */
  tunnelId = 0;
  /** Source MAC address of the frame, 6 octets; -1 for none. */
  sourceMacAt = -1;
  /** Destination MAC address of the frame; -1 for none. */
  destinationMacAt = -1;
  /** TCP header with at least its ports captured; -1 for other protocols and later fragments. */
  tcpAt = -1;
  /** TCP flags, 12 bits; 0 where they are not captured. */
  tcpFlags = 0;
  /** Octets of a TCP header of which at least the fixed ones were captured and which is no fragment's; else 0. */
  tcpHeaderLength = 0;
  /** First octet behind the transport header; -1 where that is not known, and of later fragments. */
  payloadAt = -1;
  /** End of the payload in the capture. */
  payloadEnd = 0;
  /** Octets of payload the headers announce. */
  payloadLength = 0;
}
