import { chmodSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, describe, expect, it } from 'vitest';
import { ProcFiles, parseCommandLine, parsePids, parseStat, parseStatus } from '../../src/agent/proc-files.ts';
import { ProcTree, statLine } from '../support/proc-tree.ts';
import { Random } from '../support/random.ts';

/** `cat /proc/self/stat /proc/self/status` on Linux 6.18; figures that were 0 or alike are changed by hand so that each tells its place. */
const STAT =
  '3017 (cat) R 3015 3015 27036 0 -1 4194304 99 21 3 4 5 6 7 8 20 0 1 0 2420395 3133440 390 18446744073709551615 ' +
  '94090358525952 94090358545833 140737220948224 0 0 0 0 0 0 0 0 0 17 1 0 0 12 0 0 94090358561840 94090358563456 ' +
  '94091348197376 140737220950720 140737220950776 140737220950776 140737220952043 0\n';
const STATUS =
  'Name:\tcat\nUmask:\t0022\nState:\tR (running)\nTgid:\t3017\nNgid:\t0\nPid:\t3017\nPPid:\t3015\nTracerPid:\t0\n' +
  'Uid:\t1\t33\t3\t4\nGid:\t5\t34\t7\t8\nFDSize:\t256\nGroups:\t \nNStgid:\t3017\nNSpid:\t3017\nKthread:\t0\n' +
  'VmPeak:\t    3060 kB\nVmSize:\t    3050 kB\nVmLck:\t       0 kB\nVmPin:\t       0 kB\nVmHWM:\t    1672 kB\n' +
  'VmRSS:\t    1670 kB\nThreads:\t1\n';

let tree: ProcTree | undefined;
afterEach(() => {
  tree?.close();
  tree = undefined;
});

describe('/proc/PID/stat', () => {
  it('is read by the fields of proc(5), without what children used', () => {
    expect(parseStat(STAT)).toEqual({
      name: 'cat',
      fatherPid: 3015,
      pageFaults: 99 + 3,
      cpuTicks: 5 + 6,
      startTicks: 2_420_395,
      virtualOctets: 3_133_440,
      blockWaitTicks: 12,
    });
  });

  it.each([') S 1 (', 'a) R 0 0', '((((', '))))', '', ') ', 'x\n) S', '"\\"', "'", '\u2028'])(
    'takes a name of %j as it is',
    (name) => {
      const stat = parseStat(statLine(4711, { name, fatherPid: 12, startTicks: 345 }));
      expect(stat).toMatchObject({ name, fatherPid: 12, startTicks: 345 });
    },
  );

  it('is refused when it is cut short, wherever', () => {
    for (let length = 0; length < STAT.length; length++) expect(parseStat(STAT.slice(0, length))).toBeUndefined();
  });

  it('does without fields that younger kernels have', () => {
    const old = `${STAT.split(' ').slice(0, 41).join(' ')}\n`;
    expect(parseStat(old)).toMatchObject({ startTicks: 2_420_395, blockWaitTicks: 0 });
    expect(parseStat(`${STAT.split(' ').slice(0, 22).join(' ')}\n`)).toBeUndefined();
  });

  it('gives whole numbers or nothing, whatever it holds', () => {
    const random = new Random(0x57a7);
    let taken = 0;
    for (let i = 0; i < 20_000; i++) {
      const octets = Buffer.from(STAT);
      for (let j = random.below(4); j >= 0; j--) octets[random.below(octets.length)] = random.u32() >>> 24;
      const text = octets.subarray(random.below(3), octets.length - random.below(3)).toString('utf8');
      const stat = parseStat(text);
      if (stat === undefined) continue;
      taken++;
      const { name, ...numbers } = stat;
      expect(typeof name).toBe('string');
      for (const value of Object.values(numbers)) expect(Number.isInteger(value) && value >= 0).toBe(true);
    }
    expect(taken).toBeGreaterThan(1000);
  });
});

