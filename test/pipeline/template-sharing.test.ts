import { describe, expect, it } from 'vitest';
import { MAX_SESSIONS_TOLD, TemplateSharing } from '../../src/pipeline/template-sharing.ts';
import { ARRIVAL_MS, DecodingHarness } from '../support/decoding-harness.ts';
import { dataSet, message, optionsTemplateSet, templateSet } from '../support/ipfix-message.ts';
import { joined, type Octets, u16, u32 } from '../support/wire-octets.ts';

/** protocolIdentifier and octetDeltaCount in 4 octets; the other way round in the second. */
const TEMPLATE = message([
  templateSet(256, [
    [4, 1],
    [1, 4],
  ]),
]);
const OTHER_TEMPLATE = message([
  templateSet(256, [
    [1, 4],
    [4, 1],
  ]),
]);
const DATA = message([dataSet(256, joined(Uint8Array.of(17), u32(1024)))]);
/** samplingInterval (34) by Exporting Process (144). */
const SAMPLING = message([optionsTemplateSet(257, [[144, 4]], [[34, 4]]), dataSet(257, joined(u32(1), u32(100)))]);
const NEVER = Number.POSITIVE_INFINITY;

/** Two threads that tell each other what is new. */
class TwoThreads {
  readonly one = new DecodingHarness();
  readonly two = new DecodingHarness();
  readonly #sharing = [new TemplateSharing(), new TemplateSharing()] as const;
  nowMs = ARRIVAL_MS;

