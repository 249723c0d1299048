/**
 * Puts captured TCP segments in order and hands on the octets of those streams that carry IPFIX (RFC 7011 section 10.4), within
 * fixed limits. A capture may begin in mid stream, lose segments the receiver got, and show others twice.
 */

import type { PacketHeaders } from '../packet/packet-headers.ts';
import { IPFIX_LIKENESS_OCTETS, likenessToIpfix } from './ipfix-framing.ts';

/** Streams followed at the same time, and as many that might become one. */
export const MAX_STREAMS = 1024;
/** Octets kept of one stream while earlier ones are missing. */
export const MAX_STREAM_BUFFER_OCTETS = 262_144;
/** Segments kept of one stream while earlier ones are missing. */
export const MAX_STREAM_BUFFER_SEGMENTS = 512;
/** Octets kept of all streams. */
export const MAX_TOTAL_BUFFER_OCTETS = 16_777_216;
/** How long missing octets are waited for by packet time, in milliseconds; retransmissions come sooner. */
export const GAP_TIMEOUT_MS = 30_000;

/** Why a stream ended: FIN, RST, a new connection with the same ports, too many streams, or the capture did. */
export const STREAM_END_REASONS = ['finished', 'reset', 'restarted', 'crowded', 'capture_ended'] as const;

/** One of {@link STREAM_END_REASONS}. */
export type StreamEndReason = (typeof STREAM_END_REASONS)[number];

/** What became of a segment: `taken` belongs to a stream, or to a connection of which is not known yet whether it is one. */
export type SegmentOutcome = 'taken' | 'not_ipfix' | 'empty';

/** One direction of a captured TCP connection: a Transport Session. */
export class TcpStream {
  /** Counts streams from 1. */
  readonly id: number;
  /** The exporter's address. */
  readonly sourceAddress: string;
  /** The exporter's port. */
  readonly sourcePort: number;
  /** The collector's address. */
  readonly destinationAddress: string;
  /** The collector's port. */
  readonly destinationPort: number;
  /** Whether its first octet is known to be the first: the capture shows the connection's SYN. */
  readonly hasStart: boolean;

  /** Notes whose stream it is. */
  constructor(
    id: number,
    sourceAddress: string,
    sourcePort: number,
    destinationAddress: string,
    destinationPort: number,
    hasStart: boolean,
  ) {
    this.id = id;
    this.sourceAddress = sourceAddress;
    this.sourcePort = sourcePort;
    this.destinationAddress = destinationAddress;
    this.destinationPort = destinationPort;
    this.hasStart = hasStart;
  }
}

/** Takes what streams carry. */
export interface TcpStreamHandler {
  /** The next octets of a stream, `[start, end)` of `view`, captured at `timeMs` (Unix milliseconds); valid during the call only. */
  onStreamOctets(stream: TcpStream, view: DataView, start: number, end: number, timeMs: number): void;
  /** `octets` of the stream that follow are missing from the capture; what comes next starts anywhere in a Message. */
  onStreamGap(stream: TcpStream, octets: number): void;
  /** No more comes: templates of the session end with it. */
  onStreamEnd(stream: TcpStream, reason: StreamEndReason): void;
}

const FLAG_FIN = 0x01;
const FLAG_SYN = 0x02;
const FLAG_RST = 0x04;
const FLAG_ACK = 0x10;
/** Further from the expected octet than any window in use: another connection, or damage. */
const MAX_DISTANCE = 16_777_216;

/** A segment that waits for earlier ones. */
interface WaitingSegment {
  sequence: number;
  octets: Uint8Array;
  timeMs: number;
}

/** A direction of a connection: with a stream once it is known to carry IPFIX, before that a candidate. */
class Direction {
  readonly key: string;
  readonly initialSequence: number;
  stream: TcpStream | undefined;
  /** Sequence number of the next octet in order. */
  next: number;
  finSequence = -1;
  waiting: WaitingSegment[] = [];
  waitingOctets = 0;
  waitingSinceMs = 0;

  constructor(key: string, initialSequence: number, next: number) {
    this.key = key;
    this.initialSequence = initialSequence;
    this.next = next;
  }
}

