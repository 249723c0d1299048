import type { XdrStructure } from './xdr-structure.ts';

/** Keys of what a counters sample says before its structures, in printing order. */
export const COUNTERS_SAMPLE_KEYS = [
  'SFLOW_SOURCE_ID_TYPE',
  'SFLOW_SOURCE_ID_INDEX',
  'SFLOW_SAMPLE_SEQUENCE_NUMBER',
] as const;

/**
 * What an sFlow counters sample says, still as the octets of the datagram. A large switch has a few hundred thousand of them a
 * minute: writers that go from octets to octets need neither objects nor strings.
 */
export class CountersSample {
  /** Values of {@link COUNTERS_SAMPLE_KEYS}. */
  readonly head = new Uint32Array(COUNTERS_SAMPLE_KEYS.length);
  /** Structures that {@link CountersSample.structures} and the two lists beside it have. */
  count = 0;
  readonly structures: XdrStructure[] = [];
  /** Where their octets start in {@link CountersSample.bytes}. */
  readonly starts: number[] = [];
  /** First octet behind them. */
  readonly ends: number[] = [];
  bytes: Uint8Array = new Uint8Array(0);
  /** The same octets, for reading numbers. */
  view: DataView = new DataView(new ArrayBuffer(0));

  /** Takes a structure in octets `[start, end)`. */
  add(structure: XdrStructure, start: number, end: number): void {
    const { count } = this;
    this.structures[count] = structure;
    this.starts[count] = start;
    this.ends[count] = end;
    this.count = count + 1;
  }

  /** Whether a structure of this name is there. */
  has(name: string): boolean {
    for (let i = 0; i < this.count; i++) if (this.structures[i]!.name === name) return true;
    return false;
  }
}
