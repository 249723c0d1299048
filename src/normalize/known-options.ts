import type { PlainValue } from '../flow/flow.ts';
import type { OptionsLesson } from './options-lesson.ts';
import type { OptionsPlan } from './options-plan.ts';

/** Places for records, and for hashes of those looked for; powers of two. */
const RECORD_PLACES = 8192;
const SEEN_PLACES = 16_384;
/** Memory that all records kept may take, estimated. */
const MAX_OCTETS = 12 * 1024 * 1024;
/** Longer records are not kept. */
const MAX_RECORD_LENGTH = 1024;

/** What a record of options data says. */
export interface OptionsRecord {
  /** The line's keys and values by default names, and by IANA's. */
  readonly values: Readonly<Record<string, PlainValue>>;
  readonly ianaValues: Readonly<Record<string, PlainValue>>;
  readonly lesson: OptionsLesson;
}

interface KnownRecord {
  readonly record: OptionsRecord;
  /** The plan it was read by: no other reads these octets so. */
  readonly plan: OptionsPlan;
  readonly octets: DataView;
  readonly cost: number;
}

/**
 * Records of options data that came before. Exporters say the same again and again, names of interfaces and applications above
 * all, and all Exporters of one make say it alike: looking a record up costs a twentieth of reading it. Records are kept
 * from their second time on, as many as fit.
 */
export class KnownOptions {
  private readonly seed = Math.floor(Math.random() * 2 ** 32);
  private records: (KnownRecord | undefined)[] = [];
  private seen = new Uint32Array(0);
  private octets = 0;
  private hash = 0;

  /** The record in octets `[start, end)`, if one of equal octets is kept for `plan`. */
  find(plan: OptionsPlan, view: DataView, start: number, end: number): OptionsRecord | undefined {
    const hash = hashOf(view, start, end, this.seed);
    this.hash = hash;
    const known = this.records[hash & (RECORD_PLACES - 1)];
    return known !== undefined && known.plan === plan && isEqual(known.octets, view, start, end)
      ? known.record
      : undefined;
  }

  /** Keeps what the octets last given to {@link KnownOptions.find} say, where they were looked for before. */
  add(plan: OptionsPlan, view: DataView, start: number, end: number, record: OptionsRecord): void {
    const { hash } = this;
    const length = end - start;
    if (length > MAX_RECORD_LENGTH || !this.isSeen(hash)) return;
    // The octets, texts of them under two names, and the line made of them.
    const cost = 512 + 16 * length + 128 * plan.fields.length;
    const index = hash & (RECORD_PLACES - 1);
    if (this.records.length === 0) this.records = new Array<KnownRecord | undefined>(RECORD_PLACES).fill(undefined);
    this.octets += cost - (this.records[index]?.cost ?? 0);
    if (this.octets > MAX_OCTETS) {
      this.records.fill(undefined);
      this.octets = cost;
    }
    const copy = new DataView(new ArrayBuffer(length));
    for (let i = 0; i < length; i++) copy.setUint8(i, view.getUint8(start + i));
    this.records[index] = { record, plan, octets: copy, cost };
  }

  private isSeen(hash: number): boolean {
    if (this.seen.length === 0) this.seen = new Uint32Array(SEEN_PLACES);
    const place = (hash >>> 16) & (SEEN_PLACES - 1);
    if (this.seen[place] === hash >>> 0) return true;
    this.seen[place] = hash;
    return false;
  }
}

function hashOf(view: DataView, start: number, end: number, seed: number): number {
  let hash = seed ^ (end - start);
  let at = start;
  for (; at + 4 <= end; at += 4) {
    hash = Math.imul(hash ^ view.getUint32(at), 0x9e3779b1);
    hash ^= hash >>> 15;
  }
  for (; at < end; at++) hash = Math.imul(hash ^ view.getUint8(at), 0x85ebca6b);
  hash ^= hash >>> 13;
  return Math.imul(hash, 0xc2b2ae35) ^ (hash >>> 16);
}

function isEqual(octets: DataView, view: DataView, start: number, end: number): boolean {
  const length = octets.byteLength;
  if (end - start !== length) return false;
  let i = 0;
  for (; i + 4 <= length; i += 4) if (octets.getUint32(i) !== view.getUint32(start + i)) return false;
  for (; i < length; i++) if (octets.getUint8(i) !== view.getUint8(start + i)) return false;
  return true;
}
