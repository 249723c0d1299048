import { describe, expect, it } from 'vitest';
import { NumberRows } from '../../src/series/number-rows.ts';
import { Random } from '../support/random.ts';

describe('rows by number', () => {
  it('are those that were set last, or not known', () => {
    const random = new Random(5);
    const rows = new NumberRows();
    const model = new Map<string, number>();
    let found = 0;
    for (let i = 0; i < 50_000; i++) {
      const owner = random.below(3);
      const number = [random.below(700), 4_200_000_000 + random.below(700), 0xffff_ffff][random.below(3)]!;
      const key = `${owner} ${number}`;
      const row = rows.find(owner, number);
      if (row >= 0) {
        expect(row, key).toBe(model.get(key));
        found++;
      }
      if (random.below(3) > 0) continue;
      model.set(key, i);
      rows.set(owner, number, i);
      expect(rows.find(owner, number), key).toBe(i);
    }
    expect(found).toBeGreaterThan(10_000);
  });

  it('are not those of numbers whose lower 32 bits are the same', () => {
    const rows = new NumberRows();
    rows.set(0, 5, 1);
    rows.set(0, 2 ** 32 + 5, 2);
    expect([rows.find(0, 5), rows.find(0, 2 ** 32 + 5)]).toEqual([1, -1]);
    rows.set(0, 0xffff_fffe, 3);
    expect([rows.find(0, 0xffff_fffe), rows.find(0, 2 ** 32 + 0xffff_fffe)]).toEqual([3, -1]);
  });

  it('are forgotten at once', () => {
    const rows = new NumberRows();
    expect(rows.find(0, 0)).toBe(-1);
    rows.set(0, 0, 7);
    rows.set(2, 9, 8);
    rows.clear();
    expect([rows.find(0, 0), rows.find(2, 9)]).toEqual([-1, -1]);
    rows.set(0, 0, 4);
    expect(rows.find(0, 0)).toBe(4);
  });
});
