/**
 * Numbers and addresses as ASCII, written into a view with room for them. All return the position behind what they wrote;
 * some write up to 7 octets further, which the next write covers. Tables hold whole groups of digits: a 32-bit store
 * of a four-digit group is four times as fast as four octet stores.
 */

const ZERO = 0x30;

/** Four digits with leading zeros, as one big-endian word. */
const FOUR_DIGITS = new Uint32Array(10_000);
/** The same without leading zeros, left-aligned; and how many digits. How many there are no branch can foresee. */
const LEFT_ALIGNED = new Uint32Array(10_000);
const DIGIT_COUNT = new Uint8Array(10_000);
/** Two digits with leading zeros. */
const TWO_DIGITS = new Uint16Array(100);
for (let i = 0; i < 100; i++) TWO_DIGITS[i] = ((ZERO + Math.floor(i / 10)) << 8) | (ZERO + (i % 10));
// Made at every start, so in few steps: the tables differ only below 1000.
for (let high = 0, i = 0; high < 100; high++) {
  const upper = TWO_DIGITS[high]! << 16;
  for (let low = 0; low < 100; low++) FOUR_DIGITS[i++] = upper | TWO_DIGITS[low]!;
}
LEFT_ALIGNED.set(FOUR_DIGITS);
DIGIT_COUNT.fill(4);
for (let i = 0; i < 1000; i++) {
  DIGIT_COUNT[i] = i < 10 ? 1 : i < 100 ? 2 : 3;
  LEFT_ALIGNED[i] = FOUR_DIGITS[i]! << (8 * (4 - DIGIT_COUNT[i]!));
}

/** An octet in decimal and a dot behind it, left-aligned in a big-endian word. */
export const OCTET_DIGITS = new Uint32Array(256);
/** Digits of an octet in decimal. */
export const OCTET_LENGTH = new Uint8Array(256);
for (let i = 0; i < 256; i++) {
  const text = `${i}.`;
  OCTET_LENGTH[i] = text.length - 1;
  for (let j = 0; j < 4; j++) OCTET_DIGITS[i] = (OCTET_DIGITS[i]! << 8) | (j < text.length ? text.charCodeAt(j) : 0);
}

/** An octet as two lower-case hexadecimal digits. */
const HEXADECIMAL = new Uint16Array(256);
for (let i = 0; i < 256; i++) {
  const text = i.toString(16).padStart(2, '0');
  HEXADECIMAL[i] = (text.charCodeAt(0) << 8) | text.charCodeAt(1);
}

/** Decimal of an unsigned 32-bit number. */
export function writeUnsigned32(out: DataView, pos: number, value: number): number {
  if (value < 10_000) return writeBelow10000(out, pos, value);
  if (value < 100_000_000) {
    const high = (value / 10_000) | 0;
    const next = writeBelow10000(out, pos, high);
    out.setUint32(next, FOUR_DIGITS[value - high * 10_000]!);
    return next + 4;
  }
  const high = (value / 100_000_000) | 0;
  const rest = value - high * 100_000_000;
  const middle = (rest / 10_000) | 0;
  const next = writeBelow10000(out, pos, high);
  out.setUint32(next, FOUR_DIGITS[middle]!);
  out.setUint32(next + 4, FOUR_DIGITS[rest - middle * 10_000]!);
  return next + 8;
}

function writeBelow10000(out: DataView, pos: number, value: number): number {
  out.setUint32(pos, LEFT_ALIGNED[value]!);
  return pos + DIGIT_COUNT[value]!;
}

/** Decimal of an unsigned 64-bit number given by its halves, every digit exact. */
export function writeUnsigned64(out: DataView, pos: number, high: number, low: number): number {
  if (high === 0) return writeUnsigned32(out, pos, low);
  if (high < 0x20_0000) return writeInteger(out, pos, high * 4294967296 + low);
  const value = (BigInt(high) << 32n) | BigInt(low);
  // Parts of 12 and 8 digits are exact as numbers; one of 16 would not be.
  const next = writeInteger(out, pos, Number(value / 100_000_000n));
  return writePadded8(out, next, Number(value % 100_000_000n));
}

