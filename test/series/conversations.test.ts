import { describe, expect, it } from 'vitest';
import { Conversations } from '../../src/series/conversations.ts';
import { Random } from '../support/random.ts';

const START_MS = 1_767_225_600_000;

/** A record of the conversation with this key: its place. */
function record(conversations: Conversations, first: number, second: number, atMs: number, hint = -1): number {
  return conversations.find(first, second, hint, Float64Array.of(atMs, atMs + 100), 0);
}

describe('conversations', () => {
  it('are told apart as a map does it, found through hints or without', () => {
    const random = new Random(3);
    const conversations = new Conversations(8192);
    const model = new Map<number, { first: number; second: number; place: number }>();
    const firsts = new Int32Array(1);
    const seconds = new Int32Array(1);
    const places = new Int32Array(1);
    for (let i = 0; i < 40_000; i++) {
      const id = random.below(8000);
      const known = model.get(id);
      // Keys that differ in one half only are as different.
      const first = known?.first ?? Math.imul(id >> 1, 0x9e37_79b1);
      const second = known?.second ?? Math.imul(id, 0x85eb_ca6b);
      firsts[0] = first;
      seconds[0] = second;
      conversations.fetch(firsts, seconds, 1, places);
      const hint = i % 3 === 0 ? -1 : i % 3 === 1 ? places[0]! : (model.get(random.below(8000))?.place ?? -1);
      const place = record(conversations, first, second, START_MS + i, hint);
      expect(conversations.isNew).toBe(known === undefined);
      if (known === undefined) model.set(id, { first, second, place });
      else expect([place, places[0]]).toEqual([known.place, known.place]);
    }
    expect(new Set([...model.values()].map(({ place }) => place)).size).toBe(model.size);
    expect(conversations.pushedOut).toBe(0);
  });

  it('give their place to new ones when all are taken, those silent for longest first', () => {
    const conversations = new Conversations(64);
    const keyOf = (i: number) => Math.imul(i + 1, 0x9e37_79b1);
    for (let i = 0; i < 64; i++) record(conversations, keyOf(i), i, START_MS);
    // Every eighth goes on; an hour later those who were silent make room for others.
    const laterMs = START_MS + 3_600_000;
    for (let i = 0; i < 64; i += 8) record(conversations, keyOf(i), i, laterMs);
    for (let i = 64; i < 96; i++) record(conversations, keyOf(i), i, laterMs);
    expect(conversations.pushedOut).toBe(0);
    for (let i = 0; i < 64; i += 8) {
      record(conversations, keyOf(i), i, laterMs);
      expect(conversations.isNew).toBe(false);
    }
    for (let i = 64; i < 96; i++) {
      record(conversations, keyOf(i), i, laterMs);
      expect(conversations.isNew).toBe(false);
    }
    for (let i = 96; i < 160; i++) record(conversations, keyOf(i), i, laterMs);
    expect(conversations.pushedOut).toBeGreaterThan(0);
    expect(conversations.pushedOut).toBeLessThanOrEqual(64);
  });

  it('whose keys fall into one place of the index push out one another, not the rest', () => {
    const conversations = new Conversations(4096);
    record(conversations, 1, 5, START_MS);
    for (let i = 0; i < 100; i++) record(conversations, i * 0x10_0000, 7, START_MS + 10 * i);
    expect(conversations.pushedOut).toBe(84);
    for (let i = 84; i < 100; i++) {
      record(conversations, i * 0x10_0000, 7, START_MS + 2000);
      expect(conversations.isNew).toBe(false);
    }
    record(conversations, 1, 5, START_MS + 2000);
    expect(conversations.isNew).toBe(false);
  });

  it('begin anew with nothing of the one that had the place', () => {
    const conversations = new Conversations(8);
    const times = Float64Array.of(START_MS, START_MS + 100);
    for (let i = 0; i < 8; i++) {
      const place = conversations.find(i << 20, i, -1, times, 1);
      conversations.mark(place, 1, 900, 901);
      conversations.isReported(place, 0, 77, times, false);
    }
    const place = conversations.find(99 << 20, 99, -1, times, 0);
    expect(conversations.clientOf(place)).toBe(0);
    conversations.mark(place, 1, 900, 900);
    expect([conversations.lowFrom, conversations.lowTo, conversations.highTo]).toEqual([900, 900, -1]);
    expect(conversations.isReported(place, 0, 78, times, false)).toBe(false);
  });
});
