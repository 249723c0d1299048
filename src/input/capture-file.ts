/**
 * Packets out of capture files: classic pcap and pcapng, fed block by block. Nothing here opens or reads a file, so the
 * octets may come from anywhere; what is inside the packets is left to others.
 *
 * Formats: pcap and pcapng as the IETF drafts draft-ietf-opsawg-pcap and draft-ietf-opsawg-pcapng describe them.
 */

import type { PacketBatch } from '../bytes/packet-batch.ts';

/** What a file is, by its first octets. */
export type CaptureFormat = 'pcap' | 'pcapng' | 'gzip' | 'ipfix' | 'unknown';

/** How reading a capture ended; all but the first are faults of the file, after which packets already given still count. */
export const CAPTURE_OUTCOMES = [
  'ok',
  'empty',
  'truncated',
  'format_unknown',
  'version_unsupported',
  'captured_length_invalid',
  'block_length_invalid',
  'block_trailer_mismatch',
  'byte_order_magic_invalid',
  'interfaces_too_many',
] as const;

/** One of {@link CAPTURE_OUTCOMES}. */
export type CaptureOutcome = (typeof CAPTURE_OUTCOMES)[number];

/** Longest packet read, in octets: libpcap's largest snap length. A longer one means that the file is damaged. */
export const MAX_CAPTURED_LENGTH = 262_144;
/** Longest pcapng block that is held as a whole (its packet, and as many octets of options), in octets. */
export const MAX_BLOCK_LENGTH = 524_288;
/** Interfaces kept per pcapng section; packets of further ones are counted and left out. */
export const MAX_INTERFACES = 65_536;

const PCAP_MAGIC_MICROSECONDS = 0xa1b2c3d4;
const PCAP_MAGIC_NANOSECONDS = 0xa1b23c4d;
/** Kuznetzov's "modified" pcap of old Linux distributions: 8 more octets per packet. */
const PCAP_MAGIC_MODIFIED = 0xa1b2cd34;
const PCAP_HEADER_LENGTH = 24;
const PCAP_RECORD_LENGTH = 16;
const PCAP_MODIFIED_RECORD_LENGTH = 24;
const PCAP_VERSION_MAJOR = 2;

const SECTION_HEADER_BLOCK = 0x0a0d0d0a;
const INTERFACE_DESCRIPTION_BLOCK = 1;
const PACKET_BLOCK = 2;
const SIMPLE_PACKET_BLOCK = 3;
const ENHANCED_PACKET_BLOCK = 6;
const BYTE_ORDER_MAGIC = 0x1a2b3c4d;
const OPTION_END = 0;
const OPTION_TIMESTAMP_RESOLUTION = 9;
const OPTION_TIMESTAMP_OFFSET = 14;
/** Octets of the shortest block: type, length, length again. */
const MIN_BLOCK_LENGTH = 12;
const MIN_SECTION_HEADER_LENGTH = 28;
const MIN_INTERFACE_DESCRIPTION_LENGTH = 20;
const MIN_SIMPLE_PACKET_LENGTH = 16;
const MIN_PACKET_LENGTH = 32;

const IPFIX_VERSION = 10;
const IPFIX_MIN_LENGTH = 16;
const TWO_TO_32 = 4_294_967_296;
/** Offsets past this many seconds, some 35,000 years, are damage. */
const MAX_TIMESTAMP_OFFSET = 2n ** 40n;

const STATE_START = 0;
const STATE_PCAP = 1;
const STATE_PCAPNG = 2;
const STATE_PCAPNG_SKIP = 3;
const STATE_BROKEN = 4;

/** What a file is by its first octets, of which four are enough; fewer give `unknown`, save for gzip's two. */
export function formatOf(firstOctets: Uint8Array): CaptureFormat {
  if (firstOctets.length >= 2 && firstOctets[0] === 0x1f && firstOctets[1] === 0x8b) return 'gzip';
  if (firstOctets.length < 4) return 'unknown';
  const view = new DataView(firstOctets.buffer, firstOctets.byteOffset, firstOctets.byteLength);
  const magic = view.getUint32(0);
  if (magic === SECTION_HEADER_BLOCK) return 'pcapng';
  if (isPcapMagic(magic) || isPcapMagic(view.getUint32(0, true))) return 'pcap';
  if (view.getUint16(0) === IPFIX_VERSION && view.getUint16(2) >= IPFIX_MIN_LENGTH) return 'ipfix';
  return 'unknown';
}

