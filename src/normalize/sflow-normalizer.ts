import { formatHex } from '../bytes/address.ts';
import { Cursor } from '../bytes/cursor.ts';
import type { MessageContext } from '../decode/message.ts';
import {
  INTERFACE_DISCARDED,
  INTERFACE_INDEX,
  INTERFACE_MULTIPLE,
  SAMPLE_COUNTERS,
  SAMPLE_DISCARD,
  type SflowHandler,
  type SflowSample,
} from '../decode/sflow-sample.ts';
import { type FieldName, SAMPLING_ORIGINS, SLOT } from '../flow/fields.ts';
import type { Flow, PlainValue } from '../flow/flow.ts';
import { fieldEntry, Layout } from '../flow/layout.ts';
import type { RecordOutput } from '../flow/record-output.ts';
import type { XdrStructure } from '../flow/xdr-structure.ts';
import { LINK_UNKNOWN, linkTypeOfSflowHeaderProtocol } from '../packet/link-type.ts';
import { SampledPacket } from './sampled-packet.ts';
import { COUNTER_RECORDS } from './sflow-counter-records.ts';
import { SflowCountersRecord, withAnother } from './sflow-counters-record.ts';
import { discardReasonName, forwardingStatusOf } from './sflow-discard-reason.ts';
import {
  EXTENDED_GATEWAY,
  EXTENDED_NAT,
  EXTENDED_NAT_PORT,
  EXTENDED_ROUTER,
  EXTENDED_SWITCH,
  FLOW_RECORDS,
  SAMPLED_ETHERNET_FRAME,
  SAMPLED_HEADER,
  SAMPLED_IPV4_PACKET,
  SAMPLED_IPV6_PACKET,
} from './sflow-flow-records.ts';
import { readMembers, takeAddress } from './xdr-values.ts';

/** Bits of what most samples have, and of what few have: each stands for fields that come together. */
const SAMPLING = 1 << 0;
const POOL = 1 << 1;
const INPUT = 1 << 2;
const OUTPUT = 1 << 3;
const FORWARDING = 1 << 4;
const OCTETS = 1 << 5;
const FRAME = 1 << 6;
const MACS = 1 << 7;
const ETHERNET_TYPE = 1 << 8;
const IPV4 = 1 << 9;
const IPV6 = 1 << 10;
const VLAN = 1 << 11;
const VLAN_PRIORITY = 1 << 12;
const POST_VLAN = 1 << 13;
const POST_VLAN_PRIORITY = 1 << 14;
const NEXT_HOP_IPV4 = 1 << 15;
const NEXT_HOP_IPV6 = 1 << 16;
const SOURCE_IPV4_MASK = 1 << 17;
const DESTINATION_IPV4_MASK = 1 << 18;
const SOURCE_IPV6_MASK = 1 << 19;
const DESTINATION_IPV6_MASK = 1 << 20;
const DISCARDED = 1 << 21;

const BGP_NEXT_HOP_IPV4 = 1 << 0;
const BGP_NEXT_HOP_IPV6 = 1 << 1;
const SOURCE_AS = 1 << 2;
const DESTINATION_AS = 1 << 3;
const NEXT_AS = 1 << 4;
const PREVIOUS_AS = 1 << 5;
const NAT_SOURCE_IPV4 = 1 << 6;
const NAT_DESTINATION_IPV4 = 1 << 7;
const NAT_SOURCE_IPV6 = 1 << 8;
const NAT_DESTINATION_IPV6 = 1 << 9;
const NAT_SOURCE_PORT = 1 << 10;
const NAT_DESTINATION_PORT = 1 << 11;

const FIXED_FIELDS: readonly FieldName[] = [
  'packets',
  'startMs',
  'endMs',
  'sampleSequence',
  'sourceIdType',
  'sourceIdIndex',
  'sampleDrops',
];

