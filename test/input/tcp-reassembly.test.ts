import { describe, expect, it } from 'vitest';
import { CapturedPacket } from '../../src/input/capture-file.ts';
import { CapturedIpfixStreams } from '../../src/input/captured-ipfix-streams.ts';
import { DatagramExtractor } from '../../src/input/datagram-extractor.ts';
import { ACK, ascii, FIN, ipfixMessage, ipv4, join, PSH, RST, SYN, tcp } from '../support/capture-builder.ts';

/** Shows segments to an extractor and notes the sequence numbers of the Messages it finds. */
class Probe {
  readonly sequences: number[] = [];
  readonly times: number[] = [];
  readonly ends: string[] = [];
  readonly streams: CapturedIpfixStreams;
  readonly extractor: DatagramExtractor;

  constructor(ports: readonly number[] = []) {
    this.streams = new CapturedIpfixStreams(
      (_stream, view, octets, start, end, timeMs) => {
        expect(view.getUint16(start + 2)).toBe(end - start);
        expect(octets[start + 1]).toBe(10);
        this.sequences.push(view.getUint32(start + 8));
        this.times.push(timeMs);
      },
      (stream, reason) => {
        this.ends.push(`${stream.id} ${stream.sourceAddress} ${stream.sourcePort} ${reason}`);
      },
    );
    this.extractor = new DatagramExtractor({ onDatagram: () => expect.unreachable() }, this.streams, ports);
  }

  /** Shows one segment from port 40000 to 4739, unless told otherwise. */
  add(
    sequence: number,
    flags: number,
    payload: Uint8Array = new Uint8Array(0),
    options: { seconds?: number; from?: number; to?: number; source?: string } = {},
  ): this {
    const segment = tcp(options.from ?? 40_000, options.to ?? 4739, sequence, flags, payload);
    return this.show(ipv4({ protocol: 6, source: options.source ?? '192.0.2.1' }, segment), options.seconds);
  }

  show(octets: Uint8Array, seconds = 0): this {
    const packet = new CapturedPacket();
    packet.view = new DataView(octets.buffer, octets.byteOffset, octets.byteLength);
    packet.end = octets.length;
    packet.linkType = 101;
    packet.seconds = seconds;
    this.extractor.add(packet);
    this.checkSums();
    return this;
  }

  finish(): this {
    this.extractor.finish();
    const streams = this.extractor.streams!;
    expect([streams.streamsOpen, streams.streamsEnded]).toEqual([0, streams.streamsFound]);
    return this;
  }

  checkSums(): void {
    const e = this.extractor;
    let ignored = 0;
    for (const [name, value] of Object.entries(e)) if (name.startsWith('packetsIgnored')) ignored += value;
    expect(e.packetsRead).toBe(e.packetsUsedDatagram + e.packetsUsedFragment + e.packetsUsedStream + ignored);
    const streams = e.streams!;
    expect(streams.streamsFound).toBe(streams.streamsEnded + streams.streamsOpen);
    expect(this.streams.messagesFound).toBe(this.sequences.length);
  }
}

const DATA = PSH | ACK;
/** Ten Messages, 53 to 62 octets each, one after the other. */
const MESSAGES = Array.from({ length: 10 }, (_, i) => ipfixMessage(i, new Uint8Array(33 + i).fill(0x41)));
const STREAM = join(...MESSAGES);
const ALL = [0, 1, 2, 3, 4, 5, 6, 7, 8, 9];

/** The stream in segments of `length` octets, the first at `sequence`. */
function segments(length: number, sequence: number, stream = STREAM): { sequence: number; payload: Uint8Array }[] {
  const made = [];
  for (let at = 0; at < stream.length; at += length) {
    made.push({ sequence: (sequence + at) >>> 0, payload: stream.subarray(at, at + length) });
  }
  return made;
}

