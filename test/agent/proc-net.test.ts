import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { InetDiagReader } from '../../src/agent/inet-diag.ts';
import { listNetworkNamespaces } from '../../src/agent/network-namespaces.ts';
import { readNamespaceActivity, readProcNet } from '../../src/agent/proc-net.ts';
import type { SocketEntry } from '../../src/agent/socket-entry.ts';
import { Random } from '../support/random.ts';
import { DIAG_OCTETS, PROC_TCP, PROC_TCP6 } from './recorded-sockets.ts';

const directory = mkdtempSync(join(tmpdir(), 'flowrelay-proc-'));
afterAll(() => rmSync(directory, { recursive: true, force: true }));

/** `cat /proc/net/udp` and udp6 (Linux 6.18) of a process of user 1234 with a socket on 127.0.0.1:5300, one on [::]:5301, one connected. */
const UDP = `   sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode ref pointer drops            
 7489: 0100007F:D014 0100007F:14B4 01 00000000:00000000 00:00000000 00000000  1234        0 1769206 2 000000003fc4aea6 0       
 8673: 0100007F:14B4 00000000:0000 07 00000000:00000000 00:00000000 00000000  1234        0 1769204 2 00000000cd87844a 0       
`;
const UDP6 = `  sl  local_address                         remote_address                        st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode ref pointer drops
 8674: 00000000000000000000000000000000:14B5 00000000000000000000000000000000:0000 07 00000000:00000000 00:00000000 00000000  1234        0 1769205 2 00000000c57adb0e 0
`;

async function read(file: 'tcp' | 'tcp6' | 'udp' | 'udp6', text: string, maxSockets = 1000) {
  writeFileSync(join(directory, file), text);
  const sockets: SocketEntry[] = [];
  return { ...(await readProcNet(directory, file, 5, sockets, maxSockets)), sockets };
}

describe('/proc/PID/net', () => {
  it('shows the TCP sockets the kernel answers with', async () => {
    const reader = new InetDiagReader(5, 1000);
    reader.push(DIAG_OCTETS);
    const plain = reader.sockets.map((entry) => ({ ...entry, cookie: '', cgroupId: 0, tcp: undefined }));
    const sockets = [...(await read('tcp', PROC_TCP)).sockets, ...(await read('tcp6', PROC_TCP6)).sockets];
    const byInode = (a: SocketEntry, b: SocketEntry) => a.inode - b.inode;
    expect(sockets.sort(byInode)).toEqual(plain.sort(byInode));
  });

  it('shows UDP sockets', async () => {
    const base = { namespace: 5, protocol: 17, userId: 1234, cookie: '', cgroupId: 0, tcp: undefined };
    const local = { ...base, localAddress: '127.0.0.1' };
    const { sockets, ...result } = await read('udp', UDP);
    expect(result).toEqual({ isWhole: true, rowsInvalid: 0, socketsBeyondLimit: 0 });
    expect(sockets).toEqual([
      {
        ...local,
        localPort: 53268,
        remoteAddress: '127.0.0.1',
        remotePort: 5300,
        state: 'ESTABLISHED',
        inode: 1769206,
      },
      { ...local, localPort: 5300, remoteAddress: '0.0.0.0', remotePort: 0, state: 'CLOSE', inode: 1769204 },
    ]);
    expect((await read('udp6', UDP6)).sockets).toEqual([
      {
        ...base,
        localAddress: '::',
        localPort: 5301,
        remoteAddress: '::',
        remotePort: 0,
        state: 'CLOSE',
        inode: 1769205,
      },
    ]);
  });

  it('knows no user of sockets that no process has', async () => {
    const row = PROC_TCP.split('\n')[1]!;
    const timeWait = `\n${row.replace(/1743781/, '0').replace(' 0A ', ' 06 ')}\n`;
    const { sockets } = await read('tcp', timeWait);
    expect(sockets).toMatchObject([{ state: 'TIME-WAIT', userId: -1, inode: 0 }]);
  });

  it('counts rows that are none, too long or too many, and reads on', async () => {
    const [heading, row, other] = UDP.split('\n') as [string, string, string];
    const mixed = row.replace('0100007F', '0'.repeat(32));
    const damaged = [
      row.replace('14B4', '14B'),
      row.replace('0100007F', '01'),
      row.slice(0, 60),
      '',
      ' '.repeat(2000),
      mixed,
    ];
    const result = await read('udp', [heading, ...damaged, other].join('\n'));
    expect(result).toMatchObject({ isWhole: true, rowsInvalid: 6 });
    expect(result.sockets).toHaveLength(1);
    expect(await read('udp', [heading, row, row, row, ''].join('\n'), 2)).toMatchObject({ socketsBeyondLimit: 1 });
    expect(await read('udp', `${heading}\n${'x'.repeat(200_000)}`)).toMatchObject({ isWhole: false, rowsInvalid: 1 });
  });

  it('may be missing, empty or damaged in any way', async () => {
    const missing: SocketEntry[] = [];
    const result = await readProcNet(join(directory, 'none'), 'tcp', 5, missing, 9);
    expect(result).toEqual({ isWhole: false, rowsInvalid: 0, socketsBeyondLimit: 0 });
    expect(await read('tcp', '')).toMatchObject({ isWhole: true, sockets: [] });
    const seed = Date.now() >>> 0;
    const random = new Random(seed);
    for (let i = 0; i < 300; i++) {
      const letters = [...PROC_TCP6];
      for (let changes = random.below(20); changes > 0; changes--)
        letters[random.below(letters.length)] = random.pick([' ', ':', 'F', '0', '\n', 'g', '\u0000']);
      const { sockets } = await read('tcp6', letters.join('').slice(0, random.below(letters.length)));
      for (const { localPort, remotePort, inode, localAddress } of sockets)
        if (!(localPort <= 65_535 && remotePort <= 65_535 && inode >= 0 && localAddress !== ''))
          throw new Error(`seed ${seed}`);
    }
  });
});

