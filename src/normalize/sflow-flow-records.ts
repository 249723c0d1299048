import { byDataFormat, nested, structure } from '../flow/xdr-structure.ts';

/*
 * Structures of flow samples by the sFlow structure list (sflow.org/developers/structures.php), spelled as published there.
 * Enterprise 0 if not said otherwise.
 */

const SAMPLED_ETHERNET = 'length src_mac:mac dst_mac:mac type';
const SAMPLED_IPV4 = 'length protocol src_ip:ipv4 dst_ip:ipv4 src_port dst_port tcp_flags tos';
const SAMPLED_IPV6 = 'length protocol src_ip:ipv6 dst_ip:ipv6 src_port dst_port tcp_flags priority';
const SOCKET_IPV4 = 'protocol local_ip:ipv4 remote_ip:ipv4 local_port remote_port';
const SOCKET_IPV6 = 'protocol local_ip:ipv6 remote_ip:ipv6 local_port remote_port';
const APPLICATION_CONTEXT = nested('context', 'application:string operation:string attributes:string');

/** Data formats the normaliser reads itself, because most samples have them. */
export const SAMPLED_HEADER = 1;
/** Ethernet addresses and type, read by the switch. */
export const SAMPLED_ETHERNET_FRAME = 2;
/** IPv4 addresses and ports, read by the switch. */
export const SAMPLED_IPV4_PACKET = 3;
/** IPv6 addresses and ports, read by the switch. */
export const SAMPLED_IPV6_PACKET = 4;
/** VLANs and priorities. */
export const EXTENDED_SWITCH = 1001;
/** Next hop and prefix lengths. */
export const EXTENDED_ROUTER = 1002;
/** BGP's next hop, AS path and communities. */
export const EXTENDED_GATEWAY = 1003;

/** Addresses after translation. */
export const EXTENDED_NAT = 1007;
/** Ports after translation. */
export const EXTENDED_NAT_PORT = 1020;

