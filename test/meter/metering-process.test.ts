import { describe, expect, it } from 'vitest';
import type { MeteringOptions } from '../../src/meter/metering-process.ts';
import { type FlowLine, METERING, MeterHarness } from '../support/meter-harness.ts';
import { icmpFrame, ipv4Frame, reversed, tcpFrame, udpFrame } from '../support/packets.ts';
import { Random } from '../support/random.ts';

const SECOND = 1_000_000;
/** 2023-11-14 22:13:20 UTC. */
const START = 1_700_000_000 * SECOND;
const TIMEOUTS = { idleTimeoutUs: 60 * SECOND, activeTimeoutUs: 120 * SECOND };

/** Records of frames at seconds after the start. */
function meter(
  frames: readonly (readonly [second: number, frame: Uint8Array])[],
  options: Partial<MeteringOptions> = {},
) {
  const harness = new MeterHarness({ ...TIMEOUTS, ...options });
  harness.add(frames.map(([second, octets]) => ({ octets, timeUs: START + second * SECOND })));
  return harness;
}

function pick(line: FlowLine | undefined, ...keys: readonly string[]): unknown[] {
  return keys.map((key) => line?.[key]);
}

describe('a biflow', () => {
  const client = { fromPort: 1000, toPort: 80 };
  const server = reversed(client);

  it('has the packets and IP octets of both directions, and their times', () => {
    const lines = meter([
      [0, udpFrame(client, 10)],
      [1.5, udpFrame(server, 100)],
      [2, udpFrame(client, 20)],
    ]).lines();
    expect(lines).toHaveLength(1);
    expect(lines[0]).toMatchObject({
      IPV4_SRC_ADDR: '192.0.2.1',
      IPV4_DST_ADDR: '192.0.2.2',
      L4_SRC_PORT: 1000,
      L4_DST_PORT: 80,
      PROTOCOL: 17,
      IN_PKTS: 2,
      IN_BYTES: 86,
      OUT_PKTS: 1,
      OUT_BYTES: 128,
      FLOW_START_MILLISECONDS: 1_700_000_000_000,
      FLOW_END_MILLISECONDS: 1_700_000_002_000,
      REVERSE_FLOW_START_MILLISECONDS: 1_700_000_001_500,
      REVERSE_FLOW_END_MILLISECONDS: 1_700_000_001_500,
      MIN_IP_PKT_LEN: 38,
      MAX_IP_PKT_LEN: 48,
      DST_TO_SRC_MIN_IP_PKT_LEN: 128,
      NUM_PKTS_UP_TO_128_BYTES: 3,
      IN_SRC_MAC: '02:00:00:00:00:01',
      IN_DST_MAC: '02:00:00:00:00:02',
    });
  });

  it('begins with its earliest packet, whichever comes first', () => {
    const lines = meter([
      [2, udpFrame(client)],
      [1, udpFrame(client)],
      [3, udpFrame(server)],
      [2.5, udpFrame(server)],
    ]).lines();
    expect(lines).toMatchObject([
      {
        FLOW_START_MILLISECONDS: 1_700_000_001_000,
        FLOW_END_MILLISECONDS: 1_700_000_003_000,
        REVERSE_FLOW_START_MILLISECONDS: 1_700_000_002_500,
      },
    ]);
  });

  it('has the VLAN tag of its first packet (IEEE 802.1Q)', () => {
    // Priority 5, drop eligible, VLAN 10.
    const lines = meter([[0, udpFrame({ vlan: (5 << 13) | (1 << 12) | 10 })]]).lines();
    expect(lines).toMatchObject([{ SRC_VLAN: 10, SRC_VLAN_PRIORITY: 5 }]);
  });

  it('goes from the sender of the first packet where no SYN is seen', () => {
    const [line] = meter([
      [0, tcpFrame({ ...server, flags: 'A' })],
      [1, tcpFrame({ ...client, flags: 'A' })],
    ]).lines();
    expect(pick(line, 'IPV4_SRC_ADDR', 'L4_SRC_PORT', 'IN_PKTS', 'OUT_PKTS')).toEqual(['192.0.2.2', 80, 1, 1]);
  });

  it('goes to the sender of a SYN-ACK, if that is the first packet', () => {
    const [line] = meter([
      [0, tcpFrame({ ...server, flags: 'SA' })],
      [1, tcpFrame({ ...client, flags: 'A' })],
    ]).lines();
    expect(pick(line, 'IPV4_SRC_ADDR', 'L4_DST_PORT', 'CLIENT_TCP_FLAGS', 'SERVER_TCP_FLAGS')).toEqual([
      '192.0.2.1',
      80,
      16,
      18,
    ]);
    expect(line?.['IN_SRC_MAC']).toBe('02:00:00:00:00:01');
  });

  it('is one whichever end has the higher address or port', () => {
    for (const ends of [
      { from: '203.0.113.9', to: '10.0.0.1', fromPort: 5, toPort: 6 },
      { from: '10.0.0.1', to: '203.0.113.9', fromPort: 6, toPort: 5 },
      { from: '10.0.0.1', to: '10.0.0.1', fromPort: 5, toPort: 6 },
      { from: '10.0.0.1', to: '10.0.0.1', fromPort: 6, toPort: 5 },
    ]) {
      const [line, ...others] = meter([
        [0, udpFrame(ends)],
        [1, udpFrame(reversed(ends))],
      ]).lines();
      expect(others).toEqual([]);
      expect(pick(line, 'IPV4_SRC_ADDR', 'IN_PKTS', 'OUT_PKTS')).toEqual([ends.from, 1, 1]);
    }
  });

  it('is two flows with uniflow', () => {
    const lines = meter(
      [
        [0, udpFrame(client)],
        [1, udpFrame(server)],
      ],
      { key: { ...METERING.key, uniflow: true } },
    ).lines();
    expect(lines.map((line) => pick(line, 'L4_SRC_PORT', 'IN_PKTS', 'OUT_PKTS'))).toEqual([
      [1000, 1, 0],
      [80, 1, 0],
    ]);
  });

  it('has the lowest and highest TTL of each direction, and the type of service of its first packet', () => {
    const [line] = meter([
      [0, udpFrame({ ...client, ttl: 64, tos: 0x10 })],
      [1, udpFrame({ ...client, ttl: 3 })],
      [2, udpFrame({ ...client, ttl: 200 })],
      [3, udpFrame({ ...server, ttl: 255, tos: 0xb8 })],
      [4, udpFrame({ ...server, ttl: 1 })],
    ]).lines();
    expect(pick(line, 'MIN_TTL', 'MAX_TTL', 'DST_TO_SRC_MIN_TTL', 'DST_TO_SRC_MAX_TTL')).toEqual([3, 200, 1, 255]);
    expect(pick(line, 'SRC_TOS', 'DST_TOS')).toEqual([0x10, 0xb8]);
  });
});

