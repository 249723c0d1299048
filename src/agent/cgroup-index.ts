import { existsSync } from 'node:fs';
import { readdir, stat } from 'node:fs/promises';
import { join } from 'node:path';

/** Limits of one walk: directories, and how deep they may lie. */
const MAX_DIRECTORIES = 65_536;
const MAX_DEPTH = 32;
/** Directories looked at at a time. */
const CONCURRENCY = 16;

/**
 * Paths of the directories of the cgroup v2 hierarchy by their ids, which are their inodes. An id that is not known has the tree walked again,
 * at most so often.
 */
export class CgroupIndex {
  /** Walks so far, and those that were cut short because there were too many directories. */
  walks = 0;
  walksCut = 0;
  readonly #root: string | undefined;
  readonly #minimumGapMs: number;
  readonly #now: () => number;
  readonly #onWalked: () => void;
  #paths: ReadonlyMap<number, string> = new Map();
  #walking: Promise<void> | undefined;
  #nextWalkMs = 0;
  #timer: NodeJS.Timeout | undefined;
  #isClosed = false;

  /** `root` is where cgroups are mounted; on hosts with both versions the second is below `unified`. */
  constructor(root: string, minimumGapMs: number, now: () => number, onWalked: () => void) {
    this.#root = [root, join(root, 'unified')].find((path) => existsSync(join(path, 'cgroup.procs')));
    this.#minimumGapMs = minimumGapMs;
    this.#now = now;
    this.#onWalked = onWalked;
  }

  /** The directory with this id, from the root of the hierarchy; undefined while it is not known. */
  path(cgroupId: number): string | undefined {
    const path = this.#paths.get(cgroupId);
    if (path === undefined) this.#schedule();
    return path;
  }

  /** Walks the tree now, unless that is under way. */
  walk(): Promise<void> {
    this.#walking ??= this.#walk().finally(() => {
      this.#walking = undefined;
      if (!this.#isClosed) this.#onWalked();
    });
    return this.#walking;
  }

  /** Walks no more. */
  close(): void {
    this.#isClosed = true;
    clearTimeout(this.#timer);
  }

  #schedule(): void {
    if (this.#root === undefined || this.#isClosed || this.#walking !== undefined || this.#timer !== undefined) return;
    const waitMs = Math.max(0, this.#nextWalkMs - this.#now());
    this.#timer = setTimeout(() => {
      this.#timer = undefined;
      void this.walk();
    }, waitMs);
    this.#timer.unref();
  }

  async #walk(): Promise<void> {
    if (this.#root === undefined) return;
    this.walks++;
    this.#nextWalkMs = this.#now() + this.#minimumGapMs;
    const paths = new Map<number, string>();
    let level = ['/'];
    for (let depth = 0; level.length > 0 && depth < MAX_DEPTH; depth++) {
      const below: string[] = [];
      for (let i = 0; i < level.length && paths.size < MAX_DIRECTORIES; i += CONCURRENCY) {
        const some = level.slice(i, i + CONCURRENCY);
        await Promise.all(some.map((path) => this.#look(path, paths, below)));
      }
      level = below;
    }
    if (paths.size >= MAX_DIRECTORIES) this.walksCut++;
    this.#paths = paths;
  }

  /** Notes a directory and what is in it; one that went away meanwhile is passed over. */
  async #look(path: string, paths: Map<number, string>, below: string[]): Promise<void> {
    try {
      const directory = join(this.#root!, path);
      paths.set((await stat(directory)).ino, path);
      for (const entry of await readdir(directory, { withFileTypes: true })) {
        if (entry.isDirectory() && below.length < MAX_DIRECTORIES) below.push(join(path, entry.name));
      }
    } catch {}
  }
}
