/** Collectors that read sockets only, given a capture over loopback: their CPU without the sender's. */

import { execFile } from 'node:child_process';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { descendantsOf, portState } from './kernel-accounting.ts';
import { type ProcessTime, startTimed } from './process-time.ts';

const SENDER = fileURLToPath(new URL('./send-capture.js', import.meta.url));
const START_TIMEOUT_MS = 10_000;
const DRAIN_TIMEOUT_MS = 10_000;
const STOP_TIMEOUT_MS = 10_000;

/** What a collector took of a capture sent to it. */
export interface LoopbackRun {
  readonly time: ProcessTime;
  readonly sent: number;
  /** Datagrams it did not read in time. */
  readonly drops: number;
}

/** Starts `command`, which listens on `port`, sends it the capture at `rate` datagrams a second, and ends it with SIGTERM. */
export async function overLoopback(command: string, port: number, capture: string, rate: number): Promise<LoopbackRun> {
  const { pid, done } = startTimed(command);
  try {
    await until(() => portState(port).sockets > 0, START_TIMEOUT_MS, `${command} does not listen`);
    await sleep(200);
    const { stdout } = await promisify(execFile)('node', [SENDER, capture, String(port), String(rate)]);
    await until(() => portState(port).queued === 0, DRAIN_TIMEOUT_MS, `${command} does not read`);
    await sleep(300);
    const { drops } = portState(port);
    endTree(pid, 'SIGTERM');
    return { time: await ended(pid, done), sent: (JSON.parse(stdout) as { sent: number }).sent, drops };
  } finally {
    endTree(pid, 'SIGKILL');
  }
}

/** The time of a command that has been told to end; it is killed when it does not. */
export async function ended(pid: number, done: Promise<ProcessTime>): Promise<ProcessTime> {
  const kill = setTimeout(() => endTree(pid, 'SIGKILL'), STOP_TIMEOUT_MS);
  try {
    return await done;
  } finally {
    clearTimeout(kill);
  }
}

/** Signals what the shell `pid` has started. */
export function endTree(pid: number, signal: 'SIGINT' | 'SIGTERM' | 'SIGKILL'): void {
  for (const descendant of descendantsOf(pid)) {
    try {
      process.kill(descendant, signal);
    } catch {
      // It has ended meanwhile.
    }
  }
}

/** Waits for `isSo`; throws `otherwise` when it takes too long. */
export async function until(isSo: () => boolean, timeoutMs: number, otherwise: string): Promise<void> {
  const deadline = performance.now() + timeoutMs;
  while (!isSo()) {
    if (performance.now() > deadline) throw new Error(otherwise);
    await sleep(20);
  }
}
