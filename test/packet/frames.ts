/**
 * Frames written by hand from the specifications, with what they say: the unit tests read them, the hostile tests damage
 * them, and the comparison with tshark shows that they are what their names claim.
 */
import {
  LINK_CISCO_HDLC,
  LINK_ETHERNET,
  LINK_IEEE802_11,
  LINK_IEEE802_11_RADIOTAP,
  LINK_IPV4,
  LINK_IPV6,
  LINK_LINUX_SLL,
  LINK_LINUX_SLL2,
  LINK_LOOP,
  LINK_MPLS,
  LINK_NFLOG,
  LINK_NULL,
  LINK_PPP,
  LINK_PPP_ETHER,
  LINK_PPP_SERIAL,
  LINK_PPP_WITH_DIRECTION,
  LINK_RAW,
} from '../../src/packet/link-type.ts';
import type { PacketFault } from '../../src/packet/packet-fault.ts';
import type { PacketHeaders } from '../../src/packet/packet-headers.ts';

/** Fields a frame is expected to have; addresses as text, `fault` by its name. */
export type Expected = Partial<Omit<PacketHeaders, 'fault' | 'inner' | 'reset' | 'mplsLabels'>> & {
  source?: string;
  destination?: string;
  destinationMac?: string;
  sourceMac?: string;
  arpSender?: string;
  arpTarget?: string;
  mplsLabels?: number[];
  fault?: PacketFault;
};

/** One frame. */
export interface Frame {
  name: string;
  linkType: number;
  octets: Uint8Array;
  expected: Expected;
  /** Of the innermost tunnel; undefined: no tunnel may be entered. */
  inner?: Expected;
  /** Why tshark reads it differently, where it does. */
  tsharkDiffers?: string;
}

/** Octets of hexadecimal text; blanks are ignored. */
export function octets(text: string): Uint8Array {
  const digits = text.replace(/\s/g, '');
  if (digits.length % 2 !== 0 || /[^0-9a-f]/i.test(digits)) throw new Error(`not hexadecimal: ${text}`);
  return Uint8Array.from(digits.match(/../g) ?? [], (pair) => Number.parseInt(pair, 16));
}

/** `value` as hexadecimal text of `length` octets. */
function number(value: number, length: number): string {
  return value.toString(16).padStart(2 * length, '0');
}

/** Octets in hexadecimal text. */
function lengthOf(text: string): number {
  return octets(text).length;
}

const MACS = '02005e000001 02005e000002';
const INNER_MACS = '02005e0000aa 02005e0000bb';
const SOURCE_6 = '20010db8000000000000000000000001';
const DESTINATION_6 = '20010db8000000000000000000000002';

interface IPv4Fields {
  tos?: number;
  totalLength?: number;
  identification?: number;
  fragment?: number;
  ttl?: number;
  addresses?: string;
  options?: string;
}

/** An IPv4 packet, 192.0.2.1 to 198.51.100.2 (RFC 791). */
function ipv4(protocol: number, payload: string, fields: IPv4Fields = {}): string {
  const options = fields.options ?? '';
  const headerLength = 20 + lengthOf(options);
  return (
    number(0x40 | (headerLength / 4), 1) +
    number(fields.tos ?? 0, 1) +
    number(fields.totalLength ?? headerLength + lengthOf(payload), 2) +
    number(fields.identification ?? 0x1234, 2) +
    number(fields.fragment ?? 0, 2) +
    number(fields.ttl ?? 64, 1) +
    number(protocol, 1) +
    '0000' +
    (fields.addresses ?? 'c0000201c6336402') +
    options +
    payload
  );
}

/** The inner IPv4 packet of tunnels: 10.0.0.1 to 203.0.113.9, TTL 33. */
function innerIPv4(protocol: number, payload: string, fields: IPv4Fields = {}): string {
  return ipv4(protocol, payload, { addresses: '0a000001cb007109', ttl: 33, ...fields });
}

/** An IPv6 packet, 2001:db8::1 to 2001:db8::2 (RFC 8200). */
function ipv6(nextHeader: number, payload: string, payloadLength = lengthOf(payload), firstWord = '60000000'): string {
  return `${firstWord}${number(payloadLength, 2)}${number(nextHeader, 1)}40${SOURCE_6}${DESTINATION_6}${payload}`;
}

/** Ports 54321 to 443, sequence 0xf2345678, acknowledgement 0xaabbccdd, ACK PSH, window 512. */
const TCP = 'd431 01bb f2345678 aabbccdd 5018 0200 0000 0000';
/** Ports 40000 to 80, no payload. */
const INNER_TCP = '9c40 0050 00000001 00000002 5002 0400 0000 0000';

/** A UDP datagram (RFC 768). */
function udp(destinationPort: number, payload: string, sourcePort = 5000): string {
  return `${number(sourcePort, 2)}${number(destinationPort, 2)}${number(8 + lengthOf(payload), 2)}0000${payload}`;
}

/** An Ethernet frame around `payload`. */
function ethernet(etherType: string, payload: string, macs = MACS): string {
  return `${macs}${etherType}${payload}`;
}

const PLAIN = ipv4(6, TCP);
const PLAIN_EXPECTED: Expected = {
  ipVersion: 4,
  source: '192.0.2.1',
  destination: '198.51.100.2',
  protocol: 6,
  ttl: 64,
  ipTotalLength: 40,
  sourcePort: 54321,
  destinationPort: 443,
};
const PLAIN_6 = ipv6(17, udp(53, '616263'));
const PLAIN_6_EXPECTED: Expected = {
  ipVersion: 6,
  source: '2001:db8::1',
  destination: '2001:db8::2',
  protocol: 17,
  ttl: 64,
  ipTotalLength: 51,
  sourcePort: 5000,
  destinationPort: 53,
};
const INNER = innerIPv4(6, INNER_TCP);
const INNER_EXPECTED: Expected = {
  ipVersion: 4,
  source: '10.0.0.1',
  destination: '203.0.113.9',
  protocol: 6,
  ttl: 33,
  sourcePort: 40000,
  destinationPort: 80,
  tcpFlags: 2,
};
const INNER_FRAME = ethernet('0800', INNER, INNER_MACS);
const INNER_FRAME_EXPECTED: Expected = {
  ...INNER_EXPECTED,
  destinationMac: '02:00:5e:00:00:aa',
  sourceMac: '02:00:5e:00:00:bb',
  etherType: 0x0800,
};

/** All frames. */
export const FRAMES: Frame[] = [];

/** Adds a frame of any link type. */
function add(
  linkType: number,
  name: string,
  text: string,
  expected: Expected,
  inner?: Expected,
  tsharkDiffers?: string,
): void {
  const frame: Frame = { name, linkType, octets: octets(text), expected };
  if (inner !== undefined) frame.inner = inner;
  if (tsharkDiffers !== undefined) frame.tsharkDiffers = tsharkDiffers;
  FRAMES.push(frame);
}

/** Adds an Ethernet frame that carries IPv4. */
function addIPv4(name: string, packet: string, expected: Expected, inner?: Expected, tsharkDiffers?: string): void {
  add(
    LINK_ETHERNET,
    name,
    ethernet('0800', packet),
    { etherType: 0x0800, ipVersion: 4, ...expected },
    inner,
    tsharkDiffers,
  );
}

/** Adds an Ethernet frame that carries IPv6. */
function addIPv6(name: string, packet: string, expected: Expected, inner?: Expected, tsharkDiffers?: string): void {
  add(
    LINK_ETHERNET,
    name,
    ethernet('86dd', packet),
    { etherType: 0x86dd, ipVersion: 6, ...expected },
    inner,
    tsharkDiffers,
  );
}

