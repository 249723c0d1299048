import type { FlowKey } from './flow-key.ts';
import {
  BUCKET,
  FIRST_US,
  HASH,
  KEY,
  KEY_FIRST_WORDS,
  KEY_REST,
  LAST_US,
  NEXT,
  PACKETS,
  PREVIOUS,
  REST_WORDS,
  ROW_WORDS,
  STATE,
  STATE_ENDED,
  STATE_USED,
  TCP_FLAGS,
  TUNNEL_WORDS,
} from './flow-row.ts';
import { RowMemory } from './row-memory.ts';

/** Why the cache hands a flow out: values of flowEndReason (IANA Information Element 136). */
export const END_IDLE = 1;
/** Active for too long; the flow stays in the cache. */
export const END_ACTIVE = 2;
/** FIN or RST seen. */
export const END_OF_FLOW = 3;
/** The end of the metering. */
export const END_FORCED = 4;
/** Room was needed for another flow. */
export const END_LACK_OF_RESOURCES = 5;

/** How large a cache is and how long flows stay. */
export interface FlowCacheOptions {
  /** Flows held at once. */
  readonly maxFlows: number;
  /** Microseconds without a packet after which a flow ends. */
  readonly idleTimeoutUs: number;
  /** Microseconds after which a flow that goes on is reported. */
  readonly activeTimeoutUs: number;
}

/** Who takes flows that end. */
export interface FlowCacheHandler {
  /** The flow of `slot` ends, or with {@link END_ACTIVE} is to be reported; its row stays valid during the call. */
  onFlowEnd(slot: number, reason: number): void;
}

/** Time a flow that ended by FIN or RST waits for stragglers. */
export const LINGER_US = 5_000_000;
const TICK_US = 1_000_000;
/** Slots found last that are kept: 2 to the power of this. */
const RECENT_BITS = 14;
/** Places of the table at first. */
const PLACES = 16_384;
/** No row. A small integer, as slots are: a larger number would make doubles of them all. */
const NONE = -1;

/**
 * Flows in typed memory, found by open addressing. Rows are numbered by slots; what others keep of a flow goes by its slot too.
 * Memory is the kernel's to give when it is first used: a large cache with few flows is small.
 *
 * Every flow waits in the bucket of the second in which it may end. Packets do not move it; when its second comes it is looked
 * at again. So the first flow found in the first bucket whose time is really up is the one to make room when the cache is full.
 */
export class FlowCache {
  /** The rows, {@link ROW_WORDS} words each. */
  readonly words: Uint32Array;
  /** The same memory as doubles: word `i` is double `i / 2`. */
  readonly doubles: Float64Array;
  /** What few packets touch, {@link REST_WORDS} words each: slots of other rows, or {@link NONE}, and the rest. */
  readonly rest: Int32Array;
  /** The same memory as octets. */
  readonly restOctets: Uint8Array;
  /** What few flows have, {@link TUNNEL_WORDS} words each. */
  readonly tunnels: Uint32Array;
  /** Flows held. */
  flows = 0;
  /** Most flows held at once so far. */
  flowsMost = 0;
  /** Latest packet time, in microseconds since 1970; 0 before the first. */
  nowUs = 0;
  private readonly options: FlowCacheOptions;
  private readonly handler: FlowCacheHandler;
  /** By place, which the lower bits of a flow's hash choose: the hash, and slot + 1; 0 is empty. At most half of the places are taken. */
  private table: Int32Array;
  private tableMask: number;
  private readonly heads: Int32Array;
  private readonly tails: Int32Array;
  private readonly bucketMask: number;
  /** The tick before which buckets were looked at; -1 before the first packet. */
  private tick = -1;
  /** End of the tick at hand; packets before it need no look at the buckets. */
  private tickEndUs = 0;
  /** How far back time may go. */
  private readonly longestUs: number;
  /** Pairs of {@link FlowKey.mix} and the slot found last for it: most packets' flows are among them, which saves the hash and a look into the table. */
  private readonly recent = new Int32Array(2 << RECENT_BITS);
  private freeHead = NONE;
  /** Slots never used so far start here. */
  private fresh = 0;
  private readonly maxFlows: number;

