import { writeInteger } from '../../bytes/digits.ts';
import { writeJsonString } from '../../bytes/json-text.ts';
import type { PlainValue } from '../../flow/flow.ts';
import { isList } from './plain-json.ts';

/** Room for a number, quotes and commas, and for what writers write further. */
const SPARE_OCTETS = 64;
/** Most octets of a UTF-16 unit of a string. */
const UNIT_OCTETS = 6;

const QUOTE = 0x22;
const COMMA = 0x2c;
const COLON = 0x3a;
const OPENING_BRACKET = 0x5b;
const CLOSING_BRACKET = 0x5d;
const OPENING_BRACE = 0x7b;
const CLOSING_BRACE = 0x7d;

/** What {@link PlainOctets.member} returns where a value may not fit. */
export const NO_ROOM = -1;

/**
 * Writes values as the octets of their JSON, the same as `plainJson` makes a string of: without the string, which has to be
 * copied and looked at once more, it takes a third of the time.
 */
export class PlainOctets {
  private readonly octets: Uint8Array;
  private readonly out: DataView;

  /** Writes into `octets`. */
  constructor(octets: Uint8Array) {
    this.octets = octets;
    this.out = new DataView(octets.buffer, octets.byteOffset, octets.byteLength);
  }

  /** Writes `,"key":value` and returns the position behind, {@link NO_ROOM} where the octets may not do. */
  member(start: number, key: string, value: PlainValue): number {
    if (start + SPARE_OCTETS > this.octets.length) return NO_ROOM;
    this.octets[start] = COMMA;
    return this.keyAndValue(start + 1, key, value);
  }

  private keyAndValue(start: number, key: string, value: PlainValue): number {
    const pos = this.text(start, key);
    if (pos < 0) return NO_ROOM;
    this.octets[pos] = COLON;
    return this.value(pos + 1, value);
  }

  private value(pos: number, value: PlainValue): number {
    if (pos + SPARE_OCTETS > this.octets.length) return NO_ROOM;
    if (typeof value === 'number') {
      if (Number.isSafeInteger(value)) return writeInteger(this.out, pos, value);
      return Number.isFinite(value) ? this.bare(pos, String(value)) : this.text(pos, String(value));
    }
    if (typeof value === 'string') return this.text(pos, value);
    if (value === null || typeof value !== 'object') return this.bare(pos, String(value));
    return isList(value) ? this.list(pos, value) : this.object(pos, value);
  }

  private list(start: number, values: readonly PlainValue[]): number {
    const { octets } = this;
    let pos = start;
    octets[pos++] = OPENING_BRACKET;
    for (let i = 0; i < values.length; i++) {
      if (i !== 0) octets[pos++] = COMMA;
      pos = this.value(pos, values[i]!);
      if (pos < 0) return NO_ROOM;
    }
    octets[pos++] = CLOSING_BRACKET;
    return pos;
  }

  private object(start: number, values: { readonly [key: string]: PlainValue }): number {
    const { octets } = this;
    let pos = start;
    octets[pos++] = OPENING_BRACE;
    const keys = Object.keys(values);
    for (let i = 0; i < keys.length; i++) {
      if (i !== 0) octets[pos++] = COMMA;
      pos = this.keyAndValue(pos, keys[i]!, values[keys[i]!]!);
      if (pos < 0) return NO_ROOM;
    }
    octets[pos++] = CLOSING_BRACE;
    return pos;
  }

  private text(pos: number, text: string): number {
    const { octets } = this;
    if (pos + UNIT_OCTETS * text.length + SPARE_OCTETS > octets.length) return NO_ROOM;
    octets[pos] = QUOTE;
    const end = writeJsonString(octets, pos + 1, text);
    octets[end] = QUOTE;
    return end + 1;
  }

  /** Text that stands without quotes, ASCII. */
  private bare(pos: number, text: string): number {
    return writeJsonString(this.octets, pos, text);
  }
}
