/** What processes used while their flows lived (elements 383 to 394), against what the processes know of themselves. */

import { type ChildProcess, spawn } from 'node:child_process';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type AgentLine, AgentRun, total } from '../support/agent-run.ts';
import { isIntegrationRequired, missingPrograms } from '../support/lab.ts';
import { buildProgram } from '../support/program.ts';

const missing = missingPrograms('ss', 'python3');
if (missing.length > 0) {
  if (isIntegrationRequired) throw new Error(`the usage of processes cannot be tested: no ${missing.join(', ')}`);
  console.log(`tests of what processes use are skipped: no ${missing.join(', ')}`);
}

/**
 * Does one thing on purpose for some seconds after three of rest. Half of the burning is before the connection, so that a figure since the
 * process began would be another. Ten times a second it says an octet to its peer and what it used so far (getrusage(2), /proc/self/statm).
 */
const WORKER = `
import json, mmap, os, resource, socket, sys, threading, time
kind, port = sys.argv[1], int(sys.argv[2])
def burn(seconds):
    end = time.monotonic() + seconds
    while time.monotonic() < end: sum(range(1000))
def sample():
    usage = resource.getrusage(resource.RUSAGE_SELF)
    resident = int(open('/proc/self/statm').read().split()[1]) * mmap.PAGESIZE
    return {'timeMs': time.time() * 1000, 'cpu': usage.ru_utime + usage.ru_stime, 'faults': usage.ru_minflt + usage.ru_majflt,
        'resident': resident, 'peak': usage.ru_maxrss * 1024}
if kind == 'burns': burn(2)
held = []
if kind == 'allocates':
    held.append(bytearray(300 << 20)); held.clear()
client = socket.create_connection(('127.0.0.1', port))
print(json.dumps({'kind': kind, 'localPort': client.getsockname()[1]}), flush=True)
def work():
    time.sleep(3)
    if kind == 'burns': burn(4)
    if kind == 'allocates':
        for _ in range(8): held.append(bytearray(os.urandom(1)) * (50 << 20)); time.sleep(0.2)
        time.sleep(1); held.clear()
threading.Thread(target=work, daemon=True).start()
end = time.monotonic() + 8
while time.monotonic() < end:
    client.send(b'x'); print(json.dumps(sample()), flush=True); time.sleep(0.1)
client.send(b'z'); print('"done"', flush=True); sys.stdin.read()
`;

interface Sample {
  readonly timeMs: number;
  readonly cpu: number;
  readonly faults: number;
  readonly resident: number;
  readonly peak: number;
}

const KINDS = ['burns', 'allocates', 'waits'] as const;
type Kind = (typeof KINDS)[number];

