/**
 * Puts fragmented IP packets together again (RFC 791 section 3.2, RFC 8200 section 4.5), within fixed limits: exporters send
 * datagrams longer than a link's MTU, and what a capture shows of them are pieces in any order.
 */

import type { PacketHeaders } from '../packet/packet-headers.ts';

/** Packets put together at the same time unless said otherwise. */
export const DEFAULT_MAX_PACKETS_IN_FLIGHT = 256;
/** How long a packet waits for its missing fragments by packet time, in milliseconds (RFC 8200 section 4.5: 60 seconds). */
export const DEFAULT_FRAGMENT_TIMEOUT_MS = 60_000;
/** Fragments per packet; at the smallest usual MTU, 576 octets, the longest packet has 119. */
export const MAX_FRAGMENTS = 128;

/** What became of a fragment: `held` and `whole` are taken, the others not. */
export const FRAGMENT_OUTCOMES = ['held', 'whole', 'truncated', 'malformed'] as const;

/** One of {@link FRAGMENT_OUTCOMES}. */
export type FragmentOutcome = (typeof FRAGMENT_OUTCOMES)[number];

const MAX_FRAGMENTABLE_OCTETS = 65_535;
const IPV4_HEADER_LENGTH = 20;
const IPV6_HEADER_LENGTH = 40;
const HOP_BY_HOP = 0;
const ROUTING = 43;
const FRAGMENT = 44;
const DESTINATION_OPTIONS = 60;
const FRAGMENT_HEADER_LENGTH = 8;
/** Extension headers looked through for the fragment header. */
const MAX_EXTENSION_HEADERS = 24;

/** A packet of which something is missing. */
class PartialPacket {
  key = '';
  startMs = 0;
  fragments = 0;
  /** Octets after the IP header once the last fragment is known, else -1. */
  totalLength = -1;
  /** What follows the IP header. */
  nextHeader = 0;
  hasFirst = false;
  /** Where the ranges that arrived start and end, apart from each other and in order. */
  readonly starts: Int32Array = new Int32Array(MAX_FRAGMENTS + 1);
  readonly ends: Int32Array = new Int32Array(MAX_FRAGMENTS + 1);
  rangeCount = 0;
  /** Room for an IPv6 header, then what the fragments carry. */
  readonly octets: Uint8Array = new Uint8Array(IPV6_HEADER_LENGTH + MAX_FRAGMENTABLE_OCTETS);
  readonly view: DataView = new DataView(this.octets.buffer);

  clear(key: string, startMs: number): void {
    this.key = key;
    this.startMs = startMs;
    this.fragments = 0;
    this.totalLength = -1;
    this.hasFirst = false;
    this.rangeCount = 0;
  }
}

/**
 * Takes fragments and gives whole packets. Of octets that arrive twice the first stay; IPv6 fragments that overlap otherwise than
 * as exact repetition cost their packet (RFC 5722). Fragments taken = reassembled + dropped for every reason + held.
 */
export class FragmentReassembler {
  /** The packet that became whole: view, and `[start, end)` of an IP packet without fragmentation; valid until the next {@link FragmentReassembler.add}. */
  view: DataView = new DataView(new ArrayBuffer(0));
  /** First octet of the IP header in {@link FragmentReassembler.view}. */
  start = 0;
  /** End of the IP packet in {@link FragmentReassembler.view}. */
  end = 0;

  /** Fragments taken. */
  fragmentsTaken = 0;
  /** Fragments of packets that became whole. */
  fragmentsReassembled = 0;
  /** Fragments of packets whose rest did not come in time. */
  fragmentsDroppedTimeout = 0;
  /** Fragments of packets given up for newer ones. */
  fragmentsDroppedCrowded = 0;
  /** Fragments of packets with more than {@link MAX_FRAGMENTS}. */
  fragmentsDroppedTooMany = 0;
  /** Fragments of IPv6 packets that contradict each other. */
  fragmentsDroppedOverlap = 0;
  /** Fragments of packets still unfinished at the end. */
  fragmentsDroppedUnfinished = 0;
  /** Fragments waiting for others now. */
  fragmentsHeld = 0;
  /** Packets that became whole. */
  packetsReassembled = 0;

  #maxPackets: number;
  #timeoutMs: number;
  #packets = new Map<string, PartialPacket>();
  #free: PartialPacket[] = [];

