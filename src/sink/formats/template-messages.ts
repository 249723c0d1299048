/** Flows as NetFlow v9 Export Packets (RFC 3954) or IPFIX Messages (RFC 7011). */

import { type FieldName, SAMPLING_ORIGINS, SLOT } from '../../flow/fields.ts';
import type { Flow, PlainRecord } from '../../flow/flow.ts';
import type { Layout } from '../../flow/layout.ts';
import type { ElementLookup } from '../../ie/registry.ts';
import { type ExportDomain, ExportDomains, isNews } from './export-domain.ts';
import type { TemplateVersion } from './export-element.ts';
import { type ExportFormat, exportContext, type MessageDrain, nothingLeftOut } from './export-format.ts';
import {
  APPLICATION_OCTETS,
  NAME_OCTETS,
  type OptionsKind,
  OptionsTemplates,
  optionsRecord,
} from './export-options.ts';
import { type ExportPlan, type ExportStep, planLayout } from './export-plan.ts';
import { type ExportTemplate, ExportTemplates } from './export-template.ts';
import { compileRecord, interpretRecord, variableOctets, variableSteps, type WriteRecord } from './export-writer.ts';
import { type FieldSelection, planSelection } from './field-selection.ts';

/** What messages look like. */
export interface TemplateMessagesOptions {
  readonly version: TemplateVersion;
  readonly registry: ElementLookup;
  /** Fields of each record; everything a flow has where undefined. */
  readonly selection: FieldSelection | undefined;
  /** Most octets of a message. */
  readonly messageOctets: number;
  /** Templates are announced again after so many messages of a domain, 0 for never. */
  readonly refreshMessages: number;
  /** And after so many milliseconds, 0 for never. */
  readonly refreshMs: number;
  /** Templates are withdrawn before their numbers are given to others: over TCP and in files (RFC 7011 section 8.1). */
  readonly isReliable: boolean;
  readonly codeGeneration: boolean;
  /** Whether options data is sent; without, what it would say goes into records or nowhere. */
  readonly sendsOptions: boolean;
  /** Flows that reached nobody, for statistics. */
  readonly notSent: () => number;
}

const IPFIX_HEADER = 16;
const NETFLOW9_HEADER = 20;
const SET_HEADER = 4;
const IPFIX_TEMPLATE_SET = 2;
const IPFIX_OPTIONS_SET = 3;
const NETFLOW9_TEMPLATE_SET = 0;
const NETFLOW9_OPTIONS_SET = 1;
const FROM_SAMPLE = SAMPLING_ORIGINS.indexOf('sample');
const TWO_32 = 4_294_967_296;
/** Records of a layout written by steps before it is compiled. */
const COMPILE_AFTER = 128;
/** Messages begun for the sake of one record: more than that, and it never fits. */
const MAX_ATTEMPTS = 4;

/** How flows of a layout are written in one of the ways they may need. */
interface RecordWriter {
  template: ExportTemplate;
  readonly plan: ExportPlan;
  readonly variable: readonly ExportStep[];
  write: WriteRecord;
  records: number;
  isCompiled: boolean;
}

/** A name that goes out as options data. */
interface NameField {
  readonly kind: 'interface' | 'application' | 'vrf';
  readonly nameSlot: number;
  /** Word of the number it is the name of. */
  readonly numberSlot: number;
}

/** What is known of a layout. */
interface LayoutExport {
  readonly layout: Layout;
  readonly isDiscard: boolean;
  /** Writers by way: 1 where the sampling interval goes into the record, 2 where the flow is IPv6. */
  readonly writers: (RecordWriter | undefined)[];
  /** Fields differ between IPv4 and IPv6: `both` where each flow must be looked at. */
  readonly ipVersion: 4 | 6 | 'both';
  /** The sampling interval is the record's own, rather than looked up or that of sFlow's samples. */
  readonly reportsSampling: boolean;
  readonly samplerSlot: number;
  readonly selectorSlot: number;
  readonly names: readonly NameField[];
}

