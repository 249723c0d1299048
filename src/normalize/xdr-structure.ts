import { formatHex, formatIPv4, formatIPv6, formatMac } from '../bytes/address.ts';
import type { Cursor } from '../bytes/cursor.ts';
import type { PlainValue } from '../flow/flow.ts';

/**
 * How a member lies on the wire (XDR, RFC 4506) and what it becomes:
 * - `u32` `i32` `u64` `float`: a number, `u64` a bigint where a number is not exact
 * - `ipv4` `ipv6` `mac` `uuid` `string` and `address` (a type word and the address it says): text
 * - `opaque` and `opaque4` `opaque16` (of fixed length): hexadecimal text
 * - `struct`: an object
 */
const XDR_TYPES = [
  'u32',
  'i32',
  'u64',
  'float',
  'ipv4',
  'ipv6',
  'mac',
  'uuid',
  'string',
  'address',
  'opaque',
  'opaque4',
  'opaque16',
  'struct',
] as const;

/** One of the types of a member. */
export type XdrType = (typeof XDR_TYPES)[number];

/** A member of a structure. */
export interface XdrMember {
  /** As the structure's publication spells it. */
  readonly name: string;
  readonly type: XdrType;
  /** A counted list of `type`. */
  readonly isArray: boolean;
  /** Later versions of the structure have it, earlier ones end before. */
  readonly isOptional: boolean;
  /** Members of a `struct`, else empty. */
  readonly members: readonly XdrMember[];
}

/** A structure of the sFlow structure list. */
export interface XdrStructure {
  /** As the list names it. */
  readonly name: string;
  /** Enterprise * 4096 + format. */
  readonly dataFormat: number;
  readonly members: readonly XdrMember[];
}

/** What a table row lists: text with one or more `name`, `name:type`, `name?` or `name[]`, or members made by {@link nested}. */
export type MemberSpec = string | XdrMember;

/** A row of a structure table. `u32` is the type of members that name none. */
export function structure(enterprise: number, format: number, name: string, ...specs: MemberSpec[]): XdrStructure {
  const members = onFirstUse(() => membersOf(specs));
  return {
    name,
    dataFormat: enterprise * 4096 + format,
    get members() {
      return members();
    },
  };
}

/** A member that is a structure, or with `[]` behind its name a list of them. */
export function nested(name: string, ...specs: MemberSpec[]): XdrMember {
  const isArray = name.endsWith('[]');
  const members = onFirstUse(() => membersOf(specs));
  return {
    name: isArray ? name.slice(0, -2) : name,
    type: 'struct',
    isArray,
    isOptional: false,
    get members() {
      return members();
    },
  };
}

/** Few of all structures come in one run, and reading every row takes 1 ms at start. */
function onFirstUse<Value>(make: () => Value): () => Value {
  let made: Value | undefined;
  return () => {
    made ??= make();
    return made;
  };
}

/** The rows by their data format. */
export function byDataFormat(structures: readonly XdrStructure[]): ReadonlyMap<number, XdrStructure> {
  return new Map(structures.map((row) => [row.dataFormat, row]));
}

function membersOf(specs: readonly MemberSpec[]): XdrMember[] {
  const members: XdrMember[] = [];
  for (const spec of specs) {
    if (typeof spec !== 'string') members.push(spec);
    else for (const word of spec.trim().split(/\s+/)) members.push(memberOf(word));
  }
  return members;
}

function memberOf(word: string): XdrMember {
  const match = /^([\w-]+?)(\?)?(?::(\w+?))?(\[\])?$/.exec(word);
  const name = match?.[1];
  const type = XDR_TYPES.find((known) => known === (match?.[3] ?? 'u32'));
  if (name === undefined || type === undefined) throw new Error(`structure table: '${word}' is no member`);
  return { name, type, isArray: match?.[4] !== undefined, isOptional: match?.[2] !== undefined, members: [] };
}

const TEXT = new TextDecoder();

/**
 * Reads the members from `cursor`, which lies over the octets of one record of `bytes`. Stops at the first member that is
 * not there in full: `cursor.overrun` then says so, and the members before it are returned. Lists end where the octets do,
 * whatever their count says.
 */
