import { LINK_ETHERNET, LINK_MPLS, LINK_PPP, LINK_RAW } from './link-type.ts';
import { FAULT_NONE, FAULT_TRUNCATED, FAULT_TUNNEL_HEADER_INVALID } from './packet-fault.ts';
import type { PacketHeaders } from './packet-headers.ts';
import {
  TUNNEL_ETHERIP,
  TUNNEL_GENEVE,
  TUNNEL_GRE,
  TUNNEL_GTP,
  TUNNEL_L2TP,
  TUNNEL_MPLS,
  TUNNEL_TEREDO,
  TUNNEL_VXLAN,
  TUNNEL_VXLAN_GPE,
} from './packet-headers.ts';

/** UDP ports of tunnels (IANA; 8472 is the Linux kernel's from before there was a registration). */
const PORT_L2TP = 1701;
const PORT_GTP_U = 2152;
const PORT_TEREDO = 3544;
const PORT_VXLAN = 4789;
const PORT_VXLAN_GPE = 4790;
const PORT_GENEVE = 6081;
const PORT_MPLS = 6635;
const PORT_VXLAN_LINUX = 8472;

const GRE_CHECKSUM = 0x8000;
const GRE_ROUTING = 0x4000;
const GRE_KEY = 0x2000;
const GRE_SEQUENCE = 0x1000;
const GRE_ACKNOWLEDGEMENT = 0x0080;

/** GRE protocol types that are no EtherTypes of their own. */
const GRE_TRANSPARENT_ETHERNET = 0x6558;
const GRE_PPP = 0x880b;
const GRE_WCCP = 0x883e;
const GRE_ERSPAN_II = 0x88be;
const GRE_ERSPAN_III = 0x22eb;

/** Source route entries and GTP-U extension headers followed before we give up. */
const MAX_LISTED_HEADERS = 16;

const IS_TUNNEL_PORT = new Uint8Array(65_536);
for (const port of [
  PORT_L2TP,
  PORT_GTP_U,
  PORT_TEREDO,
  PORT_VXLAN,
  PORT_VXLAN_GPE,
  PORT_GENEVE,
  PORT_MPLS,
  PORT_VXLAN_LINUX,
])
  IS_TUNNEL_PORT[port] = 1;

/** Whether a tunnel may be behind a UDP port. */
export function isTunnelPort(port: number): boolean {
  return IS_TUNNEL_PORT[port] === 1;
}

/** Reads the GRE header in `[at, end)` (RFC 2784, RFC 2890, routing of RFC 1701, version 1 of RFC 2637). */
export function parseGre(view: DataView, at: number, end: number, headers: PacketHeaders): void {
  if (end - at < 4) {
    noteTruncated(headers);
    return;
  }
  const flags = view.getUint16(at);
  const protocolType = view.getUint16(at + 2);
  const version = flags & 7;
  headers.tunnelType = TUNNEL_GRE;
  headers.tunnelFlags = flags;
  if (version > 1) {
    headers.fault = FAULT_TUNNEL_HEADER_INVALID;
    return;
  }
  let position = at + 4;
  if ((flags & (GRE_CHECKSUM | GRE_ROUTING)) !== 0) position += 4;
  if ((flags & GRE_KEY) !== 0) {
    if (end - position < 4) {
      noteTruncated(headers);
      return;
    }
    headers.hasTunnelId = true;
    // Version 1 has the payload length and the call in the place of the key.
    headers.tunnelId = version === 1 ? view.getUint16(position + 2) : view.getUint32(position);
    position += 4;
  }
  if ((flags & GRE_SEQUENCE) !== 0) position += 4;
  if (version === 1) {
    if ((flags & GRE_ACKNOWLEDGEMENT) !== 0) position += 4;
  } else if ((flags & GRE_ROUTING) !== 0) {
    position = skipSourceRoutes(view, position, end);
    if (position < 0) {
      headers.fault = FAULT_TUNNEL_HEADER_INVALID;
      return;
    }
  }
  switch (protocolType) {
    case GRE_TRANSPARENT_ETHERNET:
      setTunnelPayload(position, LINK_ETHERNET, headers);
      return;
    case GRE_PPP:
      // An acknowledgement without a payload has no sequence number.
      if (version === 0 || (flags & GRE_SEQUENCE) !== 0) setTunnelPayload(position, LINK_PPP, headers);
      return;
    case GRE_WCCP:
      // The second version puts a redirect header of four octets before the IP packet.
      if (end - position >= 1 && view.getUint8(position) >>> 4 !== 4) position += 4;
      setTunnelPayload(position, LINK_RAW, headers);
      return;
    case GRE_ERSPAN_II:
      // Without a sequence number it is ERSPAN's first type, which has no header.
      if ((flags & GRE_SEQUENCE) !== 0) {
        noteErspanSession(view, position, end, headers);
        position += 8;
      }
      setTunnelPayload(position, LINK_ETHERNET, headers);
      return;
    case GRE_ERSPAN_III:
      if (end - position < 12) {
        noteTruncated(headers);
        return;
      }
      noteErspanSession(view, position, end, headers);
      // The last bit says that a platform header of eight octets follows.
      position += (view.getUint8(position + 11) & 1) !== 0 ? 20 : 12;
      setTunnelPayload(position, LINK_ETHERNET, headers);
      return;
    default:
      if (protocolType >= 0x600) setTunnelPayload(position, protocolType, headers);
  }
}

