/** Brings old captures forward in time, for programs that forget flows by the clock. */

const PCAP_HEADER = 24;
const PACKET_HEADER = 16;
/** Ethernet, IPv4 without options, UDP. */
const PAYLOAD = 14 + 20 + 8;

/** When the flows of a capture were, Unix milliseconds. */
export interface TimeRange {
  readonly earliestMs: number;
  readonly latestMs: number;
}

/**
 * A copy of a classic pcap file of NetFlow v5 and v9, IPFIX or sFlow over Ethernet in which everything is `seconds` later:
 * the packets, the export times of their headers (to which NetFlow's flow times are relative), and absolute times of 8 octets
 * within `range`.
 */
export function laterCapture(capture: Uint8Array, range: TimeRange, seconds: number): Uint8Array {
  const later = Uint8Array.from(capture);
  const view = new DataView(later.buffer);
  const little = view.getUint32(0, true) === 0xa1b2c3d4;
  for (let at = PCAP_HEADER; at + PACKET_HEADER <= later.length; ) {
    const end = at + PACKET_HEADER + view.getUint32(at + 8, little);
    view.setUint32(at, view.getUint32(at, little) + seconds, little);
    const payload = at + PACKET_HEADER + PAYLOAD;
    const version = payload + 20 < end ? view.getUint16(payload) : 0;
    if (version === 5 || version === 9) view.setUint32(payload + 8, view.getUint32(payload + 8) + seconds);
    if (version === 10) view.setUint32(payload + 4, view.getUint32(payload + 4) + seconds);
    if (version === 9 || version === 10) moveTimes(view, payload + 16, end, range, seconds);
    at = end;
  }
  return later;
}

function moveTimes(view: DataView, start: number, end: number, range: TimeRange, seconds: number): void {
  for (let at = start; at + 8 <= end; at++) {
    const value = view.getBigUint64(at);
    if (value < range.earliestMs || value > range.latestMs) continue;
    view.setBigUint64(at, value + BigInt(seconds) * 1000n);
    at += 7;
  }
}
