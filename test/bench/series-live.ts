/**
 * What series cost the whole program: CPU of `collect` for the same datagrams over loopback, once to NDJSON and once to all
 * series, which a server of no work takes.
 *
 * Both sides read the same datagrams in the same bursts, a hundred a second, and have what they need for it and no more: lines are
 * written to /dev/null, points are sent to a server that answers at once. Pauses between bursts are part of it: after each, the
 * processor has forgotten much of what series lie in. Rounds differ by half on a shared machine, so that only runs in turn can be
 * compared.
 *
 *   npm run bench:series-live -- [--rounds N] [--flows N] [--seconds N]
 */

import { type ChildProcess, spawn } from 'node:child_process';
import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { parseArgs } from 'node:util';
import { printTable } from './figures.ts';
import { cpuSecondsOfTree } from './kernel-accounting.ts';
import { describeMachine } from './machine.ts';
import { EXPORT_SECONDS, makeSecond, moveASecondOn } from './series-traffic.ts';

const { values } = parseArgs({
  options: {
    rounds: { type: 'string', default: '3' },
    flows: { type: 'string', default: '50000' },
    seconds: { type: 'string', default: '8' },
    program: { type: 'string', default: 'dist/main.js' },
  },
});

const SECONDS = Number(values.seconds);
const FLOWS = Number(values.flows);
const PORT = 29_960;
/** Before measuring: code gets compiled, rows are made. */
const WARM_UP_SECONDS = 4;
const TURNS_A_SECOND = 100;

const server = createServer((request, response) => {
  request.resume();
  request.on('end', () => {
    response.writeHead(request.url?.startsWith('/query') === true ? 200 : 204, { 'x-influxdb-version': '1.8.10' });
    response.end(request.url?.startsWith('/query') === true ? '{"results":[{"statement_id":0}]}' : undefined);
  });
});
server.listen(0, '127.0.0.1');
await once(server, 'listening');
const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;

const ways: { name: string; options: string[]; cpu: number[] }[] = [
  { name: 'NDJSON to /dev/null', options: ['--json', '/dev/null'], cpu: [] },
  { name: 'series', options: ['--influxdb', url], cpu: [] },
];
const datagrams = makeSecond(FLOWS);
moveASecondOn(datagrams, Math.floor(Date.now() / 1000) - EXPORT_SECONDS);
const sender = createSocket('udp4');
sender.bind(0, '127.0.0.1');
await once(sender, 'listening');
for (let round = 0; round < Number(values.rounds); round++) {
  for (const { options, cpu } of ways) {
    const child = spawn('node', [values.program, 'collect', '--listen', `udp://127.0.0.1:${PORT}`, ...options], {
      stdio: ['ignore', 'ignore', 'ignore'],
    });
    await sleep(1500);
    cpu.push(await measure(child));
    child.kill('SIGTERM');
    await once(child, 'exit');
  }
}
sender.close();
server.close();
console.log(describeMachine());
console.log(`\n${FLOWS} flows/s, ${SECONDS} s\n`);
const least = ({ cpu }: { cpu: readonly number[] }) => Math.min(...cpu);
printTable(
  ['collect', '% of a CPU, least', 'all', 'of NDJSON'],
  ways.map((way) => [
    way.name,
    (100 * least(way)).toFixed(1),
    way.cpu.map((value) => (100 * value).toFixed(1)).join(' '),
    (least(way) / least(ways[0]!)).toFixed(2),
  ]),
);

/** CPU seconds of the receiver for each second. */
async function measure({ pid }: ChildProcess): Promise<number> {
  sender.send(datagrams[0]!, PORT, '127.0.0.1');
  await sleep(100);
  let before = 0;
  const start = performance.now();
  let measuredAt = start;
  for (let second = 0; second < WARM_UP_SECONDS + SECONDS; second++) {
    if (second === WARM_UP_SECONDS) {
      before = cpuSecondsOfTree(pid!);
      measuredAt = performance.now();
    }
    for (let turn = 0; turn < TURNS_A_SECOND; turn++) {
      const to = Math.floor((datagrams.length * (turn + 1)) / TURNS_A_SECOND);
      for (let i = Math.floor((datagrams.length * turn) / TURNS_A_SECOND); i < to; i++) {
        sender.send(datagrams[i]!, PORT, '127.0.0.1');
      }
      await sleep(Math.max(start + 1000 * second + (1000 * (turn + 1)) / TURNS_A_SECOND - performance.now(), 0));
    }
    moveASecondOn(datagrams);
  }
  return (cpuSecondsOfTree(pid!) - before) / ((performance.now() - measuredAt) / 1000);
}
