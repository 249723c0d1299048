/** Captures made octet by octet, right or deliberately wrong, independent of what reads them. */

/** Octets of several parts, one after the other. */
export function join(...parts: readonly Uint8Array[]): Uint8Array {
  const whole = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0));
  let at = 0;
  for (const part of parts) {
    whole.set(part, at);
    at += part.length;
  }
  return whole;
}

/** An unsigned number in `length` octets, network order unless told otherwise. */
export function unsigned(value: number | bigint, length: number, littleEndian = false): Uint8Array {
  const octets = new Uint8Array(length);
  let rest = BigInt(value);
  for (let i = 0; i < length; i++) {
    octets[littleEndian ? i : length - 1 - i] = Number(rest & 0xffn);
    rest >>= 8n;
  }
  return octets;
}

/** Octets from hexadecimal text with any spaces. */
export function hex(text: string): Uint8Array {
  const digits = text.replace(/\s+/g, '');
  return Uint8Array.from({ length: digits.length / 2 }, (_, i) => Number.parseInt(digits.slice(2 * i, 2 * i + 2), 16));
}

/** Octets of ASCII text. */
export function ascii(text: string): Uint8Array {
  return Uint8Array.from(text, (letter) => letter.charCodeAt(0));
}

/** How a classic pcap file is written. */
export interface PcapStyle {
  littleEndian?: boolean;
  magic?: number;
  linkType?: number;
  snapLength?: number;
  major?: number;
  minor?: number;
}

/** One packet of a classic pcap file; lengths can lie. */
export interface PcapPacket {
  seconds?: number;
  fraction?: number;
  octets: Uint8Array;
  capturedLength?: number;
  originalLength?: number;
}

/** A classic pcap file. */
export function pcap(style: PcapStyle, packets: readonly PcapPacket[]): Uint8Array {
  const little = style.littleEndian ?? true;
  const magic = style.magic ?? 0xa1b2c3d4;
  const parts = [
    unsigned(magic, 4, little),
    unsigned(style.major ?? 2, 2, little),
    unsigned(style.minor ?? 4, 2, little),
    unsigned(0, 8),
    unsigned(style.snapLength ?? 65535, 4, little),
    unsigned(style.linkType ?? 1, 4, little),
  ];
  for (const packet of packets) {
    parts.push(
      unsigned(packet.seconds ?? 0, 4, little),
      unsigned(packet.fraction ?? 0, 4, little),
      unsigned(packet.capturedLength ?? packet.octets.length, 4, little),
      unsigned(packet.originalLength ?? packet.octets.length, 4, little),
    );
    if (magic === 0xa1b2cd34) parts.push(hex('00000002 0800 00 00'));
    parts.push(packet.octets);
  }
  return join(...parts);
}

function padded(octets: Uint8Array): Uint8Array {
  return join(octets, new Uint8Array(-octets.length & 3));
}

/** A pcapng block of any type; its lengths can lie. */
export function block(
  type: number,
  body: Uint8Array,
  little = true,
  lies: { length?: number; trailer?: number } = {},
): Uint8Array {
  const content = padded(body);
  const length = lies.length ?? content.length + 12;
  return join(
    unsigned(type, 4, little),
    unsigned(length, 4, little),
    content,
    unsigned(lies.trailer ?? length, 4, little),
  );
}

/** A pcapng option. */
export function option(code: number, value: Uint8Array, little = true): Uint8Array {
  return join(unsigned(code, 2, little), unsigned(value.length, 2, little), padded(value));
}

/** Section Header Block. */
export function sectionHeader(little = true, sectionLength = 0xffff_ffff_ffff_ffffn): Uint8Array {
  return block(
    0x0a0d0d0a,
    join(
      unsigned(0x1a2b3c4d, 4, little),
      unsigned(1, 2, little),
      unsigned(0, 2, little),
      unsigned(sectionLength, 8, little),
    ),
    little,
  );
}

/** Interface Description Block. */
export function interfaceDescription(
  linkType: number,
  options: { little?: boolean; snapLength?: number; options?: Uint8Array } = {},
): Uint8Array {
  const little = options.little ?? true;
  return block(
    1,
    join(
      unsigned(linkType, 2, little),
      unsigned(0, 2),
      unsigned(options.snapLength ?? 65535, 4, little),
      options.options ?? new Uint8Array(0),
    ),
    little,
  );
}

/** Enhanced Packet Block; the time in units of its interface. */
export function enhancedPacket(
  interfaceIndex: number,
  time: bigint,
  octets: Uint8Array,
  options: { little?: boolean; capturedLength?: number; originalLength?: number; options?: Uint8Array } = {},
): Uint8Array {
  const little = options.little ?? true;
  return block(
    6,
    join(
      unsigned(interfaceIndex, 4, little),
      unsigned(time >> 32n, 4, little),
      unsigned(time & 0xffffffffn, 4, little),
      unsigned(options.capturedLength ?? octets.length, 4, little),
      unsigned(options.originalLength ?? octets.length, 4, little),
      padded(octets),
      options.options ?? new Uint8Array(0),
    ),
    little,
  );
}

