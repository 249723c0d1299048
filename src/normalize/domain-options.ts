import type { DomainState } from '../decode/session.ts';
import type { RegistryOverlay } from '../ie/registry.ts';

/** Entries that each table of a domain may hold. */
export const MAX_OPTION_ENTRIES = 65_536;

/** Characters kept of a name. */
export const MAX_NAME_LENGTH = 256;

/** Octets of memory that the options of all domains may take, and those of one. */
const MAX_OPTION_OCTETS = 64 * 1024 * 1024;
const MAX_DOMAIN_OCTETS = 8 * 1024 * 1024;
/** What an entry takes besides the characters of its name, and an element an Exporter described; estimates. */
const ENTRY_OCTETS = 64;
const ELEMENT_OCTETS = 768;

/** Memory that options data may fill, shared by all domains of a program. */
export class OptionBudget {
  /** Octets not taken. */
  left: number;
  /** Names leave this much to sampling intervals, which matter more. */
  readonly reserve: number;

  constructor(octets: number = MAX_OPTION_OCTETS) {
    this.left = octets;
    this.reserve = octets / 4;
  }
}

/** What one domain has taken of the shared {@link OptionBudget}. */
class DomainShare {
  private readonly budget: OptionBudget;
  private taken = 0;
  private isOver = false;

  constructor(budget: OptionBudget) {
    this.budget = budget;
  }

  /** Takes `octets`, or returns false and takes nothing where they would leave the budget less than its reserve. */
  take(octets: number, isName: boolean): boolean {
    const { budget } = this;
    if (this.isOver || this.taken + octets > MAX_DOMAIN_OCTETS) return false;
    if (budget.left - octets < (isName ? budget.reserve : 0)) return false;
    this.give(-octets);
    return true;
  }

  give(octets: number): void {
    this.taken -= octets;
    this.budget.left += octets;
  }

  giveAll(): void {
    this.give(this.taken);
    this.isOver = true;
  }
}

const NO_ENTRIES: ReadonlyMap<unknown, unknown> = new Map();

/** A map that refuses new entries once full and says so. */
export class BoundedMap<Key, Value extends number | string> {
  /** Entries refused. */
  refused = 0;
  /** Made with the first entry: six empty maps for each of 1,000 Exporters took 1 MB. */
  private own: Map<Key, Value> | undefined;
  private readonly share: DomainShare;
  private readonly limit: number;

  constructor(share: DomainShare, limit: number = MAX_OPTION_ENTRIES) {
    this.share = share;
    this.limit = limit;
  }

  /** All entries, to be read until the next one is set. */
  get entries(): ReadonlyMap<Key, Value> {
    return this.own ?? (NO_ENTRIES as ReadonlyMap<Key, Value>);
  }

  /** Sets an entry; returns whether anything changed. */
  set(key: Key, value: Value): boolean {
    const { share, entries } = this;
    const earlier = entries.get(key);
    if (earlier === value) return false;
    const cost = octetsOf(value);
    const isFull = earlier === undefined && entries.size >= this.limit;
    if (isFull || !share.take(cost, typeof value === 'string')) {
      this.refused++;
      return false;
    }
    if (earlier !== undefined) share.give(octetsOf(earlier));
    this.own ??= new Map();
    this.own.set(key, value);
    return true;
  }

  /** The entry, or undefined. */
  get(key: Key): Value | undefined {
    return this.entries.get(key);
  }
}

function octetsOf(value: number | string): number {
  return ENTRY_OCTETS + (typeof value === 'string' ? 2 * value.length : 0);
}

/** What options data told about one Observation Domain, shared by all its sessions. */
export class DomainOptions implements DomainState {
  private readonly share: DomainShare;
  /** Sampling intervals by sampler id (element 48) or selector id (element 302). */
  readonly samplers: BoundedMap<number, number>;
  /** Sampling intervals by ifIndex. */
  readonly interfaceSampling: BoundedMap<number, number>;
  /** Sampling interval of the whole Exporter, 0 when unknown. */
  samplingInterval = 0;
  /** Names by ifIndex. */
  readonly interfaceNames: BoundedMap<number, string>;
  /** Names by application id: its octets as one big-endian number. */
  readonly applicationNames: BoundedMap<number, string>;
  /** Names by VRF id. */
  readonly vrfNames: BoundedMap<number, string>;
  /** Exporter's start, Unix milliseconds (element 160), 0 when unknown. */
  systemInitTimeMs = 0;
  /** The Exporter's own statistics by element name, as last told. */
  readonly statistics: BoundedMap<string, number>;
  /** Elements that type records described (RFC 5610), over the shared registry; undefined while there are none. */
  registry: RegistryOverlay | undefined;
  /** Grows with each element learned: readers made before may know too little. */
  registryVersion = 0;
  /** Grows with each change, so that saving knows when it has something to do. */
  changes = 0;
  private commonInterval = 0;
  private commonIntervalAt = 0;

  /** Takes its memory from `budget` and gives it back by {@link DomainOptions.release}. */
  constructor(budget: OptionBudget) {
    const share = new DomainShare(budget);
    this.share = share;
    this.samplers = new BoundedMap(share);
    this.interfaceSampling = new BoundedMap(share);
    this.interfaceNames = new BoundedMap(share);
    this.applicationNames = new BoundedMap(share);
    this.vrfNames = new BoundedMap(share);
    this.statistics = new BoundedMap(share, 256);
  }

  /** Room for one more element of the Exporter's own; false where there is none. */
  takeElement(): boolean {
    return this.share.take(ELEMENT_OCTETS, true);
  }

  /** Gives back what {@link DomainOptions.takeElement} took. */
  giveElement(): void {
    this.share.give(ELEMENT_OCTETS);
  }

  release(): void {
    this.share.giveAll();
  }

  get isEmpty(): boolean {
    return this.changes === 0;
  }

  /** The only sampling interval known, when all samplers have the same; else 0. */
  get commonSamplingInterval(): number {
    if (this.samplingInterval > 0) return this.samplingInterval;
    if (this.commonIntervalAt !== this.changes) {
      this.commonIntervalAt = this.changes;
      this.commonInterval = onlyValue(this.samplers.entries.values());
    }
    return this.commonInterval;
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

/** The value that all are, 0 where they differ or there is none. */
function onlyValue(values: Iterable<number>): number {
  let only = 0;
  for (const value of values) {
    if (only !== 0 && value !== only) return 0;
    only = value;
  }
  return only;
}
