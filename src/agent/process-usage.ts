import { ProcFiles } from './proc-files.ts';
import type { ProcessUsage } from './process-info.ts';

/** How a {@link ProcessUsageMeter} looks. */
export interface ProcessUsageMeterOptions {
  /** Where processes are. */
  readonly procRoot?: string;
  /** Milliseconds of a clock that never steps. */
  readonly nowMs?: () => number;
  /** How old a look may be to serve again, milliseconds: thousands of flows of one process are one look. */
  readonly freshMs?: number;
  /** Processes whose last look is kept. */
  readonly maxProcesses?: number;
}

/** What a process had used at one moment. Never changes: marks of many flows may be the same object. */
export interface ProcessUsageMark {
  readonly pid: number;
  readonly startTicks: number;
  readonly timeMs: number;
  readonly cpuTicks: number;
  readonly pageFaults: number;
  readonly blockWaitTicks: number;
  readonly residentOctets: number;
  /** Highest resident memory since the process began. */
  readonly peakOctets: number;
}

/** Clock ticks of /proc are hundredths of a second on every processor that Node runs on (USER_HZ). */
const TICK_MS = 10;

/**
 * Tells what a process used while something lived: the caller keeps a mark of the beginning and asks for the difference at any
 * later time. The meter itself only keeps the last look at each process, so that the end of a flow has its figures when
 * its process is gone; they then reach as far as that look.
 *
 * CPU time has a resolution of 10 ms. Waiting for block devices is that of the process's first thread, and always 0 unless the kernel keeps
 * delay accounts (`sysctl kernel.task_delayacct=1`; off by default since Linux 5.14).
 */
export class ProcessUsageMeter {
  /** Where it reads, with counts of what could not be read. */
  readonly files: ProcFiles;
  readonly #nowMs: () => number;
  readonly #freshMs: number;
  readonly #maxProcesses: number;
  /** Last look at each process, the eldest first. */
  readonly #looks = new Map<number, ProcessUsageMark>();

  constructor(options: ProcessUsageMeterOptions = {}) {
    this.files = new ProcFiles(options.procRoot);
    this.#nowMs = options.nowMs ?? (() => performance.now());
    this.#freshMs = options.freshMs ?? 100;
    this.#maxProcesses = options.maxProcesses ?? 16_384;
  }

  /** Marks a beginning; undefined where there is no such process. */
  begin(pid: number): ProcessUsageMark | undefined {
    const last = this.#looks.get(pid);
    const nowMs = this.#nowMs();
    if (last !== undefined && nowMs - last.timeMs < this.#freshMs) return last;
    return this.#look(pid, nowMs);
  }

  /** What the process used since a mark; undefined where nothing but the mark is known of it. */
  since(mark: ProcessUsageMark): ProcessUsage | undefined {
    const { pid } = mark;
    const last = this.#looks.get(pid);
    const nowMs = this.#nowMs();
    const isFresh = last !== undefined && nowMs - last.timeMs < this.#freshMs && last !== mark;
    const now = isFresh ? last : (this.#look(pid, nowMs) ?? last);
    // Its pid has gone to another, or it was gone at the first look after the mark.
    if (now === undefined || now.startTicks !== mark.startTicks || now === mark) return undefined;
    // A look shared with a flow that began later may be as old as the mark.
    const elapsedMs = Math.max(now.timeMs - mark.timeMs, TICK_MS);
    // A peak that has not risen since was before the mark.
    const peakOctets = now.peakOctets > mark.peakOctets ? now.peakOctets : 0;
    return {
      residentOctets: now.residentOctets,
      residentPeakOctets: Math.max(peakOctets, now.residentOctets, mark.residentOctets),
      cpuLoad: shareOf(now.cpuTicks - mark.cpuTicks, elapsedMs),
      pageFaults: Math.max(now.pageFaults - mark.pageFaults, 0),
      ioWait: shareOf(now.blockWaitTicks - mark.blockWaitTicks, elapsedMs),
    };
  }

  #look(pid: number, nowMs: number): ProcessUsageMark | undefined {
    const stat = this.files.stat(pid);
    const status = stat && this.files.status(pid);
    if (stat === undefined || status === undefined) return undefined;
    const last = this.#looks.get(pid);
    // A zombie has no memory any more, but still its times: its last memory is that of the look before.
    const former = status.residentPeakKib === 0 && last?.startTicks === stat.startTicks ? last : undefined;
    const residentOctets = former?.residentOctets ?? status.residentKib * 1024;
    const mark = {
      pid,
      startTicks: stat.startTicks,
      timeMs: nowMs,
      cpuTicks: stat.cpuTicks,
      pageFaults: stat.pageFaults,
      blockWaitTicks: stat.blockWaitTicks,
      residentOctets,
      peakOctets: former?.peakOctets ?? Math.max(status.residentPeakKib * 1024, residentOctets),
    };
    this.#looks.delete(pid);
    if (this.#looks.size >= this.#maxProcesses) {
      for (const eldest of this.#looks.keys()) {
        this.#looks.delete(eldest);
        break;
      }
    }
    this.#looks.set(pid, mark);
    return mark;
  }
}

/** Percent times 100 of the time that passed. */
function shareOf(ticks: number, elapsedMs: number): number {
  return Math.max(Math.round((ticks * TICK_MS * 10_000) / elapsedMs), 0);
}
