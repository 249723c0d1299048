/** The agent as its users run it beside more sockets than it holds. */

import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { AgentRun } from '../support/agent-run.ts';
import { diagAnswers, makeFakeSs } from '../support/fake-ss.ts';
import { rootObstacle } from '../support/lab.ts';
import { buildProgram } from '../support/program.ts';

const isImpossible = rootObstacle('the agent at its limits', 'stdbuf', 'python3', 'ip', 'unshare') !== undefined;

describe.skipIf(isImpossible)('flowrelay agent at its limits', () => {
  const directory = mkdtempSync(join(tmpdir(), 'fr-l-'));

  beforeAll(buildProgram);
  afterAll(() => rmSync(directory, { recursive: true, force: true }));

  it('holds no more than its limits where there are more sockets, others each time', { timeout: 120_000 }, async () => {
    const count = 120_000;
    const tools = makeFakeSs(
      directory,
      [0, 1].map((round) => diagAnswers(count, round * count)),
    );
    // Nobody else's processes and namespaces.
    const busy = `import socket, time
server = socket.create_server(('127.0.0.1', 0)); client = socket.create_connection(server.getsockname())
while True: client.send(b'x'); time.sleep(0.2)`;
    const launcher = [
      ...['unshare', '--net', '--pid', '--mount-proc', '--fork', '--kill-child'],
      ...['sh', '-c', 'ip link set lo up; python3 -S -c "$0" & exec "$@"', busy],
    ];
    const agent = await AgentRun.start(['--interval', '1', '--agent-mode', 'netlink', '--json', '/dev/null'], {
      launcher,
      environment: { PATH: `${tools}:${process.env['PATH']}` },
      keep: () => false,
    });
    try {
      const rounds = () => Number(readFileSync(join(tools, 'calls'), 'latin1'));
      await agent.until(() => (rounds() >= 3 ? true : undefined), 'two looks');
      const program = execFileSync('ps', ['-o', 'pid=', '--ppid', String(agent.child.pid)], {
        encoding: 'utf8',
      }).trim();
      const status = readFileSync(`/proc/${program}/status`, 'latin1');
      const peakMiB = Number(/^VmHWM:\s+(\d+)/m.exec(status)![1]) / 1024;
      expect(agent.child.exitCode).toBeNull();
      process.kill(Number(program), 'SIGTERM');
      await agent.stop();
      const stopped = agent.log.find(({ event }) => event === 'stopped')!;
      console.log(`100,000 sockets of 120,000, others each time: ${Math.round(peakMiB)} MiB, ${stopped.message}`);
      // The first call is a trial. Where nothing happened in the namespace meanwhile, a round makes none.
      expect(Number(stopped['events'])).toBe(100_000 * (rounds() - 1));
      expect(Number(stopped['flows'])).toBeGreaterThanOrEqual(131_072);
      expect(peakMiB).toBeLessThan(1024);
      expect(agent.faults).toEqual([]);
    } finally {
      agent.child.kill('SIGKILL');
    }
  });
});
