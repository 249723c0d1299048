/**
 * The whole chain: what `probe` meters goes out as IPFIX, is collected, fed to ZeroMQ as ntopng takes it, listened to, and is the line that the
 * probe itself writes, but for what is named here and why. The probe's own lines are the truth of it; packets and octets are tshark's.
 */

import { execFileSync } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { ORIGIN_KEYS } from '../../src/flow/origin.ts';
import { skipVisibly } from '../support/conformance-capture.ts';
import { ExportHarness } from '../support/export-harness.ts';
import { makeFlow } from '../support/flow-builder.ts';
import { missingPrograms, type ParsedLine } from '../support/lab.ts';
import { buildProgram, RunningProgram, repositoryPath, runProgram } from '../support/program.ts';
import { UdpExporter } from '../support/udp-exporter.ts';

const PACKETS = repositoryPath('../shared/corpora/packets');

const CAPTURES = [
  'joy/sample.pcap',
  'arkime/http-simple-get.pcap',
  'arkime/v6.pcap',
  'arkime/pppoe.pcap',
  'arkime/80211http.pcap',
  'arkime/gre-sample.pcap',
  'arkime/tcpdump-geneve.pcap',
  'arkime/gtp-u.pcap',
  'libtrace/vlan.pcap',
  'flowtest/pcap/tls13.pcap',
  'flowtest/pcap/dns_a.pcap',
  'flowtest/pcap/ICMP_across_dot1q.pcap',
  'flowtest/pcap/ipv4-udp-fragmented.pcap',
  'pcapplusplus/ExamplesTest/pcap_examples/many-protocols.pcap',
];

/** A difference that may be, and why. */
interface Difference {
  readonly key: RegExp;
  readonly reason: string;
  /** Whether the value at the end is right for what the probe wrote. */
  readonly isRight: (before: unknown, after: unknown) => boolean;
}

const NO_ELEMENT = "neither ntop nor IANA has an Information Element for it, nor ntopng's feed a key";
const isGone = (_before: unknown, after: unknown): boolean => after === undefined;

const DIFFERENCES: readonly Difference[] = [
  { key: /^(CLIENT|SERVER)_RTT_(VARIANCE_)?MS$/, reason: NO_ELEMENT, isRight: isGone },
  {
    key: /^(LOST_(IN|OUT)_PKTS|TCP_(WIN_ZERO|KEEP_ALIVE|RESETS)_(IN|OUT))$/,
    reason: NO_ELEMENT,
    isRight: isGone,
  },
  { key: /^(TUNNEL_(TYPE|ID)|OUTER_IPV4_(SRC|DST)_ADDR)$/, reason: NO_ELEMENT, isRight: isGone },
  { key: /^L7_MASTER_PROTO$/, reason: "ntop's element of the protocol has 16 bits, for one number", isRight: isGone },
  { key: /^REVERSE_FLOW_(START|END)_MILLISECONDS$/, reason: 'the feed has no key for them', isRight: isGone },
  {
    key: /^FLOW_(START|END)_MILLISECONDS$/,
    reason: 'times of the feed are whole seconds',
    isRight: (before, after) => Math.floor(Number(before) / 1000) * 1000 === after,
  },
  {
    key: /^((CLIENT|SERVER)_NW|APPL)_LATENCY_MS$/,
    reason: "ntop's elements are whole milliseconds, at least one of what is known",
    isRight: (before, after) => Math.max(1, Math.round(Number(before))) === after,
  },
];

/** Says the way, not the flow: which exporter, by which protocol, when. */
const ORIGIN: ReadonlySet<string> = new Set([
  'EXPORTER_IPV6_ADDRESS',
  'UNIQUE_SOURCE_ID',
  'FLOW_SOURCE',
  ...ORIGIN_KEYS.map(({ ntop }) => ntop),
]);

/** A Template has a field for all flows of a form: one that has no value there sends zero, or an empty text. */
function isPadding(before: unknown, after: unknown): boolean {
  return before === undefined && (after === 0 || after === '');
}

const used = new Set<Difference>();
let listen: RunningProgram;
let collect: RunningProgram;
let linesTaken = 0;