  /** Keeps at most `maxPackets` unfinished packets of 64 KiB each, and none longer than `timeoutMs` of packet time. */
  constructor(maxPackets = DEFAULT_MAX_PACKETS_IN_FLIGHT, timeoutMs = DEFAULT_FRAGMENT_TIMEOUT_MS) {
    this.#maxPackets = maxPackets;
    this.#timeoutMs = timeoutMs;
  }

  /** Takes the fragment that `headers` describe, captured at `timeMs` in octets of `view` that end at `captureEnd`. */
  add(view: DataView, captureEnd: number, headers: PacketHeaders, timeMs: number): FragmentOutcome {
    const at = fragmentAt(view, captureEnd, headers);
    if (at < 0) return 'malformed';
    // Length 0 is segmentation offload, which no fragment can be.
    const end = headers.networkAt + headers.ipTotalLength;
    if (end > captureEnd) return 'truncated';
    const length = end - at;
    const from = headers.fragmentOffset;
    const to = from + length;
    if (length <= 0 || (headers.moreFragments && length % 8 !== 0) || to > MAX_FRAGMENTABLE_OCTETS) return 'malformed';
    if (headers.ipVersion === 4 && to > MAX_FRAGMENTABLE_OCTETS - IPV4_HEADER_LENGTH) return 'malformed';
    this.#dropOld(timeMs);
    const key = keyOf(view, headers);
    let packet = this.#packets.get(key);
    if (packet === undefined) {
      packet = this.#begin(key, timeMs);
    } else if (contradictsLength(packet, to, headers.moreFragments)) {
      return 'malformed';
    }
    this.fragmentsTaken++;
    this.fragmentsHeld++;
    packet.fragments++;
    if (packet.fragments > MAX_FRAGMENTS) {
      this.fragmentsDroppedTooMany += this.#release(packet);
      return 'held';
    }
    if (headers.ipVersion === 6 && isInConflict(packet, view, at, from, to)) {
      this.fragmentsDroppedOverlap += this.#release(packet);
      return 'held';
    }
    if (!headers.moreFragments) packet.totalLength = to;
    if (from === 0 && !packet.hasFirst) {
      packet.hasFirst = true;
      writeHeader(packet, view, headers, at);
    }
    fill(packet, view, at, from, to);
    if (packet.rangeCount !== 1 || packet.starts[0] !== 0 || packet.ends[0] !== packet.totalLength) return 'held';
    this.#finishPacket(packet, headers.ipVersion);
    return 'whole';
  }

  /** Gives up what is unfinished. */
  finish(): void {
    for (const packet of [...this.#packets.values()]) this.fragmentsDroppedUnfinished += this.#release(packet);
  }

  #begin(key: string, timeMs: number): PartialPacket {
    if (this.#packets.size >= this.#maxPackets) {
      const oldest = this.#packets.values().next().value;
      if (oldest !== undefined) this.fragmentsDroppedCrowded += this.#release(oldest);
    }
    const packet = this.#free.pop() ?? new PartialPacket();
    packet.clear(key, timeMs);
    this.#packets.set(key, packet);
    return packet;
  }

  /** Forgets a packet and returns how many fragments it had; its octets stay until the next one begins. */
  #release(packet: PartialPacket): number {
    this.#packets.delete(packet.key);
    this.#free.push(packet);
    this.fragmentsHeld -= packet.fragments;
    return packet.fragments;
  }

  #dropOld(timeMs: number): void {
    // In order of their first fragments, so the first that is young ends it.
    for (const packet of this.#packets.values()) {
      if (timeMs - packet.startMs <= this.#timeoutMs) return;
      this.fragmentsDroppedTimeout += this.#release(packet);
    }
  }

  #finishPacket(packet: PartialPacket, ipVersion: number): void {
    this.view = packet.view;
    this.end = IPV6_HEADER_LENGTH + packet.totalLength;
    if (ipVersion === 4) {
      this.start = IPV6_HEADER_LENGTH - IPV4_HEADER_LENGTH;
      packet.view.setUint16(this.start + 2, IPV4_HEADER_LENGTH + packet.totalLength);
    } else {
      this.start = 0;
      packet.view.setUint16(4, packet.totalLength);
    }
    this.packetsReassembled++;
    this.fragmentsReassembled += this.#release(packet);
  }
}

