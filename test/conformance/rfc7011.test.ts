/** What RFC 7011 asks of a Collecting Process, by section; expected values are the RFC's or decoded by hand. */

import { describe, expect, it } from 'vitest';
import { DecodingHarness } from '../support/decoding-harness.ts';
import {
  dataSet,
  EXPORT_TIME,
  type Field,
  message,
  optionsTemplateRecord,
  optionsTemplateSet,
  set,
  templateRecord,
  templateSet,
  VARIABLE,
  withdrawal,
} from '../support/ipfix-message.ts';
import { hex, ipv4, joined, type Octets, text, u8, u16, u32, u64, variable, zeros } from '../support/wire-octets.ts';

const OCTETS: readonly Field[] = [[1, 4]];

function lineOf(fields: readonly Field[], record: Octets) {
  const harness = new DecodingHarness();
  const [line] = harness.lines(message([templateSet(256, fields), dataSet(256, record)]));
  expect(harness.problems()).toEqual([]);
  return { line: line!, text: harness.text };
}

describe('Appendix A: encoding examples', () => {
  const templates = hex(`
    0002 001c 0100 0005 0008 0004 000c 0004 000f 0004 0002 0004 0001 0004`);
  const records = joined(
    ipv4('192.0.2.12'),
    ipv4('192.0.2.254'),
    ipv4('192.0.2.1'),
    u32(5009),
    u32(5344385),
    ipv4('192.0.2.27'),
    ipv4('192.0.2.23'),
    ipv4('192.0.2.2'),
    u32(748),
    u32(388934),
    ipv4('192.0.2.56'),
    ipv4('192.0.2.65'),
    ipv4('192.0.2.3'),
    u32(5),
    u32(6534),
  );

  it('A.2.1 and A.3: a Template with IANA elements and its three records', () => {
    const harness = new DecodingHarness();
    const lines = harness.lines(message([templates, set(256, records)]));
    expect(
      lines.map((line) => [
        line['IPV4_SRC_ADDR'],
        line['IPV4_DST_ADDR'],
        line['IPV4_NEXT_HOP'],
        line['IN_PKTS'],
        line['IN_BYTES'],
      ]),
    ).toEqual([
      ['192.0.2.12', '192.0.2.254', '192.0.2.1', 5009, 5344385],
      ['192.0.2.27', '192.0.2.23', '192.0.2.2', 748, 388934],
      ['192.0.2.56', '192.0.2.65', '192.0.2.3', 5, 6534],
    ]);
  });

  it('A.2.2: a Template with an enterprise element', () => {
    const harness = new DecodingHarness();
    // 8, 12, 15 as before, element 15 (enterprise bit set) of 4 octets and an enterprise number, then 1
    const octets = hex('0002 0020 0101 0005 0008 0004 000c 0004 800f 0004 0000f0f0 0002 0004 0001 0004');
    const record = joined(ipv4('192.0.2.12'), ipv4('192.0.2.254'), hex('deadbeef'), u32(1), u32(2));
    const [line] = harness.lines(message([octets, set(257, record)]));
    expect(line).toMatchObject({ IPV4_SRC_ADDR: '192.0.2.12', '61680.15': 'deadbeef', IN_PKTS: 1, IN_BYTES: 2 });
  });

  it('A.4.1 and A.4.3: an Options Template with an IANA element as scope', () => {
    const harness = new DecodingHarness();
    // Scope: lineCardId (141); options: exportedMessageTotalCount (41) and exportedFlowRecordTotalCount (42), 2 octets each
    const octets = hex('0003 0018 0102 0003 0001 008d 0004 0029 0002 002a 0002 0000');
    const [first, second, ...others] = harness.lines(
      message([octets, set(258, joined(u32(1), u16(345), u16(10201), u32(2), u16(690), u16(20402)))]),
    );
    expect(others).toEqual([]);
    const values = [first, second].map((line) => Object.values(line!).slice(-3));
    expect(values).toEqual([
      [1, 345, 10201],
      [2, 690, 20402],
    ]);
    expect(first).toMatchObject({ RECORD_TYPE: 'options', TEMPLATE_ID: 258 });
  });

  it('A.4.2 and A.4.4: an Options Template with an enterprise element as scope', () => {
    const harness = new DecodingHarness();
    const octets = hex('0003 001c 0103 0003 0001 808d 0004 0000f0f0 0029 0002 002a 0002 0000');
    const [line] = harness.lines(message([octets, set(259, joined(u32(1), u16(345), u16(10201)))]));
    expect(line).toMatchObject({ '61680.141': '00000001' });
    expect(Object.values(line!).slice(-2)).toEqual([345, 10201]);
  });

  it('A.5.1: a variable-length element shorter than 255 octets', () => {
    expect(lineOf([[82, VARIABLE]], hex('05 48656c6c6f')).line).toMatchObject({ INTERFACE_NAME: 'Hello' });
  });

  it('A.5.2: a variable-length element of 255 to 65535 octets', () => {
    const long = 'x'.repeat(1000);
    expect(lineOf([[82, VARIABLE]], joined(hex('ff 03e8'), text(long))).line).toMatchObject({ INTERFACE_NAME: long });
  });
});

