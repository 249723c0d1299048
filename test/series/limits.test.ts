/** What may come late, twice, from the future, in any octets and without end. */

import { existsSync, readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import { SCHEMA_BY_NAME, SCHEMAS, schemaMarkdown } from '../../src/series/schema.ts';
import { DEFAULT_SERIES_OPTIONS, parseFamilyLimits, parseSeriesSteps } from '../../src/series/series-options.ts';
import { StepSums } from '../../src/series/step-sums.ts';
import { OCTETS, StepWindow } from '../../src/series/step-window.ts';
import type { MadeFlow } from '../support/flow-builder.ts';
import { Random } from '../support/random.ts';
import { SeriesHarness, T0 } from './series-harness.ts';

const A = 0x0a000001;
const FAR = 0xc6336401;

function flow(fields: MadeFlow['fields'] = {}, origin: MadeFlow['origin'] = {}): MadeFlow {
  return {
    fields: {
      sourceIPv4: A,
      destinationIPv4: FAR,
      sourcePort: 40_000,
      destinationPort: 443,
      protocol: 6,
      octets: 1000,
      packets: 10,
      startMs: T0,
      endMs: T0 + 500,
      ...fields,
    },
    origin: { exportTimeMs: T0 + 1000, ...origin },
  };
}

describe('times', () => {
  it('puts what is late into the oldest open step, and counts it', () => {
    const harness = new SeriesHarness({ delayMs: 5000 });
    harness.series.advance(T0 + 20_000);
    harness.add(flow()).add(flow({ startMs: T0 + 10_000, endMs: T0 + 20_000, octets: 10 }));
    const { counters } = harness.series;
    expect([counters.flowsLate, counters.flowsPartlyLate]).toEqual([1, 1]);
    // open from 15 s on; of ten octets six belong there or before
    expect(harness.rows('iface:traffic').slice(0, 3)).toEqual(['15s bytes=0', '16s bytes=1006', '17s bytes=1007']);
    expect(harness.total('iface:traffic', 'bytes')).toBe(1010);
  });

  it('keeps a step open as long as it says, and no longer', () => {
    const harness = new SeriesHarness({ delayMs: 5000 });
    harness.series.advance(T0);
    harness.add(flow());
    harness.series.advance(T0 + 5999);
    expect(harness.points.filter(({ measurement }) => measurement === 'iface:traffic')).toEqual([]);
    harness.series.advance(T0 + 6000);
    expect(harness.totals('iface:traffic', 'bytes').get('')).toBe(1000);
  });

  it('makes no more steps than are open of clocks that are broken', () => {
    const harness = new SeriesHarness();
    harness.series.advance(T0 + 1000);
    const times = [0, -1, 1e300, Number.NaN, Number.POSITIVE_INFINITY, T0 - 1e12, T0 + 1e12, 2 ** 53];
    for (const startMs of times)
      for (const endMs of times) harness.add(flow({ startMs, endMs, octets: 1, packets: 1 }));
    harness.series.finish();
    expect(harness.total('iface:traffic', 'bytes')).toBe(times.length ** 2);
    expect(harness.points.length).toBeLessThan(3000);
    expect(harness.series.counters.flowsAhead).toBeGreaterThan(0);
    expect(harness.series.counters.flowsImplausible).toBeGreaterThan(0);
  });

  it('leaps over a long silence, and goes on when the clock is set back', () => {
    const harness = new SeriesHarness();
    harness.add(flow());
    harness.series.advance(T0 + 10 * 365 * 86_400_000);
    expect(harness.points.length).toBeLessThan(2000);
    expect(harness.series.counters.stepsSkipped).toBeGreaterThan(1e6);
    harness.series.advance(T0 + 3_600_000);
    expect(harness.series.counters.clockSetBack).toBe(1);
    const at = { startMs: T0 + 3_600_000, endMs: T0 + 3_600_100 };
    harness.add(flow(at, { exportTimeMs: T0 + 3_600_100 }));
    expect(harness.rows('iface:traffic').at(-1)).toBe('3601s bytes=2000');
  });

  it('counts hosts and conversations of each step anew, and a silent one once more', () => {
    const harness = new SeriesHarness();
    const at = (seconds: number, fields: MadeFlow['fields'] = {}) => {
      const startMs = T0 + seconds * 1000;
      harness.series.advance(startMs + 100);
      harness.add(flow({ startMs, endMs: startMs + 100, ...fields }));
    };
    at(0);
    at(50);
    for (let i = 0; i < 5; i++) at(301 + i, { sourceIPv4: A + i });
    at(900, { sourceIPv4: A + 1, destinationIPv4: A + 1 });
    const busy = (row: string) => !row.endsWith('=0');
    expect(harness.rows('iface:hosts').filter(busy)).toEqual([
      '60s num_hosts=2',
      '360s num_hosts=6',
      '960s num_hosts=1',
    ]);
    expect(harness.rows('iface:flows').filter(busy)).toEqual([
      '60s num_flows=1',
      '360s num_flows=5',
      '960s num_flows=1',
    ]);
    // one at first, which is one of five again after four minutes
    expect(harness.rows('iface:new_flows').at(-1)).toBe('960s new_flows=7');
  });

  it('writes nothing before the start of the program where somebody else may have written', () => {
    const harness = new SeriesHarness({ zerosBeforeStart: false });
    harness.series.advance(T0 + 10_000);
    harness.add(flow({ startMs: T0 + 10_000, endMs: T0 + 10_500 }));
    expect(harness.rows('host:traffic')).toEqual(['host=10.0.0.1 300s bytes_sent=1000 bytes_rcvd=0']);
  });

  it('conserves every octet while spreading', () => {
    for (let seed = 1; seed <= 300; seed++) {
      const random = new Random(seed);
      const window = new StepWindow(random.pick([1000, 10_000, 60_000]), random.below(120_000));
      window.base = Math.floor(T0 / window.stepMs);
      const startMs = T0 + random.below(100_000) - 50_000;
      const times = Float64Array.of(startMs, startMs + random.below(200_000));
      const amount = random.below(2) === 0 ? random.below(100) : random.u32() * 4096 + random.below(4096);
      window.place(times);
      const amounts = Float64Array.of(amount, 0, 0, 0);
      const sums = new StepSums(window, 2);
      sums.add(1, amount);
      const shares = window.first === window.last ? amounts.subarray(0, 1) : window.sharesOf(OCTETS, amounts);
      let before = 0;
      let shared = 0;
      for (let i = 0; i < window.slots; i++) {
        const step = window.base + i;
        const sum = sums.take(1, step);
        expect(sum >= 0 && Number.isInteger(sum), `seed ${seed}`).toBe(true);
        expect(sums.take(0, step)).toBe(0);
        before += sum;
        if (step >= window.first && step <= window.last) shared += shares[step - window.first]!;
        // as much as the flow's even rate has come to
        const elapsedMs = Math.max((step + 1) * window.stepMs - times[0]!, 0);
        const even =
          step < window.first ? 0 : step >= window.last ? amount : (amount * elapsedMs) / (times[1]! - times[0]!);
        for (const total of [before, shared])
          expect(Math.abs(total - even), `seed ${seed} ${total} ${even}`).toBeLessThan(
            amount > 2 ** 40 ? window.slots : 2,
          );
      }
      expect([before, shared], `seed ${seed}`).toEqual([amount, amount]);
    }
  });

  it('adds up many flows to the last octet, whatever the order of their steps', () => {
    const random = new Random(11);
    const window = new StepWindow(1000, 90_000);
    window.base = Math.floor(T0 / 1000);
    const sums = new StepSums(window, 1);
    let total = 0;
    let taken = 0;
    for (let second = 0; second < 400; second++) {
      for (let i = second < 250 ? 50 : 0; i > 0; i--) {
        const endMs = (window.base + random.below(90)) * 1000 + random.below(1000);
        window.place(Float64Array.of(endMs - random.below(120_000), endMs));
        const amount = random.below(50) === 0 ? 2 ** 45 + random.below(1000) : random.below(1_000_000);
        sums.add(0, amount);
        total += amount;
      }
      const sum = sums.take(0, window.base++);
      expect(sum >= 0 && Number.isInteger(sum)).toBe(true);
      taken += sum;
    }
    expect(taken).toBe(total);
  });
});

describe('the same flow reported twice', () => {
  const egress = { exporterAddress: '192.0.2.2' };

  it('counts once for all but the exporters', () => {
    const harness = new SeriesHarness()
      .add(flow())
      .add(flow({}, egress))
      .add(flow({ direction: 1 }));
    expect(harness.rows('iface:traffic').at(-1)).toBe('1s bytes=1000');
    expect(harness.rows('host:traffic').at(-1)).toBe('host=10.0.0.1 300s bytes_sent=1000 bytes_rcvd=0');
    expect(harness.total('flowdev:traffic', 'bytes_sent', 'bytes_rcvd')).toBe(3000);
    expect(harness.series.counters.flowsReportedTwice).toBe(2);
  });

  it('counts once in each of several steps, and what the second one alone has seen', () => {
    const times = { startMs: T0 + 290_000, endMs: T0 + 310_000 };
    const harness = new SeriesHarness();
    harness.series.advance(T0 + 310_000);
    harness
      .add(flow({ ...times, vlan: 7, sourceAs: 64_500 }))
      .add(flow({ ...times, vlan: 7, sourceAs: 64_500, reverseOctets: 600, reversePackets: 4 }, egress));
    expect(harness.rows('host:traffic')).toEqual([
      'host=10.0.0.1@7 0s bytes_sent=0 bytes_rcvd=0',
      'host=10.0.0.1@7 300s bytes_sent=500 bytes_rcvd=300',
      'host=10.0.0.1@7 600s bytes_sent=1000 bytes_rcvd=600',
    ]);
    expect(harness.rows('host:tcp_packets').at(-1)).toBe('host=10.0.0.1@7 600s packets_sent=10 packets_rcvd=4');
    for (const family of ['vlan', 'asn']) {
      expect(harness.total(`${family}:traffic`, 'bytes_sent', 'bytes_rcvd'), family).toBe(1600);
    }
  });

  it('counts each time where that is asked for', () => {
    const harness = new SeriesHarness({ countOnce: false }).add(flow()).add(flow({}, egress));
    expect(harness.rows('iface:traffic').at(-1)).toBe('1s bytes=2000');
  });

  it('counts on when another exporter goes on with it, and both directions apart', () => {
    const later = { startMs: T0 + 60_000, endMs: T0 + 61_000 };
    const harness = new SeriesHarness();
    harness.series.advance(T0 + 61_000);
    harness
      .add(flow())
      .add(flow(later, { ...egress, exportTimeMs: T0 + 61_000 }))
      .add(flow({ sourceIPv4: FAR, destinationIPv4: A, sourcePort: 443, destinationPort: 40_000, octets: 7 }, egress));
    harness.series.finish();
    expect(harness.total('iface:traffic', 'bytes')).toBe(2007);
    expect(harness.series.counters.flowsReportedTwice).toBe(0);
  });
});

describe('any number of series', () => {
  it('knows ports of Exporters that take turns, with room for all and for few', () => {
    const random = new Random(11);
    const all = new SeriesHarness();
    const few = new SeriesHarness({ maxByFamily: parseFamilyLimits('flowdev=9,flowdev_port=40', 100_000) });
    const model = new Map<string, number>();
    for (let i = 0; i < 3000; i++) {
      const device = `192.0.2.${1 + random.below(9)}`;
      // 61 apart, and with the same lower octets
      const inputInterface = [1, 62, 123, 1 + 1024, 0xffff_ffff, random.below(40)][random.below(6)]!;
      const made = flow({ inputInterface, octets: 1 + i, sourcePort: i }, { exporterAddress: device });
      all.add(made);
      few.add(made);
      const key = `device=${device} port=${inputInterface}`;
      model.set(key, (model.get(key) ?? 0) + 1 + i);
    }
    all.series.finish();
    few.series.finish();
    expect(all.totals('flowdev_port:traffic', 'bytes_rcvd')).toEqual(model);
    const ofFew = few.totals('flowdev_port:traffic', 'bytes_rcvd');
    for (const [key, octets] of ofFew) if (!key.includes('other')) expect(octets, key).toBe(model.get(key));
    expect(ofFew.has('device=other port=other')).toBe(true);
    expect([...ofFew.values()].reduce((sum, octets) => sum + octets, 0)).toBe((3000 * 3001) / 2);
    expect(few.total('flowdev:traffic', 'bytes_rcvd')).toBe((3000 * 3001) / 2);
  });

  it('puts what is over the limit into one series', () => {
    const harness = new SeriesHarness({ maxSeries: 1000, maxConversations: 1024 });
    for (let i = 0; i < 20_000; i++) {
      harness.add(
        flow({
          sourceIPv4: A + i,
          octets: 1,
          packets: 1,
          l7ProtocolName: `application ${i % 5000}`,
          inputInterface: i,
        }),
      );
    }
    const { counters } = harness.series;
    harness.series.finish();
    expect(counters.seriesLive).toBeLessThan(1100);
    expect(counters.overLimit.host).toBeGreaterThan(19_000);
    expect(harness.total('host:traffic', 'bytes_sent')).toBe(20_000);
    expect(harness.total('host:ndpi', 'bytes_sent')).toBe(20_000);
    expect(harness.total('iface:ndpi', 'bytes')).toBe(20_000);
    expect(harness.total('flowdev_port:traffic', 'bytes_rcvd')).toBe(20_000);
    expect(harness.totals('host:traffic', 'bytes_sent').get('host=other')).toBeGreaterThan(19_000);
    expect(harness.totals('host:ndpi', 'bytes_sent').get('host=other protocol=other')).toBeGreaterThan(19_000);
    const hosts = Number(harness.rows('iface:hosts')[0]!.split('=')[1]);
    expect(Math.abs(hosts - 20_001)).toBeLessThan(0.05 * 20_000);
  });

  it('forgets who is idle, makes room, and begins again at zero', () => {
    const harness = new SeriesHarness({ maxSeries: 2000 });
    const all = (atMs: number) => {
      for (let i = 0; i < 100; i++) {
        harness.add(flow({ sourceIPv4: A + i, startMs: atMs, endMs: atMs + 1 }, { exportTimeMs: atMs + 1 }));
        harness.series.advance(atMs + 1);
      }
    };
    all(T0);
    const before = harness.series.counters.seriesLive;
    for (let seconds = 60; seconds <= 3 * 3600; seconds += 60) harness.series.advance(T0 + seconds * 1000);
    expect(before).toBe(0);
    expect(harness.series.counters.seriesLive).toBeLessThan(30);
    expect(harness.totals('host:traffic', 'bytes_sent').size).toBe(100);
    all(T0 + 3 * 3_600_000);
    const rows = harness.rows('host:traffic').filter((row) => row.startsWith('host=10.0.0.1 '));
    const values = rows.map((row) => Number(/bytes_sent=(\d+)/.exec(row)![1]));
    // an hour of the same, then nothing, then anew: whoever adds up rises counts every octet
    const rises = values.map((value, i) => Math.max(value - (values[i - 1] ?? value), 0));
    expect(rises.reduce((sum, rise) => sum + rise, 0)).toBe(2000);
    expect(values.at(-2)).toBe(0);
    expect(rows.length).toBeLessThan(20);
  });

  it('writes a large step in turns, and the same points', async () => {
    const add = (harness: SeriesHarness) => {
      for (let i = 0; i < 500; i++) harness.add(flow({ sourceIPv4: A + i }));
    };
    const atOnce = new SeriesHarness();
    const inTurns = new SeriesHarness({ linesPerTurn: 100 });
    add(atOnce);
    add(inTurns);
    atOnce.series.advance(T0 + 400_000);
    inTurns.series.advance(T0 + 400_000);
    const first = inTurns.points.length;
    expect(first).toBeLessThan(atOnce.points.length / 2);
    // what comes meanwhile belongs to other steps
    const later = flow({ sourceIPv4: A, startMs: T0 + 399_000, endMs: T0 + 399_100 }, { exportTimeMs: T0 + 400_000 });
    inTurns.add(later);
    atOnce.add(later);
    // the next step of the same series is closed before this one is done
    const latest = flow({ sourceIPv4: A, startMs: T0 + 900_000, endMs: T0 + 900_100 });
    for (const harness of [inTurns, atOnce]) {
      harness.series.advance(T0 + 700_000);
      harness.series.advance(T0 + 900_500);
      harness.add(latest);
    }
    for (let turn = 0; turn < 200; turn++) await new Promise((resolve) => setImmediate(resolve));
    atOnce.series.finish();
    inTurns.series.finish();
    const texts = ({ points }: SeriesHarness) =>
      points.map((point) => JSON.stringify({ ...point, time: String(point.time) })).sort();
    expect(texts(inTurns)).toEqual(texts(atOnce));
  });
});

describe('tags of any octets', () => {
  const names = [
    'a\\',
    '\\',
    '',
    ' ',
    ',',
    '=',
    'a,b c=d',
    '\n',
    'a\nb,c=1 2',
    '\0',
    '\0\0x',
    '\t',
    '\u00e9\u{1f600}',
    'x\\,y',
    '"',
    "'",
    '#',
    '\u0085',
  ];

  it.each(names)('%j', (name) => {
    const harness = new SeriesHarness().add(flow({ l7ProtocolName: name, sourceContainerId: name }));
    harness.series.finish();
    const applications = [...harness.totals('iface:ndpi', 'bytes')];
    const isEmpty = /^\0*$/.test(name) || name.startsWith('\0');
    expect(applications).toHaveLength(isEmpty ? 0 : 1);
    if (!/[\0-\x1f\x85\\]/.test(name) && name !== '') expect(applications).toEqual([[`protocol=${name}`, 1000]]);
  });

  it('cuts what is long, and counts it', () => {
    const harness = new SeriesHarness().add(flow({ l7ProtocolName: '\u00e9'.repeat(40_000) }));
    expect(harness.rows('iface:ndpi').at(-1)).toBe(`protocol=${'\u00e9'.repeat(128)} 60s bytes=1000`);
    expect(harness.series.counters.tagsCut).toBe(1);
  });

  it('makes valid lines of random octets, one series for one written name', () => {
    const random = new Random(99);
    const harness = new SeriesHarness();
    for (let i = 0; i < 3000; i++) {
      const octets = [...random.octets(1 + random.below(random.below(4) === 0 ? 400 : 6))];
      if (random.below(2) === 0)
        octets.push(...Buffer.from(random.pick(['\\', ',', ' ', '=', '\n', '\u00e9', '\udc00'])));
      harness.add(flow({ l7ProtocolName: octets, sourceContainerId: octets, octets: 1 }));
    }
    harness.series.finish();
    const keys = harness.points.map(({ measurement, tags, time }) => JSON.stringify([measurement, tags, String(time)]));
    expect(new Set(keys).size).toBe(keys.length);
    expect(harness.totals('iface:ndpi', 'bytes').size).toBeGreaterThan(1000);
  });

  it('takes any ifid', () => {
    const harness = new SeriesHarness({ ifid: 'my probe, the=first\\' }).add(flow());
    harness.series.finish();
    expect(harness.points.every(({ tags }) => tags['ifid'] === 'my probe, the=first/')).toBe(true);
  });
});

describe('options', () => {
  it('reads steps and limits', () => {
    expect(parseSeriesSteps('container=10s, host=1m,iface=1')).toEqual({
      ...DEFAULT_SERIES_OPTIONS.stepSeconds,
      container: 10,
      host: 60,
      iface: 1,
    });
    expect(parseFamilyLimits('host=5', 1000)).toMatchObject({ host: 5, container: 300 });
  });

  it.each(['host=0s', 'host=25h', 'host', 'host=', 'host=1s=2', 'hosts=1s', 'host=1d', '__proto__=1s'])(
    'refuses step %s',
    (text) => {
      expect(() => parseSeriesSteps(text)).toThrow(/^series step: /);
    },
  );

  it.each(['10.0.0.0/33', '10.0.0/8', '', 'fc00::/129', 'example.org', '10.0.0.0/'])('refuses network %j', (text) => {
    expect(() => new SeriesHarness({ localNetworks: [text] })).toThrow(/^local networks: .* is no prefix like/);
  });

  it('takes the longest prefix for the subnet', () => {
    const harness = new SeriesHarness({ localNetworks: ['10.0.0.0/8', '10.0.0.0/30', '2001:db8::/33'] });
    const six = (last: number) => [0x20, 0x01, 0x0d, 0xb8, ...new Array<number>(11).fill(0), last];
    harness.add(flow({ destinationIPv4: A + 4, octets: 5 }));
    const { sourceIPv4: _, destinationIPv4: __, ...rest } = flow().fields!;
    harness.add({
      fields: { ...rest, sourceIPv6: six(1), destinationIPv6: six(2), octets: 3 },
      origin: { exportTimeMs: T0 },
    });
    expect(harness.rows('subnet:traffic').filter((row) => row.includes('60s'))).toEqual([
      'subnet=10.0.0.0/30 60s bytes_ingress=0 bytes_egress=5 bytes_inner=0',
      'subnet=10.0.0.0/8 60s bytes_ingress=5 bytes_egress=0 bytes_inner=0',
      'subnet=2001:db8::/33 60s bytes_ingress=0 bytes_egress=0 bytes_inner=3',
    ]);
    expect(harness.rows('host:traffic').at(-1)).toBe('host=2001:db8::2 300s bytes_sent=0 bytes_rcvd=3');
  });

  it('takes octets and packets from the interface itself where it counts them', () => {
    const harness = new SeriesHarness({ interfaceCounters: () => ({ octetsSent: 5, octetsReceived: 7, packets: 2 }) });
    harness.series.advance(T0 + 500);
    harness.add(flow());
    expect(harness.rows('iface:traffic_rxtx')).toEqual(['1s bytes_sent=5 bytes_rcvd=7']);
    expect(harness.rows('iface:packets')).toEqual(['1s packets=2']);
  });
});

describe('the table of series', () => {
  it('is what is written: names, tags, fields, steps', () => {
    const harness = new SeriesHarness();
    for (let i = 0; i < 3; i++)
      harness.add(
        flow({
          sourceAs: 1,
          tos: 0,
          vlan: 3,
          l7ProtocolName: 'TLS',
          inputInterface: 1,
          tcpFlags: 0x17,
          sourceContainerId: 'c',
        }),
      );
    harness.series.finish();
    const written = new Set<string>();
    for (const { measurement, tags, fields, time } of harness.points) {
      const schema = SCHEMA_BY_NAME.get(measurement)!;
      expect(schema.family, measurement).not.toBe('');
      expect(Object.keys(tags), measurement).toEqual(['ifid', ...schema.tags]);
      expect(schema.fields, measurement).toEqual(expect.arrayContaining(Object.keys(fields)));
      expect(time % BigInt(schema.stepSeconds * 1e9), measurement).toBe(0n);
      written.add(measurement);
    }
    expect(written.size).toBeGreaterThan(30);
  });

  const reference = fileURLToPath(new URL('../../../shared/ie/ntopng-timeseries.json', import.meta.url));
  if (!existsSync(reference)) it.skip('has every measurement of ntopng (skipped: ../shared is not here)', () => {});
  else {
    it('has every measurement of ntopng, as ntopng has it', () => {
      const { schemas, only_in_4_2, documented_only } = JSON.parse(readFileSync(reference, 'utf8'));
      for (const { measurement, tags, metrics, type, step } of [...schemas, ...only_in_4_2]) {
        expect(SCHEMA_BY_NAME.get(measurement), measurement).toMatchObject({
          tags: tags.filter((tag: string) => tag !== 'ifid'),
          fields: metrics,
          type,
          stepSeconds: step,
        });
      }
      for (const measurement of documented_only) expect(SCHEMA_BY_NAME.has(measurement), measurement).toBe(true);
      expect(SCHEMAS.filter(({ measurement }) => !measurement.startsWith('flowrelay:'))).toHaveLength(
        new Set([...schemas, ...only_in_4_2].map(({ measurement }) => measurement).concat(documented_only)).size,
      );
      expect(SCHEMAS.every(({ note, family }) => note !== '' || family !== '')).toBe(true);
    });
  }

  it('is in the README as a whole', () => {
    const markdown = schemaMarkdown();
    for (const { measurement } of SCHEMAS) expect(markdown).toContain(`\`${measurement}\``);
  });
});
