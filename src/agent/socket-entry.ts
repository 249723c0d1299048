/** States of a TCP socket by the kernel's number (include/net/tcp_states.h), under the names that ss, ntop's agents and ntopng use. */
export const TCP_STATES = [
  'UNKNOWN',
  'ESTABLISHED',
  'SYN-SENT',
  'SYN-RECV',
  'FIN-WAIT-1',
  'FIN-WAIT-2',
  'TIME-WAIT',
  'CLOSE',
  'CLOSE-WAIT',
  'LAST-ACK',
  'LISTEN',
  'CLOSING',
  'SYN-RECV',
] as const;

/** One of {@link TCP_STATES}; UDP sockets are ESTABLISHED once connected and CLOSE before. */
export type TcpState = (typeof TCP_STATES)[number];

/**
 * What the kernel measured of a TCP connection (struct tcp_info, include/uapi/linux/tcp.h), since the connection began. A value that a
 * kernel or a tool does not give is -1.
 */
export interface TcpFigures {
  /** Smoothed round-trip time, microseconds. */
  readonly roundTripUs: number;
  /** Its mean deviation, microseconds. */
  readonly roundTripVarianceUs: number;
  /** Lowest round-trip time seen, microseconds. */
  readonly minimumRoundTripUs: number;
  /** Segments sent and not acknowledged. */
  readonly unacknowledgedSegments: number;
  /** Segments taken for lost now. */
  readonly lostSegments: number;
  /** Segments sent again, all in all. */
  readonly retransmittedSegments: number;
  readonly segmentsReceived: number;
  readonly segmentsSent: number;
  /** Payload received. */
  readonly octetsReceived: number;
  /** Payload sent, retransmissions included. */
  readonly octetsSent: number;
  /** Payload sent and acknowledged. */
  readonly octetsAcknowledged: number;
  /** Payload sent again. */
  readonly octetsRetransmitted: number;
  /** What ss calls send: window times segment size over round-trip time, bits a second. */
  readonly sendRate: number;
  /** Latest rate of delivery, bits a second. */
  readonly deliveryRate: number;
}

/** One socket as one look at the kernel's tables shows it. */
export interface SocketEntry {
  /** Network namespace: inode of `/proc/PID/ns/net`, 0 where that cannot be read and it is that of the program itself. */
  readonly namespace: number;
  /** IP protocol, 6 or 17. */
  readonly protocol: 6 | 17;
  /** Canonical text (RFC 5952); an IPv4-mapped IPv6 address is given as IPv4. */
  readonly localAddress: string;
  readonly localPort: number;
  /** `0.0.0.0` or `::` where not connected. */
  readonly remoteAddress: string;
  readonly remotePort: number;
  readonly state: TcpState;
  /** Owner by the socket itself, as seen from the program's user namespace; -1 where unknown. */
  readonly userId: number;
  /** Inode of the socket; 0 once no process has it (TIME-WAIT, destroyed). */
  readonly inode: number;
  /** The kernel's name of the socket, sixteen hexadecimal digits; `''` where the source does not tell. Never used twice. */
  readonly cookie: string;
  /** Inode of its directory in the cgroup v2 hierarchy; 0 where unknown. */
  readonly cgroupId: number;
  /** Undefined for UDP, for sockets that listen, and where the source does not tell. */
  readonly tcp: TcpFigures | undefined;
}

/** A network namespace and a process in it. */
export interface NetworkNamespace {
  /** Inode of `/proc/PID/ns/net`; 0 where that cannot be read. */
  readonly id: number;
  /** A process in it, 0 for the program's own namespace. */
  readonly pid: number;
}

/** One round through the kernel's tables. */
export interface SocketSnapshot {
  /** When it began, Unix milliseconds. */
  readonly timeMs: number;
  readonly sockets: readonly SocketEntry[];
  readonly namespaces: readonly NetworkNamespace[];
}