describe('section 3: message format', () => {
  it('3.1: export time is Unix seconds, sequence and domain are 32 bits unsigned', () => {
    const harness = new DecodingHarness();
    const header = { exportTime: 0xffffffff, sequence: 0xfffffffe, domain: 0xfffffffd };
    const [line] = harness.lines(message([templateSet(256, OCTETS), dataSet(256, u32(1))], header));
    expect(line).toMatchObject({
      EXPORT_TIME_MILLISECONDS: 4_294_967_295_000,
      EXPORT_SEQUENCE_NUMBER: 4_294_967_294,
      OBSERVATION_DOMAIN_ID: 4_294_967_293,
    });
  });

  it('3.1: the sequence number counts Data Records, Template and Options Template Records not, Options Data Records so', () => {
    const harness = new DecodingHarness();
    const learn = [templateSet(256, OCTETS), optionsTemplateSet(257, [[149, 4]], [[41, 4]])];
    harness.decode(message([...learn, dataSet(256, u32(1), u32(2)), dataSet(257, zeros(8))], { sequence: 10 }));
    harness.decode(message(learn, { sequence: 13 }));
    harness.decode(message([dataSet(256, u32(1))], { sequence: 13 }));
    expect(harness.counters).toMatchObject({ sequenceLost: 0, sequenceReordered: 0, sequenceDuplicates: 0 });
    harness.decode(message([dataSet(256, u32(1))], { sequence: 20 }));
    expect(harness.counters.sequenceLost).toBe(6);
  });

  it('3.3.1: padding shorter than any record is ignored', () => {
    for (let padding = 0; padding < 4; padding++) {
      const harness = new DecodingHarness();
      expect(harness.lines(message([templateSet(256, OCTETS), dataSet(256, u32(1), zeros(padding))]))).toHaveLength(1);
    }
  });

  it('3.3.2: Set ids 0, 1 and 4 to 255 are not read', () => {
    const harness = new DecodingHarness();
    for (const id of [0, 1, 4, 255]) harness.decode(message([set(id, templateRecord(256, OCTETS))]));
    expect(harness.counters).toMatchObject({ templatesLearned: 0 });
    expect(harness.counters.faults.set_id_reserved).toBe(4);
  });

  it('3.4.1: Template ids are unique per Transport Session and Observation Domain', () => {
    const harness = new DecodingHarness({ exporterKey: 'session' });
    harness.decode(message([templateSet(256, [[1, 4]])], { domain: 1 }));
    harness.decode(message([templateSet(256, [[2, 4]])], { domain: 2 }));
    harness.decode(
      message(
        [
          templateSet(256, [
            [10, 4],
            [1, 4],
          ]),
        ],
        { domain: 1 },
      ),
      { port: 9 },
    );
    expect(harness.lines(message([dataSet(256, u32(5))], { domain: 1 }))).toMatchObject([{ IN_BYTES: 5 }]);
    expect(harness.lines(message([dataSet(256, u32(5))], { domain: 2 }))).toMatchObject([{ IN_PKTS: 5 }]);
    expect(harness.lines(message([dataSet(256, u32(7), u32(5))], { domain: 1 }), { port: 9 })).toMatchObject([
      { INPUT_SNMP: 7, IN_BYTES: 5 },
    ]);
  });

  it('3.4.1: a Template that is not known costs its Set alone', () => {
    const harness = new DecodingHarness();
    const octets = message([
      dataSet(300, u32(1)),
      templateSet(256, OCTETS),
      dataSet(301, u32(1)),
      dataSet(256, u32(1)),
    ]);
    expect(harness.lines(octets)).toHaveLength(1);
    expect(harness.counters.setsWithoutTemplate).toBe(2);
  });

  it('3.4.2.2: a scope field count of zero is taken as a record about the Exporter', () => {
    const harness = new DecodingHarness();
    const octets = message([set(3, optionsTemplateRecord(256, [], [[41, 4]])), dataSet(256, u32(8))]);
    expect(harness.lines(octets)).toMatchObject([{ RECORD_TYPE: 'options' }]);
  });
});

