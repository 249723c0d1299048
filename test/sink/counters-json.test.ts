import { describe, expect, it } from 'vitest';
import { SessionTable } from '../../src/decode/session-table.ts';
import { SflowDecoder } from '../../src/decode/sflow.ts';
import { Flow, type PlainRecord } from '../../src/flow/flow.ts';
import type { RecordType } from '../../src/flow/layout.ts';
import { Origin } from '../../src/flow/origin.ts';
import type { XdrMember } from '../../src/flow/xdr-structure.ts';
import { COUNTER_RECORDS } from '../../src/normalize/sflow-counter-records.ts';
import { SflowNormalizer } from '../../src/normalize/sflow-normalizer.ts';
import { FlowJson } from '../../src/sink/formats/flow-json.ts';
import { Random } from '../support/random.ts';
import {
  countersSample,
  datagram,
  hex,
  hyper,
  type Octets,
  opaque,
  record,
  single,
  words,
} from '../support/sflow-builder.ts';

/** The keys of every line up to what the sample says. */
const ORIGIN =
  '{"RECORD_TYPE":"counters","EXPORTER_IPV4_ADDRESS":"203.0.113.9","EXPORTER_TRANSPORT_PORT":6343,' +
  '"EXPORT_PROTOCOL":"sFlow","EXPORT_PROTOCOL_VERSION":5,"SFLOW_AGENT_ADDRESS":"192.0.2.77","SFLOW_SUB_AGENT_ID":2,' +
  '"EXPORT_TIME_MILLISECONDS":1700000000000,"EXPORT_SEQUENCE_NUMBER":4711,';
const SAMPLE = '"SFLOW_SOURCE_ID_TYPE":0,"SFLOW_SOURCE_ID_INDEX":17,"SFLOW_SAMPLE_SEQUENCE_NUMBER":7001';

/** Lines as they are written from octets, and from the values of the same records. */
class Lines {
  fromOctets = '';
  fromValues = '';
  samples = 0;
  private readonly decoder: SflowDecoder;
  private readonly octets: FlowJson;
  private readonly values: FlowJson;

  constructor(fields?: readonly string[]) {
    const options = {
      names: 'ntop',
      fields,
      upscale: false,
      recordTypes: new Set<RecordType>(['counters']),
      codeGeneration: true,
    } as const;
    this.octets = new FlowJson(options, (octets) => {
      this.fromOctets += Buffer.from(octets).toString();
    });
    this.values = new FlowJson(options, (octets) => {
      this.fromValues += Buffer.from(octets).toString();
    });
    const output = { write: () => {}, writeRecord: (record: PlainRecord) => this.take(record) };
    this.decoder = new SflowDecoder(new SessionTable(), new SflowNormalizer(new Flow(new Origin()), output));
  }

  /** Decodes a datagram that lies somewhere inside a larger buffer. */
  decode(octets: Uint8Array): void {
    const bytes = new Uint8Array(octets.length + 13).fill(0xa5);
    bytes.set(octets, 5);
    const view = new DataView(bytes.buffer);
    this.fromOctets = '';
    this.fromValues = '';
    this.decoder.decode(bytes, view, 5, 5 + octets.length, '203.0.113.9', 6343, 1_700_000_000_000);
    this.octets.flush();
    this.values.flush();
  }

  private take(record: PlainRecord): void {
    const { recordType, origin, values, ianaValues } = record;
    if (record.sample !== undefined) this.samples++;
    this.octets.writeRecord(record);
    this.values.writeRecord({ recordType, origin, values, ianaValues });
  }
}

function line(...records: Octets[]): string {
  const lines = new Lines();
  lines.decode(datagram([countersSample(records)]));
  expect(lines.samples).toBe(1);
  return lines.fromOctets;
}

