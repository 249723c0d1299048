/** A stock ntopng is the judge: what it lists of the flows it was sent is what the lines say of them. */

import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { isDeepStrictEqual } from 'node:util';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { curveKeyPair, XPublisher } from 'zeromq';
import { hex } from '../support/capture-builder.ts';
import { laterCapture } from '../support/capture-times.ts';
import { CORPORA, decodeCapture, hasCorpora, skipVisibly } from '../support/conformance-capture.ts';
import { freePorts } from '../support/free-port.ts';
import { dataSet, type Field, message, optionsTemplateSet, templateSet, VARIABLE } from '../support/ipfix-message.ts';
import { Ntopng, type NtopngFlow, ntopngObstacle } from '../support/ntopng.ts';
import { FLOW_FIELDS, flowOctets, ntop, variableText as text } from '../support/ntopng-exports.ts';
import { type FlowLine, isShowable, listedFlow, type ModelledFlow, modelledFlows } from '../support/ntopng-model.ts';
import { buildProgram, RunningProgram, runProgram } from '../support/program.ts';
import { UdpExporter } from '../support/udp-exporter.ts';
import { joined, type Octets, u16, u32 } from '../support/wire-octets.ts';

/** What ntopng keeps of a counter in one record: more comes in several. */
const MAX_COUNTER = 0xffff_ffff;
const PORTS_BY_APPLICATION: readonly (readonly [application: string, port: string])[] = [
  ['TLS', '443'],
  ['HTTP', '80'],
  ['DNS', '53'],
];

/** A capture of each protocol; all its flows end within a minute of each other, after which ntopng forgets them. */
const CAPTURES = [
  ['NetFlow v5', 'export/generated/softflowd-v5.pcap'],
  ['NetFlow v9', 'export/generated/softflowd-v9.pcap'],
  ['IPFIX, both directions in a record', 'export/generated/softflowd-ipfix-biflow-ms.pcap'],
  ['sFlow', 'export/generated/ovs-sflow.pcap'],
] as const;

const obstacle = hasCorpora ? ntopngObstacle() : 'the captures are not on this machine';

let directory = '';
const ntopngs: Ntopng[] = [];
const programs: RunningProgram[] = [];

async function startNtopng(endpoint: string, ...options: readonly string[]): Promise<Ntopng> {
  const ntopng = await Ntopng.start(endpoint, ...options);
  ntopngs.push(ntopng);
  return ntopng;
}

async function collect(...words: readonly string[]): Promise<RunningProgram> {
  const program = await RunningProgram.collect(['--json', '/dev/null', ...words]);
  programs.push(program);
  return program;
}

/** The capture with flows that have just ended, and its lines. */
async function recentCapture(path: string): Promise<{ file: string; lines: FlowLine[] }> {
  const flows = decodeCapture(path).lines.filter(({ ntop }) => isShowable(ntop));
  const times = (key: string): number[] => flows.map(({ ntop }) => Number(ntop[key]));
  const range = {
    earliestMs: Math.min(...times('FLOW_START_MILLISECONDS')),
    latestMs: Math.max(...times('FLOW_END_MILLISECONDS')),
  };
  const seconds = Math.floor((Date.now() - range.latestMs) / 1000);
  const file = join(directory, path.replaceAll('/', '-'));
  writeFileSync(file, laterCapture(readFileSync(join(CORPORA, path)), range, seconds));
  const { stdout } = await runProgram(['convert', file]);
  const lines = stdout
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => JSON.parse(line) as FlowLine);
  return { file, lines };
}

type Comparable = Pick<ModelledFlow, 'octets' | 'firstSeen' | 'lastSeen'> & { readonly exporters: readonly string[] };

function comparable({ octets, firstSeen, lastSeen, exporters }: Omit<ModelledFlow, 'packets'>): Comparable {
  return { octets, firstSeen, lastSeen, exporters: [...exporters] };
}