/** Takes the 10-bit session of an ERSPAN header for the tunnel's identifier where GRE has no key. */
function noteErspanSession(view: DataView, at: number, end: number, headers: PacketHeaders): void {
  if (headers.hasTunnelId || end - at < 4) return;
  headers.hasTunnelId = true;
  headers.tunnelId = view.getUint16(at + 2) & 0x03ff;
}

/** Position after the source route entries from `at`, or -1 when they do not end (RFC 1701). */
function skipSourceRoutes(view: DataView, at: number, end: number): number {
  let position = at;
  for (let count = 0; count < MAX_LISTED_HEADERS; count++) {
    if (end - position < 4) return -1;
    const family = view.getUint16(position);
    const length = view.getUint8(position + 3);
    position += 4;
    if (family === 0 && length === 0) return position;
    position += length;
  }
  return -1;
}

/** Reads the EtherIP header in `[at, end)`: version 3 and nothing else (RFC 3378 section 3). */
export function parseEtherIp(view: DataView, at: number, end: number, headers: PacketHeaders): void {
  if (end - at < 2) {
    noteTruncated(headers);
    return;
  }
  headers.tunnelType = TUNNEL_ETHERIP;
  if (view.getUint8(at) >>> 4 !== 3) {
    headers.fault = FAULT_TUNNEL_HEADER_INVALID;
    return;
  }
  setTunnelPayload(at + 2, LINK_ETHERNET, headers);
}

/**
 * Looks for a tunnel in the UDP payload `[at, end)` by its ports. Ports are no proof: what does not look like the tunnel's
 * header is taken for other traffic, without a fault.
 */
export function parseUdpTunnel(view: DataView, at: number, end: number, headers: PacketHeaders): void {
  switch (headers.destinationPort) {
    case PORT_VXLAN:
    case PORT_VXLAN_LINUX:
      parseVxlan(view, at, end, headers);
      return;
    case PORT_VXLAN_GPE:
      parseVxlanGpe(view, at, end, headers);
      return;
    case PORT_GENEVE:
      parseGeneve(view, at, end, headers);
      return;
    case PORT_GTP_U:
      parseGtp(view, at, end, headers);
      return;
    case PORT_MPLS:
      if (end - at < 4) return;
      headers.tunnelType = TUNNEL_MPLS;
      setTunnelPayload(at, LINK_MPLS, headers);
      return;
    case PORT_L2TP:
      parseL2tp(view, at, end, headers);
      return;
    case PORT_TEREDO:
      parseTeredo(view, at, end, headers);
      return;
    default:
  }
  // Answers of servers come from the port.
  if (headers.sourcePort === PORT_L2TP) parseL2tp(view, at, end, headers);
  else if (headers.sourcePort === PORT_TEREDO) parseTeredo(view, at, end, headers);
}

/** VXLAN: flags with the I bit, VNI, then Ethernet (RFC 7348 section 5). */
function parseVxlan(view: DataView, at: number, end: number, headers: PacketHeaders): void {
  if (end - at < 8) return;
  const flags = view.getUint8(at);
  if ((flags & 0x08) === 0) return;
  headers.tunnelType = TUNNEL_VXLAN;
  headers.tunnelFlags = flags;
  headers.tunnelId = view.getUint32(at + 4) >>> 8;
  headers.hasTunnelId = true;
  setTunnelPayload(at + 8, LINK_ETHERNET, headers);
}

/** VXLAN-GPE: as VXLAN, with the kind of what follows (draft-ietf-nvo3-vxlan-gpe section 3). */
function parseVxlanGpe(view: DataView, at: number, end: number, headers: PacketHeaders): void {
  if (end - at < 8) return;
  const flags = view.getUint8(at);
  if ((flags & 0x30) !== 0) return; // a version other than 0
  headers.tunnelType = TUNNEL_VXLAN_GPE;
  headers.tunnelFlags = flags;
  if ((flags & 0x08) !== 0) {
    headers.tunnelId = view.getUint32(at + 4) >>> 8;
    headers.hasTunnelId = true;
  }
  // Without the P bit it is a VXLAN frame, which is Ethernet.
  const nextProtocol = (flags & 0x04) !== 0 ? view.getUint8(at + 3) : 3;
  switch (nextProtocol) {
    case 1:
    case 2:
      setTunnelPayload(at + 8, LINK_RAW, headers);
      return;
    case 3:
      setTunnelPayload(at + 8, LINK_ETHERNET, headers);
      return;
    case 5:
      setTunnelPayload(at + 8, LINK_MPLS, headers);
      return;
    default:
  }
}

