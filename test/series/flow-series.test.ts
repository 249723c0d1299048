import { describe, expect, it } from 'vitest';
import { type MadeElement, type MadeFlow, makeFlow } from '../support/flow-builder.ts';
import { SeriesHarness, T0 } from './series-harness.ts';

const A = 0x0a000001; // 10.0.0.1
const B = 0x0a000002; // 10.0.0.2
const FAR = 0xc6336401; // 198.51.100.1

/** TCP from 10.0.0.1:40000 to 198.51.100.1:443 in the first second, 1000 octets in 10 packets. */
function flow(fields: MadeFlow['fields'] = {}, origin: MadeFlow['origin'] = {}): MadeFlow {
  return {
    fields: {
      sourceIPv4: A,
      destinationIPv4: FAR,
      sourcePort: 40_000,
      destinationPort: 443,
      protocol: 6,
      tcpFlags: 0x1b,
      octets: 1000,
      packets: 10,
      startMs: T0,
      endMs: T0 + 500,
      ...fields,
    },
    origin: { exportTimeMs: T0 + 1000, ...origin },
  };
}

describe('points of hand-made flows', () => {
  it('writes counters as of the end of each step, a zero before, and nothing but floats', () => {
    const harness = new SeriesHarness().add(flow()).add(flow({ startMs: T0 + 2000, endMs: T0 + 2500, octets: 50 }));
    expect(harness.rows('iface:traffic')).toEqual(['0s bytes=0', '1s bytes=1000', '2s bytes=1000', '3s bytes=1050']);
    expect(harness.rows('iface:packets')).toEqual(['0s packets=0', '1s packets=10', '2s packets=10', '3s packets=20']);
    expect(harness.rows('iface:throughput_bps')).toEqual(['1s bps=1000', '2s bps=0', '3s bps=50']);
    expect(harness.rows('host:traffic')).toEqual([
      'host=10.0.0.1 0s bytes_sent=0 bytes_rcvd=0',
      'host=10.0.0.1 300s bytes_sent=1050 bytes_rcvd=0',
    ]);
    expect(harness.points.every(({ tags }) => tags['ifid'] === '0')).toBe(true);
  });

  it('spreads octets over the steps a flow lived in, whole numbers that add up', () => {
    const harness = new SeriesHarness().add(flow({ startMs: T0, endMs: T0 + 3000, octets: 100, packets: 2 }));
    expect(harness.rows('iface:traffic')).toEqual(['0s bytes=0', '1s bytes=33', '2s bytes=66', '3s bytes=100']);
    // a third of two packets is none
    expect(harness.rows('iface:packets')).toEqual(['1s packets=0', '2s packets=1', '3s packets=2']);
  });

  it('puts all into the step of the last second without spreading', () => {
    const harness = new SeriesHarness({ spread: false });
    harness.add(flow({ startMs: T0, endMs: T0 + 2900 }));
    expect(harness.rows('iface:traffic')).toEqual(['2s bytes=0', '3s bytes=1000']);
  });

  it('splits by time across steps of all lengths', () => {
    // 90 s, of which 60 in the first minute, and all in the first five minutes
    const harness = new SeriesHarness().add(
      flow({ startMs: T0, endMs: T0 + 90_000, octets: 9000 }, { exportTimeMs: T0 + 90_000 }),
    );
    expect(harness.rows('iface:local2remote')).toEqual(['0s bytes=0', '60s bytes=6000', '120s bytes=9000']);
    expect(harness.rows('host:traffic').at(-1)).toBe('host=10.0.0.1 300s bytes_sent=9000 bytes_rcvd=0');
    expect(harness.rows('iface:flows')).toEqual(['60s num_flows=1', '120s num_flows=1']);
    expect(harness.rows('iface:new_flows')).toEqual(['0s new_flows=0', '60s new_flows=1', '120s new_flows=1']);
  });

  it('multiplies by the sampling interval', () => {
    const harness = new SeriesHarness().add(flow({ samplingInterval: 100 }));
    expect(harness.rows('iface:traffic').at(-1)).toBe('1s bytes=100000');
    expect(harness.rows('flowdev:traffic').at(-1)).toBe('device=192.0.2.1 300s bytes_sent=0 bytes_rcvd=100000');
  });

  it('knows directions, VLANs, hosts and networks', () => {
    const harness = new SeriesHarness()
      .add(flow({ vlan: 7, reverseOctets: 300, reversePackets: 3 }))
      .add(flow({ sourceIPv4: B, destinationIPv4: A, vlan: 7, octets: 20, packets: 1 }));
    expect(harness.rows('host:traffic').filter((row) => row.includes('300s'))).toEqual([
      'host=10.0.0.1@7 300s bytes_sent=1000 bytes_rcvd=320',
      'host=10.0.0.2@7 300s bytes_sent=20 bytes_rcvd=0',
    ]);
    expect(harness.rows('vlan:traffic').at(-1)).toBe('vlan=7 300s bytes_sent=1020 bytes_rcvd=300');
    expect(harness.rows('subnet:traffic').at(-1)).toBe(
      'subnet=10.0.0.0/8 60s bytes_ingress=300 bytes_egress=1000 bytes_inner=20',
    );
    expect(harness.rows('iface:remote2local').at(-1)).toBe('60s bytes=300');
    expect(harness.rows('iface:traffic_rxtx').at(-1)).toBe('1s bytes_sent=1000 bytes_rcvd=320');
    expect(harness.rows('iface:traffic_ip').at(-1)).toBe('1s bytes_ipv4=1320 bytes_ipv6=0');
    expect(harness.rows('iface:hosts')).toEqual(['60s num_hosts=3']);
    expect(harness.rows('iface:local_hosts')).toEqual(['60s num_hosts=2']);
  });

  // What ntopng 6.2 writes of flows of 1000 octets with an answer of 30000, one after the other.
  it.each([
    ['two local hosts', A, B, '1s bytes_sent=30000 bytes_rcvd=1000'],
    ['a remote and a local one', FAR, A, '1s bytes_sent=30000 bytes_rcvd=1000'],
    ['a local and a remote one', A, FAR, '1s bytes_sent=1000 bytes_rcvd=30000'],
    ['two remote hosts', FAR, FAR + 1, '1s bytes_sent=30000 bytes_rcvd=1000'],
  ])('says as ntopng what is sent between %s', (_, sourceIPv4, destinationIPv4, row) => {
    const harness = new SeriesHarness().add(flow({ sourceIPv4, destinationIPv4, reverseOctets: 30_000 }));
    expect(harness.rows('iface:traffic_rxtx').at(-1)).toBe(row);
  });

  it('keeps nothing of a flow that may be overwritten once it is handed over', () => {
    const harness = new SeriesHarness();
    const six = (last: number) => [0xfd, ...new Array<number>(14).fill(0), last];
    for (const [host, name] of [
      [1, 'TLS'],
      [2, 'DNS.Google'],
    ] as const) {
      const { startMs, endMs } = flow().fields!;
      const addresses = { sourceIPv6: six(host), destinationIPv6: six(9) };
      const made = makeFlow({
        fields: { ...addresses, protocol: 17, octets: 70 * host, packets: 1, startMs, endMs, l7ProtocolName: name },
        origin: { exportTimeMs: T0 + 1000 },
      } as MadeFlow);
      harness.add(made);
      made.bytes.fill(0x78);
      made.words.fill(0x78);
      made.times.fill(0);
      made.origin.exporterAddress = '203.0.113.9';
    }
    expect(harness.rows('host:ndpi').filter((row) => row.includes('300s'))).toEqual([
      'host=fd00::1 protocol=TLS 300s bytes_sent=70 bytes_rcvd=0',
      'host=fd00::9 protocol=TLS 300s bytes_sent=0 bytes_rcvd=70',
      'host=fd00::2 protocol=DNS.Google 300s bytes_sent=140 bytes_rcvd=0',
      'host=fd00::9 protocol=DNS.Google 300s bytes_sent=0 bytes_rcvd=140',
    ]);
    expect(harness.rows('flowdev:traffic').at(-1)).toBe('device=192.0.2.1 300s bytes_sent=0 bytes_rcvd=210');
  });

  it('tells clients from servers and counts contacts', () => {
    const harness = new SeriesHarness()
      .add(flow())
      // the answer of the same conversation, and another one
      .add(flow({ sourceIPv4: FAR, destinationIPv4: A, sourcePort: 443, destinationPort: 40_000, octets: 5000 }))
      .add(flow({ sourcePort: 40_001 }))
      // 10.0.0.1 as server
      .add(flow({ sourceIPv4: B, destinationIPv4: A, sourcePort: 50_000, destinationPort: 22 }));
    expect(harness.rows('host:active_flows')).toEqual([
      'host=10.0.0.1 300s flows_as_client=2 flows_as_server=1',
      'host=10.0.0.2 300s flows_as_client=1 flows_as_server=0',
    ]);
    expect(harness.rows('host:total_flows').filter((row) => row.includes('300s'))).toEqual([
      'host=10.0.0.1 300s flows_as_client=2 flows_as_server=1',
      'host=10.0.0.2 300s flows_as_client=1 flows_as_server=0',
    ]);
    expect(harness.rows('host:contacts')).toEqual([
      'host=10.0.0.1 300s num_as_client=1 num_as_server=1',
      'host=10.0.0.2 300s num_as_client=1 num_as_server=0',
    ]);
    expect(harness.rows('iface:flows')).toEqual(['60s num_flows=3']);
  });

  it('takes the name of an application from the record too, where it has no number', () => {
    const octets = [...new TextEncoder().encode('irc\0')];
    const name = { elementId: 96, ntop: 'APPLICATION_NAME', iana: 'applicationName', value: 'string', octets } as const;
    const harness = new SeriesHarness().add({ ...flow(), elements: [name] });
    expect(harness.rows('iface:ndpi').at(-1)).toBe('protocol=irc 60s bytes=1000');
  });

  it('has details of hosts: protocols, applications, DSCP, packets', () => {
    const harness = new SeriesHarness()
      .add(flow({ tos: 0xb8, l7ProtocolName: 'TLS.Google Mail\0\0' }))
      .add(flow({ protocol: 17, destinationPort: 53, octets: 70, packets: 1, applicationName: 'dns' }))
      .add(flow({ protocol: 1, icmpType: 0x0800, octets: 84, packets: 1, applicationId: [13, 0, 1, 0] }));
    expect(harness.rows('host:dscp').at(-1)).toBe('host=10.0.0.1 dscp_class=cs5 300s bytes_sent=1000 bytes_rcvd=0');
    expect(harness.rows('host:l4protos').filter((row) => row.includes('300s'))).toEqual([
      'host=10.0.0.1 l4proto=tcp 300s bytes_sent=1000 bytes_rcvd=0',
      'host=10.0.0.1 l4proto=udp 300s bytes_sent=70 bytes_rcvd=0',
      'host=10.0.0.1 l4proto=icmp 300s bytes_sent=84 bytes_rcvd=0',
    ]);
    expect(harness.rows('host:ndpi').filter((row) => row.includes('300s'))).toEqual([
      'host=10.0.0.1 protocol=TLS.Google Mail 300s bytes_sent=1000 bytes_rcvd=0',
      'host=10.0.0.1 protocol=dns 300s bytes_sent=70 bytes_rcvd=0',
      'host=10.0.0.1 protocol=13:256 300s bytes_sent=84 bytes_rcvd=0',
    ]);
    expect(harness.rows('iface:ndpi_flows').filter((row) => row.includes('60s'))).toHaveLength(3);
    expect(harness.rows('host:tcp_packets').at(-1)).toBe('host=10.0.0.1 300s packets_sent=10 packets_rcvd=0');
    expect(harness.rows('host:udp_pkts').at(-1)).toBe('host=10.0.0.1 300s packets_sent=1 packets_rcvd=0');
    expect(harness.rows('host:udp_sent_unicast').at(-1)).toBe(
      'host=10.0.0.1 300s bytes_sent_unicast=70 bytes_sent_non_uni=0',
    );
    expect(harness.rows('host:echo_packets').at(-1)).toBe('host=10.0.0.1 300s packets_sent=1 packets_rcvd=0');
  });

  it('counts ports, exporters and AS numbers', () => {
    const harness = new SeriesHarness()
      .add(
        flow({
          inputInterface: 3,
          outputInterface: 4,
          sourceAs: 64_500,
          destinationAs: 64_501,
          reverseOctets: 8,
          reversePackets: 1,
        }),
      )
      .add(
        flow({ inputInterface: 4, outputInterface: 3, direction: 1, octets: 30 }, { exporterAddress: '2001:db8::1' }),
      );
    expect(harness.rows('flowdev:traffic').filter((row) => row.includes('300s'))).toEqual([
      'device=192.0.2.1 300s bytes_sent=8 bytes_rcvd=1000',
      'device=2001:db8::1 300s bytes_sent=30 bytes_rcvd=0',
    ]);
    expect(
      harness.rows('flowdev_port:traffic').filter((row) => row.includes('192.0.2.1') && row.includes('300s')),
    ).toEqual([
      'device=192.0.2.1 port=3 300s bytes_sent=8 bytes_rcvd=1000',
      'device=192.0.2.1 port=4 300s bytes_sent=1000 bytes_rcvd=8',
    ]);
    expect(harness.rows('asn:traffic').filter((row) => row.includes('300s'))).toEqual([
      'asn=64500 300s bytes_sent=1000 bytes_rcvd=8',
      'asn=64501 300s bytes_sent=8 bytes_rcvd=1000',
    ]);
  });

  it('counts what TCP sent again, from fields of a probe and from elements alike', () => {
    const u32 = (elementId: number, ntop: string, value: number): MadeElement => ({
      enterpriseNumber: 35_632,
      elementId,
      ntop,
      value: 'unsigned',
      octets: [0, 0, 0, value],
    });
    const counts = { retransmittedPackets: 3, reverseRetransmittedPackets: 4, outOfOrderPackets: 5 };
    const elements = [
      u32(109, 'RETRANSMITTED_IN_PKTS', 3),
      u32(110, 'RETRANSMITTED_OUT_PKTS', 4),
      u32(111, 'OOORDER_IN_PKTS', 5),
    ];
    for (const made of [flow(counts), { ...flow(), elements }]) {
      const harness = new SeriesHarness().add(made);
      expect(harness.rows('iface:tcp_retransmissions')).toEqual(['0s packets=0', '60s packets=7']);
      expect(harness.rows('iface:tcp_out_of_order')).toEqual(['0s packets=0', '60s packets=5']);
    }
  });

  it('takes latencies of a handshake for a round trip, from fields of a probe and from elements alike', () => {
    const ms = (elementId: number, ntop: string, value: number): MadeElement => ({
      enterpriseNumber: 35_632,
      elementId,
      ntop,
      value: 'unsigned',
      octets: [value],
    });
    const elements = [ms(123, 'CLIENT_NW_LATENCY_MS', 2), ms(124, 'SERVER_NW_LATENCY_MS', 3)];
    const container = { sourceContainerId: '1edb6c16e3d2' };
    for (const made of [
      flow({ ...container, clientNetworkLatency: 2000, serverNetworkLatency: 3000 }),
      { ...flow(container), elements },
    ]) {
      expect(new SeriesHarness().add(made).rows('container:rtt')).toEqual([
        expect.stringContaining('container=1edb6c16e3d2 60s as_client=10'),
      ]);
    }
  });
});
