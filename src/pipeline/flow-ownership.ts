/** `--processes`: what this host knows of its sockets, beside flows that come from elsewhere. */

import { randomFillSync } from 'node:crypto';
import { NamespaceAddresses } from '../agent/namespace-addresses.ts';
import { SocketDirectory } from '../agent/socket-directory.ts';
import { SocketWatch } from '../agent/socket-watch.ts';
import type { Configuration } from '../config/configuration.ts';
import type { RecordOutput } from '../flow/record-output.ts';
import { type Metric, plainMetric } from '../metrics/prometheus.ts';
import { AgentSources } from './agent-sources.ts';
import type { Log } from './log.ts';
import { ProcessAnnotation } from './process-annotation.ts';

/** A look takes longer where a system is busy, and then may come late. */
const LEAST_SLACK_MS = 10_000;

/** Rounds through the sockets, and the output that they tell of the owners of flows. */
export class FlowOwnership {
  /** Takes flows, and hands them on with the owners of their ends. */
  readonly annotation: ProcessAnnotation;
  /** Looks, events and closes broken off by a fault of this program. */
  internalErrors = 0;
  readonly #configuration: Configuration;
  readonly #log: Log;
  readonly #directory: SocketDirectory;
  #watch: SocketWatch | undefined;
  #sources: AgentSources | undefined;
  #timer: NodeJS.Timeout | undefined;

  /** Flows go on to `output`; nothing is known of them before {@link FlowOwnership.start}. */
  constructor(configuration: Configuration, output: RecordOutput, log: Log) {
    this.#configuration = configuration;
    this.#log = log;
    const { interval, processSockets, processKeep, agentCommandLines } = configuration;
    const seed = randomFillSync(new Uint32Array(2));
    const keepMs = processKeep * 1000;
    this.#directory = new SocketDirectory(
      { maxSockets: processSockets, keepMs, slackMs: Math.max(2 * interval * 1000, LEAST_SLACK_MS), seed },
      new NamespaceAddresses({ keepMs, seed }),
    );
    this.annotation = new ProcessAnnotation(
      { withCommandLines: agentCommandLines, complete: (owner) => this.#watch?.complete(owner) ?? owner },
      this.#directory,
      output,
    );
  }

  /** Opens what tells of sockets, and looks at them once. Does not reject: what is missing is logged. */
  async start(): Promise<void> {
    const log = this.#log;
    const sources = await AgentSources.open(this.#configuration, {
      onEvents: (events) => this.#guard(() => this.#watch?.takeEvents(events)),
      onClose: (entry, timeMs) => this.#guard(() => this.#watch?.takeClose(entry, timeMs)),
      onMissing: (line) => log.write('warning', 'part_missing', line),
      onPresent: (line) => log.write('info', 'part_present', line),
    });
    this.#sources = sources;
    this.#watch = new SocketWatch(this.#directory, sources);
    await this.#look();
    this.#timer = setInterval(() => void this.#look(), this.#configuration.interval * 1000);
  }

  /** Looks once more, for flows that are told at the end. */
  async finish(): Promise<void> {
    clearInterval(this.#timer);
    await this.#look();
  }

  /** Ends what runs. */
  async close(): Promise<void> {
    clearInterval(this.#timer);
    await this.#sources?.close();
  }

  /** For `/metrics`. */
  metrics(): Metric[] {
    const { addresses, counters, size } = this.#directory;
    const { flowsLookedUp, flowsAnnotated, layoutsForgotten } = this.annotation.counters;
    const name = (words: string): string => `flowrelay_processes_${words}`;
    const metrics = [
      plainMetric(name('flows_looked_up_total'), 'counter', 'Flows with ports.', flowsLookedUp),
      plainMetric(name('flows_annotated_total'), 'counter', 'Flows with the owner of an end.', flowsAnnotated),
      plainMetric(
        name('layouts_forgotten_total'),
        'counter',
        'Times there were too many forms of flows.',
        layoutsForgotten,
      ),
      plainMetric(name('sockets_kept'), 'gauge', 'Sockets kept, those that ended lately too.', size),
      plainMetric(name('sockets_learned_total'), 'counter', 'Sockets taken in.', counters.socketsLearned),
      plainMetric(
        name('sockets_forgotten_total'),
        'counter',
        'Sockets forgotten for want of room.',
        counters.socketsForgotten,
      ),
      plainMetric(
        name('sockets_invalid_total'),
        'counter',
        'Sockets whose addresses are none.',
        counters.socketsInvalid,
      ),
      plainMetric(
        name('ends_ambiguous_total'),
        'counter',
        'Ends that sockets of several namespaces may be.',
        counters.questionsAmbiguous,
      ),
      plainMetric(name('addresses'), 'gauge', 'Addresses of this host and its containers.', addresses.size),
      plainMetric(
        name('addresses_dropped_total'),
        'counter',
        'Addresses left out for want of room.',
        addresses.addressesDropped,
      ),
      plainMetric(
        name('internal_errors_total'),
        'counter',
        'Looks, events and closes broken off by a fault of this program.',
        this.internalErrors,
      ),
    ];
    return [...metrics, ...this.#partMetrics(name)];
  }

  /** What the parts that tell of sockets have missed. */
  #partMetrics(name: (words: string) => string): Metric[] {
    if (this.#sources === undefined || this.#watch === undefined) return [];
    const { owners, containers, events, closes } = this.#sources;
    const { rounds, roundMs, sockets } = this.#watch.counters;
    return [
      plainMetric(name('rounds_total'), 'counter', 'Looks at all sockets.', rounds),
      plainMetric(name('round_ms'), 'gauge', 'Milliseconds that the last look took.', roundMs),
      plainMetric(name('sockets'), 'gauge', 'Sockets of the last look.', sockets),
      plainMetric(name('owners_unresolved'), 'gauge', 'Sockets of the last look without a process.', owners.unresolved),
      plainMetric(
        name('engines_failed_total'),
        'counter',
        'Questions to engines that failed.',
        containers.counters.enginesFailed,
      ),
      plainMetric(name('events_total'), 'counter', 'Kernel events taken.', events?.counters.events ?? 0),
      plainMetric(
        name('events_lost_total'),
        'counter',
        'Kernel events that came too fast.',
        events?.counters.lost ?? 0,
      ),
      plainMetric(name('closes_total'), 'counter', 'Closes of sockets heard.', closes?.counters.closes ?? 0),
      plainMetric(name('closes_lost_total'), 'counter', 'Closes that came too fast.', closes?.counters.closesLost ?? 0),
    ];
  }

  /** For `/health`. */
  health(): Record<string, unknown> {
    return {
      processes: {
        sockets: this.#sources?.sockets.mode ?? 'none',
        kernelEvents: this.#sources?.events?.isUp === true,
        ...this.annotation.counters,
        socketsKept: this.#directory.size,
      },
    };
  }

  async #look(): Promise<void> {
    try {
      await this.#watch?.look();
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
    this.internalErrors++;
    const text = error instanceof Error ? (error.stack ?? error.message) : String(error);
    this.#log.writeLimited(
      'internal',
      'error',
      'internal_error',
      `what is told of sockets could not be taken: ${text}`,
    );
  }
}
