/**
 * Points to InfluxDB: handed over, they are in a spool; from there each server gets them, in order, until it has confirmed
 * them. Nothing in between is lost, whatever ends.
 */

import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { PointOutput } from '../flow/point-output.ts';
import { DeadLetter } from './dead-letter.ts';
import { type DirectoryLock, lockDirectory } from './directory-lock.ts';
import { Delivery, type DeliveryEvent } from './influxdb-delivery.ts';
import type { InfluxdbTarget } from './influxdb-server.ts';
import { InfluxdbTransport } from './influxdb-transport.ts';
import type { SpoolPosition, SpoolRange } from './pending-ranges.ts';
import { Spool, type SpoolEvent } from './spool.ts';
import { readPositions, writePositions } from './spool-positions.ts';

/** Where points go, and what is done for that none is lost. */
export interface InfluxdbOptions extends InfluxdbTarget {
  /** `http://` or `https://`, one or several: each gets all points. User and password may be part of one. */
  readonly urls: readonly string[];
  /** User and password of InfluxDB 1.x, `''` for none. */
  readonly user: string;
  readonly password: string;
  /** Token of InfluxDB 2.x and 3.x, `''` for none; goes before user and password. */
  readonly token: string;
  /** File with certificates of authorities to trust instead of the system's, `''` for the system's. */
  readonly certificateAuthorityFile: string;
  /** Bodies are sent with gzip: always, never, or to servers that are not this machine. */
  readonly compression: 'on' | 'off' | 'auto';
  /** Directory for the spool, of this sink alone; undefined for memory. */
  readonly directory: string | undefined;
  /** Most octets of the spool on disk. */
  readonly spoolOctets: number;
  /** Most octets kept in memory, without a directory or while it cannot be written. */
  readonly memoryOctets: number;
  /** Most octets of the file of refused lines. */
  readonly refusedOctets: number;
  /** `drop`: never makes its caller wait, the oldest points go when the spool is full; `wait`: asks the caller to wait. */
  readonly delivery: 'drop' | 'wait';
  /** Octets of lines that are sent at once. */
  readonly batchOctets?: number;
  /** Fewer wait this long for more. */
  readonly flushMs?: number;
  /** A request that has not ended after this is given up and sent again. */
  readonly timeoutMs?: number;
  /** Pause after a failure; twice as long after each further one, up to the second. */
  readonly minRetryMs?: number;
  readonly maxRetryMs?: number;
  /** Pause after an answer that needs somebody's hand, as a wrong token. */
  readonly refusedRetryMs?: number;
  /** A caller that waits (`wait`) waits no longer than this for a server that confirms nothing. */
  readonly patienceMs?: number;
}

/** What an operator should know. */
export type InfluxdbEvent =
  | DeliveryEvent
  | SpoolEvent
  | { readonly kind: 'drops_began' }
  | { readonly kind: 'drops_ended'; readonly pointsDropped: number };

const DEFAULTS = {
  batchOctets: 1024 * 1024,
  flushMs: 1000,
  timeoutMs: 30_000,
  minRetryMs: 500,
  maxRetryMs: 30_000,
  refusedRetryMs: 60_000,
} as const;
const PATIENCE_MS = 60_000;
const SAVE_MS = 1000;
/** A writer that waits is asked to above this many octets that one server has not confirmed. */
const WAIT_OCTETS = 32 * 1024 * 1024;
const REFUSED_FILE = 'refused.jsonl';
const START: SpoolPosition = { at: 0, line: 0 };

/** Opens it. Rejects with one clear error for options that are of no use; a server that is down is none. */
export async function openInfluxdb(
  options: InfluxdbOptions,
  onEvent: (event: InfluxdbEvent) => void,
): Promise<InfluxdbSink> {
  const servers = options.urls.map((url) => parseUrl(url, options));
  if (new Set(servers.map(({ server }) => server)).size < servers.length)
    throw new Error('influxdb: a URL is given twice');
  if (options.database === '' && options.bucket === '')
    throw new Error('influxdb: neither a database nor a bucket is given');
  const certificateAuthority = readCertificates(options.certificateAuthorityFile);
  const transports: InfluxdbTransport[] = [];
  for (const { url, server, authorization } of servers) {
    transports.push(
      await InfluxdbTransport.open({
        url,
        authorization,
        certificateAuthority,
        timeoutMs: options.timeoutMs ?? DEFAULTS.timeoutMs,
        isCompressed: options.compression === 'on' || (options.compression === 'auto' && !isOwn(server)),
      }),
    );
  }
  const lock = options.directory === undefined ? undefined : lockDirectory(options.directory);
  try {
    return new InfluxdbSink(
      options,
      servers.map(({ server }, i) => ({ server, transport: transports[i]! })),
      onEvent,
      lock,
    );
  } catch (error) {
    lock?.release();
    throw error;
  }
}

