import type { IpPacket } from './ip-packet.ts';
import { ETHERTYPE_CUSTOMER_VLAN, ETHERTYPE_IPV4, ETHERTYPE_IPV6 } from './parse-link.ts';
import { isTunnelPort } from './parse-tunnel.ts';

const TCP = 6;
const UDP = 17;

/** Version 4, header of five words, as an octet. */
const IPV4_WITHOUT_OPTIONS = 0x45;
/** More fragments, or an offset. */
const FRAGMENT_BITS = 0x3fff;

/**
 * Reads the Ethernet frame captured in octets `[start, end)` of `view`, which must lie in it, into `packet` if it is a plain one, as
 * almost all are: at most one VLAN tag, IPv4 without options or IPv6 without extension headers, no fragment, TCP or UDP with
 * whole headers and no port of a tunnel. False for all others, whatever is wrong with them: `parsePacket` reads those, and
 * says the same of plain ones.
 */
export function readPlainFrame(view: DataView, start: number, end: number, packet: IpPacket): boolean {
  // Ethernet, IPv4 and UDP; what is longer is looked at where it is read.
  if (end - start < 42) return false;
  let at = start + 14;
  let type = view.getUint16(start + 12);
  let vlans = 0;
  if (type === ETHERTYPE_CUSTOMER_VLAN) {
    if (end - start < 46) return false;
    vlans = view.getUint16(start + 14) & 0xfff;
    type = view.getUint16(start + 16);
    at = start + 18;
  }
  let transportAt: number;
  let ipLength: number;
  let protocol: number;
  if (type === ETHERTYPE_IPV4) {
    const versionToTos = view.getUint16(at);
    if (versionToTos >>> 8 !== IPV4_WITHOUT_OPTIONS || (view.getUint16(at + 6) & FRAGMENT_BITS) !== 0) return false;
    ipLength = view.getUint16(at + 2);
    transportAt = at + 20;
    const ttlAndProtocol = view.getUint16(at + 8);
    protocol = ttlAndProtocol & 0xff;
    packet.ipVersion = 4;
    packet.tos = versionToTos & 0xff;
    packet.ttl = ttlAndProtocol >>> 8;
    packet.sourceAt = at + 12;
    packet.destinationAt = at + 16;
  } else if (type === ETHERTYPE_IPV6) {
    if (end - at < 48) return false;
    const versionToLabel = view.getUint16(at);
    const payloadLength = view.getUint16(at + 4);
    if (versionToLabel >>> 12 !== 6 || payloadLength === 0) return false;
    ipLength = payloadLength + 40;
    transportAt = at + 40;
    const headerAndHopLimit = view.getUint16(at + 6);
    protocol = headerAndHopLimit >>> 8;
    packet.ipVersion = 6;
    packet.tos = (versionToLabel >>> 4) & 0xff;
    packet.ttl = headerAndHopLimit & 0xff;
    packet.sourceAt = at + 8;
    packet.destinationAt = at + 24;
  } else {
    return false;
  }
  const packetEnd = at + ipLength;
  let stop = Math.min(packetEnd, end);
  if (stop - transportAt < 8) return false;
  const sourcePort = view.getUint16(transportAt);
  const destinationPort = view.getUint16(transportAt + 2);
  if (protocol === TCP) {
    if (stop - transportAt < 20) return false;
    const offsetAndFlags = view.getUint16(transportAt + 12);
    const headerLength = (offsetAndFlags >>> 12) << 2;
    const payloadAt = transportAt + headerLength;
    if (headerLength < 20 || payloadAt > stop) return false;
    packet.tcpAt = transportAt;
    packet.tcpFlags = offsetAndFlags & 0x0fff;
    packet.tcpHeaderLength = headerLength;
    packet.payloadAt = payloadAt;
    packet.payloadLength = packetEnd - payloadAt;
  } else if (protocol === UDP) {
    if (isTunnelPort(sourcePort) || isTunnelPort(destinationPort)) return false;
    const udpLength = view.getUint16(transportAt + 4);
    if (udpLength < 8) return false;
    if (transportAt + udpLength < stop) stop = transportAt + udpLength;
    packet.tcpAt = -1;
    packet.tcpFlags = 0;
    packet.tcpHeaderLength = 0;
    packet.payloadAt = transportAt + 8;
    packet.payloadLength = Math.min(transportAt + udpLength, packetEnd) - transportAt - 8;
  } else {
    return false;
  }
  packet.start = start;
  packet.end = end;
  packet.protocol = protocol;
  packet.ipLength = ipLength;
  packet.sourcePort = sourcePort;
  packet.destinationPort = destinationPort;
  packet.isFragment = false;
  packet.vlans = vlans;
  packet.tunnelId = 0;
  packet.sourceMacAt = start + 6;
  packet.destinationMacAt = start;
  packet.payloadEnd = stop;
  return true;
}
