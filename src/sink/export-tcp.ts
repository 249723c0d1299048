import { connect, type Socket } from 'node:net';
import { ExportTallies, type ExportTransport, type ExportTransportOptions } from './export-transport.ts';

/** Which collector to connect to. */
export interface TcpExportOptions extends ExportTransportOptions {
  readonly destination: string;
  readonly host: string;
  readonly port: number;
}

const CONNECT_TIMEOUT_MS = 10_000;
const FIRST_RETRY_MS = 500;
const LAST_RETRY_MS = 30_000;
const CLOSE_TIMEOUT_MS = 5000;

/**
 * IPFIX Messages over TCP (RFC 7011 section 10.4). With delivery `drop` a collector that is away is called again and again, and what was made
 * meanwhile is dropped: a new connection begins with its Templates. With `wait` a connection that cannot be made, or ends, is final.
 */
export class TcpExport implements ExportTransport {
  readonly destination: string;
  readonly tallies: ExportTallies;
  failure: Error | undefined;
  readonly #options: TcpExportOptions;
  #socket: Socket | undefined;
  #isConnected = false;
  #retryMs = FIRST_RETRY_MS;
  #retry: NodeJS.Timeout | undefined;
  #isClosing = false;
  /** Flows and octets of each message handed to the socket and not yet to the kernel. */
  #octetsQueued = 0;
  #connection = 0;

  /** Connects; rejects with one clear error where that cannot be, unless delivery is `drop`. */
  static async open(options: TcpExportOptions): Promise<TcpExport> {
    const transport = new TcpExport(options);
    const reason = await transport.#connect();
    if (reason === undefined) return transport;
    if (options.delivery === 'wait') throw new Error(`cannot export to ${options.destination}: ${reason}`);
    return transport;
  }

  private constructor(options: TcpExportOptions) {
    this.destination = options.destination;
    this.tallies = new ExportTallies(options.destination, options);
    this.#options = options;
  }

  get octetsQueued(): number {
    return this.#octetsQueued;
  }

  get mustWait(): boolean {
    return this.#octetsQueued > this.#options.queueOctets;
  }

  send(octets: Uint8Array, flows: number): boolean {
    const { tallies } = this;
    const socket = this.#socket;
    tallies.queue(flows);
    if (socket === undefined || !this.#isConnected) {
      tallies.drop('disconnected', flows);
      return false;
    }
    if (this.#options.delivery === 'drop' && this.#octetsQueued + octets.length > this.#options.queueOctets) {
      tallies.drop('queue_full', flows);
      return false;
    }
    const connection = this.#connection;
    this.#octetsQueued += octets.length;
    socket.write(Buffer.from(octets), (error) => {
      if (connection !== this.#connection) return;
      this.#octetsQueued -= octets.length;
      if (error) tallies.drop('disconnected', flows);
      else tallies.send(flows, octets.length);
    });
    return true;
  }

  reopen(): void {}

  async close(): Promise<void> {
    if (this.#isClosing) return;
    this.#isClosing = true;
    clearTimeout(this.#retry);
    const socket = this.#socket;
    if (socket === undefined) return;
    const closed = new Promise<void>((resolve) => {
      socket.once('close', () => resolve());
    });
    const timeOut =
      this.#options.delivery === 'drop' ? setTimeout(() => socket.destroy(), CLOSE_TIMEOUT_MS) : undefined;
    // A collector that does not close its side has all the same got everything.
    socket.end(() => socket.destroy());
    await closed;
    clearTimeout(timeOut);
    this.tallies.endDrops();
  }

  /** Connects once; gives the reason where that fails. */
  #connect(): Promise<string | undefined> {
    const { host, port, onEvent, onRestart } = this.#options;
    return new Promise((resolve) => {
      let reason = 'connection closed';
      const socket = connect({ host, port });
      this.#socket = socket;
      socket.setNoDelay(false);
      socket.setTimeout(CONNECT_TIMEOUT_MS, () => {
        reason = 'ETIMEDOUT';
        socket.destroy();
      });
      socket.on('connect', () => {
        socket.setTimeout(0);
        socket.setKeepAlive(true, 30_000);
        // A message begun belongs to the connection before: it still counts as one that nobody takes.
        onRestart();
        this.#isConnected = true;
        this.#connection++;
        this.#retryMs = FIRST_RETRY_MS;
        onEvent({ kind: 'connected', destination: this.destination });
        resolve(undefined);
      });
      // Collectors have nothing to say.
      socket.resume();
      socket.on('error', (error: NodeJS.ErrnoException) => {
        reason = error.code ?? error.message;
      });
      socket.on('close', () => {
        resolve(reason);
        this.#disconnected(reason);
      });
    });
  }

  #disconnected(reason: string): void {
    const { delivery, onEvent } = this.#options;
    const wasConnected = this.#isConnected;
    this.#isConnected = false;
    this.#socket = undefined;
    // Their callbacks come too late to count for anything.
    this.#connection++;
    this.#octetsQueued = 0;
    const { messages, flows } = this.tallies.queued;
    if (messages > 0) this.tallies.drop('disconnected', flows, messages);
    if (!this.#isClosing) {
      if (delivery === 'wait') {
        this.failure = new Error(`cannot export to ${this.destination}: ${reason}`);
      } else {
        if (wasConnected || this.#retryMs === FIRST_RETRY_MS)
          onEvent({ kind: 'disconnected', destination: this.destination, reason });
        this.#retry = setTimeout(() => void this.#connect(), this.#retryMs).unref();
        this.#retryMs = Math.min(this.#retryMs * 2, LAST_RETRY_MS);
      }
    }
  }
}
