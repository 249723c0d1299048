import type { MessageContext } from '../decode/message.ts';
import type { Session } from '../decode/session.ts';
import { type FieldSpecifier, type Template, VARIABLE_LENGTH } from '../decode/template.ts';
import { plainElementValue } from '../flow/element-value.ts';
import type { Attachment, PlainValue } from '../flow/flow.ts';
import type { ElementLookup } from '../ie/registry.ts';
import { addValue, joinedValues } from './named-values.ts';
import { describeElement, elementValue, isListType, type ListField } from './record-plan.ts';

/** Lists inside lists that are followed (RFC 6313 section 4.5.2 nests without end). */
const MAX_DEPTH = 8;
/** Values taken from one list field of one record, nested ones included. */
const MAX_VALUES = 8192;
/** Names of the octet that tells how a list's elements belong together (RFC 6313 section 4.4). */
const SEMANTICS = ['noneOf', 'exactlyOneOf', 'oneOrMoreOf', 'allOf', 'ordered'];
const ENTERPRISE_BIT = 0x8000;
const ALL_OCTETS_HEXADECIMAL = 'octets';

/** Other ports of the same Exporter that are asked for a Template. */
const MAX_SIBLINGS = 8;

type Naming = 'ntop' | 'iana';

/**
 * Decodes a list field (RFC 6313) to an array of objects and attaches it, with its semantic where one is told. What does not
 * hold together ends the list there, counted as `list_invalid`; Templates that are not known leave octets in hexadecimal.
 */
export function decodeList(
  field: ListField,
  message: MessageContext,
  at: number,
  length: number,
  registry: ElementLookup,
  attachments: Attachment[],
): void {
  const decode = (naming: Naming) => new ListDecoder(message, registry, naming).decode(field.type, at, at + length, 0);
  const { value, semantic, isDamaged } = decode('ntop');
  if (isDamaged) message.session.counters.faults.list_invalid++;
  attach(attachments, field.ntop, field.iana, value, decode('iana').value);
  if (semantic !== undefined) attach(attachments, `${field.ntop}Semantic`, `${field.iana}Semantic`, semantic, semantic);
}

function attach(attachments: Attachment[], ntop: string, iana: string, value: PlainValue, ianaValue: PlainValue): void {
  const earlier = attachments.findIndex((attachment) => attachment.ntop === ntop);
  if (earlier < 0) {
    attachments.push({ ntop, iana, value, ianaValue });
    return;
  }
  // The same list element a second time: an array of lists.
  const { value: first, ianaValue: firstIana = first } = attachments[earlier]!;
  attachments[earlier] = {
    ntop,
    iana,
    value: joinedValues(first, value),
    ianaValue: joinedValues(firstIana, ianaValue),
  };
}

class ListDecoder {
  private readonly message: MessageContext;
  private readonly registry: ElementLookup;
  private readonly naming: Naming;
  private values = 0;
  private isDamaged = false;

  constructor(message: MessageContext, registry: ElementLookup, naming: Naming) {
    this.message = message;
    this.registry = registry;
    this.naming = naming;
  }

  decode(
    type: ListField['type'],
    pos: number,
    end: number,
    depth: number,
  ): { value: PlainValue[]; semantic: string | undefined; isDamaged: boolean } {
    const { view } = this.message;
    const value: PlainValue[] = [];
    let semantic: string | undefined;
    if (pos >= end || depth >= MAX_DEPTH) {
      this.isDamaged = true;
    } else {
      semantic = SEMANTICS[view.getUint8(pos)];
      if (type === 'basicList') this.basicList(pos + 1, end, depth, value);
      else if (type === 'subTemplateList') this.subTemplateList(pos + 1, end, depth, value);
      else this.subTemplateMultiList(pos + 1, end, depth, value);
    }
    return { value, semantic, isDamaged: this.isDamaged };
  }

