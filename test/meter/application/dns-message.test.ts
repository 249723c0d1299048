import { describe, expect, it } from 'vitest';
import { DnsMessage } from '../../../src/meter/application/dns-message.ts';
import { dnsMessage, octetsOf, u16 } from '../../support/application-payloads.ts';

const dns = new DnsMessage();

function read(octets: Uint8Array): string | undefined {
  return dns.read(octets, 0, octets.length)
    ? Buffer.from(dns.name.subarray(0, dns.nameLength)).toString('latin1')
    : undefined;
}

/** A question whose name is `name`, octets. */
function question(name: Uint8Array): Uint8Array {
  return octetsOf('0x0001 0100 0001 0000 0000 0000', name, '0x00010001');
}

describe('DnsMessage', () => {
  it('reads the first question', () => {
    expect(read(dnsMessage('www.example.org', 28))).toBe('www.example.org');
    expect([dns.type, dns.isResponse, dns.returnCode]).toEqual([28, false, 0]);
  });

  it('reads the code and the number of answers', () => {
    expect(read(dnsMessage('nobody.example', 1, 0x8183))).toBe('nobody.example');
    expect([dns.isResponse, dns.returnCode, dns.answers]).toEqual([true, 3, 0]);
    expect(read(dnsMessage('host.example', 1, 0x8180, 5))).toBe('host.example');
    expect(dns.answers).toBe(5);
  });

  it('reads the root as a dot', () => {
    expect(read(question(octetsOf(0)))).toBe('.');
  });

  it('follows a pointer (RFC 1035 section 4.1.4), but not round and round', () => {
    const forward = octetsOf(question(octetsOf('0xc012')), '\x03abc', 0);
    expect(read(forward)).toBe('abc');
    // To itself, and two to each other.
    expect(read(question(octetsOf('0xc00c')))).toBeUndefined();
    expect(read(question(octetsOf('\x01a', '0xc00c')))).toBeUndefined();
    expect(read(question(octetsOf('0xc00e', '0xc00c')))).toBeUndefined();
    expect(read(question(octetsOf('0xffff')))).toBeUndefined();
  });

  it('takes names of up to 255 octets on the wire (section 2.3.4)', () => {
    const label = (length: number) => octetsOf(length, 'a'.repeat(length));
    const longest = octetsOf(label(63), label(63), label(63), label(61), 0);
    expect(longest).toHaveLength(255);
    expect(read(question(longest))).toHaveLength(253);
    expect(read(question(octetsOf(label(63), label(63), label(63), label(62), 0)))).toBeUndefined();
    expect(read(question(octetsOf(64, 'a'.repeat(64), 0)))).toBeUndefined();
  });

  it('is no message what has no header, more records than fit, or a class nobody has', () => {
    const good = dnsMessage('host.example', 1);
    for (let end = 0; end < good.length; end++) expect(read(good.subarray(0, end)), `${end} octets`).toBeUndefined();
    expect(read(octetsOf(good.subarray(0, 6), u16(50_000), good.subarray(8)))).toBeUndefined();
    expect(read(octetsOf(good.subarray(0, good.length - 2), '0x1234'))).toBeUndefined();
  });
});
