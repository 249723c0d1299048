import { expect, it } from 'vitest';
import { ApplicationNumbers } from '../../src/series/application-numbers.ts';

it('applications have numbers of their own, which stay, until there are no more', () => {
  const numbers = new ApplicationNumbers();
  // The first half falls into few places; keys differ in either half.
  const numberOf = (i: number) => numbers.numberOf((i % 3) << 16, i >> 1);
  const given = Array.from({ length: 6 * 340 }, (_, i) => numberOf(i));
  expect(new Set(given).size).toBe(new Set(Array.from({ length: 6 * 340 }, (_, i) => `${i % 3} ${i >> 1}`)).size);
  expect(Math.min(...given)).toBe(0);
  expect(given.map((_, i) => numberOf(i))).toEqual(given);
  for (let i = 10_000; i < 20_000; i++) numberOf(i);
  expect(numberOf(30_000)).toBe(-1);
  expect(given.map((_, i) => numberOf(i))).toEqual(given);
});
