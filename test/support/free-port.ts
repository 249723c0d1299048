/** Ports for servers that a test starts later, or stops and starts again. */

import { createServer } from 'node:net';

/** Below those that the kernel gives to whoever asks for any, so that nobody gets one in the time between. */
const FIRST_PORT = 20_000;
/** Test files run at the same time: each process has ports of its own. */
const PORTS_PER_PROCESS = 1000;
const PROCESSES = 10;

const given = new Set<number>();

/** A port of 127.0.0.1 that nobody has, another one each time. */
export async function freePort(): Promise<number> {
  const first = FIRST_PORT + PORTS_PER_PROCESS * (Number(process.env['VITEST_POOL_ID'] ?? 0) % PROCESSES);
  for (;;) {
    const port = first + Math.floor(Math.random() * PORTS_PER_PROCESS);
    if (given.has(port) || !(await isFree(port))) continue;
    given.add(port);
    return port;
  }
}

/** As many. */
export async function freePorts(count: number): Promise<number[]> {
  const ports: number[] = [];
  while (ports.length < count) ports.push(await freePort());
  return ports;
}

async function isFree(port: number): Promise<boolean> {
  const server = createServer();
  const isListening = await new Promise<boolean>((resolve) => {
    server.once('error', () => resolve(false));
    server.listen(port, '127.0.0.1', () => resolve(true));
  });
  if (isListening) await new Promise((resolve) => server.close(resolve));
  return isListening;
}
