import { DECODE_FAULTS, DecodeCounters } from '../metrics/decode-counters.ts';
import { ObservationDomain, Session, type TemplateEntry } from './session.ts';
import { isSameLayout, SharedTemplates } from './shared-templates.ts';
import type { Template } from './template.ts';

/** Version under which sFlow v5 sessions are kept, apart from NetFlow v5. */
export const SFLOW_SESSION = 105;

/** Whether Templates and options are shared by all ports of an address, or belong to one address and port. */
export type ExporterKey = 'address' | 'session';

/** Limits of a {@link SessionTable}. */
export interface SessionLimits {
  /** Sessions kept; the least recently heard go first. */
  readonly maxSessions: number;
  /** Fields of all different Templates together, with 16 for each, and 4 for each Exporter and id that has it. */
  readonly maxTemplateFields: number;
  readonly exporterKey: ExporterKey;
}

/** Limits that fit a few thousand Exporters and keep a flood of spoofed ones under 300 MB. */
export const DEFAULT_SESSION_LIMITS: SessionLimits = {
  maxSessions: 16_384,
  maxTemplateFields: 1_000_000,
  exporterKey: 'address',
};

/** Messages after which a session is established. */
const ESTABLISHED_AFTER = 3;
/** A session's place in the order of age is renewed this often, not for each message. */
const TOUCH_INTERVAL_MS = 1000;
/** Templates are looked through for expired ones this often, not for each Data Set. */
const EXPIRY_INTERVAL_MS = 1000;
/** A session that holds more than this part of all Template fields makes room itself. */
const FAIR_SHARE = 1 / 16;

/**
 * All sessions. Those that have decoded a few messages are established and are only displaced by others of their kind: a
 * flood of spoofed addresses displaces itself.
 */
export class SessionTable {
  /** Sessions dropped to make room. */
  sessionsEvicted = 0;
  /** Templates with one id and different fields from one address and domain: senders behind one NAT or relay. */
  templateCollisions = 0;
  /** The Templates of all sessions. */
  readonly shared = new SharedTemplates();
  private readonly limits: SessionLimits;
  private readonly addresses = new Map<string, Map<number | string, Session>>();
  private readonly domains = new Map<string, ObservationDomain>();
  private readonly probation = new Set<Session>();
  private readonly established = new Set<Session>();
  private readonly retired = new DecodeCounters();
  private templateFields = 0;
  private last: Session | undefined;

  constructor(limits: SessionLimits = DEFAULT_SESSION_LIMITS) {
    this.limits = limits;
  }

  /** Sessions now alive. */
  get size(): number {
    return this.probation.size + this.established.size;
  }

  /** Every session, the least recently heard first, unestablished ones before the others. */
  *sessions(): Generator<Session> {
    yield* this.probation;
    yield* this.established;
  }

  /** Sessions but those that only other threads have heard. */
  heard(): Session[] {
    const heard: Session[] = [];
    for (const session of this.sessions()) {
      if (!session.isAdopted || session.counters.messagesReceived > 0) heard.push(session);
    }
    return heard;
  }

  /** The session a message belongs to, made on first sight. `agentAddress` is `''` but for sFlow. */
  find(
    version: number,
    address: string,
    port: number,
    domainId: number,
    agentAddress: string,
    isReliable: boolean,
    nowMs: number,
  ): Session {
    const last = this.last;
    if (
      last !== undefined &&
      last.version === version &&
      last.port === port &&
      last.domain.id === domainId &&
      last.address === address &&
      last.isReliable === isReliable &&
      last.agentAddress === agentAddress
    ) {
      this.touch(last, nowMs);
      return last;
    }
    let byKey = this.addresses.get(address);
    if (byKey === undefined) {
      byKey = new Map();
      this.addresses.set(address, byKey);
    }
    const key = sessionKey(version, port, domainId, agentAddress, isReliable);
    let session = byKey.get(key);
    if (session === undefined) {
      const domain = this.domainOf(version, address, port, domainId, agentAddress);
      session = new Session(version, address, port, domain, isReliable, agentAddress, nowMs);
      byKey.set(key, session);
      domain.sessionCount++;
      this.probation.add(session);
      if (this.size > this.limits.maxSessions) this.evictOne(session);
    } else {
      this.touch(session, nowMs);
    }
    this.last = session;
    return session;
  }

