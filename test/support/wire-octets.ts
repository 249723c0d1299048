/** Octets for messages of tests, written without the program's own code. */

/** One piece of a message. */
export type Octets = Uint8Array;

/** All pieces in one. */
export function joined(...parts: readonly Octets[]): Octets {
  return new Uint8Array(Buffer.concat(parts));
}

/** An unsigned (or, in two's complement, signed) number in `length` octets, network order; too large ones are cut. */
export function number(value: number | bigint, length: number): Octets {
  const octets = new Uint8Array(length);
  let rest = BigInt.asUintN(length * 8, BigInt(value));
  for (let i = length - 1; i >= 0; i--) {
    octets[i] = Number(rest & 0xffn);
    rest >>= 8n;
  }
  return octets;
}

/** One octet. */
export function u8(value: number): Octets {
  return number(value, 1);
}

/** Two octets. */
export function u16(value: number): Octets {
  return number(value, 2);
}

/** Four octets. */
export function u32(value: number): Octets {
  return number(value, 4);
}

/** Eight octets. */
export function u64(value: number | bigint): Octets {
  return number(value, 8);
}

/** Dotted decimals. */
export function ipv4(text: string): Octets {
  return Uint8Array.from(text.split('.'), Number);
}

/** Eight groups of hexadecimal digits, with or without `::`. */
export function ipv6(text: string): Octets {
  const [head = '', tail] = text.split('::');
  const groups = (part: string): number[] =>
    part === '' ? [] : part.split(':').map((each) => Number.parseInt(each, 16));
  const first = groups(head);
  const last = tail === undefined ? [] : groups(tail);
  const middle = new Array<number>(8 - first.length - last.length).fill(0);
  return joined(...[...first, ...middle, ...last].map(u16));
}

/** UTF-8, filled up with NULs (or cut) to `length` where it is given. */
export function text(value: string, length?: number): Octets {
  const octets = new TextEncoder().encode(value);
  if (length === undefined) return octets;
  const padded = new Uint8Array(length);
  padded.set(octets.subarray(0, length));
  return padded;
}

/** Hexadecimal digits, spaces allowed. */
export function hex(digits: string): Octets {
  return new Uint8Array(Buffer.from(digits.replace(/\s/g, ''), 'hex'));
}

/** A variable-length value: its length in one octet, or in three where it is 255 or more or `isLong` (RFC 7011 section 7). */
export function variable(value: Octets | string, isLong = false): Octets {
  const octets = typeof value === 'string' ? text(value) : value;
  return isLong || octets.length >= 255
    ? joined(u8(255), u16(octets.length), octets)
    : joined(u8(octets.length), octets);
}

/** `length` octets of zero. */
export function zeros(length: number): Octets {
  return new Uint8Array(length);
}
