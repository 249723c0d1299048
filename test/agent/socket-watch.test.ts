import { beforeEach, describe, expect, it } from 'vitest';
import { addressWords } from '../../src/agent/address-words.ts';
import type { FlowOwner } from '../../src/agent/flow-owner.ts';
import { NamespaceAddresses } from '../../src/agent/namespace-addresses.ts';
import { SocketDirectory } from '../../src/agent/socket-directory.ts';
import type { SocketEntry } from '../../src/agent/socket-entry.ts';
import { SocketWatch } from '../../src/agent/socket-watch.ts';
import { containerOf, eventOf, FakeParts, listenerOf, OWN, processOf, socketOf } from '../support/agent-parts.ts';

const [LOCAL, REMOTE] = ['192.0.2.7:40000', '198.51.100.1:443'];
const POD = OWN + 7;

let parts: FakeParts;
let directory: SocketDirectory;
let watch: SocketWatch;

beforeEach(() => {
  const seed = Uint32Array.of(5, 6);
  parts = new FakeParts();
  const addresses = new NamespaceAddresses({
    keepMs: 120_000,
    seed,
    procRoot: '/nowhere',
    ownAddresses: () => ['192.0.2.7'],
  });
  directory = new SocketDirectory({ maxSockets: 100, keepMs: 120_000, slackMs: 10_000, seed }, addresses);
  watch = new SocketWatch(directory, parts, () => parts.nowMs);
  parts.table.set(11, processOf(11));
  parts.table.set(12, processOf(12));
});

async function look(seconds = 5): Promise<void> {
  parts.nowMs += 1000 * seconds;
  await watch.look();
}

function ask(local: string, remote: string, timeMs = parts.nowMs, protocol = 6): FlowOwner | undefined {
  const asked = socketOf(local, remote);
  addressWords(asked.localAddress, directory.local, 0);
  addressWords(asked.remoteAddress, directory.remote, 0);
  directory.times.fill(timeMs);
  if (!directory.addresses.isLocal(directory.local, 0)) return undefined;
  return directory.find(protocol, asked.localPort, asked.remotePort);
}

const pidOf = (...args: Parameters<typeof ask>): number | undefined => ask(...args)?.process?.pid;

describe('looks', () => {
  it('learn sockets and their owners, and when they have ended', async () => {
    const entry = parts.add(socketOf(LOCAL, REMOTE), 11);
    parts.add(listenerOf('0.0.0.0:80'), 12);
    await look();
    expect(pidOf(LOCAL, REMOTE)).toBe(11);
    expect(pidOf('192.0.2.7:80', '198.51.100.2:5000')).toBe(12);
    expect(ask(LOCAL, REMOTE)).toMatchObject({ father: undefined, userName: 'alice' });
    const seenMs = parts.nowMs;
    parts.remove(entry);
    await look();
    await look();
    expect(pidOf(LOCAL, REMOTE, seenMs)).toBe(11);
    expect(pidOf(LOCAL, REMOTE, seenMs + 10_001)).toBeUndefined();
    await look(120);
    expect(directory.size).toBe(1);
    expect(watch.counters).toMatchObject({ rounds: 4, sockets: 1 });
  });

  it('learn addresses of other namespaces by their sockets', async () => {
    parts.namespaces.push({ id: POD, pid: 12 });
    parts.add(socketOf('172.17.0.2:80', REMOTE, undefined, { namespace: POD }), 12);
    parts.add(listenerOf('0.0.0.0:80', { namespace: POD }), 12);
    await look();
    expect(pidOf('172.17.0.2:80', '198.51.100.77:5000')).toBe(12);
    expect(pidOf('192.0.2.7:80', '198.51.100.77:5000')).toBeUndefined();
  });

  it('take sockets that nobody has for no one’s, and for their former owner’s', async () => {
    const entry = parts.add(socketOf(LOCAL, REMOTE, undefined, { cookie: 'aa' }), 11);
    await look();
    parts.replace(entry, {}, { state: 'FIN-WAIT-2', inode: 0, userId: 0 });
    parts.add(socketOf('192.0.2.7:2', REMOTE, undefined, { state: 'TIME-WAIT', inode: 0, userId: 0 }));
    parts.add(socketOf('192.0.2.7:3', '0.0.0.0:0', undefined, { state: 'CLOSE' }), 12);
    await look();
    expect(pidOf(LOCAL, REMOTE)).toBe(11);
    expect(directory.size).toBe(1);
  });

  it('are one at a time', async () => {
    const first = watch.look();
    expect(watch.look()).toBe(first);
    await first;
    expect(watch.counters.rounds).toBe(1);
  });
});

