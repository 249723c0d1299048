/**
 * What ntop's agents print of a socket or an event, in their words: a line of it equals what `listen` makes of theirs. The local
 * end is the source, whoever opened the connection.
 */

import { type FieldName, SLOT } from '../flow/fields.ts';
import type { Flow, PlainValue } from '../flow/flow.ts';
import { fieldEntry, Layout } from '../flow/layout.ts';
import type { Origin } from '../flow/origin.ts';
import { containerRecord } from './container-record.ts';
import type { EndTuple } from './flow-end.ts';
import type { FlowOwner } from './flow-owner.ts';
import { fillOwner, ownerEntries } from './owner-fields.ts';
import type { ProcessInfo } from './process-info.ts';
import { clipped, RecordTexts } from './record-texts.ts';
import type { TcpFigures, TcpState } from './socket-entry.ts';

/** Whose names nested records have where agents and readers differ: `ntopng` for what its versions 4 and 5 read. */
export type AgentDialect = 'default' | 'ntopng';

/** What an event record tells besides its addresses. */
export interface AgentEvent {
  /** Unix milliseconds, with fractions. */
  readonly timeMs: number;
  /** `''` for a look at a socket. */
  readonly kind: string;
  readonly owner: FlowOwner | undefined;
  /** Of a TCP socket; undefined for UDP. */
  readonly state: TcpState | undefined;
  readonly tcp: TcpFigures | undefined;
}

/** What changes in a {@link ProcessInfo}, and the record made of it. */
interface KnownProcess
  extends Pick<ProcessInfo, 'virtualKib' | 'virtualPeakKib' | 'userName' | 'groupName' | 'packageName'> {
  readonly record: PlainValue;
}

const HAS_IPV6 = 1;
const TCP = 6;
const ALWAYS: readonly FieldName[] = [
  'sourcePort',
  'destinationPort',
  'protocol',
  'ipVersion',
  'startMs',
  'endMs',
  'samplingOrigin',
];

/** Makes event records, in one flow that is used again and again. */
export class AgentEventRecord {
  private readonly record: RecordTexts;
  private readonly dialect: AgentDialect;
  private readonly layouts = new Map<number, Layout>();
  private readonly processes = new WeakMap<ProcessInfo, KnownProcess>();

  /** Records come from `origin`, under the names of `dialect`. */
  constructor(origin: Origin, withCommandLines: boolean, dialect: AgentDialect) {
    this.record = new RecordTexts(origin, withCommandLines);
    this.dialect = dialect;
  }

  /** The record, valid until the next; undefined where the addresses are none. */
  fill(tuple: EndTuple, event: AgentEvent): Flow | undefined {
    const { record } = this;
    const { flow } = record;
    const { words, times } = flow;
    const { owner, timeMs, kind } = event;
    record.start();
    if (!record.addresses(tuple.localAddress, tuple.remoteAddress)) return undefined;
    words[SLOT.sourcePort] = tuple.localPort;
    words[SLOT.destinationPort] = tuple.remotePort;
    words[SLOT.protocol] = tuple.protocol;
    words[SLOT.samplingOrigin] = 0;
    times[SLOT.startMs] = Math.floor(timeMs);
    times[SLOT.endMs] = Math.floor(timeMs);
    const ownerBits = fillOwner(record, 'source', owner, false);
    this.attach('timestamp', timestamp(timeMs));
    if (owner !== undefined && owner.userName !== '') this.attach('USER_NAME', clipped(owner.userName));
    if (event.state !== undefined) this.attach('TCP', tcpRecord(event.state, event.tcp));
    if (owner?.process !== undefined) this.attach('LOCAL_PROCESS', this.processRecord(owner.process));
    if (owner?.father !== undefined) this.attach('LOCAL_FATHER_PROCESS', this.processRecord(owner.father));
    if (kind !== '') this.attach(this.kindKey(tuple.protocol), kind);
    if (owner?.container !== undefined) this.attach('LOCAL_CONTAINER', containerRecord(owner.container, this.dialect));
    flow.layout = this.layoutOf(words[SLOT.ipVersion] === 6 ? HAS_IPV6 : 0, ownerBits);
    return flow;
  }

