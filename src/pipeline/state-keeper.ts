import type { Log } from './log.ts';
import type { StateFile } from './state-file.ts';

const SAVE_INTERVAL_MS = 5_000;
/** Saving early may take this share of the time, so that a flood of new Exporters does not keep the program writing. */
const EARLY_SAVE_SHARE = 0.05;

/** What a decoder, or several together, know that is worth saving. */
export interface SavedKnowledge {
  /** Numbers that differ whenever there is something new to save. */
  changes(): KnowledgeChanges;
  /** All of it as JSON text. */
  serializeState(): string | Promise<string>;
  /** Learns it again; says why it was ignored, or undefined when all is well. */
  restoreState(text: string): string | undefined | Promise<string | undefined>;
}

/** Counts of what was learned. */
export interface KnowledgeChanges {
  /** Templates. */
  readonly templates: number;
  /** Templates, options and whatever else. */
  readonly changes: number;
}

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

  /** Gives `knowledge` what was saved last; says so where that cannot be used. */
  async restore(knowledge: SavedKnowledge): Promise<void> {
    let text: string | undefined;
    let problem: string | undefined;
    try {
      text = this.#file.read();
      if (text === undefined) return;
      problem = await knowledge.restoreState(text);
    } catch (error) {
      problem = (error as Error).message;
    }
    if (problem !== undefined) {
      this.#log.write('warning', 'state_ignored', `saved state ${this.#file.path} is ignored: ${problem}`, {
        path: this.#file.path,
        reason: problem,
      });
    }
    this.#note(knowledge, Date.now());
  }

  /** To be called every second: saves what is due. */
  async tick(knowledge: SavedKnowledge, nowMs: number): Promise<void> {
    if (this.#isSaving) return;
    const { templates, changes } = knowledge.changes();
    const isEarly = templates !== this.#templatesSaved && nowMs >= this.#earliestMs;
    const isDue =
      changes !== this.#changesSaved && nowMs >= Math.max(this.#savedMs + SAVE_INTERVAL_MS, this.#earliestMs);
    if (isEarly || isDue) await this.save(knowledge);
  }

  /** Saves now. A failure is logged once until it works again. */
  async save(knowledge: SavedKnowledge): Promise<void> {
    const startMs = Date.now();
    this.#isSaving = true;
    try {
      this.#note(knowledge, startMs);
      await this.#file.save(await knowledge.serializeState());
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

  #note(knowledge: SavedKnowledge, nowMs: number): void {
    const { templates, changes } = knowledge.changes();
    this.#templatesSaved = templates;
    this.#changesSaved = changes;
    this.#savedMs = nowMs;
  }
}
