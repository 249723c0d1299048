/** Where a ZeroMQ feed goes to or comes from, as it is written on the command line, and what is said when it cannot. */

import { createServer } from 'node:net';

/** One end of a feed. */
export interface ZmqEndpoint {
  /** As ZeroMQ wants it: `tcp://*:5556`. */
  readonly url: string;
  /** Host of it without brackets, `*` for any address; `''` for a socket file. */
  readonly host: string;
  /** Port of it; 0 for any free one, and for a socket file. */
  readonly port: number;
  /** Whether the other end is waited for there, rather than called. */
  readonly isBound: boolean;
}

/** Which side binds: whoever listens does at `tcp://HOST:PORTc`, whoever sends does but there, and some never do. */
export type ZmqBinding = 'with_c' | 'without_c' | 'never';

/**
 * Reads `tcp://HOST:PORT` with or without a `c` behind it, or `ipc://PATH`. `zmq://` means `tcp://`, as it does to ntopng.
 * Undefined for anything else, and for a place nobody can call: any address, or no port.
 */
export function parseZmqEndpoint(text: string, binding: ZmqBinding): ZmqEndpoint | undefined {
  if (/^ipc:\/\/[^\s]+$/.test(text)) return { url: text, host: '', port: 0, isBound: binding === 'without_c' };
  const parts = /^(?:tcp|zmq):\/\/(\[[0-9A-Fa-f:.]+\]|[^:/[\]\s]+):([0-9]{1,5})(c?)$/.exec(text);
  if (parts === null) return undefined;
  const [, host = '', digits = '', suffix = ''] = parts;
  const isBound = binding !== 'never' && (binding === 'with_c') === (suffix === 'c');
  const port = Number(digits);
  if (port > 65_535 || (!isBound && (port === 0 || host === '*'))) return undefined;
  return { url: `tcp://${host}:${port}`, host: host.replace(/^\[(.*)\]$/, '$1'), port, isBound };
}

/** One clear error of what ZeroMQ says when an endpoint cannot be opened. */
export async function zmqOpenError(error: NodeJS.ErrnoException, endpoint: ZmqEndpoint): Promise<Error> {
  const { url, isBound } = endpoint;
  // Where ZeroMQ tells its monitor that it could not bind, what it was told itself may be lost: the kernel says it again.
  const code = isBound && error.code === 'EAGAIN' ? await listenFault(endpoint) : error.code;
  const reason = REASONS[code ?? ''] ?? error.message;
  return new Error(`cannot ${isBound ? 'listen on' : 'connect to'} ${url}: ${reason}`, { cause: error });
}

/** Why nobody can listen there now; undefined where somebody could. */
function listenFault({ host, port }: ZmqEndpoint): Promise<string | undefined> {
  const server = createServer();
  return new Promise((resolve) => {
    server.once('error', ({ code }: NodeJS.ErrnoException) => resolve(code));
    server.listen({ port, host: host === '*' ? '0.0.0.0' : host, exclusive: true }, () => {
      server.close(() => resolve(undefined));
    });
  });
}

const REASONS: Readonly<Record<string, string>> = {
  EADDRINUSE: 'address already in use',
  EADDRNOTAVAIL: 'no such address on this machine',
  EACCES: 'permission denied',
  ENODEV: 'no such address on this machine',
  ENOENT: 'no such directory',
  EINVAL: 'no endpoint of ZeroMQ',
  ERR_MODULE_NOT_FOUND: 'the package zeromq is not installed (npm install zeromq)',
};
