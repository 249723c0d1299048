import { execFileSync } from 'node:child_process';
import {
  appendFileSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  truncateSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, describe, expect, it } from 'vitest';
import type { SpoolPosition } from '../../src/sink/pending-ranges.ts';
import { Spool, type SpoolEvent, type SpoolOptions } from '../../src/sink/spool.ts';
import { Random } from '../support/random.ts';

const START = { at: 0, line: 0 };
const folders: string[] = [];

afterEach(() => {
  for (const folder of folders.splice(0)) rmSync(folder, { recursive: true, force: true });
});

function folder(): string {
  const path = mkdtempSync(join(tmpdir(), 'spool-'));
  folders.push(path);
  return path;
}

interface Opened {
  readonly spool: Spool;
  readonly lost: [SpoolPosition, SpoolPosition][];
  readonly events: SpoolEvent[];
}

function open(options: Partial<SpoolOptions> = {}): Opened {
  const lost: [SpoolPosition, SpoolPosition][] = [];
  const events: SpoolEvent[] = [];
  const spool = new Spool({
    directory: undefined,
    maxOctets: 1024 * 1024,
    memoryOctets: 1024 * 1024,
    after: START,
    onFull: () => {},
    onEvent: (event) => events.push(event),
    onLost: (from, to) => lost.push([from, to]),
    ...options,
  });
  return { spool, lost, events };
}

function add(spool: Spool, text: string, nowMs = 1000): number {
  const octets = Buffer.from(text);
  return spool.append(octets, 0, octets.length, text.split('\n').length - 1, nowMs);
}

/** All that can be read from `from` on, batch by batch. */
function readAll(spool: Spool, from: SpoolPosition = START, maxOctets = 1024): string {
  let text = '';
  for (let at = from; ; ) {
    const batch = spool.read(at, spool.end, maxOctets);
    if (batch === undefined) return text;
    text += batch.octets.toString();
    expect(batch.lines).toBe(batch.octets.toString().split('\n').length - 1);
    expect(batch.next.line - batch.from.line).toBe(batch.lines);
    at = batch.next;
  }
}

function spoolFiles(directory: string): string[] {
  return readdirSync(directory)
    .filter((file) => file.endsWith('.spool'))
    .sort();
}

describe.each(['memory', 'disk'])('a spool in %s', (place) => {
  const options = (): Partial<SpoolOptions> => (place === 'disk' ? { directory: folder() } : {});

  it('gives back what it was given, in order, by whole lines', () => {
    const { spool } = open(options());
    const texts = Array.from({ length: 500 }, (_, i) => `${'x'.repeat(i % 50)}${i}\nand ${i}\n`);
    for (const text of texts) expect(add(spool, text)).toBe(2);
    expect(spool.end.line).toBe(1000);
    expect(readAll(spool)).toBe(texts.join(''));
    expect(readAll(spool, START, 1)).toBe(texts.join(''));
    expect(readAll(spool, START, 1_000_000)).toBe(texts.join(''));
    expect(readAll(spool)).toBe(texts.join(''));
  });

  it('cuts what is long between lines, and refuses a line that is longer than any', () => {
    const { spool } = open({ ...options(), maxOctets: 16e6, memoryOctets: 16e6 });
    const text = Array.from({ length: 20_000 }, (_, i) => `line ${i} ${'y'.repeat(i % 40)}\n`).join('');
    expect(add(spool, text)).toBe(20_000);
    expect(add(spool, `${'z'.repeat(300_000)}\nend\n`)).toBe(1);
    expect(readAll(spool, START, 100_000)).toBe(`${text}end\n`);
  });

  it('gives up the oldest first when it is full, and says what', () => {
    const { spool, lost } = open({ ...options(), maxOctets: 100_000, memoryOctets: 3_000_000 });
    const wanted = place === 'disk' ? 100_000 : 3_000_000;
    const line = `${'x'.repeat(999)}\n`;
    for (let i = 0; i < 5000; i++) add(spool, line);
    expect(spool.octets).toBeLessThanOrEqual(wanted);
    expect(spool.octets).toBeGreaterThan(wanted / 2);
    const kept = readAll(spool).length / 1000;
    expect(lost.reduce((sum, [from, to]) => sum + to.line - from.line, 0)).toBe(5000 - kept);
    expect(lost[0]![0]).toEqual(START);
  });

  it('releases what nobody needs, in the middle too', () => {
    const { spool } = open({ ...options(), maxOctets: 800_000, memoryOctets: 16e6 });
    for (let i = 0; i < 700; i++) add(spool, `${'x'.repeat(place === 'disk' ? 999 : 9_999)}\n`);
    const { segments } = spool;
    expect(segments.length).toBeGreaterThan(5);
    const kept = [segments[0]!, segments.at(-1)!];
    spool.release((from, to) => kept.some(({ start, end }) => start.at < to.at && end.at > from.at));
    expect(spool.segments).toEqual(kept);
    spool.release(() => false);
    expect(spool.octets).toBe(0);
    add(spool, 'more\n');
    expect(readAll(spool)).toBe('more\n');
  });

  it('knows since when its oldest waits', () => {
    const { spool } = open(options());
    add(spool, 'a\n', 5_000_000);
    add(spool, 'b\n', 9_000_000);
    expect(spool.timeMsAt(START)).toBe(5_000_000);
    expect(spool.timeMsAt(spool.read(START, spool.end, 1)!.next)).toBe(9_000_000);
    expect(spool.timeMsAt(spool.end)).toBeUndefined();
  });
});

