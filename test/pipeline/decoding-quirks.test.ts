import { describe, expect, it } from 'vitest';
import { DecodingHarness } from '../support/decoding-harness.ts';
import {
  dataSet,
  EXPORT_TIME,
  type Field,
  message,
  optionsTemplateSet,
  templateSet,
  VARIABLE,
} from '../support/ipfix-message.ts';
import { v5Datagram, v5Record } from '../support/netflow5-message.ts';
import { type Field9, v9DataSet, v9OptionsTemplateSet, v9Packet, v9TemplateSet } from '../support/netflow9-message.ts';
import { hex, ipv4, joined, type Octets, text, u8, u16, u32, u64, variable, zeros } from '../support/wire-octets.ts';

const EXPORT_MS = EXPORT_TIME * 1000;

/** One IPFIX record's line. */
function ipfixLine(fields: readonly Field[], record: Octets, exportTime = EXPORT_TIME) {
  const harness = new DecodingHarness();
  const [line] = harness.lines(message([templateSet(256, fields), dataSet(256, record)], { exportTime }));
  expect(harness.problems()).toEqual([]);
  return line!;
}

/** One v9 record's line. */
function v9Line(fields: readonly Field9[], record: Octets, header: { sysUpTimeMs?: number; exportTime?: number } = {}) {
  const harness = new DecodingHarness();
  const [line] = harness.lines(v9Packet([v9TemplateSet(256, fields), v9DataSet(256, record)], header));
  expect(harness.problems()).toEqual([]);
  return line!;
}

describe('sampling', () => {
  it('MikroTik: the interval is little-endian, in options and in records', () => {
    expect(
      ipfixLine(
        [
          [1, 4],
          [34, 4],
        ],
        joined(u32(1), hex('64000000')),
      ),
    ).toMatchObject({
      SAMPLING_INTERVAL: 100,
      SAMPLING_ORIGIN: 'record',
    });
    const harness = new DecodingHarness();
    harness.lines(
      v9Packet([v9OptionsTemplateSet(257, [[1, 4]], [[34, 4]]), v9DataSet(257, joined(u32(0), hex('e8030000')))]),
    );
    const [line] = harness.lines(v9Packet([v9TemplateSet(256, [[1, 4]]), v9DataSet(256, u32(1))]));
    expect(line).toMatchObject({ SAMPLING_INTERVAL: 1000, SAMPLING_ORIGIN: 'option' });
  });

  it('MikroTik: 1:1 sent little-endian is no sampling of 1 in 16,777,216', () => {
    expect(
      ipfixLine(
        [
          [1, 4],
          [34, 4],
        ],
        joined(u32(1), hex('01000000')),
      ),
    ).toMatchObject({ SAMPLING_INTERVAL: 1 });
  });

  it('Nokia: 305 = 1 and 306 = 999 is 1 in 1000, in options and in records', () => {
    expect(
      ipfixLine(
        [
          [1, 4],
          [305, 4],
          [306, 4],
        ],
        joined(u32(1), u32(1), u32(999)),
      ),
    ).toMatchObject({
      SAMPLING_INTERVAL: 1000,
      SAMPLING_ORIGIN: 'record',
    });
    const harness = new DecodingHarness();
    harness.lines(
      message([
        optionsTemplateSet(
          257,
          [[302, 8]],
          [
            [305, 4],
            [306, 4],
          ],
        ),
        dataSet(257, joined(u64(5), u32(1), u32(999))),
      ]),
    );
    const [line] = harness.lines(
      message([
        templateSet(256, [
          [1, 4],
          [302, 8],
        ]),
        dataSet(256, joined(u32(1), u64(5))),
      ]),
    );
    expect(line).toMatchObject({ SAMPLING_INTERVAL: 1000, SAMPLING_ORIGIN: 'option' });
  });

  it('several samplers of one box: each record by its own, options after the data, from another port', () => {
    const harness = new DecodingHarness();
    const data = v9Packet([
      v9TemplateSet(256, [
        [1, 4],
        [48, 1],
      ]),
      v9DataSet(256, joined(u32(1), u8(1)), joined(u32(2), u8(2)), joined(u32(3), u8(3))),
    ]);
    const rates = () =>
      harness.lines(data, { port: 2055 }).map((line) => [line['SAMPLING_INTERVAL'], line['SAMPLING_ORIGIN']]);
    expect(rates().map(([, origin]) => origin)).toEqual(['unknown', 'unknown', 'unknown']);
    harness.lines(
      v9Packet([
        v9OptionsTemplateSet(
          257,
          [[1, 4]],
          [
            [48, 1],
            [34, 4],
          ],
        ),
        v9DataSet(257, joined(u32(0), u8(1), u32(100)), joined(u32(0), u8(2), u32(2000))),
      ]),
      { port: 9999 },
    );
    const [first, second, third] = rates();
    expect([first, second]).toEqual([
      [100, 'option'],
      [2000, 'option'],
    ]);
    expect(third![1]).toBe('unknown');
  });

  it('an 8-bit sampler field in the record does not cut what options tell', () => {
    const harness = new DecodingHarness();
    harness.lines(message([optionsTemplateSet(257, [[149, 4]], [[34, 4]]), dataSet(257, joined(u32(1), u32(5000)))]));
    const octets = message([
      templateSet(256, [
        [1, 4],
        [34, 1],
      ]),
      dataSet(256, ...new Array<Octets>(300).fill(joined(u32(1), u8(0)))),
    ]);
    for (const line of harness.lines(octets))
      expect(line).toMatchObject({ SAMPLING_INTERVAL: 5000, SAMPLING_ORIGIN: 'option' });
  });

  it('v5: the header tells, its mode bits left out', () => {
    const [line] = new DecodingHarness().lines(v5Datagram([v5Record()], { sampling: 0x4000 | 1000 }));
    expect(line).toMatchObject({ SAMPLING_INTERVAL: 1000, SAMPLING_ORIGIN: 'header' });
  });
});

