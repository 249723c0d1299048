import type { GenerationPolicy } from '../bytes/generation-policy.ts';
import type { MessageContext } from '../decode/message.ts';
import { NO_UPTIME } from '../decode/message.ts';
import type { RecordReader } from '../decode/record-reader.ts';
import type { Session } from '../decode/session.ts';
import type { Template } from '../decode/template.ts';
import { SLOT } from '../flow/fields.ts';
import type { Flow } from '../flow/flow.ts';
import type { LayoutEntry } from '../flow/layout.ts';
import type { Origin } from '../flow/origin.ts';
import type { RecordOutput } from '../flow/record-output.ts';
import type { ElementLookup } from '../ie/registry.ts';
import { compileReader, type ReadRecord } from './compile-reader.ts';
import type { DomainOptions, OptionBudget } from './domain-options.ts';
import { interpretReader } from './interpret-reader.ts';
import { decodeList } from './list.ts';
import type { PacketSections } from './packet-sections.ts';
import type { PlanBudget, PlanHolder } from './plan-budget.ts';
import { planRecord, type RecordPlan } from './record-plan.ts';
import { mikrotikOrder, samplingIntervalOf, samplingOrigin } from './sampling.ts';

const FROM_RECORD = samplingOrigin('record');
const FROM_OPTION = samplingOrigin('option');
const FROM_HEADER = samplingOrigin('header');
const FROM_OVERRIDE = samplingOrigin('override');
const UNKNOWN = samplingOrigin('unknown');

/** A plan without a field takes as much as one of so many. */
const PLAN_OVERHEAD = 8;

/** What all flow readers of a program share. */
export interface FlowReaderContext {
  /** The one flow, overwritten for each record. */
  readonly flow: Flow;
  readonly output: RecordOutput;
  readonly registry: ElementLookup;
  /** When a Template's reader is compiled. */
  readonly generation: GenerationPolicy;
  /** Sampling interval that replaces what Exporters say; 0 for none. */
  readonly samplingOverride: number;
  readonly packetSections: PacketSections;
  readonly plans: PlanBudget;
  readonly optionBudget: OptionBudget;
}

/** A plan with the reader made from it, and what is left to do for each record once its octets are read. */
interface Variant {
  readonly plan: RecordPlan;
  read: ReadRecord;
  records: number;
  /** Records after which compiling is considered; 0 for no more. */
  lookAt: number;
  /** Something is left to do whatever options data told. */
  readonly finishesAlways: boolean;
  readonly reportsSamplingInterval: boolean;
  readonly hasSamplerId: boolean;
  readonly hasSelectorId: boolean;
  readonly hasInputInterface: boolean;
  readonly hasOutputInterface: boolean;
  readonly hasApplicationName: boolean;
  readonly hasIngressVrf: boolean;
  readonly hasEgressVrf: boolean;
}

/** Reads Data Sets of Templates with the same fields into flows and hands them on. */
export class FlowReader implements RecordReader, PlanHolder {
  private readonly context: FlowReaderContext;
  private readonly template: Template;
  private readonly registry: ElementLookup;
  private readonly registryVersion: number;
  private variant: Variant | undefined;
  private variantWithoutClock: Variant | undefined;
  /** Readers for Exporters that have described elements since. */
  private readonly successors = new WeakMap<ElementLookup, FlowReader>();
  private readonly clock = new Float64Array(2);
  private setInterval = 0;
  private setOriginIndex = UNKNOWN;

  /** `options` may have elements that the Exporter itself described (RFC 5610). */
  constructor(context: FlowReaderContext, template: Template, options: DomainOptions | undefined) {
    this.context = context;
    this.template = template;
    this.registry = options?.registry ?? context.registry;
    this.registryVersion = options?.registryVersion ?? 0;
  }

  readSet(message: MessageContext, start: number, end: number): number {
    const { session } = message;
    const options = domainOptions(session);
    if (options !== undefined && options.registryVersion !== this.registryVersion) {
      return this.reread(options).readSet(message, start, end);
    }
    const { flow, output } = this.context;
    const { view } = message;
    const variant = this.variantFor(message, options);
    const { clock } = this;
    clock[0] = message.exportTimeMs;
    clock[1] = this.upTime(message, options);
    const { plan } = variant;
    const finishes = variant.finishesAlways || options !== undefined;
    const { words, times } = flow;
    const { minRecordLength } = this.template;
    setOrigin(flow.origin, message);
    flow.bytes = message.bytes;
    flow.view = view;
    flow.layout = plan.layout;
    // Setting a length costs as much as reading a record, even where nothing changes.
    if (flow.attachments.length > 0) flow.attachments.length = 0;
    clearNames(flow.names);
    this.setSampling(message, options);
    let read = variant.read;
    let pos = start;
    let records = 0;
    let lookAt = variant.lookAt - variant.records;
    while (end - pos >= minRecordLength) {
      const next = read(view, pos, end, words, times, clock);
      if (next < 0) {
        session.counters.faults.record_truncated++;
        break;
      }
      if (finishes) this.finish(variant, message, options);
      output.write(flow);
      pos = next;
      if (++records === lookAt) {
        read = this.compile(variant);
        lookAt = variant.lookAt - variant.records;
      }
    }
    variant.records += records;
    this.context.generation.records += records;
    return records;
  }

