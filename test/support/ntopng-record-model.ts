/**
 * What a flow's line becomes on its way to ntopng, told from the line and ntopng's published keys alone, and how a record that
 * arrived differs from it.
 */

import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { loadBuiltInRegistry } from '../../src/ie/registry.ts';
import type { Line, LineValue } from './conformance-capture.ts';

/** Key, type and value of an item, as a subscriber read it. */
export type RecordItem = readonly [key: string, type: string, value: string | number | boolean];

interface NtopngKey {
  readonly name: string;
  readonly numeric: string;
  readonly parsed: boolean;
  readonly name_mapped_by_default: boolean;
}

const NTOP_OFFSET = 57_472;
const NTOP_ENTERPRISE = 35_632;
const MAX_COUNTER = 0xffff_ffff;
const COUNTERS: ReadonlySet<string> = new Set(['IN_BYTES', 'IN_PKTS', 'OUT_BYTES', 'OUT_PKTS']);

/** Keys of a line that say where it comes from or how it was made: nothing ntopng could show with a flow. */
const NOT_SENT: ReadonlySet<string> = new Set([
  'RECORD_TYPE',
  'EXPORTER_TRANSPORT_PORT',
  'EXPORT_PROTOCOL_VERSION',
  'OBSERVATION_DOMAIN_ID',
  'ENGINE_TYPE',
  'ENGINE_ID',
  'TEMPLATE_ID',
  'EXPORT_TIME_MILLISECONDS',
  'EXPORT_SEQUENCE_NUMBER',
  'SFLOW_AGENT_ADDRESS',
  'SFLOW_SUB_AGENT_ID',
  'SAMPLING_INTERVAL',
  'SAMPLING_ORIGIN',
]);

/** Addresses of both families in one record: one pair is sent. */
const FAMILIES = [
  ['IPV4_SRC_ADDR', 'IPV4_DST_ADDR'],
  ['IPV6_SRC_ADDR', 'IPV6_DST_ADDR'],
] as const;

/** RFC 5102 section 5.11.3. */
const FLOW_END_REASONS = [
  '',
  'idle timeout',
  'active timeout',
  'end of flow detected',
  'forced end',
  'lack of resources',
];

/** Names an agent's nested records have, or that crash a version (its `INTERFACE_NAME`). */
const MISLEADING =
  /^(timestamp|json|TCP|(TCP_|UDP_)?EVENT_TYPE|INTERFACE_NAME|.*(PROCESS|CONTAINER)|(IPV[46]|L4)_(LOCAL|REMOTE)_.*)$/;

const registry = loadBuiltInRegistry();

/** ntopng's keys, by name and by number. */
export class NtopngKeys {
  readonly #byName: ReadonlyMap<string, NtopngKey>;
  readonly #byNumber: ReadonlyMap<number, NtopngKey>;

  /** Reads them from the notes beside the captures. */
  constructor() {
    const path = fileURLToPath(new URL('../../../shared/ie/ntopng-flow-keys.json', import.meta.url));
    const keys = JSON.parse(readFileSync(path, 'utf8')) as NtopngKey[];
    this.#byName = new Map(keys.map((key) => [key.name, key]));
    this.#byNumber = new Map(keys.map((key) => [Number(key.numeric), key]));
  }

  /** What ntopng takes a key for: names that are the same, the first one its own where it has one. Throws where it is misled. */
  meaningOf(key: string): readonly string[] {
    if (/^\d+$/.test(key)) return this.#numberMeaning(Number(key));
    const dotted = /^(\d+)\.(\d+)$/.exec(key);
    if (dotted !== null) {
      const [enterprise, id] = [Number(dotted[1]), Number(dotted[2])];
      if (enterprise === 0) return this.#numberMeaning(id);
      if (enterprise === NTOP_ENTERPRISE) return this.#numberMeaning(id >= NTOP_OFFSET ? id : id + NTOP_OFFSET);
      const element = registry.find(enterprise, id);
      return [key, element?.ntopName ?? key, element?.name ?? key];
    }
    if (MISLEADING.test(key)) throw new Error(`${key} misleads ntopng`);
    const known = this.#byName.get(key);
    if (known !== undefined && !known.name_mapped_by_default) throw new Error(`${key} is not known by name`);
    return [key];
  }

