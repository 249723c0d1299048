import { LINK_MPLS, LINK_RAW } from './link-type.ts';
import {
  FAULT_NONE,
  FAULT_TCP_DATA_OFFSET_INVALID,
  FAULT_TRANSPORT_HEADER_CUT,
  FAULT_TRUNCATED,
  FAULT_UDP_LENGTH_INVALID,
} from './packet-fault.ts';
import type { PacketHeaders } from './packet-headers.ts';
import { TUNNEL_IP, TUNNEL_MPLS } from './packet-headers.ts';
import { parseEtherIp, parseGre, parseUdpTunnel } from './parse-tunnel.ts';

/** IP protocol numbers (IANA) that are read here. */
const ICMP = 1;
const IGMP = 2;
const IPV4 = 4;
const TCP = 6;
const UDP = 17;
const DCCP = 33;
const IPV6 = 41;
const GRE = 47;
const ICMPV6 = 58;
const ETHERIP = 97;
const SCTP = 132;
const UDP_LITE = 136;
const MPLS_IN_IP = 137;

/**
 * Reads the header of `protocol` at `at` of a packet that by its IP header ends at `packetEnd`, of which `[at, end)` was
 * captured, and names a tunnel that starts there. `at` is not after `end`.
 */
export function parseTransport(
  view: DataView,
  at: number,
  packetEnd: number,
  end: number,
  protocol: number,
  headers: PacketHeaders,
): void {
  const stop = Math.min(packetEnd, end);
  headers.protocol = protocol;
  headers.payloadAt = at;
  headers.payloadEnd = stop;
  headers.payloadLength = packetEnd - at;
  headers.payloadCut = packetEnd > end;
  if (protocol === TCP) {
    if (stop - at < 20) {
      parseShortTcp(view, at, stop, headers);
      return;
    }
    headers.transportAt = at;
    headers.sourcePort = view.getUint16(at);
    headers.destinationPort = view.getUint16(at + 2);
    headers.tcpSequence = view.getUint32(at + 4);
    headers.tcpAcknowledgement = view.getUint32(at + 8);
    const offsetAndFlags = view.getUint16(at + 12);
    headers.tcpFlags = offsetAndFlags & 0x0fff;
    headers.tcpWindow = view.getUint16(at + 14);
    const headerLength = (offsetAndFlags >>> 12) * 4;
    headers.tcpDataOffset = headerLength;
    if (headerLength < 20) {
      headers.fault = FAULT_TCP_DATA_OFFSET_INVALID;
      endHeader(20, headers);
      return;
    }
    endHeader(headerLength, headers);
    return;
  }
  if (protocol === UDP) {
    parseUdp(view, at, stop, headers);
    return;
  }
  switch (protocol) {
    case ICMP:
    case ICMPV6:
      if (stop - at < 2) {
        noteCut(headers);
        return;
      }
      headers.transportAt = at;
      headers.icmpType = view.getUint8(at);
      headers.icmpCode = view.getUint8(at + 1);
      endHeader(8, headers);
      return;
    case IGMP:
      if (stop - at < 1) {
        noteCut(headers);
        return;
      }
      headers.transportAt = at;
      headers.igmpType = view.getUint8(at);
      endHeader(8, headers);
      return;
    case SCTP:
      if (readPorts(view, at, stop, headers)) endHeader(12, headers);
      return;
    case UDP_LITE:
      if (readPorts(view, at, stop, headers)) endHeader(8, headers);
      return;
    case DCCP:
      if (readPorts(view, at, stop, headers)) parseDccpLength(view, at, stop, headers);
      return;
    case IPV4:
    case IPV6:
      headers.tunnelType = TUNNEL_IP;
      headers.tunnelPayloadAt = at;
      headers.tunnelPayloadType = LINK_RAW;
      return;
    case GRE:
      parseGre(view, at, stop, headers);
      return;
    case ETHERIP:
      parseEtherIp(view, at, stop, headers);
      return;
    case MPLS_IN_IP:
      headers.tunnelType = TUNNEL_MPLS;
      headers.tunnelPayloadAt = at;
      headers.tunnelPayloadType = LINK_MPLS;
      return;
    default:
  }
}

