/** Protocols over UDP that one datagram tells, besides those with a parser of their own. */

import { L7 } from './application-numbers.ts';
import { ascii, containsAnyCase, prefixOf, startsWith, u16, u32 } from './octet-text.ts';
import { derBodyAt, isKerberos, isLdap } from './stream-signatures.ts';

const SSDP = ['M-SEARCH * HTTP/1.1', 'NOTIFY * HTTP/1.1'].map(ascii);
const SSDP_TARGET = ascii('st:');
const TORRENT = ['d1:ad2:id20:', 'd1:rd2:id20:', 'd1:eli20'].map(ascii);
const DROPBOX = ascii('"host_int"');
const SPOTIFY = ascii('SpotUdp');
const BJNP = ['BJNP', 'BNJB', 'MFNP'].map(ascii);
const OPEN_BRACE = 0x7b;
const STUN_COOKIE = 0x2112a442;
const PORT_NTP = 123;
const PORT_SYSLOG = 514;
const PORT_IKE = 500;
const PORT_IKE_NAT = 4500;
const PORT_OPENVPN = 1194;
const PORTS_SNMP: ReadonlySet<number> = new Set([161, 162, 10161, 10162]);
const PORTS_RADIUS: ReadonlySet<number> = new Set([1812, 1813, 1645, 1646, 3799]);
const PORTS_RTP_NEVER: ReadonlySet<number> = new Set([53, 123, 137, 161, 500, 1900, 4500]);
const PORT_TFTP = 69;
const PORT_COAP = 5683;
const PORT_TEREDO = 3544;
const PORTS_CAPWAP: ReadonlySet<number> = new Set([5246, 5247]);
const PORTS_DHCP6: ReadonlySet<number> = new Set([546, 547]);
const PORT_XDMCP = 177;

/** The application, 0 where none is recognised. */
export function datagramApplication(
  octets: Uint8Array,
  start: number,
  end: number,
  clientPort: number,
  serverPort: number,
): number {
  const length = end - start;
  if (length < 4) return 0;
  return (
    portApplication(octets, start, end, clientPort, serverPort) ||
    textApplication(octets, start, end, serverPort) ||
    binaryApplication(octets, start, end, serverPort)
  );
}

/** Protocols whose octets say little without their port. */
function portApplication(
  octets: Uint8Array,
  start: number,
  end: number,
  clientPort: number,
  serverPort: number,
): number {
  const length = end - start;
  const first = octets[start]!;
  if (serverPort === PORT_NTP || clientPort === PORT_NTP) {
    // Versions 1 to 4, any mode but the reserved one (RFC 5905 section 7.3); mode 6 and 7 are shorter.
    const version = (first >> 3) & 7;
    const mode = first & 7;
    if (version >= 1 && version <= 4 && mode > 0 && (length >= 48 || mode >= 6)) return L7.ntp;
  }
  if (PORTS_SNMP.has(serverPort) || PORTS_SNMP.has(clientPort)) return isSnmp(octets, start, end) ? L7.snmp : 0;
  if (serverPort === PORT_IKE || serverPort === PORT_IKE_NAT)
    return isIpsec(octets, start, end, serverPort) ? L7.ipsec : 0;
  if (PORTS_RADIUS.has(serverPort) && length >= 20 && u16(octets, start + 2) <= length && first > 0 && first < 64) {
    return L7.radius;
  }
  if (PORTS_DHCP6.has(serverPort) && first >= 1 && first <= 36) return L7.dhcp6;
  // Read and write requests with a mode at the end (RFC 1350 section 5).
  if (serverPort === PORT_TFTP && first === 0 && octets[start + 1]! <= 2 && octets[end - 1] === 0) return L7.tftp;
  if (serverPort === PORT_COAP && first >> 6 === 1 && (first & 15) <= 8) return L7.coap;
  if (serverPort === PORT_TEREDO && (first >> 4 === 6 || first === 0)) return L7.teredo;
  if (PORTS_CAPWAP.has(serverPort) && first <= 1) return L7.capwap;
  if (serverPort === PORT_XDMCP && u16(octets, start) === 1) return L7.xdmcp;
  return 0;
}

