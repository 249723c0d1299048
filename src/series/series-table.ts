import type { LineBuffer } from './line-buffer.ts';
import type { Family } from './schema.ts';
import type { SeriesLimits } from './series-limits.ts';
import { OCTETS, PACKETS, REVERSE_OCTETS, REVERSE_PACKETS, type StepWindow } from './step-window.ts';
import { TagStore } from './tag-store.ts';

/**
 * Where a field's value comes from, by the table's columns:
 * - `counter`: the sum of columns since the row exists
 * - `gauge`: the sum of columns in the step
 * - `mean`: one column of the step divided by another; left out where that is 0
 * - `rate`: the sum of columns in the step, for a second
 * - `absolute`: the last value that {@link SeriesTable.set} gave
 * - `percent`: octets in the step as percentage of the speed in bit/s that {@link SeriesTable.set} gave to the last column
 */
export interface FieldSource {
  readonly field: string;
  readonly kind: 'counter' | 'gauge' | 'mean' | 'rate' | 'absolute' | 'percent';
  readonly columns: readonly number[];
}

/** One measurement of a table. */
export interface LineSource {
  readonly measurement: string;
  readonly fields: readonly FieldSource[];
  /** `live`: at each step from the first value above 0 until the row is forgotten; `active`: only at steps that have one. */
  readonly written: 'live' | 'active';
}

/** What a table is. */
export interface TableOptions {
  readonly family: Family;
  readonly columns: number;
  /** Columns from this one on are those of {@link SeriesTable.set}; all are added up where undefined. */
  readonly absoluteFrom?: number;
  readonly lines: readonly LineSource[];
  /** Steps after which a row that nothing happens to is forgotten; `Infinity` for never. */
  readonly idleSteps: number;
  /** Told of each row that is forgotten. */
  readonly onForget?: (row: number) => void;
  /** Told of a row and an open step whose values are to be complete now: may put some that are known from elsewhere. */
  readonly beforeClosing?: (row: number, step: number) => void;
}

interface Line {
  readonly measurement: Uint8Array;
  readonly fields: readonly {
    readonly before: Uint8Array;
    readonly following: Uint8Array;
    readonly kind: FieldSource['kind'];
    readonly columns: readonly number[];
  }[];
  readonly isActive: boolean;
  readonly hasCounter: boolean;
}

const FIRST_CAPACITY = 16;
/** Values left free in front: large arrays begin 16 octets into a page, and rows are to begin with a cache line or in the middle of one. */
const LEAD = 6;
/** Words of a place in the index. */
const PLACE = 4;
/** Place of a row in the index that has none. */
const FREE = -1;
/** In `freeNext`: the row is in use. */
const IN_USE = -2;

/**
 * Rows with the same columns and measurements: all hosts, or all ports. Values lie in typed columns; each open step has its own,
 * which are added to the row's totals when the step is closed. A row is a number, valid until {@link SeriesTable.close} forgets it.
 */
export class SeriesTable {
  /** Rows in use. */
  rows = 0;
  /** Rows in use and free. */
  size = 0;
  /** The steps of this table. */
  readonly window: StepWindow;
  /** The row of all that is over the limit; -1 until there is any. */
  otherRow = FREE;
  /** Tags of the rows. */
  readonly tags = new TagStore();
  private readonly options: TableOptions;
  private readonly limits: SeriesLimits;
  private readonly lines: readonly Line[];
  private readonly columns: number;
  private readonly absoluteFrom: number;
  private capacity = FIRST_CAPACITY;
  /** Columns of the rows in each slot of the steps, one slot after the other. */
  private values: Float64Array;
  /** Values of a slot. */
  private slotSize: number;
  private totals: Float64Array;
  private freeNext = new Int32Array(FIRST_CAPACITY);
  private started = new Uint32Array(FIRST_CAPACITY);
  private lastActive = new Float64Array(FIRST_CAPACITY);
  /** Places with row, key and nothing: one cache line tells all. */
  private index = newIndex(FIRST_CAPACITY);
  private homes = new Int32Array(FIRST_CAPACITY);
  private firstFree = FREE;
  private firstZeroStep = Number.NEGATIVE_INFINITY;

