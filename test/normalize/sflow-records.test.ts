import { describe, expect, it } from 'vitest';
import type { XdrMember, XdrStructure } from '../../src/flow/xdr-structure.ts';
import { COUNTER_RECORDS } from '../../src/normalize/sflow-counter-records.ts';
import { FLOW_RECORDS } from '../../src/normalize/sflow-flow-records.ts';
import { countersSample, datagram, flowSample, record } from '../support/sflow-builder.ts';
import { SflowHarness } from '../support/sflow-harness.ts';

/** Octets of structures of fixed length, as sflow.h of host-sflow, sflowtool and the specifications have them. */
const COUNTER_SIZES: readonly [enterprise: number, format: number, name: string, octets: number][] = [
  [0, 1, 'if_counters', 88],
  [0, 2, 'ethernet_counters', 52],
  [0, 3, 'tokenring_counters', 72],
  [0, 4, 'vg_counters', 80],
  [0, 5, 'vlan_counters', 28],
  [0, 6, 'ieee80211_counters', 80],
  [0, 7, 'lag_port_stats', 56],
  [0, 8, 'slow_path_counts', 24],
  [0, 9, 'ib_counters', 64],
  [0, 1001, 'processor', 28],
  [0, 1002, 'radio_utilization', 12],
  [0, 1004, 'of_port', 12],
  [0, 2002, 'host_parent', 8],
  [0, 2003, 'host_cpu', 80],
  [0, 2004, 'host_memory', 72],
  [0, 2005, 'host_disk_io', 52],
  [0, 2006, 'host_net_io', 40],
  [0, 2007, 'mib2_ip_group', 76],
  [0, 2008, 'mib2_icmp_group', 100],
  [0, 2009, 'mib2_tcp_group', 60],
  [0, 2010, 'mib2_udp_group', 28],
  [0, 2100, 'virt_node', 28],
  [0, 2101, 'virt_cpu', 12],
  [0, 2102, 'virt_memory', 16],
  [0, 2103, 'virt_disk_io', 52],
  [0, 2104, 'virt_net_io', 40],
  [0, 2106, 'jvm_statistics', 108],
  [0, 2201, 'http_counters', 60],
  [0, 2203, 'app_resources', 40],
  [0, 2204, 'memcache_counters', 140],
  [0, 2205, 'vdi_counters', 92],
  [0, 2206, 'app_workers', 20],
  [0, 2207, 'ovs_dp_stats', 24],
  [4413, 1, 'bst_device_buffers', 8],
  [4413, 3, 'hw_tables', 144],
  [5703, 1, 'nvidia_gpu', 48],
];

const FLOW_SIZES: readonly [enterprise: number, format: number, name: string, octets: number][] = [
  [0, 1011, 'extended_mpls_LDP_FEC', 4],
  [0, 1017, 'extended_openflow_v1', 16],
  [0, 1018, 'extended_fc', 16],
  [0, 1019, 'extended_queue_length', 8],
  [0, 1020, 'extended_nat_port', 8],
  [0, 1021, 'extended_L2_tunnel_egress', 24],
  [0, 1023, 'extended_ipv4_tunnel_egress', 32],
  [0, 1025, 'extended_ipv6_tunnel_egress', 56],
  [0, 1027, 'extended_decapsulate_egress', 4],
  [0, 1030, 'extended_vni_ingress', 4],
  [0, 1031, 'extended_ib_lrh', 40],
  [0, 1032, 'extended_ib_grh', 48],
  [0, 1033, 'extended_ib_bth', 12],
  [0, 1036, 'extended_egress_queue', 4],
  [0, 1039, 'extended_transit', 4],
  [0, 1040, 'extended_queue', 4],
  [0, 2000, 'transaction', 32],
  [0, 2100, 'extended_socket_ipv4', 20],
  [0, 2101, 'extended_socket_ipv6', 44],
  [0, 2102, 'extended_proxy_socket_ipv4', 20],
  [0, 2103, 'extended_proxy_socket_ipv6', 44],
  [0, 2208, 'extended_nav_timing', 92],
  [0, 2209, 'extended_tcp_info', 48],
  [0, 2210, 'extended_entities', 16],
  [4413, 1, 'extended_bst_egress_queue', 4],
];

const OCTETS: Readonly<Record<string, number>> = { u64: 8, ipv6: 16, mac: 8, uuid: 16, opaque16: 16 };

function sizeOf(members: readonly XdrMember[]): number {
  let octets = 0;
  for (const member of members)
    octets += member.type === 'struct' ? sizeOf(member.members) : (OCTETS[member.type] ?? 4);
  return octets;
}

describe.each([
  ['counters', COUNTER_RECORDS, COUNTER_SIZES],
  ['flow', FLOW_RECORDS, FLOW_SIZES],
] as const)('%s structures', (kind, table: ReadonlyMap<number, XdrStructure>, sizes) => {
  it.each(sizes)('enterprise %d format %d is %s of %d octets', (enterprise, format, name, octets) => {
    const known = table.get(enterprise * 4096 + format);
    expect(known?.name).toBe(name);
    expect(sizeOf(known?.members ?? [])).toBe(octets);
  });

  it('are read from all zeros of any length without harm', () => {
    const harness = new SflowHarness();
    const build = kind === 'flow' ? flowSample : countersSample;
    for (const known of table.values()) {
      for (let length = 0; length <= 300; length += 4) {
        harness.decode(datagram([build([record(known.dataFormat, new Array<number>(length).fill(0))])]));
      }
    }
    expect(harness.lines.length).toBe(table.size * 76);
  });

  it('name every member once', () => {
    for (const known of table.values()) {
      const names = known.members.map((member) => member.name);
      expect(new Set(names).size, known.name).toBe(names.length);
    }
  });
});
