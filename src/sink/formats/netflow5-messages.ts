/**
 * Flows as NetFlow v5 datagrams: a header of 24 octets and up to 30 records of 48 ("NetFlow Services Solutions Guide", Cisco, appendix on
 * export formats). Numbers too large for their field go out as the largest that fits, and are counted; the other direction of a biflow is a
 * record of its own.
 */

import { type FieldName, SLOT } from '../../flow/fields.ts';
import type { Flow, PlainRecord } from '../../flow/flow.ts';
import type { Layout } from '../../flow/layout.ts';
import { type ExportDomain, ExportDomains } from './export-domain.ts';
import { type ExportFormat, exportContext, type MessageDrain, nothingLeftOut } from './export-format.ts';

const HEADER = 24;
const RECORD = 48;
const MAX_RECORDS = 30;
/** Engine type and id, an octet each. */
const MAX_ENGINES = 65_536;
const MAX_16 = 0xffff;
const MAX_32 = 0xffff_ffff;
/** AS numbers of four octets are told as this one (RFC 6793 section 9). */
const AS_TRANS = 23_456;
const MAX_INTERVAL = 0x3fff;
/** Packets are taken at regular intervals; there is no mode for "not known". */
const SAMPLING_MODE = 1 << 14;
const TWO_32 = 4_294_967_296;

type Slots = { readonly [Name in (typeof FIELDS)[number]]: number };

const FIELDS = [
  'sourceIPv4',
  'destinationIPv4',
  'nextHopIPv4',
  'inputInterface',
  'outputInterface',
  'octets',
  'packets',
  'reverseOctets',
  'reversePackets',
  'postOctets',
  'postPackets',
  'startMs',
  'endMs',
  'reverseStartMs',
  'reverseEndMs',
  'sourcePort',
  'destinationPort',
  'tcpFlags',
  'clientTcpFlags',
  'serverTcpFlags',
  'protocol',
  'tos',
  'postTos',
  'sourceAs',
  'destinationAs',
  'sourceIPv4Mask',
  'destinationIPv4Mask',
  'icmpType',
  'ipVersion',
  'sourceIPv6',
] as const satisfies readonly FieldName[];

/** See the head of this file. */
export class Netflow5Messages implements ExportFormat {
  flows = 0;
  readonly leftOut = nothingLeftOut();
  readonly context = exportContext();
  attachmentsLeftOut = 0;
  readonly templatesRetired = 0;
  private readonly drain: MessageDrain;
  private readonly maxRecords: number;
  private readonly octets = new Uint8Array(HEADER + MAX_RECORDS * RECORD);
  private readonly out = new DataView(this.octets.buffer);
  private readonly domains = new ExportDomains(MAX_ENGINES);
  private readonly layouts = new WeakMap<Layout, Slots>();
  private layout: Layout | undefined;
  private slots: Slots | undefined;
  private originSerial = -1;
  private domain: ExportDomain | undefined;
  private exportMs = 0;
  private sampling = 0;
  private records = 0;

  /** `drain` gets each datagram of at most `messageOctets`. */
  constructor(messageOctets: number, drain: MessageDrain) {
    this.drain = drain;
    this.maxRecords = Math.max(1, Math.min(MAX_RECORDS, Math.floor((messageOctets - HEADER) / RECORD)));
  }

  get flowsReady(): number {
    return this.records;
  }

  get domainsShared(): number {
    return this.domains.domainsShared;
  }

