/** Datagrams from the network to lines: listeners, one decoder, sinks, the status page and saved state. */

import type { Configuration } from '../config/configuration.ts';
import type { StatusServer } from '../metrics/status.ts';
import type { FeedStatus } from '../sink/formats/ntopng-topics.ts';
import type { NdjsonEvent, WriteTurns } from '../sink/ndjson.ts';
import { Decoding } from './decoding.ts';
import { decodingOptionsOf } from './decoding-options.ts';
import { ExporterTotals } from './exporter-totals.ts';
import { feedStatus } from './feed-status.ts';
import type { FlowOwnership } from './flow-ownership.ts';
import { DEFAULT_LISTEN, parseListenUrl } from './listen-url.ts';
import { type Listener, type ListenerHandler, type ListenerStatus, openListener } from './listener.ts';
import type { Log } from './log.ts';
import { Output, type OutputOptions } from './output.ts';
import { senderOutcome, senderTargets } from './sender-status.ts';
import { openLiveSenders } from './senders.ts';
import { logSinkEvent } from './sink-log.ts';
import { StateFile } from './state-file.ts';
import { StateKeeper } from './state-keeper.ts';
import { statusPages } from './status-pages.ts';
import { openStatusServer, statusAddress } from './status-server.ts';

const FLUSH_INTERVAL_MS = 200;
const TICK_MS = 1000;
const TOTALS_INTERVAL_MS = 5000;
/** Exporters announced in the log; further ones are only counted. */
const MAX_EXPORTERS_LOGGED = 16_384;

/** Options that a reload leaves as they were. */
const RESTART_OPTIONS = [
  'listen',
  'status',
  'stateDir',
  'receiveBuffer',
  'workers',
  'zmq',
  'zmqConnect',
  'zmqBalance',
  'zmqPayload',
  'zmqFormat',
  'zmqKeys',
  'zmqHeader',
  'zmqCompress',
  'zmqBatch',
  'zmqEncryptionKey',
  'zmqHighWaterMark',
  'zmqSourceId',
  'zmqObservationPoint',
  'influxdb',
  'influxdbDatabase',
  'influxdbUser',
  'influxdbPassword',
  'influxdbOrg',
  'influxdbBucket',
  'influxdbToken',
  'influxdbCa',
  'influxdbRetention',
  'influxdbFlows',
  'influxdbSpool',
  'ifid',
  'seriesStep',
  'seriesSpread',
  'seriesDelay',
  'seriesMax',
  'seriesFamilyMax',
  'seriesCount',
  'localNetworks',
  'export',
  'exportVersion',
  'exportBalance',
  'exportOptions',
  'template',
  'templateFields',
  'templateRefreshPackets',
  'templateRefresh',
  'exportMtu',
  'exportRate',
  'processes',
  'processSockets',
  'processKeep',
  'interval',
  'agentMode',
  'agentCommandLines',
  'containerSockets',
] as const satisfies readonly (keyof Configuration)[];

/** What a collector needs besides its configuration. */
export interface CollectOptions {
  readonly log: Log;
  /** Version of the program, for the log and the status page. */
  readonly version: string;
  /** Whether the status address was asked for: its port being taken is an error then. */
  readonly isStatusAsked: boolean;
  /** Called once when nobody reads the lines any more. */
  readonly onReaderGone: () => void;
  /** Where this is one thread of several: how they take turns at standard output and pipes. */
  readonly turns?: WriteTurns;
}

/** What a collector has done. */
export interface CollectTotals {
  readonly messages: number;
  readonly messagesDiscarded: number;
  readonly flows: number;
  readonly optionsRecords: number;
  readonly countersRecords: number;
  readonly linesWritten: number;
  readonly linesDropped: number;
  readonly kernelDrops: number;
}

/** A collector at work. */
export interface RunningCollect {
  /** Where it listens, as bound: `udp://[::]:2055`. */
  readonly listeners: readonly string[];
  /** Address of the status page, undefined without one. */
  readonly status: string | undefined;
  /** Applies a new configuration as far as that goes without a restart, and opens files anew. Rejects, and changes nothing, where it cannot. */
  reload(configuration: Configuration): Promise<void>;
  /** Stops listening, saves state, writes what is left, and logs what was done. */
  stop(reason: string): Promise<void>;
}

/** Starts collecting. Rejects with one clear error, and leaves nothing open, where something cannot be opened. */
export async function startCollect(configuration: Configuration, options: CollectOptions): Promise<RunningCollect> {
  if (configuration.workers > 1) {
    const { startThreads } = await import('./collect-threads.ts');
    return startThreads(configuration, options);
  }
  return startCollector(configuration, options);
}

