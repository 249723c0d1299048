import { describe, expect, it } from 'vitest';
import { HttpRequest } from '../../../src/meter/application/http-message.ts';
import { ascii, Beginnings } from '../../../src/meter/application/octet-text.ts';
import { PARSE_MORE, PARSE_NOT } from '../../../src/meter/application/parse-result.ts';
import { SipMessage } from '../../../src/meter/application/sip-message.ts';

const EMPTY = new Uint8Array(0);

describe('beginnings', () => {
  const [get, post, put] = ['GET ', 'POST ', 'PUT '].map(ascii);
  const beginnings = new Beginnings([get!, post!, put!]);
  // In the midst of other octets.
  const of = (text: string): [Uint8Array, number, number] => [ascii(`..${text} /`), 2, 2 + text.length];

  it('are found whole, at the start and within the end', () => {
    expect(beginnings.find(...of('PUT /a'))).toBe(put);
    expect(beginnings.find(...of('POST '))).toBe(post);
    expect(beginnings.find(...of('POST'))).toBeUndefined();
    expect(beginnings.find(...of('PATCH '))).toBeUndefined();
    expect(beginnings.find(...of(''))).toBeUndefined();
  });

  it('are known where they are cut off', () => {
    const cutOff = ['', 'P', 'PU', 'POST', 'GET'].map((text) => beginnings.isCutOff(...of(text)));
    expect(cutOff).toEqual([true, true, true, true, true]);
    expect(['POST ', 'PUX', 'Q', 'get'].map((text) => beginnings.isCutOff(...of(text)))).toEqual(Array(4).fill(false));
  });

  it('are asked of no octets too, where nothing follows', () => {
    expect(beginnings.find(EMPTY, 0, 0)).toBeUndefined();
    expect(new SipMessage().read(EMPTY, 0, 0)).toBe(false);
    expect(new HttpRequest().read(EMPTY, 0, 0, false)).toBe(PARSE_MORE);
    expect(new HttpRequest().read(EMPTY, 0, 0, true)).toBe(PARSE_NOT);
  });
});
