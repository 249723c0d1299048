import { AgentFlow, END_REASONS } from './agent-flow.ts';
import type { TrackedPair } from './connection-tracking.ts';
import { EndedFlows } from './ended-flows.ts';
import { type EndTuple, endKey, FlowEnd, flowKey } from './flow-end.ts';
import { type IsListening, settleRoles } from './flow-roles.ts';
import type { KernelEvent } from './kernel-event.ts';
import type { SocketEntry } from './socket-entry.ts';
import { translatedPairs } from './translated-pairs.ts';

/** Limits of a {@link FlowTable}. */
export interface FlowTableOptions {
  /** Flows held at once. */
  readonly maxFlows: number;
  /** Looks at the sockets through which UDP that only events tell of may be silent before its flow ends. */
  readonly idleLooks: number;
  /** Called when the process of an end becomes known, or is another: it may be gone soon. */
  readonly onProcess: (end: FlowEnd) => void;
}

/** What a table did since the start. */
export interface FlowTableCounters {
  /** Flows first seen. */
  flowsSeen: number;
  /** Flows of which both ends are on this host. */
  flowsJoined: number;
  /** Flows that ended. */
  flowsEnded: number;
  /** Flows not followed since the table was full. */
  flowsRefused: number;
}

/** Takes a flow whose `forward`, `reverse`, times and ends are those of one record. Valid during the call. */
export type TakeFlow = (flow: AgentFlow, isLast: boolean) => void;

const TCP = 6;
const UDP = 17;
/** A flow is reported as ended this much later: its other end may be about to close. */
const CLOSING_MS = 1000;
/** How far the clocks of events and of closes may be apart. */
const CLOCK_SLACK_MS = 200;
/** A close this much later is another connection's: Linux gives a port again after a second at the earliest. */
const LATE_MS = 2000;

/**
 * Flows of this host's sockets: looks at the kernel's tables, events and closes come in, records of what happened since the
 * last round go out. Sockets of both ends of a connection make one flow.
 */
export class FlowTable {
  /** Flows that are over. */
  readonly ended = new EndedFlows();
  readonly counters: FlowTableCounters = { flowsSeen: 0, flowsJoined: 0, flowsEnded: 0, flowsRefused: 0 };
  /** Whether somebody tells of closes: a socket that is missed is waited for then. */
  hearsCloses = false;
  private readonly options: FlowTableOptions;
  private readonly ends = new Map<string, FlowEnd>();
  /** The same by inode, as of the last look: a number is found much faster than a key is made. */
  private byInode = new Map<number, FlowEnd>();
  private byInodeNow = new Map<number, FlowEnd>();
  private readonly flowOf = new Map<FlowEnd, AgentFlow>();
  private readonly byKey = new Map<string, AgentFlow>();
  private readonly flows = new Set<AgentFlow>();
  private listening = new Set<string>();
  private listeningNow = new Set<string>();
  private timeWaits = new Set<string>();
  private timeWaitsNow = new Set<string>();
  private lookMs = 0;
  /** Looks begun: what is missed is told by these, for clocks are set. */
  private looks = 0;
  private isLooking = false;

  /** An empty table. */
  constructor(options: FlowTableOptions) {
    this.options = options;
  }

  /** Flows held. */
  get size(): number {
    return this.flows.size;
  }

  /** Begins a look at the sockets as they were at `timeMs`. */
  startLook(timeMs: number): void {
    this.lookMs = timeMs;
    this.looks++;
    this.isLooking = true;
    this.listeningNow = new Set();
    this.timeWaitsNow = new Set();
    this.byInodeNow = new Map();
  }

