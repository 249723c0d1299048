/** Which fields a user wants in each exported record, in nProbe's spelling or in a file, and how flows fill them. */

import { FIELDS, type FieldName, SLOT } from '../../flow/fields.ts';
import type { ElementEntry, FieldEntry, Layout } from '../../flow/layout.ts';
import type { InformationElement } from '../../ie/element.ts';
import type { ElementLookup } from '../../ie/registry.ts';
import {
  elementOctets,
  elementOfField,
  fieldOctets,
  isMplsSection,
  isText,
  type TemplateVersion,
  VARIABLE_LENGTH,
  wireNumber,
} from './export-element.ts';
import { type ExportPlan, type ExportStep, exportPlan, type PlannedField } from './export-plan.ts';

/** One field of a selection. */
export interface SelectedField {
  readonly element: InformationElement;
  /** Flow fields that may fill it, the first that a flow has. */
  readonly sources: readonly FieldName[];
  /** Octets, `'variable'` or undefined for what the element's type takes. */
  readonly length: number | 'variable' | undefined;
  /** The same of an IPv6 flow, for a field of IPv4. */
  readonly ipv6: SelectedField | undefined;
}

/** Fields in their order. */
export type FieldSelection = readonly SelectedField[];

/** IANA's elements of IPv4 and those of IPv6 that stand for the same. */
const IPV6_TWINS: ReadonlyMap<number, number> = new Map([
  [8, 27],
  [12, 28],
  [9, 29],
  [13, 30],
  [15, 62],
  [18, 63],
  [225, 281],
  [226, 282],
  [32, 139],
  [130, 131],
]);

/** Elements that say the start or the end of a flow in some way. */
const TIMES: ReadonlyMap<number, readonly [FieldName, ExportStep['kind']]> = new Map([
  [21, ['endMs', 'upTime']],
  [22, ['startMs', 'upTime']],
  [150, ['startMs', 'seconds']],
  [151, ['endMs', 'seconds']],
  [152, ['startMs', 'milliseconds']],
  [153, ['endMs', 'milliseconds']],
  [154, ['startMs', 'ntp']],
  [155, ['endMs', 'ntp']],
  [156, ['startMs', 'ntp']],
  [157, ['endMs', 'ntp']],
]);

/** IPFIX has no sysUpTime in its header: times since start become milliseconds since 1970. */
const ABSOLUTE_TIMES: ReadonlyMap<number, number> = new Map([
  [21, 153],
  [22, 152],
]);

const EXPORTER: ReadonlyMap<number, ExportStep['kind']> = new Map([
  [130, 'exporterIPv4'],
  [131, 'exporterIPv6'],
  [217, 'exporterPort'],
]);

/** A field by name, or what is wrong with it. */
export function selectField(
  name: string,
  length: number | 'variable' | undefined,
  registry: ElementLookup,
): SelectedField | string {
  const element = registry.findByName(name);
  if (element === undefined) return `no Information Element is called ${name}`;
  return selectElement(element, length, registry, name);
}

/** A field by its element. `name` is what the user called it. */
export function selectElement(
  element: InformationElement,
  length: number | 'variable' | undefined,
  registry: ElementLookup,
  name = element.name,
): SelectedField | string {
  const problem = lengthProblem(element, length);
  if (problem !== undefined) return `${name}: ${problem}`;
  const sources = FIELDS.filter(({ field, ntop, iana }) => {
    const isOwn = elementOfField(field, 10, registry) === element || elementOfField(field, 9, registry) === element;
    return ntop === name || iana === name || isOwn;
  }).map(({ field }) => field);
  const twin = element.enterpriseNumber === 0 ? IPV6_TWINS.get(element.id) : undefined;
  const ipv6Element = twin === undefined ? undefined : registry.find(0, twin);
  const ipv6 = ipv6Element === undefined ? undefined : selectElement(ipv6Element, undefined, registry);
  return { element, sources, length, ipv6: typeof ipv6 === 'string' ? undefined : ipv6 };
}

function lengthProblem(element: InformationElement, length: number | 'variable' | undefined): string | undefined {
  if (length === undefined) return undefined;
  const natural = elementOctets(10, element);
  if (length === 'variable')
    return natural === VARIABLE_LENGTH ? undefined : `has ${natural} octets, not a variable number`;
  if (natural === VARIABLE_LENGTH) return length > 0 ? undefined : 'cannot have 0 octets';
  // RFC 7011 section 6.2: numbers may have fewer octets, never more.
  const isNumber = /^(un)?signed/.test(element.type);
  if (
    isNumber
      ? length >= 1 && length <= natural
      : length === natural || (element.type === 'octetArray' && !isMplsSection(element))
  )
    return undefined;
  return isNumber ? `has at most ${natural} octets` : `has ${natural} octets`;
}

/**
 * How records of `layout` are written by a selection; what a flow does not have goes out as zeros. Texts of fixed lengths that were not
 * asked for leave records no longer than `mostOctets` where that can be, the same for all layouts.
 */
