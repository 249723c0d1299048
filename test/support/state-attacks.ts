/**
 * Attacks on what a decoder remembers, each run in a process of its own so that its memory can be measured. Arguments: the
 * attack's name and how many messages it takes. Prints one line of JSON.
 */

import type { RecordType } from '../../src/flow/layout.ts';
import { DEFAULT_DECODING_OPTIONS, Decoding } from '../../src/pipeline/decoding.ts';
import { FlowJson } from '../../src/sink/formats/flow-json.ts';
import { COMPILE_AFTER } from './decoding-harness.ts';
import { dataSet, type Field, message, optionsTemplateSet, templateSet, VARIABLE } from './ipfix-message.ts';
import { Random } from './random.ts';
import { ipv4, joined, type Octets, text, u32, variable } from './wire-octets.ts';

/** What an attack came to. */
export interface AttackResult {
  /** Growth of resident memory at its highest, and at the end after a collection, in megabytes. */
  readonly peakMb: number;
  readonly endMb: number;
  readonly seconds: number;
  /** Flows of the real Exporter that came out right, of those sent. */
  readonly right: number;
  readonly sent: number;
  readonly internalError: string;
  readonly sums: boolean;
  readonly lines: number;
}

const RECORD_TYPES: ReadonlySet<RecordType> = new Set(['flow', 'event', 'discard', 'counters', 'options']);
const REAL = '198.51.100.1';
const REAL_FLOW = joined(ipv4('10.0.0.1'), u32(7), u32(4321), u32(9));
const START_MS = 1_700_000_000_000;
/** The real Exporter sends a flow each so many messages of the attack. */
const REAL_EVERY = 1000;

let lines = 0;
let realLines = 0;
let rightLines = 0;
const writer = new FlowJson(
  {
    names: 'ntop',
    fields: undefined,
    upscale: false,
    recordTypes: RECORD_TYPES,
    codeGeneration: true,
    compileAfter: COMPILE_AFTER,
  },
  (octets) => {
    const written = Buffer.from(octets.buffer, octets.byteOffset, octets.length).toString('latin1');
    for (const line of written.split('\n')) {
      if (line === '') continue;
      lines++;
      if (!line.includes(REAL) || line.includes('"RECORD_TYPE":"options"')) continue;
      realLines++;
      const says = ['"IPV4_SRC_ADDR":"10.0.0.1"', '"IN_BYTES":4321', '"INPUT_INTERFACE_NAME":"real7"'];
      if ([...says, '"SAMPLING_INTERVAL":512', '"SAMPLING_ORIGIN":"option"'].every((part) => line.includes(part)))
        rightLines++;
    }
  },
);
const decoding = new Decoding({ ...DEFAULT_DECODING_OPTIONS, compileAfter: COMPILE_AFTER }, writer);

function send(octets: Octets, address: string, port: number, atMs: number): void {
  const view = new DataView(octets.buffer, octets.byteOffset, octets.length);
  decoding.decode(octets, view, 0, octets.length, address, port, atMs, false);
}

function real(atMs: number): void {
  send(message([dataSet(300, REAL_FLOW)], { domain: 42 }), REAL, 2055, atMs);
}

function introduceReal(): void {
  const octets = message(
    [
      templateSet(300, [
        [8, 4],
        [10, 4],
        [1, 4],
        [48, 4],
      ]),
      optionsTemplateSet(301, [[10, 4]], [[82, 8]]),
      optionsTemplateSet(302, [[48, 4]], [[34, 4]]),
      dataSet(301, joined(u32(7), text('real7', 8))),
      dataSet(302, joined(u32(9), u32(512))),
    ],
    { domain: 42 },
  );
  for (let i = 0; i < 5; i++) send(octets, REAL, 2055, START_MS);
}

function address(i: number): string {
  return `10.${(i >>> 16) & 255}.${(i >>> 8) & 255}.${i & 255}`;
}

const random = new Random(1);
const LONG_TEMPLATE = Array.from({ length: 512 }, (_, i): Field => [i % 500, 1]);
const LONG_RECORD = random.octets(512);

