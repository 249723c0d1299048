import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

/** A process to be put under a {@link ProcTree}. */
export interface FakeProcess {
  readonly name?: string;
  readonly fatherPid?: number;
  readonly startTicks?: number;
  readonly userId?: number;
  readonly groupId?: number;
  readonly path?: string;
  readonly commandLine?: string;
  readonly cgroup?: string;
  readonly virtualOctets?: number;
  readonly virtualPeakKib?: number;
  readonly residentKib?: number;
  readonly residentPeakKib?: number;
  readonly minorFaults?: number;
  readonly majorFaults?: number;
  readonly userTicks?: number;
  readonly systemTicks?: number;
  readonly blockWaitTicks?: number;
  /** Inode of the socket by descriptor. */
  readonly sockets?: Readonly<Record<number, number>>;
}

/** A made-up /proc in a directory of its own: the files have the form of proc(5) as Linux 6.18 writes them. */
export class ProcTree {
  /** Where it is. */
  readonly root = mkdtempSync(join(tmpdir(), 'flowrelay-proc-'));

  /** Puts a process there, in place of one that has the pid. */
  put(pid: number, fake: FakeProcess = {}): void {
    this.remove(pid);
    const directory = join(this.root, String(pid));
    mkdirSync(join(directory, 'fd'), { recursive: true });
    const { name = 'fake', userId = 1000, groupId = 100, path = '', sockets = {} } = fake;
    const peakKib = fake.residentPeakKib ?? fake.residentKib ?? 0;
    const memory =
      peakKib === 0
        ? ''
        : `VmPeak:\t${fake.virtualPeakKib ?? 0} kB\nVmHWM:\t${peakKib} kB\nVmRSS:\t${fake.residentKib ?? 0} kB\n`;
    writeFileSync(join(directory, 'stat'), statLine(pid, fake));
    writeFileSync(
      join(directory, 'status'),
      `Name:\t${name.replaceAll('\\', '\\\\').replaceAll('\n', '\\n')}\nState:\tS (sleeping)\nPid:\t${pid}\n` +
        `Uid:\t0\t${userId}\t0\t0\nGid:\t0\t${groupId}\t0\t0\nGroups:\t1 2 3 \n${memory}Threads:\t1\n`,
    );
    writeFileSync(join(directory, 'cmdline'), fake.commandLine ?? `${name}\0`);
    writeFileSync(join(directory, 'cgroup'), fake.cgroup ?? '0::/\n');
    if (path !== '') symlinkSync(path, join(directory, 'exe'));
    for (const [descriptor, inode] of Object.entries(sockets)) this.open(pid, Number(descriptor), `socket:[${inode}]`);
  }

  /** Gives a process an open file. */
  open(pid: number, descriptor: number, target: string): void {
    const link = join(this.root, String(pid), 'fd', String(descriptor));
    rmSync(link, { force: true });
    symlinkSync(target, link);
  }

  /** Takes a process away. */
  remove(pid: number): void {
    rmSync(join(this.root, String(pid)), { recursive: true, force: true });
  }

  /** Takes all away. */
  close(): void {
    rmSync(this.root, { recursive: true, force: true });
  }
}

/** A line of /proc/PID/stat: 52 fields. */
export function statLine(pid: number, fake: FakeProcess = {}): string {
  const fields: (string | number)[] = Array.from({ length: 53 }, () => 0);
  fields[3] = 'S';
  fields[4] = fake.fatherPid ?? 1;
  fields[8] = -1;
  fields[10] = fake.minorFaults ?? 0;
  fields[12] = fake.majorFaults ?? 0;
  fields[14] = fake.userTicks ?? 0;
  fields[15] = fake.systemTicks ?? 0;
  // Of children that have ended: not the process's own.
  fields[11] = fields[13] = fields[16] = fields[17] = 7777;
  fields[22] = fake.startTicks ?? 1000;
  fields[23] = fake.virtualOctets ?? 0;
  fields[42] = fake.blockWaitTicks ?? 0;
  return `${pid} (${fake.name ?? 'fake'}) ${fields.slice(3).join(' ')}\n`;
}
