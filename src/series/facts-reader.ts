import { writeInteger } from '../bytes/digits.ts';
import type { Flow } from '../flow/flow.ts';
import type { Layout } from '../flow/layout.ts';
import { ApplicationNumbers } from './application-numbers.ts';
import { dscpClassOf } from './dscp-class.ts';
import type { FlowEnd, FlowFacts } from './flow-facts.ts';
import { elementLength, elementNumber, type FlowPlan, planFlow } from './flow-plan.ts';
import type { LocalNetworks } from './local-networks.ts';
import type { SeededHash } from './seeded-hash.ts';
import { AMOUNTS, SLACK_MS } from './step-window.ts';
import { TagText } from './tag-text.ts';

/** A clock further ahead than this is counted. */
const AHEAD_MS = 60_000;
/** No flow lasts longer: what says so has a broken clock. */
const LONGEST_FLOW_MS = 86_400_000;
/** No flow has more octets, a petabyte: what says so would drown all that is counted with it. */
const MOST_OCTETS = 2 ** 50;
const NAMES_KEPT = 256;
/** Kinds of keys. */
const IPV4_KIND = 4;
const IPV6_KIND = 6;
const VLAN_KIND = 7;
const REPORTER_KIND = 71;
/** And the protocol. */
const CONVERSATION_KIND = 1024;

/** Reads flows into {@link FlowFacts}. */
export class FactsReader {
  /** Flows whose end was ahead of the clock by over a minute. */
  flowsAhead = 0;
  /** Flows of more than a day or a petabyte. */
  flowsImplausible = 0;
  private readonly hash: SeededHash;
  private readonly local: LocalNetworks;
  private readonly spread: boolean;
  private readonly applications = new ApplicationNumbers();
  private readonly plans = new WeakMap<Layout, FlowPlan>();
  private layout: Layout | undefined;
  private plan!: FlowPlan;
  private reporter = 1;
  private reporterAddress = '';
  private reporterDomain = -2;
  private reporterWay = 0;
  private reporterSource = 0;
  private readonly reporterText: TagText;
  private readonly digits = new Uint8Array(64);
  private readonly digitsView = new DataView(this.digits.buffer);
  private readonly names: string[] = new Array<string>(NAMES_KEPT).fill('');
  private readonly nameOctets: Uint8Array[] = new Array<Uint8Array>(NAMES_KEPT).fill(new Uint8Array(0));

  /** Keys are made by `hash`; without `spread` a flow starts when it ends. */
  constructor(hash: SeededHash, local: LocalNetworks, spread: boolean) {
    this.hash = hash;
    this.local = local;
    this.spread = spread;
    this.reporterText = new TagText(hash);
  }

  /** What records of the flow's layout have. */
  planOf({ layout }: Flow): FlowPlan {
    if (layout === this.layout) return this.plan;
    let plan = this.plans.get(layout);
    if (plan === undefined) {
      plan = planFlow(layout);
      this.plans.set(layout, plan);
    }
    this.layout = layout;
    this.plan = plan;
    return plan;
  }

  /** Reads a flow, whose plan is `plan`, as of `nowMs`. False where it is left out, which is counted. */
  read(flow: Flow, plan: FlowPlan, nowMs: number, facts: FlowFacts): boolean {
    const { words } = flow;
    facts.plan = plan;
    if (!this.readAmounts(words, facts)) return false;
    this.readTimes(flow, nowMs, facts);
    facts.exporterAddress = flow.origin.exporterAddress;
    facts.protocol = plan.protocol < 0 ? -1 : words[plan.protocol]!;
    facts.sourcePort = plan.sourcePort < 0 ? 0 : words[plan.sourcePort]!;
    facts.destinationPort = plan.destinationPort < 0 ? 0 : words[plan.destinationPort]!;
    facts.vlan = plan.vlan < 0 ? 0 : words[plan.vlan]! & 0xfff;
    const flags = plan.clientTcpFlags >= 0 ? plan.clientTcpFlags : plan.tcpFlags;
    facts.tcpFlags = flags < 0 ? 0 : words[flags]!;
    facts.direction = plan.direction < 0 ? -1 : words[plan.direction]!;
    facts.dscpClass = plan.tos < 0 ? -1 : dscpClassOf(words[plan.tos]!);
    facts.icmpType = plan.icmpType < 0 ? -1 : words[plan.icmpType]! >>> 8;
    facts.input = plan.input < 0 ? -1 : words[plan.input]!;
    facts.output = plan.output < 0 ? -1 : words[plan.output]!;
    facts.sourceAs = plan.sourceAs < 0 ? 0 : words[plan.sourceAs]!;
    facts.destinationAs = plan.destinationAs < 0 ? 0 : words[plan.destinationAs]!;
    facts.observationPoint = elementNumber(flow, plan.observationPoint);
    if (plan.hasTcpStatistics) {
      facts.retransmittedIn = elementNumber(flow, plan.retransmittedIn);
      facts.retransmittedOut = elementNumber(flow, plan.retransmittedOut);
      facts.outOfOrderIn = elementNumber(flow, plan.outOfOrderIn);
      facts.outOfOrderOut = elementNumber(flow, plan.outOfOrderOut);
    }
    this.readAddresses(flow, facts);
    this.readApplication(flow, facts);
    facts.applicationNumber = -1;
    if (facts.hasApplication) {
      const { application } = facts;
      application.keep();
      facts.applicationNumber = this.applications.numberOf(application.first, application.second);
    }
    return true;
  }

