import { expect, it } from 'vitest';
import { Cursor } from '../../src/bytes/cursor.ts';

const OCTETS = Uint8Array.from({ length: 20 }, (_, i) => 0xf0 + i);

function cursor(start: number, end: number): Cursor {
  return new Cursor(new DataView(new ArrayBuffer(0))).reset(new DataView(OCTETS.buffer), start, end);
}

it('reads big-endian numbers one behind the other', () => {
  const each = cursor(1, 20);
  expect(each.u8()).toBe(0xf1);
  expect(each.u16()).toBe(0xf2f3);
  expect(each.u32()).toBe(0xf4f5f6f7);
  expect(each.u64()).toBe(0xf8f9fafbfcfdfeffn);
  expect(each.remaining).toBe(4);
  expect(each.take(4)).toBe(16);
  expect(each.overrun).toBe(false);
  expect(each.take(0)).toBe(20);
  expect(each.overrun).toBe(false);
});

it.each(['u8', 'u16', 'u32', 'u64'] as const)('%s past the end yields 0, goes to the end and stays overrun', (read) => {
  const length = { u8: 1, u16: 2, u32: 4, u64: 8 }[read];
  for (let room = 0; room < length; room++) {
    const each = cursor(3, 3 + room);
    expect(Number(each[read]())).toBe(0);
    expect([each.pos, each.overrun, each.remaining]).toEqual([3 + room, true, 0]);
    expect(each.take(0)).toBe(3 + room);
    expect(each.overrun).toBe(true);
    expect(each.reset(new DataView(OCTETS.buffer), 0, 20).overrun).toBe(false);
  }
});

it('takes no more than there is, however much is asked for', () => {
  for (const length of [21, 65535, 2 ** 32, Number.MAX_SAFE_INTEGER]) {
    const each = cursor(0, 20);
    expect(each.take(length)).toBe(-1);
    expect([each.pos, each.overrun]).toEqual([20, true]);
  }
});

it('starts over a whole view', () => {
  const each = new Cursor(new DataView(OCTETS.buffer, 4, 3));
  expect([each.pos, each.end, each.u8()]).toEqual([0, 3, 0xf4]);
});
