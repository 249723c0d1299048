import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { createServer } from 'node:https';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { FaultProxy } from '../support/fault-proxy.ts';
import { InfluxServer, VictoriaMetricsServer } from '../support/influxdb.ts';
import { hand, openTestSink, type TestSink, until } from '../support/influxdb-sink.ts';
import { hasProgram } from '../support/lab.ts';

const NOW = BigInt(Math.floor(Date.now() / 1000)) * 1_000_000_000n;
const hasInflux = hasProgram('influxd');
const hasVictoria = hasProgram('victoria-metrics');
const hasOpenssl = hasProgram('openssl');
const sinks: TestSink[] = [];
let folder: string;

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'influxdb-real-'));
});
afterEach(async () => {
  for (const { sink } of sinks.splice(0)) await sink.close(0);
  rmSync(folder, { recursive: true, force: true });
});

async function open(...args: Parameters<typeof openTestSink>): Promise<TestSink> {
  const opened = await openTestSink(...args);
  sinks.push(opened);
  return opened;
}

function points(count: number, first = 0): string[] {
  return Array.from({ length: count }, (_, i) => `m,a=b f=${first + i} ${NOW + BigInt(first + i)}`);
}

describe.skipIf(!hasInflux)('InfluxDB 1.6', () => {
  let server: InfluxServer;

  beforeAll(async () => {
    server = await InfluxServer.start();
  });
  afterAll(() => server.close());
  beforeEach(async () => {
    await server.query('DROP DATABASE "ntopng"');
  });

  it('gets a database with ntopng’s policies and continuous queries', async () => {
    const { sink, events } = await open([server.url], {
      rollUps: [
        { measurement: 'iface:traffic', tags: ['ifid'], fields: ['bytes', 'packets'], kind: 'counter', step: 1 },
        { measurement: 'iface:flows', tags: ['ifid'], fields: ['num_flows'], kind: 'gauge', step: 60 },
      ],
    });
    hand(sink, points(3));
    await sink.flush();
    expect(events).toEqual([
      { kind: 'server_identified', server: server.url, serverKind: 'influxdb1', version: '1.6.7~rc0' },
    ]);
    expect(await server.query('SELECT f FROM m')).toHaveLength(3);
    const policies = await server.query('SHOW RETENTION POLICIES ON "ntopng"');
    expect(policies.map(([name, duration, shard]) => [name, duration, shard])).toEqual([
      ['autogen', '720h0m0s', '24h0m0s'],
      ['1d', '720h0m0s', '24h0m0s'],
    ]);
    const queries = (await server.series('SHOW CONTINUOUS QUERIES')).find(({ name }) => name === 'ntopng')!.values;
    expect(queries.map(([name]) => name)).toEqual(['iface:traffic__1d', 'iface:flows__1d']);
    expect(queries[0]![1]).toContain('sum(bytes) / 86400 AS bytes');
    expect(queries[0]![1]).toContain('non_negative_difference(bytes)');
    expect(queries[1]![1]).toMatch(/mean\(num_flows\).*GROUP BY time\(1m\), ifid fill\(0\)/);
  });

  it('rolls a counter up to a rate, and a gauge to its mean, with the queries made', async () => {
    const rollUps = [
      { measurement: 'iface:traffic', tags: ['ifid'], fields: ['bytes'], kind: 'counter', step: 60 },
      { measurement: 'iface:flows', tags: ['ifid'], fields: ['num_flows'], kind: 'gauge', step: 60 },
    ] as const;
    const { sink } = await open([server.url], { rollUps });
    const day = (NOW / 86_400_000_000_000n - 1n) * 86_400_000_000_000n;
    const lines = Array.from({ length: 1440 }, (_, i) => {
      const time = day + BigInt(i) * 60_000_000_000n;
      // The counter starts anew at noon.
      const counter = i < 720 ? i * 864_000 : (i - 720) * 864_000;
      return [
        `iface:traffic,ifid=1 bytes=${counter} ${time}`,
        `iface:flows,ifid=1 num_flows=${i < 720 ? 10 : 20} ${time}`,
      ];
    });
    hand(sink, lines.flat());
    await sink.flush();
    const queries = (await server.series('SHOW CONTINUOUS QUERIES')).find(({ name }) => name === 'ntopng')!.values;
    for (const [, query] of queries) {
      const select = String(query).replace(/^.* BEGIN (.*) END$/, '$1');
      const within = select.replace(
        /(FROM ntopng\.autogen\.\S+?)(\)| GROUP)/,
        `$1 WHERE time >= ${day} AND time < ${day + 86_400_000_000_000n}$2`,
      );
      await server.query(within);
    }
    const [[, rate] = []] = await server.query('SELECT bytes FROM "1d"."iface:traffic"');
    // 1438 steps of 864,000 octets in 86,400 s.
    expect(rate).toBeCloseTo((1438 * 864_000) / 86_400, 6);
    const [[, flows] = []] = await server.query('SELECT num_flows FROM "1d"."iface:flows"');
    expect(flows).toBe(15);
  });

  it('keeps a database that is there as it is, unless a retention is asked for', async () => {
    await server.query('CREATE DATABASE "ntopng"');
    const first = await open([server.url]);
    hand(first.sink, points(1));
    await first.sink.flush();
    expect((await server.query('SHOW RETENTION POLICIES ON "ntopng"'))[0]!.slice(0, 2)).toEqual(['autogen', '0s']);
    const second = await open([server.url], { retentionDays: 365 });
    hand(second.sink, points(1));
    await second.sink.flush();
    expect((await server.query('SHOW RETENTION POLICIES ON "ntopng"'))[0]!.slice(0, 3)).toEqual([
      'autogen',
      '8760h0m0s',
      '168h0m0s',
    ]);
  });

  it('gets its database again when somebody has dropped it', async () => {
    const { sink } = await open([server.url]);
    hand(sink, points(5));
    await sink.flush();
    await server.query('DROP DATABASE "ntopng"');
    hand(sink, points(5, 5));
    await sink.flush();
    expect((await server.query('SELECT f FROM m')).map(([, value]) => value)).toEqual([5, 6, 7, 8, 9]);
    expect(sink.deliveries[0]).toMatchObject({ state: 'up', pointsConfirmed: 10, pointsRefused: 0 });
  });

  it('writes the neighbours of lines it refuses, and those are kept with its words', async () => {
    const { sink, events } = await open([server.url], { directory: folder });
    hand(sink, points(1));
    await sink.flush();
    const bad = [
      'm,a=b',
      'm,a=b f=',
      `m,a=b f="text" ${NOW + 500n}`,
      `m,a=b f=1i ${NOW + 501n}`,
      `m,a=b f=1 1`,
      `m,a=b\\ f=1 ${NOW}x`,
      'ü f="ü',
    ];
    hand(
      sink,
      bad.flatMap((line, i) => [...points(1000, 1 + 1000 * i), line]),
    );
    await sink.flush();
    expect(await server.number('SELECT COUNT(f) FROM m')).toBe(7001);
    const kept = readFileSync(join(folder, 'refused.jsonl'), 'utf8')
      .trimEnd()
      .split('\n')
      .map((text) => JSON.parse(text) as { line: string; reason: string });
    expect(new Map(kept.map(({ line, reason }) => [line, reason]))).toEqual(
      new Map([
        ['m,a=b', expect.stringMatching(/missing fields/)],
        ['m,a=b f=', expect.stringMatching(/missing field value/)],
        [`m,a=b f="text" ${NOW + 500n}`, expect.stringMatching(/field type conflict/)],
        [`m,a=b f=1i ${NOW + 501n}`, expect.stringMatching(/field type conflict/)],
        ['m,a=b f=1 1', expect.stringMatching(/beyond retention policy/)],
        [`m,a=b\\ f=1 ${NOW}x`, expect.stringMatching(/unable to parse/)],
        ['ü f="ü', expect.stringMatching(/unbalanced quotes/)],
      ]),
    );
    expect(sink.deliveries[0]).toMatchObject({ pointsConfirmed: 7001, pointsRefused: 7, state: 'up' });
    expect(events.some(({ kind }) => kind === 'points_refused')).toBe(true);
  });

  it('has all points when close returns, of batches that were sent by themselves too', async () => {
    const { sink } = await open([server.url], { batchOctets: 4096 });
    for (let i = 0; i < 50; i++) hand(sink, points(200, 200 * i));
    expect(await sink.close(10_000)).toEqual({ unconfirmed: 0, isKept: false });
    expect(await server.number('SELECT COUNT(f) FROM m')).toBe(10_000);
  });

  it('gets what waited while it was away, from the run after as well', async () => {
    const away = await InfluxServer.start();
    const { sink } = await open([away.url], { directory: folder });
    hand(sink, points(10));
    await sink.flush();
    await away.stop();
    hand(sink, points(10, 10));
    await until(() => sink.deliveries[0]!.state === 'down', 'outage');
    expect(await sink.close(5000)).toEqual({ unconfirmed: 10, isKept: true });
    const next = await open([away.url], { directory: folder });
    hand(next.sink, points(10, 20));
    await until(() => next.sink.deliveries[0]!.state === 'down', 'outage');
    await away.start();
    await next.sink.flush();
    expect((await away.query('SELECT f FROM m')).map(([, value]) => value)).toEqual(
      Array.from({ length: 30 }, (_, i) => i),
    );
    await away.close();
  });

  it('gets points through faults of all kinds, each once', async () => {
    const proxy = await FaultProxy.start(server.port);
    const { sink } = await open([proxy.url], { timeoutMs: 200 });
    let count = 0;
    for (const fault of ['refuse', 'stall', 'cut-request', 429, 'cut-answer', 503, 404] as const) {
      proxy.fault = fault;
      hand(sink, points(500, count));
      count += 500;
      await until(() => proxy.met.get(fault), fault.toString());
      proxy.fault = 'none';
      await sink.flush();
      expect(await server.number('SELECT COUNT(f) FROM m')).toBe(count);
    }
    expect(sink.deliveries[0]!.pointsConfirmed).toBe(count);
    proxy.close();
  });

  it('asks for a user, who may not need to be an administrator', async () => {
    const guarded = await InfluxServer.start(true);
    const admin = `Basic ${Buffer.from('root:r').toString('base64')}`;
    await guarded.query(`CREATE USER "root" WITH PASSWORD 'r' WITH ALL PRIVILEGES`);
    await guarded.query('CREATE DATABASE "ntopng"', admin);
    await guarded.query(`CREATE USER "writer" WITH PASSWORD 'p:w'`, admin);
    await guarded.query('GRANT ALL ON "ntopng" TO "writer"', admin);
    const wrong = await open([guarded.url], { user: 'writer', password: 'wrong' });
    hand(wrong.sink, points(2));
    await until(() => wrong.sink.deliveries[0]!.state === 'refused', 'refusal');
    expect(wrong.sink.deliveries[0]!.problem).toBe('401 authorization failed');
    const { sink } = await open([guarded.url], { user: 'writer', password: 'p:w' });
    hand(sink, points(2, 2));
    await sink.flush();
    expect((await guarded.query('SELECT f FROM m', admin)).map(([, value]) => value)).toEqual([2, 3]);
    await guarded.close();
  });

  it.skipIf(!hasOpenssl)('is reached by TLS with an authority of one’s own, and not without', async () => {
    const [key, certificate] = [join(folder, 'key.pem'), join(folder, 'certificate.pem')];
    execFileSync(
      'openssl',
      [
        'req',
        '-x509',
        '-newkey',
        'ec',
        '-pkeyopt',
        'ec_paramgen_curve:prime256v1',
        '-nodes',
        '-keyout',
        key,
        '-out',
        certificate,
        '-days',
        '2',
        '-subj',
        '/CN=localhost',
        '-addext',
        'subjectAltName=DNS:localhost,IP:127.0.0.1',
      ],
      { stdio: 'pipe' },
    );
    const tls = createServer({ key: readFileSync(key), cert: readFileSync(certificate) }, (request, response) => {
      void (async () => {
        const parts: Buffer[] = [];
        for await (const part of request) parts.push(part as Buffer);
        const body = Buffer.concat(parts);
        const type = request.headers['content-type'];
        const answer = await fetch(`${server.url}${request.url}`, {
          method: request.method!,
          ...(body.length > 0 && { body }),
          ...(type !== undefined && { headers: { 'content-type': type } }),
        });
        response
          .writeHead(answer.status, { 'x-influxdb-version': answer.headers.get('x-influxdb-version') ?? '' })
          .end(await answer.text());
      })();
    });
    await new Promise<void>((resolve) => tls.listen(0, '127.0.0.1', resolve));
    const url = `https://127.0.0.1:${(tls.address() as AddressInfo).port}`;
    const { sink } = await open([url], { certificateAuthorityFile: certificate });
    hand(sink, points(4));
    await sink.flush();
    expect(await server.number('SELECT COUNT(f) FROM m')).toBe(4);
    const other = await open([url]);
    hand(other.sink, points(1));
    await until(() => other.sink.deliveries[0]!.state === 'down', 'refusal');
    expect(other.sink.deliveries[0]!.problem).toMatch(/self.signed certificate/);
    tls.closeAllConnections();
    tls.close();
  });
});

