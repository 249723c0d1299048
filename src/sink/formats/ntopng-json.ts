/**
 * Flow records for ntopng as JSON objects: the form for versions up to 5.x and for packages of ntop's own. A stock 6.x
 * takes JSON flows and says nothing, but keeps none of them.
 */

import {
  writeInteger,
  writeIPv4Word,
  writeIPv6,
  writeMac,
  writeThousandths,
  writeUnsigned32,
  writeUnsigned64,
} from '../../bytes/digits.ts';
import { writeJsonString, writeJsonText } from '../../bytes/json-text.ts';
import { plainElementValue } from '../../flow/element-value.ts';
import type { PlainValue } from '../../flow/flow.ts';
import { type FeedKey, knownName, l7Numbers } from './ntopng-keys.ts';
import type { FeedStep } from './ntopng-plan.ts';
import { arrayValue, type WriteItems } from './ntopng-tlv.ts';
import { plainJson } from './plain-json.ts';

/** How JSON keys are spelled: by number, or by name where ntopng knows it. */
export type JsonKeys = 'numeric' | 'named';

const QUOTE = 0x22;
const COMMA = 0x2c;
const MAX_SECONDS_MS = 4_294_967_296_000;

/** The text of a key. */
export function jsonKey(key: FeedKey, keys: JsonKeys): string {
  if (typeof key === 'string') return key;
  return (keys === 'named' ? knownName(key) : undefined) ?? String(key);
}

/** Goes through the steps one by one; every item has a comma before it. */
export function interpretJson(steps: readonly FeedStep[], samplingSlot: number, keys: JsonKeys): WriteItems {
  const encoder = new TextEncoder();
  const heads = steps.map(({ key }) => encoder.encode(`,${JSON.stringify(jsonKey(key, keys))}:`));
  return (out, octets, start, flow, counters, version) => {
    const { words, times, names, bytes, view } = flow;
    let pos = start;
    for (let i = 0; i < steps.length; i++) {
      const step = steps[i]!;
      const { kind, slot } = step;
      if (step.ipVersion !== 0 && step.ipVersion !== version) continue;
      if (step.optional && words[slot] === 0 && (kind !== 'long' || words[slot + 1] === 0)) continue;
      const text = kind === 'name' ? names[slot]! : kind === 'choice' ? (step.texts[words[slot]!] ?? '') : '';
      if ((kind === 'name' || kind === 'choice') && text === '') continue;
      if (kind === 'duration' && words[slot] === 0) continue;
      if (kind === 'halfDuration' && words[slot]! < 2) continue;
      if (kind === 'text' && isEmpty(bytes, words[slot]!, words[slot + 1]!)) continue;
      octets.set(heads[i]!, pos);
      pos += heads[i]!.length;
      switch (kind) {
        case 'unsigned':
          pos = writeUnsigned32(out, pos, words[slot]!);
          break;
        case 'long':
          pos = writeUnsigned64(out, pos, words[slot]!, words[slot + 1]!);
          break;
        case 'scaledLong':
          pos = writeScaled(out, octets, pos, words, slot, samplingSlot);
          break;
        case 'counter':
          pos = writeUnsigned32(out, pos, counters[slot]!);
          break;
        case 'seconds':
          pos = writeSeconds(out, pos, times[slot]!);
          break;
        case 'exportSeconds':
          pos = writeSeconds(out, pos, flow.origin.exportTimeMs);
          break;
        case 'ipv4Number':
        case 'ipv4':
          octets[pos] = QUOTE;
          pos = endQuote(octets, writeIPv4Word(out, pos + 1, words, slot));
          break;
        case 'ipv6':
          octets[pos] = QUOTE;
          pos = endQuote(octets, writeIPv6(out, pos + 1, view, words[slot]!));
          break;
        case 'mac':
          octets[pos] = QUOTE;
          pos = endQuote(octets, writeMac(out, pos + 1, view, words[slot]!));
          break;
        case 'text':
          octets[pos] = QUOTE;
          pos = endQuote(octets, writeJsonText(octets, pos + 1, bytes, words[slot]!, words[slot + 1]!));
          break;
        case 'l7':
          octets[pos] = QUOTE;
          pos = endQuote(octets, writeJsonString(octets, pos + 1, l7Numbers(words)));
          break;
        case 'name':
        case 'choice':
          octets[pos] = QUOTE;
          pos = endQuote(octets, writeJsonString(octets, pos + 1, text));
          break;
        case 'duration':
          pos = writeThousandths(out, pos, words[slot]!);
          break;
        case 'halfDuration':
          pos = writeThousandths(out, pos, words[slot]! >>> 1);
          break;
        case 'application':
          pos = writePlainJson(octets, pos, plainElementValue(view, words[slot]!, words[slot + 1]!, 'application', 0));
          break;
        case 'element': {
          const length = step.length < 0 ? words[slot + 1]! : step.length;
          const { exportTimeMs } = flow.origin;
          pos = writePlainJson(octets, pos, plainElementValue(view, words[slot]!, length, step.value, exportTimeMs));
          break;
        }
        case 'array':
          // Lists are nothing ntopng reads in a flow.
          pos = writePlainJson(octets, pos, plainJson(arrayValue(flow, step)));
          break;
      }
    }
    return pos;
  };
}

/** `,"key":value` for a value of any kind, as it is written between the items of a record. */
export function jsonItem(key: FeedKey, value: PlainValue, keys: JsonKeys): string {
  const plain = typeof value === 'object' && value !== null ? plainJson(value) : value;
  return `,${JSON.stringify(jsonKey(key, keys))}:${plainJson(plain)}`;
}

/** `,"key":value` with what is nested kept so: for the few keys under which ntopng reads objects. */
export function nestedItem(key: string, value: PlainValue): string {
  return `,${JSON.stringify(key)}:${plainJson(value)}`;
}

/** Makes the items in `[start, end)` an object, and returns the position behind it. */
export function closeObject(octets: Uint8Array, start: number, end: number): number {
  if (octets[start] !== COMMA) return start;
  octets[start] = 0x7b;
  octets[end] = 0x7d;
  return end + 1;
}

function isEmpty(bytes: Uint8Array, at: number, length: number): boolean {
  for (let i = 0; i < length; i++) if (bytes[at + i] !== 0) return false;
  return true;
}

function endQuote(octets: Uint8Array, pos: number): number {
  octets[pos] = QUOTE;
  return pos + 1;
}

function writeSeconds(out: DataView, pos: number, ms: number): number {
  return writeUnsigned32(out, pos, ms >= 0 && ms < MAX_SECONDS_MS ? Math.floor(ms / 1000) : 0);
}

function writeScaled(
  out: DataView,
  octets: Uint8Array,
  pos: number,
  words: Uint32Array,
  slot: number,
  samplingSlot: number,
): number {
  const factor = samplingSlot < 0 ? 1 : words[samplingSlot]!;
  if (factor <= 1) return writeUnsigned64(out, pos, words[slot]!, words[slot + 1]!);
  const value = ((BigInt(words[slot]!) << 32n) | BigInt(words[slot + 1]!)) * BigInt(factor);
  return value <= BigInt(Number.MAX_SAFE_INTEGER)
    ? writeInteger(out, pos, Number(value))
    : writePlainJson(octets, pos, value);
}

function writePlainJson(octets: Uint8Array, pos: number, value: PlainValue): number {
  const text = Buffer.from(plainJson(value), 'utf8');
  octets.set(text, pos);
  return pos + text.length;
}
