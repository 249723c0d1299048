import {
  FAULT_LINK_HEADER_INVALID,
  FAULT_LINK_HEADERS_TOO_MANY,
  FAULT_MPLS_BOTTOMLESS,
  FAULT_NONE,
  FAULT_TRUNCATED,
} from './packet-fault.ts';
import type { PacketHeaders } from './packet-headers.ts';
import { MAX_MPLS_LABELS } from './packet-headers.ts';
import { parseIPv4, parseIPv6 } from './parse-network.ts';

/** EtherTypes (IEEE registration authority). */
export const ETHERTYPE_IPV4 = 0x0800;
/** IPv6 (RFC 2464). */
export const ETHERTYPE_IPV6 = 0x86dd;
/** MPLS (RFC 3032). */
export const ETHERTYPE_MPLS = 0x8847;
/** An IEEE 802.2 LLC header without a length before it, as in frames over 1500 octets. */
export const ETHERTYPE_LLC = 0x8870;
const ETHERTYPE_ARP = 0x0806;
const ETHERTYPE_CISCO_METADATA = 0x8909;
const ETHERTYPE_RARP = 0x8035;
const ETHERTYPE_MPLS_UPSTREAM = 0x8848;
const ETHERTYPE_PPPOE_DISCOVERY = 0x8863;
const ETHERTYPE_PPPOE_SESSION = 0x8864;
/** A VLAN tag (IEEE 802.1Q). */
export const ETHERTYPE_CUSTOMER_VLAN = 0x8100;
const ETHERTYPE_SERVICE_VLAN = 0x88a8;
const ETHERTYPE_BACKBONE_SERVICE = 0x88e7;
const ETHERTYPE_VN_TAG = 0x8926;
const ETHERTYPE_E_TAG = 0x893f;

/** The least EtherType; what is less in its place is a length (IEEE 802.3). */
const LEAST_ETHERTYPE = 0x0600;

/** Link headers followed: no network stacks as many, and QinQ loops stop somewhere. */
const MAX_LINK_HEADERS = 64;

/** Label stack entries followed. */
const MAX_LABEL_STACK = 64;

/** Reads an Ethernet frame at `at`: MAC addresses, then as {@link parseEtherPayload}. */
export function parseEthernet(view: DataView, at: number, end: number, headers: PacketHeaders): void {
  const length = end - at;
  if (length < 14) {
    if (length >= 6) headers.destinationMacAt = at;
    if (length >= 12) headers.sourceMacAt = at + 6;
    headers.fault = FAULT_TRUNCATED;
    return;
  }
  headers.destinationMacAt = at;
  headers.sourceMacAt = at + 6;
  const type = view.getUint16(at + 12);
  if (type === ETHERTYPE_IPV4) {
    headers.etherType = type;
    parseIPv4(view, at + 14, end, headers);
  } else {
    parseEtherPayload(view, at + 14, end, type, headers);
  }
}

/**
 * Reads what EtherType (or 802.3 length) `type` says starts at `at`: any number of tags, labels, PPPoE and frames within
 * frames, then the network header. Frames in a frame without IP between (pseudowires, backbone bridges) are no tunnel:
 * the MAC addresses and the outermost VLAN stay those of the outer frame.
 */