describe.each([
  ['with its port chosen', [4739]],
  ['without a port', []],
])('a captured stream %s', (_, ports) => {
  it('in order, whatever the segments: octet by octet, all at once, sequence numbers that wrap', () => {
    for (const length of [1, 2, 19, 20, 21, 53, 100, STREAM.length]) {
      for (const initial of [0, 1000, 0xffffffff, 0xfffffff0]) {
        const probe = new Probe(ports).add(initial, SYN);
        for (const { sequence, payload } of segments(length, initial + 1)) probe.add(sequence, DATA, payload);
        probe.add(initial + 1 + STREAM.length, FIN | ACK);
        expect([probe.sequences, probe.ends]).toEqual([ALL, ['1 192.0.2.1 40000 finished']]);
        expect(probe.streams).toMatchObject({ octetsSkipped: 0, resynchronisations: 0, messagesTruncated: 0 });
        expect(probe.extractor.streams).toMatchObject({ gaps: 0, octetsDelivered: STREAM.length });
      }
    }
  });

  it('out of order, twice and overlapping, the first segment last', () => {
    let state = 99;
    for (let round = 0; round < 100; round++) {
      const initial = round % 2 === 0 ? 5000 : 0xffffff00;
      const shuffled = [...segments(40, initial + 1), ...segments(70, initial + 1), ...segments(55, initial + 1)];
      for (let i = shuffled.length - 1; i > 0; i--) {
        state = (Math.imul(state, 1103515245) + 12345) >>> 0;
        const j = Math.floor((state / 2 ** 32) * (i + 1));
        [shuffled[i], shuffled[j]] = [shuffled[j]!, shuffled[i]!];
      }
      const probe = new Probe(ports).add(initial, SYN).add(initial, SYN);
      for (const { sequence, payload } of shuffled) probe.add(sequence, DATA, payload);
      probe.finish();
      // With a port the first segment that comes starts the stream only after a SYN: nothing is lost.
      expect(probe.sequences, `round ${round}`).toEqual(ALL);
    }
  });

  it('goes on after octets that never come, at the next good Message', () => {
    for (let missing = 1; missing < 13; missing++) {
      const probe = new Probe(ports).add(0, SYN);
      const parts = segments(45, 1);
      parts.forEach(({ sequence, payload }, i) => {
        if (i !== missing) probe.add(sequence, DATA, payload);
      });
      probe.finish();
      const lostFrom = missing * 45;
      const lostTo = Math.min(lostFrom + 45, STREAM.length);
      let at = 0;
      const expected = ALL.filter((i) => {
        const start = at;
        at += MESSAGES[i]!.length;
        return at <= lostFrom || start >= lostTo;
      });
      expect(probe.sequences, `without segment ${missing}`).toEqual(expected);
      const isLast = missing === parts.length - 1;
      expect(probe.extractor.streams!.gaps).toBe(isLast ? 0 : 1);
      const whole = expected.reduce((sum, i) => sum + MESSAGES[i]!.length, 0);
      expect(probe.streams.octetsSkipped).toBe(STREAM.length - (lostTo - lostFrom) - whole);
    }
  });

  it('waits for what is missing until too much waits for it, or too long', () => {
    const message = ipfixMessage(1, new Uint8Array(1400 - 20));
    const probe = new Probe(ports).add(0, SYN).add(1, DATA, message);
    let sequence = 1 + 1400 * 2;
    let sent = 0;
    while (probe.sequences.length === 1 && sent < 1000) {
      probe.add(sequence, DATA, message);
      sequence += 1400;
      sent++;
    }
    // 256 KiB are 187 segments.
    expect(sent).toBe(188);
    expect(probe.sequences).toHaveLength(1 + 188);
    probe.add(sequence + 1400, DATA, message, { seconds: 100 });
    probe.add(sequence + 2800, DATA, message, { seconds: 130 });
    expect(probe.sequences).toHaveLength(189);
    probe.add(sequence + 4200, DATA, message, { seconds: 131 });
    expect(probe.sequences).toHaveLength(192);
    expect(probe.extractor.streams).toMatchObject({ gaps: 2, octetsMissing: 2800 });
  });

  it('met in its middle is read from there', () => {
    const probe = new Probe(ports);
    const start = MESSAGES[0]!.length + MESSAGES[1]!.length;
    for (const { sequence, payload } of segments(100, 7_000_000, STREAM.subarray(start)))
      probe.add(sequence, DATA, payload);
    probe.finish();
    expect(probe.sequences).toEqual(ALL.slice(2));
    expect(probe.ends).toEqual(['1 192.0.2.1 40000 capture_ended']);
  });

  it('is not disturbed by its SYN sent again', () => {
    const probe = new Probe(ports)
      .add(0, SYN)
      .add(1, DATA, STREAM.subarray(0, 80))
      .add(0, SYN)
      .add(81, DATA, STREAM.subarray(80));
    expect([probe.sequences, probe.ends]).toEqual([ALL, []]);
  });

  it('ends with RST, and begins anew with SYN', () => {
    const probe = new Probe(ports);
    probe
      .add(0, SYN)
      .add(1, DATA, MESSAGES[0])
      .add(1 + MESSAGES[0]!.length, RST);
    probe.add(9000, SYN).add(9001, DATA, MESSAGES[1]);
    probe.add(20_000, SYN).add(20_001, DATA, MESSAGES[2]).finish();
    expect(probe.sequences).toEqual([0, 1, 2]);
    expect(probe.ends).toEqual([
      '1 192.0.2.1 40000 reset',
      '2 192.0.2.1 40000 restarted',
      '3 192.0.2.1 40000 capture_ended',
    ]);
  });

  it('cut off by its end gives the Messages that are whole', () => {
    const probe = new Probe(ports)
      .add(0, SYN)
      .add(1, DATA, STREAM.subarray(0, 130))
      .add(131, FIN | ACK);
    expect([probe.sequences, probe.ends]).toEqual([[0, 1], ['1 192.0.2.1 40000 finished']]);
    expect(probe.streams.messagesTruncated).toBe(1);
  });

  it('is not read again when its segments come after its end', () => {
    const probe = new Probe(ports)
      .add(0, SYN)
      .add(1, DATA, STREAM)
      .add(1 + STREAM.length, FIN | ACK);
    probe.add(1, DATA, STREAM).add(1 + STREAM.length, FIN | ACK);
    expect(probe.sequences).toEqual(ALL);
    expect(probe.extractor.streams).toMatchObject({ streamsFound: 1, segmentsRepeated: 1 });
  });

  it('whose FIN comes before its last octets ends after them', () => {
    const [first, second] = segments(STREAM.length / 2, 1);
    const probe = new Probe(ports).add(0, SYN).add(first!.sequence, DATA, first!.payload);
    probe.add(1 + STREAM.length, FIN | ACK);
    expect(probe.ends).toEqual([]);
    probe.add(second!.sequence, DATA, second!.payload);
    expect([probe.sequences, probe.ends]).toEqual([ALL, ['1 192.0.2.1 40000 finished']]);
  });

  it('of several exporters at once', () => {
    const probe = new Probe(ports);
    for (let from = 1; from <= 5; from++) probe.add(0, SYN, undefined, { from });
    for (const { sequence, payload } of segments(64, 1)) {
      for (let from = 1; from <= 5; from++) probe.add(sequence, DATA, payload, { from });
    }
    probe.finish();
    expect(probe.sequences.toSorted((a, b) => a - b)).toEqual(ALL.flatMap((i) => [i, i, i, i, i]));
  });

  it('has the time of the segment that made each Message whole', () => {
    const probe = new Probe(ports).add(0, SYN);
    const cut = MESSAGES[0]!.length + 10;
    probe.add(1 + cut, DATA, STREAM.subarray(cut, cut + MESSAGES[1]!.length - 10), { seconds: 3 });
    probe.add(1, DATA, STREAM.subarray(0, cut), { seconds: 5 });
    expect(probe.times).toEqual([5000, 3000]);
  });

  it('jumping far away begins at the next Message that is one', () => {
    const probe = new Probe(ports).add(0, SYN).add(1, DATA, MESSAGES[0]);
    probe.add(0x60000000, DATA, ascii('no message, and far from what is expected'));
    probe.add(0x70000000, DATA, MESSAGES[1]);
    expect(probe.sequences).toEqual([0, 1]);
    expect(probe.extractor.streams).toMatchObject({ segmentsOutOfWindow: 2, streamsFound: 1 });
  });

  it('in fragments is put together first', () => {
    const segment = tcp(40_000, 4739, 1, DATA, STREAM);
    const probe = new Probe(ports).add(0, SYN);
    probe.show(ipv4({ protocol: 6, identification: 5, fragmentOffset: 400 }, segment.subarray(400)));
    probe.show(ipv4({ protocol: 6, identification: 5, moreFragments: true }, segment.subarray(0, 400)));
    expect(probe.sequences).toEqual(ALL);
    expect(probe.extractor).toMatchObject({ packetsUsedFragment: 2, reassembledUsed: 1 });
  });

  it('of which a segment is cut by the snap length lacks that segment', () => {
    const [a, b, c] = segments(200, 1);
    const probe = new Probe(ports).add(0, SYN).add(a!.sequence, DATA, a!.payload);
    probe.show(ipv4({ protocol: 6 }, tcp(40_000, 4739, b!.sequence, DATA, b!.payload)).subarray(0, 96));
    probe.add(c!.sequence, DATA, c!.payload).finish();
    expect(probe.extractor).toMatchObject({ packetsIgnoredTruncated: 1, streams: { octetsMissing: 200 } });
    expect(probe.sequences).toEqual([0, 1, 2, 8, 9]);
  });

  it('is not made of more than 1,024 connections at once', () => {
    const probe = new Probe(ports);
    for (let i = 0; i < 1100; i++) {
      probe.add(0, SYN, undefined, { from: i + 1 });
      probe.add(1, DATA, MESSAGES[0], { from: i + 1 });
    }
    expect(probe.extractor.streams).toMatchObject({ streamsOpen: 1024, streamsDroppedCrowded: 76 });
    expect(probe.sequences).toHaveLength(1100);
    probe.finish();
  });

  it('outlives any number of SYNs that nothing follows', () => {
    const probe = new Probe(ports).add(0, SYN).add(1, DATA, MESSAGES[0]);
    for (let i = 0; i < 3000; i++)
      probe.add(i, SYN, undefined, { from: 50_000 + (i % 10_000), source: '198.51.100.7' });
    probe.add(1 + MESSAGES[0]!.length, DATA, MESSAGES[1]);
    expect([probe.sequences, probe.extractor.streams!.streamsOpen]).toEqual([[0, 1], 1]);
  });
});

