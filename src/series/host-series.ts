import { ActiveSet } from './active-set.ts';
import { ApplicationRows, OVER } from './application-rows.ts';
import type { Conversations } from './conversations.ts';
import { dscpClassName, dscpClassOf } from './dscp-class.ts';
import type { FlowEnd, FlowFacts } from './flow-facts.ts';
import { DETAILS, HostDetails, hasRow, isOver, USUAL } from './host-details.ts';
import { protocolName, protocolSlot } from './protocol-names.ts';
import type { SeededHash } from './seeded-hash.ts';
import type { SeriesTable } from './series-table.ts';
import { OCTETS, PACKETS, REVERSE_OCTETS, REVERSE_PACKETS, type StepWindow } from './step-window.ts';
import { line, makeTable, type TableContext } from './table-maker.ts';
import { type TagLine, tagName } from './tag-line.ts';

/** What most flows add to comes first: octets and packets of the two usual protocols share a cache line. */
const TCP_TRAFFIC = 0;
const TCP_OCTETS_SENT = 0;
const TCP_OCTETS_RECEIVED = 1;
const TCP_SENT = 2;
const TCP_RECEIVED = 3;
const UDP_TRAFFIC = 4;
const UDP_OCTETS_SENT = 4;
const UDP_OCTETS_RECEIVED = 5;
const UDP_SENT = 6;
const UDP_RECEIVED = 7;
/** Octets of all other protocols. */
const REST_SENT = 8;
const REST_RECEIVED = 9;
const FLOWS_AS_CLIENT = 10;
const FLOWS_AS_SERVER = 11;
const ACTIVE_AS_CLIENT = 12;
const ACTIVE_AS_SERVER = 13;
const CONTACTS_AS_CLIENT = 14;
const CONTACTS_AS_SERVER = 15;
const ECHO_SENT = 16;
const ECHO_RECEIVED = 17;
const REPLY_SENT = 18;
const REPLY_RECEIVED = 19;
const RETRANSMITTED_SENT = 20;
const OUT_OF_ORDER_SENT = 21;
const RETRANSMITTED_RECEIVED = 22;
const OUT_OF_ORDER_RECEIVED = 23;
/** Octets of UDP sent to one, which is what is not sent to many. */
const UDP_UNICAST = 24;
const UDP_OTHER = 25;
/** Octets of any class but that of best effort. */
const OF_CLASSES_SENT = 26;
const OF_CLASSES_RECEIVED = 27;
const COLUMNS = 28;

/** Columns of details. */
const SENT = 0;
const RECEIVED = 1;
/** Column of flows begun in the applications' table. */
const APPLICATION_FLOWS = 2;

const HOST = tagName('host');
const PROTOCOL = tagName('protocol');
const L4PROTO = tagName('l4proto');
const DSCP_CLASS = tagName('dscp_class');

/** Kinds of keys. */
const APPLICATION_KIND = 21;
const DETAIL_KIND = 22;
const CONTACT_KIND = 24;

const TCP = 6;
const UDP = 17;
const ICMP = 1;
const ICMPV6 = 58;