describe('the key', () => {
  it('tells VLANs apart unless asked not to', () => {
    const frames = [
      [0, udpFrame({ vlan: 10 })],
      [1, udpFrame({ vlan: 20 })],
    ] as const;
    expect(
      meter(frames)
        .lines()
        .map((line) => line['SRC_VLAN']),
    ).toEqual([10, 20]);
    expect(meter(frames, { key: { ...METERING.key, vlan: false } }).lines()).toHaveLength(1);
  });

  it('tells MAC addresses apart when asked to', () => {
    const frames = [
      [0, udpFrame({ macs: [1, 2] })],
      [1, udpFrame({ macs: [3, 2] })],
      [2, udpFrame(reversed({ toPort: 53, macs: [1, 2] }))],
    ] as const;
    expect(meter(frames).lines()).toHaveLength(1);
    const lines = meter(frames, { key: { ...METERING.key, mac: true } }).lines();
    expect(lines.map((line) => pick(line, 'IN_SRC_MAC', 'IN_PKTS', 'OUT_PKTS'))).toEqual([
      ['02:00:00:00:00:01', 1, 1],
      ['02:00:00:00:00:03', 1, 0],
    ]);
  });

  it('makes one flow of ICMP questions and answers, and others of other types', () => {
    const lines = meter([
      [0, icmpFrame(8, 0)],
      [1, icmpFrame(0, 0, reversed({}))],
      [2, icmpFrame(3, 1)],
    ]).lines();
    expect(lines.map((line) => pick(line, 'ICMP_TYPE', 'IN_PKTS', 'OUT_PKTS'))).toEqual([
      [8 * 256, 1, 1],
      [3 * 256 + 1, 1, 0],
    ]);
  });
});

