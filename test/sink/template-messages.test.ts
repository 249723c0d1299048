import { describe, expect, it } from 'vitest';
import { SLOT } from '../../src/flow/fields.ts';
import type { Flow } from '../../src/flow/flow.ts';
import { fieldEntry, Layout } from '../../src/flow/layout.ts';
import { parseSelection } from '../../src/pipeline/field-selection-file.ts';
import { ExportHarness, REGISTRY } from '../support/export-harness.ts';
import { type MadeFlow, makeFlow } from '../support/flow-builder.ts';
import { dataSet, message, optionsTemplateSet, templateSet, VARIABLE, withdrawal } from '../support/ipfix-message.ts';
import { flowSet, v9DataSet, v9OptionsTemplateSet, v9Packet, v9TemplateSet } from '../support/netflow9-message.ts';
import { ipv4, ipv6, joined, type Octets, text, u8, u16, u32, u64, variable, zeros } from '../support/wire-octets.ts';

const START = 1_700_000_000_123;
const END = 1_700_000_009_456;
const EXPORT_TIME = 1_700_000_010;
const ORIGIN = { exportTimeMs: EXPORT_TIME * 1000, observationDomainId: 7, version: 10, protocol: 'IPFIX' } as const;
const TEMPLATE = 272;
/** sysUpTime of the first message: 20 days. */
const UP_TIME = 1_728_000_000;

const WEB: MadeFlow = {
  origin: ORIGIN,
  fields: {
    sourceIPv4: 0xc0000201,
    destinationIPv4: 0xc6336402,
    sourcePort: 40_000,
    destinationPort: 443,
    protocol: 6,
    octets: 5_000_000_000n,
    packets: 4000,
    startMs: START,
    endMs: END,
    tcpFlags: 0x1b,
    sourceMac: [2, 0, 0, 0, 0, 1],
  },
};
const WEB_FIELDS = [
  [8, 4],
  [12, 4],
  [7, 2],
  [11, 2],
  [4, 1],
  [1, 8],
  [2, 8],
  [152, 8],
  [153, 8],
  [6, 2],
  [56, 6],
] as const;
const WEB_RECORD = joined(
  ipv4('192.0.2.1'),
  ipv4('198.51.100.2'),
  u16(40_000),
  u16(443),
  u8(6),
  u64(5_000_000_000n),
  u64(4000),
  u64(START),
  u64(END),
  u16(0x1b),
  Uint8Array.of(2, 0, 0, 0, 0, 1),
);

const SAMPLING_SLOT = SLOT.samplingInterval;

/** The flow's layout with a sampling interval that was looked up. */
function sampled({ layout }: Flow): Layout {
  return new Layout('flow', [...layout.entries, fieldEntry('samplingInterval', true)]);
}

/** A flow with a value of each kind. */
const EVERYTHING: MadeFlow = {
  ...WEB,
  fields: {
    ...WEB.fields,
    sourceIPv6: [...ipv6('2001:db8::1')],
    octets: 0x12345678_9abcdef0n,
    samplerId: 9,
    applicationId: [13, 0, 1, 187],
    applicationName: 'https',
    sourceProcessName: 'curl',
    sourceProcessCommandLine: `curl ${'x'.repeat(260)}`,
    inputInterface: 3,
    inputInterfaceName: 'eth3',
    clientNetworkLatency: 12_345,
    mplsLabel1: 0xabcde,
  },
  elements: [
    { elementId: 85, ntop: 'OCTET_TOTAL', value: 'unsigned', octets: [1, 2, 3] },
    { enterpriseNumber: 9, elementId: 8232, ntop: 'cisco', value: 'string', octets: [65, 66] },
  ],
};

function hexes(messages: readonly Octets[]): string[] {
  return messages.map((each) => Buffer.from(each).toString('hex'));
}

function expectMessages(made: readonly Octets[], expected: readonly Octets[]): void {
  expect(hexes(made)).toEqual(hexes(expected));
}

const ipfix = (sets: readonly Octets[], sequence = 0, domain = 7): Octets =>
  message(sets, { exportTime: EXPORT_TIME, sequence, domain });
const netflow9 = (sets: readonly Octets[], count: number, sequence = 0): Octets =>
  v9Packet(sets, { count, sysUpTimeMs: UP_TIME, exportTime: EXPORT_TIME, sequence, sourceId: 7 });

