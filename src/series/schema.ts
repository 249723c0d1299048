/**
 * THE table of time series: each measurement of ntopng (6.2, and what only 4.2 had), written or not, and our own. What is
 * written and the README's table come from it.
 */

/** Measurements that share a step and a limit. */
export const FAMILIES = [
  'iface',
  'iface_detail',
  'host',
  'container',
  'pod',
  'subnet',
  'asn',
  'vlan',
  'country',
  'obs_point',
  'flowdev',
  'flowdev_port',
  'sflowdev_port',
  'evexporter_iface',
  'flowrelay',
] as const;

/** One of {@link FAMILIES}. */
export type Family = (typeof FAMILIES)[number];

/** One row of {@link SCHEMAS}. */
export interface SeriesSchema {
  /** Name of the measurement: `<subject>:<measure>`. */
  readonly measurement: string;
  /** Names of its tags besides `ifid`, which all have. */
  readonly tags: readonly string[];
  readonly fields: readonly string[];
  /** `counter`: absolute and ever growing; `gauge`: as of the step. */
  readonly type: 'counter' | 'gauge' | '';
  /** Seconds between points, as ntopng has it; 0 where it writes none. */
  readonly stepSeconds: number;
  /** Whose step and limit it has; `''` for what is not written. */
  readonly family: Family | '';
  /** What is written, or why nothing is. */
  readonly note: string;
}

function row(
  measurement: string,
  tags: string,
  fields: string,
  type: SeriesSchema['type'],
  stepSeconds: number,
  family: SeriesSchema['family'],
  note: string,
): SeriesSchema {
  return { measurement, tags: words(tags), fields: words(fields), type, stepSeconds, family, note };
}

function words(text: string): string[] {
  return text.split(' ').filter((word) => word !== '');
}

