/** Announcements that repeat what is known, and those that only look so. */

import { describe, expect, it } from 'vitest';
import { Cursor } from '../../src/bytes/cursor.ts';
import { parseTemplateSet, type Template, type TemplateSetKind } from '../../src/decode/template.ts';

/** sourceIPv4Address, octetDeltaCount, protocolIdentifier (IANA IPFIX Information Elements). */
const PLAIN = [8, 4, 1, 8, 4, 1];

/** Hands over what the words of a Template Set announce to one who knows `known`. */
function announced(kind: TemplateSetKind, words: readonly number[], known?: Template): Template[] {
  const view = new DataView(new ArrayBuffer(words.length * 2));
  words.forEach((word, i) => {
    view.setUint16(i * 2, word);
  });
  const templates: Template[] = [];
  parseTemplateSet(new Cursor(view), kind, {
    known: (id) => (known?.id === id ? known : undefined),
    shared: () => undefined,
    announce: (template) => {
      templates.push(template);
      return 'ok';
    },
    withdraw: () => {},
  });
  return templates;
}

describe('parseTemplateSet', () => {
  it.each<[TemplateSetKind, readonly number[]]>([
    ['netflow9', [256, 3, ...PLAIN]],
    ['netflow9Options', [256, 4, 8, ...PLAIN]],
    ['ipfix', [256, 3, ...PLAIN]],
    ['ipfix', [256, 2, 0x8001, 4, 0, 29305, 8, 4]],
    ['ipfixOptions', [256, 3, 1, ...PLAIN]],
  ])('hands over the known Template where %s repeats it, and reads on behind it', (kind, words) => {
    const [known] = announced(kind, words);
    const another = [300, ...words.slice(1)];
    const [again, behind] = announced(kind, [...words, ...another], known);
    expect(again).toBe(known);
    expect(behind).toEqual({ ...known, id: 300 });
  });

  it.each<[string, TemplateSetKind, readonly number[]]>([
    ['another length', 'ipfix', [256, 3, 8, 4, 1, 4, 4, 1]],
    ['another last element', 'ipfix', [256, 3, 8, 4, 1, 8, 5, 1]],
    ['a field more', 'ipfix', [256, 4, ...PLAIN, 5, 1]],
    ['a field less', 'ipfix', [256, 2, 8, 4, 1, 8]],
    ['the same of version 9', 'netflow9', [256, 3, ...PLAIN]],
  ])('takes %s as it comes', (_, kind, words) => {
    const [known] = announced('ipfix', [256, 3, ...PLAIN]);
    const [template] = announced(kind, words, known);
    expect(template).not.toBe(known);
    expect(template).toEqual(announced(kind, words)[0]);
  });

  it('takes a Template for no Options Template of the same octets', () => {
    // Read as three fields, or as one scope field and two others behind their count.
    const words = [256, 3, 1, 2, 3, 4, 5, 6, 7];
    const [known] = announced('ipfix', words);
    const [template] = announced('ipfixOptions', words, known);
    expect(template).toMatchObject({
      scopeFieldCount: 1,
      fields: [{ elementId: 2 }, { elementId: 4 }, { elementId: 6 }],
    });
  });

  it('refuses a repetition that is cut off', () => {
    const [known] = announced('ipfix', [256, 3, ...PLAIN]);
    expect(announced('ipfix', [256, 3, ...PLAIN.slice(0, -1)], known)).toEqual([]);
    // Of fields with an Enterprise Number there may be enough octets for as many without.
    const [long] = announced('ipfix', [256, 1, 0x8001, 4, 0, 29305]);
    expect(announced('ipfix', [256, 1, 0x8001, 4, 0], long)).toEqual([]);
  });

  it('reads the same elements of two Templates alike, whatever their Enterprise Number', () => {
    const [first, second] = announced('ipfix', [256, 2, 1, 8, 0x8001, 8, 0, 29305, 257, 2, 0x8001, 8, 0, 9, 1, 4]);
    expect(first?.fields).toEqual([
      { elementId: 1, enterpriseNumber: 0, length: 8 },
      { elementId: 1, enterpriseNumber: 29305, length: 8 },
    ]);
    expect(second?.fields).toEqual([
      { elementId: 1, enterpriseNumber: 9, length: 8 },
      { elementId: 1, enterpriseNumber: 0, length: 4 },
    ]);
  });
});
