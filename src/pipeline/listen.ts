/** Messages of ntop's ZeroMQ feeds to lines: subscriptions, their reader, sinks and the status page. */

import { lookup } from 'node:dns/promises';
import { isIP } from 'node:net';
import { parseZmqEndpoint, type ZmqEndpoint } from '../bytes/zmq-endpoint.ts';
import type { Configuration } from '../config/configuration.ts';
import { ZmqInput, type ZmqInputEvent } from '../input/zmq.ts';
import type { StatusServer } from '../metrics/status.ts';
import type { FeedStatus } from '../sink/formats/ntopng-topics.ts';
import type { NdjsonEvent } from '../sink/ndjson.ts';
import { listenEncryption } from './listen-encryption.ts';
import { listenPages, type SubscriptionStatus } from './listen-pages.ts';
import type { ListenEndpoint } from './listen-sources.ts';
import { Listening } from './listening.ts';
import type { Log } from './log.ts';
import { Output, type OutputOptions } from './output.ts';
import { senderOutcome, senderTargets } from './sender-status.ts';
import { openLiveSenders } from './senders.ts';
import { logSinkEvent } from './sink-log.ts';
import { openStatusServer, statusAddress } from './status-server.ts';

const FLUSH_INTERVAL_MS = 200;
const TICK_MS = 1000;
/** Stands for the Exporter of a message that names none, where publishers call. */
const NO_ADDRESS = '0.0.0.0';
/** What a subscriber of ntop's asks for: first octets of topics. */
const SUBSCRIPTIONS = [
  'flow',
  'event',
  'counter',
  'template',
  'option',
  'hello',
  'listening-ports',
  'snmp-ifaces',
  'message',
];
/** Sources announced in the log; further ones are only counted. */
const MAX_SOURCES_LOGGED = 4096;

/** What listening needs besides its configuration. */
export interface ListenOptions {
  readonly log: Log;
  /** Version of the program, for the log and the status page. */
  readonly version: string;
  /** Whether the status address was asked for: its port being taken is an error then. */
  readonly isStatusAsked: boolean;
  /** Called once when nobody reads the lines any more. */
  readonly onOver: (reason: string) => void;
}

/** A `listen` at work. */
export interface RunningListen {
  /** Where it is bound or what it calls. */
  readonly endpoints: readonly string[];
  /** Address of the status page, undefined without one. */
  readonly status: string | undefined;
  /** Applies the log's level and opens files anew; the rest of a configuration needs a restart. */
  reload(configuration: Configuration): void;
  /** Takes no more messages, writes what is left, and logs what was done. */
  stop(reason: string): Promise<void>;
}

/** Endpoints that are none: what is wrong with them, a line each. */
export function endpointProblems(endpoints: readonly string[]): string[] {
  return endpoints
    .filter((text) => parseZmqEndpoint(text, 'with_c') === undefined)
    .map(
      (text) =>
        `listen: must be tcp://HOST:PORT, tcp://ADDRESS:PORTc or ipc://PATH, not ${JSON.stringify(text.slice(0, 80))}`,
    );
}

/** Starts listening to `endpoints`. Rejects with one clear error, and leaves nothing open, where something cannot be opened. */
export async function startListen(
  endpoints: readonly string[],
  configuration: Configuration,
  options: ListenOptions,
): Promise<RunningListen> {
  const listener = new FeedListener(configuration, options);
  try {
    await listener.start(endpoints.flatMap((text) => parseZmqEndpoint(text, 'with_c') ?? []));
  } catch (error) {
    await listener.release();
    throw error;
  }
  return listener;
}

class FeedListener implements RunningListen {
  readonly listening: Listening;
  readonly output: Output;
  readonly startedMs = Date.now();
  readonly version: string;
  readonly #configuration: Configuration;
  readonly #options: ListenOptions;
  readonly #log: Log;
  readonly #inputs: ZmqInput[] = [];
  #statusServer: StatusServer | undefined;
  #timer: NodeJS.Timeout | undefined;
  #sourcesLogged = 0;
  #internalErrorsLogged = 0;
  #lossesLogged = 0;
  #isReaderGone = false;
  #isStopping = false;

