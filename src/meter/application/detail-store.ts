import type { Flow } from '../../flow/flow.ts';
import { DETAIL_SLOTS, type Detail, IS_TEXT, MAX_DETAIL_OCTETS } from './application-details.ts';

/** Octets of a block, by class; the largest holds everything that HTTP has to say. */
const BLOCK_OCTETS = [64, 128, 256, 512, 1024, 2048] as const;
const LARGEST_BLOCK = BLOCK_OCTETS[BLOCK_OCTETS.length - 1]!;
const CLASS_BITS = 3;
const SLAB_OCTETS = 65_536;
/** A block begins with the octets it uses, itself included. */
const HEADER_OCTETS = 2;
/** Before each detail: its number, and the octets of its text; a number has four. */
const DETAIL_HEADER_OCTETS = 3;

/**
 * The details of all flows, in blocks of a few sizes that grow with what they hold: no objects, so that a million flows are
 * no work for the garbage collector. Bounded: a detail that finds no room is left out and counted.
 */
export class DetailStore {
  /** Details left out because the store, or the flow's largest block, was full. */
  dropped = 0;
  /** Octets of the slabs in use. */
  octets = 0;
  private readonly maxOctets: number;
  /** By slot: block * 8 + class + 1, or 0. */
  private readonly blocks: Int32Array;
  /** Slab of the position given last. */
  private reserved: Buffer = Buffer.alloc(0);
  private readonly pools = BLOCK_OCTETS.map((size) => new BlockPool(size));

  /** Room for `maxFlows` flows, in slabs of `maxOctets` altogether. */
  constructor(maxFlows: number, maxOctets: number) {
    this.blocks = new Int32Array(maxFlows);
    this.maxOctets = maxOctets;
  }

  /** Whether the flow has `detail`. */
  has(slot: number, detail: Detail): boolean {
    return this.positionOf(slot, detail) >= 0;
  }

  /** Adds a text unless the flow has one, cut to {@link MAX_DETAIL_OCTETS}; an empty one is none. */
  text(slot: number, detail: Detail, octets: Uint8Array, start: number, end: number): void {
    const length = Math.min(end - start, MAX_DETAIL_OCTETS);
    if (length <= 0 || this.has(slot, detail)) return;
    const to = this.reserve(slot, detail, length);
    if (to < 0) return;
    const slab = this.reserved;
    for (let i = 0; i < length; i++) slab[to + i] = octets[start + i]!;
  }

  /** Sets a number: of several the last stays. */
  number(slot: number, detail: Detail, value: number): void {
    const at = this.positionOf(slot, detail);
    const to = at >= 0 ? at : this.reserve(slot, detail, 4);
    if (to < 0) return;
    // Four stores: what `Buffer` has for it looks at its arguments first, which takes longer.
    const slab = this.reserved;
    slab[to] = value >>> 24;
    slab[to + 1] = value >>> 16;
    slab[to + 2] = value >>> 8;
    slab[to + 3] = value;
  }

  /** A bit for each detail that a flow has: bit 0 for detail 0. */
  presentIn(slot: number): number {
    const block = this.blocks[slot]!;
    if (block === 0) return 0;
    const pool = this.poolOf(block);
    const slab = pool.slabOf(numberOf(block));
    const first = pool.offsetOf(numberOf(block));
    const end = first + usedIn(slab, first);
    let present = 0;
    for (let at = first + HEADER_OCTETS; at < end; at += DETAIL_HEADER_OCTETS + lengthAt(slab, at)) {
      present |= 1 << slab[at]!;
    }
    return present;
  }

  /** Puts what a flow has into the fields of `flow`, and leaves the others as they are. */
  read(slot: number, { names, words }: Flow): void {
    const block = this.blocks[slot]!;
    if (block === 0) return;
    const pool = this.poolOf(block);
    const slab = pool.slabOf(numberOf(block));
    const first = pool.offsetOf(numberOf(block));
    const end = first + usedIn(slab, first);
    for (let at = first + HEADER_OCTETS; at < end; ) {
      const detail = slab[at]!;
      const length = lengthAt(slab, at);
      at += DETAIL_HEADER_OCTETS;
      if (IS_TEXT[detail] === 1) names[DETAIL_SLOTS[detail]!] = textOf(slab, at, at + length);
      else words[DETAIL_SLOTS[detail]!] = slab.readUInt32BE(at);
      at += length;
    }
  }

  /** Forgets the details of a flow. */
  release(slot: number): void {
    const block = this.blocks[slot]!;
    if (block === 0) return;
    this.poolOf(block).release(numberOf(block));
    this.blocks[slot] = 0;
  }