/** Starts a collector in this thread. */
export async function startCollector(configuration: Configuration, options: CollectOptions): Promise<Collector> {
  // Most runs do without, and start faster.
  const ownership = configuration.processes ? (await import('./flow-ownership.ts')).FlowOwnership : undefined;
  const collector = new Collector(configuration, options, ownership);
  try {
    await collector.start();
  } catch (error) {
    await collector.release();
    throw error;
  }
  return collector;
}

/** One decoder and what feeds and empties it. */
export class Collector implements RunningCollect {
  decoding: Decoding;
  output: Output;
  readonly ownership: FlowOwnership | undefined;
  readonly totals = new ExporterTotals();
  readonly startedMs = Date.now();
  readonly version: string;
  #configuration: Configuration;
  readonly #options: CollectOptions;
  readonly #log: Log;
  readonly #listeners: Listener[] = [];
  #statusServer: StatusServer | undefined;
  #state: StateKeeper | undefined;
  #timer: NodeJS.Timeout | undefined;
  #ticks = 0;
  #drops = new Map<string, number>();
  readonly #droppingListeners = new Set<string>();
  readonly #exporters = new Set<string>();
  #lastAddress = '';
  #internalErrorsLogged = 0;
  #internalErrorsBefore = 0;
  #isReaderGone = false;
  #isStopping = false;

