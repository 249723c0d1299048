/** TCP sockets of this host the moment the kernel destroys them, with their last figures: one `ss -E` in each network namespace. */

import { type ChildProcess, spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { performance } from 'node:perf_hooks';
import { LONGEST_LINE_OCTETS, parseClosedSocket } from './closed-socket-line.ts';
import { LineReader } from './line-reader.ts';
import { findProgram, mayEnterNamespaces, startInNamespace } from './namespace-tool.ts';
import type { NetworkNamespace, SocketEntry } from './socket-entry.ts';

/** Destroyed TCP sockets, numeric, with figures and cookie, a line each. */
const SS_ARGUMENTS = ['-E', '-tinHOe'];

/** Has a child end with this process, however that ends: otherwise it stays, and the namespace with it, until the next socket closes. */
const END_WITH_US = ['--pdeathsig', 'KILL'];

/** A child that lived longer than this had begun well. */
const GOOD_LIFE_MS = 60_000;
/** Wait before a restart after a child that printed something: it ends where the kernel had more to tell than it could take. */
const SHORT_WAIT_MS = 50;
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
  readonly setpriv?: string;
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
  /** Closes the kernel could not hand to ss in time, as of the last call of `follow` (/proc/PID/net/netlink). */
  closesLost = 0;
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
      setpriv: usableSetpriv(options.setpriv ?? findProgram('setpriv') ?? ''),
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
      follower.countLost();
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

/** `path` where it is installed and can do what is asked of it (util-linux 2.33), else `''`. */
function usableSetpriv(path: string): string {
  if (path === '') return '';
  const { status } = spawnSync(path, [...END_WITH_US, 'true'], { stdio: 'ignore', timeout: 1000 });
  return status === 0 ? path : '';
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
  /** As last read of the present child. */
  #lost = 0;

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

  /** Counts what the kernel dropped because ss did not read fast enough: rows of its sockets of NETLINK_SOCK_DIAG, which is 4. */
  countLost(): void {
    const pid = this.#child?.pid;
    if (pid === undefined) return;
    try {
      const text = readFileSync(`${this.#options.procRoot}/${pid}/net/netlink`, 'latin1');
      for (const row of text.split('\n')) {
        const [, protocol, port, , , , , , drops] = row.trim().split(/ +/);
        if (protocol !== '4' || port !== `${pid}` || !/^\d{1,15}$/.test(drops ?? '')) continue;
        this.#counters.closesLost += Math.max(0, Number(drops) - this.#lost);
        this.#lost = Number(drops);
      }
    } catch {
      // It has just ended: its counters ended with it.
    }
  }

  #start(): void {
    const { ss, stdbuf, setpriv, nsenter, procRoot } = this.#options;
    // Into a pipe ss prints a block at a time, which may take hours to fill.
    const words = [stdbuf, '-oL', ss, ...SS_ARGUMENTS];
    const [program, ...args] = setpriv === '' ? words : [setpriv, ...END_WITH_US, ...words];
    const child = startInNamespace({ program: program!, args, namespace: this.namespace, nsenter, procRoot });
    if (child === undefined) {
      this.#again();
      return;
    }
    this.#child = child;
    this.#lost = 0;
    this.#counters.childrenStarted++;
    const { pid } = child;
    if (pid !== undefined) this.#pids.add(pid);
    const startMs = performance.now();
    let hasPrinted = false;
    const reader = new LineReader(LONGEST_LINE_OCTETS, (line) => {
      hasPrinted = true;
      this.#take(line);
    });
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
      this.#again(hasPrinted);
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

  #again(hasPrinted = false): void {
    this.#child = undefined;
    if (++this.#failures > MOST_FAILURES) {
      this.#counters.namespacesGivenUp++;
      return;
    }
    const waitMs = this.#options.restartMs * 2 ** (this.#failures - 1);
    this.#timer = setTimeout(() => this.#start(), hasPrinted ? Math.min(SHORT_WAIT_MS, waitMs) : waitMs);
    // A restart that waits is no reason to stay.
    this.#timer.unref();
  }
}