  /** Takes a socket of the look. To be called for all that listen first. */
  see(entry: SocketEntry, pid: number): void {
    const { state, remotePort, protocol, namespace, localPort } = entry;
    if (state === 'LISTEN' || (protocol === UDP && remotePort === 0)) {
      this.listeningNow.add(listeningKey(namespace, protocol, localPort));
      return;
    }
    if (remotePort === 0) return;
    const known = this.byInode.get(entry.inode);
    const key = known !== undefined && isEndOf(known, entry) ? known.key : endKey(entry);
    let end = known?.key === key && !known.isClosed ? known : this.ends.get(key);
    if (protocol === TCP && (state === 'TIME-WAIT' || state === 'CLOSE')) {
      this.seeTimeWait(key, entry, end);
      return;
    }
    if (end !== undefined && isOther(end, entry)) {
      this.closeEnd(end, this.lookMs);
      this.ends.delete(key);
      end = undefined;
    }
    if (end === undefined) {
      // Not connected yet, or over since the look began.
      if (state === 'SYN-SENT' || state === 'SYN-RECV' || this.lookMs <= this.ended.since(entry)) return;
      end = this.makeEnd(key, entry, this.lookMs, this.looks === 1);
      if (end === undefined) return;
    }
    end.isSocket = true;
    end.missed = 0;
    if (end.isClosed) return;
    if (entry.inode !== 0) this.byInodeNow.set(entry.inode, end);
    end.seenLook = this.looks;
    this.know(end, entry);
    if (pid !== 0 && end.pid !== pid) {
      // Whoever connected or accepted may have handed it on.
      end.pid = pid;
      this.options.onProcess(end);
    }
    const flow = this.flowOf.get(end)!;
    if (this.lookMs > flow.endMs) flow.endMs = this.lookMs;
  }

  /** Ends the look: what it did not show is over. `namespaces` are those it looked at. */
  endLook(namespaces: ReadonlySet<number>): void {
    this.isLooking = false;
    this.listening = this.listeningNow;
    this.timeWaits = this.timeWaitsNow;
    this.byInode = this.byInodeNow;
    const mostMissed = this.hearsCloses ? 2 : 1;
    for (const end of this.ends.values()) {
      if (end.isClosed || end.seenLook >= this.looks) continue;
      if (end.protocol === UDP && !end.isSocket) {
        if (this.looks - end.seenLook >= this.options.idleLooks) this.closeEnd(end, 0, END_REASONS.idle);
        continue;
      }
      // One that could not be looked at is missed for longer.
      end.missed += namespaces.has(end.namespace) ? 2 : 1;
      if (end.missed >= 2 * mostMissed) this.closeEnd(end, this.lookMs);
    }
  }

  /** Takes an event. */
  event(event: KernelEvent): void {
    const { kind, remotePort, timeMs } = event;
    if (remotePort === 0) return;
    switch (kind) {
      case 'CONNECT':
      case 'ACCEPT': {
        const end = this.endOfEvent(event, true);
        if (end !== undefined) end.role = kind === 'CONNECT' ? 'client' : 'server';
        return;
      }
      case 'SEND':
      case 'RECV': {
        const end = this.endOfEvent(event, false);
        if (end === undefined) return;
        if (end.role === 'unknown') end.role = kind === 'SEND' ? 'client' : 'server';
        end.octetsSent = Math.max(end.octetsSent, 0) + event.octetsSent;
        end.octetsReceived = Math.max(end.octetsReceived, 0) + event.octetsReceived;
        return;
      }
      case 'CLOSE': {
        const key = endKey(event);
        let end = this.ends.get(key);
        if (end === undefined) {
          if (timeMs <= this.ended.since(event) + LATE_MS) return;
          if (event.octetsSent === 0 && event.octetsReceived === 0) return;
          end = this.makeEnd(key, event, timeMs);
          if (end === undefined) return;
        }
        if (end.isClosed) return;
        this.knowOwner(end, event);
        if (event.octetsSent >= 0) end.octetsSent = Math.max(end.octetsSent, event.octetsSent);
        if (event.octetsReceived >= 0) end.octetsReceived = Math.max(end.octetsReceived, event.octetsReceived);
        this.closeEnd(end, timeMs);
      }
    }
  }

