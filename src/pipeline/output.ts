/** The sinks a configuration asks for, as one output. */

import type { Configuration } from '../config/configuration.ts';
import type { Flow, PlainRecord } from '../flow/flow.ts';
import type { RecordOutput } from '../flow/record-output.ts';
import { FlowJson } from '../sink/formats/flow-json.ts';
import { type NdjsonEvent, type NdjsonOptions, NdjsonSink } from '../sink/ndjson.ts';

/** What the sinks of a command need besides the configuration. */
export interface OutputOptions {
  readonly delivery: NdjsonOptions['delivery'];
  readonly queueOctets: number;
  readonly flushIntervalMs: number;
  readonly onEvent: (event: NdjsonEvent) => void;
}

/** Hands every record to every sink. */
export class Output implements RecordOutput {
  /** The sinks now in use. */
  sinks: readonly NdjsonSink[];
  #first: NdjsonSink;
  #others: readonly NdjsonSink[];

  /** Opens the sinks; throws one clear error where one cannot be opened. */
  constructor(configuration: Configuration, options: OutputOptions) {
    this.sinks = openSinks(configuration, options);
    this.#first = this.sinks[0]!;
    this.#others = this.sinks.slice(1);
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
    this.#first = sinks[0]!;
    this.#others = sinks.slice(1);
    await Promise.all(old.map((sink) => sink.close()));
  }

  /** Whether a sink has more waiting than it should: await {@link Output.drained}. */
  get mustWait(): boolean {
    if (this.#first.mustWait) return true;
    for (let i = 0; i < this.#others.length; i++) if (this.#others[i]!.mustWait) return true;
    return false;
  }

  /** True once nobody is left to write for: every sink's reader went away. */
  get isReaderGone(): boolean {
    return this.sinks.every((sink) => sink.isReaderGone);
  }

  /** Why a sink cannot go on. */
  get failure(): Error | undefined {
    return this.sinks.find((sink) => sink.failure !== undefined)?.failure;
  }

  /** Settles when nothing waits any more. */
  async drained(): Promise<void> {
    await Promise.all(this.sinks.map((sink) => sink.drained()));
  }

  /** Opens files anew, for log rotation. */
  reopen(): void {
    for (const sink of this.sinks) sink.reopen();
  }

  /** Flushes and closes all sinks. */
  async close(): Promise<void> {
    await Promise.all(this.sinks.map((sink) => sink.close()));
  }
}

function openSinks(configuration: Configuration, options: OutputOptions): NdjsonSink[] {
  const { json, names, fields, upscale, records, codeGeneration } = configuration;
  const format = {
    names,
    fields: fields.length === 0 ? undefined : fields,
    upscale,
    recordTypes: new Set(records),
    codeGeneration,
  };
  const paths = json.length === 0 ? ['-'] : json;
  return paths.map((path) => new NdjsonSink({ ...options, path, makeFormat: (drain) => new FlowJson(format, drain) }));
}
