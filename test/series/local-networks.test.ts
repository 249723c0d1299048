import { describe, expect, it } from 'vitest';
import { DEFAULT_LOCAL_NETWORKS, LocalNetworks } from '../../src/series/local-networks.ts';
import { Random } from '../support/random.ts';

/** The longest of some IPv4 prefixes that an address is in; `''` for none. */
function longest(texts: readonly string[], address: number): string {
  let best = '';
  let length = -1;
  for (const text of texts) {
    const [network = '', bits = '32'] = text.split('/');
    if (network.includes(':') || Number(bits) <= length) continue;
    const value = network.split('.').reduce((sum, octet) => sum * 256 + Number(octet), 0);
    const size = 2 ** (32 - Number(bits));
    if (Math.floor(value / size) !== Math.floor(address / size)) continue;
    best = text;
    length = Number(bits);
  }
  return best;
}

describe('local networks', () => {
  it.each([
    [DEFAULT_LOCAL_NETWORKS],
    [['0.0.0.0/0']],
    [['8.0.0.0/5', '10.0.0.0/8', '10.1.0.0/16', '128.0.0.0/1', '200.0.0.0/7', '201.2.3.4/32', '10.1.2.0/24']],
    [['240.0.0.0/4', '255.255.255.255/32']],
  ])('of %j: the longest that an address is in', (texts) => {
    const networks = new LocalNetworks(texts);
    const random = new Random(9);
    for (let i = 0; i < 20_000; i++) {
      const first = [10, 201, 172, 192, 100, 169, 127, 255, random.below(256)][random.below(9)]!;
      const second = [1, 2, 16, 64, 168, 254, 255, random.below(256)][random.below(8)]!;
      const address = ((first * 256 + second) * 256 + random.below(4)) * 256 + random.below(6);
      const found = networks.find4(address | 0);
      expect(found < 0 ? '' : networks.names[found], String(address)).toBe(longest(texts, address));
    }
  });
});
