import { Cursor } from '../bytes/cursor.ts';
import { parseTemplateSet, type Template, type TemplateSetKind } from './template.ts';

/** A Template as saved: its announcement's own octets, read again by the parser that read them first. */
export interface SavedTemplate {
  readonly id: number;
  readonly kind: TemplateSetKind;
  /** Field Specifiers. */
  readonly fields: number;
  /** What follows id and field count, in base64. */
  readonly octets: string;
}

/** The form in which a Template is saved. */
export function saveTemplate({ id, version, scopeFieldCount, fields, signature }: Template): SavedTemplate {
  const protocol = version === 9 ? 'netflow9' : 'ipfix';
  const kind: TemplateSetKind = scopeFieldCount < 0 ? protocol : `${protocol}Options`;
  return { id, kind, fields: fields.length, octets: Buffer.from(signature, 'latin1').toString('base64') };
}

/** The Template again, or undefined where what was saved is none. */
export function restoreTemplate({ id, kind, fields, octets }: SavedTemplate): Template | undefined {
  const body = Buffer.from(octets, 'base64');
  const headLength = kind === 'netflow9Options' ? 2 : 4;
  const record = new Uint8Array(headLength + body.length);
  const view = new DataView(record.buffer);
  view.setUint16(0, id);
  if (headLength === 4) view.setUint16(2, fields);
  record.set(body, headLength);
  let template: Template | undefined;
  const outcome = parseTemplateSet(new Cursor(view), kind, {
    known: () => undefined,
    shared: () => undefined,
    announce: (announced) => {
      template = announced;
      return 'ok';
    },
    withdraw: () => {},
  });
  return outcome === 'ok' ? template : undefined;
}
