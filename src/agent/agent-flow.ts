import type { FlowEnd } from './flow-end.ts';

/** Values of flowEndReason (IANA Information Element 136). */
export const END_REASONS = { idle: 1, active: 2, endOfFlow: 3, forced: 4 } as const;

/** Counts of one direction: since the flow was reported last, and what was reported before. */
interface Direction {
  octets: number;
  packets: number;
  retransmittedPackets: number;
  retransmittedOctets: number;
}

/** A connection with one or both ends on this host, and what of it is to be reported. */
export class AgentFlow {
  readonly key: string;
  /** As they came: roles are settled by {@link AgentFlow.client} and {@link AgentFlow.server}. */
  readonly ends: FlowEnd[] = [];
  /** The ends by role once it is settled, which is when the flow is first reported. */
  client: FlowEnd | undefined;
  server: FlowEnd | undefined;
  /** Whether a record was made of it. */
  isReported = false;
  /** Whether its counters when it was first seen are none of its own: it is older than the program. */
  isOlder: boolean;
  /** From when the next record counts, Unix milliseconds. */
  startMs: number;
  /** Until when. */
  endMs: number;
  /** When its last end closed; 0 while one is open. */
  closedMs = 0;
  /** Why it ended, one of {@link END_REASONS}. */
  endReason: number = END_REASONS.endOfFlow;
  /** Since the last record, client to server; -1 where nobody counts. */
  readonly forward: Direction = { octets: -1, packets: -1, retransmittedPackets: -1, retransmittedOctets: -1 };
  /** The same, server to client. */
  readonly reverse: Direction = { octets: -1, packets: -1, retransmittedPackets: -1, retransmittedOctets: -1 };
  private readonly reportedForward: Direction = {
    octets: 0,
    packets: 0,
    retransmittedPackets: 0,
    retransmittedOctets: 0,
  };
  private readonly reportedReverse: Direction = {
    octets: 0,
    packets: 0,
    retransmittedPackets: 0,
    retransmittedOctets: 0,
  };

  /** A flow first seen at `startMs`. */
  constructor(key: string, startMs: number, isOlder: boolean) {
    this.key = key;
    this.startMs = startMs;
    this.endMs = startMs;
    this.isOlder = isOlder;
  }

  /** Whether what an end has counted grew since the last record. Makes {@link AgentFlow.forward} and {@link AgentFlow.reverse} anew; roles must be settled. */
  count(): boolean {
    const { client, server } = this;
    const isForward = difference(this.forward, this.reportedForward, client, server, this.isOlder);
    const isReverse = difference(this.reverse, this.reportedReverse, server, client, this.isOlder);
    this.isOlder = false;
    return isForward || isReverse;
  }

  /** Takes over the one end of a flow that turns out to be this one's other side. */
  takeEndOf(other: AgentFlow): void {
    this.ends.push(other.ends[0]!);
    this.startMs = Math.min(this.startMs, other.startMs);
    this.endMs = Math.max(this.endMs, other.endMs);
    const haveBothEnded = this.closedMs > 0 && other.closedMs > 0;
    this.closedMs = haveBothEnded ? Math.max(this.closedMs, other.closedMs) : 0;
  }

  /** The record was made: what was told is not told again. */
  reported(): void {
    this.isReported = true;
    this.startMs = this.endMs;
    add(this.reportedForward, this.forward);
    add(this.reportedReverse, this.reverse);
  }
}

/** What `sender` sent, by itself or by what the other end received, less what was reported. True where there is any. */
function difference(
  now: Direction,
  before: Direction,
  sender: FlowEnd | undefined,
  receiver: FlowEnd | undefined,
  isOlder: boolean,
): boolean {
  const octets = known(sender?.octetsSent, receiver?.octetsReceived);
  const packets = known(sender?.packetsSent, receiver?.packetsReceived);
  const retransmittedPackets = known(sender?.tcp?.retransmittedSegments, undefined);
  const retransmittedOctets = known(sender?.tcp?.octetsRetransmitted, undefined);
  if (isOlder) {
    before.octets = Math.max(octets, 0);
    before.packets = Math.max(packets, 0);
    before.retransmittedPackets = Math.max(retransmittedPackets, 0);
    before.retransmittedOctets = Math.max(retransmittedOctets, 0);
  }
  now.octets = less(octets, before.octets);
  now.packets = less(packets, before.packets);
  now.retransmittedPackets = less(retransmittedPackets, before.retransmittedPackets);
  now.retransmittedOctets = less(retransmittedOctets, before.retransmittedOctets);
  return now.octets > 0 || now.packets > 0;
}

function known(first: number | undefined, second: number | undefined): number {
  if (first !== undefined && first >= 0) return first;
  return second ?? -1;
}

/** Two ends count slightly apart at one moment: what is told never shrinks. */
function less(value: number, before: number): number {
  return value < 0 ? -1 : Math.max(value - before, 0);
}

function add(sum: Direction, more: Direction): void {
  sum.octets += Math.max(more.octets, 0);
  sum.packets += Math.max(more.packets, 0);
  sum.retransmittedPackets += Math.max(more.retransmittedPackets, 0);
  sum.retransmittedOctets += Math.max(more.retransmittedOctets, 0);
}
