/** Frames made by hand, octet by octet: Ethernet, IPv4 (RFC 791), TCP (RFC 9293), UDP (RFC 768), ICMP (RFC 792). */

/** What a frame says besides its payload; all of it has a default. */
export interface PacketWords {
  readonly from?: string;
  readonly to?: string;
  readonly fromPort?: number;
  readonly toPort?: number;
  readonly vlan?: number;
  readonly ttl?: number;
  readonly tos?: number;
  /** Last octet of the source's and the destination's MAC address. */
  readonly macs?: readonly [number, number];
  readonly identification?: number;
  /** Fragment offset in octets. */
  readonly fragmentOffset?: number;
  readonly moreFragments?: boolean;
}

/** What a TCP segment says. */
export interface SegmentWords extends PacketWords {
  /** Of `F` FIN, `S` SYN, `R` RST, `P` PSH, `A` ACK. */
  readonly flags?: string;
  readonly sequence?: number;
  readonly acknowledgement?: number;
  readonly window?: number;
  /** Octets of options, a multiple of 4. */
  readonly options?: readonly number[];
  /** Octets of payload. */
  readonly length?: number;
}

const FLAGS: Readonly<Record<string, number>> = { F: 1, S: 2, R: 4, P: 8, A: 16 };

function u16(value: number): number[] {
  return [(value >>> 8) & 0xff, value & 0xff];
}

function u32(value: number): number[] {
  return [...u16(value >>> 16), ...u16(value & 0xffff)];
}

/** An Ethernet frame around an IPv4 packet of this protocol and content. */
export function ipv4Frame(protocol: number, content: readonly number[], words: PacketWords = {}): Uint8Array {
  const { from = '192.0.2.1', to = '192.0.2.2', vlan, ttl = 64, tos = 0, macs = [1, 2], identification = 0 } = words;
  const { fragmentOffset = 0, moreFragments = false } = words;
  const tag = vlan === undefined ? [] : [...u16(0x8100), ...u16(vlan)];
  return Uint8Array.from([
    ...[2, 0, 0, 0, 0, macs[1]],
    ...[2, 0, 0, 0, 0, macs[0]],
    ...tag,
    ...u16(0x0800),
    0x45,
    tos,
    ...u16(20 + content.length),
    ...u16(identification),
    ...u16((moreFragments ? 0x2000 : 0) | (fragmentOffset >>> 3)),
    ttl,
    protocol,
    ...u16(0),
    ...from.split('.').map(Number),
    ...to.split('.').map(Number),
    ...content,
  ]);
}

/** A UDP datagram with so many octets of payload. */
export function udpFrame(words: PacketWords = {}, length = 0): Uint8Array {
  const { fromPort = 1000, toPort = 53 } = words;
  const header = [...u16(fromPort), ...u16(toPort), ...u16(8 + length), ...u16(0)];
  return ipv4Frame(17, [...header, ...new Array<number>(length).fill(0x75)], words);
}

/** A TCP segment. */
export function tcpFrame(words: SegmentWords = {}): Uint8Array {
  const { fromPort = 1000, toPort = 80, flags = 'A', sequence = 0, acknowledgement = 0 } = words;
  const { window = 1000, options = [], length = 0 } = words;
  const header = [
    ...u16(fromPort),
    ...u16(toPort),
    ...u32(sequence),
    ...u32(acknowledgement),
    ((20 + options.length) / 4) << 4,
    [...flags].reduce((sum, flag) => sum | FLAGS[flag]!, 0),
    ...u16(window),
    ...u16(0),
    ...u16(0),
    ...options,
  ];
  return ipv4Frame(6, [...header, ...new Array<number>(length).fill(0x74)], words);
}

/** An ICMP message without content. */
export function icmpFrame(type: number, code: number, words: PacketWords = {}): Uint8Array {
  return ipv4Frame(1, [type, code, 0, 0, 0, 1, 0, 1], words);
}

/** TCP timestamps as hosts send them: two of no operation, then the option (RFC 7323). */
export function timestamps(value: number, echo: number): number[] {
  return [1, 1, 8, 10, ...u32(value), ...u32(echo)];
}

/** The words of the answer to a packet: its ends the other way round. */
export function reversed(words: PacketWords): PacketWords {
  const { from = '192.0.2.1', to = '192.0.2.2', fromPort = 1000, toPort = 80, macs = [1, 2] } = words;
  return { ...words, from: to, to: from, fromPort: toPort, toPort: fromPort, macs: [macs[1], macs[0]] };
}
