import {
  writeHexadecimal,
  writeInteger,
  writeIPv4,
  writeIPv6,
  writeMac,
  writeUnsigned32,
  writeUnsigned64,
} from '../../bytes/digits.ts';
import { shortestOfFloat } from '../../bytes/float-text.ts';
import { writeJsonString } from '../../bytes/json-text.ts';
import type { XdrMember, XdrType } from '../../flow/xdr-structure.ts';
import { textChunks } from './text-chunks.ts';

/** Types by number: a switch over small numbers is a jump, one over texts a row of comparisons. */
const U32 = 0;
const I32 = 1;
const U64 = 2;
const FLOAT = 3;
const IPV4 = 4;
const IPV6 = 5;
const MAC = 6;
const UUID = 7;
const STRING = 8;
const ADDRESS = 9;
const OPAQUE = 10;
const OPAQUE4 = 11;
const OPAQUE16 = 12;
const STRUCT = 13;
/** Text alone. */
const NOTHING = 14;

const NUMBER_OF_TYPE: Readonly<Record<XdrType, number>> = {
  u32: U32,
  i32: I32,
  u64: U64,
  float: FLOAT,
  ipv4: IPV4,
  ipv6: IPV6,
  mac: MAC,
  uuid: UUID,
  string: STRING,
  address: ADDRESS,
  opaque: OPAQUE,
  opaque4: OPAQUE4,
  opaque16: OPAQUE16,
  struct: STRUCT,
};

/** Added to the type of a counted list. */
const LIST = 16;
/** Added to the type of a member that may be missing at the end. */
const OPTIONAL = 32;

const QUOTE = 0x22;
const COMMA = 0x2c;
const HYPHEN = 0x2d;
const POINT = 0x2e;
const OPENING_BRACKET = 0x5b;
const CLOSING_BRACKET = 0x5d;
const ZERO = 0x30;
const NULL = textChunks('null');

const TEXT = new TextDecoder();

/** An object's members in their order: step `i` has text of `lengths[i]` octets, chunks `firsts[i]` up to `firsts[i + 1]`, then its value. */
interface Steps {
  readonly types: Uint8Array;
  readonly lengths: Uint32Array;
  readonly firsts: Uint32Array;
  readonly chunks: Float64Array;
  /** Of members that are objects. */
  readonly inner: readonly (Steps | undefined)[];
}

/**
 * Writes a structure from the octets of a datagram to those of JSON. A table of steps: text of keys as doubles and types of
 * values. To make an object of the octets and a string of the object took ten times as long.
 */
export class XdrJson {
  private readonly steps: Steps;
  private out!: DataView;
  private octets!: Uint8Array;
  private view!: DataView;
  private bytes!: Uint8Array;
  /** Where the next value lies. */
  private at = 0;
  private end = 0;

  /** `before` is what stands before the object, ASCII. */
  constructor(before: string, members: readonly XdrMember[]) {
    this.steps = stepsOf(before, members);
  }

  /**
   * Writes what octets `[at, end)` of `bytes` hold, over which `view` lies, and returns the position behind. The caller guarantees
   * that all members are there in full. `out` and `octets` are the same memory, with room for 16 octets for each of the
   * structure's and for the keys, and 8 octets more.
   */
  write(
    out: DataView,
    octets: Uint8Array,
    pos: number,
    view: DataView,
    bytes: Uint8Array,
    at: number,
    end: number,
  ): number {
    this.out = out;
    this.octets = octets;
    this.view = view;
    this.bytes = bytes;
    this.at = at;
    this.end = end;
    return this.writeSteps(this.steps, pos);
  }

  private writeSteps(steps: Steps, start: number): number {
    const { types, lengths, firsts, chunks } = steps;
    const { out, view } = this;
    const last = types.length - 1;
    let pos = start;
    let { at } = this;
    let chunk = 0;
    for (let i = 0; i <= last; i++) {
      if (types[i]! >= OPTIONAL && at === this.end) {
        i = last;
        chunk = firsts[last]!;
      }
      const behind = firsts[i + 1]!;
      for (let to = pos; chunk < behind; chunk++, to += 8) out.setFloat64(to, chunks[chunk]!);
      pos += lengths[i]!;
      const type = types[i]! & ~OPTIONAL;
      if (type === U32) {
        pos = writeUnsigned32(out, pos, view.getUint32(at));
        at += 4;
      } else if (type === U64) {
        pos = writeUnsigned64(out, pos, view.getUint32(at), view.getUint32(at + 4));
        at += 8;
      } else if (type !== NOTHING) {
        this.at = at;
        pos = type >= LIST ? this.writeList(steps, i, pos) : this.writeValue(steps, i, pos);
        ({ at } = this);
      }
    }
    this.at = at;
    return pos;
  }

  private writeList(steps: Steps, i: number, start: number): number {
    const { octets } = this;
    let pos = start;
    octets[pos++] = OPENING_BRACKET;
    const count = this.view.getUint32(this.at);
    this.at += 4;
    for (let item = 0; item < count; item++) {
      if (item !== 0) octets[pos++] = COMMA;
      pos = this.writeValue(steps, i, pos);
    }
    octets[pos++] = CLOSING_BRACKET;
    return pos;
  }