describe('IPFIX Messages (RFC 7011), octet by octet', () => {
  it('carry the Template, then records by it', () => {
    const harness = new ExportHarness();
    expectMessages(harness.take(makeFlow(WEB), makeFlow(WEB)), [
      ipfix([templateSet(TEMPLATE, WEB_FIELDS), dataSet(TEMPLATE, WEB_RECORD, WEB_RECORD)]),
    ]);
    // Section 3.1: the number counts Data Records. Templates are known by now.
    expectMessages(harness.take(makeFlow(WEB)), [ipfix([dataSet(TEMPLATE, WEB_RECORD)], 2)]);
  });

  it('are the same from code and from steps', () => {
    const asked =
      '%FIRST_SWITCHED %L7_PROTO_NAME %IN_BYTES %LAST_SWITCHED %flowStartMicroseconds %flowEndSeconds %APPLICATION_ID';
    const more =
      '%APPLICATION_NAME %SRC_PROC_CMDLINE %OCTET_TOTAL %EXPORTER_IPV4_ADDRESS %exporterTransportPort %INPUT_SNMP %VRFname %CLIENT_NW_LATENCY_MS %MPLS_LABEL_1';
    const flows = new Array<Flow>(300).fill(makeFlow(EVERYTHING));
    for (const version of [9, 10] as const) {
      for (const selection of [undefined, parseSelection(`${asked} ${more}`, REGISTRY)]) {
        const compiled = new ExportHarness({ version, selection, codeGeneration: true });
        const interpreted = new ExportHarness({ version, selection, codeGeneration: false });
        expect(hexes(compiled.take(...flows))).toEqual(hexes(interpreted.take(...flows)));
      }
    }
  });

  it('carry texts, elements of enterprises and reverse elements (RFC 5103)', () => {
    const flow = makeFlow({
      origin: ORIGIN,
      fields: {
        sourceIPv6: [...ipv6('2001:db8::1')],
        reverseOctets: 70_000,
        l7ProtocolName: 'TLS.Google',
        sourceProcessPackage: 'ä'.repeat(200),
      },
      elements: [
        { enterpriseNumber: 9, elementId: 8232, ntop: 'cisco', value: 'hexadecimal', octets: [1, 2, 3] },
        { elementId: 210 - 1, ntop: 'tcpOptionsFull', value: 'unsigned', octets: [] },
      ],
    });
    expectMessages(new ExportHarness().take(flow), [
      ipfix([
        templateSet(TEMPLATE, [
          [27, 16],
          [1, 8, 29_305],
          [119, VARIABLE, 35_632],
          [540, VARIABLE, 35_632],
          [8232, VARIABLE, 9],
          [209, VARIABLE],
        ]),
        dataSet(
          TEMPLATE,
          joined(
            ipv6('2001:db8::1'),
            u64(70_000),
            variable('TLS.Google'),
            variable('ä'.repeat(200)),
            variable(Uint8Array.of(1, 2, 3)),
            variable(''),
          ),
        ),
      ]),
    ]);
  });

  it('carry what payload told of the application', () => {
    const flow = makeFlow({
      origin: ORIGIN,
      fields: { l7Protocol: 5, l7ProtocolName: 'DNS', dnsQuery: 'a.example', dnsQueryType: 28, dnsReturnCode: 3 },
    });
    expectMessages(new ExportHarness().take(flow), [
      ipfix([
        templateSet(TEMPLATE, [
          [118, 2, 35_632],
          [119, VARIABLE, 35_632],
          [205, VARIABLE, 35_632],
          [207, 2, 35_632],
          [208, 1, 35_632],
        ]),
        dataSet(TEMPLATE, joined(u16(5), variable('DNS'), variable('a.example'), u16(28), u8(3))),
      ]),
    ]);
  });

  it('carry only what was asked for, in the octets of each element, zeros where a flow has none', () => {
    const fields =
      '%IPV4_SRC_ADDR %IN_BYTES %OUT_BYTES %FIRST_SWITCHED %LAST_SWITCHED %L7_PROTO_NAME %EXPORTER_IPV4_ADDRESS';
    const selection = parseSelection(fields, REGISTRY);
    expectMessages(new ExportHarness({ selection }).take(makeFlow(WEB)), [
      ipfix([
        templateSet(TEMPLATE, [
          [8, 4],
          [1, 8],
          [23, 8],
          [152, 8],
          [153, 8],
          [119, VARIABLE, 35_632],
          [130, 4],
        ]),
        dataSet(
          TEMPLATE,
          joined(ipv4('192.0.2.1'), u64(5_000_000_000n), u64(0), u64(START), u64(END), u8(0), ipv4('192.0.2.1')),
        ),
      ]),
    ]);
  });

  it('carry addresses of IPv6 in place of those of IPv4 that were asked for', () => {
    const selection = parseSelection('%IPV4_SRC_ADDR %IPV4_SRC_MASK %PROTOCOL', REGISTRY);
    const flow = makeFlow({
      origin: ORIGIN,
      fields: { sourceIPv6: [...ipv6('2001:db8::1')], sourceIPv6Mask: 64, protocol: 17 },
    });
    const harness = new ExportHarness({ selection });
    expectMessages(harness.take(flow, makeFlow(WEB)), [
      ipfix([
        templateSet(TEMPLATE, [
          [27, 16],
          [29, 1],
          [4, 1],
        ]),
        dataSet(TEMPLATE, joined(ipv6('2001:db8::1'), u8(64), u8(17))),
        templateSet(TEMPLATE + 1, [
          [8, 4],
          [9, 1],
          [4, 1],
        ]),
        dataSet(TEMPLATE + 1, joined(ipv4('192.0.2.1'), u8(0), u8(6))),
      ]),
    ]);
  });

  it('say sampling, names, the original Exporter and statistics as options data', () => {
    const harness = new ExportHarness({ sendsOptions: true });
    const flow = makeFlow({
      origin: ORIGIN,
      fields: { protocol: 6, inputInterface: 3, inputInterfaceName: 'eth3', samplingOrigin: 2 },
    });
    flow.layout = sampled(flow);
    flow.words.fill(1000, SAMPLING_SLOT, SAMPLING_SLOT + 1);
    expectMessages(harness.take(flow), [
      ipfix([
        optionsTemplateSet(
          265,
          [[149, 4]],
          [
            [403, 4],
            [405, 4],
          ].map(([a, b]) => [a!, b!] as const),
        ),
        dataSet(265, joined(u32(7), ipv4('192.0.2.1'), u32(7))),
        optionsTemplateSet(
          267,
          [[149, 4]],
          [
            [41, 8],
            [42, 8],
            [40, 8],
            [166, 8],
          ],
        ),
        dataSet(267, joined(u32(7), zeros(32))),
        optionsTemplateSet(
          256,
          [[149, 4]],
          [
            [34, 4],
            [35, 1],
          ],
        ),
        dataSet(256, joined(u32(7), u32(1000), u8(1))),
        optionsTemplateSet(259, [[10, 4]], [[82, 64]]),
        dataSet(259, joined(u32(3), text('eth3', 64))),
        templateSet(TEMPLATE, [
          [4, 1],
          [10, 4],
        ]),
        dataSet(TEMPLATE, joined(u8(6), u32(3))),
      ]),
    ]);
    // Another interval than the one announced goes into the record.
    flow.words.fill(512, SAMPLING_SLOT, SAMPLING_SLOT + 1);
    expectMessages(harness.take(flow), [
      ipfix(
        [
          templateSet(TEMPLATE + 1, [
            [4, 1],
            [34, 4],
            [10, 4],
          ]),
          dataSet(TEMPLATE + 1, joined(u8(6), u32(512), u32(3))),
        ],
        5,
      ),
    ]);
  });

  it('announce Templates again after so many messages', () => {
    const harness = new ExportHarness({ refreshMessages: 2 });
    const withTemplate = hexes([ipfix([templateSet(TEMPLATE, WEB_FIELDS), dataSet(TEMPLATE, WEB_RECORD)])]);
    const without = hexes([ipfix([dataSet(TEMPLATE, WEB_RECORD)], 1)]);
    const lengths = [0, 1, 2, 3, 4].map(() => harness.take(makeFlow(WEB))[0]!.length * 2);
    const [long, short] = [withTemplate[0]!.length, without[0]!.length];
    expect(lengths).toEqual([long, short, long, short, long]);
  });

  it('announce Templates again once a message was dropped', () => {
    const harness = new ExportHarness();
    harness.isTaken = false;
    harness.take(makeFlow(WEB));
    harness.isTaken = true;
    expectMessages(harness.take(makeFlow(WEB)), [
      ipfix([templateSet(TEMPLATE, WEB_FIELDS), dataSet(TEMPLATE, WEB_RECORD)], 1),
    ]);
  });

  it('begin anew with a new connection', () => {
    const harness = new ExportHarness();
    const first = hexes(harness.take(makeFlow(WEB)));
    harness.format.restart();
    expect(hexes(harness.take(makeFlow(WEB)))).toEqual(first);
  });

  it('give Exporters with one Observation Domain ID different ones', () => {
    const harness = new ExportHarness();
    const other = makeFlow({ ...WEB, origin: { ...ORIGIN, exporterAddress: '192.0.2.2', serial: 2 } });
    expectMessages(harness.take(makeFlow(WEB), other), [
      ipfix([templateSet(TEMPLATE, WEB_FIELDS), dataSet(TEMPLATE, WEB_RECORD)]),
      ipfix([templateSet(TEMPLATE, WEB_FIELDS), dataSet(TEMPLATE, WEB_RECORD)], 0, 8),
    ]);
  });

  it('are no longer than they may be, and leave no flow out', () => {
    for (const messageOctets of [528, 529, 530, 531, 1000, 1452]) {
      for (const version of [9, 10] as const) {
        const harness = new ExportHarness({ version, messageOctets, sendsOptions: true });
        const messages = harness.take(...new Array<Flow>(100).fill(makeFlow(EVERYTHING)));
        expect(Math.max(...messages.map(({ length }) => length))).toBeLessThanOrEqual(messageOctets);
        expect([harness.flows, harness.format.flows]).toEqual([100, 100]);
      }
    }
  });

  it('are no longer than they may be, whatever lengths records have', () => {
    for (const version of [9, 10] as const) {
      for (let length = 1; length <= 40; length++) {
        const octets = new Array<number>(length).fill(0x78);
        const element = { elementId: 85, ntop: 'OCTET_TOTAL', value: 'string', octets } as const;
        const flow = makeFlow({ ...WEB, elements: [element] });
        const entries = flow.layout.entries.map((entry) => (entry.kind === 'element' ? { ...entry, length } : entry));
        flow.layout = new Layout('flow', entries);
        const harness = new ExportHarness({ version, messageOctets: 576 });
        const other = makeFlow({ origin: ORIGIN, fields: { protocol: 6 } });
        const messages = harness.take(...Array.from({ length: 80 }, (_, i) => (i % 2 === 0 ? flow : other)));
        expect(Math.max(...messages.map((each) => each.length))).toBeLessThanOrEqual(576);
        expect(harness.flows).toBe(80);
      }
    }
  });

  it('say a sampling interval that the record itself has in the record alone', () => {
    const harness = new ExportHarness({ sendsOptions: true });
    harness.take(makeFlow(WEB));
    const flow = makeFlow({ origin: ORIGIN, fields: { protocol: 6, samplingInterval: 100 } });
    // Three options and data records of the message before.
    const sets = [
      templateSet(TEMPLATE + 1, [
        [4, 1],
        [34, 4],
      ]),
      dataSet(TEMPLATE + 1, joined(u8(6), u32(100))),
    ];
    expectMessages(harness.take(flow), [ipfix(sets, 3)]);
  });

  it('have durations in milliseconds, labels as entries of the stack, and numbers as long as their elements', () => {
    const fields = {
      clientNetworkLatency: 1_499,
      serverNetworkLatency: 20,
      applicationLatency: 0,
      mplsLabel1: 0x12345,
      fragments: 70_000,
      frameLength: 1500,
    };
    const harness = new ExportHarness();
    const expected = [
      [80, 2, 35_632],
      [70, 3],
      [123, 4, 35_632],
      [124, 4, 35_632],
      [125, 4, 35_632],
      [312, 2],
    ] as const;
    const record = joined(u16(65_535), Uint8Array.of(0x12, 0x34, 0x50), u32(1), u32(1), u32(0), u16(1500));
    expectMessages(harness.take(makeFlow({ origin: ORIGIN, fields })), [
      ipfix([templateSet(TEMPLATE, expected), dataSet(TEMPLATE, record)]),
    ]);
    expect(harness.format.context.valuesSaturated).toBe(1);
  });

  it('have numbers of three octets in four', () => {
    const flow = makeFlow({ origin: ORIGIN, fields: { inputInterface: 70_000 } });
    flow.layout = new Layout('flow', [fieldEntry('inputInterface', false, 3)]);
    expectMessages(new ExportHarness().take(flow), [
      ipfix([templateSet(TEMPLATE, [[10, 4]]), dataSet(TEMPLATE, u32(70_000))]),
    ]);
  });

  it('count what fits no message', () => {
    const harness = new ExportHarness();
    harness.take(makeFlow({ origin: ORIGIN, fields: { sourceProcessCommandLine: 'x'.repeat(2000) } }));
    harness.take(makeFlow({ origin: ORIGIN, fields: { tunnelType: 3 } }));
    harness.take(makeFlow({ origin: ORIGIN, recordType: 'discard', fields: { octets: 1 } }));
    const fields = Array.from(
      { length: 500 },
      (_, i) => ({ enterpriseNumber: 9, elementId: i + 1, ntop: `e${i}`, value: 'unsigned', octets: [] }) as const,
    );
    harness.take(makeFlow({ origin: ORIGIN, elements: fields }));
    expect(harness.format.leftOut).toMatchObject({
      record_too_long: 1,
      no_element: 1,
      discard: 1,
      template_too_long: 1,
    });
    expect([harness.flows, harness.format.flows]).toEqual([0, 0]);
  });

  it('withdraw a Template before its number goes to another, over TCP and in files (section 8.1)', () => {
    const harness = new ExportHarness({ isReliable: true, messageOctets: 32_768 });
    const flowOf = (id: number): Flow =>
      makeFlow({
        origin: ORIGIN,
        elements: [{ enterpriseNumber: 9, elementId: id, ntop: `e${id}`, value: 'hexadecimal', octets: [id & 0xff] }],
      });
    for (let id = 1; id <= 2048; id++) harness.write(flowOf(id));
    harness.take();
    expect(harness.format.templatesRetired).toBe(0);
    const [last] = harness.take(flowOf(2049));
    const expected = ipfix(
      [
        withdrawal(TEMPLATE),
        templateSet(TEMPLATE, [[2049, VARIABLE, 9]]),
        dataSet(TEMPLATE, variable(Uint8Array.of(1))),
      ],
      2048,
    );
    expectMessages([last!], [expected]);
    expect(harness.format.templatesRetired).toBe(1);
  });
});