  /** Takes address space for all flows at once. */
  constructor(options: FlowCacheOptions, handler: FlowCacheHandler) {
    this.options = options;
    this.handler = handler;
    this.maxFlows = options.maxFlows;
    const { words, doubles } = new RowMemory(options.maxFlows * ROW_WORDS);
    this.words = words;
    this.doubles = doubles;
    this.rest = new Int32Array(options.maxFlows * REST_WORDS);
    this.restOctets = new Uint8Array(this.rest.buffer);
    this.tunnels = new Uint32Array(options.maxFlows * TUNNEL_WORDS);
    this.table = new Int32Array(2 * PLACES);
    this.tableMask = PLACES - 1;
    this.longestUs = Math.max(options.idleTimeoutUs, options.activeTimeoutUs);
    const ticks = Math.ceil(Math.max(this.longestUs, LINGER_US) / TICK_US);
    const buckets = powerOfTwo(ticks + 3);
    this.heads = new Int32Array(buckets).fill(NONE);
    this.tails = new Int32Array(buckets).fill(NONE);
    this.bucketMask = buckets - 1;
  }

  /**
   * Moves the clock on and ends what is due; `timeUs` is above 0. Time that goes back further than flows live is another time: a capture with
   * a damaged timestamp, or an older one; all flows end with {@link END_FORCED}.
   */
  advance(timeUs: number): void {
    if (timeUs > this.nowUs) {
      this.nowUs = timeUs;
      if (timeUs >= this.tickEndUs) this.advanceTick(Math.floor(timeUs / TICK_US));
    } else if (this.nowUs - timeUs > this.longestUs) {
      this.endAll(END_FORCED);
      this.nowUs = timeUs;
      this.tick = Math.floor(timeUs / TICK_US);
      this.tickEndUs = (this.tick + 1) * TICK_US;
    }
  }

  /** Slot of the flow with this key and IP version, or -1. */
  find(key: FlowKey, ipVersion: number): number {
    const { recent } = this;
    const { mix } = key;
    const place = recentPlace(mix);
    const slot = recent[place + 1]!;
    return recent[place]! === mix && this.holds(slot, key, ipVersion) ? slot : this.findByHash(key, ipVersion);
  }

  private findByHash(key: FlowKey, ipVersion: number): number {
    const { table, tableMask } = this;
    const hash = key.hash();
    for (let place = hash & tableMask; ; place = (place + 1) & tableMask) {
      const slot = table[2 * place + 1]! - 1;
      if (slot < 0) return -1;
      if (table[2 * place]! !== hash || !this.holds(slot, key, ipVersion)) continue;
      this.remember(key.mix, slot);
      return slot;
    }
  }

  private remember(mix: number, slot: number): void {
    const place = recentPlace(mix);
    this.recent[place] = mix;
    this.recent[place + 1] = slot;
  }

  /** Whether a slot has the flow with this key and IP version. */
  private holds(slot: number, key: FlowKey, ipVersion: number): boolean {
    const { words } = this;
    const keyWords = key.words;
    const row = slot * ROW_WORDS;
    if (
      words[row + KEY]! !== keyWords[0]! ||
      words[row + KEY + 1]! !== keyWords[1]! ||
      words[row + KEY + 2]! !== keyWords[2]! ||
      words[row + KEY + 3]! !== keyWords[3]! ||
      ((words[row + STATE]! >>> 16) & 0xff) !== ipVersion
    )
      return false;
    return key.length === KEY_FIRST_WORDS || this.holdsRest(slot, key);
  }

  private holdsRest(slot: number, key: FlowKey): boolean {
    const { rest } = this;
    const { words, length } = key;
    const from = slot * REST_WORDS + KEY_REST - KEY_FIRST_WORDS;
    for (let i = KEY_FIRST_WORDS; i < length; i++) {
      if (rest[from + i]! !== (words[i]! | 0)) return false;
    }
    return true;
  }

  /** Word `i` of the key of a flow. */
  keyWord(slot: number, i: number): number {
    if (i < KEY_FIRST_WORDS) return this.words[slot * ROW_WORDS + KEY + i]!;
    return this.rest[slot * REST_WORDS + KEY_REST + i - KEY_FIRST_WORDS]! >>> 0;
  }

