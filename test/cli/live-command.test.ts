/** What all commands that run until they are stopped do with signals. */

import { existsSync, mkdtempSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { rootObstacle } from '../support/lab.ts';
import { buildProgram, RunningProgram } from '../support/program.ts';

const directory = mkdtempSync(join(tmpdir(), 'flowrelay-live-'));
const mayCapture = rootObstacle('captures', 'tcpdump') === undefined;

const COMMANDS: readonly (readonly [string, readonly string[], boolean])[] = [
  ['collect', ['--listen', 'udp://127.0.0.1:0'], true],
  ['listen', [`ipc://${join(directory, 'feed')}`], true],
  ['agent', ['--agent-mode', 'proc'], true],
  ['probe', ['--interface', 'lo', '--capture-with', 'tcpdump'], mayCapture],
];

beforeAll(buildProgram);
afterAll(() => rmSync(directory, { recursive: true }));

describe.each(COMMANDS)('%s', (command, words, isPossible) => {
  it.skipIf(!isPossible)(
    'opens files anew at SIGHUP, keeps a good configuration for a wrong one, and stops',
    async () => {
      const [config, path] = [join(directory, `${command}.json`), join(directory, `${command}.out`)];
      writeFileSync(config, JSON.stringify({ json: path }));
      const program = await RunningProgram.start(command, ['--status', 'off', '--config', config, ...words]);
      renameSync(path, `${path}.1`);
      program.child.kill('SIGHUP');
      expect(await program.logged('reloaded')).toMatchObject({ level: 'info', sinks: [path] });
      expect(existsSync(path)).toBe(true);
      writeFileSync(config, JSON.stringify({ json: path, colour: 'red' }));
      program.child.kill('SIGHUP');
      expect((await program.logged('reload_failed')).message).toBe(
        `configuration not reloaded, the old one stays: ${config}: colour: no such option`,
      );
      renameSync(path, `${path}.2`);
      writeFileSync(config, JSON.stringify({ json: path, 'log-level': 'error' }));
      program.child.kill('SIGHUP');
      // That it has reloaded and stopped is no error; the file that it opens anew tells that it has reloaded.
      await program.until(() => existsSync(path), 'the file anew');
      expect(await program.stop('SIGINT')).toMatchObject({ code: 0, signal: null });
      expect(program.log.filter(({ event }) => event === 'reloaded' || event === 'stopped')).toHaveLength(1);
    },
  );

  it.skipIf(!isPossible)('says at its end why, and what it has written', async () => {
    const path = join(directory, `${command}.end`);
    const program = await RunningProgram.start(command, ['--status', 'off', '--json', path, ...words]);
    expect((await program.stop('SIGINT')).code).toBe(0);
    const last = program.log.at(-1);
    expect(last).toMatchObject({ event: 'stopped', reason: 'SIGINT', linesDropped: 0 });
    expect(last?.message).toMatch(/^stopped \(SIGINT\) after \d+ flow/);
    expect(last?.['linesWritten']).toEqual(expect.any(Number));
    expect(last?.['seconds']).toBeLessThan(60);
  });
});
