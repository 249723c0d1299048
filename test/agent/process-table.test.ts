import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { KernelEvent } from '../../src/agent/kernel-event.ts';
import { PackageNames } from '../../src/agent/package-names.ts';
import { ProcessTable, type ProcessTableOptions } from '../../src/agent/process-table.ts';
import { UserNames } from '../../src/agent/user-names.ts';
import { ProcTree } from '../support/proc-tree.ts';
import { Random } from '../support/random.ts';

let tree: ProcTree;
let directory: string;
beforeEach(() => {
  tree = new ProcTree();
  directory = mkdtempSync(join(tmpdir(), 'flowrelay-table-'));
  writeFileSync(join(directory, 'passwd'), 'root:x:0:0::/:\nweb:x:1000:100::/:\n');
  writeFileSync(join(directory, 'group'), 'users:x:100:\n');
});
afterEach(() => {
  tree.close();
  rmSync(directory, { recursive: true });
});

function tableOf(options: ProcessTableOptions = {}): ProcessTable {
  const [passwdPath, groupPath] = [join(directory, 'passwd'), join(directory, 'group')];
  const users = new UserNames({ passwdPath, groupPath, getentPath: '' });
  const packages = new PackageNames({ dpkgQueryPath: '', rpmPath: '' });
  return new ProcessTable({ procRoot: tree.root, users, packages, ...options });
}

function eventOf(kind: KernelEvent['kind'], pid: number, more: Partial<KernelEvent> = {}): KernelEvent {
  return {
    kind,
    timeMs: 1000,
    pid,
    fatherPid: 1,
    userId: 1000,
    groupId: 100,
    cgroupId: 0,
    namespace: 0,
    protocol: 0,
    localAddress: '',
    localPort: 0,
    remoteAddress: '',
    remotePort: 0,
    cookie: '',
    octetsSent: 0,
    octetsReceived: 0,
    name: 'event',
    path: '',
    ...more,
  };
}

