import { ActiveSet } from './active-set.ts';
import type { Conversations } from './conversations.ts';
import { dscpClassName, dscpClassOf } from './dscp-class.ts';
import { addressPosition, addressSlot, DESTINATION, type FlowFacts, SOURCE } from './flow-facts.ts';
import { HostDetails } from './host-details.ts';
import { protocolName, protocolSlot } from './protocol-names.ts';
import type { SeededHash } from './seeded-hash.ts';
import type { SeriesTable } from './series-table.ts';
import { OCTETS, PACKETS, REVERSE_OCTETS, REVERSE_PACKETS } from './step-window.ts';
import { line, makeTable, type TableContext } from './table-maker.ts';
import { type TagLine, tagName } from './tag-line.ts';

const SENT = 0;
const RECEIVED = 1;
const TCP_SENT = 2;
const TCP_RECEIVED = 3;
const UDP_SENT = 4;
const UDP_RECEIVED = 5;
const UDP_UNICAST = 6;
const UDP_OTHER = 7;
const FLOWS_AS_CLIENT = 8;
const FLOWS_AS_SERVER = 9;
const ACTIVE_AS_CLIENT = 10;
const ACTIVE_AS_SERVER = 11;
const CONTACTS_AS_CLIENT = 12;
const CONTACTS_AS_SERVER = 13;
const ECHO_SENT = 14;
const ECHO_RECEIVED = 15;
const REPLY_SENT = 16;
const REPLY_RECEIVED = 17;
const RETRANSMITTED_SENT = 18;
const OUT_OF_ORDER_SENT = 19;
const RETRANSMITTED_RECEIVED = 20;
const OUT_OF_ORDER_RECEIVED = 21;
const COLUMNS = 22;

/** Column of flows begun in the applications' table. */
const APPLICATION_FLOWS = 2;

const HOST = tagName('host');
const PROTOCOL = tagName('protocol');
const L4PROTO = tagName('l4proto');
const DSCP_CLASS = tagName('dscp_class');

/** Kinds of keys. */
const APPLICATION_KIND = 21;
const PROTOCOL_KIND = 22;
const DSCP_KIND = 23;
const CONTACT_KIND = 24;

const TCP = 6;
const UDP = 17;
const ICMP = 1;
const ICMPV6 = 58;

/** Tables of details, and where each has its own: classes, which are 10, then protocols, of which the first are the usual ones. */
const CLASSES = 0;
const PROTOCOLS = 1;
const FIRST_PROTOCOL = 10;

/** Flows whose hosts {@link HostSeries.fetch} can find at once. */
export const MOST_FETCHED = 64;

/** Peers of hosts in a step that are told apart at a time. */
const CONTACTS = 131_072;

/** Series of local hosts: `host:…`. */
export class HostSeries {
  /** Peers of hosts, by step. */
  readonly contacts = new ActiveSet(CONTACTS);
  private readonly applications: SeriesTable;
  private readonly protocols: SeriesTable;
  private readonly classes: SeriesTable;
  private readonly hosts: SeriesTable;
  private readonly details = new HostDetails(2);
  private readonly fetchKeys = new Int32Array(2 * MOST_FETCHED);
  private readonly fetchRows = new Int32Array(2 * MOST_FETCHED);
  private readonly hash: SeededHash;
  private readonly tags: TagLine;

