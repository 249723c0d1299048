/** Addresses and numbers as ASCII, read from octets: nothing is allocated, and anything but the whole text is refused. */

const ZERO = 0x30;
const NINE = 0x39;
const DOT = 0x2e;
const COLON = 0x3a;
const HYPHEN = 0x2d;

/** The IPv4 address that octets `[at, at + length)` spell in dotted decimals, as an unsigned 32-bit number; -1 for none. */
export function parseIPv4(octets: Uint8Array, at: number, length: number): number {
  if (length < 7 || length > 15) return -1;
  let address = 0;
  let part = 0;
  let digits = 0;
  let dots = 0;
  for (let i = at; i < at + length; i++) {
    const octet = octets[i]!;
    if (octet === DOT) {
      if (digits === 0 || ++dots > 3) return -1;
      address = address * 256 + part;
      part = 0;
      digits = 0;
    } else {
      if (octet < ZERO || octet > NINE || ++digits > 3) return -1;
      part = part * 10 + octet - ZERO;
      if (part > 255) return -1;
    }
  }
  return dots === 3 && digits > 0 ? address * 256 + part : -1;
}

/**
 * Writes the IPv6 address that octets `[at, at + length)` spell (RFC 4291 section 2.2, no zone) into the 16 octets of `out` at
 * `outAt`. Returns false, with these octets undefined, where they spell none.
 */
export function parseIPv6(octets: Uint8Array, at: number, length: number, out: Uint8Array, outAt: number): boolean {
  if (length < 2 || length > 45) return false;
  const end = at + length;
  let written = 0;
  let gapAt = -1;
  let pos = at;
  if (octets[pos] === COLON) {
    if (octets[pos + 1] !== COLON) return false;
    gapAt = 0;
    pos += 2;
  }
  while (pos < end) {
    if (written === 16) return false;
    let value = 0;
    let digits = 0;
    const start = pos;
    for (; pos < end; pos++) {
      const digit = hexDigit(octets[pos]!);
      if (digit < 0) break;
      if (++digits > 4) return false;
      value = value * 16 + digit;
    }
    if (digits === 0) return false;
    if (pos < end && octets[pos] === DOT) {
      const address = written <= 12 ? parseIPv4(octets, start, end - start) : -1;
      if (address < 0) return false;
      for (let i = 0; i < 4; i++) out[outAt + written++] = (address / 2 ** (24 - 8 * i)) & 0xff;
      pos = end;
      break;
    }
    out[outAt + written++] = value >> 8;
    out[outAt + written++] = value & 0xff;
    if (pos === end) break;
    if (octets[pos++] !== COLON) return false;
    if (pos === end) return false;
    if (octets[pos] === COLON) {
      if (gapAt >= 0) return false;
      gapAt = written;
      pos++;
    }
  }
  if (gapAt < 0) return written === 16;
  if (written > 14) return false;
  const moved = written - gapAt;
  for (let i = 0; i < moved; i++) out[outAt + 15 - i] = out[outAt + written - 1 - i]!;
  for (let i = gapAt; i < 16 - moved; i++) out[outAt + i] = 0;
  return true;
}

/** Writes the six octets that `xx:xx:xx:xx:xx:xx` (or with hyphens) spells into `out` at `outAt`; false where it spells none. */
export function parseMac(octets: Uint8Array, at: number, length: number, out: Uint8Array, outAt: number): boolean {
  if (length !== 17) return false;
  for (let i = 0; i < 6; i++) {
    const high = hexDigit(octets[at + 3 * i]!);
    const low = hexDigit(octets[at + 3 * i + 1]!);
    const separator = i < 5 ? octets[at + 3 * i + 2]! : COLON;
    if (high < 0 || low < 0 || (separator !== COLON && separator !== HYPHEN)) return false;
    out[outAt + i] = high * 16 + low;
  }
  return true;
}

/** The number of up to 15 digits that octets `[at, at + length)` spell; -1 for anything else, longer ones included. */
export function parseDigits(octets: Uint8Array, at: number, length: number): number {
  if (length === 0 || length > 15) return -1;
  let value = 0;
  for (let i = at; i < at + length; i++) {
    const octet = octets[i]!;
    if (octet < ZERO || octet > NINE) return -1;
    value = value * 10 + octet - ZERO;
  }
  return value;
}

function hexDigit(octet: number): number {
  if (octet >= ZERO && octet <= NINE) return octet - ZERO;
  const letter = octet | 0x20;
  return letter >= 0x61 && letter <= 0x66 ? letter - 0x57 : -1;
}
