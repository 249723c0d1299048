import type { Flow, PlainValue } from '../flow/flow.ts';
import { ActiveSet } from './active-set.ts';
import { DESTINATION, type FlowFacts, SOURCE } from './flow-facts.ts';
import { elementNumber, type FlowPlan } from './flow-plan.ts';
import type { SeededHash } from './seeded-hash.ts';
import type { SeriesTable } from './series-table.ts';
import { line, makeTable, type TableContext } from './table-maker.ts';
import { type TagLine, tagName } from './tag-line.ts';
import { TagText } from './tag-text.ts';

const AS_CLIENT = 0;
const AS_SERVER = 1;
/** Sum and number of round-trip times, as client and as server; then the same of their variances. */
const RTT = 2;
const VARIANCE = 6;
const CONTAINERS = 10;
const COLUMNS = 11;

const CONTAINER = tagName('container');
const POD = tagName('pod');

const FLOW_KIND = 61;
const RTT_KIND = 62;
const VARIANCE_KIND = 63;
const MEMBER_KIND = 64;

/** Flows of containers that are told apart at a time. */
const FLOWS = 65_536;

/** Names of containers whose ids are kept. */
const MAX_IDS = 4096;
const MAX_PLACE_LENGTH = 1024;

/** Who opened a connection, as far as the record of an agent tells. */
export const CLIENT_UNKNOWN = 0;
/** The record's source. */
export const CLIENT_IS_SOURCE = 1;
/** The record's destination. */
export const CLIENT_IS_DESTINATION = 2;

/**
 * Series of containers and pods: `container:…`, `pod:…`. What they are made of comes from ntop's elements in flow records
 * (`SRC_PROC_CONTAINER_ID` and so on), the agent's names of pods, or from an agent's nested records, whose local end is the source.
 */
export class ContainerSeries {
  /** Flows of containers, by step. */
  readonly active = new ActiveSet(FLOWS);
  /** Who is the client, after {@link ContainerSeries.read}. */
  client = CLIENT_UNKNOWN;
  /** Whether the record is of no conversation but of a socket that listens. */
  isListening = false;
  private readonly containers: SeriesTable;
  private readonly pods: SeriesTable;
  private readonly hash: SeededHash;
  private readonly tags: TagLine;
  private readonly containerNames: readonly [TagText, TagText];
  private readonly podNames: readonly [TagText, TagText];
  private readonly hasContainer = [false, false];
  private readonly hasPod = [false, false];
  /** Ids of containers by Exporter, pod and name. */
  private readonly ids = new Map<string, string>();
  /** Milliseconds, of both ends; -1 for none. */
  private readonly rtt = new Float64Array(2);
  private readonly variance = new Float64Array(2);

  /** Makes the tables. */
  constructor(context: TableContext, hash: SeededHash, tags: TagLine) {
    this.hash = hash;
    this.tags = tags;
    this.containerNames = [new TagText(hash), new TagText(hash)];
    this.podNames = [new TagText(hash), new TagText(hash)];
    const flows = [[AS_CLIENT], [AS_SERVER]];
    const means = (from: number) => [
      [from, from + 1],
      [from + 2, from + 3],
    ];
    this.containers = makeTable(context, 'container', {
      columns: COLUMNS,
      lines: [
        line('container:num_flows', 'gauge', flows, 'active'),
        line('container:rtt', 'mean', means(RTT), 'active'),
        line('container:rtt_variance', 'mean', means(VARIANCE), 'active'),
      ],
    });
    this.pods = makeTable(context, 'pod', {
      columns: COLUMNS,
      lines: [
        line('pod:num_containers', 'gauge', [[CONTAINERS]], 'active'),
        line('pod:num_flows', 'gauge', flows, 'active'),
        line('pod:rtt', 'mean', means(RTT), 'active'),
        line('pod:rtt_variance', 'mean', means(VARIANCE), 'active'),
      ],
    });
  }

  /** Values that were cut. */
  get tagsCut(): number {
    const [source, destination] = this.containerNames;
    const [sourcePod, destinationPod] = this.podNames;
    return source.cut + destination.cut + sourcePod.cut + destinationPod.cut;
  }