// Transport over IPv4: IP at 14, transport at 34.
addIPv4('TCP with payload and Ethernet padding', `${ipv4(6, `${TCP}6869`)}00000000`, {
  ...PLAIN_EXPECTED,
  destinationMac: '02:00:5e:00:00:01',
  sourceMac: '02:00:5e:00:00:02',
  ipTotalLength: 42,
  linkAt: 0,
  networkAt: 14,
  ipHeaderLength: 20,
  transportAt: 34,
  tcpFlags: 0x018,
  tcpSequence: 0xf2345678,
  tcpAcknowledgement: 0xaabbccdd,
  tcpWindow: 512,
  tcpDataOffset: 20,
  payloadAt: 54,
  payloadEnd: 56,
  payloadLength: 2,
  payloadCut: false,
  isFragment: false,
  vlanCount: 0,
  mplsLabelCount: 0,
});
addIPv4(
  'TCP with options, TOS and reserved, NS, CWR, ECE flags',
  ipv4(6, 'd431 01bb 00000001 80000000 8fff ffff 0000 0000 0101080a0000000100000002 ff', {
    tos: 0xb9,
    identification: 0xfffe,
    fragment: 0x4000,
    ttl: 255,
  }),
  {
    tos: 0xb9,
    ttl: 255,
    identification: 0xfffe,
    isFragment: false,
    tcpFlags: 0xfff,
    tcpAcknowledgement: 0x80000000,
    tcpWindow: 0xffff,
    tcpDataOffset: 32,
    payloadAt: 66,
    payloadLength: 1,
  },
);
addIPv4('IPv4 with options', ipv4(17, udp(53, '6869'), { options: '94040000 01010101' }), {
  ipHeaderLength: 28,
  protocol: 17,
  transportAt: 42,
  sourcePort: 5000,
  destinationPort: 53,
  udpLength: 10,
  payloadAt: 50,
  payloadLength: 2,
});
addIPv4('IPv4 with the longest options', ipv4(17, udp(53, ''), { options: '01'.repeat(40) }), {
  ipHeaderLength: 60,
  transportAt: 74,
  destinationPort: 53,
  payloadLength: 0,
});
addIPv4('UDP with octets after its length (RFC 9868)', ipv4(17, '1388 0035 000a 0000 6869 fe020000'), {
  destinationPort: 53,
  udpLength: 10,
  payloadAt: 42,
  payloadEnd: 44,
  payloadLength: 2,
});
addIPv4('UDP length 0', ipv4(17, '1388 0035 0000 0000 6869'), { udpLength: 0, payloadLength: 2, fault: '' });
addIPv4('UDP length 7', ipv4(17, '1388 0035 0007 0000 6869'), {
  destinationPort: 53,
  udpLength: 7,
  fault: 'udp_length_invalid',
});
addIPv4('ICMP echo request', ipv4(1, '0800 0000 0001 0002 6869'), {
  protocol: 1,
  icmpType: 8,
  icmpCode: 0,
  sourcePort: 0,
  transportAt: 34,
  payloadAt: 42,
});
addIPv4('ICMP port unreachable with the packet it is about', ipv4(1, `0303 0000 0000 0000 ${PLAIN}`), {
  protocol: 1,
  icmpType: 3,
  icmpCode: 3,
  sourcePort: 0,
  destinationPort: 0,
});
addIPv4('IGMP version 2 report', ipv4(2, '1600 0000 e0000001', { ttl: 1 }), { protocol: 2, igmpType: 0x16, ttl: 1 });
addIPv4('SCTP', ipv4(132, '8001 0b59 00000001 00000000 0b000004'), {
  protocol: 132,
  sourcePort: 32769,
  destinationPort: 2905,
  payloadAt: 46,
  payloadLength: 4,
});
addIPv4('UDP-Lite', ipv4(136, '8001 0b59 0008 0000 6869'), {
  protocol: 136,
  sourcePort: 32769,
  destinationPort: 2905,
  payloadAt: 42,
});
addIPv4('DCCP request', ipv4(33, '8001 0b59 05 00 0000 01 000000 000001 00000000'), {
  protocol: 33,
  sourcePort: 32769,
  destinationPort: 2905,
  payloadAt: 53,
  payloadLength: 0,
  fault: 'transport_header_cut',
});
addIPv4('DCCP data with short sequence numbers', ipv4(33, '8001 0b59 03 00 0000 04 000001 6869'), {
  protocol: 33,
  sourcePort: 32769,
  destinationPort: 2905,
  payloadAt: 46,
  payloadLength: 2,
  fault: '',
});
addIPv4('ESP', ipv4(50, '00000001 00000002 aabbccdd'), {
  protocol: 50,
  transportAt: -1,
  payloadAt: 34,
  payloadLength: 12,
});
addIPv4('AH over IPv4, then TCP', ipv4(51, `06040000 00000001 00000002 aabbccddaabbccddaabbccdd ${TCP}`), {
  protocol: 6,
  sourcePort: 54321,
  transportAt: 58,
  ipHeaderLength: 44,
});
addIPv4('no protocol we know', ipv4(253, '6869'), { protocol: 253, transportAt: -1, payloadLength: 2, fault: '' });

// Fragments.
addIPv4('first fragment', ipv4(17, '1388 0035 0100 0000 6869', { fragment: 0x2000 }), {
  isFragment: true,
  moreFragments: true,
  fragmentOffset: 0,
  transportAt: 34,
  destinationPort: 53,
});
addIPv4('middle fragment', ipv4(17, '1388 0035 0100 0000 6869', { fragment: 0x2001 }), {
  isFragment: true,
  moreFragments: true,
  fragmentOffset: 8,
  protocol: 17,
  transportAt: -1,
  sourcePort: 0,
  destinationPort: 0,
  payloadAt: 34,
  payloadLength: 10,
});
addIPv4('last fragment at the highest offset', ipv4(6, '6869', { fragment: 0x1fff }), {
  isFragment: true,
  moreFragments: false,
  fragmentOffset: 65528,
  transportAt: -1,
  payloadLength: 2,
});

addIPv4('later fragment, cut', ipv4(17, '6869', { fragment: 1, totalLength: 40 }), {
  transportAt: -1,
  payloadAt: 34,
  payloadEnd: 36,
  payloadLength: 20,
  payloadCut: true,
});