/** Notes a header that ends too early, and why: the capture was cut or the packet is too short for it. */
function noteCut(headers: PacketHeaders): void {
  if (headers.fault === FAULT_NONE) headers.fault = headers.payloadCut ? FAULT_TRUNCATED : FAULT_TRANSPORT_HEADER_CUT;
}

/** Moves the payload past `headerLength` octets, as far as there are any. */
function endHeader(headerLength: number, headers: PacketHeaders): void {
  const payloadAt = headers.payloadAt + headerLength;
  if (payloadAt > headers.payloadEnd) {
    noteCut(headers);
    headers.payloadAt = headers.payloadEnd;
  } else {
    headers.payloadAt = payloadAt;
  }
  headers.payloadLength = headers.payloadLength > headerLength ? headers.payloadLength - headerLength : 0;
}

/** Reads the two ports all port-bearing protocols start with; false when they are not there. */
function readPorts(view: DataView, at: number, stop: number, headers: PacketHeaders): boolean {
  if (stop - at < 4) {
    noteCut(headers);
    return false;
  }
  headers.transportAt = at;
  headers.sourcePort = view.getUint16(at);
  headers.destinationPort = view.getUint16(at + 2);
  return true;
}

/** Reads what there is of a TCP header under 20 octets. */
function parseShortTcp(view: DataView, at: number, stop: number, headers: PacketHeaders): void {
  if (!readPorts(view, at, stop, headers)) return;
  const length = stop - at;
  if (length >= 8) headers.tcpSequence = view.getUint32(at + 4);
  if (length >= 12) headers.tcpAcknowledgement = view.getUint32(at + 8);
  let headerLength = 20;
  if (length >= 14) {
    const offsetAndFlags = view.getUint16(at + 12);
    headers.tcpFlags = offsetAndFlags & 0x0fff;
    headers.tcpDataOffset = (offsetAndFlags >>> 12) * 4;
    if (headers.tcpDataOffset > headerLength) headerLength = headers.tcpDataOffset;
  }
  if (length >= 16) headers.tcpWindow = view.getUint16(at + 14);
  endHeader(headerLength, headers);
}

/** Reads a UDP header and looks for a tunnel behind well-known ports. */
function parseUdp(view: DataView, at: number, stop: number, headers: PacketHeaders): void {
  if (!readPorts(view, at, stop, headers)) return;
  if (stop - at < 8) {
    if (stop - at >= 6) headers.udpLength = view.getUint16(at + 4);
    endHeader(8, headers);
    return;
  }
  const length = view.getUint16(at + 4);
  headers.udpLength = length;
  if (length >= 8) {
    // What follows within the IP packet is no UDP payload (RFC 9868 puts options there).
    if (length < headers.payloadLength) headers.payloadLength = length;
    if (at + length < headers.payloadEnd) headers.payloadEnd = at + length;
  } else if (length !== 0) {
    // 0 is a jumbogram (RFC 2675 section 4) or segmentation offload: the IP length holds.
    headers.fault = FAULT_UDP_LENGTH_INVALID;
    endHeader(8, headers);
    return;
  }
  endHeader(8, headers);
  parseUdpTunnel(view, headers.payloadAt, headers.payloadEnd, headers);
}

/** Ends a DCCP header where its data offset says (RFC 4340 section 5.1). */
function parseDccpLength(view: DataView, at: number, stop: number, headers: PacketHeaders): void {
  if (stop - at < 9) {
    endHeader(12, headers);
    return;
  }
  // With extended sequence numbers (X) the generic header has 16 octets, else 12.
  const minimum = (view.getUint8(at + 8) & 1) === 1 ? 16 : 12;
  const headerLength = view.getUint8(at + 4) * 4;
  if (headerLength < minimum) headers.fault = FAULT_TCP_DATA_OFFSET_INVALID;
  endHeader(Math.max(headerLength, minimum), headers);
}