  /** Reads what a flow tells of containers and of who opened it. True where there is a container or pod. */
  read(flow: Flow, plan: FlowPlan): boolean {
    this.client = CLIENT_UNKNOWN;
    this.isListening = false;
    const hasNone = plan.sourceContainer < 0 && plan.destinationContainer < 0;
    if (hasNone && plan.sourcePod < 0 && plan.destinationPod < 0 && flow.attachments.length === 0) return false;
    const { hasContainer, hasPod, rtt, variance } = this;
    const { words, bytes, names, attachments } = flow;
    for (let end = SOURCE; end <= DESTINATION; end++) {
      const slot = end === SOURCE ? plan.sourceContainer : plan.destinationContainer;
      hasContainer[end] = false;
      hasPod[end] = false;
      rtt[end] = -1;
      variance[end] = -1;
      const pod = end === SOURCE ? plan.sourcePod : plan.destinationPod;
      if (pod >= 0 && names[pod] !== '') {
        this.podNames[end as 0 | 1].readString(names[pod]!);
        hasPod[end] = true;
      }
      if (slot < 0 || words[slot + 1] === 0 || bytes[words[slot]!] === 0) continue;
      this.containerNames[end as 0 | 1].read(bytes, words[slot]!, words[slot + 1]!);
      hasContainer[end] = true;
    }
    for (let i = 0; i < attachments.length; i++) {
      this.readAttachment(attachments[i]!.ntop, attachments[i]!.value, flow.origin.exporterAddress);
    }
    if (!hasContainer[SOURCE] && !hasContainer[DESTINATION] && !hasPod[SOURCE] && !hasPod[DESTINATION]) return false;
    this.readRoundTrips(words, plan);
    if (plan.hasLatency) this.readLatency(flow, plan);
    return !this.isListening;
  }

  /** Takes the flow read last; `clientEnd` is its client's end. */
  add(facts: FlowFacts, clientEnd: number): void {
    for (let end = SOURCE; end <= DESTINATION; end++) {
      const role = end === clientEnd ? AS_CLIENT : AS_SERVER;
      const container = this.containerNames[end as 0 | 1];
      const pod = this.podNames[end as 0 | 1];
      if (this.hasContainer[end]) {
        const row = this.rowOf(this.containers, container, CONTAINER);
        this.addFlow(this.containers, row, container, facts, role, end);
      }
      if (!this.hasPod[end]) continue;
      const row = this.rowOf(this.pods, pod, POD);
      this.addFlow(this.pods, row, pod, facts, role, end);
      if (!this.hasContainer[end]) continue;
      this.startKey(MEMBER_KIND, pod);
      this.hash.word(container.first);
      this.hash.word(container.second);
      this.hash.end();
      this.mark(this.pods);
      this.addOnes(this.pods, row, CONTAINERS);
    }
  }

  private addFlow(table: SeriesTable, row: number, name: TagText, facts: FlowFacts, role: number, end: number): void {
    this.markFlow(FLOW_KIND + 16 * role, table, name, facts);
    this.addOnes(table, row, role);
    if (this.rtt[end]! >= 0) {
      this.markFlow(RTT_KIND + 16 * role, table, name, facts);
      this.addValue(table, row, RTT + 2 * role, this.rtt[end]!);
    }
    if (this.variance[end]! >= 0) {
      this.markFlow(VARIANCE_KIND + 16 * role, table, name, facts);
      this.addValue(table, row, VARIANCE + 2 * role, this.variance[end]!);
    }
  }

  private markFlow(kind: number, table: SeriesTable, name: TagText, facts: FlowFacts): void {
    const { hash } = this;
    this.startKey(table === this.pods ? kind + 256 : kind, name);
    hash.word(facts.conversationFirst);
    hash.word(facts.conversationSecond);
    hash.end();
    this.mark(table);
  }

  private startKey(kind: number, { first, second }: TagText): void {
    this.hash.start(kind);
    this.hash.word(first);
    this.hash.word(second);
  }

  private mark({ window }: SeriesTable): void {
    this.active.mark(this.hash.first, this.hash.second, window.first, window.last, window.base);
  }

  private addOnes(table: SeriesTable, row: number, column: number): void {
    const { lowFrom, lowTo, highFrom, highTo } = this.active;
    table.addOnes(row, column, lowFrom, lowTo);
    table.addOnes(row, column, highFrom, highTo);
  }

  /** To the sum and the number behind it, in the steps that are new: the first value that a flow tells in a step. */
  private addValue(table: SeriesTable, row: number, column: number, value: number): void {
    const { lowFrom, lowTo, highFrom, highTo } = this.active;
    for (let step = lowFrom; step <= lowTo; step++) table.addAt(row, column, step, value);
    for (let step = highFrom; step <= highTo; step++) table.addAt(row, column, step, value);
    this.addOnes(table, row, column + 1);
  }

  private rowOf(table: SeriesTable, name: TagText, tag: Uint8Array): number {
    const row = table.find(name.first, name.second);
    if (row >= 0) return row;
    if (!table.hasRoom()) return this.tags.otherOf(table, [tag]);
    return this.tags.start().text(tag, name).addTo(table, name.first, name.second);
  }

