import type { RecordOutput } from '../flow/record-output.ts';
import { MeterCounters } from '../metrics/meter-counters.ts';
import { FAULT_LINK_TYPE_UNKNOWN, FAULT_NONE } from '../packet/packet-fault.ts';
import { PacketHeaders } from '../packet/packet-headers.ts';
import { parsePacket } from '../packet/parse-packet.ts';
import type { ApplicationDetector } from './application-detector.ts';
import {
  END_ACTIVE,
  END_FORCED,
  END_IDLE,
  END_OF_FLOW,
  FlowCache,
  type FlowCacheHandler,
  type FlowCacheOptions,
} from './flow-cache.ts';
import { FlowKey, type FlowKeyOptions } from './flow-key.ts';
import { FlowRecord, type MeteredInterface } from './flow-record.ts';
import {
  FIRST_US,
  FRAGMENTS,
  INTERFACE,
  LABELS,
  LAST_US,
  LENGTHS,
  LINK,
  MACS,
  OCTETS,
  OTHER_DESTINATION,
  OTHER_PORTS,
  OTHER_PROTOCOL,
  OTHER_SOURCE,
  PACKETS,
  ROW_WORDS,
  SIZES,
  STATE,
  STATE_CLIENT_IS_SECOND,
  STATE_ENDED,
  STATE_FIN,
  STATE_MACS,
  STATE_SYN,
  TCP_FLAGS,
  TOS_AND_ICMP,
  TTL,
  TUNNEL_ID,
  VLANS,
} from './flow-row.ts';
import { FragmentTable } from './fragment-table.ts';
import { icmpKeyOf } from './icmp-key.ts';
import { TcpAnalysis } from './tcp.ts';

const ICMP = 1;
const TCP = 6;
const ICMPV6 = 58;

const FIN = 1;
const SYN = 2;
const RST = 4;
const ACK = 16;

const BOTH_FINS = STATE_FIN | (STATE_FIN << 1);

/** Ends of the size classes of nProbe's histogram, which counts IP octets. */
const SIZE_CLASS = Uint8Array.from({ length: 1516 }, (_, length) =>
  length <= 128 ? 0 : length <= 256 ? 1 : length <= 512 ? 2 : length <= 1024 ? 3 : length <= 1514 ? 4 : 5,
);

/** How packets become flows. */
export interface MeteringOptions extends FlowCacheOptions {
  readonly key: FlowKeyOptions;
  /** Whether flows are of the packets inside tunnels, or of those around. */
  readonly tunnels: 'inner' | 'outer';
  /** One packet in this many is metered. */
  readonly samplingInterval: number;
  /** Whether TCP connections are followed. */
  readonly tcpAnalysis: boolean;
  /** Where packets come in; empty for files. */
  readonly interfaces: readonly MeteredInterface[];
  /** Two words that nobody outside knows, for hashes. */
  readonly seed: Uint32Array;
}

/**
 * A Metering Process (RFC 7011 section 2): packets in, flow records out. Time is packet time: {@link MeteringProcess.advance} tells
 * of time that passes without packets.
 */
export class MeteringProcess implements FlowCacheHandler {
  /** What was done so far. */
  readonly counters = new MeterCounters();
  /** The flows in progress. */
  readonly cache: FlowCache;
  private readonly options: MeteringOptions;
  private readonly output: RecordOutput;
  private readonly detector: ApplicationDetector | undefined;
  private readonly headers = new PacketHeaders();
  private readonly key: FlowKey;
  private readonly tcp: TcpAnalysis | undefined;
  private readonly fragments: FragmentTable;
  private readonly record: FlowRecord;
  private readonly isInner: boolean;
  private readonly isBiflow: boolean;
  private sampleCount = 0;
  /** Time of the packet at hand: as an argument it would be boxed at every call. */
  private readonly timeUs = new Float64Array(1);

