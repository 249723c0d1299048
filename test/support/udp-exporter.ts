/** A UDP socket that exports what a test hands it. */

import { createSocket, type Socket } from 'node:dgram';

/** Sends to one port of this host, always from the same port of its own. */
export class UdpExporter {
  /** Port it sends from. */
  readonly port: number;
  readonly #socket: Socket;
  readonly #target: { readonly port: number; readonly address: string };

  private constructor(socket: Socket, target: { readonly port: number; readonly address: string }) {
    this.#socket = socket;
    this.#target = target;
    this.port = socket.address().port;
  }

  /** Opens one that sends to `address` from `sourcePort` (0 for any). */
  static open(port: number, address = '127.0.0.1', sourcePort = 0): Promise<UdpExporter> {
    const socket = createSocket(address.includes(':') ? 'udp6' : 'udp4');
    return new Promise((resolve, reject) => {
      socket.once('error', reject);
      socket.bind(sourcePort, address, () => resolve(new UdpExporter(socket, { port, address })));
    });
  }

  /** Resolves once the kernel has it. */
  send(datagram: Uint8Array): Promise<void> {
    const { port, address } = this.#target;
    return new Promise((resolve, reject) => {
      this.#socket.send(datagram, port, address, (error) => (error === null ? resolve() : reject(error)));
    });
  }

  /** Frees the port. */
  close(): Promise<void> {
    return new Promise((resolve) => this.#socket.close(() => resolve()));
  }
}
