/** Every folder of fixtures/ through the whole program: lines and sums are what another program finds in the capture. */

import { beforeAll, describe, expect, it } from 'vitest';
import { fixtureCases } from './support/fixtures.ts';
import { buildProgram, runProgram } from './support/program.ts';
import { differences, type PartialLine } from './support/tshark-lines.ts';

/** The sums of `convert -v`, by what they are sums of. */
function summaryOf(text: string): Record<string, number> {
  const last = text.trim().split('\n').at(-1) ?? '';
  const parts = [...last.matchAll(/(\d+) ([a-z][a-z ]*)/g)];
  return Object.fromEntries(parts.map(([, count, name]) => [name!, Number(count)]));
}

beforeAll(() => {
  buildProgram();
});

describe('fixtures', () => {
  for (const { name, description, input, expected, counters } of fixtureCases()) {
    it(`${name}: ${description.shows}`, async () => {
      const { code, stdout, stderr } = await runProgram(['convert', '-v', input]);
      const lines = stdout
        .trim()
        .split('\n')
        .map((line) => JSON.parse(line) as PartialLine);
      const found = expected.map((line, i) => differences(line, lines[i] ?? {}));
      expect(found.filter((each) => Object.keys(each).length > 0)).toEqual([]);
      expect(lines).toHaveLength(expected.length);
      expect(stderr).not.toContain('faults');
      expect(summaryOf(stderr)).toMatchObject({
        messages: counters.messages,
        flows: counters.flows,
        'options records': counters.optionsRecords,
        'counters records': counters.countersRecords,
        lines: expected.length,
      });
      expect(code).toBe(0);
    });
  }

  it('hold every protocol', () => {
    const kinds = fixtureCases().flatMap(({ expected }) =>
      expected.map((line) => `${line['EXPORT_PROTOCOL']} ${line['EXPORT_PROTOCOL_VERSION']}`),
    );
    expect([...new Set(kinds)].sort()).toEqual(['IPFIX 10', 'NetFlow 1', 'NetFlow 5', 'NetFlow 9', 'sFlow 5']);
  });
});
