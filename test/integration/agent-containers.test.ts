/** The agent beside real containers of three engines: whose each connection is, at both ends, and whose veth an interface is. */

import { type ChildProcess, spawn } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { ContainerLab, containerObstacle } from '../support/container-lab.ts';
import { lineProblems } from '../support/json-line.ts';
import { isIntegrationRequired, missingPrograms } from '../support/lab.ts';
import { buildProgram, PROGRAM_NODE, repositoryPath } from '../support/program.ts';

type Line = Readonly<Record<string, unknown>>;

let lab: ContainerLab;

const missing = missingPrograms('ss', 'stdbuf', 'bpftrace');
if (missing.length > 0) {
  if (isIntegrationRequired) throw new Error(`tests of the agent cannot run: not installed: ${missing.join(', ')}`);
  console.log(`tests of the agent beside containers are skipped: not installed: ${missing.join(', ')}`);
}
const isSkipped = missing.length > 0 || containerObstacle() !== undefined;

/** Runs an agent in the lab's network for a while and gives its lines. */
async function agentLines(mode: string, seconds: number): Promise<{ text: string; sinceMs: number; untilMs: number }> {
  const path = join(lab.directory, `${mode}.json`);
  const sockets = [`docker:${lab.dockerSocket}`, `docker:${lab.podmanSocket}`, `containerd:${lab.containerdSocket}`];
  const words = ['agent', '--status', 'off', '--interval', '1', '--agent-mode', mode, '--json', path];
  for (const socket of sockets) words.push('--container-sockets', socket);
  const [program, rest] = lab.inside(PROGRAM_NODE, repositoryPath('dist/main.js'), ...words);
  const child: ChildProcess = spawn(program, rest, { stdio: ['ignore', 'inherit', 'pipe'] });
  let log = '';
  child.stderr?.setEncoding('utf8').on('data', (text: string) => {
    log += text;
  });
  const last = mode === 'auto' ? '"part_present"' : '"started"';
  for (let i = 0; i < 300 && !log.includes(last); i++) await sleep(100);
  expect(log).toContain(last);
  // What tells of closes begins in each namespace at its own time.
  const sinceMs = Date.now() + 1000;
  await sleep(seconds * 1000);
  // Events of the very last connections may be on their way.
  const untilMs = Date.now() - 1000;
  child.kill('SIGTERM');
  const code = await new Promise((ended) => child.once('exit', ended));
  expect(code, log).toBe(0);
  expect(log).not.toContain('internal_error');
  return { text: readFileSync(path, 'utf8'), sinceMs, untilMs };
}

/** Pairs of those that ask and those that answer. */
const PAIRS = [
  ['client1', 'web1'],
  ['heapster', 'ubuntu_test'],
  ['sidecar', 'dnsmasq'],
] as const;

/** What lines say of a container at one end. */
function namesOf(name: string, end: 'SRC' | 'DST') {
  const { id, pod, podNamespace } = lab.container(name);
  return {
    [`${end}_PROC_CONTAINER_ID`]: id.slice(0, 12),
    [`${end}_CONTAINER_NAME`]: name,
    ...(pod !== '' && { [`${end}_POD_NAME`]: pod, [`${end}_POD_NAMESPACE`]: podNamespace }),
  };
}

describe.skipIf(isSkipped)('agent beside containers', () => {
  beforeAll(async () => {
    buildProgram();
    lab = await ContainerLab.open();
  }, 120_000);
  afterAll(() => lab?.close(), 60_000);

  it.each([['auto'], ['netlink']])(
    'joins both ends and names both containers: %s',
    async (mode) => {
      const { text, sinceMs, untilMs } = await agentLines(mode, 6);
      expect(lineProblems(text, 'ntop')).toEqual([]);
      const lines = text
        .split('\n')
        .filter((line) => line !== '')
        .map((line) => JSON.parse(line) as Line);
      // The same each time.
      const octets = new Map<string, [number, number]>();
      for (const [client, server] of PAIRS) {
        // Those of a pod talk by its loopback.
        const address = lab.container(server).pod === '' ? lab.container(server).address : '127.0.0.1';
        const port = server === 'dnsmasq' ? 8080 : 80;
        const records = lines.filter(
          (line) =>
            line['RECORD_TYPE'] === 'flow' &&
            line['IPV4_DST_ADDR'] === address &&
            line['L4_DST_PORT'] === port &&
            Number(line['FLOW_START_MILLISECONDS']) > sinceMs &&
            Number(line['FLOW_END_MILLISECONDS']) < untilMs,
        );
        expect(records.length, `${client} to ${server}`).toBeGreaterThan(10);
        const ended = records.filter((line) => line['FLOW_END_REASON'] === 3);
        expect(new Set(ended.map((line) => line['L4_SRC_PORT'])).size).toBe(ended.length);
        for (const last of ended) {
          // One that a look came across has a record more.
          const all = records.filter((line) => line['L4_SRC_PORT'] === last['L4_SRC_PORT']);
          const sum = (key: string): number => all.reduce((total, line) => total + Number(line[key]), 0);
          // What wget asks, and what busybox answers.
          expect([sum('IN_BYTES'), sum('OUT_BYTES')], JSON.stringify(all)).toEqual(
            octets.get(client) ?? [sum('IN_BYTES'), sum('OUT_BYTES')],
          );
          octets.set(client, [sum('IN_BYTES'), sum('OUT_BYTES')]);
        }
        const [asked, answered] = octets.get(client) ?? [];
        expect(asked).toBeGreaterThan(40);
        expect(answered).toBeGreaterThan(40);
        for (const record of records) {
          if (mode === 'auto') expect(record).toMatchObject({ ...namesOf(client, 'SRC'), ...namesOf(server, 'DST') });
          // Without kernel events what nobody was seen with has the container of its network.
          else if (lab.container(client).pod === '' && record['SRC_PROC_CONTAINER_ID'] !== undefined)
            expect(record).toMatchObject(namesOf(client, 'SRC'));
          if (mode === 'auto') expect(record['SRC_PROC_NAME'], JSON.stringify(record)).toMatch(/busybox|wget/);
        }
      }
      const veths = lines.filter((line) => line['RECORD_TYPE'] === 'counters' && line['LOCAL_CONTAINER'] !== undefined);
      const told = JSON.stringify(veths.map((line) => line['LOCAL_CONTAINER']));
      for (const name of ['web1', 'client1', 'ubuntu_test', 'heapster'])
        expect(told).toContain(lab.container(name).id.slice(0, 12));
      expect(told).toContain(lab.container('dnsmasq').pod);
      for (const id of lab.sandboxes) expect(told).not.toContain(id.slice(0, 12));
    },
    60_000,
  );
});
