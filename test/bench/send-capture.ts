/**
 * Sends the datagrams of a capture made by make-capture.ts to a port of this host at a steady rate:
 * node send-capture.js FILE PORT RATE. Prints, as one JSON line at the end, how many it sent.
 */

import { createSocket } from 'node:dgram';
import { readFileSync } from 'node:fs';
import { capturedDatagrams } from './make-capture.ts';

const [path, port, rate] = process.argv.slice(2) as [string, string, string];
const IN_FLIGHT = 256;

const capture = readFileSync(path);
const socket = createSocket({ type: 'udp4', sendBufferSize: 4 << 20 });
socket.connect(Number(port), '127.0.0.1', () => {
  const datagrams = capturedDatagrams(capture);
  const start = performance.now();
  let next = datagrams.next();
  let taken = 0;
  let sent = 0;
  let inFlight = 0;
  const done = (error: Error | null): void => {
    inFlight--;
    if (error === null) sent++;
  };
  const tick = (): void => {
    const due = ((performance.now() - start) / 1000) * Number(rate);
    while (taken < due && inFlight < IN_FLIGHT && next.done !== true) {
      inFlight++;
      taken++;
      socket.send(next.value, done);
      next = datagrams.next();
    }
    if (next.done !== true || inFlight > 0) {
      setImmediate(tick);
      return;
    }
    console.log(JSON.stringify({ sent }));
    socket.close();
  };
  tick();
});