describe('what is heard between looks', () => {
  beforeEach(() => look());

  it('of connections tells their process', () => {
    const nowMs = parts.nowMs + 1000;
    watch.takeEvents([
      eventOf('CONNECT', LOCAL, REMOTE, nowMs, { pid: 11, cookie: 'aa' }),
      eventOf('CLOSE', LOCAL, REMOTE, nowMs + 1, { pid: 11, cookie: 'aa' }),
      eventOf('CONNECT', LOCAL, REMOTE, nowMs + 20, { pid: 12, cookie: 'bb' }),
      eventOf('ACCEPT', '192.0.2.7:80', '198.51.100.2:5000', nowMs, { pid: 12 }),
      eventOf('CONNECT_FAILED', '192.0.2.7:9', REMOTE, nowMs, { pid: 12 }),
      eventOf('EXIT', '', '', nowMs, { pid: 11, protocol: 0 }),
    ]);
    expect(pidOf(LOCAL, REMOTE, nowMs)).toBe(11);
    expect(pidOf(LOCAL, REMOTE, nowMs + 25)).toBe(12);
    expect(pidOf('192.0.2.7:80', '198.51.100.2:5000')).toBe(12);
    expect(directory.size).toBe(3);
  });

  it('of the kernel itself tells of nobody', () => {
    watch.takeEvents([eventOf('ACCEPT', LOCAL, REMOTE, parts.nowMs, { pid: 0, userId: 0 })]);
    expect(directory.size).toBe(0);
  });

  it('of datagrams tells who has the port, once for all peers', () => {
    const udp = { protocol: 17 as const, pid: 12 };
    for (let i = 1; i < 100; i++) {
      watch.takeEvents([
        eventOf('RECV', '0.0.0.0:53', `198.51.100.${i}:5000`, parts.nowMs, { ...udp, cookie: 'aa' }),
        eventOf('SEND', '192.0.2.7:53', `198.51.100.${i}:5000`, parts.nowMs, { ...udp, cookie: 'aa' }),
      ]);
    }
    watch.takeEvents([eventOf('SEND', '192.0.2.7:6000', '198.51.100.1:53', parts.nowMs, { ...udp, pid: 11 })]);
    expect(pidOf('192.0.2.7:53', '198.51.100.200:1', parts.nowMs, 17)).toBe(12);
    expect(pidOf('192.0.2.7:6000', '198.51.100.1:53', parts.nowMs, 17)).toBe(11);
    expect(pidOf('192.0.2.7:6000', '198.51.100.2:53', parts.nowMs, 17)).toBeUndefined();
  });

  it('of closes tells the user where that is known, and the end', async () => {
    const closed = (local: string, rest: Partial<SocketEntry>) =>
      socketOf(local, REMOTE, undefined, { inode: 0, state: 'CLOSE', ...rest });
    watch.takeClose(closed('192.0.2.7:1', { userId: 1000 }), parts.nowMs);
    watch.takeClose(closed('192.0.2.7:2', { userId: -1 }), parts.nowMs);
    expect(ask('192.0.2.7:1', REMOTE)).toMatchObject({ process: undefined, userName: '1000' });
    expect(directory.size).toBe(1);
    const entry = parts.add(socketOf(LOCAL, REMOTE, undefined, { cookie: 'aa' }), 11);
    await look();
    watch.takeClose({ ...entry, inode: 0 }, parts.nowMs + 100);
    expect(pidOf(LOCAL, REMOTE, parts.nowMs + 10_100)).toBe(11);
    expect(pidOf(LOCAL, REMOTE, parts.nowMs + 10_101)).toBeUndefined();
  });
});

it('owners get names of containers that come later', () => {
  const unnamed = containerOf('c0ffee');
  const owner = {
    process: processOf(11, { cgroup: '/c' }),
    father: undefined,
    container: unnamed,
    userId: 0,
    userName: '',
    usage: undefined,
  };
  expect(watch.complete(owner).container).toBe(unnamed);
  parts.byCgroup.set('/c', containerOf('c0ffee', { name: 'box' }));
  expect(watch.complete(owner).container?.name).toBe('box');
  expect(watch.complete({ ...owner, container: undefined }).container).toBeUndefined();
});
