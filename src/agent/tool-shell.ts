/**
 * Starts short tools from small processes of their own. A process that starts another copies its page tables, and pays for each page it writes after
 * that: with this program's memory that was most of what a look at a hundred sockets cost.
 */

import { type ChildProcess, spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import type { Socket } from 'node:net';

/** How a tool ended. */
export interface ToolOutcome {
  /** Its exit code, 127 where there is no such program; null where it was killed, took too long, or could not be started. */
  readonly code: number | null;
  readonly isTimedOut: boolean;
}

/** What a tool may take. */
export interface ToolLimits {
  /** Longest it may run, milliseconds. */
  readonly timeMs: number;
  /** Most octets it may print; by default its reader bounds what it keeps. */
  readonly octets?: number;
}

/** Settings of {@link ToolShells}; all may be left out. */
export interface ToolShellOptions {
  /** Program that reads commands as sh(1) does. Default `/bin/sh`. */
  readonly shell?: string;
  /** So many tools run at the same time. Default 4. */
  readonly maxTools?: number;
}

/** After each tool comes a newline, the mark, a blank, three digits of its code, and a newline. */
const SCRIPT = `while IFS= read -r command; do eval "$command"; printf '\\n%s %03d\\n' "$0" "$?"; done`;
const MARK_OCTETS = 16;
const TRAILER_OCTETS = 2 * MARK_OCTETS + 6;

/** As many shells as tools run at a time, each begun when it is needed and kept. */
export class ToolShells {
  readonly #shell: string;
  readonly #maxTools: number;
  readonly #idle: Shell[] = [];
  readonly #all = new Set<Shell>();
  readonly #waiting: ((shell: Shell) => void)[] = [];

  constructor(options: ToolShellOptions = {}) {
    this.#shell = options.shell ?? '/bin/sh';
    this.#maxTools = options.maxTools ?? 4;
  }

  /**
   * Runs a program, given by its path or found by PATH, with nothing on its standard input, and hands on what it prints on its standard output; what is
   * handed over is valid during the call. Beyond its limits it is killed with all that it started. Never rejects. Where too many run it waits.
   */
  async run(words: readonly string[], limits: ToolLimits, take: (octets: Buffer) => void): Promise<ToolOutcome> {
    // A newline would end the command.
    if (words.some((word) => /[\n\0]/.test(word))) return { code: null, isTimedOut: false };
    const shell = await this.#free();
    const outcome = await shell.run(words.map(quoted).join(' '), limits, take);
    const next = this.#waiting.shift();
    if (next !== undefined) next(shell);
    else this.#idle.push(shell);
    return outcome;
  }

  /** Ends what runs; nothing is to be run any more. */
  close(): void {
    for (const shell of this.#all) shell.end();
  }

  async #free(): Promise<Shell> {
    const idle = this.#idle.pop();
    if (idle !== undefined) return idle;
    if (this.#all.size >= this.#maxTools) return new Promise((resolve) => this.#waiting.push(resolve));
    const shell = new Shell(this.#shell);
    this.#all.add(shell);
    return shell;
  }
}

/** One tool under way. */
interface Run {
  /** Octets that it may still print. */
  octets: number;
  readonly take: (octets: Buffer) => void;
  readonly end: (outcome: ToolOutcome) => void;
}

/** A process that runs one tool after the other. */
class Shell {
  readonly #program: string;
  readonly #mark = randomBytes(MARK_OCTETS).toString('hex');
  #child: ChildProcess | undefined;
  #isClosed = false;
  #run: Run | undefined;
  /** What has come of the present tool and may be its trailer. */
  #held = Buffer.alloc(0);

  constructor(program: string) {
    this.#program = program;
  }

  run(
    command: string,
    { timeMs, octets = Number.POSITIVE_INFINITY }: ToolLimits,
    take: (octets: Buffer) => void,
  ): Promise<ToolOutcome> {
    return new Promise((resolve) => {
      const child = this.#started();
      if (child === undefined) {
        resolve({ code: null, isTimedOut: false });
        return;
      }
      const timer = setTimeout(() => this.#kill(true), timeMs);
      const end = (outcome: ToolOutcome) => {
        clearTimeout(timer);
        resolve(outcome);
      };
      this.#held = Buffer.alloc(0);
      this.#run = { octets, take, end };
      this.#output?.ref();
      child.stdin?.write(`${command} </dev/null 2>/dev/null\n`);
    });
  }

  end(): void {
    this.#isClosed = true;
    this.#kill();
  }

  #started(): ChildProcess | undefined {
    if (this.#isClosed) return undefined;
    if (this.#child !== undefined) return this.#child;
    // Nothing of this process's environment: some tools let it send them to other files.
    const env = { PATH: process.env['PATH'] ?? '/usr/sbin:/usr/bin:/sbin:/bin', LC_ALL: 'C' };
    // A process group of its own, so that a tool that hangs can be killed with it. It ends when this process does: nothing comes any more.
    const options = { env, stdio: ['pipe', 'pipe', 'ignore'] as ['pipe', 'pipe', 'ignore'], detached: true };
    let child: ChildProcess;
    try {
      child = spawn(this.#program, ['-c', SCRIPT, this.#mark], options);
    } catch {
      return undefined;
    }
    const over = () => {
      if (this.#child !== child) return;
      this.#child = undefined;
      this.#finish({ code: null, isTimedOut: false });
    };
    child.on('error', over);
    child.on('close', over);
    child.stdin?.on('error', () => {});
    child.stdout?.on('data', (octets: Buffer) => {
      if (this.#child === child) this.#read(octets);
    });
    // A shell that waits is no reason to stay.
    child.unref();
    (child.stdin as Socket | null)?.unref();
    this.#child = child;
    return child;
  }

  /** Passes on what cannot be the trailer, which ends what a tool prints. */
  #read(octets: Buffer): void {
    const all = this.#held.length === 0 ? octets : Buffer.concat([this.#held, octets]);
    const end = all.length - TRAILER_OCTETS;
    if (end < 0) {
      this.#held = Buffer.from(all);
      return;
    }
    const trailer = all.toString('latin1', end);
    const isOver = trailer.startsWith(`\n${this.#mark} `) && trailer.endsWith('\n');
    if (end > 0 && this.#run !== undefined) {
      this.#run.octets -= end;
      if (this.#run.octets < 0) {
        this.#kill();
        return;
      }
      this.#run.take(all.subarray(0, end));
    }
    this.#held = Buffer.from(all.subarray(end));
    if (isOver) this.#finish({ code: Number(trailer.slice(-4, -1)), isTimedOut: false });
  }

  #finish(outcome: ToolOutcome): void {
    const run = this.#run;
    this.#run = undefined;
    this.#output?.unref();
    run?.end(outcome);
  }

  /** A pipe, which keeps the process while a tool is awaited. */
  get #output(): Socket | undefined {
    return (this.#child?.stdout as Socket | null | undefined) ?? undefined;
  }

  #kill(isTimedOut = false): void {
    const child = this.#child;
    this.#child = undefined;
    this.#finish({ code: null, isTimedOut });
    if (child?.pid === undefined) return;
    try {
      process.kill(-child.pid, 'SIGKILL');
    } catch {
      // It has just ended.
    }
    // A program that left the group may hold them open.
    child.stdin?.destroy();
    child.stdout?.destroy();
  }
}

/** A word as the shell takes it, whatever is in it. */
function quoted(word: string): string {
  return `'${word.replaceAll("'", "'\\''")}'`;
}
