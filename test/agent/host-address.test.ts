import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import type { NetworkInterfaceInfo } from 'node:os';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, expect, it } from 'vitest';
import { hostAddresses } from '../../src/agent/host-address.ts';

const directory = mkdtempSync(join(tmpdir(), 'flowrelay-proc-'));
afterAll(() => rmSync(directory, { recursive: true }));

function rootOf(name: string, files: Readonly<Record<string, string>>): string {
  const root = join(directory, name);
  mkdirSync(join(root, 'net'), { recursive: true });
  for (const [file, text] of Object.entries(files)) writeFileSync(join(root, 'net', file), text);
  return root;
}

function interfaceOf(address: string, internal = false): NetworkInterfaceInfo {
  const isIPv6 = address.includes(':');
  const rest = { address, internal, netmask: '', mac: '', cidr: null };
  return isIPv6 ? { ...rest, family: 'IPv6', scopeid: 0 } : { ...rest, family: 'IPv4' };
}

// Tables of Linux 6.1, with other addresses.
const ROUTE = `Iface\tDestination\tGateway \tFlags\tRefCnt\tUse\tMetric\tMask\t\tMTU\tWindow\tIRTT
docker0\t000011AC\t00000000\t0001\t0\t0\t0\t0000FFFF\t0\t0\t0
eth1\t00000000\t010200C0\t0003\t0\t0\t0\t00000000\t0\t0\t0
`;
const ROUTE6 = `20010db8000000000000000000000000 40 00000000000000000000000000000000 00 00000000000000000000000000000000 00000100 00000001 00000000 00000001     eth1
00000000000000000000000000000000 00 00000000000000000000000000000000 00 fe800000000000000000000000000001 00000400 00000001 00000000 00000003     eth1
00000000000000000000000000000000 00 00000000000000000000000000000000 00 00000000000000000000000000000000 ffffffff 00000001 00000000 00200200       lo
`;
const INTERFACES = {
  lo: [interfaceOf('127.0.0.1', true), interfaceOf('::1', true)],
  docker0: [interfaceOf('172.17.0.1')],
  eth1: [interfaceOf('192.0.2.9'), interfaceOf('fe80::1'), interfaceOf('2001:db8::9')],
};

it('is the address of the interface with the default route', () => {
  const root = rootOf('v4', { route: ROUTE, ipv6_route: ROUTE6 });
  expect(hostAddresses(root, INTERFACES)).toEqual({
    address: '192.0.2.9',
    all: ['172.17.0.1', '192.0.2.9', '2001:db8::9'],
  });
});

it('is of IPv6 where only that has a default route', () => {
  const root = rootOf('v6', { route: ROUTE.split('\n').slice(0, 2).join('\n'), ipv6_route: ROUTE6 });
  expect(hostAddresses(root, INTERFACES).address).toBe('2001:db8::9');
});

it('is any other where there is no default route, and the loopback at last', () => {
  const root = rootOf('none', { route: 'nonsense\n\n' });
  expect(hostAddresses(root, INTERFACES).address).toBe('172.17.0.1');
  expect(hostAddresses(root, { lo: INTERFACES.lo })).toEqual({ address: '127.0.0.1', all: [] });
});