/** Follows streams. */
export class TcpReassembler {
  /** Streams handed on. */
  streamsFound = 0;
  /** Streams ended, for any reason. */
  streamsEnded = 0;
  /** Streams ended for others because there were too many. */
  streamsDroppedCrowded = 0;
  /** Segments that brought nothing new: retransmissions, keep-alives, the same packet captured twice. */
  segmentsRepeated = 0;
  /** Segments that came before earlier ones. */
  segmentsOutOfOrder = 0;
  /** Segments too far from what their stream expects. */
  segmentsOutOfWindow = 0;
  /** Times that octets of a stream were missing for good. */
  gaps = 0;
  /** Octets missing for good. */
  octetsMissing = 0;
  /** Octets handed on. */
  octetsDelivered = 0;

  #handler: TcpStreamHandler;
  #chosenPorts: boolean;
  #streams = new Map<string, Direction>();
  #candidates = new Map<string, Direction>();
  /** Where streams ended that did so in order, for stragglers. */
  #ended = new Map<string, number>();
  #waitingOctets = 0;

  /** With `chosenPorts` every connection with octets is a stream; without, those that start like IPFIX. */
  constructor(handler: TcpStreamHandler, chosenPorts: boolean) {
    this.#handler = handler;
    this.#chosenPorts = chosenPorts;
  }

