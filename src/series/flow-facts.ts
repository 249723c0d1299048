import type { FlowPlan } from './flow-plan.ts';
import type { SeededHash } from './seeded-hash.ts';
import { AMOUNTS } from './step-window.ts';
import { TagText } from './tag-text.ts';

/** Source of a flow, as index of an end. */
export const SOURCE = 0;
/** Destination of a flow. */
export const DESTINATION = 1;

/** Octets of an end's address; those of IPv4 are in the first word. */
const ADDRESS_OCTETS = 16;

/**
 * What series take from a flow, read once by a {@link FactsReader}: numbers, texts, and keys of what it is about. Nothing of it
 * lies in the flow, which may be gone when it is counted.
 */
export class FlowFacts {
  /** What records of the flow's layout have. */
  plan!: FlowPlan;
  /** Address of the Exporter as text, empty for a probe's own flows. */
  exporterAddress = '';
  /** Who reports the flow, as a number; 0 where that does not matter. */
  reporter = 0;
  /** Who opened the connection, as far as the record tells: `CLIENT_UNKNOWN` and so on. */
  client = 0;
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
  /** Flags of the source's packets, where the record has them. */
  tcpFlags = 0;
  /** 0 into the Exporter, 1 out of it (element 61), -1 where the record does not say. */
  direction = -1;
  /** Type of service or traffic class, -1 for none. */
  tos = -1;
  /** -1 for none. */
  icmpType = -1;
  /** Indices of the interfaces, -1 for none. */
  input = -1;
  output = -1;
  /** Numbers of the autonomous systems, 0 for none. */
  sourceAs = 0;
  destinationAs = 0;
  /** 0 for none. */
  observationPoint = 0;
  /** Packets sent again, from the source and to it. */
  retransmittedIn = 0;
  retransmittedOut = 0;
  /** Packets out of order, from the source and to it. */
  outOfOrderIn = 0;
  outOfOrderOut = 0;
  isSampled = false;
  /** Whether both ends have an address. */
  hasAddresses = false;
  /** Addresses of the ends: the first word of four is that of IPv4. */
  readonly addressWords = new Uint32Array((2 * ADDRESS_OCTETS) / 4);
  /** The same as octets, which IPv6 has in network order. */
  readonly addressView = new DataView(this.addressWords.buffer);
  /** Halves of the keys of the ends' addresses. */
  readonly addressFirst = new Int32Array(2);
  readonly addressSecond = new Int32Array(2);
  /** The same with the VLAN: keys of the ends as hosts. */
  readonly hostFirst = new Int32Array(2);
  readonly hostSecond = new Int32Array(2);
  /** Rows of the ends as hosts, as far as {@link HostSeries.fetch} has found them; -1 for none. */
  readonly hostRows = new Int32Array(2);
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
  /** Its number, or -1. */
  applicationNumber = -1;

  /** Names are hashed by `hash`. */
  constructor(hash: SeededHash) {
    this.application = new TagText(hash);
  }
}

/** First word of an end's address in {@link FlowFacts.addressWords}. */
export function addressSlot(end: number): number {
  return (end * ADDRESS_OCTETS) / 4;
}

/** First octet of an end's address in {@link FlowFacts.addressView}. */
export function addressPosition(end: number): number {
  return end * ADDRESS_OCTETS;
}

/** Whether the source of a record is the server: by TCP's handshake, else the lower port is the server's. */
export function isFromServer({ protocol, tcpFlags, sourcePort, destinationPort }: FlowFacts): boolean {
  if (protocol !== 6) return false;
  const isOpening = (tcpFlags & 0x12) === 0x02;
  return !isOpening && sourcePort < destinationPort;
}