  /** Records go to `output`, one at a time; `detector` sees payload. */
  constructor(options: MeteringOptions, output: RecordOutput, detector?: ApplicationDetector) {
    this.options = options;
    this.output = output;
    this.detector = detector;
    this.cache = new FlowCache(options, this);
    this.key = new FlowKey(options.key, options.seed);
    this.tcp = options.tcpAnalysis ? new TcpAnalysis(options.maxFlows, this.timeUs) : undefined;
    this.fragments = new FragmentTable(options.seed[0]!);
    this.isInner = options.tunnels === 'inner';
    this.isBiflow = !options.key.uniflow;
    this.record = new FlowRecord({
      keyPrefixWords: this.key.prefixWords,
      isInner: this.isInner,
      samplingInterval: options.samplingInterval,
      interfaces: options.interfaces,
    });
  }

  /**
   * Takes a packet captured in `[start, end)` of `octets` and its `view`, `wireLength` octets long on the wire, at `timeUs`
   * microseconds since 1970 on interface number `interfaceNumber`. Nothing of it is kept.
   */
  add(
    octets: Uint8Array,
    view: DataView,
    start: number,
    end: number,
    wireLength: number,
    linkType: number,
    timeUs: number,
    interfaceNumber: number,
  ): void {
    const { counters, headers, options } = this;
    counters.packetsSeen++;
    // 0 stands for no time.
    const nowUs = Math.max(timeUs, 1);
    this.timeUs[0] = nowUs;
    this.cache.advance(nowUs);
    if (options.samplingInterval > 1 && this.sampleCount++ % options.samplingInterval !== 0) {
      counters.packetsIgnored.not_sampled++;
      return;
    }
    parsePacket(view, start, end, linkType, headers);
    if (headers.ipVersion === 0) {
      this.ignore(headers);
      return;
    }
    const inner = headers.hasInner ? headers.inner : undefined;
    const isInside = this.isInner && inner !== undefined && inner.ipVersion !== 0;
    const ip = isInside ? inner : headers;
    counters.packetsMetered++;
    const length =
      ip.ipTotalLength !== 0 ? ip.ipTotalLength : Math.max(0, wireLength - (ip.networkAt - headers.linkAt));
    counters.octetsMetered += length;
    const slot = this.slotOf(view, ip, headers, interfaceNumber);
    const direction = this.count(slot, ip, length);
    if (ip.protocol === TCP && ip.transportAt >= 0) this.addTcp(slot, direction, view, ip);
    const { detector } = this;
    if (detector !== undefined && ip.payloadAt >= 0 && !isLaterFragment(ip) && detector.wants(slot)) {
      this.detect(detector, slot, direction, octets, view, ip);
    }
  }

  /** Tells that it is `timeUs`, so that flows end on a quiet line. */
  advance(timeUs: number): void {
    if (this.cache.nowUs > 0 && timeUs > this.cache.nowUs) this.cache.advance(timeUs);
  }

  /** Ends all flows. */
  finish(): void {
    this.cache.endAll(END_FORCED);
  }

  /** Hands a flow on; called by the cache. */
  onFlowEnd(slot: number, reason: number): void {
    const { cache, tcp, detector, record } = this;
    const row = slot * ROW_WORDS;
    const { words } = cache;
    // A flow reported because of its age may have had no packet since.
    if (words[row + PACKETS]! + words[row + PACKETS + 1]! > 0) {
      this.counters.flowsEnded[reason - 1]!++;
      record.exportAt(cache.nowUs);
      record.fill(cache, tcp, slot, reason);
      if (detector !== undefined) detector.write(slot, record.flow);
      this.output.write(record.flow);
    }
    if (reason !== END_ACTIVE) {
      if (detector !== undefined) detector.release(slot);
      return;
    }
    this.forgetCounts(slot);
  }

  private ignore(headers: PacketHeaders): void {
    const { packetsIgnored } = this.counters;
    if (headers.networkAt >= 0) packetsIgnored.ip_header_damaged++;
    else if (headers.fault === FAULT_LINK_TYPE_UNKNOWN) packetsIgnored.link_type_unknown++;
    else if (headers.fault !== FAULT_NONE && !headers.isArp) packetsIgnored.link_damaged++;
    else packetsIgnored.not_ip++;
  }

