import { SLOT } from '../../flow/fields.ts';
import type { Flow } from '../../flow/flow.ts';
import type { Layout } from '../../flow/layout.ts';
import type { Origin } from '../../flow/origin.ts';
import { agentItem } from './ntopng-agent.ts';
import { closeObject, interpretJson, type JsonKeys, jsonItem, nestedItem } from './ntopng-json.ts';
import { type FeedKey, freeName, NTOPNG } from './ntopng-keys.ts';
import { type FeedPlan, planFeed } from './ntopng-plan.ts';
import {
  compileTlv,
  interpretTlv,
  itemHead,
  TLV_END_OF_RECORD,
  TLV_START,
  type WriteItems,
  writePlain,
} from './ntopng-tlv.ts';

/** What a {@link NtopngFlows} writes. */
export interface NtopngFlowsOptions {
  readonly format: 'tlv' | 'json';
  /** Keys of the JSON form. */
  readonly keys: JsonKeys;
  /** Most octets of a batch, unless one record alone has more. */
  readonly batchOctets: number;
  /** Which probe this is: part of what tells its Exporters from those of other probes. */
  readonly sourceId: number;
  /** Observation point to give to each flow; 0 for none. */
  readonly observationPoint: number;
  /** Batches filled side by side; flows of one pair of peers go to the same. */
  readonly targets: number;
  /** False where code generation is switched off. */
  readonly codeGeneration: boolean;
}

/** Why ntopng does not get a record: no flow, a flow without counters, one too long, something it has no message for. */
export const LEFT_OUT_REASONS = ['record_type', 'no_counters', 'too_large', 'no_message'] as const;
/** One of {@link LEFT_OUT_REASONS}. */
export type LeftOutReason = (typeof LEFT_OUT_REASONS)[number];

/** Takes a whole batch, which it has copied when it returns: octets of `target`'s, holding so many flows. */
export type DrainBatch = (target: number, payload: Uint8Array, flows: number) => void;

/** No ntopng takes a message of more octets. */
export const MAX_PAYLOAD_OCTETS = 131_072;
/** Room for the longest record: a datagram's octets and the names of the longest Template's fields. */
const RECORD_ROOM = 2 * 1024 * 1024;
/** Records of a layout written by steps before it is compiled. */
const COMPILE_AFTER = 128;
const MAX_32_BITS = 0xffff_ffff;
/** Most records one flow is split into: 2^40 octets. */
const MAX_PARTS = 256;
const OPENING_BRACKET = 0x5b;
const CLOSING_BRACKET = 0x5d;
const COMMA = 0x2c;
const encoder = new TextEncoder();

interface LayoutWriter {
  write: WriteItems;
  readonly plan: FeedPlan;
  records: number;
  isCompiled: boolean;
  readonly leftOut: LeftOutReason | undefined;
}

interface Batch {
  readonly octets: Uint8Array;
  readonly out: DataView;
  pos: number;
  flows: number;
}

/**
 * What ntopng's messages on topic `flow` hold: deltas scaled by the sampling interval and split where they have over 32
 * bits, times in seconds, the Exporter in each record.
 */
export class NtopngFlows {
  /** Flows written. */
  flows = 0;
  /** Octets of these, both ways, scaled. */
  octets = 0;
  /** Packets of these, both ways, scaled. */
  packets = 0;
  /** Flows whose deltas are beyond what may be split: the rest of them is missing. */
  flowsClamped = 0;
  /** Records left out, by reason. */
  readonly leftOut: Record<LeftOutReason, number> = { record_type: 0, no_counters: 0, too_large: 0, no_message: 0 };

  private readonly options: NtopngFlowsOptions;
  private readonly drain: DrainBatch;
  private readonly batches: readonly Batch[];
  private readonly isTlv: boolean;
  private readonly writers = new WeakMap<Layout, LayoutWriter>();
  private layout: Layout | undefined;
  private writer: LayoutWriter | undefined;
  /** What is left of each delta. */
  private readonly rest = new Float64Array(4);
  /** What of each goes into the record being written. */
  private readonly part = new Uint32Array(4);
  private prefix = new Uint8Array(0);
  /** The same, four octets each, with zeros behind: a store each is faster than a copy of so few octets. */
  private prefixWords = new Uint32Array(0);
  private prefixSerial = -1;
  private prefixAddress = '';
  private prefixProtocol = '';

