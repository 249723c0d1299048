import { describe, expect, it } from 'vitest';
import { Cursor } from '../../src/bytes/cursor.ts';
import { restoreTemplate, saveTemplate } from '../../src/decode/saved-template.ts';
import { parseTemplateSet, type Template, type TemplateSetKind } from '../../src/decode/template.ts';
import { optionsTemplateRecord, templateRecord, VARIABLE } from '../support/ipfix-message.ts';
import { v9OptionsTemplateRecord, v9TemplateRecord } from '../support/netflow9-message.ts';
import type { Octets } from '../support/wire-octets.ts';

function parsed(octets: Octets, kind: TemplateSetKind): Template {
  let found: Template | undefined;
  const cursor = new Cursor(new DataView(octets.buffer, octets.byteOffset, octets.byteLength));
  const announce = (template: Template) => {
    found = template;
    return 'ok' as const;
  };
  const handler = { known: () => undefined, shared: () => undefined, announce, withdraw: () => {} };
  expect(parseTemplateSet(cursor, kind, handler)).toBe('ok');
  return found!;
}

describe('saved Templates', () => {
  it.each<[string, TemplateSetKind, Octets]>([
    [
      'IPFIX',
      'ipfix',
      templateRecord(256, [
        [8, 4],
        [82, VARIABLE],
        [100, 2, 35632],
      ]),
    ],
    [
      'IPFIX options',
      'ipfixOptions',
      optionsTemplateRecord(
        400,
        [[149, 4]],
        [
          [41, 8],
          [5, 4, 9],
        ],
      ),
    ],
    [
      'v9',
      'netflow9',
      v9TemplateRecord(65535, [
        [8, 4],
        [57640, 4],
      ]),
    ],
    [
      'v9 options',
      'netflow9Options',
      v9OptionsTemplateRecord(
        300,
        [[1, 4]],
        [
          [34, 4],
          [48, 1],
        ],
      ),
    ],
  ])('%s', (_, kind, octets) => {
    const template = parsed(octets, kind);
    const saved = JSON.parse(JSON.stringify(saveTemplate(template))) as ReturnType<typeof saveTemplate>;
    expect(restoreTemplate(saved)).toEqual(template);
  });

  it.each([
    { id: 255, kind: 'ipfix', fields: 1, octets: 'AAEABA==' },
    { id: 256, kind: 'ipfix', fields: 2, octets: 'AAEABA==' },
    { id: 256, kind: 'ipfix', fields: 0, octets: '' },
    { id: 256, kind: 'ipfixOptions', fields: 1, octets: 'AAUAAQAE' },
    { id: 256, kind: 'netflow9Options', fields: 1, octets: 'AAMABA==' },
    { id: 256, kind: 'netflow9', fields: 1, octets: 'AAEAAA==' },
    { id: 256, kind: 'netflow9', fields: 65535, octets: '!!' },
  ] as const)('that are none are refused: %j', (saved) => {
    expect(restoreTemplate(saved)).toBeUndefined();
  });
});
