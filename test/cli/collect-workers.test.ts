/** `collect --workers N`. Run with FLOWRELAY_TEST_NODE=/path/to/node of version 22.12 or later where the tests' own is older. */

import { execFileSync } from 'node:child_process';
import { createSocket, type Socket } from 'node:dgram';
import { mkdtempSync, readFileSync, renameSync, statSync } from 'node:fs';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeAll, describe, expect, it } from 'vitest';
import { buildProgram, PROGRAM_NODE, RunningProgram, runProgram } from '../support/program.ts';

const NODE_VERSION = execFileSync(PROGRAM_NODE, ['-p', 'process.versions.node'], { encoding: 'utf8' }).trim();
const [MAJOR = 0, MINOR = 0] = NODE_VERSION.split('.').map(Number);
const SHARES_PORTS = MAJOR > 23 || (MAJOR === 23 && MINOR >= 1) || (MAJOR === 22 && MINOR >= 12);
if (!SHARES_PORTS) {
  console.log(`skipped: --workers on Node ${NODE_VERSION}; FLOWRELAY_TEST_NODE may name a Node 22.12 or later`);
}

/** An IPFIX message by hand (RFC 7011): Template 256 with protocolIdentifier and octetDeltaCount, or a record of it. */
const IPFIX_TEMPLATE = hex('000a 0020 00000001 00000000 00000001', '0002 0010 0100 0002 0004 0001 0001 0008');
const IPFIX_DATA = hex('000a 001d 00000002 00000000 00000001', '0100 000d 11 0000000000000400');
/** Enough ports that the kernel gives some to each of two threads: all to one has a chance of 2^-31. */
const PORTS = 32;

const directory = mkdtempSync(join(tmpdir(), 'flowrelay-'));
const sockets: Socket[] = [];
let running: RunningProgram | undefined;
let number = 0;

function hex(...parts: readonly string[]): Buffer {
  return Buffer.from(parts.join('').replaceAll(' ', ''), 'hex');
}

function newPath(): string {
  return join(directory, String(number++));
}

/** A NetFlow v5 datagram of 30 flows of zeros but for its sequence number (Cisco's header: 24 octets, records of 48). */
function netflow5(sequence: number): Buffer {
  const datagram = Buffer.alloc(24 + 30 * 48);
  datagram.writeUInt16BE(5, 0);
  datagram.writeUInt16BE(30, 2);
  datagram.writeUInt32BE(sequence, 16);
  return datagram;
}

async function collect(words: readonly string[] = []): Promise<RunningProgram> {
  running = await RunningProgram.collect(['--workers', '2', ...words]);
  return running;
}

/** Sockets that stay, each a port of its own. */
function openPorts(count = PORTS): Socket[] {
  const opened = Array.from({ length: count }, () => createSocket('udp4'));
  sockets.push(...opened);
  return opened;
}

function send(socket: Socket, port: number, datagram: Buffer): Promise<unknown> {
  return new Promise((resolve) => socket.send(datagram, port, '127.0.0.1', resolve));
}

async function sendFromAll(from: readonly Socket[], port: number, datagram: Buffer): Promise<void> {
  for (const socket of from) await send(socket, port, datagram);
}

interface ListenerHealth {
  readonly messagesReceived: number;
  readonly kernelDrops: number;
}

async function health(program: RunningProgram) {
  return (await (await fetch(`http://${program.status}/health`)).json()) as {
    readonly sessions: number;
    readonly listeners: readonly ListenerHealth[];
    readonly threads: readonly { readonly listeners: readonly ListenerHealth[] }[];
  };
}

function linesIn(path: string): string[] {
  return readFileSync(path, 'utf8').split('\n').slice(0, -1);
}

beforeAll(buildProgram);

afterEach(async () => {
  for (const socket of sockets.splice(0)) socket.close();
  await running?.stop('SIGKILL');
  running = undefined;
});

it.skipIf(SHARES_PORTS)(`says in one line that Node ${NODE_VERSION} cannot share a port, and what to do`, async () => {
  const run = await runProgram(['collect', '--workers', '2', '--listen', 'udp://127.0.0.1:0', '--status', 'off']);
  expect([run.code, run.stdout, run.stderr]).toEqual([
    2,
    '',
    `flowrelay: --workers 2: Node ${NODE_VERSION} cannot share one UDP port between threads; use Node 22.12 or later, or leave --workers out for one thread\n`,
  ]);
});

it('one worker is what every Node can do', async () => {
  running = await RunningProgram.collect(['--workers', '1']);
  const [socket] = openPorts(1);
  await send(socket!, running.port, IPFIX_TEMPLATE);
  expect(await running.logged('exporter_first_seen')).not.toHaveProperty('thread');
});

