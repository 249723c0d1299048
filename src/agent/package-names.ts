import { execFile } from 'node:child_process';
import { existsSync } from 'node:fs';

/** Where packages are looked up. */
export interface PackageNamesOptions {
  /** dpkg-query(1), `''` for none. */
  readonly dpkgQueryPath?: string;
  /** Directory without which dpkg is not asked. */
  readonly dpkgDatabase?: string;
  /** rpm(8), `''` for none. */
  readonly rpmPath?: string;
  /** Directories without any of which rpm is not asked. */
  readonly rpmDatabases?: readonly string[];
  /** Longest a look-up may take, milliseconds. */
  readonly timeoutMs?: number;
  /** Program files kept. */
  readonly maxFiles?: number;
}

/** Paths asked for with one call. */
const MOST_PATHS = 64;
const MAX_NAME_LENGTH = 128;
const OUTPUT_OCTETS = 1024 * 1024;

type PackageManager = 'dpkg' | 'rpm' | 'none';

/**
 * Packages of program files, by the system's package manager: Debian's, else that of Red Hat and SUSE. They are looked up in the
 * background, all that wait with one call and never two calls at a time: `dpkg-query -S` takes as long for 64 files as for one.
 */
export class PackageNames {
  /** Calls that could not be made or took too long. Files of no package are no failure. */
  lookupsFailed = 0;
  /** Files not looked up because there were too many. */
  lookupsDropped = 0;
  /** Which package manager is asked. */
  readonly manager: PackageManager;
  readonly #options: Required<PackageNamesOptions>;
  /** Undefined while a file waits. */
  readonly #byFile = new Map<string, string | undefined>();
  #waiting: string[] = [];
  #isAsking = false;

  constructor(options: PackageNamesOptions = {}) {
    this.#options = {
      dpkgQueryPath: 'dpkg-query',
      dpkgDatabase: '/var/lib/dpkg/info',
      rpmPath: 'rpm',
      rpmDatabases: ['/var/lib/rpm', '/usr/lib/sysimage/rpm'],
      timeoutMs: 10_000,
      maxFiles: 16_384,
      ...options,
    };
    const { dpkgQueryPath, dpkgDatabase, rpmPath, rpmDatabases } = this.#options;
    if (dpkgQueryPath !== '' && existsSync(dpkgDatabase)) this.manager = 'dpkg';
    else if (rpmPath !== '' && rpmDatabases.some((path) => existsSync(path))) this.manager = 'rpm';
    else this.manager = 'none';
  }

  /** Package of a program's file; `''` where it has none, undefined while that is not known. */
  packageName(path: string): string | undefined {
    // A newline would end dpkg's line; no package has such files.
    if (this.manager === 'none' || !path.startsWith('/') || path.includes('\n')) return '';
    if (this.#byFile.has(path)) return this.#byFile.get(path);
    if (this.#byFile.size >= this.#options.maxFiles) {
      this.lookupsDropped++;
      return '';
    }
    this.#byFile.set(path, undefined);
    this.#waiting.push(path);
    // What the same round asks for comes with the same call.
    if (!this.#isAsking) setImmediate(() => this.#askNext());
    this.#isAsking = true;
    return undefined;
  }

  #askNext(): void {
    const paths = this.#waiting.splice(0, this.manager === 'dpkg' ? MOST_PATHS : 1);
    this.#isAsking = paths.length > 0;
    if (!this.#isAsking) return;
    const { dpkgQueryPath, rpmPath, timeoutMs } = this.#options;
    const [program, args] =
      this.manager === 'dpkg'
        ? [dpkgQueryPath, ['-S', '--', ...paths.flatMap(packagedForms).map(escapePattern)]]
        : [rpmPath, ['-q', '--qf', '%{NAME}\\n', '-f', '--', ...paths]];
    const env = { ...process.env, LC_ALL: 'C' };
    const limits = { timeout: timeoutMs, killSignal: 'SIGKILL', maxBuffer: OUTPUT_OCTETS, env } as const;
    execFile(program, args, limits, (error, stdout) => {
      // 1 says that some file has no package; the others are still printed.
      if (error !== null && error.code !== 1) this.lookupsFailed++;
      const found = this.manager === 'dpkg' ? parseDpkgSearch(stdout) : undefined;
      for (const path of paths) {
        const name = found === undefined ? parseRpmName(stdout, error === null) : firstOf(found, packagedForms(path));
        this.#byFile.set(path, name.slice(0, MAX_NAME_LENGTH));
      }
      this.#askNext();
    });
  }
}

/** Reads lines `package[:architecture][, package…]: /path`; the first package of a path has it. */
export function parseDpkgSearch(text: string): Map<string, string> {
  const found = new Map<string, string>();
  // The last line has no end where the output was cut.
  for (const line of text.split('\n').slice(0, -1)) {
    const [, name, path] = /^([a-z0-9][a-z0-9+.-]*)(?::[a-z0-9-]+)?(?:, [^/]*)?: (\/.*)$/.exec(line) ?? [];
    if (name !== undefined && path !== undefined && !found.has(path)) found.set(path, name);
  }
  return found;
}

function parseRpmName(text: string, isFound: boolean): string {
  const [name] = text.split('\n');
  return isFound && name !== undefined && /^[A-Za-z0-9_][A-Za-z0-9_+.-]*$/.test(name) ? name : '';
}

function firstOf(found: ReadonlyMap<string, string>, paths: readonly string[]): string {
  for (const path of paths) {
    const name = found.get(path);
    if (name !== undefined) return name;
  }
  return '';
}

/** Packages made before /bin, /sbin and /lib became links to those of /usr list their files by the old path. */
function packagedForms(path: string): string[] {
  return /^\/usr\/(?:bin|sbin|lib|lib32|lib64)\//.test(path) ? [path, path.slice('/usr'.length)] : [path];
}

/** What a file is called is no pattern to look for (fnmatch(3)): `/usr/bin/[` belongs to coreutils. */
function escapePattern(path: string): string {
  return path.replace(/[\\*?[]/g, '\\$&');
}
