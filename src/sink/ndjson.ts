/**
 * Lines to a file, a pipe or a terminal. Regular files are written at once; whatever may keep its writer waiting is written
 * through a queue, one write at a time, so that a slow reader never stops the program from receiving.
 */

import { closeSync, fstatSync, openSync, readSync, statSync, write, writeSync } from 'node:fs';
import { getSystemErrorMap } from 'node:util';
import type { Flow, PlainRecord } from '../flow/flow.ts';
import type { RecordOutput } from '../flow/record-output.ts';
import type { Sink } from './sink.ts';

/** What makes lines of records. It keeps them in a buffer of its own and hands whole ones on. */
export interface LineFormat extends RecordOutput {
  /** Hands on all that is ready. */
  flush(): void;
  /** Lines made so far. */
  readonly linesWritten: number;
}

/** Makes a format that hands its lines to `drain`, which has copied or written them when it returns. */
export type MakeLineFormat = (drain: (octets: Uint8Array) => void) => LineFormat;

/** Events worth telling an operator; each is told once until its opposite happens. */
export type NdjsonEvent =
  | { readonly kind: 'write_failed'; readonly path: string; readonly reason: string }
  | { readonly kind: 'write_recovered'; readonly path: string }
  | { readonly kind: 'drops_began'; readonly path: string }
  | { readonly kind: 'drops_ended'; readonly path: string; readonly linesDropped: number }
  | { readonly kind: 'reader_gone'; readonly path: string };

/** Where lines go and what happens when they cannot. */
export interface NdjsonOptions {
  /** File to append to; `-` for standard output. */
  readonly path: string;
  /**
   * `drop`: beyond {@link NdjsonOptions.queueOctets} lines are dropped and counted, and failed writes are tried again.
   * `wait`: nothing is dropped, the caller awaits {@link NdjsonSink.drained} when {@link NdjsonSink.mustWait}, and a failed write is final.
   */
  readonly delivery: 'drop' | 'wait';
  /** Octets that may wait. */
  readonly queueOctets: number;
  /** Hand lines on at least this often, in milliseconds, and try failed writes again; 0 for only when the buffer is full. */
  readonly flushIntervalMs: number;
  readonly makeFormat: MakeLineFormat;
  readonly onEvent: (event: NdjsonEvent) => void;
  /**
   * For destinations that other threads write to as well. Regular files need no turns: they are appended to in whole lines,
   * of which one may break in two only where the disk is full.
   */
  readonly turns?: WriteTurns | undefined;
}

/** Takes turns among threads that write to one pipe or terminal, whose writes would run into one another. */
export interface WriteTurns {
  /** Asks for the turn at `destination`; `onTurn` is called, later, when it has come. */
  take(destination: string, onTurn: () => void): void;
  /** Ends the turn. */
  give(destination: string): void;
}

interface Chunk {
  readonly octets: Uint8Array;
  readonly lines: number;
  /** Octets of it already written. */
  written: number;
}

const STANDARD_OUTPUT = 1;
const NEWLINE = 10;
const OPENING_BRACE = 123;
const MAX_WRITE_OCTETS = 1_048_576;
const RETRY_MS = 10;
const CLOSE_TIMEOUT_MS = 5000;

/**
 * Writes records as lines. `linesOffered = linesWritten + linesDropped + linesQueued` at any time.
 */
export class NdjsonSink implements Sink {
  /** The destination, as given. */
  readonly path: string;
  /** Lines the destination took. */
  linesWritten = 0;
  /** Lines dropped because too much was waiting, the reader went away, or time ran out at the end. */
  linesDropped = 0;
  /** Octets the destination took. */
  octetsWritten = 0;
  /** Writes that failed, retries included. */
  writeErrors = 0;
  /** Why nothing more can be written (`wait` only). */
  failure: Error | undefined;
  /** True once the reader of a pipe went away: nothing is written any more. */
  isReaderGone = false;

  readonly #options: NdjsonOptions;
  readonly #format: LineFormat;
  readonly #queue: Chunk[] = [];
  /** Runs only while lines wait: a process with nothing to do is not woken. */
  #timer: NodeJS.Timeout | undefined;
  #isTimed: boolean;
  #descriptor: number;
  #writesAtOnce: boolean;
  #linesDrained = 0;
  #linesWaiting = 0;
  #octetsWaiting = 0;
  #isWriting = false;
  #isFailing = false;
  #isDropping = false;
  #dropsAtStart = 0;
  #reopenWanted = false;
  /** What other threads know the destination by. */
  #destination = '';
  #turn: 'none' | 'asked' | 'mine' = 'none';
  #isClosed = false;
  #waiters: (() => void)[] = [];

