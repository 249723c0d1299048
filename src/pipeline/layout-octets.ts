import { FIELD_BY_NAME, type FieldName, type FieldType, SLOT } from '../flow/fields.ts';
import type { Flow } from '../flow/flow.ts';
import type { Layout, LayoutEntry } from '../flow/layout.ts';

/** Octets of a field that is held as a position alone; those held as position and length have their length in the next word. */
const FIXED_OCTETS: Readonly<Partial<Record<FieldType, number>>> = { ipv6: 16, mac: 6, text: -1, application: -1 };

/** Where the octets lie that flows of a layout point to: what must be kept of `Flow.bytes`. */
export class LayoutOctets {
  /** First octet, and the one behind the last, of the flow measured last; equal where it has none. */
  start = 0;
  end = 0;
  /** By pairs: the word with a position, and the number of octets, -1 where the next word has it. */
  private readonly positions: Int32Array;

  /** Of all flows of `layout`. */
  constructor(layout: Layout) {
    this.positions = Int32Array.from(layout.entries.flatMap(positionsOf));
  }

  /** Finds out where the octets of a flow lie. */
  measure({ words, bytes }: Flow): void {
    const { positions } = this;
    let start = bytes.length;
    let end = 0;
    for (let i = 0; i < positions.length; i += 2) {
      const slot = positions[i]!;
      const fixed = positions[i + 1]!;
      const length = fixed < 0 ? words[slot + 1]! : fixed;
      const at = words[slot]!;
      if (length === 0 || at + length > bytes.length) continue;
      if (at < start) start = at;
      if (at + length > end) end = at + length;
    }
    this.start = Math.min(start, end);
    this.end = end;
  }
}

function positionsOf(entry: LayoutEntry): number[] {
  if (entry.kind === 'element') return [entry.positionSlot, entry.length];
  if (entry.kind === 'field') return positionsOfField(entry.field.field as FieldName);
  const field = entry.field === undefined ? [] : positionsOfField(entry.field);
  return [...entry.items.flatMap(positionsOf), ...field];
}

function positionsOfField(name: FieldName): number[] {
  const octets = FIXED_OCTETS[FIELD_BY_NAME.get(name)!.type];
  return octets === undefined ? [] : [SLOT[name], octets];
}
