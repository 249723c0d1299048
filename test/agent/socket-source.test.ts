import { chmodSync, mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { CloseSource } from '../../src/agent/close-source.ts';
import { InetDiagReader } from '../../src/agent/inet-diag.ts';
import type { SocketEntry } from '../../src/agent/socket-entry.ts';
import { SocketSource, type SocketSourceOptions } from '../../src/agent/socket-source.ts';
import { CLOSED_TEXT, DIAG_OCTETS, PROC_TCP, PROC_TCP6 } from './recorded-sockets.ts';

const directory = mkdtempSync(join(tmpdir(), 'flowrelay-sockets-'));
const procRoot = join(directory, 'proc');
const diagFile = join(directory, 'diag');
afterAll(() => rmSync(directory, { recursive: true, force: true, maxRetries: 5 }));

/** A program that stands for a tool. */
function script(name: string, body: string): string {
  const path = join(directory, name);
  writeFileSync(path, `#!/bin/sh\n${body}\n`);
  chmodSync(path, 0o755);
  return path;
}

/** The own namespace's directory in a proc of the test's own. */
function writeProc(file: string, text: string): void {
  writeFileSync(join(procRoot, 'self/net', file), text);
}

/** Counters of a namespace with these sockets and segments. */
function writeActivity(inSegments: number): void {
  writeProc('sockstat', 'TCP: inuse 9 orphan 0 tw 0 alloc 9 mem 0\nUDP: inuse 1 mem 0\n');
  writeProc('snmp', `Tcp: 1 200 120000 -1 3 4 0 0 2 ${inSegments} 55 0 0 2 0\n`);
}

beforeAll(() => {
  mkdirSync(join(procRoot, 'self/net'), { recursive: true });
  mkdirSync(join(procRoot, 'self/ns'), { recursive: true });
  symlinkSync('net:[100]', join(procRoot, 'self/ns/net'));
  writeProc('status', '');
  writeProc('tcp', PROC_TCP);
  writeProc('tcp6', PROC_TCP6);
  writeProc('udp', 'heading\n 1: 0100007F:14B4 00000000:0000 07 0:0 0:0 0  1234        0 1769204 2 0 0\n');
  writeFileSync(diagFile, DIAG_OCTETS);
});

function open(ss: string, options: SocketSourceOptions = {}): Promise<SocketSource> {
  return SocketSource.open({ procRoot, ss, nsenter: '/none', ...options });
}

function recorded(): SocketEntry[] {
  const reader = new InetDiagReader(100, 1000);
  reader.push(DIAG_OCTETS);
  return reader.sockets;
}

const tcpOf = (sockets: readonly SocketEntry[]) => sockets.filter(({ protocol }) => protocol === 6);

describe('a snapshot', () => {
  it('has TCP from ss and UDP from /proc', async () => {
    const source = await open(script('good', `[ "$*" = "-tnaie -D -" ] && cat ${diagFile}`));
    expect(source.mode).toBe('netlink');
    expect(source.missing).toEqual([expect.stringMatching(/^not root/)]);
    const { sockets, namespaces, timeMs } = await source.snapshot();
    expect(tcpOf(sockets)).toEqual(recorded());
    expect(sockets.filter(({ protocol }) => protocol === 17)).toMatchObject([{ localPort: 5300, namespace: 100 }]);
    expect(namespaces).toEqual([{ id: 100, pid: 0 }]);
    expect(Math.abs(Date.now() - timeMs)).toBeLessThan(60_000);
    expect(source.counters).toMatchObject({ snapshots: 1, toolsRun: 1, toolFailures: 0 });
  });

  it('is the same for those who ask at the same time', async () => {
    const source = await open(script('once', `cat ${diagFile}`));
    const [first, second] = await Promise.all([source.snapshot(), source.snapshot()]);
    expect(second).toBe(first);
    expect(source.counters.toolsRun).toBe(1);
  });

  it('is limited, and the rest is counted', async () => {
    const source = await open(script('limited', `cat ${diagFile}`), { maxSockets: 4 });
    const { sockets } = await source.snapshot();
    expect(sockets).toHaveLength(4);
    expect(source.counters.socketsBeyondLimit).toBe(recorded().length + 1 - 4);
  });

  it.each([
    ['is not installed', () => '', /^ss \(iproute2\) is not installed/],
    ['cannot be started', () => join(directory, 'none'), /ENOENT/],
    ['refuses -D', () => script('old', 'echo "ss: invalid option -- \'D\'\nUsage" >&2; exit 255'), /invalid option/],
    ['prints text', () => script('text', 'echo "State Recv-Q Send-Q Local Address:Port"'), /gives nothing to read/],
    ['prints nothing', () => script('silent', 'exit 0'), /gives nothing to read/],
    ['prints garbage without end', () => script('garbage', 'cat /dev/zero'), /does not end/],
    ['hangs', () => script('hangs', 'sleep 60'), /does not end/],
  ])('comes from /proc where ss %s', async (_, ss, line) => {
    const source = await open(ss(), { timeLimitMs: 200, ...(ss() === '' ? { ss: '' } : {}) });
    expect(source.mode).toBe('proc');
    expect(source.missing).toEqual([expect.stringMatching(line)]);
    expect(source.missing[0]).not.toContain('\n');
    const { sockets } = await source.snapshot();
    const plain = recorded().map(({ inode, localPort, state }) => ({ inode, localPort, state, cookie: '' }));
    expect(tcpOf(sockets)).toMatchObject(plain.sort((a, b) => orderOf(sockets, a.inode) - orderOf(sockets, b.inode)));
    expect(source.counters.toolsRun).toBe(0);
  });

  const orderOf = (sockets: readonly SocketEntry[], inode: number) =>
    sockets.findIndex((socket) => socket.inode === inode);

  it('repeats the last one where ss fails once, and asks again', async () => {
    const bad = join(directory, 'bad');
    const source = await open(script('fails', `[ -e ${bad} ] && exec sh ${bad}; cat ${diagFile}`), {
      timeLimitMs: 300,
    });
    const first = await source.snapshot();
    for (const [body, failures, timeouts] of [
      ['exit 1', 1, 0],
      ['kill -9 $$', 2, 0],
      [`head -c 1000 ${diagFile}`, 3, 0],
      [`cat ${diagFile}; sleep 60`, 4, 1],
    ] as const) {
      writeFileSync(bad, body);
      expect((await source.snapshot()).sockets).toEqual(first.sockets);
      expect(source.counters).toMatchObject({ toolFailures: failures, toolTimeouts: timeouts, tablesStale: failures });
    }
    rmSync(bad);
    expect((await source.snapshot()).sockets).toEqual(first.sockets);
    expect(source.counters).toMatchObject({ toolsRun: 6, toolFailures: 4, tablesStale: 4 });
  });

  it('does not ask where the counters say that nothing happened', async () => {
    // Without the connection that is half closed: its state may change by time alone.
    const lasting = join(directory, 'lasting');
    const octets = Buffer.from(DIAG_OCTETS);
    for (let at = 0; at < octets.length; at += (octets.readUInt32LE(at) + 3) & ~3)
      if (octets.readUInt16LE(at + 4) === 20 && octets[at + 17] === 5) octets[at + 17] = 1;
    writeFileSync(lasting, octets);
    const source = await open(script('lasting-ss', `cat ${lasting}`));
    writeActivity(1);
    const first = await source.snapshot();
    const second = await source.snapshot();
    expect(source.counters).toMatchObject({ toolsRun: 1, tablesUnchanged: 1 });
    expect(second.sockets[0]).toBe(first.sockets[0]);
    expect(second.sockets).toEqual(first.sockets);
    writeActivity(2);
    await source.snapshot();
    expect(source.counters).toMatchObject({ toolsRun: 2, tablesUnchanged: 1 });
    writeFileSync(lasting, DIAG_OCTETS);
    writeActivity(3);
    await source.snapshot();
    await source.snapshot();
    expect(source.counters).toMatchObject({ toolsRun: 4, tablesUnchanged: 1 });
    writeProc('sockstat', 'TCP: inuse 0 orphan 0 tw 0 alloc 0 mem 0\nUDP: inuse 0 mem 0\n');
    expect((await source.snapshot()).sockets).toEqual([]);
    expect(source.counters.toolsRun).toBe(4);
    rmSync(join(procRoot, 'self/net/sockstat'));
  });

  it('can be ended while a tool hangs', async () => {
    const hang = join(directory, 'hang');
    const source = await open(script('closing', `[ -e ${hang} ] && exec sleep 60; cat ${diagFile}`));
    writeFileSync(hang, '');
    const snapshot = source.snapshot();
    await sleep(50);
    source.close();
    expect(tcpOf((await snapshot).sockets)).toHaveLength(recorded().length);
    expect(source.counters.toolFailures).toBe(1);
  });
});

describe('closes', () => {
  /** A CloseSource over a script in place of ss, and what it told. */
  function follow(name: string, body: string, options: { maxNamespaces?: number; restartMs?: number } = {}) {
    const entries: SocketEntry[] = [];
    const ss = script(name, body);
    const source = CloseSource.open({
      onClose: (entry) => entries.push(entry),
      procRoot,
      ss,
      restartMs: 5,
      ...options,
    });
    source.follow([{ id: 100, pid: 0 }]);
    return { source, entries };
  }
  const until = async (isSo: () => boolean) => {
    for (let i = 0; i < 3000 && !isSo(); i++) await sleep(10);
    expect(isSo()).toBe(true);
  };
  const closedFile = join(directory, 'closed');
  beforeAll(() => writeFileSync(closedFile, `${CLOSED_TEXT}\n`));

  it('are told with their figures', async () => {
    const { source, entries } = follow('closes', `[ "$*" = "-E -tinHOe" ] && cat ${closedFile}; exec sleep 60`);
    await until(() => entries.length === 8);
    expect(entries[0]).toMatchObject({ namespace: 100, cookie: '0000000000000042', tcp: { octetsSent: 5 } });
    expect(source.counters).toMatchObject({ closes: 8, linesInvalid: 0, childrenStarted: 1 });
    expect(source.pids.size).toBe(1);
    source.follow([]);
    await until(() => source.pids.size === 0);
    expect(source.counters.childrenEnded).toBe(0);
  });

  it('go on after a child that died, with longer and longer waits, until it is given up', async () => {
    const { source, entries } = follow('dies', 'exit 1');
    await until(() => source.counters.namespacesGivenUp === 1);
    expect(source.counters).toMatchObject({ childrenStarted: 7, childrenEnded: 7, closes: 0 });
    expect(entries).toEqual([]);
    source.close();
    const restarted = follow('comes-back', `cat ${closedFile}`);
    await until(() => restarted.entries.length >= 24);
    expect(restarted.source.counters.namespacesGivenUp).toBe(0);
    restarted.source.close();
  });

  it('are not made of garbage, nor of lines without end', async () => {
    const { source, entries } = follow(
      'nonsense',
      `head -c 20000 /dev/zero; echo; echo nonsense; cat ${closedFile}; head -c 5000000 /dev/zero; exec sleep 60`,
    );
    await until(() => source.counters.closes === 8);
    await until(() => source.counters.linesInvalid === 3);
    expect(entries).toHaveLength(8);
    source.close();
  });

  it('that the kernel dropped are counted', async () => {
    const { source } = follow('slow', 'exec sleep 60');
    const [pid] = source.pids;
    mkdirSync(join(procRoot, `${pid}/net`), { recursive: true });
    // As Linux 6.18 prints it.
    const write = (drops: number) =>
      writeFileSync(
        join(procRoot, `${pid}/net/netlink`),
        `sk               Eth Pid        Groups   Rmem     Wmem     Dump  Locks    Drops    Inode
000000002bc276d6 0   ${pid}          00000000 0        0        0     2        90        1835899 
0000000074e5aef6 4   ${pid}       00000005 0        0        0     2        ${drops}        1889559 
00000000a1fb71e7 4   0          00000000 0        0        0     2        80        1835905 
`,
      );
    for (const [drops, lost] of [
      [0, 0],
      [7, 7],
      [7, 7],
      [9, 9],
    ] as const) {
      write(drops);
      source.follow([{ id: 100, pid: 0 }]);
      expect(source.counters.closesLost).toBe(lost);
    }
    source.close();
  });

  it('are followed in a bounded number of namespaces, and only where one may enter', () => {
    const { source } = follow('bounded', 'exec sleep 60', { maxNamespaces: 1 });
    expect(source.missing).toEqual([expect.stringMatching(/^not root/)]);
    source.follow([
      { id: 100, pid: 0 },
      { id: 101, pid: 5 },
    ]);
    expect(source.counters).toMatchObject({ childrenStarted: 1, namespacesBeyondLimit: 0 });
    source.follow([
      { id: 100, pid: 0 },
      { id: 102, pid: 0 },
    ]);
    expect(source.counters).toMatchObject({ childrenStarted: 1, namespacesBeyondLimit: 1 });
    source.close();
  });

  it('are not told where a tool is missing, which is said', () => {
    const source = CloseSource.open({ onClose: () => {}, procRoot, ss: '', stdbuf: '', setpriv: '' });
    expect(source.missing).toEqual([
      expect.stringMatching(/^ss /),
      expect.stringMatching(/^stdbuf /),
      expect.stringMatching(/^not root/),
    ]);
    source.follow([{ id: 100, pid: 0 }]);
    expect(source.counters.childrenStarted).toBe(0);
  });
});