  private attach(key: string, value: PlainValue): void {
    this.record.flow.attachments.push({ ntop: key, iana: key, value });
  }

  /** The same object while nothing of the process changes: most processes have many sockets. */
  private processRecord(process: ProcessInfo): PlainValue {
    const { virtualKib, virtualPeakKib, userName, groupName, packageName } = process;
    const known = this.processes.get(process);
    const isSame =
      known?.virtualKib === virtualKib &&
      known.virtualPeakKib === virtualPeakKib &&
      known.userName === userName &&
      known.groupName === groupName &&
      known.packageName === packageName;
    if (isSame) return known.record;
    const record = this.makeProcessRecord(process);
    this.processes.set(process, { virtualKib, virtualPeakKib, userName, groupName, packageName, record });
    return record;
  }

  private makeProcessRecord(process: ProcessInfo): PlainValue {
    const { packageName, commandLine } = process;
    return {
      PID: process.pid,
      UID: process.userId,
      UID_NAME: clipped(process.userName),
      GID: process.groupId,
      GID_NAME: clipped(process.groupName),
      VM_SIZE: process.virtualKib,
      VM_PEAK: process.virtualPeakKib,
      PROCESS_PATH: clipped(process.path),
      ...(packageName !== '' && { PKG_NAME: clipped(packageName) }),
      ...(this.record.withCommandLines && commandLine !== '' && { PROCESS_CMDLINE: clipped(commandLine) }),
    };
  }

  private kindKey(protocol: number): string {
    if (this.dialect === 'default') return 'EVENT_TYPE';
    return protocol === TCP ? 'TCP_EVENT_TYPE' : 'UDP_EVENT_TYPE';
  }

  private layoutOf(bits: number, ownerBits: number): Layout {
    const key = bits | (ownerBits << 1);
    let layout = this.layouts.get(key);
    if (layout === undefined) {
      const addresses: readonly FieldName[] =
        bits === HAS_IPV6 ? ['sourceIPv6', 'destinationIPv6'] : ['sourceIPv4', 'destinationIPv4'];
      const fields = [...ALWAYS, ...addresses].map((field) => fieldEntry(field));
      layout = new Layout('event', [...fields, ...ownerEntries('source', ownerBits)]);
      this.layouts.set(key, layout);
    }
    return layout;
  }
}

/** Unix time as agents print it: seconds, a point, six digits. */
export function timestamp(timeMs: number): string {
  const us = Math.round(timeMs * 1000);
  const seconds = Math.floor(us / 1_000_000);
  return `${seconds}.${String(us - seconds * 1_000_000).padStart(6, '0')}`;
}

/** Round-trip times in milliseconds, rates in bits a second. What the kernel does not tell is left out. */
function tcpRecord(state: TcpState, tcp: TcpFigures | undefined): PlainValue {
  if (tcp === undefined) return { CONN_STATE: state };
  const values: readonly (readonly [key: string, value: number])[] = [
    ['RETRAN_PKTS', tcp.retransmittedSegments],
    ['UNACK_SEGMENTS', tcp.unacknowledgedSegments],
    ['LOST_PKTS', tcp.lostSegments],
    ['SEGS_IN', tcp.segmentsReceived],
    ['SEGS_OUT', tcp.segmentsSent],
    ['BYTES_RCVD', tcp.octetsReceived],
    ['BYTES_ACKED', tcp.octetsAcknowledged],
    ['RTT', tcp.roundTripUs < 0 ? -1 : tcp.roundTripUs / 1000],
    ['RTT_VARIANCE', tcp.roundTripVarianceUs < 0 ? -1 : tcp.roundTripVarianceUs / 1000],
    ['CURRENT_RATE', tcp.sendRate],
    ['DELIVERY_RATE', tcp.deliveryRate],
  ];
  const record: Record<string, PlainValue> = { CONN_STATE: state };
  for (const [key, value] of values) if (value >= 0) record[key] = value;
  return record;
}
