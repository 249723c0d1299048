/** Files to lines: captures and IPFIX files, one after the other, through one decoder. */

import type { Configuration } from '../config/configuration.ts';
import { type CaptureOutcome, CaptureReader, formatOf } from '../input/capture-file.ts';
import { CapturedIpfixStreams } from '../input/captured-ipfix-streams.ts';
import { DatagramExtractor } from '../input/datagram-extractor.ts';
import { type IpfixFileOutcome, IpfixFileReader } from '../input/ipfix-file.ts';
import { type OctetSource, OctetSourceError, openOctetSource } from '../input/octet-source.ts';
import { DECODE_FAULTS, type DecodeCounters } from '../metrics/decode-counters.ts';
import { Decoding } from './decoding.ts';
import { decodingOptionsOf } from './decoding-options.ts';
import { ExporterTotals } from './exporter-totals.ts';
import { feedStatus } from './feed-status.ts';
import { Output } from './output.ts';
import { type SenderSummary, senderSummary } from './sender-summary.ts';
import { openFileSenders } from './senders.ts';

/** Who follows a conversion. */
export interface ConvertObserver {
  /** One line on something that is wrong: a file, a destination. */
  onProblem(text: string): void;
  /** Version of the program, for ntopng. */
  readonly version: string;
  /** Called a few times a second: the file, octets read of it, and of how many (0 where that is not known), and flows so far. */
  onProgress(file: string, octetsRead: number, octetsTotal: number, flows: number): void;
}

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

const QUEUE_OCTETS = 8_388_608;
/** How long work may go on before signals and writes get their turn. */
const TURN_MS = 50;
/** Between points of Exporters' losses, of a capture's own time. */
const LOSSES_INTERVAL_MS = 60_000;
/** Exporter address of IPFIX files, which name none (RFC 5655). */
const FILE_ADDRESS = '0.0.0.0';

const CAPTURE_PROBLEMS: Readonly<Record<Exclude<CaptureOutcome, 'ok'>, string>> = {
  empty: 'is empty',
  truncated: 'is cut off; what it holds was converted',
  format_unknown: 'is no capture or IPFIX file',
  version_unsupported: 'is a capture of an unknown version',
  captured_length_invalid: 'is damaged: a packet has an impossible length; what came before was converted',
  block_length_invalid: 'is damaged: a block has an impossible length; what came before was converted',
  block_trailer_mismatch: 'is damaged: a block does not end as it begins; what came before was converted',
  byte_order_magic_invalid: 'is damaged: a section of unknown byte order; what came before was converted',
  interfaces_too_many: 'has too many interfaces; packets of some were left out',
};

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
  observer: ConvertObserver,
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
  readonly #observer: ConvertObserver;
  readonly #stop: AbortSignal;
  readonly #output: Output;
  readonly #decoding: Decoding;
  readonly #totals = new ExporterTotals();
  #packets = 0;
  #messages = 0;
  #messagesOther = 0;
  #filesWithProblems = 0;
  #turnStartMs = Date.now();
  #lossesToldMs = Number.NEGATIVE_INFINITY;

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
    this.#decoding = new Decoding(decodingOptionsOf(configuration), this.#output);
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
      const problem =
        formatOf(source.firstOctets) === 'ipfix'
          ? await this.#addMessages(file, source)
          : await this.#addCapture(file, source);
      // Why the octets ended says more than that the last packet is not whole.
      if (source.error !== undefined) this.#problem(source.error.message);
      else if (problem !== undefined && !this.isOver)
        this.#problem(`${file === '-' ? 'standard input' : file} ${problem}`);
    } finally {
      this.#stop.removeEventListener('abort', wake);
      source.close();
    }
  }

  async finish(files: number): Promise<ConvertSummary> {
    this.#totals.update(this.#decoding.sessions);
    this.#output.points?.tellLosses(this.#totals);
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
      filesWithProblems: this.#filesWithProblems,
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
        this.#filesWithProblems === 0 &&
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
      const block = await this.#nextBlock(file, source);
      if (block === undefined) break;
      reader.feed(block);
    }
    extractor.finish();
    this.#packets += reader.packetsRead;
    const outcome = reader.finish();
    return outcome === 'ok' ? undefined : CAPTURE_PROBLEMS[outcome];
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
      const block = await this.#nextBlock(file, source);
      if (block === undefined || !reader.feed(block)) break;
      if (this.#output.mustWait) await this.#output.drained();
    }
    if (points !== undefined) points.goesByExportTimes = false;
    decoding.endSessions(FILE_ADDRESS, 0);
    const outcome = reader.finish();
    return outcome === 'ok' ? undefined : IPFIX_PROBLEMS[outcome];
  }

  /** The next block, or undefined at the end or when it is over. Gives signals and writes their turn now and then. */
  async #nextBlock(file: string, source: OctetSource): Promise<Uint8Array | undefined> {
    const nowMs = Date.now();
    if (nowMs - this.#turnStartMs > TURN_MS) {
      this.#observer.onProgress(
        file,
        source.octetsRead,
        source.octetsTotal,
        this.#decoding.sessions.totals().flowRecords,
      );
      await new Promise((resolve) => setImmediate(resolve));
      this.#turnStartMs = nowMs;
    }
    if (this.isOver) return undefined;
    return source.next();
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

  #problem(text: string): void {
    this.#filesWithProblems++;
    this.#observer.onProblem(text);
  }
}