  /** Slot of the packet's flow, which is made where there is none, or none any more. */
  private slotOf(view: DataView, ip: PacketHeaders, frame: PacketHeaders, interfaceNumber: number): number {
    const { cache, key } = this;
    const timeUs = this.timeUs[0]!;
    this.readKey(view, ip, frame);
    const slot = cache.find(key, ip.ipVersion);
    if (slot < 0) return this.begin(view, ip, frame, interfaceNumber);
    const at = slot * (ROW_WORDS / 2);
    const { doubles } = cache;
    const lastUs = Math.max(doubles[at + LAST_US / 2]!, doubles[at + LAST_US / 2 + 1]!);
    if (timeUs - lastUs >= this.options.idleTimeoutUs) {
      cache.end(slot, END_IDLE);
      return this.begin(view, ip, frame, interfaceNumber);
    }
    if (ip.protocol === TCP && (ip.tcpFlags & (SYN | RST)) === SYN && this.isOtherConnection(slot, ip)) {
      cache.end(slot, END_OF_FLOW);
      return this.begin(view, ip, frame, interfaceNumber);
    }
    const forwardUs = doubles[at + FIRST_US / 2]!;
    const reverseUs = doubles[at + FIRST_US / 2 + 1]!;
    const { activeTimeoutUs } = this.options;
    if (
      (forwardUs !== 0 && timeUs - forwardUs >= activeTimeoutUs) ||
      (reverseUs !== 0 && timeUs - reverseUs >= activeTimeoutUs)
    )
      this.onFlowEnd(slot, END_ACTIVE);
    return slot;
  }

  private readKey(view: DataView, ip: PacketHeaders, frame: PacketHeaders): void {
    let { sourcePort, destinationPort } = ip;
    if (ip.protocol === ICMP || ip.protocol === ICMPV6) {
      sourcePort = ip.transportAt < 0 ? 0 : icmpKeyOf(ip.protocol, ip.icmpType, ip.icmpCode);
      destinationPort = sourcePort;
    }
    if (ip.isFragment) {
      if (!isLaterFragment(ip)) {
        this.fragments.add(view, ip, sourcePort, destinationPort, this.timeUs[0]!);
      } else if (this.fragments.find(view, ip, this.timeUs[0]!)) {
        this.counters.fragmentsMatched++;
        sourcePort = this.fragments.ports >>> 16;
        destinationPort = this.fragments.ports & 0xffff;
      } else {
        this.counters.fragmentsUnmatched++;
      }
    }
    this.key.read(view, ip, frame, sourcePort, destinationPort);
  }

  /** Whether a SYN or SYN-ACK opens a connection other than the one of the flow. */
  private isOtherConnection(slot: number, ip: PacketHeaders): boolean {
    const state = this.cache.words[slot * ROW_WORDS + STATE]!;
    if (this.tcp === undefined) return (state & (STATE_ENDED | BOTH_FINS)) !== 0;
    const isSecond = (state & STATE_CLIENT_IS_SECOND) !== 0;
    const direction = this.isBiflow && this.key.sourceIsSecond !== isSecond ? 1 : 0;
    return this.tcp.isOtherConnection(slot, direction, ip.tcpSequence);
  }

