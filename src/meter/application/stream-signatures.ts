/** Protocols over TCP that the first octets of either side tell, besides those with a parser of their own. */

import { L7 } from './application-numbers.ts';
import { ascii, firstOctetsOf, prefixOf, prefixOfAnyCase, startsWith, u16, u24, u32 } from './octet-text.ts';

const SSH = ascii('SSH-');
const BITTORRENT = ascii('\x13BitTorrent protocol');
const RFB = ascii('RFB 00');
const RSYNC = ascii('@RSYNCD:');
const AMQP = ascii('AMQP');
const JABBER = [
  ascii('<stream:stream'),
  ascii("<?xml version='1.0'?><stream:"),
  ascii('<?xml version="1.0"?><stream:'),
];
const GIT = ascii('git-');
const RTSP = ascii('RTSP/1.0 ');
const RTSP_METHODS = ['OPTIONS rtsp:', 'DESCRIBE rtsp:', 'SETUP rtsp:', 'PLAY rtsp:', 'ANNOUNCE rtsp:'].map(ascii);
const IRC = ['NICK ', 'CAP LS', 'CAP REQ'].map(ascii);
const REDIS_WORDS = ['+pong\r\n', '-noauth', '-err unknown command', '-denied redis', 'ping\r\n'].map(ascii);
const MEMCACHED = ['get ', 'gets ', 'set ', 'stats\r\n', 'version\r\n'].map(ascii);
const REDIS_ARRAY = ascii('*');
const TEXT_FIRSTS = firstOctetsOf([
  SSH,
  RFB,
  RSYNC,
  AMQP,
  RTSP,
  REDIS_ARRAY,
  ...JABBER,
  ...RTSP_METHODS,
  ...IRC,
  ...REDIS_WORDS,
  ...MEMCACHED,
]);
const PORT_MEMCACHED = 11_211;
const PORT_TELNET = 23;
const PORT_LDAP = 389;
const PORT_GLOBAL_CATALOGUE = 3268;
const SMB_NETBIOS = 0x81;

/** The application, 0 where none is recognised. */
export function streamApplication(
  octets: Uint8Array,
  start: number,
  end: number,
  isFromServer: boolean,
  serverPort: number,
): number {
  const length = end - start;
  if (length < 4) return 0;
  switch (octets[start]) {
    case 0:
      return nulApplication(octets, start, end);
    case 0x03:
      return isRdp(octets, start, length) ? L7.rdp : isRtmp(octets, start, length) ? L7.rtmp : 0;
    case 0x10:
      return isMqttConnect(octets, start, end) ? L7.mqtt : 0;
    case 0x13:
      return startsWith(octets, start, end, BITTORRENT) ? L7.bittorrent : 0;
    case 0x30:
      return isLdap(octets, start, end, serverPort) ? L7.ldap : textApplication(octets, start, end, serverPort);
    case SMB_NETBIOS:
      return u16(octets, start + 2) === 68 && octets[start + 1] === 0 ? L7.netbios : 0;
    case 0xff:
      return fullOctetApplication(octets, start, end, serverPort);
    default:
      return (
        textApplication(octets, start, end, serverPort) ||
        databaseApplication(octets, start, end, isFromServer, serverPort)
      );
  }
}

/** What begins with a NUL: a length in front. */
function nulApplication(octets: Uint8Array, start: number, end: number): number {
  const length = end - start;
  if (length >= 8 && octets[start + 5] === 0x53 && octets[start + 6] === 0x4d && octets[start + 7] === 0x42) {
    if (octets[start + 4] === 0xfe) return L7.smb2;
    if (octets[start + 4] === 0xff) return L7.smb1;
  }
  if (length >= 8 && u32(octets, start) === length && isPostgresStart(u32(octets, start + 4))) return L7.postgresql;
  if (length >= 8 && u32(octets, start) === length - 4 && isKerberos(octets, start + 4, end)) return L7.kerberos;
  // PPTP: length, type 1, magic cookie (RFC 2637 section 2).
  if (length >= 8 && u32(octets, start + 4) === 0x1a2b3c4d) return L7.pptp;
  return 0;
}

