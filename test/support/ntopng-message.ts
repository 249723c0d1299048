/** Messages of ntop's ZeroMQ feeds, built octet by octet: right ones and wrong ones. */

/** Numbers of TLV types. */
export const TLV = { u8: 2, u16: 3, u32: 4, u64: 5, i8: 6, i16: 7, i32: 8, i64: 9, float: 10, text: 11 } as const;

/** One value of a record: key, type, value. */
export type TlvItem = readonly [key: number | string, type: keyof typeof TLV, value: number | bigint | string];

/** A payload of TLV with these records, each with its end. */
export function tlv(...records: readonly (readonly TlvItem[])[]): Buffer {
  return Buffer.concat([
    Buffer.from([1, 1]),
    ...records.map((items) => Buffer.concat([...items.map(tlvItem), Buffer.from([1])])),
  ]);
}

/** One item, without the end of its record. */
export function tlvItem([key, type, value]: TlvItem): Buffer {
  const keyType = typeof key === 'string' ? TLV.text : key < 256 ? TLV.u8 : key < 65536 ? TLV.u16 : TLV.u32;
  return Buffer.concat([Buffer.from([(keyType << 4) | TLV[type]]), tlvValue(keyType, key), tlvValue(TLV[type], value)]);
}

function tlvValue(type: number, value: number | bigint | string): Buffer {
  if (type === TLV.text) {
    const text = Buffer.from(String(value));
    const length = Buffer.alloc(2);
    length.writeUInt16BE(text.length);
    return Buffer.concat([length, text]);
  }
  const octets = Buffer.alloc(8);
  if (type === TLV.float) {
    octets.writeFloatLE(Number(value));
    return octets.subarray(0, 4);
  }
  octets.writeBigInt64BE(BigInt.asIntN(64, BigInt(value)));
  return octets.subarray(8 - 2 ** ((type - 2) % 4));
}

/** What a header says. */
export interface Header {
  readonly topic?: string;
  /** Version octet. */
  readonly version?: number;
  readonly messageId?: number;
  readonly sourceId?: number;
  readonly flags?: number;
  readonly sizes?: readonly [uncompressed: number, compressed: number];
}

/** A header of 40 octets. */
export function header0({ topic = 'flow', version = 0 }: Header = {}): Buffer {
  const octets = Buffer.alloc(40);
  octets.write(topic, 'latin1');
  octets.writeUInt32LE(version, 32);
  return octets;
}

/** A header of 24 octets. */
export function header1({ topic = 'flow', version = 3, messageId = 0, sourceId = 0 }: Header = {}): Buffer {
  const octets = Buffer.alloc(24);
  octets.write(topic, 'latin1');
  octets[16] = version;
  octets[17] = sourceId;
  octets.writeUInt32BE(messageId, 20);
  return octets;
}

/** A header of 28 octets. */
export function header2({ topic = 'flow', version = 3, messageId = 0, sourceId = 0 }: Header = {}): Buffer {
  const octets = Buffer.alloc(28);
  octets.write(topic, 'latin1');
  octets[16] = version;
  octets.writeUInt32BE(messageId, 20);
  octets.writeUInt32LE(sourceId, 24);
  return octets;
}

/** A header of 36 octets. */
export function header3(fields: Header = {}): Buffer {
  const { topic = 'flow', version = 4, messageId = 0, sourceId = 0, flags = 2, sizes = [0, 0] } = fields;
  const octets = Buffer.alloc(36);
  octets.write(topic, 'latin1');
  octets[16] = version;
  octets[17] = flags;
  octets.writeUInt32LE(sizes[0], 20);
  octets.writeUInt32LE(sizes[1], 24);
  octets.writeUInt32BE(messageId, 28);
  octets.writeUInt32LE(sourceId, 32);
  return octets;
}