  /** `ownership` is there where flows are told with their owners. */
  constructor(configuration: Configuration, options: CollectOptions, ownership?: typeof FlowOwnership) {
    this.#configuration = configuration;
    this.#options = options;
    this.#log = options.log;
    this.version = options.version;
    const stateFile = configuration.stateDir === '' ? undefined : new StateFile(configuration.stateDir);
    this.output = new Output(configuration, this.#outputOptions(configuration));
    this.ownership = ownership && new ownership(configuration, this.output, this.#log);
    this.decoding = new Decoding(decodingOptionsOf(configuration), this.ownership?.annotation ?? this.output);
    if (stateFile !== undefined) this.#state = new StateKeeper(stateFile, this.#log);
  }

  get listeners(): readonly string[] {
    return this.#listeners.map(({ url }) => url);
  }

  get status(): string | undefined {
    return statusAddress(this.#configuration.status, this.#statusServer);
  }

  /** Faults of ours since the program started. */
  get internalErrors(): number {
    return this.#internalErrorsBefore + this.decoding.internalErrors;
  }

  /** What each listener says of itself. */
  listenerStatus() {
    return this.#listeners.map((listener) => listener.status());
  }

  async start(): Promise<void> {
    const { listen, receiveBuffer } = this.#configuration;
    await this.#state?.restore(this.decoding);
    const context = { version: this.version, status: () => this.#feedStatus() };
    const urls = listen.length === 0 ? [DEFAULT_LISTEN] : listen;
    await openLiveSenders(this.output, this.#configuration, context, this.#log, urls.length);
    await this.ownership?.start();
    for (const [place, url] of urls.entries()) {
      const handler = this.#handlerOf(place);
      this.#listeners.push(
        await openListener(parseListenUrl(url), receiveBuffer, handler, this.#options.turns !== undefined),
      );
    }
    await this.#openStatus();
    this.#timer = setInterval(() => this.#tick(), TICK_MS);
    this.#log.write('info', 'started', `flowrelay ${this.version} listens on ${this.listeners.join(', ')}`, {
      version: this.version,
      listeners: this.listeners,
      sinks: this.output.sinks.map(({ path }) => path),
      ...senderTargets(this.output),
      status: this.status ?? 'off',
      ...(this.#configuration.stateDir !== '' && { stateDir: this.#configuration.stateDir }),
    });
    sayBuffers(this.#log, this.listenerStatus());
  }

  /** Lets go of whatever is open. */
  async release(): Promise<void> {
    clearInterval(this.#timer);
    await Promise.all(this.#listeners.map((listener) => listener.close()));
    await this.ownership?.close();
    await this.#statusServer?.close();
    await this.output.close();
  }

  async reload(configuration: Configuration): Promise<void> {
    const before = this.#configuration;
    const needRestart = changedRestartOptions(before, configuration);
    // Definitions may have changed in their files, whose names stay the same.
    const isDecodingChanged =
      JSON.stringify(decodingOptionsOf(before)) !== JSON.stringify(decodingOptionsOf(configuration)) ||
      configuration.ieDefinitions.length > 0 ||
      configuration.exporterTemplates.length > 0;
    // Whatever fails, fails before anything is replaced.
    const next = isDecodingChanged
      ? new Decoding(decodingOptionsOf(configuration), this.ownership?.annotation ?? this.output)
      : undefined;
    if (sinkPart(before) === sinkPart(configuration)) this.output.reopen();
    else await this.output.replace(configuration, this.#outputOptions(configuration));
    if (next !== undefined) this.#replaceDecoding(next);
    this.#log.setLevel(configuration.logLevel);
    // What needs a restart keeps its old value, so that the next reload says it again.
    const kept = Object.fromEntries(needRestart.map((name) => [name, before[name]]));
    this.#configuration = { ...configuration, ...kept };
    this.#log.write('info', 'reloaded', 'configuration reloaded, files opened anew', {
      sinks: this.output.sinks.map(({ path }) => path),
      ...(needRestart.length > 0 && { needsRestart: needRestart }),
    });
  }

  async stop(reason: string): Promise<void> {
    if (this.#isStopping) return;
    const totals = await this.finish();
    logStopped(this.#log, reason, this.startedMs, {
      ...totals,
      ...senderOutcome(this.output),
    });
  }

  /** Stops listening, saves state, writes what is left, and gives what was done. */
  async finish(): Promise<CollectTotals> {
    this.#isStopping = true;
    clearInterval(this.#timer);
    await Promise.all(this.#listeners.map((listener) => listener.close()));
    this.#watchDrops();
    await this.#state?.save(this.decoding);
    await this.ownership?.close();
    this.totals.update(this.decoding.sessions);
    this.output.points?.tellLosses(this.totals);
    await this.output.close();
    await this.#statusServer?.close();
    const sums = { messages: 0, discarded: 0, flows: 0, options: 0, counters: 0 };
    for (const { counters } of this.totals.rows()) {
      sums.messages += counters.messagesReceived;
      sums.discarded += counters.messagesDiscarded;
      sums.flows += counters.flowRecords;
      sums.options += counters.optionsRecords;
      sums.counters += counters.countersRecords;
    }
    const { sinks } = this.output;
    return {
      messages: sums.messages,
      messagesDiscarded: sums.discarded,
      flows: sums.flows,
      optionsRecords: sums.options,
      countersRecords: sums.counters,
      linesWritten: sinks.reduce((sum, sink) => sum + sink.linesWritten, 0),
      linesDropped: sinks.reduce((sum, sink) => sum + sink.linesDropped, 0),
      kernelDrops: this.listenerStatus().reduce((sum, { kernelDrops }) => sum + (kernelDrops ?? 0), 0),
    };
  }

  onDatagram(octets: Uint8Array, address: string, port: number): void {
    const view = new DataView(octets.buffer, octets.byteOffset, octets.byteLength);
    this.onMessage(octets, view, 0, octets.byteLength, address, port, false);
  }

  onMessage(
    octets: Uint8Array,
    view: DataView,
    start: number,
    end: number,
    address: string,
    port: number,
    isReliable: boolean,
  ): void {
    const outcome = this.decoding.decode(octets, view, start, end, address, port, Date.now(), isReliable);
    if (outcome !== 'ok') {
      this.#log.writeLimited(
        `${outcome} ${address}`,
        'warning',
        'fault',
        `a message of ${address} could not be decoded whole: ${outcome}`,
        {
          exporter: address,
          port,
          reason: outcome,
          octets: end - start,
        },
      );
    } else if (address !== this.#lastAddress) {
      this.#lastAddress = address;
      this.#greet(address, port);
    }
  }

  onError(listener: string, error: Error): void {
    this.#log.writeLimited(`listener ${listener}`, 'error', 'listener_error', `${listener}: ${error.message}`, {
      listener,
    });
  }

  /** What takes the messages of one listener. */
  #handlerOf(place: number): ListenerHandler {
    if (this.#configuration.ifid.length === 1) return this;
    const collector = this;
    return {
      get decoding() {
        return collector.decoding;
      },
      onDatagram: (octets, address, port) => {
        this.output.points?.select(place);
        this.onDatagram(octets, address, port);
      },
      onMessage: (octets, view, start, end, address, port, isReliable) => {
        this.output.points?.select(place);
        this.onMessage(octets, view, start, end, address, port, isReliable);
      },
      onError: (listener, error) => this.onError(listener, error),
    };
  }

  /** Goes on with another decoder, which learns what the old one knew of Templates and options. */
  #replaceDecoding(next: Decoding): void {
    const problem = next.restoreState(this.decoding.serializeState());
    if (problem !== undefined) {
      this.#log.write('warning', 'state_ignored', `Templates were not carried over: ${problem}`, { reason: problem });
    }
    this.totals.update(this.decoding.sessions);
    this.totals.startTable();
    this.#internalErrorsBefore += this.decoding.internalErrors;
    this.decoding = next;
  }

  #greet(address: string, port: number): void {
    if (this.#exporters.has(address) || this.#exporters.size >= MAX_EXPORTERS_LOGGED) return;
    this.#exporters.add(address);
    this.#log.writeLimited(`exporter ${address}`, 'info', 'exporter_first_seen', `first message of ${address}`, {
      exporter: address,
      port,
    });
  }

  #outputOptions(configuration: Configuration): OutputOptions {
    return {
      delivery: 'drop',
      queueOctets: configuration.queueOctets,
      flushIntervalMs: FLUSH_INTERVAL_MS,
      onEvent: (event) => this.#onSinkEvent(event),
      ...(this.#options.turns !== undefined && { turns: this.#options.turns }),
    };
  }

  #onSinkEvent(event: NdjsonEvent): void {
    if (logSinkEvent(this.#log, event)) return;
    if (this.#isReaderGone || !this.output.sinks.every((each) => each.isReaderGone)) return;
    this.#isReaderGone = true;
    this.#options.onReaderGone();
  }

  #feedStatus(): FeedStatus {
    const drops = this.listenerStatus().reduce((sum, { kernelDrops }) => sum + (kernelDrops ?? 0), 0);
    const port = Number(/[0-9]+$/.exec(this.listeners[0] ?? '')?.[0] ?? 0);
    return feedStatus(this.totals, this.decoding, drops, port);
  }

  async #openStatus(): Promise<void> {
    this.#statusServer = await openStatusServer(this.#configuration.status, statusPages(this), this.#options);
  }

  #tick(): void {
    this.#ticks++;
    this.#watchDrops();
    this.#watchFaults();
    this.output.points?.advance(Date.now());
    this.output.points?.flush();
    if ((this.#ticks * TICK_MS) % TOTALS_INTERVAL_MS === 0) {
      this.totals.update(this.decoding.sessions);
      this.output.points?.tellLosses(this.totals);
    }
    void this.#state?.tick(this.decoding, Date.now());
  }

  /** Says when the kernel begins and ends to drop at a socket. */
  #watchDrops(): void {
    for (const { listener, kernelDrops } of this.listenerStatus()) {
      if (kernelDrops === undefined || kernelDrops === null) continue;
      const before = this.#drops.get(listener) ?? 0;
      this.#drops.set(listener, kernelDrops);
      const isDropping = this.#droppingListeners.has(listener);
      if (kernelDrops > before && !isDropping) {
        this.#droppingListeners.add(listener);
        this.#log.write(
          'warning',
          'kernel_drops_began',
          `the kernel drops datagrams at ${listener}: they come faster than they are read`,
          { listener, kernelDrops },
        );
      } else if (kernelDrops === before && isDropping) {
        this.#droppingListeners.delete(listener);
        this.#log.write(
          'warning',
          'kernel_drops_ended',
          `${kernelDrops} datagrams were dropped at ${listener} since start`,
          { listener, kernelDrops },
        );
      }
    }
  }

  #watchFaults(): void {
    const { internalErrors } = this;
    if (internalErrors === this.#internalErrorsLogged) return;
    this.#log.writeLimited(
      'internal',
      'error',
      'internal_error',
      'a datagram met a fault of this program; please report it',
      { internalErrors },
    );
    this.#internalErrorsLogged = internalErrors;
  }
}