/** Takes points for all servers. */
export class InfluxdbSink implements PointOutput {
  /** Points handed over. */
  pointsWritten = 0;
  /** One for each server. */
  readonly deliveries: readonly Delivery[];
  /** Why it is of no use to wait any longer (`wait` only): a server confirms nothing. What comes now goes as with `drop`. */
  failure: Error | undefined;
  readonly #options: InfluxdbOptions;
  readonly #onEvent: (event: InfluxdbEvent) => void;
  readonly #spool: Spool;
  readonly #deadLetter: DeadLetter;
  readonly #lock: DirectoryLock | undefined;
  readonly #timer: NodeJS.Timeout;
  #savedText = '';
  #waiters: (() => void)[] = [];
  #isFull = false;
  #droppedAtStart = 0;
  #droppedBefore = 0;
  #positionErrors = 0;
  #progressAtMs = Date.now();
  #isClosed = false;

  constructor(
    options: InfluxdbOptions,
    servers: readonly { readonly server: string; readonly transport: InfluxdbTransport }[],
    onEvent: (event: InfluxdbEvent) => void,
    lock?: DirectoryLock,
  ) {
    this.#options = options;
    this.#lock = lock;
    this.#onEvent = onEvent;
    const { directory } = options;
    const saved = directory === undefined ? undefined : readPositions(directory);
    this.#spool = new Spool({
      directory,
      maxOctets: options.spoolOctets,
      memoryOctets: options.memoryOctets,
      after: saved?.end ?? START,
      onEvent,
      onFull: () => this.#reclaim(),
      onLost: (from, to) => {
        for (const delivery of this.deliveries) delivery.lose(from, to);
      },
    });
    const refusedFile = directory === undefined ? undefined : join(directory, REFUSED_FILE);
    this.#deadLetter = new DeadLetter(refusedFile, options.refusedOctets);
    const { end, segments } = this.#spool;
    this.deliveries = servers.map(({ server, transport }) => {
      const ranges = saved === undefined ? segments.map(rangeOf) : (saved.servers.get(this.#key(server)) ?? []);
      const since = saved === undefined ? [] : segments.map(rangeOf).filter(({ to }) => to.at > saved.end.at);
      return new Delivery(
        {
          ...DEFAULTS,
          ...given(options),
          server,
          target: options,
          transport,
          read: (from, to, maxOctets) => this.#spool.read(from, to, maxOctets),
          keepRefused: (refusing, reason, line) => this.#deadLetter.add(refusing, reason, line),
          onEvent,
          onProgress: () => this.#progressed(),
        },
        // What was written after the positions were.
        [...ranges, ...since.map(({ from, to }) => ({ from: from.at < saved!.end.at ? saved!.end : from, to }))],
        end,
      );
    });
    this.#reclaim();
    this.#timer = setInterval(() => this.#tick(), SAVE_MS).unref();
  }

  /** Octets of the spool. */
  get spoolOctets(): number {
    return this.#spool.octets;
  }

  /** Points that a server has not confirmed: the most that one of them has open. */
  get pointsPending(): number {
    return Math.max(...this.deliveries.map(({ pending }) => pending.lines), 0);
  }

  /** Whether the spool's directory cannot be written. */
  get isSpoolFailing(): boolean {
    return this.#spool.isFailing;
  }

  /** Writes to the spool's directory that failed. */
  get spoolErrors(): number {
    return this.#spool.writeErrors + this.#positionErrors;
  }

  /** Lines refused by a server that could not be kept. */
  get refusedLost(): number {
    return this.#deadLetter.linesLost;
  }

  /** How long the oldest point not confirmed has waited, milliseconds; 0 where there is none. */
  get oldestAgeMs(): number {
    const oldest = this.deliveries.flatMap(({ pending }) => pending.ranges[0]?.from ?? []);
    if (oldest.length === 0) return 0;
    const first = oldest.reduce((a, b) => (a.at <= b.at ? a : b));
    return Math.max(Date.now() - (this.#spool.timeMsAt(first) ?? Date.now()), 0);
  }

  /** Whether more waits than should: the caller may stop and await {@link InfluxdbSink.drained}. */
  get mustWait(): boolean {
    return this.#options.delivery === 'wait' && this.failure === undefined && this.#waitingOctets > this.#waitAbove;
  }

  writeLines(octets: Uint8Array, start: number, end: number, count: number): void {
    if (end <= start || this.#isClosed) return;
    this.pointsWritten += count;
    const from = this.#spool.end;
    const taken = this.#spool.append(octets, start, end, count, Date.now());
    for (const delivery of this.deliveries) {
      delivery.add(from, this.#spool.end);
      delivery.pointsDropped.line_too_long += count - taken;
    }
  }

  /** Settles when the caller need not wait any more: enough is confirmed, or {@link InfluxdbSink.failure} is set. */
  async drained(): Promise<void> {
    const startMs = Date.now();
    const patienceMs = this.#options.patienceMs ?? PATIENCE_MS;
    while (this.#waitingOctets > this.#waitAbove / 2 && !this.#isClosed && this.failure === undefined) {
      await this.#nextProgress();
      if (Date.now() - Math.max(startMs, this.#progressAtMs) < patienceMs) continue;
      const problems = this.deliveries.map(({ options: { server }, problem }) => `${server}: ${problem || 'slow'}`);
      this.failure = new Error(`nothing confirmed for ${patienceMs / 1000} s (${problems.join('; ')})`);
    }
  }

  /** Sends all that waits for more, and settles when every server has confirmed all: with servers down, that takes as long as they are. */
  async flush(): Promise<void> {
    for (const delivery of this.deliveries) delivery.flush();
    while (this.pointsPending > 0 && !this.#isClosed) await this.#nextProgress();
    for (const delivery of this.deliveries) delivery.endFlush();
  }

  /**
   * Ends, having waited up to `waitMs` without progress (`wait`), or in all (`drop`), until all is confirmed. What is not
   * stays in the spool for the next run where `isKept`, and is lost else. No write may follow.
   */
  async close(waitMs: number): Promise<{ readonly unconfirmed: number; readonly isKept: boolean }> {
    const startMs = Date.now();
    this.#progressAtMs = startMs;
    for (const delivery of this.deliveries) delivery.flush();
    while (this.pointsPending > 0) {
      const sinceMs = this.#options.delivery === 'wait' ? this.#progressAtMs : startMs;
      const leftMs = sinceMs + waitMs - Date.now();
      if (leftMs <= 0 || this.#isHopeless) break;
      await this.#nextProgress(Math.min(leftMs, 100));
    }
    this.#isClosed = true;
    clearInterval(this.#timer);
    for (const delivery of this.deliveries) await delivery.stop();
    const unconfirmed = this.pointsPending;
    const isKept = this.#spool.isOnDisk && this.#options.directory !== undefined;
    this.#save();
    this.#spool.close((from, to) => this.#isNeeded(from, to));
    this.#lock?.release();
    this.#wake();
    return { unconfirmed, isKept };
  }

  /** With the points safe on disk and no server that answers, waiting is of no use. */
  get #isHopeless(): boolean {
    if (this.#options.delivery === 'wait' || this.#options.directory === undefined || !this.#spool.isOnDisk)
      return false;
    return this.deliveries.every(
      ({ state, pending }) => pending.lines === 0 || state === 'down' || state === 'refused',
    );
  }

  get #waitAbove(): number {
    const { directory, spoolOctets, memoryOctets } = this.#options;
    return Math.min(WAIT_OCTETS, (directory === undefined ? memoryOctets : spoolOctets) / 2);
  }

  get #waitingOctets(): number {
    let most = 0;
    for (const { pending } of this.deliveries) most = Math.max(most, pending.octets);
    return most;
  }

  #progressed(): void {
    this.#progressAtMs = Date.now();
    if (this.#options.directory === undefined) this.#spool.release((from, to) => this.#isNeeded(from, to));
    this.#wake();
  }

  #wake(): void {
    const waiters = this.#waiters;
    this.#waiters = [];
    for (const resolve of waiters) resolve();
  }

  #nextProgress(ms = SAVE_MS): Promise<void> {
    return new Promise((resolve) => {
      const timer = setTimeout(resolve, ms);
      this.#waiters.push(() => {
        clearTimeout(timer);
        resolve();
      });
    });
  }

  #tick(): void {
    this.#reclaim();
    const dropped = this.deliveries.reduce((sum, { pointsDropped }) => sum + pointsDropped.spool_full, 0);
    if (dropped > this.#droppedBefore && !this.#isFull) {
      this.#isFull = true;
      this.#droppedAtStart = this.#droppedBefore;
      this.#onEvent({ kind: 'drops_began' });
    } else if (dropped === this.#droppedBefore && this.#isFull && this.#spool.octets < this.#options.spoolOctets / 2) {
      this.#isFull = false;
      this.#onEvent({ kind: 'drops_ended', pointsDropped: dropped - this.#droppedAtStart });
    }
    this.#droppedBefore = dropped;
  }

  /** Files go only once it is on disk that nobody needs them. */
  #reclaim(): void {
    if (this.#save()) this.#spool.release((from, to) => this.#isNeeded(from, to));
  }

  #isNeeded(from: SpoolPosition, to: SpoolPosition): boolean {
    return this.deliveries.some(({ pending }) => pending.touches(from, to));
  }

  #save(): boolean {
    const { directory } = this.#options;
    if (directory === undefined) return true;
    const { end } = this.#spool;
    const servers = new Map(
      this.deliveries.map(({ options: { server }, pending }) => [this.#key(server), pending.ranges] as const),
    );
    const text = `${end.at} ${[...servers].map(([, ranges]) => ranges.map(({ from, to }) => `${from.at}-${to.at}`)).join(' ')}`;
    if (text === this.#savedText) return true;
    try {
      writePositions(directory, { end, servers });
    } catch {
      this.#positionErrors++;
      return false;
    }
    this.#savedText = text;
    return true;
  }

  /** What a server's positions are saved under: another database of the same server is another place. */
  #key(server: string): string {
    const { database, organisation, bucket } = this.#options;
    return [server, database, organisation, bucket].join(' ');
  }
}

function rangeOf({ start, end }: { readonly start: SpoolPosition; readonly end: SpoolPosition }): SpoolRange {
  return { from: start, to: end };
}

/** Without the ones left out: they would hide the defaults. */
function given(options: InfluxdbOptions): Partial<InfluxdbOptions> {
  return Object.fromEntries(Object.entries(options).filter(([, value]) => value !== undefined));
}

interface Server {
  readonly url: string;
  readonly server: string;
  readonly authorization: string;
}

function parseUrl(text: string, { user, password, token }: InfluxdbOptions): Server {
  const url = URL.canParse(text) ? new URL(text) : undefined;
  if (url === undefined || !/^https?:$/.test(url.protocol) || url.hostname === '') {
    throw new Error(`influxdb: ${text.replace(/\/\/[^@/]*@/, '//…@')} is no URL of http or https`);
  }
  const name = decodeURIComponent(url.username) || user;
  const secret = decodeURIComponent(url.password) || password;
  url.username = '';
  url.password = '';
  url.search = '';
  url.hash = '';
  const plain = url.href.replace(/\/$/, '');
  const basic = name === '' ? '' : `Basic ${Buffer.from(`${name}:${secret}`, 'utf8').toString('base64')}`;
  if (/[^\x20-\x7e]/.test(token)) throw new Error('influxdb: the token has characters that no header can carry');
  return { url: plain, server: plain, authorization: token === '' ? basic : `Token ${token}` };
}

function isOwn(server: string): boolean {
  return /^(localhost|127\.[\d.]+|\[::1\])$/.test(new URL(server).hostname);
}

function readCertificates(path: string): string | undefined {
  if (path === '') return undefined;
  let text: string;
  try {
    text = readFileSync(path, 'utf8');
  } catch (error) {
    throw new Error(`influxdb-ca: cannot read ${path}: ${(error as NodeJS.ErrnoException).code ?? 'unknown'}`, {
      cause: error,
    });
  }
  if (!text.includes('-----BEGIN CERTIFICATE-----'))
    throw new Error(`influxdb-ca: ${path} holds no certificate in PEM`);
  return text;
}
