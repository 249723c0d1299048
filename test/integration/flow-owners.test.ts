/** `probe --processes` and `collect --processes` beside programs that know who made the flows. */

import { spawn } from 'node:child_process';
import { createSocket } from 'node:dgram';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { connect, createServer, type Socket } from 'node:net';
import { tmpdir, userInfo } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { ContainerLab, containerObstacle } from '../support/container-lab.ts';
import { type MadeFlows, makeFlows } from '../support/flow-makers.ts';
import { lineProblems } from '../support/json-line.ts';
import { isIntegrationRequired, missingPrograms } from '../support/lab.ts';
import { v9DataSet, v9Packet, v9TemplateSet } from '../support/netflow9-message.ts';
import { buildProgram, PROGRAM_NODE, RunningProgram, repositoryPath, runProgram } from '../support/program.ts';
import { ipv4, joined, u8, u16 } from '../support/wire-octets.ts';

type Line = Readonly<Record<string, unknown>>;

const lacking = [
  ...missingPrograms('ss', 'stdbuf', 'python3', 'tcpdump'),
  ...(process.getuid?.() === 0 ? [] : ['the rights of root']),
];
const lackingEvents = [...lacking, ...missingPrograms('bpftrace')];
if (lackingEvents.length > 0) {
  if (isIntegrationRequired) throw new Error(`integration tests cannot run: ${lackingEvents.join(', ')}`);
  console.log(`owners of flows are not tested, or not with kernel events: no ${lackingEvents.join(', ')}`);
}

const directory = mkdtempSync(join(tmpdir(), 'flowrelay-owners-'));
let files = 0;

function linesOf(text: string): Line[] {
  return text
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => JSON.parse(line) as Line);
}

/** Meters the loopback while flows are made, and gives the flows to their server by the client's port. */
async function probeLoopback(
  mode: 'auto' | 'netlink',
  make: () => Promise<MadeFlows>,
): Promise<{ flows: Map<number, Line>; made: MadeFlows; text: string }> {
  const path = join(directory, `${files++}.json`);
  const words = ['--interface', 'lo', '--processes', '--interval', '1', '--agent-mode', mode];
  const probe = await RunningProgram.start('probe', [...words, '--status', 'off', '--json', path]);
  let made: MadeFlows | undefined;
  try {
    // bpftrace takes its time on a busy machine.
    const areEventsOn = () => mode !== 'auto' || probe.log.some(({ event }) => event === 'part_present');
    for (let i = 0; i < 600 && !areEventsOn(); i++) await sleep(100);
    expect(areEventsOn()).toBe(true);
    made = await make();
    // The kernel's last word, and what is on its way to the meter.
    await sleep(1500);
  } finally {
    expect((await probe.stop()).code).toBe(0);
  }
  expect(probe.log.filter(({ event }) => event === 'internal_error')).toEqual([]);
  const text = readFileSync(path, 'utf8');
  const { remotePort } = made.connections[0]!;
  const ofServer = linesOf(text).filter((line) => line['L4_DST_PORT'] === remotePort && line['PROTOCOL'] === 6);
  return { flows: new Map(ofServer.map((line) => [Number(line['L4_SRC_PORT']), line])), made, text };
}

describe.skipIf(lacking.length > 0)('owners of flows', () => {
  beforeAll(buildProgram);
  afterAll(() => rmSync(directory, { recursive: true }));

  it.skipIf(lackingEvents.length > 0).each([['127.0.0.1'], ['::1']])(
    'are known of packets of short connections too, with kernel events: %s',
    async (address) => {
      const lives = [1, 500].map((lifeMs) => ({ lifeMs, count: 60 }));
      const { flows, made, text } = await probeLoopback('auto', () => makeFlows({ lives, address }));
      expect(lineProblems(text, 'ntop')).toEqual([]);
      expect(made.connections).toHaveLength(120);
      for (const { localPort, pid, fatherPid } of made.connections) {
        expect(flows.get(localPort)).toMatchObject({
          EXPORT_PROTOCOL: 'packets',
          SRC_PROC_PID: pid,
          SRC_FATHER_PROC_PID: fatherPid,
          SRC_PROC_NAME: expect.stringMatching(/python3/),
          SRC_PROC_USER_NAME: userInfo().username,
          DST_PROC_PID: made.serverPid,
        });
      }
    },
  );

  it('are known without kernel events of connections that live, and of servers by their ports', async () => {
    const lives = [1, 6000].map((lifeMs) => ({ lifeMs, count: 40 }));
    const { flows, made } = await probeLoopback('netlink', () => makeFlows({ lives }));
    for (const { localPort, pid, lifeMs } of made.connections) {
      const flow = flows.get(localPort);
      expect(flow?.['DST_PROC_PID']).toBe(made.serverPid);
      if (lifeMs === 6000) expect(flow?.['SRC_PROC_PID']).toBe(pid);
      // Never another's.
      else expect([undefined, pid]).toContain(flow?.['SRC_PROC_PID']);
    }
  });

  it('are known of what a router tells of a connection of this host', async () => {
    const path = join(directory, `${files++}.json`);
    const words = ['--processes', '--interval', '1', '--agent-mode', 'netlink', '--json', path];
    const server = createServer((socket) => socket.resume()).listen(0, '127.0.0.1');
    await new Promise((resolve) => server.once('listening', resolve));
    const address = server.address();
    const serverPort = typeof address === 'object' && address !== null ? address.port : 0;
    const client = await new Promise<Socket>((resolve) => {
      const socket = connect(serverPort, '127.0.0.1', () => resolve(socket));
    });
    const collector = await RunningProgram.collect(words);
    const clientPort = client.localPort ?? 0;
    const fields = [
      [8, 4],
      [12, 4],
      [7, 2],
      [11, 2],
      [4, 1],
      [1, 4],
    ] as const;
    const record = (from: number, to: number) =>
      joined(ipv4('127.0.0.1'), ipv4('127.0.0.1'), u16(from), u16(to), u8(6), new Uint8Array(4));
    const exported = v9Packet(
      [
        v9TemplateSet(256, fields),
        v9DataSet(256, record(clientPort, serverPort), record(serverPort, clientPort), record(1, 2)),
      ],
      { exportTime: Math.floor(Date.now() / 1000) },
    );
    const sender = createSocket('udp4');
    await new Promise((resolve) => sender.send(exported, collector.port, '127.0.0.1', resolve));
    sender.close();
    const status = String((await collector.logged('started'))['status']);
    const page = await collector.until(
      () =>
        readFileSync(path, 'utf8').includes('\n') && fetch(`http://${status}/metrics`).then((answer) => answer.text()),
      'lines',
    );
    expect((await collector.stop()).code).toBe(0);
    client.destroy();
    server.close();
    const lines = linesOf(readFileSync(path, 'utf8'));
    expect(lines).toHaveLength(3);
    const both = { SRC_PROC_PID: process.pid, DST_PROC_PID: process.pid };
    expect(lines[0]).toMatchObject(both);
    expect(lines[1]).toMatchObject(both);
    expect(Object.keys(lines[2]!).filter((key) => key.includes('_PROC_'))).toEqual([]);
    expect(page).toMatch(/^flowrelay_processes_flows_looked_up_total 3$/m);
    expect(page).toMatch(/^flowrelay_processes_flows_annotated_total 2$/m);
  });

  it('are refused for files', async () => {
    const { code, stderr } = await runProgram(['probe', '--read', '/dev/null', '--processes']);
    expect(code).toBe(2);
    expect(stderr.trim().split('\n')).toHaveLength(1);
    expect(stderr).toContain('--processes: goes not with --read');
  });
});