  /** Who reports the flow read last: an Exporter's domain, and which way through it, as one number that is not 0. */
  reporterOf({ origin, words }: Flow, facts: FlowFacts): number {
    const { hash, reporterText } = this;
    const { sourceIdIndex } = facts.plan;
    const way = Math.max(facts.direction, 0);
    const source = sourceIdIndex < 0 ? 0 : words[sourceIdIndex]!;
    const { exporterAddress, observationDomainId } = origin;
    if (
      exporterAddress === this.reporterAddress &&
      observationDomainId === this.reporterDomain &&
      way === this.reporterWay &&
      source === this.reporterSource
    ) {
      return this.reporter;
    }
    this.reporterAddress = exporterAddress;
    this.reporterDomain = observationDomainId;
    this.reporterWay = way;
    this.reporterSource = source;
    reporterText.readString(exporterAddress);
    hash.start(REPORTER_KIND);
    hash.word(reporterText.first);
    hash.word(reporterText.second);
    hash.word(observationDomainId);
    hash.word(way);
    hash.word(source);
    hash.end();
    this.reporter = hash.first | 1;
    return this.reporter;
  }

  private readAmounts(words: Uint32Array, facts: FlowFacts): boolean {
    const { plan, amounts } = facts;
    const sampling = plan.sampling < 0 ? 1 : words[plan.sampling]!;
    facts.isSampled = sampling > 1;
    for (let i = 0; i < AMOUNTS; i++) {
      const slot = plan.amounts[i]!;
      let amount = slot < 0 ? 0 : words[slot]! * 4294967296 + words[slot + 1]!;
      if (sampling > 1) amount *= sampling;
      if (amount > MOST_OCTETS) {
        this.flowsImplausible++;
        return false;
      }
      amounts[i] = amount;
    }
    return true;
  }

  private readTimes({ times, origin }: Flow, nowMs: number, facts: FlowFacts): void {
    const { plan } = facts;
    let end = plan.end >= 0 ? times[plan.end]! : plan.start >= 0 ? times[plan.start]! : origin.exportTimeMs;
    let start = plan.start >= 0 ? times[plan.start]! : end;
    if (end > nowMs + SLACK_MS) {
      if (end > nowMs + AHEAD_MS) this.flowsAhead++;
      end = nowMs;
    }
    if (!(end >= 0)) end = 0;
    if (!(start <= end)) start = end;
    if (end - start > LONGEST_FLOW_MS) {
      this.flowsImplausible++;
      start = end;
    }
    facts.times[0] = this.spread ? start : end;
    facts.times[1] = end;
  }

  private readAddresses(flow: Flow, facts: FlowFacts): void {
    const { plan } = facts;
    const { words, view } = flow;
    const hasFour = plan.sourceIPv4 >= 0 && plan.destinationIPv4 >= 0;
    const hasSix = plan.sourceIPv6 >= 0 && plan.destinationIPv6 >= 0;
    facts.hasAddresses = false;
    facts.isMulticast = false;
    facts.ipVersion = plan.ipVersion < 0 ? 0 : words[plan.ipVersion]!;
    if (facts.ipVersion !== 4 && facts.ipVersion !== 6) {
      if (plan.sourceIPv4 < 0 && plan.destinationIPv4 < 0) {
        facts.ipVersion = plan.sourceIPv6 >= 0 || plan.destinationIPv6 >= 0 ? 6 : 0;
      } else if (plan.sourceIPv6 < 0 && plan.destinationIPv6 < 0) facts.ipVersion = 4;
      else facts.ipVersion = hasFour && words[plan.sourceIPv4] === 0 && words[plan.destinationIPv4] === 0 ? 6 : 4;
    }
    if (facts.ipVersion === 4 && hasFour) {
      this.takeFour(facts.source, words[plan.sourceIPv4]! | 0, facts.vlan);
      this.takeFour(facts.destination, words[plan.destinationIPv4]! | 0, facts.vlan);
      const destination = words[plan.destinationIPv4]!;
      facts.isMulticast = destination >>> 28 === 0xe || destination === 0xffff_ffff;
    } else if (facts.ipVersion === 6 && hasSix) {
      const source = words[plan.sourceIPv6]!;
      const destination = words[plan.destinationIPv6]!;
      if (source + 16 > view.byteLength || destination + 16 > view.byteLength) {
        this.takeNoAddresses(facts);
        return;
      }
      this.takeSix(facts.source, view, source, facts.vlan);
      this.takeSix(facts.destination, view, destination, facts.vlan);
      facts.isMulticast = view.getUint8(destination) === 0xff;
    } else {
      this.takeNoAddresses(facts);
      return;
    }
    facts.hasAddresses = true;
    this.makeConversationKey(facts);
  }

