/** A line of `ss -E -tinHOe` (ss(8)): a TCP socket that the kernel destroyed, with its last figures. */

import { formatIPv4 } from '../bytes/address.ts';
import { parseIPv4, parseIPv6 } from '../bytes/parse-address.ts';
import { cookieText, formatEitherIP, sendRate } from './inet-diag.ts';
import type { SocketEntry, TcpFigures, TcpState } from './socket-entry.ts';

/** ss pads its columns: a line has some 700 octets. */
export const LONGEST_LINE_OCTETS = 8192;

/** How ss writes the kernel's states. */
const STATES: ReadonlyMap<string, TcpState> = new Map<string, TcpState>([
  ['ESTAB', 'ESTABLISHED'],
  ['SYN-SENT', 'SYN-SENT'],
  ['SYN-RECV', 'SYN-RECV'],
  ['FIN-WAIT-1', 'FIN-WAIT-1'],
  ['FIN-WAIT-2', 'FIN-WAIT-2'],
  ['TIME-WAIT', 'TIME-WAIT'],
  ['UNCONN', 'CLOSE'],
  ['CLOSE-WAIT', 'CLOSE-WAIT'],
  ['LAST-ACK', 'LAST-ACK'],
  ['LISTEN', 'LISTEN'],
  ['CLOSING', 'CLOSING'],
]);

/** The socket of `line` in `namespace`; undefined where the line does not say what such a line has to. */
export function parseClosedSocket(line: string, namespace: number): SocketEntry | undefined {
  if (line.length > LONGEST_LINE_OCTETS) return undefined;
  const words = line.split(/ +/);
  const state = STATES.get(words[0] ?? '');
  const local = parseEndpoint(words[3] ?? '');
  const remote = parseEndpoint(words[4] ?? '');
  if (state === undefined || local === undefined || remote === undefined) return undefined;
  const values = new Map<string, string>();
  for (let i = 5; i < words.length; i++) {
    const word = words[i]!;
    const colon = word.indexOf(':');
    if (colon > 0) values.set(word.slice(0, colon), word.slice(colon + 1));
    // The only figure that is wanted and has a space between name and value.
    else if (word === 'delivery_rate') values.set(word, words[++i] ?? '');
  }
  const cookie = values.get('sk') ?? '';
  if (!/^[0-9a-f]{1,16}$/.test(cookie)) return undefined;
  return {
    namespace,
    protocol: 6,
    localAddress: local.address,
    localPort: local.port,
    remoteAddress: remote.address,
    remotePort: remote.port,
    state,
    // Of a socket that is gone the kernel tells neither the process nor the user: ss leaves both out.
    userId: wholeNumber(values.get('uid')),
    inode: 0,
    cookie: cookieOf(cookie),
    cgroupId: 0,
    tcp: remote.port === 0 ? undefined : figuresOf(values),
  };
}

function cookieOf(text: string): string {
  const padded = text.padStart(16, '0');
  return cookieText(Number.parseInt(padded.slice(0, 8), 16), Number.parseInt(padded.slice(8), 16));
}

/** The figures of a line; ss leaves out those that are 0, so only a line with none at all has none. */
function figuresOf(values: ReadonlyMap<string, string>): TcpFigures | undefined {
  const window = wholeNumber(values.get('cwnd'));
  if (window < 0) return undefined;
  const [roundTrip, variance] = (values.get('rtt') ?? '').split('/');
  const roundTripUs = microseconds(roundTrip);
  const octetsAcknowledged = counter(values.get('bytes_acked'));
  return {
    roundTripUs: roundTripUs > 0 ? roundTripUs : -1,
    roundTripVarianceUs: roundTripUs > 0 ? microseconds(variance) : -1,
    minimumRoundTripUs: microseconds(values.get('minrtt')),
    unacknowledgedSegments: counter(values.get('unacked')),
    lostSegments: counter(values.get('lost')),
    retransmittedSegments: counter(values.get('retrans')?.split('/')[1]),
    segmentsReceived: counter(values.get('segs_in')),
    segmentsSent: counter(values.get('segs_out')),
    octetsReceived: counter(values.get('bytes_received')),
    octetsSent: sentOctets(values.get('bytes_sent'), octetsAcknowledged),
    octetsAcknowledged,
    octetsRetransmitted: counter(values.get('bytes_retrans')),
    sendRate: sendRate(window, wholeNumber(values.get('mss')), roundTripUs),
    deliveryRate: bitRate(values.get('delivery_rate')),
  };
}

/** Left out although more is acknowledged than SYN and FIN (one octet each): a kernel before 4.19, which does not count them. */
function sentOctets(text: string | undefined, octetsAcknowledged: number): number {
  return text === undefined && octetsAcknowledged > 2 ? -1 : counter(text);
}

/** 0 where it is left out, -1 where it is no number. */
function counter(text: string | undefined): number {
  return text === undefined ? 0 : wholeNumber(text);
}

/** -1 where it is left out or no number. */
function wholeNumber(text: string | undefined): number {
  return text !== undefined && /^\d{1,16}$/.test(text) ? Number(text) : -1;
}

/** Of a time in milliseconds as printf's %g writes it. */
function microseconds(text: string | undefined): number {
  if (text === undefined || !/^\d{1,12}(\.\d{1,9})?(e[+-]\d{1,2})?$/.test(text)) return -1;
  return Math.round(Number(text) * 1000);
}

function bitRate(text: string | undefined): number {
  if (text === undefined) return 0;
  return text.endsWith('bps') ? wholeNumber(text.slice(0, -3)) : -1;
}

const octets = new Uint8Array(64);
const address = new DataView(new ArrayBuffer(16));
const addressOctets = new Uint8Array(address.buffer);

/** Address and port of one end: `a.b.c.d:port`, `[v6]:port`, either with `%interface` before the colon, `*` for any. */
function parseEndpoint(text: string): { readonly address: string; readonly port: number } | undefined {
  const colon = text.lastIndexOf(':');
  const portText = text.slice(colon + 1);
  const port = portText === '*' ? 0 : wholeNumber(portText);
  if (colon < 1 || port < 0 || port > 65_535) return undefined;
  const host = text.slice(0, colon).split('%', 1)[0] ?? '';
  if (host === '*') return { address: '::', port };
  const bare = host.startsWith('[') && host.includes(']') ? host.slice(1, host.indexOf(']')) : host;
  if (bare.length > 45) return undefined;
  for (let i = 0; i < bare.length; i++) octets[i] = bare.charCodeAt(i);
  const word = parseIPv4(octets, 0, bare.length);
  if (word >= 0) return { address: formatIPv4(word), port };
  if (!parseIPv6(octets, 0, bare.length, addressOctets, 0)) return undefined;
  return { address: formatEitherIP(address, 0), port };
}
