/** Stands between a client and a server of HTTP, and does to requests what networks and servers do. */

import type { AddressInfo } from 'node:net';
import { connect, createServer as createTcpServer, type Server, type Socket } from 'node:net';

/**
 * What happens to a connection: passed on; closed at once; taken and never answered; passed on and cut in the middle of the
 * request, or before the answer has come; or answered with a status by the proxy itself.
 */
export type Fault = 'none' | 'refuse' | 'stall' | 'cut-request' | 'cut-answer' | 429 | 503 | 404;

/** Listens on 127.0.0.1; what it does may be changed at any time, for connections that are open too. */
export class FaultProxy {
  fault: Fault = 'none';
  /** How often each fault met a request. */
  readonly met = new Map<Fault, number>();
  readonly #target: number;
  readonly #server: Server;
  readonly #sockets = new Set<Socket>();

  private constructor(target: number) {
    this.#target = target;
    this.#server = createTcpServer((socket) => this.#accept(socket));
  }

  /** Starts before a server on `target`. */
  static async start(target: number): Promise<FaultProxy> {
    const proxy = new FaultProxy(target);
    await new Promise<void>((resolve) => proxy.#server.listen(0, '127.0.0.1', resolve));
    return proxy;
  }

  get url(): string {
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}`;
  }

  close(): void {
    for (const socket of this.#sockets) socket.destroy();
    this.#server.close();
  }

  #accept(client: Socket): void {
    this.#keep(client);
    if (this.fault === 'refuse') {
      this.#meet('refuse');
      client.resetAndDestroy();
      return;
    }
    const server = connect(this.#target, '127.0.0.1');
    this.#keep(server);
    server.on('close', () => client.destroy());
    client.on('close', () => server.destroy());
    let isCut = false;
    client.on('data', (part: Buffer) => {
      const { fault } = this;
      if (isCut) return;
      if (fault === 'none' || fault === 'cut-answer') {
        server.write(part);
        return;
      }
      this.#meet(fault);
      isCut = true;
      if (fault === 'refuse') client.resetAndDestroy();
      else if (fault === 'cut-request') {
        server.write(part.subarray(0, part.length >> 1));
        setTimeout(() => client.resetAndDestroy(), 5);
      } else if (typeof fault === 'number') {
        const retry = fault === 503 ? 'Retry-After: 1\r\n' : '';
        const body = '{"error":"no"}';
        client.end(
          `HTTP/1.1 ${fault} Fault\r\nContent-Type: application/json\r\n${retry}Content-Length: ${body.length}\r\nConnection: close\r\n\r\n${body}`,
        );
      }
    });
    server.on('data', (part: Buffer) => {
      if (this.fault === 'cut-answer') {
        // The server has done its work, and nobody hears of it.
        this.#meet('cut-answer');
        client.resetAndDestroy();
      } else if (!isCut) client.write(part);
    });
  }

  #meet(fault: Fault): void {
    this.met.set(fault, (this.met.get(fault) ?? 0) + 1);
  }

  #keep(socket: Socket): void {
    this.#sockets.add(socket);
    socket.on('error', () => {});
    socket.on('close', () => this.#sockets.delete(socket));
  }
}
