/** Sets the export time in the header of a datagram, for sending old datagrams as if they were made now. */

const NETFLOW_SHORT_HEADER = 16;

/**
 * Writes `nowMs` (Unix milliseconds) as export time into the datagram and returns true; false where its protocol has no export
 * time (sFlow) or it is none we know. sysUpTime stays as it is: flow times count from boot, which the change moves with the
 * export time, so flows keep their distance to it (Cisco's v1, v5 and v7 formats; RFC 3954 section 5.1; RFC 7011 section 3.1).
 */
export function rewriteExportTime(datagram: Uint8Array, nowMs: number): boolean {
  if (datagram.length < NETFLOW_SHORT_HEADER) return false;
  const view = new DataView(datagram.buffer, datagram.byteOffset, datagram.byteLength);
  const seconds = Math.floor(nowMs / 1000);
  switch (view.getUint16(0)) {
    case 1:
    case 5:
    case 7:
      view.setUint32(8, seconds);
      view.setUint32(12, Math.floor(nowMs - seconds * 1000) * 1_000_000);
      return true;
    case 9:
      view.setUint32(8, seconds);
      return true;
    case 10:
      view.setUint32(4, seconds);
      return true;
    default:
      return false;
  }
}