  /** `drain` gets whole batches. */
  constructor(options: NtopngFlowsOptions, drain: DrainBatch) {
    this.options = options;
    this.drain = drain;
    this.isTlv = options.format === 'tlv';
    this.batches = Array.from({ length: options.targets }, () => {
      const octets = new Uint8Array(MAX_PAYLOAD_OCTETS + RECORD_ROOM);
      return { octets, out: new DataView(octets.buffer), pos: 0, flows: 0 };
    });
    for (const batch of this.batches) this.begin(batch);
  }

  /** Takes one flow. */
  write(flow: Flow): void {
    const { layout } = flow;
    if (layout !== this.layout) this.select(layout, flow.origin);
    const writer = this.writer!;
    if (writer.leftOut !== undefined) {
      this.leftOut[writer.leftOut]++;
      return;
    }
    const { plan } = writer;
    const batch = this.batches.length === 1 ? this.batches[0]! : this.batches[flowHash(flow) % this.batches.length]!;
    if (flow.origin.serial !== this.prefixSerial) this.renderPrefix(flow.origin);
    const version = plan.isDualStack ? addressVersion(flow, plan) : 0;
    const isWritten = this.takeCounters(flow, plan)
      ? this.writeParts(batch, writer, flow, version)
      : this.writeRecord(batch, writer, flow, version);
    if (isWritten) {
      this.flows++;
      batch.flows++;
    } else {
      this.leftOut.too_large++;
    }
    if (!writer.isCompiled && ++writer.records === COMPILE_AFTER) this.compile(writer);
  }

  /** Hands on all that is ready. */
  flush(): void {
    for (let i = 0; i < this.batches.length; i++) this.flushBatch(i, this.batches[i]!.pos);
  }

  /** Octets waiting for a batch to be full. */
  get octetsReady(): number {
    let sum = 0;
    for (const { pos } of this.batches) sum += pos - this.emptyLength;
    return sum;
  }

  /** Flows waiting for a batch to be full. */
  get flowsReady(): number {
    let sum = 0;
    for (const { flows } of this.batches) sum += flows;
    return sum;
  }

  private select(layout: Layout, { protocol }: Origin): void {
    this.layout = layout;
    let writer = this.writers.get(layout);
    if (writer === undefined) {
      const plan = planFeed(layout);
      const isAgentEvent = tellsAsAgents(protocol) && layout.recordType === 'event';
      const leftOut = isAgentEvent ? undefined : reasonToLeaveOut(layout, plan);
      writer = { write: this.interpreted(plan), plan, records: 0, isCompiled: !this.isTlv, leftOut };
      this.writers.set(layout, writer);
    }
    this.writer = writer;
  }

  private interpreted({ steps, samplingSlot }: FeedPlan): WriteItems {
    return this.isTlv ? interpretTlv(steps, samplingSlot) : interpretJson(steps, samplingSlot, this.options.keys);
  }

  private compile(writer: LayoutWriter): void {
    writer.isCompiled = true;
    const { steps, samplingSlot } = writer.plan;
    if (this.options.codeGeneration) writer.write = compileTlv(steps, samplingSlot);
  }

  /** Whether a delta has over 32 bits; {@link NtopngFlows.part} holds them where none has, {@link NtopngFlows.rest} otherwise. */
  private takeCounters({ words }: Flow, { counterSlots, samplingSlot }: FeedPlan): boolean {
    const { part, rest } = this;
    const sampling = samplingSlot < 0 ? 1 : words[samplingSlot]!;
    let isLong = false;
    for (let i = 0; i < 4; i++) {
      const slot = counterSlots[i]!;
      let value = 0;
      if (slot >= 0) {
        value = words[slot]! * 4294967296 + words[slot + 1]!;
        if (sampling > 1) value *= sampling;
        if (value > MAX_32_BITS) isLong = true;
        if ((i & 1) === 0) this.octets += value;
        else this.packets += value;
      }
      // ntopng passes over the octets of a direction without packets.
      if (value === 0 && (i & 1) === 1 && rest[i - 1]! > 0) value = 1;
      rest[i] = value;
      part[i] = value;
    }
    return isLong;
  }

