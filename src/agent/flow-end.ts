import type { ProcessInfo } from './process-info.ts';
import type { ProcessUsageMark } from './process-usage.ts';
import type { TcpFigures } from './socket-entry.ts';

/** Which end of a connection a socket is, as far as an event has told. */
export type EndRole = 'unknown' | 'client' | 'server';

/** The ends of a connection as one of its sockets sees them. */
export interface EndTuple {
  /** Network namespace of the socket, inode of `/proc/PID/ns/net`. */
  readonly namespace: number;
  /** IP protocol, 6 or 17. */
  readonly protocol: number;
  readonly localAddress: string;
  readonly localPort: number;
  readonly remoteAddress: string;
  readonly remotePort: number;
}

/** A socket of this host that is an end of a flow. */
export class FlowEnd implements EndTuple {
  readonly key: string;
  readonly namespace: number;
  readonly protocol: number;
  readonly localAddress: string;
  readonly localPort: number;
  readonly remoteAddress: string;
  readonly remotePort: number;
  /** The kernel's name of the socket; `''` while it is not known. */
  cookie = '';
  /** Process that has it, 0 while none is known. */
  pid = 0;
  /** User of the socket itself; -1 while it is not known. */
  userId = -1;
  /** Inode of its cgroup's directory; 0 while it is not known. */
  cgroupId = 0;
  /** What an event told of it. */
  role: EndRole = 'unknown';
  /** That process, where it could be read. */
  process: ProcessInfo | undefined;
  /** Its father. */
  father: ProcessInfo | undefined;
  /** What the process had used when the flow began. */
  usageMark: ProcessUsageMark | undefined;
  /** What the kernel measured, as of the last look. */
  tcp: TcpFigures | undefined;
  /** Payload sent, each octet once; -1 while it is not known. */
  octetsSent = -1;
  /** Payload received; -1 while it is not known. */
  octetsReceived = -1;
  packetsSent = -1;
  packetsReceived = -1;
  /** Whether a look at the sockets has shown it: its end is told by sockets then, not by silence. */
  isSocket = false;
  /** Number of the look that saw it last, or of the next one after an event. */
  seenLook = 0;
  /** Looks in a row that did not show it. */
  missed = 0;
  /** Whether it is gone. */
  isClosed = false;
  /** Since when, Unix milliseconds. */
  closedMs = 0;

  /** The end of that tuple. */
  constructor(key: string, tuple: EndTuple) {
    this.key = key;
    this.namespace = tuple.namespace;
    this.protocol = tuple.protocol;
    this.localAddress = tuple.localAddress;
    this.localPort = tuple.localPort;
    this.remoteAddress = tuple.remoteAddress;
    this.remotePort = tuple.remotePort;
  }

  /** Takes over what the kernel says of a TCP connection. `hasEnded` after its FIN has come, which the kernel counts as an octet received. */
  measure(tcp: TcpFigures, hasEnded: boolean): void {
    this.tcp = tcp;
    const { octetsSent, octetsRetransmitted, octetsAcknowledged, octetsReceived, segmentsSent, segmentsReceived } = tcp;
    if (octetsSent >= 0) this.octetsSent = octetsSent - Math.max(octetsRetransmitted, 0);
    // Kernels before 4.19 do not count what they send; an acknowledged SYN counts as an octet.
    else if (octetsAcknowledged >= 0) this.octetsSent = Math.max(octetsAcknowledged - 1, 0);
    if (octetsReceived >= 0) this.octetsReceived = hasEnded && octetsReceived > 0 ? octetsReceived - 1 : octetsReceived;
    if (segmentsSent >= 0) this.packetsSent = segmentsSent;
    if (segmentsReceived >= 0) this.packetsReceived = segmentsReceived;
  }
}

/** What tells the sockets of this host apart, as long as they live. */
export function endKey(tuple: EndTuple): string {
  const { namespace, protocol, localAddress, localPort, remoteAddress, remotePort } = tuple;
  return `${namespace} ${protocol} ${localAddress} ${localPort} ${remoteAddress} ${remotePort}`;
}

/** The same for both ends of a connection. Addresses of the loopback interface are another host's in each namespace. */
export function flowKey(tuple: EndTuple): string {
  const { namespace, protocol, localAddress, localPort, remoteAddress, remotePort } = tuple;
  const isInOrder = localPort < remotePort || (localPort === remotePort && localAddress < remoteAddress);
  const ends = isInOrder
    ? `${localAddress} ${localPort} ${remoteAddress} ${remotePort}`
    : `${remoteAddress} ${remotePort} ${localAddress} ${localPort}`;
  const place = isLoopback(localAddress) || isLoopback(remoteAddress) ? namespace : '';
  return `${protocol} ${ends} ${place}`;
}

/** Whether an address means the host itself wherever it is used. */
export function isLoopback(address: string): boolean {
  return address.startsWith('127.') || address === '::1';
}

/** Whether an address stands for any: that of a socket that has none of its own. */
export function isUnspecified(address: string): boolean {
  return address === '0.0.0.0' || address === '::';
}