/** See the head of this file. */
export class TemplateMessages implements ExportFormat {
  flows = 0;
  readonly leftOut = nothingLeftOut();
  readonly context = exportContext();
  attachmentsLeftOut = 0;
  flowsReady = 0;
  private readonly options: TemplateMessagesOptions;
  private readonly drain: MessageDrain;
  private readonly isIpfix: boolean;
  private readonly headerLength: number;
  private readonly limit: number;
  private readonly octets: Uint8Array;
  private readonly out: DataView;
  private readonly templates: ExportTemplates;
  private readonly optionsTemplates: OptionsTemplates;
  private readonly domains = new ExportDomains(TWO_32);
  private readonly layouts = new WeakMap<Layout, LayoutExport>();
  private current: LayoutExport | undefined;
  private originSerial = -1;
  private domain: ExportDomain | undefined;
  private exportSeconds = 0;
  /** Position behind what the message has so far; 0 where none is begun. */
  private pos = 0;
  /** Start of the Set that is open, 0 for none, and its id. */
  private setStart = 0;
  private setId = 0;
  /** Template of the Data Set that is open. */
  private openTemplate: ExportTemplate | undefined;
  /** Records of the message that its number counts; for NetFlow v9 those of its header. */
  private records = 0;
  /** Grows when all domains are to announce everything again. */
  private generation = 0;
  private messagesSent = 0;
  private octetsSent = 0;
  private recordsSent = 0;

  /** `drain` gets each message. */
  constructor(options: TemplateMessagesOptions, drain: MessageDrain) {
    this.options = options;
    this.drain = drain;
    this.isIpfix = options.version === 10;
    this.headerLength = this.isIpfix ? IPFIX_HEADER : NETFLOW9_HEADER;
    // FlowSets end at a multiple of 4 octets.
    this.limit = this.isIpfix ? options.messageOctets : options.messageOctets - (options.messageOctets % 4);
    this.octets = new Uint8Array(this.limit + 8);
    this.out = new DataView(this.octets.buffer);
    this.templates = new ExportTemplates(options.version);
    this.optionsTemplates = new OptionsTemplates(options.version);
  }

  get templatesRetired(): number {
    return this.templates.retired;
  }

  get domainsShared(): number {
    return this.domains.domainsShared;
  }

  write(flow: Flow): void {
    const { layout, origin, words } = flow;
    if (this.current?.layout !== layout) this.current = this.layoutExport(flow);
    const current = this.current!;
    if (current.isDiscard) {
      this.leftOut.discard++;
      return;
    }
    if (origin.serial !== this.originSerial) this.selectDomain(flow);
    const domain = this.domain!;
    if (this.pos === 0) this.begin(domain);
    const interval = words[SLOT.samplingInterval]!;
    let way = 0;
    if (current.reportsSampling) way = 1;
    else if (interval > 0) way = this.tellSampling(domain, current, flow, interval) ? 0 : 1;
    if (current.names.length > 0) this.tellNames(domain, current.names, flow);
    if (current.ipVersion === 6 || (current.ipVersion === 'both' && isIPv6(flow))) way += 2;
    const writer = this.writerOf(current, way);
    const { template, plan } = writer;
    if (plan.steps.length === 0) {
      this.leftOut.no_element++;
      return;
    }
    const length =
      writer.variable.length === 0 ? plan.fixedLength : plan.fixedLength + variableOctets(writer.variable, flow);
    if (length > this.limit - this.headerLength - SET_HEADER) {
      this.leftOut.record_too_long++;
      return;
    }
    if (template !== this.openTemplate || this.pos + length > this.limit) {
      if (!this.openDataSet(domain, template, length)) {
        this.leftOut.template_too_long++;
        return;
      }
    }
    this.pos = writer.write(this.out, this.octets, this.pos, flow, this.context);
    this.records++;
    this.flows++;
    this.flowsReady++;
    if (flow.attachments.length > 0) this.attachmentsLeftOut += flow.attachments.length;
    if (!writer.isCompiled && ++writer.records === COMPILE_AFTER) this.compile(writer);
  }

  writeRecord({ recordType }: PlainRecord): void {
    this.leftOut[recordType]++;
  }