it('takes whole numbers from 1 to 64', async () => {
  for (const [text, problem] of [
    ['0', '--workers: must be 1 to 64, not 0'],
    ['65', '--workers: must be 1 to 64, not 65'],
    ['two', '--workers: must be a whole number, not "two"'],
  ] as const) {
    const run = await runProgram(['collect', '--workers', text]);
    expect([run.code, run.stderr]).toEqual([2, `flowrelay: ${problem}\n`]);
  }
});

describe.skipIf(!SHARES_PORTS)('collect --workers 2', () => {
  it('receives from all ports with both threads, and adds up what they did', async () => {
    const program = await collect();
    const ports = openPorts();
    for (let i = 0; i < 20; i++) await sendFromAll(ports, program.port, netflow5(i * 30));
    const flows = PORTS * 20 * 30;
    await program.until(() => program.lines.length === flows, 'all lines');
    const { sessions, listeners, threads } = await health(program);
    expect([sessions, listeners[0]?.messagesReceived]).toEqual([PORTS, PORTS * 20]);
    const perThread = threads.map((thread) => thread.listeners[0]?.messagesReceived ?? 0);
    expect(perThread[0]! + perThread[1]!).toBe(PORTS * 20);
    expect(Math.min(...perThread)).toBeGreaterThan(0);
    const metrics = await (await fetch(`http://${program.status}/metrics`)).text();
    expect(metrics.split('\n')).toContain(
      `flowrelay_flow_records_total{exporter="127.0.0.1",version="netflow5"} ${flows}`,
    );
    expect(metrics.split('\n')).toContain('flowrelay_sequence_lost_total{exporter="127.0.0.1",version="netflow5"} 0');
    const exporters = await runProgram(['exporters', '--json', '--status', program.status]);
    expect(JSON.parse(exporters.stdout)).toMatchObject({ total: PORTS });
    const run = await program.stop('SIGTERM');
    expect(run.code).toBe(0);
    // Both write to one pipe, more than it holds: no line may have run into another.
    const lines = run.stdout.split('\n').slice(0, -1);
    expect(lines).toHaveLength(flows);
    for (const line of lines)
      expect(JSON.parse(line)).toMatchObject({ RECORD_TYPE: 'flow', EXPORT_PROTOCOL: 'NetFlow' });
    const events = program.log.map(({ event }) => event).filter((event) => event !== 'receive_buffer_small');
    expect(events).toEqual(['started', 'exporter_first_seen', 'stopped']);
    expect(program.log[0]).toMatchObject({ workers: 2 });
    expect(program.log.at(-1)).toMatchObject({
      messages: PORTS * 20,
      flows,
      linesWritten: flows,
      linesDropped: 0,
      kernelDrops: 0,
    });
  });

  it('decodes data by a Template of another port of the Exporter, whichever thread has it', async () => {
    const program = await collect();
    const ports = openPorts();
    await sendFromAll(ports.slice(1), program.port, IPFIX_DATA);
    await send(ports[0]!, program.port, IPFIX_TEMPLATE);
    await program.until(() => program.lines.length === PORTS - 1, 'lines of data that waited');
    await sendFromAll(ports, program.port, IPFIX_DATA);
    await program.until(() => program.lines.length === 2 * PORTS - 1, 'lines of data that came later');
    expect(JSON.parse(program.lines[0]!)).toMatchObject({ PROTOCOL: 0x11, IN_BYTES: 1024 });
    const templates = await runProgram(['templates', '--json', '--status', program.status]);
    expect(JSON.parse(templates.stdout)).toMatchObject({ total: 1 });
  });

  it('opens files anew after rotation, in all threads', async () => {
    const path = newPath();
    const program = await collect(['--json', path]);
    const ports = openPorts();
    await sendFromAll(ports, program.port, netflow5(0));
    await program.until(() => linesIn(path).length === PORTS * 30, 'lines in the file');
    renameSync(path, `${path}.1`);
    program.child.kill('SIGHUP');
    await program.logged('reloaded');
    await sendFromAll(ports, program.port, netflow5(30));
    await program.until(() => linesIn(path).length === PORTS * 30, 'lines in the new file');
    expect(linesIn(`${path}.1`)).toHaveLength(PORTS * 30);
    for (const line of linesIn(path)) JSON.parse(line);
  });

  it('knows after kill -9 what all threads had learned', async () => {
    const state = newPath();
    const first = await collect(['--state-dir', state]);
    const ports = openPorts();
    await sendFromAll(ports, first.port, IPFIX_TEMPLATE);
    const file = join(state, 'state.json');
    const saved = (): number =>
      statSync(file, { throwIfNoEntry: false }) === undefined
        ? 0
        : (JSON.parse(readFileSync(file, 'utf8')) as { sessions: unknown[] }).sessions.length;
    await first.until(() => saved() === PORTS, 'saved state of all ports');
    await first.stop('SIGKILL');
    const second = await collect(['--state-dir', state, '--exporter-key', 'session']);
    await sendFromAll(ports, second.port, IPFIX_DATA);
    await second.until(() => second.lines.length === PORTS, 'a line of each port');
    // Until a thread has told that it hears them, the first one counts those it read from the file.
    let sessions = 0;
    for (const endMs = Date.now() + 10_000; sessions !== PORTS && Date.now() < endMs; ) {
      ({ sessions } = await health(second));
    }
    expect(sessions).toBe(PORTS);
    await second.stop();
    expect(saved()).toBe(PORTS);
  });

  it('counts what the kernel drops at each socket: sent = received + dropped', async () => {
    const program = await collect(['--receive-buffer', '4096']);
    // One port, so that one thread's socket drops and the other's does not.
    const ports = openPorts(1);
    // Stopped, the program reads none.
    program.child.kill('SIGSTOP');
    const sent = 200;
    for (let i = 0; i < sent; i++) await sendFromAll(ports, program.port, netflow5(i * 30));
    program.child.kill('SIGCONT');
    let sum = 0;
    let dropped = 0;
    for (const endMs = Date.now() + 10_000; sum < sent && Date.now() < endMs; ) {
      const { listeners } = await health(program);
      dropped = listeners[0]?.kernelDrops ?? 0;
      sum = (listeners[0]?.messagesReceived ?? 0) + dropped;
    }
    expect(sum).toBe(sent);
    const { threads } = await health(program);
    expect(threads.map(({ listeners }) => listeners[0]?.kernelDrops).sort()).toEqual([0, dropped]);
    expect(dropped).toBeGreaterThan(0);
    expect(await program.logged('kernel_drops_began')).toHaveProperty('thread');
  });

  it('takes TCP with one thread', async () => {
    const program = await collect(['--listen', 'udp://127.0.0.1:0,tcp://127.0.0.1:0']);
    const urls = program.log[0]?.['listeners'] as string[];
    const socket = connect(Number(urls[1]?.split(':').at(-1)), '127.0.0.1');
    socket.write(Buffer.concat([IPFIX_TEMPLATE, IPFIX_DATA]));
    await program.until(() => program.lines.length === 1, 'a line');
    socket.destroy();
  });

  it('shares its port with no other program', async () => {
    const program = await collect();
    for (const words of [[], ['--workers', '2']]) {
      const url = `udp://127.0.0.1:${program.port}`;
      const run = await runProgram(['collect', '--listen', url, '--status', 'off', ...words]);
      expect([run.code, run.stderr]).toEqual([
        1,
        `flowrelay: cannot listen on ${url}: address already in use (EADDRINUSE)\n`,
      ]);
    }
  });

  it('leaves with one clear line where it cannot start', async () => {
    for (const [words, code, problem] of [
      [['--json', '/nonexistent/x'], 1, 'cannot write /nonexistent/x: no such file or directory (ENOENT)'],
      [
        ['--listen', 'tcp://127.0.0.1:0'],
        2,
        '--workers 2: threads share UDP ports, and --listen names none; leave --workers out',
      ],
      [
        ['--zmq', 'tcp://127.0.0.1:5556'],
        2,
        '--workers 2: a ZeroMQ feed comes from one thread; leave --workers or --zmq out',
      ],
      [['--processes'], 2, '--workers 2: one thread knows the owners of sockets; leave --workers or --processes out'],
    ] as const) {
      const listen = (words as readonly string[]).includes('--listen') ? [] : ['--listen', 'udp://127.0.0.1:0'];
      const run = await runProgram(['collect', '--workers', '2', '--status', 'off', ...listen, ...words]);
      expect([run.code, run.stderr]).toEqual([code, `flowrelay: ${problem}\n`]);
    }
  });

  it('ends quietly when nobody reads its lines', async () => {
    const program = await collect();
    program.child.stdout?.destroy();
    await sendFromAll(openPorts(), program.port, netflow5(0));
    expect((await program.ended()).code).toBe(0);
    expect(program.log.at(-1)).toMatchObject({ event: 'stopped', reason: 'nobody reads standard output' });
  });
});
