/**
 * What the stages of a flow cost, in nanoseconds for each record: reading, writing a line, finding a Template, parsing a packet,
 * an sFlow sample. Rounds are taken in turn; on a shared machine the least is nearest the truth.
 *
 *   npm run bench:micro -- [--rounds N] [--ms N] [--only TEXT]
 */

import { resolve } from 'node:path';
import { parseArgs } from 'node:util';
import { NetflowDecoder } from '../../src/decode/netflow-decoder.ts';
import { PendingSets } from '../../src/decode/pending-sets.ts';
import type { Session } from '../../src/decode/session.ts';
import { SessionTable } from '../../src/decode/session-table.ts';
import { SflowDecoder } from '../../src/decode/sflow.ts';
import { SAMPLE_FLOW, type SflowSample } from '../../src/decode/sflow-sample.ts';
import type { Template } from '../../src/decode/template.ts';
import { Flow } from '../../src/flow/flow.ts';
import { RECORD_TYPES } from '../../src/flow/layout.ts';
import { Origin } from '../../src/flow/origin.ts';
import type { RecordOutput } from '../../src/flow/record-output.ts';
import { loadDefinitionDirectory } from '../../src/ie/definition-file.ts';
import { Registry } from '../../src/ie/registry.ts';
import { compileReader, type ReadRecord } from '../../src/normalize/compile-reader.ts';
import { interpretReader } from '../../src/normalize/interpret-reader.ts';
import { planRecord, type RecordPlan } from '../../src/normalize/record-plan.ts';
import { SflowNormalizer } from '../../src/normalize/sflow-normalizer.ts';
import { LINK_ETHERNET } from '../../src/packet/link-type.ts';
import { PacketHeaders } from '../../src/packet/packet-headers.ts';
import { parsePacket } from '../../src/packet/parse-packet.ts';
import { FlowJson } from '../../src/sink/formats/flow-json.ts';
import { interpretLine } from '../../src/sink/formats/interpret-line.ts';
import { planLine } from '../../src/sink/formats/line-plan.ts';
import { compileLine, type WriteLine } from '../../src/sink/formats/line-writer.ts';
import { median, printTable } from './figures.ts';
import { describeMachine } from './machine.ts';
import { type Protocol, TrafficMaker } from './traffic.ts';

/** One thing to measure. */
interface Bench {
  readonly name: string;
  /** Does it `times` times and returns how many records that were. */
  run(times: number): number;
}

/** A Data Set as it lies in a datagram, with its Template. */
interface DataSet {
  readonly template: Template;
  readonly bytes: Uint8Array;
  readonly view: DataView;
  readonly start: number;
  readonly end: number;
}

const { values } = parseArgs({
  options: {
    rounds: { type: 'string', default: '15' },
    ms: { type: 'string', default: '100' },
    only: { type: 'string', default: '' },
  },
});

const ROUNDS = Number(values.rounds);
const ROUND_MS = Number(values.ms);
/** Datagrams gone through by turns: more than stays in the nearest cache. */
const DATAGRAMS = 500;
const EXPORT_MS = 1_767_225_600_000;
const UPTIME_MS = 3_600_000;
const LINE_ROOM = 64 * 1024;
const SESSIONS = 1000;
const TEMPLATES = 10_000;
const IN_USE = 100;
/** Calls between two looks at the clock. */
const BATCH = 2000;

/** What was computed ends up here, so that nothing is computed in vain. */
let sum = 0;

// The definitions in use; where they are compiled to the built-in ones are not found.
const registry = new Registry(loadDefinitionDirectory(resolve('ie-definitions')));
const nothing: RecordOutput = { write: () => {}, writeRecord: () => {} };

const benches = [
  ...readersAndWriters('v9'),
  ...readersAndWriters('ipfix'),
  ...lookUps(),
  ...packets(),
  ...sflowSamples(),
].filter(({ name }) => name.includes(values.only));

const figures = benches.map((): number[] => []);
for (const bench of benches) measure(bench, ROUND_MS);
for (let round = 0; round < ROUNDS; round++) {
  for (let i = 0; i < benches.length; i++) figures[i]!.push(measure(benches[i]!, ROUND_MS));
}
console.log(describeMachine());
console.log(`${ROUNDS} rounds of ${ROUND_MS} ms in turn\n`);
printTable(
  ['what', 'ns each, least', 'median'],
  benches.map(({ name }, i) => [name, Math.min(...figures[i]!).toFixed(1), median(figures[i]!).toFixed(1)]),
);
if (Number.isNaN(sum)) console.log('no sum');

