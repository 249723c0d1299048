import { readFileSync, writeFileSync } from 'node:fs';
import { beforeAll, expect, it } from 'vitest';
import { buildProgram, repositoryPath, runProgram } from './support/program.ts';
import { withTables } from './support/readme-tables.ts';

const README = repositoryPath('README.md');

beforeAll(buildProgram);

it('has the tables of the program; UPDATE_README=1 makes them anew', () => {
  const readme = readFileSync(README, 'utf8');
  const made = withTables(readme);
  if (process.env['UPDATE_README'] === '1') writeFileSync(README, made);
  else expect(readme).toBe(made);
});

it('shows a line that the program really prints', async () => {
  const shown = readFileSync(README, 'utf8')
    .split('\n')
    .filter((line) => line.startsWith('{"RECORD_TYPE"'));
  expect(shown.length).toBeGreaterThan(0);
  const { stdout } = await runProgram(['convert', repositoryPath('fixtures/softflowd-netflow9/input.pcap')]);
  const withoutPort = (text: string): string => text.replaceAll(/"EXPORTER_TRANSPORT_PORT":\d+/g, '');
  const lines = withoutPort(stdout).split('\n');
  for (const line of shown) expect(lines).toContain(withoutPort(line));
});

it('names only flags that exist', async () => {
  // npm's own, and those of the benchmarks
  const known = new Set<string>(['--silent', '--help', '--flows', '--nfdump', '--captures', '--megabytes', '--floor']);
  for (const command of [
    'collect',
    'convert',
    'probe',
    'agent',
    'listen',
    'replay',
    'exporters',
    'templates',
    'schema',
  ]) {
    for (const flag of (await runProgram([command, '--help'])).stdout.match(/--[a-z][a-z-]*/g) ?? []) known.add(flag);
  }
  const named = readFileSync(README, 'utf8').match(/(?<=[\s`])--[a-z][a-z-]*/g) ?? [];
  expect(named.length).toBeGreaterThan(20);
  expect(named.filter((flag) => !known.has(flag))).toEqual([]);
});
