import { describe, expect, it } from 'vitest';
import { PacketBatch } from '../../src/bytes/packet-batch.ts';
import type { CaptureOutcome } from '../../src/input/capture-file.ts';
import { CaptureReader, formatOf, MAX_CAPTURED_LENGTH, MAX_INTERFACES } from '../../src/input/capture-file.ts';
import {
  ascii,
  block,
  enhancedPacket,
  hex,
  interfaceDescription,
  join,
  obsoletePacket,
  option,
  pcap,
  sectionHeader,
  simplePacket,
  unsigned,
} from '../support/capture-builder.ts';

interface Read {
  octets: string;
  seconds: number;
  nanoseconds: number;
  linkType: number;
  originalLength: number;
}

/** Reads a file in blocks of `blockLength`, each overwritten as soon as the reader asks for the next. */
function read(
  file: Uint8Array,
  blockLength = file.length || 1,
): { packets: Read[]; outcome: CaptureOutcome; reader: CaptureReader } {
  const reader = new CaptureReader();
  const packets: Read[] = [];
  const scratch = new Uint8Array(blockLength);
  for (let at = 0; at < file.length; at += blockLength) {
    const length = Math.min(blockLength, file.length - at);
    scratch.fill(0xee);
    scratch.set(file.subarray(at, at + length));
    reader.feed(scratch.subarray(0, length));
    while (reader.next()) {
      const { view, start, end, seconds, nanoseconds, linkType, originalLength } = reader.packet;
      let octets = '';
      for (let i = start; i < end; i++) octets += String.fromCharCode(view.getUint8(i));
      packets.push({ octets, seconds, nanoseconds, linkType, originalLength });
    }
  }
  return { packets, outcome: reader.finish(), reader };
}

/** Reads a file as {@link read} does, batch by batch: octets, time in microseconds, link type, length on the wire. */
function readBatches(file: Uint8Array, blockLength = file.length || 1): unknown[][] {
  const reader = new CaptureReader();
  const batch = new PacketBatch();
  const packets: unknown[][] = [];
  const scratch = new Uint8Array(blockLength);
  for (let at = 0; at < file.length; at += blockLength) {
    const length = Math.min(blockLength, file.length - at);
    scratch.fill(0xee);
    scratch.set(file.subarray(at, at + length));
    reader.feed(scratch.subarray(0, length));
    while (reader.readBatch(batch)) {
      for (let i = 0; i < batch.count; i++) {
        const start = batch.starts[i]!;
        const octets = Buffer.from(batch.octets.subarray(start, batch.ends[i]!)).toString('latin1');
        if (octets.length > 0) expect(batch.view.getUint8(start)).toBe(octets.charCodeAt(0));
        packets.push([octets, batch.timesUs[i], batch.linkTypes[i], batch.wireLengths[i]]);
      }
    }
  }
  expect(reader.packetsRead).toBe(packets.length);
  expect(reader.finish()).toBe(read(file).outcome);
  return packets;
}

const A = ascii('first packet');
const B = ascii('second');

describe('formats by first octets', () => {
  it.each([
    ['d4c3b2a1', 'pcap'],
    ['a1b2c3d4', 'pcap'],
    ['4d3cb2a1', 'pcap'],
    ['a1b23c4d', 'pcap'],
    ['34cdb2a1', 'pcap'],
    ['a1b2cd34', 'pcap'],
    ['0a0d0d0a', 'pcapng'],
    ['1f8b0800', 'gzip'],
    ['1f8b', 'gzip'],
    ['000a0010', 'ipfix'],
    ['000a000f', 'unknown'],
    ['00090010', 'unknown'],
    ['', 'unknown'],
    ['a1b2c3', 'unknown'],
  ])('%s is %s', (octets, format) => {
    expect(formatOf(hex(octets))).toBe(format);
  });
});

