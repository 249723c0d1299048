import { describe, expect, it } from 'vitest';
import { LineEnds } from '../../../src/meter/application/line-ends.ts';

const LF = 0x0a;

describe('line ends', () => {
  it('are found wherever they are, and not beyond the octets asked for', () => {
    const lines = new LineEnds();
    for (let length = 0; length < 14; length++) {
      for (let place = 0; place < length; place++) {
        const octets = new Uint8Array(length).fill(0x61);
        octets[place] = LF;
        lines.within(octets);
        for (let start = 0; start <= length; start++) {
          for (let end = start; end <= length; end++) {
            expect(lines.find(start, end)).toBe(place >= start && place < end ? place : -1);
          }
        }
      }
    }
  });

  it('are no other octets, alone or behind each other', () => {
    const lines = new LineEnds();
    const octets = Uint8Array.from({ length: 256 }, (_, i) => i);
    lines.within(octets);
    expect(lines.find(0, 256)).toBe(LF);
    expect(lines.find(LF + 1, 256)).toBe(-1);
    for (let octet = 0; octet < 256; octet++) {
      lines.within(new Uint8Array(12).fill(octet));
      expect(lines.find(0, 12)).toBe(octet === LF ? 0 : -1);
    }
  });

  it('are those of the octets given last, which may be a part of others', () => {
    const lines = new LineEnds();
    const octets = Uint8Array.from(Buffer.from('one\ntwo and three\nfour'));
    lines.within(octets);
    expect(lines.find(4, octets.length)).toBe(17);
    lines.within(octets.subarray(4));
    expect(lines.find(0, octets.length - 4)).toBe(13);
  });
});
