/** A stock ntopng is fed by an agent beside real containers: who has the peers of its flows is what engines and the kernel say. */

import { type ChildProcess, spawn } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { ContainerLab, containerObstacle } from '../support/container-lab.ts';
import { freePorts } from '../support/free-port.ts';
import type { LabProgram } from '../support/lab.ts';
import { agentObstacle, fatherOf, startAgent } from '../support/lab-agent.ts';
import { Ntopng, type NtopngFlow, ntopngObstacle } from '../support/ntopng.ts';
import { NtopngSubscriber } from '../support/ntopng-subscriber.ts';
import { buildProgram } from '../support/program.ts';

const isImpossible =
  containerObstacle() !== undefined || agentObstacle() !== undefined || ntopngObstacle() !== undefined;
const BUSYBOX = '/bin/busybox';

let lab: ContainerLab;
let ntopng: Ntopng;
let nestedEndpoint: string;
let subscriber: NtopngSubscriber;
let agent: LabProgram;
const servers: ChildProcess[] = [];
/** What a busybox in a container does for long enough to be asked for. */
let client: {
  readonly id: string;
  readonly pid: number;
  readonly father: number;
  readonly address: string;
  readonly roundTripMs: number;
};

/** A row of the table of listening ports of a host. */
interface ListeningPort {
  readonly tcp_udp: string;
  readonly port: number | string;
  readonly process: string;
  readonly package: string;
}

/** A row of the table of containers. */
interface ContainerRow {
  readonly column_container: string;
  readonly column_num_flows_as_client: number;
  readonly column_num_flows_as_server: number;
}

/** A server of this host, of the user nobody, on a port of its own; it connects to itself by this address and stays. */
async function startServer(address: string, port: number): Promise<ChildProcess> {
  const listen = `const net = require('net'); net.createServer((each) => each.on('error', () => {}).pipe(each)).listen(${port}, '0.0.0.0'`;
  const connect = `() => net.connect(${port}, '${address}', () => console.log('ready')).write('x')`;
  const user = ['--reuid=65534', '--regid=65534', '--clear-groups'];
  const child = spawn('setpriv', [...user, process.execPath, '-e', `${listen}, ${connect})`], {
    stdio: ['pipe', 'pipe', 'inherit'],
    cwd: '/',
  });
  servers.push(child);
  await new Promise((ready) => child.stdout.once('data', ready));
  return child;
}

