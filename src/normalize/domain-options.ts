import type { DomainState } from '../decode/session.ts';
import type { RegistryOverlay } from '../ie/registry.ts';

/** Entries that each table of a domain may hold. */
export const MAX_OPTION_ENTRIES = 65_536;

/** Characters kept of a name. */
export const MAX_NAME_LENGTH = 256;

/** A map that refuses new keys once full and says so. */
export class BoundedMap<Key, Value> {
  /** Entries refused. */
  refused = 0;
  readonly entries = new Map<Key, Value>();
  private readonly limit: number;

  constructor(limit: number = MAX_OPTION_ENTRIES) {
    this.limit = limit;
  }

  /** Sets an entry; returns whether anything changed. */
  set(key: Key, value: Value): boolean {
    if (this.entries.get(key) === value) return false;
    if (this.entries.size >= this.limit && !this.entries.has(key)) {
      this.refused++;
      return false;
    }
    this.entries.set(key, value);
    return true;
  }

  /** The entry, or undefined. */
  get(key: Key): Value | undefined {
    return this.entries.get(key);
  }
}

/** What options data told about one Observation Domain, shared by all its sessions. */
export class DomainOptions implements DomainState {
  /** Sampling intervals by sampler id (element 48) or selector id (element 302). */
  readonly samplers = new BoundedMap<number, number>();
  /** Sampling intervals by ifIndex. */
  readonly interfaceSampling = new BoundedMap<number, number>();
  /** Sampling interval of the whole Exporter, 0 when unknown. */
  samplingInterval = 0;
  /** Names by ifIndex. */
  readonly interfaceNames = new BoundedMap<number, string>();
  /** Names by application id: its octets as one big-endian number. */
  readonly applicationNames = new BoundedMap<number, string>();
  /** Names by VRF id. */
  readonly vrfNames = new BoundedMap<number, string>();
  /** Exporter's start, Unix milliseconds (element 160), 0 when unknown. */
  systemInitTimeMs = 0;
  /** The Exporter's own statistics by element name, as last told. */
  readonly statistics = new BoundedMap<string, number>(256);
  /** Elements that type records described (RFC 5610), over the shared registry; undefined while there are none. */
  registry: RegistryOverlay | undefined;
  /** Grows with each element learned: readers made before may know too little. */
  registryVersion = 0;
  /** Grows with each change, so that saving knows when it has something to do. */
  changes = 0;

  get isEmpty(): boolean {
    return this.changes === 0;
  }

  /** The only sampling interval known, when all samplers have the same; else 0. */
  get commonSamplingInterval(): number {
    if (this.samplingInterval > 0) return this.samplingInterval;
    let common = 0;
    for (const interval of this.samplers.entries.values()) {
      if (common !== 0 && interval !== common) return 0;
      common = interval;
    }
    return common;
  }

  /** Entries refused because a table was full. */
  get refused(): number {
    const { samplers, interfaceSampling, interfaceNames, applicationNames, vrfNames, statistics } = this;
    return [samplers, interfaceSampling, interfaceNames, applicationNames, vrfNames, statistics].reduce(
      (sum, map) => sum + map.refused,
      0,
    );
  }
}