/** Protocol 3.0, and the requests to begin encryption or to cancel (PostgreSQL documentation, "Message Formats"). */
function isPostgresStart(code: number): boolean {
  return code === 0x00030000 || code === 80877103 || code === 80877104 || code === 80877102;
}

/** An application tag of Kerberos with a whole definite length (RFC 4120 section 5). */
export function isKerberos(octets: Uint8Array, start: number, end: number): boolean {
  const tag = octets[start]! & 0x1f;
  if (end - start < 10 || (octets[start]! & 0xe0) !== 0x60) return false;
  const isMessage = (tag >= 10 && tag <= 15) || (tag >= 20 && tag <= 22) || tag === 30;
  // A SEQUENCE with the protocol version, [0] or [1] INTEGER 5.
  const bodyAt = derBodyAt(octets, start + 1, end);
  if (!isMessage || bodyAt < 0 || octets[bodyAt] !== 0x30) return false;
  const fieldsAt = derBodyAt(octets, bodyAt + 1, end);
  if (fieldsAt < 0 || fieldsAt + 5 > end) return false;
  return (
    (octets[fieldsAt]! & 0xfe) === 0xa0 &&
    octets[fieldsAt + 1] === 3 &&
    octets[fieldsAt + 2] === 2 &&
    octets[fieldsAt + 4] === 5
  );
}

/** Position behind a length in DER, -1 where it is none or more than four octets. */
export function derBodyAt(octets: Uint8Array, at: number, end: number): number {
  if (at >= end) return -1;
  const first = octets[at]!;
  if (first < 0x80) return at + 1;
  const count = first & 0x7f;
  return count === 0 || count > 4 || at + 1 + count > end ? -1 : at + 1 + count;
}

/** TPKT with an X.224 connection request or confirm (RFC 1006; MS-RDPBCGR section 2.2.1). */
function isRdp(octets: Uint8Array, start: number, length: number): boolean {
  if (length < 11 || octets[start + 1] !== 0 || u16(octets, start + 2) !== length) return false;
  return (octets[start + 5] === 0xe0 || octets[start + 5] === 0xd0) && octets[start + 4] === length - 5;
}

/** C0 or S0, then 1536 octets that begin with a time and four zeros (Adobe's RTMP specification section 5.2). */
function isRtmp(octets: Uint8Array, start: number, length: number): boolean {
  return length >= 1000 && u32(octets, start + 5) === 0;
}

function isMqttConnect(octets: Uint8Array, start: number, end: number): boolean {
  const at = derBodyAt(octets, start + 1, end);
  if (at < 0 || at + 6 > end) return false;
  return u16(octets, at) === 4 && octets[at + 2] === 0x4d && octets[at + 3] === 0x51 && octets[at + 4] === 0x54;
}

/** LDAPMessage: a SEQUENCE with an INTEGER and an operation (RFC 4511 section 4.1.1). */
export function isLdap(octets: Uint8Array, start: number, end: number, serverPort: number): boolean {
  const at = derBodyAt(octets, start + 1, end);
  if (at < 0 || at + 3 > end || octets[at] !== 2 || octets[at + 1]! < 1 || octets[at + 1]! > 4) return false;
  const operationAt = at + 2 + octets[at + 1]!;
  const operation = operationAt < end ? octets[operationAt]! : 0;
  const isOperation = (operation & 0xc0) === 0x40 && (operation & 0x1f) <= 25;
  const isBind = operation === 0x60 || operation === 0x61 || operation === 0x63;
  return isBind || (isOperation && (serverPort === PORT_LDAP || serverPort === PORT_GLOBAL_CATALOGUE));
}

