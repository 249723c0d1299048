/**
 * Clients in containers and on the host whose connections tell of themselves: each prints its process, whose number is the same there as on the
 * host, and its port; and the servers that they talk to.
 */

import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import type { ContainerLab, LabContainer } from './container-lab.ts';
import { field, message, numberField } from './protobuf-message.ts';

/** Whose process talks or answers. */
export interface TalkPlace {
  readonly name: string;
  /** Its first process: of a talker the father of its clients, of a server who answers, or the father of who does. */
  readonly pid: number;
  readonly userName: string;
  /** Undefined on the host. */
  readonly container: LabContainer | undefined;
}

/** A server that can be connected to. */
export interface TalkTarget {
  readonly address: string;
  readonly port: number;
  readonly server: TalkPlace;
}

/** A connection as its client told it. */
export interface ToldConnection {
  readonly client: TalkPlace;
  readonly pid: number;
  readonly sourcePort: number;
  readonly target: TalkTarget;
  /** Payload that the client sent. */
  readonly octets: number;
  /** Whether its client's container is only just there: nobody may know its name yet. */
  readonly isFirst: boolean;
}

/** Lives of connections: what the client sends and how long it waits then. */
const LIVES = [
  { octets: 6, seconds: 0 },
  { octets: 1000, seconds: 3 },
] as const;
/**
 * A client: says what it is about to do, connects from a port of its own, sends, waits, and reads until the other side has ended. Linked
 * statically, it runs in images that have no libraries; busybox has none that takes its own port.
 */
const CLIENT = `
#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>
static struct sockaddr_in place(const char *address, const char *port) {
  struct sockaddr_in it = { .sin_family = AF_INET, .sin_port = htons(atoi(port)) };
  inet_pton(AF_INET, address, &it.sin_addr);
  return it;
}
int main(int count, char **words) {
  char octets[4096];
  int on = 1, one = socket(AF_INET, SOCK_STREAM, 0);
  struct sockaddr_in own = place("0.0.0.0", words[1]), other = place(words[2], words[3]);
  printf("told %d %s %s %s %s\\n", getpid(), words[1], words[2], words[3], words[4]);
  fflush(stdout);
  setsockopt(one, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
  if (bind(one, (void *)&own, sizeof own) < 0 || connect(one, (void *)&other, sizeof other) < 0) return 1;
  memset(octets, 'x', sizeof octets);
  send(one, octets, atoi(words[4]), 0);
  sleep(atoi(words[5]));
  shutdown(one, SHUT_WR);
  while (recv(one, octets, sizeof octets, 0) > 0);
  return 0;
}
`;
const ROUNDS = 3;
const IN_CONTAINER = '/bin/talk';
/** User and group www-data, the same on Debian and in the lab's images. */
const USER_ID = 33;

/** Has everybody talk to everybody that can be reached and gives all connections when they are over. */
export async function talkEverywhere(lab: ContainerLab): Promise<ToldConnection[]> {
  await compileClient(lab);
  const host = await startHostServer(lab);
  const onHost = (address: string): TalkTarget => ({ address, port: 9000, server: host });
  const server = (name: string, port: number): TalkTarget => {
    const container = lab.container(name);
    return { address: container.address, port, server: { name, pid: container.pid, userName: 'root', container } };
  };
  const web = server('web1', 80);
  const ubuntu = server('ubuntu_test', 80);
  const dns = server('dnsmasq', 8080);
  const published = await publishServer(lab);
  const told = await Promise.all([
    inDocker(lab, 21_000, [ubuntu, onHost(lab.dockerGateway), web, dns]),
    inPodman(lab, 22_000, [web, onHost('10.88.0.1'), ubuntu, dns]),
    inPod(lab, 23_000, [dns, { ...dns, address: '127.0.0.1' }, onHost(lab.podGateway)]),
    onTheHost(lab, 24_000, [ubuntu, web, dns, published, onHost('127.0.0.1')]),
  ]);
  return told.flat();
}

function clientPath(lab: ContainerLab): string {
  return join(lab.directory, 'talk');
}

async function compileClient(lab: ContainerLab): Promise<void> {
  const source = `${clientPath(lab)}.c`;
  writeFileSync(source, CLIENT);
  await lab.run('cc', '-static', '-o', clientPath(lab), source);
}

/** A server that echoes, on the host, of the user nobody. */
async function startHostServer(lab: ContainerLab): Promise<TalkPlace> {
  const script = "require('net').createServer((each) => each.on('error', () => {}).pipe(each)).listen(9000, '0.0.0.0')";
  const user = ['--reuid=65534', '--regid=65534', '--clear-groups'];
  const child = lab.start('setpriv', ...user, process.execPath, '-e', script);
  await untilSo(async () => (await lab.run('ss', '-Hltn', 'sport = 9000')) !== '', 'the server of the host');
  return { name: 'host', pid: child.pid!, userName: 'nobody', container: undefined };
}

/** A server of Docker whose port is one of the host's, too. */
async function publishServer(lab: ContainerLab): Promise<TalkTarget> {
  const id = await lab.docker(
    ...['run', '-d', '--name', 'published', '-p', '18080:80'],
    ...['bb:1', '/bin/httpd', '-f', '-p', '80', '-h', '/www'],
  );
  const container = await dockerContainer(lab, id, 'published');
  return {
    address: lab.dockerGateway,
    port: 18_080,
    server: { name: 'published', pid: container.pid, userName: 'root', container },
  };
}

