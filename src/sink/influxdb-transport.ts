/**
 * Requests to one server through the client's transport, with the bounds it lacks. Its write API is not used: it sends full
 * batches that nobody can wait for, keeps what failed in memory only, drops whatever is answered with 400 to 428, and takes
 * `Retry-After` for milliseconds.
 */

import * as http from 'node:http';
import * as https from 'node:https';
import { PassThrough } from 'node:stream';
import { promisify } from 'node:util';
import { constants, gzip } from 'node:zlib';
import type { Transport } from '@influxdata/influxdb-client';

/** Where requests go and what they carry. */
export interface InfluxdbTransportOptions {
  /** `http:` or `https:`, host, port and path before that of the interface; no credentials. */
  readonly url: string;
  /** `Authorization` header, `''` for none. */
  readonly authorization: string;
  /** Certificates of authorities to trust instead of the system's, PEM; undefined for the system's. */
  readonly certificateAuthority: string | undefined;
  /** A request that has not ended after this is given up. */
  readonly timeoutMs: number;
  /** Bodies are sent with gzip. */
  readonly isCompressed: boolean;
}

/** What a server answered. */
export interface InfluxdbAnswer {
  /** Status code; 0 where there was no answer, and {@link InfluxdbAnswer.text} says why. */
  readonly status: number;
  /** The first {@link MAX_ANSWER_OCTETS} of its body, or of what the client makes of it. */
  readonly text: string;
  /** Version header of InfluxDB, `''` without. */
  readonly version: string;
  /** What `Retry-After` asks for; 0 without. */
  readonly retryAfterMs: number;
  /** The time ran out. */
  readonly isTimeOut: boolean;
}

/** No server has more to say than this. */
export const MAX_ANSWER_OCTETS = 65_536;
/** Smaller bodies gain nothing by compression. */
const COMPRESS_FROM = 1000;
const compress = promisify(gzip);

/** Sends requests, any number at once; never rejects. */
export class InfluxdbTransport {
  readonly #options: InfluxdbTransportOptions;
  readonly #transport: Transport;
  readonly #agent: http.Agent;
  readonly #underWay = new Set<AbortController>();
  #isClosed = false;

  /** Loads the client. Rejects where the URL is of no use to it. */
  static async open(options: InfluxdbTransportOptions): Promise<InfluxdbTransport> {
    const { InfluxDB, setLogger } = await import('@influxdata/influxdb-client');
    setLogger({ error() {}, warn() {} });
    const isHttps = options.url.startsWith('https:');
    const { certificateAuthority } = options;
    const agentOptions = { keepAlive: true, maxSockets: 4, ...(certificateAuthority && { ca: certificateAuthority }) };
    const agent = isHttps ? new https.Agent(agentOptions) : new http.Agent(agentOptions);
    const request = boundedRequest(isHttps ? https.request : http.request);
    const client = new InfluxDB({
      url: options.url,
      timeout: 0,
      headers: options.authorization === '' ? {} : { authorization: options.authorization },
      // The client takes its request function from here; the one given follows no redirects.
      transportOptions: { agent, 'follow-redirects': { http: { request }, https: { request } } },
    });
    return new InfluxdbTransport(options, client.transport, agent);
  }

  private constructor(options: InfluxdbTransportOptions, transport: Transport, agent: http.Agent) {
    this.#options = options;
    this.#transport = transport;
    this.#agent = agent;
  }

  /** Sends lines. The octets must stay as they are until it settles. */
  async write(path: string, lines: Uint8Array): Promise<InfluxdbAnswer> {
    const headers: Record<string, string> = { 'content-type': 'text/plain; charset=utf-8' };
    let body = lines;
    if (this.#options.isCompressed && lines.length >= COMPRESS_FROM) {
      body = await compress(lines, { level: constants.Z_BEST_SPEED });
      headers['content-encoding'] = 'gzip';
    }
    return this.#send(path, 'POST', headers, body);
  }

