import { DEFAULT_LOCAL_NETWORKS } from './local-networks.ts';
import { DEFAULT_STEP_SECONDS, FAMILIES, type Family } from './schema.ts';
import { perFamily } from './series-limits.ts';

/** Counters of a live interface, for `iface:traffic_rxtx` and `iface:packets` where somebody captures packets himself. */
export interface InterfaceCounters {
  readonly octetsSent: number;
  readonly octetsReceived: number;
  readonly packets: number;
}

/** How series are made. */
export interface SeriesOptions {
  /** Value of the tag `ifid`: ntopng's number of the interface, or any text. */
  readonly ifid: string;
  /** Seconds between points, by family. */
  readonly stepSeconds: Readonly<Record<Family, number>>;
  /** Whether a flow's octets are shared out over the steps it lived in; all go to the step of its last second otherwise. */
  readonly spread: boolean;
  /** How long a step stays open after its end; {@link defaultDelayMs} where undefined. */
  readonly delayMs: number | undefined;
  /** Most series. */
  readonly maxSeries: number;
  /** Most series of a family; {@link defaultFamilyLimits} where undefined. */
  readonly maxByFamily: Readonly<Record<Family, number>> | undefined;
  /** Prefixes whose hosts have series of their own. */
  readonly localNetworks: readonly string[];
  /** Whether a flow that several Exporters or interfaces report counts once for interfaces, hosts and so on. */
  readonly countOnce: boolean;
  /** Conversations that are told apart at a time: a power of two. */
  readonly maxConversations: number;
  /**
   * Whether a 0 is written a step before the first value even where that step was before the start: right for an empty database
   * (`convert`); after a restart it would overwrite what was written before.
   */
  readonly zerosBeforeStart: boolean;
  /** Lines that are written before other work gets its turn; `Infinity` to write all at once. */
  readonly linesPerTurn: number;
  /** Seed of the hashes: random, unless a test wants to know. */
  readonly seed: number;
  /** Counters of the interface itself, asked once a step; flows make them where undefined. */
  readonly interfaceCounters: (() => InterfaceCounters) | undefined;
  /** Whether counters of interfaces are those of this host, which has series of each. */
  readonly hasOwnInterfaces: boolean;
}

/** Where nothing else is asked for. */
export const DEFAULT_SERIES_OPTIONS: Omit<SeriesOptions, 'seed'> = {
  ifid: '0',
  stepSeconds: DEFAULT_STEP_SECONDS,
  spread: true,
  delayMs: undefined,
  maxSeries: 100_000,
  maxByFamily: undefined,
  localNetworks: DEFAULT_LOCAL_NETWORKS,
  countOnce: true,
  maxConversations: 262_144,
  zerosBeforeStart: false,
  linesPerTurn: Number.POSITIVE_INFINITY,
  interfaceCounters: undefined,
  hasOwnInterfaces: false,
};

/**
 * How long a step stays open: with spreading, 60 s of active timeout, which collectors ask exporters for, and 30 s for the
 * exporter's own queue; without, 15 s for the queue alone. Longer timeouts put what came too late into the oldest open step.
 */
export function defaultDelayMs(spread: boolean): number {
  return spread ? 90_000 : 15_000;
}

/** Shares of all series that a family may take: hosts must not leave nothing to the rest. */
const SHARES: Readonly<Partial<Record<Family, number>>> = { host: 0.7, container: 0.3, flowdev_port: 0.2, asn: 0.2 };

/** Most series of each family, of `maxSeries` in all. */
export function defaultFamilyLimits(maxSeries: number): Record<Family, number> {
  return perFamily((family) => Math.max(1, Math.floor(maxSeries * (SHARES[family] ?? 0.1))));
}

const SHORTEST_STEP_SECONDS = 1;
const LONGEST_STEP_SECONDS = 86_400;

/**
 * Reads steps as users write them: `container=10s,host=60s` (s, m and h). Families that are not named keep ntopng's. Throws one
 * clear error.
 */
export function parseSeriesSteps(text: string): Record<Family, number> {
  const steps = { ...DEFAULT_STEP_SECONDS };
  for (const [family, value] of parsePairs(text, 'series step', 'container=10s')) {
    const [, digits = '', unit = 's'] = /^(\d{1,6})([smh]?)$/.exec(value) ?? [];
    const seconds = digits === '' ? Number.NaN : Number(digits) * (unit === 'h' ? 3600 : unit === 'm' ? 60 : 1);
    if (!(seconds >= SHORTEST_STEP_SECONDS && seconds <= LONGEST_STEP_SECONDS)) {
      throw new Error(`series step: ${family} must be 1s to 24h, not ${JSON.stringify(value)}`);
    }
    steps[family] = seconds;
  }
  return steps;
}

/** Reads limits as users write them: `host=50000,container=1000`. Families that are not named keep their share. Throws one clear error. */
export function parseFamilyLimits(text: string, maxSeries: number): Record<Family, number> {
  const limits = defaultFamilyLimits(maxSeries);
  for (const [family, value] of parsePairs(text, 'series limit', 'host=50000')) {
    if (!/^\d{1,9}$/.test(value)) {
      throw new Error(`series limit: ${family} must be a whole number, not ${JSON.stringify(value)}`);
    }
    limits[family] = Number(value);
  }
  return limits;
}

function parsePairs(text: string, what: string, example: string): [Family, string][] {
  return text
    .split(',')
    .map((pair) => pair.trim())
    .filter((pair) => pair !== '')
    .map((pair) => {
      const [name = '', value, ...rest] = pair.split('=');
      if (value === undefined || rest.length > 0) {
        throw new Error(`${what}: ${JSON.stringify(pair)} must be like ${example}`);
      }
      if (!isFamily(name)) {
        throw new Error(`${what}: ${JSON.stringify(name)} is none of ${FAMILIES.join(', ')}`);
      }
      return [name, value];
    });
}

function isFamily(name: string): name is Family {
  return (FAMILIES as readonly string[]).includes(name);
}
