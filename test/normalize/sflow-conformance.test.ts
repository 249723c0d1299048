import { existsSync, readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import type { PlainValue } from '../../src/flow/flow.ts';
import { CORPORA, type SflowCapture, sflowCaptures } from '../support/sflow-captures.ts';
import { ipv6Text, type PlainLine, SflowHarness } from '../support/sflow-harness.ts';

const captures = sflowCaptures();
if (captures.length === 0) console.log('sFlow conformance: skipped, there are no captures beside the repository');

/** All lines of a capture, in order; datagrams of NetFlow among them are left out. */
function linesOf(capture: SflowCapture): PlainLine[] {
  const harness = new SflowHarness();
  for (const { payload, source, port } of capture.datagrams) {
    if (payload[0] === 0 && payload[1] === 0) expect(harness.decode(payload, 1_000_000, source, port)).toBe('ok');
  }
  const { messagesReceived, messagesDecoded } = harness.counters;
  expect(messagesDecoded).toBe(messagesReceived);
  return harness.lines;
}

function captureNamed(path: string): SflowCapture {
  const capture = captures.find((known) => known.path === path);
  if (capture === undefined) throw new Error(`no ${path}`);
  return capture;
}

/** Interface word of a compact sample as tshark prints it. */
function interfaceText(line: PlainLine, side: 'input' | 'output'): string {
  const value = line.fields[`${side}Interface`];
  if (value !== undefined) return `${value}`;
  const { OUTPUT_INTERFACE_COUNT: count, OUTPUT_DISCARD_REASON: reason } = line.attachments;
  if (typeof count === 'number') return `${2 ** 31 + count}`;
  return typeof reason === 'number' ? `${2 ** 30 + reason}` : '?';
}

function addressText(value: string | number | undefined): string {
  return value === undefined ? '-' : `${value}`;
}

/** What tshark prints: addresses and ports of the first IP header. */
function sampleText(line: PlainLine): string {
  const f = line.fields;
  return [
    line.agentAddress,
    line.subAgentId,
    f['sourceIdIndex'],
    f['samplingInterval'],
    interfaceText(line, 'input'),
    interfaceText(line, 'output'),
    f['frameLength'] ?? '-',
    addressText(f['sourceIPv4'] ?? f['sourceIPv6']),
    addressText(f['destinationIPv4'] ?? f['destinationIPv6']),
    f['sourcePort'] ?? '-',
    f['destinationPort'] ?? '-',
    f['protocol'] ?? '-',
  ].join(' ');
}

function recordCount(line: PlainLine): number {
  let count = 0;
  for (const [key, value] of Object.entries(line.attachments)) {
    if (!key.startsWith('SFLOW_')) count += Array.isArray(value) ? value.length : 1;
  }
  return count;
}

/** IPv6 addresses of the oracle in the form the harness has. */
function normalAddress(text: string): string {
  if (!text.includes(':')) return text;
  const octets = new URL(`http://[${text}]`).hostname.slice(1, -1);
  return octets;
}

describe.skipIf(captures.length === 0)('every capture says what tshark reads in it', () => {
  it.each(captures.map((capture) => [capture.path, capture] as const))('%s', (path, capture) => {
    const oracle = `${CORPORA}oracle/${path.replace(/^export\//, '')}.tshark.tsv`;
    if (!existsSync(oracle)) throw new Error(`no oracle for ${path}`);
    const rows = readFileSync(oracle, 'utf8')
      .split('\n')
      .map((row) => row.split('\t'));
    const samples = rows.filter(([kind]) => kind === 'smpl');
    const counters = rows.filter(([kind]) => kind === 'ctr');
    const lines = linesOf(capture);
    expect(lines.filter((line) => line.recordType === 'flow').map(sampleText)).toEqual(
      samples.map(([, , agent, sub, , source, rate, input, output, length, from, to, ...rest]) =>
        [agent, sub, source, rate, input, output, length, normalAddress(from!), normalAddress(to!), ...rest].join(' '),
      ),
    );
    expect(
      lines
        .filter((line) => line.recordType === 'counters')
        .map(
          (line) =>
            `${line.agentAddress} ${line.subAgentId} ${line.attachments['SFLOW_SOURCE_ID_INDEX']} ${recordCount(line)}`,
        ),
    ).toEqual(counters.map(([, , agent, sub, , source, count]) => `${agent} ${sub} ${source} ${count}`));
    const other = rows.filter(([kind]) => kind === 'othersmpl').length;
    expect(lines.filter((line) => line.recordType === 'discard').length).toBe(other);
  });
});

function objectOf(value: PlainValue | undefined): Record<string, PlainValue> {
  return (value ?? {}) as Record<string, PlainValue>;
}

describe.skipIf(captures.length === 0)('value by value', () => {
  it('interface and Ethernet counters are those tcpdump prints', () => {
    const path = 'export/tcpdump/sflow_multiple_counter_30_pdus';
    const text = readFileSync(`${CORPORA}${path}.out`, 'utf8');
    const lines = linesOf(captureNamed(`${path}.pcap`));
    const generic = [
      ...text.matchAll(
        /ifindex (\d+), iftype (\d+), ifspeed (\d+), ifdirection (\d+)[\s\S]*?ifstatus (\d+)[\s\S]*?In octets (\d+), unicast pkts (\d+), multicast pkts (\d+), broadcast pkts (\d+), discards (\d+)\s+In errors (\d+), unknown protos (\d+)\s+Out octets (\d+), unicast pkts (\d+), multicast pkts (\d+), broadcast pkts (\d+), discards (\d+)\s+Out errors (\d+), promisc mode (\d+)/g,
      ),
    ].map((match) => match.slice(1).map(Number));
    const ours = lines.flatMap((line) =>
      'if_counters' in line.attachments ? [Object.values(objectOf(line.attachments['if_counters']))] : [],
    );
    expect(generic.length).toBeGreaterThan(100);
    expect(ours).toEqual(generic);
    const ethernet = [
      ...text.matchAll(
        /align errors (\d+), fcs errors (\d+), single collision (\d+), multiple collision (\d+), test error (\d+)\s+deferred (\d+), late collision (\d+), excessive collision (\d+), mac trans error (\d+)\s+carrier error (\d+), frames too long (\d+), mac receive errors (\d+), symbol errors (\d+)/g,
      ),
    ].map((match) => match.slice(1).map(Number));
    expect(ethernet.length).toBeGreaterThan(100);
    expect(
      lines.flatMap((line) =>
        'ethernet_counters' in line.attachments ? [Object.values(objectOf(line.attachments['ethernet_counters']))] : [],
      ),
    ).toEqual(ethernet);
  });

  it('host counters are what the octets tcpdump prints in hexadecimal say', () => {
    const lines = linesOf(captureNamed('export/tcpdump/sflow_multiple_counter_30_pdus.pcap'));
    const host = lines.find((line) => 'host_cpu' in line.attachments)?.attachments;
    // 3ca3d70a 3c23d70a 3d23d70a: 0.02, 0.01, 0.04; 00000001 00000186 00000018 00000640
    expect(host?.['host_cpu']).toMatchObject({
      load_one: 0.02,
      load_five: 0.01,
      load_fifteen: 0.04,
      proc_run: 1,
      proc_total: 0x186,
      cpu_num: 24,
      cpu_speed: 1600,
      uptime: 0x9643b9,
    });
    expect(host?.['host_memory']).toMatchObject({ mem_total: 0x5e225c000, mem_free: 0x3848a3000, mem_shared: 0 });
    expect(host?.['host_disk_io']).toMatchObject({ disk_total: 0x1ce15623800, part_max_used: 0x7a2, reads: 0x22ed1 });
    expect(objectOf(host?.['host_adapters'])['adapters']).toMatchObject([
      { ifIndex: 2, mac_address: ['1c:c1:de:18:96:f0'] },
      { ifIndex: 3, mac_address: ['1c:c1:de:18:96:f0'] },
      { ifIndex: 5 },
      {},
    ]);
  });

  it('the expanded sample is what tcpdump and tshark print', () => {
    const [line] = linesOf(captureNamed('export/tcpdump/sflow_expanded.pcap'));
    expect(line?.fields).toMatchObject({
      sampleSequence: 2170480284,
      sourceIdType: 0,
      sourceIdIndex: 11001,
      samplingInterval: 1000,
      samplePool: 1521799520,
      sampleDrops: 0,
      inputInterface: 29001,
      outputInterface: 1285816721,
      octets: 126,
      strippedOctets: 4,
    });
  });

  it('the counters of telegraf are ours', () => {
    const [line] = linesOf(captureNamed('export/derived/telegraf/sflow_v5_example.pcap'));
    // plugins/inputs/netflow/testcases/sflow_v5_example/expected.out
    expect(line).toMatchObject({ agentAddress: '192.168.119.184', subAgentId: 100000 });
    expect(line?.attachments).toMatchObject({
      SFLOW_SOURCE_ID_INDEX: 3,
      port_name: { name: 'eno1' },
      if_counters: {
        ifIndex: 3,
        ifType: 6,
        ifSpeed: 1_000_000_000,
        ifInOctets: 3910,
        ifInUcastPkts: 28,
        ifInMulticastPkts: 4294967295,
        ifInBroadcastPkts: 4294967295,
        ifInDiscards: 0,
        ifInErrors: 0,
        ifInUnknownProtos: 4294967295,
        ifOutOctets: 3946,
        ifOutUcastPkts: 29,
        ifOutMulticastPkts: 4294967295,
        ifOutBroadcastPkts: 4294967295,
        ifOutDiscards: 0,
        ifOutErrors: 0,
        ifPromiscuousMode: 0,
      },
    });
  });

  it('discarded packets are what their octets and telegraf say', () => {
    const names = ['L00133', 'L00153', 'L00174'];
    const lines = names.flatMap((name) =>
      linesOf(captureNamed(`export/derived/hexsrc/goflow2-sflow_test-${name}-sflow.pcap`)),
    );
    for (const line of lines) {
      expect(line.recordType).toBe('discard');
      expect(line.fields).toMatchObject({
        inputInterface: 1,
        outputInterface: 2,
        sampleDrops: 256,
        sampleSequence: 2,
        sourceIdIndex: 1,
      });
      expect(line.attachments).toMatchObject({
        OUTPUT_DISCARD_REASON: 1,
        OUTPUT_DISCARD_REASON_NAME: 'host_unreachable',
      });
    }
    expect(lines.map((line) => line.attachments)).toMatchObject([
      { SFLOW_EXTENDED_EGRESS_QUEUE: { queue: 42 } },
      { SFLOW_EXTENDED_ACL: { number: 42, name: 'foo!', direction: 2 } },
      { SFLOW_EXTENDED_FUNCTION: { symbol: 'foobar' } },
    ]);
  });

  it('processor information is what tshark prints', () => {
    const [line] = linesOf(captureNamed('export/derived/hexsrc/gopacket-sflow_test-L00185-sflow.pcap'));
    expect(line?.attachments['processor']).toEqual({
      '5s_cpu': 1450,
      '1m_cpu': 1370,
      '5m_cpu': 1330,
      total_memory: 3_884_806_144,
      free_memory: 1_441_230_848,
    });
  });

  it('a counters sample longer than its datagram still has its LAG record', () => {
    const [line] = linesOf(captureNamed('export/derived/hexsrc/gopacket-sflow_test-L00300-sflow.pcap'));
    // 7e60 6973 8f42 0006, padded as eight octets; then 0000 0000 0000 e100, 00000001, 05750000
    expect(line?.attachments['lag_port_stats']).toMatchObject({
      dot3adAggPortActorSystemID: '7e:60:69:73:8f:42',
      dot3adAggPortPartnerOperSystemID: '00:00:00:00:00:00',
      dot3adAggPortAttachedAggID: 1,
      dot3adAggPortState: '05750000',
      dot3adAggPortStatsLACPDUsRx: 0,
    });
  });

  it('the tunnel record of Open vSwitch is what tcpdump prints in hexadecimal', () => {
    const [line] = linesOf(captureNamed('export/derived/hexsrc/gopacket-sflow_test-L00225-sflow.pcap'));
    // 00000000 0000002f c0a80054 c0a80053 and zeros
    expect(line?.attachments).toMatchObject({
      SFLOW_EXTENDED_IPV4_TUNNEL_INGRESS: {
        header: { length: 0, protocol: 47, src_ip: '192.168.0.84', dst_ip: '192.168.0.83' },
      },
    });
    expect(line?.fields).toMatchObject({ sourceIdType: 2, sourceIdIndex: 1000 });
  });

  it('a VXLAN packet has its inner addresses, as tshark reads them', () => {
    const [line] = linesOf(captureNamed('export/akvorado/sflow/testdata/data-encap-vxlan.pcap'));
    expect(line?.fields).toMatchObject({
      tunnelType: 'vxlan',
      tunnelId: 100,
      destinationPort: 4789,
      innerSourceIPv6: '2001:db8:4::1',
      innerDestinationIPv6: '2001:db8:4::3',
      innerProtocol: 58,
    });
  });

  it('IPv6 text helper of these tests agrees with RFC 5952', () => {
    expect(ipv6Text(Uint8Array.from([0x20, 1, 0xd, 0xb8, ...new Array<number>(11).fill(0), 1]))).toBe('2001:db8::1');
  });
});
