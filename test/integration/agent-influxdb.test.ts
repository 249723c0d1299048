/** The session that users of containers type at `influx`, on a real InfluxDB that an agent beside real containers fills. */

import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { ContainerLab, containerObstacle } from '../support/container-lab.ts';
import { typeAtInflux } from '../support/influx-session.ts';
import { InfluxServer } from '../support/influxdb.ts';
import { hasProgram, type LabProgram } from '../support/lab.ts';
import { agentObstacle, startAgent } from '../support/lab-agent.ts';
import { buildProgram } from '../support/program.ts';

const IFID = '6';
const CONNECTIONS = 7;

const isImpossible =
  containerObstacle() !== undefined ||
  agentObstacle() !== undefined ||
  !hasProgram('influxd') ||
  !hasProgram('influx') ||
  !hasProgram('script');

let lab: ContainerLab;
let server: InfluxServer;
let agent: LabProgram;
/** Ids as the engines print them, by the names of the lab. */
let idOf: (name: string) => string;
/** What ss says of the one connection of the container `still`, milliseconds. */
let still: { id: string; rtt: number; variance: number };
/** A container that connects a known number of times. */
let exact: string;

/** Rows of a table that influx prints, by the names of its columns. */
function rowsOf(answer: readonly string[]): Record<string, string>[] {
  const [, header = '', , ...rows] = answer;
  const names = header.split(/ +/);
  return rows.map((row) => Object.fromEntries(row.split(/ +/).map((cell, index) => [names[index], cell])));
}

async function type(...lines: readonly string[]): Promise<string[][]> {
  const [use, ...answers] = await typeAtInflux(server, ['use ntopng', ...lines]);
  expect(use).toEqual(['Using database ntopng']);
  return answers;
}

/** A container of Docker's with this program of the shell, by its short id. */
async function run(program: string): Promise<string> {
  return (await lab.docker('run', '-d', 'bb:1', '/bin/sh', '-c', program)).slice(0, 12);
}

/** What ss tells of the connections inside a container. */
async function insideOf(id: string): Promise<string> {
  const pid = await lab.docker('inspect', '-f', '{{.State.Pid}}', id);
  return lab.run('nsenter', '-t', pid, '-n', 'ss', '-Htin', 'state', 'established');
}

async function poll(isSo: () => Promise<boolean>, what: string): Promise<void> {
  for (const endMs = Date.now() + 60_000; !(await isSo()); await sleep(250)) {
    if (Date.now() > endMs) throw new Error(`waited too long for ${what}: ${agent.stderr}`);
  }
}

