/** This host's sockets to flows: the parts that know of them, the agent's rounds, sinks and the status page. */

import { hostname } from 'node:os';
import { Agent, type AgentRecord } from '../agent/agent.ts';
import { hostAddresses } from '../agent/host-address.ts';
import type { Configuration } from '../config/configuration.ts';
import type { StatusServer } from '../metrics/status.ts';
import type { NdjsonEvent } from '../sink/ndjson.ts';
import { AgentRouting } from './agent-output.ts';
import { agentPages } from './agent-pages.ts';
import { AgentSources } from './agent-sources.ts';
import type { Log } from './log.ts';
import { Output, type OutputOptions } from './output.ts';
import type { Points } from './points.ts';
import { probeFeedStatus } from './probe-files.ts';
import { senderOutcome, senderTargets } from './sender-status.ts';
import { openLiveSenders } from './senders.ts';
import { logSinkEvent } from './sink-log.ts';
import { openStatusServer, statusAddress } from './status-server.ts';

const FLUSH_INTERVAL_MS = 200;
const TICK_MS = 1000;
/** Flows held at once: as many as the sockets of a look. */
const MAX_FLOWS = 131_072;
/** UDP that only events tell of ends after so long without a datagram, as in `probe`. */
const IDLE_SECONDS = 60;

/** What an agent needs besides its configuration. */
export interface AgentRunOptions {
  readonly log: Log;
  /** Version of the program, for the log and the status page. */
  readonly version: string;
  /** Whether the status address was asked for: its port being taken is an error then. */
  readonly isStatusAsked: boolean;
  /** Called once when nobody reads the lines any more. */
  readonly onOver: (reason: string) => void;
}

/** An agent at work. */
export interface RunningAgent {
  /** Address of the status page, undefined without one. */
  readonly status: string | undefined;
  /** Applies the log's level and opens files anew; the rest of a configuration needs a restart. */
  reload(configuration: Configuration): void;
  /** Looks once more, ends all flows, writes what is left, and logs what was done. */
  stop(reason: string): Promise<void>;
}

/** Starts to look. Rejects with one clear error, and leaves nothing open, where a sink cannot be opened. */
export async function startAgent(configuration: Configuration, options: AgentRunOptions): Promise<RunningAgent> {
  const agent = new LiveAgent(configuration, options);
  try {
    await agent.start();
  } catch (error) {
    await agent.release();
    throw error;
  }
  return agent;
}

class LiveAgent implements RunningAgent {
  readonly output: Output;
  readonly startedMs = Date.now();
  readonly version: string;
  agent!: Agent;
  sources!: AgentSources;
  readonly #configuration: Configuration;
  readonly #options: AgentRunOptions;
  readonly #log: Log;
  readonly #routing: AgentRouting;
  #statusServer: StatusServer | undefined;
  #timers: NodeJS.Timeout[] = [];
  #isStopping = false;

  constructor(configuration: Configuration, options: AgentRunOptions) {
    this.#configuration = configuration;
    this.#options = options;
    this.#log = options.log;
    this.version = options.version;
    this.output = new Output(configuration, this.#outputOptions());
    this.#routing = new AgentRouting(this.output, configuration);
  }

  get status(): string | undefined {
    return statusAddress(this.#configuration.status, this.#statusServer);
  }

  async start(): Promise<void> {
    const configuration = this.#configuration;
    const context = { version: this.version, status: () => probeFeedStatus(0), isAgent: true };
    await openLiveSenders(this.output, configuration, context, this.#log, 1);
    const log = this.#log;
    this.sources = await AgentSources.open(configuration, {
      onEvents: (events) => this.#guard(() => this.agent?.takeEvents(events)),
      onClose: (entry, timeMs) => this.#guard(() => this.agent?.takeClose(entry, timeMs)),
      onMissing: (line) => log.write('warning', 'part_missing', line),
      onPresent: (line) => log.write('info', 'part_present', line),
    });
    const { address, all } = hostAddresses();
    const exporter = configuration.agentAddress || address;
    const { interval, agentDialect, agentCommandLines } = configuration;
    this.agent = new Agent(
      {
        address: exporter,
        hostName: hostname(),
        addresses: all,
        records: this.#records(),
        dialect: agentDialect,
        withCommandLines: agentCommandLines,
        maxFlows: MAX_FLOWS,
        idleLooks: Math.ceil(IDLE_SECONDS / interval),
      },
      this.sources,
      this.#routing,
    );
    this.#statusServer = await openStatusServer(configuration.status, agentPages(this), this.#options);
    await this.#look();
    this.#timers = [setInterval(() => void this.#look(), interval * 1000)];
    // A host's agent sleeps between its looks where nothing else is to do.
    const { points } = this.output;
    if (points !== undefined) this.#timers.push(setInterval(() => this.#tick(points), TICK_MS));
    this.#log.write('info', 'started', `flowrelay ${this.version} tells of the sockets of ${exporter}`, {
      version: this.version,
      address: exporter,
      interval,
      sockets: this.sources.sockets.mode,
      sinks: this.output.sinks.map(({ path }) => path),
      ...senderTargets(this.output),
      status: this.status ?? 'off',
    });
  }

  /** Lets go of whatever is open. */
  async release(): Promise<void> {
    this.#isStopping = true;
    for (const timer of this.#timers) clearInterval(timer);
    await this.sources?.close();
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
    for (const timer of this.#timers) clearInterval(timer);
    try {
      await this.agent.finish();
    } catch (error) {
      this.#sayFault(error);
    }
    await this.sources.close();
    await this.output.close();
    await this.#statusServer?.close();
    const { counters } = this.agent;
    const { sinks } = this.output;
    const flows = counters.flowRecords;
    this.#log.write('info', 'stopped', `stopped (${reason}) after ${flows} flow records in ${counters.rounds} rounds`, {
      reason,
      seconds: Math.round((Date.now() - this.startedMs) / 1000),
      rounds: counters.rounds,
      flows,
      events: counters.eventRecords,
      linesWritten: sinks.reduce((sum, sink) => sum + sink.linesWritten, 0),
      linesDropped: sinks.reduce((sum, sink) => sum + sink.linesDropped, 0),
      ...senderOutcome(this.output),
    });
  }

  /** Records of events are made where anything takes them. */
  #records(): ReadonlySet<AgentRecord> {
    const records = new Set<AgentRecord>(this.#configuration.agentRecords);
    if (!this.#routing.takesEvents) records.delete('events');
    return records;
  }

  async #look(): Promise<void> {
    try {
      await this.agent.look();
    } catch (error) {
      this.#sayFault(error);
    }
  }

  #guard(take: () => void): void {
    try {
      take();
    } catch (error) {
      this.#sayFault(error);
    }
  }

  /** A fault of this program must not end it. */
  #sayFault(error: unknown): void {
    this.agent.counters.internalErrors++;
    const text = error instanceof Error ? (error.stack ?? error.message) : String(error);
    this.#log.writeLimited('internal', 'error', 'internal_error', `something could not be taken: ${text}`);
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
    if (this.output.isReaderGone) this.#options.onOver('nobody reads standard output');
  }

  #tick(points: Points): void {
    points.advance(Date.now());
    points.flush();
  }
}
