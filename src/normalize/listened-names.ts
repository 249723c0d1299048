import { FIELDS } from '../flow/fields.ts';
import type { PlainValue } from '../flow/flow.ts';
import { RESERVED_IANA_KEYS, RESERVED_NTOP_KEYS } from '../flow/layout.ts';
import { agentShape } from './listened-agent.ts';
import type { ListenedKeys } from './listened-key.ts';

/** Names kept for all Exporters together. */
const MAX_INTERFACE_NAMES = 65_536;
const MAX_NAME_LENGTH = 256;

/** A JSON object. */
export type PlainObject = { readonly [key: string]: PlainValue };

/** Names of interfaces as feeds tell them (topic `snmp-ifaces`), by Exporter. */
export class ListenedNames {
  private readonly byExporter = new Map<string, Map<number, string>>();
  private count = 0;

  /** Whether no name is known. */
  get isEmpty(): boolean {
    return this.count === 0;
  }

  /** Names of an Exporter's interfaces by ifIndex. */
  interfacesOf(exporter: string): ReadonlyMap<number, string> | undefined {
    return this.byExporter.get(exporter);
  }

  /** Takes `{"<exporter>": {"<ifIndex>": "<name>"}}`; false where it is something else. */
  learn(value: PlainValue): boolean {
    if (!isPlainObject(value)) return false;
    for (const [exporter, interfaces] of Object.entries(value)) {
      if (!isPlainObject(interfaces)) continue;
      for (const [index, name] of Object.entries(interfaces)) {
        if (typeof name === 'string' && name !== '' && /^\d{1,10}$/.test(index))
          this.set(exporter, Number(index), name);
      }
    }
    return true;
  }

  private set(exporter: string, index: number, name: string): void {
    let names = this.byExporter.get(exporter);
    const isNew = names?.has(index) !== true;
    if (isNew && this.count >= MAX_INTERFACE_NAMES) return;
    if (names === undefined) {
      names = new Map();
      this.byExporter.set(exporter, names);
    }
    names.set(index, name.slice(0, MAX_NAME_LENGTH));
    if (isNew) this.count++;
  }
}

/** Takes a feed's template message, which gives names to elements; false where it is none. */
export function learnTemplate(value: PlainValue, keys: ListenedKeys): boolean {
  if (!Array.isArray(value)) return false;
  for (const item of value as readonly PlainValue[]) {
    if (!isPlainObject(item)) continue;
    const { PEN: enterpriseNumber, field, name } = item;
    if (typeof enterpriseNumber !== 'number' || typeof field !== 'number' || typeof name !== 'string') continue;
    if (isNumber(enterpriseNumber) && isNumber(field) && name !== '') keys.teach(name, enterpriseNumber, field);
  }
  return true;
}

/** Names of an interface's counters in the order of their numbers in TLV. */
export const COUNTER_NAMES = [
  'deviceIP',
  'samplesGenerated',
  'ifIndex',
  'ifName',
  'ifType',
  'ifSpeed',
  'ifDirection',
  'ifAdminStatus',
  'ifOperStatus',
  'ifInOctets',
  'ifInPackets',
  'ifInErrors',
  'ifOutOctets',
  'ifOutPackets',
  'ifOutErrors',
  'ifPromiscuousMode',
] as const;

/** Whether a record of keys tells the counters of an interface, whatever topic it came by: agents' logs do not say. */
export function areCounters(value: PlainObject): boolean {
  return Object.hasOwn(value, 'ifIndex') && (Object.hasOwn(value, 'ifInOctets') || Object.hasOwn(value, 'ifOutOctets'));
}

/** Keys that mean something else in a line: its own, and those of flow fields. */
const TAKEN: ReadonlySet<string> = new Set([
  ...RESERVED_NTOP_KEYS,
  ...RESERVED_IANA_KEYS,
  ...FIELDS.flatMap(({ ntop, iana }) => [ntop, iana]),
]);

/** The keys of a record that is no flow, as its line has them. */
export function plainValues(value: PlainObject): Record<string, PlainValue> {
  return Object.fromEntries(
    Object.entries(value)
      .filter(([key, item]) => !TAKEN.has(key) && item !== null)
      .map(([key, item]) => [key, agentShape(key, item)]),
  );
}

/** Whether a JSON value is an object. */
export function isPlainObject(value: PlainValue | undefined): value is PlainObject {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function isNumber(value: number): boolean {
  return Number.isInteger(value) && value >= 0 && value <= 0xffff_ffff;
}
