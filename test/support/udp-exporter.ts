/** A UDP socket that exports what a test hands it. */

import { createSocket, type Socket } from 'node:dgram';

/** Sends to a port of this host, always from the same port of its own. */
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

  /** Opens one that sends to `port` of `address` unless told otherwise. */
  static open(port: number, address = '127.0.0.1'): Promise<UdpExporter> {
    const socket = createSocket(address.includes(':') ? 'udp6' : 'udp4');
    return new Promise((resolve, reject) => {
      socket.once('error', reject);
      socket.bind(0, address, () => resolve(new UdpExporter(socket, { port, address })));
    });
  }

  /** Sends to `port` of the same address; resolves once the kernel has it. */
  send(datagram: Uint8Array, port = this.#target.port): Promise<void> {
    const { address } = this.#target;
    return new Promise((resolve, reject) => {
      this.#socket.send(datagram, port, address, (error) => (error === null ? resolve() : reject(error)));
    });
  }

  /** Frees the port. */
  close(): Promise<void> {
    return new Promise((resolve) => this.#socket.close(() => resolve()));
  }
}
