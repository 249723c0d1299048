/**
 * Flow records in the TLV form of nDPI's serializer, which every ntopng since 4.0 takes: `01 01`, then items of a type octet
 * (key's type, value's type), key and value, and `01` behind each record. Numbers take the smallest size that holds them.
 */

import { writeIPv4Word, writeIPv6, writeMac } from '../../bytes/digits.ts';
import { plainElementValue } from '../../flow/element-value.ts';
import type { Flow } from '../../flow/flow.ts';
import { ELEMENT_VALUES } from '../../flow/layout.ts';
import { type FeedKey, l7Numbers } from './ntopng-keys.ts';
import type { FeedStep } from './ntopng-plan.ts';
import { plainJson } from './plain-json.ts';

/**
 * Writes a record's items and returns the position behind them. `out` and `octets` are the same memory, with room for
 * the record. `counters` are the deltas to write, `version` says which addresses a dual-stack record sends.
 */
export type WriteItems = (
  out: DataView,
  octets: Uint8Array,
  pos: number,
  flow: Flow,
  counters: Uint32Array,
  version: number,
) => number;

/** What every TLV text begins with: version 1, format TLV. */
export const TLV_START: readonly number[] = [1, 1];
/** End of a record. */
export const TLV_END_OF_RECORD = 0x01;

const TYPE = { u8: 2, u16: 3, u32: 4, u64: 5, i8: 6, i16: 7, i32: 8, i64: 9, f32: 10, text: 11 } as const;
const MAX_TEXT = 0xffff;
const MAX_SECONDS_MS = 4_294_967_296_000;

/** An item's type octet with the value's type left out, and its key. */
export function itemHead(key: FeedKey): Uint8Array {
  if (typeof key === 'number') {
    return key < 256 ? Uint8Array.of(TYPE.u8 << 4, key) : Uint8Array.of(TYPE.u16 << 4, key >>> 8, key & 0xff);
  }
  const name = new TextEncoder().encode(key);
  return Uint8Array.of(TYPE.text << 4, name.length >>> 8, name.length & 0xff, ...name);
}

function writeHead(octets: Uint8Array, pos: number, head: Uint8Array, type: number): number {
  const { length } = head;
  octets[pos] = head[0]! | type;
  for (let i = 1; i < length; i++) octets[pos + i] = head[i]!;
  return pos + length;
}

/** The word `words[slot]`: as an argument of its own half of all numbers would be boxed. */
function writeWord(
  out: DataView,
  octets: Uint8Array,
  start: number,
  head: Uint8Array,
  words: Uint32Array,
  slot: number,
): number {
  const value = words[slot]!;
  if (value < 0x100) {
    const pos = writeHead(octets, start, head, TYPE.u8);
    octets[pos] = value;
    return pos + 1;
  }
  if (value < 0x1_0000) {
    const pos = writeHead(octets, start, head, TYPE.u16);
    out.setUint16(pos, value);
    return pos + 2;
  }
  const pos = writeHead(octets, start, head, TYPE.u32);
  out.setUint32(pos, value);
  return pos + 4;
}

function writeLong(
  out: DataView,
  octets: Uint8Array,
  start: number,
  head: Uint8Array,
  words: Uint32Array,
  slot: number,
): number {
  if (words[slot] === 0) return writeWord(out, octets, start, head, words, slot + 1);
  const pos = writeHead(octets, start, head, TYPE.u64);
  out.setUint32(pos, words[slot]!);
  out.setUint32(pos + 4, words[slot + 1]!);
  return pos + 8;
}

const scratch = new Uint32Array(2);

/** Beyond 64 bits the largest number there is. */
function writeScaledLong(
  out: DataView,
  octets: Uint8Array,
  pos: number,
  head: Uint8Array,
  words: Uint32Array,
  slot: number,
  samplingSlot: number,
): number {
  const factor = samplingSlot < 0 ? 1 : words[samplingSlot]!;
  if (factor <= 1) return writeLong(out, octets, pos, head, words, slot);
  const exact = ((BigInt(words[slot]!) << 32n) | BigInt(words[slot + 1]!)) * BigInt(factor);
  const value = exact > 0xffff_ffff_ffff_ffffn ? 0xffff_ffff_ffff_ffffn : exact;
  scratch[0] = Number(value >> 32n);
  scratch[1] = Number(value & 0xffff_ffffn);
  return writeLong(out, octets, pos, head, scratch, 0);
}

