/**
 * A lone `-` among the words of a command line. yargs loses it where a command takes several files, so it travels through yargs
 * under another name that no file has.
 */
const DASH = '\u0001-';

/** Words to give to yargs. */
export function hideDashes(words: readonly string[]): string[] {
  return words.map((word) => (word === '-' ? DASH : word));
}

/** A word that yargs gave back, as the user typed it. */
export function showDash(word: unknown): string {
  return word === DASH ? '-' : String(word);
}
