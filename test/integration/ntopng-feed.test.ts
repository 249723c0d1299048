/** One stock ntopng with many probes: each way of feeding it, and all that it knows of probes, Exporters and processes. */

import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { ethernet, ipv4 as ipv4Packet, pcap, udp } from '../support/capture-builder.ts';
import { skipVisibly } from '../support/conformance-capture.ts';
import { freePorts } from '../support/free-port.ts';
import { dataSet, type Field, message, optionsTemplateSet, templateSet, VARIABLE } from '../support/ipfix-message.ts';
import { type Field9, v9DataSet, v9Packet, v9TemplateSet } from '../support/netflow9-message.ts';
import { Ntopng, type NtopngFlow, ntopngObstacle } from '../support/ntopng.ts';
import { FLOW_FIELDS, flowOctets, ntop, variableText } from '../support/ntopng-exports.ts';
import { buildProgram, RunningProgram, runProgram } from '../support/program.ts';
import {
  countersSample,
  datagram,
  hyper,
  opaque,
  record as sflowRecord,
  words as sflowWords,
} from '../support/sflow-builder.ts';
import { UdpExporter } from '../support/udp-exporter.ts';
import { ipv4, ipv6, joined, type Octets, text, u8, u16, u32, u64 } from '../support/wire-octets.ts';

const obstacle = ntopngObstacle();

/** What ntopng keeps of a probe. */
interface NtopngProbe {
  readonly 'probe.uuid_num': number;
  readonly 'probe.ip': string;
  readonly 'probe.probe_version': string;
  readonly 'packets.drops': number;
  readonly 'drops.flow_collection_drops': number;
  readonly 'drops.flow_collection_udp_socket_drops': number;
  readonly 'flow_collection.nf_ipfix_flows': number;
  readonly 'flow_collection.sflow_samples': number;
  readonly 'flow_collection.collection_port': number;
  readonly exporters: Readonly<
    Record<
      string,
      {
        readonly num_netflow_flows: number;
        readonly num_sflow_flows: number;
        readonly num_drops: number;
        readonly unique_source_id: number;
      }
    >
  >;
}

/** Applications in nDPI's numbering: 5 DNS, 7 HTTP, 9 NTP, 91 TLS. */
const APPLICATIONS = [
  [5, 'DNS'],
  [7, 'HTTP'],
  [9, 'NTP'],
  [91, 'TLS'],
] as const;

/** Ways of sending flows that ntopng 6.2 takes. */
const FORMS: readonly (readonly [words: readonly string[], flows: number])[] = [
  [['--zmq-header', '2'], 40],
  [['--zmq-header', '3'], 40],
  [['--zmq-header', '3', '--zmq-compress'], 40],
  // More octets than ntopng 6.2 has room for unless the header tells it.
  [['--zmq-header', '3', '--zmq-compress', '--zmq-batch', '131072'], 700],
  [['--zmq-compress'], 40],
  [['--no-code-generation'], 40],
];
/** Beyond every other source's. */
const FIRST_FORM_SOURCE = 100;
/** Beyond every other flow's. */
const FIRST_FORM_NETWORK = 100;

const ENDPOINTS = 10;

const endpoints: string[] = [];
const programs: RunningProgram[] = [];
const exporters: UdpExporter[] = [];
let ntopng: Ntopng;
let directory = '';

async function collect(...flags: readonly string[]): Promise<RunningProgram> {
  const program = await RunningProgram.collect(['--json', '/dev/null', ...flags]);
  programs.push(program);
  return program;
}

/** One that ntopng is subscribed to: what comes before that nobody gets. */
async function feed(...flags: readonly string[]): Promise<RunningProgram> {
  const program = await collect(...flags);
  await program.logged('zmq_subscriber_present');
  return program;
}

async function exporterTo(program: RunningProgram, address = '127.0.0.1'): Promise<UdpExporter> {
  const exporter = await UdpExporter.open(program.port, address);
  exporters.push(exporter);
  return exporter;
}

function nowSeconds(): number {
  return Math.floor(Date.now() / 1000);
}