describe('classic pcap', () => {
  it('reads octets written by hand', () => {
    const file = hex(`
      a1b2c3d4 0002 0004 00000000 00000000 0000ffff 00000065
      65000000 000f423f 00000003 00000009 616263`);
    expect(read(file)).toMatchObject({
      outcome: 'ok',
      packets: [{ octets: 'abc', seconds: 0x65000000, nanoseconds: 999_999_000, linkType: 101, originalLength: 9 }],
    });
  });

  it.each([true, false])('reads microseconds and nanoseconds, little endian %s', (littleEndian) => {
    const packets = [
      { seconds: 0xf0000001, fraction: 123_456, octets: A },
      { seconds: 2, fraction: 999_999, octets: B },
    ];
    expect(read(pcap({ littleEndian }, packets)).packets).toMatchObject([
      { octets: 'first packet', seconds: 0xf0000001, nanoseconds: 123_456_000 },
      { octets: 'second', seconds: 2, nanoseconds: 999_999_000 },
    ]);
    expect(read(pcap({ littleEndian, magic: 0xa1b23c4d }, packets)).packets).toMatchObject([
      { nanoseconds: 123_456 },
      { nanoseconds: 999_999 },
    ]);
  });

  it("reads Kuznetzov's modified form with its longer packet headers", () => {
    const { packets, outcome } = read(pcap({ magic: 0xa1b2cd34 }, [{ octets: A }, { octets: B }]));
    expect([outcome, packets.map((p) => p.octets)]).toEqual(['ok', ['first packet', 'second']]);
  });

  it('takes the link type without the bits above it', () => {
    expect(read(pcap({ linkType: 0x14000001 }, [{ octets: A }])).packets[0]?.linkType).toBe(1);
  });

  it('swaps the lengths of version 2.2 back', () => {
    const file = pcap({ minor: 2 }, [{ octets: A, capturedLength: 90, originalLength: A.length }]);
    expect(read(file).packets).toMatchObject([{ octets: 'first packet', originalLength: 90 }]);
  });

  it('carries a fraction of more than a second over', () => {
    expect(read(pcap({}, [{ seconds: 5, fraction: 2_500_000, octets: A }])).packets).toMatchObject([
      { seconds: 7, nanoseconds: 500_000_000 },
    ]);
  });

  it('gives the same packets whatever the blocks, which may be overwritten', () => {
    const file = pcap({}, [
      { octets: A },
      { octets: new Uint8Array(0) },
      { octets: B },
      { octets: ascii('x'.repeat(300)) },
    ]);
    const whole = read(file);
    expect(whole.packets).toHaveLength(4);
    for (let blockLength = 1; blockLength <= file.length; blockLength++) {
      expect(read(file, blockLength)).toMatchObject({ outcome: 'ok', packets: whole.packets });
    }
  });

  it('reads a snap length of 0 as none', () => {
    expect(read(pcap({ snapLength: 0 }, [{ octets: A }])).packets).toHaveLength(1);
  });

  it.each([
    ['nothing', new Uint8Array(0), 'empty', 0],
    ['three octets', hex('d4c3b2'), 'format_unknown', 0],
    ['text', ascii('this is no capture file'), 'format_unknown', 0],
    ['a header cut off', pcap({}, []).subarray(0, 23), 'truncated', 0],
    ['a header alone', pcap({}, []), 'ok', 0],
    ['another major version', pcap({ major: 3 }, [{ octets: A }]), 'version_unsupported', 0],
    ['a last packet cut off', pcap({}, [{ octets: A }, { octets: B }]).subarray(0, -1), 'truncated', 1],
    ['a last packet header cut off', pcap({}, [{ octets: A }, { octets: B }]).subarray(0, -7), 'truncated', 1],
    [
      'a captured length over 2^31',
      pcap({}, [{ octets: A }, { octets: B, capturedLength: 0x80000001 }]),
      'captured_length_invalid',
      1,
    ],
    [
      'a captured length of 2^32 - 1',
      pcap({}, [{ octets: B, capturedLength: 0xffffffff }]),
      'captured_length_invalid',
      0,
    ],
    [
      'a captured length just too long',
      pcap({}, [{ octets: B, capturedLength: MAX_CAPTURED_LENGTH + 1 }]),
      'captured_length_invalid',
      0,
    ],
  ] as const)('%s', (_, file, outcome, packetCount) => {
    for (const blockLength of [file.length || 1, 1, 5]) {
      const result = read(file, blockLength);
      expect([result.outcome, result.packets.length, result.reader.packetsRead]).toEqual([
        outcome,
        packetCount,
        packetCount,
      ]);
    }
  });

  it('reads the longest packet, in one block and over many', () => {
    const file = pcap({}, [{ octets: new Uint8Array(MAX_CAPTURED_LENGTH).fill(65) }, { octets: B }]);
    for (const blockLength of [file.length, 4096]) {
      const { packets, outcome } = read(file, blockLength);
      expect([outcome, packets.map((p) => p.octets.length)]).toEqual(['ok', [MAX_CAPTURED_LENGTH, 6]]);
    }
  });
});

