import { type FieldName, SLOT } from '../flow/fields.ts';
import type { Flow } from '../flow/flow.ts';
import { fieldEntry, Layout } from '../flow/layout.ts';
import type { Origin } from '../flow/origin.ts';
import { type AgentFlow, END_REASONS } from './agent-flow.ts';
import type { FlowEnd } from './flow-end.ts';
import type { FlowOwner } from './flow-owner.ts';
import { fillOwner, OWNER_BITS, ownerEntries } from './owner-fields.ts';
import { RecordTexts } from './record-texts.ts';

/** Gives who has an end. */
export type OwnerOf = (end: FlowEnd) => FlowOwner;

const HAS_IPV6 = 1;
const HAS_OCTETS = 2;
const HAS_PACKETS = 4;
/** What the client's socket measured. */
const HAS_CLIENT_TCP = 8;
const HAS_SERVER_TCP = 16;
const IS_TRANSLATED = 32;
const IS_SOURCE_TRANSLATED = 64;
const BITS = 7;
const MAX_WORD = 0xffff_ffff;
const ALWAYS: readonly FieldName[] = [
  'sourcePort',
  'destinationPort',
  'protocol',
  'ipVersion',
  'startMs',
  'endMs',
  'samplingOrigin',
  'flowEndReason',
];
const CLIENT_TCP: readonly FieldName[] = [
  'serverRoundTripTime',
  'serverRoundTripVariance',
  'retransmittedPackets',
  'retransmittedOctets',
];
const SERVER_TCP: readonly FieldName[] = [
  'clientRoundTripTime',
  'clientRoundTripVariance',
  'reverseRetransmittedPackets',
  'reverseRetransmittedOctets',
];
const TWO_POW_32 = 4_294_967_296;

/** Turns flows of the agent into flow records, in one flow that is used again and again. */
export class AgentFlowRecord {
  private readonly record: RecordTexts;
  private readonly ownerOf: OwnerOf;
  private readonly layouts = new Map<number, Layout>();

  /** Records come from `origin`. */
  constructor(origin: Origin, withCommandLines: boolean, ownerOf: OwnerOf) {
    this.record = new RecordTexts(origin, withCommandLines);
    this.ownerOf = ownerOf;
  }

  /** The record of a flow as it stands, valid until the next; undefined where its addresses are none. */
  fill(from: AgentFlow, isLast: boolean): Flow | undefined {
    const { record, ownerOf } = this;
    const { flow } = record;
    const { words, times } = flow;
    const { client, server, forward, reverse } = from;
    record.start();
    const source = client === undefined ? server!.remoteAddress : client.localAddress;
    const destination = client === undefined ? server!.localAddress : client.remoteAddress;
    if (!record.addresses(source, destination)) return undefined;
    words[SLOT.sourcePort] = client === undefined ? server!.remotePort : client.localPort;
    words[SLOT.destinationPort] = client === undefined ? server!.localPort : client.remotePort;
    words[SLOT.protocol] = (client ?? server)!.protocol;
    times[SLOT.startMs] = Math.floor(Math.min(from.startMs, from.endMs));
    times[SLOT.endMs] = Math.floor(from.endMs);
    words[SLOT.samplingOrigin] = 0;
    words[SLOT.flowEndReason] = isLast ? from.endReason : END_REASONS.active;
    let bits = source.includes(':') ? HAS_IPV6 : 0;
    if (forward.octets >= 0 && reverse.octets >= 0) {
      bits |= HAS_OCTETS;
      this.long(SLOT.octets, forward.octets);
      this.long(SLOT.reverseOctets, reverse.octets);
    }
    if (forward.packets >= 0 && reverse.packets >= 0) {
      bits |= HAS_PACKETS;
      this.long(SLOT.packets, forward.packets);
      this.long(SLOT.reversePackets, reverse.packets);
    }
    // How long the server takes to acknowledge is what the client's socket measures, and the other way round.
    if (client?.tcp !== undefined) {
      bits |= HAS_CLIENT_TCP;
      words[SLOT.serverRoundTripTime] = word(client.tcp.roundTripUs);
      words[SLOT.serverRoundTripVariance] = word(client.tcp.roundTripVarianceUs);
      words[SLOT.retransmittedPackets] = word(forward.retransmittedPackets);
      words[SLOT.retransmittedOctets] = word(forward.retransmittedOctets);
    }
    if (server?.tcp !== undefined) {
      bits |= HAS_SERVER_TCP;
      words[SLOT.clientRoundTripTime] = word(server.tcp.roundTripUs);
      words[SLOT.clientRoundTripVariance] = word(server.tcp.roundTripVarianceUs);
      words[SLOT.reverseRetransmittedPackets] = word(reverse.retransmittedPackets);
      words[SLOT.reverseRetransmittedOctets] = word(reverse.retransmittedOctets);
    }
    if (client !== undefined && server !== undefined) bits |= this.translation(client, server);
    const sourceBits = fillOwner(record, 'source', client && ownerOf(client), true);
    const destinationBits = fillOwner(record, 'destination', server && ownerOf(server), true);
    flow.layout = this.layoutOf(bits, sourceBits, destinationBits);
    return flow;
  }

