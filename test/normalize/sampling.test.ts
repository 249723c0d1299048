import { describe, expect, it } from 'vitest';
import { mikrotikOrder, type SamplingElements, samplingIntervalOf } from '../../src/normalize/sampling.ts';

describe('sampling interval', () => {
  it.each<[string, SamplingElements, number]>([
    ['nothing', {}, 0],
    ['34', { interval: 1000 }, 1000],
    ['1 of 1000, Nokia (305 = 1, 306 = 999)', { packetInterval: 1, packetSpace: 999 }, 1000],
    ['10 of 1000 (RFC 5477 section 8.2.2)', { packetInterval: 10, packetSpace: 990 }, 100],
    ['all packets', { packetInterval: 1, packetSpace: 0 }, 1],
    ['305 alone', { packetInterval: 512 }, 512],
    ['5 out of 100 (RFC 5477 section 8.2.5)', { size: 5, population: 100 }, 20],
    ['more than there are', { size: 5, population: 1 }, 0],
    ['probability', { probability: 0.01 }, 100],
    ['probability 1', { probability: 1 }, 1],
    ['probability 0, over 1, none, without end', { probability: 0 }, 0],
    ['probability over 1', { probability: 1.5 }, 0],
    ['probability that is no number', { probability: Number.NaN }, 0],
    ['probability near 0', { probability: 1e-300 }, 0],
    ['an interval of more than 32 bits', { interval: 2 ** 40 + 1 }, 0],
    ['a population of more than 32 bits', { size: 1, population: 2 ** 60 }, 0],
    ['RouterOS 6', { interval: 0x6400_0000 }, 100],
  ])('%s', (_, elements, expected) => {
    expect(samplingIntervalOf(elements)).toBe(expected);
  });

  it.each([
    [0x0100_0000, 1],
    [0xe803_0000, 1000],
    [0xffff_0000, 65535],
    [0x00ff_0000, 0x00ff_0000],
    [0x0100_0001, 0x0100_0001],
    [1000, 1000],
    [0, 0],
  ])('little-endian %i is %i', (interval, expected) => {
    expect(mikrotikOrder(interval)).toBe(expected);
  });
});
