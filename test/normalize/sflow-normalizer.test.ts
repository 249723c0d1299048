import { beforeEach, describe, expect, it } from 'vitest';
import {
  address,
  countersSample,
  datagram,
  discardedPacket,
  expandedFlowSample,
  flowSample,
  hex,
  hyper,
  ipv4,
  type Octets,
  opaque,
  padded,
  record,
  sampledHeader,
  single,
  TCP_FRAME,
  words,
} from '../support/sflow-builder.ts';
import { SflowHarness } from '../support/sflow-harness.ts';

const IPV6 = '20010db8000000000000000000000001';
const HEADER = sampledHeader(TCP_FRAME, 1518);

let harness: SflowHarness;
beforeEach(() => {
  harness = new SflowHarness();
});

function lineOf(records: Octets[], fields = {}) {
  return harness.linesOf(datagram([flowSample(records, fields)]))[0]!;
}

function faults(): number {
  return harness.counters.faults.sample_record_truncated;
}

describe('flow of a flow sample', () => {
  it('is one packet with what its header says', () => {
    const line = lineOf([HEADER]);
    expect(line.recordType).toBe('flow');
    expect(line.attachments).toEqual({});
    expect(line.fields).toEqual({
      sourceIPv4: '10.1.2.3',
      destinationIPv4: '198.51.100.7',
      sourcePort: 443,
      destinationPort: 50_000,
      protocol: 6,
      ipVersion: 4,
      octets: 1518,
      packets: 1,
      startMs: 1_700_000_000_000,
      endMs: 1_700_000_000_000,
      samplingInterval: 512,
      samplingOrigin: 'sample',
      tcpFlags: 0x12,
      tos: 0xb8,
      inputInterface: 21,
      outputInterface: 34,
      sourceMac: '66778899aabb',
      destinationMac: '001122334455',
      ethernetType: 0x800,
      minimumTtl: 61,
      maximumTtl: 61,
      frameLength: 1518,
      strippedOctets: 4,
      sampleSequence: 7001,
      sourceIdType: 0,
      sourceIdIndex: 17,
      samplePool: 90_210,
      sampleDrops: 3,
    });
  });

  it('leaves out a sampling rate of zero and has no octets without a length', () => {
    const { fields } = lineOf([], { rate: 0 });
    expect(fields).not.toHaveProperty('samplingInterval');
    expect(fields).not.toHaveProperty('samplingOrigin');
    expect(fields).not.toHaveProperty('octets');
    expect(fields).toMatchObject({ packets: 1, samplePool: 90_210 });
  });

  it('tells interface formats apart', () => {
    expect(lineOf([HEADER], { input: 0x3fffffff, output: 0 }).fields).toMatchObject({
      inputInterface: 0x3fffffff,
      outputInterface: 0,
    });
    for (const build of [flowSample, expandedFlowSample]) {
      const [discarded] = harness.linesOf(datagram([build([HEADER], { outputFormat: 1, output: 258 })]));
      expect(discarded?.recordType).toBe('flow');
      expect(discarded?.fields).not.toHaveProperty('outputInterface');
      // RFC 7270 section 4.12: 130 is dropped by an ACL.
      expect(discarded?.fields).toMatchObject({ inputInterface: 21, forwardingStatus: 130 });
      expect(discarded?.attachments).toEqual({ OUTPUT_DISCARD_REASON: 258, OUTPUT_DISCARD_REASON_NAME: 'acl' });
      const [multiple] = harness.linesOf(datagram([build([HEADER], { outputFormat: 2, output: 7 })]));
      expect(multiple?.fields).not.toHaveProperty('outputInterface');
      expect(multiple?.attachments).toEqual({ OUTPUT_INTERFACE_COUNT: 7 });
    }
    expect(lineOf([HEADER], { inputFormat: 3, input: 9 }).attachments).toEqual({
      SFLOW_INPUT_INTERFACE: { format: 3, value: 9 },
    });
    // Nothing of one sample stays with the next.
    expect(lineOf([HEADER]).attachments).toEqual({});
  });

  it('reads every header protocol that has a link type', () => {
    const ip = TCP_FRAME.slice(14);
    const ports = { sourcePort: 443, destinationPort: 50_000, sourceIPv4: '10.1.2.3' };
    expect(lineOf([sampledHeader(ip, 52, 11)]).fields).toMatchObject(ports);
    expect(lineOf([sampledHeader([0xff, 0x03, 0x00, 0x21, ...ip], 56, 7)]).fields).toMatchObject(ports);
    expect(lineOf([sampledHeader([0xff, 0x03, 0x00, 0x21, ...ip], 56, 14)]).fields).toMatchObject(ports);
    // Label 16, bottom of stack, TTL 64.
    const labelled = lineOf([sampledHeader([...words(0x00010140), ...ip], 56, 13)]);
    expect(labelled.fields).toMatchObject(ports);
    expect(labelled.attachments).toEqual({ MPLS_LABEL_1: 16 });
    const ip6 = [...words(0x6ab12345), 0, 8, 17, 64, ...hex(IPV6), ...hex(IPV6), ...words(0x00350400), 0, 8, 0, 0];
    expect(lineOf([sampledHeader(ip6, 48, 12)]).fields).toMatchObject({
      sourceIPv6: '2001:db8::1',
      ipVersion: 6,
      tos: 0xab,
      flowLabel: 0x12345,
      sourcePort: 53,
      destinationPort: 1024,
    });
  });

  it('keeps the octets of headers it cannot read', () => {
    const line = lineOf([sampledHeader([1, 2, 3], 100, 4)]);
    expect(line.fields).toMatchObject({ octets: 100, frameLength: 100 });
    expect(line.attachments).toEqual({
      SFLOW_SAMPLED_HEADER: { header_protocol: 4, frame_length: 100, stripped: 4, header: '010203' },
    });
  });

  it('reads as much of a header as there is', () => {
    for (let length = 0; length < 14; length++) {
      expect(lineOf([sampledHeader(TCP_FRAME.slice(0, length), 1518)]).fields, `${length}`).not.toHaveProperty(
        'ethernetType',
      );
    }
    expect(lineOf([sampledHeader(TCP_FRAME.slice(0, 38), 1518)]).fields).toMatchObject({
      sourcePort: 443,
      octets: 1518,
    });
    expect(lineOf([sampledHeader(TCP_FRAME.slice(0, 38), 1518)]).fields).not.toHaveProperty('tcpFlags');
    expect(faults()).toBe(0);
    // The header claims more than its record has.
    expect(lineOf([sampledHeader(TCP_FRAME, 1518, 1, 4, 4294967295)]).fields).toMatchObject({ sourcePort: 443 });
    expect(faults()).toBe(1);
    expect(lineOf([record(1, words(1, 1518, 4))]).fields).not.toHaveProperty('octets');
    expect(faults()).toBe(2);
  });

  it('takes the first of several headers and keeps the others', () => {
    const line = lineOf([HEADER, sampledHeader([1, 2], 60)]);
    expect(line.fields).toMatchObject({ octets: 1518, frameLength: 1518, sourceIPv4: '10.1.2.3' });
    expect(line.attachments).toEqual({
      SFLOW_SAMPLED_HEADER: { header_protocol: 1, frame_length: 60, stripped: 4, header: '0102' },
    });
  });

  it('describes tunnels', () => {
    const inner = TCP_FRAME;
    const vxlan = [...hex('08 00 00 00 00 30 39 00'), ...inner];
    const udp = [...words(0xc00012b5), ...words((8 + vxlan.length) * 65536), ...vxlan];
    const ip = [
      0x45,
      0,
      0,
      20 + udp.length,
      0,
      0,
      0,
      0,
      9,
      17,
      0,
      0,
      ...ipv4('192.0.2.1'),
      ...ipv4('192.0.2.2'),
      ...udp,
    ];
    const { fields } = lineOf([sampledHeader([...TCP_FRAME.slice(0, 14), ...ip], 200)]);
    expect(fields).toMatchObject({
      sourceIPv4: '192.0.2.1',
      destinationPort: 4789,
      tunnelType: 'vxlan',
      tunnelId: 12_345,
      innerSourceIPv4: '10.1.2.3',
      innerDestinationIPv4: '198.51.100.7',
      innerSourcePort: 443,
      innerDestinationPort: 50_000,
      innerProtocol: 6,
    });
  });

  it('takes VLANs from the packet, or from the switch where it has them', () => {
    const tagged = [...TCP_FRAME.slice(0, 12), ...hex('88a8 6064 8100 e0c8'), ...TCP_FRAME.slice(12)];
    expect(lineOf([sampledHeader(tagged, 100)]).fields).toMatchObject({
      vlan: 100,
      vlanPriority: 3,
      dot1qVlan: 100,
      dot1qCustomerVlan: 200,
    });
    const { fields } = lineOf([sampledHeader(tagged, 100), record(1001, words(7, 1, 8, 2))]);
    expect(fields).toMatchObject({
      vlan: 7,
      vlanPriority: 1,
      postVlan: 8,
      postVlanPriority: 2,
      dot1qCustomerVlan: 200,
    });
    const unknown = lineOf([HEADER, record(1001, words(0xffffffff, 0xffffffff, 0, 0))]).fields;
    expect(unknown).not.toHaveProperty('vlan');
    expect(unknown).not.toHaveProperty('vlanPriority');
    expect(unknown).toMatchObject({ postVlan: 0, postVlanPriority: 0 });
  });

  it('reads the router record for the protocol of the packet', () => {
    expect(lineOf([record(1002, [...address('192.0.2.254'), ...words(24, 16)]), HEADER]).fields).toMatchObject({
      nextHopIPv4: '192.0.2.254',
      sourceIPv4Mask: 24,
      destinationIPv4Mask: 16,
    });
    // An IPv4 route over an IPv6 next hop (RFC 8950).
    const mixed = lineOf([HEADER, record(1002, [...address(IPV6), ...words(24, 16)])]).fields;
    expect(mixed).toMatchObject({ nextHopIPv6: '2001:db8::1', sourceIPv4Mask: 24, destinationIPv4Mask: 16 });
    const alone = lineOf([record(1002, [...address(IPV6), ...words(48, 64)])]).fields;
    expect(alone).toMatchObject({ nextHopIPv6: '2001:db8::1', sourceIPv6Mask: 48, destinationIPv6Mask: 64 });
    expect(lineOf([HEADER, record(1002, words(0, 32, 0))]).fields).toMatchObject({
      sourceIPv4Mask: 32,
      destinationIPv4Mask: 0,
    });
    expect(faults()).toBe(0);
    for (const bad of [words(2, 1, 2, 3), words(1, 2), words(3, 1, 2, 3), words(1, 2, 3)]) {
      expect(lineOf([HEADER, record(1002, bad)]).fields).not.toHaveProperty('sourceIPv4Mask');
    }
    expect(faults()).toBe(4);
  });

  it('reads headers that the agent decoded', () => {
    const mac = (text: string) => padded(hex(text));
    const ethernet = record(2, [...words(700), ...mac('020000000001'), ...mac('020000000002'), ...words(0x0800)]);
    expect(lineOf([ethernet]).fields).toMatchObject({
      octets: 700,
      sourceMac: '020000000001',
      destinationMac: '020000000002',
      ethernetType: 0x800,
    });
    const v4 = record(3, [...words(600, 17), ...ipv4('192.0.2.3'), ...ipv4('192.0.2.4'), ...words(53, 1053, 0, 0x20)]);
    expect(lineOf([v4, record(1002, [...address(IPV6), ...words(1, 2)])]).fields).toMatchObject({
      octets: 600,
      protocol: 17,
      ipVersion: 4,
      sourceIPv4: '192.0.2.3',
      destinationIPv4: '192.0.2.4',
      sourcePort: 53,
      destinationPort: 1053,
      tcpFlags: 0,
      tos: 0x20,
      sourceIPv4Mask: 1,
    });
    const v6 = record(4, [...words(900, 6), ...hex(IPV6), ...hex(IPV6), ...words(80, 8080, 0x18, 4)]);
    expect(lineOf([v6]).fields).toMatchObject({
      octets: 900,
      destinationIPv6: '2001:db8::1',
      destinationPort: 8080,
      tos: 4,
    });
    // The frame's length is what was on the wire, whatever comes first.
    expect(lineOf([v4, HEADER]).fields).toMatchObject({
      octets: 1518,
      sourceIPv4: '192.0.2.3',
      sourceMac: '66778899aabb',
    });
    expect(lineOf([HEADER, v4]).fields).toMatchObject({ octets: 1518, sourceIPv4: '192.0.2.3' });
    for (const [format, length] of [
      [2, 20],
      [3, 28],
      [4, 52],
      [1001, 12],
    ] as const) {
      expect(lineOf([record(format, new Array<number>(length).fill(0))]).fields).not.toHaveProperty('octets');
    }
    expect(faults()).toBe(4);
  });

  it('reads the gateway record', () => {
    const path = [...words(2), ...words(2, 3, 64500, 64501, 4200000000), ...words(1, 2, 64502, 64503)];
    const gateway = [
      ...address('198.51.100.1'),
      ...words(64496, 64497, 64498),
      ...path,
      ...words(2, 0xfbf40064, 0x00010002),
      ...words(150),
    ];
    const line = lineOf([HEADER, record(1003, gateway)]);
    expect(line.fields).toMatchObject({
      bgpNextHopIPv4: '198.51.100.1',
      sourceAs: 64497,
      previousAdjacentAs: 64498,
      nextAdjacentAs: 64500,
      destinationAs: 64503,
    });
    expect(line.attachments).toEqual({
      SFLOW_ROUTER_AS: 64496,
      BGP_AS_PATH: [
        { type: 'sequence', asns: [64500, 64501, 4200000000] },
        { type: 'set', asns: [64502, 64503] },
      ],
      BGP_COMMUNITIES: ['64500:100', '1:2'],
      BGP_LOCAL_PREFERENCE: 150,
    });
    const local = lineOf([record(1003, [...address(IPV6), ...words(1, 2, 3, 0, 0, 100)])]);
    expect(local.fields).toMatchObject({ bgpNextHopIPv6: '2001:db8::1', sourceAs: 2 });
    expect(local.fields).not.toHaveProperty('destinationAs');
    const empty = lineOf([record(1003, [...words(0, 1, 2, 3), ...words(1, 2, 0), ...words(0, 100)])]);
    expect(empty.attachments).toMatchObject({ BGP_AS_PATH: [{ type: 'sequence', asns: [] }] });
    expect(empty.fields).not.toHaveProperty('destinationAs');
    expect(faults()).toBe(0);
  });

  it.each([
    ['segment count', [...words(0, 1, 2, 3), ...words(0x40000001, 2, 1, 9), ...words(0, 1)]],
    ['path length', [...words(0, 1, 2, 3), ...words(1, 2, 0x40000001, 9), ...words(0, 1)]],
    ['community count', [...words(0, 1, 2, 3), ...words(0), ...words(0x40000001, 9)]],
    ['address type', words(77, 1, 2, 3, 4, 5, 6)],
    ['length', words(1, 5, 6)],
  ])('bears a gateway record whose %s is wrong', (_, content) => {
    const line = lineOf([HEADER, record(1003, content)]);
    expect(line.fields).toMatchObject({ sourceIPv4: '10.1.2.3' });
    expect(faults()).toBeGreaterThan(0);
    expect(lineOf([HEADER]).attachments).toEqual({});
  });

  it('has of a gateway record that is cut off what is there in full', () => {
    const octets = [...words(0, 1, 2, 3), ...words(1, 2, 2, 8, 9), ...words(2, 0x10001, 0x20002), ...words(100)];
    const first = { SFLOW_ROUTER_AS: 1 };
    const path = { ...first, BGP_AS_PATH: [{ type: 'sequence', asns: [8, 9] }] };
    const cuts = [
      [4, {}],
      [8, first],
      [20, first],
      [32, first],
      [36, path],
      [40, path],
      [44, { ...path, BGP_COMMUNITIES: ['1:1'] }],
      [48, { ...path, BGP_COMMUNITIES: ['1:1', '2:2'] }],
      [52, { ...path, BGP_COMMUNITIES: ['1:1', '2:2'], BGP_LOCAL_PREFERENCE: 100 }],
    ] as const;
    for (const [length, attachments] of cuts) {
      expect(lineOf([HEADER, record(1003, octets.slice(0, length))]).attachments, `${length} octets`).toEqual(
        attachments,
      );
    }
    expect(faults()).toBe(cuts.length - 1);
  });

  it('reads translated addresses and ports', () => {
    const nat = record(1007, [...address('203.0.113.1'), ...address(IPV6)]);
    expect(lineOf([HEADER, nat, record(1020, words(4000, 5000))]).fields).toMatchObject({
      postNatSourceIPv4: '203.0.113.1',
      postNatDestinationIPv6: '2001:db8::1',
      postNaptSourcePort: 4000,
      postNaptDestinationPort: 5000,
    });
    expect(faults()).toBe(0);
    for (const bad of [
      words(1),
      words(9, 9, 9, 9),
      address('203.0.113.1'),
      [...address('203.0.113.1'), ...words(2, 1)],
    ])
      lineOf([record(1007, bad)]);
    lineOf([record(1020, words(1))]);
    expect(faults()).toBe(5);
  });

  it('attaches what has no field, under its published names', () => {
    const line = lineOf([
      record(1004, [...words(106), ...opaque('ünï'), ...words(3), ...opaque('')]),
      record(1006, [...address('192.0.2.1'), ...words(2, 0x00010040, 0x00011140), ...words(0)]),
      record(1012, words(1, 0x81000064)),
      record(1014, [
        ...opaque('ssid-1'),
        ...padded(hex('0a0b0c0d0e0f')),
        ...words(4, 36),
        ...hyper(54_000_000n),
        ...words(1, 2, 3),
      ]),
      record(1016, [...words(1), ...words(1), ...words(1, 4, 0xdeadbeef)]),
      record(1029, words(77)),
      record(2100, [...words(6), ...ipv4('192.0.2.8'), ...ipv4('192.0.2.9'), ...words(80, 4321)]),
      record(2209, words(1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12)),
    ]);
    expect(faults()).toBe(0);
    expect(line.attachments).toEqual({
      SFLOW_EXTENDED_USER: { src_charset: 106, src_user: 'ünï', dst_charset: 3, dst_user: '' },
      SFLOW_EXTENDED_MPLS: { nexthop: '192.0.2.1', in_stack: [0x10040, 0x11140], out_stack: [] },
      SFLOW_EXTENDED_VLANTUNNEL: { stack: [0x81000064] },
      SFLOW_EXTENDED_80211_RX: {
        ssid: 'ssid-1',
        bssid: '0a:0b:0c:0d:0e:0f',
        version: 4,
        channel: 36,
        speed: 54_000_000,
        rsni: 1,
        rcpi: 2,
        packet_duration: 3,
      },
      SFLOW_EXTENDED_80211_AGGREGATION: { pdus: [{ flow_records: [{ flow_format: 1, flow_data: 'deadbeef' }] }] },
      SFLOW_EXTENDED_VNI_EGRESS: { vni: 77 },
      SFLOW_EXTENDED_SOCKET_IPV4: {
        protocol: 6,
        local_ip: '192.0.2.8',
        remote_ip: '192.0.2.9',
        local_port: 80,
        remote_port: 4321,
      },
      SFLOW_EXTENDED_TCP_INFO: {
        dir: 1,
        snd_mss: 2,
        rcv_mss: 3,
        unacked: 4,
        lost: 5,
        retrans: 6,
        pmtu: 7,
        rtt: 8,
        rttvar: 9,
        snd_cwnd: 10,
        reordering: 11,
        min_rtt: 12,
      },
    });
  });

  it.each([
    ['label count', 1006, [...address('192.0.2.1'), ...words(0x40000001, 5)]],
    ['string length', 1005, [...words(1, 4294967295), 97, 98, 99, 100]],
    ['string length just over', 1005, [...words(1, 5), 97, 98, 99, 100]],
    ['PDU count', 1016, words(0xffffffff, 0xffffffff, 1, 0xffffffff)],
  ])('bears a wrong %s', (_, format, content) => {
    expect(lineOf([record(format, content), HEADER]).fields).toMatchObject({ sourceIPv4: '10.1.2.3' });
    expect(faults()).toBe(1);
  });

  it('makes an array of a structure that comes twice', () => {
    const line = lineOf([record(1029, words(1)), record(1029, words(2)), record(1029, words(3))]);
    expect(line.attachments).toEqual({ SFLOW_EXTENDED_VNI_EGRESS: [{ vni: 1 }, { vni: 2 }, { vni: 3 }] });
  });

  it('keeps unknown records', () => {
    const line = lineOf([record(8800 * 4096 + 1, hex('c0ffee00')), record(4000, new Array<number>(3000).fill(1))]);
    expect(line.attachments['UNKNOWN_RECORDS']).toEqual([
      { enterprise: 8800, format: 1, octets: 'c0ffee00' },
      { enterprise: 0, format: 4000, octets: '01'.repeat(1024) },
    ]);
    expect(harness.counters.unknownSampleRecords).toBe(2);
  });
});

