import type { StepWindow } from './step-window.ts';

/** Parts of an octet or packet that are told apart, so that sums and differences of shares are exact. */
const PARTS = 1024;
const PART = 1 / PARTS;
/** Amounts above are not exact in these parts: they are shared out in whole octets. */
const MOST_IN_PARTS = 2 ** 40;

/**
 * Sums by step of some columns, where most flows have many short steps: what a flow gives to each step between its first and last
 * is noted where it begins and where it ends, and added up as steps are closed. Whole numbers come out, which add up to the whole.
 */
export class StepSums {
  private readonly window: StepWindow;
  /** What is of a single step: a ring for each column. */
  private readonly single: Float64Array;
  /** By how much that of all steps from this one on changes. */
  private readonly changes: Float64Array;
  /** Of each column: what the present step has of flows on their way, and the parts left over from the steps before. */
  private readonly running: Float64Array;
  private readonly left: Float64Array;

  /** Has `columns` columns. */
  constructor(window: StepWindow, columns: number) {
    this.window = window;
    this.single = new Float64Array(columns * window.slots);
    this.changes = new Float64Array(columns * window.slots);
    this.running = new Float64Array(columns);
    this.left = new Float64Array(columns);
  }

  /** Adds one of the present flow's amounts, shared out over its steps. */
  add(column: number, amount: number): void {
    if (amount === 0) return;
    const { single, changes } = this;
    const { slots, first, last, firstSlot, lastSlot } = this.window;
    const at = column * slots;
    if (first === last) {
      single[at + lastSlot] = single[at + lastSlot]! + amount;
      return;
    }
    const { stepMs, startMs, endMs } = this.window;
    const parts = amount > MOST_IN_PARTS ? 1 : PARTS;
    // A power of two: as exact as dividing, and faster.
    const part = amount > MOST_IN_PARTS ? 1 : PART;
    const partsPerMs = (amount * parts) / (endMs - startMs);
    const inFirst = Math.floor(partsPerMs * ((first + 1) * stepMs - startMs)) * part;
    single[at + firstSlot] = single[at + firstSlot]! + inFirst;
    let inLast = amount - inFirst;
    if (last - first > 1) {
      const inEach = Math.floor(partsPerMs * stepMs) * part;
      const second = firstSlot + 1 === slots ? at : at + firstSlot + 1;
      changes[second] = changes[second]! + inEach;
      changes[at + lastSlot] = changes[at + lastSlot]! - inEach;
      inLast -= inEach * (last - first - 1);
    }
    single[at + lastSlot] = single[at + lastSlot]! + inLast;
  }

  /** The sum of a column in a step, which is the one behind that taken last; it is forgotten. */
  take(column: number, step: number): number {
    const { single, changes, running, left } = this;
    const at = column * this.window.slots + (step % this.window.slots);
    running[column] = running[column]! + changes[at]!;
    const sum = single[at]! + running[column]! + left[column]!;
    single[at] = 0;
    changes[at] = 0;
    const whole = Math.max(Math.floor(sum), 0);
    left[column] = sum - whole;
    return whole;
  }
}
