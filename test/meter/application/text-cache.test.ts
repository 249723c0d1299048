import { describe, expect, it } from 'vitest';
import { TextCache } from '../../../src/meter/application/text-cache.ts';

describe('cached texts', () => {
  it('are those of the octets, the first time and again, however many there are', () => {
    const cache = new TextCache();
    const texts = Array.from({ length: 5000 }, (_, i) => `host-${i}.example`);
    const slab = Buffer.from(texts.join(''), 'latin1');
    for (let round = 0; round < 2; round++) {
      let at = 0;
      for (const text of texts) {
        expect(cache.of(slab, at, at + text.length)).toBe(text);
        expect(cache.of(slab, at, at + text.length)).toBe(text);
        at += text.length;
      }
    }
  });

  it('tell texts of one hash apart', () => {
    const cache = new TextCache();
    // Of two octets: 31 * 0x41 + 0x60 is 31 * 0x42 + 0x41.
    const slab = Buffer.from('A`BA', 'latin1');
    expect(cache.of(slab, 0, 2)).toBe('A`');
    expect(cache.of(slab, 2, 4)).toBe('BA');
    expect(cache.of(slab, 0, 2)).toBe('A`');
  });

  it('keep what was read when the octets are overwritten', () => {
    const cache = new TextCache();
    const slab = Buffer.from('first', 'latin1');
    expect(cache.of(slab, 0, 5)).toBe('first');
    slab.write('other', 0, 'latin1');
    expect(cache.of(slab, 0, 5)).toBe('other');
    slab.write('first', 0, 'latin1');
    expect(cache.of(slab, 0, 5)).toBe('first');
  });

  it('are UTF-8, with U+FFFD for what is none, at any length', () => {
    const cache = new TextCache();
    for (const text of ['', 'grün', 'ü'.repeat(64), 'ü'.repeat(65), 'a'.repeat(128), 'a'.repeat(512)]) {
      const slab = Buffer.from(text, 'utf8');
      expect(cache.of(slab, 0, slab.length)).toBe(text);
    }
    expect(cache.of(Buffer.from([0x61, 0xff, 0x62]), 0, 3)).toBe('a\ufffdb');
  });
});
