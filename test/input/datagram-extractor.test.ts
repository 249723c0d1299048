import { describe, expect, it } from 'vitest';
import { CapturedPacket } from '../../src/input/capture-file.ts';
import { DatagramExtractor } from '../../src/input/datagram-extractor.ts';
import {
  ascii,
  ethernet,
  hex,
  ipv4,
  ipv6,
  ipv6Fragment,
  join,
  tcp,
  udp,
  unsigned,
} from '../support/capture-builder.ts';

interface Found {
  payload: string;
  source: string;
  destination: string;
  timeMs: number;
}

/** Shows packets to an extractor, each where a capture would have it, and notes what it finds. */
class Probe {
  readonly found: Found[] = [];
  readonly extractor: DatagramExtractor;

  constructor(ports: readonly number[] = []) {
    this.extractor = new DatagramExtractor(
      {
        onDatagram: (d) => {
          let payload = '';
          for (let i = d.start; i < d.end; i++) payload += String.fromCharCode(d.view.getUint8(i));
          expect(Buffer.from(d.octets.subarray(d.start, d.end)).toString('latin1')).toBe(payload);
          this.found.push({
            payload,
            source: `${d.sourceAddress} ${d.sourcePort}`,
            destination: `${d.destinationAddress} ${d.destinationPort}`,
            timeMs: d.timeMs,
          });
        },
      },
      undefined,
      ports,
    );
  }

  add(octets: Uint8Array, linkType = 1, time: { seconds?: number; nanoseconds?: number } = {}): this {
    const packet = new CapturedPacket();
    // Other octets around it, so that reading past either end shows.
    packet.view = new DataView(join(ascii('before'), octets, ascii('after it')).buffer);
    packet.start = 6;
    packet.end = 6 + octets.length;
    packet.originalLength = octets.length;
    packet.linkType = linkType;
    packet.seconds = time.seconds ?? 0;
    packet.nanoseconds = time.nanoseconds ?? 0;
    this.extractor.add(packet);
    this.checkSums();
    return this;
  }

  payloads(): string[] {
    return this.found.map((datagram) => datagram.payload);
  }

  checkSums(): void {
    const e = this.extractor;
    const f = e.fragments;
    let ignored = 0;
    for (const [name, value] of Object.entries(e)) if (name.startsWith('packetsIgnored')) ignored += value;
    expect(e.packetsRead).toBe(e.packetsUsedDatagram + e.packetsUsedFragment + e.packetsUsedStream + ignored);
    expect(f.fragmentsTaken).toBe(e.packetsUsedFragment);
    const dropped =
      f.fragmentsDroppedTimeout +
      f.fragmentsDroppedCrowded +
      f.fragmentsDroppedTooMany +
      f.fragmentsDroppedOverlap +
      f.fragmentsDroppedUnfinished;
    expect(f.fragmentsTaken).toBe(f.fragmentsReassembled + dropped + f.fragmentsHeld);
    expect(f.packetsReassembled).toBe(e.reassembledUsed + e.reassembledIgnored);
    expect(e.datagramsFound).toBe(this.found.length);
    expect(e.datagramsFound).toBe(e.packetsUsedDatagram + e.reassembledUsed);
  }
}

const PAYLOAD = ascii('a datagram');
const IN_IPV4 = ipv4({}, udp(50_000, 2055, PAYLOAD));
const IN_IPV6 = ipv6(17, udp(50_001, 4739, PAYLOAD));