function fullOctetApplication(octets: Uint8Array, start: number, end: number, serverPort: number): number {
  // The marker of BGP is 16 times 0xff (RFC 4271 section 4.1).
  if (end - start >= 19 && u32(octets, start) === 0xffffffff && u32(octets, start + 12) === 0xffffffff) {
    const type = octets[start + 18]!;
    if (type >= 1 && type <= 5) return L7.bgp;
  }
  // ZMTP: ten octets, the first 0xff, the last 0x7f (rfc.zeromq.org/spec/23, section "Greeting").
  if (end - start >= 10 && octets[start + 9] === 0x7f && u32(octets, start + 1) === 0) return L7.zeroMq;
  const command = octets[start + 1]!;
  return command >= 0xfb && command <= 0xfe && (serverPort === PORT_TELNET || octets[start + 3] === 0xff)
    ? L7.telnet
    : 0;
}

function textApplication(octets: Uint8Array, start: number, end: number, serverPort: number): number {
  // A pkt-line: four hexadecimal digits in front (gitprotocol-pack).
  if (TEXT_FIRSTS[octets[start]!] !== 1) return startsWith(octets, start + 4, end, GIT) ? L7.git : 0;
  if (startsWith(octets, start, end, SSH)) return L7.ssh;
  if (startsWith(octets, start, end, RFB)) return L7.vnc;
  if (startsWith(octets, start, end, RSYNC)) return L7.rsync;
  if (startsWith(octets, start, end, AMQP)) return L7.amqp;
  if (prefixOf(octets, start, end, JABBER) >= 0) return L7.jabber;
  if (startsWith(octets, start, end, RTSP) || prefixOf(octets, start, end, RTSP_METHODS) >= 0) {
    return L7.rtsp;
  }
  if (prefixOf(octets, start, end, IRC) >= 0) return L7.irc;
  if (startsWith(octets, start + 4, end, GIT)) return L7.git;
  if (octets[start] === 0x2a && isRedisArray(octets, start, end)) return L7.redis;
  if (prefixOfAnyCase(octets, start, end, REDIS_WORDS) >= 0) return L7.redis;
  if (serverPort === PORT_MEMCACHED && prefixOf(octets, start, end, MEMCACHED) >= 0) {
    return L7.memcached;
  }
  return 0;
}

/** `*1\r\n$4\r\n`: an array of bulk strings (Redis serialization protocol specification). */
function isRedisArray(octets: Uint8Array, start: number, end: number): boolean {
  let at = start + 1;
  while (at < end && octets[at]! >= 0x30 && octets[at]! <= 0x39 && at < start + 8) at++;
  return at > start + 1 && at + 3 <= end && octets[at] === 0x0d && octets[at + 1] === 0x0a && octets[at + 2] === 0x24;
}

function databaseApplication(
  octets: Uint8Array,
  start: number,
  end: number,
  isFromServer: boolean,
  serverPort: number,
): number {
  const length = end - start;
  const littleEndianLength = octets[start]! | (octets[start + 1]! << 8) | (octets[start + 2]! << 16);
  if (isFromServer && length >= 10 && octets[start + 3] === 0) {
    // Protocol version 10, then the server's version in digits ("Protocol::HandshakeV10"); or an error 0xff.
    const isGreeting = octets[start + 4] === 10 && octets[start + 5]! >= 0x30 && octets[start + 5]! <= 0x39;
    if (littleEndianLength === length - 4 && (isGreeting || octets[start + 4] === 0xff)) return L7.mysql;
  }
  // Length, ids, operation in little-endian order (MongoDB wire protocol, "Standard Message Header").
  if (length >= 16 && littleEndianLength === length && octets[start + 3] === 0) {
    const operation = octets[start + 12]! | (octets[start + 13]! << 8);
    if (u16(octets, start + 14) === 0 && (operation === 1 || (operation >= 2001 && operation <= 2013)))
      return L7.mongodb;
  }
  // TDS: prelogin or login, last packet, length (MS-TDS section 2.2.3.1).
  if (length >= 8 && (octets[start] === 0x12 || octets[start] === 0x10) && octets[start + 1] === 1) {
    if (u16(octets, start + 2) === length && u24(octets, start + 4) < 0x10000) return L7.msSqlTds;
  }
  // The server's only answer to an SSLRequest or a login is a letter.
  return serverPort === 5432 && isFromServer && octets[start] === 0x52 && u32(octets, start + 1) < length
    ? L7.postgresql
    : 0;
}
