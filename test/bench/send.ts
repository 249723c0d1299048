/**
 * Sends made export traffic to a port of this host at a steady rate: node send.js PROTOCOL PORT RATE SECONDS [EXPORTERS].
 * Prints, as one JSON line at the end, how many datagrams it sent and how long that took.
 */

import { createSocket } from 'node:dgram';
import { type Protocol, TrafficMaker } from './traffic.ts';

const [protocol, port, rate, seconds, exporters = '1'] = process.argv.slice(2) as [
  Protocol,
  string,
  string,
  string,
  string?,
];

/** Datagrams made beforehand and sent again and again under new sequence numbers. */
const MADE = 2000;
const LIVE_RECORDS: Readonly<Record<Protocol, number>> = { v5: 30, v9: 24, ipfix: 7, sflow: 7 };
const SEQUENCE_AT: Readonly<Record<Protocol, number>> = { v5: 16, v9: 12, ipfix: 8, sflow: 16 };
const DOMAIN_AT: Readonly<Record<Protocol, number>> = { v5: 20, v9: 16, ipfix: 12, sflow: 12 };
const IN_FLIGHT = 256;

const maker = new TrafficMaker(protocol, 7, undefined, LIVE_RECORDS[protocol]);
const datagrams = Array.from({ length: MADE }, () => {
  const length = maker.make(LIVE_RECORDS[protocol]);
  return Buffer.from(maker.octets.subarray(0, length));
});
const perMessage = protocol === 'v5' || protocol === 'ipfix' ? LIVE_RECORDS[protocol] : 1;
const sequences = new Uint32Array(Number(exporters));

const socket = createSocket({ type: 'udp4', sendBufferSize: 4 << 20 });
socket.connect(Number(port), '127.0.0.1', () => {
  const wanted = Number(rate) * Number(seconds);
  const start = process.hrtime.bigint();
  let sent = 0;
  let inFlight = 0;
  let failed = 0;
  const done = (error: Error | null): void => {
    inFlight--;
    if (error !== null) failed++;
  };
  const tick = (): void => {
    const elapsed = Number(process.hrtime.bigint() - start) / 1e9;
    const due = Math.min(wanted, Math.floor(elapsed * Number(rate)));
    while (sent < due && inFlight < IN_FLIGHT) {
      const datagram = datagrams[sent % MADE]!;
      const exporter = sent % sequences.length;
      datagram.writeUInt32BE(sequences[exporter]!, SEQUENCE_AT[protocol]);
      if (sequences.length > 1) datagram.writeUInt32BE(exporter, DOMAIN_AT[protocol]);
      sequences[exporter] = sequences[exporter]! + perMessage;
      inFlight++;
      sent++;
      socket.send(datagram, done);
    }
    if (sent < wanted) {
      setImmediate(tick);
      return;
    }
    const took = Number(process.hrtime.bigint() - start) / 1e9;
    const finish = (): void => {
      if (inFlight > 0) setImmediate(finish);
      else {
        console.log(JSON.stringify({ sent: sent - failed, seconds: took }));
        socket.close();
      }
    };
    finish();
  };
  tick();
});