describe('lines of counters samples', () => {
  it('have every digit of 64-bit counters', () => {
    const memory = record(2102, [...hyper(2n ** 64n - 1n), ...hyper(2n ** 53n + 1n)]);
    const ports = record(1004, [...hyper(0n), ...words(0xffff_ffff)]);
    expect(line(memory, ports)).toBe(
      `${ORIGIN}${SAMPLE},"virt_memory":{"memory":18446744073709551615,"maxMemory":9007199254740993},` +
        `"of_port":{"datapath_id":0,"port_no":4294967295}}\n`,
    );
  });

  it('have texts escaped, identifiers in hexadecimal, and lists', () => {
    const host = [...opaque('a"\\\n\u00e9'), ...hex('00112233445566778899aabbccddeeff'), ...words(2, 3), ...opaque('')];
    const adapters = [...words(2), ...words(7, 2), ...hex('0a0b0c0d0e0f 0000 ffeeddccbbaa 0000'), ...words(8, 0)];
    expect(line(record(2000, host), record(2001, adapters))).toBe(
      `${ORIGIN}${SAMPLE},"host_descr":{"hostname":"a\\"\\\\\\n\u00e9","uuid":"00112233-4455-6677-8899-aabbccddeeff",` +
        `"machine_type":2,"os_name":3,"os_release":""},"host_adapters":{"adapters":[` +
        `{"ifIndex":7,"mac_address":["0a:0b:0c:0d:0e:0f","ff:ee:dd:cc:bb:aa"]},{"ifIndex":8,"mac_address":[]}]}}\n`,
    );
  });

  it('have negative numbers, and an object for each lane', () => {
    const sfp = [...words(1, 1, 3300, 0xffff_fff6, 1), ...words(1, 2, 3, 4, 5, 6, 7, 8, 9, 10)];
    expect(line(record(10, sfp))).toBe(
      `${ORIGIN}${SAMPLE},"sfp":{"module_id":1,"module_num_lanes":1,"module_supply_voltage":3300,"module_temperature":-10,` +
        `"lanes":[{"index":1,"tx_bias_current":2,"tx_power":3,"tx_power_min":4,"tx_power_max":5,"tx_wavelength":6,` +
        `"rx_power":7,"rx_power_min":8,"rx_power_max":9,"rx_wavelength":10}]}}\n`,
    );
  });

  it('have the members that a later version of a structure added where they are there', () => {
    const cpu = [...single(0.05), ...single(12.5), ...single(3), ...words(...new Array<number>(14).fill(1))];
    const members =
      '"load_one":0.05,"load_five":12.5,"load_fifteen":3,"proc_run":1,"proc_total":1,"cpu_num":1,"cpu_speed":1,"uptime":1,' +
      '"cpu_user":1,"cpu_nice":1,"cpu_system":1,"cpu_idle":1,"cpu_wio":1,"cpu_intr":1,"cpu_sintr":1,"interrupts":1,"contexts":1';
    expect(line(record(2003, cpu))).toBe(`${ORIGIN}${SAMPLE},"host_cpu":{${members}}}\n`);
    expect(line(record(2003, [...cpu, ...words(2, 3)]))).toBe(
      `${ORIGIN}${SAMPLE},"host_cpu":{${members},"cpu_steal":2,"cpu_guest":3}}\n`,
    );
  });

  it.each([
    [0.05, '0.05'],
    [0.1, '0.1'],
    [9999.99, '9999.99'],
    [-0, '0'],
    [-0.5, '-0.5'],
    [0.001, '0.001'],
    [1e30, '1e+30'],
    [16_777_216, '16777216'],
    [Number.NaN, 'null'],
    [Number.POSITIVE_INFINITY, 'null'],
  ])('have the 32-bit number %f as %s', (value, text) => {
    const cpu = [...single(value), ...words(...new Array<number>(16).fill(0))];
    expect(line(record(2003, cpu))).toContain(`"host_cpu":{"load_one":${text},"load_five":0,`);
  });

  it('have only the keys that are selected', () => {
    const lines = new Lines(['SFLOW_SOURCE_ID_INDEX', 'of_port']);
    lines.decode(
      datagram([countersSample([record(2102, [...hyper(1n), ...hyper(2n)]), record(1004, words(0, 1, 2))])]),
    );
    expect(lines.fromOctets).toBe('{"SFLOW_SOURCE_ID_INDEX":17,"of_port":{"datapath_id":1,"port_no":2}}\n');
  });

  it('have a structure that comes twice as a list, and one that is cut off as far as it goes', () => {
    const lines = new Lines();
    const port = record(1004, words(0, 1, 2));
    lines.decode(datagram([countersSample([port, port, record(2102, words(0, 1, 0), 12)])]));
    const object = '{"datapath_id":1,"port_no":2}';
    expect(lines.fromOctets).toBe(`${ORIGIN}${SAMPLE},"of_port":[${object},${object}],"virt_memory":{"memory":1}}\n`);
  });

  it('have what no structure is known for in hexadecimal', () => {
    const lines = new Lines();
    lines.decode(datagram([countersSample([record(1004, words(0, 1, 2)), record(0xfff, words(0xabcd))])]));
    expect(lines.fromOctets).toBe(
      `${ORIGIN}${SAMPLE},"of_port":{"datapath_id":1,"port_no":2},` +
        `"UNKNOWN_RECORDS":[{"enterprise":0,"format":4095,"octets":"0000abcd"}]}\n`,
    );
  });

  it('are those of the values, whatever the octets are', () => {
    const random = new Random(4711);
    const lines = new Lines();
    const wrong: [string, string][] = [];
    for (let round = 0; round < 30; round++) {
      for (const known of COUNTER_RECORDS.values()) {
        const content = membersOctets(known.members, random);
        const other = random.pick([...COUNTER_RECORDS.values()]);
        // Now and then cut off, or with something behind.
        const length = random.below(4) === 0 ? random.below(content.length + 8) : content.length;
        const first = record(
          known.dataFormat,
          Array.from({ length }, (_, i) => content[i] ?? 0),
        );
        lines.decode(
          datagram([countersSample([first, record(other.dataFormat, membersOctets(other.members, random))])]),
        );
        if (lines.fromOctets !== lines.fromValues) wrong.push([lines.fromOctets, lines.fromValues]);
      }
    }
    expect(wrong.slice(0, 3)).toEqual([]);
    expect(lines.samples).toBeGreaterThan(1000);
  });
});

