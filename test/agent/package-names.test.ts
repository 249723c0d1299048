import { chmodSync, existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { PackageNames, parseDpkgSearch } from '../../src/agent/package-names.ts';
import { missingPrograms } from '../support/lab.ts';

/** Longer than a busy machine takes. */
const PATIENCE = { timeout: 30_000 };

let directory: string;
beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'flowrelay-packages-'));
});
afterEach(() => rmSync(directory, { recursive: true }));

/** A package manager that notes how it is called. */
function fakeManager(script: string): string {
  const path = join(directory, 'manager');
  writeFileSync(path, `#!/bin/sh\nprintf '%s\\n' "$*" >> ${directory}/calls\n${script}\n`);
  chmodSync(path, 0o755);
  return path;
}

const calls = (): string[] => readFileSync(join(directory, 'calls'), 'utf8').trimEnd().split('\n');

describe('dpkg', () => {
  it('prints lines that are read as they are', () => {
    // dpkg-query 1.21 -S on Debian 12, and of a diversion as its manual shows it; the last line is cut short.
    const text =
      'coreutils: /usr/bin/[\niproute2: /bin/ss\nlibc6:amd64: /lib/x86_64-linux-gnu/libBrokenLocale.so.1\n' +
      'wireshark-common, openjdk-17-jre:amd64, hicolor-icon-theme: /usr/share/icons/hicolor/32x32\n' +
      'diversion by dash from: /bin/sh\ndiversion by dash to: /bin/sh.distrib\ndash: /bin/sh\ncut: /usr/bin/cu';
    expect(Object.fromEntries(parseDpkgSearch(text))).toEqual({
      '/usr/bin/[': 'coreutils',
      '/bin/ss': 'iproute2',
      '/lib/x86_64-linux-gnu/libBrokenLocale.so.1': 'libc6',
      '/usr/share/icons/hicolor/32x32': 'wireshark-common',
      '/bin/sh': 'dash',
    });
  });

  it('is asked once for all that wait, and the old place of a file counts', async () => {
    const dpkgQueryPath = fakeManager("printf 'iproute2: /bin/ss\\ncoreutils: /usr/bin/[\\n'; exit 1");
    const packages = new PackageNames({ dpkgQueryPath, dpkgDatabase: directory });
    const paths = ['/usr/bin/ss', '/usr/bin/[', '/opt/a b*c', 'relative', '/two\nlines', ''];
    for (let i = 0; i < 2; i++) {
      expect(paths.map((path) => packages.packageName(path))).toEqual([undefined, undefined, undefined, '', '', '']);
    }
    await vi.waitFor(() => expect(packages.packageName('/usr/bin/ss')).toBe('iproute2'), PATIENCE);
    expect(paths.map((path) => packages.packageName(path))).toEqual(['iproute2', 'coreutils', '', '', '', '']);
    expect(calls()).toEqual(['-S -- /usr/bin/ss /bin/ss /usr/bin/\\[ /bin/\\[ /opt/a b\\*c']);
    expect(packages.lookupsFailed).toBe(0);
  });

  it('fails without harm', async () => {
    const dpkgQueryPath = fakeManager('exec sleep 60');
    const packages = new PackageNames({ dpkgQueryPath, dpkgDatabase: directory, timeoutMs: 200, maxFiles: 2 });
    expect(['/a', '/b', '/c'].map((path) => packages.packageName(path))).toEqual([undefined, undefined, '']);
    await vi.waitFor(() => expect(packages.packageName('/a')).toBe(''), PATIENCE);
    expect([packages.lookupsFailed, packages.lookupsDropped]).toEqual([1, 1]);
  });

  it.skipIf(missingPrograms('dpkg-query').length > 0 || !existsSync('/bin/bash'))('knows the shell', async () => {
    const packages = new PackageNames();
    packages.packageName('/usr/bin/bash');
    await vi.waitFor(() => expect(packages.packageName('/usr/bin/bash')).toBe('bash'), { timeout: 20_000 });
  });
});

describe('rpm', () => {
  it('is asked for one file at a time', async () => {
    // Of a file that no package owns rpm says so on standard output, and exits with 1.
    const rpmPath = fakeManager(
      'case "$6" in /usr/sbin/sshd) echo openssh-server;; *) echo "file $6 is not owned by any package"; exit 1;; esac',
    );
    const packages = new PackageNames({ dpkgQueryPath: '', rpmPath, rpmDatabases: ['/nowhere', directory] });
    expect(packages.manager).toBe('rpm');
    packages.packageName('/usr/sbin/sshd');
    packages.packageName('/opt/own');
    await vi.waitFor(() => expect(packages.packageName('/opt/own')).toBe(''), PATIENCE);
    expect(packages.packageName('/usr/sbin/sshd')).toBe('openssh-server');
    expect(calls()).toEqual(['-q --qf %{NAME}\\n -f -- /usr/sbin/sshd', '-q --qf %{NAME}\\n -f -- /opt/own']);
  });
});

it('are empty without a package manager', () => {
  const packages = new PackageNames({ dpkgDatabase: '/nowhere', rpmDatabases: [] });
  expect([packages.manager, packages.packageName('/bin/sh')]).toEqual(['none', '']);
});