/** Nanoseconds for each record. */
function measure(bench: Bench, forMs: number): number {
  const start = performance.now();
  let records = 0;
  let elapsed = 0;
  do {
    records += bench.run(BATCH);
    elapsed = performance.now() - start;
  } while (elapsed < forMs);
  return (elapsed * 1e6) / records;
}

function readersAndWriters(protocol: Protocol): Bench[] {
  const sets = dataSets(protocol);
  const plan = planRecord(sets[0]!.template, registry, true);
  const fields = sets[0]!.template.fields.length;
  const steps = planLine(plan.layout, { names: 'ntop', fields: undefined, upscale: false });
  const flows = readFlows(sets, plan);
  return [
    reading(`read ${protocol}, ${fields} fields, compiled`, compileReader(plan), sets),
    reading(`read ${protocol}, ${fields} fields, by steps`, interpretReader(plan), sets),
    writing(`write ${protocol}, ${steps.length} keys, compiled`, compileLine(steps), flows),
    writing(`write ${protocol}, ${steps.length} keys, by steps`, interpretLine(steps), flows),
    wholeLines(`write ${protocol}, whole lines`, flows),
  ];
}

/** The Data Sets of made datagrams, found by the decoder itself. */
function dataSets(protocol: Protocol): DataSet[] {
  const sets: DataSet[] = [];
  const decoder = new NetflowDecoder(
    new SessionTable(),
    new PendingSets(),
    {
      readerFor: (_, template) => ({
        readSet: ({ bytes, view }, start, end) => {
          sets.push({ template, bytes, view, start, end });
          return 0;
        },
      }),
    },
    0,
  );
  for (const bytes of datagrams(protocol)) {
    decoder.decode(bytes, viewOf(bytes), 0, bytes.length, '192.0.2.1', 50_000, EXPORT_MS, false);
  }
  return sets;
}

function datagrams(protocol: Protocol): Uint8Array[] {
  const maker = new TrafficMaker(protocol, 3);
  return Array.from({ length: DATAGRAMS }, () => maker.octets.slice(0, maker.make(Number.POSITIVE_INFINITY)));
}

function viewOf(bytes: Uint8Array): DataView {
  return new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}

function reading(name: string, read: ReadRecord, sets: readonly DataSet[]): Bench {
  const { words, times } = new Flow(new Origin());
  const clock = new Float64Array([EXPORT_MS, UPTIME_MS]);
  let next = 0;
  return {
    name,
    run: (count) => {
      let records = 0;
      for (; records < count; next = next + 1 === sets.length ? 0 : next + 1) {
        const { template, view, start, end } = sets[next]!;
        for (let pos = start; end - pos >= template.minRecordLength; records++) {
          pos = read(view, pos, end, words, times, clock);
        }
      }
      sum += words[0]!;
      return records;
    },
  };
}

/** A flow for each of the first records, filled as a decoder does. */
function readFlows(sets: readonly DataSet[], plan: RecordPlan): Flow[] {
  const read = interpretReader(plan);
  const clock = new Float64Array([EXPORT_MS, UPTIME_MS]);
  const flows: Flow[] = [];
  const origin = new Origin();
  for (const { template, bytes, view, start, end } of sets.slice(0, 8)) {
    for (let pos = start; end - pos >= template.minRecordLength; ) {
      const flow = new Flow(origin);
      flow.bytes = bytes;
      flow.view = view;
      flow.layout = plan.layout;
      pos = read(view, pos, end, flow.words, flow.times, clock);
      flows.push(flow);
    }
  }
  return flows;
}

function writing(name: string, write: WriteLine, flows: readonly Flow[]): Bench {
  const octets = new Uint8Array(LINE_ROOM);
  const out = new DataView(octets.buffer);
  let next = 0;
  return {
    name,
    run: (count) => {
      for (let i = 0; i < count; i++) {
        sum += write(out, octets, 0, flows[next]!);
        next = next + 1 === flows.length ? 0 : next + 1;
      }
      return count;
    },
  };
}

/** With what stands before a flow's own keys, and the buffer handed on when full. */
function wholeLines(name: string, flows: readonly Flow[]): Bench {
  const drain = (octets: Uint8Array) => {
    sum += octets.length;
  };
  const json = new FlowJson(
    { names: 'ntop', fields: undefined, upscale: false, recordTypes: new Set(RECORD_TYPES), codeGeneration: true },
    drain,
  );
  let next = 0;
  return {
    name,
    run: (count) => {
      for (let i = 0; i < count; i++) {
        const flow = flows[next]!;
        // As many flows to a datagram as there are in a set.
        if (i % 17 === 0) flow.origin.serial++;
        json.write(flow);
        next = next + 1 === flows.length ? 0 : next + 1;
      }
      return count;
    },
  };
}

