/** Packets of an interface: a process of its own captures them, and what it writes is read as a capture file is. */

import { type ChildProcess, spawn } from 'node:child_process';
import { createInterface } from 'node:readline';
import type { Readable } from 'node:stream';
import { setTimeout as sleep } from 'node:timers/promises';
import { CAPTURE_WORD, type CaptureNews, type CaptureRequest } from './pcap-capture.ts';

/** What captures: the package `pcap`, tcpdump, or the first of them that is there. */
export type CaptureTool = 'auto' | 'pcap' | 'tcpdump';

/** How to capture, and who takes it. */
export interface LiveCaptureOptions extends CaptureRequest {
  readonly tool: CaptureTool;
  /** Takes octets of a pcap file as they come; they are good during the call only. */
  readonly onOctets: (octets: Uint8Array) => void;
  /** Called once when the capture ends without being asked to, with what is known of why. */
  readonly onEnd: (reason: string) => void;
}

/** Octets of what a process says on standard error that are kept. */
const MAX_ERROR_OCTETS = 4096;
/** A capturing process that does not end by then is killed. */
const STOP_MS = 1000;
/** The kernel hands packets of a quiet line over after a second, as tcpdump asks for it. */
const TCPDUMP_DELAY_MS = 1100;
/** The same, as the capturing process asks for it, and the time it gathers them. */
const PCAP_DELAY_MS = 150;
const COUNTS_MS = 2000;
/** Without a word for so long tcpdump is at work, or about to be. */
const QUIET_START_MS = 1500;

/** What to do without anything that captures. */
const INSTALL =
  'install tcpdump, or libpcap-dev and then the package pcap again (apt-get install tcpdump; or apt-get install libpcap-dev && npm rebuild pcap)';

/** An interface that is captured on. */
export class LiveCapture {
  readonly interfaceName: string;
  /** What captures. */
  readonly tool: 'pcap' | 'tcpdump';
  /** Packets the kernel saw. */
  packetsReceived = 0;
  /** Packets the kernel dropped because they were not taken in time. */
  packetsDropped = 0;
  readonly #child: ChildProcess;
  #isStopping = false;
  #timer: NodeJS.Timeout | undefined;
  readonly #closed: Promise<void>;

  private constructor(tool: 'pcap' | 'tcpdump', child: ChildProcess, options: LiveCaptureOptions) {
    this.tool = tool;
    this.interfaceName = options.interfaceName;
    this.#child = child;
    this.#closed = new Promise((resolve) => child.once('close', () => resolve()));
  }

  /** Starts to capture; rejects with one line that says what to do where that cannot be. */
  static async open(options: LiveCaptureOptions): Promise<LiveCapture> {
    if (options.tool !== 'tcpdump') {
      const capture = await openPcap(options);
      if (capture !== undefined) return capture;
      if (options.tool === 'pcap') {
        throw new Error(
          'the package pcap is not there or was not built: apt-get install libpcap-dev && npm rebuild pcap, or --capture-with tcpdump',
        );
      }
    }
    return openTcpdump(options);
  }

