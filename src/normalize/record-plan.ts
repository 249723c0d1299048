import { LEGACY_ELEMENTS, LEGACY_ENTERPRISE } from '../decode/netflow5.ts';
import { type FieldSpecifier, type Template, VARIABLE_LENGTH } from '../decode/template.ts';
import { FIELD_BY_NAME, FIELD_WORDS, type FieldName, SLOT } from '../flow/fields.ts';
import {
  type ElementEntry,
  type ElementValue,
  fieldEntry,
  freeKey,
  Layout,
  type LayoutEntry,
  RESERVED_IANA_KEYS,
  RESERVED_NTOP_KEYS,
  type RecordType,
} from '../flow/layout.ts';
import type { InformationElement } from '../ie/element.ts';
import type { ElementLookup } from '../ie/registry.ts';
import { ENTERPRISES, mappingOf } from './mapping.ts';
import { planTimes, type TimeSources } from './time-plan.ts';

const PADDING_OCTETS = 210;

/**
 * What to do with one field of a record. Offsets count from the record's start, or from the end of the last
 * variable-length field before it.
 * - `word`: an unsigned number of 1 to 4 octets into one word
 * - `long`: one of 1 to 8 octets into two words, high and low
 * - `position`: where the octets lie, into one word
 * - `text`: position and length, into two words
 * - `milliseconds` … `relative`: a time, in its wire form, into `Flow.times`
 * - `systemInit`: the Exporter's start (element 160), from which `relative` times of the record count
 * - `variable…`: a field with its length in front (RFC 7011 section 7), as a number into one or two words, or as a text
 */
export interface PlanStep {
  readonly kind:
    | 'word'
    | 'long'
    | 'position'
    | 'text'
    | 'seconds'
    | 'milliseconds'
    | 'microseconds'
    | 'nanoseconds'
    | 'deltaMicroseconds'
    | 'relative'
    | 'systemInit'
    | 'variableSkip'
    | 'variableWord'
    | 'variableLong'
    | 'variableText';
  /** First word, or index in `Flow.times`. */
  readonly slot: number;
  readonly offset: number;
  /** Octets on the wire; 0 for variable fields. */
  readonly length: number;
  /** For variable fields: the fewest octets that what follows in the record takes. */
  readonly tail: number;
}

/** A list field (RFC 6313) and where its octets are. */
export interface ListField {
  readonly type: 'basicList' | 'subTemplateList' | 'subTemplateMultiList';
  readonly ntop: string;
  readonly iana: string;
  readonly positionSlot: number;
  /** -1 when the word after `positionSlot` holds the length. */
  readonly length: number;
}

/** A packet section field (elements 104, 313 to 316) and where its octets are. */
export interface PacketSection {
  readonly elementId: number;
  readonly positionSlot: number;
  readonly length: number;
}

/** How to read the records of a Template, and what the flows they become carry. */
export interface RecordPlan {
  readonly steps: readonly PlanStep[];
  /** Octets behind the last step, since the last variable field. */
  readonly tailOffset: number;
  readonly layout: Layout;
  readonly times: TimeSources;
  readonly lists: readonly ListField[];
  readonly packetSections: readonly PacketSection[];
  /** Words of totals (elements 85, 86) that stand in where both deltas are zero: octets, packets; -1 for none. */
  readonly totalOctetsSlot: number;
  readonly totalPacketsSlot: number;
  /** Words of samplingPacketInterval and samplingPacketSpace (elements 305, 306) in the record; -1 for none. */
  readonly samplingPacketIntervalSlot: number;
  readonly samplingPacketSpaceSlot: number;
  /** An element of the Template is in no registry: a type record (RFC 5610) may still describe it. */
  readonly hasUnknownElement: boolean;
}

interface PlannedField {
  readonly specifier: FieldSpecifier;
  readonly index: number;
  /** Flow field it fills. */
  readonly field: FieldName | undefined;
  /** It is kept as an element, besides or instead. */
  readonly isKept: boolean;
}

/**
 * Plans the reading of a Template's records. `knowsUpTime` tells whether times that count from the Exporter's start can be
 * placed: without it they stay elements of their own.
 */
