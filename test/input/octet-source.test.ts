import { execFileSync, spawn } from 'node:child_process';
import { appendFileSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join as joinPath } from 'node:path';
import { Readable } from 'node:stream';
import { gzipSync } from 'node:zlib';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { formatOf } from '../../src/input/capture-file.ts';
import { BLOCK_OCTETS, type OctetSource, OctetSourceError, openOctetSource } from '../../src/input/octet-source.ts';
import { hex, join } from '../support/capture-builder.ts';

let directory = '';
beforeAll(() => {
  directory = mkdtempSync(joinPath(tmpdir(), 'octet-source-'));
});
afterAll(() => rmSync(directory, { recursive: true, force: true }));

function file(name: string, content: Uint8Array): string {
  const path = joinPath(directory, name);
  writeFileSync(path, content);
  return path;
}

/** Octets that neither repeat nor pack to nothing. */
function mixedOctets(length: number): Uint8Array {
  const octets = new Uint8Array(length);
  let state = 0x2545f491;
  for (let i = 0; i < length; i++) {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    octets[i] = (state >>> 28) + 65;
  }
  return octets;
}

async function opened(path: string, standardInput?: Readable): Promise<OctetSource> {
  const source = await openOctetSource(path, standardInput);
  if (source instanceof OctetSourceError) throw new Error(source.message);
  return source;
}

async function readAll(source: OctetSource): Promise<Uint8Array> {
  const blocks: Uint8Array[] = [];
  for (;;) {
    const next = source.next();
    const block = next instanceof Promise ? await next : next;
    if (block === undefined) break;
    blocks.push(block.slice());
  }
  source.close();
  return join(...blocks);
}

const CONTENT = mixedOctets(3 * BLOCK_OCTETS + 123);

describe('a plain file', () => {
  it('comes in blocks of 1 MiB without waiting, with its progress', async () => {
    const source = await opened(file('plain', CONTENT));
    expect([source.octetsTotal, source.isGzip]).toEqual([CONTENT.length, false]);
    expect(source.firstOctets).toEqual(CONTENT.subarray(0, 32));
    const lengths: number[] = [];
    const progress: number[] = [];
    let at = 0;
    for (;;) {
      const block = source.next();
      if (block instanceof Promise) throw new Error('a plain file waits for nothing');
      if (block === undefined) break;
      expect(Buffer.compare(block, CONTENT.subarray(at, at + block.length))).toBe(0);
      at += block.length;
      lengths.push(block.length);
      progress.push(source.octetsRead);
    }
    source.close();
    expect(lengths).toEqual([BLOCK_OCTETS, BLOCK_OCTETS, BLOCK_OCTETS, 123]);
    expect(progress).toEqual([1, 2, 3].map((n) => n * BLOCK_OCTETS).concat(CONTENT.length));
    expect(source.error).toBeUndefined();
  });

  it.each([0, 1, 2, 3, 31, 32, 33])('of %i octets', async (length) => {
    const content = CONTENT.subarray(0, length);
    const source = await opened(file(`short-${length}`, content));
    expect(source.firstOctets).toEqual(content.slice(0, 32));
    expect(await readAll(source)).toEqual(content.slice());
  });

  it('that grows while it is read gives what was added', async () => {
    const path = file('grows', CONTENT.subarray(0, 100));
    const source = await opened(path);
    expect(source.next()).toHaveLength(100);
    appendFileSync(path, CONTENT.subarray(100, 150));
    expect(source.next()).toHaveLength(50);
    expect(source.next()).toBeUndefined();
    expect([source.octetsRead, source.octetsTotal]).toEqual([150, 100]);
    source.close();
  });
});

