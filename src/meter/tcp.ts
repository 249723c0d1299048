import type { IpPacket } from '../packet/ip-packet.ts';
import { TcpOptions } from './tcp-options.ts';
import {
  ACKNOWLEDGED,
  ACKNOWLEDGED_US,
  APPLICATION_LATENCY,
  AWAITS_CLIENT,
  CLIENT_LATENCY,
  COUNT_WORDS,
  COUNTS,
  DIRECTION_WORDS,
  DUPLICATE_ACKNOWLEDGEMENTS,
  KEEP_ALIVES_AND_RESETS,
  KNOWN_ACKNOWLEDGEMENT,
  KNOWN_ANSWER,
  KNOWN_ROUND_TRIP,
  KNOWN_SEQUENCE,
  KNOWN_SYN,
  KNOWN_TIMESTAMP,
  KNOWN_WINDOWS,
  LOST,
  MARKS,
  NEXT_SEQUENCE,
  NEXT_SEQUENCE_US,
  OUT_OF_ORDER,
  REQUEST_US,
  RETRANSMITTED_OCTETS,
  RETRANSMITTED_PACKETS,
  ROUND_TRIP,
  ROUND_TRIP_VARIANCE,
  SERVER_LATENCY,
  SYN_ACK_US,
  SYN_SEQUENCE,
  SYN_US,
  TCP_ROW_WORDS,
  TIMED_SEQUENCE,
  TIMED_TIMESTAMP,
  TIMED_US,
  WINDOW,
  WINDOWS,
  ZERO_WINDOWS,
} from './tcp-row.ts';

const FIN = 1;
const SYN = 2;
const RST = 4;
const ACK = 16;

/** A segment behind the highest, so soon after it and not known to be lost, was overtaken: where no round trip is known. */
const OUT_OF_ORDER_US = 3000;
/** A segment that duplicate acknowledgements ask for and that comes this soon after them is a fast retransmission. */
const FAST_RETRANSMISSION_US = 20_000;
/** A SYN without its connection's others before it belongs to what is at most so far ahead: a first window. */
const OVERTAKEN_SYN_OCTETS = 65_536;
/** Latencies above an hour are clamped: words hold little more. */
const MAX_LATENCY_US = 3_600_000_000;

/**
 * Follows the TCP connections of a flow cache: what was lost, sent again or overtaken on its way to the observation point, and
 * how long answers take. What a segment is, is told as Wireshark's "TCP Analysis" tells it (User's Guide, chapter 7), so
 * that figures can be compared; round-trip times are those of RFC 6298, with Karn's rule where there are no timestamps.
 */
export class TcpAnalysis {
  /** The rows, as `tcp-row.ts` says. */
  readonly words: Uint32Array;
  /** The same memory as doubles. */
  readonly doubles: Float64Array;
  private readonly options = new TcpOptions();
  private readonly timeUs: Float64Array;

  /**
   * Takes address space for the connections of `maxFlows` slots. The time of a segment stands in `timeUs[0]`, in microseconds since
   * 1970: as an argument it would be boxed at every call.
   */
  constructor(maxFlows: number, timeUs: Float64Array) {
    this.timeUs = timeUs;
    const memory = new ArrayBuffer(maxFlows * TCP_ROW_WORDS * 4);
    this.words = new Uint32Array(memory);
    this.doubles = new Float64Array(memory);
  }

  /** Starts a connection anew. */
  reset(slot: number): void {
    const { words } = this;
    const row = slot * TCP_ROW_WORDS;
    for (let i = 0; i < TCP_ROW_WORDS; i++) words[row + i] = 0;
  }

  /** Forgets the counts that were reported, and keeps the state. */
  resetCounts(slot: number): void {
    const { words } = this;
    const row = slot * TCP_ROW_WORDS;
    for (let direction = 0; direction < 2; direction++) {
      const own = row + direction * DIRECTION_WORDS;
      const counts = row + COUNTS + direction * COUNT_WORDS;
      for (let i = RETRANSMITTED_PACKETS; i <= KEEP_ALIVES_AND_RESETS; i++) words[counts + i] = 0;
      words[own + WINDOWS] = 0;
      words[own + MARKS]! &= ~KNOWN_WINDOWS;
    }
  }

