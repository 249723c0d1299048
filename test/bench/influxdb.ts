/**
 * What delivery to InfluxDB costs: CPU of 100,000 points from handing over to confirmation by a real server, and how fast a
 * spool is sent after an outage.
 *
 *   npm run bench:influxdb
 */

import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { type InfluxdbOptions, type InfluxdbSink, openInfluxdb } from '../../src/sink/influxdb.ts';
import { InfluxServer } from '../support/influxdb.ts';

const POINTS = 1_000_000;
const PER_CALL = 500;
const SERIES = 1000;

function open(server: InfluxServer, options: Partial<InfluxdbOptions>): Promise<InfluxdbSink> {
  return openInfluxdb(
    {
      urls: [server.url],
      user: '',
      password: '',
      token: '',
      certificateAuthorityFile: '',
      compression: 'off',
      directory: undefined,
      spoolOctets: 1024 ** 3,
      memoryOctets: 512 * 1024 ** 2,
      refusedOctets: 1024 ** 2,
      delivery: 'wait',
      database: 'ntopng',
      organisation: '',
      bucket: '',
      retentionDays: undefined,
      retentionDaysOfNew: 30,
      rollUps: [],
      ...options,
    },
    () => {},
  );
}

/** Lines made in advance: making them is not what is measured. */
function makeCalls(): Uint8Array[] {
  const firstNs = BigInt(Date.now() - 3_600_000) * 1_000_000n;
  const calls: Uint8Array[] = [];
  for (let i = 0; i < POINTS; i += PER_CALL) {
    let text = '';
    for (let j = i; j < i + PER_CALL; j++) {
      text += `host:traffic,host=10.0.${(j % SERIES) >> 8}.${j % 256},ifid=1 bytes_sent=${j * 3},bytes_rcvd=${j * 7} ${firstNs + BigInt(j) * 1_000_000n}\n`;
    }
    calls.push(new TextEncoder().encode(text));
  }
  return calls;
}

async function measure(
  name: string,
  server: InfluxServer,
  calls: readonly Uint8Array[],
  options: Partial<InfluxdbOptions>,
): Promise<void> {
  await server.query('DROP DATABASE "ntopng"');
  const sink = await open(server, options);
  const startMs = Date.now();
  const before = process.cpuUsage();
  let handMs = 0;
  for (const octets of calls) {
    const fromMs = performance.now();
    sink.writeLines(octets, 0, octets.length, PER_CALL);
    handMs += performance.now() - fromMs;
    if (sink.mustWait) await sink.drained();
  }
  const { unconfirmed } = await sink.close(60_000);
  const { user, system } = process.cpuUsage(before);
  const cpuMs = (user + system) / 1000;
  const wallMs = Date.now() - startMs;
  const scale = 100_000 / POINTS;
  console.log(
    `${name}: ${(cpuMs * scale).toFixed(1)} ms CPU per 100,000 points (${(handMs * scale).toFixed(1)} ms of it handing over), ${Math.round((1000 * POINTS) / wallMs)} points/s, ${unconfirmed} unconfirmed`,
  );
}

async function outage(server: InfluxServer, calls: readonly Uint8Array[], directory: string): Promise<void> {
  await server.query('DROP DATABASE "ntopng"');
  await server.stop();
  const sink = await open(server, { directory, delivery: 'drop', maxRetryMs: 1000 });
  for (const octets of calls) {
    sink.writeLines(octets, 0, octets.length, PER_CALL);
    await new Promise((resolve) => setImmediate(resolve));
  }
  const perPoint = sink.spoolOctets / POINTS;
  await server.start();
  while (sink.deliveries[0]!.pointsConfirmed === 0) await sleep(5);
  const startMs = Date.now();
  const first = sink.deliveries[0]!.pointsConfirmed;
  while (sink.pointsPending > 0) await sleep(5);
  const rate = (1000 * (POINTS - first)) / (Date.now() - startMs);
  await sink.close(1000);
  const hour = 3600 * 5000;
  console.log(
    `outage: ${perPoint.toFixed(1)} octets of spool a point, ${((hour * perPoint) / 1024 ** 3).toFixed(2)} GiB for an hour of 5,000 points/s, sent again at ${Math.round(rate)} points/s: an hour in ${Math.round(hour / rate)} s`,
  );
}

const calls = makeCalls();
const octets = calls.reduce((sum, { length }) => sum + length, 0);
console.log(`${POINTS} points of ${Math.round(octets / POINTS)} octets`);
const folder = mkdtempSync(join(tmpdir(), 'influxdb-bench-'));
const server = await InfluxServer.start();
try {
  await measure('warm up', server, calls, {});
  await measure('memory', server, calls, {});
  await measure('disk', server, calls, { directory: join(folder, 'disk') });
  await measure('disk, gzip', server, calls, { directory: join(folder, 'gzip'), compression: 'on' });
  for (const batchOctets of [65_536, 262_144, 4_194_304]) {
    await measure(`disk, batches of ${batchOctets}`, server, calls, {
      directory: join(folder, String(batchOctets)),
      batchOctets,
    });
  }
  await outage(server, calls, join(folder, 'outage'));
} finally {
  await server.close();
  rmSync(folder, { recursive: true, force: true });
}
