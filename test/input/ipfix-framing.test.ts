import { describe, expect, it } from 'vitest';
import { IpfixFileReader } from '../../src/input/ipfix-file.ts';
import type { FramingOutcome } from '../../src/input/ipfix-framing.ts';
import { IpfixFramer, likenessToIpfix } from '../../src/input/ipfix-framing.ts';
import { ascii, hex, ipfixMessage, join } from '../support/capture-builder.ts';

/** Pushes a stream in pieces that are overwritten afterwards and gives the Messages as copies. */
function frame(
  stream: Uint8Array,
  pieceLength: number,
  framer = new IpfixFramer(),
): { messages: Uint8Array[]; outcome: FramingOutcome } {
  const messages: Uint8Array[] = [];
  let outcome: FramingOutcome = 'ok';
  const scratch = new Uint8Array(pieceLength);
  for (let at = 0; at < stream.length && outcome === 'ok'; at += pieceLength) {
    const length = Math.min(pieceLength, stream.length - at);
    scratch.fill(0xee);
    scratch.set(stream.subarray(at, at + length));
    outcome = framer.pushOctets(scratch.subarray(0, length), (view, octets, start, end) => {
      const message = octets.slice(start, end);
      for (let i = start; i < end; i++)
        if (view.getUint8(i) !== octets[i]) expect.unreachable('view and octets differ');
      messages.push(message);
    });
  }
  return { messages, outcome };
}

const FIRST = ipfixMessage(1, ascii('one'));
const SECOND = ipfixMessage(2, ascii('the second, longer'));
const HEADER_ONLY = hex('000a0010 65000000 00000003 00000007');
const THIRD = ipfixMessage(4, new Uint8Array(3000).fill(0x5a));

describe('a stream of Messages (RFC 7011 section 3.1)', () => {
  it('is cut by version and length, octets written by hand', () => {
    const stream = hex('000a0014 65000000 00000000 00000001 01000004 000a0010 65000000 00000001 00000001');
    expect(frame(stream, stream.length).messages).toEqual([stream.slice(0, 20), stream.slice(20)]);
  });

  it('is the same however it is split: octet by octet, several in one read', () => {
    const stream = join(FIRST, SECOND, HEADER_ONLY, THIRD, FIRST);
    for (const pieceLength of [1, 2, 3, 4, 5, 15, 16, 17, 23, 24, 100, 1460, stream.length]) {
      const framer = new IpfixFramer();
      const { messages, outcome } = frame(stream, pieceLength, framer);
      expect([outcome, messages]).toEqual(['ok', [FIRST, SECOND, HEADER_ONLY, THIRD, FIRST]]);
      expect([framer.messagesFramed, framer.octetsSkipped, framer.octetsHeld, framer.finish()]).toEqual([
        5,
        0,
        0,
        'ok',
      ]);
    }
  });

  it('holds Messages of up to 65,535 octets', () => {
    const longest = ipfixMessage(1, new Uint8Array(65_535 - 20).fill(1));
    for (const pieceLength of [1000, 65_534, 65_535, 131_070]) {
      const { messages } = frame(join(longest, longest), pieceLength);
      expect(messages.map((message) => Buffer.compare(message, longest))).toEqual([0, 0]);
    }
  });

  it('keeps no more than arrived of a Message whose length never comes', () => {
    const framer = new IpfixFramer();
    expect(frame(hex('000affff 65000000'), 1, framer)).toEqual({ outcome: 'ok', messages: [] });
    expect(framer.octetsHeld).toBe(8);
    expect([framer.finish(), framer.octetsSkipped]).toEqual(['truncated', 8]);
  });

  it.each([
    ['text', ascii('GET / HTTP/1.1\r\n')],
    ['TLS', hex('16030100c8')],
    ['NetFlow version 9', hex('0009000165000000')],
    ['a length of 15', hex('000a000f65000000')],
    ['a length of 0', hex('000a0000')],
    ['one wrong octet', hex('01')],
    ['two, the second wrong', hex('000b')],
  ])('is given up at %s', (_, garbage) => {
    for (const pieceLength of [1, garbage.length, 64]) {
      const framer = new IpfixFramer();
      const { messages, outcome } = frame(join(FIRST, garbage), pieceLength, framer);
      expect([outcome, messages]).toEqual(['not_ipfix', [FIRST]]);
      expect(framer.pushOctets(FIRST, () => expect.unreachable())).toBe('not_ipfix');
    }
  });
});

