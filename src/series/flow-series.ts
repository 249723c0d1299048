import type { Flow, PlainRecord } from '../flow/flow.ts';
import type { Origin } from '../flow/origin.ts';
import type { PointOutput } from '../flow/point-output.ts';
import type { RecordOutput } from '../flow/record-output.ts';
import { CLIENT_IS_DESTINATION, CLIENT_IS_SOURCE, ContainerSeries } from './container-series.ts';
import { Conversations } from './conversations.ts';
import { DeviceSeries, type ExporterLosses } from './device-series.ts';
import { DESTINATION, FlowFacts, isFromServer, SOURCE } from './flow-facts.ts';
import { HostSeries } from './host-series.ts';
import { InterfaceSeries } from './interface-series.ts';
import { LineBuffer } from './line-buffer.ts';
import { LocalNetworks } from './local-networks.ts';
import { NetworkSeries } from './network-series.ts';
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
const REPORTER_KIND = 71;
/** Whose steps {@link Conversations} keeps. */
const DETAIL_GROUP = 0;
const HOST_GROUP = 1;

/**
 * Flows to time series under ntopng's names: adds up what flows tell in each step, and writes a point for each series when the
 * step is closed. Memory is bounded by the limits of the options, whatever comes.
 */
export class FlowSeries implements RecordOutput {
  /** What was taken, and what was not, for `/metrics`. */
  readonly counters: SeriesCounters;
  private readonly options: SeriesOptions;
  private readonly delayMs: number;
  private readonly hash: SeededHash;
  private readonly facts: FlowFacts;
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
  private readonly finest: StepWindow;
  private nowMs = -1;
  private reporter = 1;
  private reporterAddress = '';
  private reporterDomain = -2;
  private reporterWay = 0;
  private reporterSource = 0;
  private readonly reporterText: TagText;

  /** Points go to `output`. Throws one clear error where an option is of no use. */
  constructor(options: SeriesOptions, output: PointOutput) {
    this.options = options;
    this.delayMs = options.delayMs ?? defaultDelayMs(options.spread);
    this.hash = new SeededHash(options.seed);
    this.limits = new SeriesLimits(options.maxSeries, options.maxByFamily ?? defaultFamilyLimits(options.maxSeries));
    this.out = new LineBuffer(output);
    this.closer = new StepCloser(this.out, options.linesPerTurn);
    this.reporterText = new TagText(this.hash);
    const local = new LocalNetworks(options.localNetworks);
    this.facts = new FlowFacts(this.hash, local, options.spread);
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
    this.finest = this.windows.reduce((finest, window) => (window.stepMs < finest.stepMs ? window : finest));
    this.counters = new SeriesCounters(this.limits, () => ({
      pointsWritten: this.out.lines,
      flowsAhead: this.facts.flowsAhead,
      flowsImplausible: this.facts.flowsImplausible,
      tagsCut: this.containers.tagsCut + this.facts.application.cut + this.devices.name.cut,
      pushedOut: this.conversations.pushedOut + this.hosts.contacts.pushedOut + this.containers.active.pushedOut,
    }));
  }

  /** Takes a flow, or an agent's event. */
  write(flow: Flow): void {
    const { facts, counters, windows, containers } = this;
    facts.select(flow);
    const { kind } = facts.plan;
    if (kind === 'other') return;
    if (this.nowMs < 0) this.advance(flow.origin.exportTimeMs);
    const hasContainer = containers.read(flow, facts);
    // Events are of interest where they tell of containers.
    if ((kind === 'event' && !hasContainer) || containers.isListening) return;
    if (!facts.read(flow, this.nowMs)) return;
    counters.flows++;
    for (let i = 0; i < windows.length; i++) windows[i]!.place(facts.times);
    if (this.finest.isWhollyLate) counters.flowsLate++;
    else if (this.finest.isLate) counters.flowsPartlyLate++;
    // A probe's own flows have no Exporter.
    if (kind === 'flow' && flow.origin.exporterAddress !== '') this.devices.add(flow, facts);
    let place = -1;
    if (facts.hasAddresses) {
      place = this.conversationOf();
      if (this.options.countOnce && kind === 'flow' && this.isReported(flow, place)) {
        counters.flowsReportedTwice++;
        if (!hasContainer) return;
      }
    }
    this.whole.add(flow, facts, this.conversations, place, DETAIL_GROUP);
    if (place >= 0) this.hosts.add(flow, facts, this.conversations, place, HOST_GROUP);
    this.networks.add(flow, facts);
    if (hasContainer) containers.add(facts, place < 0 ? SOURCE : this.clientEnd(place));
  }

