import { describe, expect, it } from 'vitest';
import type { PlainValue } from '../../src/flow/flow.ts';
import { NO_ROOM, PlainOctets } from '../../src/sink/formats/plain-octets.ts';
import { Random } from '../support/random.ts';

const TEXTS = [
  '',
  'eth0',
  'a"b\\c',
  'tab\t\u0001',
  'é',
  '\u{1f600}',
  '\ud800',
  '\u007f',
  '\ufeff',
  '\u0001'.repeat(90),
];
const NUMBERS = [0, -0, 7, -7, 1.5, -0.001, 1e21, 1e-7, 4_294_967_295, 4_294_967_296, 2 ** 53, -(2 ** 53) + 1];

/** A value that `JSON.stringify` says as it should be said. */
function anyValue(random: Random, depth: number): PlainValue {
  switch (random.below(depth > 3 ? 4 : 6)) {
    case 0:
      return random.pick(TEXTS);
    case 1:
      return random.pick(NUMBERS);
    case 2:
      return random.u32() - random.u32();
    case 3:
      return random.pick([null, true, false, [...NUMBERS, ...NUMBERS]]);
    case 4:
      return Array.from({ length: random.below(5) }, () => anyValue(random, depth + 1));
    default:
      return Object.fromEntries(
        Array.from({ length: random.below(5) }, () => [random.pick(TEXTS), anyValue(random, depth + 1)]),
      );
  }
}

function written(octets: Uint8Array, key: string, value: PlainValue, start = 0): string {
  const end = new PlainOctets(octets).member(start, key, value);
  return end === NO_ROOM ? 'no room' : Buffer.from(octets.buffer, octets.byteOffset).toString('utf8', start, end);
}

describe('PlainOctets', () => {
  it('writes what JSON.stringify says', () => {
    const random = new Random(17);
    const octets = new Uint8Array(1 << 20);
    const wrong: unknown[] = [];
    for (let i = 0; i < 20_000; i++) {
      const key = random.pick(TEXTS);
      const value = anyValue(random, 0);
      const text = written(octets, key, value, 3);
      if (text !== `,${JSON.stringify(key)}:${JSON.stringify(value)}`) wrong.push([text, key, value]);
    }
    expect(wrong.slice(0, 3)).toEqual([]);
  });

  it.each<[PlainValue, string]>([
    [18446744073709551615n, '18446744073709551615'],
    [-9223372036854775808n, '-9223372036854775808'],
    [Number.NaN, '"NaN"'],
    [Number.NEGATIVE_INFINITY, '"-Infinity"'],
  ])('writes %s as %s', (value, text) => {
    expect(written(new Uint8Array(1000), 'key', { a: [value] })).toBe(`,"key":{"a":[${text}]}`);
  });

  it('says so where there is no room, and writes nothing behind the octets', () => {
    const random = new Random(18);
    let refused = 0;
    for (let i = 0; i < 5000; i++) {
      const key = random.pick(TEXTS);
      const value = anyValue(random, 0);
      const right = `,${JSON.stringify(key)}:${JSON.stringify(value)}`;
      const memory = new Uint8Array(1000).fill(0xa5);
      const start = random.below(100);
      const length = start + random.below(700);
      const text = written(memory.subarray(0, length), key, value, Math.min(start, length));
      if (text === 'no room') refused++;
      else expect(text).toBe(right);
      expect(memory.subarray(length).every((octet) => octet === 0xa5)).toBe(true);
    }
    expect(refused).toBeGreaterThan(500);
    expect(refused).toBeLessThan(4500);
  });
});
