import { formatIPv4, formatMac } from '../bytes/address.ts';
import type { FieldName } from '../flow/fields.ts';
import { SLOT, TUNNEL_TYPES } from '../flow/fields.ts';
import type { Flow } from '../flow/flow.ts';
import { fieldEntry, Layout } from '../flow/layout.ts';
import {
  MAX_MPLS_LABELS,
  PacketHeaders,
  TUNNEL_ETHERIP,
  TUNNEL_GENEVE,
  TUNNEL_GRE,
  TUNNEL_GTP,
  TUNNEL_IP,
  TUNNEL_L2TP,
  TUNNEL_MPLS,
  TUNNEL_NONE,
  TUNNEL_TEREDO,
  TUNNEL_VXLAN,
  TUNNEL_VXLAN_GPE,
} from '../packet/packet-headers.ts';
import { parsePacket } from '../packet/parse-packet.ts';

/** Bits of the masks that {@link SampledPacket} deals in: one for what is filled together. */
const SOURCE_MAC = 1 << 0;
const DESTINATION_MAC = 1 << 1;
const VLAN = 1 << 2;
const VLAN_PRIORITY = 1 << 3;
const DOT1Q_VLAN = 1 << 4;
const DOT1Q_CUSTOMER_VLAN = 1 << 5;
const ETHERNET_TYPE = 1 << 6;
const SOURCE_IPV4 = 1 << 7;
const DESTINATION_IPV4 = 1 << 8;
const SOURCE_IPV6 = 1 << 9;
const DESTINATION_IPV6 = 1 << 10;
const SOURCE_PORT = 1 << 11;
const DESTINATION_PORT = 1 << 12;
const PROTOCOL = 1 << 13;
const IP_VERSION = 1 << 14;
const TCP_FLAGS = 1 << 15;
const TOS = 1 << 16;
const TTL = 1 << 17;
const ICMP_TYPE = 1 << 18;
const FRAGMENT_OFFSET = 1 << 19;
const FRAGMENT_IDENTIFICATION = 1 << 20;
const FLOW_LABEL = 1 << 21;
const TUNNEL_TYPE = 1 << 22;
const TUNNEL_ID = 1 << 23;
const INNER_SOURCE_IPV4 = 1 << 24;
const INNER_DESTINATION_IPV4 = 1 << 25;
const INNER_SOURCE_IPV6 = 1 << 26;
const INNER_DESTINATION_IPV6 = 1 << 27;
const INNER_SOURCE_PORT = 1 << 28;
const INNER_DESTINATION_PORT = 1 << 29;
const INNER_PROTOCOL = 1 << 30;

/** The fields of each bit, by its number. */
const FIELDS_OF_BIT: readonly (readonly FieldName[])[] = [
  ['sourceMac'],
  ['destinationMac'],
  ['vlan'],
  ['vlanPriority'],
  ['dot1qVlan'],
  ['dot1qCustomerVlan'],
  ['ethernetType'],
  ['sourceIPv4'],
  ['destinationIPv4'],
  ['sourceIPv6'],
  ['destinationIPv6'],
  ['sourcePort'],
  ['destinationPort'],
  ['protocol'],
  ['ipVersion'],
  ['tcpFlags'],
  ['tos'],
  ['minimumTtl', 'maximumTtl'],
  ['icmpType'],
  ['fragmentOffset'],
  ['fragmentIdentification'],
  ['flowLabel'],
  ['tunnelType'],
  ['tunnelId'],
  ['innerSourceIPv4'],
  ['innerDestinationIPv4'],
  ['innerSourceIPv6'],
  ['innerDestinationIPv6'],
  ['innerSourcePort'],
  ['innerDestinationPort'],
  ['innerProtocol'],
];

const ICMP = 1;
const ICMPV6 = 58;
const TCP = 6;

