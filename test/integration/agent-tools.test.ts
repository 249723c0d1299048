/** The agent as its users run it where the tools that it asks are missing or die. */

import { execFileSync } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { beforeAll, describe, expect, it } from 'vitest';
import { type AgentLine, AgentRun } from '../support/agent-run.ts';
import { makeFlows } from '../support/flow-makers.ts';
import { rootObstacle } from '../support/lab.ts';
import { buildProgram } from '../support/program.ts';

/** Words before a program that finds none of these. */
function withoutTools(...names: readonly string[]): string[] {
  const places = ['/usr/bin', '/usr/sbin', '/bin', '/sbin'];
  const hidden = names.flatMap((name) => places.map((place) => join(place, name)).filter((path) => existsSync(path)));
  const script = 'for path in $0; do mount --bind /dev/null "$path" || exit; done; exec "$@"';
  return ['unshare', '--mount', 'sh', '-c', script, hidden.join(' ')];
}

const isImpossible =
  rootObstacle('the agent without its tools', 'ss', 'stdbuf', 'bpftrace', 'python3', 'ip', 'unshare', 'mount') !==
  undefined;

describe.skipIf(isImpossible)('flowrelay agent without its tools', () => {
  beforeAll(buildProgram);

  it('goes on when bpftrace is killed, says so, and has events again', async () => {
    const agent = await (await AgentRun.start(['--interval', '1', '--status', '127.0.0.1:0'])).withEvents();
    try {
      await agent.withCloses();
      const isTool = (pid: string) => readFileSync(`/proc/${pid}/comm`, 'utf8') === 'bpftrace\n';
      const tools = execFileSync('ps', ['-o', 'pid=', '--ppid', String(agent.child.pid)], { encoding: 'utf8' });
      const bpftrace = tools
        .split('\n')
        .map((text) => text.trim())
        .find((pid) => pid !== '' && isTool(pid));
      process.kill(Number(bpftrace), 'SIGKILL');
      await agent.logged(({ message }) => /kernel events have stopped/.test(message), 'word of its end');
      const blind = await makeFlows({ lives: [{ lifeMs: 1, count: 10 }] });
      await agent.withEvents(2);
      const seeing = await makeFlows({ lives: [{ lifeMs: 1, count: 10 }] });
      for (const [{ connections }, knowsAll] of [
        [blind, false],
        [seeing, true],
      ] as const) {
        for (const { localPort, remotePort, pid } of connections) {
          const flow = await agent.until(
            () =>
              agent.lines.find(
                (line) =>
                  line['RECORD_TYPE'] === 'flow' &&
                  line['L4_SRC_PORT'] === localPort &&
                  line['L4_DST_PORT'] === remotePort,
              ),
            `flow ${localPort}`,
          );
          if (knowsAll) expect(flow['SRC_PROC_PID']).toBe(pid);
        }
      }
      expect((await agent.metrics())('flowrelay_agent_events_restarts_total')).toBe(1);
      expect(agent.faults).toEqual([]);
    } finally {
      expect(await agent.stop()).toBe(0);
    }
  });

  it('begins with kernel events where these are asked for, and without where they cannot be had', async () => {
    const words = ['--interval', '5', '--agent-mode', 'ebpf', '--agent-records', 'flows'];
    for (const launcher of [[], withoutTools('bpftrace')]) {
      const agent = await AgentRun.start(words, { launcher });
      try {
        await agent.withCloses();
        // At once, and over before a look.
        const { connections } = await makeFlows({ lives: [{ lifeMs: 1, count: 10 }] });
        const begun = agent.log.slice(
          0,
          agent.log.findIndex(({ event }) => event === 'started'),
        );
        const hasEvents = launcher.length === 0;
        expect(begun.some(({ message }) => message === 'kernel events are on')).toBe(hasEvents);
        expect(begun.some(({ message }) => message.startsWith('bpftrace '))).toBe(!hasEvents);
        for (const { localPort, remotePort, pid } of connections) {
          const flow = await agent.until(
            () => agent.lines.find((line) => line['L4_SRC_PORT'] === localPort && line['L4_DST_PORT'] === remotePort),
            `flow ${localPort}`,
          );
          // Without, only where a look met it.
          expect(hasEvents ? [pid] : [pid, undefined]).toContain(flow['SRC_PROC_PID']);
        }
        expect(agent.faults).toEqual([]);
      } finally {
        expect(await agent.stop()).toBe(0);
      }
    }
  });

  it('tells of sockets without ss, ip and bpftrace, and says a line of each', async () => {
    const agent = await AgentRun.start(['--interval', '1'], { launcher: withoutTools('ss', 'ip', 'bpftrace') });
    try {
      const { connections } = await makeFlows({ lives: [{ lifeMs: 6000, count: 5 }] });
      for (const { pid, localPort, remotePort } of connections) {
        const isOf = (line: AgentLine) => line['L4_SRC_PORT'] === localPort && line['L4_DST_PORT'] === remotePort;
        const flow = await agent.until(
          () => agent.lines.find((line) => line['RECORD_TYPE'] === 'flow' && isOf(line)),
          `flow ${localPort}`,
        );
        expect(flow).toMatchObject({ SRC_PROC_PID: pid });
        expect(flow).not.toHaveProperty('SERVER_RTT_MS');
      }
      // The kernel's interfaces, from /proc.
      const isOfInterface = (line: AgentLine) => line['RECORD_TYPE'] === 'counters' && line['ifName'] !== undefined;
      await agent.until(() => agent.lines.find(isOfInterface), 'counters of an interface');
      const said = () => agent.log.filter(({ event }) => event === 'part_missing').map(({ message }) => message);
      await agent.until(() => said().find((line) => line.startsWith('bpftrace')), 'what is missing');
      expect(said().filter((line) => line.startsWith('ss (iproute2) is not installed: '))).toHaveLength(2);
      expect(agent.faults).toEqual([]);
    } finally {
      expect(await agent.stop()).toBe(0);
    }
  });
});
