/** Time series, and flows as points, for the InfluxDB servers a configuration asks for. */

import { randomBytes } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Configuration } from '../config/configuration.ts';
import { ConfigurationError } from '../config/load-configuration.ts';
import type { Flow, PlainRecord } from '../flow/flow.ts';
import type { RecordOutput } from '../flow/record-output.ts';
import { FlowSeries, limitsOf } from '../series/flow-series.ts';
import { LocalNetworks } from '../series/local-networks.ts';
import { SCHEMAS } from '../series/schema.ts';
import {
  DEFAULT_SERIES_OPTIONS,
  parseFamilyLimits,
  parseSeriesSteps,
  type SeriesOptions,
} from '../series/series-options.ts';
import { FlowPoint } from '../sink/formats/flow-point.ts';
import { type InfluxdbEvent, type InfluxdbSink, openInfluxdb } from '../sink/influxdb.ts';
import type { RollUp } from '../sink/influxdb-rollups.ts';
import type { ExporterTotals } from './exporter-totals.ts';

/** What points need besides the configuration. */
export interface PointsOptions {
  /** `wait` for conversions: they go by the times of what they read, and end when all is confirmed. */
  readonly delivery: 'drop' | 'wait';
  /** Places that flows come from: listeners or interfaces, in the order of their options. */
  readonly places: number;
  /** Whether counters of interfaces are those of this host. */
  readonly hasOwnInterfaces?: boolean;
  readonly onEvent: (event: InfluxdbEvent) => void;
}

/** What is left when points end. */
export interface PointsOutcome {
  /** Points that a server has not confirmed. */
  readonly unconfirmed: number;
  /** Points that a server has refused for good, or that were given up. */
  readonly lost: number;
  /** Whether those not confirmed are kept on disk for the next run. */
  readonly isKept: boolean;
}

const SPOOL_FOLDER = 'influxdb';
/** Octets of points kept without a disk, or while it cannot be written. */
const MEMORY_OCTETS = 67_108_864;
/** Days that ntopng keeps points. */
const RETENTION_DAYS = 30;
const REFUSED_OCTETS = 16_777_216;
/** Names of fields that Exporters may add to points of flows. */
const MAX_FIELD_NAMES = 1000;
/** How long a collector waits for confirmation when it ends, and a conversion for any progress. */
const CLOSE_WAIT_MS = { drop: 5000, wait: 60_000 } as const;
/** Lines of series after which datagrams get their turn. */
const LINES_PER_TURN = 2000;

/** Hands flows to series, and to points of their own where those are asked for. */
export class Points implements RecordOutput {
  /** One for each value of `ifid`. */
  readonly series: readonly FlowSeries[];
  readonly sink: InfluxdbSink;
  readonly flows: FlowPoint | undefined;
  /** Whether time is that of the records' export, for what has no times of its own. */
  goesByExportTimes = false;
  readonly #delivery: PointsOptions['delivery'];
  /** Series of each place. */
  readonly #byPlace: readonly FlowSeries[];
  #current: FlowSeries;
  /** Indices of the interfaces that are the places, where flows are told apart by theirs. */
  #interfaces: readonly number[] | undefined;

  /** Opens the servers; rejects with one clear error where an option is of no use. A server that is down is none. */
  static async open(configuration: Configuration, options: PointsOptions): Promise<Points> {
    const { stateDir } = configuration;
    // Before anything is opened.
    checkNumbers(configuration.ifid, options.places);
    const steps = checked(() => parseSeriesSteps(configuration.seriesStep.join(',')));
    const limits = checked(() => parseFamilyLimits(configuration.seriesFamilyMax.join(','), configuration.seriesMax));
    checked(() => new LocalNetworks(configuration.localNetworks));
    const sink = await openSink(
      {
        urls: configuration.influxdb,
        database: configuration.influxdbDatabase,
        user: configuration.influxdbUser,
        password: secret(configuration.influxdbPassword, 'influxdb-password'),
        organisation: configuration.influxdbOrg,
        bucket: configuration.influxdbBucket,
        token: secret(configuration.influxdbToken, 'influxdb-token'),
        certificateAuthorityFile: configuration.influxdbCa,
        retentionDays: configuration.influxdbRetention > 0 ? configuration.influxdbRetention : undefined,
        // What a conversion reads may be of any age.
        retentionDaysOfNew: options.delivery === 'wait' ? Number.POSITIVE_INFINITY : RETENTION_DAYS,
        rollUps: rollUps(steps),
        compression: 'auto',
        directory: stateDir === '' ? undefined : join(stateDir, SPOOL_FOLDER),
        spoolOctets: configuration.influxdbSpool,
        memoryOctets: Math.min(configuration.influxdbSpool, MEMORY_OCTETS),
        refusedOctets: REFUSED_OCTETS,
        delivery: options.delivery,
      },
      options.onEvent,
    );
    return new Points(configuration, options, sink, { stepSeconds: steps, maxByFamily: limits });
  }

