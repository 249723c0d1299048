import { createSocket, type Socket } from 'node:dgram';
import { lookup } from 'node:dns/promises';
import {
  type ExportDropReason,
  ExportTallies,
  type ExportTransport,
  type ExportTransportOptions,
} from './export-transport.ts';

/** Where datagrams go, and how fast. */
export interface UdpExportOptions extends ExportTransportOptions {
  readonly destination: string;
  readonly host: string;
  readonly port: number;
  /** Datagrams a second, 0 for as fast as they come. */
  readonly datagramsPerSecond: number;
}

interface Waiting {
  readonly octets: Uint8Array;
  readonly flows: number;
  attempts: number;
}

/** Datagrams handed to the kernel at a time: each is sent at once unless its buffers are full. */
const MAX_IN_FLIGHT = 64;
const RATE_TICK_MS = 5;
/** A conversion tries again where the kernel has no room. */
const RETRY_MS = 10;
const MAX_ATTEMPTS = 100;
const CLOSE_TIMEOUT_MS = 2000;
const MAX_SPARE_BUFFERS = 256;

const REASONS: Readonly<Record<string, ExportDropReason>> = {
  ECONNREFUSED: 'refused',
  ENETUNREACH: 'unreachable',
  EHOSTUNREACH: 'unreachable',
  EHOSTDOWN: 'unreachable',
  ENETDOWN: 'unreachable',
  EPERM: 'unreachable',
  ENOBUFS: 'no_buffers',
  ENOMEM: 'no_buffers',
  EAGAIN: 'no_buffers',
  EMSGSIZE: 'too_long',
};

/** Messages as UDP datagrams. */
export class UdpExport implements ExportTransport {
  readonly destination: string;
  readonly tallies: ExportTallies;
  readonly failure = undefined;
  octetsQueued = 0;
  /** IP version of the way there, 4 or 6. */
  readonly family: number;
  readonly #options: UdpExportOptions;
  readonly #socket: Socket;
  readonly #queue: Waiting[] = [];
  #head = 0;
  #inFlight = 0;
  /** Datagrams that may go now; grows with time where there is a limit. */
  #allowance: number;
  #timer: NodeJS.Timeout | undefined;
  #tickMs = Date.now();
  readonly #spare: Uint8Array[] = [];
  /** Flows of the datagram sent last; -1 for none that could still be refused. */
  #lastFlows = -1;
  #isClosed = false;

  /** Resolves the host and opens a socket; rejects with one clear error where that cannot be. */
  static async open(options: UdpExportOptions): Promise<UdpExport> {
    const { host, port, destination } = options;
    let socket: Socket | undefined;
    let family = 4;
    try {
      const found = await lookup(host);
      const { address } = found;
      family = found.family;
      const opened = createSocket(family === 6 ? 'udp6' : 'udp4');
      socket = opened;
      await new Promise<void>((resolve, reject) => {
        opened.once('error', reject);
        // Connected, so that the kernel tells of a collector that is away, and no address is looked up for each datagram.
        opened.connect(port, address, () => resolve());
      });
      opened.removeAllListeners('error');
    } catch (error) {
      socket?.close();
      throw new Error(`cannot export to ${destination}: ${(error as NodeJS.ErrnoException).code ?? 'unknown'}`, {
        cause: error,
      });
    }
    return new UdpExport(options, socket, family);
  }

