import { describe, expect, it } from 'vitest';
import { MessageContext } from '../../src/decode/message.ts';
import { PendingSets } from '../../src/decode/pending-sets.ts';
import { ObservationDomain, Session } from '../../src/decode/session.ts';

const NOW = 1_700_000_000_000;

function session(address = 'a', port = 1, domain = new ObservationDomain(address, 1, `10 ${address} 1`)): Session {
  return new Session(10, address, port, domain, false, '', NOW);
}

function message(from: Session, octets: string, arrivalMs = NOW): MessageContext {
  const context = new MessageContext();
  context.bytes = new TextEncoder().encode(octets);
  context.view = new DataView(context.bytes.buffer);
  context.session = from;
  context.version = 10;
  context.exportTimeMs = arrivalMs - 500;
  context.sequenceNumber = 77;
  context.arrivalMs = arrivalMs;
  return context;
}

function pending(maxSets = 100, maxOctets = 10_000, maxAgeMs = 1000): PendingSets {
  return new PendingSets({ maxSets, maxOctets, maxAgeMs });
}

function add(sets: PendingSets, from: Session, octets: string, templateId = 256, arrivalMs = NOW): void {
  sets.add(message(from, octets, arrivalMs), templateId, 0, octets.length);
}

function taken(sets: PendingSets, by: Session, templateId = 256): string[] {
  const found: string[] = [];
  sets.take(by, templateId, (context, pos, end) => {
    expect(context).toMatchObject({ version: 10, sequenceNumber: 77, exportTimeMs: context.arrivalMs - 500 });
    found.push(`${context.session.port} ${Buffer.from(context.bytes.subarray(pos, end)).toString()}`);
  });
  return found;
}

function balance(...sessions: Session[]): number[] {
  const sum = (name: 'setsWithoutTemplate' | 'pendingDecoded' | 'pendingDropped'): number =>
    sessions.reduce((total, { counters }) => total + counters[name], 0);
  return [sum('setsWithoutTemplate'), sum('pendingDecoded'), sum('pendingDropped')];
}

describe('Data Sets before their Template', () => {
  it('come back in order, once, as copies, with their own message', () => {
    const sets = pending();
    const one = session();
    const other = new Session(10, 'a', 2, one.domain, false, '', NOW);
    const context = message(one, 'xxabcyy');
    sets.add(context, 256, 2, 5);
    context.bytes.fill(0);
    add(sets, other, 'def');
    add(sets, one, 'other template', 257);
    expect([sets.sets, sets.octets]).toEqual([3, 20]);
    expect(taken(sets, session('b'))).toEqual([]);
    expect(taken(sets, one)).toEqual(['1 abc', '2 def']);
    expect(taken(sets, one)).toEqual([]);
    expect([sets.sets, sets.octets]).toEqual([1, 14]);
    expect(balance(one, other)).toEqual([3, 2, 0]);
  });

  it('over the limits are dropped, or drop what waits longest where their Exporter is established', () => {
    for (const sets of [pending(3), pending(100, 9)]) {
      const unknown = session('u');
      for (const octets of ['aaa', 'bbb', 'ccc', 'ddd']) add(sets, unknown, octets);
      expect([sets.sets, ...balance(unknown)]).toEqual([3, 4, 0, 1]);
      const known = session('k');
      known.isEstablished = true;
      add(sets, known, 'eee');
      expect(taken(sets, known)).toEqual(['1 eee']);
      expect(balance(unknown)).toEqual([4, 0, 4]);
    }
  });

  it('longer than all the room are dropped', () => {
    const sets = pending(100, 5);
    const known = session();
    known.isEstablished = true;
    add(sets, known, 'abc');
    add(sets, known, 'abcdef');
    expect([sets.sets, ...balance(known)]).toEqual([0, 2, 0, 2]);
  });

  it('of one Template do not take all the room', () => {
    const sets = pending(100_000, 10_000_000);
    const one = session();
    for (let i = 0; i < 5000; i++) add(sets, one, 'a');
    expect(sets.sets).toBe(1024);
    expect(balance(one)).toEqual([5000, 0, 5000 - 1024]);
  });

  it('too old go, what came later stays', () => {
    const sets = pending();
    const one = session();
    add(sets, one, 'old', 256, NOW);
    add(sets, one, 'new', 256, NOW + 900);
    add(sets, one, 'else', 257, NOW + 1500);
    expect([sets.sets, ...balance(one)]).toEqual([2, 3, 0, 1]);
    expect(taken(sets, one)).toEqual(['1 new']);
  });
});