describe('times', () => {
  it('VPP: nanoseconds as one plain number', () => {
    const nanoseconds = BigInt(EXPORT_MS - 2500) * 1_000_000n + 123n;
    expect(
      ipfixLine(
        [
          [1, 4],
          [156, 8],
          [157, 8],
        ],
        joined(u32(1), u64(nanoseconds), u64(nanoseconds + 10n ** 9n)),
      ),
    ).toMatchObject({
      FLOW_START_MILLISECONDS: EXPORT_MS - 2500,
      FLOW_END_MILLISECONDS: EXPORT_MS - 1500,
    });
  });

  it('Viptela: 150 and 151 beside 21 and 22 give no dates of 1970', () => {
    const fields: Field[] = [
      [1, 4],
      [22, 4],
      [21, 4],
      [150, 4],
      [151, 4],
    ];
    const record = joined(u32(1), u32(1000), u32(2000), u32(EXPORT_TIME - 60), u32(EXPORT_TIME - 30));
    expect(ipfixLine(fields, record)).toMatchObject({
      FLOW_START_MILLISECONDS: EXPORT_MS - 60_000,
      FLOW_END_MILLISECONDS: EXPORT_MS - 30_000,
    });
  });

  it('Viptela: the same where options tell a start that does not fit', () => {
    const harness = new DecodingHarness();
    harness.lines(message([optionsTemplateSet(257, [[149, 4]], [[160, 8]]), dataSet(257, joined(u32(1), u64(5000)))]));
    const fields: Field[] = [
      [1, 4],
      [22, 4],
      [21, 4],
      [150, 4],
      [151, 4],
    ];
    const record = joined(u32(1), u32(1000), u32(2000), u32(EXPORT_TIME - 60), u32(EXPORT_TIME - 30));
    expect(harness.lines(message([templateSet(256, fields), dataSet(256, record)]))[0]).toMatchObject({
      FLOW_START_MILLISECONDS: EXPORT_MS - 60_000,
      FLOW_END_MILLISECONDS: EXPORT_MS - 30_000,
    });
  });

  it("NTP's next era, after 7 February 2036", () => {
    // 2036-02-07 06:28:16 UTC is second 0 of era 1; the export is 100 s later.
    const exportTime = 2_085_978_496 + 100;
    expect(
      ipfixLine(
        [
          [1, 4],
          [154, 8],
        ],
        joined(u32(1), u32(90), u32(0x8000_0000)),
        exportTime,
      ),
    ).toMatchObject({
      FLOW_START_MILLISECONDS: (exportTime - 10) * 1000 + 500,
    });
  });

  it('dates of 1970 and of 2106 are digits', () => {
    expect(
      ipfixLine(
        [
          [1, 4],
          [150, 4],
        ],
        joined(u32(1), u32(0)),
        0,
      ),
    ).toMatchObject({ FLOW_START_MILLISECONDS: 0 });
    expect(
      ipfixLine(
        [
          [1, 4],
          [150, 4],
        ],
        joined(u32(1), u32(0xffffffff)),
        0xffffffff,
      ),
    ).toMatchObject({
      FLOW_START_MILLISECONDS: 4_294_967_295_000,
      EXPORT_TIME_MILLISECONDS: 4_294_967_295_000,
    });
  });

  it('sysUpTime wraps after 49.7 days: a flow from before counts from before', () => {
    const line = v9Line(
      [
        [22, 4],
        [21, 4],
        [1, 4],
      ],
      joined(u32(2 ** 32 - 5000), u32(1000), u32(1)),
      { sysUpTimeMs: 3000 },
    );
    expect(line).toMatchObject({ FLOW_START_MILLISECONDS: EXPORT_MS - 8000, FLOW_END_MILLISECONDS: EXPORT_MS - 2000 });
    const [v5] = new DecodingHarness().lines(
      v5Datagram([v5Record({ first: 2 ** 32 - 5000, last: 1000 })], { sysUpTimeMs: 3000 }),
    );
    expect(v5).toMatchObject({ FLOW_START_MILLISECONDS: EXPORT_MS - 8000, FLOW_END_MILLISECONDS: EXPORT_MS - 2000 });
  });

  it('first later than sysUpTime, and later than last, are taken as they are', () => {
    const line = v9Line(
      [
        [22, 4],
        [21, 4],
        [1, 4],
      ],
      joined(u32(3500), u32(2500), u32(1)),
      { sysUpTimeMs: 3000 },
    );
    expect(line).toMatchObject({ FLOW_START_MILLISECONDS: EXPORT_MS + 500, FLOW_END_MILLISECONDS: EXPORT_MS - 500 });
  });

  it('IPFIX 21 and 22 with element 160: in the record, in options, missing', () => {
    const init = EXPORT_MS - 3_600_000;
    const relative: Field[] = [
      [22, 4],
      [21, 4],
      [1, 4],
    ];
    const record = joined(u32(1_000_000), u32(2_000_000), u32(1));
    const expected = { FLOW_START_MILLISECONDS: init + 1_000_000, FLOW_END_MILLISECONDS: init + 2_000_000 };
    expect(ipfixLine([...relative, [160, 8]], joined(record, u64(init)))).toMatchObject(expected);
    expect(ipfixLine([[160, 8], ...relative], joined(u64(init), record))).toMatchObject(expected);
    const harness = new DecodingHarness();
    const data = message([templateSet(256, relative), dataSet(256, record)]);
    const [without] = harness.lines(data);
    expect(without).toMatchObject({ FIRST_SWITCHED: 1_000_000, LAST_SWITCHED: 2_000_000 });
    expect(without).not.toHaveProperty('FLOW_START_MILLISECONDS');
    harness.lines(message([optionsTemplateSet(257, [[149, 4]], [[160, 8]]), dataSet(257, joined(u32(1), u64(init)))]));
    expect(harness.lines(data)[0]).toMatchObject(expected);
  });

  it('seconds and milliseconds both: the finer wins', () => {
    const fields: Field[] = [
      [150, 4],
      [152, 8],
      [1, 4],
    ];
    expect(ipfixLine(fields, joined(u32(5), u64(EXPORT_MS - 1), u32(1)))).toMatchObject({
      FLOW_START_MILLISECONDS: EXPORT_MS - 1,
    });
  });
});

