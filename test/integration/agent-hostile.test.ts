/** The agent as its users run it, on a host that means it no good: names, and processes that vanish. */

import { type ChildProcess, spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type AgentLine, AgentRun } from '../support/agent-run.ts';
import { FakeDocker, SocketDirectory } from '../support/fake-engine.ts';
import { makeFlows } from '../support/flow-makers.ts';
import { lineProblems } from '../support/json-line.ts';
import { rootObstacle } from '../support/lab.ts';
import { buildProgram } from '../support/program.ts';

const CGROUP_ROOT = ['/sys/fs/cgroup/unified', '/sys/fs/cgroup'].find((root) =>
  existsSync(join(root, 'cgroup.controllers')),
);
/** A line of its own, if a name could make one. */
const MADE_UP = '\n{"RECORD_TYPE":"flow","EXPORTER_IPV4_ADDRESS":"192.0.2.66","L4_DST_PORT":7}\n';
const SAID = `"quoted" \\ back\u0001\u007f\t${MADE_UP}`;

/**
 * A server, and a shell under a path of almost 4,096 octets which has a connection to it, a name and arguments of the same kind. Words: directory,
 * what names say. Prints the pid, the port, and the path.
 */
const HOSTILE = `
import json, os, shutil, socket, sys
directory, said = sys.argv[1], sys.argv[2]
server = socket.create_server(('127.0.0.1', 0))
client = socket.create_connection(server.getsockname()); kept, _ = server.accept()
os.chdir(directory)
path = os.getcwd()
part = said.replace('/', '_') + chr(0x1f600)
while len(os.fsencode(path)) + 260 < 4090:
    name = os.fsencode(part)[:100] + b'\\xff' + b'p' * 120
    os.mkdir(name); os.chdir(name); path += '/' + os.fsdecode(name)
shutil.copy('/bin/sh', 'program'); path += '/program'
reading, writing = os.pipe()
pid = os.fork()
if pid == 0:
    os.dup2(reading, 0); os.close(writing); kept.close(); server.close(); client.set_inheritable(True)
    os.execv('./program', ['x', '-c', 'read x', said, 'a' * 5000 + said])
port = client.getsockname()[1]
client.close()
open('/proc/self/comm', 'w').write(said[-15:])
print(json.dumps({'pid': pid, 'clientPort': port, 'serverPort': server.getsockname()[1], 'path': list(os.fsencode(path))}), flush=True)
sys.stdin.read()
`;

interface Hostile {
  readonly pid: number;
  readonly clientPort: number;
  readonly serverPort: number;
  readonly path: readonly number[];
}

const isImpossible =
  rootObstacle('the agent on a hostile host', 'ss', 'stdbuf', 'bpftrace', 'python3', 'ip', 'unshare', 'mount') !==
  undefined;

