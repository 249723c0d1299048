/** Builds IPFIX Messages (RFC 7011), right or deliberately wrong. */

import { joined, type Octets, u16, u32 } from './wire-octets.ts';

/** Field Length of a variable-length field. */
export const VARIABLE = 65535;

/** A Field Specifier: element, octets, and enterprise number where the enterprise bit is set. */
export type Field = readonly [elementId: number, length: number, enterpriseNumber?: number];

/** Parts of a message header that a test may set; lengths default to what is true. */
export interface MessageHeader {
  readonly exportTime?: number;
  readonly sequence?: number;
  readonly domain?: number;
  /** Length field, right or wrong. */
  readonly length?: number;
  readonly version?: number;
}

/** Export time of messages that give none: 2023-11-14 22:13:20 UTC. */
export const EXPORT_TIME = 1_700_000_000;

/** An IPFIX Message of these Sets (RFC 7011 section 3.1). */
export function message(sets: readonly Octets[], header: MessageHeader = {}): Octets {
  const content = joined(...sets);
  const { exportTime = EXPORT_TIME, sequence = 0, domain = 1, length = 16 + content.length, version = 10 } = header;
  return joined(u16(version), u16(length), u32(exportTime), u32(sequence), u32(domain), content);
}

/** A Set; `length` is its length field, right or wrong (RFC 7011 section 3.3.2). */
export function set(id: number, content: Octets, length = content.length + 4): Octets {
  return joined(u16(id), u16(length), content);
}

/** Field Specifiers (RFC 7011 section 3.2). */
export function specifiers(fields: readonly Field[]): Octets {
  return joined(
    ...fields.map(([id, length, enterprise]) =>
      enterprise === undefined ? joined(u16(id), u16(length)) : joined(u16(id | 0x8000), u16(length), u32(enterprise)),
    ),
  );
}

/** A Template Record; `count` is its Field Count, right or wrong (RFC 7011 section 3.4.1). */
export function templateRecord(id: number, fields: readonly Field[], count = fields.length): Octets {
  return joined(u16(id), u16(count), specifiers(fields));
}

/** An Options Template Record (RFC 7011 section 3.4.2.2). */
export function optionsTemplateRecord(
  id: number,
  scope: readonly Field[],
  fields: readonly Field[],
  scopeCount = scope.length,
  count = scope.length + fields.length,
): Octets {
  return joined(u16(id), u16(count), u16(scopeCount), specifiers([...scope, ...fields]));
}

/** A Template Set with one Template. */
export function templateSet(id: number, fields: readonly Field[]): Octets {
  return set(2, templateRecord(id, fields));
}

/** An Options Template Set with one Options Template. */
export function optionsTemplateSet(id: number, scope: readonly Field[], fields: readonly Field[]): Octets {
  return set(3, optionsTemplateRecord(id, scope, fields));
}

/** A Data Set of records. */
export function dataSet(templateId: number, ...records: readonly Octets[]): Octets {
  return set(templateId, joined(...records));
}

/** A Template Withdrawal in its Set (RFC 7011 section 8.1). */
export function withdrawal(id: number, setId = 2): Octets {
  return set(setId, joined(u16(id), u16(0)));
}