describe('discarded packet', () => {
  it('is a record of its own type with the reason', () => {
    const [line] = harness.linesOf(
      datagram([discardedPacket([HEADER, record(1041, [...opaque('l3_drops'), ...opaque('ttl')])], 257)]),
    );
    expect(line?.recordType).toBe('discard');
    // RFC 7270 section 4.12: 137 is dropped for its TTL.
    expect(line?.fields).toMatchObject({
      packets: 1,
      octets: 1518,
      inputInterface: 21,
      outputInterface: 34,
      sampleDrops: 3,
      forwardingStatus: 137,
    });
    expect(line?.fields).not.toHaveProperty('samplingInterval');
    expect(line?.fields).not.toHaveProperty('samplePool');
    expect(line?.attachments).toEqual({
      OUTPUT_DISCARD_REASON: 257,
      OUTPUT_DISCARD_REASON_NAME: 'ttl_exceeded',
      SFLOW_EXTENDED_HW_TRAP: { group: 'l3_drops', trap: 'ttl' },
    });
  });

  it.each([
    // sflow.org/sflow_drops.txt and host-sflow's list
    [0, 'net_unreachable'],
    [13, 'comm_admin_prohibited'],
    [256, 'unknown'],
    [259, 'no_buffer_space'],
    [269, 'blackhole_route'],
    [288, 'unknown_tunnel'],
    [302, 'uc_reverse_path_forwarding'],
    [324, 'pkt_too_small'],
    [347, 'tcp_reset'],
    [371, 'socket_filter'],
    [16, undefined],
    [372, undefined],
    [4294967295, undefined],
  ])('names reason %d', (reason, name) => {
    const [line] = harness.linesOf(datagram([discardedPacket([], reason)]));
    expect(line?.attachments['OUTPUT_DISCARD_REASON']).toBe(reason);
    expect(line?.attachments['OUTPUT_DISCARD_REASON_NAME']).toBe(name);
  });
});