beforeAll(async () => {
  buildProgram();
  listen = await RunningProgram.start('listen', ['tcp://127.0.0.1:0c', '--json', '-', '--status', 'off']);
  const [url = ''] = (await listen.logged('started'))['endpoints'] as string[];
  collect = await RunningProgram.collect(['--zmq', `${url.replace(/c$/, '')}c`]);
  await collect.logged('zmq_subscriber_present');
}, 120_000);

afterAll(async () => {
  await collect?.stop();
  await listen?.stop();
});

function flowsOf(lines: readonly string[]): ParsedLine[] {
  return lines
    .filter((line) => line !== '')
    .map((line) => JSON.parse(line) as ParsedLine)
    .filter(({ RECORD_TYPE }) => RECORD_TYPE === 'flow');
}

/** The next flows at the end of the chain. */
async function arrived(count: number): Promise<ParsedLine[]> {
  const flows = await listen.until(() => {
    const all = flowsOf(listen.lines);
    return all.length >= linesTaken + count && all;
  }, `${count} flows`);
  const taken = flows.slice(linesTaken);
  linesTaken = flows.length;
  return taken;
}

/** Sends a capture through and gives the probe's own flows, and those at the end. */
async function through(
  capture: string,
  form: readonly string[] = ['--export-version', 'ipfix'],
): Promise<{ before: ParsedLine[]; after: ParsedLine[] }> {
  const destination = `udp://127.0.0.1:${collect.port}`;
  const run = await runProgram(['probe', '--read', capture, '--json', '-', '--export', destination, ...form]);
  expect([run.code, run.stderr]).toEqual([0, '']);
  const before = flowsOf(run.stdout.split('\n'));
  return { before, after: await arrived(before.length) };
}

/** What differs without being named above. */
function unexplained(before: readonly ParsedLine[], after: readonly ParsedLine[]): string[] {
  const found = new Set<string>();
  before.forEach((flow, i) => {
    const end = after[i] ?? {};
    for (const key of new Set([...Object.keys(flow), ...Object.keys(end)])) {
      const [was, is] = [flow[key], end[key]];
      if (ORIGIN.has(key) || JSON.stringify(was) === JSON.stringify(is) || isPadding(was, is)) continue;
      const difference = DIFFERENCES.find((each) => each.key.test(key));
      if (difference?.isRight(was, is) === true) used.add(difference);
      else found.add(`flow ${i}, ${key}: ${JSON.stringify(was)} became ${JSON.stringify(is)}`);
    }
  });
  return [...found];
}

function totals(flows: readonly ParsedLine[]): { packets: number; octets: number } {
  const sum = (...keys: string[]): number =>
    flows.reduce((total, flow) => total + keys.reduce((part, key) => part + Number(flow[key] ?? 0), 0), 0);
  return { packets: sum('IN_PKTS', 'OUT_PKTS'), octets: sum('IN_BYTES', 'OUT_BYTES') };
}