  /** Makes the flow of a packet: what its first packet alone says. */
  private begin(view: DataView, ip: PacketHeaders, frame: PacketHeaders, interfaceNumber: number): number {
    const { cache, key, isInner } = this;
    const slot = cache.add(key, ip.ipVersion, ip.protocol, this.timeUs[0]!);
    const row = slot * ROW_WORDS;
    const { words } = cache;
    let state = words[row + STATE]!;
    // Who answers a SYN is the server, whoever is seen first.
    const isAnswer = this.isBiflow && ip.protocol === TCP && (ip.tcpFlags & (SYN | ACK)) === (SYN | ACK);
    if (key.sourceIsSecond !== isAnswer) state |= STATE_CLIENT_IS_SECOND;
    if (ip.protocol === TCP && (ip.tcpFlags & SYN) !== 0) state |= STATE_SYN;
    words[row + INTERFACE] = interfaceNumber;
    if (ip.protocol === ICMP || ip.protocol === ICMPV6) {
      words[row + TOS_AND_ICMP] = ((ip.icmpType << 24) | (ip.icmpCode << 16)) >>> 0;
    }
    if (frame.sourceMacAt >= 0 && frame.destinationMacAt >= 0) {
      state |= STATE_MACS;
      const at = 4 * (row + MACS);
      const from = isAnswer ? frame.destinationMacAt : frame.sourceMacAt;
      const to = isAnswer ? frame.sourceMacAt : frame.destinationMacAt;
      for (let i = 0; i < 6; i++) {
        cache.octets[at + i] = view.getUint8(from + i);
        cache.octets[at + 6 + i] = view.getUint8(to + i);
      }
    }
    words[row + STATE] = state;
    const labels = frame.mplsLabelCount;
    words[row + LINK] =
      ((Math.min(frame.vlanCount, 255) << 24) | (frame.tunnelType << 16) | (labels << 8) | frame.vlanPriority) >>> 0;
    words[row + VLANS] = frame.vlanId | (frame.innerVlanId << 12);
    if (labels > 0) {
      const second = labels > 1 ? frame.mplsLabels[1]! : 0;
      words[row + LABELS] = frame.mplsLabels[0]! | (second << 20);
      words[row + LABELS + 1] = (second >>> 12) | ((labels > 2 ? frame.mplsLabels[2]! : 0) << 8);
    }
    if (frame.hasInner && frame.inner !== undefined) {
      words[row + TUNNEL_ID] = frame.tunnelId;
      this.noteOther(view, row, isInner ? frame : frame.inner, ip, isAnswer);
    }
    if (this.tcp !== undefined && ip.protocol === TCP) this.tcp.reset(slot);
    return slot;
  }

  /** Notes the packet of a tunnel that is not the flow's own. */
  private noteOther(view: DataView, row: number, other: PacketHeaders, ip: PacketHeaders, isAnswer: boolean): void {
    const { words } = this.cache;
    if (other === ip || other.ipVersion === 0) return;
    const source = row + (isAnswer ? OTHER_DESTINATION : OTHER_SOURCE);
    const destination = row + (isAnswer ? OTHER_SOURCE : OTHER_DESTINATION);
    words[row + OTHER_PROTOCOL] = (other.ipVersion << 8) | other.protocol;
    words[row + OTHER_PORTS] = (other.sourcePort << 16) | other.destinationPort;
    if (other.ipVersion === 4) {
      words[source] = other.sourceIPv4;
      words[destination] = other.destinationIPv4;
      return;
    }
    for (let i = 0; i < 4; i++) {
      words[source + i] = view.getUint32(other.sourceIPv6At + 4 * i);
      words[destination + i] = view.getUint32(other.destinationIPv6At + 4 * i);
    }
  }

