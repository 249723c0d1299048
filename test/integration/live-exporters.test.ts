/**
 * Real exporters send to a real collector; tcpdump records the same datagrams, and what the collector printed is what
 * tshark reads in them. With FLOWRELAY_RECORD_FIXTURES=1 the recordings become the fixtures.
 */

import { writeFileSync } from 'node:fs';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { EXPORTERS, type ExporterCase, nfprobe, sfprobe } from '../support/exporters.ts';
import { expectedLines, recordFixture } from '../support/fixtures.ts';
import { lineProblems } from '../support/json-line.ts';
import { Lab, type LabProgram, obstacle } from '../support/lab.ts';
import { buildProgram } from '../support/program.ts';
import { differences, linesByTshark, type PartialLine } from '../support/tshark-lines.ts';

const PORT = 4739;
const RECORDING = 'exported.pcap';
const LISTENERS = [`udp://127.0.0.1:${PORT}`, `tcp://127.0.0.1:${PORT}`];
const isRecording = process.env['FLOWRELAY_RECORD_FIXTURES'] === '1';

const labs: Lab[] = [];

beforeAll(() => {
  buildProgram();
});

afterAll(async () => {
  for (const lab of labs) await lab.close();
});

function openLab(): Lab {
  const lab = new Lab();
  labs.push(lab);
  return lab;
}

/** Collects while `exportAll` runs; gives the printed lines, and those that tshark makes of the same datagrams. */
async function collectWhile(
  lab: Lab,
  protocol: 'cflow' | 'sflow',
  exportAll: (collector: LabProgram) => Promise<void>,
): Promise<{ lines: PartialLine[]; expected: PartialLine[]; collector: LabProgram }> {
  const collector = await lab.collect(...LISTENERS.flatMap((url) => ['--listen', url]));
  const tcpdump = await lab.record(RECORDING, PORT);
  await exportAll(collector);
  await collector.quiet();
  expect(await collector.stop()).toBe(0);
  await tcpdump.stop('SIGINT');
  expect(tcpdump.stderr).toContain('\n0 packets dropped by kernel');
  return { lines: collector.lines, expected: linesByTshark(lab.path(RECORDING), PORT, protocol), collector };
}

/** Each line has what tshark has, and tshark has them all. */
function expectAgreement(lines: readonly PartialLine[], expected: readonly PartialLine[]): void {
  const found = expected
    .map((line, i) => differences(line, lines[i] ?? {}))
    .filter((each) => Object.keys(each).length > 0);
  expect(found).toEqual([]);
  expect(lines).toHaveLength(expected.length);
}

/** Nothing was lost, refused or ill-formed on the way. */
function expectHealth(collector: LabProgram): void {
  const log = collector.stderr
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line) as PartialLine);
  expect(log.filter(({ level, event }) => level === 'error' || event === 'fault')).toEqual([]);
  const stopped = log.at(-1);
  expect(stopped).toMatchObject({ event: 'stopped', messagesDiscarded: 0, linesDropped: 0, kernelDrops: 0 });
  expect(stopped?.['linesWritten']).toBe(collector.lines.length);
  expect(lineProblems(collector.stdout, 'ntop')).toEqual([]);
}

describe('what is collected is what tshark reads', () => {
  for (const exporter of EXPORTERS) {
    const reason = obstacle(...exporter.programs);
    it.skipIf(reason !== undefined).concurrent(`${exporter.name}: ${exporter.shows}`, async () => {
      const lab = openLab();
      const { lines, collector } = await collectWhile(lab, exporter.protocol, () => exporter.run(lab, PORT));
      const expected = expectedLines(exporter, lab.path(RECORDING), PORT);
      expect(expected.length).toBeGreaterThan(10);
      expectAgreement(lines, expected);
      expectHealth(collector);
      if (isRecording) recordFixture(exporter, lab.path(RECORDING), PORT);
      await lab.close();
    });
  }
});

/** Real connections and datagrams over the veth pair. */
const CONVERSATION = `
const dgram = require('node:dgram'), net = require('node:net');
const talk = (host) => new Promise((resolve) => {
  const socket = dgram.createSocket(host.includes(':') ? 'udp6' : 'udp4');
  let left = 5;
  socket.on('message', () => { if (--left === 0) { socket.close(); next(); } });
  for (let i = 0; i < 5; i++) socket.send(Buffer.alloc(100 + i), 7, host);
  function next() {
    const stream = net.connect(8, host, () => stream.end(Buffer.alloc(20000)));
    stream.resume().on('close', resolve);
  }
});
const talked = talk('10.77.0.2').then(() => talk('fd77::2'));
`;