describe.skipIf(isImpossible)('a session of influx, of an agent', () => {
  beforeAll(async () => {
    buildProgram();
    [lab, server] = await Promise.all([ContainerLab.open(), InfluxServer.start()]);
    idOf = (name) => lab.container(name).id.slice(0, 12);
    agent = await startAgent(
      lab,
      { isInside: false },
      ...['--influxdb', server.url, '--ifid', IFID, '--json', '/dev/null'],
      ...['--series-step', 'container=1s,pod=1s', '--series-delay', '3'],
    );
    const { address } = lab.container('ubuntu_test');
    const asks = `for i in $(seq ${CONNECTIONS}); do wget -q -O /dev/null http://${address}/; sleep 0.3; done`;
    exact = await run(`${asks}; sleep 1000`);
    // A server that bears silence for longer than one of the web.
    await lab.docker('exec', '-d', lab.container('ubuntu_test').id, 'nc', '-ll', '-p', '7000', '-e', 'cat');
    await lab.listening('ubuntu_test', 7000);
    const id = await run(`sleep 1000 | nc ${address} 7000`);
    await poll(async () => (await insideOf(id)).includes('rtt:'), 'the connection that is still');
    const [, rtt, variance] = /\brtt:([\d.]+)\/([\d.]+)/.exec(await insideOf(id)) ?? [];
    still = { id, rtt: Number(rtt), variance: Number(variance) };
    await poll(
      async () =>
        (await server.number(`SELECT sum(as_client) FROM "container:num_flows" WHERE container = '${exact}'`)) >=
        CONNECTIONS,
      'all connections',
    );
    await poll(
      async () => (await server.number(`SELECT count(as_client) FROM "container:rtt" WHERE container = '${id}'`)) > 0,
      'round-trip times',
    );
    // Nothing more is to come.
    await sleep(2000);
  });
  afterAll(async () => {
    await agent?.stop();
    await server?.close();
    await lab?.close();
  });

  it('shows the measurements and the last flows', async () => {
    const [measurements, flows] = await type(
      'show measurements with measurement =~ /^container*/',
      'select * from "container:num_flows" order by time desc limit 10',
    );
    expect(measurements).toEqual([
      'name: measurements',
      'name',
      '----',
      'container:num_flows',
      'container:rtt',
      'container:rtt_variance',
    ]);
    expect(flows![0]).toBe('name: container:num_flows');
    expect(flows![1]).toMatch(/^time +as_client as_server container +ifid$/);
    const rows = rowsOf(flows!);
    expect(rows).toHaveLength(10);
    for (const row of rows) {
      expect(row).toEqual({
        time: expect.stringMatching(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ$/) as string,
        as_client: expect.stringMatching(/^\d+$/) as string,
        as_server: expect.stringMatching(/^\d+$/) as string,
        container: expect.stringMatching(/^[0-9a-f]{12}$/) as string,
        ifid: IFID,
      });
    }
  });

  it('shows flows of each container as client or as server', async () => {
    const names = ['web1', 'client1', 'ubuntu_test', 'heapster', 'dnsmasq', 'sidecar'];
    const answers = await type(
      ...names.map(
        (name) => `select * from "container:num_flows" where "container" = '${idOf(name)}' order by time desc limit 10`,
      ),
    );
    for (const [at, name] of names.entries()) {
      const rows = rowsOf(answers[at]!);
      const isClient = ['client1', 'heapster', 'sidecar'].includes(name);
      expect(rows.length, name).toBeGreaterThan(3);
      for (const row of rows) {
        expect(row['container'], name).toBe(idOf(name));
        expect(Number(row[isClient ? 'as_client' : 'as_server']), name).toBeGreaterThan(0);
        expect(row[isClient ? 'as_server' : 'as_client'], name).toBe('0');
      }
    }
  });

  it('counts connections as they were made', async () => {
    const [answer] = await type(
      `select sum(as_client) as clients, sum(as_server) as servers from "container:num_flows" where "container" = '${exact}'`,
    );
    const [row] = rowsOf(answer!);
    // One that lies across the end of a second is in both.
    expect(Number(row?.['clients'])).toBeGreaterThanOrEqual(CONNECTIONS);
    expect(Number(row?.['clients'])).toBeLessThanOrEqual(CONNECTIONS + 2);
    expect(row?.['servers']).toBe('0');
  });

  it('has the round-trip time that ss tells', async () => {
    const [rtt, variance] = await type(
      ...['container:rtt', 'container:rtt_variance'].map(
        (name) => `select * from "${name}" where "container" = '${still.id}' limit 1`,
      ),
    );
    expect(still.rtt).toBeGreaterThan(0);
    expect(Number(rowsOf(rtt!)[0]?.['as_client'])).toBe(still.rtt);
    expect(Number(rowsOf(variance!)[0]?.['as_client'])).toBe(still.variance);
  });

  it('shows pods with their round-trip times and containers', async () => {
    const pods = ['heapster-v1.5.2-6b5d7b57f9-g2cjz', 'kube-dns-6bfbdd666c-2wflq'];
    const [measurements, tags, ...answers] = await type(
      'show measurements with measurement =~ /^pod*/',
      'show tag values from "pod:rtt" with key = "pod"',
      ...pods.flatMap((pod) =>
        ['pod:rtt', 'pod:num_flows', 'pod:num_containers'].map(
          (name) => `select * from "${name}" where "pod" = '${pod}' order by time desc limit 5`,
        ),
      ),
    );
    expect(measurements!.slice(3)).toEqual(['pod:num_containers', 'pod:num_flows', 'pod:rtt', 'pod:rtt_variance']);
    expect(rowsOf(tags!).map((row) => row['value'])).toEqual(expect.arrayContaining(pods));
    for (const [at, pod] of pods.entries()) {
      const [rtt, flows, containers] = answers.slice(3 * at).map(rowsOf);
      // The second talks within itself, its server and its client are two containers.
      const ends = at === 0 ? ['as_client'] : ['as_client', 'as_server'];
      expect(rtt, pod).toHaveLength(5);
      for (const end of ends) {
        for (const row of rtt!) expect(Number(row[end]), pod).toBeGreaterThan(0);
        for (const row of rtt!) expect(Number(row[end]), pod).toBeLessThan(1000);
        for (const row of flows!) expect(Number(row[end]), pod).toBeGreaterThan(0);
      }
      for (const row of containers!) expect(row['num_containers'], pod).toBe(String(at + 1));
    }
  });
});
