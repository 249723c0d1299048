/** Captures to flows: files, one after the other, through one metering process, as fast as possible. */

import { PacketBatch } from '../bytes/packet-batch.ts';
import type { Configuration } from '../config/configuration.ts';
import { type CaptureOutcome, CaptureReader, formatOf } from '../input/capture-file.ts';
import { openFilteredSource } from '../input/filtered-source.ts';
import type { OctetSource } from '../input/octet-source.ts';
import type { MeteringProcess } from '../meter/metering-process.ts';
import type { MeterCounters } from '../metrics/meter-counters.ts';
import { METER_COMPILE_AFTER } from '../sink/formats/flow-json.ts';
import { captureProblem, FILE_OUTPUT_OPTIONS, type FileObserver, FileRun } from './file-run.ts';
import { meteringOf } from './metering.ts';
import { Output } from './output.ts';
import { type SenderSummary, senderSummary } from './sender-summary.ts';
import { openFileSenders } from './senders.ts';

/** What reading captures came to. */
export interface ProbeSummary {
  readonly files: number;
  /** Files that could not be read, or not to their end. */
  readonly filesWithProblems: number;
  readonly counters: MeterCounters;
  /** Flow records. */
  readonly flows: number;
  readonly linesWritten: number;
  /** What became of flows that went elsewhere. */
  readonly senders: SenderSummary;
  /** Whether all was read and written. */
  readonly isComplete: boolean;
}

/** Meters the captures `configuration.read` names, in order. Throws only where a sink cannot be opened, before anything is read. */
export async function probeFiles(
  configuration: Configuration,
  observer: FileObserver,
  stop: AbortSignal,
): Promise<ProbeSummary> {
  const probe = new FileProbe(configuration, observer, stop);
  await probe.open();
  for (const file of configuration.read) {
    if (probe.isOver) break;
    await probe.add(file);
  }
  return probe.finish();
}

class FileProbe {
  readonly #configuration: Configuration;
  readonly #observer: FileObserver;
  readonly #output: Output;
  readonly #meter: MeteringProcess;
  readonly #batch = new PacketBatch();
  readonly #files: FileRun;

  constructor(configuration: Configuration, observer: FileObserver, stop: AbortSignal) {
    this.#configuration = configuration;
    this.#observer = observer;
    this.#output = new Output(configuration, { ...FILE_OUTPUT_OPTIONS, compileAfter: METER_COMPILE_AFTER });
    this.#meter = meteringOf(configuration, this.#output, []).meter;
    this.#files = new FileRun(this.#output, observer, stop, () => this.#meter.counters.flowRecords);
  }

  /** Opens what can only be opened with patience. */
  async open(): Promise<void> {
    const context = { version: this.#observer.version, status: () => probeFeedStatus(0) };
    await openFileSenders(this.#output, this.#configuration, context, (text) => this.#observer.onProblem(text));
    if (this.#output.points !== undefined) this.#output.points.goesByExportTimes = true;
  }

  /** Whether going on is of no use. */
  get isOver(): boolean {
    return this.#files.isOver;
  }

  async add(file: string): Promise<void> {
    await this.#files.read(file, async (source) => {
      if (this.#configuration.filter !== '' && formatOf(source.firstOctets) !== 'unknown') {
        await this.#readFiltered(file, source);
        return;
      }
      const outcome = await this.#read(file, source, source);
      this.#files.sayEnd(file, source, captureProblem(outcome, 'metered', 'is no capture'));
    });
  }

  async finish(): Promise<ProbeSummary> {
    this.#meter.finish();
    await this.#output.close();
    const { failure } = this.#output;
    if (failure !== undefined) this.#observer.onProblem(failure.message);
    const senders = senderSummary(this.#output);
    return {
      files: this.#configuration.read.length,
      filesWithProblems: this.#files.filesWithProblems,
      counters: this.#meter.counters,
      flows: this.#meter.counters.flowRecords,
      linesWritten: this.#output.sinks.reduce((sum, sink) => sum + sink.linesWritten, 0),
      senders,
      isComplete: this.#files.filesWithProblems === 0 && failure === undefined && senders.isComplete,
    };
  }

  async #readFiltered(file: string, source: OctetSource): Promise<void> {
    const filtered = await openFilteredSource(source, this.#configuration.filter);
    if (filtered instanceof Error) {
      this.#files.problem(filtered.message);
      return;
    }
    try {
      await this.#read(file, filtered.source, source);
      const problem = this.isOver ? undefined : (source.error?.message ?? (await filtered.problem()));
      if (problem !== undefined) this.#files.problem(problem);
    } finally {
      filtered.source.close();
    }
  }

  async #read(file: string, source: OctetSource, original: OctetSource): Promise<CaptureOutcome> {
    const reader = new CaptureReader();
    const batch = this.#batch;
    for (;;) {
      while (reader.readBatch(batch)) {
        this.#meter.addBatch(batch, 0);
        if (this.#output.mustWait) await this.#output.drained();
      }
      const block = await this.#files.nextBlock(file, source, original);
      if (block === undefined) break;
      reader.feed(block);
    }
    return reader.finish();
  }
}

/** What a ZeroMQ feed tells ntopng of a probe, whose kernel dropped so many packets. */
export function probeFeedStatus(socketDrops: number) {
  return {
    netflowFlows: 0,
    sflowSamples: 0,
    sflowDrops: 0,
    collectionDrops: 0,
    socketDrops,
    collectionPort: 0,
    exporters: [],
  };
}
