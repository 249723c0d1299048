import { SLOT } from '../../flow/fields.ts';
import type { Flow } from '../../flow/flow.ts';
import type { ApplicationDetector } from '../application-detector.ts';
import { ApplicationLayouts, clearGroup, groupOf } from './application-layouts.ts';
import { ApplicationNames, MAX_NAME_OCTETS } from './application-names.ts';
import {
  CONFIDENCE_ADDRESS,
  CONFIDENCE_PAYLOAD,
  CONFIDENCE_PORT,
  CONFIDENCE_UNKNOWN,
  L7,
} from './application-numbers.ts';
import { DatagramParser } from './datagram-parser.ts';
import { DetailStore } from './detail-store.ts';
import type { ApplicationCounters, PayloadDetectorOptions } from './detector-options.ts';
import {
  FlowFinding,
  STAGE_DONE,
  STAGE_NEW,
  STAGE_START,
  STEP_DONE,
  STEP_MORE,
  STEP_NEXT,
  type Step,
} from './flow-finding.ts';
import { NetworkTable } from './network-table.ts';
import { applicationOfIpProtocol, applicationOfPorts } from './port-guess.ts';
import { ReassemblyPool } from './reassembly-pool.ts';
import { ServiceTable } from './service-table.ts';
import { StreamParser } from './stream-parser.ts';

const TCP = 6;
const UDP = 17;
const UDP_LITE = 136;
/** Packets with payload after which a flow is given up; a dialogue of mail takes about ten. */
const MAX_PACKETS = 20;
const MAX_PACKETS_REASSEMBLING = 60;
/** Segments further ahead than this are of another stream. */
const MAX_GAP = 65_536;

/** Numbers of a row: */
const ROW = 8;
/** how far the flow's parser is, */
const STAGE = 0;
/** packets it has seen, */
const PACKETS = 1;
/** the `FLAG_…` bits, */
const FLAGS = 2;
/** what was found, */
const APPLICATION = 3;
/** what carries it, */
const MASTER = 4;
/** what the ports say, */
const GUESS = 5;
/** and the ports. */
const CLIENT_PORT = 6;
const SERVER_PORT = 7;

const FLAG_CLIENT_SEQUENCE = 1;
const FLAG_CLIENT_PAYLOAD = 4;

/**
 * Finds applications by what the first packets with payload say, else by the ports. State lies in rows by slot; the
 * names found lie in a bounded store, beginnings of streams in a bounded pool of buffers. Nothing is allocated for a
 * packet but where TLS or QUIC is decoded.
 */
export class PayloadDetector implements ApplicationDetector {
  /** By slot, {@link ROW} numbers each: what belongs to one flow lies together. */
  private readonly rows: Uint16Array;
  /** By slot * 2 + direction: of TCP the sequence number expected next, of UDP what its parser keeps. */
  private readonly expected: Uint32Array;
  private readonly details: DetailStore;
  private readonly buffers: ReassemblyPool;
  private readonly finding: FlowFinding;
  private readonly streams = new StreamParser();
  private readonly datagrams: DatagramParser;
  private readonly layouts = new ApplicationLayouts();
  private readonly networks: NetworkTable;
  private readonly names: ApplicationNames;
  private flowsDetected = 0;
  private flowsGuessed = 0;
  private flowsUnknown = 0;
  private reassembliesFailed = 0;

  /** For slots below `maxFlows`. */
  constructor(maxFlows: number, options: PayloadDetectorOptions = {}) {
    const { services = [], maxReassemblies = 256, maxDetailOctets = Math.max(128 * maxFlows, 1_048_576) } = options;
    this.rows = new Uint16Array(maxFlows * ROW);
    this.expected = new Uint32Array(maxFlows * 2);
    this.details = new DetailStore(maxFlows, maxDetailOctets);
    this.buffers = new ReassemblyPool(maxFlows, maxReassemblies);
    this.datagrams = new DatagramParser(this.buffers);
    const table = new ServiceTable(services);
    this.networks = new NetworkTable(services);
    this.names = new ApplicationNames(table.names);
    this.finding = new FlowFinding(this.details, table);
  }

  /** What became of the flows so far. */
  get counters(): ApplicationCounters {
    return {
      flowsDetected: this.flowsDetected,
      flowsGuessed: this.flowsGuessed,
      flowsUnknown: this.flowsUnknown,
      reassembliesAbandoned: this.buffers.abandoned,
      reassembliesFailed: this.reassembliesFailed,
      reassembliesActive: this.buffers.used,
      quicUndecrypted: this.datagrams.quic.undecrypted,
      detailsDropped: this.details.dropped,
    };
  }

  wants(slot: number): boolean {
    return this.rows[slot * ROW + STAGE] !== STAGE_DONE;
  }

