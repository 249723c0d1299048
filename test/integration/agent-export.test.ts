/** What an agent exports with the template of processes, and tells in its own lines, is what `collect` and tshark read. */

import { spawn } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { ContainerLab, containerObstacle } from '../support/container-lab.ts';
import { hasProgram, LabProgram, type ParsedLine } from '../support/lab.ts';
import { agentObstacle, startAgent } from '../support/lab-agent.ts';
import { allNodes, findNode, type PdmlNode, readPdml } from '../support/pdml.ts';
import { buildProgram, PROGRAM_NODE, repositoryPath } from '../support/program.ts';

const PORTS = { '9': 9995, ipfix: 4739 } as const;

const isImpossible =
  containerObstacle() !== undefined || agentObstacle() !== undefined || !hasProgram('tshark') || !hasProgram('tcpdump');

/** Fields of the template, but times, which are compared by themselves: v9 counts them from the start of the program. */
const FIELDS = (
  JSON.parse(readFileSync(repositoryPath('templates/process.json'), 'utf8')) as {
    templates: [{ fields: { name: string }[] }];
  }
).templates[0].fields
  .map(({ name }) => name)
  .filter((name) => !name.endsWith('_SWITCHED'));

/** What tshark 4.0 calls those that it knows. */
const TSHARK_NAMES: Readonly<Record<string, string>> = {
  IPV4_SRC_ADDR: 'srcaddr',
  IPV4_DST_ADDR: 'dstaddr',
  L4_SRC_PORT: 'srcport',
  L4_DST_PORT: 'dstport',
  PROTOCOL: 'protocol',
  IN_BYTES: 'octets',
  IN_PKTS: 'packets',
  SRC_PROC_PID: 'pie.ntop.src_proc_id',
  SRC_PROC_NAME: 'pie.ntop.src_proc_name',
  SRC_PROC_UID: 'pie.ntop.src_proc_uid',
  SRC_PROC_USER_NAME: 'pie.ntop.src_proc_user_name',
  SRC_FATHER_PROC_PID: 'pie.ntop.src_father_proc_pid',
  SRC_FATHER_PROC_NAME: 'pie.ntop.src_father_proc_name',
  DST_PROC_PID: 'pie.ntop.dst_proc_pid',
  DST_PROC_NAME: 'pie.ntop.dst_proc_name',
  DST_PROC_UID: 'pie.ntop.dst_proc_uid',
  DST_PROC_USER_NAME: 'pie.ntop.dst_proc_user_name',
  DST_FATHER_PROC_PID: 'pie.ntop.dst_father_proc_pid',
  DST_FATHER_PROC_NAME: 'pie.ntop.dst_father_proc_name',
};

interface Exported {
  readonly agent: readonly ParsedLine[];
  readonly collected: readonly ParsedLine[];
  readonly file: string;
}

/** A program of a path that 16 octets, which nProbe has for names of processes, would cut. */
const PROGRAM_PATH = '/root/busybox-of-a-path-of-more-octets-than-names-have';

let lab: ContainerLab;

function start(program: string, ...words: readonly string[]): LabProgram {
  const [nsenter, args] = lab.inside(program, ...words);
  return new LabProgram(program, spawn(nsenter, args, { stdio: ['ignore', 'pipe', 'pipe'] }));
}

/** Lets an agent export for some seconds to a collector, and tcpdump record that. */
async function exportFor(version: keyof typeof PORTS): Promise<Exported> {
  const port = PORTS[version];
  const file = join(lab.directory, `${version}.pcap`);
  const capture = ['-i', 'lo', '-U', '--immediate-mode', '-s', '65535', '-B', '65536', '-w', file];
  const tcpdump = start('tcpdump', ...capture, `udp dst port ${port}`);
  const url = `udp://127.0.0.1:${port}`;
  const main = repositoryPath('dist/main.js');
  const collector = start(PROGRAM_NODE, main, 'collect', '--status', 'off', '--listen', url);
  await tcpdump.until(() => tcpdump.stderr.includes('listening on'), 'tcpdump to listen');
  await collector.until(() => collector.stderr.includes('"event":"started"'), 'the collector');
  const words = ['--export', url, '--export-version', version, '--template', 'process'];
  const agent = await startAgent(
    lab,
    { isInside: true, isNetlink: true },
    ...['--agent-records', 'flows', '--json', '-', ...words],
  );
  await agent.until(() => agent.lines.some(isOfPod), 'flows of the pod');
  await sleep(2000);
  expect(await agent.stop()).toBe(0);
  await collector.quiet();
  expect(await collector.stop()).toBe(0);
  await tcpdump.stop('SIGINT');
  expect(collector.stderr).not.toMatch(/"event":"fault"|"level":"error"/);
  const isFlow = (line: ParsedLine) => line['RECORD_TYPE'] === 'flow' && 'IPV4_SRC_ADDR' in line;
  return { agent: agent.lines.filter(isFlow), collected: collector.lines.filter(isFlow), file };
}

