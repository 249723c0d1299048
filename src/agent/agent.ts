/** The agent's rounds: a look at the sockets, their owners, the flows, records; events and closes in between. */

import { setImmediate as nextTurn } from 'node:timers/promises';
import type { Flow, PlainRecord, PlainValue } from '../flow/flow.ts';
import { Origin } from '../flow/origin.ts';
import { type AgentDialect, AgentEventRecord } from './agent-event-record.ts';
import type { AgentFlow } from './agent-flow.ts';
import { AgentFlowRecord } from './agent-flow-record.ts';
import type { AgentParts } from './agent-parts.ts';
import { CloseRecords } from './close-records.ts';
import { type EndTuple, endKey } from './flow-end.ts';
import type { FlowOwner } from './flow-owner.ts';
import { FlowOwners } from './flow-owners.ts';
import { FlowTable } from './flow-table.ts';
import { interfaceRecord } from './interface-record.ts';
import type { ContainerProcess } from './interfaces.ts';
import type { KernelEvent } from './kernel-event.ts';
import { ListeningPorts } from './listening-ports.ts';
import { LocalAddresses } from './local-addresses.ts';
import type { SocketEntry, SocketSnapshot } from './socket-entry.ts';
import { ToldSockets } from './told-sockets.ts';

/** Kinds of record that an agent makes. */
export const AGENT_RECORDS = ['flows', 'events', 'counters'] as const;

/** One of {@link AGENT_RECORDS}. */
export type AgentRecord = (typeof AGENT_RECORDS)[number];

/** Where records go. What is handed over is valid during the call. */
export interface AgentOutput {
  flow(flow: Flow): void;
  /** `isListening` for a socket that waits for whoever comes. */
  event(flow: Flow, isListening: boolean): void;
  counters(record: PlainRecord): void;
  listeningPorts(value: PlainValue): void;
}

/** What an agent makes and how it works. */
export interface AgentOptions {
  /** Address by which readers know this host. */
  readonly address: string;
  readonly hostName: string;
  /** All addresses of this host. */
  readonly addresses: readonly string[];
  readonly records: ReadonlySet<AgentRecord>;
  readonly dialect: AgentDialect;
  /** Whether records have the arguments of processes, which may hold secrets. */
  readonly withCommandLines: boolean;
  /** Flows held at once. */
  readonly maxFlows: number;
  /** Looks at the sockets through which UDP may be silent before its flow ends. */
  readonly idleLooks: number;
  /** Clock, Unix milliseconds. */
  readonly now?: () => number;
}

/** What an agent did since its start. */
export interface AgentCounters {
  rounds: number;
  /** Sockets of the last look. */
  sockets: number;
  /** Milliseconds that the last round took, the wait for tools included. */
  roundMs: number;
  flowRecords: number;
  eventRecords: number;
  countersRecords: number;
  /** Sockets, flows and events whose addresses are none. */
  recordsInvalid: number;
  /** Rounds, events and closes broken off by a fault of this program. */
  internalErrors: number;
}

/** Sockets or flows handled before others get their turn: a few milliseconds. */
const PER_TURN = 500;
/** What is over is known for so long at least: events may be late. */
const REMEMBER_MS = 10_000;

/** Puts the parts together. */
export class Agent {
  readonly counters: AgentCounters = {
    rounds: 0,
    sockets: 0,
    roundMs: 0,
    flowRecords: 0,
    eventRecords: 0,
    countersRecords: 0,
    recordsInvalid: 0,
    internalErrors: 0,
  };
  readonly table: FlowTable;
  private readonly options: AgentOptions;
  private readonly parts: AgentParts;
  private readonly output: AgentOutput;
  private readonly owners: FlowOwners;
  private readonly addresses: LocalAddresses;
  private readonly closes = new CloseRecords();
  private readonly told = new ToldSockets();
  private readonly origin = new Origin();
  private readonly flowRecord: AgentFlowRecord;
  private readonly eventRecord: AgentEventRecord;
  private readonly now: () => number;
  private readonly hasEvents: boolean;
  private readonly take = (flow: AgentFlow, isLast: boolean): void => this.takeFlow(flow, isLast);
  private round: Promise<void> | undefined;
  private forgotMs = 0;