function isPcapMagic(magic: number): boolean {
  return magic === PCAP_MAGIC_MICROSECONDS || magic === PCAP_MAGIC_NANOSECONDS || magic === PCAP_MAGIC_MODIFIED;
}

/** One packet where it lies in the fed octets; one object serves all packets of a reader. */
export class CapturedPacket {
  /** The octets around the packet; positions count from its start. */
  view: DataView = new DataView(new ArrayBuffer(0));
  /** First octet of the packet. */
  start = 0;
  /** One past the last captured octet. */
  end = 0;
  /** Octets the packet had on the wire; more than captured where a snap length cut it. */
  originalLength = 0;
  /** Whole seconds since 1970 at which it was captured, UTC. */
  seconds = 0;
  /** The rest of the time, 0 to 999,999,999. */
  nanoseconds = 0;
  /** Link type: how its first header looks (tcpdump.org's list). */
  linkType = 0;
}

/**
 * Pulls packets out of pushed octets.
 *
 * Usage: `feed` a block, call `next` until it is false, feed the next block; `finish` after the last. Once `next` was false the
 * block is done with and may be overwritten. Nothing is copied but what spans two blocks. Never throws on what it is fed.
 */
export class CaptureReader {
  /** The packet found by the last {@link CaptureReader.next}; valid until the next call of `next` or `feed`. */
  readonly packet: CapturedPacket = new CapturedPacket();
  /** Packets given. */
  packetsRead = 0;
  /** Packets left out because no interface of that number was described, or it was one too many. */
  packetsIgnoredInterfaceUnknown = 0;
  /** pcapng interfaces left out because of {@link MAX_INTERFACES}. */
  interfacesIgnored = 0;
  /** pcapng blocks of other kinds (names, statistics, secrets, …) passed over. */
  blocksIgnored = 0;

  #state = STATE_START;
  #outcome: CaptureOutcome = 'ok';
  #fed = false;
  #littleEndian = false;

  // Where the next record starts: in the block, or in the carry when it began in an earlier block.
  #view: DataView = this.packet.view;
  #at = 0;
  #inCarry = false;
  #block: Uint8Array = new Uint8Array(0);
  #blockView: DataView = this.packet.view;
  #blockAt = 0;
  #carry: Uint8Array = new Uint8Array(0);
  #carryView: DataView = this.packet.view;
  #carryLength = 0;

  // Classic pcap
  #linkType = 0;
  #recordHeaderLength = PCAP_RECORD_LENGTH;
  #fractionToNanoseconds = 1000;
  #minorVersion = 4;

  // pcapng: interfaces of the section
  #interfaceCount = 0;
  #linkTypes = new Uint16Array(8);
  #snapLengths = new Uint32Array(8);
  #unitsPerSecond = new Float64Array(8);
  #offsetsSeconds = new Float64Array(8);
  // pcapng: whether the block just read gave a packet
  #isPacket = false;
  // pcapng: a block that is passed over
  #skipLeft = 0;
  #skipBlockLength = 0;

  /** Gives the next octets; only after {@link CaptureReader.next} returned false. */
  feed(block: Uint8Array): void {
    if (block.length === 0) return;
    this.#fed = true;
    this.#block = block;
    this.#blockView = new DataView(block.buffer, block.byteOffset, block.byteLength);
    this.#blockAt = 0;
    if (!this.#inCarry) {
      this.#view = this.#blockView;
      this.#at = 0;
    }
  }

