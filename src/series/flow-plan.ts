import { reportsBothWays } from '../flow/both-ways.ts';
import { FIELD_BY_NAME, type FieldName, SLOT } from '../flow/fields.ts';
import type { Flow } from '../flow/flow.ts';
import type { Layout } from '../flow/layout.ts';

/** Where the octets of an element without a flow field are told, or the number of one with a field is. */
export interface ElementPlace {
  /** Word of their position, or of the number; -1 where the layout has neither. */
  readonly slot: number;
  /** Octets, -1 where the next word has them; {@link IN_WORD} or {@link IN_MICROSECONDS} for a number. */
  readonly length: number;
  /** Whether they are a floating-point number. */
  readonly isFloat: boolean;
}

/** Where records of a layout have what series are made of: words, times and names, -1 for none. */
export interface FlowPlan {
  /** Whether records are flows, or events, which have no octets but may tell of containers. */
  readonly kind: 'flow' | 'event' | 'other';
  /** Octets, packets, and those of the other direction. */
  readonly amounts: readonly [number, number, number, number];
  readonly sampling: number;
  readonly start: number;
  readonly end: number;
  readonly sourceIPv4: number;
  readonly destinationIPv4: number;
  readonly sourceIPv6: number;
  readonly destinationIPv6: number;
  readonly ipVersion: number;
  readonly protocol: number;
  readonly sourcePort: number;
  readonly destinationPort: number;
  readonly tcpFlags: number;
  readonly clientTcpFlags: number;
  readonly serverTcpFlags: number;
  readonly tos: number;
  readonly icmpType: number;
  readonly input: number;
  readonly output: number;
  readonly vlan: number;
  readonly direction: number;
  readonly sourceAs: number;
  readonly destinationAs: number;
  readonly sourceIdIndex: number;
  /** Text of nDPI's name. */
  readonly l7ProtocolName: number;
  /** Name from options data. */
  readonly applicationName: number;
  /** Name in the record itself (element 96). */
  readonly applicationText: ElementPlace;
  /** Octets of engine and selector. */
  readonly applicationId: number;
  /** nDPI's number. */
  readonly l7Protocol: number;
  readonly sourceContainer: number;
  readonly destinationContainer: number;
  readonly sourcePod: number;
  readonly destinationPod: number;
  /** Round-trip times as sockets measured them: that of the client's, then that of the server's. */
  readonly serverRoundTripTime: number;
  readonly serverRoundTripVariance: number;
  readonly clientRoundTripTime: number;
  readonly clientRoundTripVariance: number;
  readonly retransmittedIn: ElementPlace;
  readonly retransmittedOut: ElementPlace;
  readonly outOfOrderIn: ElementPlace;
  readonly outOfOrderOut: ElementPlace;
  readonly clientLatency: ElementPlace;
  readonly serverLatency: ElementPlace;
  readonly observationPoint: ElementPlace;
  readonly sourceCountry: ElementPlace;
  readonly destinationCountry: ElementPlace;
  /** Whether any of ntop's TCP elements is there. */
  readonly hasTcpStatistics: boolean;
  /** Whether any of the two latencies is there. */
  readonly hasLatency: boolean;
}

const NOWHERE: ElementPlace = { slot: -1, length: 0, isFloat: false };
/** The number is in the word itself. */
const IN_WORD = -2;
/** A number of milliseconds is in the word, as microseconds. */
const IN_MICROSECONDS = -3;