  /** Where it is worth it. */
  private compile(variant: Variant): ReadRecord {
    variant.lookAt = this.context.generation.nextLook(variant.lookAt);
    if (variant.lookAt === 0) variant.read = compileReader(variant.plan);
    return variant.read;
  }

  private variantFor(message: MessageContext, options: DomainOptions | undefined): Variant {
    if (this.variant === undefined) this.variant = this.makeVariant(true);
    if (!this.variant.plan.times.needsUpTime || this.upTime(message, options) !== NO_UPTIME) return this.variant;
    this.variantWithoutClock ??= this.makeVariant(false);
    return this.variantWithoutClock;
  }

  private makeVariant(knowsUpTime: boolean): Variant {
    this.context.plans.add(this, this.template.fields.length + PLAN_OVERHEAD);
    const plan = planRecord(this.template, this.registry, knowsUpTime);
    const { layout } = plan;
    const reportsSamplingInterval = layout.entries.some(isReportedSamplingInterval);
    const hasSections = plan.packetSections.length > 0 || plan.lists.length > 0;
    return {
      plan,
      read: interpretReader(plan),
      records: 0,
      lookAt: this.context.generation.firstLook,
      finishesAlways:
        hasSections || reportsSamplingInterval || plan.totalOctetsSlot >= 0 || plan.samplingPacketIntervalSlot >= 0,
      reportsSamplingInterval,
      hasSamplerId: layout.has('samplerId'),
      hasSelectorId: layout.has('selectorId'),
      hasInputInterface: layout.has('inputInterface'),
      hasOutputInterface: layout.has('outputInterface'),
      hasApplicationName: layout.has('applicationName'),
      hasIngressVrf: layout.has('ingressVrf'),
      hasEgressVrf: layout.has('egressVrf'),
    };
  }

  /** The Exporter's milliseconds since start at export: of a v9 header, or by its start from options data (element 160). */
  private upTime(message: MessageContext, options: DomainOptions | undefined): number {
    if (message.sysUpTimeMs !== NO_UPTIME) return message.sysUpTimeMs;
    if (options === undefined || options.systemInitTimeMs === 0) return NO_UPTIME;
    return message.exportTimeMs - options.systemInitTimeMs;
  }

  /** What holds for the whole set; records that name a sampler are looked up one by one. */
  private setSampling(message: MessageContext, options: DomainOptions | undefined): void {
    const { words } = this.context.flow;
    const { samplingOverride } = this.context;
    let interval = options?.commonSamplingInterval ?? 0;
    let origin = interval > 0 ? FROM_OPTION : UNKNOWN;
    if (samplingOverride > 0) {
      interval = samplingOverride;
      origin = FROM_OVERRIDE;
    } else if (message.headerSamplingInterval > 0) {
      interval = message.headerSamplingInterval;
      origin = FROM_HEADER;
    }
    this.setInterval = interval;
    this.setOriginIndex = origin;
    words[SLOT.samplingInterval] = interval;
    words[SLOT.samplingOrigin] = origin;
  }

  private finish(variant: Variant, message: MessageContext, options: DomainOptions | undefined): void {
    const { context } = this;
    const { flow } = context;
    const { words } = flow;
    const { plan } = variant;
    if (flow.attachments.length > 0) flow.attachments.length = 0;
    flow.layout = plan.layout;
    if (plan.totalOctetsSlot >= 0 && flow.octets === 0 && flow.packets === 0) {
      words[SLOT.octets] = words[plan.totalOctetsSlot]!;
      words[SLOT.octets + 1] = words[plan.totalOctetsSlot + 1]!;
      if (plan.totalPacketsSlot >= 0) {
        words[SLOT.packets] = words[plan.totalPacketsSlot]!;
        words[SLOT.packets + 1] = words[plan.totalPacketsSlot + 1]!;
      }
    }
    if (context.samplingOverride > 0) words[SLOT.samplingInterval] = context.samplingOverride;
    else this.finishSampling(variant, options);
    if (options !== undefined) finishNames(flow, variant, options);
    for (let i = 0; i < plan.lists.length; i++) {
      const list = plan.lists[i]!;
      const length = list.length < 0 ? words[list.positionSlot + 1]! : list.length;
      decodeList(list, message, words[list.positionSlot]!, length, this.registry, flow.attachments);
    }
    if (plan.packetSections.length > 0) context.packetSections.describe(flow, plan);
  }