/** What differs of what a reload leaves as it was. */
export function changedRestartOptions(before: Configuration, after: Configuration): (keyof Configuration)[] {
  return RESTART_OPTIONS.filter((name) => JSON.stringify(before[name]) !== JSON.stringify(after[name]));
}

/** The last line of the log. */
export function logStopped(
  log: Log,
  reason: string,
  startedMs: number,
  totals: Pick<CollectTotals, 'flows' | 'messages'>,
): void {
  log.write('info', 'stopped', `stopped (${reason}) after ${totals.flows} flows of ${totals.messages} messages`, {
    reason,
    seconds: Math.round((Date.now() - startedMs) / 1000),
    ...totals,
  });
}

/** Says which sockets got less receive buffer than asked, and what to do about it. */
export function sayBuffers(log: Log, listeners: readonly ListenerStatus[]): void {
  for (const { listener, receiveBufferAsked, receiveBufferGot } of listeners) {
    if (receiveBufferAsked === undefined || receiveBufferGot === undefined || receiveBufferGot >= receiveBufferAsked)
      continue;
    log.write(
      'warning',
      'receive_buffer_small',
      `${listener} got ${receiveBufferGot} octets of receive buffer, not ${receiveBufferAsked}: bursts may be lost; raise the limit with: sysctl -w net.core.rmem_max=${receiveBufferAsked}`,
      { listener, asked: receiveBufferAsked, got: receiveBufferGot },
    );
  }
}

function sinkPart({ json, names, fields, upscale, records, codeGeneration, queueOctets }: Configuration): string {
  return JSON.stringify([json, names, fields, upscale, records, codeGeneration, queueOctets]);
}
