import { MessageNumbers } from '../decode/message-numbers.ts';
import { LISTEN_FAULTS, ListenCounters } from '../metrics/listen-counters.ts';

/** Sources with counters of their own; further ones share those of their endpoint. */
const MAX_SOURCES = 4096;

/** What a probe says of itself, topic `event`. */
export interface ProbeStatus {
  /** Its address, `''` where it tells none. */
  readonly address: string;
  readonly name: string;
  readonly version: string;
  /** Packets it could not capture. */
  readonly packetDrops: number;
}

/** A place that messages come from. */
export interface ListenEndpoint {
  /** As it is written: `tcp://192.0.2.1:5556`. */
  readonly url: string;
  /** Address and port that stand for an Exporter that is not named. */
  readonly address: string;
  readonly port: number;
}

/** One sender of ntop's feeds: an endpoint, and the source id it gives itself. */
export class ListenSource {
  readonly endpoint: ListenEndpoint;
  /** -1 for messages whose header has none, or could not be read. */
  readonly sourceId: number;
  readonly counters = new ListenCounters();
  readonly numbers = new MessageNumbers();
  /** Unix milliseconds. */
  readonly firstSeenMs: number;
  lastSeenMs: number;
  probe: ProbeStatus | undefined;

  /** Heard of for the first time at `nowMs`. */
  constructor(endpoint: ListenEndpoint, sourceId: number, nowMs: number) {
    this.endpoint = endpoint;
    this.sourceId = sourceId;
    this.firstSeenMs = nowMs;
    this.lastSeenMs = nowMs;
  }
}

/** All sources heard since the program started. */
export class ListenSources {
  readonly #byEndpoint = new Map<ListenEndpoint, Map<number, ListenSource>>();
  readonly #list: ListenSource[] = [];

  /** The source, new where it was not heard before. */
  find(endpoint: ListenEndpoint, sourceId: number, nowMs: number): ListenSource {
    let sources = this.#byEndpoint.get(endpoint);
    if (sources === undefined) {
      sources = new Map();
      this.#byEndpoint.set(endpoint, sources);
    }
    let source = sources.get(sourceId);
    if (source !== undefined) return source;
    if (this.#list.length >= MAX_SOURCES && sourceId !== -1) return this.find(endpoint, -1, nowMs);
    source = new ListenSource(endpoint, sourceId, nowMs);
    sources.set(sourceId, source);
    this.#list.push(source);
    return source;
  }

  /** How many there are. */
  get size(): number {
    return this.#list.length;
  }

  /** All of them, in order of first appearance. */
  list(): readonly ListenSource[] {
    return this.#list;
  }

  /** Sum over all sources. */
  totals(): ListenCounters {
    const sum = new ListenCounters();
    const sums = sum as unknown as Record<string, number>;
    for (const { counters } of this.#list) {
      for (const [name, value] of Object.entries(counters)) if (typeof value === 'number') sums[name]! += value;
      for (const fault of LISTEN_FAULTS) sum.faults[fault] += counters.faults[fault];
    }
    return sum;
  }
}
