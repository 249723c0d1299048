/**
 * The files of /proc/PID that tell who a process is and what it used (proc(5)). Any of them may vanish between two reads, and a
 * process writes some of what is in them itself: each read is bounded, and what does not have the kernel's form is left out whole.
 */

import { closeSync, openSync, readlinkSync, readSync, statSync } from 'node:fs';

/** What /proc/PID/stat tells of a process and its threads. */
export interface ProcessStat {
  /** What the process calls itself, up to 15 octets (more for threads of the kernel); may hold parentheses and newlines. */
  readonly name: string;
  /** Field 4. */
  readonly fatherPid: number;
  /** Page faults, minor and major (fields 10 and 12). */
  readonly pageFaults: number;
  /** CPU time in user and kernel mode, clock ticks (fields 14 and 15). */
  readonly cpuTicks: number;
  /** Field 22: when it began, clock ticks after the system did. */
  readonly startTicks: number;
  /** Field 23, octets. */
  readonly virtualOctets: number;
  /** Field 42: how long the first thread waited for block devices, clock ticks; 0 unless the kernel keeps delay accounts. */
  readonly blockWaitTicks: number;
}

/** What /proc/PID/status tells besides. */
export interface ProcessStatus {
  /** Effective user and group: whose rights the process has. */
  readonly userId: number;
  readonly groupId: number;
  /** Highest virtual memory, KiB; 0 for threads of the kernel and zombies. */
  readonly virtualPeakKib: number;
  /** Resident memory now and at its highest, KiB; 0 likewise. */
  readonly residentKib: number;
  readonly residentPeakKib: number;
}

/** Longest command line that is kept, octets. */
export const MAX_COMMAND_LINE_OCTETS = 4096;
const MAX_STAT_OCTETS = 4096;
/** A process of 5,000 groups still has its memory in it. */
const MAX_STATUS_OCTETS = 65_536;
const MAX_CGROUP_OCTETS = 16_384;

/** What the kernel adds to the path of a program whose file is gone. */
const DELETED = ' (deleted)';

/** All reads are synchronous and take their text out at once. */
const BUFFER = Buffer.allocUnsafe(MAX_STATUS_OCTETS);

/** Reads what a line of /proc/PID/stat says; undefined where it is not whole. */
export function parseStat(text: string): ProcessStat | undefined {
  const nameStart = text.indexOf('(');
  // What follows the name is numbers and a letter: the last parenthesis ends it, whatever the name holds.
  const nameEnd = text.lastIndexOf(') ');
  if (nameStart < 0 || nameEnd < nameStart || !text.endsWith('\n')) return undefined;
  const fields = text.slice(nameEnd + 2, -1).split(' ');
  const field = (number: number): number => wholeNumber(fields[number - 3]);
  const stat = {
    name: text.slice(nameStart + 1, nameEnd),
    fatherPid: field(4),
    pageFaults: field(10) + field(12),
    cpuTicks: field(14) + field(15),
    startTicks: field(22),
    virtualOctets: field(23),
    blockWaitTicks: fields.length > 39 ? field(42) : 0,
  };
  const { fatherPid, pageFaults, cpuTicks, startTicks, virtualOctets, blockWaitTicks } = stat;
  const sum = fatherPid + pageFaults + cpuTicks + startTicks + virtualOctets + blockWaitTicks;
  return Number.isNaN(sum) ? undefined : stat;
}

/** Reads what /proc/PID/status says; undefined without user and group. */
export function parseStatus(text: string): ProcessStatus | undefined {
  // The kernel escapes newlines in names here, so that a line's start is its own.
  const ids = /^Uid:\t\d+\t(\d+)\t\d+\t\d+\nGid:\t\d+\t(\d+)\t\d+\t\d+\n/m.exec(text);
  const userId = wholeNumber(ids?.[1]);
  const groupId = wholeNumber(ids?.[2]);
  if (Number.isNaN(userId + groupId)) return undefined;
  const virtualPeakKib = wholeNumber(/^VmPeak:[\t ]+(\d+) kB\n/m.exec(text)?.[1]) || 0;
  const residentKib = wholeNumber(/^VmRSS:[\t ]+(\d+) kB\n/m.exec(text)?.[1]) || 0;
  const residentPeakKib = wholeNumber(/^VmHWM:[\t ]+(\d+) kB\n/m.exec(text)?.[1]) || 0;
  return { userId, groupId, virtualPeakKib, residentKib, residentPeakKib };
}

