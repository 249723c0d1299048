import { SLOT } from '../flow/fields.ts';
import { Flow } from '../flow/flow.ts';
import { Origin } from '../flow/origin.ts';
import type { FlowCache } from './flow-cache.ts';
import {
  FlowLayouts,
  HAS_FOLLOWED,
  HAS_FRAGMENTS,
  HAS_ICMP,
  HAS_INNER_VLAN,
  HAS_IPV6,
  HAS_LABELS,
  HAS_MACS,
  HAS_OTHER_IPV4,
  HAS_OTHER_IPV6,
  HAS_PORTS,
  HAS_REVERSE,
  HAS_TCP,
  HAS_TUNNEL,
  HAS_VLAN,
} from './flow-layouts.ts';
import {
  FIRST_US,
  FRAGMENTS,
  INTERFACE,
  KEY,
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
  STATE_MACS,
  TCP_FLAGS,
  TOS_AND_ICMP,
  TTL,
  TUNNEL_ID,
  TUNNEL_WORDS,
  VLANS,
} from './flow-row.ts';
import type { TcpAnalysis } from './tcp.ts';
import {
  APPLICATION_LATENCY,
  CLIENT_LATENCY,
  COUNT_WORDS,
  COUNTS,
  DIRECTION_WORDS,
  KEEP_ALIVES_AND_RESETS,
  LOST,
  MARKS,
  OUT_OF_ORDER,
  RETRANSMITTED_OCTETS,
  RETRANSMITTED_PACKETS,
  ROUND_TRIP,
  ROUND_TRIP_VARIANCE,
  SERVER_LATENCY,
  TCP_REST_WORDS,
  TCP_ROW_WORDS,
  WINDOWS,
  ZERO_WINDOWS,
} from './tcp-row.ts';

/**
 * Octets of `Flow.bytes` that hold what the meter says of a flow. Those behind, up to {@link RECORD_OCTETS}, are free for
 * texts of an application detector, during `write`.
 */
export const METER_OCTETS = 96;
/** Octets of `Flow.bytes` in all. */
export const RECORD_OCTETS = 65_536;

const SOURCE_AT = 0;
const DESTINATION_AT = 16;
const SOURCE_MAC_AT = 32;
const DESTINATION_MAC_AT = 38;
const OTHER_SOURCE_AT = 48;
const OTHER_DESTINATION_AT = 64;

const ICMP = 1;
const TCP = 6;
const UDP = 17;
const DCCP = 33;
const ICMPV6 = 58;
const SCTP = 132;
const UDP_LITE = 136;

/** By tunnel type of the packet headers: index into `TUNNEL_TYPES` of the flow fields. */
const TUNNEL_CHOICES = [0, 1, 2, 3, 8, 4, 5, 7, 6, 9, 10];
/** By IP protocol: whether flows have ports. */
const HAS_PORT_NUMBERS = Uint8Array.from({ length: 256 }, (_, protocol) =>
  [TCP, UDP, DCCP, SCTP, UDP_LITE].includes(protocol) ? 1 : 0,
);
/** The choice `override`: whoever started the program said so. */
const SAMPLING_OVERRIDE = 4;

/** What is the same for all records. */
export interface FlowRecordOptions {
  /** Words of a key before its addresses. */
  readonly keyPrefixWords: number;
  /** Whether flows are those inside tunnels. */
  readonly isInner: boolean;
  /** One packet in this many is metered. */
  readonly samplingInterval: number;
  /** Where packets come in, by the number given with them; empty for files. */
  readonly interfaces: readonly MeteredInterface[];
}

/** An interface whose packets are metered. */
export interface MeteredInterface {
  readonly name: string;
  /** ifIndex; 0 where it has none. */
  readonly index: number;
}

