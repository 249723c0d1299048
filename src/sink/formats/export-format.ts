import type { Flow, PlainRecord } from '../../flow/flow.ts';
import type { ExportContext } from './export-writer.ts';

/** Why a record did not go into a message. */
export const EXPORT_LEFT_OUT = [
  'ipv6',
  'event',
  'discard',
  'counters',
  'options',
  'no_element',
  'record_too_long',
  'template_too_long',
] as const;

/**
 * Why a record did not go into a message: `ipv6`, `event` NetFlow v5 cannot carry it; `discard`, `counters`, `options` it is no flow;
 * `no_element` nothing of it has an Information Element; `record_too_long`, `template_too_long` no message may be that long.
 */
export type ExportLeftOut = (typeof EXPORT_LEFT_OUT)[number];

/**
 * Takes a message, `records` Data Records of which `flows` are flows; copies what it keeps. False where it was dropped: what it announced is
 * announced again.
 */
export type MessageDrain = (octets: Uint8Array, flows: number) => boolean;

/** Makes messages of flows and hands them on. */
export interface ExportFormat {
  /** Flows in messages. */
  readonly flows: number;
  /** Records without a message, by reason. */
  readonly leftOut: Readonly<Record<ExportLeftOut, number>>;
  /** What had to be changed to fit. */
  readonly context: Readonly<ExportContext>;
  /** Lists and rarer sFlow records of flows that went out without them. */
  readonly attachmentsLeftOut: number;
  /** Templates whose number went to another, because too many were in use. */
  readonly templatesRetired: number;
  /** Times that messages of an Exporter went out under the Observation Domain ID of another, because too many were in use. */
  readonly domainsShared: number;
  /** Flows waiting for their message to be full. */
  readonly flowsReady: number;
  write(flow: Flow): void;
  /** Counts a record that is no flow. */
  writeRecord(record: PlainRecord): void;
  /** Hands on the message begun. */
  flush(): void;
  /** Begins anew: numbers from 0, and everything announced again (a new connection, a new file). */
  restart(): void;
  /** Announces everything again: messages were lost. */
  announceAnew(): void;
}

/** A context that has changed nothing yet. */
export function exportContext(): ExportContext {
  return {
    baseMs: 0,
    exporterIPv4: 0,
    exporterIPv6: new Uint8Array(16),
    exporterPort: 0,
    valuesSaturated: 0,
    textsTruncated: 0,
    timesClamped: 0,
  };
}

/** No reason counted yet. */
export function nothingLeftOut(): Record<ExportLeftOut, number> {
  return Object.fromEntries(EXPORT_LEFT_OUT.map((reason) => [reason, 0])) as Record<ExportLeftOut, number>;
}
