import type { FieldSpecifier, Template } from './template.ts';

/** Enterprise number, unused by IANA, under which the fields that only NetFlow v1 and v7 have are kept. */
export const LEGACY_ENTERPRISE = 0x7fff_fffe;

/** Elements of {@link LEGACY_ENTERPRISE}. */
export const LEGACY_ELEMENTS = {
  /** Which fields of a v7 record are valid, first part. */
  flags1: 1,
  /** The same, second part. */
  flags2: 2,
  /** Router that a v7 switch bypassed. */
  routerShortcut: 3,
  /** v1: retransmitted packets. */
  retransmittedPackets: 4,
  /** v1: seconds between first and last retransmission. */
  retransmissionSeconds: 5,
  /** v1: packets out of sequence. */
  misorderedPackets: 6,
} as const;

const PADDING = 210;

/** Shape of the export formats that have no Templates ("NetFlow Services Solutions Guide", Cisco, appendix on export formats). */
export interface FixedFormat {
  readonly version: 1 | 5 | 7;
  readonly headerLength: number;
  /** The record's layout, as a Template whose elements are NetFlow v9's. */
  readonly template: Template;
}

function fixedFormat(
  version: 1 | 5 | 7,
  headerLength: number,
  layout: readonly (readonly [number, number, number?])[],
): FixedFormat {
  const fields: FieldSpecifier[] = layout.map(([elementId, length, enterpriseNumber = 0]) => ({
    elementId,
    enterpriseNumber,
    length,
  }));
  const minRecordLength = fields.reduce((sum, field) => sum + field.length, 0);
  const template = {
    id: 0,
    version: 9,
    fields,
    scopeFieldCount: -1,
    minRecordLength,
    signature: `NetFlow v${version}`,
    words: [],
  };
  return { version, headerLength, template };
}

// prettier keeps one field a line; the pairs are element and octets
const ADDRESSES_AND_COUNTERS = [
  [8, 4],
  [12, 4],
  [15, 4],
  [10, 2],
  [14, 2],
  [2, 4],
  [1, 4],
  [22, 4],
  [21, 4],
  [7, 2],
  [11, 2],
] as const;

/** NetFlow v1. */
export const NETFLOW1 = fixedFormat(1, 16, [
  ...ADDRESSES_AND_COUNTERS,
  [PADDING, 2],
  [4, 1],
  [5, 1],
  [6, 1],
  [LEGACY_ELEMENTS.retransmittedPackets, 1, LEGACY_ENTERPRISE],
  [LEGACY_ELEMENTS.retransmissionSeconds, 1, LEGACY_ENTERPRISE],
  [LEGACY_ELEMENTS.misorderedPackets, 1, LEGACY_ENTERPRISE],
  [PADDING, 4],
]);

/** NetFlow v5. */
export const NETFLOW5 = fixedFormat(5, 24, [
  ...ADDRESSES_AND_COUNTERS,
  [PADDING, 1],
  [6, 1],
  [4, 1],
  [5, 1],
  [16, 2],
  [17, 2],
  [9, 1],
  [13, 1],
  [PADDING, 2],
]);

/** NetFlow v7, of Catalyst 5000 switches. */
export const NETFLOW7 = fixedFormat(7, 24, [
  ...ADDRESSES_AND_COUNTERS,
  [LEGACY_ELEMENTS.flags1, 1, LEGACY_ENTERPRISE],
  [6, 1],
  [4, 1],
  [5, 1],
  [16, 2],
  [17, 2],
  [9, 1],
  [13, 1],
  [LEGACY_ELEMENTS.flags2, 2, LEGACY_ENTERPRISE],
  [LEGACY_ELEMENTS.routerShortcut, 4, LEGACY_ENTERPRISE],
]);
