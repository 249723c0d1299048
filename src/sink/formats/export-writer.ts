/** Flows to the octets of Data Records: by steps, or by code generated from them once a layout has shown to be worth it. */

import { unixToNtp } from '../../bytes/ntp-time.ts';
import type { Flow } from '../../flow/flow.ts';
import type { ExportStep } from './export-plan.ts';

/** What a record needs besides its flow, and what had to be changed to fit. */
export interface ExportContext {
  /** Start of the Exporter's clock, Unix milliseconds. */
  baseMs: number;
  /** Address of the Exporter the flow comes from: 4 octets as a number, 0 where it has an IPv6 address. */
  exporterIPv4: number;
  /** The same, 16 octets, zero where it has an IPv4 address. */
  readonly exporterIPv6: Uint8Array;
  exporterPort: number;
  /** Numbers too large for their field, of which the largest that fits went out. */
  valuesSaturated: number;
  /** Texts cut off. */
  textsTruncated: number;
  /** Times out of range of their field. */
  timesClamped: number;
}

/**
 * Writes one record and returns the position behind it. `out` and `octets` are the same memory, with room for the plan's
 * fixed length and what {@link variableOctets} says.
 */
export type WriteRecord = (
  out: DataView,
  octets: Uint8Array,
  pos: number,
  flow: Flow,
  context: ExportContext,
) => number;

const TWO_32 = 4_294_967_296;
const WIDE_TIMES = new Uint32Array(2);
const encoder = new TextEncoder();

/** Octets that the variable-length fields of a flow take, lengths included. */
export function variableOctets(steps: readonly ExportStep[], { words, names }: Flow): number {
  let sum = 0;
  for (let i = 0; i < steps.length; i++) {
    const { kind, slot, sourceLength } = steps[i]!;
    const length =
      kind === 'variableName'
        ? Buffer.byteLength(names[slot]!)
        : kind === 'zero'
          ? 0
          : sourceLength < 0
            ? words[slot + 1]!
            : sourceLength;
    sum += length + (length < 255 ? 1 : 3);
  }
  return sum;
}

/** The steps that {@link variableOctets} looks at. */
export function variableSteps(steps: readonly ExportStep[]): ExportStep[] {
  return steps.filter(
    ({ kind, length }) => length === 0 && (kind === 'variable' || kind === 'variableName' || kind === 'zero'),
  );
}

/** A writer that goes through the steps. */
export function interpretRecord(steps: readonly ExportStep[]): WriteRecord {
  return (out, octets, start, flow, context) => {
    let pos = start;
    for (let i = 0; i < steps.length; i++) pos = writeStep(out, octets, pos, flow, context, steps[i]!);
    return pos;
  };
}

/** A writer with the steps as code of its own. Only whole numbers of the plan enter it. */
export function compileRecord(steps: readonly ExportStep[]): WriteRecord {
  const make = new Function('runtime', recordSource(steps)) as (runtime: typeof RUNTIME) => WriteRecord;
  return make(RUNTIME);
}

/** The source of {@link compileRecord}, for a look at it. */
export function recordSource(steps: readonly ExportStep[]): string {
  const lines: string[] = [];
  let at = 0;
  for (const step of steps) {
    const offset = at === 0 ? 'pos' : `pos + ${at}`;
    const [text, isFixed] = stepSource(step, offset);
    if (isFixed) {
      lines.push(text);
      at += step.length;
      continue;
    }
    lines.push(`pos = ${text};`);
    at = 0;
  }
  return [
    '"use strict";',
    `const { ${Object.keys(RUNTIME).join(', ')} } = runtime;`,
    'return (out, octets, pos, flow, context) => {',
    'const { words, times, names, bytes, view } = flow;',
    'let value = 0;',
    ...lines,
    `return pos + ${at};`,
    '};',
  ].join('\n');
}

