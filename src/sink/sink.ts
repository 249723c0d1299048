import type { RecordOutput } from '../flow/record-output.ts';

/** Where records leave the program: encodes a flow at once, or copies what it needs later. */
export interface Sink extends RecordOutput {
  /** Hands everything written so far to the destination; settles when the destination took it or it was dropped and counted. */
  flush(): Promise<void>;
  /** Flushes and releases the destination. No write may follow. */
  close(): Promise<void>;
}
