import { describe, expect, it } from 'vitest';
import { GenerationPolicy } from '../../src/bytes/generation-policy.ts';

/** Records of a kind after which its function is generated, where it makes up one in `share` of all; undefined for never in a million. */
function generatedAfter(policy: GenerationPolicy, share: number): number | undefined {
  let lookAt = policy.firstLook;
  for (let records = 1; records <= 1_000_000; records++) {
    policy.records = records * share;
    if (records !== lookAt) continue;
    lookAt = policy.nextLook(records);
    if (lookAt === 0) return records;
  }
  return undefined;
}

describe('a function is generated', () => {
  it('soon for a kind that most records are of', () => {
    expect(generatedAfter(new GenerationPolicy(true), 1)).toBeLessThan(5000);
    expect(generatedAfter(new GenerationPolicy(true), 6)).toBeLessThan(5000);
  });

  it('late for a kind that few records are of', () => {
    const after = generatedAfter(new GenerationPolicy(true), 100)!;
    expect(after).toBeGreaterThan(20_000);
    expect(after).toBeLessThan(200_000);
  });

  it('as soon as its kind has grown', () => {
    const policy = new GenerationPolicy(true);
    policy.records = 1_000_000;
    const next = policy.nextLook(policy.firstLook);
    expect(next).toBeGreaterThan(policy.firstLook);
    policy.records = next + 1;
    expect(policy.nextLook(next)).toBe(0);
  });

  it('after so many records of whatever share where that is said', () => {
    expect(generatedAfter(new GenerationPolicy(true, 7), 1)).toBe(7);
    expect(generatedAfter(new GenerationPolicy(true, 7), 1000)).toBe(7);
  });

  it('never where that is switched off', () => {
    expect(generatedAfter(new GenerationPolicy(false), 1)).toBeUndefined();
    expect(generatedAfter(new GenerationPolicy(false, 7), 1)).toBeUndefined();
  });
});
