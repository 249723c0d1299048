import { describe, expect, it } from 'vitest';
import { plainElementValue } from '../../src/flow/element-value.ts';
import { Flow } from '../../src/flow/flow.ts';
import { ELEMENT_VALUES, type ElementValue } from '../../src/flow/layout.ts';
import { Origin } from '../../src/flow/origin.ts';
import { elementNumber, writeElement } from '../../src/sink/formats/line-values.ts';
import { plainJson } from '../../src/sink/formats/plain-json.ts';
import { Random } from '../support/random.ts';
import { hex } from '../support/wire-octets.ts';

const EXPORT_MS = 1_700_000_000_123;
const SEED = Number(process.env['FUZZ_SEED'] ?? Date.now() % 2 ** 32);

function written(value: ElementValue, octets: Uint8Array): string {
  const flow = new Flow(new Origin());
  flow.origin.exportTimeMs = EXPORT_MS;
  flow.bytes = octets;
  flow.view = new DataView(octets.buffer, octets.byteOffset, octets.length);
  const line = new Uint8Array(200);
  // What stands before a value is not touched.
  line.fill(0x3a, 0, 5);
  const out = new DataView(line.buffer);
  const end = writeElement(out, line, 5, flow, 0, octets.length, elementNumber(value));
  const text = Buffer.from(line.subarray(0, end)).toString('latin1');
  expect(text.slice(0, 5)).toBe(':::::');
  return text.slice(5);
}

describe('an element', () => {
  it.each<[ElementValue, string, string]>([
    ['unsigned', '00', '0'],
    ['unsigned', '010203', '66051'],
    ['unsigned', 'ffffffffff', '1099511627775'],
    ['unsigned', 'ffffffffffffffff', '18446744073709551615'],
    ['unsigned', '010203040506070809', '"010203040506070809"'],
    ['unsigned', '', '""'],
    ['signed', '7f', '127'],
    ['signed', 'ff', '-1'],
    ['signed', '80', '-128'],
    ['signed', 'fffffe', '-2'],
    ['signed', 'ffffffff00000000', '-4294967296'],
    ['signed', '8000000000000000', '-9223372036854775808'],
    ['signed', '7fffffffffffffff', '9223372036854775807'],
    ['signed', 'fffffffffffffff085', '"fffffffffffffff085"'],
    ['float', '3fc00000', '1.5'],
    ['float', 'c0000000', '-2'],
    ['float', '3fb999999999999a', '0.1'],
    ['float', '7f800000', '"Infinity"'],
    ['float', '7fc00000', '"NaN"'],
    ['float', '3f', '"3f"'],
    ['boolean', '01', 'true'],
    ['boolean', '02', 'false'],
    ['boolean', '00', '0'],
    ['boolean', 'ff', '255'],
    ['boolean', '0001', '"0001"'],
    ['ipv4', 'c0000201', '"192.0.2.1"'],
    ['ipv4', 'c00002', '"c00002"'],
    ['ipv6', '20010db8000000000000000000000001', '"2001:db8::1"'],
    ['ipv6', '20010db8', '"20010db8"'],
    ['mac', '00005e00530a', '"00:00:5e:00:53:0a"'],
    ['mac', '00005e0053', '"00005e0053"'],
    ['application', '0300000050', '"3:80"'],
    ['application', '03', '"03"'],
    // The label is the upper 20 bits (RFC 3032).
    ['mplsLabel', '000641', '100'],
    ['mplsLabel', '0006', '"0006"'],
    // 1,700,000,000 s of Unix are 3,908,988,800 of NTP, e8fe6f80 in hexadecimal; half a second, and a microsecond cut off by its sender.
    ['ntpMicroseconds', 'e8fe6f8080000000', '1700000000500000'],
    ['ntpMicroseconds', 'e8fe6f80000010c6', '1700000000000001'],
    ['ntpMicroseconds', 'e8fe6f80ffffffff', '1700000001000000'],
    ['ntpNanoseconds', 'e8fe6f8080000000', '1700000000500000000'],
    ['ntpNanoseconds', 'e8fe6f8000000004', '1700000000000000001'],
    ['ntpNanoseconds', 'e8fe6f80fffffffe', '1700000001000000000'],
    ['ntpNanoseconds', '0000000000000000', '0'],
    ['ntpMicroseconds', 'e8fe6f80', '"e8fe6f80"'],
  ])('%s of octets %s is %s', (value, octets, expected) => {
    expect(written(value, hex(octets))).toBe(expected);
  });

  it(`of random octets is what the plain reading makes of it (seed ${SEED})`, () => {
    const random = new Random(SEED);
    const values = ELEMENT_VALUES.filter((value) => value !== 'string' && value !== 'hexadecimal');
    for (let i = 0; i < 20_000; i++) {
      const value = random.pick(values);
      const octets = random.octets(random.pick([1, 2, 3, 4, 6, 8, 8, 8, 9, 16]));
      if (random.below(3) === 0) octets.fill(random.pick([0, 1, 0xff]), random.below(octets.length));
      // Times near the export in NTP's era, in the next, and as Unix nanoseconds.
      const near = random.pick(['', 'e8fe6f80', 'e8fe0000', '00000001', '17979cfe']);
      if (near !== '' && octets.length === 8) octets.set(hex(near));
      const plain = plainElementValue(new DataView(octets.buffer), 0, octets.length, value, EXPORT_MS);
      expect(written(value, octets)).toBe(plainJson(plain));
    }
  });
});
