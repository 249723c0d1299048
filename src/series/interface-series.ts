import type { Conversations } from './conversations.ts';
import { DistinctCount } from './distinct-count.ts';
import { type FlowEnd, type FlowFacts, isFromServer } from './flow-facts.ts';
import { protocolName, protocolSlot } from './protocol-names.ts';
import type { InterfaceCounters } from './series-options.ts';
import type { SeriesTable } from './series-table.ts';
import { StepSums } from './step-sums.ts';
import { OCTETS, PACKETS, REVERSE_OCTETS, REVERSE_PACKETS, type StepWindow } from './step-window.ts';
import { line, makeTable, type TableContext } from './table-maker.ts';
import { type TagLine, tagName } from './tag-line.ts';

/** Octets by IP version and direction: sent at even, received at odd places. */
const FOUR_SENT = 0;
const SIX_SENT = 2;
const OTHER_SENT = 4;
const ALL_PACKETS = 6;
const OWN_SENT = 7;
const OWN_RECEIVED = 8;
const OWN_PACKETS = 9;
const COLUMNS = 10;

const NEW_FLOWS = 0;
const LOCAL_TO_REMOTE = 1;
const REMOTE_TO_LOCAL = 2;
const RETRANSMISSIONS = 3;
const OUT_OF_ORDER = 4;
const SYN = 5;
const SYN_ACK = 6;
const FIN_ACK = 7;
const RST = 8;
const ACTIVE_FLOWS = 9;
const HOSTS = 10;
const LOCAL_HOSTS = 11;
const DETAIL_COLUMNS = 12;

const APPLICATION_FLOWS = 1;
const PROTOCOL = tagName('protocol');
const L4PROTO = tagName('l4proto');
const TCP = 6;

/** Series of the whole: `iface:…`. */
export class InterfaceSeries {
  private readonly traffic: SeriesTable;
  /** The first columns of it. */
  private readonly sums: StepSums;
  private readonly details: SeriesTable;
  private readonly applications: SeriesTable;
  private readonly protocols: SeriesTable;
  /** Rows by {@link protocolSlot}, which stay; -1 for those that have none yet. */
  private readonly protocolRows = new Int32Array(256).fill(-1);
  private readonly hosts: readonly DistinctCount[];
  private readonly localHosts: readonly DistinctCount[];
  private readonly tags: TagLine;

  /** Makes the tables; with `hasOwnCounters` octets and packets are those of {@link InterfaceSeries.setCounters}. */
  constructor(context: TableContext, tags: TagLine, hasOwnCounters: boolean) {
    this.tags = tags;
    const sent = [FOUR_SENT, SIX_SENT, OTHER_SENT];
    const received = sent.map((column) => column + 1);
    this.traffic = makeTable(context, 'iface', {
      columns: COLUMNS,
      absoluteFrom: OWN_SENT,
      isLasting: true,
      lines: [
        line('iface:traffic', 'counter', [[...sent, ...received]]),
        hasOwnCounters
          ? line('iface:traffic_rxtx', 'absolute', [[OWN_SENT], [OWN_RECEIVED]])
          : line('iface:traffic_rxtx', 'counter', [sent, received]),
        line('iface:traffic_ip', 'counter', [
          [FOUR_SENT, FOUR_SENT + 1],
          [SIX_SENT, SIX_SENT + 1],
        ]),
        line('iface:throughput_bps', 'rate', [[...sent, ...received]]),
        line('iface:throughput_pps', 'rate', [[ALL_PACKETS]]),
        hasOwnCounters
          ? line('iface:packets', 'absolute', [[OWN_PACKETS]])
          : line('iface:packets', 'counter', [[ALL_PACKETS]]),
      ],
    });
    this.details = makeTable(context, 'iface_detail', {
      columns: DETAIL_COLUMNS,
      isLasting: true,
      lines: [
        line('iface:flows', 'gauge', [[ACTIVE_FLOWS]]),
        line('iface:new_flows', 'counter', [[NEW_FLOWS]]),
        line('iface:hosts', 'gauge', [[HOSTS]]),
        line('iface:local_hosts', 'gauge', [[LOCAL_HOSTS]]),
        line('iface:local2remote', 'counter', [[LOCAL_TO_REMOTE]]),
        line('iface:remote2local', 'counter', [[REMOTE_TO_LOCAL]]),
        line('iface:tcp_retransmissions', 'counter', [[RETRANSMISSIONS]]),
        line('iface:tcp_out_of_order', 'counter', [[OUT_OF_ORDER]]),
        line('iface:tcp_syn', 'counter', [[SYN]]),
        line('iface:tcp_synack', 'counter', [[SYN_ACK]]),
        line('iface:tcp_finack', 'counter', [[FIN_ACK]]),
        line('iface:tcp_rst', 'counter', [[RST]]),
      ],
    });
    this.applications = makeTable(context, 'iface_detail', {
      columns: 2,
      lines: [line('iface:ndpi', 'counter', [[0]]), line('iface:ndpi_flows', 'counter', [[APPLICATION_FLOWS]])],
    });
    this.protocols = makeTable(context, 'iface_detail', {
      columns: 1,
      isLasting: true,
      lines: [line('iface:l4protos', 'counter', [[0]])],
    });
    this.sums = new StepSums(this.traffic.window, ALL_PACKETS + 1);
    tags.start().addTo(this.traffic, 0, 0);
    tags.start().addTo(this.details, 0, 0);
    const { slots } = this.details.window;
    this.hosts = Array.from({ length: slots }, () => new DistinctCount());
    this.localHosts = Array.from({ length: slots }, () => new DistinctCount());
  }

