/** One directory for points that are not confirmed, and several programs that want it. */

import { once } from 'node:events';
import { existsSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { InfluxdbStub } from '../support/influxdb-stub.ts';
import { buildProgram, RunningProgram, repositoryPath, runProgram } from '../support/program.ts';

const CAPTURE = repositoryPath('fixtures/softflowd-netflow9/input.pcap');
/** Nobody listens there. */
const NOBODY = 'http://127.0.0.1:9';

describe('a state directory', () => {
  let folder = '';
  const programs: RunningProgram[] = [];

  async function collect(): Promise<RunningProgram> {
    const program = await RunningProgram.collect(['--influxdb', NOBODY, '--state-dir', folder, '--status', 'off']);
    programs.push(program);
    return program;
  }

  beforeAll(() => buildProgram());
  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), 'flowrelay-state-'));
  });
  afterEach(async () => {
    await Promise.all(programs.splice(0).map((program) => program.stop()));
    rmSync(folder, { recursive: true, force: true });
  });

  it.each([
    ['collect', '--listen', 'udp://127.0.0.1:0'],
    ['convert', CAPTURE],
  ])('is of one program at a time: %s ends with one line and exit code 2', async (...words) => {
    await collect();
    const run = await runProgram([...words, '--influxdb', NOBODY, '--state-dir', folder]);
    expect([run.code, run.stdout]).toEqual([2, '']);
    expect(run.stderr).toContain(`cannot use spool ${join(folder, 'influxdb')}: another program uses it`);
    expect(run.stderr.trim().split('\n')).toHaveLength(1);
  });

  it('is taken over from a program that was killed', async () => {
    const first = await collect();
    first.child.kill('SIGKILL');
    await once(first.child, 'exit');
    programs.length = 0;
    const second = await collect();
    expect((await second.stop()).code).toBe(0);
  });

  it('keeps the points of a conversion until they are confirmed', async () => {
    const stub = await InfluxdbStub.start('1.8.10', () => ({ status: 204 }));
    try {
      const run = await runProgram(['convert', CAPTURE, '--influxdb', stub.url, '--state-dir', folder]);
      expect([run.code, run.stdout]).toEqual([0, '']);
      expect(stub.writes.length).toBeGreaterThan(0);
      expect(existsSync(join(folder, 'influxdb'))).toBe(true);
    } finally {
      stub.close();
    }
  });
});
