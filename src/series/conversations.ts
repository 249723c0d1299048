const WAYS = 8;

/** A conversation that was silent for longer begins anew. */
const SILENCE_MS = 60_000;
/** How much later than what its owner reported a record of another reporter must begin to be no second report of the same. */
const OVERLAP_MS = 15_000;
/** The same where packets are sampled: owners miss some. */
const SAMPLED_OVERLAP_MS = 60_000;

/**
 * The conversations under way, bounded: each has one of eight places, of which the one silent for longest is taken for a new
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
  private readonly buckets: number;
  private readonly firstKeys: Int32Array;
  private readonly secondKeys: Int32Array;
  private readonly isUsed: Uint8Array;
  /** Which end is the client: 0 the lower one, 1 the other. */
  private readonly clients: Uint8Array;
  private readonly ends: Float64Array;
  /** Who reports each of the two directions, and up to when. */
  private readonly owners: Int32Array;
  private readonly ownedUntil: Float64Array;
  /** First and last step that {@link Conversations.mark} has seen, two for each group. */
  private readonly steps: Float64Array;
  private readonly groups: number;
  private newestMs = 0;

  /** Holds about `size` conversations, a power of two of at least 8, and the steps of `groups` kinds of steps. */
  constructor(size: number, groups: number) {
    this.groups = groups;
    this.steps = new Float64Array(2 * groups * size);
    this.buckets = size / WAYS;
    this.firstKeys = new Int32Array(size);
    this.secondKeys = new Int32Array(size);
    this.isUsed = new Uint8Array(size);
    this.clients = new Uint8Array(size);
    this.ends = new Float64Array(size);
    this.owners = new Int32Array(2 * size);
    this.ownedUntil = new Float64Array(2 * size);
  }

  /** The place of a conversation that a record from `times[0]` to `times[1]` belongs to; `clientEnd` is taken where it is new. */
  find(firstKey: number, secondKey: number, times: Float64Array, clientEnd: number): number {
    const { firstKeys, secondKeys, isUsed, ends } = this;
    const startMs = times[0]!;
    const endMs = times[1]!;
    const from = (secondKey & (this.buckets - 1)) * WAYS;
    let place = -1;
    let oldest = from;
    for (let i = from; i < from + WAYS; i++) {
      if (isUsed[i] === 0) {
        oldest = i;
        break;
      }
      if (firstKeys[i] === firstKey && secondKeys[i] === secondKey) {
        place = i;
        break;
      }
      if (ends[i]! < ends[oldest]!) oldest = i;
    }
    if (place >= 0 && startMs <= ends[place]! + SILENCE_MS) {
      if (endMs > ends[place]!) ends[place] = endMs;
      this.isNew = false;
      return place;
    }
    if (place < 0) {
      if (isUsed[oldest] === 1 && ends[oldest]! + SILENCE_MS > this.newestMs) this.pushedOut++;
      place = oldest;
      const at = 2 * this.groups * place;
      this.steps.fill(0, at, at + 2 * this.groups);
    }
    this.isNew = true;
    if (endMs > this.newestMs) this.newestMs = endMs;
    isUsed[place] = 1;
    firstKeys[place] = firstKey;
    secondKeys[place] = secondKey;
    this.clients[place] = clientEnd;
    ends[place] = endMs;
    this.owners[2 * place] = 0;
    this.owners[2 * place + 1] = 0;
    return place;
  }

  /**
   * Says that the conversation went on from step `first` to `last` of a group's, and sets {@link Conversations.lowFrom} and so on
   * to those that are new.
   */
  mark(place: number, group: number, first: number, last: number): void {
    const at = 2 * (this.groups * place + group);
    const low = this.steps[at]!;
    const high = this.steps[at + 1]!;
    if (high === 0) {
      this.steps[at] = first;
      this.steps[at + 1] = last;
      this.lowFrom = first;
      this.lowTo = last;
      this.highTo = -1;
      return;
    }
    this.lowFrom = first;
    this.lowTo = Math.min(last, low - 1);
    this.highFrom = Math.max(first, high + 1);
    this.highTo = last;
    if (first < low) this.steps[at] = first;
    if (last > high) this.steps[at + 1] = last;
  }

  /** Which end opened the conversation: 0 the lower one, 1 the other. */
  clientOf(place: number): number {
    return this.clients[place]!;
  }

  /** Whether another reporter than `reporter`, which is not 0, has reported the same time of this direction, 0 or 1. */
  isReported(place: number, direction: number, reporter: number, times: Float64Array, isSampled: boolean): boolean {
    const { owners, ownedUntil } = this;
    const startMs = times[0]!;
    const endMs = times[1]!;
    const at = 2 * place + direction;
    if (owners[at] !== reporter && owners[at] !== 0) {
      if (startMs <= ownedUntil[at]! + (isSampled ? SAMPLED_OVERLAP_MS : OVERLAP_MS)) return true;
      ownedUntil[at] = endMs;
    } else if (owners[at] === 0 || endMs > ownedUntil[at]!) ownedUntil[at] = endMs;
    owners[at] = reporter;
    return false;
  }
}