describe('after a crash', () => {
  const TEXT = ['first\n', 'second\nthird\n', 'fourth\n'];

  function written(directory: string): string {
    const { spool } = open({ directory });
    for (const text of TEXT) add(spool, text);
    return join(directory, spoolFiles(directory)[0]!);
  }

  it('cuts a torn record off, wherever it is torn', () => {
    const whole = readFileSync(written(folder()));
    const ends = [30, 30 + 37, 30 + 37 + 31];
    expect(whole.length).toBe(ends[2]);
    for (let length = 0; length < whole.length; length++) {
      const directory = folder();
      truncateSync(written(directory), length);
      const { spool } = open({ directory });
      const records = ends.filter((end) => end <= length).length;
      expect(readAll(spool)).toBe(TEXT.slice(0, records).join(''));
      expect(spool.end.at).toBe(ends[records - 1] ?? 0);
      add(spool, 'more\n');
      expect(readAll(open({ directory }).spool)).toBe(`${TEXT.slice(0, records).join('')}more\n`);
    }
  });

  it('finds every octet that has changed', () => {
    const directory = folder();
    const path = written(directory);
    const whole = readFileSync(path);
    for (let i = 0; i < whole.length; i++) {
      const damaged = Buffer.from(whole);
      damaged[i] = damaged[i]! ^ 1;
      writeFileSync(path, damaged);
      const text = readAll(open({ directory }).spool);
      expect(TEXT.map((_, n) => TEXT.slice(0, n).join(''))).toContain(text);
      for (const file of spoolFiles(directory)) rmSync(join(directory, file));
    }
  });

  it('reads any garbage without harm', () => {
    const random = new Random(1);
    for (let i = 0; i < 200; i++) {
      const directory = folder();
      const path = written(directory);
      appendFileSync(path, Buffer.from(Array.from({ length: random.below(200) }, () => random.below(256))));
      writeFileSync(join(directory, 'other.spool'), 'x');
      expect(readAll(open({ directory }).spool)).toBe(TEXT.join(''));
      rmSync(directory, { recursive: true });
    }
  });

  it('passes over a damaged part in the middle and goes on behind it', () => {
    const directory = folder();
    const before = open({ directory, maxOctets: 8192 });
    for (let i = 0; i < 100; i++) add(before.spool, `line ${i}\n`);
    const files = spoolFiles(directory);
    expect(files.length).toBeGreaterThan(2);
    const path = join(directory, files[1]!);
    const octets = readFileSync(path);
    octets[30] = 0;
    writeFileSync(path, octets);
    const { spool } = open({ directory });
    const first = spool.segments[0]!.end;
    const batch = spool.read(first, spool.end, 100)!;
    expect(batch.from).toEqual(spool.segments[2]!.start);
    expect(batch.octets.toString()).toMatch(new RegExp(`^line ${batch.from.line}\n`));
  });

  it('goes on behind positions that are further than its files', () => {
    const directory = folder();
    written(directory);
    const after = { at: 10_000, line: 700 };
    const { spool } = open({ directory, after });
    add(spool, 'new\n');
    expect(spool.segments.at(-1)!.start).toEqual(after);
    expect(spool.end.line).toBe(701);
  });
});

describe('a disk that fails', () => {
  it('is full: nothing is lost, and no file ends in the middle of a record', ({ skip }) => {
    const directory = folder();
    try {
      execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=64k', 'tmpfs', directory], { stdio: 'pipe' });
    } catch (error) {
      if (process.env['FLOWRELAY_REQUIRE_INTEGRATION'] === '1') throw error;
      skip('no small file system can be mounted');
      return;
    }
    try {
      const { spool, events } = open({ directory });
      const texts = Array.from({ length: 200 }, (_, i) => `line ${i} ${'x'.repeat(700)}\n`);
      for (const text of texts) add(spool, text);
      expect(events).toEqual([{ kind: 'spool_failed', path: directory, reason: expect.stringContaining('ENOSPC') }]);
      expect(readAll(spool)).toBe(texts.join(''));
      const [file = ''] = spoolFiles(directory);
      const { length } = texts[0]!;
      const onDisk = statSync(join(directory, file)).size;
      const [memory] = spool.segments.filter(({ isOnDisk }) => !isOnDisk);
      expect(onDisk).toBe(memory!.start.at);
      expect(memory!.start.line).toBeGreaterThan(Math.floor(50_000 / length));
    } finally {
      execFileSync('umount', [directory]);
    }
  });

  it('is said, and memory is used until it works again', () => {
    const directory = folder();
    const { spool, events } = open({ directory });
    add(spool, 'a\n', 1000);
    // The file's place is taken away by a file of that name.
    rmSync(directory, { recursive: true });
    writeFileSync(directory, '');
    spool.release(() => false);
    for (let i = 0; spool.isOnDisk && i < 40_000; i++) add(spool, `b${i} ${'x'.repeat(100)}\n`, 2000);
    expect(events).toEqual([{ kind: 'spool_failed', path: directory, reason: expect.any(String) }]);
    expect(spool.isFailing).toBe(true);
    expect(readAll(spool)).toMatch(/b\d+ x+\n$/);
    rmSync(directory);
    open({ directory });
    add(spool, 'c\n', 2500);
    expect(spool.isFailing).toBe(true);
    add(spool, 'd\n', 60_000);
    expect(events.at(-1)).toEqual({ kind: 'spool_recovered', path: directory });
    expect(readAll(spool)).toMatch(/c\nd\n$/);
    expect(statSync(join(directory, spoolFiles(directory)[0]!)).size).toBe(26);
    expect(readAll(open({ directory }).spool)).toBe('d\n');
  });
});
