/** The program and a real VictoriaMetrics: points by the interface of InfluxDB 2.x, read back as VictoriaMetrics exports them. */

import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createServer, request } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { containerCapture } from '../support/container-exporter.ts';
import { VictoriaMetricsServer } from '../support/influxdb.ts';
import { hasProgram } from '../support/lab.ts';
import { buildProgram, runProgram } from '../support/program.ts';

const START_MS = Date.parse('2026-07-29T15:41:20.000Z');
/** Of a second, a minute, and five minutes: the ends of the steps in which the flows are. */
const SECOND_MS = Date.parse('2026-07-29T15:41:21.000Z');
const MINUTE_MS = Date.parse('2026-07-29T15:42:00.000Z');
const FIVE_MINUTES_MS = Date.parse('2026-07-29T15:45:00.000Z');

/** What was asked of a server. */
interface Asked {
  readonly method: string | undefined;
  readonly url: string | undefined;
  readonly authorization: string | undefined;
}

/** Passes on to a server what it is asked for, and keeps it. */
async function recorder(target: string): Promise<{ url: string; requests: Asked[] }> {
  const requests: Asked[] = [];
  const server = createServer((incoming, outgoing) => {
    const { method, url, headers } = incoming;
    requests.push({ method, url, authorization: headers.authorization });
    const onward = request(`${target}${url}`, { method, headers }, (answer) => {
      outgoing.writeHead(answer.statusCode ?? 500, answer.headers);
      answer.pipe(outgoing);
    });
    incoming.pipe(onward);
  });
  server.unref();
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return { url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`, requests };
}

/** A line of the export. */
interface Exported {
  readonly metric: Readonly<Record<string, string>>;
  readonly values: readonly number[];
  readonly timestamps: readonly number[];
}

describe.skipIf(!hasProgram('victoria-metrics'))('VictoriaMetrics', () => {
  let server: VictoriaMetricsServer;
  let folder: string;

  beforeAll(async () => {
    buildProgram();
    folder = mkdtempSync(join(tmpdir(), 'victoriametrics-'));
    server = await VictoriaMetricsServer.start();
  });
  afterAll(async () => {
    await server.close();
    rmSync(folder, { recursive: true, force: true });
  });

  /** Series of a metric, those with the lowest labels first. */
  async function exported(selector: string): Promise<Exported[]> {
    const body = new URLSearchParams({ 'match[]': selector, start: '0' });
    const answer = await fetch(`${server.url}/api/v1/export`, { method: 'POST', body });
    const lines = (await answer.text()).split('\n').filter((line) => line !== '');
    return lines.sort().map((line) => JSON.parse(line) as Exported);
  }

  it('has the series of a capture', async () => {
    const file = join(folder, 'exporter.pcap');
    writeFileSync(file, containerCapture(START_MS));
    const { url, requests } = await recorder(server.url);
    const words = ['--influxdb-org', 'team', '--influxdb-bucket', 'flows', '--influxdb-token', 'secret', '--ifid', '6'];
    const run = await runProgram(['convert', file, '--influxdb', url, ...words]);
    expect(run).toMatchObject({ code: 0, stdout: '', stderr: '' });
    await fetch(`${server.url}/internal/force_flush`);
    const writes = requests.filter(({ method }) => method === 'POST');
    expect(new Set(writes.map(({ url }) => url))).toEqual(
      new Set(['/api/v2/write?org=team&bucket=flows&precision=ns']),
    );
    expect(new Set(writes.map(({ authorization }) => authorization))).toEqual(new Set(['Token secret']));

    const gauge = (name: string, container: string, value: number): Exported => ({
      metric: { __name__: `container:${name}`, container, ifid: '6' },
      values: [value],
      timestamps: [MINUTE_MS],
    });
    expect(await exported('{__name__=~"container:.*"}')).toEqual([
      gauge('num_flows_as_client', '1edb6c16e3d2', 138),
      gauge('num_flows_as_client', 'f427db2c87ac', 1),
      gauge('num_flows_as_server', '1edb6c16e3d2', 34),
      gauge('num_flows_as_server', 'f427db2c87ac', 11),
      gauge('rtt_as_client', '1edb6c16e3d2', 6),
      gauge('rtt_as_server', 'f427db2c87ac', 6),
    ]);
    // 173 flows of 1000 octets: a counter begins with 0 a step before.
    expect(await exported('{__name__="iface:traffic_bytes"}')).toMatchObject([
      { values: [0, 173_000], timestamps: [SECOND_MS - 1000, SECOND_MS] },
    ]);
    expect(await exported('{__name__=~"host:traffic_.*",host="10.1.1.1"}')).toEqual(
      [['host:traffic_bytes_rcvd', 34_000] as const, ['host:traffic_bytes_sent', 138_000] as const].map(
        ([name, octets]) => ({
          metric: { __name__: name, host: '10.1.1.1', ifid: '6' },
          values: [0, octets],
          timestamps: [FIVE_MINUTES_MS - 300_000, FIVE_MINUTES_MS],
        }),
      ),
    );
  });

  it('has flows as points too', async () => {
    const file = join(folder, 'flows.pcap');
    writeFileSync(file, containerCapture(START_MS + 3_600_000));
    const run = await runProgram(['convert', file, '--influxdb', server.url, '--influxdb-flows']);
    expect(run).toMatchObject({ code: 0, stdout: '', stderr: '' });
    await fetch(`${server.url}/internal/force_flush`);
    const octets = await exported('{__name__="flow_IN_BYTES"}');
    expect(octets.flatMap(({ values }) => values)).toEqual(new Array(173).fill(1000));
    expect(new Set(octets.flatMap(({ timestamps }) => timestamps))).toEqual(new Set([START_MS + 3_600_100]));
  });
});
