import type { TemplateVersion, WireField } from './export-element.ts';

/** First Template ID of Data Records; those before it are for options data (RFC 7011 section 3.4.1: 256 and up are free). */
export const FIRST_TEMPLATE_ID = 272;
/** Templates in use at a time; beyond, the one not used for longest makes room. */
export const MAX_TEMPLATES = 2048;

/** A Template as it goes out. */
export interface ExportTemplate {
  /** Template ID. */
  readonly id: number;
  readonly fields: readonly WireField[];
  /** How many of the first fields are the scope of an Options Template; -1 for a Template. */
  readonly scopeFieldCount: number;
  /** The Template Record, octet by octet. */
  readonly octets: Uint8Array;
  /** Its number was given to another Template. */
  isRetired: boolean;
  /** Number of the use; grows. */
  usedAt: number;
}

/** Makes a Template: its record by RFC 7011 section 3.4 or, for version 9, RFC 3954 sections 5.2 and 6.1. */
export function makeTemplate(
  version: TemplateVersion,
  id: number,
  fields: readonly WireField[],
  scopeFieldCount = -1,
): ExportTemplate {
  const specifiers = fields.map(({ elementId, enterpriseNumber, length }) =>
    enterpriseNumber === 0
      ? [...u16(elementId), ...u16(length)]
      : [...u16(elementId | 0x8000), ...u16(length), ...u16(enterpriseNumber >>> 16), ...u16(enterpriseNumber)],
  );
  const isOptions = scopeFieldCount >= 0;
  const head =
    version === 9
      ? isOptions
        ? [...u16(id), ...u16(4 * scopeFieldCount), ...u16(4 * (fields.length - scopeFieldCount))]
        : [...u16(id), ...u16(fields.length)]
      : [...u16(id), ...u16(fields.length), ...(isOptions ? u16(scopeFieldCount) : [])];
  return {
    id,
    fields,
    scopeFieldCount,
    octets: Uint8Array.from([head, ...specifiers].flat()),
    isRetired: false,
    usedAt: 0,
  };
}

function u16(value: number): number[] {
  return [(value >>> 8) & 0xff, value & 0xff];
}

/** The Templates of one export: layouts whose records have the same fields share one. */
export class ExportTemplates {
  /** Templates whose number went to another. */
  retired = 0;
  private readonly version: TemplateVersion;
  private readonly bySignature = new Map<string, ExportTemplate>();
  private readonly limit: number;
  private uses = 0;

  constructor(version: TemplateVersion, limit = MAX_TEMPLATES) {
    this.version = version;
    this.limit = limit;
  }

  /** The Template of these fields. */
  of(fields: readonly WireField[]): ExportTemplate {
    const signature = fields.map((field) => `${field.enterpriseNumber}.${field.elementId}.${field.length}`).join(' ');
    let template = this.bySignature.get(signature);
    if (template === undefined) {
      const id = this.bySignature.size < this.limit ? FIRST_TEMPLATE_ID + this.bySignature.size : this.retire();
      template = makeTemplate(this.version, id, fields);
      this.bySignature.set(signature, template);
    }
    this.touch(template);
    return template;
  }

  /** Notes that a Template is in use. */
  touch(template: ExportTemplate): void {
    template.usedAt = ++this.uses;
  }

  private retire(): number {
    let oldest: string | undefined;
    let least = Number.POSITIVE_INFINITY;
    for (const [signature, { usedAt }] of this.bySignature) {
      if (usedAt >= least) continue;
      least = usedAt;
      oldest = signature;
    }
    const template = this.bySignature.get(oldest!)!;
    this.bySignature.delete(oldest!);
    template.isRetired = true;
    this.retired++;
    return template.id;
  }
}
