/** Runs the built program as its users do; builds it first where it is older than its sources. */

import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import { readdirSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

const ROOT = fileURLToPath(new URL('../..', import.meta.url));
const PROGRAM = join(ROOT, 'dist/main.js');
/** The Node that runs the program: FLOWRELAY_TEST_NODE may name another one than runs the tests. */
export const PROGRAM_NODE = process.env['FLOWRELAY_TEST_NODE'] ?? process.execPath;

/** Path of a file of the repository. */
export function repositoryPath(path: string): string {
  return join(ROOT, path);
}

/** Builds the program unless it is up to date. */
export function buildProgram(): void {
  const built = statSync(PROGRAM, { throwIfNoEntry: false })?.mtimeMs ?? 0;
  const sources = ['src', 'build'].flatMap((folder) =>
    readdirSync(join(ROOT, folder), { recursive: true, withFileTypes: true }),
  );
  const newest = Math.max(
    ...sources.filter((file) => file.isFile()).map((file) => statSync(join(file.parentPath, file.name)).mtimeMs),
  );
  if (newest <= built) return;
  execFileSync('npm', ['run', '--silent', 'build'], { cwd: ROOT, stdio: 'pipe' });
}

/** What a run left behind. */
export interface Run {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
  readonly stdout: string;
  readonly stderr: string;
}

/** How to run it. */
export interface RunOptions {
  readonly input?: Uint8Array;
  readonly environment?: Readonly<Record<string, string>>;
}

function spawnProgram(words: readonly string[], environment: Readonly<Record<string, string>> = {}): ChildProcess {
  const own = Object.fromEntries(Object.entries(process.env).filter(([name]) => !name.startsWith('FLOWRELAY_')));
  return spawn(PROGRAM_NODE, [PROGRAM, ...words], { env: { ...own, ...environment } });
}

/** Runs the program to its end. */
export function runProgram(words: readonly string[], options: RunOptions = {}): Promise<Run> {
  const child = spawnProgram(words, options.environment);
  child.stdin?.on('error', () => {});
  child.stdin?.end(options.input);
  const stdout = collectText(child.stdout);
  const stderr = collectText(child.stderr);
  return new Promise((resolve) => {
    child.on('close', (code, signal) => resolve({ code, signal, stdout: stdout(), stderr: stderr() }));
  });
}

function collectText(stream: NodeJS.ReadableStream | null): () => string {
  const parts: Buffer[] = [];
  stream?.on('data', (part: Buffer) => parts.push(part));
  return () => Buffer.concat(parts).toString();
}

/** A line of the log. */
export interface LogLine {
  readonly event: string;
  readonly level: string;
  readonly message: string;
  readonly [field: string]: unknown;
}

/** A `collect` that runs until it is stopped. */
export class RunningProgram {
  readonly child: ChildProcess;
  readonly #stdout: () => string;
  readonly #stderr: () => string;
  readonly #closed: Promise<Run>;
  #hasClosed = false;

  private constructor(words: readonly string[], environment: Readonly<Record<string, string>>) {
    this.child = spawnProgram(words, environment);
    this.#stdout = collectText(this.child.stdout);
    this.#stderr = collectText(this.child.stderr);
    this.#closed = new Promise((resolve) => {
      this.child.on('close', (code, signal) => {
        this.#hasClosed = true;
        resolve({ code, signal, stdout: this.#stdout(), stderr: this.#stderr() });
      });
    });
  }

  /** Starts `collect` on a free port of 127.0.0.1 and waits until it listens. */
  static async collect(
    words: readonly string[] = [],
    environment: Readonly<Record<string, string>> = {},
  ): Promise<RunningProgram> {
    const listens = words.includes('--listen') || 'FLOWRELAY_LISTEN' in environment;
    const status = words.includes('--status') || 'FLOWRELAY_STATUS' in environment;
    const program = new RunningProgram(
      [
        'collect',
        ...(listens ? [] : ['--listen', 'udp://127.0.0.1:0']),
        ...(status ? [] : ['--status', '127.0.0.1:0']),
        ...words,
      ],
      environment,
    );
    await program.logged('started');
    return program;
  }

  /** Starts another command that runs until it is stopped, and waits until it says that it has started. */
  static async start(command: string, words: readonly string[]): Promise<RunningProgram> {
    const program = new RunningProgram([command, ...words], {});
    await program.logged('started');
    return program;
  }

  /** Lines of standard output so far. */
  get lines(): string[] {
    return this.#stdout().split('\n').slice(0, -1);
  }

  /** Lines of the log so far. */
  get log(): LogLine[] {
    return (
      this.#stderr()
        .split('\n')
        .slice(0, -1)
        // One that cannot start says why in plain words.
        .filter((line) => line.startsWith('{'))
        .map((line) => JSON.parse(line) as LogLine)
    );
  }

  /** Waits for the `count`th log line of an event. */
  logged(event: string, count = 1): Promise<LogLine> {
    return this.until(() => this.log.filter((line) => line.event === event)[count - 1], `log line ${event}`);
  }

  /** Waits until `find` gives something. */
  async until<Found>(find: () => Found | undefined | false, what: string): Promise<Found> {
    for (const endMs = Date.now() + 30_000; ; ) {
      const found = find();
      if (found !== undefined && found !== false) return found;
      if (this.#hasClosed) throw new Error(`program ended before ${what}: ${this.#stderr()}`);
      if (Date.now() > endMs) throw new Error(`no ${what} within 30 s: ${this.#stderr()}`);
      await new Promise((resolve) => setTimeout(resolve, 10));
    }
  }

  /** Port of its first listener. */
  get port(): number {
    const started = this.log.find(({ event }) => event === 'started');
    const [url = ''] = (started?.['listeners'] ?? []) as string[];
    return Number(url.split(':').at(-1));
  }

  /** Address of its status page. */
  get status(): string {
    return String(this.log.find(({ event }) => event === 'started')?.['status']);
  }

  /** Sends a signal and waits for the end. */
  stop(signal: NodeJS.Signals = 'SIGTERM'): Promise<Run> {
    this.child.kill(signal);
    return this.#closed;
  }

  /** Waits for the end. */
  ended(): Promise<Run> {
    return this.#closed;
  }
}
