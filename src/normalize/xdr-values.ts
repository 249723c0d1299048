import { formatHex, formatIPv4, formatIPv6, formatMac } from '../bytes/address.ts';
import type { Cursor } from '../bytes/cursor.ts';
import { shortestOfFloat } from '../bytes/float-text.ts';
import type { PlainValue } from '../flow/flow.ts';
import { XDR_OCTETS, type XdrMember, type XdrStructure } from '../flow/xdr-structure.ts';

const TEXT = new TextDecoder();

/** Whether all members are in octets `[start, end)` of `view`; octets behind them do not matter. `cursor` is made use of. */
export function isWhole(structure: XdrStructure, cursor: Cursor, view: DataView, start: number, end: number): boolean {
  const { fixedOctets } = structure;
  if (fixedOctets >= 0) return end - start >= fixedOctets;
  skipMembers(structure.members, cursor.reset(view, start, end));
  return !cursor.overrun;
}

function skipMembers(members: readonly XdrMember[], cursor: Cursor): void {
  for (const member of members) {
    if (cursor.overrun || (member.isOptional && cursor.remaining === 0)) return;
    for (let left = member.isArray ? cursor.u32() : 1; left > 0 && !cursor.overrun; left--) skipValue(member, cursor);
  }
}

function skipValue({ type, members }: XdrMember, cursor: Cursor): void {
  if (type === 'struct') skipMembers(members, cursor);
  else if (type === 'string' || type === 'opaque') takePadded(cursor.u32(), cursor);
  else if (type === 'address') takeAddress(cursor);
  else cursor.take(XDR_OCTETS[type]);
}

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
    case 'float': {
      const at = cursor.take(XDR_OCTETS.float);
      return at < 0 ? null : shortestOfFloat(cursor.view.getFloat32(at));
    }
    case 'ipv4':
      return formatIPv4(cursor.u32());
    case 'ipv6': {
      const at = cursor.take(XDR_OCTETS.ipv6);
      return at < 0 ? null : formatIPv6(cursor.view, at);
    }
    case 'mac': {
      const at = cursor.take(XDR_OCTETS.mac);
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

function readAddress(cursor: Cursor): PlainValue {
  const at = takeAddress(cursor);
  if (at < 0) return null;
  return cursor.pos - at === 4 ? formatIPv4(cursor.view.getUint32(at)) : formatIPv6(cursor.view, at);
}

/**
 * Takes a type word (1 IPv4, 2 IPv6) and the address it announces, and returns where that lies; -1 for type 0, which has
 * none, and at the end. Other types have no known length and end the record.
 */
export function takeAddress(cursor: Cursor): number {
  const type = cursor.u32();
  if (type === 0) return -1;
  return cursor.take(type === 1 ? 4 : type === 2 ? 16 : cursor.remaining + 1);
}
