/** What lines and senders come to, for the status pages and the log of all commands. */

import { type Metric, plainMetric } from '../metrics/prometheus.ts';
import type { NdjsonSink } from '../sink/ndjson.ts';
import { exportMetrics, exportStatus } from './export-status.ts';
import { feedMetrics, feedStatusOf, publisherStatus } from './feed-pages.ts';
import type { Output } from './output.ts';
import { pointsMetrics, pointsStatus, serversOf } from './points-status.ts';

/** Senders as the pages see them. */
export interface Senders {
  readonly feed?: Output['feed'];
  readonly exportSink?: Output['exportSink'];
  readonly points?: Output['points'];
  readonly pointsOutcome?: Output['pointsOutcome'];
}

/** Their metrics. */
export function senderMetrics({ feed, exportSink, points }: Senders): Metric[] {
  return [
    ...(feed === undefined ? [] : feedMetrics(feed)),
    ...(exportSink === undefined ? [] : exportMetrics(exportSink)),
    ...(points === undefined ? [] : pointsMetrics(points)),
  ];
}

/** Their state, for /health. */
export function senderStatus({ feed, exportSink, points }: Senders): Record<string, unknown> {
  return {
    ...(feed !== undefined && { zmq: feedStatusOf(feed) }),
    ...(exportSink !== undefined && { export: exportStatus(exportSink) }),
    ...(points !== undefined && { influxdb: pointsStatus(points) }),
  };
}

/** Where they send to, for the first line of the log. */
export function senderTargets({ feed, exportSink, points }: Senders): Record<string, unknown> {
  return {
    ...(feed !== undefined && { zmq: feed.publishers.map(({ endpoint }) => endpoint), zmqSourceId: feed.sourceId }),
    ...(exportSink !== undefined && { export: exportSink.targets.map(({ transport }) => transport.destination) }),
    ...(points !== undefined && { influxdb: serversOf(points) }),
  };
}

/** What they came to, for the last line of the log. */
export function senderOutcome({ feed, exportSink, pointsOutcome }: Senders): Record<string, unknown> {
  return {
    ...(feed !== undefined && { zmq: feed.publishers.map(publisherStatus) }),
    ...(exportSink !== undefined && { export: exportStatus(exportSink) }),
    ...(pointsOutcome !== undefined && { influxdb: pointsOutcome }),
  };
}

/** What lines to one place came to. */
export function sinkStatus(sink: NdjsonSink) {
  return {
    sink: sink.path === '-' ? 'standard output' : sink.path,
    linesOffered: sink.linesOffered,
    linesWritten: sink.linesWritten,
    linesDropped: sink.linesDropped,
    linesQueued: sink.linesQueued,
    octetsQueued: sink.octetsQueued,
    writeErrors: sink.writeErrors,
  };
}

/** Counters of lines, all places together. */
export function sinkMetrics(sinks: readonly NdjsonSink[]): Metric[] {
  const sum = (value: (sink: NdjsonSink) => number): number => sinks.reduce((total, sink) => total + value(sink), 0);
  return [
    plainMetric(
      'flowrelay_sink_lines_offered_total',
      'counter',
      'Lines made for all sinks.',
      sum((sink) => sink.linesOffered),
    ),
    plainMetric(
      'flowrelay_sink_lines_written_total',
      'counter',
      'Lines the sinks took.',
      sum((sink) => sink.linesWritten),
    ),
    plainMetric(
      'flowrelay_sink_lines_dropped_total',
      'counter',
      'Lines dropped because a sink was too slow or gone.',
      sum((sink) => sink.linesDropped),
    ),
    plainMetric(
      'flowrelay_sink_lines_queued',
      'gauge',
      'Lines waiting to be written.',
      sum((sink) => sink.linesQueued),
    ),
    plainMetric(
      'flowrelay_sink_queue_bytes',
      'gauge',
      'Octets of lines waiting to be written.',
      sum((sink) => sink.octetsQueued),
    ),
    plainMetric(
      'flowrelay_sink_write_errors_total',
      'counter',
      'Writes that failed.',
      sum((sink) => sink.writeErrors),
    ),
  ];
}
