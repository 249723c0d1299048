import { describe, expect, it } from 'vitest';
import type { Flow } from '../../src/flow/flow.ts';
import { NtopngFlows, type NtopngFlowsOptions } from '../../src/sink/formats/ntopng-flows.ts';
import { type MadeFlow, makeFlow } from '../support/flow-builder.ts';
import { readTlv, type TlvRecord } from '../support/tlv-reader.ts';

const OPTIONS: NtopngFlowsOptions = {
  format: 'tlv',
  keys: 'numeric',
  batchOctets: 32_000,
  sourceId: 7,
  observationPoint: 0,
  targets: 1,
  codeGeneration: true,
};

/** Exporter 192.0.2.1, flow source 1; the unique source id behind them is checked elsewhere. */
const EXPORTER = '2b 82 0009 3139322e302e322e31 32 e2c3 01 34 e2cd';
const END = '01';

function bytes(text: string): string {
  return text.replaceAll(' ', '');
}

function payloads(flows: readonly Flow[], options: Partial<NtopngFlowsOptions> = {}): Buffer[] {
  const made: Buffer[] = [];
  const writer = new NtopngFlows({ ...OPTIONS, ...options }, (_target, payload) => made.push(Buffer.from(payload)));
  for (const flow of flows) writer.write(flow);
  writer.flush();
  return made;
}

function tlv(flow: MadeFlow, options: Partial<NtopngFlowsOptions> = {}): TlvRecord[] {
  return payloads([makeFlow(flow)], options).flatMap(readTlv);
}

function json(flow: MadeFlow, options: Partial<NtopngFlowsOptions> = {}): Record<string, unknown>[] {
  return payloads([makeFlow(flow)], { ...options, format: 'json' }).flatMap((payload) =>
    JSON.parse(payload.toString()),
  );
}

/** Without what all records of the Exporter have. */
function own(record: TlvRecord | undefined): TlvRecord {
  const { '130': _address, '58051': _source, '58061': _id, ...rest } = record ?? {};
  return rest;
}

const WEB: MadeFlow = {
  fields: {
    sourceIPv4: 0xc000020a,
    destinationIPv4: 0xc6336435,
    sourcePort: 40_000,
    destinationPort: 53,
    protocol: 17,
    octets: 300,
    packets: 2,
    startMs: 1_795_250_799_189,
    endMs: 1_795_250_801_999,
  },
};

/** The same in octets, written by hand from the form's description. */
const WEB_ITEMS =
  '24 08 c000020a 24 0c c6336435 23 07 9c40 22 0b 35 22 04 11 23 01 012c 22 02 02 24 16 6b015a6f 24 15 6b015a71';

