import {
  FAULT_IP_EXTENSION_CHAIN_TOO_LONG,
  FAULT_IP_HEADER_LENGTH_INVALID,
  FAULT_IP_TOTAL_LENGTH_INVALID,
  FAULT_IP_VERSION_INVALID,
  FAULT_TRANSPORT_HEADER_CUT,
  FAULT_TRUNCATED,
} from './packet-fault.ts';
import type { PacketHeaders } from './packet-headers.ts';
import { parseTransport } from './parse-transport.ts';

/** Extension headers (IANA, IPv6 extension header types) and their like. */
const HOP_BY_HOP = 0;
const ROUTING = 43;
const FRAGMENT = 44;
const AUTHENTICATION = 51;
const NO_NEXT_HEADER = 59;
const DESTINATION_OPTIONS = 60;
const MOBILITY = 135;
const HIP = 139;
const SHIM6 = 140;

/** Hosts send one to four; more than this is an attack on whoever follows them. */
const MAX_EXTENSION_HEADERS = 24;

/** Option of the hop-by-hop header that carries the length of a jumbogram (RFC 2675 section 2). */
const JUMBO_PAYLOAD = 0xc2;

/** Options looked through for that one. */
const MAX_OPTIONS = 32;

/** Reads the IPv4 header at `at` and all after it (RFC 791). */
export function parseIPv4(view: DataView, at: number, end: number, headers: PacketHeaders): void {
  headers.networkAt = at;
  if (end - at < 20) {
    headers.fault = FAULT_TRUNCATED;
    return;
  }
  const versionToTos = view.getUint16(at);
  if (versionToTos >>> 12 !== 4) {
    headers.fault = FAULT_IP_VERSION_INVALID;
    return;
  }
  const headerLength = ((versionToTos >>> 8) & 0x0f) * 4;
  if (headerLength < 20) {
    headers.fault = FAULT_IP_HEADER_LENGTH_INVALID;
    return;
  }
  const totalLength = view.getUint16(at + 2);
  const flagsAndOffset = view.getUint16(at + 6);
  const ttlAndProtocol = view.getUint16(at + 8);
  const protocol = ttlAndProtocol & 0xff;
  headers.ipVersion = 4;
  headers.ipHeaderLength = headerLength;
  headers.ipTotalLength = totalLength;
  headers.tos = versionToTos & 0xff;
  headers.identification = view.getUint16(at + 4);
  headers.ttl = ttlAndProtocol >>> 8;
  headers.protocol = protocol;
  headers.sourceIPv4 = view.getUint32(at + 12);
  headers.destinationIPv4 = view.getUint32(at + 16);
  let laterFragment = false;
  if ((flagsAndOffset & 0x3fff) !== 0) {
    headers.isFragment = true;
    headers.moreFragments = (flagsAndOffset & 0x2000) !== 0;
    headers.fragmentOffset = (flagsAndOffset & 0x1fff) * 8;
    laterFragment = headers.fragmentOffset !== 0;
  }
  // Network cards that segment for the kernel hand over packets of length 0.
  const packetEnd = totalLength === 0 ? end : at + totalLength;
  const afterHeader = at + headerLength;
  if (packetEnd < afterHeader) {
    headers.fault = totalLength === 0 ? FAULT_TRUNCATED : FAULT_IP_TOTAL_LENGTH_INVALID;
    return;
  }
  if (afterHeader > end) {
    headers.payloadCut = true;
    headers.fault = FAULT_TRUNCATED;
    return;
  }
  if (laterFragment) {
    setPayload(afterHeader, packetEnd, end, headers);
    return;
  }
  if (protocol === AUTHENTICATION) {
    parseExtensionHeaders(view, afterHeader, packetEnd, end, protocol, headers);
    return;
  }
  parseTransport(view, afterHeader, packetEnd, end, protocol, headers);
}

/** Reads the IPv6 header at `at` and all after it (RFC 8200). */
export function parseIPv6(view: DataView, at: number, end: number, headers: PacketHeaders): void {
  headers.networkAt = at;
  if (end - at < 40) {
    headers.fault = FAULT_TRUNCATED;
    return;
  }
  const firstWord = view.getUint32(at);
  if (firstWord >>> 28 !== 6) {
    headers.fault = FAULT_IP_VERSION_INVALID;
    return;
  }
  const payloadLength = view.getUint16(at + 4);
  const nextHeader = view.getUint8(at + 6);
  headers.ipVersion = 6;
  headers.ipHeaderLength = 40;
  headers.tos = (firstWord >>> 20) & 0xff;
  headers.flowLabel = firstWord & 0xfffff;
  headers.ttl = view.getUint8(at + 7);
  headers.protocol = nextHeader;
  headers.sourceIPv6At = at + 8;
  headers.destinationIPv6At = at + 24;
  let packetEnd = at + 40 + payloadLength;
  if (payloadLength === 0 && nextHeader !== NO_NEXT_HEADER) {
    // A jumbogram, or the network card segments for the kernel.
    const jumboLength = nextHeader === HOP_BY_HOP ? jumboPayloadLength(view, at + 40, end) : 0;
    packetEnd = jumboLength === 0 ? end : at + 40 + jumboLength;
    headers.ipTotalLength = jumboLength === 0 ? 0 : 40 + jumboLength;
  } else {
    headers.ipTotalLength = 40 + payloadLength;
  }
  parseExtensionHeaders(view, at + 40, packetEnd, end, nextHeader, headers);
}

