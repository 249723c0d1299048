/** TCP sockets of this host the moment the kernel destroys them, with their last figures: one `ss -E` in each network namespace. */

import type { ChildProcess } from 'node:child_process';
import { performance } from 'node:perf_hooks';
import { LONGEST_LINE_OCTETS, parseClosedSocket } from './closed-socket-line.ts';
import { findProgram, mayEnterNamespaces, startInNamespace } from './namespace-tool.ts';
import type { NetworkNamespace, SocketEntry } from './socket-entry.ts';

/** Destroyed TCP sockets, numeric, with figures and cookie, a line each. */
const SS_ARGUMENTS = ['-E', '-tinHOe'];

/** A child that lived longer than this had begun well. */
const GOOD_LIFE_MS = 60_000;
/** So many children in a row that ended early and printed nothing: it cannot be done in that namespace. */
const MOST_FAILURES = 6;

/** How {@link CloseSource} works; all but `onClose` may be left out. */
export interface CloseSourceOptions {
  /** Takes each socket as it is destroyed, at `timeMs` (Unix milliseconds). A socket that listened has remote port 0. */
  readonly onClose: (entry: SocketEntry, timeMs: number) => void;
  /** Default `/proc`. */
  readonly procRoot?: string;
  /** Paths of the tools; looked for when left out. */
  readonly ss?: string;
  readonly stdbuf?: string;
  readonly nsenter?: string;
  /** Follows at most so many namespaces; the rest is counted. Default 64. */
  readonly maxNamespaces?: number;
  /** Wait before the first restart of a child that ended, doubled up to 32 times that. Default 1,000. */
  readonly restartMs?: number;
}

/** What a {@link CloseSource} did. */
export class CloseCounters {
  /** Sockets handed to `onClose`. */
  closes = 0;
  /** Lines that say something else than they should, or are too long. */
  linesInvalid = 0;
  childrenStarted = 0;
  /** Children that ended although they were wanted. */
  childrenEnded = 0;
  /** Namespaces that are not followed any more because no child stays alive there. */
  namespacesGivenUp = 0;
  /** Namespaces not followed because there are too many, as of the last call of `follow`. */
  namespacesBeyondLimit = 0;
}

/** See the head of this file. */
export class CloseSource {
  /** What is not there and what that costs, a line each. */
  readonly missing: readonly string[];
  readonly counters = new CloseCounters();
  readonly #options: Required<CloseSourceOptions>;
  readonly #mayEnter: boolean;
  readonly #followers = new Map<number, Follower>();
  readonly #pids = new Set<number>();

  private constructor(options: Required<CloseSourceOptions>, mayEnter: boolean, missing: readonly string[]) {
    this.#options = options;
    this.#mayEnter = mayEnter;
    this.missing = missing;
  }

  /** Finds the tools; where one is missing, `follow` does nothing. */
  static open(options: CloseSourceOptions): CloseSource {
    const procRoot = options.procRoot ?? '/proc';
    const all: Required<CloseSourceOptions> = {
      onClose: options.onClose,
      procRoot,
      ss: options.ss ?? findProgram('ss') ?? '',
      stdbuf: options.stdbuf ?? findProgram('stdbuf') ?? '',
      nsenter: options.nsenter ?? findProgram('nsenter') ?? '',
      maxNamespaces: options.maxNamespaces ?? 64,
      restartMs: options.restartMs ?? 1000,
    };
    const missing: string[] = [];
    const cost = 'TCP connections that begin and end between two snapshots are not seen';
    if (all.ss === '') missing.push(`ss (iproute2) is not installed: ${cost}`);
    if (all.stdbuf === '') missing.push(`stdbuf (coreutils) is not installed: ${cost}`);
    const isRoot = mayEnterNamespaces(procRoot);
    const others = `${cost} in containers and other network namespaces`;
    if (!isRoot) missing.push(`not root (CAP_SYS_ADMIN): ${others}`);
    else if (all.nsenter === '') missing.push(`nsenter (util-linux) is not installed: ${others}`);
    return new CloseSource(all, isRoot && all.nsenter !== '', missing);
  }

  /**
   * The processes that run now. Each keeps its network namespace alive, so that whoever lists namespaces must not count them
   * (`SocketSourceOptions.ignoredPids`), or a namespace whose last process ended is followed for ever.
   */
  get pids(): ReadonlySet<number> {
    return this.#pids;
  }

