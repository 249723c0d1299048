/**
 * What the agent costs at its default interval once it has settled, its tools included and bpftrace apart: beside 100 and 10,000 sockets, 100 containers, and 4,000
 * connections a second. Sockets and containers are in namespaces of their own, so that nothing else of the machine is looked at. Needs root,
 * bpftrace, Python. Words: the names of what to measure, all when left out.
 */

import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import {
  closeSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  openSync,
  readFileSync,
  rmdirSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { AgentLoad, CONNECTIONS, CONTAINERS, SOCKETS } from './agent-load.ts';
import { cpuSecondsOf, cpuSecondsWithEnded, descendantsOf, memoryOf, nameOf } from './kernel-accounting.ts';
import { until } from './loopback-collector.ts';
import { describeMachine, versionOf } from './machine.ts';

const PROGRAM = 'dist/main.js';
const STATUS = '127.0.0.1:9899';
const SECONDS = 60;
/** Before that all flows are told of for the first time. */
const SETTLE_MS = 30_000;
const START_TIMEOUT_MS = 60_000;
const CONNECTIONS_A_SECOND = 4000;
/** Its lines are half a gigabyte a minute. */
const CONNECTIONS_SECONDS = 30;
const CGROUP_ROOT = ['/sys/fs/cgroup/unified', '/sys/fs/cgroup'].find((root) =>
  existsSync(join(root, 'cgroup.procs')),
)!;

/** CPU seconds of the program, of its tools but bpftrace, and of that. */
interface Cpu {
  readonly alone: number;
  readonly tools: number;
  readonly bpftrace: number;
}

/** What the same question costs whoever asks it the least: ss in a shell; and a program of Node.js that only wakes. At the same interval, beside. */
const COMPARED: Readonly<Record<string, readonly string[]>> = {
  'ss in a shell': ['sh', '-c', 'while :; do ss -tnaie > /dev/null; sleep 5; done'],
  'Node.js asleep': [process.execPath, '-e', 'setInterval(() => {}, 5000)'],
};

/** {@link COMPARED}, at work in the namespaces of a load. */
class Compared {
  readonly #children = new Map<string, ChildProcess>();

  constructor(load: AgentLoad) {
    for (const [name, command] of Object.entries(COMPARED)) {
      const words = ['--target', String(load.pid), '--net', '--pid', '--mount', ...command];
      this.#children.set(name, spawn('nsenter', words, { stdio: 'ignore', detached: true }));
    }
  }

  /** CPU seconds so far of each. */
  cpu(): Map<string, number> {
    const seconds = new Map<string, number>();
    for (const [name, { pid }] of this.#children) {
      const all = [pid!, ...descendantsOf(pid!)];
      seconds.set(
        name,
        all.reduce((sum, each) => sum + cpuSecondsWithEnded(each), 0),
      );
    }
    return seconds;
  }

  end(): void {
    for (const { pid } of this.#children.values()) process.kill(-pid!, 'SIGKILL');
  }
}

/** The program beside a load, its lines in a file. */
class MeasuredAgent {
  readonly directory = mkdtempSync(join(tmpdir(), 'flowrelay-agent-'));
  readonly #load: AgentLoad;
  readonly #child: ChildProcess;

  constructor(load: AgentLoad, isAlone: boolean, words: readonly string[] = []) {
    this.#load = load;
    const apart = isAlone ? ['--pid', '--mount'] : [];
    const command = [
      process.execPath,
      ...(process.env['NODE_PROFILE']?.split(' ') ?? []),
      PROGRAM,
      'agent',
      '--status',
      STATUS,
      ...words,
    ];
    const [output, log] = [openSync(this.output, 'w'), openSync(join(this.directory, 'log'), 'w')];
    this.#child = spawn(
      'nsenter',
      ['--target', String(load.pid), '--net', ...apart, `--wd=${process.cwd()}`, ...command],
      {
        stdio: ['ignore', output, log],
      },
    );
    closeSync(output);
    closeSync(log);
  }

  /** Its lines. */
  get output(): string {
    return join(this.directory, 'lines');
  }

  get log(): string {
    return readFileSync(join(this.directory, 'log'), 'utf8');
  }

  /** Waits until it has begun, kernel events too. */
  async begun(): Promise<void> {
    const last = optionsOfAgent.includes('netlink') ? '"started"' : 'kernel events are on';
    await until(() => this.log.includes(last), START_TIMEOUT_MS, `it does not begin: ${this.log}`);
  }

  get pid(): number {
    const { pid } = this.#child;
    return [pid!, ...descendantsOf(pid!)].find((each) => nameOf(each) === 'node')!;
  }

  /** CPU seconds so far. */
  cpu(): Cpu {
    const { pid } = this;
    const alone = cpuSecondsOf(pid);
    const cpu = { alone, tools: cpuSecondsWithEnded(pid) - alone, bpftrace: 0 };
    for (const each of descendantsOf(pid)) {
      cpu[nameOf(each) === 'bpftrace' ? 'bpftrace' : 'tools'] += cpuSecondsWithEnded(each);
    }
    return cpu;
  }

  /** A figure of its status page. */
  metrics(): (name: string) => number {
    const fetching = `fetch('http://${STATUS}/metrics').then((answer) => answer.text()).then((text) => console.log(text))`;
    const words = ['--target', String(this.#load.pid), '--net', process.execPath, '-e', fetching];
    const text = execFileSync('nsenter', words, { encoding: 'utf8' });
    return (name) => Number(new RegExp(`^flowrelay_agent_${name} (.+)$`, 'm').exec(text)?.[1] ?? Number.NaN);
  }

  /** Ends it, and gives the text of its lines. */
  async end(): Promise<string> {
    process.kill(this.pid, 'SIGTERM');
    if (this.#child.exitCode === null) await once(this.#child, 'exit');
    const text = readFileSync(this.output, 'latin1');
    rmSync(this.directory, { recursive: true, force: true });
    return text;
  }
}

function report(name: string, agent: MeasuredAgent, before: Cpu, seconds: number): void {
  const cpu = agent.cpu();
  const metric = agent.metrics();
  const share = (used: number) => `${((100 * used) / seconds).toFixed(2)} %`;
  const { residentKiB, peakKiB } = memoryOf(agent.pid);
  const mebibytes = (kibibytes: number) => `${Math.round(kibibytes / 1024)} MiB`;
  const alone = cpu.alone - before.alone;
  const tools = cpu.tools - before.tools;
  const bpftrace = share(cpu.bpftrace - before.bpftrace);
  console.log(`${name}: ${share(alone + tools)} of a core, tools ${share(tools)} of it; bpftrace ${bpftrace}`);
  console.log(`  resident ${mebibytes(residentKiB)}, at its peak ${mebibytes(peakKiB)}; ${toolsOf(agent.pid)}`);
  console.log(
    `  sockets ${metric('sockets')}, last round ${Math.round(metric('round_ms'))} ms, flow records ${metric('flow_records_total')}, ` +
      `event records ${metric('event_records_total')}, events ${metric('events_events_total')}, lost ${metric('events_lost_total')}, ` +
      `closes ${metric('closes_closes_total')}, lost ${metric('closes_closes_lost_total')}, ended ${metric('closes_children_ended_total')}, invalid ${metric('closes_lines_invalid_total')}`,
  );
}

/** Tools that stay, and their memory. */
function toolsOf(pid: number): string {
  const tools = new Map<string, number[]>();
  for (const each of descendantsOf(pid)) {
    const name = nameOf(each);
    tools.set(name, [...(tools.get(name) ?? []), memoryOf(each).residentKiB]);
  }
  const texts = [...tools].map(([name, kibibytes]) => {
    const sum = kibibytes.reduce((total, each) => total + each, 0);
    return `${kibibytes.length} × ${name} ${Math.round(sum / 1024)} MiB`;
  });
  return `tools: ${texts.join(', ')}`;
}

async function measureBeside(
  name: string,
  source: string,
  words: readonly number[],
  begunLines: number,
  prepare?: (load: AgentLoad) => () => void,
): Promise<void> {
  const load = new AgentLoad(source, words, true);
  await until(() => load.lines.length >= begunLines, START_TIMEOUT_MS, 'the load has not begun');
  const undo = prepare?.(load);
  const agent = new MeasuredAgent(load, true, optionsOfAgent);
  const compared = new Compared(load);
  try {
    await agent.begun();
    await sleep(SETTLE_MS);
    const before = agent.cpu();
    const comparedBefore = compared.cpu();
    const beganMs = performance.now();
    await sleep(1000 * SECONDS);
    const seconds = (performance.now() - beganMs) / 1000;
    report(name, agent, before, seconds);
    for (const [what, used] of compared.cpu()) {
      console.log(
        `  beside it, ${what}: ${((100 * (used - comparedBefore.get(what)!)) / seconds).toFixed(2)} % of a core`,
      );
    }
  } finally {
    compared.end();
    await agent.end();
    await load.end();
    // The kernel takes processes out of their cgroups when it is done with them.
    await sleep(500);
    undo?.();
  }
}

/** Puts each process of a load in a cgroup as Docker makes them. */
function asContainers(load: AgentLoad): () => void {
  const directories: string[] = [];
  for (const pid of descendantsOf(load.pid)) {
    const directory = join(CGROUP_ROOT, `docker-${randomBytes(32).toString('hex')}.scope`);
    mkdirSync(directory);
    writeFileSync(join(directory, 'cgroup.procs'), String(pid));
    directories.push(directory);
  }
  return () => {
    for (const directory of directories) rmdirSync(directory);
  };
}

async function measureConnections(): Promise<void> {
  const load = new AgentLoad(CONNECTIONS, [CONNECTIONS_A_SECOND, CONNECTIONS_SECONDS], false);
  await until(() => load.lines.length > 0, START_TIMEOUT_MS, 'the load has not begun');
  const agent = new MeasuredAgent(load, false, optionsOfAgent);
  await agent.begun();
  await sleep(SETTLE_MS);
  const before = agent.cpu();
  const beganMs = performance.now();
  load.go();
  await until(() => load.lines.length > 1, 5000 * CONNECTIONS_SECONDS, 'connections are not made');
  await sleep(2000);
  const { port, made, seconds } = JSON.parse(load.lines[1]!) as { port: number; made: number; seconds: number };
  report(`${Math.round(made / seconds)} connections/s`, agent, before, (performance.now() - beganMs) / 1000);
  const text = await agent.end();
  const flows = text
    .split('\n')
    .filter((line) => line.startsWith('{"RECORD_TYPE":"flow"') && line.includes(`"L4_DST_PORT":${port},`));
  const withOwners = flows.filter((line) => line.includes('"SRC_PROC_PID"') && line.includes('"DST_PROC_PID"'));
  const octets = flows.reduce((sum, line) => sum + Number(/"IN_BYTES":(\d+)/.exec(line)?.[1] ?? 0), 0);
  const connections = new Set(
    flows.map((line) => `${/"L4_SRC_PORT":\d+/.exec(line)?.[0]} ${/"FLOW_START_MILLISECONDS":\d+/.exec(line)?.[0]}`),
  );
  console.log(
    `  of ${made} connections of an octet each: flows ${flows.length} (${connections.size} by port and time), with both processes ${withOwners.length}, octets ${octets}`,
  );
  await load.end();
}

const MEASURED: Readonly<Record<string, () => Promise<void>>> = {
  'sockets-100': () => measureBeside('100 sockets, all at work', SOCKETS, [100, 1, 0], 5),
  'sockets-100-new': () => measureBeside('100 sockets, all at work, a new one each second', SOCKETS, [100, 1, 1], 5),
  'sockets-10000': () => measureBeside('10,000 sockets, a tenth at work', SOCKETS, [10_000, 0.1, 1], 5),
  'sockets-10000-busy': () => measureBeside('10,000 sockets, all at work', SOCKETS, [10_000, 1, 1], 5),
  'containers-100': () => measureBeside('100 containers, 9 sockets each', CONTAINERS, [100], 1, asContainers),
  'connections-4000': measureConnections,
};

const words = process.argv.slice(2);
const optionsOfAgent = words.filter((word) => word.startsWith('--')).flatMap((word) => word.split('='));
const names = words.filter((word) => !word.startsWith('--'));
console.log(describeMachine());
console.log([versionOf('bpftrace', '--version'), versionOf('ss', '-V')].join(', '));
for (const name of names.length > 0 ? names : Object.keys(MEASURED)) {
  const measure = MEASURED[name];
  if (measure === undefined)
    throw new Error(`nothing is called ${name}: there are ${Object.keys(MEASURED).join(', ')}`);
  await measure();
}
