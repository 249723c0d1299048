import { describe, expect, it } from 'vitest';
import { DecodingHarness } from '../support/decoding-harness.ts';
import { dataSet, EXPORT_TIME, message, optionsTemplateSet, templateSet, VARIABLE } from '../support/ipfix-message.ts';
import { joined, type Octets, text, u8, u32, u64, variable } from '../support/wire-octets.ts';

/** ifIndex and name, of a length of its own. */
const NAMES = optionsTemplateSet(256, [[10, 4]], [[82, VARIABLE]]);
/** Input interface and octets. */
const FLOWS = templateSet(300, [
  [10, 4],
  [1, 4],
]);

function named(ifIndex: number, name: string): Octets {
  return joined(u32(ifIndex), variable(name));
}

describe('options records that come again', () => {
  it('print the same line each time, from any Exporter', () => {
    const harness = new DecodingHarness();
    for (let round = 0; round < 5; round++) {
      for (const address of ['192.0.2.1', '192.0.2.2']) {
        const octets = message([NAMES, dataSet(256, named(7, 'uplink "a"'), named(8, 'lan'))], { sequence: round });
        expect(harness.lines(octets, { address })).toMatchObject([
          { EXPORTER_IPV4_ADDRESS: address, INPUT_SNMP: 7, INTERFACE_NAME: 'uplink "a"' },
          { EXPORTER_IPV4_ADDRESS: address, INPUT_SNMP: 8, INTERFACE_NAME: 'lan' },
        ]);
      }
    }
    expect(harness.problems()).toEqual([]);
  });

  it('name the interfaces of whoever sent them, the latest name of each', () => {
    const harness = new DecodingHarness();
    const nameOf = (address: string) =>
      harness.lines(message([FLOWS, dataSet(300, joined(u32(7), u32(1)))]), { address })[0]!['INPUT_INTERFACE_NAME'];
    const tell = (address: string, name: string) =>
      harness.lines(message([NAMES, dataSet(256, named(7, name))]), { address });
    for (let round = 0; round < 4; round++) {
      tell('192.0.2.1', 'first');
      expect(nameOf('192.0.2.1')).toBe('first');
      tell('192.0.2.1', 'other');
      expect(nameOf('192.0.2.1')).toBe('other');
      tell('192.0.2.2', 'first');
      expect([nameOf('192.0.2.1'), nameOf('192.0.2.2')]).toEqual(['other', 'first']);
    }
  });

  it('are told from records that differ in one octet', () => {
    const harness = new DecodingHarness();
    const name = 'abcdefghijk';
    for (let round = 0; round < 3; round++) harness.lines(message([NAMES, dataSet(256, named(7, name))]));
    for (let i = 0; i < name.length; i++) {
      const changed = `${name.slice(0, i)}X${name.slice(i + 1)}`;
      for (let round = 0; round < 3; round++) {
        const lines = harness.lines(message([NAMES, dataSet(256, named(7, changed))]));
        expect(lines).toMatchObject([{ INTERFACE_NAME: changed }]);
      }
    }
    expect(harness.lines(message([NAMES, dataSet(256, named(7, name))]))).toMatchObject([{ INTERFACE_NAME: name }]);
  });

  it('are read by their own Template, equal octets or not', () => {
    const harness = new DecodingHarness();
    const record = u64(0x0000000100000002n);
    for (let round = 0; round < 4; round++) {
      const short = message([optionsTemplateSet(256, [[10, 4]], [[14, 4]]), dataSet(256, record)]);
      expect(harness.lines(short)).toMatchObject([{ INPUT_SNMP: 1, OUTPUT_SNMP: 2 }]);
      const long = message([optionsTemplateSet(256, [[149, 4]], [[41, 4]]), dataSet(256, record)]);
      expect(harness.lines(long)[0]).not.toHaveProperty('INPUT_SNMP');
    }
  });

  it('tell NTP times by the time of export, whose era may change', () => {
    const harness = new DecodingHarness();
    // Element 156, nanoseconds, in seconds since 1900 or since 2036, whichever is nearer: in 2027 or in 2163 (RFC 5905 section 6).
    const line = (exportTime: number) => {
      const octets = joined(u32(1), u32(0xf000_0000), u32(0));
      const sets = [optionsTemplateSet(256, [[149, 4]], [[156, 8]]), dataSet(256, octets)];
      return JSON.stringify(harness.lines(message(sets, { exportTime }))[0]);
    };
    const in2027 = (0xf000_0000 - 2_208_988_800) * 1_000_000_000;
    for (let round = 0; round < 3; round++) {
      expect(line(EXPORT_TIME)).toContain(String(in2027));
      expect(line(4_294_000_000)).not.toContain(String(in2027));
    }
  });

  it('are cut off where a text runs past the set, known or not', () => {
    const harness = new DecodingHarness();
    const whole = named(7, 'uplink');
    for (let round = 0; round < 3; round++) harness.lines(message([NAMES, dataSet(256, whole)]));
    expect(harness.lines(message([NAMES, dataSet(256, whole.subarray(0, whole.length - 1))]))).toEqual([]);
    expect(harness.lines(message([NAMES, dataSet(256, joined(u32(7), u8(255)))]))).toEqual([]);
    expect(harness.lines(message([NAMES, dataSet(256, joined(u32(7), u8(255), text('\u0000', 1)))]))).toEqual([]);
  });
});
