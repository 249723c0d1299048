/** IPFIX Messages from the network over TCP: one listening socket and its connections (RFC 7011 section 10.4). */

import type { Server, Socket } from 'node:net';
import { createServer, isIP } from 'node:net';
import type { IpfixMessageHandler } from './ipfix-framing.ts';
import { IpfixFramer } from './ipfix-framing.ts';
import { listenAddressFault, listenError, plainAddress } from './listen-error.ts';

/** Why a connection ended: its peer ended it, it was silent, it sent what is no IPFIX, the network failed, or we stopped. */
export const TCP_CLOSE_REASONS = ['peer', 'idle', 'not_ipfix', 'error', 'stopped'] as const;

/** One of {@link TCP_CLOSE_REASONS}. */
export type TcpCloseReason = (typeof TCP_CLOSE_REASONS)[number];

/** Connections at the same time unless said otherwise. */
export const DEFAULT_MAX_CONNECTIONS = 1000;
/** Time without a whole Message after which a connection is closed, in milliseconds. */
export const DEFAULT_IDLE_TIMEOUT_MS = 1_800_000;
/** Time for the first whole Message, in milliseconds. */
export const DEFAULT_FIRST_MESSAGE_TIMEOUT_MS = 30_000;

/** One exporter's connection: a Transport Session, whose templates end with it (RFC 7011 section 8). */
export class TcpConnection {
  /** Counts connections of the input from 1. */
  readonly id: number;
  /** The exporter's address, IPv4 as such also through an IPv6 socket. */
  readonly sourceAddress: string;
  /** The exporter's port. */
  readonly sourcePort: number;
  /** Whole Messages received. */
  messagesReceived = 0;
  /** Octets received. */
  octetsReceived = 0;

  /** Notes who is connected. */
  constructor(id: number, sourceAddress: string, sourcePort: number) {
    this.id = id;
    this.sourceAddress = sourceAddress;
    this.sourcePort = sourcePort;
  }
}

/** Takes one whole Message, octets `[start, end)` of both `view` and `octets`; valid during the call only. */
export type TcpMessageHandler = (
  connection: TcpConnection,
  view: DataView,
  octets: Uint8Array,
  start: number,
  end: number,
) => void;

/** Where and how to listen. */
export interface TcpInputOptions {
  /** IPv4 or IPv6 address, no name; `::` takes IPv4 too, and becomes `0.0.0.0` on hosts without IPv6. */
  readonly address: string;
  /** TCP port; 0 lets the kernel choose. */
  readonly port: number;
  /** Connections at the same time; further ones are refused. {@link DEFAULT_MAX_CONNECTIONS} if left out. */
  readonly maxConnections?: number;
  /** {@link DEFAULT_IDLE_TIMEOUT_MS} if left out. */
  readonly idleTimeoutMs?: number;
  /** {@link DEFAULT_FIRST_MESSAGE_TIMEOUT_MS} if left out. */
  readonly firstMessageTimeoutMs?: number;
  /** Called for every Message. */
  readonly onMessage: TcpMessageHandler;
  /** Called when a connection was accepted. */
  readonly onConnectionOpen?: (connection: TcpConnection) => void;
  /** Called once when it ended: its templates are to be forgotten. */
  readonly onConnectionClose?: (connection: TcpConnection, reason: TcpCloseReason) => void;
  /** Called for errors of the listening socket after it was opened. */
  readonly onError?: (error: Error) => void;
}

/**
 * Listens for IPFIX over TCP. Counters add up: accepted = open + closed for every reason.
 */
export class TcpInput {
  /** Connections accepted. */
  connectionsAccepted = 0;
  /** Connections refused because there were enough. */
  connectionsRefused = 0;
  /** Connections ended by the exporter. */
  connectionsClosedPeer = 0;
  /** Connections closed because no whole Message came in time. */
  connectionsClosedIdle = 0;
  /** Connections closed because of octets that are no IPFIX. */
  connectionsClosedNotIpfix = 0;
  /** Connections ended by the network (reset, unreachable). */
  connectionsClosedError = 0;
  /** Connections closed because we stopped. */
  connectionsClosedStopped = 0;
  /** Whole Messages handed on. */
  messagesReceived = 0;
  /** Octets received. */
  octetsReceived = 0;
  /** Octets that belonged to no whole Message. */
  octetsSkipped = 0;
  /** Messages that a connection's end cut off. */
  messagesTruncated = 0;
  /** Address it listens on, once open. */
  address: string;
  /** Port it listens on, once open. */
  port: number;

  #options: TcpInputOptions;
  #server: Server | undefined;
  #connections = new Set<OpenConnection>();

  /** Does nothing yet: see {@link TcpInput.open}. */
  constructor(options: TcpInputOptions) {
    this.#options = options;
    this.address = options.address;
    this.port = options.port;
  }

  /** Connections open now. */
  get connectionsOpen(): number {
    return this.#connections.size;
  }

