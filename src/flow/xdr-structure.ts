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
  /** Octets of the whole structure where they are always as many, else -1. */
  readonly fixedOctets: number;
}

/** Octets of a value on the wire, padding included; 0 where its own octets say how many. */
export const XDR_OCTETS: Readonly<Record<XdrType, number>> = {
  u32: 4,
  i32: 4,
  u64: 8,
  float: 4,
  ipv4: 4,
  ipv6: 16,
  mac: 8,
  uuid: 16,
  string: 0,
  address: 0,
  opaque: 0,
  opaque4: 4,
  opaque16: 16,
  struct: 0,
};

/** What a table row lists: text with one or more `name`, `name:type`, `name?` or `name[]`, or members made by {@link nested}. */
export type MemberSpec = string | XdrMember;

/** A row of a structure table. `u32` is the type of members that name none. */
export function structure(enterprise: number, format: number, name: string, ...specs: MemberSpec[]): XdrStructure {
  const members = onFirstUse(() => membersOf(specs));
  const fixedOctets = onFirstUse(() => fixedOctetsOf(members()));
  return {
    name,
    dataFormat: enterprise * 4096 + format,
    get members() {
      return members();
    },
    get fixedOctets() {
      return fixedOctets();
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

function fixedOctetsOf(members: readonly XdrMember[]): number {
  let octets = 0;
  for (const { type, isArray, isOptional, members: inner } of members) {
    const length = type === 'struct' ? fixedOctetsOf(inner) : XDR_OCTETS[type];
    if (isArray || isOptional || length <= 0) return -1;
    octets += length;
  }
  return octets;
}