  #numberMeaning(number: number): readonly string[] {
    const known = this.#byNumber.get(number);
    if (known !== undefined) return [known.name];
    const retried = number < NTOP_OFFSET ? this.#byNumber.get(number + NTOP_OFFSET) : undefined;
    if (retried !== undefined) throw new Error(`${number} is taken for ${retried.name}`);
    const isNtop = number >= NTOP_OFFSET;
    const element = isNtop ? registry.find(NTOP_ENTERPRISE, number - NTOP_OFFSET) : registry.findNetflow9(number);
    const iana = isNtop ? undefined : registry.find(0, number);
    return [element?.ntopName, element?.name, iana?.ntopName, iana?.name, String(number)].filter(
      (name) => name !== undefined,
    );
  }

  /** Whether ntopng has a meaning of its own for a name. */
  has(name: string): boolean {
    return this.#byName.has(name);
  }
}

/** What should arrive under a name; several names where any will do. */
interface Expected {
  readonly names: readonly string[];
  readonly value: LineValue;
  /** May be missing: ntopng has no use for it. */
  readonly isFree: boolean;
}

/** Whether a line goes to ntopng's flows: it is one, and counts something. */
export function isSent(line: Line): boolean {
  if (line.ntop['RECORD_TYPE'] !== 'flow') return false;
  return expectedItems(line, undefined).some(({ names }) => COUNTERS.has(names[0]!));
}

/** How many records a flow is split into, since ntopng keeps 32 bits of a counter. */
export function partsOf(line: Line): number {
  const counters = expectedItems(line, undefined).filter(({ names }) => COUNTERS.has(names[0]!));
  return Math.max(1, ...counters.map(({ value }) => Math.ceil(Number(value) / MAX_COUNTER)));
}

function expectedItems(line: Line, keys: NtopngKeys | undefined): Expected[] {
  const ntop = Object.entries(line.ntop);
  const iana = Object.keys(line.iana);
  const interval = Number(line.ntop['SAMPLING_INTERVAL'] ?? 0) || 1;
  const isProbe = ntop.some(([key]) => /^(CLIENT_TCP_FLAGS|L7_PROTO(_NAME)?)$/.test(key));
  const items: Expected[] = [];
  const add = (names: readonly string[], value: LineValue, isFree = false): void => {
    items.push({ names, value, isFree });
  };
  for (const [i, [name, value]] of ntop.entries()) {
    const other = iana[i] ?? name;
    if (NOT_SENT.has(name) || value === null) continue;
    if (value === '') add([name, other], value, true);
    else if (Array.isArray(value) && keys?.has(name)) {
      // An element that occurs several times: its first value is the flow's.
      add([name], value[0] ?? null);
      add([other], value);
    } else if (name === 'FIRST_SWITCHED' || name === 'LAST_SWITCHED') add([other], value);
    else if (/^post(Octet|Packet)DeltaCount$/.test(other) && !isProbe) add([other], Number(value) * interval);
    else if (COUNTERS.has(name)) add([name], Number(value) * interval);
    else if (name === 'EXPORT_PROTOCOL') add(['FLOW_SOURCE'], value === 'sFlow' ? 2 : 1);
    else if (name === 'FLOW_END_REASON') {
      const reason = FLOW_END_REASONS[Number(value)];
      if (reason !== undefined && reason !== '') add([name], reason);
    } else if (other === 'flowStartMilliseconds') add(['FIRST_SWITCHED'], Math.floor(Number(value) / 1000));
    else if (other === 'flowEndMilliseconds') add(['LAST_SWITCHED'], Math.floor(Number(value) / 1000));
    else if (name.startsWith('POST_NAPT_')) add([name.replace('NAPT', 'NAT')], value);
    else if (keys?.has(name) && !OTHERWISE.has(name)) add([name], value);
    else add([name, other], value, OTHERWISE.has(name));
  }
  const exportSeconds = Math.floor(Number(line.ntop['EXPORT_TIME_MILLISECONDS']) / 1000);
  const sentValue = (name: string): LineValue | undefined => items.find(({ names }) => names[0] === name)?.value;
  const [first, last] = [sentValue('FIRST_SWITCHED'), sentValue('LAST_SWITCHED')];
  if (first === undefined) add(['FIRST_SWITCHED'], last ?? exportSeconds);
  if (last === undefined) add(['LAST_SWITCHED'], first ?? exportSeconds);
  for (const [octets, packets] of [
    ['IN_BYTES', 'IN_PKTS'],
    ['OUT_BYTES', 'OUT_PKTS'],
  ] as const) {
    // ntopng passes over the octets of a direction without packets.
    if (Number(sentValue(packets) ?? 0) > 0 || sentValue(octets) === undefined) continue;
    const at = items.findIndex(({ names }) => names[0] === packets);
    if (at >= 0) items.splice(at, 1);
    add([packets], Number(sentValue(octets)) > 0 ? 1 : 0);
  }
  const flags = items.find(({ names }) => names[0] === 'TCP_FLAGS')?.value;
  if (flags !== undefined && !items.some(({ names }) => names[0] === 'CLIENT_TCP_FLAGS'))
    add(['CLIENT_TCP_FLAGS'], flags);
  return items;
}

