import { expect, it } from 'vitest';
import { Log } from '../../src/pipeline/log.ts';

function logAt(level: 'warning' | 'info') {
  const lines: unknown[] = [];
  const clock = { nowMs: Date.UTC(2026, 0, 2, 3, 4, 5, 678) };
  return {
    log: new Log(
      level,
      (line) => lines.push(JSON.parse(line)),
      () => clock.nowMs,
    ),
    lines,
    clock,
  };
}

it('writes one JSON line per event', () => {
  const { log, lines } = logAt('info');
  log.write('info', 'started', 'two\nlines', { port: 2055 });
  expect(lines).toEqual([
    { time: '2026-01-02T03:04:05.678Z', level: 'info', event: 'started', message: 'two\nlines', port: 2055 },
  ]);
});

it('leaves out what is under its level, which may change', () => {
  const { log, lines } = logAt('warning');
  log.write('info', 'a', '');
  log.write('error', 'b', '');
  log.setLevel('info');
  log.write('info', 'c', '');
  expect(lines).toMatchObject([{ event: 'b' }, { event: 'c' }]);
});

it('writes a limited line once a key and minute, and says how many were left out', () => {
  const { log, lines, clock } = logAt('info');
  for (let i = 0; i < 5; i++) log.writeLimited('a', 'warning', 'fault', `a ${i}`);
  log.writeLimited('b', 'warning', 'fault', 'b 0');
  clock.nowMs += 60_000;
  log.writeLimited('a', 'warning', 'fault', 'a 5');
  expect(lines).toMatchObject([
    { message: 'a 0' },
    { message: 'b 0' },
    { event: 'lines_left_out', leftOut: 4 },
    { message: 'a 5' },
  ]);
});

it('stays bounded under a million keys', () => {
  const { log, lines, clock } = logAt('info');
  for (let i = 0; i < 1_000_000; i++) log.writeLimited(`${i}`, 'warning', 'fault', '');
  expect(lines).toHaveLength(1000);
  clock.nowMs += 60_000;
  log.writeLimited('x', 'warning', 'fault', '');
  expect(lines[1000]).toMatchObject({ event: 'lines_left_out', leftOut: 999_000 });
});
