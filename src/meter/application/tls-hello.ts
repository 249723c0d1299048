/**
 * ClientHello and ServerHello of TLS (RFC 8446 section 4.1, RFC 5246 section 7.4.1), DTLS (RFC 9147 section 5) and QUIC
 * (RFC 9001 section 4): the parts sent in clear.
 */

import { u16, u24 } from './octet-text.ts';
import { PARSE_DONE, PARSE_MORE, PARSE_NOT, type ParseResult } from './parse-result.ts';
import { REASSEMBLY_OCTETS } from './reassembly-pool.ts';

const CONTENT_HANDSHAKE = 22;
const HANDSHAKE_CLIENT_HELLO = 1;
const HANDSHAKE_SERVER_HELLO = 2;
const RECORD_HEADER = 5;
const DTLS_RECORD_HEADER = 13;
const DTLS_HANDSHAKE_HEADER = 12;
/** RFC 8446 section 5.1 has 2^14; older records have room for compression. */
const MAX_RECORD_OCTETS = 18_432;
/** Cipher suites, extensions and algorithms looked at. */
export const MAX_LIST = 256;

const EXTENSION_SERVER_NAME = 0;
const EXTENSION_SIGNATURE_ALGORITHMS = 13;
const EXTENSION_ALPN = 16;
const EXTENSION_SUPPORTED_VERSIONS = 43;

/** A list of 16-bit numbers without GREASE (RFC 8701), at most {@link MAX_LIST}. */
export class NumberList {
  readonly numbers = new Uint16Array(MAX_LIST);
  count = 0;

  /** Adds unless it is GREASE, or there are enough. */
  add(value: number): void {
    if (!isGrease(value) && this.count < MAX_LIST) this.numbers[this.count++] = value;
  }
}

/** What a hello says. Positions are in {@link TlsHello.octets}, valid until the octets read change; -1 where there is none. */
export class TlsHello {
  octets: Uint8Array = new Uint8Array(0);
  isClient = false;
  /** Over DTLS: versions count downwards there. */
  isDatagram = false;
  /** Of a client the highest it offers, of a server the one it chose. */
  version = 0;
  /** The server's cipher suite. */
  cipher = 0;
  serverNameAt = -1;
  serverNameEnd = -1;
  /** The server_name extension is there, whatever is in it. */
  hasServerName = false;
  /** The list of ALPN: each name after an octet with its length. */
  alpnAt = -1;
  alpnEnd = -1;
  readonly ciphers = new NumberList();
  readonly extensions = new NumberList();
  readonly signatureAlgorithms = new NumberList();

  private readonly joined = new Uint8Array(REASSEMBLY_OCTETS);

  /** Reads the first hello in TLS records from the start of a stream. */
  readRecords(octets: Uint8Array, start: number, end: number): ParseResult {
    if (octets[start] !== CONTENT_HANDSHAKE) return PARSE_NOT;
    if (end - start < RECORD_HEADER + 1) return PARSE_MORE;
    const length = u16(octets, start + 3);
    const type = octets[start + RECORD_HEADER]!;
    if (octets[start + 1] !== 3 || length === 0 || length > MAX_RECORD_OCTETS) return PARSE_NOT;
    if (type !== HANDSHAKE_CLIENT_HELLO && type !== HANDSHAKE_SERVER_HELLO) return PARSE_NOT;
    this.isDatagram = false;
    const recordEnd = start + RECORD_HEADER + length;
    const result = this.readHandshake(octets, start + RECORD_HEADER, Math.min(end, recordEnd));
    // A message may go on in the next record (RFC 8446 section 5.1).
    return result === PARSE_MORE && recordEnd < end ? this.readSplit(octets, start, end) : result;
  }

  /** Reads a hello in a DTLS record; one in fragments is not put together. */
  readDatagram(octets: Uint8Array, start: number, end: number): ParseResult {
    const at = start + DTLS_RECORD_HEADER;
    if (end - at < DTLS_HANDSHAKE_HEADER || octets[start] !== CONTENT_HANDSHAKE || octets[start + 1] !== 0xfe) {
      return PARSE_NOT;
    }
    const type = octets[at]!;
    if (type !== HANDSHAKE_CLIENT_HELLO && type !== HANDSHAKE_SERVER_HELLO) return PARSE_NOT;
    this.isDatagram = true;
    const length = u24(octets, at + 1);
    if (u24(octets, at + 6) !== 0 || u24(octets, at + 9) !== length) return PARSE_MORE;
    const body = at + DTLS_HANDSHAKE_HEADER;
    if (body + length > end) return PARSE_MORE;
    return this.readHello(octets, type, body, body + length);
  }