describe('flows for ntopng as TLV', () => {
  it('are the octets of the form, by steps and by generated code', () => {
    const id = payloads([makeFlow(WEB)])[0]!
      .subarray(0)
      .toString('hex')
      .slice(4 + bytes(EXPORTER).length, 12 + bytes(EXPORTER).length);
    const record = bytes(`${EXPORTER} ${id} ${WEB_ITEMS} ${END}`);
    expect(payloads([makeFlow(WEB)])[0]!.toString('hex')).toBe(`0101${record}`);
    const flow = makeFlow(WEB);
    const many = Array.from({ length: 300 }, () => flow);
    const all = payloads(many, { batchOctets: 131_072 });
    expect(all.map((payload) => payload.toString('hex'))).toEqual([`0101${record.repeat(300)}`]);
  });

  it('have a unique source id of 32 bits that differs by Exporter and by probe', () => {
    const id = (address: string, sourceId = 7) =>
      tlv({ ...WEB, origin: { exporterAddress: address } }, { sourceId })[0]!['58061'];
    expect(id('192.0.2.1')).toBe(id('192.0.2.1'));
    expect(new Set([id('192.0.2.1'), id('192.0.2.2'), id('192.0.2.1', 8)]).size).toBe(3);
  });

  it('name the Exporter by IPv4 or IPv6, and sFlow as its source', () => {
    expect(tlv({ ...WEB, origin: { exporterAddress: '2001:db8::1' } })[0]).toMatchObject({
      131: '2001:db8::1',
      58051: 1,
    });
    expect(tlv({ ...WEB, origin: { protocol: 'sFlow' } })[0]).toMatchObject({ 130: '192.0.2.1', 58051: 2 });
  });

  it('say the application as nDPI does, and what was found of it, by code and by steps', () => {
    const found: MadeFlow = {
      fields: {
        ...WEB.fields,
        l7Protocol: 126,
        l7MasterProtocol: 91,
        l7ProtocolName: 'TLS.Google',
        l7Confidence: 6,
        tlsServerName: 'www.google.com',
        httpHost: 'www.example',
        ja4: 't13d1516h2_8daaf6152771_e5627efa2ab1',
      },
    };
    const expected = {
      57590: '91.126',
      57591: 'TLS.Google',
      58032: 6,
      57660: 'www.google.com',
      57833: 'www.example',
      58048: 't13d1516h2_8daaf6152771_e5627efa2ab1',
    };
    for (const codeGeneration of [true, false]) {
      const flow = makeFlow(found);
      const many = payloads(new Array<Flow>(200).fill(flow), { codeGeneration }).flatMap(readTlv);
      expect(many).toHaveLength(200);
      for (const record of many) expect(record).toMatchObject(expected);
    }
    expect(json(found)[0]).toMatchObject(expected);
    expect(tlv({ fields: { ...found.fields, l7MasterProtocol: 0 } })[0]).toMatchObject({ 57590: '126' });
    // An Exporter's own number stays one.
    expect(tlv({ fields: { ...WEB.fields, l7Protocol: 126 } })[0]).toMatchObject({ 57590: 126 });
  });

  it('carry an observation point only on request', () => {
    expect(tlv(WEB)[0]).not.toHaveProperty('300');
    expect(tlv(WEB, { observationPoint: 513 })[0]).toMatchObject({ 300: 513 });
  });

  it.each([
    ['255', 255, { 1: 255 }],
    ['256', 256, { 1: 256 }],
    ['65535', 65_535, { 1: 65_535 }],
    ['65536', 65_536, { 1: 65_536 }],
    ['2^31', 2 ** 31, { 1: 2 ** 31 }],
    ['2^32 - 1', 2 ** 32 - 1, { 1: 2 ** 32 - 1 }],
  ])('give %s octets as they are', (_name, octets, expected) => {
    const flow = makeFlow({ fields: { ...WEB.fields, octets } });
    const many = payloads(Array.from({ length: 200 }, () => flow)).flatMap(readTlv);
    expect(many).toHaveLength(200);
    for (const record of [many[0], many[199]]) expect(record).toMatchObject(expected);
  });

  it.each([
    [0, '220100'],
    [255, '2201ff'],
    [256, '23010100'],
    [65_535, '2301ffff'],
    [65_536, '240100010000'],
    [0xffff_ffff, '2401ffffffff'],
  ])('write %i in the smallest size that holds it', (octets, item) => {
    const flow = makeFlow({ fields: { octets, startMs: 0, endMs: 0 } });
    const made = payloads(
      Array.from({ length: 200 }, () => flow),
      { batchOctets: 131_072 },
    )[0]!.toString('hex');
    expect(made.split(`${item}2416`).length).toBe(201);
  });

  it('split deltas over 32 bits into records of the same keys', () => {
    const records = tlv({
      fields: { ...WEB.fields, octets: 10_000_000_000, packets: 9, reverseOctets: 5_000_000_000, reversePackets: 4 },
    });
    // A stock ntopng passed over the octets of records that had no packets in that direction.
    expect(records.map((record) => [record['1'], record['2'], record['23'], record['24']])).toEqual([
      [4_294_967_295, 3, 4_294_967_295, 2],
      [4_294_967_295, 3, 705_032_705, 1],
      [1_410_065_410, 3, 0, 1],
    ]);
    expect(new Set(records.map((record) => Object.keys(record).join())).size).toBe(1);
    expect(records.map((record) => record['8'])).toEqual([0xc000020a, 0xc000020a, 0xc000020a]);
  });

  it('bound what one flow is split into, and count it', () => {
    const made: Buffer[] = [];
    const writer = new NtopngFlows(OPTIONS, (_target, payload) => made.push(Buffer.from(payload)));
    writer.write(makeFlow({ fields: { ...WEB.fields, octets: 0xffff_ffff_ffff_ffffn } }));
    writer.flush();
    expect(made.flatMap(readTlv)).toHaveLength(256);
    expect(writer.flowsClamped).toBe(1);
  });

  it('scale deltas by the sampling interval and leave that out', () => {
    const fields = { ...WEB.fields, samplingInterval: 1000, samplingOrigin: 1 };
    const [record] = tlv({ fields });
    expect(record).toMatchObject({ 1: 300_000, 2: 2000 });
    expect(record).not.toHaveProperty('34');
    expect(tlv({ fields: { ...fields, samplingInterval: 0 } })[0]).toMatchObject({ 1: 300, 2: 2 });
    expect(tlv({ fields: { ...fields, octets: 5_000_000 } }).map((part) => part['1'])).toEqual([
      4_294_967_295, 705_032_705,
    ]);
  });

  it('never use the keys of absolute counters', () => {
    const [record] = tlv({
      ...WEB,
      elements: [
        { elementId: 231, ntop: 'INITIATOR_OCTETS', iana: 'initiatorOctets', value: 'unsigned', octets: [0, 0, 1, 0] },
        { elementId: 299, ntop: 'RESPONDER_PKTS', iana: 'responderPackets', value: 'unsigned', octets: [7] },
      ],
    });
    for (const key of ['231', '232', '298', '299', 'INITIATOR_OCTETS', 'RESPONDER_PKTS'])
      expect(record).not.toHaveProperty(key);
    expect(record).toMatchObject({ initiatorOctets: 256, responderPackets: 7 });
  });

  it('give what leaves a middlebox no key of the other direction', () => {
    const [record] = tlv({ fields: { ...WEB.fields, postOctets: 280, postPackets: 2 } });
    expect(record).not.toHaveProperty('23');
    expect(record).not.toHaveProperty('24');
    expect(record).not.toHaveProperty('OUT_BYTES');
    expect(record).toMatchObject({ postOctetDeltaCount: 280, postPacketDeltaCount: 2 });
  });

  it("take ntop's own probes at their word: 23 and 24 are the other direction", () => {
    const [record] = tlv({ fields: { ...WEB.fields, postOctets: 280, postPackets: 2, clientTcpFlags: 2 } });
    expect(record).toMatchObject({ 1: 300, 2: 2, 23: 280, 24: 2 });
    expect(record).not.toHaveProperty('postOctetDeltaCount');
  });

  it('say whose TCP flags they are, so that ntopng does not swap the peers', () => {
    expect(tlv({ fields: { ...WEB.fields, protocol: 6, tcpFlags: 0x1b } })[0]).toMatchObject({ 6: 0x1b, 57550: 0x1b });
    const [both] = tlv({
      fields: { ...WEB.fields, protocol: 6, tcpFlags: 0x1b, clientTcpFlags: 2, serverTcpFlags: 0x12 },
    });
    expect(both).toMatchObject({ 6: 0x1b, 57550: 2, 57551: 0x12 });
  });

  it.each([
    ['both missing', {}, { 22: 1_700_000_000, 21: 1_700_000_000 }],
    ['the end missing', { startMs: 1_600_000_000_999 }, { 22: 1_600_000_000, 21: 1_600_000_000 }],
    ['the start missing', { endMs: 1_600_000_000_001 }, { 22: 1_600_000_000, 21: 1_600_000_000 }],
    ['no time at all', { startMs: -5, endMs: 2 ** 53 }, { 22: 0, 21: 0 }],
  ])('have times in seconds with %s', (_name, times, expected) => {
    const { startMs: _start, endMs: _end, ...rest } = WEB.fields!;
    expect(tlv({ fields: { ...rest, ...times }, origin: { exportTimeMs: 1_700_000_000_500 } })[0]).toMatchObject(
      expected,
    );
  });

  it('send the addresses of one IP version', () => {
    const sourceIPv6 = [0x20, 1, 0xd, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1];
    const destinationIPv6 = [0x20, 1, 0xd, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 2];
    const dual = { ...WEB.fields, sourceIPv6, destinationIPv6 };
    const v6 = { 27: '2001:db8::1', 28: '2001:db8::2' };
    const [four] = tlv({ fields: dual });
    expect(four).toMatchObject({ 8: 0xc000020a, 12: 0xc6336435 });
    expect(four).not.toHaveProperty('27');
    const [six] = tlv({ fields: { ...dual, sourceIPv4: 0, destinationIPv4: 0 } });
    expect(six).toMatchObject(v6);
    expect(six).not.toHaveProperty('8');
    const flow = makeFlow({ fields: { ...dual, ipVersion: 6 } });
    for (const record of payloads(Array.from({ length: 200 }, () => flow)).flatMap(readTlv)) {
      expect(record).toMatchObject(v6);
      expect(record).not.toHaveProperty('12');
    }
  });

  it.each([true, false])('halve round-trip times where no handshake was measured (code: %s)', (codeGeneration) => {
    const latencies = (fields: MadeFlow['fields']) => {
      const [record] = tlv({ ...WEB, fields: { ...WEB.fields, ...fields } }, { codeGeneration });
      const [text] = json({ ...WEB, fields: { ...WEB.fields, ...fields } });
      const both = [record?.['57595'], record?.['57596']];
      const asText = [text?.['57595'], text?.['57596']];
      expect(asText.map((value) => value && Math.fround(Number(value)))).toEqual(both);
      return both.map((value) => value && Number(Number(value).toFixed(3)));
    };
    // The client's socket knows how long the server takes.
    expect(latencies({ serverRoundTripTime: 4144, clientRoundTripTime: 8000 })).toEqual([undefined, 2.072]);
    expect(latencies({ clientRoundTripTime: 4144 })).toEqual([2.072, undefined]);
    expect(latencies({ clientRoundTripTime: 0 })).toEqual([undefined, undefined]);
    const measured = { clientNetworkLatency: 500, serverNetworkLatency: 1500, serverRoundTripTime: 4144 };
    expect(latencies(measured)).toEqual([0.5, 1.5]);
  });

  it('carry process and container of both peers in flat keys, and nothing where a text is empty', () => {
    const [record] = tlv({
      fields: {
        ...WEB.fields,
        sourceProcessId: 4711,
        sourceProcessName: '/usr/sbin/nginx',
        sourceProcessUserId: 33,
        sourceProcessUserName: 'www-data',
        sourceFatherProcessId: 1,
        sourceFatherProcessName: '/sbin/init\0\0',
        sourceFatherProcessUserId: 0,
        sourceFatherProcessUserName: 'root',
        sourceFatherProcessPackage: 'systemd',
        sourceProcessPackage: 'nginx',
        sourceProcessCommandLine: 'nginx: worker "ü"',
        sourceContainerId: '89b0acbdba4b',
        destinationProcessId: 70_000,
        destinationProcessName: '',
        destinationProcessUserName: '\0\0\0\0',
        destinationContainerId: 'd519710d499b',
      },
    });
    expect(own(record)).toMatchObject({
      57640: 4711,
      57641: '/usr/sbin/nginx',
      57897: 33,
      57844: 'www-data',
      57845: 1,
      57846: '/sbin/init',
      58036: 0,
      58037: 'root',
      58033: 'systemd',
      58012: 'nginx',
      58028: 'nginx: worker "ü"',
      58030: '89b0acbdba4b',
      57847: 70_000,
      58031: 'd519710d499b',
    });
    for (const key of ['57848', '57849']) expect(record).not.toHaveProperty(key);
  });

  it('give text that is no UTF-8 as UTF-8', () => {
    expect(tlv({ fields: { ...WEB.fields, sourceProcessName: [0x61, 0xff, 0x62] } })[0]).toMatchObject({
      57641: 'a\ufffdb',
    });
  });

  it('end a flow in words', () => {
    expect(tlv({ fields: { ...WEB.fields, flowEndReason: 3 } })[0]).toMatchObject({ 136: 'end of flow detected' });
    expect(tlv({ fields: { ...WEB.fields, flowEndReason: 77 } })[0]).not.toHaveProperty('136');
  });

  it.each<[string, MadeFlow['elements'], TlvRecord, readonly string[]]>([
    [
      'MPLS labels, whose numbers are those of TCP flags',
      [{ elementId: 78, ntop: 'MPLS_LABEL_9', value: 'unsigned', octets: [1, 2] }],
      { MPLS_LABEL_9: 258 },
      ['78', '57550'],
    ],
    [
      "IANA's 300, which is a name",
      [{ elementId: 300, ntop: 'observationDomainName', value: 'string', octets: [0x61] }],
      { observationDomainName: 'a' },
      ['300'],
    ],
    [
      'a name that crashes ntopng 5.6',
      [{ elementId: 82, ntop: 'INTERFACE_NAME', iana: 'interfaceName', value: 'string', octets: [0x65] }],
      { interfaceName: 'e' },
      ['INTERFACE_NAME', '82'],
    ],
    [
      'elements of others, whatever an Exporter calls them',
      [{ enterpriseNumber: 9, elementId: 8, ntop: 'IPV4_SRC_ADDR', value: 'unsigned', octets: [9] }],
      { '9.8': 9 },
      [],
    ],
    [
      "elements of ntop's",
      [{ enterpriseNumber: 35_632, elementId: 188, ntop: 'TLS_SERVER_NAME', value: 'string', octets: [0x61, 0x2e] }],
      { 57660: 'a.' },
      ['TLS_SERVER_NAME'],
    ],
    [
      'the probe address of another probe, which would stand for the Exporter',
      [{ enterpriseNumber: 35_632, elementId: 471, ntop: 'NPROBE_IPV4_ADDRESS', value: 'ipv4', octets: [1, 2, 3, 4] }],
      {},
      ['57943', 'NPROBE_IPV4_ADDRESS'],
    ],
    [
      'an Exporter address that a record names',
      [
        {
          elementId: 130,
          ntop: 'EXPORTER_IPV4_ADDRESS_2',
          iana: 'EXPORTER_IPV4_ADDRESS',
          value: 'ipv4',
          octets: [1, 2, 3, 4],
        },
      ],
      { 130: '192.0.2.1' },
      [],
    ],
    [
      'low numbers that mean nothing else',
      [{ elementId: 62, ntop: 'X', value: 'ipv6', octets: [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1] }],
      { 62: '::1' },
      [],
    ],
    [
      "NetFlow's times, which count from the start of a router",
      [{ elementId: 22, ntop: 'FIRST_SWITCHED', iana: 'flowStartSysUpTime', value: 'unsigned', octets: [0, 0, 1, 0] }],
      { 22: 1_795_250_799, flowStartSysUpTime: 256 },
      ['FIRST_SWITCHED'],
    ],
    [
      'nested names of agents',
      [{ elementId: 400, ntop: 'MY_CONTAINER', iana: 'LOCAL_PROCESS', value: 'string', octets: [0x61] }],
      {},
      ['MY_CONTAINER', 'LOCAL_PROCESS', '400'],
    ],
  ])('place %s', (_name, elements, expected, absent) => {
    const [record] = tlv({ ...WEB, elements: elements! });
    expect(record).toMatchObject(expected);
    expect(record).toMatchObject({ 8: 0xc000020a, 22: 1_795_250_799 });
    for (const key of absent) expect(record).not.toHaveProperty(key);
  });

  it.each<[string, Omit<NonNullable<MadeFlow['elements']>[number], 'elementId' | 'ntop'>, unknown]>([
    ['a number of 3 octets', { value: 'unsigned', octets: [1, 0, 0] }, 65_536],
    [
      'a number of 8 octets',
      { value: 'unsigned', octets: [255, 255, 255, 255, 255, 255, 255, 255] },
      0xffff_ffff_ffff_ffffn,
    ],
    ['a negative octet', { value: 'signed', octets: [0x80] }, -128],
    ['-129', { value: 'signed', octets: [0xff, 0x7f] }, -129],
    ['-32769', { value: 'signed', octets: [0xff, 0xff, 0x7f, 0xff] }, -32_769],
    ['-2^63', { value: 'signed', octets: [0x80, 0, 0, 0, 0, 0, 0, 0] }, -(2n ** 63n)],
    ['a float', { value: 'float', octets: [0x3f, 0x40, 0, 0] }, 0.75],
    ['a double', { value: 'float', octets: [0x3f, 0xb9, 0x99, 0x99, 0x99, 0x99, 0x99, 0x9a] }, '0.1'],
    ['what is no number', { value: 'float', octets: [0x7f, 0xc0, 0, 0] }, 'NaN'],
    ['true', { value: 'boolean', octets: [1] }, 1],
    ['false', { value: 'boolean', octets: [2] }, 0],
    ['octets', { value: 'hexadecimal', octets: [0xab, 0xcd] }, 'abcd'],
    ['a MAC address', { value: 'mac', octets: [2, 0, 0x5e, 0, 0, 1] }, '02:00:5e:00:00:01'],
    ['an application', { value: 'application', octets: [13, 0, 1, 0] }, '13:256'],
  ])('write %s', (_name, element, expected) => {
    const [record] = tlv({ ...WEB, elements: [{ elementId: 500, ntop: 'VALUE', ...element }] });
    expect(record).toMatchObject({ VALUE: expected });
  });

  it('write several elements of a kind, and lists, as one text', () => {
    const flow = makeFlow(WEB);
    flow.attachments.push({ ntop: 'someList', iana: 'someList', value: [1, { a: 2n ** 60n }] });
    flow.attachments.push({ ntop: 'LOCAL_CONTAINER', iana: 'LOCAL_CONTAINER', value: { ID: 'x' } });
    const [record] = payloads([flow]).flatMap(readTlv);
    expect(record).toMatchObject({ someList: '[1,{"a":1152921504606846976}]' });
    expect(record).not.toHaveProperty('LOCAL_CONTAINER');
  });

  it('leave out what is no flow, by reason', () => {
    const made: Buffer[] = [];
    const writer = new NtopngFlows(OPTIONS, (_target, payload) => made.push(Buffer.from(payload)));
    writer.write(makeFlow({ ...WEB, recordType: 'event' }));
    writer.write(makeFlow({ ...WEB, recordType: 'discard' }));
    const { octets: _octets, packets: _packets, ...rest } = WEB.fields!;
    writer.write(makeFlow({ fields: rest }));
    writer.flush();
    expect(made).toEqual([]);
    expect(writer.leftOut).toEqual({ record_type: 2, no_counters: 1, too_large: 0, no_message: 0 });
    expect(writer.flows).toBe(0);
  });

  it('fill batches up to their size, never beyond, and lose none', () => {
    const flow = makeFlow(WEB);
    const made = payloads(
      Array.from({ length: 1000 }, () => flow),
      { batchOctets: 1024 },
    );
    expect(made.flatMap(readTlv)).toHaveLength(1000);
    for (const payload of made) expect(payload.length).toBeLessThanOrEqual(1024);
    for (const payload of made.slice(0, -1)) expect(payload.length).toBeGreaterThan(1024 - 100);
  });

  it('send a record longer than a batch alone, and none that no message can hold', () => {
    const long = (octets: number): MadeFlow => ({
      fields: {
        ...WEB.fields,
        sourceProcessCommandLine: 'a'.repeat(octets),
        destinationProcessCommandLine: 'b'.repeat(octets),
        sourceProcessName: 'c'.repeat(octets),
      },
    });
    const flows = [WEB, long(20_000), WEB, long(60_000), WEB].map(makeFlow);
    let counted = 0;
    const made: Buffer[] = [];
    const writer = new NtopngFlows(OPTIONS, (_target, payload, count) => {
      made.push(Buffer.from(payload));
      counted += count;
    });
    for (const flow of flows) writer.write(flow);
    writer.flush();
    expect(made.flatMap(readTlv)).toHaveLength(4);
    expect([counted, writer.flows, writer.leftOut.too_large]).toEqual([4, 4, 1]);
    for (const payload of made) expect(payload.length).toBeLessThanOrEqual(131_072);
  });

  it('balance flows so that both directions meet', () => {
    const byTarget = new Map<string, Set<number>>();
    const writer = new NtopngFlows({ ...OPTIONS, targets: 3 }, (target, payload) => {
      for (const record of readTlv(payload)) {
        const peers = [`${record['8']}:${record['7']}`, `${record['12']}:${record['11']}`].sort().join(' ');
        byTarget.set(peers, (byTarget.get(peers) ?? new Set()).add(target));
      }
    });
    for (let i = 0; i < 300; i++) {
      const [a, b] = [0x0a000000 + i, 0xc0000200 + (i % 7)];
      const ports = [40_000 + i, 443] as const;
      writer.write(
        makeFlow({
          fields: { ...WEB.fields, sourceIPv4: a, destinationIPv4: b, sourcePort: ports[0], destinationPort: ports[1] },
        }),
      );
      writer.write(
        makeFlow({
          fields: { ...WEB.fields, sourceIPv4: b, destinationIPv4: a, sourcePort: ports[1], destinationPort: ports[0] },
        }),
      );
    }
    writer.flush();
    expect(byTarget.size).toBe(300);
    for (const targets of byTarget.values()) expect(targets.size).toBe(1);
    const sums = [0, 1, 2].map((target) => [...byTarget.values()].filter((targets) => targets.has(target)).length);
    for (const sum of sums) expect(sum).toBeGreaterThan(60);
  });

  it('count octets and packets of both directions', () => {
    const writer = new NtopngFlows(OPTIONS, () => {});
    writer.write(makeFlow({ fields: { ...WEB.fields, reverseOctets: 10, reversePackets: 1, samplingInterval: 2 } }));
    expect([writer.flows, writer.octets, writer.packets]).toEqual([1, 620, 6]);
  });
});

