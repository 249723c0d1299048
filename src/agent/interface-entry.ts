import type { ContainerInfo } from './container-info.ts';

/** Counters of an interface of the program's own network namespace, since the system began (struct rtnl_link_stats64). */
export interface InterfaceEntry {
  readonly name: string;
  /** ifIndex. */
  readonly index: number;
  /** IFF_UP and a carrier. */
  readonly isUp: boolean;
  /** Bits a second, 0 where unknown. */
  readonly speed: number;
  readonly octetsReceived: number;
  readonly packetsReceived: number;
  readonly errorsReceived: number;
  readonly dropsReceived: number;
  readonly octetsSent: number;
  readonly packetsSent: number;
  readonly errorsSent: number;
  readonly dropsSent: number;
  /** What is at the other end of a veth; several containers of a pod share one. */
  readonly containers: readonly ContainerInfo[];
}
