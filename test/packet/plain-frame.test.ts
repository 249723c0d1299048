import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { expect, it } from 'vitest';
import { PacketBatch } from '../../src/bytes/packet-batch.ts';
import { CaptureReader } from '../../src/input/capture-file.ts';
import { IpPacket } from '../../src/packet/ip-packet.ts';
import { PacketHeaders } from '../../src/packet/packet-headers.ts';
import { parsePacket } from '../../src/packet/parse-packet.ts';
import { readPlainFrame } from '../../src/packet/plain-frame.ts';
import { ipv4Frame, tcpFrame, udpFrame } from '../support/packets.ts';
import { Random } from '../support/random.ts';

const packet = new IpPacket();
const headers = new PacketHeaders();

/** Reads a frame both ways, and compares where it is plain. The octets may lie anywhere in the view. */
function isPlainAndSame(view: DataView, start: number, end: number): boolean {
  if (!readPlainFrame(view, start, end, packet)) return false;
  parsePacket(view, start, end, 1, headers);
  const isIPv4 = headers.ipVersion === 4;
  const isTcp = headers.protocol === 6;
  expect(packet).toEqual({
    start,
    end,
    ipVersion: headers.ipVersion,
    protocol: headers.protocol,
    tos: headers.tos,
    ttl: headers.ttl,
    ipLength: headers.ipTotalLength,
    sourceAt: isIPv4 ? headers.networkAt + 12 : headers.sourceIPv6At,
    destinationAt: isIPv4 ? headers.networkAt + 16 : headers.destinationIPv6At,
    sourcePort: headers.sourcePort,
    destinationPort: headers.destinationPort,
    isFragment: headers.isFragment,
    vlans: headers.vlanId | (headers.innerVlanId << 12),
    tunnelId: 0,
    sourceMacAt: headers.sourceMacAt,
    destinationMacAt: headers.destinationMacAt,
    tcpAt: isTcp ? headers.transportAt : -1,
    tcpFlags: headers.tcpFlags,
    tcpHeaderLength: isTcp ? headers.tcpDataOffset : 0,
    payloadAt: headers.payloadAt,
    payloadEnd: headers.payloadEnd,
    payloadLength: headers.payloadLength,
  });
  expect([headers.fault, headers.tunnelType, headers.hasInner, headers.vlanCount < 2]).toEqual([0, 0, false, true]);
  return true;
}

function isPlain(frame: Uint8Array): boolean {
  return isPlainAndSame(new DataView(frame.buffer), 0, frame.length);
}

/** The datagram of {@link udpFrame} over IPv6 (RFC 8200 section 3). */
function overIPv6(frame: Uint8Array, nextHeader = 17): Uint8Array {
  const transport = frame.subarray(34);
  return Uint8Array.from([
    ...frame.subarray(0, 12),
    ...[0x86, 0xdd, 0x6b, 0x80, 0, 1, transport.length >>> 8, transport.length & 0xff, nextHeader, 63],
    ...new Array<number>(15).fill(0x20),
    1,
    ...new Array<number>(15).fill(0x20),
    2,
    ...transport,
  ]);
}

it('takes TCP and UDP over IPv4 and IPv6, with a VLAN tag or without', () => {
  expect(isPlain(tcpFrame({ length: 10, options: [1, 1, 8, 10, 0, 0, 0, 1, 0, 0, 0, 2], flags: 'PA' }))).toBe(true);
  expect(isPlain(udpFrame({ vlan: 0x6123, tos: 0xb8, ttl: 3 }, 5))).toBe(true);
  expect(packet).toMatchObject({ vlans: 0x123, tos: 0xb8, ttl: 3, payloadLength: 5, ipLength: 33 });
  expect(isPlain(overIPv6(udpFrame({}, 7)))).toBe(true);
  expect(packet).toMatchObject({ ipVersion: 6, tos: 0xb8, ttl: 63, payloadLength: 7, ipLength: 55 });
});

it.each([
  ['a fragment', udpFrame({ moreFragments: true }, 8)],
  ['a later fragment', udpFrame({ fragmentOffset: 1480 }, 8)],
  ['a port of a tunnel', udpFrame({ toPort: 4789 }, 30)],
  ['a source port of a tunnel', udpFrame({ fromPort: 1701 }, 30)],
  ['another protocol', ipv4Frame(47, new Array<number>(30).fill(0))],
  ['an extension header', overIPv6(udpFrame({}, 20), 0)],
])('leaves %s alone', (_, frame) => {
  expect(isPlain(frame)).toBe(false);
});

it('says what the general parser says, or nothing: of all prefixes and of changed octets', () => {
  const seed = Date.now() % 2 ** 32;
  const random = new Random(seed);
  const frames = [
    tcpFrame({ length: 4, options: [1, 1, 1, 0] }),
    tcpFrame({ vlan: 7 }),
    udpFrame({}, 6),
    overIPv6(udpFrame({}, 6)),
    overIPv6(tcpFrame({ length: 6 }), 6),
  ];
  let plain = 0;
  for (const frame of frames) {
    const around = new Uint8Array(frame.length + 20).fill(0x11);
    const view = new DataView(around.buffer);
    for (let round = 0; round < 2000; round++) {
      around.set(frame, 5);
      for (let changes = random.below(3); changes > 0; changes--) {
        around[5 + random.below(frame.length)] = random.pick([
          0,
          1,
          4,
          6,
          8,
          17,
          0x45,
          0x60,
          0x81,
          0xff,
          random.u32() & 255,
        ]);
      }
      const end = 5 + Math.min(round, frame.length);
      try {
        if (isPlainAndSame(view, 5, end)) plain++;
      } catch (error) {
        throw new Error(`seed ${seed}`, { cause: error });
      }
    }
  }
  expect(plain).toBeGreaterThan(1000);
});

const CORPUS = '../shared/corpora/packets';

it.skipIf(!existsSync(CORPUS))(`says what the general parser says of the captures in ${CORPUS}`, () => {
  let plain = 0;
  for (const file of readdirSync(CORPUS, { recursive: true, encoding: 'utf8' })) {
    if (!/\.pcap(ng)?$/.test(file)) continue;
    const reader = new CaptureReader();
    const batch = new PacketBatch();
    reader.feed(readFileSync(`${CORPUS}/${file}`));
    while (reader.readBatch(batch)) {
      for (let i = 0; i < batch.count; i++) {
        if (batch.linkTypes[i] === 1 && isPlainAndSame(batch.view, batch.starts[i]!, batch.ends[i]!)) plain++;
      }
    }
  }
  expect(plain).toBeGreaterThan(1000);
});