/** Where the fragment's own octets start, or -1. */
function fragmentAt(view: DataView, captureEnd: number, headers: PacketHeaders): number {
  if (headers.ipVersion === 4) return headers.networkAt + headers.ipHeaderLength;
  let at = headers.networkAt + IPV6_HEADER_LENGTH;
  let next = view.getUint8(headers.networkAt + 6);
  for (let count = 0; count <= MAX_EXTENSION_HEADERS && at + FRAGMENT_HEADER_LENGTH <= captureEnd; count++) {
    if (next === FRAGMENT) return at + FRAGMENT_HEADER_LENGTH;
    if (next !== HOP_BY_HOP && next !== ROUTING && next !== DESTINATION_OPTIONS) return -1;
    next = view.getUint8(at);
    at += 8 + 8 * view.getUint8(at + 1);
  }
  return -1;
}

/** What fragments of one packet have in common: addresses and identification, for IPv4 the protocol too. */
function keyOf(view: DataView, headers: PacketHeaders): string {
  if (headers.ipVersion === 4) {
    return `${headers.sourceIPv4}>${headers.destinationIPv4}/${headers.protocol}/${headers.identification}`;
  }
  let key = '';
  for (let offset = 0; offset < 32; offset += 4) {
    key += `${view.getUint32(headers.sourceIPv6At + offset).toString(36)}.`;
  }
  return key + headers.identification;
}

function contradictsLength(packet: PartialPacket, to: number, moreFragments: boolean): boolean {
  if (packet.totalLength >= 0 && (to > packet.totalLength || (!moreFragments && to !== packet.totalLength)))
    return true;
  return !moreFragments && packet.rangeCount > 0 && packet.ends[packet.rangeCount - 1]! > to;
}

/** Writes an IP header before the octets that says what the first fragment's said, without fragmentation; the length comes later. */
function writeHeader(packet: PartialPacket, view: DataView, headers: PacketHeaders, at: number): void {
  const made = packet.view;
  if (headers.ipVersion === 4) {
    const start = IPV6_HEADER_LENGTH - IPV4_HEADER_LENGTH;
    for (let offset = 0; offset < IPV4_HEADER_LENGTH; offset += 4) {
      made.setUint32(start + offset, view.getUint32(headers.networkAt + offset));
    }
    made.setUint8(start, 0x45);
    made.setUint16(start + 6, 0);
    return;
  }
  for (let offset = 0; offset < IPV6_HEADER_LENGTH; offset += 4) {
    made.setUint32(offset, view.getUint32(headers.networkAt + offset));
  }
  made.setUint8(6, view.getUint8(at - FRAGMENT_HEADER_LENGTH));
}

/** Whether `[from, to)` shares octets with what arrived before, and is not merely the same again (RFC 5722). */
function isInConflict(packet: PartialPacket, view: DataView, at: number, from: number, to: number): boolean {
  for (let range = 0; range < packet.rangeCount; range++) {
    const start = packet.starts[range]!;
    const end = packet.ends[range]!;
    if (from >= end || to <= start) continue;
    if (from < start || to > end) return true;
    for (let offset = from; offset < to; offset++) {
      if (packet.octets[IPV6_HEADER_LENGTH + offset] !== view.getUint8(at + offset - from)) return true;
    }
  }
  return false;
}

/** Copies those of the octets `[from, to)` that did not arrive before, and notes the range. */
function fill(packet: PartialPacket, view: DataView, at: number, from: number, to: number): void {
  const { starts, ends } = packet;
  const source = new Uint8Array(view.buffer, view.byteOffset, view.byteLength);
  let start = from;
  let end = to;
  let position = from;
  let kept = 0;
  // Ranges before the new one stay, those that touch it become part of it, those after it move up.
  while (kept < packet.rangeCount && ends[kept]! < from) kept++;
  let next = kept;
  while (next < packet.rangeCount && starts[next]! <= to) {
    if (starts[next]! > position) copy(packet, source, at + position - from, position, starts[next]!);
    if (ends[next]! > position) position = ends[next]!;
    start = Math.min(start, starts[next]!);
    end = Math.max(end, ends[next]!);
    next++;
  }
  if (to > position) copy(packet, source, at + position - from, position, to);
  starts.copyWithin(kept + 1, next, packet.rangeCount);
  ends.copyWithin(kept + 1, next, packet.rangeCount);
  starts[kept] = start;
  ends[kept] = end;
  packet.rangeCount += kept + 1 - next;
}

function copy(packet: PartialPacket, source: Uint8Array, at: number, from: number, to: number): void {
  packet.octets.set(source.subarray(at, at + to - from), IPV6_HEADER_LENGTH + from);
}
