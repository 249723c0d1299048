/**
 * The octets of a file, of standard input or of a pipe, block by block, unpacked where they are gzip (by content, whatever
 * the name). What the octets mean is left to others.
 */

import type { Stats } from 'node:fs';
import { close, createReadStream, fstatSync, open, openSync, readSync, statSync } from 'node:fs';
import type { Readable } from 'node:stream';
import { getSystemErrorMap, promisify } from 'node:util';
import type { Gunzip } from 'node:zlib';

/** Octets asked of a plain file at once: with what is done with them they stay in the second cache of today's processors. */
export const BLOCK_OCTETS = 524_288;
/** How many octets {@link OctetSource.firstOctets} shows, unless there are fewer. */
export const FIRST_OCTETS = 32;

/** Why a file cannot be read, or not to its end. */
export class OctetSourceError {
  /** System error or zlib code: `ENOENT`, `EISDIR`, `Z_DATA_ERROR`, … */
  readonly code: string;
  /** A sentence for the user, with the path. */
  readonly message: string;

  /** Says that `path` failed with `code`, explained by `text`. */
  constructor(path: string, code: string, text: string) {
    this.code = code;
    this.message = `cannot read ${path === '-' ? 'standard input' : path}: ${text} (${code})`;
  }
}

/** A block, the end, or either of them later. */
type Next = Uint8Array | undefined | Promise<Uint8Array | undefined>;

/** Where octets come from before {@link OctetSource} wraps it. */
interface Origin {
  /** Octets read from the file or pipe itself, packed or not. */
  octetsRead: number;
  /** Why it ended early. */
  error: OctetSourceError | undefined;
  /** The next block, only good until the next call; undefined at the end or after an error. */
  next(): Next;
  /** Lets go of the file. */
  close(): void;
}

/**
 * Octets from a path. Loop until {@link OctetSource.next} gives undefined, then ask {@link OctetSource.error}, then close:
 * plain files answer at once, everything else with promises where it must wait.
 */
export class OctetSource {
  /** The first octets, {@link FIRST_OCTETS} at most, unpacked: enough to tell formats apart. {@link OctetSource.next} gives them again. */
  readonly firstOctets: Uint8Array;
  /** Octets the file has as it lies on disk, as of opening; 0 where that is not known (pipes). */
  readonly octetsTotal: number;
  /** Whether the octets are gzip on their way in. */
  readonly isGzip: boolean;

  #origin: Origin;
  #held: Uint8Array | undefined;

  /** For {@link openOctetSource} only: `held` is the first block. */
  constructor(origin: Origin, held: Uint8Array | undefined, octetsTotal: number, isGzip: boolean) {
    this.#origin = origin;
    this.#held = held;
    this.firstOctets = held === undefined ? new Uint8Array(0) : held.slice(0, FIRST_OCTETS);
    this.octetsTotal = octetsTotal;
    this.isGzip = isGzip;
  }

  /** Octets read so far, as they lie on disk: for progress against {@link OctetSource.octetsTotal}. */
  get octetsRead(): number {
    return this.#origin.octetsRead;
  }

  /** What ended the octets before their end; undefined when nothing did. */
  get error(): OctetSourceError | undefined {
    return this.#origin.error;
  }

