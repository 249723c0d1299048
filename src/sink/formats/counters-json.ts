import { writeUnsigned32 } from '../../bytes/digits.ts';
import { COUNTERS_SAMPLE_KEYS, type CountersSample } from '../../flow/counters-sample.ts';
import type { XdrStructure } from '../../flow/xdr-structure.ts';
import { type TextChunks, textChunks } from './text-chunks.ts';
import { XdrJson } from './xdr-json.ts';

/** The keys and values of sFlow counters samples, each with the comma before it. */
export class CountersJson {
  private readonly selected: ReadonlySet<string> | undefined;
  private readonly head: readonly (TextChunks | undefined)[];
  /** By structure, undefined for those that are not selected. */
  private readonly writers = new Map<XdrStructure, XdrJson | undefined>();

  /** `selected` are the keys to write; all where undefined. */
  constructor(selected: ReadonlySet<string> | undefined) {
    this.selected = selected;
    this.head = COUNTERS_SAMPLE_KEYS.map((key) => (this.selects(key) ? textChunks(`,"${key}":`) : undefined));
  }

  /**
   * Writes the sample and returns the position behind. `out` and `octets` are the same memory, with room for 16 octets for each of the
   * sample's and for its keys.
   */
  write(out: DataView, octets: Uint8Array, start: number, sample: CountersSample): number {
    let pos = start;
    for (let i = 0; i < this.head.length; i++) {
      const text = this.head[i];
      if (text === undefined) continue;
      for (let j = 0; j < text.chunks.length; j++) out.setFloat64(pos + 8 * j, text.chunks[j]!);
      pos = writeUnsigned32(out, pos + text.length, sample.head[i]!);
    }
    const { count, structures, starts, ends, view, bytes } = sample;
    for (let i = 0; i < count; i++) {
      const writer = this.writerOf(structures[i]!);
      if (writer !== undefined) pos = writer.write(out, octets, pos, view, bytes, starts[i]!, ends[i]!);
    }
    return pos;
  }

  private writerOf(structure: XdrStructure): XdrJson | undefined {
    const known = this.writers.get(structure);
    if (known !== undefined || this.writers.has(structure)) return known;
    const { name, members } = structure;
    const made = this.selects(name) ? new XdrJson(`,"${name}":`, members) : undefined;
    this.writers.set(structure, made);
    return made;
  }

  private selects(key: string): boolean {
    return this.selected === undefined || this.selected.has(key);
  }
}