describe('the activity of a namespace', () => {
  const counters = (inSegments: number) =>
    `Tcp: RtoAlgorithm RtoMin\nTcp: 1 200 120000 -1 3 4 0 0 2 ${inSegments} 55 0 0 2 0\n`;
  const write = (tcp: string, tcp6: string, snmp: string, udp = '0', udp6 = '0') => {
    writeFileSync(
      join(directory, 'sockstat'),
      `sockets: used 5\nTCP: inuse ${tcp} alloc 22 mem 3\nUDP: inuse ${udp} mem 1\n`,
    );
    writeFileSync(join(directory, 'sockstat6'), `TCP6: inuse ${tcp6}\nUDP6: inuse ${udp6}\n`);
    writeFileSync(join(directory, 'snmp'), snmp);
    return readNamespaceActivity(directory);
  };

  it('changes with sockets and segments', () => {
    const mark = write('1 orphan 0 tw 0', '0', counters(7))?.tcpMark;
    expect(write('1 orphan 0 tw 0', '0', counters(7))).toEqual({
      hasTcp: true,
      hasUdp: false,
      tcpMark: mark,
    });
    expect(write('1 orphan 0 tw 0', '0', counters(7), '1')?.hasUdp).toBe(true);
    expect(write('1 orphan 0 tw 0', '0', counters(7), '0', '2')?.hasUdp).toBe(true);
    for (const other of [
      write('2 orphan 0 tw 0', '0', counters(7)),
      write('1 orphan 0 tw 1', '0', counters(7)),
      write('1 orphan 0 tw 0', '1', counters(7)),
      write('1 orphan 0 tw 0', '0', counters(8)),
    ]) {
      expect(other?.hasTcp).toBe(true);
      expect(other?.tcpMark).not.toBe(mark);
    }
    expect(write('0 orphan 0 tw 0', '0', counters(7))?.hasTcp).toBe(false);
    expect(write('0 orphan 0 tw 2', '0', counters(7))?.hasTcp).toBe(true);
    expect(write('0 orphan 0 tw 0', '3', counters(7))?.hasTcp).toBe(true);
  });

  it('is not known where the files say something else', () => {
    expect(write('x orphan 0 tw 0', '0', counters(7))).toBeUndefined();
    expect(write('1 orphan 0 tw 0', '0', 'Udp: 1 2 3\n')).toBeUndefined();
    expect(readNamespaceActivity(join(directory, 'none'))).toBeUndefined();
  });
});