/** Decimal of an integer, negative ones included; not a fraction. Above 2^53 the digits of the number nearest to it. */
export function writeInteger(out: DataView, start: number, value: number): number {
  let pos = start;
  let rest = value;
  if (rest < 0) {
    out.setUint8(pos++, 0x2d);
    rest = -rest;
  }
  if (rest <= 0xffffffff) return writeUnsigned32(out, pos, rest);
  if (rest > Number.MAX_SAFE_INTEGER) return writeDigits(out, pos, BigInt(rest).toString());
  const upper = Math.floor(rest / 100_000_000);
  const lower = rest - upper * 100_000_000;
  // upper is below 2^53 / 10^8 and fits 32 bits
  pos = writeUnsigned32(out, pos, upper);
  return writePadded8(out, pos, lower);
}

/** `value` thousandths as a decimal number with three places: 1234 is 1.234. */
export function writeThousandths(out: DataView, pos: number, value: number): number {
  const whole = Math.floor(value / 1000);
  const end = writeUnsigned32(out, pos, whole);
  // Four digits, the first of which is 0 and gives its place to the point.
  out.setUint32(end, FOUR_DIGITS[value - whole * 1000]!);
  out.setUint8(end, 0x2e);
  return end + 4;
}

/** The slow way round: times of 64 bits that mean no time. */
function writeDigits(out: DataView, start: number, digits: string): number {
  for (let i = 0; i < digits.length; i++) out.setUint8(start + i, digits.charCodeAt(i));
  return start + digits.length;
}

/**
 * Decimal of the Unix milliseconds in `times[index]`: as an argument of its own the time would be boxed, 16 octets of
 * garbage. Times of one capture share their upper digits for a day: these are kept from one time to the next.
 */
export function writeMilliseconds(out: DataView, pos: number, times: Float64Array, index: number): number {
  const value = times[index]!;
  const upper = Math.floor(value / 100_000_000);
  if (upper !== lastUpper) {
    if (upper < 10_000 || upper > 99_999) return writeInteger(out, pos, value);
    lastUpper = upper;
    lastUpperFirst = FOUR_DIGITS[Math.floor(upper / 10)]!;
    lastUpperDigit = ZERO + (upper % 10);
  }
  out.setUint32(pos, lastUpperFirst);
  out.setUint8(pos + 4, lastUpperDigit);
  return writePadded8(out, pos + 5, value - upper * 100_000_000);
}

let lastUpper = Number.NaN;
let lastUpperFirst = 0;
let lastUpperDigit = 0;

function writePadded8(out: DataView, pos: number, value: number): number {
  const high = (value / 10_000) | 0;
  out.setUint32(pos, FOUR_DIGITS[high]!);
  out.setUint32(pos + 4, FOUR_DIGITS[value - high * 10_000]!);
  return pos + 8;
}

/** Dotted decimals of an IPv4 address. */
export function writeIPv4(out: DataView, pos: number, address: number): number {
  scratch[0] = address;
  return writeIPv4Word(out, pos, scratch, 0);
}

const scratch = new Uint32Array(1);

/** The same for the address in `words[index]`: half of all addresses would be boxed as an argument of their own. */
export function writeIPv4Word(out: DataView, start: number, words: Uint32Array, index: number): number {
  const address = words[index]!;
  let pos = start;
  let octet = address >>> 24;
  out.setUint32(pos, OCTET_DIGITS[octet]!);
  pos += OCTET_LENGTH[octet]! + 1;
  octet = (address >>> 16) & 0xff;
  out.setUint32(pos, OCTET_DIGITS[octet]!);
  pos += OCTET_LENGTH[octet]! + 1;
  octet = (address >>> 8) & 0xff;
  out.setUint32(pos, OCTET_DIGITS[octet]!);
  pos += OCTET_LENGTH[octet]! + 1;
  octet = address & 0xff;
  out.setUint32(pos, OCTET_DIGITS[octet]!);
  return pos + OCTET_LENGTH[octet]!;
}