describe('pcapng', () => {
  it('reads octets written by hand', () => {
    const file = hex(`
      0a0d0d0a 0000001c 1a2b3c4d 0001 0000 ffffffffffffffff 0000001c
      00000001 00000014 0071 0000 00000000 00000014
      00000006 00000024 00000000 00060c2a 9b5b4000 00000002 00000007 68690000 00000024`);
    // 0x00060c2a9b5b4000 = 1,702,226,994,872,320 µs
    expect(read(file)).toMatchObject({
      outcome: 'ok',
      packets: [{ octets: 'hi', linkType: 113, seconds: 1_702_226_994, nanoseconds: 872_320_000, originalLength: 7 }],
    });
  });

  it.each([true, false])('reads both byte orders, options and other blocks, little endian %s', (little) => {
    const file = join(
      sectionHeader(little),
      block(4, ascii('names'), little),
      interfaceDescription(1, { little, options: option(2, ascii('eth0'), little) }),
      block(5, new Uint8Array(0), little),
      enhancedPacket(0, 1_500_000n, A, { little, options: option(1, ascii('a comment'), little) }),
      block(0x80000001, new Uint8Array(1000), little),
      enhancedPacket(0, 2_000_001n, B, { little, originalLength: 60 }),
    );
    for (const blockLength of [file.length, 1, 7, 64]) {
      expect(read(file, blockLength)).toMatchObject({
        outcome: 'ok',
        reader: { blocksIgnored: 3 },
        packets: [
          { octets: 'first packet', seconds: 1, nanoseconds: 500_000_000 },
          { octets: 'second', seconds: 2, nanoseconds: 1000, originalLength: 60 },
        ],
      });
    }
  });

  it('begins anew with each section, of either byte order', () => {
    const file = join(
      sectionHeader(true),
      interfaceDescription(1),
      interfaceDescription(113),
      enhancedPacket(1, 0n, A),
      sectionHeader(false),
      interfaceDescription(101, { little: false }),
      enhancedPacket(0, 0n, B, { little: false }),
      enhancedPacket(1, 0n, B, { little: false }),
    );
    const { packets, outcome, reader } = read(file);
    expect([outcome, packets.map((p) => p.linkType)]).toEqual(['ok', [113, 101]]);
    expect(reader.packetsIgnoredInterfaceUnknown).toBe(1);
  });

  it.each([
    ['10^-3', 3, 1_700_000_000_123n, 1_700_000_000, 123_000_000],
    ['10^-9', 9, 1_700_000_000_123_456_789n, 1_700_000_000, 123_456_789],
    ['10^-9, the last nanosecond', 9, 1_699_999_999_999_999_999n, 1_699_999_999, 999_999_999],
    ['10^-12', 12, 1_700_000_000_123_456_789_0n, 17_000_000, 1_234_567],
    ['10^-0', 0, 1_700_000_000n, 1_700_000_000, 0],
    ['2^-10', 0x80 + 10, (1_700_000_000n << 10n) + 512n, 1_700_000_000, 500_000_000],
    ['2^-32', 0x80 + 32, (1_700_000_000n << 32n) + 0x80000001n, 1_700_000_000, 500_000_000],
    ['10^-127', 127, 0xffff_ffff_ffff_ffffn, 0, 0],
    ['2^-127', 255, 0xffff_ffff_ffff_ffffn, 0, 0],
  ])('takes times in units of %s', (_, resolution, time, seconds, nanoseconds) => {
    const file = join(
      sectionHeader(),
      interfaceDescription(1, { options: option(9, unsigned(resolution, 1)) }),
      enhancedPacket(0, time, A),
    );
    expect(read(file).packets).toMatchObject([{ seconds, nanoseconds }]);
  });

  it('adds the time offset of the interface, also a negative one', () => {
    const offset = (seconds: bigint) => option(14, unsigned(BigInt.asUintN(64, seconds), 8, true));
    const file = join(
      sectionHeader(),
      interfaceDescription(1, {
        options: join(offset(1_700_000_000n), option(9, unsigned(3, 1)), option(0, new Uint8Array(0))),
      }),
      interfaceDescription(1, { options: offset(-5n) }),
      enhancedPacket(0, 1001n, A),
      enhancedPacket(1, 9_000_001n, A),
    );
    expect(read(file).packets).toMatchObject([
      { seconds: 1_700_000_001, nanoseconds: 1_000_000 },
      { seconds: 4, nanoseconds: 1000 },
    ]);
  });

  it('finds options after others whose lengths are no multiples of 4', () => {
    const options = join(option(2, ascii('eth01')), option(3, ascii('x')), option(9, unsigned(3, 1)));
    const file = join(sectionHeader(), interfaceDescription(1, { options }), enhancedPacket(0, 7_000n, A));
    expect(read(file).packets).toMatchObject([{ seconds: 7 }]);
  });

  it('reads Simple Packet Blocks, cut by the snap length of the first interface', () => {
    const file = join(
      sectionHeader(),
      interfaceDescription(1, { snapLength: 10 }),
      simplePacket(B),
      simplePacket(ascii('0123456789'), 1500),
      sectionHeader(),
      interfaceDescription(1, { snapLength: 0 }),
      simplePacket(ascii('01234567'), 9000),
    );
    expect(read(file).packets.map((p) => [p.octets, p.originalLength])).toEqual([
      ['second', 6],
      ['0123456789', 1500],
      ['01234567', 9000],
    ]);
  });

  it('reads the obsolete Packet Block', () => {
    const file = join(
      sectionHeader(),
      interfaceDescription(1),
      interfaceDescription(9),
      obsoletePacket(1, 77, 3_000_000n, A),
    );
    expect(read(file).packets).toMatchObject([{ octets: 'first packet', linkType: 9, seconds: 3 }]);
  });

  it('counts packets of interfaces nobody described, and goes on', () => {
    const file = join(
      sectionHeader(),
      simplePacket(A),
      enhancedPacket(0, 0n, A),
      interfaceDescription(1),
      enhancedPacket(0, 0n, B),
    );
    const { packets, reader } = read(file);
    expect([packets.length, reader.packetsRead, reader.packetsIgnoredInterfaceUnknown]).toEqual([1, 1, 2]);
  });

  it('keeps no more than 65,536 of a million interfaces', () => {
    const one = interfaceDescription(1);
    const some = new Uint8Array(one.length * 10_000);
    for (let i = 0; i < 10_000; i++) some.set(one, i * one.length);
    const reader = new CaptureReader();
    reader.feed(sectionHeader());
    expect(reader.next()).toBe(false);
    for (let i = 0; i < 100; i++) {
      reader.feed(some);
      expect(reader.next()).toBe(false);
    }
    reader.feed(join(enhancedPacket(MAX_INTERFACES, 0n, A), enhancedPacket(MAX_INTERFACES - 1, 0n, B)));
    expect(reader.next()).toBe(true);
    expect(reader.next()).toBe(false);
    expect(reader.packetsIgnoredInterfaceUnknown).toBe(1);
    expect(reader.interfacesIgnored).toBe(1_000_000 - MAX_INTERFACES);
    expect(reader.finish()).toBe('interfaces_too_many');
  });

  const good = join(sectionHeader(), interfaceDescription(1), enhancedPacket(0, 0n, A));
  it.each([
    ['a block of length 0', block(6, new Uint8Array(40), true, { length: 0 }), 'block_length_invalid'],
    ['a block of length 8', block(6, new Uint8Array(40), true, { length: 8 }), 'block_length_invalid'],
    ['a block of length 13', block(6, new Uint8Array(40), true, { length: 13 }), 'block_length_invalid'],
    ['an unknown block of length 8', block(99, new Uint8Array(40), true, { length: 8 }), 'block_length_invalid'],
    ['a packet block without room for a packet', block(6, new Uint8Array(8)), 'block_length_invalid'],
    ['a packet block of 12 octets', block(6, new Uint8Array(0)), 'block_length_invalid'],
    ['an interface block of 12 octets', block(1, new Uint8Array(0)), 'block_length_invalid'],
    ['a simple packet block of 12 octets', block(3, new Uint8Array(0)), 'block_length_invalid'],
    ['a section block of 12 octets', block(0x0a0d0d0a, new Uint8Array(0)), 'byte_order_magic_invalid'],
    ['a section block of 16 octets', block(0x0a0d0d0a, unsigned(0x1a2b3c4d, 4, true)), 'block_length_invalid'],
    ['a packet block of 4 GiB', block(6, new Uint8Array(40), true, { length: 0xfffffffc }), 'block_length_invalid'],
    ['an unknown block of 4 GiB', block(99, new Uint8Array(40), true, { length: 0xfffffffc }), 'truncated'],
    ['a trailing length that differs', block(6, new Uint8Array(40), true, { trailer: 48 }), 'block_trailer_mismatch'],
    [
      'one that differs in an unknown block',
      block(99, new Uint8Array(40), true, { trailer: 48 }),
      'block_trailer_mismatch',
    ],
    [
      'one that differs in the shortest block',
      block(99, new Uint8Array(0), true, { trailer: 16 }),
      'block_trailer_mismatch',
    ],
    [
      'a captured length over 2^31',
      enhancedPacket(0, 0n, A, { capturedLength: 0x80000001 }),
      'captured_length_invalid',
    ],
    ['a captured length over its block', enhancedPacket(0, 0n, A, { capturedLength: 13 }), 'captured_length_invalid'],
    [
      'a section of version 2',
      block(0x0a0d0d0a, join(unsigned(0x1a2b3c4d, 4, true), unsigned(2, 2, true), new Uint8Array(10))),
      'version_unsupported',
    ],
    ['a byte order that is none', block(0x0a0d0d0a, new Uint8Array(16)), 'byte_order_magic_invalid'],
    ['a last block cut off', enhancedPacket(0, 0n, B).subarray(0, -1), 'truncated'],
    ['a last block header cut off', enhancedPacket(0, 0n, B).subarray(0, 7), 'truncated'],
  ] as const)('%s costs what follows, not what was before', (_, bad, outcome) => {
    const file = join(good, bad);
    for (const blockLength of [file.length, 1, 11]) {
      const result = read(file, blockLength);
      expect([result.outcome, result.packets.length]).toEqual([outcome, 1]);
    }
  });

  it('lets options of wrong lengths not read past their block', () => {
    for (const options of [hex('0900ffff 06'), hex('0900 0100'), hex('0e000400 01020304'), hex('01')]) {
      const file = join(sectionHeader(), interfaceDescription(1, { options }), enhancedPacket(0, 1_000_000n, A));
      expect(read(file)).toMatchObject({ outcome: 'ok', packets: [{ seconds: 1 }] });
    }
  });
});

