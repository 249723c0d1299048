import { type ChildProcess, spawn } from 'node:child_process';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { build } from 'vite';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type Fault, FaultProxy } from '../support/fault-proxy.ts';
import { InfluxServer } from '../support/influxdb.ts';
import { hasProgram } from '../support/lab.ts';
import { repositoryPath } from '../support/program.ts';

/** FAULT_SECONDS makes it longer. */
const SECONDS = Number(process.env['FAULT_SECONDS'] ?? 16);
const RATE = 5000;
const TOTAL = RATE * SECONDS;
const KILLS = 10;
const FAULTS: readonly Fault[] = ['refuse', 'stall', 'cut-request', 429, 'cut-answer', 503, 404];
const hasInflux = hasProgram('influxd');
let folder: string;
let server: InfluxServer;
let proxy: FaultProxy;

beforeAll(async () => {
  if (!hasInflux) return;
  folder = mkdtempSync(join(tmpdir(), 'influxdb-faults-'));
  server = await InfluxServer.start();
  proxy = await FaultProxy.start(server.port);
  await build({
    root: repositoryPath('.'),
    configFile: false,
    logLevel: 'silent',
    ssr: { noExternal: true },
    build: { ssr: repositoryPath('test/support/influxdb-child.ts'), outDir: join(folder, 'child'), emptyOutDir: false },
  });
});
afterAll(async () => {
  proxy?.close();
  await server?.close();
  if (folder !== undefined) rmSync(folder, { recursive: true, force: true });
});

describe.skipIf(!hasInflux)('faults between a sink and InfluxDB', () => {
  it(`lose nothing of ${RATE} points/s for ${SECONDS} s, and write nothing twice, with the sink killed ${KILLS} times`, {
    timeout: 60_000 + 2000 * SECONDS,
  }, async () => {
    const state = join(folder, 'state');
    const countFile = join(folder, 'count');
    mkdirSync(state);
    writeFileSync(countFile, '0');
    const firstNs = BigInt(Date.now() - 60_000) * 1_000_000n;
    const words = [
      join(folder, 'child/influxdb-child.js'),
      proxy.url,
      state,
      countFile,
      String(RATE),
      String(TOTAL),
      String(firstNs),
    ];
    let errors = '';
    let isOver = false;
    const start = (): ChildProcess => {
      const child = spawn(process.execPath, words, { stdio: ['ignore', 'ignore', 'pipe'] });
      child.stderr!.on('data', (part: Buffer) => {
        errors += part.toString();
      });
      return child;
    };
    const ended = (child: ChildProcess): Promise<number | null> =>
      new Promise((resolve) => child.once('close', resolve));
    const faults = (async () => {
      for (let i = 0; !isOver; i++) {
        const fault = FAULTS[i % FAULTS.length]!;
        const before = proxy.met.get(fault);
        proxy.fault = fault;
        await sleep(500);
        // While the sink starts it sends nothing that could meet it.
        while (proxy.met.get(fault) === before && !isOver) await sleep(20);
        proxy.fault = 'none';
        await sleep(500);
      }
    })();
    for (let kill = 0; kill < KILLS; kill++) {
      const child = start();
      const end = ended(child);
      await Promise.race([end, sleep((1000 * SECONDS) / KILLS)]);
      child.kill('SIGKILL');
      await end;
    }
    isOver = true;
    await faults;
    proxy.fault = 'none';
    const code = await ended(start());
    expect({ code, errors }).toEqual({ code: 0, errors: '' });
    for (const fault of FAULTS) expect(proxy.met.get(fault), String(fault)).toBeGreaterThan(0);
    // One in ten thousand is text where others are numbers.
    const isRefused = (i: number): boolean => i % 10_000 === 9_999;
    const numbers = Array.from({ length: TOTAL }, (_, i) => i).filter((i) => !isRefused(i));
    const rows = await server.query('SELECT f FROM m');
    expect(rows.length).toBe(numbers.length);
    expect(rows.every(([, value], i) => value === numbers[i])).toBe(true);
    const refused = readFileSync(join(state, 'refused.jsonl'), 'utf8').trimEnd().split('\n');
    const times = refused.map((text) => (JSON.parse(text) as { line: string }).line.split(' ').at(-1)!);
    const expected = Array.from({ length: TOTAL }, (_, i) => i)
      .filter(isRefused)
      .map((i) => String(firstNs + BigInt(i) * 1000n));
    expect([...new Set(times)].sort()).toEqual(expected);
  });
});