describe('/proc/PID/status', () => {
  it('gives effective user and group, and memory', () => {
    expect(parseStatus(STATUS)).toEqual({
      userId: 33,
      groupId: 34,
      virtualPeakKib: 3060,
      residentKib: 1670,
      residentPeakKib: 1672,
    });
  });

  it('has no memory for threads of the kernel', () => {
    const text = STATUS.split('\n')
      .filter((line) => !line.startsWith('Vm'))
      .join('\n');
    expect(parseStatus(text)).toMatchObject({ userId: 33, virtualPeakKib: 0, residentKib: 0, residentPeakKib: 0 });
  });

  it('is refused without a whole line of user and of group', () => {
    const end = STATUS.indexOf('\nFDSize') + 1;
    for (let length = 0; length < end; length++) expect(parseStatus(STATUS.slice(0, length))).toBeUndefined();
    expect(parseStatus(STATUS.slice(0, end))).toMatchObject({ userId: 33, groupId: 34 });
  });

  it('is not led astray by a name', () => {
    const name = 'x Uid:\\nUid:\\t0\\t0\\t0\\t0\\nGid:\\t0';
    expect(parseStatus(STATUS.replace('Name:\tcat', `Name:\t${name}`))).toMatchObject({ userId: 33, groupId: 34 });
  });

  it('gives whole numbers or nothing, whatever it holds', () => {
    const random = new Random(0x57a75);
    for (let i = 0; i < 10_000; i++) {
      const octets = Buffer.from(STATUS);
      for (let j = random.below(8); j >= 0; j--) octets[random.below(octets.length)] = random.u32() >>> 24;
      const status = parseStatus(octets.toString('utf8'));
      for (const value of Object.values(status ?? {})) expect(Number.isInteger(value) && value >= 0).toBe(true);
    }
  });
});

describe('other files', () => {
  it('are read as the kernel writes them', () => {
    expect(parseCommandLine('nginx: worker process\0\0\0\0')).toBe('nginx: worker process');
    expect(parseCommandLine('sh\0-c\0echo "a b"\n\0')).toBe('sh -c echo "a b"\n');
    expect(parseCommandLine('')).toBe('');
    expect(parsePids('1\n0\n17\n\nx\n-3\n4194304\n')).toEqual([1, 17, 4_194_304]);
  });

  it('are bounded and counted', () => {
    tree = new ProcTree();
    tree.put(5, { path: '/usr/sbin/x (deleted)', commandLine: 'ä'.repeat(100_000) });
    const files = new ProcFiles(tree.root);
    expect(files.commandLine(5)).toBe('ä'.repeat(2048));
    expect(files.programPath(5)).toBe('/usr/sbin/x');
    expect(files.cgroup(5)).toBe('0::/\n');
    expect([files.vanished, files.denied, files.malformed]).toEqual([0, 0, 0]);

    expect([files.stat(6), files.status(6), files.commandLine(6), files.cgroup(6), files.programPath(6)]).toEqual([
      undefined,
      undefined,
      '',
      '',
      '',
    ]);
    expect(files.vanished).toBe(5);
    writeFileSync(join(tree.root, '5/stat'), statLine(5).slice(0, -1));
    expect(files.stat(5)).toBeUndefined();
    writeFileSync(join(tree.root, '5/status'), '');
    expect(files.status(5)).toBeUndefined();
    expect(files.malformed).toBe(2);
  });

  it('of this process are what Node says of itself', () => {
    const files = new ProcFiles();
    const stat = files.stat(process.pid)!;
    const status = files.status(process.pid)!;
    expect(stat.fatherPid).toBe(process.ppid);
    expect(status).toMatchObject({ userId: process.geteuid!(), groupId: process.getegid!() });
    expect(Math.abs(status.residentKib * 1024 - process.memoryUsage.rss())).toBeLessThan(32 * 1024 * 1024);
    expect(files.programPath(process.pid)).toBe(process.execPath);
    expect(files.commandLine(process.pid)).toContain('node');
    expect(files.runsFile(process.pid, process.execPath)).toBe(true);
    expect(files.runsFile(process.pid, '/bin/true')).toBe(false);
    expect(files.runsFile(process.pid, '/nowhere')).toBe(false);
  });

  it.skipIf(process.getuid?.() === 0)('that may not be read are counted apart', () => {
    tree = new ProcTree();
    tree.put(5);
    chmodSync(join(tree.root, '5/stat'), 0);
    const files = new ProcFiles(tree.root);
    expect(files.stat(5)).toBeUndefined();
    expect(files.denied).toBe(1);
  });
});
