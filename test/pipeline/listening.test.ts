import { deflateSync } from 'node:zlib';
import { describe, expect, it } from 'vitest';
import { LISTEN_FAULTS } from '../../src/metrics/listen-counters.ts';
import { doubledKeys, lineProblems } from '../support/json-line.ts';
import { ARRIVAL_MS, agentExamples, ListeningHarness } from '../support/listening-harness.ts';
import { header0, header1, header2, header3, type TlvItem, tlv, tlvItem } from '../support/ntopng-message.ts';
import { Random } from '../support/random.ts';

const ORIGIN = {
  EXPORTER_IPV4_ADDRESS: '192.0.2.9',
  EXPORTER_TRANSPORT_PORT: 5556,
  EXPORT_PROTOCOL: 'ntopng',
  EXPORT_PROTOCOL_VERSION: 1,
  OBSERVATION_DOMAIN_ID: 7,
  EXPORT_TIME_MILLISECONDS: ARRIVAL_MS,
  EXPORT_SEQUENCE_NUMBER: 3,
};
const HEADER = header1({ messageId: 3, sourceId: 7 });

/** The one line of a message, without what says where it comes from. */
function flowOf(harness: ListeningHarness, ...frames: readonly (Uint8Array | string)[]) {
  const lines = harness.lines(...frames);
  expect(lines).toHaveLength(1);
  expect(harness.listening.lastInternalError).toBe('');
  return Object.fromEntries(
    Object.entries(lines[0]!).filter(([key]) => !(key in ORIGIN) || key === 'EXPORTER_IPV4_ADDRESS'),
  );
}

const FLOW_ITEMS: readonly TlvItem[] = [
  [8, 'u32', 0x0a000001],
  [12, 'text', '10.0.0.2'],
  [7, 'u16', 40000],
  [11, 'u16', 443],
  [4, 'u8', 6],
  [1, 'u32', 1500],
  [2, 'u8', 3],
  [23, 'u32', 700],
  [24, 'u8', 2],
  [22, 'u32', 1_699_999_990],
  [21, 'u32', 1_699_999_999],
];
const FLOW_LINE = {
  RECORD_TYPE: 'flow',
  EXPORTER_IPV4_ADDRESS: '192.0.2.9',
  IPV4_SRC_ADDR: '10.0.0.1',
  IPV4_DST_ADDR: '10.0.0.2',
  L4_SRC_PORT: 40000,
  L4_DST_PORT: 443,
  PROTOCOL: 6,
  IN_BYTES: 1500,
  IN_PKTS: 3,
  OUT_BYTES: 700,
  OUT_PKTS: 2,
  FLOW_START_MILLISECONDS: 1_699_999_990_000,
  FLOW_END_MILLISECONDS: 1_699_999_999_000,
  SAMPLING_ORIGIN: 'unknown',
};

