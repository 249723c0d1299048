import { type ChildProcess, execFile, spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import { EventLines } from './event-lines.ts';
import { type EventProgram, eventProgram } from './event-program.ts';
import type { KernelEvent } from './kernel-event.ts';

/** How events are had, and who wants them. */
export interface EventSourceOptions {
  /** The events of some octets that came, in the kernel's order, datagrams summed up each second. */
  readonly onEvents: (batch: readonly KernelEvent[]) => void;
  /** The source has stopped, and why in one line; it begins again by itself, which `onUp` tells. */
  readonly onDown?: (reason: string) => void;
  readonly onUp?: () => void;
  /** Path or name of bpftrace. */
  readonly tool?: string;
  /** Where tracefs is, or where bpftrace looks for it. */
  readonly tracingRoot?: string;
  /** Whose rights the program has; 0 is root. */
  readonly userId?: number;
  /** How long bpftrace may take to begin, milliseconds. */
  readonly startTimeoutMs?: number;
  /** First pause before a restart, milliseconds; each next one is twice as long, up to a minute. */
  readonly restartPauseMs?: number;
}

/** What came, and what did not. */
export interface EventCounters {
  /** Events handed on. */
  readonly events: number;
  /** Events that bpftrace could not hand over in time, as it says itself. */
  readonly lost: number;
  /** Lines of bpftrace that are nothing known. */
  readonly malformed: number;
  /** Times that it ended by itself and was begun again. */
  readonly restarts: number;
}

/** Entries that each map in the kernel may have: sockets and sums of datagrams. */
const MAP_ENTRIES = 65_536;
/**
 * Pages of each processor's ring, 4 KiB each and a power of two: what waits while this program is busy, half a second and more at 4,000 connections a
 * second. No more than 32 MiB on all processors together, where these are not many.
 */
const RING_PAGES = Math.min(Math.max(2 ** Math.floor(Math.log2(8192 / availableParallelism())), 64), 1024);
const LONGEST_PAUSE_MS = 60_000;
/** A run that lasted so long was a good one, milliseconds. */
const GOOD_RUN_MS = 60_000;
/** The time comes every four seconds: without a word for two such rounds bpftrace hangs, milliseconds. */
const SILENCE_MS = 10_000;
const LISTING_TIMEOUT_MS = 20_000;
const LISTING_OCTETS = 8 << 20;
const KEPT_ERROR_CHARACTERS = 4096;
// Constant: what is run comes as arguments.
const MOUNT_AND_RUN = 'mount -t tracefs tracefs "$1" 2>/dev/null; shift; exec "$@"';

/**
 * Events of the kernel's, from bpftrace as a child process. It is begun again, with pauses, when it ends, and ends with this program however
 * that ends: it is killed by the kernel (PR_SET_PDEATHSIG), and at its next line otherwise.
 */
export class EventSource {
  readonly #options: EventSourceOptions;
  readonly #program: EventProgram;
  readonly #lines = new EventLines();
  #child: ChildProcess | undefined;
  #isUp = false;
  #isClosed = false;
  #restarts = 0;
  #pauseMs: number;
  #timer: NodeJS.Timeout | undefined;
  #watch: NodeJS.Timeout | undefined;
  #isHeard = false;
  #stderr = '';

  private constructor(options: EventSourceOptions, program: EventProgram) {
    this.#options = options;
    this.#program = program;
    this.#pauseMs = options.restartPauseMs ?? 1000;
  }

  /** Starts bpftrace and waits for its first line. Gives the reason, in one line without a full stop, where that cannot be; never rejects. */
  static async open(options: EventSourceOptions): Promise<EventSource | string> {
    if ((options.userId ?? process.geteuid?.() ?? -1) !== 0) return 'kernel events need root';
    const tracepoints = await listProbes(options, 'tracepoint:*');
    if (typeof tracepoints === 'string') return tracepoints;
    const hasLengths = tracepoints.has('sock:sock_send_length');
    const kprobes = hasLengths ? new Set<string>() : await listProbes(options, 'kprobe:udp*_sendmsg');
    const program = eventProgram({ tracepoints, kprobes: typeof kprobes === 'string' ? new Set() : kprobes });
    if (typeof program === 'string') return program;
    const source = new EventSource(options, program);
    const reason = await source.#start();
    if (reason === undefined) return source;
    await source.close();
    return reason;
  }

  /** Whether events come now. */
  get isUp(): boolean {
    return this.#isUp;
  }

  /** Kinds of events that this kernel does not give, one line each. */
  get missing(): readonly string[] {
    return this.#program.missing;
  }

  /** What came so far, all runs together. */
  get counters(): EventCounters {
    const { events, lost, malformed } = this.#lines;
    return { events, lost, malformed, restarts: this.#restarts };
  }

  /** Id of the process, for its cost; 0 while there is none. */
  get pid(): number {
    return this.#child?.pid ?? 0;
  }

  /** Ends bpftrace and waits for it. No event comes afterwards. */
  async close(): Promise<void> {
    this.#isClosed = true;
    this.#isUp = false;
    clearTimeout(this.#timer);
    clearInterval(this.#watch);
    const child = this.#child;
    if (child === undefined) return;
    await new Promise<void>((resolve) => {
      child.once('close', () => resolve());
      // Asked kindly it would print all its maps.
      child.kill('SIGKILL');
    });
  }

  /** Gives undefined once the first line has come, or why none came. */
  #start(): Promise<string | undefined> {
    return new Promise((resolve) => {
      this.#lines.restart();
      this.#stderr = '';
      const startedMs = performance.now();
      // Lines as they come, so that an event is known at once.
      const child = run(this.#options, ['--no-warnings', '-B', 'line', '-e', this.#program.source]);
      this.#child = child;
      let failure = '';
      const timeout = setTimeout(() => {
        failure = 'bpftrace took too long to begin';
        child.kill('SIGKILL');
      }, this.#options.startTimeoutMs ?? 30_000);
      child.on('error', (error) => {
        failure = `bpftrace does not run: ${error.message}`;
      });
      child.stdout?.on('data', (chunk: Buffer) => {
        if (this.#isClosed || this.#child !== child) return;
        this.#isHeard = true;
        const batch = this.#lines.read(chunk);
        if (!this.#isUp && this.#lines.hasBegun) {
          clearTimeout(timeout);
          this.#isUp = true;
          this.#listen(child);
          resolve(undefined);
        }
        if (batch.length > 0) this.#options.onEvents(batch);
      });
      child.stderr?.setEncoding('utf8').on('data', (text: string) => this.#readErrors(text));
      child.on('close', (code, signal) => {
        clearTimeout(timeout);
        clearInterval(this.#watch);
        this.#child = undefined;
        const reason = failure !== '' ? failure : `bpftrace ended${saidBy(this.#stderr, code, signal)}`;
        const wasUp = this.#isUp;
        this.#isUp = false;
        resolve(reason);
        if (wasUp && !this.#isClosed) {
          this.#options.onDown?.(reason);
          if (performance.now() - startedMs >= GOOD_RUN_MS) this.#pauseMs = this.#options.restartPauseMs ?? 1000;
          this.#restartLater();
        }
      });
    });
  }

  #restartLater(): void {
    this.#timer = setTimeout(() => {
      this.#restarts++;
      void this.#start().then((reason) => {
        if (this.#isClosed) return;
        if (reason === undefined) this.#options.onUp?.();
        else this.#restartLater();
      });
    }, this.#pauseMs);
    this.#pauseMs = Math.min(2 * this.#pauseMs, LONGEST_PAUSE_MS);
  }

  /** Two rounds, because a program that was stopped itself finds the timer before what came meanwhile. */
  #listen(child: ChildProcess): void {
    let silentRounds = 0;
    this.#watch = setInterval(() => {
      silentRounds = this.#isHeard ? 0 : silentRounds + 1;
      this.#isHeard = false;
      if (silentRounds >= 2) child.kill('SIGKILL');
    }, SILENCE_MS);
    this.#watch.unref();
  }

  #readErrors(text: string): void {
    for (const line of text.split('\n')) this.#lines.readLoss(line);
    this.#stderr = (this.#stderr + text).slice(-KEPT_ERROR_CHARACTERS);
  }
}

/** The probes that `search` finds, without their kind; a reason where bpftrace does not tell. */
function listProbes(options: EventSourceOptions, search: string): Promise<Set<string> | string> {
  const [program, ...words] = commandLine(options, ['-l', search]);
  return new Promise((resolve) => {
    const limits = {
      timeout: LISTING_TIMEOUT_MS,
      maxBuffer: LISTING_OCTETS,
      killSignal: 'SIGKILL' as const,
      env: environment(),
    };
    execFile(program!, words, limits, (error, stdout, stderr) => {
      const names = stdout.split('\n').filter((line) => line.includes(':'));
      if (names.length > 0) resolve(new Set(names.map((line) => line.slice(line.indexOf(':') + 1))));
      else if (error === null) resolve('bpftrace finds no tracepoints');
      else if (isMissing(error.code, stderr)) resolve('bpftrace is not installed');
      else resolve(`bpftrace does not run${saidBy(stderr, Number(error.code ?? 1), null)}`);
    });
  });
}

function isMissing(code: unknown, stderr: string): boolean {
  return code === 'ENOENT' || code === 127 || /No such file or directory|not found/.test(stderr);
}

function run(options: EventSourceOptions, words: readonly string[]): ChildProcess {
  const [program, ...rest] = commandLine(options, words);
  return spawn(program!, rest, {
    stdio: ['ignore', 'pipe', 'pipe'],
    env: environment(),
  });
}

function environment(): NodeJS.ProcessEnv {
  return {
    PATH: `${process.env['PATH'] ?? ''}:/usr/sbin:/sbin`,
    BPFTRACE_MAP_KEYS_MAX: String(MAP_ENTRIES),
    BPFTRACE_PERF_RB_PAGES: String(RING_PAGES),
  };
}

/** Where tracefs is not mounted it is for bpftrace alone, in a mount namespace of its own. Each program becomes the next: one process in all. */
function commandLine(options: EventSourceOptions, words: readonly string[]): string[] {
  const root = options.tracingRoot ?? '/sys/kernel/tracing';
  const tied = ['setpriv', '--pdeathsig', 'KILL', options.tool ?? 'bpftrace', ...words];
  if (existsSync(`${root}/events`)) return tied;
  return ['unshare', '--mount', '--propagation', 'private', 'sh', '-c', MOUNT_AND_RUN, 'sh', root, ...tied];
}

/** What a program said of its end: its first error, without that of a limit that does no harm. */
function saidBy(stderr: string, code: number | null, signal: string | null): string {
  const errors = stderr.split('\n').filter((line) => line.trim() !== '' && !line.includes('RLIMIT_MEMLOCK'));
  const said = errors.find((line) => line.includes('ERROR')) ?? errors.at(-1);
  const how = signal === null ? `code ${code ?? 0}` : `signal ${signal}`;
  return said === undefined
    ? ` (${how})`
    : ` (${how}): ${said
        .replace(/[^\x20-\x7e]/g, ' ')
        .trim()
        .slice(0, 200)}`;
}
