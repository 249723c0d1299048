import { closeSync, fstatSync, ftruncateSync, openSync, readSync, statSync, writeSync } from 'node:fs';
import { ExportTallies, type ExportTransport, type ExportTransportOptions } from './export-transport.ts';

/** Which file. */
export interface FileExportOptions extends ExportTransportOptions {
  readonly destination: string;
}

const IPFIX_VERSION = 10;

/**
 * IPFIX Messages one behind the other (RFC 5655 section 7), appended to what such a file holds already. Written at once; a message that does not
 * fit a full disk is taken back, so that the file stays whole.
 */
export class FileExport implements ExportTransport {
  readonly destination: string;
  readonly tallies: ExportTallies;
  readonly octetsQueued = 0;
  readonly mustWait = false;
  failure: Error | undefined;
  readonly #options: FileExportOptions;
  #descriptor: number;
  #isClosed = false;

  /** Opens the file; throws one clear error where it cannot be, or holds something else. */
  constructor(options: FileExportOptions) {
    this.destination = options.destination;
    this.tallies = new ExportTallies(options.destination, options);
    this.#options = options;
    this.#descriptor = openFile(options.destination);
  }

  send(octets: Uint8Array, flows: number): boolean {
    this.tallies.queue(flows);
    if (this.failure !== undefined) {
      this.tallies.drop('write_failed', flows);
      return false;
    }
    let written = 0;
    try {
      while (written < octets.length) written += writeSync(this.#descriptor, octets, written, octets.length - written);
      this.tallies.send(flows, octets.length);
      return true;
    } catch (error) {
      this.#takeBack(written);
      const { code } = error as NodeJS.ErrnoException;
      if (this.#options.delivery === 'wait')
        this.failure = new Error(`cannot write ${this.destination}: ${code ?? 'unknown'}`);
      this.tallies.drop('write_failed', flows);
      return false;
    }
  }

  reopen(): void {
    const descriptor = openFile(this.destination);
    closeSync(this.#descriptor);
    this.#descriptor = descriptor;
    this.#options.onRestart();
  }

  async close(): Promise<void> {
    if (this.#isClosed) return;
    this.#isClosed = true;
    this.tallies.endDrops();
    closeSync(this.#descriptor);
  }

  #takeBack(octets: number): void {
    if (octets === 0) return;
    try {
      ftruncateSync(this.#descriptor, fstatSync(this.#descriptor).size - octets);
    } catch {
      // A file that is damaged all the same is read up to there.
    }
  }
}

function openFile(path: string): number {
  try {
    const status = statSync(path, { throwIfNoEntry: false });
    // A pipe would keep its writer waiting.
    if (status !== undefined && !status.isFile() && !status.isCharacterDevice())
      throw new Error(`cannot write ${path}: it is no regular file`);
    if (status?.isFile() && status.size > 0 && firstWord(path) !== IPFIX_VERSION)
      throw new Error(`cannot write ${path}: it holds something else than IPFIX Messages`);
    return openSync(path, 'a');
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === undefined) throw error;
    throw new Error(`cannot write ${path}: ${code}`, { cause: error });
  }
}

function firstWord(path: string): number {
  const descriptor = openSync(path, 'r');
  try {
    const octets = new Uint8Array(2);
    readSync(descriptor, octets, 0, 2, 0);
    return octets[0]! * 256 + octets[1]!;
  } finally {
    closeSync(descriptor);
  }
}
