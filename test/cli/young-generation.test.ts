/** The memory that `collect` takes for what lives shortly. */

import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { buildProgram, PROGRAM_NODE, RunningProgram } from '../support/program.ts';

/**
 * Loaded before the program: told to, keeps 40 MB of small objects alive, turn by turn as datagrams would, and logs how large
 * the young generation has become.
 */
const GROWTH = `const { getHeapSpaceStatistics } = require('node:v8');
process.once('SIGUSR2', () => {
  const kept = [];
  const turn = () => {
    for (let i = 0; i < 5000; i++) kept.push({ i });
    if (kept.length < 1e6) return setImmediate(turn);
    const { space_size: octets } = getHeapSpaceStatistics().find(({ space_name }) => space_name === 'new_space');
    console.error(JSON.stringify({ event: 'grown', octets }));
  };
  turn();
});`;

/** Node.js 20 and 22; later ones may have other flags, and are left as they are. */
const IS_LIMITED = /^1[12]\./.test(execFileSync(PROGRAM_NODE, ['-p', 'process.versions.v8'], { encoding: 'utf8' }));

let folder: string;

describe('young generation', () => {
  beforeAll(() => {
    buildProgram();
    folder = mkdtempSync(join(tmpdir(), 'flowrelay-'));
    writeFileSync(join(folder, 'growth.cjs'), GROWTH);
  });

  afterAll(() => rmSync(folder, { recursive: true }));

  if (!IS_LIMITED) console.log('skipped: limits the young generation of Node 20 and 22 only');
  it.skipIf(!IS_LIMITED)('grows no further than 8 MiB while collecting', async () => {
    const program = await RunningProgram.collect([], { NODE_OPTIONS: `--require ${join(folder, 'growth.cjs')}` });
    program.child.kill('SIGUSR2');
    expect(await program.logged('grown')).toMatchObject({ octets: 8_388_608 });
    expect(await program.stop()).toMatchObject({ code: 0 });
  });
});
