/** Real exporters, and how each is brought to export the same traffic in every format it has. */

import { writeFileSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Lab } from './lab.ts';
import { OpenVSwitch } from './open-vswitch.ts';
import { trafficCapture, trafficFrames } from './traffic.ts';

/** One way of one exporter. */
export interface ExporterCase {
  /** Name of the case, and of its folder among the fixtures. */
  readonly name: string;
  /** What is peculiar about it. */
  readonly shows: string;
  readonly programs: readonly string[];
  /** tshark's name of the protocol. */
  readonly protocol: 'cflow' | 'sflow';
  /** Keys that every flow has because the exporter was told so: tshark does not apply options data to flows. */
  readonly facts?: Readonly<Record<string, unknown>>;
  /** Lets it export to 127.0.0.1:`port`; resolves once all is sent. */
  readonly run: (lab: Lab, port: number) => Promise<void>;
}

/** softflowd on a capture: it exports when it comes to the end. */
function softflowd(
  name: string,
  shows: string,
  args: readonly string[],
  facts: ExporterCase['facts'] = {},
): ExporterCase {
  return {
    name,
    shows,
    facts,
    programs: ['softflowd'],
    protocol: 'cflow',
    run: async (lab, port) => {
      writeFileSync(lab.path('traffic.pcap'), trafficCapture(Date.now() - 60_000));
      const files = ['-r', 'traffic.pcap', '-p', lab.path('softflowd.pid'), '-c', 'none'];
      await lab.start('softflowd', [...files, '-n', `127.0.0.1:${port}`, '-d', ...args]).ended();
    },
  };
}

const AGGREGATE =
  'src_host,dst_host,src_port,dst_port,proto,tos,tcpflags,src_mac,dst_mac,vlan,in_iface,out_iface,src_as,dst_as,src_mask,dst_mask,peer_dst_ip';
const TIMEOUTS = 'tcp=1:tcp.rst=1:tcp.fin=1:udp=1:icmp=1:general=1:maxlife=2:expint=1';

/** Configuration of pmacct's NetFlow and IPFIX probe. */
export function nfprobe(version: 5 | 9 | 10, port: number, aggregate = AGGREGATE): readonly string[] {
  return [
    'plugins: nfprobe[p]',
    `nfprobe_receiver[p]: 127.0.0.1:${port}`,
    `nfprobe_version[p]: ${version}`,
    `nfprobe_timeouts[p]: ${TIMEOUTS}`,
    `aggregate[p]: ${aggregate}`,
  ];
}

/** Configuration of pmacct's sFlow probe. */
export function sfprobe(port: number): readonly string[] {
  return [
    'plugins: sfprobe[p]',
    `sfprobe_receiver[p]: 127.0.0.1:${port}`,
    'sfprobe_agentip[p]: 192.0.2.254',
    'sfprobe_agentsubid[p]: 3',
    'sampling_rate[p]: 1',
    'aggregate[p]: src_host',
  ];
}

/** pmacctd on a capture. */
function pmacctd(
  name: string,
  shows: string,
  protocol: 'cflow' | 'sflow',
  configuration: (port: number) => readonly string[],
): ExporterCase {
  return {
    name,
    shows,
    programs: ['pmacctd'],
    protocol,
    run: async (lab, port) => {
      writeFileSync(lab.path('traffic.pcap'), trafficCapture(Date.now() - 3000));
      const common = [
        'daemonize: false',
        `pcap_savefile: ${lab.path('traffic.pcap')}`,
        'snaplen: 256',
        `logfile: ${lab.path('pmacctd.log')}`,
      ];
      writeFileSync(lab.path('pmacctd.conf'), [...common, ...configuration(port), ''].join('\n'));
      await lab.start('pmacctd', ['-f', lab.path('pmacctd.conf')]).ended();
    },
  };
}

