/** Protocol Buffers messages for tests, right or wrong (protobuf.dev, "Encoding"); written apart from the reader in src. */

/** A varint. */
export function varint(value: number): Buffer {
  const octets: number[] = [];
  let rest = value;
  for (; rest >= 128; rest = Math.floor(rest / 128)) octets.push((rest % 128) | 128);
  octets.push(rest);
  return Buffer.from(octets);
}

/** A field with a length: text, octets or a message. */
export function field(number: number, content: string | Uint8Array): Buffer {
  const octets = Buffer.from(content);
  return Buffer.concat([varint(number * 8 + 2), varint(octets.length), octets]);
}

/** A field that is a number. */
export function numberField(number: number, value: number): Buffer {
  return Buffer.concat([varint(number * 8), varint(value)]);
}

/** A message of fields. */
export function message(...fields: readonly Uint8Array[]): Buffer {
  return Buffer.concat(fields);
}

/** A map from text to text, as its entries. */
export function mapField(number: number, entries: Readonly<Record<string, string>>): Buffer {
  return Buffer.concat(
    Object.entries(entries).map(([key, value]) => field(number, message(field(1, key), field(2, value)))),
  );
}