/** Turns rows of the flow cache into flow records, in one flow that is used again and again. */
export class FlowRecord {
  /** The flow filled last; valid until the next. */
  readonly flow: Flow;
  private readonly options: FlowRecordOptions;
  private readonly layouts: FlowLayouts;
  private readonly bytes = new Uint8Array(RECORD_OCTETS);
  private readonly view = new DataView(this.bytes.buffer);
  /** The same memory as the rows of the cache have it. */
  private readonly byteWords = new Int32Array(this.bytes.buffer);

  /** `options` hold for all records. */
  constructor(options: FlowRecordOptions) {
    this.options = options;
    const origin = new Origin();
    origin.protocol = 'packets';
    origin.version = -1;
    origin.exporterPort = -1;
    origin.exportTimeMs = -1;
    this.flow = new Flow(origin);
    this.layouts = new FlowLayouts({
      isInner: options.isInner,
      isSampled: options.samplingInterval > 1,
      hasInterface: options.interfaces.length > 0,
    });
    this.flow.words[SLOT.samplingInterval] = options.samplingInterval;
    this.flow.words[SLOT.samplingOrigin] = options.samplingInterval > 1 ? SAMPLING_OVERRIDE : 0;
  }

  /** Sets the time of the record, Unix microseconds, to the second; what is rendered of an origin is then rendered anew. */
  exportAt(nowUs: number): void {
    const { origin } = this.flow;
    const exportMs = Math.floor(nowUs / 1_000_000) * 1000;
    if (exportMs === origin.exportTimeMs) return;
    origin.exportTimeMs = exportMs;
    origin.serial++;
  }

  /** Fills the flow from the row of `slot`. Its bytes may have been another's in between. */
  fill(cache: FlowCache, tcp: TcpAnalysis | undefined, slot: number, reason: number): void {
    const { flow } = this;
    flow.bytes = this.bytes;
    flow.view = this.view;
    const row = slot * ROW_WORDS;
    const state = cache.words[row + STATE]!;
    const protocol = state >>> 24;
    let bits = this.fillKey(cache, slot, state, protocol);
    bits |= this.fillCounts(cache, row, bits);
    bits |= this.fillLink(cache, slot, state);
    if (protocol === TCP) {
      bits |= HAS_TCP;
      const flags = cache.words[row + TCP_FLAGS]!;
      flow.words[SLOT.tcpFlags] = (flags & 0xffff) | (flags >>> 16);
      flow.words[SLOT.clientTcpFlags] = flags & 0xffff;
      flow.words[SLOT.serverTcpFlags] = flags >>> 16;
      if (tcp !== undefined) {
        this.fillTcp(tcp, slot);
        bits |= HAS_FOLLOWED;
      }
    }
    flow.words[SLOT.flowEndReason] = reason;
    flow.layout = this.layouts.of(bits);
  }

  private fillKey(cache: FlowCache, slot: number, state: number, protocol: number): number {
    const { words } = this.flow;
    const row = slot * ROW_WORDS;
    const rows = cache.words;
    const isSecond = (state & STATE_CLIENT_IS_SECOND) !== 0;
    const isIPv6 = ((state >>> 16) & 0xff) === 6;
    const { keyPrefixWords } = this.options;
    let bits = 0;
    words[SLOT.protocol] = protocol;
    words[SLOT.ipVersion] = isIPv6 ? 6 : 4;
    if (isIPv6) {
      bits = HAS_IPV6;
      for (let i = 0; i < 4; i++) {
        this.view.setUint32((isSecond ? DESTINATION_AT : SOURCE_AT) + 4 * i, cache.keyWord(slot, keyPrefixWords + i));
        this.view.setUint32(
          (isSecond ? SOURCE_AT : DESTINATION_AT) + 4 * i,
          cache.keyWord(slot, keyPrefixWords + 4 + i),
        );
      }
      words[SLOT.sourceIPv6] = SOURCE_AT;
      words[SLOT.destinationIPv6] = DESTINATION_AT;
    } else {
      words[SLOT.sourceIPv4] = cache.keyWord(slot, isSecond ? keyPrefixWords + 1 : keyPrefixWords);
      words[SLOT.destinationIPv4] = cache.keyWord(slot, isSecond ? keyPrefixWords : keyPrefixWords + 1);
    }
    if (HAS_PORT_NUMBERS[protocol] === 1) {
      bits |= HAS_PORTS;
      const ports = rows[row + KEY]!;
      words[SLOT.sourcePort] = isSecond ? ports & 0xffff : ports >>> 16;
      words[SLOT.destinationPort] = isSecond ? ports >>> 16 : ports & 0xffff;
    } else if (protocol === ICMP || protocol === ICMPV6) {
      bits |= HAS_ICMP;
      words[isIPv6 ? SLOT.icmpTypeIPv6 : SLOT.icmpType] = rows[row + TOS_AND_ICMP]! >>> 16;
    }
    return bits;
  }

