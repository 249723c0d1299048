/** Why packets are not metered: a closed list. */
export const PACKETS_IGNORED = [
  'not_ip',
  'ip_header_damaged',
  'link_damaged',
  'link_type_unknown',
  'not_sampled',
] as const;

/** One of {@link PACKETS_IGNORED}. */
export type PacketIgnored = (typeof PACKETS_IGNORED)[number];

/** Why flows end, by the value of flowEndReason (IANA Information Element 136) less one. */
export const FLOW_END_REASONS = ['idle', 'active', 'end_of_flow', 'forced', 'lack_of_resources'] as const;

/** What a metering process did: `packetsSeen = packetsMetered +` the sum of `packetsIgnored`. */
export class MeterCounters {
  packetsSeen = 0;
  packetsMetered = 0;
  /** By reason. */
  readonly packetsIgnored: Record<PacketIgnored, number> = {
    not_ip: 0,
    ip_header_damaged: 0,
    link_damaged: 0,
    link_type_unknown: 0,
    not_sampled: 0,
  };
  /** IP octets of the packets metered. */
  octetsMetered = 0;
  /** Fragments behind the first, counted to its flow. */
  fragmentsMatched = 0;
  /** Fragments behind a first one that was not seen before them: counted to a flow without ports. */
  fragmentsUnmatched = 0;
  /** Flow records handed on, by why: see {@link FLOW_END_REASONS}. */
  readonly flowsEnded: number[] = FLOW_END_REASONS.map(() => 0);

  /** All flow records handed on. */
  get flowRecords(): number {
    return this.flowsEnded.reduce((sum, count) => sum + count, 0);
  }
}
