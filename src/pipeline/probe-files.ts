/** Captures to flows: files, one after the other, through one metering process, as fast as possible. */

import type { Configuration } from '../config/configuration.ts';
import { type CaptureOutcome, CaptureReader, formatOf } from '../input/capture-file.ts';
import { openFilteredSource } from '../input/filtered-source.ts';
import { type OctetSource, OctetSourceError, openOctetSource } from '../input/octet-source.ts';
import type { MeteringProcess } from '../meter/metering-process.ts';
import type { MeterCounters } from '../metrics/meter-counters.ts';
import type { ConvertObserver } from './convert.ts';
import { meteringOf, PacketFeed } from './metering.ts';
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

const QUEUE_OCTETS = 8_388_608;
/** How long work may go on before signals and writes get their turn. */
const TURN_MS = 50;
/** Packets between two looks at whether writing keeps up. */
const PACKETS_BETWEEN_LOOKS = 512;

const PROBLEMS: Readonly<Record<Exclude<CaptureOutcome, 'ok'>, string>> = {
  empty: 'is empty',
  truncated: 'is cut off; what it holds was metered',
  format_unknown: 'is no capture',
  version_unsupported: 'is a capture of an unknown version',
  captured_length_invalid: 'is damaged: a packet has an impossible length; what came before was metered',
  block_length_invalid: 'is damaged: a block has an impossible length; what came before was metered',
  block_trailer_mismatch: 'is damaged: a block does not end as it begins; what came before was metered',
  byte_order_magic_invalid: 'is damaged: a section of unknown byte order; what came before was metered',
  interfaces_too_many: 'has too many interfaces; packets of some were left out',
};

/** Meters the captures `configuration.read` names, in order. Throws only where a sink cannot be opened, before anything is read. */
export async function probeFiles(
  configuration: Configuration,
  observer: ConvertObserver,
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
  readonly #observer: ConvertObserver;
  readonly #stop: AbortSignal;
  readonly #output: Output;
  readonly #meter: MeteringProcess;
  readonly #feed: PacketFeed;
  #filesWithProblems = 0;
  #turnStartMs = Date.now();

  constructor(configuration: Configuration, observer: ConvertObserver, stop: AbortSignal) {
    this.#configuration = configuration;
    this.#observer = observer;
    this.#stop = stop;
    this.#output = new Output(configuration, {
      delivery: 'wait',
      queueOctets: QUEUE_OCTETS,
      flushIntervalMs: 0,
      onEvent: () => {},
    });
    this.#meter = meteringOf(configuration, this.#output, []).meter;
    this.#feed = new PacketFeed(this.#meter, 0);
  }

  /** Opens what can only be opened with patience. */
  async open(): Promise<void> {
    const context = { version: this.#observer.version, status: () => probeFeedStatus(0) };
    await openFileSenders(this.#output, this.#configuration, context, (text) => this.#observer.onProblem(text));
    if (this.#output.points !== undefined) this.#output.points.goesByExportTimes = true;
  }

  /** Whether going on is of no use. */
  get isOver(): boolean {
    return this.#stop.aborted || this.#output.isReaderGone || this.#output.failure !== undefined;
  }

  async add(file: string): Promise<void> {
    const source = await openOctetSource(file);
    if (source instanceof OctetSourceError) {
      this.#problem(source.message);
      return;
    }
    // Whoever waits for a pipe must be woken.
    const wake = (): void => source.close();
    this.#stop.addEventListener('abort', wake);
    try {
      const name = file === '-' ? 'standard input' : file;
      if (this.#configuration.filter === '' || formatOf(source.firstOctets) === 'unknown') {
        const outcome = await this.#read(file, source, source);
        if (source.error !== undefined) this.#problem(source.error.message);
        else if (outcome !== 'ok' && !this.isOver) this.#problem(`${name} ${PROBLEMS[outcome]}`);
      } else {
        await this.#readFiltered(file, source);
      }
    } finally {
      this.#stop.removeEventListener('abort', wake);
      source.close();
    }
  }

  async finish(): Promise<ProbeSummary> {
    this.#meter.finish();
    await this.#output.close();
    const { failure } = this.#output;
    if (failure !== undefined) this.#observer.onProblem(failure.message);
    const senders = senderSummary(this.#output);
    return {
      files: this.#configuration.read.length,
      filesWithProblems: this.#filesWithProblems,
      counters: this.#meter.counters,
      flows: this.#meter.counters.flowRecords,
      linesWritten: this.#output.sinks.reduce((sum, sink) => sum + sink.linesWritten, 0),
      senders,
      isComplete: this.#filesWithProblems === 0 && failure === undefined && senders.isComplete,
    };
  }

  async #readFiltered(file: string, source: OctetSource): Promise<void> {
    const filtered = await openFilteredSource(source, this.#configuration.filter);
    if (filtered instanceof Error) {
      this.#problem(filtered.message);
      return;
    }
    try {
      await this.#read(file, filtered.source, source);
      const problem = this.isOver ? undefined : (source.error?.message ?? (await filtered.problem()));
      if (problem !== undefined) this.#problem(problem);
    } finally {
      filtered.source.close();
    }
  }

  async #read(file: string, source: OctetSource, original: OctetSource): Promise<CaptureOutcome> {
    const reader = new CaptureReader();
    const { packet } = reader;
    let sinceLook = 0;
    for (;;) {
      while (reader.next()) {
        this.#feed.add(packet);
        if (++sinceLook < PACKETS_BETWEEN_LOOKS) continue;
        sinceLook = 0;
        if (this.#output.mustWait) await this.#output.drained();
      }
      const block = await this.#nextBlock(file, source, original);
      if (block === undefined) break;
      reader.feed(block);
    }
    return reader.finish();
  }

  /** The next block, or undefined at the end or when it is over. Gives signals and writes their turn now and then. */
  async #nextBlock(file: string, source: OctetSource, original: OctetSource): Promise<Uint8Array | undefined> {
    const nowMs = Date.now();
    if (nowMs - this.#turnStartMs > TURN_MS) {
      this.#observer.onProgress(file, original.octetsRead, original.octetsTotal, this.#meter.counters.flowRecords);
      await new Promise((resolve) => setImmediate(resolve));
      this.#turnStartMs = nowMs;
    }
    if (this.isOver) return undefined;
    return source.next();
  }

  #problem(text: string): void {
    this.#filesWithProblems++;
    this.#observer.onProblem(text);
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