  /** Steps are those of `window`; rows count against `limits`. */
  constructor(options: TableOptions, window: StepWindow, limits: SeriesLimits) {
    this.options = options;
    this.window = window;
    this.limits = limits;
    this.columns = options.columns;
    this.absoluteFrom = options.absoluteFrom ?? options.columns;
    this.lines = options.lines.map(lineOf);
    this.slotSize = FIRST_CAPACITY * this.columns;
    this.values = newValues(window.slots * this.slotSize);
    this.totals = new Float64Array(FIRST_CAPACITY * this.columns);
  }

  /** The row of a key, or -1. */
  find(first: number, second: number): number {
    const { index } = this;
    const mask = index.length - 1;
    for (let at = (first * PLACE) & mask; ; at = (at + PLACE) & mask) {
      const row = index[at]!;
      if (row === FREE || (index[at + 1] === first && index[at + 2] === second)) return row;
    }
  }

  /** Reads where a key may be, and gives something of it: the processor has what lies there at hand then. */
  fetch(first: number): number {
    const { index } = this;
    return index[(first * PLACE) & (index.length - 1)]!;
  }

  /** The same for a row's first values in a step. */
  fetchRow(row: number, step: number): number {
    return this.values[this.placeOf(row, step)]!;
  }

  /** Whether there is room for a row more; counts it as over the limit where not. */
  hasRoom(): boolean {
    return this.limits.reserve(this.options.family, this.lines.length);
  }

  /** Counts something as over the limit that is known to be without asking. */
  countOver(): void {
    this.limits.overLimit[this.options.family]++;
  }

  /** Makes a row for which {@link SeriesTable.hasRoom} was true, with the tags in octets `[0, length)`, each with its comma. */
  add(first: number, second: number, tags: Uint8Array, length: number): number {
    const row = this.newRow(tags, length);
    this.insert(row, first, second);
    return row;
  }

  /** Makes the row of all that is over the limit. */
  addOther(tags: Uint8Array, length: number): number {
    this.otherRow = this.newRow(tags, length);
    return this.otherRow;
  }

  /** Adds one of the present flow's amounts, shared out over its steps. */
  addShares(row: number, column: number, amounts: Float64Array, kind: number): void {
    const amount = amounts[kind]!;
    if (amount === 0) return;
    const { window, values } = this;
    if (window.firstSlot !== window.lastSlot) {
      this.addSeveral(row, column, amounts, kind);
      return;
    }
    const at = LEAD + window.firstSlot * this.slotSize + row * this.columns + column;
    values[at] = values[at]! + amount;
  }

  /** Adds octets that the present flow has from source to destination to one column, those of the other direction to another. */
  addBothWays(row: number, column: number, reverseColumn: number, amounts: Float64Array): void {
    const { window, values } = this;
    const reverse = amounts[REVERSE_OCTETS]!;
    if (window.firstSlot !== window.lastSlot) {
      this.addSeveral(row, column, amounts, OCTETS);
      if (reverse !== 0) this.addSeveral(row, reverseColumn, amounts, REVERSE_OCTETS);
      return;
    }
    const at = LEAD + window.firstSlot * this.slotSize + row * this.columns;
    values[at + column] = values[at + column]! + amounts[OCTETS]!;
    if (reverse !== 0) values[at + reverseColumn] = values[at + reverseColumn]! + reverse;
  }

  /**
   * Adds all of the present flow's amounts to four columns from `column` on, which are octets sent and received, then packets: as
   * its source has them, or as its destination.
   */
  addTraffic(row: number, column: number, isSource: boolean, amounts: Float64Array): void {
    const { window, values } = this;
    const forward = column + (isSource ? 0 : 1);
    const reverse = column + (isSource ? 1 : 0);
    const hasReverse = amounts[REVERSE_OCTETS] !== 0 || amounts[REVERSE_PACKETS] !== 0;
    if (window.firstSlot !== window.lastSlot) {
      this.addSeveral(row, forward, amounts, OCTETS);
      this.addSeveral(row, forward + 2, amounts, PACKETS);
      if (!hasReverse) return;
      this.addSeveral(row, reverse, amounts, REVERSE_OCTETS);
      this.addSeveral(row, reverse + 2, amounts, REVERSE_PACKETS);
      return;
    }
    const at = LEAD + window.firstSlot * this.slotSize + row * this.columns;
    values[at + forward] = values[at + forward]! + amounts[OCTETS]!;
    values[at + forward + 2] = values[at + forward + 2]! + amounts[PACKETS]!;
    if (!hasReverse) return;
    values[at + reverse] = values[at + reverse]! + amounts[REVERSE_OCTETS]!;
    values[at + reverse + 2] = values[at + reverse + 2]! + amounts[REVERSE_PACKETS]!;
  }