const SLOT_SOURCE_MAC = SLOT.sourceMac;
const SLOT_DESTINATION_MAC = SLOT.destinationMac;
const SLOT_VLAN = SLOT.vlan;
const SLOT_VLAN_PRIORITY = SLOT.vlanPriority;
const SLOT_DOT1Q_VLAN = SLOT.dot1qVlan;
const SLOT_DOT1Q_CUSTOMER_VLAN = SLOT.dot1qCustomerVlan;
const SLOT_ETHERNET_TYPE = SLOT.ethernetType;
const SLOT_SOURCE_IPV4 = SLOT.sourceIPv4;
const SLOT_DESTINATION_IPV4 = SLOT.destinationIPv4;
const SLOT_SOURCE_IPV6 = SLOT.sourceIPv6;
const SLOT_DESTINATION_IPV6 = SLOT.destinationIPv6;
const SLOT_SOURCE_PORT = SLOT.sourcePort;
const SLOT_DESTINATION_PORT = SLOT.destinationPort;
const SLOT_PROTOCOL = SLOT.protocol;
const SLOT_IP_VERSION = SLOT.ipVersion;
const SLOT_TCP_FLAGS = SLOT.tcpFlags;
const SLOT_TOS = SLOT.tos;
const SLOT_MINIMUM_TTL = SLOT.minimumTtl;
const SLOT_MAXIMUM_TTL = SLOT.maximumTtl;
const SLOT_ICMP_TYPE = SLOT.icmpType;
const SLOT_FRAGMENT_OFFSET = SLOT.fragmentOffset;
const SLOT_FRAGMENT_IDENTIFICATION = SLOT.fragmentIdentification;
const SLOT_FLOW_LABEL = SLOT.flowLabel;
const SLOT_TUNNEL_TYPE = SLOT.tunnelType;
const SLOT_TUNNEL_ID = SLOT.tunnelId;
const SLOT_INNER_SOURCE_IPV4 = SLOT.innerSourceIPv4;
const SLOT_INNER_DESTINATION_IPV4 = SLOT.innerDestinationIPv4;
const SLOT_INNER_SOURCE_IPV6 = SLOT.innerSourceIPv6;
const SLOT_INNER_DESTINATION_IPV6 = SLOT.innerDestinationIPv6;
const SLOT_INNER_SOURCE_PORT = SLOT.innerSourcePort;
const SLOT_INNER_DESTINATION_PORT = SLOT.innerDestinationPort;
const SLOT_INNER_PROTOCOL = SLOT.innerProtocol;

/** `Flow.tunnelType` by `PacketHeaders.tunnelType`. */
const TUNNEL_CHOICE = new Uint8Array(16);
TUNNEL_CHOICE[TUNNEL_GRE] = TUNNEL_TYPES.indexOf('gre');
TUNNEL_CHOICE[TUNNEL_IP] = TUNNEL_TYPES.indexOf('ip-in-ip');
TUNNEL_CHOICE[TUNNEL_VXLAN] = TUNNEL_TYPES.indexOf('vxlan');
TUNNEL_CHOICE[TUNNEL_VXLAN_GPE] = TUNNEL_TYPES.indexOf('vxlan-gpe');
TUNNEL_CHOICE[TUNNEL_GENEVE] = TUNNEL_TYPES.indexOf('geneve');
TUNNEL_CHOICE[TUNNEL_GTP] = TUNNEL_TYPES.indexOf('gtp-u');
TUNNEL_CHOICE[TUNNEL_TEREDO] = TUNNEL_TYPES.indexOf('teredo');
TUNNEL_CHOICE[TUNNEL_L2TP] = TUNNEL_TYPES.indexOf('l2tp');
TUNNEL_CHOICE[TUNNEL_ETHERIP] = TUNNEL_TYPES.indexOf('etherip');
TUNNEL_CHOICE[TUNNEL_MPLS] = TUNNEL_TYPES.indexOf('mpls');

/** Entries of the layouts kept, over all bases; beyond it all are made anew: real packets need some thousands. */
const MAX_LAYOUT_ENTRIES = 16_384;

/** What is known of one base layout. */
interface BaseLayout {
  /** Bits of fields that flows of the layout do not have yet. */
  readonly open: number;
  readonly layouts: Map<number, Layout>;
}

/**
 * Describes a sampled packet by its headers: fills the fields of a flow from a copied part of the packet, be it an sFlow
 * sampled header or an IPFIX packet section (elements 104 and 313 to 316). What the exporter reported itself is left alone.
 */