describe('section 6: encoding', () => {
  it('6.1.1 and 6.1.2: integers are big-endian, signed ones two’s complement', () => {
    // mibObjectValueInteger (434) is signed32
    expect(
      lineOf(
        [
          [434, 4],
          [1, 4],
        ],
        joined(u32(-2), u32(0x01020304)),
      ).line,
    ).toMatchObject({
      mibObjectValueInteger: -2,
      IN_BYTES: 0x01020304,
    });
  });

  it('6.1.3 and 6.1.4: floats are IEEE 754, big-endian', () => {
    // samplingProbability (311) is float64
    expect(
      lineOf(
        [
          [311, 8],
          [1, 4],
        ],
        joined(hex('3fe8000000000000'), u32(1)),
      ).text,
    ).toContain(':0.75');
    expect(
      lineOf(
        [
          [311, 4],
          [1, 4],
        ],
        joined(hex('3f400000'), u32(1)),
      ).text,
    ).toContain(':0.75');
  });

  it('6.1.5: a boolean is 1 for true and 2 for false', () => {
    // dataRecordsReliability (276)
    expect(lineOf([[276, 1]], u8(1)).line).toMatchObject({ dataRecordsReliability: true });
    expect(lineOf([[276, 1]], u8(2)).line).toMatchObject({ dataRecordsReliability: false });
    expect(lineOf([[276, 1]], u8(0)).line).toMatchObject({ dataRecordsReliability: 0 });
  });

  it('6.1.6: strings are UTF-8', () => {
    expect(lineOf([[82, 8]], hex('47 72 c3 b6 c3 9f 65 00')).line).toMatchObject({ INTERFACE_NAME: 'Größe' });
  });

  it('6.1.7: dateTimeSeconds counts from 1970', () => {
    expect(
      lineOf(
        [
          [150, 4],
          [151, 4],
        ],
        joined(u32(EXPORT_TIME - 9), u32(EXPORT_TIME - 2)),
      ).line,
    ).toMatchObject({
      FLOW_START_MILLISECONDS: (EXPORT_TIME - 9) * 1000,
      FLOW_END_MILLISECONDS: (EXPORT_TIME - 2) * 1000,
    });
  });

  it('6.1.8: dateTimeMilliseconds counts from 1970', () => {
    expect(lineOf([[152, 8]], u64(EXPORT_TIME * 1000 - 1)).line).toMatchObject({
      FLOW_START_MILLISECONDS: EXPORT_TIME * 1000 - 1,
    });
  });

  it.each([
    ['6.1.9: dateTimeMicroseconds', 154],
    ['6.1.10: dateTimeNanoseconds', 156],
  ])('%s is an NTP timestamp: seconds since 1900 and a fraction of 2^-32 s', (_, id) => {
    const record = joined(u32(EXPORT_TIME + 2_208_988_800 - 3), u32(0xc0000000));
    expect(lineOf([[id, 8]], record).line).toMatchObject({ FLOW_START_MILLISECONDS: (EXPORT_TIME - 3) * 1000 + 750 });
  });

  it('6.2: reduced-size encoding of unsigned, signed and float', () => {
    for (let length = 1; length <= 8; length++) {
      expect(lineOf([[1, length]], u64(200).subarray(8 - length)).line).toMatchObject({ IN_BYTES: 200 });
    }
    expect(
      lineOf(
        [
          [434, 1],
          [1, 1],
        ],
        joined(u8(0xff), u8(1)),
      ).line,
    ).toMatchObject({ mibObjectValueInteger: -1 });
    expect(
      lineOf(
        [
          [434, 3],
          [1, 1],
        ],
        joined(hex('fffffe'), u8(1)),
      ).line,
    ).toMatchObject({ mibObjectValueInteger: -2 });
  });
});

describe('section 7: variable length', () => {
  it('the same value may be sent in the one-octet and the three-octet form', () => {
    const harness = new DecodingHarness();
    const records = [variable('abc'), variable('abc', true)];
    const lines = harness.lines(message([templateSet(256, [[82, VARIABLE]]), dataSet(256, ...records)]));
    expect(lines.map((line) => line['INTERFACE_NAME'])).toEqual(['abc', 'abc']);
  });
});

