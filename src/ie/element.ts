/**
 * What an Information Element is, and the code tables by which exporters describe elements of their own (RFC 5610).
 */

/** Abstract data types; a type's place is its code in RFC 5610 section 3.1 and IANA's "IPFIX Information Element Data Types". */
export const ABSTRACT_DATA_TYPES = [
  'octetArray',
  'unsigned8',
  'unsigned16',
  'unsigned32',
  'unsigned64',
  'signed8',
  'signed16',
  'signed32',
  'signed64',
  'float32',
  'float64',
  'boolean',
  'macAddress',
  'string',
  'dateTimeSeconds',
  'dateTimeMilliseconds',
  'dateTimeMicroseconds',
  'dateTimeNanoseconds',
  'ipv4Address',
  'ipv6Address',
  'basicList',
  'subTemplateList',
  'subTemplateMultiList',
  'unsigned256',
] as const;

/** How the octets of an element are read (RFC 7012 section 3.1, RFC 6313 section 4.5, RFC 9740 for unsigned256). */
export type AbstractDataType = (typeof ABSTRACT_DATA_TYPES)[number];

/** Semantics; a word's place is its code in RFC 5610 section 3.6 and IANA's "IPFIX Information Element Semantics". */
export const SEMANTICS = [
  'default',
  'quantity',
  'totalCounter',
  'deltaCounter',
  'identifier',
  'flags',
  'list',
  'snmpCounter',
  'snmpGauge',
] as const;

/** What the value of an element stands for (RFC 7012 section 3.2, RFC 6313, RFC 8038). */
export type Semantics = (typeof SEMANTICS)[number];

/** Units; a unit's place is its code in RFC 5610 section 3.7 and IANA's "IPFIX Information Element Units". */
export const UNITS = [
  'none',
  'bits',
  'octets',
  'packets',
  'flows',
  'seconds',
  'milliseconds',
  'microseconds',
  'nanoseconds',
  '4-octet words',
  'messages',
  'hops',
  'entries',
  'frames',
  'ports',
  'inferred',
] as const;

/** What the value of an element is counted in. */
export type Units = (typeof UNITS)[number];

/** One Information Element, shared by all who look it up: never changed once made (RFC 7012 section 2). */
export interface InformationElement {
  /** Private Enterprise Number; 0 for IANA's elements and for NetFlow version 9 field types of no enterprise. */
  readonly enterpriseNumber: number;
  /** Element number without the enterprise bit; up to 65535 for a NetFlow version 9 field type, else up to 32767. */
  readonly id: number;
  /** Name in IANA's or the enterprise's spelling; starts with a letter, then letters, digits, underscores, hyphens. */
  readonly name: string;
  /** ntop's name where it is another than `name`, else undefined. */
  readonly ntopName: string | undefined;
  /** How its octets are read; the length on the wire may be smaller (RFC 7011 section 6.2). */
  readonly type: AbstractDataType;
  /** What its value stands for. */
  readonly semantics: Semantics;
  /** What its value is counted in. */
  readonly units: Units;
  /** True when it describes the opposite direction of a biflow (RFC 5103). */
  readonly isReverse: boolean;
}

/** Longest name, in characters, that an exporter may give an element. */
export const MAX_NAME_LENGTH = 127;

/**
 * What a name must look like, as the source of a regular expression; also the form definition files are held to.
 * Hyphens are against RFC 7012 section 2.3, but CERT has them (`httpX-Forwarded-For`).
 */
export const NAME_PATTERN = '^[A-Za-z][A-Za-z0-9_-]*$';

const NAME_FORM = new RegExp(NAME_PATTERN);

/** The data type with this code, or undefined for a code not assigned (RFC 5610 section 3.1). */
export function abstractDataTypeOfCode(code: number): AbstractDataType | undefined {
  return ABSTRACT_DATA_TYPES[code];
}

/** The code of a data type (RFC 5610 section 3.1). */
export function codeOfAbstractDataType(type: AbstractDataType): number {
  return ABSTRACT_DATA_TYPES.indexOf(type);
}

/** The semantics with this code, or undefined for a code not assigned (RFC 5610 section 3.6). */
export function semanticsOfCode(code: number): Semantics | undefined {
  return SEMANTICS[code];
}

/** The code of semantics (RFC 5610 section 3.6). */
export function codeOfSemantics(semantics: Semantics): number {
  return SEMANTICS.indexOf(semantics);
}

/** The units with this code, or undefined for a code not assigned (RFC 5610 section 3.7). */
export function unitsOfCode(code: number): Units | undefined {
  return UNITS[code];
}

/** The code of units (RFC 5610 section 3.7). */
export function codeOfUnits(units: Units): number {
  return UNITS.indexOf(units);
}

/** An Information Element Type Options Record as read from the wire (RFC 5610 section 3.9). */
export interface TypeInformation {
  /** privateEnterpriseNumber (346). */
  readonly enterpriseNumber: number;
  /** informationElementId (303). */
  readonly id: number;
  /** informationElementName (341), trailing NULs of a fixed length field taken off. */
  readonly name: string;
  /** informationElementDataType (339). */
  readonly dataTypeCode: number;
  /** informationElementSemantics (344), 0 when the record has none. */
  readonly semanticsCode: number;
  /** informationElementUnits (345), 0 when the record has none. */
  readonly unitsCode: number;
}

/**
 * The element an exporter describes, or undefined where it cannot be used: a data type not assigned, a number outside
 * its range, a name that is none or over {@link MAX_NAME_LENGTH}. Semantics and units not assigned become the
 * defaults, since no value is read differently for them.
 */
export function elementOfTypeInformation(record: TypeInformation): InformationElement | undefined {
  const type = abstractDataTypeOfCode(record.dataTypeCode);
  if (type === undefined) return undefined;
  if (!isWithin(record.enterpriseNumber, 0, 0xffffffff) || !isWithin(record.id, 0, 0x7fff)) return undefined;
  if (record.name.length > MAX_NAME_LENGTH || !NAME_FORM.test(record.name)) return undefined;
  return {
    enterpriseNumber: record.enterpriseNumber,
    id: record.id,
    name: record.name,
    ntopName: undefined,
    type,
    semantics: semanticsOfCode(record.semanticsCode) ?? 'default',
    units: unitsOfCode(record.unitsCode) ?? 'none',
    isReverse: false,
  };
}

function isWithin(value: number, least: number, most: number): boolean {
  return Number.isInteger(value) && value >= least && value <= most;
}
