/** Totals of hosts and their details beside sums made here from the same flows, flow by flow. */

import { describe, expect, it } from 'vitest';
import { defaultFamilyLimits, type SeriesOptions } from '../../src/series/series-options.ts';
import type { MadeFlow } from '../support/flow-builder.ts';
import { Random } from '../support/random.ts';
import { SeriesHarness, T0 } from './series-harness.ts';

const PROTOCOLS = [
  [6, 'tcp'],
  [17, 'udp'],
  [1, 'icmp'],
  [47, 'gre'],
  [200, 'other_ip'],
] as const;
/** DSCP values by the classes that RFC 2474, 2597, 3246 and 8622 put them in. */
const CLASSES = [
  [0, 'cs0'],
  [46, 'cs5'],
  [10, 'cs1'],
  [1, 'LE'],
  [63, 'unknown'],
] as const;
const MULTICAST = 0xe0000001;
const STEP_SECONDS = 300;

interface Expected {
  readonly sent: Map<string, number>;
  readonly received: Map<string, number>;
}

/** Random flows of an hour, and what hosts in 10.0.0.0/8 sent and received by protocol, class and application. */
function makeTraffic(seed: number, count: number, hosts: number, applications: number) {
  const random = new Random(seed);
  const flows: { flow: MadeFlow; atMs: number }[] = [];
  const sums = { traffic: maps(), protocols: maps(), classes: maps(), applications: maps(), udp: maps() };
  const add = ({ sent, received }: Expected, key: string, octets: number, back: number) => {
    sent.set(key, (sent.get(key) ?? 0) + octets);
    received.set(key, (received.get(key) ?? 0) + back);
  };
  for (let i = 0; i < count; i++) {
    const atMs = T0 + Math.floor((i * 3_600_000) / count);
    const octets = random.below(100_000);
    const reverseOctets = random.below(3) === 0 ? random.below(100_000) : 0;
    const [protocol, protocolName] = random.pick(PROTOCOLS);
    const [dscp, className] = random.pick(CLASSES);
    const hasClass = random.below(5) > 0;
    const application = `application ${random.below(applications)}`;
    const source = random.below(8) === 0 ? 0xc6336401 : 0x0a000001 + random.below(hosts);
    const isMany = random.below(6) === 0;
    const destination = isMany ? MULTICAST : random.below(2) === 0 ? 0xc6336402 : 0x0a000001 + random.below(hosts);
    flows.push({
      atMs,
      flow: {
        fields: {
          sourceIPv4: source,
          destinationIPv4: destination,
          sourcePort: 1024 + random.below(60_000),
          destinationPort: 443,
          protocol,
          octets,
          packets: 1,
          reverseOctets,
          startMs: atMs - random.below(60_000),
          endMs: atMs,
          l7ProtocolName: application,
          ...(hasClass && { tos: dscp << 2 }),
        },
        origin: { exportTimeMs: atMs },
      },
    });
    for (const [address, sent, received] of [
      [source, octets, reverseOctets],
      [destination, reverseOctets, octets],
    ] as const) {
      if (address >>> 24 !== 10) continue;
      const host = `host=10.0.0.${address & 0xff}`;
      add(sums.traffic, host, sent, received);
      add(sums.protocols, `${host} l4proto=${protocolName}`, sent, received);
      if (hasClass) add(sums.classes, `${host} dscp_class=${className}`, sent, received);
      add(sums.applications, `${host} protocol=${application}`, sent, received);
      if (protocol === 17)
        add(sums.udp, host, isMany && address === source ? 0 : sent, isMany && address === source ? sent : 0);
    }
  }
  return { flows, sums };
}

function maps(): Expected {
  return { sent: new Map(), received: new Map() };
}

/** What is written at the end. */
function run(flows: ReturnType<typeof makeTraffic>['flows'], options: Partial<SeriesOptions>): SeriesHarness {
  const harness = new SeriesHarness(options);
  harness.series.advance(T0 - 60_000);
  for (const { flow, atMs } of flows) {
    harness.series.advance(atMs);
    harness.add(flow);
  }
  harness.series.finish();
  return harness;
}