/** Geneve: version 0, option length, EtherType, VNI, options (RFC 8926 section 3.4). */
function parseGeneve(view: DataView, at: number, end: number, headers: PacketHeaders): void {
  if (end - at < 8) return;
  const firstOctets = view.getUint16(at);
  if (firstOctets >>> 14 !== 0) return;
  const payloadAt = at + 8 + ((firstOctets >>> 8) & 0x3f) * 4;
  const protocolType = view.getUint16(at + 2);
  headers.tunnelType = TUNNEL_GENEVE;
  headers.tunnelFlags = firstOctets;
  headers.tunnelId = view.getUint32(at + 4) >>> 8;
  headers.hasTunnelId = true;
  if (protocolType === GRE_TRANSPARENT_ETHERNET) setTunnelPayload(payloadAt, LINK_ETHERNET, headers);
  else if (protocolType >= 0x600) setTunnelPayload(payloadAt, protocolType, headers);
}

/** GTP-U version 1; a G-PDU carries a user's IP packet (3GPP TS 29.281 section 5). */
function parseGtp(view: DataView, at: number, end: number, headers: PacketHeaders): void {
  if (end - at < 8) return;
  const flags = view.getUint8(at);
  if (flags >>> 4 !== 3) return; // version 1, protocol type GTP
  headers.tunnelType = TUNNEL_GTP;
  headers.tunnelFlags = flags;
  headers.tunnelId = view.getUint32(at + 4);
  headers.hasTunnelId = true;
  if (view.getUint8(at + 1) !== 255) return;
  let position = at + 8;
  if ((flags & 7) !== 0) {
    if (end - position < 4) {
      noteTruncated(headers);
      return;
    }
    let extensionType = (flags & 4) !== 0 ? view.getUint8(position + 3) : 0;
    position += 4;
    for (let count = 0; extensionType !== 0; count++) {
      if (end - position < 4) {
        noteTruncated(headers);
        return;
      }
      const length = view.getUint8(position) * 4;
      if (length === 0 || count === MAX_LISTED_HEADERS) {
        headers.fault = FAULT_TUNNEL_HEADER_INVALID;
        return;
      }
      position += length;
      if (position > end) {
        noteTruncated(headers);
        return;
      }
      extensionType = view.getUint8(position - 1);
    }
  }
  setTunnelPayload(position, LINK_RAW, headers);
}

/** L2TP version 2: a data message carries PPP (RFC 2661 section 3.1). */
function parseL2tp(view: DataView, at: number, end: number, headers: PacketHeaders): void {
  if (end - at < 6) return;
  const flags = view.getUint16(at);
  // Version 2, reserved bits 0.
  if ((flags & 0x34ff) !== 2) return;
  let position = at + 2 + ((flags & 0x4000) !== 0 ? 2 : 0);
  if (end - position < 4) return;
  headers.tunnelType = TUNNEL_L2TP;
  headers.tunnelFlags = flags;
  headers.tunnelId = view.getUint32(position);
  headers.hasTunnelId = true;
  if ((flags & 0x8000) !== 0) return; // a control message
  position += 4;
  if ((flags & 0x0800) !== 0) position += 4;
  if ((flags & 0x0200) !== 0) {
    if (end - position < 2) {
      noteTruncated(headers);
      return;
    }
    position += 2 + view.getUint16(position);
  }
  setTunnelPayload(position, LINK_PPP, headers);
}

/** Teredo: an IPv6 packet, after an authentication and an origin indication where there are any (RFC 4380 section 5.1.1). */
function parseTeredo(view: DataView, at: number, end: number, headers: PacketHeaders): void {
  let position = at;
  if (end - position >= 4 && view.getUint16(position) === 1) {
    position += 4 + view.getUint8(position + 2) + view.getUint8(position + 3) + 9;
  }
  if (end - position >= 8 && view.getUint16(position) === 0) position += 8;
  if (end - position < 40 || view.getUint8(position) >>> 4 !== 6) return;
  if (position + 40 + view.getUint16(position + 4) > at + headers.payloadLength) return;
  headers.tunnelType = TUNNEL_TEREDO;
  setTunnelPayload(position, LINK_RAW, headers);
}

/** Notes where the tunnel's content starts and what it is, unless the tunnel's header was cut. */
function setTunnelPayload(at: number, type: number, headers: PacketHeaders): void {
  if (at > headers.payloadEnd) {
    noteTruncated(headers);
    return;
  }
  headers.tunnelPayloadAt = at;
  headers.tunnelPayloadType = type;
}

/** Notes a tunnel header that ends early. */
function noteTruncated(headers: PacketHeaders): void {
  if (headers.fault === FAULT_NONE) headers.fault = FAULT_TRUNCATED;
}
