/** Entries of a bucket of the index, which are a cache line. */
const BUCKET = 16;
/** Entries that the index has room for at most, for each place: where they crowd by chance, it grows before anything is pushed out. */
const MOST_ENTRIES = 4;
/** Places looked at for a new conversation where all are taken. */
const CANDIDATES = 8;
/** Places at first. */
const FIRST_CAPACITY = 1024;

/** Times are kept in these units, in 32 bits whose differences are right for 248 days. */
const UNIT_MS = 10;
/** A conversation that was silent for longer begins anew. */
const SILENCE = 60_000 / UNIT_MS;
/** How much later than what its owner reported a record of another reporter must begin to be no second report of the same. */
const OVERLAP = 15_000 / UNIT_MS;
/** The same where packets are sampled: owners miss some. */
const SAMPLED_OVERLAP = 60_000 / UNIT_MS;

/** Words of a place: the key first. */
const WORDS = 12;
/** 1 where the client is not the lower end. */
const FLAGS = 2;
/** End of the last record. */
const END = 3;
/** Who reports each of the two directions. */
const OWNERS = 4;
/** Up to when. */
const OWNED_UNTIL = 6;
/** First and last step that was marked, for each of two groups. */
const STEPS = 8;
const IS_UPPER = 1;

/**
 * The conversations under way, bounded. Tells new ones, who is the client, and records that report again what another Exporter or
 * interface has reported.
 *
 * They lie in the order in which they came, and an index of one word for each tells where: what comes together lies together, and the
 * index is small enough for the processor to know its pages. Where all places are taken, a new one gets that of the conversation
 * silent for longest among the next eight in turn.
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
  private readonly size: number;
  /** Bits of an index entry that are the number of its place, and one; those above are from the first half of the key. */
  private readonly numberMask: number;
  private capacity: number;
  private words: Int32Array<ArrayBuffer>;
  /** Buckets by the second half of the key, each without gaps; 0 is free. */
  private index: Int32Array<ArrayBuffer>;
  private used = 0;
  /** Where the next to be taken is looked for, once all are used. */
  private next = 0;

  /** Holds up to `size` conversations, a power of two from 8 to 2^24. */
  constructor(size: number) {
    this.size = size;
    this.numberMask = 2 * size - 1;
    this.capacity = Math.min(size, FIRST_CAPACITY);
    this.words = new Int32Array(WORDS * this.capacity);
    this.index = new Int32Array(Math.max(2 * this.capacity, BUCKET));
  }

  /**
   * Looks up the first `count` of some keys and reads what is there, so that the processor has it at hand. Gives the places found, -1
   * for none, and something of what was read.
   */
  fetch(firstKeys: Int32Array, secondKeys: Int32Array, count: number, places: Int32Array): number {
    const { index, words, numberMask } = this;
    const mask = index.length - 1;
    let fetched = 0;
    for (let i = 0; i < count; i++) fetched ^= index[(secondKeys[i]! * BUCKET) & mask]!;
    for (let i = 0; i < count; i++) {
      const first = firstKeys[i]!;
      const from = (secondKeys[i]! * BUCKET) & mask;
      places[i] = -1;
      for (let at = from; at < from + BUCKET; at++) {
        const entry = index[at]!;
        if (entry === 0) break;
        if (((entry ^ first) & ~numberMask) === 0) {
          places[i] = ((entry & numberMask) - 1) * WORDS;
          break;
        }
      }
    }
    for (let i = 0; i < count; i++) {
      const at = places[i]!;
      if (at >= 0) fetched ^= words[at]! ^ words[at + WORDS - 1]!;
    }
    return fetched;
  }

  /**
   * The place of a conversation that a record from `times[0]` to `times[1]` belongs to; `clientEnd` is taken where it is new. It may be
   * at `hint`, which is -1 where nothing is known.
   */
  find(firstKey: number, secondKey: number, hint: number, times: Float64Array, clientEnd: number): number {
    const start = (times[0]! / UNIT_MS) | 0;
    const end = (times[1]! / UNIT_MS) | 0;
    const { words } = this;
    const at =
      hint >= 0 && words[hint] === firstKey && words[hint + 1] === secondKey ? hint : this.placeOf(firstKey, secondKey);
    if (at < 0) {
      const place = this.take(firstKey, secondKey, end);
      this.begin(place, end, clientEnd);
      return place;
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
    this.lowTo = last < low ? last : low - 1;
    this.highFrom = first > high ? first : high + 1;
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

  private placeOf(firstKey: number, secondKey: number): number {
    const { index, words, numberMask } = this;
    const from = (secondKey * BUCKET) & (index.length - 1);
    for (let i = from; i < from + BUCKET; i++) {
      const entry = index[i]!;
      if (entry === 0) return -1;
      if (((entry ^ firstKey) & ~numberMask) !== 0) continue;
      const at = ((entry & numberMask) - 1) * WORDS;
      if (words[at] === firstKey && words[at + 1] === secondKey) return at;
    }
    return -1;
  }

  private begin(at: number, end: number, clientEnd: number): void {
    const { words } = this;
    this.isNew = true;
    words[at + FLAGS] = clientEnd === 0 ? 0 : IS_UPPER;
    words[at + END] = end;
    words[at + OWNERS] = 0;
    words[at + OWNERS + 1] = 0;
  }

  /** A place for a new conversation, with its key and all else 0. */
  private take(firstKey: number, secondKey: number, end: number): number {
    if (this.used === this.capacity && this.capacity < this.size) this.grow();
    let at = this.crowdedOut(secondKey);
    while (at >= 0 && this.index.length < MOST_ENTRIES * this.size) {
      this.growIndex();
      at = this.crowdedOut(secondKey);
    }
    if (at < 0 && this.used < this.capacity) at = WORDS * this.used++;
    else {
      if (at < 0) at = this.longestSilent();
      const { words } = this;
      if (((end - words[at + END]!) | 0) < SILENCE) this.pushedOut++;
      this.removeEntry(at);
      words.fill(0, at, at + WORDS);
    }
    this.words[at] = firstKey;
    this.words[at + 1] = secondKey;
    this.insertEntry(at);
    return at;
  }

  /** Where the bucket of a key has no room, the place of the conversation silent for longest in it; else -1. */
  private crowdedOut(secondKey: number): number {
    const { index, words, numberMask } = this;
    const from = (secondKey * BUCKET) & (index.length - 1);
    if (index[from + BUCKET - 1] === 0) return -1;
    let oldest = ((index[from]! & numberMask) - 1) * WORDS;
    for (let i = from + 1; i < from + BUCKET; i++) {
      const at = ((index[i]! & numberMask) - 1) * WORDS;
      if (((words[at + END]! - words[oldest + END]!) | 0) < 0) oldest = at;
    }
    return oldest;
  }

  /** The place to be taken where all are used. */
  private longestSilent(): number {
    const { words, capacity } = this;
    let oldest = this.next * WORDS;
    for (let i = 1; i < CANDIDATES; i++) {
      const at = ((this.next + i) & (capacity - 1)) * WORDS;
      if (((words[at + END]! - words[oldest + END]!) | 0) < 0) oldest = at;
    }
    this.next = (this.next + 1) & (capacity - 1);
    return oldest;
  }

  /** The bucket has room. */
  private insertEntry(at: number): void {
    const { index, words, numberMask } = this;
    let to = (words[at + 1]! * BUCKET) & (index.length - 1);
    while (index[to] !== 0) to++;
    index[to] = (words[at]! & ~numberMask) | (at / WORDS + 1);
  }

  /** The last entry of the bucket fills the gap. */
  private removeEntry(at: number): void {
    const { index, words, numberMask } = this;
    const number = at / WORDS + 1;
    const from = (words[at + 1]! * BUCKET) & (index.length - 1);
    let gap = from;
    while ((index[gap]! & numberMask) !== number) gap++;
    let last = gap;
    while (last + 1 < from + BUCKET && index[last + 1] !== 0) last++;
    index[gap] = index[last]!;
    index[last] = 0;
  }

  private grow(): void {
    this.capacity *= 2;
    const words = new Int32Array(WORDS * this.capacity);
    words.set(this.words);
    this.words = words;
    if (this.index.length < 2 * this.capacity) this.growIndex();
  }

  /** Entries of a bucket come from one bucket before, so that each has room. */
  private growIndex(): void {
    this.index = new Int32Array(2 * this.index.length);
    for (let number = 0; number < this.used; number++) this.insertEntry(number * WORDS);
  }
}