  /** Follows these namespaces from now on and no others. */
  follow(namespaces: readonly NetworkNamespace[]): void {
    const { ss, stdbuf, maxNamespaces } = this.#options;
    if (ss === '' || stdbuf === '') return;
    const wanted = namespaces.filter(({ pid }) => pid === 0 || this.#mayEnter);
    const ids = new Set(wanted.map(({ id }) => id));
    for (const [id, follower] of this.#followers) {
      if (ids.has(id)) continue;
      follower.stop();
      this.#followers.delete(id);
    }
    let beyondLimit = 0;
    for (const namespace of wanted) {
      const follower = this.#followers.get(namespace.id);
      if (follower !== undefined) follower.namespace = namespace;
      else if (this.#followers.size >= maxNamespaces) beyondLimit++;
      else this.#followers.set(namespace.id, new Follower(namespace, this.#options, this.counters, this.#pids));
    }
    this.counters.namespacesBeyondLimit = beyondLimit;
  }

  /** Ends all children. */
  close(): void {
    this.follow([]);
  }
}

/** One namespace, and the child in it. */
class Follower {
  /** With the latest pid that leads into it. */
  namespace: NetworkNamespace;
  readonly #options: Required<CloseSourceOptions>;
  readonly #counters: CloseCounters;
  readonly #pids: Set<number>;
  #child: ChildProcess | undefined;
  #timer: NodeJS.Timeout | undefined;
  #isStopped = false;
  #failures = 0;

  constructor(
    namespace: NetworkNamespace,
    options: Required<CloseSourceOptions>,
    counters: CloseCounters,
    pids: Set<number>,
  ) {
    this.namespace = namespace;
    this.#options = options;
    this.#counters = counters;
    this.#pids = pids;
    this.#start();
  }

  stop(): void {
    this.#isStopped = true;
    clearTimeout(this.#timer);
    this.#child?.kill('SIGKILL');
    this.#child?.stdout?.destroy();
  }

  #start(): void {
    const { ss, stdbuf, nsenter, procRoot } = this.#options;
    // Into a pipe ss prints a block at a time, which may take hours to fill.
    const args = ['-oL', ss, ...SS_ARGUMENTS];
    const child = startInNamespace({ program: stdbuf, args, namespace: this.namespace, nsenter, procRoot });
    if (child === undefined) {
      this.#again();
      return;
    }
    this.#child = child;
    this.#counters.childrenStarted++;
    const { pid } = child;
    if (pid !== undefined) this.#pids.add(pid);
    const startMs = performance.now();
    const reader = new LineReader((line) => this.#take(line));
    child.stdout?.on('data', (octets: Buffer) => {
      if (this.#isStopped) return;
      const tooLong = reader.push(octets);
      this.#counters.linesInvalid += tooLong;
    });
    child.stderr?.resume();
    let isOver = false;
    const end = () => {
      if (isOver) return;
      isOver = true;
      if (pid !== undefined) this.#pids.delete(pid);
      child.stdout?.destroy();
      child.stderr?.destroy();
      if (this.#isStopped) return;
      this.#counters.childrenEnded++;
      if (performance.now() - startMs > GOOD_LIFE_MS) this.#failures = 0;
      this.#again();
    };
    child.on('error', end);
    child.on('close', end);
  }

  #take(line: string): void {
    const entry = parseClosedSocket(line, this.namespace.id);
    if (entry === undefined) {
      this.#counters.linesInvalid++;
      return;
    }
    this.#failures = 0;
    this.#counters.closes++;
    this.#options.onClose(entry, Date.now());
  }

  #again(): void {
    this.#child = undefined;
    if (++this.#failures > MOST_FAILURES) {
      this.#counters.namespacesGivenUp++;
      return;
    }
    this.#timer = setTimeout(() => this.#start(), this.#options.restartMs * 2 ** (this.#failures - 1));
    // A restart that waits is no reason to stay.
    this.#timer.unref();
  }
}

/** Cuts what comes in pieces into lines, and leaves out those that are too long. */
class LineReader {
  readonly #take: (line: string) => void;
  #rest = '';
  #isSkipping = false;

  constructor(take: (line: string) => void) {
    this.#take = take;
  }

  /** Takes the next octets; returns how many lines turned out too long. */
  push(octets: Buffer): number {
    const lines = (this.#rest + octets.toString('latin1')).split('\n');
    this.#rest = lines.pop() ?? '';
    let tooLong = 0;
    for (const line of lines) {
      if (this.#isSkipping) this.#isSkipping = false;
      else this.#take(line);
    }
    if (this.#rest.length > LONGEST_LINE_OCTETS) {
      if (!this.#isSkipping) tooLong++;
      this.#isSkipping = true;
      this.#rest = '';
    }
    return tooLong;
  }
}
