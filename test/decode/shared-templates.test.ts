import { describe, expect, it } from 'vitest';
import { Cursor } from '../../src/bytes/cursor.ts';
import { DEFAULT_SESSION_LIMITS, SessionTable } from '../../src/decode/session-table.ts';
import { SharedTemplates } from '../../src/decode/shared-templates.ts';
import { parseTemplateSet, type Template, type TemplateSetKind } from '../../src/decode/template.ts';

/** Octets that start at an odd place, as Template Sets in datagrams may. */
function viewOf(words: readonly number[]): DataView {
  const view = new DataView(new ArrayBuffer(words.length * 2 + 1), 1);
  words.forEach((word, i) => {
    view.setUint16(i * 2, word);
  });
  return view;
}

/** What a Template Set of these 16-bit words announces to one who shares `shared`. */
function announced(kind: TemplateSetKind, words: readonly number[], shared = new SharedTemplates()): Template[] {
  const view = viewOf(words);
  const templates: Template[] = [];
  parseTemplateSet(new Cursor(view).reset(view, 0, words.length * 2), kind, {
    known: () => undefined,
    shared: (...announcement) => shared.find(...announcement),
    announce: (template) => {
      templates.push(template);
      return 'ok';
    },
    withdraw: () => {},
  });
  return templates;
}

/** Bytes, Cisco's element 12235 of PEN 9, a source address; the enterprise bit is 0x8000. */
const ENTERPRISE = [256, 3, 1, 8, 0x8000 | 12235, 65535, 0, 9, 8, 4];
const KINDS: readonly (readonly [TemplateSetKind, readonly number[]])[] = [
  ['netflow9', [256, 2, 8, 4, 1, 8]],
  ['netflow9Options', [257, 4, 8, 1, 4, 48, 4, 34, 4]],
  ['ipfix', ENTERPRISE],
  ['ipfixOptions', [258, 2, 1, 149, 4, 0x8000 | 1, 2, 0, 6871]],
];

describe('SharedTemplates', () => {
  it.each(KINDS)('give the Template of an announcement of equal octets, %s', (kind, words) => {
    const shared = new SharedTemplates();
    const [first] = announced(kind, words, shared);
    expect(shared.take(first!)).toBe(first);
    const [again] = announced(kind, words, shared);
    expect(again).toBe(first);
    expect(announced(kind, [...words, ...words], shared)).toEqual([first, first]);
  });

  it.each(KINDS)('give no Template where any octet differs, %s', (kind, words) => {
    const shared = new SharedTemplates();
    const [first] = announced(kind, words, shared);
    shared.take(first!);
    for (let i = 0; i < words.length * 2; i++) {
      const octets = words.flatMap((word) => [word >> 8, word & 255]);
      octets[i]! ^= 1;
      const changed = words.map((_, j) => octets[2 * j]! * 256 + octets[2 * j + 1]!);
      // Whatever it announces now is read as if nothing were shared.
      expect(announced(kind, changed, shared)).toEqual(announced(kind, changed));
      expect(announced(kind, changed, shared)).not.toContain(first);
    }
  });

  it('tell Templates apart by kind and scope, equal octets or not', () => {
    const shared = new SharedTemplates();
    const words = [256, 2, 8, 4, 1, 8];
    const [netflow9] = announced('netflow9', words, shared);
    shared.take(netflow9!);
    const [ipfix] = announced('ipfix', words, shared);
    expect(ipfix).toMatchObject({ version: 10 });
    expect(shared.take(ipfix!)).toBe(ipfix);
    expect(announced('netflow9', words, shared)[0]).toBe(netflow9);
    expect(announced('ipfix', words, shared)[0]).toBe(ipfix);
  });

  it('are truncated where the octets end too soon', () => {
    const shared = new SharedTemplates();
    shared.take(announced('ipfix', ENTERPRISE)[0]!);
    for (let length = 2; length < ENTERPRISE.length; length++) {
      expect(announced('ipfix', ENTERPRISE.slice(0, length), shared)).toEqual([]);
    }
  });

  it('are kept as long as anyone has them', () => {
    const shared = new SharedTemplates();
    const [template] = announced('ipfix', ENTERPRISE);
    const [equal] = announced('ipfix', ENTERPRISE);
    shared.take(template!);
    expect(shared.take(equal!)).toBe(template);
    expect(shared.references(template!)).toBe(2);
    shared.give(template!);
    expect(announced('ipfix', ENTERPRISE, shared)[0]).toBe(template);
    shared.give(template!);
    expect(shared.references(template!)).toBe(0);
    expect(announced('ipfix', ENTERPRISE, shared)[0]).not.toBe(template);
  });
});

describe('the limit on Template fields', () => {
  const fields = Array.from({ length: 84 }, (_, i) => [i + 1, 4]).flat();

  it('counts what Exporters share once: ten thousand that send the same long Template all have it', () => {
    const table = new SessionTable({ ...DEFAULT_SESSION_LIMITS, maxTemplateFields: 100 + 4 * 10_000 });
    for (let i = 0; i < 10_000; i++) {
      const session = table.find(10, `10.0.${i >> 8}.${i & 255}`, 4739, 0, '', false, i);
      expect(table.learn(session, announced('ipfix', [256, 84, ...fields])[0]!, i)).toBe(true);
    }
    expect(table.totals().templatesEvicted).toBe(0);
    const late = table.find(10, '192.0.2.1', 4739, 0, '', false, 10_000);
    table.learn(late, announced('ipfix', [256, 84, ...fields])[0]!, 10_000);
    expect(table.totals().templatesEvicted).toBe(1);
  });

  it('counts what is withdrawn, redefined or evicted no longer', () => {
    const table = new SessionTable({ ...DEFAULT_SESSION_LIMITS, maxTemplateFields: 250 });
    const session = table.find(10, '192.0.2.1', 4739, 0, '', false, 0);
    for (let i = 0; i < 1000; i++) {
      const words = [256 + (i % 2), 84, 85 + (i % 100), 4, ...fields.slice(2)];
      expect(table.learn(session, announced('ipfix', words)[0]!, i)).toBe(true);
      if (i % 3 === 0) table.forget(session, 256 + (i % 2));
    }
    expect(session.counters.templatesEvicted).toBe(0);
    expect(session.templates.size).toBeGreaterThan(0);
  });
});
