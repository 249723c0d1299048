import type { AgentOutput } from '../agent/agent.ts';
import type { Configuration } from '../config/configuration.ts';
import type { Flow, PlainRecord, PlainValue } from '../flow/flow.ts';
import { plainJson } from '../sink/formats/plain-json.ts';
import type { Output } from './output.ts';

/** Listening ports that stay the same are told again after so long, for subscribers that came later. */
const PORTS_AGAIN_MS = 60_000;

/**
 * Which records of an agent go where: flows everywhere; records of events to lines and to what takes lines, for they tell the same once more;
 * to ntopng in place of flows where that is asked for.
 */
export class AgentRouting implements AgentOutput {
  readonly #output: Output;
  readonly #feedsEvents: boolean;
  readonly #feedsLines: boolean;
  #isFlushing = false;
  #ports = '';
  #portsMs = Number.NEGATIVE_INFINITY;

  /** Hands records to the sinks of `output`. */
  constructor(output: Output, { zmqPayload, zmqFormat, agentDialect }: Configuration) {
    this.#output = output;
    this.#feedsLines = zmqPayload === 'ndjson';
    this.#feedsEvents = !this.#feedsLines && zmqFormat === 'json' && agentDialect === 'ntopng';
  }

  /** Whether anything takes records of events. */
  get takesEvents(): boolean {
    const { sinks, feed } = this.#output;
    return sinks.length > 0 || (feed !== undefined && (this.#feedsEvents || this.#feedsLines));
  }

  flow(flow: Flow): void {
    const { sinks, feed, exportSink, points } = this.#output;
    for (let i = 0; i < sinks.length; i++) sinks[i]!.write(flow);
    this.#flushSoon();
    if (!this.#feedsEvents) feed?.write(flow);
    exportSink?.write(flow);
    points?.write(flow);
  }

  event(flow: Flow, isListening: boolean): void {
    const { sinks, feed } = this.#output;
    for (let i = 0; i < sinks.length; i++) sinks[i]!.write(flow);
    this.#flushSoon();
    // ntopng would take a socket that listens for a flow; it hears of it by its own message.
    if (this.#feedsLines || (this.#feedsEvents && !isListening)) feed?.write(flow);
  }

  counters(record: PlainRecord): void {
    this.#output.writeRecord(record);
    this.#flushSoon();
  }

  listeningPorts(value: PlainValue): void {
    const { feed } = this.#output;
    if (feed === undefined) return;
    const text = plainJson(value);
    const nowMs = performance.now();
    if (text === this.#ports && nowMs - this.#portsMs < PORTS_AGAIN_MS) return;
    this.#ports = text;
    this.#portsMs = nowMs;
    feed.relay('listening-ports', value);
  }

  /** Lines go out in the turn that made them: a timer would wake the process once more for them. */
  #flushSoon(): void {
    if (this.#isFlushing) return;
    this.#isFlushing = true;
    setImmediate(() => {
      this.#isFlushing = false;
      for (const sink of this.#output.sinks) sink.flushNow();
    });
  }
}