  /** Counts a packet to its flow and gives its direction. */
  private count(slot: number, ip: PacketHeaders, length: number): 0 | 1 {
    const timeUs = this.timeUs[0]!;
    const { words, doubles } = this.cache;
    const row = slot * ROW_WORDS;
    const isSecond = (words[row + STATE]! & STATE_CLIENT_IS_SECOND) !== 0;
    const direction = this.isBiflow && this.key.sourceIsSecond !== isSecond ? 1 : 0;
    const packets = words[row + PACKETS + direction]!;
    const at = (row >> 1) + direction;
    words[row + PACKETS + direction] = packets + 1;
    doubles[at + OCTETS / 2]! += length;
    if (timeUs > doubles[at + LAST_US / 2]!) doubles[at + LAST_US / 2] = timeUs;
    const short = Math.min(length, 0xffff);
    const shift = 16 * direction;
    const { ttl } = ip;
    if (packets === 0) {
      doubles[at + FIRST_US / 2] = timeUs;
      words[row + LENGTHS + direction] = short | (short << 16);
      words[row + TTL]! |= (ttl | (ttl << 8)) << shift;
      words[row + TOS_AND_ICMP]! |= ip.tos << (8 * direction);
    } else {
      if (timeUs < doubles[at + FIRST_US / 2]!) doubles[at + FIRST_US / 2] = timeUs;
      const lengths = words[row + LENGTHS + direction]!;
      if (short < (lengths & 0xffff)) words[row + LENGTHS + direction] = (lengths & 0xffff0000) | short;
      else if (short > lengths >>> 16) words[row + LENGTHS + direction] = (lengths & 0xffff) | (short << 16);
      const ttls = words[row + TTL]!;
      if (ttl < ((ttls >>> shift) & 0xff)) words[row + TTL] = (ttls & ~(0xff << shift)) | (ttl << shift);
      else if (ttl > ((ttls >>> (shift + 8)) & 0xff))
        words[row + TTL] = (ttls & ~(0xff00 << shift)) | (ttl << (shift + 8));
    }
    words[row + SIZES + (length < 1516 ? SIZE_CLASS[length]! : 5)]!++;
    if (ip.isFragment && ((words[row + FRAGMENTS]! >>> shift) & 0xffff) < 0xffff) words[row + FRAGMENTS]! += 1 << shift;
    return direction;
  }

  private addTcp(slot: number, direction: 0 | 1, view: DataView, ip: PacketHeaders): void {
    const { cache, tcp } = this;
    const { words } = cache;
    const row = slot * ROW_WORDS;
    const { tcpFlags } = ip;
    words[row + TCP_FLAGS]! |= tcpFlags << (16 * direction);
    if (tcp !== undefined && !ip.isFragment && ip.tcpDataOffset >= 20) tcp.add(slot, direction, view, ip);
    if ((tcpFlags & (FIN | RST)) === 0) return;
    const state = words[row + STATE]! | ((tcpFlags & FIN) !== 0 ? STATE_FIN << direction : 0);
    words[row + STATE] = state;
    const isOver = (tcpFlags & RST) !== 0 || (state & BOTH_FINS) === BOTH_FINS || !this.isBiflow;
    if (isOver && (state & STATE_ENDED) === 0) cache.endSoon(slot, this.timeUs[0]!);
  }

  private detect(
    detector: ApplicationDetector,
    slot: number,
    direction: 0 | 1,
    octets: Uint8Array,
    view: DataView,
    ip: PacketHeaders,
  ): void {
    const { protocol, sourcePort, destinationPort, payloadAt, payloadEnd } = ip;
    const clientPort = direction === 0 ? sourcePort : destinationPort;
    const serverPort = direction === 0 ? destinationPort : sourcePort;
    const sequence = protocol === TCP ? ip.tcpSequence : 0;
    detector.onPayload(
      slot,
      protocol,
      clientPort,
      serverPort,
      direction,
      octets,
      view,
      payloadAt,
      payloadEnd,
      sequence,
    );
  }

  /** Starts the counts of a flow anew that was reported and goes on. */
  private forgetCounts(slot: number): void {
    const { words, doubles } = this.cache;
    const row = slot * ROW_WORDS;
    const at = row >> 1;
    words[row + TCP_FLAGS] = 0;
    words[row + TTL] = 0;
    words[row + FRAGMENTS] = 0;
    words[row + TOS_AND_ICMP]! &= 0xffff0000;
    for (let i = 0; i < 6; i++) words[row + SIZES + i] = 0;
    for (let i = 0; i < 2; i++) {
      words[row + PACKETS + i] = 0;
      words[row + LENGTHS + i] = 0;
      doubles[at + OCTETS / 2 + i] = 0;
      doubles[at + FIRST_US / 2 + i] = 0;
    }
    if (this.tcp !== undefined && words[row + STATE]! >>> 24 === TCP) this.tcp.resetCounts(slot);
  }
}

/** A fragment without the transport header. */
function isLaterFragment(ip: PacketHeaders): boolean {
  return ip.fragmentOffset !== 0;
}
