import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { lockDirectory } from '../../src/sink/directory-lock.ts';

describe('lock of a directory', () => {
  let folder = '';

  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), 'flowrelay-lock-'));
  });
  afterEach(() => rmSync(folder, { recursive: true, force: true }));

  it('makes the directory, keeps others out, and lets them in once it is given back', () => {
    const directory = join(folder, 'a', 'b');
    const lock = lockDirectory(directory);
    expect(() => lockDirectory(directory)).toThrow(`cannot use spool ${directory}: another program uses it`);
    lockDirectory(join(folder, 'a')).release();
    lock.release();
    // A second time it is nobody's: the descriptor may be another file's by then.
    const next = lockDirectory(directory);
    lock.release();
    expect(() => lockDirectory(directory)).toThrow(/another program uses it/);
    next.release();
  });
});
