const WAYS = 8;

/** Times are kept in these units, in 32 bits whose differences are right for 248 days. */
const UNIT_MS = 10;
/** A conversation that was silent for longer begins anew. */
const SILENCE = 60_000 / UNIT_MS;
/** How much later than what its owner reported a record of another reporter must begin to be no second report of the same. */
const OVERLAP = 15_000 / UNIT_MS;
/** The same where packets are sampled: owners miss some. */
const SAMPLED_OVERLAP = 60_000 / UNIT_MS;

/** Words of a place, which are a cache line: the key first. */
const WORDS = 16;
/** 1 where it is in use, and 2 more where the client is not the lower end. */
const FLAGS = 2;
/** End of the last record. */
const END = 3;
/** Who reports each of the two directions. */
const OWNERS = 4;
/** Up to when. */
const OWNED_UNTIL = 6;
/** First and last step that was marked, for each of up to four groups. */
const STEPS = 8;
const IS_USED = 1;
const IS_UPPER = 2;

/**
 * The conversations under way, bounded: each has one of eight places in a row, of which the one silent for longest is taken for a new
 * one. Tells new ones, who is the client, and records that report again what another Exporter or interface has reported.
 */
export class Conversations {
  /** Whether the record looked up last begins a conversation. */
  isNew = false;
  /** Conversations pushed out less than a minute after their last record: they count anew when they come again. */
  pushedOut = 0;
  /** Steps that the last {@link Conversations.mark} found new before those known: none where from is after to. */
  lowFrom = 0;
  lowTo = -1;
  /** The same behind those known. */
  highFrom = 0;
  highTo = -1;
  private readonly mask: number;
  private readonly words: Int32Array;

  /** Holds about `size` conversations, a power of two of at least 8. */
  constructor(size: number) {
    this.mask = WORDS * size - 1;
    this.words = new Int32Array(WORDS * size);
  }

  /** Reads where the first `count` of some keys may be, and gives something of it. */
  fetch(secondKeys: Int32Array, count: number): number {
    const { words, mask } = this;
    let fetched = 0;
    for (let i = 0; i < count; i++) fetched ^= words[(secondKeys[i]! * WORDS) & mask]!;
    return fetched;
  }

  /** The place of a conversation that a record from `times[0]` to `times[1]` belongs to; `clientEnd` is taken where it is new. */
  find(firstKey: number, secondKey: number, times: Float64Array, clientEnd: number): number {
    const { words, mask } = this;
    const start = (times[0]! / UNIT_MS) | 0;
    const end = (times[1]! / UNIT_MS) | 0;
    let at = (secondKey * WORDS) & mask;
    for (let way = 1; words[at] !== firstKey || words[at + 1] !== secondKey || words[at + FLAGS] === 0; way++) {
      // Places are never given back: behind a free one there is nothing.
      if (way === WAYS || words[at + FLAGS] === 0) {
        at = this.take(firstKey, secondKey, end);
        this.begin(at, end, clientEnd);
        return at;
      }
      at = (at + WORDS) & mask;
    }
    const last = words[at + END]!;
    if (((start - last) | 0) > SILENCE) this.begin(at, end, clientEnd);
    else {
      if (((end - last) | 0) > 0) words[at + END] = end;
      this.isNew = false;
    }
    return at;
  }

  /**
   * Says that the conversation went on from step `first` to `last` of a group's, and sets {@link Conversations.lowFrom} and so on
   * to those that are new.
   */
  mark(place: number, group: number, first: number, last: number): void {
    const { words } = this;
    const at = place + STEPS + 2 * group;
    const low = words[at]!;
    const high = words[at + 1]!;
    if (high === 0) {
      words[at] = first;
      words[at + 1] = last;
      this.lowFrom = first;
      this.lowTo = last;
      this.highTo = -1;
      return;
    }
    this.lowFrom = first;
    this.lowTo = Math.min(last, low - 1);
    this.highFrom = Math.max(first, high + 1);
    this.highTo = last;
    if (first < low) words[at] = first;
    if (last > high) words[at + 1] = last;
  }

  /** Which end opened the conversation: 0 the lower one, 1 the other. */
  clientOf(place: number): number {
    return (this.words[place + FLAGS]! & IS_UPPER) === 0 ? 0 : 1;
  }

  /** Whether another reporter than `reporter`, which is not 0, has reported the same time of this direction, 0 or 1. */
  isReported(place: number, direction: number, reporter: number, times: Float64Array, isSampled: boolean): boolean {
    const { words } = this;
    const at = place + direction;
    const end = (times[1]! / UNIT_MS) | 0;
    const owner = words[at + OWNERS]!;
    const until = words[at + OWNED_UNTIL]!;
    if (owner === reporter) {
      if (((end - until) | 0) > 0) words[at + OWNED_UNTIL] = end;
      return false;
    }
    const start = (times[0]! / UNIT_MS) | 0;
    if (owner !== 0 && ((start - until) | 0) <= (isSampled ? SAMPLED_OVERLAP : OVERLAP)) return true;
    words[at + OWNERS] = reporter;
    words[at + OWNED_UNTIL] = end;
    return false;
  }

  private begin(at: number, end: number, clientEnd: number): void {
    const { words } = this;
    this.isNew = true;
    words[at + FLAGS] = clientEnd === 0 ? IS_USED : IS_USED | IS_UPPER;
    words[at + END] = end;
    words[at + OWNERS] = 0;
    words[at + OWNERS + 1] = 0;
  }

  /** The place for a new conversation: a free one, or that of the one silent for longest. */
  private take(firstKey: number, secondKey: number, end: number): number {
    const { words, mask } = this;
    const from = (secondKey * WORDS) & mask;
    let at = from;
    for (let way = 0; way < WAYS; way++) {
      const candidate = (from + way * WORDS) & mask;
      if (words[candidate + FLAGS] === 0) {
        at = candidate;
        break;
      }
      if (((words[candidate + END]! - words[at + END]!) | 0) < 0) at = candidate;
    }
    if (words[at + FLAGS] !== 0 && ((end - words[at + END]!) | 0) < SILENCE) this.pushedOut++;
    words.fill(0, at, at + WORDS);
    words[at] = firstKey;
    words[at + 1] = secondKey;
    return at;
  }
}