  /** Shares once, both ways, and gives how many sessions each told. */
  share(refreshMs = NEVER): [number, number] {
    this.nowMs += 200;
    const fromOne = structuredClone(this.#sharing[0].news(this.one.decoding, this.nowMs, refreshMs));
    this.#sharing[1].adopt(this.two.decoding, fromOne, this.nowMs);
    const fromTwo = structuredClone(this.#sharing[1].news(this.two.decoding, this.nowMs, refreshMs));
    this.#sharing[0].adopt(this.one.decoding, fromTwo, this.nowMs);
    return [fromOne.length, fromTwo.length];
  }

  lines(thread: DecodingHarness, octets: Octets, port: number) {
    return thread.lines(octets, { port, arrivalMs: this.nowMs });
  }
}

describe('a Template that another thread learned', () => {
  it('decodes data of another port of the Exporter', () => {
    const threads = new TwoThreads();
    threads.lines(threads.one, TEMPLATE, 1001);
    expect(threads.share()).toEqual([1, 0]);
    expect(threads.lines(threads.two, DATA, 1002)).toMatchObject([{ PROTOCOL: 17, IN_BYTES: 1024 }]);
  });

  it('decodes data that came before it', () => {
    const threads = new TwoThreads();
    expect(threads.lines(threads.two, DATA, 1002)).toEqual([]);
    expect(threads.two.decoding.pendingStatus().sets).toBe(1);
    threads.lines(threads.one, TEMPLATE, 1001);
    threads.share();
    expect(JSON.parse(threads.two.takeText())).toMatchObject({ PROTOCOL: 17, IN_BYTES: 1024 });
    expect(threads.two.decoding.pendingStatus().sets).toBe(0);
    expect(threads.two.decoding.sessions.totals()).toMatchObject({ flowRecords: 1, pendingDecoded: 1 });
  });

  it('replaces the one it redefines', () => {
    const threads = new TwoThreads();
    threads.lines(threads.one, TEMPLATE, 1001);
    threads.share();
    threads.nowMs += 1000;
    threads.lines(threads.one, OTHER_TEMPLATE, 1001);
    expect(threads.share()).toEqual([1, 0]);
    expect(threads.lines(threads.two, message([dataSet(256, joined(u32(9), Uint8Array.of(6)))]), 1002)).toMatchObject([
      { PROTOCOL: 6, IN_BYTES: 9 },
    ]);
  });

  it('is told once, counted once, and not shown as a session of this thread until that is heard', () => {
    const threads = new TwoThreads();
    threads.lines(threads.one, TEMPLATE, 1001);
    expect(threads.share()).toEqual([1, 0]);
    expect(threads.share()).toEqual([0, 0]);
    threads.lines(threads.one, TEMPLATE, 1001);
    expect(threads.share()).toEqual([0, 0]);
    expect(threads.two.decoding.sessions.heard()).toEqual([]);
    expect(threads.two.decoding.sessions.totals()).toMatchObject({
      messagesReceived: 0,
      templatesLearned: 0,
      templatesRefreshed: 0,
    });
    expect(JSON.parse(threads.two.decoding.serializeState())).toMatchObject({ sessions: [] });
    threads.lines(threads.two, TEMPLATE, 1001);
    expect(threads.two.decoding.sessions.heard()).toHaveLength(1);
  });

  it('does not expire while it is repeated in its own thread', () => {
    const threads = new TwoThreads();
    threads.lines(threads.one, TEMPLATE, 1001);
    threads.share(1000);
    const announced = () => [...threads.two.decoding.sessions.sessions()][0]?.templates.get(256)?.announcedMs;
    const before = announced();
    threads.nowMs += 5000;
    threads.lines(threads.one, TEMPLATE, 1001);
    expect(threads.share(1000)).toEqual([1, 0]);
    expect(announced()).toBe(before! + 5200);
  });

  it('is told again, of an established session, where it may have been displaced', () => {
    const threads = new TwoThreads();
    threads.lines(threads.one, TEMPLATE, 1001);
    threads.share();
    for (let i = 0; i < 3; i++) threads.lines(threads.one, DATA, 1001);
    expect(threads.share()).toEqual([1, 0]);
    const [adopted] = threads.two.decoding.sessions.sessions();
    expect([adopted?.isEstablished, adopted?.templates.size]).toEqual([true, 1]);
  });

  it('is not told where it came over TCP, whose Templates end with the connection', () => {
    const threads = new TwoThreads();
    threads.one.lines(TEMPLATE, { isReliable: true });
    expect(threads.share()).toEqual([0, 0]);
  });
});

it('tells a flood of sessions little by little', () => {
  const threads = new TwoThreads();
  const sessions = MAX_SESSIONS_TOLD + 10;
  for (let port = 1; port <= sessions; port++) threads.lines(threads.one, TEMPLATE, port);
  expect(threads.share()).toEqual([MAX_SESSIONS_TOLD, 0]);
  expect(threads.share()).toEqual([10, 0]);
  expect(threads.two.decoding.sessions.size).toBe(sessions);
});

describe('options that another thread learned', () => {
  it('count for all ports of the Exporter', () => {
    const threads = new TwoThreads();
    threads.lines(threads.one, SAMPLING, 1001);
    expect(threads.share()).toEqual([1, 0]);
    expect(threads.share()).toEqual([0, 0]);
    expect(threads.lines(threads.two, joinedMessage(), 1002)).toMatchObject([{ SAMPLING_INTERVAL: 100 }]);
  });

  it('join what this thread knows, and end at the same', () => {
    const threads = new TwoThreads();
    threads.lines(threads.one, interfaceName(1, 'eth1'), 1001);
    threads.lines(threads.two, interfaceName(2, 'eth2'), 1002);
    threads.share();
    // Interfaces with names of the domain, in each thread.
    for (const { decoding } of [threads.one, threads.two]) {
      const saved = JSON.parse(decoding.serializeState()) as { sessions: { options?: { interfaceNames: unknown } }[] };
      const names = saved.sessions.flatMap(({ options }) => (options === undefined ? [] : [options.interfaceNames]));
      expect(names.flat()).toEqual(
        expect.arrayContaining([
          [1, 'eth1'],
          [2, 'eth2'],
        ]),
      );
    }
    threads.nowMs += 10_000;
    threads.share();
    expect(threads.share()).toEqual([0, 0]);
    threads.nowMs += 10_000;
    expect(threads.share()).toEqual([0, 0]);
  });
});

/** Template and data in one, so that only options come from elsewhere. */
function joinedMessage(): Octets {
  return message([
    templateSet(256, [
      [4, 1],
      [1, 4],
    ]),
    dataSet(256, joined(Uint8Array.of(17), u32(1024))),
  ]);
}

/** ingressInterface (10) as scope, interfaceName (82) in 4 octets. */
function interfaceName(index: number, name: string): Octets {
  return message([
    optionsTemplateSet(258, [[10, 2]], [[82, 4]]),
    dataSet(258, joined(u16(index), new TextEncoder().encode(name))),
  ]);
}
