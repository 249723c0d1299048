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
  PREVIOUS,
  ROW_WORDS,
  STATE,
  STATE_ENDED,
  STATE_USED,
} from './flow-row.ts';

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
  /** The same memory as octets. */
  readonly octets: Uint8Array;
  /** The same memory as signed words: slots of other rows, or {@link NONE}. */
  private readonly links: Int32Array;
  /** Flows held. */
  flows = 0;
  /** Most flows held at once so far. */
  flowsMost = 0;
  /** Latest packet time, in microseconds since 1970; 0 before the first. */
  nowUs = 0;
  private readonly options: FlowCacheOptions;
  private readonly handler: FlowCacheHandler;
  /** By place, which the lower bits of a flow's hash choose: slot + 1, and above {@link FlowCache.slotMask} the hash's upper bits; 0 is empty. */
  private readonly table: Int32Array;
  private readonly tableMask: number;
  /** Bits that hold a slot + 1. */
  private readonly slotMask: number;
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
    const memory = new ArrayBuffer(options.maxFlows * ROW_WORDS * 4);
    this.words = new Uint32Array(memory);
    this.doubles = new Float64Array(memory);
    this.octets = new Uint8Array(memory);
    this.links = new Int32Array(memory);
    const places = powerOfTwo(2 * options.maxFlows);
    this.table = new Int32Array(places);
    this.tableMask = places - 1;
    this.slotMask = powerOfTwo(options.maxFlows + 1) - 1;
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
    const { table, tableMask, slotMask } = this;
    const hash = key.hash();
    for (let place = hash & tableMask; ; place = (place + 1) & tableMask) {
      const entry = table[place]!;
      if (entry === 0) return -1;
      const slot = (entry & slotMask) - 1;
      if (((entry ^ hash) & ~slotMask) !== 0 || !this.holds(slot, key, ipVersion)) continue;
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
    const { length } = key;
    for (let i = KEY_FIRST_WORDS; i < length; i++) {
      if (words[row + KEY_REST + i - KEY_FIRST_WORDS]! !== keyWords[i]!) return false;
    }
    return true;
  }

  /** Makes a flow with this key, all of it zero but key and state, and gives its slot. In a full cache the flow that would end first makes room. */
  add(key: FlowKey, ipVersion: number, protocol: number, timeUs: number): number {
    if (this.freeHead === NONE && this.fresh === this.maxFlows) this.makeRoom();
    const { words } = this;
    let slot = this.freeHead;
    if (slot === NONE) slot = this.fresh++;
    else this.freeHead = this.links[slot * ROW_WORDS + NEXT]!;
    const row = slot * ROW_WORDS;
    for (let i = 0; i < ROW_WORDS; i++) words[row + i] = 0;
    words[row + STATE] = STATE_USED | (ipVersion << 16) | (protocol << 24);
    const hash = key.hash();
    words[row + HASH] = hash;
    for (let i = 0; i < key.length; i++) words[row + keyWordAt(i)] = key.words[i]!;
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
    const row = slot * ROW_WORDS;
    this.words[row + STATE] = 0;
    this.links[row + NEXT] = this.freeHead;
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
        const next = slot === tail ? NONE : this.links[slot * ROW_WORDS + NEXT]!;
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
    const { links, heads, tails, bucketMask } = this;
    const tick = Math.floor(deadlineUs / TICK_US);
    // Behind the bucket now looked at, and not a whole turn ahead.
    const ahead = Math.min(Math.max(tick - this.tick, 0), bucketMask);
    const bucket = (this.tick + ahead) & bucketMask;
    const row = slot * ROW_WORDS;
    const tail = tails[bucket]!;
    links[row + BUCKET] = bucket;
    links[row + PREVIOUS] = tail;
    links[row + NEXT] = NONE;
    if (tail === NONE) heads[bucket] = slot;
    else links[tail * ROW_WORDS + NEXT] = slot;
    tails[bucket] = slot;
  }

  private leaveBucket(slot: number): void {
    const { links } = this;
    const row = slot * ROW_WORDS;
    const bucket = links[row + BUCKET]!;
    const next = links[row + NEXT]!;
    const previous = links[row + PREVIOUS]!;
    if (previous === NONE) this.heads[bucket] = next;
    else links[previous * ROW_WORDS + NEXT] = next;
    if (next === NONE) this.tails[bucket] = previous;
    else links[next * ROW_WORDS + PREVIOUS] = previous;
  }

  private enter(hash: number, slot: number): void {
    const { table, tableMask, slotMask } = this;
    let place = hash & tableMask;
    while (table[place]! !== 0) place = (place + 1) & tableMask;
    table[place] = (hash & ~slotMask) | (slot + 1);
  }

  /** Takes the flow out of the table and moves up those that stand behind their place. */
  private removeEntry(slot: number): void {
    const { table, tableMask, slotMask, words } = this;
    let hole = words[slot * ROW_WORDS + HASH]! & tableMask;
    while ((table[hole]! & slotMask) !== slot + 1) hole = (hole + 1) & tableMask;
    for (let place = (hole + 1) & tableMask; table[place]! !== 0; place = (place + 1) & tableMask) {
      const entry = table[place]!;
      const distance = (place - (words[((entry & slotMask) - 1) * ROW_WORDS + HASH]! & tableMask)) & tableMask;
      if (distance < ((place - hole) & tableMask)) continue;
      table[hole] = entry;
      hole = place;
    }
    table[hole] = 0;
  }
}

/** Where word `i` of a key stands in its row. */
export function keyWordAt(i: number): number {
  return i < KEY_FIRST_WORDS ? KEY + i : KEY_REST + i - KEY_FIRST_WORDS;
}

/** Where the pair of a mix stands. */
function recentPlace(mix: number): number {
  return (mix >>> (32 - RECENT_BITS)) << 1;
}

/** The power of two that is not below `value`. */
function powerOfTwo(value: number): number {
  return 2 ** Math.ceil(Math.log2(value));
}