  onPayload(
    slot: number,
    protocol: number,
    clientPort: number,
    serverPort: number,
    direction: 0 | 1,
    octets: Uint8Array,
    _view: DataView,
    start: number,
    end: number,
    sequence: number,
  ): void {
    const stage = this.rows[slot * ROW + STAGE]!;
    if (stage === STAGE_DONE) return;
    if (stage === STAGE_NEW && !this.begin(slot, protocol, clientPort, serverPort)) return;
    if (protocol === TCP) {
      this.onSegment(slot, direction, octets, start, Math.min(end, octets.length), sequence);
    } else if (start < end) {
      const flow = this.load(slot);
      this.store(
        slot,
        this.datagrams.read(flow, direction, octets, start, Math.min(end, octets.length), this.expected),
      );
    }
  }

  /**
   * Fills the fields of the application and gives the flow a layout that has them. The last {@link MAX_NAME_OCTETS} octets of
   * `Flow.bytes` are for the application's name; a flow that has not as many goes without.
   */
  write(slot: number, flow: Flow): void {
    const { rows } = this;
    const row = slot * ROW;
    if (this.buffers.of(slot) >= 0 && rows[row + APPLICATION] === 0) this.readBuffered(slot, true);
    let application = rows[row + APPLICATION]!;
    let master = rows[row + MASTER]!;
    let confidence = CONFIDENCE_PAYLOAD;
    if (application === 0) {
      application = rows[row + STAGE] === STAGE_NEW ? guessOf(flow) : rows[row + GUESS]!;
      if (applicationOfIpProtocol(flow.protocol) === 0) {
        confidence = application === 0 ? CONFIDENCE_UNKNOWN : CONFIDENCE_PORT;
      }
    }
    if (master === 0 && CARRIES_SERVICES[application] === 1) {
      const service = this.serviceOfAddress(flow);
      if (service !== 0) {
        if (application === L7.unknown) confidence = CONFIDENCE_ADDRESS;
        master = application;
        application = service;
      }
    }
    const { words } = flow;
    words[SLOT.l7Protocol] = application;
    words[SLOT.l7MasterProtocol] = master;
    words[SLOT.l7Confidence] = confidence;
    writeName(flow, this.names.of(master, application));
    const group = groupOf(this.details.presentIn(slot));
    if (group > 0) {
      clearGroup(group, flow);
      this.details.read(slot, flow);
    }
    flow.layout = this.layouts.with(flow.layout, group);
  }

  release(slot: number): void {
    const { rows } = this;
    const row = slot * ROW;
    if (rows[row + STAGE] !== STAGE_NEW) {
      if (rows[row + APPLICATION]! > 0) this.flowsDetected++;
      else if (rows[row + GUESS]! > 0) this.flowsGuessed++;
      else this.flowsUnknown++;
    }
    rows[row + STAGE] = STAGE_NEW;
    rows[row + PACKETS] = 0;
    rows[row + FLAGS] = 0;
    rows[row + APPLICATION] = 0;
    rows[row + MASTER] = 0;
    rows[row + GUESS] = 0;
    this.details.release(slot);
    this.buffers.release(slot);
  }

  /** The first packet of a flow: ports, guess; false where the IP protocol decides. */
  private begin(slot: number, protocol: number, clientPort: number, serverPort: number): boolean {
    const { rows } = this;
    const row = slot * ROW;
    rows[row + CLIENT_PORT] = clientPort;
    rows[row + SERVER_PORT] = serverPort;
    rows[row + STAGE] = STAGE_START;
    if (protocol === TCP || protocol === UDP || protocol === UDP_LITE) {
      rows[row + GUESS] = guess(protocol, clientPort, serverPort);
      return true;
    }
    rows[row + APPLICATION] = applicationOfIpProtocol(protocol);
    rows[row + STAGE] = STAGE_DONE;
    return false;
  }

  /**
   * Segments without payload say where the stream begins: a SYN, whose sequence number is one before, or an ACK. What lies
   * ahead of that at the beginning is kept until the gap is filled; what was seen already is left out.
   */
  private onSegment(
    slot: number,
    direction: 0 | 1,
    octets: Uint8Array,
    start: number,
    end: number,
    sequence: number,
  ): void {
    const { rows } = this;
    const row = slot * ROW;
    const side = slot * 2 + direction;
    const flags = rows[row + FLAGS]!;
    const hasSequence = (flags & (FLAG_CLIENT_SEQUENCE << direction)) !== 0;
    const hasPayload = (flags & (FLAG_CLIENT_PAYLOAD << direction)) !== 0;
    const length = end - start;
    if (length <= 0) {
      if (hasPayload) return;
      this.expected[side] = sequence;
      rows[row + FLAGS] = flags | (FLAG_CLIENT_SEQUENCE << direction);
      return;
    }
    const buffer = this.buffers.of(slot);
    if (buffer >= 0 && this.buffers.directionOf(buffer) === direction) {
      if (!this.buffers.add(buffer, sequence, octets, start, end)) this.endReassembly(slot);
      else this.readBuffered(slot, false);
      return;
    }
    const gap = hasSequence ? (sequence - this.expected[side]!) | 0 : 0;
    if (gap < 0 && gap + length <= 0) return;
    if (gap > 1 && gap < MAX_GAP && !hasPayload && buffer < 0) {
      this.buffers.add(this.buffers.take(slot, direction, this.expected[side]!), sequence, octets, start, end);
      this.load(slot);
      this.store(slot, STEP_MORE);
      return;
    }
    this.expected[side] = sequence + length;
    rows[row + FLAGS] = flags | ((FLAG_CLIENT_SEQUENCE | FLAG_CLIENT_PAYLOAD) << direction);
    const step = this.streams.read(this.load(slot), direction, octets, start, end, false);
    if (step === STEP_MORE && buffer < 0) {
      this.buffers.add(this.buffers.take(slot, direction, sequence), sequence, octets, start, end);
    }
    this.store(slot, step);
  }