describe('counters and events', () => {
  it('Cisco ASA: 231/232 and 298/299 are the two directions', () => {
    const record = joined(u64(1000), u64(2000), u32(10), u32(20), u8(2), u64(EXPORT_MS - 100));
    const line = ipfixLine(
      [
        [231, 8],
        [232, 8],
        [298, 4],
        [299, 4],
        [233, 1],
        [323, 8],
      ],
      record,
    );
    expect(line).toMatchObject({ RECORD_TYPE: 'flow', IN_BYTES: 1000, OUT_BYTES: 2000, IN_PKTS: 10, OUT_PKTS: 20 });
    expect(line).toMatchObject({
      FIREWALL_EVENT: 2,
      FLOW_START_MILLISECONDS: EXPORT_MS - 100,
      FLOW_END_MILLISECONDS: EXPORT_MS - 100,
    });
  });

  it('Cisco ASA: created and denied are events without counters', () => {
    const line = v9Line(
      [
        [8, 4],
        [12, 4],
        [233, 1],
        [33002, 2],
        [323, 8],
      ],
      joined(ipv4('10.0.0.1'), ipv4('10.0.0.2'), u8(3), u16(1001), u64(EXPORT_MS)),
    );
    expect(line).toMatchObject({ RECORD_TYPE: 'event', FIREWALL_EVENT: 3 });
    expect(line).not.toHaveProperty('IN_BYTES');
    expect(Object.values(line)).toContain(1001);
  });

  it('octets zero with totals in 85 and 86: the totals', () => {
    const fields: Field[] = [
      [1, 4],
      [2, 4],
      [85, 8],
      [86, 8],
    ];
    const big = 2 ** 40 + 5;
    const records = Array.from({ length: 300 }, () => joined(u32(0), u32(0), u64(big), u64(7)));
    const harness = new DecodingHarness();
    // More records than are read by steps: compiled code writes 64 bits where the delta has 32.
    for (const line of harness.lines(message([templateSet(256, fields), dataSet(256, ...records)]))) {
      expect(line).toMatchObject({ IN_BYTES: big, IN_PKTS: 7 });
    }
    expect(ipfixLine(fields, joined(u32(1), u32(1), u64(big), u64(7)))).toMatchObject({ IN_BYTES: 1, IN_PKTS: 1 });
    expect(
      ipfixLine(
        [
          [85, 8],
          [86, 4],
        ],
        joined(u64(big), u32(7)),
      ),
    ).toMatchObject({ IN_BYTES: big, IN_PKTS: 7 });
  });
});

