/** Files to lines: captures and IPFIX files, one after the other, through one decoder. */

import type { Configuration } from '../config/configuration.ts';
import { CaptureReader, formatOf } from '../input/capture-file.ts';
import { CapturedIpfixStreams } from '../input/captured-ipfix-streams.ts';
import { DatagramExtractor } from '../input/datagram-extractor.ts';
import { type IpfixFileOutcome, IpfixFileReader } from '../input/ipfix-file.ts';
import type { OctetSource } from '../input/octet-source.ts';
import { DECODE_FAULTS, type DecodeCounters } from '../metrics/decode-counters.ts';
import { Decoding } from './decoding.ts';
import { decodingOptionsOf } from './decoding-options.ts';
import { ExporterTotals } from './exporter-totals.ts';
import { feedStatus } from './feed-status.ts';
import { captureProblem, FILE_OUTPUT_OPTIONS, type FileObserver, FileRun } from './file-run.ts';
import { Output } from './output.ts';
import { type SenderSummary, senderSummary } from './sender-summary.ts';
import { openFileSenders } from './senders.ts';

/** What a conversion came to. */
export interface ConvertSummary {
  readonly files: number;
  /** Files that could not be read, or not to their end. */
  readonly filesWithProblems: number;
  readonly packets: number;
  /** UDP payloads found, and IPFIX Messages of TCP streams and files. */
  readonly messages: number;
  /** Of these: UDP payloads that are no flow export at all. */
  readonly messagesOther: number;
  readonly counters: DecodeCounters;
  /** Faults by reason, without {@link ConvertSummary.messagesOther}. */
  readonly faults: ReadonlyMap<string, number>;
  /** Data Sets whose Template never came. */
  readonly setsWaiting: number;
  readonly linesWritten: number;
  /** What became of flows that went elsewhere. */
  readonly senders: SenderSummary;
  /** True when nobody wanted the lines any more, or the user stopped it. */
  readonly isStopped: boolean;
  /** Whether all was read and written. */
  readonly isComplete: boolean;
}

/** Between points of Exporters' losses, of a capture's own time. */
const LOSSES_INTERVAL_MS = 60_000;
/** Exporter address of IPFIX files, which name none (RFC 5655). */
const FILE_ADDRESS = '0.0.0.0';

const IPFIX_PROBLEMS: Readonly<Record<Exclude<IpfixFileOutcome, 'ok'>, string>> = {
  empty: 'is empty',
  truncated: 'is cut off; what it holds was converted',
  not_ipfix: 'is no IPFIX file',
  damaged: 'is damaged; what could be read was converted',
};

/** Converts `files` in order. Throws only where a sink or a definition cannot be opened, before anything is read. */
export async function convert(
  files: readonly string[],
  configuration: Configuration,
  observer: FileObserver,
  stop: AbortSignal,
): Promise<ConvertSummary> {
  const conversion = new Conversion(configuration, observer, stop);
  await conversion.open();
  for (const file of files) {
    if (conversion.isOver) break;
    await conversion.add(file);
  }
  return conversion.finish(files.length);
}

class Conversion {
  readonly #configuration: Configuration;
  readonly #observer: FileObserver;
  readonly #stop: AbortSignal;
  readonly #output: Output;
  readonly #decoding: Decoding;
  readonly #files: FileRun;
  readonly #totals = new ExporterTotals();
  #packets = 0;
  #messages = 0;
  #messagesOther = 0;
  #lossesToldMs = Number.NEGATIVE_INFINITY;

  constructor(configuration: Configuration, observer: FileObserver, stop: AbortSignal) {
    this.#configuration = configuration;
    this.#observer = observer;
    this.#stop = stop;
    this.#output = new Output(configuration, FILE_OUTPUT_OPTIONS);
    this.#decoding = new Decoding(decodingOptionsOf(configuration), this.#output);
    this.#files = new FileRun(this.#output, observer, stop, () => this.#decoding.sessions.flowRecords());
  }

  /** Opens what can only be opened with patience. */
  async open(): Promise<void> {
    const context = {
      version: this.#observer.version,
      status: () => feedStatus(this.#totals, this.#decoding, 0, 0),
    };
    await openFileSenders(this.#output, this.#configuration, context, (text) => this.#observer.onProblem(text));
  }

  /** Whether going on is of no use. */
  get isOver(): boolean {
    return this.#files.isOver;
  }

  async add(file: string): Promise<void> {
    await this.#files.read(file, async (source) => {
      const problem =
        formatOf(source.firstOctets) === 'ipfix'
          ? await this.#addMessages(file, source)
          : await this.#addCapture(file, source);
      this.#files.sayEnd(file, source, problem);
    });
  }

