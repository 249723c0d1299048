import { mkdirSync, mkdtempSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { PackageNames } from '../../src/agent/package-names.ts';
import { ProcessTable } from '../../src/agent/process-table.ts';
import type { SocketEntry } from '../../src/agent/socket-entry.ts';
import { SocketOwners, type SocketOwnersOptions } from '../../src/agent/socket-owners.ts';
import { UserNames } from '../../src/agent/user-names.ts';
import { ProcTree } from '../support/proc-tree.ts';

let tree: ProcTree;
let cgroups: string;
let table: ProcessTable;
let owners: SocketOwners;
beforeEach(() => {
  tree = new ProcTree();
  cgroups = mkdtempSync(join(tmpdir(), 'flowrelay-cgroups-'));
  writeFileSync(join(cgroups, 'cgroup.controllers'), '');
  begin();
});
afterEach(() => {
  tree.close();
  rmSync(cgroups, { recursive: true });
});

function begin(options: SocketOwnersOptions = {}): void {
  const users = new UserNames({ getentPath: '' });
  const packages = new PackageNames({ dpkgQueryPath: '', rpmPath: '' });
  table = new ProcessTable({ procRoot: tree.root, users, packages });
  owners = new SocketOwners(table, { cgroupRoots: ['/nowhere', cgroups], ...options });
}

function socket(inode: number, cgroupId = 0): SocketEntry {
  return {
    namespace: 0,
    protocol: 6,
    localAddress: '127.0.0.1',
    localPort: 1,
    remoteAddress: '127.0.0.1',
    remotePort: 2,
    state: 'ESTABLISHED',
    userId: 0,
    inode,
    cookie: '',
    cgroupId,
    tcp: undefined,
  };
}

/** A round with sockets of these inodes: the pids that have them. */
async function round(...inodes: number[]): Promise<number[]> {
  return roundOf(inodes.map((inode) => socket(inode)));
}

async function roundOf(sockets: readonly SocketEntry[]): Promise<number[]> {
  table.startRound();
  await owners.resolve(sockets);
  return sockets.map((each) => owners.ownerOf(each));
}

/** Makes a cgroup with processes in it and gives its id. */
function cgroup(path: string, ...pids: number[]): number {
  mkdirSync(join(cgroups, path), { recursive: true });
  writeFileSync(join(cgroups, path, 'cgroup.procs'), pids.map((pid) => `${pid}\n`).join(''));
  return statSync(join(cgroups, path)).ino;
}

describe('the owner of a socket', () => {
  it('is the process that has it open', async () => {
    tree.put(70, { sockets: { 3: 1001, 4: 1002 } });
    tree.put(71, { sockets: { 900: 4_294_967_295 } });
    tree.open(71, 0, '/dev/null');
    tree.open(71, 1, 'pipe:[1003]');
    tree.open(71, 2, 'socket:[x]');
    tree.open(71, 5, '/tmp/socket:[1003]');
    mkdirSync(join(tree.root, 'self/fd'), { recursive: true });
    expect(await round(1001, 1002, 4_294_967_295, 1003, 0)).toEqual([70, 70, 71, 0, 0]);
    expect(owners.unresolved).toBe(1);
    expect(owners.ownerOf(socket(77))).toBe(0);
  });

  it('is not looked for again while it lives', async () => {
    tree.put(70, { sockets: { 3: 1001 } });
    await round(1001);
    const { filesLookedAt, scans } = owners;
    tree.open(70, 3, 'socket:[5]');
    expect(await round(1001)).toEqual([70]);
    expect([owners.filesLookedAt, owners.scans]).toEqual([filesLookedAt, scans]);
  });

  it('costs one look when it is new among many', async () => {
    const many = Object.fromEntries(Array.from({ length: 500 }, (_, i) => [i, 10_000 + i]));
    tree.put(70, { sockets: many });
    expect(new Set(await round(...Object.values(many)))).toEqual(new Set([70]));
    tree.open(70, 500, 'socket:[7]');
    tree.open(70, 20, 'socket:[8]');
    const now = Object.values(many).filter((inode) => inode !== 10_020);
    const before = owners.filesLookedAt;
    expect((await round(...now, 7, 8)).slice(-2)).toEqual([70, 70]);
    expect(owners.filesLookedAt - before).toBe(2);
    // Descriptors that went to another socket while theirs lives on: the second attempt sees them.
    tree.open(70, 30, 'socket:[9]');
    expect((await round(...now, 7, 8, 9)).at(-1)).toBe(0);
    expect((await round(...now, 7, 8, 9)).at(-1)).toBe(70);
  });

  it('is a child that still has it when the father is gone', async () => {
    tree.put(70, { sockets: { 3: 1001 } });
    expect(await round(1001)).toEqual([70]);
    tree.put(80, { sockets: { 3: 1001 } });
    tree.remove(70);
    expect(await round(1001)).toEqual([80]);
    // And not a stranger that got the pid.
    tree.remove(80);
    tree.put(80, { startTicks: 5000 });
    expect(await round(1001)).toEqual([0]);
  });

  it('is the lowest pid whose child has not got it too', async () => {
    tree.put(70, { fatherPid: 1, sockets: { 3: 1001 } });
    tree.put(75, { fatherPid: 70, sockets: { 3: 1001 } });
    tree.put(74, { fatherPid: 70, sockets: { 3: 1001, 9: 1002 } });
    tree.put(60, { fatherPid: 75, sockets: { 3: 1002 } });
    expect(await round(1001, 1002)).toEqual([74, 60]);
  });

  it('is whom the first process opened it for, once there is one', async () => {
    tree.put(1, { fatherPid: 0, sockets: { 30: 1001 } });
    expect(await round(1001)).toEqual([1]);
    tree.put(70, { fatherPid: 1, sockets: { 3: 1001 } });
    expect(await round(1001)).toEqual([70]);
  });

  it('is asked for ever more rarely when nobody has it', async () => {
    tree.put(70);
    const scansAfter: number[] = [];
    for (let i = 0; i < 200; i++) {
      await round(1001);
      scansAfter.push(owners.fullScans);
    }
    expect(scansAfter.slice(0, 10)).toEqual([1, 2, 2, 3, 3, 3, 3, 4, 4, 4]);
    expect(scansAfter.at(-1)).toBe(9);
  });

  it('is looked for in its cgroup first, then with the owners of the last round', async () => {
    const web = cgroup('system.slice/web.scope', 70, 0);
    for (let pid = 2; pid < 50; pid++) tree.put(pid, { sockets: { 1: 5000 + pid } });
    tree.put(70, { sockets: { 3: 1001 } });
    expect(await roundOf([socket(1001, web)])).toEqual([70]);
    expect([owners.fullScans, owners.filesLookedAt]).toEqual([0, 1]);
    tree.open(70, 4, 'socket:[1002]');
    // The root is where all are, an id that is none is none.
    expect(await roundOf([socket(1001, web), socket(1002, cgroup('.', 2, 3, 4)), socket(0, 12)])).toEqual([70, 70, 0]);
    expect([owners.fullScans, owners.filesLookedAt]).toEqual([0, 3]);
    expect(await roundOf([socket(1001, web), socket(5002, 987_654_321)])).toEqual([70, 2]);
    expect(owners.fullScans).toBe(1);
    tree.open(70, 5, 'socket:[1003]');
    const before = owners.filesLookedAt;
    expect(await roundOf([socket(5002), socket(1003, web)])).toEqual([2, 70]);
    expect([owners.fullScans, owners.filesLookedAt - before]).toEqual([1, 3]);
  });
});

describe('what is kept', () => {
  it('goes with the sockets, after a round in which they may have been missed', async () => {
    tree.put(70, { sockets: { 3: 1001 } });
    await round(1001);
    expect(await round()).toEqual([]);
    expect(owners.ownerOf(socket(1001))).toBe(70);
    await round();
    expect(owners.ownerOf(socket(1001))).toBe(0);
  });

  it('is bounded, and so is what is looked at in a round', async () => {
    const many = Object.fromEntries(Array.from({ length: 100 }, (_, i) => [i, 10_000 + i]));
    tree.put(70, { sockets: many });
    tree.put(71, { sockets: { 1: 1001 } });
    begin({ maxSockets: 60 });
    const found = await round(...Object.values(many));
    expect(found.filter((pid) => pid === 70)).toHaveLength(60);
    expect(owners.socketsDropped).toBe(40);
    begin({ maxFiles: 1 });
    await round(1001, 10_000);
    expect(owners.scansCutShort).toBe(1);
  });
});

it('lets others run meanwhile, and takes rounds one after the other', async () => {
  for (let pid = 2; pid < 40; pid++) tree.put(pid, { sockets: { 1: 5000 + pid } });
  begin({ sliceMs: 0 });
  let turns = 0;
  const count = (): void => {
    turns++;
    setImmediate(count).unref();
  };
  count();
  table.startRound();
  const first = owners.resolve([socket(5002)]);
  const second = owners.resolve([socket(5003)]);
  await first;
  expect(owners.scans).toBe(1);
  await second;
  expect(owners.scans).toBe(2);
  expect(turns).toBeGreaterThan(20);
  expect([owners.ownerOf(socket(5002)), owners.ownerOf(socket(5003))]).toEqual([2, 3]);
});

it('survives a /proc that is not there', async () => {
  tree.close();
  expect(await round(1001)).toEqual([0]);
  expect(owners.missing()).toHaveLength(1);
});

it('finds the sockets of this process', async () => {
  table = new ProcessTable();
  owners = new SocketOwners(table);
  const server = createServer().listen(0, '127.0.0.1');
  await new Promise((resolve) => server.once('listening', resolve));
  try {
    const path = '/proc/self/fd';
    const { readdirSync, readlinkSync } = await import('node:fs');
    const inodes = readdirSync(path).flatMap((name) => {
      try {
        return /^socket:\[(\d+)\]$/.exec(readlinkSync(join(path, name)))?.[1] ?? [];
      } catch {
        return [];
      }
    });
    expect(inodes.length).toBeGreaterThan(0);
    const pids = await round(...inodes.map(Number));
    expect(pids).toContain(process.pid);
    expect(pids).not.toContain(0);
  } finally {
    server.close();
  }
});
