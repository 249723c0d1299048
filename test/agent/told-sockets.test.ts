import { describe, expect, it } from 'vitest';
import type { SocketEntry } from '../../src/agent/socket-entry.ts';
import { ToldSockets } from '../../src/agent/told-sockets.ts';
import { socketOf } from '../support/agent-parts.ts';

type Look = [entry: SocketEntry, pid: number, nowMs: number];

describe('ToldSockets', () => {
  const ENTRY = socketOf('192.0.2.7:41234', '198.51.100.2:22', { segmentsSent: 3, segmentsReceived: 2 });

  /** Whether `entry` is due at the look at `nowMs`, each look with nothing else. */
  function looks(...each: readonly Look[]): boolean[] {
    const told = new ToldSockets();
    return each.map(([entry, pid, nowMs]) => {
      const isDue = told.isDue(entry, pid, nowMs);
      told.endLook();
      return isDue;
    });
  }

  it('tells of a socket that nothing happens to once a minute', () => {
    const times = [0, 5000, 59_999, 60_000, 65_000, 120_000];
    const sameAgain = times.map((ms): Look => [{ ...ENTRY }, 1, ms]);
    expect(looks(...sameAgain)).toEqual([true, false, false, true, false, true]);
  });

  it.each<[string, SocketEntry, number]>([
    ['sends', socketOf('192.0.2.7:41234', '198.51.100.2:22', { segmentsSent: 4, segmentsReceived: 2 }), 1],
    ['receives', socketOf('192.0.2.7:41234', '198.51.100.2:22', { segmentsSent: 3, segmentsReceived: 3 }), 1],
    ['is in another state', { ...ENTRY, state: 'CLOSE-WAIT' }, 1],
    ['has lost its figures', { ...ENTRY, tcp: undefined }, 1],
    ['has another process', ENTRY, 2],
    ['is another socket', { ...ENTRY, inode: ENTRY.inode + 1 }, 1],
    ['is of another namespace', { ...ENTRY, namespace: ENTRY.namespace + 1 }, 1],
  ])('tells at once of a socket that %s', (_, changed, pid) => {
    expect(looks([ENTRY, 1, 0], [changed, pid, 5000], [changed, pid, 10_000])).toEqual([true, true, false]);
  });

  it('forgets what a look does not show', () => {
    const told = new ToldSockets();
    for (const isExpected of [true, true]) {
      expect(told.isDue(ENTRY, 1, 0)).toBe(isExpected);
      told.endLook();
      told.endLook();
    }
  });
});