describe('framing', () => {
  it('Palo Alto: one FlowSet in a datagram filled up with zeros', () => {
    const harness = new DecodingHarness();
    const packet = joined(v9Packet([v9TemplateSet(256, [[1, 4]]), v9DataSet(256, u32(5))], { count: 1 }), zeros(1300));
    expect(harness.lines(packet)).toHaveLength(1);
    expect(harness.counters.faults.set_length_invalid).toBe(0);
  });

  it('H3C: variable length in v9, fields behind it too', () => {
    const fields: Field9[] = [
      [1, 4],
      [82, 65535],
      [2, 4],
      [95, 65535],
      [10, 2],
    ];
    const record = joined(u32(5), variable('GigabitEthernet1/0/1'), u32(6), variable(hex('03000050')), u16(7));
    expect(v9Line(fields, record)).toMatchObject({
      IN_BYTES: 5,
      INTERFACE_NAME: 'GigabitEthernet1/0/1',
      IN_PKTS: 6,
      APPLICATION_ID: '3:80',
      INPUT_SNMP: 7,
    });
  });
});

describe('one address with changing ports', () => {
  it('the domain decides: Templates and names are shared', () => {
    const harness = new DecodingHarness();
    const learn = [
      templateSet(256, [
        [10, 4],
        [1, 4],
      ]),
      optionsTemplateSet(257, [[10, 4]], [[82, VARIABLE]]),
      dataSet(257, joined(u32(7), variable('seven'))),
    ];
    harness.lines(message(learn, { domain: 5 }), { port: 1000 });
    for (let port = 1001; port < 1300; port++) {
      const [line] = harness.lines(message([dataSet(256, joined(u32(7), u32(port)))], { domain: 5 }), { port });
      expect(line).toMatchObject({ IN_BYTES: port, INPUT_INTERFACE_NAME: 'seven', EXPORTER_TRANSPORT_PORT: port });
    }
    expect(harness.lines(message([dataSet(256, zeros(8))], { domain: 6 }), { port: 1001 })).toEqual([]);
    expect(harness.counters.templateBorrowed).toBe(299);
  });

  it('a collision of two senders behind one address is counted, and each keeps its own Template', () => {
    const harness = new DecodingHarness();
    harness.lines(message([templateSet(256, [[1, 4]])]), { port: 1 });
    harness.lines(message([templateSet(256, [[2, 4]])]), { port: 2 });
    expect(harness.decoding.sessions.templateCollisions).toBe(1);
    expect(harness.lines(message([dataSet(256, u32(9))]), { port: 1 })[0]).toMatchObject({ IN_BYTES: 9 });
    expect(harness.lines(message([dataSet(256, u32(9))]), { port: 2 })[0]).toMatchObject({ IN_PKTS: 9 });
  });
});