// Lengths that do not fit.
addIPv4(
  'total length 0 (segmentation offload)',
  ipv4(6, `${TCP}686970`, { totalLength: 0 }),
  {
    ...PLAIN_EXPECTED,
    ipTotalLength: 0,
    payloadLength: 3,
    payloadEnd: 57,
    fault: '',
  },
  undefined,
  'tshark takes the length of the capture',
);
addIPv4('total length over the capture', ipv4(6, `${TCP}6869`, { totalLength: 1500 }), {
  ...PLAIN_EXPECTED,
  ipTotalLength: 1500,
  payloadAt: 54,
  payloadEnd: 56,
  payloadLength: 1460,
  payloadCut: true,
  fault: '',
});
addIPv4(
  'total length under the header',
  ipv4(6, TCP, { totalLength: 19 }),
  {
    source: '192.0.2.1',
    transportAt: -1,
    fault: 'ip_total_length_invalid',
  },
  undefined,
  'tshark shows no addresses of it',
);
addIPv4('total length that ends within the ports', ipv4(6, TCP, { totalLength: 23 }), {
  source: '192.0.2.1',
  transportAt: -1,
  sourcePort: 0,
  fault: 'transport_header_cut',
});
addIPv4('total length that ends after the ports', ipv4(6, TCP, { totalLength: 24 }), {
  sourcePort: 54321,
  destinationPort: 443,
  tcpSequence: 0,
  tcpFlags: 0,
  fault: 'transport_header_cut',
});
add(LINK_ETHERNET, 'IHL 4', ethernet('0800', `44${PLAIN.slice(2)}`), {
  ipVersion: 0,
  networkAt: 14,
  transportAt: -1,
  fault: 'ip_header_length_invalid',
});
add(LINK_ETHERNET, 'version 5 under the EtherType of IPv4', ethernet('0800', `55${PLAIN.slice(2)}`), {
  ipVersion: 0,
  fault: 'ip_version_invalid',
});
addIPv4(
  'TCP data offset 4',
  ipv4(6, 'd431 01bb 00000001 00000002 4002 0200 0000 0000'),
  {
    sourcePort: 54321,
    destinationPort: 443,
    tcpFlags: 2,
    tcpDataOffset: 16,
    payloadLength: 0,
    fault: 'tcp_data_offset_invalid',
  },
  undefined,
  'tshark counts the payload from that offset',
);
addIPv4('TCP data offset over the packet', ipv4(6, 'd431 01bb 00000001 00000002 f002 0200 0000 0000'), {
  destinationPort: 443,
  tcpFlags: 2,
  tcpDataOffset: 60,
  payloadLength: 0,
  fault: 'transport_header_cut',
});

// IPv6: IP at 14, next header at 54.
addIPv6('UDP over IPv6', ipv6(17, udp(53, '616263'), undefined, '6b912345'), {
  ...PLAIN_6_EXPECTED,
  ipHeaderLength: 40,
  tos: 0xb9,
  flowLabel: 0x12345,
  transportAt: 54,
  payloadAt: 62,
  payloadLength: 3,
});
addIPv6('ICMPv6 neighbour solicitation', ipv6(58, `87000000 00000000 ${SOURCE_6}`), {
  protocol: 58,
  icmpType: 135,
  icmpCode: 0,
  sourcePort: 0,
});
addIPv6(
  'hop-by-hop, destination options, routing, atomic fragment, destination options, TCP',
  ipv6(
    0,
    `3c00050200000100 2b01010c${'00'.repeat(12)} 2c02040100000000${SOURCE_6} 3c00000012345678 0600010400000000 ${TCP}`,
  ),
  {
    protocol: 6,
    sourcePort: 54321,
    identification: 0x12345678,
    isFragment: false,
    ipHeaderLength: 40 + 8 + 16 + 24 + 8 + 8,
    transportAt: 14 + 104,
  },
);
addIPv6('first fragment over IPv6', ipv6(44, `1100 0001 f2345678 ${udp(53, '6869')}`), {
  isFragment: true,
  moreFragments: true,
  fragmentOffset: 0,
  identification: 0xf2345678,
  protocol: 17,
  destinationPort: 53,
});
addIPv6('later fragment over IPv6', ipv6(44, `1100 05a8 f2345678 ${udp(53, '6869')}`), {
  isFragment: true,
  moreFragments: false,
  fragmentOffset: 1448,
  protocol: 17,
  transportAt: -1,
  destinationPort: 0,
  ipHeaderLength: 48,
  payloadAt: 62,
});
addIPv6('AH over IPv6, then UDP', ipv6(51, `11040000 00000001 00000002 aabbccddaabbccddaabbccdd ${udp(53, '')}`), {
  protocol: 17,
  destinationPort: 53,
  ipHeaderLength: 64,
});
addIPv6('mobility header, binding refresh request', ipv6(135, '3b00 0000 0000 0000'), {
  protocol: 135,
  transportAt: -1,
  fault: '',
});
addIPv6(
  'HIP before UDP',
  ipv6(139, `1104 0111 0000 0000 ${'00'.repeat(32)} ${udp(53, '')}`),
  {
    protocol: 17,
    destinationPort: 53,
    ipHeaderLength: 80,
  },
  undefined,
  'tshark takes HIP for the end',
);
addIPv6('shim6 payload header before TCP', ipv6(140, `0600 8000 0000 0001 ${TCP}`), { protocol: 6, sourcePort: 54321 });
addIPv6('no next header', `${ipv6(59, '')}0000`, { protocol: 59, ipTotalLength: 40, payloadLength: 0, fault: '' });
addIPv6('payload length 0 (segmentation offload)', ipv6(6, TCP, 0), {
  protocol: 6,
  ipTotalLength: 0,
  sourcePort: 54321,
  payloadLength: 0,
  fault: '',
});
addIPv6(
  'jumbogram of 100000 octets, cut',
  ipv6(0, `1100 c204 000186a0 ${udp(53, '6869').replace('000a', '0000')}`, 0),
  {
    protocol: 17,
    ipTotalLength: 100040,
    destinationPort: 53,
    payloadLength: 100000 - 16,
    payloadCut: true,
    fault: '',
  },
);
addIPv6(
  'jumbogram whose option comes after others',
  ipv6(0, `1101 00 0105c204000200 c204 00010001 ${udp(53, '').replace('0008', '0000')}`, 0),
  { protocol: 17, ipTotalLength: 65577, destinationPort: 53, payloadCut: true, fault: '' },
);
addIPv6(
  'jumbo payload option of a length that needs none',
  ipv6(0, `1100 c204 0000ffff ${udp(53, '6869')}`, 0),
  {
    protocol: 17,
    ipTotalLength: 0,
    destinationPort: 53,
    payloadLength: 2,
    payloadCut: false,
    fault: '',
  },
  undefined,
  'tshark believes it',
);
addIPv6(
  '200 destination options',
  ipv6(60, `${'3c00010400000000'.repeat(199)}0600010400000000${TCP}`),
  {
    source: '2001:db8::1',
    protocol: 60,
    transportAt: -1,
    fault: 'ip_extension_chain_too_long',
  },
  undefined,
  'we stop, tshark goes on',
);
addIPv6('hop-by-hop options longer than the packet', ipv6(0, `06ff010400000000${TCP}`), {
  protocol: 0,
  transportAt: -1,
  fault: 'transport_header_cut',
});

// ARP.
const ARP = '0001 0800 06 04 0001 02005e000002 c0000201 000000000000 c0000202';
add(LINK_ETHERNET, 'ARP request', ethernet('0806', ARP), {
  etherType: 0x0806,
  isArp: true,
  arpOperation: 1,
  arpSender: '192.0.2.1',
  arpTarget: '192.0.2.2',
  arpSenderMacAt: 22,
  arpTargetMacAt: 32,
  ipVersion: 0,
});
add(LINK_ETHERNET, 'RARP request', ethernet('8035', ARP.replace('0001 02', '0003 02')), {
  isArp: true,
  arpOperation: 3,
});
add(LINK_ETHERNET, 'ARP for other addresses', ethernet('0806', ARP.replace('0800 06', '86dd 06')), {
  isArp: false,
  etherType: 0x0806,
});

