/** Rows that come and go, against a model of them. */

import { describe, expect, it } from 'vitest';
import { LineBuffer } from '../../src/series/line-buffer.ts';
import { SeededHash } from '../../src/series/seeded-hash.ts';
import { perFamily, SeriesLimits } from '../../src/series/series-limits.ts';
import { SeriesTable } from '../../src/series/series-table.ts';
import { StepWindow } from '../../src/series/step-window.ts';
import { TagStore } from '../../src/series/tag-store.ts';
import { Random } from '../support/random.ts';
import { readPoints } from './line-protocol.ts';

describe('rows', () => {
  it('are found, counted and forgotten as a map does it, keys that collide included', () => {
    const random = new Random(4);
    const window = new StepWindow(1000, 0);
    window.base = 1000;
    const limits = new SeriesLimits(
      100,
      perFamily(() => 100),
    );
    const lines = [
      { measurement: 'm', fields: [{ field: 'f', kind: 'counter', columns: [0] } as const], written: 'live' as const },
    ];
    const table = new SeriesTable({ family: 'host', columns: 1, lines, idleSteps: 3 }, window, limits);
    table.startAt(1e9);
    const model = new Map<string, { value: number; active: number }>();
    const seen = new Map<string, number>();
    const out = new LineBuffer({
      writeLines: (octets, start, end) => {
        for (const { tags, fields } of readPoints(octets.slice(start, end))) seen.set(tags['k']!, fields['f']!);
      },
    });
    for (let step = 1000; step < 1400; step++) {
      window.last = step;
      for (let i = random.below(60); i > 0; i--) {
        const first = random.below(8) - 4;
        const second = random.below(80);
        const key = `${first}.${second}`;
        let row = table.find(first, second);
        expect(row >= 0, key).toBe(model.has(key));
        if (row < 0) {
          expect(table.hasRoom()).toBe(model.size < 100);
          if (model.size >= 100) continue;
          const tags = Buffer.from(`,k=${key}`);
          row = table.add(first, second, tags, tags.length);
        }
        const value = 1 + random.below(10);
        table.addAt(row, 0, step, value);
        model.set(key, { value: (model.get(key)?.value ?? 0) + value, active: step });
      }
      seen.clear();
      window.base = step + 1;
      expect(table.close(step, 0, Number.POSITIVE_INFINITY, out)).toBe(-1);
      out.flush();
      expect(Object.fromEntries([...seen].sort())).toEqual(
        Object.fromEntries([...model].map(([key, { value }]) => [key, value] as const).sort()),
      );
      for (const [key, { active }] of model) if (active < step - 3) model.delete(key);
      expect(table.rows).toBe(model.size);
      expect(limits.live).toBe(model.size);
      expect(limits.reserved.host).toBe(model.size);
    }
    expect(limits.overLimit.host).toBeGreaterThan(0);
  });

  it('keep to the limit of all series as well as to that of their family', () => {
    const limits = new SeriesLimits(
      10,
      perFamily((family) => (family === 'host' ? 4 : 100)),
    );
    expect([limits.reserve('host', 4), limits.reserve('host', 1)]).toEqual([true, false]);
    expect([limits.reserve('asn', 7), limits.reserve('asn', 6), limits.reserve('asn', 1)]).toEqual([
      false,
      true,
      false,
    ]);
    limits.release('host', 4);
    expect(limits.reserve('asn', 4)).toBe(true);
    expect(limits.overLimit).toMatchObject({ host: 1, asn: 2 });
  });

  it('give the room of their tags back', () => {
    const store = new TagStore();
    const tags = Buffer.from(',host=192.0.2.1,protocol=TLS');
    let wrong = 0;
    for (let i = 0; i < 10_000; i++) {
      store.set(i % 10, tags, tags.length);
      const at = store.startOf(i % 10);
      if (!tags.equals(store.octets.subarray(at, at + tags.length))) wrong++;
      store.delete(i % 10);
    }
    expect(wrong).toBe(0);
    expect(store.octets.length).toBeLessThan(4096);
  });
});

describe('keys', () => {
  it('of addresses in a row differ, and spread over all places', () => {
    for (const seed of [0, 1, 12_345, 2 ** 32 - 1, 2 ** 52 + 1]) {
      const hash = new SeededHash(seed);
      const keys = new Set<string>();
      const places = new Set<number>();
      for (let i = 0; i < 60_000; i++) {
        hash.start(4);
        hash.word((0x0a000000 + i) | 0);
        hash.end();
        keys.add(`${hash.first} ${hash.second}`);
        places.add(hash.second & 0xffff);
      }
      expect(keys.size, `seed ${seed}`).toBe(60_000);
      // of 65,536 places random keys would take 60 %
      expect(places.size, `seed ${seed}`).toBeGreaterThan(35_000);
    }
  });

  it('differ by seed', () => {
    const of = (seed: number) => {
      const hash = new SeededHash(seed);
      hash.start(4);
      hash.word(1);
      hash.end();
      return `${hash.first} ${hash.second}`;
    };
    expect(new Set([1, 2, 3, 2 ** 40, 2 ** 40 + 1].map(of)).size).toBe(5);
  });
});