describe('a process', () => {
  it('is what its files say', () => {
    tree.put(1, { name: 'init', userId: 0, startTicks: 1, fatherPid: 0 });
    tree.put(70, {
      name: 'nginx',
      fatherPid: 1,
      startTicks: 500,
      path: '/usr/sbin/nginx',
      commandLine: 'nginx: worker process\0\0',
      cgroup: '0::/system.slice/nginx.service\n',
      virtualOctets: 8_192_512,
      virtualPeakKib: 9000,
      residentKib: 4,
    });
    const table = tableOf();
    const info = table.process(70)!;
    expect(info).toEqual({
      pid: 70,
      startTicks: 500,
      fatherPid: 1,
      name: 'nginx',
      path: '/usr/sbin/nginx',
      commandLine: 'nginx: worker process',
      userId: 1000,
      userName: 'web',
      groupId: 100,
      groupName: 'users',
      virtualKib: 8000,
      virtualPeakKib: 9000,
      packageName: '',
      cgroup: '0::/system.slice/nginx.service\n',
    });
    expect(table.father(info)).toMatchObject({ pid: 1, name: 'init', userName: 'root' });
    expect(table.father(table.process(1)!)).toBeUndefined();
    expect(table.process(2)).toBeUndefined();
    for (const pid of [0, -1, 1.5, Number.NaN, 2 ** 60]) expect(table.process(pid)).toBeUndefined();
  });

  it('has no command line where those are not asked for', () => {
    tree.put(70, { commandLine: 'mysql\0-psecret\0' });
    expect(tableOf().process(70)?.commandLine).toBe('mysql -psecret');
    expect(tableOf({ readsCommandLines: false }).process(70)?.commandLine).toBe('');
  });

  it('may call itself anything', () => {
    const names = ['a) S 1 (', '"\\', 'two\nlines', ') R 1 1 1 1 1 1 1 1', '\u2028\u0001', '€'.repeat(5)];
    for (const [index, name] of names.entries()) tree.put(100 + index, { name, commandLine: `${name}\0${name}\0` });
    const table = tableOf();
    for (const [index, name] of names.entries()) {
      expect(table.process(100 + index)).toMatchObject({
        name,
        path: name,
        commandLine: `${name} ${name}`,
        userName: 'web',
      });
    }
  });

  it('is looked at once a round, and is the same object while it is the same', () => {
    tree.put(70, { virtualOctets: 1024 * 1024 });
    const table = tableOf();
    const info = table.process(70)!;
    tree.put(70, { virtualOctets: 3 * 1024 * 1024 });
    expect(table.process(70)).toBe(info);
    expect(info.virtualKib).toBe(1024);
    table.startRound();
    expect(table.process(70)).toBe(info);
    expect([info.virtualKib, info.virtualPeakKib]).toEqual([3072, 3072]);
  });

  it('that runs another program is another object, and the former one stays what it was', () => {
    tree.put(70, { name: 'sh', path: '/bin/sh' });
    const table = tableOf();
    const shell = table.process(70)!;
    tree.put(70, { name: 'curl', path: '/usr/bin/curl', userId: 0 });
    table.startRound();
    expect(table.process(70)).toMatchObject({
      name: 'curl',
      path: '/usr/bin/curl',
      userName: 'root',
      startTicks: 1000,
    });
    expect(shell).toMatchObject({ name: 'sh', path: '/bin/sh', userName: 'web' });
  });

  it('that changes nothing but its user is found out some rounds later', () => {
    tree.put(70, { userId: 0 });
    const table = tableOf({ roundsBetweenReads: 3 });
    expect(table.process(70)?.userId).toBe(0);
    tree.put(70, { userId: 1000 });
    const seen = Array.from({ length: 4 }, () => {
      table.startRound();
      return table.process(70)?.userId;
    });
    expect(seen).toEqual([0, 0, 1000, 1000]);
  });

  it('is never taken for another one that has its pid', () => {
    tree.put(70, { name: 'same', startTicks: 500 });
    const table = tableOf();
    const first = table.process(70)!;
    tree.put(70, { name: 'same', startTicks: 501, userId: 0 });
    table.startRound();
    expect(table.isAlive(70, 500)).toBe(false);
    expect(table.isAlive(70, 501)).toBe(true);
    expect(table.process(70)).toMatchObject({ startTicks: 501, userName: 'root' });
    expect(first).toMatchObject({ startTicks: 500, userName: 'web' });
    expect(table.pidsReused).toBe(1);
  });

  it('that is gone stays known for a while', () => {
    tree.put(70);
    const table = tableOf({ roundsKept: 2 });
    const info = table.process(70);
    tree.remove(70);
    table.startRound();
    expect(table.process(70)).toBe(info);
    expect(table.isAlive(70, 1000)).toBe(false);
    for (let round = 0; round < 3; round++) table.startRound();
    expect(table.process(70)).toBeUndefined();
  });

  it('is forgotten when nobody asks for it, and the eldest when there are too many', () => {
    const table = tableOf({ roundsKept: 2, maxProcesses: 50 });
    for (let pid = 1; pid <= 60; pid++) {
      tree.put(pid);
      table.process(pid);
    }
    expect([table.size, table.evicted]).toEqual([50, 10]);
    for (let round = 0; round < 4; round++) table.startRound();
    expect(table.size).toBe(0);
    for (let pid = 1000; pid < 1100; pid++) expect(table.process(pid)).toBeUndefined();
    expect(table.size).toBe(50);
  });

  it('whose files are cut short or hold nonsense is left out or is as far as it can be read', () => {
    const random = new Random(0x7ab1e);
    tree.put(70, { path: '/bin/x' });
    const table = tableOf();
    for (let i = 0; i < 400; i++) {
      tree.put(70, { startTicks: i });
      const file = random.pick(['stat', 'status', 'cmdline', 'cgroup']);
      writeFileSync(join(tree.root, '70', file), random.octets(random.below(400)));
      table.startRound();
      const info = table.process(70);
      if (file === 'cmdline' || file === 'cgroup') expect(info).toMatchObject({ startTicks: i, userName: 'web' });
    }
    expect(table.files.malformed).toBeGreaterThan(50);
    tree.put(70, { startTicks: 9999 });
    table.startRound();
    expect(table.process(70)).toMatchObject({ startTicks: 9999, name: 'fake' });
  });
});

describe('a father', () => {
  it('that is gone is not the younger process that has its pid', () => {
    tree.put(60, { startTicks: 100, name: 'father' });
    tree.put(70, { startTicks: 200, fatherPid: 60 });
    const table = tableOf();
    const info = table.process(70)!;
    expect(table.father(info)?.name).toBe('father');
    tree.put(60, { startTicks: 300, name: 'stranger' });
    table.startRound();
    expect(table.father(info)).toBeUndefined();
    expect(table.father({ ...info, fatherPid: 0 })).toBeUndefined();
  });

  it('is the one that took the process in when its own is gone', () => {
    tree.put(1, { name: 'init', startTicks: 0 });
    tree.put(60, { name: 'father' });
    tree.put(70, { fatherPid: 60 });
    const table = tableOf();
    table.process(70);
    tree.remove(60);
    tree.put(70, { fatherPid: 1 });
    table.startRound();
    expect(table.father(table.process(70)!)?.name).toBe('init');
  });
});

