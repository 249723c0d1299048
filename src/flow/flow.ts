import type { CountersSample } from './counters-sample.ts';
import {
  FIELD_WORDS,
  FIELDS,
  type FieldName,
  type FieldNameOf,
  type FieldType,
  NAME_COUNT,
  SLOT,
  TIME_COUNT,
} from './fields.ts';
import { Layout } from './layout.ts';
import type { Origin } from './origin.ts';

/** Most words that elements without a flow field may take in one record: two each. */
export const ELEMENT_WORDS = 8192;

/** A value that belongs to one record and not to its layout: lists (RFC 6313), sFlow's rarer records. */
export interface Attachment {
  /** JSON key by default. */
  readonly ntop: string;
  /** JSON key under `--names iana`. */
  readonly iana: string;
  /** Names inside it are ntop's. */
  readonly value: PlainValue;
  /** The same under IANA's names where they differ. */
  readonly ianaValue?: PlainValue;
}

/** A JSON value whose integers may exceed 2^53. */
export type PlainValue =
  | string
  | number
  | bigint
  | boolean
  | null
  | readonly PlainValue[]
  | { readonly [key: string]: PlainValue };

type FieldProperties = { [Name in FieldNameOf<Exclude<FieldType, 'name'>>]: number } & {
  [Name in FieldNameOf<'name'>]: string;
};

/**
 * The fields by name. Numbers of up to 32 bits, IPv4 addresses and times are themselves; `u64` reads as the nearest number
 * (exact to 2^53, the halves lie in {@link Flow.words}); addresses of 6 and 16 octets and texts read as the position of
 * their octets in {@link Flow.bytes}. Which of them mean anything says {@link Flow.layout}.
 */
export interface Flow extends FieldProperties {}

/**
 * One normalised flow, as every sink sees it. A decoder owns one and overwrites it for each record: it is only valid during
 * the call it is handed over in. Its shape never changes: values lie in typed arrays at the `SLOT` of their field, so
 * that compiled readers and writers work on constant indices, and octets stay in the datagram.
 */
// biome-ignore lint/suspicious/noUnsafeDeclarationMerging: the accessors are defined below, from the one table
export class Flow {
  /** Values, as {@link FieldType} says, then two words (position, length) for each element without a field. */
  readonly words = new Uint32Array(FIELD_WORDS + ELEMENT_WORDS);
  /** Fields of type `time`, Unix milliseconds. */
  readonly times = new Float64Array(TIME_COUNT);
  /** Fields of type `name`. */
  readonly names: string[] = new Array<string>(NAME_COUNT).fill('');
  /** The octets that positions point into. */
  bytes: Uint8Array = new Uint8Array(0);
  /** The same octets, for reading numbers. */
  view: DataView = new DataView(new ArrayBuffer(0));
  /** What the flow carries. */
  layout: Layout = EMPTY_LAYOUT;
  /** Where it comes from. */
  readonly origin: Origin;
  /** Values of this record alone; empty for almost all. */
  readonly attachments: Attachment[] = [];

  /** `origin` is shared by all records of a decoder. */
  constructor(origin: Origin) {
    this.origin = origin;
  }
}

const EMPTY_LAYOUT = new Layout('flow', []);

for (const { field, type } of FIELDS) Object.defineProperty(Flow.prototype, field, accessor(field, type));

function accessor(field: FieldName, type: FieldType): PropertyDescriptor & ThisType<Flow> {
  const slot = SLOT[field];
  switch (type) {
    case 'time':
      return {
        get() {
          return this.times[slot];
        },
        set(value: number) {
          this.times[slot] = value;
        },
      };
    case 'name':
      return {
        get() {
          return this.names[slot];
        },
        set(value: string) {
          this.names[slot] = value;
        },
      };
    case 'u64':
      return {
        get() {
          return this.words[slot]! * 4294967296 + this.words[slot + 1]!;
        },
        set(value: number) {
          this.words[slot] = value / 4294967296;
          this.words[slot + 1] = value % 4294967296;
        },
      };
    default:
      return {
        get() {
          return this.words[slot];
        },
        set(value: number) {
          this.words[slot] = value;
        },
      };
  }
}

/** A record that is no flow: an Options Data Record, an sFlow counters sample, or an interface's counters. Its values may be kept, and never change. */
export interface PlainRecord {
  readonly recordType: 'options' | 'counters';
  /** Valid during the call only. */
  readonly origin: Origin;
  /** The line's further keys, by default names. */
  readonly values: Readonly<Record<string, PlainValue>>;
  /** The same under IANA's names, where they differ. */
  readonly ianaValues: Readonly<Record<string, PlainValue>>;
  /** These same two objects came before and are likely to come again: what is made of them may be kept by them. */
  readonly comesAgain?: boolean;
  /**
   * The same as octets, where that is all there is: each structure in full, and none twice. Whoever writes these need not ask for
   * the values, which are made when asked for. Valid during the call only.
   */
  readonly sample?: CountersSample | undefined;
}
