/** Interfaces to flows: capturing processes, one metering process, sinks and the status page. */

import { readFileSync } from 'node:fs';
import { PacketBatch } from '../bytes/packet-batch.ts';
import type { Configuration } from '../config/configuration.ts';
import { type CaptureOutcome, CaptureReader } from '../input/capture-file.ts';
import { LiveCapture } from '../input/live-capture.ts';
import type { PayloadDetector } from '../meter/application/payload-detector.ts';
import type { MeteringProcess } from '../meter/metering-process.ts';
import type { StatusServer } from '../metrics/status.ts';
import type { NdjsonEvent } from '../sink/ndjson.ts';
import type { FlowOwnership } from './flow-ownership.ts';
import type { Log } from './log.ts';
import { meteringOf } from './metering.ts';
import { Output, type OutputOptions } from './output.ts';
import { probeFeedStatus } from './probe-files.ts';
import { probePages } from './probe-pages.ts';
import { senderOutcome, senderTargets } from './sender-status.ts';
import { openLiveSenders } from './senders.ts';
import { logSinkEvent } from './sink-log.ts';
import { openStatusServer, statusAddress } from './status-server.ts';

const FLUSH_INTERVAL_MS = 200;
const TICK_MS = 500;
/** Packets may be this long on their way from the kernel to the meter. */
const CAPTURE_DELAY_MS = 2000;
/** What a probe needs besides its configuration. */
export interface ProbeOptions {
  readonly log: Log;
  /** Version of the program, for the log and the status page. */
  readonly version: string;
  /** Whether the status address was asked for: its port being taken is an error then. */
  readonly isStatusAsked: boolean;
  /** Called once when nobody reads the lines any more, or the last capture ended. */
  readonly onOver: (reason: string) => void;
}

/** A probe at work. */
export interface RunningProbe {
  /** Address of the status page, undefined without one. */
  readonly status: string | undefined;
  /** Applies the log's level and opens files anew; the rest of a configuration needs a restart. */
  reload(configuration: Configuration): void;
  /** Ends the captures and all flows, writes what is left, and logs what was done; true when no capture broke off. */
  stop(reason: string): Promise<boolean>;
}

/** Starts to capture. Rejects with one clear error, and leaves nothing open, where something cannot be opened. */
export async function startProbe(configuration: Configuration, options: ProbeOptions): Promise<RunningProbe> {
  // Most runs do without, and start faster.
  const ownership = configuration.processes ? (await import('./flow-ownership.ts')).FlowOwnership : undefined;
  const probe = new LiveProbe(configuration, options, ownership);
  try {
    await probe.start();
  } catch (error) {
    await probe.release();
    throw error;
  }
  return probe;
}

class LiveProbe implements RunningProbe {
  readonly output: Output;
  readonly meter: MeteringProcess;
  readonly detector: PayloadDetector | undefined;
  readonly startedMs = Date.now();
  readonly version: string;
  readonly captures: LiveCapture[] = [];
  readonly ownership: FlowOwnership | undefined;
  readonly #configuration: Configuration;
  readonly #options: ProbeOptions;
  readonly #log: Log;
  #statusServer: StatusServer | undefined;
  #timer: NodeJS.Timeout | undefined;
  #dropsLogged = 0;
  #capturesEnded = 0;
  #isStopping = false;