describe('gzip', () => {
  it('is told by content, whatever the name', async () => {
    const packed = gzipSync(CONTENT);
    const source = await opened(file('packed.pcap', packed));
    expect([source.isGzip, source.octetsTotal]).toEqual([true, packed.length]);
    expect(Buffer.compare(await readAll(source), CONTENT)).toBe(0);
    expect([source.error, source.octetsRead]).toEqual([undefined, packed.length]);
    const plain = await opened(file('plain.gz', CONTENT.subarray(0, 999)));
    expect([plain.isGzip, await readAll(plain)]).toEqual([false, CONTENT.slice(0, 999)]);
  });

  it('may have several members, also empty ones', async () => {
    const parts = [CONTENT.subarray(0, 1000), new Uint8Array(0), CONTENT.subarray(1000, 500_000)];
    const source = await opened(file('members', join(...parts.map((part) => gzipSync(part)))));
    expect(Buffer.compare(await readAll(source), CONTENT.subarray(0, 500_000))).toBe(0);
  });

  it('made by gzip itself, its content told apart', async () => {
    const path = file('by-gzip', join(hex('0a0d0d0a'), CONTENT.subarray(0, 50_000)));
    execFileSync('gzip', ['-9', path]);
    const source = await opened(`${path}.gz`);
    expect(formatOf(source.firstOctets)).toBe('pcapng');
    expect(await readAll(source)).toHaveLength(50_004);
  });

  it('cut off anywhere gives all that was in it, then an error', async () => {
    const packed = gzipSync(CONTENT);
    // All but the last octets of the check sum: nothing of the content is missing.
    const source = await opened(file('cut-end', packed.subarray(0, -3)));
    expect(Buffer.compare(await readAll(source), CONTENT)).toBe(0);
    expect(source.error).toMatchObject({ code: 'Z_BUF_ERROR', message: expect.stringContaining('cut-end') });
    const half = await opened(file('cut-half', packed.subarray(0, packed.length / 2)));
    const content = await readAll(half);
    expect(content.length).toBeGreaterThan(CONTENT.length * 0.45);
    expect(Buffer.compare(content, CONTENT.subarray(0, content.length))).toBe(0);
    expect(half.error?.code).toBe('Z_BUF_ERROR');
  });

  it('cut off within its header is an error at once', async () => {
    const result = await openOctetSource(file('cut-header', gzipSync(CONTENT).subarray(0, 5)));
    expect(result).toMatchObject({ code: 'Z_BUF_ERROR' });
  });

  it('that is damaged ends in an error', async () => {
    const packed = gzipSync(CONTENT);
    packed.fill(0xff, packed.length / 2, packed.length / 2 + 1000);
    const source = await opened(file('damaged', packed));
    const content = await readAll(source);
    expect(source.error?.code).toBe('Z_DATA_ERROR');
    expect(content.length).toBeGreaterThan(BLOCK_OCTETS);
  });

  it('bombs cost no memory', async () => {
    // 400 MiB of zeroes in 400 kB.
    const one = gzipSync(new Uint8Array(50 * BLOCK_OCTETS), { level: 9 });
    const source = await opened(file('bomb', join(...new Array<Uint8Array>(8).fill(one))));
    let octets = 0;
    let largest = 0;
    const before = process.memoryUsage().rss;
    let peak = before;
    for (;;) {
      const block = await source.next();
      if (block === undefined) break;
      octets += block.length;
      largest = Math.max(largest, block.length);
      if (octets % (20 * BLOCK_OCTETS) < block.length) peak = Math.max(peak, process.memoryUsage().rss);
    }
    source.close();
    expect(octets).toBe(400 * BLOCK_OCTETS);
    expect(largest).toBeLessThanOrEqual(BLOCK_OCTETS);
    expect(peak - before).toBeLessThan(200 * BLOCK_OCTETS);
  });
});

describe('pipes', () => {
  it('standard input gives its octets, the first ones joined from single ones', async () => {
    const pieces = [...CONTENT.subarray(0, 40)].map((octet) => Uint8Array.of(octet));
    pieces.push(CONTENT.slice(40, 100_000));
    const source = await opened(
      '-',
      Readable.from(
        pieces.map((piece) => Buffer.from(piece)),
        { objectMode: false },
      ),
    );
    expect([source.firstOctets, source.octetsTotal]).toEqual([CONTENT.slice(0, 32), 0]);
    expect(Buffer.compare(await readAll(source), CONTENT.subarray(0, 100_000))).toBe(0);
    expect(source.octetsRead).toBe(100_000);
  });

  it('standard input may be gzip, or nothing', async () => {
    const packed = await opened('-', Readable.from([gzipSync(CONTENT)], { objectMode: false }));
    expect(Buffer.compare(await readAll(packed), CONTENT)).toBe(0);
    const nothing = await opened('-', Readable.from([], { objectMode: false }));
    expect([nothing.firstOctets.length, nothing.next(), nothing.error]).toEqual([0, undefined, undefined]);
  });

  it('standard input that fails says so after what it gave', async () => {
    const failing = Readable.from(
      (function* () {
        yield Buffer.from(CONTENT.subarray(0, 100));
        throw Object.assign(new Error('input/output error'), { code: 'EIO' });
      })(),
      { objectMode: false },
    );
    const result = await openOctetSource('-', failing);
    if (!(result instanceof OctetSourceError)) expect(await readAll(result)).toHaveLength(100);
    const error = result instanceof OctetSourceError ? result : result.error;
    expect(error).toMatchObject({ code: 'EIO', message: expect.stringContaining('standard input') });
  });

  it('a named pipe is read as it is written', async () => {
    const path = joinPath(directory, 'fifo');
    execFileSync('mkfifo', [path]);
    const content = file('fifo-content', CONTENT);
    const writer = spawn('sh', ['-c', `cat '${content}' > '${path}'`]);
    const source = await opened(path);
    expect(Buffer.compare(await readAll(source), CONTENT)).toBe(0);
    expect(source.octetsTotal).toBe(0);
    if (writer.exitCode === null) await new Promise((resolve) => writer.once('exit', resolve));
  });
});

describe('what cannot be read', () => {
  it('gives one error with the path and the system’s words', async () => {
    mkdirSync(joinPath(directory, 'folder'));
    expect(await openOctetSource(joinPath(directory, 'missing'))).toMatchObject({
      code: 'ENOENT',
      message: `cannot read ${joinPath(directory, 'missing')}: no such file or directory (ENOENT)`,
    });
    expect(await openOctetSource(joinPath(directory, 'folder'))).toMatchObject({
      code: 'EISDIR',
      message: `cannot read ${joinPath(directory, 'folder')}: is a directory (EISDIR)`,
    });
    expect(await openOctetSource(joinPath(file('no-folder', CONTENT.slice(0, 9)), 'x'))).toMatchObject({
      code: 'ENOTDIR',
    });
  });
});
