import type { Flow, PlainRecord } from '../flow/flow.ts';
import type { PointOutput } from '../flow/point-output.ts';
import type { RecordOutput } from '../flow/record-output.ts';
import { CLIENT_IS_DESTINATION, CLIENT_IS_SOURCE, ContainerSeries } from './container-series.ts';
import { Conversations } from './conversations.ts';
import { DeviceSeries, type ExporterLosses } from './device-series.ts';
import { FactsReader } from './facts-reader.ts';
import { BATCH, DESTINATION, FlowFacts, isFromServer, SOURCE } from './flow-facts.ts';
import { HostSeries } from './host-series.ts';
import { InterfaceSeries } from './interface-series.ts';
import { LineBuffer } from './line-buffer.ts';
import { LocalNetworks } from './local-networks.ts';
import { NetworkSeries } from './network-series.ts';
import { OwnInterfaces } from './own-interfaces.ts';
import type { Family } from './schema.ts';
import { SeededHash } from './seeded-hash.ts';
import { SeriesCounters } from './series-counters.ts';
import { SeriesLimits } from './series-limits.ts';
import { defaultDelayMs, defaultFamilyLimits, type SeriesOptions } from './series-options.ts';
import type { SeriesTable } from './series-table.ts';
import { StepCloser } from './step-closer.ts';
import { OCTETS, PACKETS, REVERSE_OCTETS, REVERSE_PACKETS, StepWindow } from './step-window.ts';
import type { TableContext } from './table-maker.ts';
import { TagLine } from './tag-line.ts';
import { TagText } from './tag-text.ts';

/** A clock set back by more starts anew; by less, it is waited for. */
const SET_BACK_MS = 600_000;
/** Whose steps {@link Conversations} keeps. */
const DETAIL_GROUP = 0;
const HOST_GROUP = 1;

/**
 * Flows to time series under ntopng's names: adds up what flows tell in each step, and writes a point for each series when the
 * step is closed. Memory is bounded by the limits of the options, whatever comes.
 */
export class FlowSeries implements RecordOutput {
  private readonly seriesCounters: SeriesCounters;
  private readonly options: SeriesOptions;
  private readonly delayMs: number;
  private readonly hash: SeededHash;
  private readonly reader: FactsReader;
  /** Flows read and not yet counted: the first {@link FlowSeries.waiting} of these. */
  private readonly batch: readonly FlowFacts[];
  private waiting = 0;
  /** Halves of their conversations' keys, and where these may be. */
  private readonly firstKeys = new Int32Array(BATCH);
  private readonly secondKeys = new Int32Array(BATCH);
  private readonly places = new Int32Array(BATCH);
  /** What was fetched, so that nothing takes the fetching for useless. */
  private fetched = 0;
  private readonly conversations: Conversations;
  private readonly limits: SeriesLimits;
  private readonly out: LineBuffer;
  private readonly closer: StepCloser;
  private readonly windows: StepWindow[] = [];
  private readonly tables = new Map<StepWindow, SeriesTable[]>();
  private readonly allTables: SeriesTable[] = [];
  private readonly whole: InterfaceSeries;
  private readonly hosts: HostSeries;
  private readonly devices: DeviceSeries;
  private readonly networks: NetworkSeries;
  private readonly containers: ContainerSeries;
  private readonly ownInterfaces: OwnInterfaces | undefined;
  private readonly finest: StepWindow;
  private nowMs = -1;

  /** Points go to `output`, limits are those of the options, or shared with others. Throws one clear error where an option is of no use. */
  constructor(options: SeriesOptions, output: PointOutput, limits = limitsOf(options)) {
    this.options = options;
    this.delayMs = options.delayMs ?? defaultDelayMs(options.spread);
    this.hash = new SeededHash(options.seed);
    this.limits = limits;
    this.out = new LineBuffer(output);
    this.closer = new StepCloser(this.out, options.linesPerTurn);
    const local = new LocalNetworks(options.localNetworks);
    this.reader = new FactsReader(this.hash, local, options.spread);
    this.batch = Array.from({ length: BATCH }, () => new FlowFacts(this.hash));
    this.conversations = new Conversations(options.maxConversations);
    const ifid = new TagText(this.hash);
    ifid.readString(options.ifid);
    const tags = new TagLine(ifid);
    const context: TableContext = {
      limits: this.limits,
      windowOf: (family) => this.windowOf(family),
      register: (table) => {
        this.allTables.push(table);
        this.tables.set(table.window, [...(this.tables.get(table.window) ?? []), table]);
      },
    };
    this.whole = new InterfaceSeries(context, tags, options.interfaceCounters !== undefined);
    this.hosts = new HostSeries(context, this.hash, tags);
    this.networks = new NetworkSeries(context, this.hash, tags, local);
    this.devices = new DeviceSeries(context, this.hash, tags);
    this.containers = new ContainerSeries(context, this.hash, tags);
    if (options.hasOwnInterfaces) this.ownInterfaces = new OwnInterfaces(context, this.hash, tags, options.ifid);
    this.finest = this.windows.reduce((finest, window) => (window.stepMs < finest.stepMs ? window : finest));
    this.seriesCounters = new SeriesCounters(this.limits, () => ({
      pointsWritten: this.out.lines,
      flowsAhead: this.reader.flowsAhead,
      flowsImplausible: this.reader.flowsImplausible,
      tagsCut: this.batch.reduce(
        (cut, { application }) => cut + application.cut,
        this.containers.tagsCut + this.devices.name.cut,
      ),
      pushedOut: this.conversations.pushedOut + this.hosts.contacts.pushedOut + this.containers.active.pushedOut,
    }));
  }