// Tags. One tag has four octets, so IP is at 14 + 4n.
add(LINK_ETHERNET, '802.1Q', ethernet('8100', `a064 0800 ${PLAIN}`), {
  ...PLAIN_EXPECTED,
  etherType: 0x0800,
  vlanCount: 1,
  vlanId: 100,
  vlanPriority: 5,
  innerVlanId: 0,
  networkAt: 18,
});
add(LINK_ETHERNET, 'priority tag', ethernet('8100', `e000 86dd ${PLAIN_6}`), {
  ...PLAIN_6_EXPECTED,
  vlanCount: 1,
  vlanId: 0,
  vlanPriority: 7,
});
add(LINK_ETHERNET, '802.1ad around 802.1Q', ethernet('88a8', `2fff 8100 c064 0800 ${PLAIN}`), {
  ...PLAIN_EXPECTED,
  etherType: 0x0800,
  vlanCount: 2,
  vlanId: 4095,
  vlanPriority: 1,
  innerVlanId: 100,
  innerVlanPriority: 6,
  networkAt: 22,
});
add(LINK_ETHERNET, '0x9100 around 802.1Q', ethernet('9100', `0007 8100 0064 0800 ${PLAIN}`), {
  ...PLAIN_EXPECTED,
  vlanCount: 2,
  vlanId: 7,
  innerVlanId: 100,
});
add(LINK_ETHERNET, 'VLAN 20 deep', ethernet('8100', `${'0003 8100 '.repeat(19)}0009 0800 ${PLAIN}`), {
  ...PLAIN_EXPECTED,
  vlanCount: 20,
  vlanId: 3,
  innerVlanId: 9,
  networkAt: 94,
});
add(
  LINK_ETHERNET,
  'VLAN 200 deep',
  ethernet('8100', `${'0003 8100 '.repeat(199)}0009 0800 ${PLAIN}`),
  {
    ipVersion: 0,
    vlanId: 3,
    fault: 'link_headers_too_many',
  },
  undefined,
  'we stop, tshark goes on',
);
add(LINK_ETHERNET, 'provider backbone bridge', ethernet('88e7', `00000123 ${INNER_MACS} 0800 ${PLAIN}`), {
  ...PLAIN_EXPECTED,
  destinationMac: '02:00:5e:00:00:01',
  networkAt: 32,
});
add(LINK_ETHERNET, 'VN-Tag', ethernet('8926', `00000000 0800 ${PLAIN}`), { ...PLAIN_EXPECTED, networkAt: 20 });
add(LINK_ETHERNET, 'Cisco MetaData', ethernet('8909', `0101 0001 0005 8100 0064 0800 ${PLAIN}`), {
  ...PLAIN_EXPECTED,
  vlanId: 100,
});
add(LINK_ETHERNET, 'E-Tag', ethernet('893f', `000000000000 0800 ${PLAIN}`), { ...PLAIN_EXPECTED, networkAt: 22 });

// LLC.
add(LINK_ETHERNET, '802.3 with SNAP', ethernet(number(8 + 40, 2), `aaaa03 000000 0800 ${PLAIN}`), {
  ...PLAIN_EXPECTED,
  etherType: 0x0800,
  networkAt: 22,
});
add(
  LINK_ETHERNET,
  '802.3 in VLAN with SNAP of IEEE 802.1H',
  ethernet('8100', `0064 0030 aaaa03 0000f8 0800 ${PLAIN}`),
  {
    ...PLAIN_EXPECTED,
    vlanId: 100,
  },
);
add(LINK_ETHERNET, '802.3 whose length ends within the SNAP header', ethernet('0005', `aaaa03 000000 0800 ${PLAIN}`), {
  ipVersion: 0,
  fault: '',
});
add(LINK_ETHERNET, '802.3 with LLC of IP', ethernet('002b', `060603 ${PLAIN}`), { ...PLAIN_EXPECTED, networkAt: 17 });
add(LINK_ETHERNET, 'spanning tree', ethernet('0026', `424203 ${'00'.repeat(35)}`), {
  ipVersion: 0,
  etherType: 0,
  fault: '',
});
add(LINK_ETHERNET, 'Cisco discovery protocol', ethernet('0012', 'aaaa03 00000c 2000 02b40000 000100060000'), {
  ipVersion: 0,
  etherType: 0,
  fault: '',
});
add(LINK_ETHERNET, 'IPX in raw 802.3', ethernet('0022', `ffff ${'00'.repeat(32)}`), { ipVersion: 0, fault: '' });
add(LINK_ETHERNET, 'a length of 0 and padding', ethernet('0000', '00'.repeat(46)), { ipVersion: 0, fault: '' });
add(LINK_ETHERNET, 'between length and EtherType', ethernet('05dd', PLAIN), { ipVersion: 0, fault: '' });
add(LINK_ETHERNET, 'LLC over 1500 octets', ethernet('8870', `aaaa03 000000 0800 ${PLAIN}`), PLAIN_EXPECTED);
add(LINK_ETHERNET, 'LLDP', ethernet('88cc', '0207 04 02005e000002 0000'), {
  etherType: 0x88cc,
  ipVersion: 0,
  fault: '',
});

// MPLS.
add(LINK_ETHERNET, 'MPLS, one label', ethernet('8847', `186a1b3f ${PLAIN}`), {
  ...PLAIN_EXPECTED,
  etherType: 0x8847,
  mplsAt: 14,
  mplsLabelCount: 1,
  mplsTopLabel: 100001,
  mplsTopTrafficClass: 5,
  mplsTopTtl: 63,
  mplsLabels: [100001],
});
add(
  LINK_ETHERNET,
  'MPLS, three labels, IPv6, in VLAN',
  ethernet('8100', `0064 8847 fffffe40 00010040 00002140 ${PLAIN_6}`),
  {
    ...PLAIN_6_EXPECTED,
    etherType: 0x8847,
    vlanId: 100,
    mplsLabelCount: 3,
    mplsTopLabel: 0xfffff,
    mplsTopTrafficClass: 7,
    mplsLabels: [0xfffff, 16, 2],
  },
);
add(LINK_ETHERNET, 'MPLS, twelve labels', ethernet('8848', `${'00064040'.repeat(11)} 00065140 ${PLAIN}`), {
  ...PLAIN_EXPECTED,
  mplsLabelCount: 12,
  mplsLabels: Array.from({ length: 10 }, () => 100),
});
add(
  LINK_ETHERNET,
  'MPLS pseudowire with control word',
  ethernet('8847', `00064140 00000001 ${INNER_MACS} 0800 ${PLAIN}`),
  {
    ...PLAIN_EXPECTED,
    destinationMac: '02:00:5e:00:00:01',
    etherType: 0x8847,
    mplsLabelCount: 1,
    networkAt: 14 + 8 + 14,
  },
);
add(
  LINK_ETHERNET,
  'MPLS pseudowire without control word',
  ethernet('8847', `00064140 ${INNER_MACS} 8100 0064 0800 ${PLAIN}`),
  {
    ...PLAIN_EXPECTED,
    vlanId: 100,
    networkAt: 14 + 4 + 18,
  },
  undefined,
  'tshark takes the first octets of the address for a control word',
);
add(LINK_ETHERNET, 'MPLS associated channel', ethernet('8847', '0000d140 10000007 20c80318'), {
  ipVersion: 0,
  fault: '',
});
add(LINK_ETHERNET, 'MPLS without bottom', ethernet('8847', '00064040'.repeat(300)), {
  ipVersion: 0,
  mplsTopLabel: 100,
  fault: 'mpls_bottomless',
});

