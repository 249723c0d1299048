/** By which number an Information Element goes out, in NetFlow v9 and in IPFIX, and in how many octets. */

import { FIELD_BY_NAME, type FieldName } from '../../flow/fields.ts';
import type { AbstractDataType, InformationElement } from '../../ie/element.ts';
import type { ElementLookup } from '../../ie/registry.ts';

/** Field Length of a variable-length field (RFC 7011 section 7). */
export const VARIABLE_LENGTH = 65_535;
/** Private Enterprise Numbers that NetFlow v9 carries at an offset: ntop's own documents, and Cisco's (enterprise bit of v9 days). */
const NETFLOW9_OFFSETS: ReadonlyMap<number, number> = new Map([
  [35_632, 57_472],
  [9, 32_768],
]);
const REVERSE_ENTERPRISE = 29_305;
/** NetFlow v9 has no reverse elements: what Cisco's firewalls send for the responder (231, 232, 298, 299), and ntop's flags. */
const NETFLOW9_REVERSE: ReadonlyMap<number, number> = new Map([
  [1, 232],
  [2, 299],
  [6, 57_551],
]);
/** Fields of protocols without elements have numbers from here on, which nobody else knows: NetFlow v1's. */
const FIRST_MADE_UP_ENTERPRISE = 0x7fff_fffe;
/** Lengths and counts whose elements are narrower than the field. Identifiers are not cut: the largest that fits would be another one. */
const NARROW_FIELDS: ReadonlyMap<FieldName, number> = new Map([
  ['frameLength', 2],
  ['fragments', 2],
  ['reverseFragments', 2],
]);
/** mplsTopLabelStackSection to mplsLabelStackSection10: label, experimental bits and bottom of stack (RFC 5102 section 5.8.1). */
const MPLS_SECTIONS = { first: 70, last: 79, octets: 3 };
/**
 * Octets of a text in NetFlow v9, whose fields have fixed lengths: those nProbe documents for its own, else the last. Its 16 octets for
 * processes are those of the kernel's short names; these are paths, for which, as for users and command lines, it takes more.
 */
const NTOP_TEXT_LENGTHS: ReadonlyMap<number, number> = new Map([
  [119, 16],
  [183, 256],
  [180, 128],
  [187, 64],
  // Paths of processes and of their fathers.
  [169, 128],
  [374, 128],
  [376, 128],
  [379, 128],
  // Users; useradd(8) allows 32.
  [372, 32],
  [377, 32],
  [565, 32],
  [568, 32],
  // Command lines.
  [556, 128],
  [557, 128],
]);
const TEXT_LENGTH = 64;

/** The protocols that have Templates. */
export type TemplateVersion = 9 | 10;

/** One field of a Template as it goes out (RFC 7011 section 3.2). */
export interface WireField {
  /** Element number without the enterprise bit; in NetFlow v9 its field type. */
  readonly elementId: number;
  /** 0 for IANA's elements and for all of NetFlow v9. */
  readonly enterpriseNumber: number;
  /** Octets, or {@link VARIABLE_LENGTH}. */
  readonly length: number;
}

/** The number of an element in `version`, or undefined where it has none there. */
export function wireNumber(
  version: TemplateVersion,
  enterpriseNumber: number,
  elementId: number,
): Omit<WireField, 'length'> | undefined {
  if (enterpriseNumber >= FIRST_MADE_UP_ENTERPRISE) return undefined;
  if (version === 10) return elementId > 0x7fff || elementId === 0 ? undefined : { elementId, enterpriseNumber };
  if (enterpriseNumber === 0) return elementId === 0 ? undefined : { elementId, enterpriseNumber };
  const fieldType =
    enterpriseNumber === REVERSE_ENTERPRISE
      ? NETFLOW9_REVERSE.get(elementId)
      : elementId + (NETFLOW9_OFFSETS.get(enterpriseNumber) ?? 0x10000);
  return fieldType === undefined || fieldType > 0xffff ? undefined : { elementId: fieldType, enterpriseNumber: 0 };
}

/** The element that stands for a flow field and has a number in `version`, or undefined where none does. */
export function elementOfField(
  name: FieldName,
  version: TemplateVersion,
  registry: ElementLookup,
): InformationElement | undefined {
  const { iana, ntop, type } = FIELD_BY_NAME.get(name)!;
  // Our words for what was found in a packet are not those of IANA's registry.
  if (type === 'choice') return undefined;
  const elements = [registry.findByName(iana), registry.findByName(ntop)];
  return elements.find(
    (element) => element !== undefined && wireNumber(version, element.enterpriseNumber, element.id) !== undefined,
  );
}

/** Whether an element is an entry of an MPLS label stack. */
export function isMplsSection({ enterpriseNumber, id }: InformationElement): boolean {
  return enterpriseNumber === 0 && id >= MPLS_SECTIONS.first && id <= MPLS_SECTIONS.last;
}

/** Most octets that a value of the field takes. */
export function fieldOctets(name: FieldName): number {
  const narrow = NARROW_FIELDS.get(name);
  if (narrow !== undefined) return narrow;
  switch (FIELD_BY_NAME.get(name)!.type) {
    case 'u8':
      return 1;
    case 'u16':
      return 2;
    case 'u64':
    case 'time':
    case 'application':
      return 8;
    case 'ipv6':
      return 16;
    case 'mac':
      return 6;
    default:
      return 4;
  }
}

const TYPE_OCTETS: Readonly<Partial<Record<AbstractDataType, number>>> = {
  unsigned8: 1,
  signed8: 1,
  boolean: 1,
  unsigned16: 2,
  signed16: 2,
  unsigned32: 4,
  signed32: 4,
  float32: 4,
  dateTimeSeconds: 4,
  ipv4Address: 4,
  macAddress: 6,
  unsigned64: 8,
  signed64: 8,
  float64: 8,
  dateTimeMilliseconds: 8,
  dateTimeMicroseconds: 8,
  dateTimeNanoseconds: 8,
  ipv6Address: 16,
  unsigned256: 32,
};

const APPLICATION_ID = 95;

/** Octets of an element by its type (RFC 7011 section 6.1): variable for texts and octets in IPFIX, fixed ones in NetFlow v9. */
export function elementOctets(version: TemplateVersion, element: InformationElement): number {
  const { enterpriseNumber, id, type } = element;
  if (isMplsSection(element)) return MPLS_SECTIONS.octets;
  if (enterpriseNumber === 0 && id === APPLICATION_ID) return 4;
  const octets = TYPE_OCTETS[type];
  if (octets !== undefined) return octets;
  return version === 10 ? VARIABLE_LENGTH : textOctets(enterpriseNumber, id);
}

/** Whether an element is of no length of its own: in NetFlow v9 we say how long it is. */
export function isText(element: InformationElement): boolean {
  return elementOctets(10, element) === VARIABLE_LENGTH;
}

/** Octets of a text in NetFlow v9. */
export function textOctets(enterpriseNumber: number, elementId: number): number {
  return (enterpriseNumber === 35_632 ? NTOP_TEXT_LENGTHS.get(elementId) : undefined) ?? TEXT_LENGTH;
}
