/**
 * Reads the fields of one Protocol Buffers message (protobuf.dev, "Encoding") in their order: {@link ProtobufReader.next} moves to a field, then its
 * number and value can be read. Octets that are no message end it: `next` gives false and {@link ProtobufReader.isInvalid} says so.
 */
export class ProtobufReader {
  /** Number of the field read last. */
  field = 0;
  /** Its octets where it has a length, otherwise none. Part of the message, not a copy. */
  octets: Uint8Array = NOTHING;
  /** Its value where it is a number of at most 53 bits; larger ones lose precision. */
  number = 0;
  /** Whether reading ended before the message did. */
  isInvalid = false;
  readonly #message: Uint8Array;
  #pos = 0;

  constructor(message: Uint8Array) {
    this.#message = message;
  }

  /** Moves to the next field; false at the end or where the octets are no message. */
  next(): boolean {
    if (this.#pos >= this.#message.length || this.isInvalid) return false;
    const tag = this.#varint();
    this.octets = NOTHING;
    this.number = 0;
    this.field = Math.floor(tag / 8);
    if (this.isInvalid || this.field === 0 || this.field > MAX_FIELD) return this.#fail();
    switch (tag % 8) {
      case 0:
        this.number = this.#varint();
        return !this.isInvalid;
      case 1:
        return this.#take(8);
      case 2: {
        const length = this.#varint();
        return !this.isInvalid && this.#take(length);
      }
      case 5:
        return this.#take(4);
      default:
        return this.#fail();
    }
  }

  /** {@link ProtobufReader.octets} as text; what is no UTF-8 becomes U+FFFD. */
  text(): string {
    return new TextDecoder().decode(this.octets);
  }

  #take(length: number): boolean {
    if (length > this.#message.length - this.#pos) return this.#fail();
    this.octets = this.#message.subarray(this.#pos, this.#pos + length);
    this.#pos += length;
    return true;
  }

  /** At most ten octets of seven bits each. */
  #varint(): number {
    let value = 0;
    for (let i = 0, scale = 1; i < 10; i++, scale *= 128) {
      const octet = this.#message[this.#pos++];
      if (octet === undefined) break;
      value += (octet & 0x7f) * scale;
      if (octet < 0x80) return value;
    }
    this.#fail();
    return 0;
  }

  #fail(): false {
    this.isInvalid = true;
    return false;
  }
}

/** Texts by field of a message whose fields occur once: those not wanted are passed over. Undefined where it is no message. */
export function textsOf(message: Uint8Array, ...fields: readonly number[]): string[] | undefined {
  const texts = fields.map(() => '');
  const reader = new ProtobufReader(message);
  while (reader.next()) {
    const at = fields.indexOf(reader.field);
    if (at >= 0) texts[at] = reader.text();
  }
  return reader.isInvalid ? undefined : texts;
}

const NOTHING = new Uint8Array(0);
const MAX_FIELD = 2 ** 29 - 1;
