/** The network namespaces that have a process (network_namespaces(7)). */

import { readdirSync, readFileSync, readlinkSync, statSync } from 'node:fs';
import { parseStat } from './proc-files.ts';
import type { NetworkNamespace } from './socket-entry.ts';

/** What {@link listNetworkNamespaces} can be told. */
export interface NamespaceOptions {
  /** Where proc is mounted. */
  readonly procRoot: string;
  /** At most so many namespaces besides the own one. */
  readonly maxNamespaces: number;
  /** Processes that do not count: the program's own tools, which would keep a namespace in the list for ever. */
  readonly ignoredPids: ReadonlySet<number>;
  /** The pid of each namespace in the last list: it stays while its process does. */
  readonly lastPids?: ReadonlyMap<number, number>;
}

/** What {@link listNetworkNamespaces} finds. */
export interface NamespaceList {
  /** The program's own namespace first. */
  readonly namespaces: NetworkNamespace[];
  /** Namespaces left out because there were too many. */
  readonly beyondLimit: number;
}

/** Processes of one namespace that are compared. */
const MAX_CANDIDATES = 64;

/**
 * Lists each namespace once, with the pid that it had last, or that of its oldest process: those that come and go may have lower ones than those
 * that stay. Links are read anew at each call: that costs less than finding out that a pid is still the same process.
 *
 * The link of another user's process is readable for root only. Its namespace is then told apart by the inode of `/proc/PID/net/tcp`, which
 * everybody may ask for and which comes from the same numbers as those of namespaces (Linux, proc_alloc_inum); where no process of that
 * namespace has a readable link, that inode stands for it.
 */
export function listNetworkNamespaces(options: NamespaceOptions): NamespaceList {
  const { procRoot, maxNamespaces, ignoredPids, lastPids } = options;
  const own = linkedNamespace(`${procRoot}/self`);
  const namespaces: NetworkNamespace[] = [{ id: own, pid: 0 }];
  const seen = new Set([own]);
  const unreadable: number[] = [];
  let beyondLimit = 0;
  /** Processes of namespaces whose last one is gone. */
  const candidates = new Map<number, number[]>();
  const add = (id: number, pid: number): boolean => {
    if (id === 0 || seen.has(id)) return false;
    seen.add(id);
    if (namespaces.length > maxNamespaces) beyondLimit++;
    else namespaces.push({ id, pid });
    return true;
  };
  for (const pid of listPids(procRoot)) {
    if (ignoredPids.has(pid)) continue;
    const id = linkedNamespace(`${procRoot}/${pid}`);
    if (id === 0) unreadable.push(pid);
    else if (add(id, pid)) candidates.set(id, [pid]);
    else if (lastPids?.get(id) === pid) candidates.set(id, [pid]);
    else if (id !== own && lastPids?.get(id) !== candidates.get(id)?.[0]) pushCandidate(candidates, id, pid);
  }
  for (const [at, { id, pid }] of namespaces.entries()) {
    if (pid !== 0) namespaces[at] = { id, pid: oldest(procRoot, candidates.get(id) ?? [pid]) };
  }
  if (unreadable.length > 0) {
    const known = new Set<number>();
    for (const { pid } of namespaces) known.add(tableInode(`${procRoot}/${pid === 0 ? 'self' : pid}`));
    for (const pid of unreadable) {
      const inode = tableInode(`${procRoot}/${pid}`);
      if (!known.has(inode)) add(inode, pid);
    }
  }
  return { namespaces, beyondLimit };
}

function pushCandidate(candidates: ReadonlyMap<number, number[]>, id: number, pid: number): void {
  const pids = candidates.get(id);
  if (pids !== undefined && pids.length < MAX_CANDIDATES) pids.push(pid);
}

/** The process that began first, or the first of those that cannot be asked. */
function oldest(procRoot: string, pids: readonly number[]): number {
  const [first = 0] = pids;
  if (pids.length === 1) return first;
  let found = first;
  let foundTicks = Number.POSITIVE_INFINITY;
  for (const pid of pids) {
    const ticks = startTicks(`${procRoot}/${pid}`);
    if (ticks >= foundTicks) continue;
    found = pid;
    foundTicks = ticks;
  }
  return found;
}

/** When a process began, clock ticks since the boot; infinite where it is gone. */
function startTicks(directory: string): number {
  try {
    return parseStat(readFileSync(`${directory}/stat`, 'latin1'))?.startTicks ?? Number.POSITIVE_INFINITY;
  } catch {
    return Number.POSITIVE_INFINITY;
  }
}

/** Inode of the network namespace that `ns/net` of a process's directory names, 0 where it is not readable or gone. */
export function linkedNamespace(directory: string): number {
  try {
    const match = /^net:\[(\d{1,16})\]$/.exec(readlinkSync(`${directory}/ns/net`));
    return Number(match?.[1] ?? 0);
  } catch {
    return 0;
  }
}

/** Whether the process of this directory is in namespace `id` of {@link listNetworkNamespaces}. */
export function isStillIn(directory: string, id: number): boolean {
  const linked = linkedNamespace(directory);
  return linked === id || (linked === 0 && tableInode(directory) === id);
}

/** Inode of a process's table of TCP sockets, the same for all processes of a namespace; 0 where there is none. */
function tableInode(directory: string): number {
  try {
    return statSync(`${directory}/net/tcp`).ino;
  } catch {
    return 0;
  }
}

/** Ascending: the lowest pid is the likeliest to stay. */
function listPids(procRoot: string): number[] {
  try {
    const names = readdirSync(procRoot).filter((name) => /^[1-9]\d{0,9}$/.test(name));
    return names.map(Number).sort((a, b) => a - b);
  } catch {
    return [];
  }
}
