/** What is exported is read by collectors of others, in all three versions, with equal sums and without a complaint. */

import { mkdirSync, writeFileSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { isDeepStrictEqual } from 'node:util';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { Lab, type LabProgram, obstacle, type ParsedLine } from '../support/lab.ts';
import { buildProgram, repositoryPath } from '../support/program.ts';

const PORT = 9995;
const MAIN = repositoryPath('dist/main.js');

/** What flows come to: how many, packets, octets. */
type Sums = readonly [flows: number, packets: number, octets: number];

interface ExportCase {
  readonly name: string;
  readonly fixture: string;
  readonly version: '5' | '9' | 'ipfix';
  readonly words?: readonly string[];
  /** Flows that the version cannot carry. */
  readonly isExported?: (line: ParsedLine) => boolean;
}

const isIPv4 = (line: ParsedLine): boolean => 'IPV4_SRC_ADDR' in line;
const SELECTED = ['--template', 'default'];

const CASES: readonly ExportCase[] = [
  { name: 'NetFlow v5', fixture: 'softflowd-netflow9', version: '5', isExported: isIPv4 },
  { name: 'NetFlow v9, all that flows have', fixture: 'softflowd-netflow9', version: '9' },
  { name: 'NetFlow v9 of pmacct, with AS numbers, masks and MAC addresses', fixture: 'pmacct-ipfix', version: '9' },
  { name: 'NetFlow v9, what was asked for', fixture: 'softflowd-ipfix', version: '9', words: SELECTED },
  { name: 'IPFIX, all that flows have', fixture: 'softflowd-netflow9', version: 'ipfix' },
  { name: 'IPFIX of Open vSwitch', fixture: 'open-vswitch-netflow5', version: 'ipfix' },
  { name: 'IPFIX, what was asked for', fixture: 'softflowd-netflow9', version: 'ipfix', words: SELECTED },
  {
    name: 'IPFIX with texts of processes, most of them empty',
    fixture: 'softflowd-netflow9',
    version: 'ipfix',
    words: ['--template', 'process'],
  },
];

const labs: Lab[] = [];

beforeAll(buildProgram);

afterAll(async () => {
  for (const lab of labs) await lab.close();
});

function openLab(): Lab {
  const lab = new Lab();
  labs.push(lab);
  return lab;
}

function inputOf(fixture: string): string {
  return repositoryPath(`fixtures/${fixture}/input.pcap`);
}

/** What the flows of a capture come to by our own reading. */
function expectedSums(lab: Lab, { fixture, isExported = () => true }: ExportCase): Sums {
  const text = lab.run(process.execPath, MAIN, 'convert', inputOf(fixture));
  return sumsOf(parsed(text).filter(isExported));
}

function parsed(text: string): ParsedLine[] {
  return text
    .split('\n')
    .filter((line) => line.startsWith('{'))
    .map((line) => JSON.parse(line) as ParsedLine);
}

function sumsOf(lines: readonly ParsedLine[]): Sums {
  const flows = lines.filter(({ RECORD_TYPE }) => RECORD_TYPE === 'flow');
  const sum = (key: string): number => flows.reduce((total, line) => total + Number(line[key] ?? 0), 0);
  return [flows.length, sum('IN_PKTS'), sum('IN_BYTES')];
}

/** Exports a capture to the port; fails where not everything was sent. */
async function exportTo(
  lab: Lab,
  { fixture, version, words = [] }: ExportCase,
  ...more: readonly string[]
): Promise<LabProgram> {
  const destination = `udp://127.0.0.1:${PORT}`;
  const program = lab.start(process.execPath, [
    MAIN,
    'convert',
    inputOf(fixture),
    '--verbose',
    ...['--export', destination, '--export-version', version, ...words, ...more],
  ]);
  expect([await program.ended(), program.stderr]).toEqual([
    0,
    expect.stringMatching(/ flows exported in \d+ messages/),
  ]);
  return program;
}

/** Waits until something listens at the UDP port. */
async function untilListening(lab: Lab): Promise<void> {
  for (const endMs = Date.now() + 60_000; Date.now() < endMs; ) {
    if (lab.run('cat', '/proc/net/udp').includes(`:${PORT.toString(16).toUpperCase().padStart(4, '0')} `)) return;
    await sleep(20);
  }
  throw new Error('nobody listens');
}

describe.each(CASES)('$name', (each) => {
  const nfcapd = obstacle('nfcapd', 'nfdump');
  it.skipIf(nfcapd !== undefined).concurrent('is read by nfcapd', async () => {
    const lab = openLab();
    mkdirSync(lab.path('store'));
    const collector = lab.start('nfcapd', [
      '-w',
      lab.path('store'),
      '-p',
      String(PORT),
      '-b',
      '127.0.0.1',
      '-t',
      '3600',
    ]);
    await untilListening(lab);
    // nfcapd does not count records of options data, which RFC 7011 section 3.1 says are counted.
    await exportTo(lab, each, ...(each.version === 'ipfix' ? ['--no-export-options'] : []));
    await collector.until(() => collector.hasReadAll(), 'it to read all');
    await collector.stop('SIGTERM');
    const log = collector.stderr + collector.stdout;
    expect(log).toMatch(/Sequence Errors: 0, Bad Packets: 0/);
    expect(log).not.toMatch(/error:|warning|corrupt|unknown|unsupported|invalid|exceed|failed/i);
    const rows = lab
      .run('nfdump', '-R', lab.path('store'), '-q', '-N', '-o', 'fmt:%pkt %byt')
      .split('\n')
      .filter((line) => /^\s*\d/.test(line))
      .map((line) => line.trim().split(/\s+/).map(Number));
    const sum = (at: number): number => rows.reduce((total, row) => total + row[at]!, 0);
    expect([rows.length, sum(0), sum(1)]).toEqual(expectedSums(lab, each));
    await lab.close();
  });

  const nfacctd = obstacle('nfacctd');
  it.skipIf(nfacctd !== undefined).concurrent('is read by nfacctd', async () => {
    const lab = openLab();
    writeFileSync(
      lab.path('nfacctd.conf'),
      [
        'daemonize: false',
        'nfacctd_ip: 127.0.0.1',
        `nfacctd_port: ${PORT}`,
        'plugins: print',
        'print_output: json',
        `print_output_file: ${lab.path('out.json')}`,
        'print_refresh_time: 1',
        'print_output_file_append: true',
        'aggregate: src_host, dst_host, src_port, dst_port, proto, timestamp_start, timestamp_end, in_iface, out_iface, flows',
        '',
      ].join('\n'),
    );
    const collector = lab.start('nfacctd', ['-f', lab.path('nfacctd.conf')]);
    await untilListening(lab);
    await exportTo(lab, each);
    const [, packets, octets] = expectedSums(lab, each);
    const printed = () => {
      const rows = parsed(lab.run('sh', '-c', `cat ${lab.path('out.json')} 2>/dev/null || true`));
      return ['packets', 'bytes'].map((key) => rows.reduce((total, row) => total + Number(row[key] ?? 0), 0));
    };
    // It writes once a second, a line after the other, and the rest at its end.
    await collector.until(() => isDeepStrictEqual(printed(), [packets, octets]), 'its lines', 10_000).catch(() => {});
    await collector.stop('SIGINT');
    expect(printed()).toEqual([packets, octets]);
    expect(collector.stderr + collector.stdout).not.toMatch(/unknown template|ERROR|malformed|discard|unsupported/);
    await lab.close();
  });

  const others = obstacle();
  it.skipIf(others !== undefined).concurrent('is read by tshark and by flowrelay', async () => {
    const lab = openLab();
    const collector = await lab.collect('--listen', `udp://127.0.0.1:${PORT}`);
    const tcpdump = await lab.record('exported.pcap', PORT);
    await exportTo(lab, each);
    await collector.quiet();
    expect(await collector.stop()).toBe(0);
    await tcpdump.stop('SIGINT');
    const expected = expectedSums(lab, each);
    expect(sumsOf(collector.lines)).toEqual(expected);
    expect(collector.stderr).not.toMatch(/"event":"fault"|"level":"error"/);
    const tshark = (...words: string[]): string =>
      lab.run('tshark', '-n', '-r', lab.path('exported.pcap'), '-d', `udp.port==${PORT},cflow`, ...words);
    expect(tshark('-Y', '_ws.malformed || _ws.expert')).toBe('');
    const values = (field: string): number[] =>
      tshark('-T', 'fields', '-e', field)
        .split(/[\s,]+/)
        .filter((word) => word !== '')
        .map(Number);
    const sum = (numbers: readonly number[]): number => numbers.reduce((a, b) => a + b, 0);
    const octets = values('cflow.octets');
    expect([octets.length, sum(values('cflow.packets')), sum(octets)]).toEqual(expected);
    await lab.close();
  });
});

describe('IPFIX over TCP', () => {
  const reason = obstacle();
  it.skipIf(reason !== undefined)('is read by flowrelay, the whole of a large capture', async () => {
    const lab = openLab();
    const collector = await lab.collect('--listen', `tcp://127.0.0.1:${PORT}`);
    const input = repositoryPath('fixtures/open-vswitch-ipfix/input.pcap.gz');
    lab.run(process.execPath, MAIN, 'convert', input, '--export', `tcp://127.0.0.1:${PORT}`);
    await collector.quiet();
    expect(await collector.stop()).toBe(0);
    expect(sumsOf(collector.lines)).toEqual(sumsOf(parsed(lab.run(process.execPath, MAIN, 'convert', input))));
    await lab.close();
  });
});
