import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { addressWords } from '../../src/agent/address-words.ts';
import {
  localIPv4,
  localIPv6,
  NamespaceAddresses,
  type NamespaceAddressesOptions,
} from '../../src/agent/namespace-addresses.ts';

/** /proc/PID/net/fib_trie of a container of Docker, Linux 6.18. */
const FIB_TRIE = `Main:
  +-- 0.0.0.0/0 3 0 4
     +-- 0.0.0.0/4 2 0 2
        |-- 0.0.0.0
           /0 universe UNICAST
        |-- 10.88.0.0
           /16 link UNICAST
Local:
  +-- 0.0.0.0/0 3 0 4
     +-- 10.88.0.0/16 2 0 2
        +-- 10.88.0.0/29 2 0 2
           |-- 10.88.0.0
              /16 link UNICAST
           |-- 10.88.0.4
              /32 host LOCAL
        |-- 10.88.255.255
           /32 link BROADCAST
     +-- 127.0.0.0/8 2 0 2
        +-- 127.0.0.0/31 1 0 0
           |-- 127.0.0.0
              /8 host LOCAL
           |-- 127.0.0.1
              /32 host LOCAL
        |-- 127.255.255.255
           /32 link BROADCAST
`;
/** if_inet6 of the same. */
const IF_INET6 = `00000000000000000000000000000001 01 80 10 80       lo
fe80000000000000980000fffe000001 02 40 20 80     eth0
20010db8000000000000000000000042 02 40 00 80     eth0
`;
const OWN = 4_026_531_840;

let directory: string;
beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'flowrelay-addresses-'));
});
afterEach(() => rmSync(directory, { recursive: true }));

function open(options: Partial<NamespaceAddressesOptions> = {}): NamespaceAddresses {
  return new NamespaceAddresses({
    procRoot: directory,
    ownAddresses: () => ['127.0.0.1', '192.0.2.7', 'fe80::1%eth0', '2001:db8::7'],
    keepMs: 1000,
    seed: Uint32Array.of(1, 2),
    ...options,
  });
}

function words(address: string): Uint32Array {
  const four = new Uint32Array(6);
  expect(addressWords(address, four, 2)).toBe(true);
  return four;
}

const isLocal = (addresses: NamespaceAddresses, address: string) => addresses.isLocal(words(address), 2);
const isIn = (addresses: NamespaceAddresses, namespace: number, address: string) =>
  addresses.isIn(namespace, words(address), 2);

describe('addresses of namespaces', () => {
  it('come from the tables of a process in it', () => {
    expect(localIPv4(FIB_TRIE)).toEqual(['10.88.0.4', '127.0.0.1']);
    expect(localIPv6(IF_INET6)).toEqual([
      '0000:0000:0000:0000:0000:0000:0000:0001',
      'fe80:0000:0000:0000:9800:00ff:fe00:0001',
      '2001:0db8:0000:0000:0000:0000:0000:0042',
    ]);
    mkdirSync(join(directory, '77/net'), { recursive: true });
    writeFileSync(join(directory, '77/net/fib_trie'), FIB_TRIE);
    writeFileSync(join(directory, '77/net/if_inet6'), IF_INET6);
    const addresses = open();
    addresses.startLook(1000);
    addresses.read({ id: OWN, pid: 0 });
    addresses.read({ id: 5, pid: 77 });
    addresses.read({ id: 6, pid: 78 });
    addresses.endLook();
    expect(addresses.ownNamespace).toBe(OWN);
    expect(addresses.size).toBe(6);
    for (const address of ['192.0.2.7', '2001:db8::7', 'fe80::1', '10.88.0.4', '2001:db8::42', '127.8.9.1', '::1'])
      expect([address, isLocal(addresses, address)]).toEqual([address, true]);
    for (const address of ['192.0.2.8', '10.88.0.0', '10.88.255.255', '2001:db8::43', '::2', '::', '0.0.0.0'])
      expect([address, isLocal(addresses, address)]).toEqual([address, false]);
    expect(isIn(addresses, 5, '10.88.0.4')).toBe(true);
    expect(isIn(addresses, OWN, '10.88.0.4')).toBe(false);
    expect(isIn(addresses, OWN, '127.0.0.1')).toBe(true);
    expect(isIn(addresses, 5, '127.0.0.1')).toBe(false);
  });

  it('may be the same in several', () => {
    const addresses = open();
    addresses.startLook(1000);
    for (const namespace of [1, 2, 3]) addresses.see(namespace, '10.0.0.2');
    addresses.endLook();
    expect([1, 2, 3, 4].map((namespace) => isIn(addresses, namespace, '10.0.0.2'))).toEqual([true, true, true, false]);
  });

  it('are forgotten some time after they were seen last', () => {
    const addresses = open();
    const look = (nowMs: number, ...seen: string[]) => {
      addresses.startLook(nowMs);
      for (const address of seen) addresses.see(1, address);
      addresses.endLook();
    };
    look(10_000, '10.0.0.2', '10.0.0.3');
    look(11_000, '10.0.0.3');
    expect(isLocal(addresses, '10.0.0.2')).toBe(true);
    look(11_001, '10.0.0.3');
    expect(isLocal(addresses, '10.0.0.2')).toBe(false);
    expect(isLocal(addresses, '10.0.0.3')).toBe(true);
    // The clock was set back.
    look(5000, '10.0.0.4');
    expect([isLocal(addresses, '10.0.0.3'), isLocal(addresses, '10.0.0.4'), addresses.size]).toEqual([false, true, 1]);
  });

  it('are bounded, and what is none is left out', () => {
    const addresses = open({ maxAddresses: 100 });
    addresses.startLook(1000);
    addresses.see(1, 'nonsense');
    addresses.see(1, '1.2.3.4.5');
    addresses.see(1, '127.0.0.1');
    for (let i = 0; i < 150; i++) addresses.see(1, `10.0.0.${i}`);
    addresses.endLook();
    expect(addresses.size).toBe(100);
    expect(addresses.addressesDropped).toBe(50);
    for (let i = 0; i < 150; i++) expect(isLocal(addresses, `10.0.0.${i}`)).toBe(i < 100);
  });

  it('differ in any part', () => {
    const addresses = open();
    addresses.startLook(1000);
    for (let i = 1; i < 100; i++) addresses.see(1, `2001:${i}::5`);
    addresses.endLook();
    for (let i = 1; i < 1000; i++) expect(isLocal(addresses, `2001:${i}::5`)).toBe(i < 100);
  });

  it('are nothing in tables that are none', () => {
    for (const text of [
      '',
      '\n\n',
      '|-- 1.2.3.4',
      '           /32 host LOCAL\n',
      FIB_TRIE.slice(0, 200),
      '\0'.repeat(99),
    ]) {
      expect(localIPv4(text)).toEqual([]);
      expect(localIPv6(text)).toEqual([]);
    }
  });
});