describe('flows of ntop feeds', () => {
  it('says where a flow comes from', () => {
    expect(new ListeningHarness().lines(HEADER, tlv(FLOW_ITEMS))).toEqual([{ ...ORIGIN, ...FLOW_LINE }]);
  });

  it('calls them by IANA names too', () => {
    const [line] = new ListeningHarness('iana').lines(HEADER, tlv(FLOW_ITEMS));
    expect(line).toMatchObject({
      exportProtocol: 'ntopng',
      octetDeltaCount: 1500,
      reverseOctetDeltaCount: 700,
      reversePacketDeltaCount: 2,
    });
  });

  it('takes keys as numbers, PEN.id, ntop and IANA names, in TLV and JSON', () => {
    const harness = new ListeningHarness();
    const keys = [
      [57640, 57844, 57590, 57595],
      ['57640', '57844', '57590', '57595'],
      ['35632.168', '35632.372', '35632.118', '35632.123'],
      ['35632.57640', '35632.57844', '35632.57590', '35632.57595'],
      ['SRC_PROC_PID', 'SRC_PROC_USER_NAME', 'L7_PROTO', 'CLIENT_NW_LATENCY_MS'],
    ] as const;
    for (const [pid, user, application, latency] of keys) {
      const expected = {
        RECORD_TYPE: 'event',
        EXPORTER_IPV4_ADDRESS: '192.0.2.9',
        SAMPLING_ORIGIN: 'unknown',
        L7_PROTO: 7,
        SRC_PROC_PID: 12,
        SRC_PROC_USER_NAME: 'root',
        CLIENT_NW_LATENCY_MS: 1.25,
      };
      const items: TlvItem[] = [
        [pid, 'u8', 12],
        [user, 'text', 'root'],
        [application, 'u8', 7],
        [latency, 'float', 1.25],
      ];
      expect(flowOf(harness, HEADER, tlv(items))).toEqual(expected);
      const json = JSON.stringify({ [pid]: 12, [user]: 'root', [application]: '7', [latency]: 1.25 });
      expect(flowOf(harness, header1({ version: 2 }), json)).toEqual(expected);
    }
    expect(flowOf(harness, HEADER, tlv([['octetDeltaCount', 'u8', 5]]))).toMatchObject({ IN_BYTES: 5 });
    expect(flowOf(harness, HEADER, tlv([['0.8', 'text', '10.9.8.7']]))).toMatchObject({ IPV4_SRC_ADDR: '10.9.8.7' });
  });

  it('keeps every digit of a counter', () => {
    const harness = new ListeningHarness();
    harness.lines(HEADER, tlv([[1, 'u64', 18446744073709551615n]]));
    expect(harness.text).toContain('"IN_BYTES":18446744073709551615,');
    harness.lines(
      header0(),
      '{"IN_BYTES":18446744073709551615,"IN_PKTS":"9007199254740993","OTHER":-9223372036854775808}',
    );
    expect(harness.text).toContain('"IN_BYTES":18446744073709551615,"IN_PKTS":9007199254740993,');
    expect(harness.text).toContain('"OTHER":-9223372036854775808');
  });

  it('writes the same with generated code and without, however many flows come', () => {
    const payload = tlv([...FLOW_ITEMS, [57595, 'float', 0.5], ['X', 'text', 'ä"\n'], [57652, 'text', '/a']]);
    const [interpreted, compiled] = [false, true].map((codeGeneration) => {
      const harness = new ListeningHarness('ntop', codeGeneration);
      for (let i = 0; i < 300; i++) harness.take(header1({ messageId: i }), payload);
      return harness.takeText();
    });
    expect(interpreted).toBe(compiled);
    expect(interpreted?.split('\n')).toHaveLength(301);
  });

  it('takes the Exporter from the record, from the probe, or from the endpoint', () => {
    const harness = new ListeningHarness();
    const lineOf = (...items: TlvItem[]) => flowOf(harness, HEADER, tlv([...FLOW_ITEMS, ...items]));
    expect(lineOf([130, 'text', '198.51.100.1'])).toMatchObject({ EXPORTER_IPV4_ADDRESS: '198.51.100.1' });
    expect(lineOf([57943, 'text', '198.51.100.2'])).toMatchObject({
      EXPORTER_IPV4_ADDRESS: '198.51.100.2',
      NPROBE_IPV4_ADDRESS: '198.51.100.2',
    });
    expect(lineOf([57943, 'text', '198.51.100.2'], [130, 'text', '198.51.100.1'])).toMatchObject({
      EXPORTER_IPV4_ADDRESS: '198.51.100.1',
    });
    const [ipv6] = harness.lines(HEADER, tlv([...FLOW_ITEMS, [131, 'text', '2001:DB8::1']]));
    expect(ipv6).toMatchObject({ EXPORTER_IPV6_ADDRESS: '2001:db8::1' });
    expect(ipv6).not.toHaveProperty('EXPORTER_IPV4_ADDRESS');
    expect(lineOf([130, 'text', 'x.x.x.x'])).toMatchObject({ EXPORTER_IPV4_ADDRESS: '192.0.2.9' });
    expect(lineOf([130, 'text', '0.0.0.0'])).toMatchObject({ EXPORTER_IPV4_ADDRESS: '192.0.2.9' });
    harness.take(header1({ topic: 'event', version: 2, sourceId: 7 }), '{"probe":{"ip":"203.0.113.5"}}');
    expect(lineOf()).toMatchObject({ EXPORTER_IPV4_ADDRESS: '203.0.113.5' });
    const [other] = harness.lines(header1({ sourceId: 8 }), tlv(FLOW_ITEMS));
    expect(other).toMatchObject({ EXPORTER_IPV4_ADDRESS: '192.0.2.9' });
  });

  it('leaves out the addresses of the version that a flow does not have', () => {
    const harness = new ListeningHarness();
    const v4 = flowOf(harness, HEADER, tlv([...FLOW_ITEMS, [27, 'text', '::'], [28, 'text', '::']]));
    expect(v4).toEqual(FLOW_LINE);
    const v6 = flowOf(
      harness,
      HEADER,
      tlv([
        [8, 'text', '0.0.0.0'],
        [12, 'u8', 0],
        [27, 'text', '2001:db8::1'],
        [28, 'text', 'ff02::1'],
        [1, 'u8', 9],
      ]),
    );
    expect(v6).toEqual({
      RECORD_TYPE: 'flow',
      EXPORTER_IPV4_ADDRESS: '192.0.2.9',
      IPV6_SRC_ADDR: '2001:db8::1',
      IPV6_DST_ADDR: 'ff02::1',
      IN_BYTES: 9,
      SAMPLING_ORIGIN: 'unknown',
    });
  });

  it('reads what ntopng shows as text: reasons, applications, MAC addresses', () => {
    const harness = new ListeningHarness();
    const line = flowOf(
      harness,
      HEADER,
      tlv([
        [136, 'text', 'Idle timeout'],
        [57590, 'text', '5.26'],
        [56, 'text', '00:1B:21:00:00:01'],
        [95, 'text', '13:431'],
        [34, 'u16', 100],
        [300, 'u8', 4],
        [225, 'text', '10.0.0.9'],
        ['POST_NAT_SRC_TRANSPORT_PORT', 'u16', 999],
      ]),
    );
    expect(line).toMatchObject({
      FLOW_END_REASON: 1,
      L7_PROTO: 26,
      L7_MASTER_PROTO: 5,
      IN_SRC_MAC: '00:1b:21:00:00:01',
      APPLICATION_ID: '13:431',
      // Counters of feeds are multiplied by it already.
      PROBE_SAMPLING_INTERVAL: 100,
      SAMPLING_ORIGIN: 'unknown',
      OBSERVATION_POINT_ID: 4,
      POST_NAT_SRC_IPV4_ADDR: '10.0.0.9',
      POST_NAPT_SRC_TRANSPORT_PORT: 999,
    });
    expect(line).not.toHaveProperty('SAMPLING_INTERVAL');
  });

  it('keeps what does not fit its field under another key, and counts it', () => {
    const harness = new ListeningHarness();
    const line = flowOf(
      harness,
      header0(),
      '{"L4_SRC_PORT":70000,"IPV4_SRC_ADDR":"nobody","PROTOCOL":-1,"IN_BYTES":1}',
    );
    expect(line).toEqual({
      RECORD_TYPE: 'flow',
      EXPORTER_IPV4_ADDRESS: '192.0.2.9',
      IN_BYTES: 1,
      SAMPLING_ORIGIN: 'unknown',
      '0.7': 70000,
      '0.8': 'nobody',
      '0.4': -1,
    });
    harness.take(HEADER, tlv(FLOW_ITEMS));
    expect(harness.counters.faults.value_invalid).toBe(3);
  });

  it('takes the first of several values for one thing', () => {
    const harness = new ListeningHarness();
    const line = flowOf(
      harness,
      HEADER,
      tlv([
        [1, 'u8', 5],
        ['IN_BYTES', 'u8', 6],
        ['35632.180', 'text', 'a'],
        [57652, 'text', 'b'],
        ['HTTP_URL', 'text', 'c'],
      ]),
    );
    expect(line).toMatchObject({ IN_BYTES: 5, HTTP_URL: 'a' });
    expect(doubledKeys(harness.text.trim())).toEqual([]);
    // Milliseconds are finer than seconds, and initiator counts are second to deltas.
    const times = flowOf(harness, header0(), '{"22":1700000000,"152":1700000000123,"231":9,"1":8}');
    expect(times).toMatchObject({ FLOW_START_MILLISECONDS: 1_700_000_000_123, IN_BYTES: 8 });
  });

  it('takes arrays of records, and lines of our own', () => {
    const harness = new ListeningHarness();
    expect(harness.lines(header0(), '[{"IN_BYTES":1},{"IN_BYTES":2}]').map((line) => line['IN_BYTES'])).toEqual([1, 2]);
    const [line] = harness.lines(HEADER, tlv(FLOW_ITEMS));
    const own = harness.text;
    const [first, second] = harness.lines('flow', own + own);
    expect(second).toEqual(first);
    const { OBSERVATION_DOMAIN_ID: _, EXPORT_SEQUENCE_NUMBER: __, ...kept } = line!;
    expect(first).toEqual({ ...kept, EXPORT_PROTOCOL_VERSION: 0 });
    const sampled = '{"IN_BYTES":5,"SAMPLING_INTERVAL":10,"SAMPLING_ORIGIN":"option"}';
    expect(flowOf(harness, 'flow', sampled)).toMatchObject({ SAMPLING_INTERVAL: 10, SAMPLING_ORIGIN: 'option' });
  });

  it('learns names from templates', () => {
    const harness = new ListeningHarness();
    const template = [
      { PEN: 0, field: 1, len: 4, format: 'formatted_uint', name: 'MY_OCTETS', descr: '' },
      { PEN: 35632, field: 180, len: 4, format: 'ascii', name: 'MY_URL', descr: '' },
      { PEN: 64512, field: 5, len: 4, format: 'formatted_uint', name: 'MY_OWN', descr: '' },
      { PEN: 64512, field: 6, len: 4, format: 'formatted_uint', name: 'IN_PKTS', descr: '' },
    ];
    harness.take(header1({ topic: 'template', version: 2 }), JSON.stringify(template));
    const line = flowOf(harness, header0(), '{"MY_OCTETS":5,"MY_URL":"/x","MY_OWN":6,"IN_PKTS":7}');
    expect(line).toMatchObject({ IN_BYTES: 5, HTTP_URL: '/x', MY_OWN: 6, IN_PKTS: 7 });
  });

  it('names interfaces as the feed told', () => {
    const harness = new ListeningHarness();
    harness.take(header1({ topic: 'snmp-ifaces', version: 2 }), '{"198.51.100.1":{"3":"Gi0/3","x":1}}');
    const items: TlvItem[] = [
      [130, 'text', '198.51.100.1'],
      [10, 'u8', 3],
      [14, 'u8', 4],
    ];
    expect(flowOf(harness, HEADER, tlv(items))).toMatchObject({
      INPUT_SNMP: 3,
      INPUT_INTERFACE_NAME: 'Gi0/3',
      OUTPUT_SNMP: 4,
    });
    expect(flowOf(harness, HEADER, tlv(items.slice(1)))).not.toHaveProperty('INPUT_INTERFACE_NAME');
  });
});

