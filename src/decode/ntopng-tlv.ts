import type { ListenFault } from '../metrics/listen-counters.ts';
import { MAX_RECORD_KEYS, type NtopngRecord, VALUE_KINDS } from './ntopng-record.ts';

/** First octets of TLV: version 1 of nDPI's serialisation, format TLV. */
const TLV_VERSION = 1;
const TLV_FORMAT = 1;

const END_OF_RECORD = 1;
const UNSIGNED_8 = 2;
const UNSIGNED_16 = 3;
const UNSIGNED_32 = 4;
const UNSIGNED_64 = 5;
const SIGNED_8 = 6;
const SIGNED_16 = 7;
const SIGNED_64 = 9;
const FLOAT_32 = 10;
const STRING = 11;

/** Names remembered by their octets: a probe uses the same few in every record. */
const MAX_NAMES = 4096;
const MAX_NAME_OCTETS = 256;

/** Whether a payload is TLV. */
export function isTlv(octets: Uint8Array): boolean {
  return octets.length >= 2 && octets[0] === TLV_VERSION && octets[1] === TLV_FORMAT;
}

/**
 * Reads records of nDPI's TLV serialisation: after two octets of version and format, items of one octet (type of the key in
 * the upper half, of the value in the lower), key and value; an octet of 1 ends a record. Integers are big-endian; a float
 * is little-endian, as every host writes it that runs a probe.
 */
export class TlvReader {
  /** Why reading ended early, or undefined. */
  fault: ListenFault | undefined;
  private view: DataView = new DataView(new ArrayBuffer(0));
  private octets: Uint8Array = new Uint8Array(0);
  private pos = 0;
  private readonly names = new Map<number, { readonly octets: Uint8Array; readonly name: string }>();

  /** Begins with a payload, which must stay as it is until its last record is read. */
  start(octets: Uint8Array): void {
    this.octets = octets;
    this.view = new DataView(octets.buffer, octets.byteOffset, octets.byteLength);
    this.pos = 2;
    this.fault = isTlv(octets) ? undefined : 'tlv_version_unsupported';
    if (this.fault !== undefined) this.pos = octets.length;
  }

  /** Reads the next record that has a key; false at the end, or at a {@link TlvReader.fault}. The last one may lack its end. */
  next(record: NtopngRecord): boolean {
    const { octets } = this;
    record.count = 0;
    record.bytes = octets;
    while (this.pos < octets.length) {
      const type = octets[this.pos]!;
      if (type === END_OF_RECORD) {
        this.pos++;
        if (record.count > 0) return true;
        continue;
      }
      this.pos++;
      if (!this.readItem(record, type >> 4, type & 15)) {
        this.pos = octets.length;
        record.count = 0;
        return false;
      }
    }
    return record.count > 0;
  }

  private readItem(record: NtopngRecord, keyType: number, valueType: number): boolean {
    const { view } = this;
    const i = record.count;
    if (i >= MAX_RECORD_KEYS) return this.fail('record_too_long');
    record.keyNumbers[i] = -1;
    let at: number;
    switch (keyType) {
      case UNSIGNED_8:
        at = this.take(1);
        if (at < 0) return this.fail('tlv_truncated');
        record.keyNumbers[i] = view.getUint8(at);
        break;
      case UNSIGNED_16:
        at = this.take(2);
        if (at < 0) return this.fail('tlv_truncated');
        record.keyNumbers[i] = view.getUint16(at);
        break;
      case UNSIGNED_32:
        at = this.take(4);
        if (at < 0) return this.fail('tlv_truncated');
        record.keyNumbers[i] = view.getUint32(at);
        break;
      case STRING: {
        const length = this.takeLength();
        if (length < 0) return this.fail('tlv_truncated');
        record.keyNames[i] = this.name(this.pos - length, length);
        break;
      }
      default:
        return this.fail('tlv_type_unsupported');
    }
    record.count = i + 1;
    return this.readValue(record, i, valueType);
  }

