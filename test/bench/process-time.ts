import { spawn } from 'node:child_process';
import { readdirSync, readFileSync } from 'node:fs';

/** What a command and all its descendants took. */
export interface ProcessTime {
  /** CPU seconds in the program and in the kernel for it. */
  readonly cpu: number;
  /** Seconds on the clock. */
  readonly wall: number;
  /** Largest resident set of any one process, MiB. */
  readonly residentMiB: number;
  readonly exitCode: number;
}

/**
 * Runs a shell command with its output thrown away (unless it redirects it itself) and reads the kernel's accounting of the
 * finished process tree: bash's `time` for CPU and clock, /proc for the resident set.
 */
export function timeCommand(command: string): Promise<ProcessTime> {
  const script = `TIMEFORMAT='#time %U %S %R'; time { ${command} ; } 2>/dev/null`;
  return new Promise((resolve, reject) => {
    const child = spawn('bash', ['-c', script], { stdio: ['ignore', 'ignore', 'pipe'] });
    let text = '';
    let residentKiB = 0;
    const poll = setInterval(() => {
      residentKiB = Math.max(residentKiB, largestResidentKiB(child.pid ?? -1));
    }, POLL_MS);
    child.stderr.on('data', (chunk) => {
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

const POLL_MS = 50;

/** Peak resident set of the largest process below `root`, as the kernel tells it. */
function largestResidentKiB(root: number): number {
  const parents = new Map<number, number>();
  for (const name of readdirSync('/proc')) {
    if (!/^\d+$/.test(name)) continue;
    try {
      const stat = readFileSync(`/proc/${name}/stat`, 'latin1');
      parents.set(Number(name), Number(stat.slice(stat.lastIndexOf(')') + 2).split(' ')[1]));
    } catch {
      // gone meanwhile
    }
  }
  let largest = 0;
  for (const pid of parents.keys()) {
    let ancestor: number | undefined = pid;
    while (ancestor !== undefined && ancestor !== root) ancestor = parents.get(ancestor);
    if (ancestor === undefined || pid === root) continue;
    try {
      const peak = /VmHWM:\s+(\d+)/.exec(readFileSync(`/proc/${pid}/status`, 'latin1'));
      largest = Math.max(largest, Number(peak?.[1] ?? 0));
    } catch {
      // gone meanwhile
    }
  }
  return largest;
}

/** The middle one of several figures. */
export function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  const middle = sorted.length >> 1;
  return sorted.length % 2 === 1 ? sorted[middle]! : (sorted[middle - 1]! + sorted[middle]!) / 2;
}