// PPPoE.
add(LINK_ETHERNET, 'PPPoE, IPv4', ethernet('8864', `1100 f234 002a 0021 ${PLAIN}`), {
  ...PLAIN_EXPECTED,
  etherType: 0x8864,
  pppoeSessionId: 0xf234,
  networkAt: 22,
});
add(LINK_ETHERNET, 'PPPoE in two VLANs, IPv6', ethernet('88a8', `0001 8100 0002 8864 1100 0001 0035 0057 ${PLAIN_6}`), {
  ...PLAIN_6_EXPECTED,
  vlanId: 1,
  innerVlanId: 2,
  pppoeSessionId: 1,
});
add(LINK_ETHERNET, 'PPPoE, LCP', ethernet('8864', '1100 0001 000a c021 0901 0008 00000000'), {
  ipVersion: 0,
  fault: '',
});
add(LINK_ETHERNET, 'PPPoE discovery', ethernet('8863', '1109 0000 0004 01010000'), {
  etherType: 0x8863,
  pppoeSessionId: 0,
  fault: '',
});
add(
  LINK_ETHERNET,
  'PPPoE of another version',
  ethernet('8864', `2100 0001 002a 0021 ${PLAIN}`),
  {
    ipVersion: 0,
    fault: 'link_header_invalid',
  },
  undefined,
  'tshark reads on',
);

// Other links.
add(LINK_RAW, 'raw IPv4', PLAIN, { ...PLAIN_EXPECTED, networkAt: 0, etherType: 0, sourceMacAt: -1 });
add(LINK_RAW, 'raw IPv6', PLAIN_6, { ...PLAIN_6_EXPECTED, networkAt: 0 });
add(LINK_RAW, 'raw, neither version', `75${PLAIN.slice(2)}`, { ipVersion: 0, fault: 'ip_version_invalid' });
add(LINK_IPV4, 'IPv4 link', PLAIN, PLAIN_EXPECTED);
add(LINK_IPV6, 'IPv6 link', PLAIN_6, PLAIN_6_EXPECTED);
add(
  LINK_MPLS,
  'MPLS link',
  `00064140 ${PLAIN}`,
  { ...PLAIN_EXPECTED, mplsTopLabel: 100 },
  undefined,
  'tshark does not know the link type',
);
add(LINK_NULL, 'loopback, little-endian', `02000000 ${PLAIN}`, { ...PLAIN_EXPECTED, networkAt: 4 });
add(LINK_NULL, 'loopback, big-endian', `00000002 ${PLAIN}`, PLAIN_EXPECTED);
for (const family of ['18', '1c', '1e']) {
  add(LINK_NULL, `loopback, IPv6 family 0x${family}`, `${family}000000 ${PLAIN_6}`, PLAIN_6_EXPECTED);
}
add(LINK_NULL, 'loopback, family of AppleTalk', `10000000 ${PLAIN}`, { ipVersion: 0, fault: '' });
add(LINK_NULL, 'Cisco HDLC under the loopback type', `0f00 0800 ${PLAIN}`, PLAIN_EXPECTED);
add(LINK_NULL, 'PPP under the loopback type', `ff03 0021 ${PLAIN}`, PLAIN_EXPECTED);
add(LINK_LOOP, 'OpenBSD loopback', `00000018 ${PLAIN_6}`, PLAIN_6_EXPECTED);
add(LINK_PPP, 'PPP with address and control', `ff03 0021 ${PLAIN}`, { ...PLAIN_EXPECTED, networkAt: 4 });
add(LINK_PPP, 'PPP without address and control', `0057 ${PLAIN_6}`, { ...PLAIN_6_EXPECTED, networkAt: 2 });
add(LINK_PPP, 'PPP with compressed protocol', `21 ${PLAIN}`, { ...PLAIN_EXPECTED, networkAt: 1 });
add(LINK_PPP, 'PPP with address and compressed protocol', `ff03 57 ${PLAIN_6}`, { ...PLAIN_6_EXPECTED, networkAt: 3 });
add(LINK_PPP, 'PPP with MPLS', `ff03 0281 00064140 ${PLAIN}`, { ...PLAIN_EXPECTED, mplsTopLabel: 100 });
add(LINK_PPP, 'PPP of protocol 0x0121, which is not IP', `ff03 0121 ${PLAIN}`, { ipVersion: 0, fault: '' });
add(LINK_PPP, 'PPP with IPCP', 'ff03 8021 0101 0004', { ipVersion: 0, fault: '' });
add(LINK_PPP_WITH_DIRECTION, 'PPP after a direction', `00 ff03 0021 ${PLAIN}`, PLAIN_EXPECTED);
add(LINK_PPP_SERIAL, 'PPP in HDLC framing', `ff03 0021 ${PLAIN}`, PLAIN_EXPECTED);
add(LINK_PPP_SERIAL, 'Cisco HDLC under the PPP type', `0f00 0800 ${PLAIN}`, PLAIN_EXPECTED);
add(LINK_CISCO_HDLC, 'Cisco HDLC', `8f00 86dd ${PLAIN_6}`, PLAIN_6_EXPECTED);
add(LINK_CISCO_HDLC, 'Cisco HDLC keepalive', '8f00 8035 00000002 00000001 00000001 ffff', { ipVersion: 0 });
add(LINK_PPP_ETHER, 'PPPoE link', `1100 0007 002a 0021 ${PLAIN}`, { ...PLAIN_EXPECTED, pppoeSessionId: 7 });
add(LINK_LINUX_SLL, 'Linux cooked', `0000 0001 0006 02005e0000020000 0800 ${PLAIN}`, {
  ...PLAIN_EXPECTED,
  sourceMac: '02:00:5e:00:00:02',
  etherType: 0x0800,
  networkAt: 16,
});
add(LINK_LINUX_SLL, 'Linux cooked, VLAN', `0000 0001 0006 02005e0000020000 8100 0064 86dd ${PLAIN_6}`, {
  ...PLAIN_6_EXPECTED,
  vlanId: 100,
});
add(
  LINK_LINUX_SLL,
  'Linux cooked, LLC',
  `0000 0001 0006 02005e0000020000 0004 aaaa03 000000 0800 ${PLAIN}`,
  PLAIN_EXPECTED,
);
add(LINK_LINUX_SLL, 'Linux cooked, no address', `0000 fffe 0000 0000000000000000 0800 ${PLAIN}`, {
  ...PLAIN_EXPECTED,
  sourceMacAt: -1,
});
add(
  LINK_LINUX_SLL,
  'Linux cooked, radiotap',
  `0003 0323 0000 0000000000000000 0004 0000 0800 00000000 0801 0000 0200000000a1 0200000000a2 0200000000a3 1000
   aaaa03 000000 0800 ${PLAIN}`,
  { ...PLAIN_EXPECTED, sourceMac: '02:00:00:00:00:a2' },
);
add(LINK_LINUX_SLL, 'Linux cooked, GRE keepalive', '0000 030a 0004 c000020100000000 0004 060603 45', {
  ipVersion: 0,
  fault: '',
});
add(LINK_LINUX_SLL2, 'Linux cooked 2', `86dd 0000 00000003 0001 04 06 02005e0000020000 ${PLAIN_6}`, {
  ...PLAIN_6_EXPECTED,
  sourceMac: '02:00:5e:00:00:02',
  etherType: 0x86dd,
  networkAt: 20,
});
add(LINK_NFLOG, 'netfilter log, little-endian', `02 00 0001 0800 0100 08000300 0500 0a00 61000000 2c00 0900 ${PLAIN}`, {
  ...PLAIN_EXPECTED,
  networkAt: 24,
});
add(
  LINK_NFLOG,
  'netfilter log, big-endian',
  `0a 00 0001 0008 0001 86dd0300 0037 0009 ${PLAIN_6} 00`,
  PLAIN_6_EXPECTED,
  undefined,
  'tshark takes the byte order of its own machine',
);
add(LINK_NFLOG, 'netfilter log without a packet', '02 00 0001 0000 0000', { ipVersion: 0, fault: 'truncated' });
add(
  9999,
  'a link type that does not exist',
  PLAIN,
  { ipVersion: 0, fault: 'link_type_unknown' },
  undefined,
  'not a type',
);

