/** One run over loopback: a receiver, a sender beside it, and what the kernel and the receiver say of it. */

import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { rmSync, statSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { cpuSecondsOfTree, descendantsOf, memoryOf, portState } from './kernel-accounting.ts';
import { until } from './loopback-collector.ts';
import { RECEIVER_PORT, type Receiver, SENDER, STATUS_PORT } from './receivers.ts';
import type { Protocol } from './traffic.ts';

/** What is sent. */
export interface Load {
  readonly protocol: Protocol;
  /** Datagrams a second. */
  readonly rate: number;
  readonly seconds: number;
  /** Processes that send, each its part. */
  readonly senders: number;
  /** Options of send.ts. */
  readonly options: readonly string[];
}

/** What a run looks after. */
export interface Watch {
  /** A file that grows, removed before and after; `/dev/null` for none. */
  readonly output: string;
  /** The run ends when the file has so many octets. */
  readonly outputLimit: number;
  /** Called with the receiver once it listens. */
  onStart?(receiver: ChildProcess): void;
  /** Called twice a second. */
  onTick?(receiver: ChildProcess, seconds: number): void;
}

/** What came of a run. */
export interface LiveRun {
  readonly sent: number;
  /** Seconds that the sender took for its data. */
  readonly seconds: number;
  /** Datagrams a second, as sent. */
  readonly rate: number;
  /** Datagrams that the kernel dropped at the socket. */
  readonly drops: number;
  /** CPU seconds of the receiver and all it started. */
  readonly cpu: number;
  /** Peak resident set of the receiver itself. */
  readonly residentMiB: number;
  /** Octets in the output file at the end. */
  readonly outputOctets: number;
  /** Datagrams that flowrelay decoded, and its own count of drops; undefined of others. */
  readonly decoded: number | undefined;
  readonly dropsTold: number | undefined;
  /** Octets of receive buffer that the kernel gave, as flowrelay tells. */
  readonly bufferGot: number | undefined;
}

const START_TIMEOUT_MS = 10_000;
const DRAIN_TIMEOUT_MS = 60_000;
const STOP_TIMEOUT_MS = 10_000;
const TICK_MS = 500;

/** Starts the receiver, sends, waits until all is read, and ends it. */
export async function runLive(receiver: Receiver, load: Load, watch: Watch): Promise<LiveRun> {
  const hasOutput = watch.output !== '/dev/null';
  if (hasOutput) rmSync(watch.output, { force: true });
  const child = receiver.start(load.protocol);
  const pid = child.pid!;
  const senders: ChildProcess[] = [];
  try {
    await until(() => portState(RECEIVER_PORT).sockets > 0, START_TIMEOUT_MS, `${receiver.name} does not listen`);
    await sleep(300);
    watch.onStart?.(child);
    const before = cpuSecondsOfTree(pid);
    const results = startSenders(load, senders);
    const start = performance.now();
    const tick = setInterval(() => {
      watch.onTick?.(child, (performance.now() - start) / 1000);
      if (hasOutput && octetsOf(watch.output) > watch.outputLimit) for (const sender of senders) sender.kill('SIGTERM');
    }, TICK_MS);
    let reports: SenderReport[];
    try {
      reports = await Promise.all(results);
    } finally {
      clearInterval(tick);
    }
    await until(() => portState(RECEIVER_PORT).queued === 0, DRAIN_TIMEOUT_MS, `${receiver.name} does not read`);
    await sleep(500);
    const { drops } = portState(RECEIVER_PORT);
    const told = receiver.isOurs ? await toldByUs() : undefined;
    const sent = reports.reduce((sum, report) => sum + report.sent, 0);
    const seconds = Math.max(...reports.map((report) => report.seconds));
    return {
      sent,
      seconds,
      rate: sent / seconds,
      drops,
      cpu: cpuSecondsOfTree(pid) - before,
      residentMiB: memoryOf(pid).peakKiB / 1024,
      outputOctets: hasOutput ? octetsOf(watch.output) : 0,
      decoded: told?.decoded,
      dropsTold: told?.drops,
      bufferGot: told?.bufferGot,
    };
  } finally {
    for (const sender of senders) sender.kill('SIGKILL');
    await end(child);
    if (hasOutput) rmSync(watch.output, { force: true });
  }
}

interface SenderReport {
  readonly sent: number;
  readonly seconds: number;
}

function startSenders({ protocol, rate, seconds, senders, options }: Load, into: ChildProcess[]) {
  return Array.from({ length: senders }, async (): Promise<SenderReport> => {
    const part = String(rate / senders);
    const sender = spawn('node', [SENDER, protocol, String(RECEIVER_PORT), part, String(seconds), ...options], {
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    into.push(sender);
    let text = '';
    sender.stdout.on('data', (chunk) => {
      text += chunk;
    });
    await once(sender, 'close');
    return JSON.parse(text) as SenderReport;
  });
}

/** What flowrelay's status page says of the messages and sockets. */
async function toldByUs(): Promise<{ decoded: number; drops: number; bufferGot: number }> {
  const metrics = await (await fetch(`http://127.0.0.1:${STATUS_PORT}/metrics`)).text();
  const total = (name: string) =>
    metrics
      .split('\n')
      .filter((line) => line.startsWith(`${name}{`) || line.startsWith(`${name} `))
      .reduce((sum, line) => sum + Number(line.slice(line.lastIndexOf(' ') + 1)), 0);
  const health = (await (await fetch(`http://127.0.0.1:${STATUS_PORT}/health`)).json()) as {
    listeners: readonly { receiveBufferGot?: number }[];
  };
  return {
    decoded: total('flowrelay_messages_decoded_total'),
    drops: total('flowrelay_listener_kernel_drops_total'),
    bufferGot: health.listeners[0]?.receiveBufferGot ?? 0,
  };
}

/** Ends a receiver and what it started, at last by force. */
async function end(child: ChildProcess): Promise<void> {
  const started = descendantsOf(child.pid!);
  if (child.exitCode === null && child.signalCode === null) {
    const force = setTimeout(() => child.kill('SIGKILL'), STOP_TIMEOUT_MS);
    child.kill('SIGINT');
    await once(child, 'exit');
    clearTimeout(force);
  }
  for (const pid of started) {
    try {
      process.kill(pid, 'SIGKILL');
    } catch {
      // It has ended with its parent.
    }
  }
}

function octetsOf(path: string): number {
  return statSync(path, { throwIfNoEntry: false })?.size ?? 0;
}