  write(flow: Flow): void {
    const { layout, origin, words } = flow;
    if (layout !== this.layout) {
      this.layout = layout;
      this.slots = this.slotsOf(layout);
    }
    const slots = this.slots!;
    if (layout.recordType === 'discard' || layout.recordType === 'event') {
      this.leftOut[layout.recordType]++;
      return;
    }
    if (slots.sourceIPv4 < 0 || (slots.sourceIPv6 >= 0 && isIPv6(words, slots))) {
      this.leftOut.ipv6++;
      return;
    }
    if (origin.serial !== this.originSerial) this.selectDomain(flow);
    const sampling = this.samplingOf(words[SLOT.samplingInterval]!);
    if (sampling !== this.sampling) this.flush();
    this.sampling = sampling;
    const octetsSlot = slots.octets >= 0 ? slots.octets : slots.postOctets;
    const packetsSlot = slots.packets >= 0 ? slots.packets : slots.postPackets;
    const hasReverse = hasValue(words, slots.reverseOctets) || hasValue(words, slots.reversePackets);
    // Flags of the flow are those of both directions.
    const flagsSlot =
      (hasReverse && slots.clientTcpFlags >= 0) || slots.tcpFlags < 0 ? slots.clientTcpFlags : slots.tcpFlags;
    this.writeOne(flow, slots, octetsSlot, packetsSlot, flagsSlot, false);
    if (hasReverse)
      this.writeOne(
        flow,
        slots,
        slots.reverseOctets,
        slots.reversePackets,
        slots.serverTcpFlags >= 0 ? slots.serverTcpFlags : slots.tcpFlags,
        true,
      );
    if (flow.attachments.length > 0) this.attachmentsLeftOut += flow.attachments.length;
  }

  writeRecord({ recordType }: PlainRecord): void {
    this.leftOut[recordType]++;
  }

  flush(): void {
    const { out, domain, records } = this;
    if (records === 0 || domain === undefined) return;
    const wholeMs = Math.floor(this.exportMs);
    out.setUint16(0, 5);
    out.setUint16(2, records);
    out.setUint32(4, wholeMs - domain.baseMs);
    out.setUint32(8, Math.floor(wholeMs / 1000) % TWO_32);
    out.setUint32(12, (wholeMs % 1000) * 1_000_000);
    out.setUint32(16, domain.sequenceNumber);
    out.setUint16(20, domain.id);
    out.setUint16(22, this.sampling);
    domain.sequenceNumber = (domain.sequenceNumber + records) % TWO_32;
    this.drain(this.octets.subarray(0, HEADER + records * RECORD), records);
    this.records = 0;
  }

  restart(): void {
    this.flush();
    for (const domain of this.domains.list()) domain.sequenceNumber = 0;
  }

  announceAnew(): void {}

  private selectDomain({ origin }: Flow): void {
    this.originSerial = origin.serial;
    const domain = this.domains.of(origin);
    const exportMs = Math.max(0, origin.exportTimeMs);
    // A datagram may hold flows of several messages of one second.
    if (domain === this.domain && Math.floor(exportMs / 1000) === Math.floor(this.exportMs / 1000)) return;
    this.flush();
    this.domain = domain;
    this.exportMs = exportMs;
    domain.upTimeMs(Math.floor(exportMs));
    domain.describe(this.context);
  }

  private slotsOf(layout: Layout): Slots {
    let slots = this.layouts.get(layout);
    if (slots === undefined) {
      slots = Object.fromEntries(FIELDS.map((name) => [name, layout.has(name) ? SLOT[name] : -1])) as Slots;
      this.layouts.set(layout, slots);
    }
    return slots;
  }

  private samplingOf(interval: number): number {
    if (interval === 0) return 0;
    if (interval > MAX_INTERVAL) this.context.valuesSaturated++;
    return SAMPLING_MODE | Math.min(interval, MAX_INTERVAL);
  }

