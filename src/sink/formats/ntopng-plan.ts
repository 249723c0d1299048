import { reportsBothWays } from '../../flow/both-ways.ts';
import { type FieldName, SLOT } from '../../flow/fields.ts';
import {
  type ArrayEntry,
  type ElementEntry,
  type ElementValue,
  type FieldEntry,
  fieldEntry,
  type Layout,
  type LayoutEntry,
} from '../../flow/layout.ts';
import { elementKey, type FeedKey, fieldKey, freeName, NTOPNG } from './ntopng-keys.ts';

/**
 * How a value goes into a flow record for ntopng:
 * - `unsigned`: a word; `long`: two words; `scaledLong`: the same times the sampling interval
 * - `counter`: one of the record's four deltas, which the caller has scaled and split
 * - `seconds`: a time in whole seconds; `exportSeconds`: that of the datagram
 * - `ipv4Number`: an address as a number; `ipv4`, `ipv6`, `mac`, `application`: as text
 * - `text`, `name`: left out when empty
 * - `l7`: nDPI's numbers of the application and what carries it, `91.126`, or of the application alone
 * - `choice`: one of `texts`; left out when there is none for the value
 * - `duration`: microseconds as milliseconds, a fraction; left out when 0; `halfDuration`: half of that
 * - `element`: an element's octets, as `value` says; `array`: several of them, as one text
 */
export interface FeedStep {
  readonly kind:
    | 'unsigned'
    | 'long'
    | 'scaledLong'
    | 'counter'
    | 'seconds'
    | 'exportSeconds'
    | 'ipv4Number'
    | 'ipv4'
    | 'ipv6'
    | 'mac'
    | 'application'
    | 'text'
    | 'name'
    | 'l7'
    | 'choice'
    | 'duration'
    | 'halfDuration'
    | 'element'
    | 'array';
  readonly key: FeedKey;
  /** First word, index in `Flow.times` or `Flow.names`, or number of the counter. */
  readonly slot: number;
  /** Octets that the value never exceeds; for an element its length, -1 when the word behind its position holds it. */
  readonly length: number;
  /** Left out when 0. */
  readonly optional: boolean;
  /** Left out when the record is of the other IP version; 0 for always there. */
  readonly ipVersion: 0 | 4 | 6;
  readonly texts: readonly string[];
  readonly value: ElementValue;
  /** Elements of an array. */
  readonly items: readonly ElementEntry[];
}

/** Deltas of a record: octets and packets, then those of the other direction. */
export const COUNTER_FIELDS = ['octets', 'packets', 'reverseOctets', 'reversePackets'] as const;

/** What a layout's records for ntopng hold, besides what is the same for all of an Exporter. */
export interface FeedPlan {
  readonly steps: readonly FeedStep[];
  /** First words of the four {@link COUNTER_FIELDS}, -1 for those that are missing. */
  readonly counterSlots: readonly number[];
  /** Word of the sampling interval, -1 for none. */
  readonly samplingSlot: number;
  /** Whether a record may hold addresses of both IP versions, of which one is sent. */
  readonly isDualStack: boolean;
  /** Word of the IP version, -1 for none. */
  readonly ipVersionSlot: number;
}

/** Words of RFC 5102 section 5.11.3: ntopng shows this field as text. */
const FLOW_END_REASONS = [
  '',
  'idle timeout',
  'active timeout',
  'end of flow detected',
  'forced end',
  'lack of resources',
];

/** Fields that are said otherwise, or make no sense once counters are scaled, or are times under names that ntopng does not know. */
const LEFT_OUT: ReadonlySet<string> = new Set<FieldName>([
  'samplingInterval',
  'samplingOrigin',
  'l7MasterProtocol',
  'reverseStartMs',
  'reverseEndMs',
]);

const NONE: readonly never[] = [];

/** The steps by which records of a layout are written. */
export function planFeed(layout: Layout): FeedPlan {
  const slotOf = (field: FieldName): number => (layout.has(field) ? SLOT[field] : -1);
  const isDualStack =
    (layout.has('sourceIPv4') || layout.has('destinationIPv4')) &&
    (layout.has('sourceIPv6') || layout.has('destinationIPv6'));
  const isProbe = reportsBothWays(layout);
  const steps: FeedStep[] = [];
  const taken = new Set<FeedKey>();
  const push = (entry: LayoutEntry): void => {
    const step = entryStep(entry, isDualStack, isProbe, layout.has('l7MasterProtocol'));
    if (step === undefined || taken.has(step.key)) return;
    taken.add(step.key);
    steps.push(step);
  };
  for (const entry of layout.entries) {
    // The first of several values is the flow's own: of what ntopng understands, it takes no other.
    if (entry.kind === 'array' && entry.field !== undefined && freeName(entry.ntop) === undefined) {
      push(fieldEntry(entry.field));
    }
    push(entry);
  }
  steps.push(...missingTimes(layout));
  if (layout.has('tcpFlags') && !layout.has('clientTcpFlags')) {
    // Without them ntopng guesses from the ports who is the client, and swaps the peers.
    steps.push(step('unsigned', NTOPNG.clientTcpFlags, SLOT.tcpFlags, { length: 2 }));
  }
  steps.push(...missingLatency(layout));
  const counters: readonly FieldName[] = isProbe ? ['octets', 'packets', 'postOctets', 'postPackets'] : COUNTER_FIELDS;
  const counterSlots = counters.map(slotOf);
  // ntopng passes over the octets of a direction without packets.
  if (counterSlots[0]! >= 0 && counterSlots[1]! < 0) steps.push(step('counter', NTOPNG.inPackets, 1));
  if (counterSlots[2]! >= 0 && counterSlots[3]! < 0) steps.push(step('counter', NTOPNG.outPackets, 3));
  return {
    steps,
    counterSlots,
    samplingSlot: slotOf('samplingInterval'),
    isDualStack,
    ipVersionSlot: slotOf('ipVersion'),
  };
}