/** Whole seconds of `times[slot]`; what fits no 32 bits becomes 0. */
function writeSeconds(
  out: DataView,
  octets: Uint8Array,
  start: number,
  head: Uint8Array,
  times: Float64Array,
  slot: number,
): number {
  const pos = writeHead(octets, start, head, TYPE.u32);
  const ms = times[slot]!;
  out.setUint32(pos, ms >= 0 && ms < MAX_SECONDS_MS ? ms / 1000 : 0);
  return pos + 4;
}

const exportTime = new Float64Array(1);

function writeExportSeconds(out: DataView, octets: Uint8Array, pos: number, head: Uint8Array, flow: Flow): number {
  exportTime[0] = flow.origin.exportTimeMs;
  return writeSeconds(out, octets, pos, head, exportTime, 0);
}

function writeIPv4Number(
  out: DataView,
  octets: Uint8Array,
  start: number,
  head: Uint8Array,
  words: Uint32Array,
  slot: number,
): number {
  const pos = writeHead(octets, start, head, TYPE.u32);
  out.setUint32(pos, words[slot]!);
  return pos + 4;
}

/** Writes the length in front of a text that lies in `[pos + 2, end)`. */
function endText(out: DataView, pos: number, end: number): number {
  out.setUint16(pos, end - pos - 2);
  return end;
}

/** Text without the NULs behind it; nothing at all where none is left. */
function writeTextItem(
  out: DataView,
  octets: Uint8Array,
  start: number,
  head: Uint8Array,
  bytes: Uint8Array,
  at: number,
  length: number,
  keepsEmpty: boolean,
): number {
  let end = at + length;
  while (end > at && bytes[end - 1] === 0) end--;
  if (end === at && !keepsEmpty) return start;
  if (end - at > MAX_TEXT) return start;
  const pos = writeHead(octets, start, head, TYPE.text);
  let to = pos + 2;
  for (let i = at; i < end; i++) {
    const octet = bytes[i]!;
    // ntopng prints texts as JSON without a look at them: they are made UTF-8 here.
    if (octet < 0x20 || octet >= 0x7f)
      return writeString(out, octets, start, head, utf8.decode(bytes.subarray(at, end)));
    octets[to++] = octet;
  }
  return endText(out, pos, to);
}

const utf8 = new TextDecoder('utf-8', { ignoreBOM: true });
const encoder = new TextEncoder();

function writeString(out: DataView, octets: Uint8Array, start: number, head: Uint8Array, text: string): number {
  const pos = writeHead(octets, start, head, TYPE.text);
  for (let i = 0; i < text.length; i++) {
    const code = text.charCodeAt(i);
    if (code >= 0x80 || i === MAX_TEXT) {
      const encoded = encoder.encode(text);
      if (encoded.length > MAX_TEXT) return start;
      octets.set(encoded, pos + 2);
      return endText(out, pos, pos + 2 + encoded.length);
    }
    octets[pos + 2 + i] = code;
  }
  return endText(out, pos, pos + 2 + text.length);
}

function writeName(out: DataView, octets: Uint8Array, pos: number, head: Uint8Array, text: string): number {
  return text === '' ? pos : writeString(out, octets, pos, head, text);
}

/** Whole items for each text of a choice, made beforehand: eight octets a number, as {@link headSource} has them. */
interface ChoiceItems {
  readonly count: number;
  /** Octets of each item, 0 for those that stay out. */
  readonly lengths: Uint8Array;
  /** Numbers an item takes. */
  readonly stride: number;
  readonly chunks: Float64Array;
}

function choiceItems({ key, texts }: FeedStep): ChoiceItems {
  const items = texts.map((text) => {
    const octets = new Uint8Array(256);
    const pos = writeName(new DataView(octets.buffer), octets, 0, itemHead(key), text);
    return octets.subarray(0, pos);
  });
  const stride = Math.ceil(Math.max(1, ...items.map(({ length }) => length)) / 8);
  const octets = new Uint8Array(8 * stride * items.length);
  for (let i = 0; i < items.length; i++) octets.set(items[i]!, 8 * stride * i);
  const view = new DataView(octets.buffer);
  return {
    count: items.length,
    lengths: Uint8Array.from(items, ({ length }) => length),
    stride,
    chunks: Float64Array.from({ length: stride * items.length }, (_, i) => view.getFloat64(8 * i)),
  };
}

