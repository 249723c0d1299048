import { describe, expect, it } from 'vitest';
import type { Session } from '../../src/decode/session.ts';
import { type ExporterKey, SessionTable } from '../../src/decode/session-table.ts';
import type { FieldSpecifier, Template } from '../../src/decode/template.ts';

const NOW = 1_700_000_000_000;

/** A Template of `count` fields, unlike others by its first element. */
function template(id: number, count = 1, elementId = 1): Template {
  const fields = Array.from(
    { length: count },
    (_, i): FieldSpecifier => ({ elementId: elementId + i, enterpriseNumber: 0, length: 4 }),
  );
  const signature = JSON.stringify(fields);
  return { id, version: 10, fields, scopeFieldCount: -1, minRecordLength: 4 * count, signature, words: [] };
}

function table(maxSessions: number, maxTemplateFields = 1_000_000, exporterKey: ExporterKey = 'address'): SessionTable {
  return new SessionTable({ maxSessions, maxTemplateFields, exporterKey });
}

/** A message of an Exporter that decodes. */
function hear(
  sessions: SessionTable,
  address: string,
  port = 2055,
  domain = 1,
  atMs = NOW,
  isReliable = false,
): Session {
  const session = sessions.find(10, address, port, domain, '', isReliable, atMs);
  session.counters.messagesReceived++;
  session.counters.messagesDecoded++;
  sessions.messageDecoded(session);
  return session;
}

function establish(sessions: SessionTable, address: string, atMs = NOW): Session {
  hear(sessions, address, 2055, 1, atMs);
  hear(sessions, address, 2055, 1, atMs);
  return hear(sessions, address, 2055, 1, atMs);
}

function addresses(sessions: SessionTable): string[] {
  return [...sessions.sessions()].map(({ address }) => address);
}

describe('sessions', () => {
  it('are told apart by version, address, port, domain, agent and transport', () => {
    const sessions = table(100);
    const keys: [number, string, number, number, string, boolean][] = [];
    for (const version of [9, 10]) {
      for (const address of ['192.0.2.1', '2001:db8::1']) {
        for (const port of [1, 65535]) {
          for (const domain of [0, 1, 2 ** 32 - 1]) {
            for (const isReliable of [false, true]) keys.push([version, address, port, domain, '', isReliable]);
          }
        }
      }
    }
    keys.push([105, '192.0.2.1', 1, 0, '10.0.0.1', false], [105, '192.0.2.1', 1, 0, '10.0.0.2', false]);
    keys.push([5, '192.0.2.1', 1, 0, '', false], [7, '192.0.2.1', 1, 0, '', false], [1, '192.0.2.1', 1, 0, '', false]);
    const found = keys.map((key) => sessions.find(...key, NOW));
    expect(new Set(found).size).toBe(keys.length);
    expect(keys.map((key) => sessions.find(...key, NOW))).toEqual(found);
    expect(sessions.size).toBe(keys.length);
  });

  it('over the limit: the least recently heard goes', () => {
    const sessions = table(3);
    for (const address of ['a', 'b', 'c']) hear(sessions, address);
    hear(sessions, 'a', 2055, 1, NOW + 2000);
    hear(sessions, 'd', 2055, 1, NOW + 3000);
    expect(addresses(sessions)).toEqual(['c', 'a', 'd']);
    expect(sessions.sessionsEvicted).toBe(1);
  });

  it('established are not displaced by a flood of others', () => {
    const sessions = table(5);
    const real = ['r1', 'r2', 'r3'].map((address) => establish(sessions, address));
    for (let i = 0; i < 10_000; i++) hear(sessions, `spoofed${i}`, 2055, i, NOW + i);
    expect(addresses(sessions).slice(-3)).toEqual(['r1', 'r2', 'r3']);
    expect(real.every(({ hasEnded }) => !hasEnded)).toBe(true);
    expect(sessions.size).toBe(5);
  });

  it('established go when there are only established, the least recently heard first', () => {
    const sessions = table(3);
    for (const [i, address] of ['a', 'b', 'c'].entries()) establish(sessions, address, NOW + i * 5000);
    hear(sessions, 'a', 2055, 1, NOW + 60_000);
    establish(sessions, 'd', NOW + 61_000);
    expect(addresses(sessions).sort()).toEqual(['a', 'c', 'd']);
  });

  it('leave their counts behind', () => {
    const sessions = table(2);
    for (let i = 0; i < 50; i++) hear(sessions, `s${i}`);
    expect(sessions.totals().messagesReceived).toBe(50);
    const [ended] = sessions.sessions();
    sessions.find(10, 'x', 1, 1, '', false, NOW);
    expect(ended!.hasEnded).toBe(true);
    // What still waits for an ended session is counted when it is dropped.
    ended!.counters.pendingDropped++;
    expect(sessions.totals().pendingDropped).toBe(1);
  });

  it('over TCP end with their connection, and only they', () => {
    const sessions = table(10);
    for (const domain of [1, 2]) {
      const session = hear(sessions, 'a', 4739, domain, NOW, true);
      sessions.learn(session, template(256), NOW);
    }
    hear(sessions, 'a', 4739, 1, NOW, false);
    hear(sessions, 'a', 4740, 1, NOW, true);
    sessions.endReliable('a', 4739);
    expect([...sessions.sessions()].map(({ port, isReliable }) => [port, isReliable])).toEqual([
      [4739, false],
      [4740, true],
    ]);
    sessions.endReliable('nobody', 1);
    expect(sessions.sessionsEvicted).toBe(0);
  });
});

