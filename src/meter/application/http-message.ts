import { ascii, Beginnings, containsAnyCase, indexOfOctet, startsWith, startsWithAnyCase } from './octet-text.ts';
import { PARSE_DONE, PARSE_MORE, PARSE_NOT, type ParseResult } from './parse-result.ts';

/** RFC 9110 section 9, WebDAV (RFC 4918), and PATCH (RFC 5789): what begins like these may be a request cut within its first line. */
const METHODS = new Beginnings(
  [
    'GET ',
    'POST ',
    'HEAD ',
    'PUT ',
    'DELETE ',
    'CONNECT ',
    'OPTIONS ',
    'TRACE ',
    'PATCH ',
    'PROPFIND ',
    'PROPPATCH ',
    'MKCOL ',
    'COPY ',
    'MOVE ',
    'LOCK ',
    'UNLOCK ',
    'REPORT ',
    'SEARCH ',
    'SUBSCRIBE ',
    'UNSUBSCRIBE ',
    'NOTIFY ',
    'M-SEARCH ',
  ].map(ascii),
);

const VERSION = ascii('HTTP/1.');
const ABSOLUTE = ascii('http://');
const HOST = ascii('host:');
const USER_AGENT = ascii('user-agent:');
const UPGRADE = ascii('upgrade:');
const CONTENT_TYPE = ascii('content-type:');
const WEB_SOCKET = ascii('websocket');
const OCSP = ascii('application/ocsp-');
const LF = 0x0a;
const CR = 0x0d;
const SPACE = 0x20;
const TAB = 0x09;
const COLON = 0x3a;

/** The first line and the fields of interest of an HTTP/1 request (RFC 9112 section 3). Positions are in the octets read; -1 where there is none. */
export class HttpRequest {
  methodEnd = 0;
  targetAt = 0;
  targetEnd = 0;
  hostAt = -1;
  /** Before the port. */
  hostEnd = -1;
  userAgentAt = -1;
  userAgentEnd = -1;
  isConnect = false;
  /** The target is a whole URL: a request to a proxy (RFC 9112 section 3.2.2). */
  isAbsolute = false;
  isWebSocket = false;
  isOcsp = false;

  /**
   * Reads `octets[start, end)`. `isFinal`: nothing more will come, fields cut off or missing are no reason to wait; a
   * first line must be whole all the same.
   */
  read(octets: Uint8Array, start: number, end: number, isFinal: boolean): ParseResult {
    const method = METHODS.find(octets, start, end);
    if (method === undefined) return isFinal || !METHODS.isCutOff(octets, start, end) ? PARSE_NOT : PARSE_MORE;
    const lineEnd = indexOfOctet(octets, start, end, LF);
    if (lineEnd < 0) return isFinal ? PARSE_NOT : PARSE_MORE;
    const textEnd = octets[lineEnd - 1] === CR ? lineEnd - 1 : lineEnd;
    const versionAt = textEnd - VERSION.length - 1;
    if (versionAt < start + method.length || !startsWith(octets, versionAt, textEnd, VERSION)) return PARSE_NOT;
    this.methodEnd = start + method.length - 1;
    this.targetAt = start + method.length;
    this.targetEnd = Math.max(this.targetAt, versionAt - 1);
    this.isConnect = octets[start] === 0x43 && octets[start + 3] === 0x4e;
    this.isAbsolute = startsWithAnyCase(octets, this.targetAt, this.targetEnd, ABSOLUTE);
    this.hostAt = -1;
    this.hostEnd = -1;
    this.userAgentAt = -1;
    this.userAgentEnd = -1;
    this.isWebSocket = false;
    this.isOcsp = false;
    return this.readFields(octets, lineEnd + 1, end) || isFinal ? PARSE_DONE : PARSE_MORE;
  }

  /** True when the empty line was seen. */
  private readFields(octets: Uint8Array, start: number, end: number): boolean {
    for (let at = start; at < end; ) {
      const lineEnd = indexOfOctet(octets, at, end, LF);
      if (lineEnd < 0) return false;
      const textEnd = lineEnd > at && octets[lineEnd - 1] === CR ? lineEnd - 1 : lineEnd;
      if (textEnd === at) return true;
      this.readField(octets, at, textEnd);
      at = lineEnd + 1;
    }
    return false;
  }

  private readField(octets: Uint8Array, at: number, end: number): void {
    switch (octets[at]! | 0x20) {
      case 0x68:
        if (this.hostAt >= 0 || !startsWithAnyCase(octets, at, end, HOST)) return;
        this.hostAt = afterSpace(octets, at + HOST.length, end);
        this.hostEnd = endOfHost(octets, this.hostAt, beforeSpace(octets, this.hostAt, end));
        return;
      case 0x75:
        if (startsWithAnyCase(octets, at, end, UPGRADE)) {
          this.isWebSocket = containsAnyCase(octets, at + UPGRADE.length, end, WEB_SOCKET);
        } else if (this.userAgentAt < 0 && startsWithAnyCase(octets, at, end, USER_AGENT)) {
          this.userAgentAt = afterSpace(octets, at + USER_AGENT.length, end);
          this.userAgentEnd = beforeSpace(octets, this.userAgentAt, end);
        }
        return;
      case 0x63:
        if (!startsWithAnyCase(octets, at, end, CONTENT_TYPE)) return;
        this.isOcsp = startsWithAnyCase(octets, afterSpace(octets, at + CONTENT_TYPE.length, end), end, OCSP);
        return;
    }
  }
}

/** The status of an HTTP/1 response (RFC 9112 section 4), or 0 where the octets are none. */
export function httpStatus(octets: Uint8Array, start: number, end: number): number {
  return startsWith(octets, start, end, VERSION) ? threeDigits(octets, start + VERSION.length + 2, end) : 0;
}

/** Three digits at `at`, 0 where there are none. */
export function threeDigits(octets: Uint8Array, at: number, end: number): number {
  if (at + 3 > end) return 0;
  let value = 0;
  for (let i = at; i < at + 3; i++) {
    const digit = octets[i]! - 0x30;
    if (digit < 0 || digit > 9) return 0;
    value = value * 10 + digit;
  }
  return value;
}

/** First position from `at` that is no blank. */
export function afterSpace(octets: Uint8Array, at: number, end: number): number {
  let from = at;
  while (from < end && (octets[from] === SPACE || octets[from] === TAB)) from++;
  return from;
}

/** End of `octets[start, end)` without the blanks there. */
function beforeSpace(octets: Uint8Array, start: number, end: number): number {
  let to = end;
  while (to > start && (octets[to - 1] === SPACE || octets[to - 1] === TAB)) to--;
  return to;
}

/** Where the port of a Host begins, or its end; an IPv6 address has colons within brackets. */
function endOfHost(octets: Uint8Array, start: number, end: number): number {
  let to = end;
  while (to > start && octets[to - 1]! >= 0x30 && octets[to - 1]! <= 0x39) to--;
  return to > start && octets[to - 1] === COLON ? to - 1 : end;
}
