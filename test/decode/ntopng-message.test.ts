import { deflateSync } from 'node:zlib';
import { describe, expect, it } from 'vitest';
import { MessageNumbers } from '../../src/decode/message-numbers.ts';
import { MAX_INFLATED_OCTETS, NtopngMessage } from '../../src/decode/ntopng-message.ts';
import { ListenCounters } from '../../src/metrics/listen-counters.ts';
import { header0, header1, header2, header3 } from '../support/ntopng-message.ts';

const hex = (text: string) => Buffer.from(text.replaceAll(' ', ''), 'hex');
const BODY = Buffer.from('{}');

function read(header: Uint8Array, body: Uint8Array = BODY) {
  const message = new NtopngMessage();
  const fault = message.read([header, body]);
  const { topic, headerVersion, messageId, sourceId, payload } = message;
  return { fault, topic, headerVersion, messageId, sourceId, payload: Buffer.from(payload).toString() };
}

describe('headers of ntop feeds', () => {
  it('reads the first form: 32 octets of topic, version, size', () => {
    const header = hex(`666c6f77 ${'00'.repeat(28)} 02000000 02000000`);
    expect(read(header)).toEqual({
      fault: undefined,
      topic: 'flow',
      headerVersion: 0,
      messageId: -1,
      sourceId: -1,
      payload: '{}',
    });
  });

  it('reads 24 octets: an id in network order', () => {
    const header = hex(`636f756e746572 ${'00'.repeat(9)} 03 2a 0000 01020304`);
    expect(read(header)).toMatchObject({ topic: 'counter', headerVersion: 1, messageId: 0x01020304, sourceId: 42 });
  });

  it('reads the id of version 1 in the order of little-endian hosts', () => {
    const header = hex(`6576656e74 ${'00'.repeat(11)} 01 2a 0000 01020304`);
    expect(read(header)).toMatchObject({ topic: 'event', messageId: 0x04030201, sourceId: 42 });
  });

  it('reads 28 octets: a source of 32 bits', () => {
    const header = hex(`6c697374656e696e672d706f727473 00 03 00 0200 00000007 78563412`);
    expect(read(header)).toMatchObject({
      topic: 'listening-ports',
      headerVersion: 2,
      messageId: 7,
      sourceId: 0x12345678,
    });
  });

  it('reads 36 octets: flags and both sizes', () => {
    const header = hex(`666c6f77 ${'00'.repeat(12)} 04 02 0000 02000000 00000000 00000009 78563412`);
    expect(read(header)).toMatchObject({ headerVersion: 3, messageId: 9, sourceId: 0x12345678, payload: '{}' });
  });

  it('takes a topic alone, of senders of plain lines', () => {
    expect(read(Buffer.from('flow'))).toMatchObject({
      fault: undefined,
      topic: 'flow',
      headerVersion: 0,
      messageId: -1,
    });
  });

  it('takes a topic with nothing for a greeting', () => {
    expect(read(Buffer.from('flow'), Buffer.alloc(0))).toMatchObject({ fault: undefined, topic: 'hello', payload: '' });
  });

  it('inflates by the first octet, or by the flag of the third form', () => {
    const text = '{"a":1}'.repeat(100);
    const packed = deflateSync(text);
    const marked = Buffer.concat([Buffer.from([0]), packed]);
    expect(read(header0({ version: 2 }), marked).payload).toBe(text);
    expect(read(header1({ version: 2 }), marked).payload).toBe(text);
    expect(read(header2({ version: 2 }), marked).payload).toBe(text);
    // The sizes lie: one is too small, one too large.
    expect(read(header3({ flags: 4, sizes: [1, 0xffffffff] }), packed).payload).toBe(text);
  });

  it.each([
    ['no frame', [], 'frame_count_invalid'],
    ['one frame', [header1()], 'frame_count_invalid'],
    ['three frames', [header1(), BODY, BODY], 'frame_count_invalid'],
    ['an empty header', [Buffer.alloc(0), BODY], 'header_size_invalid'],
    ['a header of 23 octets', [header1().subarray(0, 23), BODY], 'header_size_invalid'],
    ['a header of 41 octets', [Buffer.alloc(41), BODY], 'header_size_invalid'],
    ['a version to come', [header1({ version: 5 }), BODY], 'header_version_invalid'],
    ['a topic of nobody', [header1({ topic: 'flowers' }), BODY], 'topic_unknown'],
    ['a topic without end', [header1({ topic: 'flow'.repeat(4) }), BODY], 'topic_unknown'],
    ['no topic', [header1({ topic: '' }), BODY], 'topic_unknown'],
    ['nothing in it', [header1(), Buffer.alloc(0)], 'payload_empty'],
    ['octets that do not inflate', [header1({ version: 2 }), hex('00 123456')], 'inflate_failed'],
    ['a stream that is cut', [header3({ flags: 6 }), deflateSync('x'.repeat(1000)).subarray(0, 10)], 'inflate_failed'],
    [
      'a bomb',
      [header3({ flags: 6, sizes: [10, 10] }), deflateSync(Buffer.alloc(MAX_INFLATED_OCTETS + 1))],
      'inflate_too_large',
    ],
  ] as const)('refuses %s', (_, frames, fault) => {
    expect(new NtopngMessage().read(frames)).toBe(fault);
  });
});

describe('numbers of messages', () => {
  function follow(...ids: readonly number[]) {
    const counters = new ListenCounters();
    const numbers = new MessageNumbers();
    for (const id of ids) numbers.observe(id, counters);
    const { messagesLost: lost, messagesRepeated: repeated, restarts } = counters;
    return { lost, repeated, restarts };
  }

  it.each([
    ['begin anywhere', [500, 501], { lost: 0, repeated: 0, restarts: 0 }],
    ['leave out the lost', [1, 2, 5, 6, 8], { lost: 3, repeated: 0, restarts: 0 }],
    ['go back when a sender restarts', [100, 101, 1, 2], { lost: 0, repeated: 0, restarts: 1 }],
    ['go back by one when it restarts', [100, 99, 100], { lost: 0, repeated: 0, restarts: 1 }],
    ['wrap', [0xfffffffe, 0xffffffff, 0, 1], { lost: 0, repeated: 0, restarts: 0 }],
    ['wrap over a loss', [0xfffffffe, 1], { lost: 2, repeated: 0, restarts: 0 }],
    ['repeat', [7, 7, 8], { lost: 0, repeated: 1, restarts: 0 }],
  ])('%s', (_, ids, expected) => {
    expect(follow(...ids)).toEqual(expected);
  });
});