const FIELDS_OF_COMMON_BIT: readonly (readonly FieldName[])[] = [
  ['samplingInterval', 'samplingOrigin'],
  ['samplePool'],
  ['inputInterface'],
  ['outputInterface'],
  ['forwardingStatus'],
  ['octets'],
  ['frameLength', 'strippedOctets'],
  ['sourceMac', 'destinationMac'],
  ['ethernetType'],
  ['ipVersion', 'sourceIPv4', 'destinationIPv4', 'protocol', 'sourcePort', 'destinationPort', 'tcpFlags', 'tos'],
  ['ipVersion', 'sourceIPv6', 'destinationIPv6', 'protocol', 'sourcePort', 'destinationPort', 'tcpFlags', 'tos'],
  ['vlan'],
  ['vlanPriority'],
  ['postVlan'],
  ['postVlanPriority'],
  ['nextHopIPv4'],
  ['nextHopIPv6'],
  ['sourceIPv4Mask'],
  ['destinationIPv4Mask'],
  ['sourceIPv6Mask'],
  ['destinationIPv6Mask'],
];

const FIELDS_OF_RARE_BIT: readonly (readonly FieldName[])[] = [
  ['bgpNextHopIPv4'],
  ['bgpNextHopIPv6'],
  ['sourceAs'],
  ['destinationAs'],
  ['nextAdjacentAs'],
  ['previousAdjacentAs'],
  ['postNatSourceIPv4'],
  ['postNatDestinationIPv4'],
  ['postNatSourceIPv6'],
  ['postNatDestinationIPv6'],
  ['postNaptSourcePort'],
  ['postNaptDestinationPort'],
];

const SLOT_PACKETS = SLOT.packets;
const SLOT_START_MS = SLOT.startMs;
const SLOT_END_MS = SLOT.endMs;
const SLOT_SAMPLE_SEQUENCE = SLOT.sampleSequence;
const SLOT_SOURCE_ID_TYPE = SLOT.sourceIdType;
const SLOT_SOURCE_ID_INDEX = SLOT.sourceIdIndex;
const SLOT_SAMPLE_DROPS = SLOT.sampleDrops;
const SLOT_SAMPLE_POOL = SLOT.samplePool;
const SLOT_SAMPLING_INTERVAL = SLOT.samplingInterval;
const SLOT_SAMPLING_ORIGIN = SLOT.samplingOrigin;
const SLOT_INPUT_INTERFACE = SLOT.inputInterface;
const SLOT_OUTPUT_INTERFACE = SLOT.outputInterface;
const SLOT_OCTETS = SLOT.octets;
const SLOT_FRAME_LENGTH = SLOT.frameLength;
const SLOT_STRIPPED_OCTETS = SLOT.strippedOctets;
const SLOT_VLAN = SLOT.vlan;
const SLOT_VLAN_PRIORITY = SLOT.vlanPriority;
const SLOT_POST_VLAN = SLOT.postVlan;
const SLOT_POST_VLAN_PRIORITY = SLOT.postVlanPriority;
const SLOT_NEXT_HOP_IPV4 = SLOT.nextHopIPv4;
const SLOT_NEXT_HOP_IPV6 = SLOT.nextHopIPv6;
const SLOT_SOURCE_IPV4_MASK = SLOT.sourceIPv4Mask;
const SLOT_DESTINATION_IPV4_MASK = SLOT.destinationIPv4Mask;
const SLOT_SOURCE_IPV6_MASK = SLOT.sourceIPv6Mask;
const SLOT_DESTINATION_IPV6_MASK = SLOT.destinationIPv6Mask;

const ORIGIN_SAMPLE = SAMPLING_ORIGINS.indexOf('sample');

const ADDRESS_IPV4 = 1;
const ADDRESS_IPV6 = 2;

/** Layouts kept; beyond it all are made anew. */
const MAX_LAYOUTS = 1024;

/** Octets printed of a record or header that cannot be read. */
const MAX_PRINTED_OCTETS = 1024;

/**
 * Makes flows of sFlow's flow and discarded packet samples, and records of its counters samples. A flow is one packet: the
 * sampling interval beside it says how many it stands for.
 */
export class SflowNormalizer implements SflowHandler {
  private readonly flow: Flow;
  private readonly output: RecordOutput;
  private readonly packet = new SampledPacket();
  private readonly cursor: Cursor;
  private message!: MessageContext;

  /** The bits of the sample so far. */
  private common = 0;
  private rare = 0;
  /** Where the sampled header lies, -1 while there is none. */
  private headerAt = -1;
  private headerEnd = -1;
  private headerLinkType = LINK_UNKNOWN;
  /** Where the router record lies, -1 while there is none; read last, since the packet says which protocol its masks are for. */
  private routerAt = -1;
  private routerEnd = -1;
  private readonly counters: SflowCountersRecord;
  private unknownRecords: PlainValue[] = [];

