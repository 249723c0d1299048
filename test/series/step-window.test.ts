/** Where flows lie in steps, against plain arithmetic. */

import { describe, expect, it } from 'vitest';
import { AMOUNTS, OCTETS, StepWindow } from '../../src/series/step-window.ts';
import { Random } from '../support/random.ts';

const DELAY_MS = 90_000;
/** 2 s that clocks may differ by. */
const openSteps = (stepMs: number) => Math.ceil((DELAY_MS + 2000) / stepMs) + 1;

describe('flows in steps', () => {
  it.each([1000, 7000, 60_000, 300_000])('of %i ms lie where their times say, as far as these are open', (stepMs) => {
    const random = new Random(stepMs);
    const window = new StepWindow(stepMs, DELAY_MS);
    const firstBase = Math.floor(1_700_000_000_000 / stepMs);
    window.base = firstBase;
    window.used = window.base - 1;
    let used = window.used;
    for (let i = 0; i < 20_000; i++) {
      if (random.below(400) === 0) window.base++;
      if (random.below(3000) === 0) {
        // A clock that was set back.
        window.base = firstBase;
        window.used = window.base - 1;
        used = window.used;
      }
      const { base } = window;
      const newest = base + openSteps(stepMs) - 1;
      const edge = random.below(4) === 0 ? (base + random.below(3)) * stepMs : 0;
      const startMs = edge || base * stepMs - 2 * stepMs + random.below(openSteps(stepMs) * stepMs + 3 * stepMs);
      const length = [0, 1, stepMs, random.below(5000), random.below(3 * stepMs)][random.below(5)]!;
      const endMs = startMs + length;
      window.place(Float64Array.of(startMs, endMs));
      const first = Math.floor(startMs / stepMs);
      const last = length === 0 ? first : Math.ceil(endMs / stepMs) - 1;
      const within = (step: number) => Math.min(Math.max(step, base), newest);
      expect([window.first, window.last], `${startMs} ${endMs} from ${base}`).toEqual([within(first), within(last)]);
      expect([window.isLate, window.isWhollyLate]).toEqual([first < base, last < base]);
      expect([window.firstSlot, window.lastSlot]).toEqual([window.first % window.slots, window.last % window.slots]);
      used = Math.max(used, window.last);
      expect(window.used).toBe(used);
    }
  });

  it('are those of the present flow where the one before lay in the same step', () => {
    const window = new StepWindow(1000, DELAY_MS);
    window.base = 1000;
    window.place(Float64Array.of(1_001_100, 1_001_900));
    window.place(Float64Array.of(1_001_200, 1_001_300));
    expect([window.first, window.last, window.startMs, window.endMs]).toEqual([1001, 1001, 1_001_200, 1_001_300]);
    window.place(Float64Array.of(1_001_500, 1_003_500));
    const amounts = new Float64Array(AMOUNTS);
    amounts[OCTETS] = 1000;
    expect([...window.sharesOf(OCTETS, amounts).subarray(0, 3)]).toEqual([250, 500, 250]);
    // Of times long gone or far ahead nothing runs over.
    window.place(Float64Array.of(0, 0));
    expect([window.first, window.last, window.isWhollyLate]).toEqual([1000, 1000, true]);
    window.base = 1e11;
    window.place(Float64Array.of(0, 1e13));
    expect([window.first, window.last, window.isLate, window.isWhollyLate]).toEqual([1e11, 1e11, true, true]);
  });
});
