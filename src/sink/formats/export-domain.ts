import { parseIPv4, parseIPv6 } from '../../bytes/parse-address.ts';
import type { Origin } from '../../flow/origin.ts';
import type { ExportTemplate } from './export-template.ts';
import type { ExportContext } from './export-writer.ts';

/** Observation Domains that are told apart; flows of further ones share one. */
export const MAX_DOMAINS = 4096;
/** Names and samplers remembered as sent, of one domain. */
const MAX_NAMES = 16_384;
/** How far before the first message the Exporter's clock starts, and how long it may run: 2^32 ms are 49.7 days. */
const CLOCK_AHEAD_MS = 20 * 86_400_000;
const CLOCK_MOST_MS = 40 * 86_400_000;
const CLOCK_LEAST_MS = 86_400_000;

/** What has been sent of one Observation Domain since its Templates were announced last. */
export class ExportDomain {
  /** Observation Domain ID, Source ID of NetFlow v9, or engine type * 256 + engine id of NetFlow v5. */
  readonly id: number;
  /** Address of the Exporter whose flows they are. */
  readonly exporterAddress: string;
  /** Its own Observation Domain ID, 0 where its protocol has none. */
  readonly originalId: number;
  /** Address and port of the Exporter as they go into records. */
  readonly exporterIPv4: number;
  readonly exporterIPv6 = new Uint8Array(16);
  readonly exporterPort: number;
  /** Whether samples are taken at random, as sFlow's. */
  readonly samplesAtRandom: boolean;
  /** Number of the next message. */
  sequenceNumber = 0;
  /** Start of the clock that sysUpTime counts from, Unix milliseconds. */
  baseMs = 0;
  /** When Templates are due again, Unix milliseconds; 0 for never announced. */
  refreshAtMs = 0;
  /** Which request to announce everything was the last one met. */
  generation = 0;
  /** Messages since Templates were announced last. */
  messages = 0;
  /** Templates announced, by id. */
  readonly announced = new Map<number, ExportTemplate>();
  /** Sampling interval sent as options data, 0 for none. */
  samplingInterval = 0;
  /** Sampling intervals sent, by sampler or selector. */
  readonly samplers = new Map<number, number>();
  /** Names sent. */
  readonly interfaceNames = new Map<number, string>();
  readonly applicationNames = new Map<number, string>();
  readonly vrfNames = new Map<number, string>();

  constructor(id: number, origin: Origin) {
    this.id = id;
    this.exporterAddress = origin.exporterAddress;
    this.originalId = ownId(origin);
    this.exporterPort = origin.exporterPort;
    this.samplesAtRandom = origin.protocol === 'sFlow';
    const text = new TextEncoder().encode(origin.exporterAddress);
    const address = parseIPv4(text, 0, text.length);
    this.exporterIPv4 = Math.max(0, address);
    if (address < 0 && !parseIPv6(text, 0, text.length, this.exporterIPv6, 0)) this.exporterIPv6.fill(0);
  }

  /** Forgets what was sent: all is announced anew. */
  forget(): void {
    this.refreshAtMs = 0;
    this.messages = 0;
    this.announced.clear();
    this.samplingInterval = 0;
    this.samplers.clear();
    this.interfaceNames.clear();
    this.applicationNames.clear();
    this.vrfNames.clear();
  }

  /** Milliseconds of the Exporter's clock at `exportMs`; moves its start where that lies out of reach. */
  upTimeMs(exportMs: number): number {
    const upTimeMs = exportMs - this.baseMs;
    if (upTimeMs >= CLOCK_LEAST_MS && upTimeMs <= CLOCK_MOST_MS) return upTimeMs;
    this.baseMs = exportMs - CLOCK_AHEAD_MS;
    return CLOCK_AHEAD_MS;
  }

  /** Describes the Exporter to whoever writes records. */
  describe(context: ExportContext): void {
    context.baseMs = this.baseMs;
    context.exporterIPv4 = this.exporterIPv4;
    context.exporterIPv6.set(this.exporterIPv6);
    context.exporterPort = this.exporterPort;
  }
}

/** Notes a name or an interval as sent; whether there is anything to send. A full table sends no more. */
export function isNews<Value>(sent: Map<number, Value>, key: number, value: Value): boolean {
  const earlier = sent.get(key);
  if (earlier === value || (earlier === undefined && sent.size >= MAX_NAMES)) return false;
  sent.set(key, value);
  return true;
}

/** Gives each Exporter's domains Observation Domain IDs of their own: the same where nobody else has it. */
export class ExportDomains {
  /** Messages received whose flows go out under the id of another domain. */
  domainsShared = 0;
  private readonly byKey = new Map<string, ExportDomain>();
  private readonly taken = new Set<number>();
  private readonly limit: number;
  private shared: ExportDomain | undefined;

  /** Ids are below `limit`. */
  constructor(limit: number) {
    this.limit = limit;
  }

  /** The domain of an origin's records. */
  of(origin: Origin): ExportDomain {
    const key = `${origin.exporterAddress} ${ownId(origin)} ${origin.protocol === 'sFlow' ? origin.agentAddress : ''}`;
    const known = this.byKey.get(key);
    if (known !== undefined) return known;
    if (this.byKey.size >= MAX_DOMAINS || this.taken.size >= this.limit) {
      if (this.shared === undefined) this.shared = this.byKey.values().next().value!;
      this.domainsShared++;
      return this.shared;
    }
    let id = ownId(origin) % this.limit;
    while (this.taken.has(id)) id = (id + 1) % this.limit;
    this.taken.add(id);
    const domain = new ExportDomain(id, origin);
    this.byKey.set(key, domain);
    return domain;
  }

  /** All domains. */
  list(): IterableIterator<ExportDomain> {
    return this.byKey.values();
  }
}

function ownId(origin: Origin): number {
  if (origin.observationDomainId >= 0) return origin.observationDomainId;
  if (origin.engineType >= 0) return origin.engineType * 256 + Math.max(0, origin.engineId);
  return Math.max(0, origin.subAgentId);
}