  /** The next block, valid until the next call; undefined at the end. Not to be called again before a promise is settled. */
  next(): Next {
    if (this.#held === undefined) return this.#origin.next();
    const held = this.#held;
    this.#held = undefined;
    return held;
  }

  /** Lets go of the file; standard input is left open. */
  close(): void {
    this.#held = undefined;
    this.#origin.close();
  }
}

/** Opens a path, or standard input for `-`, and reads its first octets. Gives the error, never rejects. */
export async function openOctetSource(path: string, standardInput?: Readable): Promise<OctetSource | OctetSourceError> {
  let descriptor = 0;
  try {
    // Opening a named pipe waits for its writer, so that is done off this thread.
    if (path !== '-') descriptor = statSync(path).isFile() ? openSync(path, 'r') : await promisify(open)(path, 'r');
    else if (standardInput !== undefined && standardInput !== process.stdin) descriptor = -1;
    const stats: Stats | undefined = descriptor < 0 ? undefined : fstatSync(descriptor);
    if (stats?.isDirectory()) {
      if (path !== '-') close(descriptor);
      return new OctetSourceError(path, 'EISDIR', 'is a directory');
    }
    const isFile = stats?.isFile() ?? false;
    let origin: Origin;
    if (isFile) origin = new PlainFile(path, descriptor);
    else if (path === '-') origin = new StreamOrigin(path, standardInput ?? process.stdin);
    else origin = new StreamOrigin(path, createReadStream('', { fd: descriptor, highWaterMark: BLOCK_OCTETS }));
    const total = isFile ? (stats?.size ?? 0) : 0;
    let first = await readFirst(origin);
    const isGzip = first !== undefined && first.length >= 2 && first[0] === 0x1f && first[1] === 0x8b;
    if (isGzip) {
      // Not loaded at start: with the streams it is made of it takes as long as a small capture.
      const { createGunzip } = await import('node:zlib');
      origin = new GunzipOrigin(path, origin, first, createGunzip({ chunkSize: 262_144 }));
      first = await readFirst(origin);
    }
    if (first === undefined && origin.error !== undefined) {
      origin.close();
      return origin.error;
    }
    return new OctetSource(origin, first, total, isGzip);
  } catch (error) {
    return errorOf(path, error);
  }
}

/** The first block, joined with as many further ones as it takes to have {@link FIRST_OCTETS}: pipes give single octets too. */
async function readFirst(origin: Origin): Promise<Uint8Array | undefined> {
  let first = await origin.next();
  while (first !== undefined && first.length < FIRST_OCTETS) {
    const held: Uint8Array = first.slice();
    const block = await origin.next();
    if (block === undefined) return held;
    first = new Uint8Array(held.length + block.length);
    first.set(held);
    first.set(block, held.length);
  }
  return first;
}

/** Explains whatever node threw or emitted. */
function errorOf(path: string, error: unknown): OctetSourceError {
  if (!(error instanceof Error)) return new OctetSourceError(path, 'unknown', String(error));
  const { code, errno } = error as NodeJS.ErrnoException;
  const text = typeof errno === 'number' ? getSystemErrorMap().get(errno)?.[1] : undefined;
  return new OctetSourceError(path, code ?? 'unknown', text ?? error.message);
}

/** A regular file, read synchronously into one buffer. */
class PlainFile implements Origin {
  octetsRead = 0;
  error: OctetSourceError | undefined;
  #path: string;
  #descriptor: number;
  #buffer = new Uint8Array(BLOCK_OCTETS);

  constructor(path: string, descriptor: number) {
    this.#path = path;
    this.#descriptor = descriptor;
  }

