import { formatHex, formatIPv4, formatIPv6, formatMac } from '../bytes/address.ts';
import { ntpToUnixUnits } from '../bytes/ntp-time.ts';
import type { PlainValue } from './flow.ts';
import type { ElementValue } from './layout.ts';

// A byte order mark is text like any other.
const utf8 = new TextDecoder('utf-8', { ignoreBOM: true });

/**
 * The JSON value of an element's octets; not for hot paths. `exportMs` helps with times that can be read in two ways. The
 * caller guarantees that octets `[at, at + length)` are there.
 */
export function plainElementValue(
  view: DataView,
  at: number,
  length: number,
  value: ElementValue,
  exportMs: number,
): PlainValue {
  switch (value) {
    case 'unsigned':
      return length === 0 || length > 8 ? formatHex(view, at, length) : narrow(unsigned(view, at, length));
    case 'signed':
      return length === 0 || length > 8
        ? formatHex(view, at, length)
        : narrow(BigInt.asIntN(length * 8, unsigned(view, at, length)));
    case 'float':
      return length === 4
        ? finite(view.getFloat32(at))
        : length === 8
          ? finite(view.getFloat64(at))
          : formatHex(view, at, length);
    case 'boolean':
      // RFC 7011 section 6.1.5: 1 is true, 2 is false
      return length === 1 ? booleanOf(view.getUint8(at)) : formatHex(view, at, length);
    case 'ipv4':
      return length === 4 ? formatIPv4(view.getUint32(at)) : formatHex(view, at, length);
    case 'ipv6':
      return length === 16 ? formatIPv6(view, at) : formatHex(view, at, length);
    case 'mac':
      return length === 6 ? formatMac(view, at) : formatHex(view, at, length);
    case 'string':
      return plainText(view, at, length);
    case 'application':
      return length < 2 || length > 8
        ? formatHex(view, at, length)
        : `${view.getUint8(at)}:${unsigned(view, at + 1, length - 1)}`;
    case 'mplsLabel':
      return length === 3 ? (view.getUint16(at) << 4) | (view.getUint8(at + 2) >> 4) : formatHex(view, at, length);
    case 'ntpMicroseconds':
    case 'ntpNanoseconds': {
      if (length !== 8) return formatHex(view, at, length);
      const perSecond = value === 'ntpMicroseconds' ? 1_000_000n : 1_000_000_000n;
      return narrow(ntpToUnixUnits(view.getUint32(at), view.getUint32(at + 4), perSecond, exportMs));
    }
    default:
      return formatHex(view, at, length);
  }
}

/** UTF-8 text without the NULs that fill up a fixed length; octets that are no UTF-8 become U+FFFD. */
export function plainText(view: DataView, at: number, length: number): string {
  let end = length;
  while (end > 0 && view.getUint8(at + end - 1) === 0) end--;
  return utf8.decode(new Uint8Array(view.buffer, view.byteOffset + at, end));
}

function booleanOf(octet: number): PlainValue {
  return octet === 1 ? true : octet === 2 ? false : octet;
}

/** JSON has no NaN and no infinities. */
function finite(value: number): PlainValue {
  return Number.isFinite(value) ? value : String(value);
}

function unsigned(view: DataView, at: number, length: number): bigint {
  let value = 0n;
  for (let i = 0; i < length; i++) value = (value << 8n) | BigInt(view.getUint8(at + i));
  return value;
}

function narrow(value: bigint): number | bigint {
  return value <= Number.MAX_SAFE_INTEGER && value >= Number.MIN_SAFE_INTEGER ? Number(value) : value;
}
