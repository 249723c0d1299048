/** What Linux tells in /proc of processes and sockets. */

import { readdirSync, readFileSync } from 'node:fs';

/** Clock ticks in a second of `/proc/PID/stat`: the same on all of Linux' common architectures. */
const TICKS_PER_SECOND = 100;

/** Processes that `root` started, and those they started; without `root` itself. */
export function descendantsOf(root: number): number[] {
  const parents = new Map<number, number>();
  for (const name of readdirSync('/proc')) {
    if (!/^\d+$/.test(name)) continue;
    const columns = statOf(Number(name));
    if (columns !== undefined) parents.set(Number(name), Number(columns[1]));
  }
  const found: number[] = [];
  for (const pid of parents.keys()) {
    let ancestor = parents.get(pid);
    while (ancestor !== undefined && ancestor !== root) ancestor = parents.get(ancestor);
    if (ancestor === root) found.push(pid);
  }
  return found;
}

/** CPU seconds so far of a process and those below it that are still there, user and system. */
export function cpuSecondsOfTree(root: number): number {
  return [root, ...descendantsOf(root)].reduce((sum, pid) => sum + cpuSecondsOf(pid), 0);
}

/** The same of one process. */
export function cpuSecondsOf(pid: number): number {
  const columns = statOf(pid);
  return columns === undefined ? 0 : (Number(columns[11]) + Number(columns[12])) / TICKS_PER_SECOND;
}

/** The same with its children that have ended. */
export function cpuSecondsWithEnded(pid: number): number {
  const columns = statOf(pid);
  if (columns === undefined) return 0;
  return columns.slice(11, 15).reduce((sum, ticks) => sum + Number(ticks), 0) / TICKS_PER_SECOND;
}

/** What a process calls itself; `''` once it has ended. */
export function nameOf(pid: number): string {
  return textOf(`/proc/${pid}/comm`).trim();
}

/** Peak resident set of the largest process below `root`, KiB. */
export function largestResidentKiB(root: number): number {
  return descendantsOf(root).reduce((largest, pid) => Math.max(largest, memoryOf(pid).peakKiB), 0);
}

/** Resident set of a process, now and at its peak; zeros once it has ended. */
export function memoryOf(pid: number): { readonly residentKiB: number; readonly peakKiB: number } {
  const status = textOf(`/proc/${pid}/status`);
  const figure = (name: string) => Number(new RegExp(`^${name}:\\s+(\\d+)`, 'm').exec(status)?.[1] ?? 0);
  return { residentKiB: figure('VmRSS'), peakKiB: figure('VmHWM') };
}

/** The kernel's rows of the IPv4 UDP sockets bound to a port, added up. */
export interface PortState {
  readonly sockets: number;
  /** Octets not read yet. */
  readonly queued: number;
  /** Datagrams dropped because the receive buffer was full. */
  readonly drops: number;
}

/** The sockets now bound to `port`. */
export function portState(port: number): PortState {
  const suffix = `:${port.toString(16).toUpperCase().padStart(4, '0')}`;
  const rows = textOf('/proc/net/udp')
    .split('\n')
    .map((line) => line.trim().split(/\s+/))
    .filter((columns) => columns[1]?.endsWith(suffix));
  return {
    sockets: rows.length,
    queued: rows.reduce((sum, columns) => sum + Number.parseInt(columns[4]!.split(':')[1]!, 16), 0),
    drops: rows.reduce((sum, columns) => sum + Number(columns.at(-1)), 0),
  };
}

/** Columns of `/proc/PID/stat` from the process's state on. */
function statOf(pid: number): string[] | undefined {
  const stat = textOf(`/proc/${pid}/stat`);
  return stat === '' ? undefined : stat.slice(stat.lastIndexOf(')') + 2).split(' ');
}

/** A file of /proc, or `''` when what it tells of is gone. */
function textOf(path: string): string {
  try {
    return readFileSync(path, 'latin1');
  } catch {
    return '';
  }
}
