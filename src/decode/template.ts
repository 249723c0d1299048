import type { Cursor } from '../bytes/cursor.ts';
import type { DecodeOutcome } from '../metrics/decode-counters.ts';

/** Field Length that announces a variable-length value (RFC 7011 section 7). */
export const VARIABLE_LENGTH = 0xffff;

/** Lowest id of a Template (RFC 7011 section 3.4.1, RFC 3954 section 5.2). */
export const FIRST_TEMPLATE_ID = 256;

/** Fields a Template may have; real ones have under a hundred. */
export const MAX_TEMPLATE_FIELDS = 512;

const ENTERPRISE_BIT = 0x8000;

/** One field of a Template Record (RFC 7011 section 3.2). */
export interface FieldSpecifier {
  readonly elementId: number;
  /** Private Enterprise Number; 0 for an IANA Information Element and for all of NetFlow v9. */
  readonly enterpriseNumber: number;
  /** Octets on the wire, or {@link VARIABLE_LENGTH}. */
  readonly length: number;
}

/** A Template or Options Template as an Exporter announced it (RFC 7011 section 3.4, RFC 3954 sections 5.2 and 6.1). */
export interface Template {
  readonly id: number;
  /** 9 or 10: whose numbering the elements follow. */
  readonly version: number;
  readonly fields: readonly FieldSpecifier[];
  /** Scope fields at the head of an Options Template's records; -1 for a Template. */
  readonly scopeFieldCount: number;
  /** The fewest octets a Data Record can take, always at least 1. */
  readonly minRecordLength: number;
  /** The announcement's own octets, from scope or field count to the last specifier: equal octets mean an equal layout. */
  readonly signature: string;
  /** The first octets of the signature, four a number, in so many as are whole: compared sooner than characters. */
  readonly words: readonly number[];
}

/** Whoever takes what a Template Set announces. */
export interface TemplateHandler {
  /** The Template it has under this id, for announcements that repeat it; those are handed over as that same object. */
  known(id: number): Template | undefined;
  /**
   * A Template of this id that anyone else announced by the octets `[start, end)` of `view`, from scope or field count to the
   * last specifier; it is handed over as that same object.
   */
  shared(
    id: number,
    version: number,
    scopeFieldCount: number,
    view: DataView,
    start: number,
    end: number,
  ): Template | undefined;
  /** A Template or Options Template; returns `ok` or why it was refused. */
  announce(template: Template): DecodeOutcome;
  /** A Template Withdrawal (RFC 7011 section 8.1); `id` 2 or 3 withdraws all Templates or all Options Templates. */
  withdraw(id: number): void;
}

/** The kinds of set that announce, by how their records look. */
export type TemplateSetKind = 'netflow9' | 'netflow9Options' | 'ipfix' | 'ipfixOptions';

/**
 * Reads the records of a Template Set or Options Template Set up to the cursor's end, handing over each one as soon as it is
 * complete. Records before a faulty one stay announced; padding behind the last one is skipped (RFC 7011 section 3.3.1).
 * A Template with empty records is refused: reading its data would never end.
 */
export function parseTemplateSet(cursor: Cursor, kind: TemplateSetKind, handler: TemplateHandler): DecodeOutcome {
  let outcome: DecodeOutcome = 'ok';
  while (cursor.remaining >= 4) {
    const result =
      kind === 'netflow9Options' ? parseNetflow9OptionsTemplate(cursor, handler) : parseTemplate(cursor, kind, handler);
    if (result === 'padding') break;
    if (result !== 'ok') outcome = result;
    if (cursor.overrun) break;
  }
  return outcome;
}

function parseTemplate(
  cursor: Cursor,
  kind: 'netflow9' | 'ipfix' | 'ipfixOptions',
  handler: TemplateHandler,
): DecodeOutcome | 'padding' {
  const id = cursor.u16();
  const fieldCount = cursor.u16();
  if (fieldCount === 0) {
    if (id === 0) return 'padding';
    if (kind !== 'netflow9') handler.withdraw(id);
    return kind === 'netflow9' ? 'template_record_empty' : 'ok';
  }
  const start = cursor.pos;
  let scopeFieldCount = -1;
  if (kind === 'ipfixOptions') {
    scopeFieldCount = cursor.u16();
    // Section 3.4.2.2 forbids 0; Exporters that send it mean a record about all of themselves.
    if (scopeFieldCount > fieldCount) return overrun(cursor, 'scope_invalid');
  }
  if (id < FIRST_TEMPLATE_ID) return overrun(cursor, 'template_id_reserved');
  const hasEnterpriseBit = kind !== 'netflow9';
  if (fieldCount * 4 > cursor.remaining) return overrun(cursor, 'template_truncated');
  return announce(cursor, handler, id, hasEnterpriseBit ? 10 : 9, fieldCount, scopeFieldCount, start, hasEnterpriseBit);
}