  /** Starts listening; rejects with one error that says where and why not. */
  async open(): Promise<void> {
    const { address, port } = this.#options;
    const fault = listenAddressFault(isIP(address), port);
    if (fault !== undefined) throw listenError('tcp', address, port, fault);
    try {
      await this.#listen(address, port);
    } catch (error) {
      const cause = error as NodeJS.ErrnoException;
      const isWithoutIPv6 = cause.code === 'EAFNOSUPPORT' || cause.code === 'EADDRNOTAVAIL';
      if (address !== '::' || !isWithoutIPv6) throw listenError('tcp', address, port, cause);
      await this.#listen('0.0.0.0', port).catch((second: NodeJS.ErrnoException) => {
        throw listenError('tcp', '0.0.0.0', port, second);
      });
    }
  }

  /** Stops listening and ends all connections; resolves when the port is free and every close was told. */
  async close(): Promise<void> {
    const server = this.#server;
    if (server === undefined) return;
    this.#server = undefined;
    const closed = new Promise<void>((resolve) => server.close(() => resolve()));
    for (const connection of [...this.#connections]) connection.end('stopped');
    await closed;
  }

  #listen(address: string, port: number): Promise<void> {
    const server = createServer({ noDelay: true }, (socket) => this.#accept(socket));
    server.maxConnections = this.#options.maxConnections ?? DEFAULT_MAX_CONNECTIONS;
    server.on('drop', () => {
      this.connectionsRefused++;
    });
    return new Promise<void>((resolve, reject) => {
      server.once('error', reject);
      server.listen({ host: address, port, exclusive: true }, () => {
        server.removeListener('error', reject);
        server.on('error', (error) => this.#options.onError?.(error));
        const bound = server.address();
        if (bound !== null && typeof bound !== 'string') {
          this.address = bound.address;
          this.port = bound.port;
        }
        this.#server = server;
        resolve();
      });
    });
  }

  #accept(socket: Socket): void {
    // Gone again before we looked: it has no address and will send nothing.
    if (socket.remoteAddress === undefined) {
      socket.on('error', () => {});
      socket.destroy();
      this.connectionsAccepted++;
      this.connectionsClosedError++;
      return;
    }
    this.connectionsAccepted++;
    const connection = new OpenConnection(
      new TcpConnection(this.connectionsAccepted, plainAddress(socket.remoteAddress), socket.remotePort ?? 0),
      socket,
      this,
      this.#options,
      this.#connections,
    );
    this.#connections.add(connection);
    this.#options.onConnectionOpen?.(connection.connection);
  }
}

/** A connection with its socket, framing and clock. */
class OpenConnection {
  readonly connection: TcpConnection;
  #socket: Socket;
  #input: TcpInput;
  #options: TcpInputOptions;
  #all: Set<OpenConnection>;
  #framer = new IpfixFramer();
  #timer: NodeJS.Timeout;
  #onMessage: IpfixMessageHandler;
  #hasEnded = false;

  constructor(
    connection: TcpConnection,
    socket: Socket,
    input: TcpInput,
    options: TcpInputOptions,
    all: Set<OpenConnection>,
  ) {
    this.connection = connection;
    this.#socket = socket;
    this.#input = input;
    this.#options = options;
    this.#all = all;
    this.#onMessage = (view, octets, start, end) => {
      connection.messagesReceived++;
      input.messagesReceived++;
      options.onMessage(connection, view, octets, start, end);
    };
    this.#timer = this.#timeOutAfter(options.firstMessageTimeoutMs ?? DEFAULT_FIRST_MESSAGE_TIMEOUT_MS);
    socket.on('data', (octets: Buffer) => this.#receive(octets));
    socket.on('end', () => this.end('peer'));
    socket.on('error', () => this.end('error'));
    socket.on('close', () => this.end('peer'));
  }

  #timeOutAfter(timeoutMs: number): NodeJS.Timeout {
    return setTimeout(() => this.end('idle'), timeoutMs).unref();
  }

  #receive(octets: Uint8Array): void {
    if (this.#hasEnded) return;
    const before = this.connection.messagesReceived;
    this.connection.octetsReceived += octets.length;
    this.#input.octetsReceived += octets.length;
    const outcome = this.#framer.pushOctets(octets, this.#onMessage);
    if (outcome === 'not_ipfix') {
      this.end('not_ipfix');
      return;
    }
    // Only whole Messages count as life: a peer that drips octets is as good as silent.
    if (this.connection.messagesReceived === before || this.#hasEnded) return;
    if (before > 0) {
      this.#timer.refresh();
      return;
    }
    clearTimeout(this.#timer);
    this.#timer = this.#timeOutAfter(this.#options.idleTimeoutMs ?? DEFAULT_IDLE_TIMEOUT_MS);
  }

  /** Ends it once, for the first reason that comes. */
  end(reason: TcpCloseReason): void {
    if (this.#hasEnded) return;
    this.#hasEnded = true;
    clearTimeout(this.#timer);
    this.#all.delete(this);
    if (this.#framer.finish() === 'truncated') this.#input.messagesTruncated++;
    this.#input.octetsSkipped += this.#framer.octetsSkipped;
    switch (reason) {
      case 'peer':
        this.#input.connectionsClosedPeer++;
        break;
      case 'idle':
        this.#input.connectionsClosedIdle++;
        break;
      case 'not_ipfix':
        this.#input.connectionsClosedNotIpfix++;
        break;
      case 'error':
        this.#input.connectionsClosedError++;
        break;
      default:
        this.#input.connectionsClosedStopped++;
    }
    this.#socket.destroy();
    this.#options.onConnectionClose?.(this.connection, reason);
  }
}
