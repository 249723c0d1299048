/** Delivery to one server: what it has not confirmed goes out in order, again and again until it has. */

import { setTimeout as sleep } from 'node:timers/promises';
import { halves, linesIn, makeSlice, type Slice, without } from './batch-slices.ts';
import {
  type InfluxdbIdentity,
  type InfluxdbTarget,
  identify,
  prepare,
  serverWords,
  writePath,
} from './influxdb-server.ts';
import type { InfluxdbAnswer, InfluxdbTransport } from './influxdb-transport.ts';
import { earlier, later, PendingRanges, type SpoolPosition } from './pending-ranges.ts';
import { isAboutLines, readRefusal } from './refused-lines.ts';
import type { SpoolBatch } from './spool.ts';

/** Why points were given up. */
export const POINT_DROP_REASONS = ['spool_full', 'spool_damaged', 'line_too_long'] as const;
/** One of {@link POINT_DROP_REASONS}. */
export type PointDropReason = (typeof POINT_DROP_REASONS)[number];

/**
 * How delivery to a server goes. `starting`: nothing has been answered yet; `down`: no answer, or one that passes (429, 5xx);
 * `refused`: one that needs somebody's hand, a wrong token for example.
 */
export type DeliveryState = 'starting' | 'up' | 'down' | 'refused';

/** What an operator should know of a server. */
export type DeliveryEvent =
  | {
      readonly kind: 'server_identified';
      readonly server: string;
      readonly serverKind: string;
      readonly version: string;
    }
  | { readonly kind: 'server_up'; readonly server: string; readonly pointsPending: number }
  | { readonly kind: 'server_down'; readonly server: string; readonly reason: string }
  | { readonly kind: 'server_refuses'; readonly server: string; readonly reason: string }
  | { readonly kind: 'setup_refused'; readonly server: string; readonly reason: string }
  | { readonly kind: 'points_refused'; readonly server: string; readonly points: number; readonly reason: string };

/** How a {@link Delivery} works. */
export interface DeliveryOptions {
  /** The URL without credentials, as told to people. */
  readonly server: string;
  readonly target: InfluxdbTarget;
  readonly transport: InfluxdbTransport;
  /** Reads what was handed over. */
  readonly read: (from: SpoolPosition, to: SpoolPosition, maxOctets: number) => SpoolBatch | undefined;
  /** Octets of lines that are sent at once. */
  readonly batchOctets: number;
  /** Fewer wait this long for more. */
  readonly flushMs: number;
  /** Pause after a failure; twice as long after each further one, up to the second. */
  readonly minRetryMs: number;
  readonly maxRetryMs: number;
  /** Pause after an answer that needs somebody's hand. */
  readonly refusedRetryMs: number;
  readonly keepRefused: (server: string, reason: string, line: string) => void;
  readonly onEvent: (event: DeliveryEvent) => void;
  /** Called when something was confirmed or given up. */
  readonly onProgress: () => void;
}

/** A batch on its way. */
interface Work {
  readonly from: SpoolPosition;
  readonly next: SpoolPosition;
  /** What is left of it, the first part last. */
  readonly slices: Slice[];
  linesRefused: number;
}

/** One of the two ways that points go: what is fresh, and what has waited. */
interface Lane {
  readonly isFresh: boolean;
  work: Work | undefined;
  failures: number;
  wake: (() => void) | undefined;
}

/** A server's wish to be left alone is followed this long. */
const MAX_RETRY_AFTER_MS = 300_000;
/** Fresh points that are this far behind have waited: what comes after them goes first. */
const MAX_FRESH_OCTETS = 64 * 1024 * 1024;
/** A backlog in more pieces is not cut any further. */
const MAX_RANGES = 256;
/** A line by itself that the server fails at so often, while it takes others, is set aside. */
const MAX_LINE_FAILURES = 5;
const MIN_BATCH_OCTETS = 4096;

/** Two lanes share a server, with one request each under way at most, so that a backlog does not hold up what is fresh. */
export class Delivery {
  /** Points that the server has confirmed. */
  pointsConfirmed = 0;
  /** Points sent again because a request failed, once for each time. */
  pointsRetried = 0;
  /** Points that the server has refused for good. */
  pointsRefused = 0;
  /** Points given up. */
  readonly pointsDropped: Record<PointDropReason, number> = { spool_full: 0, spool_damaged: 0, line_too_long: 0 };
  /** Points that an earlier run left. */
  pointsRecovered = 0;
  /** Requests with points. */
  requests = 0;
  /** Those that failed. */
  requestsFailed = 0;
  readonly options: DeliveryOptions;
  readonly pending = new PendingRanges();
  state: DeliveryState = 'starting';
  /** The last failure in words, `''` while all is well. */
  problem = '';
  #identity: InfluxdbIdentity | undefined;
  #identifying: Promise<InfluxdbIdentity | InfluxdbAnswer> | undefined;
  #toldIdentity = '';
  #toldSetup = '';
  #freshFrom: SpoolPosition;
  #end: SpoolPosition;
  #batchOctets: number;
  #confirmedAtMs = 0;
  #splitsNext = false;
  #isFlushing = false;
  #isIdle = false;
  #isStopped = false;
  readonly #lanes: readonly [Lane, Lane];
  readonly #runs: Promise<void>[];

