/** What a sink for InfluxDB tells of itself: metrics and health. */

import type { Metric, MetricSample } from '../metrics/prometheus.ts';
import { plainMetric } from '../metrics/prometheus.ts';
import type { InfluxdbSink } from './influxdb.ts';
import { type Delivery, POINT_DROP_REASONS } from './influxdb-delivery.ts';

/**
 * Its metrics. For each server, points written and recovered are those confirmed, refused, dropped and pending together.
 */
export function influxdbMetrics(sink: InfluxdbSink): Metric[] {
  const perServer = (
    name: string,
    kind: Metric['kind'],
    help: string,
    value: (delivery: Delivery) => number,
  ): Metric => ({
    name: `flowrelay_influxdb_${name}`,
    kind,
    help,
    samples: sink.deliveries.map((delivery) => ({
      labels: { server: delivery.options.server },
      value: value(delivery),
    })),
  });
  const dropped: MetricSample[] = sink.deliveries.flatMap(({ options: { server }, pointsDropped }) =>
    POINT_DROP_REASONS.map((reason) => ({ labels: { server, reason }, value: pointsDropped[reason] })),
  );
  return [
    plainMetric('flowrelay_influxdb_points_written_total', 'counter', 'points handed over', sink.pointsWritten),
    perServer('points_recovered', 'gauge', 'points that an earlier run left', (each) => each.pointsRecovered),
    perServer('points_confirmed_total', 'counter', 'points that the server confirmed', (each) => each.pointsConfirmed),
    perServer('points_retried_total', 'counter', 'points sent again, once for each time', (each) => each.pointsRetried),
    perServer(
      'points_refused_total',
      'counter',
      'points that the server refused for good',
      (each) => each.pointsRefused,
    ),
    {
      name: 'flowrelay_influxdb_points_dropped_total',
      kind: 'counter',
      help: 'points given up, by reason',
      samples: dropped,
    },
    perServer('points_pending', 'gauge', 'points not confirmed yet', (each) => each.pending.lines),
    perServer('requests_total', 'counter', 'requests with points', (each) => each.requests),
    perServer('requests_failed_total', 'counter', 'requests with points that failed', (each) => each.requestsFailed),
    perServer('up', 'gauge', '1 while the server confirms points', (each) => (each.state === 'up' ? 1 : 0)),
    plainMetric('flowrelay_influxdb_spool_bytes', 'gauge', 'octets of points kept for servers', sink.spoolOctets),
    plainMetric(
      'flowrelay_influxdb_spool_age_seconds',
      'gauge',
      'age of the oldest point pending',
      sink.oldestAgeMs / 1000,
    ),
    plainMetric(
      'flowrelay_influxdb_spool_errors_total',
      'counter',
      'writes to the spool that failed',
      sink.spoolErrors,
    ),
    plainMetric(
      'flowrelay_influxdb_refused_lost_total',
      'counter',
      'refused points that could not be kept',
      sink.refusedLost,
    ),
  ];
}

/** How a server is, for /health. */
export interface InfluxdbHealth {
  readonly server: string;
  readonly kind: string;
  readonly version: string;
  readonly state: Delivery['state'];
  readonly problem: string;
  readonly pointsPending: number;
}

/** Its servers' state. */
export function influxdbHealth(sink: InfluxdbSink): InfluxdbHealth[] {
  return sink.deliveries.map(({ options: { server }, identity, state, problem, pending }) => ({
    server,
    kind: identity?.kind ?? 'unknown',
    version: identity?.version ?? '',
    state,
    problem,
    pointsPending: pending.lines,
  }));
}
