import { describe, expect, it } from 'vitest';
import { NtopngRecord } from '../../src/decode/ntopng-record.ts';
import { TlvReader } from '../../src/decode/ntopng-tlv.ts';
import type { PlainValue } from '../../src/flow/flow.ts';
import { tlv } from '../support/ntopng-message.ts';

const reader = new TlvReader();
const record = new NtopngRecord();

function records(octets: Uint8Array): [number | string, PlainValue][][] {
  reader.start(octets);
  const found: [number | string, PlainValue][][] = [];
  while (reader.next(record)) {
    found.push(
      Array.from({ length: record.count }, (_, i) => [
        record.keyNumbers[i]! < 0 ? record.keyNames[i]! : record.keyNumbers[i]!,
        record.plain(i),
      ]),
    );
  }
  return found;
}

const hex = (text: string) => Buffer.from(text.replaceAll(' ', ''), 'hex');

describe('TLV of nDPI', () => {
  it('reads every type of key and value', () => {
    const octets = hex(
      [
        '01 01',
        '22 01 ff', // key u8 1, value u8 255
        '33 0102 fffe', // u16 258, u16
        '44 0000e110 ffffffff', // u32 57616, u32
        'b5 0003 414243 ffffffffffffffff', // "ABC", u64
        '26 02 80', // i8 -128
        '27 03 8000', // i16
        '28 04 80000000', // i32
        '29 05 8000000000000000', // i64
        '28 06 7fffffff',
        '2a 07 d7a38440', // float, little-endian 4.145
        '2b 08 0005 68656c6c6f', // "hello"
        '01', // end of record
        '22 09 00',
        '01',
      ].join(''),
    );
    expect(records(octets)).toEqual([
      [
        [1, 255],
        [258, 65534],
        [57616, 4294967295],
        ['ABC', 18446744073709551615n],
        [2, -128],
        [3, -32768],
        [4, -2147483648],
        [5, -9223372036854775808n],
        [6, 2147483647],
        [7, 4.145],
        [8, 'hello'],
      ],
      [[9, 0]],
    ]);
    expect(reader.fault).toBeUndefined();
  });

  it('takes a last record without its end, as counters come', () => {
    expect(records(hex('0101 22 02 07'))).toEqual([[[2, 7]]]);
    expect(reader.fault).toBeUndefined();
  });

  it('passes over empty records', () => {
    expect(records(hex('0101 01 01 22 02 07 01 01'))).toEqual([[[2, 7]]]);
  });

  it.each([
    ['another version', '0201 22 02 07', 'tlv_version_unsupported'],
    ['another format', '0102 22 02 07', 'tlv_version_unsupported'],
    ['a block', '0101 2c 02', 'tlv_type_unsupported'],
    ['a list as key', '0101 e2 02 03', 'tlv_type_unsupported'],
    ['a type of 0', '0101 20 02 03', 'tlv_type_unsupported'],
    ['a text that is longer than what is left', '0101 2b 02 ffff 41', 'tlv_truncated'],
    ['a name that is longer than what is left', '0101 b2 ffff 41', 'tlv_truncated'],
  ] as const)('stops at %s', (_, text, fault) => {
    expect(records(hex(text))).toEqual([]);
    expect(reader.fault).toBe(fault);
  });

  it('keeps the records before a fault', () => {
    expect(records(hex('0101 22 01 05 01 22 02 06 2f 03'))).toEqual([[[1, 5]]]);
    expect(reader.fault).toBe('tlv_type_unsupported');
  });

  it('reads every prefix to its last whole record, and says that it is cut', () => {
    const whole = tlv(
      [
        [1, 'u64', 5n],
        ['NAME', 'text', 'x'],
        [400, 'float', 1.5],
      ],
      [[2, 'i32', -1]],
    );
    for (let length = 2; length < whole.length; length++) {
      const found = records(whole.subarray(0, length));
      expect(found.length, `${length}`).toBeLessThanOrEqual(2);
      for (const [key, value] of found.flat()) {
        expect(
          new Map<unknown, unknown>([
            [1, 5],
            ['NAME', 'x'],
            [400, 1.5],
            [2, -1],
          ]).get(key),
        ).toBe(value);
      }
    }
    expect(records(whole)).toHaveLength(2);
  });

  it('does not take one name for another of the same hash', () => {
    // "Aa" and "BB" have the same polynomial hash.
    expect(records(tlv([['Aa', 'u8', 1]], [['BB', 'u8', 2]], [['Aa', 'u8', 3]])).flat()).toEqual([
      ['Aa', 1],
      ['BB', 2],
      ['Aa', 3],
    ]);
  });

  it('ends a record of too many keys', () => {
    const items = Array.from({ length: 5000 }, (_, i) => [i, 'u8', 1] as const);
    expect(records(tlv(items))).toEqual([]);
    expect(reader.fault).toBe('record_too_long');
  });
});
