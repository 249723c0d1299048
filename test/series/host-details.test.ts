import { describe, expect, it } from 'vitest';
import { DETAILS, HostDetails } from '../../src/series/host-details.ts';

describe('details of hosts', () => {
  it('are found until they or their host are forgotten', () => {
    const details = new HostDetails(2);
    expect([details.find(0, 0), details.find(1_000_000, 3)]).toEqual([-1, -1]);
    details.set(0, 0, 0, 0);
    details.set(40, DETAILS - 1, 1, 7);
    details.set(41, 0, 0, 900);
    expect([details.find(0, 0), details.find(40, DETAILS - 1), details.find(41, 0)]).toEqual([0, 7, 900]);
    expect([details.find(0, 1), details.find(40, 0)]).toEqual([-1, -1]);
    details.forgetDetail(1, 0);
    details.forgetDetail(0, 7);
    expect([details.find(0, 0), details.find(40, DETAILS - 1)]).toEqual([0, 7]);
    details.forgetDetail(1, 7);
    details.forgetHost(41);
    expect([details.find(0, 0), details.find(40, DETAILS - 1), details.find(41, 0)]).toEqual([0, -1, -1]);
  });

  it('of a host that has the row of one forgotten are its own', () => {
    const details = new HostDetails(2);
    details.set(5, 3, 0, 10);
    details.forgetHost(5);
    expect(details.find(5, 3)).toBe(-1);
    details.set(5, 3, 0, 11);
    // The old one's row goes later.
    details.forgetDetail(0, 10);
    expect(details.find(5, 3)).toBe(11);
  });
});