  constructor(configuration: Configuration, options: ListenOptions) {
    this.#configuration = configuration;
    this.#options = options;
    this.#log = options.log;
    this.version = options.version;
    this.output = new Output(configuration, this.#outputOptions());
    this.listening = new Listening(configuration.ieDefinitions, this.output, (topic, value) =>
      this.output.feed?.relay(topic, value),
    );
  }

  get endpoints(): readonly string[] {
    return this.#inputs.map(({ url }) => url);
  }

  get status(): string | undefined {
    return statusAddress(this.#configuration.status, this.#statusServer);
  }

  subscriptions(): readonly SubscriptionStatus[] {
    return this.#inputs.map(({ url, messagesReceived, octetsReceived, peers, handshakesRefused }) => ({
      endpoint: url,
      messagesReceived,
      octetsReceived,
      peers,
      handshakesRefused,
    }));
  }

  async start(endpoints: readonly ZmqEndpoint[]): Promise<void> {
    const encryption = listenEncryption(this.#configuration);
    const context = { version: this.version, status: () => this.#feedStatus() };
    await openLiveSenders(this.output, this.#configuration, context, this.#log, endpoints.length);
    for (const [place, endpoint] of endpoints.entries()) {
      const from: ListenEndpoint = {
        url: endpoint.url,
        address: endpoint.isBound ? NO_ADDRESS : await addressOf(endpoint.host || NO_ADDRESS),
        port: endpoint.port,
      };
      this.#inputs.push(
        await ZmqInput.open({
          endpoint,
          encryption,
          topics: SUBSCRIPTIONS,
          onMessage: (frames) => {
            this.output.points?.select(place);
            this.#onMessage(frames, from);
          },
          onEvent: (event) => this.#onInputEvent(event, from.url),
        }),
      );
    }
    await this.#openStatus();
    this.#timer = setInterval(() => this.#tick(), TICK_MS);
    this.#log.write('info', 'started', `flowrelay ${this.version} listens to ${this.endpoints.join(', ')}`, {
      version: this.version,
      endpoints: this.endpoints,
      sinks: this.output.sinks.map(({ path }) => path),
      ...senderTargets(this.output),
      status: this.status ?? 'off',
      ...(encryption?.role === 'server' && { publicKey: encryption.publicKey }),
    });
  }

  /** Lets go of whatever is open. */
  async release(): Promise<void> {
    clearInterval(this.#timer);
    await Promise.all(this.#inputs.map((input) => input.close()));
    await this.#statusServer?.close();
    await this.output.close();
  }

  reload({ logLevel }: Configuration): void {
    this.output.reopen();
    this.#log.setLevel(logLevel);
    this.#log.write('info', 'reloaded', 'files opened anew; all but the level of the log needs a restart', {
      sinks: this.output.sinks.map(({ path }) => path),
    });
  }

  async stop(reason: string): Promise<void> {
    if (this.#isStopping) return;
    this.#isStopping = true;
    clearInterval(this.#timer);
    await Promise.all(this.#inputs.map((input) => input.close()));
    this.#watch();
    await this.output.close();
    await this.#statusServer?.close();
    const totals = this.listening.sources.totals();
    const { sinks } = this.output;
    this.#log.write(
      'info',
      'stopped',
      `stopped (${reason}) after ${totals.flowRecords} flows of ${totals.messagesReceived} messages`,
      {
        reason,
        seconds: Math.round((Date.now() - this.startedMs) / 1000),
        messages: totals.messagesReceived,
        messagesDiscarded: totals.messagesDiscarded,
        messagesLost: totals.messagesLost,
        flows: totals.flowRecords,
        countersRecords: totals.countersRecords,
        optionsRecords: totals.optionsRecords,
        linesWritten: sinks.reduce((sum, sink) => sum + sink.linesWritten, 0),
        linesDropped: sinks.reduce((sum, sink) => sum + sink.linesDropped, 0),
        ...senderOutcome(this.output),
      },
    );
  }

  #onMessage(frames: readonly Uint8Array[], from: ListenEndpoint): void {
    const fault = this.listening.take(frames, from, Date.now());
    if (fault !== undefined) {
      this.#log.writeLimited(
        `${fault} ${from.url}`,
        'warning',
        'fault',
        `a message of ${from.url} could not be taken whole: ${fault}`,
        { endpoint: from.url, reason: fault, frames: frames.length },
      );
    }
    this.#greet();
  }

  #greet(): void {
    const { sources } = this.listening;
    if (sources.size === this.#sourcesLogged || this.#sourcesLogged >= MAX_SOURCES_LOGGED) return;
    for (const { endpoint, sourceId } of sources.list().slice(this.#sourcesLogged)) {
      this.#log.writeLimited(
        `source ${endpoint.url} ${sourceId}`,
        'info',
        'source_first_seen',
        `first message of ${sourceId < 0 ? 'a source without a number' : `source ${sourceId}`} at ${endpoint.url}`,
        { endpoint: endpoint.url, ...(sourceId >= 0 && { sourceId }) },
      );
    }
    this.#sourcesLogged = sources.size;
  }

  #onInputEvent(event: ZmqInputEvent, endpoint: string): void {
    if (this.#isStopping) return;
    if (event.kind === 'handshake_refused') {
      const { reason } = event;
      this.#log.write('error', event.kind, `${endpoint}: connection refused: ${reason}`, { endpoint, reason });
      return;
    }
    const { kind, peer } = event;
    const text = kind === 'connected' ? `a publisher is there at ${endpoint}` : `a publisher went away at ${endpoint}`;
    this.#log.writeLimited(`${kind} ${endpoint}`, 'info', `publisher_${kind}`, text, { endpoint, peer });
  }

  /** What a feed of ours tells about the flows passed on. */
  #feedStatus(): FeedStatus {
    const { flowRecords, messagesLost } = this.listening.sources.totals();
    return {
      netflowFlows: flowRecords,
      sflowSamples: 0,
      sflowDrops: 0,
      collectionDrops: messagesLost,
      socketDrops: 0,
      collectionPort: 0,
      exporters: [],
    };
  }

  #outputOptions(): OutputOptions {
    return {
      delivery: 'drop',
      queueOctets: this.#configuration.queueOctets,
      flushIntervalMs: FLUSH_INTERVAL_MS,
      onEvent: (event) => this.#onSinkEvent(event),
    };
  }

  #onSinkEvent(event: NdjsonEvent): void {
    if (logSinkEvent(this.#log, event)) return;
    if (this.#isReaderGone || !this.output.isReaderGone) return;
    this.#isReaderGone = true;
    this.#options.onOver('nobody reads standard output');
  }

  async #openStatus(): Promise<void> {
    this.#statusServer = await openStatusServer(this.#configuration.status, listenPages(this), this.#options);
  }

  #tick(): void {
    this.output.points?.advance(Date.now());
    this.output.points?.flush();
    this.#watch();
  }

  /** Says what went wrong since the last look. */
  #watch(): void {
    const { internalErrors, lastInternalError, sources } = this.listening;
    if (internalErrors !== this.#internalErrorsLogged) {
      this.#internalErrorsLogged = internalErrors;
      this.#log.writeLimited(
        'internal',
        'error',
        'internal_error',
        'a message met a fault of this program; please report it',
        { internalErrors, error: lastInternalError },
      );
    }
    const { messagesLost } = sources.totals();
    if (messagesLost === this.#lossesLogged) return;
    this.#log.writeLimited('lost', 'warning', 'messages_lost', `${messagesLost} messages were lost since start`, {
      messagesLost,
    });
    this.#lossesLogged = messagesLost;
  }
}

/** Address of a host that is called, for flows that name no Exporter. */
async function addressOf(host: string): Promise<string> {
  if (isIP(host) !== 0) return host;
  try {
    return (await lookup(host)).address;
  } catch {
    // ZeroMQ goes on trying; until then nothing comes from there.
    return NO_ADDRESS;
  }
}