/** The obsolete Packet Block. */
export function obsoletePacket(interfaceIndex: number, drops: number, time: bigint, octets: Uint8Array): Uint8Array {
  return block(
    2,
    join(
      unsigned(interfaceIndex, 2, true),
      unsigned(drops, 2, true),
      unsigned(time >> 32n, 4, true),
      unsigned(time & 0xffffffffn, 4, true),
      unsigned(octets.length, 4, true),
      unsigned(octets.length, 4, true),
      octets,
    ),
  );
}

/** Simple Packet Block. */
export function simplePacket(octets: Uint8Array, originalLength = octets.length): Uint8Array {
  return block(3, join(unsigned(originalLength, 4, true), octets));
}

/** An Ethernet frame, with 802.1Q tags where VLAN identifiers are given. */
export function ethernet(etherType: number, payload: Uint8Array, vlans: readonly number[] = []): Uint8Array {
  const tags = vlans.map((vlan) => join(unsigned(0x8100, 2), unsigned(vlan, 2)));
  return join(hex('020000000002 020000000001'), ...tags, unsigned(etherType, 2), payload);
}

/** What an IPv4 packet says. */
export interface IPv4Style {
  source?: string;
  destination?: string;
  protocol?: number;
  identification?: number;
  /** In octets. */
  fragmentOffset?: number;
  moreFragments?: boolean;
  totalLength?: number;
  options?: Uint8Array;
}

function ipv4Address(text: string): Uint8Array {
  return Uint8Array.from(text.split('.'), Number);
}

/** An IPv4 packet (checksum left 0). */
export function ipv4(style: IPv4Style, payload: Uint8Array): Uint8Array {
  const options = style.options ?? new Uint8Array(0);
  const headerLength = 20 + options.length;
  return join(
    unsigned(0x40 + headerLength / 4, 1),
    unsigned(0, 1),
    unsigned(style.totalLength ?? headerLength + payload.length, 2),
    unsigned(style.identification ?? 0, 2),
    unsigned((style.moreFragments ? 0x2000 : 0) + (style.fragmentOffset ?? 0) / 8, 2),
    unsigned(64, 1),
    unsigned(style.protocol ?? 17, 1),
    unsigned(0, 2),
    ipv4Address(style.source ?? '192.0.2.1'),
    ipv4Address(style.destination ?? '192.0.2.2'),
    options,
    payload,
  );
}

/** An IPv6 packet from 2001:db8::1 to 2001:db8::2; extension headers are part of the payload. */
export function ipv6(nextHeader: number, payload: Uint8Array, payloadLength = payload.length): Uint8Array {
  return join(
    hex('60000000'),
    unsigned(payloadLength, 2),
    unsigned(nextHeader, 1),
    unsigned(64, 1),
    hex('20010db8000000000000000000000001 20010db8000000000000000000000002'),
    payload,
  );
}

/** An IPv6 fragment header and what it carries. */
export function ipv6Fragment(
  nextHeader: number,
  offset: number,
  moreFragments: boolean,
  identification: number,
  payload: Uint8Array,
): Uint8Array {
  return join(
    unsigned(nextHeader, 1),
    unsigned(0, 1),
    unsigned(offset + (moreFragments ? 1 : 0), 2),
    unsigned(identification, 4),
    payload,
  );
}

/** A UDP header and payload (checksum left 0). */
export function udp(sourcePort: number, destinationPort: number, payload: Uint8Array, length?: number): Uint8Array {
  return join(
    unsigned(sourcePort, 2),
    unsigned(destinationPort, 2),
    unsigned(length ?? payload.length + 8, 2),
    unsigned(0, 2),
    payload,
  );
}

/** TCP flags. */
export const FIN = 1;
export const SYN = 2;
export const RST = 4;
export const PSH = 8;
export const ACK = 16;

/** A TCP segment (checksum left 0). */
export function tcp(
  sourcePort: number,
  destinationPort: number,
  sequence: number,
  flags: number,
  payload: Uint8Array = new Uint8Array(0),
): Uint8Array {
  return join(
    unsigned(sourcePort, 2),
    unsigned(destinationPort, 2),
    unsigned(sequence >>> 0, 4),
    unsigned(0, 4),
    unsigned(0x50, 1),
    unsigned(flags, 1),
    unsigned(65535, 2),
    unsigned(0, 4),
    payload,
  );
}

/** An IPFIX Message with one Data Set whose content is `content`; `sequence` tells Messages apart. */
export function ipfixMessage(sequence: number, content: Uint8Array): Uint8Array {
  return join(
    unsigned(10, 2),
    unsigned(20 + content.length, 2),
    unsigned(1_700_000_000, 4),
    unsigned(sequence, 4),
    unsigned(7, 4),
    unsigned(256, 2),
    unsigned(4 + content.length, 2),
    content,
  );
}