  /** Nearest first: the record itself, its sampler, its interface, then what holds for the set. */
  private finishSampling(variant: Variant, options: DomainOptions | undefined): void {
    const { flow } = this.context;
    const { words } = flow;
    const { plan } = variant;
    let interval = 0;
    let origin = FROM_RECORD;
    if (plan.samplingPacketIntervalSlot >= 0) {
      const packetSpace = plan.samplingPacketSpaceSlot < 0 ? undefined : words[plan.samplingPacketSpaceSlot]!;
      interval = samplingIntervalOf({ packetInterval: words[plan.samplingPacketIntervalSlot]!, packetSpace });
    }
    if (interval === 0 && variant.reportsSamplingInterval) interval = mikrotikOrder(words[SLOT.samplingInterval]!);
    if (interval === 0 && options !== undefined) {
      origin = FROM_OPTION;
      if (variant.hasSamplerId) interval = options.samplers.get(words[SLOT.samplerId]!) ?? 0;
      if (interval === 0 && variant.hasSelectorId) interval = options.samplers.get(flow.selectorId) ?? 0;
      if (interval === 0 && variant.hasInputInterface) {
        interval = options.interfaceSampling.get(words[SLOT.inputInterface]!) ?? 0;
      }
    }
    if (interval === 0) {
      interval = this.setInterval;
      origin = this.setOriginIndex;
    }
    words[SLOT.samplingInterval] = interval;
    words[SLOT.samplingOrigin] = origin;
  }

  private reread(options: DomainOptions): FlowReader {
    const registry = options.registry ?? this.context.registry;
    let successor = this.successors.get(registry);
    if (successor?.registryVersion !== options.registryVersion) {
      successor = new FlowReader(this.context, this.template, options);
      this.successors.set(registry, successor);
    }
    return successor;
  }

  unload(): void {
    this.variant = undefined;
    this.variantWithoutClock = undefined;
  }
}

function isReportedSamplingInterval(entry: LayoutEntry): boolean {
  return entry.kind === 'field' && entry.field.field === 'samplingInterval' && !entry.optional;
}

const LOOKED_UP_NAMES = [
  SLOT.inputInterfaceName,
  SLOT.outputInterfaceName,
  SLOT.applicationName,
  SLOT.ingressVrfName,
  SLOT.egressVrfName,
];

/** Names found for an earlier set must not show up in this one. */
function clearNames(names: string[]): void {
  for (let i = 0; i < LOOKED_UP_NAMES.length; i++) names[LOOKED_UP_NAMES[i]!] = '';
}

function finishNames(flow: Flow, variant: Variant, options: DomainOptions): void {
  const { words, names } = flow;
  const { interfaceNames, applicationNames, vrfNames } = options;
  if (variant.hasInputInterface) names[SLOT.inputInterfaceName] = interfaceNames.get(words[SLOT.inputInterface]!) ?? '';
  if (variant.hasOutputInterface)
    names[SLOT.outputInterfaceName] = interfaceNames.get(words[SLOT.outputInterface]!) ?? '';
  if (variant.hasApplicationName) {
    const id = applicationNumber(flow.view, words[SLOT.applicationId]!, words[SLOT.applicationId + 1]!);
    names[SLOT.applicationName] = applicationNames.get(id) ?? '';
  }
  if (variant.hasIngressVrf) names[SLOT.ingressVrfName] = vrfNames.get(words[SLOT.ingressVrf]!) ?? '';
  if (variant.hasEgressVrf) names[SLOT.egressVrfName] = vrfNames.get(words[SLOT.egressVrf]!) ?? '';
}

/** An application id's octets as one number, -1 where there are more than 6. */
export function applicationNumber(view: DataView, at: number, length: number): number {
  if (length > 6) return -1;
  let value = 0;
  for (let i = 0; i < length; i++) value = value * 256 + view.getUint8(at + i);
  return value;
}

/** What options data told about a session's domain, or undefined. */
export function domainOptions(session: Session): DomainOptions | undefined {
  return session.domain.state as DomainOptions | undefined;
}

/** Describes the message and its Data Set to whoever reads the records. */
export function setOrigin(origin: Origin, message: MessageContext): void {
  const { session, version, templateId } = message;
  origin.serial++;
  origin.protocol = version === 10 ? 'IPFIX' : 'NetFlow';
  origin.version = version;
  origin.exporterAddress = session.address;
  origin.exporterPort = session.port;
  const hasEngine = version === 5;
  origin.observationDomainId = version >= 9 ? session.domain.id : -1;
  origin.engineType = hasEngine ? session.domain.id >>> 8 : -1;
  origin.engineId = hasEngine ? session.domain.id & 0xff : -1;
  origin.agentAddress = '';
  origin.subAgentId = -1;
  origin.templateId = version >= 9 ? templateId : -1;
  origin.exportTimeMs = message.exportTimeMs;
  origin.sequenceNumber = message.sequenceNumber;
}