/** Of the connection that stays, whose process is known at every look. */
function isOfPod(line: ParsedLine): boolean {
  return line['SRC_POD_NAME'] === lab.container('heapster').pod && line['SRC_PROC_PID'] !== undefined;
}

/** Beginning of the addresses of Docker's containers. */
function network(): string {
  return lab.dockerGateway.replace(/\d+$/, '');
}

/** Between containers of the lab. */
function isOfLab({ IPV4_SRC_ADDR: source, IPV4_DST_ADDR: destination }: ParsedLine): boolean {
  return [source, destination].every((address) => String(address).startsWith(network()));
}

/** Values of fields in the order given. A value of nothing is what a template says of a field that a flow has not. */
function valuesOf(line: ParsedLine, fields: readonly string[]): unknown[] {
  return fields.map((field) => line[field] || '');
}

/** The same by tshark. */
function tsharkValues(record: PdmlNode): unknown[] {
  return Object.entries(TSHARK_NAMES).map(([field, name]) => {
    const { show = '' } = findNode(record.children, `cflow.${name}`) ?? {};
    const isNumber = /PORT$|PROTOCOL|BYTES|PKTS|PID$|UID$/.test(field);
    return show === '' || show === '0' ? '' : isNumber ? Number(show) : show;
  });
}

/** Records as texts in an order of their own: Templates come in between. */
function sorted(records: readonly unknown[][]): string[] {
  return records.map((record) => JSON.stringify(record)).toSorted();
}

/** A process of a container, by its command line, as Docker tells it. */
async function pidOf(name: string, commandLine: RegExp): Promise<number> {
  const rows = (await lab.docker('top', lab.container(name).id, '-eo', 'pid,args')).split('\n');
  return Number(
    rows
      .map((row) => row.trim())
      .find((row) => commandLine.test(row.replace(/^\d+ +/, '')))
      ?.split(' ')[0],
  );
}

describe.skipIf(isImpossible)('what an agent exports', () => {
  beforeAll(async () => {
    buildProgram();
    lab = await ContainerLab.open('docker');
    const { address } = lab.container('ubuntu_test');
    // A connection that stays, of a process in the pod.
    await lab.docker('exec', '-d', lab.container('ubuntu_test').id, 'nc', '-ll', '-p', '7000', '-e', 'cat');
    await lab.listening('ubuntu_test', 7000);
    const script = `cp /bin/busybox ${PROGRAM_PATH}; sleep 1000 | ${PROGRAM_PATH} nc ${address} 7000`;
    await lab.docker('exec', '-d', lab.container('heapster').id, 'sh', '-c', script);
  });
  afterAll(() => lab?.close());

  it.each(['9', 'ipfix'] as const)('is read by collect and tshark, version %s', async (version) => {
    const { agent, collected, file } = await exportFor(version);
    const flows = agent.filter(isOfLab);
    const lines = flows.map((line) => valuesOf(line, FIELDS));
    expect(lines.length).toBeGreaterThan(5);
    expect(sorted(collected.filter(isOfLab).map((line) => valuesOf(line, FIELDS)))).toEqual(sorted(lines));
    const packets = readPdml(file, [`udp.port==${PORTS[version]},cflow`]);
    const records = allNodes(
      packets.flatMap(({ protocols }) => protocols),
      ({ label, show }) => /^Flow \d+/.test(label || show),
    ).filter(({ children }) =>
      ['srcaddr', 'dstaddr'].every((name) => findNode(children, `cflow.${name}`)?.show.startsWith(network())),
    );
    const known = Object.keys(TSHARK_NAMES);
    expect(sorted(records.map(tsharkValues))).toEqual(sorted(flows.map((line) => valuesOf(line, known))));
    // All of them say what engines say of the connection that stays.
    const pid = await pidOf('heapster', /^\/root\/\S+ nc [\d.]+ 7000$/);
    const serverPid = await pidOf('ubuntu_test', /^nc -ll /);
    const [client, server] = [lab.container('heapster'), lab.container('ubuntu_test')];
    const ids = [client, server].map(({ id }) => id.slice(0, 12));
    const staying = collected.filter((line) => line['SRC_PROC_PID'] === pid);
    expect(staying.length).toBeGreaterThan(0);
    for (const line of staying)
      expect(line).toMatchObject({
        SRC_PROC_NAME: PROGRAM_PATH,
        SRC_PROC_USER_NAME: 'root',
        SRC_PROC_CONTAINER_ID: ids[0],
        DST_FATHER_PROC_PID: serverPid,
        DST_PROC_CONTAINER_ID: ids[1],
      });
    // tshark has no names for containers, but their octets.
    const raw = records.find(({ children }) => findNode(children, 'cflow.pie.ntop.src_proc_id')?.show === String(pid));
    for (const id of ids) expect(JSON.stringify(raw)).toContain(Buffer.from(id).toString('hex'));
  });
});