describe('a fragment', () => {
  const first = { identification: 7, moreFragments: true };

  it('counts to the flow of the first one', () => {
    const harness = meter([
      [0, udpFrame(first, 16)],
      [0.1, ipv4Frame(17, new Array<number>(24).fill(1), { identification: 7, fragmentOffset: 24 })],
      // Overlaps the one before.
      [
        0.2,
        ipv4Frame(17, new Array<number>(24).fill(1), { identification: 7, fragmentOffset: 8, moreFragments: true }),
      ],
      // Of another packet, whose first fragment was not seen.
      [0.3, ipv4Frame(17, new Array<number>(24).fill(1), { identification: 8, fragmentOffset: 24 })],
    ]);
    expect(harness.lines().map((line) => pick(line, 'L4_DST_PORT', 'IN_PKTS', 'IN_BYTES', 'SRC_FRAGMENTS'))).toEqual([
      [53, 3, 44 + 44 + 44, 3],
      [0, 1, 44, 1],
    ]);
    expect(harness.meter.counters).toMatchObject({ fragmentsMatched: 2, fragmentsUnmatched: 1 });
  });

  it('is not taken for one of a packet a minute ago', () => {
    const harness = meter([
      [0, udpFrame(first, 16)],
      [61, ipv4Frame(17, [1], { identification: 7, fragmentOffset: 24 })],
    ]);
    expect(harness.lines()).toHaveLength(2);
  });
});

describe('a flow ends', () => {
  it('when it is idle, at the next packet of its own or of others', () => {
    const own = meter([
      [0, udpFrame()],
      [59, udpFrame()],
      [119, udpFrame()],
    ]).lines();
    expect(own.map((line) => pick(line, 'IN_PKTS', 'FLOW_END_REASON'))).toEqual([
      [2, 1],
      [1, 4],
    ]);
    const others = meter([
      [0, udpFrame()],
      [62, udpFrame({ toPort: 54 })],
    ]).lines(false);
    expect(others.map((line) => pick(line, 'L4_DST_PORT', 'FLOW_END_REASON'))).toEqual([[53, 1]]);
  });

  it('when it is idle and the line is quiet', () => {
    const harness = meter([[0, udpFrame()]]);
    harness.meter.advance(START + 59 * SECOND);
    expect(harness.lines(false)).toEqual([]);
    harness.meter.advance(START + 62 * SECOND);
    expect(harness.lines(false)).toHaveLength(1);
  });

  it('never while packets come, but is reported every two minutes, each packet once', () => {
    const frames = Array.from({ length: 61 }, (_, i) => [i * 5, udpFrame()] as const);
    const lines = meter(frames).lines();
    expect(lines.map((line) => line['FLOW_END_REASON'])).toEqual([2, 2, 4]);
    expect(lines.reduce((sum, line) => sum + Number(line['IN_PKTS']), 0)).toBe(61);
    for (const line of lines) expect(line['NUM_PKTS_UP_TO_128_BYTES']).toBe(line['IN_PKTS']);
    expect(lines[1]?.['FLOW_START_MILLISECONDS']).toBeGreaterThan(Number(lines[0]?.['FLOW_END_MILLISECONDS']));
  });

  it('after FIN from both ends, with what comes shortly after', () => {
    const server = reversed({ toPort: 80 });
    const frames = [
      [0, tcpFrame({ flags: 'S' })],
      [1, tcpFrame({ flags: 'FA' })],
      [2, tcpFrame({ ...server, flags: 'FA' })],
      [2.1, tcpFrame({ flags: 'A' })],
      [9, udpFrame()],
    ] as const;
    const lines = meter(frames).lines(false);
    expect(lines.map((line) => pick(line, 'IN_PKTS', 'OUT_PKTS', 'FLOW_END_REASON'))).toEqual([[3, 1, 3]]);
    // FIN from one end is no end.
    expect(meter([frames[0], frames[1], frames[4]]).lines(false)).toEqual([]);
  });

  it('after RST', () => {
    const lines = meter([
      [0, tcpFrame({ flags: 'S' })],
      [1, tcpFrame({ ...reversed({ toPort: 80 }), flags: 'RA' })],
      [9, udpFrame()],
    ]).lines(false);
    expect(lines.map((line) => pick(line, 'FLOW_END_REASON', 'TCP_RESETS_OUT'))).toEqual([[3, 1]]);
  });

  it('when its ports open another connection', () => {
    const lines = meter([
      [0, tcpFrame({ flags: 'S', sequence: 100 })],
      [1, tcpFrame({ flags: 'S', sequence: 100 })],
      [2, tcpFrame({ flags: 'S', sequence: 5000 })],
    ]).lines();
    expect(lines.map((line) => pick(line, 'IN_PKTS', 'FLOW_END_REASON'))).toEqual([
      [2, 3],
      [1, 4],
    ]);
  });

  it('not by a SYN that was overtaken by what follows it', () => {
    const lines = meter([
      [0, tcpFrame({ sequence: 101, length: 10 })],
      [1, tcpFrame({ flags: 'S', sequence: 100 })],
    ]).lines();
    expect(lines.map((line) => line['IN_PKTS'])).toEqual([2]);
  });

  it('when the cache is full: that which would end first', () => {
    const frames = [
      ...Array.from({ length: 16 }, (_, i) => [i, udpFrame({ fromPort: 2000 + i })] as const),
      [16, udpFrame({ fromPort: 2000 })] as const,
      [17, udpFrame({ fromPort: 3000 })] as const,
    ];
    const lines = meter(frames, { maxFlows: 16 }).lines(false);
    expect(lines.map((line) => pick(line, 'L4_SRC_PORT', 'FLOW_END_REASON'))).toEqual([[2001, 5]]);
  });

  it('when time goes back further than flows live', () => {
    const lines = meter([
      [0, udpFrame()],
      [-3600, udpFrame()],
      [-3599, udpFrame()],
    ]).lines();
    expect(lines.map((line) => pick(line, 'IN_PKTS', 'FLOW_END_REASON'))).toEqual([
      [1, 4],
      [2, 4],
    ]);
  });
});

