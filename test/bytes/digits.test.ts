import { describe, expect, it } from 'vitest';
import {
  writeHexadecimal,
  writeInteger,
  writeIPv4,
  writeMac,
  writeMilliseconds,
  writeUnsigned32,
  writeUnsigned64,
} from '../../src/bytes/digits.ts';
import { Random } from '../support/random.ts';

const SEED = Date.now() % 2 ** 32;
const octets = new Uint8Array(80);
const out = new DataView(octets.buffer);

/** What `write` writes behind position 3; what stood before it stays. */
function written(write: (pos: number) => number): string {
  octets.fill(0xee);
  const end = write(3);
  expect(octets[2]).toBe(0xee);
  return Buffer.from(octets.subarray(3, end)).toString('latin1');
}

/** 0 and around every power of ten and of two up to 2^64. */
const BOUNDARIES: bigint[] = [];
for (let power = 1n; power <= 10n ** 20n; power *= 10n) BOUNDARIES.push(power - 1n, power, power + 1n);
for (let bits = 0n; bits <= 64n; bits++) BOUNDARIES.push(2n ** bits - 1n, 2n ** bits, 2n ** bits + 1n);
for (const digit of [2n, 5n, 9n])
  for (let power = 1n; power <= 10n ** 19n; power *= 10n) BOUNDARIES.push(digit * power);

function numbers(bits: number): bigint[] {
  const random = new Random(SEED);
  const limit = 2n ** BigInt(bits);
  const found = BOUNDARIES.filter((value) => value >= 0n && value < limit);
  for (let i = 0; i < 5000; i++) {
    found.push(((BigInt(random.u32()) << 32n) | BigInt(random.u32())) >> BigInt(64 - bits + random.below(bits)));
  }
  return found;
}

describe('decimals', () => {
  it('of 32 bits', () => {
    for (const value of numbers(32)) {
      expect(
        written((pos) => writeUnsigned32(out, pos, Number(value))),
        `seed ${SEED}`,
      ).toBe(String(value));
    }
  });

  it('of 64 bits given by their halves, every digit', () => {
    for (const value of numbers(64)) {
      const text = written((pos) => writeUnsigned64(out, pos, Number(value >> 32n), Number(value & 0xffffffffn)));
      expect(text, `seed ${SEED}`).toBe(String(value));
    }
  });

  it('of integers to 2^53, negative ones too', () => {
    for (const value of numbers(53)) {
      expect(written((pos) => writeInteger(out, pos, Number(value)))).toBe(String(value));
      if (value !== 0n) expect(written((pos) => writeInteger(out, pos, -Number(value)))).toBe(`-${value}`);
    }
  });

  it('of integers beyond, the digits of the number they are', () => {
    for (const value of [2 ** 53, 2 ** 63, 2 ** 64, (2 ** 64 - 2048) * 1000, -(2 ** 60)]) {
      expect(written((pos) => writeInteger(out, pos, value))).toBe(String(BigInt(value)));
    }
  });

  it('of Unix milliseconds, whatever time was written before', () => {
    const random = new Random(SEED);
    const times = Float64Array.of(0, 0);
    const days = [0, 1, 99_999_999, 1e8, 1e11, 1e12 - 1, 1e12, 1_700_000_000_000, 1_700_099_999_999, 1_700_100_000_000];
    days.push(9_999_999_999_999, 1e13, 4_294_967_295_000, 2 ** 53, 2 ** 64, -1, -1_700_000_000_000);
    for (let i = 0; i < 2000; i++) {
      times[1] = random.pick(days) + (random.below(3) === 0 ? random.below(1000) : 0);
      const text = written((pos) => writeMilliseconds(out, pos, times, 1));
      expect(text, `seed ${SEED}`).toBe(String(BigInt(times[1])));
    }
  });
});

it('addresses and octets', () => {
  const random = new Random(SEED);
  for (let i = 0; i < 2000; i++) {
    const address = random
      .octets(6)
      .map((octet) => (random.below(3) === 0 ? random.pick([0, 9, 10, 99, 100, 255]) : octet));
    const view = new DataView(address.buffer);
    expect(written((pos) => writeIPv4(out, pos, view.getUint32(0)))).toBe(address.subarray(0, 4).join('.'));
    const pairs = Array.from(address, (octet) => octet.toString(16).padStart(2, '0'));
    expect(written((pos) => writeMac(out, pos, view, 0))).toBe(pairs.join(':'));
    expect(written((pos) => writeHexadecimal(out, pos, view, 1, 5))).toBe(pairs.slice(1).join(''));
  }
  expect(written((pos) => writeHexadecimal(out, pos, out, 0, 0))).toBe('');
});