  constructor(configuration: Configuration, options: ProbeOptions, ownership: typeof FlowOwnership | undefined) {
    this.#configuration = configuration;
    this.#options = options;
    this.#log = options.log;
    this.version = options.version;
    this.output = new Output(configuration, this.#outputOptions());
    const interfaces = configuration.interface.map((name) => ({ name, index: interfaceIndex(name) }));
    this.ownership = ownership && new ownership(configuration, this.output, this.#log);
    const { meter, detector } = meteringOf(configuration, this.ownership?.annotation ?? this.output, interfaces);
    this.meter = meter;
    this.detector = detector;
  }

  get status(): string | undefined {
    return statusAddress(this.#configuration.status, this.#statusServer);
  }

  get packetsDropped(): number {
    return this.captures.reduce((sum, capture) => sum + capture.packetsDropped, 0);
  }

  async start(): Promise<void> {
    const configuration = this.#configuration;
    const context = { version: this.version, status: () => probeFeedStatus(this.packetsDropped) };
    await openLiveSenders(this.output, configuration, context, this.#log, configuration.interface.length);
    this.output.points?.selectByInterface(configuration.interface.map(interfaceIndex));
    await this.ownership?.start();
    for (const [number, interfaceName] of configuration.interface.entries()) await this.#capture(interfaceName, number);
    await this.#openStatus();
    this.#timer = setInterval(() => this.#tick(), TICK_MS);
    const names = configuration.interface.join(', ');
    this.#log.write('info', 'started', `flowrelay ${this.version} meters ${names}`, {
      version: this.version,
      interfaces: this.captures.map(({ interfaceName, tool }) => ({ interface: interfaceName, capturedWith: tool })),
      sinks: this.output.sinks.map(({ path }) => path),
      ...senderTargets(this.output),
      status: this.status ?? 'off',
    });
  }

  /** Lets go of whatever is open. */
  async release(): Promise<void> {
    this.#isStopping = true;
    clearInterval(this.#timer);
    await Promise.all(this.captures.map((capture) => capture.stop()));
    await this.ownership?.close();
    await this.#statusServer?.close();
    await this.output.close();
  }

  reload({ logLevel }: Configuration): void {
    this.output.reopen();
    this.#log.setLevel(logLevel);
    this.#log.write('info', 'reloaded', 'files opened anew; all but the level of the log needs a restart', {
      sinks: this.output.sinks.map(({ path }) => path),
    });
  }

  async stop(reason: string): Promise<boolean> {
    if (this.#isStopping) return true;
    this.#isStopping = true;
    clearInterval(this.#timer);
    await Promise.all(this.captures.map((capture) => capture.stop()));
    await this.ownership?.finish();
    this.meter.finish();
    this.#watch();
    await this.ownership?.close();
    await this.output.close();
    await this.#statusServer?.close();
    const { counters } = this.meter;
    const { sinks } = this.output;
    const flows = counters.flowRecords;
    this.#log.write('info', 'stopped', `stopped (${reason}) after ${flows} flows of ${counters.packetsSeen} packets`, {
      reason,
      seconds: Math.round((Date.now() - this.startedMs) / 1000),
      packets: counters.packetsSeen,
      packetsMetered: counters.packetsMetered,
      packetsDropped: this.packetsDropped,
      flows,
      linesWritten: sinks.reduce((sum, sink) => sum + sink.linesWritten, 0),
      linesDropped: sinks.reduce((sum, sink) => sum + sink.linesDropped, 0),
      ...senderOutcome(this.output),
    });
    return this.#capturesEnded === 0;
  }

  async #capture(interfaceName: string, number: number): Promise<void> {
    const { filter, snapLength, captureBuffer, promiscuous, captureWith } = this.#configuration;
    const reader = new CaptureReader();
    const batch = new PacketBatch();
    const capture = await LiveCapture.open({
      interfaceName,
      filter,
      snapLength: snapLength === 0 ? 262_144 : snapLength,
      bufferOctets: captureBuffer,
      promiscuous,
      tool: captureWith,
      onOctets: (octets) => {
        reader.feed(octets);
        while (reader.readBatch(batch)) this.meter.addBatch(batch, number);
      },
      onEnd: (reason) => this.#onCaptureEnd(interfaceName, reason, reader.finish()),
    });
    this.captures.push(capture);
  }

  #onCaptureEnd(interfaceName: string, reason: string, outcome: CaptureOutcome): void {
    this.#capturesEnded++;
    this.#log.write('error', 'capture_ended', `the capture on ${interfaceName} ended: ${reason}`, {
      interface: interfaceName,
      reason,
      outcome,
    });
    if (this.#capturesEnded === this.#configuration.interface.length) this.#options.onOver('all captures ended');
  }

  #outputOptions(): OutputOptions {
    return {
      delivery: 'drop',
      queueOctets: this.#configuration.queueOctets,
      flushIntervalMs: FLUSH_INTERVAL_MS,
      onEvent: (event) => this.#onSinkEvent(event),
    };
  }

  #onSinkEvent(event: NdjsonEvent): void {
    if (logSinkEvent(this.#log, event)) return;
    if (this.output.isReaderGone) this.#options.onOver('nobody reads standard output');
  }

  async #openStatus(): Promise<void> {
    this.#statusServer = await openStatusServer(this.#configuration.status, probePages(this), this.#options);
  }

  #tick(): void {
    const nowMs = Date.now();
    this.meter.advance((nowMs - CAPTURE_DELAY_MS) * 1000);
    this.output.points?.advance(nowMs);
    this.output.points?.flush();
    this.#watch();
  }

  /** Says what went wrong since the last look. */
  #watch(): void {
    const { packetsDropped } = this;
    if (packetsDropped === this.#dropsLogged) return;
    this.#log.writeLimited(
      'drops',
      'warning',
      'packets_dropped',
      `the kernel dropped ${packetsDropped} packets since start (--capture-buffer, --filter or --sample help)`,
      { packetsDropped },
    );
    this.#dropsLogged = packetsDropped;
  }
}

/** ifIndex of an interface; 0 for `any` and where the system does not tell. */
function interfaceIndex(name: string): number {
  try {
    return Number(readFileSync(`/sys/class/net/${name}/ifindex`, 'latin1')) || 0;
  } catch {
    return 0;
  }
}
