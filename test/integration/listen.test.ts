/** `listen` and real ZeroMQ publishers: the package zeromq, Python's, and flowrelay's own feed. */

import { execFileSync, spawn } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { curveKeyPair, XPublisher } from 'zeromq';
import { freePort } from '../support/free-port.ts';
import { header0, header1, header3, tlv } from '../support/ntopng-message.ts';
import { buildProgram, type LogLine, RunningProgram, repositoryPath, runProgram } from '../support/program.ts';

const directory = mkdtempSync(join(tmpdir(), 'flowrelay-listen-'));
/** Debian's own, which python3-zmq is for. */
const PYTHON = '/usr/bin/python3';
const closing: (() => unknown)[] = [];

const hasPythonZmq = (() => {
  try {
    execFileSync(PYTHON, ['-c', 'import zmq'], { stdio: 'ignore' });
    return true;
  } catch {
    return false;
  }
})();

beforeAll(buildProgram, 120_000);
afterEach(async () => {
  for (const close of closing.splice(0)) await close();
});
afterAll(() => rmSync(directory, { recursive: true, force: true }));

async function listen(...words: readonly string[]): Promise<RunningProgram> {
  const program = await RunningProgram.start('listen', ['--status', '127.0.0.1:0', ...words]);
  closing.push(() => program.stop('SIGKILL'));
  return program;
}

/** Where a `listen` is bound. */
function boundUrl(program: RunningProgram): string {
  const started = program.log.find(({ event }) => event === 'started') as LogLine;
  return (started['endpoints'] as string[])[0]!;
}

/** A publisher that waits for its subscriber. */
async function publisher(
  how: 'bind' | 'connect',
  url: string,
  serverKey?: string,
): Promise<{ url: string; socket: XPublisher; ready: Promise<unknown> }> {
  const socket = new XPublisher({ linger: 0, sendHighWaterMark: 100_000 });
  closing.push(() => socket.close());
  if (serverKey !== undefined) {
    const { publicKey, secretKey } = curveKeyPair();
    Object.assign(socket, { curvePublicKey: publicKey, curveSecretKey: secretKey, curveServerKey: serverKey });
  }
  if (how === 'bind') await socket.bind(url);
  else socket.connect(url);
  const ready = subscribed(socket);
  // One that is closed before anybody subscribed is not waited for.
  ready.catch(() => {});
  return { url: socket.lastEndpoint ?? url, socket, ready };
}

/** Settles once the topics that matter are subscribed to. */
async function subscribed(socket: XPublisher): Promise<void> {
  for (const wanted = new Set(['flow', 'counter']); wanted.size > 0; ) {
    const [frame] = await socket.receive();
    wanted.delete(frame!.subarray(1).toString());
  }
}

const flow = (octets: number) =>
  tlv([
    [8, 'text', '10.0.0.1'],
    [12, 'text', '10.0.0.2'],
    [1, 'u32', octets],
  ]);
const octetsOf = (program: RunningProgram) => program.lines.map((line) => JSON.parse(line)['IN_BYTES'] as number);

function flowLines(program: RunningProgram): Record<string, unknown>[] {
  const lines = program.lines.map((line) => JSON.parse(line) as Record<string, unknown>);
  return lines.filter((line) => line['RECORD_TYPE'] === 'flow');
}

/** A line without what says where it comes from, and what ntopng is told besides. */
function withoutOrigin(line: Record<string, unknown>) {
  const others =
    /^(EXPORT_|EXPORTER_TRANSPORT|OBSERVATION_DOMAIN|TEMPLATE_ID|SFLOW_(SUB_)?AGENT|SAMPLING|UNIQUE_SOURCE|FLOW_SOURCE|CLIENT_TCP)/;
  return Object.fromEntries(Object.entries(line).filter(([key]) => !others.test(key)));
}

/** What a flow is to ntopng: whole seconds, and counters times the sampling rate. */
function asFeedsTell(line: Record<string, unknown>) {
  const rate = Number(line['SAMPLING_INTERVAL'] ?? 1);
  return Object.fromEntries(
    Object.entries(line).map(([key, value]) => {
      if (/^FLOW_(START|END)_MILLISECONDS$/.test(key)) return [key, Math.floor(Number(value) / 1000) * 1000];
      return [key, /^(IN|OUT)_(BYTES|PKTS)$/.test(key) ? Number(value) * rate : value];
    }),
  );
}

