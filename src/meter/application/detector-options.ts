import type { ServiceDefinition } from './service-table.ts';

/** What a `PayloadDetector` can be told. */
export interface PayloadDetectorOptions {
  /** Services by the names and networks of their hosts; none by default. */
  readonly services?: readonly ServiceDefinition[];
  /** Buffers for streams whose beginning comes in pieces, 16 KiB each; default 256. */
  readonly maxReassemblies?: number;
  /** Octets for names, URLs and the like of all flows; default 128 for each flow, at least 1 MiB. */
  readonly maxDetailOctets?: number;
}

/** What became of the flows of a `PayloadDetector`, and what it left out. */
export interface ApplicationCounters {
  /** Flows released whose application payload told. */
  readonly flowsDetected: number;
  /** Flows released whose application is a guess by port. */
  readonly flowsGuessed: number;
  /** Flows released of which nothing is known. */
  readonly flowsUnknown: number;
  /** Beginnings of streams given up because another flow needed the buffer. */
  readonly reassembliesAbandoned: number;
  /** Beginnings of streams given up because of too many gaps, or because they were too long. */
  readonly reassembliesFailed: number;
  /** Buffers in use. */
  readonly reassembliesActive: number;
  /** Initials of QUIC whose protection was not removed. */
  readonly quicUndecrypted: number;
  /** Names, URLs and the like left out for want of room. */
  readonly detailsDropped: number;
}
