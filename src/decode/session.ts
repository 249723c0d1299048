import { DecodeCounters } from '../metrics/decode-counters.ts';
import type { RecordReader } from './record-reader.ts';
import { SequenceTracker } from './sequence.ts';
import type { Template } from './template.ts';

/** A Template of a session with the reader for its records. */
export interface TemplateEntry {
  template: Template;
  /** Made on the first Data Set that needs it, dropped on redefinition. */
  reader: RecordReader | undefined;
  /** When it was last announced, Unix milliseconds. */
  announcedMs: number;
  /** When it last read a Data Set, Unix milliseconds; 0 for never. */
  usedMs: number;
}

/** What options data has told about an Exporter's Observation Domain; filled and read by `normalize`. */
export interface DomainState {
  /** True once nothing of it is worth keeping. */
  readonly isEmpty: boolean;
  /** Called when the domain ends: gives back what it took of shared limits. */
  release(): void;
}

/**
 * The Observation Domain of an Exporter: what its Transport Sessions share whatever port they come from.
 * NetFlow v5's engine and sFlow's sub-agent take the same place.
 */
export class ObservationDomain {
  readonly address: string;
  readonly id: number;
  /** Unlike that of any other domain. */
  readonly key: string;
  /** State of the layer above, made on first need. */
  state: DomainState | undefined;
  /** Sessions alive. */
  sessionCount = 0;
  /** Those of them that have announced Templates, the latest to do so last. */
  readonly announcers: Session[] = [];

  constructor(address: string, id: number, key: string) {
    this.address = address;
    this.id = id;
    this.key = key;
  }
}

/** State of one Transport Session and Observation Domain (RFC 7011 section 2), NetFlow engine or sFlow agent. */
export class Session {
  /** Version of the protocol: 1, 5, 7, 9, 10; 105 for sFlow v5. */
  readonly version: number;
  readonly address: string;
  readonly port: number;
  readonly domain: ObservationDomain;
  /** Sessions over TCP and in files obey withdrawals (RFC 7011 section 8.4). */
  readonly isReliable: boolean;
  /** sFlow agent's address, `''` for other protocols. */
  readonly agentAddress: string;
  /** Once the session has ended, the counters of all ended ones: data that still waits for a Template is counted there. */
  counters = new DecodeCounters();
  readonly sequence = new SequenceTracker();
  /** By template id. */
  readonly templates = new Map<number, TemplateEntry>();
  /** What its Templates take of the limit on fields of all sessions. */
  templateFields = 0;
  /** Templates announced before this were looked for and forgotten, Unix milliseconds. */
  expiredBeforeMs = 0;
  /** Sampling rate last seen in a v5 header or an sFlow sample, for display; 0 for none. */
  samplingInterval = 0;
  /** First and last message, Unix milliseconds. */
  readonly firstSeenMs: number;
  lastSeenMs: number;
  /**
   * Whether another thread, which hears this session, told about it: it is known here for its Templates only, until a
   * message of it comes.
   */
  isAdopted = false;
  /** It was removed from its table; nothing it learns is of use any more. */
  hasEnded = false;
  /** Whether enough was decoded for spoofed sessions not to displace this one: see `SessionTable`. */
  isEstablished = false;

  constructor(
    version: number,
    address: string,
    port: number,
    domain: ObservationDomain,
    isReliable: boolean,
    agentAddress: string,
    nowMs: number,
  ) {
    this.version = version;
    this.address = address;
    this.port = port;
    this.domain = domain;
    this.isReliable = isReliable;
    this.agentAddress = agentAddress;
    this.firstSeenMs = nowMs;
    this.lastSeenMs = nowMs;
  }
}
