/** Interfaces to flows: capturing processes, one metering process, sinks and the status page. */

import { readFileSync } from 'node:fs';
import { PacketBatch } from '../bytes/packet-batch.ts';
import type { Configuration } from '../config/configuration.ts';
import { type CaptureOutcome, CaptureReader } from '../input/capture-file.ts';
import { LiveCapture } from '../input/live-capture.ts';
import type { PayloadDetector } from '../meter/application/payload-detector.ts';
import type { MeteringProcess } from '../meter/metering-process.ts';
import type { FlowOwnership } from './flow-ownership.ts';
import { LiveRun, type LiveRunOptions, startRun } from './live-run.ts';
import { meteringOf } from './metering.ts';
import { probeFeedStatus } from './probe-files.ts';
import { probePages } from './probe-pages.ts';

const TICK_MS = 500;
/** Packets may be this long on their way from the kernel to the meter. */
const CAPTURE_DELAY_MS = 2000;

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
export async function startProbe(configuration: Configuration, options: LiveRunOptions): Promise<RunningProbe> {
  // Most runs do without, and start faster.
  const ownership = configuration.processes ? (await import('./flow-ownership.ts')).FlowOwnership : undefined;
  const probe = new LiveProbe(configuration, options, ownership);
  return startRun(probe, () => probe.start());
}

class LiveProbe extends LiveRun implements RunningProbe {
  readonly meter: MeteringProcess;
  readonly detector: PayloadDetector | undefined;
  readonly captures: LiveCapture[] = [];
  readonly ownership: FlowOwnership | undefined;
  #timer: NodeJS.Timeout | undefined;
  #dropsLogged = 0;
  #capturesEnded = 0;

  constructor(configuration: Configuration, options: LiveRunOptions, ownership: typeof FlowOwnership | undefined) {
    super(configuration, options);
    const interfaces = configuration.interface.map((name) => ({ name, index: interfaceIndex(name) }));
    this.ownership = ownership && new ownership(configuration, this.output, this.log);
    const { meter, detector } = meteringOf(configuration, this.ownership?.annotation ?? this.output, interfaces);
    this.meter = meter;
    this.detector = detector;
  }

  get packetsDropped(): number {
    return this.captures.reduce((sum, capture) => sum + capture.packetsDropped, 0);
  }

  async start(): Promise<void> {
    const { configuration } = this;
    await this.openSenders({ status: () => probeFeedStatus(this.packetsDropped) }, configuration.interface.length);
    this.output.points?.selectByInterface(configuration.interface.map(interfaceIndex));
    await this.ownership?.start();
    for (const [number, interfaceName] of configuration.interface.entries()) await this.#capture(interfaceName, number);
    await this.openStatus(probePages(this));
    this.#timer = setInterval(() => this.#tick(), TICK_MS);
    this.sayStarted(`meters ${configuration.interface.join(', ')}`, {
      interfaces: this.captures.map(({ interfaceName, tool }) => ({ interface: interfaceName, capturedWith: tool })),
    });
  }

  async release(): Promise<void> {
    this.isStopping = true;
    clearInterval(this.#timer);
    await Promise.all(this.captures.map((capture) => capture.stop()));
    await this.ownership?.close();
    await this.closeOutput();
  }

  async stop(reason: string): Promise<boolean> {
    if (this.isStopping) return true;
    this.isStopping = true;
    clearInterval(this.#timer);
    await Promise.all(this.captures.map((capture) => capture.stop()));
    await this.ownership?.finish();
    this.meter.finish();
    this.#watch();
    await this.ownership?.close();
    await this.closeOutput();
    const { counters } = this.meter;
    const flows = counters.flowRecords;
    this.sayStopped(reason, `${flows} flows of ${counters.packetsSeen} packets`, {
      packets: counters.packetsSeen,
      packetsMetered: counters.packetsMetered,
      packetsDropped: this.packetsDropped,
      flows,
    });
    return this.#capturesEnded === 0;
  }

  async #capture(interfaceName: string, number: number): Promise<void> {
    const { filter, snapLength, captureBuffer, promiscuous, captureWith } = this.configuration;
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
    this.log.write('error', 'capture_ended', `the capture on ${interfaceName} ended: ${reason}`, {
      interface: interfaceName,
      reason,
      outcome,
    });
    if (this.#capturesEnded === this.configuration.interface.length) this.over('all captures ended');
  }

  #tick(): void {
    const nowMs = Date.now();
    this.meter.advance((nowMs - CAPTURE_DELAY_MS) * 1000);
    this.advancePoints(nowMs);
    this.#watch();
  }

  /** Says what went wrong since the last look. */
  #watch(): void {
    const { packetsDropped } = this;
    if (packetsDropped === this.#dropsLogged) return;
    this.log.writeLimited(
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
