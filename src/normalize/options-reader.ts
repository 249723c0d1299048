import type { MessageContext } from '../decode/message.ts';
import type { RecordReader } from '../decode/record-reader.ts';
import { type FieldSpecifier, type Template, VARIABLE_LENGTH } from '../decode/template.ts';
import { plainElementValue, plainText } from '../flow/element-value.ts';
import type { Attachment, PlainValue } from '../flow/flow.ts';
import type { Origin } from '../flow/origin.ts';
import type { RecordOutput } from '../flow/record-output.ts';
import { elementOfTypeInformation } from '../ie/element.ts';
import type { ElementLookup, Registry } from '../ie/registry.ts';
import { DomainOptions, MAX_NAME_LENGTH, type OptionBudget } from './domain-options.ts';
import { applicationNumber, domainOptions, setOrigin } from './flow-reader.ts';
import { decodeList } from './list.ts';
import { addValue } from './named-values.ts';
import { describeElement, elementValue, isListType, keysBesideOrigin } from './record-plan.ts';
import { samplingIntervalOf } from './sampling.ts';

/** Scope types of NetFlow v9 (RFC 3954 section 6.1). */
const SCOPE_INTERFACE = 2;

/** Elements that options data is read for. */
const IE = {
  ingressInterface: 10,
  egressInterface: 14,
  samplingInterval: 34,
  samplerId: 48,
  samplerRandomInterval: 50,
  interfaceName: 82,
  interfaceDescription: 83,
  applicationDescription: 94,
  applicationId: 95,
  applicationName: 96,
  systemInitTimeMilliseconds: 160,
  ingressVrfId: 234,
  egressVrfId: 235,
  vrfName: 236,
  selectorId: 302,
  informationElementId: 303,
  samplingPacketInterval: 305,
  samplingPacketSpace: 306,
  samplingSize: 309,
  samplingPopulation: 310,
  samplingProbability: 311,
  informationElementDataType: 339,
  informationElementName: 341,
  informationElementSemantics: 344,
  informationElementUnits: 345,
  privateEnterpriseNumber: 346,
} as const;

/** Counts an Exporter gives of itself (RFC 7011 section 4.1 to 4.3). */
const STATISTICS: ReadonlySet<number> = new Set([40, 41, 42, 163, 164, 165, 166, 167, 168]);

/** Where a field of the record being read lies. */
interface FieldOctets {
  readonly at: number;
  readonly length: number;
}

/** Reads records of an Options Template: keeps what they tell about the Exporter and hands each on as a record. */
export class OptionsReader implements RecordReader {
  private readonly template: Template;
  private readonly registry: Registry;
  private readonly output: RecordOutput;
  private readonly origin: Origin;
  private readonly budget: OptionBudget;
  private readonly fields = new Map<number, FieldOctets>();
  private view: DataView = new DataView(new ArrayBuffer(0));

  constructor(template: Template, registry: Registry, output: RecordOutput, origin: Origin, budget: OptionBudget) {
    this.budget = budget;
    this.template = template;
    this.registry = registry;
    this.output = output;
    this.origin = origin;
  }

  readSet(message: MessageContext, start: number, end: number): number {
    const { domain, counters } = message.session;
    domain.state ??= new DomainOptions(this.budget);
    const options = domainOptions(message.session)!;
    setOrigin(this.origin, message);
    this.view = message.view;
    let pos = start;
    let records = 0;
    while (end - pos >= this.template.minRecordLength) {
      const values: Record<string, PlainValue> = {};
      const ianaValues: Record<string, PlainValue> = {};
      pos = this.readRecord(message, pos, end, options.registry ?? this.registry, values, ianaValues);
      if (pos < 0) {
        counters.faults.record_truncated++;
        break;
      }
      this.learn(options);
      records++;
      this.output.writeRecord({ recordType: 'options', origin: this.origin, values, ianaValues });
    }
    return records;
  }

  private readRecord(
    message: MessageContext,
    start: number,
    end: number,
    registry: ElementLookup,
    values: Record<string, PlainValue>,
    ianaValues: Record<string, PlainValue>,
  ): number {
    const { view, exportTimeMs } = message;
    const { fields, scopeFieldCount, version } = this.template;
    this.fields.clear();
    let pos = start;
    for (let i = 0; i < fields.length; i++) {
      const specifier = fields[i]!;
      let { length } = specifier;
      if (length === VARIABLE_LENGTH) {
        if (pos + 1 > end) return -1;
        length = view.getUint8(pos++);
        if (length === 255) {
          if (pos + 2 > end) return -1;
          length = view.getUint16(pos);
          pos += 2;
        }
      }
      if (pos + length > end) return -1;
      if (length > 0) {
        const isScopeType = version === 9 && i < scopeFieldCount;
        const { ntop, iana, value, list } = isScopeType
          ? this.scope(specifier, length, registry)
          : this.element(specifier, registry);
        if (!isScopeType && specifier.enterpriseNumber === 0) this.fields.set(specifier.elementId, { at: pos, length });
        if (isScopeType && specifier.elementId === SCOPE_INTERFACE)
          this.fields.set(IE.ingressInterface, { at: pos, length });
        if (list !== undefined) {
          const attachments: Attachment[] = [];
          decodeList({ type: list, ntop, iana, positionSlot: 0, length }, message, pos, length, registry, attachments);
          for (const attachment of attachments) {
            addValue(values, attachment.ntop, attachment.value);
            addValue(ianaValues, attachment.iana, attachment.ianaValue ?? attachment.value);
          }
        } else {
          const plain = plainElementValue(view, pos, length, value, exportTimeMs);
          addValue(values, ntop, plain);
          addValue(ianaValues, iana, plain);
        }
      }
      pos += length;
    }
    return pos;
  }

