import { mkdirSync, readFileSync } from 'node:fs';
import { open, rename } from 'node:fs/promises';
import { dirname, join } from 'node:path';

/** Where learned Templates and options are kept between runs: one file, replaced as a whole. */
export class StateFile {
  /** Path of the file. */
  readonly path: string;
  #lastSave: Promise<void> = Promise.resolve();

  /** Makes the directory where it is missing; throws one clear error where that fails. */
  constructor(directory: string) {
    this.path = join(directory, 'state.json');
    try {
      mkdirSync(directory, { recursive: true });
    } catch (error) {
      throw new Error(`cannot use state directory ${directory}: ${(error as Error).message}`, { cause: error });
    }
  }

  /** The text saved last; undefined when there is none. Throws where it cannot be read. */
  read(): string | undefined {
    try {
      return readFileSync(this.path, 'utf8');
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
      throw error;
    }
  }

  /**
   * Replaces the file: the text is written beside it and on the disk before it takes its name, so that a crash leaves the old
   * or the new one. Saves asked for at the same time happen one after the other.
   */
  save(text: string): Promise<void> {
    const save = this.#lastSave.then(() => this.#replace(text));
    this.#lastSave = save.catch(() => {});
    return save;
  }

  async #replace(text: string): Promise<void> {
    const temporary = `${this.path}.new`;
    const file = await open(temporary, 'w', 0o600);
    try {
      await file.writeFile(text);
      await file.sync();
    } finally {
      await file.close();
    }
    await rename(temporary, this.path);
    // The name is safe only once its directory is.
    const directory = await open(dirname(this.path), 'r');
    try {
      await directory.sync();
    } finally {
      await directory.close();
    }
  }
}