  /** Takes a segment with sound headers; its payload is octets `[start, end)` of `view`. */
  add(
    view: DataView,
    start: number,
    end: number,
    headers: PacketHeaders,
    timeMs: number,
    sourceAddress: string,
    destinationAddress: string,
  ): SegmentOutcome {
    const flags = headers.tcpFlags;
    const isSyn = (flags & FLAG_SYN) !== 0;
    // The answer to a SYN comes from the collector, which has nothing to say.
    if (isSyn && (flags & FLAG_ACK) !== 0) return 'empty';
    if (!isSyn && start === end && this.#streams.size === 0 && this.#candidates.size === 0) return 'empty';
    const key = `${sourceAddress} ${headers.sourcePort} ${destinationAddress} ${headers.destinationPort}`;
    let direction = this.#streams.get(key) ?? this.#candidates.get(key);
    let sequence = headers.tcpSequence;
    if (isSyn) {
      if (direction !== undefined && direction.initialSequence !== sequence) {
        this.#end(direction, 'restarted');
        direction = undefined;
      }
      this.#ended.delete(key);
      sequence = (sequence + 1) >>> 0;
      if (direction === undefined) {
        direction = new Direction(key, headers.tcpSequence, sequence);
        this.#addCandidate(direction);
      }
    }
    if ((flags & FLAG_RST) !== 0) {
      if (direction === undefined) return 'empty';
      this.#end(direction, 'reset');
      return 'taken';
    }
    if (direction === undefined) {
      if (start === end) return 'empty';
      if (this.#isStraggler(key, sequence, end - start)) {
        this.segmentsRepeated++;
        return 'taken';
      }
      if (!this.#chosenPorts && likenessToIpfix(view, start, end) !== 'yes') return 'not_ipfix';
      direction = new Direction(key, -1, sequence);
      this.#follow(direction, sourceAddress, destinationAddress, headers, false);
    }
    if ((flags & FLAG_FIN) !== 0) direction.finSequence = (sequence + end - start) >>> 0;
    if (direction.stream === undefined && start < end && this.#chosenPorts) {
      this.#candidates.delete(key);
      this.#follow(direction, sourceAddress, destinationAddress, headers, true);
    }
    if (direction.stream === undefined && start < end) {
      const likeness = this.#judge(direction, view, start, end, sequence, timeMs);
      if (likeness === 'no') {
        this.#forgetCandidate(direction);
        return 'not_ipfix';
      }
      if (likeness === 'more') {
        if (direction.finSequence >= 0 && direction.waiting.length === 0) this.#forgetCandidate(direction);
        return 'taken';
      }
      this.#candidates.delete(key);
      this.#follow(direction, sourceAddress, destinationAddress, headers, true);
      // The segment that told is among the waiting ones.
      this.#drain(direction);
    } else if (start < end) {
      this.#accept(direction, view, start, end, sequence, timeMs);
    }
    if (direction.stream !== undefined) this.#endIfFinished(direction);
    else if (direction.finSequence === direction.next) this.#forgetCandidate(direction);
    return 'taken';
  }

  /** Ends all streams. */
  finish(): void {
    for (const direction of [...this.#streams.values()]) this.#end(direction, 'capture_ended');
    for (const direction of [...this.#candidates.values()]) this.#forgetCandidate(direction);
  }

  /** Streams followed now. */
  get streamsOpen(): number {
    return this.#streams.size;
  }

  /** Makes a direction a stream. */
  #follow(
    direction: Direction,
    sourceAddress: string,
    destinationAddress: string,
    headers: PacketHeaders,
    hasStart: boolean,
  ): void {
    if (this.#streams.size >= MAX_STREAMS) {
      const oldest = this.#streams.values().next().value;
      if (oldest !== undefined) {
        this.streamsDroppedCrowded++;
        this.#end(oldest, 'crowded');
      }
    }
    this.streamsFound++;
    direction.stream = new TcpStream(
      this.streamsFound,
      sourceAddress,
      headers.sourcePort,
      destinationAddress,
      headers.destinationPort,
      hasStart,
    );
    this.#streams.set(direction.key, direction);
  }

  #addCandidate(direction: Direction): void {
    if (this.#candidates.size >= MAX_STREAMS) {
      const oldest = this.#candidates.values().next().value;
      if (oldest !== undefined) this.#forgetCandidate(oldest);
    }
    this.#candidates.set(direction.key, direction);
  }

  #forgetCandidate(direction: Direction): void {
    this.#candidates.delete(direction.key);
    this.#waitingOctets -= direction.waitingOctets;
    direction.waiting = [];
    direction.waitingOctets = 0;
  }

  #isStraggler(key: string, sequence: number, length: number): boolean {
    const ended = this.#ended.get(key);
    if (ended === undefined) return false;
    const distance = (sequence + length - ended) | 0;
    return distance <= 0 && distance > -MAX_DISTANCE;
  }

  /** Whether a candidate carries IPFIX, by its first octets; the segment is kept until that is known. */
  #judge(
    direction: Direction,
    view: DataView,
    start: number,
    end: number,
    sequence: number,
    timeMs: number,
  ): 'yes' | 'no' | 'more' {
    const distance = (sequence - direction.next) | 0;
    if (Math.abs(distance) > MAX_DISTANCE) return 'no';
    // Most connections are told from their first segment, without keeping it.
    if (distance === 0 && likenessToIpfix(view, start, end) === 'no') return 'no';
    this.#keep(direction, view, start, end, sequence, timeMs);
    if (this.#isOverfull(direction)) return 'no';
    const first = new DataView(new ArrayBuffer(IPFIX_LIKENESS_OCTETS));
    let there = 0;
    for (const segment of direction.waiting) {
      let offset = (direction.next + there - segment.sequence) | 0;
      if (offset < 0) break;
      while (offset < segment.octets.length && there < IPFIX_LIKENESS_OCTETS) {
        first.setUint8(there++, segment.octets[offset++]!);
      }
    }
    return likenessToIpfix(first, 0, there);
  }

  #accept(direction: Direction, view: DataView, start: number, end: number, sequence: number, timeMs: number): void {
    let from = start;
    let distance = (sequence - direction.next) | 0;
    if (distance > MAX_DISTANCE || distance < -MAX_DISTANCE) {
      this.segmentsOutOfWindow++;
      if (likenessToIpfix(view, start, end) !== 'yes') return;
      // A connection with the same ports whose SYN is missing: what waits for the old one is of no use.
      this.#forgetWaiting(direction);
      this.gaps++;
      this.#handler.onStreamGap(direction.stream!, 0);
      direction.finSequence = -1;
      direction.next = sequence;
      distance = 0;
    }
    if (distance + (end - start) <= 0) {
      this.segmentsRepeated++;
      return;
    }
    if (distance < 0) from -= distance;
    if (distance <= 0) {
      this.#deliver(direction, view, from, end, timeMs);
      this.#drain(direction);
      return;
    }
    this.segmentsOutOfOrder++;
    this.#keep(direction, view, start, end, sequence, timeMs);
    while (direction.waiting.length > 0 && (this.#isOverfull(direction) || this.#isOverdue(direction, timeMs))) {
      this.#skipGap(direction);
    }
  }

  #isOverfull(direction: Direction): boolean {
    return (
      direction.waitingOctets > MAX_STREAM_BUFFER_OCTETS ||
      direction.waiting.length > MAX_STREAM_BUFFER_SEGMENTS ||
      this.#waitingOctets > MAX_TOTAL_BUFFER_OCTETS
    );
  }

  #isOverdue(direction: Direction, timeMs: number): boolean {
    return timeMs - direction.waitingSinceMs > GAP_TIMEOUT_MS;
  }