  /** Whether a SYN with this sequence number is another connection's: not the first one sent again. */
  isOtherConnection(slot: number, direction: 0 | 1, sequence: number): boolean {
    const { words } = this;
    const row = slot * TCP_ROW_WORDS;
    const own = row + direction * DIRECTION_WORDS;
    const marks = words[own + MARKS]!;
    if ((marks & KNOWN_SYN) !== 0) return words[row + COUNTS + direction * COUNT_WORDS + SYN_SEQUENCE]! !== sequence;
    // One that was overtaken on its way here is not far behind.
    const behind = (words[own + NEXT_SEQUENCE]! - sequence) | 0;
    return (marks & KNOWN_SEQUENCE) !== 0 && (behind <= 0 || behind > OVERTAKEN_SYN_OCTETS);
  }

  /** Takes a segment whose {@link IpPacket.tcpHeaderLength} is not 0. */
  add(slot: number, direction: 0 | 1, view: DataView, packet: IpPacket): void {
    const timeUs = this.timeUs[0]!;
    const { words, doubles, options } = this;
    const row = slot * TCP_ROW_WORDS;
    const own = row + direction * DIRECTION_WORDS;
    const other = row + (1 - direction) * DIRECTION_WORDS;
    const counts = row + COUNTS + direction * COUNT_WORDS;
    const { tcpFlags: flags, tcpAt, tcpHeaderLength, payloadLength: length } = packet;
    const sequence = view.getInt32(tcpAt + 4);
    const acknowledgement = view.getInt32(tcpAt + 8);
    const window = view.getUint16(tcpAt + 14);
    const marks = words[own + MARKS]!;
    const isControl = (flags & (SYN | FIN)) !== 0;
    const isPlain = (flags & (SYN | FIN | RST)) === 0;
    const end = (sequence + length + (isControl ? 1 : 0)) | 0;
    const isKnown = (marks & KNOWN_SEQUENCE) !== 0;
    const nextSequence = words[own + NEXT_SEQUENCE]! | 0;
    const optionsEnd = tcpAt + tcpHeaderLength;
    if (tcpHeaderLength > 20 && optionsEnd <= packet.payloadEnd) options.read(view, tcpAt + 20, optionsEnd);
    else options.hasTimestamps = false;

    if ((flags & RST) !== 0) countHalf(words, counts + KEEP_ALIVES_AND_RESETS, 16);
    if (window === 0 && isPlain) words[counts + ZERO_WINDOWS]!++;
    if ((flags & SYN) !== 0) this.noteSyn(row, own, counts, flags, sequence);
    else if ((flags & RST) === 0) noteWindow(words, own, window);

    const isProbe = isKnown && length === 1 && sequence === nextSequence && isZeroWindow(words, other);
    const isKeepAlive = isKnown && isPlain && length <= 1 && sequence === ((nextSequence - 1) | 0);
    const hasContent = length > 0 || isControl;
    let isAgain = false;
    if (isKeepAlive) {
      countHalf(words, counts + KEEP_ALIVES_AND_RESETS, 0);
    } else if (isKnown && !isProbe) {
      const ahead = (sequence - nextSequence) | 0;
      if (ahead > 0 && (flags & RST) === 0) words[counts + LOST]!++;
      const isAcknowledged = length > 0 && this.isAcknowledged(other, (sequence + length) | 0);
      isAgain = isAcknowledged || (ahead < 0 && hasContent);
      if (isAgain && !isAcknowledged && this.isOvertaken(row, own, other, sequence, end, nextSequence)) {
        words[counts + OUT_OF_ORDER]!++;
      } else if (isAgain) {
        words[counts + RETRANSMITTED_PACKETS]!++;
        words[counts + RETRANSMITTED_OCTETS]! += length;
      }
    }

    if (isAgain) this.timeAgain(own, sequence, end);
    else if (hasContent && !isKeepAlive && !isProbe && (flags & RST) === 0) this.time(own, end);

    if (!isProbe && (!isKnown || ((end - nextSequence) | 0) > 0)) {
      words[own + NEXT_SEQUENCE] = end;
      doubles[(own + NEXT_SEQUENCE_US) >> 1] = timeUs;
    }
    words[own + MARKS]! |= KNOWN_SEQUENCE;
    if ((flags & ACK) !== 0) this.acknowledge(row, own, other, flags, length, sequence, acknowledgement, window);
    words[own + WINDOW] = window;
    if (length > 0 && !isKeepAlive) this.noteApplication(row, direction, isAgain);
  }

  /** Whether the receiver, direction `other`, has all octets before `end`. */
  private isAcknowledged(other: number, end: number): boolean {
    const { words } = this;
    return (words[other + MARKS]! & KNOWN_ACKNOWLEDGEMENT) !== 0 && ((end - words[other + ACKNOWLEDGED]!) | 0) <= 0;
  }

