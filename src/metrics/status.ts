/** The status page: a small HTTP server for whoever watches the program. What it serves is given to it. */

import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import { getSystemErrorMap } from 'node:util';

/** What a path gives. */
export interface StatusBody {
  readonly contentType: string;
  readonly text: string;
}

/** Makes the body for a path, asked for with `query`. */
export type StatusPage = (query: URLSearchParams) => StatusBody | Promise<StatusBody>;

/** Where to serve what. */
export interface StatusOptions {
  readonly host: string;
  /** 0 lets the kernel choose. */
  readonly port: number;
  /** By path: `/health`. */
  readonly pages: ReadonlyMap<string, StatusPage>;
}

/** Connections at once; further ones are closed. */
const MAX_CONNECTIONS = 32;
/** A client that sends or takes nothing for so long is cut off. */
const IDLE_TIMEOUT_MS = 10_000;
const MAX_HEADER_OCTETS = 8192;

const JSON_TYPE = 'application/json; charset=utf-8';

/** A body of JSON. */
export function jsonBody(value: unknown): StatusBody {
  return { contentType: JSON_TYPE, text: `${JSON.stringify(value)}\n` };
}

/** Serves the pages until closed. */
export class StatusServer {
  /** Port it listens on. */
  readonly port: number;
  readonly #server: Server;

  private constructor(server: Server, port: number) {
    this.#server = server;
    this.port = port;
  }

  /** Starts serving; rejects with one clear error, the system's as its cause. */
  static open(options: StatusOptions): Promise<StatusServer> {
    const { host, port, pages } = options;
    const server = createServer(
      {
        maxHeaderSize: MAX_HEADER_OCTETS,
        headersTimeout: IDLE_TIMEOUT_MS,
        requestTimeout: IDLE_TIMEOUT_MS,
        keepAliveTimeout: 5000,
      },
      (request, response) => void answer(request, response, pages),
    );
    server.maxConnections = MAX_CONNECTIONS;
    server.timeout = IDLE_TIMEOUT_MS;
    return new Promise((resolve, reject) => {
      server.once('error', (error: NodeJS.ErrnoException) => {
        const text = typeof error.errno === 'number' ? getSystemErrorMap().get(error.errno)?.[1] : undefined;
        const where = `${host.includes(':') ? `[${host}]` : host}:${port}`;
        reject(
          new Error(`cannot serve status on ${where}: ${text ?? error.message} (${error.code ?? 'unknown'})`, {
            cause: error,
          }),
        );
      });
      server.listen({ host, port }, () => {
        server.removeAllListeners('error');
        // Nothing to do about a broken client; the next one is served.
        server.on('error', () => {});
        const bound = server.address();
        resolve(new StatusServer(server, typeof bound === 'object' && bound !== null ? bound.port : port));
      });
    });
  }

  /** Stops serving and cuts off who is still connected. */
  close(): Promise<void> {
    return new Promise((resolve) => {
      this.#server.close(() => resolve());
      this.#server.closeAllConnections();
    });
  }
}

async function answer(
  request: IncomingMessage,
  response: ServerResponse,
  pages: ReadonlyMap<string, StatusPage>,
): Promise<void> {
  // A request body is of no use here: it is read away, never kept.
  request.resume();
  const [path = '', query = ''] = (request.url ?? '').split('?', 2);
  const page = pages.get(path);
  if (page === undefined) {
    send(response, 404, jsonBody({ error: 'no such page', pages: [...pages.keys()] }), request.method);
  } else if (request.method !== 'GET' && request.method !== 'HEAD') {
    response.setHeader('Allow', 'GET, HEAD');
    send(response, 405, jsonBody({ error: 'only GET and HEAD are answered' }), request.method);
  } else {
    let body: StatusBody;
    try {
      body = await page(new URLSearchParams(query));
    } catch (error) {
      send(response, 500, jsonBody({ error: String(error) }), request.method);
      return;
    }
    send(response, 200, body, request.method);
  }
}

function send(response: ServerResponse, status: number, body: StatusBody, method: string | undefined): void {
  response.writeHead(status, {
    'Content-Type': body.contentType,
    'Content-Length': Buffer.byteLength(body.text),
    'Cache-Control': 'no-store',
  });
  response.end(method === 'HEAD' ? undefined : body.text);
}