/** Looks the places up. */
export function planFlow(layout: Layout): FlowPlan {
  const slotOf = (...names: readonly FieldName[]): number => {
    const name = names.find((candidate) => layout.has(candidate));
    return name === undefined ? -1 : SLOT[name];
  };
  const element = (...names: readonly string[]): ElementPlace => {
    for (const entry of layout.entries) {
      const first = entry.kind === 'array' ? entry.items[0] : entry;
      if (first?.kind === 'element' && (names.includes(first.ntop) || names.includes(first.iana))) {
        return { slot: first.positionSlot, length: first.length, isFloat: first.value === 'float' };
      }
    }
    return NOWHERE;
  };
  const number = (name: FieldName): ElementPlace => {
    const { ntop, type } = FIELD_BY_NAME.get(name)!;
    if (!layout.has(name)) return element(ntop);
    return { slot: SLOT[name], length: type === 'duration' ? IN_MICROSECONDS : IN_WORD, isFloat: false };
  };
  const isProbe = reportsBothWays(layout);
  const { recordType } = layout;
  const plan = {
    kind: recordType === 'flow' || recordType === 'event' ? recordType : ('other' as const),
    amounts: [
      slotOf('octets'),
      slotOf('packets'),
      isProbe ? SLOT.postOctets : slotOf('reverseOctets'),
      isProbe ? slotOf('postPackets') : slotOf('reversePackets'),
    ] as const,
    sampling: slotOf('samplingInterval'),
    start: slotOf('startMs'),
    end: slotOf('endMs'),
    sourceIPv4: slotOf('sourceIPv4'),
    destinationIPv4: slotOf('destinationIPv4'),
    sourceIPv6: slotOf('sourceIPv6'),
    destinationIPv6: slotOf('destinationIPv6'),
    ipVersion: slotOf('ipVersion'),
    protocol: slotOf('protocol'),
    sourcePort: slotOf('sourcePort'),
    destinationPort: slotOf('destinationPort'),
    tcpFlags: slotOf('tcpFlags'),
    clientTcpFlags: slotOf('clientTcpFlags'),
    serverTcpFlags: slotOf('serverTcpFlags'),
    tos: slotOf('tos'),
    icmpType: slotOf('icmpType', 'icmpTypeIPv6'),
    input: slotOf('inputInterface'),
    output: slotOf('outputInterface'),
    vlan: slotOf('vlan', 'dot1qVlan'),
    direction: slotOf('direction'),
    sourceAs: slotOf('sourceAs'),
    destinationAs: slotOf('destinationAs'),
    sourceIdIndex: slotOf('sourceIdIndex'),
    l7ProtocolName: slotOf('l7ProtocolName'),
    applicationName: slotOf('applicationName'),
    applicationText: element('APPLICATION_NAME', 'applicationName'),
    applicationId: slotOf('applicationId'),
    l7Protocol: slotOf('l7Protocol'),
    sourceContainer: slotOf('sourceContainerId'),
    destinationContainer: slotOf('destinationContainerId'),
    sourcePod: slotOf('sourcePodName'),
    destinationPod: slotOf('destinationPodName'),
    serverRoundTripTime: slotOf('serverRoundTripTime'),
    serverRoundTripVariance: slotOf('serverRoundTripVariance'),
    clientRoundTripTime: slotOf('clientRoundTripTime'),
    clientRoundTripVariance: slotOf('clientRoundTripVariance'),
    retransmittedIn: number('retransmittedPackets'),
    retransmittedOut: number('reverseRetransmittedPackets'),
    outOfOrderIn: number('outOfOrderPackets'),
    outOfOrderOut: number('reverseOutOfOrderPackets'),
    clientLatency: number('clientNetworkLatency'),
    serverLatency: number('serverNetworkLatency'),
    observationPoint: element('OBSERVATION_POINT_ID', 'observationPointId'),
    sourceCountry: element('SRC_IP_COUNTRY'),
    destinationCountry: element('DST_IP_COUNTRY'),
  };
  const { retransmittedIn, retransmittedOut, outOfOrderIn, outOfOrderOut } = plan;
  return {
    ...plan,
    hasTcpStatistics: [retransmittedIn, retransmittedOut, outOfOrderIn, outOfOrderOut].some(({ slot }) => slot >= 0),
    hasLatency: plan.clientLatency.slot >= 0 || plan.serverLatency.slot >= 0,
  };
}

/** Octets of an element of a flow. */
export function elementLength({ words }: Flow, { slot, length }: ElementPlace): number {
  return length >= 0 ? length : words[slot + 1]!;
}

/** Value of an element: a number of up to 8 octets, or a float, or that of its field; 0 where it is none. */
export function elementNumber(flow: Flow, place: ElementPlace): number {
  if (place.slot < 0) return 0;
  if (place.length === IN_WORD) return flow.words[place.slot]!;
  if (place.length === IN_MICROSECONDS) return flow.words[place.slot]! / 1000;
  const length = elementLength(flow, place);
  const { view } = flow;
  const at = flow.words[place.slot]!;
  if (length < 1 || length > 8 || at + length > view.byteLength) return 0;
  if (place.isFloat) {
    const float = length === 8 ? view.getFloat64(at) : length === 4 ? view.getFloat32(at) : 0;
    return Number.isFinite(float) && float > 0 ? float : 0;
  }
  let value = 0;
  for (let i = 0; i < length; i++) value = value * 256 + view.getUint8(at + i);
  return value;
}