  /** Deltas are added up by ntopng, which keeps 32 bits of each: what has more goes out in several records. */
  private writeParts(batch: Batch, writer: LayoutWriter, flow: Flow, version: number): boolean {
    const { part, rest } = this;
    const largest = Math.max(rest[0]!, rest[1]!, rest[2]!, rest[3]!);
    const parts = Math.min(Math.ceil(largest / MAX_32_BITS), MAX_PARTS);
    for (let left = parts; left > 0; left--) {
      for (let i = 0; i < 4; i++) {
        // Packets are shared out: octets of a direction without packets would be passed over.
        let now = (i & 1) === 0 ? rest[i]! : Math.ceil(rest[i]! / left);
        if (now > MAX_32_BITS) now = MAX_32_BITS;
        rest[i] = rest[i]! - now;
        part[i] = now === 0 && (i & 1) === 1 && part[i - 1]! > 0 ? 1 : now;
      }
      if (!this.writeRecord(batch, writer, flow, version)) return false;
    }
    if (rest[0]! > 0 || rest[1]! > 0 || rest[2]! > 0 || rest[3]! > 0) this.flowsClamped++;
    return true;
  }

  /** False where the record is longer than a message may be. */
  private writeRecord(batch: Batch, writer: LayoutWriter, flow: Flow, version: number): boolean {
    const start = batch.pos;
    const { octets, out } = batch;
    const { prefixWords } = this;
    let pos = start;
    if (!this.isTlv && start > this.emptyLength) octets[pos++] = COMMA;
    const first = pos;
    for (let i = 0; i < prefixWords.length; i++) out.setUint32(pos + 4 * i, prefixWords[i]!);
    pos = writer.write(out, octets, pos + this.prefix.length, flow, this.part, version);
    if (flow.attachments.length > 0) pos = this.attachments(batch, flow, pos);
    if (this.isTlv) octets[pos++] = TLV_END_OF_RECORD;
    else pos = closeObject(octets, first, pos);
    batch.pos = pos;
    return pos < this.options.batchOctets || this.overflow(batch, start, first);
  }

  /** The record that makes a batch too long begins the next. */
  private overflow(batch: Batch, start: number, first: number): boolean {
    const end = batch.pos;
    if (end - first + this.emptyLength + 1 > MAX_PAYLOAD_OCTETS) {
      batch.pos = start;
      return false;
    }
    if (start > this.emptyLength) {
      this.flushBatch(this.batches.indexOf(batch), start);
      batch.octets.copyWithin(batch.pos, first, end);
      batch.pos += end - first;
    }
    return true;
  }

  private get emptyLength(): number {
    return this.isTlv ? TLV_START.length : 1;
  }

  private begin(batch: Batch): void {
    if (this.isTlv) batch.octets.set(TLV_START, 0);
    else batch.octets[0] = OPENING_BRACKET;
    batch.pos = this.emptyLength;
    batch.flows = 0;
  }

  private flushBatch(target: number, end: number): void {
    const batch = this.batches[target]!;
    if (end <= this.emptyLength) return;
    const { octets, flows } = batch;
    if (this.isTlv) this.drain(target, octets.subarray(0, end), flows);
    else {
      const behind = octets[end]!;
      octets[end] = CLOSING_BRACKET;
      this.drain(target, octets.subarray(0, end + 1), flows);
      octets[end] = behind;
    }
    this.begin(batch);
  }

  private attachments(batch: Batch, flow: Flow, start: number): number {
    let pos = start;
    const isHeard = tellsAsAgents(flow.origin.protocol);
    for (const { ntop, iana, value } of flow.attachments) {
      const own = isHeard ? agentItem(ntop, value, this.isTlv) : undefined;
      const key = own === undefined ? freeName(ntop, iana) : ntop;
      if (key === undefined) continue;
      if (this.isTlv) {
        if (pos + 0x2_0000 < batch.octets.length) pos = writePlain(batch.out, batch.octets, pos, itemHead(key), value);
        continue;
      }
      const item = encoder.encode(own === undefined ? jsonItem(key, value, this.options.keys) : nestedItem(key, own));
      if (pos + item.length + 64 > batch.octets.length) continue;
      batch.octets.set(item, pos);
      pos += item.length;
    }
    return pos;
  }