  /** Adds `value` in the present flow's first step. */
  addAtFirst(row: number, column: number, value: number): void {
    const { values } = this;
    const at = LEAD + this.window.firstSlot * this.slotSize + row * this.columns + column;
    values[at] = values[at]! + value;
  }

  /** Adds `value` in the present flow's last step. */
  addAtLast(row: number, column: number, value: number): void {
    const { values } = this;
    const at = LEAD + this.window.lastSlot * this.slotSize + row * this.columns + column;
    values[at] = values[at]! + value;
  }

  /** Adds `value` in one step, which is open. */
  addAt(row: number, column: number, step: number, value: number): void {
    const { values } = this;
    const at = this.placeOf(row, step) + column;
    values[at] = values[at]! + value;
  }

  /** A column of one step, which is open. */
  at(row: number, column: number, step: number): number {
    return this.values[this.placeOf(row, step) + column]!;
  }

  /** Adds 1 in each of the steps from `from` to `to`, which are open. */
  addOnes(row: number, column: number, from: number, to: number): void {
    for (let step = from; step <= to; step++) this.addAt(row, column, step, 1);
  }

  /** Sets a column that holds what somebody else has counted, as of `step`. */
  set(row: number, column: number, step: number, value: number): void {
    // 0 says that there was nothing.
    this.values[this.placeOf(row, step) + column] = value + 1;
  }

  /** Overwrites a column of a step before it is closed. */
  put(row: number, column: number, step: number, value: number): void {
    this.values[this.placeOf(row, step) + column] = value;
  }

  /**
   * A 0 is written a step before a counter's first value, so that differences between points have the whole; but none before
   * the end of `step`, where somebody else may have written.
   */
  startAt(step: number): void {
    this.firstZeroStep = step;
  }

  /**
   * Closes rows from `from` on in a step: adds it to the totals, writes their points, forgets who was idle. Stops when so many
   * lines are written and returns the row to go on with, or -1 at the end.
   */
  close(step: number, from: number, maxLines: number, out: LineBuffer): number {
    const { window, columns, totals, freeNext, absoluteFrom, values } = this;
    const slotAt = this.placeOf(0, step);
    const until = out.lines + maxLines;
    const timeMs = (step + 1) * window.stepMs;
    const oldest = step - this.options.idleSteps;
    out.setTime(timeMs);
    for (let row = from; row < this.size; row++) {
      if (freeNext[row] !== IN_USE) continue;
      if (out.lines >= until) return row;
      const at = row * columns;
      this.options.beforeClosing?.(row, step);
      let isActive = false;
      for (let i = 0; i < columns; i++) {
        const value = values[slotAt + at + i]!;
        if (value === 0) continue;
        totals[at + i] = i < absoluteFrom ? totals[at + i]! + value : value;
        isActive = true;
      }
      this.writeRow(row, at, slotAt + at, step, timeMs, out);
      if (isActive) {
        this.lastActive[row] = step;
        values.fill(0, slotAt + at, slotAt + at + columns);
      } else if (this.lastActive[row]! < oldest && row !== this.otherRow && !this.hasOpen(row)) this.forget(row);
    }
    return -1;
  }

