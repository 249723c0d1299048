import { u16 } from './octet-text.ts';

/** A name takes up to 255 octets (RFC 1035 section 2.3.4): the first length and the last zero are no text. */
const MAX_TEXT_OCTETS = 253;
const MAX_POINTERS = 16;
const HEADER = 12;
/** The top bit of the class is mDNS's own (RFC 6762 sections 5.4 and 10.2). */
const CLASS_BITS = 0x7fff;
const DOT = 0x2e;

/** The header and the first question of a DNS message (RFC 1035 section 4.1), mDNS, LLMNR and NetBIOS name service too. */
export class DnsMessage {
  isResponse = false;
  opcode = 0;
  returnCode = 0;
  questions = 0;
  answers = 0;
  /** Name of the first question, labels with dots between them as they came, `.` for the root; valid until the next read. */
  readonly name: Uint8Array = new Uint8Array(MAX_TEXT_OCTETS);
  /** Octets of it; 0 where there is no question. */
  nameLength = 0;
  type = 0;

  /** False where it cannot be one. A message cut within the first question is none. */
  read(octets: Uint8Array, start: number, end: number): boolean {
    if (end - start < HEADER) return false;
    const flags = u16(octets, start + 2);
    this.isResponse = flags >> 15 === 1;
    this.opcode = (flags >> 11) & 15;
    this.returnCode = flags & 15;
    this.questions = u16(octets, start + 4);
    this.answers = u16(octets, start + 6);
    this.nameLength = 0;
    this.type = 0;
    if (this.opcode > 9 || (flags & 0x40) !== 0) return false;
    const records = this.answers + u16(octets, start + 8) + u16(octets, start + 10);
    // Every question takes 5 octets, every record 11.
    if (HEADER + this.questions * 5 + records * 11 > Math.max(end - start, 512) || this.questions + records === 0) {
      return this.isResponse && this.questions + records === 0;
    }
    if (this.questions === 0) return true;
    const at = this.readName(octets, start, start + HEADER, end);
    if (at < 0 || at + 4 > end) return false;
    this.type = u16(octets, at);
    const questionClass = u16(octets, at + 2) & CLASS_BITS;
    return this.type !== 0 && isClass(questionClass);
  }

  /** Reads the name at `at`; position behind it, -1 where it is none. */
  private readName(octets: Uint8Array, message: number, from: number, end: number): number {
    let at = from;
    let behind = -1;
    let length = 0;
    for (let pointers = 0; ; ) {
      if (at >= end) return -1;
      const label = octets[at]!;
      if (label === 0) break;
      if (label >= 0xc0) {
        if (at + 2 > end || ++pointers > MAX_POINTERS) return -1;
        if (behind < 0) behind = at + 2;
        at = message + (u16(octets, at) & 0x3fff);
        continue;
      }
      if (label > 63 || at + 1 + label > end || length + label + 1 > MAX_TEXT_OCTETS + (length === 0 ? 1 : 0))
        return -1;
      if (length > 0) this.name[length++] = DOT;
      for (let i = 0; i < label; i++) this.name[length + i] = octets[at + 1 + i]!;
      length += label;
      at += 1 + label;
    }
    if (length === 0) this.name[length++] = DOT;
    this.nameLength = length;
    return behind < 0 ? at + 1 : behind;
  }

  /**
   * Decodes a NetBIOS name in place: 32 letters from A to P are 16 octets, the last of which is the kind of name (RFC 1001
   * section 14.1). False where it is none.
   */
  decodeNetbiosName(): boolean {
    if (this.nameLength < 32) return false;
    for (let i = 0; i < 32; i++) if (this.name[i]! < 0x41 || this.name[i]! > 0x50) return false;
    let length = 0;
    for (let i = 0; i < 15; i++) {
      const octet = ((this.name[2 * i]! - 0x41) << 4) | (this.name[2 * i + 1]! - 0x41);
      this.name[i] = octet;
      if (octet !== 0x20 && octet !== 0) length = i + 1;
    }
    this.nameLength = length;
    return true;
  }
}

/** IN, CS, CH, HS, and the two that only questions have (RFC 1035 section 3.2.5, RFC 2136 section 2.4). */
function isClass(value: number): boolean {
  return (value >= 1 && value <= 4) || value === 254 || value === 255;
}
