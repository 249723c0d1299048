import { APPLICATION_FIELDS } from '../../flow/application-fields.ts';
import { type FieldName, SLOT } from '../../flow/fields.ts';
import type { ElementEntry, ElementValue, FieldEntry, Layout, LayoutEntry } from '../../flow/layout.ts';
import type { ElementLookup } from '../../ie/registry.ts';
import {
  elementOfField,
  fieldOctets,
  isMplsSection,
  type TemplateVersion,
  textOctets,
  VARIABLE_LENGTH,
  type WireField,
  wireNumber,
} from './export-element.ts';

/**
 * How a value goes into a record:
 * - `word`, `long`: a number of one or two words, in `length` octets, the largest that fits where it is larger
 * - `milliseconds`, `seconds`, `ntp`: a time since 1970, in NTP's form with its fraction; `upTime`: since the Exporter's start
 * - `duration`: microseconds as milliseconds; `mplsLabel`: a label as an entry of the stack, its other bits zero
 * - `octets`: `length` octets at a position
 * - `fixedText`: octets at a position, cut off or filled up with zeros; `fixedNumber`: the same at the right end
 * - `variable`: octets at a position, their length in front (RFC 7011 section 7)
 * - `application`: an application id, zeros between its engine and its selector (RFC 6759 section 4)
 * - `fixedName`, `variableName`: a string of `Flow.names`
 * - `exporterIPv4`, `exporterIPv6`, `exporterPort`: the Exporter that the flow comes from
 * - `zero`: nothing is known
 */
export interface ExportStep {
  readonly kind:
    | 'word'
    | 'long'
    | 'milliseconds'
    | 'seconds'
    | 'ntp'
    | 'upTime'
    | 'duration'
    | 'mplsLabel'
    | 'octets'
    | 'fixedText'
    | 'fixedNumber'
    | 'variable'
    | 'application'
    | 'fixedName'
    | 'variableName'
    | 'exporterIPv4'
    | 'exporterIPv6'
    | 'exporterPort'
    | 'zero';
  /** First word, or index in `Flow.times` or `Flow.names`. */
  readonly slot: number;
  /** Octets on the wire; 0 where they differ from record to record. */
  readonly length: number;
  /** Octets that the source never exceeds; -1 when the word behind the position holds their number. */
  readonly sourceLength: number;
}

/** A Template, and how records of a layout are written by it. */
export interface ExportPlan {
  readonly fields: readonly WireField[];
  readonly steps: readonly ExportStep[];
  /** Octets of a record without its variable-length fields. */
  readonly fixedLength: number;
  /** Keys of what the layout carries and the record does not. */
  readonly leftOut: readonly string[];
}

/** A field of a Template and its step. */
export interface PlannedField {
  readonly field: WireField;
  readonly step: ExportStep;
  /** Whether it is a text whose length nobody asked for: it may be shorter where records get too long. */
  readonly mayShrink?: boolean;
}

const PADDING_OCTETS = 210;
const APPLICATION_NAME = 96;
/** Texts are not made shorter than this for the sake of a record that does not fit. */
const LEAST_TEXT_OCTETS = 16;
/** flowEndSysUpTime and flowStartSysUpTime as elements: times that could not be placed. */
const SYSTEM_UP_TIMES: ReadonlySet<number> = new Set([21, 22]);
/** Elements that say the start, or the end, more finely than milliseconds. */
const FINER_START: readonly number[] = [154, 156];
const FINER_END: readonly number[] = [155, 157];
const NUMBERS: ReadonlySet<ElementValue> = new Set<ElementValue>(['unsigned']);
/** Names sent as options data, by the number they are the name of. */
const NAMED_BY: Readonly<Partial<Record<FieldName, FieldName>>> = {
  inputInterfaceName: 'inputInterface',
  outputInterfaceName: 'outputInterface',
  applicationName: 'applicationId',
  ingressVrfName: 'ingressVrf',
  egressVrfName: 'egressVrf',
};

/**
 * Plans records that carry everything of a layout that has an element in `version`; a sampling interval only where `hasSampling`: else
 * options data says it. Texts of fixed lengths leave records no longer than `mostOctets` where that can be.
 */
export function planLayout(
  layout: Layout,
  version: TemplateVersion,
  registry: ElementLookup,
  hasSampling: boolean,
  mostOctets: number,
): ExportPlan {
  const planned: PlannedField[] = [];
  const leftOut: string[] = [];
  for (const entry of layout.entries) {
    if (entry.kind === 'array') {
      for (const item of entry.items) take(item, planElement(item, version));
    } else if (entry.kind === 'element') {
      take(entry, planElement(entry, version));
    } else if (!isSaidElsewhere(entry, layout, hasSampling)) {
      take(entry, planField(entry, version, registry));
    }
  }
  return exportPlan(planned, version, leftOut, mostOctets);

  function take(entry: LayoutEntry, field: PlannedField | undefined): void {
    if (field !== undefined) planned.push(field);
    else leftOut.push(entry.kind === 'field' ? entry.field.ntop : entry.ntop);
  }
}

/**
 * The plan of fields. Records of NetFlow v9 are longer than the padding of a FlowSet, which would be taken for them; the longest of their
 * texts are shortened alike where a record would have more than `mostOctets`.
 */
export function exportPlan(
  planned: readonly PlannedField[],
  version: TemplateVersion,
  leftOut: readonly string[],
  mostOctets: number,
): ExportPlan {
  const mostText = mostTextOctets(planned, mostOctets);
  const fitted = planned.map((each) =>
    each.mayShrink && each.step.length > mostText ? shortened(each, mostText) : each,
  );
  const fields = fitted.map(({ field }) => field);
  const steps = fitted.map(({ step }) => step);
  const fixedLength = octetsOf(fitted, mostText);
  const missing = version === 9 && fixedLength > 0 && fixedLength < 4 ? 4 - fixedLength : 0;
  if (missing > 0) {
    fields.push({ elementId: PADDING_OCTETS, enterpriseNumber: 0, length: missing });
    steps.push({ kind: 'zero', slot: 0, length: missing, sourceLength: 0 });
  }
  return { fields, steps, fixedLength: fixedLength + missing, leftOut };
}

