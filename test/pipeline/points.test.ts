import { afterEach, describe, expect, it } from 'vitest';
import type { Configuration } from '../../src/config/configuration.ts';
import { loadConfiguration } from '../../src/config/load-configuration.ts';
import { Points } from '../../src/pipeline/points.ts';
import { pointsMetrics } from '../../src/pipeline/points-status.ts';
import { makeFlow } from '../support/flow-builder.ts';
import { InfluxdbStub } from '../support/influxdb-stub.ts';

/** A multiple of all steps: 2023-11-14T22:15:00Z. */
const T0 = 1_700_000_100_000;
const stubs: InfluxdbStub[] = [];

afterEach(() => {
  for (const stub of stubs.splice(0)) stub.close();
});

async function open(flags: Readonly<Record<string, unknown>>, places: number): Promise<[Points, InfluxdbStub]> {
  const stub = await InfluxdbStub.start('1.8.10', () => ({ status: 204 }));
  stubs.push(stub);
  const sources = { environment: {}, flags: { influxdb: stub.url, ...flags } };
  const configuration: Configuration = loadConfiguration(sources).configuration;
  return [await Points.open(configuration, { delivery: 'wait', places, onEvent: () => {} }), stub];
}

function flow(octets: number, fields: Readonly<Record<string, number>> = {}) {
  const times = { startMs: T0, endMs: T0 + 500 };
  return makeFlow({
    fields: { sourceIPv4: 0x0a000001, destinationIPv4: 0x0a000002, octets, ...times, ...fields },
    origin: { exporterAddress: '', exportTimeMs: T0 + 1000 },
  });
}

/** Octets of `iface:traffic` that were written last, by `ifid`. */
async function traffic(points: Points, stub: InfluxdbStub): Promise<Record<string, number>> {
  await points.close();
  const lines = stub.writes.flatMap(({ text }) => text.split('\n'));
  const found = lines.flatMap((line) => {
    const [, ifid, octets] = /^iface:traffic,ifid=(\d+) bytes=(\d+) /.exec(line) ?? [];
    return ifid === undefined ? [] : [[ifid, Number(octets)] as const];
  });
  return Object.fromEntries(found);
}

describe('series by place', () => {
  it('are those of the place that was named last', async () => {
    const [points, stub] = await open({ ifid: '4,5' }, 2);
    points.write(flow(1));
    points.select(1);
    points.write(flow(20));
    points.write(flow(20));
    points.select(0);
    points.write(flow(300));
    expect(await traffic(points, stub)).toEqual({ 4: 301, 5: 40 });
  });

  it('are those of the interface that a flow names, else of the first', async () => {
    const [points, stub] = await open({ ifid: '4,5' }, 2);
    points.selectByInterface([17, 2]);
    points.write(flow(1, { inputInterface: 2 }));
    points.write(flow(20, { inputInterface: 17 }));
    points.write(flow(300, { inputInterface: 99 }));
    points.write(flow(4000));
    expect(await traffic(points, stub)).toEqual({ 4: 4320, 5: 1 });
  });

  it('are one where the numbers are the same', async () => {
    const [points, stub] = await open({ ifid: '6,6,7' }, 3);
    for (const place of [0, 1, 2]) {
      points.select(place);
      points.write(flow(10 ** place));
    }
    expect(points.series).toHaveLength(2);
    expect(await traffic(points, stub)).toEqual({ 6: 11, 7: 100 });
  });

  it('have one limit, and counters that are sums', async () => {
    // A host has 11 series, and with its protocol one more: there is room for one host.
    const [points] = await open({ ifid: '1,2', 'series-family-max': 'host=12' }, 2);
    points.write(flow(1, { destinationIPv4: 0xc6336401, protocol: 6 }));
    points.select(1);
    points.write(flow(1, { destinationIPv4: 0xc6336401, protocol: 6 }));
    const samples = new Map(pointsMetrics(points).map(({ name, samples }) => [name, samples]));
    expect(samples.get('flowrelay_series_flows_total')).toEqual([{ labels: {}, value: 2 }]);
    const over = samples.get('flowrelay_series_over_limit_total') ?? [];
    expect(over.find(({ labels }) => labels.reason === 'host')?.value).toBe(1);
    await points.close();
  });

  it.each([
    ['1,2', 3, '--ifid: 2 numbers, where there may be one for all, or one for each of 3'],
    ['1,2', 1, '--ifid: 2 numbers, where there may be one'],
  ])('%j of %d places is refused', async (ifid, places, message) => {
    await expect(open({ ifid }, places)).rejects.toThrow(message);
  });
});
