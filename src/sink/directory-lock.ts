import { spawnSync } from 'node:child_process';
import { closeSync, mkdirSync, openSync } from 'node:fs';

/** Exit code of `flock -n` where somebody else has the lock. */
const IS_LOCKED = 1;

/** A directory that no other program may use. */
export interface DirectoryLock {
  /** Gives it back. */
  release(): void;
}

/**
 * Takes a directory, which is made where missing, for this process alone: by the kernel's lock (flock(2)), which ends with the
 * process however that ends, and holds between containers too. Throws one clear error where another program has it. Node
 * cannot ask for such a lock: flock of util-linux or busybox does, for the directory as this process has it open. Without that
 * program there is no lock.
 */
export function lockDirectory(directory: string): DirectoryLock {
  let descriptor: number;
  try {
    mkdirSync(directory, { recursive: true, mode: 0o700 });
    descriptor = openSync(directory, 'r');
  } catch (error) {
    throw new Error(`cannot use spool ${directory}: ${(error as Error).message}`, { cause: error });
  }
  const { status } = spawnSync('flock', ['-n', '3'], { stdio: ['ignore', 'ignore', 'ignore', descriptor] });
  if (status === IS_LOCKED) {
    closeSync(descriptor);
    throw new Error(`cannot use spool ${directory}: another program uses it`);
  }
  let isHeld = true;
  return {
    release: () => {
      if (isHeld) closeSync(descriptor);
      isHeld = false;
    },
  };
}
