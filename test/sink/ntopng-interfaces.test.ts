import { describe, expect, it } from 'vitest';
import { InterfaceNames } from '../../src/sink/formats/ntopng-interfaces.ts';

const LIMIT = 131_072;

function parsed(messages: readonly string[]): unknown[] {
  return messages.map((message) => JSON.parse(message) as unknown);
}

describe('names of interfaces', () => {
  it('are told once, all of an Exporter whenever one of them is new', () => {
    const names = new InterfaceNames();
    expect(names.changedMessages(LIMIT)).toEqual([]);
    names.learn('192.0.2.1', 3, 'Gi0/3');
    names.learn('2001:db8::1', 7, 'say "hi"');
    expect(parsed(names.changedMessages(LIMIT))).toEqual([
      { '192.0.2.1': { 3: 'Gi0/3' }, '2001:db8::1': { 7: 'say "hi"' } },
    ]);
    names.learn('192.0.2.1', 3, 'Gi0/3');
    expect(names.changedMessages(LIMIT)).toEqual([]);
    names.learn('192.0.2.1', 4, 'Gi0/4');
    expect(parsed(names.changedMessages(LIMIT))).toEqual([{ '192.0.2.1': { 3: 'Gi0/3', 4: 'Gi0/4' } }]);
    names.learn('192.0.2.1', 4, 'uplink');
    expect(parsed(names.changedMessages(LIMIT))).toEqual([{ '192.0.2.1': { 3: 'Gi0/3', 4: 'uplink' } }]);
    expect(parsed(names.messages(LIMIT))).toEqual([
      { '192.0.2.1': { 3: 'Gi0/3', 4: 'uplink' }, '2001:db8::1': { 7: 'say "hi"' } },
    ]);
  });

  it('come in as many messages as they need', () => {
    const names = new InterfaceNames();
    for (let i = 0; i < 100; i++) {
      for (let ifIndex = 1; ifIndex <= 20; ifIndex++)
        names.learn(`192.0.2.${i}`, ifIndex, `TenGigabitEthernet1/0/${ifIndex}`);
    }
    const messages = names.messages(2000);
    for (const message of messages) expect(Buffer.byteLength(message)).toBeLessThanOrEqual(2000);
    const told = Object.assign({}, ...parsed(messages)) as Record<string, Record<string, string>>;
    expect(Object.keys(told)).toHaveLength(100);
    for (const each of Object.values(told)) expect(Object.keys(each)).toHaveLength(20);
  });

  it('of one Exporter that are too many for a message are left out from the end', () => {
    const names = new InterfaceNames();
    for (let ifIndex = 200; ifIndex >= 1; ifIndex--) names.learn('192.0.2.1', ifIndex, 'ü'.repeat(50));
    const [message = '', ...others] = names.changedMessages(3000);
    expect(others).toEqual([]);
    expect(Buffer.byteLength(message)).toBeLessThanOrEqual(3000);
    const told = (JSON.parse(message) as Record<string, Record<string, string>>)['192.0.2.1']!;
    expect(Object.keys(told)).toEqual(Array.from(Object.keys(told), (_, i) => String(i + 1)));
    expect(Object.keys(told).length).toBeGreaterThan(20);
  });

  it('are kept up to a number, of a length', () => {
    const names = new InterfaceNames();
    names.learn('192.0.2.1', 1, 'x'.repeat(60_000));
    for (let i = 0; i < 20_000; i++) names.learn('192.0.2.2', i, 'x');
    const told = Object.assign({}, ...parsed(names.messages(1e6))) as Record<string, Record<string, string>>;
    expect(told['192.0.2.1']!['1']).toHaveLength(255);
    expect(Object.keys(told['192.0.2.2']!)).toHaveLength(9999);
    names.learn('192.0.2.1', 1, 'renamed');
    expect(names.changedMessages(1e6).join()).toContain('renamed');
  });
});