  /** Starts with what an earlier run left in `pending`, up to `end`. */
  constructor(
    options: DeliveryOptions,
    ranges: readonly { from: SpoolPosition; to: SpoolPosition }[],
    end: SpoolPosition,
  ) {
    this.options = options;
    this.#batchOctets = options.batchOctets;
    for (const { from, to } of ranges) this.pending.append(from, to);
    this.pointsRecovered = this.pending.lines;
    this.#freshFrom = end;
    this.#end = end;
    const lane = (isFresh: boolean): Lane => ({ isFresh, work: undefined, failures: 0, wake: undefined });
    this.#lanes = [lane(true), lane(false)];
    this.#runs = this.#lanes.map((each) => this.#run(each));
  }

  /** What the server was found to be; undefined before it has answered. */
  get identity(): InfluxdbIdentity | undefined {
    return this.#identity;
  }

  /** Takes note of lines that were handed over. */
  add(from: SpoolPosition, to: SpoolPosition): void {
    this.pending.append(from, to);
    this.#end = to;
    const [fresh] = this.#lanes;
    if (fresh.work !== undefined || fresh.failures > 0) return;
    const octets = to.at - this.#freshFrom.at;
    if (fresh.wake !== undefined && (this.#isIdle || this.#isFlushing || octets >= this.options.batchOctets))
      fresh.wake();
  }

  /** Takes note that a part cannot be read any more. */
  lose(from: SpoolPosition, to: SpoolPosition): void {
    this.#lose(from, to, 'spool_full');
  }

  /** Nothing waits for more to come from now on. */
  flush(): void {
    this.#isFlushing = true;
    for (const lane of this.#lanes) if (lane.failures === 0) lane.wake?.();
  }

  /** Points may wait for more again. */
  endFlush(): void {
    this.#isFlushing = false;
    const [fresh] = this.#lanes;
    if (fresh.failures === 0) fresh.wake?.();
  }

  /** Sends no more; settles when nothing is under way. What was not confirmed stays pending. */
  async stop(): Promise<void> {
    this.#isStopped = true;
    for (const lane of this.#lanes) lane.wake?.();
    this.options.transport.close();
    await Promise.all(this.#runs);
  }

  async #run(lane: Lane): Promise<void> {
    // Its maker is not done yet.
    await Promise.resolve();
    if (lane.isFresh) await this.#introduce(lane);
    while (!this.#isStopped) {
      if (lane.isFresh && lane.work === undefined) await this.#gather(lane);
      lane.work ??= this.#nextWork(lane);
      if (lane.work === undefined) {
        // Fresh points are waited for by gathering them.
        if (!lane.isFresh || this.#isFlushing) await this.#pause(lane, undefined);
        continue;
      }
      const pauseMs = await this.#send(lane, lane.work);
      if (pauseMs > 0) await this.#pause(lane, pauseMs);
    }
  }

  /** Meets the server before there are points for it: a wrong address or token shows at the start. */
  async #introduce(lane: Lane): Promise<void> {
    while (!this.#isStopped && !this.#isFlushing && this.pending.lines === 0) {
      const answer = await this.#identify();
      if (this.#isStopped) return;
      if ('kind' in answer) {
        if (lane.failures > 0 && this.state !== 'up') this.state = 'starting';
        this.problem = '';
        break;
      }
      await this.#pause(lane, this.#failed(lane, answer));
    }
    lane.failures = 0;
  }

  /** Fresh points come a few at a time: waits until they are worth a request. */
  async #gather(lane: Lane): Promise<void> {
    if (this.#isFlushing || this.#isStopped) return;
    this.#isIdle = this.#freshOctets === 0;
    if (this.#isIdle) await this.#pause(lane, undefined);
    this.#isIdle = false;
    if (!this.#isFlushing && this.#freshOctets < this.options.batchOctets)
      await this.#pause(lane, this.options.flushMs);
  }

  get #freshOctets(): number {
    return this.#end.at - this.#freshFrom.at;
  }

  /** Waits for `ms`, or until woken. */
  async #pause(lane: Lane, ms: number | undefined): Promise<void> {
    const woken = new Promise<void>((resolve) => {
      lane.wake = resolve;
    });
    if (this.#isStopped) return;
    if (ms === undefined) await woken;
    else {
      const abort = new AbortController();
      await Promise.race([woken, sleep(ms, undefined, { signal: abort.signal }).catch(() => {})]);
      abort.abort();
    }
    lane.wake = undefined;
  }

  #nextWork(lane: Lane): Work | undefined {
    if (lane.isFresh && (this.#splitsNext || this.#freshOctets > MAX_FRESH_OCTETS)) this.#split();
    for (;;) {
      const range = this.pending.ranges.find(({ from, to }) =>
        lane.isFresh ? to.at > this.#freshFrom.at : from.at < this.#freshFrom.at,
      );
      if (range === undefined) {
        if (lane.isFresh) this.#freshFrom = this.#end;
        return undefined;
      }
      const from = lane.isFresh ? later(range.from, this.#freshFrom) : range.from;
      const to = lane.isFresh ? range.to : earlier(range.to, this.#freshFrom);
      const batch = this.options.read(from, to, this.#batchOctets);
      const begin = batch === undefined ? to : earlier(batch.from, to);
      this.#lose(from, begin, 'spool_damaged');
      if (batch === undefined || batch.from.at >= to.at) continue;
      return {
        from: batch.from,
        next: batch.next,
        slices: [makeSlice(batch.octets)],
        linesRefused: 0,
      };
    }
  }

  /** What waits becomes backlog, and the fresh lane begins with what comes next. */
  #split(): void {
    this.#splitsNext = false;
    if (this.pending.ranges.length > MAX_RANGES) return;
    this.#freshFrom = this.#end;
    this.#lanes[1].wake?.();
  }

  /** Sends the next part of a batch; returns how long to wait before the next request. */
  async #send(lane: Lane, work: Work): Promise<number> {
    const slice = work.slices.at(-1);
    if (slice === undefined) {
      this.#finish(lane, work);
      return 0;
    }
    const identity = await this.#identify();
    if (!('kind' in identity)) return this.#failed(lane, identity, work, slice);
    this.requests++;
    const answer = await this.options.transport.write(writePath(identity.kind, this.options.target), slice.octets);
    if (this.#isStopped && answer.status !== 204) return 0;
    if (answer.status === 204 || answer.status === 201) {
      work.slices.pop();
      this.#succeeded(lane);
      if (work.slices.length === 0) this.#finish(lane, work);
      return 0;
    }
    const words = serverWords(answer.text);
    if (isAboutLines(answer, words)) {
      work.slices.pop();
      this.#isolate(work, slice, answer.text, words);
      // The server is there and did what it was asked, as far as it could.
      this.#succeeded(lane);
      return 0;
    }
    if (answer.status === 413) {
      this.#batchOctets = Math.max(this.#batchOctets / 2, MIN_BATCH_OCTETS);
      work.slices.pop();
      if (slice.lines === 1) this.#refuse(work, slice, '413 too large');
      else work.slices.push(...halves(slice));
      return 0;
    }
    this.requestsFailed++;
    this.pointsRetried += slice.lines;
    return this.#failed(lane, answer, work, slice);
  }

  #succeeded(lane: Lane): void {
    lane.failures = 0;
    this.#confirmedAtMs = Date.now();
    this.problem = '';
    this.#batchOctets = Math.min(this.#batchOctets * 2, this.options.batchOctets);
    if (this.state === 'up') return;
    const wasDown = this.state !== 'starting';
    this.state = 'up';
    if (wasDown)
      this.options.onEvent({ kind: 'server_up', server: this.options.server, pointsPending: this.pending.lines });
    if (wasDown && this.#freshOctets > this.options.batchOctets) this.#splitsNext = true;
    // The other lane need not wait for its turn.
    for (const other of this.#lanes) {
      if (other === lane) continue;
      other.failures = 0;
      other.wake?.();
    }
  }

  #failed(lane: Lane, answer: InfluxdbAnswer, work?: Work, slice?: Slice): number {
    const nowMs = Date.now();
    const { status, isTimeOut, retryAfterMs } = answer;
    const { server, minRetryMs, maxRetryMs, refusedRetryMs } = this.options;
    lane.failures++;
    if (status === 0) this.#identity = undefined;
    if ((isTimeOut || status === 500) && work !== undefined && slice !== undefined)
      this.#shrink(work, slice, status, nowMs);
    const words = serverWords(answer.text);
    this.problem = status === 0 || words.startsWith(`${status} `) ? words : `${status} ${words}`.trim();
    if (status === 404 && this.#identity?.kind === 'influxdb1' && lane.failures === 1) {
      // Somebody has removed the database.
      this.#identity = undefined;
      return 1;
    }
    const passes = status === 0 || status >= 500 || status === 429 || status === 408 || status === 425;
    const state = passes ? 'down' : 'refused';
    // A connection that the server had closed in the meantime, or one failure among successes, is none of the server.
    const isRecent = nowMs - this.#confirmedAtMs < minRetryMs / 2;
    const isPassing = passes && this.state === 'up' && lane.failures < (isRecent ? 3 : 2);
    if (this.state !== state && !isPassing) {
      this.state = state;
      const kind = passes ? 'server_down' : 'server_refuses';
      this.options.onEvent({ kind, server, reason: this.problem });
    }
    if (!passes) {
      this.#identity = undefined;
      return jittered(refusedRetryMs);
    }
    const backoffMs = Math.min(minRetryMs * 2 ** Math.min(lane.failures - 1, 30), maxRetryMs);
    return Math.max(jittered(backoffMs), Math.min(retryAfterMs, MAX_RETRY_AFTER_MS) + jittered(minRetryMs));
  }

  /** What the server has no time for, or fails at, is made smaller; a line it fails at while it takes others is set aside. */
  #shrink(work: Work, slice: Slice, status: number, nowMs: number): void {
    this.#batchOctets = Math.max(this.#batchOctets / 2, MIN_BATCH_OCTETS);
    slice.failures++;
    if (slice.failures === 1) slice.failedSinceMs = nowMs;
    if (slice.failures < 2) return;
    work.slices.pop();
    if (slice.lines > 1) work.slices.push(...halves(slice));
    else if (status === 500 && slice.failures >= MAX_LINE_FAILURES && this.#confirmedAtMs > slice.failedSinceMs) {
      this.#refuse(work, slice, this.problem);
    } else work.slices.unshift(slice);
  }

  /** Finds the lines that were refused, by what the server says or by halves; the others are sent again. */
  #isolate(work: Work, slice: Slice, text: string, words: string): void {
    const lines = linesIn(slice.octets);
    const { named, isWhole } = readRefusal(text, lines);
    if (slice.lines === 1 || lines.length <= 1 || isWhole) this.#refuse(work, slice, words);
    else if (named.size > 0) {
      for (const [i, reason] of named) this.#refuseLine(work, lines[i]!, reason);
      this.#tellRefused(named.size, words);
      if (named.size === lines.length) return;
      work.slices.push(makeSlice(without(slice.octets, named)));
    } else work.slices.push(...halves(slice));
  }

  #refuse(work: Work, slice: Slice, reason: string): void {
    const lines = linesIn(slice.octets);
    for (const line of lines) this.#refuseLine(work, line, reason);
    this.#tellRefused(lines.length, reason);
  }

  #refuseLine(work: Work, line: string, reason: string): void {
    work.linesRefused++;
    this.options.keepRefused(this.options.server, reason, line);
  }

  #tellRefused(points: number, reason: string): void {
    this.options.onEvent({ kind: 'points_refused', server: this.options.server, points, reason });
  }

  #finish(lane: Lane, work: Work): void {
    lane.work = undefined;
    // It may have ended with a line set aside rather than a success.
    lane.failures = 0;
    const lines = this.pending.remove(work.from, work.next);
    const refused = Math.min(work.linesRefused, lines);
    this.pointsRefused += refused;
    this.pointsConfirmed += lines - refused;
    if (lane.isFresh) this.#freshFrom = later(this.#freshFrom, work.next);
    this.options.onProgress();
  }

  #lose(from: SpoolPosition, to: SpoolPosition, reason: PointDropReason): void {
    const lines = this.pending.remove(from, to);
    if (lines === 0) return;
    this.pointsDropped[reason] += lines;
    this.options.onProgress();
  }

  /** Both lanes ask at once: the server is asked once. */
  #identify(): Promise<InfluxdbIdentity | InfluxdbAnswer> | InfluxdbIdentity {
    if (this.#identity !== undefined) return this.#identity;
    this.#identifying ??= this.#meet().finally(() => {
      this.#identifying = undefined;
    });
    return this.#identifying;
  }

  async #meet(): Promise<InfluxdbIdentity | InfluxdbAnswer> {
    const { transport, target, server, onEvent } = this.options;
    const found = await identify(transport);
    if (!('kind' in found)) return found;
    const told = `${found.kind} ${found.version}`;
    if (told !== this.#toldIdentity) {
      onEvent({ kind: 'server_identified', server, serverKind: found.kind, version: found.version });
    }
    this.#toldIdentity = told;
    const refused = await prepare(transport, found.kind, target);
    if (typeof refused !== 'string') return refused;
    if (refused !== '' && refused !== this.#toldSetup) onEvent({ kind: 'setup_refused', server, reason: refused });
    this.#toldSetup = refused;
    this.#identity = found;
    return found;
  }
}

/** Between half of it and all, so that many who wait for one server do not come back at once. */
function jittered(ms: number): number {
  return ms * (0.5 + Math.random() / 2);
}
