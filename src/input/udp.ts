/** Datagrams from the network: one UDP socket. */

import type { RemoteInfo, Socket, SocketOptions } from 'node:dgram';
import { createSocket } from 'node:dgram';
import { isIP } from 'node:net';
import { findSocketInode, ownSocketInodes, readKernelDrops } from './kernel-drops.ts';
import { listenAddressFault, listenError, plainAddress } from './listen-error.ts';

/** Octets asked of the kernel as receive buffer when nothing else is said: some seconds of a busy exporter. */
export const DEFAULT_RECEIVE_BUFFER_OCTETS = 33_554_432;

/** Takes one datagram: its payload, which is the receiver's to keep, and its sender. IPv4 senders are written as such, also through an IPv6 socket. */
export type UdpDatagramHandler = (octets: Uint8Array, sourceAddress: string, sourcePort: number) => void;

/** Where and how to listen. */
export interface UdpInputOptions {
  /** IPv4 or IPv6 address, no name; `::` takes IPv4 too, and becomes `0.0.0.0` on hosts without IPv6. */
  readonly address: string;
  /** UDP port; 0 lets the kernel choose. */
  readonly port: number;
  /** Octets of receive buffer to ask for; {@link DEFAULT_RECEIVE_BUFFER_OCTETS} if left out. */
  readonly receiveBufferOctets?: number;
  /**
   * Whether other sockets that say the same may have this port too: the kernel spreads senders over them by address and
   * port. Needs Node 22.12; one such socket of a process is opened after the other.
   */
  readonly sharesPort?: boolean;
  /** Called for every datagram. */
  readonly onDatagram: UdpDatagramHandler;
  /** Called for errors of the socket after it was opened; it goes on listening where the system lets it. */
  readonly onError?: (error: Error) => void;
}

/** One UDP socket that hands on what it receives. */
export class UdpInput {
  /** Datagrams handed on. */
  datagramsReceived = 0;
  /** Octets of UDP payload handed on. */
  octetsReceived = 0;
  /** Errors of the socket since it was opened. */
  socketErrors = 0;
  /** Octets of receive buffer the kernel gave, as it counts them: Linux doubles what it was asked for, after cutting it down to `net.core.rmem_max`. */
  receiveBufferOctets = 0;
  /** Address it listens on, once open. */
  address: string;
  /** Port it listens on, once open. */
  port: number;

  #options: UdpInputOptions;
  #socket: Socket | undefined;
  #family: 'udp4' | 'udp6' = 'udp4';
  #inode: string | undefined;
  #lastKernelDrops: number | undefined;

  /** Does nothing yet: see {@link UdpInput.open}. */
  constructor(options: UdpInputOptions) {
    this.#options = options;
    this.address = options.address;
    this.port = options.port;
  }

  /** Starts listening; rejects with one error that says where and why not. */
  async open(): Promise<void> {
    const { address, port } = this.#options;
    const fault = listenAddressFault(isIP(address), port);
    if (fault !== undefined) throw listenError('udp', address, port, fault);
    try {
      await this.#bind(address, port);
    } catch (error) {
      const cause = error as NodeJS.ErrnoException;
      const isWithoutIPv6 = cause.code === 'EAFNOSUPPORT' || cause.code === 'EADDRNOTAVAIL';
      if (address !== '::' || !isWithoutIPv6) throw listenError('udp', address, port, cause);
      await this.#bind('0.0.0.0', port).catch((second: NodeJS.ErrnoException) => {
        throw listenError('udp', '0.0.0.0', port, second);
      });
    }
  }

  /** Octets by which the kernel's receive buffer is smaller than asked for, 0 when it is not: raise `net.core.rmem_max` by as much. */
  get receiveBufferMissing(): number {
    const asked = this.#options.receiveBufferOctets ?? DEFAULT_RECEIVE_BUFFER_OCTETS;
    return this.#socket === undefined ? 0 : Math.max(0, asked - this.receiveBufferOctets);
  }

  /**
   * Datagrams the kernel dropped at this socket since it was opened, read from `/proc` now; the last known number after closing;
   * undefined on systems that do not tell.
   */
  readKernelDrops(): number | undefined {
    if (this.#inode !== undefined && this.#socket !== undefined) {
      this.#lastKernelDrops = readKernelDrops(this.#family, this.#inode) ?? this.#lastKernelDrops;
    }
    return this.#lastKernelDrops;
  }

  /** Stops listening; resolves when the port is free. */
  async close(): Promise<void> {
    const socket = this.#socket;
    if (socket === undefined) return;
    this.readKernelDrops();
    this.#socket = undefined;
    await new Promise<void>((resolve) => socket.close(() => resolve()));
  }

  #bind(address: string, port: number): Promise<void> {
    this.#family = isIP(address) === 6 ? 'udp6' : 'udp4';
    const { sharesPort = false } = this.#options;
    // Sockets of one port look alike in /proc: this one is the one that was not there before.
    const before = sharesPort ? ownSocketInodes() : undefined;
    const options: SocketOptions & { readonly reusePort: boolean } = {
      type: this.#family,
      recvBufferSize: this.#options.receiveBufferOctets ?? DEFAULT_RECEIVE_BUFFER_OCTETS,
      reusePort: sharesPort,
    };
    const socket = createSocket(options);
    return new Promise<void>((resolve, reject) => {
      const onOpenError = (error: Error): void => {
        socket.close();
        reject(error);
      };
      socket.once('error', onOpenError);
      socket.on('message', (octets, from) => this.#receive(octets, from));
      socket.bind({ address, port, exclusive: true }, () => {
        socket.removeListener('error', onOpenError);
        socket.on('error', (error) => {
          this.socketErrors++;
          this.#options.onError?.(error);
        });
        this.#socket = socket;
        const bound = socket.address();
        this.address = bound.address;
        this.port = bound.port;
        this.receiveBufferOctets = socket.getRecvBufferSize();
        this.#inode = findSocketInode(this.#family, bound.address, bound.port, before);
        this.readKernelDrops();
        resolve();
      });
    });
  }

  #receive(octets: Uint8Array, from: RemoteInfo): void {
    // What the loop had taken from the kernel before it was closed is nobody's any more.
    if (this.#socket === undefined) return;
    this.datagramsReceived++;
    this.octetsReceived += octets.length;
    this.#options.onDatagram(octets, plainAddress(from.address), from.port);
  }
}
