/**
 * A network of its own for exporters and a collector: a namespace with a loopback, the programs in it, and a directory. All
 * of it goes away with {@link Lab.close}.
 */

import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { delimiter, join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { repositoryPath } from './program.ts';

/** Whether skipped integration tests are failures. */
export const isIntegrationRequired = process.env['FLOWRELAY_REQUIRE_INTEGRATION'] === '1';

/** Which of `programs` are not installed. */
export function missingPrograms(...programs: readonly string[]): string[] {
  const directories = (process.env['PATH'] ?? '').split(delimiter).concat('/usr/sbin', '/sbin');
  return programs.filter((program) => !directories.some((directory) => existsSync(join(directory, program))));
}

/** Why tests that need `programs` and namespaces cannot run, said aloud; undefined where they can. */
export function obstacle(...programs: readonly string[]): string | undefined {
  const missing = missingPrograms('ip', 'tcpdump', 'tshark', ...programs);
  const reason =
    missing.length > 0
      ? `not installed: ${missing.join(', ')}`
      : process.getuid?.() !== 0
        ? 'only root may make network namespaces'
        : undefined;
  if (reason !== undefined) {
    if (isIntegrationRequired) throw new Error(`integration tests cannot run: ${reason}`);
    console.log(`integration tests are skipped: ${reason}`);
  }
  return reason;
}

/** A line of JSON, as parsed. */
export type ParsedLine = Record<string, unknown>;

let labs = 0;

/** See the head of this file. */
export class Lab {
  /** Files of the programs in it. */
  readonly directory: string;
  readonly #namespace: string;
  readonly #children: ChildProcess[] = [];

  constructor() {
    this.directory = mkdtempSync(join(tmpdir(), 'flowrelay-lab-'));
    this.#namespace = `flowrelay-${process.pid}-${labs++}`;
    execFileSync('ip', ['netns', 'add', this.#namespace]);
    this.run('ip', 'link', 'set', 'lo', 'up');
  }

  /** Path of a file of the lab. */
  path(name: string): string {
    return join(this.directory, name);
  }

  /** Starts a program inside; it is ended with the lab at the latest. */
  start(program: string, args: readonly string[], environment: Readonly<Record<string, string>> = {}): LabProgram {
    const child = spawn('ip', ['netns', 'exec', this.#namespace, program, ...args], {
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
    return execFileSync('ip', ['netns', 'exec', this.#namespace, program, ...args], {
      cwd: this.directory,
      encoding: 'utf8',
      env: { ...process.env, PATH: `${process.env['PATH'] ?? ''}:/usr/sbin:/sbin`, ...environment },
      stdio: ['ignore', 'pipe', 'pipe'],
      timeout: 30_000,
    });
  }

  /** Records what passes the loopback to or from `port`; give `stop()` the program to have the file whole. */
  async record(file: string, port: number): Promise<LabProgram> {
    const filter = `udp dst port ${port} or tcp port ${port}`;
    const tcpdump = this.start('tcpdump', ['-i', 'lo', '-U', '--immediate-mode', '-s', '0', '-w', this.path(file), filter]);
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
    for (const child of this.#children) child.kill('SIGTERM');
    const isOver = () => this.#children.every(({ exitCode, signalCode }) => exitCode !== null || signalCode !== null);
    for (let i = 0; i < 100 && !isOver(); i++) await sleep(20);
    for (const child of this.#children) child.kill('SIGKILL');
    // Daemons that left their parents: the namespace knows them.
    const pids = execFileSync('ip', ['netns', 'pids', this.#namespace], { encoding: 'utf8' }).split('\n');
    for (const pid of pids.filter((text) => text !== '')) {
      try {
        process.kill(Number(pid), 'SIGKILL');
      } catch {}
    }
    execFileSync('ip', ['netns', 'del', this.#namespace]);
    rmSync(this.directory, { recursive: true, force: true });
  }
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

  /** Waits until `isSo`, at most 15 s. */
  async until(isSo: () => boolean, what: string, timeoutMs = 15_000): Promise<void> {
    for (const endMs = Date.now() + timeoutMs; !isSo(); await sleep(20)) {
      const said = `${this.#command}\n${this.stderr}`;
      if (this.#hasClosed) throw new Error(`ended while waiting for ${what}: ${said}`);
      if (Date.now() > endMs) throw new Error(`waited too long for ${what}: ${said}`);
    }
  }

  /** Waits until standard output has begun and been quiet for a while. */
  async quiet(quietMs = 600, firstMs = 15_000): Promise<void> {
    await this.until(() => this.stdout !== '', 'the first line', firstMs);
    for (let length = -1; length !== this.stdout.length; ) {
      length = this.stdout.length;
      await sleep(quietMs);
    }
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

/** The octets of a file of a lab. */
export function labFile(lab: Lab, name: string): Uint8Array {
  return readFileSync(lab.path(name));
}