describe('data before its Template', () => {
  it('is decoded once it comes, from another port too, and after its session has gone', () => {
    const harness = new DecodingHarness({ maxSessions: 2 });
    const data = message([dataSet(256, u32(9))]);
    const learn = message([templateSet(256, [[1, 4]])]);
    harness.decode(data, { port: 1 });
    harness.decode(data, { port: 1, address: '192.0.2.9' });
    harness.decode(data, { port: 1, address: '192.0.2.10' });
    expect(harness.decoding.sessions.sessionsEvicted).toBe(1);
    expect(harness.lines(learn, { port: 2 })).toMatchObject([{ IN_BYTES: 9 }]);
    expect(harness.lines(learn, { port: 1, address: '192.0.2.10' })).toMatchObject([
      { IN_BYTES: 9, EXPORTER_TRANSPORT_PORT: 1 },
    ]);
    expect(harness.problems()).toEqual([]);
  });

  it('does not make its records look lost or repeated', () => {
    const harness = new DecodingHarness();
    const learn = (sequence: number) => message([templateSet(256, [[1, 4]]), dataSet(256, u32(1))], { sequence });
    harness.decode(message([dataSet(256, u32(1), u32(2), u32(3))], { sequence: 100 }));
    harness.decode(learn(103));
    harness.decode(learn(104));
    harness.decode(learn(106));
    const { sequenceLost, sequenceDuplicates, sequenceReordered, flowRecords } = harness.counters;
    expect([sequenceLost, sequenceDuplicates, sequenceReordered, flowRecords]).toEqual([1, 0, 0, 6]);
  });
});

it('names of an interface, VRF and application come from options and go with a new message', () => {
  const harness = new DecodingHarness();
  harness.lines([
    message([
      optionsTemplateSet(300, [[10, 4]], [[82, 8]]),
      optionsTemplateSet(301, [[234, 4]], [[236, 8]]),
      optionsTemplateSet(302, [[95, 4]], [[96, 8]]),
      dataSet(300, joined(u32(1), text('eth1', 8)), joined(u32(2), text('eth2', 8))),
      dataSet(301, joined(u32(5), text('red', 8))),
      dataSet(302, joined(hex('03000050'), text('http', 8))),
      templateSet(256, [
        [10, 4],
        [14, 4],
        [234, 4],
        [235, 4],
        [95, 4],
        [1, 4],
      ]),
      dataSet(
        256,
        joined(u32(1), u32(2), u32(5), u32(6), hex('03000050'), u32(1)),
        joined(u32(9), u32(9), u32(9), u32(9), hex('03000051'), u32(1)),
      ),
    ]),
  ]);
  const [first, second] = harness.lines(
    message([
      dataSet(
        256,
        joined(u32(1), u32(2), u32(5), u32(6), hex('03000050'), u32(1)),
        joined(zeros(16), hex('03000051'), u32(1)),
      ),
    ]),
  );
  expect(first).toMatchObject({
    INPUT_INTERFACE_NAME: 'eth1',
    OUTPUT_INTERFACE_NAME: 'eth2',
    INGRESS_VRF_NAME: 'red',
    APPLICATION_NAME: 'http',
  });
  expect(first).not.toHaveProperty('EGRESS_VRF_NAME');
  for (const key of ['INPUT_INTERFACE_NAME', 'INGRESS_VRF_NAME', 'APPLICATION_NAME'])
    expect(second).not.toHaveProperty(key);
  // Another Exporter with the same Template and no options: nothing of the first one's names.
  const other = { address: '192.0.2.77' };
  const learn = templateSet(256, [
    [10, 4],
    [14, 4],
    [234, 4],
    [235, 4],
    [95, 4],
    [1, 4],
  ]);
  const record = joined(u32(1), u32(2), u32(5), u32(6), hex('03000050'), u32(1));
  harness.lines(message([dataSet(256, record)]));
  const [foreign] = harness.lines(message([learn, dataSet(256, record)]), other);
  expect(foreign).toMatchObject({ INPUT_SNMP: 1, OUTPUT_SNMP: 2 });
  expect(Object.keys(foreign!).filter((key) => key.includes('NAME'))).toEqual([]);
});