describe('probe, IPFIX, collect, ZeroMQ, listen: the lines of the probe', () => {
  if (!existsSync(PACKETS)) {
    skipVisibly('the captures of ../shared/corpora/packets are not here');
    return;
  }

  /** Totals of the flows that tshark sees in a capture. */
  function tsharkTotals(capture: string): { packets: number; octets: number } {
    const path = `${PACKETS}/oracle/${capture.replaceAll('/', '__')}.inner.tsv`;
    const rows = readFileSync(path, 'utf8')
      .split('\n')
      .filter((row) => row !== '' && !row.startsWith('#'))
      .map((row) => row.split('\t'));
    const sum = (column: number): number => rows.reduce((total, row) => total + Number(row[column]), 0);
    return { packets: sum(6), octets: sum(7) };
  }

  it.each(CAPTURES)('%s', async (capture) => {
    const { before, after } = await through(`${PACKETS}/${capture}`);
    expect(after).toHaveLength(before.length);
    expect(totals(after)).toEqual(tsharkTotals(capture));
    expect(unexplained(before, after)).toEqual([]);
  });

  it.each(['9', 'ipfix'])('what ntopng shows of TCP, by its template in version %s', async (version) => {
    const form = ['--export-version', version, '--template', 'ntopng'];
    const { before, after } = await through(`${PACKETS}/joy/sample.pcap`, form);
    const isTcp = ({ PROTOCOL }: ParsedLine): boolean => PROTOCOL === 6;
    const [was, is] = [before.filter(isTcp), after.filter(isTcp)];
    expect(is.length).toBeGreaterThan(5);
    const counts = /^(RETRANSMITTED|OOORDER)_(IN|OUT)_PKTS$|^(CLIENT|SERVER)_TCP_FLAGS$/;
    const latencies = /^((CLIENT|SERVER)_NW|APPL)_LATENCY_MS$/;
    const countsOf = (flow: ParsedLine) => Object.fromEntries(Object.entries(flow).filter(([key]) => counts.test(key)));
    const latenciesOf = (flow: ParsedLine) => {
      const known = Object.entries(flow).filter(([key]) => latencies.test(key));
      return Object.fromEntries(known.map(([key, value]) => [key, Math.max(1, Math.round(Number(value)))]));
    };
    expect(Object.keys(countsOf(is[0]!))).toHaveLength(6);
    expect(is.map(countsOf)).toEqual(was.map(countsOf));
    expect(was.flatMap((flow) => Object.keys(latenciesOf(flow))).length).toBeGreaterThan(0);
    is.forEach((flow, i) => {
      expect(flow).toMatchObject(latenciesOf(was[i]!));
    });
  });

  it('all the named differences occur', () => {
    expect(DIFFERENCES.filter((each) => !used.has(each)).map(({ key }) => String(key))).toEqual([]);
  });
});

describe('the same of a capture with the project', () => {
  const input = repositoryPath('fixtures/softflowd-netflow9/input.pcap');
  const hasTshark = missingPrograms('tshark').length === 0;
  if (!hasTshark) console.log('octets are not compared with those of tshark: it is not installed');

  it('has the packets and octets of its datagrams', async () => {
    const { before, after } = await through(input);
    const { messages } = JSON.parse(
      readFileSync(repositoryPath('fixtures/softflowd-netflow9/expected-counters.json'), 'utf8'),
    ) as { messages: number };
    expect(totals(after).packets).toBe(messages);
    if (hasTshark) {
      const text = execFileSync('tshark', ['-n', '-r', input, '-T', 'fields', '-e', 'ip.len'], { encoding: 'utf8' });
      const octets = text.split('\n').reduce((sum, line) => sum + Number(line), 0);
      expect(totals(after).octets).toBe(octets);
    }
    expect(unexplained(before, after)).toEqual([]);
  });
});