  /**
   * Makes a flow with this key and gives its slot. What packets touch of it is zero but for key and state; of the
   * rest and the tunnel nothing is said. In a full cache the flow that would end first makes room.
   */
  add(key: FlowKey, ipVersion: number, protocol: number, timeUs: number): number {
    if (this.freeHead === NONE && this.fresh === this.maxFlows) this.makeRoom();
    const { words, rest } = this;
    let slot = this.freeHead;
    if (slot === NONE) slot = this.fresh++;
    else this.freeHead = rest[slot * REST_WORDS + NEXT]!;
    const row = slot * ROW_WORDS;
    words[row + STATE] = STATE_USED | (ipVersion << 16) | (protocol << 24);
    words[row + TCP_FLAGS] = 0;
    for (let i = 0; i < KEY_FIRST_WORDS; i++) words[row + KEY + i] = key.words[i]!;
    for (let i = PACKETS; i < ROW_WORDS; i++) words[row + i] = 0;
    const from = slot * REST_WORDS + KEY_REST - KEY_FIRST_WORDS;
    for (let i = KEY_FIRST_WORDS; i < key.length; i++) rest[from + i] = key.words[i]!;
    const hash = key.hash();
    rest[slot * REST_WORDS + HASH] = hash;
    if (2 * this.flows > this.tableMask) this.growTable();
    this.enter(hash, slot);
    this.remember(key.mix, slot);
    this.wait(slot, timeUs + Math.min(this.options.idleTimeoutUs, this.options.activeTimeoutUs));
    if (++this.flows > this.flowsMost) this.flowsMost = this.flows;
    return slot;
  }

  /** Hands the flow out and forgets it. */
  end(slot: number, reason: number): void {
    this.handler.onFlowEnd(slot, reason);
    this.leaveBucket(slot);
    this.removeEntry(slot);
    this.words[slot * ROW_WORDS + STATE] = 0;
    this.rest[slot * REST_WORDS + NEXT] = this.freeHead;
    this.freeHead = slot;
    this.flows--;
  }

  /** Lets the flow end a moment after `timeUs`, whatever still comes. */
  endSoon(slot: number, timeUs: number): void {
    this.words[slot * ROW_WORDS + STATE]! |= STATE_ENDED;
    this.leaveBucket(slot);
    this.wait(slot, timeUs + LINGER_US);
  }

  /** Ends all flows, those that would end first at first. */
  endAll(reason: number): void {
    const { heads, bucketMask } = this;
    for (let i = 0; i <= bucketMask && this.flows > 0; i++) {
      const bucket = (this.tick + i) & bucketMask;
      while (heads[bucket]! !== NONE) this.end(heads[bucket]!, reason);
    }
  }

  /** When the flow is to end or to be reported, as of its last packet. */
  private deadlineUs(slot: number): number {
    const { words, doubles } = this;
    const row = slot * ROW_WORDS;
    const at = row >> 1;
    const last = Math.max(doubles[at + LAST_US / 2]!, doubles[at + LAST_US / 2 + 1]!);
    if ((words[row + STATE]! & STATE_ENDED) !== 0) return last + LINGER_US;
    return Math.min(last + this.options.idleTimeoutUs, this.firstUs(slot) + this.options.activeTimeoutUs);
  }

  /** First packet since the last report, of either direction. */
  private firstUs(slot: number): number {
    const at = (slot * ROW_WORDS + FIRST_US) / 2;
    const forward = this.doubles[at]!;
    const reverse = this.doubles[at + 1]!;
    if (forward === 0) return reverse === 0 ? Number.POSITIVE_INFINITY : reverse;
    return reverse === 0 || forward < reverse ? forward : reverse;
  }

  private advanceTick(tick: number): void {
    const { heads, bucketMask } = this;
    // After a gap longer than the wheel every bucket is due once.
    const ticks = this.tick < 0 ? 0 : Math.min(tick - this.tick, bucketMask + 1);
    const from = tick - ticks;
    this.tick = tick;
    this.tickEndUs = (tick + 1) * TICK_US;
    for (let i = 0; i < ticks; i++) {
      const bucket = (from + i) & bucketMask;
      // Those that wait on go to buckets still to come; whoever comes back to this one is behind its tail.
      const tail = this.tails[bucket]!;
      for (let slot = heads[bucket]!; slot !== NONE; ) {
        const next = slot === tail ? NONE : this.rest[slot * REST_WORDS + NEXT]!;
        this.look(slot);
        slot = next;
      }
    }
  }