export function planSelection(
  selection: FieldSelection,
  layout: Layout,
  version: TemplateVersion,
  registry: ElementLookup,
  ipVersion: 4 | 6,
  mostOctets: number,
): ExportPlan {
  const leftOut: string[] = [];
  const planned: PlannedField[] = [];
  const names = new Set(selection.map(({ element }) => `${element.enterpriseNumber}.${element.id}`));
  for (const selected of selection) {
    // A selection that names both versions' addresses itself gets them both.
    const twin = selected.ipv6;
    const isNamed = twin !== undefined && names.has(`${twin.element.enterpriseNumber}.${twin.element.id}`);
    const isExporter = selected.element.enterpriseNumber === 0 && EXPORTER.has(selected.element.id);
    const field = ipVersion === 6 && twin !== undefined && !isNamed && !isExporter ? twin : selected;
    const result = planSelected(field, layout, version, registry);
    if (result === undefined) leftOut.push(field.element.name);
    else planned.push(result);
  }
  return exportPlan(planned, version, leftOut, mostOctets);
}

function planSelected(
  { element, sources, length }: SelectedField,
  layout: Layout,
  version: TemplateVersion,
  registry: ElementLookup,
): PlannedField | undefined {
  const isIana = element.enterpriseNumber === 0;
  const absolute = version === 10 && isIana ? ABSOLUTE_TIMES.get(element.id) : undefined;
  const sent = absolute === undefined ? element : registry.find(0, absolute)!;
  const number = wireNumber(version, sent.enterpriseNumber, sent.id);
  if (number === undefined) return undefined;
  const asked = absolute !== undefined || (length === 'variable' && version === 9) ? undefined : length;
  const octets = asked === 'variable' ? VARIABLE_LENGTH : (asked ?? elementOctets(version, sent));
  const planned = (step: Partial<ExportStep> & Pick<ExportStep, 'kind'>): PlannedField => ({
    field: { ...number, length: octets },
    step: { slot: 0, length: octets === VARIABLE_LENGTH ? 0 : octets, sourceLength: 0, ...step },
    mayShrink: version === 9 && asked === undefined && isText(sent),
  });
  const isVariable = octets === VARIABLE_LENGTH;
  const time = isIana ? TIMES.get(sent.id) : undefined;
  if (time !== undefined) {
    const [field, kind] = time;
    const other = field === 'startMs' ? 'endMs' : 'startMs';
    const source = layout.has(field) ? field : layout.has(other) ? other : undefined;
    return planned(source === undefined ? { kind: 'zero' } : { kind, slot: SLOT[source] });
  }
  const exporter = isIana ? EXPORTER.get(sent.id) : undefined;
  if (exporter !== undefined) return planned({ kind: exporter });
  const own = layout.entries.find((entry) => isElement(entry, element)) as ElementEntry | undefined;
  if (own !== undefined) return planned(elementStep(own, isVariable, octets));
  for (const source of sources) {
    const entry = layout.entries.find((each) => each.kind === 'field' && each.field.field === source) as
      | FieldEntry
      | undefined;
    if (entry !== undefined) return planned(fieldStep(entry, isVariable, isMplsSection(element)));
  }
  return planned({ kind: 'zero' });
}

function isElement(entry: Layout['entries'][number], { enterpriseNumber, id }: InformationElement): boolean {
  return entry.kind === 'element' && entry.enterpriseNumber === enterpriseNumber && entry.elementId === id;
}

function elementStep(
  { positionSlot, length, value }: ElementEntry,
  isVariable: boolean,
  octets: number,
): Partial<ExportStep> & Pick<ExportStep, 'kind'> {
  const source = { slot: positionSlot, sourceLength: length };
  if (isVariable) return { kind: 'variable', ...source };
  if (length === octets) return { kind: 'octets', ...source };
  if (value === 'unsigned') return { kind: 'fixedNumber', ...source };
  // Anything else has no other length.
  return value === 'string' || value === 'hexadecimal' ? { kind: 'fixedText', ...source } : { kind: 'zero' };
}

function fieldStep(
  { field, maxOctets }: FieldEntry,
  isVariable: boolean,
  isLabel: boolean,
): Partial<ExportStep> & Pick<ExportStep, 'kind'> {
  const name = field.field as FieldName;
  const slot = SLOT[name];
  switch (field.type) {
    case 'time':
      return { kind: 'milliseconds', slot };
    case 'ipv6':
    case 'mac':
      return { kind: 'octets', slot, sourceLength: fieldOctets(name) };
    case 'text':
      return { kind: isVariable ? 'variable' : 'fixedText', slot, sourceLength: -1 };
    case 'application':
      return { kind: isVariable ? 'variable' : 'application', slot, sourceLength: -1 };
    case 'name':
      return { kind: isVariable ? 'variableName' : 'fixedName', slot };
    case 'u64':
      return { kind: 'long', slot, sourceLength: Math.min(maxOctets, 8) };
    case 'choice':
      return { kind: 'zero', slot };
    case 'duration':
      return { kind: 'duration', slot };
    default:
      if (isLabel) return { kind: 'mplsLabel', slot };
      return { kind: 'word', slot, sourceLength: Math.min(maxOctets, 4) };
  }
}
