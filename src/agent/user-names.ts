import { execFile } from 'node:child_process';
import { readFileSync, statSync } from 'node:fs';
import { wholeNumber } from './proc-files.ts';

/** Where names of users and groups come from. */
export interface UserNamesOptions {
  /** passwd(5). */
  readonly passwdPath?: string;
  /** group(5). */
  readonly groupPath?: string;
  /** getent(1), which also knows the users of directory services; `''` for none. */
  readonly getentPath?: string;
  /** Longest it may take, milliseconds. */
  readonly getentTimeoutMs?: number;
  /** Names kept of each kind, and ids that wait for getent. */
  readonly maxNames?: number;
}

/** Longest name that is kept, characters. */
const MAX_NAME_LENGTH = 256;
/** A file of 100,000 users has 8 MB. */
const MAX_FILE_OCTETS = 32 * 1024 * 1024;

/**
 * Names of users and groups. They come from the system's files, read again when these change; an id that is not there is asked
 * of getent once, one at a time and in the background. Until a name is known, and where there is none, the number stands for it.
 */
export class UserNames {
  /** Times getent could not be run, took too long or said something else than a name. An id without a name is no failure. */
  lookupsFailed = 0;
  /** Ids that were not asked for because too many waited. */
  lookupsDropped = 0;
  readonly #users: NameFile;
  readonly #groups: NameFile;
  readonly #getentPath: string;
  readonly #getentTimeoutMs: number;
  readonly #maxNames: number;
  /** What to ask next: database and id. */
  readonly #waiting: { readonly names: NameFile; readonly id: number }[] = [];
  #isAsking = false;

  constructor(options: UserNamesOptions = {}) {
    this.#maxNames = options.maxNames ?? 65_536;
    this.#users = new NameFile('passwd', options.passwdPath ?? '/etc/passwd', this.#maxNames);
    this.#groups = new NameFile('group', options.groupPath ?? '/etc/group', this.#maxNames);
    this.#getentPath = options.getentPath ?? 'getent';
    this.#getentTimeoutMs = options.getentTimeoutMs ?? 5000;
    this.refresh();
  }

  /** Reads the files again where they changed; what getent said is forgotten then. Call it once a round. */
  refresh(): void {
    this.#users.refresh();
    this.#groups.refresh();
  }

  /** Name of a user, the number as text while or where it has none. */
  userName(id: number): string {
    return this.#name(this.#users, id);
  }

  /** Name of a group, likewise. */
  groupName(id: number): string {
    return this.#name(this.#groups, id);
  }

  #name(names: NameFile, id: number): string {
    const known = names.byId.get(id);
    if (known !== undefined) return known;
    const text = String(id);
    if (this.#getentPath === '' || id < 0) return text;
    if (this.#waiting.length >= this.#maxNames || names.byId.size >= this.#maxNames) {
      this.lookupsDropped++;
      return text;
    }
    // The number stays when there is no name: getent is not asked twice.
    names.byId.set(id, text);
    this.#waiting.push({ names, id });
    if (!this.#isAsking) this.#askNext();
    return text;
  }

  #askNext(): void {
    const next = this.#waiting.shift();
    this.#isAsking = next !== undefined;
    if (next === undefined) return;
    const options = { timeout: this.#getentTimeoutMs, killSignal: 'SIGKILL', maxBuffer: 65_536 } as const;
    execFile(this.#getentPath, [next.names.database, String(next.id)], options, (error, stdout) => {
      // getent's 2 says that there is no such id.
      if (error !== null && error.code !== 2) this.lookupsFailed++;
      else if (error === null && !next.names.learn(stdout, next.id)) this.lookupsFailed++;
      this.#askNext();
    });
  }
}

/** One of the two files: a line an entry, name and id its first and third field. */
class NameFile {
  readonly database: string;
  readonly byId = new Map<number, string>();
  readonly #path: string;
  readonly #maxNames: number;
  #version = '';

  constructor(database: string, path: string, maxNames: number) {
    this.database = database;
    this.#path = path;
    this.#maxNames = maxNames;
  }

  refresh(): void {
    try {
      const { mtimeMs, size, ino } = statSync(this.#path);
      const version = `${mtimeMs} ${size} ${ino}`;
      if (version === this.#version || size > MAX_FILE_OCTETS) return;
      const text = readFileSync(this.#path, 'utf8');
      this.#version = version;
      this.byId.clear();
      for (const line of text.split('\n')) this.#add(line);
    } catch {
      // No such file: what was read before stays, and getent is asked.
    }
  }

  /** Takes a line that getent printed; false where it is not that of `id`. */
  learn(text: string, id: number): boolean {
    const [name, , number] = (text.split('\n')[0] ?? '').split(':');
    if (!name || wholeNumber(number) !== id) return false;
    this.byId.set(id, name.slice(0, MAX_NAME_LENGTH));
    return true;
  }

  #add(line: string): void {
    const [name, , number] = line.split(':');
    const id = wholeNumber(number);
    // The first entry of an id is what getpwuid(3) gives.
    if (!name || Number.isNaN(id) || this.byId.has(id) || this.byId.size >= this.#maxNames) return;
    this.byId.set(id, name.slice(0, MAX_NAME_LENGTH));
  }
}