/** What is listed, by the flow's key. */
function listed(flows: readonly NtopngFlow[]): Record<string, Comparable> {
  return Object.fromEntries(flows.map((flow) => [listedFlow(flow).key, comparable(listedFlow(flow))]));
}

/** What one peer of a flow says of its process. */
interface Peer {
  readonly process: number;
  readonly path: string;
  readonly user: string;
  readonly father: number;
  readonly fatherPath: string;
  readonly container: string;
}

/** Elements of ntop's for process, path, user id, user, father, its path, and container, of each peer. */
const PROCESS_FIELDS: readonly Field[] = [
  [168, 169, 425, 372, 373, 374, 558],
  [375, 376, 426, 377, 378, 379, 559],
].flatMap(([process = 0, path = 0, userId = 0, user = 0, father = 0, fatherPath = 0, container = 0]) => [
  ntop(process, 4),
  ntop(path, VARIABLE),
  ntop(userId, 4),
  ntop(user, VARIABLE),
  ntop(father, 4),
  ntop(fatherPath, VARIABLE),
  ntop(container, VARIABLE),
]);

function processOctets({ process, path, user, father, fatherPath, container }: Peer): Octets {
  return joined(u32(process), text(path), u32(1000), text(user), u32(father), text(fatherPath), text(container));
}

const CLIENT: Peer = {
  process: 4321,
  path: '/usr/bin/curl',
  user: 'alice',
  father: 4300,
  fatherPath: '/usr/bin/bash',
  container: 'c11e27c0ffee',
};
const SERVER: Peer = {
  process: 765,
  path: '/usr/sbin/nginx',
  user: 'www-data',
  father: 760,
  fatherPath: '/usr/bin/containerd-shim',
  container: '5e12be7a11ed',
};

/** Digits of Z85 (ZeroMQ RFC 32). */
const Z85 = '0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ.-:+=^!/*?&<>()[]{}@%$#';

/** A text of Z85 as hexadecimal digits: five of its digits are four octets. */
function hexadecimalKey(text: string): string {
  const words = text.match(/.{5}/g) ?? [];
  const values = words.map((word) => [...word].reduce((value, digit) => value * 85 + Z85.indexOf(digit), 0));
  return values.map((value) => value.toString(16).padStart(8, '0')).join('');
}

/** Cell behind the one that begins with `title`. */
function cellsAfter(page: readonly string[], title: string, count: number): string[] {
  const at = page.indexOf(title);
  return at < 0 ? [] : page.slice(at + 1, at + 1 + count);
}