/** Arguments with spaces between: a NUL ends each, and a process that names itself anew may leave a row of them. */
export function parseCommandLine(text: string): string {
  return text.replace(/\0+$/, '').replaceAll('\0', ' ');
}

/** Pids, one a line, of a `cgroup.procs`; processes outside of the own pid namespace are 0 there and left out. */
export function parsePids(text: string): number[] {
  return text
    .split('\n')
    .map((line) => wholeNumber(line))
    .filter((pid) => pid > 0);
}

/** A decimal of digits only, NaN for anything else. */
export function wholeNumber(text: string | undefined): number {
  return text !== undefined && text.length < 21 && /^\d+$/.test(text) ? Number(text) : Number.NaN;
}

/** Reads the files under one /proc and counts what it could not read. */
export class ProcFiles {
  /** Where processes are, usually `/proc`. */
  readonly root: string;
  /** Files that were gone with their process. */
  vanished = 0;
  /** Files of processes that the program may not look into. */
  denied = 0;
  /** Files that could not be read for another reason, or did not have their form. */
  malformed = 0;

  constructor(root = '/proc') {
    this.root = root;
  }

  /** /proc/PID/stat; undefined for a process that is gone. */
  stat(pid: number): ProcessStat | undefined {
    return this.#parsed(this.#read(pid, 'stat', MAX_STAT_OCTETS), parseStat);
  }

  /** /proc/PID/status; undefined for a process that is gone. */
  status(pid: number): ProcessStatus | undefined {
    return this.#parsed(this.#read(pid, 'status', MAX_STATUS_OCTETS), parseStatus);
  }

  /** Arguments, up to {@link MAX_COMMAND_LINE_OCTETS}; `''` for threads of the kernel and processes that are gone. */
  commandLine(pid: number): string {
    return parseCommandLine(this.#read(pid, 'cmdline', MAX_COMMAND_LINE_OCTETS) ?? '');
  }

  /** Lines of /proc/PID/cgroup; `''` for a process that is gone. */
  cgroup(pid: number): string {
    return this.#read(pid, 'cgroup', MAX_CGROUP_OCTETS) ?? '';
  }

  /** The program's file as the process sees it; `''` for threads of the kernel and where it may not be read. */
  programPath(pid: number): string {
    const path = this.#try(() => readlinkSync(this.path(pid, 'exe'))) ?? '';
    return path.endsWith(DELETED) ? path.slice(0, -DELETED.length) : path;
  }

  /** Whether `path` is, for this program too, the file that the process runs: not so for one in a container. */
  runsFile(pid: number, path: string): boolean {
    const own = this.#try(() => statSync(path, { throwIfNoEntry: false }));
    const its = own && this.#try(() => statSync(this.path(pid, 'exe')));
    return own !== undefined && its !== undefined && own.ino === its.ino && own.dev === its.dev;
  }

  /** Path of a file of a process. */
  path(pid: number, file: string): string {
    return `${this.root}/${pid}/${file}`;
  }

  /** Counts a failed look by what the system said. */
  countFailure(error: unknown): void {
    const code = error instanceof Error && 'code' in error ? error.code : undefined;
    if (code === 'ENOENT' || code === 'ESRCH' || code === 'ENOTDIR') this.vanished++;
    else if (code === 'EACCES' || code === 'EPERM') this.denied++;
    else this.malformed++;
  }

  #parsed<T>(text: string | undefined, parse: (text: string) => T | undefined): T | undefined {
    if (text === undefined) return undefined;
    const parsed = parse(text);
    if (parsed === undefined) this.malformed++;
    return parsed;
  }

  #read(pid: number, file: string, limitOctets: number): string | undefined {
    return this.#try(() => readStart(this.path(pid, file), limitOctets));
  }

  #try<T>(look: () => T): T | undefined {
    try {
      return look();
    } catch (error) {
      this.countFailure(error);
      return undefined;
    }
  }
}

/** The first `limitOctets` of a file, at most 64 KiB; octets that are no UTF-8 become U+FFFD. Throws what node:fs throws. */
function readStart(path: string, limitOctets: number): string {
  const file = openSync(path, 'r');
  try {
    let length = 0;
    while (length < limitOctets) {
      const count = readSync(file, BUFFER, length, limitOctets - length, null);
      if (count === 0) break;
      length += count;
    }
    return BUFFER.toString('utf8', 0, length);
  } finally {
    closeSync(file);
  }
}
