import { createSocket } from 'node:dgram';
import { mkdtempSync, readFileSync, renameSync, statSync, writeFileSync } from 'node:fs';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeAll, describe, expect, it } from 'vitest';
import { buildProgram, RunningProgram, repositoryPath, runProgram } from '../support/program.ts';

const CAPTURE = repositoryPath('fixtures/softflowd-netflow9/input.pcap');
const FLOWS = 27;
const LINES = 28;
const directory = mkdtempSync(join(tmpdir(), 'flowrelay-'));
let running: RunningProgram | undefined;
let number = 0;

/** An IPFIX message by hand (RFC 7011): Template 256 with protocolIdentifier and octetDeltaCount, or a record of it. */
const IPFIX_TEMPLATE = hex('000a 0020 00000001 00000000 00000001', '0002 0010 0100 0002 0004 0001 0001 0008');
const IPFIX_DATA = hex('000a 001d 00000002 00000000 00000001', '0100 000d 11 0000000000000400');

function hex(...parts: readonly string[]): Buffer {
  return Buffer.from(parts.join('').replaceAll(' ', ''), 'hex');
}

async function collect(words: readonly string[] = [], environment: Readonly<Record<string, string>> = {}) {
  running = await RunningProgram.collect(words, environment);
  return running;
}

function newPath(): string {
  return join(directory, String(number++));
}

async function send(port: number, ...datagrams: readonly Buffer[]): Promise<void> {
  const socket = createSocket('udp4');
  for (const datagram of datagrams) {
    await new Promise((resolve) => socket.send(datagram, port, '127.0.0.1', resolve));
  }
  socket.close();
}

/** Whether nobody has a UDP port of 127.0.0.1. */
function isFree(port: number): Promise<boolean> {
  const socket = createSocket('udp4');
  return new Promise((resolve) => {
    socket.once('error', () => resolve(false));
    socket.bind(port, '127.0.0.1', () => socket.close(() => resolve(true)));
  });
}

async function replayTo(port: number): Promise<void> {
  expect((await runProgram(['replay', CAPTURE, '--to', `127.0.0.1:${port}`])).code).toBe(0);
}

function linesIn(path: string): number {
  return readFileSync(path, 'utf8').split('\n').length - 1;
}

beforeAll(buildProgram);

afterEach(async () => {
  await running?.stop('SIGKILL');
  running = undefined;
});