describe('Templates of the same fields', () => {
  const ID_AND_OCTETS = (line: Record<string, unknown>) => [line['TEMPLATE_ID'], line['IN_BYTES']];

  it('by turns: each record under the id of its own, in one message and after waiting', () => {
    const harness = new DecodingHarness();
    const fields: Field[] = [[1, 4]];
    const first = harness.lines(
      message([
        templateSet(256, fields),
        templateSet(257, fields),
        dataSet(256, u32(1)),
        dataSet(257, u32(2)),
        dataSet(256, u32(3)),
      ]),
    );
    expect(first.map(ID_AND_OCTETS)).toEqual([
      [256, 1],
      [257, 2],
      [256, 3],
    ]);
    expect(harness.lines(message([dataSet(258, u32(4))]))).toEqual([]);
    const waited = harness.lines(message([templateSet(258, fields), dataSet(257, u32(5))]));
    expect(waited.map(ID_AND_OCTETS)).toEqual([
      [258, 4],
      [257, 5],
    ]);
  });

  it('one of them redefined: the others stay as they are', () => {
    const harness = new DecodingHarness();
    const fields: Field[] = [[1, 4]];
    harness.lines(message([templateSet(256, fields), templateSet(257, fields), dataSet(256, u32(1))]));
    harness.lines(message([dataSet(257, u32(2)), templateSet(256, [[2, 4]])]));
    const lines = harness.lines(message([dataSet(256, u32(3)), dataSet(257, u32(4))]));
    expect(lines.map((line) => [line['TEMPLATE_ID'], line['IN_BYTES'], line['IN_PKTS']])).toEqual([
      [256, undefined, 3],
      [257, 4, undefined],
    ]);
  });

  it('of v9 and of IPFIX, whose numbers above 127 are not the same elements', () => {
    const harness = new DecodingHarness();
    const [ipfix] = harness.lines(message([templateSet(256, [[8192, 4]]), dataSet(256, u32(7))]));
    const [netflow9] = harness.lines(v9Packet([v9TemplateSet(256, [[8192, 4]]), v9DataSet(256, u32(7))]));
    expect(ipfix).toMatchObject({ EXPORT_PROTOCOL_VERSION: 10, '0.8192': '00000007' });
    expect(netflow9).toMatchObject({ EXPORT_PROTOCOL_VERSION: 9, streamcoreWanRtt: 7 });
  });

  it('of options: each record under the id of its own, and none of a Template of data', () => {
    const harness = new DecodingHarness();
    const fields: Field[] = [
      [149, 4],
      [40, 8],
    ];
    const lines = harness.lines(
      message([
        optionsTemplateSet(256, fields.slice(0, 1), fields.slice(1)),
        optionsTemplateSet(257, fields.slice(0, 1), fields.slice(1)),
        templateSet(258, fields),
        dataSet(256, u32(7), u64(8)),
        dataSet(257, u32(7), u64(9)),
        dataSet(258, u32(7), u64(10)),
      ]),
    );
    expect(lines.map((line) => [line['RECORD_TYPE'], line['TEMPLATE_ID'], line['TOTAL_BYTES_EXP']])).toEqual([
      ['options', 256, 8],
      ['options', 257, 9],
      ['event', 258, 10],
    ]);
  });
});
