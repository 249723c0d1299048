import { existsSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { beforeAll, describe, expect, it } from 'vitest';
import { FIELDS } from '../../src/flow/fields.ts';
import { flowJsonSchema, type JsonSchema } from '../../src/flow/json-schema.ts';
import { ORIGIN_KEYS } from '../../src/flow/origin.ts';
import { dataSet, message, optionsTemplateSet } from '../support/ipfix-message.ts';
import { doubledKeys, lineProblems, lineValidator } from '../support/json-line.ts';
import { buildProgram, repositoryPath, runProgram } from '../support/program.ts';
import { zeros } from '../support/wire-octets.ts';

const CORPORA = repositoryPath('../shared/corpora/export');
const hasCorpora = existsSync(CORPORA);
if (!hasCorpora)
  console.log('captures of real exporters are absent (../shared/corpora): their lines are not validated');

const NAMINGS = ['ntop', 'iana'] as const;

function captures(directory: string): string[] {
  if (!existsSync(directory)) return [];
  const names = readdirSync(directory, { recursive: true, encoding: 'utf8' });
  return names.filter((name) => /\.(pcap|pcapng|ipfix)(\.gz)?$/.test(name)).map((name) => join(directory, name));
}

/** A flow written down by hand. */
const FLOW = {
  RECORD_TYPE: 'flow',
  EXPORTER_IPV4_ADDRESS: '192.0.2.1',
  EXPORTER_TRANSPORT_PORT: 50000,
  EXPORT_PROTOCOL: 'IPFIX',
  EXPORT_PROTOCOL_VERSION: 10,
  OBSERVATION_DOMAIN_ID: 7,
  TEMPLATE_ID: 256,
  EXPORT_TIME_MILLISECONDS: 1_700_000_000_000,
  EXPORT_SEQUENCE_NUMBER: 4_294_967_295,
  IPV4_SRC_ADDR: '198.51.100.1',
  IPV6_DST_ADDR: '2001:db8::1',
  L4_SRC_PORT: 65535,
  PROTOCOL: 255,
  IN_BYTES: 18446744073709551615n,
  FLOW_START_MILLISECONDS: 1_700_000_000_000,
  SAMPLING_ORIGIN: 'unknown',
  IN_SRC_MAC: '00:11:22:aa:bb:cc',
  APPLICATION_ID: '3:443',
  '5951.329': '00ff',
  aList: [{ anElement: [1, 'two', true] }],
};

/** A change to {@link FLOW} that makes it no line of ours: `undefined` takes a key away. */
const WRONG: readonly (readonly [what: string, change: Readonly<Record<string, unknown>>])[] = [
  ['a kind of record that is none', { RECORD_TYPE: 'flows' }],
  ['no kind of record', { RECORD_TYPE: undefined }],
  ['a protocol that is none', { EXPORT_PROTOCOL: 'NetFlow9' }],
  ['a version of another protocol', { EXPORT_PROTOCOL_VERSION: 9 }],
  ['no exporter', { EXPORTER_IPV4_ADDRESS: undefined }],
  ['two exporters', { EXPORTER_IPV6_ADDRESS: '2001:db8::2' }],
  ['a port that is none', { L4_SRC_PORT: 65536 }],
  ['a port before its time', { EXPORTER_TRANSPORT_PORT: -1 }],
  ['a protocol number that is none', { PROTOCOL: 256 }],
  ['a number in quotes', { IN_BYTES: '5' }],
  ['a number with a fraction', { IN_BYTES: 1.5 }],
  ['a number below zero', { IN_BYTES: -1 }],
  ['an IPv4 address that is none', { IPV4_SRC_ADDR: '198.51.100.256' }],
  ['an IPv4 address as a number', { IPV4_SRC_ADDR: 3325256705 }],
  ['an IPv6 address that is none', { IPV6_DST_ADDR: '2001:db8:::1' }],
  ['an IPv6 address with a zone', { IPV6_DST_ADDR: 'fe80::1%eth0' }],
  ['an IPv4 address for an IPv6 one', { IPV6_DST_ADDR: '198.51.100.1' }],
  ['a MAC address in capitals', { IN_SRC_MAC: '00:11:22:AA:BB:CC' }],
  ['a MAC address cut off', { IN_SRC_MAC: '00:11:22:aa:bb' }],
  ['an application in hexadecimal', { APPLICATION_ID: '030001bb' }],
  ['a time as text', { FLOW_START_MILLISECONDS: '2023-11-14T22:13:20Z' }],
  ['an origin of the sampling rate that is none', { SAMPLING_ORIGIN: 'guess' }],
  ['no word on sampling', { SAMPLING_ORIGIN: undefined }],
  ['no Template', { TEMPLATE_ID: undefined }],
  ['an sFlow agent in IPFIX', { SFLOW_AGENT_ADDRESS: '192.0.2.2' }],
  ['counters that are IPFIX', { RECORD_TYPE: 'counters', SFLOW_SOURCE_ID_TYPE: 0, SFLOW_SOURCE_ID_INDEX: 1 }],
  ['an array of wrong values', { L4_SRC_PORT: [80, '443'] }],
  ['null', { anything: null }],
  ['null in a list', { aList: [{ anElement: null }] }],
];

describe('the JSON Schema of a line', () => {
  it('has every field and origin key under both namings', () => {
    for (const names of NAMINGS) {
      const properties = flowJsonSchema(names)['properties'] as JsonSchema;
      for (const row of [...FIELDS, ...ORIGIN_KEYS]) expect(properties).toHaveProperty([row[names]]);
    }
  });

  it('survives being written to a file', () => {
    const schema = flowJsonSchema('ntop');
    expect(JSON.parse(JSON.stringify(schema))).toEqual(schema);
  });

  it('accepts a line written by hand', () => {
    const isValid = lineValidator('ntop');
    expect(isValid({ ...FLOW, IN_BYTES: Number(FLOW.IN_BYTES) }), JSON.stringify(isValid.errors)).toBe(true);
  });

  it('accepts an exporter of a link-local address', () => {
    const { EXPORTER_IPV4_ADDRESS: _, ...rest } = FLOW;
    const line = { ...rest, IN_BYTES: 1, EXPORTER_IPV6_ADDRESS: 'fe80::1%eth0' };
    expect(lineValidator('ntop')(line)).toBe(true);
  });

  it('accepts what an agent tells of its own host, and nothing more of where it came from', () => {
    const isValid = lineValidator('ntop');
    const line = {
      RECORD_TYPE: 'flow',
      EXPORTER_IPV4_ADDRESS: '192.0.2.7',
      EXPORT_PROTOCOL: 'agent',
      EXPORT_TIME_MILLISECONDS: 1_700_000_000_000,
      SAMPLING_ORIGIN: 'unknown',
      SRC_POD_NAME: 'web-1',
    };
    expect(isValid(line), JSON.stringify(isValid.errors)).toBe(true);
    const { EXPORTER_IPV4_ADDRESS: address, ...rest } = line;
    expect(isValid({ ...rest, EXPORTER_IPV6_ADDRESS: '2001:db8::7' })).toBe(true);
    expect(isValid({ ...line, RECORD_TYPE: 'event', timestamp: '1556532359.110896' })).toBe(true);
    expect(isValid({ ...line, RECORD_TYPE: 'event' })).toBe(false);
    expect(isValid(rest)).toBe(false);
    for (const key of ['EXPORTER_TRANSPORT_PORT', 'EXPORT_PROTOCOL_VERSION', 'TEMPLATE_ID'])
      expect(isValid({ ...line, [key]: 9 }), `${key} beside ${address}`).toBe(false);
  });

  it.each(WRONG)('refuses %s', (_what, change) => {
    const line: Record<string, unknown> = { ...FLOW, IN_BYTES: 1, ...change };
    for (const key of Object.keys(line)) if (line[key] === undefined) delete line[key];
    expect(lineValidator('ntop')(line)).toBe(false);
  });

  it('finds keys that a line has twice', () => {
    expect(doubledKeys('{"a":1,"b":{"a":"a\\":"},"c":[{"a":1},{"a":1}]}')).toEqual([]);
    expect(doubledKeys('{"a":1,"b":{"x":1,"x":2},"a":2}')).toEqual(['x', 'a']);
  });
});

describe('every line of', () => {
  beforeAll(() => {
    buildProgram();
  });

  describe.each(NAMINGS)('%s naming', (names) => {
    it('the fixtures', async () => {
      const files = captures(repositoryPath('fixtures'));
      expect(files.length).toBeGreaterThan(0);
      const { stdout } = await runProgram(['convert', '--names', names, ...files]);
      expect(lineProblems(stdout, names)).toEqual([]);
      expect(stdout.includes('"sFlow"')).toBe(true);
    });

    it('options records with elements that are called like keys every line has', async () => {
      // exporterIPv4Address, exporterIPv6Address, exportProtocolVersion, exporterTransportPort, observationDomainId, templateId
      const fields = [
        [130, 4],
        [131, 16],
        [214, 1],
        [217, 2],
        [149, 4],
        [145, 2],
      ] as const;
      const octets = message([optionsTemplateSet(300, [[149, 4]], fields), dataSet(300, zeros(4 + 29))]);
      const { stdout } = await runProgram(['convert', '--names', names, '-'], { input: octets });
      expect(stdout.split('\n')).toHaveLength(2);
      expect(lineProblems(stdout, names)).toEqual([]);
    });

    it.skipIf(!hasCorpora)('the captures of real exporters', async () => {
      const { stdout } = await runProgram(['convert', '--names', names, ...captures(CORPORA)]);
      expect(lineProblems(stdout, names)).toEqual([]);
      // Lines of every kind, so that no part of the schema goes untried.
      for (const type of ['flow', 'event', 'discard', 'counters', 'options']) {
        expect(stdout.includes(`{"${names === 'ntop' ? 'RECORD_TYPE' : 'recordType'}":"${type}"`), type).toBe(true);
      }
    });
  });
});
