import { describe, expect, it } from 'vitest';
import { ApplicationRows, OVER, UNKNOWN } from '../../src/series/application-rows.ts';

describe('rows of applications', () => {
  it('are those of the number asked for, as far as they are kept', () => {
    const rows = new ApplicationRows();
    expect([rows.find(2, 5), rows.find(2, -1), rows.find(1_000_000, 0)]).toEqual([UNKNOWN, UNKNOWN, UNKNOWN]);
    rows.set(2, 5, 0);
    rows.set(2, 6, 70_000);
    rows.set(1000, 5, 8);
    expect([rows.find(2, 5), rows.find(2, 6), rows.find(1000, 5)]).toEqual([0, 70_000, 8]);
    // Every eighth number has the same place.
    for (const number of [13, -3, 5 + 2 ** 11]) expect(rows.find(2, number)).toBe(UNKNOWN);
    rows.set(2, 13, 3);
    expect([rows.find(2, 5), rows.find(2, 13)]).toEqual([UNKNOWN, 3]);
    rows.forgetRow(0);
    rows.forgetRow(1_000_000);
    expect(rows.find(2, 13)).toBe(3);
    rows.forgetRow(3);
    expect([rows.find(2, 13), rows.find(2, 6)]).toEqual([UNKNOWN, 70_000]);
    rows.forgetOwner(2);
    expect([rows.find(2, 6), rows.find(1000, 5)]).toEqual([UNKNOWN, 8]);
  });

  it('of an owner that has the place of one forgotten are its own', () => {
    const rows = new ApplicationRows();
    rows.set(5, 3, 10);
    rows.forgetOwner(5);
    rows.set(5, 3, 11);
    // The old one's row goes later.
    rows.forgetRow(10);
    expect(rows.find(5, 3)).toBe(11);
  });

  it('are not kept where numbers are too high', () => {
    const rows = new ApplicationRows();
    rows.set(0, 2 ** 11, 1);
    rows.set(0, -1, 1);
    rows.set(0, 1, 2 ** 20 - 2);
    rows.setOver(0, 2 ** 11);
    for (let number = -1; number < 8; number++) expect(rows.find(0, number)).toBe(UNKNOWN);
    rows.set(0, 2 ** 11 - 1, 2 ** 20 - 3);
    expect(rows.find(0, 2 ** 11 - 1)).toBe(2 ** 20 - 3);
  });

  it('without room are known as such until they are tried again', () => {
    const rows = new ApplicationRows();
    rows.set(1, 10, 4);
    rows.setOver(1, 9);
    rows.setOver(2, 0);
    // What is known stays.
    rows.setOver(1, 18);
    rows.setOver(1, 17);
    expect([rows.find(1, 9), rows.find(1, 10), rows.find(1, 17), rows.find(2, 0)]).toEqual([OVER, 4, UNKNOWN, OVER]);
    rows.set(2, 8, 5);
    rows.retry();
    expect([rows.find(1, 9), rows.find(1, 10), rows.find(2, 0), rows.find(2, 8)]).toEqual([UNKNOWN, 4, UNKNOWN, 5]);
  });
});