function step(kind: FeedStep['kind'], key: FeedKey, slot: number, rest: Partial<FeedStep> = {}): FeedStep {
  return {
    kind,
    key,
    slot,
    length: 8,
    optional: false,
    ipVersion: 0,
    texts: NONE,
    value: 'unsigned',
    items: NONE,
    ...rest,
  };
}

function entryStep(
  entry: LayoutEntry,
  isDualStack: boolean,
  isProbe: boolean,
  carriesMaster: boolean,
): FeedStep | undefined {
  switch (entry.kind) {
    case 'field':
      return fieldStep(entry, isDualStack, isProbe, carriesMaster);
    case 'element': {
      const key = elementKey(entry.enterpriseNumber, entry.elementId, entry.ntop, entry.iana);
      if (key === undefined) return undefined;
      return step('element', key, entry.positionSlot, { length: entry.length, value: entry.value });
    }
    default:
      return arrayStep(entry);
  }
}

function arrayStep({ ntop, iana, items }: ArrayEntry): FeedStep | undefined {
  const { enterpriseNumber, elementId } = items[0]!;
  const key = enterpriseNumber === 0 ? freeName(ntop, iana) : elementKey(enterpriseNumber, elementId, ntop, iana);
  return key === undefined ? undefined : step('array', key, 0, { items });
}

const ADDRESS_VERSION: Readonly<Partial<Record<FieldName, 4 | 6>>> = {
  sourceIPv4: 4,
  destinationIPv4: 4,
  sourceIPv6: 6,
  destinationIPv6: 6,
};

/** Counters that are scaled but no deltas of the flow's own. */
const SCALED: ReadonlySet<string> = new Set<FieldName>(['postOctets', 'postPackets']);

function fieldStep(
  { field, optional, maxOctets }: FieldEntry,
  isDualStack: boolean,
  isProbe: boolean,
  carriesMaster: boolean,
): FeedStep | undefined {
  const name = field.field as FieldName;
  if (LEFT_OUT.has(name)) return undefined;
  if (isProbe && name === 'postOctets') return step('counter', NTOPNG.outOctets, 2);
  if (isProbe && name === 'postPackets') return step('counter', NTOPNG.outPackets, 3);
  const key = fieldKey(name, field.ntop, field.iana);
  if (key === undefined) return undefined;
  const slot = SLOT[name];
  const ipVersion = isDualStack ? (ADDRESS_VERSION[name] ?? 0) : 0;
  const counter = (COUNTER_FIELDS as readonly string[]).indexOf(name);
  if (counter >= 0) return step('counter', key, counter);
  if (name === 'l7Protocol' && carriesMaster) return step('l7', key, slot);
  if (name === 'flowEndReason') return step('choice', key, slot, { texts: FLOW_END_REASONS });
  switch (field.type) {
    case 'u64':
      return step(SCALED.has(name) ? 'scaledLong' : 'long', key, slot, { optional });
    case 'time':
      return step('seconds', key, slot);
    case 'ipv4':
      // The flow's own addresses may be numbers, which are shorter; elsewhere ntopng shows what it gets.
      return step(ADDRESS_VERSION[name] === undefined ? 'ipv4' : 'ipv4Number', key, slot, { ipVersion });
    case 'ipv6':
      return step('ipv6', key, slot, { ipVersion });
    case 'mac':
    case 'text':
    case 'application':
    case 'name':
    case 'duration':
      return step(field.type, key, slot);
    case 'choice':
      return step('choice', key, slot, { texts: field.choices ?? NONE });
    default:
      return step('unsigned', key, slot, { optional, length: maxOctets <= 2 ? maxOctets : 4 });
  }
}

/** ntopng takes the times of a flow from its record alone: what is missing is the other one, or the datagram's. */
function missingTimes(layout: Layout): FeedStep[] {
  const [hasStart, hasEnd] = [layout.has('startMs'), layout.has('endMs')];
  const steps: FeedStep[] = [];
  if (!hasStart) {
    steps.push(
      hasEnd ? step('seconds', NTOPNG.firstSwitched, SLOT.endMs) : step('exportSeconds', NTOPNG.firstSwitched, 0),
    );
  }
  if (!hasEnd) {
    steps.push(
      hasStart ? step('seconds', NTOPNG.lastSwitched, SLOT.startMs) : step('exportSeconds', NTOPNG.lastSwitched, 0),
    );
  }
  return steps;
}

/**
 * ntopng knows round-trip times as what ntop's probes tell: half of them to each end. Who measured no handshake, as sockets of an agent, has one
 * for both: the client's, else the server's.
 */
function missingLatency(layout: Layout): FeedStep[] {
  if (layout.has('clientNetworkLatency') || layout.has('serverNetworkLatency')) return [];
  if (layout.has('serverRoundTripTime')) return [step('halfDuration', NTOPNG.serverLatency, SLOT.serverRoundTripTime)];
  if (layout.has('clientRoundTripTime')) return [step('halfDuration', NTOPNG.clientLatency, SLOT.clientRoundTripTime)];
  return [];
}
