/** Differences looked at, one every few seconds: so long a delay of all of them is believed. */
const WINDOW = 8;
/** A difference this much greater than the lowest, milliseconds, twice in a row and each time the same, is a step of the clock. */
const STEP_MS = 2000;
const SAME_MS = 100;

/**
 * The kernel's clock, which counts from the system's start, as Unix time. What it said comes some time later; the shortest such delay of the last
 * seconds is taken for none. A step of the wall clock is followed at once when it goes back, within seconds when forward.
 */
export class EventClock {
  readonly #now: () => number;
  readonly #differences: number[] = [];
  #offsetMs = 0;
  #latestMs = 0;
  #suspectMs = Number.NaN;

  /** `now` is the wall clock, Unix milliseconds. */
  constructor(now: () => number) {
    this.#now = now;
  }

  /** Takes note of a time of the kernel's that has just come. */
  see(kernelMs: number): void {
    const difference = this.#now() - kernelMs;
    const isStep = difference > this.#offsetMs + STEP_MS && Math.abs(difference - this.#suspectMs) < SAME_MS;
    this.#suspectMs = difference;
    if (isStep) this.#differences.length = 0;
    this.#differences.push(difference);
    if (this.#differences.length > WINDOW) this.#differences.shift();
    this.#offsetMs = Math.min(...this.#differences);
    this.#latestMs = kernelMs;
  }

  /** Unix milliseconds of a time of the kernel's. */
  wallMs(kernelMs: number): number {
    return kernelMs + this.#offsetMs;
  }

  /** Unix milliseconds of the latest time seen. */
  get latestMs(): number {
    return this.wallMs(this.#latestMs);
  }

  /** Begins anew. */
  forget(): void {
    this.#differences.length = 0;
    this.#suspectMs = Number.NaN;
  }
}
