import type { KernelEvent } from './kernel-event.ts';
import { PackageNames } from './package-names.ts';
import { type ProcessStat, ProcFiles } from './proc-files.ts';
import type { ProcessInfo } from './process-info.ts';
import { UserNames } from './user-names.ts';

/** Where a {@link ProcessTable} looks, and how much it keeps. */
export interface ProcessTableOptions {
  /** Where processes are. */
  readonly procRoot?: string;
  readonly users?: UserNames;
  readonly packages?: PackageNames;
  /**
   * Whether to read arguments, as is the default. They may hold secrets, and a process that hangs with its memory map locked holds up
   * whoever reads them.
   */
  readonly readsCommandLines?: boolean;
  /** Processes kept, living or gone; of what events tell of processes not asked for, a quarter of that. */
  readonly maxProcesses?: number;
  /** Rounds for which a process that is gone is kept. */
  readonly roundsKept?: number;
  /** Rounds after which a living process is read anew whole: it may have changed its user or its program. */
  readonly roundsBetweenReads?: number;
}

/** What the table holds; what changes in it is what {@link ProcessInfo} says of now. */
type Row = { -readonly [Field in keyof ProcessInfo]: ProcessInfo[Field] };

interface Entry {
  /** Undefined where there was no such process. */
  row: Row | undefined;
  /** The round of the last look, and of the last whole reading. */
  checkedRound: number;
  readRound: number;
  /** Whether the next look is due at once, and whether it has to read the whole. */
  isUnchecked: boolean;
  isOutdated: boolean;
  hasExited: boolean;
  /** When an event said so, Unix milliseconds; 0 for none. */
  exitMs: number;
}

/** Longest text of a kernel event that is kept, characters. */
const MAX_TEXT_LENGTH = 4096;
/** Where package managers put programs. Other paths are not looked at: a container's may name a dead file server here. */
const PACKAGED_PATH = /^\/(?:usr|bin|sbin|lib\d*|opt)\//;

/**
 * The processes of this host by pid, read when asked for and then looked at again once a round at most. A pid that went to
 * another process never gives the old one; a process that is gone stays known for some rounds, so that the last of its flows has
 * its owner. Whoever lived too short to be read is known by what kernel events tell.
 *
 * Within a round the same object is given for a pid; it is never changed but for the memory in it and for names of users and
 * packages that become known later. A process that runs another program or has other rights is another object.
 */
export class ProcessTable {
  /** Where it reads, with counts of what could not be read. */
  readonly files: ProcFiles;
  readonly users: UserNames;
  readonly packages: PackageNames;
  /** Processes forgotten because a limit was reached. */
  evicted = 0;
  /** Times a pid turned out to be another process. */
  pidsReused = 0;
  /** Processes known from kernel events alone: they were gone before they could be read. */
  knownByEvents = 0;
  readonly #readsCommandLines: boolean;
  readonly #maxProcesses: number;
  readonly #roundsKept: number;
  readonly #roundsBetweenReads: number;
  /** In the order in which they were first asked for. */
  readonly #entries = new Map<number, Entry>();
  /** The last EXEC of each pid that has not been asked for. */
  readonly #execs = new Map<number, KernelEvent>();
  /** Rows whose program is a file of this host, so that its package manager may know it. */
  readonly #packaged = new WeakSet<Row>();
  #round = 0;

  constructor(options: ProcessTableOptions = {}) {
    this.files = new ProcFiles(options.procRoot);
    this.users = options.users ?? new UserNames();
    this.packages = options.packages ?? new PackageNames();
    this.#readsCommandLines = options.readsCommandLines ?? true;
    this.#maxProcesses = options.maxProcesses ?? 65_536;
    this.#roundsKept = options.roundsKept ?? 12;
    this.#roundsBetweenReads = options.roundsBetweenReads ?? 12;
  }

  /** Processes kept, those without one included. */
  get size(): number {
    return this.#entries.size;
  }

  /** Begins a round: from now on each process asked for is looked at again. */
  startRound(): void {
    this.#round++;
    this.users.refresh();
    const eldest = this.#round - this.#roundsKept;
    for (const [pid, entry] of this.#entries) {
      // Living ones that nobody asks for go as well.
      const isKept = entry.row !== undefined && entry.checkedRound >= eldest;
      if (!isKept) this.#entries.delete(pid);
    }
  }