  private fillCounts(cache: FlowCache, row: number, bits: number): number {
    const { words, times } = this.flow;
    const rows = cache.words;
    const at = row >> 1;
    const { doubles } = cache;
    const forwardFirstUs = doubles[at + FIRST_US / 2]!;
    const reverseFirstUs = doubles[at + FIRST_US / 2 + 1]!;
    const hasReverse = rows[row + PACKETS + 1]! > 0;
    const firstUs =
      reverseFirstUs === 0 || (forwardFirstUs !== 0 && forwardFirstUs < reverseFirstUs)
        ? forwardFirstUs
        : reverseFirstUs;
    times[SLOT.startMs] = Math.floor(firstUs / 1000);
    times[SLOT.endMs] = Math.floor(Math.max(doubles[at + LAST_US / 2]!, doubles[at + LAST_US / 2 + 1]!) / 1000);
    const octets = doubles[at + OCTETS / 2]!;
    const reverseOctets = doubles[at + OCTETS / 2 + 1]!;
    words[SLOT.octets] = octets / 4294967296;
    words[SLOT.octets + 1] = octets % 4294967296;
    words[SLOT.packets] = 0;
    words[SLOT.packets + 1] = rows[row + PACKETS]!;
    words[SLOT.reverseOctets] = reverseOctets / 4294967296;
    words[SLOT.reverseOctets + 1] = reverseOctets % 4294967296;
    words[SLOT.reversePackets] = 0;
    words[SLOT.reversePackets + 1] = rows[row + PACKETS + 1]!;
    const ttl = rows[row + TTL]!;
    words[SLOT.minimumTtl] = ttl & 0xff;
    words[SLOT.maximumTtl] = (ttl >>> 8) & 0xff;
    words[SLOT.minimumPacketLength] = rows[row + LENGTHS]! & 0xffff;
    words[SLOT.maximumPacketLength] = rows[row + LENGTHS]! >>> 16;
    words[SLOT.tos] = rows[row + TOS_AND_ICMP]! & 0xff;
    words[SLOT.packetsUpTo128] = rows[row + SIZES]!;
    words[SLOT.packets128To256] = rows[row + SIZES + 1]!;
    words[SLOT.packets256To512] = rows[row + SIZES + 2]!;
    words[SLOT.packets512To1024] = rows[row + SIZES + 3]!;
    words[SLOT.packets1024To1514] = rows[row + SIZES + 4]!;
    words[SLOT.packetsOver1514] = rows[row + SIZES + 5]!;
    let found = bits;
    if (hasReverse) {
      found |= HAS_REVERSE;
      times[SLOT.reverseStartMs] = Math.floor(reverseFirstUs / 1000);
      times[SLOT.reverseEndMs] = Math.floor(doubles[at + LAST_US / 2 + 1]! / 1000);
      words[SLOT.reverseMinimumTtl] = (ttl >>> 16) & 0xff;
      words[SLOT.reverseMaximumTtl] = ttl >>> 24;
      words[SLOT.reverseMinimumPacketLength] = rows[row + LENGTHS + 1]! & 0xffff;
      words[SLOT.reverseMaximumPacketLength] = rows[row + LENGTHS + 1]! >>> 16;
      words[SLOT.postTos] = (rows[row + TOS_AND_ICMP]! >>> 8) & 0xff;
    }
    const fragments = rows[row + FRAGMENTS]!;
    if (fragments !== 0) {
      found |= HAS_FRAGMENTS;
      words[SLOT.fragments] = fragments & 0xffff;
      words[SLOT.reverseFragments] = fragments >>> 16;
    }
    return found;
  }

