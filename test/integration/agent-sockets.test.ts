/** Sockets of real namespaces, as ss and as the test that made them know them. */

import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import { createInterface } from 'node:readline';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { CloseSource } from '../../src/agent/close-source.ts';
import type { SocketEntry, SocketSnapshot } from '../../src/agent/socket-entry.ts';
import { SocketSource } from '../../src/agent/socket-source.ts';
import { compareWithText, withoutUserOfRoot } from '../agent/socket-text.ts';
import { isIntegrationRequired, missingPrograms } from '../support/lab.ts';

const missing = missingPrograms('ip', 'ss', 'nsenter', 'stdbuf', 'setpriv');
const reason =
  missing.length > 0
    ? `not installed: ${missing.join(', ')}`
    : process.getuid?.() !== 0
      ? 'only root may make network namespaces'
      : undefined;
if (reason !== undefined) {
  if (isIntegrationRequired) throw new Error(`integration tests cannot run: ${reason}`);
  console.log(`integration tests of sockets are skipped: ${reason}`);
}

/** Servers and clients of user 1234; each line on standard input makes another connection that sends 7 octets, has them back and ends. */
const TALK = `
const net = require('node:net'), dgram = require('node:dgram');
const serve = (host, port) => new Promise((ready) => net.createServer((each) => each.on('error', () => {}).pipe(each)).listen(port, host, ready));
const talk = (host, port, octets) => new Promise((done) => {
  const client = net.connect(port, host, () => client.write('x'.repeat(octets)));
  let received = 0;
  client.on('data', (data) => { received += data.length; if (received === octets) done(client); });
});
(async () => {
  await serve('127.0.0.1', 8001);
  await serve('::', 8002);
  await talk('127.0.0.1', 8001, 1000);
  await talk('::1', 8002, 200000);
  await talk('127.0.0.1', 8002, 3000);
  const udp = dgram.createSocket('udp4');
  udp.bind(5300, '127.0.0.1', () => udp.connect(5301, '127.0.0.1', () => console.log('ready')));
  require('node:readline').createInterface(process.stdin).on('line', async () => {
    const client = await talk('127.0.0.1', 8001, 7);
    console.log(client.localPort);
    client.destroy();
  });
})();
`;

const namespace = `flowrelay-sockets-${process.pid}`;
const inside = (...args: string[]) =>
  execFileSync('ip', ['netns', 'exec', namespace, ...args], { encoding: 'utf8', stdio: ['ignore', 'pipe', 'ignore'] });
let child: ChildProcess;
let lines: AsyncIterator<string>;
let id = 0;
let pid = 0;

async function nextLine(): Promise<string> {
  const { value } = await lines.next();
  return value as string;
}

async function until(isSo: () => boolean): Promise<void> {
  for (let i = 0; i < 1500 && !isSo(); i++) await sleep(20);
  expect(isSo()).toBe(true);
}