  flush(): void {
    const { out, domain } = this;
    if (this.pos === 0 || domain === undefined) return;
    this.closeSet();
    const length = this.pos;
    if (length > this.headerLength) {
      if (this.isIpfix) {
        out.setUint16(0, 10);
        out.setUint16(2, length);
        out.setUint32(4, this.exportSeconds);
        out.setUint32(8, domain.sequenceNumber);
        out.setUint32(12, domain.id);
        domain.sequenceNumber = (domain.sequenceNumber + this.records) % TWO_32;
      } else {
        out.setUint16(0, 9);
        out.setUint16(2, this.records);
        out.setUint32(4, domain.upTimeMs(this.exportSeconds * 1000));
        out.setUint32(8, this.exportSeconds);
        out.setUint32(12, domain.sequenceNumber);
        out.setUint32(16, domain.id);
        domain.sequenceNumber = (domain.sequenceNumber + 1) % TWO_32;
      }
      domain.messages++;
      this.messagesSent++;
      this.octetsSent += length;
      this.recordsSent += this.flowsReady;
      if (!this.drain(this.octets.subarray(0, length), this.flowsReady)) domain.forget();
    }
    this.pos = 0;
    this.records = 0;
    this.flowsReady = 0;
  }

  restart(): void {
    this.flush();
    for (const domain of this.domains.list()) {
      domain.forget();
      domain.sequenceNumber = 0;
    }
  }

  announceAnew(): void {
    // Each domain by itself, when its turn comes: there may be thousands, and losses as many a second.
    this.generation++;
  }

  private selectDomain(flow: Flow): void {
    const { origin } = flow;
    this.originSerial = origin.serial;
    const domain = this.domains.of(origin);
    const seconds = Math.floor(origin.exportTimeMs / 1000) % TWO_32;
    if (domain === this.domain && seconds === this.exportSeconds) return;
    this.flush();
    this.domain = domain;
    this.exportSeconds = Math.max(0, seconds);
    domain.upTimeMs(this.exportSeconds * 1000);
    domain.describe(this.context);
  }

  /** Begins a message, with what is due to be told again. */
  private begin(domain: ExportDomain): void {
    this.pos = this.headerLength;
    this.records = 0;
    const { refreshMessages, refreshMs } = this.options;
    const nowMs = refreshMs > 0 ? Date.now() : 0;
    const isDue =
      domain.refreshAtMs === 0 ||
      domain.generation !== this.generation ||
      (refreshMs > 0 && nowMs >= domain.refreshAtMs) ||
      (refreshMessages > 0 && domain.messages >= refreshMessages);
    if (!isDue) return;
    domain.forget();
    domain.generation = this.generation;
    domain.refreshAtMs = refreshMs > 0 ? nowMs + refreshMs : Number.POSITIVE_INFINITY;
    const isIPv6 = domain.exporterAddress.includes(':');
    this.tell(domain, isIPv6 ? 'exporterIPv6' : 'exporterIPv4', [
      domain.id,
      isIPv6 ? domain.exporterIPv6 : domain.exporterIPv4,
      domain.originalId,
    ]);
    this.tellStatistics(domain);
  }

  /** RFC 7011 section 4.3 asks an Exporting Process for what it did; these are sums over all domains. */
  private tellStatistics(domain: ExportDomain): void {
    const { messagesSent, recordsSent, octetsSent } = this;
    this.tell(domain, 'statistics', [domain.id, messagesSent, recordsSent, octetsSent, this.options.notSent()]);
  }

  /** Whether options data says the flow's sampling interval; what differs from it goes into the record. */
  private tellSampling(
    domain: ExportDomain,
    { samplerSlot, selectorSlot }: LayoutExport,
    { words }: Flow,
    interval: number,
  ): boolean {
    if (!this.options.sendsOptions) return false;
    const algorithm = domain.samplesAtRandom ? 2 : 1;
    const slot = samplerSlot >= 0 ? samplerSlot : selectorSlot + 1;
    if (slot > 0 && (samplerSlot >= 0 || words[selectorSlot] === 0)) {
      const id = words[slot]!;
      if (isNews(domain.samplers, id, interval)) {
        if (samplerSlot >= 0) this.tell(domain, 'sampler', [id, algorithm, interval]);
        else this.tell(domain, 'selector', [id, algorithm, 1, interval - 1]);
      }
      return domain.samplers.get(id) === interval;
    }
    if (domain.samplingInterval === 0) {
      domain.samplingInterval = interval;
      this.tell(domain, 'sampling', [domain.id, interval, algorithm]);
    }
    return domain.samplingInterval === interval;
  }