  /** Makes the tables. */
  constructor(context: TableContext, hash: SeededHash, tags: TagLine) {
    this.hash = hash;
    this.tags = tags;
    const both = [[SENT], [RECEIVED]];
    this.applications = makeTable(context, 'host', {
      columns: 3,
      lines: [line('host:ndpi', 'counter', both), line('host:ndpi_flows', 'counter', [[APPLICATION_FLOWS]])],
    });
    this.protocols = makeTable(context, 'host', {
      columns: 2,
      lines: [line('host:l4protos', 'counter', both)],
      onForget: (row) => this.details.forgetDetail(PROTOCOLS, row),
    });
    this.classes = makeTable(context, 'host', {
      columns: 2,
      lines: [line('host:dscp', 'counter', both)],
      onForget: (row) => this.details.forgetDetail(CLASSES, row),
    });
    this.hosts = makeTable(context, 'host', {
      columns: COLUMNS,
      onForget: (row) => this.details.forgetHost(row),
      lines: [
        line('host:traffic', 'counter', both),
        line('host:active_flows', 'gauge', [[ACTIVE_AS_CLIENT], [ACTIVE_AS_SERVER]]),
        line('host:total_flows', 'counter', [[FLOWS_AS_CLIENT], [FLOWS_AS_SERVER]]),
        line('host:contacts', 'gauge', [[CONTACTS_AS_CLIENT], [CONTACTS_AS_SERVER]]),
        line('host:tcp_packets', 'counter', [[TCP_SENT], [TCP_RECEIVED]]),
        line('host:udp_pkts', 'counter', [[UDP_SENT], [UDP_RECEIVED]]),
        line('host:udp_sent_unicast', 'counter', [[UDP_UNICAST], [UDP_OTHER]]),
        line('host:echo_packets', 'counter', [[ECHO_SENT], [ECHO_RECEIVED]]),
        line('host:echo_reply_packets', 'counter', [[REPLY_SENT], [REPLY_RECEIVED]]),
        line('host:tcp_tx_stats', 'counter', [[RETRANSMITTED_SENT], [OUT_OF_ORDER_SENT]]),
        line('host:tcp_rx_stats', 'counter', [[RETRANSMITTED_RECEIVED], [OUT_OF_ORDER_RECEIVED]]),
      ],
    });
  }

  /** Finds the hosts of the first `count` of some flows and reads their values, and gives something of them. */
  fetch(batch: readonly FlowFacts[], count: number, nowMs: number): number {
    const { hosts, fetchKeys, fetchRows } = this;
    let ends = 0;
    for (let i = 0; i < count; i++) {
      const { networks, hostFirst } = batch[i]!;
      if (networks[SOURCE]! >= 0) fetchKeys[ends++] = hostFirst[SOURCE]!;
      if (networks[DESTINATION]! >= 0) fetchKeys[ends++] = hostFirst[DESTINATION]!;
    }
    let fetched = hosts.fetch(fetchKeys, ends);
    let rows = 0;
    for (let i = 0; i < count; i++) {
      for (let end = SOURCE; end <= DESTINATION; end++) {
        const { networks, hostFirst, hostSecond, hostRows } = batch[i]!;
        if (networks[end]! < 0) continue;
        const row = hosts.find(hostFirst[end]!, hostSecond[end]!);
        hostRows[end] = row;
        if (row >= 0) fetchRows[rows++] = row;
      }
    }
    fetched += hosts.fetchRows(fetchRows, rows, nowMs);
    return fetched + this.details.fetch(fetchRows, rows);
  }

  /** Takes a flow with addresses, which belongs to the conversation at `place`, whose steps are kept as `group`. */
  add(facts: FlowFacts, conversations: Conversations, place: number, group: number): void {
    const { networks } = facts;
    const sourceIsLocal = networks[SOURCE]! >= 0;
    const destinationIsLocal = networks[DESTINATION]! >= 0;
    if (!sourceIsLocal && !destinationIsLocal) return;
    const clientEnd = conversations.clientOf(place) === facts.sourceEnd ? SOURCE : DESTINATION;
    const { window } = this.hosts;
    conversations.mark(place, group, window.first, window.last);
    if (sourceIsLocal) this.addEnd(facts, SOURCE, clientEnd === SOURCE, conversations);
    if (destinationIsLocal) this.addEnd(facts, DESTINATION, clientEnd === DESTINATION, conversations);
  }