  private readonly layouts = new Map<number, Map<number, Layout>>();
  private layoutCount = 0;
  private lastCommon = -1;
  private lastRare = -1;
  private lastLayout = new Layout('flow', []);

  /** Fills `flow`, which stays the normaliser's, for each sample and hands it to `output`. */
  constructor(flow: Flow, output: RecordOutput) {
    this.flow = flow;
    this.output = output;
    this.counters = new SflowCountersRecord(flow.origin);
    this.cursor = new Cursor(flow.view);
  }

  /** Takes the datagram's origin. */
  startDatagram(message: MessageContext): void {
    this.message = message;
    const { flow } = this;
    const { origin } = flow;
    const { session } = message;
    flow.bytes = message.bytes;
    flow.view = message.view;
    origin.serial++;
    origin.protocol = 'sFlow';
    origin.version = message.version;
    origin.exporterAddress = session.address;
    origin.exporterPort = session.port;
    origin.observationDomainId = -1;
    origin.engineType = -1;
    origin.engineId = -1;
    origin.agentAddress = session.agentAddress;
    origin.subAgentId = session.domain.id;
    origin.templateId = -1;
    origin.exportTimeMs = message.exportTimeMs;
    origin.sequenceNumber = message.sequenceNumber;
    flow.times[SLOT_START_MS] = message.arrivalMs;
    flow.times[SLOT_END_MS] = message.arrivalMs;
  }

  /** Takes what the sample itself says. */
  startSample(sample: SflowSample): void {
    if (this.unknownRecords.length !== 0) this.unknownRecords = [];
    if (sample.kind === SAMPLE_COUNTERS) {
      const { bytes, view } = this.flow;
      this.counters.start(bytes, view, sample.sourceIdType, sample.sourceIdIndex, sample.sequenceNumber);
      return;
    }
    const { flow } = this;
    const { words } = flow;
    if (flow.attachments.length !== 0) flow.attachments.length = 0;
    this.rare = 0;
    this.headerAt = -1;
    this.routerAt = -1;
    words[SLOT_PACKETS] = 0;
    words[SLOT_PACKETS + 1] = 1;
    words[SLOT_SAMPLE_SEQUENCE] = sample.sequenceNumber;
    words[SLOT_SOURCE_ID_TYPE] = sample.sourceIdType;
    words[SLOT_SOURCE_ID_INDEX] = sample.sourceIdIndex;
    words[SLOT_SAMPLE_DROPS] = sample.drops;
    let common = 0;
    if (sample.kind === SAMPLE_DISCARD) {
      common = DISCARDED;
    } else {
      common = POOL;
      words[SLOT_SAMPLE_POOL] = sample.samplePool;
      if (sample.samplingInterval !== 0) {
        common |= SAMPLING;
        words[SLOT_SAMPLING_INTERVAL] = sample.samplingInterval;
        words[SLOT_SAMPLING_ORIGIN] = ORIGIN_SAMPLE;
      }
    }
    if (sample.inputFormat === INTERFACE_INDEX) {
      common |= INPUT;
      words[SLOT_INPUT_INTERFACE] = sample.input;
    }
    if (sample.outputFormat === INTERFACE_INDEX) {
      common |= OUTPUT;
      words[SLOT_OUTPUT_INTERFACE] = sample.output;
    }
    this.common = common;
    if (sample.inputFormat !== INTERFACE_INDEX || sample.outputFormat !== INTERFACE_INDEX) this.noteInterfaces(sample);
    if (sample.kind === SAMPLE_DISCARD) this.noteDiscard(sample.discardReason);
  }

  /** Takes one record of the sample. */
  readRecord(sample: SflowSample, dataFormat: number, start: number, end: number): void {
    if (sample.kind === SAMPLE_COUNTERS) {
      this.readCounterRecord(dataFormat, start, end);
      return;
    }
    switch (dataFormat) {
      case SAMPLED_HEADER:
        this.readHeader(start, end);
        return;
      case EXTENDED_SWITCH:
        this.readSwitch(start, end);
        return;
      case EXTENDED_ROUTER:
        if (end - start < 12) this.countTruncated();
        else {
          this.routerAt = start;
          this.routerEnd = end;
        }
        return;
      case SAMPLED_ETHERNET_FRAME:
        this.readEthernet(start, end);
        return;
      case SAMPLED_IPV4_PACKET:
        this.readIPv4(start, end);
        return;
      case SAMPLED_IPV6_PACKET:
        this.readIPv6(start, end);
        return;
      case EXTENDED_GATEWAY:
        this.readGateway(start, end);
        return;
      case EXTENDED_NAT:
        this.readNat(start, end);
        return;
      case EXTENDED_NAT_PORT:
        this.readNatPorts(start, end);
        return;
      default:
        this.readFlowRecord(dataFormat, start, end);
    }
  }