export function planRecord(template: Template, registry: ElementLookup, knowsUpTime: boolean): RecordPlan {
  const { version, fields: specifiers } = template;
  const times = planTimes(template, knowsUpTime);
  const planned = assignFields(template, times);
  const filledLater = fieldsFilledLater(specifiers);
  const steps: PlanStep[] = [];
  const entries: LayoutEntry[] = [];
  const elements: ElementEntry[] = [];
  const lists: ListField[] = [];
  const packetSections: PacketSection[] = [];
  let elementSlot = FIELD_WORDS;
  let offset = 0;
  let tail = template.minRecordLength;
  let totalOctetsSlot = -1;
  let totalPacketsSlot = -1;
  let samplingPacketIntervalSlot = -1;
  let samplingPacketSpaceSlot = -1;
  let hasUnknownElement = false;
  for (const { specifier, index, field, isKept } of planned) {
    const { elementId, enterpriseNumber, length } = specifier;
    const isVariable = length === VARIABLE_LENGTH;
    tail -= isVariable ? 1 : length;
    const step = (kind: PlanStep['kind'], slot: number, stepLength = length): void => {
      steps.push({ kind, slot, offset, length: isVariable ? 0 : stepLength, tail });
    };
    if (field !== undefined) {
      step(stepKind(field, isVariable), SLOT[field]);
      if (!isKept) entries.push(fieldEntry(field, false, isVariable || filledLater.has(field) ? 8 : length));
    }
    const timeKind = times.steps.get(index);
    if (timeKind !== undefined && !isVariable) step(timeKind.kind, timeKind.slot);
    if (isKept) {
      const described = describeElement(version, specifier, registry);
      hasUnknownElement ||= described.element === undefined;
      const entry: ElementEntry = {
        kind: 'element',
        enterpriseNumber: described.element?.enterpriseNumber ?? enterpriseNumber,
        elementId: described.element?.id ?? elementId,
        ntop: described.ntop,
        iana: described.iana,
        value: elementValue(described.element, described.type, length),
        positionSlot: elementSlot,
        length: isVariable ? -1 : length,
      };
      elementSlot += 2;
      step(isVariable ? 'variableText' : 'position', entry.positionSlot);
      const type = described.type;
      const isIana = enterpriseNumber === ENTERPRISES.iana && elementId < 32_768;
      if (isListType(type)) {
        lists.push({
          type,
          ntop: entry.ntop,
          iana: entry.iana,
          positionSlot: entry.positionSlot,
          length: entry.length,
        });
      } else {
        elements.push(entry);
        if (isIana && PACKET_SECTIONS.has(elementId))
          packetSections.push({ elementId, positionSlot: entry.positionSlot, length: entry.length });
      }
      if (isIana && !isVariable && length <= 8) {
        if (elementId === 85) totalOctetsSlot = longSlot();
        if (elementId === 86) totalPacketsSlot = longSlot();
        if (elementId === 305 && length <= 4) samplingPacketIntervalSlot = wordSlot();
        if (elementId === 306 && length <= 4) samplingPacketSpaceSlot = wordSlot();
      }
    } else if (isVariable && field === undefined) {
      step('variableSkip', 0);
    }
    offset = isVariable ? 0 : offset + length;

    function longSlot(): number {
      step('long', elementSlot);
      elementSlot += 2;
      return elementSlot - 2;
    }
    function wordSlot(): number {
      step('word', elementSlot);
      elementSlot += 2;
      return elementSlot - 2;
    }
  }
  for (const field of times.fields) entries.push(fieldEntry(field));
  const filled = new Set(planned.map(({ field }) => field));
  const carries = (name: FieldName) => filled.has(name);
  if (!carries('samplingInterval')) entries.push(fieldEntry('samplingInterval', true));
  const hasCounters = COUNTERS.some(carries);
  entries.push(fieldEntry('samplingOrigin'));
  const reported = new Set(elements.map(({ ntop }) => ntop));
  for (const [name, field] of LOOKED_UP) {
    // A name in the record itself (nProbe's APPLICATION_NAME) keeps its key: it needs no look-up.
    if (carries(field) && !reported.has(FIELD_BY_NAME.get(name)!.ntop)) entries.push(fieldEntry(name, true));
  }
  entries.push(...mergeRepeated(elements, version, filled));
  const recordType: RecordType = hasCounters || packetSections.length > 0 ? 'flow' : 'event';
  return {
    steps,
    tailOffset: offset,
    layout: new Layout(recordType, entries),
    times,
    lists,
    packetSections,
    totalOctetsSlot: carries('octets') && carries('packets') ? totalOctetsSlot : -1,
    totalPacketsSlot,
    samplingPacketIntervalSlot,
    samplingPacketSpaceSlot,
    hasUnknownElement: hasUnknownElement && specifiers.length > 0,
  };
}

/** Whether a type is one of RFC 6313's lists. */
export function isListType(type: string): type is ListField['type'] {
  return type === 'basicList' || type === 'subTemplateList' || type === 'subTemplateMultiList';
}

