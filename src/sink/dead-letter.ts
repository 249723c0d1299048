import { appendFileSync, mkdirSync, renameSync, statSync } from 'node:fs';
import { dirname } from 'node:path';

/**
 * Lines that a server refused, with its words: JSON lines in a file that is begun anew when it is full, with the one before
 * kept beside it under `.old`.
 */
export class DeadLetter {
  /** Lines that could not be kept. */
  linesLost = 0;
  readonly #path: string | undefined;
  readonly #maxOctets: number;
  #octets = 0;

  /** `maxOctets` is for both files together. Without a path nothing is kept. */
  constructor(path: string | undefined, maxOctets: number) {
    this.#path = path;
    this.#maxOctets = maxOctets;
    if (path === undefined) return;
    this.#octets = statSync(path, { throwIfNoEntry: false })?.size ?? 0;
  }

  /** Keeps a line, without its line feed. */
  add(server: string, reason: string, line: string): void {
    const path = this.#path;
    if (path === undefined) {
      this.linesLost++;
      return;
    }
    const text = `${JSON.stringify({ time: new Date().toISOString(), server, reason, line })}\n`;
    const octets = Buffer.byteLength(text);
    try {
      if (this.#octets + octets > this.#maxOctets / 2) this.#begin(path);
      appendFileSync(path, text, { mode: 0o600 });
      this.#octets += octets;
    } catch {
      this.linesLost++;
    }
  }

  #begin(path: string): void {
    mkdirSync(dirname(path), { recursive: true });
    if (this.#octets > 0) renameSync(path, `${path}.old`);
    this.#octets = 0;
  }
}