  /** Hands over what the sample came to. */
  endSample(sample: SflowSample): void {
    if (sample.kind === SAMPLE_COUNTERS) {
      if (this.unknownRecords.length !== 0) this.counters.addUnknown(this.unknownRecords);
      this.output.writeRecord(this.counters);
      return;
    }
    const { flow, packet } = this;
    if (this.unknownRecords.length !== 0) this.attach('UNKNOWN_RECORDS', this.unknownRecords);
    if (this.headerAt < 0) {
      if (this.routerAt >= 0) this.readRouter(0);
      flow.layout = this.layout();
    } else {
      packet.parse(flow.view, this.headerAt, this.headerEnd, this.headerLinkType);
      if (this.routerAt >= 0) this.readRouter(packet.headers.ipVersion);
      const base = this.layout();
      flow.layout = packet.layoutFor(base, packet.fill(flow, base));
    }
    this.output.write(flow);
  }

  private readHeader(start: number, end: number): void {
    const { view, words } = this.flow;
    if (end - start < 16) {
      this.countTruncated();
      return;
    }
    const protocol = view.getUint32(start);
    const frameLength = view.getUint32(start + 4);
    const headerLength = view.getUint32(start + 12);
    let headerEnd = start + 16 + headerLength;
    if (headerEnd > end) {
      this.countTruncated();
      headerEnd = end;
    }
    const linkType = linkTypeOfSflowHeaderProtocol(protocol);
    if (linkType === LINK_UNKNOWN || this.headerAt >= 0) {
      this.attach('SFLOW_SAMPLED_HEADER', {
        header_protocol: protocol,
        frame_length: frameLength,
        stripped: view.getUint32(start + 8),
        header: this.hex(start + 16, headerEnd),
      });
    }
    // A second header is that of a fragment of the same packet (802.11 aggregation): the first counts.
    if (this.headerAt >= 0) return;
    words[SLOT_FRAME_LENGTH] = frameLength;
    words[SLOT_STRIPPED_OCTETS] = view.getUint32(start + 8);
    words[SLOT_OCTETS] = 0;
    words[SLOT_OCTETS + 1] = frameLength;
    this.common |= FRAME | OCTETS;
    this.headerAt = start + 16;
    this.headerEnd = headerEnd;
    this.headerLinkType = linkType;
  }

  private readSwitch(start: number, end: number): void {
    const { view, words } = this.flow;
    if (end - start < 16) {
      this.countTruncated();
      return;
    }
    const vlan = view.getUint32(start);
    const priority = view.getUint32(start + 4);
    const postVlan = view.getUint32(start + 8);
    const postPriority = view.getUint32(start + 12);
    // 0xffffffff stands for unknown.
    if (vlan <= 0xffff) {
      this.common |= VLAN;
      words[SLOT_VLAN] = vlan;
    }
    if (priority <= 0xff) {
      this.common |= VLAN_PRIORITY;
      words[SLOT_VLAN_PRIORITY] = priority;
    }
    if (postVlan <= 0xffff) {
      this.common |= POST_VLAN;
      words[SLOT_POST_VLAN] = postVlan;
    }
    if (postPriority <= 0xff) {
      this.common |= POST_VLAN_PRIORITY;
      words[SLOT_POST_VLAN_PRIORITY] = postPriority;
    }
  }

