import type { Configuration } from '../config/configuration.ts';
import type { StatusPage, StatusServer } from '../metrics/status.ts';
import type { NdjsonEvent } from '../sink/ndjson.ts';
import type { Log, LogFields } from './log.ts';
import { Output } from './output.ts';
import { senderOutcome, senderTargets } from './sender-status.ts';
import { openLiveSenders, type SenderContext } from './senders.ts';
import { logSinkEvent } from './sink-log.ts';
import { openStatusServer, statusAddress } from './status-server.ts';

/** What a program that runs until it is stopped needs besides its configuration. */
export interface LiveRunOptions {
  readonly log: Log;
  /** Version of the program, for the log and the status page. */
  readonly version: string;
  /** Whether the status address was asked for: its port being taken is an error then. */
  readonly isStatusAsked: boolean;
  /** Called once when there is nothing more to do: nobody reads the lines any more, for one. */
  readonly onOver: (reason: string) => void;
}

const FLUSH_INTERVAL_MS = 200;

/** The sinks, the status page and the log of a program that runs until it is stopped; what it does comes on top. */
export abstract class LiveRun {
  readonly output: Output;
  readonly startedMs = Date.now();
  readonly version: string;
  protected readonly configuration: Configuration;
  protected readonly log: Log;
  /** Whether its end has begun. */
  protected isStopping = false;
  readonly #options: LiveRunOptions;
  #statusServer: StatusServer | undefined;
  #isOver = false;

  /** Opens the files; throws one clear error where one cannot be opened. */
  constructor(configuration: Configuration, options: LiveRunOptions) {
    this.configuration = configuration;
    this.#options = options;
    this.log = options.log;
    this.version = options.version;
    this.output = new Output(configuration, {
      delivery: 'drop',
      queueOctets: configuration.queueOctets,
      flushIntervalMs: FLUSH_INTERVAL_MS,
      onEvent: (event) => this.#onSinkEvent(event),
    });
  }

  /** Address of the status page, undefined without one. */
  get status(): string | undefined {
    return statusAddress(this.configuration.status, this.#statusServer);
  }

  /** Applies the log's level and opens files anew; the rest of a configuration needs a restart. */
  reload({ logLevel }: Configuration): void {
    this.output.reopen();
    this.log.setLevel(logLevel);
    this.log.write('info', 'reloaded', 'files opened anew; all but the level of the log needs a restart', {
      sinks: this.output.sinks.map(({ path }) => path),
    });
  }

  /** Lets go of whatever is open, after a start that failed. */
  abstract release(): Promise<void>;

  /** Opens what sends flows on; these come from so many places. */
  protected openSenders(context: Omit<SenderContext, 'version'>, places: number): Promise<void> {
    return openLiveSenders(this.output, this.configuration, { ...context, version: this.version }, this.log, places);
  }

  protected async openStatus(pages: ReadonlyMap<string, StatusPage>): Promise<void> {
    this.#statusServer = await openStatusServer(this.configuration.status, pages, this.#options);
  }

  /** Writes what is left, and closes sinks and the status page. */
  protected async closeOutput(): Promise<void> {
    await this.output.close();
    await this.#statusServer?.close();
  }

  /** To be called each second or so, for the points of time series that are due. */
  protected advancePoints(nowMs: number): void {
    this.output.points?.advance(nowMs);
    this.output.points?.flush();
  }

  /** There is nothing more to do. */
  protected over(reason: string): void {
    if (this.#isOver) return;
    this.#isOver = true;
    this.#options.onOver(reason);
  }

  protected sayStarted(what: string, fields: LogFields): void {
    this.log.write('info', 'started', `flowrelay ${this.version} ${what}`, {
      version: this.version,
      ...fields,
      sinks: this.output.sinks.map(({ path }) => path),
      ...senderTargets(this.output),
      status: this.status ?? 'off',
    });
  }

  /** Says what was done; once the output is closed. */
  protected sayStopped(reason: string, what: string, fields: LogFields): void {
    const { sinks } = this.output;
    this.log.write('info', 'stopped', `stopped (${reason}) after ${what}`, {
      reason,
      seconds: Math.round((Date.now() - this.startedMs) / 1000),
      ...fields,
      linesWritten: sinks.reduce((sum, sink) => sum + sink.linesWritten, 0),
      linesDropped: sinks.reduce((sum, sink) => sum + sink.linesDropped, 0),
      ...senderOutcome(this.output),
    });
  }

  #onSinkEvent(event: NdjsonEvent): void {
    if (logSinkEvent(this.log, event)) return;
    if (this.output.isReaderGone) this.over('nobody reads standard output');
  }
}

/** Starts a run; where that fails it is released, and the promise rejects with what failed. */
export async function startRun<Run extends LiveRun>(run: Run, start: () => Promise<void>): Promise<Run> {
  try {
    await start();
  } catch (error) {
    await run.release();
    throw error;
  }
  return run;
}
