/** How the built program starts: with the compiled code kept beside it, and as well without. */

import { spawnSync } from 'node:child_process';
import { cpSync, mkdtempSync, readdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { buildProgram, repositoryPath, runProgram } from '../support/program.ts';

const CAPTURE = repositoryPath('fixtures/softflowd-netflow9/input.pcap');
const EXPECTED = octetsOf(readFileSync(repositoryPath('fixtures/softflowd-netflow9/expected.jsonl'), 'utf8'));

/** Says on standard error what V8 thought of the kept code. */
const WITNESS = `const vm = require('node:vm');
vm.Script = class extends vm.Script {
  constructor(source, options) {
    super(source, options);
    require('node:fs').writeSync(2, 'refused: ' + this.cachedDataRejected + '\\n');
  }
};`;

let folder: string;
let code: string;

function octetsOf(lines: string): unknown[] {
  return lines
    .trimEnd()
    .split('\n')
    .map((line) => (JSON.parse(line) as { IN_BYTES?: number }).IN_BYTES);
}

function convert(...flags: string[]): { octets: unknown[]; said: string } {
  const words = [...flags, '--require', join(folder, 'witness.cjs'), join(folder, 'dist/main.js'), 'convert', CAPTURE];
  const { stdout, stderr } = spawnSync(process.execPath, words, { encoding: 'utf8' });
  return { octets: octetsOf(stdout), said: stderr };
}

describe('start', () => {
  beforeAll(() => {
    buildProgram();
    folder = mkdtempSync(join(tmpdir(), 'flowrelay-'));
    writeFileSync(join(folder, 'witness.cjs'), WITNESS);
    for (const name of ['ie-definitions', 'node_modules', 'package.json']) {
      symlinkSync(repositoryPath(name), join(folder, name));
    }
    // The bundle that is in use, of those that earlier builds left.
    const start = readFileSync(repositoryPath('dist/main.js'), 'utf8');
    cpSync(repositoryPath('dist'), join(folder, 'dist'), { recursive: true });
    const name = readdirSync(join(folder, 'dist/bundle')).find((file) => start.includes(`'./bundle/${file}'`));
    code = join(folder, 'dist/bundle', `${name}.code`);
  });

  afterAll(() => rmSync(folder, { recursive: true }));

  it('uses the code that was kept', () => {
    expect(convert()).toEqual({ octets: EXPECTED, said: 'refused: false\n' });
  });

  it('does without where V8 runs with other flags', () => {
    expect(convert('--no-opt')).toEqual({ octets: EXPECTED, said: 'refused: true\n' });
  });

  it.each([
    ['cut off', (octets: Buffer) => octets.subarray(0, 1000)],
    ['empty', (octets: Buffer) => octets.subarray(0, 0)],
    ['of another version', (octets: Buffer) => Buffer.from(octets).fill(0x55, 4, 8)],
  ])('does without where it is %s', (_, damage) => {
    const kept = readFileSync(code);
    writeFileSync(code, damage(kept));
    expect(convert()).toEqual({ octets: EXPECTED, said: 'refused: true\n' });
    writeFileSync(code, kept);
  });

  it('says what is no ASCII as the sources do', async () => {
    const { stdout } = await runProgram(['convert', '--help']);
    expect(stdout).toContain("'%NAME %NAME…'");
  });

  it('does without where it is missing', () => {
    rmSync(code);
    expect(convert()).toEqual({ octets: EXPECTED, said: 'refused: undefined\n' });
  });
});