describe('batches', () => {
  const many = Array.from({ length: 700 }, (_, i) => ({
    seconds: i,
    fraction: i % 9 === 0 ? 1_200_000 : i,
    octets: ascii('p'.repeat(i % 60)),
    originalLength: i + 100,
  }));
  const blocks = [
    sectionHeader(),
    interfaceDescription(1),
    interfaceDescription(113),
    ...Array.from({ length: 300 }, (_, i) => enhancedPacket(i % 2, 2_000_000n + BigInt(i), ascii('q'.repeat(i % 50)))),
  ];

  it.each([
    ['pcap', pcap({}, many)],
    ['pcap of nanoseconds, big-endian', pcap({ littleEndian: false, magic: 0xa1b23c4d, linkType: 113 }, many)],
    ['modified pcap', pcap({ magic: 0xa1b2cd34 }, many)],
    ['pcap 2.3', pcap({ minor: 3 }, many)],
    ['pcapng', join(...blocks)],
    ['pcap with a damaged packet', join(pcap({}, many), new Uint8Array(40).fill(0xff))],
  ])('have the packets one by one, whatever the blocks, which may be overwritten: %s', (_, file) => {
    const whole = read(file).packets.map(({ octets, seconds, nanoseconds, linkType, originalLength }) => [
      octets,
      seconds * 1e6 + nanoseconds / 1000,
      linkType,
      originalLength,
    ]);
    expect(whole.length).toBeGreaterThan(256);
    for (const blockLength of [file.length, 1, 7, 100, 1000, 4096]) {
      expect(readBatches(file, blockLength)).toEqual(whole);
    }
  });
});

describe('any octets', () => {
  it('survives every prefix and every changed octet, and says one of its outcomes', () => {
    const files = [
      pcap({}, [{ octets: A }, { octets: B }]),
      join(
        sectionHeader(),
        interfaceDescription(1, { options: option(9, unsigned(9, 1)) }),
        block(7, A),
        enhancedPacket(0, 5n, A),
        simplePacket(B),
      ),
    ];
    for (const file of files) {
      const whole = read(file).packets.length;
      for (let length = 0; length < file.length; length++) {
        expect(read(file.subarray(0, length)).packets.length).toBeLessThan(whole);
      }
      for (let at = 0; at < file.length; at++) {
        for (const value of [0, 1, 0x7f, 0x80, 0xff]) {
          const changed = file.slice();
          changed[at] = value;
          const once = read(changed);
          const split = read(changed, 3);
          expect(split.packets).toEqual(once.packets);
          expect(split.outcome).toBe(once.outcome);
          expect(once.packets.length).toBeLessThanOrEqual(whole);
        }
      }
    }
  });
});