  /** Ends the capture; resolves once all that was captured was handed on. */
  async stop(): Promise<void> {
    if (this.#isStopping) return this.#closed;
    this.#isStopping = true;
    clearInterval(this.#timer);
    // What the kernel holds for it would be lost.
    await sleep(this.tool === 'tcpdump' ? TCPDUMP_DELAY_MS : PCAP_DELAY_MS);
    this.#child.kill('SIGINT');
    const timer = setTimeout(() => this.#child.kill('SIGKILL'), STOP_MS);
    await this.#closed;
    clearTimeout(timer);
  }

  /** For the two ways to open one: `started` is called when it is known to work, else `failed`. */
  static watch(
    tool: 'pcap' | 'tcpdump',
    child: ChildProcess,
    options: LiveCaptureOptions,
    settle: (result: LiveCapture | Error | undefined) => void,
  ): void {
    const capture = new LiveCapture(tool, child, options);
    let isStarted = false;
    let errorText = '';
    let failure: string | undefined;
    const start = (): void => {
      if (isStarted) return;
      isStarted = true;
      settle(capture);
    };
    child.stdout?.on('data', (octets: Uint8Array) => options.onOctets(octets));
    child.stderr?.setEncoding('utf8').on('data', (text: string) => {
      errorText = (errorText + text).slice(-MAX_ERROR_OCTETS);
      if (tool !== 'tcpdump') return;
      capture.#readTcpdump(text);
      if (/listening on/.test(errorText)) start();
    });
    const news = child.stdio[3] as Readable | null | undefined;
    if (news !== null && news !== undefined) {
      createInterface({ input: news }).on('line', (line) => {
        const said = JSON.parse(line) as CaptureNews;
        if (said.kind === 'counts') {
          capture.packetsReceived = said.received;
          capture.packetsDropped = said.dropped;
        } else if (said.kind === 'started') start();
        else if (said.kind === 'missing') settle(undefined);
        else failure = said.reason;
      });
    }
    child.once('error', (error: NodeJS.ErrnoException) => {
      settle(error.code === 'ENOENT' ? undefined : error);
    });
    child.once('close', () => {
      clearInterval(capture.#timer);
      const reason = explain(failure ?? lastLine(errorText), options.interfaceName);
      if (!isStarted) settle(new Error(`cannot capture on ${options.interfaceName}: ${reason}`));
      else if (!capture.#isStopping) options.onEnd(reason);
    });
    if (tool === 'tcpdump') {
      // Versions differ in what they say at first.
      setTimeout(() => {
        if (child.exitCode === null && child.signalCode === null) start();
      }, QUIET_START_MS).unref();
      capture.#timer = setInterval(() => {
        if (isStarted) child.kill('SIGUSR1');
      }, COUNTS_MS);
    }
  }

  /** tcpdump says its counts when asked by SIGUSR1, and at its end. */
  #readTcpdump(text: string): void {
    const received = /([0-9]+) packets? received by filter/.exec(text);
    const dropped = /([0-9]+) packets? dropped by kernel/.exec(text);
    if (received !== null) this.packetsReceived = Number(received[1]);
    if (dropped !== null) this.packetsDropped = Number(dropped[1]);
  }
}

/** Undefined where the package cannot be loaded. */
async function openPcap(options: LiveCaptureOptions): Promise<LiveCapture | undefined> {
  const { interfaceName, filter, snapLength, bufferOctets, promiscuous } = options;
  const request: CaptureRequest = { interfaceName, filter, snapLength, bufferOctets, promiscuous };
  const program = process.argv[1] ?? '';
  const child = spawn(process.execPath, [program, CAPTURE_WORD, JSON.stringify(request)], {
    stdio: ['ignore', 'pipe', 'pipe', 'pipe'],
    detached: true,
  });
  return opened('pcap', child, options);
}

async function openTcpdump(options: LiveCaptureOptions): Promise<LiveCapture> {
  const { interfaceName, filter, snapLength, bufferOctets, promiscuous } = options;
  const words = ['-i', interfaceName, '-n', '-U', '-w', '-', '-s', String(snapLength)];
  words.push('-B', String(Math.ceil(bufferOctets / 1024)), '--time-stamp-precision=nano');
  if (!promiscuous) words.push('-p');
  if (filter !== '') words.push('--', filter);
  // A group of its own: Ctrl-C ends it when all is read, not before.
  const child = spawn('tcpdump', words, { stdio: ['ignore', 'pipe', 'pipe'], detached: true });
  const capture = await opened('tcpdump', child, options);
  if (capture === undefined) throw new Error(`nothing here captures packets: ${INSTALL}`);
  return capture;
}

function opened(
  tool: 'pcap' | 'tcpdump',
  child: ChildProcess,
  options: LiveCaptureOptions,
): Promise<LiveCapture | undefined> {
  return new Promise((resolve, reject) => {
    LiveCapture.watch(tool, child, options, (result) => {
      if (result instanceof Error) reject(result);
      else resolve(result);
    });
  });
}

function lastLine(text: string): string {
  return text.trimEnd().split('\n').at(-1) ?? '';
}

/** What libpcap says, and what to do about it. */
function explain(reason: string, interfaceName: string): string {
  const said = reason.replace(/^tcpdump: /, '').replace(`${interfaceName}: `, '');
  if (/permission|not permitted/i.test(said))
    return `${said}: run as root, or setcap cap_net_raw,cap_net_admin=eip on the program that captures`;
  if (/no such device|doesn't exist|not exist/i.test(said)) return `${said}: ip link shows what interfaces there are`;
  if (/filter expression|syntax error|parse/i.test(said)) return `--filter: ${said}`;
  return said === '' ? 'the capturing process ended' : said;
}
