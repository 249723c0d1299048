import { ntpToUnixMs } from '../bytes/ntp-time.ts';
import type { ReadRecord } from './compile-reader.ts';
import type { PlanStep, RecordPlan } from './record-plan.ts';

/** What to do with a field; {@link readSteps} has them in the same order. */
const OPERATION = {
  word1: 0,
  word2: 1,
  word4: 2,
  word: 3,
  long4: 4,
  long8: 5,
  long: 6,
  position: 7,
  text: 8,
  seconds: 9,
  milliseconds: 10,
  microseconds: 11,
  nanoseconds: 11,
  deltaMicroseconds: 12,
  relative: 13,
  systemInit: 14,
  variableSkip: 15,
  variableWord: 16,
  variableLong: 17,
  variableText: 18,
} as const;

/** Of each step: operation, slot, offset, length, tail. */
const STEP_NUMBERS = 5;

/** A plan, packed. */
interface ReaderProgram {
  readonly steps: Int32Array;
  readonly tailOffset: number;
  /** Time that is a copy of the other one; -1 for none. */
  readonly copyTo: number;
  /** Offset of the Exporter's start in the record; -1 where it has none. */
  readonly ownStart: number;
}

/**
 * A reader that goes through the plan's steps: for Templates with few records, which are not worth compiling, and
 * where code generation is switched off.
 */
export function interpretReader({ steps, tailOffset, times }: RecordPlan): ReadRecord {
  const program: ReaderProgram = {
    steps: Int32Array.from(
      steps.flatMap((step) => [operationOf(step), step.slot, step.offset, step.length, step.tail]),
    ),
    tailOffset,
    copyTo: times.copyTo,
    ownStart: steps.find(({ kind }) => kind === 'systemInit')?.offset ?? -1,
  };
  return (view, pos, end, words, values, clock) => readSteps(program, view, pos, end, words, values, clock);
}

function operationOf({ kind, length }: PlanStep): number {
  if (kind === 'word') {
    if (length === 1) return OPERATION.word1;
    if (length === 2) return OPERATION.word2;
    if (length === 4) return OPERATION.word4;
  }
  if (kind === 'long') {
    if (length === 4) return OPERATION.long4;
    if (length === 8) return OPERATION.long8;
  }
  return OPERATION[kind];
}

/** One function outside of all others, and literals: see the writer of lines by steps. */
function readSteps(
  program: ReaderProgram,
  view: DataView,
  start: number,
  end: number,
  words: Uint32Array,
  times: Float64Array,
  clock: Float64Array,
): number {
  const { steps } = program;
  let pos = start;
  for (let i = 0; i < steps.length; i += STEP_NUMBERS) {
    const slot = steps[i + 1]!;
    const at = pos + steps[i + 2]!;
    switch (steps[i]!) {
      case 0: // word1
        words[slot] = view.getUint8(at);
        break;
      case 1: // word2
        words[slot] = view.getUint16(at);
        break;
      case 2: // word4
        words[slot] = view.getUint32(at);
        break;
      case 3: // word
        words[slot] = unsigned(view, at, steps[i + 3]!);
        break;
      case 4: // long4
        words[slot] = 0;
        words[slot + 1] = view.getUint32(at);
        break;
      case 5: // long8
        words[slot] = view.getUint32(at);
        words[slot + 1] = view.getUint32(at + 4);
        break;
      case 6: {
        // long
        const length = steps[i + 3]!;
        words[slot] = length > 4 ? unsigned(view, at, length - 4) : 0;
        words[slot + 1] = length > 4 ? view.getUint32(at + length - 4) : unsigned(view, at, length);
        break;
      }
      case 7: // position
        words[slot] = at;
        break;
      case 8: // text
        words[slot] = at;
        words[slot + 1] = steps[i + 3]!;
        break;
      case 9: // seconds
        times[slot] = long(view, at, steps[i + 3]!) * 1000;
        break;
      case 10: // milliseconds
        times[slot] = long(view, at, steps[i + 3]!);
        break;
      case 11: // microseconds, nanoseconds
        times[slot] = Math.floor(ntpToUnixMs(view.getUint32(at), view.getUint32(at + 4), clock[0]!));
        break;
      case 12: // deltaMicroseconds
        times[slot] = Math.floor(clock[0]! - view.getUint32(at) / 1000);
        break;
      case 13: {
        // relative
        const { ownStart } = program;
        const upTimeMs = ownStart < 0 ? clock[1]! : clock[0]! - long(view, start + ownStart, 8);
        times[slot] = clock[0]! + ((unsigned(view, at, steps[i + 3]!) - upTimeMs) | 0);
        break;
      }
      case 14: // systemInit
        break;
      default: {
        pos = at + 1;
        let variable = view.getUint8(at);
        if (variable === 255) {
          if (pos + 2 > end) return -1;
          variable = view.getUint16(pos);
          pos += 2;
        }
        if (pos + variable + steps[i + 4]! > end) return -1;
        readVariable(steps[i]!, view, pos, variable, words, slot);
        pos += variable;
      }
    }
  }
  if (program.copyTo >= 0) times[program.copyTo] = times[1 - program.copyTo]!;
  return pos + program.tailOffset;
}

/** A field with its length in front, from its first octet on; numbers of more than 8 octets are none. */
function readVariable(
  operation: number,
  view: DataView,
  at: number,
  length: number,
  words: Uint32Array,
  slot: number,
): void {
  if (operation === OPERATION.variableText) {
    words[slot] = at;
    words[slot + 1] = length;
  } else if (operation !== OPERATION.variableSkip) {
    const low = length > 8 ? 0 : unsigned(view, at + Math.max(0, length - 4), Math.min(length, 4));
    if (operation === OPERATION.variableWord) {
      words[slot] = low;
    } else {
      words[slot] = length > 4 && length <= 8 ? unsigned(view, at, length - 4) : 0;
      words[slot + 1] = low;
    }
  }
}

function unsigned(view: DataView, at: number, length: number): number {
  if (length === 4) return view.getUint32(at);
  if (length === 2) return view.getUint16(at);
  let value = 0;
  for (let i = 0; i < length; i++) value = value * 256 + view.getUint8(at + i);
  return value;
}

function long(view: DataView, at: number, length: number): number {
  return length <= 4
    ? unsigned(view, at, length)
    : unsigned(view, at, length - 4) * 4294967296 + view.getUint32(at + length - 4);
}
