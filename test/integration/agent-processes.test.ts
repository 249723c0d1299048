import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { connect, createServer, type Server, type Socket } from 'node:net';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { ProcessTable } from '../../src/agent/process-table.ts';
import { ProcessUsageMeter } from '../../src/agent/process-usage.ts';
import type { SocketEntry } from '../../src/agent/socket-entry.ts';
import { SocketOwners } from '../../src/agent/socket-owners.ts';
import { isIntegrationRequired, missingPrograms } from '../support/lab.ts';

const isRoot = process.geteuid?.() === 0;
const children = new Set<ChildProcess>();
afterEach(() => {
  for (const child of children) child.kill('SIGKILL');
  children.clear();
});

/** A process that runs each line it reads and prints what getrusage(2) says of it afterwards. */
const WORKER = `
let kept;
require('node:readline').createInterface({ input: process.stdin }).on('line', (line) => {
  kept = eval(line) ?? kept;
  console.log(JSON.stringify({ ...process.resourceUsage(), resident: process.memoryUsage.rss() }));
});
`;

/** What getrusage(2) gives, times in microseconds, and resident octets. */
interface Rusage {
  readonly userCPUTime: number;
  readonly systemCPUTime: number;
  readonly minorPageFault: number;
  readonly majorPageFault: number;
  readonly resident: number;
}

class Worker {
  readonly #child: ChildProcess;
  readonly #lines: AsyncIterator<string>;