  /** Learns from `parts` and writes to `output`. */
  constructor(options: AgentOptions, parts: AgentParts, output: AgentOutput) {
    this.options = options;
    this.parts = parts;
    this.output = output;
    this.now = options.now ?? Date.now;
    this.hasEvents = options.records.has('events');
    this.owners = new FlowOwners(parts);
    this.addresses = new LocalAddresses([options.address, ...options.addresses]);
    const { maxFlows, idleLooks, withCommandLines, dialect } = options;
    this.table = new FlowTable({ maxFlows, idleLooks, onProcess: (end) => this.owners.know(end) });
    this.origin.protocol = 'agent';
    this.origin.version = -1;
    this.origin.exporterAddress = options.address;
    this.origin.exporterPort = -1;
    this.flowRecord = new AgentFlowRecord(this.origin, withCommandLines, (end) => this.owners.ofEnd(end));
    this.eventRecord = new AgentEventRecord(this.origin, withCommandLines, dialect);
  }

  /** Looks once and writes what is new. Asked again before that has ended, it gives the same round. */
  look(): Promise<void> {
    this.round ??= this.makeRound().finally(() => {
      this.round = undefined;
    });
    return this.round;
  }

  /** Takes what the kernel told. */
  takeEvents(events: readonly KernelEvent[]): void {
    this.setTime();
    for (let i = 0; i < events.length; i++) this.takeEvent(events[i]!);
    this.writeHeld(performance.now());
  }

  /** Takes a socket that the kernel destroyed at `timeMs`, with its last figures. */
  takeClose(entry: SocketEntry, timeMs: number): void {
    const end = this.table.close(entry, timeMs);
    if (!this.hasEvents || entry.remotePort === 0) return;
    this.setTime();
    const held = this.closes.figures(endKey(entry), timeMs);
    if (held === false) return;
    const owner = end === undefined ? this.owners.ofSocket(entry, 0) : this.owners.ofEnd(end);
    this.writeEvent(entry, {
      timeMs: held?.event.timeMs ?? timeMs,
      kind: 'CLOSE',
      owner: held?.owner ?? owner,
      state: 'CLOSE',
      tcp: entry.tcp,
    });
  }

  /** Looks for the last time and writes what is left of all flows. */
  async finish(): Promise<void> {
    await this.round;
    await this.look();
    this.table.finish(this.take);
    this.writeHeld(Number.POSITIVE_INFINITY);
  }

  private async makeRound(): Promise<void> {
    const beganMs = performance.now();
    const { parts, options, counters, owners } = this;
    const snapshot = await parts.sockets.snapshot();
    counters.sockets = snapshot.sockets.length;
    parts.closes?.follow(snapshot.namespaces);
    parts.processes.startRound();
    owners.setNamespaces(snapshot.namespaces);
    await parts.owners.resolve(snapshot.sockets);
    await this.seeSockets(snapshot);
    await this.tellFlows();
    if (options.records.has('counters')) await this.tellInterfaces(snapshot);
    this.writeHeld(performance.now());
    const nowMs = performance.now();
    if (nowMs - this.forgotMs >= REMEMBER_MS) {
      this.forgotMs = nowMs;
      this.closes.forget();
      this.table.ended.forget();
    }
    counters.rounds++;
    counters.roundMs = nowMs - beganMs;
  }