function textApplication(octets: Uint8Array, start: number, end: number, serverPort: number): number {
  switch (octets[start]) {
    case 0x3c:
      return isSyslog(octets, start, end, serverPort) ? L7.syslog : 0;
    case 0x64:
      return prefixOf(octets, start, end, TORRENT) >= 0 ? L7.bittorrent : 0;
    case 0x42:
    case 0x4d:
    case 0x4e:
      if (prefixOf(octets, start, end, SSDP) >= 0) return L7.ssdp;
      return prefixOf(octets, start, end, BJNP) >= 0 ? L7.bjnp : 0;
    case 0x53:
      return startsWith(octets, start, end, SPOTIFY) ? L7.spotify : 0;
    case 0x48:
      // The answer to a search, sent from where the service is (UPnP Device Architecture 2.0 section 1.3.3).
      return startsWith(octets, start, end, HTTP_OK) &&
        containsAnyCase(octets, start, Math.min(end, start + 1024), SSDP_TARGET)
        ? L7.ssdp
        : 0;
    case OPEN_BRACE:
      return containsAnyCase(octets, start, Math.min(end, start + 256), DROPBOX) ? L7.dropbox : 0;
    default:
      return 0;
  }
}

const HTTP_OK = ascii('HTTP/1.1 200 OK');

function binaryApplication(octets: Uint8Array, start: number, end: number, serverPort: number): number {
  const length = end - start;
  const first = octets[start]!;
  if (
    length >= 20 &&
    first < 0x40 &&
    u32(octets, start + 4) === STUN_COOKIE &&
    u16(octets, start + 2) === length - 20
  ) {
    return L7.stun;
  }
  if (isWireguard(octets, start, length)) return L7.wireguard;
  if (isOpenvpn(octets, start, length, serverPort)) return L7.openvpn;
  if (isNetflow(octets, start, length)) return L7.netflow;
  if (isSflow(octets, start, length)) return L7.sflow;
  if (first >= 0x60 && first < 0x80 && isKerberos(octets, start, end)) return L7.kerberos;
  if (first === 0x30 && isLdap(octets, start, end, serverPort)) return L7.ldap;
  // An Initial of uTP: type 4, version 1, no extension or selective ACK, 20 octets (BEP 29).
  if (length === 20 && first === 0x41 && octets[start + 1]! <= 2 && u16(octets, start + 18) === 0) return L7.bittorrent;
  return 0;
}

/** A SEQUENCE with a version of 0, 1 or 3 and then a community or the header of version 3 (RFC 1157, RFC 3412). */
function isSnmp(octets: Uint8Array, start: number, end: number): boolean {
  const at = octets[start] === 0x30 ? derBodyAt(octets, start + 1, end) : -1;
  if (at < 0 || at + 4 > end || octets[at] !== 2 || octets[at + 1] !== 1) return false;
  const version = octets[at + 2]!;
  return (version === 0 || version === 1 || version === 3) && (octets[at + 3] === 4 || octets[at + 3] === 0x30);
}

/** IKE (RFC 7296 section 3.1), and on port 4500 ESP, or IKE behind four zeros (RFC 3948 section 2). */
function isIpsec(octets: Uint8Array, start: number, end: number, serverPort: number): boolean {
  const isMarked = serverPort === PORT_IKE_NAT && u32(octets, start) === 0;
  if (serverPort === PORT_IKE_NAT && !isMarked) return end - start >= 20;
  const at = isMarked ? start + 4 : start;
  if (end - at < 28) return false;
  const version = octets[at + 17]!;
  return (version === 0x10 || version === 0x20) && u32(octets, at + 24) >= 28;
}

/** `<PRI>` of up to 191, then text (RFC 3164 section 4.1.1, RFC 5424 section 6). */
function isSyslog(octets: Uint8Array, start: number, end: number, serverPort: number): boolean {
  let priority = 0;
  let at = start + 1;
  for (; at < end && at < start + 4 && octets[at]! >= 0x30 && octets[at]! <= 0x39; at++) {
    priority = priority * 10 + octets[at]! - 0x30;
  }
  if (at === start + 1 || octets[at] !== 0x3e || priority > 191) return false;
  const next = octets[at + 1] ?? 0;
  return serverPort === PORT_SYSLOG || next === 0x31 || (next >= 0x41 && next <= 0x5a);
}