/** Length a jumbo payload option in the hop-by-hop header at `at` gives, or 0 (RFC 2675 section 2). */
function jumboPayloadLength(view: DataView, at: number, end: number): number {
  if (end - at < 8) return 0;
  const headerEnd = at + 8 + view.getUint8(at + 1) * 8;
  const stop = Math.min(headerEnd, end);
  let option = at + 2;
  for (let count = 0; count < MAX_OPTIONS && stop - option >= 2; count++) {
    const type = view.getUint8(option);
    if (type === JUMBO_PAYLOAD && stop - option >= 6) {
      const length = view.getUint32(option + 2);
      return length > 0xffff ? length : 0;
    }
    // Pad1 is the one option without a length.
    option += type === 0 ? 1 : 2 + view.getUint8(option + 1);
  }
  return 0;
}

/** Notes where the IP payload lies when no transport header is read. */
function setPayload(at: number, packetEnd: number, end: number, headers: PacketHeaders): void {
  headers.payloadAt = at;
  headers.payloadEnd = Math.min(packetEnd, end);
  headers.payloadLength = packetEnd - at;
  headers.payloadCut = packetEnd > end;
}

/** Follows the extension headers from `at`, then reads the transport header. `at` is not after `end`. */
function parseExtensionHeaders(
  view: DataView,
  at: number,
  packetEnd: number,
  end: number,
  firstHeader: number,
  headers: PacketHeaders,
): void {
  const stop = Math.min(packetEnd, end);
  let position = at;
  let nextHeader = firstHeader;
  for (let count = 0; ; count++) {
    let octetsPerUnit = 8;
    let extraUnits = 1;
    switch (nextHeader) {
      case HOP_BY_HOP:
      case ROUTING:
      case DESTINATION_OPTIONS:
        break;
      case MOBILITY:
      case HIP:
      case SHIM6:
        // Made to stand before others, in practice always the last: then it is what the packet is about.
        if (position < stop && view.getUint8(position) === NO_NEXT_HEADER) {
          headers.ipHeaderLength = position - headers.networkAt;
          parseTransport(view, position, packetEnd, end, nextHeader, headers);
          return;
        }
        break;
      case AUTHENTICATION:
        octetsPerUnit = 4;
        extraUnits = 2;
        break;
      case FRAGMENT:
        break;
      default:
        headers.ipHeaderLength = position - headers.networkAt;
        parseTransport(view, position, packetEnd, end, nextHeader, headers);
        return;
    }
    headers.protocol = nextHeader;
    headers.ipHeaderLength = position - headers.networkAt;
    setPayload(position, packetEnd, end, headers);
    if (count === MAX_EXTENSION_HEADERS) {
      headers.fault = FAULT_IP_EXTENSION_CHAIN_TOO_LONG;
      return;
    }
    if (stop - position < 8) {
      headers.fault = packetEnd > end ? FAULT_TRUNCATED : FAULT_TRANSPORT_HEADER_CUT;
      return;
    }
    let length = 8;
    const following = view.getUint8(position);
    if (nextHeader === FRAGMENT) {
      const offsetAndFlag = view.getUint16(position + 2);
      headers.identification = view.getUint32(position + 4);
      if ((offsetAndFlag & 0xfff9) !== 0) {
        headers.isFragment = true;
        headers.moreFragments = (offsetAndFlag & 1) !== 0;
        headers.fragmentOffset = offsetAndFlag & 0xfff8;
      }
      if (headers.fragmentOffset !== 0) {
        headers.protocol = following;
        headers.ipHeaderLength = position + 8 - headers.networkAt;
        setPayload(position + 8, packetEnd, end, headers);
        return;
      }
    } else {
      length = (view.getUint8(position + 1) + extraUnits) * octetsPerUnit;
      if (length > stop - position) {
        headers.fault = packetEnd > end ? FAULT_TRUNCATED : FAULT_TRANSPORT_HEADER_CUT;
        return;
      }
    }
    nextHeader = following;
    position += length;
  }
}
