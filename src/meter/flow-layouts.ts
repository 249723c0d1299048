import type { FieldName } from '../flow/fields.ts';
import { fieldEntry, Layout } from '../flow/layout.ts';

/** What of a flow decides which fields its record has, as bits. */
export const HAS_IPV6 = 1;
/** A flow with ports. */
export const HAS_PORTS = 2;
/** TCP. */
export const HAS_TCP = 4;
/** ICMP or ICMPv6. */
export const HAS_ICMP = 8;
/** A VLAN tag. */
export const HAS_VLAN = 16;
/** Two or more VLAN tags. */
export const HAS_INNER_VLAN = 32;
/** MAC addresses. */
export const HAS_MACS = 64;
/** MPLS labels. */
export const HAS_LABELS = 128;
/** Packets from server to client. */
export const HAS_REVERSE = 256;
/** Fragments. */
export const HAS_FRAGMENTS = 512;
/** A tunnel around or inside. */
export const HAS_TUNNEL = 1024;
/** Whose other packet is of IPv4. */
export const HAS_OTHER_IPV4 = 2048;
/** Whose other packet is of IPv6. */
export const HAS_OTHER_IPV6 = 4096;
/** TCP whose losses and latencies are known. */
export const HAS_FOLLOWED = 8192;
/** More than all of these bits. */
const LIMIT = 16384;

/** What is the same for all flows of a metering process. */
export interface FlowLayoutOptions {
  /** Flows are those inside of tunnels, so that the other packet is the outer one. */
  readonly isInner: boolean;
  /** Flows are sampled. */
  readonly isSampled: boolean;
  /** The interface is known by number and name. */
  readonly hasInterface: boolean;
}

const ALL: readonly FieldName[] = [
  'protocol',
  'ipVersion',
  'octets',
  'packets',
  'reverseOctets',
  'reversePackets',
  'startMs',
  'endMs',
  'samplingOrigin',
  'tos',
  'flowEndReason',
  'minimumTtl',
  'maximumTtl',
  'minimumPacketLength',
  'maximumPacketLength',
  'packetsUpTo128',
  'packets128To256',
  'packets256To512',
  'packets512To1024',
  'packets1024To1514',
  'packetsOver1514',
];

const REVERSE: readonly FieldName[] = [
  'reverseStartMs',
  'reverseEndMs',
  'postTos',
  'reverseMinimumTtl',
  'reverseMaximumTtl',
  'reverseMinimumPacketLength',
  'reverseMaximumPacketLength',
];

const TCP: readonly FieldName[] = ['tcpFlags', 'clientTcpFlags', 'serverTcpFlags'];

const FOLLOWED: readonly FieldName[] = [
  'retransmittedPackets',
  'retransmittedOctets',
  'outOfOrderPackets',
  'lostPackets',
  'zeroWindows',
  'keepAlives',
  'resets',
  'minimumWindow',
  'maximumWindow',
  'clientNetworkLatency',
  'serverNetworkLatency',
  'applicationLatency',
  'serverRoundTripTime',
  'serverRoundTripVariance',
];

const FOLLOWED_REVERSE: readonly FieldName[] = [
  'reverseRetransmittedPackets',
  'reverseRetransmittedOctets',
  'reverseOutOfOrderPackets',
  'reverseLostPackets',
  'reverseZeroWindows',
  'reverseKeepAlives',
  'reverseResets',
  'reverseMinimumWindow',
  'reverseMaximumWindow',
  'clientRoundTripTime',
  'clientRoundTripVariance',
];

/** Absent where they are 0, which is where they are unknown. */
const SYN_OPTIONS: readonly FieldName[] = ['maximumSegmentSize', 'windowScale'];
const SYN_OPTIONS_REVERSE: readonly FieldName[] = ['reverseMaximumSegmentSize', 'reverseWindowScale'];

/** The layouts of a metering process's flows, each made when it is first asked for. */
export class FlowLayouts {
  private readonly layouts: (Layout | undefined)[] = new Array(LIMIT).fill(undefined);
  private readonly options: FlowLayoutOptions;

  /** `options` are the same for all flows. */
  constructor(options: FlowLayoutOptions) {
    this.options = options;
  }

  /** The layout of flows that have `bits`, a sum of the `HAS_…` numbers. */
  of(bits: number): Layout {
    let layout = this.layouts[bits];
    if (layout === undefined) {
      layout = this.make(bits);
      this.layouts[bits] = layout;
    }
    return layout;
  }

  private make(bits: number): Layout {
    const { isInner, isSampled, hasInterface } = this.options;
    const has = (bit: number): boolean => (bits & bit) !== 0;
    const fields: FieldName[] = [...ALL];
    const optional: FieldName[] = [];
    fields.push(...family(has(HAS_IPV6), 'source', 'destination'));
    if (has(HAS_PORTS)) fields.push('sourcePort', 'destinationPort');
    if (has(HAS_REVERSE)) fields.push(...REVERSE);
    if (has(HAS_ICMP)) fields.push(has(HAS_IPV6) ? 'icmpTypeIPv6' : 'icmpType');
    if (has(HAS_TCP)) fields.push(...TCP);
    if (has(HAS_FOLLOWED)) {
      fields.push(...FOLLOWED);
      optional.push(...SYN_OPTIONS);
      if (has(HAS_REVERSE)) {
        fields.push(...FOLLOWED_REVERSE);
        optional.push(...SYN_OPTIONS_REVERSE);
      }
    }
    if (has(HAS_VLAN)) fields.push('vlan', 'vlanPriority');
    if (has(HAS_INNER_VLAN)) fields.push('dot1qCustomerVlan');
    if (has(HAS_MACS)) fields.push('sourceMac', 'destinationMac');
    if (has(HAS_LABELS)) {
      fields.push('mplsLabel1');
      optional.push('mplsLabel2', 'mplsLabel3');
    }
    if (has(HAS_FRAGMENTS)) fields.push('fragments', 'reverseFragments');
    if (has(HAS_TUNNEL)) {
      fields.push('tunnelType');
      optional.push('tunnelId');
      if (has(HAS_OTHER_IPV4))
        fields.push(
          ...family(false, isInner ? 'outerSource' : 'innerSource', isInner ? 'outerDestination' : 'innerDestination'),
        );
      if (has(HAS_OTHER_IPV6))
        fields.push(
          ...family(true, isInner ? 'outerSource' : 'innerSource', isInner ? 'outerDestination' : 'innerDestination'),
        );
      if (!isInner) fields.push('innerSourcePort', 'innerDestinationPort', 'innerProtocol');
    }
    if (isSampled) fields.push('samplingInterval');
    if (hasInterface) fields.push('inputInterface', 'inputInterfaceName');
    return new Layout('flow', [
      ...fields.map((field) => fieldEntry(field)),
      ...optional.map((field) => fieldEntry(field, true)),
    ]);
  }
}

type Stem = 'source' | 'destination' | 'outerSource' | 'outerDestination' | 'innerSource' | 'innerDestination';

function family(isIPv6: boolean, source: Stem, destination: Stem): FieldName[] {
  return isIPv6 ? [`${source}IPv6`, `${destination}IPv6`] : [`${source}IPv4`, `${destination}IPv4`];
}