  /** Reads what a flow's buffer has without gaps. */
  private readBuffered(slot: number, isFinal: boolean): void {
    const { rows } = this;
    const row = slot * ROW;
    const buffer = this.buffers.of(slot);
    const start = this.buffers.prefixStart(buffer);
    const end = this.buffers.prefixEnd(buffer);
    this.load(slot);
    if (start < 0) {
      if (!isFinal) this.store(slot, STEP_MORE);
      return;
    }
    const direction = this.buffers.directionOf(buffer);
    const octets = this.buffers.octets(buffer);
    const step = this.streams.read(this.finding, direction, octets, start, end, isFinal);
    if (step !== STEP_MORE && !isFinal) this.buffers.release(slot);
    rows[row + FLAGS] = rows[row + FLAGS]! | (FLAG_CLIENT_PAYLOAD << direction);
    this.store(slot, isFinal ? STEP_NEXT : step);
  }

  /** Makes the best of a buffer that takes no more. */
  private endReassembly(slot: number): void {
    this.reassembliesFailed++;
    this.readBuffered(slot, true);
    this.buffers.release(slot);
    this.rows[slot * ROW + STAGE] = STAGE_DONE;
  }

  private load(slot: number): FlowFinding {
    const { finding, rows } = this;
    const row = slot * ROW;
    finding.slot = slot;
    finding.stage = rows[row + STAGE]!;
    finding.clientPort = rows[row + CLIENT_PORT]!;
    finding.serverPort = rows[row + SERVER_PORT]!;
    finding.application = rows[row + APPLICATION]!;
    finding.master = rows[row + MASTER]!;
    return finding;
  }

  /** Puts back what {@link PayloadDetector.load} took out, and ends what is done. */
  private store(slot: number, step: Step): void {
    const { finding, rows } = this;
    const row = slot * ROW;
    rows[row + STAGE] = finding.stage;
    rows[row + APPLICATION] = finding.application;
    rows[row + MASTER] = finding.master;
    const packets = rows[row + PACKETS]! + 1;
    rows[row + PACKETS] = packets;
    const isReassembling = this.buffers.of(slot) >= 0;
    if (step === STEP_DONE || packets >= (isReassembling ? MAX_PACKETS_REASSEMBLING : MAX_PACKETS)) {
      if (step !== STEP_DONE && isReassembling) this.endReassembly(slot);
      else this.buffers.release(slot);
      rows[row + STAGE] = STAGE_DONE;
    }
  }

  /** The service whose network the server's address is in, else the client's, who may be the server where no SYN was seen. */
  private serviceOfAddress(flow: Flow): number {
    if (!flow.layout.has('destinationIPv4')) return 0;
    return this.networks.find(flow.destinationIPv4) || this.networks.find(flow.sourceIPv4);
  }
}

/** Puts the name of the application at the end of `Flow.bytes`. */
function writeName({ words, bytes }: Flow, name: Uint8Array): void {
  const at = bytes.length - MAX_NAME_OCTETS;
  words[SLOT.l7ProtocolName] = Math.max(at, 0);
  words[SLOT.l7ProtocolName + 1] = at < 0 ? 0 : name.length;
  if (at < 0) return;
  for (let i = 0; i < name.length; i++) bytes[at + i] = name[i]!;
}

/** Applications that a service may be behind, by number; nothing known is one too. */
const CARRIES_SERVICES = new Uint8Array(65_536);
for (const application of [L7.unknown, L7.http, L7.tls, L7.quic, L7.dns]) CARRIES_SERVICES[application] = 1;

function guess(protocol: number, clientPort: number, serverPort: number): number {
  return protocol === TCP || protocol === UDP || protocol === UDP_LITE
    ? applicationOfPorts(protocol, clientPort, serverPort)
    : 0;
}

/** For a flow whose packets were never handed over. */
function guessOf({ protocol, sourcePort, destinationPort }: Flow): number {
  return applicationOfIpProtocol(protocol) || guess(protocol, sourcePort, destinationPort);
}
