/**
 * Datagrams on loopback to JSON lines: the rate that flowrelay and its peers hold without losing one, and their CPU for each.
 * The sender runs on the same machine.
 *
 *   npm run bench:live -- [--seconds N] [--protocols v5,v9,…] [--nfdump DIR] [--output FILE] [--rates N,N,…]
 *
 * Without --rates the loss-free rate is looked for by halving, in runs of 5 s, and confirmed by one of --seconds.
 */

import { type ChildProcess, execFileSync, type SpawnOptions, spawn } from 'node:child_process';
import { mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { cpus, tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import type { Protocol } from './traffic.ts';

interface Receiver {
  readonly name: string;
  start(protocol: Protocol): ChildProcess;
}

interface Run {
  readonly sent: number;
  readonly rate: number;
  readonly drops: number;
  readonly cpu: number;
  readonly residentMiB: number;
}

const { values } = parseArgs({
  options: {
    seconds: { type: 'string', default: '60' },
    protocols: { type: 'string', default: 'v9,v5,ipfix,sflow' },
    nfdump: { type: 'string', default: '' },
    pmacct: { type: 'boolean', default: false },
    output: { type: 'string', default: '/dev/null' },
    rates: { type: 'string', default: '' },
    exporters: { type: 'string', default: '1' },
    work: { type: 'string', default: join(tmpdir(), 'flowrelay-bench') },
  },
});

const PORT = 29_950;
const SEND = fileURLToPath(new URL('./send.js', import.meta.url));
const MAIN = resolve('dist/main.js');
const LOWEST = 5000;
const HIGHEST = 200_000;
const TRIAL_SECONDS = 5;

mkdirSync(values.work, { recursive: true });
const quiet: SpawnOptions = { stdio: 'ignore' };

const receivers: Receiver[] = [
  {
    name: 'flowrelay',
    start: () =>
      spawn(
        'node',
        [MAIN, 'collect', '--listen', `udp://127.0.0.1:${PORT}`, '--json', values.output, '--status', 'off'],
        quiet,
      ),
  },
];
if (values.nfdump !== '') {
  receivers.push({
    name: 'nfcapd to its binary file',
    start: (protocol) => {
      const store = join(values.work, 'live-store');
      rmSync(store, { recursive: true, force: true });
      mkdirSync(store);
      const program = protocol === 'sflow' ? 'sfcapd' : 'nfcapd';
      const options = ['-b', '127.0.0.1', '-p', String(PORT), '-w', store, '-t', '3600', '-B', String(32 << 20)];
      return spawn(join(values.nfdump, program), options, quiet);
    },
  });
}
if (values.pmacct) {
  receivers.push({
    name: 'pmacct to JSON',
    start: (protocol) => {
      const program = protocol === 'sflow' ? 'sfacctd' : 'nfacctd';
      const prefix = protocol === 'sflow' ? 'sfacctd' : 'nfacctd';
      const configuration = join(values.work, 'live-pmacct.conf');
      writeFileSync(
        configuration,
        [
          `${prefix}_ip: 127.0.0.1`,
          `${prefix}_port: ${PORT}`,
          `${prefix}_pipe_size: ${32 << 20}`,
          'plugins: print',
          'aggregate: src_host,dst_host,src_port,dst_port,proto,tos,tcpflags,in_iface,out_iface,src_as,dst_as',
          'print_output: json',
          'print_refresh_time: 10',
          'print_output_file: /dev/null',
          'plugin_buffer_size: 1024000',
          'plugin_pipe_size: 102400000',
          '',
        ].join('\n'),
      );
      return spawn(program, ['-f', configuration], quiet);
    },
  });
}

const limit = readFileSync('/proc/sys/net/core/rmem_max', 'latin1').trim();
console.log(`${cpus()[0]?.model}, node ${process.version}, net.core.rmem_max ${limit}, lines to ${values.output}`);
for (const protocol of values.protocols.split(',') as Protocol[]) {
  console.log(`\n${protocol}`);
  for (const receiver of receivers) await measure(receiver, protocol);
}

async function measure(receiver: Receiver, protocol: Protocol): Promise<void> {
  const rates = values.rates === '' ? [await search(receiver, protocol)] : values.rates.split(',').map(Number);
  for (const rate of rates) {
    const run = await once(receiver, protocol, rate, Number(values.seconds));
    const cpu = ((run.cpu / run.sent) * 1e6).toFixed(2);
    console.log(
      `${receiver.name}: ${Math.round(run.rate)} datagrams/s for ${values.seconds} s, ${run.sent} sent, ${run.drops} lost, ${cpu} µs CPU each, ${run.residentMiB.toFixed(0)} MiB`,
    );
  }
}

/** The highest rate without a loss, to about 5 %, taken 5 % down. */
async function search(receiver: Receiver, protocol: Protocol): Promise<number> {
  let low = LOWEST;
  let high = HIGHEST;
  while (high / low > 1.05) {
    const rate = Math.round(Math.sqrt(low * high));
    const run = await once(receiver, protocol, rate, TRIAL_SECONDS);
    // A sender that cannot keep up has found its own limit, not the receiver's.
    if (run.drops === 0 && run.rate > rate * 0.97) low = rate;
    else high = rate;
  }
  return Math.round(low * 0.95);
}

async function once(receiver: Receiver, protocol: Protocol, rate: number, seconds: number): Promise<Run> {
  const child = receiver.start(protocol);
  try {
    await listening();
    const before = cpuSeconds(child.pid!);
    const output = execFileSync(
      'node',
      [SEND, protocol, String(PORT), String(rate), String(seconds), values.exporters],
      {
        encoding: 'utf8',
      },
    );
    const { sent, seconds: took } = JSON.parse(output) as { sent: number; seconds: number };
    await sleep(500);
    const { drops } = socketState();
    const status = readFileSync(`/proc/${child.pid}/status`, 'latin1');
    const residentMiB = Number(/VmHWM:\s+(\d+)/.exec(status)?.[1] ?? 0) / 1024;
    return { sent, rate: sent / took, drops, cpu: cpuSeconds(child.pid!) - before, residentMiB };
  } finally {
    child.kill('SIGKILL');
    await new Promise((done) => child.once('exit', done));
  }
}

async function listening(): Promise<void> {
  for (let i = 0; i < 100; i++) {
    if (socketState().found) {
      await sleep(200);
      return;
    }
    await sleep(50);
  }
  throw new Error('the receiver does not listen');
}

/** The kernel's row of the receiving socket. */
function socketState(): { found: boolean; drops: number } {
  const port = PORT.toString(16).toUpperCase().padStart(4, '0');
  for (const line of readFileSync('/proc/net/udp', 'latin1').split('\n')) {
    const columns = line.trim().split(/\s+/);
    if (columns[1]?.endsWith(`:${port}`)) return { found: true, drops: Number(columns.at(-1)) };
  }
  return { found: false, drops: 0 };
}

/** CPU seconds of a process and its children so far. */
function cpuSeconds(pid: number): number {
  const own = ticksOf(pid);
  const children = readFileSync(`/proc/${pid}/task/${pid}/children`, 'latin1').trim().split(' ').filter(Boolean);
  return children.reduce((sum, child) => sum + ticksOf(Number(child)), own) / 100;
}

function ticksOf(pid: number): number {
  const stat = readFileSync(`/proc/${pid}/stat`, 'latin1');
  const columns = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
  return Number(columns[11]) + Number(columns[12]);
}
