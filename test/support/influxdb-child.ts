/**
 * A process that hands numbered points to a sink and writes down how many it has: to be killed at any time. Words: URL, state
 * directory, file of the count, points a second, and how many points there are in all, and the first one's time. It ends when all are confirmed.
 */

import { readFileSync, renameSync, writeFileSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { openInfluxdb } from '../../src/sink/influxdb.ts';

const [url = '', directory = '', countFile = '', rate = '', total = '', firstNs = ''] = process.argv.slice(2);
const SLICE_MS = 20;
const perSlice = (Number(rate) * SLICE_MS) / 1000;

const sink = await openInfluxdb(
  {
    urls: [url],
    user: '',
    password: '',
    token: '',
    certificateAuthorityFile: '',
    compression: 'off',
    directory,
    spoolOctets: 1024 ** 3,
    memoryOctets: 1024 * 1024,
    refusedOctets: 1024 * 1024,
    delivery: 'drop',
    database: 'ntopng',
    organisation: '',
    bucket: '',
    retentionDays: undefined,
    retentionDaysOfNew: 30,
    rollUps: [],
    flushMs: 200,
    timeoutMs: 1000,
    minRetryMs: 50,
    maxRetryMs: 500,
    refusedRetryMs: 200,
  },
  (event) => {
    if (event.kind === 'spool_failed') process.stderr.write(`${event.reason}\n`);
  },
);
let handed = Number(readFileSync(countFile, 'utf8'));
let behindMs = Date.now();
while (handed < Number(total)) {
  const lines: string[] = [];
  // One in ten thousand is of another type, and refused: its neighbours must not be.
  for (let i = 0; i < perSlice; i++, handed++) {
    const value = handed % 10_000 === 9_999 ? '"text"' : `${handed}`;
    lines.push(`m,tag=t${handed % 7} f=${value} ${BigInt(firstNs) + BigInt(handed) * 1000n}\n`);
  }
  const octets = new TextEncoder().encode(lines.join(''));
  sink.writeLines(octets, 0, octets.length, lines.length);
  // Killed in the middle of it, the file must not be empty.
  writeFileSync(`${countFile}.new`, String(handed));
  renameSync(`${countFile}.new`, countFile);
  behindMs += SLICE_MS;
  await sleep(Math.max(behindMs - Date.now(), 0));
}
// A test that fails says why.
setTimeout(() => {
  const [delivery] = sink.deliveries;
  const { state, problem, pending, requests, requestsFailed } = delivery!;
  process.stderr.write(`${JSON.stringify({ state, problem, pending: pending.ranges, requests, requestsFailed })}\n`);
  process.exit(3);
}, 30_000).unref();
await sink.flush();
const { unconfirmed } = await sink.close(10_000);
process.exit(unconfirmed === 0 ? 0 : 1);