if (obstacle !== undefined) skipVisibly(obstacle);
else
  describe('ntopng', () => {
    beforeAll(() => {
      buildProgram();
      directory = mkdtempSync(join(tmpdir(), 'flowrelay-ntopng-captures-'));
    });

    afterAll(async () => {
      await Promise.all(programs.map((program) => program.stop()));
      await Promise.all(ntopngs.map((ntopng) => ntopng.stop()));
      rmSync(directory, { recursive: true, force: true });
    });

    it.concurrent('shows a message written by hand: the judge is awake', async () => {
      const [port = 0] = await freePorts(1);
      const publisher = new XPublisher({ linger: 0 });
      publisher.connect(`tcp://127.0.0.1:${port}`);
      const ntopng = await startNtopng(`tcp://127.0.0.1:${port}c`);
      for (let topic = ''; topic !== 'flow'; ) topic = (await publisher.receive())[0]!.toString('latin1', 1);
      const now = Math.floor(Date.now() / 1000)
        .toString(16)
        .padStart(8, '0');
      // Topic, version 3, source 7, size, message 1.
      const header = hex(`${'666c6f77'.padEnd(32, '0')} 03 07 0000 00000001`);
      // IN_BYTES 1000, IN_PKTS 2, PROTOCOL 17, ports 1000 and 1001, addresses, FIRST_SWITCHED, LAST_SWITCHED.
      const ports = '23 01 03e8  22 02 02  22 04 11  23 07 03e8  23 0b 03e9';
      const addresses = '24 08 0a000001  24 0c 0a000002';
      const record = hex(`0101 ${ports} ${addresses} 24 16 ${now} 24 15 ${now} 01`);
      await publisher.send([header, record]);
      const [flow] = await ntopng.until(async () => {
        const flows = await ntopng.flows();
        return flows.length > 0 && flows;
      }, 'flow');
      expect(flow?.client).toMatchObject({ ip: '10.0.0.1', port: 1000 });
      expect(flow?.server).toMatchObject({ ip: '10.0.0.2', port: 1001 });
      expect(flow?.bytes).toEqual({ total: 1000, cli_bytes: 1000, srv_bytes: 0 });
      expect(ntopng.complaints).toEqual([]);
      await publisher.send([joined(header, header), hex('0101ff')]);
      await ntopng.until(async () => ntopng.complaints.length > 0, 'complaint about a wrong message');
      publisher.close();
    });

    for (const [protocol, path] of CAPTURES) {
      it.concurrent(`lists every flow of ${protocol}`, async () => {
        const [port] = await freePorts(1);
        const endpoint = `tcp://127.0.0.1:${port}c`;
        const ntopng = await startNtopng(endpoint);
        const { file, lines } = await recentCapture(path);
        const expected = modelledFlows(lines);
        const run = await runProgram(['convert', file, '--json', '/dev/null', '--zmq', endpoint]);
        expect(run.code, run.stderr).toBe(0);
        const wanted = Object.fromEntries([...expected].map(([key, flow]) => [key, comparable(flow)]));
        const isThere = async () => {
          const flows = await ntopng.flows();
          return isDeepStrictEqual(listed(flows), wanted) && flows;
        };
        const flows = await ntopng.until(isThere, 'flows', 30_000).catch(() => ntopng.flows());
        expect(listed(flows)).toEqual(wanted);
        for (const [application, known] of PORTS_BY_APPLICATION) {
          for (const flow of flows.filter(({ server }) => String(server.port) === known)) {
            expect(flow.application.name).toBe(application);
          }
        }
        for (const flow of flows.slice(0, 20)) {
          const { ends, packets, octets } = expected.get(listedFlow(flow).key)!;
          const isForward = ends[0] === `${flow.client.ip} ${flow.client.port}`;
          const [out, back] = isForward ? ([0, 1] as const) : ([1, 0] as const);
          expect(await ntopng.counters(flow)).toMatchObject({
            'cli2srv.packets': packets[out],
            'srv2cli.packets': packets[back],
            'cli2srv.bytes': octets[out],
            'srv2cli.bytes': octets[back],
          });
        }
        expect(ntopng.complaints).toEqual([]);
      });
    }

    it.concurrent('shows processes, containers, the probe, exporters, and names of interfaces and applications', async () => {
      const [port] = await freePorts(1);
      const endpoint = `tcp://127.0.0.1:${port}`;
      const program = await collect('--zmq', endpoint);
      const ntopng = await startNtopng(endpoint);
      await program.logged('zmq_subscriber_present');
      const exporter = await UdpExporter.open(program.port);
      const exportTime = Math.floor(Date.now() / 1000);
      const rich = templateSet(300, [...FLOW_FIELDS, ...PROCESS_FIELDS]);
      const plain = templateSet(301, [...FLOW_FIELDS, ntop(118, 2)]);
      const names = optionsTemplateSet(302, [[10, 4]], [[82, VARIABLE]]);
      const applications = optionsTemplateSet(303, [[95, 4]], [[96, VARIABLE]]);
      const sets = [
        rich,
        plain,
        names,
        applications,
        dataSet(302, joined(u32(3), text('ge-0/0/3')), joined(u32(4), text('ge-0/0/4'))),
        dataSet(303, joined(Uint8Array.of(13, 0, 1, 2), text('frobnicate'))),
        dataSet(
          300,
          joined(flowOctets({ host: 1, ports: [40_001, 8080] }), processOctets(CLIENT), processOctets(SERVER)),
        ),
        // The client has the lower port: the flags keep the sides.
        dataSet(301, joined(flowOctets({ host: 2, ports: [1024, 40_002] }), u16(5))),
        dataSet(301, joined(flowOctets({ host: 3, ports: [40_003, 443], octets: [5_000_000_000, 7] }), u16(0))),
      ];
      await exporter.send(message(sets, { exportTime }));
      const flows = await ntopng.until(async () => {
        const found = await ntopng.flows();
        return found.length >= 3 && found.every(({ bytes }) => bytes.cli_bytes !== MAX_COUNTER) && found;
      }, 'flows');
      const byHost = (host: number): NtopngFlow => flows.find(({ client }) => client.ip === `10.1.0.${host}`)!;

      const first = byHost(1);
      expect(first.client).toMatchObject({
        ip: '10.1.0.1',
        port: 40_001,
        process: { pid: 4321, name: '/usr/bin/curl' },
        container: { id: 'c11e27c0ffee' },
      });
      expect(first.server).toMatchObject({
        ip: '10.2.0.1',
        port: 8080,
        process: { pid: 765, name: '/usr/sbin/nginx' },
        container: { id: '5e12be7a11ed' },
      });
      expect(first.bytes).toEqual({ total: 66_666, cli_bytes: 12_345, srv_bytes: 54_321 });
      expect(first.last_seen - first.first_seen).toBe(5);
      expect(first.flow_exporter).toMatchObject({
        device: { ip: '127.0.0.1' },
        in_port: { index: 3 },
        out_port: { index: 4 },
      });
      const page = await ntopng.flowPage(first);
      for (const [title, peer] of [
        ['Client Process Information', CLIENT],
        ['Server Process Information', SERVER],
      ] as const) {
        const cells = cellsAfter(page, title, 12).join(' ');
        expect(cells).toContain(`User Name ${peer.user}`);
        expect(cells).toContain(`${peer.path} [PID: ${peer.process}]`);
        expect(cells).toContain(peer.fatherPath);
        expect(cells).toContain(`PID: ${peer.father}`);
        expect(cells).toContain(`Container ${peer.container}`);
      }

      expect(byHost(2)).toMatchObject({
        client: { port: 1024 },
        server: { ip: '10.2.0.2', port: 40_002 },
        application: { name: 'DNS' },
      });
      // More octets than 32 bits hold.
      expect(byHost(3)).toMatchObject({
        bytes: { total: 5_000_000_007, cli_bytes: 5_000_000_000, srv_bytes: 7 },
        application: { name: 'TLS' },
      });

      const containers = await ntopng.page('get_containers_data.lua?ifid=0');
      expect(containers).toContain(CLIENT.container);
      expect(containers).toContain(SERVER.container);

      const [probe] = await ntopng.until(async () => {
        const probes = await ntopng.rest<Record<string, unknown>[]>('interface/nprobes/data.lua?ifid=0');
        return Number(probes[0]?.['exported_flows'] ?? 0) >= 3 && probes;
      }, 'probe');
      const { version } = JSON.parse(readFileSync(new URL('../../package.json', import.meta.url), 'utf8')) as {
        version: string;
      };
      expect(probe).toMatchObject({
        probe_version: expect.stringContaining(version) as string,
        flow_exporters: 1,
        exported_flows: 3,
        dropped_packets: 0,
        dropped_flows: 0,
      });
      const data = await ntopng.rest<Record<string, unknown>>('interface/data.lua?ifid=0');
      expect(data).toMatchObject({
        'zmq.drops.flow_collection_drops': 0,
        'zmq.drops.export_queue_full': 0,
        zmqRecvStats: { zmq_msg_drops: 0, dropped_flows: 0 },
      });

      const ifNames = await ntopng.until(async () => {
        const found = ntopng.redis('get', 'cachedexporters.127.0.0.1.ifnames');
        return found.length > 0 && found;
      }, 'interface names');
      expect(JSON.parse(ifNames.join(''))).toEqual({ 3: 'ge-0/0/3', 4: 'ge-0/0/4' });
      const keys = ntopng.redis('keys', '*field_value_map*');
      const values = keys.flatMap((key) => ntopng.redis('hgetall', key));
      expect(values.join(' ')).toContain('frobnicate');

      // It goes on where it is after the sender has been away, and counts nothing as lost.
      expect((await program.stop()).code).toBe(0);
      const again = await collect('--zmq', endpoint);
      const other = await UdpExporter.open(again.port);
      await other.send(message([plain], { exportTime }));
      await ntopng.until(async () => {
        await other.send(
          message([dataSet(301, joined(flowOctets({ host: 9, ports: [40_009, 443] }), u16(0)))], { exportTime }),
        );
        await sleep(300);
        return (await ntopng.flows()).some(({ client }) => client.ip === '10.1.0.9');
      }, 'flow after a restart');
      const later = await ntopng.rest<{ zmqRecvStats: unknown }>('interface/data.lua?ifid=0');
      expect(later.zmqRecvStats).toMatchObject({ zmq_msg_drops: 0, dropped_flows: 0 });
      expect(ntopng.complaints).toEqual([]);
      await exporter.close();
      await other.close();
    });

    async function sendFlow(program: RunningProgram, host: number): Promise<void> {
      const exporter = await UdpExporter.open(program.port);
      const exportTime = Math.floor(Date.now() / 1000);
      const sets = [templateSet(301, FLOW_FIELDS), dataSet(301, flowOctets({ host }))];
      await exporter.send(message(sets, { exportTime }));
      await exporter.close();
    }

    /** Sends a flow until it is shown. */
    function sendUntilShown(program: RunningProgram, ntopng: Ntopng, host: number): Promise<boolean> {
      return ntopng.until(async () => {
        await sendFlow(program, host);
        await sleep(300);
        return (await ntopng.flows()).some(({ client }) => client.ip === `10.1.0.${host}`);
      }, 'encrypted flow');
    }

    it.concurrent('that calls reads a feed encrypted with its key in hexadecimal', async () => {
      const [port] = await freePorts(1);
      const endpoint = `tcp://127.0.0.1:${port}`;
      const ntopng = await startNtopng(endpoint, '--zmq-encryption');
      const program = await collect('--zmq', endpoint, '--zmq-encryption-key', hexadecimalKey(ntopng.publicKey));
      await sendUntilShown(program, ntopng, 7);
      expect(ntopng.complaints).toEqual([]);
    });

    it.concurrent('that binds takes nothing from a feed with another key or none, and reads one with its key from a file', async () => {
      const [port] = await freePorts(1);
      const endpoint = `tcp://127.0.0.1:${port}c`;
      const ntopng = await startNtopng(endpoint, '--zmq-encryption');
      // A key may begin with a dash.
      const wrong = [[`--zmq-encryption-key=${curveKeyPair().publicKey}`], []];
      const refused = await Promise.all(wrong.map((flags) => collect('--zmq', endpoint, ...flags)));
      const reasons = [/encryption keys do not match/, /may want encryption/];
      for (const [i, program] of refused.entries()) {
        const { message } = await program.logged('zmq_handshake_refused');
        expect(message).toMatch(reasons[i]!);
        await sendFlow(program, 8);
      }
      const file = join(directory, 'zmq-key.pub');
      writeFileSync(file, `${ntopng.publicKey}\n`);
      const program = await collect('--zmq', endpoint, '--zmq-encryption-key', `@${file}`);
      await sendUntilShown(program, ntopng, 9);
      expect((await ntopng.flows()).map(({ client }) => client.ip)).toEqual(['10.1.0.9']);
      for (const { log } of refused) expect(log.filter(({ event }) => event.startsWith('zmq_'))).toHaveLength(1);
      expect(ntopng.complaints).toEqual([]);
    });
  });