  /** Field id, element length, enterprise number if any, then elements (RFC 6313 section 4.5.1). */
  private basicList(start: number, end: number, depth: number, into: PlainValue[]): void {
    const { view } = this.message;
    let pos = start + 4;
    if (pos > end) {
      this.damaged();
      return;
    }
    const id = view.getUint16(start);
    const length = view.getUint16(start + 2);
    let enterpriseNumber = 0;
    if ((id & ENTERPRISE_BIT) !== 0) {
      if (pos + 4 > end) {
        this.damaged();
        return;
      }
      enterpriseNumber = view.getUint32(pos);
      pos += 4;
    }
    const specifier: FieldSpecifier = { elementId: id & ~ENTERPRISE_BIT, enterpriseNumber, length };
    if (length === 0 && pos < end) {
      this.damaged();
      return;
    }
    while (pos < end) {
      const item: Record<string, PlainValue> = {};
      pos = this.field(specifier, 10, pos, end, depth, item);
      if (pos < 0) return;
      into.push(item);
    }
  }

  /** Template id, then records (RFC 6313 section 4.5.2). */
  private subTemplateList(start: number, end: number, depth: number, into: PlainValue[]): void {
    if (start + 2 > end) {
      this.damaged();
      return;
    }
    this.records(this.message.view.getUint16(start), start + 2, end, depth, into);
  }

  /** Blocks of template id, block length with its head, and records (RFC 6313 section 4.5.3). */
  private subTemplateMultiList(start: number, end: number, depth: number, into: PlainValue[]): void {
    const { view } = this.message;
    let pos = start;
    while (pos < end) {
      const length = pos + 4 > end ? 0 : view.getUint16(pos + 2);
      if (length < 4 || pos + length > end) {
        this.damaged();
        return;
      }
      this.records(view.getUint16(pos), pos + 4, pos + length, depth, into);
      pos += length;
    }
  }

  private records(templateId: number, start: number, end: number, depth: number, into: PlainValue[]): void {
    const template = templateOf(this.message.session, templateId);
    if (template === undefined) {
      const { view, exportTimeMs } = this.message;
      if (start < end) {
        const octets = plainElementValue(view, start, end - start, 'hexadecimal', exportTimeMs);
        into.push({ templateId, [ALL_OCTETS_HEXADECIMAL]: octets });
      }
      return;
    }
    let pos = start;
    while (end - pos >= template.minRecordLength) {
      const record: Record<string, PlainValue> = {};
      for (const specifier of template.fields) {
        pos = this.field(specifier, template.version, pos, end, depth, record);
        if (pos < 0) return;
      }
      into.push(record);
    }
  }

  /** Reads one field into `record`; returns where the next one starts, or -1 when the list ends here. */
  private field(
    specifier: FieldSpecifier,
    version: number,
    start: number,
    end: number,
    depth: number,
    record: Record<string, PlainValue>,
  ): number {
    const { view, exportTimeMs } = this.message;
    let pos = start;
    let { length } = specifier;
    if (length === VARIABLE_LENGTH) {
      if (pos + 1 > end) return this.damagedAt();
      length = view.getUint8(pos++);
      if (length === 255) {
        if (pos + 2 > end) return this.damagedAt();
        length = view.getUint16(pos);
        pos += 2;
      }
    }
    if (pos + length > end || ++this.values > MAX_VALUES) return this.damagedAt();
    const { element, type, ntop, iana } = describeElement(version, specifier, this.registry);
    const name = this.naming === 'ntop' ? ntop : iana;
    const isPadding = specifier.elementId === 210 && specifier.enterpriseNumber === 0;
    if (isPadding || length === 0) return pos + length;
    const value = isListType(type)
      ? this.decode(type, pos, pos + length, depth + 1).value
      : plainElementValue(view, pos, length, elementValue(element, type, specifier.length), exportTimeMs);
    addValue(record, name, value);
    return pos + length;
  }

  private damaged(): void {
    this.isDamaged = true;
  }

  private damagedAt(): number {
    this.isDamaged = true;
    return -1;
  }
}

function templateOf(session: Session, id: number): Template | undefined {
  const own = session.templates.get(id);
  if (own !== undefined) return own.template;
  for (const sibling of session.domain.announcers.slice(-MAX_SIBLINGS).reverse()) {
    const entry = sibling.templates.get(id);
    if (entry !== undefined) return entry.template;
  }
  return undefined;
}