describe('other messages of ntop feeds', () => {
  it('takes counters as JSON and as TLV', () => {
    const harness = new ListeningHarness();
    const json = {
      deviceIP: 0xc0000205,
      samplesGenerated: 4,
      ifIndex: 2,
      ifName: 'eth0',
      ifInOctets: 18,
      ifOutOctets: 9,
    };
    const expected = {
      ...ORIGIN,
      RECORD_TYPE: 'counters',
      ...json,
      deviceIP: '192.0.2.5',
      EXPORTER_IPV4_ADDRESS: '192.0.2.5',
    };
    const header = { topic: 'counter', messageId: 3, sourceId: 7 };
    expect(harness.lines(header1({ ...header, version: 2 }), JSON.stringify(json))).toEqual([expected]);
    // One record without its end.
    const items: TlvItem[] = [
      [0, 'text', '192.0.2.5'],
      [1, 'u8', 4],
      [2, 'u8', 2],
      ['ifName', 'text', 'eth0'],
      [9, 'u8', 18],
      [12, 'u8', 9],
    ];
    const octets = Buffer.concat([Buffer.from([1, 1]), ...items.map(tlvItem)]);
    expect(harness.lines(header1(header), octets)).toEqual([expected]);
    expect(harness.counters).toMatchObject({ countersRecords: 2, flowRecords: 0 });
  });

  it('takes options, and counts the rest', () => {
    const harness = new ListeningHarness();
    const option = { PEN: 8741, field: 22, value: 1, map: { name: 'Skype' } };
    expect(
      harness.lines(header1({ topic: 'option', version: 2, messageId: 3, sourceId: 7 }), JSON.stringify(option)),
    ).toEqual([{ ...ORIGIN, RECORD_TYPE: 'options', ...option }]);
    for (const topic of ['hello', 'message', 'listening-ports', 'event', 'template', 'snmp-ifaces']) {
      expect(harness.lines(header1({ topic, version: 2 }), topic === 'template' ? '[]' : '{}'), topic).toEqual([]);
    }
    expect(harness.counters).toMatchObject({
      messagesReceived: 7,
      messagesDecoded: 7,
      otherMessages: 2,
      listeningPortsMessages: 1,
      statusMessages: 1,
      templateMessages: 1,
      interfaceNameMessages: 1,
      optionsRecords: 1,
    });
  });

  it('keeps sources apart, and tells losses from restarts', () => {
    const harness = new ListeningHarness();
    for (const [sourceId, messageId] of [
      [1, 10],
      [2, 500],
      [1, 11],
      [1, 14],
      [2, 501],
      [2, 1],
    ] as const) {
      harness.take(header2({ sourceId, messageId }), tlv(FLOW_ITEMS));
    }
    const rows = harness.listening.sources
      .list()
      .map(({ sourceId, counters }) => [sourceId, counters.messagesLost, counters.restarts]);
    expect(rows).toEqual([
      [1, 2, 0],
      [2, 0, 1],
    ]);
  });
});