/** Flows of 10.`network`.0.0/16, once there are `count`. */
function flowsOf(network: number, count: number, from = ntopng): Promise<NtopngFlow[]> {
  return from.until(async () => {
    const flows = (await from.flows()).filter(({ client, server }) =>
      [client, server].some(({ ip }) => ip.startsWith(`10.${network}.`)),
    );
    // Its pages shift while flows come.
    const once = [...new Map(flows.map((flow) => [`${flow.key} ${flow.hash_id}`, flow])).values()];
    return once.length >= count && once;
  }, `${count} flows of network ${network}`);
}

async function probes(from = ntopng): Promise<NtopngProbe[]> {
  const byInterface = await from.rest<Record<string, NtopngProbe[]>>('system/health/flow_collection.lua');
  return Object.values(byInterface).flatMap((each) => Object.values(each));
}

/** The probe of a source, once it is as wanted. */
function probeOf(sourceId: number, isWanted: (probe: NtopngProbe) => boolean = () => true, from = ntopng) {
  return from.until(async () => {
    return (await probes(from)).find((probe) => probe['probe.uuid_num'] === sourceId && isWanted(probe));
  }, `probe ${sourceId}`);
}

/** Names that it keeps of an Exporter's interfaces. */
function interfaceNames(address: string, from = ntopng): Record<string, string> {
  return JSON.parse(from.redis('get', `cachedexporters.${address}.ifnames`).join('') || '{}') as Record<string, string>;
}

/** A capture of one message of flows. */
function captureOf(octets: Octets): Uint8Array {
  const frame = ethernet(0x0800, ipv4Packet({}, udp(40_000, 4739, octets)));
  return pcap({}, [{ seconds: nowSeconds(), octets: frame }]);
}

/** What one peer of a flow says of its process. */
interface Peer {
  readonly process: number;
  readonly path: string;
  readonly user: string;
  readonly userId: number;
  readonly packageName: string;
  readonly command: string;
  readonly father: number;
  readonly fatherPath: string;
  readonly fatherUser: string;
  readonly fatherUserId: number;
  readonly fatherPackage: string;
  readonly container: string;
}

const CLIENT: Peer = {
  process: 14_321,
  path: '/usr/bin/wget',
  user: 'carol',
  userId: 1007,
  packageName: 'wget-1.21',
  command: 'wget -q http://one.example/',
  father: 14_300,
  fatherPath: '/usr/bin/zsh',
  fatherUser: 'mallory',
  fatherUserId: 1008,
  fatherPackage: 'zsh-5.9',
  container: 'ab12cd34ef56',
};
const SERVER: Peer = {
  process: 1765,
  path: '/usr/sbin/lighttpd',
  user: 'www',
  userId: 133,
  packageName: 'lighttpd-1.4',
  command: 'lighttpd -D -f /etc/l.conf',
  father: 1760,
  fatherPath: '/usr/bin/podman-init',
  fatherUser: 'daemon',
  fatherUserId: 2,
  fatherPackage: 'podman-4.3',
  container: '99aa88bb77cc',
};

/** Number of ntop's element `id` in NetFlow v9. */
function ntop9(id: number): number {
  return 57_472 + id;
}

const TEXT_OCTETS = 32;

/** Elements of ntop's of each peer, in the order of {@link processOctets9}. */
const PROCESS_FIELDS9: readonly Field9[] = [
  [168, 169, 372, 425, 540, 556, 373, 374, 565, 564, 561, 558],
  [375, 376, 377, 426, 541, 557, 378, 379, 568, 567, 563, 559],
].flatMap((ids) => ids.map((id, i): Field9 => [ntop9(id), i === 0 || i === 3 || i === 6 || i === 9 ? 4 : TEXT_OCTETS]));

function processOctets9(peer: Peer): Octets {
  return joined(
    u32(peer.process),
    text(peer.path, TEXT_OCTETS),
    text(peer.user, TEXT_OCTETS),
    u32(peer.userId),
    text(peer.packageName, TEXT_OCTETS),
    text(peer.command, TEXT_OCTETS),
    u32(peer.father),
    text(peer.fatherPath, TEXT_OCTETS),
    text(peer.fatherUser, TEXT_OCTETS),
    u32(peer.fatherUserId),
    text(peer.fatherPackage, TEXT_OCTETS),
    text(peer.container, TEXT_OCTETS),
  );
}

