import type { FlowPlan } from './flow-plan.ts';
import type { SeededHash } from './seeded-hash.ts';
import { AMOUNTS } from './step-window.ts';
import { TagText } from './tag-text.ts';

/**
 * Flows that are counted together: what each needs of the large tables lies anywhere in them, and the processor waits for many
 * places at once where it would wait for one after the other.
 */
export const BATCH = 32;

/** Source of a flow, as index of an end. */
export const SOURCE = 0;
/** Destination of a flow. */
export const DESTINATION = 1;

/** Octets of an IPv6 address. */
const ADDRESS_OCTETS = 16;

/** One end of a flow. */
export class FlowEnd {
  /** Index of its local network, or -1. */
  network = -1;
  /** Its row as a host, as far as {@link HostSeries.fetch} has found it; -1 for none. */
  hostRow = -1;
  /** Halves of the key of its address with the VLAN: that of the host. */
  hostFirst = 0;
  hostSecond = 0;
  /** The same without the VLAN. */
  addressFirst = 0;
  addressSecond = 0;
  /** Its IPv4 address, as a signed word. */
  ipv4 = 0;
  /** Its IPv6 address. */
  readonly ipv6 = new DataView(new ArrayBuffer(ADDRESS_OCTETS));
}

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
  /** Class of the type of service or traffic class, as a small number; -1 for none. */
  dscpClass = -1;
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
  readonly source = new FlowEnd();
  readonly destination = new FlowEnd();
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

/** Whether the source of a record is the server: by TCP's handshake, else the lower port is the server's. */
export function isFromServer({ protocol, tcpFlags, sourcePort, destinationPort }: FlowFacts): boolean {
  if (protocol !== 6) return false;
  const isOpening = (tcpFlags & 0x12) === 0x02;
  return !isOpening && sourcePort < destinationPort;
}