  async finish(files: number): Promise<ConvertSummary> {
    const { points, feed } = this.#output;
    // Nobody else asks.
    if (points !== undefined || feed !== undefined) this.#totals.update(this.#decoding.sessions);
    points?.tellLosses(this.#totals);
    await this.#output.close();
    const { failure, isReaderGone } = this.#output;
    const senders = senderSummary(this.#output);
    if (failure !== undefined) this.#observer.onProblem(failure.message);
    const counters = this.#decoding.sessions.totals();
    const faults = new Map<string, number>();
    for (const fault of DECODE_FAULTS) if (counters.faults[fault] > 0) faults.set(fault, counters.faults[fault]);
    const isStopped = this.#stop.aborted || isReaderGone;
    if (this.#decoding.internalErrors > 0) {
      this.#observer.onProblem(
        `${this.#decoding.internalErrors} datagrams met a fault of this program; please report it`,
      );
    }
    return {
      files,
      filesWithProblems: this.#files.filesWithProblems,
      packets: this.#packets,
      messages: this.#messages,
      messagesOther: this.#messagesOther,
      counters,
      faults,
      setsWaiting: this.#decoding.pendingStatus().sets,
      senders,
      linesWritten: this.#output.sinks.reduce((sum, sink) => sum + sink.linesWritten, 0),
      isStopped,
      isComplete:
        this.#files.filesWithProblems === 0 &&
        failure === undefined &&
        this.#decoding.internalErrors === 0 &&
        senders.isComplete,
    };
  }

  async #addCapture(file: string, source: OctetSource): Promise<string | undefined> {
    const { port: ports } = this.#configuration;
    const decoding = this.#decoding;
    const reader = new CaptureReader();
    const streams = new CapturedIpfixStreams(
      (stream, view, octets, start, end, timeMs) => {
        this.#messages++;
        this.#advance(timeMs);
        decoding.decode(octets, view, start, end, stream.sourceAddress, stream.sourcePort, timeMs, true);
      },
      (stream, reason) => {
        // The next file may go on where this one ends.
        if (reason !== 'capture_ended') decoding.endSessions(stream.sourceAddress, stream.sourcePort);
      },
    );
    const extractor = new DatagramExtractor(
      {
        onDatagram: ({ octets, view, start, end, sourceAddress, sourcePort, timeMs }) => {
          this.#messages++;
          this.#advance(timeMs);
          const outcome = decoding.decode(octets, view, start, end, sourceAddress, sourcePort, timeMs, false);
          if (outcome === 'version_unsupported') this.#messagesOther++;
        },
      },
      streams,
      ports,
    );
    for (;;) {
      while (reader.next()) {
        extractor.add(reader.packet);
        if (this.#output.mustWait) await this.#output.drained();
      }
      const block = await this.#files.nextBlock(file, source);
      if (block === undefined) break;
      reader.feed(block);
    }
    extractor.finish();
    this.#packets += reader.packetsRead;
    return captureProblem(reader.finish(), 'converted', 'is no capture or IPFIX file');
  }

  async #addMessages(file: string, source: OctetSource): Promise<string | undefined> {
    const decoding = this.#decoding;
    const { points } = this.#output;
    if (points !== undefined) points.goesByExportTimes = true;
    const arrivalMs = Date.now();
    const reader = new IpfixFileReader((view, octets, start, end) => {
      this.#messages++;
      decoding.decode(octets, view, start, end, FILE_ADDRESS, 0, arrivalMs, true);
    });
    for (;;) {
      const block = await this.#files.nextBlock(file, source);
      if (block === undefined || !reader.feed(block)) break;
      if (this.#output.mustWait) await this.#output.drained();
    }
    if (points !== undefined) points.goesByExportTimes = false;
    decoding.endSessions(FILE_ADDRESS, 0);
    const outcome = reader.finish();
    return outcome === 'ok' ? undefined : IPFIX_PROBLEMS[outcome];
  }

  /** Says what time it is by the capture, and once a minute of it what Exporters have lost until then. */
  #advance(timeMs: number): void {
    const { points } = this.#output;
    if (points === undefined) return;
    points.advance(timeMs);
    if (Math.abs(timeMs - this.#lossesToldMs) < LOSSES_INTERVAL_MS) return;
    this.#lossesToldMs = timeMs;
    this.#totals.update(this.#decoding.sessions);
    points.tellLosses(this.#totals);
  }
}
