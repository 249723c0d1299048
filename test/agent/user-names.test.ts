import { chmodSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir, userInfo } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, it, vi } from 'vitest';
import { UserNames } from '../../src/agent/user-names.ts';

/** Longer than a busy machine takes. */
const PATIENCE = { timeout: 30_000 };

let directory: string;
beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'flowrelay-names-'));
  write('passwd', 'root:x:0:0:root:/root:/bin/sh\nrooot:x:0:0::/:\nwww data:x:33:33\n#no\n:x:7:7\nodd:x:x:1\n\n');
  write('group', 'root:x:0:\nstaff:x:50:a,b\n');
});
afterEach(() => rmSync(directory, { recursive: true }));

function write(name: string, text: string): string {
  writeFileSync(join(directory, name), text);
  return join(directory, name);
}

/** A getent that notes how it is called. */
function fakeGetent(script: string): string {
  const path = write('getent', `#!/bin/sh\necho "$@" >> ${directory}/calls\n${script}\n`);
  chmodSync(path, 0o755);
  return path;
}

const calls = (): string[] => readFileSync(join(directory, 'calls'), 'utf8').trimEnd().split('\n');

function names(getentPath = '', maxNames = 100): UserNames {
  const [passwdPath, groupPath] = [join(directory, 'passwd'), join(directory, 'group')];
  return new UserNames({ passwdPath, groupPath, getentPath, maxNames, getentTimeoutMs: 1000 });
}

it('are those of the files, the first of an id, and the number without', () => {
  const users = names();
  expect([0, 33, 7, 1, -1].map((id) => users.userName(id))).toEqual(['root', 'www data', '7', '1', '-1']);
  expect([0, 50, 33].map((id) => users.groupName(id))).toEqual(['root', 'staff', '33']);
});

it('are read again when a file changes, and stay when it goes', () => {
  const users = names();
  write('passwd', 'toor:x:0:0:a longer line than before:/root:/bin/sh\n');
  expect(users.userName(0)).toBe('root');
  users.refresh();
  expect(users.userName(0)).toBe('toor');
  expect(users.userName(33)).toBe('33');
  rmSync(join(directory, 'passwd'));
  users.refresh();
  expect(users.userName(0)).toBe('toor');
});

it('are asked of getent once, all that wait with one call, and the numbers stand until then', async () => {
  const script = `database=$1
shift
end=0
for id; do
  case $id in 5000) echo "ann's:*:5000:1::/:";; 5002) echo "$database:*:5002:";; *) end=2;; esac
done
exit $end`;
  const users = names(fakeGetent(script));
  const ids = [5000, 5001, 5002];
  for (let i = 0; i < 3; i++) expect(ids.map((id) => users.userName(id))).toEqual(['5000', '5001', '5002']);
  expect(ids.map((id) => users.groupName(id))).toEqual(['5000', '5001', '5002']);
  await vi.waitFor(() => expect(users.groupName(5000)).toBe("ann's"), PATIENCE);
  expect(ids.map((id) => users.userName(id))).toEqual(["ann's", '5001', 'passwd']);
  expect(ids.map((id) => users.groupName(id))).toEqual(["ann's", '5001', 'group']);
  expect(calls()).toEqual(['passwd 5000 5001 5002', 'group 5000 5001 5002']);
  // An id without a name is no failure.
  expect(users.lookupsFailed).toBe(0);
});

it('are asked of getent in calls of a bounded length', async () => {
  const users = names(fakeGetent('exit 2'), 1000);
  for (let id = 5000; id < 5150; id++) users.userName(id);
  await vi.waitFor(() => expect(calls()).toHaveLength(3), PATIENCE);
  const asked = calls().map((call) => call.split(' ').slice(1).map(Number));
  expect(asked.flat()).toEqual(Array.from({ length: 150 }, (_, i) => 5000 + i));
  expect(Math.max(...asked.map(({ length }) => length))).toBe(64);
});

it('stay numbers where getent is missing, hangs, or tells of another id', async () => {
  const missing = names('/nowhere/getent');
  missing.userName(5000);
  await vi.waitFor(() => expect(missing.lookupsFailed).toBe(1), PATIENCE);
  const other = names(fakeGetent('echo "root:x:0:0::/:"; echo "ann:x:5001:0::/:"; echo "again:x:5001:0::/:"'));
  for (const id of [5000, 5001]) other.userName(id);
  await vi.waitFor(() => expect(other.lookupsFailed).toBe(1), PATIENCE);
  expect([0, 5000, 5001].map((id) => other.userName(id))).toEqual(['root', '5000', 'ann']);
  const silent = names(fakeGetent('printf "ann:x:5000"'));
  silent.userName(5000);
  await vi.waitFor(() => expect(silent.lookupsFailed).toBe(1), PATIENCE);
  expect(silent.userName(5000)).toBe('5000');
  const hanging = names(fakeGetent('exec sleep 60'));
  hanging.userName(5000);
  await vi.waitFor(() => expect(hanging.lookupsFailed).toBe(1), PATIENCE);
});

it('of getent itself are those of the system, the ids without a name among them', async () => {
  write('passwd', '');
  const users = names('getent');
  users.userName(0);
  users.userName(4_294_967_000);
  users.userName(1);
  await vi.waitFor(() => expect(users.userName(1)).not.toBe('1'), PATIENCE);
  expect([0, 4_294_967_000].map((id) => users.userName(id))).toEqual(['root', '4294967000']);
  expect(users.lookupsFailed).toBe(0);
});

it('are bounded', () => {
  const users = names('/nowhere/getent', 10);
  for (let id = 5000; id < 5100; id++) expect(users.userName(id)).toBe(String(id));
  expect(users.lookupsDropped).toBe(100 - 8);
});

it('of this system has the own user', () => {
  const { uid, username } = userInfo();
  expect(new UserNames().userName(uid)).toBe(username);
});
