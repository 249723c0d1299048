import { spawn } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { Subscriber } from 'zeromq';
import { freePort } from '../support/free-port.ts';
import { buildProgram, RunningProgram, repositoryPath, runProgram } from '../support/program.ts';
import { readTlv } from '../support/tlv-reader.ts';

const CAPTURE = repositoryPath('fixtures/softflowd-netflow9/input.pcap');
const FLOWS = 27;
const PYTHON = '/usr/bin/python3';
let folder: string;

beforeAll(() => {
  buildProgram();
  folder = mkdtempSync(join(tmpdir(), 'zmq-feed-'));
  symlinkSync(repositoryPath('node_modules'), join(folder, 'node_modules'));
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

function flowsOf(messages: readonly Buffer[][]): number {
  return messages
    .filter(([header]) => header!.toString('latin1', 0, 5) === 'flow\0' && header![16] === 3)
    .reduce((sum, [, payload]) => sum + readTlv(payload!).length, 0);
}

/** Takes messages until `isEnough`. */
async function take(socket: Subscriber, isEnough: (messages: readonly Buffer[][]) => boolean): Promise<Buffer[][]> {
  const messages: Buffer[][] = [];
  for await (const message of socket) {
    messages.push(message);
    if (isEnough(messages)) break;
  }
  return messages;
}

describe('convert to ZeroMQ', () => {
  it('delivers all to a subscriber that calls, and to one that is called', async () => {
    for (const suffix of ['', 'c']) {
      const port = await freePort();
      const socket = new Subscriber();
      socket.subscribe('');
      if (suffix === '') socket.connect(`tcp://127.0.0.1:${port}`);
      else await socket.bind(`tcp://127.0.0.1:${port}`);
      const taken = take(socket, (messages) => flowsOf(messages) === FLOWS);
      const run = await runProgram(['convert', '-v', CAPTURE, '--zmq', `tcp://127.0.0.1:${port}${suffix}`]);
      expect(run).toMatchObject({ code: 0, stdout: '' });
      expect(run.stderr).toContain(`${FLOWS} flows sent`);
      expect(flowsOf(await taken)).toBe(FLOWS);
      socket.close();
    }
  });

  it.each(['', 'c'])('ends by itself where nobody is (%j), with every loss counted', async (suffix) => {
    const port = await freePort();
    const run = await runProgram(['convert', CAPTURE, '--zmq', `tcp://127.0.0.1:${port}${suffix}`]);
    expect(run.code).toBe(1);
    expect(run.stderr).toContain(`${FLOWS} flows not sent: no_subscriber`);
  });

  it.each<[string[], number, string]>([
    [['--zmq', 'udp://127.0.0.1:1'], 2, '--zmq: must be tcp://ADDRESS:PORT'],
    [['--zmq', 'tcp://127.0.0.1:70000'], 2, '--zmq: has no port up to 65535'],
    [['--zmq', 'tcp://127.0.0.1:0', '--zmq-encryption-key', 'short'], 2, '--zmq-encryption-key: must be a key'],
    [['--zmq', 'tcp://127.0.0.1:0', '--zmq-encryption-key', '#'.repeat(40)], 1, 'is no key'],
    [['--zmq', 'tcp://127.0.0.1:0', '--zmq-encryption-key', '@/nowhere'], 1, 'cannot read /nowhere: ENOENT'],
    [['--zmq', 'tcp://127.0.0.1:0', '--zmq-header', '4'], 2, '--zmq-header: must be 1, 2 or 3'],
    [['--zmq', 'tcp://127.0.0.1:0', '--zmq-batch', '131073'], 2, '--zmq-batch: must be 1024 to 131072'],
  ])('says in a line what is wrong with %j', async (flags, code, message) => {
    const run = await runProgram(['convert', CAPTURE, ...flags]);
    expect(run).toMatchObject({ code, stdout: '' });
    expect(run.stderr).toContain(message);
    expect(run.stderr.trimEnd().split('\n').length).toBeLessThanOrEqual(code === 2 ? 2 : 1);
  });

  it('does not start where the port is in use', async () => {
    const server = createServer().listen(0, '127.0.0.1');
    await new Promise((resolve) => server.on('listening', resolve));
    const { port } = server.address() as { port: number };
    const run = await runProgram(['convert', CAPTURE, '--zmq', `tcp://127.0.0.1:${port}`]);
    server.close();
    expect(run.code).toBe(1);
    expect(run.stderr).toContain(`cannot listen on tcp://127.0.0.1:${port}: address already in use`);
  });
});

describe('collect to ZeroMQ', () => {
  it('shows the feed on the status page and in its log', async () => {
    const program = await RunningProgram.collect(['--zmq', 'tcp://127.0.0.1:0']);
    const [endpoint] = (await program.logged('started'))['zmq'] as string[];
    const socket = new Subscriber();
    socket.subscribe('');
    socket.connect(endpoint!);
    await program.logged('zmq_subscriber_present');
    const taken = take(socket, (messages) => flowsOf(messages) === FLOWS);
    await runProgram(['replay', CAPTURE, '--to', `127.0.0.1:${program.port}`, '--rate', '1000']);
    expect(flowsOf(await taken)).toBe(FLOWS);
    const page = async (path: string): Promise<string> => (await fetch(`http://${program.status}${path}`)).text();
    const health = JSON.parse(await page('/health'));
    expect(health.zmq).toMatchObject({
      flowsMade: FLOWS,
      endpoints: [{ endpoint, hasSubscriber: true, flowsSent: FLOWS }],
    });
    const metrics = await page('/metrics');
    expect(metrics).toContain(`flowrelay_zmq_subscriber_present{endpoint="${endpoint}"} 1`);
    expect(metrics).toContain(`flowrelay_zmq_flows_sent_total{endpoint="${endpoint}"} ${FLOWS}`);
    expect(metrics).toContain(`flowrelay_zmq_flows_dropped_total{endpoint="${endpoint}",reason="no_subscriber"} 0`);
    socket.close();
    await program.logged('zmq_subscriber_gone');
    const run = await program.stop();
    expect(run.code).toBe(0);
    expect(run.stdout).toBe('');
  });
});

describe('the subscribers of the README', () => {
  it.each([
    ['Python', 'python', PYTHON, 'subscriber.py'],
    ['Node', 'js', process.execPath, 'subscriber.mjs'],
  ])('in %s', async (name, language, program, file) => {
    const readme = readFileSync(repositoryPath('README.md'), 'utf8');
    const text = new RegExp(`<!-- subscriber in ${name} -->\n\n\`\`\`${language}\n(.*?)\`\`\``, 's').exec(readme)?.[1];
    const path = join(folder, file);
    writeFileSync(path, text!);
    const port = await freePort();
    const child = spawn(program, [path, `tcp://127.0.0.1:${port}`]);
    let stdout = '';
    let stderr = '';
    child.stdout.setEncoding('utf8').on('data', (part: string) => {
      stdout += part;
    });
    child.stderr.setEncoding('utf8').on('data', (part: string) => {
      stderr += part;
    });
    const run = await runProgram([
      'convert',
      CAPTURE,
      '--records',
      'flow',
      '--zmq',
      `tcp://127.0.0.1:${port}`,
      '--zmq-payload',
      'ndjson',
    ]);
    for (const endMs = Date.now() + 30_000; stdout.split('\n').length <= FLOWS && Date.now() < endMs; ) await sleep(20);
    child.kill();
    expect(stderr).toBe('');
    expect(run).toMatchObject({ code: 0, stdout: '' });
    const expected = (await runProgram(['convert', CAPTURE, '--records', 'flow'])).stdout
      .trimEnd()
      .split('\n')
      .map((line) => JSON.parse(line) as Record<string, unknown>)
      .map((flow) => `${flow['IPV4_SRC_ADDR']} ${flow['IPV4_DST_ADDR']} ${flow['IN_BYTES']}`);
    expect(stdout.replaceAll('None', 'undefined').trimEnd().split('\n')).toEqual(expected);
  });
});