/** Names whose elements mean something else to ntopng, and those a feed may leave out. */
const OTHERWISE: ReadonlySet<string> = new Set([
  'OBSERVATION_POINT_ID',
  'TOTAL_FLOWS_EXP',
  'INTERFACE_NAME',
  'userName',
]);

/** What is wrong with the records that a line became: nothing where the list is empty. */
export function recordProblems(line: Line, records: readonly (readonly RecordItem[])[], keys: NtopngKeys): string[] {
  const problems: string[] = [];
  const sums = new Map<string, number>();
  for (const [i, record] of records.entries()) {
    const arrived = new Map<string, RecordItem>();
    for (const item of record) {
      try {
        for (const name of keys.meaningOf(item[0])) {
          const earlier = arrived.get(name);
          if (earlier !== undefined && earlier !== item) problems.push(`${name} comes twice`);
          arrived.set(name, item);
        }
      } catch (error) {
        problems.push((error as Error).message);
      }
    }
    const left = new Set(record);
    const families = FAMILIES.map((names) => names.filter((name) => arrived.has(name)).length);
    if (families.every((count) => count > 0)) problems.push('addresses of both families');
    for (const expected of expectedItems(line, keys)) {
      const item = expected.names.map((name) => arrived.get(name)).find((each) => each !== undefined);
      const [name = ''] = expected.names;
      if (item === undefined) {
        if (!expected.isFree && !isOtherFamily(name, families) && !isUnsendable(expected.value))
          problems.push(`${name} is missing`);
        continue;
      }
      left.delete(item);
      const [key, type, value] = item;
      if (COUNTERS.has(name)) {
        if (Number(value) > MAX_COUNTER) problems.push(`${name} has over 32 bits`);
        sums.set(name, (sums.get(name) ?? 0) + Number(value));
        if (i === records.length - 1 && sums.get(name) !== expected.value) {
          problems.push(`${name} adds up to ${sums.get(name)}, not ${String(expected.value)}`);
        }
      } else if (!isSame(expected.value, value, name)) {
        problems.push(`${name} (${key}, ${type}) is ${String(value)}, not ${JSON.stringify(expected.value)}`);
      }
      if (/_PORT$|TRANSPORT_PORT$/.test(name) && type === 'text') problems.push(`${name} is a text`);
    }
    for (const [key, , value] of left) {
      if (keyIs(keys, key, 'UNIQUE_SOURCE_ID') && Number(value) > 0) continue;
      problems.push(`${key} = ${String(value)} is not in the line`);
    }
  }
  return problems;
}

function keyIs(keys: NtopngKeys, key: string, name: string): boolean {
  try {
    return keys.meaningOf(key)[0] === name;
  } catch {
    return false;
  }
}

function isOtherFamily(name: string, families: readonly number[]): boolean {
  const family = FAMILIES.findIndex((names) => (names as readonly string[]).includes(name));
  return family >= 0 && families[1 - family]! > 0;
}

/** Texts longer than a TLV text may be. */
function isUnsendable(value: LineValue): boolean {
  return Buffer.byteLength(typeof value === 'string' ? value : JSON.stringify(value)) > 0xffff;
}

function isSame(expected: LineValue, value: string | number | boolean, name: string): boolean {
  if (typeof expected === 'boolean') return Number(value) === Number(expected);
  if (typeof expected === 'object') {
    try {
      return JSON.stringify(JSON.parse(String(value))) === JSON.stringify(expected);
    } catch {
      return false;
    }
  }
  if (typeof value === 'number' && /^IPV4_(SRC|DST)_ADDR$/.test(name)) {
    return [24, 16, 8, 0].map((bits) => (value >>> bits) & 255).join('.') === expected;
  }
  return String(value) === String(expected);
}
