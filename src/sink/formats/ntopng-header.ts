/**
 * The first frame of a message to ntopng, which tells versions apart by its size. All carry the topic first, since
 * subscriptions match the first octets. Machines that ntopng runs on are little-endian; only the message id is not.
 */

/** Forms of the header: 1 has 24 octets and suits every ntopng since 4.0, 2 has 28 (5.4 on), 3 has 36 (6.2 on). */
export type HeaderVersion = 1 | 2 | 3;

const SIZES: Readonly<Record<HeaderVersion, number>> = { 1: 24, 2: 28, 3: 36 };
/** Version octets: a JSON payload, perhaps compressed; a TLV payload; the third form. */
const VERSION_JSON = 2;
const VERSION_TLV = 3;
const VERSION_THIRD_FORM = 4;
const FLAG_TLV = 2;
const FLAG_COMPRESSED = 4;
const MAX_TOPIC = 15;

/** What a header says of its payload. */
export interface HeaderFields {
  readonly version: HeaderVersion;
  /** Up to 15 octets of ASCII. */
  readonly topic: string;
  /** Left out where {@link numberHeader} gives it. */
  readonly messageId?: number;
  /** Its lowest 8 bits in form 1. */
  readonly sourceId: number;
  readonly isTlv: boolean;
  readonly isCompressed: boolean;
  /** Octets of the payload before compression. */
  readonly payloadOctets: number;
}

/** The frame. */
export function writeHeader(fields: HeaderFields): Uint8Array {
  const { version, topic, messageId = 0, sourceId, isTlv, isCompressed, payloadOctets } = fields;
  const octets = new Uint8Array(SIZES[version]);
  const out = new DataView(octets.buffer);
  for (let i = 0; i < Math.min(topic.length, MAX_TOPIC); i++) octets[i] = topic.charCodeAt(i);
  if (version === 3) {
    octets[16] = VERSION_THIRD_FORM;
    octets[17] = (isTlv ? FLAG_TLV : 0) | (isCompressed ? FLAG_COMPRESSED : 0);
    out.setUint32(20, payloadOctets, true);
    // ntopng 6.2 takes this field for the room it needs to decompress.
    out.setUint32(24, payloadOctets, true);
    out.setUint32(28, messageId);
    out.setUint32(32, sourceId, true);
    return octets;
  }
  octets[16] = isTlv ? VERSION_TLV : VERSION_JSON;
  // No ntopng reads the size, which has 16 bits.
  out.setUint16(18, Math.min(payloadOctets, 0xffff), true);
  out.setUint32(20, messageId);
  if (version === 1) octets[17] = sourceId & 0xff;
  else out.setUint32(24, sourceId, true);
  return octets;
}

/** Gives a header its message id. */
export function numberHeader(header: Uint8Array, messageId: number): void {
  const at = header.length === SIZES[3] ? 28 : 20;
  new DataView(header.buffer, header.byteOffset, header.length).setUint32(at, messageId);
}
