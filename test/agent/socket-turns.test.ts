/** Many network namespaces whose sockets are read in turns, by tools and a /proc of the test's own. */

import { chmodSync, mkdirSync, mkdtempSync, renameSync, rmSync, statSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { SocketSource } from '../../src/agent/socket-source.ts';
import { diagAnswers } from '../support/fake-ss.ts';

const directory = mkdtempSync(join(tmpdir(), 'flowrelay-turns-'));
const procRoot = join(directory, 'proc');
afterAll(() => rmSync(directory, { recursive: true, force: true, maxRetries: 5 }));

function script(name: string, body: string): string {
  const path = join(directory, name);
  writeFileSync(path, `#!/bin/sh\n${body}\n`);
  chmodSync(path, 0o755);
  return path;
}

/** A process with a namespace of its own, whose id it gives: a link to a file which is named after its inode, as the kernel's are. */
function addProcess(name: string): number {
  const path = join(procRoot, name);
  mkdirSync(join(path, 'ns'), { recursive: true });
  mkdirSync(join(path, 'net'));
  writeFileSync(join(path, 'ns/file'), '');
  const id = statSync(join(path, 'ns/file')).ino;
  renameSync(join(path, 'ns/file'), join(path, `ns/net:[${id}]`));
  symlinkSync(`net:[${id}]`, join(path, 'ns/net'));
  return id;
}

describe('namespaces', () => {
  it('have their turn, those first that were not read for longest, and show no socket that was destroyed', async () => {
    const own = addProcess('self');
    writeFileSync(join(procRoot, 'self/status'), 'CapEff:\t0000000000200000\n');
    const ids = ['11', '12', '13', '14', '15'].map(addProcess);
    // What it answers has the number of the call in it: sockets 10 to 12 at the second call, and so on.
    for (let call = 0; call < 20; call++) writeFileSync(join(directory, `answer${call}`), diagAnswers(3, 10 * call));
    writeFileSync(join(directory, 'calls'), '0');
    const ss = script('ss', `cd ${directory}; n=$(cat calls); echo $((n + 1)) > calls; cat answer$n`);
    const nsenter = script('nsenter', 'shift; exec "$@"');
    const source = await SocketSource.open({ procRoot, ss, nsenter, maxAsked: 2, maxTools: 1 });
    expect(source.missing).toEqual([]);

    /** Calls whose answers each namespace showed: the own one and the others in their order. */
    const look = async () => {
      const { sockets } = await source.snapshot();
      const callOf = (id: number) => {
        const inodes = sockets.filter(({ namespace }) => namespace === id).map(({ inode }) => inode - 1);
        return inodes.length === 0
          ? 'none'
          : `${Math.floor(inodes[0]! / 10)}${inodes.length < 3 ? ` ${inodes.join()}` : ''}`;
      };
      return [callOf(own), ...ids.map(callOf)];
    };
    // The first call was the trial; nobody waits who was never read.
    expect(await look()).toEqual(['1', '2', '3', '4', '5', '6']);
    expect(await look()).toEqual(['7', '8', '9', '4', '5', '6']);
    source.closed(ids[4]!, '000000000000003e');
    source.closed(ids[2]!, '');
    source.closed(999, '000000000000003e');
    expect(await look()).toEqual(['10', '8', '9', '11', '12', '6 60,62']);
    expect(await look()).toEqual(['13', '15', '9', '11', '12', '14']);
    expect(source.counters).toMatchObject({ tablesPostponed: 9, toolFailures: 0, tablesStale: 0 });
  });
});