  /** Takes the last figures of a socket that the kernel destroyed, and gives its end where it is one of a flow. */
  close(entry: SocketEntry, timeMs: number): FlowEnd | undefined {
    if (entry.remotePort === 0) return undefined;
    const key = endKey(entry);
    let end = this.ends.get(key);
    if (end !== undefined && isOther(end, entry)) return undefined;
    if (end === undefined) {
      if (timeMs <= this.ended.since(entry) + LATE_MS || !wasConnected(entry)) return undefined;
      end = this.makeEnd(key, entry, timeMs);
      if (end === undefined) return undefined;
    }
    end.cookie = entry.cookie;
    if (end.userId < 0) end.userId = entry.userId;
    if (entry.tcp !== undefined) end.measure(entry.tcp, true);
    this.closeEnd(end, timeMs);
    return end;
  }

  /**
   * Puts the two ends of connections together whose addresses do not show it, and gives those of which nothing was told that stay alone. To be
   * called before {@link FlowTable.due}.
   */
  joinTranslated(): FlowEnd[] {
    const isListening: IsListening = (...place) => this.listening.has(listeningKey(...place));
    for (const { client, server } of translatedPairs(this.flows, isListening)) this.join(client, server);
    const alone: FlowEnd[] = [];
    for (const flow of this.flows) if (isAlone(flow)) alone.push(flow.ends[0]!);
    return alone;
  }

  /** Puts ends together that are said to be one connection's, where both are still alone. */
  joinTracked(pairs: readonly TrackedPair[]): void {
    for (const { client, server } of pairs) {
      const [flow, other] = [this.flowOf.get(client), this.flowOf.get(server)];
      if (flow === undefined || other === undefined || flow === other || !isAlone(flow) || !isAlone(other)) continue;
      if (client.role === 'unknown') client.role = 'client';
      if (server.role === 'unknown') server.role = 'server';
      this.join(flow, other);
    }
  }

  /** The flows of which there may be something to tell now; each is to be given to {@link FlowTable.tell}. */
  due(nowMs: number): AgentFlow[] {
    const due: AgentFlow[] = [];
    for (const flow of this.flows) {
      // The next look will tell what it has sent.
      const isFresh = !flow.isReported && flow.startMs > this.lookMs;
      if (flow.closedMs === 0 ? !isFresh : hasClosed(flow, nowMs)) due.push(flow);
    }
    return due;
  }

  /** Hands on what there is to tell of a flow, and forgets it where it has ended. */
  tell(flow: AgentFlow, nowMs: number, take: TakeFlow): void {
    if (this.flows.has(flow)) this.tellFlow(flow, flow.closedMs > 0 && hasClosed(flow, nowMs), take);
  }

  /** Hands on all flows for the last time. */
  finish(take: TakeFlow): void {
    for (const flow of this.flows) {
      if (flow.closedMs === 0) flow.endReason = END_REASONS.forced;
      this.tellFlow(flow, true, take);
    }
  }

  private tellFlow(flow: AgentFlow, isLast: boolean, take: TakeFlow): void {
    const isNew = !flow.isReported;
    if (isNew) settleRoles(flow, (...place) => this.listening.has(listeningKey(...place)));
    else if (flow.client === undefined || flow.server === undefined) joinRole(flow);
    const hasCounted = flow.count();
    if (isNew || hasCounted || isLast) {
      take(flow, isLast);
      flow.reported();
    }
    if (!isLast) return;
    this.flows.delete(flow);
    this.counters.flowsEnded++;
    if (this.byKey.get(flow.key) === flow) this.byKey.delete(flow.key);
    for (const end of flow.ends) {
      // Both where they differ, the destination translated between them.
      this.ended.add(end, flow.closedMs);
      this.flowOf.delete(end);
      if (this.ends.get(end.key) === end) this.ends.delete(end.key);
    }
  }

