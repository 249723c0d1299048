import type { Flow, PlainRecord } from './flow.ts';

/** Whoever takes decoded records: the pipeline, which hands them to every sink. */
export interface RecordOutput {
  /** Takes one flow, synchronously; it is the caller's again on return. */
  write(flow: Flow): void;
  /** Takes one record that is no flow. */
  writeRecord(record: PlainRecord): void;
}
