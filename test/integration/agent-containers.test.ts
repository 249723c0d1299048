/**
 * Everybody talks to everybody: containers of three engines, a pod and the host. What the clients tell of their connections, and the engines of
 * their containers, is what the agent tells.
 */

import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { ContainerLab, containerObstacle, type LabContainer } from '../support/container-lab.ts';
import { type TalkPlace, type ToldConnection, talkEverywhere } from '../support/container-talkers.ts';
import type { LabProgram, ParsedLine } from '../support/lab.ts';
import { agentObstacle, containerFields, fatherOf, startAgent } from '../support/lab-agent.ts';
import { buildProgram } from '../support/program.ts';

const END_OF_FLOW = 3;
/** Fields of an end's container, which an end on the host has none of. */
const CONTAINER_KEYS = ['PROC_CONTAINER_ID', 'CONTAINER_NAME', 'POD_NAME', 'POD_NAMESPACE'];

const isImpossible = containerObstacle() !== undefined || agentObstacle() !== undefined;

let lab: ContainerLab;
let agent: LabProgram;
let connections: ToldConnection[];
let lines: ParsedLine[];
/** Fathers of the servers and talkers, which are gone at the end. */
const fathers = new Map<number, number>();

/** By the client's port, which is one connection's alone. */
function recordsOf(type: string): Map<number, ParsedLine[]> {
  const ports = new Map(connections.map(({ sourcePort }) => [sourcePort, [] as ParsedLine[]]));
  for (const line of lines) {
    if (line['RECORD_TYPE'] !== type) continue;
    const records = ports.get(Number(line['L4_SRC_PORT'])) ?? ports.get(Number(line['L4_DST_PORT']));
    records?.push(line);
  }
  return ports;
}

function describeConnection({ client, sourcePort, target }: ToldConnection): string {
  return `${client.name}:${sourcePort} to ${target.server.name} at ${target.address}:${target.port}`;
}

/** What the lines say of the containers of both ends. */
function containersOf(line: ParsedLine): Record<string, unknown> {
  const keys = ['SRC', 'DST'].flatMap((end) => CONTAINER_KEYS.map((key) => `${end}_${key}`));
  return Object.fromEntries(keys.filter((key) => key in line).map((key) => [key, line[key]]));
}

function expectedContainers({ client, target }: ToldConnection): Record<string, unknown> {
  return {
    ...(client.container !== undefined && containerFields('SRC', client.container)),
    ...(target.server.container !== undefined && containerFields('DST', target.server.container)),
  };
}

/** A container as nested records name it. */
function nestedContainer({ id, name, pod, podNamespace }: LabContainer): unknown {
  const names = { ID: id.slice(0, 12), NAME: name };
  return pod === '' ? { DOCKER: names } : { KUBE: { ...names, POD: pod, NS: podNamespace } };
}