describe('other connections', () => {
  it('to other ports than the chosen are counted', () => {
    const probe = new Probe([4739]).add(0, SYN, undefined, { to: 80 }).add(1, DATA, STREAM, { to: 80 });
    expect(probe.extractor).toMatchObject({ packetsIgnoredPort: 2, streams: { streamsFound: 0 } });
  });

  it('are told by their first octets when no port is chosen', () => {
    const probe = new Probe().add(0, SYN).add(1, DATA, ascii('GET / HTTP/1.1\r\n')).add(17, DATA, ascii('Host: x'));
    probe
      .add(24, ACK)
      .add(24, FIN | ACK)
      .add(25, RST);
    expect(probe.extractor.streams!.streamsFound).toBe(0);
    expect(probe.extractor).toMatchObject({
      packetsUsedStream: 1,
      packetsIgnoredNotIpfix: 2,
      packetsIgnoredTcpControl: 3,
    });
  });

  it('whose later octets look like IPFIX but whose first do not are none', () => {
    const probe = new Probe().add(0, SYN).add(1, DATA, join(ascii('x'), STREAM));
    expect(probe.extractor).toMatchObject({ packetsIgnoredNotIpfix: 1, streams: { streamsFound: 0 } });
  });

  it('to the chosen port met in the middle of a Message lose only that Message', () => {
    const probe = new Probe([4739]).add(777, DATA, STREAM.subarray(30)).finish();
    expect(probe.sequences).toEqual(ALL.slice(1));
    expect(probe.streams.octetsSkipped).toBe(MESSAGES[0]!.length - 30);
  });

  it('answers of the collector are no stream', () => {
    const probe = new Probe([4739])
      .add(0, SYN | ACK)
      .add(1, ACK)
      .add(1, RST);
    expect(probe.extractor).toMatchObject({ packetsIgnoredTcpControl: 3, streams: { streamsFound: 0 } });
  });

  it('to the chosen port that carry something else give nothing, then the Messages after it', () => {
    const probe = new Probe([4739]).add(0, SYN).add(1, DATA, ascii('garbage')).add(8, DATA, STREAM).finish();
    expect(probe.sequences).toEqual(ALL);
    expect(probe.streams).toMatchObject({ octetsSkipped: 7, resynchronisations: 1 });
  });

  it('without streams wanted, TCP is another protocol', () => {
    const extractor = new DatagramExtractor({ onDatagram: () => expect.unreachable() });
    const octets = ipv4({ protocol: 6 }, tcp(1, 4739, 1, DATA, STREAM));
    const packet = new CapturedPacket();
    packet.view = new DataView(octets.buffer);
    packet.end = octets.length;
    packet.linkType = 101;
    extractor.add(packet);
    expect(extractor).toMatchObject({ packetsIgnoredProtocol: 1, streams: undefined });
  });
});