  /** What all flows of an Exporter begin with: made once, then copied. */
  private renderPrefix(origin: Origin): void {
    this.prefixSerial = origin.serial;
    const { exporterAddress, protocol } = origin;
    if (exporterAddress === this.prefixAddress && protocol === this.prefixProtocol && this.prefix.length > 0) return;
    this.prefixAddress = exporterAddress;
    this.prefixProtocol = protocol;
    const { observationPoint, sourceId, keys } = this.options;
    const items: [FeedKey, string | number][] = [
      [exporterAddress.includes(':') ? NTOPNG.exporterIPv6 : NTOPNG.exporterIPv4, exporterAddress],
      [NTOPNG.flowSource, protocol === 'sFlow' ? 2 : 1],
      [NTOPNG.uniqueSourceId, uniqueSourceId(sourceId, exporterAddress)],
    ];
    if (observationPoint > 0) items.push([NTOPNG.observationPointId, observationPoint]);
    if (!this.isTlv) {
      this.setPrefix(encoder.encode(items.map(([key, value]) => jsonItem(key, value, keys)).join('')));
      return;
    }
    const octets = new Uint8Array(256 + 3 * exporterAddress.length);
    const out = new DataView(octets.buffer);
    let pos = 0;
    for (const [key, value] of items) pos = writePlain(out, octets, pos, itemHead(key), value);
    this.setPrefix(octets.slice(0, pos));
  }

  private setPrefix(octets: Uint8Array<ArrayBuffer>): void {
    const words = Math.ceil(octets.length / 4);
    const padded = new Uint8Array(4 * words);
    padded.set(octets);
    const view = new DataView(padded.buffer);
    this.prefix = octets;
    this.prefixWords = Uint32Array.from({ length: words }, (_, i) => view.getUint32(4 * i));
  }
}

/** Whether events may be those of an agent, ours or one of ntop's. */
function tellsAsAgents(protocol: Origin['protocol']): boolean {
  return protocol === 'ntopng' || protocol === 'agent';
}

/** Events of ntop's agents have no counters and are flows to ntopng; what Exporters report so is none. */
function reasonToLeaveOut({ recordType }: Layout, { counterSlots }: FeedPlan): LeftOutReason | undefined {
  if (recordType !== 'flow') return 'record_type';
  return counterSlots.every((slot) => slot < 0) ? 'no_counters' : undefined;
}

/** Tells Exporters of one probe, and those of several probes, apart: 32 bits, never 0. */
export function uniqueSourceId(sourceId: number, exporterAddress: string): number {
  return hashText(`${sourceId} ${exporterAddress}`) || 1;
}

/** 32 bits of a text, the same on every machine (FNV-1a). */
export function hashText(text: string): number {
  let hash = 0x811c9dc5;
  for (let i = 0; i < text.length; i++) hash = Math.imul(hash ^ text.charCodeAt(i), 0x0100_0193);
  return hash >>> 0;
}

/** Both directions of a conversation have the same: they must meet in one ntopng. */
export function flowHash({ words, view, layout }: Flow): number {
  let hash = words[SLOT.protocol]! + words[SLOT.sourcePort]! + words[SLOT.destinationPort]!;
  hash = Math.imul(hash, 0x9e37_79b1);
  if (layout.has('sourceIPv4') && layout.has('destinationIPv4')) {
    hash += (words[SLOT.sourceIPv4]! ^ words[SLOT.destinationIPv4]!) | 0;
  }
  if (layout.has('sourceIPv6') && layout.has('destinationIPv6')) {
    const source = words[SLOT.sourceIPv6]!;
    const destination = words[SLOT.destinationIPv6]!;
    for (let i = 0; i < 16; i += 4) hash += view.getUint32(source + i) ^ view.getUint32(destination + i);
  }
  hash = Math.imul(hash ^ (hash >>> 15), 0x85eb_ca6b);
  return (hash ^ (hash >>> 13)) >>> 0;
}

/** Which addresses a record with both kinds means: those that are not all zero, unless it says so itself. */
function addressVersion({ words }: Flow, { ipVersionSlot }: FeedPlan): number {
  const said = ipVersionSlot < 0 ? 0 : words[ipVersionSlot]!;
  if (said === 4 || said === 6) return said;
  return words[SLOT.sourceIPv4] === 0 && words[SLOT.destinationIPv4] === 0 ? 6 : 4;
}
