import { MessageContext } from './message.ts';
import type { Session } from './session.ts';

/** Limits of {@link PendingSets}. */
export interface PendingLimits {
  /** Sets that may wait at once. */
  readonly maxSets: number;
  /** Octets that may wait at once. */
  readonly maxOctets: number;
  /** How long a set waits, by its arrival. */
  readonly maxAgeMs: number;
}

/** Cisco repeats Templates every 30 minutes by default: waiting less would lose what came before the first. */
export const DEFAULT_PENDING_LIMITS: PendingLimits = {
  maxSets: 16_384,
  maxOctets: 16 * 1024 * 1024,
  maxAgeMs: 1_860_000,
};

/** Sets one Template may have waiting, so that one Exporter cannot take all the room. */
const MAX_SETS_PER_TEMPLATE = 1024;

interface PendingSet {
  readonly session: Session;
  readonly octets: Uint8Array;
  readonly version: number;
  readonly exportTimeMs: number;
  readonly sysUpTimeMs: number;
  readonly sequenceNumber: number;
  readonly arrivalMs: number;
}

/** Data Sets that came before their Template, by Observation Domain and template id. */
export class PendingSets {
  private readonly limits: PendingLimits;
  private readonly waiting = new Map<string, PendingSet[]>();
  /** Sets by domain, which may have ended since. */
  private readonly domains = new Map<string, number>();
  private readonly context = new MessageContext();
  private setCount = 0;
  private octetCount = 0;

  constructor(limits: PendingLimits = DEFAULT_PENDING_LIMITS) {
    this.limits = limits;
  }

  /** Sets waiting now. */
  get sets(): number {
    return this.setCount;
  }

  /** Octets waiting now. */
  get octets(): number {
    return this.octetCount;
  }

  /** Whether any set of `session`'s domain waits. */
  hasAny({ domain }: Session): boolean {
    return this.setCount > 0 && this.domains.has(domain.key);
  }

  /** Keeps a copy of records `[pos, end)` of `message`, or drops and counts them when there is no room. */
  add(message: MessageContext, templateId: number, pos: number, end: number): void {
    const { session } = message;
    session.counters.setsWithoutTemplate++;
    const length = end - pos;
    const key = pendingKey(session, templateId);
    this.dropExpired(message.arrivalMs);
    while (this.setCount >= this.limits.maxSets || this.octetCount + length > this.limits.maxOctets) {
      // Only Exporters that have decoded before may displace what waits: a flood of unknown ones displaces nothing.
      if (!session.isEstablished || !this.dropOldest()) {
        session.counters.pendingDropped++;
        return;
      }
    }
    let sets = this.waiting.get(key);
    if (sets === undefined) {
      sets = [];
      this.waiting.set(key, sets);
    }
    if (sets.length >= MAX_SETS_PER_TEMPLATE) {
      session.counters.pendingDropped++;
      return;
    }
    const octets = message.bytes.slice(pos, end);
    const { version, exportTimeMs, sysUpTimeMs, sequenceNumber, arrivalMs } = message;
    sets.push({ session, octets, version, exportTimeMs, sysUpTimeMs, sequenceNumber, arrivalMs });
    this.count(session, 1, length);
  }

  /**
   * Hands on the sets that wait for a Template of `session`'s domain, oldest first, each with a context made up as its
   * message's was; the context is valid during the call only.
   */
  take(
    session: Session,
    templateId: number,
    decode: (message: MessageContext, pos: number, end: number) => void,
  ): void {
    const key = pendingKey(session, templateId);
    const sets = this.waiting.get(key);
    if (sets === undefined) return;
    this.waiting.delete(key);
    const { context } = this;
    for (const set of sets) {
      this.count(set.session, -1, -set.octets.length);
      context.bytes = set.octets;
      context.view = new DataView(set.octets.buffer, set.octets.byteOffset, set.octets.byteLength);
      context.session = set.session;
      context.version = set.version;
      context.exportTimeMs = set.exportTimeMs;
      context.sysUpTimeMs = set.sysUpTimeMs;
      context.sequenceNumber = set.sequenceNumber;
      context.arrivalMs = set.arrivalMs;
      set.session.counters.pendingDecoded++;
      decode(context, 0, set.octets.length);
    }
  }

  private count({ domain: { key } }: Session, sets: number, octets: number): void {
    this.setCount += sets;
    this.octetCount += octets;
    const ofDomain = (this.domains.get(key) ?? 0) + sets;
    if (ofDomain > 0) this.domains.set(key, ofDomain);
    else this.domains.delete(key);
  }

  private dropExpired(nowMs: number): void {
    for (const [key, sets] of this.waiting) {
      const fresh = sets.findIndex(({ arrivalMs }) => nowMs - arrivalMs <= this.limits.maxAgeMs);
      if (fresh === 0) return;
      this.drop(key, fresh < 0 ? sets : sets.slice(0, fresh));
      if (fresh > 0) this.waiting.set(key, sets.slice(fresh));
    }
  }

  private dropOldest(): boolean {
    for (const [key, sets] of this.waiting) {
      this.drop(key, sets);
      return true;
    }
    return false;
  }

  private drop(key: string, sets: PendingSet[]): void {
    this.waiting.delete(key);
    for (const set of sets) {
      this.count(set.session, -1, -set.octets.length);
      set.session.counters.pendingDropped++;
    }
  }
}

function pendingKey(session: Session, templateId: number): string {
  return `${templateId} ${session.domain.key}`;
}
