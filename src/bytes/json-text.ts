// A byte order mark is text like any other.
const utf8 = new TextDecoder('utf-8', { ignoreBOM: true });

/**
 * Writes `length` octets of `bytes` at `at` as the inside of a JSON string: NULs at the end (they fill up a fixed length)
 * left out, quotes, backslashes and controls escaped, octets that are no UTF-8 replaced by U+FFFD. Takes up to six
 * octets for one. Returns the position behind it.
 */
export function writeJsonText(out: Uint8Array, start: number, bytes: Uint8Array, at: number, length: number): number {
  let end = at + length;
  while (end > at && bytes[end - 1] === 0) end--;
  let pos = start;
  for (let i = at; i < end; i++) {
    const octet = bytes[i]!;
    if (octet < 0x20 || octet >= 0x7f || octet === 0x22 || octet === 0x5c)
      return writeEscaped(out, start, bytes.subarray(at, end));
    out[pos++] = octet;
  }
  return pos;
}

/** The slow way round, for the rare text that is not plain ASCII. */
function writeEscaped(out: Uint8Array, start: number, octets: Uint8Array): number {
  return writeJsonString(out, start, utf8.decode(octets));
}

/** Writes a string as the inside of a JSON string; takes up to six octets for one of UTF-8. */
export function writeJsonString(out: Uint8Array, start: number, text: string): number {
  let pos = start;
  for (let i = 0; i < text.length; i++) {
    const code = text.charCodeAt(i);
    if (code < 0x20 || code >= 0x7f || code === 0x22 || code === 0x5c) {
      const quoted = Buffer.from(JSON.stringify(text), 'utf8');
      out.set(quoted.subarray(1, quoted.length - 1), start);
      return start + quoted.length - 2;
    }
    out[pos++] = code;
  }
  return pos;
}
