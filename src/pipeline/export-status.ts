/** What an export came to, for the status page, the metrics, the log and the last line of a conversion. */

import type { Metric, MetricSample } from '../metrics/prometheus.ts';
import type { ExportSink, ExportTarget } from '../sink/export.ts';
import { EXPORT_DROP_REASONS, type ExportEvent } from '../sink/export-transport.ts';
import { EXPORT_LEFT_OUT } from '../sink/formats/export-format.ts';
import type { Log } from './log.ts';

/** What became of the flows of a conversion, summed over all destinations. */
export interface ExportSummary {
  readonly flowsSent: number;
  readonly messagesSent: number;
  /** Records that are in no message, by reason, those above 0; what is no flow at all is not counted here. */
  readonly leftOut: ReadonlyMap<string, number>;
  /** Flows in messages that did not go out, by reason, those above 0. */
  readonly flowsDropped: ReadonlyMap<string, number>;
  /** What had to be changed to fit, in words, those above 0. */
  readonly changed: ReadonlyMap<string, number>;
}

const NO_FLOWS: ReadonlySet<string> = new Set(['options', 'counters']);

/** Sums up an export that is over. */
export function exportSummary({ targets }: ExportSink): ExportSummary {
  const sum = (value: (target: ExportTarget) => number): number =>
    targets.reduce((total, target) => total + value(target), 0);
  const above0 = (pairs: readonly (readonly [string, number])[]) => new Map(pairs.filter(([, count]) => count > 0));
  return {
    flowsSent: sum(({ transport }) => transport.tallies.sent.flows),
    messagesSent: sum(({ transport }) => transport.tallies.sent.messages),
    leftOut: above0(
      EXPORT_LEFT_OUT.filter((reason) => !NO_FLOWS.has(reason)).map((reason) => [
        reason,
        sum(({ format }) => format.leftOut[reason]),
      ]),
    ),
    flowsDropped: above0([
      ...EXPORT_DROP_REASONS.map(
        (reason) => [reason, sum(({ transport }) => transport.tallies.dropped[reason].flows)] as const,
      ),
      ['refused after they were sent', sum(({ transport }) => transport.tallies.refused.flows)],
    ]),
    changed: above0([
      ['values too large for their field', sum(({ format }) => format.context.valuesSaturated)],
      ['texts cut off', sum(({ format }) => format.context.textsTruncated)],
      ['times out of range', sum(({ format }) => format.context.timesClamped)],
      ['lists left out', sum(({ format }) => format.attachmentsLeftOut)],
    ]),
  };
}

/** What each destination came to. */
export function exportStatus({ targets }: ExportSink) {
  return targets.map(({ format, transport: { destination, tallies, octetsQueued } }) => ({
    destination,
    messagesOffered: tallies.offered.messages,
    messagesSent: tallies.sent.messages,
    messagesQueued: tallies.queued.messages,
    flowsOffered: tallies.offered.flows,
    flowsSent: tallies.sent.flows,
    flowsQueued: tallies.queued.flows + format.flowsReady,
    octetsSent: tallies.octetsSent,
    octetsQueued,
    dropped: tallies.dropped,
    refused: tallies.refused,
    leftOut: format.leftOut,
    valuesSaturated: format.context.valuesSaturated,
    textsTruncated: format.context.textsTruncated,
    timesClamped: format.context.timesClamped,
    listsLeftOut: format.attachmentsLeftOut,
    domainsShared: format.domainsShared,
    templatesRetired: format.templatesRetired,
  }));
}