  /** Moves {@link CaptureReader.packet} to the next packet; false when more octets are needed, or none will help. */
  next(): boolean {
    for (;;) {
      switch (this.#state) {
        case STATE_START:
          if (!this.#readStart()) return false;
          break;
        case STATE_PCAP:
          if (!this.#readPcapRecord()) return false;
          this.packetsRead++;
          return true;
        case STATE_PCAPNG:
          if (!this.#readBlock()) return false;
          if (!this.#isPacket) break;
          this.packetsRead++;
          return true;
        case STATE_PCAPNG_SKIP:
          if (!this.#skipBlock()) return false;
          break;
        default:
          return false;
      }
    }
  }

  /**
   * Puts the next packets into `batch`, replacing what it has; false when there are none, as {@link CaptureReader.next} is. They are
   * valid until the next call of `readBatch`, `next` or `feed`.
   */
  readBatch(batch: PacketBatch): boolean {
    batch.count = 0;
    const { packet } = this;
    while (!batch.isFull && this.next()) {
      const i = batch.count++;
      batch.starts[i] = packet.start;
      batch.ends[i] = packet.end;
      batch.wireLengths[i] = packet.originalLength;
      batch.linkTypes[i] = packet.linkType;
      batch.timesUs[i] = packet.seconds * 1_000_000 + packet.nanoseconds / 1000;
      if (packet.view === this.#carryView) {
        // The block's next packet is elsewhere.
        batch.view = this.#carryView;
        batch.octets = this.#carry;
        return true;
      }
      if (this.#state === STATE_PCAP && this.#minorVersion > 3) this.#addRecords(batch);
    }
    batch.view = this.#blockView;
    batch.octets = this.#block;
    return batch.count > 0;
  }

  /** Adds what lies whole and sound in the block and fits the batch: all but what {@link CaptureReader.next} is asked for. */
  #addRecords(batch: PacketBatch): void {
    const { starts, ends, wireLengths, linkTypes, timesUs } = batch;
    const view = this.#blockView;
    const isLittleEndian = this.#littleEndian;
    const linkType = this.#linkType;
    const headerLength = this.#recordHeaderLength;
    const perMicrosecond = 1000 / this.#fractionToNanoseconds;
    const most = starts.length;
    const blockEnd = this.#block.length;
    let at = this.#at;
    let count = batch.count;
    while (count < most && at + headerLength <= blockEnd) {
      const end = at + headerLength + view.getUint32(at + 8, isLittleEndian);
      const fraction = view.getUint32(at + 4, isLittleEndian);
      if (end > blockEnd || end - at > MAX_CAPTURED_LENGTH || fraction >= 1_000_000 * perMicrosecond) break;
      starts[count] = at + headerLength;
      ends[count] = end;
      wireLengths[count] = view.getUint32(at + 12, isLittleEndian);
      linkTypes[count] = linkType;
      timesUs[count] = view.getUint32(at, isLittleEndian) * 1_000_000 + fraction / perMicrosecond;
      count++;
      at = end;
    }
    this.packetsRead += count - batch.count;
    batch.count = count;
    this.#at = at;
    this.#blockAt = at;
  }

  /** How it ended, after the last block. */
  finish(): CaptureOutcome {
    if (this.#state === STATE_BROKEN) return this.#outcome;
    if (!this.#fed) return 'empty';
    if (this.#state === STATE_START) return this.#carryLength < 4 ? 'format_unknown' : 'truncated';
    if (this.#inCarry || this.#state === STATE_PCAPNG_SKIP) return 'truncated';
    return this.interfacesIgnored > 0 ? 'interfaces_too_many' : 'ok';
  }

  #break(outcome: CaptureOutcome): false {
    this.#state = STATE_BROKEN;
    this.#outcome = outcome;
    return false;
  }

  /** True when `length` octets from the record's start are at hand in one piece; else keeps what there is. */
  #need(length: number): boolean {
    const left = this.#block.length - this.#blockAt;
    if (!this.#inCarry) {
      if (left >= length) return true;
      if (left > 0) {
        this.#startCarry();
        this.#carry.set(this.#block.subarray(this.#blockAt), 0);
        this.#carryLength = left;
        this.#blockAt = this.#block.length;
      }
      return false;
    }
    const missing = length - this.#carryLength;
    if (missing <= 0) return true;
    const taken = Math.min(missing, left);
    this.#carry.set(this.#block.subarray(this.#blockAt, this.#blockAt + taken), this.#carryLength);
    this.#carryLength += taken;
    this.#blockAt += taken;
    return taken === missing;
  }

  #startCarry(): void {
    // Its size is fixed: no number of the file decides what is allocated.
    if (this.#carry.length === 0) {
      this.#carry = new Uint8Array(MAX_BLOCK_LENGTH);
      this.#carryView = new DataView(this.#carry.buffer);
    }
    this.#inCarry = true;
    this.#view = this.#carryView;
    this.#at = 0;
  }

  /** Passes the record, of which `#need` was asked for no more than these octets. */
  #consume(length: number): void {
    if (this.#inCarry) {
      this.#inCarry = false;
      this.#carryLength = 0;
      this.#view = this.#blockView;
      this.#at = this.#blockAt;
      return;
    }
    this.#blockAt += length;
    this.#at = this.#blockAt;
  }

  #u16(at: number): number {
    return this.#view.getUint16(at, this.#littleEndian);
  }

  #u32(at: number): number {
    return this.#view.getUint32(at, this.#littleEndian);
  }

  #readStart(): boolean {
    if (!this.#need(4)) return false;
    const magic = this.#view.getUint32(this.#at);
    if (magic === SECTION_HEADER_BLOCK) {
      this.#state = STATE_PCAPNG;
      return true;
    }
    const swapped = this.#view.getUint32(this.#at, true);
    if (!isPcapMagic(magic) && !isPcapMagic(swapped)) return this.#break('format_unknown');
    if (!this.#need(PCAP_HEADER_LENGTH)) return false;
    this.#littleEndian = isPcapMagic(swapped);
    const kind = this.#littleEndian ? swapped : magic;
    this.#minorVersion = this.#u16(this.#at + 6);
    if (this.#u16(this.#at + 4) !== PCAP_VERSION_MAJOR) return this.#break('version_unsupported');
    this.#fractionToNanoseconds = kind === PCAP_MAGIC_NANOSECONDS ? 1 : 1000;
    this.#recordHeaderLength = kind === PCAP_MAGIC_MODIFIED ? PCAP_MODIFIED_RECORD_LENGTH : PCAP_RECORD_LENGTH;
    // The upper half says whether frames end in a check sequence; lengths in the headers leave it out anyway.
    this.#linkType = this.#u32(this.#at + 20) & 0xffff;
    this.#consume(PCAP_HEADER_LENGTH);
    this.#state = STATE_PCAP;
    return true;
  }

  #readPcapRecord(): boolean {
    const headerLength = this.#recordHeaderLength;
    if (!this.#need(headerLength)) return false;
    let capturedLength = this.#u32(this.#at + 8);
    let originalLength = this.#u32(this.#at + 12);
    // Up to version 2.2 the two lengths stood the other way round, and in 2.3 programs disagreed.
    if (this.#minorVersion < 3 || (this.#minorVersion === 3 && capturedLength > originalLength)) {
      const length = capturedLength;
      capturedLength = originalLength;
      originalLength = length;
    }
    if (capturedLength > MAX_CAPTURED_LENGTH) return this.#break('captured_length_invalid');
    if (!this.#need(headerLength + capturedLength)) return false;
    const at = this.#at;
    const packet = this.packet;
    packet.view = this.#view;
    packet.start = at + headerLength;
    packet.end = at + headerLength + capturedLength;
    packet.originalLength = originalLength;
    packet.linkType = this.#linkType;
    packet.seconds = this.#u32(at);
    packet.nanoseconds = this.#u32(at + 4) * this.#fractionToNanoseconds;
    if (packet.nanoseconds >= 1e9) {
      packet.seconds += Math.floor(packet.nanoseconds / 1e9);
      packet.nanoseconds %= 1e9;
    }
    this.#consume(headerLength + capturedLength);
    return true;
  }

  /** Reads one block; sets `#isPacket`. False: more octets are needed, or the file is broken. */
  #readBlock(): boolean {
    this.#isPacket = false;
    if (!this.#need(MIN_BLOCK_LENGTH)) return false;
    const type = this.#u32(this.#at);
    // The section header's type reads the same in both byte orders, and what follows its length says which one holds.
    if (type === SECTION_HEADER_BLOCK) {
      if (this.#view.getUint32(this.#at + 8) === BYTE_ORDER_MAGIC) this.#littleEndian = false;
      else if (this.#view.getUint32(this.#at + 8, true) === BYTE_ORDER_MAGIC) this.#littleEndian = true;
      else return this.#break('byte_order_magic_invalid');
    }
    const length = this.#u32(this.#at + 4);
    if (length < MIN_BLOCK_LENGTH || length % 4 !== 0) return this.#break('block_length_invalid');
    const isRead =
      type === ENHANCED_PACKET_BLOCK ||
      type === INTERFACE_DESCRIPTION_BLOCK ||
      type === SIMPLE_PACKET_BLOCK ||
      type === PACKET_BLOCK ||
      type === SECTION_HEADER_BLOCK;
    if (!isRead) {
      this.blocksIgnored++;
      this.#startSkip(length);
      return true;
    }
    if (length > MAX_BLOCK_LENGTH) return this.#break('block_length_invalid');
    if (!this.#need(length)) return false;
    if (this.#u32(this.#at + length - 4) !== length) return this.#break('block_trailer_mismatch');
    let isSound: boolean;
    switch (type) {
      case ENHANCED_PACKET_BLOCK:
        isSound = this.#readPacketBlock(length, this.#u32At(8, length));
        break;
      case PACKET_BLOCK:
        isSound = this.#readPacketBlock(length, this.#u16(this.#at + 8));
        break;
      case SIMPLE_PACKET_BLOCK:
        isSound = this.#readSimplePacket(length);
        break;
      case INTERFACE_DESCRIPTION_BLOCK:
        isSound = this.#readInterface(length);
        break;
      default:
        isSound = this.#readSection(length);
    }
    if (!isSound) return false;
    this.#consume(length);
    return true;
  }

  /** A number of the block's body, 0 where the block is too short to have it. */
  #u32At(offset: number, length: number): number {
    return offset + 8 <= length ? this.#u32(this.#at + offset) : 0;
  }

  #readSection(length: number): boolean {
    if (length < MIN_SECTION_HEADER_LENGTH) return this.#break('block_length_invalid');
    const major = this.#u16(this.#at + 12);
    if (major !== 1) return this.#break('version_unsupported');
    this.#interfaceCount = 0;
    return true;
  }

  #readInterface(length: number): boolean {
    if (length < MIN_INTERFACE_DESCRIPTION_LENGTH) return this.#break('block_length_invalid');
    const index = this.#interfaceCount;
    if (index === MAX_INTERFACES) {
      this.interfacesIgnored++;
      return true;
    }
    if (index === this.#linkTypes.length) this.#growInterfaces();
    this.#interfaceCount++;
    this.#linkTypes[index] = this.#u16(this.#at + 8);
    this.#snapLengths[index] = this.#u32(this.#at + 12);
    this.#unitsPerSecond[index] = 1e6;
    this.#offsetsSeconds[index] = 0;
    const end = this.#at + length - 4;
    let at = this.#at + 16;
    while (at + 4 <= end) {
      const code = this.#u16(at);
      const optionLength = this.#u16(at + 2);
      if (code === OPTION_END || at + 4 + optionLength > end) break;
      if (code === OPTION_TIMESTAMP_RESOLUTION && optionLength >= 1) {
        const resolution = this.#view.getUint8(at + 4);
        // The top bit chooses between powers of two and of ten.
        this.#unitsPerSecond[index] = resolution & 0x80 ? 2 ** (resolution & 0x7f) : 10 ** resolution;
      } else if (code === OPTION_TIMESTAMP_OFFSET && optionLength >= 8) {
        const offset = this.#view.getBigInt64(at + 4, this.#littleEndian);
        if (offset < MAX_TIMESTAMP_OFFSET && offset > -MAX_TIMESTAMP_OFFSET) {
          this.#offsetsSeconds[index] = Number(offset);
        }
      }
      at += 4 + ((optionLength + 3) & ~3);
    }
    return true;
  }

  #growInterfaces(): void {
    const room = this.#linkTypes.length * 2;
    const linkTypes = new Uint16Array(room);
    linkTypes.set(this.#linkTypes);
    this.#linkTypes = linkTypes;
    const snapLengths = new Uint32Array(room);
    snapLengths.set(this.#snapLengths);
    this.#snapLengths = snapLengths;
    const unitsPerSecond = new Float64Array(room);
    unitsPerSecond.set(this.#unitsPerSecond);
    this.#unitsPerSecond = unitsPerSecond;
    const offsetsSeconds = new Float64Array(room);
    offsetsSeconds.set(this.#offsetsSeconds);
    this.#offsetsSeconds = offsetsSeconds;
  }

  /** Enhanced Packet Block, and the obsolete Packet Block, which differs in how it writes the interface only. */
  #readPacketBlock(length: number, interfaceIndex: number): boolean {
    if (length < MIN_PACKET_LENGTH) return this.#break('block_length_invalid');
    const at = this.#at;
    const capturedLength = this.#u32(at + 20);
    if (capturedLength > MAX_CAPTURED_LENGTH || capturedLength > length - MIN_PACKET_LENGTH) {
      return this.#break('captured_length_invalid');
    }
    if (interfaceIndex >= this.#interfaceCount) {
      this.packetsIgnoredInterfaceUnknown++;
      return true;
    }
    const packet = this.packet;
    packet.view = this.#view;
    packet.start = at + 28;
    packet.end = at + 28 + capturedLength;
    packet.originalLength = this.#u32(at + 24);
    packet.linkType = this.#linkTypes[interfaceIndex]!;
    this.#setTime(interfaceIndex, this.#u32(at + 12), this.#u32(at + 16));
    this.#isPacket = true;
    return true;
  }

  /** A Simple Packet Block belongs to the first interface and has no time. */
  #readSimplePacket(length: number): boolean {
    if (length < MIN_SIMPLE_PACKET_LENGTH) return this.#break('block_length_invalid');
    if (this.#interfaceCount === 0) {
      this.packetsIgnoredInterfaceUnknown++;
      return true;
    }
    const originalLength = this.#u32(this.#at + 8);
    const snapLength = this.#snapLengths[0]!;
    let capturedLength = Math.min(originalLength, length - MIN_SIMPLE_PACKET_LENGTH);
    if (snapLength !== 0 && snapLength < capturedLength) capturedLength = snapLength;
    if (capturedLength > MAX_CAPTURED_LENGTH) return this.#break('captured_length_invalid');
    const packet = this.packet;
    packet.view = this.#view;
    packet.start = this.#at + 12;
    packet.end = packet.start + capturedLength;
    packet.originalLength = originalLength;
    packet.linkType = this.#linkTypes[0]!;
    packet.seconds = 0;
    packet.nanoseconds = 0;
    this.#isPacket = true;
    return true;
  }

  /** 64 bits of units over units per second, without losing nanoseconds to a double's 53 bits. */
  #setTime(interfaceIndex: number, high: number, low: number): void {
    const units = this.#unitsPerSecond[interfaceIndex]!;
    const highPart = high * TWO_TO_32;
    // A remainder of doubles is exact, and what is left divides without one.
    const highRemainder = highPart % units;
    const rest = highRemainder + low;
    const fraction = rest % units;
    const packet = this.packet;
    packet.seconds =
      Math.round((highPart - highRemainder) / units) + Math.floor(rest / units) + this.#offsetsSeconds[interfaceIndex]!;
    // Both quotients are exact for powers of ten: no nanosecond is lost to rounding.
    const nanoseconds = units <= 1e9 ? Math.floor(fraction * (1e9 / units)) : Math.floor(fraction / (units / 1e9));
    packet.nanoseconds = nanoseconds < 1e9 ? nanoseconds : 999_999_999;
  }

  #startSkip(length: number): void {
    this.#skipBlockLength = length;
    this.#skipLeft = length - MIN_BLOCK_LENGTH;
    if (this.#skipLeft === 0) {
      // Type and length, then at once the length again, which `#need` has fetched.
      if (this.#u32(this.#at + 8) !== length) {
        this.#break('block_trailer_mismatch');
        return;
      }
      this.#consume(MIN_BLOCK_LENGTH);
      return;
    }
    this.#consume(MIN_BLOCK_LENGTH);
    this.#state = STATE_PCAPNG_SKIP;
  }

  /** Passes a block without holding it, then compares the length at its end. */
  #skipBlock(): boolean {
    // The first 12 octets are gone, so what is left ends in the length: all but its last 4 go unread.
    const unread = this.#skipLeft - 4;
    if (!this.#inCarry && unread > 0) {
      const passed = Math.min(unread, this.#block.length - this.#blockAt);
      this.#consume(passed);
      this.#skipLeft -= passed;
      if (passed < unread) return false;
    }
    if (!this.#need(4)) return false;
    if (this.#u32(this.#at) !== this.#skipBlockLength) return this.#break('block_trailer_mismatch');
    this.#consume(4);
    this.#state = STATE_PCAPNG;
    return true;
  }
}
