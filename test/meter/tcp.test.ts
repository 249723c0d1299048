import { describe, expect, it } from 'vitest';
import { type FlowLine, MeterHarness } from '../support/meter-harness.ts';
import { reversed, type SegmentWords, tcpFrame, timestamps } from '../support/packets.ts';

const START = 1_700_000_000_000_000;

/** Segment of the client or of the server, after so many milliseconds. */
type Segment = readonly [ms: number, from: 'client' | 'server', words: SegmentWords];

/** The record of a connection. */
function follow(segments: readonly Segment[]): FlowLine {
  const harness = new MeterHarness();
  harness.add(
    segments.map(([ms, from, words]) => ({
      octets: tcpFrame(from === 'client' ? words : { ...words, ...reversed({ toPort: 80 }) }),
      timeUs: START + ms * 1000,
    })),
  );
  const lines = harness.lines();
  expect(lines).toHaveLength(1);
  return lines[0]!;
}

const HANDSHAKE: readonly Segment[] = [
  [0, 'client', { flags: 'S', sequence: 999, options: [2, 4, 5, 0xb4, 3, 3, 7, 0] }],
  [30, 'server', { flags: 'SA', sequence: 4999, acknowledgement: 1000, options: [2, 4, 5, 0x78, 1, 3, 3, 9] }],
  [50, 'client', { sequence: 1000, acknowledgement: 5000 }],
];

describe('latencies', () => {
  it('of the network are half the times of the handshake, of the application the time to the first answer', () => {
    const line = follow([
      ...HANDSHAKE,
      [60, 'client', { sequence: 1000, acknowledgement: 5000, length: 10 }],
      [70.5, 'client', { sequence: 1010, acknowledgement: 5000, length: 10 }],
      [90, 'server', { sequence: 5000, acknowledgement: 1020 }],
      [170.75, 'server', { sequence: 5000, acknowledgement: 1020, length: 100 }],
      [300, 'client', { sequence: 1020, acknowledgement: 5100, length: 10 }],
      [900, 'server', { sequence: 5100, acknowledgement: 1030, length: 10 }],
    ]);
    expect(line).toMatchObject({
      SERVER_NW_LATENCY_MS: 15,
      CLIENT_NW_LATENCY_MS: 10,
      APPL_LATENCY_MS: 100.25,
      TCP_WIN_MSS_IN: 1460,
      TCP_WIN_SCALE_IN: 7,
      TCP_WIN_MSS_OUT: 1400,
      TCP_WIN_SCALE_OUT: 9,
    });
  });

  it("go with the options of each SYN, and a SYN without has none of the other side's", () => {
    const line = follow([
      HANDSHAKE[0]!,
      [30, 'server', { flags: 'SA', sequence: 4999, acknowledgement: 1000 }],
      [50, 'client', { sequence: 1000, acknowledgement: 5000 }],
    ]);
    expect(line).toMatchObject({ TCP_WIN_MSS_IN: 1460, TCP_WIN_SCALE_IN: 7 });
    expect(line).not.toHaveProperty('TCP_WIN_MSS_OUT');
    expect(line).not.toHaveProperty('TCP_WIN_SCALE_OUT');
  });

  it('are of the answer to a SYN-ACK that comes late', () => {
    const line = follow([
      HANDSHAKE[0]!,
      [5, 'client', { sequence: 1000, acknowledgement: 5000 }],
      [10, 'client', { sequence: 1000, acknowledgement: 5000 }],
      [30, 'server', { flags: 'SA', sequence: 4999, acknowledgement: 1000 }],
      [50, 'client', { sequence: 1000, acknowledgement: 5000 }],
    ]);
    expect(line).toMatchObject({ SERVER_NW_LATENCY_MS: 15, CLIENT_NW_LATENCY_MS: 10 });
  });

  it('are not there where the handshake or the answer was not seen', () => {
    const line = follow([
      [0, 'client', { sequence: 1, acknowledgement: 1, length: 5 }],
      [9, 'client', { sequence: 6, acknowledgement: 1 }],
    ]);
    for (const key of ['SERVER_NW_LATENCY_MS', 'CLIENT_NW_LATENCY_MS', 'APPL_LATENCY_MS', 'SERVER_RTT_MS']) {
      expect(line).not.toHaveProperty(key);
    }
  });

  it('of the client are not taken from a SYN-ACK that comes again after its answer', () => {
    const line = follow([
      ...HANDSHAKE,
      [55, 'server', { flags: 'SA', sequence: 4999, acknowledgement: 1000 }],
      [500, 'client', { sequence: 1000, acknowledgement: 5000 }],
    ]);
    expect(line['CLIENT_NW_LATENCY_MS']).toBe(10);
  });
});