/** Tables of details. */
const CLASSES = 0;
const PROTOCOLS = 1;
/** Details that most flows have; what they come to is told from the host's own columns. */
const OF_TCP = 0;
const OF_UDP = 1;
const OF_BEST_EFFORT = 2;
/** The others: classes, which are 10, then protocols. */
const FIRST_CLASS = USUAL;
const FIRST_PROTOCOL = FIRST_CLASS + 10;
const BEST_EFFORT = dscpClassOf(0);

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
  private readonly applicationRows = new ApplicationRows();
  private readonly hash: SeededHash;
  private readonly tags: TagLine;

  /** Makes the tables. */
  constructor(context: TableContext, hash: SeededHash, tags: TagLine) {
    this.hash = hash;
    this.tags = tags;
    const both = [[SENT], [RECEIVED]];
    this.applications = makeTable(context, 'host', {
      columns: 3,
      onForget: (row) => this.applicationRows.forgetRow(row),
      lines: [line('host:ndpi', 'counter', both), line('host:ndpi_flows', 'counter', [[APPLICATION_FLOWS]])],
    });
    this.protocols = makeTable(context, 'host', {
      columns: 2,
      lines: [line('host:l4protos', 'counter', both)],
      onForget: (row) => this.details.forgetDetail(PROTOCOLS, row),
      beforeClosing: (row, step) => this.derive(this.protocols, PROTOCOLS, row, step),
    });
    this.classes = makeTable(context, 'host', {
      columns: 2,
      lines: [line('host:dscp', 'counter', both)],
      onForget: (row) => this.details.forgetDetail(CLASSES, row),
      beforeClosing: (row, step) => this.derive(this.classes, CLASSES, row, step),
    });
    this.hosts = makeTable(context, 'host', {
      columns: COLUMNS,
      onForget: (row) => {
        this.details.forgetHost(row);
        this.applicationRows.forgetOwner(row);
      },
      beforeClosing: (row, step) => {
        const { hosts } = this;
        hosts.put(row, UDP_UNICAST, step, hosts.at(row, UDP_OCTETS_SENT, step) - hosts.at(row, UDP_OTHER, step));
      },
      lines: [
        line('host:traffic', 'counter', [
          [TCP_OCTETS_SENT, UDP_OCTETS_SENT, REST_SENT],
          [TCP_OCTETS_RECEIVED, UDP_OCTETS_RECEIVED, REST_RECEIVED],
        ]),
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

  /** Finds hosts of the first `count` of some flows, one of each, reads their values at a time, and gives something of what was read. */
  fetch(batch: readonly FlowFacts[], count: number, nowMs: number): number {
    const { hosts } = this;
    const step = Math.floor(nowMs / hosts.window.stepMs);
    let fetched = 0;
    for (let i = 0; i < count; i++) {
      const { source, destination } = batch[i]!;
      source.hostRow = -1;
      destination.hostRow = -1;
      fetched ^= hosts.fetch(source.network >= 0 ? source.hostFirst : destination.hostFirst);
    }
    for (let i = 0; i < count; i++) {
      const { source, destination } = batch[i]!;
      const end = source.network >= 0 ? source : destination;
      if (end.network < 0) continue;
      end.hostRow = hosts.find(end.hostFirst, end.hostSecond);
      if (end.hostRow >= 0) fetched ^= hosts.fetchRow(end.hostRow, step);
    }
    return fetched;
  }

  /** Takes a flow with addresses, which belongs to the conversation at `place`, whose steps are kept as `group`. */
  add(facts: FlowFacts, conversations: Conversations, place: number, group: number): void {
    const { source, destination } = facts;
    const sourceIsLocal = source.network >= 0;
    const destinationIsLocal = destination.network >= 0;
    if (!sourceIsLocal && !destinationIsLocal) return;
    const sourceIsClient = conversations.clientOf(place) === facts.sourceEnd;
    const { window } = this.hosts;
    conversations.mark(place, group, window.first, window.last);
    if (sourceIsLocal) this.addEnd(facts, source, true, sourceIsClient, conversations);
    if (destinationIsLocal) this.addEnd(facts, destination, false, !sourceIsClient, conversations);
  }

  private addEnd(
    facts: FlowFacts,
    end: FlowEnd,
    isSource: boolean,
    isClient: boolean,
    conversations: Conversations,
  ): void {
    const { hosts } = this;
    const { amounts, protocol } = facts;
    let row = end.hostRow;
    // Not looked for, or a flow counted just before was its first.
    if (row < 0) row = hosts.find(end.hostFirst, end.hostSecond);
    if (row < 0) row = this.addHost(facts, end);
    // What the source sends is the flow's octets, what it receives those of the other direction.
    const sentOctets = isSource ? OCTETS : REVERSE_OCTETS;
    const receivedOctets = isSource ? REVERSE_OCTETS : OCTETS;
    if (protocol === TCP) {
      hosts.addTraffic(row, TCP_TRAFFIC, isSource, amounts);
      if (facts.plan.hasTcpStatistics) this.addTcpStatistics(facts, row, isSource);
    } else if (protocol === UDP) {
      hosts.addTraffic(row, UDP_TRAFFIC, isSource, amounts);
      if (isSource && facts.isMulticast) hosts.addShares(row, UDP_OTHER, amounts, sentOctets);
    } else {
      hosts.addShares(row, REST_SENT, amounts, sentOctets);
      hosts.addShares(row, REST_RECEIVED, amounts, receivedOctets);
      if (protocol === ICMP || protocol === ICMPV6) {
        this.addEcho(facts, row, isSource ? PACKETS : REVERSE_PACKETS, isSource ? REVERSE_PACKETS : PACKETS);
      }
    }
    if (conversations.isNew) {
      hosts.addAtFirst(row, isClient ? FLOWS_AS_CLIENT : FLOWS_AS_SERVER, 1);
    }
    this.addActivity(end, isSource ? facts.destination : facts.source, row, isClient, conversations);
    this.addDetails(facts, row, end, sentOctets, receivedOctets, conversations.isNew);
  }

  /** Conversations and peers, once in each step. */
  private addActivity(end: FlowEnd, other: FlowEnd, row: number, isClient: boolean, steps: Conversations): void {
    const { hosts, contacts, hash } = this;
    const hasLow = steps.lowFrom <= steps.lowTo;
    const hasHigh = steps.highFrom <= steps.highTo;
    if (!hasLow && !hasHigh) return;
    const active = isClient ? ACTIVE_AS_CLIENT : ACTIVE_AS_SERVER;
    if (hasLow) hosts.addOnes(row, active, steps.lowFrom, steps.lowTo);
    if (hasHigh) hosts.addOnes(row, active, steps.highFrom, steps.highTo);
    hash.start(CONTACT_KIND);
    hash.word(end.hostFirst);
    hash.word(end.hostSecond);
    hash.word(other.hostFirst);
    hash.word(other.hostSecond ^ (isClient ? 1 : 0));
    hash.end();
    const { window } = hosts;
    contacts.mark(hash.first, hash.second, window.first, window.last, window.base);
    const column = isClient ? CONTACTS_AS_CLIENT : CONTACTS_AS_SERVER;
    hosts.addOnes(row, column, contacts.lowFrom, contacts.lowTo);
    hosts.addOnes(row, column, contacts.highFrom, contacts.highTo);
  }

  private addTcpStatistics(facts: FlowFacts, row: number, isSource: boolean): void {
    const { hosts } = this;
    const { retransmittedIn, retransmittedOut, outOfOrderIn, outOfOrderOut } = facts;
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
    end: FlowEnd,
    sent: number,
    received: number,
    isNew: boolean,
  ): void {
    const { hosts, details, classes, protocols, applications } = this;
    const { amounts, dscpClass, protocol } = facts;
    const state = details.stateOf(host);
    if (facts.hasApplication) {
      const row = this.applicationOf(facts, host, end);
      applications.addShares(row, SENT, amounts, sent);
      applications.addShares(row, RECEIVED, amounts, received);
      if (isNew) applications.addAtFirst(row, APPLICATION_FLOWS, 1);
    }
    if (protocol === TCP || protocol === UDP) {
      const detail = protocol === TCP ? OF_TCP : OF_UDP;
      if (!hasRow(state, detail)) this.missUsual(host, state, detail);
    } else if (protocol >= 0) {
      const name = protocolSlot(protocol);
      let row = details.find(host, FIRST_PROTOCOL + name);
      if (row < 0)
        row = this.makeDetail(host, FIRST_PROTOCOL + name, protocols, PROTOCOLS, L4PROTO, protocolName(name));
      protocols.addShares(row, SENT, amounts, sent);
      protocols.addShares(row, RECEIVED, amounts, received);
    }
    if (dscpClass === BEST_EFFORT) {
      if (!hasRow(state, OF_BEST_EFFORT)) this.missUsual(host, state, OF_BEST_EFFORT);
      return;
    }
    hosts.addShares(host, OF_CLASSES_SENT, amounts, sent);
    hosts.addShares(host, OF_CLASSES_RECEIVED, amounts, received);
    if (dscpClass < 0) return;
    let row = details.find(host, FIRST_CLASS + dscpClass);
    if (row < 0)
      row = this.makeDetail(host, FIRST_CLASS + dscpClass, classes, CLASSES, DSCP_CLASS, dscpClassName(dscpClass));
    classes.addShares(row, SENT, amounts, sent);
    classes.addShares(row, RECEIVED, amounts, received);
  }

  private applicationOf({ application, applicationNumber }: FlowFacts, host: number, end: FlowEnd): number {
    const { applications, applicationRows, hash, tags } = this;
    const known = applicationRows.find(host, applicationNumber);
    if (known >= 0) return known;
    if (known === OVER) {
      applications.countOver();
      return applications.otherRow;
    }
    hash.resume(end.hostFirst, end.hostSecond);
    hash.word(application.first);
    hash.word(application.second + APPLICATION_KIND);
    hash.end();
    let row = applications.find(hash.first, hash.second);
    if (row < 0) {
      if (host === this.hosts.otherRow || !applications.hasRoom()) {
        applicationRows.setOver(host, applicationNumber);
        return tags.otherOf(applications, [HOST, PROTOCOL]);
      }
      tags.startWith(this.hosts, host).text(PROTOCOL, application);
      row = tags.addTo(applications, hash.first, hash.second);
    }
    if (host !== this.hosts.otherRow) applicationRows.set(host, applicationNumber, row);
    return row;
  }

  private missUsual(host: number, state: number, detail: number): void {
    if (isOver(state, detail)) this.hosts.countOver();
    else this.makeUsual(host, detail);
  }

  /** Makes the row of one of the usual details, or keeps that there is no room. */
  private makeUsual(host: number, detail: number): number {
    const isClass = detail === OF_BEST_EFFORT;
    const row = isClass
      ? this.makeDetail(host, detail, this.classes, CLASSES, DSCP_CLASS, dscpClassName(BEST_EFFORT))
      : this.makeDetail(
          host,
          detail,
          this.protocols,
          PROTOCOLS,
          L4PROTO,
          protocolName(protocolSlot(detail === OF_TCP ? TCP : UDP)),
        );
    if (row === (isClass ? this.classes : this.protocols).otherRow) this.details.setOver(host, detail);
    return row;
  }

  /** Makes the row of a detail, which has none; where there is no room, gives that of all others. */
  private makeDetail(
    host: number,
    detail: number,
    table: SeriesTable,
    number: number,
    tag: Uint8Array,
    value: Uint8Array,
  ): number {
    const { hash, tags, details } = this;
    if (host === this.hosts.otherRow || !table.hasRoom()) return tags.otherOf(table, [HOST, tag]);
    // Nothing looks it up by its key.
    hash.start(DETAIL_KIND);
    hash.word(host * DETAILS + detail);
    hash.end();
    const row = tags.startWith(this.hosts, host).plain(tag, value).addTo(table, hash.first, hash.second);
    details.set(host, detail, number, row);
    return row;
  }

  /** Makes a step ready to be closed: what has no row of its own is put into that of all others. */
  prepare(window: StepWindow, step: number): void {
    if (window !== this.hosts.window) return;
    this.applicationRows.retry();
    for (const place of this.details.takeOver()) {
      const host = Math.floor(place / DETAILS);
      const detail = place % DETAILS;
      const table = detail === OF_BEST_EFFORT ? this.classes : this.protocols;
      const row = this.makeUsual(host, detail);
      if (row !== table.otherRow) continue;
      table.addAt(row, SENT, step, this.usualOf(host, detail, SENT, step));
      table.addAt(row, RECEIVED, step, this.usualOf(host, detail, RECEIVED, step));
    }
  }

  /** Sets what a row of a usual detail comes to. */
  private derive(table: SeriesTable, number: number, row: number, step: number): void {
    const place = this.details.placeOf(number, row);
    const detail = place % DETAILS;
    if (place < 0 || detail >= USUAL) return;
    const host = Math.floor(place / DETAILS);
    table.put(row, SENT, step, this.usualOf(host, detail, SENT, step));
    table.put(row, RECEIVED, step, this.usualOf(host, detail, RECEIVED, step));
  }

  /** Octets of a usual detail, sent or received. */
  private usualOf(host: number, detail: number, way: number, step: number): number {
    const { hosts } = this;
    if (detail === OF_TCP) return hosts.at(host, TCP_OCTETS_SENT + way, step);
    if (detail === OF_UDP) return hosts.at(host, UDP_OCTETS_SENT + way, step);
    const all =
      hosts.at(host, TCP_OCTETS_SENT + way, step) +
      hosts.at(host, UDP_OCTETS_SENT + way, step) +
      hosts.at(host, REST_SENT + way, step);
    return all - hosts.at(host, OF_CLASSES_SENT + way, step);
  }

  private addHost({ ipVersion, vlan }: FlowFacts, { ipv4, ipv6, hostFirst, hostSecond }: FlowEnd): number {
    const { hosts, tags } = this;
    if (!hosts.hasRoom()) return tags.otherOf(hosts, [HOST]);
    tags.start();
    if (ipVersion === 4) tags.ipv4(HOST, Uint32Array.of(ipv4), 0);
    else tags.ipv6(HOST, ipv6, 0);
    tags.vlan(vlan);
    return tags.addTo(hosts, hostFirst, hostSecond);
  }
}