  /** Opens the destination. Throws one clear error where it cannot be. */
  constructor(options: NdjsonOptions) {
    this.#options = options;
    this.path = options.path;
    this.#descriptor = openDestination(options.path);
    this.#writesAtOnce = canWriteAtOnce(this.#descriptor);
    this.#format = options.makeFormat((octets) => this.#drain(octets));
    this.#isTimed = options.flushIntervalMs === 0;
  }

  /** Lines made of the records given. */
  get linesOffered(): number {
    return this.#format.linesWritten;
  }

  /** Lines neither written nor dropped yet. */
  get linesQueued(): number {
    return this.#linesWaiting + (this.#format.linesWritten - this.#linesDrained);
  }

  /** Octets waiting to be written. */
  get octetsQueued(): number {
    return this.#octetsWaiting;
  }

  /** Whether more waits than should: the caller may stop and await {@link NdjsonSink.drained}. */
  get mustWait(): boolean {
    return this.#octetsWaiting > this.#options.queueOctets;
  }

  write(flow: Flow): void {
    this.#format.write(flow);
    if (!this.#isTimed) this.#startTimer();
  }

  writeRecord(record: PlainRecord): void {
    this.#format.writeRecord(record);
    if (!this.#isTimed) this.#startTimer();
  }

  /** Settles when nothing waits any more. */
  async drained(): Promise<void> {
    while (this.#queue.length > 0) {
      await new Promise<void>((resolve) => {
        this.#waiters.push(resolve);
      });
    }
  }

  async flush(): Promise<void> {
    this.#format.flush();
    this.#writeOn();
    await this.drained();
  }

  /** Opens the file of that name anew, for log rotation. Standard output stays. Throws where it cannot be opened; the old one is kept then. */
  reopen(): void {
    if (this.path === '-') return;
    if (this.#isWriting) {
      this.#reopenWanted = true;
      return;
    }
    const descriptor = openDestination(this.path);
    this.#format.flush();
    closeSync(this.#descriptor);
    this.#descriptor = descriptor;
    this.#writesAtOnce = canWriteAtOnce(descriptor);
    this.#skipBrokenLine();
    this.#writeOn();
  }

  async close(): Promise<void> {
    if (this.#isClosed) return;
    this.#isClosed = true;
    clearTimeout(this.#timer);
    this.#isTimed = true;
    this.#format.flush();
    const retry = setInterval(() => this.#writeOn(), 50);
    const timeOut = setTimeout(
      () => this.#dropQueue(),
      this.#options.delivery === 'drop' ? CLOSE_TIMEOUT_MS : 2 ** 31 - 1,
    );
    this.#writeOn();
    await this.drained();
    clearInterval(retry);
    clearTimeout(timeOut);
    this.#tellDropsEnded();
    // A write that hangs keeps its descriptor: the process ends soon.
    if (this.path !== '-' && !this.#isWriting) closeSync(this.#descriptor);
  }

  #drain(octets: Uint8Array): void {
    const lines = this.#format.linesWritten - this.#linesDrained;
    this.#linesDrained += lines;
    if (this.isReaderGone || this.failure !== undefined) {
      this.linesDropped += lines;
      return;
    }
    if (this.#writesAtOnce && this.#queue.length === 0) {
      const written = this.#writeNow(octets, 0);
      if (written === octets.length) {
        this.linesWritten += lines;
        return;
      }
      if (this.isReaderGone || this.failure !== undefined) this.linesDropped += lines;
      // What was begun must be ended, or two lines would run into one: it waits whatever the bound says.
      else this.#enqueue({ octets: copyOf(octets), lines, written });
      return;
    }
    if (this.#options.delivery === 'drop' && this.#octetsWaiting + octets.length > this.#options.queueOctets) {
      this.#dropLines(lines);
      return;
    }
    this.#enqueue({ octets: copyOf(octets), lines, written: 0 });
    this.#writeOn();
  }

  #enqueue(chunk: Chunk): void {
    this.#queue.push(chunk);
    this.#linesWaiting += chunk.lines;
    this.#octetsWaiting += chunk.octets.length - chunk.written;
  }

  #dropLines(lines: number): void {
    if (!this.#isDropping) {
      this.#isDropping = true;
      this.#dropsAtStart = this.linesDropped;
      this.#options.onEvent({ kind: 'drops_began', path: this.path });
    }
    this.linesDropped += lines;
  }

  #tellDropsEnded(): void {
    if (!this.#isDropping) return;
    this.#isDropping = false;
    this.#options.onEvent({
      kind: 'drops_ended',
      path: this.path,
      linesDropped: this.linesDropped - this.#dropsAtStart,
    });
  }

  /** Writes what is there as far as it goes at once; the rest follows by itself. */
  flushNow(): void {
    if (this.#timer === undefined || this.#isClosed) return;
    clearTimeout(this.#timer);
    this.#tick();
  }

  #startTimer(): void {
    this.#isTimed = true;
    this.#timer = setTimeout(() => this.#tick(), this.#options.flushIntervalMs).unref();
  }

  #tick(): void {
    this.#format.flush();
    this.#writeOn();
    if (this.#octetsWaiting <= this.#options.queueOctets / 2) this.#tellDropsEnded();
    this.#isTimed = false;
    this.#timer = undefined;
    if (this.#queue.length > 0 || this.#isDropping) this.#startTimer();
  }

  /** Writes what waits: at once where that is possible, else by starting the next write unless one is under way. */
  #writeOn(): void {
    if (this.#isWriting) return;
    while (this.#queue[0] !== undefined && this.#queue[0].written === this.#queue[0].octets.length)
      this.#shiftWritten();
    if (this.#writesAtOnce) {
      for (let chunk = this.#queue[0]; chunk !== undefined; chunk = this.#queue[0]) {
        const before = chunk.written;
        chunk.written = this.#writeNow(chunk.octets, before);
        this.#octetsWaiting -= chunk.written - before;
        if (chunk.written < chunk.octets.length) break;
        this.#shiftWritten();
      }
      this.#wake();
      return;
    }
    const chunk = this.#queue[0];
    if (chunk === undefined) {
      this.#wake();
      return;
    }
    if (this.#options.turns !== undefined && this.#turn !== 'mine') {
      this.#askTurn(this.#options.turns);
      return;
    }
    this.#isWriting = true;
    const length = Math.min(chunk.octets.length - chunk.written, MAX_WRITE_OCTETS);
    write(this.#descriptor, chunk.octets, chunk.written, length, null, (error, written) => {
      this.#isWriting = false;
      this.#afterWrite(error, error === null ? written : 0);
    });
  }

  #askTurn(turns: WriteTurns): void {
    if (this.#turn === 'asked') return;
    this.#turn = 'asked';
    this.#destination = identityOf(this.#descriptor);
    turns.take(this.#destination, () => {
      this.#turn = 'mine';
      if (this.#queue.length === 0) this.#giveTurn();
      else this.#writeOn();
    });
  }

  #giveTurn(): void {
    if (this.#turn !== 'mine') return;
    this.#turn = 'none';
    this.#options.turns?.give(this.#destination);
  }

  #afterWrite(error: NodeJS.ErrnoException | null, written: number): void {
    const chunk = this.#queue[0];
    if (chunk === undefined) this.#giveTurn();
    if (chunk !== undefined && written > 0) {
      chunk.written += written;
      this.#octetsWaiting -= written;
      this.octetsWritten += written;
      if (chunk.written === chunk.octets.length) this.#shiftWritten();
      this.#tellRecovered();
    }
    if (error !== null && error.code !== 'EAGAIN') this.#failed(error);
    if (this.#reopenWanted) {
      this.#reopenWanted = false;
      try {
        this.reopen();
      } catch (failure) {
        this.#failed(failure as NodeJS.ErrnoException);
      }
    }
    if (error === null) this.#writeOn();
    else if (error.code === 'EAGAIN') setTimeout(() => this.#writeOn(), RETRY_MS);
    this.#wake();
  }

  /** Writes from `start` as far as it goes and returns how far that is. */
  #writeNow(octets: Uint8Array, start: number): number {
    let at = start;
    try {
      while (at < octets.length) {
        const written = writeSync(this.#descriptor, octets, at, octets.length - at);
        at += written;
        this.octetsWritten += written;
      }
      this.#tellRecovered();
    } catch (error) {
      this.#failed(error as NodeJS.ErrnoException);
    }
    return at;
  }

  #shiftWritten(): void {
    const chunk = this.#queue.shift()!;
    // A chunk ends with a line: here another thread may go on.
    this.#giveTurn();
    this.#linesWaiting -= chunk.lines;
    this.linesWritten += chunk.lines;
  }

  #failed(error: NodeJS.ErrnoException): void {
    this.writeErrors++;
    if (error.code === 'EPIPE') {
      this.isReaderGone = true;
      this.#dropQueue();
      this.#options.onEvent({ kind: 'reader_gone', path: this.path });
      return;
    }
    const reason = errorText(error);
    if (this.#options.delivery === 'wait') {
      this.failure = new Error(`cannot write ${destinationName(this.path)}: ${reason}`);
      this.#dropQueue();
      return;
    }
    if (this.#isFailing) return;
    this.#isFailing = true;
    this.#options.onEvent({ kind: 'write_failed', path: this.path, reason });
  }

  #tellRecovered(): void {
    if (!this.#isFailing) return;
    this.#isFailing = false;
    this.#options.onEvent({ kind: 'write_recovered', path: this.path });
  }

  #dropQueue(): void {
    // Of a chunk begun, the lines that went out whole were written.
    const begun = this.#queue[0];
    const lines = begun === undefined ? 0 : Math.min(begun.lines, countLines(begun.octets, begun.written));
    this.linesWritten += lines;
    this.linesDropped += this.#linesWaiting - lines;
    this.#queue.length = 0;
    this.#linesWaiting = 0;
    this.#octetsWaiting = 0;
    // A write that hangs keeps the turn: what others wrote would come in the middle of it.
    if (!this.#isWriting) this.#giveTurn();
    this.#wake();
  }

  /** A line half written to the old file has no place in the new one. */
  #skipBrokenLine(): void {
    const chunk = this.#queue[0];
    if (chunk === undefined || chunk.written === 0 || chunk.octets[chunk.written - 1] === NEWLINE) return;
    const next = chunk.octets.indexOf(NEWLINE, chunk.written) + 1;
    const skipped = (next === 0 ? chunk.octets.length : next) - chunk.written;
    chunk.written += skipped;
    this.#octetsWaiting -= skipped;
    this.linesDropped++;
    this.#linesWaiting--;
    this.#queue[0] = { ...chunk, lines: chunk.lines - 1 };
  }

  #wake(): void {
    if (this.#queue.length > 0 || this.#waiters.length === 0) return;
    const waiters = this.#waiters;
    this.#waiters = [];
    for (const resolve of waiters) resolve();
  }
}

function openDestination(path: string): number {
  if (path === '-') return STANDARD_OUTPUT;
  try {
    refuseOtherFiles(path);
    return openSync(path, 'a');
  } catch (error) {
    const cause = error as NodeJS.ErrnoException;
    if (cause.errno === undefined) throw error;
    throw new Error(`cannot write ${path}: ${errorText(cause)}`, { cause });
  }
}

/** `--json capture.pcap` is a slip of the keyboard that would spoil the capture: only what looks like lines is appended to. */
function refuseOtherFiles(path: string): void {
  const status = statSync(path, { throwIfNoEntry: false });
  if (status === undefined || !status.isFile() || status.size === 0) return;
  const first = new Uint8Array(1);
  const descriptor = openSync(path, 'r');
  readSync(descriptor, first, 0, 1, 0);
  closeSync(descriptor);
  if (first[0] !== OPENING_BRACE) throw new Error(`cannot write ${path}: it holds something else than JSON lines`);
}

/** Regular files and /dev/null never make their writer wait for a reader. */
function canWriteAtOnce(descriptor: number): boolean {
  const status = fstatSync(descriptor);
  return status.isFile() || (status.isCharacterDevice() && status.rdev === statSync('/dev/null').rdev);
}

/** The same for all descriptors of one pipe, terminal or file. */
function identityOf(descriptor: number): string {
  const { dev, ino } = fstatSync(descriptor);
  return `${dev}:${ino}`;
}

/** A copy in any case: `slice` of a `Buffer` shares its memory. */
function copyOf(octets: Uint8Array): Uint8Array {
  return new Uint8Array(octets);
}

function countLines(octets: Uint8Array, end: number): number {
  let lines = 0;
  for (let at = octets.indexOf(NEWLINE); at >= 0 && at < end; at = octets.indexOf(NEWLINE, at + 1)) lines++;
  return lines;
}

function destinationName(path: string): string {
  return path === '-' ? 'standard output' : path;
}

function errorText(error: NodeJS.ErrnoException): string {
  const text = typeof error.errno === 'number' ? getSystemErrorMap().get(error.errno)?.[1] : undefined;
  return `${text ?? error.message} (${error.code ?? 'unknown'})`;
}
