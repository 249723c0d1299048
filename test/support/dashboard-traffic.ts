/** Traffic that fills every panel of the dashboard: a capture of two Exporters over half an hour, and a pod's connections. */

import { ethernet, ipv4, type PcapPacket, pcap, udp } from './capture-builder.ts';
import { dataSet, message, templateSet, VARIABLE } from './ipfix-message.ts';
import { FLOW_FIELDS, flowOctets, ntop, variableText } from './ntopng-exports.ts';
import { address, countersSample, datagram, hyper, record, words } from './sflow-builder.ts';
import { joined, type Octets, u32 } from './wire-octets.ts';

/** Seconds between the messages: as long as ntopng's longest step. */
export const STEP_SECONDS = 300;
/** Messages of each Exporter. */
export const MESSAGES = 6;
/** Octets of each flow, out and back; there is one a message and IPFIX Exporter. */
export const OCTETS = { out: 30_000, back: 15_000 } as const;
/** Flow records of 192.0.2.1 that no message holds. */
export const LOST = 2;
/** Octets that port 3 of 192.0.2.2, of 1 Gbit/s, receives and sends between two messages. */
export const PORT_OCTETS = { received: 3_000_000, sent: 600_000 } as const;

const REMOTE = Uint8Array.of(198, 51, 100, 7);

/** Elements of ntop: retransmissions and packets out of order (109 to 112), network latencies (123, 124), containers (558, 559), name of the application (119). */
const FIELDS = [
  ...FLOW_FIELDS,
  ...[109, 110, 111, 112, 123, 124].map((id) => ntop(id, 4)),
  ntop(558, VARIABLE),
  ntop(559, VARIABLE),
] as const;

/** `remote` is the server's address where it is not 10.2.0.1. */
function flow(endMs: number, remote?: Octets): Octets {
  const plain = flowOctets({ host: 1, octets: [OCTETS.out, OCTETS.back] });
  if (remote !== undefined) plain.set(remote, 4);
  const view = new DataView(plain.buffer, plain.byteOffset + plain.length - 16);
  view.setBigUint64(0, BigInt(endMs - 10_000));
  view.setBigUint64(8, BigInt(endMs));
  return joined(plain, ...[3, 1, 2, 1, 4, 6].map(u32), ...['1edb6c16e3d2', 'f427db2c87ac', 'HTTP'].map(variableText));
}

function counters(index: number): Uint8Array {
  const octets = (each: number) => hyper(BigInt(1_000_000 + each * index));
  const generic = record(1, [
    ...words(3, 6),
    ...hyper(1_000_000_000n),
    ...words(1, 3),
    ...octets(PORT_OCTETS.received),
    ...words(1000 + index, 0, 0, 0, 0, 0),
    ...octets(PORT_OCTETS.sent),
    ...words(1000 + index, 0, 0, 0, 0, 0),
  ]);
  return datagram([countersSample([generic], { sequence: index + 1 })], {
    agent: address('192.0.2.2'),
    sequence: index + 1,
    upTime: 1_000_000 + index * STEP_SECONDS * 1000,
  });
}

/** A capture whose first message is sent 100 s after `beginSeconds`, a multiple of {@link STEP_SECONDS}. */
export function dashboardCapture(beginSeconds: number): Uint8Array {
  const packets: PcapPacket[] = [];
  for (let index = 0; index < MESSAGES; index++) {
    const seconds = beginSeconds + index * STEP_SECONDS + 100;
    const sent = (source: string, port: number, octets: Uint8Array) =>
      packets.push({
        seconds,
        octets: ethernet(0x0800, ipv4({ source, destination: '192.0.2.200', protocol: 17 }, udp(40_000, port, octets))),
      });
    // One names the application by IANA's element 96, the other by ntop's.
    for (const [source, missing, application, remote] of [
      ['192.0.2.1', LOST, [96, VARIABLE], undefined],
      ['192.0.2.2', 0, ntop(119, VARIABLE), REMOTE],
    ] as const) {
      const sets = [templateSet(300, [...FIELDS, application]), dataSet(300, flow(seconds * 1000, remote))];
      sent(source, 4739, message(sets, { exportTime: seconds, sequence: index >= 3 ? index + missing : index }));
    }
    sent('192.0.2.2', 6343, counters(index));
  }
  return pcap({}, packets);
}

/** Records as an agent sends them, of a connection that a pod made and of one that it accepted. */
export const POD_RECORDS = ['CONNECT', 'ACCEPT'].map((event, i) =>
  JSON.stringify({
    IPV4_LOCAL_ADDR: '10.1.0.9',
    IPV4_REMOTE_ADDR: '10.2.0.9',
    L4_LOCAL_PORT: 41_234 + i,
    L4_REMOTE_PORT: 443,
    PROTOCOL: 6,
    IP_PROTOCOL_VERSION: 4,
    EVENT_TYPE: event,
    LOCAL_CONTAINER: { KUBE: { NAME: 'web', POD: 'web-7d9c5b6f4-x2x8z', NS: 'shop' } },
    TCP: { CONN_STATE: 'ESTABLISHED', RTT: 4.5 + i, RTT_VARIANCE: 1.25 },
  }),
);