function writeChoice(
  out: DataView,
  pos: number,
  { count, lengths, stride, chunks }: ChoiceItems,
  index: number,
): number {
  if (index >= count) return pos;
  const length = lengths[index]!;
  const first = index * stride;
  for (let i = 0; 8 * i < length; i++) out.setFloat64(pos + 8 * i, chunks[first + i]!);
  return pos + length;
}

/** Microseconds as milliseconds; 0 is left out. */
function writeDuration(
  out: DataView,
  octets: Uint8Array,
  start: number,
  head: Uint8Array,
  microseconds: number,
): number {
  if (microseconds === 0) return start;
  const pos = writeHead(octets, start, head, TYPE.f32);
  // Floats go out in the order of the machines ntopng runs on.
  out.setFloat32(pos, microseconds / 1000, true);
  return pos + 4;
}

/** engine:selector (RFC 6759 section 4). */
function writeApplicationItem(
  out: DataView,
  octets: Uint8Array,
  pos: number,
  head: Uint8Array,
  view: DataView,
  at: number,
  length: number,
): number {
  return writeString(out, octets, pos, head, String(plainElementValue(view, at, length, 'application', 0)));
}

const UNSIGNED = ELEMENT_VALUES.indexOf('unsigned');
const FLOAT = ELEMENT_VALUES.indexOf('float');
const STRING = ELEMENT_VALUES.indexOf('string');

/** An element's octets; `value` is an index into the list of element values. */
function writeElement(
  out: DataView,
  octets: Uint8Array,
  start: number,
  head: Uint8Array,
  flow: Flow,
  at: number,
  length: number,
  value: number,
): number {
  const { view } = flow;
  if (value === STRING) return writeTextItem(out, octets, start, head, flow.bytes, at, length, true);
  if (value === UNSIGNED && (length === 1 || length === 2 || length === 4)) {
    scratch[0] = length === 1 ? view.getUint8(at) : length === 2 ? view.getUint16(at) : view.getUint32(at);
    return writeWord(out, octets, start, head, scratch, 0);
  }
  if (value === FLOAT && length === 4 && Number.isFinite(view.getFloat32(at))) {
    const pos = writeHead(octets, start, head, TYPE.f32);
    // Floats go out in the order of the machines ntopng runs on.
    out.setFloat32(pos, view.getFloat32(at), true);
    return pos + 4;
  }
  return writePlain(
    out,
    octets,
    start,
    head,
    plainElementValue(view, at, length, ELEMENT_VALUES[value]!, flow.origin.exportTimeMs),
  );
}

/** Any value: integers as numbers, truth as 1 and 0, fractions and whatever is nested as text. A text of over 65535 octets is left out. */
export function writePlain(
  out: DataView,
  octets: Uint8Array,
  start: number,
  head: Uint8Array,
  value: Parameters<typeof plainJson>[0],
): number {
  if (typeof value === 'string') return writeString(out, octets, start, head, value);
  if (typeof value === 'boolean') {
    scratch[0] = value ? 1 : 0;
    return writeWord(out, octets, start, head, scratch, 0);
  }
  if (typeof value === 'bigint' || (typeof value === 'number' && Number.isSafeInteger(value))) {
    return writeBigInt(out, octets, start, head, BigInt(value));
  }
  return writeString(out, octets, start, head, plainJson(value));
}

function writeBigInt(out: DataView, octets: Uint8Array, start: number, head: Uint8Array, value: bigint): number {
  if (value >= 0n && value <= 0xffff_ffff_ffff_ffffn) {
    scratch[0] = Number(value >> 32n);
    scratch[1] = Number(value & 0xffff_ffffn);
    return writeLong(out, octets, start, head, scratch, 0);
  }
  if (value < -0x8000_0000_0000_0000n || value > 0n) return writeString(out, octets, start, head, value.toString());
  if (value >= -128n) {
    const pos = writeHead(octets, start, head, TYPE.i8);
    out.setInt8(pos, Number(value));
    return pos + 1;
  }
  if (value >= -32_768n) {
    const pos = writeHead(octets, start, head, TYPE.i16);
    out.setInt16(pos, Number(value));
    return pos + 2;
  }
  if (value >= -2_147_483_648n) {
    const pos = writeHead(octets, start, head, TYPE.i32);
    out.setInt32(pos, Number(value));
    return pos + 4;
  }
  const pos = writeHead(octets, start, head, TYPE.i64);
  out.setBigInt64(pos, value);
  return pos + 8;
}