describe('section 8: Template management', () => {
  const redefine = message([templateSet(256, [[2, 4]])]);

  it('8: a Template is used for what follows it', () => {
    const harness = new DecodingHarness();
    harness.decode(message([templateSet(256, OCTETS)]));
    expect(harness.lines(message([dataSet(256, u32(5))]))).toMatchObject([{ IN_BYTES: 5 }]);
    harness.decode(redefine);
    expect(harness.lines(message([dataSet(256, u32(5))]))).toMatchObject([{ IN_PKTS: 5 }]);
  });

  it('8.1: withdrawals over TCP: one Template, all Templates, all Options Templates', () => {
    const tcp = { isReliable: true };
    const learn = message([
      templateSet(256, OCTETS),
      templateSet(257, OCTETS),
      optionsTemplateSet(258, [[149, 4]], [[41, 4]]),
    ]);
    const data = message([dataSet(256, u32(1)), dataSet(257, u32(1)), dataSet(258, zeros(8))]);
    for (const [octets, left] of [
      [withdrawal(257), [256, 258]],
      [withdrawal(2), [258]],
      [withdrawal(3, 3), [256, 257]],
    ] as const) {
      const harness = new DecodingHarness();
      const lines = harness.lines([learn, message([octets]), data], tcp);
      expect(lines.map((line) => line['TEMPLATE_ID'])).toEqual(left);
    }
  });

  it('8.1: an id may be used anew after its withdrawal', () => {
    const harness = new DecodingHarness();
    const lines = harness.lines(
      [message([templateSet(256, OCTETS)]), message([withdrawal(256)]), redefine, message([dataSet(256, u32(5))])],
      {
        isReliable: true,
      },
    );
    expect(lines).toMatchObject([{ IN_PKTS: 5 }]);
    expect(harness.counters).toMatchObject({ templatesLearned: 2, templatesRedefined: 0, templatesWithdrawn: 1 });
  });

  it('8.1: Templates end with their Transport Session', () => {
    const harness = new DecodingHarness();
    harness.decode(message([templateSet(256, OCTETS)]), { isReliable: true });
    harness.decoding.endSessions('192.0.2.250', 2055);
    expect(harness.lines(message([dataSet(256, u32(5))]), { isReliable: true })).toEqual([]);
  });

  it('8.4: Template Withdrawals are ignored over UDP', () => {
    const harness = new DecodingHarness();
    const octets = [
      message([templateSet(256, OCTETS)]),
      message([withdrawal(256)]),
      message([withdrawal(2)]),
      message([dataSet(256, u32(5))]),
    ];
    expect(harness.lines(octets)).toHaveLength(1);
    expect(harness.counters.withdrawalsIgnored).toBe(2);
  });

  it('8.4: over UDP a Template not refreshed for its lifetime is forgotten', () => {
    const harness = new DecodingHarness({ templateTimeoutMs: 1_800_000 });
    const start = EXPORT_TIME * 1000;
    harness.decode(message([templateSet(256, OCTETS)]), { arrivalMs: start });
    const data = message([dataSet(256, u32(5))]);
    expect(harness.lines(data, { arrivalMs: start + 1_799_000 })).toHaveLength(1);
    harness.decode(message([templateSet(256, OCTETS)]), { arrivalMs: start + 1_800_000 });
    expect(harness.lines(data, { arrivalMs: start + 3_000_000 })).toHaveLength(1);
    expect(harness.lines(data, { arrivalMs: start + 3_602_000 })).toHaveLength(0);
    expect(harness.counters.templatesExpired).toBe(1);
  });
});

describe('section 9.1: the Collecting Process', () => {
  it('discards a message with broken framing whole', () => {
    for (const broken of [
      message([dataSet(256, u32(1)), set(256, u32(1), 7)]),
      message([dataSet(256, u32(1)), set(256, u32(1), 3)]),
      message([dataSet(256, u32(1)), set(256, u32(1), 40)]),
      message([dataSet(256, u32(1))], { length: 100 }),
      message([dataSet(256, u32(1))], { length: 15 }),
    ]) {
      const harness = new DecodingHarness();
      harness.decode(message([templateSet(256, OCTETS)]));
      expect(harness.lines(broken)).toEqual([]);
      expect(harness.counters).toMatchObject({ messagesReceived: 2, messagesDiscarded: 1, messagesDecoded: 1 });
    }
  });

  it('accepts elements it does not know, and stores what they say', () => {
    const { line } = lineOf(
      [
        [1, 4],
        [31_000, 2],
        [500, 3, 4242],
      ],
      joined(u32(1), hex('abcd'), hex('010203')),
    );
    expect(line).toMatchObject({ '0.31000': 'abcd', '4242.500': '010203' });
  });
});

it('section 10.3.3: messages of one session may come in any order: late data is decoded', () => {
  const harness = new DecodingHarness();
  harness.decode(message([templateSet(256, OCTETS), dataSet(256, u32(1))], { sequence: 0 }));
  harness.decode(message([dataSet(256, u32(3))], { sequence: 2 }));
  harness.takeText();
  expect(harness.lines(message([dataSet(256, u32(2))], { sequence: 1 }))).toMatchObject([{ IN_BYTES: 2 }]);
  expect(harness.counters).toMatchObject({ sequenceLost: 1, sequenceLate: 1, sequenceReordered: 1 });
});
