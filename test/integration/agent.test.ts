/** The agent as its users run it, beside programs that know what they did. */

import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir, userInfo } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { namespacesHeard, OWN_NAMESPACE } from '../support/close-listeners.ts';
import { type MadeConnection, type MadeFlows, makeFlows } from '../support/flow-makers.ts';
import { freePort } from '../support/free-port.ts';
import { lineProblems } from '../support/json-line.ts';
import { isIntegrationRequired, missingPrograms } from '../support/lab.ts';
import { buildProgram, RunningProgram, runProgram } from '../support/program.ts';

const isRoot = process.getuid?.() === 0;
const missing = missingPrograms('ss', 'stdbuf', 'python3');
if (missing.length > 0) {
  if (isIntegrationRequired) throw new Error(`integration tests cannot run: not installed: ${missing.join(', ')}`);
  console.log(`integration tests of the agent are skipped: not installed: ${missing.join(', ')}`);
}
const lacking = [...missingPrograms('bpftrace', 'ip'), ...(isRoot ? [] : ['the rights of root'])];
if (lacking.length > 0) {
  if (isIntegrationRequired) throw new Error(`integration tests cannot run: ${lacking.join(', ')}`);
  console.log(`the agent with kernel events and namespaces is not tested: no ${lacking.join(', ')}`);
}

type Line = Readonly<Record<string, unknown>>;

const directory = mkdtempSync(join(tmpdir(), 'flowrelay-agent-'));
/** The lines of a machine are many. */
const POLL = { timeout: 60_000, interval: 250 };
const children: ChildProcess[] = [];
let files = 0;

function linesOf(text: string): Line[] {
  return text
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => JSON.parse(line) as Line);
}

/** Gives whole lines that the agent has written so far. */
type Told = () => Line[];

/** Runs an agent while `during` goes on, and gives its lines. */
async function agentLines(
  words: readonly string[],
  during: (told: Told, agent: RunningProgram) => Promise<unknown>,
): Promise<{ text: string }> {
  const path = join(directory, `${files++}.json`);
  const agent = await RunningProgram.start('agent', ['--status', 'off', '--interval', '1', '--json', path, ...words]);
  const told: Told = () => {
    const text = readFileSync(path, 'utf8');
    return linesOf(text.slice(0, text.lastIndexOf('\n') + 1));
  };
  try {
    // bpftrace takes its time on a busy machine.
    if (words.includes('auto')) await agent.logged('part_present');
    await expect.poll(() => namespacesHeard(agent.child.pid!).has(OWN_NAMESPACE), POLL).toBe(true);
    await during(told, agent);
  } finally {
    const { code } = await agent.stop();
    expect(code).toBe(0);
  }
  expect(agent.log.filter(({ event }) => event === 'internal_error')).toEqual([]);
  return { text: readFileSync(path, 'utf8') };
}

/** The flow records of connections to `port`, by the client's port. */
function byClientPort(lines: readonly Line[], port: number): Map<number, Line[]> {
  const records = new Map<number, Line[]>();
  for (const line of lines) {
    if (line['RECORD_TYPE'] !== 'flow' || line['PROTOCOL'] !== 6 || line['L4_DST_PORT'] !== port) continue;
    const key = Number(line['L4_SRC_PORT']);
    records.set(key, [...(records.get(key) ?? []), line]);
  }
  return records;
}

/** Waits until the end of every connection was told. */
async function endsTold(told: Told, { connections }: MadeFlows): Promise<void> {
  const ended = () => {
    const records = byClientPort(told(), connections[0]!.remotePort);
    return connections.filter(({ localPort }) => records.get(localPort)?.some(isEnd)).length;
  };
  await expect.poll(ended, POLL).toBe(connections.length);
}

function isEnd(record: Line): boolean {
  return record['FLOW_END_REASON'] === 3;
}

function sum(records: readonly Line[], key: string): number {
  return records.reduce((total, record) => total + Number(record[key] ?? 0), 0);
}

/** Checks all but the owners of one connection's records, and gives the first. */
function checkRecords(records: readonly Line[], made: MadeConnection): Line {
  expect(sum(records, 'IN_BYTES')).toBe(made.octetsSent);
  expect(sum(records, 'OUT_BYTES')).toBe(made.octetsReceived);
  expect(records.filter(isEnd)).toHaveLength(1);
  expect(records.at(-1)).toMatchObject({ FLOW_END_REASON: 3 });
  return records[0]!;
}

