/** One place to listen, UDP or TCP, as the collector and its status page see it. */

import { TcpInput } from '../input/tcp.ts';
import { UdpInput } from '../input/udp.ts';
import type { Decoding } from './decoding.ts';
import { formatHostPort, type ListenAddress } from './listen-url.ts';

/** What a listener says of itself. */
export interface ListenerStatus {
  /** `udp://ADDRESS:PORT` as bound. */
  readonly listener: string;
  /** Datagrams, or Messages over TCP, received. */
  readonly messagesReceived: number;
  readonly octetsReceived: number;
  /** UDP only: octets of receive buffer asked of the kernel and got, and datagrams it dropped since start (null where it does not tell). */
  readonly receiveBufferAsked?: number;
  readonly receiveBufferGot?: number;
  readonly kernelDrops?: number | null;
  /** TCP only. */
  readonly connectionsOpen?: number;
  readonly connectionsAccepted?: number;
  readonly connectionsRefused?: number;
  readonly connectionsClosedIdle?: number;
  readonly connectionsClosedNotIpfix?: number;
}

/** Takes what listeners receive. */
export interface ListenerHandler {
  /** The decoder now in use. */
  readonly decoding: Decoding;
  /** One UDP datagram. */
  onDatagram(octets: Uint8Array, address: string, port: number): void;
  /** One IPFIX Message; `isReliable` for TCP, where Templates end with their connection and may be withdrawn. */
  onMessage(
    octets: Uint8Array,
    view: DataView,
    start: number,
    end: number,
    address: string,
    port: number,
    isReliable: boolean,
  ): void;
  /** A socket's trouble after it was opened. */
  onError(listener: string, error: Error): void;
}

/** A socket that is being listened on. */
export interface Listener {
  readonly url: string;
  status(): ListenerStatus;
  close(): Promise<void>;
}

/** Starts listening; rejects with one clear error. `sharesPort` lets other threads have the same UDP port. */
export async function openListener(
  at: ListenAddress,
  receiveBuffer: number,
  handler: ListenerHandler,
  sharesPort = false,
): Promise<Listener> {
  return at.transport === 'udp' ? openUdp(at, receiveBuffer, handler, sharesPort) : openTcp(at, handler);
}

async function openUdp(
  at: ListenAddress,
  receiveBuffer: number,
  handler: ListenerHandler,
  sharesPort: boolean,
): Promise<Listener> {
  let url = '';
  const input = new UdpInput({
    address: at.address,
    port: at.port,
    receiveBufferOctets: receiveBuffer,
    sharesPort,
    onDatagram: (octets, address, port) => handler.onDatagram(octets, address, port),
    onError: (error) => handler.onError(url, error),
  });
  await input.open();
  url = `udp://${formatHostPort(input.address, input.port)}`;
  return {
    url,
    status: () => ({
      listener: url,
      messagesReceived: input.datagramsReceived,
      octetsReceived: input.octetsReceived,
      receiveBufferAsked: receiveBuffer,
      receiveBufferGot: input.receiveBufferOctets,
      kernelDrops: input.readKernelDrops() ?? null,
    }),
    close: () => input.close(),
  };
}

async function openTcp(at: ListenAddress, handler: ListenerHandler): Promise<Listener> {
  let url = '';
  const input = new TcpInput({
    address: at.address,
    port: at.port,
    onMessage: ({ sourceAddress, sourcePort }, view, octets, start, end) =>
      handler.onMessage(octets, view, start, end, sourceAddress, sourcePort, true),
    onConnectionClose: ({ sourceAddress, sourcePort }) => handler.decoding.endSessions(sourceAddress, sourcePort),
    onError: (error) => handler.onError(url, error),
  });
  await input.open();
  url = `tcp://${formatHostPort(input.address, input.port)}`;
  return {
    url,
    status: () => ({
      listener: url,
      messagesReceived: input.messagesReceived,
      octetsReceived: input.octetsReceived,
      connectionsOpen: input.connectionsOpen,
      connectionsAccepted: input.connectionsAccepted,
      connectionsRefused: input.connectionsRefused,
      connectionsClosedIdle: input.connectionsClosedIdle,
      connectionsClosedNotIpfix: input.connectionsClosedNotIpfix,
    }),
    close: () => input.close(),
  };
}
