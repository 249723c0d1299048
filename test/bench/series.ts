/**
 * What time series cost: CPU for each flow beside that of plain NDJSON from the same datagrams, CPU for closing a step with many
 * live series, and memory for them.
 *
 *   npm run bench:series -- [--rounds N] [--flows N] [--only flows|step]
 */

import { parseArgs } from 'node:util';
import { SLOT } from '../../src/flow/fields.ts';
import { Flow } from '../../src/flow/flow.ts';
import { fieldEntry, Layout, RECORD_TYPES } from '../../src/flow/layout.ts';
import { Origin } from '../../src/flow/origin.ts';
import type { RecordOutput } from '../../src/flow/record-output.ts';
import { DEFAULT_DECODING_OPTIONS, Decoding } from '../../src/pipeline/decoding.ts';
import { FlowSeries } from '../../src/series/flow-series.ts';
import { DEFAULT_SERIES_OPTIONS } from '../../src/series/series-options.ts';
import { FlowJson } from '../../src/sink/formats/flow-json.ts';
import { printTable } from './figures.ts';
import { describeMachine } from './machine.ts';
import { EXPORT_SECONDS, makeSecond, moveASecondOn } from './series-traffic.ts';

const { values } = parseArgs({
  options: {
    rounds: { type: 'string', default: '20' },
    flows: { type: 'string', default: '50000' },
    only: { type: 'string', default: '' },
  },
});

/** A second of traffic each. */
const ROUNDS = Number(values.rounds);
const FLOWS_PER_SECOND = Number(values.flows);
console.log(describeMachine());
if (values.only !== 'step') benchFlows();
if (values.only !== 'flows') benchStep();

function benchFlows(): void {
  const datagrams = makeSecond(FLOWS_PER_SECOND);
  let octets = 0;
  const json = () =>
    new FlowJson(
      { names: 'ntop', fields: undefined, upscale: false, recordTypes: new Set(RECORD_TYPES), codeGeneration: true },
      (lines) => {
        octets += lines.length;
      },
    );
  const makeSeries = (countOnce: boolean) =>
    new FlowSeries(
      { ...DEFAULT_SERIES_OPTIONS, countOnce, seed: 1 },
      {
        writeLines: (_octets, start, end) => {
          octets += end - start;
        },
      },
    );
  const once = makeSeries(true);
  const nothing: RecordOutput = { write: () => {}, writeRecord: () => {} };
  const ways: { name: string; output: RecordOutput; series: FlowSeries | undefined; figures: number[] }[] = [
    { name: 'decoding alone', output: nothing, series: undefined, figures: [] },
    { name: 'NDJSON', output: json(), series: undefined, figures: [] },
    { name: 'series', output: once, series: once, figures: [] },
  ];
  const decodings = ways.map(({ output }) => new Decoding(DEFAULT_DECODING_OPTIONS, output));
  for (let round = 0; round < ROUNDS; round++) {
    if (round > 0) moveASecondOn(datagrams);
    const nowMs = (EXPORT_SECONDS + round) * 1000;
    ways.forEach(({ series, figures }, i) => {
      const before = process.cpuUsage();
      for (const datagram of datagrams) {
        const view = new DataView(datagram.buffer, datagram.byteOffset, datagram.length);
        decodings[i]!.decode(datagram, view, 0, datagram.length, '192.0.2.1', 50_000, nowMs, false);
      }
      series?.advance(nowMs);
      const { user, system } = process.cpuUsage(before);
      figures.push(((user + system) * 1000) / FLOWS_PER_SECOND);
    });
  }
  console.log(`\n${ROUNDS} seconds of ${FLOWS_PER_SECOND} flows, ns of CPU for each flow\n`);
  const least = (figures: readonly number[]) => Math.min(...figures.slice(3));
  const mean = (figures: readonly number[]) => figures.slice(3).reduce((sum, value) => sum + value, 0) / (ROUNDS - 3);
  const plain = ways[1]!.figures;
  printTable(
    ['what', 'least', 'mean', 'of NDJSON'],
    ways.map(({ name, figures }) => [
      name,
      least(figures).toFixed(0),
      mean(figures).toFixed(0),
      (mean(figures) / mean(plain)).toFixed(2),
    ]),
  );
  console.log(
    `\n${once.counters.seriesLive} series live, ${once.counters.pointsWritten} points, ${once.counters.flowsReportedTwice} reported twice, ${JSON.stringify(once.counters.overLimit)}`,
  );
  if (Number.isNaN(octets)) console.log('none');
}

