import { execFile } from 'node:child_process';
import { rmSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { build } from 'vite';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { AttackResult } from '../support/state-attacks.ts';

const ROOT = fileURLToPath(new URL('../..', import.meta.url));
/** Two levels below the root, as sources and built files are: definitions are found from there. */
const DIRECTORY = join(ROOT, 'node_modules', `.state-attacks-${process.pid}`);
const SCRIPT = join(DIRECTORY, 'state-attacks.mjs');
/** STATE_SCALE=1 sends the millions; the usual run sends enough to reach the limits. */
const SCALE = Number(process.env['STATE_SCALE'] ?? 0.005);
/** What the limits together allow. */
const MOST_MB = 300;

beforeAll(async () => {
  await build({
    root: ROOT,
    configFile: false,
    logLevel: 'silent',
    build: {
      ssr: join(ROOT, 'test/support/state-attacks.ts'),
      outDir: DIRECTORY,
      emptyOutDir: true,
      rollupOptions: { output: { entryFileNames: 'state-attacks.mjs' } },
    },
  });
});
afterAll(() => rmSync(DIRECTORY, { recursive: true, force: true }));

async function attacked(name: string, count: number): Promise<AttackResult> {
  const { stdout } = await promisify(execFile)(process.execPath, ['--expose-gc', SCRIPT, name, String(count)], {
    maxBuffer: 1e6,
  });
  return JSON.parse(stdout) as AttackResult;
}

describe('a real Exporter lives on and memory stays bounded', () => {
  it.each([
    ['templates', 1_000_000],
    ['templatesOfOne', 1_000_000],
    ['longTemplates', 10_000],
    ['sessions', 1_000_000],
    ['redefined', 500_000],
    ['redefinedLong', 10_000],
    ['redefinedOptions', 2_500],
    ['interfaceNames', 500_000],
    ['longNames', 100_000],
    ['samplers', 100_000],
    ['elements', 50_000],
    ['dataOnly', 1_000_000],
  ])('%s, %i messages at full scale', async (name, fullCount) => {
    const result = await attacked(name, Math.ceil(fullCount * SCALE));
    if (process.env['STATE_SCALE'] !== undefined) console.log(name, JSON.stringify(result));
    expect(result).toMatchObject({ internalError: '', sums: true });
    expect(result.right).toBe(result.sent);
    expect(result.peakMb).toBeLessThan(MOST_MB);
    expect(result.endMb).toBeLessThan(MOST_MB);
  });
});