  /** The process that has a pid now, or had it a short while ago; undefined for none. */
  process(pid: number): ProcessInfo | undefined {
    const entry = this.#entries.get(pid);
    if (entry === undefined) return this.#readNew(pid);
    if (entry.isUnchecked || entry.checkedRound !== this.#round) this.#check(pid, entry);
    this.#nameLater(entry.row);
    return entry.row;
  }

  /** The process that began another one; undefined where it is gone, or its pid went to a younger process. */
  father(info: ProcessInfo): ProcessInfo | undefined {
    if (info.fatherPid === 0) return undefined;
    const father = this.process(info.fatherPid);
    const isElder = father !== undefined && (info.startTicks === 0 || father.startTicks <= info.startTicks);
    return isElder ? father : undefined;
  }

  /** Whether a process known by pid and beginning still lives, as of this round. */
  isAlive(pid: number, startTicks: number): boolean {
    const info = this.process(pid);
    return info !== undefined && info.startTicks === startTicks && this.#entries.get(pid)?.hasExited === false;
  }

  /**
   * Learns from a kernel event. EXEC and EXIT cost next to nothing; a process that an event of a socket tells of is read at once
   * unless it is known, for it may be gone by the next round.
   */
  observe(event: KernelEvent): void {
    const { pid, kind } = event;
    if (pid <= 0) return;
    const entry = this.#entries.get(pid);
    if (kind === 'EXEC') {
      if (entry?.hasExited) this.#entries.delete(pid);
      else if (entry !== undefined) entry.isUnchecked = entry.isOutdated = true;
      this.#keepExec(event);
    } else if (kind === 'EXIT') {
      if (entry?.row !== undefined) {
        entry.hasExited = true;
        entry.exitMs = event.timeMs;
      } else this.#entries.delete(pid);
    } else {
      // Whoever does something lives: that a process with this pid was not there or has ended says nothing any more.
      if (entry !== undefined && (entry.hasExited || entry.row === undefined)) entry.isUnchecked = true;
      const known = this.process(pid);
      const now = this.#entries.get(pid);
      if (known === undefined || now?.hasExited === true) this.#learn(event, known, now?.exitMs ?? 0);
    }
  }

  /** Looks whether the process is still the same, and reads it anew where that is due. */
  #check(pid: number, entry: Entry): void {
    entry.checkedRound = this.#round;
    entry.isUnchecked = false;
    const stat = this.files.stat(pid);
    const row = entry.row;
    if (stat === undefined) {
      if (row !== undefined) this.#end(pid, entry, row);
      return;
    }
    if (row === undefined || row.startTicks !== stat.startTicks) {
      if (row !== undefined) this.pidsReused++;
      this.#read(pid, entry, stat, undefined);
      return;
    }
    entry.hasExited = false;
    const isDue = entry.isOutdated || this.#round - entry.readRound >= this.#roundsBetweenReads;
    if (isDue || stat.name !== row.name || stat.fatherPid !== row.fatherPid) this.#read(pid, entry, stat, row);
    else updateMemory(row, stat);
  }

  /** It is gone. What an EXEC told since the last look is what it was last. */
  #end(pid: number, entry: Entry, row: Row): void {
    entry.hasExited = true;
    const exec = this.#execs.get(pid);
    if (exec === undefined) return;
    this.#execs.delete(pid);
    entry.row = { ...this.#rowOf(exec), fatherPid: row.fatherPid, startTicks: row.startTicks, cgroup: row.cgroup };
  }

