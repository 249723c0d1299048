import type { EngineClient, ListedContainer } from './listed-container.ts';

/** After a failure an engine is left alone for this long, doubled each time up to the second. */
const FIRST_WAIT_MS = 1_000;
const LONGEST_WAIT_MS = 60_000;

/** An engine that is asked again and again, and how it went. */
export class EngineState {
  readonly client: EngineClient;
  /** Why it could not be asked last time; undefined where it could, or where there is none. */
  reason: string | undefined;
  /** Questions, and those that failed. */
  asked = 0;
  failed = 0;
  /** Whether its events are followed. */
  isFollowed = false;
  readonly #now: () => number;
  #waitMs = 0;
  #nextMs = 0;

  constructor(client: EngineClient, now: () => number) {
    this.client = client;
    this.#now = now;
  }

  /** Its containers, undefined where it cannot tell them or failed not long ago. Does not reject. */
  async list(): Promise<readonly ListedContainer[] | undefined> {
    if (this.#now() < this.#nextMs) return undefined;
    const answer = await this.client.list();
    if (answer.kind === 'listed') {
      this.asked++;
      this.reason = undefined;
      this.#waitMs = 0;
      return answer.containers;
    }
    if (answer.kind === 'absent') {
      // Looking whether it is there costs next to nothing.
      this.reason = undefined;
      return undefined;
    }
    this.asked++;
    this.failed++;
    this.reason = answer.reason;
    this.#waitMs = Math.min(Math.max(this.#waitMs * 2, FIRST_WAIT_MS), LONGEST_WAIT_MS);
    this.#nextMs = this.#now() + this.#waitMs;
    return undefined;
  }

  /** Ends whatever is under way. */
  close(): void {
    this.client.close();
  }
}