/** Has a container connect to a server of another and stay, for longer than a web server would bear. */
async function startClient(): Promise<typeof client> {
  await lab.docker('exec', '-d', lab.container('ubuntu_test').id, 'nc', '-ll', '-p', '7000', '-e', 'cat');
  await lab.listening('ubuntu_test', 7000);
  const program = `sleep 1000 | nc ${lab.container('ubuntu_test').address} 7000; sleep 1000`;
  const id = await lab.docker('run', '-d', '-u', '33', 'bb:1', '/bin/sh', '-c', program);
  const format = '{{.State.Pid}} {{.NetworkSettings.IPAddress}}';
  const [father, address = ''] = (await lab.docker('inspect', '-f', format, id)).split(' ');
  for (const endMs = Date.now() + 60_000; Date.now() < endMs; await sleep(100)) {
    const rows = (await lab.docker('top', id)).split('\n');
    const row = rows.find((text) => /:\d\d +nc [\d.]+ 7000$/.test(text));
    const socket = await lab.run('nsenter', '-t', father!, '-n', 'ss', '-Htin', 'state', 'established');
    const roundTripMs = Number(/\brtt:([\d.]+)\//.exec(socket)?.[1]);
    if (row === undefined || !(roundTripMs > 0)) continue;
    return { id, pid: Number(row.split(/\s+/)[1]), father: Number(father), address, roundTripMs };
  }
  throw new Error('no client');
}

/** What an agent tells of a socket. */
interface NestedRecord {
  readonly LOCAL_CONTAINER?: Readonly<Record<string, unknown>>;
}

/** Those that came so far. */
function nestedRecords(): NestedRecord[] {
  return subscriber.messages('flow').flatMap(({ json }) => json as NestedRecord | NestedRecord[]);
}

/** What the page of a flow says between a title and the next one. */
function section(page: readonly string[], title: string): string {
  const from = page.indexOf(title);
  if (from < 0) return '';
  const to = page.findIndex((text, at) => at > from && / Process Information$/.test(text));
  return page.slice(from + 1, to < 0 ? from + 14 : to).join(' ');
}

/** A flow of which both peers are known. Other hosts, as those of other tests, may have the same addresses: the client's container tells. */
async function flowOf(id: string, to: string): Promise<NtopngFlow | undefined> {
  return (await ntopng.flows()).find(
    ({ client: one, server: other }) =>
      one.container?.id === id.slice(0, 12) &&
      other.ip === to &&
      one.process?.pid !== undefined &&
      other.process?.pid !== undefined,
  );
}

/** The table of containers, all its pages. */
async function containerRows(): Promise<ContainerRow[]> {
  const rows: ContainerRow[] = [];
  for (let page = 1; ; page++) {
    const text = await ntopng.page(`get_containers_data.lua?ifid=0&perPage=10&currentPage=${page}`);
    const { data, totalRows } = JSON.parse(text) as { data: ContainerRow[]; totalRows: number };
    rows.push(...data);
    if (data.length === 0 || rows.length >= totalRows) return rows;
  }
}

describe.skipIf(isImpossible)('ntopng, fed by an agent', () => {
  beforeAll(async () => {
    buildProgram();
    const [flat, nested] = (await freePorts(2)).map((port) => `tcp://127.0.0.1:${port}`);
    nestedEndpoint = nested!;
    [lab, ntopng, subscriber] = await Promise.all([
      ContainerLab.open(),
      Ntopng.start(`${flat},${nested}`),
      NtopngSubscriber.start(nestedEndpoint),
    ]);
    agent = await startAgent(lab, { isInside: false }, '--zmq', flat!, '--json', '/dev/null');
    client = await startClient();
  });
  afterAll(async () => {
    for (const server of servers) server.kill();
    await agent?.stop();
    await subscriber?.stop();
    await ntopng?.stop();
    await lab?.close();
  });

  it('shows process, father, user and container of both peers', async () => {
    const server = lab.container('ubuntu_test');
    const flow = await ntopng.until(() => flowOf(client.id, server.address), 'flow of the client');
    expect(flow.client).toMatchObject({
      process: { pid: client.pid, name: BUSYBOX },
      container: { id: client.id.slice(0, 12) },
    });
    expect(flow.server).toMatchObject({ port: 7000, container: { id: server.id.slice(0, 12) } });
    // Who accepted, or the process that it made for the connection.
    const { pid = 0, name } = flow.server.process!;
    expect(name).toBe(BUSYBOX);
    const page = await ntopng.flowPage(flow);
    const of = section(page, 'Client Process Information');
    expect(of).toContain('User Name www-data');
    expect(of).toContain(`${BUSYBOX} [PID: ${client.pid}]`);
    expect(of).toContain(`PID: ${client.father}`);
    expect(of).toContain(`Container ${client.id.slice(0, 12)}`);
    const ofServer = section(page, 'Server Process Information');
    expect(ofServer).toContain('User Name root');
    expect(ofServer).toContain(`${BUSYBOX} [PID: ${pid}]`);
    expect(ofServer).toContain(`PID: ${fatherOf(pid)}`);
    expect(ofServer).toContain(`Container ${server.id.slice(0, 12)}`);
  });

  it('shows flows of containers of three engines and a pod, each end with its own', async () => {
    for (const [from, to] of [
      ['client1', 'web1'],
      ['heapster', 'ubuntu_test'],
    ] as const) {
      const [one, other] = [lab.container(from), lab.container(to)];
      const flow = await ntopng.until(() => flowOf(one.id, other.address), `flow of ${from}`);
      expect(flow.client.ip, from).toBe(one.address);
      expect(flow.server.container?.id, to).toBe(other.id.slice(0, 12));
      const page = await ntopng.flowPage(flow);
      // The shell of the container, whose processes ask, and who accepts, or the father of who answers.
      expect(section(page, 'Client Process Information'), from).toContain(`PID: ${one.pid}`);
      expect(section(page, 'Server Process Information'), to).toContain(`PID: ${other.pid}`);
    }
    const inPod = await ntopng.until(async () => {
      const flows = await ntopng.flows();
      const id = lab.container('sidecar').id.slice(0, 12);
      return flows.find(({ client: one }) => one.container?.id === id);
    }, 'flow within the pod');
    expect(inPod.server).toMatchObject({ port: 8080, container: { id: lab.container('dnsmasq').id.slice(0, 12) } });
    const data = await containerRows();
    for (const [name, isClient] of [
      ['client1', true],
      ['web1', false],
      ['ubuntu_test', false],
      ['heapster', true],
      ['sidecar', true],
      ['dnsmasq', false],
    ] as const) {
      const row = data.find(({ column_container }) => column_container === lab.container(name).id.slice(0, 12));
      expect(
        Number(row?.[isClient ? 'column_num_flows_as_client' : 'column_num_flows_as_server']),
        name,
      ).toBeGreaterThan(0);
      expect(Number(row?.[isClient ? 'column_num_flows_as_server' : 'column_num_flows_as_client']), name).toBe(0);
    }
  });

  it('shows the round-trip time that ss tells', async () => {
    const server = lab.container('ubuntu_test');
    const flow = await ntopng.until(() => flowOf(client.id, server.address), 'flow of the client');
    const page = await ntopng.flowPage(flow);
    const at = page.indexOf('RTT Time Breakdown');
    // Half of it, as ntop's probes have it, to one of the ends; three digits are shown.
    const shown = page.slice(at + 1, at + 3).map((text) => Number.parseFloat(text));
    expect(shown[0]).toBe(0);
    expect(Math.abs(shown[1]! - client.roundTripMs / 2)).toBeLessThan(0.0015);
  });

  it('lists listening ports with their processes', async () => {
    const started = agent.stderr.split('\n').find((line) => line.includes('"event":"started"'));
    const { address } = JSON.parse(started!) as { address: string };
    const [first = 0, second = 0] = await freePorts(2);
    // ntopng takes ports of hosts that it knows by a flow: the first server makes one, the second is news.
    await startServer(address, first);
    const isOfHost = ({ client: one, server: other }: NtopngFlow) => one.ip === address && other.ip === address;
    await ntopng.until(async () => (await ntopng.flows()).find(isOfHost), 'flow of the host');
    const server = await startServer(address, second);
    const path = `host/processes/listening_ports.lua?ifid=0&host=${address}`;
    const row = await ntopng.until(
      async () => (await ntopng.rest<ListeningPort[]>(path)).find((each) => Number(each.port) === second),
      'listening port',
    );
    const name = readFileSync(`/proc/${server.pid}/comm`, 'utf8').trim();
    expect(row).toMatchObject({ tcp_udp: expect.stringMatching(/tcp/i) as string, process: name });
  });

  it('takes nested records in its dialect from another agent, too', async () => {
    const words = ['--zmq', nestedEndpoint, '--zmq-format', 'json', '--agent-dialect', 'ntopng', '--json', '/dev/null'];
    const other = await startAgent(lab, { isInside: false, isNetlink: true }, ...words);
    const told = (name: string, id: string) => {
      const find = () => nestedRecords().find(({ LOCAL_CONTAINER }) => LOCAL_CONTAINER?.['ID'] === id.slice(0, 12));
      return ntopng.until(async () => find(), `record of ${name}`);
    };
    try {
      // Under the names that ntopng 4 and 5 read.
      expect(await told('the client', client.id)).toMatchObject({
        timestamp: expect.stringMatching(/^\d+\.\d{6}$/) as string,
        // Addresses and the remote port go by number.
        8: client.address,
        12: lab.container('ubuntu_test').address,
        11: 7000,
        TCP: { CONN_STATE: 'ESTABLISHED', RTT: expect.any(Number) as number },
        LOCAL_PROCESS: { PID: client.pid, UID: 33, UID_NAME: 'www-data', PROCESS_PATH: BUSYBOX },
        LOCAL_FATHER_PROCESS: { PID: client.father, PROCESS_PATH: BUSYBOX },
        LOCAL_CONTAINER: { DOCKER: { NAME: expect.any(String) as string } },
      });
      const pod = lab.container('heapster');
      expect(await told('a pod', pod.id)).toMatchObject({
        LOCAL_CONTAINER: { K8S: { NAME: 'heapster', POD: pod.pod, NS: pod.podNamespace } },
      });
      const probes = () => ntopng.rest<Readonly<Record<string, unknown>>[]>('interface/nprobes/data.lua?ifid=0');
      await ntopng.until(async () => (await probes()).length >= 2, 'other probe');
    } finally {
      await other.stop();
    }
    expect(subscriber.faults).toEqual([]);
    const data = await ntopng.rest<Record<string, unknown>>('interface/data.lua?ifid=0');
    expect(data).toMatchObject({ zmqRecvStats: { zmq_msg_drops: 0, dropped_flows: 0 } });
  });

  it('has no complaint about anything', () => {
    // Other containers of this machine may have each other's addresses.
    const others = /different container|multiple containers/;
    expect(ntopng.complaints.filter((line) => !others.test(line))).toEqual([]);
  });
});
