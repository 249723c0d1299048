import { describe, expect, it } from 'vitest';
import { parseClosedSocket } from '../../src/agent/closed-socket-line.ts';
import type { SocketEntry } from '../../src/agent/socket-entry.ts';
import { Random } from '../support/random.ts';
import { CLOSED_TEXT } from './recorded-sockets.ts';
import { compareWithText, withoutUserOfRoot } from './socket-text.ts';

const LINES = CLOSED_TEXT.split('\n');
const FIRST = LINES[0]!;

/** The same line with one thing changed. */
function changed(from: string | RegExp, to: string): SocketEntry | undefined {
  expect(FIRST).toMatch(from);
  return parseClosedSocket(FIRST.replace(from, to), 1);
}

describe('a line of ss -E', () => {
  it('gives the socket and its last figures', () => {
    const entries = LINES.map((line) => parseClosedSocket(line, 1)!);
    const expected = compareWithText(entries, CLOSED_TEXT, 1);
    const connected = expected.map((entry) => (entry.remotePort === 0 ? { ...entry, tcp: undefined } : entry));
    expect(entries.map(withoutUserOfRoot)).toEqual(connected);
    expect(entries[0]).toMatchObject({
      localAddress: '127.0.0.1',
      localPort: 54256,
      remotePort: 46831,
      state: 'CLOSE',
      cookie: '0000000000000042',
      inode: 0,
      tcp: { roundTripUs: 21, roundTripVarianceUs: 11, minimumRoundTripUs: 10, octetsSent: 5, segmentsReceived: 5 },
    });
    // 12 segments of 32,768 octets in 21 microseconds.
    expect(entries[0]?.tcp?.sendRate).toBeCloseTo(149_796_571_428.57, 1);
  });

  it('reads interfaces, any address, large cookies and users', () => {
    expect(changed('127.0.0.1:54256', '[fe80::1]%eth0.5:22')).toMatchObject({ localAddress: 'fe80::1', localPort: 22 });
    expect(changed('127.0.0.1:54256', '127.0.0.53%lo:53')).toMatchObject({ localAddress: '127.0.0.53', localPort: 53 });
    expect(changed('127.0.0.1:46831', '*:*')).toMatchObject({ remoteAddress: '::', remotePort: 0, tcp: undefined });
    expect(changed('127.0.0.1:54256', '[::ffff:10.0.0.1]:8')).toMatchObject({ localAddress: '10.0.0.1' });
    expect(changed('sk:42', 'sk:fedcba9876543210')).toMatchObject({ cookie: 'fedcba9876543210' });
    expect(changed('ino:0', 'uid:65534 ino:0')).toMatchObject({ userId: 65_534 });
  });

  it('reads retransmissions and losses', () => {
    const tcp = changed('segs_out:5', 'bytes_retrans:7 unacked:3 retrans:1/9 lost:2 segs_out:5')?.tcp;
    expect(tcp).toMatchObject({
      octetsRetransmitted: 7,
      unacknowledgedSegments: 3,
      retransmittedSegments: 9,
      lostSegments: 2,
      segmentsSent: 5,
    });
  });

  it('gives -1 for what is no number, and for octets a kernel did not count', () => {
    expect(changed('rtt:0.021/0.011', 'rtt:nan/inf')?.tcp).toMatchObject({ roundTripUs: -1, roundTripVarianceUs: -1 });
    expect(changed('rtt:0.021/0.011', 'rtt:1.5e+06/0.5')?.tcp).toMatchObject({ roundTripUs: 1_500_000_000 });
    expect(changed('bytes_sent:5 ', '')?.tcp).toMatchObject({ octetsSent: -1, octetsAcknowledged: 7 });
    expect(changed('26214400000bps', '26.2Gbps')?.tcp).toMatchObject({ deliveryRate: -1 });
    expect(changed(/cwnd:\d+ /, '')).toMatchObject({ tcp: undefined });
  });

  it.each([
    ['nothing', ''],
    ['another state', FIRST.replace('UNCONN', 'UNKNOWN')],
    ['no cookie', FIRST.replace(/sk:42/, '')],
    ['a cookie that is none', FIRST.replace('sk:42', 'sk:12345678901234567')],
    ['an address that is none', FIRST.replace('127.0.0.1:54256', '127.0.0.256:1')],
    ['a name', FIRST.replace('127.0.0.1:54256', 'localhost:1')],
    ['a port that is none', FIRST.replace(':54256', ':65536')],
    ['no port', FIRST.replace(':54256', '')],
    ['a line too long', `${FIRST} ${'x'.repeat(8192)}`],
  ])('refuses %s', (_, line) => {
    expect(parseClosedSocket(line, 1)).toBeUndefined();
  });

  it('may be damaged in any way', () => {
    const seed = Date.now() >>> 0;
    const random = new Random(seed);
    for (let i = 0; i < 20_000; i++) {
      const letters = [...random.pick(LINES)];
      for (let changes = 1 + random.below(4); changes > 0; changes--) {
        const letter = random.pick([':', ' ', '[', ']', '%', '*', '/', '.', '-', '9', 'e', '\u0000', '\n', '\u00ff']);
        letters.splice(random.below(letters.length), random.below(3), letter);
      }
      const entry = parseClosedSocket(letters.join('').slice(0, random.below(700)), 1);
      if (entry === undefined) continue;
      const figures = Object.values(entry.tcp ?? {}) as number[];
      const isSound = figures.every((figure) => figure === -1 || (Number.isFinite(figure) && figure >= 0));
      if (!isSound || !/^[0-9a-f]{16}$/.test(entry.cookie)) throw new Error(`seed ${seed}: ${letters.join('')}`);
    }
  });
});
