import { isIPv6 } from 'node:net';
import { describe, expect, it } from 'vitest';
import { formatHex, formatIPv4, formatIPv6, formatMac } from '../../src/bytes/address.ts';
import { writeIPv6 } from '../../src/bytes/digits.ts';
import { Random } from '../support/random.ts';

const SEED = Date.now() % 2 ** 32;

function writtenIPv6(octets: Uint8Array): string {
  const out = new Uint8Array(64).fill(0xee);
  const end = writeIPv6(new DataView(out.buffer), 3, new DataView(octets.buffer), 0);
  expect(out.subarray(0, 3)).toEqual(Uint8Array.of(0xee, 0xee, 0xee));
  return Buffer.from(out.subarray(3, end)).toString('latin1');
}

/** Addresses with many zero groups and octets, as real ones have. */
function address(random: Random): Uint8Array {
  const octets = random.octets(16);
  for (let group = 0; group < 8; group++) {
    const kind = random.below(4);
    if (kind <= 1) octets[2 * group] = 0;
    if (kind === 0) octets[2 * group + 1] = random.pick([0, 0, 0, 1, 15]);
  }
  return octets;
}

describe('IPv6 text', () => {
  // RFC 5952, sections 4 and 5
  it.each([
    ['00000000000000000000000000000000', '::'],
    ['00000000000000000000000000000001', '::1'],
    ['20010db8000000000000000000000001', '2001:db8::1'],
    ['20010db8000000010001000100010001', '2001:db8:0:1:1:1:1:1'],
    ['20010000000000010000000000000001', '2001:0:0:1::1'],
    ['20010db8000000000001000000000001', '2001:db8::1:0:0:1'],
    ['20010db80000000000000000aabb0000', '2001:db8::aabb:0'],
    ['fe800000000000000000000000000000', 'fe80::'],
    ['00000000000000000000ffffc0000201', '::ffff:192.0.2.1'],
    ['0000000000000000000000000102ff00', '::102:ff00'],
    ['00010002000300040005000600070008', '1:2:3:4:5:6:7:8'],
    ['00000000000300040005000600000000', '::3:4:5:6:0:0'],
  ])('%s is %s', (digits, expected) => {
    const octets = new Uint8Array(Buffer.from(digits, 'hex'));
    expect(formatIPv6(new DataView(octets.buffer), 0)).toBe(expected);
    expect(writtenIPv6(octets)).toBe(expected);
  });

  it('is what the URL class makes of the same octets, both ways of writing it', () => {
    const random = new Random(SEED);
    for (let i = 0; i < 5000; i++) {
      const octets = address(random);
      const groups = Array.from({ length: 8 }, (_, group) =>
        (octets[2 * group]! * 256 + octets[2 * group + 1]!).toString(16),
      );
      const view = new DataView(octets.buffer);
      const mapped = groups.slice(0, 6).join() === '0,0,0,0,0,ffff';
      const expected = mapped
        ? `::ffff:${octets.subarray(12).join('.')}`
        : new URL(`http://[${groups.join(':')}]`).hostname.slice(1, -1);
      expect(formatIPv6(view, 0), `seed ${SEED}`).toBe(expected);
      expect(writtenIPv6(octets), `seed ${SEED}`).toBe(expected);
      expect(isIPv6(expected)).toBe(true);
    }
  });

  it('has the right run of zeros for each of the 256 sets of zero groups', () => {
    for (let zeros = 0; zeros < 256; zeros++) {
      const octets = Uint8Array.from({ length: 16 }, (_, i) => ((zeros >> (7 - (i >> 1))) & 1 ? 0 : i % 2));
      const groups = Array.from({ length: 8 }, (_, group) => octets[2 * group + 1]!.toString(16));
      const expected = new URL(`http://[${groups.join(':')}]`).hostname.slice(1, -1);
      expect(writtenIPv6(octets)).toBe(expected);
      expect(formatIPv6(new DataView(octets.buffer), 0)).toBe(expected);
    }
  });
});

it('IPv4, MAC and hexadecimal text', () => {
  expect([0, 0xffffffff, 0xc0000201, 0x7f000001].map(formatIPv4)).toEqual([
    '0.0.0.0',
    '255.255.255.255',
    '192.0.2.1',
    '127.0.0.1',
  ]);
  const view = new DataView(Uint8Array.of(9, 0, 0x1a, 0xff, 8, 0xab, 0x0c).buffer);
  expect(formatMac(view, 1)).toBe('00:1a:ff:08:ab:0c');
  expect(formatHex(view, 1, 3)).toBe('001aff');
  expect(formatHex(view, 1, 0)).toBe('');
});
