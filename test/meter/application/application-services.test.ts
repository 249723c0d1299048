import { spawnSync } from 'node:child_process';
import { describe, expect, it } from 'vitest';
import { L7_NAMES } from '../../../src/meter/application/application-numbers.ts';
import { NetworkTable } from '../../../src/meter/application/network-table.ts';
import { ServiceTable } from '../../../src/meter/application/service-table.ts';
import { loadBuiltInServices } from '../../../src/meter/application-services.ts';

const services = loadBuiltInServices();
const table = new ServiceTable(services);

function find(name: string): string | undefined {
  const octets = Buffer.from(`xx.${name}yy`, 'latin1');
  return table.names.get(table.find(octets, 3, octets.length - 2));
}

const ndpi = spawnSync('ndpiReader', ['-h'], { encoding: 'utf8' });
const ndpiIsThere = ndpi.status !== null && `${ndpi.stdout}`.includes('supported protocols');
if (!ndpiIsThere) console.log('SKIPPED: numbers beside those of ndpiReader, which is not installed');

describe('services by address', () => {
  const networks = new NetworkTable(services);
  const address = (text: string) => text.split('.').reduce((sum, octet) => sum * 256 + Number(octet), 0);

  it('has the first and the last address of a network, and not the ones beside them', () => {
    const named = [
      '8.8.7.255',
      '8.8.8.0',
      '8.8.8.255',
      '8.8.9.0',
      '142.249.255.255',
      '142.250.0.0',
      '142.251.255.255',
      '142.252.0.0',
    ];
    expect(named.map((text) => table.names.get(networks.find(address(text))))).toEqual([
      undefined,
      'Google',
      'Google',
      undefined,
      undefined,
      'Google',
      'Google',
      undefined,
    ]);
    expect(networks.find(0)).toBe(0);
    expect(networks.find(0xffffffff)).toBe(0);
  });

  it('finds what is in a network, and nothing else, at both ends of each', () => {
    const ranges = services.flatMap(({ l7Protocol, networks: own = [] }) =>
      own.map((network) => {
        const [first = '', length = ''] = network.split('/');
        return { l7Protocol, start: address(first), end: address(first) + 2 ** (32 - Number(length)) - 1 };
      }),
    );
    const expected = (at: number): number => ranges.find(({ start, end }) => at >= start && at <= end)?.l7Protocol ?? 0;
    expect(ranges.length).toBeGreaterThan(0);
    for (const { start, end } of ranges) {
      for (const at of [start - 65_536, start - 1, start, end, end + 1, end + 65_536]) {
        expect(networks.find(at)).toBe(expected(at));
      }
    }
  });

  it('has networks that begin where they say, none within another', () => {
    const all = services.flatMap(({ networks: own = [] }) => own);
    const ranges = all.map((text) => {
      const [start, length] = [address(text.split('/')[0]!), Number(text.split('/')[1])];
      expect(start % 2 ** (32 - length), text).toBe(0);
      return [start, start + 2 ** (32 - length)] as const;
    });
    ranges.sort((a, b) => a[0] - b[0]);
    for (const [i, [start]] of ranges.entries()) expect(start).toBeGreaterThanOrEqual(ranges[i - 1]?.[1] ?? 0);
  });
});

describe('services by host name', () => {
  it('has the domain itself and all below it, in any case, the longest domain first', () => {
    expect(find('google.com')).toBe('Google');
    expect(find('WWW.Google.COM')).toBe('Google');
    expect(find('mail.google.com')).toBe('GMail');
    expect(find('a.b.mail.google.com')).toBe('GMail');
    expect(find('r3---sn-4g5e6nl7.googlevideo.com')).toBe('YouTube');
  });

  it('has no other domain that only ends alike, or goes on', () => {
    expect(find('notgoogle.com')).toBeUndefined();
    expect(find('google.com.evil.example')).toBeUndefined();
    expect(find('com')).toBeUndefined();
    expect(find('')).toBeUndefined();
  });

  it('finds every domain of the file, each once', () => {
    const domains = services.flatMap(({ name, domains: all }) => all.map((domain) => [domain, name] as const));
    expect(new Set(domains.map(([domain]) => domain)).size).toBe(domains.length);
    for (const [domain, name] of domains) {
      expect(domain).toMatch(/^[a-z0-9-]+(\.[a-z0-9-]+)*$/);
      expect(find(domain), domain).toBe(name);
      expect(find(`x.${domain}`), `x.${domain}`).toBeDefined();
    }
  });

  it.skipIf(!ndpiIsThere)("has nDPI's names and numbers, and so have the protocols", () => {
    const list = ndpi.stdout.slice(ndpi.stdout.indexOf('supported protocols'), ndpi.stdout.indexOf('supported risks'));
    const names = new Map([...list.matchAll(/^\s*(\d+) (\S+)/gm)].map(([, number, name]) => [Number(number), name!]));
    const ours = [...L7_NAMES, ...services.map(({ l7Protocol, name }) => [l7Protocol, name] as const)];
    expect(names.size).toBeGreaterThan(200);
    for (const [number, name] of ours) expect(names.get(number), name).toBe(name);
  });
});
