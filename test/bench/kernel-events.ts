/**
 * What kernel events cost: connections over the loopback, made and accepted by one process at a steady rate, without events and with them. Needs
 * root, bpftrace and Python. Words: connections a second, seconds.
 */

import { spawn } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { EventSource } from '../../src/agent/event-source.ts';
import type { KernelEvent } from '../../src/agent/kernel-event.ts';
import { describeMachine, versionOf } from './machine.ts';

const MAKER = `
import json, os, resource, socket, sys, time
rate, seconds = int(sys.argv[1]), int(sys.argv[2])
server = socket.create_server(('127.0.0.1', 0), backlog=1024)
to = server.getsockname(); begin = time.monotonic(); made = 0
# The client resets, so that no port waits.
import struct
linger = struct.pack('ii', 1, 0)
while made < rate * seconds:
    due = min(rate * seconds, int((time.monotonic() - begin) * rate) + 1)
    while made < due:
        client = socket.socket(); client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger); client.connect(to)
        accepted, _ = server.accept(); client.close(); accepted.close(); made += 1
    time.sleep(0.001)
usage = resource.getrusage(resource.RUSAGE_SELF)
print(json.dumps({'port': to[1], 'made': made, 'seconds': time.monotonic() - begin, 'cpu': usage.ru_utime + usage.ru_stime}))
`;

interface Made {
  readonly port: number;
  readonly made: number;
  readonly seconds: number;
  /** CPU seconds of the maker. */
  readonly cpu: number;
}

function make(rate: number, seconds: number): Promise<Made> {
  const words = ['-S', '-c', MAKER, String(rate), String(seconds)];
  const child = spawn('python3', words, { stdio: ['ignore', 'pipe', 'inherit'] });
  let output = '';
  child.stdout.on('data', (chunk: Buffer) => {
    output += chunk.toString();
  });
  return new Promise((resolve, reject) => {
    child.on('error', reject);
    child.on('close', () => resolve(JSON.parse(output) as Made));
  });
}

/** CPU seconds and resident memory (MiB) of a process (proc(5)); a clock tick is 10 ms. */
function usageOf(pid: number): { cpu: number; residentMiB: number } {
  const fields = readFileSync(`/proc/${pid}/stat`, 'latin1').split(') ').at(-1)!.split(' ');
  return { cpu: (Number(fields[11]) + Number(fields[12])) / 100, residentMiB: (Number(fields[21]) * 4096) / 2 ** 20 };
}

const [rate = 4000, seconds = 5] = process.argv.slice(2).map(Number);
console.log(describeMachine());
console.log(versionOf('bpftrace', '--version'));

const plain = await make(rate, seconds);
const ports = new Map<number, Record<string, number>>();
const onEvents = (batch: readonly KernelEvent[]) => {
  for (const event of batch) {
    if (event.protocol !== 6) continue;
    for (const port of [event.localPort, event.remotePort]) {
      if (port !== watchedPort && watchedPort !== 0) continue;
      const counts = ports.get(port) ?? {};
      ports.set(port, counts);
      counts[event.kind] = (counts[event.kind] ?? 0) + 1;
    }
  }
};
let watchedPort = 0;
const begunMs = performance.now();
const source = await EventSource.open({ onEvents });
if (typeof source === 'string') throw new Error(source);
console.log(`ready after ${Math.round(performance.now() - begunMs)} ms`);
const theirs = usageOf(source.pid);
const ours = process.cpuUsage();
const watched = await make(rate, seconds);
watchedPort = watched.port;
await sleep(1500);
const own = process.cpuUsage(ours);
const after = usageOf(source.pid);
const perConnection = (cpuSeconds: number) => ((cpuSeconds / watched.made) * 1e6).toFixed(1);
console.log(`${watched.made} connections at ${Math.round(watched.made / watched.seconds)}/s`);
console.log('events', ports.get(watched.port), source.counters);
console.log(
  `µs a connection: maker ${perConnection(plain.cpu)} without events, ${perConnection(watched.cpu)} with them`,
);
console.log(
  `µs a connection: flowrelay ${perConnection((own.user + own.system) / 1e6)}, bpftrace ${perConnection(after.cpu - theirs.cpu)}`,
);
console.log(`bpftrace ${Math.round(after.residentMiB)} MiB resident`);
await source.close();
