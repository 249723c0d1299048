import { execFile, execFileSync } from 'node:child_process';
import {
  closeSync,
  constants,
  mkdtempSync,
  openSync,
  readFileSync,
  readSync,
  renameSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { Flow } from '../../src/flow/flow.ts';
import { Origin } from '../../src/flow/origin.ts';
import { type LineFormat, type NdjsonEvent, type NdjsonOptions, NdjsonSink } from '../../src/sink/ndjson.ts';

const FLOW = new Flow(new Origin());
const directory = mkdtempSync(join(tmpdir(), 'flowrelay-'));
let fileNumber = 0;

function newPath(): string {
  return join(directory, `${fileNumber++}.json`);
}

/** Lines that count up, `width` octets each, handed on `batch` at a time from a buffer that is used again. */
class CountingFormat implements LineFormat {
  linesWritten = 0;
  readonly #drain: (octets: Uint8Array) => void;
  readonly #width: number;
  readonly #batch: number;
  readonly #buffer = Buffer.alloc(1 << 20);
  #length = 0;
  #lines = 0;

  constructor(drain: (octets: Uint8Array) => void, width: number, batch: number) {
    this.#drain = drain;
    this.#width = width;
    this.#batch = batch;
  }

  write(): void {
    const line = `{"n":${this.linesWritten++}}`.padEnd(this.#width - 1);
    this.#length += this.#buffer.write(`${line}\n`, this.#length);
    if (++this.#lines >= this.#batch) this.flush();
  }

  writeRecord(): void {
    this.write();
  }

  flush(): void {
    if (this.#length > 0) this.#drain(this.#buffer.subarray(0, this.#length));
    this.#buffer.fill(0, 0, this.#length);
    this.#length = 0;
    this.#lines = 0;
  }
}

function sinkTo(path: string, options: Partial<NdjsonOptions> & { width?: number; batch?: number } = {}) {
  const events: NdjsonEvent[] = [];
  const { width = 16, batch = 4, ...others } = options;
  const sink = new NdjsonSink({
    path,
    delivery: 'drop',
    queueOctets: 100_000,
    flushIntervalMs: 0,
    makeFormat: (drain) => new CountingFormat(drain, width, batch),
    onEvent: (event) => events.push(event),
    ...others,
  });
  return { sink, events };
}

function writeLines(sink: NdjsonSink, count: number): void {
  for (let i = 0; i < count; i++) {
    sink.write(FLOW);
    expect(sink.linesOffered).toBe(sink.linesWritten + sink.linesDropped + sink.linesQueued);
  }
}

function numbersIn(text: string): number[] {
  return text
    .trimEnd()
    .split('\n')
    .map((line) => (JSON.parse(line) as { n: number }).n);
}

function makePipe(): string {
  const path = newPath();
  execFileSync('mkfifo', [path]);
  return path;
}

describe('NdjsonSink on a file', () => {
  it('appends every line, those of records too', async () => {
    const path = newPath();
    writeFileSync(path, '{"n":-1}\n');
    const { sink } = sinkTo(path);
    writeLines(sink, 9);
    expect(sink.linesQueued).toBe(1);
    sink.writeRecord({ recordType: 'options', origin: FLOW.origin, values: {}, ianaValues: {} });
    await sink.flush();
    expect(sink.linesQueued).toBe(0);
    await sink.close();
    expect(numbersIn(readFileSync(path, 'utf8'))).toEqual([-1, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9]);
    expect([sink.linesWritten, sink.octetsWritten]).toEqual([10, 160]);
  });

  it('hands lines on after its interval though the buffer is not full', async () => {
    const path = newPath();
    const { sink } = sinkTo(path, { batch: 1000, flushIntervalMs: 5 });
    writeLines(sink, 1);
    expect(readFileSync(path, 'utf8')).toBe('');
    for (const endMs = Date.now() + 30_000; readFileSync(path, 'utf8') === '' && Date.now() < endMs; ) {
      await new Promise((resolve) => setTimeout(resolve, 5));
    }
    expect(numbersIn(readFileSync(path, 'utf8'))).toEqual([0]);
    await sink.close();
  });

  it('goes on in a new file after the old one was moved away', async () => {
    const path = newPath();
    const { sink } = sinkTo(path);
    writeLines(sink, 6);
    renameSync(path, `${path}.1`);
    sink.reopen();
    writeLines(sink, 4);
    await sink.close();
    expect(numbersIn(readFileSync(`${path}.1`, 'utf8'))).toEqual([0, 1, 2, 3, 4, 5]);
    expect(numbersIn(readFileSync(path, 'utf8'))).toEqual([6, 7, 8, 9]);
  });

  it('refuses a file that holds something else, which is a slip of the command line', () => {
    const path = newPath();
    writeFileSync(path, Buffer.from([0xd4, 0xc3, 0xb2, 0xa1]));
    expect(() => sinkTo(path)).toThrow(`cannot write ${path}: it holds something else than JSON lines`);
    expect(readFileSync(path).length).toBe(4);
  });

  it.each([
    ['/nonexistent/a.json', 'no such file or directory (ENOENT)'],
    [directory, 'illegal operation on a directory (EISDIR)'],
  ])('says in one line that %s cannot be opened', (path, reason) => {
    expect(() => sinkTo(path)).toThrow(`cannot write ${path}: ${reason}`);
  });
});

describe('NdjsonSink where writing fails', () => {
  it('says so once, keeps lines within its bound, drops and counts the rest (collect)', async () => {
    const { sink, events } = sinkTo('/dev/full', { queueOctets: 640, flushIntervalMs: 5 });
    writeLines(sink, 100);
    await expect.poll(() => sink.writeErrors).toBeGreaterThan(1);
    expect(sink.octetsQueued).toBe(640);
    expect([sink.linesWritten, sink.linesDropped, sink.linesQueued]).toEqual([0, 60, 40]);
    expect(events.filter(({ kind }) => kind === 'write_failed')).toEqual([
      { kind: 'write_failed', path: '/dev/full', reason: 'no space left on device (ENOSPC)' },
    ]);
    expect(events.filter(({ kind }) => kind === 'drops_began')).toHaveLength(1);
  });

  it('gives up with one clear error (convert)', async () => {
    const { sink } = sinkTo('/dev/full', { delivery: 'wait' });
    writeLines(sink, 100);
    await sink.close();
    expect(sink.failure?.message).toBe('cannot write /dev/full: no space left on device (ENOSPC)');
    expect([sink.linesWritten, sink.linesDropped]).toEqual([0, 100]);
  });
});

describe('NdjsonSink on a pipe', () => {
  it('never waits for a slow reader: drops whole lines, counts them, and says when it began and ended', async () => {
    const path = makePipe();
    const reader = openSync(path, constants.O_RDWR | constants.O_NONBLOCK);
    const { sink, events } = sinkTo(path, { width: 1000, batch: 10, queueOctets: 300_000, flushIntervalMs: 5 });
    writeLines(sink, 1000);
    await new Promise((resolve) => setTimeout(resolve, 20));
    writeLines(sink, 1000);
    expect(sink.octetsQueued).toBeLessThanOrEqual(300_000);
    expect(sink.linesDropped).toBeGreaterThan(1000);
    let text = '';
    const buffer = Buffer.alloc(65_536);
    while (sink.linesQueued > 0 || text.length < sink.octetsWritten) {
      try {
        text += buffer.toString('utf8', 0, readSync(reader, buffer));
      } catch {
        // Empty just now.
        await new Promise((resolve) => setTimeout(resolve, 1));
      }
    }
    await sink.close();
    const numbers = numbersIn(text);
    expect(numbers).toHaveLength(sink.linesWritten);
    expect([...numbers].sort((a, b) => a - b)).toEqual(numbers);
    expect(sink.linesWritten + sink.linesDropped).toBe(2000);
    expect(events.map(({ kind }) => kind)).toEqual(['drops_began', 'drops_ended']);
    expect(events[1]).toMatchObject({ linesDropped: sink.linesDropped });
    closeSync(reader);
  });

  it('asks its caller to wait and loses nothing (convert)', async () => {
    const path = makePipe();
    const child = outputOf('cat', [path]);
    const { sink } = sinkTo(path, { delivery: 'wait', width: 1000, batch: 10, queueOctets: 50_000 });
    let waits = 0;
    for (let i = 0; i < 2000; i++) {
      sink.write(FLOW);
      if (!sink.mustWait) continue;
      waits++;
      await sink.drained();
    }
    await sink.close();
    expect(numbersIn(await child)).toEqual(Array.from({ length: 2000 }, (_, n) => n));
    expect(waits).toBeGreaterThan(10);
  });

  it('ends when its reader goes away', async () => {
    const path = makePipe();
    const reader = openSync(path, 'r+');
    const { sink, events } = sinkTo(path);
    closeSync(reader);
    writeLines(sink, 8);
    await sink.flush();
    writeLines(sink, 8);
    expect(sink.isReaderGone).toBe(true);
    expect(events).toEqual([{ kind: 'reader_gone', path }]);
    await sink.close();
    expect([sink.linesOffered, sink.linesWritten, sink.linesDropped]).toEqual([16, 0, 16]);
  });
});

function outputOf(command: string, words: readonly string[]): Promise<string> {
  return new Promise((resolve, reject) => {
    execFile(command, words, { maxBuffer: 1 << 26 }, (error, stdout) =>
      error === null ? resolve(stdout) : reject(error),
    );
  });
}