  next(): Uint8Array | undefined {
    if (this.error !== undefined || this.#descriptor < 0) return undefined;
    try {
      const length = readSync(this.#descriptor, this.#buffer, 0, BLOCK_OCTETS, null);
      this.octetsRead += length;
      if (length === 0) return undefined;
      return length === BLOCK_OCTETS ? this.#buffer : this.#buffer.subarray(0, length);
    } catch (error) {
      this.error = errorOf(this.#path, error);
      return undefined;
    }
  }

  close(): void {
    if (this.#descriptor > 0) close(this.#descriptor);
    this.#descriptor = -1;
  }
}

/** A pipe, a socket or a terminal. */
class StreamOrigin implements Origin {
  octetsRead = 0;
  error: OctetSourceError | undefined;
  #path: string;
  #stream: Readable;
  #ended = false;
  #wake: (() => void) | undefined;

  constructor(path: string, stream: Readable) {
    this.#path = path;
    this.#stream = stream;
    const wake = (): void => this.#wake?.();
    stream.on('readable', wake);
    stream.on('end', () => {
      this.#ended = true;
      wake();
    });
    stream.on('close', () => {
      this.#ended = true;
      wake();
    });
    stream.on('error', (error) => {
      this.error ??= errorOf(this.#path, error);
      this.#ended = true;
      wake();
    });
  }

  next(): Next {
    const block: Uint8Array | null = this.#stream.read();
    if (block !== null) {
      this.octetsRead += block.length;
      return block;
    }
    if (this.#stream.destroyed && this.#stream.errored) {
      // Known before the event that tells of it.
      this.error ??= errorOf(this.#path, this.#stream.errored);
    }
    if (this.#ended || this.#stream.readableEnded || this.#stream.destroyed) return undefined;
    return this.#nextLater();
  }

  async #nextLater(): Promise<Uint8Array | undefined> {
    await new Promise<void>((resolve) => {
      this.#wake = resolve;
    });
    this.#wake = undefined;
    return this.next();
  }

  close(): void {
    this.#ended = true;
    this.#wake?.();
    if (this.#path === '-') this.#stream.pause();
    else this.#stream.destroy();
  }
}

/**
 * Unpacks gzip, any number of members. Each packed block is written only when all that came of the former was taken, and
 * the end is announced last, so a file that is cut off still gives all that was in it, and no bomb grows in memory.
 */
class GunzipOrigin implements Origin {
  error: OctetSourceError | undefined;
  #path: string;
  #packed: Origin;
  #first: Uint8Array | undefined;
  #gunzip: Gunzip;
  #ended = false;
  #isWriting = false;
  #isEnding = false;
  #wake: (() => void) | undefined;

  constructor(path: string, packed: Origin, first: Uint8Array | undefined, gunzip: Gunzip) {
    this.#path = path;
    this.#packed = packed;
    this.#first = first;
    this.#gunzip = gunzip;
    const wake = (): void => this.#wake?.();
    this.#gunzip.on('readable', wake);
    this.#gunzip.on('end', () => {
      this.#ended = true;
      wake();
    });
    this.#gunzip.on('error', (error: NodeJS.ErrnoException) => {
      // zlib's numbers are not the system's: only its text explains them.
      this.error ??= new OctetSourceError(this.#path, error.code ?? 'Z_DATA_ERROR', `gzip: ${error.message}`);
      this.#ended = true;
      wake();
    });
  }

  get octetsRead(): number {
    return this.#packed.octetsRead;
  }

  next(): Next {
    const block: Uint8Array | null = this.#gunzip.read();
    if (block !== null) return block;
    return this.#ended ? undefined : this.#nextLater();
  }

  async #nextLater(): Promise<Uint8Array | undefined> {
    for (;;) {
      if (!this.#isWriting && !this.#isEnding) await this.#writeNext();
      // Looked at again first: it may have come while the packed block was read.
      const early: Uint8Array | null = this.#gunzip.read();
      if (early !== null) return early;
      if (this.#ended) return undefined;
      if (!this.#isWriting && !this.#isEnding) continue;
      await new Promise<void>((resolve) => {
        this.#wake = resolve;
      });
      this.#wake = undefined;
      const block: Uint8Array | null = this.#gunzip.read();
      if (block !== null) return block;
      if (this.#ended) return undefined;
    }
  }

  async #writeNext(): Promise<void> {
    const block = this.#first ?? (await this.#packed.next());
    this.#first = undefined;
    if (this.#ended) return;
    if (block === undefined) {
      this.error ??= this.#packed.error;
      this.#isEnding = true;
      this.#gunzip.end();
      return;
    }
    this.#isWriting = true;
    this.#gunzip.write(block, () => {
      this.#isWriting = false;
      this.#wake?.();
    });
  }

  close(): void {
    this.#ended = true;
    this.#wake?.();
    this.#gunzip.destroy();
    this.#packed.close();
  }
}
