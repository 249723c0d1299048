/**
 * Cuts a stream of octets, a TCP connection or a file, into IPFIX Messages by their headers' version and length
 * (RFC 7011 sections 3.1 and 10.4; RFC 5655). What is in a Message is the decoder's business.
 */

/** How pushing octets went: all of it framed or kept, or something that is no IPFIX Message header was met. */
export type FramingOutcome = 'ok' | 'not_ipfix';

/** What a possible header is worth, given the octets there are: `more` when they are too few to tell. */
export type IpfixLikeness = 'yes' | 'no' | 'more';

/**
 * Takes one whole Message, octets `[start, end)` of both `view` and `octets`, which lie over the same memory. Valid during the
 * call only.
 */
export type IpfixMessageHandler = (view: DataView, octets: Uint8Array, start: number, end: number) => void;

/** Version number in the header of every IPFIX Message. */
export const IPFIX_VERSION = 10;
/** Octets of a Message header, so of the shortest Message. */
export const IPFIX_HEADER_LENGTH = 16;
/** Octets that {@link likenessToIpfix} needs to answer for good: a Message header and a Set header. */
export const IPFIX_LIKENESS_OCTETS = 20;

const SET_HEADER_LENGTH = 4;
const MAX_MESSAGE_LENGTH = 65_535;
const FIRST_BUFFER_OCTETS = 2048;
const MIN_DATA_SET_ID = 256;

/**
 * Whether a Message may start at `start`: version 10, a length of 16 or more, and a first Set of a known kind that fits in
 * (RFC 7011 sections 3.1, 3.3.2). Octets from `end` on are not looked at.
 */
export function likenessToIpfix(view: DataView, start: number, end: number): IpfixLikeness {
  const there = end - start;
  if (there >= 1 && view.getUint8(start) !== 0) return 'no';
  if (there >= 2 && view.getUint8(start + 1) !== IPFIX_VERSION) return 'no';
  if (there < 4) return 'more';
  const length = view.getUint16(start + 2);
  if (length === IPFIX_HEADER_LENGTH) return there >= IPFIX_HEADER_LENGTH ? 'yes' : 'more';
  if (length < IPFIX_HEADER_LENGTH + SET_HEADER_LENGTH) return 'no';
  if (there < IPFIX_LIKENESS_OCTETS) return 'more';
  const setId = view.getUint16(start + 16);
  const setLength = view.getUint16(start + 18);
  if (setId !== 2 && setId !== 3 && setId < MIN_DATA_SET_ID) return 'no';
  return setLength >= SET_HEADER_LENGTH && setLength <= length - IPFIX_HEADER_LENGTH ? 'yes' : 'no';
}

/**
 * Frames one stream. Messages that lie whole in what is pushed are handed on in place; of one that does not, at most 65,535
 * octets are kept, in a buffer that grows only as octets arrive.
 */
export class IpfixFramer {
  /** Whole Messages handed on. */
  messagesFramed = 0;
  /** Octets that belonged to no Message: left out while looking for the next one, or of a Message that was given up. */
  octetsSkipped = 0;
  /** Times that framing was lost and looked for again. */
  resynchronisations = 0;

  #buffer: Uint8Array = new Uint8Array(0);
  #bufferView: DataView = new DataView(this.#buffer.buffer);
  #held = 0;
  #isSeeking = false;
  #isLost = false;
  #isSound = true;
  readonly #recovers: boolean;
  // The octets behind the view last pushed.
  #view: DataView = this.#bufferView;
  #octets: Uint8Array = this.#buffer;

  /**
   * With `recovers`, damage after a first good Message costs the octets up to the next plausible one (files, captures); without,
   * it is the end (connections, which the caller closes).
   */
  constructor(recovers = false) {
    this.#recovers = recovers;
  }

  /** Octets kept of a Message that is not whole yet. */
  get octetsHeld(): number {
    return this.#held;
  }

  /** Whether it looks for the start of a Message. */
  get isSeeking(): boolean {
    return this.#isSeeking;
  }

  /** The same as {@link IpfixFramer.push} for octets that have no view yet. */
  pushOctets(octets: Uint8Array, onMessage: IpfixMessageHandler): FramingOutcome {
    const view = new DataView(octets.buffer, octets.byteOffset, octets.byteLength);
    this.#view = view;
    this.#octets = octets;
    return this.push(view, 0, octets.length, onMessage);
  }