/** What generated code calls, by the names it calls it. */
const RUNTIME = {
  writeLong,
  writeMilliseconds,
  writeSeconds,
  writeNtp,
  writeUpTime,
  writeDuration,
  writeMplsLabel,
  copyOctets,
  writeFixedText,
  writeFixedNumber,
  writeVariable,
  writeApplication,
  writeName,
  writeVariableName,
};

function stepSource(step: ExportStep, at: string): readonly [text: string, isFixed: boolean] {
  const slot = integer(step.slot);
  const length = integer(step.length);
  const source = step.sourceLength < 0 ? `words[${integer(step.slot + 1)}]` : integer(step.sourceLength);
  switch (step.kind) {
    case 'word': {
      const setter = SETTERS[step.length];
      if (setter === undefined) return [`writeLong(out, ${at}, 0, words[${slot}], ${length}, context);`, true];
      if (step.sourceLength <= step.length) return [`out.${setter}(${at}, words[${slot}]);`, true];
      const most = integer(256 ** step.length - 1);
      return [
        `value = words[${slot}]; if (value > ${most}) { value = ${most}; context.valuesSaturated++; } out.${setter}(${at}, value);`,
        true,
      ];
    }
    case 'long':
      if (step.length === 8) {
        const low = integer(step.slot + 1);
        return [`out.setUint32(${at}, words[${slot}]); out.setUint32(${at} + 4, words[${low}]);`, true];
      }
      return [`writeLong(out, ${at}, words[${slot}], words[${integer(step.slot + 1)}], ${length}, context);`, true];
    case 'milliseconds':
      return [`writeMilliseconds(out, ${at}, times[${slot}]);`, true];
    case 'seconds':
      return [`writeSeconds(out, ${at}, times[${slot}], context);`, true];
    case 'ntp':
      return [`writeNtp(out, ${at}, times[${slot}]);`, true];
    case 'upTime':
      return [`writeUpTime(out, ${at}, times[${slot}], context);`, true];
    case 'duration':
      return [`writeDuration(out, ${at}, words[${slot}], ${length}, context);`, true];
    case 'mplsLabel':
      return [`writeMplsLabel(out, ${at}, words[${slot}]);`, true];
    case 'octets':
      if (step.length === 4) return [`out.setUint32(${at}, view.getUint32(words[${slot}]));`, true];
      return [`copyOctets(octets, ${at}, bytes, words[${slot}], ${length});`, true];
    case 'fixedText':
      return [`writeFixedText(octets, ${at}, bytes, words[${slot}], ${source}, ${length}, context);`, true];
    case 'fixedNumber':
      return [`writeFixedNumber(octets, ${at}, bytes, words[${slot}], ${source}, ${length}, context);`, true];
    case 'variable':
      return [`writeVariable(octets, ${at}, bytes, words[${slot}], ${source})`, false];
    case 'application':
      return [`writeApplication(octets, ${at}, bytes, words[${slot}], ${source}, ${length}, context);`, true];
    case 'fixedName':
      return [`writeName(octets, ${at}, names[${slot}], ${length}, context);`, true];
    case 'variableName':
      return [`writeVariableName(octets, ${at}, names[${slot}])`, false];
    case 'exporterIPv4':
      return [`out.setUint32(${at}, context.exporterIPv4);`, true];
    case 'exporterIPv6':
      return [`octets.set(context.exporterIPv6, ${at});`, true];
    case 'exporterPort':
      return [`out.setUint16(${at}, context.exporterPort);`, true];
    case 'zero':
      if (step.length === 0) return [`(octets[${at}] = 0, ${at} + 1)`, false];
      return [`octets.fill(0, ${at}, ${at} + ${length});`, true];
  }
}

const SETTERS: Readonly<Record<number, 'setUint8' | 'setUint16' | 'setUint32'>> = {
  1: 'setUint8',
  2: 'setUint16',
  4: 'setUint32',
};

function integer(value: number): string {
  if (!Number.isInteger(value) || value < 0) throw new RangeError(`not an index: ${value}`);
  return String(value);
}