  private async seeSockets({ timeMs, sockets, namespaces }: SocketSnapshot): Promise<void> {
    const { table, parts, owners, hasEvents } = this;
    const own = namespaces.find(({ pid }) => pid === 0)?.id ?? 0;
    const ports = new ListeningPorts();
    const known = new Set(namespaces.map(({ id }) => id));
    const nowMs = performance.now();
    this.addresses.setNamespaces(known, own);
    table.hearsCloses = parts.hearsCloses();
    table.startLook(timeMs);
    for (const entry of sockets) {
      if (!isListening(entry)) continue;
      table.see(entry, 0);
      if (entry.namespace === own) ports.add(entry, owners.ofSocket(entry, parts.owners.ownerOf(entry)));
    }
    this.output.listeningPorts(ports.message(this.options.hostName, this.options.addresses));
    for (let i = 0; i < sockets.length; i++) {
      if (i % PER_TURN === 0) {
        await nextTurn();
        this.setTime();
      }
      const entry = sockets[i]!;
      const pid = parts.owners.ownerOf(entry);
      const isWaiting = isListening(entry);
      if (!isWaiting) {
        this.addresses.learn(entry);
        table.see(entry, pid);
      }
      // What waits out its time has neither process nor figures: its end was told.
      if (!hasEvents || entry.state === 'TIME-WAIT' || !this.told.isDue(entry, pid, nowMs)) continue;
      const owner = owners.ofSocket(entry, pid);
      const state = entry.protocol === 6 ? entry.state : undefined;
      this.writeEvent(entry, { timeMs, kind: '', owner, state, tcp: entry.tcp }, isWaiting);
    }
    table.endLook(known);
    this.told.endLook();
  }

  private async tellFlows(): Promise<void> {
    const alone = this.table.joinTranslated();
    this.table.joinTracked(await this.parts.tracking.pairs(alone));
    const due = this.table.due(this.now());
    for (let i = 0; i < due.length; i++) {
      if (i % PER_TURN === 0) {
        await nextTurn();
        this.setTime();
      }
      this.table.tell(due[i]!, this.now(), this.take);
    }
  }

  private async tellInterfaces({ namespaces }: SocketSnapshot): Promise<void> {
    const processes: ContainerProcess[] = [];
    for (const { id, pid } of namespaces) {
      const container = pid === 0 ? undefined : this.owners.containerOfNamespace(id);
      if (container !== undefined) processes.push({ pid, container });
    }
    const entries = await this.parts.interfaces.counters(processes);
    this.setTime();
    const nowMs = this.now();
    for (const entry of entries) {
      this.output.counters(interfaceRecord(entry, this.origin, nowMs, this.options.dialect));
      this.counters.countersRecords++;
    }
  }

  private takeEvent(told: KernelEvent): void {
    const { kind } = told;
    this.parts.processes.observe(told);
    if (kind === 'EXEC' || kind === 'EXIT') return;
    const event = this.addresses.complete(told);
    this.table.event(event);
    if (!this.hasEvents) return;
    const owner = this.owners.ofEvent(event);
    if (kind === 'CLOSE' && this.parts.closes !== undefined) {
      const isHeld = this.closes.hold(endKey(event), { event, owner, heldMs: performance.now() });
      if (isHeld !== false) return;
    }
    this.writeKernelEvent(event, owner);
  }

  /** Closes whose last figures have not come are told without. */
  private writeHeld(nowMs: number): void {
    for (const { event, owner } of this.closes.due(nowMs)) this.writeKernelEvent(event, owner);
  }

  private writeKernelEvent(event: KernelEvent, owner: FlowOwner): void {
    const { timeMs, kind } = event;
    this.writeEvent(event, { timeMs, kind, owner, state: undefined, tcp: undefined });
  }

  private takeFlow(from: AgentFlow, isLast: boolean): void {
    if (!this.options.records.has('flows')) return;
    const flow = this.flowRecord.fill(from, isLast);
    if (flow === undefined) {
      this.counters.recordsInvalid++;
      return;
    }
    this.counters.flowRecords++;
    this.output.flow(flow);
  }

  private writeEvent(tuple: EndTuple, event: Parameters<AgentEventRecord['fill']>[1], isWaiting = false): void {
    const flow = this.eventRecord.fill(tuple, event);
    if (flow === undefined) {
      this.counters.recordsInvalid++;
      return;
    }
    this.counters.eventRecords++;
    this.output.event(flow, isWaiting);
  }

  private setTime(): void {
    const nowMs = this.now();
    if (nowMs === this.origin.exportTimeMs) return;
    this.origin.exportTimeMs = nowMs;
    this.origin.serial++;
  }
}

/** Whether a socket waits for whoever comes: it is no end of a connection. */
function isListening({ state, protocol, remotePort }: SocketEntry): boolean {
  return state === 'LISTEN' || (protocol === 17 && remotePort === 0);
}
