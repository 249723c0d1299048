import { describe, expect, it } from 'vitest';
import { DETAILS, HostDetails, hasRow, isOver, USUAL } from '../../src/series/host-details.ts';

const LAST = DETAILS - 1;

describe('details of hosts', () => {
  it('are found until they or their host are forgotten', () => {
    const details = new HostDetails(2);
    expect([details.find(0, 0), details.find(1_000_000, 3), details.stateOf(1_000_000)]).toEqual([-1, -1, 0]);
    details.set(0, 0, 0, 0);
    details.set(40, LAST, 1, 7);
    details.set(41, 0, 0, 900);
    expect([details.find(0, 0), details.find(40, LAST), details.find(41, 0)]).toEqual([0, 7, 900]);
    expect([details.placeOf(0, 0), details.placeOf(1, 7), details.placeOf(0, 900)]).toEqual([
      0,
      40 * DETAILS + LAST,
      41 * DETAILS,
    ]);
    expect([details.find(0, 1), details.find(40, 0)]).toEqual([-1, -1]);
    details.forgetDetail(1, 0);
    details.forgetDetail(0, 7);
    expect([details.find(0, 0), details.find(40, LAST)]).toEqual([0, 7]);
    details.forgetDetail(1, 7);
    details.forgetHost(41);
    expect([details.find(0, 0), details.find(40, LAST), details.find(41, 0)]).toEqual([0, -1, -1]);
    expect([details.placeOf(1, 7), details.placeOf(0, 900), details.placeOf(1, 1_000_000)]).toEqual([-1, -1, -1]);
  });

  it('of a host that has the row of one forgotten are its own', () => {
    const details = new HostDetails(2);
    details.set(5, 1, 0, 10);
    details.forgetHost(5);
    expect([details.find(5, 1), details.stateOf(5)]).toEqual([-1, 0]);
    details.set(5, 1, 0, 11);
    expect(details.placeOf(0, 10)).toBe(-1);
    // The old one's row goes later.
    details.forgetDetail(0, 10);
    expect(details.find(5, 1)).toBe(11);
    expect(hasRow(details.stateOf(5), 1)).toBe(true);
  });

  it('that are usual are known to have a row', () => {
    const details = new HostDetails(2);
    details.set(3, 0, 0, 1);
    details.set(3, USUAL - 1, 1, 1);
    details.set(3, USUAL, 1, 2);
    const usual = () => Array.from({ length: USUAL }, (_, detail) => hasRow(details.stateOf(3), detail));
    expect(usual()).toEqual([true, false, true]);
    details.forgetDetail(0, 1);
    expect(usual()).toEqual([false, false, true]);
    details.setOver(3, 2);
    details.set(3, 2, 1, 8);
    expect([usual(), isOver(details.stateOf(3), 2)]).toEqual([[false, false, true], false]);
  });

  it('without room are known as such until they are taken, once each', () => {
    const details = new HostDetails(2);
    details.setOver(1, 0);
    details.setOver(1, 0);
    details.setOver(2, 1);
    details.setOver(3, 2);
    details.setOver(4, 0);
    expect([isOver(details.stateOf(1), 0), isOver(details.stateOf(1), 1)]).toEqual([true, false]);
    details.forgetHost(2);
    details.setOver(2, 1);
    details.set(3, 2, 0, 8);
    details.forgetHost(4);
    expect(details.takeOver()).toEqual([DETAILS, 2 * DETAILS + 1]);
    expect([1, 2, 4].map((host) => details.stateOf(host))).toEqual([0, 0, 0]);
    expect(details.find(3, 2)).toBe(8);
    expect(details.takeOver()).toEqual([]);
  });
});
