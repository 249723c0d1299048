import { readFileSync, renameSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { SpoolPosition, SpoolRange } from './pending-ranges.ts';

/** How far a spool had been confirmed by whom. */
export interface SavedPositions {
  /** End of the spool then; all behind it is pending. */
  readonly end: SpoolPosition;
  /** What was pending, by server. */
  readonly servers: ReadonlyMap<string, readonly SpoolRange[]>;
}

const FILE = 'positions.json';

/** Reads them; undefined where there are none, or none that make sense: then everything is pending. */
export function readPositions(directory: string): SavedPositions | undefined {
  try {
    const { end, servers } = JSON.parse(readFileSync(join(directory, FILE), 'utf8')) as Record<string, unknown>;
    if (typeof servers !== 'object' || servers === null) return undefined;
    const read = Object.entries(servers).map(([server, ranges]) => [server, rangesOf(ranges)] as const);
    return { end: position(end), servers: new Map(read) };
  } catch {
    return undefined;
  }
}

/** Replaces them as a whole. Throws where that fails; the old ones are kept then. */
export function writePositions(directory: string, { end, servers }: SavedPositions): void {
  const ranges = [...servers].map(([server, parts]) => [server, parts.map(({ from, to }) => [plain(from), plain(to)])]);
  const path = join(directory, FILE);
  writeFileSync(`${path}.new`, JSON.stringify({ end: plain(end), servers: Object.fromEntries(ranges) }), {
    mode: 0o600,
  });
  renameSync(`${path}.new`, path);
}

function plain({ at, line }: SpoolPosition): [number, number] {
  return [at, line];
}

function rangesOf(value: unknown): SpoolRange[] {
  if (!Array.isArray(value)) throw new TypeError('no ranges');
  const ranges = value.map((range: unknown) => {
    if (!Array.isArray(range)) throw new TypeError('no range');
    return { from: position(range[0]), to: position(range[1]) };
  });
  ranges.forEach(({ from, to }, i) => {
    if (to.at <= from.at || to.line < from.line || from.at < (ranges[i - 1]?.to.at ?? 0))
      throw new TypeError('no order');
  });
  return ranges;
}

function position(value: unknown): SpoolPosition {
  if (!Array.isArray(value)) throw new TypeError('no position');
  const [at, line] = value as unknown[];
  if (!isCount(at) || !isCount(line)) throw new TypeError('no position');
  return { at, line };
}

function isCount(value: unknown): value is number {
  return Number.isSafeInteger(value) && (value as number) >= 0;
}