  /** Takes a record that is no flow: of interest are counters of interfaces. */
  writeRecord(record: PlainRecord): void {
    if (record.recordType !== 'counters') return;
    if (this.nowMs < 0) this.advance(record.origin.exportTimeMs);
    this.devices.addCounters(record);
  }

  /** Takes what an Exporter's sequence numbers and faults say, since the program started. To be called once a step or more often. */
  exporterLosses(losses: ExporterLosses): void {
    if (this.nowMs >= 0) this.devices.addLosses(losses, this.nowMs);
  }

  /**
   * Says what time it is, Unix milliseconds: steps that ended longer ago than they stay open are closed. Live, it is called each
   * second; from a capture, with the times of its packets.
   */
  advance(nowMs: number): void {
    if (!(nowMs >= 0 && nowMs < 1e14)) return;
    if (this.nowMs >= 0 && nowMs < this.nowMs - SET_BACK_MS) {
      this.counters.clockSetBack++;
      this.finish();
    }
    if (this.nowMs < 0) this.startAt(nowMs);
    else if (nowMs <= this.nowMs) return;
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
        this.counters.stepsSkipped += open - window.base;
        window.base = open;
      }
    }
  }

  /** Closes all steps that anything was counted in and forgets the time; counters go on from where they are. */
  finish(): void {
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
    this.whole.prepare(window, step);
    this.closer.close(window, step, this.tables.get(window) ?? []);
  }

  private conversationOf(): number {
    const { facts, containers, conversations } = this;
    const isSwapped =
      containers.client === CLIENT_IS_DESTINATION || (containers.client !== CLIENT_IS_SOURCE && isFromServer(facts));
    return conversations.find(
      facts.conversationFirst,
      facts.conversationSecond,
      facts.times,
      isSwapped ? 1 - facts.sourceEnd : facts.sourceEnd,
    );
  }

  private clientEnd(place: number): number {
    return this.conversations.clientOf(place) === this.facts.sourceEnd ? SOURCE : DESTINATION;
  }

  /** Takes out of the flow's amounts what somebody else has reported. True where nothing is left that was there. */
  private isReported(flow: Flow, place: number): boolean {
    const { facts, conversations } = this;
    const { amounts, sourceEnd, times, isSampled } = facts;
    const reporter = this.reporterOf(flow.origin, flow.words);
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

  /** Who reports: an Exporter's domain, and which way through it, as one number that is not 0. */
  private reporterOf(origin: Origin, words: Uint32Array): number {
    const { hash, facts, reporterText } = this;
    const { direction, sourceIdIndex } = facts.plan;
    const way = direction < 0 ? 0 : words[direction]!;
    const source = sourceIdIndex < 0 ? 0 : words[sourceIdIndex]!;
    const { exporterAddress, observationDomainId } = origin;
    if (
      exporterAddress === this.reporterAddress &&
      observationDomainId === this.reporterDomain &&
      way === this.reporterWay &&
      source === this.reporterSource
    ) {
      return this.reporter;
    }
    this.reporterAddress = exporterAddress;
    this.reporterDomain = observationDomainId;
    this.reporterWay = way;
    this.reporterSource = source;
    reporterText.readString(exporterAddress);
    hash.start(REPORTER_KIND);
    hash.word(reporterText.first);
    hash.word(reporterText.second);
    hash.word(observationDomainId);
    hash.word(way);
    hash.word(source);
    hash.end();
    this.reporter = hash.first | 1;
    return this.reporter;
  }
}