  #deliver(direction: Direction, view: DataView, start: number, end: number, timeMs: number): void {
    direction.next = (direction.next + end - start) >>> 0;
    this.octetsDelivered += end - start;
    this.#handler.onStreamOctets(direction.stream!, view, start, end, timeMs);
  }

  /** Copies a segment to those that wait, in order of their first octets. */
  #keep(direction: Direction, view: DataView, start: number, end: number, sequence: number, timeMs: number): void {
    const waiting = direction.waiting;
    let at = waiting.length;
    while (at > 0 && ((waiting[at - 1]!.sequence - sequence) | 0) > 0) at--;
    const before = waiting[at - 1];
    if (before !== undefined && before.sequence === sequence && before.octets.length >= end - start) {
      this.segmentsRepeated++;
      return;
    }
    if (waiting.length === 0) direction.waitingSinceMs = timeMs;
    const octets = new Uint8Array(view.buffer, view.byteOffset + start, end - start).slice();
    waiting.splice(at, 0, { sequence, octets, timeMs });
    direction.waitingOctets += octets.length;
    this.#waitingOctets += octets.length;
  }

  /** Hands on what waits and has become in order. */
  #drain(direction: Direction): void {
    for (;;) {
      const segment = direction.waiting[0];
      if (segment === undefined) return;
      const offset = (direction.next - segment.sequence) | 0;
      if (offset < 0) return;
      direction.waiting.shift();
      direction.waitingOctets -= segment.octets.length;
      this.#waitingOctets -= segment.octets.length;
      direction.waitingSinceMs = segment.timeMs;
      if (offset >= segment.octets.length) continue;
      const { octets } = segment;
      this.#deliver(
        direction,
        new DataView(octets.buffer, octets.byteOffset, octets.byteLength),
        offset,
        octets.length,
        segment.timeMs,
      );
    }
  }

  /** Gives up what is missing before the first waiting segment. */
  #skipGap(direction: Direction): void {
    const first = direction.waiting[0];
    if (first === undefined) return;
    const missing = (first.sequence - direction.next) | 0;
    if (missing > 0) {
      this.gaps++;
      this.octetsMissing += missing;
      direction.next = first.sequence;
      this.#handler.onStreamGap(direction.stream!, missing);
    }
    this.#drain(direction);
  }

  #forgetWaiting(direction: Direction): void {
    this.#waitingOctets -= direction.waitingOctets;
    direction.waiting = [];
    direction.waitingOctets = 0;
  }

  #endIfFinished(direction: Direction): void {
    if (direction.finSequence >= 0 && ((direction.finSequence - direction.next) | 0) <= 0) {
      this.#end(direction, 'finished');
    }
  }

  #end(direction: Direction, reason: StreamEndReason): void {
    const stream = direction.stream;
    if (stream === undefined) {
      this.#forgetCandidate(direction);
      return;
    }
    while (direction.waiting.length > 0) this.#skipGap(direction);
    this.#streams.delete(direction.key);
    if (this.#ended.size >= MAX_STREAMS) {
      const oldest = this.#ended.keys().next().value;
      if (oldest !== undefined) this.#ended.delete(oldest);
    }
    this.#ended.set(direction.key, direction.next);
    this.streamsEnded++;
    this.#handler.onStreamEnd(stream, reason);
  }
}