export function parseEtherPayload(view: DataView, at: number, end: number, type: number, headers: PacketHeaders): void {
  let position = at;
  let stop = end;
  let next = type;
  // Under labels and PPPoE the frame's own type stays.
  let isTypeSettled = false;
  for (let count = 0; count < MAX_LINK_HEADERS; count++) {
    if (next >= LEAST_ETHERTYPE && next !== ETHERTYPE_LLC && !isTypeSettled) headers.etherType = next;
    switch (next) {
      case ETHERTYPE_IPV4:
        parseIPv4(view, position, stop, headers);
        return;
      case ETHERTYPE_IPV6:
        parseIPv6(view, position, stop, headers);
        return;
      case ETHERTYPE_ARP:
      case ETHERTYPE_RARP:
        parseArp(view, position, stop, headers);
        return;
      case ETHERTYPE_CUSTOMER_VLAN:
      case ETHERTYPE_SERVICE_VLAN:
      case 0x9100:
      case 0x9200:
      case 0x9300:
        if (stop - position < 4) {
          noteTruncated(headers);
          return;
        }
        noteVlanTag(view.getUint16(position), headers);
        next = view.getUint16(position + 2);
        position += 4;
        break;
      case ETHERTYPE_MPLS:
      case ETHERTYPE_MPLS_UPSTREAM:
        isTypeSettled = true;
        position = parseLabelStack(view, position, stop, headers);
        if (position < 0) return;
        next = etherTypeUnderLabels(view, position, stop);
        if (next === INNER_FRAME_AFTER_CONTROL_WORD) {
          position += 4;
          next = INNER_FRAME;
        }
        if (next === INNER_FRAME) {
          next = view.getUint16(position + 12);
          position += 14;
        }
        break;
      case ETHERTYPE_PPPOE_DISCOVERY:
      case ETHERTYPE_PPPOE_SESSION: {
        if (stop - position < 6) {
          noteTruncated(headers);
          return;
        }
        if (view.getUint8(position) !== 0x11) {
          noteFault(FAULT_LINK_HEADER_INVALID, headers);
          return;
        }
        isTypeSettled = true;
        headers.pppoeSessionId = view.getUint16(position + 2);
        if (next === ETHERTYPE_PPPOE_DISCOVERY) return;
        position += 6;
        next = etherTypeOfPpp(view, position, stop);
        position += pppHeaderLength(view, position, stop);
        if (position > stop) {
          noteTruncated(headers);
          return;
        }
        break;
      }
      case ETHERTYPE_BACKBONE_SERVICE:
        // I-TAG: flags and service, then the customer's frame (IEEE 802.1Q-2018 section 9.7).
        if (stop - position < 18) {
          noteTruncated(headers);
          return;
        }
        next = view.getUint16(position + 16);
        position += 18;
        break;
      case ETHERTYPE_VN_TAG:
        if (stop - position < 6) {
          noteTruncated(headers);
          return;
        }
        next = view.getUint16(position + 4);
        position += 6;
        break;
      case ETHERTYPE_E_TAG:
      case ETHERTYPE_CISCO_METADATA:
        if (stop - position < 8) {
          noteTruncated(headers);
          return;
        }
        next = view.getUint16(position + 6);
        position += 8;
        break;
      case 0:
        return;
      default: {
        if (next >= LEAST_ETHERTYPE && next !== ETHERTYPE_LLC) return;
        if (next < LEAST_ETHERTYPE) {
          // 802.3: a length of the LLC frame; 1501 to 1535 are neither that nor a type.
          if (next > 1500) return;
          if (position + next < stop) stop = position + next;
        }
        next = etherTypeOfLlc(view, position, stop);
        if (next < 0) {
          if (stop === end) noteTruncated(headers);
          return;
        }
        if (next === 0) return;
        position += view.getUint8(position) === 0xaa ? 8 : 3;
      }
    }
  }
  noteFault(FAULT_LINK_HEADERS_TOO_MANY, headers);
}

/** Notes one VLAN tag: the first is the outermost, the last so far the innermost (IEEE 802.1Q section 9.6). */
function noteVlanTag(tagControl: number, headers: PacketHeaders): void {
  if (headers.vlanCount === 0) {
    headers.vlanId = tagControl & 0x0fff;
    headers.vlanPriority = tagControl >>> 13;
  } else {
    headers.innerVlanId = tagControl & 0x0fff;
    headers.innerVlanPriority = tagControl >>> 13;
  }
  headers.vlanCount++;
}

/** Reads the label stack at `at` and returns where it ends, or -1 when it does not (RFC 3032 section 2.1). */
function parseLabelStack(view: DataView, at: number, end: number, headers: PacketHeaders): number {
  const labels = headers.mplsLabels;
  if (headers.mplsLabelCount === 0) headers.mplsAt = at;
  for (let position = at; headers.mplsLabelCount < MAX_LABEL_STACK; ) {
    if (end - position < 4) {
      noteTruncated(headers);
      return -1;
    }
    const entry = view.getUint32(position);
    const count = headers.mplsLabelCount;
    if (count === 0) {
      headers.mplsTopLabel = entry >>> 12;
      headers.mplsTopTrafficClass = (entry >>> 9) & 7;
      headers.mplsTopTtl = entry & 0xff;
    }
    if (count < MAX_MPLS_LABELS) labels[count] = entry >>> 12;
    headers.mplsLabelCount = count + 1;
    position += 4;
    if ((entry & 0x100) !== 0) return position;
  }
  noteFault(FAULT_MPLS_BOTTOMLESS, headers);
  return -1;
}

/** Answers of {@link etherTypeUnderLabels} that are no EtherType. */
const INNER_FRAME = 1;
const INNER_FRAME_AFTER_CONTROL_WORD = 2;

/**
 * What lies under a label stack, which no header says: IP by its version (RFC 4928 section 2), else an Ethernet
 * pseudowire with or without its control word (RFC 4448), else 0.
 */