  /** Learns, refreshes or redefines a Template; returns false when there is no room for it. */
  learn(session: Session, template: Template, nowMs: number): boolean {
    const known = session.templates.get(template.id);
    if (known !== undefined) {
      known.announcedMs = nowMs;
      if (isSameLayout(known.template, template)) {
        session.counters.templatesRefreshed++;
        return true;
      }
      session.counters.templatesRedefined++;
      this.give(session, known.template);
      known.template = this.take(session, template);
      known.reader = undefined;
      known.usedMs = 0;
    } else {
      session.counters.templatesLearned++;
      const taken = this.take(session, template);
      session.templates.set(template.id, { template: taken, reader: undefined, announcedMs: nowMs, usedMs: 0 });
    }
    const { announcers } = session.domain;
    if (announcers[announcers.length - 1] !== session) {
      const at = announcers.lastIndexOf(session);
      if (at >= 0) announcers.splice(at, 1);
      announcers.push(session);
    }
    this.countCollision(session, template);
    while (this.templateFields > this.limits.maxTemplateFields) {
      if (this.evictTemplates(session, template.id)) continue;
      this.forget(session, template.id);
      return false;
    }
    return true;
  }

  /** A session is charged for all of a Template, however many share it: nobody holds much at another's expense. */
  private take(session: Session, template: Template): Template {
    const taken = this.shared.take(template);
    session.templateFields += cost(template);
    this.templateFields += REFERENCE_COST + (this.shared.references(taken) === 1 ? cost(taken) : 0);
    return taken;
  }

  private give(session: Session, template: Template): void {
    this.shared.give(template);
    session.templateFields -= cost(template);
    this.templateFields -= REFERENCE_COST + (this.shared.references(template) === 0 ? cost(template) : 0);
  }

  /** Forgets a Template. */
  forget(session: Session, id: number): boolean {
    const entry = session.templates.get(id);
    if (entry === undefined) return false;
    session.templates.delete(id);
    this.give(session, entry.template);
    return true;
  }

  /** Forgets Templates announced before `beforeMs`; looks at most once a second. */
  expire(session: Session, beforeMs: number): void {
    if (beforeMs - session.expiredBeforeMs < EXPIRY_INTERVAL_MS) return;
    session.expiredBeforeMs = beforeMs;
    for (const [id, entry] of session.templates) {
      if (entry.announcedMs >= beforeMs) continue;
      this.forget(session, id);
      session.counters.templatesExpired++;
    }
  }

  /**
   * The Template for a Data Set: the session's own, else the one that the same address and domain announced last from
   * another port.
   */
  templateFor(session: Session, id: number): TemplateEntry | undefined {
    const own = session.templates.get(id);
    if (own !== undefined) return own;
    const siblings = session.domain.announcers;
    let best: TemplateEntry | undefined;
    for (let i = siblings.length - 1, looked = 0; i >= 0 && looked < MAX_SIBLINGS; i--, looked++) {
      const sibling = siblings[i]!;
      if (sibling === session) continue;
      const entry = sibling.templates.get(id);
      if (entry !== undefined && (best === undefined || entry.announcedMs > best.announcedMs)) best = entry;
    }
    if (best !== undefined) session.counters.templateBorrowed++;
    return best;
  }

  /** Ends the sessions of a TCP connection that closed, or of a file that ended. */
  endReliable(address: string, port: number): void {
    for (const session of [...(this.addresses.get(address)?.values() ?? [])]) {
      if (session.isReliable && session.port === port) this.remove(session, false);
    }
  }

  /** Called once a message was decoded: sessions that decode are worth keeping. */
  messageDecoded(session: Session): void {
    if (session.isEstablished || session.counters.messagesDecoded < ESTABLISHED_AFTER) return;
    this.establish(session);
  }

  /** Makes a session one of those that only others of their kind displace. */
  establish(session: Session): void {
    if (session.isEstablished || session.hasEnded) return;
    session.isEstablished = true;
    this.probation.delete(session);
    this.established.add(session);
  }

  /** Sum over all sessions, those no longer alive included. */
  totals(): DecodeCounters {
    const sum = new DecodeCounters();
    addCounters(sum, this.retired);
    for (const session of this.sessions()) addCounters(sum, session.counters);
    return sum;
  }

  /** Flow records of all sessions, those no longer alive included. */
  flowRecords(): number {
    let sum = this.retired.flowRecords;
    for (const session of this.probation) sum += session.counters.flowRecords;
    for (const session of this.established) sum += session.counters.flowRecords;
    return sum;
  }

  private touch(session: Session, nowMs: number): void {
    if (nowMs - session.lastSeenMs < TOUCH_INTERVAL_MS && nowMs >= session.lastSeenMs) return;
    session.lastSeenMs = nowMs;
    const order = session.isEstablished ? this.established : this.probation;
    if (!order.delete(session)) return;
    order.add(session);
  }

  private domainOf(
    version: number,
    address: string,
    port: number,
    id: number,
    agentAddress: string,
  ): ObservationDomain {
    const scope = this.limits.exporterKey === 'session' ? `:${port}` : '';
    const key = `${version} ${address}${scope} ${agentAddress} ${id}`;
    let domain = this.domains.get(key);
    if (domain === undefined) {
      domain = new ObservationDomain(address, id, key);
      this.domains.set(key, domain);
    }
    return domain;
  }