const LIVES = [1, 500, 3000].map((lifeMs) => ({ lifeMs, count: 80 }));

describe.skipIf(missing.length > 0)('flowrelay agent', () => {
  beforeAll(buildProgram);
  afterAll(() => {
    for (const child of children) child.kill('SIGKILL');
    rmSync(directory, { recursive: true });
  });

  it.skipIf(lacking.length > 0).each([['127.0.0.1'], ['::1']])(
    'knows the processes of short and long connections, with kernel events: %s',
    async (address) => {
      let made: MadeFlows | undefined;
      const { text } = await agentLines(['--agent-mode', 'auto'], async (told) => {
        made = await makeFlows({ lives: LIVES, address });
        await endsTold(told, made);
        const port = made.connections[0]!.remotePort;
        const isClose = (line: Line) => line['EVENT_TYPE'] === 'CLOSE' && line['L4_DST_PORT'] === port;
        await expect.poll(() => told().filter(isClose).length, POLL).toBeGreaterThanOrEqual(240);
      });
      expect(lineProblems(text, 'ntop')).toEqual([]);
      const lines = linesOf(text);
      const { connections, serverPid } = made!;
      const records = byClientPort(lines, connections[0]!.remotePort);
      expect(connections).toHaveLength(240);
      expect(records.size).toBe(240);
      for (const connection of connections) {
        const all = records.get(connection.localPort) ?? [];
        const first = checkRecords(all, connection);
        expect(first).toMatchObject({ SRC_PROC_PID: connection.pid, SRC_PROC_USER_NAME: userInfo().username });
        // It accepts after the client has connected.
        expect(all.at(-1)).toMatchObject({ DST_PROC_PID: serverPid });
        expect(first['SRC_PROC_NAME']).toMatch(/python3/);
      }
      const events = lines.filter(
        (line) => line['RECORD_TYPE'] === 'event' && line['L4_DST_PORT'] === connections[0]!.remotePort,
      );
      const connects = events.filter((line) => line['EVENT_TYPE'] === 'CONNECT');
      expect(new Set(connects.map((line) => line['SRC_PROC_PID']))).toEqual(new Set(connections.map(({ pid }) => pid)));
      // Each end closes once, told once.
      expect(events.filter((line) => line['EVENT_TYPE'] === 'CLOSE')).toHaveLength(240);
    },
  );

  it('sees all connections without kernel events too, and the owners of those that live', async () => {
    let made: MadeFlows | undefined;
    const { text } = await agentLines(['--agent-mode', 'netlink', '--agent-records', 'flows'], async (told) => {
      made = await makeFlows({ lives: LIVES });
      await endsTold(told, made);
    });
    const { connections, serverPid } = made!;
    const records = byClientPort(linesOf(text), connections[0]!.remotePort);
    expect(records.size).toBe(240);
    let owned = 0;
    for (const connection of connections) {
      const all = records.get(connection.localPort) ?? [];
      checkRecords(all, connection);
      const pid = all.find((record) => record['SRC_PROC_PID'] !== undefined)?.['SRC_PROC_PID'];
      if (pid !== undefined) {
        owned++;
        expect(pid).toBe(connection.pid);
        // A look may come before the server has accepted.
        if (connection.lifeMs >= 3000) expect(all.some((record) => record['DST_PROC_PID'] === serverPid)).toBe(true);
      }
    }
    // Those of 3 s live through two looks, unless the machine is busy.
    expect(owned).toBeGreaterThan(0);
    console.log(`without kernel events, looking each second: ${owned} of 240 connections with their process`);
  });

  it.skipIf(lacking.length > 0)('joins ends in different namespaces', async () => {
    const names = [`fra${process.pid}`, `frb${process.pid}`];
    const ip = (...words: readonly string[]) => execFileSync('ip', words);
    try {
      for (const name of names) ip('netns', 'add', name);
      ip('link', 'add', 'v0', 'netns', names[0]!, 'type', 'veth', 'peer', 'name', 'v0', 'netns', names[1]!);
      for (const [i, name] of names.entries()) {
        ip('-n', name, 'address', 'add', `10.78.0.${i + 1}/24`, 'dev', 'v0');
        ip('-n', name, 'link', 'set', 'v0', 'up');
      }
      const node = (name: string, source: string): ChildProcess => {
        const child = spawn('ip', ['netns', 'exec', name, process.execPath, '-e', source], {
          stdio: ['ignore', 'pipe', 'inherit'],
        });
        children.push(child);
        return child;
      };
      const { text } = await agentLines(['--agent-mode', 'netlink', '--agent-records', 'flows'], async (told) => {
        const server = node(
          names[1]!,
          "require('net').createServer((each) => each.on('error', () => {}).pipe(each)).listen(8000, '10.78.0.2', () => console.log('ready'))",
        );
        await new Promise((ready) => server.stdout?.once('data', ready));
        const client = node(
          names[0]!,
          "const client = require('net').connect(8000, '10.78.0.2', () => client.write(Buffer.alloc(30000))); client.resume()",
        );
        const records = () => told().filter((line) => line['L4_DST_PORT'] === 8000);
        const areKnown = () => records().some((line) => 'SRC_PROC_PID' in line && 'DST_PROC_PID' in line);
        await expect.poll(areKnown, POLL).toBe(true);
        await expect.poll(() => sum(records(), 'OUT_BYTES'), POLL).toBe(30_000);
        client.kill('SIGKILL');
        await expect.poll(() => records().some(isEnd), POLL).toBe(true);
        pids.push(client.pid!, server.pid!);
      });
      const records = linesOf(text).filter((line) => line['L4_DST_PORT'] === 8000);
      expect(sum(records, 'IN_BYTES')).toBe(30_000);
      expect(sum(records, 'OUT_BYTES')).toBe(30_000);
      for (const record of records)
        expect(record).toMatchObject({
          IPV4_SRC_ADDR: '10.78.0.1',
          IPV4_DST_ADDR: '10.78.0.2',
          SRC_PROC_PID: pids[0],
          DST_PROC_PID: pids[1],
        });
    } finally {
      for (const child of children) child.kill('SIGKILL');
      for (const name of names) execFileSync('ip', ['netns', 'delete', name]);
    }
  });
  const pids: number[] = [];

  it('exports processes by the template for them', async () => {
    const file = join(directory, 'export.ipfix');
    let made: MadeFlows | undefined;
    await agentLines(['--agent-mode', 'netlink', '--export', file, '--template', 'process'], async (told) => {
      made = await makeFlows({ lives: [{ lifeMs: 6000, count: 5 }] });
      await endsTold(told, made);
    });
    const { stdout, code } = await runProgram(['convert', file]);
    expect(code).toBe(0);
    const records = byClientPort(linesOf(stdout), made!.connections[0]!.remotePort);
    for (const connection of made!.connections) {
      const all = records.get(connection.localPort) ?? [];
      expect(sum(all, 'IN_BYTES')).toBe(connection.octetsSent);
      expect(sum(all, 'OUT_BYTES')).toBe(connection.octetsReceived);
      expect(all[0]).toMatchObject({
        EXPORT_PROTOCOL: 'IPFIX',
        SRC_PROC_PID: connection.pid,
        SRC_PROC_UID: userInfo().uid,
        SRC_PROC_USER_NAME: userInfo().username,
        SRC_FATHER_PROC_PID: connection.fatherPid,
        DST_PROC_PID: made!.serverPid,
      });
    }
  });

  it('is heard by listen, over ZeroMQ', async () => {
    const endpoint = `tcp://127.0.0.1:${await freePort()}c`;
    const listener = await RunningProgram.start('listen', [endpoint, '--status', 'off']);
    let made: MadeFlows | undefined;
    const words = ['--agent-mode', 'netlink', '--agent-records', 'flows', '--zmq', endpoint];
    await agentLines(words, async (told, agent) => {
      await agent.logged('zmq_subscriber_present');
      made = await makeFlows({ lives: [{ lifeMs: 6000, count: 5 }] });
      await endsTold(told, made);
    });
    const heard = () => byClientPort(linesOf(listener.lines.join('\n')), made!.connections[0]!.remotePort);
    const isHeard = ({ localPort, octetsSent }: MadeConnection) =>
      sum(heard().get(localPort) ?? [], 'IN_BYTES') === octetsSent;
    await listener.until(() => made!.connections.every(isHeard), 'all connections');
    const { stdout } = await listener.stop();
    const records = byClientPort(linesOf(stdout), made!.connections[0]!.remotePort);
    for (const connection of made!.connections) {
      const all = records.get(connection.localPort) ?? [];
      expect(sum(all, 'IN_BYTES')).toBe(connection.octetsSent);
      expect(all[0]).toMatchObject({
        EXPORT_PROTOCOL: 'ntopng',
        SRC_PROC_PID: connection.pid,
        DST_PROC_PID: made!.serverPid,
      });
    }
  });
});
