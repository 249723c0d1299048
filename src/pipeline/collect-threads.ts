/**
 * `collect --workers N`: N threads, each a collector with sockets of its own on the same ports. The main thread receives
 * nothing: it starts and stops them, carries Templates between them, saves state and shows what they all did.
 */

import { Worker } from 'node:worker_threads';
import type { Configuration } from '../config/configuration.ts';
import { ConfigurationError } from '../config/load-configuration.ts';
import { UdpInput } from '../input/udp.ts';
import { formatPrometheus, PROMETHEUS_CONTENT_TYPE } from '../metrics/prometheus.ts';
import { jsonBody, type StatusPage, type StatusServer } from '../metrics/status.ts';
import {
  type CollectOptions,
  type CollectTotals,
  changedRestartOptions,
  logStopped,
  type RunningCollect,
  sayBuffers,
} from './collect.ts';
import { THREAD_MODULE } from './collect-thread.ts';
import { DEFAULT_LISTEN, formatHostPort, parseListenUrl } from './listen-url.ts';
import type { Log, LogFields } from './log.ts';
import { mergeExporters, mergeHealth, mergeMetrics, mergeTemplates } from './merged-pages.ts';
import { mergeStates } from './merged-state.ts';
import { sharedPortFault } from './shared-port-fault.ts';
import { StateFile } from './state-file.ts';
import { type KnowledgeChanges, type SavedKnowledge, StateKeeper } from './state-keeper.ts';
import { limitOf } from './status-pages.ts';
import { openStatusServer, statusAddress } from './status-server.ts';
import { ThreadCalls } from './thread-calls.ts';
import {
  THREAD_WORD,
  type ThreadData,
  type ThreadMethods,
  type ThreadSaid,
  type ThreadTold,
} from './thread-protocol.ts';
import { TurnQueue } from './write-turns.ts';

const TICK_MS = 1000;
/** Data waits so long for a Template that another thread learned. */
const SHARE_INTERVAL_MS = 200;
/** Exporters remembered as announced in the log. */
const MAX_EXPORTERS_LOGGED = 16_384;
const PROBE_BUFFER_OCTETS = 4096;
/** What a thread says of itself and the main thread of all. */
const LINES_OF_THREADS: ReadonlySet<string> = new Set(['started', 'stopped', 'reloaded', 'receive_buffer_small']);

/** Starts collecting with several threads. Rejects with one clear error, and leaves nothing open, where that cannot be. */
export async function startThreads(configuration: Configuration, options: CollectOptions): Promise<RunningCollect> {
  const fault = sharedPortFault(configuration, process.versions.node);
  if (fault !== undefined) throw new ConfigurationError([fault]);
  const threads = new CollectThreads(configuration, options);
  try {
    await threads.start();
  } catch (error) {
    await threads.release();
    throw error;
  }
  return threads;
}

/** A thread as the main thread sees it. */
interface Thread {
  readonly worker: Worker;
  readonly calls: ThreadCalls<ThreadMethods, ThreadSaid>;
}

class CollectThreads implements RunningCollect, SavedKnowledge {
  listeners: readonly string[] = [];
  #configuration: Configuration;
  readonly #options: CollectOptions;
  readonly #log: Log;
  readonly #startedMs = Date.now();
  readonly #threads: Thread[] = [];
  readonly #turns = new TurnQueue<Worker>((worker, turnAt) => worker.postMessage({ turnAt } satisfies ThreadTold));
  readonly #state: StateKeeper | undefined;
  /** By thread: what it had learned when last asked. */
  readonly #changes: KnowledgeChanges[] = [];
  /** Lines that threads logged before the program said that it started. */
  #earlyLines: (() => void)[] | undefined = [];
  readonly #exporters = new Set<unknown>();
  #statusServer: StatusServer | undefined;
  #timer: NodeJS.Timeout | undefined;
  #isReaderGone = false;
  #isStopping = false;

  constructor(configuration: Configuration, options: CollectOptions) {
    this.#configuration = configuration;
    this.#options = options;
    this.#log = options.log;
    const { stateDir } = configuration;
    if (stateDir !== '') this.#state = new StateKeeper(new StateFile(stateDir), this.#log);
  }