  private tellNames(domain: ExportDomain, fields: readonly NameField[], { words, names, bytes }: Flow): void {
    for (let i = 0; i < fields.length; i++) {
      const { kind, nameSlot, numberSlot } = fields[i]!;
      const name = names[nameSlot]!;
      if (name === '') continue;
      const number = words[numberSlot]!;
      const isLong = name.length * 3 > NAME_OCTETS && Buffer.byteLength(name) > NAME_OCTETS;
      if (kind === 'application') {
        const length = words[numberSlot + 1]!;
        let key = 0;
        for (let at = number; at < number + length; at++) key = key * 256 + bytes[at]!;
        const isUsual = length === APPLICATION_OCTETS;
        if (length > 6 || (!this.isIpfix && !isUsual) || !isNews(domain.applicationNames, key, name)) continue;
        const id = bytes.slice(number, number + length);
        this.tell(domain, isLong || !isUsual ? 'longApplication' : kind, [id, name]);
      } else if (kind === 'interface') {
        if (isNews(domain.interfaceNames, number, name))
          this.tell(domain, isLong ? 'longInterface' : kind, [number, name]);
      } else if (isNews(domain.vrfNames, number, name)) {
        this.tell(domain, isLong ? 'longVrf' : kind, [number, name]);
      }
    }
  }

  /** Writes one options record, and the Options Template before it where it is news. */
  private tell(domain: ExportDomain, kind: OptionsKind, values: readonly (number | Uint8Array | string)[]): void {
    if (!this.options.sendsOptions) return;
    const template = this.optionsTemplates.of(kind);
    const missing = template.fields.length - values.length;
    // In NetFlow v9 the scope of samplers is the Exporter.
    const record = optionsRecord(template, missing > 0 ? [domain.id, ...values] : values);
    if (record.length > this.limit - this.headerLength - SET_HEADER) return;
    if (template !== this.openTemplate || this.pos + record.length > this.limit) {
      if (!this.openDataSet(domain, template, record.length)) return;
    }
    this.octets.set(record, this.pos);
    this.pos += record.length;
    this.records++;
  }

  /**
   * Opens a Data Set with room for a record of `length` octets, in another message where this one is full, and announces its Template first
   * where it is not yet known. False where the Template itself fits no message.
   */
  private openDataSet(domain: ExportDomain, template: ExportTemplate, length: number): boolean {
    for (let attempt = 0; attempt < MAX_ATTEMPTS; attempt++) {
      const isKnown = domain.announced.get(template.id) === template;
      const isWithdrawn = this.options.isReliable && !isKnown && domain.announced.has(template.id);
      let end = this.aligned(this.pos);
      if (!isKnown) end = this.aligned(end + (isWithdrawn ? 8 : 0) + SET_HEADER + template.octets.length);
      if (end + SET_HEADER + length <= this.limit) {
        if (!isKnown) this.announce(domain, template, isWithdrawn);
        this.openSet(template.id);
        this.openTemplate = template;
        return true;
      }
      // Alone it may still go ahead of its records.
      if (this.pos === this.headerLength) {
        if (isKnown || end > this.limit) return false;
        this.announce(domain, template, isWithdrawn);
      }
      this.flush();
      this.begin(domain);
    }
    return false;
  }

  /** FlowSets of NetFlow v9 end at a multiple of 4 octets (RFC 3954 section 5.3). */
  private aligned(pos: number): number {
    return this.isIpfix ? pos : (pos + 3) & ~3;
  }

  private announce(domain: ExportDomain, template: ExportTemplate, isWithdrawn: boolean): void {
    const isOptions = template.scopeFieldCount >= 0;
    if (isWithdrawn) {
      this.openSet(IPFIX_TEMPLATE_SET);
      this.out.setUint16(this.pos, template.id);
      this.out.setUint16(this.pos + 2, 0);
      this.pos += 4;
    }
    const id = this.isIpfix
      ? isOptions
        ? IPFIX_OPTIONS_SET
        : IPFIX_TEMPLATE_SET
      : isOptions
        ? NETFLOW9_OPTIONS_SET
        : NETFLOW9_TEMPLATE_SET;
    this.openSet(id);
    this.octets.set(template.octets, this.pos);
    this.pos += template.octets.length;
    // NetFlow v9 counts Templates among the records of a packet, IPFIX does not.
    if (!this.isIpfix) this.records++;
    domain.announced.set(template.id, template);
    this.closeSet();
  }

