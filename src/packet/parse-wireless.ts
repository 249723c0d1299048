import { FAULT_LINK_HEADER_INVALID, FAULT_TRUNCATED } from './packet-fault.ts';
import type { PacketHeaders } from './packet-headers.ts';
import { ETHERTYPE_LLC, parseEtherPayload } from './parse-link.ts';

/** Second octet of the frame control field. */
const TO_DISTRIBUTION_SYSTEM = 0x01;
const FROM_DISTRIBUTION_SYSTEM = 0x02;
const PROTECTED = 0x40;
const ORDER = 0x80;

/** Radiotap presence bits and flags. */
const RADIOTAP_TIMESTAMP = 1;
const RADIOTAP_FLAGS = 2;
const RADIOTAP_MORE = 0x80000000;
const RADIOTAP_FLAG_PADDED = 0x20;

/** Drivers send one presence word per antenna. */
const MAX_PRESENCE_WORDS = 16;

/** Reads a radiotap header and the 802.11 frame after it (radiotap.org). */
export function parseRadiotap(view: DataView, at: number, end: number, headers: PacketHeaders): void {
  if (end - at < 8) {
    headers.fault = FAULT_TRUNCATED;
    return;
  }
  const length = view.getUint16(at + 2, true);
  if (view.getUint8(at) !== 0 || length < 8) {
    headers.fault = FAULT_LINK_HEADER_INVALID;
    return;
  }
  const headerEnd = at + length;
  if (headerEnd > end) {
    headers.fault = FAULT_TRUNCATED;
    return;
  }
  const present = view.getUint32(at + 4, true);
  let flags = 0;
  if ((present & RADIOTAP_FLAGS) !== 0) {
    let fieldAt = at + 4;
    let more = true;
    for (let count = 0; more && count < MAX_PRESENCE_WORDS && headerEnd - fieldAt >= 4; count++) {
      more = (view.getUint32(fieldAt, true) & RADIOTAP_MORE) !== 0;
      fieldAt += 4;
    }
    // Eight octets, aligned to their size from the start of the header.
    if ((present & RADIOTAP_TIMESTAMP) !== 0) fieldAt = at + ((fieldAt - at + 7) & ~7) + 8;
    if (fieldAt < headerEnd) flags = view.getUint8(fieldAt);
  }
  // A frame check sequence at the end, which another flag tells, lies behind the IP packet's own length.
  parseWireless(view, headerEnd, end, (flags & RADIOTAP_FLAG_PADDED) !== 0, headers);
}

/**
 * Reads an IEEE 802.11 frame (IEEE 802.11-2020 section 9.2.3); `padded` when the header is filled up to four octets.
 * Encrypted frames keep their MAC addresses and nothing else; of an A-MSDU the first subframe is read.
 */
export function parseWireless(view: DataView, at: number, end: number, padded: boolean, headers: PacketHeaders): void {
  if (end - at < 10) {
    headers.fault = FAULT_TRUNCATED;
    return;
  }
  const kind = view.getUint8(at);
  const flags = view.getUint8(at + 1);
  if ((kind & 3) !== 0) {
    headers.fault = FAULT_LINK_HEADER_INVALID;
    return;
  }
  const frameType = (kind >>> 2) & 3;
  if (frameType === 1 || frameType === 3) return; // control and extension frames have no two addresses for sure
  if (end - at < 24) {
    headers.fault = FAULT_TRUNCATED;
    return;
  }
  const isToDistribution = (flags & TO_DISTRIBUTION_SYSTEM) !== 0;
  const isFromDistribution = (flags & FROM_DISTRIBUTION_SYSTEM) !== 0;
  const hasFourAddresses = frameType === 2 && isToDistribution && isFromDistribution;
  if (hasFourAddresses && end - at < 30) {
    headers.fault = FAULT_TRUNCATED;
    return;
  }
  headers.destinationMacAt = isToDistribution ? at + 16 : at + 4;
  headers.sourceMacAt = hasFourAddresses ? at + 24 : !isFromDistribution ? at + 10 : at + 16;
  if (frameType !== 2) return; // management
  // Bit 2 of the subtype: no data. Bit 3: quality of service.
  if ((kind & 0x40) !== 0 || (flags & PROTECTED) !== 0) return;
  if ((view.getUint8(at + 22) & 0x0f) !== 0) return; // a later fragment
  let position = at + (hasFourAddresses ? 30 : 24);
  let isAggregate = false;
  if ((kind & 0x80) !== 0) {
    if (end - position < 2) {
      headers.fault = FAULT_TRUNCATED;
      return;
    }
    isAggregate = (view.getUint8(position) & 0x80) !== 0;
    position += (flags & ORDER) !== 0 ? 6 : 2;
  }
  if (padded) position = at + ((position - at + 3) & ~3);
  if (!isAggregate) {
    parseEtherPayload(view, position, end, ETHERTYPE_LLC, headers);
    return;
  }
  if (end - position < 14) {
    headers.fault = FAULT_TRUNCATED;
    return;
  }
  headers.destinationMacAt = position;
  headers.sourceMacAt = position + 6;
  parseEtherPayload(view, position + 14, end, view.getUint16(position + 12), headers);
}
