import { writeSync } from 'node:fs';
import { LOG_LEVELS, type LogLevel } from '../config/configuration.ts';

/** Facts of a log line, in order. */
export type LogFields = Readonly<Record<string, unknown>>;

const STANDARD_ERROR = 2;
const LIMIT_WINDOW_MS = 60_000;
/** Kinds of limited line remembered at once; what does not fit is counted and said together. */
const MAX_LIMITED = 1000;

/** Writes one JSON line on standard error per event worth an operator's time. */
export class Log {
  #threshold: number;
  readonly #writeLine: (line: string) => void;
  readonly #now: () => number;
  readonly #limited = new Map<string, number>();
  #windowStartMs = 0;

  /** `writeLine` and `now` are for tests. */
  constructor(level: LogLevel, writeLine: (line: string) => void = writeToStandardError, now: () => number = Date.now) {
    this.#threshold = LOG_LEVELS.indexOf(level);
    this.#writeLine = writeLine;
    this.#now = now;
  }

  /** Changes what is logged from now on. */
  setLevel(level: LogLevel): void {
    this.#threshold = LOG_LEVELS.indexOf(level);
  }

  /** Writes one line: `event` is a short fixed name, `message` says it to a person. */
  write(level: LogLevel, event: string, message: string, fields: LogFields = {}): void {
    if (LOG_LEVELS.indexOf(level) > this.#threshold) return;
    this.#writeLine(
      `${JSON.stringify({ time: new Date(this.#now()).toISOString(), level, event, message, ...fields })}\n`,
    );
  }

  /** Writes the line unless one of the same `key` was written in the same minute; the next one says how many were left out. */
  writeLimited(key: string, level: LogLevel, event: string, message: string, fields: LogFields = {}): void {
    const nowMs = this.#now();
    if (nowMs - this.#windowStartMs >= LIMIT_WINDOW_MS || nowMs < this.#windowStartMs) this.#startWindow(nowMs);
    const seen = this.#limited.get(key);
    if (seen === undefined && this.#limited.size < MAX_LIMITED) {
      this.#limited.set(key, 0);
      this.write(level, event, message, fields);
    } else if (seen !== undefined) {
      this.#limited.set(key, seen + 1);
    } else {
      this.#limited.set('', (this.#limited.get('') ?? 0) + 1);
    }
  }

  #startWindow(nowMs: number): void {
    let leftOut = 0;
    for (const count of this.#limited.values()) leftOut += count;
    this.#limited.clear();
    this.#windowStartMs = nowMs;
    if (leftOut > 0)
      this.write(
        'info',
        'lines_left_out',
        `${leftOut} more lines of the same kinds were left out in the minute before`,
        { leftOut },
      );
  }
}

function writeToStandardError(line: string): void {
  try {
    writeSync(STANDARD_ERROR, line);
  } catch {
    // Nobody reads it (any more), or the terminal is full: the log is not worth stopping for.
  }
}