describe('one datagram', () => {
  it('is found in octets written by hand', () => {
    const frame = hex(`
      020000000002 020000000001 0800
      4500 001e 0001 0000 4011 0000 0a000001 0a0000fe
      c350 0807 000a 0000 6869`);
    expect(new Probe().add(frame, 1, { seconds: 1_700_000_000, nanoseconds: 123_456_789 }).found).toEqual([
      {
        payload: 'hi',
        source: '10.0.0.1 50000',
        destination: '10.0.0.254 2055',
        timeMs: 1_700_000_000_123.4568,
      },
    ]);
  });

  it.each([
    ['Ethernet', 1, ethernet(0x0800, IN_IPV4)],
    ['Ethernet with padding', 1, ethernet(0x0800, join(IN_IPV4, new Uint8Array(9)))],
    ['VLAN', 1, ethernet(0x0800, IN_IPV4, [10])],
    ['QinQ', 1, ethernet(0x0800, IN_IPV4, [10, 20])],
    ['MPLS', 1, ethernet(0x8847, join(hex('00010040 00011140'), IN_IPV4))],
    ['PPPoE', 1, ethernet(0x8864, join(hex('1100 0001'), unsigned(IN_IPV4.length + 2, 2), hex('0021'), IN_IPV4))],
    ['Linux cooked', 113, join(hex('0000 0001 0006 020000000001 0000 0800'), IN_IPV4)],
    ['Linux cooked version 2', 276, join(hex('0800 0000 00000001 0001 00 06 020000000001 0000'), IN_IPV4)],
    ['null, little endian', 0, join(hex('02000000'), IN_IPV4)],
    ['null, big endian', 0, join(hex('00000002'), IN_IPV4)],
    ['loop', 108, join(hex('00000002'), IN_IPV4)],
    ['raw', 101, IN_IPV4],
    ['raw IPv4', 228, IN_IPV4],
    ['PPP', 9, join(hex('ff03 0021'), IN_IPV4)],
    ['IPv4 with options', 101, ipv4({ options: hex('01010101') }, udp(50_000, 2055, PAYLOAD))],
    ['total length 0 (segmentation offload)', 101, ipv4({ totalLength: 0 }, udp(50_000, 2055, PAYLOAD))],
    ['UDP shorter than IP', 101, ipv4({}, join(udp(50_000, 2055, PAYLOAD), ascii('rest')))],
  ])('over IPv4 in %s', (_, linkType, frame) => {
    expect(new Probe().add(frame, linkType).found).toMatchObject([
      { payload: 'a datagram', source: '192.0.2.1 50000', destination: '192.0.2.2 2055' },
    ]);
  });

  it.each([
    ['Ethernet', 1, ethernet(0x86dd, IN_IPV6)],
    ['raw', 101, IN_IPV6],
    ['null of macOS', 0, join(hex('1e000000'), IN_IPV6)],
    ['extension headers', 101, ipv6(0, join(hex('3c00 010400000000 1100 010400000000'), udp(50_001, 4739, PAYLOAD)))],
    [
      'a fragment header around a whole packet',
      101,
      ipv6(44, ipv6Fragment(17, 0, false, 9, udp(50_001, 4739, PAYLOAD))),
    ],
  ])('over IPv6 in %s', (_, linkType, frame) => {
    expect(new Probe().add(frame, linkType).found).toMatchObject([
      { payload: 'a datagram', source: '2001:db8::1 50001', destination: '2001:db8::2 4739' },
    ]);
  });

  it('of no octets is one too', () => {
    expect(new Probe().add(ipv4({}, udp(1, 2, new Uint8Array(0))), 101).payloads()).toEqual(['']);
  });

  it('comes from the outermost IP header alone', () => {
    const inner = ipv4({ source: '10.9.9.9' }, udp(1, 2055, ascii('inner')));
    expect(new Probe().add(ipv4({ protocol: 4 }, inner), 101).extractor.packetsIgnoredProtocol).toBe(1);
    const vxlan = ipv4({}, udp(1, 4789, join(hex('08000000 00000100'), ethernet(0x0800, inner))));
    expect(new Probe().add(vxlan, 101).found).toMatchObject([{ destination: '192.0.2.2 4789' }]);
  });

  it('quoted in an ICMP error is none', () => {
    const error = ipv4({ protocol: 1 }, join(hex('0303 0000 00000000'), IN_IPV4));
    const error6 = ipv6(58, join(hex('0104 0000 00000000'), IN_IPV6));
    const { extractor } = new Probe().add(error, 101).add(error6, 101);
    expect([extractor.datagramsFound, extractor.packetsIgnoredProtocol]).toEqual([0, 2]);
  });

  it('has the addresses of its own packet, however many there are', () => {
    const probe = new Probe();
    const expected: string[] = [];
    for (let round = 0; round < 2; round++) {
      for (let host = 0; host < 6000; host++) {
        const source = `10.${host >> 8}.${host & 255}.7`;
        expected.push(`${source} 1`);
        const packet = new CapturedPacket();
        const octets = ipv4({ source }, udp(1, 2, new Uint8Array(0)));
        packet.view = new DataView(octets.buffer);
        packet.end = octets.length;
        packet.linkType = 101;
        probe.extractor.add(packet);
      }
    }
    expect(probe.found.map((datagram) => datagram.source)).toEqual(expected);
  });
});