export class SampledPacket {
  /** The headers read last, valid as long as the octets under them. */
  readonly headers = new PacketHeaders();
  /** Go with their base, which goes with the plan of its Template. */
  private bases = new WeakMap<Layout, BaseLayout>();
  private layoutEntries = 0;
  private lastBase: Layout | undefined;
  private last: BaseLayout = { open: 0, layouts: new Map() };
  private lastMask = -1;
  private lastLayout: Layout | undefined;

  /**
   * Reads the packet in octets `[start, end)` of `view`, which starts as `linkType` says (a link type of the `packet` layer),
   * fills `flow` and returns what was filled, for {@link SampledPacket.layoutFor}. Fields that `base`, the flow's layout so
   * far, has are not touched. `view` lies over `flow.bytes`. MPLS labels and ARP go to the flow's attachments.
   */
  describe(flow: Flow, view: DataView, start: number, end: number, linkType: number, base: Layout): number {
    this.parse(view, start, end, linkType);
    return this.fill(flow, base);
  }

  /** The first half of {@link SampledPacket.describe}: afterwards {@link SampledPacket.headers} can be asked. */
  parse(view: DataView, start: number, end: number, linkType: number): void {
    parsePacket(view, start, end, linkType, this.headers);
  }

  /** The second half of {@link SampledPacket.describe}. */
  fill(flow: Flow, base: Layout): number {
    if (base !== this.lastBase) this.selectBase(base);
    const open = this.last.open;
    const headers = this.headers;
    const words = flow.words;
    let mask = 0;
    if (headers.sourceMacAt >= 0) {
      mask |= SOURCE_MAC;
      if ((open & SOURCE_MAC) !== 0) words[SLOT_SOURCE_MAC] = headers.sourceMacAt;
    }
    if (headers.destinationMacAt >= 0) {
      mask |= DESTINATION_MAC;
      if ((open & DESTINATION_MAC) !== 0) words[SLOT_DESTINATION_MAC] = headers.destinationMacAt;
    }
    if (headers.etherType !== 0) {
      mask |= ETHERNET_TYPE;
      if ((open & ETHERNET_TYPE) !== 0) words[SLOT_ETHERNET_TYPE] = headers.etherType;
    }
    if (headers.vlanCount !== 0) mask |= fillVlans(words, headers, open);
    if (headers.ipVersion !== 0) mask |= fillNetwork(words, headers, open);
    if (headers.tunnelType !== TUNNEL_NONE) mask |= fillTunnel(words, headers, open);
    if (headers.mplsLabelCount !== 0) attachLabels(flow, headers, base);
    if (headers.isArp) attachArp(flow, headers);
    return mask & open;
  }

  /**
   * The layout of flows of `base` for which {@link SampledPacket.describe} returned `mask`: the same object as long as it is
   * cached.
   */
  layoutFor(base: Layout, mask: number): Layout {
    if (mask === 0) return base;
    if (base !== this.lastBase) this.selectBase(base);
    else if (mask === this.lastMask && this.lastLayout !== undefined) return this.lastLayout;
    let layout = this.last.layouts.get(mask);
    if (layout === undefined) {
      if (this.layoutEntries >= MAX_LAYOUT_ENTRIES) {
        this.bases = new WeakMap();
        this.layoutEntries = 0;
        this.selectBase(base);
      }
      layout = extend(base, mask);
      this.layoutEntries += layout.entries.length;
      this.last.layouts.set(mask, layout);
    }
    this.lastMask = mask;
    this.lastLayout = layout;
    return layout;
  }

  private selectBase(base: Layout): void {
    let known = this.bases.get(base);
    if (known === undefined) {
      known = { open: openBits(base), layouts: new Map() };
      this.bases.set(base, known);
    }
    this.lastBase = base;
    this.last = known;
    this.lastMask = -1;
    this.lastLayout = undefined;
  }
}