describe.skipIf(isImpossible)('flowrelay agent on a hostile host', () => {
  const directory = mkdtempSync(join(tmpdir(), 'fr-h-'));
  const children: ChildProcess[] = [];

  beforeAll(buildProgram);
  afterAll(() => {
    for (const child of children) child.kill('SIGKILL');
    rmSync(directory, { recursive: true, force: true });
  });

  it.skipIf(CGROUP_ROOT === undefined)('takes names for data: of processes, paths, arguments, containers', async () => {
    const sockets = new SocketDirectory();
    const id = randomBytes(32).toString('hex');
    const cgroup = join(CGROUP_ROOT!, `docker-${id}.scope`);
    const docker = await new FakeDocker().listen(sockets.socket('docker.sock'));
    docker.containers = [{ Id: id, Names: [`/${SAID}${'n'.repeat(4096)}`], Image: SAID, Labels: { [SAID]: SAID } }];
    mkdirSync(cgroup);
    let agent: AgentRun | undefined;
    try {
      const host = spawn('python3', ['-S', '-c', HOSTILE, directory, SAID], { stdio: ['pipe', 'pipe', 'inherit'] });
      children.push(host);
      // A path as long as this may come in parts.
      const made = await new Promise<Hostile>((resolve) =>
        createInterface({ input: host.stdout }).once('line', (text) => resolve(JSON.parse(text) as Hostile)),
      );
      writeFileSync(join(cgroup, 'cgroup.procs'), String(made.pid));
      const words = [
        '--interval',
        '1',
        '--agent-command-lines',
        '--container-sockets',
        `docker:${sockets.socket('docker.sock')}`,
      ];
      agent = await (await AgentRun.start(words)).withEvents();
      const { lines } = agent;
      const isOf = (line: AgentLine, type: string) =>
        line['RECORD_TYPE'] === type && line['L4_SRC_PORT'] === made.clientPort;
      await agent.until(() => lines.find((line) => isOf(line, 'event') && 'LOCAL_CONTAINER' in line), 'its events');
      process.kill(made.pid, 'SIGKILL');
      host.kill('SIGKILL');
      await agent.until(() => lines.find((line) => isOf(line, 'flow') && line['FLOW_END_REASON'] === 3), 'its end');
      expect(await agent.stop()).toBe(0);

      expect(agent.broken).toEqual([]);
      expect(lineProblems(`${agent.texts.join('\n')}\n`, 'ntop')).toEqual([]);
      expect(
        lines.filter((line) => line['EXPORTER_IPV4_ADDRESS'] === '192.0.2.66' || line['L4_DST_PORT'] === 7),
      ).toEqual([]);
      // Names of containers may come after the first record.
      const flows = lines.filter((line) => isOf(line, 'flow') && line['L4_DST_PORT'] === made.serverPort);
      const flow = flows.find((line) => 'SRC_PROC_CONTAINER_ID' in line)!;
      const path = Buffer.from(made.path).toString('utf8');
      expect(made.path.length).toBeGreaterThan(3700);
      expect(flow).toMatchObject({
        SRC_PROC_PID: made.pid,
        SRC_PROC_NAME: path,
        SRC_PROC_CONTAINER_ID: id.slice(0, 12),
        DST_PROC_PID: host.pid,
      });
      expect(flow['SRC_PROC_CMDLINE']).toMatch(/^x -c read x "quoted" /);
      expect(String(flow['SRC_PROC_CMDLINE']).length).toBeLessThanOrEqual(4096);
      expect(String(flow['SRC_CONTAINER_NAME'])).toMatch(/^"quoted"/);
      expect(String(flow['SRC_CONTAINER_NAME']).length).toBeLessThanOrEqual(4096);
      expect(agent.faults).toEqual([]);
    } finally {
      agent?.child.kill('SIGKILL');
      for (const child of children) child.kill('SIGKILL');
      await docker.close();
      sockets.remove();
      // The kernel takes the dead out of their cgroup.
      for (let i = 0; i < 600 && readFileSync(join(cgroup, 'cgroup.procs'), 'latin1') !== ''; i++) await sleep(50);
      rmdirSync(cgroup);
    }
  });

  it('survives processes and namespaces that vanish while it looks', async () => {
    const agent = await AgentRun.start(['--interval', '1', '--agent-mode', 'netlink', '--status', '127.0.0.1:0']);
    try {
      // Each makes a namespace, listens, connects to itself, and dies at a moment of its own; some are killed.
      const storm = `
import ctypes, os, random, signal, socket, time
libc = ctypes.CDLL(None)
end = time.monotonic() + 8; living = []
while time.monotonic() < end:
    pid = os.fork()
    if pid == 0:
        if random.random() < 0.5:
            libc.unshare(0x40000000); os.system('ip link set lo up')
        server = socket.create_server(('127.0.0.1', 0)); client = socket.create_connection(server.getsockname())
        client.send(b'x'); time.sleep(random.random()); os._exit(0)
    living.append(pid)
    if len(living) > 30:
        one = living.pop(0)
        if random.random() < 0.5: os.kill(one, signal.SIGKILL)
        os.waitpid(one, 0)
    time.sleep(0.005)
for one in living: os.waitpid(one, 0)
`;
      const child = spawn('python3', ['-S', '-c', storm], { stdio: 'ignore' });
      children.push(child);
      await new Promise((ended) => child.once('exit', ended));
      const { connections } = await makeFlows({ lives: [{ lifeMs: 6000, count: 5 }] });
      const metric = await agent.metrics();
      expect(metric('flowrelay_agent_rounds_total')).toBeGreaterThan(2);
      expect(metric('flowrelay_agent_table_flows_seen_total')).toBeGreaterThan(50);
      for (const { pid, localPort, remotePort } of connections) {
        const isOf = (line: AgentLine) => line['L4_SRC_PORT'] === localPort && line['L4_DST_PORT'] === remotePort;
        const flow = await agent.until(
          () => agent.lines.find((line) => line['RECORD_TYPE'] === 'flow' && isOf(line)),
          `flow ${localPort}`,
        );
        expect(flow).toMatchObject({ SRC_PROC_PID: pid });
      }
      expect(agent.faults).toEqual([]);
    } finally {
      expect(await agent.stop()).toBe(0);
    }
    expect(agent.broken).toEqual([]);
    expect(lineProblems(`${agent.texts.join('\n')}\n`, 'ntop')).toEqual([]);
  });
});