/** How long texts may be for a record to fit. */
function mostTextOctets(planned: readonly PlannedField[], mostOctets: number): number {
  let most = planned.reduce((longest, { mayShrink, step }) => Math.max(longest, mayShrink ? step.length : 0), 0);
  while (most > LEAST_TEXT_OCTETS && octetsOf(planned, most) > mostOctets) most--;
  return most;
}

/** Octets of a record without its variable-length fields, no text longer than `mostText`. */
function octetsOf(planned: readonly PlannedField[], mostText: number): number {
  return planned.reduce(
    (sum, { mayShrink, step }) => sum + (mayShrink ? Math.min(step.length, mostText) : step.length),
    0,
  );
}

function shortened({ field, step }: PlannedField, length: number): PlannedField {
  // Octets of a known number are copied as they are; of a text that is cut, whole characters.
  const kind = step.kind === 'octets' ? 'fixedText' : step.kind;
  return { field: { ...field, length }, step: { ...step, kind, length } };
}

function isSaidElsewhere({ field }: FieldEntry, layout: Layout, hasSampling: boolean): boolean {
  const name = field.field as FieldName;
  if (name === 'samplingOrigin') return true;
  if (name === 'samplingInterval') return !hasSampling;
  if (name === 'startMs') return hasElement(layout, FINER_START);
  if (name === 'endMs') return hasElement(layout, FINER_END);
  const number = NAMED_BY[name];
  return number !== undefined && layout.has(number);
}

function hasElement({ entries }: Layout, ids: readonly number[]): boolean {
  return entries.some(
    (entry) => entry.kind === 'element' && entry.enterpriseNumber === 0 && ids.includes(entry.elementId),
  );
}

function planField(
  { field, maxOctets }: FieldEntry,
  version: TemplateVersion,
  registry: ElementLookup,
): PlannedField | undefined {
  const name = field.field as FieldName;
  const element = elementOfField(name, version, registry);
  if (element === undefined) return undefined;
  const number = wireNumber(version, element.enterpriseNumber, element.id);
  if (number === undefined) return undefined;
  const planned = (length: number, step: Partial<ExportStep> & Pick<ExportStep, 'kind'>): PlannedField => ({
    field: { ...number, length },
    step: {
      slot: SLOT[name],
      length: length === VARIABLE_LENGTH ? 0 : length,
      sourceLength: Math.min(maxOctets, field.type === 'u64' ? 8 : 4),
      ...step,
    },
  });
  const isVariable = version === 10;
  const fixedText = textOctets(element.enterpriseNumber, element.id);
  switch (field.type) {
    case 'time':
      return planned(8, { kind: 'milliseconds' });
    case 'ipv6':
      return planned(16, { kind: 'octets' });
    case 'mac':
      return planned(6, { kind: 'octets' });
    case 'text':
      return isVariable
        ? planned(VARIABLE_LENGTH, { kind: 'variable', sourceLength: -1 })
        : { ...planned(fixedText, { kind: 'fixedText', sourceLength: -1 }), mayShrink: true };
    case 'application':
      return planned(Math.max(2, Math.min(maxOctets, 8)), { kind: 'application', sourceLength: -1 });
    case 'name':
      // Other names were looked up by a number that is there; these were found in payload.
      if (element.id !== APPLICATION_NAME && !APPLICATION_FIELDS.has(name)) return undefined;
      return isVariable
        ? planned(VARIABLE_LENGTH, { kind: 'variableName' })
        : { ...planned(fixedText, { kind: 'fixedName' }), mayShrink: true };
    case 'u64':
      return planned(maxOctets <= 4 ? 4 : 8, { kind: 'long' });
    case 'duration':
      return planned(4, { kind: 'duration' });
    default: {
      if (isMplsSection(element)) return planned(3, { kind: 'mplsLabel' });
      return planned(wholeOctets(Math.min(maxOctets, fieldOctets(name))), { kind: 'word' });
    }
  }
}

/** Fewer programs read numbers of three octets than of four. */
function wholeOctets(octets: number): number {
  return octets === 3 ? 4 : Math.max(1, octets);
}

/** An element's octets as they came, where `version` can carry them. */
function planElement(entry: ElementEntry, version: TemplateVersion): PlannedField | undefined {
  const { enterpriseNumber, elementId, length, positionSlot, value } = entry;
  const number = wireNumber(version, enterpriseNumber, elementId);
  if (number === undefined) return undefined;
  const step = { slot: positionSlot, length: 0, sourceLength: length };
  // They would count from another start.
  if (version === 9 && enterpriseNumber === 0 && SYSTEM_UP_TIMES.has(elementId)) return undefined;
  if (length >= 0) return { field: { ...number, length }, step: { ...step, kind: 'octets', length } };
  if (version === 10) return { field: { ...number, length: VARIABLE_LENGTH }, step: { ...step, kind: 'variable' } };
  if (value === 'string') {
    const octets = textOctets(enterpriseNumber, elementId);
    return {
      field: { ...number, length: octets },
      step: { ...step, kind: 'fixedText', length: octets },
      mayShrink: true,
    };
  }
  if (!NUMBERS.has(value)) return undefined;
  return { field: { ...number, length: 8 }, step: { ...step, kind: 'fixedNumber', length: 8 } };
}
