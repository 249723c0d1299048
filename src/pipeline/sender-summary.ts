/** What became of flows that were sent elsewhere, once everything is closed: for the last line of commands that read files. */

import { ZMQ_DROP_REASONS, type ZmqPublisher } from '../sink/zmq-publisher.ts';
import { type ExportSummary, exportSummary } from './export-status.ts';
import type { Output } from './output.ts';
import type { PointsOutcome } from './points.ts';

/** The sums over all destinations of a kind; undefined for what was not asked for. */
export interface SenderSummary {
  /** Of the ZeroMQ feed. */
  readonly feed:
    | {
        readonly flowsSent: number;
        readonly messagesSent: number;
        /** By reason, those above 0. */
        readonly flowsDropped: ReadonlyMap<string, number>;
      }
    | undefined;
  readonly exported: ExportSummary | undefined;
  /** Of points for InfluxDB; `written` were handed over. */
  readonly points: (PointsOutcome & { readonly written: number }) | undefined;
  /** Whether everything arrived, as far as that can be known. */
  readonly isComplete: boolean;
}

/** Sums up what an output that is closed has sent. */
export function senderSummary({ feed, exportSink, points, pointsOutcome }: Output): SenderSummary {
  const flowsDropped = dropsByReason(feed?.publishers ?? []);
  const exported = exportSink && exportSummary(exportSink);
  return {
    feed: feed && {
      flowsSent: sumOf(feed.publishers, ({ sent }) => sent.flows),
      messagesSent: sumOf(feed.publishers, ({ sent }) => sent.messages),
      flowsDropped,
    },
    exported,
    points: points && pointsOutcome && { written: points.sink.pointsWritten, ...pointsOutcome },
    isComplete:
      flowsDropped.size === 0 &&
      (exported === undefined || exported.flowsDropped.size === 0) &&
      (pointsOutcome === undefined || pointsOutcome.unconfirmed + pointsOutcome.lost === 0),
  };
}

/** The same in words, to be joined with commas. */
export function senderSummaryWords({ feed, exported, points }: SenderSummary): string[] {
  const words: string[] = [];
  if (feed !== undefined) {
    words.push(`${feed.flowsSent} flows sent in ${feed.messagesSent} messages`);
    for (const [reason, flows] of feed.flowsDropped) words.push(`${flows} flows not sent: ${reason}`);
  }
  if (exported !== undefined) {
    words.push(`${exported.flowsSent} flows exported in ${exported.messagesSent} messages`);
    for (const [reason, records] of exported.leftOut) words.push(`${records} records not exported: ${reason}`);
    for (const [reason, flows] of exported.flowsDropped) words.push(`${flows} flows not exported: ${reason}`);
    for (const [what, count] of exported.changed) words.push(`${count} ${what}`);
  }
  if (points !== undefined) {
    words.push(`${points.written} points`);
    if (points.unconfirmed > 0) {
      words.push(`${points.unconfirmed} points not confirmed${points.isKept ? ', kept for the next run' : ''}`);
    }
    if (points.lost > 0) words.push(`${points.lost} points refused or given up`);
  }
  return words;
}

function sumOf(publishers: readonly ZmqPublisher[], value: (publisher: ZmqPublisher) => number): number {
  return publishers.reduce((sum, publisher) => sum + value(publisher), 0);
}

function dropsByReason(publishers: readonly ZmqPublisher[]): ReadonlyMap<string, number> {
  const sums = ZMQ_DROP_REASONS.map(
    (reason) => [reason, sumOf(publishers, ({ dropped }) => dropped[reason].flows)] as const,
  );
  return new Map(sums.filter(([, flows]) => flows > 0));
}
