import { type FieldSpecifier, type Template, VARIABLE_LENGTH } from '../decode/template.ts';
import type { ElementValue } from '../flow/layout.ts';
import type { ElementLookup } from '../ie/registry.ts';
import { toldSlot } from './options-lesson.ts';
import { describeElement, elementValue, isListType, keysBesideOrigin, type ListField } from './record-plan.ts';

/** Scope type of NetFlow v9 (RFC 3954 section 6.1) that gives an ifIndex. */
const SCOPE_INTERFACE = 2;
const INGRESS_INTERFACE = 10;

/** A field of an Options Template's records. */
export interface OptionsField {
  /** Octets on the wire, or `VARIABLE_LENGTH`. */
  readonly length: number;
  /** Keys in the line. */
  readonly ntop: string;
  readonly iana: string;
  readonly value: ElementValue;
  /** The type of list (RFC 6313) it is, or undefined. */
  readonly list: ListField['type'] | undefined;
  /** Place in `ToldFields` where something is learned of it, else -1. */
  readonly toldSlot: number;
}

/** How the records of an Options Template are read. */
export interface OptionsPlan {
  readonly fields: readonly OptionsField[];
  readonly hasVariableLength: boolean;
  /** Records with equal octets say the same, whenever and from wherever they come. */
  readonly dependsOnOctetsOnly: boolean;
}

/** Plans the reading of an Options Template's records. */
export function planOptions(template: Template, registry: ElementLookup): OptionsPlan {
  const { version, scopeFieldCount } = template;
  const fields = template.fields.map((specifier, i) =>
    version === 9 && i < scopeFieldCount ? scopeField(specifier, registry) : elementField(version, specifier, registry),
  );
  return {
    fields,
    hasVariableLength: fields.some(({ length }) => length === VARIABLE_LENGTH),
    // What lists hold depends on other Templates, and NTP times are read by the export time.
    dependsOnOctetsOnly: fields.every(
      ({ value, list }) => list === undefined && value !== 'ntpMicroseconds' && value !== 'ntpNanoseconds',
    ),
  };
}

function elementField(version: number, specifier: FieldSpecifier, registry: ElementLookup): OptionsField {
  const { elementId, enterpriseNumber, length } = specifier;
  const { element, ntop, iana, type } = describeElement(version, specifier, registry);
  const keys = keysBesideOrigin(specifier, { ntop, iana });
  return {
    length,
    ntop: keys.ntop,
    iana: keys.iana,
    value: elementValue(element, type, length),
    list: isListType(type) ? type : undefined,
    toldSlot: enterpriseNumber === 0 ? toldSlot(elementId) : -1,
  };
}

/** Scope types have numbers of their own. Values of more than 8 octets come out in hexadecimal. */
function scopeField({ elementId, length }: FieldSpecifier, registry: ElementLookup): OptionsField {
  const scope = registry.findNetflow9Scope(elementId)?.name.replace(/^scope/, '') ?? String(elementId);
  const name = `SCOPE_${scope.toUpperCase()}`;
  const slot = elementId === SCOPE_INTERFACE ? toldSlot(INGRESS_INTERFACE) : -1;
  return { length, ntop: name, iana: name, value: 'unsigned', list: undefined, toldSlot: slot };
}