/** Not `Layout.with`: that keeps what it makes as long as the base lives, and what packets look like is the sender's choice. */
function extend(base: Layout, mask: number): Layout {
  const entries = [...base.entries];
  for (let bit = 0; bit < FIELDS_OF_BIT.length; bit++) {
    if ((mask & (1 << bit)) === 0) continue;
    for (const name of FIELDS_OF_BIT[bit]!) entries.push(fieldEntry(name));
  }
  return new Layout(base.recordType, entries);
}

function openBits(base: Layout): number {
  let open = 0;
  for (let bit = 0; bit < FIELDS_OF_BIT.length; bit++) {
    if (!FIELDS_OF_BIT[bit]!.some((name) => base.has(name))) open |= 1 << bit;
  }
  return open;
}

function fillVlans(words: Uint32Array, headers: PacketHeaders, open: number): number {
  if ((open & VLAN) !== 0) words[SLOT_VLAN] = headers.vlanId;
  if ((open & VLAN_PRIORITY) !== 0) words[SLOT_VLAN_PRIORITY] = headers.vlanPriority;
  if (headers.vlanCount === 1) return VLAN | VLAN_PRIORITY;
  if ((open & DOT1Q_VLAN) !== 0) words[SLOT_DOT1Q_VLAN] = headers.vlanId;
  if ((open & DOT1Q_CUSTOMER_VLAN) !== 0) words[SLOT_DOT1Q_CUSTOMER_VLAN] = headers.innerVlanId;
  return VLAN | VLAN_PRIORITY | DOT1Q_VLAN | DOT1Q_CUSTOMER_VLAN;
}

function fillNetwork(words: Uint32Array, headers: PacketHeaders, open: number): number {
  let mask = IP_VERSION | PROTOCOL | TOS | TTL;
  if ((open & IP_VERSION) !== 0) words[SLOT_IP_VERSION] = headers.ipVersion;
  if ((open & PROTOCOL) !== 0) words[SLOT_PROTOCOL] = headers.protocol;
  if ((open & TOS) !== 0) words[SLOT_TOS] = headers.tos;
  if ((open & TTL) !== 0) {
    words[SLOT_MINIMUM_TTL] = headers.ttl;
    words[SLOT_MAXIMUM_TTL] = headers.ttl;
  }
  if (headers.ipVersion === 4) {
    mask |= SOURCE_IPV4 | DESTINATION_IPV4;
    if ((open & SOURCE_IPV4) !== 0) words[SLOT_SOURCE_IPV4] = headers.sourceIPv4;
    if ((open & DESTINATION_IPV4) !== 0) words[SLOT_DESTINATION_IPV4] = headers.destinationIPv4;
  } else {
    mask |= SOURCE_IPV6 | DESTINATION_IPV6 | FLOW_LABEL;
    if ((open & SOURCE_IPV6) !== 0) words[SLOT_SOURCE_IPV6] = headers.sourceIPv6At;
    if ((open & DESTINATION_IPV6) !== 0) words[SLOT_DESTINATION_IPV6] = headers.destinationIPv6At;
    if ((open & FLOW_LABEL) !== 0) words[SLOT_FLOW_LABEL] = headers.flowLabel;
  }
  if (headers.isFragment) {
    mask |= FRAGMENT_OFFSET | FRAGMENT_IDENTIFICATION;
    if ((open & FRAGMENT_OFFSET) !== 0) words[SLOT_FRAGMENT_OFFSET] = headers.fragmentOffset >>> 3;
    if ((open & FRAGMENT_IDENTIFICATION) !== 0) words[SLOT_FRAGMENT_IDENTIFICATION] = headers.identification;
  }
  if (headers.transportAt < 0) return mask;
  if (hasPorts(headers)) {
    mask |= SOURCE_PORT | DESTINATION_PORT;
    if ((open & SOURCE_PORT) !== 0) words[SLOT_SOURCE_PORT] = headers.sourcePort;
    if ((open & DESTINATION_PORT) !== 0) words[SLOT_DESTINATION_PORT] = headers.destinationPort;
    if (headers.protocol === TCP && headers.tcpDataOffset !== 0) {
      mask |= TCP_FLAGS;
      if ((open & TCP_FLAGS) !== 0) words[SLOT_TCP_FLAGS] = headers.tcpFlags;
    }
  } else if (headers.protocol === ICMP || headers.protocol === ICMPV6) {
    mask |= ICMP_TYPE;
    if ((open & ICMP_TYPE) !== 0) words[SLOT_ICMP_TYPE] = headers.icmpType * 256 + headers.icmpCode;
  }
  return mask;
}