  private constructor(options: UdpExportOptions, socket: Socket, family: number) {
    this.family = family;
    this.destination = options.destination;
    this.tallies = new ExportTallies(options.destination, options);
    this.#options = options;
    this.#socket = socket;
    // So the kernel tells that an earlier datagram did not arrive, unless another one is sent before that.
    socket.on('error', (error) => this.#refused(error));
    socket.unref();
    this.#allowance = options.datagramsPerSecond > 0 ? 1 : Number.POSITIVE_INFINITY;
    if (options.datagramsPerSecond > 0) this.#timer = setInterval(() => this.#tick(), RATE_TICK_MS);
  }

  get mustWait(): boolean {
    return this.octetsQueued > this.#options.queueOctets;
  }

  send(octets: Uint8Array, flows: number): boolean {
    this.tallies.queue(flows);
    if (this.#options.delivery === 'drop' && this.octetsQueued + octets.length > this.#options.queueOctets) {
      this.tallies.drop('queue_full', flows);
      return false;
    }
    this.octetsQueued += octets.length;
    this.#queue.push({ octets: this.#copy(octets), flows, attempts: 0 });
    this.#sendOn();
    return true;
  }

  reopen(): void {}

  async close(): Promise<void> {
    if (this.#isClosed) return;
    const { delivery, datagramsPerSecond } = this.#options;
    // Whoever limits the rate wants the rest at that rate too, but not for ever.
    const timeOut = delivery === 'drop' ? setTimeout(() => this.#dropQueue(), CLOSE_TIMEOUT_MS) : undefined;
    if (datagramsPerSecond === 0) this.#sendOn();
    await this.tallies.drained();
    clearTimeout(timeOut);
    clearInterval(this.#timer);
    this.#isClosed = true;
    this.tallies.endDrops();
    await new Promise<void>((resolve) => this.#socket.close(() => resolve()));
  }

  #tick(): void {
    const nowMs = Date.now();
    const { datagramsPerSecond } = this.#options;
    this.#allowance += ((nowMs - this.#tickMs) * datagramsPerSecond) / 1000;
    // What was not used is not saved up for a burst.
    this.#allowance = Math.min(this.#allowance, Math.max(1, (datagramsPerSecond * 4 * RATE_TICK_MS) / 1000));
    this.#tickMs = nowMs;
    this.#sendOn();
  }

  #sendOn(): void {
    while (this.#head < this.#queue.length && this.#inFlight < MAX_IN_FLIGHT && this.#allowance >= 1) {
      this.#allowance--;
      this.#sendOne(this.#queue[this.#head++]!);
    }
    if (this.#head === this.#queue.length) {
      this.#queue.length = 0;
      this.#head = 0;
    } else if (this.#head > 1024) {
      this.#queue.splice(0, this.#head);
      this.#head = 0;
    }
  }

  #sendOne(waiting: Waiting): void {
    this.#inFlight++;
    waiting.attempts++;
    this.#socket.send(waiting.octets, (error) => {
      this.#inFlight--;
      this.#sent(waiting, error);
      this.#sendOn();
    });
  }

  #sent(waiting: Waiting, error: Error | null): void {
    const { octets, flows } = waiting;
    if (error !== null) {
      const reason = reasonOf(error);
      if (reason === 'no_buffers' && this.#options.delivery === 'wait' && waiting.attempts < MAX_ATTEMPTS) {
        setTimeout(() => this.#sendOne(waiting), RETRY_MS);
        return;
      }
      this.octetsQueued -= octets.length;
      this.tallies.drop(reason, flows);
      this.#options.onLoss();
    } else {
      this.octetsQueued -= octets.length;
      this.tallies.send(flows, octets.length);
      this.#lastFlows = flows;
    }
    if (this.#spare.length < MAX_SPARE_BUFFERS) this.#spare.push(new Uint8Array(octets.buffer));
  }

  /** The last datagram counts as the one that did not arrive: the kernel does not say which. */
  #refused(error: Error): void {
    if (this.#lastFlows < 0) return;
    this.tallies.refuse(reasonOf(error), this.#lastFlows);
    this.#lastFlows = -1;
    this.#options.onLoss();
  }

  #copy(octets: Uint8Array): Uint8Array {
    const spare = this.#spare.pop();
    const buffer = spare !== undefined && spare.length >= octets.length ? spare : new Uint8Array(octets.length);
    buffer.set(octets);
    return buffer.length === octets.length ? buffer : buffer.subarray(0, octets.length);
  }

  #dropQueue(): void {
    for (; this.#head < this.#queue.length; this.#head++) {
      const { octets, flows } = this.#queue[this.#head]!;
      this.octetsQueued -= octets.length;
      this.tallies.drop('closed', flows);
    }
  }
}

function reasonOf(error: Error): ExportDropReason {
  return REASONS[(error as NodeJS.ErrnoException).code ?? ''] ?? 'write_failed';
}