/** Text of the IPv6 address in 16 octets of `view` at `at` (RFC 5952). */
export function writeIPv6(out: DataView, start: number, view: DataView, at: number): number {
  const first = view.getUint32(at);
  const second = view.getUint32(at + 4);
  const third = view.getUint32(at + 8);
  const fourth = view.getUint32(at + 12);
  let pos = start;
  if (first === 0 && second === 0 && third === 0xffff) {
    out.setFloat64(pos, MAPPED_PREFIX);
    return writeIPv4(out, pos + 7, fourth);
  }
  // The longest run of zero groups, found on the bits "group is zero", first group highest.
  const zeros =
    (first >>> 16 === 0 ? 128 : 0) |
    ((first & 0xffff) === 0 ? 64 : 0) |
    (second >>> 16 === 0 ? 32 : 0) |
    ((second & 0xffff) === 0 ? 16 : 0) |
    (third >>> 16 === 0 ? 8 : 0) |
    ((third & 0xffff) === 0 ? 4 : 0) |
    (fourth >>> 16 === 0 ? 2 : 0) |
    ((fourth & 0xffff) === 0 ? 1 : 0);
  const run = LONGEST_RUN[zeros]!;
  const runStart = run >> 4;
  const runEnd = runStart + (run & 15);
  let needsColon = false;
  for (let i = 0; i < 8; i++) {
    if (i === runStart && runEnd > runStart) {
      out.setUint16(pos, 0x3a3a);
      pos += 2;
      i = runEnd - 1;
      needsColon = false;
      continue;
    }
    if (needsColon) out.setUint8(pos++, 0x3a);
    needsColon = true;
    const group = view.getUint16(at + 2 * i);
    const high = group >>> 8;
    const low = group & 0xff;
    if (high >= 16) {
      out.setUint16(pos, HEXADECIMAL[high]!);
      pos += 2;
    } else if (high > 0) {
      out.setUint8(pos++, HEXADECIMAL[high]! & 0xff);
    }
    if (high > 0 || low >= 16) {
      out.setUint16(pos, HEXADECIMAL[low]!);
      pos += 2;
    } else {
      out.setUint8(pos++, HEXADECIMAL[low]! & 0xff);
    }
  }
  return pos;
}

/** For each set of zero groups: start * 16 + length of the longest run of two or more, the first of equals; length 0 for none. */
const LONGEST_RUN = new Uint8Array(256);
for (let zeros = 0; zeros < 256; zeros++) {
  let bestStart = 0;
  let bestLength = 1;
  for (let i = 0; i < 8; ) {
    let j = i;
    while (j < 8 && (zeros & (128 >> j)) !== 0) j++;
    if (j - i > bestLength) {
      bestStart = i;
      bestLength = j - i;
    }
    i = j + 1;
  }
  LONGEST_RUN[zeros] = bestLength < 2 ? 0 : bestStart * 16 + bestLength;
}

/** Six octets of `view` at `at` as a MAC address. */
export function writeMac(out: DataView, pos: number, view: DataView, at: number): number {
  out.setUint32(pos, (HEXADECIMAL[view.getUint8(at)]! << 16) | 0x3a00);
  out.setUint32(pos + 3, (HEXADECIMAL[view.getUint8(at + 1)]! << 16) | 0x3a00);
  out.setUint32(pos + 6, (HEXADECIMAL[view.getUint8(at + 2)]! << 16) | 0x3a00);
  out.setUint32(pos + 9, (HEXADECIMAL[view.getUint8(at + 3)]! << 16) | 0x3a00);
  out.setUint32(pos + 12, (HEXADECIMAL[view.getUint8(at + 4)]! << 16) | 0x3a00);
  out.setUint16(pos + 15, HEXADECIMAL[view.getUint8(at + 5)]!);
  return pos + 17;
}

/** `length` octets of `view` at `at` in lower-case hexadecimal. */
export function writeHexadecimal(out: DataView, start: number, view: DataView, at: number, length: number): number {
  let pos = start;
  for (let i = 0; i < length; i++) {
    out.setUint16(pos, HEXADECIMAL[view.getUint8(at + i)]!);
    pos += 2;
  }
  return pos;
}

/** `::ffff:` and a spare octet. */
const MAPPED_PREFIX = new DataView(new TextEncoder().encode('::ffff:0').buffer).getFloat64(0);