  /** Whether a segment behind the highest came late, rather than again. */
  private isOvertaken(
    row: number,
    own: number,
    other: number,
    sequence: number,
    end: number,
    nextSequence: number,
  ): boolean {
    const timeUs = this.timeUs[0]!;
    const { words, doubles } = this;
    // The receiver asks for it.
    const isAskedFor =
      words[other + DUPLICATE_ACKNOWLEDGEMENTS]! >= 2 &&
      sequence === (words[other + ACKNOWLEDGED]! | 0) &&
      timeUs - doubles[(other + ACKNOWLEDGED_US) >> 1]! < FAST_RETRANSMISSION_US;
    if (isAskedFor) return false;
    const clientLatency = words[row + CLIENT_LATENCY]!;
    const serverLatency = words[row + SERVER_LATENCY]!;
    const thresholdUs =
      clientLatency > 0 && serverLatency > 0 ? 2 * (clientLatency + serverLatency - 2) : OUT_OF_ORDER_US;
    return timeUs - doubles[(own + NEXT_SEQUENCE_US) >> 1]! < thresholdUs && end !== nextSequence;
  }

  /** Notes a SYN or SYN-ACK: its options, and the time. */
  private noteSyn(row: number, own: number, counts: number, flags: number, sequence: number): void {
    const timeUs = this.timeUs[0]!;
    const { words, doubles, options } = this;
    const { maximumSegmentSize, windowScale } = options;
    words[counts + SYN_SEQUENCE] = sequence;
    words[own + MARKS] =
      (words[own + MARKS]! & 0xff) | KNOWN_SYN | (Math.max(windowScale, 0) << 8) | (maximumSegmentSize << 16);
    if ((flags & ACK) === 0) {
      doubles[(row + SYN_US) >> 1] = timeUs;
    } else {
      const synUs = doubles[(row + SYN_US) >> 1]!;
      if (synUs > 0 && words[row + SERVER_LATENCY]! === 0) words[row + SERVER_LATENCY] = halfLatency(timeUs - synUs);
      // One that comes after its answer was lost on its way to the client, or overtaken.
      if (words[row + CLIENT_LATENCY]! === 0) {
        doubles[(row + SYN_ACK_US) >> 1] = timeUs;
        words[row + MARKS]! |= AWAITS_CLIENT;
      }
    }
  }

  /** Takes the acknowledgement of a segment: an answer to the other direction. */
  private acknowledge(
    row: number,
    own: number,
    other: number,
    flags: number,
    length: number,
    sequence: number,
    acknowledgement: number,
    window: number,
  ): void {
    const timeUs = this.timeUs[0]!;
    const { words, doubles, options } = this;
    const marks = words[own + MARKS]!;
    const isSame =
      (marks & KNOWN_ACKNOWLEDGEMENT) !== 0 &&
      acknowledgement === (words[own + ACKNOWLEDGED]! | 0) &&
      length === 0 &&
      (flags & (SYN | FIN | RST)) === 0 &&
      window !== 0 &&
      window === words[own + WINDOW]! &&
      sequence === (words[own + NEXT_SEQUENCE]! | 0);
    words[own + DUPLICATE_ACKNOWLEDGEMENTS] = isSame ? words[own + DUPLICATE_ACKNOWLEDGEMENTS]! + 1 : 0;
    words[own + ACKNOWLEDGED] = acknowledgement;
    words[own + MARKS] = marks | KNOWN_ACKNOWLEDGEMENT;
    doubles[(own + ACKNOWLEDGED_US) >> 1] = timeUs;

    const timedUs = doubles[(other + TIMED_US) >> 1]!;
    if (timedUs > 0 && ((acknowledgement - (words[other + TIMED_SEQUENCE]! | 0)) | 0) >= 0) {
      doubles[(other + TIMED_US) >> 1] = 0;
      // With timestamps the echo says whether it is the awaited segment that is acknowledged, or an earlier sending of it.
      const isIt =
        (words[other + MARKS]! & KNOWN_TIMESTAMP) === 0 ||
        !options.hasTimestamps ||
        ((options.echo - words[other + TIMED_TIMESTAMP]!) | 0) >= 0;
      if (isIt) this.addRoundTrip(other, timeUs - timedUs);
    }
    if (own === row && (marks & AWAITS_CLIENT) !== 0 && (flags & (SYN | RST)) === 0) {
      const synAckUs = doubles[(row + SYN_ACK_US) >> 1]!;
      words[own + MARKS]! &= ~AWAITS_CLIENT;
      // Payload may have waited for the client to have some.
      if (length === 0) words[row + CLIENT_LATENCY] = halfLatency(timeUs - synAckUs);
    }
  }