describe('what is no datagram is counted', () => {
  it.each([
    ['LinkType', 147, IN_IPV4],
    ['NotIp', 1, ethernet(0x0806, hex('0001080006040001 020000000001 0a000001 000000000000 0a000002'))],
    ['NotIp', 1, ethernet(0x88cc, new Uint8Array(40))],
    ['Malformed', 101, join(hex('44'), IN_IPV4.subarray(1))],
    ['Malformed', 101, hex('99')],
    ['Truncated', 1, ethernet(0x0800, IN_IPV4.subarray(0, 12))],
    ['Truncated', 101, IN_IPV4.subarray(0, -1)],
    ['Truncated', 101, IN_IPV4.subarray(0, 22)],
    ['Truncated', 101, IN_IPV4.subarray(0, 26)],
    ['Truncated', 101, ipv4({ totalLength: 0 }, udp(1, 2, PAYLOAD)).subarray(0, -1)],
    ['Truncated', 101, ipv4({ protocol: 6, totalLength: 400 }, new Uint8Array(2))],
    ['Protocol', 101, ipv4({ protocol: 132 }, new Uint8Array(40))],
    ['Protocol', 101, ipv4({ protocol: 6 }, tcp(1, 2, 3, 16))],
    ['UdpLength', 101, ipv4({}, udp(1, 2, PAYLOAD, 7))],
    ['UdpLength', 101, ipv4({}, udp(1, 2, PAYLOAD, 0))],
    ['UdpLength', 101, ipv4({}, udp(1, 2, PAYLOAD, 19))],
    ['UdpLength', 101, ipv4({ totalLength: 37 }, udp(1, 2, PAYLOAD))],
    ['UdpLength', 101, ipv4({}, udp(1, 2, PAYLOAD).subarray(0, 6))],
    ['Malformed', 101, ipv4({}, udp(1, 2, PAYLOAD).subarray(0, 3))],
    ['Truncated', 101, new Uint8Array(0)],
  ] as const)('as %s (link type %i)', (reason, linkType, frame) => {
    const { extractor } = new Probe().add(frame, linkType);
    expect(extractor).toMatchObject({ datagramsFound: 0, packetsRead: 1, [`packetsIgnored${reason}`]: 1 });
  });

  it('by destination port, and only by it', () => {
    const probe = new Probe([2055, 9995])
      .add(ipv4({}, udp(1, 2055, ascii('one'))), 101)
      .add(ipv4({}, udp(2055, 1, ascii('answer'))), 101)
      .add(ipv4({}, udp(1, 9995, ascii('two'))), 101)
      .add(ipv4({}, udp(1, 53, ascii('name'))), 101);
    expect([probe.payloads(), probe.extractor.packetsIgnoredPort]).toEqual([['one', 'two'], 2]);
  });
});

const LONG = Uint8Array.from({ length: 100 }, (_, i) => 33 + (i % 90));
const LONG_TEXT = String.fromCharCode(...LONG);
const LONG_UDP = udp(50_000, 2055, LONG);

/** Fragments of an IPv4 packet at the given offsets, which are multiples of 8. */
function fragments4(offsets: readonly number[], content = LONG_UDP, identification = 77): Uint8Array[] {
  return offsets.map((fragmentOffset, i) => {
    const to = offsets[i + 1] ?? content.length;
    return ipv4(
      { identification, fragmentOffset, moreFragments: to < content.length },
      content.subarray(fragmentOffset, to),
    );
  });
}

