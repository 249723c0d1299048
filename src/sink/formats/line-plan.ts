import { type FieldName, SLOT } from '../../flow/fields.ts';
import type { ElementValue, Layout, LayoutEntry } from '../../flow/layout.ts';

/** Whose names the keys are. */
export type Naming = 'ntop' | 'iana';

/** What lines look like. */
export interface LineOptions {
  readonly names: Naming;
  /** Keys to print, in either spelling; all where undefined. */
  readonly fields: readonly string[] | undefined;
  /** Octets and packets are multiplied by the sampling interval. */
  readonly upscale: boolean;
}

/**
 * How a value is written:
 * - `octet`: a number below 256; `word`, `long`, `time`: any; `scaledLong`: one multiplied by the sampling interval
 * - `duration`: microseconds as milliseconds with three decimals, with its key, unless it is 0
 * - `optionalWord`: with its key, unless it is 0
 * - `ipv4`, `ipv6`, `mac`, `text`, `application`: between quotes
 * - `choice`: one of `texts` between quotes
 * - `optionalName`: with its key, unless it is `''`
 * - `element`: an element's octets, as `value` says; `array`: several of them
 */
export interface LineStep {
  readonly kind:
    | 'octet'
    | 'word'
    | 'optionalWord'
    | 'long'
    | 'scaledLong'
    | 'time'
    | 'duration'
    | 'ipv4'
    | 'ipv6'
    | 'mac'
    | 'text'
    | 'application'
    | 'choice'
    | 'optionalName'
    | 'element'
    | 'array';
  /** What stands before the value: comma, key, colon, and the quote of a text. */
  readonly before: string;
  /** What stands behind it: `"` or nothing. */
  readonly after: string;
  /** First word, or index in `Flow.times` or `Flow.names`. */
  readonly slot: number;
  readonly texts: readonly string[];
  readonly value: ElementValue | undefined;
  /** Octets of an element; -1 when the word behind its position holds them. */
  readonly length: number;
  /** Elements of an array. */
  readonly items: readonly LineStep[];
}

const SCALED: ReadonlySet<string> = new Set<FieldName>([
  'octets',
  'packets',
  'reverseOctets',
  'reversePackets',
  'postOctets',
  'postPackets',
]);

/** The keys of a layout's lines behind the origin, in order. */
export function planLine(layout: Layout, options: LineOptions): LineStep[] {
  const selected = options.fields && new Set(options.fields);
  const steps: LineStep[] = [];
  for (const entry of layout.entries) {
    const { ntop, iana } = entry.kind === 'field' ? entry.field : entry;
    if (selected !== undefined && !selected.has(ntop) && !selected.has(iana)) continue;
    const key = `,${JSON.stringify(options.names === 'ntop' ? ntop : iana)}:`;
    steps.push(entryStep(entry, key, options.upscale));
  }
  return steps;
}

/** Shared: a Template may have thousands of fields. */
const NONE: readonly never[] = [];

/** The step of an entry; `key` is what stands before its value, without a quote. */
export function entryStep(entry: LayoutEntry, key: string, upscale: boolean): LineStep {
  if (entry.kind === 'element') return elementStep(entry.value, entry.positionSlot, entry.length, key);
  if (entry.kind === 'array') {
    const items = entry.items.map((item, i) =>
      elementStep(item.value, item.positionSlot, item.length, i === 0 ? '' : ','),
    );
    return makeStep('array', `${key}[`, ']', 0, { items });
  }
  const { field, optional } = entry;
  const slot = SLOT[field.field as FieldName];
  switch (field.type) {
    case 'u64':
      if (upscale && SCALED.has(field.field)) return makeStep('scaledLong', key, '', slot);
      // The upper word is zero then.
      return entry.maxOctets <= 4 ? makeStep('word', key, '', slot + 1) : makeStep('long', key, '', slot);
    case 'time':
    case 'duration':
      return makeStep(field.type, key, '', slot);
    case 'ipv4':
    case 'ipv6':
    case 'mac':
    case 'text':
    case 'application':
      return makeStep(field.type, `${key}"`, '"', slot);
    case 'choice':
      return makeStep('choice', `${key}"`, '"', slot, { texts: field.choices ?? NONE });
    case 'name':
      return makeStep('optionalName', `${key}"`, '"', slot);
    default:
      if (optional) return makeStep('optionalWord', key, '', slot);
      return makeStep(entry.maxOctets === 1 ? 'octet' : 'word', key, '', slot);
  }
}

/** Every step by one literal: spread into each other, steps took 5 µs each. */
function makeStep(
  kind: LineStep['kind'],
  before: string,
  after: string,
  slot: number,
  { texts = NONE, value, length = 0, items = NONE }: Partial<LineStep> = PLAIN,
): LineStep {
  return { kind, before, after, slot, texts, value, length, items };
}

/** Nothing besides. */
const PLAIN: Partial<LineStep> = {};

/** Values written between quotes whatever their octets are. */
const QUOTED: ReadonlySet<ElementValue> = new Set<ElementValue>(['string', 'hexadecimal']);

/** The step of an element, likewise. */
export function elementStep(value: ElementValue, slot: number, length: number, key: string): LineStep {
  const quote = QUOTED.has(value) ? '"' : '';
  return makeStep('element', key + quote, quote, slot, { value, length });
}