/** Every structure of a flow or discarded packet sample that is not read by the normaliser itself, by its data format. */
export const FLOW_RECORDS = byDataFormat([
  // sFlow version 5
  structure(0, 1004, 'extended_user', 'src_charset src_user:string dst_charset dst_user:string'),
  structure(0, 1005, 'extended_url', 'direction url:string host:string'),
  structure(0, 1006, 'extended_mpls', 'nexthop:address in_stack[] out_stack[]'),
  structure(0, EXTENDED_NAT, 'extended_nat', 'src_address:address dst_address:address'),
  structure(0, 1008, 'extended_mpls_tunnel', 'tunnel_lsp_name:string tunnel_id tunnel_cos'),
  structure(0, 1009, 'extended_mpls_vc', 'vc_instance_name:string vll_vc_id vc_label_cos'),
  structure(0, 1010, 'extended_mpls_FTN', 'mplsFTNDescr:string mplsFTNMask'),
  structure(0, 1011, 'extended_mpls_LDP_FEC', 'mplsFecAddrPrefixLength'),
  structure(0, 1012, 'extended_vlantunnel', 'stack[]'),
  // sFlow 802.11 Structures
  structure(0, 1013, 'extended_80211_payload', 'cipher_suite data:opaque'),
  structure(0, 1014, 'extended_80211_rx', 'ssid:string bssid:mac version channel speed:u64 rsni rcpi packet_duration'),
  structure(
    0,
    1015,
    'extended_80211_tx',
    'ssid:string bssid:mac version transmissions packet_duration retrans_duration channel speed:u64 power',
  ),
  structure(
    0,
    1016,
    'extended_80211_aggregation',
    nested('pdus[]', nested('flow_records[]', 'flow_format flow_data:opaque')),
  ),
  // sFlow OpenFlow Structures (draft), sFlow, CEE and FCoE, sFlow for queue length monitoring, sFlow Port NAT Structures
  structure(0, 1017, 'extended_openflow_v1', 'flow_cookie:u64 flow_match flow_actions'),
  structure(0, 1018, 'extended_fc', 'src_mask_len dst_mask_len next_hop metric'),
  structure(0, 1019, 'extended_queue_length', 'queueIndex queueLength'),
  structure(0, EXTENDED_NAT_PORT, 'extended_nat_port', 'src_port dst_port'),
  // sFlow Tunnel Structures
  structure(0, 1021, 'extended_L2_tunnel_egress', nested('header', SAMPLED_ETHERNET)),
  structure(0, 1022, 'extended_L2_tunnel_ingress', nested('header', SAMPLED_ETHERNET)),
  structure(0, 1023, 'extended_ipv4_tunnel_egress', nested('header', SAMPLED_IPV4)),
  structure(0, 1024, 'extended_ipv4_tunnel_ingress', nested('header', SAMPLED_IPV4)),
  structure(0, 1025, 'extended_ipv6_tunnel_egress', nested('header', SAMPLED_IPV6)),
  structure(0, 1026, 'extended_ipv6_tunnel_ingress', nested('header', SAMPLED_IPV6)),
  structure(0, 1027, 'extended_decapsulate_egress', 'inner_header_offset'),
  structure(0, 1028, 'extended_decapsulate_ingress', 'inner_header_offset'),
  structure(0, 1029, 'extended_vni_egress', 'vni'),
  structure(0, 1030, 'extended_vni_ingress', 'vni'),
  // sFlow InfiniBand Structures
  structure(
    0,
    1031,
    'extended_ib_lrh',
    'src_vl src_sl src_dlid src_slid src_lnh dst_vl dst_sl dst_dlid dst_slid dst_lnh',
  ),
  structure(0, 1032, 'extended_ib_grh', 'flow_label tc s_gid:opaque16 d_gid:opaque16 next_header length'),
  structure(0, 1033, 'extended_ib_bth', 'pkey dst_qp opcode'),
  // sFlow VLAN stacks, sFlow Dropped Packet Notification Structures, sFlow Transit Delay Structures
  structure(0, 1034, 'extended_vlanin', 'stack[]'),
  structure(0, 1035, 'extended_vlanout', 'stack[]'),
  structure(0, 1036, 'extended_egress_queue', 'queue'),
  structure(0, 1037, 'extended_acl', 'number name:string direction'),
  structure(0, 1038, 'extended_function', 'symbol:string'),
  structure(0, 1039, 'extended_transit', 'delay'),
  structure(0, 1040, 'extended_queue', 'depth'),
  structure(0, 1041, 'extended_hw_trap', 'group:string trap:string'),
  structure(0, 1042, 'extended_linux_drop_reason', 'reason:string'),
  // Host performance statistics
  structure(0, 2000, 'transaction', 'direction wait duration status bytes_received:u64 bytes_send:u64'),
  structure(0, 2001, 'extended_nfs_storage_transaction', 'path:string operation status'),
  structure(0, 2002, 'extended_scsi_storage_transaction', 'lun operation status'),
  structure(
    0,
    2003,
    'extended_http_transaction',
    'url:string host:string referer:string useragent:string user:string status',
  ),
  // sFlow Host Structures, sFlow HTTP Structures
  structure(0, 2100, 'extended_socket_ipv4', SOCKET_IPV4),
  structure(0, 2101, 'extended_socket_ipv6', SOCKET_IPV6),
  structure(0, 2102, 'extended_proxy_socket_ipv4', SOCKET_IPV4),
  structure(0, 2103, 'extended_proxy_socket_ipv6', SOCKET_IPV6),
  // sFlow Memcache Structures
  structure(0, 2200, 'memcache_operation', 'protocol cmd key:string nkeys value_bytes uS status'),
  // The first form, without the HTTP version
  structure(
    0,
    2201,
    'http_request',
    'method uri:string host:string referer:string useragent:string xff:string authuser:string mime_type:string',
    'req_bytes:u64 resp_bytes:u64 uS status:i32',
  ),
  // sFlow Application Structures
  structure(
    0,
    2202,
    'app_operation',
    APPLICATION_CONTEXT,
    'status_descr:string req_bytes:u64 resp_bytes:u64 uS status',
  ),
  structure(0, 2203, 'app_parent_context', APPLICATION_CONTEXT),
  structure(0, 2204, 'app_initiator', 'actor:string'),
  structure(0, 2205, 'app_target', 'actor:string'),
  structure(
    0,
    2206,
    'http_request',
    'method protocol uri:string host:string referer:string useragent:string xff:string authuser:string mime-type:string',
    'req_bytes:u64 resp_bytes:u64 uS status:i32',
  ),
  structure(0, 2207, 'extended_proxy_request', 'uri:string host:string'),
  structure(
    0,
    2208,
    'extended_nav_timing',
    'type redirectCount navigationStart unloadEventStart unloadEventEnd redirectStart redirectEnd fetchStart',
    'domainLookupStart domainLookupEnd connectStart connectEnd secureConnectionStart requestStart responseStart',
    'responseEnd domLoading domInteractive domContentLoadedEventStart domContentLoadedEventEnd domComplete',
    'loadEventStart loadEventEnd',
  ),
  structure(
    0,
    2209,
    'extended_tcp_info',
    'dir snd_mss rcv_mss unacked lost retrans pmtu rtt rttvar snd_cwnd reordering min_rtt',
  ),
  structure(
    0,
    2210,
    'extended_entities',
    nested('src_ds', 'source_id_type source_id_index'),
    nested('dst_ds', 'source_id_type source_id_index'),
  ),
  // Broadcom
  structure(4413, 1, 'extended_bst_egress_queue', 'queue'),
]);