  /** Containers' flows are told apart by their ports then. */
  private takeNoAddresses(facts: FlowFacts): void {
    const { hash } = this;
    facts.source.network = -1;
    facts.destination.network = -1;
    facts.sourceEnd = 0;
    hash.start(CONVERSATION_KIND + facts.protocol);
    hash.word((facts.sourcePort << 16) | facts.destinationPort);
    hash.end();
    facts.conversationFirst = hash.first;
    facts.conversationSecond = hash.second;
  }

  private takeFour(end: FlowEnd, address: number, vlan: number): void {
    this.hash.ofWord(IPV4_KIND, address);
    end.ipv4 = address;
    end.network = this.local.find4(address);
    this.takeKey(end, vlan);
  }

  private takeSix(end: FlowEnd, view: DataView, at: number, vlan: number): void {
    const { hash } = this;
    hash.start(IPV6_KIND);
    for (let i = 0; i < 16; i += 4) {
      const word = view.getInt32(at + i);
      hash.word(word);
      end.ipv6.setInt32(i, word);
    }
    hash.end();
    end.network = this.local.find6(view, at);
    this.takeKey(end, vlan);
  }

  private takeKey(end: FlowEnd, vlan: number): void {
    const { hash } = this;
    end.addressFirst = hash.first;
    end.addressSecond = hash.second;
    if (vlan !== 0) {
      hash.resume(hash.first, hash.second + VLAN_KIND);
      hash.word(vlan);
      hash.end();
    }
    end.hostFirst = hash.first;
    end.hostSecond = hash.second;
  }

  /** The same for both directions, and whatever VLAN or Exporter. */
  private makeConversationKey(facts: FlowFacts): void {
    const { hash } = this;
    const { source, destination, sourcePort, destinationPort } = facts;
    const bySecond = source.addressSecond - destination.addressSecond;
    const order = source.addressFirst - destination.addressFirst || bySecond || sourcePort - destinationPort;
    const isLower = order <= 0;
    const lower = isLower ? source : destination;
    const upper = isLower ? destination : source;
    const ports = isLower ? (sourcePort << 16) | destinationPort : (destinationPort << 16) | sourcePort;
    facts.sourceEnd = isLower ? 0 : 1;
    const kind = CONVERSATION_KIND + facts.protocol;
    hash.ofWords(kind, lower.addressFirst, lower.addressSecond, upper.addressFirst, upper.addressSecond, ports);
    facts.conversationFirst = hash.first;
    facts.conversationSecond = hash.second;
  }

  /** What the exporter calls it, else its numbers. */
  private readApplication(flow: Flow, facts: FlowFacts): void {
    const { plan, application } = facts;
    const { words, bytes } = flow;
    facts.hasApplication = false;
    if (plan.l7ProtocolName >= 0) {
      const at = words[plan.l7ProtocolName]!;
      const length = words[plan.l7ProtocolName + 1]!;
      if (length > 0 && bytes[at] !== 0) {
        application.read(bytes, at, length);
        facts.hasApplication = true;
        return;
      }
    }
    if (plan.applicationText.slot >= 0) {
      const at = words[plan.applicationText.slot]!;
      const length = elementLength(flow, plan.applicationText);
      if (length > 0 && bytes[at] !== 0) {
        application.read(bytes, at, length);
        facts.hasApplication = true;
        return;
      }
    }
    if (plan.applicationName >= 0 && flow.names[plan.applicationName] !== '') {
      const octets = this.octetsOf(flow.names[plan.applicationName]!);
      application.read(octets, 0, octets.length);
      facts.hasApplication = true;
      return;
    }
    if (plan.applicationId >= 0) this.readApplicationId(flow, facts);
    else if (plan.l7Protocol >= 0) {
      application.read(this.digits, 0, writeInteger(this.digitsView, 0, words[plan.l7Protocol]!));
      facts.hasApplication = true;
    }
  }

  /** `engine:selector` (RFC 6759 section 4). */
  private readApplicationId({ words, view }: Flow, facts: FlowFacts): void {
    const { applicationId } = facts.plan;
    const at = words[applicationId]!;
    const length = words[applicationId + 1]!;
    if (length < 2 || length > 7 || at + length > view.byteLength) return;
    let selector = 0;
    for (let i = 1; i < length; i++) selector = selector * 256 + view.getUint8(at + i);
    let pos = writeInteger(this.digitsView, 0, view.getUint8(at));
    this.digits[pos++] = 0x3a;
    pos = writeInteger(this.digitsView, pos, selector);
    facts.application.read(this.digits, 0, pos);
    facts.hasApplication = true;
  }

  /** Names of options data are the same strings again and again: their octets are kept. */
  private octetsOf(name: string): Uint8Array {
    const last = name.length - 1;
    const at = (name.charCodeAt(0) + 31 * name.charCodeAt(last) + 7 * name.length + name.charCodeAt(last >> 1)) & 0xff;
    if (this.names[at] !== name) {
      this.names[at] = name;
      this.nameOctets[at] = Buffer.from(name, 'utf8');
    }
    return this.nameOctets[at]!;
  }
}