  /** Ends or reports a flow whose second has come, or lets it wait on. */
  private look(slot: number): void {
    const deadlineUs = this.deadlineUs(slot);
    if (deadlineUs > this.nowUs) {
      this.leaveBucket(slot);
      this.wait(slot, deadlineUs);
      return;
    }
    const row = slot * ROW_WORDS;
    if ((this.words[row + STATE]! & STATE_ENDED) !== 0) {
      this.end(slot, END_OF_FLOW);
      return;
    }
    const at = (row + LAST_US) / 2;
    const last = Math.max(this.doubles[at]!, this.doubles[at + 1]!);
    if (last + this.options.idleTimeoutUs <= this.nowUs) {
      this.end(slot, END_IDLE);
      return;
    }
    this.handler.onFlowEnd(slot, END_ACTIVE);
    this.leaveBucket(slot);
    this.wait(slot, this.deadlineUs(slot));
  }

  /** Ends the flow that would be the first to end. */
  private makeRoom(): void {
    const { heads, bucketMask } = this;
    for (let i = 0; i <= bucketMask; ) {
      const bucket = (this.tick + i) & bucketMask;
      const slot = heads[bucket]!;
      if (slot === NONE) {
        i++;
        continue;
      }
      const deadlineTick = Math.floor(this.deadlineUs(slot) / TICK_US);
      if (deadlineTick <= this.tick + i) {
        this.end(slot, END_LACK_OF_RESOURCES);
        return;
      }
      // It had packets since it was put here.
      this.leaveBucket(slot);
      this.wait(slot, deadlineTick * TICK_US);
    }
  }

  private wait(slot: number, deadlineUs: number): void {
    const { rest, heads, tails, bucketMask } = this;
    const tick = Math.floor(deadlineUs / TICK_US);
    // Behind the bucket now looked at, and not a whole turn ahead.
    const ahead = Math.min(Math.max(tick - this.tick, 0), bucketMask);
    const bucket = (this.tick + ahead) & bucketMask;
    const at = slot * REST_WORDS;
    const tail = tails[bucket]!;
    rest[at + BUCKET] = bucket;
    rest[at + PREVIOUS] = tail;
    rest[at + NEXT] = NONE;
    if (tail === NONE) heads[bucket] = slot;
    else rest[tail * REST_WORDS + NEXT] = slot;
    tails[bucket] = slot;
  }

  private leaveBucket(slot: number): void {
    const { rest } = this;
    const at = slot * REST_WORDS;
    const bucket = rest[at + BUCKET]!;
    const next = rest[at + NEXT]!;
    const previous = rest[at + PREVIOUS]!;
    if (previous === NONE) this.heads[bucket] = next;
    else rest[previous * REST_WORDS + NEXT] = next;
    if (next === NONE) this.tails[bucket] = previous;
    else rest[next * REST_WORDS + PREVIOUS] = previous;
  }

  /** Doubles the table: with few flows it is small enough for a processor's cache. */
  private growTable(): void {
    const { table } = this;
    this.table = new Int32Array(2 * table.length);
    this.tableMask = table.length - 1;
    for (let at = 0; at < table.length; at += 2) {
      if (table[at + 1]! !== 0) this.enter(table[at]!, table[at + 1]! - 1);
    }
  }

  private enter(hash: number, slot: number): void {
    const { table, tableMask } = this;
    let place = hash & tableMask;
    while (table[2 * place + 1]! !== 0) place = (place + 1) & tableMask;
    table[2 * place] = hash;
    table[2 * place + 1] = slot + 1;
  }

  /** Takes the flow out of the table and moves up those that stand behind their place. */
  private removeEntry(slot: number): void {
    const { table, tableMask } = this;
    let hole = this.rest[slot * REST_WORDS + HASH]! & tableMask;
    while (table[2 * hole + 1]! !== slot + 1) hole = (hole + 1) & tableMask;
    for (let place = (hole + 1) & tableMask; table[2 * place + 1]! !== 0; place = (place + 1) & tableMask) {
      const hash = table[2 * place]!;
      const distance = (place - (hash & tableMask)) & tableMask;
      if (distance < ((place - hole) & tableMask)) continue;
      table[2 * hole] = hash;
      table[2 * hole + 1] = table[2 * place + 1]!;
      hole = place;
    }
    table[2 * hole + 1] = 0;
  }
}

/** Where the pair of a mix stands. */
function recentPlace(mix: number): number {
  return (mix >>> (32 - RECENT_BITS)) << 1;
}

/** The power of two that is not below `value`. */
function powerOfTwo(value: number): number {
  return 2 ** Math.ceil(Math.log2(value));
}