describe('kernel events', () => {
  it('tell of processes that were gone before they could be read', () => {
    const table = tableOf();
    table.observe(eventOf('EXEC', 70, { name: 'curl', path: '/usr/bin/curl', fatherPid: 60 }));
    table.observe(eventOf('CONNECT', 70, { name: 'curl', fatherPid: 60 }));
    table.observe(eventOf('EXIT', 70, { name: 'curl' }));
    expect(table.process(70)).toMatchObject({
      pid: 70,
      startTicks: 0,
      fatherPid: 60,
      name: 'curl',
      path: '/usr/bin/curl',
      userName: 'web',
      groupName: 'users',
    });
    expect(table.isAlive(70, 0)).toBe(false);
    table.observe(eventOf('SEND', 71, { name: 'dig', userId: 0 }));
    expect(table.process(71)).toMatchObject({ path: 'dig', userName: 'root' });
    // Of EXEC alone too: the owner of a socket that a look at the tables finds.
    table.observe(eventOf('EXEC', 72, { name: 'wget', path: '/usr/bin/wget' }));
    expect(table.process(72)).toMatchObject({ path: '/usr/bin/wget' });
    expect(table.knownByEvents).toBe(3);
  });

  it('have a process read while it is there', () => {
    tree.put(70, { path: '/usr/bin/curl', commandLine: 'curl\0x\0' });
    const table = tableOf();
    table.observe(eventOf('CONNECT', 70, { name: 'fake' }));
    tree.remove(70);
    table.observe(eventOf('EXIT', 70));
    table.observe(eventOf('CLOSE', 70, { name: 'fake', timeMs: 1001 }));
    table.startRound();
    expect(table.process(70)).toMatchObject({ path: '/usr/bin/curl', commandLine: 'curl x', startTicks: 1000 });
  });

  it('of another program have it read anew at once, or believed', () => {
    tree.put(70, { name: 'sh', path: '/bin/sh' });
    tree.put(71, { name: 'sh', path: '/bin/sh' });
    const table = tableOf();
    table.process(70);
    table.process(71);
    tree.put(70, { name: 'sh', path: '/opt/sh' });
    tree.remove(71);
    for (const pid of [70, 71]) table.observe(eventOf('EXEC', pid, { name: 'sh', path: '/opt/sh' }));
    expect(table.process(70)).toMatchObject({ path: '/opt/sh', startTicks: 1000 });
    expect(table.process(71)).toMatchObject({ path: '/opt/sh', startTicks: 1000 });
  });

  it('of a new process with the pid of one that has ended give the new one', () => {
    tree.put(70, { startTicks: 500, name: 'former' });
    const table = tableOf();
    table.observe(eventOf('CONNECT', 70));
    table.observe(eventOf('EXIT', 70, { timeMs: 2000 }));
    tree.put(70, { startTicks: 600, name: 'latter' });
    table.observe(eventOf('CONNECT', 70, { timeMs: 2001 }));
    expect(table.process(70)).toMatchObject({ startTicks: 600, name: 'latter' });
    // And when the new one is gone as well, of the same name or not.
    table.observe(eventOf('EXIT', 70, { timeMs: 3000 }));
    tree.remove(70);
    table.observe(eventOf('CONNECT', 70, { timeMs: 3001, name: 'latter', path: '/third' }));
    expect(table.process(70)).toMatchObject({ startTicks: 0, path: '/third' });
  });

  it('of a process that was not there before are asked about again', () => {
    const table = tableOf();
    expect(table.process(70)).toBeUndefined();
    tree.put(70, { startTicks: 5 });
    expect(table.process(70)).toBeUndefined();
    table.observe(eventOf('CONNECT', 70));
    expect(table.process(70)).toMatchObject({ startTicks: 5 });
  });

  it('are bounded, and cut to what is sensible', () => {
    const table = tableOf({ maxProcesses: 40 });
    for (let pid = 1; pid <= 1000; pid++) table.observe(eventOf('EXEC', pid, { path: `/${pid}` }));
    expect(table.size).toBe(0);
    expect(table.process(990)).toBeUndefined();
    expect(table.process(991)).toMatchObject({ path: '/991' });
    for (let pid = 1; pid <= 1000; pid++) table.observe(eventOf('SEND', pid, { name: 'n'.repeat(100_000) }));
    expect(table.size).toBe(40);
    expect(table.process(1000)?.name).toHaveLength(4096);
    table.observe(eventOf('CONNECT', 0));
    table.observe(eventOf('EXIT', -5));
    expect(table.size).toBe(40);
  });
});

it('reads real processes', () => {
  const table = new ProcessTable();
  const info = table.process(process.pid)!;
  expect(info).toMatchObject({
    pid: process.pid,
    fatherPid: process.ppid,
    path: process.execPath,
    userId: process.geteuid!(),
  });
  expect(table.father(info)?.pid).toBe(process.ppid);
  expect(table.isAlive(process.pid, info.startTicks)).toBe(true);
});
