/**
 * A network of its own for exporters and a collector: a namespace with a loopback, the programs in it, and a directory. All
 * of it goes away with {@link Lab.close}.
 */

import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { delimiter, isAbsolute, join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { repositoryPath } from './program.ts';

/** Whether skipped integration tests are failures. */
export const isIntegrationRequired = process.env['FLOWRELAY_REQUIRE_INTEGRATION'] === '1';

/** Which of `programs`, names or paths, are not installed. */
export function missingPrograms(...programs: readonly string[]): string[] {
  const directories = (process.env['PATH'] ?? '').split(delimiter).concat('/usr/sbin', '/sbin');
  const isThere = (program: string): boolean =>
    isAbsolute(program) ? existsSync(program) : directories.some((directory) => existsSync(join(directory, program)));
  return programs.filter((program) => !isThere(program));
}

/** Whether a program is there. Where tests must run, one that is missing fails them. */
export function hasProgram(program: string): boolean {
  if (missingPrograms(program).length === 0) return true;
  if (isIntegrationRequired) throw new Error(`${program} is not installed`);
  console.warn(`${program} is not installed: its tests are left out`);
  return false;
}

/** Why tests that need `programs` and namespaces cannot run, said aloud; undefined where they can. */
export function obstacle(...programs: readonly string[]): string | undefined {
  return rootObstacle('networks of their own', 'ip', 'tcpdump', 'tshark', ...programs);
}

/** Why tests of `what` cannot run, which need `programs` and the rights of root, said aloud; undefined where they can. Throws where they must. */
export function rootObstacle(what: string, ...programs: readonly string[]): string | undefined {
  const missing = missingPrograms(...programs);
  if (process.getuid?.() !== 0) missing.push('the rights of root');
  if (missing.length === 0) return undefined;
  const reason = `not here: ${missing.join(', ')}`;
  if (isIntegrationRequired) throw new Error(`tests of ${what} cannot run: ${reason}`);
  console.log(`tests of ${what} are skipped: ${reason}`);
  return reason;
}

/** A line of JSON, as parsed. */
export type ParsedLine = Record<string, unknown>;

let labs = 0;
/** Labs that are open: whatever happens, they don't outlive the test run. */
const openLabs = new Set<Lab>();
process.on('exit', () => {
  for (const lab of openLabs) lab.abandon();
});

/** What a neighbour runs. */
const ECHO = `
const dgram = require('node:dgram'), net = require('node:net');
const socket = dgram.createSocket('udp6', (octets, from) => socket.send(octets, from.port, from.address));
dgram.createSocket('udp6').bind(9, '::');
socket.bind(7, '::', () => net.createServer((each) => each.pipe(each)).listen(8, '::', () => console.log('ready')));
`;

/** See the head of this file. */
export class Lab {
  /** Files of the programs in it. */
  readonly directory: string;
  readonly #namespace: string;
  #peer: string | undefined;
  readonly #children: ChildProcess[] = [];

  constructor() {
    this.directory = mkdtempSync(join(tmpdir(), 'flowrelay-lab-'));
    this.#namespace = `flowrelay-${process.pid}-${labs++}`;
    execFileSync('ip', ['netns', 'add', this.#namespace]);
    openLabs.add(this);
    this.run('ip', 'link', 'set', 'lo', 'up');
  }

  /**
   * Adds a neighbour behind a veth pair: a host of its own that echoes UDP to port 7 and TCP to port 8, and takes UDP to port 9. Here the pair's end
   * is `v0` with 10.77.0.1 and fd77::1, there it has 10.77.0.2 and fd77::2.
   */
  async addNeighbour(): Promise<void> {
    const peer = `${this.#namespace}-peer`;
    execFileSync('ip', ['netns', 'add', peer]);
    this.#peer = peer;
    this.run('ip', 'link', 'add', 'v0', 'type', 'veth', 'peer', 'name', 'v1', 'netns', peer);
    const outside = (...args: string[]) => execFileSync('ip', ['-n', peer, ...args]);
    for (const [device, host, ip] of [
      ['v0', '1', (...args: string[]) => this.run('ip', ...args)],
      ['v1', '2', outside],
    ] as const) {
      ip('addr', 'add', `10.77.0.${host}/24`, 'dev', device);
      ip('addr', 'add', `fd77::${host}/64`, 'dev', device, 'nodad');
      ip('link', 'set', device, 'up');
    }
    const echo = this.#spawn(peer, process.execPath, ['-e', ECHO], {});
    await echo.until(() => echo.stdout.includes('ready'), 'the neighbour');
  }

  /** Path of a file of the lab. */
  path(name: string): string {
    return join(this.directory, name);
  }

  /** Starts a program inside; it is ended with the lab at the latest. */
  start(program: string, args: readonly string[], environment: Readonly<Record<string, string>> = {}): LabProgram {
    return this.#spawn(this.#namespace, program, args, environment);
  }

  #spawn(
    namespace: string,
    program: string,
    args: readonly string[],
    environment: Readonly<Record<string, string>>,
  ): LabProgram {
    const child = spawn('ip', ['netns', 'exec', namespace, program, ...args], {
      cwd: this.directory,
      env: { ...process.env, PATH: `${process.env['PATH'] ?? ''}:/usr/sbin:/sbin`, ...environment },
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    this.#children.push(child);
    return new LabProgram(`${program} ${args.join(' ')}`, child);
  }

  /** Runs a program inside to its end and gives what it printed. Throws when it fails. */
  run(program: string, ...args: readonly string[]): string {
    return this.runWith({}, program, ...args);
  }

  /** The same with a changed environment. */
  runWith(environment: Readonly<Record<string, string>>, program: string, ...args: readonly string[]): string {
    return this.#runIn(this.#namespace, environment, program, args);
  }

  /** The same in the neighbour. */
  runBeside(program: string, ...args: readonly string[]): string {
    return this.#runIn(this.#peer!, {}, program, args);
  }

  #runIn(
    namespace: string,
    environment: Readonly<Record<string, string>>,
    program: string,
    args: readonly string[],
  ): string {
    return execFileSync('ip', ['netns', 'exec', namespace, program, ...args], {
      cwd: this.directory,
      encoding: 'utf8',
      env: { ...process.env, PATH: `${process.env['PATH'] ?? ''}:/usr/sbin:/sbin`, ...environment },
      stdio: ['ignore', 'pipe', 'pipe'],
      timeout: 30_000,
    });
  }

  /** Records what passes the loopback to or from `port`; stop it to have the file whole, and see that nothing was dropped. */
  async record(file: string, port: number): Promise<LabProgram> {
    const filter = `udp dst port ${port} or tcp port ${port}`;
    // Without a large buffer a burst of a hundred datagrams is already too much for it.
    const capture = ['-i', 'lo', '-U', '--immediate-mode', '-s', '65535', '-B', '65536'];
    const tcpdump = this.start('tcpdump', [...capture, '-w', this.path(file), filter]);
    await tcpdump.until(() => tcpdump.stderr.includes('listening on'), 'tcpdump to listen');
    return tcpdump;
  }

  /** Starts `collect` inside and waits until it listens. */
  async collect(...args: readonly string[]): Promise<LabProgram> {
    const main = repositoryPath('dist/main.js');
    const collector = this.start(process.execPath, [main, 'collect', '--status', 'off', ...args]);
    await collector.until(() => collector.stderr.includes('"event":"started"'), 'the collector to start');
    return collector;
  }

  /** Ends what runs and takes everything away. */
  async close(): Promise<void> {
    if (!openLabs.has(this)) return;
    for (const child of this.#children) child.kill('SIGTERM');
    const isOver = () => this.#children.every(({ exitCode, signalCode }) => exitCode !== null || signalCode !== null);
    for (let i = 0; i < 100 && !isOver(); i++) await sleep(20);
    this.abandon();
  }

  /** The same at once, by force. */
  abandon(): void {
    openLabs.delete(this);
    for (const child of this.#children) child.kill('SIGKILL');
    for (const namespace of [this.#namespace, this.#peer]) if (namespace !== undefined) removeNamespace(namespace);
    rmSync(this.directory, { recursive: true, force: true });
  }
}

/** Daemons may have left their parents: the namespace knows them. */
function removeNamespace(namespace: string): void {
  const pids = execFileSync('ip', ['netns', 'pids', namespace], { encoding: 'utf8' }).split('\n');
  for (const pid of pids.filter((text) => text !== '')) {
    try {
      process.kill(Number(pid), 'SIGKILL');
    } catch {}
  }
  execFileSync('ip', ['netns', 'del', namespace]);
}

/** A program that runs in a lab. */
export class LabProgram {
  readonly child: ChildProcess;
  /** Standard output so far. */
  stdout = '';
  /** Standard error so far. */
  stderr = '';
  readonly #command: string;
  readonly #closed: Promise<number | null>;
  #hasClosed = false;

  constructor(command: string, child: ChildProcess) {
    this.#command = command;
    this.child = child;
    child.stdout?.setEncoding('utf8').on('data', (text: string) => {
      this.stdout += text;
    });
    child.stderr?.setEncoding('utf8').on('data', (text: string) => {
      this.stderr += text;
    });
    this.#closed = new Promise((resolve) => {
      child.on('close', (code) => {
        this.#hasClosed = true;
        resolve(code);
      });
    });
  }

  /** Lines of standard output so far, parsed. */
  get lines(): ParsedLine[] {
    const texts = this.stdout.split('\n').slice(0, -1);
    return texts.map((text) => JSON.parse(text) as ParsedLine);
  }

  /** Waits until `isSo`, at most a minute. */
  async until(isSo: () => boolean, what: string, timeoutMs = 60_000): Promise<void> {
    for (const endMs = Date.now() + timeoutMs; !isSo(); await sleep(20)) {
      const said = `${this.#command}\n${this.stderr}`;
      if (this.#hasClosed) throw new Error(`ended while waiting for ${what}: ${said}`);
      if (Date.now() > endMs) throw new Error(`waited too long for ${what}: ${said}`);
    }
  }

  /** Waits until standard output has begun and been quiet for a while, and nothing that was sent to it is still on its way, at most a minute. */
  async quiet(quietMs = 600): Promise<void> {
    await this.until(() => this.stdout !== '', 'the first line');
    const endMs = Date.now() + 60_000;
    for (let length = -1; (length !== this.stdout.length || !this.hasReadAll()) && Date.now() < endMs; ) {
      length = this.stdout.length;
      await sleep(quietMs);
    }
  }

  /** Whether no socket of its network namespace has octets that wait to be sent or read: /proc/net/udp and its like, column tx_queue:rx_queue. */
  hasReadAll(): boolean {
    return ['udp', 'udp6', 'tcp', 'tcp6'].every((name) =>
      readFileSync(`/proc/${this.child.pid}/net/${name}`, 'latin1')
        .split('\n')
        .slice(1, -1)
        .map((row) => row.trim().split(/\s+/))
        // Of a socket that listens they are connections.
        .every(([, , , state, queues]) => (name.startsWith('tcp') && state === '0A') || /^0+:0+$/.test(queues ?? '')),
    );
  }

  /** Waits for its end and gives its exit code. */
  ended(): Promise<number | null> {
    return this.#closed;
  }

  /** Sends a signal and waits for the end. */
  async stop(signal: NodeJS.Signals = 'SIGTERM'): Promise<number | null> {
    this.child.kill(signal);
    return this.#closed;
  }
}
