import { GeneratedFunctions } from '../bytes/generated-functions.ts';
import { ntpToUnixMs } from '../bytes/ntp-time.ts';
import type { PlanStep, RecordPlan } from './record-plan.ts';

/**
 * Reads the record at `pos` into a flow's `words` and `times`; returns where the next one starts, or -1 when a
 * variable-length field runs past `end`. The caller guarantees that the Template's shortest record fits before `end`.
 * `clock` holds the message's export time (Unix milliseconds) and the Exporter's milliseconds since start at that moment;
 * as two arguments they would be boxed for each record.
 */
export type ReadRecord = (
  view: DataView,
  pos: number,
  end: number,
  words: Uint32Array,
  times: Float64Array,
  clock: Float64Array,
) => number;

const readers = new GeneratedFunctions<ReadRecord>();

/**
 * Compiles a plan into straight-line code: each field is one assignment at a constant offset. The source is made of this
 * file's own text and of integers that {@link literal} has checked; nothing an Exporter or a definition file says reaches it
 * in another form. Throws where code generation is switched off (`--disallow-code-generation-from-strings`).
 */
export function compileReader(plan: RecordPlan): ReadRecord {
  const source = readerSource(plan);
  return readers.get(
    source,
    () => new Function('ntpToUnixMs', `'use strict'; return ${source};`)(ntpToUnixMs) as ReadRecord,
  );
}

/** The generated source, apart so that it can be read and tested. */
export function readerSource(plan: RecordPlan): string {
  const lines = plan.steps.flatMap(stepSource);
  return [
    'function read(view, pos, end, words, times, clock) {',
    ...clockSource(plan),
    // The Exporter's start must be known before the times that count from it, wherever it stands in the record.
    ...systemInitSource(plan),
    ...lines.map((line) => `  ${line}`),
    ...(plan.times.copyTo < 0
      ? []
      : [`  times[${literal(plan.times.copyTo)}] = times[${literal(1 - plan.times.copyTo)}];`]),
    `  return pos + ${literal(plan.tailOffset)};`,
    '}',
  ].join('\n');
}

/** The clock is read once, and only by plans with times that need it. */
function clockSource({ steps }: RecordPlan): string[] {
  const needsExport = steps.some(({ kind }) => EXPORT_TIME_KINDS.has(kind));
  const needsUpTime = steps.some(({ kind }) => kind === 'relative');
  return [
    ...(needsExport ? ['  const exportMs = clock[0];'] : []),
    ...(needsUpTime ? ['  let upTimeMs = clock[1];'] : []),
  ];
}

const EXPORT_TIME_KINDS: ReadonlySet<PlanStep['kind']> = new Set([
  'microseconds',
  'nanoseconds',
  'deltaMicroseconds',
  'relative',
  'systemInit',
]);

function stepSource({ kind, slot, offset, length, tail }: PlanStep): string[] {
  const at = (delta = 0): string => `pos + ${literal(offset + delta)}`;
  const word = (index = slot): string => `words[${literal(index)}]`;
  const time = `times[${literal(slot)}]`;
  switch (kind) {
    case 'word':
      return [`${word()} = ${unsigned(length, offset)};`];
    case 'long':
      if (length <= 4) return [`${word()} = 0; ${word(slot + 1)} = ${unsigned(length, offset)};`];
      return [`${word()} = ${unsigned(length - 4, offset)}; ${word(slot + 1)} = view.getUint32(${at(length - 4)});`];
    case 'position':
      return [`${word()} = ${at()};`];
    case 'text':
      return [`${word()} = ${at()}; ${word(slot + 1)} = ${literal(length)};`];
    case 'seconds':
      return [`${time} = ${number(length, offset)} * 1000;`];
    case 'milliseconds':
      return [`${time} = ${number(length, offset)};`];
    case 'microseconds':
    case 'nanoseconds':
      return [`${time} = Math.floor(ntpToUnixMs(view.getUint32(${at()}), view.getUint32(${at(4)}), exportMs));`];
    case 'deltaMicroseconds':
      return [`${time} = Math.floor(exportMs - view.getUint32(${at()}) / 1000);`];
    case 'relative':
      // The signed difference holds across the wrap of sysUpTime after 49.7 days, and for times after the export.
      return [`${time} = exportMs + ((${unsigned(length, offset)} - upTimeMs) | 0);`];
    case 'systemInit':
      return [];
    default:
      return variableSource(kind, slot, offset, tail);
  }
}

function variableSource(kind: PlanStep['kind'], slot: number, offset: number, tail: number): string[] {
  const word = (index = slot): string => `words[${literal(index)}]`;
  const lines = [
    `pos += ${literal(offset + 1)};`,
    '{ let length = view.getUint8(pos - 1);',
    '  if (length === 255) { if (pos + 2 > end) return -1; length = view.getUint16(pos); pos += 2; }',
    `  if (pos + length + ${literal(tail)} > end) return -1;`,
  ];
  if (kind === 'variableText') lines.push(`  ${word()} = pos; ${word(slot + 1)} = length;`);
  if (kind === 'variableWord' || kind === 'variableLong') {
    lines.push('  let high = 0, low = 0;');
    lines.push(
      '  if (length <= 8) for (let i = 0; i < length; i++) { high = (high << 8 | low >>> 24) >>> 0; low = (low << 8 | view.getUint8(pos + i)) >>> 0; }',
    );
    lines.push(kind === 'variableWord' ? `  ${word()} = low;` : `  ${word()} = high; ${word(slot + 1)} = low;`);
  }
  return [...lines, '  pos += length; }'];
}

function systemInitSource({ steps }: RecordPlan): string[] {
  return steps
    .filter(({ kind }) => kind === 'systemInit')
    .map(({ offset }) => {
      const high = `view.getUint32(pos + ${literal(offset)})`;
      const low = `view.getUint32(pos + ${literal(offset + 4)})`;
      return `  upTimeMs = exportMs - (${high} * 4294967296 + ${low});`;
    });
}

/** Big-endian unsigned number of 1 to 4 octets, whatever its abstract type (reduced-size encoding, RFC 7011 section 6.2). */
function unsigned(length: number, offset: number): string {
  const at = (delta: number): string => `pos + ${literal(offset + delta)}`;
  switch (length) {
    case 1:
      return `view.getUint8(${at(0)})`;
    case 2:
      return `view.getUint16(${at(0)})`;
    case 3:
      return `(view.getUint16(${at(0)}) * 256 + view.getUint8(${at(2)}))`;
    case 4:
      return `view.getUint32(${at(0)})`;
    default:
      throw new RangeError(`no number of ${length} octets`);
  }
}

/** The same up to 8 octets, as a number exact to 2^53. */
function number(length: number, offset: number): string {
  if (length <= 4) return unsigned(length, offset);
  return `(${unsigned(length - 4, offset)} * 4294967296 + view.getUint32(pos + ${literal(offset + length - 4)}))`;
}

function literal(value: number): string {
  if (!Number.isInteger(value) || value < 0) throw new RangeError(`not an offset: ${value}`);
  return String(value);
}
