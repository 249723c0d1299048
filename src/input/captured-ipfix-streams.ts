/** Messages out of captured TCP streams: one framing per stream, found again after what the capture lost. */

import type { IpfixMessageHandler } from './ipfix-framing.ts';
import { IpfixFramer, likenessToIpfix } from './ipfix-framing.ts';
import type { StreamEndReason, TcpStream, TcpStreamHandler } from './tcp-reassembly.ts';

/** Takes one whole Message, octets `[start, end)` of both `view` and `octets`, whose last octet was captured at `timeMs`; valid during the call only. */
export type CapturedMessageHandler = (
  stream: TcpStream,
  view: DataView,
  octets: Uint8Array,
  start: number,
  end: number,
  timeMs: number,
) => void;

/** A stream's framing. */
interface FramedStream {
  framer: IpfixFramer;
  timeMs: number;
  onMessage: IpfixMessageHandler;
}

/** Frames what a {@link TcpStreamHandler} is given. */
export class CapturedIpfixStreams implements TcpStreamHandler {
  /** Messages handed on. */
  messagesFound = 0;
  /** Octets that belonged to no whole Message. */
  octetsSkipped = 0;
  /** Times that the next Message had to be searched. */
  resynchronisations = 0;
  /** Messages that the end of a stream cut off. */
  messagesTruncated = 0;

  #onMessage: CapturedMessageHandler;
  #onEnd: ((stream: TcpStream, reason: StreamEndReason) => void) | undefined;
  #streams = new Map<TcpStream, FramedStream>();

  /** Hands Messages to `onMessage`, and the end of each stream, with which its templates end, to `onEnd`. */
  constructor(onMessage: CapturedMessageHandler, onEnd?: (stream: TcpStream, reason: StreamEndReason) => void) {
    this.#onMessage = onMessage;
    this.#onEnd = onEnd;
  }

  /** Takes octets of a stream. */
  onStreamOctets(stream: TcpStream, view: DataView, start: number, end: number, timeMs: number): void {
    let framed = this.#streams.get(stream);
    if (framed === undefined) {
      framed = this.#begin(stream);
      // Met in its middle: the first Message may have begun before.
      if (!stream.hasStart && likenessToIpfix(view, start, end) === 'no') framed.framer.resynchronise();
    }
    framed.timeMs = timeMs;
    if (framed.framer.push(view, start, end, framed.onMessage) === 'not_ipfix') framed.framer.resynchronise();
  }

  /** Takes note that octets are missing. */
  onStreamGap(stream: TcpStream): void {
    const framed = this.#streams.get(stream) ?? this.#begin(stream);
    framed.framer.resynchronise();
  }

  /** Ends a stream. */
  onStreamEnd(stream: TcpStream, reason: StreamEndReason): void {
    const framed = this.#streams.get(stream);
    if (framed !== undefined) {
      this.#streams.delete(stream);
      if (framed.framer.finish() === 'truncated') this.messagesTruncated++;
      this.octetsSkipped += framed.framer.octetsSkipped;
      this.resynchronisations += framed.framer.resynchronisations;
    }
    this.#onEnd?.(stream, reason);
  }

  #begin(stream: TcpStream): FramedStream {
    const framed: FramedStream = {
      framer: new IpfixFramer(true),
      timeMs: 0,
      onMessage: (view, octets, start, end) => {
        this.messagesFound++;
        this.#onMessage(stream, view, octets, start, end, framed.timeMs);
      },
    };
    this.#streams.set(stream, framed);
    return framed;
  }
}
