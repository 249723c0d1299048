import { writeSync } from 'node:fs';

/** Writes a line for a person on standard error. */
export function sayLine(text: string): void {
  try {
    writeSync(2, `flowrelay: ${text}\n`);
  } catch {
    // Standard error is closed or full: there is nobody to tell.
  }
}
