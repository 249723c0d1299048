import type { PlainValue } from '../flow/flow.ts';

/** Most keys of one record; a probe with everything switched on sends some 200. */
export const MAX_RECORD_KEYS = 4096;

/** How a value of an {@link NtopngRecord} is held. */
export const VALUE_KINDS = { unsigned: 0, negative: 1, float: 2, octets: 3, text: 4, plain: 5 } as const;

/**
 * One record of keys and values, of TLV or JSON: the reader owns one and overwrites it. Value `i` lies, by `kinds[i]`:
 * - `unsigned`: in `high` and `low`
 * - `negative`: in `high` and `low`, two's complement
 * - `float`: in `floats`
 * - `octets`: a text, `low` octets of `bytes` at `high`
 * - `text`: a text in `texts`
 * - `plain`: anything else that JSON has, in `plains`
 */
export class NtopngRecord {
  count = 0;
  /** Keys that are numbers, -1 for names. */
  readonly keyNumbers = new Float64Array(MAX_RECORD_KEYS);
  /** Keys that are names. */
  readonly keyNames: string[] = [];
  readonly kinds = new Uint8Array(MAX_RECORD_KEYS);
  readonly high = new Uint32Array(MAX_RECORD_KEYS);
  readonly low = new Uint32Array(MAX_RECORD_KEYS);
  readonly floats = new Float64Array(MAX_RECORD_KEYS);
  readonly texts: string[] = [];
  readonly plains: PlainValue[] = [];
  /** The message that texts of kind `octets` lie in. */
  bytes: Uint8Array = new Uint8Array(0);

  /** Adds a value as JSON gives it under a name; false where there is no room. */
  addPlain(name: string, value: PlainValue): boolean {
    const i = this.count;
    if (i >= MAX_RECORD_KEYS) return false;
    this.count++;
    this.keyNumbers[i] = -1;
    this.keyNames[i] = name;
    switch (typeof value) {
      case 'string':
        this.kinds[i] = VALUE_KINDS.text;
        this.texts[i] = value;
        break;
      case 'number':
        this.addNumber(i, value);
        break;
      case 'bigint':
        if (value >= -0x8000_0000_0000_0000n && value <= 0xffff_ffff_ffff_ffffn) {
          this.kinds[i] = value < 0n ? VALUE_KINDS.negative : VALUE_KINDS.unsigned;
          this.high[i] = Number(BigInt.asUintN(32, value >> 32n));
          this.low[i] = Number(BigInt.asUintN(32, value));
        } else {
          this.kinds[i] = VALUE_KINDS.plain;
          this.plains[i] = value;
        }
        break;
      default:
        this.kinds[i] = VALUE_KINDS.plain;
        this.plains[i] = value;
    }
    return true;
  }

  /** Value `i` as JSON has it; not for hot paths. */
  plain(i: number): PlainValue {
    switch (this.kinds[i]) {
      case VALUE_KINDS.unsigned: {
        const value = this.high[i]! * 4294967296 + this.low[i]!;
        return Number.isSafeInteger(value) ? value : (BigInt(this.high[i]!) << 32n) | BigInt(this.low[i]!);
      }
      case VALUE_KINDS.negative: {
        const value = BigInt.asIntN(64, (BigInt(this.high[i]!) << 32n) | BigInt(this.low[i]!));
        return value >= BigInt(Number.MIN_SAFE_INTEGER) ? Number(value) : value;
      }
      case VALUE_KINDS.float:
        return this.floats[i]!;
      case VALUE_KINDS.octets:
        return utf8.decode(this.bytes.subarray(this.high[i]!, this.high[i]! + this.low[i]!));
      case VALUE_KINDS.text:
        return this.texts[i]!;
      default:
        return this.plains[i]!;
    }
  }

  private addNumber(i: number, value: number): void {
    if (!Number.isSafeInteger(value)) {
      this.kinds[i] = VALUE_KINDS.float;
      this.floats[i] = value;
      return;
    }
    this.kinds[i] = value < 0 ? VALUE_KINDS.negative : VALUE_KINDS.unsigned;
    this.high[i] = Math.floor(value / 4294967296);
    this.low[i] = value;
  }
}

// A byte order mark is text like any other.
const utf8 = new TextDecoder('utf-8', { ignoreBOM: true });
