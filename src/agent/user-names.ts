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
  /** Longest it may take for each id it is asked for, milliseconds. */
  readonly getentTimeoutMs?: number;
  /** Names kept of each kind, and ids that wait for getent. */
  readonly maxNames?: number;
}

/** Longest name that is kept, characters. */
const MAX_NAME_LENGTH = 256;
/** A file of 100,000 users has 8 MB. */
const MAX_FILE_OCTETS = 32 * 1024 * 1024;
/** Ids asked for with one call. */
const MOST_IDS = 64;
/** What a call may print: groups have lines of all their members. */
const OUTPUT_OCTETS = 1024 * 1024;
/** What getent ends with where an id has no name; the names of the others are printed. */
const NOT_ALL_FOUND = 2;

/**
 * Names of users and groups. They come from the system's files, read again when these change; an id that is not there is asked of
 * getent once, in the background, with all others that wait and never by two calls at a time. Until a name is known, and where
 * there is none, the number stands for it.
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
    if (names.waiting.length >= this.#maxNames || names.byId.size >= this.#maxNames) {
      this.lookupsDropped++;
      return text;
    }
    // The number stays when there is no name: getent is not asked twice.
    names.byId.set(id, text);
    names.waiting.push(id);
    // What the same round asks for comes with the same call.
    if (!this.#isAsking) setImmediate(() => this.#askNext());
    this.#isAsking = true;
    return text;
  }

  #askNext(): void {
    const names = [this.#users, this.#groups].find(({ waiting }) => waiting.length > 0);
    this.#isAsking = names !== undefined;
    if (names === undefined) return;
    const ids = names.waiting.splice(0, MOST_IDS);
    const timeout = this.#getentTimeoutMs * ids.length;
    const options = { timeout, killSignal: 'SIGKILL', maxBuffer: OUTPUT_OCTETS } as const;
    execFile(this.#getentPath, [names.database, ...ids.map(String)], options, (error, stdout) => {
      const isAnswer = names.learn(stdout, ids, error === null);
      if (!isAnswer || (error !== null && error.code !== NOT_ALL_FOUND)) this.lookupsFailed++;
      this.#askNext();
    });
  }
}

/** One of the two files: a line an entry, name and id its first and third field. */
class NameFile {
  readonly database: string;
  readonly byId = new Map<number, string>();
  /** Ids to ask getent for. */
  readonly waiting: number[] = [];
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

  /** Takes what getent printed for `ids`; false where that is something else, or less than all of them where it says `areAll`. */
  learn(text: string, ids: readonly number[], areAll: boolean): boolean {
    const open = new Set(ids);
    // The last line has no end where the output was cut.
    const lines = text.split('\n').slice(0, -1);
    const areEntries = lines.map((line) => {
      const [name, , number] = line.split(':');
      const id = wholeNumber(number);
      if (!name || !open.delete(id)) return false;
      this.byId.set(id, name.slice(0, MAX_NAME_LENGTH));
      return true;
    });
    return areEntries.every((isEntry) => isEntry) && !(areAll && open.size > 0);
  }

  #add(line: string): void {
    const [name, , number] = line.split(':');
    const id = wholeNumber(number);
    // The first entry of an id is what getpwuid(3) gives.
    if (!name || Number.isNaN(id) || this.byId.has(id) || this.byId.size >= this.#maxNames) return;
    this.byId.set(id, name.slice(0, MAX_NAME_LENGTH));
  }
}