describe('a flow between processes in containers', () => {
  it('has both of them at the end of the chain', async () => {
    const fields = {
      sourceIPv4: 0xac11_0002,
      destinationIPv4: 0xac11_0003,
      sourcePort: 41_234,
      destinationPort: 5432,
      protocol: 6,
      ipVersion: 4,
      octets: 1234,
      packets: 12,
      reverseOctets: 56_789,
      reversePackets: 34,
      startMs: 1_700_000_000_000,
      endMs: 1_700_000_009_000,
      retransmittedPackets: 3,
      reverseRetransmittedPackets: 1,
      retransmittedOctets: 4344,
      reverseRetransmittedOctets: 1448,
      serverRoundTripTime: 1234,
      sourceProcessId: 4_000_001,
      sourceProcessName: '/usr/bin/python3.11',
      sourceProcessUserId: 1000,
      sourceProcessUserName: 'alice',
      sourceProcessPackage: 'python3.11-minimal',
      sourceProcessCommandLine: 'python3 -m "the shop" --täglich',
      sourceFatherProcessId: 77,
      sourceFatherProcessName: '/usr/bin/containerd-shim-runc-v2',
      sourceFatherProcessUserId: 0,
      sourceFatherProcessUserName: 'root',
      sourceFatherProcessPackage: 'containerd',
      sourceContainerId: '1edb6c16e3d2',
      sourceContainerName: 'shop',
      sourcePodName: 'shop-6b5d7b57f9-qx6kz',
      sourcePodNamespace: 'default',
      sourceProcessMemory: 104_857_600,
      sourceProcessPeakMemory: 209_715_200,
      sourceProcessCpuLoad: 1250,
      sourceProcessPageFaults: 17,
      sourceProcessIoWait: 250,
      destinationProcessId: 5432,
      destinationProcessName: '/usr/lib/postgresql/15/bin/postgres',
      destinationProcessUserId: 70,
      destinationProcessUserName: 'postgres',
      destinationContainerId: 'f427db2c87ac',
      destinationProcessMemory: 52_428_800,
      destinationProcessPeakMemory: 52_428_800,
      destinationProcessCpuLoad: 0,
      destinationProcessPageFaults: 0,
      destinationProcessIoWait: 0,
    } as const;
    const exporter = await UdpExporter.open(collect.port);
    const harness = new ExportHarness({ version: 10, sendsOptions: true });
    const flow = makeFlow({ fields, origin: { exportTimeMs: 1_700_000_010_000 } });
    for (const message of harness.take(flow)) await exporter.send(message);
    const [line] = await arrived(1);
    await exporter.close();
    const expected = {
      IPV4_SRC_ADDR: '172.17.0.2',
      IPV4_DST_ADDR: '172.17.0.3',
      L4_SRC_PORT: 41_234,
      L4_DST_PORT: 5432,
      PROTOCOL: 6,
      IP_PROTOCOL_VERSION: 4,
      IN_BYTES: 1234,
      IN_PKTS: 12,
      OUT_BYTES: 56_789,
      OUT_PKTS: 34,
      FLOW_START_MILLISECONDS: 1_700_000_000_000,
      FLOW_END_MILLISECONDS: 1_700_000_009_000,
      RETRANSMITTED_IN_PKTS: 3,
      RETRANSMITTED_OUT_PKTS: 1,
      RETRANSMITTED_IN_BYTES: 4344,
      RETRANSMITTED_OUT_BYTES: 1448,
      SRC_PROC_PID: 4_000_001,
      SRC_PROC_NAME: '/usr/bin/python3.11',
      SRC_PROC_UID: 1000,
      SRC_PROC_USER_NAME: 'alice',
      SRC_PROC_PKG_NAME: 'python3.11-minimal',
      SRC_PROC_CMDLINE: 'python3 -m "the shop" --täglich',
      SRC_FATHER_PROC_PID: 77,
      SRC_FATHER_PROC_NAME: '/usr/bin/containerd-shim-runc-v2',
      SRC_FATHER_PROC_UID: 0,
      SRC_FATHER_PROC_USER_NAME: 'root',
      SRC_FATHER_PROC_PKG_NAME: 'containerd',
      SRC_PROC_CONTAINER_ID: '1edb6c16e3d2',
      SRC_PROC_ACTUAL_MEMORY: 104_857_600,
      SRC_PROC_PEAK_MEMORY: 209_715_200,
      SRC_PROC_AVERAGE_CPU_LOAD: 1250,
      SRC_PROC_NUM_PAGE_FAULTS: 17,
      SRC_PROC_PCTG_IOWAIT: 250,
      DST_PROC_PID: 5432,
      DST_PROC_NAME: '/usr/lib/postgresql/15/bin/postgres',
      DST_PROC_UID: 70,
      DST_PROC_USER_NAME: 'postgres',
      DST_PROC_CONTAINER_ID: 'f427db2c87ac',
      DST_PROC_ACTUAL_MEMORY: 52_428_800,
      DST_PROC_PEAK_MEMORY: 52_428_800,
      DST_PROC_AVERAGE_CPU_LOAD: 0,
      DST_PROC_NUM_PAGE_FAULTS: 0,
      DST_PROC_PCTG_IOWAIT: 0,
    };
    expect(line).toMatchObject(expected);
    // No Information Element stands for these.
    const lost = ['SERVER_RTT_MS', 'SRC_CONTAINER_NAME', 'SRC_POD_NAME', 'SRC_POD_NAMESPACE'];
    for (const key of lost) expect(line).not.toHaveProperty(key);
  });
});
