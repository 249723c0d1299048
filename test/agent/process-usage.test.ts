import { afterEach, beforeEach, expect, it } from 'vitest';
import { ProcessUsageMeter } from '../../src/agent/process-usage.ts';
import { type FakeProcess, ProcTree } from '../support/proc-tree.ts';

let tree: ProcTree;
let nowMs: number;
let meter: ProcessUsageMeter;
beforeEach(() => {
  tree = new ProcTree();
  nowMs = 50_000;
  meter = new ProcessUsageMeter({ procRoot: tree.root, nowMs: () => nowMs });
});
afterEach(() => tree.close());

const BEGIN: FakeProcess = {
  startTicks: 5,
  residentKib: 1000,
  residentPeakKib: 5000,
  userTicks: 100,
  systemTicks: 50,
  minorFaults: 10,
  majorFaults: 1,
  blockWaitTicks: 20,
};

it('is the difference between two looks', () => {
  tree.put(70, BEGIN);
  const mark = meter.begin(70)!;
  nowMs += 2000;
  // 40 + 10 ticks of 10 ms in 2 s are 25 %, 5 ticks of waiting 2.5 %.
  tree.put(70, {
    ...BEGIN,
    residentKib: 3000,
    userTicks: 140,
    systemTicks: 60,
    minorFaults: 25,
    majorFaults: 4,
    blockWaitTicks: 25,
  });
  expect(meter.since(mark)).toEqual({
    residentOctets: 3000 * 1024,
    residentPeakOctets: 3000 * 1024,
    cpuLoad: 2500,
    pageFaults: 18,
    ioWait: 250,
  });
});

it('has a peak between the looks when that is above all before', () => {
  tree.put(70, BEGIN);
  const mark = meter.begin(70)!;
  nowMs += 1000;
  tree.put(70, { ...BEGIN, residentKib: 500 });
  expect(meter.since(mark)).toMatchObject({ residentOctets: 500 * 1024, residentPeakOctets: 1000 * 1024 });
  nowMs += 1000;
  tree.put(70, { ...BEGIN, residentKib: 500, residentPeakKib: 7000 });
  expect(meter.since(mark)).toMatchObject({ residentOctets: 500 * 1024, residentPeakOctets: 7000 * 1024 });
});

it('is that of the last look when the process is gone, and of a zombie its times', () => {
  tree.put(70, BEGIN);
  const mark = meter.begin(70)!;
  nowMs += 1000;
  tree.put(70, { ...BEGIN, userTicks: 110, residentKib: 2000 });
  expect(meter.since(mark)).toMatchObject({ cpuLoad: 1000 });
  nowMs += 1000;
  tree.put(70, { ...BEGIN, userTicks: 200, residentKib: 0, residentPeakKib: 0 });
  expect(meter.since(mark)).toMatchObject({ cpuLoad: 5000, residentOctets: 2000 * 1024 });
  tree.remove(70);
  nowMs += 8000;
  expect(meter.since(mark)).toMatchObject({ cpuLoad: 5000, residentOctets: 2000 * 1024 });
});

it('is not known of a process that was not there, was gone at once, or is another', () => {
  expect(meter.begin(70)).toBeUndefined();
  tree.put(70, BEGIN);
  const mark = meter.begin(70)!;
  tree.remove(70);
  nowMs += 1000;
  expect(meter.since(mark)).toBeUndefined();
  tree.put(70, { ...BEGIN, startTicks: 6, userTicks: 9000 });
  expect(meter.since(mark)).toBeUndefined();
  nowMs += 1000;
  meter.begin(70);
  expect(meter.since(mark)).toBeUndefined();
});

it('shares looks between flows of a process', () => {
  tree.put(70, BEGIN);
  const marks = Array.from({ length: 1000 }, () => meter.begin(70)!);
  expect(new Set(marks).size).toBe(1);
  tree.put(70, { ...BEGIN, userTicks: 101 });
  // One tick in less than one: no more than one tick's worth of load.
  nowMs += 5;
  expect(meter.since(marks[0]!)).toMatchObject({ cpuLoad: 10_000 });
  tree.remove(70);
  for (const mark of marks) expect(meter.since(mark)).toMatchObject({ cpuLoad: 10_000 });
  expect(meter.files.vanished).toBe(0);
});

it('never runs backwards', () => {
  tree.put(70, BEGIN);
  const mark = meter.begin(70)!;
  nowMs += 1000;
  tree.put(70, { ...BEGIN, userTicks: 1, minorFaults: 0, blockWaitTicks: 0 });
  expect(meter.since(mark)).toMatchObject({ cpuLoad: 0, pageFaults: 0, ioWait: 0 });
});

it('keeps the last look at a limited number of processes', () => {
  meter = new ProcessUsageMeter({ procRoot: tree.root, nowMs: () => nowMs, maxProcesses: 3 });
  const marks = [1, 2, 3, 4].map((pid) => {
    tree.put(pid, BEGIN);
    return meter.begin(pid)!;
  });
  nowMs += 1000;
  for (const mark of marks) expect(meter.since(mark)).toBeDefined();
  for (const pid of [1, 2, 3, 4]) tree.remove(pid);
  nowMs += 1000;
  expect(marks.map((mark) => meter.since(mark) !== undefined)).toEqual([false, true, true, true]);
});