  /** Reads a handshake message that is a hello: TLS without its records, or the CRYPTO stream of QUIC. */
  readHandshake(octets: Uint8Array, start: number, end: number): ParseResult {
    if (end - start < 4) return PARSE_MORE;
    const type = octets[start]!;
    const length = u24(octets, start + 1);
    if (type !== HANDSHAKE_CLIENT_HELLO && type !== HANDSHAKE_SERVER_HELLO) return PARSE_NOT;
    if (length > REASSEMBLY_OCTETS) return PARSE_NOT;
    if (start + 4 + length > end) return PARSE_MORE;
    return this.readHello(octets, type, start + 4, start + 4 + length);
  }

  /** Takes the record headers out of the midst of a message. */
  private readSplit(octets: Uint8Array, start: number, end: number): ParseResult {
    let length = 0;
    for (let at = start; end - at >= RECORD_HEADER; ) {
      if (octets[at] !== CONTENT_HANDSHAKE) return PARSE_NOT;
      const from = at + RECORD_HEADER;
      const to = from + u16(octets, at + 3);
      if (to === from) return PARSE_NOT;
      const room = this.joined.length - length;
      for (let i = from; i < to && i < end && i - from < room; i++) this.joined[length + i - from] = octets[i]!;
      length += Math.min(Math.min(to, end) - from, room);
      at = to;
    }
    return this.readHandshake(this.joined, 0, length);
  }

  private readHello(octets: Uint8Array, type: number, start: number, end: number): ParseResult {
    this.octets = octets;
    this.isClient = type === HANDSHAKE_CLIENT_HELLO;
    this.serverNameAt = -1;
    this.serverNameEnd = -1;
    this.hasServerName = false;
    this.alpnAt = -1;
    this.alpnEnd = -1;
    this.cipher = 0;
    this.ciphers.count = 0;
    this.extensions.count = 0;
    this.signatureAlgorithms.count = 0;
    if (end - start < 35) return PARSE_NOT;
    this.version = u16(octets, start);
    let at = start + 35 + octets[start + 34]!;
    if (this.isClient) {
      if (this.isDatagram && at < end) at += 1 + octets[at]!;
      if (at + 2 > end) return PARSE_NOT;
      const ciphersEnd = at + 2 + u16(octets, at);
      if (ciphersEnd >= end) return PARSE_NOT;
      for (at += 2; at + 2 <= ciphersEnd; at += 2) this.ciphers.add(u16(octets, at));
      at = ciphersEnd + 1 + octets[ciphersEnd]!;
    } else {
      if (at + 3 > end) return PARSE_NOT;
      this.cipher = u16(octets, at);
      at += 3;
    }
    if (at > end) return PARSE_NOT;
    if (at + 2 <= end) this.readExtensions(octets, at + 2, Math.min(end, at + 2 + u16(octets, at)));
    return PARSE_DONE;
  }

  private readExtensions(octets: Uint8Array, start: number, end: number): void {
    for (let at = start; at + 4 <= end; ) {
      const type = u16(octets, at);
      const from = at + 4;
      const to = from + u16(octets, at + 2);
      if (to > end) return;
      this.extensions.add(type);
      if (type === EXTENSION_SUPPORTED_VERSIONS) this.readVersions(octets, from, to);
      else if (this.isClient) this.readClientExtension(octets, type, from, to);
      at = to;
    }
  }

  private readClientExtension(octets: Uint8Array, type: number, from: number, to: number): void {
    if (type === EXTENSION_SERVER_NAME) {
      this.hasServerName = true;
      // ServerNameList: length, then host_name (0), length, name (RFC 6066 section 3).
      if (to - from < 5 || octets[from + 2] !== 0) return;
      const nameEnd = from + 5 + u16(octets, from + 3);
      if (nameEnd > to || this.serverNameAt >= 0) return;
      this.serverNameAt = from + 5;
      this.serverNameEnd = nameEnd;
    } else if (type === EXTENSION_ALPN) {
      if (to - from < 3) return;
      this.alpnAt = from + 2;
      this.alpnEnd = Math.min(to, from + 2 + u16(octets, from));
    } else if (type === EXTENSION_SIGNATURE_ALGORITHMS) {
      for (let at = from + 2; at + 2 <= to; at += 2) this.signatureAlgorithms.add(u16(octets, at));
    }
  }

  private readVersions(octets: Uint8Array, from: number, to: number): void {
    if (!this.isClient) {
      if (to - from >= 2) this.version = u16(octets, from);
      return;
    }
    let best = 0;
    for (let at = from + 1; at + 2 <= to; at += 2) {
      const version = u16(octets, at);
      if (isGrease(version)) continue;
      if (best === 0 || (this.isDatagram ? version < best : version > best)) best = version;
    }
    if (best > 0) this.version = best;
  }
}

/** Values that clients send to see that servers ignore them (RFC 8701 section 2). */
function isGrease(value: number): boolean {
  return (value & 0x0f0f) === 0x0a0a && value >> 8 === (value & 0xff);
}
