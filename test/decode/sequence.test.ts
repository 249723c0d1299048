import { describe, expect, it } from 'vitest';
import { SequenceTracker } from '../../src/decode/sequence.ts';
import { DecodeCounters } from '../../src/metrics/decode-counters.ts';

const TOP = 2 ** 32;

/** [sequence, units, sysUpTime] of messages, in the order of arrival. */
type Messages = readonly (readonly [sequence: number, units?: number, upTimeMs?: number, unitsKnown?: boolean])[];

/** What the tracker counts: lost and not come late, reordered, duplicates, restarts. */
function counted(messages: Messages): number[] {
  const tracker = new SequenceTracker();
  const counters = new DecodeCounters();
  for (const [sequence, units = 1, upTimeMs = 0, unitsKnown = true] of messages) {
    tracker.observe(sequence, units, upTimeMs, unitsKnown, counters);
    expect(counters.sequenceLost).toBeGreaterThanOrEqual(counters.sequenceLate);
  }
  const { sequenceLost, sequenceLate, sequenceReordered, sequenceDuplicates, sequenceRestarts } = counters;
  return [sequenceLost - sequenceLate, sequenceReordered, sequenceDuplicates, sequenceRestarts];
}

describe('sequence numbers', () => {
  it.each<[string, Messages, number[]]>([
    ['in order', [[7], [8], [9]], [0, 0, 0, 0]],
    [
      'in order, several units each',
      [
        [100, 30],
        [130, 1],
        [131, 0],
        [131, 5],
        [136, 2],
      ],
      [0, 0, 0, 0],
    ],
    ['one lost', [[7], [9]], [1, 0, 0, 0]],
    [
      'records lost',
      [
        [100, 30],
        [160, 30],
      ],
      [30, 0, 0, 0],
    ],
    ['reordered', [[7], [9], [8], [10]], [0, 1, 0, 0]],
    ['reordered over three', [[7], [11], [10], [8], [9], [12]], [0, 3, 0, 0]],
    [
      'a late one from the middle of a gap',
      [
        [100, 10],
        [150, 10],
        [120, 10],
        [160, 1],
      ],
      [30, 1, 0, 0],
    ],
    [
      'both halves of a gap after its middle',
      [
        [100, 10],
        [150, 10],
        [120, 10],
        [110, 10],
        [130, 20],
      ],
      [0, 3, 0, 0],
    ],
    ['a duplicate', [[7], [8], [8], [9]], [0, 0, 1, 0]],
    ['a duplicate of a late one', [[7], [9], [8], [8], [10]], [0, 1, 1, 0]],
    ['wrap', [[TOP - 1], [0], [1]], [0, 0, 0, 0]],
    [
      'wrap inside a message',
      [
        [TOP - 10, 30],
        [20, 1],
      ],
      [0, 0, 0, 0],
    ],
    ['loss over the wrap', [[TOP - 2], [1]], [2, 0, 0, 0]],
    ['reordering over the wrap', [[TOP - 2], [1], [0], [TOP - 1], [2]], [0, 2, 0, 0]],
    [
      'a message without records between two that were lost',
      [
        [10, 5],
        [20, 5],
        [17, 0],
        [25, 1],
      ],
      [5, 1, 0, 0],
    ],
    [
      'restart by sysUpTime',
      [
        [500, 1, 9_000_000],
        [3, 1, 1000],
        [4, 1, 2000],
      ],
      [0, 0, 0, 1],
    ],
    [
      'wrap of sysUpTime after 49.7 days',
      [
        [500, 1, TOP - 5000],
        [501, 1, 3000],
      ],
      [0, 0, 0, 0],
    ],
    [
      'sysUpTime a little back: reordered',
      [
        [500, 1, 9_000_000],
        [502, 1, 9_002_000],
        [501, 1, 9_001_000],
      ],
      [0, 1, 0, 0],
    ],
    ['restart at 0 without sysUpTime', [[5_000_000], [0], [1], [2]], [0, 0, 0, 1]],
    ['a jump too far to be loss', [[5], [2 ** 30], [2 ** 30 + 1]], [0, 0, 0, 1]],
    ['a jump back too far to be late', [[2 ** 30], [2 ** 20], [2 ** 20 + 1]], [0, 0, 0, 1]],
    [
      'units not known: the next number as it comes',
      [
        [100, 3, 0, false],
        [170, 5],
        [175, 1],
      ],
      [0, 0, 0, 0],
    ],
  ])('%s', (_, messages, expected) => {
    expect(counted(messages)).toEqual(expected);
  });

  it('more gaps than are remembered cost nothing but knowledge', () => {
    const messages: [number][] = [];
    for (let i = 0; i < 1000; i += 2) messages.push([i]);
    expect(counted(messages)).toEqual([499, 0, 0, 0]);
    for (let i = 997; i > 0; i -= 2) messages.push([i]);
    const [lost, reordered, duplicates, restarts] = counted(messages);
    expect(lost! + reordered!).toBe(499);
    expect(reordered! + duplicates!).toBe(499);
    expect(restarts).toBeLessThanOrEqual(1);
  });
});