  /** `ipVersion` of the sampled packet, 0 when it could not be told. */
  private readRouter(ipVersion: number): void {
    const { view, words } = this.flow;
    const type = view.getUint32(this.routerAt);
    let at = this.routerAt + 4;
    let nextHop = 0;
    if (type === ADDRESS_IPV4 && this.routerEnd - at >= 12) {
      nextHop = NEXT_HOP_IPV4;
      words[SLOT_NEXT_HOP_IPV4] = view.getUint32(at);
      at += 4;
    } else if (type === ADDRESS_IPV6 && this.routerEnd - at >= 24) {
      nextHop = NEXT_HOP_IPV6;
      words[SLOT_NEXT_HOP_IPV6] = at;
      at += 16;
    } else if (type !== 0) {
      this.countTruncated();
      return;
    }
    const sourceMask = view.getUint32(at);
    const destinationMask = view.getUint32(at + 4);
    let isIPv6 = ipVersion === 6;
    if (ipVersion === 0) isIPv6 = (this.common & IPV6) !== 0 || ((this.common & IPV4) === 0 && type === ADDRESS_IPV6);
    if (sourceMask <= 0xff) {
      nextHop |= isIPv6 ? SOURCE_IPV6_MASK : SOURCE_IPV4_MASK;
      words[isIPv6 ? SLOT_SOURCE_IPV6_MASK : SLOT_SOURCE_IPV4_MASK] = sourceMask;
    }
    if (destinationMask <= 0xff) {
      nextHop |= isIPv6 ? DESTINATION_IPV6_MASK : DESTINATION_IPV4_MASK;
      words[isIPv6 ? SLOT_DESTINATION_IPV6_MASK : SLOT_DESTINATION_IPV4_MASK] = destinationMask;
    }
    this.common |= nextHop;
  }

  private readEthernet(start: number, end: number): void {
    const { flow } = this;
    if (end - start < 24) {
      this.countTruncated();
      return;
    }
    this.noteLength(flow.view.getUint32(start));
    flow.words[SLOT.sourceMac] = start + 4;
    flow.words[SLOT.destinationMac] = start + 12;
    this.common |= MACS;
    const type = flow.view.getUint32(start + 20);
    if (type > 0xffff) return;
    flow.words[SLOT.ethernetType] = type;
    this.common |= ETHERNET_TYPE;
  }

  private readIPv4(start: number, end: number): void {
    const { view, words } = this.flow;
    if (end - start < 32) {
      this.countTruncated();
      return;
    }
    this.noteLength(view.getUint32(start));
    words[SLOT.ipVersion] = 4;
    words[SLOT.protocol] = view.getUint32(start + 4) & 0xff;
    words[SLOT.sourceIPv4] = view.getUint32(start + 8);
    words[SLOT.destinationIPv4] = view.getUint32(start + 12);
    this.readTransport(start + 16);
    this.common |= IPV4;
  }

  private readIPv6(start: number, end: number): void {
    const { view, words } = this.flow;
    if (end - start < 56) {
      this.countTruncated();
      return;
    }
    this.noteLength(view.getUint32(start));
    words[SLOT.ipVersion] = 6;
    words[SLOT.protocol] = view.getUint32(start + 4) & 0xff;
    words[SLOT.sourceIPv6] = start + 8;
    words[SLOT.destinationIPv6] = start + 24;
    this.readTransport(start + 40);
    this.common |= IPV6;
  }

  private readTransport(at: number): void {
    const { view, words } = this.flow;
    words[SLOT.sourcePort] = view.getUint32(at) & 0xffff;
    words[SLOT.destinationPort] = view.getUint32(at + 4) & 0xffff;
    words[SLOT.tcpFlags] = view.getUint32(at + 8) & 0xffff;
    words[SLOT.tos] = view.getUint32(at + 12) & 0xff;
  }

  /** Takes the length a decoded header gives, where no sampled header gives that of the frame. */
  private noteLength(octets: number): void {
    if ((this.common & OCTETS) !== 0) return;
    const { words } = this.flow;
    words[SLOT_OCTETS] = 0;
    words[SLOT_OCTETS + 1] = octets;
    this.common |= OCTETS;
  }

  /** Straight from the octets: a router has one in every sample, and to make objects of it took as long as the rest of the flow. */
  private readGateway(start: number, end: number): void {
    const { flow } = this;
    const { words } = flow;
    this.noteAddress(start, end, SLOT.bgpNextHopIPv4, BGP_NEXT_HOP_IPV4, SLOT.bgpNextHopIPv6, BGP_NEXT_HOP_IPV6);
    const cursor = this.cursor.reset(flow.view, start, end);
    takeAddress(cursor);
    const routerAs = cursor.u32();
    if (!cursor.overrun) this.attach('SFLOW_ROUTER_AS', routerAs);
    const sourceAs = cursor.u32();
    if (!cursor.overrun) {
      words[SLOT.sourceAs] = sourceAs;
      this.rare |= SOURCE_AS;
    }
    const peerAs = cursor.u32();
    if (!cursor.overrun) {
      words[SLOT.previousAdjacentAs] = peerAs;
      this.rare |= PREVIOUS_AS;
    }
    this.readPath(cursor);
    this.readCommunities(cursor);
    const localPreference = cursor.u32();
    if (!cursor.overrun) this.attach('BGP_LOCAL_PREFERENCE', localPreference);
    if (cursor.overrun) this.countTruncated();
  }