add(
  LINK_ETHERNET,
  '802.3 with the SNAP access points but no unnumbered information',
  ethernet('0030', `aaaa13 000000 0800 ${PLAIN}`),
  {
    ipVersion: 0,
    fault: '',
  },
);
add(
  LINK_ETHERNET,
  '802.3 with other access points and unnumbered information',
  ethernet('0030', `aaab03 000000 0800 ${PLAIN}`),
  {
    ipVersion: 0,
    fault: '',
  },
);
// 802.11: A1 02:..:a1, A2 02:..:a2, A3 02:..:a3, A4 02:..:a4.
const A1 = '0200000000a1';
const A2 = '0200000000a2';
const A3 = '0200000000a3';
const A4 = '0200000000a4';
const SNAP = `aaaa03 000000 0800 ${PLAIN}`;
add(LINK_IEEE802_11, '802.11 between stations', `0800 0000 ${A1}${A2}${A3} 1000 ${SNAP}`, {
  ...PLAIN_EXPECTED,
  destinationMac: '02:00:00:00:00:a1',
  sourceMac: '02:00:00:00:00:a2',
  networkAt: 32,
});
add(LINK_IEEE802_11, '802.11 to the access point', `0801 0000 ${A1}${A2}${A3} 1000 ${SNAP}`, {
  ...PLAIN_EXPECTED,
  destinationMac: '02:00:00:00:00:a3',
  sourceMac: '02:00:00:00:00:a2',
});
add(LINK_IEEE802_11, '802.11 from the access point, QoS', `8802 0000 ${A1}${A2}${A3} 1000 0000 ${SNAP}`, {
  ...PLAIN_EXPECTED,
  destinationMac: '02:00:00:00:00:a1',
  sourceMac: '02:00:00:00:00:a3',
  networkAt: 34,
});
add(
  LINK_IEEE802_11,
  '802.11 between access points, QoS, HT control',
  `8883 0000 ${A1}${A2}${A3} 1000 ${A4} 0000 00000000 ${SNAP}`,
  {
    ...PLAIN_EXPECTED,
    destinationMac: '02:00:00:00:00:a3',
    sourceMac: '02:00:00:00:00:a4',
    networkAt: 44,
  },
);
add(LINK_IEEE802_11, '802.11 between access points', `0803 0000 ${A1}${A2}${A3} 1000 ${A4} ${SNAP}`, {
  ...PLAIN_EXPECTED,
  sourceMac: '02:00:00:00:00:a4',
  networkAt: 38,
});
add(LINK_IEEE802_11, '802.11 A-MSDU', `8802 0000 ${A1}${A2}${A3} 1000 8000 ${INNER_MACS} 0030 ${SNAP}`, {
  ...PLAIN_EXPECTED,
  destinationMac: '02:00:5e:00:00:aa',
  sourceMac: '02:00:5e:00:00:bb',
});
add(LINK_IEEE802_11, '802.11 encrypted', `0841 0000 ${A1}${A2}${A3} 1000 0000002000000000 aabbccdd`, {
  ipVersion: 0,
  destinationMac: '02:00:00:00:00:a3',
  fault: '',
});
add(LINK_IEEE802_11, '802.11 QoS null', `c801 0000 ${A1}${A2}${A3} 1000 0000`, { ipVersion: 0, fault: '' });
add(LINK_IEEE802_11, '802.11 later fragment', `0802 0000 ${A1}${A2}${A3} 1100 ${SNAP}`, { ipVersion: 0, fault: '' });
add(LINK_IEEE802_11, '802.11 beacon', `8000 0000 ${A1}${A2}${A3} 1000 0000000000000000 6400 0104 0000`, {
  ipVersion: 0,
  destinationMac: '02:00:00:00:00:a1',
  sourceMac: '02:00:00:00:00:a2',
});
add(LINK_IEEE802_11, '802.11 acknowledgement', `d400 0000 ${A1}`, { ipVersion: 0, destinationMacAt: -1, fault: '' });
add(LINK_IEEE802_11, '802.11 of another version', `0900 0000 ${A1}${A2}${A3} 1000 ${SNAP}`, {
  ipVersion: 0,
  fault: 'link_header_invalid',
});
add(LINK_IEEE802_11_RADIOTAP, 'radiotap without fields', `0000 0800 00000000 0801 0000 ${A1}${A2}${A3} 1000 ${SNAP}`, {
  ...PLAIN_EXPECTED,
  networkAt: 40,
});
add(
  LINK_IEEE802_11_RADIOTAP,
  'radiotap with two presence words, timestamp, flags, padded header and check sequence',
  // Presence words to 12, timestamp from 16, flags at 24; the QoS header of 26 octets is filled up to 28.
  `0000 2000 03000080 00000000 00000000 0000000000000000 30 00000000000000
   8801 0000 ${A1}${A2}${A3} 1000 0000 0000 ${SNAP} aabbccdd`,
  { ...PLAIN_EXPECTED, networkAt: 32 + 28 + 8 },
);
add(LINK_IEEE802_11_RADIOTAP, 'radiotap of length 7', `0000 0700 00000000 ${SNAP}`, {
  ipVersion: 0,
  fault: 'link_header_invalid',
});

