/** Flows in, points out. */

import type { Flow } from '../../src/flow/flow.ts';
import { FlowSeries } from '../../src/series/flow-series.ts';
import { DEFAULT_SERIES_OPTIONS, type SeriesOptions } from '../../src/series/series-options.ts';
import { type MadeFlow, makeFlow } from '../support/flow-builder.ts';
import { type Point, readPoints } from './line-protocol.ts';

/** A multiple of all steps: 2023-11-14T22:15:00Z. */
export const T0 = 1_700_000_100_000;

/** Series whose points are kept. */
export class SeriesHarness {
  readonly series: FlowSeries;
  /** Points so far. */
  readonly points: Point[] = [];
  /** Octets of their lines. */
  octets = 0;
  /** Calls that brought them. */
  calls = 0;

  constructor(options: Partial<SeriesOptions> = {}) {
    this.series = new FlowSeries(
      { ...DEFAULT_SERIES_OPTIONS, seed: 12_345, zerosBeforeStart: true, maxConversations: 4096, ...options },
      {
        writeLines: (octets, start, end, count) => {
          const points = readPoints(octets.slice(start, end));
          if (points.length !== count) throw new Error(`${count} lines are ${points.length}`);
          for (const point of points) this.points.push(point);
          this.octets += end - start;
          this.calls++;
        },
      },
    );
  }

  /** Takes a made flow. */
  add(made: MadeFlow | Flow): this {
    this.series.write('layout' in made ? made : makeFlow(made));
    return this;
  }

  /** Closes everything and gives the points of a measurement as `tags: seconds behind T0: fields`. */
  rows(measurement: string): string[] {
    this.series.finish();
    return this.points.filter((point) => point.measurement === measurement).map(showPoint);
  }

  /** The value of each series of a measurement's field that was written last: of counters, all that was counted. */
  totals(measurement: string, field: string): Map<string, number> {
    const last = new Map<string, number>();
    for (const { measurement: name, tags, fields } of this.points) {
      if (name === measurement && fields[field] !== undefined) last.set(showTags(tags), fields[field]);
    }
    return last;
  }

  /** Their sum. */
  total(measurement: string, ...fields: readonly string[]): number {
    return fields.reduce(
      (sum, field) => sum + [...this.totals(measurement, field).values()].reduce((all, value) => all + value, 0),
      0,
    );
  }
}

function showTags({ ifid: _, ...tags }: Point['tags']): string {
  return Object.entries(tags)
    .map(([name, value]) => `${name}=${value}`)
    .join(' ');
}

function showPoint({ tags, fields, time }: Point): string {
  const at = Number(time / 1_000_000n - BigInt(T0)) / 1000;
  return [showTags(tags), `${at}s`, ...Object.entries(fields).map(([name, value]) => `${name}=${value}`)]
    .filter((part) => part !== '')
    .join(' ');
}
