import { u32 } from './octet-text.ts';

/** RFC 2131 section 2. */
const OPTIONS_AT = 236;
const MAGIC_COOKIE = 0x63825363;
const OPTION_PAD = 0;
const OPTION_HOST_NAME = 12;
const OPTION_MESSAGE_TYPE = 53;
const OPTION_END = 255;

/** Kind and host name of a DHCP message (RFC 2131, RFC 2132). */
export class DhcpMessage {
  /** 0 where there is none: BOOTP. */
  messageType = 0;
  hostNameAt = -1;
  hostNameEnd = -1;

  /** False where the octets are no message of DHCP or BOOTP with options. */
  read(octets: Uint8Array, start: number, end: number): boolean {
    this.messageType = 0;
    this.hostNameAt = -1;
    this.hostNameEnd = -1;
    if (end - start < OPTIONS_AT + 4 || (octets[start] !== 1 && octets[start] !== 2)) return false;
    if (u32(octets, start + OPTIONS_AT) !== MAGIC_COOKIE) return false;
    for (let at = start + OPTIONS_AT + 4; at < end; ) {
      const option = octets[at++]!;
      if (option === OPTION_PAD) continue;
      if (option === OPTION_END || at >= end) break;
      const from = at + 1;
      const to = from + octets[at]!;
      if (to > end) break;
      if (option === OPTION_MESSAGE_TYPE && to > from) this.messageType = octets[from]!;
      if (option === OPTION_HOST_NAME) {
        this.hostNameAt = from;
        this.hostNameEnd = to;
      }
      at = to;
    }
    return true;
  }
}