  /** What was taken, and what was not, for `/metrics`. */
  get counters(): SeriesCounters {
    this.count();
    return this.seriesCounters;
  }

  /** Takes a flow, or an agent's event. */
  write(flow: Flow): void {
    const { reader, containers } = this;
    const plan = reader.planOf(flow);
    if (plan.kind === 'other') return;
    if (this.nowMs < 0) this.advance(flow.origin.exportTimeMs);
    const hasContainer = containers.read(flow, plan);
    // Events are of interest where they tell of containers.
    if ((plan.kind === 'event' && !hasContainer) || containers.isListening) return;
    const facts = this.batch[this.waiting]!;
    if (!reader.read(flow, plan, this.nowMs, facts)) return;
    facts.client = containers.client;
    facts.reporter = this.options.countOnce && plan.kind === 'flow' ? reader.reporterOf(flow, facts) : 0;
    const hasCountry = this.networks.read(flow, plan);
    if (hasContainer || hasCountry) {
      // What they are called is not kept: the flow is counted at once.
      this.count();
      facts.source.hostRow = -1;
      facts.destination.hostRow = -1;
      this.add(facts, -1, hasContainer, hasCountry);
      return;
    }
    this.firstKeys[this.waiting] = facts.conversationFirst;
    this.secondKeys[this.waiting] = facts.conversationSecond;
    if (++this.waiting === BATCH) this.count();
  }

  /** Takes a record that is no flow: of interest are counters of interfaces. */
  writeRecord(record: PlainRecord): void {
    if (record.recordType !== 'counters') return;
    if (this.nowMs < 0) this.advance(record.origin.exportTimeMs);
    this.count();
    this.devices.addCounters(record);
    this.ownInterfaces?.add(record);
  }

  /** Whether there were flows of an Exporter lately. */
  knowsExporter(address: string): boolean {
    this.count();
    return this.devices.knows(address);
  }

  /** Takes what an Exporter's sequence numbers and faults say, since the program started. To be called once a step or more often. */
  exporterLosses(losses: ExporterLosses): void {
    if (this.nowMs < 0) return;
    this.count();
    this.devices.addLosses(losses, this.nowMs);
  }

  /**
   * Says what time it is, Unix milliseconds: steps that ended longer ago than they stay open are closed. Live, it is called each
   * second; from a capture, with the times of its packets.
   */
  advance(nowMs: number): void {
    if (!(nowMs >= 0 && nowMs < 1e14)) return;
    if (this.nowMs >= 0 && nowMs < this.nowMs - SET_BACK_MS) {
      this.seriesCounters.clockSetBack++;
      this.finish();
    }
    if (this.nowMs < 0) this.startAt(nowMs);
    else if (nowMs <= this.nowMs) return;
    this.count();
    this.nowMs = nowMs;
    const { interfaceCounters } = this.options;
    if (interfaceCounters !== undefined) this.whole.setCounters(interfaceCounters(), nowMs);
    for (const window of this.windows) {
      const open = Math.floor((nowMs - this.delayMs) / window.stepMs);
      // Nothing was placed behind the newest: after a long silence there is nothing to close.
      const last = Math.min(open, Math.max(window.newest + 1, window.base));
      while (window.base < last) this.closeOldest(window);
      if (window.base < open) {
        // What is still being closed lies in slots that the new steps may take.
        this.closer.drain();
        this.seriesCounters.stepsSkipped += open - window.base;
        window.base = open;
      }
    }
  }

  /** Closes all steps that anything was counted in and forgets the time; counters go on from where they are. */
  finish(): void {
    this.count();
    if (this.nowMs >= 0) {
      for (const window of this.windows) while (window.base <= window.used) this.closeOldest(window);
    }
    this.closer.drain();
    this.nowMs = -1;
  }