  /** The segments that are there in full. */
  private readPath(cursor: Cursor): void {
    const { words } = this.flow;
    const path: PlainValue[] = [];
    let isFirst = true;
    for (let left = cursor.u32(); left > 0; left--) {
      const type = cursor.u32();
      const asns: number[] = [];
      for (let more = cursor.u32(); more > 0 && !cursor.overrun; more--) asns.push(cursor.u32());
      if (cursor.overrun) break;
      path.push({ type: SEGMENT_TYPES[type] ?? type, asns });
      if (asns.length === 0) continue;
      if (isFirst) words[SLOT.nextAdjacentAs] = asns[0]!;
      words[SLOT.destinationAs] = asns[asns.length - 1]!;
      this.rare |= NEXT_AS | DESTINATION_AS;
      isFirst = false;
    }
    if (path.length !== 0) this.attach('BGP_AS_PATH', path);
  }

  private readCommunities(cursor: Cursor): void {
    const communities: string[] = [];
    for (let left = cursor.u32(); left > 0; left--) {
      const community = cursor.u32();
      if (cursor.overrun) break;
      communities.push(communityText(community));
    }
    if (communities.length !== 0) this.attach('BGP_COMMUNITIES', communities);
  }

  private readNat(start: number, end: number): void {
    const { view } = this.flow;
    const length = this.noteAddress(
      start,
      end,
      SLOT.postNatSourceIPv4,
      NAT_SOURCE_IPV4,
      SLOT.postNatSourceIPv6,
      NAT_SOURCE_IPV6,
    );
    const next = start + length;
    if (length === 0 || end - next < 4) {
      this.countTruncated();
      return;
    }
    const taken = this.noteAddress(
      next,
      end,
      SLOT.postNatDestinationIPv4,
      NAT_DESTINATION_IPV4,
      SLOT.postNatDestinationIPv6,
      NAT_DESTINATION_IPV6,
    );
    if (taken === 0 && view.getUint32(next) !== 0) this.countTruncated();
  }

  private readNatPorts(start: number, end: number): void {
    const { view, words } = this.flow;
    if (end - start < 8) {
      this.countTruncated();
      return;
    }
    words[SLOT.postNaptSourcePort] = view.getUint32(start) & 0xffff;
    words[SLOT.postNaptDestinationPort] = view.getUint32(start + 4) & 0xffff;
    this.rare |= NAT_SOURCE_PORT | NAT_DESTINATION_PORT;
  }

  /** Takes an address with its type word; returns the octets of both, 0 when they are not there. */
  private noteAddress(
    at: number,
    end: number,
    slotIPv4: number,
    bitIPv4: number,
    slotIPv6: number,
    bitIPv6: number,
  ): number {
    const { view, words } = this.flow;
    if (end - at < 4) return 0;
    const type = view.getUint32(at);
    if (type === ADDRESS_IPV4 && end - at >= 8) {
      words[slotIPv4] = view.getUint32(at + 4);
      this.rare |= bitIPv4;
      return 8;
    }
    if (type === ADDRESS_IPV6 && end - at >= 20) {
      words[slotIPv6] = at + 4;
      this.rare |= bitIPv6;
      return 20;
    }
    return type === 0 ? 4 : 0;
  }

  private readFlowRecord(dataFormat: number, start: number, end: number): void {
    const known = FLOW_RECORDS.get(dataFormat);
    if (known === undefined) {
      this.noteUnknown(dataFormat, start, end);
      return;
    }
    this.attach(`SFLOW_${known.name.toUpperCase().replaceAll('-', '_')}`, this.readStructure(known, start, end));
  }