  private openSet(id: number): void {
    this.closeSet();
    this.setStart = this.pos;
    this.setId = id;
    this.pos += SET_HEADER;
  }

  private closeSet(): void {
    this.openTemplate = undefined;
    if (this.setStart === 0) return;
    for (const end = this.aligned(this.pos); this.pos < end; this.pos++) this.octets[this.pos] = 0;
    this.out.setUint16(this.setStart, this.setId);
    this.out.setUint16(this.setStart + 2, this.pos - this.setStart);
    this.setStart = 0;
  }

  private layoutExport(flow: Flow): LayoutExport {
    const { layout } = flow;
    let known = this.layouts.get(layout);
    if (known === undefined) {
      known = this.describe(flow);
      this.layouts.set(layout, known);
    }
    return known;
  }

  private describe({ layout, words }: Flow): LayoutExport {
    const slotOf = (name: FieldName): number => (layout.has(name) ? SLOT[name] : -1);
    const hasIPv4 = layout.has('sourceIPv4') || layout.has('destinationIPv4');
    const hasIPv6 = layout.has('sourceIPv6') || layout.has('destinationIPv6');
    const isSelected = this.options.selection !== undefined;
    return {
      layout,
      isDiscard: layout.recordType === 'discard',
      writers: [],
      ipVersion: !isSelected || !hasIPv6 ? 4 : hasIPv4 ? 'both' : 6,
      reportsSampling:
        words[SLOT.samplingOrigin] !== FROM_SAMPLE &&
        layout.entries.some(
          (entry) => entry.kind === 'field' && entry.field.field === 'samplingInterval' && !entry.optional,
        ),
      samplerSlot: slotOf('samplerId'),
      selectorSlot: slotOf('selectorId'),
      names: NAME_FIELDS.filter(([name, , number]) => layout.has(name) && layout.has(number)).map(
        ([name, kind, number]) => ({ kind, nameSlot: SLOT[name], numberSlot: SLOT[number] }),
      ),
    };
  }

  private writerOf(current: LayoutExport, way: number): RecordWriter {
    let writer = current.writers[way];
    if (writer === undefined) {
      const { version, registry, selection } = this.options;
      const mostOctets = this.limit - this.headerLength - SET_HEADER;
      const plan =
        selection === undefined
          ? planLayout(current.layout, version, registry, (way & 1) === 1, mostOctets)
          : planSelection(selection, current.layout, version, registry, way >= 2 ? 6 : 4, mostOctets);
      writer = {
        template: this.templates.of(plan.fields),
        plan,
        variable: variableSteps(plan.steps),
        write: interpretRecord(plan.steps),
        records: 0,
        isCompiled: false,
      };
      current.writers[way] = writer;
    } else if (writer.template.isRetired) {
      writer.template = this.templates.of(writer.plan.fields);
    } else if (writer.template !== this.openTemplate) {
      this.templates.touch(writer.template);
    }
    return writer;
  }

  private compile(writer: RecordWriter): void {
    writer.isCompiled = true;
    if (this.options.codeGeneration) writer.write = compileRecord(writer.plan.steps);
  }
}

const NAME_FIELDS: readonly (readonly [FieldName, NameField['kind'], FieldName])[] = [
  ['inputInterfaceName', 'interface', 'inputInterface'],
  ['outputInterfaceName', 'interface', 'outputInterface'],
  ['applicationName', 'application', 'applicationId'],
  ['ingressVrfName', 'vrf', 'ingressVrf'],
  ['egressVrfName', 'vrf', 'egressVrf'],
];

/** Which addresses a record with both kinds means: those it names, else those that are not all zero. */
function isIPv6({ words, layout }: Flow): boolean {
  if (layout.has('ipVersion')) {
    const version = words[SLOT.ipVersion]!;
    if (version === 4 || version === 6) return version === 6;
  }
  return words[SLOT.sourceIPv4] === 0 && words[SLOT.destinationIPv4] === 0;
}
