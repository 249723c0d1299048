import type { Session } from './session.ts';

/** Where an Exporter's clock reading comes from, for fields that count from its start. */
export const NO_UPTIME = -1;

/**
 * The message being decoded: what its header says and every record needs. One object per decoder, overwritten for each
 * message.
 */
export class MessageContext {
  /** The datagram, or the block of a file or stream that holds the message. */
  bytes: Uint8Array = new Uint8Array(0);
  /** The same octets. */
  view: DataView = new DataView(new ArrayBuffer(0));
  /** Session the message belongs to; set before any record is read. */
  session!: Session;
  /** Version of the protocol: 1, 5, 7, 9 or 10. */
  version = 0;
  /** Export time, Unix milliseconds. */
  exportTimeMs = 0;
  /** Exporter's milliseconds since start at export time (v1 to v9), or {@link NO_UPTIME}. */
  sysUpTimeMs = NO_UPTIME;
  /** Sequence number of the header, -1 where there is none. */
  sequenceNumber = -1;
  /** Sampling rate of a v5 header, 0 where there is none. */
  headerSamplingInterval = 0;
  /** Template of the Data Set being read; means nothing before v9, which has none. */
  templateId = 0;
  /** When the message arrived, Unix milliseconds; the packet's time in a capture. */
  arrivalMs = 0;
}
