/** The program as it runs: sockets, signals, and nothing lost without being counted. */

import { connect, type Socket } from 'node:net';
import { setImmediate as nextTurn, setTimeout as sleep } from 'node:timers/promises';
import { afterEach, beforeAll, describe, expect, it } from 'vitest';
import { fixtureCases } from '../support/fixtures.ts';
import { dataSet, message, templateSet, withdrawal } from '../support/ipfix-message.ts';
import { v5Datagram, v5Record } from '../support/netflow5-message.ts';
import { buildProgram, RunningProgram, runProgram } from '../support/program.ts';
import type { PartialLine } from '../support/tshark-lines.ts';
import { UdpExporter } from '../support/udp-exporter.ts';
import { ipv4, joined, u32 } from '../support/wire-octets.ts';

beforeAll(() => {
  buildProgram();
});

const programs: RunningProgram[] = [];
const sockets: Socket[] = [];

afterEach(async () => {
  for (const socket of sockets.splice(0)) socket.destroy();
  for (const program of programs.splice(0)) await program.stop('SIGKILL');
});

async function collect(...words: string[]): Promise<RunningProgram> {
  const program = await RunningProgram.collect(words);
  programs.push(program);
  return program;
}

function parsed(lines: readonly string[]): PartialLine[] {
  return lines.map((line) => JSON.parse(line) as PartialLine);
}

/** The sum of a metric over all its labels. */
async function metric(program: RunningProgram, name: string): Promise<number> {
  const text = await (await fetch(`http://${program.status}/metrics`)).text();
  const samples = text.split('\n').filter((line) => line.startsWith(`${name}{`) || line.startsWith(`${name} `));
  return samples.reduce((sum, line) => sum + Number(line.split(' ').at(-1)), 0);
}

/** Waits until every datagram sent was received or dropped by the kernel; gives both. */
async function accounted(program: RunningProgram, sent: number): Promise<{ received: number; dropped: number }> {
  for (const endMs = Date.now() + 30_000; ; await sleep(50)) {
    const received = await metric(program, 'flowrelay_listener_messages_total');
    const dropped = await metric(program, 'flowrelay_listener_kernel_drops_total');
    if (received + dropped >= sent || Date.now() > endMs) return { received, dropped };
  }
}

/** Sends NetFlow v5 datagrams of one record each as fast as the kernel takes them. */
async function burst(exporter: UdpExporter, first: number, count: number): Promise<void> {
  const record = v5Record();
  for (let i = 0; i < count; i += 100) {
    const some = Array.from({ length: Math.min(100, count - i) }, (_, k) => first + i + k);
    await Promise.all(some.map((sequence) => exporter.send(v5Datagram([record], { sequence }))));
    // Sends are done at once: without a pause nothing else of this process would have a turn.
    await nextTurn();
  }
}

describe('a burst', () => {
  it('is counted to the datagram: sent = decoded + dropped by the kernel, where the program sleeps through it', async () => {
    const program = await collect('--receive-buffer', '65536');
    const exporter = await UdpExporter.open(program.port);
    await burst(exporter, 0, 10);
    program.child.kill('SIGSTOP');
    await burst(exporter, 10, 3000);
    program.child.kill('SIGCONT');
    const { received, dropped } = await accounted(program, 3010);
    expect(dropped).toBeGreaterThan(0);
    expect(received + dropped).toBe(3010);
    // One more tells the decoder what is missing before it.
    await burst(exporter, 3010, 1);
    await program.until(() => program.lines.length === received + 1, 'all lines');
    await expect.poll(() => metric(program, 'flowrelay_sequence_lost_total')).toBe(dropped);
    const { code } = await program.stop();
    expect(code).toBe(0);
    expect(program.log.at(-1)).toMatchObject({
      event: 'stopped',
      messages: received + 1,
      messagesDiscarded: 0,
      flows: received + 1,
      linesWritten: received + 1,
      linesDropped: 0,
      kernelDrops: dropped,
    });
    expect(program.log.map(({ event }) => event)).toContain('kernel_drops_began');
    await exporter.close();
  });

  it('of 20,000 datagrams is received whole or accounted for', async () => {
    const program = await collect();
    const exporters = await Promise.all([1, 2, 3, 4].map(() => UdpExporter.open(program.port)));
    await Promise.all(exporters.map((exporter) => burst(exporter, 0, 5000)));
    const { received, dropped } = await accounted(program, 20_000);
    expect(received + dropped).toBe(20_000);
    const { stdout } = await program.stop();
    expect(stdout.split('\n')).toHaveLength(received + 1);
    for (const exporter of exporters) await exporter.close();
  });
});

