import { chmodSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir, userInfo } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, it, vi } from 'vitest';
import { UserNames } from '../../src/agent/user-names.ts';

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

it('are asked of getent once for each unknown id, and the number stands until then', async () => {
  const users = names(
    fakeGetent('case $2 in 5000) echo "ann\'s:*:5000:1::/:";; 50*) exit 2;; *) echo nonsense;; esac'),
  );
  for (let i = 0; i < 3; i++)
    expect([5000, 5001, 6000].map((id) => users.userName(id))).toEqual(['5000', '5001', '6000']);
  expect(users.groupName(5000)).toBe('5000');
  await vi.waitFor(() => expect(calls()).toHaveLength(4));
  await vi.waitFor(() => expect(users.groupName(5000)).toBe("ann's"));
  expect([5000, 5001, 6000].map((id) => users.userName(id))).toEqual(["ann's", '5001', '6000']);
  expect(calls()).toEqual(['passwd 5000', 'passwd 5001', 'passwd 6000', 'group 5000']);
  // An id without a name is none; what is no entry is.
  expect(users.lookupsFailed).toBe(1);
});

it('stay numbers where getent is missing, hangs, or tells of another id', async () => {
  const missing = names('/nowhere/getent');
  missing.userName(5000);
  await vi.waitFor(() => expect(missing.lookupsFailed).toBe(1));
  const other = names(fakeGetent('echo "root:x:0:0::/:"'));
  other.userName(5000);
  await vi.waitFor(() => expect(other.lookupsFailed).toBe(1));
  expect(other.userName(5000)).toBe('5000');
  const hanging = names(fakeGetent('exec sleep 60'));
  hanging.userName(5000);
  await vi.waitFor(() => expect(hanging.lookupsFailed).toBe(1), { timeout: 10_000 });
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