  /**
   * Takes octets `[start, end)` of `view` and hands on every Message they make whole. After `not_ipfix` nothing further is framed
   * until {@link IpfixFramer.resynchronise}; the Messages before it were handed on. The octets may be overwritten afterwards.
   */
  push(view: DataView, start: number, end: number, onMessage: IpfixMessageHandler): FramingOutcome {
    if (this.#isLost) {
      this.octetsSkipped += end - start;
      return 'not_ipfix';
    }
    if (view !== this.#view) {
      this.#view = view;
      this.#octets = new Uint8Array(view.buffer, view.byteOffset, view.byteLength);
    }
    let at = start;
    while (at < end) {
      if (this.#isSeeking) {
        at += this.#keep(at, end, MAX_MESSAGE_LENGTH);
        this.#seek(0, onMessage);
        continue;
      }
      if (this.#held > 0) {
        // First the length, then as much as it says: nothing of the next Message gets into the buffer.
        at += this.#keep(at, end, this.#held < 4 ? 4 : this.#bufferView.getUint16(2));
        const reached = this.#frameHeld(0, onMessage);
        if (this.#isSound) this.#dropHeld(reached);
        else if (!this.#startsSeeking()) return this.#lose(end - at);
        else this.#seek(reached, onMessage);
        continue;
      }
      const there = end - at;
      if (!isFrameable(view, at, end)) {
        if (!this.#startsSeeking()) return this.#lose(there);
        continue;
      }
      const length = there < 4 ? MAX_MESSAGE_LENGTH : view.getUint16(at + 2);
      if (length > there) {
        this.#keep(at, end, length);
        return 'ok';
      }
      this.messagesFramed++;
      onMessage(view, this.#octets, at, at + length);
      at += length;
    }
    return 'ok';
  }

  /**
   * Gives up the Message that is not whole and looks for the next that is plausible, in what is pushed from now on: for streams
   * that lost octets, or are met in their middle, and for damaged files.
   */
  resynchronise(): void {
    this.octetsSkipped += this.#held;
    this.#held = 0;
    this.#isLost = false;
    if (!this.#isSeeking) this.resynchronisations++;
    this.#isSeeking = true;
  }

  /** Says at the end of the stream whether a Message was left unfinished; counts its octets as skipped. */
  finish(): 'ok' | 'truncated' {
    if (this.#held === 0) return 'ok';
    this.octetsSkipped += this.#held;
    this.#held = 0;
    return 'truncated';
  }

  #lose(octets: number): FramingOutcome {
    this.octetsSkipped += octets + this.#held;
    this.#held = 0;
    this.#isLost = true;
    return 'not_ipfix';
  }

  /** Moves octets of the pushed view into the buffer until it has `wanted`, and returns how many. */
  #keep(at: number, end: number, wanted: number): number {
    const moved = Math.min(end - at, wanted - this.#held);
    const needed = this.#held + moved;
    if (needed > this.#buffer.length) {
      const grown = new Uint8Array(Math.min(MAX_MESSAGE_LENGTH, Math.max(FIRST_BUFFER_OCTETS, needed * 2)));
      grown.set(this.#buffer.subarray(0, this.#held));
      this.#buffer = grown;
      this.#bufferView = new DataView(grown.buffer);
    }
    this.#buffer.set(this.#octets.subarray(at, at + moved), this.#held);
    this.#held = needed;
    return moved;
  }

  /** Hands on the Messages in the buffer from `from` and returns where it stopped; `#isSound` is false where no header is. */
  #frameHeld(from: number, onMessage: IpfixMessageHandler): number {
    let at = from;
    this.#isSound = true;
    while (at < this.#held) {
      this.#isSound = isFrameable(this.#bufferView, at, this.#held);
      if (!this.#isSound || this.#held - at < 4) break;
      const length = this.#bufferView.getUint16(at + 2);
      if (length > this.#held - at) break;
      this.messagesFramed++;
      onMessage(this.#bufferView, this.#buffer, at, at + length);
      at += length;
    }
    return at;
  }

  #dropHeld(octets: number): void {
    if (octets === 0) return;
    this.#buffer.copyWithin(0, octets, this.#held);
    this.#held -= octets;
  }

  /** After damage: true when the next Message is to be looked for. */
  #startsSeeking(): boolean {
    // What never framed a Message is no damaged IPFIX but something else.
    if (!this.#recovers || this.messagesFramed === 0) return false;
    this.#isSeeking = true;
    this.resynchronisations++;
    return true;
  }

  /** Looks for a Message in the buffer from `from`, and hands on what it finds; octets that cannot start one are left out. */
  #seek(from: number, onMessage: IpfixMessageHandler): void {
    let at = from;
    while (at < this.#held) {
      const likeness = likenessToIpfix(this.#bufferView, at, this.#held);
      if (likeness === 'more') break;
      if (likeness === 'yes' && this.#isFollowed(at)) {
        at = this.#frameHeld(at, onMessage);
        if (this.#isSound) {
          this.#isSeeking = false;
          break;
        }
        this.resynchronisations++;
        continue;
      }
      at++;
      this.octetsSkipped++;
    }
    this.#dropHeld(at);
  }

  /** Whether another header follows the one at `at`, as far as the buffer shows. */
  #isFollowed(at: number): boolean {
    const next = at + this.#bufferView.getUint16(at + 2);
    return next >= this.#held || isFrameable(this.#bufferView, next, this.#held);
  }
}

/** Whether the octets there are, one at least, agree with a Message header's version and length. */
function isFrameable(view: DataView, at: number, end: number): boolean {
  const there = end - at;
  if (view.getUint8(at) !== 0) return false;
  if (there >= 2 && view.getUint8(at + 1) !== IPFIX_VERSION) return false;
  return there < 4 || view.getUint16(at + 2) >= IPFIX_HEADER_LENGTH;
}