function lookUps(): Bench[] {
  const set = dataSets('v9')[0]!;
  const { template } = set;
  const table = new SessionTable();
  const addresses = Array.from({ length: SESSIONS }, (_, i) => `10.0.${i >> 8}.${i & 255}`);
  const sessions = addresses.map((address) => table.find(9, address, 50_000, 1, '', false, EXPORT_MS));
  for (const session of sessions) table.learn(session, template, EXPORT_MS);
  const many = new SessionTable({ maxSessions: 16_384, maxTemplateFields: 1_000_000, exporterKey: 'address' });
  const holder = many.find(9, '192.0.2.1', 50_000, 1, '', false, EXPORT_MS);
  for (let i = 0; i < TEMPLATES; i++) many.learn(holder, { ...template, id: 256 + i }, EXPORT_MS);
  return [
    sessionLookUp('find the session, one Exporter', table, addresses.slice(0, 1)),
    sessionLookUp(`find the session, ${SESSIONS} Exporters by turns`, table, addresses),
    templateLookUp('find the Template, the only one', table, sessions[0]!, template.id, 1),
    templateLookUp(`find the Template, ${IN_USE} of ${TEMPLATES} by turns`, many, holder, 256, IN_USE),
  ];
}

function sessionLookUp(name: string, table: SessionTable, addresses: readonly string[]): Bench {
  return {
    name,
    run: (count) => {
      let next = 0;
      for (let i = 0; i < count; i++) {
        sum += table.find(9, addresses[next]!, 50_000, 1, '', false, EXPORT_MS).port;
        next = next + 1 === addresses.length ? 0 : next + 1;
      }
      return count;
    },
  };
}

function templateLookUp(name: string, table: SessionTable, session: Session, firstId: number, ids: number): Bench {
  return {
    name,
    run: (count) => {
      let next = 0;
      for (let i = 0; i < count; i++) {
        sum += table.templateFor(session, firstId + next)!.usedMs;
        next = next + 1 === ids ? 0 : next + 1;
      }
      return count;
    },
  };
}

/** The sampled frames in made sFlow datagrams: Ethernet, IPv4, TCP or UDP. */
function packets(): Bench[] {
  const frames: { view: DataView; start: number; end: number }[] = [];
  let view = new DataView(new ArrayBuffer(0)) as DataView;
  const decoder = new SflowDecoder(new SessionTable(), {
    startDatagram: () => {},
    startSample: () => {},
    readRecord: (sample: SflowSample, dataFormat: number, start: number, end: number) => {
      if (sample.kind === SAMPLE_FLOW && dataFormat === 1) frames.push({ view, start: start + 16, end });
    },
    endSample: () => {},
  });
  for (const bytes of datagrams('sflow')) {
    view = viewOf(bytes);
    decoder.decode(bytes, view, 0, bytes.length, '192.0.2.1', 50_000, EXPORT_MS);
  }
  const headers = new PacketHeaders();
  let next = 0;
  return [
    {
      name: 'parse a packet: Ethernet, IPv4, TCP or UDP',
      run: (count) => {
        for (let i = 0; i < count; i++) {
          const frame = frames[next]!;
          parsePacket(frame.view, frame.start, frame.end, LINK_ETHERNET, headers);
          sum += headers.etherType;
          next = next + 1 === frames.length ? 0 : next + 1;
        }
        return count;
      },
    },
  ];
}

function sflowSamples(): Bench[] {
  const made = datagrams('sflow').map((bytes) => ({ bytes, view: viewOf(bytes) }));
  const decoder = new SflowDecoder(new SessionTable(), new SflowNormalizer(new Flow(new Origin()), nothing));
  const samples = 7;
  let next = 0;
  return [
    {
      name: `decode an sFlow sample, ${samples} a datagram`,
      run: (count) => {
        let records = 0;
        for (; records < count; records += samples) {
          const { bytes, view } = made[next]!;
          decoder.decode(bytes, view, 0, bytes.length, '192.0.2.1', 50_000, EXPORT_MS);
          next = next + 1 === made.length ? 0 : next + 1;
        }
        return records;
      },
    },
  ];
}