  private writeRow(row: number, at: number, slotAt: number, step: number, timeMs: number, out: LineBuffer): void {
    const { lines, started, tags } = this;
    for (let i = 0; i < lines.length; i++) {
      const line = lines[i]!;
      const bit = 1 << i;
      if ((started[row]! & bit) === 0) {
        if (!this.hasValue(line, at, slotAt)) continue;
        started[row] = started[row]! | bit;
        this.limits.live++;
        if (line.hasCounter && step > this.firstZeroStep) {
          out.setTime(timeMs - this.window.stepMs);
          out.begin(line.measurement, tags.octets, tags.startOf(row), tags.lengthOf(row));
          for (let j = 0; j < line.fields.length; j++) {
            out.field(j === 0 ? line.fields[j]!.before : line.fields[j]!.following, 0);
          }
          out.end();
          out.setTime(timeMs);
        }
      } else if (line.isActive && !this.hasValue(line, at, slotAt)) continue;
      this.writeLine(line, row, at, slotAt, out);
    }
  }

  private hasValue({ fields, isActive }: Line, at: number, slotAt: number): boolean {
    const { totals, values } = this;
    for (let i = 0; i < fields.length; i++) {
      const { kind, columns } = fields[i]!;
      if (kind === 'percent') {
        if (this.totalOf(at + columns[columns.length - 1]!) > 0) return true;
        continue;
      }
      for (let j = 0; j < columns.length; j++) {
        const isOfRow = kind === 'counter' || (kind === 'absolute' && !isActive);
        if ((isOfRow ? totals[at + columns[j]!] : values[slotAt + columns[j]!]) !== 0) return true;
      }
    }
    return false;
  }

  private writeLine({ measurement, fields }: Line, row: number, at: number, slotAt: number, out: LineBuffer): void {
    const { totals, values, tags, window } = this;
    out.begin(measurement, tags.octets, tags.startOf(row), tags.lengthOf(row));
    let isFirst = true;
    for (let i = 0; i < fields.length; i++) {
      const { before, following, kind, columns } = fields[i]!;
      let value = 0;
      switch (kind) {
        case 'counter':
          for (let j = 0; j < columns.length; j++) value += totals[at + columns[j]!]!;
          break;
        case 'absolute':
          value = this.totalOf(at + columns[0]!);
          break;
        case 'mean': {
          const count = values[slotAt + columns[1]!]!;
          if (count === 0) continue;
          value = values[slotAt + columns[0]!]! / count;
          break;
        }
        case 'percent': {
          const speed = this.totalOf(at + columns[1]!);
          if (speed > 0) value = (values[slotAt + columns[0]!]! * 800_000) / (speed * window.stepMs);
          break;
        }
        default:
          for (let j = 0; j < columns.length; j++) value += values[slotAt + columns[j]!]!;
          if (kind === 'rate') value = (value * 1000) / window.stepMs;
      }
      out.field(isFirst ? before : following, value);
      isFirst = false;
    }
    out.end();
  }

  /** The last value of a column that is set. */
  private totalOf(at: number): number {
    const value = this.totals[at]!;
    return value > 0 ? value - 1 : 0;
  }

  /** Where a row's columns of a step begin. */
  private placeOf(row: number, step: number): number {
    return LEAD + (step % this.window.slots) * this.slotSize + row * this.columns;
  }

  /** {@link SeriesTable.addShares} of a flow that lies in several steps. */
  private addSeveral(row: number, column: number, amounts: Float64Array, kind: number): void {
    // Shares may be known of what was taken out of the flow since then.
    if (amounts[kind] === 0) return;
    const { window, values, slotSize } = this;
    const shares = window.sharesOf(kind, amounts);
    const steps = window.last - window.first;
    const at = LEAD + row * this.columns + column;
    let slot = window.firstSlot;
    for (let i = 0; i <= steps; i++) {
      values[at + slot * slotSize] = values[at + slot * slotSize]! + shares[i]!;
      if (++slot === window.slots) slot = 0;
    }
  }

  private newRow(tags: Uint8Array, length: number): number {
    let row = this.firstFree;
    if (row !== FREE) this.firstFree = this.freeNext[row]!;
    else {
      if (this.size === this.capacity) this.grow();
      row = this.size++;
    }
    this.freeNext[row] = IN_USE;
    this.started[row] = 0;
    this.lastActive[row] = this.window.last;
    this.tags.set(row, tags, length);
    this.rows++;
    return row;
  }