describe('counters sample', () => {
  function countersOf(...records: Octets[]) {
    return harness.linesOf(datagram([countersSample(records)]))[0]!.attachments;
  }

  it('has an object per structure', () => {
    const interfaceCounters = record(1, [
      ...words(5, 6),
      ...hyper(10_000_000_000n),
      ...words(1, 3),
      ...hyper(18_446_744_073_709_551_615n),
      ...words(1, 2, 3, 4, 5, 4294967295),
      ...hyper(9_007_199_254_740_991n),
      ...words(6, 7, 8, 9, 10, 2),
    ]);
    expect(countersOf(interfaceCounters)).toEqual({
      SFLOW_SOURCE_ID_TYPE: 0,
      SFLOW_SOURCE_ID_INDEX: 17,
      SFLOW_SAMPLE_SEQUENCE_NUMBER: 7001,
      if_counters: {
        ifIndex: 5,
        ifType: 6,
        ifSpeed: 10_000_000_000,
        ifDirection: 1,
        ifStatus: 3,
        ifInOctets: 18_446_744_073_709_551_615n,
        ifInUcastPkts: 1,
        ifInMulticastPkts: 2,
        ifInBroadcastPkts: 3,
        ifInDiscards: 4,
        ifInErrors: 5,
        ifInUnknownProtos: 4294967295,
        ifOutOctets: 9_007_199_254_740_991,
        ifOutUcastPkts: 6,
        ifOutMulticastPkts: 7,
        ifOutBroadcastPkts: 8,
        ifOutDiscards: 9,
        ifOutErrors: 10,
        ifPromiscuousMode: 2,
      },
    });
  });

  it('reads floats, UUIDs, nested lists and signed numbers', () => {
    const uuid = hex('00112233445566778899aabbccddeeff');
    const values = countersOf(
      record(2000, [...opaque('host-a'), ...uuid, ...words(3, 2), ...opaque('6.1')]),
      record(2001, [...words(2), ...words(1, 1), ...padded(hex('0200000000aa')), ...words(2, 0)]),
      record(2003, [
        ...single(0.1),
        ...single(2.5),
        ...single(Number.NaN),
        ...words(...Array.from({ length: 14 }, (_, i) => i)),
      ]),
      record(10, [...words(1, 4, 3300, -5000), ...words(1), ...words(1, 2, 3, 4, 5, 6, 7, 8, 9, 10)]),
      record(7, [
        ...padded(hex('0200000000aa')),
        ...padded(hex('0200000000bb')),
        ...words(9),
        ...hex('0102030f'),
        ...words(1, 2, 3, 4, 5, 6, 7, 8),
      ]),
    );
    expect(values['host_descr']).toEqual({
      hostname: 'host-a',
      uuid: '00112233-4455-6677-8899-aabbccddeeff',
      machine_type: 3,
      os_name: 2,
      os_release: '6.1',
    });
    expect(values['host_adapters']).toEqual({
      adapters: [
        { ifIndex: 1, mac_address: ['02:00:00:00:00:aa'] },
        { ifIndex: 2, mac_address: [] },
      ],
    });
    expect(values['host_cpu']).toMatchObject({ load_one: 0.1, load_five: 2.5, load_fifteen: null, contexts: 13 });
    expect(values['host_cpu']).not.toHaveProperty('cpu_steal');
    expect(values['sfp']).toMatchObject({ module_temperature: -5000, lanes: [{ index: 1, rx_wavelength: 10 }] });
    expect(values['lag_port_stats']).toMatchObject({
      dot3adAggPortState: '0102030f',
      dot3adAggPortStatsMarkerResponsePDUsTx: 8,
    });
    expect(faults()).toBe(0);
  });

  it('keeps what is there of a structure that is cut, and the structures after it', () => {
    const values = countersOf(record(5, words(100, 0)), record(1002, words(1, 2, 3)));
    expect(values['vlan_counters']).toEqual({ vlan_id: 100 });
    expect(values['radio_utilization']).toEqual({ elapsed_time: 1, on_channel_time: 2, on_channel_busy_time: 3 });
    expect(faults()).toBe(1);
  });

  it('makes an array of a structure that comes twice and keeps unknown ones', () => {
    const values = countersOf(record(1005, opaque('a')), record(1005, opaque('b')), record(1999, words(1)));
    expect(values['port_name']).toEqual([{ name: 'a' }, { name: 'b' }]);
    expect(values['UNKNOWN_RECORDS']).toEqual([{ enterprise: 0, format: 1999, octets: '00000001' }]);
    expect(countersOf(record(1005, opaque('a')))).not.toHaveProperty('UNKNOWN_RECORDS');
  });
});