  /** Awaits the acknowledgement of a segment, unless another's is awaited. */
  private time(own: number, end: number): void {
    const timeUs = this.timeUs[0]!;
    const { words, doubles, options } = this;
    if (doubles[(own + TIMED_US) >> 1]! > 0) return;
    doubles[(own + TIMED_US) >> 1] = timeUs;
    words[own + TIMED_SEQUENCE] = end;
    words[own + TIMED_TIMESTAMP] = options.timestamp;
    if (options.hasTimestamps) words[own + MARKS]! |= KNOWN_TIMESTAMP;
    else words[own + MARKS]! &= ~KNOWN_TIMESTAMP;
  }

  /** A segment came again: nobody knows which sending an acknowledgement answers (Karn's rule), unless timestamps tell. */
  private timeAgain(own: number, sequence: number, end: number): void {
    const { words, doubles, options } = this;
    const timedUs = doubles[(own + TIMED_US) >> 1]!;
    if (timedUs === 0 || ((sequence - (words[own + TIMED_SEQUENCE]! | 0)) | 0) >= 0) return;
    doubles[(own + TIMED_US) >> 1] = 0;
    const isTold =
      options.hasTimestamps &&
      (words[own + MARKS]! & KNOWN_TIMESTAMP) !== 0 &&
      options.timestamp !== words[own + TIMED_TIMESTAMP]!;
    if (isTold) this.time(own, end);
  }

  /** RFC 6298 section 2, with its alpha of 1/8 and beta of 1/4. */
  private addRoundTrip(own: number, sampleUs: number): void {
    const { words } = this;
    const sample = Math.min(Math.max(Math.round(sampleUs), 0), MAX_LATENCY_US);
    if ((words[own + MARKS]! & KNOWN_ROUND_TRIP) === 0) {
      words[own + MARKS]! |= KNOWN_ROUND_TRIP;
      words[own + ROUND_TRIP] = sample;
      words[own + ROUND_TRIP_VARIANCE] = Math.round(sample / 2);
      return;
    }
    const smoothed = words[own + ROUND_TRIP]!;
    const variance = words[own + ROUND_TRIP_VARIANCE]!;
    words[own + ROUND_TRIP_VARIANCE] = Math.round(variance + (Math.abs(smoothed - sample) - variance) / 4);
    words[own + ROUND_TRIP] = Math.round(smoothed + (sample - smoothed) / 8);
  }

  /** Payload: the client's is a request until the server answers it. */
  private noteApplication(row: number, direction: 0 | 1, isAgain: boolean): void {
    const timeUs = this.timeUs[0]!;
    const { words, doubles } = this;
    if ((words[row + MARKS]! & KNOWN_ANSWER) !== 0) return;
    const at = (row + REQUEST_US) >> 1;
    if (direction === 0) {
      if (!isAgain) doubles[at] = timeUs;
      return;
    }
    words[row + MARKS]! |= KNOWN_ANSWER;
    // Servers that speak first answer nobody.
    if (doubles[at]! > 0) words[row + APPLICATION_LATENCY] = latency(timeUs - doubles[at]!);
  }
}

function isZeroWindow(words: Uint32Array, own: number): boolean {
  return (words[own + MARKS]! & KNOWN_SEQUENCE) !== 0 && words[own + WINDOW]! === 0;
}

/** Counts in the 16 bits of a word from bit `shift` on, as far as they go. */
function countHalf(words: Uint32Array, at: number, shift: number): void {
  if (((words[at]! >>> shift) & 0xffff) < 0xffff) words[at]! += 2 ** shift;
}

function noteWindow(words: Uint32Array, own: number, window: number): void {
  const windows = words[own + WINDOWS]!;
  if ((words[own + MARKS]! & KNOWN_WINDOWS) === 0) {
    words[own + MARKS]! |= KNOWN_WINDOWS;
    words[own + WINDOWS] = window | (window << 16);
    return;
  }
  if (window < (windows & 0xffff)) words[own + WINDOWS] = (windows & 0xffff0000) | window;
  else if (window > windows >>> 16) words[own + WINDOWS] = (windows & 0xffff) | (window << 16);
}

function latency(us: number): number {
  return Math.round(Math.min(Math.max(us, 0), MAX_LATENCY_US)) + 1;
}

function halfLatency(us: number): number {
  return latency(us / 2);
}
