/** A server that answers as a test wants it, and keeps what it was sent. */

import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { gunzipSync } from 'node:zlib';

/** A request as it came. */
export interface StubRequest {
  readonly method: string;
  readonly path: string;
  readonly headers: IncomingMessage['headers'];
  /** Body, unpacked. */
  readonly text: string;
}

/** Answers one request: by hand, or by what it returns. */
export type StubAnswer = (
  request: StubRequest,
  response: ServerResponse,
) => { status: number; headers?: Record<string, string>; body?: string } | undefined;

/** Listens on a free port of 127.0.0.1. */
export class InfluxdbStub {
  readonly requests: StubRequest[] = [];
  /** Answers writes; may be changed at any time. */
  answer: StubAnswer;
  /** Headers of the answer to /ping. */
  ping: Record<string, string>;
  readonly #server: Server;

  private constructor(ping: Record<string, string>, answer: StubAnswer, pingStatus: number) {
    this.answer = answer;
    this.ping = ping;
    this.#server = createServer((request, response) => {
      const parts: Buffer[] = [];
      request.on('data', (part: Buffer) => parts.push(part));
      request.on('error', () => {});
      response.on('error', () => {});
      request.on('end', () => {
        const octets = Buffer.concat(parts);
        const text = (request.headers['content-encoding'] === 'gzip' ? gunzipSync(octets) : octets).toString();
        const { method = '', url: path = '', headers } = request;
        if (path.endsWith('/ping')) {
          response.writeHead(pingStatus, this.ping).end();
          return;
        }
        const stored = { method, path, headers, text };
        this.requests.push(stored);
        const made = this.answer(stored, response);
        if (made !== undefined) response.writeHead(made.status, made.headers).end(made.body);
      });
    });
  }

  /** `version` goes into the header of /ping. */
  static async start(version: string, answer: StubAnswer, pingStatus = 204): Promise<InfluxdbStub> {
    const stub = new InfluxdbStub(version === '' ? {} : { 'X-Influxdb-Version': version }, answer, pingStatus);
    await new Promise<void>((resolve) => stub.#server.listen(0, '127.0.0.1', resolve));
    return stub;
  }

  get url(): string {
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}`;
  }

  /** Requests to write points. */
  get writes(): StubRequest[] {
    return this.requests.filter(({ path }) => path.includes('/write?'));
  }

  close(): void {
    this.#server.closeAllConnections();
    this.#server.close();
  }
}