describe('SIGTERM', () => {
  it('in the middle of a stream leaves whole lines, as many as it says', async () => {
    const program = await collect();
    const exporter = await UdpExporter.open(program.port);
    let isOver = false;
    const sending = (async () => {
      for (let sequence = 0; !isOver; sequence += 100) {
        await burst(exporter, sequence, 100);
        await sleep(1);
      }
    })();
    await program.until(() => program.lines.length > 1000, 'a thousand lines');
    const { code, stdout } = await program.stop();
    isOver = true;
    await sending;
    expect(code).toBe(0);
    expect(stdout.endsWith('}\n')).toBe(true);
    const stopped = program.log.at(-1);
    expect(stopped).toMatchObject({ event: 'stopped', reason: 'SIGTERM', linesDropped: 0 });
    expect(stopped?.['linesWritten']).toBe(parsed(stdout.trim().split('\n')).length);
    expect(stopped?.['linesWritten']).toBe(stopped?.['flows']);
    await exporter.close();
  });
});

describe('listeners', () => {
  it('of both families and of TCP at once name the exporter as it is', async () => {
    const urls = ['udp://127.0.0.1:0', 'udp://[::1]:0', 'udp://[::]:0', 'tcp://[::1]:0'];
    const program = await collect(...urls.flatMap((url) => ['--listen', url]));
    const bound = program.log.find(({ event }) => event === 'started')?.['listeners'] as string[];
    const ports = bound.map((url) => Number(url.split(':').at(-1)));
    const targets = [
      [ports[0]!, '127.0.0.1'],
      [ports[1]!, '::1'],
      [ports[2]!, '127.0.0.1'],
      [ports[2]!, '::1'],
    ] as const;
    for (const [port, address] of targets) {
      const exporter = await UdpExporter.open(port, address);
      await exporter.send(v5Datagram([v5Record()]));
      await exporter.close();
    }
    (await connection(ports[3]!, '::1')).write(messageOf(1));
    await program.until(() => program.lines.length === 5, 'five lines');
    const exporters = parsed(program.lines).map(
      (line) => line['EXPORTER_IPV4_ADDRESS'] ?? line['EXPORTER_IPV6_ADDRESS'],
    );
    expect(exporters.sort()).toEqual(['127.0.0.1', '127.0.0.1', '::1', '::1', '::1']);
    for (const line of parsed(program.lines)) {
      expect(line['EXPORTER_IPV6_ADDRESS'] ?? '::1').toBe('::1');
      expect(line['EXPORTER_IPV4_ADDRESS'] ?? '127.0.0.1').toBe('127.0.0.1');
    }
  });
});

const FIELDS = [
  [8, 4],
  [1, 4],
] as const;

/** A Message with a Template and one record, whose octets are `octets`. */
function messageOf(octets: number): Uint8Array {
  return message([templateSet(256, FIELDS), dataSet(256, joined(ipv4('192.0.2.1'), u32(octets)))], {
    sequence: octets,
  });
}

function connection(port: number, address = '127.0.0.1'): Promise<Socket> {
  return new Promise((resolve, reject) => {
    const socket = connect({ port, host: address, noDelay: true }, () => resolve(socket));
    socket.once('error', reject);
    sockets.push(socket);
  });
}