function writeStep(
  out: DataView,
  octets: Uint8Array,
  pos: number,
  { words, times, names, bytes }: Flow,
  context: ExportContext,
  { kind, slot, length, sourceLength }: ExportStep,
): number {
  const source = sourceLength < 0 ? words[slot + 1]! : sourceLength;
  switch (kind) {
    case 'word':
      writeLong(out, pos, 0, words[slot]!, length, context);
      break;
    case 'long':
      writeLong(out, pos, words[slot]!, words[slot + 1]!, length, context);
      break;
    case 'milliseconds':
      writeMilliseconds(out, pos, times[slot]!);
      break;
    case 'seconds':
      writeSeconds(out, pos, times[slot]!, context);
      break;
    case 'ntp':
      writeNtp(out, pos, times[slot]!);
      break;
    case 'upTime':
      writeUpTime(out, pos, times[slot]!, context);
      break;
    case 'duration':
      writeDuration(out, pos, words[slot]!, length, context);
      break;
    case 'mplsLabel':
      writeMplsLabel(out, pos, words[slot]!);
      break;
    case 'octets':
      copyOctets(octets, pos, bytes, words[slot]!, length);
      break;
    case 'fixedText':
      writeFixedText(octets, pos, bytes, words[slot]!, source, length, context);
      break;
    case 'fixedNumber':
      writeFixedNumber(octets, pos, bytes, words[slot]!, source, length, context);
      break;
    case 'variable':
      return writeVariable(octets, pos, bytes, words[slot]!, source);
    case 'application':
      writeApplication(octets, pos, bytes, words[slot]!, source, length, context);
      break;
    case 'fixedName':
      writeName(octets, pos, names[slot]!, length, context);
      break;
    case 'variableName':
      return writeVariableName(octets, pos, names[slot]!);
    case 'exporterIPv4':
      out.setUint32(pos, context.exporterIPv4);
      break;
    case 'exporterIPv6':
      octets.set(context.exporterIPv6, pos);
      break;
    case 'exporterPort':
      out.setUint16(pos, context.exporterPort);
      break;
    case 'zero':
      octets.fill(0, pos, pos + Math.max(1, length));
      return pos + Math.max(1, length);
  }
  return pos + length;
}

/** A number in `length` octets, 1 to 8. */
function writeLong(
  out: DataView,
  pos: number,
  high: number,
  low: number,
  length: number,
  context: ExportContext,
): void {
  if (length >= 8) {
    out.setUint32(pos + length - 8, high);
    out.setUint32(pos + length - 4, low);
    return;
  }
  let value = high * TWO_32 + low;
  // Exact: what has more than 53 bits is larger than any of these.
  const most = 256 ** length - 1;
  if (value > most) {
    value = most;
    context.valuesSaturated++;
  }
  for (let at = pos + length - 1; at >= pos; at--) {
    out.setUint8(at, value % 256);
    value = Math.floor(value / 256);
  }
}

function writeMilliseconds(out: DataView, pos: number, timeMs: number): void {
  const whole = timeMs > 0 ? Math.floor(timeMs) : 0;
  out.setUint32(pos, Math.floor(whole / TWO_32));
  out.setUint32(pos + 4, whole % TWO_32);
}

function writeSeconds(out: DataView, pos: number, timeMs: number, context: ExportContext): void {
  const seconds = Math.floor(timeMs / 1000);
  if (seconds < 0 || seconds >= TWO_32) context.timesClamped++;
  out.setUint32(pos, Math.min(Math.max(seconds, 0), TWO_32 - 1));
}

function writeNtp(out: DataView, pos: number, timeMs: number): void {
  unixToNtp(timeMs, WIDE_TIMES);
  out.setUint32(pos, WIDE_TIMES[0]!);
  out.setUint32(pos + 4, WIDE_TIMES[1]!);
}

function writeUpTime(out: DataView, pos: number, timeMs: number, context: ExportContext): void {
  const upTimeMs = Math.floor(timeMs - context.baseMs);
  if (upTimeMs < 0 || upTimeMs >= TWO_32) context.timesClamped++;
  out.setUint32(pos, Math.min(Math.max(upTimeMs, 0), TWO_32 - 1));
}

