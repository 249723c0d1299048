/** An agent as its users run it, and what it prints. It sees the whole machine: a test keeps the lines that are its own. */

import { type ChildProcess, spawn } from 'node:child_process';
import { setTimeout as sleep } from 'node:timers/promises';
import { namespacesHeard, OWN_NAMESPACE } from './close-listeners.ts';
import type { MadeFlows } from './flow-makers.ts';
import type { LogLine } from './program.ts';
import { PROGRAM_NODE, repositoryPath } from './program.ts';

/** A line of its output; its values are what the test expects them to be. */
export type AgentLine = Readonly<Record<string, unknown>>;

/** How it is run. */
export interface AgentRunOptions {
  /** Words before the program: of `setpriv`, for example. */
  readonly launcher?: readonly string[];
  /** Directory of the repository for it, where that is another than for the test. */
  readonly root?: string;
  readonly environment?: Readonly<Record<string, string>>;
  /** Which lines to keep, by their text; all by default. */
  readonly keep?: (text: string) => boolean;
}

/** Longer than a busy machine takes for anything. */
const PATIENCE_MS = 60_000;

const running = new Set<ChildProcess>();
process.on('exit', () => {
  for (const child of running) child.kill('SIGKILL');
});

/** See the head of this file. */
export class AgentRun {
  readonly child: ChildProcess;
  /** Lines of its output so far that are kept, as written. */
  readonly texts: string[] = [];
  /** The same, parsed. */
  readonly lines: AgentLine[] = [];
  /** Lines that were no JSON. */
  readonly broken: string[] = [];
  /** Lines in all. */
  linesSeen = 0;
  readonly #closed: Promise<number | null>;
  #rest = '';
  #stderr = '';
  #hasClosed = false;

  private constructor(words: readonly string[], options: AgentRunOptions) {
    const { launcher = [], root, environment, keep } = options;
    const main = root === undefined ? repositoryPath('dist/main.js') : `${root}/dist/main.js`;
    const [program, ...rest] = [...launcher, PROGRAM_NODE, main, 'agent', ...words];
    const own = Object.fromEntries(Object.entries(process.env).filter(([name]) => !name.startsWith('FLOWRELAY_')));
    this.child = spawn(program!, rest, { env: { ...own, ...environment }, stdio: ['ignore', 'pipe', 'pipe'] });
    running.add(this.child);
    this.child.stdout?.setEncoding('utf8').on('data', (text: string) => this.#take(text, keep));
    this.child.stderr?.setEncoding('utf8').on('data', (text: string) => {
      this.#stderr += text;
    });
    this.#closed = new Promise((resolve) => {
      this.child.on('close', (code) => {
        this.#hasClosed = true;
        running.delete(this.child);
        resolve(code);
      });
    });
  }

  /** Starts it, without a status page unless `words` ask for one, and waits until it has begun. */
  static async start(words: readonly string[], options: AgentRunOptions = {}): Promise<AgentRun> {
    const status = words.includes('--status') ? [] : ['--status', 'off'];
    const run = new AgentRun([...status, ...words], options);
    await run.logged((line) => line.event === 'started', 'it to start');
    return run;
  }

  /** Waits for kernel events: for the `count`th time that they are on. */
  async withEvents(count = 1): Promise<this> {
    await this.logged(({ message }) => /^kernel events are (on|back)$/.test(message), 'kernel events', count);
    // bpftrace says that it begins before its last probe is in place.
    await sleep(2000);
    return this;
  }

  /** Waits until it is told of sockets that close in these network namespaces, by default in that of the tests. */
  async withCloses(...namespaces: readonly number[]): Promise<this> {
    const wanted = namespaces.length === 0 ? [OWN_NAMESPACE] : namespaces;
    const isHearing = () => {
      const heard = namespacesHeard(this.child.pid!);
      return wanted.every((each) => heard.has(each)) ? true : undefined;
    };
    await this.until(isHearing, 'word of sockets that close');
    return this;
  }

  /** Waits until it has told the end of all these connections. */
  async withEnds(...made: readonly MadeFlows[]): Promise<void> {
    const key = (from: unknown, to: unknown) => `${from} ${to}`;
    const hasAll = () => {
      const ended = this.lines.filter((line) => line['RECORD_TYPE'] === 'flow' && line['FLOW_END_REASON'] === 3);
      const keys = new Set(ended.map((line) => key(line['L4_SRC_PORT'], line['L4_DST_PORT'])));
      const all = made.flatMap(({ connections }) => connections);
      return all.every(({ localPort, remotePort }) => keys.has(key(localPort, remotePort))) ? true : undefined;
    };
    await this.until(hasAll, 'the ends of all connections');
  }

  /** Lines of its log so far. */
  get log(): LogLine[] {
    const texts = this.#stderr.split('\n').slice(0, -1);
    return texts.map((text) => JSON.parse(text) as LogLine);
  }

  /** Lines of the log that say that the program itself is at fault. */
  get faults(): LogLine[] {
    return this.log.filter(({ event }) => event === 'internal_error');
  }

  /** Waits for the `count`th line of the log that is as asked. */
  logged(is: (line: LogLine) => boolean, what: string, count = 1): Promise<LogLine> {
    return this.until(() => this.log.filter(is)[count - 1], what);
  }

  /** Waits until `find` gives something. */
  async until<Found>(find: () => Found | undefined, what: string): Promise<Found> {
    for (const endMs = Date.now() + PATIENCE_MS; ; await sleep(50)) {
      const found = find();
      if (found !== undefined) return found;
      if (this.#hasClosed) throw new Error(`the agent ended while waiting for ${what}:\n${this.#stderr}`);
      if (Date.now() > endMs) throw new Error(`waited too long for ${what}:\n${this.#stderr}`);
    }
  }

  /** Gives figures of its status page by their names, those with several labels added up. */
  async metrics(): Promise<(name: string) => number> {
    const started = this.log.find(({ event }) => event === 'started');
    const text = await (await fetch(`http://${String(started?.['status'])}/metrics`)).text();
    return (name) => {
      const values = [...text.matchAll(new RegExp(`^${name}(?:\\{[^}]*\\})? (.+)$`, 'gm'))];
      return values.length === 0 ? Number.NaN : values.reduce((sum, [, value]) => sum + Number(value), 0);
    };
  }

  /** Ends it and gives its exit code; whatever it printed is there then. */
  stop(signal: NodeJS.Signals = 'SIGTERM'): Promise<number | null> {
    this.child.kill(signal);
    return this.#closed;
  }

  #take(piece: string, keep: AgentRunOptions['keep']): void {
    const texts = (this.#rest + piece).split('\n');
    this.#rest = texts.pop()!;
    this.linesSeen += texts.length;
    for (const text of texts) {
      if (keep !== undefined && !keep(text)) continue;
      try {
        this.lines.push(JSON.parse(text) as AgentLine);
        this.texts.push(text);
      } catch {
        this.broken.push(text);
      }
    }
  }
}

/** Adds up a number of several records; what one does not have counts nothing. */
export function total(records: readonly AgentLine[], key: string): number {
  return records.reduce((sum, record) => sum + Number(record[key] ?? 0), 0);
}