describe('collect', () => {
  it('prints what it receives at once, and stops with totals at SIGTERM', async () => {
    const program = await collect();
    await replayTo(program.port);
    await program.until(() => program.lines.length >= LINES, 'all lines');
    const run = await program.stop('SIGTERM');
    expect(run.code).toBe(0);
    expect(run.stdout).toBe(
      (await runProgram(['convert', CAPTURE])).stdout.replaceAll(/"EXPORTER_TRANSPORT_PORT":\d+/g, portIn(run.stdout)),
    );
    const events = program.log.map(({ event }) => event).filter((event) => event !== 'receive_buffer_small');
    expect(events).toEqual(['started', 'exporter_first_seen', 'stopped']);
    expect(program.log.at(-1)).toMatchObject({
      reason: 'SIGTERM',
      messages: 2,
      messagesDiscarded: 0,
      flows: FLOWS,
      linesWritten: LINES,
      linesDropped: 0,
      kernelDrops: 0,
    });
  });

  it('says how to raise the limit where the receive buffer is smaller than asked', async () => {
    const program = await collect(['--receive-buffer', '2000000000']);
    const { message } = await program.logged('receive_buffer_small');
    expect(message).toContain('sysctl -w net.core.rmem_max=2000000000');
  });

  it('listens where the environment says, on several sockets, IPv4, IPv6 and TCP', async () => {
    const program = await collect([], { FLOWRELAY_LISTEN: 'udp://127.0.0.1:0,udp://[::1]:0,tcp://127.0.0.1:0' });
    const urls = program.log[0]?.['listeners'] as string[];
    expect(urls.map((url) => url.replace(/\d+$/, ''))).toEqual([
      'udp://127.0.0.1:',
      'udp://[::1]:',
      'tcp://127.0.0.1:',
    ]);
    const port = Number(urls[2]?.split(':').at(-1));
    const socket = connect(port, '127.0.0.1');
    socket.write(Buffer.concat([IPFIX_TEMPLATE, IPFIX_DATA]));
    await program.until(() => program.lines.length > 0, 'a line');
    socket.destroy();
    expect(JSON.parse(program.lines[0] ?? '')).toMatchObject({
      PROTOCOL: 0x11,
      IN_BYTES: 1024,
      EXPORT_PROTOCOL: 'IPFIX',
    });
  });

  it('logs the first fault of an Exporter a minute, not each', async () => {
    const program = await collect();
    await send(program.port, hex('ffff 0001'), hex('ffff 0001'), hex('ffff 0001'), IPFIX_TEMPLATE);
    await program.logged('exporter_first_seen');
    await program.stop();
    expect(program.log.filter(({ event }) => event === 'fault')).toMatchObject([
      { exporter: '127.0.0.1', reason: 'version_unsupported', octets: 4 },
    ]);
    expect(program.log.at(-1)).toMatchObject({ event: 'stopped' });
  });

  it('ends quietly when nobody reads its lines', async () => {
    const program = await collect();
    program.child.stdout?.destroy();
    await replayTo(program.port);
    expect((await program.ended()).code).toBe(0);
    expect(program.log.at(-1)).toMatchObject({ event: 'stopped', reason: 'nobody reads standard output' });
  });

  it('exits with 1 and one line when a port is in use or no address of this host', async () => {
    const program = await collect();
    for (const [words, problem] of [
      [
        ['--listen', `udp://127.0.0.1:${program.port}`, '--status', 'off'],
        `cannot listen on udp://127.0.0.1:${program.port}: address already in use (EADDRINUSE)`,
      ],
      [
        ['--listen', 'udp://127.0.0.1:0', '--status', program.status],
        `cannot serve status on ${program.status}: address already in use (EADDRINUSE)`,
      ],
      [
        ['--listen', 'tcp://203.0.113.1:4739', '--status', 'off'],
        'cannot listen on tcp://203.0.113.1:4739: address not available (EADDRNOTAVAIL)',
      ],
      [
        ['--listen', 'udp://localhost:2055', '--status', 'off'],
        'cannot listen on udp://localhost:2055: not an IPv4 or IPv6 address',
      ],
      [
        ['--listen', 'udp://127.0.0.1:0', '--status', 'off', '--json', '/nonexistent/x'],
        'cannot write /nonexistent/x: no such file or directory (ENOENT)',
      ],
    ] as const) {
      const run = await runProgram(['collect', ...words]);
      expect([run.code, run.stderr.split('\n').slice(0, -1)]).toEqual([1, [`flowrelay: ${problem}`]]);
    }
  });

  it('leaves at once at the second signal, though its reader is stuck', async () => {
    const program = await collect(['--queue-octets', '1048576']);
    program.child.stdout?.pause();
    const datagram = Buffer.alloc(24 + 48 * 30);
    datagram.writeUInt16BE(5, 0);
    datagram.writeUInt16BE(30, 2);
    for (let i = 0; i < 20; i++) await send(program.port, ...Array.from({ length: 10 }, () => datagram));
    program.child.kill('SIGTERM');
    // Two signals that come before the first was looked at would be one: that it was is told by the port, which is free then.
    await expect.poll(() => isFree(program.port)).toBe(true);
    expect(program.child.exitCode).toBeNull();
    program.child.kill('SIGTERM');
    const end = await new Promise((resolve) => program.child.on('exit', (_, signal) => resolve(signal)));
    expect(end).toBe('SIGTERM');
    program.child.stdout?.resume();
    await program.ended();
  });
});

function portIn(text: string): string {
  return /"EXPORTER_TRANSPORT_PORT":\d+/.exec(text)?.[0] ?? '';
}

describe('SIGHUP', () => {
  it('opens files anew after rotation', async () => {
    const path = newPath();
    const program = await collect(['--json', path]);
    await replayTo(program.port);
    await program.until(() => linesIn(path) === LINES, 'lines in the file');
    renameSync(path, `${path}.1`);
    program.child.kill('SIGHUP');
    await program.logged('reloaded');
    await replayTo(program.port);
    await program.until(() => linesIn(path) === LINES, 'lines in the new file');
    expect(linesIn(`${path}.1`)).toBe(LINES);
  });

  it('applies what it can of a new configuration, says what needs a restart, and keeps Templates and counters', async () => {
    const config = newPath();
    const [before, after] = [newPath(), newPath()];
    writeFileSync(config, JSON.stringify({ json: before, 'state-dir': '' }));
    const program = await collect(['--config', config]);
    await send(program.port, IPFIX_TEMPLATE, IPFIX_DATA);
    await program.until(() => linesIn(before) === 1, 'a line in the first file');
    writeFileSync(config, JSON.stringify({ json: after, names: 'iana', 'pending-sets': 5, 'receive-buffer': 100_000 }));
    program.child.kill('SIGHUP');
    expect(await program.logged('reloaded')).toMatchObject({ sinks: [after], needsRestart: ['receiveBuffer'] });
    await send(program.port, IPFIX_DATA);
    await program.until(() => linesIn(after) === 1, 'a line in the second file');
    expect(JSON.parse(readFileSync(after, 'utf8'))).toMatchObject({ protocolIdentifier: 0x11, octetDeltaCount: 1024 });
    await program.stop();
    expect(program.log.at(-1)).toMatchObject({ messages: 3, flows: 2 });
  });

  it('keeps the old configuration where the new one is wrong', async () => {
    const config = newPath();
    const path = newPath();
    writeFileSync(config, JSON.stringify({ json: path }));
    const program = await collect(['--config', config]);
    writeFileSync(config, JSON.stringify({ json: path, names: 'cisco', colour: 'red' }));
    program.child.kill('SIGHUP');
    const { message } = await program.logged('reload_failed');
    expect(message).toContain(`${config}: colour: no such option; ${config}: names: must be ntop or iana, not "cisco"`);
    await replayTo(program.port);
    await program.until(() => linesIn(path) === LINES, 'lines');
  });
});