/** Open vSwitch: frames come in at a port of a bridge whose `table` says where to export to. */
function openVSwitch(
  name: string,
  shows: string,
  protocol: 'cflow' | 'sflow',
  table: 'NetFlow' | 'IPFIX' | 'sFlow',
  ...columns: readonly string[]
): ExporterCase {
  return {
    name,
    shows,
    programs: ['ovs-vswitchd', 'ovsdb-server', 'ovsdb-tool', 'ovs-vsctl', 'ovs-appctl'],
    protocol,
    run: async (lab, port) => {
      const ovs = await OpenVSwitch.start(lab);
      const column = table.toLowerCase();
      const create = ['--', '--id=@new', 'create', table, `targets="127.0.0.1:${port}"`, ...columns];
      ovs.configure('set', 'bridge', 'br0', `${column}=@new`, ...create);
      for (const frame of trafficFrames()) ovs.receive('p1', frame);
      // Active timeouts and polling are one second.
      await sleep(2200);
      ovs.configure('clear', 'bridge', 'br0', column);
    },
  };
}

/** What softflowd calls the interface a capture file is. */
const NAMES = { INPUT_INTERFACE_NAME: 'traffic.pcap', OUTPUT_INTERFACE_NAME: 'traffic.pcap' };

/** Every exporter that meters the traffic of a capture or frames handed to it. */
export const EXPORTERS: readonly ExporterCase[] = [
  softflowd('softflowd-netflow1', 'NetFlow v1; flows that began before the exporter did: times before sysUpTime 0', [
    '-v',
    '1',
  ]),
  softflowd('softflowd-netflow5', 'NetFlow v5; flows that began before the exporter did: times before sysUpTime 0', [
    '-v',
    '5',
  ]),
  softflowd('softflowd-netflow9-vlan', 'NetFlow v9 with MAC addresses and VLANs', ['-v', '9', '-T', 'ether'], {
    ...NAMES,
    SAMPLING_INTERVAL: 1,
    SAMPLING_ORIGIN: 'option',
  }),
  softflowd(
    'softflowd-netflow9-sampled',
    'NetFlow v9; a sampling interval of 2 in options, for the scope interface',
    ['-v', '9', '-s', '2'],
    { ...NAMES, SAMPLING_INTERVAL: 2, SAMPLING_ORIGIN: 'option' },
  ),
  softflowd('softflowd-ipfix', 'IPFIX; times since systemInitTimeMilliseconds, which is in options', ['-v', '10']),
  softflowd('softflowd-ipfix-biflow', 'IPFIX with both directions in a record (RFC 5103)', ['-v', '10', '-b']),
  softflowd('softflowd-ipfix-tcp', 'IPFIX over TCP', ['-v', '10', '-P', 'tcp']),
  softflowd('softflowd-ipfix-microseconds', 'IPFIX with dateTimeMicroseconds', ['-v', '10', '-A', 'micro']),
  softflowd('softflowd-ipfix-nanoseconds', 'IPFIX with dateTimeNanoseconds', ['-v', '10', '-A', 'nano']),
  pmacctd('pmacct-netflow5', 'NetFlow v5', 'cflow', (port) =>
    nfprobe(5, port, 'src_host,dst_host,src_port,dst_port,proto,tos'),
  ),
  pmacctd('pmacct-netflow9', 'NetFlow v9 with AS numbers, masks, BGP next hop, MAC addresses, VLAN', 'cflow', (port) =>
    nfprobe(9, port),
  ),
  pmacctd('pmacct-ipfix', 'IPFIX with AS numbers, masks, BGP next hop, MAC addresses, VLAN', 'cflow', (port) =>
    nfprobe(10, port),
  ),
  pmacctd('pmacct-sflow', 'sFlow: sampled headers and extended switch data', 'sflow', sfprobe),
  openVSwitch(
    'open-vswitch-netflow5',
    'NetFlow v5 with engine type and id; output to many ports is 65535',
    'cflow',
    'NetFlow',
    'active_timeout=1',
    'engine_type=2',
    'engine_id=7',
  ),
  openVSwitch(
    'open-vswitch-ipfix',
    'IPFIX with a hundred Templates, elements twice in a record (interface names), delta microseconds, two Observation Domains',
    'cflow',
    'IPFIX',
    'sampling=1',
    'cache_active_timeout=1',
    'obs_domain_id=123',
    'obs_point_id=456',
  ),
  openVSwitch(
    'open-vswitch-sflow',
    'sFlow: output to several interfaces, counters of the switch itself',
    'sflow',
    'sFlow',
    'sampling=1',
    'polling=1',
    'agent=lo',
    'header=96',
  ),
];
