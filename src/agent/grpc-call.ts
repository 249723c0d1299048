import { type ClientHttp2Session, type ClientHttp2Stream, connect } from 'node:http2';
import { connect as connectSocket } from 'node:net';

/** What a call came to. */
export type GrpcAnswer =
  | { readonly kind: 'answered'; readonly message: Uint8Array }
  /** The server said no: a status of gRPC, 12 for a method that it does not have. */
  | { readonly kind: 'refused'; readonly status: number }
  | { readonly kind: 'absent' }
  | { readonly kind: 'failed'; readonly reason: string };

/** Status of a method that the server does not have (grpc/grpc, doc/statuscodes.md). */
export const UNIMPLEMENTED = 12;

/** One call to a server of gRPC on a unix socket. */
export interface GrpcCall {
  readonly socketPath: string;
  /** `/package.Service/Method`. */
  readonly method: string;
  readonly metadata?: Readonly<Record<string, string>>;
  /** Its message; an empty one where not given. */
  readonly message?: Uint8Array;
  readonly timeoutMs: number;
  /** An answer beyond this is refused. */
  readonly maxOctets: number;
  /** Ends the call. */
  readonly signal: AbortSignal;
}

/** Calls a method that takes one message and gives one, over HTTP/2 (grpc/grpc, doc/PROTOCOL-HTTP2.md). Does not reject. */
export function callGrpc(call: GrpcCall): Promise<GrpcAnswer> {
  return new Promise((resolve) => {
    let session: ClientHttp2Session | undefined;
    const finish = (answer: GrpcAnswer) => {
      clearTimeout(timer);
      call.signal.removeEventListener('abort', abort);
      session?.destroy();
      resolve(answer);
    };
    const fail = (reason: string) => finish({ kind: 'failed', reason });
    const abort = () => fail('closed');
    const timer = setTimeout(() => fail(`no answer within ${call.timeoutMs} ms`), call.timeoutMs);
    if (call.signal.aborted) return abort();
    call.signal.addEventListener('abort', abort);
    const onError = (error: NodeJS.ErrnoException) =>
      finish(error.code === 'ENOENT' ? { kind: 'absent' } : { kind: 'failed', reason: error.code ?? error.message });
    try {
      const socket = connectSocket(call.socketPath);
      // Before the stream hears of it, which would only be told that it is cancelled.
      socket.on('error', onError);
      session = connect('http://localhost', { createConnection: () => socket });
      session.on('error', onError);
      session.on('close', () => fail('the connection ended'));
      const stream = session.request({
        ':method': 'POST',
        ':path': call.method,
        'content-type': 'application/grpc',
        te: 'trailers',
        ...call.metadata,
      });
      stream.on('error', onError);
      stream.end(framed(call.message ?? new Uint8Array(0)));
      receive(stream, call.maxOctets, finish);
    } catch (error) {
      onError(error as NodeJS.ErrnoException);
    }
  });
}

function receive(stream: ClientHttp2Stream, maxOctets: number, finish: (answer: GrpcAnswer) => void): void {
  const chunks: Buffer[] = [];
  let octets = 0;
  let status = '';
  // An answer without a message has its status among the headers.
  stream.on('response', (headers) => {
    status = String(headers['grpc-status'] ?? '');
    if (headers[':status'] !== 200) finish({ kind: 'failed', reason: `HTTP status ${headers[':status']}` });
  });
  stream.on('trailers', (trailers) => {
    status = String(trailers['grpc-status'] ?? status);
  });
  stream.on('data', (chunk: Buffer) => {
    octets += chunk.length;
    if (octets > maxOctets) finish({ kind: 'failed', reason: `an answer of more than ${maxOctets} octets` });
    else chunks.push(chunk);
  });
  stream.on('end', () => {
    if (!/^\d{1,3}$/.test(status)) finish({ kind: 'failed', reason: 'an answer without a status' });
    else if (status !== '0') finish({ kind: 'refused', status: Number(status) });
    else finish(unframed(Buffer.concat(chunks)));
  });
}

/** A message with its frame: not compressed, then its length. */
function framed(message: Uint8Array): Buffer {
  const frame = Buffer.alloc(5 + message.length);
  frame.writeUInt32BE(message.length, 1);
  frame.set(message, 5);
  return frame;
}

function unframed(frame: Buffer): GrpcAnswer {
  if (frame.length < 5 || frame[0] !== 0 || frame.readUInt32BE(1) !== frame.length - 5) {
    return { kind: 'failed', reason: 'an answer that is not one message' };
  }
  return { kind: 'answered', message: frame.subarray(5) };
}