  private insert(row: number, first: number, second: number): void {
    const { index } = this;
    const mask = index.length - 1;
    let at = (first * PLACE) & mask;
    while (index[at] !== FREE) at = (at + PLACE) & mask;
    index[at] = row;
    index[at + 1] = first;
    index[at + 2] = second;
    this.homes[row] = first;
  }

  /** Whether any step has anything of a row. */
  private hasOpen(row: number): boolean {
    const { window, options } = this;
    if (options.beforeClosing !== undefined) {
      for (let step = window.base; step <= window.used; step++) options.beforeClosing(row, step);
    }
    for (let slot = 0; slot < window.slots; slot++) {
      const from = this.placeOf(row, slot);
      for (let i = from; i < from + this.columns; i++) if (this.values[i] !== 0) return true;
    }
    return false;
  }

  /** Later ones of the same run move up, so that no gap hides them. */
  private forget(row: number): void {
    const { index, columns } = this;
    const mask = index.length - 1;
    let gap = (this.homes[row]! * PLACE) & mask;
    while (index[gap] !== row) gap = (gap + PLACE) & mask;
    for (let at = (gap + PLACE) & mask; index[at] !== FREE; at = (at + PLACE) & mask) {
      const home = (index[at + 1]! * PLACE) & mask;
      if (((at - home) & mask) >= ((at - gap) & mask)) {
        index.copyWithin(gap, at, at + PLACE);
        gap = at;
      }
    }
    index[gap] = FREE;
    const from = row * columns;
    this.totals.fill(0, from, from + columns);
    for (let slot = 0; slot < this.window.slots; slot++) {
      const at = this.placeOf(row, slot);
      this.values.fill(0, at, at + columns);
    }
    this.tags.delete(row);
    this.options.onForget?.(row);
    this.limits.release(this.options.family, this.lines.length);
    this.limits.live -= bitCount(this.started[row]!);
    this.freeNext[row] = this.firstFree;
    this.firstFree = row;
    this.rows--;
  }

  private grow(): void {
    const capacity = 2 * this.capacity;
    const slotSize = capacity * this.columns;
    const values = newValues(this.window.slots * slotSize);
    for (let slot = 0; slot < this.window.slots; slot++) {
      const from = LEAD + slot * this.slotSize;
      values.set(this.values.subarray(from, from + this.slotSize), LEAD + slot * slotSize);
    }
    this.values = values;
    this.slotSize = slotSize;
    this.totals = grown(this.totals, capacity * this.columns, Float64Array);
    this.homes = grown(this.homes, capacity, Int32Array);
    this.freeNext = grown(this.freeNext, capacity, Int32Array);
    this.started = grown(this.started, capacity, Uint32Array);
    this.lastActive = grown(this.lastActive, capacity, Float64Array);
    this.capacity = capacity;
    const before = this.index;
    this.index = newIndex(capacity);
    for (let at = 0; at < before.length; at += PLACE) {
      if (before[at] !== FREE) this.insert(before[at]!, before[at + 1]!, before[at + 2]!);
    }
  }
}

function newValues(length: number): Float64Array {
  return new Float64Array(LEAD + length);
}

/** At most half full. */
function newIndex(capacity: number): Int32Array {
  return new Int32Array(2 * PLACE * capacity).fill(FREE);
}

function grown<T extends Float64Array | Int32Array | Uint32Array>(
  from: T,
  length: number,
  kind: new (length: number) => T,
): T {
  const to = new kind(length);
  to.set(from as never);
  return to;
}

function bitCount(word: number): number {
  let bits = 0;
  for (let rest = word; rest !== 0; rest &= rest - 1) bits++;
  return bits;
}

function lineOf({ measurement, fields, written }: LineSource): Line {
  return {
    measurement: Buffer.from(measurement),
    fields: fields.map(({ field, kind, columns }) => ({
      before: Buffer.from(` ${field}=`),
      following: Buffer.from(`,${field}=`),
      kind,
      columns,
    })),
    isActive: written === 'active',
    hasCounter: fields.some(({ kind }) => kind === 'counter'),
  };
}