/** Octets of all members, of any values. */
function membersOctets(members: readonly XdrMember[], random: Random): number[] {
  return members.flatMap((member) => {
    if (member.isOptional && random.below(3) === 0) return [];
    if (!member.isArray) return valueOctets(member, random);
    const count = random.below(4);
    return [...words(count), ...Array.from({ length: count }, () => valueOctets(member, random)).flat()];
  });
}

function valueOctets({ type, members }: XdrMember, random: Random): number[] {
  switch (type) {
    case 'struct':
      return membersOctets(members, random);
    case 'string':
      return opaque(
        random.pick([
          [],
          [0x41, 0],
          [0xef, 0xbb, 0xbf, 0x41],
          [0x7f, 0x22],
          [...random.octets(random.below(40))],
          'port 1/1',
        ]),
      );
    case 'opaque':
      return opaque([...random.octets(random.below(20))]);
    case 'address':
      return random.pick([words(0), words(1, random.u32()), [...words(2), ...random.octets(16)]]);
    case 'ipv6':
    case 'uuid':
    case 'opaque16':
      return [...random.octets(16)];
    case 'u64':
      return words(random.pick([0, 1, 0x1f_ffff, 0x20_0000, random.u32()]), random.u32());
    case 'mac':
      return [...random.octets(8)];
    case 'float':
      return random.below(2) === 0 ? single(random.below(100_000) / 100) : [...random.octets(4)];
    default:
      return words(random.pick([0, 9, 10_000, 0x7fff_ffff, 0xffff_ffff, random.u32()]));
  }
}
