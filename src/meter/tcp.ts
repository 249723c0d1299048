import type { IpPacket } from '../packet/ip-packet.ts';
import { RowMemory } from './row-memory.ts';
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
  TCP_REST_WORDS,
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

/** What is known of a direction whose segments may be as expected, and what it waits for if not. */
const EXPECTING = KNOWN_SEQUENCE | KNOWN_ACKNOWLEDGEMENT | KNOWN_WINDOWS;

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
  /** What every segment touches, as `tcp-row.ts` says. */
  readonly words: Uint32Array;
  /** What few segments change. */
  readonly rest: Uint32Array;
  private readonly doubles: Float64Array;
  private readonly restDoubles: Float64Array;
  private readonly options = new TcpOptions();
  private readonly timeUs: Float64Array;

  /**
   * Takes address space for the connections of `maxFlows` slots. The time of a segment stands in `timeUs[0]`, in microseconds since
   * 1970: as an argument it would be boxed at every call.
   */
  constructor(maxFlows: number, timeUs: Float64Array) {
    this.timeUs = timeUs;
    const rows = new RowMemory(maxFlows * TCP_ROW_WORDS);
    this.words = rows.words;
    this.doubles = rows.doubles;
    const rest = new RowMemory(maxFlows * TCP_REST_WORDS);
    this.rest = rest.words;
    this.restDoubles = rest.doubles;
  }

  /** Starts a connection anew. */
  reset(slot: number): void {
    const { words, rest } = this;
    const row = slot * TCP_ROW_WORDS;
    for (let i = 0; i < TCP_ROW_WORDS; i++) words[row + i] = 0;
    const restRow = slot * TCP_REST_WORDS;
    for (let i = 0; i < TCP_REST_WORDS; i++) rest[restRow + i] = 0;
  }

  /** Forgets the counts that were reported, and keeps the state. */
  resetCounts(slot: number): void {
    const { words, rest } = this;
    for (let direction = 0; direction < 2; direction++) {
      const own = slot * TCP_ROW_WORDS + direction * DIRECTION_WORDS;
      const counts = countsOf(slot, direction);
      for (let i = RETRANSMITTED_PACKETS; i <= KEEP_ALIVES_AND_RESETS; i++) rest[counts + i] = 0;
      words[own + WINDOWS] = 0;
      words[own + MARKS]! &= ~KNOWN_WINDOWS;
    }
  }

  /** Whether a SYN with this sequence number is another connection's: not the first one sent again. */
  isOtherConnection(slot: number, direction: 0 | 1, sequence: number): boolean {
    const { words } = this;
    const own = slot * TCP_ROW_WORDS + direction * DIRECTION_WORDS;
    const marks = words[own + MARKS]!;
    if ((marks & KNOWN_SYN) !== 0) return this.rest[countsOf(slot, direction) + SYN_SEQUENCE]! !== sequence;
    // One that was overtaken on its way here is not far behind.
    const behind = (words[own + NEXT_SEQUENCE]! - sequence) | 0;
    return (marks & KNOWN_SEQUENCE) !== 0 && (behind <= 0 || behind > OVERTAKEN_SYN_OCTETS);
  }

  /** Takes a segment whose {@link IpPacket.tcpHeaderLength} is not 0. */
  add(slot: number, direction: 0 | 1, view: DataView, packet: IpPacket): void {
    const { words } = this;
    const { tcpFlags: flags, tcpAt, payloadLength: length } = packet;
    const own = slot * TCP_ROW_WORDS + direction * DIRECTION_WORDS;
    const other = own ^ DIRECTION_WORDS;
    const sequence = view.getInt32(tcpAt + 4);
    const acknowledgement = view.getInt32(tcpAt + 8);
    const window = view.getUint16(tcpAt + 14);
    const end = (sequence + length) | 0;
    if (
      sequence === (words[own + NEXT_SEQUENCE]! | 0) &&
      (flags & (SYN | FIN | RST | ACK)) === ACK &&
      (words[own + MARKS]! & (EXPECTING | AWAITS_CLIENT)) === EXPECTING &&
      window !== 0 &&
      // A single octet may be sent to a closed window.
      length !== 1 &&
      (length === 0 || !this.isAcknowledged(other, end))
    ) {
      this.addExpected(slot, direction, view, packet, own, other, end, acknowledgement, window);
    } else {
      this.addAny(slot, direction, view, packet, sequence, acknowledgement, window);
    }
  }

  /**
   * Takes a segment that is the next of its direction, with an acknowledgement, and no control flag: what {@link TcpAnalysis.addAny} does of which
   * something is to be done then. Options are read where they are asked for.
   */
  private addExpected(
    slot: number,
    direction: 0 | 1,
    view: DataView,
    packet: IpPacket,
    own: number,
    other: number,
    end: number,
    acknowledgement: number,
    window: number,
  ): void {
    const timeUs = this.timeUs[0]!;
    const { words, doubles } = this;
    const length = packet.payloadLength;
    noteKnownWindow(words, own, window);
    if (length > 0) {
      words[own + NEXT_SEQUENCE] = end;
      doubles[(own + NEXT_SEQUENCE_US) >> 1] = timeUs;
      words[own + DUPLICATE_ACKNOWLEDGEMENTS] = 0;
      if (doubles[(own + TIMED_US) >> 1]! === 0) {
        this.readOptions(view, packet);
        this.time(own, end);
      }
      const client = slot * TCP_ROW_WORDS;
      if ((words[client + MARKS]! & KNOWN_ANSWER) === 0) this.noteApplication(slot, direction, false);
    } else {
      const isSame = acknowledgement === (words[own + ACKNOWLEDGED]! | 0) && window === words[own + WINDOW]!;
      words[own + DUPLICATE_ACKNOWLEDGEMENTS] = isSame ? words[own + DUPLICATE_ACKNOWLEDGEMENTS]! + 1 : 0;
    }
    words[own + ACKNOWLEDGED] = acknowledgement;
    doubles[(own + ACKNOWLEDGED_US) >> 1] = timeUs;
    words[own + WINDOW] = window;
    if (this.isAnswer(other, acknowledgement)) {
      this.readOptions(view, packet);
      this.endTiming(other);
    }
  }

  /** Whether an acknowledgement is the awaited one, of direction `other`. */
  private isAnswer(other: number, acknowledgement: number): boolean {
    const { words, doubles } = this;
    return doubles[(other + TIMED_US) >> 1]! > 0 && ((acknowledgement - (words[other + TIMED_SEQUENCE]! | 0)) | 0) >= 0;
  }

  private readOptions(view: DataView, packet: IpPacket): void {
    const { tcpAt, tcpHeaderLength } = packet;
    const end = tcpAt + tcpHeaderLength;
    if (tcpHeaderLength > 20 && end <= packet.payloadEnd) this.options.read(view, tcpAt + 20, end);
    else this.options.clear();
  }

  /** Takes any segment. */
  private addAny(
    slot: number,
    direction: 0 | 1,
    view: DataView,
    packet: IpPacket,
    sequence: number,
    acknowledgement: number,
    window: number,
  ): void {
    const timeUs = this.timeUs[0]!;
    const { words, doubles, rest } = this;
    const row = slot * TCP_ROW_WORDS;
    const own = row + direction * DIRECTION_WORDS;
    const other = own ^ DIRECTION_WORDS;
    const counts = countsOf(slot, direction);
    const { tcpFlags: flags, payloadLength: length } = packet;
    const isControl = (flags & (SYN | FIN)) !== 0;
    const isPlain = (flags & (SYN | FIN | RST)) === 0;
    const end = (sequence + length + (isControl ? 1 : 0)) | 0;
    const isKnown = (words[own + MARKS]! & KNOWN_SEQUENCE) !== 0;
    const nextSequence = words[own + NEXT_SEQUENCE]! | 0;
    this.readOptions(view, packet);

    if ((flags & RST) !== 0) countHalf(rest, counts + KEEP_ALIVES_AND_RESETS, 16);
    if (window === 0 && isPlain) rest[counts + ZERO_WINDOWS]!++;
    if ((flags & SYN) !== 0) this.noteSyn(slot, own, counts, flags, sequence);
    else if ((flags & RST) === 0) noteWindow(words, own, window);

    const isProbe = isKnown && length === 1 && sequence === nextSequence && isZeroWindow(words, other);
    const isKeepAlive = isKnown && isPlain && length <= 1 && sequence === ((nextSequence - 1) | 0);
    const hasContent = length > 0 || isControl;
    let isAgain = false;
    if (isKeepAlive) {
      countHalf(rest, counts + KEEP_ALIVES_AND_RESETS, 0);
    } else if (isKnown && !isProbe) {
      const ahead = (sequence - nextSequence) | 0;
      if (ahead > 0 && (flags & RST) === 0) rest[counts + LOST]!++;
      const isAcknowledged = length > 0 && this.isAcknowledged(other, (sequence + length) | 0);
      isAgain = isAcknowledged || (ahead < 0 && hasContent);
      if (isAgain && !isAcknowledged && this.isOvertaken(slot, own, other, sequence, end, nextSequence)) {
        rest[counts + OUT_OF_ORDER]!++;
      } else if (isAgain) {
        rest[counts + RETRANSMITTED_PACKETS]!++;
        rest[counts + RETRANSMITTED_OCTETS]! += length;
      }
    }

    if (isAgain) this.timeAgain(own, sequence, end);
    else if (hasContent && !isKeepAlive && !isProbe && (flags & RST) === 0) this.time(own, end);

    if (!isProbe && (!isKnown || ((end - nextSequence) | 0) > 0)) {
      words[own + NEXT_SEQUENCE] = end;
      doubles[(own + NEXT_SEQUENCE_US) >> 1] = timeUs;
    }
    words[own + MARKS]! |= KNOWN_SEQUENCE;
    if ((flags & ACK) !== 0) this.acknowledge(slot, own, other, flags, length, sequence, acknowledgement, window);
    words[own + WINDOW] = window;
    if (length > 0 && !isKeepAlive) this.noteApplication(slot, direction, isAgain);
  }

  /** Whether the receiver, direction `other`, has all octets before `end`. */
  private isAcknowledged(other: number, end: number): boolean {
    const { words } = this;
    return (words[other + MARKS]! & KNOWN_ACKNOWLEDGEMENT) !== 0 && ((end - words[other + ACKNOWLEDGED]!) | 0) <= 0;
  }

  /** Whether a segment behind the highest came late, rather than again. */
  private isOvertaken(
    slot: number,
    own: number,
    other: number,
    sequence: number,
    end: number,
    nextSequence: number,
  ): boolean {
    const timeUs = this.timeUs[0]!;
    const { words, doubles, rest } = this;
    const restRow = slot * TCP_REST_WORDS;
    // The receiver asks for it.
    const isAskedFor =
      words[other + DUPLICATE_ACKNOWLEDGEMENTS]! >= 2 &&
      sequence === (words[other + ACKNOWLEDGED]! | 0) &&
      timeUs - doubles[(other + ACKNOWLEDGED_US) >> 1]! < FAST_RETRANSMISSION_US;
    if (isAskedFor) return false;
    const clientLatency = rest[restRow + CLIENT_LATENCY]!;
    const serverLatency = rest[restRow + SERVER_LATENCY]!;
    const thresholdUs =
      clientLatency > 0 && serverLatency > 0 ? 2 * (clientLatency + serverLatency - 2) : OUT_OF_ORDER_US;
    return timeUs - doubles[(own + NEXT_SEQUENCE_US) >> 1]! < thresholdUs && end !== nextSequence;
  }

  /** Notes a SYN or SYN-ACK: its options, and the time. */
  private noteSyn(slot: number, own: number, counts: number, flags: number, sequence: number): void {
    const timeUs = this.timeUs[0]!;
    const { words, rest, restDoubles, options } = this;
    const { maximumSegmentSize, windowScale } = options;
    const restRow = slot * TCP_REST_WORDS;
    rest[counts + SYN_SEQUENCE] = sequence;
    words[own + MARKS] =
      (words[own + MARKS]! & 0xff) | KNOWN_SYN | (Math.max(windowScale, 0) << 8) | (maximumSegmentSize << 16);
    if ((flags & ACK) === 0) {
      restDoubles[(restRow + SYN_US) >> 1] = timeUs;
    } else {
      const synUs = restDoubles[(restRow + SYN_US) >> 1]!;
      if (synUs > 0 && rest[restRow + SERVER_LATENCY]! === 0)
        rest[restRow + SERVER_LATENCY] = halfLatency(timeUs - synUs);
      // One that comes after its answer was lost on its way to the client, or overtaken.
      if (rest[restRow + CLIENT_LATENCY]! === 0) {
        restDoubles[(restRow + SYN_ACK_US) >> 1] = timeUs;
        words[slot * TCP_ROW_WORDS + MARKS]! |= AWAITS_CLIENT;
      }
    }
  }

  /** Takes the acknowledgement of a segment: an answer to the other direction. */
  private acknowledge(
    slot: number,
    own: number,
    other: number,
    flags: number,
    length: number,
    sequence: number,
    acknowledgement: number,
    window: number,
  ): void {
    const timeUs = this.timeUs[0]!;
    const { words, doubles } = this;
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

    if (this.isAnswer(other, acknowledgement)) this.endTiming(other);
    if (own === slot * TCP_ROW_WORDS && (marks & AWAITS_CLIENT) !== 0 && (flags & (SYN | RST)) === 0) {
      const restRow = slot * TCP_REST_WORDS;
      const synAckUs = this.restDoubles[(restRow + SYN_ACK_US) >> 1]!;
      words[own + MARKS]! &= ~AWAITS_CLIENT;
      // Payload may have waited for the client to have some.
      if (length === 0) this.rest[restRow + CLIENT_LATENCY] = halfLatency(timeUs - synAckUs);
    }
  }

  /** The awaited acknowledgement, of direction `other`, came. */
  private endTiming(other: number): void {
    const { words, doubles, options } = this;
    const timedUs = doubles[(other + TIMED_US) >> 1]!;
    doubles[(other + TIMED_US) >> 1] = 0;
    // With timestamps the echo says whether it is the awaited segment that is acknowledged, or an earlier sending of it.
    const isIt =
      (words[other + MARKS]! & KNOWN_TIMESTAMP) === 0 ||
      !options.hasTimestamps ||
      ((options.echo - words[other + TIMED_TIMESTAMP]!) | 0) >= 0;
    if (isIt) this.addRoundTrip(other, this.timeUs[0]! - timedUs);
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
  private noteApplication(slot: number, direction: number, isAgain: boolean): void {
    const timeUs = this.timeUs[0]!;
    const { words, restDoubles } = this;
    const row = slot * TCP_ROW_WORDS;
    if ((words[row + MARKS]! & KNOWN_ANSWER) !== 0) return;
    const restRow = slot * TCP_REST_WORDS;
    const at = (restRow + REQUEST_US) >> 1;
    if (direction === 0) {
      if (!isAgain) restDoubles[at] = timeUs;
      return;
    }
    words[row + MARKS]! |= KNOWN_ANSWER;
    // Servers that speak first answer nobody.
    if (restDoubles[at]! > 0) this.rest[restRow + APPLICATION_LATENCY] = latency(timeUs - restDoubles[at]!);
  }
}

