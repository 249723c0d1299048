import { describe, expect, it } from 'vitest';
import { DomainOptions, OptionBudget } from '../../src/normalize/domain-options.ts';

const NAME = 'n'.repeat(256);

describe('what options data tells', () => {
  it('is bounded for one domain', () => {
    const options = new DomainOptions(new OptionBudget());
    for (let i = 0; i < 100_000; i++) options.interfaceNames.set(i, `${NAME.slice(8)}${String(i).padStart(8, '0')}`);
    // 8 MiB by 64 octets an entry and two a character
    expect(options.interfaceNames.entries.size).toBe(Math.floor((8 * 2 ** 20) / (64 + 512)));
    expect(options.refused).toBe(100_000 - options.interfaceNames.entries.size);
    expect(options.interfaceNames.set(0, 'short')).toBe(true);
    expect(options.interfaceNames.get(0)).toBe('short');
  });

  it('is bounded for all domains together, and leaves room for sampling', () => {
    const budget = new OptionBudget(100_000);
    const all = Array.from({ length: 50 }, () => new DomainOptions(budget));
    for (const options of all) for (let i = 0; i < 50; i++) options.vrfNames.set(i, `${NAME}${i}`);
    const names = all.reduce((sum, { vrfNames }) => sum + vrfNames.entries.size, 0);
    expect(names).toBeGreaterThan(100);
    expect(names).toBeLessThan(75_000 / 576);
    expect(all.at(-1)!.samplers.set(1, 100)).toBe(true);
  });

  it('gives its room back when its domain ends, and takes none after', () => {
    const budget = new OptionBudget(100_000);
    const options = new DomainOptions(budget);
    for (let i = 0; i < 50; i++) options.interfaceNames.set(i, NAME);
    options.samplers.set(1, 5);
    options.samplers.set(1, 6);
    options.takeElement();
    expect(budget.left).toBe(100_000 - 50 * 576 - 64 - 768);
    options.release();
    expect(budget.left).toBe(100_000);
    expect(options.interfaceNames.set(99, NAME)).toBe(false);
    expect(budget.left).toBe(100_000);
  });

  it('tells the sampling interval that all samplers have in common', () => {
    const options = new DomainOptions(new OptionBudget());
    const learn = (sampler: number, interval: number): number => {
      options.samplers.set(sampler, interval);
      options.changes++;
      return options.commonSamplingInterval;
    };
    expect([learn(1, 100), learn(2, 100), learn(3, 200), learn(3, 100)]).toEqual([100, 100, 0, 100]);
    options.samplingInterval = 7;
    expect(options.commonSamplingInterval).toBe(7);
  });
});