describe.skipIf(missing.length > 0)('what processes used while their flows lived', () => {
  const children: ChildProcess[] = [];
  const samples: Record<Kind, Sample[]> = { burns: [], allocates: [], waits: [] };
  const ports = new Map<Kind, number>();
  let agent: AgentRun;

  const run = (source: string, ...words: readonly string[]): ChildProcess => {
    const child = spawn('python3', ['-S', '-c', source, ...words], { stdio: ['pipe', 'pipe', 'inherit'] });
    children.push(child);
    return child;
  };

  beforeAll(async () => {
    buildProgram();
    const server = run(`
import socket, threading
server = socket.create_server(('127.0.0.1', 0)); print(server.getsockname()[1], flush=True)
def serve(one):
    while one.recv(4096): pass
while True: threading.Thread(target=serve, args=(server.accept()[0],), daemon=True).start()
`);
    const port = await new Promise<number>((resolve) => server.stdout!.once('data', (text) => resolve(Number(text))));
    agent = await AgentRun.start(['--interval', '1', '--agent-mode', 'netlink', '--agent-records', 'flows'], {
      keep: (text) => text.includes(`"L4_DST_PORT":${port},`),
    });
    const ends = KINDS.map((kind) => {
      const worker = run(WORKER, kind, String(port));
      let rest = '';
      return new Promise<void>((resolve) =>
        worker.stdout!.setEncoding('utf8').on('data', (piece: string) => {
          const lines = (rest + piece).split('\n');
          rest = lines.pop()!;
          for (const line of lines) {
            const value = JSON.parse(line) as Sample | { localPort: number } | 'done';
            if (value === 'done') resolve();
            else if ('localPort' in value) ports.set(kind, value.localPort);
            else samples[kind].push(value);
          }
        }),
      );
    });
    await Promise.all(ends);
    // An octet with each sample, and the last one.
    const isTold = (kind: Kind) => total(recordsOf(kind), 'IN_BYTES') === samples[kind].length + 1;
    await agent.until(() => (KINDS.every(isTold) ? true : undefined), 'the last octet of each');
    for (const child of children) child.kill('SIGKILL');
    await agent.stop();
  });
  afterAll(() => {
    for (const child of children) child.kill('SIGKILL');
    agent?.child.kill('SIGKILL');
  });

  const recordsOf = (kind: Kind): AgentLine[] => agent.lines.filter((line) => line['L4_SRC_PORT'] === ports.get(kind));

  /** Bounds of a figure that grows, between two moments which are known to half a second. */
  function between(kind: Kind, fromMs: number, toMs: number, of: (sample: Sample) => number): [number, number] {
    const before = (timeMs: number) => of(samples[kind].findLast((each) => each.timeMs <= timeMs) ?? samples[kind][0]!);
    const after = (timeMs: number) => of(samples[kind].find((each) => each.timeMs >= timeMs) ?? samples[kind].at(-1)!);
    return [before(toMs - 500) - after(fromMs + 500), after(toMs + 500) - before(fromMs - 500)];
  }

  it.each(KINDS)(
    'are CPU load and page faults since the flow began, not since the process did: one that %s',
    (kind) => {
      const [first, ...records] = recordsOf(kind);
      const sinceMs = Number(first!['FLOW_END_MILLISECONDS']);
      expect(records.length).toBeGreaterThan(2);
      for (const record of records.filter((each) => each['FLOW_END_REASON'] === 2).slice(1)) {
        const untilMs = Number(record['FLOW_END_MILLISECONDS']);
        const [leastCpu, mostCpu] = between(kind, sinceMs, untilMs, ({ cpu }) => cpu);
        // Percent times 100 of the time that passed, which is known to half a second too.
        const load = (cpu: number, ms: number) => (cpu * 1000 * 10_000) / ms;
        const passedMs = untilMs - sinceMs;
        expect(record['SRC_PROC_AVERAGE_CPU_LOAD']).toBeGreaterThanOrEqual(
          Math.floor(load(leastCpu - 0.02, passedMs + 500)),
        );
        expect(record['SRC_PROC_AVERAGE_CPU_LOAD']).toBeLessThanOrEqual(
          Math.ceil(load(mostCpu + 0.02, passedMs - 500)),
        );
        const [leastFaults, mostFaults] = between(kind, sinceMs, untilMs, ({ faults }) => faults);
        expect(record['SRC_PROC_NUM_PAGE_FAULTS']).toBeGreaterThanOrEqual(leastFaults);
        expect(record['SRC_PROC_NUM_PAGE_FAULTS']).toBeLessThanOrEqual(mostFaults);
      }
    },
  );

  it('tell processes apart that burn, allocate and wait', () => {
    const last = (kind: Kind) => recordsOf(kind).findLast((each) => each['SRC_PROC_AVERAGE_CPU_LOAD'] !== undefined)!;
    const load = (kind: Kind) => Number(last(kind)['SRC_PROC_AVERAGE_CPU_LOAD']);
    const faults = (kind: Kind) => Number(last(kind)['SRC_PROC_NUM_PAGE_FAULTS']);
    expect(load('burns')).toBeGreaterThan(5 * load('waits'));
    // 400 MiB in pages of 4 KiB, or of 2 MiB where the kernel gives such.
    expect(faults('allocates')).toBeGreaterThan(faults('waits') + 150);
    expect(load('waits')).toBeLessThan(1500);
  });

  it('are memory now and at its highest since the flow began', () => {
    const records = recordsOf('allocates').filter((each) => each['FLOW_END_REASON'] === 2);
    const highest = Math.max(...samples.allocates.map(({ resident }) => resident));
    expect(highest).toBeGreaterThan(400 << 20);
    // What was allocated and let go before the connection is not this flow's.
    const early = records.filter((each) => Number(each['FLOW_END_MILLISECONDS']) < samples.allocates[0]!.timeMs + 1900);
    for (const record of early) expect(record['SRC_PROC_PEAK_MEMORY']).toBeLessThan(100 << 20);
    expect(early.length).toBeGreaterThan(0);
    const last = records.at(-1)!;
    expect(last['SRC_PROC_PEAK_MEMORY']).toBeGreaterThan(0.95 * highest);
    expect(last['SRC_PROC_PEAK_MEMORY']).toBeLessThanOrEqual(1.02 * samples.allocates.at(-1)!.peak);
    expect(last['SRC_PROC_ACTUAL_MEMORY']).toBeLessThan(100 << 20);
    for (const kind of ['burns', 'waits'] as const) {
      const { resident } = samples[kind].at(-1)!;
      const told = Number(recordsOf(kind).at(-1)!['SRC_PROC_ACTUAL_MEMORY']);
      expect(Math.abs(told - resident)).toBeLessThan(4 << 20);
    }
    expect(agent.faults).toEqual([]);
  });
});