  private countCollision(session: Session, template: Template): void {
    const siblings = session.domain.announcers;
    for (let i = siblings.length - 1, looked = 0; i >= 0 && looked < MAX_SIBLINGS; i--, looked++) {
      const sibling = siblings[i]!;
      if (sibling === session) continue;
      const other = sibling.templates.get(template.id);
      if (other === undefined || isSameLayout(other.template, template)) continue;
      this.templateCollisions++;
      return;
    }
  }

  /** Drops the session heard least recently, an unestablished one while there is any besides `keep`. */
  private evictOne(keep: Session): void {
    for (const session of this.sessions()) {
      if (session === keep) continue;
      this.sessionsEvicted++;
      this.remove(session);
      return;
    }
  }

  /**
   * Makes room: an unestablished session goes, else whoever holds most loses what was used least recently. Returns false when
   * there is nothing but the Template `keepId` of `session`.
   */
  private evictTemplates(session: Session, keepId: number): boolean {
    let looked = 0;
    for (const other of this.probation) {
      if (looked++ >= MAX_SIBLINGS) break;
      if (other === session || other.templates.size === 0) continue;
      this.sessionsEvicted++;
      this.remove(other);
      return true;
    }
    const share = this.limits.maxTemplateFields * FAIR_SHARE;
    let victim = session;
    if (session.templateFields <= share) {
      for (const other of this.sessions()) if (other.templateFields > victim.templateFields) victim = other;
    }
    const candidates = [...victim.templates].filter(([id]) => victim !== session || id !== keepId);
    if (candidates.length === 0) return false;
    candidates.sort(([, a], [, b]) => lastNeededMs(a) - lastNeededMs(b));
    // Half of what is too much at once: the search above is not for every Template of a flood.
    const enough = Math.min(victim.templateFields - 1, Math.max(victim.templateFields / 2, share / 2));
    for (const [id] of candidates) {
      if (victim.templateFields <= enough && this.templateFields <= this.limits.maxTemplateFields) break;
      this.forget(victim, id);
      victim.counters.templatesEvicted++;
    }
    return true;
  }

  private remove(session: Session, isEviction = true): void {
    if (isEviction) session.counters.templatesEvicted += session.templates.size;
    for (const id of [...session.templates.keys()]) this.forget(session, id);
    addCounters(this.retired, session.counters);
    session.counters = this.retired;
    session.hasEnded = true;
    this.probation.delete(session);
    this.established.delete(session);
    const byKey = this.addresses.get(session.address);
    byKey?.delete(
      sessionKey(session.version, session.port, session.domain.id, session.agentAddress, session.isReliable),
    );
    if (byKey?.size === 0) this.addresses.delete(session.address);
    const { domain } = session;
    const at = domain.announcers.indexOf(session);
    if (at >= 0) domain.announcers.splice(at, 1);
    domain.sessionCount--;
    if (domain.sessionCount === 0) {
      this.domains.delete(domain.key);
      domain.state?.release();
    }
    if (this.last === session) this.last = undefined;
  }
}

/** Sessions of one domain looked through for a Template: an Exporter that changes its port each time leaves many. */
const MAX_SIBLINGS = 64;

/** What may be withdrawn over TCP may not be over UDP from the same port: versions 9 and 10 become 12 and 13 there. */
function sessionKey(
  version: number,
  port: number,
  domainId: number,
  agentAddress: string,
  isReliable: boolean,
): number | string {
  if (agentAddress !== '') return `${agentAddress} ${domainId} ${port}`;
  return ((domainId + 1) * 16 + (isReliable ? version + 3 : version)) * 65536 + port;
}

function lastNeededMs({ announcedMs, usedMs }: TemplateEntry): number {
  return Math.max(announcedMs, usedMs);
}

/** What a session's entry for a Template takes, in fields. */
const REFERENCE_COST = 4;

/** Templates without fields are not free either. */
function cost(template: Template): number {
  return template.fields.length + 16;
}

/** Adds `from` to `to`, counter by counter. */
export function addCounters(to: DecodeCounters, from: DecodeCounters): void {
  const target = to as unknown as Record<string, number>;
  const source = from as unknown as Record<string, number>;
  for (let i = 0; i < COUNTERS.length; i++) target[COUNTERS[i]!]! += source[COUNTERS[i]!]!;
  for (let i = 0; i < DECODE_FAULTS.length; i++) to.faults[DECODE_FAULTS[i]!] += from.faults[DECODE_FAULTS[i]!];
}

/** The counters that are numbers. */
const COUNTERS = Object.entries(new DecodeCounters()).flatMap(([name, value]) =>
  typeof value === 'number' ? [name] : [],
);
