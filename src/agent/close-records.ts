import type { FlowOwner } from './flow-owner.ts';
import type { KernelEvent } from './kernel-event.ts';

/** A close that the kernel told by an event, and that may be told once more with figures. */
export interface HeldClose {
  readonly event: KernelEvent;
  readonly owner: FlowOwner;
  /** When it was held, by a clock that never steps, ms. */
  readonly heldMs: number;
}

/** Closes that wait; those beyond are told without figures. */
const MAX_HELD = 16_384;
const MAX_TOLD = 65_536;
/** How long the figures of a close may be on their way. */
const HOLD_MS = 1500;
/** A close this much later is another connection's. */
const LATE_MS = 2000;

/** Sees to it that a close that is told twice, by an event and by its socket's last figures, makes one record. */
export class CloseRecords {
  private readonly held = new Map<string, HeldClose>();
  /** When closes were told whose records were made, Unix milliseconds. */
  private told = new Map<string, number>();
  private toldBefore = new Map<string, number>();

  /** Holds an event's close. False where its record is to be made now; undefined where it was made. */
  hold(key: string, close: HeldClose): boolean | undefined {
    if (this.isTold(key, close.event.timeMs)) return undefined;
    if (this.held.size >= MAX_HELD) return false;
    this.held.set(key, close);
    return true;
  }

  /** Takes the last figures of a socket, and gives what an event told of its close; false where a record was made of that. */
  figures(key: string, timeMs: number): HeldClose | undefined | false {
    const close = this.held.get(key);
    if (close !== undefined) this.held.delete(key);
    else if (this.isTold(key, timeMs)) return false;
    this.tell(key, timeMs);
    return close;
  }

  /** Takes out the closes whose figures have not come. */
  due(nowMs: number): HeldClose[] {
    const due: HeldClose[] = [];
    for (const [key, close] of this.held) {
      if (nowMs - close.heldMs < HOLD_MS) break;
      this.held.delete(key);
      this.tell(key, close.event.timeMs);
      due.push(close);
    }
    return due;
  }

  /** Forgets closes from before the last call. */
  forget(): void {
    this.toldBefore = this.told;
    this.told = new Map();
  }

  private isTold(key: string, timeMs: number): boolean {
    const toldMs = this.told.get(key) ?? this.toldBefore.get(key) ?? Number.NEGATIVE_INFINITY;
    return timeMs <= toldMs + LATE_MS;
  }

  private tell(key: string, timeMs: number): void {
    if (this.told.size < MAX_TOLD) this.told.set(key, timeMs);
  }
}
