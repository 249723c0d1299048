/** Messages of ntop's ZeroMQ feeds to lines: subscriptions, their reader, sinks and the status page. */

import { lookup } from 'node:dns/promises';
import { isIP } from 'node:net';
import { parseZmqEndpoint, type ZmqEndpoint } from '../bytes/zmq-endpoint.ts';
import type { Configuration } from '../config/configuration.ts';
import { ZmqInput, type ZmqInputEvent } from '../input/zmq.ts';
import type { FeedStatus } from '../sink/formats/ntopng-topics.ts';
import { listenEncryption } from './listen-encryption.ts';
import { listenPages, type SubscriptionStatus } from './listen-pages.ts';
import type { ListenEndpoint } from './listen-sources.ts';
import { Listening } from './listening.ts';
import { LiveRun, type LiveRunOptions, startRun } from './live-run.ts';

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
  options: LiveRunOptions,
): Promise<RunningListen> {
  const listener = new FeedListener(configuration, options);
  return startRun(listener, () => listener.start(endpoints.flatMap((text) => parseZmqEndpoint(text, 'with_c') ?? [])));
}

class FeedListener extends LiveRun implements RunningListen {
  readonly listening: Listening;
  readonly #inputs: ZmqInput[] = [];
  #timer: NodeJS.Timeout | undefined;
  #sourcesLogged = 0;
  #internalErrorsLogged = 0;
  #lossesLogged = 0;

  constructor(configuration: Configuration, options: LiveRunOptions) {
    super(configuration, options);
    this.listening = new Listening(configuration.ieDefinitions, this.output, (topic, value) =>
      this.output.feed?.relay(topic, value),
    );
  }

  get endpoints(): readonly string[] {
    return this.#inputs.map(({ url }) => url);
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
    const encryption = listenEncryption(this.configuration);
    await this.openSenders({ status: () => this.#feedStatus() }, endpoints.length);
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
    await this.openStatus(listenPages(this));
    this.#timer = setInterval(() => this.#tick(), TICK_MS);
    this.sayStarted(`listens to ${this.endpoints.join(', ')}`, {
      endpoints: this.endpoints,
      ...(encryption?.role === 'server' && { publicKey: encryption.publicKey }),
    });
  }

  async release(): Promise<void> {
    clearInterval(this.#timer);
    await Promise.all(this.#inputs.map((input) => input.close()));
    await this.closeOutput();
  }

  async stop(reason: string): Promise<void> {
    if (this.isStopping) return;
    this.isStopping = true;
    clearInterval(this.#timer);
    await Promise.all(this.#inputs.map((input) => input.close()));
    this.#watch();
    await this.closeOutput();
    const totals = this.listening.sources.totals();
    this.sayStopped(reason, `${totals.flowRecords} flows of ${totals.messagesReceived} messages`, {
      messages: totals.messagesReceived,
      messagesDiscarded: totals.messagesDiscarded,
      messagesLost: totals.messagesLost,
      flows: totals.flowRecords,
      countersRecords: totals.countersRecords,
      optionsRecords: totals.optionsRecords,
    });
  }

  #onMessage(frames: readonly Uint8Array[], from: ListenEndpoint): void {
    const fault = this.listening.take(frames, from, Date.now());
    if (fault !== undefined) {
      this.log.writeLimited(
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
      this.log.writeLimited(
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
    if (this.isStopping) return;
    if (event.kind === 'handshake_refused') {
      const { reason } = event;
      this.log.write('error', event.kind, `${endpoint}: connection refused: ${reason}`, { endpoint, reason });
      return;
    }
    const { kind, peer } = event;
    const text = kind === 'connected' ? `a publisher is there at ${endpoint}` : `a publisher went away at ${endpoint}`;
    this.log.writeLimited(`${kind} ${endpoint}`, 'info', `publisher_${kind}`, text, { endpoint, peer });
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

  #tick(): void {
    this.advancePoints(Date.now());
    this.#watch();
  }

  /** Says what went wrong since the last look. */
  #watch(): void {
    const { internalErrors, lastInternalError, sources } = this.listening;
    if (internalErrors !== this.#internalErrorsLogged) {
      this.#internalErrorsLogged = internalErrors;
      this.log.writeLimited(
        'internal',
        'error',
        'internal_error',
        'a message met a fault of this program; please report it',
        { internalErrors, error: lastInternalError },
      );
    }
    const { messagesLost } = sources.totals();
    if (messagesLost === this.#lossesLogged) return;
    this.log.writeLimited('lost', 'warning', 'messages_lost', `${messagesLost} messages were lost since start`, {
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