/** The kernel hands packets to softflowd in blocks of 128 KiB: without more behind them the last ones never come. */
const CONVERSATION_AND_MORE = `${CONVERSATION}
talked.then(() => {
  const socket = dgram.createSocket('udp4');
  let sent = 0;
  (function fill() {
    if (sent === 3000) socket.close();
    else if (++sent % 50 === 0) socket.send(Buffer.alloc(400), 9, '10.77.0.2', () => setTimeout(fill, 1));
    else socket.send(Buffer.alloc(400), 9, '10.77.0.2', fill);
  })();
});
`;

/** Octets and packets of the flows between the neighbours, by protocol and direction. */
function sums(lines: readonly PartialLine[]): Record<string, number> {
  const packets: Record<string, number> = {};
  for (const line of lines) {
    const source = line['IPV4_SRC_ADDR'] ?? line['IPV6_SRC_ADDR'];
    if (line['RECORD_TYPE'] !== 'flow' || (line['L4_SRC_PORT'] !== 7 && line['L4_DST_PORT'] !== 7)) continue;
    const key = `${line['PROTOCOL']} ${source}`;
    packets[key] = (packets[key] ?? 0) + Number(line['IN_PKTS']);
  }
  return packets;
}

interface LiveExporter {
  readonly name: string;
  readonly program: string;
  readonly protocol: ExporterCase['protocol'];
  readonly conversation: string;
  readonly start: (lab: Lab) => Promise<LabProgram>;
  /** Lets it export what it has, and end. */
  readonly stop: (lab: Lab, program: LabProgram) => Promise<unknown>;
}

function startPmacctd(lab: Lab, configuration: readonly string[]): Promise<LabProgram> {
  const common = ['daemonize: false', 'pcap_interface: v0', 'snaplen: 256'];
  writeFileSync(lab.path('pmacctd.conf'), [...common, ...configuration, ''].join('\n'));
  const pmacctd = lab.start('pmacctd', ['-f', lab.path('pmacctd.conf')]);
  return pmacctd
    .until(() => /link type is/.test(pmacctd.stderr + pmacctd.stdout), 'pmacctd to capture')
    .then(() => pmacctd);
}

const LIVE: readonly LiveExporter[] = [
  ...(['5', '9', '10'] as const).map((version) => ({
    name: `softflowd, version ${version}`,
    program: 'softflowd',
    protocol: 'cflow' as const,
    conversation: CONVERSATION_AND_MORE,
    start: async (lab: Lab) => {
      const files = ['-p', lab.path('softflowd.pid'), '-c', lab.path('softflowd.control')];
      const args = ['-i', 'v0', ...files, '-n', `127.0.0.1:${PORT}`, '-v', version, '-D'];
      const softflowd = lab.start('softflowd', args);
      await softflowd.until(() => softflowd.stderr.includes('starting data collection'), 'softflowd to capture');
      return softflowd;
    },
    stop: async (lab: Lab, softflowd: LabProgram) => {
      // A signal would end it without a word on the flows it has.
      lab.run('softflowctl', '-c', lab.path('softflowd.control'), 'shutdown');
      await softflowd.ended();
    },
  })),
  ...([9, 10] as const).map((version) => ({
    name: `pmacctd nfprobe, version ${version}`,
    program: 'pmacctd',
    protocol: 'cflow' as const,
    conversation: CONVERSATION,
    start: (lab: Lab) => startPmacctd(lab, nfprobe(version, PORT)),
    stop: (_: Lab, pmacctd: LabProgram) => pmacctd.stop('SIGINT'),
  })),
  {
    name: 'pmacctd sfprobe',
    program: 'pmacctd',
    protocol: 'sflow',
    conversation: CONVERSATION,
    start: (lab) => startPmacctd(lab, sfprobe(PORT)),
    stop: (_, pmacctd) => pmacctd.stop('SIGINT'),
  },
];

describe('traffic on a veth pair, metered as it passes', () => {
  for (const exporter of LIVE) {
    const reason = obstacle(exporter.program, ...(exporter.program === 'softflowd' ? ['softflowctl'] : []));
    it.skipIf(reason !== undefined).concurrent(exporter.name, async () => {
      const lab = openLab();
      await lab.addNeighbour();
      const { lines, expected, collector } = await collectWhile(lab, exporter.protocol, async () => {
        const metering = await exporter.start(lab);
        await lab.start(process.execPath, ['-e', exporter.conversation]).ended();
        // They capture in blocks: the last one is a while in coming.
        await new Promise((resolve) => setTimeout(resolve, 1500));
        await exporter.stop(lab, metering);
      });
      expectAgreement(lines, expected);
      expectHealth(collector);
      // Five datagrams each way, as sent: the exporter, tshark and we could still all be wrong together.
      const expectedSums: Record<string, number> = { '17 10.77.0.1': 5, '17 10.77.0.2': 5 };
      if (!exporter.name.endsWith('5')) Object.assign(expectedSums, { '17 fd77::1': 5, '17 fd77::2': 5 });
      expect(sums(lines)).toEqual(expectedSums);
      await lab.close();
    });
  }
});
