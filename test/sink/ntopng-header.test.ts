import { expect, it } from 'vitest';
import { type HeaderFields, writeHeader } from '../../src/sink/formats/ntopng-header.ts';

const FIELDS: HeaderFields = {
  version: 1,
  topic: 'flow',
  messageId: 0x01020304,
  sourceId: 0xa1b2c3d4,
  isTlv: true,
  isCompressed: false,
  payloadOctets: 0x1234,
};

const TOPIC = '666c6f77 000000000000000000000000';

/** Written by hand from the description of each form: message id big-endian, all else little-endian. */
it.each<[string, Partial<HeaderFields>, string]>([
  ['first form, TLV', {}, `${TOPIC} 03 d4 3412 01020304`],
  ['first form, JSON', { isTlv: false }, `${TOPIC} 02 d4 3412 01020304`],
  ['first form, over 65535 octets', { payloadOctets: 100_000 }, `${TOPIC} 03 d4 ffff 01020304`],
  ['second form, TLV', { version: 2 }, `${TOPIC} 03 00 3412 01020304 d4c3b2a1`],
  ['second form, JSON', { version: 2, isTlv: false }, `${TOPIC} 02 00 3412 01020304 d4c3b2a1`],
  ['third form, TLV', { version: 3 }, `${TOPIC} 04 02 0000 34120000 34120000 01020304 d4c3b2a1`],
  [
    'third form, TLV compressed',
    { version: 3, isCompressed: true },
    `${TOPIC} 04 06 0000 34120000 34120000 01020304 d4c3b2a1`,
  ],
  ['third form, JSON', { version: 3, isTlv: false }, `${TOPIC} 04 00 0000 34120000 34120000 01020304 d4c3b2a1`],
  ['a long topic', { topic: 'listening-ports' }, '6c697374656e696e672d706f72747300 03 d4 3412 01020304'],
])('%s', (_name, fields, expected) => {
  expect(Buffer.from(writeHeader({ ...FIELDS, ...fields })).toString('hex')).toBe(expected.replaceAll(' ', ''));
});
