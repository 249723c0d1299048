import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import { existsSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { get } from 'node:http';
import { createServer, type Server, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { freePort } from '../support/free-port.ts';
import { v5Datagram, v5Record } from '../support/netflow5-message.ts';
import { buildProgram, RunningProgram, repositoryPath, runProgram } from '../support/program.ts';

const CAPTURE = repositoryPath('fixtures/softflowd-netflow9/input.pcap');
const directory = mkdtempSync(join(tmpdir(), 'flowrelay-export-'));

beforeAll(buildProgram);
afterAll(() => rmSync(directory, { recursive: true }));

function path(name: string): string {
  return join(directory, name);
}

async function convertTo(...words: string[]) {
  return runProgram(['convert', CAPTURE, ...words]);
}

async function flowsOf(file: string): Promise<Record<string, unknown>[]> {
  const { stdout } = await runProgram(['convert', file, '--records', 'flow']);
  return stdout
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => JSON.parse(line) as Record<string, unknown>);
}

/** A TCP server on a free port, or on `port`. */
async function listen(onConnection: (socket: Socket) => void, port = 0): Promise<{ server: Server; port: number }> {
  const server = createServer(onConnection);
  server.listen(port, '127.0.0.1');
  await once(server, 'listening');
  return { server, port: (server.address() as { port: number }).port };
}

/** Settles when the first connection of a server has ended, and all that came by it was read. */
function ended(server: Server): Promise<unknown> {
  return new Promise((resolve) => server.once('connection', (socket: Socket) => socket.once('close', resolve)));
}

/** The metrics of a running program by name and labels. */
async function metrics(program: RunningProgram): Promise<Map<string, number>> {
  const text = await new Promise<string>((resolve, reject) => {
    get(`http://${program.status}/metrics`, (response) => {
      let body = '';
      response.on('data', (part: Buffer) => {
        body += part.toString();
      });
      response.on('end', () => resolve(body));
    }).on('error', reject);
  });
  return new Map(
    text
      .split('\n')
      .filter((line) => line !== '' && !line.startsWith('#'))
      .map((line) => [line.slice(0, line.lastIndexOf(' ')), Number(line.slice(line.lastIndexOf(' ')))]),
  );
}

/** Sends datagrams of 30 flows to a collector. */
async function sendFlows(program: RunningProgram, datagrams: number): Promise<void> {
  const socket = createSocket('udp4');
  const records = new Array(30).fill(v5Record());
  for (let i = 0; i < datagrams; i++) {
    const datagram = v5Datagram(records, { sequence: 30 * i });
    await new Promise((resolve) => socket.send(datagram, program.port, '127.0.0.1', resolve));
    if (i % 50 === 49) await sleep(5);
  }
  socket.close();
}

describe('export to a file', () => {
  it('is an IPFIX file, to which a second run adds', async () => {
    const file = path('twice.ipfix');
    const { stdout } = await convertTo('--export', file);
    expect(stdout).toBe('');
    const { size } = statSync(file);
    await convertTo('--export', file);
    expect(statSync(file).size).toBe(2 * size);
    expect(readFileSync(file).readUInt16BE(0)).toBe(10);
    expect(await flowsOf(file)).toHaveLength(54);
  });

  it('goes beside lines', async () => {
    const { stdout } = await convertTo('--export', path('beside.ipfix'), '--json', '-');
    expect(stdout.split('\n')).toHaveLength(29);
  });

  it('spoils no file that is something else', async () => {
    const file = path('notes.txt');
    writeFileSync(file, 'my notes');
    const { code, stderr } = await convertTo('--export', file);
    expect([code, stderr]).toEqual([
      1,
      `flowrelay: cannot write ${file}: it holds something else than IPFIX Messages\n`,
    ]);
    expect(readFileSync(file, 'utf8')).toBe('my notes');
  });

  it.skipIf(!existsSync('/dev/full'))('fails where the disk is full', async () => {
    const { code, stderr } = await convertTo('--export', '/dev/full');
    expect(code).toBe(1);
    expect(stderr).toContain('flowrelay: cannot write /dev/full: ENOSPC\n');
  });

  it('is one of several that share the flows', async () => {
    const files = [path('a.ipfix'), path('b.ipfix')];
    await convertTo('--export', files[0]!, '--export', files[1]!, '--export-balance');
    const flows = await Promise.all(files.map(flowsOf));
    expect(flows[0]!.length + flows[1]!.length).toBe(27);
    expect(Math.min(flows[0]!.length, flows[1]!.length)).toBeGreaterThan(3);
    // Both directions of a conversation go the same way.
    const peers = flows.map(
      (each) =>
        new Set(
          each.map((flow) =>
            [flow['IPV4_SRC_ADDR'], flow['IPV4_DST_ADDR'], flow['L4_SRC_PORT'], flow['L4_DST_PORT']].sort().join(),
          ),
        ),
    );
    expect([...peers[0]!].filter((key) => peers[1]!.has(key))).toEqual([]);
  });
});

describe('the fields of an export', () => {
  it('are those of a file, in the octets it gives them', async () => {
    const template = path('own.json');
    const fields = [{ name: 'IN_BYTES', length: 2 }, { id: 4 }, { name: 'applicationName', length: 'variable' }];
    writeFileSync(template, JSON.stringify({ description: 'own', templates: [{ fields }] }));
    const file = path('own.ipfix');
    await convertTo('--export', file, '--template', template, '--export-options=false');
    // Version, length and so on; then a Template Set with Template 272.
    const octets = readFileSync(file);
    expect(octets.subarray(16, 36).toString('hex')).toBe('00020014011000030001000200040001' + '0060ffff');
    const flows = await flowsOf(file);
    const bytes = (each: readonly Record<string, unknown>[]): unknown[] => each.map((flow) => flow['IN_BYTES']);
    expect(bytes(flows)).toEqual(bytes(await flowsOf(CAPTURE)).map((value) => Math.min(Number(value), 65_535)));
  });

  it.each([
    [[{ name: 'IN_BYTES', length: 9 }], 'IN_BYTES: has at most 8 octets'],
    [[{ name: 'IPV4_SRC_ADDR', length: 3 }], 'IPV4_SRC_ADDR: has 4 octets'],
    [[{ name: 'IN_BYTES', length: 'variable' }], 'IN_BYTES: has 8 octets, not a variable number'],
    [[{ length: 4 }], 'a field needs a name or an id'],
    [[{ id: 32_000 }], 'no Information Element has id 32000 of enterprise 0'],
    [[], 'file/templates/0/fields must NOT have fewer than 1 items'],
  ])('of a file like %j are refused', async (fields, said) => {
    const template = path('wrong.json');
    writeFileSync(template, JSON.stringify({ templates: [{ fields }] }));
    const { code, stderr } = await convertTo('--export', path('wrong.ipfix'), '--template', template);
    expect([code, stderr]).toEqual([2, `flowrelay: --template ${template}: ${said}\n`]);
  });

  it.each(['default', 'ntopng', 'process', 'nat'])('are those of %s', async (name) => {
    const { templates } = JSON.parse(readFileSync(repositoryPath(`templates/${name}.json`), 'utf8')) as {
      templates: { fields: { name: string }[] }[];
    };
    const file = path(`${name}.ipfix`);
    await convertTo('--export', file, '--template', name, '--export-options=false');
    // Field Count of the first Template.
    expect(readFileSync(file).readUInt16BE(22)).toBe(templates[0]!.fields.length);
    expect(await flowsOf(file)).toHaveLength(27);
  });
});

describe('export that cannot be', () => {
  const file = join(tmpdir(), 'flowrelay-none.ipfix');
  it.each([
    [['--export', 'sctp://127.0.0.1:9995'], 'sctp://127.0.0.1:9995'],
    [['--export', 'udp://127.0.0.1:99999'], '--export: has no port up to 65535: udp://127.0.0.1:99999'],
    [['--export', file, '--export', file], `--export: names ${file} twice`],
    [['--export', file, '--export-version', '9'], `--export ${file}: NetFlow goes over UDP alone`],
    [
      ['--export', 'tcp://127.0.0.1:1', '--export-version', '5'],
      '--export tcp://127.0.0.1:1: NetFlow goes over UDP alone',
    ],
    [
      ['--export', 'udp://127.0.0.1:1', '--export-version', '5', '--template', 'default'],
      '--export-version 5: has one form of record',
    ],
    [
      ['--export', file, '--template', 'none-such'],
      '--template none-such: is no file that can be read (ENOENT) and none of default, nat, ntopng, process',
    ],
    [
      ['--export', file, '--template-fields', '%NONE_SUCH'],
      '--template-fields: no Information Element is called NONE_SUCH',
    ],
    [['--export', file, '--template-fields', 'IN_BYTES'], '--template-fields: must be %NAME %NAME…, not IN_BYTES'],
    [
      ['--export', file, '--template-fields', '@NONE@'],
      '--template-fields: @NONE@ is none of default, nat, ntopng, process',
    ],
    [
      ['--export', file, '--template', 'default', '--template-fields', '%IN_BYTES'],
      '--template-fields: cannot be given together with --template',
    ],
    [['--export', file, '--template', repositoryPath('package.json')], '--template'],
  ])('%j is one line and exit code 2', async (words, said) => {
    const { code, stderr } = await convertTo(...words);
    expect(stderr).toContain(
      `flowrelay: ${words.includes('sctp://127.0.0.1:9995') ? '--export: must be udp://HOST:PORT, tcp://HOST:PORT or a file, not' : said}`,
    );
    expect([code, stderr.trim().split('\n').length]).toEqual([2, 1]);
    expect(existsSync(file)).toBe(false);
  });

  it('is one line and exit code 1 where nobody takes the connection', async () => {
    const port = await freePort();
    const { code, stderr } = await convertTo('--export', `tcp://127.0.0.1:${port}`);
    expect([code, stderr]).toEqual([1, `flowrelay: cannot export to tcp://127.0.0.1:${port}: ECONNREFUSED\n`]);
  });

  it('is counted where nobody takes the datagrams', async () => {
    const port = await freePort();
    const { code, stderr } = await convertTo('--export', `udp://127.0.0.1:${port}`, '--export-mtu', '576');
    expect(code).toBe(1);
    expect(stderr).toMatch(/\d+ flows not exported: refused/);
  });
});

describe('export to a TCP collector', () => {
  it('waits for a slow one, and ends with all sent', async () => {
    const octets: Buffer[] = [];
    const { server, port } = await listen((socket) => {
      socket.pause();
      socket.on('data', (part: Buffer) => octets.push(part));
      setTimeout(() => socket.resume(), 500);
    });
    const over = ended(server);
    const { code } = await convertTo('--export', `tcp://127.0.0.1:${port}`);
    expect(code).toBe(0);
    await over;
    server.close();
    writeFileSync(path('stream.ipfix'), Buffer.concat(octets));
    expect(await flowsOf(path('stream.ipfix'))).toHaveLength(27);
  });

  it('is taken up again with its Templates when it comes back', async () => {
    const first = await listen((socket) => socket.destroy(), await freePort());
    const url = `tcp://127.0.0.1:${first.port}`;
    const program = await RunningProgram.collect(['--export', url]);
    await program.logged('export_disconnected');
    await new Promise((resolve) => first.server.close(resolve));
    await sendFlows(program, 2);
    const name = `flowrelay_export_flows_dropped_total{endpoint="${url}",reason="disconnected"}`;
    await expect.poll(async () => (await metrics(program)).get(name)).toBe(60);
    const connections = program.log.filter(({ event }) => event === 'export_connected').length;
    const octets: Buffer[] = [];
    const { server } = await listen((socket) => socket.on('data', (part: Buffer) => octets.push(part)), first.port);
    const over = ended(server);
    await program.logged('export_connected', connections + 1);
    await sendFlows(program, 3);
    const { code } = await program.stop();
    expect(code).toBe(0);
    await over;
    server.close();
    const file = path('again.ipfix');
    writeFileSync(file, Buffer.concat(octets));
    const { stdout, stderr } = await runProgram(['convert', file, '--records', 'flow', '--verbose']);
    expect(stderr).not.toMatch(/faults|never came/);
    expect(stdout.trim().split('\n')).toHaveLength(90);
    const [stopped] = program.log.filter(({ event }) => event === 'stopped');
    const [status] = (stopped?.['export'] ?? []) as {
      flowsOffered: number;
      flowsSent: number;
      dropped: { disconnected: { flows: number } };
    }[];
    expect(status!.flowsSent).toBe(90);
    expect(status!.flowsOffered).toBe(status!.flowsSent + status!.dropped.disconnected.flows);
  });

  it('drops and counts what one does not take, while the lines go on', async () => {
    const { server, port } = await listen((socket) => socket.pause());
    const lines = path('lines.json');
    const program = await RunningProgram.collect(['--export', `tcp://127.0.0.1:${port}`, '--json', lines]);
    await program.logged('export_connected');
    // More than kernels keep for a reader that does not read.
    let isFull = false;
    for (const endMs = Date.now() + 60_000; !isFull && Date.now() < endMs; ) {
      await sendFlows(program, 2000);
      isFull = program.log.some(({ event }) => event === 'export_drops_began');
    }
    expect(isFull).toBe(true);
    const found = await metrics(program);
    const value = (name: string, reason = ''): number =>
      found.get(`flowrelay_export_${name}{endpoint="tcp://127.0.0.1:${port}"${reason}}`) ?? Number.NaN;
    expect(value('messages_dropped_total', ',reason="queue_full"')).toBeGreaterThan(0);
    let dropped = 0;
    for (const [name, count] of found) if (name.startsWith('flowrelay_export_messages_dropped_total')) dropped += count;
    expect(value('messages_offered_total')).toBe(value('messages_sent_total') + value('messages_queued') + dropped);
    const { code } = await program.stop();
    expect(code).toBe(0);
    server.close();
    const [stopped] = program.log.filter(({ event }) => event === 'stopped');
    expect(stopped?.['linesWritten']).toBe(stopped?.['flows']);
  });
});

describe("export of what ntop's feeds bring", () => {
  it('is the flows they bring', async () => {
    const [endpoint, file] = [`tcp://127.0.0.1:${await freePort()}`, path('feed.ipfix')];
    const program = await RunningProgram.start('listen', [endpoint, '--status', '127.0.0.1:0', '--export', file]);
    const { code, stderr } = await convertTo('--zmq', endpoint);
    expect([code, stderr]).toEqual([0, '']);
    const name = `flowrelay_export_flows_sent_total{endpoint="${file}"}`;
    await expect.poll(async () => (await metrics(program)).get(name)).toBe(27);
    await program.stop();
    const sums = (flows: readonly Record<string, unknown>[]): number[] =>
      ['IN_BYTES', 'IN_PKTS', 'L4_DST_PORT'].map((key) => flows.reduce((sum, flow) => sum + Number(flow[key]), 0));
    expect(sums(await flowsOf(file))).toEqual(sums(await flowsOf(CAPTURE)));
  });
});

describe('export to a UDP collector', () => {
  it('keeps to a rate, and ends with all sent', async () => {
    const socket = createSocket('udp4').bind(0, '127.0.0.1');
    await once(socket, 'listening');
    let datagrams = 0;
    socket.on('message', () => {
      datagrams++;
    });
    const startMs = Date.now();
    const words = [
      '--export',
      `udp://127.0.0.1:${socket.address().port}`,
      '--export-mtu',
      '576',
      '--export-rate',
      '20',
    ];
    const { code, stderr } = await convertTo(...words, '--verbose');
    const sent = Number(/exported in (\d+) messages/.exec(stderr)?.[1]);
    expect(code).toBe(0);
    await expect.poll(() => datagrams).toBe(sent);
    expect(datagrams).toBeGreaterThan(3);
    // The first goes at once.
    expect(Date.now() - startMs).toBeGreaterThanOrEqual((datagrams - 2) * 50);
    socket.close();
  });

  it('sends Templates again to one that was away', async () => {
    const port = await freePort();
    const program = await RunningProgram.collect(['--export', `udp://127.0.0.1:${port}`]);
    const figure = async (name: string): Promise<number> =>
      (await metrics(program)).get(`flowrelay_export_${name}{endpoint="udp://127.0.0.1:${port}"}`)!;
    /** Has four messages of flows made, each in a turn of its own. */
    const sendMessages = async (): Promise<void> => {
      for (let i = 0; i < 4; i++) {
        const before = await figure('flows_offered_total');
        await sendFlows(program, 1);
        await expect.poll(() => figure('flows_offered_total')).toBe(before + 30);
        await expect.poll(() => figure('messages_queued')).toBe(0);
      }
    };
    await sendMessages();
    await program.logged('export_drops_began');
    const messages: Buffer[] = [];
    const back = createSocket('udp4').bind(port, '127.0.0.1');
    back.on('message', (message: Buffer) => messages.push(message));
    await once(back, 'listening');
    const before = await figure('messages_sent_total');
    await sendMessages();
    const sent = (await figure('messages_sent_total')) - before;
    await program.stop();
    // One more may come at the end.
    await expect.poll(() => messages.length).toBeGreaterThanOrEqual(sent);
    back.close();
    writeFileSync(path('back.ipfix'), Buffer.concat(messages));
    expect(await flowsOf(path('back.ipfix'))).toHaveLength(120);
  });
});