  private writeOne(
    flow: Flow,
    slots: Slots,
    octetsSlot: number,
    packetsSlot: number,
    flagsSlot: number,
    isReverse: boolean,
  ): void {
    if (this.records === this.maxRecords) this.flush();
    const { words, times } = flow;
    const { out } = this;
    const pos = HEADER + this.records * RECORD;
    const icmp = this.upTo(wordOf(words, slots.icmpType), MAX_16);
    const sourcePort = this.upTo(wordOf(words, slots.sourcePort), MAX_16);
    const destinationPort = this.upTo(wordOf(words, slots.destinationPort), MAX_16);
    const input = this.upTo(wordOf(words, slots.inputInterface), MAX_16);
    const output = this.upTo(wordOf(words, slots.outputInterface), MAX_16);
    const source = wordOf(words, slots.sourceIPv4);
    const destination = wordOf(words, slots.destinationIPv4);
    const sourceAs = asNumber(wordOf(words, slots.sourceAs));
    const destinationAs = asNumber(wordOf(words, slots.destinationAs));
    const sourceMask = wordOf(words, slots.sourceIPv4Mask);
    const destinationMask = wordOf(words, slots.destinationIPv4Mask);
    const forwardStart = timeOf(times, slots.startMs, timeOf(times, slots.endMs, this.exportMs));
    const forwardEnd = timeOf(times, slots.endMs, forwardStart);
    const start = isReverse ? timeOf(times, slots.reverseStartMs, forwardStart) : forwardStart;
    const end = isReverse ? timeOf(times, slots.reverseEndMs, forwardEnd) : forwardEnd;
    out.setUint32(pos, isReverse ? destination : source);
    out.setUint32(pos + 4, isReverse ? source : destination);
    out.setUint32(pos + 8, isReverse ? 0 : wordOf(words, slots.nextHopIPv4));
    out.setUint16(pos + 12, isReverse ? output : input);
    out.setUint16(pos + 14, isReverse ? input : output);
    out.setUint32(pos + 16, this.longOf(words, packetsSlot));
    out.setUint32(pos + 20, this.longOf(words, octetsSlot));
    out.setUint32(pos + 24, this.upTime(start));
    out.setUint32(pos + 28, this.upTime(end));
    // Of ICMP, type and code stand where the destination port is.
    const port = destinationPort === 0 && sourcePort === 0 ? icmp : destinationPort;
    out.setUint16(pos + 32, isReverse ? port : sourcePort);
    out.setUint16(pos + 34, isReverse ? sourcePort : port);
    out.setUint8(pos + 36, 0);
    out.setUint8(pos + 37, wordOf(words, flagsSlot));
    out.setUint8(pos + 38, wordOf(words, slots.protocol));
    out.setUint8(pos + 39, isReverse ? wordOf(words, slots.postTos) : wordOf(words, slots.tos));
    out.setUint16(pos + 40, isReverse ? destinationAs : sourceAs);
    out.setUint16(pos + 42, isReverse ? sourceAs : destinationAs);
    out.setUint8(pos + 44, isReverse ? destinationMask : sourceMask);
    out.setUint8(pos + 45, isReverse ? sourceMask : destinationMask);
    out.setUint16(pos + 46, 0);
    this.records++;
    this.flows++;
  }

  private upTo(value: number, most: number): number {
    if (value <= most) return value;
    this.context.valuesSaturated++;
    return most;
  }

  private longOf(words: Uint32Array, slot: number): number {
    if (slot < 0) return 0;
    if (words[slot] === 0) return words[slot + 1]!;
    this.context.valuesSaturated++;
    return MAX_32;
  }

  private upTime(timeMs: number): number {
    const upTimeMs = Math.floor(timeMs - this.context.baseMs);
    if (upTimeMs >= 0 && upTimeMs <= MAX_32) return upTimeMs;
    this.context.timesClamped++;
    return upTimeMs < 0 ? 0 : MAX_32;
  }
}

function wordOf(words: Uint32Array, slot: number): number {
  return slot < 0 ? 0 : words[slot]!;
}

/** A time, or `otherwise` where there is none. */
function timeOf(times: Float64Array, slot: number, otherwise: number): number {
  return slot < 0 || times[slot] === 0 ? otherwise : times[slot]!;
}

function hasValue(words: Uint32Array, slot: number): boolean {
  return slot >= 0 && (words[slot] !== 0 || words[slot + 1] !== 0);
}

function asNumber(value: number): number {
  return value > MAX_16 ? AS_TRANS : value;
}

function isIPv6(words: Uint32Array, slots: Slots): boolean {
  const version = wordOf(words, slots.ipVersion);
  if (version === 4 || version === 6) return version === 6;
  return words[slots.sourceIPv4] === 0 && words[slots.destinationIPv4] === 0;
}