  private seeTimeWait(key: string, entry: SocketEntry, end: FlowEnd | undefined): void {
    this.timeWaitsNow.add(key);
    if (end !== undefined) {
      if (!end.isClosed) this.closeEnd(end, this.lookMs);
      return;
    }
    // A connection between two looks; where closes are heard, it was.
    if (this.hearsCloses || this.looks === 1 || entry.state !== 'TIME-WAIT' || this.timeWaits.has(key)) return;
    if (this.lookMs <= this.ended.since(entry) + LATE_MS) return;
    const made = this.makeEnd(key, entry, this.lookMs);
    if (made === undefined) return;
    made.isSocket = true;
    made.userId = entry.userId;
    this.closeEnd(made, this.lookMs);
  }

  private endOfEvent(event: KernelEvent, isConnection: boolean): FlowEnd | undefined {
    const key = endKey(event);
    let end = this.ends.get(key);
    // The kernel tells of closes by another way, which may be faster.
    if (end?.isClosed && isConnection && isBeforeClose(event, end.closedMs) && !isOther(end, event)) {
      this.knowOwner(end, event);
      const flow = this.flowOf.get(end)!;
      if (!flow.isReported && event.timeMs < flow.startMs) flow.startMs = event.timeMs;
      return end;
    }
    if (end === undefined && isConnection && isBeforeClose(event, this.ended.since(event))) return undefined;
    if (end !== undefined && (end.isClosed || (isConnection && isOther(end, event)))) {
      this.closeEnd(end, event.timeMs);
      this.ends.delete(key);
      end = undefined;
    }
    end ??= this.makeEnd(key, event, event.timeMs);
    if (end === undefined) return undefined;
    this.knowOwner(end, event);
    // A look may have begun before it and be taken after it.
    end.seenLook = this.looks + 1;
    const flow = this.flowOf.get(end)!;
    // The event tells when it began, which a look that was faster does not.
    if (isConnection && !flow.isReported && event.timeMs < flow.startMs) flow.startMs = event.timeMs;
    if (event.timeMs > flow.endMs) flow.endMs = event.timeMs;
    return end;
  }

  private knowOwner(end: FlowEnd, event: KernelEvent): void {
    if (end.userId < 0) end.userId = event.userId;
    if (end.cgroupId === 0) end.cgroupId = event.cgroupId;
    if (end.cookie === '') end.cookie = event.cookie;
    if (event.pid === 0 || end.pid !== 0) return;
    end.pid = event.pid;
    this.options.onProcess(end);
  }

  private know(end: FlowEnd, entry: SocketEntry): void {
    if (entry.cookie !== '') end.cookie = entry.cookie;
    if (entry.userId >= 0) end.userId = entry.userId;
    if (entry.cgroupId !== 0) end.cgroupId = entry.cgroupId;
    if (entry.tcp !== undefined) end.measure(entry.tcp, HAS_RECEIVED_FIN.has(entry.state));
  }

  /** Makes an end and finds or makes its flow, which may be older than the program; undefined where there is no room. */
  private makeEnd(key: string, tuple: EndTuple, timeMs: number, isOlder = false): FlowEnd | undefined {
    const end = new FlowEnd(key, tuple);
    let name = flowKey(tuple);
    let flow = this.byKey.get(name);
    if (flow !== undefined && !takesAsOther(flow, end)) {
      // The same addresses in another namespace are other hosts'; the same socket again is another connection.
      if (flow.ends.some((known) => known.namespace === end.namespace)) this.byKey.delete(name);
      else name = `${name} ${end.namespace}`;
      flow = this.byKey.get(name);
      if (flow !== undefined && !takesAsOther(flow, end)) flow = undefined;
    }
    if (flow === undefined) {
      if (this.flows.size >= this.options.maxFlows) {
        this.counters.flowsRefused++;
        return undefined;
      }
      flow = new AgentFlow(name, timeMs, isOlder);
      this.byKey.set(name, flow);
      this.flows.add(flow);
      this.counters.flowsSeen++;
    } else {
      this.counters.flowsJoined++;
      flow.closedMs = 0;
    }
    flow.ends.push(end);
    end.seenLook = this.looks + (this.isLooking ? 0 : 1);
    this.flowOf.set(end, flow);
    this.ends.set(key, end);
    return end;
  }