const above0 = (values: Map<string, number>) => Object.fromEntries([...values].filter(([, value]) => value > 0));
const sumOf = (values: Map<string, number>) => [...values.values()].reduce((sum, value) => sum + value, 0);
const MEASUREMENTS = [
  ['host:traffic', 'traffic', 'bytes_sent', 'bytes_rcvd'],
  ['host:l4protos', 'protocols', 'bytes_sent', 'bytes_rcvd'],
  ['host:dscp', 'classes', 'bytes_sent', 'bytes_rcvd'],
  ['host:ndpi', 'applications', 'bytes_sent', 'bytes_rcvd'],
  ['host:udp_sent_unicast', 'udp', 'bytes_sent_unicast', 'bytes_sent_non_uni'],
] as const;

describe('hosts and their details', () => {
  it.each([true, false])('have what their flows come to, spread over steps: %s', (spread) => {
    const { flows, sums } = makeTraffic(5, 3000, 6, 12);
    const harness = run(flows, { spread });
    for (const [measurement, what, first, second] of MEASUREMENTS) {
      expect([measurement, above0(harness.totals(measurement, first))]).toEqual([measurement, above0(sums[what].sent)]);
      expect([measurement, above0(harness.totals(measurement, second))]).toEqual([
        measurement,
        above0(sums[what].received),
      ]);
    }
  });

  // Hosts have 11 series, so that there is room for some of them, for all and some details, or for all and most.
  it.each([150, 600, 800, 1000])('lose nothing to a limit of %i series', (maxSeries) => {
    const { flows, sums } = makeTraffic(9, 3000, 30, 12);
    const harness = run(flows, { maxSeries, maxByFamily: undefined });
    expect(harness.series.counters.overLimit.host).toBeGreaterThan(0);
    for (const [measurement, what, first, second] of MEASUREMENTS) {
      expect([measurement, harness.total(measurement, first)]).toEqual([measurement, sumOf(sums[what].sent)]);
      expect([measurement, harness.total(measurement, second)]).toEqual([measurement, sumOf(sums[what].received)]);
    }
  });

  it('have a detail of their own from the step on in which there is room again', () => {
    // Twelve series for hosts: one with one detail.
    const options = { maxSeries: 1000, maxByFamily: { ...defaultFamilyLimits(1000), host: 13 } };
    const harness = new SeriesHarness(options);
    const add = (second: number, fields: MadeFlow['fields']) => {
      const atMs = T0 + 1000 * second;
      harness.series.advance(atMs);
      harness.add({
        fields: {
          sourceIPv4: 0x0a000001,
          destinationIPv4: 0xc6336401,
          sourcePort: 9999,
          destinationPort: 53,
          packets: 1,
          startMs: atMs,
          endMs: atMs,
          ...fields,
        },
        origin: { exportTimeMs: atMs },
      });
    };
    add(1, { protocol: 47, octets: 5 });
    add(2, { protocol: 50, octets: 7 });
    // No room for these two.
    for (let step = 0; step < 16; step++) {
      add(step * STEP_SECONDS + 3, { protocol: 6, octets: 100 });
      add(step * STEP_SECONDS + 4, { protocol: 17, octets: 10 });
    }
    harness.series.finish();
    const totals = harness.totals('host:l4protos', 'bytes_sent');
    // After an hour of silence the first two made room, and the two that went on have it.
    expect(totals.get('host=10.0.0.1 l4proto=gre')).toBe(5);
    expect(totals.get('host=10.0.0.1 l4proto=esp')).toBe(7);
    expect(totals.get('host=10.0.0.1 l4proto=tcp')).toBeGreaterThan(0);
    expect(totals.get('host=10.0.0.1 l4proto=udp')).toBeGreaterThan(0);
    expect(totals.get('host=other l4proto=other')).toBeGreaterThan(0);
    expect(harness.total('host:l4protos', 'bytes_sent')).toBe(16 * 110 + 12);
  });
});
