import type { Flow } from '../flow/flow.ts';
import { ApplicationRows } from './application-rows.ts';
import type { FlowFacts } from './flow-facts.ts';
import { type ElementPlace, elementLength, type FlowPlan } from './flow-plan.ts';
import type { LocalNetworks } from './local-networks.ts';
import { NumberRows } from './number-rows.ts';
import type { Family } from './schema.ts';
import type { SeededHash } from './seeded-hash.ts';
import type { SeriesTable } from './series-table.ts';
import { OCTETS } from './step-window.ts';
import { line, makeTable, type TableContext } from './table-maker.ts';
import { type TagLine, tagName } from './tag-line.ts';
import { TagText } from './tag-text.ts';

const SENT = 0;
const RECEIVED = 1;
const AS_RETRANSMITTED_SENT = 2;
const AS_RETRANSMITTED_RECEIVED = 3;
const AS_OUT_OF_ORDER_SENT = 4;
const AS_OUT_OF_ORDER_RECEIVED = 5;

/** Into a subnet or country, out of it, inside it; then the same of other things. */
const INGRESS = 0;
const EGRESS = 1;
const INNER = 2;
const BROADCAST = 3;
const RETRANSMITTED = 6;
const OUT_OF_ORDER = 9;
const NETWORK_COLUMNS = 12;

const PROTOCOL = tagName('protocol');
const SUBNET = tagName('subnet');
const COUNTRY = tagName('country');

/** Kinds of keys of what is told by a number. */
const AS_KIND = 52;
const VLAN_KIND = 53;
const POINT_KIND = 54;
const APPLICATION_KIND = 55;

/** What a flow belongs to by a number: its rows, and those of its applications. */
interface NumberedTables {
  readonly kind: number;
  readonly tag: Uint8Array;
  readonly rows: SeriesTable;
  readonly applications: SeriesTable;
  readonly applicationRows: ApplicationRows;
  readonly numberRows: NumberRows;
}

/** Series of the networks that flows belong to: `subnet:…`, `asn:…`, `vlan:…`, `country:…`, `obs_point:…`. */
export class NetworkSeries {
  private readonly subnets: SeriesTable;
  /** Rows of the local networks, which stay; -1 for those that have none yet. */
  private readonly subnetRows: Int32Array;
  private readonly countries: SeriesTable;
  private readonly systems: NumberedTables;
  private readonly vlans: NumberedTables;
  private readonly points: NumberedTables;
  private readonly hash: SeededHash;
  private readonly tags: TagLine;
  private readonly local: LocalNetworks;
  private readonly subnetName: TagText;
  private readonly sourceCountry: TagText;
  private readonly destinationCountry: TagText;
  private hasSourceCountry = false;
  private hasDestinationCountry = false;

  /** Makes the tables. */
  constructor(context: TableContext, hash: SeededHash, tags: TagLine, local: LocalNetworks) {
    this.hash = hash;
    this.tags = tags;
    this.local = local;
    this.subnetRows = new Int32Array(local.names.length).fill(-1);
    this.subnetName = new TagText(hash);
    this.sourceCountry = new TagText(hash);
    this.destinationCountry = new TagText(hash);
    const both = [[SENT], [RECEIVED]];
    const three = (from: number) => [[from + INGRESS], [from + EGRESS], [from + INNER]];
    const numbered = (kind: number, family: Family, columns: number, rows: Parameters<typeof line>[]) => {
      const applicationRows = new ApplicationRows();
      const numberRows = new NumberRows();
      return {
        kind,
        tag: tagName(family),
        applicationRows,
        numberRows,
        applications: makeTable(context, family, {
          columns: 2,
          lines: [line(`${family}:ndpi`, 'counter', both)],
          onForget: (row) => applicationRows.forgetRow(row),
        }),
        rows: makeTable(context, family, {
          columns,
          lines: rows.map((row) => line(...row)),
          onForget: (row) => {
            applicationRows.forgetOwner(row);
            numberRows.clear();
          },
        }),
      };
    };
    this.subnets = makeTable(context, 'subnet', {
      columns: NETWORK_COLUMNS,
      isLasting: true,
      lines: [
        line('subnet:traffic', 'counter', three(0)),
        line('subnet:broadcast_traffic', 'counter', three(BROADCAST)),
        line('subnet:tcp_retransmissions', 'counter', three(RETRANSMITTED)),
        line('subnet:tcp_out_of_order', 'counter', three(OUT_OF_ORDER)),
      ],
    });
    this.countries = makeTable(context, 'country', {
      columns: 3,
      lines: [line('country:traffic', 'counter', three(0))],
    });
    this.systems = numbered(AS_KIND, 'asn', 6, [
      ['asn:traffic', 'counter', both],
      ['asn:traffic_sent', 'counter', [[SENT]]],
      ['asn:traffic_rcvd', 'counter', [[RECEIVED]]],
      ['asn:tcp_retransmissions', 'counter', [[AS_RETRANSMITTED_SENT], [AS_RETRANSMITTED_RECEIVED]]],
      ['asn:tcp_out_of_order', 'counter', [[AS_OUT_OF_ORDER_SENT], [AS_OUT_OF_ORDER_RECEIVED]]],
    ]);
    this.vlans = numbered(VLAN_KIND, 'vlan', 2, [['vlan:traffic', 'counter', both]]);
    this.points = numbered(POINT_KIND, 'obs_point', 2, [
      ['obs_point:traffic', 'counter', both],
      ['obs_point:traffic_sent', 'counter', [[SENT]]],
      ['obs_point:traffic_rcvd', 'counter', [[RECEIVED]]],
    ]);
  }

