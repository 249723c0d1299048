/** The sockets of this host, in every network namespace that has a process: one look at a time, when asked. */

import { performance } from 'node:perf_hooks';
import { setImmediate as nextTurn } from 'node:timers/promises';
import { InetDiagReader } from './inet-diag.ts';
import { findProgram, followTool, mayEnterNamespaces, startInNamespace } from './namespace-tool.ts';
import { isStillIn, linkedNamespace, listNetworkNamespaces } from './network-namespaces.ts';
import { type NamespaceActivity, type ProcNetFile, readNamespaceActivity, readProcNet } from './proc-net.ts';
import type { NetworkNamespace, SocketEntry, SocketSnapshot } from './socket-entry.ts';
import { ToolShells } from './tool-shell.ts';

/** Raw answers of the kernel about all TCP sockets, with their figures and cgroups. */
const SS_ARGUMENTS = ['-tnaie', '-D', '-'];

/** TCP sockets in other states leave them by time alone, which no counter tells. */
const LASTING_STATES: ReadonlySet<string> = new Set(['ESTABLISHED', 'LISTEN', 'CLOSE-WAIT']);

/** A table is taken for the same at most so long: a socket that listens may be replaced by another without a segment. */
const LONGEST_REUSE_MS = 60_000;

/** `netlink` asks through ss; `proc` reads /proc/PID/net, which knows no figures of TCP. */
export type SocketMode = 'netlink' | 'proc';

/** How {@link SocketSource} works; all may be left out. */
export interface SocketSourceOptions {
  /** Default `netlink`, where ss can. */
  readonly mode?: SocketMode;
  /** Default `/proc`. */
  readonly procRoot?: string;
  /** Paths of the tools; looked for when left out. */
  readonly ss?: string;
  readonly nsenter?: string;
  /** At most so many sockets a snapshot; the rest is counted. Default 100,000. */
  readonly maxSockets?: number;
  /** At most so many namespaces besides the own one. Default 1,024. */
  readonly maxNamespaces?: number;
  /** A tool that takes longer is ended. Default 10,000. */
  readonly timeLimitMs?: number;
  /** So many namespaces are read at the same time. Default 4. */
  readonly maxTools?: number;
  /** Runs ss, and is closed with this. Default one of its own. */
  readonly tools?: ToolShells;
  /**
   * ss is asked in at most so many namespaces besides the own one at each look, those first that were not for longest; what the others had is shown
   * once more. Nothing is older than a minute. Default 32.
   */
  readonly maxAsked?: number;
  /** Processes of this program in other namespaces, asked for before each snapshot: see `CloseSource.pids`. */
  readonly ignoredPids?: () => ReadonlySet<number>;
}

/** What a {@link SocketSource} did. */
export class SocketCounters {
  snapshots = 0;
  /** ss, in whichever namespace. */
  toolsRun = 0;
  /** Of these: ended with a fault, or gave no whole answer. */
  toolFailures = 0;
  /** Of these: took too long. */
  toolTimeouts = 0;
  /** Namespaces whose tables were the same as before by their counters, and were not read. */
  tablesUnchanged = 0;
  /** Namespaces whose TCP sockets are those of an earlier snapshot because the tool failed. */
  tablesStale = 0;
  /** Namespaces whose TCP sockets are those of an earlier snapshot because enough others were read: see `SocketSourceOptions.maxAsked`. */
  tablesPostponed = 0;
  /** Namespaces whose process went away before they were read. */
  namespacesVanished = 0;
  namespacesBeyondLimit = 0;
  socketsBeyondLimit = 0;
  /** Rows and messages that say something else than they should. */
  entriesInvalid = 0;
}

/** TCP sockets of a namespace as last read. */
interface TcpTable {
  readonly sockets: readonly SocketEntry[];
  /** See NamespaceActivity; `''` where the table may change without it. */
  readonly mark: string;
  /** By the monotonic clock. */
  readonly readMs: number;
  /** Whether it was to be read again and could not. */
  readonly isStale: boolean;
  /** Cookies of sockets that the kernel has destroyed since. */
  readonly closed: Set<string>;
}