/** Every measurement, in ntopng's order. */
// biome-ignore format: a table has one row a line
export const SCHEMAS: readonly SeriesSchema[] = [
  row('iface:traffic', '', 'bytes', 'counter', 1, 'iface', 'octets of all flows'),
  row('iface:traffic_rxtx', '', 'bytes_sent bytes_rcvd', 'counter', 1, 'iface', 'by flowDirection where flows have it; else sent is what local hosts send to others'),
  row('iface:traffic_ip', '', 'bytes_ipv4 bytes_ipv6', 'counter', 1, 'iface', 'by IP version'),
  row('iface:throughput_bps', '', 'bps', 'gauge', 1, 'iface', 'octets a second in the step, as ntopng has it'),
  row('iface:throughput_pps', '', 'pps', 'gauge', 1, 'iface', 'packets a second in the step'),
  row('iface:packets', '', 'packets', 'counter', 1, 'iface', 'packets of all flows'),
  row('iface:zmq_recv_flows', '', 'flows', 'counter', 1, '', "ntopng's reception of a feed; losses of ours are flowrelay:exporter"),
  row('iface:zmq_rcvd_msgs', '', 'msgs', 'counter', 1, '', "ntopng's reception of a feed; losses of ours are flowrelay:exporter"),
  row('iface:zmq_msg_drops', '', 'msgs', 'counter', 1, '', "ntopng's reception of a feed; losses of ours are flowrelay:exporter"),
  row('iface:zmq_flow_coll_drops', '', 'drops', 'counter', 1, '', "ntopng's reception of a feed; losses of ours are flowrelay:exporter"),
  row('iface:zmq_flow_coll_udp_drops', '', 'drops', 'counter', 1, '', "ntopng's reception of a feed; losses of ours are flowrelay:exporter"),
  row('iface:packets_vs_drops', '', 'packets drops', 'counter', 1, '', 'flows do not tell drops of packets'),
  row('iface:disc_prob_bytes', '', 'bytes', 'counter', 1, '', "ntopng's own discarding"),
  row('iface:disc_prob_pkts', '', 'packets', 'counter', 1, '', "ntopng's own discarding"),
  row('system:cpu_states', '', 'iowait_pct active_pct idle_pct', 'gauge', 5, '', 'the state of ntopng itself'),
  row('system:cpu_load', '', 'load_percentage', 'gauge', 5, '', 'the state of ntopng itself'),
  row('iface:ts_queue_length', '', 'num_ts', 'gauge', 5, '', 'the state of ntopng itself'),
  row('flow_check:duration', 'check subdir', 'num_ms', 'gauge', 5, '', 'the state of ntopng itself'),
  row('flow_check:num_calls', 'check subdir', 'num_calls', 'gauge', 5, '', 'the state of ntopng itself'),
  row('flow_check:total_stats', 'subdir', 'num_ms num_calls', 'gauge', 5, '', 'the state of ntopng itself'),
  row('flow_script:skipped_calls', '', 'idle proto_detected periodic_update', 'gauge', 5, '', 'the state of ntopng itself'),
  row('flow_script:pending_calls', '', 'proto_detected periodic_update', 'gauge', 5, '', 'the state of ntopng itself'),
  row('flow_script:successful_calls', '', 'num_calls', 'gauge', 5, '', 'the state of ntopng itself'),
  row('flow_script:lua_duration', '', 'num_ms', 'gauge', 5, '', 'the state of ntopng itself'),
  row('periodic_script:duration', 'periodic_script', 'num_ms_last', 'gauge', 60, '', 'the state of ntopng itself'),
  row('periodic_script:timeseries_writes', 'periodic_script', 'writes drops', 'counter', 60, '', 'the state of ntopng itself'),
  row('ht:state', 'hash_table', 'num_idle num_active', 'gauge', 60, '', 'the state of ntopng itself'),
  row('process:resident_memory', '', 'resident_bytes', 'gauge', 60, '', 'the state of ntopng itself'),
  row('process:num_alerts', '', 'written_alerts alerts_queries dropped_alerts', 'counter', 60, '', 'the state of ntopng itself'),
  row('profile:traffic', 'profile', 'bytes', 'counter', 60, '', "ntopng's traffic profiles"),
  row('iface:nedge_traffic_rxtx', '', 'bytes_sent bytes_rcvd', 'counter', 60, '', 'ntopng Edge'),
  row('iface:nedge_traffic_nfq', '', 'bytes bytes_nfq', 'counter', 60, '', 'ntopng Edge'),
  row('subnet:intranet_traffic_min', 'subnet subnet_2', 'bytes_sent bytes_rcvd', 'counter', 60, '', 'grows with the square of the networks'),
  row('subnet:rtt', 'subnet', 'millis_rtt', 'gauge', 300, '', 'a smoothed estimate of ntopng; see container:rtt'),
  row('subnet:traffic', 'subnet', 'bytes_ingress bytes_egress bytes_inner', 'counter', 60, 'subnet', 'each of the local networks'),
  row('subnet:broadcast_traffic', 'subnet', 'bytes_ingress bytes_egress bytes_inner', 'counter', 60, 'subnet', 'to broadcast and multicast addresses'),
  row('subnet:tcp_retransmissions', 'subnet', 'packets_ingress packets_egress packets_inner', 'counter', 60, 'subnet', "from ntop's element 109 and 110"),
  row('subnet:tcp_out_of_order', 'subnet', 'packets_ingress packets_egress packets_inner', 'counter', 60, 'subnet', "from ntop's element 111 and 112"),
  row('subnet:tcp_lost', 'subnet', 'packets_ingress packets_egress packets_inner', 'counter', 60, '', 'flows do not tell'),
  row('subnet:tcp_keep_alive', 'subnet', 'packets_ingress packets_egress packets_inner', 'counter', 60, '', 'flows do not tell'),
  row('subnet:engaged_alerts', 'subnet', 'alerts', 'gauge', 60, '', "ntopng's alerts"),
  row('subnet:score', 'subnet', 'score scoreAsClient scoreAsServer', 'gauge', 60, '', "ntopng's scores"),
  row('iface:score_anomalies_v2', '', 'anomaly', 'gauge', 60, '', 'a model of ntopng, not a measurement'),
  row('iface:score_behavior_v2', '', 'value lower_bound upper_bound', 'gauge', 300, '', 'a model of ntopng, not a measurement'),
  row('iface:traffic_anomalies_v2', '', 'anomaly', 'gauge', 60, '', 'a model of ntopng, not a measurement'),
  row('iface:traffic_tx_behavior_v5', '', 'value lower_bound upper_bound', 'gauge', 60, '', 'a model of ntopng, not a measurement'),
  row('iface:traffic_rx_behavior_v5', '', 'value lower_bound upper_bound', 'gauge', 60, '', 'a model of ntopng, not a measurement'),
  row('iface:ndpi', 'protocol', 'bytes', 'counter', 60, 'iface_detail', 'application as the exporter names it'),
  row('iface:ndpi_categories', 'category', 'bytes', 'counter', 60, '', "nDPI's categories are in no flow"),
  row('iface:l4protos', 'l4proto', 'bytes', 'counter', 60, 'iface_detail', 'by IP protocol'),
  row('iface:ndpi_flows', 'protocol', 'num_flows', 'counter', 60, 'iface_detail', 'flows begun, by application'),
  row('iface:local2remote', '', 'bytes', 'counter', 60, 'iface_detail', 'octets from local hosts to others'),
  row('iface:remote2local', '', 'bytes', 'counter', 60, 'iface_detail', 'octets from others to local hosts'),
  row('iface:hosts', '', 'num_hosts', 'gauge', 60, 'iface_detail', 'estimated to about 1 % above some thousand'),
  row('iface:local_hosts', '', 'num_hosts', 'gauge', 60, 'iface_detail', 'estimated likewise'),
  row('iface:devices', '', 'num_devices', 'gauge', 60, '', "a flow's MAC addresses are those of the next hop"),
  row('iface:flows', '', 'num_flows', 'gauge', 60, 'iface_detail', 'conversations in the step'),
  row('iface:alerted_flows', '', 'num_flows', 'counter', 60, '', "ntopng's alerts"),
  row('iface:new_flows', '', 'new_flows', 'counter', 60, 'iface_detail', 'conversations begun'),
  row('iface:http_hosts', '', 'num_hosts', 'gauge', 60, '', 'flows do not tell who serves HTTP'),
  row('iface:tcp_retransmissions', '', 'packets', 'counter', 60, 'iface_detail', "from ntop's element 109 and 110"),
  row('iface:tcp_out_of_order', '', 'packets', 'counter', 60, 'iface_detail', "from ntop's element 111 and 112"),
  row('iface:tcp_lost', '', 'packets', 'counter', 60, '', 'flows do not tell'),
  row('iface:tcp_keep_alive', '', 'packets', 'counter', 60, '', 'flows do not tell'),
  row('iface:tcp_syn', '', 'packets', 'counter', 60, 'iface_detail', 'records of clients with SYN among their flags'),
  row('iface:tcp_synack', '', 'packets', 'counter', 60, 'iface_detail', 'records of servers with SYN and ACK'),
  row('iface:tcp_finack', '', 'packets', 'counter', 60, 'iface_detail', 'records with FIN and ACK'),
  row('iface:tcp_rst', '', 'packets', 'counter', 60, 'iface_detail', 'records with RST'),
  row('iface:nfq_pct', '', 'num_nfq_pct', 'gauge', 60, '', 'ntopng Edge'),
  row('iface:score', '', 'cli_score srv_score', 'gauge', 60, '', "ntopng's scores"),
  row('iface:engaged_alerts', '', 'engaged_alerts', 'gauge', 60, '', "ntopng's alerts"),
  row('iface:dropped_alerts', '', 'dropped_alerts', 'counter', 60, '', "ntopng's alerts"),
  row('iface:dumped_flows', '', 'dumped_flows dropped_flows', 'counter', 60, '', "ntopng's own storage"),
  row('iface:hosts_anomalies', '', 'num_loc_hosts_anom num_rem_hosts_anom', 'counter', 60, '', 'a model of ntopng, not a measurement'),
  row('am_host:val_min', 'host metric', 'value', 'gauge', 60, '', 'active probing of hosts'),
  row('am_host:http_stats_min', 'host metric', 'lookup_ms other_ms', 'gauge', 60, '', 'active probing of hosts'),
  row('am_host:https_stats_min', 'host metric', 'lookup_ms connect_ms other_ms', 'gauge', 60, '', 'active probing of hosts'),
  row('am_host:cicmp_stats_min', 'host metric', 'min_rtt max_rtt', 'gauge', 60, '', 'active probing of hosts'),
  row('am_host:jitter_stats_min', 'host metric', 'latency jitter', 'gauge', 60, '', 'active probing of hosts'),
  row('container:num_flows', 'container', 'as_client as_server', 'gauge', 60, 'container', 'flows in the step'),
  row('container:rtt', 'container', 'as_client as_server', 'gauge', 60, 'container', 'mean of those that tell it, ms'),
  row('container:rtt_variance', 'container', 'as_client as_server', 'gauge', 60, 'container', 'mean of those that tell it, ms'),
  row('pod:num_containers', 'pod', 'num_containers', 'gauge', 60, 'pod', 'containers with a flow in the step'),
  row('pod:num_flows', 'pod', 'as_client as_server', 'gauge', 60, 'pod', 'flows in the step'),
  row('pod:rtt', 'pod', 'as_client as_server', 'gauge', 60, 'pod', 'mean of those that tell it, ms'),
  row('pod:rtt_variance', 'pod', 'as_client as_server', 'gauge', 60, 'pod', 'mean of those that tell it, ms'),
  row('redis:memory', '', 'resident_bytes', 'gauge', 60, '', 'the state of ntopng itself'),
  row('redis:keys', '', 'num_keys', 'gauge', 60, '', 'the state of ntopng itself'),
  row('redis:hits', 'command', 'num_calls', 'gauge', 60, '', 'the state of ntopng itself'),
  row('snmp_if:traffic_min', 'device if_index', 'bytes_sent bytes_rcvd', 'counter', 60, '', 'SNMP'),
  row('mac:traffic', 'mac', 'bytes_sent bytes_rcvd', 'counter', 300, '', "a flow's MAC addresses are those of the next hop"),
  row('mac:arp_rqst_sent_rcvd_rpls', 'mac', 'request_pkts_sent reply_pkts_rcvd', 'counter', 300, '', "a flow's MAC addresses are those of the next hop"),
  row('mac:ndpi_categories', 'mac category', 'bytes', 'counter', 300, '', "a flow's MAC addresses are those of the next hop"),
  row('host_pool:traffic', 'pool', 'bytes_sent bytes_rcvd', 'counter', 300, '', "ntopng's groups of hosts"),
  row('host_pool:hosts', 'pool', 'num_hosts', 'gauge', 300, '', "ntopng's groups of hosts"),
  row('host_pool:devices', 'pool', 'num_devices', 'gauge', 300, '', "a flow's MAC addresses are those of the next hop"),
  row('host_pool:blocked_flows', 'pool', 'num_flows', 'counter', 300, '', "ntopng's groups of hosts"),
  row('host_pool:ndpi', 'pool protocol', 'bytes_sent bytes_rcvd', 'counter', 300, '', "ntopng's groups of hosts"),
  row('asn:traffic', 'asn', 'bytes_sent bytes_rcvd', 'counter', 300, 'asn', 'where flows have AS numbers'),
  row('asn:score', 'asn', 'score scoreAsClient scoreAsServer', 'gauge', 300, '', "ntopng's scores"),
  row('asn:traffic_sent', 'asn', 'bytes', 'counter', 300, 'asn', 'the same, one way'),
  row('asn:traffic_rcvd', 'asn', 'bytes', 'counter', 300, 'asn', 'the same, the other way'),
  row('asn:ndpi', 'asn protocol', 'bytes_sent bytes_rcvd', 'counter', 300, 'asn', 'by application'),
  row('asn:rtt', 'asn', 'millis_rtt', 'gauge', 300, '', 'a smoothed estimate of ntopng; see container:rtt'),
  row('asn:tcp_retransmissions', 'asn', 'packets_sent packets_rcvd', 'counter', 300, 'asn', "from ntop's element 109 and 110"),
  row('asn:tcp_out_of_order', 'asn', 'packets_sent packets_rcvd', 'counter', 300, 'asn', "from ntop's element 111 and 112"),
  row('asn:tcp_lost', 'asn', 'packets_sent packets_rcvd', 'counter', 300, '', 'flows do not tell'),
  row('asn:tcp_keep_alive', 'asn', 'packets_sent packets_rcvd', 'counter', 300, '', 'flows do not tell'),
  row('country:traffic', 'country', 'bytes_ingress bytes_egress bytes_inner', 'counter', 300, 'country', "from ntop's elements 101 and 103"),
  row('country:score', 'country', 'score scoreAsClient scoreAsServer', 'gauge', 300, '', "ntopng's scores"),
  row('obs_point:traffic', 'obs_point', 'bytes_sent bytes_rcvd', 'counter', 300, 'obs_point', 'where flows have observationPointId'),
  row('blacklist:hits', 'blacklist_name', 'hits', 'counter', 300, '', "ntopng's blacklists"),
  row('obs_point:score', 'obs_point', 'score scoreAsClient scoreAsServer', 'gauge', 300, '', "ntopng's scores"),
  row('obs_point:traffic_sent', 'obs_point', 'bytes', 'counter', 300, 'obs_point', 'the same, one way'),
  row('obs_point:traffic_rcvd', 'obs_point', 'bytes', 'counter', 300, 'obs_point', 'the same, the other way'),
  row('obs_point:ndpi', 'obs_point protocol', 'bytes_sent bytes_rcvd', 'counter', 300, 'obs_point', 'by application'),
  row('os:traffic', 'os', 'bytes_ingress bytes_egress', 'counter', 300, '', 'flows do not tell the operating system'),
  row('vlan:traffic', 'vlan', 'bytes_sent bytes_rcvd', 'counter', 300, 'vlan', 'where flows have a VLAN'),
  row('vlan:score', 'vlan', 'score scoreAsClient scoreAsServer', 'gauge', 300, '', "ntopng's scores"),
  row('vlan:ndpi', 'vlan protocol', 'bytes_sent bytes_rcvd', 'counter', 300, 'vlan', 'by application'),
  row('sflowdev_port:traffic', 'device port', 'bytes_sent bytes_rcvd', 'counter', 300, 'sflowdev_port', 'from sFlow counters samples'),
  row('flowdev:traffic', 'device', 'bytes_sent bytes_rcvd', 'counter', 300, 'flowdev', 'sent is what egress metering saw'),
  row('flowdev:drops', 'device', 'drops', 'counter', 300, 'flowdev', 'flows missing by sequence number'),
  row('flowdev:flows', 'device', 'flows', 'counter', 300, 'flowdev', 'flow records'),
  row('flowdev_port:traffic', 'device port', 'bytes_sent bytes_rcvd', 'counter', 300, 'flowdev_port', 'received at the input interface, sent at the output interface'),
  row('flowdev_port:usage', 'device port', 'uplink downlink', 'gauge', 300, 'flowdev_port', 'percentage, where sFlow counters tell the speed'),
  row('flowdev_port:ndpi', 'device port protocol', 'bytes_sent bytes_rcvd', 'counter', 300, 'flowdev_port', 'by application'),
  row('evexporter_iface:traffic', 'exporter ifname', 'bytes_sent bytes_rcvd', 'counter', 300, 'evexporter_iface', 'from interface counters of agents'),
  row('snmp_if:traffic', 'device if_index', 'bytes_sent bytes_rcvd', 'counter', 300, '', 'SNMP'),
  row('snmp_if:packets', 'device if_index', 'ucast_sent nucast_sent ucast_rcvd nucast_rcvd', 'counter', 300, '', 'SNMP'),
  row('snmp_if:usage', 'device if_index', 'uplink downlink', 'gauge', 300, '', 'SNMP'),
  row('snmp_if:cbqos', 'device if_index qos_class_id', 'pre drops post', 'gauge', 300, '', 'SNMP'),
  row('snmp_if:errors', 'device if_index', 'packets_disc packets_err', 'counter', 300, '', 'SNMP'),
  row('snmp_dev:cpu_states', 'device', 'user_pct system_pct idle_pct', 'gauge', 300, '', 'SNMP'),
  row('snmp_dev:avail_memory', 'device', 'avail_bytes', 'gauge', 300, '', 'SNMP'),
  row('snmp_dev:swap_memory', 'device', 'swap_bytes', 'gauge', 300, '', 'SNMP'),
  row('snmp_dev:total_memory', 'device', 'total_bytes', 'gauge', 300, '', 'SNMP'),
  row('host:traffic', 'host', 'bytes_sent bytes_rcvd', 'counter', 300, 'host', 'local hosts'),
  row('host:score', 'host', 'score_as_cli score_as_srv', 'gauge', 300, '', "ntopng's scores"),
  row('host:active_flows', 'host', 'flows_as_client flows_as_server', 'gauge', 300, 'host', 'conversations in the step'),
  row('host:num_blacklisted_flows', 'host', 'flows_as_client flows_as_server', 'counter', 300, '', "ntopng's blacklists"),
  row('host:total_flows', 'host', 'flows_as_client flows_as_server', 'counter', 300, 'host', 'conversations begun'),
  row('host:alerted_flows', 'host', 'flows_as_client flows_as_server', 'counter', 300, '', "ntopng's alerts"),
  row('host:unreachable_flows', 'host', 'flows_as_client flows_as_server', 'counter', 300, '', 'flows do not tell'),
  row('host:host_unreachable_flows', 'host', 'flows_as_server flows_as_client', 'counter', 300, '', 'flows do not tell'),
  row('host:host_tcp_unidirectional_flows', 'host', 'flows_as_server flows_as_client', 'counter', 300, '', 'exporters send the two directions apart'),
  row('host:ndpi_flows', 'host protocol', 'num_flows', 'counter', 300, 'host', 'conversations begun, by application'),
  row('host:echo_packets', 'host', 'packets_sent packets_rcvd', 'counter', 300, 'host', 'ICMP type 8, ICMPv6 type 128'),
  row('host:echo_reply_packets', 'host', 'packets_sent packets_rcvd', 'counter', 300, 'host', 'ICMP type 0, ICMPv6 type 129'),
  row('host:dns_qry_sent_rsp_rcvd', 'host', 'queries_pkts replies_ok_pkts replies_error_pkts', 'counter', 300, '', 'flows do not tell queries and replies apart'),
  row('host:dns_qry_rcvd_rsp_sent', 'host', 'queries_pkts replies_ok_pkts replies_error_pkts', 'counter', 300, '', 'flows do not tell queries and replies apart'),
  row('host:tcp_rx_stats', 'host', 'retran_pkts out_of_order_pkts lost_packets', 'counter', 300, 'host', "from ntop's elements 109 to 112; losses are not told"),
  row('host:tcp_tx_stats', 'host', 'retran_pkts out_of_order_pkts lost_packets', 'counter', 300, 'host', "from ntop's elements 109 to 112; losses are not told"),
  row('host:tcp_packets', 'host', 'packets_sent packets_rcvd', 'counter', 300, 'host', ''),
  row('host:udp_pkts', 'host', 'packets_sent packets_rcvd', 'counter', 300, 'host', ''),
  row('host:total_alerts', 'host', 'alerts', 'counter', 300, '', "ntopng's alerts"),
  row('host:engaged_alerts', 'host', 'alerts', 'gauge', 300, '', "ntopng's alerts"),
  row('host:contacts', 'host', 'num_as_client num_as_server', 'gauge', 300, 'host', 'peers in the step'),
  row('host:l4protos', 'host l4proto', 'bytes_sent bytes_rcvd', 'counter', 300, 'host', 'by IP protocol'),
  row('host:dscp', 'host dscp_class', 'bytes_sent bytes_rcvd', 'counter', 300, 'host', 'by class'),
  row('host:udp_sent_unicast', 'host', 'bytes_sent_unicast bytes_sent_non_uni', 'counter', 300, 'host', 'non-unicast is to broadcast and multicast addresses'),
  row('host:ndpi', 'host protocol', 'bytes_sent bytes_rcvd', 'counter', 300, 'host', 'by application'),
  row('host:ndpi_categories', 'host category', 'bytes_sent bytes_rcvd', 'counter', 300, '', "nDPI's categories are in no flow"),
  row('local_senders', '', '', 'counter', 300, '', "a ranking of ntopng's"),
  row('local_receivers', '', '', 'counter', 300, '', "a ranking of ntopng's"),
  row('am_host:val_5mins', 'host metric', 'value', 'gauge', 300, '', 'active probing of hosts'),
  row('am_host:http_stats_5mins', 'host metric', 'lookup_ms other_ms', 'gauge', 300, '', 'active probing of hosts'),
  row('am_host:https_stats_5mins', 'host metric', 'lookup_ms connect_ms other_ms', 'gauge', 300, '', 'active probing of hosts'),
  row('am_host:upload_5mins', 'host', 'speed', 'gauge', 300, '', 'active probing of hosts'),
  row('am_host:latency_5mins', 'host', 'latency', 'gauge', 300, '', 'active probing of hosts'),
  row('influxdb:storage_size', '', 'disk_bytes', 'gauge', 300, '', 'the state of ntopng itself'),
  row('influxdb:exported_points', '', 'points', 'counter', 300, '', 'the state of ntopng itself'),
  row('influxdb:dropped_points', '', 'points', 'counter', 300, '', 'the state of ntopng itself'),
  row('influxdb:exports', '', 'num_exports', 'counter', 300, '', 'the state of ntopng itself'),
  row('influxdb:rtt', '', 'millis_rtt', 'gauge', 300, '', 'the state of ntopng itself'),
  row('influxdb:memory_size', '', 'mem_bytes', 'gauge', 10, '', 'the state of ntopng itself'),
  row('influxdb:write_successes', '', 'points', 'counter', 10, '', 'the state of ntopng itself'),
  row('asn:score_anomalies', 'asn', 'anomaly', 'gauge', 300, '', 'a model of ntopng, not a measurement'),
  row('asn:score_behavior', 'asn', 'value lower_bound upper_bound', 'gauge', 300, '', 'a model of ntopng, not a measurement'),
  row('subnet:score_anomalies', 'subnet', 'anomaly', 'gauge', 300, '', 'a model of ntopng, not a measurement'),
  row('subnet:score_behavior', 'subnet', 'value lower_bound upper_bound', 'gauge', 300, '', 'a model of ntopng, not a measurement'),
  row('host:contacts_behaviour', 'host', 'value lower_bound upper_bound', 'gauge', 300, '', 'a model of ntopng, not a measurement'),
  row('host:cli_active_flows_behaviour', 'host', 'value lower_bound upper_bound', 'gauge', 300, '', 'a model of ntopng, not a measurement'),
  row('host:srv_active_flows_behaviour', 'host', 'value lower_bound upper_bound', 'gauge', 300, '', 'a model of ntopng, not a measurement'),
  row('host:cli_score_behaviour', 'host', 'value lower_bound upper_bound', 'gauge', 300, '', 'a model of ntopng, not a measurement'),
  row('host:srv_score_behaviour', 'host', 'value lower_bound upper_bound', 'gauge', 300, '', 'a model of ntopng, not a measurement'),
  row('host:cli_active_flows_anomalies', 'host', 'anomaly', 'gauge', 300, '', 'a model of ntopng, not a measurement'),
  row('host:srv_active_flows_anomalies', 'host', 'anomaly', 'gauge', 300, '', 'a model of ntopng, not a measurement'),
  row('host:cli_score_anomalies', 'host', 'anomaly', 'gauge', 300, '', 'a model of ntopng, not a measurement'),
  row('host:srv_score_anomalies', 'host', 'anomaly', 'gauge', 300, '', 'a model of ntopng, not a measurement'),
  row('am_host:val_hour', 'host metric', 'value', 'gauge', 3600, '', 'active probing of hosts'),
  row('am_host:http_stats_hour', 'host metric', 'lookup_ms other_ms', 'gauge', 3600, '', 'active probing of hosts'),
  row('am_host:https_stats_hour', 'host metric', 'lookup_ms connect_ms other_ms', 'gauge', 3600, '', 'active probing of hosts'),
  row('am_host:upload_hour', 'host', 'speed', 'gauge', 3600, '', 'active probing of hosts'),
  row('am_host:latency_hour', 'host', 'latency', 'gauge', 3600, '', 'active probing of hosts'),
  row('am_vuln_scan:num_hosts_scanned', '', 'num_hosts_scanned', 'gauge', 3600, '', 'active probing of hosts'),
  row('am_vuln_scan:num_configured_hosts', '', 'num_hosts', 'gauge', 3600, '', 'active probing of hosts'),
  row('am_vuln_scan:num_open_ports', '', 'num_open_ports', 'gauge', 3600, '', 'active probing of hosts'),
  row('am_vuln_scan:num_cve', '', 'num_cve', 'gauge', 3600, '', 'active probing of hosts'),
  row('flow_user_script:duration', 'user_script subdir', 'num_ms', 'gauge', 5, '', 'only ntopng 4.2'),
  row('flow_user_script:num_calls', 'user_script subdir', 'num_calls', 'gauge', 5, '', 'only ntopng 4.2'),
  row('flow_user_script:total_stats', 'subdir', 'num_ms num_calls', 'gauge', 5, '', 'only ntopng 4.2'),
  row('elem_user_script:duration', 'user_script subdir', 'num_ms', 'gauge', 60, '', 'only ntopng 4.2'),
  row('elem_user_script:num_calls', 'user_script subdir', 'num_calls', 'gauge', 60, '', 'only ntopng 4.2'),
  row('elem_user_script:total_stats', 'subdir', 'num_ms num_calls', 'gauge', 60, '', 'only ntopng 4.2'),
  row('iface:dscp', 'dscp_class', 'bytes', 'counter', 60, '', 'only ntopng 4.2'),
  row('iface:alerts_stats', '', 'engaged_alerts dropped_alerts', 'gauge', 60, '', 'only ntopng 4.2'),
  row('iface:1d_delta_traffic_volume', '', 'bytes', 'gauge', 3600, '', 'only ntopng 4.2'),
  row('iface:1d_delta_flows', '', 'num_flows', 'gauge', 3600, '', 'only ntopng 4.2'),
  row('host:1d_delta_traffic_volume', 'host', 'bytes_sent bytes_rcvd', 'gauge', 3600, '', 'only ntopng 4.2'),
  row('host:1d_delta_flows', 'host', 'num_flows', 'gauge', 3600, '', 'only ntopng 4.2'),
  row('host:1d_delta_contacts', 'host', 'as_client as_server', 'gauge', 3600, '', 'only ntopng 4.2'),
  row('iface:exported_flows', '', '', '', 0, '', 'documented, but written by no ntopng'),
  row('iface:dropped_flows', '', '', '', 0, '', 'documented, but written by no ntopng'),
  row('iface:drops', '', '', '', 0, '', 'documented, but written by no ntopng'),
  row('host:misbehaving_flows', '', '', '', 0, '', 'documented, but written by no ntopng'),
  row('flowrelay:exporter', 'device', 'received lost undecodable', 'counter', 60, 'flowrelay', 'our own: flows received, flows missing, and messages and sets that made none, by exporter'),
];

