import {
  LINK_CISCO_HDLC,
  LINK_ETHERNET,
  LINK_IEEE802_11,
  LINK_IEEE802_11_RADIOTAP,
  LINK_IPV4,
  LINK_IPV6,
  LINK_LINUX_SLL,
  LINK_LINUX_SLL2,
  LINK_LOOP,
  LINK_MPLS,
  LINK_NFLOG,
  LINK_NULL,
  LINK_PPP,
  LINK_PPP_ETHER,
  LINK_PPP_SERIAL,
  LINK_PPP_WITH_DIRECTION,
  LINK_RAW,
  LINK_RAW_BSD,
  LINK_RAW_OPENBSD,
} from './link-type.ts';
import { FAULT_IP_VERSION_INVALID, FAULT_LINK_TYPE_UNKNOWN, FAULT_NONE, FAULT_TRUNCATED } from './packet-fault.ts';
import type { PacketHeaders } from './packet-headers.ts';
import {
  ETHERTYPE_IPV4,
  ETHERTYPE_IPV6,
  ETHERTYPE_LLC,
  ETHERTYPE_MPLS,
  etherTypeOfPpp,
  parseEthernet,
  parseEtherPayload,
  pppHeaderLength,
} from './parse-link.ts';
import { parseIPv4, parseIPv6 } from './parse-network.ts';
import { parseRadiotap, parseWireless } from './parse-wireless.ts';

/** Tunnels entered one within the other; what is deeper stays payload. */
export const MAX_TUNNEL_DEPTH = 4;

const ETHERTYPE_PPPOE_SESSION = 0x8864;
const ETHERTYPE_SLARP = 0x8035;

/** Linux ARPHRD numbers in cooked captures. */
const ARPHRD_GRE = 778;
const ARPHRD_RADIOTAP = 803;

/**
 * Reads the headers of the packet captured in octets `[start, end)` of `view` into `headers`, which it resets first. The
 * capture may be cut anywhere: nothing past `end` is read, and what was read stays. Never throws; what is wrong is noted
 * in {@link PacketHeaders.fault}.
 */
export function parsePacket(
  view: DataView,
  start: number,
  end: number,
  linkType: number,
  headers: PacketHeaders,
): void {
  headers.reset();
  const from = Math.max(start, 0);
  const to = Math.min(end, view.byteLength);
  if (linkType === LINK_ETHERNET) {
    headers.linkAt = from;
    parseEthernet(view, from, to, headers);
  } else {
    parseLink(view, from, to, linkType, headers);
  }
  if (headers.tunnelPayloadAt >= 0) enterTunnels(view, headers);
}

/** Reads a frame of any link type. */
function parseLink(view: DataView, at: number, end: number, linkType: number, headers: PacketHeaders): void {
  headers.linkAt = at;
  switch (linkType) {
    case LINK_ETHERNET:
      parseEthernet(view, at, end, headers);
      return;
    case LINK_RAW:
    case LINK_RAW_BSD:
    case LINK_RAW_OPENBSD:
      parseRaw(view, at, end, headers);
      return;
    case LINK_IPV4:
      parseIPv4(view, at, end, headers);
      return;
    case LINK_IPV6:
      parseIPv6(view, at, end, headers);
      return;
    case LINK_NULL:
    case LINK_LOOP:
      parseLoopback(view, at, end, headers);
      return;
    case LINK_PPP:
      parsePpp(view, at, end, headers);
      return;
    case LINK_PPP_WITH_DIRECTION:
      parsePpp(view, at + 1, end, headers);
      return;
    case LINK_PPP_SERIAL:
      // 0x0f is a unicast and 0x8f a broadcast address of Cisco's framing; PPP has 0xff.
      if (end > at && (view.getUint8(at) & 0x7f) === 0x0f) parseCiscoHdlc(view, at, end, headers);
      else parsePpp(view, at, end, headers);
      return;
    case LINK_CISCO_HDLC:
      parseCiscoHdlc(view, at, end, headers);
      return;
    case LINK_PPP_ETHER:
      parseEtherPayload(view, at, end, ETHERTYPE_PPPOE_SESSION, headers);
      return;
    case LINK_MPLS:
      parseEtherPayload(view, at, end, ETHERTYPE_MPLS, headers);
      return;
    case LINK_LINUX_SLL:
      if (end - at < 16) headers.fault = FAULT_TRUNCATED;
      else
        parseCooked(
          view,
          view.getUint16(at + 2),
          view.getUint16(at + 14),
          at + 6,
          view.getUint16(at + 4),
          at + 16,
          end,
          headers,
        );
      return;
    case LINK_LINUX_SLL2:
      if (end - at < 20) headers.fault = FAULT_TRUNCATED;
      else
        parseCooked(
          view,
          view.getUint16(at + 8),
          view.getUint16(at),
          at + 12,
          view.getUint8(at + 11),
          at + 20,
          end,
          headers,
        );
      return;
    case LINK_IEEE802_11:
      parseWireless(view, at, end, false, headers);
      return;
    case LINK_IEEE802_11_RADIOTAP:
      parseRadiotap(view, at, end, headers);
      return;
    case LINK_NFLOG:
      parseNetfilterLog(view, at, end, headers);
      return;
    default:
      headers.fault = FAULT_LINK_TYPE_UNKNOWN;
  }
}

