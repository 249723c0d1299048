/** Builds NetFlow v9 Export Packets (RFC 3954), right or deliberately wrong. */

import { joined, type Octets, u16, u32 } from './wire-octets.ts';

/** Type and length of a field. */
export type Field9 = readonly [type: number, length: number];

/** Parts of a packet header that a test may set. */
export interface PacketHeader {
  readonly count?: number;
  readonly sysUpTimeMs?: number;
  readonly exportTime?: number;
  readonly sequence?: number;
  readonly sourceId?: number;
}

/** An Export Packet of these FlowSets (RFC 3954 section 5.1). */
export function v9Packet(sets: readonly Octets[], header: PacketHeader = {}): Octets {
  const {
    count = sets.length,
    sysUpTimeMs = 3_600_000,
    exportTime = 1_700_000_000,
    sequence = 0,
    sourceId = 1,
  } = header;
  return joined(u16(9), u16(count), u32(sysUpTimeMs), u32(exportTime), u32(sequence), u32(sourceId), ...sets);
}

/** A FlowSet, padded to four octets as section 5.3 wants; `length` replaces the true length. */
export function flowSet(id: number, content: Octets, length?: number): Octets {
  const padding = (4 - (content.length % 4)) % 4;
  return joined(u16(id), u16(length ?? 4 + content.length + padding), content, new Uint8Array(padding));
}

/** A Template Record (section 5.2). */
export function v9TemplateRecord(id: number, fields: readonly Field9[], count = fields.length): Octets {
  return joined(u16(id), u16(count), ...fields.flatMap(([type, length]) => [u16(type), u16(length)]));
}

/** A Template FlowSet with one Template. */
export function v9TemplateSet(id: number, fields: readonly Field9[]): Octets {
  return flowSet(0, v9TemplateRecord(id, fields));
}

/** An Options Template Record (section 6.1); lengths of its field lists are in octets. */
export function v9OptionsTemplateRecord(
  id: number,
  scope: readonly Field9[],
  fields: readonly Field9[],
  scopeLength = scope.length * 4,
  optionLength = fields.length * 4,
): Octets {
  const list = [...scope, ...fields].flatMap(([type, length]) => [u16(type), u16(length)]);
  return joined(u16(id), u16(scopeLength), u16(optionLength), ...list);
}

/** An Options Template FlowSet with one Options Template. */
export function v9OptionsTemplateSet(id: number, scope: readonly Field9[], fields: readonly Field9[]): Octets {
  return flowSet(1, v9OptionsTemplateRecord(id, scope, fields));
}

/** A Data FlowSet of records. */
export function v9DataSet(templateId: number, ...records: readonly Octets[]): Octets {
  return flowSet(templateId, joined(...records));
}
