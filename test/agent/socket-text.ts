/** What `ss` prints of sockets, as entries: the second opinion of tests, read as plainly as can be. */

import { SocketAddress } from 'node:net';
import type { SocketEntry, TcpFigures, TcpState } from '../../src/agent/socket-entry.ts';

/** Entries that `text` (`ss -tinaeHO`) describes, in the order of `sockets`, with the cgroups of these: ss prints paths. */
export function compareWithText(sockets: readonly SocketEntry[], text: string, namespace: number): SocketEntry[] {
  const byCookie = new Map(sockets.map((socket) => [socket.cookie, socket]));
  const entries = text
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => entryOfText(line, namespace))
    .map((entry) => ({ ...entry, cgroupId: byCookie.get(entry.cookie)?.cgroupId ?? -1 }));
  const order = sockets.map(({ cookie }) => cookie);
  return entries.sort((a, b) => order.indexOf(a.cookie) - order.indexOf(b.cookie));
}

/** Ss prints no user for root, and for sockets without a process. */
export function withoutUserOfRoot(entry: SocketEntry): SocketEntry {
  const { tcp } = entry;
  // Of rates ss prints whole bits.
  const rounded = tcp === undefined ? tcp : { ...tcp, sendRate: Math.round(tcp.sendRate) };
  return { ...entry, userId: entry.userId === 0 ? -1 : entry.userId, tcp: rounded };
}

function entryOfText(line: string, namespace: number): SocketEntry {
  const [state = '', , , local = '', remote = ''] = line.split(/\s+/);
  const value = (pattern: RegExp, otherwise: number) => Number(pattern.exec(line)?.[1] ?? otherwise);
  const [localAddress, localPort] = endpoint(local);
  const [remoteAddress, remotePort] = endpoint(remote);
  const isConnected = !['LISTEN', 'TIME-WAIT'].includes(state);
  const figures: TcpFigures = {
    roundTripUs: Math.round(value(/ rtt:([\d.]+)/, -0.001) * 1000),
    roundTripVarianceUs: Math.round(value(/ rtt:[\d.]+\/([\d.]+)/, -0.001) * 1000),
    minimumRoundTripUs: Math.round(value(/ minrtt:([\d.]+)/, -0.001) * 1000),
    unacknowledgedSegments: value(/ unacked:(\d+)/, 0),
    lostSegments: value(/ lost:(\d+)/, 0),
    retransmittedSegments: value(/ retrans:\d+\/(\d+)/, 0),
    segmentsReceived: value(/ segs_in:(\d+)/, 0),
    segmentsSent: value(/ segs_out:(\d+)/, 0),
    octetsReceived: value(/ bytes_received:(\d+)/, 0),
    octetsSent: value(/ bytes_sent:(\d+)/, 0),
    octetsAcknowledged: value(/ bytes_acked:(\d+)/, 0),
    octetsRetransmitted: value(/ bytes_retrans:(\d+)/, 0),
    sendRate: value(/ send (\d+)bps/, -1),
    deliveryRate: value(/ delivery_rate (\d+)bps/, 0),
  };
  return {
    namespace,
    protocol: 6,
    localAddress,
    localPort,
    remoteAddress,
    remotePort,
    state: ({ ESTAB: 'ESTABLISHED', UNCONN: 'CLOSE' }[state] ?? state) as TcpState,
    userId: value(/ uid:(\d+)/, -1),
    inode: value(/ ino:(\d+)/, 0),
    cookie: (/ sk:([0-9a-f]+)/.exec(line)?.[1] ?? '').padStart(16, '0'),
    cgroupId: 0,
    tcp: isConnected ? figures : undefined,
  };
}

function endpoint(text: string): [string, number] {
  const [, host = '', port = ''] = /^\[?(.*?)\]?(?:%\S+)?:(\d+|\*)$/.exec(text) ?? [];
  const bare = host === '*' ? '::' : host.replace('::ffff:', '');
  const family = bare.includes(':') ? 'ipv6' : 'ipv4';
  return [new SocketAddress({ address: bare, family }).address, port === '*' ? 0 : Number(port)];
}