  /** Position of what the flow has of `detail` in {@link DetailStore.reserved}, which it sets; -1 where it has nothing. */
  private positionOf(slot: number, detail: Detail): number {
    const block = this.blocks[slot]!;
    if (block === 0) return -1;
    const pool = this.poolOf(block);
    const slab = pool.slabOf(numberOf(block));
    const first = pool.offsetOf(numberOf(block));
    const end = first + usedIn(slab, first);
    this.reserved = slab;
    for (let at = first + HEADER_OCTETS; at < end; at += DETAIL_HEADER_OCTETS + lengthAt(slab, at)) {
      if (slab[at] === detail) return at + DETAIL_HEADER_OCTETS;
    }
    return -1;
  }

  /** Position in {@link DetailStore.reserved} for `length` octets of `detail`, whose header is written; -1 where there is no room. */
  private reserve(slot: number, detail: Detail, length: number): number {
    let block = this.blocks[slot]!;
    const needed = DETAIL_HEADER_OCTETS + length;
    const used = block === 0 ? HEADER_OCTETS : this.usedOf(block);
    if (block === 0 || used + needed > BLOCK_OCTETS[classOf(block)]!) {
      block = this.moved(block, used, used + needed);
      if (block === 0) {
        this.dropped++;
        return -1;
      }
      this.blocks[slot] = block;
    }
    const pool = this.poolOf(block);
    const slab = pool.slabOf(numberOf(block));
    const first = pool.offsetOf(numberOf(block));
    const at = first + used;
    slab[first] = (used + needed) >>> 8;
    slab[first + 1] = used + needed;
    slab[at] = detail;
    slab[at + 1] = length >>> 8;
    slab[at + 2] = length;
    this.reserved = slab;
    return at + DETAIL_HEADER_OCTETS;
  }

  /** A block of at least `octets` with the `used` ones of `block`, which is released; 0 where there is none. */
  private moved(block: number, used: number, octets: number): number {
    // What outgrew a block once will again: it gets twice what it needs, where there is as much.
    const roomy = block === 0 ? octets : 2 * octets;
    const wanted = roomy <= LARGEST_BLOCK ? roomy : octets;
    let size = 0;
    while (size < BLOCK_OCTETS.length && BLOCK_OCTETS[size]! < wanted) size++;
    const pool = this.pools[size];
    if (pool === undefined) return 0;
    if (pool.isFull()) {
      if (this.octets + SLAB_OCTETS > this.maxOctets) return 0;
      this.octets += SLAB_OCTETS;
      pool.addSlab();
    }
    const taken = pool.take();
    if (block !== 0) {
      const from = this.poolOf(block);
      const first = from.offsetOf(numberOf(block));
      const source = from.slabOf(numberOf(block));
      const target = pool.slabOf(taken);
      const to = pool.offsetOf(taken);
      for (let i = 0; i < used; i++) target[to + i] = source[first + i]!;
      from.release(numberOf(block));
    }
    return (taken << CLASS_BITS) + size + 1;
  }

  private usedOf(block: number): number {
    const pool = this.poolOf(block);
    return usedIn(pool.slabOf(numberOf(block)), pool.offsetOf(numberOf(block)));
  }

  private poolOf(block: number): BlockPool {
    return this.pools[classOf(block)]!;
  }
}

/** Blocks of one size; a free one holds the number of the next in its first four octets. */
class BlockPool {
  /** Powers of two all: blocks are found by shifts. */
  private readonly sizeBits: number;
  private readonly perSlabBits: number;
  private readonly slabs: Buffer[] = [];
  private used = 0;
  private free = -1;

  constructor(size: number) {
    this.sizeBits = Math.log2(size);
    this.perSlabBits = Math.log2(SLAB_OCTETS / size);
  }

  isFull(): boolean {
    return this.free < 0 && this.used === this.slabs.length << this.perSlabBits;
  }

  addSlab(): void {
    this.slabs.push(Buffer.alloc(SLAB_OCTETS));
  }

  /** A block; there must be one. */
  take(): number {
    const block = this.free;
    if (block < 0) return this.used++;
    this.free = this.slabOf(block).readInt32BE(this.offsetOf(block));
    return block;
  }

  release(block: number): void {
    this.slabOf(block).writeInt32BE(this.free, this.offsetOf(block));
    this.free = block;
  }

  slabOf(block: number): Buffer {
    return this.slabs[block >>> this.perSlabBits]!;
  }

  offsetOf(block: number): number {
    return (block & ((1 << this.perSlabBits) - 1)) << this.sizeBits;
  }
}

/** UTF-8 as text; ASCII, which almost all is, the short way. */
function textOf(slab: Buffer, start: number, end: number): string {
  for (let at = start; at < end; at++) if (slab[at]! > 0x7f) return slab.toString('utf8', start, end);
  return slab.toString('latin1', start, end);
}

function classOf(block: number): number {
  return (block - 1) & ((1 << CLASS_BITS) - 1);
}

function numberOf(block: number): number {
  return (block - 1) >>> CLASS_BITS;
}

function usedIn(slab: Uint8Array, first: number): number {
  return (slab[first]! << 8) | slab[first + 1]!;
}

function lengthAt(slab: Uint8Array, at: number): number {
  return (slab[at + 1]! << 8) | slab[at + 2]!;
}
