/** A number for each place that flows come from, as a real InfluxDB has it. */

import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { InfluxServer } from '../support/influxdb.ts';
import { dataSet, message, templateSet } from '../support/ipfix-message.ts';
import { hasProgram } from '../support/lab.ts';
import { FLOW_FIELDS, flowOctets } from '../support/ntopng-exports.ts';
import { buildProgram, RunningProgram, runProgram } from '../support/program.ts';
import { UdpExporter } from '../support/udp-exporter.ts';
import type { Octets } from '../support/wire-octets.ts';

const TWO = ['--listen', 'udp://127.0.0.1:0,udp://[::1]:0'];

function exported(host: number, octets: readonly [number, number]): Octets {
  const exportTime = Math.floor(Date.now() / 1000);
  return message([templateSet(300, FLOW_FIELDS), dataSet(300, flowOctets({ host, octets }))], { exportTime });
}

describe.skipIf(!hasProgram('influxd'))('numbers of listeners', () => {
  let server: InfluxServer;

  beforeAll(async () => {
    buildProgram();
    server = await InfluxServer.start();
  });
  afterAll(() => server.close());

  it('keep their series apart', async () => {
    const program = await RunningProgram.collect([...TWO, '--ifid', '3,7', '--influxdb', server.url]);
    const started = program.log.find(({ event }) => event === 'started');
    const ports = ((started?.['listeners'] ?? []) as string[]).map((url) => Number(/[0-9]+$/.exec(url)?.[0]));
    const senders = [await UdpExporter.open(ports[0]!), await UdpExporter.open(ports[1]!, '::1')];
    // By turns, so that each datagram must find its own.
    for (let host = 1; host <= 3; host++) {
      await senders[0]!.send(exported(host, [1000, 10]));
      await senders[1]!.send(exported(host, [20_000, 200]));
    }
    await vi.waitFor(async () => {
      const metrics = await (await fetch(`http://${program.status}/metrics`)).text();
      expect(metrics).toContain('flowrelay_series_flows_total 6\n');
    }, 30_000);
    expect((await program.stop()).code).toBe(0);
    await Promise.all(senders.map((sender) => sender.close()));
    const last = async (measurement: string) =>
      (await server.series(`SELECT last(*) FROM "${measurement}" GROUP BY ifid`)).map(({ tags, values }) => [
        tags?.['ifid'],
        ...values[0]!.slice(1),
      ]);
    expect(await last('iface:traffic')).toEqual([
      ['3', 3030],
      ['7', 60_600],
    ]);
    expect(await last('iface:new_flows')).toEqual([
      ['3', 3],
      ['7', 3],
    ]);
    // Each Exporter is of the listener that it sends to.
    expect(await server.series('SHOW TAG VALUES FROM "flowdev:traffic" WITH KEY = "device"')).toMatchObject([
      {
        values: [
          ['device', '127.0.0.1'],
          ['device', '::1'],
        ],
      },
    ]);
    expect(
      await server.number(`SELECT count(bytes_rcvd) FROM "flowdev:traffic" WHERE ifid = '3' AND device = '::1'`),
    ).toBe(0);
  });

  it.each([
    [[...TWO, '--ifid', '1,2,3'], '--ifid: 3 numbers, where there may be one for all, or one for each of 2'],
    [['--listen', 'udp://127.0.0.1:0', '--ifid', '1,2'], '--ifid: 2 numbers, where there may be one'],
  ])('%j is one line and exit code 2', async (words, said) => {
    const run = await runProgram(['collect', ...words, '--influxdb', server.url]);
    expect([run.code, run.stdout]).toEqual([2, '']);
    expect(run.stderr).toContain(said);
    expect(run.stderr.trim().split('\n')).toHaveLength(1);
  });
});
