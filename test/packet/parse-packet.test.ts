import { describe, expect, it } from 'vitest';
import {
  LINK_CISCO_HDLC,
  LINK_ETHERNET,
  LINK_IEEE802_11,
  LINK_IEEE802_11_RADIOTAP,
  LINK_IPV4,
  LINK_IPV6,
  LINK_LINUX_SLL,
  LINK_LINUX_SLL2,
  LINK_MPLS,
  LINK_NULL,
  LINK_PPP,
  LINK_PPP_SERIAL,
  LINK_RAW,
  LINK_UNKNOWN,
  linkTypeOfSflowHeaderProtocol,
} from '../../src/packet/link-type.ts';
import * as faults from '../../src/packet/packet-fault.ts';
import { PacketHeaders } from '../../src/packet/packet-headers.ts';
import { parsePacket } from '../../src/packet/parse-packet.ts';
import { selectHeaders } from './expected-headers.ts';
import { FRAMES, octets } from './frames.ts';

/** One object for all tests, as a caller has: what one frame leaves must not show in the next. */
const headers = new PacketHeaders();

describe('frames written by hand', () => {
  for (const frame of FRAMES) {
    it(frame.name, () => {
      const view = new DataView(frame.octets.buffer);
      parsePacket(view, 0, frame.octets.length, frame.linkType, headers);
      expect(selectHeaders(view, headers, { fault: '', ...frame.expected })).toEqual({ fault: '', ...frame.expected });
      expect(headers.hasInner).toBe(frame.inner !== undefined);
      if (frame.inner !== undefined) {
        const inner = headers.inner as PacketHeaders;
        expect(selectHeaders(view, inner, { fault: '', ...frame.inner })).toEqual({ fault: '', ...frame.inner });
      }
    });
  }

  it('have different names', () => {
    expect(new Set(FRAMES.map((frame) => frame.name)).size).toBe(FRAMES.length);
  });
});

describe('position', () => {
  it('moves with the start of the frame, and octets around it do not count', () => {
    for (const frame of FRAMES) {
      const around = new Uint8Array(frame.octets.length + 64).fill(0x45);
      around.set(frame.octets, 32);
      const view = new DataView(around.buffer);
      parsePacket(view, 32, 32 + frame.octets.length, frame.linkType, headers);
      const expected = { ...frame.expected };
      for (const [name, value] of Object.entries(expected)) {
        if ((name.endsWith('At') || name === 'payloadEnd') && typeof value === 'number' && value >= 0) {
          Object.assign(expected, { [name]: value + 32 });
        }
      }
      expect(selectHeaders(view, headers, expected), frame.name).toEqual(expected);
    }
  });

  it('is kept within the view', () => {
    const { octets: frame } = FRAMES[0]!;
    parsePacket(new DataView(frame.buffer), -5, frame.length + 1000, LINK_ETHERNET, headers);
    expect(headers).toMatchObject({ linkAt: 0, destinationPort: 443 });
    parsePacket(new DataView(frame.buffer), 20, 10, LINK_ETHERNET, headers);
    expect(headers.fault).toBe(faults.FAULT_TRUNCATED);
  });
});