describe('round-trip times', () => {
  it('are smoothed as RFC 6298 section 2 says', () => {
    const line = follow([
      ...HANDSHAKE,
      [1000, 'client', { sequence: 1000, acknowledgement: 5000, length: 10 }],
      [1100, 'server', { sequence: 5000, acknowledgement: 1010 }],
    ]);
    // R of 30 and then 100: RTTVAR 15, then 3/4 * 15 + 1/4 * 70; SRTT 30, then 7/8 * 30 + 1/8 * 100.
    expect(line).toMatchObject({ SERVER_RTT_MS: 38.75, SERVER_RTT_VARIANCE_MS: 28.75 });
    expect(line).toMatchObject({ CLIENT_RTT_MS: 20, CLIENT_RTT_VARIANCE_MS: 10 });
  });

  it("are not taken of what was sent twice (Karn's rule)", () => {
    const again = { sequence: 1000, acknowledgement: 5000, length: 10 };
    const line = follow([
      ...HANDSHAKE,
      [1000, 'client', again],
      [2000, 'client', again],
      [2050, 'server', { sequence: 5000, acknowledgement: 1010 }],
    ]);
    expect(line).toMatchObject({ SERVER_RTT_MS: 30, RETRANSMITTED_IN_PKTS: 1, RETRANSMITTED_IN_BYTES: 10 });
  });

  it.each([
    ['of the second sending when timestamps say that it is acknowledged', 2000, 2000, 30 + (50 - 30) / 8],
    ['of neither when they say that the first one is', 2000, 1000, 30],
    ['of neither when both have the same', 1000, 1000, 30],
  ])('are taken %s', (_, value, echo, expected) => {
    const again = { sequence: 1000, acknowledgement: 5000, length: 10 };
    const line = follow([
      ...HANDSHAKE,
      [1000, 'client', { ...again, options: timestamps(1000, 1) }],
      [2000, 'client', { ...again, options: timestamps(value, 1) }],
      [2050, 'server', { sequence: 5000, acknowledgement: 1010, options: timestamps(7, echo) }],
    ]);
    expect(line['SERVER_RTT_MS']).toBe(expected);
  });
});

describe('what became of segments', () => {
  const data = (ms: number, sequence: number, words: SegmentWords = {}): Segment => [
    ms,
    'client',
    { sequence, acknowledgement: 5000, length: 100, ...words },
  ];
  const counts = ({ RETRANSMITTED_IN_PKTS, OOORDER_IN_PKTS, LOST_IN_PKTS, TCP_KEEP_ALIVE_IN }: FlowLine) => [
    RETRANSMITTED_IN_PKTS,
    OOORDER_IN_PKTS,
    LOST_IN_PKTS,
    TCP_KEEP_ALIVE_IN,
  ];

  it.each<[string, readonly Segment[], readonly number[]]>([
    ['in order', [data(100, 1000), data(101, 1100)], [0, 0, 0, 0]],
    ['a gap', [data(100, 1000), data(101, 1200)], [0, 0, 1, 0]],
    [
      'a gap filled within the round trip of the handshake',
      [data(100, 1000), data(101, 1200), data(102, 1100)],
      [0, 1, 1, 0],
    ],
    ['a gap filled later', [data(100, 1000), data(101, 1200), data(151.5, 1100)], [1, 0, 1, 0]],
    ['the same again', [data(100, 1000), data(101, 1000)], [1, 0, 0, 0]],
    ['a SYN again', [[51, 'client', { flags: 'S', sequence: 999 }]], [1, 0, 0, 0]],
    ['a keep-alive without an octet', [data(100, 1000), data(1000, 1099, { length: 0 })], [0, 0, 0, 1]],
    ['a keep-alive with one', [data(100, 1000), data(1000, 1099, { length: 1 })], [0, 0, 0, 1]],
    [
      'what duplicate acknowledgements ask for, at once',
      [
        data(100, 1000),
        data(101, 1200),
        ...[102, 103, 104].map((ms): Segment => [ms, 'server', { sequence: 5000, acknowledgement: 1100 }]),
        data(105, 1100),
      ],
      [1, 0, 1, 0],
    ],
    [
      'what the receiver has',
      [data(100, 1000), [101, 'server', { sequence: 5000, acknowledgement: 1200 }], data(102, 1100)],
      [1, 0, 0, 0],
    ],
    [
      'an octet sent to a closed window, and sent again when it opens',
      [
        data(100, 1000),
        [101, 'server', { sequence: 5000, acknowledgement: 1100, window: 0 }],
        data(301, 1100, { length: 1 }),
        [302, 'server', { sequence: 5000, acknowledgement: 1100, window: 500 }],
        data(303, 1100),
      ],
      [0, 0, 0, 0],
    ],
  ])('%s', (_, segments, expected) => {
    expect(counts(follow([...HANDSHAKE, ...segments]))).toEqual(expected);
  });

  it('is told across the end of the sequence numbers (RFC 9293 section 3.4)', () => {
    const line = follow([
      [0, 'client', { sequence: 0xffffff00, length: 200 }],
      [10, 'client', { sequence: 0xffffffc8, length: 100 }],
      [20, 'client', { sequence: 44, length: 100 }],
      [30, 'client', { sequence: 0xffffffc8, length: 100 }],
    ]);
    expect(counts(line)).toEqual([1, 0, 0, 0]);
  });

  it('has windows, the lowest and the highest as sent', () => {
    const line = follow([
      ...HANDSHAKE,
      [60, 'server', { sequence: 5000, acknowledgement: 1000, window: 500 }],
      [61, 'server', { sequence: 5000, acknowledgement: 1000, window: 0 }],
      [62, 'server', { sequence: 5000, acknowledgement: 1000, window: 60_000 }],
    ]);
    expect(line).toMatchObject({
      TCP_WIN_ZERO_OUT: 1,
      TCP_WIN_MIN_OUT: 0,
      TCP_WIN_MAX_OUT: 60_000,
      TCP_WIN_MAX_IN: 1000,
    });
  });
});

it('reads no option past the header', () => {
  for (const options of [
    [2, 4, 5, 0xb4],
    [2],
    [3, 255, 0, 0],
    [8, 10, 0, 0],
    [1, 1, 1, 2],
    [30, 0, 0, 0],
    [0, 2, 4, 5],
  ]) {
    const padded = [...options, 0, 0, 0].slice(0, 4);
    expect(() => follow([[0, 'client', { flags: 'S', options: padded }]])).not.toThrow();
  }
});