function etherTypeUnderLabels(view: DataView, at: number, end: number): number {
  if (at >= end) return 0;
  const nibble = view.getUint8(at) >>> 4;
  if (nibble === 4) return ETHERTYPE_IPV4;
  if (nibble === 6) return ETHERTYPE_IPV6;
  // 1 is an associated channel (RFC 5586), no traffic.
  if (nibble === 1) return 0;
  // In this order: a tagged frame has a known type four octets later as well.
  if (looksLikeFrame(view, at, end)) return INNER_FRAME;
  return nibble === 0 && looksLikeFrame(view, at + 4, end) ? INNER_FRAME_AFTER_CONTROL_WORD : 0;
}

/** Whether a frame at `at` would have a type that customers' frames have. */
function looksLikeFrame(view: DataView, at: number, end: number): boolean {
  if (end - at < 14) return false;
  switch (view.getUint16(at + 12)) {
    case ETHERTYPE_IPV4:
    case ETHERTYPE_IPV6:
    case ETHERTYPE_ARP:
    case ETHERTYPE_CUSTOMER_VLAN:
    case ETHERTYPE_SERVICE_VLAN:
    case ETHERTYPE_MPLS:
    case ETHERTYPE_PPPOE_DISCOVERY:
    case ETHERTYPE_PPPOE_SESSION:
      return true;
    default:
      return false;
  }
}

/** EtherType of the LLC frame at `at`, 0 when it is none we read, -1 when it is not all there (IEEE 802.2, RFC 1042). */
function etherTypeOfLlc(view: DataView, at: number, end: number): number {
  if (end - at < 3) return -1;
  const accessPoints = view.getUint16(at);
  if (accessPoints === 0x0606) return ETHERTYPE_IPV4;
  if (accessPoints !== 0xaaaa || view.getUint8(at + 2) !== 3) return 0;
  if (end - at < 8) return -1;
  const organisation = view.getUint32(at + 2) & 0xffffff;
  // RFC 1042's own, and the one bridges use for what would be ambiguous in it (IEEE 802.1H).
  if (organisation !== 0 && organisation !== 0x0000f8) return 0;
  const type = view.getUint16(at + 6);
  return type < LEAST_ETHERTYPE ? 0 : type;
}

/** Octets before the information of the PPP frame at `at`, its protocol included (RFC 1661 section 6.5, RFC 1662). */
export function pppHeaderLength(view: DataView, at: number, end: number): number {
  let length = 0;
  if (end - at >= 2 && view.getUint16(at) === 0xff03) length = 2;
  // Compressed protocol numbers have one octet, which is odd.
  return at + length < end && (view.getUint8(at + length) & 1) === 1 ? length + 1 : length + 2;
}

/** EtherType that stands for the protocol of the PPP frame at `at`, 0 when there is none. */
export function etherTypeOfPpp(view: DataView, at: number, end: number): number {
  const length = pppHeaderLength(view, at, end);
  if (length > end - at) return 0;
  const low = view.getUint8(at + length - 1);
  // A compressed number, or one whose first octet is 0.
  const isLow = (length & 1) === 1 || view.getUint8(at + length - 2) === 0;
  if (isLow) return low === 0x21 ? ETHERTYPE_IPV4 : low === 0x57 ? ETHERTYPE_IPV6 : 0;
  const protocol = view.getUint16(at + length - 2);
  // MPLS unicast and multicast (RFC 3032 section 4.3).
  return protocol === 0x0281 || protocol === 0x0283 ? ETHERTYPE_MPLS : 0;
}

/** Reads an ARP packet for IPv4 over 6-octet addresses; others are only known by their EtherType (RFC 826). */
function parseArp(view: DataView, at: number, end: number, headers: PacketHeaders): void {
  if (end - at < 28) {
    noteTruncated(headers);
    return;
  }
  if (view.getUint16(at + 2) !== ETHERTYPE_IPV4 || view.getUint16(at + 4) !== 0x0604) return;
  headers.isArp = true;
  headers.arpOperation = view.getUint16(at + 6);
  headers.arpSenderMacAt = at + 8;
  headers.arpSenderIPv4 = view.getUint32(at + 14);
  headers.arpTargetMacAt = at + 18;
  headers.arpTargetIPv4 = view.getUint32(at + 24);
}

/** Notes a link header that ends early. */
function noteTruncated(headers: PacketHeaders): void {
  noteFault(FAULT_TRUNCATED, headers);
}

/** Keeps the first fault. */
function noteFault(fault: number, headers: PacketHeaders): void {
  if (headers.fault === FAULT_NONE) headers.fault = fault;
}
