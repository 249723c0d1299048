/** When learned Templates and options are saved, on a clock that stands still while they are. */

import { mkdirSync, mkdtempSync, rmdirSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, it, vi } from 'vitest';
import { Log } from '../../src/pipeline/log.ts';
import { StateFile } from '../../src/pipeline/state-file.ts';
import { type SavedKnowledge, StateKeeper } from '../../src/pipeline/state-keeper.ts';

const START_MS = Date.UTC(2026, 0, 2);

let file: StateFile;
let events: string[];
let keeper: StateKeeper;
let known: { templates: number; changes: number };
let knowledge: SavedKnowledge;

beforeEach(() => {
  vi.useFakeTimers({ toFake: ['Date'], now: START_MS });
  file = new StateFile(mkdtempSync(join(tmpdir(), 'flowrelay-')));
  events = [];
  keeper = new StateKeeper(file, new Log('info', (line) => events.push((JSON.parse(line) as { event: string }).event)));
  known = { templates: 0, changes: 0 };
  knowledge = {
    changes: () => ({ ...known }),
    serializeState: () => JSON.stringify(known),
    restoreState: (text) => (text === 'spoilt' ? 'it is spoilt' : undefined),
  };
});

afterEach(() => {
  vi.useRealTimers();
});

/** What lies in the file once the keeper was asked so many seconds after the start. */
async function savedAfter(seconds: number): Promise<string | undefined> {
  vi.setSystemTime(START_MS + seconds * 1000);
  await keeper.tick(knowledge, Date.now());
  return file.read();
}

it('saves a new Template at the next second', async () => {
  await keeper.save(knowledge);
  known = { templates: 1, changes: 1 };
  expect(await savedAfter(1)).toBe('{"templates":1,"changes":1}');
  known = { templates: 2, changes: 2 };
  expect(await savedAfter(2)).toBe('{"templates":2,"changes":2}');
});

it('saves other changes five seconds after the last time, and nothing where nothing changed', async () => {
  await keeper.save(knowledge);
  known = { templates: 0, changes: 1 };
  expect(await savedAfter(4)).toBe('{"templates":0,"changes":0}');
  expect(await savedAfter(5)).toBe('{"templates":0,"changes":1}');
  await file.save('left alone');
  expect(await savedAfter(60)).toBe('left alone');
});

it('takes a twentieth of the time at most, however many Templates are new', async () => {
  await keeper.save(knowledge);
  knowledge.serializeState = () => {
    vi.setSystemTime(Date.now() + 500);
    return JSON.stringify(known);
  };
  known = { templates: 1, changes: 1 };
  expect(await savedAfter(10)).toBe('{"templates":1,"changes":1}');
  known = { templates: 2, changes: 2 };
  // Ends at 10.5 s, and ten seconds are twenty times the half that it took.
  expect(await savedAfter(20)).toBe('{"templates":1,"changes":1}');
  expect(await savedAfter(20.5)).toBe('{"templates":2,"changes":2}');
});

it('tries again after a failure, which it tells once, and says when that is over', async () => {
  const inTheWay = `${file.path}.new`;
  mkdirSync(inTheWay);
  known = { templates: 1, changes: 1 };
  expect(await savedAfter(1)).toBeUndefined();
  expect(await savedAfter(6)).toBeUndefined();
  expect(events).toEqual(['state_not_saved']);
  rmdirSync(inTheWay);
  expect(await savedAfter(11)).toBe('{"templates":1,"changes":1}');
  expect(events).toEqual(['state_not_saved', 'state_saved_again']);
});

it('says what of a state it could not use', async () => {
  await file.save('spoilt');
  await keeper.restore(knowledge);
  expect(events).toEqual(['state_ignored']);
});
