import type { DecodeCounters } from '../metrics/decode-counters.ts';
import type { Session } from './session.ts';

/** Sources followed at most, over all sessions: a large switch has a few hundred. */
const ENTRIES = 65_536;
/** Places where one source may lie. */
const WAYS = 8;
const SETS = ENTRIES / WAYS;
/** Further ahead is a restart, not a loss. */
const LARGEST_GAP = 1 << 24;
/** Further behind is a restart, not a late sample. */
const LARGEST_DELAY = 1024;

/**
 * Follows the sequence numbers of sFlow samples, which every data source counts for itself (sFlow version 5, section 5).
 * A table of fixed size: a source that is displaced by others starts afresh, so that invented sources cost no memory.
 */
export class SampleSequenceTable {
  private owners = new Uint32Array(0);
  private kinds = new Uint32Array(0);
  private indices = new Uint32Array(0);
  private expected = new Uint32Array(0);
  private missing = new Uint32Array(0);
  private readonly sessionNumbers = new WeakMap<Session, number>();
  private readonly seed: number;
  private sessionCount = 0;
  private lastSession: Session | undefined;
  private lastNumber = 0;
  private victim = 0;

  /** `seed` makes where sources lie unpredictable, so that none can be crafted to displace others. */
  constructor(seed = Math.random() * 0x1_0000_0000) {
    this.seed = seed | 0;
  }

  /**
   * Takes the number of a sample of the source `type`, `index` of `session` and counts what is missing before it.
   * `kind` tells apart what counts separately: flow, counters and discarded packet samples.
   */
  observe(
    session: Session,
    kind: number,
    type: number,
    index: number,
    sequence: number,
    counters: DecodeCounters,
  ): void {
    if (this.owners.length === 0) this.allocate();
    const owner = session === this.lastSession ? this.lastNumber : this.numberOf(session);
    // Source types are 0 to 3; what is left of a larger one after this is enough to tell sources apart.
    const kindAndType = ((kind << 28) ^ type) >>> 0;
    const first = this.firstEntry(owner, kindAndType, index);
    for (let entry = first; entry < first + WAYS; entry++) {
      if (this.owners[entry] !== owner || this.kinds[entry] !== kindAndType || this.indices[entry] !== index) continue;
      this.follow(entry, sequence, counters);
      return;
    }
    const entry = this.freeEntry(first);
    this.owners[entry] = owner;
    this.kinds[entry] = kindAndType;
    this.indices[entry] = index;
    this.expected[entry] = sequence + 1;
    this.missing[entry] = 0;
  }

  private follow(entry: number, sequence: number, counters: DecodeCounters): void {
    const ahead = (sequence - this.expected[entry]!) | 0;
    if (ahead < 0 && ahead >= -LARGEST_DELAY) {
      // A late one was counted as lost; one that comes again was not.
      if (this.missing[entry]! > 0) {
        this.missing[entry]!--;
        counters.samplesLost--;
      }
      return;
    }
    if (ahead > 0 && ahead <= LARGEST_GAP) {
      counters.samplesLost += ahead;
      this.missing[entry] = ahead;
    } else if (ahead !== 0) {
      this.missing[entry] = 0;
    }
    this.expected[entry] = sequence + 1;
  }

  private freeEntry(first: number): number {
    for (let entry = first; entry < first + WAYS; entry++) {
      if (this.owners[entry] === 0) return entry;
    }
    this.victim = (this.victim + 1) % WAYS;
    return first + this.victim;
  }

  private firstEntry(owner: number, kindAndType: number, index: number): number {
    let hash = this.seed ^ Math.imul(owner, 0x9e3779b1);
    hash = Math.imul(hash ^ (hash >>> 15) ^ kindAndType, 0x85ebca6b);
    hash = Math.imul(hash ^ (hash >>> 13) ^ index, 0xc2b2ae35);
    return ((hash ^ (hash >>> 16)) & (SETS - 1)) * WAYS;
  }

  private numberOf(session: Session): number {
    let number = this.sessionNumbers.get(session);
    if (number === undefined) {
      number = ++this.sessionCount;
      this.sessionNumbers.set(session, number);
    }
    this.lastSession = session;
    this.lastNumber = number;
    return number;
  }

  private allocate(): void {
    this.owners = new Uint32Array(ENTRIES);
    this.kinds = new Uint32Array(ENTRIES);
    this.indices = new Uint32Array(ENTRIES);
    this.expected = new Uint32Array(ENTRIES);
    this.missing = new Uint32Array(ENTRIES);
  }
}
