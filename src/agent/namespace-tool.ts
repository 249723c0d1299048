/** Runs a program in a network namespace of this host: the kernel's socket tables are asked by programs that can, and bounded here. */

import { type ChildProcess, spawn } from 'node:child_process';
import { accessSync, closeSync, constants, fstatSync, openSync, readFileSync } from 'node:fs';
import { delimiter, join } from 'node:path';
import type { NetworkNamespace } from './socket-entry.ts';

/** Of what a tool says on standard error so much is kept. */
const ERROR_TEXT_LENGTH = 200;
const CAP_SYS_ADMIN = 21n;

/** Path of a program of PATH or the system's own directories, undefined where it is not installed. */
export function findProgram(name: string): string | undefined {
  const directories = (process.env['PATH'] ?? '').split(delimiter).concat('/usr/sbin', '/usr/bin', '/sbin', '/bin');
  return directories
    .filter((directory) => directory.startsWith('/'))
    .map((directory) => join(directory, name))
    .find((path) => {
      try {
        accessSync(path, constants.X_OK);
        return true;
      } catch {
        return false;
      }
    });
}

/** Whether this process may enter network namespaces (setns(2)): CAP_SYS_ADMIN among its effective capabilities. */
export function mayEnterNamespaces(procRoot: string): boolean {
  try {
    const match = /^CapEff:\s*([0-9a-f]{1,16})$/m.exec(readFileSync(`${procRoot}/self/status`, 'latin1'));
    return ((BigInt(`0x${match?.[1] ?? '0'}`) >> CAP_SYS_ADMIN) & 1n) === 1n;
  } catch {
    return false;
  }
}

/** What {@link startInNamespace} starts. */
export interface ToolStart {
  readonly program: string;
  readonly args: readonly string[];
  readonly namespace: NetworkNamespace;
  /** Path of nsenter; not needed for the program's own namespace. */
  readonly nsenter: string;
  readonly procRoot: string;
}

/**
 * Starts a program in a namespace, its output piped; undefined where the namespace's process is gone or now in another one, or where
 * nothing can be started. The namespace is opened first and handed over, so that a pid used again cannot lead into a wrong one.
 */
export function startInNamespace({ program, args, namespace, nsenter, procRoot }: ToolStart): ChildProcess | undefined {
  // Nothing of this process's environment: some tools let it send them to other files.
  const env = { PATH: process.env['PATH'] ?? '/usr/sbin:/usr/bin:/sbin:/bin', LC_ALL: 'C' };
  try {
    if (namespace.pid === 0) return spawn(program, args, { env, stdio: ['ignore', 'pipe', 'pipe'] });
    const descriptor = openSync(`${procRoot}/${namespace.pid}/ns/net`, 'r');
    try {
      if (fstatSync(descriptor).ino !== namespace.id) return undefined;
      return spawn(nsenter, ['--net=/proc/self/fd/3', program, ...args], {
        env,
        stdio: ['ignore', 'pipe', 'pipe', descriptor],
      });
    } finally {
      closeSync(descriptor);
    }
  } catch {
    return undefined;
  }
}

/** How a tool ended. */
export interface ToolEnd {
  /** Its exit code; null where it could not be started, was killed, or took too long. */
  readonly code: number | null;
  readonly isTimedOut: boolean;
  /** First line of what it said on standard error, printable and short. */
  readonly errorText: string;
}

/** Hands on what `child` prints until it ends, or ends it after `timeLimitMs`. Never rejects. */
export function followTool(child: ChildProcess, timeLimitMs: number, take: (octets: Buffer) => void): Promise<ToolEnd> {
  return new Promise((resolve) => {
    let errorText = '';
    let isOver = false;
    const finish = (code: number | null, isTimedOut: boolean) => {
      if (isOver) return;
      isOver = true;
      clearTimeout(timer);
      // A program it started may hold the pipes open.
      child.stdout?.destroy();
      child.stderr?.destroy();
      const firstLine = errorText.split('\n', 1)[0] ?? '';
      resolve({ code, isTimedOut, errorText: firstLine.replace(/[^ -~]/g, '?') });
    };
    const timer = setTimeout(() => {
      child.kill('SIGKILL');
      finish(null, true);
    }, timeLimitMs);
    child.stdout?.on('data', (octets: Buffer) => {
      if (!isOver) take(octets);
    });
    child.stderr?.setEncoding('latin1').on('data', (text: string) => {
      if (errorText.length < ERROR_TEXT_LENGTH) errorText = (errorText + text).slice(0, ERROR_TEXT_LENGTH);
    });
    child.on('error', (error) => {
      errorText ||= error.message;
      finish(null, false);
    });
    child.on('close', (code) => finish(code, false));
  });
}
