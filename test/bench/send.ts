/**
 * Sends made export traffic to a port of this host at a steady rate:
 *
 *   node send.js PROTOCOL PORT RATE SECONDS [--exporters N] [--templates N] [--shape N] [--in-use N] [--refresh N]
 *
 * Each of several Exporters has an address of its own, 127.1.x.y. An Exporter first announces all its Templates, then sends data
 * of those in use by turns, and announces each of these again every --refresh datagrams. No two Templates have the same fields, or
 * all have those of variant --shape. SIGTERM ends it early. Prints, as one JSON line at the end, how many datagrams it sent, those
 * that only announce included, and how long the data took.
 */

import { createSocket, type Socket } from 'node:dgram';
import { once } from 'node:events';
import { setTimeout as sleep } from 'node:timers/promises';
import { parseArgs } from 'node:util';
import { LIVE_RECORDS, type Protocol, TrafficMaker } from './traffic.ts';

const { positionals, values } = parseArgs({
  allowPositionals: true,
  options: {
    exporters: { type: 'string', default: '1' },
    templates: { type: 'string', default: '1' },
    shape: { type: 'string' },
    'in-use': { type: 'string', default: '1' },
    refresh: { type: 'string', default: '100' },
  },
});

const [protocol, port, rate, seconds] = positionals as [Protocol, string, string, string];
const EXPORTERS = Number(values.exporters);
const TEMPLATES = Number(values.templates);
const HAS_TEMPLATES = protocol === 'v9' || protocol === 'ipfix';
const IN_USE = HAS_TEMPLATES ? Number(values['in-use']) : 1;
const REFRESH = Number(values.refresh);

/** Datagrams made beforehand and sent again and again under new sequence numbers. */
const MADE = 2000;
/** Datagrams given to the kernel and not taken yet: what is in flight must not change. */
const IN_FLIGHT = 256;
/** Datagrams of a ring: all Exporters may take theirs from one after the other, a single one takes rings by turns. */
const RING = EXPORTERS > 1 ? IN_FLIGHT + 44 : Math.ceil((4 * IN_FLIGHT) / IN_USE);
const TEMPLATES_PER_DATAGRAM = 12;
const ANNOUNCED_AT_ONCE = 50;
const SEQUENCE_AT: Readonly<Record<Protocol, number>> = { v5: 16, v9: 12, ipfix: 8, sflow: 16 };
const FLOWS_COUNTED = protocol === 'v5' || protocol === 'ipfix' ? LIVE_RECORDS[protocol] : 1;

/** Datagrams of one variant of the Template that are sent by turns. */
interface Ring {
  readonly datagrams: readonly Buffer[];
  next: number;
}

const maker = new TrafficMaker(protocol, 7, undefined, LIVE_RECORDS[protocol]);
if (values.shape !== undefined) maker.shape = Number(values.shape);
const plain: Ring[] = [];
const announcing: Ring[] = [];
for (let variant = 0; variant < IN_USE; variant++) {
  maker.variant = variant;
  plain.push(ring(Math.ceil(MADE / IN_USE), false));
  announcing.push(HAS_TEMPLATES ? ring(0, true) : plain[variant]!);
}
const sequences = new Uint32Array(EXPORTERS);
/** Datagrams of data each has sent; they start apart, so that they do not all announce at once. */
const counts = Uint32Array.from({ length: EXPORTERS }, (_, i) => (i * 7) % REFRESH);
const sockets: Socket[] = [];
for (let i = 0; i < EXPORTERS; i++) sockets.push(await connected(i));

let sent = 0;
let inFlight = 0;
let failed = 0;
let isEnding = false;
process.once('SIGTERM', () => {
  isEnding = true;
});
const done = (error: Error | null): void => {
  inFlight--;
  if (error !== null) failed++;
};

if (HAS_TEMPLATES) await announceAll();
const announced = sent;
const wanted = Math.floor(Number(rate) * Number(seconds));
const start = performance.now();
let exporter = 0;
tick();

function tick(): void {
  const elapsed = (performance.now() - start) / 1000;
  if (isEnding) {
    finish(elapsed);
    return;
  }
  const due = announced + Math.min(wanted, Math.floor(elapsed * Number(rate)));
  while (sent < due && inFlight < IN_FLIGHT) {
    sendData(exporter);
    if (++exporter === EXPORTERS) exporter = 0;
  }
  if (sent < announced + wanted) setImmediate(tick);
  else finish((performance.now() - start) / 1000);
}

function finish(took: number): void {
  if (inFlight > 0) {
    setImmediate(finish, took);
    return;
  }
  console.log(JSON.stringify({ sent: sent - failed, seconds: took }));
  for (const socket of sockets) socket.close();
}

function sendData(from: number): void {
  const count = counts[from]!;
  counts[from] = count + 1;
  const variant = count % IN_USE;
  const chosen = count % REFRESH < IN_USE ? announcing[variant]! : plain[variant]!;
  const datagram = chosen.datagrams[chosen.next]!;
  chosen.next = chosen.next + 1 === chosen.datagrams.length ? 0 : chosen.next + 1;
  send(datagram, from, FLOWS_COUNTED);
}

function send(datagram: Buffer, from: number, counted: number): void {
  const sequence = sequences[from]!;
  datagram.writeUInt32BE(sequence, SEQUENCE_AT[protocol]);
  sequences[from] = sequence + counted;
  inFlight++;
  sent++;
  sockets[from]!.send(datagram, done);
}

async function announceAll(): Promise<void> {
  for (let first = 0; first < TEMPLATES; first += TEMPLATES_PER_DATAGRAM) {
    const length = maker.makeTemplates(first, Math.min(first + TEMPLATES_PER_DATAGRAM, TEMPLATES));
    for (let from = 0; from < EXPORTERS; from++) {
      send(Buffer.from(maker.octets.subarray(0, length)), from, protocol === 'v9' ? 1 : 0);
      if (sent % ANNOUNCED_AT_ONCE === 0) await sleep(5);
    }
  }
  while (inFlight > 0) await sleep(1);
}

function ring(atLeast: number, announces: boolean): Ring {
  maker.announces = announces;
  const datagrams = Array.from({ length: Math.max(atLeast, RING) }, () => {
    const length = maker.make(LIVE_RECORDS[protocol]);
    return Buffer.from(maker.octets.subarray(0, length));
  });
  return { datagrams, next: 0 };
}

async function connected(index: number): Promise<Socket> {
  const socket = createSocket({ type: 'udp4', sendBufferSize: 4 << 20 });
  if (EXPORTERS > 1) {
    socket.bind(0, `127.1.${(index + 1) >> 8}.${(index + 1) & 255}`);
    await once(socket, 'listening');
  }
  socket.connect(Number(port), '127.0.0.1');
  await once(socket, 'connect');
  return socket;
}