/** Several elements of one kind: the protocol's lists are refused in flows, so they are one text, a JSON array. */
function writeArray(
  out: DataView,
  octets: Uint8Array,
  pos: number,
  head: Uint8Array,
  flow: Flow,
  step: FeedStep,
): number {
  return writeString(out, octets, pos, head, plainJson(arrayValue(flow, step)));
}

/** The values of an `array` step. */
export function arrayValue(flow: Flow, { items }: FeedStep): Parameters<typeof plainJson>[0][] {
  return items.map(({ positionSlot, length, value }) =>
    plainElementValue(
      flow.view,
      flow.words[positionSlot]!,
      length < 0 ? flow.words[positionSlot + 1]! : length,
      value,
      flow.origin.exportTimeMs,
    ),
  );
}

/** Goes through the steps one by one: for layouts with few records, and where code generation is switched off. */
export function interpretTlv(steps: readonly FeedStep[], samplingSlot: number): WriteItems {
  const heads = steps.map(({ key }) => itemHead(key));
  return (out, octets, begin, flow, counters, version) => {
    const { words, times, names, bytes, view } = flow;
    let pos = begin;
    let start = 0;
    for (let i = 0; i < steps.length; i++) {
      const step = steps[i]!;
      const head = heads[i]!;
      const { kind, slot } = step;
      if (step.ipVersion !== 0 && step.ipVersion !== version) continue;
      switch (kind) {
        case 'unsigned':
          if (!step.optional || words[slot] !== 0) pos = writeWord(out, octets, pos, head, words, slot);
          break;
        case 'long':
          if (!step.optional || (words[slot]! | words[slot + 1]!) !== 0)
            pos = writeLong(out, octets, pos, head, words, slot);
          break;
        case 'scaledLong':
          pos = writeScaledLong(out, octets, pos, head, words, slot, samplingSlot);
          break;
        case 'counter':
          pos = writeWord(out, octets, pos, head, counters, slot);
          break;
        case 'seconds':
          pos = writeSeconds(out, octets, pos, head, times, slot);
          break;
        case 'exportSeconds':
          pos = writeExportSeconds(out, octets, pos, head, flow);
          break;
        case 'ipv4Number':
          pos = writeIPv4Number(out, octets, pos, head, words, slot);
          break;
        case 'ipv4':
          start = writeHead(octets, pos, head, TYPE.text);
          pos = endText(out, start, writeIPv4Word(out, start + 2, words, slot));
          break;
        case 'ipv6':
          start = writeHead(octets, pos, head, TYPE.text);
          pos = endText(out, start, writeIPv6(out, start + 2, view, words[slot]!));
          break;
        case 'mac':
          start = writeHead(octets, pos, head, TYPE.text);
          pos = endText(out, start, writeMac(out, start + 2, view, words[slot]!));
          break;
        case 'text':
          pos = writeTextItem(out, octets, pos, head, bytes, words[slot]!, words[slot + 1]!, false);
          break;
        case 'application':
          pos = writeApplicationItem(out, octets, pos, head, view, words[slot]!, words[slot + 1]!);
          break;
        case 'name':
          pos = writeName(out, octets, pos, head, names[slot]!);
          break;
        case 'l7':
          pos = writeName(out, octets, pos, head, l7Numbers(words));
          break;
        case 'choice':
          pos = writeName(out, octets, pos, head, step.texts[words[slot]!] ?? '');
          break;
        case 'duration':
          pos = writeDuration(out, octets, pos, head, words[slot]!);
          break;
        case 'halfDuration':
          pos = writeDuration(out, octets, pos, head, words[slot]! / 2);
          break;
        case 'element': {
          const length = step.length < 0 ? words[slot + 1]! : step.length;
          pos = writeElement(out, octets, pos, head, flow, words[slot]!, length, ELEMENT_VALUES.indexOf(step.value));
          break;
        }
        case 'array':
          pos = writeArray(out, octets, pos, head, flow, step);
          break;
      }
    }
    return pos;
  };
}

