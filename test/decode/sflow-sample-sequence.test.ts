import { expect, it } from 'vitest';
import { ObservationDomain, Session } from '../../src/decode/session.ts';
import { SampleSequenceTable } from '../../src/decode/sflow-sample-sequence.ts';

function sessionOf(agent: string): Session {
  return new Session(105, '192.0.2.1', 6343, new ObservationDomain('192.0.2.1', 0, agent), false, agent, 0);
}

it('follows thousands of sources of several agents at once', () => {
  const table = new SampleSequenceTable(1);
  const sessions = ['192.0.2.1', '192.0.2.2', '192.0.2.3'].map(sessionOf);
  for (let round = 0; round < 3; round++) {
    for (const session of sessions) {
      for (let index = 0; index < 2000; index++) {
        // Every third source loses two samples between rounds.
        const sequence = index * 1000 + round * (index % 3 === 0 ? 3 : 1);
        table.observe(session, 1, 0, index, sequence, session.counters);
      }
    }
  }
  for (const session of sessions) expect(session.counters.samplesLost).toBe(2 * 2 * Math.ceil(2000 / 3));
});

it('tells kinds and types of sources apart', () => {
  const table = new SampleSequenceTable(1);
  const session = sessionOf('192.0.2.1');
  for (const [kind, type] of [
    [1, 0],
    [2, 0],
    [5, 0],
    [1, 1],
    [1, 2],
  ] as const) {
    table.observe(session, kind, type, 9, kind * 1000 + type * 100, session.counters);
    table.observe(session, kind, type, 9, kind * 1000 + type * 100 + 1, session.counters);
  }
  expect(session.counters.samplesLost).toBe(0);
});

it('bears more sources than it follows', () => {
  const table = new SampleSequenceTable(1);
  const session = sessionOf('192.0.2.1');
  for (let index = 0; index < 300_000; index++)
    table.observe(session, 1, index & 3, index, index * 7, session.counters);
  expect(session.counters.samplesLost).toBe(0);
  table.observe(session, 1, 0, 5, 100, session.counters);
  table.observe(session, 1, 0, 5, 103, session.counters);
  expect(session.counters.samplesLost).toBe(2);
});