  private readAttachment(key: string, value: PlainValue, exporter: string): void {
    switch (key) {
      case 'LOCAL_CONTAINER':
        this.readContainer(value, SOURCE, exporter);
        return;
      case 'REMOTE_CONTAINER':
        this.readContainer(value, DESTINATION, exporter);
        return;
      case 'TCP':
        if (!isObject(value)) return;
        this.rtt[SOURCE] = milliseconds(value['RTT']);
        this.variance[SOURCE] = milliseconds(value['RTT_VARIANCE']);
        this.isListening = value['CONN_STATE'] === 'LISTEN';
        return;
      case 'NW_LATENCY_MS':
        this.rtt[SOURCE] = milliseconds(value);
        return;
      case 'EVENT_TYPE':
      case 'TCP_EVENT_TYPE':
      case 'UDP_EVENT_TYPE':
        if (value === 'ACCEPT' || value === 'RECV') this.client = CLIENT_IS_DESTINATION;
        else if (value === 'CONNECT' || value === 'CONNECT_FAILED' || value === 'SEND') this.client = CLIENT_IS_SOURCE;
    }
  }

  /** The id, which some agents have one level up; else that which the same name had before; else the name. */
  private readContainer(value: PlainValue, end: 0 | 1, exporter: string): void {
    const record = Array.isArray(value) ? (value as readonly PlainValue[])[0] : value;
    if (!isObject(record)) return;
    const inner = [record['KUBE'], record['K8S'], record['DOCKER']].find(isObject);
    const id = [record['ID'], inner?.['ID']].find(isText);
    const name = [inner?.['NAME'], record['NAME']].find(isText);
    const tag = this.idOf(id, name, `${exporter} ${inner?.['NS']} ${inner?.['POD']} ${name}`);
    if (tag !== undefined && !this.hasContainer[end]) {
      this.containerNames[end].readString(tag);
      this.hasContainer[end] = true;
    }
    const pod = inner?.['POD'];
    if (isText(pod)) {
      this.podNames[end].readString(pod);
      this.hasPod[end] = true;
    }
  }

  /** Records of one agent about one container have its id, its name, or both. */
  private idOf(id: string | undefined, name: string | undefined, place: string): string | undefined {
    if (name === undefined || place.length > MAX_PLACE_LENGTH) return id ?? name;
    if (id === undefined) return this.ids.get(place) ?? name;
    if (this.ids.size >= MAX_IDS) this.ids.clear();
    this.ids.set(place, id);
    return id;
  }

  /** Each end has what its own socket measured; where that is not known, what the other's did. */
  private readRoundTrips(words: Uint32Array, plan: FlowFacts['plan']): void {
    const { rtt, variance } = this;
    setFirst(rtt, SOURCE, words, plan.serverRoundTripTime, plan.clientRoundTripTime);
    setFirst(rtt, DESTINATION, words, plan.clientRoundTripTime, plan.serverRoundTripTime);
    setFirst(variance, SOURCE, words, plan.serverRoundTripVariance, plan.clientRoundTripVariance);
    setFirst(variance, DESTINATION, words, plan.clientRoundTripVariance, plan.serverRoundTripVariance);
  }

  /** ntop's probes tell half the round-trip time to each end. */
  private readLatency(flow: Flow, plan: FlowPlan): void {
    const sum = elementNumber(flow, plan.clientLatency) + elementNumber(flow, plan.serverLatency);
    if (sum === 0) return;
    for (let end = SOURCE; end <= DESTINATION; end++) if (this.rtt[end]! < 0) this.rtt[end] = 2 * sum;
  }
}

/** Milliseconds of the first of two durations that is known, unless an end has one. */
function setFirst(values: Float64Array, end: number, words: Uint32Array, first: number, second: number): void {
  if (values[end]! >= 0) return;
  const firstUs = first < 0 ? 0 : words[first]!;
  const us = firstUs > 0 || second < 0 ? firstUs : words[second]!;
  if (us > 0) values[end] = us / 1000;
}

function isObject(value: PlainValue | undefined): value is Readonly<Record<string, PlainValue>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function isText(value: PlainValue | undefined): value is string {
  return typeof value === 'string' && value !== '';
}

/** A time above 0, as number or text; -1 for none. */
function milliseconds(value: PlainValue | undefined): number {
  const number = typeof value === 'string' ? Number.parseFloat(value) : Number(value ?? Number.NaN);
  return number > 0 && number < 1e9 ? number : -1;
}