describe('records of ntop agents', () => {
  it('keeps the nested records and fills the flat fields', () => {
    const event = {
      timestamp: '1556532594.175074',
      INTERFACE_NAME: 'eth0',
      LOCAL_PROCESS: {
        PID: 7,
        UID: 8,
        UID_NAME: 'web',
        GID: 9,
        PROCESS_PATH: '/usr/bin/web',
        PROCESS_CMDLINE: 'web -x',
      },
      LOCAL_FATHER_PROCESS: { PID: 1, UID: 0, UID_NAME: 'root', PROCESS_PATH: '/sbin/init' },
      LOCAL_CONTAINER: { K8S: { ID: 'abc', NAME: 'n', POD: 'p', NS: 's' } },
      REMOTE_PROCESS: { PID: 70, UID: 80, PROCESS_PATH: '/usr/bin/client' },
      REMOTE_CONTAINER: { DOCKER: { ID: 'def', NAME: 'm' } },
      TCP_EVENT_TYPE: 'CLOSE',
      IP_PROTOCOL_VERSION: 4,
      PROTOCOL: 6,
      IPV4_SRC_ADDR: '10.0.0.1',
      NW_LATENCY_MS: 0.25,
      TCP: { RTT: 4.144 },
    };
    const { LOCAL_CONTAINER: _, IPV4_SRC_ADDR: __, IP_PROTOCOL_VERSION: ___, PROTOCOL: ____, ...kept } = event;
    expect(flowOf(new ListeningHarness(), header0(), JSON.stringify(event))).toEqual({
      ...kept,
      RECORD_TYPE: 'event',
      EXPORTER_IPV4_ADDRESS: '192.0.2.9',
      IPV4_SRC_ADDR: '10.0.0.1',
      PROTOCOL: 6,
      IP_PROTOCOL_VERSION: 4,
      FLOW_START_MILLISECONDS: 1_556_532_594_175,
      FLOW_END_MILLISECONDS: 1_556_532_594_175,
      SAMPLING_ORIGIN: 'unknown',
      SRC_PROC_PID: 7,
      SRC_PROC_UID: 8,
      SRC_PROC_USER_NAME: 'web',
      SRC_PROC_NAME: '/usr/bin/web',
      SRC_PROC_CMDLINE: 'web -x',
      SRC_FATHER_PROC_PID: 1,
      SRC_FATHER_PROC_UID: 0,
      SRC_FATHER_PROC_USER_NAME: 'root',
      SRC_FATHER_PROC_NAME: '/sbin/init',
      SRC_PROC_CONTAINER_ID: 'abc',
      DST_PROC_PID: 70,
      DST_PROC_UID: 80,
      DST_PROC_NAME: '/usr/bin/client',
      DST_PROC_CONTAINER_ID: 'def',
      LOCAL_CONTAINER: { KUBE: { ID: 'abc', NAME: 'n', POD: 'p', NS: 's' } },
    });
  });

  const examples = agentExamples();
  if (examples === undefined) it.skip('takes every printed example (skipped: ../shared is not here)', () => {});
  else {
    it.each(examples)('takes printed example %#', ({ text, isCounters }) => {
      for (const topic of isCounters ? ['flow', 'counter'] : ['flow']) {
        const harness = new ListeningHarness();
        const [line, ...others] = harness.lines(header0({ topic }), text);
        expect(others).toEqual([]);
        expect(lineProblems(harness.text, 'ntop')).toEqual([]);
        // What a reader takes from the print, independently: numbers and short texts by their keys.
        const timestamp = /"timestamp": "([0-9.]+)"/.exec(text)![1]!;
        expect(line).toMatchObject({
          RECORD_TYPE: isCounters ? 'counters' : 'event',
          timestamp,
          EXPORT_PROTOCOL: 'ntopng',
        });
        if (isCounters) {
          for (const [, key, value] of text.matchAll(/"(if\w+)":\s*(\d+)/g))
            expect(line).toHaveProperty(key!, Number(value));
          const name = /"(?:KUBE|DOCKER)":\s*{\s*"NAME":\s*"([^"]+)"/.exec(text)![1];
          expect(Object.values(line!['LOCAL_CONTAINER'])[0]).toMatchObject({ NAME: name });
          continue;
        }
        expect(line).toMatchObject({
          FLOW_START_MILLISECONDS: Math.floor(Number(timestamp) * 1000),
          PROTOCOL: Number(/"PROTOCOL": (\d+)/.exec(text)![1]),
          L4_SRC_PORT: Number(/"L4_LOCAL_PORT":\s*(\d+)/.exec(text)![1]),
          L4_DST_PORT: Number(/"L4_REMOTE_PORT":\s*(\d+)/.exec(text)![1]),
          SRC_PROC_PID: Number(/"(?:PID|PROCESS_ID)":\s*(\d+)/.exec(text)![1]),
          SRC_PROC_UID: Number(/"(?:UID|USER_ID)":\s*(\d+)/.exec(text)![1]),
        });
        const paths = [...text.matchAll(/"PROCESS_PATH":\s*"([^"]*)"/g)].map(([, path]) =>
          path!.replace(/\s/g, '').replace(/\\\/?/g, '/'),
        );
        expect([line!['SRC_PROC_NAME'], line!['SRC_FATHER_PROC_NAME']].filter((path) => path !== undefined)).toEqual(
          paths,
        );
        expect(paths[0]).toMatch(/^\/usr\/[a-z/]+$/);
        for (const key of ['LOCAL_PROCESS', 'LOCAL_FATHER_PROCESS', 'LOCAL_CONTAINER', 'TCP', 'EVENT_TYPE']) {
          expect(key in line!, key).toBe(text.includes(`"${key}"`));
        }
      }
    });
  }
});

