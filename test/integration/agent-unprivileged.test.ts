/** The agent without the rights of root: which flows it sees, and of which it can tell the process. */

import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmdirSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type AgentLine, AgentRun, total } from '../support/agent-run.ts';
import { type MadeFlows, makeFlows } from '../support/flow-makers.ts';
import { rootObstacle } from '../support/lab.ts';
import { buildProgram, repositoryPath } from '../support/program.ts';

/** One that everybody may run. */
const PYTHON = '/usr/bin/python3';

const NOBODY = 65_534;
const AS_NOBODY = ['setpriv', `--reuid=${NOBODY}`, `--regid=${NOBODY}`, '--clear-groups'];
const LIVES = [1, 500, 3000].map((lifeMs) => ({ lifeMs, count: 80 }));

/** Of connections to `port`: records by the client's port. */
function flowsTo(port: number, lines: readonly AgentLine[]): Map<number, AgentLine[]> {
  const flows = new Map<number, AgentLine[]>();
  for (const line of lines) {
    if (line['RECORD_TYPE'] !== 'flow' || line['L4_DST_PORT'] !== port) continue;
    const key = Number(line['L4_SRC_PORT']);
    flows.set(key, [...(flows.get(key) ?? []), line]);
  }
  return flows;
}

const isImpossible =
  rootObstacle('the agent without rights', 'ss', 'stdbuf', 'setpriv', 'unshare', 'mount', PYTHON) !== undefined;

describe.skipIf(isImpossible)('flowrelay agent without the rights of root', () => {
  // The repository may lie where nobody may look.
  const root = mkdtempSync(join(tmpdir(), 'flowrelay-agent-'));
  const launcher = [
    ...['unshare', '--mount', 'sh', '-c', 'mount --bind "$1" "$2" && shift 2 && exec "$@"', 'sh'],
    ...[repositoryPath(''), root],
    ...AS_NOBODY,
  ];

  beforeAll(() => {
    buildProgram();
    execFileSync('chmod', ['755', root]);
  });
  afterAll(() => rmdirSync(root));

  it('sees 240 connections of 1 ms to 3 s of each user, and knows the processes of its own', async () => {
    const agent = await AgentRun.start(['--interval', '1', '--agent-records', 'flows'], { launcher, root });
    await agent.withCloses();
    let own: MadeFlows;
    let others: MadeFlows;
    try {
      [own, others] = await Promise.all([
        makeFlows({ lives: LIVES, launcher: AS_NOBODY, python: PYTHON }),
        makeFlows({ lives: LIVES, python: PYTHON }),
      ]);
      await agent.withEnds(own, others);
    } finally {
      expect(await agent.stop()).toBe(0);
    }
    expect(agent.faults).toEqual([]);
    const told = (text: RegExp) =>
      agent.log.some(({ event, message }) => event === 'part_missing' && text.test(message));
    expect([told(/kernel events need root/), told(/owners of sockets/), told(/not root .* containers/)]).toEqual([
      true,
      true,
      true,
    ]);

    let known = 0;
    for (const [made, user] of [
      [own, 'nobody'],
      [others, 'root'],
    ] as const) {
      const flows = flowsTo(made.connections[0]!.remotePort, agent.lines);
      expect(made.connections).toHaveLength(240);
      expect([...flows.keys()].sort()).toEqual(made.connections.map(({ localPort }) => localPort).sort());
      for (const { localPort, pid, fatherPid, octetsSent, octetsReceived } of made.connections) {
        const records = flows.get(localPort)!;
        expect([total(records, 'IN_BYTES'), total(records, 'OUT_BYTES')]).toEqual([octetsSent, octetsReceived]);
        const users = new Set(records.map((record) => record['SRC_PROC_USER_NAME']));
        // A socket that no process has any more has no user either.
        expect([...users].filter((name) => name !== undefined && name !== user)).toEqual([]);
        const pids = new Set(records.map((record) => record['SRC_PROC_PID']).filter((each) => each !== undefined));
        if (user === 'root') expect(pids.size).toBe(0);
        else if (pids.size > 0) {
          known++;
          expect([...pids]).toEqual([pid]);
          expect(records.find((record) => 'SRC_PROC_PID' in record)).toMatchObject({ SRC_FATHER_PROC_PID: fatherPid });
        }
      }
    }
    // Those of 3 s live through two looks; a busy machine looks later than asked.
    expect(known).toBeGreaterThanOrEqual(10);
    console.log(
      `without root, looking each second: all 480 connections, and the processes of ${known} of this user's 240`,
    );
  });
});