/** Microseconds as milliseconds, which is what ntop's elements count in; 0 means unknown, so what is shorter than one is one. */
function writeDuration(out: DataView, pos: number, microseconds: number, length: number, context: ExportContext): void {
  writeLong(out, pos, 0, microseconds === 0 ? 0 : Math.max(1, Math.round(microseconds / 1000)), length, context);
}

function writeMplsLabel(out: DataView, pos: number, label: number): void {
  out.setUint16(pos, label >>> 4);
  out.setUint8(pos + 2, (label & 0xf) << 4);
}

/** For the few octets of an address a loop is faster than any call. */
function copyOctets(octets: Uint8Array, pos: number, bytes: Uint8Array, at: number, length: number): void {
  if (length > 64) {
    octets.set(bytes.subarray(at, at + length), pos);
    return;
  }
  for (let i = 0; i < length; i++) octets[pos + i] = bytes[at + i]!;
}

function writeFixedText(
  octets: Uint8Array,
  pos: number,
  bytes: Uint8Array,
  at: number,
  source: number,
  length: number,
  context: ExportContext,
): void {
  let taken = source;
  if (source > length) {
    taken = length;
    // UTF-8 is not cut within a character, nor are zeros behind a text anything of it.
    while (taken > 0 && (bytes[at + taken]! & 0xc0) === 0x80) taken--;
    for (let i = taken; i < source; i++) {
      if (bytes[at + i] === 0) continue;
      context.textsTruncated++;
      break;
    }
  }
  copyOctets(octets, pos, bytes, at, taken);
  octets.fill(0, pos + taken, pos + length);
}

function writeFixedNumber(
  octets: Uint8Array,
  pos: number,
  bytes: Uint8Array,
  at: number,
  source: number,
  length: number,
  context: ExportContext,
): void {
  const skipped = source - length;
  for (let i = 0; i < skipped; i++) {
    if (bytes[at + i] === 0) continue;
    context.valuesSaturated++;
    octets.fill(0xff, pos, pos + length);
    return;
  }
  const taken = Math.min(source, length);
  octets.fill(0, pos, pos + length - taken);
  copyOctets(octets, pos + length - taken, bytes, at + source - taken, taken);
}

function writeVariable(octets: Uint8Array, start: number, bytes: Uint8Array, at: number, length: number): number {
  const pos = writeLength(octets, start, length);
  copyOctets(octets, pos, bytes, at, length);
  return pos + length;
}

/** The length in front of a variable-length field: one octet, or 255 and two (RFC 7011 section 7). */
function writeLength(octets: Uint8Array, pos: number, length: number): number {
  if (length < 255) {
    octets[pos] = length;
    return pos + 1;
  }
  octets[pos] = 255;
  octets[pos + 1] = length >> 8;
  octets[pos + 2] = length & 0xff;
  return pos + 3;
}

function writeApplication(
  octets: Uint8Array,
  pos: number,
  bytes: Uint8Array,
  at: number,
  source: number,
  length: number,
  context: ExportContext,
): void {
  if (source === 0) {
    octets.fill(0, pos, pos + length);
    return;
  }
  octets[pos] = bytes[at]!;
  writeFixedNumber(octets, pos + 1, bytes, at + 1, source - 1, length - 1, context);
}

function writeName(octets: Uint8Array, pos: number, name: string, length: number, context: ExportContext): void {
  const { read, written } = encoder.encodeInto(name, octets.subarray(pos, pos + length));
  if (read < name.length) context.textsTruncated++;
  octets.fill(0, pos + written, pos + length);
}

function writeVariableName(octets: Uint8Array, start: number, name: string): number {
  const pos = writeLength(octets, start, Buffer.byteLength(name));
  return pos + encoder.encodeInto(name, octets.subarray(pos)).written;
}
