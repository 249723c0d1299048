import { writeInteger } from '../bytes/digits.ts';
import type { Flow } from '../flow/flow.ts';
import { elementLength, type FlowPlan, planFlow } from './flow-plan.ts';
import type { LocalNetworks } from './local-networks.ts';
import type { SeededHash } from './seeded-hash.ts';
import { AMOUNTS, SLACK_MS } from './step-window.ts';
import { TagText } from './tag-text.ts';

/** Source of a flow, as index of an end. */
export const SOURCE = 0;
/** Destination of a flow. */
export const DESTINATION = 1;

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
/** And the protocol. */
const CONVERSATION_KIND = 1024;

/** What series take from a flow, read once: numbers, and keys of what it is about. Overwritten by the next. */
export class FlowFacts {
  /** What records of the flow's layout have. */
  plan!: FlowPlan;
  /** Octets, packets, and those of the other direction, scaled by sampling. */
  readonly amounts = new Float64Array(AMOUNTS);
  /** Start and end, Unix milliseconds, of which the clock is sure. */
  readonly times = new Float64Array(2);
  /** 4, 6 or 0. */
  ipVersion = 0;
  protocol = -1;
  /** 0 for none. */
  vlan = 0;
  sourcePort = 0;
  destinationPort = 0;
  /** Flags of the source's packets, where `hasTcpFlags`. */
  tcpFlags = 0;
  isSampled = false;
  /** Whether both ends have an address. */
  hasAddresses = false;
  /** Words (IPv4) or positions (IPv6) of the ends' addresses. */
  readonly addressSlots = new Int32Array(2);
  /** Halves of the keys of the ends' addresses. */
  readonly addressFirst = new Int32Array(2);
  readonly addressSecond = new Int32Array(2);
  /** The same with the VLAN: keys of the ends as hosts. */
  readonly hostFirst = new Int32Array(2);
  readonly hostSecond = new Int32Array(2);
  /** Index of the local network of each end, or -1. */
  readonly networks = new Int32Array(2);
  /** Key of the conversation. */
  conversationFirst = 0;
  conversationSecond = 0;
  /** Which end of the conversation the source is: 0 the lower one. */
  sourceEnd = 0;
  /** Whether the destination is a multicast or broadcast address. */
  isMulticast = false;
  hasApplication = false;
  /** Name of the application, where `hasApplication`. */
  readonly application: TagText;
  /** Flows whose end was ahead of the clock by over a minute. */
  flowsAhead = 0;
  /** Flows of more than a day or a petabyte. */
  flowsImplausible = 0;
  private readonly hash: SeededHash;
  private readonly local: LocalNetworks;
  private readonly spread: boolean;
  private readonly plans = new WeakMap<object, FlowPlan>();
  private layout: object | undefined;
  private readonly digits = new Uint8Array(64);
  private readonly digitsView = new DataView(this.digits.buffer);
  private readonly names: string[] = new Array<string>(NAMES_KEPT).fill('');
  private readonly nameOctets: Uint8Array[] = new Array<Uint8Array>(NAMES_KEPT).fill(new Uint8Array(0));

  /** Keys are made by `hash`; without `spread` a flow starts when it ends. */
  constructor(hash: SeededHash, local: LocalNetworks, spread: boolean) {
    this.hash = hash;
    this.local = local;
    this.spread = spread;
    this.application = new TagText(hash);
  }

  /** Takes the layout: {@link FlowFacts.plan} is the flow's then. */
  select(flow: Flow): void {
    const { layout } = flow;
    if (layout === this.layout) return;
    this.layout = layout;
    let plan = this.plans.get(layout);
    if (plan === undefined) {
      plan = planFlow(layout);
      this.plans.set(layout, plan);
    }
    this.plan = plan;
  }

