/**
 * The kernel's answers about TCP sockets (sock_diag(7), NETLINK_SOCK_DIAG) as `ss -D -` hands them on: netlink messages, each with a
 * struct inet_diag_msg and attributes behind it (Linux, include/uapi/linux/netlink.h, inet_diag.h, tcp.h), in the host's byte order.
 */

import { endianness } from 'node:os';
import { formatIPv4, formatIPv6 } from '../bytes/address.ts';
import { type SocketEntry, TCP_STATES, type TcpFigures } from './socket-entry.ts';

const IS_LITTLE_ENDIAN = endianness() === 'LE';

/** struct nlmsghdr: length, type, flags, sequence number, port. */
const HEADER_OCTETS = 16;
const TYPE_ERROR = 2;
const TYPE_DONE = 3;
const TYPE_SOCK_DIAG_BY_FAMILY = 20;
/** A message that says it is longer is none: those of sockets have some 500 octets. */
const LONGEST_MESSAGE_OCTETS = 65_536;

/** struct inet_diag_msg. */
const DIAG_OCTETS = 72;
const FAMILY_IPV4 = 2;
const FAMILY_IPV6 = 10;
const STATE_TIME_WAIT = 6;
const STATE_LISTEN = 10;

/** struct rtattr: length and type; INET_DIAG_INFO holds struct tcp_info, INET_DIAG_CGROUP_ID a number of 64 bits. */
const ATTRIBUTE_HEADER_OCTETS = 4;
const ATTRIBUTE_INFO = 2;
const ATTRIBUTE_CGROUP_ID = 21;

/** What the kernel writes where it has measured no minimum yet. */
const NO_MINIMUM_US = 0xffff_ffff;

/**
 * Reads sockets from the octets of one `ss -D -`, in pieces as they come. It never throws: what is damaged is counted, and after it
 * nothing more is read, because the next message cannot be found.
 */
export class InetDiagReader {
  /** Sockets read so far. */
  readonly sockets: SocketEntry[] = [];
  /** Dumps that ended as they should; ss asks for IPv4 and for IPv6. */
  dumpsDone = 0;
  /** Errors the kernel answered with. */
  kernelErrors = 0;
  /** Sockets not taken because there were `maxSockets` already. */
  socketsBeyondLimit = 0;
  /** Messages of sockets that are too short or of another address family. */
  messagesInvalid = 0;
  /** Whether a length was wrong, so that the rest could not be read. */
  isBroken = false;
  readonly #namespace: number;
  readonly #maxSockets: number;
  #rest: Uint8Array | undefined;

  /** Reads at most `maxSockets` sockets of `namespace`. */
  constructor(namespace: number, maxSockets: number) {
    this.#namespace = namespace;
    this.#maxSockets = maxSockets;
  }

  /** Whether everything the kernel had to say is here. */
  get isWhole(): boolean {
    return this.dumpsDone > 0 && this.kernelErrors === 0 && !this.isBroken && this.#rest === undefined;
  }

  /** Takes the next octets; they may be reused afterwards. */
  push(octets: Uint8Array): void {
    if (this.isBroken) return;
    const rest = this.#rest;
    const all = rest === undefined ? octets : Buffer.concat([rest, octets]);
    const view = new DataView(all.buffer, all.byteOffset, all.byteLength);
    let pos = 0;
    while (pos + HEADER_OCTETS <= all.length) {
      const length = view.getUint32(pos, IS_LITTLE_ENDIAN);
      if (length < HEADER_OCTETS || length > LONGEST_MESSAGE_OCTETS) {
        this.isBroken = true;
        this.#rest = undefined;
        return;
      }
      const next = pos + ((length + 3) & ~3);
      if (next > all.length) break;
      this.#readMessage(view, pos, pos + length);
      pos = next;
    }
    this.#rest = pos === all.length ? undefined : all.slice(pos);
  }

  #readMessage(view: DataView, at: number, end: number): void {
    const type = view.getUint16(at + 4, IS_LITTLE_ENDIAN);
    if (type === TYPE_DONE) this.dumpsDone++;
    else if (type === TYPE_ERROR) this.kernelErrors++;
    else if (type === TYPE_SOCK_DIAG_BY_FAMILY) {
      if (this.sockets.length >= this.#maxSockets) {
        this.socketsBeyondLimit++;
        return;
      }
      const entry = readSocket(view, at + HEADER_OCTETS, end, this.#namespace);
      if (entry === undefined) this.messagesInvalid++;
      else this.sockets.push(entry);
    }
  }
}