describe.skipIf(reason !== undefined)('sockets of a namespace', () => {
  beforeAll(async () => {
    execFileSync('ip', ['netns', 'add', namespace]);
    inside('ip', 'link', 'set', 'lo', 'up');
    const words = ['netns', 'exec', namespace, 'setpriv', '--reuid', '1234', '--clear-groups', process.execPath];
    child = spawn('ip', [...words, '-e', TALK], { stdio: ['pipe', 'pipe', 'inherit'] });
    lines = createInterface(child.stdout!)[Symbol.asyncIterator]();
    expect(await nextLine()).toBe('ready');
    // The last acknowledgements are sent a while after what they acknowledge.
    for (let before = '', now = inside('cat', '/proc/net/snmp'); now !== before; ) {
      before = now;
      await sleep(150);
      now = inside('cat', '/proc/net/snmp');
    }
    pid = Number(execFileSync('ip', ['netns', 'pids', namespace], { encoding: 'utf8' }).trim());
    id = Number(/\d+/.exec(execFileSync('readlink', [`/proc/${pid}/ns/net`], { encoding: 'utf8' }))?.[0]);
  });

  afterAll(() => {
    child.kill('SIGKILL');
    execFileSync('ip', ['netns', 'del', namespace]);
  });

  const there = ({ sockets }: SocketSnapshot, protocol: number) =>
    sockets.filter((entry) => entry.namespace === id && entry.protocol === protocol);

  it('are those ss shows, with its figures', async () => {
    const source = await SocketSource.open();
    expect(source).toMatchObject({ mode: 'netlink', missing: [] });
    const snapshot = await source.snapshot();
    expect(snapshot.namespaces).toContainEqual({ id, pid });
    expect(snapshot.namespaces[0]?.pid).toBe(0);
    const tcp = there(snapshot, 6);
    expect(tcp).toHaveLength(8);
    const expected = compareWithText(tcp, inside('ss', '-tinaeHO'), id);
    expect(tcp.map(withoutUserOfRoot)).toEqual(expected);
    expect(tcp.every(({ userId, inode }) => userId === 1234 && inode > 0)).toBe(true);
    const large = tcp.find(({ remotePort, localAddress }) => remotePort === 8002 && localAddress === '::1');
    expect(large?.tcp).toMatchObject({ octetsSent: 200_000, octetsReceived: 200_000 });
    expect(there(snapshot, 17)).toMatchObject([
      { localAddress: '127.0.0.1', localPort: 5300, remotePort: 5301, state: 'ESTABLISHED', userId: 1234 },
    ]);
    // Nothing is sent meanwhile.
    const again = there(await source.snapshot(), 6);
    expect(again).toEqual(tcp);
    expect(source.counters.tablesUnchanged).toBeGreaterThan(0);
    expect(source.counters).toMatchObject({ toolFailures: 0, entriesInvalid: 0, tablesStale: 0 });
  });

  it('are seen through /proc too', async () => {
    const source = await SocketSource.open({ mode: 'proc' });
    const snapshot = await source.snapshot();
    const netlink = await (await SocketSource.open()).snapshot();
    const plain = (entries: SocketEntry[]) =>
      entries.map((entry) => ({ ...entry, cookie: '', cgroupId: 0, tcp: undefined })).sort((a, b) => a.inode - b.inode);
    expect(plain(there(snapshot, 6))).toEqual(plain(there(netlink, 6)));
    expect(there(snapshot, 17)).toHaveLength(1);
  });

  it('are told when they close, with what they sent', async () => {
    const closed: SocketEntry[] = [];
    const source = CloseSource.open({ onClose: (entry) => closed.push(entry) });
    expect(source.missing).toEqual([]);
    source.follow([{ id, pid }]);
    await until(() => inside('cat', '/proc/net/netlink').includes(` 4   ${[...source.pids][0]} `));
    const ports: number[] = [];
    for (let i = 0; i < 20; i++) {
      child.stdin!.write('\n');
      ports.push(Number(await nextLine()));
    }
    const clients = () => closed.filter(({ remotePort }) => remotePort === 8001);
    await until(() => clients().length === 20);
    expect(clients().map(({ localPort }) => localPort)).toEqual(ports);
    // Of what came the kernel counts the peer's FIN as an octet.
    for (const entry of clients()) {
      expect(entry).toMatchObject({ namespace: id, tcp: { octetsSent: 7, octetsReceived: 8 } });
      expect(entry.tcp?.roundTripUs).toBeGreaterThan(0);
    }
    expect(source.counters.linesInvalid).toBe(0);
    source.close();
    await until(() => source.pids.size === 0);
  });

  it('of a namespace without another process are let go, though one was followed in it', async () => {
    const name = `${namespace}-short`;
    execFileSync('ip', ['netns', 'add', name]);
    const sleeper = spawn('ip', ['netns', 'exec', name, 'sleep', '60']);
    try {
      const closes = CloseSource.open({ onClose: () => {} });
      const source = await SocketSource.open({ ignoredPids: () => closes.pids });
      const before = (await source.snapshot()).namespaces.map((each) => each.id);
      let added: number[] = [];
      for (let i = 0; i < 100 && added.length === 0; i++) {
        await sleep(20);
        const { namespaces } = await source.snapshot();
        closes.follow(namespaces);
        added = namespaces.map((each) => each.id).filter((each) => !before.includes(each));
        if (execFileSync('ip', ['netns', 'pids', name], { encoding: 'utf8' }).trim().split('\n').length > 1) break;
      }
      expect(closes.pids.size).toBeGreaterThan(2);
      const closed = new Promise((resolve) => sleeper.on('close', resolve));
      sleeper.kill('SIGKILL');
      await closed;
      closes.follow((await source.snapshot()).namespaces);
      await until(() => execFileSync('ip', ['netns', 'pids', name], { encoding: 'utf8' }).trim() === '');
      closes.close();
    } finally {
      sleeper.kill('SIGKILL');
      execFileSync('ip', ['netns', 'del', name]);
    }
  });
});
