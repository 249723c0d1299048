/** This host's sockets to flows: the parts that know of them, the agent's rounds, sinks and the status page. */

import { hostname } from 'node:os';
import { Agent, type AgentRecord } from '../agent/agent.ts';
import { hostAddresses } from '../agent/host-address.ts';
import type { Configuration } from '../config/configuration.ts';
import { AgentRouting } from './agent-output.ts';
import { agentPages } from './agent-pages.ts';
import { AgentSources } from './agent-sources.ts';
import { LiveRun, type LiveRunOptions, startRun } from './live-run.ts';
import { probeFeedStatus } from './probe-files.ts';

const TICK_MS = 1000;
/** Flows held at once: as many as the sockets of a look. */
const MAX_FLOWS = 131_072;
/** UDP that only events tell of ends after so long without a datagram, as in `probe`. */
const IDLE_SECONDS = 60;

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
export async function startAgent(configuration: Configuration, options: LiveRunOptions): Promise<RunningAgent> {
  const agent = new LiveAgent(configuration, options);
  return startRun(agent, () => agent.start());
}

class LiveAgent extends LiveRun implements RunningAgent {
  agent!: Agent;
  sources!: AgentSources;
  readonly #routing: AgentRouting;
  #timers: NodeJS.Timeout[] = [];

  constructor(configuration: Configuration, options: LiveRunOptions) {
    super(configuration, options);
    this.#routing = new AgentRouting(this.output, configuration);
  }

  async start(): Promise<void> {
    const { configuration, log } = this;
    await this.openSenders({ status: () => probeFeedStatus(0), isAgent: true }, 1);
    const onMissing = (line: string) => log.write('warning', 'part_missing', line);
    this.sources = await AgentSources.open(configuration, {
      onEvents: (events) => this.#guard(() => this.agent?.takeEvents(events)),
      onClose: (entry, timeMs) => this.#guard(() => this.agent?.takeClose(entry, timeMs)),
      onMissing,
      onPresent: (line) => log.write('info', 'part_present', line),
    });
    // Who looks up owners of other flows does not join any.
    for (const line of this.sources.tracking.missing) onMissing(line);
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
    await this.openStatus(agentPages(this));
    await this.#look();
    this.#timers = [setInterval(() => void this.#look(), interval * 1000)];
    // A host's agent sleeps between its looks where nothing else is to do.
    if (this.output.points !== undefined) this.#timers.push(setInterval(() => this.advancePoints(Date.now()), TICK_MS));
    this.sayStarted(`tells of the sockets of ${exporter}`, {
      address: exporter,
      interval,
      sockets: this.sources.sockets.mode,
    });
  }

  async release(): Promise<void> {
    this.isStopping = true;
    for (const timer of this.#timers) clearInterval(timer);
    await this.sources?.close();
    await this.closeOutput();
  }

  async stop(reason: string): Promise<void> {
    if (this.isStopping) return;
    this.isStopping = true;
    for (const timer of this.#timers) clearInterval(timer);
    try {
      await this.agent.finish();
    } catch (error) {
      this.#sayFault(error);
    }
    await this.sources.close();
    await this.closeOutput();
    const { counters } = this.agent;
    this.sayStopped(reason, `${counters.flowRecords} flow records in ${counters.rounds} rounds`, {
      rounds: counters.rounds,
      flows: counters.flowRecords,
      events: counters.eventRecords,
    });
  }

  /** Records of events are made where anything takes them. */
  #records(): ReadonlySet<AgentRecord> {
    const records = new Set<AgentRecord>(this.configuration.agentRecords);
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
    this.log.writeLimited('internal', 'error', 'internal_error', `something could not be taken: ${text}`);
  }
}
