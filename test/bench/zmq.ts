/**
 * `convert` to ZeroMQ, with a subscriber that takes everything, beside `convert` to lines thrown away: CPU of the sender, its
 * sending thread included, the smallest of several rounds.
 *
 *   npm run bench:zmq -- [--flows N] [--rounds N] [--protocols v5,v9,…]
 */

import { existsSync, mkdirSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { parseArgs } from 'node:util';
import { Subscriber } from 'zeromq';
import { makeCapture } from './make-capture.ts';
import { timeCommand } from './process-time.ts';
import { PROTOCOLS, type Protocol } from './traffic.ts';

const { values } = parseArgs({
  options: {
    flows: { type: 'string', default: '1000000' },
    rounds: { type: 'string', default: '5' },
    protocols: { type: 'string', default: PROTOCOLS.join(',') },
    work: { type: 'string', default: join(tmpdir(), 'flowrelay-bench') },
  },
});

const MAIN = resolve('dist/main.js');
const ENDPOINT = 'tcp://127.0.0.1:15779';
const subscriber = new Subscriber();
subscriber.subscribe('');
await subscriber.bind(ENDPOINT);
let messages = 0;
void (async () => {
  for await (const _message of subscriber) messages++;
})().catch(() => {});

mkdirSync(values.work, { recursive: true });
for (const protocol of values.protocols.split(',') as Protocol[]) {
  const capture = join(values.work, `${protocol}-${values.flows}.pcap`);
  const truth = join(values.work, `${protocol}-${values.flows}.truth.jsonl`);
  if (!existsSync(capture)) makeCapture(protocol, Number(values.flows), capture, truth);
  const convert = `${process.execPath} ${MAIN} convert ${capture}`;
  let [lines, feed] = [Number.POSITIVE_INFINITY, Number.POSITIVE_INFINITY];
  for (let round = 0; round < Number(values.rounds); round++) {
    lines = Math.min(lines, (await timeCommand(`${convert} --json /dev/null`, false)).cpu);
    const { cpu, exitCode } = await timeCommand(`${convert} --zmq ${ENDPOINT}c`, false);
    if (exitCode !== 0) throw new Error('flows were lost');
    feed = Math.min(feed, cpu);
  }
  console.log(
    `${protocol}: lines ${lines.toFixed(2)} s, ZeroMQ ${feed.toFixed(2)} s, ratio ${(feed / lines).toFixed(2)}`,
  );
}
console.log(`${messages} messages taken`);
subscriber.close();