  private fillLink(cache: FlowCache, slot: number, state: number): number {
    const { words, names } = this.flow;
    const { interfaces } = this.options;
    const { rest, tunnels } = cache;
    const row = slot * REST_WORDS;
    let bits = 0;
    if ((state & STATE_MACS) !== 0) {
      bits |= HAS_MACS;
      for (let i = 0; i < 3; i++) this.byteWords[SOURCE_MAC_AT / 4 + i] = rest[row + MACS + i]!;
      words[SLOT.sourceMac] = SOURCE_MAC_AT;
      words[SLOT.destinationMac] = DESTINATION_MAC_AT;
    }
    const link = rest[row + LINK]!;
    if (link >>> 24 > 0) {
      bits |= HAS_VLAN;
      words[SLOT.vlan] = rest[row + VLANS]! & 0xfff;
      words[SLOT.vlanPriority] = link & 0xff;
      if (link >>> 24 > 1) {
        bits |= HAS_INNER_VLAN;
        words[SLOT.dot1qCustomerVlan] = rest[row + VLANS]! >>> 12;
      }
    }
    if (((link >>> 8) & 0xff) > 0) {
      bits |= HAS_LABELS;
      const at = slot * TUNNEL_WORDS + LABELS;
      const first = tunnels[at]!;
      const second = tunnels[at + 1]!;
      words[SLOT.mplsLabel1] = first & 0xfffff;
      words[SLOT.mplsLabel2] = (first >>> 20) | ((second & 0xff) << 12);
      words[SLOT.mplsLabel3] = second >>> 8;
    }
    if (((link >>> 16) & 0xff) > 0) bits |= this.fillTunnel(tunnels, slot * TUNNEL_WORDS, (link >>> 16) & 0xff);
    if (interfaces.length > 0) {
      const { name, index } = interfaces[cache.words[slot * ROW_WORDS + INTERFACE]!]!;
      words[SLOT.inputInterface] = index;
      names[SLOT.inputInterfaceName] = name;
    }
    return bits;
  }

  private fillTunnel(rows: Uint32Array, row: number, type: number): number {
    const { words } = this.flow;
    const { isInner } = this.options;
    words[SLOT.tunnelType] = TUNNEL_CHOICES[type] ?? 0;
    words[SLOT.tunnelId] = rows[row + TUNNEL_ID]!;
    const other = rows[row + OTHER_PROTOCOL]!;
    if (other === 0) return 0;
    if (!isInner) {
      words[SLOT.innerSourcePort] = rows[row + OTHER_PORTS]! >>> 16;
      words[SLOT.innerDestinationPort] = rows[row + OTHER_PORTS]! & 0xffff;
      words[SLOT.innerProtocol] = other & 0xff;
    }
    if (other >>> 8 === 4) {
      words[isInner ? SLOT.outerSourceIPv4 : SLOT.innerSourceIPv4] = rows[row + OTHER_SOURCE]!;
      words[isInner ? SLOT.outerDestinationIPv4 : SLOT.innerDestinationIPv4] = rows[row + OTHER_DESTINATION]!;
      return HAS_TUNNEL | HAS_OTHER_IPV4;
    }
    for (let i = 0; i < 4; i++) {
      this.view.setUint32(OTHER_SOURCE_AT + 4 * i, rows[row + OTHER_SOURCE + i]!);
      this.view.setUint32(OTHER_DESTINATION_AT + 4 * i, rows[row + OTHER_DESTINATION + i]!);
    }
    words[isInner ? SLOT.outerSourceIPv6 : SLOT.innerSourceIPv6] = OTHER_SOURCE_AT;
    words[isInner ? SLOT.outerDestinationIPv6 : SLOT.innerDestinationIPv6] = OTHER_DESTINATION_AT;
    return HAS_TUNNEL | HAS_OTHER_IPV6;
  }