  /** Which of the ends was translated on the way. IPv4 alone is reported so: IPv6 is told by the addresses of the server's process. */
  private translation(client: FlowEnd, server: FlowEnd): number {
    const { words } = this.record.flow;
    let bits = 0;
    if (client.remoteAddress !== server.localAddress || client.remotePort !== server.localPort) {
      const address = this.record.ipv4(server.localAddress);
      if (address > 0) {
        bits |= IS_TRANSLATED;
        words[SLOT.postNatDestinationIPv4] = address;
        words[SLOT.postNaptDestinationPort] = server.localPort;
      }
    }
    if (client.localAddress !== server.remoteAddress || client.localPort !== server.remotePort) {
      const address = this.record.ipv4(server.remoteAddress);
      if (address > 0) {
        bits |= IS_SOURCE_TRANSLATED;
        words[SLOT.postNatSourceIPv4] = address;
        words[SLOT.postNaptSourcePort] = server.remotePort;
      }
    }
    return bits;
  }

  private long(slot: number, value: number): void {
    const { words } = this.record.flow;
    words[slot] = value / TWO_POW_32;
    words[slot + 1] = value % TWO_POW_32;
  }

  private layoutOf(bits: number, sourceBits: number, destinationBits: number): Layout {
    const key = bits | (sourceBits << BITS) | (destinationBits << (BITS + OWNER_BITS));
    let layout = this.layouts.get(key);
    if (layout === undefined) {
      layout = makeLayout(bits, sourceBits, destinationBits);
      this.layouts.set(key, layout);
    }
    return layout;
  }
}

function makeLayout(bits: number, sourceBits: number, destinationBits: number): Layout {
  const has = (bit: number): boolean => (bits & bit) !== 0;
  const fields: FieldName[] = [...ALWAYS];
  if (has(HAS_IPV6)) fields.push('sourceIPv6', 'destinationIPv6');
  else fields.push('sourceIPv4', 'destinationIPv4');
  if (has(HAS_OCTETS)) fields.push('octets', 'reverseOctets');
  if (has(HAS_PACKETS)) fields.push('packets', 'reversePackets');
  if (has(HAS_CLIENT_TCP)) fields.push(...CLIENT_TCP);
  if (has(HAS_SERVER_TCP)) fields.push(...SERVER_TCP);
  if (has(IS_SOURCE_TRANSLATED)) fields.push('postNatSourceIPv4', 'postNaptSourcePort');
  if (has(IS_TRANSLATED)) fields.push('postNatDestinationIPv4', 'postNaptDestinationPort');
  return new Layout('flow', [
    ...fields.map((field) => fieldEntry(field)),
    ...ownerEntries('source', sourceBits),
    ...ownerEntries('destination', destinationBits),
  ]);
}

/** A count as one word; 0 where it is unknown. */
function word(value: number): number {
  return value < 0 ? 0 : Math.min(value, MAX_WORD);
}
