import type { MessageContext } from './message.ts';

/** Flow sample, compact or expanded: one packet of many. */
export const SAMPLE_FLOW = 1;
/** Counters sample, compact or expanded. */
export const SAMPLE_COUNTERS = 2;
/** Discarded packet (sFlow Dropped Packet Notification Structures). */
export const SAMPLE_DISCARD = 5;

/** {@link SflowSample.inputFormat}: the value is an ifIndex, 0 when unknown, 0x3fffffff for the device itself. */
export const INTERFACE_INDEX = 0;
/** The packet was discarded; the value is the reason. */
export const INTERFACE_DISCARDED = 1;
/** The packet went to several interfaces; the value is their number, 0 when unknown. */
export const INTERFACE_MULTIPLE = 2;

/** Starts a field that holds all of 32 bits, so that V8 stores it as a double from its first value on. */
const UNSIGNED_32 = 0xffffffff;

/**
 * What the fixed part of a sample says (sFlow version 5, section 5), the same for compact and expanded forms. One object
 * per decoder, overwritten for each sample.
 */
export class SflowSample {
  /** {@link SAMPLE_FLOW}, {@link SAMPLE_COUNTERS} or {@link SAMPLE_DISCARD}. */
  kind = SAMPLE_FLOW;
  /** Counts the samples of this kind of the data source. */
  sequenceNumber = UNSIGNED_32;
  /** What the data source is: 0 ifIndex, 1 smonVlanDataSource, 2 entPhysicalEntry. */
  sourceIdType = UNSIGNED_32;
  /** Which of these. */
  sourceIdIndex = UNSIGNED_32;
  /** One packet in this many is sampled; 0 for other kinds than flow samples. */
  samplingInterval = UNSIGNED_32;
  /** Packets that could have been sampled; 0 for other kinds than flow samples. */
  samplePool = UNSIGNED_32;
  /** Packets that could not be sampled or reported for want of resources; 0 for counters samples. */
  drops = UNSIGNED_32;
  /** How to read {@link SflowSample.input}. */
  inputFormat = UNSIGNED_32;
  /** Where the packet came in. */
  input = UNSIGNED_32;
  /** How to read {@link SflowSample.output}. */
  outputFormat = UNSIGNED_32;
  /** Where the packet left. */
  output = UNSIGNED_32;
  /** Why the packet was discarded, for {@link SAMPLE_DISCARD} alone. */
  discardReason = UNSIGNED_32;
}

/** Takes what an `SflowDecoder` finds, one call after the other; everything handed over is valid during the call only. */
export interface SflowHandler {
  /** A datagram begins, its header is sound; all calls up to the next one belong to it. */
  startDatagram(message: MessageContext): void;
  /** A sample begins. */
  startSample(sample: SflowSample): void;
  /**
   * A record of the sample lies in octets `[start, end)` of the datagram, which is sure to have them. `dataFormat` is the
   * structure: enterprise * 4096 + format.
   */
  readRecord(sample: SflowSample, dataFormat: number, start: number, end: number): void;
  /** The sample ends, complete or not. */
  endSample(sample: SflowSample): void;
}
