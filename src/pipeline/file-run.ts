/** What commands that read files to their end have in common: one file after the other, turns for others, problems. */

import type { CaptureOutcome } from '../input/capture-file.ts';
import { type OctetSource, OctetSourceError, openOctetSource } from '../input/octet-source.ts';
import type { Output, OutputOptions } from './output.ts';

/** Who follows the reading of files. */
export interface FileObserver {
  /** One line on something that is wrong: a file, a destination. */
  onProblem(text: string): void;
  /** Version of the program, for ntopng. */
  readonly version: string;
  /** Called a few times a second: the file, octets read of it, and of how many (0 where that is not known), and flows so far. */
  onProgress(file: string, octetsRead: number, octetsTotal: number, flows: number): void;
}

/** How lines are written: whoever takes them is waited for. */
export const FILE_OUTPUT_OPTIONS: OutputOptions = {
  delivery: 'wait',
  queueOctets: 8_388_608,
  flushIntervalMs: 0,
  onEvent: () => {},
};

/** How long work may go on before signals and writes get their turn. */
const TURN_MS = 50;

/** Reads files for one output. */
export class FileRun {
  /** Files that could not be read, or not to their end. */
  filesWithProblems = 0;
  readonly #output: Output;
  readonly #observer: FileObserver;
  readonly #stop: AbortSignal;
  readonly #flows: () => number;
  #turnStartMs = Date.now();

  /** `flows` gives the flows so far. */
  constructor(output: Output, observer: FileObserver, stop: AbortSignal, flows: () => number) {
    this.#output = output;
    this.#observer = observer;
    this.#stop = stop;
    this.#flows = flows;
  }

  /** Whether going on is of no use. */
  get isOver(): boolean {
    return this.#stop.aborted || this.#output.isReaderGone || this.#output.failure !== undefined;
  }

  /** Says what is wrong with a file. */
  problem(text: string): void {
    this.filesWithProblems++;
    this.#observer.onProblem(text);
  }

  /** Opens a file, has it read, and closes it. */
  async read(file: string, read: (source: OctetSource) => Promise<void>): Promise<void> {
    const source = await openOctetSource(file);
    if (source instanceof OctetSourceError) {
      this.problem(source.message);
      return;
    }
    // Whoever waits for a pipe must be woken.
    const wake = (): void => source.close();
    this.#stop.addEventListener('abort', wake);
    try {
      await read(source);
    } finally {
      this.#stop.removeEventListener('abort', wake);
      source.close();
    }
  }

  /** Says how reading ended, where not well. Why the octets ended says more than that the last packet is not whole. */
  sayEnd(file: string, source: OctetSource, problem: string | undefined): void {
    if (source.error !== undefined) this.problem(source.error.message);
    else if (problem !== undefined && !this.isOver)
      this.problem(`${file === '-' ? 'standard input' : file} ${problem}`);
  }

  /**
   * The next block of `source`, or undefined at the end or when it is over. Gives signals and writes their turn now and then,
   * and tells how much of `original`, which `source` may be made of, is read.
   */
  async nextBlock(file: string, source: OctetSource, original = source): Promise<Uint8Array | undefined> {
    const nowMs = Date.now();
    if (nowMs - this.#turnStartMs > TURN_MS) {
      this.#observer.onProgress(file, original.octetsRead, original.octetsTotal, this.#flows());
      await new Promise((resolve) => setImmediate(resolve));
      this.#turnStartMs = nowMs;
    }
    if (this.isOver) return undefined;
    return source.next();
  }
}

/** What to say of a capture that did not end well. `done` is what was done with the packets it holds, `unknown` what it is if none. */
export function captureProblem(
  outcome: CaptureOutcome,
  done: 'converted' | 'metered',
  unknown: string,
): string | undefined {
  switch (outcome) {
    case 'ok':
      return undefined;
    case 'empty':
      return 'is empty';
    case 'truncated':
      return `is cut off; what it holds was ${done}`;
    case 'format_unknown':
      return unknown;
    case 'version_unsupported':
      return 'is a capture of an unknown version';
    case 'captured_length_invalid':
      return `is damaged: a packet has an impossible length; what came before was ${done}`;
    case 'block_length_invalid':
      return `is damaged: a block has an impossible length; what came before was ${done}`;
    case 'block_trailer_mismatch':
      return `is damaged: a block does not end as it begins; what came before was ${done}`;
    case 'byte_order_magic_invalid':
      return `is damaged: a section of unknown byte order; what came before was ${done}`;
    case 'interfaces_too_many':
      return 'has too many interfaces; packets of some were left out';
  }
}