describe('listen', () => {
  it('calls a feed that is bound', async () => {
    const feed = await publisher('bind', 'tcp://127.0.0.1:*');
    const program = await listen(feed.url);
    await feed.ready;
    await feed.socket.send([header1({ messageId: 1, sourceId: 7 }), flow(5)]);
    await feed.socket.send([header1({ messageId: 4, sourceId: 7 }), flow(6)]);
    await feed.socket.send([header1({ messageId: 5, sourceId: 7 })]);
    await feed.socket.send([header3({ messageId: 1, sourceId: 1 }), flow(7)]);
    await program.until(() => program.lines.length === 3, 'three lines');
    expect(octetsOf(program)).toEqual([5, 6, 7]);
    expect(JSON.parse(program.lines[0]!)).toMatchObject({
      EXPORTER_IPV4_ADDRESS: '127.0.0.1',
      EXPORTER_TRANSPORT_PORT: Number(feed.url.split(':').at(-1)),
      EXPORT_PROTOCOL: 'ntopng',
      OBSERVATION_DOMAIN_ID: 7,
    });
    await program.logged('messages_lost');
    const health = (await (await fetch(`http://${program.status}/health`)).json()) as Record<string, unknown>;
    expect(health['totals']).toMatchObject({ messagesReceived: 4, messagesLost: 2, flowRecords: 3 });
    const metrics = await (await fetch(`http://${program.status}/metrics`)).text();
    expect(metrics).toContain('reason="frame_count_invalid"');
    expect(metrics).toMatch(/flowrelay_messages_lost_total\{endpoint="[^"]+",source="7"\} 2/);
    const { code } = await program.stop();
    expect(code).toBe(0);
    expect(program.log.at(-1)).toMatchObject({
      event: 'stopped',
      flows: 3,
      messages: 4,
      messagesLost: 2,
      linesWritten: 3,
    });
  });

  it('waits for feeds that call, and for those that call again', async () => {
    const program = await listen('tcp://127.0.0.1:0c');
    for (const octets of [1, 2]) {
      const feed = await publisher('connect', boundUrl(program));
      await feed.ready;
      await feed.socket.send([header1({ messageId: octets }), flow(octets)]);
      await program.until(() => program.lines.length === octets, `line ${octets}`);
      feed.socket.close();
      await program.logged('publisher_disconnected');
    }
    expect(octetsOf(program)).toEqual([1, 2]);
  });

  it('takes what has come before it stops', async () => {
    const feed = await publisher('bind', 'tcp://127.0.0.1:*');
    const program = await listen(feed.url);
    await feed.ready;
    program.child.kill('SIGSTOP');
    for (let i = 0; i < 2000; i++) await feed.socket.send([header1({ messageId: i }), flow(i)]);
    await new Promise((resolve) => setTimeout(resolve, 200));
    program.child.kill('SIGCONT');
    await program.until(() => program.lines.length > 0, 'a line');
    const { code, stdout } = await program.stop();
    expect(code).toBe(0);
    expect(stdout.trim().split('\n')).toHaveLength(2000);
  });

  it('goes on with a feed that restarted', async () => {
    const first = await publisher('bind', `tcp://127.0.0.1:${await freePort()}`);
    const program = await listen(first.url);
    await first.ready;
    await first.socket.send([header1({ messageId: 100 }), flow(1)]);
    await program.until(() => program.lines.length === 1, 'a line');
    await first.socket.unbind(first.url);
    first.socket.close();
    const second = await publisher('bind', first.url);
    await second.ready;
    await second.socket.send([header1({ messageId: 1 }), flow(2)]);
    await program.until(() => program.lines.length === 2, 'another line');
    const [source] = (await (await fetch(`http://${program.status}/sources`)).json()) as [Record<string, unknown>];
    expect(source['counters']).toMatchObject({ restarts: 1, messagesLost: 0 });
  });

  it.each(['bind', 'connect'] as const)('takes feeds encrypted for its key that %s', async (how) => {
    const file = join(directory, `key-${how}`);
    const feedUrl = `tcp://127.0.0.1:${await freePort()}`;
    const program = await listen(
      how === 'bind' ? feedUrl : 'tcp://127.0.0.1:0c',
      '--zmq-encryption-key-priv',
      `@${file}`,
    );
    expect(statSync(file).mode & 0o777).toBe(0o600);
    const { publicKey } = program.log.find(({ event }) => event === 'started') as LogLine;
    const wrong = await publisher(how, how === 'bind' ? feedUrl : boundUrl(program), curveKeyPair().publicKey);
    await program.logged('handshake_refused');
    if (how === 'bind') await wrong.socket.unbind(feedUrl);
    wrong.socket.close();
    const feed = await publisher(how, how === 'bind' ? feedUrl : boundUrl(program), String(publicKey));
    if (how === 'bind') {
      // Like ntopng's, such a socket does not call again a feed that it once could not understand.
      // A key may begin with a dash.
      const again = await listen(feedUrl, `--zmq-encryption-key-priv=${readFileSync(file, 'utf8').trim()}`);
      await feed.ready;
      await feed.socket.send([header1(), flow(9)]);
      await again.until(() => again.lines.length === 1, 'a line');
      expect(octetsOf(again)).toEqual([9]);
      return;
    }
    await feed.ready;
    await feed.socket.send([header1(), flow(9)]);
    await program.until(() => program.lines.length === 1, 'a line');
    expect(octetsOf(program)).toEqual([9]);
  });

  it('calls an encrypted feed by its key', async () => {
    const { publicKey, secretKey } = curveKeyPair();
    const socket = new XPublisher({
      linger: 0,
      curveServer: true,
      curvePublicKey: publicKey,
      curveSecretKey: secretKey,
    });
    closing.push(() => socket.close());
    await socket.bind('tcp://127.0.0.1:*');
    const program = await listen(socket.lastEndpoint!, `--zmq-encryption-key=${publicKey}`);
    await subscribed(socket);
    await socket.send([header1(), flow(8)]);
    await program.until(() => program.lines.length === 1, 'a line');
  });

  it.skipIf(!hasPythonZmq).each(['bind', 'connect'] as const)(
    'hears a publisher in Python that can %s',
    async (how) => {
      const url = `tcp://127.0.0.1:${await freePort()}`;
      const key = how === 'connect' ? ['--zmq-encryption-key-priv', '8'.repeat(64)] : [];
      const program = await listen(how === 'bind' ? url : `${url}c`, ...key);
      const file = join(directory, 'messages');
      const event = Buffer.from('{"IPV4_LOCAL_ADDR":"10.0.0.1","LOCAL_PROCESS":{"PID":5},"IN_BYTES":2}');
      const messages = [
        [header1(), flow(1)],
        [header0(), event],
        [header3(), flow(3)],
      ];
      writeFileSync(
        file,
        messages.map(([header, body]) => `${header!.toString('hex')} ${body!.toString('hex')}\n`).join(''),
      );
      const started = program.log.find((line) => line.event === 'started') as LogLine;
      const child = spawn(PYTHON, [
        repositoryPath('test/support/ntopng_publisher.py'),
        url,
        how,
        file,
        ...(how === 'connect' ? [String(started['publicKey'])] : []),
      ]);
      closing.push(() => child.kill());
      await program.until(() => program.lines.length === 3, 'three lines');
      expect(octetsOf(program)).toEqual([1, 2, 3]);
    },
  );

  it.each([
    ['softflowd-netflow9-vlan', []],
    ['softflowd-ipfix-biflow', ['--zmq-header', '3', '--zmq-compress']],
    ['open-vswitch-sflow', ['--zmq-format', 'json', '--zmq-keys', 'named']],
    ['pmacct-ipfix', ['--zmq-payload', 'ndjson']],
  ] as const)('gives from a feed of ours what convert prints: %s', async (name, words) => {
    const capture = repositoryPath(`fixtures/${name}/input.pcap`);
    const program = await listen('tcp://127.0.0.1:0c');
    const printed = await runProgram(['convert', '--records', 'flow', '--json', '-', capture]);
    const lines = printed.stdout
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line) as Record<string, unknown>);
    const sent = await runProgram(['convert', '--zmq', `${boundUrl(program)}c`, ...words, capture]);
    expect(sent).toMatchObject({ code: 0 });
    await program.until(() => flowLines(program).length === lines.length, 'all flows');
    expect(flowLines(program).map(withoutOrigin)).toEqual(
      lines.map((line) => withoutOrigin(words[1] === 'ndjson' ? line : asFeedsTell(line))),
    );
  });

  it('feeds on what it hears', async () => {
    const program = await listen('tcp://127.0.0.1:0c', '--zmq', 'tcp://127.0.0.1:0', '--zmq-format', 'json');
    const started = program.log.find(({ event }) => event === 'started') as LogLine;
    const next = await listen(...(started['zmq'] as string[]));
    await program.until(() => program.log.some(({ event }) => event === 'zmq_subscriber_present'), 'the next one');
    const { socket, ready } = await publisher('connect', boundUrl(program));
    await ready;
    const process = { PID: 5, UID: 6, PROCESS_PATH: '/usr/bin/web' };
    const event = { IPV4_LOCAL_ADDR: '10.0.0.1', EXPORTER_IPV4_ADDRESS: '10.0.0.1', LOCAL_PROCESS: process };
    const counters = { ifIndex: 3, ifInOctets: 4, EXPORTER_IPV4_ADDRESS: '10.0.0.1' };
    await socket.send([header1({ version: 2, sourceId: 1, messageId: 1 }), JSON.stringify(event)]);
    await socket.send([header1({ topic: 'counter', version: 2, sourceId: 1, messageId: 2 }), JSON.stringify(counters)]);
    await socket.send([header1({ topic: 'counter', version: 2, sourceId: 1, messageId: 3 }), '{"ifName":"eth0"}']);
    await socket.send([header1({ sourceId: 1, messageId: 4 }), flow(7)]);
    await next.until(() => next.lines.length === 3, 'three lines');
    const lines = next.lines.map((line) => JSON.parse(line) as Record<string, unknown>);
    expect(lines.find((line) => line['RECORD_TYPE'] === 'event')).toMatchObject({
      EXPORTER_IPV4_ADDRESS: '10.0.0.1',
      IPV4_SRC_ADDR: '10.0.0.1',
      LOCAL_PROCESS: process,
      SRC_PROC_PID: 5,
      SRC_PROC_NAME: '/usr/bin/web',
    });
    expect(lines.find((line) => line['RECORD_TYPE'] === 'counters')).toMatchObject({
      deviceIP: '10.0.0.1',
      ifInOctets: 4,
    });
    expect(lines.find((line) => line['RECORD_TYPE'] === 'flow')).toMatchObject({ IN_BYTES: 7 });
    const metrics = await (await fetch(`http://${program.status}/metrics`)).text();
    expect(metrics).toMatch(/flowrelay_zmq_flows_sent_total\{endpoint="[^"]+"\} 2/);
    // Counters without an interface.
    expect(metrics).toContain('flowrelay_zmq_records_left_out_total{reason="no_message"} 1');
    expect(await (await fetch(`http://${program.status}/health`)).json()).toMatchObject({ zmq: { flowsMade: 2 } });
  });

  it.each([
    [2, ['udp://127.0.0.1:1'], /must be tcp/],
    [2, ['tcp://127.0.0.1:1', '--zmq-encryption-key-priv', 'short'], /--zmq-encryption-key-priv: must be a key/],
    [1, ['tcp://127.0.0.1:1', '--zmq-encryption-key-priv', '#'.repeat(40)], /is no key of 40 characters/],
    [1, ['tcp://127.0.0.1:1', '--zmq-encryption-key', '@/nowhere/key'], /cannot read \/nowhere\/key: ENOENT/],
    [2, [], /which endpoint/],
  ] as const)('ends with code %s for %s', async (code, words, message) => {
    const run = await runProgram(['listen', '--status', 'off', ...words]);
    expect(run).toMatchObject({ code, stdout: '' });
    expect(run.stderr).toMatch(message);
    expect(run.stderr.trim().split('\n')).toHaveLength(1);
  });

  it('says that a port is taken', async () => {
    const program = await listen('tcp://127.0.0.1:0c');
    const run = await runProgram(['listen', '--status', 'off', `${boundUrl(program)}c`]);
    expect(run.code).toBe(1);
    expect(run.stderr).toMatch(/^flowrelay: cannot listen on tcp:\/\/127\.0\.0\.1:\d+: address already in use\n$/);
  });
});