/** 100,000 series: hosts with all that they have. */
function benchStep(): void {
  const flow = new Flow(new Origin());
  flow.origin.exporterAddress = '192.0.2.1';
  flow.layout = new Layout(
    'flow',
    (
      [
        'sourceIPv4',
        'destinationIPv4',
        'sourcePort',
        'destinationPort',
        'protocol',
        'octets',
        'packets',
        'tos',
        'startMs',
        'endMs',
        'l7ProtocolName',
      ] as const
    ).map((name) => fieldEntry(name)),
  );
  const names = ['TLS', 'DNS', 'HTTP', 'SSH'].map((name) => Buffer.from(name));
  let points = 0;
  let octets = 0;
  global.gc?.();
  const before = process.memoryUsage();
  const series = new FlowSeries(
    { ...DEFAULT_SERIES_OPTIONS, maxSeries: 400_000, maxByFamily: undefined, seed: 1 },
    {
      writeLines: (_octets, start, end, count) => {
        points += count;
        octets += end - start;
      },
    },
  );
  const startMs = EXPORT_SECONDS * 1000;
  series.advance(startMs);
  const empty = memoryOctets(process.memoryUsage()) - memoryOctets(before);
  const fill = (atMs: number) => {
    for (let host = 0; host < 7000; host++) {
      for (let i = 0; i < 4; i++) {
        flow.bytes = names[i]!;
        flow.view = new DataView(flow.bytes.buffer, flow.bytes.byteOffset, flow.bytes.length);
        flow.sourceIPv4 = 0x0a00_0000 + host;
        flow.destinationIPv4 = 0xc600_0000 + host;
        flow.sourcePort = 1024 + i;
        flow.destinationPort = 443;
        flow.protocol = i % 2 === 0 ? 6 : 17;
        flow.octets = 1_000_000 + host;
        flow.packets = 1000;
        flow.tos = i % 2 === 0 ? 0 : 0xb8;
        flow.startMs = atMs;
        flow.endMs = atMs + 900;
        flow.l7ProtocolName = 0;
        flow.words[SLOT.l7ProtocolName + 1] = names[i]!.length;
        series.write(flow);
      }
    }
  };
  const closings: number[] = [];
  for (let step = 0; step < 6; step++) {
    const atMs = startMs + step * 300_000;
    series.advance(atMs + 1000);
    fill(atMs);
    // Up to the last second before the hosts' step is closed, so that it is measured alone.
    series.advance(atMs + 300_000 + 89_000);
    points = 0;
    octets = 0;
    const cpu = process.cpuUsage();
    series.advance(atMs + 300_000 + 90_000);
    const { user, system } = process.cpuUsage(cpu);
    closings.push((user + system) / 1e6);
    console.log(
      `step ${step}: ${points} points, ${(octets / 1e6).toFixed(1)} MB in ${((user + system) / 1e3).toFixed(0)} ms of CPU`,
    );
  }
  global.gc?.();
  const after = process.memoryUsage();
  const live = series.counters.seriesLive;
  const used = memoryOctets(after) - memoryOctets(before) - empty;
  console.log(
    `\n${live} series live; a step with all of them: ${(Math.min(...closings) * 1000).toFixed(0)} to ${(Math.max(...closings) * 1000).toFixed(0)} ms of CPU`,
  );
  console.log(
    `memory: ${(empty / 1e6).toFixed(1)} MB whatever comes, ${((used / live) * 0.1).toFixed(1)} MB more for 100,000 series; resident set ${((after.rss - before.rss) / 1e6).toFixed(0)} MB more in all`,
  );
}

function memoryOctets({ arrayBuffers, heapUsed }: NodeJS.MemoryUsage): number {
  return arrayBuffers + heapUsed;
}