/** Reads IP of the version its first four bits tell. */
function parseRaw(view: DataView, at: number, end: number, headers: PacketHeaders): void {
  if (at >= end) {
    headers.fault = FAULT_TRUNCATED;
    return;
  }
  const version = view.getUint8(at) >>> 4;
  if (version === 4) parseIPv4(view, at, end, headers);
  else if (version === 6) parseIPv6(view, at, end, headers);
  else headers.fault = FAULT_IP_VERSION_INVALID;
}

/** Reads BSD loopback: AF_INET is 2 everywhere, AF_INET6 what the system chose, either byte order. */
function parseLoopback(view: DataView, at: number, end: number, headers: PacketHeaders): void {
  if (end - at < 4) {
    headers.fault = FAULT_TRUNCATED;
    return;
  }
  const bigEndian = view.getUint32(at);
  const family = bigEndian > 0xffff ? view.getUint32(at, true) : bigEndian;
  switch (family) {
    case 2:
      parseIPv4(view, at + 4, end, headers);
      return;
    case 10: // Linux
    case 24: // NetBSD, OpenBSD
    case 28: // FreeBSD
    case 30: // macOS
      parseIPv6(view, at + 4, end, headers);
      return;
    default:
      // Old dial-up and tunnel drivers put PPP or Cisco HDLC under this link type.
      if (bigEndian >>> 16 === 0xff03) parsePpp(view, at, end, headers);
      else if (bigEndian >>> 16 === 0x0f00 || bigEndian >>> 16 === 0x8f00) parseCiscoHdlc(view, at, end, headers);
  }
}

/** Reads PPP with or without address, control and the first octet of the protocol. */
function parsePpp(view: DataView, at: number, end: number, headers: PacketHeaders): void {
  const payloadAt = at + pppHeaderLength(view, at, end);
  if (payloadAt > end) {
    headers.fault = FAULT_TRUNCATED;
    return;
  }
  parseProtocol(view, payloadAt, end, etherTypeOfPpp(view, at, end), headers);
}

/** Reads what an EtherType names where the link has none of its own: {@link PacketHeaders.etherType} stays 0. */
function parseProtocol(view: DataView, at: number, end: number, etherType: number, headers: PacketHeaders): void {
  if (etherType === ETHERTYPE_IPV4) parseIPv4(view, at, end, headers);
  else if (etherType === ETHERTYPE_IPV6) parseIPv6(view, at, end, headers);
  else if (etherType !== 0) parseEtherPayload(view, at, end, etherType, headers);
}