/** What generated code calls, by the names it calls it. */
const RUNTIME = {
  l7Numbers,
  writeLong,
  writeScaledLong,
  writeExportSeconds,
  writeIPv6,
  writeIPv4Word,
  writeMac,
  writeTextItem,
  writeName,
  writeChoice,
  writeDuration,
  writeApplicationItem,
  writeElement,
  writeArray,
};

/** Compiles the steps into straight-line code. As with lines, its source holds numbers only: no name of an element is part of it. */
export function compileTlv(steps: readonly FeedStep[], samplingSlot: number): WriteItems {
  const heads = steps.map(({ key }) => itemHead(key));
  const choices = steps.map((step) => (step.kind === 'choice' ? choiceItems(step) : undefined));
  const source = tlvSource(steps, samplingSlot);
  return new Function('runtime', 'heads', 'steps', 'choices', `'use strict'; ${source}`)(
    RUNTIME,
    heads,
    steps,
    choices,
  ) as WriteItems;
}

/** The generated source; apart so that it can be read and tested. */
export function tlvSource(steps: readonly FeedStep[], samplingSlot: number): string {
  const lines: string[] = [];
  for (let i = 0; i < steps.length; i++) {
    const { ipVersion } = steps[i]!;
    if (ipVersion !== 0) lines.push(`if (version === ${ipVersion}) {`);
    lines.push(itemSource(steps[i]!, i, samplingSlot));
    if (ipVersion !== 0) lines.push('}');
  }
  return [
    `const { ${Object.keys(RUNTIME).join(', ')} } = runtime;`,
    ...steps.map(({ kind }, i) =>
      kind === 'choice' ? `const choice${i} = choices[${i}];` : `const head${i} = heads[${i}];`,
    ),
    'return function write(out, octets, pos, flow, counters, version) {',
    '  const { words, times, names, bytes, view } = flow;',
    '  let value = 0;',
    ...lines.map((line) => `  ${line}`),
    '  return pos;',
    '};',
  ].join('\n');
}

/**
 * Source of one item. What is the same in each record, type and key, goes out eight octets a store, as the double whose bits
 * they are (a type octet is below 0xbc and names are ASCII: never a NaN).
 */
function itemSource(step: FeedStep, i: number, samplingSlot: number): string {
  const { kind, key, slot, length, optional } = step;
  const word = `words[${integer(slot)}]`;
  const next = `words[${integer(slot + 1)}]`;
  const call = (name: string, ...rest: readonly string[]): string =>
    `pos = ${name}(out, octets, pos, head${i}${rest.map((text) => `, ${text}`).join('')});`;
  switch (kind) {
    case 'unsigned': {
      const source = wordSource(key, word, length);
      return optional ? `if (${word} !== 0) { ${source} }` : source;
    }
    case 'long':
      return `${optional ? `if ((${word} | ${next}) !== 0) ` : ''}${call('writeLong', 'words', integer(slot))}`;
    case 'scaledLong':
      return call('writeScaledLong', 'words', integer(slot), samplingSlot < 0 ? '-1' : integer(samplingSlot));
    case 'counter':
      return wordSource(key, `counters[${integer(slot)}]`, 4);
    case 'seconds': {
      const { source, size } = headSource(key, TYPE.u32);
      return `value = times[${integer(slot)}]; ${source} out.setUint32(pos + ${size}, value >= 0 && value < ${MAX_SECONDS_MS} ? value / 1000 : 0); pos += ${size + 4};`;
    }
    case 'exportSeconds':
      return call('writeExportSeconds', 'flow');
    case 'ipv4Number': {
      const { source, size } = headSource(key, TYPE.u32);
      return `${source} out.setUint32(pos + ${size}, ${word}); pos += ${size + 4};`;
    }
    case 'ipv4':
      return textSource(key, (pos) => `writeIPv4Word(out, ${pos}, words, ${integer(slot)})`);
    case 'ipv6':
      return textSource(key, (pos) => `writeIPv6(out, ${pos}, view, ${word})`);
    case 'mac':
      return textSource(key, (pos) => `writeMac(out, ${pos}, view, ${word})`);
    case 'text':
      return call('writeTextItem', 'bytes', word, next, 'false');
    case 'application':
      return call('writeApplicationItem', 'view', word, next);
    case 'name':
      return call('writeName', `names[${integer(slot)}]`);
    case 'l7':
      return call('writeName', 'l7Numbers(words)');
    case 'choice':
      return `pos = writeChoice(out, pos, choice${i}, ${word});`;
    case 'duration':
      return call('writeDuration', word);
    case 'halfDuration':
      return call('writeDuration', `${word} / 2`);
    case 'element':
      if (step.value === 'string')
        return call('writeTextItem', 'bytes', word, length < 0 ? next : integer(length), 'true');
      if (step.value === 'unsigned' && (length === 1 || length === 2 || length === 4))
        return wordSource(key, `view.getUint${8 * length}(${word})`, length);
      return call(
        'writeElement',
        'flow',
        word,
        length < 0 ? next : integer(length),
        integer(ELEMENT_VALUES.indexOf(step.value)),
      );
    default:
      return call('writeArray', 'flow', `steps[${i}]`);
  }
}

