import { FIELD_BY_NAME, FIELDS, type Field, type FieldName } from './fields.ts';
import { ORIGIN_KEYS } from './origin.ts';

/** What a record is, the value of `RECORD_TYPE` in its line. */
export const RECORD_TYPES = ['flow', 'event', 'discard', 'counters', 'options'] as const;

/**
 * What a record is: `flow` has octets or packets, `event` tells of something that has none (a connection created or denied),
 * `discard` is a packet the exporter dropped, `counters` an sFlow counters sample, `options` a record of an Options Template.
 */
export type RecordType = (typeof RECORD_TYPES)[number];

/** How the octets of an element without a flow field become a JSON value; generated code knows them by their place. */
export const ELEMENT_VALUES = [
  'unsigned',
  'signed',
  'float',
  'boolean',
  'ipv4',
  'ipv6',
  'mac',
  'string',
  'hexadecimal',
  'application',
  'mplsLabel',
  'ntpMicroseconds',
  'ntpNanoseconds',
] as const;

/** One of {@link ELEMENT_VALUES}. */
export type ElementValue = (typeof ELEMENT_VALUES)[number];

/** A field of `FIELDS` that a record carries. */
export interface FieldEntry {
  readonly kind: 'field';
  readonly field: Field;
  /** Left out of a line when it is zero or `''`: it was looked up, not reported. */
  readonly optional: boolean;
  /** No value has more octets than this: writers may choose by it. */
  readonly maxOctets: number;
}

/** An Information Element that no row of `FIELDS` stands for; its octets stay where they are in `Flow.bytes`. */
export interface ElementEntry {
  readonly kind: 'element';
  readonly enterpriseNumber: number;
  readonly elementId: number;
  /** JSON key by default: ntop's name, else the registry's, else `<PEN>.<id>`. */
  readonly ntop: string;
  /** JSON key under `--names iana`. */
  readonly iana: string;
  readonly value: ElementValue;
  /** Word that holds the position of its octets. */
  readonly positionSlot: number;
  /** Octets, when fixed by the Template; -1 when the word after `positionSlot` holds their number. */
  readonly length: number;
}

/** An element that occurs several times in a Template: a JSON array. */
export interface ArrayEntry {
  readonly kind: 'array';
  readonly ntop: string;
  readonly iana: string;
  readonly items: readonly ElementEntry[];
  /** Flow field that its first occurrence fills. */
  readonly field: FieldName | undefined;
}

/** One key of a record's line. */
export type LayoutEntry = FieldEntry | ElementEntry | ArrayEntry;

let layouts = 0;

/** Places of the fields in `FIELDS`. */
const ORDER: ReadonlyMap<string, number> = new Map(FIELDS.map(({ field }, i) => [field, i]));

/**
 * Which fields and elements a flow carries, in printing order: made once per Template or kind of sample, the same object for
 * all its records, so that writers can be specialised by it.
 */
export class Layout {
  /** Unlike that of any other layout of the process. */
  readonly id: number;
  readonly recordType: RecordType;
  readonly entries: readonly LayoutEntry[];
  private readonly fields: ReadonlySet<string>;
  private readonly derived = new Map<string, Layout>();

  /** Sorts fields into the order of `FIELDS`; elements follow as given. No two get the same key. */
  constructor(recordType: RecordType, entries: readonly LayoutEntry[]) {
    this.id = layouts++;
    this.recordType = recordType;
    const rank = (entry: LayoutEntry) => (entry.kind === 'field' ? ORDER.get(entry.field.field)! : FIELDS.length);
    this.entries = withoutDoubledKeys([...entries].sort((a, b) => rank(a) - rank(b)));
    this.fields = new Set(
      entries.map((entry) =>
        entry.kind === 'field' ? entry.field.field : entry.kind === 'array' ? (entry.field ?? '') : '',
      ),
    );
  }

  /** Whether flows of this layout carry `field` (an optional one may still be zero). */
  has(field: FieldName): boolean {
    return this.fields.has(field);
  }

  /**
   * The layout of flows that carry `fields` besides their own; the same object for the same `fields`. `recordType` replaces
   * this layout's. The caller keeps the number of different sets small.
   */
  with(fields: readonly FieldName[], recordType: RecordType = this.recordType): Layout {
    const key = `${recordType} ${fields.join(' ')}`;
    let layout = this.derived.get(key);
    if (layout === undefined) {
      const added = fields.filter((name) => !this.has(name)).map((name) => fieldEntry(name));
      layout = new Layout(recordType, [...this.entries, ...added]);
      this.derived.set(key, layout);
    }
    return layout;
  }
}

/** The entry of a field of the table. `maxOctets` is what the wire allows where that is known. */
export function fieldEntry(name: FieldName, optional = false, maxOctets = 8): FieldEntry {
  return { kind: 'field', field: FIELD_BY_NAME.get(name)!, optional, maxOctets };
}

/** Keys that every line has for itself: an element of that name takes another. */
export const RESERVED_NTOP_KEYS: ReadonlySet<string> = new Set([
  'RECORD_TYPE',
  'EXPORTER_IPV6_ADDRESS',
  ...ORIGIN_KEYS.map(({ ntop }) => ntop),
]);
/** The same under IANA's names. */
export const RESERVED_IANA_KEYS: ReadonlySet<string> = new Set([
  'recordType',
  'exporterIPv6Address',
  ...ORIGIN_KEYS.map(({ iana }) => iana),
]);

/**
 * No line has a key twice. ntop calls postOctetDeltaCount and a biflow's reverse octets by one name, for example: the
 * later one takes its other name, or its numbers.
 */
function withoutDoubledKeys(entries: readonly LayoutEntry[]): LayoutEntry[] {
  const takenNtop = new Set(RESERVED_NTOP_KEYS);
  const takenIana = new Set(RESERVED_IANA_KEYS);
  return entries.map((entry) => {
    const names = entry.kind === 'field' ? entry.field : entry;
    const element = entry.kind === 'array' ? entry.items[0]! : entry;
    const numbers = element.kind === 'element' ? `${element.enterpriseNumber}.${element.elementId}` : `${names.iana}#2`;
    const ntop = freeKey(takenNtop, names.ntop, names.iana, numbers);
    const iana = freeKey(takenIana, names.iana, names.ntop, numbers);
    takenNtop.add(ntop);
    takenIana.add(iana);
    if (ntop === names.ntop && iana === names.iana) return entry;
    return entry.kind === 'field' ? { ...entry, field: { ...entry.field, ntop, iana } } : { ...entry, ntop, iana };
  });
}

/** The first of `names` that is not `taken`, else the first. */
export function freeKey(taken: ReadonlySet<string>, ...names: readonly string[]): string {
  return names.find((name) => !taken.has(name)) ?? names[0]!;
}