/** The same as metrics. */
export function exportMetrics({ targets }: ExportSink): Metric[] {
  const samplesOf = (value: (target: ExportTarget) => number): MetricSample[] =>
    targets.map((target) => ({ labels: { endpoint: target.transport.destination }, value: value(target) }));
  const byReason = <Reason extends string>(
    reasons: readonly Reason[],
    value: (target: ExportTarget, reason: Reason) => number,
  ): MetricSample[] =>
    targets.flatMap((target) =>
      reasons.map((reason) => ({
        labels: { endpoint: target.transport.destination, reason },
        value: value(target, reason),
      })),
    );
  const counter = (name: string, help: string, samples: readonly MetricSample[]): Metric => ({
    name: `flowrelay_export_${name}`,
    kind: 'counter',
    help,
    samples,
  });
  return [
    counter(
      'messages_offered_total',
      'Messages made for the destination.',
      samplesOf(({ transport }) => transport.tallies.offered.messages),
    ),
    counter(
      'messages_sent_total',
      'Messages the kernel took.',
      samplesOf(({ transport }) => transport.tallies.sent.messages),
    ),
    counter(
      'messages_dropped_total',
      'Messages that did not go out, by reason.',
      byReason(EXPORT_DROP_REASONS, ({ transport }, reason) => transport.tallies.dropped[reason].messages),
    ),
    {
      ...counter(
        'messages_queued',
        'Messages waiting to go out.',
        samplesOf(({ transport }) => transport.tallies.queued.messages),
      ),
      kind: 'gauge',
    },
    counter(
      'flows_offered_total',
      'Flows in messages made for the destination.',
      samplesOf(({ transport }) => transport.tallies.offered.flows),
    ),
    counter(
      'flows_sent_total',
      'Flows in messages the kernel took.',
      samplesOf(({ transport }) => transport.tallies.sent.flows),
    ),
    counter(
      'flows_dropped_total',
      'Flows in messages that did not go out, by reason.',
      byReason(EXPORT_DROP_REASONS, ({ transport }, reason) => transport.tallies.dropped[reason].flows),
    ),
    counter(
      'messages_refused_total',
      'Messages sent of which the kernel said later that they had not arrived.',
      samplesOf(({ transport }) => transport.tallies.refused.messages),
    ),
    counter(
      'sent_bytes_total',
      'Octets of messages the kernel took.',
      samplesOf(({ transport }) => transport.tallies.octetsSent),
    ),
    counter(
      'records_left_out_total',
      'Records that are in no message, by reason.',
      byReason(EXPORT_LEFT_OUT, ({ format }, reason) => format.leftOut[reason]),
    ),
    counter(
      'values_saturated_total',
      'Numbers too large for their field, of which the largest that fits went out.',
      samplesOf(({ format }) => format.context.valuesSaturated),
    ),
    counter(
      'texts_truncated_total',
      'Texts cut off to fit their field.',
      samplesOf(({ format }) => format.context.textsTruncated),
    ),
    counter(
      'times_clamped_total',
      'Times out of range of their field.',
      samplesOf(({ format }) => format.context.timesClamped),
    ),
    counter(
      'lists_left_out_total',
      'Lists and other values without an Information Element of flows that went out without them.',
      samplesOf(({ format }) => format.attachmentsLeftOut),
    ),
    counter(
      'domains_shared_total',
      'Times that flows went out under the Observation Domain ID of another Exporter, because too many were in use.',
      samplesOf(({ format }) => format.domainsShared),
    ),
    counter(
      'templates_retired_total',
      'Templates whose number went to another, because too many were in use.',
      samplesOf(({ format }) => format.templatesRetired),
    ),
  ];
}

/** Logs what a destination says of itself. */
export function logExportEvent(log: Log, event: ExportEvent): void {
  const { destination } = event;
  switch (event.kind) {
    case 'connected':
      log.write('info', 'export_connected', `connected to ${destination}`, { destination });
      break;
    case 'disconnected':
      log.writeLimited(
        `export ${destination}`,
        'warning',
        'export_disconnected',
        `${destination} is away (${event.reason}): flows for it are dropped until it is back`,
        { destination, reason: event.reason },
      );
      break;
    case 'drops_began':
      log.write('warning', 'export_drops_began', `flows for ${destination} are dropped: ${event.reason}`, {
        destination,
        reason: event.reason,
      });
      break;
    default:
      log.write('info', 'export_drops_ended', `${event.messagesDropped} messages for ${destination} were dropped`, {
        destination,
        messagesDropped: event.messagesDropped,
      });
  }
}