  private fillTcp(tcp: TcpAnalysis, slot: number): void {
    const { words } = this.flow;
    const { words: rows, rest } = tcp;
    const client = slot * TCP_ROW_WORDS;
    const server = client + DIRECTION_WORDS;
    const restRow = slot * TCP_REST_WORDS;
    const clientCounts = restRow + COUNTS;
    const serverCounts = clientCounts + COUNT_WORDS;
    words[SLOT.retransmittedPackets] = rest[clientCounts + RETRANSMITTED_PACKETS]!;
    words[SLOT.reverseRetransmittedPackets] = rest[serverCounts + RETRANSMITTED_PACKETS]!;
    words[SLOT.retransmittedOctets] = rest[clientCounts + RETRANSMITTED_OCTETS]!;
    words[SLOT.reverseRetransmittedOctets] = rest[serverCounts + RETRANSMITTED_OCTETS]!;
    words[SLOT.outOfOrderPackets] = rest[clientCounts + OUT_OF_ORDER]!;
    words[SLOT.reverseOutOfOrderPackets] = rest[serverCounts + OUT_OF_ORDER]!;
    words[SLOT.lostPackets] = rest[clientCounts + LOST]!;
    words[SLOT.reverseLostPackets] = rest[serverCounts + LOST]!;
    words[SLOT.zeroWindows] = rest[clientCounts + ZERO_WINDOWS]!;
    words[SLOT.reverseZeroWindows] = rest[serverCounts + ZERO_WINDOWS]!;
    words[SLOT.keepAlives] = rest[clientCounts + KEEP_ALIVES_AND_RESETS]! & 0xffff;
    words[SLOT.reverseKeepAlives] = rest[serverCounts + KEEP_ALIVES_AND_RESETS]! & 0xffff;
    words[SLOT.resets] = rest[clientCounts + KEEP_ALIVES_AND_RESETS]! >>> 16;
    words[SLOT.reverseResets] = rest[serverCounts + KEEP_ALIVES_AND_RESETS]! >>> 16;
    words[SLOT.minimumWindow] = rows[client + WINDOWS]! & 0xffff;
    words[SLOT.maximumWindow] = rows[client + WINDOWS]! >>> 16;
    words[SLOT.reverseMinimumWindow] = rows[server + WINDOWS]! & 0xffff;
    words[SLOT.reverseMaximumWindow] = rows[server + WINDOWS]! >>> 16;
    words[SLOT.maximumSegmentSize] = rows[client + MARKS]! >>> 16;
    words[SLOT.windowScale] = (rows[client + MARKS]! >>> 8) & 0xff;
    words[SLOT.reverseMaximumSegmentSize] = rows[server + MARKS]! >>> 16;
    words[SLOT.reverseWindowScale] = (rows[server + MARKS]! >>> 8) & 0xff;
    words[SLOT.clientNetworkLatency] = known(rest[restRow + CLIENT_LATENCY]!);
    words[SLOT.serverNetworkLatency] = known(rest[restRow + SERVER_LATENCY]!);
    words[SLOT.applicationLatency] = known(rest[restRow + APPLICATION_LATENCY]!);
    // How long the server takes to acknowledge is known by the client's segments.
    words[SLOT.serverRoundTripTime] = rows[client + ROUND_TRIP]!;
    words[SLOT.serverRoundTripVariance] = rows[client + ROUND_TRIP_VARIANCE]!;
    words[SLOT.clientRoundTripTime] = rows[server + ROUND_TRIP]!;
    words[SLOT.clientRoundTripVariance] = rows[server + ROUND_TRIP_VARIANCE]!;
  }
}

/** Rows hold latencies with 1 added, so that 0 is unknown; records leave 0 out. */
function known(latency: number): number {
  return latency === 0 ? 0 : latency - 1;
}