describe('headers', () => {
  it('forget everything of the packet before', () => {
    const fresh: Record<string, unknown> = {};
    for (const [name, value] of Object.entries(new PacketHeaders())) {
      const isPosition = name.endsWith('At') || name === 'payloadEnd';
      fresh[name] = isPosition ? -1 : typeof value === 'number' ? 0 : typeof value === 'boolean' ? false : undefined;
    }
    fresh['fault'] = faults.FAULT_LINK_TYPE_UNKNOWN;
    for (const frame of FRAMES) {
      parsePacket(new DataView(frame.octets.buffer), 0, frame.octets.length, frame.linkType, headers);
      parsePacket(new DataView(frame.octets.buffer), 0, 0, -1, headers);
      expect({ ...headers, inner: undefined, mplsLabels: undefined, linkAt: -1 }, frame.name).toEqual(fresh);
    }
  });

  it('have each number of the fault list once, in its order', () => {
    const numbers = Object.entries(faults).filter(([name]) => name.startsWith('FAULT_')) as [string, number][];
    expect(numbers.length).toBe(faults.PACKET_FAULTS.length);
    for (const [name, index] of numbers) {
      if (index !== 0) expect(`FAULT_${faults.PACKET_FAULTS[index]!.toUpperCase()}`).toBe(name);
    }
  });

  it('read a capture cut within the TCP header as far as it goes', () => {
    const frame = octets(`02005e000001 02005e000002 0800 4500 0028 1234 0000 40 06 0000 c0000201 c6336402
      d431 01bb f2345678 aabbccdd 5018 0200 0000 0000`);
    const view = new DataView(frame.buffer);
    const cut = (length: number) => {
      parsePacket(view, 0, length, LINK_ETHERNET, headers);
      return headers;
    };
    expect(cut(54)).toMatchObject({ fault: 0, tcpDataOffset: 20, payloadCut: false, payloadLength: 0 });
    const truncated = { fault: faults.FAULT_TRUNCATED, payloadCut: true, ipTotalLength: 40, payloadLength: 0 };
    expect(cut(53)).toMatchObject({ ...truncated, tcpFlags: 0x18, tcpWindow: 512, tcpDataOffset: 20 });
    expect(cut(49)).toMatchObject({ ...truncated, tcpFlags: 0x18, tcpWindow: 0, tcpAcknowledgement: 0xaabbccdd });
    expect(cut(47)).toMatchObject({ ...truncated, tcpFlags: 0, tcpAcknowledgement: 0xaabbccdd });
    expect(cut(50)).toMatchObject({ ...truncated, tcpFlags: 0x18, tcpWindow: 512 });
    expect(cut(48)).toMatchObject({ ...truncated, tcpFlags: 0x18, tcpWindow: 0 });
    expect(cut(46)).toMatchObject({ ...truncated, tcpAcknowledgement: 0xaabbccdd });
    expect(cut(42)).toMatchObject({ ...truncated, tcpSequence: 0xf2345678 });
    expect(cut(45)).toMatchObject({ ...truncated, tcpAcknowledgement: 0, tcpSequence: 0xf2345678 });
    expect(cut(41)).toMatchObject({ ...truncated, tcpSequence: 0, destinationPort: 443, transportAt: 34 });
    expect(cut(37)).toMatchObject({ fault: faults.FAULT_TRUNCATED, destinationPort: 0, transportAt: -1, ipVersion: 4 });
    expect(cut(33)).toMatchObject({ fault: faults.FAULT_TRUNCATED, ipVersion: 0, networkAt: 14, sourceIPv4: 0 });
  });
});

describe('the least a header needs', () => {
  const CASES: [string, number, string, string, Partial<PacketHeaders>][] = [
    ['ICMP', 1, '0301', '03', { icmpType: 3, icmpCode: 1, transportAt: 20 }],
    ['IGMP', 2, '16', '', { igmpType: 0x16, transportAt: 20 }],
    ['UDP', 17, '1388 0035', '1388 00', { sourcePort: 5000, destinationPort: 53, transportAt: 20 }],
    ['UDP with its length', 17, '1388 0035 0100', '1388 0035 01', { udpLength: 256 }],
    ['SCTP', 132, '1388 0035', '1388 00', { sourcePort: 5000, destinationPort: 53 }],
    ['DCCP', 33, '1388 0035', '1388 00', { destinationPort: 53 }],
    ['UDP-Lite', 136, '1388 0035', '1388 00', { destinationPort: 53 }],
    ['GRE key', 47, '2000 0800 00000007', '2000 0800 000000', { tunnelId: 7, hasTunnelId: true }],
    ['GRE', 47, '0001 0800', '0001 08', { tunnelType: 1, tunnelFlags: 1 }],
    ['EtherIP', 97, '3000', '30', { tunnelType: 9 }],
    [
      'an offset in L2TP',
      17,
      '1388 06a5 0100 0000 0202 0001 0002 0000',
      '1388 06a5 0100 0000 0202 0001 0002 00',
      { tunnelPayloadAt: 36 },
    ],
  ];
  for (const [name, protocol, enough, tooLittle, expected] of CASES) {
    it(`of ${name}, and one octet less`, () => {
      const ip = `45 00 0200 0000 0000 40 ${protocol.toString(16).padStart(2, '0')} 0000 c0000201 c6336402`;
      const parse = (text: string) => {
        const packet = octets(ip + text);
        parsePacket(new DataView(packet.buffer), 0, packet.length, LINK_IPV4, headers);
      };
      parse(enough);
      expect(headers).toMatchObject(expected);
      const [field, value] = Object.entries(expected)[0]!;
      parse(tooLittle);
      expect(headers[field as keyof PacketHeaders]).not.toBe(value);
      expect(headers.fault).toBe(faults.FAULT_TRUNCATED);
    });
  }

  it('of link headers, and one octet less', () => {
    const cases: [string, Partial<PacketHeaders>][] = [
      ['8100 0064 88cc', { vlanCount: 1, etherType: 0x88cc }],
      ['8847 00064140', { mplsLabelCount: 1 }],
      ['8864 1100 0007 0002 c021', { pppoeSessionId: 7 }],
      ['8926 00000000 88cc', { etherType: 0x88cc }],
      ['0008 aaaa03 000000 88cc', { etherType: 0x88cc }],
      ['893f 000000000000 88cc', { etherType: 0x88cc }],
      ['88e7 00000000 000000000000 000000000000 88cc', { etherType: 0x88cc }],
      ['0806 0001 0800 06 04 0001 02005e000002 c0000201 000000000000 c0000202', { isArp: true }],
    ];
    for (const [text, expected] of cases) {
      const frame = octets(`02005e000001 02005e000002 ${text}`);
      parsePacket(new DataView(frame.buffer), 0, frame.length, LINK_ETHERNET, headers);
      expect(headers, text).toMatchObject({ ...expected, fault: 0 });
      parsePacket(new DataView(frame.buffer), 0, frame.length - 1, LINK_ETHERNET, headers);
      expect(headers.fault, text).toBe(faults.FAULT_TRUNCATED);
    }
  });
});

