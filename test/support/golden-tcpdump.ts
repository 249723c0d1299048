/** tcpdump's print of sFlow samples. */

import type { GoldenRecord, GoldenValue } from './golden.ts';

/** tcpdump's words in the order in which they stand in a line of counters, and the counter's path in ours. */
const COUNTERS: readonly (readonly [pattern: RegExp, paths: readonly string[]])[] = [
  [
    /^ifindex (\d+), iftype (\d+), ifspeed (\d+), ifdirection (\d+)/,
    ['if_counters.ifIndex', 'if_counters.ifType', 'if_counters.ifSpeed', 'if_counters.ifDirection'],
  ],
  [/^ifstatus (\d+),/, ['if_counters.ifStatus']],
  [
    /^In octets (\d+), unicast pkts (\d+), multicast pkts (\d+), broadcast pkts (\d+), discards (\d+)/,
    ['ifInOctets', 'ifInUcastPkts', 'ifInMulticastPkts', 'ifInBroadcastPkts', 'ifInDiscards'].map(inInterface),
  ],
  [/^In errors (\d+), unknown protos (\d+)/, ['ifInErrors', 'ifInUnknownProtos'].map(inInterface)],
  [
    /^Out octets (\d+), unicast pkts (\d+), multicast pkts (\d+), broadcast pkts (\d+), discards (\d+)/,
    ['ifOutOctets', 'ifOutUcastPkts', 'ifOutMulticastPkts', 'ifOutBroadcastPkts', 'ifOutDiscards'].map(inInterface),
  ],
  [/^Out errors (\d+), promisc mode (\d+)/, ['ifOutErrors', 'ifPromiscuousMode'].map(inInterface)],
  [
    /^align errors (\d+), fcs errors (\d+), single collision (\d+), multiple collision (\d+), test error (\d+)/,
    [
      'dot3StatsAlignmentErrors',
      'dot3StatsFCSErrors',
      'dot3StatsSingleCollisionFrames',
      'dot3StatsMultipleCollisionFrames',
      'dot3StatsSQETestErrors',
    ].map(inEthernet),
  ],
  [
    /^deferred (\d+), late collision (\d+), excessive collision (\d+), mac trans error (\d+)/,
    [
      'dot3StatsDeferredTransmissions',
      'dot3StatsLateCollisions',
      'dot3StatsExcessiveCollisions',
      'dot3StatsInternalMacTransmitErrors',
    ].map(inEthernet),
  ],
  [
    /^carrier error (\d+), frames too long (\d+), mac receive errors (\d+), symbol errors (\d+)/,
    [
      'dot3StatsCarrierSenseErrors',
      'dot3StatsFrameTooLongs',
      'dot3StatsInternalMacReceiveErrors',
      'dot3StatsSymbolErrors',
    ].map(inEthernet),
  ],
  [
    /^protocol Ethernet \(1\), length (\d+), stripped bytes (\d+), header_size \d+/,
    ['dataLinkFrameSize', 'SFLOW_STRIPPED_OCTETS'],
  ],
];

const DATAGRAM = /sFlowv5, IPv4 agent ([\d.]+), agent-id (\d+), seqnum (\d+)/;
const SAMPLE =
  /^(?:expanded )?(counter|flow) sample \(\d\), length \d+, seqnum (\d+), type (\d+), idx (\d+)(?:, rate (\d+), pool (\d+), drops (\d+), input (\d+) \(0\) output (\d+) \(0\))?/;

function inInterface(name: string): string {
  return `if_counters.${name}`;
}

function inEthernet(name: string): string {
  return `ethernet_counters.${name}`;
}

/** Samples as tcpdump prints them, with what their datagram says. */
export function tcpdumpRecords(text: string): GoldenRecord[] {
  const records: GoldenValue[][] = [];
  let datagram: GoldenValue[] = [];
  let current: GoldenValue[] | undefined;
  const value = (name: string, digits: string): GoldenValue => ({ name, keys: [name], text: digits });
  for (const line of text.split('\n').map((each) => each.trim())) {
    const header = DATAGRAM.exec(line);
    if (header !== null) {
      const [, agent = '', sub = '', sequence = ''] = header;
      datagram = [
        value('sflowAgentAddress', agent),
        value('sflowSubAgentId', sub),
        value('exportSequenceNumber', sequence),
      ];
    }
    const sample = SAMPLE.exec(line.replace(/\), output/, ') output'));
    if (sample !== null) {
      const [, kind, sequence = '', type = '', index = '', rate, pool = '', drops = '', input = '', output = ''] =
        sample;
      current = [
        ...datagram,
        value('recordType', kind === 'counter' ? 'counters' : 'flow'),
        value('SFLOW_SAMPLE_SEQUENCE_NUMBER', sequence),
        value('SFLOW_SOURCE_ID_TYPE', type),
        value('SFLOW_SOURCE_ID_INDEX', index),
      ];
      if (rate !== undefined) {
        current.push(
          value('samplingInterval', rate),
          value('SFLOW_SAMPLE_POOL', pool),
          value('SFLOW_SAMPLE_DROPS', drops),
          value('ingressInterface', input),
          value('egressInterface', output),
        );
      }
      records.push(current);
    }
    for (const [pattern, paths] of COUNTERS) {
      const found = pattern.exec(line);
      if (found === null || current === undefined) continue;
      current.push(...paths.map((path, at) => value(path, found[at + 1]!)));
    }
  }
  return records;
}
