import type { PacketBatch } from '../bytes/packet-batch.ts';
import type { RecordOutput } from '../flow/record-output.ts';
import { MeterCounters } from '../metrics/meter-counters.ts';
import { IpPacket } from '../packet/ip-packet.ts';
import { LINK_ETHERNET } from '../packet/link-type.ts';
import { FAULT_LINK_TYPE_UNKNOWN, FAULT_NONE } from '../packet/packet-fault.ts';
import { PacketHeaders } from '../packet/packet-headers.ts';
import { ETHERTYPE_CUSTOMER_VLAN } from '../packet/parse-link.ts';
import { parsePacket } from '../packet/parse-packet.ts';
import { readPlainFrame } from '../packet/plain-frame.ts';
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
  REST_WORDS,
  ROW_WORDS,
  SIZES,
  STATE,
  STATE_CLIENT_IS_SECOND,
  STATE_DECIDED,
  STATE_ENDED,
  STATE_FIN,
  STATE_MACS,
  STATE_SYN,
  TCP_FLAGS,
  TOS_AND_ICMP,
  TTL,
  TUNNEL_ID,
  TUNNEL_WORDS,
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
  private readonly samplingInterval: number;
  private readonly idleTimeoutUs: number;
  private readonly activeTimeoutUs: number;
  private readonly output: RecordOutput;
  private readonly detector: ApplicationDetector | undefined;
  /** The packet at hand. */
  private readonly packet = new IpPacket();
  /** Its headers, unless it is a plain frame. */
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
    this.samplingInterval = options.samplingInterval;
    this.idleTimeoutUs = options.idleTimeoutUs;
    this.activeTimeoutUs = options.activeTimeoutUs;
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
    this.timeUs[0] = timeUs;
    const from = Math.max(start, 0);
    this.take(octets, view, from, Math.min(end, view.byteLength), wireLength, linkType, interfaceNumber);
  }

  /** Takes packets as {@link MeteringProcess.add} does, those of one batch, all of which lie within its view. */
  addBatch(batch: PacketBatch, interfaceNumber: number): void {
    const { octets, view, starts, ends, wireLengths, linkTypes, timesUs, count } = batch;
    for (let i = 0; i < count; i++) {
      this.timeUs[0] = timesUs[i]!;
      this.take(octets, view, starts[i]!, ends[i]!, wireLengths[i]!, linkTypes[i]!, interfaceNumber);
    }
  }

  private take(
    octets: Uint8Array,
    view: DataView,
    start: number,
    end: number,
    wireLength: number,
    linkType: number,
    interfaceNumber: number,
  ): void {
    const { counters, packet, detector, cache } = this;
    counters.packetsSeen++;
    // 0 stands for no time.
    if (this.timeUs[0]! < 1) this.timeUs[0] = 1;
    cache.advance(this.timeUs[0]!);
    if (this.samplingInterval > 1 && this.sampleCount++ % this.samplingInterval !== 0) {
      counters.packetsIgnored.not_sampled++;
      return;
    }
    const isPlain = linkType === LINK_ETHERNET && readPlainFrame(view, start, end, packet);
    if (!isPlain && !this.readHeaders(view, start, end, wireLength, linkType)) return;
    const { ipLength, protocol } = packet;
    counters.packetsMetered++;
    counters.octetsMetered += ipLength;
    this.key.read(view, packet);
    const slot = this.slotOf(view, isPlain, interfaceNumber);
    const { words } = cache;
    const row = slot * ROW_WORDS;
    const isSecond = (words[row + STATE]! & STATE_CLIENT_IS_SECOND) !== 0;
    const direction = this.isBiflow && this.key.sourceIsSecond !== isSecond ? 1 : 0;
    this.count(row, direction, ipLength);
    if (packet.tcpAt >= 0) this.addTcp(slot, direction, view);
    if (detector !== undefined && packet.payloadAt >= 0 && (words[row + STATE]! & STATE_DECIDED) === 0) {
      const { sourcePort, destinationPort, payloadAt, payloadEnd, tcpAt } = packet;
      const clientPort = direction === 0 ? sourcePort : destinationPort;
      const serverPort = direction === 0 ? destinationPort : sourcePort;
      const sequence = tcpAt >= 0 && payloadAt >= tcpAt + 8 ? view.getUint32(tcpAt + 4) : 0;
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
      if (!detector.wants(slot)) words[row + STATE]! |= STATE_DECIDED;
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

  /** Reads any packet; false, and counted, where there is nothing to meter in it. */
  private readHeaders(view: DataView, start: number, end: number, wireLength: number, linkType: number): boolean {
    const { headers, packet } = this;
    parsePacket(view, start, end, linkType, headers);
    if (headers.ipVersion === 0) {
      this.ignore(headers);
      return false;
    }
    const ip = this.metered();
    const isIPv4 = ip.ipVersion === 4;
    packet.start = start;
    packet.end = end;
    packet.ipVersion = ip.ipVersion;
    packet.protocol = ip.protocol;
    packet.tos = ip.tos;
    packet.ttl = ip.ttl;
    packet.ipLength =
      ip.ipTotalLength !== 0 ? ip.ipTotalLength : Math.max(0, wireLength - (ip.networkAt - headers.linkAt));
    packet.sourceAt = isIPv4 ? ip.networkAt + 12 : ip.sourceIPv6At;
    packet.destinationAt = isIPv4 ? ip.networkAt + 16 : ip.destinationIPv6At;
    packet.isFragment = ip.isFragment;
    packet.vlans = headers.vlanId | (headers.innerVlanId << 12);
    packet.tunnelId = headers.hasTunnelId ? headers.tunnelId : 0;
    packet.sourceMacAt = headers.sourceMacAt;
    packet.destinationMacAt = headers.destinationMacAt;
    const isTcp = ip.protocol === TCP && ip.transportAt >= 0;
    const isFollowed = isTcp && !ip.isFragment && ip.payloadEnd - ip.transportAt >= 20;
    packet.tcpAt = isTcp ? ip.transportAt : -1;
    packet.tcpFlags = ip.tcpFlags;
    packet.tcpHeaderLength = isFollowed && ip.tcpDataOffset >= 20 ? ip.tcpDataOffset : 0;
    packet.payloadAt = ip.fragmentOffset !== 0 ? -1 : ip.payloadAt;
    packet.payloadEnd = ip.payloadEnd;
    packet.payloadLength = ip.payloadLength;
    this.readPorts(view, ip);
    return true;
  }

  /** Of the packet whose headers were read, and that in its tunnel, the one that is metered. */
  private metered(): PacketHeaders {
    const { headers } = this;
    const inner = this.isInner && headers.hasInner ? headers.inner : undefined;
    return inner !== undefined && inner.ipVersion !== 0 ? inner : headers;
  }

  private readPorts(view: DataView, ip: PacketHeaders): void {
    const { packet } = this;
    let { sourcePort, destinationPort } = ip;
    if (ip.protocol === ICMP || ip.protocol === ICMPV6) {
      sourcePort = ip.transportAt < 0 ? 0 : icmpKeyOf(ip.protocol, ip.icmpType, ip.icmpCode);
      destinationPort = sourcePort;
    }
    if (ip.isFragment) {
      if (ip.fragmentOffset === 0) {
        this.fragments.add(view, ip, sourcePort, destinationPort, this.timeUs[0]!);
      } else if (this.fragments.find(view, ip, this.timeUs[0]!)) {
        this.counters.fragmentsMatched++;
        sourcePort = this.fragments.ports >>> 16;
        destinationPort = this.fragments.ports & 0xffff;
      } else {
        this.counters.fragmentsUnmatched++;
      }
    }
    packet.sourcePort = sourcePort;
    packet.destinationPort = destinationPort;
  }

  private ignore(headers: PacketHeaders): void {
    const { packetsIgnored } = this.counters;
    if (headers.networkAt >= 0) packetsIgnored.ip_header_damaged++;
    else if (headers.fault === FAULT_LINK_TYPE_UNKNOWN) packetsIgnored.link_type_unknown++;
    else if (headers.fault !== FAULT_NONE && !headers.isArp) packetsIgnored.link_damaged++;
    else packetsIgnored.not_ip++;
  }

  /** Slot of the packet's flow, which is made where there is none, or none any more. */
  private slotOf(view: DataView, isPlain: boolean, interfaceNumber: number): number {
    const { cache, key, packet } = this;
    const slot = cache.find(key, packet.ipVersion);
    if (slot < 0) return this.begin(view, isPlain, interfaceNumber);
    const timeUs = this.timeUs[0]!;
    const at = slot * (ROW_WORDS / 2);
    const { doubles } = cache;
    const forwardLastUs = doubles[at + LAST_US / 2]!;
    const reverseLastUs = doubles[at + LAST_US / 2 + 1]!;
    const lastUs = Math.max(forwardLastUs, reverseLastUs);
    if (timeUs - lastUs >= this.idleTimeoutUs) {
      cache.end(slot, END_IDLE);
      return this.begin(view, isPlain, interfaceNumber);
    }
    if ((packet.tcpFlags & (SYN | RST)) === SYN && packet.protocol === TCP && this.isOtherConnection(slot, view)) {
      cache.end(slot, END_OF_FLOW);
      return this.begin(view, isPlain, interfaceNumber);
    }
    const forwardUs = doubles[at + FIRST_US / 2]!;
    const reverseUs = doubles[at + FIRST_US / 2 + 1]!;
    const overdueUs = timeUs - this.activeTimeoutUs;
    if ((forwardUs !== 0 && forwardUs <= overdueUs) || (reverseUs !== 0 && reverseUs <= overdueUs))
      this.onFlowEnd(slot, END_ACTIVE);
    return slot;
  }

  /** Whether a SYN or SYN-ACK opens a connection other than the one of the flow. */
  private isOtherConnection(slot: number, view: DataView): boolean {
    const state = this.cache.words[slot * ROW_WORDS + STATE]!;
    if (this.tcp === undefined) return (state & (STATE_ENDED | BOTH_FINS)) !== 0;
    const isSecond = (state & STATE_CLIENT_IS_SECOND) !== 0;
    const direction = this.isBiflow && this.key.sourceIsSecond !== isSecond ? 1 : 0;
    return this.tcp.isOtherConnection(slot, direction, view.getUint32(this.packet.tcpAt + 4));
  }

  /** Makes the flow of a packet: what its first packet alone says. */
  private begin(view: DataView, isPlain: boolean, interfaceNumber: number): number {
    const { cache, key, packet } = this;
    const { protocol, tcpFlags, sourceMacAt, destinationMacAt } = packet;
    const slot = cache.add(key, packet.ipVersion, protocol, this.timeUs[0]!);
    const row = slot * ROW_WORDS;
    const { words } = cache;
    let state = words[row + STATE]!;
    // Who answers a SYN is the server, whoever is seen first.
    const isAnswer = this.isBiflow && protocol === TCP && (tcpFlags & (SYN | ACK)) === (SYN | ACK);
    if (key.sourceIsSecond !== isAnswer) state |= STATE_CLIENT_IS_SECOND;
    if (protocol === TCP && (tcpFlags & SYN) !== 0) state |= STATE_SYN;
    words[row + INTERFACE] = interfaceNumber;
    if (sourceMacAt >= 0 && destinationMacAt >= 0) {
      state |= STATE_MACS;
      const at = 4 * (slot * REST_WORDS + MACS);
      const from = isAnswer ? destinationMacAt : sourceMacAt;
      const to = isAnswer ? sourceMacAt : destinationMacAt;
      for (let i = 0; i < 6; i++) {
        cache.restOctets[at + i] = view.getUint8(from + i);
        cache.restOctets[at + 6 + i] = view.getUint8(to + i);
      }
    }
    words[row + STATE] = state;
    if (isPlain) this.notePlainLink(view, slot);
    else this.noteLink(view, slot, isAnswer);
    if (this.tcp !== undefined && protocol === TCP) this.tcp.reset(slot);
    return slot;
  }

  /** Notes the VLAN tag a plain frame may have. */
  private notePlainLink(view: DataView, slot: number): void {
    const { start, vlans } = this.packet;
    const { rest } = this.cache;
    const at = slot * REST_WORDS;
    const isTagged = view.getUint16(start + 12) === ETHERTYPE_CUSTOMER_VLAN;
    rest[at + LINK] = isTagged ? (1 << 24) | (view.getUint16(start + 14) >>> 13) : 0;
    rest[at + VLANS] = vlans;
  }

  /** Notes what is around the packet of a flow, and of ICMP what it is, as read into the headers. */
  private noteLink(view: DataView, slot: number, isAnswer: boolean): void {
    const { cache, headers: frame } = this;
    const ip = this.metered();
    if (ip.protocol === ICMP || ip.protocol === ICMPV6) {
      cache.words[slot * ROW_WORDS + TOS_AND_ICMP] = ((ip.icmpType << 24) | (ip.icmpCode << 16)) >>> 0;
    }
    const at = slot * REST_WORDS;
    const labels = frame.mplsLabelCount;
    cache.rest[at + LINK] =
      (Math.min(frame.vlanCount, 255) << 24) | (frame.tunnelType << 16) | (labels << 8) | frame.vlanPriority;
    cache.rest[at + VLANS] = frame.vlanId | (frame.innerVlanId << 12);
    if (labels > 0 || frame.tunnelType > 0) this.noteTunnel(view, slot, ip, isAnswer);
  }

  /** Notes MPLS labels, the tunnel, and the packet of a tunnel that is not the flow's own. */
  private noteTunnel(view: DataView, slot: number, ip: PacketHeaders, isAnswer: boolean): void {
    const { isInner, headers: frame } = this;
    const { tunnels } = this.cache;
    const row = slot * TUNNEL_WORDS;
    for (let i = 0; i < TUNNEL_WORDS; i++) tunnels[row + i] = 0;
    const labels = frame.mplsLabelCount;
    if (labels > 0) {
      const second = labels > 1 ? frame.mplsLabels[1]! : 0;
      tunnels[row + LABELS] = frame.mplsLabels[0]! | (second << 20);
      tunnels[row + LABELS + 1] = (second >>> 12) | ((labels > 2 ? frame.mplsLabels[2]! : 0) << 8);
    }
    if (!frame.hasInner || frame.inner === undefined) return;
    tunnels[row + TUNNEL_ID] = frame.tunnelId;
    const other = isInner ? frame : frame.inner;
    if (other === ip || other.ipVersion === 0) return;
    const source = row + (isAnswer ? OTHER_DESTINATION : OTHER_SOURCE);
    const destination = row + (isAnswer ? OTHER_SOURCE : OTHER_DESTINATION);
    tunnels[row + OTHER_PROTOCOL] = (other.ipVersion << 8) | other.protocol;
    tunnels[row + OTHER_PORTS] = (other.sourcePort << 16) | other.destinationPort;
    if (other.ipVersion === 4) {
      tunnels[source] = other.sourceIPv4;
      tunnels[destination] = other.destinationIPv4;
      return;
    }
    for (let i = 0; i < 4; i++) {
      tunnels[source + i] = view.getUint32(other.sourceIPv6At + 4 * i);
      tunnels[destination + i] = view.getUint32(other.destinationIPv6At + 4 * i);
    }
  }

  /** Counts the packet to its flow. */
  private count(row: number, direction: number, length: number): void {
    const timeUs = this.timeUs[0]!;
    const { words, doubles } = this.cache;
    const { ttl, isFragment } = this.packet;
    const packets = words[row + PACKETS + direction]!;
    const at = (row >> 1) + direction;
    const shift = direction << 4;
    const short = Math.min(length, 0xffff);
    words[row + PACKETS + direction] = packets + 1;
    doubles[at + OCTETS / 2]! += length;
    words[row + SIZES + (length < 1516 ? SIZE_CLASS[length]! : 5)]!++;
    if (packets === 0) {
      if (timeUs > doubles[at + LAST_US / 2]!) doubles[at + LAST_US / 2] = timeUs;
      doubles[at + FIRST_US / 2] = timeUs;
      words[row + LENGTHS + direction] = short | (short << 16);
      words[row + TTL]! |= (ttl | (ttl << 8)) << shift;
      words[row + TOS_AND_ICMP]! |= this.packet.tos << (8 * direction);
    } else {
      if (timeUs > doubles[at + LAST_US / 2]!) doubles[at + LAST_US / 2] = timeUs;
      else if (timeUs < doubles[at + FIRST_US / 2]!) doubles[at + FIRST_US / 2] = timeUs;
      const lengths = words[row + LENGTHS + direction]!;
      if (short < (lengths & 0xffff)) words[row + LENGTHS + direction] = (lengths & 0xffff0000) | short;
      else if (short > lengths >>> 16) words[row + LENGTHS + direction] = (lengths & 0xffff) | (short << 16);
      if (((words[row + TTL]! >>> shift) & 0xffff) !== (ttl | (ttl << 8))) this.countTtl(row, shift, ttl);
    }
    if (isFragment) this.countFragment(row, shift);
  }

  /** Notes a TTL that is not all that were seen. */
  private countTtl(row: number, shift: number, ttl: number): void {
    const { words } = this.cache;
    const ttls = words[row + TTL]!;
    if (ttl < ((ttls >>> shift) & 0xff)) words[row + TTL] = (ttls & ~(0xff << shift)) | (ttl << shift);
    else if (ttl > ((ttls >>> (shift + 8)) & 0xff))
      words[row + TTL] = (ttls & ~(0xff00 << shift)) | (ttl << (shift + 8));
  }

  private countFragment(row: number, shift: number): void {
    const { words } = this.cache;
    if (((words[row + FRAGMENTS]! >>> shift) & 0xffff) < 0xffff) words[row + FRAGMENTS]! += 1 << shift;
  }

  private addTcp(slot: number, direction: 0 | 1, view: DataView): void {
    const { cache, tcp, packet } = this;
    const { words } = cache;
    const row = slot * ROW_WORDS;
    const { tcpFlags } = packet;
    words[row + TCP_FLAGS]! |= tcpFlags << (16 * direction);
    if (tcp !== undefined && packet.tcpHeaderLength > 0) tcp.add(slot, direction, view, packet);
    if ((tcpFlags & (FIN | RST)) === 0) return;
    const state = words[row + STATE]! | ((tcpFlags & FIN) !== 0 ? STATE_FIN << direction : 0);
    words[row + STATE] = state;
    const isOver = (tcpFlags & RST) !== 0 || (state & BOTH_FINS) === BOTH_FINS || !this.isBiflow;
    if (isOver && (state & STATE_ENDED) === 0) cache.endSoon(slot, this.timeUs[0]!);
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