export function readMembers(
  members: readonly XdrMember[],
  cursor: Cursor,
  bytes: Uint8Array,
): Record<string, PlainValue> {
  const values: Record<string, PlainValue> = {};
  for (const member of members) {
    if (member.isOptional && cursor.remaining === 0) break;
    const value = member.isArray ? readArray(member, cursor, bytes) : readValue(member, cursor, bytes);
    if (cursor.overrun && !member.isArray && member.type !== 'struct') break;
    values[member.name] = value;
    if (cursor.overrun) break;
  }
  return values;
}

function readArray(member: XdrMember, cursor: Cursor, bytes: Uint8Array): PlainValue[] {
  const values: PlainValue[] = [];
  // Every type has four octets or more, so a list ends where the record does.
  for (let left = cursor.u32(); left > 0; left--) {
    const value = readValue(member, cursor, bytes);
    if (cursor.overrun) break;
    values.push(value);
  }
  return values;
}

function readValue(member: XdrMember, cursor: Cursor, bytes: Uint8Array): PlainValue {
  switch (member.type) {
    case 'u32':
      return cursor.u32();
    case 'i32':
      return cursor.u32() | 0;
    case 'u64': {
      const value = cursor.u64();
      return value <= Number.MAX_SAFE_INTEGER ? Number(value) : value;
    }
    case 'float':
      return readFloat(cursor);
    case 'ipv4':
      return formatIPv4(cursor.u32());
    case 'ipv6': {
      const at = cursor.take(16);
      return at < 0 ? null : formatIPv6(cursor.view, at);
    }
    case 'mac': {
      // Six octets are padded to eight.
      const at = cursor.take(8);
      return at < 0 ? null : formatMac(cursor.view, at);
    }
    case 'uuid': {
      const text = readHex(16, cursor);
      return text.replace(/^(.{8})(.{4})(.{4})(.{4})(.{12})$/, '$1-$2-$3-$4-$5');
    }
    case 'string': {
      const length = cursor.u32();
      const at = takePadded(length, cursor);
      return at < 0 ? null : TEXT.decode(bytes.subarray(at, at + length));
    }
    case 'address':
      return readAddress(cursor);
    case 'opaque': {
      const length = cursor.u32();
      const at = takePadded(length, cursor);
      return at < 0 ? null : formatHex(cursor.view, at, length);
    }
    case 'opaque4':
      return readHex(4, cursor);
    case 'opaque16':
      return readHex(16, cursor);
    case 'struct':
      return readMembers(member.members, cursor, bytes);
  }
}

/** Takes `length` octets and their padding, as much of it as is there; -1 when the octets are not. */
function takePadded(length: number, cursor: Cursor): number {
  const at = cursor.take(length);
  if (at < 0) return -1;
  const padding = -length & 3;
  cursor.take(Math.min(padding, cursor.remaining));
  return at;
}

function readHex(length: number, cursor: Cursor): string {
  const at = cursor.take(length);
  return at < 0 ? '' : formatHex(cursor.view, at, length);
}

/** The address a type word announces (1 IPv4, 2 IPv6), null for type 0; other types have no known length and end the record. */
function readAddress(cursor: Cursor): PlainValue {
  const type = cursor.u32();
  if (type === 0) return null;
  if (type === 1) return formatIPv4(cursor.u32());
  const at = type === 2 ? cursor.take(16) : -1;
  if (at >= 0) return formatIPv6(cursor.view, at);
  cursor.take(cursor.remaining + 1);
  return null;
}

/** The shortest decimal number that has the same 32 bits; null for what JSON cannot say. */
function readFloat(cursor: Cursor): number | null {
  const at = cursor.take(4);
  if (at < 0) return null;
  const value = cursor.view.getFloat32(at);
  if (!Number.isFinite(value)) return null;
  for (let digits = 6; digits < 9; digits++) {
    const short = Number(value.toPrecision(digits));
    if (Math.fround(short) === value) return short;
  }
  return Number(value.toPrecision(9));
}
