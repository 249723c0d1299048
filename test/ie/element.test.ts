import { describe, expect, it } from 'vitest';
import {
  abstractDataTypeOfCode,
  codeOfAbstractDataType,
  codeOfSemantics,
  codeOfUnits,
  elementOfTypeInformation,
  semanticsOfCode,
  type TypeInformation,
  unitsOfCode,
} from '../../src/ie/element.ts';

// The tables of RFC 5610 sections 3.1, 3.6 and 3.7, with what RFC 6313, 7133, 8038, 8158 and 9740 added to the registries.
const DATA_TYPES: [number, string][] = [
  [0, 'octetArray'],
  [1, 'unsigned8'],
  [2, 'unsigned16'],
  [3, 'unsigned32'],
  [4, 'unsigned64'],
  [5, 'signed8'],
  [6, 'signed16'],
  [7, 'signed32'],
  [8, 'signed64'],
  [9, 'float32'],
  [10, 'float64'],
  [11, 'boolean'],
  [12, 'macAddress'],
  [13, 'string'],
  [14, 'dateTimeSeconds'],
  [15, 'dateTimeMilliseconds'],
  [16, 'dateTimeMicroseconds'],
  [17, 'dateTimeNanoseconds'],
  [18, 'ipv4Address'],
  [19, 'ipv6Address'],
  [20, 'basicList'],
  [21, 'subTemplateList'],
  [22, 'subTemplateMultiList'],
  [23, 'unsigned256'],
];
const SEMANTICS: [number, string][] = [
  [0, 'default'],
  [1, 'quantity'],
  [2, 'totalCounter'],
  [3, 'deltaCounter'],
  [4, 'identifier'],
  [5, 'flags'],
  [6, 'list'],
  [7, 'snmpCounter'],
  [8, 'snmpGauge'],
];
const UNITS: [number, string][] = [
  [0, 'none'],
  [1, 'bits'],
  [2, 'octets'],
  [3, 'packets'],
  [4, 'flows'],
  [5, 'seconds'],
  [6, 'milliseconds'],
  [7, 'microseconds'],
  [8, 'nanoseconds'],
  [9, '4-octet words'],
  [10, 'messages'],
  [11, 'hops'],
  [12, 'entries'],
  [13, 'frames'],
  [14, 'ports'],
  [15, 'inferred'],
];

describe('codes of RFC 5610', () => {
  it.each(DATA_TYPES)('data type %i is %s (section 3.1)', (code, type) => {
    expect(abstractDataTypeOfCode(code)).toBe(type);
    expect(codeOfAbstractDataType(type as 'string')).toBe(code);
  });

  it.each(SEMANTICS)('semantics %i is %s (section 3.6)', (code, semantics) => {
    expect(semanticsOfCode(code)).toBe(semantics);
    expect(codeOfSemantics(semantics as 'list')).toBe(code);
  });

  it.each(UNITS)('units %i is %s (section 3.7)', (code, units) => {
    expect(unitsOfCode(code)).toBe(units);
    expect(codeOfUnits(units as 'bits')).toBe(code);
  });

  it.each([24, 255, -1, 0.5])('code %d is not assigned', (code) => {
    expect(abstractDataTypeOfCode(code)).toBeUndefined();
    expect(semanticsOfCode(code)).toBeUndefined();
    expect(unitsOfCode(code)).toBeUndefined();
  });
});

describe('Information Element Type records (section 3.9)', () => {
  const record: TypeInformation = {
    enterpriseNumber: 32473,
    id: 14,
    name: 'initialTCPFlags',
    dataTypeCode: 1,
    semanticsCode: 5,
    unitsCode: 0,
  };

  it('give an element', () => {
    expect(elementOfTypeInformation(record)).toEqual({
      enterpriseNumber: 32473,
      id: 14,
      name: 'initialTCPFlags',
      ntopName: undefined,
      type: 'unsigned8',
      semantics: 'flags',
      units: 'none',
      isReverse: false,
    });
  });

  it('keep the numbers at the ends of their ranges', () => {
    expect(elementOfTypeInformation({ ...record, enterpriseNumber: 0xffffffff, id: 32767 })).toBeDefined();
    expect(elementOfTypeInformation({ ...record, enterpriseNumber: 0, id: 0 })).toBeDefined();
    expect(elementOfTypeInformation({ ...record, name: 'a'.repeat(127) })).toBeDefined();
  });

  it('with semantics or units not assigned give the defaults', () => {
    expect(elementOfTypeInformation({ ...record, semanticsCode: 77, unitsCode: 65535 })).toMatchObject({
      semantics: 'default',
      units: 'none',
    });
  });

  it.each([
    ['a data type not assigned', { dataTypeCode: 24 }],
    ['an id with the enterprise bit', { id: 32768 }],
    ['a negative id', { id: -1 }],
    ['an enterprise number over 32 bits', { enterpriseNumber: 2 ** 32 }],
    ['no name', { name: '' }],
    ['a name over the limit', { name: 'a'.repeat(128) }],
    ['a name that starts with a digit', { name: '4octets' }],
    ['a name with a quote', { name: 'a"b' }],
    ['a name with a line feed at its end', { name: 'ab\n' }],
    ['a name with a dot', { name: 'a.b' }],
    ['a name that is not ASCII', { name: 'größe' }],
  ])('with %s give none', (_what, change) => {
    expect(elementOfTypeInformation({ ...record, ...change })).toBeUndefined();
  });
});
