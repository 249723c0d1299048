import type { LineBuffer } from './line-buffer.ts';
import type { SeriesTable } from './series-table.ts';
import type { StepWindow } from './step-window.ts';

interface Closing {
  readonly window: StepWindow;
  readonly step: number;
  readonly tables: readonly SeriesTable[];
  table: number;
  row: number;
}

/** Closes steps: all at once, or some thousand lines a turn, so that sockets are read in between. */
export class StepCloser {
  private readonly out: LineBuffer;
  private readonly linesPerTurn: number;
  private readonly waiting: Closing[] = [];
  private isScheduled = false;

  /** Lines go to `out`. */
  constructor(out: LineBuffer, linesPerTurn: number) {
    this.out = out;
    this.linesPerTurn = linesPerTurn;
  }

  /** Closes a step of some tables, which must not be written to any more; what of it is not done now is done in later turns. */
  close(window: StepWindow, step: number, tables: readonly SeriesTable[]): void {
    this.finishStep(window);
    this.waiting.push({ window, step, tables, table: 0, row: 0 });
    if (!this.isScheduled) this.turn();
  }

  /** Does what is left of the step before: its slots are needed for the next one. */
  finishStep(window: StepWindow): void {
    const before = this.waiting.findIndex((closing) => closing.window === window);
    if (before >= 0) this.finish(this.waiting.splice(before, 1)[0]!);
  }

  /** Does all that is left. */
  drain(): void {
    for (let closing = this.waiting.shift(); closing !== undefined; closing = this.waiting.shift())
      this.finish(closing);
    this.out.flush();
  }

  private turn(): void {
    const until = this.out.lines + this.linesPerTurn;
    let closing = this.waiting[0];
    while (closing !== undefined && this.out.lines < until) {
      if (!this.work(closing, until - this.out.lines)) break;
      this.waiting.shift();
      closing = this.waiting[0];
    }
    this.out.flush();
    if (closing === undefined || this.isScheduled) return;
    this.isScheduled = true;
    setImmediate(() => {
      this.isScheduled = false;
      this.turn();
    });
  }

  private finish(closing: Closing): void {
    this.work(closing, Number.POSITIVE_INFINITY);
  }

  /** True when it is done. */
  private work(closing: Closing, maxLines: number): boolean {
    const until = this.out.lines + maxLines;
    for (; closing.table < closing.tables.length; closing.table++, closing.row = 0) {
      const table = closing.tables[closing.table]!;
      const row = table.close(closing.step, closing.row, until - this.out.lines, this.out);
      if (row >= 0) {
        closing.row = row;
        return false;
      }
    }
    return true;
  }
}