describe('network namespaces', () => {
  const procRoot = join(directory, 'proc');
  const addProcess = (pid: number | 'self', link: string | undefined) => {
    mkdirSync(join(procRoot, `${pid}`, 'ns'), { recursive: true });
    if (link !== undefined) symlinkSync(link, join(procRoot, `${pid}`, 'ns/net'));
  };
  const list = (options: { maxNamespaces?: number; ignored?: number[]; last?: [number, number][] } = {}) =>
    listNetworkNamespaces({
      procRoot,
      maxNamespaces: options.maxNamespaces ?? 100,
      ignoredPids: new Set(options.ignored),
      lastPids: new Map(options.last),
    });

  it('are each listed once, the own one first, the lowest pid of the others', () => {
    addProcess('self', 'net:[100]');
    addProcess(1, 'net:[100]');
    addProcess(30, 'net:[101]');
    addProcess(4, 'net:[101]');
    addProcess(200, 'net:[102]');
    addProcess(201, 'something else');
    addProcess(202, undefined);
    mkdirSync(join(procRoot, 'net'));
    expect(list()).toEqual({
      namespaces: [
        { id: 100, pid: 0 },
        { id: 101, pid: 4 },
        { id: 102, pid: 200 },
      ],
      beyondLimit: 0,
    });
    expect(list({ ignored: [4, 200] }).namespaces).toEqual([
      { id: 100, pid: 0 },
      { id: 101, pid: 30 },
    ]);
    expect(list({ maxNamespaces: 1 })).toMatchObject({ namespaces: [{ id: 100 }, { id: 101 }], beyondLimit: 1 });
  });

  it('keep their process while it is there, and have the oldest of those that are', () => {
    // As Linux prints it, but for the time (field 22).
    const began = (pid: number, ticks: number) =>
      writeFileSync(
        join(procRoot, `${pid}`, 'stat'),
        `${pid} (a) b) S 1 1 1 0 -1 4194560 86 0 0 0 0 0 0 0 20 0 1 0 ${ticks} 2322432 195 18446744073709551615 1 1 0 0 0 0 0 0 0 0 0 0 17 1 0 0 0 0 0 0 0 0 0 0 0 0 0\n`,
      );
    const pidOf = (options: Parameters<typeof list>[0]) => list(options).namespaces.find(({ id }) => id === 103)?.pid;
    for (const pid of [500, 501, 502]) addProcess(pid, 'net:[103]');
    expect(pidOf({})).toBe(500);
    expect(pidOf({ last: [[103, 502]] })).toBe(502);
    // Numbers have begun anew: the highest is the oldest.
    began(500, 9000);
    began(501, 9001);
    began(502, 7000);
    expect(pidOf({})).toBe(502);
    expect(pidOf({ last: [[103, 501]] })).toBe(501);
    expect(pidOf({ last: [[103, 600]] })).toBe(502);
    expect(pidOf({ last: [[103, 501]], ignored: [501] })).toBe(502);
    for (const pid of [500, 501, 502]) rmSync(join(procRoot, `${pid}`), { recursive: true });
  });

  it('are told apart by their tables where links are not readable', () => {
    const inode = (pid: number, of?: number) => {
      mkdirSync(join(procRoot, `${pid}`, 'net'), { recursive: true });
      if (of === undefined) writeFileSync(join(procRoot, `${pid}`, 'net/tcp'), '');
      else symlinkSync(join(procRoot, `${of}`, 'net/tcp'), join(procRoot, `${pid}`, 'net/tcp'));
    };
    // 4 is readable and in 101; 300 is in the same, 301 and 302 in one that no readable process is in.
    inode(4);
    for (const pid of [300, 301, 302]) addProcess(pid, undefined);
    inode(300, 4);
    inode(301);
    inode(302, 301);
    const { namespaces } = list();
    expect(namespaces.map(({ pid }) => pid)).toEqual([0, 4, 200, 301]);
    expect(new Set(namespaces.map(({ id }) => id)).size).toBe(4);
  });

  it('are the own one where nothing is readable', () => {
    const nothing = { procRoot: join(directory, 'none'), maxNamespaces: 9, ignoredPids: new Set<number>() };
    expect(listNetworkNamespaces(nothing)).toEqual({ namespaces: [{ id: 0, pid: 0 }], beyondLimit: 0 });
  });
});
