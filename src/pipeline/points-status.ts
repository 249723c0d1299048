/** What points to InfluxDB come to, for the status page and the metrics. */

import { type Metric, plainMetric } from '../metrics/prometheus.ts';
import { seriesMetrics } from '../series/series-counters.ts';
import { type InfluxdbHealth, influxdbHealth, influxdbMetrics } from '../sink/influxdb-metrics.ts';
import type { Points } from './points.ts';

/** Its metrics. */
export function pointsMetrics({ series, sink, flows }: Points): Metric[] {
  return [
    ...seriesMetrics(series.map(({ counters }) => counters)),
    ...influxdbMetrics(sink),
    ...(flows === undefined
      ? []
      : [
          plainMetric('flowrelay_flow_points_total', 'counter', 'Flows written as points.', flows.pointsMade),
          plainMetric(
            'flowrelay_flow_point_fields_left_out_total',
            'counter',
            'Fields left out of points because there are too many names.',
            flows.fieldsLeftOut,
          ),
        ]),
  ];
}

/** The state of its servers. */
export function pointsStatus({ sink }: Points): InfluxdbHealth[] {
  return influxdbHealth(sink);
}

/** Its servers, without credentials. */
export function serversOf({ sink }: Points): string[] {
  return sink.deliveries.map(({ options: { server } }) => server);
}