describe('hostile messages', () => {
  const GOOD = tlv(FLOW_ITEMS);

  it('counts each by its reason, and takes the next', () => {
    const harness = new ListeningHarness();
    const bomb = deflateSync(Buffer.alloc(64 * 1024 * 1024));
    const deep = `${'['.repeat(1000)}${']'.repeat(1000)}`;
    const cases: readonly (readonly [string, readonly (Uint8Array | string)[]])[] = [
      ['frame_count_invalid', [HEADER]],
      ['frame_count_invalid', [HEADER, GOOD, GOOD]],
      ['header_size_invalid', [HEADER.subarray(1), GOOD]],
      ['header_version_invalid', [header1({ version: 9 }), GOOD]],
      ['topic_unknown', [header1({ topic: 'ebpf' }), GOOD]],
      ['payload_empty', [HEADER, '']],
      ['inflate_failed', [header1({ version: 2 }), '\0xxx']],
      ['inflate_too_large', [header3({ flags: 6 }), bomb]],
      ['tlv_truncated', [HEADER, GOOD.subarray(0, 19)]],
      ['tlv_type_unsupported', [HEADER, Buffer.from([1, 1, 0x2f, 1])]],
      ['json_invalid', [header0(), '{"a":']],
      ['json_invalid', [header0(), Buffer.from([0x80, 0xff])]],
      ['json_too_deep', [header0(), deep]],
      ['record_shape_invalid', [header0(), '5']],
      ['record_shape_invalid', [header0(), '[[1]]']],
      ['record_shape_invalid', [header1({ topic: 'template', version: 2 }), '{}']],
      ['record_shape_invalid', [header1({ topic: 'event', version: 2 }), '[]']],
      [
        'record_too_long',
        [header0(), JSON.stringify(Object.fromEntries(Array.from({ length: 5000 }, (_, i) => [`k${i}`, i])))],
      ],
    ];
    for (const [reason, frames] of cases) {
      const before = harness.counters.faults[reason as 'json_invalid'];
      expect(harness.take(...frames)).toBe(reason);
      expect(harness.counters.faults[reason as 'json_invalid']).toBe(before + 1);
      harness.takeText();
      expect(flowOf(harness, HEADER, GOOD)).toEqual(FLOW_LINE);
    }
    const { messagesReceived, messagesDecoded, messagesDiscarded } = harness.counters;
    expect(messagesReceived).toBe(2 * cases.length);
    expect(messagesDecoded + messagesDiscarded).toBe(messagesReceived);
  });

  it('writes texts of 64 kB, as many as lines have room for', () => {
    const harness = new ListeningHarness();
    const text = '\u0001'.repeat(65_535);
    const items = Array.from(
      { length: 20 },
      (_, i): TlvItem => [[57652, 57655, 57677, 57641, 57833][i % 5]! + Math.floor(i / 5), 'text', text],
    );
    for (let i = 0; i < 3; i++) {
      const [line] = harness.lines(HEADER, tlv(items));
      expect(line).toMatchObject({ HTTP_URL: text });
      expect(harness.listening.lastInternalError).toBe('');
    }
    expect(
      harness.lines(
        HEADER,
        tlv([
          ['X', 'text', text],
          ['Y', 'text', text],
        ]),
      ),
    ).toMatchObject([{ X: text, Y: text }]);
    expect(flowOf(harness, HEADER, GOOD)).toEqual(FLOW_LINE);
  });

  it.each(['ntop', 'iana'] as const)(
    'survives anything, and stays right, under names of %s',
    { timeout: 120_000 },
    (naming) => {
      const seed = Number(process.env['FUZZ_SEED'] ?? 1);
      const endMs = Date.now() + 1000 * Number(process.env['FUZZ_SECONDS'] ?? 1);
      const random = new Random(seed);
      const harness = new ListeningHarness(naming);
      const names = [
        'IN_BYTES',
        'IPV4_SRC_ADDR',
        'IPV6_DST_ADDR',
        'PROTOCOL',
        'LOCAL_PROCESS',
        'LOCAL_CONTAINER',
        'timestamp',
        '__proto__',
        'json',
        'RECORD_TYPE',
        'recordType',
        'EXPORTER_IPV4_ADDRESS',
        'APPLICATION_ID',
        'IN_SRC_MAC',
        'TUNNEL_TYPE',
        'INPUT_INTERFACE_NAME',
        'FLOW_START_MILLISECONDS',
        'deviceIP',
        'ifIndex',
        'ifInOctets',
        'USER_NAME',
        'constructor',
        '0.8',
        '35632.180',
        '64512.1',
        '34',
        'SAMPLING_INTERVAL',
        'L7_PROTO',
        'x',
      ];
      const scalar = (): unknown =>
        random.pick<() => unknown>([
          () => random.u32(),
          () => -random.below(1000),
          () => random.u32() / 7,
          () => 2 ** 60,
          () => null,
          () => true,
          () => '10.0.0.1',
          () => '::1',
          () => '5.26',
          () => '00:00:00:00:00:01',
          () => '18446744073709551616',
          () => 'x'.repeat(random.below(300)),
          () => '13:431',
          () => ({ PID: random.u32(), UID_NAME: 'x', DOCKER: { ID: 'y' }, K8S: 1 }),
          () => [1, 'a'],
        ])();
      const object = () =>
        Object.fromEntries(Array.from({ length: random.below(12) }, () => [random.pick(names), scalar()]));
      const item = (): TlvItem =>
        random.pick<() => TlvItem>([
          () => [
            random.below(400),
            random.pick(['u8', 'u16', 'u32', 'u64', 'i8', 'i64', 'float'] as const),
            BigInt(random.u32()),
          ],
          () => [57472 + random.below(620), 'text', random.pick(['10.0.0.1', '::', '', '77', 'ä', '"'])],
          () => [random.pick(names), random.pick(['u32', 'i32'] as const), BigInt(random.u32())],
        ])();
      const topics = ['flow', 'flow', 'flow', 'counter', 'event', 'template', 'option', 'snmp-ifaces', 'hello', 'x'];
      let messages = 0;
      for (; messages < 300 || Date.now() < endMs; messages++) {
        const topic = random.pick(topics);
        const header = random.pick([header0, header1, header2, header3])({
          topic,
          messageId: random.u32(),
          sourceId: random.below(5),
          version: random.below(6),
          flags: random.below(8),
        });
        let body: Buffer = random.pick<() => Buffer>([
          () => tlv(...Array.from({ length: random.below(4) }, () => Array.from({ length: random.below(10) }, item))),
          () => Buffer.from(JSON.stringify(random.pick([object, () => [object(), object()], scalar])())),
          () => Buffer.from(random.octets(random.below(64))),
        ])();
        if (random.below(4) === 0) body = Buffer.concat([Buffer.from([0]), deflateSync(body)]);
        for (let i = random.below(4); i > 0 && body.length > 0; i--) {
          const at = random.below(body.length);
          if (random.below(3) === 0) body = body.subarray(0, at);
          else body[at] = random.below(256);
        }
        harness.take(header.subarray(0, random.below(20) === 0 ? random.below(header.length) : header.length), body);
        if (messages % 50 !== 0) continue;
        const found = [harness.listening.lastInternalError, ...lineProblems(harness.takeText(), naming)].filter(
          (problem) => problem !== '',
        );
        expect(found, `seed ${seed}, message ${messages}`).toEqual([]);
        harness.lines(header0(), JSON.stringify({ IPV4_SRC_ADDR: '10.0.0.1', IN_BYTES: 5 }));
        expect(harness.text).toMatch(/"10\.0\.0\.1",".*":5,/);
      }
      const { counters } = harness;
      expect(counters.messagesDecoded + counters.messagesDiscarded).toBe(counters.messagesReceived);
      for (const [name, value] of Object.entries(counters))
        if (name !== 'faults') expect(Number.isSafeInteger(value), name).toBe(true);
      expect(LISTEN_FAULTS.filter((fault) => counters.faults[fault] > 0).length).toBeGreaterThan(8);
    },
  );
});
