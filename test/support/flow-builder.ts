/** Flows made by hand, as a decoder would leave them. */

import { FIELD_BY_NAME, FIELD_WORDS, type FieldName, SLOT } from '../../src/flow/fields.ts';
import { Flow } from '../../src/flow/flow.ts';
import {
  type ElementEntry,
  type ElementValue,
  fieldEntry,
  Layout,
  type LayoutEntry,
  type RecordType,
} from '../../src/flow/layout.ts';
import { Origin } from '../../src/flow/origin.ts';

/** An element without a field of its own. */
export interface MadeElement {
  readonly enterpriseNumber?: number;
  readonly elementId: number;
  readonly ntop: string;
  readonly iana?: string;
  readonly value: ElementValue;
  readonly octets: readonly number[];
}

/** What a flow is made of: numbers as they are, octets or text where the field holds octets. */
export interface MadeFlow {
  readonly recordType?: RecordType;
  readonly fields?: Readonly<Partial<Record<FieldName, number | bigint | string | readonly number[]>>>;
  readonly elements?: readonly MadeElement[];
  readonly origin?: Partial<Origin>;
}

/** The flow. */
export function makeFlow({ recordType = 'flow', fields = {}, elements = [], origin = {} }: MadeFlow): Flow {
  const flow = new Flow(Object.assign(new Origin(), { exporterAddress: '192.0.2.1', serial: 1 }, origin));
  const octets: number[] = [];
  const place = (part: readonly number[]): number => octets.push(...part) - part.length;
  const entries: LayoutEntry[] = [];
  for (const [name, value] of Object.entries(fields) as [FieldName, number | bigint | string | readonly number[]][]) {
    entries.push(fieldEntry(name));
    const slot = SLOT[name];
    const { type } = FIELD_BY_NAME.get(name)!;
    if (type === 'time') flow.times[slot] = Number(value);
    else if (type === 'name') flow.names[slot] = String(value);
    else if (type === 'u64') {
      flow.words[slot] = Number(BigInt(value as number) >> 32n);
      flow.words[slot + 1] = Number(BigInt(value as number) & 0xffff_ffffn);
    } else if (typeof value === 'number') flow.words[slot] = value;
    else {
      const part = typeof value === 'string' ? [...Buffer.from(value, 'utf8')] : (value as readonly number[]);
      flow.words[slot] = place(part);
      if (type === 'text' || type === 'application') flow.words[slot + 1] = part.length;
    }
  }
  elements.forEach((element, i) => {
    const positionSlot = FIELD_WORDS + 2 * i;
    flow.words[positionSlot] = place(element.octets);
    flow.words[positionSlot + 1] = element.octets.length;
    const { elementId, ntop, iana = ntop, value, enterpriseNumber = 0 } = element;
    const entry: ElementEntry = {
      kind: 'element',
      enterpriseNumber,
      elementId,
      ntop,
      iana,
      value,
      positionSlot,
      length: -1,
    };
    entries.push(entry);
  });
  flow.bytes = Uint8Array.from([...octets, 0, 0, 0, 0, 0, 0, 0, 0]);
  flow.view = new DataView(flow.bytes.buffer);
  flow.layout = new Layout(recordType, entries);
  return flow;
}
