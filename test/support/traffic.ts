/** Traffic for exporters to meter: the same few conversations in every test. */

import { ACK, ethernet, FIN, hex, ipv4, ipv6, join, PSH, pcap, SYN, tcp, udp } from './capture-builder.ts';

const CLIENT = '192.0.2.10';
const RESOLVER = '198.51.100.53';
const SERVER = '203.0.113.80';

/** Ethernet frames: name look-ups, connections with both their ends, pings, IPv6, a tagged frame. */
export function trafficFrames(): Uint8Array[] {
  const frames: Uint8Array[] = [];
  const send = (source: string, destination: string, protocol: number, payload: Uint8Array, vlans: number[] = []) => {
    frames.push(ethernet(0x0800, ipv4({ source, destination, protocol }, payload), vlans));
  };
  for (let round = 0; round < 3; round++) {
    send(CLIENT, RESOLVER, 17, udp(40000 + round, 53, new Uint8Array(40)));
    send(RESOLVER, CLIENT, 17, udp(53, 40000 + round, new Uint8Array(120)));
    const port = 50000 + round;
    send(CLIENT, SERVER, 6, tcp(port, 443, 1, SYN));
    send(SERVER, CLIENT, 6, tcp(443, port, 1, SYN | ACK));
    send(CLIENT, SERVER, 6, tcp(port, 443, 2, ACK | PSH, new Uint8Array(300)));
    for (let i = 0; i < 4 + round; i++)
      send(SERVER, CLIENT, 6, tcp(443, port, 2 + 1400 * i, ACK, new Uint8Array(1400)));
    send(CLIENT, SERVER, 6, tcp(port, 443, 302, ACK | FIN));
    send(SERVER, CLIENT, 6, tcp(443, port, 9000, ACK | FIN));
  }
  // Echo requests and what they get: replies, and a port that is closed.
  send(CLIENT, SERVER, 1, hex('0800 0000 0001 0001 6162636465666768'));
  send(SERVER, CLIENT, 1, hex('0000 0000 0001 0001 6162636465666768'));
  send(SERVER, CLIENT, 1, hex('0303 0000 0000 0000 4500001c'));
  const ping = join(hex('8000 0000 0001 0001'), new Uint8Array(16));
  frames.push(ethernet(0x86dd, ipv6(58, ping)));
  frames.push(ethernet(0x86dd, ipv6(17, udp(41000, 53, new Uint8Array(40)))));
  frames.push(ethernet(0x86dd, ipv6(6, tcp(51000, 443, 1, SYN))));
  frames.push(ethernet(0x86dd, ipv6(6, tcp(51000, 443, 2, ACK, new Uint8Array(500)))));
  send('192.0.2.20', '192.0.2.21', 17, udp(5000, 5001, new Uint8Array(64)), [100]);
  return frames;
}

/** The frames as a capture that begins at `startMs`, 10 ms apart. */
export function trafficCapture(startMs: number): Uint8Array {
  return pcap(
    {},
    trafficFrames().map((octets, i) => {
      const timeMs = startMs + 10 * i;
      return { seconds: Math.floor(timeMs / 1000), fraction: (timeMs % 1000) * 1000, octets };
    }),
  );
}
