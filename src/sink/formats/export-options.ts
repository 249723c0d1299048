/** Options data that an export sends of its own accord: sampling, names, where flows come from, and what the export did. */

import type { TemplateVersion, WireField } from './export-element.ts';
import { VARIABLE_LENGTH } from './export-element.ts';
import { type ExportTemplate, makeTemplate } from './export-template.ts';

/** Kinds of options record; the Template ID of each is 256 plus its place. */
export const OPTIONS_KINDS = [
  'sampling',
  'sampler',
  'selector',
  'interface',
  'application',
  'vrf',
  'longInterface',
  'longApplication',
  'longVrf',
  'exporterIPv4',
  'exporterIPv6',
  'statistics',
] as const;

/** One of {@link OPTIONS_KINDS}. */
export type OptionsKind = (typeof OPTIONS_KINDS)[number];

const FIRST_OPTIONS_ID = 256;
/** Scope types of NetFlow v9 (RFC 3954 section 6.1). */
const SCOPE_SYSTEM = 1;
const SCOPE_INTERFACE = 2;
/** Octets of a name: Exporters send them in fixed lengths, and nfcapd knows no others in options data. Longer ones have Templates of their own. */
export const NAME_OCTETS = 64;
const NETFLOW9_LONG_NAME_OCTETS = 256;
/** Octets of an application id, engine and selector, of all that Cisco's routers and nDPI send. */
export const APPLICATION_OCTETS = 4;

type Pair = readonly [elementId: number, length: number];

/** Scope fields, then the others. IPFIX scopes are elements (RFC 7011 section 3.4.2.1), those of NetFlow v9 are not. */
function layoutOf(
  version: TemplateVersion,
  kind: OptionsKind,
): readonly [scope: readonly Pair[], fields: readonly Pair[]] {
  const isIpfix = version === 10;
  const name = NAME_OCTETS;
  const longName = isIpfix ? VARIABLE_LENGTH : NETFLOW9_LONG_NAME_OCTETS;
  /** Scoped by an element in IPFIX; by the whole Exporter, with the element beside, in NetFlow v9. */
  const by = (scope: Pair, ...fields: readonly Pair[]): readonly [readonly Pair[], readonly Pair[]] =>
    isIpfix ? [[scope], fields] : [[[SCOPE_SYSTEM, 4]], [scope, ...fields]];
  /** Scoped by the Observation Domain, which is all there is to say in NetFlow v9. */
  const ofDomain = (...fields: readonly Pair[]): readonly [readonly Pair[], readonly Pair[]] => [
    [isIpfix ? [149, 4] : [SCOPE_SYSTEM, 4]],
    fields,
  ];
  switch (kind) {
    case 'sampling':
      return ofDomain([34, 4], [35, 1]);
    case 'sampler':
      return by([48, 4], [49, 1], [50, 4]);
    case 'selector':
      return by([302, 8], [304, 2], [305, 4], [306, 4]);
    case 'interface':
      return [[isIpfix ? [10, 4] : [SCOPE_INTERFACE, 4]], [[82, name]]];
    case 'longInterface':
      return [[isIpfix ? [10, 4] : [SCOPE_INTERFACE, 4]], [[82, longName]]];
    case 'application':
      return by([95, APPLICATION_OCTETS], [96, name]);
    case 'longApplication':
      return by([95, isIpfix ? VARIABLE_LENGTH : APPLICATION_OCTETS], [96, longName]);
    case 'vrf':
      return by([234, 4], [236, name]);
    case 'longVrf':
      return by([234, 4], [236, longName]);
    case 'exporterIPv4':
      return ofDomain([403, 4], [405, 4]);
    case 'exporterIPv6':
      return ofDomain([404, 16], [405, 4]);
    case 'statistics':
      return ofDomain([41, 8], [42, 8], [40, 8], [166, 8]);
  }
}

/** The Options Templates of one export. */
export class OptionsTemplates {
  private readonly templates: ReadonlyMap<OptionsKind, ExportTemplate>;

  constructor(version: TemplateVersion) {
    this.templates = new Map(
      OPTIONS_KINDS.map((kind, i) => {
        const [scope, fields] = layoutOf(version, kind);
        const wire = [...scope, ...fields].map(
          ([elementId, length]): WireField => ({ elementId, enterpriseNumber: 0, length }),
        );
        return [kind, makeTemplate(version, FIRST_OPTIONS_ID + i, wire, scope.length)];
      }),
    );
  }

  /** The Options Template of a kind. */
  of(kind: OptionsKind): ExportTemplate {
    return this.templates.get(kind)!;
  }
}

/**
 * The octets of an options record, value by value: a number in the field's octets, octets and text in as many as the field has, or with
 * their length in front where it varies.
 */
export function optionsRecord(template: ExportTemplate, values: readonly (number | Uint8Array | string)[]): Uint8Array {
  return Buffer.concat(template.fields.map(({ length }, i) => valueOctets(values[i]!, length)));
}

function valueOctets(value: number | Uint8Array | string, length: number): Uint8Array {
  if (typeof value === 'number') {
    const octets = Buffer.alloc(length);
    if (length <= 4) octets.writeUIntBE(Math.min(value, 256 ** length - 1), 0, length);
    else octets.writeBigUInt64BE(BigInt(value));
    return octets;
  }
  const octets = typeof value === 'string' ? Buffer.from(value, 'utf8') : value;
  if (length === VARIABLE_LENGTH) {
    const head = octets.length < 255 ? [octets.length] : [255, octets.length >> 8, octets.length & 0xff];
    return Buffer.concat([Uint8Array.from(head), octets]);
  }
  const fixed = Buffer.alloc(length);
  fixed.set(octets.subarray(0, wholeCharacters(octets, length)));
  return fixed;
}

/** UTF-8 is not cut within a character. */
function wholeCharacters(octets: Uint8Array, length: number): number {
  if (octets.length <= length) return octets.length;
  let end = length;
  while (end > 0 && (octets[end]! & 0xc0) === 0x80) end--;
  return end;
}