describe('NetFlow v9 Export Packets (RFC 3954), octet by octet', () => {
  it('carry the Template, then records by it, and count them all', () => {
    const harness = new ExportHarness({ version: 9 });
    expectMessages(harness.take(makeFlow(WEB), makeFlow(WEB)), [
      netflow9([v9TemplateSet(TEMPLATE, WEB_FIELDS), v9DataSet(TEMPLATE, WEB_RECORD, WEB_RECORD)], 3),
    ]);
    expectMessages(harness.take(makeFlow(WEB)), [netflow9([v9DataSet(TEMPLATE, WEB_RECORD)], 1, 1)]);
  });

  it("have ntop's numbers, fixed texts and times since start where asked for", () => {
    const selection = parseSelection('%FIRST_SWITCHED %LAST_SWITCHED %L7_PROTO %L7_PROTO_NAME', REGISTRY);
    const flow = makeFlow({
      ...WEB,
      fields: { ...WEB.fields, l7Protocol: 91, l7ProtocolName: 'a text longer than its field' },
    });
    const harness = new ExportHarness({ version: 9, selection });
    const upTime = (timeMs: number): Octets => u32(UP_TIME - (EXPORT_TIME * 1000 - timeMs));
    expectMessages(harness.take(flow), [
      netflow9(
        [
          v9TemplateSet(TEMPLATE, [
            [22, 4],
            [21, 4],
            [57_590, 2],
            [57_591, 16],
          ]),
          v9DataSet(TEMPLATE, joined(upTime(START), upTime(END), u16(91), text('a text longer than', 16))),
        ],
        2,
      ),
    ]);
    expect(harness.format.context.textsTruncated).toBe(1);
  });

  it('cut texts off between characters', () => {
    const selection = parseSelection('%L7_PROTO_NAME', REGISTRY);
    const harness = new ExportHarness({ version: 9, selection });
    const flow = makeFlow({ origin: ORIGIN, fields: { l7ProtocolName: `x${'ä'.repeat(10)}` } });
    expectMessages(harness.take(flow), [
      netflow9([v9TemplateSet(TEMPLATE, [[57_591, 16]]), v9DataSet(TEMPLATE, text(`x${'ä'.repeat(7)}`, 16))], 2),
    ]);
  });

  it('have room for paths of processes, users, packages, command lines and ids of containers', () => {
    const sides = ['%SRC_PROC_', '%SRC_FATHER_PROC_', '%DST_PROC_', '%DST_FATHER_PROC_'];
    const names = sides.flatMap((side) => [`${side}NAME`, `${side}USER_NAME`, `${side}PKG_NAME`]);
    const more = '%SRC_PROC_CMDLINE %DST_PROC_CMDLINE %SRC_PROC_CONTAINER_ID %DST_PROC_CONTAINER_ID';
    const harness = new ExportHarness({
      version: 9,
      selection: parseSelection(`${names.join(' ')} ${more}`, REGISTRY),
    });
    const path = '/usr/lib/jvm/java-17-openjdk-amd64/bin/java';
    const flow = makeFlow({
      origin: ORIGIN,
      fields: { sourceProcessName: path, sourceContainerId: 'c'.repeat(64), sourceProcessUserName: 'u'.repeat(32) },
    });
    expectMessages(harness.take(flow), [
      netflow9(
        [
          v9TemplateSet(TEMPLATE, [
            ...[57_641, 57_844, 58_012, 57_846, 58_037, 58_033].map((id, i) => [id, [128, 32, 64][i % 3]!] as const),
            ...[57_848, 57_849, 58_013, 57_851, 58_040, 58_035].map((id, i) => [id, [128, 32, 64][i % 3]!] as const),
            [58_028, 128],
            [58_029, 128],
            [58_030, 64],
            [58_031, 64],
          ]),
          v9DataSet(
            TEMPLATE,
            joined(
              text(path, 128),
              text('u'.repeat(32), 32),
              zeros(64 + 3 * 224 + 256),
              text('c'.repeat(64), 64),
              zeros(64),
            ),
          ),
        ],
        2,
      ),
    ]);
    expect(harness.format.context.textsTruncated).toBe(0);
  });

  it('have the longest texts shortened alike where a record would fit no message', () => {
    const fields = '%PROTOCOL %SRC_PROC_NAME %DST_PROC_NAME %SRC_PROC_USER_NAME %HTTP_URL';
    const flow = makeFlow({
      origin: ORIGIN,
      fields: { protocol: 6, sourceProcessName: '/'.padEnd(39, 'a'), destinationProcessName: 'ä'.repeat(20) },
      elements: [
        { enterpriseNumber: 35_632, elementId: 180, ntop: 'HTTP_URL', value: 'string', octets: Array(128).fill(0x2f) },
      ],
    });
    // Of 176 octets 20 and 4 are headers; 152 - 1 - 32 are for three texts.
    for (const codeGeneration of [true, false]) {
      const harness = new ExportHarness({
        version: 9,
        messageOctets: 177,
        selection: parseSelection(fields, REGISTRY),
        codeGeneration,
      });
      const template = v9TemplateSet(TEMPLATE, [
        [4, 1],
        [57_641, 39],
        [57_848, 39],
        [57_844, 32],
        [57_652, 39],
      ]);
      const record = joined(
        u8(6),
        text('/'.padEnd(39, 'a'), 39),
        text('ä'.repeat(19), 39),
        zeros(32),
        text('/'.repeat(39), 39),
      );
      expectMessages(harness.take(flow), [netflow9([template], 1), netflow9([v9DataSet(TEMPLATE, record)], 1, 1)]);
      expect(harness.format.context.textsTruncated).toBe(2);
    }
  });

  it('have texts as long as was asked for, though no message has room for them', () => {
    const selection = parseSelection('%SRC_PROC_NAME %DST_PROC_NAME', REGISTRY);
    const flow = makeFlow({ origin: ORIGIN, fields: { sourceProcessName: 'a' } });
    const asked = [{ ...selection[0]!, length: 300 }, selection[1]!];
    const harness = new ExportHarness({ version: 9, messageOctets: 300, selection: asked });
    expectMessages(harness.take(flow), []);
    expect(harness.format.leftOut.record_too_long).toBe(1);
  });

  it('of everything an agent says of both ends fit a datagram of Ethernet', () => {
    const owner = (stem: 'source' | 'destination') => ({
      [`${stem}ProcessId`]: 1,
      [`${stem}ProcessName`]: '/usr/bin/curl',
      [`${stem}ProcessUserId`]: 0,
      [`${stem}ProcessUserName`]: 'root',
      [`${stem}FatherProcessId`]: 1,
      [`${stem}FatherProcessName`]: '/bin/sh',
      [`${stem}FatherProcessUserId`]: 0,
      [`${stem}FatherProcessUserName`]: 'root',
      [`${stem}FatherProcessPackage`]: 'dash',
      [`${stem}ProcessPackage`]: 'curl',
      [`${stem}ProcessCommandLine`]: 'curl http://example.org/',
      [`${stem}ContainerId`]: '0123456789ab',
      [`${stem}ProcessMemory`]: 1,
      [`${stem}ProcessPeakMemory`]: 1,
      [`${stem}ProcessCpuLoad`]: 1,
      [`${stem}ProcessPageFaults`]: 1,
      [`${stem}ProcessIoWait`]: 1,
    });
    const times = { clientRoundTripTime: 1, clientRoundTripVariance: 1, serverRoundTripTime: 1 };
    const fields = { ...WEB.fields, ...times, ...owner('source'), ...owner('destination') };
    const harness = new ExportHarness({ version: 9, messageOctets: 1452 });
    const made = harness.take(makeFlow({ origin: ORIGIN, fields }));
    expect(harness.format.leftOut.record_too_long).toBe(0);
    expect([harness.flows, harness.format.context.textsTruncated]).toEqual([1, 0]);
    expect(made.every(({ length }) => length <= 1452)).toBe(true);
  });

  it('have no records that the padding of a FlowSet could be taken for', () => {
    const harness = new ExportHarness({ version: 9 });
    expectMessages(harness.take(makeFlow({ origin: ORIGIN, fields: { protocol: 6 } })), [
      netflow9(
        [
          v9TemplateSet(TEMPLATE, [
            [4, 1],
            [210, 3],
          ]),
          v9DataSet(TEMPLATE, joined(u8(6), zeros(3))),
        ],
        2,
      ),
    ]);
  });

  it('say sampling and names as options data scoped by RFC 3954 section 6.1', () => {
    const harness = new ExportHarness({ version: 9, sendsOptions: true });
    const flow = makeFlow({
      origin: ORIGIN,
      fields: { outputInterface: 3, outputInterfaceName: 'eth3', samplerId: 5 },
    });
    flow.layout = sampled(flow);
    flow.words.fill(1000, SAMPLING_SLOT, SAMPLING_SLOT + 1);
    const [made] = harness.take(flow);
    const expected = joined(
      v9OptionsTemplateSet(
        257,
        [[1, 4]],
        [
          [48, 4],
          [49, 1],
          [50, 4],
        ],
      ),
      flowSet(257, joined(u32(7), u32(5), u8(1), u32(1000))),
      v9OptionsTemplateSet(259, [[2, 4]], [[82, 64]]),
      flowSet(259, joined(u32(3), text('eth3', 64))),
      v9TemplateSet(TEMPLATE, [
        [48, 4],
        [14, 4],
      ]),
      v9DataSet(TEMPLATE, joined(u32(5), u32(3))),
    );
    expect(made?.subarray(-expected.length).toString('hex')).toBe(Buffer.from(expected).toString('hex'));
  });
});

describe('numbers too large for their field', () => {
  it('go out as the largest that fits, and are counted', () => {
    const short = { length: 4 } as const;
    const selection = parseSelection('%IN_BYTES %IN_PKTS %INPUT_SNMP', REGISTRY).map((field) => ({
      ...field,
      length: short.length,
    }));
    const [bytes, packets, input] = selection;
    const harness = new ExportHarness({ selection: [bytes!, packets!, { ...input!, length: 2 }] });
    const flow = makeFlow({
      origin: ORIGIN,
      fields: { octets: 4_294_967_296n, packets: 4_294_967_295, inputInterface: 70_000 },
    });
    expectMessages(harness.take(flow), [
      ipfix([
        templateSet(TEMPLATE, [
          [1, 4],
          [2, 4],
          [10, 2],
        ]),
        dataSet(TEMPLATE, joined(u32(4_294_967_295), u32(4_294_967_295), u16(65_535))),
      ]),
    ]);
    expect(harness.format.context.valuesSaturated).toBe(2);
  });
});
