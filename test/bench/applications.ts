/**
 * What finding the application of a flow costs: nanoseconds a flow, from its first packet to its record, and a packet of a
 * flow that is decided. The best of several rounds, each over as many flows as a cache of a busy link holds.
 */

import { readFileSync } from 'node:fs';
import { Flow } from '../../src/flow/flow.ts';
import { Layout } from '../../src/flow/layout.ts';
import { Origin } from '../../src/flow/origin.ts';
import { PayloadDetector } from '../../src/meter/application/payload-detector.ts';
import type { ServiceFile } from '../../src/meter/application-services.ts';
import {
  alpn,
  clientHello,
  dnsMessage,
  octetsOf,
  serverHello,
  serverName,
  signatureAlgorithms,
  supportedVersions,
  tlsRecords,
} from '../support/application-payloads.ts';
import { crypto, initial } from '../support/quic-packet.ts';

const FLOWS = 20_000;
const ROUNDS = 12;

interface Packet {
  readonly direction: 0 | 1;
  readonly octets: Uint8Array;
  readonly sequence: number;
}

interface Kind {
  readonly name: string;
  readonly protocol: number;
  readonly serverPort: number;
  readonly packets: readonly Packet[];
}

const EMPTY = new Uint8Array(0);

function tcp(name: string, serverPort: number, request: readonly Uint8Array[], response: Uint8Array): Kind {
  const packets: Packet[] = [
    { direction: 0, octets: EMPTY, sequence: 99 },
    { direction: 1, octets: EMPTY, sequence: 199 },
    { direction: 0, octets: EMPTY, sequence: 100 },
  ];
  let sequence = 100;
  for (const octets of request) {
    packets.push({ direction: 0, octets, sequence });
    sequence += octets.length;
  }
  packets.push({ direction: 1, octets: response, sequence: 200 });
  return { name, protocol: 6, serverPort, packets };
}

const HELLO = tlsRecords(
  clientHello({
    ciphers: [
      0x1301, 0x1302, 0x1303, 0xc02b, 0xc02f, 0xc02c, 0xc030, 0xcca9, 0xcca8, 0xc013, 0xc014, 0x9c, 0x9d, 0x2f, 0x35,
    ],
    extensions: [
      serverName('www.youtube.com'),
      alpn('h2', 'http/1.1'),
      supportedVersions(0x0304, 0x0303),
      signatureAlgorithms(0x0403, 0x0804, 0x0401),
      [0x33, new Uint8Array(1200)],
    ],
  }),
);
const QUIC_HELLO = clientHello({
  extensions: [serverName('www.youtube.com'), alpn('h3'), supportedVersions(0x0304), [0x33, new Uint8Array(40)]],
});
const REQUEST = octetsOf(
  'GET /index.html?a=b HTTP/1.1\r\nHost: www.example.org\r\nUser-Agent: Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101\r\n',
  'Accept: */*\r\nAccept-Language: en\r\nAccept-Encoding: gzip\r\nConnection: keep-alive\r\n\r\n',
);

const KINDS: readonly Kind[] = [
  {
    name: 'DNS',
    protocol: 17,
    serverPort: 53,
    packets: [
      { direction: 0, octets: dnsMessage('www.google.com', 1), sequence: 0 },
      { direction: 1, octets: dnsMessage('www.google.com', 1, 0x8180, 2), sequence: 0 },
    ],
  },
  tcp('HTTP', 80, [REQUEST], octetsOf('HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n')),
  tcp('TLS', 443, [HELLO], serverHello(0x1301, 0x0304)),
  tcp('TLS in two segments', 443, [HELLO.subarray(0, 700), HELLO.subarray(700)], serverHello(0x1301, 0x0304)),
  tcp('SSH', 22, [octetsOf('SSH-2.0-OpenSSH_9.2\r\n')], octetsOf('SSH-2.0-OpenSSH_9.2p1 Debian-2\r\n')),
  {
    name: 'QUIC',
    protocol: 17,
    serverPort: 443,
    packets: [{ direction: 0, octets: initial(1, 0, crypto(0, QUIC_HELLO)), sequence: 0 }],
  },
  {
    name: 'unknown, 20 datagrams',
    protocol: 17,
    serverPort: 40_001,
    packets: Array.from({ length: 20 }, () => ({
      direction: 0 as const,
      octets: octetsOf('0x99aabbccddeeff00', new Uint8Array(100)),
      sequence: 0,
    })),
  },
];

// The compiled benchmark lies elsewhere than the program.
const { services } = JSON.parse(readFileSync('ie-definitions/applications/services.json', 'utf8')) as ServiceFile;
const detector = new PayloadDetector(FLOWS, { services });
const flow = new Flow(new Origin());
flow.bytes = new Uint8Array(256);
const layout = new Layout('flow', []);

function nanosecondsAFlow({ protocol, serverPort, packets }: Kind, isWritten: boolean): number {
  const views = packets.map(({ octets }) => new DataView(octets.buffer, octets.byteOffset, octets.byteLength));
  let best = Number.POSITIVE_INFINITY;
  for (let round = 0; round < ROUNDS; round++) {
    const start = process.hrtime.bigint();
    for (let slot = 0; slot < FLOWS; slot++) {
      for (let i = 0; i < packets.length; i++) {
        const { direction, octets, sequence } = packets[i]!;
        if (!detector.wants(slot)) continue;
        detector.onPayload(
          slot,
          protocol,
          50_123,
          serverPort,
          direction,
          octets,
          views[i]!,
          0,
          octets.length,
          sequence,
        );
      }
      if (isWritten) {
        flow.layout = layout;
        detector.write(slot, flow);
      }
    }
    best = Math.min(best, Number(process.hrtime.bigint() - start) / FLOWS);
    for (let slot = 0; slot < FLOWS; slot++) detector.release(slot);
  }
  return best;
}

/** Packets of decided flows cost the question whether they are wanted. */
function nanosecondsADecidedPacket(): number {
  const { protocol, serverPort, packets } = KINDS[0]!;
  for (let slot = 0; slot < FLOWS; slot++) {
    for (const { direction, octets } of packets) {
      detector.onPayload(
        slot,
        protocol,
        50_123,
        serverPort,
        direction,
        octets,
        new DataView(octets.buffer),
        0,
        octets.length,
        0,
      );
    }
  }
  let best = Number.POSITIVE_INFINITY;
  let wanted = 0;
  for (let round = 0; round < ROUNDS * 10; round++) {
    const start = process.hrtime.bigint();
    for (let packet = 0; packet < FLOWS * 10; packet++) if (detector.wants((packet * 7919) % FLOWS)) wanted++;
    best = Math.min(best, Number(process.hrtime.bigint() - start) / (FLOWS * 10));
  }
  if (wanted > 0) throw new Error(`${wanted} packets of decided flows are wanted`);
  return best;
}

console.log('kind                     packets  ns/flow  ns/packet  ns/flow with its record');
for (const kind of KINDS) {
  const alone = nanosecondsAFlow(kind, false);
  const written = nanosecondsAFlow(kind, true);
  const columns = [
    kind.packets.length.toFixed(0).padStart(7),
    alone.toFixed(0).padStart(8),
    (alone / kind.packets.length).toFixed(0).padStart(10),
    written.toFixed(0).padStart(23),
  ];
  console.log(`${kind.name.padEnd(24)} ${columns.join(' ')}`);
}
console.log(`packet of a decided flow ${nanosecondsADecidedPacket().toFixed(1)} ns`);