  /** Reads the countries that a flow tells. True where there are any: the flow is to be taken next then. */
  read(flow: Flow, plan: FlowPlan): boolean {
    this.hasSourceCountry = false;
    this.hasDestinationCountry = false;
    if (plan.sourceCountry.slot < 0 && plan.destinationCountry.slot < 0) return false;
    this.hasSourceCountry = readCountry(flow, plan.sourceCountry, this.sourceCountry);
    this.hasDestinationCountry = readCountry(flow, plan.destinationCountry, this.destinationCountry);
    return this.hasSourceCountry || this.hasDestinationCountry;
  }

  /** Takes a flow; with `hasCountry`, what was read of its countries. */
  add(facts: FlowFacts, hasCountry: boolean): void {
    const { sourceAs, destinationAs, observationPoint } = facts;
    const source = facts.source.network;
    const destination = facts.destination.network;
    if (source >= 0 || destination >= 0) this.addSubnets(facts, source, destination);
    // 0 says that the AS is not known, or the Exporter's own.
    if (sourceAs !== 0) this.addSystem(facts, sourceAs, SENT);
    if (destinationAs !== 0) this.addSystem(facts, destinationAs, RECEIVED);
    if (facts.vlan !== 0) this.addNumbered(facts, this.vlans, facts.vlan, SENT);
    if (observationPoint > 0) this.addNumbered(facts, this.points, observationPoint, SENT);
    if (hasCountry) this.addCountries(facts);
  }

  private addSubnets(facts: FlowFacts, source: number, destination: number): void {
    if (source === destination) this.addSubnet(facts, source, INNER, INNER);
    else {
      if (source >= 0) this.addSubnet(facts, source, EGRESS, INGRESS);
      if (destination >= 0) this.addSubnet(facts, destination, INGRESS, EGRESS);
    }
  }

  private addSubnet(facts: FlowFacts, network: number, forward: number, reverse: number): void {
    const { subnets, tags, subnetName } = this;
    const { amounts, plan, protocol } = facts;
    let row = this.subnetRows[network]!;
    if (row < 0) {
      if (subnets.hasRoom()) {
        subnetName.readString(this.local.names[network]!);
        row = tags.start().text(SUBNET, subnetName).addTo(subnets, subnetName.first, subnetName.second);
        this.subnetRows[network] = row;
      } else row = tags.otherOf(subnets, [SUBNET]);
    }
    subnets.addBothWays(row, forward, reverse, amounts);
    if (facts.isMulticast) subnets.addShares(row, BROADCAST + forward, amounts, OCTETS);
    if (!plan.hasTcpStatistics || protocol !== 6) return;
    subnets.addAtLast(row, RETRANSMITTED + forward, facts.retransmittedIn);
    subnets.addAtLast(row, RETRANSMITTED + reverse, facts.retransmittedOut);
    subnets.addAtLast(row, OUT_OF_ORDER + forward, facts.outOfOrderIn);
    subnets.addAtLast(row, OUT_OF_ORDER + reverse, facts.outOfOrderOut);
  }