/** ipHeaderPacketSection 313, ipPayloadPacketSection 314, dataLinkFrameSection 315, mplsLabelStackSection 316, 104 of Cisco's NetFlow-Lite. */
const PACKET_SECTIONS: ReadonlySet<number> = new Set([104, 313, 314, 315, 316]);

const COUNTERS: readonly FieldName[] = [
  'octets',
  'packets',
  'reverseOctets',
  'reversePackets',
  'postOctets',
  'postPackets',
];

/** Fields whose value may come from elsewhere, longer than the record's own: totals, options data. */
function fieldsFilledLater(specifiers: readonly FieldSpecifier[]): ReadonlySet<FieldName> {
  const hasTotals = specifiers.some(({ elementId }) => elementId === 85 || elementId === 86);
  return new Set<FieldName>(hasTotals ? ['octets', 'packets', 'samplingInterval'] : ['samplingInterval']);
}

/** Names that are looked up in options data, and the field they are looked up by. */
const LOOKED_UP: readonly (readonly [FieldName, FieldName])[] = [
  ['inputInterfaceName', 'inputInterface'],
  ['outputInterfaceName', 'outputInterface'],
  ['applicationName', 'applicationId'],
  ['ingressVrfName', 'ingressVrf'],
  ['egressVrfName', 'egressVrf'],
];

/** Gives each flow field to the best of the elements that fill it; a repeated element is kept as an array besides. */
function assignFields({ version, fields }: Template, times: TimeSources): PlannedField[] {
  const best = new Map<FieldName, { index: number; rank: number }>();
  const occurrences = new Map<number, number>();
  fields.forEach(({ elementId, enterpriseNumber, length }, index) => {
    const identity = enterpriseNumber * 65536 + elementId;
    occurrences.set(identity, (occurrences.get(identity) ?? 0) + 1);
    const mapping = mappingOf(version, enterpriseNumber, elementId);
    if (mapping === undefined || times.consumed.has(index) || !lengthFits(mapping.field, length)) return;
    const known = best.get(mapping.field);
    if (known === undefined || mapping.rank < known.rank) best.set(mapping.field, { index, rank: mapping.rank });
  });
  const fieldByIndex = new Map([...best].map(([field, { index }]) => [index, field]));
  return fields.map((specifier, index) => {
    const { elementId, enterpriseNumber, length } = specifier;
    const isRepeated = occurrences.get(enterpriseNumber * 65536 + elementId)! > 1;
    // A variable-length field can be read in one way only.
    const field = isRepeated && length === VARIABLE_LENGTH ? undefined : fieldByIndex.get(index);
    const isPadding = elementId === PADDING_OCTETS && enterpriseNumber === 0;
    const isKept = (field === undefined || isRepeated) && length > 0 && !isPadding && !times.consumed.has(index);
    return { specifier, index, field, isKept };
  });
}

function lengthFits(field: FieldName, length: number): boolean {
  const { type } = FIELD_BY_NAME.get(field)!;
  const isVariable = length === VARIABLE_LENGTH;
  switch (type) {
    case 'ipv4':
      return length === 4;
    case 'ipv6':
      return length === 16;
    case 'mac':
      return length === 6;
    case 'text':
    case 'application':
      return isVariable || length > 0;
    case 'u64':
      return isVariable || (length >= 1 && length <= 8);
    case 'time':
      return !isVariable && length >= 4 && length <= 8;
    default:
      return isVariable || (length >= 1 && length <= 4);
  }
}

function stepKind(field: FieldName, isVariable: boolean): PlanStep['kind'] {
  switch (FIELD_BY_NAME.get(field)!.type) {
    case 'ipv6':
    case 'mac':
      return 'position';
    case 'text':
    case 'application':
      return isVariable ? 'variableText' : 'text';
    case 'u64':
      return isVariable ? 'variableLong' : 'long';
    case 'time':
      return 'milliseconds';
    default:
      return isVariable ? 'variableWord' : 'word';
  }
}

const LEGACY_NAMES: ReadonlyMap<number, readonly [name: string, type: ElementValue]> = new Map([
  [LEGACY_ELEMENTS.flags1, ['NETFLOW7_VALID_FIELDS_1', 'unsigned']],
  [LEGACY_ELEMENTS.flags2, ['NETFLOW7_VALID_FIELDS_2', 'unsigned']],
  [LEGACY_ELEMENTS.routerShortcut, ['NETFLOW7_ROUTER_SHORTCUT', 'ipv4']],
  [LEGACY_ELEMENTS.retransmittedPackets, ['NETFLOW1_TCP_RETRANSMITTED_PKTS', 'unsigned']],
  [LEGACY_ELEMENTS.retransmissionSeconds, ['NETFLOW1_TCP_RETRANSMISSION_SECONDS', 'unsigned']],
  [LEGACY_ELEMENTS.misorderedPackets, ['NETFLOW1_TCP_MISORDERED_PKTS', 'unsigned']],
] as const);