  /** Reads a flow. False where it is left out, which is counted. */
  read(flow: Flow, nowMs: number): boolean {
    const { plan } = this;
    const { words } = flow;
    if (!this.readAmounts(words)) return false;
    this.readTimes(flow, nowMs);
    this.protocol = plan.protocol < 0 ? -1 : words[plan.protocol]!;
    this.sourcePort = plan.sourcePort < 0 ? 0 : words[plan.sourcePort]!;
    this.destinationPort = plan.destinationPort < 0 ? 0 : words[plan.destinationPort]!;
    this.vlan = plan.vlan < 0 ? 0 : words[plan.vlan]! & 0xfff;
    const flags = plan.clientTcpFlags >= 0 ? plan.clientTcpFlags : plan.tcpFlags;
    this.tcpFlags = flags < 0 ? 0 : words[flags]!;
    this.readAddresses(flow);
    this.readApplication(flow);
    return true;
  }

  private readAmounts(words: Uint32Array): boolean {
    const { plan, amounts } = this;
    const sampling = plan.sampling < 0 ? 1 : words[plan.sampling]!;
    this.isSampled = sampling > 1;
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

  private readTimes({ times, origin }: Flow, nowMs: number): void {
    const { plan } = this;
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
    this.times[0] = this.spread ? start : end;
    this.times[1] = end;
  }

  private readAddresses(flow: Flow): void {
    const { plan } = this;
    const { words, view } = flow;
    const hasFour = plan.sourceIPv4 >= 0 && plan.destinationIPv4 >= 0;
    const hasSix = plan.sourceIPv6 >= 0 && plan.destinationIPv6 >= 0;
    this.hasAddresses = false;
    this.isMulticast = false;
    this.ipVersion = plan.ipVersion < 0 ? 0 : words[plan.ipVersion]!;
    if (this.ipVersion !== 4 && this.ipVersion !== 6) {
      if (plan.sourceIPv4 < 0 && plan.destinationIPv4 < 0) {
        this.ipVersion = plan.sourceIPv6 >= 0 || plan.destinationIPv6 >= 0 ? 6 : 0;
      } else if (plan.sourceIPv6 < 0 && plan.destinationIPv6 < 0) this.ipVersion = 4;
      else this.ipVersion = hasFour && words[plan.sourceIPv4] === 0 && words[plan.destinationIPv4] === 0 ? 6 : 4;
    }
    if (this.ipVersion === 4 && hasFour) {
      this.takeFour(SOURCE, words, plan.sourceIPv4);
      this.takeFour(DESTINATION, words, plan.destinationIPv4);
      const destination = words[plan.destinationIPv4]!;
      this.isMulticast = destination >>> 28 === 0xe || destination === 0xffff_ffff;
    } else if (this.ipVersion === 6 && hasSix) {
      const source = words[plan.sourceIPv6]!;
      const destination = words[plan.destinationIPv6]!;
      if (source + 16 > view.byteLength || destination + 16 > view.byteLength) {
        this.takeNoAddresses();
        return;
      }
      this.takeSix(SOURCE, view, source);
      this.takeSix(DESTINATION, view, destination);
      this.isMulticast = view.getUint8(destination) === 0xff;
    } else {
      this.takeNoAddresses();
      return;
    }
    this.hasAddresses = true;
    this.makeConversationKey();
  }

  /** Containers' flows are told apart by their ports then. */
  private takeNoAddresses(): void {
    const { hash, networks } = this;
    networks[SOURCE] = -1;
    networks[DESTINATION] = -1;
    this.sourceEnd = 0;
    hash.start(CONVERSATION_KIND + this.protocol);
    hash.word((this.sourcePort << 16) | this.destinationPort);
    hash.end();
    this.conversationFirst = hash.first;
    this.conversationSecond = hash.second;
  }

  private takeFour(end: number, words: Uint32Array, slot: number): void {
    const { hash } = this;
    const address = words[slot]! | 0;
    hash.start(IPV4_KIND);
    hash.word(address);
    hash.end();
    this.addressSlots[end] = slot;
    this.networks[end] = this.local.find4(address);
    this.takeKey(end);
  }

  private takeSix(end: number, view: DataView, at: number): void {
    const { hash } = this;
    hash.start(IPV6_KIND);
    for (let i = at; i < at + 16; i += 4) hash.word(view.getInt32(i));
    hash.end();
    this.addressSlots[end] = at;
    this.networks[end] = this.local.find6(view, at);
    this.takeKey(end);
  }

  private takeKey(end: number): void {
    const { hash, vlan } = this;
    this.addressFirst[end] = hash.first;
    this.addressSecond[end] = hash.second;
    if (vlan !== 0) {
      hash.resume(hash.first, hash.second + VLAN_KIND);
      hash.word(vlan);
      hash.end();
    }
    this.hostFirst[end] = hash.first;
    this.hostSecond[end] = hash.second;
  }

  /** The same for both directions, and whatever VLAN or Exporter. */
  private makeConversationKey(): void {
    const { hash, addressFirst, addressSecond, sourcePort, destinationPort } = this;
    const bySecond = addressSecond[SOURCE]! - addressSecond[DESTINATION]!;
    const order = addressFirst[SOURCE]! - addressFirst[DESTINATION]! || bySecond || sourcePort - destinationPort;
    this.sourceEnd = order <= 0 ? 0 : 1;
    const lower = order <= 0 ? SOURCE : DESTINATION;
    hash.start(CONVERSATION_KIND + this.protocol);
    hash.word(addressFirst[lower]!);
    hash.word(addressSecond[lower]!);
    hash.word(addressFirst[1 - lower]!);
    hash.word(addressSecond[1 - lower]!);
    hash.word(order <= 0 ? (sourcePort << 16) | destinationPort : (destinationPort << 16) | sourcePort);
    hash.end();
    this.conversationFirst = hash.first;
    this.conversationSecond = hash.second;
  }

  /** What the exporter calls it, else its numbers. */
  private readApplication(flow: Flow): void {
    const { plan, application } = this;
    const { words, bytes } = flow;
    this.hasApplication = false;
    if (plan.l7ProtocolName >= 0) {
      const at = words[plan.l7ProtocolName]!;
      const length = words[plan.l7ProtocolName + 1]!;
      if (length > 0 && bytes[at] !== 0) {
        application.read(bytes, at, length);
        this.hasApplication = true;
        return;
      }
    }
    if (plan.applicationText.slot >= 0) {
      const at = words[plan.applicationText.slot]!;
      const length = elementLength(flow, plan.applicationText);
      if (length > 0 && bytes[at] !== 0) {
        application.read(bytes, at, length);
        this.hasApplication = true;
        return;
      }
    }
    if (plan.applicationName >= 0 && flow.names[plan.applicationName] !== '') {
      const octets = this.octetsOf(flow.names[plan.applicationName]!);
      application.read(octets, 0, octets.length);
      this.hasApplication = true;
      return;
    }
    if (plan.applicationId >= 0) this.readApplicationId(flow);
    else if (plan.l7Protocol >= 0) {
      application.read(this.digits, 0, writeInteger(this.digitsView, 0, words[plan.l7Protocol]!));
      this.hasApplication = true;
    }
  }

  /** `engine:selector` (RFC 6759 section 4). */
  private readApplicationId({ words, view }: Flow): void {
    const at = words[this.plan.applicationId]!;
    const length = words[this.plan.applicationId + 1]!;
    if (length < 2 || length > 7 || at + length > view.byteLength) return;
    let selector = 0;
    for (let i = 1; i < length; i++) selector = selector * 256 + view.getUint8(at + i);
    let pos = writeInteger(this.digitsView, 0, view.getUint8(at));
    this.digits[pos++] = 0x3a;
    pos = writeInteger(this.digitsView, pos, selector);
    this.application.read(this.digits, 0, pos);
    this.hasApplication = true;
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

/** Whether the source of a record is the server: by TCP's handshake, else the lower port is the server's. */
export function isFromServer({ protocol, tcpFlags, sourcePort, destinationPort }: FlowFacts): boolean {
  if (protocol !== 6) return false;
  const isOpening = (tcpFlags & 0x12) === 0x02;
  return !isOpening && sourcePort < destinationPort;
}