// Tunnels by protocol.
addIPv4(
  'IPv4 in IPv4',
  ipv4(4, INNER),
  { protocol: 4, tunnelType: 2, hasTunnelId: false, tunnelDepth: 1, hasInner: true, sourcePort: 0 },
  {
    ...INNER_EXPECTED,
    networkAt: 34,
  },
);
addIPv4('IPv6 in IPv4', ipv4(41, PLAIN_6), { protocol: 41, tunnelType: 2 }, PLAIN_6_EXPECTED);
addIPv6('IPv4 in IPv6', ipv6(4, INNER), { protocol: 4, tunnelType: 2 }, INNER_EXPECTED);
addIPv6(
  'IPv6 in IPv6 after destination options',
  ipv6(60, `2900 0401 0400 0104 ${PLAIN_6.replace(/\s/g, '')}`),
  {
    protocol: 41,
    tunnelType: 2,
  },
  PLAIN_6_EXPECTED,
);
addIPv4('IPv4 in IPv4 in a later fragment', ipv4(4, INNER, { fragment: 1 }), {
  protocol: 4,
  tunnelType: 0,
  hasInner: false,
});
addIPv4('nothing of IP in protocol 4', ipv4(4, '00000000'), {
  tunnelType: 2,
  hasInner: false,
  tunnelDepth: 0,
  fault: 'ip_version_invalid',
});
addIPv4(
  'GRE',
  ipv4(47, `0000 0800 ${INNER}`),
  {
    protocol: 47,
    tunnelType: 1,
    tunnelFlags: 0,
    hasTunnelId: false,
    tunnelPayloadAt: 38,
    payloadAt: 34,
    transportAt: -1,
  },
  INNER_EXPECTED,
);
addIPv4(
  'GRE with key 0',
  ipv4(47, `2000 86dd 00000000 ${PLAIN_6}`),
  {
    tunnelFlags: 0x2000,
    hasTunnelId: true,
    tunnelId: 0,
  },
  PLAIN_6_EXPECTED,
);
addIPv4(
  'GRE with checksum, key, sequence',
  ipv4(47, `b000 0800 abcd0000 f2345678 00000001 ${INNER}`),
  {
    hasTunnelId: true,
    tunnelId: 0xf2345678,
    tunnelPayloadAt: 50,
  },
  INNER_EXPECTED,
);
addIPv4(
  'GRE with every flag and source routes',
  ipv4(
    47,
    `ff78 0800 abcd0000 00000007 00000001 0800 00 0c 000000000000000000000000 0800 04 04 0a000002 00000000 ${INNER}`,
  ),
  { hasTunnelId: true, tunnelId: 7, tunnelPayloadAt: 34 + 16 + 16 + 8 + 4, fault: '' },
  INNER_EXPECTED,
);
addIPv4(
  'GRE with source routes that do not end',
  ipv4(47, `4000 0800 abcd0000 ${'0800 00 00'.repeat(40)} 00000000 ${INNER}`),
  {
    tunnelType: 1,
    hasInner: false,
    fault: 'tunnel_header_invalid',
  },
  undefined,
  'we stop, tshark goes on',
);
addIPv4(
  'GRE version 2',
  ipv4(47, `0002 0800 ${INNER}`),
  { tunnelType: 1, hasInner: false, fault: 'tunnel_header_invalid' },
  undefined,
  'tshark reads on',
);
addIPv4('GRE keepalive', ipv4(47, '0000 0000'), { tunnelType: 1, hasInner: false, fault: '' });
addIPv4(
  'GRE version 1 with PPP',
  ipv4(47, `3081 880b 002b f234 00000001 00000002 ff03 21 ${INNER}`),
  {
    tunnelType: 1,
    hasTunnelId: true,
    tunnelId: 0xf234,
  },
  INNER_EXPECTED,
);
addIPv4(
  'GRE version 1 without acknowledgement',
  ipv4(47, `3001 880b 002b f234 00000001 ff03 21 ${INNER}`),
  {
    hasTunnelId: true,
    tunnelId: 0xf234,
    tunnelPayloadAt: 46,
  },
  INNER_EXPECTED,
);
addIPv4(
  'ERSPAN type II under a GRE key',
  ipv4(47, `3000 88be 00000009 00000001 1064 0805 00000000 ${INNER_FRAME}`),
  {
    hasTunnelId: true,
    tunnelId: 9,
  },
  INNER_FRAME_EXPECTED,
);
addIPv4('GRE version 1, acknowledgement alone', ipv4(47, '2081 880b 0000 f234 00000002'), {
  hasTunnelId: true,
  tunnelId: 0xf234,
  hasInner: false,
  fault: '',
});
addIPv4('GRE with Ethernet', ipv4(47, `0000 6558 ${INNER_FRAME}`), { tunnelType: 1 }, INNER_FRAME_EXPECTED);
addIPv4(
  'GRE with MPLS',
  ipv4(47, `0000 8847 00064140 ${INNER}`),
  { tunnelType: 1, mplsLabelCount: 0 },
  {
    ...INNER_EXPECTED,
    mplsTopLabel: 100,
  },
);
addIPv4('GRE with WCCP version 1', ipv4(47, `0000 883e ${INNER}`), { tunnelType: 1 }, INNER_EXPECTED);
addIPv4('GRE with WCCP version 2', ipv4(47, `0000 883e 00000000 ${INNER}`), { tunnelType: 1 }, INNER_EXPECTED);
addIPv4('ERSPAN type I', ipv4(47, `0000 88be ${INNER_FRAME}`), { hasTunnelId: false }, INNER_FRAME_EXPECTED);
addIPv4(
  'ERSPAN type II',
  ipv4(47, `1000 88be 00000001 1064 0805 00000000 ${INNER_FRAME}`),
  {
    hasTunnelId: true,
    tunnelId: 5,
  },
  INNER_FRAME_EXPECTED,
);
addIPv4(
  'ERSPAN type III',
  ipv4(47, `1000 22eb 00000001 2064 0805 00000000 0000 0000 ${INNER_FRAME}`),
  {
    hasTunnelId: true,
    tunnelId: 5,
  },
  INNER_FRAME_EXPECTED,
);
addIPv4(
  'ERSPAN type III with platform header',
  ipv4(47, `1000 22eb 00000001 2064 0805 00000000 0000 0001 0c00000000000000 ${INNER_FRAME}`),
  {
    hasTunnelId: true,
    tunnelId: 5,
  },
  INNER_FRAME_EXPECTED,
);
addIPv4('EtherIP', ipv4(97, `3000 ${INNER_FRAME}`), { tunnelType: 9 }, INNER_FRAME_EXPECTED);
addIPv4(
  'EtherIP of another version',
  ipv4(97, `4000 ${INNER_FRAME}`),
  { fault: 'tunnel_header_invalid' },
  undefined,
  'tshark reads on',
);
addIPv4('MPLS in IP', ipv4(137, `00064140 ${INNER}`), { tunnelType: 10 }, { ...INNER_EXPECTED, mplsTopLabel: 100 });