describe('flows for ntopng as JSON', () => {
  it('have numeric keys, with ports as integers and addresses as text', () => {
    const [record] = json({ fields: { ...WEB.fields, tcpFlags: 2, sourceMac: [2, 0, 0x5e, 0, 0, 1] } });
    expect(record).toEqual({
      130: '192.0.2.1',
      58051: 1,
      58061: expect.any(Number),
      8: '192.0.2.10',
      12: '198.51.100.53',
      7: 40_000,
      11: 53,
      4: 17,
      1: 300,
      2: 2,
      22: 1_795_250_799,
      21: 1_795_250_801,
      6: 2,
      57550: 2,
      56: '02:00:5e:00:00:01',
    });
  });

  it('have names where ntopng knows them without being told', () => {
    const [record] = json({ fields: { ...WEB.fields, tcpFlags: 2, sourceProcessName: 'a"b' } }, { keys: 'named' });
    expect(record).toMatchObject({
      IPV4_SRC_ADDR: '192.0.2.10',
      L4_DST_PORT: 53,
      FIRST_SWITCHED: 1_795_250_799,
      EXPORTER_IPV4_ADDRESS: '192.0.2.1',
      SRC_PROC_NAME: 'a"b',
      57550: 2,
    });
    expect(record).not.toHaveProperty('CLIENT_TCP_FLAGS');
  });

  it('are an array in each message, split and batched like TLV', () => {
    const flow = makeFlow({ fields: { ...WEB.fields, octets: 5_000_000_000 } });
    const made = payloads(
      Array.from({ length: 100 }, () => flow),
      { format: 'json', batchOctets: 1024 },
    );
    const records = made.flatMap((payload) => JSON.parse(payload.toString()) as Record<string, number>[]);
    expect(records).toHaveLength(200);
    expect(records.reduce((sum, record) => sum + record['1']!, 0)).toBe(500_000_000_000);
    for (const payload of made) expect(payload.length).toBeLessThanOrEqual(1024);
  });

  it('leave empty texts out and nest nothing', () => {
    const flow = makeFlow({
      fields: { ...WEB.fields, sourceProcessName: '', inputInterfaceName: '', destinationContainerId: 'x' },
    });
    flow.attachments.push({ ntop: 'someList', iana: 'someList', value: [1, 2] });
    const [record] = payloads([flow], { format: 'json' }).flatMap((payload) => JSON.parse(payload.toString()));
    expect(record).toMatchObject({ 58031: 'x', someList: '[1,2]' });
    for (const key of ['57641', 'INPUT_INTERFACE_NAME']) expect(record).not.toHaveProperty(key);
  });
});