/** Type with three zeros behind it, and the length the type has (WireGuard protocol, section 5.4 of its paper). */
function isWireguard(octets: Uint8Array, start: number, length: number): boolean {
  if (octets[start + 1] !== 0 || octets[start + 2] !== 0 || octets[start + 3] !== 0) return false;
  const type = octets[start]!;
  return (type === 1 && length === 148) || (type === 2 && length === 92) || (type === 3 && length === 64);
}

/** A hard reset: operation 7, 8 or 10 in the upper five bits, key 0, a session id, no or few acknowledgements. */
function isOpenvpn(octets: Uint8Array, start: number, length: number, serverPort: number): boolean {
  const first = octets[start]!;
  if (first !== 0x38 && first !== 0x40 && first !== 0x50) return false;
  if (serverPort === PORT_OPENVPN) return length >= 14;
  return first === 0x38 && length === 14 && octets[start + 9] === 0 && u32(octets, start + 10) === 0;
}

/** Export packets of version 1, 5, 7 and 9, and IPFIX Messages (RFC 3954 section 5.1, RFC 7011 section 3.1). */
function isNetflow(octets: Uint8Array, start: number, length: number): boolean {
  const version = u16(octets, start);
  const count = u16(octets, start + 2);
  if (version === 10) return count === length && length >= 16 && u16(octets, start + 16) >= 2;
  if (version === 5) return count > 0 && count <= 30 && length === 24 + 48 * count;
  if (version === 1) return count > 0 && count <= 24 && length === 16 + 52 * count;
  if (version === 7) return count > 0 && count <= 28 && length === 24 + 52 * count;
  if (version !== 9 || length < 24 || count === 0) return false;
  const setId = u16(octets, start + 20);
  const setLength = u16(octets, start + 22);
  return (setId <= 1 || setId >= 256) && setLength >= 4 && setLength <= length - 20;
}

/** Version 5, or 2 or 4, and the type of the agent's address ("sFlow Version 5", section 5). */
function isSflow(octets: Uint8Array, start: number, length: number): boolean {
  if (length < 28) return false;
  const version = u32(octets, start);
  const addressType = u32(octets, start + 4);
  if ((version !== 5 && version !== 4 && version !== 2) || (addressType !== 1 && addressType !== 2)) return false;
  const samplesAt = start + (addressType === 1 ? 12 : 24) + (version === 5 ? 12 : 8);
  return samplesAt + 4 <= start + length && u32(octets, samplesAt) < 1024;
}

/** Whether a datagram may be RTP (RFC 3550 section 5.1): version 2 and a payload type in use; a second one must fit it. */
export function mayBeRtp(octets: Uint8Array, start: number, end: number, serverPort: number): boolean {
  if (end - start < 12 || octets[start]! >> 6 !== 2 || PORTS_RTP_NEVER.has(serverPort)) return false;
  const payloadType = octets[start + 1]! & 0x7f;
  return payloadType <= 34 || payloadType >= 96;
}

/** RTCP: version 2, a packet type from sender report to extended report, its length (RFC 3550 section 6.4). */
export function isRtcp(octets: Uint8Array, start: number, end: number): boolean {
  if (end - start < 8 || octets[start]! >> 6 !== 2) return false;
  const type = octets[start + 1]!;
  return type >= 200 && type <= 207 && (u16(octets, start + 2) + 1) * 4 <= end - start;
}

/** GTP version 1 or 2 with its length (3GPP TS 29.281 section 5.1, TS 29.274 section 5.1). */
export function gtpApplication(octets: Uint8Array, start: number, end: number, serverPort: number): number {
  const length = end - start;
  const version = length >= 8 ? octets[start]! >> 5 : 0;
  if (serverPort === 2152 && version === 1 && u16(octets, start + 2) <= length - 8) return L7.gtpU;
  if (serverPort === 2123 && (version === 1 || version === 2) && u16(octets, start + 2) <= length - 4) return L7.gtpC;
  return 0;
}
