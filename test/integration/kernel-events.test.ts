/** Events of the kernel as bpftrace tells them, against what processes say that they did. */

import { execFileSync, spawn } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { EventSource } from '../../src/agent/event-source.ts';
import type { KernelEvent, KernelEventKind } from '../../src/agent/kernel-event.ts';
import { makeFlows, python } from '../support/flow-makers.ts';
import { rootObstacle } from '../support/lab.ts';
import { repositoryPath } from '../support/program.ts';

const NAMESPACE = `flowrelay-events-${process.pid}`;

const isImpossible =
  rootObstacle('kernel events', 'bpftrace', 'python3', 'ip', 'setpriv', 'unshare', 'iptables') !== undefined;

describe.skipIf(isImpossible)('kernel events', () => {
  const events: KernelEvent[] = [];
  let source: EventSource;
  const directory = mkdtempSync(join(tmpdir(), 'flowrelay-events-'));

  beforeAll(async () => {
    execFileSync('ip', ['netns', 'add', NAMESPACE]);
    execFileSync('ip', ['-n', NAMESPACE, 'link', 'set', 'lo', 'up']);
    const opened = await EventSource.open({ onEvents: (batch) => events.push(...batch) });
    if (typeof opened === 'string') throw new Error(opened);
    source = opened;
  });

  afterAll(async () => {
    await source?.close();
    execFileSync('ip', ['netns', 'del', NAMESPACE]);
    rmSync(directory, { recursive: true, force: true });
  });

  /** Waits until `count` events are as asked, at most half a minute, and gives them. */
  async function wanted(count: number, is: (event: KernelEvent) => boolean): Promise<KernelEvent[]> {
    for (const endMs = Date.now() + 30_000; Date.now() < endMs; ) {
      if (events.filter(is).length >= count) break;
      await sleep(100);
    }
    return events.filter(is);
  }

  const inNamespace = (source: string, ...words: string[]) => python(source, words, ['ip', 'netns', 'exec', NAMESPACE]);

  it('leave out nothing on this kernel', () => {
    expect(source.missing).toEqual([]);
    expect(source.isUp).toBe(true);
  });

  it('tell of 240 flows of 1 ms, 0.5 s and 3 s, a process each, with the right process', async () => {
    const made = await makeFlows({ lives: [1, 500, 3000].map((lifeMs) => ({ lifeMs, count: 80 })) });
    const isOf = (port: number) => (event: KernelEvent) => event.localPort === port || event.remotePort === port;
    const port = made.connections[0]!.remotePort;
    const found = await wanted(240 * 4, (event) => event.protocol === 6 && isOf(port)(event));
    const count = (kind: KernelEventKind) => found.filter((event) => event.kind === kind).length;
    expect({ connect: count('CONNECT'), accept: count('ACCEPT'), close: count('CLOSE') }).toEqual({
      connect: 240,
      accept: 240,
      close: 480,
    });
    const namespace = statSync('/proc/self/ns/net').ino;
    for (const connection of made.connections) {
      const of = (kind: KernelEventKind, localPort: number, remotePort: number) =>
        found.find((event) => event.kind === kind && event.localPort === localPort && event.remotePort === remotePort);
      const ends = {
        localAddress: '127.0.0.1',
        remoteAddress: '127.0.0.1',
        namespace,
        userId: 0,
        name: expect.stringMatching(/^python3/),
      };
      const { pid, fatherPid, localPort, remotePort, octetsSent, octetsReceived } = connection;
      const connect = of('CONNECT', localPort, remotePort);
      expect(connect).toMatchObject({ ...ends, pid, fatherPid });
      const close = of('CLOSE', localPort, remotePort);
      expect(close).toMatchObject({ ...ends, pid, octetsSent, octetsReceived });
      expect(of('ACCEPT', remotePort, localPort)).toMatchObject({ ...ends, pid: made.serverPid });
      expect(of('CLOSE', remotePort, localPort)).toMatchObject({
        ...ends,
        pid: made.serverPid,
        octetsSent: octetsReceived,
        octetsReceived: octetsSent,
      });
      // The clocks of two programs on one machine: what happened before is not later by more than they differ.
      expect(connect!.timeMs).toBeLessThan(connection.connectedMs + 50);
      expect(close!.timeMs).toBeGreaterThan(connection.closingMs - 50);
    }
    expect(source.counters).toMatchObject({ lost: 0, malformed: 0, restarts: 0 });
  });

  it('tell of connections over IPv6 in another namespace', async () => {
    const made = await makeFlows({
      lives: [{ lifeMs: 1, count: 5 }],
      address: '::1',
      launcher: ['ip', 'netns', 'exec', NAMESPACE],
    });
    const namespace = statSync(`/run/netns/${NAMESPACE}`).ino;
    for (const { pid, localPort, remotePort } of made.connections) {
      const ofClient = (event: KernelEvent) => event.namespace === namespace && event.localPort === localPort;
      // Each processor's are read by themselves.
      const inTime = (await wanted(2, ofClient)).toSorted((one, other) => one.timeMs - other.timeMs);
      expect(inTime).toMatchObject([
        { kind: 'CONNECT', pid, localAddress: '::1', remoteAddress: '::1', remotePort },
        { kind: 'CLOSE', pid, localAddress: '::1', remoteAddress: '::1', remotePort },
      ]);
    }
  });

  it('tell of connections that are refused', async () => {
    const [pid, port] = JSON.parse(
      await inNamespace(`
import os, socket, json
bound = socket.socket(); bound.bind(('127.0.0.1', 0))
client = socket.socket()
try: client.connect(bound.getsockname())
except ConnectionRefusedError: print(json.dumps([os.getpid(), bound.getsockname()[1]]))
`),
    ) as [number, number];
    expect(await wanted(1, (event) => event.remotePort === port)).toMatchObject([
      { kind: 'CONNECT_FAILED', pid, localAddress: '127.0.0.1', remoteAddress: '127.0.0.1' },
    ]);
  });

  it('tell of retransmissions, one a second', async () => {
    execFileSync('ip', ['-n', NAMESPACE, 'addr', 'add', '10.99.0.1/24', 'dev', 'lo']);
    execFileSync('ip', [
      'netns',
      'exec',
      NAMESPACE,
      'iptables',
      '-A',
      'INPUT',
      '-p',
      'tcp',
      '-d',
      '10.99.0.1',
      '-j',
      'DROP',
    ]);
    const pid = Number(
      await inNamespace(`
import os, socket
client = socket.socket(); client.settimeout(4)
print(os.getpid())
try: client.connect(('10.99.0.1', 81))
except OSError: pass
`),
    );
    await wanted(1, (event) => event.remotePort === 81 && event.kind === 'CONNECT_FAILED');
    const found = await wanted(3, (event) => event.remotePort === 81);
    expect(found.map(({ kind }) => kind)).toEqual(expect.arrayContaining(['RETRANSMIT', 'CONNECT_FAILED']));
    expect(found.every((event) => event.pid === pid && event.remoteAddress === '10.99.0.1')).toBe(true);
  });

  it.each(['127.0.0.1', '::1'])('sum up datagrams of %s by socket and peer', async (address) => {
    const made = JSON.parse(
      await inNamespace(
        `
import os, socket, sys, json
address = sys.argv[1]
family = socket.AF_INET6 if ':' in address else socket.AF_INET
new = lambda: socket.socket(family, socket.SOCK_DGRAM)
server = new(); server.bind((address, 0)); to = server.getsockname()
free = new(); connected = new(); connected.connect(to); message = new()
for i in range(100):
    free.sendto(b'a' * 10, to); server.recvfrom(100)
for i in range(50):
    connected.send(b'b' * 7); server.recvmsg(100)
message.sendmsg([b'c' * 3], [], 0, to); octets, peer = server.recvfrom(100)
server.sendto(b'd' * 99, peer); message.recvfrom(100)
server.sendto(b'e' * 44, connected.getsockname()); connected.recv(100)
port = lambda which: which.getsockname()[1]
print(json.dumps([os.getpid(), port(server), port(free), port(connected), port(message)]))
`,
        address,
      ),
    ) as number[];
    const [pid, server, free, connected, message] = made;
    const namespace = statSync(`/run/netns/${NAMESPACE}`).ino;
    const total = (kind: KernelEventKind, localPort: number, remotePort: number) => {
      const of = events.filter(
        (event) => event.kind === kind && event.localPort === localPort && event.remotePort === remotePort,
      );
      expect(of.every((event) => event.pid === pid && event.protocol === 17 && event.namespace === namespace)).toBe(
        true,
      );
      expect(of.every((event) => event.remoteAddress === address)).toBe(true);
      // Sums, not a line for each.
      expect(of.length).toBeLessThan(20);
      return of.reduce((sum, event) => sum + event.octetsSent + event.octetsReceived, 0);
    };
    const sums = () => ({
      freeSent: total('SEND', free!, server!),
      connectedSent: total('SEND', connected!, server!),
      messageSent: total('SEND', message!, server!),
      fromFree: total('RECV', server!, free!),
      fromConnected: total('RECV', server!, connected!),
      fromMessage: total('RECV', server!, message!),
      answered: total('SEND', server!, message!) + total('SEND', server!, connected!),
      heard: total('RECV', message!, server!) + total('RECV', connected!, server!),
    });
    // A sum may be told in parts.
    await expect.poll(sums).toEqual({
      freeSent: 1000,
      connectedSent: 350,
      messageSent: 3,
      fromFree: 1000,
      fromConnected: 350,
      fromMessage: 3,
      answered: 143,
      heard: 143,
    });
  });

  it('cannot be made up by a process that calls itself like a line', async () => {
    const copy = join(directory, 'e\nC\t1\t2\t3');
    const name = 'x\nH\t1\nQ\t7\t7';
    const before = source.counters.malformed;
    const pid = Number(
      await python(
        `
import os, socket, sys, shutil
open('/proc/self/comm', 'w').write(sys.argv[2])
socket.socket(socket.AF_INET, socket.SOCK_DGRAM).sendto(b'x', ('127.0.0.1', 9))
server = socket.create_server(('127.0.0.1', 0)); client = socket.create_connection(server.getsockname()); client.close()
shutil.copy('/bin/true', sys.argv[1]); print(os.getpid(), flush=True)
os.execv(sys.argv[1], ['x'])
`,
        [copy, name],
      ),
    );
    for (const kind of ['CONNECT', 'CLOSE', 'SEND', 'EXEC', 'EXIT'] as const)
      await wanted(1, (event) => event.pid === pid && event.kind === kind);
    const found = events.filter((event) => event.pid === pid);
    const named = found.filter((event) => event.kind !== 'EXEC' && event.kind !== 'EXIT');
    expect(new Set(named.map(({ kind }) => kind))).toEqual(new Set(['SEND', 'CONNECT', 'CLOSE']));
    // Cut where the line is, but for the datagrams.
    expect(named.map((event) => event.name)).toEqual(named.map(({ kind }) => (kind === 'SEND' ? name : 'x')));
    expect(found.find((event) => event.kind === 'EXEC' && event.path === copy)).toBeDefined();
    expect(found.find((event) => event.kind === 'EXIT')).toMatchObject({ name: 'e' });
    expect(events.some((event) => event.pid === 7 || event.timeMs < 1e12)).toBe(false);
    await expect.poll(() => source.counters.malformed).toBeGreaterThan(before);
  });

  it('begin again when bpftrace is killed', async () => {
    const reasons: string[] = [];
    let ups = 0;
    const opened = await EventSource.open({
      onEvents: () => {},
      onDown: (reason) => reasons.push(reason),
      onUp: () => ups++,
      restartPauseMs: 10,
    });
    if (typeof opened === 'string') throw new Error(opened);
    process.kill(opened.pid, 'SIGKILL');
    for (const endMs = Date.now() + 60_000; ups === 0 && Date.now() < endMs; ) await sleep(100);
    expect({ isUp: opened.isUp, ups, restarts: opened.counters.restarts }).toEqual({ isUp: true, ups: 1, restarts: 1 });
    expect(reasons).toEqual(['bpftrace ended (signal SIGKILL)']);
    await opened.close();
  });

  it('leave no bpftrace behind when their reader is killed', async () => {
    const options = ['--outDir', directory, '--emptyOutDir=false', '--logLevel', 'error'];
    execFileSync('npx', ['vite', 'build', '--ssr', 'src/agent/event-source.ts', ...options], {
      cwd: repositoryPath(''),
    });
    const program = `import { EventSource } from ${JSON.stringify(join(directory, 'event-source.js'))};
      const source = await EventSource.open({ onEvents() {} });
      console.log(source.pid);`;
    const reader = spawn(process.execPath, ['--input-type=module', '-e', program], {
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    const pid = await new Promise<number>((resolve) => reader.stdout.once('data', (text) => resolve(Number(text))));
    expect(readFileSync(`/proc/${pid}/comm`, 'utf8')).toBe('bpftrace\n');
    reader.kill('SIGKILL');
    // Taking its programs out of the kernel takes some time.
    await expect.poll(() => existsSync(`/proc/${pid}`)).toBe(false);
  });
});
