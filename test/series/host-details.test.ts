import { describe, expect, it } from 'vitest';
import {
  DETAILS,
  FIRST_UNUSUAL,
  HostDetails,
  MOST_APPLICATIONS,
  OVER,
  UNKNOWN,
} from '../../src/series/host-details.ts';

const LAST = DETAILS - 1;

describe('details of hosts', () => {
  it('are found until they or their host are forgotten', () => {
    const details = new HostDetails(2);
    expect([details.find(0, 0), details.find(1_000_000, 3)]).toEqual([UNKNOWN, UNKNOWN]);
    details.set(0, 0, 0, 0);
    details.set(40, LAST, 1, 7);
    details.set(41, 0, 0, 900);
    expect([details.find(0, 0), details.find(40, LAST), details.find(41, 0)]).toEqual([0, 7, 900]);
    expect([details.placeOf(0, 0), details.placeOf(1, 7), details.placeOf(0, 900)]).toEqual([
      0,
      40 * DETAILS + LAST,
      41 * DETAILS,
    ]);
    expect([details.find(0, 1), details.find(40, 0)]).toEqual([UNKNOWN, UNKNOWN]);
    details.forgetDetail(1, 0);
    details.forgetDetail(0, 7);
    expect([details.find(0, 0), details.find(40, LAST)]).toEqual([0, 7]);
    details.forgetDetail(1, 7);
    details.forgetHost(41);
    expect([details.find(0, 0), details.find(40, LAST), details.find(41, 0)]).toEqual([0, UNKNOWN, UNKNOWN]);
    expect([details.placeOf(1, 7), details.placeOf(0, 900), details.placeOf(1, 1_000_000)]).toEqual([-1, -1, -1]);
  });

  it('of a host that has the row of one forgotten are its own', () => {
    const details = new HostDetails(2);
    details.set(5, 3, 0, 10);
    details.forgetHost(5);
    expect(details.find(5, 3)).toBe(UNKNOWN);
    details.set(5, 3, 0, 11);
    expect(details.placeOf(0, 10)).toBe(UNKNOWN);
    // The old one's row goes later.
    details.forgetDetail(0, 10);
    expect(details.find(5, 3)).toBe(11);
  });

  it('of applications are those of the number asked for, as far as they are kept', () => {
    const details = new HostDetails(3);
    expect([details.findApplication(2, 5), details.findApplication(2, -1)]).toEqual([UNKNOWN, UNKNOWN]);
    details.setApplication(2, 5, 2, 0);
    details.setApplication(2, 6, 2, 70_000);
    expect([details.findApplication(2, 5), details.findApplication(2, 6)]).toEqual([0, 70_000]);
    // Eight share a place with each other.
    for (const number of [13, -3, 5 + 2 ** 11]) expect(details.findApplication(2, number)).toBe(UNKNOWN);
    details.setApplication(2, 13, 2, 3);
    expect([details.findApplication(2, 5), details.findApplication(2, 13)]).toEqual([UNKNOWN, 3]);
    details.forgetDetail(2, 0);
    expect(details.findApplication(2, 13)).toBe(3);
    details.forgetDetail(2, 3);
    expect(details.findApplication(2, 13)).toBe(UNKNOWN);
    expect([0, 1, 2, 3, 4, 5, 6, 7].map((detail) => details.find(2, detail))).toEqual(new Array(8).fill(UNKNOWN));
    expect([FIRST_UNUSUAL, LAST].map((detail) => details.find(2, detail))).toEqual([UNKNOWN, UNKNOWN]);
  });

  it('that cannot be kept, for their numbers, are not', () => {
    const details = new HostDetails(3);
    details.setApplication(0, MOST_APPLICATIONS, 2, 1);
    details.setApplication(0, -1, 2, 1);
    details.setApplication(0, 1, 2, 2 ** 20 - 2);
    details.setApplicationOver(0, MOST_APPLICATIONS);
    for (let number = -1; number < 8; number++) expect(details.findApplication(0, number)).toBe(UNKNOWN);
    details.setApplication(0, MOST_APPLICATIONS - 1, 2, 2 ** 20 - 3);
    expect(details.findApplication(0, MOST_APPLICATIONS - 1)).toBe(2 ** 20 - 3);
  });

  it('without room are known as such until they are taken, once each', () => {
    const details = new HostDetails(3);
    details.setOver(1, 0);
    details.setOver(2, 1);
    details.setOver(3, 2);
    details.setOver(4, 0);
    details.setApplicationOver(1, 9);
    details.setApplication(1, 10, 2, 4);
    // One that has a row stays, and so does what is kept as being over.
    details.setApplicationOver(1, 18);
    expect([details.find(1, 0), details.findApplication(1, 9), details.findApplication(1, 10)]).toEqual([
      OVER,
      OVER,
      4,
    ]);
    details.forgetHost(2);
    details.setOver(2, 1);
    details.set(3, 2, 0, 8);
    details.forgetHost(4);
    expect(details.takeOver()).toEqual([DETAILS, 2 * DETAILS + 1]);
    expect([details.find(1, 0), details.find(2, 1), details.find(3, 2)]).toEqual([UNKNOWN, UNKNOWN, 8]);
    expect([details.findApplication(1, 9), details.findApplication(1, 10)]).toEqual([UNKNOWN, 4]);
    expect(details.takeOver()).toEqual([]);
  });
});