describe('IPFIX over TCP', () => {
  const octetsOf = (program: RunningProgram) => parsed(program.lines).map(({ IN_BYTES }) => IN_BYTES);

  it('comes octet by octet, several Messages at a time, and from several Exporters', async () => {
    const program = await collect('--listen', 'tcp://127.0.0.1:0');
    const slow = await connection(program.port);
    const fast = await connection(program.port);
    const drip = (async () => {
      for (const octet of messageOf(1)) {
        slow.write(Uint8Array.of(octet));
        await sleep(1);
      }
    })();
    fast.write(joined(messageOf(2), messageOf(3), messageOf(4).subarray(0, 20)));
    await program.until(() => program.lines.length >= 2, 'two lines');
    fast.write(messageOf(4).subarray(20));
    await drip;
    await program.until(() => program.lines.length === 4, 'four lines');
    expect(octetsOf(program).sort()).toEqual([1, 2, 3, 4]);
    expect(await metric(program, 'flowrelay_listener_connections')).toBe(2);
  });

  it('that is none ends its connection and no other', async () => {
    const program = await collect('--listen', 'tcp://127.0.0.1:0');
    const good = await connection(program.port);
    const bad = await connection(program.port);
    good.write(messageOf(1));
    await program.until(() => program.lines.length === 1, 'a line');
    const ended = new Promise((resolve) => bad.once('close', resolve));
    bad.write('GET / HTTP/1.1\r\nHost: localhost\r\n\r\n');
    await ended;
    good.write(messageOf(2));
    await program.until(() => program.lines.length === 2, 'another line');
    expect(octetsOf(program)).toEqual([1, 2]);
  });

  it('leaves its Templates behind when the connection ends (RFC 7011 section 8.1)', async () => {
    const program = await collect('--listen', 'tcp://127.0.0.1:0');
    const first = await connection(program.port);
    first.write(messageOf(1));
    await program.until(() => program.lines.length === 1, 'a line');
    await new Promise<void>((resolve) => first.end(() => resolve()));
    await expect.poll(() => metric(program, 'flowrelay_listener_connections')).toBe(0);
    const second = await connection(program.port);
    second.write(message([dataSet(256, joined(ipv4('192.0.2.1'), u32(2)))], { sequence: 2 }));
    await expect.poll(() => metric(program, 'flowrelay_pending_sets')).toBe(1);
    expect(program.lines).toHaveLength(1);
    // The Template comes after all, and with it the record that waited.
    second.write(messageOf(3));
    await program.until(() => program.lines.length === 3, 'three lines');
    expect(octetsOf(program)).toEqual([1, 2, 3]);
  });
});

describe('a Template Withdrawal (RFC 7011 section 8.1)', () => {
  const datum = (octets: number) =>
    message([dataSet(256, joined(ipv4('192.0.2.1'), u32(octets)))], { sequence: octets });

  it('counts over TCP', async () => {
    const program = await collect('--listen', 'tcp://127.0.0.1:0');
    const exporter = await connection(program.port);
    exporter.write(joined(messageOf(1), message([withdrawal(256)], { sequence: 2 }), datum(2)));
    await expect.poll(() => metric(program, 'flowrelay_pending_sets')).toBe(1);
    await expect.poll(() => metric(program, 'flowrelay_templates_withdrawn_total')).toBe(1);
    const { stdout } = await program.stop();
    expect(stdout.split('\n')).toHaveLength(2);
  });

  it('does not over UDP (section 8.4)', async () => {
    const program = await collect();
    const exporter = await UdpExporter.open(program.port);
    for (const each of [messageOf(1), message([withdrawal(256)], { sequence: 2 }), datum(2)]) await exporter.send(each);
    await program.until(() => program.lines.length === 2, 'two lines');
    await expect.poll(() => metric(program, 'flowrelay_withdrawals_ignored_total')).toBe(1);
    await exporter.close();
  });
});

/** Keys of a line that differ between a capture read and its datagrams received again. */
const OF_THE_WAY = ['EXPORTER_IPV4_ADDRESS', 'EXPORTER_TRANSPORT_PORT'];
/** For sFlow, which has no times, also those of arrival. */
const OF_THE_MOMENT = ['EXPORT_TIME_MILLISECONDS', 'FLOW_START_MILLISECONDS', 'FLOW_END_MILLISECONDS'];

function withoutTheWay(lines: readonly string[], protocol: 'cflow' | 'sflow'): PartialLine[] {
  return parsed(lines).map((line) => {
    for (const key of protocol === 'sflow' ? [...OF_THE_WAY, ...OF_THE_MOMENT] : OF_THE_WAY) delete line[key];
    return line;
  });
}

describe('a capture replayed into collect gives the lines that convert gives', () => {
  for (const { name, input, description, expected } of fixtureCases()) {
    // A replay sends datagrams; what came over TCP is no such thing.
    if (name.endsWith('-tcp')) continue;
    it(name, async () => {
      const program = await collect();
      const [converted, replayed] = await Promise.all([
        runProgram(['convert', input]),
        runProgram(['replay', input, '--to', `127.0.0.1:${program.port}`, '--rate', '2000']),
      ]);
      expect(replayed.code, replayed.stderr).toBe(0);
      await program.until(() => program.lines.length >= expected.length, 'all lines');
      const { stdout } = await program.stop();
      const { protocol } = description;
      expect(withoutTheWay(stdout.trim().split('\n'), protocol)).toEqual(
        withoutTheWay(converted.stdout.trim().split('\n'), protocol),
      );
    });
  }
});
