import { expect, it } from 'vitest';
import { rewriteExportTime } from '../../src/pipeline/export-time.ts';

const NOW_MS = 0x6553f100 * 1000 + 250;

function octets(hex: string): Uint8Array {
  return new Uint8Array(Buffer.from(hex.replaceAll(' ', ''), 'hex'));
}

// Header layouts: Cisco NetFlow v1, v5, v7 (version, count, sysUpTime, seconds, nanoseconds); RFC 3954 section 5.1;
// RFC 7011 section 3.1 (version, length, export time). 250 ms are 0x0ee6b280 ns.
it.each([
  ['v1', '0001 0001 00000064 11111111 22222222', '0001 0001 00000064 6553f100 0ee6b280'],
  ['v5', '0005 0001 00000064 11111111 22222222 0000', '0005 0001 00000064 6553f100 0ee6b280 0000'],
  ['v7', '0007 0001 00000064 11111111 22222222 0000', '0007 0001 00000064 6553f100 0ee6b280 0000'],
  ['v9', '0009 0001 00000064 11111111 22222222 3333', '0009 0001 00000064 6553f100 22222222 3333'],
  ['IPFIX', '000a 0010 11111111 22222222 33333333', '000a 0010 6553f100 22222222 33333333'],
])('sets the export time of %s and nothing else', (_, before, after) => {
  const datagram = octets(before);
  expect(rewriteExportTime(datagram, NOW_MS)).toBe(true);
  expect(datagram).toEqual(octets(after));
});

it.each([
  ['sFlow, which has no export time', '00000005 00000001 c0000201 00000000 00000001'],
  ['a datagram cut off', '0005 0001 00000064 11111111 222222'],
  ['another protocol', '4500 0001 00000064 11111111 22222222'],
])('leaves %s as it is', (_, before) => {
  const datagram = octets(before);
  expect(rewriteExportTime(datagram, NOW_MS)).toBe(false);
  expect(datagram).toEqual(octets(before));
});
