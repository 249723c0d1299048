import { isIPv6 } from 'node:net';
import { describe, expect, it } from 'vitest';
import { formatIPv4, formatIPv6 } from '../../src/bytes/address.ts';
import { parseDigits, parseIPv4, parseIPv6, parseMac } from '../../src/bytes/parse-address.ts';
import { Random } from '../support/random.ts';

const octetsOf = (text: string) => Buffer.from(text, 'latin1');

function ipv6(text: string): string | undefined {
  const out = new Uint8Array(20);
  if (!parseIPv6(octetsOf(text), 0, text.length, out, 2)) return undefined;
  return Buffer.from(out.subarray(2, 18)).toString('hex');
}

describe('addresses as text', () => {
  it.each([
    ['0.0.0.0', 0],
    ['10.1.2.3', 0x0a010203],
    ['255.255.255.255', 0xffffffff],
    ['x.x.x.x', -1],
    ['1.2.3', -1],
    ['1.2.3.4.5', -1],
    ['1.2.3.256', -1],
    ['1.2.3.', -1],
    ['1..2.3', -1],
    [' 1.2.3.4', -1],
    ['0001.2.3.4', -1],
    ['', -1],
  ])('IPv4 %s', (text, expected) => {
    expect(parseIPv4(octetsOf(text), 0, text.length)).toBe(expected);
  });

  it.each([
    ['::', '0'.repeat(32)],
    ['::1', `${'0'.repeat(31)}1`],
    ['2001:db8::', '20010db8000000000000000000000000'],
    ['2001:db8::1:2', '20010db8000000000000000000010002'],
    ['1:2:3:4:5:6:7:8', '00010002000300040005000600070008'],
    ['1:2:3:4:5:6:7::', '00010002000300040005000600070000'],
    ['::ffff:192.0.2.1', '00000000000000000000ffffc0000201'],
    ['fe80::ABCD', 'fe80000000000000000000000000abcd'],
    ['2a00:d40:1:3:x:x:x:x', undefined],
    ['1:2:3:4:5:6:7', undefined],
    ['1:2:3:4:5:6:7:8:9', undefined],
    ['1::2::3', undefined],
    [':1', undefined],
    ['1:', undefined],
    ['12345::', undefined],
    ['::1.2.3', undefined],
    ['1:2:3:4:5:6:7:1.2.3.4', undefined],
    ['fe80::1%eth0', undefined],
  ])('IPv6 %s', (text, expected) => {
    expect(ipv6(text)).toBe(expected);
  });

  it('agrees with node on which texts are IPv6 addresses', () => {
    const random = new Random(20);
    for (let i = 0; i < 20_000; i++) {
      let text = '';
      for (let length = random.below(24); length >= 0; length--)
        text += random.pick(['1', 'f', ':', ':', '::', '0', '.']);
      expect([text, ipv6(text) !== undefined]).toEqual([text, isIPv6(text)]);
    }
  });

  it('reads what the formatter writes', () => {
    const random = new Random(21);
    for (let i = 0; i < 2000; i++) {
      const octets = random.octets(16).map((octet) => (random.below(2) === 0 ? 0 : octet));
      expect(ipv6(formatIPv6(new DataView(octets.buffer), 0))).toBe(Buffer.from(octets).toString('hex'));
      const address = random.u32();
      const text = formatIPv4(address);
      expect(parseIPv4(octetsOf(text), 0, text.length)).toBe(address);
    }
  });

  it('reads MAC addresses', () => {
    const out = new Uint8Array(6);
    expect(parseMac(octetsOf('00:1b:21:A0:ff:02'), 0, 17, out, 0)).toBe(true);
    expect([...out]).toEqual([0, 0x1b, 0x21, 0xa0, 0xff, 2]);
    expect(parseMac(octetsOf('00:1b:21:A0:ff:0g'), 0, 17, out, 0)).toBe(false);
    expect(parseMac(octetsOf('001b21a0ff02'), 0, 12, out, 0)).toBe(false);
  });

  it('reads digits', () => {
    expect(parseDigits(octetsOf('a042'), 1, 3)).toBe(42);
    expect(parseDigits(octetsOf('-42'), 0, 3)).toBe(-1);
    expect(parseDigits(octetsOf('9'.repeat(16)), 0, 16)).toBe(-1);
    expect(parseDigits(octetsOf(''), 0, 0)).toBe(-1);
  });
});