  /** Takes what the interface itself has counted, as of `nowMs`. */
  setCounters({ octetsSent, octetsReceived, packets }: InterfaceCounters, nowMs: number): void {
    const { traffic } = this;
    const step = traffic.window.stepAt(nowMs);
    traffic.set(0, OWN_SENT, step, octetsSent);
    traffic.set(0, OWN_RECEIVED, step, octetsReceived);
    traffic.set(0, OWN_PACKETS, step, packets);
  }

  /** Takes a flow. `place` is its conversation, whose steps are kept as `group`; -1 for none. */
  add(facts: FlowFacts, conversations: Conversations, place: number, group: number): void {
    const { sums, details } = this;
    const { amounts, direction, source, destination, ipVersion } = facts;
    const sourceIsLocal = source.network >= 0;
    const destinationIsLocal = destination.network >= 0;
    // Between two local hosts, and between two others, ntopng has what the source sends as received.
    const isSent = direction >= 0 ? direction === 1 : sourceIsLocal && !destinationIsLocal;
    const version = ipVersion === 4 ? FOUR_SENT : ipVersion === 6 ? SIX_SENT : OTHER_SENT;
    sums.add(isSent ? version : version + 1, amounts[OCTETS]!);
    sums.add(isSent ? version + 1 : version, amounts[REVERSE_OCTETS]!);
    sums.add(ALL_PACKETS, amounts[PACKETS]! + amounts[REVERSE_PACKETS]!);
    if (sourceIsLocal !== destinationIsLocal) {
      const forward = sourceIsLocal ? LOCAL_TO_REMOTE : REMOTE_TO_LOCAL;
      const reverse = sourceIsLocal ? REMOTE_TO_LOCAL : LOCAL_TO_REMOTE;
      details.addBothWays(0, forward, reverse, amounts);
    }
    if (facts.protocol === TCP) this.addTcp(facts);
    const isNew = place >= 0 && conversations.isNew;
    if (place >= 0) {
      if (isNew) details.addAtFirst(0, NEW_FLOWS, 1);
      conversations.mark(place, group, details.window.first, details.window.last);
      if (conversations.lowFrom <= conversations.lowTo) {
        this.addActivity(facts, conversations.lowFrom, conversations.lowTo);
      }
      if (conversations.highFrom <= conversations.highTo) {
        this.addActivity(facts, conversations.highFrom, conversations.highTo);
      }
    }
    this.addParts(facts, isNew);
  }

  /** Makes a step ready to be closed. */
  prepare(window: StepWindow, step: number): void {
    const { traffic, details, sums } = this;
    if (window === traffic.window) {
      for (let column = FOUR_SENT; column <= ALL_PACKETS; column++) {
        traffic.put(0, column, step, sums.take(column, step));
      }
    }
    if (window !== details.window) return;
    const slot = step % window.slots;
    details.put(0, HOSTS, step, this.hosts[slot]!.count());
    details.put(0, LOCAL_HOSTS, step, this.localHosts[slot]!.count());
    this.hosts[slot]!.clear();
    this.localHosts[slot]!.clear();
  }

  private addActivity({ source, destination }: FlowFacts, from: number, to: number): void {
    const { details } = this;
    details.addOnes(0, ACTIVE_FLOWS, from, to);
    for (let step = from; step <= to; step++) {
      const slot = step % details.window.slots;
      this.countHost(slot, source);
      this.countHost(slot, destination);
    }
  }

  private countHost(slot: number, { addressFirst, addressSecond, network }: FlowEnd): void {
    this.hosts[slot]!.add(addressFirst, addressSecond);
    if (network >= 0) this.localHosts[slot]!.add(addressFirst, addressSecond);
  }

  /** A record has one set of flags for all its packets: each counts once. */
  private addTcp(facts: FlowFacts): void {
    const { details } = this;
    const { plan, tcpFlags } = facts;
    if ((tcpFlags & 0x02) !== 0) details.addAtLast(0, isFromServer(facts) ? SYN_ACK : SYN, 1);
    if ((tcpFlags & 0x11) === 0x11) details.addAtLast(0, FIN_ACK, 1);
    if ((tcpFlags & 0x04) !== 0) details.addAtLast(0, RST, 1);
    if (!plan.hasTcpStatistics) return;
    details.addAtLast(0, RETRANSMISSIONS, facts.retransmittedIn + facts.retransmittedOut);
    details.addAtLast(0, OUT_OF_ORDER, facts.outOfOrderIn + facts.outOfOrderOut);
  }

  private addParts(facts: FlowFacts, isNew: boolean): void {
    const { applications, protocols, tags } = this;
    const { amounts, application, protocol } = facts;
    if (facts.hasApplication) {
      let row = applications.find(application.first, application.second);
      if (row < 0) {
        row = applications.hasRoom()
          ? tags.start().text(PROTOCOL, application).addTo(applications, application.first, application.second)
          : tags.otherOf(applications, [PROTOCOL]);
      }
      applications.addBothWays(row, 0, 0, amounts);
      if (isNew) applications.addAtFirst(row, APPLICATION_FLOWS, 1);
    }
    if (protocol < 0) return;
    const name = protocolSlot(protocol);
    let row = this.protocolRows[name]!;
    if (row < 0) {
      if (protocols.hasRoom()) {
        row = tags.start().plain(L4PROTO, protocolName(name)).addTo(protocols, name, 0);
        this.protocolRows[name] = row;
      } else row = tags.otherOf(protocols, [L4PROTO]);
    }
    protocols.addBothWays(row, 0, 0, amounts);
  }
}