it('counts every packet once, whatever the times, the size of the cache and the timeouts', () => {
  const seed = Date.now() % 2 ** 32;
  const random = new Random(seed);
  for (let round = 0; round < 10; round++) {
    const harness = new MeterHarness({
      maxFlows: 16 + random.below(200),
      idleTimeoutUs: (1 + random.below(30)) * SECOND,
      activeTimeoutUs: (1 + random.below(60)) * SECOND,
      tcpAnalysis: round % 2 === 0,
      key: { ...METERING.key, mac: round % 3 === 0, uniflow: round % 5 === 0 },
    });
    const expected = new Map<string, number>();
    let timeUs = START;
    let mostFlows = 0;
    for (let i = 0; i < 3000; i++) {
      timeUs += random.below(10) === 0 ? random.below(20) * SECOND - 2 * SECOND : random.below(100_000);
      if (random.below(1000) === 0) timeUs = START + random.below(10_000) * SECOND;
      const ends = { from: `10.0.${random.below(2)}.${random.below(40)}`, to: `10.1.0.${random.below(4)}`, toPort: 80 };
      const words = random.below(2) === 0 ? ends : reversed(ends);
      const flags = random.pick(['S', 'A', 'A', 'PA', 'FA', 'RA', 'SA']);
      const isTcp = random.below(3) > 0;
      const octets = isTcp
        ? tcpFrame({ ...words, flags, sequence: random.below(5000), length: random.below(9) })
        : udpFrame(words);
      harness.add([{ octets, timeUs }]);
      const key = [[ends.from, ends.to].join(' '), isTcp ? 6 : 17].join(' ');
      expected.set(key, (expected.get(key) ?? 0) + 1);
      mostFlows = Math.max(mostFlows, harness.meter.cache.flows);
    }
    const counted = new Map<string, number>();
    for (const line of harness.lines()) {
      const ends = [line['IPV4_SRC_ADDR'], line['IPV4_DST_ADDR']].map(String);
      const key = [(ends[0]!.startsWith('10.1.') ? ends.reverse() : ends).join(' '), line['PROTOCOL']].join(' ');
      counted.set(key, (counted.get(key) ?? 0) + Number(line['IN_PKTS']) + Number(line['OUT_PKTS']));
    }
    expect([...counted].sort(), `seed ${seed}`).toEqual([...expected].sort());
    expect(harness.meter.cache.flows).toBe(0);
    expect(mostFlows).toBe(harness.meter.cache.flowsMost);
  }
});

it('samples one packet in N, and says so', () => {
  const frames = Array.from({ length: 10 }, (_, i) => [i, udpFrame()] as const);
  const harness = meter(frames, { samplingInterval: 4 });
  expect(harness.lines().map((line) => pick(line, 'IN_PKTS', 'SAMPLING_INTERVAL', 'SAMPLING_ORIGIN'))).toEqual([
    [3, 4, 'override'],
  ]);
  expect(harness.meter.counters.packetsIgnored.not_sampled).toBe(7);
});