  get status(): string | undefined {
    return statusAddress(this.#configuration.status, this.#statusServer);
  }

  async start(): Promise<void> {
    const { listen, workers } = this.#configuration;
    const urls = await freePorts(listen.length === 0 ? [DEFAULT_LISTEN] : listen);
    const udpUrls = urls.filter((url) => url.startsWith('udp:'));
    for (let index = 0; index < workers; index++) {
      // TCP connections stay with one thread: each is one Exporter's, and few are as busy.
      this.#threads.push(this.#startThread(index, index === 0 ? urls : udpUrls));
      await this.#threads[index]!.calls.call('open');
    }
    await this.#state?.restore(this);
    for (const { calls } of this.#threads) {
      // One after the other: a socket is known by not having been there before.
      const listeners = await calls.call('listen');
      if (this.listeners.length === 0) this.listeners = listeners;
    }
    await this.#openStatus();
    this.#timer = setInterval(() => void this.#state?.tick(this, Date.now()), TICK_MS);
    const { json, stateDir } = this.#configuration;
    this.#log.write(
      'info',
      'started',
      `flowrelay ${this.#options.version} listens on ${this.listeners.join(', ')} with ${workers} threads`,
      {
        version: this.#options.version,
        listeners: this.listeners,
        workers,
        sinks: json.length === 0 ? ['-'] : json,
        status: this.status ?? 'off',
        ...(stateDir !== '' && { stateDir }),
      },
    );
    for (const write of this.#earlyLines ?? []) write();
    this.#earlyLines = undefined;
    sayBuffers(this.#log, await this.#threads[0]!.calls.call('listenerStatus'));
    void this.#share();
  }

  /** Lets go of whatever is open. */
  async release(): Promise<void> {
    this.#isStopping = true;
    clearInterval(this.#timer);
    await this.#statusServer?.close();
    await Promise.all(this.#threads.map(({ worker }) => worker.terminate()));
  }

  async reload(configuration: Configuration): Promise<void> {
    const before = this.#configuration;
    const needRestart = changedRestartOptions(before, configuration);
    // What needs a restart keeps its old value, so that the next reload says it again.
    const kept = Object.fromEntries(needRestart.map((name) => [name, before[name]]));
    const next: Configuration = { ...configuration, ...kept };
    const reloaded: Thread[] = [];
    try {
      for (const thread of this.#threads) {
        await thread.calls.call('reload', ofThread(next));
        reloaded.push(thread);
      }
    } catch (error) {
      await Promise.allSettled(reloaded.map(({ calls }) => calls.call('reload', ofThread(before))));
      throw error;
    }
    this.#log.setLevel(configuration.logLevel);
    this.#configuration = next;
    this.#log.write('info', 'reloaded', 'configuration reloaded, files opened anew', {
      sinks: next.json.length === 0 ? ['-'] : next.json,
      ...(needRestart.length > 0 && { needsRestart: needRestart }),
    });
  }

  async stop(reason: string): Promise<void> {
    if (this.#isStopping) return;
    this.#isStopping = true;
    clearInterval(this.#timer);
    const totals = await this.#askAll((calls) => calls.call('finish'));
    await this.#state?.save(this);
    await this.#statusServer?.close();
    logStopped(this.#log, reason, this.#startedMs, addTotals(totals));
  }

  changes(): KnowledgeChanges {
    return this.#changes.reduce(
      (sum, { templates, changes }) => ({ templates: sum.templates + templates, changes: sum.changes + changes }),
      { templates: 0, changes: 0 },
    );
  }

  async serializeState(): Promise<string> {
    return mergeStates(await this.#askAll((calls) => calls.call('serializeState')), this.#configuration.exporterKey);
  }

  /** The first thread learns it as if heard by itself; the others are told. */
  restoreState(text: string): Promise<string | undefined> {
    return this.#threads[0]!.calls.call('restoreState', text);
  }

  #startThread(index: number, listen: readonly string[]): Thread {
    const data: ThreadData = {
      threadWord: THREAD_WORD,
      configuration: { ...ofThread(this.#configuration), listen },
      version: this.#options.version,
    };
    const worker = new Worker(THREAD_MODULE, { argv: [THREAD_WORD], workerData: data });
    const calls = new ThreadCalls<ThreadMethods, ThreadSaid>(worker, (said) => this.#onSaid(worker, index, said));
    worker.on('error', (error) => {
      // A fault of ours ends the program here as it does without threads.
      process.nextTick(() => {
        throw error;
      });
    });
    worker.on('exit', () => {
      const ended = new Error('a thread ended before its time');
      calls.end(ended);
      if (!this.#isStopping) throw ended;
    });
    return { worker, calls };
  }

  #onSaid(worker: Worker, index: number, said: ThreadSaid): void {
    switch (said.say) {
      case 'log':
        this.#onLine(index, said.line);
        break;
      case 'take_turn':
        this.#turns.take(worker, said.destination);
        break;
      case 'give_turn':
        this.#turns.give(said.destination);
        break;
      default:
        if (this.#isReaderGone) return;
        this.#isReaderGone = true;
        this.#options.onReaderGone();
    }
  }

  #onLine(thread: number, line: string): void {
    const { time: _, level, event, message, ...fields } = JSON.parse(line) as LoggedLine;
    if (LINES_OF_THREADS.has(event) || (event === 'exporter_first_seen' && !this.#isFirstSeen(fields))) return;
    const write = (): void => this.#log.write(level, event, message, { ...fields, thread });
    if (this.#earlyLines === undefined) write();
    else this.#earlyLines.push(write);
  }

  #isFirstSeen({ exporter }: LogFields): boolean {
    if (this.#exporters.has(exporter) || this.#exporters.size >= MAX_EXPORTERS_LOGGED) return false;
    this.#exporters.add(exporter);
    return true;
  }

  /** Carries what one thread learned to the others, for as long as the program runs. */
  async #share(): Promise<void> {
    while (!this.#isStopping) {
      for (const [index, { calls }] of this.#threads.entries()) {
        const { sessions, changes } = await calls.call('news');
        this.#changes[index] = changes;
        if (sessions.length === 0) continue;
        const others = this.#threads.filter((_, other) => other !== index);
        // Awaited: what a thread cannot take in yet is not told.
        await Promise.all(others.map((other) => other.calls.call('adopt', sessions)));
      }
      await new Promise((resolve) => setTimeout(resolve, SHARE_INTERVAL_MS));
    }
  }

  #askAll<Result>(ask: (calls: Thread['calls']) => Promise<Result>): Promise<Result[]> {
    return Promise.all(this.#threads.map(({ calls }) => ask(calls)));
  }

  async #pagesOf(path: string, query: string): Promise<Readonly<Record<string, unknown>>[]> {
    const texts = await this.#askAll((calls) => calls.call('page', { path, query }));
    return texts.map((text) => JSON.parse(text) as Readonly<Record<string, unknown>>);
  }

  #pages(): ReadonlyMap<string, StatusPage> {
    return new Map<string, StatusPage>([
      [
        '/metrics',
        async () => ({
          contentType: PROMETHEUS_CONTENT_TYPE,
          text: formatPrometheus(mergeMetrics(await this.#askAll((calls) => calls.call('metrics')))),
        }),
      ],
      [
        '/health',
        async () =>
          jsonBody(
            mergeHealth(await this.#pagesOf('/health', ''), {
              uptimeSeconds: Math.floor((Date.now() - this.#startedMs) / 1000),
            }),
          ),
      ],
      [
        '/exporters',
        async (query) => jsonBody(mergeExporters(await this.#pagesOf('/exporters', String(query)), limitOf(query))),
      ],
      [
        '/templates',
        async (query) => jsonBody(mergeTemplates(await this.#pagesOf('/templates', String(query)), limitOf(query))),
      ],
    ]);
  }

  async #openStatus(): Promise<void> {
    this.#statusServer = await openStatusServer(this.#configuration.status, this.#pages(), this.#options);
  }
}

interface LoggedLine extends LogFields {
  readonly time: string;
  readonly level: Parameters<Log['write']>[0];
  readonly event: string;
  readonly message: string;
}

/**
 * The URLs with addresses and ports as they will be. Whoever may share a port is not told when another program has it: each is
 * opened for itself alone once, before the threads share it.
 */
async function freePorts(urls: readonly string[]): Promise<string[]> {
  const inputs: UdpInput[] = [];
  try {
    const free: string[] = [];
    for (const url of urls) {
      const { transport, address, port } = parseListenUrl(url);
      if (transport === 'tcp') {
        free.push(url);
        continue;
      }
      const input = new UdpInput({ address, port, receiveBufferOctets: PROBE_BUFFER_OCTETS, onDatagram: () => {} });
      await input.open();
      inputs.push(input);
      free.push(`udp://${formatHostPort(input.address, input.port)}`);
    }
    return free;
  } finally {
    await Promise.all(inputs.map((input) => input.close()));
  }
}

/** A thread's part of the configuration: the status page and saved state are the main thread's. */
function ofThread(configuration: Configuration): Configuration {
  return { ...configuration, status: 'off', stateDir: '' };
}

function addTotals(totals: readonly CollectTotals[]): CollectTotals {
  const sum = (value: (each: CollectTotals) => number): number =>
    totals.reduce((before, each) => before + value(each), 0);
  return {
    messages: sum((each) => each.messages),
    messagesDiscarded: sum((each) => each.messagesDiscarded),
    flows: sum((each) => each.flows),
    optionsRecords: sum((each) => each.optionsRecords),
    countersRecords: sum((each) => each.countersRecords),
    linesWritten: sum((each) => each.linesWritten),
    linesDropped: sum((each) => each.linesDropped),
    kernelDrops: sum((each) => each.kernelDrops),
  };
}
