import { type ChildProcess, spawn } from 'node:child_process';
import { largestResidentKiB } from './kernel-accounting.ts';

/** What a command and all its descendants took. */
export interface ProcessTime {
  /** CPU seconds in the program and in the kernel for it. */
  readonly cpu: number;
  /** Seconds on the clock. */
  readonly wall: number;
  /** Largest resident set of any one process, MiB; 0 where it was not looked at. */
  readonly residentMiB: number;
  readonly exitCode: number;
}

/** A command under way. */
export interface TimedCommand {
  /** Process id of the shell that runs it. */
  readonly pid: number;
  /** Settles when it has ended. */
  readonly done: Promise<ProcessTime>;
}

const POLL_MS = 50;

/**
 * Starts a shell command with its output thrown away (unless it redirects it itself) and reads the kernel's accounting of the
 * finished process tree: bash's `time` for CPU and clock, /proc for the resident set. `watchesMemory` false saves the looks
 * into /proc, which weigh on the shortest runs.
 */
export function startTimed(command: string, watchesMemory = true): TimedCommand {
  const script = `TIMEFORMAT='#time %U %S %R'; time { ${command} ; } 2>/dev/null`;
  const child = spawn('bash', ['-c', script], { stdio: ['ignore', 'ignore', 'pipe'] });
  return { pid: child.pid ?? -1, done: timeOf(child, watchesMemory) };
}

/** Runs a command as {@link startTimed} does, to its end. */
export function timeCommand(command: string, watchesMemory = true): Promise<ProcessTime> {
  return startTimed(command, watchesMemory).done;
}

function timeOf(child: ChildProcess, watchesMemory: boolean): Promise<ProcessTime> {
  return new Promise((resolve, reject) => {
    let text = '';
    let residentKiB = 0;
    const look = () => {
      residentKiB = Math.max(residentKiB, largestResidentKiB(child.pid ?? -1));
    };
    const poll = watchesMemory ? setInterval(look, POLL_MS) : undefined;
    child.stderr!.on('data', (chunk) => {
      text += chunk;
    });
    child.on('error', reject);
    child.on('close', (exitCode) => {
      clearInterval(poll);
      const match = /#time ([\d.]+) ([\d.]+) ([\d.]+)/.exec(text);
      if (match === null) {
        reject(new Error(`no time in: ${text}`));
        return;
      }
      const [, user, system, wall] = match.map(Number);
      resolve({ cpu: user! + system!, wall: wall!, residentMiB: residentKiB / 1024, exitCode: exitCode ?? -1 });
    });
  });
}
