/** Text of an IPv4 address given as an unsigned 32-bit number, network order. */
export function formatIPv4(address: number): string {
  return `${address >>> 24}.${(address >>> 16) & 0xff}.${(address >>> 8) & 0xff}.${address & 0xff}`;
}

/**
 * Text of the IPv6 address in the 16 octets at `at`: lower case, the longest run of two or more zero groups as `::`,
 * the first of equal runs (RFC 5952 section 4). An IPv4-mapped address ends in dotted decimals (section 5).
 */
export function formatIPv6(view: DataView, at: number): string {
  if (view.getUint32(at) === 0 && view.getUint32(at + 4) === 0 && view.getUint32(at + 8) === 0xffff) {
    return `::ffff:${formatIPv4(view.getUint32(at + 12))}`;
  }
  let runStart = -1;
  let runLength = 1;
  for (let i = 0; i < 8; ) {
    let j = i;
    while (j < 8 && view.getUint16(at + 2 * j) === 0) j++;
    if (j - i > runLength) {
      runStart = i;
      runLength = j - i;
    }
    i = j + 1;
  }
  let text = '';
  for (let i = 0; i < 8; i++) {
    if (i === runStart) {
      text += '::';
      i += runLength - 1;
      continue;
    }
    if (text !== '' && !text.endsWith(':')) text += ':';
    text += view.getUint16(at + 2 * i).toString(16);
  }
  return text;
}

/** Text of the MAC address in the 6 octets at `at`: lower-case hexadecimal, colons between octets. */
export function formatMac(view: DataView, at: number): string {
  let text = '';
  for (let i = 0; i < 6; i++)
    text +=
      (i === 0 ? '' : ':') +
      view
        .getUint8(at + i)
        .toString(16)
        .padStart(2, '0');
  return text;
}

/** Lower-case hexadecimal text of `length` octets at `at`. */
export function formatHex(view: DataView, at: number, length: number): string {
  let text = '';
  for (let i = 0; i < length; i++)
    text += view
      .getUint8(at + i)
      .toString(16)
      .padStart(2, '0');
  return text;
}