async function dockerContainer(lab: ContainerLab, id: string, name: string): Promise<LabContainer> {
  const format = '{{.State.Pid}} {{.NetworkSettings.IPAddress}}';
  const [pid, address = ''] = (await lab.docker('inspect', '-f', format, id)).split(' ');
  const container = { engine: 'docker' as const, id, name, pod: '', podNamespace: '', pid: Number(pid), address };
  lab.containers.set(name, container);
  return container;
}

/** Brings the client into a container. */
function mountOf(lab: ContainerLab): string[] {
  return ['-v', `${clientPath(lab)}:${IN_CONTAINER}:ro`];
}

async function inDocker(lab: ContainerLab, port: number, targets: readonly TalkTarget[]): Promise<ToldConnection[]> {
  const name = 'docker-talker';
  const place = ['--pid', 'host', '-u', String(USER_ID), '--name', name, ...mountOf(lab)];
  const id = await lab.docker('run', '-d', ...place, 'bb:1', '/bin/sh', '-c', talking(targets, port));
  const container = await dockerContainer(lab, id, name);
  return toldWhenOver(() => lab.docker('logs', name), talker(container), targets);
}

async function inPodman(lab: ContainerLab, port: number, targets: readonly TalkTarget[]): Promise<ToldConnection[]> {
  const name = 'podman-talker';
  const limits = ['--ulimit', 'nofile=1024:1024', '--ulimit', 'nproc=1000:1000', '--log-driver', 'k8s-file'];
  const place = ['--pid', 'host', '-u', String(USER_ID), '--name', name, '--network', 'podman', ...mountOf(lab)];
  const root = ['--rootfs', `${lab.directory}/root`];
  const id = await lab.podman('run', '-d', ...limits, ...place, ...root, '/bin/sh', '-c', talking(targets, port));
  const format = '{{.State.Pid}} {{.NetworkSettings.Networks.podman.IPAddress}}';
  const [pid, address = ''] = (await lab.podman('inspect', '-f', format, name)).split(' ');
  const container = { engine: 'podman' as const, id, name, pod: '', podNamespace: '', pid: Number(pid), address };
  lab.containers.set(name, container);
  return toldWhenOver(() => lab.podman('logs', name), talker(container), targets);
}

async function inPod(lab: ContainerLab, port: number, targets: readonly TalkTarget[]): Promise<ToldConnection[]> {
  const name = 'pod-talker';
  // LinuxContainerSecurityContext: NamespaceOption.pid is NODE, and run_as_user.
  const security = message(field(3, numberField(2, 2)), field(5, numberField(1, USER_ID)));
  const mount = message(field(1, IN_CONTAINER), field(2, clientPath(lab)), numberField(3, 1));
  const container = await lab.addToPod(name, talking(targets, port), field(7, mount), field(15, field(2, security)));
  return toldWhenOver(async () => readFileSync(lab.podLog(name), 'utf8'), talker(container), targets);
}

async function onTheHost(lab: ContainerLab, port: number, targets: readonly TalkTarget[]): Promise<ToldConnection[]> {
  const file = join(lab.directory, 'host-talker.log');
  const child = lab.start('sh', '-c', `exec > ${file}\n${talking(targets, port, clientPath(lab))}`);
  const place = { name: 'host', pid: child.pid!, userName: 'root', container: undefined };
  return toldWhenOver(async () => (existsSync(file) ? readFileSync(file, 'utf8') : ''), place, targets);
}

function talker(container: LabContainer): TalkPlace {
  return { name: container.name, pid: container.pid, userName: 'www-data', container };
}

/** A program of the shell that connects to each target for a moment and for seconds, several times. */
function talking(targets: readonly TalkTarget[], firstPort: number, program = IN_CONTAINER): string {
  let port = firstPort;
  const lines = Array.from({ length: ROUNDS }, () => {
    const clients = targets.flatMap(({ address, port: to }) =>
      LIVES.map(({ octets, seconds }) => `${program} ${port++} ${address} ${to} ${octets} ${seconds} &`),
    );
    return [...clients, 'wait'];
  });
  // It stays: whoever asks for its father later finds it.
  return [...lines.flat(), 'echo over', 'sleep 10000'].join('\n');
}

async function toldWhenOver(
  log: () => Promise<string>,
  client: TalkPlace,
  targets: readonly TalkTarget[],
): Promise<ToldConnection[]> {
  let text = '';
  await untilSo(async () => {
    text = await log();
    return /\bover$/m.test(text);
  }, `what ${client.name} tells`);
  return [...text.matchAll(/\btold (\d+) (\d+) ([\d.]+) (\d+) (\d+)$/gm)].map((match, index) => {
    const [pid = 0, sourcePort = 0] = match.slice(1, 3).map(Number);
    const target = targets.find(({ address, port }) => address === match[3] && port === Number(match[4]))!;
    return {
      client,
      pid,
      sourcePort,
      target,
      octets: Number(match[5]),
      isFirst: index < targets.length * LIVES.length,
    };
  });
}

async function untilSo(isSo: () => Promise<boolean>, what: string): Promise<void> {
  for (const endMs = Date.now() + 60_000; !(await isSo()); await sleep(200)) {
    if (Date.now() > endMs) throw new Error(`waited too long for ${what}`);
  }
}
