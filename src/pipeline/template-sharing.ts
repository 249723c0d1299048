/**
 * What one thread tells the others. The kernel gives each port of an Exporter to one thread; Templates and options are the
 * Exporter's, whichever port they came from. Told is little at a time, so that a flood of Templates costs the other threads
 * little.
 */

import type { ObservationDomain, Session } from '../decode/session.ts';
import { domainOptions } from '../normalize/flow-reader.ts';
import type { Decoding, SavedSession } from './decoding.ts';

/** Sessions told at a time. */
export const MAX_SESSIONS_TOLD = 512;
/** Options are told whole: those that go on changing wait so long. */
const OPTIONS_INTERVAL_MS = 2000;

/** A session as it is told to another thread. */
export interface ToldSession extends SavedSession {
  readonly isEstablished: boolean;
}

/** What was told last: a number of changes, and when. */
interface Told {
  readonly mark: number;
  readonly atMs: number;
}

interface ToldTemplates extends Told {
  readonly isEstablished: boolean;
}

/** Knows what a thread has told, and takes what others tell. */
export class TemplateSharing {
  readonly #sessions = new WeakMap<Session, ToldTemplates>();
  readonly #domains = new WeakMap<ObservationDomain, Told>();

  /**
   * What is new since the last call, of {@link MAX_SESSIONS_TOLD} sessions at most, established ones first. Templates that
   * were only repeated are told every `refreshMs`.
   */
  news(decoding: Decoding, nowMs: number, refreshMs: number): ToldSession[] {
    const changed = decoding.sessions.heard().filter((session) => this.#hasNews(session, nowMs, refreshMs));
    changed.sort((a, b) => Number(b.isEstablished) - Number(a.isEstablished));
    const news: ToldSession[] = [];
    for (const session of changed.slice(0, MAX_SESSIONS_TOLD)) {
      const withOptions = this.#hasNewOptions(session, nowMs);
      const told = this.#sessions.get(session);
      // Unestablished there until now, it may have been displaced: once more all of it.
      const sinceMs = told !== undefined && told.isEstablished === session.isEstablished ? told.atMs : 0;
      const saved = decoding.tell(session, sinceMs, withOptions);
      const { isEstablished } = session;
      this.#sessions.set(session, { mark: templateChanges(session), atMs: nowMs, isEstablished });
      if (withOptions) this.#domains.set(session.domain, { mark: optionChanges(session), atMs: nowMs });
      if (saved !== undefined) news.push({ ...saved, isEstablished });
    }
    return news;
  }

  /** Takes what another thread told. */
  adopt(decoding: Decoding, news: readonly ToldSession[], nowMs: number): void {
    for (const told of news) {
      const session = decoding.adopt(told, nowMs);
      if (told.isEstablished) decoding.sessions.establish(session);
      if (told.options !== undefined) this.#noteAdoptedOptions(session, nowMs);
    }
  }

  #hasNews(session: Session, nowMs: number, refreshMs: number): boolean {
    if (session.isReliable) return false;
    if (this.#hasNewOptions(session, nowMs)) return true;
    if (session.templates.size === 0) return false;
    const told = this.#sessions.get(session);
    if (told === undefined || told.mark !== templateChanges(session) || told.isEstablished !== session.isEstablished) {
      return true;
    }
    return nowMs - told.atMs >= refreshMs && session.lastSeenMs > told.atMs;
  }

  #hasNewOptions(session: Session, nowMs: number): boolean {
    const changes = optionChanges(session);
    const told = this.#domains.get(session.domain);
    if (told === undefined) return changes > 0;
    return changes !== told.mark && nowMs - told.atMs >= OPTIONS_INTERVAL_MS;
  }

  /** What came from another thread is no news to it; what this thread had not told yet still is. */
  #noteAdoptedOptions(session: Session, nowMs: number): void {
    const { domain } = session;
    const changes = optionChanges(session);
    if ((this.#domains.get(domain)?.mark ?? 0) === changes - 1)
      this.#domains.set(domain, { mark: changes, atMs: nowMs });
  }
}

function templateChanges({ counters }: Session): number {
  return counters.templatesLearned + counters.templatesRedefined;
}

function optionChanges(session: Session): number {
  return domainOptions(session)?.changes ?? 0;
}