  private constructor(
    configuration: Configuration,
    { delivery, hasOwnInterfaces = false }: PointsOptions,
    sink: InfluxdbSink,
    parsed: Pick<SeriesOptions, 'stepSeconds' | 'maxByFamily'>,
  ) {
    const { localNetworks, seriesMax } = configuration;
    this.sink = sink;
    this.#delivery = delivery;
    const seriesOptions = {
      ...DEFAULT_SERIES_OPTIONS,
      ...parsed,
      hasOwnInterfaces,
      spread: configuration.seriesSpread === 'on',
      delayMs: configuration.seriesDelay * 1000,
      maxSeries: seriesMax,
      ...(localNetworks.length > 0 && { localNetworks }),
      countOnce: configuration.seriesCount === 'once',
      zerosBeforeStart: delivery === 'wait',
      linesPerTurn: delivery === 'wait' ? Number.POSITIVE_INFINITY : LINES_PER_TURN,
      seed: randomBytes(4).readUInt32LE(),
    };
    const limits = limitsOf({ ...seriesOptions, ifid: '' });
    const byNumber = new Map<number, FlowSeries>();
    for (const ifid of configuration.ifid) {
      if (!byNumber.has(ifid))
        byNumber.set(ifid, new FlowSeries({ ...seriesOptions, ifid: String(ifid) }, sink, limits));
    }
    this.series = [...byNumber.values()];
    this.#byPlace = configuration.ifid.map((ifid) => byNumber.get(ifid)!);
    this.#current = this.#byPlace[0]!;
    if (configuration.influxdbFlows) {
      this.flows = new FlowPoint(
        {
          names: configuration.names,
          upscale: configuration.upscale,
          recordTypes: new Set(['flow', 'event', 'discard']),
          codeGeneration: configuration.codeGeneration,
          maxSeries: seriesMax,
          maxFieldNames: MAX_FIELD_NAMES,
        },
        sink,
      );
    }
  }

  write(flow: Flow): void {
    if (this.goesByExportTimes) this.advance(flow.origin.exportTimeMs);
    if (this.#interfaces !== undefined) this.select(Math.max(this.#interfaces.indexOf(interfaceOf(flow)), 0));
    this.#current.write(flow);
    this.flows?.write(flow);
  }

  writeRecord(record: PlainRecord): void {
    this.#current.writeRecord(record);
    this.flows?.writeRecord(record);
  }

  /** Says what time it is, Unix milliseconds: steps that are over are written. */
  advance(nowMs: number): void {
    for (let i = 0; i < this.series.length; i++) this.series[i]!.advance(nowMs);
  }

  /** Says which place the records that follow come from. */
  select(place: number): void {
    this.#current = this.#byPlace[place] ?? this.#current;
  }

  /** Says that flows come from the interface that they name as input, whose indices are these. */
  selectByInterface(indices: readonly number[]): void {
    if (this.series.length > 1) this.#interfaces = indices;
  }

  /** Takes what Exporters have lost so far. */
  tellLosses(totals: ExporterTotals): void {
    const byExporter = new Map<string, { exporter: string; received: number; lost: number; undecodable: number }>();
    for (const { exporter, counters } of totals.rows()) {
      const sum = byExporter.get(exporter) ?? { exporter, received: 0, lost: 0, undecodable: 0 };
      sum.received += counters.flowRecords;
      sum.lost += Math.max(counters.sequenceLost - counters.sequenceLate, 0);
      sum.undecodable += counters.messagesDiscarded + counters.pendingDropped;
      byExporter.set(exporter, sum);
    }
    for (const losses of byExporter.values()) {
      // Nobody says where messages came from that made no flows.
      const knowing = this.series.filter((each) => each.knowsExporter(losses.exporter));
      for (const each of knowing.length > 0 ? knowing : this.series.slice(0, 1)) each.exporterLosses(losses);
    }
  }

  /** Hands on what is ready. */
  flush(): void {
    this.flows?.flush();
  }

  /** Whether more waits than should: await {@link Points.drained}. */
  get mustWait(): boolean {
    return this.sink.mustWait;
  }

  /** Settles when nothing waits any more. */
  async drained(): Promise<void> {
    await this.sink.drained();
  }

  /** Writes all steps, waits for their confirmation as long as that makes sense, and ends. */
  async close(): Promise<PointsOutcome> {
    for (const each of this.series) each.finish();
    this.flows?.flush();
    const { unconfirmed, isKept } = await this.sink.close(CLOSE_WAIT_MS[this.#delivery]);
    let lost = 0;
    for (const { pointsRefused, pointsDropped } of this.sink.deliveries) {
      lost += pointsRefused;
      for (const points of Object.values(pointsDropped)) lost += points;
    }
    return { unconfirmed, lost, isKept };
  }
}

/** One for all, or one for each. */
function checkNumbers(numbers: readonly number[], places: number): void {
  if (numbers.length === 1 || numbers.length === places) return;
  const wanted = places === 1 ? 'one' : `one for all, or one for each of ${places}`;
  throw new ConfigurationError([`--ifid: ${numbers.length} numbers, where there may be ${wanted}`]);
}

function interfaceOf({ layout, inputInterface }: Flow): number {
  return layout.has('inputInterface') ? inputInterface : -1;
}

/** What keeps it from opening is in its options: a server that is down does not. */
async function openSink(...[options, onEvent]: Parameters<typeof openInfluxdb>): Promise<InfluxdbSink> {
  try {
    return await openInfluxdb(options, onEvent);
  } catch (error) {
    throw new ConfigurationError([(error as Error).message]);
  }
}

/** What the daily roll-ups of InfluxDB 1.x are made of. */
function rollUps(steps: ReturnType<typeof parseSeriesSteps>): RollUp[] {
  return SCHEMAS.flatMap(({ measurement, tags, fields, type, family }) =>
    family === '' || type === ''
      ? []
      : [{ measurement, tags: ['ifid', ...tags], fields, kind: type, step: steps[family] }],
  );
}

/** A value, or what a file holds after `@`. */
function secret(text: string, option: string): string {
  if (!text.startsWith('@')) return text;
  try {
    return readFileSync(text.slice(1), 'utf8').trim();
  } catch (error) {
    const code = (error as NodeJS.ErrnoException).code ?? 'unknown';
    throw new ConfigurationError([`--${option}: cannot read ${text.slice(1)}: ${code}`]);
  }
}

function checked<Value>(make: () => Value): Value {
  try {
    return make();
  } catch (error) {
    throw new ConfigurationError([(error as Error).message]);
  }
}
