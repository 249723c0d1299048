import { domainOptions } from '../normalize/flow-reader.ts';
import type { Decoding } from './decoding.ts';
import type { Log } from './log.ts';
import type { StateFile } from './state-file.ts';

const SAVE_INTERVAL_MS = 5_000;
/** Saving early may take this share of the time, so that a flood of new Exporters does not keep the program writing. */
const EARLY_SAVE_SHARE = 0.05;

/** Saves learned Templates and options when they changed: new Templates within a second or so, the rest every 5 seconds. */
export class StateKeeper {
  readonly #file: StateFile;
  readonly #log: Log;
  #templatesSaved = 0;
  #changesSaved = 0;
  #savedMs = 0;
  #earliestMs = 0;
  #isSaving = false;
  #isFailing = false;

  constructor(file: StateFile, log: Log) {
    this.#file = file;
    this.#log = log;
  }

  /** Gives `decoding` what was saved last; says so where that cannot be used. */
  restore(decoding: Decoding): void {
    let text: string | undefined;
    let problem: string | undefined;
    try {
      text = this.#file.read();
      if (text === undefined) return;
      problem = decoding.restoreState(text);
    } catch (error) {
      problem = (error as Error).message;
    }
    if (problem !== undefined) {
      this.#log.write('warning', 'state_ignored', `saved state ${this.#file.path} is ignored: ${problem}`, {
        path: this.#file.path,
        reason: problem,
      });
    }
    this.#note(decoding, Date.now());
  }

  /** To be called every second: saves what is due. */
  async tick(decoding: Decoding, nowMs: number): Promise<void> {
    if (this.#isSaving) return;
    const { templates, changes } = countChanges(decoding);
    const isEarly = templates !== this.#templatesSaved && nowMs >= this.#earliestMs;
    const isDue =
      changes !== this.#changesSaved && nowMs >= Math.max(this.#savedMs + SAVE_INTERVAL_MS, this.#earliestMs);
    if (isEarly || isDue) await this.save(decoding);
  }

  /** Saves now. A failure is logged once until it works again. */
  async save(decoding: Decoding): Promise<void> {
    const startMs = Date.now();
    this.#isSaving = true;
    try {
      this.#note(decoding, startMs);
      await this.#file.save(decoding.serializeState());
      if (this.#isFailing) this.#log.write('info', 'state_saved_again', `state is saved again to ${this.#file.path}`);
      this.#isFailing = false;
    } catch (error) {
      this.#changesSaved = -1;
      if (!this.#isFailing) {
        this.#log.write(
          'error',
          'state_not_saved',
          `cannot save state to ${this.#file.path}: ${(error as Error).message}`,
          { path: this.#file.path },
        );
      }
      this.#isFailing = true;
    } finally {
      this.#isSaving = false;
      const endMs = Date.now();
      this.#earliestMs = endMs + (endMs - startMs) / EARLY_SAVE_SHARE;
    }
  }

  #note(decoding: Decoding, nowMs: number): void {
    const { templates, changes } = countChanges(decoding);
    this.#templatesSaved = templates;
    this.#changesSaved = changes;
    this.#savedMs = nowMs;
  }
}

/** Numbers that differ whenever there is something new to save. */
function countChanges(decoding: Decoding): { templates: number; changes: number } {
  let templates = 0;
  let others = 0;
  for (const session of decoding.sessions.sessions()) {
    const { counters } = session;
    templates += counters.templatesLearned + counters.templatesRedefined;
    others += counters.templatesWithdrawn + counters.templatesExpired + counters.templatesEvicted;
    others += domainOptions(session)?.changes ?? 0;
  }
  return { templates, changes: templates + others };
}