describe('finding Messages again', () => {
  const garbage = join(ascii('damage'), hex('000a0014 65000000 00000000 00000001 0001 0004'), hex('000a 000a'));

  it('leaves out what is between, and counts it', () => {
    const stream = join(FIRST, garbage, SECOND, THIRD);
    for (let pieceLength = 1; pieceLength < 90; pieceLength++) {
      const framer = new IpfixFramer(true);
      const { messages, outcome } = frame(stream, pieceLength, framer);
      expect([outcome, messages]).toEqual(['ok', [FIRST, SECOND, THIRD]]);
      expect([framer.octetsSkipped, framer.resynchronisations]).toEqual([garbage.length, 1]);
    }
  });

  it('starts in the middle of a Message when told so', () => {
    const stream = join(THIRD.subarray(1000), FIRST, SECOND);
    const framer = new IpfixFramer(true);
    framer.resynchronise();
    expect(frame(stream, 700, framer).messages).toEqual([FIRST, SECOND]);
    expect(framer.octetsSkipped).toBe(THIRD.length - 1000);
  });

  it('gives up the Message that was begun', () => {
    const framer = new IpfixFramer(true);
    frame(join(FIRST, THIRD.subarray(0, 500)), 100, framer);
    framer.resynchronise();
    expect(frame(join(THIRD.subarray(1000), SECOND), 100, framer).messages).toEqual([SECOND]);
    expect(framer.octetsSkipped).toBe(500 + THIRD.length - 1000);
  });

  it('does not take what looks like a header for one when no other follows it', () => {
    const inside = hex('000a0014 00000000 00000000 00000000 01000004 ffff');
    const framer = new IpfixFramer(true);
    framer.resynchronise();
    expect(frame(join(inside, FIRST, SECOND), 4096, framer).messages).toEqual([FIRST, SECOND]);
  });

  it('advances through octets that keep looking like the start of one', () => {
    const stream = new Uint8Array(300_000);
    for (let i = 0; i + 22 <= stream.length; i += 22)
      stream.set(hex('000a0014 00000000 00000000 00000000 01000004 ffff'), i);
    const framer = new IpfixFramer(true);
    frame(FIRST, 100, framer);
    frame(stream, 65_536, framer);
    let octets = framer.octetsSkipped + framer.octetsHeld;
    octets += (framer.messagesFramed - 1) * 20;
    expect(octets).toBe(stream.length);
  });
});

describe('likeness to IPFIX', () => {
  it.each([
    ['', 'more'],
    ['00', 'more'],
    ['01', 'no'],
    ['000a', 'more'],
    ['0009', 'no'],
    ['000a0010', 'more'],
    ['000a0010 00000000 00000000 00000000', 'yes'],
    ['000a0013', 'no'],
    ['000a0014 00000000 00000000 00000000', 'more'],
    ['000a0014 00000000 00000000 00000000 00020004', 'yes'],
    ['000a0014 00000000 00000000 00000000 00030004', 'yes'],
    ['000a0014 00000000 00000000 00000000 01000004', 'yes'],
    ['000a0014 00000000 00000000 00000000 00ff0004', 'no'],
    ['000a0014 00000000 00000000 00000000 00000004', 'no'],
    ['000a0014 00000000 00000000 00000000 01000003', 'no'],
    ['000a0014 00000000 00000000 00000000 01000005', 'no'],
  ])('%s: %s', (octets, likeness) => {
    const bytes = hex(octets);
    expect(likenessToIpfix(new DataView(bytes.buffer), 0, bytes.length)).toBe(likeness);
  });
});

describe('an IPFIX file (RFC 5655)', () => {
  function readFile(file: Uint8Array, blockLength: number) {
    const sequences: number[] = [];
    const reader = new IpfixFileReader((view, _octets, start) => {
      sequences.push(view.getUint32(start + 8));
    });
    for (let at = 0; at < file.length; at += blockLength) {
      if (!reader.feed(file.slice(at, at + blockLength))) break;
    }
    return {
      sequences,
      outcome: reader.finish(),
      octetsSkipped: reader.octetsSkipped,
      messagesRead: reader.messagesRead,
    };
  }

  it.each([
    ['whole', join(FIRST, SECOND, THIRD), 'ok', [1, 2, 4], 0],
    ['nothing', new Uint8Array(0), 'empty', [], 0],
    ['cut off', join(FIRST, THIRD.subarray(0, 99)), 'truncated', [1], 99],
    ['damaged in the middle', join(FIRST, ascii('damaged'), SECOND, THIRD), 'damaged', [1, 2, 4], 7],
  ] as const)('%s', (_, file, outcome, sequences, octetsSkipped) => {
    for (const blockLength of [1, 13, 4096]) {
      expect(readFile(file, blockLength)).toEqual({
        outcome,
        sequences,
        octetsSkipped,
        messagesRead: sequences.length,
      });
    }
  });

  it('is refused when it is something else', () => {
    expect(readFile(ascii('not at all an IPFIX file'), 8)).toMatchObject({ outcome: 'not_ipfix', sequences: [] });
  });
});