  private addSystem(facts: FlowFacts, system: number, forward: number): void {
    const row = this.addNumbered(facts, this.systems, system, forward);
    const { plan, protocol } = facts;
    if (!plan.hasTcpStatistics || protocol !== 6) return;
    const { rows } = this.systems;
    rows.addAtLast(row, AS_RETRANSMITTED_SENT + forward, facts.retransmittedIn);
    rows.addAtLast(row, AS_RETRANSMITTED_RECEIVED - forward, facts.retransmittedOut);
    rows.addAtLast(row, AS_OUT_OF_ORDER_SENT + forward, facts.outOfOrderIn);
    rows.addAtLast(row, AS_OUT_OF_ORDER_RECEIVED - forward, facts.outOfOrderOut);
  }

  /** `forward` is the column of what goes from source to destination. */
  private addNumbered(facts: FlowFacts, tables: NumberedTables, number: number, forward: number): number {
    const { amounts } = facts;
    const { rows, applications, applicationRows, numberRows } = tables;
    let row = numberRows.find(0, number);
    if (row < 0) row = this.rowOf(tables, number);
    rows.addBothWays(row, forward, 1 - forward, amounts);
    if (!facts.hasApplication) return row;
    let detail = applicationRows.find(row, facts.applicationNumber);
    if (detail < 0) detail = this.applicationOf(facts, tables, row, number);
    applications.addBothWays(detail, forward, 1 - forward, amounts);
    return row;
  }

  private rowOf({ rows, numberRows, tag, kind }: NumberedTables, number: number): number {
    const { hash, tags } = this;
    this.takeKey(kind, number);
    const { first, second } = hash;
    let row = rows.find(first, second);
    if (row < 0) {
      if (!rows.hasRoom()) return tags.otherOf(rows, [tag]);
      row = tags.start().number(tag, number).addTo(rows, first, second);
    }
    numberRows.set(0, number, row);
    return row;
  }

  private takeKey(kind: number, number: number): void {
    const { hash } = this;
    hash.start(kind);
    if (number > 0xffff_ffff) hash.word(number / 4294967296);
    hash.word(number);
    hash.end();
  }

  /** The row of an application of what has this row and number. */
  private applicationOf(
    { application, applicationNumber }: FlowFacts,
    { rows, applications, applicationRows, tag, kind }: NumberedTables,
    row: number,
    number: number,
  ): number {
    const { hash, tags } = this;
    this.takeKey(kind, number);
    const { first, second } = hash;
    hash.start(APPLICATION_KIND);
    hash.word(first);
    hash.word(second);
    hash.word(application.first);
    hash.word(application.second);
    hash.end();
    let detail = applications.find(hash.first, hash.second);
    if (detail < 0) {
      if (row === rows.otherRow || !applications.hasRoom()) return tags.otherOf(applications, [tag, PROTOCOL]);
      detail = tags.startWith(rows, row).text(PROTOCOL, application).addTo(applications, hash.first, hash.second);
    }
    // Those of the one row of all others are of many.
    if (row !== rows.otherRow) applicationRows.set(row, applicationNumber, detail);
    return detail;
  }

  private addCountries(facts: FlowFacts): void {
    const { sourceCountry: source, destinationCountry: destination, hasSourceCountry, hasDestinationCountry } = this;
    if (
      hasSourceCountry &&
      hasDestinationCountry &&
      source.first === destination.first &&
      source.second === destination.second
    ) {
      this.addCountry(facts, source, INNER, INNER);
      return;
    }
    if (hasSourceCountry) this.addCountry(facts, source, EGRESS, INGRESS);
    if (hasDestinationCountry) this.addCountry(facts, destination, INGRESS, EGRESS);
  }

  private addCountry({ amounts }: FlowFacts, name: TagText, forward: number, reverse: number): void {
    const { countries, tags } = this;
    let row = countries.find(name.first, name.second);
    if (row < 0) {
      row = countries.hasRoom()
        ? tags.start().text(COUNTRY, name).addTo(countries, name.first, name.second)
        : tags.otherOf(countries, [COUNTRY]);
    }
    countries.addBothWays(row, forward, reverse, amounts);
  }
}

/** False where there is none. */
function readCountry(flow: Flow, place: ElementPlace, into: TagText): boolean {
  if (place.slot < 0) return false;
  const at = flow.words[place.slot]!;
  const length = elementLength(flow, place);
  if (length === 0 || at + length > flow.bytes.length || flow.bytes[at] === 0) return false;
  into.read(flow.bytes, at, length);
  return true;
}
