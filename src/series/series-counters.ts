import { type Metric, plainMetric } from '../metrics/prometheus.ts';
import { FAMILIES, type Family } from './schema.ts';
import type { SeriesLimits } from './series-limits.ts';

/** Counters that others keep. */
export interface CountersElsewhere {
  readonly pointsWritten: number;
  readonly flowsAhead: number;
  readonly flowsImplausible: number;
  readonly tagsCut: number;
  readonly pushedOut: number;
}

/** What series were made of, and what was left out. */
export class SeriesCounters {
  /** Flows and agents' events taken. */
  flows = 0;
  /** Of these: those that another Exporter, domain or direction had reported, and which only its own series count. */
  flowsReportedTwice = 0;
  /** Of these: those that ended in a step that was closed, and went to the oldest open one. */
  flowsLate = 0;
  /** Of these: those of which a part did. */
  flowsPartlyLate = 0;
  /** Times the clock was set back so far that all steps were closed. */
  clockSetBack = 0;
  /** Steps without points, after the clock had leapt ahead. */
  stepsSkipped = 0;
  private readonly limits: SeriesLimits;
  private readonly elsewhere: () => CountersElsewhere;

  /** `elsewhere` gives the counters that others keep. */
  constructor(limits: SeriesLimits, elsewhere: () => CountersElsewhere) {
    this.limits = limits;
    this.elsewhere = elsewhere;
  }

  /** Points written. */
  get pointsWritten(): number {
    return this.elsewhere().pointsWritten;
  }

  /** Flows whose end was ahead of the clock by over a minute: taken as of now. */
  get flowsAhead(): number {
    return this.elsewhere().flowsAhead;
  }

  /** Flows of over a day, taken as of their end, and flows of over a petabyte, left out. */
  get flowsImplausible(): number {
    return this.elsewhere().flowsImplausible;
  }

  /** Values of tags that were cut. */
  get tagsCut(): number {
    return this.elsewhere().tagsCut;
  }

  /** Conversations, peers and containers' flows that were forgotten too soon: they count anew when they come again. */
  get pushedOut(): number {
    return this.elsewhere().pushedOut;
  }

  /** Series that have written a point and are not forgotten. */
  get seriesLive(): number {
    return this.limits.live;
  }

  /** Times that something went to `other` for want of room, by family. */
  get overLimit(): Readonly<Record<Family, number>> {
    return this.limits.overLimit;
  }
}

/** The counters of all for Prometheus, added up; their limits are the same. */
export function seriesMetrics(all: readonly SeriesCounters[]): Metric[] {
  const [{ seriesLive, overLimit }] = all as readonly [SeriesCounters];
  const sum = (value: (counters: SeriesCounters) => number) => all.reduce((total, each) => total + value(each), 0);
  return [
    plainMetric('flowrelay_series', 'gauge', 'Time series that are written.', seriesLive),
    plainMetric(
      'flowrelay_series_points_total',
      'counter',
      'Points of time series made.',
      sum((each) => each.pointsWritten),
    ),
    plainMetric(
      'flowrelay_series_flows_total',
      'counter',
      'Flows that time series were made of.',
      sum((each) => each.flows),
    ),
    {
      name: 'flowrelay_series_flows_odd_total',
      kind: 'counter',
      help: 'Of these: counted otherwise than they say, by reason.',
      samples: Object.entries({
        reported_twice: sum((each) => each.flowsReportedTwice),
        late: sum((each) => each.flowsLate),
        partly_late: sum((each) => each.flowsPartlyLate),
        ahead: sum((each) => each.flowsAhead),
        implausible: sum((each) => each.flowsImplausible),
      }).map(([reason, value]) => ({ labels: { reason }, value })),
    },
    {
      name: 'flowrelay_series_over_limit_total',
      kind: 'counter',
      help: 'Times that something went to the series tagged other, by family.',
      samples: FAMILIES.map((family) => ({ labels: { reason: family }, value: overLimit[family] })),
    },
    plainMetric(
      'flowrelay_series_pushed_out_total',
      'counter',
      'Keys forgotten too soon to count once.',
      sum((each) => each.pushedOut),
    ),
    plainMetric(
      'flowrelay_series_tags_cut_total',
      'counter',
      'Values of tags that were cut.',
      sum((each) => each.tagsCut),
    ),
    plainMetric(
      'flowrelay_series_steps_skipped_total',
      'counter',
      'Steps that the clock leapt over.',
      sum((each) => each.stepsSkipped),
    ),
  ];
}