// Tunnels over UDP: UDP at 34, its payload at 42.
addIPv4(
  'VXLAN',
  ipv4(17, udp(4789, `08000000 f2345600 ${INNER_FRAME}`)),
  {
    tunnelType: 3,
    tunnelFlags: 8,
    hasTunnelId: true,
    tunnelId: 0xf23456,
    payloadAt: 42,
    destinationPort: 4789,
    destinationMac: '02:00:5e:00:00:01',
  },
  { ...INNER_FRAME_EXPECTED, networkAt: 64 },
);
addIPv6(
  'VXLAN on the Linux port over IPv6, VLAN within',
  ipv6(17, udp(8472, `08000000 00000100 ${INNER_MACS} 8100 0064 0800 ${INNER}`)),
  {
    tunnelType: 3,
    hasTunnelId: true,
    tunnelId: 1,
    vlanCount: 0,
  },
  { ...INNER_FRAME_EXPECTED, vlanId: 100 },
  'tshark takes the port for OTV',
);
addIPv4(
  'no VXLAN on its port',
  ipv4(17, udp(4789, `00000000 00000100 ${INNER_FRAME}`)),
  { tunnelType: 0, hasInner: false },
  undefined,
  'tshark goes by the port alone',
);
addIPv4(
  'VXLAN with ARP',
  ipv4(17, udp(4789, `08000000 00000100 ${ethernet('0806', ARP)}`)),
  { tunnelType: 3 },
  { isArp: true },
);
addIPv4(
  'VXLAN-GPE with IPv4',
  ipv4(17, udp(4790, `0c000001 00000100 ${INNER}`)),
  { tunnelType: 4, hasTunnelId: true, tunnelId: 1 },
  INNER_EXPECTED,
);
addIPv4(
  'VXLAN-GPE with Ethernet',
  ipv4(17, udp(4790, `0c000003 00000100 ${INNER_FRAME}`)),
  { tunnelType: 4 },
  INNER_FRAME_EXPECTED,
);
addIPv4(
  'Geneve with options',
  ipv4(17, udp(6081, `0240 6558 00007b00 0102 80 01 00000001 ${INNER_FRAME}`)),
  {
    tunnelType: 5,
    tunnelFlags: 0x0240,
    hasTunnelId: true,
    tunnelId: 123,
  },
  INNER_FRAME_EXPECTED,
);
addIPv4('Geneve with IPv6', ipv4(17, udp(6081, `0000 86dd 00007b00 ${PLAIN_6}`)), { tunnelType: 5 }, PLAIN_6_EXPECTED);
addIPv4(
  'GTP-U',
  ipv4(17, udp(2152, `30ff 0028 f2345678 ${INNER}`)),
  {
    tunnelType: 6,
    tunnelFlags: 0x30,
    hasTunnelId: true,
    tunnelId: 0xf2345678,
  },
  INNER_EXPECTED,
);
addIPv4(
  'GTP-U with sequence number',
  ipv4(17, udp(2152, `32ff 002c 00000001 00070000 ${INNER}`)),
  { hasTunnelId: true, tunnelId: 1 },
  INNER_EXPECTED,
);
addIPv4(
  'GTP-U with a PDU session container',
  ipv4(17, udp(2152, `34ff 0030 00000001 00000085 01 00 01 00 ${INNER}`)),
  {
    hasTunnelId: true,
    tunnelId: 1,
  },
  INNER_EXPECTED,
);
addIPv4(
  'GTP-U with an extension header of length 0',
  ipv4(17, udp(2152, `34ff 0030 00000001 00000085 00 00 01 00 ${INNER}`)),
  {
    tunnelType: 6,
    hasInner: false,
    fault: 'tunnel_header_invalid',
  },
);
addIPv4('GTP-U echo request', ipv4(17, udp(2152, '3201 0004 00000000 00070000')), {
  tunnelType: 6,
  hasInner: false,
  fault: '',
});
addIPv4('Teredo', ipv4(17, udp(3544, PLAIN_6)), { tunnelType: 7, hasTunnelId: false }, PLAIN_6_EXPECTED);
addIPv4(
  'no Teredo: the IPv6 length is over the UDP length',
  ipv4(17, udp(3544, ipv6(17, udp(53, ''), 9))),
  {
    tunnelType: 0,
    hasInner: false,
  },
  undefined,
  'tshark goes by the port alone',
);
addIPv4(
  'no L2TP: a reserved bit is set',
  ipv4(17, udp(1701, `0012 0001 0002 ff03 0021 ${INNER}`)),
  {
    tunnelType: 0,
    hasInner: false,
  },
  undefined,
  'tshark goes by the port alone',
);
addIPv4('no L2TP: version 3', ipv4(17, udp(1701, `0003 0001 0002 ff03 0021 ${INNER}`)), {
  tunnelType: 0,
  hasInner: false,
});
addIPv4(
  'Teredo from a server, with authentication and origin',
  ipv4(17, udp(5000, `0001 0000 0000000000000001 00 0000 f0f0 3fff fdfe ${PLAIN_6}`, 3544)),
  {
    tunnelType: 7,
  },
  PLAIN_6_EXPECTED,
);
addIPv4(
  'L2TP data with length',
  ipv4(17, udp(1701, `4002 0034 f234 0007 ff03 0021 ${INNER}`)),
  {
    tunnelType: 8,
    hasTunnelId: true,
    tunnelId: 0xf2340007,
    tunnelFlags: 0x4002,
  },
  INNER_EXPECTED,
);
addIPv4(
  'L2TP data with sequence and offset',
  ipv4(17, udp(5000, `0a02 0001 0007 0001 0002 0002 ffff ff03 0021 ${INNER}`, 1701)),
  {
    tunnelType: 8,
    hasTunnelId: true,
    tunnelId: 0x00010007,
  },
  INNER_EXPECTED,
);
addIPv4('L2TP control', ipv4(17, udp(1701, 'c802 000c 0001 0000 0001 0002')), {
  tunnelType: 8,
  hasInner: false,
  fault: '',
});
addIPv4(
  'MPLS in UDP',
  ipv4(17, udp(6635, `00064140 ${INNER}`)),
  { tunnelType: 10 },
  { ...INNER_EXPECTED, mplsTopLabel: 100 },
);

// Tunnel headers with nothing, or with the least, in them.
const SHORT_TUNNELS: [string, number, string, Expected][] = [
  ['VXLAN', 4789, '08000000 00000100', { tunnelType: 3 }],
  ['VXLAN-GPE', 4790, '0c000003 00000100', { tunnelType: 4 }],
  ['Geneve', 6081, '0000 6558 00007b00', { tunnelType: 5 }],
  ['GTP-U', 2152, '30ff 0000 00000001', { tunnelType: 6 }],
  ['GTP-U with options', 2152, '32ff 0004 00000001 00070000', { tunnelType: 6 }],
  ['GTP-U with an extension header', 2152, '34ff 0008 00000001 00000085 01000000', { tunnelType: 6 }],
  ['L2TP', 1701, '0002 0001 0002', { tunnelType: 8, tunnelId: 0x10002 }],
];
for (const [name, port, header, expected] of SHORT_TUNNELS) {
  addIPv4(`${name} with nothing in it`, ipv4(17, udp(port, header)), {
    ...expected,
    hasTunnelId: true,
    hasInner: false,
    fault: 'truncated',
  });
  addIPv4(
    `${name} with a header cut by one octet`,
    ipv4(17, udp(port, header.slice(0, -2))),
    {
      hasInner: false,
      tunnelPayloadAt: -1,
      // Only behind a whole first part is it known for a tunnel.
      fault: name.startsWith('GTP-U with') ? 'truncated' : '',
    },
    undefined,
    name === 'VXLAN' || name === 'Geneve' ? 'tshark goes by the port alone' : undefined,
  );
}
addIPv4('MPLS in UDP, a bottom label and nothing else', ipv4(17, udp(6635, '00064140')), {
  tunnelType: 10,
  hasInner: false,
  fault: '',
});
addIPv4(
  'VXLAN-GPE without VNI',
  ipv4(17, udp(4790, `04000002 00000000 ${PLAIN_6}`)),
  {
    tunnelType: 4,
    hasTunnelId: false,
  },
  PLAIN_6_EXPECTED,
);
addIPv4(
  'VXLAN-GPE with MPLS',
  ipv4(17, udp(4790, `0c000005 00000100 00064140 ${INNER}`)),
  { tunnelType: 4 },
  {
    ...INNER_EXPECTED,
    mplsTopLabel: 100,
  },
);
addIPv4(
  'GTP-U with two extension headers',
  ipv4(17, udp(2152, `34ff 0038 00000001 00000085 01 00 01 40 02 ${'00'.repeat(6)} 00 ${INNER}`)),
  {
    hasTunnelId: true,
    tunnelId: 1,
  },
  INNER_EXPECTED,
);

// Tunnels in tunnels.
addIPv4(
  'VXLAN in GRE in IPv4 in IPv4',
  ipv4(4, ipv4(47, `0000 0800 ${ipv4(17, udp(4789, `08000000 00000100 ${INNER_FRAME}`))}`)),
  {
    protocol: 4,
    tunnelType: 2,
    tunnelDepth: 3,
    tunnelDepthExceeded: false,
  },
  INNER_FRAME_EXPECTED,
);
addIPv4(
  'IPv4 in IPv4 50 deep',
  Array.from({ length: 50 }).reduce<string>((packet) => ipv4(4, packet), PLAIN),
  { protocol: 4, tunnelType: 2, tunnelDepth: 4, tunnelDepthExceeded: true, hasInner: true },
  { ipVersion: 4, protocol: 4, networkAt: 14 + 4 * 20 },
  'we stop, tshark goes on',
);
addIPv4(
  'nothing in GRE in IPv4 in IPv4',
  ipv4(4, innerIPv4(47, '0000 0800 0000')),
  {
    tunnelDepth: 1,
    hasInner: true,
    fault: '',
  },
  { source: '10.0.0.1', protocol: 47, tunnelType: 1, fault: 'truncated' },
);
