/** A bpftrace that is a script, and does what it should not. */

import { chmodSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { EventSource, type EventSourceOptions } from '../../src/agent/event-source.ts';
import type { KernelEvent } from '../../src/agent/kernel-event.ts';

const PROBES = ['sock:inet_sock_set_state', 'sched:sched_process_exec', 'sched:sched_process_exit'];
const EXIT = String.raw`#flowrelay-event\tQ\t1000000000\t5\t1\t0\t0\t1\tsh\n`;

describe('a source of events', () => {
  let directory: string;
  let events: KernelEvent[];
  let source: EventSource | undefined;

  beforeEach(() => {
    directory = mkdtempSync(join(tmpdir(), 'flowrelay-bpftrace-'));
    // As if tracefs were mounted: nothing is to be mounted.
    mkdirSync(join(directory, 'events'));
    events = [];
  });

  afterEach(async () => {
    await source?.close();
    source = undefined;
    rmSync(directory, { recursive: true });
  });

  /** Opens a source whose bpftrace runs `script` once it has listed its probes. */
  async function open(script: string, options: Partial<EventSourceOptions> = {}): Promise<EventSource | string> {
    const tool = join(directory, 'bpftrace');
    const listing = PROBES.map((name) => `echo tracepoint:${name}`).join('\n');
    writeFileSync(tool, `#!/bin/sh\nif [ "$1" = -l ]; then\n${listing}\nexit\nfi\ncd ${directory}\n${script}\n`);
    chmodSync(tool, 0o755);
    const onEvents = (batch: readonly KernelEvent[]) => events.push(...batch);
    const opened = await EventSource.open({
      onEvents,
      tool,
      tracingRoot: directory,
      userId: 0,
      restartPauseMs: 5,
      ...options,
    });
    if (typeof opened !== 'string') source = opened;
    return opened;
  }

  async function until(is: () => boolean): Promise<void> {
    for (let i = 0; i < 3000 && !is(); i++) await sleep(10);
    expect(is()).toBe(true);
  }

  it('hands on what comes behind the first line, and ends with its child', async () => {
    const opened = await open(
      `printf 'Attaching 9 probes...\\n#flowrelay-event\\tH\\t1000000000\\n${EXIT}'; exec sleep 60`,
    );
    if (typeof opened === 'string') throw new Error(opened);
    await until(() => events.length === 1);
    expect(events[0]).toMatchObject({ kind: 'EXIT', pid: 5, name: 'sh' });
    expect(opened.missing).toHaveLength(3);
    expect(opened.isUp).toBe(true);
    const pid = opened.pid;
    await opened.close();
    expect(() => process.kill(pid, 0)).toThrow('ESRCH');
    expect(opened.isUp).toBe(false);
    await opened.close();
  });

  it.each([
    ['it is not installed', { tool: '/nowhere/bpftrace' }, 'bpftrace is not installed'],
    ['the program is not root', { userId: 1000 }, 'kernel events need root'],
  ])('says in one line that %s', async (_, options, reason) => {
    expect(await open('', options)).toBe(reason);
  });

  it('says what bpftrace says when it cannot begin', async () => {
    const said = "ERROR: Unknown error -1: couldn't set RLIMIT_MEMLOCK for bpftrace";
    expect(await open(`echo "${said}" >&2; printf 'stdin:1: ERROR: no BTF\\a\\n' >&2; exit 3`)).toBe(
      'bpftrace ended (code 3): stdin:1: ERROR: no BTF',
    );
  });

  it('does not wait for ever', async () => {
    expect(await open('exec sleep 60', { startTimeoutMs: 100 })).toBe('bpftrace took too long to begin');
  });

  it('begins again each time it dies, with pauses, and counts', async () => {
    const downs: string[] = [];
    let ups = 0;
    // Dies twice, does not begin at all the third time, and then stays.
    const script = `echo >> runs; case $(wc -l < runs) in 3) exit 1;; 4) printf '#flowrelay-event\\tH\\t1\\n'; exec sleep 60;; *) printf '#flowrelay-event\\tH\\t1\\n${EXIT}Q\\t1';; esac`;
    const opened = await open(script, { onDown: (reason) => downs.push(reason), onUp: () => ups++ });
    if (typeof opened === 'string') throw new Error(opened);
    await until(() => ups === 2);
    expect(downs).toEqual(['bpftrace ended (code 0)', 'bpftrace ended (code 0)']);
    // Half a line of one run is not half a line of the next.
    expect(opened.counters).toEqual({ events: 2, lost: 0, malformed: 0, restarts: 3 });
    expect(opened.isUp).toBe(true);
  });

  it('counts nonsense and losses, and hands on what is between', async () => {
    const nonsense = `head -c 3000000 /dev/urandom; printf '\\n${EXIT}Lost 12 events\\n'; head -c 2000000 /dev/zero; printf '\\n${EXIT}'; echo 'Lost 3 events' >&2`;
    const opened = await open(`printf '#flowrelay-event\\tH\\t1\\n'; ${nonsense}; exec sleep 60`);
    if (typeof opened === 'string') throw new Error(opened);
    await until(() => events.length === 2 && opened.counters.lost === 15);
    expect(opened.counters.malformed).toBeGreaterThan(5000);
    expect(opened.counters.restarts).toBe(0);
  });

  it('takes a flood without growing', async () => {
    const opened = await open(
      `printf '#flowrelay-event\\tH\\t1\\n'; yes "$(printf '${EXIT}')" | head -n 200000; exec sleep 60`,
      {
        onEvents: (batch) => {
          if (events.length < 10) events.push(...batch);
        },
      },
    );
    if (typeof opened === 'string') throw new Error(opened);
    await until(() => opened.counters.events === 200_000);
    expect(opened.counters.malformed).toBe(0);
  });
});
