import type { MessageContext } from './message.ts';
import type { Session } from './session.ts';
import type { Template } from './template.ts';

/** Reads the records of a Data Set. */
export interface RecordReader {
  /**
   * Reads all records in octets `[pos, end)` of `message.view` and hands each on. Returns how many there were; what is left
   * and too short for a record is padding. A record that runs past `end` ends the set and is counted as `record_truncated`.
   */
  readSet(message: MessageContext, pos: number, end: number): number;
}

/** The layer above the decoder: knows what Information Elements mean. */
export interface ReaderFactory {
  /** The reader for records of `template` in `session`; Templates of other ids with the same fields may have it too. */
  readerFor(session: Session, template: Template): RecordReader;
}