describe.skipIf(lacking.length > 0 || containerObstacle() !== undefined)('owners in containers', () => {
  let lab: ContainerLab;
  beforeAll(async () => {
    buildProgram();
    lab = await ContainerLab.open('docker', 'podman');
  });
  afterAll(() => lab?.close());

  it('are told of both ends of connections from container to container', async () => {
    const path = join(lab.directory, 'flows.json');
    const [program, words] = lab.inside(
      PROGRAM_NODE,
      ...[repositoryPath('dist/main.js'), 'probe', '--interface', 'any', '--processes', '--interval', '1'],
      ...['--container-sockets', `docker:${lab.dockerSocket}`, '--container-sockets', `docker:${lab.podmanSocket}`],
      ...['--filter', 'tcp', '--status', 'off', '--json', path],
    );
    const probe = spawn(program, words, { stdio: ['ignore', 'ignore', 'pipe'] });
    let log = '';
    probe.stderr.setEncoding('utf8').on('data', (text: string) => {
      log += text;
    });
    const said = async (pattern: RegExp) => {
      for (let i = 0; i < 600 && !pattern.test(log); i++) await sleep(100);
      expect(log).toMatch(pattern);
    };
    await said(lackingEvents.length > 0 ? /"event":"started"/ : /kernel events are on/);
    const eventsMs = Date.now();
    await sleep(6000);
    probe.kill('SIGTERM');
    await said(/"event":"stopped"/);
    const lines = linesOf(readFileSync(path, 'utf8'));
    expect(log).not.toContain('internal_error');
    const container = (end: 'SRC' | 'DST', name: string) => {
      const { id, pod } = lab.container(name);
      return {
        [`${end}_PROC_CONTAINER_ID`]: id.slice(0, 12),
        [`${end}_CONTAINER_NAME`]: lab.container(name).name,
        ...(pod !== '' && { [`${end}_POD_NAME`]: pod }),
      };
    };
    const shown = (end: 'SRC' | 'DST', name: string) => ({
      ...container(end, name),
      // Where a process was too quick for its file to be read, its name.
      [`${end}_PROC_NAME`]: expect.stringMatching(/busybox$|wget$/),
    });
    for (const [clientName, serverName] of [
      ['client1', 'web1'],
      ['heapster', 'ubuntu_test'],
    ] as const) {
      const [from, to] = [lab.container(clientName).address, lab.container(serverName).address];
      const flows = lines.filter((line) => line['IPV4_SRC_ADDR'] === from && line['IPV4_DST_ADDR'] === to);
      expect(flows.length, `${clientName} to ${serverName}`).toBeGreaterThan(2);
      // Before the first look at the sockets has ended there may be none, but no wrong one.
      for (const flow of flows)
        if (flow['DST_PROC_CONTAINER_ID'] !== undefined) expect(flow).toMatchObject(shown('DST', serverName));
      for (const flow of flows)
        if (flow['SRC_PROC_CONTAINER_ID'] !== undefined) expect(flow).toMatchObject(container('SRC', clientName));
      const owned = flows.filter((line) => line['SRC_PROC_PID'] !== undefined);
      // Those that began before the events did may be told of their container alone, or not at all.
      const heard = flows.filter((line) => Number(line['FLOW_START_MILLISECONDS']) > eventsMs + 1000);
      if (lackingEvents.length === 0) {
        expect(heard.length).toBeGreaterThan(2);
        for (const flow of heard)
          expect(flow).toMatchObject({ ...shown('SRC', clientName), ...shown('DST', serverName) });
      }
      for (const flow of owned) expect(flow).toMatchObject(shown('SRC', clientName));
    }
  });
});