  private readValue(record: NtopngRecord, i: number, type: number): boolean {
    const { view } = this;
    const { kinds, high, low } = record;
    if (type === STRING) {
      const length = this.takeLength();
      if (length < 0) return this.fail('tlv_truncated');
      kinds[i] = VALUE_KINDS.octets;
      high[i] = this.pos - length;
      low[i] = length;
      return true;
    }
    if (type < UNSIGNED_8 || type > FLOAT_32) return this.fail('tlv_type_unsupported');
    const at = this.take(VALUE_OCTETS[type]!);
    if (at < 0) return this.fail('tlv_truncated');
    high[i] = 0;
    kinds[i] = VALUE_KINDS.unsigned;
    switch (type) {
      case UNSIGNED_8:
        low[i] = view.getUint8(at);
        return true;
      case UNSIGNED_16:
        low[i] = view.getUint16(at);
        return true;
      case UNSIGNED_32:
        low[i] = view.getUint32(at);
        return true;
      case UNSIGNED_64:
        high[i] = view.getUint32(at);
        low[i] = view.getUint32(at + 4);
        return true;
      case FLOAT_32:
        kinds[i] = VALUE_KINDS.float;
        record.floats[i] = shortestFloat(view.getFloat32(at, true));
        return true;
      case SIGNED_64:
        high[i] = view.getUint32(at);
        low[i] = view.getUint32(at + 4);
        if (high[i]! >= 0x8000_0000) kinds[i] = VALUE_KINDS.negative;
        return true;
      default: {
        const value = type === SIGNED_8 ? view.getInt8(at) : type === SIGNED_16 ? view.getInt16(at) : view.getInt32(at);
        low[i] = value;
        if (value >= 0) return true;
        high[i] = 0xffff_ffff;
        kinds[i] = VALUE_KINDS.negative;
        return true;
      }
    }
  }

  private take(length: number): number {
    const at = this.pos;
    if (length > this.octets.length - at) return -1;
    this.pos = at + length;
    return at;
  }

  /** Moves past a text with its length in front and gives the length, -1 where it is cut. */
  private takeLength(): number {
    const at = this.take(2);
    if (at < 0) return -1;
    const length = this.view.getUint16(at);
    return this.take(length) < 0 ? -1 : length;
  }

  private fail(fault: ListenFault): false {
    this.fault = fault;
    return false;
  }

  /** The text of a key; a known one costs no allocation. */
  private name(at: number, length: number): string {
    const { octets, names } = this;
    if (length > MAX_NAME_OCTETS) return text(octets, at, length);
    let hash = length;
    for (let i = at; i < at + length; i++) hash = (Math.imul(hash, 31) + octets[i]!) | 0;
    const known = names.get(hash);
    if (known !== undefined && isSame(known.octets, octets, at, length)) return known.name;
    const name = text(octets, at, length);
    if (names.size >= MAX_NAMES) names.clear();
    names.set(hash, { octets: octets.slice(at, at + length), name });
    return name;
  }
}

const VALUE_OCTETS: readonly number[] = [0, 0, 1, 2, 4, 8, 1, 2, 4, 8, 4];
// A byte order mark is text like any other.
const utf8 = new TextDecoder('utf-8', { ignoreBOM: true });

function text(octets: Uint8Array, at: number, length: number): string {
  return utf8.decode(octets.subarray(at, at + length));
}

function isSame(known: Uint8Array, octets: Uint8Array, at: number, length: number): boolean {
  if (known.length !== length) return false;
  for (let i = 0; i < length; i++) if (known[i] !== octets[at + i]) return false;
  return true;
}

/** The decimal a person would write for a float of 32 bits: 4.144, not 4.144000053405762. */
function shortestFloat(value: number): number {
  const short = Number(value.toPrecision(7));
  return Math.fround(short) === value ? short : value;
}