function fillTunnel(words: Uint32Array, headers: PacketHeaders, open: number): number {
  let mask = TUNNEL_TYPE;
  if ((open & TUNNEL_TYPE) !== 0) words[SLOT_TUNNEL_TYPE] = TUNNEL_CHOICE[headers.tunnelType]!;
  if (headers.hasTunnelId) {
    mask |= TUNNEL_ID;
    if ((open & TUNNEL_ID) !== 0) words[SLOT_TUNNEL_ID] = headers.tunnelId;
  }
  const inner = headers.inner;
  if (!headers.hasInner || inner === undefined || inner.ipVersion === 0) return mask;
  mask |= INNER_PROTOCOL;
  if ((open & INNER_PROTOCOL) !== 0) words[SLOT_INNER_PROTOCOL] = inner.protocol;
  if (inner.ipVersion === 4) {
    mask |= INNER_SOURCE_IPV4 | INNER_DESTINATION_IPV4;
    if ((open & INNER_SOURCE_IPV4) !== 0) words[SLOT_INNER_SOURCE_IPV4] = inner.sourceIPv4;
    if ((open & INNER_DESTINATION_IPV4) !== 0) words[SLOT_INNER_DESTINATION_IPV4] = inner.destinationIPv4;
  } else {
    mask |= INNER_SOURCE_IPV6 | INNER_DESTINATION_IPV6;
    if ((open & INNER_SOURCE_IPV6) !== 0) words[SLOT_INNER_SOURCE_IPV6] = inner.sourceIPv6At;
    if ((open & INNER_DESTINATION_IPV6) !== 0) words[SLOT_INNER_DESTINATION_IPV6] = inner.destinationIPv6At;
  }
  if (inner.transportAt >= 0 && hasPorts(inner)) {
    mask |= INNER_SOURCE_PORT | INNER_DESTINATION_PORT;
    if ((open & INNER_SOURCE_PORT) !== 0) words[SLOT_INNER_SOURCE_PORT] = inner.sourcePort;
    if ((open & INNER_DESTINATION_PORT) !== 0) words[SLOT_INNER_DESTINATION_PORT] = inner.destinationPort;
  }
  return mask;
}

/** TCP, UDP, DCCP, SCTP, UDP-Lite. */
function hasPorts(headers: PacketHeaders): boolean {
  switch (headers.protocol) {
    case TCP:
    case 17:
    case 33:
    case 132:
    case 136:
      return true;
    default:
      return false;
  }
}

/** Keys of label stack entries, from the top (elements 70 to 79). */
const LABEL_KEYS = Array.from({ length: MAX_MPLS_LABELS }, (_, i) => ({
  ntop: `MPLS_LABEL_${i + 1}`,
  iana: i === 0 ? 'mplsTopLabelStackSection' : `mplsLabelStackSection${i + 1}`,
}));

function attachLabels(flow: Flow, headers: PacketHeaders, base: Layout): void {
  const count = Math.min(headers.mplsLabelCount, MAX_MPLS_LABELS);
  for (let i = 0; i < count; i++) {
    const { ntop, iana } = LABEL_KEYS[i]!;
    if (base.entries.some((entry) => entry.kind !== 'field' && entry.ntop === ntop)) continue;
    flow.attachments.push({ ntop, iana, value: headers.mplsLabels[i]! });
  }
}

function attachArp(flow: Flow, headers: PacketHeaders): void {
  const { view } = flow;
  const value = {
    operation: headers.arpOperation,
    senderMac: formatMac(view, headers.arpSenderMacAt),
    senderIPv4: formatIPv4(headers.arpSenderIPv4),
    targetMac: formatMac(view, headers.arpTargetMacAt),
    targetIPv4: formatIPv4(headers.arpTargetIPv4),
  };
  flow.attachments.push({ ntop: 'ARP', iana: 'arp', value });
}