describe.skipIf(isImpossible)('agent beside real containers', () => {
  beforeAll(async () => {
    buildProgram();
    lab = await ContainerLab.open();
    agent = await startAgent(lab, { isInside: true });
    connections = await talkEverywhere(lab);
    for (const { client, target } of connections) {
      for (const { pid } of [client, target.server]) if (!fathers.has(pid)) fathers.set(pid, fatherOf(pid));
    }
    const areTold = () => {
      const ends = agent.lines.filter((line) => line['FLOW_END_REASON'] === END_OF_FLOW);
      const ports = new Set(ends.map((line) => line['L4_SRC_PORT']));
      return connections.every(({ sourcePort }) => ports.has(sourcePort));
    };
    await agent.until(areTold, 'the ends of all connections');
    expect(await agent.stop()).toBe(0);
    lines = agent.lines;
  });
  afterAll(() => lab?.close());

  it('tells each connection once, with both processes, fathers, users, containers and pods', () => {
    // Three rounds of a short and a long one for each of 16 ways.
    expect(connections).toHaveLength(96);
    const flows = recordsOf('flow');
    for (const connection of connections) {
      const { client, pid, sourcePort, target, octets } = connection;
      const what = describeConnection(connection);
      const records = flows.get(sourcePort)!;
      expect(records.length, what).toBeGreaterThan(0);
      expect(
        records.map((record) => record['FLOW_END_REASON']).filter((reason) => reason === END_OF_FLOW),
        what,
      ).toHaveLength(1);
      expect(
        records.reduce((sum, record) => sum + Number(record['IN_BYTES']), 0),
        what,
      ).toBe(octets);
      for (const record of records) {
        expect(record, what).toMatchObject({
          IPV4_SRC_ADDR: sourceOf(connection),
          L4_SRC_PORT: sourcePort,
          IPV4_DST_ADDR: target.address,
          L4_DST_PORT: target.port,
          SRC_PROC_PID: pid,
          SRC_PROC_USER_NAME: client.userName,
          SRC_FATHER_PROC_PID: client.pid,
          DST_PROC_USER_NAME: target.server.userName,
        });
        expect(record['SRC_PROC_NAME'], what).toMatch(/\btalk$/);
        const [told, expected] = [containersOf(record), expectedContainers(connection)];
        // Where a container is only just there, its name may come after its id.
        if (connection.isFirst) expect(expected, what).toMatchObject(told);
        else expect(told, what).toEqual(expected);
        for (const key of ['SRC_PROC_CONTAINER_ID', 'DST_PROC_CONTAINER_ID'])
          expect(told[key], what).toBe(expected[key]);
        checkServer(record, target.server, what);
      }
    }
  });

  it('prints who connected and who accepted', () => {
    const events = recordsOf('event');
    for (const connection of connections) {
      const { client, pid, sourcePort, target } = connection;
      const what = describeConnection(connection);
      for (const [kind, process, place] of [
        ['CONNECT', pid, client],
        ['ACCEPT', target.server.pid, target.server],
      ] as const) {
        const all = events.get(sourcePort)!.filter((line) => line['EVENT_TYPE'] === kind);
        expect(all, `${kind} ${what}`).toHaveLength(1);
        expect(all[0], `${kind} ${what}`).toMatchObject({
          USER_NAME: place.userName,
          LOCAL_PROCESS: { PID: process, UID_NAME: place.userName },
          LOCAL_FATHER_PROCESS: { PID: kind === 'CONNECT' ? client.pid : fathers.get(process) },
        });
        const { container } = place;
        const told = JSON.stringify(all[0]!['LOCAL_CONTAINER']);
        // What happens at once is told at once, by the id alone.
        if (connection.isFirst && container !== undefined)
          expect(told, `${kind} ${what}`).toContain(container.id.slice(0, 12));
        else expect(told, `${kind} ${what}`).toBe(JSON.stringify(container && nestedContainer(container)));
      }
    }
  });

  it('names the container or pod behind each veth', async () => {
    const counters = lines.filter((line) => line['RECORD_TYPE'] === 'counters');
    const links = JSON.parse(await lab.run('ip', '-j', 'link')) as { ifindex: number; ifname: string }[];
    for (const container of lab.containers.values()) {
      const inside = await lab.run('nsenter', '-t', String(container.pid), '-n', 'ip', '-o', 'link', 'show', 'eth0');
      const index = Number(/eth0@if(\d+)/.exec(inside)?.[1]);
      const last = counters.filter((line) => line['ifIndex'] === index).at(-1);
      expect(last?.['ifName'], container.name).toBe(links.find(({ ifindex }) => ifindex === index)?.ifname);
      const { pod, podNamespace } = container;
      const isShared = [...lab.containers.values()].some(
        (other) => other !== container && other.pod === pod && pod !== '',
      );
      // What several share is their pod's.
      const expected = isShared ? { KUBE: { POD: pod, NS: podNamespace } } : nestedContainer(container);
      expect(last?.['LOCAL_CONTAINER'], container.name).toEqual(expected);
    }
    for (const name of ['lo', 'docker0', 'cni0']) {
      const all = counters.filter((line) => line['ifName'] === name);
      expect(all.length, name).toBeGreaterThan(1);
      for (const line of all) expect(line['LOCAL_CONTAINER'], name).toBeUndefined();
    }
  });

  it('has no complaint', () => {
    const log = agent.stderr.split('\n').filter((line) => line !== '');
    const levels = new Set(log.map((line) => (JSON.parse(line) as { level: string }).level));
    expect([...levels]).toEqual(['info']);
  });
});

/** The address that a client has to a target. */
function sourceOf({ client, target }: ToldConnection): unknown {
  if (target.address === '127.0.0.1') return '127.0.0.1';
  return client.container?.address ?? expect.any(String);
}

/** A server has a connection itself, or a process of its own for it. */
function checkServer(record: ParsedLine, { pid }: TalkPlace, what: string): void {
  const isChild = record['DST_PROC_PID'] !== pid;
  expect(record[isChild ? 'DST_FATHER_PROC_PID' : 'DST_PROC_PID'], what).toBe(pid);
  if (!isChild) expect(record['DST_FATHER_PROC_PID'], what).toBe(fathers.get(pid));
}