describe('the least a link needs', () => {
  const WIRELESS = '0200000000a1 0200000000a2 0200000000a3 1000';
  const CASES: [string, number, string][] = [
    ['Ethernet', LINK_ETHERNET, '02005e000001 02005e000002 88cc'],
    ['raw IP', LINK_RAW, '60000000 0000 3b 40 20010db8000000000000000000000001 20010db8000000000000000000000002'],
    ['loopback', LINK_NULL, '10000000'],
    ['PPP', LINK_PPP, 'ff03 c021'],
    ['Cisco HDLC', LINK_CISCO_HDLC, '0f00 2000'],
    ['Linux cooked', LINK_LINUX_SLL, '0000 0001 0006 02005e0000020000 88cc'],
    ['Linux cooked 2', LINK_LINUX_SLL2, '88cc 0000 00000003 0001 04 06 02005e0000020000'],
    ['802.11 acknowledgement', LINK_IEEE802_11, 'd400 0000 0200000000a1'],
    ['802.11 null', LINK_IEEE802_11, `4801 0000 ${WIRELESS}`],
    ['802.11 null with four addresses', LINK_IEEE802_11, `4803 0000 ${WIRELESS} 0200000000a4`],
    ['802.11 with QoS', LINK_IEEE802_11, `8801 0000 ${WIRELESS} 0000 424203`],
    ['802.11 A-MSDU', LINK_IEEE802_11, `8801 0000 ${WIRELESS} 8000 02005e000001 02005e000002 88cc`],
    ['radiotap', LINK_IEEE802_11_RADIOTAP, '0000 0800 00000000 d400 0000 0200000000a1'],
  ];
  for (const [name, linkType, text] of CASES) {
    it(`of ${name}, and one octet less`, () => {
      const frame = octets(text);
      const view = new DataView(frame.buffer);
      parsePacket(view, 0, frame.length, linkType, headers);
      expect(headers.fault).toBe(faults.FAULT_NONE);
      parsePacket(view, 0, frame.length - 1, linkType, headers);
      expect(headers.fault).toBe(faults.FAULT_TRUNCATED);
    });
  }
});

describe('sFlow header protocol', () => {
  it('has a link type where there is one (sFlow version 5, header_protocol)', () => {
    const expected = new Map([
      [1, LINK_ETHERNET],
      [7, LINK_PPP],
      [11, LINK_IPV4],
      [12, LINK_IPV6],
      [13, LINK_MPLS],
      [14, LINK_PPP_SERIAL],
      [15, LINK_IEEE802_11],
      [17, LINK_ETHERNET],
    ]);
    for (let protocol = 0; protocol < 40; protocol++) {
      expect(linkTypeOfSflowHeaderProtocol(protocol)).toBe(expected.get(protocol) ?? LINK_UNKNOWN);
    }
    parsePacket(new DataView(new ArrayBuffer(60)), 0, 60, LINK_UNKNOWN, headers);
    expect(headers.fault).toBe(faults.FAULT_LINK_TYPE_UNKNOWN);
    expect(LINK_RAW).toBe(101);
  });
});