  private element(specifier: FieldSpecifier, registry: ElementLookup) {
    const { element, ntop, iana, type } = describeElement(this.template.version, specifier, registry);
    const list = isListType(type) ? type : undefined;
    const keys = keysBesideOrigin(specifier, { ntop, iana });
    return { ...keys, value: elementValue(element, type, specifier.length), list };
  }

  private scope({ elementId }: FieldSpecifier, length: number, registry: ElementLookup) {
    const scope = registry.findNetflow9Scope(elementId)?.name.replace(/^scope/, '') ?? String(elementId);
    const name = `SCOPE_${scope.toUpperCase()}`;
    return {
      ntop: name,
      iana: name,
      value: length <= 8 ? ('unsigned' as const) : ('hexadecimal' as const),
      list: undefined,
    };
  }

  private learn(options: DomainOptions): void {
    let isChanged = this.learnSampling(options);
    isChanged = this.learnNames(options) || isChanged;
    const start = this.number(IE.systemInitTimeMilliseconds);
    if (start !== undefined && start > 0 && start !== options.systemInitTimeMs) {
      options.systemInitTimeMs = start;
      isChanged = true;
    }
    for (const id of this.fields.keys()) {
      if (!STATISTICS.has(id)) continue;
      options.statistics.set(this.registry.find(0, id)?.name ?? String(id), this.number(id)!);
    }
    isChanged = this.learnElement(options) || isChanged;
    if (isChanged) options.changes++;
  }

  private learnSampling(options: DomainOptions): boolean {
    const interval = samplingIntervalOf({
      interval: this.number(IE.samplingInterval) ?? this.number(IE.samplerRandomInterval),
      packetInterval: this.number(IE.samplingPacketInterval),
      packetSpace: this.number(IE.samplingPacketSpace),
      size: this.number(IE.samplingSize),
      population: this.number(IE.samplingPopulation),
      probability: this.float(IE.samplingProbability),
    });
    if (interval === 0) return false;
    const sampler = this.number(IE.samplerId) ?? this.number(IE.selectorId);
    if (sampler !== undefined) return options.samplers.set(sampler, interval);
    const ifIndex = this.interfaceIndex();
    if (ifIndex !== undefined && ifIndex !== 0) return options.interfaceSampling.set(ifIndex, interval);
    if (options.samplingInterval === interval) return false;
    options.samplingInterval = interval;
    return true;
  }

  private learnNames(options: DomainOptions): boolean {
    let isChanged = false;
    const ifIndex = this.interfaceIndex();
    const interfaceName = this.text(IE.interfaceName) ?? this.text(IE.interfaceDescription);
    if (ifIndex !== undefined && interfaceName !== undefined)
      isChanged = options.interfaceNames.set(ifIndex, interfaceName);
    const application = this.fields.get(IE.applicationId);
    const applicationName = this.text(IE.applicationName) ?? this.text(IE.applicationDescription);
    if (application !== undefined && applicationName !== undefined) {
      const id = applicationNumber(this.view, application.at, application.length);
      if (id >= 0) isChanged = options.applicationNames.set(id, applicationName) || isChanged;
    }
    const vrf = this.number(IE.ingressVrfId) ?? this.number(IE.egressVrfId);
    const vrfName = this.text(IE.vrfName);
    if (vrf !== undefined && vrfName !== undefined) isChanged = options.vrfNames.set(vrf, vrfName) || isChanged;
    return isChanged;
  }

  /** A type record (RFC 5610 section 3.9): an element of the Exporter's own. */
  private learnElement(options: DomainOptions): boolean {
    const id = this.number(IE.informationElementId);
    const enterpriseNumber = this.number(IE.privateEnterpriseNumber);
    const name = this.text(IE.informationElementName);
    if (id === undefined || !enterpriseNumber || name === undefined) return false;
    const element = elementOfTypeInformation({
      enterpriseNumber,
      id: id & 0x7fff,
      name,
      dataTypeCode: this.number(IE.informationElementDataType) ?? 0,
      semanticsCode: this.number(IE.informationElementSemantics) ?? 0,
      unitsCode: this.number(IE.informationElementUnits) ?? 0,
    });
    if (element === undefined) return false;
    options.registry ??= this.registry.overlay();
    if (!options.takeElement()) return false;
    const outcome = options.registry.add(element);
    if (outcome !== 'added') options.giveElement();
    if (outcome !== 'added' && outcome !== 'changed') return false;
    options.registryVersion++;
    return true;
  }

  private interfaceIndex(): number | undefined {
    return this.number(IE.ingressInterface) ?? this.number(IE.egressInterface);
  }

  private number(id: number): number | undefined {
    const field = this.fields.get(id);
    if (field === undefined || field.length > 8) return undefined;
    let value = 0;
    for (let i = 0; i < field.length; i++) value = value * 256 + this.view.getUint8(field.at + i);
    return value;
  }

  private float(id: number): number | undefined {
    const field = this.fields.get(id);
    if (field === undefined) return undefined;
    return field.length === 8
      ? this.view.getFloat64(field.at)
      : field.length === 4
        ? this.view.getFloat32(field.at)
        : undefined;
  }

  private text(id: number): string | undefined {
    const field = this.fields.get(id);
    if (field === undefined) return undefined;
    const text = plainText(this.view, field.at, Math.min(field.length, MAX_NAME_LENGTH * 4));
    if (text === '') return undefined;
    // A slice would keep the whole text alive.
    return text.length <= MAX_NAME_LENGTH
      ? text
      : Buffer.from(text.slice(0, MAX_NAME_LENGTH), 'utf16le').toString('utf16le');
  }
}
