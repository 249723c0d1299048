/** What happened: as ntop's agents name events, and the life of processes besides. */
export type KernelEventKind =
  | 'CONNECT'
  | 'CONNECT_FAILED'
  | 'ACCEPT'
  | 'CLOSE'
  | 'RETRANSMIT'
  | 'SEND'
  | 'RECV'
  | 'EXEC'
  | 'EXIT';

/** Something the kernel told the moment it happened. */
export interface KernelEvent {
  readonly kind: KernelEventKind;
  /** Unix milliseconds, with fractions. */
  readonly timeMs: number;
  /** The process that did it, in the program's own pid namespace; 0 where the kernel did it for none. */
  readonly pid: number;
  readonly fatherPid: number;
  readonly userId: number;
  readonly groupId: number;
  /** Inode of the process's directory in the cgroup v2 hierarchy; 0 where unknown. */
  readonly cgroupId: number;
  /** Network namespace of the socket, inode of `/proc/PID/ns/net`; 0 for EXEC and EXIT. */
  readonly namespace: number;
  /** IP protocol, 6 or 17; 0 for EXEC and EXIT. */
  readonly protocol: number;
  /** Canonical text, IPv4-mapped as IPv4; `''` for EXEC and EXIT. */
  readonly localAddress: string;
  readonly localPort: number;
  readonly remoteAddress: string;
  readonly remotePort: number;
  /** The kernel's name of the socket, sixteen hexadecimal digits; `''` where not known. */
  readonly cookie: string;
  /** Payload: of SEND and RECV that of the call; of CLOSE what the connection sent and received in all. */
  readonly octetsSent: number;
  readonly octetsReceived: number;
  /** What the process calls itself. */
  readonly name: string;
  /** Its program's file, `''` where the event does not tell. */
  readonly path: string;
}