  /** Asks for a page. */
  get(path: string): Promise<InfluxdbAnswer> {
    return this.#send(path, 'GET', {}, new Uint8Array(0));
  }

  /** Runs a statement of InfluxQL. */
  query(statement: string): Promise<InfluxdbAnswer> {
    const headers = { 'content-type': 'application/x-www-form-urlencoded' };
    return this.#send('/query', 'POST', headers, Buffer.from(new URLSearchParams({ q: statement }).toString()));
  }

  /** Gives up what is under way and all connections. */
  close(): void {
    this.#isClosed = true;
    for (const abort of this.#underWay) abort.abort();
    this.#agent.destroy();
  }

  #send(path: string, method: string, headers: Record<string, string>, body: Uint8Array): Promise<InfluxdbAnswer> {
    return new Promise((resolve) => {
      const abort = new AbortController();
      this.#underWay.add(abort);
      if (this.#isClosed) abort.abort();
      let status = 0;
      let answerHeaders: Readonly<Record<string, string | string[] | undefined>> = {};
      let text = '';
      let isTimeOut = false;
      const timer = setTimeout(() => {
        isTimeOut = true;
        abort.abort();
      }, this.#options.timeoutMs);
      const finish = (problem: string): void => {
        clearTimeout(timer);
        this.#underWay.delete(abort);
        const version = answerHeaders['x-influxdb-version'];
        resolve({
          status: isTimeOut ? 0 : status,
          text: isTimeOut ? `no answer within ${this.#options.timeoutMs / 1000} s` : problem || text,
          version: typeof version === 'string' ? version : '',
          retryAfterMs: retryAfterMs(answerHeaders['retry-after']),
          isTimeOut,
        });
      };
      // The client hands its body to Buffer.from, which copies octets as it does text, only faster.
      const octets = body as unknown as string;
      this.#transport.send(
        path,
        octets,
        { method, headers, signal: abort.signal },
        {
          responseStarted: (started, statusCode) => {
            answerHeaders = started;
            status = statusCode ?? 0;
          },
          next: (part) => {
            text += Buffer.from(part).toString('utf8');
          },
          complete: () => finish(''),
          error: (error) => {
            const { statusCode, body: answer } = error as Error & { statusCode?: number; body?: string };
            if (statusCode === undefined) status = 0;
            else status = statusCode;
            finish(answer || error.message || (error as NodeJS.ErrnoException).code || error.name);
          },
        },
      );
    });
  }
}

/**
 * The client collects what a server answers without end, and unpacks it. Here an answer ends after so many octets, stays
 * packed, and one that breaks off has ended too: the status is all that counts.
 */
function boundedRequest(request: typeof http.request): typeof http.request {
  const bounded = (options: http.RequestOptions, onAnswer: (answer: http.IncomingMessage) => void) => {
    const sent = request(options, (answer) => {
      const { 'content-encoding': _, ...headers } = answer.headers;
      const start = Object.assign(new PassThrough(), {
        headers,
        statusCode: answer.statusCode,
        statusMessage: answer.statusMessage,
      });
      let octets = 0;
      answer.on('data', (part: Buffer) => {
        if (octets >= MAX_ANSWER_OCTETS) return;
        start.write(part.subarray(0, MAX_ANSWER_OCTETS - octets));
        octets += part.length;
        if (octets < MAX_ANSWER_OCTETS) return;
        start.end();
        answer.destroy();
      });
      answer.on('end', () => start.end());
      answer.on('error', () => start.end());
      answer.on('close', () => start.end());
      onAnswer(start as unknown as http.IncomingMessage);
    });
    return sent;
  };
  return bounded as typeof http.request;
}

/** RFC 9110 section 10.2.3: seconds, or a date. */
function retryAfterMs(value: string | string[] | undefined): number {
  if (typeof value !== 'string') return 0;
  if (/^\d{1,9}$/.test(value)) return Number(value) * 1000;
  const dateMs = Date.parse(value);
  return Number.isNaN(dateMs) ? 0 : Math.max(dateMs - Date.now(), 0);
}