/** Options Templates of NetFlow v9 give the lengths of their field lists in octets (RFC 3954 section 6.1). */
function parseNetflow9OptionsTemplate(cursor: Cursor, handler: TemplateHandler): DecodeOutcome | 'padding' {
  const id = cursor.u16();
  const start = cursor.pos;
  const scopeLength = cursor.u16();
  if (id === 0 && scopeLength === 0) return 'padding';
  if (cursor.remaining < 2) return overrun(cursor, 'template_truncated');
  const optionLength = cursor.u16();
  if (scopeLength % 4 !== 0 || optionLength % 4 !== 0) return overrun(cursor, 'scope_invalid');
  if (scopeLength + optionLength > cursor.remaining) return overrun(cursor, 'template_truncated');
  if (id < FIRST_TEMPLATE_ID) return overrun(cursor, 'template_id_reserved');
  const fieldCount = (scopeLength + optionLength) / 4;
  if (fieldCount === 0) return 'template_record_empty';
  return announce(cursor, handler, id, 9, fieldCount, scopeLength / 4, start, false);
}

function announce(
  cursor: Cursor,
  handler: TemplateHandler,
  id: number,
  version: number,
  fieldCount: number,
  scopeFieldCount: number,
  start: number,
  hasEnterpriseBit: boolean,
): DecodeOutcome {
  if (fieldCount > MAX_TEMPLATE_FIELDS) return overrun(cursor, 'template_too_long');
  // Most announcements repeat what is known: a thousand Exporters that refresh every 20 datagrams made 3 MB/s of garbage.
  const known = handler.known(id);
  if (
    known !== undefined &&
    known.version === version &&
    known.scopeFieldCount === scopeFieldCount &&
    known.fields.length === fieldCount &&
    isAnnouncedBy(known, cursor.view, start, cursor.end)
  ) {
    cursor.pos = start + known.signature.length;
    return handler.announce(known);
  }
  const specifiersEnd = endOfSpecifiers(cursor, fieldCount, hasEnterpriseBit);
  const shared =
    specifiersEnd < 0 ? undefined : handler.shared(id, version, scopeFieldCount, cursor.view, start, specifiersEnd);
  if (shared !== undefined) {
    cursor.pos = specifiersEnd;
    return handler.announce(shared);
  }
  // The callers know that so many are there: the array is no longer than the octets.
  const fields = new Array<FieldSpecifier>(fieldCount);
  let minRecordLength = 0;
  for (let i = 0; i < fieldCount && !cursor.overrun; i++) {
    const field = parseFieldSpecifier(cursor, hasEnterpriseBit);
    fields[i] = field;
    minRecordLength += field.length === VARIABLE_LENGTH ? 1 : field.length;
  }
  if (cursor.overrun) return 'template_truncated';
  if (minRecordLength === 0) return 'template_record_empty';
  if (minRecordLength > 0xffff) return 'template_too_long';
  const signature = octetsAsText(cursor.view, start, cursor.pos);
  const words: number[] = [];
  for (let at = start; at + 4 <= cursor.pos; at += 4) words.push(cursor.view.getUint32(at));
  return handler.announce({ id, version, fields, scopeFieldCount, minRecordLength, signature, words });
}

/** Where the Field Specifiers at the cursor end, -1 where that is behind its end. */
function endOfSpecifiers({ view, pos, end }: Cursor, fieldCount: number, hasEnterpriseBit: boolean): number {
  if (!hasEnterpriseBit) return pos + 4 * fieldCount <= end ? pos + 4 * fieldCount : -1;
  let at = pos;
  for (let i = 0; i < fieldCount; i++) {
    if (at + 4 > end) return -1;
    at += (view.getUint8(at) & 0x80) === 0 ? 4 : 8;
  }
  return at <= end ? at : -1;
}

/** The only place where a Field Specifier is read. NetFlow v9 has no enterprise bit: its numbers use all 16 bits. */
function parseFieldSpecifier(cursor: Cursor, hasEnterpriseBit: boolean): FieldSpecifier {
  const type = cursor.u16();
  const length = cursor.u16();
  if (hasEnterpriseBit && (type & ENTERPRISE_BIT) !== 0) {
    return { elementId: type & ~ENTERPRISE_BIT, enterpriseNumber: cursor.u32(), length };
  }
  const key = type * 0x10000 + length;
  const known = sharedFields.get(key);
  if (known !== undefined) return known;
  const field: FieldSpecifier = { elementId: type, enterpriseNumber: 0, length };
  if (sharedFields.size < MAX_SHARED_FIELDS) sharedFields.set(key, field);
  return field;
}

/** Field Specifiers kept for all Templates: more than IANA has elements, each in several lengths. */
const MAX_SHARED_FIELDS = 4096;
/**
 * Without an Enterprise Number, by element and length, the same object for all Templates: with one for each field, 10,000
 * Templates of 25 fields took 26 MB, and with these 13.
 */
const sharedFields = new Map<number, FieldSpecifier>();

/** Leaves nothing to read: after a fault the rest of the set means nothing. */
function overrun(cursor: Cursor, fault: DecodeOutcome): DecodeOutcome {
  cursor.pos = cursor.end;
  cursor.overrun = true;
  return fault;
}

/** Whether the octets from `start`, of which `end` is the end, begin with a {@link Template.signature}. */
export function isAnnouncedBy({ signature, words }: Template, view: DataView, start: number, end: number): boolean {
  if (start + signature.length > end) return false;
  for (let i = 0; i < words.length; i++) if (view.getUint32(start + 4 * i) !== words[i]) return false;
  for (let i = 4 * words.length; i < signature.length; i++) {
    if (view.getUint8(start + i) !== signature.charCodeAt(i)) return false;
  }
  return true;
}

function octetsAsText(view: DataView, start: number, end: number): string {
  return Buffer.from(view.buffer, view.byteOffset + start, end - start).toString('latin1');
}