  private addEnd(facts: FlowFacts, end: number, isClient: boolean, conversations: Conversations): void {
    const { hosts } = this;
    const { amounts, hostFirst, hostSecond, hostRows, protocol } = facts;
    let row = hostRows[end]!;
    // A flow counted just before may have been its first.
    if (row < 0) row = hosts.find(hostFirst[end]!, hostSecond[end]!);
    if (row < 0) row = this.addHost(facts, end);
    // What the source sends is the flow's octets, what it receives those of the other direction.
    const sentOctets = end === SOURCE ? OCTETS : REVERSE_OCTETS;
    const receivedOctets = end === SOURCE ? REVERSE_OCTETS : OCTETS;
    const sentPackets = end === SOURCE ? PACKETS : REVERSE_PACKETS;
    const receivedPackets = end === SOURCE ? REVERSE_PACKETS : PACKETS;
    hosts.addShares(row, SENT, amounts, sentOctets);
    hosts.addShares(row, RECEIVED, amounts, receivedOctets);
    if (protocol === TCP) {
      hosts.addShares(row, TCP_SENT, amounts, sentPackets);
      hosts.addShares(row, TCP_RECEIVED, amounts, receivedPackets);
      if (facts.plan.hasTcpStatistics) this.addTcpStatistics(facts, row, end);
    } else if (protocol === UDP) {
      hosts.addShares(row, UDP_SENT, amounts, sentPackets);
      hosts.addShares(row, UDP_RECEIVED, amounts, receivedPackets);
      const isUnicast = end === DESTINATION || !facts.isMulticast;
      hosts.addShares(row, isUnicast ? UDP_UNICAST : UDP_OTHER, amounts, sentOctets);
    } else if (protocol === ICMP || protocol === ICMPV6) {
      this.addEcho(facts, row, sentPackets, receivedPackets);
    }
    if (conversations.isNew) {
      hosts.addAtFirst(row, isClient ? FLOWS_AS_CLIENT : FLOWS_AS_SERVER, 1);
    }
    this.addActivity(facts, row, end, isClient, conversations);
    this.addDetails(facts, row, end, sentOctets, receivedOctets, conversations.isNew);
  }

  /** Conversations and peers, once in each step. */
  private addActivity(facts: FlowFacts, row: number, end: number, isClient: boolean, steps: Conversations): void {
    const { hosts, contacts, hash } = this;
    const hasLow = steps.lowFrom <= steps.lowTo;
    const hasHigh = steps.highFrom <= steps.highTo;
    if (!hasLow && !hasHigh) return;
    const active = isClient ? ACTIVE_AS_CLIENT : ACTIVE_AS_SERVER;
    if (hasLow) hosts.addOnes(row, active, steps.lowFrom, steps.lowTo);
    if (hasHigh) hosts.addOnes(row, active, steps.highFrom, steps.highTo);
    hash.start(CONTACT_KIND);
    hash.word(facts.hostFirst[end]!);
    hash.word(facts.hostSecond[end]!);
    hash.word(facts.hostFirst[1 - end]!);
    hash.word(facts.hostSecond[1 - end]! ^ (isClient ? 1 : 0));
    hash.end();
    const { window } = hosts;
    contacts.mark(hash.first, hash.second, window.first, window.last, window.base);
    const column = isClient ? CONTACTS_AS_CLIENT : CONTACTS_AS_SERVER;
    hosts.addOnes(row, column, contacts.lowFrom, contacts.lowTo);
    hosts.addOnes(row, column, contacts.highFrom, contacts.highTo);
  }

  private addTcpStatistics(facts: FlowFacts, row: number, end: number): void {
    const { hosts } = this;
    const { retransmittedIn, retransmittedOut, outOfOrderIn, outOfOrderOut } = facts;
    const isSource = end === SOURCE;
    hosts.addAtLast(row, RETRANSMITTED_SENT, isSource ? retransmittedIn : retransmittedOut);
    hosts.addAtLast(row, RETRANSMITTED_RECEIVED, isSource ? retransmittedOut : retransmittedIn);
    hosts.addAtLast(row, OUT_OF_ORDER_SENT, isSource ? outOfOrderIn : outOfOrderOut);
    hosts.addAtLast(row, OUT_OF_ORDER_RECEIVED, isSource ? outOfOrderOut : outOfOrderIn);
  }

  /** Type 8 and 0 (RFC 792), 128 and 129 (RFC 4443 sections 4.1 and 4.2). */
  private addEcho({ amounts, protocol, icmpType }: FlowFacts, row: number, sent: number, received: number): void {
    const isEcho = icmpType === (protocol === ICMP ? 8 : 128);
    if (!isEcho && icmpType !== (protocol === ICMP ? 0 : 129)) return;
    this.hosts.addShares(row, isEcho ? ECHO_SENT : REPLY_SENT, amounts, sent);
    this.hosts.addShares(row, isEcho ? ECHO_RECEIVED : REPLY_RECEIVED, amounts, received);
  }

