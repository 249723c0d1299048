/** Engines of containers that say what a test wants: the Docker Engine API by node:http, gRPC by node:http2, on unix sockets. */

import { mkdtempSync, rmSync } from 'node:fs';
import { createServer, type ServerResponse } from 'node:http';
import { createServer as createHttp2Server, type ServerHttp2Session, type ServerHttp2Stream } from 'node:http2';
import type { Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

/** A directory for sockets; short, since their paths have 107 octets. */
export class SocketDirectory {
  readonly path = mkdtempSync(join(tmpdir(), 'fr-s-'));

  /** Path of a socket in it. */
  socket(name: string): string {
    return join(this.path, name);
  }

  remove(): void {
    rmSync(this.path, { recursive: true, force: true });
  }
}

/** What a container looks like in the answer to /containers/json. */
export interface FakeContainer {
  readonly Id: string;
  readonly Names?: unknown;
  readonly Labels?: unknown;
  readonly HostConfig?: unknown;
  readonly Image?: unknown;
}

/** A server of the Docker Engine API. */
export class FakeDocker {
  /** What /containers/json gives. */
  containers: unknown = [];
  /** What /version gives. */
  version: unknown = { Components: [{ Name: 'Engine' }] };
  /** In place of all that: answers a request itself. */
  answer: ((path: string, response: ServerResponse) => void) | undefined;
  /** Paths asked for. */
  readonly asked: string[] = [];
  readonly #followers = new Set<ServerResponse>();
  readonly #sockets = new Set<Socket>();
  readonly #server = createServer((request, response) => {
    const path = request.url ?? '';
    this.asked.push(path);
    if (this.answer !== undefined) this.answer(path, response);
    else if (path.startsWith('/events?')) {
      response.writeHead(200).flushHeaders();
      this.#followers.add(response);
    } else if (path === '/containers/json') response.end(JSON.stringify(this.containers));
    else if (path === '/version') response.end(JSON.stringify(this.version));
    else response.writeHead(404).end();
  });

  async listen(socketPath: string): Promise<this> {
    this.#server.on('connection', (socket) => this.#sockets.add(socket));
    await new Promise<void>((resolve) => this.#server.listen(socketPath, resolve));
    return this;
  }

  /** How many follow the events. */
  get followers(): number {
    return this.#followers.size;
  }

  /** Sends text to those that follow the events. */
  send(text: string): void {
    for (const follower of this.#followers) follower.write(text);
  }

  /** Ends the events for those that follow them. */
  endEvents(): void {
    for (const follower of this.#followers) follower.end();
    this.#followers.clear();
  }

  async close(): Promise<void> {
    for (const socket of this.#sockets) socket.destroy();
    await new Promise((resolve) => this.#server.close(resolve));
  }
}

/** What a method of gRPC is answered with: a message, a status, or whatever the function does. */
export type FakeAnswer = Uint8Array | number | ((stream: ServerHttp2Stream) => void);

/** A server of gRPC. */
export class FakeGrpc {
  /** Answers by path; all other methods are not implemented. `namespace` follows a path with a space where a call names one of containerd's. */
  readonly answers = new Map<string, FakeAnswer>();
  /** Paths asked for. */
  readonly asked: string[] = [];
  readonly #sessions = new Set<ServerHttp2Session>();
  readonly #server = createHttp2Server();

  async listen(socketPath: string): Promise<this> {
    this.#server.on('session', (session) => {
      this.#sessions.add(session);
      session.on('error', () => {});
    });
    this.#server.on('stream', (stream, headers) => {
      const namespace = headers['containerd-namespace'];
      const path = `${headers[':path']}${namespace === undefined ? '' : ` ${namespace}`}`;
      this.asked.push(path);
      stream.on('error', () => {});
      const answer = this.answers.get(path) ?? 12;
      if (typeof answer === 'function') answer(stream);
      else if (typeof answer === 'number') refuse(stream, answer);
      else answerWith(stream, framed(answer));
    });
    await new Promise<void>((resolve) => this.#server.listen(socketPath, resolve));
    return this;
  }

  async close(): Promise<void> {
    for (const session of this.#sessions) session.destroy();
    await new Promise((resolve) => this.#server.close(resolve));
  }
}

/** A message as gRPC frames it. */
export function framed(message: Uint8Array): Buffer {
  const length = Buffer.alloc(5);
  length.writeUInt32BE(message.length, 1);
  return Buffer.concat([length, message]);
}

/** Ends a call with a status and no message. */
export function refuse(stream: ServerHttp2Stream, status: number): void {
  stream.respond(
    { ':status': 200, 'content-type': 'application/grpc', 'grpc-status': String(status) },
    { endStream: true },
  );
}

/** Ends a call well, after these octets. */
export function answerWith(stream: ServerHttp2Stream, octets: Uint8Array): void {
  stream.respond({ ':status': 200, 'content-type': 'application/grpc' }, { waitForTrailers: true });
  stream.on('wantTrailers', () => stream.sendTrailers({ 'grpc-status': '0' }));
  stream.end(octets);
}
