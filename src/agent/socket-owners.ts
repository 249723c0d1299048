/**
 * Which process has which socket. The kernel tells a socket's inode; who has it open is only to be seen in the links
 * under /proc/PID/fd. Those are read where an inode is new, in short slices between which the program does other things.
 */

import { type Dir, existsSync, opendirSync, readFileSync, readlinkSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { setImmediate as nextTurn } from 'node:timers/promises';
import { parsePids, wholeNumber } from './proc-files.ts';
import type { ProcessTable } from './process-table.ts';
import type { SocketEntry } from './socket-entry.ts';

/** How {@link SocketOwners} looks. */
export interface SocketOwnersOptions {
  /** Where a cgroup v2 hierarchy may be mounted; the first that is one is taken. */
  readonly cgroupRoots?: readonly string[];
  /** Sockets whose owners are kept. */
  readonly maxSockets?: number;
  /** Open files looked at in one round. */
  readonly maxFiles?: number;
  /** Longest time without letting others run, milliseconds. */
  readonly sliceMs?: number;
}

interface Owner {
  /** 0 while nobody is known to have it. */
  pid: number;
  startTicks: number;
  /** Last round in which the socket was there. */
  seenRound: number;
  /** Times it was looked for everywhere without a good answer. */
  attempts: number;
  /** The round in which it may be looked for again. */
  nextRound: number;
}

/** Rounds that a socket nobody has open is left alone, at most: kernel threads have such, and processes we may not look into. */
const MOST_ROUNDS_BETWEEN = 64;
/** Processes that one socket is compared between. */
const MOST_HOLDERS = 1024;
/** Processes of fewer sockets are read whole each time. */
const FEWEST_REMEMBERED = 16;
const MOST_CGROUPS = 16_384;
/** It opens sockets for others (systemd's socket activation): what only it has is looked for further. */
const INIT_PID = 1;
const LINK = 'socket:[';

/** See the head of this file. */
export class SocketOwners {
  /** Rounds in which files of some processes, and of all, were looked at. */
  scans = 0;
  fullScans = 0;
  filesLookedAt = 0;
  /** Times that the open files of a process could not be seen for want of rights. */
  processesDenied = 0;
  /** Sockets of the last round whose owner is not known. */
  unresolved = 0;
  /** Sockets not looked for, and rounds cut short, because there were too many sockets or files. */
  socketsDropped = 0;
  scansCutShort = 0;
  readonly #processes: ProcessTable;
  readonly #cgroupRoot: string | undefined;
  readonly #maxSockets: number;
  readonly #maxFiles: number;
  readonly #sliceMs: number;
  readonly #owners = new Map<number, Owner>();
  /** Sockets by descriptor, of processes that have many, as of the last look. */
  readonly #sockets = new Map<number, ReadonlyMap<number, number>>();
  #remembered = 0;
  /** Directories by cgroup id; `''` for an id that has none. */
  #cgroups = new Map<number, string>();
  /** Processes that owned a socket in the last round. */
  #recentOwners = new Set<number>();
  #round = 0;
  #filesLeft = 0;
  /** Whether some socket is looked for the second time: shortcuts have not found it. */
  #isRepeated = false;
  #sliceEndMs = 0;
  #last: Promise<void> = Promise.resolve();

  constructor(processes: ProcessTable, options: SocketOwnersOptions = {}) {
    const roots = options.cgroupRoots ?? ['/sys/fs/cgroup', '/sys/fs/cgroup/unified'];
    this.#processes = processes;
    this.#cgroupRoot = roots.find((root) => existsSync(join(root, 'cgroup.controllers')));
    this.#maxSockets = options.maxSockets ?? 262_144;
    this.#maxFiles = options.maxFiles ?? 1_048_576;
    this.#sliceMs = options.sliceMs ?? 5;
  }

  /** Pid of the process that has a socket, as of the last {@link resolve}; 0 where none is known. */
  ownerOf(socket: SocketEntry): number {
    return this.#owners.get(socket.inode)?.pid ?? 0;
  }

  /** What cannot be told, a line each for the log; empty with the rights to look into all processes. */
  missing(): string[] {
    try {
      opendirSync(this.#processes.files.path(INIT_PID, 'fd')).closeSync();
      return [];
    } catch {
      return [
        'owners of sockets are told for processes of this user only: all need root, or CAP_SYS_PTRACE and CAP_DAC_READ_SEARCH',
      ];
    }
  }

  /**
   * Finds the owners of all sockets of a round, those of every namespace; owners found before are kept while they live. Call
   * it after {@link ProcessTable.startRound}. A call during another one waits for that.
   *
   * Of several processes that have a socket open, those whose child has it too are left out, as servers fork to hand a connection
   * on; of the others the lowest pid owns it.
   */
  resolve(sockets: readonly SocketEntry[]): Promise<void> {
    this.#last = this.#last.then(() => this.#resolve(sockets));
    return this.#last;
  }

  async #resolve(sockets: readonly SocketEntry[]): Promise<void> {
    this.#round++;
    this.#filesLeft = this.#maxFiles;
    this.#beginSlice();
    const wanted = await this.#wanted(sockets);
    if (wanted.size > 0) {
      await this.#search(wanted, sockets);
      for (const [inode, pids] of wanted) {
        this.#settle(inode, pids);
        if (this.#isSliceOver()) await this.#pause();
      }
    }
    this.#recentOwners = new Set();
    this.unresolved = 0;
    for (const [inode, owner] of this.#owners) {
      // A namespace that could not be read this time is there again the next.
      if (owner.seenRound < this.#round - 1) this.#owners.delete(inode);
      else if (owner.pid !== 0) this.#recentOwners.add(owner.pid);
      else if (owner.seenRound === this.#round) this.unresolved++;
    }
  }

  /** Inodes to look for, with room for the pids that have them. */
  async #wanted(sockets: readonly SocketEntry[]): Promise<Map<number, number[]>> {
    const wanted = new Map<number, number[]>();
    this.#isRepeated = false;
    for (const { inode } of sockets) {
      if (inode === 0) continue;
      let owner = this.#owners.get(inode);
      if (owner === undefined) {
        if (this.#owners.size >= this.#maxSockets) {
          this.socketsDropped++;
          continue;
        }
        owner = { pid: 0, startTicks: 0, seenRound: 0, attempts: 0, nextRound: 0 };
        this.#owners.set(inode, owner);
      }
      owner.seenRound = this.#round;
      if (owner.pid !== 0 && !this.#processes.isAlive(owner.pid, owner.startTicks)) {
        // A child may have it still.
        owner.pid = owner.attempts = owner.nextRound = 0;
      }
      const isOpen = owner.pid === 0 || (owner.pid === INIT_PID && owner.attempts > 0);
      if (isOpen && owner.nextRound <= this.#round) {
        wanted.set(inode, []);
        if (owner.attempts === 1) this.#isRepeated = true;
      }
      if (this.#isSliceOver()) await this.#pause();
    }
    return wanted;
  }

  /** Looks where each is likely, then everywhere. */
  async #search(wanted: Map<number, number[]>, sockets: readonly SocketEntry[]): Promise<void> {
    this.scans++;
    const looked = new Set<number>();
    await this.#lookAt(await this.#cgroupMembers(wanted, sockets), wanted, looked);
    if (isFound(wanted)) return;
    await this.#lookAt(this.#recentOwners, wanted, looked);
    if (isFound(wanted)) return;
    this.fullScans++;
    const pids = new Set<number>();
    await this.#readDirectory(this.#processes.files.root, (name) => {
      const pid = wholeNumber(name);
      if (pid > 0) pids.add(pid);
    });
    for (const pid of this.#sockets.keys()) if (!pids.has(pid)) this.#forgetSockets(pid);
    await this.#lookAt(pids, wanted, looked);
  }

  async #lookAt(pids: Iterable<number>, wanted: Map<number, number[]>, looked: Set<number>): Promise<void> {
    for (const pid of pids) {
      if (looked.has(pid)) continue;
      if (this.#filesLeft <= 0) {
        this.scansCutShort++;
        return;
      }
      looked.add(pid);
      await this.#lookAtProcess(pid, wanted);
    }
  }

  /** Notes the process with each wanted socket that it has open. */
  async #lookAtProcess(pid: number, wanted: Map<number, number[]>): Promise<void> {
    const before = this.#sockets.get(pid);
    const now = new Map<number, number>();
    const directory = this.#processes.files.path(pid, 'fd');
    await this.#readDirectory(directory, (name) => {
      this.#filesLeft--;
      const descriptor = wholeNumber(name);
      const inode = this.#unchangedSocket(before?.get(descriptor), wanted) ?? this.#socketOf(`${directory}/${name}`);
      if (inode === 0) return;
      now.set(descriptor, inode);
      const pids = wanted.get(inode);
      if (pids !== undefined && pids.length < MOST_HOLDERS && pids.at(-1) !== pid) pids.push(pid);
    });
    this.#forgetSockets(pid);
    if (now.size < FEWEST_REMEMBERED || this.#remembered + now.size > this.#maxSockets) return;
    this.#sockets.set(pid, now);
    this.#remembered += now.size;
  }

  /**
   * A descriptor whose socket still lives has most likely still that socket, so that one new connection costs a busy server one
   * link and not ten thousand. Where that is wrong the socket looked for is not found, and the next attempt looks at everything.
   */
  #unchangedSocket(inode: number | undefined, wanted: Map<number, number[]>): number | undefined {
    if (inode === undefined || wanted.has(inode) || this.#isRepeated) return undefined;
    return this.#owners.get(inode)?.seenRound === this.#round ? inode : undefined;
  }

  /** Inode of the socket that a link names, 0 for other files. */
  #socketOf(path: string): number {
    this.filesLookedAt++;
    try {
      const target = readlinkSync(path);
      return target.startsWith(LINK) ? wholeNumber(target.slice(LINK.length, -1)) || 0 : 0;
    } catch {
      // Closed since the directory was read.
      return 0;
    }
  }

  #forgetSockets(pid: number): void {
    this.#remembered -= this.#sockets.get(pid)?.size ?? 0;
    this.#sockets.delete(pid);
  }

  /** Gives a socket to one of the processes that have it. */
  #settle(inode: number, pids: readonly number[]): void {
    const owner = this.#owners.get(inode);
    if (owner === undefined) return;
    const infos = pids.map((pid) => this.#processes.process(pid)).filter((info) => info !== undefined);
    const fathers = new Set(infos.map(({ fatherPid }) => fatherPid));
    const heirs = infos.filter(({ pid }) => !fathers.has(pid));
    const chosen = (heirs.length > 0 ? heirs : infos).reduce<(typeof infos)[number] | undefined>(
      (least, info) => (least === undefined || info.pid < least.pid ? info : least),
      undefined,
    );
    owner.pid = chosen?.pid ?? 0;
    owner.startTicks = chosen?.startTicks ?? 0;
    if (owner.pid > INIT_PID) {
      owner.attempts = 0;
      return;
    }
    owner.nextRound = this.#round + Math.min(2 ** owner.attempts, MOST_ROUNDS_BETWEEN);
    owner.attempts++;
  }

  /** Processes in the cgroups of the wanted sockets. The root's are left out: that is where everything is. */
  async #cgroupMembers(wanted: Map<number, number[]>, sockets: readonly SocketEntry[]): Promise<Set<number>> {
    const ids = new Set<number>();
    for (const { inode, cgroupId } of sockets) if (cgroupId !== 0 && wanted.has(inode)) ids.add(cgroupId);
    for (const id of ids) {
      if (this.#cgroups.has(id)) continue;
      await this.#readCgroups();
      break;
    }
    const pids = new Set<number>();
    for (const id of ids) {
      const path = this.#cgroups.get(id);
      if (path === undefined && this.#cgroups.size < MOST_CGROUPS) this.#cgroups.set(id, '');
      if (!path || path === this.#cgroupRoot) continue;
      try {
        for (const pid of parsePids(readFileSync(join(path, 'cgroup.procs'), 'utf8'))) pids.add(pid);
      } catch {
        this.#cgroups.delete(id);
      }
      if (this.#isSliceOver()) await this.#pause();
    }
    return pids;
  }

  async #readCgroups(): Promise<void> {
    if (this.#cgroupRoot === undefined) return;
    this.#cgroups = new Map();
    const paths = [this.#cgroupRoot];
    for (let path = paths.pop(); path !== undefined; path = paths.pop()) {
      const parent = path;
      if (this.#cgroups.size >= MOST_CGROUPS) return;
      try {
        this.#cgroups.set(statSync(parent).ino, parent);
      } catch {
        continue;
      }
      await this.#readDirectory(parent, (name, isDirectory) => {
        if (isDirectory) paths.push(join(parent, name));
      });
    }
  }

  /** Gives each name in a directory; one that may not be read counts, one that is gone has none. */
  async #readDirectory(path: string, take: (name: string, isDirectory: boolean) => void): Promise<void> {
    let directory: Dir | undefined;
    try {
      directory = opendirSync(path, { bufferSize: 256 });
      for (let entry = directory.readSync(); entry !== null; entry = directory.readSync()) {
        take(entry.name, entry.isDirectory());
        if (this.#isSliceOver()) await this.#pause();
      }
    } catch (error) {
      const code = error instanceof Error && 'code' in error ? error.code : undefined;
      if (code === 'EACCES' || code === 'EPERM') this.processesDenied++;
    } finally {
      directory?.closeSync();
    }
  }

  #beginSlice(): void {
    this.#sliceEndMs = performance.now() + this.#sliceMs;
  }

  #isSliceOver(): boolean {
    return performance.now() > this.#sliceEndMs;
  }

  async #pause(): Promise<void> {
    await nextTurn();
    this.#beginSlice();
  }
}

/** Whether every socket has a process besides the first. */
function isFound(wanted: ReadonlyMap<number, readonly number[]>): boolean {
  for (const pids of wanted.values()) if (!pids.some((pid) => pid !== INIT_PID)) return false;
  return true;
}
