/** What the main thread and the threads that collect say to each other. */

import type { Configuration } from '../config/configuration.ts';
import type { Metric } from '../metrics/prometheus.ts';
import type { CollectTotals } from './collect.ts';
import type { ListenerStatus } from './listener.ts';
import type { KnowledgeChanges } from './state-keeper.ts';
import type { ToldSession } from './template-sharing.ts';

/** Stands where a thread's command line would be, so that the program does not run one; no command line can hold a NUL. */
export const THREAD_WORD = '\0collect-thread';

/** What a thread is given at its start. */
export interface ThreadData {
  readonly threadWord: typeof THREAD_WORD;
  readonly configuration: Configuration;
  /** Version of the program. */
  readonly version: string;
}

/** What there is to tell the other threads. */
export interface ThreadNews {
  readonly sessions: readonly ToldSession[];
  readonly changes: KnowledgeChanges;
}

/** A page of the thread's own status. */
export interface PageQuestion {
  readonly path: string;
  /** What follows the question mark. */
  readonly query: string;
}

/** What a thread can be asked. `open` comes first, `finish` last but for `serializeState`. */
export interface ThreadMethods {
  /** Opens the sinks. */
  open(): void;
  /** Starts listening; gives the listeners' URLs. */
  listen(): Promise<readonly string[]>;
  restoreState(text: string): string | undefined;
  serializeState(): string;
  news(): ThreadNews;
  adopt(sessions: readonly ToldSession[]): void;
  listenerStatus(): readonly ListenerStatus[];
  /** The page's text. */
  page(question: PageQuestion): Promise<string>;
  metrics(): readonly Metric[];
  reload(configuration: Configuration): Promise<void>;
  finish(): Promise<CollectTotals>;
}

/** What a thread says unasked. */
export type ThreadSaid =
  | { readonly say: 'log'; readonly line: string }
  | { readonly say: 'reader_gone' }
  | { readonly say: 'take_turn' | 'give_turn'; readonly destination: string };

/** What it is told unasked: its turn at a destination has come. */
export interface ThreadTold {
  readonly turnAt: string;
}
