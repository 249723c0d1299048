import { type EndTuple, flowKey } from './flow-end.ts';

/** Flows remembered; of those beyond a late word makes another record. */
const MAX_FLOWS = 131_072;

/** When flows ended of which nothing else is kept: the kernel may tell of them once more, by another way or from the other end. */
export class EndedFlows {
  private closedMs = new Map<string, number>();
  private before = new Map<string, number>();

  /** Takes an end of a flow that closed at `closedMs`, Unix milliseconds. */
  add(end: EndTuple, closedMs: number): void {
    if (this.closedMs.size < MAX_FLOWS) this.closedMs.set(flowKey(end), closedMs);
  }

  /** When the last flow between these ends closed; -Infinity where none is known. */
  since(tuple: EndTuple): number {
    const key = flowKey(tuple);
    return this.closedMs.get(key) ?? this.before.get(key) ?? Number.NEGATIVE_INFINITY;
  }

  /** Forgets those from before the last call. */
  forget(): void {
    this.before = this.closedMs;
    this.closedMs = new Map();
  }
}
