/** Reads the TLV form of nDPI's serializer, for tests alone: it shares nothing with the writer. */

/** One record: values by key. */
export type TlvRecord = Record<string, string | number | bigint>;

/** The records of a message. Throws on anything the form does not allow. */
export function readTlv(octets: Uint8Array): TlvRecord[] {
  const buffer = Buffer.from(octets.buffer, octets.byteOffset, octets.byteLength);
  if (buffer[0] !== 1 || buffer[1] !== 1) throw new Error('does not begin with 01 01');
  let at = 2;
  const value = (type: number): string | number | bigint => {
    const start = at;
    switch (type) {
      case 2:
        at += 1;
        return buffer.readUInt8(start);
      case 3:
        at += 2;
        return buffer.readUInt16BE(start);
      case 4:
        at += 4;
        return buffer.readUInt32BE(start);
      case 5:
        at += 8;
        return buffer.readBigUInt64BE(start);
      case 6:
        at += 1;
        return buffer.readInt8(start);
      case 7:
        at += 2;
        return buffer.readInt16BE(start);
      case 8:
        at += 4;
        return buffer.readInt32BE(start);
      case 9:
        at += 8;
        return buffer.readBigInt64BE(start);
      case 10:
        at += 4;
        return buffer.readFloatLE(start);
      case 11: {
        const length = buffer.readUInt16BE(start);
        at += 2 + length;
        if (at > buffer.length) throw new Error(`text at ${start} runs over the end`);
        return buffer.toString('utf8', start + 2, at);
      }
      default:
        throw new Error(`type ${type} at ${start}`);
    }
  };
  const records: TlvRecord[] = [];
  let record: TlvRecord = {};
  while (at < buffer.length) {
    const types = buffer[at++]!;
    if (types === 1) {
      records.push(record);
      record = {};
      continue;
    }
    const keyType = types >> 4;
    if (![2, 3, 4, 11].includes(keyType)) throw new Error(`key of type ${keyType}`);
    const key = String(value(keyType));
    if (key in record) throw new Error(`${key} twice in a record`);
    record[key] = value(types & 15);
  }
  if (Object.keys(record).length > 0) throw new Error('a record without an end');
  return records;
}
