/** `flowrelay agent` beside real containers. */

import { spawn } from 'node:child_process';
import { readFileSync } from 'node:fs';
import type { ContainerLab } from './container-lab.ts';
import { isIntegrationRequired, LabProgram, missingPrograms } from './lab.ts';
import { PROGRAM_NODE, repositoryPath } from './program.ts';

/** What an agent needs to tell all that it can. */
const PROGRAMS = ['ss', 'stdbuf', 'bpftrace', 'setpriv', 'cc'];

/** Why an agent cannot tell all here, said aloud; undefined where it can. Throws where it must. */
export function agentObstacle(): string | undefined {
  const missing = missingPrograms(...PROGRAMS);
  if (missing.length === 0) return undefined;
  const reason = `not installed: ${missing.join(', ')}`;
  if (isIntegrationRequired) throw new Error(`tests of the agent cannot run: ${reason}`);
  console.log(`tests of the agent are skipped: ${reason}`);
  return reason;
}

/** Where an agent runs. */
export interface LabAgentOptions {
  /** Whether the lab's network namespace is its own; otherwise that of the tests is. */
  readonly isInside: boolean;
  /** Whether it does without kernel events, which take seconds to begin. */
  readonly isNetlink?: boolean;
}

/** Starts an agent that asks the engines of the lab, and waits until it hears of kernel events, or looks at sockets where it does without them. */
export async function startAgent(
  lab: ContainerLab,
  { isInside, isNetlink = false }: LabAgentOptions,
  ...words: readonly string[]
): Promise<LabProgram> {
  const sockets = [`docker:${lab.dockerSocket}`, `docker:${lab.podmanSocket}`, `containerd:${lab.containerdSocket}`];
  const own = [
    ...[repositoryPath('dist/main.js'), 'agent', '--status', 'off', '--interval', '1'],
    ...sockets.flatMap((socket) => ['--container-sockets', socket]),
    ...(isNetlink ? ['--agent-mode', 'netlink'] : []),
    ...words,
  ];
  const [program, args] = isInside ? lab.inside(PROGRAM_NODE, ...own) : [PROGRAM_NODE, own];
  const child = spawn(program, args, { stdio: ['ignore', 'pipe', 'pipe'] });
  const agent = new LabProgram(`agent ${words.join(' ')}`, child);
  const said = isNetlink ? '"event":"started"' : 'kernel events are on';
  await agent.until(() => agent.stderr.includes(said), said, 40_000);
  return agent;
}

/** The father of a process that runs. */
export function fatherOf(pid: number): number {
  return Number(/^PPid:\s*(\d+)$/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1]);
}

/** What an agent's flow says of who has the end of `SRC` or `DST`, where it is in this container. */
export function containerFields(
  end: 'SRC' | 'DST',
  { id, name, pod, podNamespace }: { id: string; name: string; pod: string; podNamespace: string },
): Record<string, unknown> {
  return {
    [`${end}_PROC_CONTAINER_ID`]: id.slice(0, 12),
    [`${end}_CONTAINER_NAME`]: name,
    ...(pod !== '' && { [`${end}_POD_NAME`]: pod, [`${end}_POD_NAMESPACE`]: podNamespace }),
  };
}