  private closeEnd(end: FlowEnd, timeMs: number, reason: number = END_REASONS.endOfFlow): void {
    const flow = this.flowOf.get(end);
    if (end.isClosed || flow === undefined) return;
    end.isClosed = true;
    end.closedMs = timeMs;
    if (timeMs > flow.endMs) flow.endMs = timeMs;
    if (!flow.ends.every(({ isClosed }) => isClosed)) return;
    flow.closedMs = Math.max(timeMs, flow.endMs, 1);
    flow.endReason = reason;
  }

  private join(client: AgentFlow, server: AgentFlow): void {
    const end = server.ends[0]!;
    client.takeEndOf(server);
    this.flowOf.set(end, client);
    this.flows.delete(server);
    if (this.byKey.get(server.key) === server) this.byKey.delete(server.key);
    this.counters.flowsJoined++;
  }
}

const HAS_RECEIVED_FIN: ReadonlySet<string> = new Set(['CLOSE-WAIT', 'LAST-ACK', 'CLOSING', 'TIME-WAIT']);

function listeningKey(namespace: number, protocol: number, port: number): string {
  return `${namespace} ${protocol} ${port}`;
}

/** Whether a socket has the addresses and ports of an end, in its namespace. */
function isEndOf(end: FlowEnd, entry: EndTuple): boolean {
  return (
    end.localPort === entry.localPort &&
    end.remotePort === entry.remotePort &&
    end.protocol === entry.protocol &&
    end.namespace === entry.namespace &&
    end.localAddress === entry.localAddress &&
    end.remoteAddress === entry.remoteAddress
  );
}

/** Whether the kernel means another socket by the same addresses and ports. */
function isOther(end: FlowEnd, { cookie }: { readonly cookie: string }): boolean {
  return cookie !== '' && end.cookie !== '' && cookie !== end.cookie;
}

/** Whether an event tells of a connection that closed since. */
function isBeforeClose({ timeMs }: KernelEvent, closedMs: number): boolean {
  return timeMs <= closedMs + CLOCK_SLACK_MS;
}

/** Whether a flow has ended long enough ago, or the clock was set back. */
function hasClosed({ closedMs }: AgentFlow, nowMs: number): boolean {
  return nowMs - closedMs >= CLOSING_MS || nowMs < closedMs - CLOSING_MS;
}

/** Whether nothing was told of a flow of which one end alone is known. */
function isAlone({ isReported, ends }: AgentFlow): boolean {
  return !isReported && ends.length === 1;
}

/** Whether a socket is the other end of a flow that has one. */
function takesAsOther(flow: AgentFlow, end: FlowEnd): boolean {
  const [known, second] = flow.ends;
  if (known === undefined || second !== undefined) return false;
  // A flow that ended waits for its other end's last word, and for nothing else.
  return (
    known.localPort === end.remotePort &&
    known.remotePort === end.localPort &&
    known.localAddress === end.remoteAddress &&
    known.remoteAddress === end.localAddress &&
    known.key !== end.key
  );
}

/** Gives an end that came later the role that is left. */
function joinRole(flow: AgentFlow): void {
  const late = flow.ends.find((end) => end !== flow.client && end !== flow.server);
  if (late === undefined) return;
  if (flow.client === undefined) flow.client = late;
  else flow.server = late;
}

/** Whether a destroyed socket ever was a connection. */
function wasConnected({ tcp }: SocketEntry): boolean {
  return tcp !== undefined && (tcp.octetsSent > 0 || tcp.octetsReceived > 0 || tcp.segmentsReceived > 1);
}