/** Names and type of an element: the registry's, or `<PEN>.<id>` and octets where it knows nothing. */
export function describeElement(
  version: number,
  { elementId, enterpriseNumber }: FieldSpecifier,
  registry: ElementLookup,
): { element: InformationElement | undefined; ntop: string; iana: string; type: string } {
  if (enterpriseNumber === LEGACY_ENTERPRISE) {
    const [name, type] = LEGACY_NAMES.get(elementId) ?? [`NETFLOW.${elementId}`, 'unsigned'];
    return { element: undefined, ntop: name, iana: name, type: type === 'ipv4' ? 'ipv4Address' : 'unsigned32' };
  }
  const element =
    version === 9 && enterpriseNumber === 0
      ? registry.findNetflow9(elementId)
      : registry.find(enterpriseNumber, elementId);
  if (element === undefined) {
    const name = `${enterpriseNumber}.${elementId}`;
    return { element, ntop: name, iana: name, type: 'octetArray' };
  }
  return { element, ntop: element.ntopName ?? element.name, iana: element.name, type: element.type };
}

const MPLS_LABEL_ELEMENTS = { first: 70, last: 79 };

/** How an element's octets are written; hexadecimal where their number does not fit the type. */
export function elementValue(element: InformationElement | undefined, type: string, length: number): ElementValue {
  const isVariable = length === VARIABLE_LENGTH;
  if (
    element?.enterpriseNumber === 0 &&
    element.id >= MPLS_LABEL_ELEMENTS.first &&
    element.id <= MPLS_LABEL_ELEMENTS.last &&
    length === 3
  ) {
    return 'mplsLabel';
  }
  if (element?.enterpriseNumber === 0 && element.id === 95) return 'application';
  const fits = (value: ElementValue, ...lengths: number[]): ElementValue =>
    isVariable || lengths.includes(length) ? value : 'hexadecimal';
  switch (type) {
    case 'unsigned8':
    case 'unsigned16':
    case 'unsigned32':
    case 'unsigned64':
    case 'dateTimeSeconds':
    case 'dateTimeMilliseconds':
      return fits('unsigned', 1, 2, 3, 4, 5, 6, 7, 8);
    case 'signed8':
    case 'signed16':
    case 'signed32':
    case 'signed64':
      return fits('signed', 1, 2, 3, 4, 5, 6, 7, 8);
    case 'float32':
    case 'float64':
      return fits('float', 4, 8);
    case 'boolean':
      return length === 1 || isVariable ? 'boolean' : fits('unsigned', 2, 3, 4, 5, 6, 7, 8);
    case 'macAddress':
      return fits('mac', 6);
    case 'ipv4Address':
      return fits('ipv4', 4);
    case 'ipv6Address':
      return fits('ipv6', 16);
    case 'string':
      return 'string';
    case 'dateTimeMicroseconds':
      return fits('ntpMicroseconds', 8);
    case 'dateTimeNanoseconds':
      return fits('ntpNanoseconds', 8);
    default:
      return 'hexadecimal';
  }
}

function mergeRepeated(
  elements: readonly ElementEntry[],
  version: number,
  filled: ReadonlySet<FieldName | undefined>,
): LayoutEntry[] {
  const byKey = new Map<string, ElementEntry[]>();
  for (const entry of elements) {
    const key = `${entry.enterpriseNumber}.${entry.elementId}`;
    const same = byKey.get(key);
    if (same === undefined) byKey.set(key, [entry]);
    else same.push(entry);
  }
  return [...byKey.values()].map((items): LayoutEntry => {
    const [first] = items;
    if (items.length === 1) return first!;
    const { ntop, iana, enterpriseNumber, elementId } = first!;
    const field = mappingOf(version, enterpriseNumber, elementId)?.field;
    return { kind: 'array', ntop, iana, items, field: filled.has(field) ? field : undefined };
  });
}

/** The keys of an element in an options record: not those that every line has for itself. */
export function keysBesideOrigin(
  { enterpriseNumber, elementId }: FieldSpecifier,
  { ntop, iana }: { readonly ntop: string; readonly iana: string },
): { readonly ntop: string; readonly iana: string } {
  const numbers = `${enterpriseNumber}.${elementId}`;
  return {
    ntop: freeKey(RESERVED_NTOP_KEYS, ntop, iana, numbers),
    iana: freeKey(RESERVED_IANA_KEYS, iana, ntop, numbers),
  };
}
