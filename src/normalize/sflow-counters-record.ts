import { Cursor } from '../bytes/cursor.ts';
import { COUNTERS_SAMPLE_KEYS, CountersSample } from '../flow/counters-sample.ts';
import type { PlainRecord, PlainValue } from '../flow/flow.ts';
import type { Origin } from '../flow/origin.ts';
import type { XdrStructure } from '../flow/xdr-structure.ts';
import { isWhole, readMembers } from './xdr-values.ts';

/** The record of an sFlow counters sample: one object for all, whose values are made where somebody asks for them. */
export class SflowCountersRecord implements PlainRecord {
  readonly recordType = 'counters';
  readonly origin: Origin;
  private readonly octets = new CountersSample();
  private readonly cursor: Cursor;
  private isPlain = true;
  private unknown: readonly PlainValue[] = [];
  private made: Readonly<Record<string, PlainValue>> | undefined;

  constructor(origin: Origin) {
    this.origin = origin;
    this.cursor = new Cursor(this.octets.view);
  }

  /** Starts a sample of a datagram whose octets are `bytes`, over which `view` lies. */
  start(bytes: Uint8Array, view: DataView, sourceIdType: number, sourceIdIndex: number, sequenceNumber: number): void {
    const { octets } = this;
    octets.bytes = bytes;
    octets.view = view;
    octets.head[0] = sourceIdType;
    octets.head[1] = sourceIdIndex;
    octets.head[2] = sequenceNumber;
    octets.count = 0;
    this.isPlain = true;
    this.unknown = [];
    this.made = undefined;
  }

  /** Takes a structure in octets `[start, end)`; returns false when there is less of it than there should be. */
  add(structure: XdrStructure, start: number, end: number): boolean {
    const { octets, cursor } = this;
    const isAllThere = isWhole(structure, cursor, octets.view, start, end);
    if (this.isPlain && (!isAllThere || octets.has(structure.name))) this.isPlain = false;
    octets.add(structure, start, end);
    return isAllThere;
  }

  /** Takes what no structure is known for. */
  addUnknown(records: readonly PlainValue[]): void {
    this.isPlain = false;
    this.unknown = records;
  }

  get sample(): CountersSample | undefined {
    return this.isPlain ? this.octets : undefined;
  }

  get values(): Readonly<Record<string, PlainValue>> {
    this.made ??= this.read();
    return this.made;
  }

  get ianaValues(): Readonly<Record<string, PlainValue>> {
    return this.values;
  }

  private read(): Record<string, PlainValue> {
    const { count, structures, starts, ends, bytes, view, head } = this.octets;
    const values: Record<string, PlainValue> = {};
    for (let i = 0; i < head.length; i++) values[COUNTERS_SAMPLE_KEYS[i]!] = head[i]!;
    for (let i = 0; i < count; i++) {
      const { name, members } = structures[i]!;
      const value = readMembers(members, this.cursor.reset(view, starts[i]!, ends[i]!), bytes);
      values[name] = withAnother(values[name], value);
    }
    if (this.unknown.length !== 0) values['UNKNOWN_RECORDS'] = this.unknown;
    return values;
  }
}

/** `value` alone, or behind what is there. */
export function withAnother(known: PlainValue | undefined, value: PlainValue): PlainValue {
  if (known === undefined) return value;
  return Array.isArray(known) ? [...(known as readonly PlainValue[]), value] : [known, value];
}
