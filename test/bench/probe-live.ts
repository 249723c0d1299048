/**
 * Packets of an interface to flows: `flowrelay probe --interface lo` beside tcpreplay, which puts a capture's packets there at an even rate.
 *
 *   npm run bench:probe-live -- CAPTURE [--rate N] [--seconds N] [--buffer OCTETS] [--work DIR]
 *
 * CAPTURE (classic pcap of Ethernet, as of `bench:probe`) is repeated under new addresses to 200 MB, which tcpreplay sends again and again. Needs root and tcpreplay.
 * The status page is asked twice a second. Of lo the kernel holds each packet twice, as it goes out and as it comes in, so that one lost is told as two dropped.
 */

import { type ChildProcess, execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { parseArgs, promisify } from 'node:util';
import { printTable } from './figures.ts';
import { cpuSecondsOfTree, largestResidentKiB, memoryOf } from './kernel-accounting.ts';
import { describeMachine } from './machine.ts';
import { repeatCapture } from './repeat-capture.ts';

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    rate: { type: 'string', default: '250000' },
    seconds: { type: 'string', default: '60' },
    buffer: { type: 'string', default: '' },
    work: { type: 'string', default: join(tmpdir(), 'flowrelay-bench') },
  },
});

const CAPTURE_OCTETS = 200e6;
const STATUS = '127.0.0.1:19155';
const ASK_MS = 500;

/** What the log says at the end. */
interface Stopped {
  readonly packets: number;
  readonly packetsMetered: number;
  readonly packetsDropped: number;
  readonly flows: number;
}

mkdirSync(values.work, { recursive: true });
const source = positionals[0] ?? '';
const capture = join(resolve(values.work), 'probe-live.pcap');
repeatCapture(source, capture, Math.max(1, Math.ceil(CAPTURE_OCTETS / statSync(source).size)));

const buffer = values.buffer === '' ? [] : ['--capture-buffer', values.buffer];
const probe = spawn(
  'node',
  [resolve('dist/main.js'), 'probe', '--interface', 'lo', '--filter', 'not host 127.0.0.1', ...buffer].concat([
    '--json',
    '/dev/null',
    '--status',
    STATUS,
  ]),
  { stdio: ['ignore', 'ignore', 'pipe'] },
);
const pid = probe.pid!;
const closed = once(probe, 'close');
let log = '';
probe.stderr.on('data', (part) => {
  log += part;
});
try {
  await saying(probe, 'started');
  const cpuBefore = cpuSecondsOfTree(pid);
  const answersMs: number[] = [];
  const asking = setInterval(() => void ask(answersMs), ASK_MS);
  const { stdout } = await promisify(execFile)('tcpreplay', [
    ...['--preload-pcap', '--quiet', '--intf1=lo', `--pps=${values.rate}`, '--loop=0', `--duration=${values.seconds}`],
    capture,
  ]);
  clearInterval(asking);
  const cpu = cpuSecondsOfTree(pid) - cpuBefore;
  const [residentKiB, captureKiB] = [memoryOf(pid).peakKiB, largestResidentKiB(pid)];
  const [, sent = 0, seconds = 0] = (/Actual: (\d+) packets .* sent in ([\d.]+) seconds/.exec(stdout) ?? []).map(
    Number,
  );
  probe.kill('SIGINT');
  const stopped = await saying(probe, 'stopped');
  await closed;
  console.log(describeMachine());
  printTable(
    [
      'packets sent',
      'a second',
      'captured',
      'dropped by the kernel',
      'metered',
      'flows',
      'CPU µs a packet',
      'status page, slowest ms',
      'MiB',
      'capture MiB',
    ],
    [
      [sent, Math.round(sent / seconds), stopped.packets, stopped.packetsDropped, stopped.packetsMetered, stopped.flows]
        .map(String)
        .concat([
          ((cpu / sent) * 1e6).toFixed(2),
          Math.max(...answersMs).toFixed(0),
          (residentKiB / 1024).toFixed(0),
          (captureKiB / 1024).toFixed(0),
        ]),
    ],
  );
} finally {
  probe.kill('SIGKILL');
  rmSync(capture);
}

/** Waits for a line of the log. */
async function saying(child: ChildProcess, event: string): Promise<Stopped> {
  for (;;) {
    const line = log.split('\n').find((text) => text.includes(`"event":"${event}"`) && text.endsWith('}'));
    if (line !== undefined) return JSON.parse(line) as Stopped;
    if (child.exitCode !== null) throw new Error(`it has ended: ${log}`);
    await new Promise((done) => setTimeout(done, 20));
  }
}

async function ask(answersMs: number[]): Promise<void> {
  const startMs = performance.now();
  await (await fetch(`http://${STATUS}/metrics`)).text();
  answersMs.push(performance.now() - startMs);
}