  private addDetails(
    facts: FlowFacts,
    host: number,
    end: number,
    sent: number,
    received: number,
    isNew: boolean,
  ): void {
    const { amounts, tos, protocol, application } = facts;
    if (facts.hasApplication) {
      const { applications } = this;
      this.hash.resume(facts.hostFirst[end]!, facts.hostSecond[end]!);
      this.hash.word(application.first);
      this.hash.word(application.second + APPLICATION_KIND);
      this.hash.end();
      let row = applications.find(this.hash.first, this.hash.second);
      if (row < 0) row = this.addApplication(facts, host);
      applications.addShares(row, SENT, amounts, sent);
      applications.addShares(row, RECEIVED, amounts, received);
      if (isNew) applications.addAtFirst(row, APPLICATION_FLOWS, 1);
    }
    if (protocol >= 0) {
      const name = protocolSlot(protocol);
      let row = this.details.find(host, FIRST_PROTOCOL + name);
      if (row < 0) row = this.protocolOf(facts, host, end, name);
      this.protocols.addShares(row, SENT, amounts, sent);
      this.protocols.addShares(row, RECEIVED, amounts, received);
    }
    if (tos >= 0) {
      const name = dscpClassOf(tos);
      let row = this.details.find(host, name);
      if (row < 0) row = this.classOf(facts, host, end, name);
      this.classes.addShares(row, SENT, amounts, sent);
      this.classes.addShares(row, RECEIVED, amounts, received);
    }
  }

  private protocolOf(facts: FlowFacts, host: number, end: number, name: number): number {
    const row = this.detailOf(
      this.protocols,
      facts,
      host,
      end,
      (PROTOCOL_KIND << 8) | name,
      L4PROTO,
      protocolName(name),
    );
    if (row !== this.protocols.otherRow) this.details.set(host, FIRST_PROTOCOL + name, PROTOCOLS, row);
    return row;
  }

  private classOf(facts: FlowFacts, host: number, end: number, name: number): number {
    const row = this.detailOf(this.classes, facts, host, end, (DSCP_KIND << 8) | name, DSCP_CLASS, dscpClassName(name));
    if (row !== this.classes.otherRow) this.details.set(host, name, CLASSES, row);
    return row;
  }

  private detailOf(
    table: SeriesTable,
    facts: FlowFacts,
    host: number,
    end: number,
    kind: number,
    tag: Uint8Array,
    value: Uint8Array,
  ): number {
    const { hash, tags } = this;
    hash.resume(facts.hostFirst[end]!, facts.hostSecond[end]!);
    hash.word(kind);
    hash.end();
    const row = table.find(hash.first, hash.second);
    if (row >= 0) return row;
    if (host === this.hosts.otherRow || !table.hasRoom()) return tags.otherOf(table, [HOST, tag]);
    return tags.startWith(this.hosts, host).plain(tag, value).addTo(table, hash.first, hash.second);
  }

  private addApplication({ application }: FlowFacts, host: number): number {
    const { applications, hash, tags } = this;
    if (host === this.hosts.otherRow || !applications.hasRoom()) return tags.otherOf(applications, [HOST, PROTOCOL]);
    tags.startWith(this.hosts, host).text(PROTOCOL, application);
    return tags.addTo(applications, hash.first, hash.second);
  }

  private addHost(facts: FlowFacts, end: number): number {
    const { hosts, tags } = this;
    if (!hosts.hasRoom()) return tags.otherOf(hosts, [HOST]);
    tags.start();
    if (facts.ipVersion === 4) tags.ipv4(HOST, facts.addressWords, addressSlot(end));
    else tags.ipv6(HOST, facts.addressView, addressPosition(end));
    tags.vlan(facts.vlan);
    return tags.addTo(hosts, facts.hostFirst[end]!, facts.hostSecond[end]!);
  }
}