/** Closes remembered of a namespace: then its table is read again. */
const MOST_CLOSED = 16_384;

/** What one namespace came to. */
interface NamespaceSockets {
  readonly namespace: NetworkNamespace;
  readonly tcp: TcpTable;
  readonly udp: readonly SocketEntry[];
}

/** See the head of this file. */
export class SocketSource {
  /** What is in use. */
  readonly mode: SocketMode;
  /** What is not there and what that costs, a line each. */
  readonly missing: readonly string[];
  readonly counters = new SocketCounters();
  readonly #options: Required<SocketSourceOptions>;
  readonly #mayEnter: boolean;
  #tables = new Map<number, TcpTable>();
  /** Namespaces in which ss was asked at this look. */
  #asked = 0;
  #snapshot: Promise<SocketSnapshot> | undefined;
  /** Pid of each namespace in the last look. */
  #lastPids: ReadonlyMap<number, number> = new Map();

  private constructor(options: Required<SocketSourceOptions>, mayEnter: boolean, missing: readonly string[]) {
    this.#options = options;
    this.mode = options.mode;
    this.#mayEnter = mayEnter;
    this.missing = missing;
  }

  /** Finds the tools, tries ss once, and falls back to /proc where it cannot do what is asked of it. Never rejects. */
  static async open(options: SocketSourceOptions = {}): Promise<SocketSource> {
    const missing: string[] = [];
    const all: Required<SocketSourceOptions> = {
      mode: options.mode ?? 'netlink',
      procRoot: options.procRoot ?? '/proc',
      ss: options.ss ?? findProgram('ss') ?? '',
      nsenter: options.nsenter ?? findProgram('nsenter') ?? '',
      maxSockets: options.maxSockets ?? 100_000,
      maxNamespaces: options.maxNamespaces ?? 1024,
      timeLimitMs: options.timeLimitMs ?? 10_000,
      maxTools: options.maxTools ?? 4,
      tools: options.tools ?? new ToolShells({ maxTools: options.maxTools ?? 4 }),
      maxAsked: options.maxAsked ?? 32,
      ignoredPids: options.ignoredPids ?? (() => new Set()),
    };
    const isRoot = mayEnterNamespaces(all.procRoot);
    if (all.mode === 'proc') return new SocketSource(all, false, missing);
    const refusal = all.ss === '' ? 'ss (iproute2) is not installed' : await refusalOf(all);
    if (refusal !== '') {
      missing.push(`${refusal}: TCP without round-trip times, losses and octets`);
      return new SocketSource({ ...all, mode: 'proc' }, false, missing);
    }
    const others = 'TCP of containers and other network namespaces without round-trip times, losses and octets';
    if (!isRoot) missing.push(`not root (CAP_SYS_ADMIN): ${others}`);
    else if (all.nsenter === '') missing.push(`nsenter (util-linux) is not installed: ${others}`);
    return new SocketSource(all, isRoot && all.nsenter !== '', missing);
  }