/** The message at place `i` of each attack, and whom it pretends to come from. */
const ATTACKS: Readonly<Record<string, (i: number) => void>> = {
  /** Template ids by domains by spoofed sources. */
  templates: (i) => {
    const octets = message(
      [
        templateSet(256 + (i % 65_000), [
          [1, 4],
          [2, 1 + (i % 8)],
        ]),
      ],
      { domain: i >>> 8 },
    );
    send(octets, address(i >>> 4), 1000 + (i & 7), START_MS + i);
  },
  /** The same from one address that has proved itself. */
  templatesOfOne: (i) => {
    const octets = message(
      [
        templateSet(256 + (i % 65_000), [
          [1, 4],
          [2, 1 + (i % 8)],
        ]),
      ],
      { domain: i % 16 },
    );
    send(octets, '203.0.113.66', 2055, START_MS + i);
  },
  /** Longest Templates, each with data, from Exporters that have proved themselves. */
  longTemplates: (i) => {
    const fields = LONG_TEMPLATE.with(i % 512, [501 + (i % 30_000), 1]);
    const octets = message([templateSet(256 + i, fields), dataSet(256 + i, LONG_RECORD)], { domain: i % 16 });
    send(octets, '203.0.113.66', 2055, START_MS + i);
  },
  /** Each session says one thing and is never heard again. */
  sessions: (i) => {
    send(
      message([templateSet(256, [[1, 4]]), dataSet(256, u32(i))], { domain: i }),
      address(i),
      i & 0xffff,
      START_MS + i,
    );
  },
  /** One Template that changes with each message, and is used. */
  redefined: (i) => {
    const octets = message([
      templateSet(256, [
        [1 + (i % 400), 4],
        [1 + ((i >>> 8) % 400), 4],
      ]),
      dataSet(256, u32(i), u32(i)),
    ]);
    send(octets, '203.0.113.66', 2055, START_MS + i);
  },
  /** The longest Templates, redefined and used. */
  redefinedLong: (i) => {
    const fields = LONG_TEMPLATE.with(i % 512, [501 + (i % 30_000), 1]);
    send(message([templateSet(256, fields), dataSet(256, LONG_RECORD)]), '203.0.113.66', 2055, START_MS + i);
  },
  /** Options Templates, redefined and used. */
  redefinedOptions: (i) => {
    const fields = LONG_TEMPLATE.with(i % 512, [501 + (i % 30_000), 1]);
    const octets = message([optionsTemplateSet(256, [], fields), dataSet(256, LONG_RECORD)]);
    send(octets, '203.0.113.66', 2055, START_MS + i);
  },
  /** Interface names, ten to the message, from many domains. */
  interfaceNames: (i) => {
    const records = Array.from({ length: 10 }, (_, n) =>
      joined(u32(i * 10 + n), text(`interface ${i} ${n} ${'x'.repeat(200)}`, 230)),
    );
    const octets = message([optionsTemplateSet(256, [[10, 4]], [[82, 230]]), dataSet(256, ...records)], {
      domain: i % 64,
    });
    send(octets, address(i % 16), 2055, START_MS + i);
  },
  /** Names of 60,000 octets. */
  longNames: (i) => {
    const octets = message(
      [optionsTemplateSet(256, [[10, 4]], [[82, VARIABLE]]), dataSet(256, joined(u32(i), variable(LONG_NAME)))],
      { domain: i % 64 },
    );
    send(octets, address(i % 16), 2055, START_MS + i);
  },
  /** Samplers by the million: what holds for all of them is asked for with each set. */
  samplers: (i) => {
    const octets = message(
      [
        optionsTemplateSet(256, [[48, 4]], [[34, 4]]),
        dataSet(256, ...Array.from({ length: 20 }, (_, n) => joined(u32(i * 20 + n), u32(100)))),
        templateSet(257, [[1, 4]]),
        dataSet(257, u32(1)),
        dataSet(257, u32(2)),
      ],
      { domain: i % 32 },
    );
    send(octets, '203.0.113.66', 2055, START_MS + i);
  },
  /** Elements described by the Exporter (RFC 5610), many domains. */
  elements: (i) => {
    const octets = message(
      [
        optionsTemplateSet(
          256,
          [
            [346, 4],
            [303, 2],
          ],
          [
            [339, 1],
            [341, VARIABLE],
          ],
        ),
        ...Array.from({ length: 10 }, (_, n) =>
          dataSet(
            256,
            joined(
              u32(60_000 + (i % 5000)),
              text('a', 1),
              text(String(n), 1),
              text('\u0002'),
              variable(`own${i}x${n}`),
            ),
          ),
        ),
        templateSet(257, [
          [1, 4],
          [24880, 2, 60_000 + (i % 5000)],
        ]),
        dataSet(257, joined(u32(1), text('ab'))),
      ],
      { domain: i % 64 },
    );
    send(octets, address(i % 16), 2055, START_MS + i);
  },
  /** Data without Template, without end, from one Exporter and from many. */
  dataOnly: (i) => {
    const octets = message([dataSet(256 + (i % 60_000), LONG_RECORD.subarray(0, 1000))], { domain: i });
    send(octets, i % 2 === 0 ? '203.0.113.66' : address(i), 2055, START_MS + i);
  },
};

const LONG_NAME = `${'n'.repeat(59_990)}\u00e9`;

/** Names of the attacks. */
export const ATTACK_NAMES: readonly string[] = Object.keys(ATTACKS);

function run(name: string, count: number): AttackResult {
  const attack = ATTACKS[name]!;
  introduceReal();
  real(START_MS);
  global.gc?.();
  const before = process.memoryUsage().rss;
  let peak = before;
  let sent = 1;
  const started = performance.now();
  for (let i = 0; i < count; i++) {
    attack(i);
    if (i % REAL_EVERY !== 0) continue;
    real(START_MS + i);
    sent++;
    peak = Math.max(peak, process.memoryUsage().rss);
  }
  const seconds = (performance.now() - started) / 1000;
  writer.flush();
  global.gc?.();
  const totals = decoding.sessions.totals();
  const sums =
    totals.messagesReceived === totals.messagesDecoded + totals.messagesDiscarded &&
    totals.setsWithoutTemplate === totals.pendingDecoded + totals.pendingDropped + decoding.pendingStatus().sets;
  return {
    peakMb: Math.round((peak - before) / 1e6),
    endMb: Math.round((process.memoryUsage().rss - before) / 1e6),
    seconds,
    right: rightLines,
    sent: Math.max(sent, realLines),
    internalError: decoding.lastInternalError,
    sums,
    lines,
  };
}

if (process.argv[2] !== undefined && process.argv[2] in ATTACKS) {
  process.stdout.write(`${JSON.stringify(run(process.argv[2], Number(process.argv[3])))}\n`);
}