  #readNew(pid: number): ProcessInfo | undefined {
    if (!Number.isSafeInteger(pid) || pid <= 0) return undefined;
    const entry = this.#newEntry(undefined, false);
    const stat = this.files.stat(pid);
    if (stat !== undefined) this.#read(pid, entry, stat, undefined);
    if (entry.row === undefined) {
      const exec = this.#execs.get(pid);
      if (exec !== undefined) {
        entry.row = this.#rowOf(exec);
        entry.hasExited = true;
        this.knownByEvents++;
      }
    }
    this.#execs.delete(pid);
    this.#keep(pid, entry);
    return entry.row;
  }

  /** Reads all of a process. `known` is what the table has of it, and stays where nothing but memory has changed. */
  #read(pid: number, entry: Entry, stat: ProcessStat, known: Row | undefined): void {
    const { files, users } = this;
    const status = files.status(pid);
    const programPath = files.programPath(pid);
    const read: Row = {
      pid,
      startTicks: stat.startTicks,
      fatherPid: stat.fatherPid,
      name: stat.name,
      path: programPath || stat.name,
      commandLine: this.#readsCommandLines ? files.commandLine(pid) : '',
      userId: status?.userId ?? -1,
      userName: status === undefined ? '' : users.userName(status.userId),
      groupId: status?.groupId ?? -1,
      groupName: status === undefined ? '' : users.groupName(status.groupId),
      virtualKib: Math.floor(stat.virtualOctets / 1024),
      virtualPeakKib: status?.virtualPeakKib ?? 0,
      packageName: '',
      cgroup: files.cgroup(pid),
    };
    // Between the first and the last reading it may have ended, and its pid gone to another.
    const startTicksAfter = files.stat(pid)?.startTicks;
    entry.hasExited = startTicksAfter !== stat.startTicks;
    if (status === undefined || (entry.hasExited && (known !== undefined || startTicksAfter !== undefined))) {
      entry.row = known;
      entry.isUnchecked = startTicksAfter !== undefined;
      return;
    }
    this.#execs.delete(pid);
    entry.readRound = this.#round;
    entry.isOutdated = false;
    entry.exitMs = 0;
    const mayBePackaged = this.packages.manager !== 'none' && PACKAGED_PATH.test(programPath);
    if (mayBePackaged && files.runsFile(pid, programPath)) this.#packaged.add(read);
    if (known !== undefined && isSame(known, read)) updateMemory(known, stat, read.virtualPeakKib);
    else entry.row = read;
    this.#nameLater(entry.row);
  }

  /** Puts in what is looked up in the background. */
  #nameLater(row: Row | undefined): void {
    if (row === undefined) return;
    if (row.packageName === '' && this.#packaged.has(row)) row.packageName = this.packages.packageName(row.path) ?? '';
    if (row.userId < 0) return;
    row.userName = this.users.userName(row.userId);
    row.groupName = this.users.groupName(row.groupId);
  }

  /** Makes a process of an event, after it could not be read. `former` had the pid before, until `exitMs`. */
  #learn(event: KernelEvent, former: ProcessInfo | undefined, exitMs: number): void {
    // The kernel closes the sockets of a process after it has told of its end; whoever else acts later is another.
    const mayBeLate = event.kind === 'CLOSE' || event.kind === 'RETRANSMIT';
    const isLater = exitMs !== 0 && event.timeMs > exitMs && !mayBeLate;
    if (former?.name === event.name && former.userId === event.userId && !isLater) return;
    const exec = this.#execs.get(event.pid);
    const row = this.#rowOf(exec !== undefined && event.path === '' ? { ...event, path: exec.path } : event);
    this.#execs.delete(event.pid);
    this.#keep(event.pid, this.#newEntry(row, true));
    this.knownByEvents++;
  }

  #newEntry(row: Row | undefined, hasExited: boolean): Entry {
    const round = this.#round;
    return {
      row,
      checkedRound: round,
      readRound: round,
      isUnchecked: false,
      isOutdated: false,
      hasExited,
      exitMs: 0,
    };
  }

  #rowOf(event: KernelEvent): Row {
    const name = event.name.slice(0, MAX_TEXT_LENGTH);
    return {
      pid: event.pid,
      startTicks: 0,
      fatherPid: event.fatherPid,
      name,
      path: event.path.slice(0, MAX_TEXT_LENGTH) || name,
      commandLine: '',
      userId: event.userId,
      userName: this.users.userName(event.userId),
      groupId: event.groupId,
      groupName: this.users.groupName(event.groupId),
      virtualKib: 0,
      virtualPeakKib: 0,
      packageName: '',
      cgroup: '',
    };
  }

  #keepExec(event: KernelEvent): void {
    this.#execs.delete(event.pid);
    if (this.#execs.size >= this.#maxProcesses / 4) deleteFirst(this.#execs);
    this.#execs.set(event.pid, event);
  }

  #keep(pid: number, entry: Entry): void {
    this.#entries.delete(pid);
    if (this.#entries.size >= this.#maxProcesses) {
      deleteFirst(this.#entries);
      this.evicted++;
    }
    this.#entries.set(pid, entry);
  }
}

function updateMemory(row: Row, stat: ProcessStat, peakKib = 0): void {
  row.virtualKib = Math.floor(stat.virtualOctets / 1024);
  row.virtualPeakKib = Math.max(row.virtualPeakKib, row.virtualKib, peakKib);
}

/** Whether two readings are of the same program with the same rights, under the same father. */
function isSame(one: Row, other: Row): boolean {
  return (
    one.name === other.name &&
    one.path === other.path &&
    one.commandLine === other.commandLine &&
    one.userId === other.userId &&
    one.groupId === other.groupId &&
    one.fatherPid === other.fatherPid &&
    one.cgroup === other.cgroup
  );
}

function deleteFirst(map: Map<number, unknown>): void {
  for (const key of map.keys()) {
    map.delete(key);
    return;
  }
}
