import { afterSpace, threeDigits } from './http-message.ts';
import { ascii, Beginnings, indexOfOctet, prefixOfAnyCase, startsWith } from './octet-text.ts';

/** RFC 3261 section 7.1 and its extensions. */
const METHODS = new Beginnings(
  [
    'INVITE ',
    'REGISTER ',
    'OPTIONS ',
    'ACK ',
    'BYE ',
    'CANCEL ',
    'SUBSCRIBE ',
    'NOTIFY ',
    'MESSAGE ',
    'PUBLISH ',
    'INFO ',
    'PRACK ',
    'UPDATE ',
    'REFER ',
  ].map(ascii),
);
const STATUS = ascii('SIP/2.0 ');
const URIS = ['sip:', 'sips:', 'tel:'].map(ascii);
const FROM = ['from:', 'f:'].map(ascii);
const TO = ['to:', 't:'].map(ascii);
const CALL_ID = ['call-id:', 'i:'].map(ascii);
const LF = 0x0a;
const CR = 0x0d;

/** What names a call in a message of SIP (RFC 3261). Positions are in the octets read; -1 where there is none. */
export class SipMessage {
  /** Of a response; 0 of a request. */
  status = 0;
  fromAt = -1;
  fromEnd = -1;
  toAt = -1;
  toEnd = -1;
  callIdAt = -1;
  callIdEnd = -1;

  /** False where the octets are no message of SIP. What is cut off is missing. */
  read(octets: Uint8Array, start: number, end: number): boolean {
    const isResponse = startsWith(octets, start, end, STATUS);
    this.status = isResponse ? threeDigits(octets, start + STATUS.length, end) : 0;
    if (isResponse ? this.status === 0 : !isRequest(octets, start, end)) return false;
    this.fromAt = -1;
    this.toAt = -1;
    this.callIdAt = -1;
    let lineEnd = indexOfOctet(octets, start, end, LF);
    while (lineEnd >= 0) {
      const at = lineEnd + 1;
      lineEnd = indexOfOctet(octets, at, end, LF);
      const textEnd = lineEnd > at && octets[lineEnd - 1] === CR ? lineEnd - 1 : lineEnd;
      if (lineEnd < 0 || textEnd === at) break;
      this.readField(octets, at, textEnd);
    }
    return true;
  }

  private readField(octets: Uint8Array, at: number, end: number): void {
    const valueAt = afterName(octets, at, end, FROM);
    if (valueAt >= 0 && this.fromAt < 0) {
      this.fromAt = valueAt;
      this.fromEnd = end;
      return;
    }
    const toAt = afterName(octets, at, end, TO);
    if (toAt >= 0 && this.toAt < 0) {
      this.toAt = toAt;
      this.toEnd = end;
      return;
    }
    const callIdAt = afterName(octets, at, end, CALL_ID);
    if (callIdAt < 0 || this.callIdAt >= 0) return;
    this.callIdAt = callIdAt;
    this.callIdEnd = end;
  }
}

function isRequest(octets: Uint8Array, start: number, end: number): boolean {
  const method = METHODS.find(octets, start, end);
  return method !== undefined && prefixOfAnyCase(octets, start + method.length, end, URIS) >= 0;
}

/** Position of the value where the field has one of `names` (RFC 3261 section 7.3.3 has short ones), else -1. */
function afterName(octets: Uint8Array, at: number, end: number, names: readonly Uint8Array[]): number {
  const name = names[prefixOfAnyCase(octets, at, end, names)];
  return name === undefined ? -1 : afterSpace(octets, at + name.length, end);
}
