/** Sends the datagrams of a capture again. */

import { createSocket, type Socket } from 'node:dgram';
import { isIPv6 } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { CaptureReader, formatOf } from '../input/capture-file.ts';
import { DatagramExtractor } from '../input/datagram-extractor.ts';
import { OctetSourceError, openOctetSource } from '../input/octet-source.ts';
import { rewriteExportTime } from './export-time.ts';

/** What to send, where to, how fast. */
export interface ReplayOptions {
  readonly file: string;
  readonly address: string;
  readonly port: number;
  /** Only datagrams to these ports; all when empty. */
  readonly ports: readonly number[];
  /** Times faster than captured; {@link Number.POSITIVE_INFINITY} for as fast as the network takes it. */
  readonly speed: number;
  /** Datagrams a second, in place of the capture's own pace. */
  readonly rate: number | undefined;
  /** Whether the export time in the headers is set to the time of sending. */
  readonly rewriteTime: boolean;
  /** How often the capture is sent. */
  readonly loops: number;
}

/** What a replay came to. */
export interface ReplaySummary {
  readonly sent: number;
  readonly octets: number;
  /** Datagrams the system refused. */
  readonly failed: number;
  readonly firstError: string | undefined;
  readonly seconds: number;
  /** What is wrong with the file. */
  readonly problem: string | undefined;
}

/** Sends that may be under way: more of them only fill memory. */
const MAX_UNDER_WAY = 64;
/** Longest that a timer can wait; nobody waits for longer gaps in a capture. */
const MAX_SLEEP_MS = 2_147_483_647;

/** Sends `options.file`; rejects where the address cannot be used. */
export async function replay(options: ReplayOptions, stop: AbortSignal): Promise<ReplaySummary> {
  const sender = new Sender(options, stop);
  try {
    await sender.open();
    let problem: string | undefined;
    for (let loop = 0; loop < options.loops && problem === undefined && !stop.aborted; loop++) {
      problem = await sender.sendFile();
      if (sender.datagrams === 0) break;
    }
    await sender.settled();
    return sender.summary(problem);
  } finally {
    sender.close();
  }
}

class Sender {
  datagrams = 0;
  readonly #options: ReplayOptions;
  readonly #stop: AbortSignal;
  readonly #socket: Socket;
  readonly #startMs = performance.now();
  #sent = 0;
  #octets = 0;
  #failed = 0;
  #firstError: string | undefined;
  #underWay = 0;
  #settle: (() => void) | undefined;
  #firstMs = -1;
  #loopStartMs = 0;

  constructor(options: ReplayOptions, stop: AbortSignal) {
    this.#options = options;
    this.#stop = stop;
    this.#socket = createSocket({ type: isIPv6(options.address) ? 'udp6' : 'udp4', sendBufferSize: 4_194_304 });
  }

  open(): Promise<void> {
    const { address, port } = this.#options;
    return new Promise((resolve, reject) => {
      this.#socket.once('error', reject);
      // Connected, so that names are looked up once and a closed port is told.
      this.#socket.connect(port, address, () => {
        this.#socket.removeListener('error', reject);
        // Told later than the datagram it is about, which counts as sent: nobody listens there.
        this.#socket.on('error', (error) => {
          this.#firstError ??= error.message;
        });
        resolve();
      });
    });
  }

  close(): void {
    this.#socket.close();
  }

  async sendFile(): Promise<string | undefined> {
    const { file, ports } = this.#options;
    const source = await openOctetSource(file);
    if (source instanceof OctetSourceError) return source.message;
    try {
      const format = formatOf(source.firstOctets);
      if (format !== 'pcap' && format !== 'pcapng') return `${file} is no capture`;
      const found: { octets: Uint8Array; timeMs: number }[] = [];
      const extractor = new DatagramExtractor(
        { onDatagram: ({ octets, start, end, timeMs }) => found.push({ octets: octets.slice(start, end), timeMs }) },
        undefined,
        ports,
      );
      const reader = new CaptureReader();
      this.#firstMs = -1;
      this.#loopStartMs = performance.now();
      for (;;) {
        while (reader.next()) {
          extractor.add(reader.packet);
          for (const { octets, timeMs } of found) await this.#send(octets, timeMs);
          found.length = 0;
          if (this.#stop.aborted) return undefined;
        }
        const block = await source.next();
        if (block === undefined) break;
        reader.feed(block);
      }
      if (source.error !== undefined) return source.error.message;
      return reader.finish() === 'ok' ? undefined : `${file} is cut off or damaged; what it holds was sent`;
    } finally {
      source.close();
    }
  }

  /** Resolves when nothing is under way. */
  async settled(): Promise<void> {
    while (this.#underWay > 0) await this.#room();
  }

  summary(problem: string | undefined): ReplaySummary {
    return {
      sent: this.#sent,
      octets: this.#octets,
      failed: this.#failed,
      firstError: this.#firstError,
      seconds: (performance.now() - this.#startMs) / 1000,
      problem,
    };
  }

  async #send(octets: Uint8Array, timeMs: number): Promise<void> {
    await this.#waitFor(timeMs);
    if (this.#stop.aborted) return;
    this.datagrams++;
    if (this.#options.rewriteTime) rewriteExportTime(octets, Date.now());
    this.#underWay++;
    this.#socket.send(octets, (error) => {
      this.#underWay--;
      if (error !== null) {
        this.#fail(error);
      } else {
        this.#sent++;
        this.#octets += octets.length;
      }
      this.#settle?.();
    });
    if (this.#underWay >= MAX_UNDER_WAY) await this.#room();
  }

  /** Waits for the moment at which the datagram is due. */
  async #waitFor(timeMs: number): Promise<void> {
    const { speed, rate } = this.#options;
    if (this.#firstMs < 0) this.#firstMs = timeMs;
    let dueMs = this.#loopStartMs + (timeMs - this.#firstMs) / speed;
    if (rate !== undefined) dueMs = this.#startMs + (this.datagrams * 1000) / rate;
    const leftMs = dueMs - performance.now();
    // Timers are no finer than a millisecond: what is due sooner goes now.
    if (leftMs < 1) return;
    await sleep(Math.min(leftMs, MAX_SLEEP_MS), undefined, { signal: this.#stop }).catch(() => {});
  }

  #room(): Promise<void> {
    return new Promise((resolve) => {
      this.#settle = () => {
        this.#settle = undefined;
        resolve();
      };
    });
  }

  #fail(error: Error): void {
    this.#failed++;
    this.#firstError ??= error.message;
  }
}