  private readCounterRecord(dataFormat: number, start: number, end: number): void {
    const known = COUNTER_RECORDS.get(dataFormat);
    if (known === undefined) {
      this.noteUnknown(dataFormat, start, end);
      return;
    }
    if (!this.counters.add(known, start, end)) this.countTruncated();
  }

  private readStructure(known: XdrStructure, start: number, end: number): Record<string, PlainValue> {
    const { view, bytes } = this.flow;
    const values = readMembers(known.members, this.cursor.reset(view, start, end), bytes);
    if (this.cursor.overrun) this.countTruncated();
    return values;
  }

  private noteUnknown(dataFormat: number, start: number, end: number): void {
    this.message.session.counters.unknownSampleRecords++;
    const octets = this.hex(start, end);
    this.unknownRecords.push({ enterprise: dataFormat >>> 12, format: dataFormat & 0xfff, octets });
  }

  private noteInterfaces(sample: SflowSample): void {
    if (sample.outputFormat === INTERFACE_DISCARDED) this.noteDiscard(sample.output);
    else if (sample.outputFormat === INTERFACE_MULTIPLE) this.attach('OUTPUT_INTERFACE_COUNT', sample.output);
    else if (sample.outputFormat !== INTERFACE_INDEX) {
      this.attach('SFLOW_OUTPUT_INTERFACE', { format: sample.outputFormat, value: sample.output });
    }
    if (sample.inputFormat === INTERFACE_INDEX) return;
    this.attach('SFLOW_INPUT_INTERFACE', { format: sample.inputFormat, value: sample.input });
  }

  private noteDiscard(reason: number): void {
    this.common |= FORWARDING;
    this.flow.words[SLOT.forwardingStatus] = forwardingStatusOf(reason);
    this.attach('OUTPUT_DISCARD_REASON', reason);
    const name = discardReasonName(reason);
    if (name !== '') this.attach('OUTPUT_DISCARD_REASON_NAME', name);
  }

  /** What comes twice becomes an array. */
  private attach(key: string, value: PlainValue): void {
    const { attachments } = this.flow;
    for (let i = 0; i < attachments.length; i++) {
      const known = attachments[i]!;
      if (known.ntop !== key) continue;
      attachments[i] = { ntop: key, iana: key, value: withAnother(known.value, value) };
      return;
    }
    attachments.push({ ntop: key, iana: key, value });
  }

  private hex(start: number, end: number): string {
    return formatHex(this.flow.view, start, Math.min(end - start, MAX_PRINTED_OCTETS));
  }

  private countTruncated(): void {
    this.message.session.counters.faults.sample_record_truncated++;
  }

  private layout(): Layout {
    const { common, rare } = this;
    if (common === this.lastCommon && rare === this.lastRare) return this.lastLayout;
    let byCommon = this.layouts.get(rare);
    let layout = byCommon?.get(common);
    if (layout === undefined) {
      if (this.layoutCount >= MAX_LAYOUTS) {
        this.layouts.clear();
        this.layoutCount = 0;
        byCommon = undefined;
      }
      if (byCommon === undefined) {
        byCommon = new Map();
        this.layouts.set(rare, byCommon);
      }
      layout = makeLayout(common, rare);
      byCommon.set(common, layout);
      this.layoutCount++;
    }
    this.lastCommon = common;
    this.lastRare = rare;
    this.lastLayout = layout;
    return layout;
  }
}

/** Types of AS path segments (sFlow version 5, `as_path_type`). */
const SEGMENT_TYPES: readonly (string | undefined)[] = [undefined, 'set', 'sequence'];

/** A BGP community as people write it (RFC 1997). */
function communityText(community: number): string {
  return `${community >>> 16}:${community & 0xffff}`;
}

function makeLayout(common: number, rare: number): Layout {
  const names = new Set<FieldName>(FIXED_FIELDS);
  for (let bit = 0; bit < FIELDS_OF_COMMON_BIT.length; bit++) {
    if ((common & (1 << bit)) !== 0) for (const name of FIELDS_OF_COMMON_BIT[bit]!) names.add(name);
  }
  for (let bit = 0; bit < FIELDS_OF_RARE_BIT.length; bit++) {
    if ((rare & (1 << bit)) !== 0) for (const name of FIELDS_OF_RARE_BIT[bit]!) names.add(name);
  }
  const entries = [...names].map((name) => fieldEntry(name));
  return new Layout((common & DISCARDED) !== 0 ? 'discard' : 'flow', entries);
}