/** Step of each family, seconds: ntopng's. */
export const DEFAULT_STEP_SECONDS: Readonly<Record<Family, number>> = Object.fromEntries(
  FAMILIES.map((family) => [family, SCHEMAS.find((schema) => schema.family === family)?.stepSeconds ?? 0]),
) as Record<Family, number>;

/** The rows by measurement. */
export const SCHEMA_BY_NAME: ReadonlyMap<string, SeriesSchema> = new Map(
  SCHEMAS.map((schema) => [schema.measurement, schema]),
);

/** The table as Markdown: what is written by family, then what is not. */
export function schemaMarkdown(): string {
  const lines = [
    '| Measurement | Tags | Fields | Type | Step | Family | What it holds |',
    '|---|---|---|---|---|---|---|',
  ];
  for (const { measurement, tags, fields, type, stepSeconds, family, note } of SCHEMAS) {
    if (family === '') continue;
    const cells = [`\`${measurement}\``, ['ifid', ...tags].join(', '), fields.join(', '), type, `${stepSeconds} s`];
    lines.push(`| ${[...cells, family, note].join(' | ')} |`);
  }
  lines.push('', 'Of ntopng, these are not written:', '', '| Measurement | Why not |', '|---|---|');
  const reasons = new Map<string, string[]>();
  for (const { measurement, family, note } of SCHEMAS) {
    if (family === '') reasons.set(note, [...(reasons.get(note) ?? []), `\`${measurement}\``]);
  }
  for (const [reason, measurements] of reasons) lines.push(`| ${measurements.join(', ')} | ${reason} |`);
  return lines.join('\n');
}