  private writeValue(steps: Steps, i: number, pos: number): number {
    const { out, view, at } = this;
    switch (steps.types[i]! & (LIST - 1)) {
      case U32:
        this.at = at + 4;
        return writeUnsigned32(out, pos, view.getUint32(at));
      case I32:
        this.at = at + 4;
        return writeInteger(out, pos, view.getInt32(at));
      case U64:
        this.at = at + 8;
        return writeUnsigned64(out, pos, view.getUint32(at), view.getUint32(at + 4));
      case FLOAT:
        this.at = at + 4;
        return this.writeFloat(pos, view.getFloat32(at));
      case IPV4:
        this.at = at + 4;
        return this.quote(pos, writeIPv4(out, pos + 1, view.getUint32(at)));
      case IPV6:
        this.at = at + 16;
        return this.quote(pos, writeIPv6(out, pos + 1, view, at));
      case MAC:
        // Six octets are padded to eight.
        this.at = at + 8;
        return this.quote(pos, writeMac(out, pos + 1, view, at));
      case UUID:
        this.at = at + 16;
        return this.quote(pos, this.writeUuid(pos + 1, at));
      case STRING:
        return this.quote(pos, this.writeText(pos + 1, this.takeCounted(), view.getUint32(at)));
      case ADDRESS:
        return this.writeAddress(pos);
      case OPAQUE:
        return this.quote(pos, writeHexadecimal(out, pos + 1, view, this.takeCounted(), view.getUint32(at)));
      case OPAQUE4:
        this.at = at + 4;
        return this.quote(pos, writeHexadecimal(out, pos + 1, view, at, 4));
      case OPAQUE16:
        this.at = at + 16;
        return this.quote(pos, writeHexadecimal(out, pos + 1, view, at, 16));
      default:
        return this.writeSteps(steps.inner[i]!, pos);
    }
  }

  /** Puts quotes at `start` and `end`. */
  private quote(start: number, end: number): number {
    this.octets[start] = QUOTE;
    this.octets[end] = QUOTE;
    return end + 1;
  }

  /** Takes a count of octets, these, and as much of their padding as is there; returns where they lie. */
  private takeCounted(): number {
    const start = this.at + 4;
    const padded = (this.view.getUint32(this.at) + 3) & ~3;
    this.at = Math.min(start + padded, this.end);
    return start;
  }

  /** The inside of a JSON string. */
  private writeText(start: number, at: number, length: number): number {
    const { octets, bytes } = this;
    let pos = start;
    for (let i = at; i < at + length; i++) {
      const octet = bytes[i]!;
      if (octet < 0x20 || octet >= 0x7f || octet === 0x22 || octet === 0x5c)
        return writeJsonString(octets, start, TEXT.decode(bytes.subarray(at, at + length)));
      octets[pos++] = octet;
    }
    return pos;
  }

  private writeAddress(pos: number): number {
    const { out, view, at } = this;
    const type = view.getUint32(at);
    if (type === 0) {
      this.at = at + 4;
      out.setFloat64(pos, NULL.chunks[0]!);
      return pos + NULL.length;
    }
    this.at = at + (type === 1 ? 8 : 20);
    const end = type === 1 ? writeIPv4(out, pos + 1, view.getUint32(at + 4)) : writeIPv6(out, pos + 1, view, at + 4);
    return this.quote(pos, end);
  }

  private writeUuid(start: number, at: number): number {
    const { out, octets, view } = this;
    let pos = start;
    for (let i = 0; i < 16; i += 2) {
      // 8-4-4-4-12 digits (RFC 4122 section 3)
      if (i >= 4 && i <= 10) octets[pos++] = HYPHEN;
      pos = writeHexadecimal(out, pos, view, at + i, 2);
    }
    return pos;
  }

  private writeFloat(start: number, value: number): number {
    const { out, octets } = this;
    const hundredths = Math.round(value * 100);
    // Loads have two places. No decimal number of up to six digits has the 32 bits of another: this one is the shortest.
    if (hundredths >= 0 && hundredths < 1_000_000 && Math.fround(hundredths / 100) === value) {
      const whole = Math.floor(hundredths / 100);
      const rest = hundredths - 100 * whole;
      let pos = writeUnsigned32(out, start, whole);
      if (rest === 0) return pos;
      const tenths = Math.floor(rest / 10);
      octets[pos++] = POINT;
      octets[pos++] = ZERO + tenths;
      if (rest !== 10 * tenths) octets[pos++] = ZERO + rest - 10 * tenths;
      return pos;
    }
    return writeJsonString(octets, start, String(shortestOfFloat(value)));
  }
}

function stepsOf(before: string, members: readonly XdrMember[]): Steps {
  const types = members.map(
    ({ type, isArray, isOptional }) => NUMBER_OF_TYPE[type] + (isArray ? LIST : 0) + (isOptional ? OPTIONAL : 0),
  );
  const texts = [...members.map(({ name }, i) => `${i === 0 ? `${before}{` : ','}"${name}":`), '}'].map(textChunks);
  const firsts = new Uint32Array(texts.length + 1);
  for (const [i, { chunks }] of texts.entries()) firsts[i + 1] = firsts[i]! + chunks.length;
  const chunks = new Float64Array(firsts[texts.length]!);
  for (const [i, text] of texts.entries()) chunks.set(text.chunks, firsts[i]!);
  return {
    types: Uint8Array.from([...types, NOTHING]),
    lengths: Uint32Array.from(texts, ({ length }) => length),
    firsts,
    chunks,
    inner: members.map(({ type, members: own }) => (type === 'struct' ? stepsOf('', own) : undefined)),
  };
}