/** Where the counts of a direction are in the rest of the rows. */
function countsOf(slot: number, direction: number): number {
  return slot * TCP_REST_WORDS + COUNTS + direction * COUNT_WORDS;
}

function isZeroWindow(words: Uint32Array, own: number): boolean {
  return (words[own + MARKS]! & KNOWN_SEQUENCE) !== 0 && words[own + WINDOW]! === 0;
}

/** Counts in the 16 bits of a word from bit `shift` on, as far as they go. */
function countHalf(words: Uint32Array, at: number, shift: number): void {
  if (((words[at]! >>> shift) & 0xffff) < 0xffff) words[at]! += 2 ** shift;
}

function noteWindow(words: Uint32Array, own: number, window: number): void {
  if ((words[own + MARKS]! & KNOWN_WINDOWS) === 0) {
    words[own + MARKS]! |= KNOWN_WINDOWS;
    words[own + WINDOWS] = window | (window << 16);
    return;
  }
  noteKnownWindow(words, own, window);
}

function noteKnownWindow(words: Uint32Array, own: number, window: number): void {
  const windows = words[own + WINDOWS]!;
  if (window < (windows & 0xffff)) words[own + WINDOWS] = (windows & 0xffff0000) | window;
  else if (window > windows >>> 16) words[own + WINDOWS] = (windows & 0xffff) | (window << 16);
}

function latency(us: number): number {
  return Math.round(Math.min(Math.max(us, 0), MAX_LATENCY_US)) + 1;
}

function halfLatency(us: number): number {
  return latency(us / 2);
}