function fragments6(
  offsets: readonly number[],
  content = LONG_UDP,
  next = 17,
  before: Uint8Array = new Uint8Array(0),
): Uint8Array[] {
  return offsets.map((offset, i) => {
    const to = offsets[i + 1] ?? content.length;
    const fragment = ipv6Fragment(next, offset, to < content.length, 0xdeadbeef, content.subarray(offset, to));
    return before.length === 0 ? ipv6(44, fragment) : ipv6(before[0]!, join(before.subarray(1), fragment));
  });
}

function orders<T>(items: readonly T[]): T[][] {
  if (items.length < 2) return [[...items]];
  return items.flatMap((item, i) =>
    orders([...items.slice(0, i), ...items.slice(i + 1)]).map((rest) => [item, ...rest]),
  );
}

describe('fragments', () => {
  it('are put together in any order, over IPv4 and IPv6', () => {
    for (const make of [fragments4, fragments6]) {
      for (const order of orders(make([0, 16, 48, 80]))) {
        const probe = new Probe();
        order.forEach((fragment, i) => {
          expect(probe.payloads()).toEqual([]);
          probe.add(fragment, 101, { seconds: i });
        });
        expect(probe.found).toMatchObject([{ payload: LONG_TEXT, timeMs: 3000 }]);
      }
    }
  });

  it('of IPv6 may have extension headers before and after the fragment header', () => {
    const after = join(hex('1100 010400000000'), LONG_UDP);
    const probe = new Probe();
    // Hop-by-hop options of 16 octets first, then the fragment header, then destination options.
    const before = hex('00 2c01 010400000000 010600000000 0000');
    for (const fragment of fragments6([0, 64], after, 60, before)) probe.add(fragment, 101);
    expect(probe.found).toMatchObject([{ payload: LONG_TEXT, source: '2001:db8::1 50000' }]);
  });

  it('of which the first is too short for a UDP header do too', () => {
    const probe = new Probe();
    for (const fragment of fragments4([0, 8, 16])) probe.add(fragment, 101);
    expect(probe.payloads()).toEqual([LONG_TEXT]);
  });

  it('of several packets at a time, by addresses, protocol and identification', () => {
    const other = udp(50_000, 2055, ascii('x'.repeat(100)));
    const probe = new Probe();
    const first = fragments4([0, 48]);
    const second = fragments4([0, 48], other, 78);
    const third = [0, 48].map((offset) =>
      ipv4(
        { identification: 77, source: '192.0.2.99', fragmentOffset: offset, moreFragments: offset === 0 },
        offset === 0 ? other.subarray(0, 48) : other.subarray(48),
      ),
    );
    // TCP with the same identification keeps its own.
    probe.add(
      ipv4({ identification: 77, protocol: 6, fragmentOffset: 48, moreFragments: true }, new Uint8Array(8)),
      101,
    );
    for (const fragment of [first[0]!, second[1]!, third[1]!, first[1]!, third[0]!, second[0]!])
      probe.add(fragment, 101);
    expect(probe.found.map((d) => [d.source, d.payload])).toEqual([
      ['192.0.2.1 50000', LONG_TEXT],
      ['192.0.2.99 50000', 'x'.repeat(100)],
      ['192.0.2.1 50000', 'x'.repeat(100)],
    ]);
  });

  it('that come twice change nothing', () => {
    for (const make of [fragments4, fragments6]) {
      const [a, b, c] = make([0, 16, 48]);
      const probe = new Probe();
      for (const fragment of [a!, c!, a!, c!, b!]) probe.add(fragment, 101);
      expect(probe.payloads()).toEqual([LONG_TEXT]);
      expect(probe.extractor.fragments.fragmentsReassembled).toBe(5);
    }
  });

  it('that overlap keep what came first over IPv4', () => {
    const wrong = new Uint8Array(40).fill(0x2a);
    const probe = new Probe();
    const [a, b, c] = fragments4([0, 32, 64]);
    probe.add(a!, 101).add(c!, 101);
    // Octets 16 to 56: half of it there already.
    probe.add(ipv4({ identification: 77, fragmentOffset: 16, moreFragments: true }, wrong), 101);
    expect(probe.payloads()).toEqual([]);
    probe.add(b!, 101);
    const content = join(LONG_UDP.subarray(0, 32), wrong.subarray(0, 24), LONG_UDP.subarray(56));
    expect(probe.payloads()).toEqual([Buffer.from(content.subarray(8)).toString('latin1')]);
  });

  it('that overlap in every way give every octet once', () => {
    // Seeded, and the model is an array of octets where the first to come stays.
    let state = 12345;
    const random = (below: number): number => {
      state = (Math.imul(state, 1103515245) + 12345) >>> 0;
      return Math.floor((state / 2 ** 32) * below);
    };
    for (let round = 0; round < 200; round++) {
      const units = 3 + random(20);
      const header = udp(1, 2055, new Uint8Array(units * 8 - 8));
      const model = new Array<number>(units * 8).fill(-1);
      const probe = new Probe();
      for (let step = 0; step < 60 && probe.found.length === 0; step++) {
        const from = random(units);
        const to = step === 0 ? units : from + 1 + random(units - from);
        // From first to last it would be no fragment.
        if (from === 0 && to === units) continue;
        const octets = new Uint8Array((to - from) * 8).fill(33 + step);
        for (let i = 0; i < octets.length; i++) if (from * 8 + i < 8) octets[i] = header[from * 8 + i]!;
        for (let i = 0; i < octets.length; i++) if (model[from * 8 + i] === -1) model[from * 8 + i] = octets[i]!;
        probe.add(ipv4({ fragmentOffset: from * 8, moreFragments: to < units }, octets), 101);
        expect(probe.found.length, `round ${round} step ${step}`).toBe(model.includes(-1) ? 0 : 1);
      }
      if (probe.found.length > 0) expect(probe.payloads()).toEqual([String.fromCharCode(...model.slice(8))]);
    }
  });

  it('of IPv6 that overlap cost their packet (RFC 5722)', () => {
    const probe = new Probe();
    const [a, b] = fragments6([0, 48]);
    probe.add(a!, 101);
    probe.add(ipv6(44, ipv6Fragment(17, 40, true, 0xdeadbeef, new Uint8Array(16))), 101);
    probe.add(b!, 101);
    expect(probe.payloads()).toEqual([]);
    expect(probe.extractor.fragments).toMatchObject({ fragmentsDroppedOverlap: 2, fragmentsHeld: 1 });
    probe.add(a!, 101);
    expect(probe.payloads()).toEqual([LONG_TEXT]);
    // The same octets, but no repetition of a fragment.
    const same = new Probe().add(a!, 101);
    same.add(ipv6(44, ipv6Fragment(17, 40, true, 0xdeadbeef, LONG_UDP.subarray(40, 56))), 101).add(b!, 101);
    expect([same.payloads(), same.extractor.fragments.fragmentsDroppedOverlap]).toEqual([[], 2]);
  });

  it('that cannot be are counted and change nothing', () => {
    const probe = new Probe();
    const [a, b] = fragments4([0, 48]);
    probe.add(a!, 101);
    const bad = (style: object, octets: Uint8Array) => ipv4({ identification: 77, ...style }, octets);
    probe.add(bad({ fragmentOffset: 48, moreFragments: true }, new Uint8Array(12)), 101);
    probe.add(bad({ fragmentOffset: 48, moreFragments: true }, new Uint8Array(0)), 101);
    probe.add(bad({ fragmentOffset: 65_528 }, new Uint8Array(8)), 101);
    probe.add(bad({ fragmentOffset: 24 }, new Uint8Array(8)), 101);
    probe.add(bad({ fragmentOffset: 48, totalLength: 0 }, new Uint8Array(8)), 101);
    expect(probe.extractor.packetsIgnoredFragment).toBe(5);
    probe.add(b!.subarray(0, -1), 101);
    expect(probe.extractor.packetsIgnoredTruncated).toBe(1);
    probe.add(b!, 101);
    expect(probe.payloads()).toEqual([LONG_TEXT]);
  });

  it('past a last one are refused', () => {
    const probe = new Probe();
    const [, b] = fragments4([0, 48]);
    probe.add(b!, 101);
    probe.add(ipv4({ identification: 77, fragmentOffset: 104, moreFragments: true }, new Uint8Array(8)), 101);
    probe.add(ipv4({ identification: 77, fragmentOffset: 104 }, new Uint8Array(8)), 101);
    expect(probe.extractor.packetsIgnoredFragment).toBe(2);
  });

  it('of the longest packet, 65,535 octets with header', () => {
    const content = udp(1, 2055, new Uint8Array(65_535 - 28).fill(65));
    const offsets = Array.from({ length: 45 }, (_, i) => i * 1480);
    const probe = new Probe();
    for (const fragment of fragments4(offsets, content).reverse()) probe.add(fragment, 101);
    expect(probe.found.map((d) => d.payload.length)).toEqual([65_507]);
  });

  it('of other protocols are left alone, and chosen ports hold', () => {
    const probe = new Probe([9995]);
    probe.add(ipv4({ protocol: 1, moreFragments: true }, new Uint8Array(16)), 101);
    expect(probe.extractor.packetsIgnoredProtocol).toBe(1);
    for (const fragment of fragments4([0, 48])) probe.add(fragment, 101);
    expect(probe.extractor).toMatchObject({ reassembledIgnored: 1, datagramsFound: 0, packetsUsedFragment: 2 });
  });

  it('wait a minute of packet time, not longer', () => {
    const [a, b] = fragments4([0, 48]);
    const inTime = new Probe().add(a!, 101, { seconds: 100 }).add(b!, 101, { seconds: 160 });
    expect(inTime.payloads()).toEqual([LONG_TEXT]);
    const late = new Probe().add(a!, 101, { seconds: 100 }).add(b!, 101, { seconds: 161 });
    expect(late.payloads()).toEqual([]);
    expect(late.extractor.fragments).toMatchObject({ fragmentsDroppedTimeout: 1, fragmentsHeld: 1 });
    late.extractor.finish();
    late.checkSums();
    expect(late.extractor.fragments).toMatchObject({ fragmentsDroppedUnfinished: 1, fragmentsHeld: 0 });
  });

  it('of too many packets, or too many of one, are given up', () => {
    const probe = new Probe();
    for (let identification = 0; identification < 300; identification++) {
      probe.add(fragments4([0, 48], LONG_UDP, identification)[0]!, 101);
    }
    expect(probe.extractor.fragments).toMatchObject({ fragmentsDroppedCrowded: 44, fragmentsHeld: 256 });
    probe.add(fragments4([0, 48], LONG_UDP, 299)[1]!, 101);
    expect(probe.payloads()).toEqual([LONG_TEXT]);

    const tiny = new Probe();
    for (let i = 0; i < 129; i++) {
      tiny.add(ipv4({ fragmentOffset: i * 16, moreFragments: true }, new Uint8Array(8)), 101);
    }
    expect(tiny.extractor.fragments).toMatchObject({ fragmentsDroppedTooMany: 129, fragmentsHeld: 0 });
  });
});

describe('hostile packets', () => {
  it('every prefix and every changed octet: it returns, the sums hold, and the next good datagram is found', () => {
    const frames = [
      ethernet(0x0800, IN_IPV4, [1]),
      ethernet(0x86dd, IN_IPV6),
      ethernet(0x86dd, fragments6([0, 48])[1]!),
      ethernet(0x0800, fragments4([0, 48])[0]!),
    ];
    const probe = new Probe();
    for (const frame of frames) {
      for (let length = 0; length < frame.length; length++) probe.add(frame.subarray(0, length));
      for (let at = 0; at < frame.length; at++) {
        for (const value of [0, 1, 0x7f, 0x80, 0xff]) {
          const changed = frame.slice();
          changed[at] = value;
          probe.add(changed);
        }
      }
      probe.add(ethernet(0x0800, ipv4({}, udp(1, 2, ascii('still here')))));
      expect(probe.payloads().at(-1)).toBe('still here');
    }
  });
});