describe.skipIf(!hasVictoria)('VictoriaMetrics', () => {
  it('takes points by the v2 interface', async () => {
    const server = await VictoriaMetricsServer.start();
    const { sink, events } = await open([server.url], { organisation: 'o', bucket: 'b', database: '' });
    hand(sink, [
      `host:traffic,host=10.0.0.1,ifid=1 bytes_sent=5,bytes_rcvd=7 ${NOW - 60_000_000_000n}`,
      `host:traffic,host=10.0.0.1,ifid=1 bytes_sent=6,bytes_rcvd=9 ${NOW}`,
    ]);
    await sink.flush();
    expect(events).toEqual([
      { kind: 'server_identified', server: server.url, serverKind: 'victoriametrics', version: '' },
    ]);
    await fetch(`${server.url}/internal/force_flush`);
    const answer = await fetch(`${server.url}/api/v1/export`, {
      method: 'POST',
      body: new URLSearchParams({ 'match[]': '{host="10.0.0.1"}', start: '0' }),
    });
    const series = (await answer.text())
      .trimEnd()
      .split('\n')
      .map((text) => JSON.parse(text) as { metric: Record<string, string>; values: number[]; timestamps: number[] });
    const times = [Number(NOW / 1_000_000n) - 60_000, Number(NOW / 1_000_000n)];
    expect(series.sort((a, b) => (a.metric['__name__']! < b.metric['__name__']! ? -1 : 1))).toEqual([
      {
        metric: { __name__: 'host:traffic_bytes_rcvd', host: '10.0.0.1', ifid: '1' },
        values: [7, 9],
        timestamps: times,
      },
      {
        metric: { __name__: 'host:traffic_bytes_sent', host: '10.0.0.1', ifid: '1' },
        values: [5, 6],
        timestamps: times,
      },
    ]);
    await server.close();
  });
});