/** Reads Cisco HDLC: address, control, EtherType. */
function parseCiscoHdlc(view: DataView, at: number, end: number, headers: PacketHeaders): void {
  if (end - at < 4) {
    headers.fault = FAULT_TRUNCATED;
    return;
  }
  const etherType = view.getUint16(at + 2);
  // The type of RARP is SLARP's here: keepalives of the two ends (RFC 1547 section 4.3.1).
  if (etherType >= 0x600 && etherType !== ETHERTYPE_SLARP) parseEtherPayload(view, at + 4, end, etherType, headers);
}

/** Reads the content of a Linux cooked frame (LINKTYPE_LINUX_SLL, LINKTYPE_LINUX_SLL2). */
function parseCooked(
  view: DataView,
  deviceType: number,
  protocol: number,
  addressAt: number,
  addressLength: number,
  at: number,
  end: number,
  headers: PacketHeaders,
): void {
  if (addressLength === 6) headers.sourceMacAt = addressAt;
  if (deviceType === ARPHRD_RADIOTAP) {
    parseRadiotap(view, at, end, headers);
  } else if (protocol >= 0x600) {
    parseEtherPayload(view, at, end, protocol, headers);
  } else if (protocol === 4 && deviceType !== ARPHRD_GRE) {
    // 802.2 frames have the kernel's own number 4 for a protocol.
    parseEtherPayload(view, at, end, ETHERTYPE_LLC, headers);
  }
}

/** Reads a netfilter log frame: the family, then attributes in the host's byte order, one of which is the packet. */
function parseNetfilterLog(view: DataView, at: number, end: number, headers: PacketHeaders): void {
  let position = at + 4;
  // Each attribute is at least its header; 64 are more than the kernel writes.
  for (let count = 0; count < 64 && end - position >= 4; count++) {
    // The host's byte order is not in the frame: type and length are small, so one of the two readings is absurd.
    const isLittleEndian = view.getUint8(position + 2) !== 0 || view.getUint8(position + 3) === 0;
    const length = view.getUint16(position, isLittleEndian);
    const type = view.getUint16(position + 2, isLittleEndian);
    if (length < 4) break;
    if (type === 9) {
      const packetEnd = Math.min(position + length, end);
      parseRaw(view, position + 4, packetEnd, headers);
      return;
    }
    position += (length + 3) & ~3;
  }
  headers.fault = FAULT_TRUNCATED;
}

/**
 * Enters the tunnel of `headers`, then the tunnel in it, and leaves the headers of the innermost in its `inner`. A tunnel
 * in which nothing is recognised is not entered.
 */
function enterTunnels(view: DataView, headers: PacketHeaders): void {
  const inner = headers.inner;
  if (inner === undefined) return;
  let around = headers;
  let previousAt = 0;
  let previousEnd = 0;
  let previousType = 0;
  while (around.tunnelPayloadAt >= 0) {
    if (headers.tunnelDepth === MAX_TUNNEL_DEPTH) {
      headers.tunnelDepthExceeded = true;
      return;
    }
    const at = around.tunnelPayloadAt;
    const end = around.payloadEnd;
    const type = around.tunnelPayloadType;
    parseTunnelled(view, at, end, type, inner);
    if (inner.ipVersion === 0 && !inner.isArp && inner.sourceMacAt < 0) {
      const fault = inner.fault;
      // The tunnel around this one was good: it is read again over the remains.
      if (headers.hasInner) parseTunnelled(view, previousAt, previousEnd, previousType, inner);
      if (around.fault === FAULT_NONE) around.fault = fault;
      return;
    }
    headers.hasInner = true;
    headers.tunnelDepth++;
    previousAt = at;
    previousEnd = end;
    previousType = type;
    around = inner;
  }
}

/** Reads the content of a tunnel: `type` under 0x600 is a link type, else an EtherType. */
function parseTunnelled(view: DataView, at: number, end: number, type: number, inner: PacketHeaders): void {
  inner.reset();
  if (type < 0x600) {
    parseLink(view, at, end, type, inner);
  } else {
    inner.linkAt = at;
    parseProtocol(view, at, end, type, inner);
  }
}
