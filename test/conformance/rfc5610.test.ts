/** Elements that an Exporter describes itself (RFC 5610). */

import { describe, expect, it } from 'vitest';
import { DecodingHarness } from '../support/decoding-harness.ts';
import { dataSet, message, optionsTemplateSet, templateSet, VARIABLE } from '../support/ipfix-message.ts';
import { hex, joined, type Octets, text, u8, u16, u32, u64, variable } from '../support/wire-octets.ts';

const PEN = 64_999;
/** Section 3.9: scope enterprise number and element id; options data type, semantics, units, range, name. */
const TYPE_TEMPLATE = optionsTemplateSet(
  300,
  [
    [346, 4],
    [303, 2],
  ],
  [
    [339, 1],
    [344, 1],
    [345, 2],
    [342, 8],
    [343, 8],
    [341, VARIABLE],
  ],
);

function typeRecord(id: number, dataType: number, name: string, enterpriseNumber = PEN): Octets {
  return joined(u32(enterpriseNumber), u16(id), u8(dataType), u8(0), u16(0), u64(0), u64(0), variable(name));
}

describe('Information Element Type Options', () => {
  // Section 3.1: codes of the abstract data types
  it.each([
    [0, 'octetArray', hex('0102'), '0102'],
    [1, 'unsigned8', u8(200), 200],
    [3, 'unsigned32', u32(4_000_000_000), 4_000_000_000],
    [7, 'signed32', u32(-5), -5],
    [10, 'float64', hex('3ff8000000000000'), 1.5],
    [11, 'boolean', u8(1), true],
    [12, 'macAddress', hex('020000000001'), '02:00:00:00:00:01'],
    [13, 'string', text('abc'), 'abc'],
    [18, 'ipv4Address', hex('c0000201'), '192.0.2.1'],
    [19, 'ipv6Address', hex('20010db8000000000000000000000001'), '2001:db8::1'],
  ])('section 3.1: data type %i is %s', (code, name, octets, expected) => {
    const harness = new DecodingHarness();
    const key = `own${name}`;
    const [, line] = harness.lines(
      message([
        TYPE_TEMPLATE,
        dataSet(300, typeRecord(77, code, key)),
        templateSet(256, [
          [1, 4],
          [77, octets.length, PEN],
        ]),
        dataSet(256, joined(u32(5), octets)),
      ]),
    );
    expect(line).toMatchObject({ IN_BYTES: 5, [key]: expected });
    expect(harness.problems()).toEqual([]);
  });

  it('hold for Templates announced and used before, and only for their Exporter and domain', () => {
    const harness = new DecodingHarness();
    const data = message([
      templateSet(256, [
        [1, 4],
        [77, 2, PEN],
      ]),
      dataSet(256, joined(u32(5), u16(6))),
    ]);
    expect(harness.lines(data)).toMatchObject([{ [`${PEN}.77`]: '0006' }]);
    expect(harness.lines(data, { address: '192.0.2.9' })).toMatchObject([{ [`${PEN}.77`]: '0006' }]);
    harness.decode(message([TYPE_TEMPLATE, dataSet(300, typeRecord(77, 2, 'ownCounter'))]));
    expect(harness.lines(data).at(-1)).toMatchObject({ ownCounter: 6 });
    expect(harness.lines(data, { address: '192.0.2.9' })).toMatchObject([{ [`${PEN}.77`]: '0006' }]);
    harness.decode(message([TYPE_TEMPLATE, dataSet(300, typeRecord(77, 2, 'renamed'))]));
    expect(harness.lines(data).at(-1)).toMatchObject({ renamed: 6 });
  });

  it('two Exporters that describe one element differently are told apart, turn by turn', () => {
    const harness = new DecodingHarness();
    const data = message([templateSet(256, [[77, 2, PEN]]), dataSet(256, u16(0x4142))]);
    for (const address of ['192.0.2.8', '192.0.2.9']) harness.decode(data, { address });
    harness.decode(message([TYPE_TEMPLATE, dataSet(300, typeRecord(77, 2, 'asNumber'))]), { address: '192.0.2.8' });
    harness.decode(message([TYPE_TEMPLATE, dataSet(300, typeRecord(77, 13, 'asText'))]), { address: '192.0.2.9' });
    harness.takeText();
    for (let i = 0; i < 3; i++) {
      expect(harness.lines(data, { address: '192.0.2.8' })).toMatchObject([{ asNumber: 0x4142 }]);
      expect(harness.lines(data, { address: '192.0.2.9' })).toMatchObject([{ asText: 'AB' }]);
    }
  });

  it('change no element that definition files have, nor take its name', () => {
    const harness = new DecodingHarness();
    harness.decode(
      message([
        TYPE_TEMPLATE,
        dataSet(
          300,
          typeRecord(168, 13, 'forged', 35632),
          typeRecord(78, 18, 'sourceIPv4Address'),
          typeRecord(8, 13, 'forged', 0),
        ),
      ]),
    );
    const [line] = harness
      .lines(
        message([
          templateSet(256, [
            [168, 4, 35632],
            [78, 4, PEN],
            [8, 4],
          ]),
          dataSet(256, joined(u32(7), hex('c0000201'), hex('c0000202'))),
        ]),
      )
      .slice(-1);
    expect(line).toMatchObject({ SRC_PROC_PID: 7, [`${PEN}.78`]: 'c0000201', IPV4_SRC_ADDR: '192.0.2.2' });
  });
});