  private windowOf(family: Family): StepWindow {
    const stepMs = this.options.stepSeconds[family] * 1000;
    let window = this.windows.find((known) => known.stepMs === stepMs);
    if (window === undefined) {
      window = new StepWindow(stepMs, this.delayMs);
      this.windows.push(window);
    }
    return window;
  }

  private startAt(nowMs: number): void {
    this.nowMs = nowMs;
    for (const window of this.windows) {
      window.base = Math.max(Math.floor((nowMs - this.delayMs) / window.stepMs), 0);
      window.used = window.base - 1;
    }
    for (const table of this.allTables) {
      table.startAt(this.options.zerosBeforeStart ? Number.NEGATIVE_INFINITY : Math.floor(nowMs / table.window.stepMs));
    }
  }

  private closeOldest(window: StepWindow): void {
    const step = window.base++;
    this.closer.finishStep(window);
    this.whole.prepare(window, step);
    this.hosts.prepare(window, step);
    this.closer.close(window, step, this.tables.get(window) ?? []);
  }

  /** Counts the flows that wait. */
  private count(): void {
    const { batch, waiting, places } = this;
    if (waiting === 0) return;
    this.waiting = 0;
    this.fetched ^= this.conversations.fetch(this.firstKeys, this.secondKeys, waiting, places);
    this.fetched ^= this.hosts.fetch(batch, waiting, this.nowMs);
    for (let i = 0; i < waiting; i++) this.add(batch[i]!, places[i]!, false, false);
  }

  /** The flow's conversation may be at the place `hint`, or -1. */
  private add(facts: FlowFacts, hint: number, hasContainer: boolean, hasCountry: boolean): void {
    const { seriesCounters: counters, windows, finest } = this;
    counters.flows++;
    for (let i = 0; i < windows.length; i++) windows[i]!.place(facts.times);
    if (finest.isWhollyLate) counters.flowsLate++;
    else if (finest.isLate) counters.flowsPartlyLate++;
    // A probe's own flows have no Exporter.
    if (facts.plan.kind === 'flow' && facts.exporterAddress !== '') this.devices.add(facts);
    let place = -1;
    if (facts.hasAddresses) {
      place = this.conversationOf(facts, hint);
      if (facts.reporter !== 0 && this.isReported(facts, place)) {
        counters.flowsReportedTwice++;
        if (!hasContainer) return;
      }
    }
    this.whole.add(facts, this.conversations, place, DETAIL_GROUP);
    if (place >= 0) this.hosts.add(facts, this.conversations, place, HOST_GROUP);
    this.networks.add(facts, hasCountry);
    if (hasContainer) this.containers.add(facts, place < 0 ? SOURCE : this.clientEnd(facts, place));
  }

  private conversationOf(facts: FlowFacts, hint: number): number {
    const { client } = facts;
    const isSwapped = client === CLIENT_IS_DESTINATION || (client !== CLIENT_IS_SOURCE && isFromServer(facts));
    return this.conversations.find(
      facts.conversationFirst,
      facts.conversationSecond,
      hint,
      facts.times,
      isSwapped ? 1 - facts.sourceEnd : facts.sourceEnd,
    );
  }

  private clientEnd({ sourceEnd }: FlowFacts, place: number): number {
    return this.conversations.clientOf(place) === sourceEnd ? SOURCE : DESTINATION;
  }

  /** Takes out of the flow's amounts what somebody else has reported. True where nothing is left that was there. */
  private isReported({ amounts, sourceEnd, times, isSampled, reporter }: FlowFacts, place: number): boolean {
    const { conversations } = this;
    const isForward = amounts[OCTETS]! > 0 || amounts[PACKETS]! > 0;
    const isReverse = amounts[REVERSE_OCTETS]! > 0 || amounts[REVERSE_PACKETS]! > 0;
    let isLeft = !isForward && !isReverse;
    if (isForward) {
      if (conversations.isReported(place, sourceEnd, reporter, times, isSampled)) {
        amounts[OCTETS] = 0;
        amounts[PACKETS] = 0;
      } else isLeft = true;
    }
    if (isReverse) {
      if (conversations.isReported(place, 1 - sourceEnd, reporter, times, isSampled)) {
        amounts[REVERSE_OCTETS] = 0;
        amounts[REVERSE_PACKETS] = 0;
      } else isLeft = true;
    }
    return !isLeft;
  }
}

/** The limits that options ask for, for one or several {@link FlowSeries}. */
export function limitsOf({ maxSeries, maxByFamily }: SeriesOptions): SeriesLimits {
  return new SeriesLimits(maxSeries, maxByFamily ?? defaultFamilyLimits(maxSeries));
}
