/** Messages out of IPFIX files (RFC 5655): a run of IPFIX Messages without anything between, before or after them. */

import type { IpfixMessageHandler } from './ipfix-framing.ts';
import { IpfixFramer } from './ipfix-framing.ts';

/** How reading an IPFIX file ended; all but the first are faults, after which Messages already given still count. */
export const IPFIX_FILE_OUTCOMES = ['ok', 'empty', 'truncated', 'not_ipfix', 'damaged'] as const;

/** One of {@link IPFIX_FILE_OUTCOMES}. */
export type IpfixFileOutcome = (typeof IPFIX_FILE_OUTCOMES)[number];

/**
 * Reads an IPFIX file that is fed block by block. A file that does not start with a Message is refused; damage later on costs the
 * octets up to the next plausible Message.
 */
export class IpfixFileReader {
  readonly #framer = new IpfixFramer(true);
  readonly #onMessage: IpfixMessageHandler;
  #fed = false;
  #refused = false;

  /** Hands every Message to `onMessage`, in order. */
  constructor(onMessage: IpfixMessageHandler) {
    this.#onMessage = onMessage;
  }

  /** Messages handed on. */
  get messagesRead(): number {
    return this.#framer.messagesFramed;
  }

  /** Octets that belonged to no Message. */
  get octetsSkipped(): number {
    return this.#framer.octetsSkipped;
  }

  /** Takes the next octets, which may be overwritten afterwards; false when the file is none of IPFIX and further ones are no use. */
  feed(block: Uint8Array): boolean {
    if (this.#refused) return false;
    if (block.length === 0) return true;
    this.#fed = true;
    if (this.#framer.pushOctets(block, this.#onMessage) === 'ok') return true;
    this.#refused = true;
    return false;
  }

  /** How it ended, after the last block. */
  finish(): IpfixFileOutcome {
    if (this.#refused) return 'not_ipfix';
    if (!this.#fed) return 'empty';
    const isWhole = this.#framer.finish() === 'ok';
    if (this.#framer.resynchronisations > 0) return 'damaged';
    return isWhole ? 'ok' : 'truncated';
  }
}
