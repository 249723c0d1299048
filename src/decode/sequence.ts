import type { DecodeCounters } from '../metrics/decode-counters.ts';

/** Further ahead than this is a restart, not a loss: no Exporter loses that much and goes on. */
const LARGEST_GAP = 1 << 24;
/** Messages remembered as missing, so that a late one is told from a duplicate and a restart. */
const WINDOW = 64;
/** Most sessions never lose anything and need no window of their own. */
const NO_GAPS = new Uint32Array(0);

/**
 * Follows the sequence numbers of one session. `unit` counts what the number counts: 1 for each message (NetFlow v9,
 * sFlow), or the records of the message (NetFlow v5, IPFIX). Wraps at 2^32 (RFC 7011 section 3.1, RFC 3954 section 5.1).
 */
export class SequenceTracker {
  private expected = -1;
  private lastUpTimeMs = 0;
  private gapStart = NO_GAPS;
  private gapUnits = NO_GAPS;
  private gaps = 0;

  /**
   * Takes the number of a message and the units it covers; counts what is lost, late, repeated or begun anew.
   * `upTimeMs` is the Exporter's sysUpTime where the protocol has it, else 0: running backwards tells a restart.
   * `unitsKnown` false (records of a set whose Template is missing were not counted) makes the next number be taken as it comes.
   */
  observe(sequence: number, units: number, upTimeMs: number, unitsKnown: boolean, counters: DecodeCounters): void {
    const expected = this.expected;
    const restarted = upTimeMs !== 0 && this.lastUpTimeMs !== 0 && restartedBetween(this.lastUpTimeMs, upTimeMs);
    if (expected < 0 || restarted) {
      if (restarted) counters.sequenceRestarts++;
      this.restart(sequence, units, upTimeMs, unitsKnown);
      return;
    }
    const ahead = (sequence - expected) | 0;
    if (ahead === 0) {
      this.advance(sequence, units, upTimeMs, unitsKnown);
    } else if (ahead > 0 && ahead <= LARGEST_GAP) {
      counters.sequenceLost += ahead;
      this.remember(expected, ahead);
      this.advance(sequence, units, upTimeMs, unitsKnown);
    } else if (ahead < 0 && -ahead <= LARGEST_GAP) {
      if (this.fillsGap(sequence, units)) {
        counters.sequenceReordered++;
        counters.sequenceLate += units;
      } else if (sequence <= 1 && expected > 1000) {
        counters.sequenceRestarts++;
        this.restart(sequence, units, upTimeMs, unitsKnown);
      } else {
        counters.sequenceDuplicates++;
      }
    } else {
      counters.sequenceRestarts++;
      this.restart(sequence, units, upTimeMs, unitsKnown);
    }
  }

  private advance(sequence: number, units: number, upTimeMs: number, unitsKnown: boolean): void {
    this.expected = unitsKnown ? (sequence + units) >>> 0 : -1;
    this.lastUpTimeMs = upTimeMs;
  }

  private restart(sequence: number, units: number, upTimeMs: number, unitsKnown: boolean): void {
    this.gaps = 0;
    this.advance(sequence, units, upTimeMs, unitsKnown);
  }

  private remember(start: number, units: number): void {
    if (this.gapStart === NO_GAPS) {
      this.gapStart = new Uint32Array(WINDOW);
      this.gapUnits = new Uint32Array(WINDOW);
    }
    const gap = this.gaps++ % WINDOW;
    this.gapStart[gap] = start;
    this.gapUnits[gap] = units;
  }

  private fillsGap(sequence: number, units: number): boolean {
    const count = Math.min(this.gaps, WINDOW);
    for (let i = 0; i < count; i++) {
      const offset = (sequence - this.gapStart[i]!) >>> 0;
      const left = this.gapUnits[i]!;
      if (offset + units > left) continue;
      // A message without records fills nothing, but it is late, not a duplicate.
      if (units === 0) return true;
      // What lies before and behind stays missing; only one side is remembered when both are there.
      if (offset === 0) {
        this.gapStart[i] = (sequence + units) >>> 0;
        this.gapUnits[i] = left - units;
      } else {
        this.gapUnits[i] = offset;
        if (offset + units < left) {
          this.remember((sequence + units) >>> 0, left - offset - units);
        }
      }
      return true;
    }
    return false;
  }
}

/** sysUpTime counts milliseconds in 32 bits: a small step back is reordering, a large one within range a restart, from near the end to near zero its wrap. */
function restartedBetween(beforeMs: number, nowMs: number): boolean {
  const back = beforeMs - nowMs;
  return back > 60_000 && back < 0xf000_0000;
}