  /**
   * Looks at all sockets once. Asked again before that has ended, it gives the same snapshot. Never rejects: what could not be read is
   * counted. TCP sockets of a namespace where nothing happened since the last look are the same objects as then.
   */
  snapshot(): Promise<SocketSnapshot> {
    this.#snapshot ??= this.#look().finally(() => {
      this.#snapshot = undefined;
    });
    return this.#snapshot;
  }

  /** Takes word that the kernel destroyed a socket: no later snapshot shows it, even where its namespace is not read again. */
  closed(namespace: number, cookie: string): void {
    const table = this.#tables.get(namespace);
    if (table !== undefined && cookie !== '' && table.closed.size <= MOST_CLOSED) table.closed.add(cookie);
  }

  /** Ends what runs. */
  close(): void {
    this.#options.tools.close();
  }

  async #look(): Promise<SocketSnapshot> {
    const { procRoot, maxNamespaces, maxSockets, maxTools } = this.#options;
    const timeMs = Date.now();
    this.counters.snapshots++;
    const ignoredPids = this.#options.ignoredPids();
    const list = listNetworkNamespaces({ procRoot, maxNamespaces, ignoredPids, lastPids: this.#lastPids });
    this.#lastPids = new Map(list.namespaces.map(({ id, pid }) => [id, pid]));
    this.counters.namespacesBeyondLimit += list.beyondLimit;
    const parts: (NamespaceSockets | undefined)[] = [];
    let taken = 0;
    this.#asked = 0;
    const readMs = ({ id, pid }: NetworkNamespace) => (pid === 0 ? -1 : (this.#tables.get(id)?.readMs ?? 0));
    const inTurn = [...list.namespaces.entries()].sort(([, one], [, other]) => readMs(one) - readMs(other));
    const waiting = inTurn.values();
    const work = async () => {
      for (const [index, namespace] of waiting) {
        const part = await this.#readNamespace(namespace, Math.max(0, maxSockets - taken));
        parts[index] = part;
        taken += part === undefined ? 0 : part.tcp.sockets.length + part.udp.length;
        // A thousand quiet namespaces would be one long turn.
        await nextTurn();
      }
    };
    await Promise.all(Array.from({ length: maxTools }, work));

    const sockets: SocketEntry[] = [];
    const namespaces: NetworkNamespace[] = [];
    this.#tables = new Map();
    for (const part of parts) {
      if (part === undefined) continue;
      // Several namespaces were read at once, each with the room there was then.
      const tcp = this.#fitting(part.tcp.sockets, maxSockets - sockets.length);
      for (const entry of tcp) sockets.push(entry);
      for (const entry of this.#fitting(part.udp, maxSockets - sockets.length)) sockets.push(entry);
      const isCut = tcp.length < part.tcp.sockets.length;
      this.#tables.set(part.namespace.id, isCut ? { ...part.tcp, sockets: tcp, mark: '' } : part.tcp);
      namespaces.push(part.namespace);
    }
    return { timeMs, sockets, namespaces };
  }

  /** Undefined where the namespace's process went away: its pid may lead into another one by now. */
  async #readNamespace(namespace: NetworkNamespace, room: number): Promise<NamespaceSockets | undefined> {
    const activity = readNamespaceActivity(`${this.#directory(namespace)}/net`);
    const tcp = await this.#tcpTable(namespace, activity, room);
    const udp: SocketEntry[] = [];
    if (activity?.hasUdp !== false) {
      await this.#readFiles(namespace, ['udp', 'udp6'], udp, Math.max(0, room - tcp.sockets.length));
    }
    if (namespace.pid !== 0 && !isStillIn(this.#directory(namespace), namespace.id)) {
      this.counters.namespacesVanished++;
      return undefined;
    }
    if (tcp.isStale) this.counters.tablesStale++;
    return { namespace, tcp, udp };
  }

  #fitting(entries: readonly SocketEntry[], room: number): readonly SocketEntry[] {
    if (entries.length <= room) return entries;
    this.counters.socketsBeyondLimit += entries.length - room;
    return entries.slice(0, room);
  }

  /** TCP sockets of a namespace: unchanged, by ss, from an earlier snapshot, or from /proc. */
  async #tcpTable(
    namespace: NetworkNamespace,
    activity: NamespaceActivity | undefined,
    room: number,
  ): Promise<TcpTable> {
    const readMs = performance.now();
    const last = this.#tables.get(namespace.id);
    const isRecent = last !== undefined && readMs - last.readMs < LONGEST_REUSE_MS;
    const closed = new Set<string>();
    if (activity?.hasTcp === false) return { sockets: [], mark: '', readMs, isStale: false, closed };
    if (isRecent && last.mark !== '' && last.mark === activity?.tcpMark && last.sockets.length <= room) {
      this.counters.tablesUnchanged++;
      return last;
    }
    const isAsked = this.mode === 'netlink' && (namespace.pid === 0 || this.#mayEnter);
    if (isAsked) {
      const mayWait = namespace.pid !== 0 && isRecent && last.closed.size < MOST_CLOSED;
      if (mayWait && this.#asked >= this.#options.maxAsked && last.sockets.length <= room) {
        this.counters.tablesPostponed++;
        return { ...last, sockets: living(last.sockets, last.closed), mark: '' };
      }
      if (namespace.pid !== 0) this.#asked++;
      const answered = await this.#askKernel(namespace, room);
      if (answered !== undefined) {
        // One may have been destroyed while ss was at work.
        const sockets = living(answered, last?.closed);
        const table = { sockets, mark: markOf(sockets, activity?.tcpMark), readMs, isStale: false, closed };
        this.#tables.set(namespace.id, table);
        return table;
      }
      if (isRecent) return { ...last, sockets: living(last.sockets, last.closed), mark: '', isStale: true };
    }
    const sockets: SocketEntry[] = [];
    await this.#readFiles(namespace, ['tcp', 'tcp6'], sockets, room);
    // Where ss failed it has its turn again next time.
    return { sockets, mark: isAsked ? '' : markOf(sockets, activity?.tcpMark), readMs, isStale: false, closed };
  }

  async #askKernel(namespace: NetworkNamespace, room: number): Promise<readonly SocketEntry[] | undefined> {
    const { ss, nsenter, procRoot, timeLimitMs } = this.#options;
    const isOwn = namespace.pid === 0;
    // The namespace is gone. Whether a pid used again led into another one is found out after its other tables were read.
    if (!isOwn && !isStillIn(this.#directory(namespace), namespace.id)) return undefined;
    const within = isOwn ? [] : [nsenter, `--net=${procRoot}/${namespace.pid}/ns/net`];
    this.counters.toolsRun++;
    const reader = new InetDiagReader(namespace.id, room);
    const command = [...within, ss, ...SS_ARGUMENTS];
    const end = await this.#options.tools.run(command, { timeMs: timeLimitMs }, (octets) => reader.push(octets));
    if (end.isTimedOut) this.counters.toolTimeouts++;
    this.counters.socketsBeyondLimit += reader.socketsBeyondLimit;
    this.counters.entriesInvalid += reader.messagesInvalid;
    if (end.code === 0 && reader.isWhole) return reader.sockets;
    this.counters.toolFailures++;
    return undefined;
  }

  async #readFiles(
    namespace: NetworkNamespace,
    files: readonly ProcNetFile[],
    into: SocketEntry[],
    room: number,
  ): Promise<void> {
    for (const file of files) {
      const result = await readProcNet(`${this.#directory(namespace)}/net`, file, namespace.id, into, room);
      this.counters.entriesInvalid += result.rowsInvalid;
      this.counters.socketsBeyondLimit += result.socketsBeyondLimit;
    }
  }

  #directory({ pid }: NetworkNamespace): string {
    return `${this.#options.procRoot}/${pid === 0 ? 'self' : pid}`;
  }
}

/** Without those that were destroyed. */
function living(sockets: readonly SocketEntry[], closed: ReadonlySet<string> | undefined): readonly SocketEntry[] {
  return closed === undefined || closed.size === 0 ? sockets : sockets.filter(({ cookie }) => !closed.has(cookie));
}

/** `mark` where none of the sockets changes without it. */
function markOf(sockets: readonly SocketEntry[], mark: string | undefined): string {
  return mark !== undefined && sockets.every(({ state }) => LASTING_STATES.has(state)) ? mark : '';
}

/** Why ss cannot be used, `''` where it can: one try in the own namespace. */
async function refusalOf({ ss, procRoot, timeLimitMs }: Required<SocketSourceOptions>): Promise<string> {
  const namespace = { id: linkedNamespace(`${procRoot}/self`), pid: 0 };
  const child = startInNamespace({ program: ss, args: SS_ARGUMENTS, namespace, nsenter: '', procRoot });
  if (child === undefined) return 'ss cannot be started';
  const reader = new InetDiagReader(namespace.id, 0);
  const end = await followTool(child, timeLimitMs, (octets) => reader.push(octets));
  if (end.isTimedOut) return 'ss does not end';
  if (end.code === 0 && reader.isWhole) return '';
  return `ss -D gives nothing to read${end.errorText === '' ? '' : ` (${end.errorText})`}`;
}