  constructor() {
    this.#child = spawn(process.execPath, ['--expose-gc', '-e', WORKER], { stdio: ['pipe', 'pipe', 'inherit'] });
    children.add(this.#child);
    this.#lines = createInterface({ input: this.#child.stdout! })[Symbol.asyncIterator]();
  }

  get pid(): number {
    return this.#child.pid!;
  }

  async run(script: string): Promise<Rusage> {
    this.#child.stdin!.write(`${script}\n`);
    return JSON.parse((await this.#lines.next()).value) as Rusage;
  }
}

/** A meter whose every look is a new one. */
const exactMeter = (): ProcessUsageMeter => new ProcessUsageMeter({ freshMs: 0 });

describe('what a process uses', () => {
  it('is the CPU time that it burns', async () => {
    const worker = new Worker();
    const before = await worker.run('0');
    const meter = exactMeter();
    const startMs = performance.now();
    const mark = meter.begin(worker.pid)!;
    const after = await worker.run(
      'for (const end = process.cpuUsage().user + 500_000; process.cpuUsage().user < end; );',
    );
    const usage = meter.since(mark)!;
    const elapsedMs = performance.now() - startMs;
    const burntMs = (after.userCPUTime + after.systemCPUTime - before.userCPUTime - before.systemCPUTime) / 1000;
    expect(burntMs).toBeGreaterThan(490);
    // Two ticks of 10 ms, and what it did outside of the two readings of its own.
    expect(Math.abs((usage.cpuLoad / 10_000) * elapsedMs - burntMs)).toBeLessThan(20 + burntMs * 0.1);
  });

  it('is the memory that it takes, its peak and its page faults', async () => {
    const worker = new Worker();
    const before = await worker.run('0');
    const meter = exactMeter();
    const mark = meter.begin(worker.pid)!;
    const after = await worker.run('Buffer.alloc(96 << 20, 1)');
    const usage = meter.since(mark)!;
    expect(after.resident - before.resident).toBeGreaterThan(90 << 20);
    expect(Math.abs(usage.residentOctets - after.resident)).toBeLessThan(8 << 20);
    expect(usage.residentPeakOctets).toBeGreaterThanOrEqual(usage.residentOctets);
    const faults = after.minorPageFault + after.majorPageFault - before.minorPageFault - before.majorPageFault;
    expect(faults).toBeGreaterThan(100);
    expect(Math.abs(usage.pageFaults - faults)).toBeLessThan(200 + faults * 0.1);
  });

  it('has its peak between two looks', async () => {
    const worker = new Worker();
    await worker.run('0');
    const meter = exactMeter();
    const mark = meter.begin(worker.pid)!;
    await worker.run('Buffer.alloc(96 << 20, 1); 0');
    await worker.run('gc(); 0');
    const usage = meter.since(mark)!;
    expect(usage.residentOctets - mark.residentOctets).toBeLessThan(50 << 20);
    expect(usage.residentPeakOctets - mark.residentOctets).toBeGreaterThan(90 << 20);
  });
});

describe('waiting for a disk', () => {
  const SWITCH = '/proc/sys/kernel/task_delayacct';
  const missing = missingPrograms('dd');
  const obstacle =
    missing.length > 0 ? 'dd is not installed' : isRoot ? undefined : 'only root may have delays accounted';
  if (obstacle !== undefined) {
    if (isIntegrationRequired) throw new Error(`waiting for a disk cannot be tested: ${obstacle}`);
    console.log(`waiting for a disk is not tested: ${obstacle}`);
  }
  let before = '';
  let directory = '';
  beforeAll(() => {
    if (obstacle !== undefined) return;
    before = readFileSync(SWITCH, 'latin1');
    writeFileSync(SWITCH, '1');
    // Memory file systems are often mounted on /tmp: reading from them waits for nothing.
    directory = mkdtempSync('/var/tmp/flowrelay-disk-');
  });
  afterAll(() => {
    if (obstacle !== undefined) return;
    writeFileSync(SWITCH, before);
    rmSync(directory, { recursive: true });
  });

  it.skipIf(obstacle !== undefined)('is seen where the kernel accounts for it', async () => {
    const file = join(directory, 'file');
    const [written] = await once(
      spawn('dd', ['if=/dev/zero', `of=${file}`, 'bs=1M', 'count=16', 'conv=fsync'], { stdio: 'ignore' }),
      'exit',
    );
    expect(written).toBe(0);
    // Octet by octet past the page cache, for as long as we look.
    const script = `while :; do dd if=${file} of=/dev/null bs=4k iflag=direct 2>/dev/null; done`;
    const shell = spawn('sh', ['-c', script], { stdio: 'ignore', detached: true });
    try {
      const meter = exactMeter();
      const ioWait = await until(async () => {
        const pid = childOf(shell.pid!);
        const mark = pid === undefined ? undefined : meter.begin(pid);
        if (mark === undefined) return undefined;
        await sleep(150);
        const usage = meter.since(mark);
        return usage !== undefined && usage.ioWait > 0 ? usage.ioWait : undefined;
      });
      expect(ioWait).toBeGreaterThan(100);
      expect(ioWait).toBeLessThanOrEqual(11_000);
    } finally {
      process.kill(-shell.pid!, 'SIGKILL');
    }
  });
});

describe('who has a socket', () => {
  let server: Server;
  const accepted: Socket[] = [];
  beforeAll(async () => {
    server = createServer((each) => accepted.push(each)).listen(0, '127.0.0.1');
    await once(server, 'listening');
  });
  afterAll(() => {
    for (const each of accepted) each.destroy();
    server.close();
  });

  it('is told of real processes, and of a connection handed on to a child', async () => {
    const { port } = server.address() as { port: number };
    const client = new Worker();
    await client.run(`globalThis.s = require('node:net').connect(${port}, '127.0.0.1'); 0`);
    const mine = connect(port, '127.0.0.1');
    await until(async () => (accepted.length === 2 ? true : undefined));
    const handedOn = accepted.find(({ remotePort }) => remotePort === mine.localPort)!;
    const heir = spawn('sleep', ['60'], { stdio: ['ignore', 'ignore', 'ignore', handedOn] });
    children.add(heir);
    const of = (localPort: number, remotePort: number): SocketEntry => entryOf(localPort, remotePort);
    const theirPort = accepted.find((each) => each !== handedOn)!.remotePort!;
    const sockets = [
      of(port, mine.localPort!),
      of(mine.localPort!, port),
      of(theirPort, port),
      of(port, theirPort),
      of(port, 0),
    ];
    expect(sockets.map(({ inode }) => inode > 0)).toEqual([true, true, true, true, true]);
    const table = new ProcessTable();
    const owners = new SocketOwners(table);
    expect(owners.missing()).toEqual(isRoot ? [] : [expect.stringContaining('this user only')]);
    table.startRound();
    await owners.resolve(sockets);
    expect(sockets.map((each) => owners.ownerOf(each))).toEqual([
      heir.pid,
      process.pid,
      client.pid,
      process.pid,
      process.pid,
    ]);
    const info = table.process(heir.pid!)!;
    expect(info).toMatchObject({ name: 'sleep', commandLine: 'sleep 60', fatherPid: process.pid });
    expect(table.father(info)?.pid).toBe(process.pid);

    // When the child is gone, its father has the connection.
    heir.kill('SIGKILL');
    await once(heir, 'exit');
    table.startRound();
    await owners.resolve(sockets);
    expect(owners.ownerOf(sockets[0]!)).toBe(process.pid);
    mine.destroy();
  });

  it.skipIf(!isRoot)('is not told of other users without their rights, which is said and counted', async () => {
    const table = new ProcessTable();
    const owners = new SocketOwners(table);
    const { port } = server.address() as { port: number };
    const client = new Worker();
    const before = accepted.length;
    await client.run(`globalThis.s = require('node:net').connect(${port}, '127.0.0.1'); 0`);
    await until(async () => (accepted.length > before ? true : undefined));
    const its = entryOf(accepted.at(-1)!.remotePort!, port);
    const mine = entryOf(port, 0);
    process.seteuid!(65_534);
    try {
      expect(owners.missing()).toEqual([expect.stringContaining('this user only')]);
      table.startRound();
      await owners.resolve([its, mine]);
      expect([owners.ownerOf(its), owners.ownerOf(mine)]).toEqual([0, process.pid]);
      expect([owners.processesDenied > 0, owners.unresolved]).toEqual([true, 1]);
      // What all may read is still told.
      expect(table.process(1)).toMatchObject({ pid: 1, userId: 0, fatherPid: 0 });
    } finally {
      process.seteuid!(0);
    }
  });
});

/** Asks until there is an answer, at most half a minute. */
async function until<T>(ask: () => Promise<T | undefined>): Promise<T> {
  for (const endMs = Date.now() + 30_000; Date.now() < endMs; await sleep(20)) {
    const answer = await ask();
    if (answer !== undefined) return answer;
  }
  throw new Error('waited too long');
}

/** A process whose father is `pid`. */
function childOf(pid: number): number | undefined {
  const text = readFileSync(`/proc/${pid}/task/${pid}/children`, 'latin1').trim().split(' ')[0];
  return text ? Number(text) : undefined;
}

/** A socket of /proc/net/tcp by its ports, 0 for one that listens. */
function entryOf(localPort: number, remotePort: number): SocketEntry {
  const hex = (port: number): string => port.toString(16).toUpperCase().padStart(4, '0');
  const line = readFileSync('/proc/net/tcp', 'latin1')
    .split('\n')
    .map((text) => text.trim().split(/\s+/))
    .find(([, local, remote]) => local?.endsWith(`:${hex(localPort)}`) && remote?.endsWith(`:${hex(remotePort)}`));
  return {
    namespace: 0,
    protocol: 6,
    localAddress: '127.0.0.1',
    localPort,
    remoteAddress: '127.0.0.1',
    remotePort,
    state: 'ESTABLISHED',
    userId: 0,
    inode: Number(line?.[9] ?? 0),
    cookie: '',
    cgroupId: 0,
    tcp: undefined,
  };
}
