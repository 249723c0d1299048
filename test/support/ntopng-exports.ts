/** Flows as IPFIX, for ntopng to show: addresses tell them apart. */

import type { Field } from './ipfix-message.ts';
import { joined, type Octets, u8, u16, u32, u64 } from './wire-octets.ts';

const NTOP = 35_632;

/** An Information Element of ntop's own. */
export function ntop(id: number, length: number): Field {
  return [id, length, NTOP];
}

/** A variable-length text of under 255 octets (RFC 7011 section 7). */
export function variableText(value: string): Octets {
  const octets = new TextEncoder().encode(value);
  return joined(u8(octets.length), octets);
}

/** Fields of {@link flowOctets}: both directions, with interfaces, flags and milliseconds. */
export const FLOW_FIELDS: readonly Field[] = [
  [8, 4],
  [12, 4],
  [7, 2],
  [11, 2],
  [4, 1],
  [10, 4],
  [14, 4],
  [6, 1],
  [1, 8],
  [2, 8],
  [1, 8, 29305],
  [2, 8, 29305],
  [152, 8],
  [153, 8],
];

/** A flow that has just ended; what is not said is 40000 to 443, TCP, 12345 octets out and 54321 back. */
export interface ShownFlow {
  /** From 10.N.0.H to 10.N+1.0.H. */
  readonly network?: number;
  readonly host: number;
  readonly ports?: readonly [client: number, server: number];
  readonly octets?: readonly [out: number, back: number];
  readonly protocol?: number;
  readonly tcpFlags?: number;
}

/** A record of {@link FLOW_FIELDS} with 20 packets out and 40 back, in by interface 3 and out by 4. */
export function flowOctets(flow: ShownFlow): Octets {
  const { network = 1, host, ports = [40_000, 443], octets = [12_345, 54_321], protocol = 6, tcpFlags = 0x1b } = flow;
  const endMs = Math.floor(Date.now() / 1000) * 1000;
  const low = [host >> 8, host & 255];
  return joined(
    Uint8Array.of(10, network, ...low, 10, network + 1, ...low),
    u16(ports[0]),
    u16(ports[1]),
    u8(protocol),
    u32(3),
    u32(4),
    u8(tcpFlags),
    u64(octets[0]),
    u64(20),
    u64(octets[1]),
    u64(40),
    u64(endMs - 5000),
    u64(endMs),
  );
}
