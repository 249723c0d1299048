/** Structured data (RFC 6313): basicList, subTemplateList and subTemplateMultiList, octets put together by hand. */

import { describe, expect, it } from 'vitest';
import { DecodingHarness } from '../support/decoding-harness.ts';
import { dataSet, message, templateSet, VARIABLE } from '../support/ipfix-message.ts';
import { hex, ipv4, joined, type Octets, u32, variable } from '../support/wire-octets.ts';

/** A record with one list, Templates 300 (source address, octets) and 301 (source port, interface name) known. */
function lineOf(element: 291 | 292 | 293, list: Octets, isLong = false) {
  const harness = new DecodingHarness();
  const octets = message([
    templateSet(300, [
      [8, 4],
      [1, 4],
    ]),
    templateSet(301, [
      [7, 2],
      [82, VARIABLE],
    ]),
    templateSet(256, [
      [2, 4],
      [element, VARIABLE],
    ]),
    dataSet(256, joined(u32(5), variable(list, isLong))),
  ]);
  const [line, ...others] = harness.lines(octets);
  expect(others).toEqual([]);
  expect(harness.problems()).toEqual([]);
  expect(harness.counters.faults.list_invalid).toBe(0);
  expect(line).toMatchObject({ IN_PKTS: 5 });
  return line!;
}

describe('section 4.5.1: basicList', () => {
  it.each([
    [0, 'noneOf'],
    [1, 'exactlyOneOf'],
    [2, 'oneOrMoreOf'],
    [3, 'allOf'],
    [4, 'ordered'],
  ])('section 4.4: semantic %i is %s', (code, name) => {
    expect(lineOf(291, joined(hex(`0${code} 000a 0004`), u32(1)))).toMatchObject({ basicListSemantic: name });
  });

  it('section 4.4: semantic 255 is undefined and not told', () => {
    expect(lineOf(291, joined(hex('ff 000a 0004'), u32(1)))).not.toHaveProperty('basicListSemantic');
  });

  it('elements of fixed length, as one-octet and three-octet length', () => {
    const list = joined(hex('03 000a 0004'), u32(1), u32(2), u32(3));
    for (const isLong of [false, true]) {
      expect(lineOf(291, list, isLong)['basicList']).toEqual([{ INPUT_SNMP: 1 }, { INPUT_SNMP: 2 }, { INPUT_SNMP: 3 }]);
    }
  });

  it('elements of variable length', () => {
    const list = joined(hex('04 0052 ffff'), variable('ge0'), variable('ge1'));
    expect(lineOf(291, list)['basicList']).toEqual([{ INTERFACE_NAME: 'ge0' }, { INTERFACE_NAME: 'ge1' }]);
  });

  it('of an enterprise element', () => {
    const list = joined(hex('03 80a8 0004 00008b30'), u32(4711));
    expect(lineOf(291, list)['basicList']).toEqual([{ SRC_PROC_PID: 4711 }]);
  });

  it('empty', () => {
    expect(lineOf(291, hex('00 000a 0004'))).toMatchObject({ basicList: [], basicListSemantic: 'noneOf' });
  });

  it('of basicLists', () => {
    const inner = (value: number) => variable(joined(hex('03 000a 0004'), u32(value)));
    expect(lineOf(291, joined(hex('04 0123 ffff'), inner(1), inner(2)))['basicList']).toEqual([
      { basicList: [{ INPUT_SNMP: 1 }] },
      { basicList: [{ INPUT_SNMP: 2 }] },
    ]);
  });
});

it('section 4.5.2: subTemplateList, records of one Template', () => {
  const list = joined(hex('03 012c'), ipv4('192.0.2.1'), u32(10), ipv4('192.0.2.2'), u32(20));
  expect(lineOf(292, list)).toMatchObject({
    subTemplateList: [
      { IPV4_SRC_ADDR: '192.0.2.1', IN_BYTES: 10 },
      { IPV4_SRC_ADDR: '192.0.2.2', IN_BYTES: 20 },
    ],
    subTemplateListSemantic: 'allOf',
  });
  expect(lineOf(292, joined(hex('03 012d 01bb'), variable('a'), hex('0050'), variable('')))['subTemplateList']).toEqual(
    [{ L4_SRC_PORT: 443, INTERFACE_NAME: 'a' }, { L4_SRC_PORT: 80 }],
  );
});

it('section 4.5.3: subTemplateMultiList, blocks of several Templates, their lengths with their heads', () => {
  const list = joined(
    hex('01'),
    hex('012c 000c'),
    ipv4('192.0.2.1'),
    u32(10),
    hex('012d 000a 01bb'),
    variable('ge0'),
    hex('012c 0004'),
  );
  expect(lineOf(293, list)).toMatchObject({
    subTemplateMultiList: [
      { IPV4_SRC_ADDR: '192.0.2.1', IN_BYTES: 10 },
      { L4_SRC_PORT: 443, INTERFACE_NAME: 'ge0' },
    ],
    subTemplateMultiListSemantic: 'exactlyOneOf',
  });
});