describe('saved state', () => {
  it('decodes data after kill -9 whose Template came only before', async () => {
    const state = newPath();
    const first = await collect(['--state-dir', state]);
    await send(first.port, IPFIX_TEMPLATE);
    await first.until(() => statSync(join(state, 'state.json'), { throwIfNoEntry: false }), 'saved state');
    await first.stop('SIGKILL');
    const second = await collect(['--state-dir', state]);
    await send(second.port, IPFIX_DATA);
    await second.until(() => second.lines.length === 1, 'a line');
    expect(JSON.parse(second.lines[0] ?? '')).toMatchObject({ PROTOCOL: 0x11, IN_BYTES: 1024 });
  });

  it.each(['', 'no JSON', '{"format":99}', '[]'])('is ignored with one warning when it holds %j', async (text) => {
    const state = newPath();
    const { mkdirSync } = await import('node:fs');
    mkdirSync(state);
    writeFileSync(join(state, 'state.json'), text);
    const program = await collect(['--state-dir', state]);
    await send(program.port, IPFIX_TEMPLATE, IPFIX_DATA);
    await program.until(() => program.lines.length === 1, 'a line');
    expect(program.log.filter(({ event }) => event === 'state_ignored')).toHaveLength(1);
  });
});

describe('status page', () => {
  it('shows health, Exporters, Templates and metrics that add up', async () => {
    const program = await collect();
    await replayTo(program.port);
    await program.until(() => program.lines.length >= LINES, 'all lines');
    const base = `http://${program.status}`;
    const health = (await (await fetch(`${base}/health`)).json()) as Record<string, unknown>;
    expect(health).toMatchObject({
      status: 'ok',
      listeners: [{ listener: `udp://127.0.0.1:${program.port}`, messagesReceived: 2, kernelDrops: 0 }],
      sinks: [{ sink: 'standard output', linesOffered: LINES, linesWritten: LINES, linesDropped: 0, linesQueued: 0 }],
      sessions: 1,
      internalErrors: 0,
    });
    const text = await (await fetch(`${base}/metrics`)).text();
    // Facts of the capture by tshark: 2 packets, 27 flows, 1 options record, 4 Templates and 1 Options Template.
    for (const line of [
      'flowrelay_messages_received_total{exporter="127.0.0.1",version="netflow9"} 2',
      'flowrelay_flow_records_total{exporter="127.0.0.1",version="netflow9"} 27',
      'flowrelay_options_records_total{exporter="127.0.0.1",version="netflow9"} 1',
      'flowrelay_templates_learned_total{exporter="127.0.0.1",version="netflow9"} 5',
      `flowrelay_listener_messages_total{listener="udp://127.0.0.1:${program.port}"} 2`,
      'flowrelay_sink_lines_written_total 28',
    ]) {
      expect(text.split('\n')).toContain(line);
    }
    for (const line of text.split('\n')) {
      if (!line.startsWith('# TYPE ')) continue;
      const [, , name, kind] = line.split(' ');
      expect([name, name?.endsWith('_total')]).toEqual([name, kind === 'counter']);
      expect(text).toContain(`# HELP ${name} `);
    }
    const table = await runProgram(['exporters', '--status', program.status]);
    expect(table.stdout).toMatch(/^ADDRESS +PORT +PROTOCOL/);
    expect(table.stdout).toMatch(/\n127\.0\.0\.1 +\d+ +NetFlow v9 +0 +2 +27 /);
    const json = JSON.parse((await runProgram(['templates', '--json', '--status', program.status])).stdout) as {
      total: number;
    };
    expect(json.total).toBe(5);
    const templates = await runProgram(['templates', '--status', program.status]);
    expect(templates.stdout).toMatch(/ 256 +options /);
  });
});