/** Source and destination, ports, protocol, flags, octets, packets, first and last switched. */
const FLOW_FIELDS9: readonly Field9[] = [
  [8, 4],
  [12, 4],
  [7, 2],
  [11, 2],
  [4, 1],
  [6, 1],
  [1, 4],
  [2, 4],
  [22, 4],
  [21, 4],
];
const UP_TIME_MS = 3_600_000;

function flowOctets9(source: string, destination: string, ports: readonly [number, number]): Octets {
  return joined(
    ipv4(source),
    ipv4(destination),
    u16(ports[0]),
    u16(ports[1]),
    u8(6),
    u8(0x1b),
    u32(7777),
    u32(11),
    u32(UP_TIME_MS - 9000),
    u32(UP_TIME_MS - 2000),
  );
}

/** Cells from the one that begins with `title` up to the next of `others`. */
function part(page: readonly string[], title: string, others: readonly string[]): string {
  const start = page.indexOf(title);
  if (start < 0) return '';
  const ends = others.map((other) => page.indexOf(other)).filter((at) => at > start);
  return page.slice(start, Math.min(page.length, ...ends)).join(' ');
}

if (obstacle !== undefined) skipVisibly(obstacle);
else
  describe('ntopng with many probes', () => {
    beforeAll(async () => {
      buildProgram();
      directory = mkdtempSync(join(tmpdir(), 'flowrelay-ntopng-feed-'));
      const ports = await freePorts(ENDPOINTS);
      endpoints.push(...ports.map((port) => `tcp://127.0.0.1:${port}c`));
      ntopng = await Ntopng.start(endpoints.join());
    });

    afterAll(async () => {
      await Promise.all(exporters.map((exporter) => exporter.close()));
      await Promise.all(programs.map((program) => program.stop()));
      const complaints = ntopng.complaints;
      await ntopng.stop();
      rmSync(directory, { recursive: true, force: true });
      expect(complaints).toEqual([]);
    });

    for (const [i, [words, count]] of FORMS.entries()) {
      it.concurrent(`reads ${words.join(' ')}`, async () => {
        const network = FIRST_FORM_NETWORK + 2 * i;
        const file = join(directory, `form-${i}.pcap`);
        const flows = Array.from({ length: count }, (_, n) =>
          flowOctets({ network, host: n + 1, ports: [40_000 + n, 443], octets: [1000 + n, 5] }),
        );
        const sets = [templateSet(300, FLOW_FIELDS), dataSet(300, ...flows)];
        writeFileSync(file, captureOf(message(sets, { exportTime: nowSeconds() })));
        const run = await runProgram(
          ['convert', file, '--json', '/dev/null', '--zmq', endpoints[0]!].concat(
            ['--zmq-source-id', String(FIRST_FORM_SOURCE + i)],
            words,
          ),
        );
        expect(run.code, run.stderr).toBe(0);
        const shown = await flowsOf(network, count);
        const octets = shown.map(({ client, bytes }) => [client.port, bytes.cli_bytes, bytes.srv_bytes]);
        const expected = Array.from({ length: count }, (_, n) => [40_000 + n, 1000 + n, 5]);
        expect(octets.sort(([one = 0], [other = 0]) => one - other)).toEqual(expected);
        await probeOf(FIRST_FORM_SOURCE + i);
      });
    }

    for (const [i, keys] of ['numeric', 'named'].entries()) {
      it.concurrent(`built from its sources, takes flows as JSON with ${keys} keys without a word and shows none`, async () => {
        const [network, sourceId] = [60 + 2 * i, 60 + i];
        const file = join(directory, `json-${i}.pcap`);
        const sets = [templateSet(300, FLOW_FIELDS), dataSet(300, flowOctets({ network, host: 1 }))];
        writeFileSync(file, captureOf(message(sets, { exportTime: nowSeconds() })));
        const flags = ['--zmq-format', 'json', '--zmq-keys', keys, '--zmq-source-id', String(sourceId)];
        const run = await runProgram(['convert', file, '--json', '/dev/null', '--zmq', endpoints[1]!, ...flags]);
        expect(run.code, run.stderr).toBe(0);
        // The event that ends a conversion comes behind its flows.
        await probeOf(sourceId, (probe) => probe['flow_collection.nf_ipfix_flows'] === 1);
        expect(await flowsOf(network, 0)).toEqual([]);
      });
    }

    it.concurrent('shows all that NetFlow v9 says of the processes of both peers', async () => {
      const program = await feed('--zmq', endpoints[2]!, '--zmq-source-id', '2');
      const exporter = await exporterTo(program);
      const header = { sysUpTimeMs: UP_TIME_MS, exportTime: nowSeconds() };
      const template = v9TemplateSet(400, [...FLOW_FIELDS9, ...PROCESS_FIELDS9]);
      const flow = flowOctets9('10.30.0.1', '10.31.0.1', [50_001, 8081]);
      const data = v9DataSet(400, joined(flow, processOctets9(CLIENT), processOctets9(SERVER)));
      await exporter.send(v9Packet([template, data], header));
      const [shown] = await flowsOf(30, 1);
      expect(shown).toMatchObject({
        client: { ip: '10.30.0.1', port: 50_001, process: { pid: CLIENT.process, name: CLIENT.path } },
        server: { ip: '10.31.0.1', port: 8081, process: { pid: SERVER.process, name: SERVER.path } },
        bytes: { cli_bytes: 7777, srv_bytes: 0 },
        first_seen: header.exportTime - 9,
        last_seen: header.exportTime - 2,
      });
      const page = await ntopng.flowPage(shown!);
      const titles = ['Client', 'Server'].flatMap((side) => [
        `${side} Process Information`,
        `${side} Container Information`,
      ]);
      for (const [side, peer] of [
        ['Client', CLIENT],
        ['Server', SERVER],
      ] as const) {
        const process = part(page, `${side} Process Information`, titles);
        for (const value of [
          `${peer.path} [PID: ${peer.process}]`,
          peer.user,
          peer.packageName,
          peer.fatherPath,
          `PID: ${peer.father}`,
          peer.fatherPackage,
        ]) {
          expect(process).toContain(value);
        }
        expect(part(page, `${side} Container Information`, titles)).toContain(peer.container);
      }
      // What has no place on the page: the flow as the page is made of it.
      const [details] = await ntopng.lua<Record<string, unknown>[]>(
        `interface.getFlowsInfo("10.30.0.1", { detailsLevel = "max" }).flows`,
      );
      for (const [side, peer] of [
        ['client', CLIENT],
        ['server', SERVER],
      ] as const) {
        expect(details?.[`${side}_process`]).toMatchObject({
          uid: peer.userId,
          cmdline: peer.command,
          father_uid: peer.fatherUserId,
          father_user_name: peer.fatherUser,
        });
      }
      expect(details).toMatchObject({ 'cli2srv.tcp_flags': 0x1b, 'cli2srv.packets': 11, flow_source: 1 });
      const containers = await ntopng.page('get_containers_data.lua?ifid=0');
      for (const { container, user, path } of [CLIENT, SERVER]) {
        expect(containers).toContain(container);
        const ofUser = await ntopng.page(`get_username_data.lua?ifid=0&username=${user}&ebpf_data=processes`);
        expect(JSON.parse(ofUser)).toEqual([{ label: path, value: 7777 }]);
      }
    });

    it.concurrent('takes applications as nDPI numbers, and keeps the sides of IPv4 and IPv6', async () => {
      const program = await feed('--zmq', endpoints[3]!, '--zmq-source-id', '3');
      const exporter = await exporterTo(program);
      const fields = [...FLOW_FIELDS, ntop(118, 2)];
      const ports: [number, number] = [1500, 41_000];
      // With SYN among its flags the side with the lower port stays the client.
      const flows = [0x02, 0x12, 0x1b, 0xc2].map((tcpFlags, i) =>
        joined(flowOctets({ network: 32, host: i + 1, ports, tcpFlags }), u16(APPLICATIONS[i]![0])),
      );
      const fields6: Field[] = [
        [27, 16],
        [28, 16],
        [8, 4],
        [12, 4],
        ...FLOW_FIELDS.filter(([id]) => id !== 8 && id !== 12),
      ];
      const addresses = joined(ipv6('2001:db8:30::1'), ipv6('2001:db8:30::2'), ipv4('0.0.0.0'), ipv4('0.0.0.0'));
      const flow6 = joined(addresses, flowOctets({ host: 1, ports, protocol: 17 }).subarray(8));
      const sets = [templateSet(300, fields), templateSet(301, fields6), dataSet(300, ...flows), dataSet(301, flow6)];
      await exporter.send(message(sets, { exportTime: nowSeconds() }));
      const shown = await flowsOf(32, APPLICATIONS.length);
      for (const [i, [, name]] of APPLICATIONS.entries()) {
        const flow = shown.find(({ server }) => server.ip === `10.33.0.${i + 1}`);
        expect(flow).toMatchObject({ client: { port: 1500 }, server: { port: 41_000 }, application: { name } });
      }
      const six = await ntopng.until(
        async () =>
          (await ntopng.flows()).filter(({ client, server }) => `${client.ip}${server.ip}`.includes('2001:db8:30:')),
        'flow of IPv6',
      );
      expect(six).toMatchObject([
        {
          client: { ip: '2001:db8:30::1', port: 1500 },
          server: { ip: '2001:db8:30::2', port: 41_000 },
          bytes: { cli_bytes: 12_345, srv_bytes: 54_321 },
          l4_proto: { id: 17 },
        },
      ]);
    });

    it.concurrent('is not told of records without counters', async () => {
      const program = await feed('--zmq', endpoints[4]!, '--zmq-source-id', '4');
      const exporter = await exporterTo(program);
      // NetFlow Security Event Logging of a Cisco ASA: connection, addresses, ports, protocol, event, time.
      const event: Field9[] = [
        [148, 4],
        [8, 4],
        [12, 4],
        [7, 2],
        [11, 2],
        [4, 1],
        [233, 1],
        [323, 8],
      ];
      const eventOctets = joined(
        u32(5),
        ipv4('10.34.0.1'),
        ipv4('10.35.0.1'),
        u16(1025),
        u16(80),
        u8(6),
        u8(1),
        u64(Date.now()),
      );
      const sets = [
        v9TemplateSet(400, event),
        v9TemplateSet(401, FLOW_FIELDS9),
        v9DataSet(400, eventOctets),
        v9DataSet(401, flowOctets9('10.34.0.2', '10.35.0.2', [50_002, 80])),
      ];
      await exporter.send(v9Packet(sets, { sysUpTimeMs: UP_TIME_MS, exportTime: nowSeconds() }));
      const flows = await flowsOf(34, 1);
      expect(flows.map(({ client }) => client.ip)).toEqual(['10.34.0.2']);
      const metrics = await (await fetch(`http://${program.status}/metrics`)).text();
      const leftOut = [...metrics.matchAll(/^flowrelay_zmq_records_left_out_total\{.*\} (\d+)$/gm)];
      expect(leftOut.reduce((sum, [, count]) => sum + Number(count), 0)).toBe(1);
    });

    it.concurrent('knows Exporters, what they lost, their interfaces and the counters of these', async () => {
      const program = await feed('--listen', 'udp://0.0.0.0:0', '--zmq', endpoints[5]!, '--zmq-source-id', '5');
      const [first, second, switches] = await Promise.all(
        ['127.0.0.2', '127.0.0.3', '127.0.0.4'].map((address) => exporterTo(program, address)),
      );
      const names = optionsTemplateSet(302, [[10, 4]], [[82, VARIABLE]]);
      const name = (ifIndex: number, value: string): Octets => dataSet(302, joined(u32(ifIndex), variableText(value)));
      const flow = (host: number): Octets => dataSet(300, flowOctets({ network: 36, host }));
      const send = (exporter: UdpExporter | undefined, sequence: number, ...sets: Octets[]): Promise<void> =>
        exporter!.send(message(sets, { exportTime: nowSeconds(), sequence }));
      await send(first, 0, templateSet(300, FLOW_FIELDS), names, name(3, 'ge-0/0/3'), flow(1));
      // Two records were sent; seven are missing.
      await send(first, 9, flow(2));
      await send(second, 0, templateSet(300, FLOW_FIELDS), names, name(3, 'eth3'), flow(3));
      const interfaceCounters = sflowRecord(1, [
        ...sflowWords(17, 6),
        ...hyper(1_000_000_000n),
        ...sflowWords(1, 3),
        ...hyper(5_000_000_123n),
        ...sflowWords(1000, 200, 30, 4, 5, 6),
        ...hyper(6_000_000_321n),
        ...sflowWords(7000, 800, 90, 10, 11, 1),
      ]);
      const portName = sflowRecord(1005, opaque('swp17'));
      let toldMs = 0;
      // A switch tells them every half a minute; the first may come before ntopng asks for counters.
      const tellCounters = async (): Promise<void> => {
        if (Date.now() - toldMs < 5000) return;
        toldMs = Date.now();
        await switches!.send(datagram([countersSample([interfaceCounters, portName])]));
      };
      await tellCounters();

      const flows = await flowsOf(36, 3);
      const seenBy = flows.map(({ client, flow_exporter }) => [
        client.ip,
        flow_exporter?.device.ip,
        flow_exporter?.in_port.index,
        flow_exporter?.out_port.index,
      ]);
      expect(seenBy.sort()).toEqual([
        ['10.36.0.1', '127.0.0.2', 3, 4],
        ['10.36.0.2', '127.0.0.2', 3, 4],
        ['10.36.0.3', '127.0.0.3', 3, 4],
      ]);
      const probe = await probeOf(5, ({ exporters }) => exporters['127.0.0.4'] !== undefined);
      expect(probe).toMatchObject({
        'flow_collection.nf_ipfix_flows': 3,
        'flow_collection.collection_port': program.port,
        'drops.flow_collection_drops': 7,
        exporters: {
          '127.0.0.2': { num_netflow_flows: 2, num_sflow_flows: 0, num_drops: 7 },
          '127.0.0.3': { num_netflow_flows: 1, num_drops: 0 },
          '127.0.0.4': { num_netflow_flows: 0, num_sflow_flows: 0 },
        },
      });
      const sourceIds = Object.values(probe.exporters).map((exporter) => exporter.unique_source_id);
      expect(new Set(sourceIds).size).toBe(3);
      const listed = await ntopng.rest<Record<string, unknown>[]>('interface/nprobes/data.lua?ifid=0');
      expect(listed.find((each) => each['probe_uuid_num'] === 5)).toMatchObject({
        flow_exporters: 3,
        exported_flows: 3,
        dropped_flows: 7,
      });

      // Names that come later add to those of before.
      await send(first, 10, name(4, 'ge-0/0/4'));
      await ntopng.until(async () => interfaceNames('127.0.0.2')['4'], 'name of another interface');
      expect(interfaceNames('127.0.0.2')).toEqual({ 3: 'ge-0/0/3', 4: 'ge-0/0/4' });
      expect(interfaceNames('127.0.0.3')).toEqual({ 3: 'eth3' });

      const devices = await ntopng.until(async () => {
        const found = await ntopng.lua<Record<string, unknown>>('interface.getSFlowDeviceInfo("127.0.0.4") or {}');
        if (found['17'] === undefined) await tellCounters();
        return found['17'] !== undefined && found;
      }, 'counters of an interface');
      expect(devices).toEqual({
        17: {
          ifName: 'swp17',
          ifType: 6,
          ifSpeed: 1_000_000_000,
          ifFullDuplex: true,
          ifAdminStatus: true,
          ifOperStatus: true,
          ifPromiscuousMode: true,
          ifInOctets: 5_000_000_123,
          ifInPackets: 1230,
          ifInErrors: 5,
          ifOutOctets: 6_000_000_321,
          ifOutPackets: 7890,
          ifOutErrors: 11,
        },
      });
    });

    it.concurrent('knows the rates, and what the kernel dropped', async () => {
      const flags = ['--receive-buffer', '4096', '--zmq-source-id', '6'];
      const program = await feed('--zmq', endpoints[6]!, ...flags);
      const exporter = await exporterTo(program);
      await exporter.send(message([templateSet(300, FLOW_FIELDS)], { exportTime: nowSeconds() }));
      const dropped = (): number => {
        const port = program.port.toString(16).toUpperCase().padStart(4, '0');
        const line = readFileSync('/proc/net/udp', 'latin1')
          .split('\n')
          .find((each) => each.includes(`0100007F:${port} 0`));
        return Number(line?.trim().split(/\s+/).at(-1));
      };
      program.child.kill('SIGSTOP');
      for (let n = 0; n < 100; n++) await exporter.send(new Uint8Array(1000));
      program.child.kill('SIGCONT');
      const drops = dropped();
      expect(drops).toBeGreaterThan(10);
      const probe = await probeOf(6, (each) => each['drops.flow_collection_udp_socket_drops'] > 0);
      expect(probe['drops.flow_collection_udp_socket_drops']).toBe(drops);
      expect(probe['packets.drops']).toBe(drops);
      await ntopng.until(async () => {
        await exporter.send(
          message([dataSet(300, flowOctets({ network: 38, host: 1 }))], { exportTime: nowSeconds() }),
        );
        const data = await ntopng.rest<Record<string, number>>('interface/data.lua?ifid=0');
        return data['remote_bps']! > 0 && data['remote_pps']! > 0;
      }, 'rates');
    });

    it.concurrent('tells two of them apart, and knows one again that was restarted', async () => {
      const start = async (endpoint: string): Promise<[RunningProgram, number]> => {
        // The first form of the header has eight bits for what is told apart here.
        const program = await feed('--zmq', endpoint, '--zmq-header', '2');
        return [program, Number((await program.logged('started'))['zmqSourceId'])];
      };
      const [[one, first], [other, second]] = await Promise.all([start(endpoints[7]!), start(endpoints[8]!)]);
      expect(first).not.toBe(second);
      const send = async (program: RunningProgram, host: number): Promise<void> => {
        const exporter = await exporterTo(program);
        const sets = [templateSet(300, FLOW_FIELDS), dataSet(300, flowOctets({ network: 40, host }))];
        await exporter.send(message(sets, { exportTime: nowSeconds() }));
        await flowsOf(40, host);
      };
      await send(one, 1);
      await send(other, 2);
      await Promise.all([first, second].map((id) => probeOf(id)));
      expect((await one.stop()).code).toBe(0);
      const [again, third] = await start(endpoints[7]!);
      expect(third).toBe(first);
      await send(again, 3);
      const ids = (await probes()).map((probe) => probe['probe.uuid_num']);
      expect(ids.filter((id) => id === first || id === second).sort()).toEqual([first, second].sort());
      const { version } = JSON.parse(readFileSync(new URL('../../package.json', import.meta.url), 'utf8')) as {
        version: string;
      };
      const probe = await probeOf(first);
      expect(probe['probe.probe_version']).toContain(version);
      expect(probe['probe.ip']).toMatch(/^\d+\.\d+\.\d+\.\d+$/);
      const data = await ntopng.rest<{ zmqRecvStats: unknown }>('interface/data.lua?ifid=0');
      expect(data.zmqRecvStats).toMatchObject({ zmq_msg_drops: 0, dropped_flows: 0 });
    });

    it.concurrent('that comes late and one that comes after it learn what the feed knows', async () => {
      const [port] = await freePorts(1);
      const endpoint = `tcp://127.0.0.1:${port}`;
      const program = await collect('--zmq', endpoint, '--zmq-source-id', '9');
      const exporter = await exporterTo(program);
      const names = optionsTemplateSet(302, [[10, 4]], [[82, VARIABLE]]);
      const name = dataSet(302, joined(u32(3), variableText('ge-0/0/3')));
      const flow = (host: number): Octets => dataSet(300, flowOctets({ network: 42, host }));
      const exportTime = nowSeconds();
      await exporter.send(message([templateSet(300, FLOW_FIELDS), names, name, flow(1)], { exportTime }));
      await ntopng.until(async () => {
        const metrics = await (await fetch(`http://${program.status}/metrics`)).text();
        return /^flowrelay_zmq_flows_offered_total\{.*\} 1$/m.test(metrics);
      }, 'flow that comes before it');
      for (const host of [2, 3]) {
        const late = await Ntopng.start(endpoint);
        await probeOf(9, undefined, late);
        await exporter.send(message([flow(host)], { exportTime: nowSeconds() }));
        const isShown = async () => (await flowsOf(42, 1, late)).some(({ client }) => client.ip === `10.42.0.${host}`);
        await late.until(isShown, 'flow that came after it');
        await late.until(async () => interfaceNames('127.0.0.1', late)['3'] === 'ge-0/0/3', 'name of an interface');
        const data = await late.rest<{ zmqRecvStats: unknown }>('interface/data.lua?ifid=0');
        expect(data.zmqRecvStats).toMatchObject({ zmq_msg_drops: 0, dropped_flows: 0 });
        expect(late.complaints).toEqual([]);
        await late.stop();
      }
    });
  });