/** The smallest item that holds the number, whose octets on the wire never exceeded `length`. */
function wordSource(key: FeedKey, value: string, length: number): string {
  if (length === 1) return `value = ${value}; ${numberSource(key, 1)}`;
  const small = `value = ${value}; if (value < 256) { ${numberSource(key, 1)} }`;
  if (length === 2) return `${small} else { ${numberSource(key, 2)} }`;
  return `${small} else if (value < 65536) { ${numberSource(key, 2)} } else { ${numberSource(key, 4)} }`;
}

/** An item with `value` in so many octets. Type, key and value go out in one store where they fit 32 bits. */
function numberSource(key: FeedKey, octets: 1 | 2 | 4): string {
  const type = octets === 1 ? TYPE.u8 : octets === 2 ? TYPE.u16 : TYPE.u32;
  const { source, size } = headSource(key, type);
  const end = size + octets;
  if (end > 4) return `${source} out.setUint${8 * octets}(pos + ${size}, value); pos += ${end};`;
  const head = itemHead(key);
  head[0] = head[0]! | type;
  const constant = head.reduce((word, octet, i) => word | (octet << (24 - 8 * i)), 0);
  return `out.setUint32(pos, ${constant} | value${end === 4 ? '' : ' << 8'}); pos += ${end};`;
}

/** A text whose writer never leaves anything out; its length comes in front once it is known. */
function textSource(key: FeedKey, write: (pos: string) => string): string {
  const { source, size } = headSource(key, TYPE.text);
  return `${source} value = ${write(`pos + ${size + 2}`)}; out.setUint16(pos + ${size}, value - pos - ${size + 2}); pos = value;`;
}

/** Stores of an item's type and key at `pos`, and their octets. */
function headSource(key: FeedKey, type: number): { source: string; size: number } {
  const octets = itemHead(key);
  octets[0] = octets[0]! | type;
  const size = octets.length;
  const padded = new Uint8Array(size + 8);
  padded.set(octets);
  const view = new DataView(padded.buffer);
  const stores: string[] = [];
  for (let at = 0; at < size; ) {
    const offset = at === 0 ? '' : ` + ${at}`;
    const rest = size - at;
    if (rest === 1) {
      stores.push(`out.setUint8(pos${offset}, ${view.getUint8(at)});`);
      at += 1;
    } else if (rest === 2) {
      stores.push(`out.setUint16(pos${offset}, ${view.getUint16(at)});`);
      at += 2;
    } else if (rest <= 4) {
      stores.push(`out.setUint32(pos${offset}, ${view.getUint32(at)});`);
      at += 4;
    } else {
      stores.push(`out.setFloat64(pos${offset}, ${double(view.getFloat64(at))});`);
      at += 8;
    }
  }
  return { source: stores.join(' '), size };
}

function double(value: number): string {
  if (!Number.isFinite(value)) throw new RangeError('not a double');
  return Object.is(value, -0) ? '-0' : String(value);
}

function integer(value: number): string {
  if (!Number.isInteger(value) || value < 0) throw new RangeError(`not an index: ${value}`);
  return String(value);
}
