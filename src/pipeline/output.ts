/** The sinks a configuration asks for, as one output. */

import type { Configuration } from '../config/configuration.ts';
import type { Flow, PlainRecord } from '../flow/flow.ts';
import type { RecordOutput } from '../flow/record-output.ts';
import type { ExportSink } from '../sink/export.ts';
import { FlowJson, type FlowJsonOptions } from '../sink/formats/flow-json.ts';
import { type NdjsonEvent, type NdjsonOptions, NdjsonSink } from '../sink/ndjson.ts';
import type { ZmqSink } from '../sink/zmq.ts';
import type { ExportOptions } from './export.ts';
import type { FeedOptions } from './feed.ts';
import { lineFormat } from './line-format.ts';
import type { Points, PointsOptions, PointsOutcome } from './points.ts';

/** What the sinks of a command need besides the configuration. */
export interface OutputOptions {
  readonly delivery: NdjsonOptions['delivery'];
  readonly queueOctets: number;
  readonly flushIntervalMs: number;
  readonly onEvent: (event: NdjsonEvent) => void;
  /** See {@link NdjsonOptions.turns}. */
  readonly turns?: NdjsonOptions['turns'];
  /** See {@link FlowJsonOptions.compileAfter}. */
  readonly compileAfter?: FlowJsonOptions['compileAfter'];
}

/** Writes nowhere: stands in for a sink that is not there, so that each record is written without a question. */
const NOWHERE: RecordOutput = { write: () => {}, writeRecord: () => {} };

/** Hands every record to every sink. */
export class Output implements RecordOutput {
  /** The sinks now in use. */
  sinks: readonly NdjsonSink[];
  /** The ZeroMQ feed, once opened. */
  feed: ZmqSink | undefined;
  /** The export of NetFlow or IPFIX, once opened. */
  exportSink: ExportSink | undefined;
  /** Points to InfluxDB, once opened. */
  points: Points | undefined;
  /** What became of them, once closed. */
  pointsOutcome: PointsOutcome | undefined;
  #first: RecordOutput;
  #others: readonly RecordOutput[] = [];

  /** Opens the sinks; throws one clear error where one cannot be opened. */
  constructor(configuration: Configuration, options: OutputOptions) {
    this.sinks = openSinks(configuration, options);
    this.#first = NOWHERE;
    this.#arrange();
  }

  /** Opens the ZeroMQ feed where one is asked for; rejects with one clear error where that cannot be. A conversion waits here for a subscriber. */
  async openFeed(configuration: Configuration, options: FeedOptions): Promise<void> {
    if (configuration.zmq.length === 0) return;
    // Most runs do without, and without what packs its messages start faster.
    const { openFeed } = await import('./feed.ts');
    this.feed = await openFeed(configuration, options);
    this.#arrange();
    await this.feed.ready();
  }

  /** Opens the export where one is asked for; rejects with one clear error where that cannot be. */
  async openExport(configuration: Configuration, options: ExportOptions): Promise<void> {
    if (configuration.export.length === 0) return;
    // Most runs do without, and without its sockets start faster.
    const { openExport } = await import('./export.ts');
    this.exportSink = await openExport(configuration, options);
    this.#arrange();
  }

  /** Opens the delivery of points to InfluxDB where it is asked for; rejects with one clear error where an option is of no use. */
  async openPoints(configuration: Configuration, options: PointsOptions): Promise<void> {
    if (configuration.influxdb.length === 0) return;
    const { Points } = await import('./points.ts');
    this.points = await Points.open(configuration, options);
    this.#arrange();
  }

  #arrange(): void {
    const outputs: RecordOutput[] = [...this.sinks];
    if (this.feed !== undefined) outputs.push(this.feed);
    if (this.exportSink !== undefined) outputs.push(this.exportSink);
    if (this.points !== undefined) outputs.push(this.points);
    this.#first = outputs[0] ?? NOWHERE;
    this.#others = outputs.slice(1);
  }

  write(flow: Flow): void {
    this.#first.write(flow);
    for (let i = 0; i < this.#others.length; i++) this.#others[i]!.write(flow);
  }

  writeRecord(record: PlainRecord): void {
    this.#first.writeRecord(record);
    for (let i = 0; i < this.#others.length; i++) this.#others[i]!.writeRecord(record);
  }

  /** Opens the sinks of a new configuration in place of the old ones; throws, and keeps the old ones, where one cannot be opened. */
  async replace(configuration: Configuration, options: OutputOptions): Promise<void> {
    const sinks = openSinks(configuration, options);
    const old = this.sinks;
    this.sinks = sinks;
    this.#arrange();
    await Promise.all(old.map((sink) => sink.close()));
  }

  /** Whether a sink has more waiting than it should: await {@link Output.drained}. */
  get mustWait(): boolean {
    for (let i = 0; i < this.sinks.length; i++) if (this.sinks[i]!.mustWait) return true;
    return this.feed?.mustWait === true || this.exportSink?.mustWait === true || this.points?.mustWait === true;
  }

  /** True once nobody is left to write for: every sink's reader went away. */
  get isReaderGone(): boolean {
    return (
      this.feed === undefined &&
      this.exportSink === undefined &&
      this.points === undefined &&
      this.sinks.length > 0 &&
      this.sinks.every((sink) => sink.isReaderGone)
    );
  }

  /** Why a sink cannot go on. */
  get failure(): Error | undefined {
    return this.sinks.find((sink) => sink.failure !== undefined)?.failure ?? this.exportSink?.failure;
  }

  /** Settles when nothing waits any more. */
  async drained(): Promise<void> {
    await Promise.all([
      ...this.sinks.map((sink) => sink.drained()),
      this.feed?.drained(),
      this.exportSink?.drained(),
      this.points?.drained(),
    ]);
  }

  /** Opens files anew, for log rotation. */
  reopen(): void {
    for (const sink of this.sinks) sink.reopen();
    this.exportSink?.reopen();
  }

  /** Flushes and closes all sinks. */
  async close(): Promise<void> {
    await Promise.all([
      ...this.sinks.map((sink) => sink.close()),
      this.feed?.close(),
      this.exportSink?.close(),
      this.#closePoints(),
    ]);
  }

  async #closePoints(): Promise<void> {
    this.pointsOutcome = await this.points?.close();
  }
}

function openSinks(configuration: Configuration, options: OutputOptions): NdjsonSink[] {
  const { json, zmq, export: destinations, influxdb } = configuration;
  const format = { ...lineFormat(configuration), compileAfter: options.compileAfter };
  // A feed, an export or a database is destination enough.
  const hasOther = zmq.length + destinations.length + influxdb.length > 0;
  const paths = json.length === 0 && !hasOther ? ['-'] : json;
  return paths.map((path) => new NdjsonSink({ ...options, path, makeFormat: (drain) => new FlowJson(format, drain) }));
}