/** The socket of the struct inet_diag_msg at `at` and the attributes up to `end`; undefined where it is cut or no IP socket. */
function readSocket(view: DataView, at: number, end: number, namespace: number): SocketEntry | undefined {
  if (at + DIAG_OCTETS > end) return undefined;
  const family = view.getUint8(at);
  if (family !== FAMILY_IPV4 && family !== FAMILY_IPV6) return undefined;
  const state = view.getUint8(at + 1);
  const userId = view.getUint32(at + 64, IS_LITTLE_ENDIAN);
  const inode = view.getUint32(at + 68, IS_LITTLE_ENDIAN);
  let tcp: TcpFigures | undefined;
  let cgroupId = 0;
  for (let pos = at + DIAG_OCTETS; pos + ATTRIBUTE_HEADER_OCTETS <= end; ) {
    const length = view.getUint16(pos, IS_LITTLE_ENDIAN);
    if (length < ATTRIBUTE_HEADER_OCTETS || pos + length > end) break;
    const type = view.getUint16(pos + 2, IS_LITTLE_ENDIAN);
    const value = pos + ATTRIBUTE_HEADER_OCTETS;
    // What tcp_info says of a socket that listens is its queue, under the names of segments.
    if (type === ATTRIBUTE_INFO && state !== STATE_LISTEN) tcp = readTcpInfo(view, value, pos + length);
    else if (type === ATTRIBUTE_CGROUP_ID && value + 8 <= pos + length) cgroupId = unsigned64(view, value);
    pos += (length + 3) & ~3;
  }
  return {
    namespace,
    protocol: 6,
    localAddress: addressText(view, at + 8, family),
    localPort: view.getUint16(at + 4),
    remoteAddress: addressText(view, at + 24, family),
    remotePort: view.getUint16(at + 6),
    state: TCP_STATES[state] ?? 'UNKNOWN',
    // The kernel says 0 for sockets that no process has any more: that is not root.
    userId: inode === 0 && userId === 0 ? -1 : userId,
    inode,
    cookie: cookieText(view.getUint32(at + 48, IS_LITTLE_ENDIAN), view.getUint32(at + 44, IS_LITTLE_ENDIAN)),
    cgroupId,
    tcp: state === STATE_TIME_WAIT ? undefined : tcp,
  };
}

/** Struct tcp_info in octets `[at, end)`; older kernels end it earlier. */
function readTcpInfo(view: DataView, at: number, end: number): TcpFigures {
  const roundTripUs = figure32(view, at + 68, end);
  const hasRoundTrip = roundTripUs > 0;
  const minimumRoundTripUs = figure32(view, at + 148, end);
  const deliveryRate = figure64(view, at + 160, end);
  return {
    roundTripUs: hasRoundTrip ? roundTripUs : -1,
    roundTripVarianceUs: hasRoundTrip ? figure32(view, at + 72, end) : -1,
    minimumRoundTripUs: minimumRoundTripUs === 0 || minimumRoundTripUs === NO_MINIMUM_US ? -1 : minimumRoundTripUs,
    unacknowledgedSegments: figure32(view, at + 24, end),
    lostSegments: figure32(view, at + 32, end),
    retransmittedSegments: figure32(view, at + 100, end),
    segmentsReceived: figure32(view, at + 140, end),
    segmentsSent: figure32(view, at + 136, end),
    octetsReceived: figure64(view, at + 128, end),
    octetsSent: figure64(view, at + 200, end),
    octetsAcknowledged: figure64(view, at + 120, end),
    octetsRetransmitted: figure64(view, at + 208, end),
    sendRate: sendRate(figure32(view, at + 80, end), figure32(view, at + 16, end), roundTripUs),
    deliveryRate: deliveryRate < 0 ? -1 : deliveryRate * 8,
  };
}

/** What ss calls send: `window` segments of `segmentOctets` each round trip, bits a second; -1 where one of them is not known. */
export function sendRate(window: number, segmentOctets: number, roundTripUs: number): number {
  if (window < 0 || segmentOctets < 0 || roundTripUs <= 0) return -1;
  return (window * segmentOctets * 8_000_000) / roundTripUs;
}

/** The kernel's name of a socket as sixteen hexadecimal digits. */
export function cookieText(high: number, low: number): string {
  const lowText = low.toString(16).padStart(8, '0');
  return (high === 0 ? '00000000' : high.toString(16).padStart(8, '0')) + lowText;
}

function figure32(view: DataView, at: number, end: number): number {
  return at + 4 <= end ? view.getUint32(at, IS_LITTLE_ENDIAN) : -1;
}

function figure64(view: DataView, at: number, end: number): number {
  return at + 8 <= end ? unsigned64(view, at) : -1;
}

/** Exact up to 2^53. */
function unsigned64(view: DataView, at: number): number {
  const first = view.getUint32(at, IS_LITTLE_ENDIAN);
  const second = view.getUint32(at + 4, IS_LITTLE_ENDIAN);
  return IS_LITTLE_ENDIAN ? second * 2 ** 32 + first : first * 2 ** 32 + second;
}

/** Text of the address at `at`, an IPv4-mapped one as IPv4. */
function addressText(view: DataView, at: number, family: number): string {
  if (family === FAMILY_IPV4) return formatIPv4(view.getUint32(at));
  return formatEitherIP(view, at);
}

/** Text of the IPv6 address in the 16 octets at `at`; an IPv4-mapped one as IPv4. */
export function formatEitherIP(view: DataView, at: number): string {
  if (view.getUint32(at) === 0 && view.getUint32(at + 4) === 0) {
    const third = view.getUint32(at + 8);
    if (third === 0xffff) return formatIPv4(view.getUint32(at + 12));
    if (third === 0 && view.getUint32(at + 12) === 0) return '::';
  }
  return formatIPv6(view, at);
}