describe('Templates', () => {
  it('are learned, refreshed and redefined', () => {
    const sessions = table(10);
    const session = hear(sessions, 'a');
    expect(sessions.learn(session, template(256), NOW)).toBe(true);
    const entry = sessions.templateFor(session, 256)!;
    const reader = { readSet: () => 0 };
    entry.reader = reader;
    sessions.learn(session, template(256), NOW + 1);
    expect(entry).toMatchObject({ reader, announcedMs: NOW + 1 });
    sessions.learn(session, template(256, 2), NOW + 2);
    expect(sessions.templateFor(session, 256)!.reader).toBeUndefined();
    const { templatesLearned, templatesRefreshed, templatesRedefined } = session.counters;
    expect([templatesLearned, templatesRefreshed, templatesRedefined]).toEqual([1, 1, 1]);
    expect(sessions.forget(session, 256)).toBe(true);
    expect(sessions.forget(session, 256)).toBe(false);
    expect(session.templateFields).toBe(0);
  });

  it('are borrowed from other ports of the same address and domain, the latest first', () => {
    const sessions = table(1000);
    sessions.learn(hear(sessions, 'a', 1), template(256, 1), NOW);
    sessions.learn(hear(sessions, 'a', 2), template(256, 2), NOW + 5);
    sessions.learn(hear(sessions, 'a', 3, 99), template(256, 3), NOW + 9);
    sessions.learn(hear(sessions, 'b', 4), template(256, 4), NOW + 9);
    const borrower = hear(sessions, 'a', 5);
    expect(sessions.templateFor(borrower, 256)!.template.fields).toHaveLength(2);
    expect(borrower.counters.templateBorrowed).toBe(1);
    expect(sessions.templateFor(borrower, 257)).toBeUndefined();
    expect(sessions.templateCollisions).toBe(1);
  });

  it('are found by an Exporter that changes its port each time', () => {
    const sessions = table(1000);
    sessions.learn(hear(sessions, 'a', 1), template(256), NOW);
    for (let port = 2; port < 500; port++) {
      expect(sessions.templateFor(hear(sessions, 'a', port), 256), `port ${port}`).toBeDefined();
    }
  });

  it('are not borrowed where sessions count', () => {
    const sessions = table(10, 1000, 'session');
    sessions.learn(hear(sessions, 'a', 1), template(256, 1), NOW);
    sessions.learn(hear(sessions, 'a', 2), template(256, 2), NOW);
    expect(sessions.templateFor(hear(sessions, 'a', 3), 256)).toBeUndefined();
    expect(sessions.templateCollisions).toBe(0);
  });

  it('expire', () => {
    const sessions = table(10);
    const session = hear(sessions, 'a');
    sessions.learn(session, template(256), NOW);
    sessions.learn(session, template(257), NOW + 5000);
    sessions.expire(session, NOW + 4000);
    expect([...session.templates.keys()]).toEqual([257]);
    expect(session.counters.templatesExpired).toBe(1);
  });

  it('over the limit: those of unestablished sessions go first', () => {
    const sessions = table(1000, 1000);
    const real = establish(sessions, 'real');
    for (let id = 256; id < 266; id++) sessions.learn(real, template(id, 12), NOW);
    // Each announces a Template of its own: equal ones would take next to nothing.
    for (let i = 0; i < 500; i++) sessions.learn(hear(sessions, `spoofed${i}`), template(300 + i, 50), NOW + i);
    expect(real.templates.size).toBe(10);
    const fields = [...sessions.sessions()].reduce((sum, { templateFields }) => sum + templateFields, 0);
    expect(fields).toBeLessThanOrEqual(1000);
  });

  it('over the limit: who holds most loses what it used least recently, the others nothing', () => {
    const sessions = table(1000, 2000);
    const real = establish(sessions, 'real');
    sessions.learn(real, template(256, 30), NOW);
    sessions.learn(real, template(257, 30), NOW);
    const greedy = establish(sessions, 'greedy');
    for (let id = 256; id < 2256; id++) {
      expect(sessions.learn(greedy, template(id, 2), NOW + id)).toBe(true);
      expect(greedy.templates.has(id)).toBe(true);
    }
    expect(real.templates.size).toBe(2);
    const late = establish(sessions, 'late');
    for (let id = 256; id < 260; id++) expect(sessions.learn(late, template(id, 30), NOW)).toBe(true);
    expect(late.templates.size).toBe(4);
    expect(real.templates.size).toBe(2);
    expect(Math.min(...greedy.templates.keys())).toBeGreaterThan(1900);
    expect(greedy.counters.templatesEvicted).toBe(2000 - greedy.templates.size);
  });

  it('that alone are over the limit are refused and not kept', () => {
    const sessions = table(10, 100);
    const session = establish(sessions, 'a');
    expect(sessions.learn(session, template(256, 200), NOW)).toBe(false);
    expect(session.templates.size).toBe(0);
    expect(session.templateFields).toBe(0);
    expect(sessions.learn(session, template(257, 20), NOW)).toBe(true);
  });
});
