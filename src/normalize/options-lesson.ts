import { plainText } from '../flow/element-value.ts';
import { elementOfTypeInformation, type InformationElement } from '../ie/element.ts';
import type { Registry } from '../ie/registry.ts';
import { type DomainOptions, MAX_NAME_LENGTH } from './domain-options.ts';
import { applicationNumber } from './flow-reader.ts';
import { samplingIntervalOf } from './sampling.ts';

/** Elements that options data is read for. */
const ELEMENTS = {
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
const STATISTICS: readonly number[] = [40, 41, 42, 163, 164, 165, 166, 167, 168];

const IDS: readonly number[] = [...Object.values(ELEMENTS), ...STATISTICS];
const SLOT_OF_ID: ReadonlyMap<number, number> = new Map(IDS.map((id, slot) => [id, slot]));
const AT = Object.fromEntries(Object.entries(ELEMENTS).map(([name, id]) => [name, SLOT_OF_ID.get(id)])) as Readonly<
  Record<keyof typeof ELEMENTS, number>
>;

/** Where {@link ToldFields} keeps one of IANA's elements; -1 for those of which nothing is learned. */
export function toldSlot(elementId: number): number {
  return SLOT_OF_ID.get(elementId) ?? -1;
}

/** Where the octets lie of those fields of a record that something is learned of. */
export class ToldFields {
  private readonly starts = new Int32Array(IDS.length);
  private readonly lengths = new Int32Array(IDS.length);
  private view: DataView = new DataView(new ArrayBuffer(0));

  /** Begins a record of `view`. */
  begin(view: DataView): void {
    this.view = view;
    this.starts.fill(-1);
  }

  /** Says where the field of a {@link toldSlot} is; a later one of the same element holds. */
  set(slot: number, at: number, length: number): void {
    this.starts[slot] = at;
    this.lengths[slot] = length;
  }

  /** An unsigned number of up to 8 octets, the nearest one beyond 2^53; undefined where there is none. */
  number(slot: number): number | undefined {
    const at = this.starts[slot]!;
    const length = this.lengths[slot]!;
    if (at < 0 || length > 8) return undefined;
    let value = 0;
    for (let i = 0; i < length; i++) value = value * 256 + this.view.getUint8(at + i);
    return value;
  }

  /** A float32 or float64, or undefined. */
  float(slot: number): number | undefined {
    const at = this.starts[slot]!;
    if (at < 0) return undefined;
    const length = this.lengths[slot]!;
    return length === 8 ? this.view.getFloat64(at) : length === 4 ? this.view.getFloat32(at) : undefined;
  }

  /** A text of at most `MAX_NAME_LENGTH` characters, or undefined where there is none or it is empty. */
  text(slot: number): string | undefined {
    const at = this.starts[slot]!;
    if (at < 0) return undefined;
    const text = plainText(this.view, at, Math.min(this.lengths[slot]!, MAX_NAME_LENGTH * 4));
    if (text === '') return undefined;
    // A slice would keep the whole text alive.
    return text.length <= MAX_NAME_LENGTH
      ? text
      : Buffer.from(text.slice(0, MAX_NAME_LENGTH), 'utf16le').toString('utf16le');
  }

  /** The number of an application id, or undefined. */
  application(): number | undefined {
    const at = this.starts[AT.applicationId]!;
    if (at < 0) return undefined;
    const number = applicationNumber(this.view, at, this.lengths[AT.applicationId]!);
    return number < 0 ? undefined : number;
  }
}

/** What a record of options data tells about its Exporter; undefined or empty where nothing of the kind. */
export interface OptionsLesson {
  readonly samplingInterval: number | undefined;
  /** Sampler (element 48) or selector (302) that the interval is of. */
  readonly sampler: number | undefined;
  readonly ifIndex: number | undefined;
  readonly interfaceName: string | undefined;
  readonly application: number | undefined;
  readonly applicationName: string | undefined;
  readonly vrf: number | undefined;
  readonly vrfName: string | undefined;
  /** Unix milliseconds. */
  readonly systemInitTimeMs: number | undefined;
  /** Names and values. */
  readonly statistics: readonly (readonly [name: string, value: number])[];
  /** An element of the Exporter's own (RFC 5610 section 3.9). */
  readonly element: InformationElement | undefined;
}

/** What the fields of a record tell; `registry` names the statistics. */
export function lessonOf(told: ToldFields, registry: Registry): OptionsLesson {
  const interval = samplingIntervalOf({
    interval: told.number(AT.samplingInterval) ?? told.number(AT.samplerRandomInterval),
    packetInterval: told.number(AT.samplingPacketInterval),
    packetSpace: told.number(AT.samplingPacketSpace),
    size: told.number(AT.samplingSize),
    population: told.number(AT.samplingPopulation),
    probability: told.float(AT.samplingProbability),
  });
  const start = told.number(AT.systemInitTimeMilliseconds);
  return {
    samplingInterval: interval === 0 ? undefined : interval,
    sampler: told.number(AT.samplerId) ?? told.number(AT.selectorId),
    ifIndex: told.number(AT.ingressInterface) ?? told.number(AT.egressInterface),
    interfaceName: told.text(AT.interfaceName) ?? told.text(AT.interfaceDescription),
    application: told.application(),
    applicationName: told.text(AT.applicationName) ?? told.text(AT.applicationDescription),
    vrf: told.number(AT.ingressVrfId) ?? told.number(AT.egressVrfId),
    vrfName: told.text(AT.vrfName),
    systemInitTimeMs: start === 0 ? undefined : start,
    statistics: statisticsOf(told, registry),
    element: elementOf(told),
  };
}

/** Keeps what a record tells about an Exporter; `registry` is what elements of its own come on top of. */
export function learn(options: DomainOptions, lesson: OptionsLesson, registry: Registry): void {
  let isChanged = learnSampling(options, lesson);
  const { ifIndex, interfaceName, application, applicationName, vrf, vrfName, systemInitTimeMs, statistics } = lesson;
  if (ifIndex !== undefined && interfaceName !== undefined)
    isChanged = options.interfaceNames.set(ifIndex, interfaceName) || isChanged;
  if (application !== undefined && applicationName !== undefined)
    isChanged = options.applicationNames.set(application, applicationName) || isChanged;
  if (vrf !== undefined && vrfName !== undefined) isChanged = options.vrfNames.set(vrf, vrfName) || isChanged;
  if (systemInitTimeMs !== undefined && systemInitTimeMs !== options.systemInitTimeMs) {
    options.systemInitTimeMs = systemInitTimeMs;
    isChanged = true;
  }
  for (const [name, value] of statistics) options.statistics.set(name, value);
  if (lesson.element !== undefined) isChanged = learnElement(options, lesson.element, registry) || isChanged;
  if (isChanged) options.changes++;
}

function learnSampling(options: DomainOptions, { samplingInterval, sampler, ifIndex }: OptionsLesson): boolean {
  if (samplingInterval === undefined) return false;
  if (sampler !== undefined) return options.samplers.set(sampler, samplingInterval);
  if (ifIndex !== undefined && ifIndex !== 0) return options.interfaceSampling.set(ifIndex, samplingInterval);
  if (options.samplingInterval === samplingInterval) return false;
  options.samplingInterval = samplingInterval;
  return true;
}

function learnElement(options: DomainOptions, element: InformationElement, registry: Registry): boolean {
  options.registry ??= registry.overlay();
  if (!options.takeElement()) return false;
  const outcome = options.registry.add(element);
  if (outcome !== 'added') options.giveElement();
  if (outcome !== 'added' && outcome !== 'changed') return false;
  options.registryVersion++;
  return true;
}

function statisticsOf(told: ToldFields, registry: Registry): OptionsLesson['statistics'] {
  let statistics: [string, number][] | undefined;
  for (let i = 0; i < STATISTICS.length; i++) {
    const value = told.number(IDS.length - STATISTICS.length + i);
    if (value === undefined) continue;
    const id = STATISTICS[i]!;
    statistics ??= [];
    statistics.push([registry.find(0, id)?.name ?? String(id), value]);
  }
  return statistics ?? NO_STATISTICS;
}

const NO_STATISTICS: OptionsLesson['statistics'] = [];

function elementOf(told: ToldFields): InformationElement | undefined {
  const id = told.number(AT.informationElementId);
  const enterpriseNumber = told.number(AT.privateEnterpriseNumber);
  const name = told.text(AT.informationElementName);
  if (id === undefined || !enterpriseNumber || name === undefined) return undefined;
  return elementOfTypeInformation({
    enterpriseNumber,
    id: id & 0x7fff,
    name,
    dataTypeCode: told.number(AT.informationElementDataType) ?? 0,
    semanticsCode: told.number(AT.informationElementSemantics) ?? 0,
    unitsCode: told.number(AT.informationElementUnits) ?? 0,
  });
}
