import { ntpToUnixMs } from '../bytes/ntp-time.ts';
import type { ReadRecord } from './compile-reader.ts';
import type { PlanStep, RecordPlan } from './record-plan.ts';

/** Kinds by number: a switch over small numbers is a jump, one over texts a row of comparisons. */
const WORD = 0;
const LONG = 1;
const POSITION = 2;
const TEXT = 3;
const SECONDS = 4;
const MILLISECONDS = 5;
const NTP = 6;
const DELTA_MICROSECONDS = 7;
const RELATIVE = 8;
const SYSTEM_INIT = 9;
const VARIABLE_SKIP = 10;
const VARIABLE_WORD = 11;
const VARIABLE_LONG = 12;
const VARIABLE_TEXT = 13;

const KIND_NUMBER: Readonly<Record<PlanStep['kind'], number>> = {
  word: WORD,
  long: LONG,
  position: POSITION,
  text: TEXT,
  seconds: SECONDS,
  milliseconds: MILLISECONDS,
  microseconds: NTP,
  nanoseconds: NTP,
  deltaMicroseconds: DELTA_MICROSECONDS,
  relative: RELATIVE,
  systemInit: SYSTEM_INIT,
  variableSkip: VARIABLE_SKIP,
  variableWord: VARIABLE_WORD,
  variableLong: VARIABLE_LONG,
  variableText: VARIABLE_TEXT,
};

/** Numbers of each step in the packed form: kind, slot, offset, length. */
const STEP_NUMBERS = 4;

/**
 * A reader that goes through the plan's steps: for Templates with few records, which are not worth compiling, and
 * where code generation is switched off.
 */
export function interpretReader(plan: RecordPlan): ReadRecord {
  const { steps, tailOffset, times: sources } = plan;
  const packed = Uint16Array.from(
    steps.flatMap(({ kind, slot, offset, length }) => [KIND_NUMBER[kind], slot, offset, length]),
  );
  const ownStart = steps.find(({ kind }) => kind === 'systemInit')?.offset ?? -1;
  return (view, start, end, words, times, clock) => {
    const exportMs = clock[0]!;
    let pos = start;
    const upTimeMs =
      ownStart < 0
        ? clock[1]!
        : exportMs - (view.getUint32(pos + ownStart) * 4294967296 + view.getUint32(pos + ownStart + 4));
    for (let i = 0; i < packed.length; i += STEP_NUMBERS) {
      const kind = packed[i]!;
      const slot = packed[i + 1]!;
      const at = pos + packed[i + 2]!;
      const length = packed[i + 3]!;
      switch (kind) {
        case WORD:
          words[slot] = unsigned(view, at, length);
          break;
        case LONG:
          words[slot] = length > 4 ? unsigned(view, at, length - 4) : 0;
          words[slot + 1] = length > 4 ? view.getUint32(at + length - 4) : unsigned(view, at, length);
          break;
        case POSITION:
          words[slot] = at;
          break;
        case TEXT:
          words[slot] = at;
          words[slot + 1] = length;
          break;
        case SECONDS:
          times[slot] = long(view, at, length) * 1000;
          break;
        case MILLISECONDS:
          times[slot] = long(view, at, length);
          break;
        case NTP:
          times[slot] = Math.floor(ntpToUnixMs(view.getUint32(at), view.getUint32(at + 4), exportMs));
          break;
        case DELTA_MICROSECONDS:
          times[slot] = Math.floor(exportMs - view.getUint32(at) / 1000);
          break;
        case RELATIVE:
          times[slot] = exportMs + ((unsigned(view, at, length) - upTimeMs) | 0);
          break;
        case SYSTEM_INIT:
          break;
        default: {
          pos = at + 1;
          let variable = view.getUint8(at);
          if (variable === 255) {
            if (pos + 2 > end) return -1;
            variable = view.getUint16(pos);
            pos += 2;
          }
          if (pos + variable + steps[i / STEP_NUMBERS]!.tail > end) return -1;
          if (kind === VARIABLE_TEXT) {
            words[slot] = pos;
            words[slot + 1] = variable;
          } else if (kind !== VARIABLE_SKIP) {
            const low = variable > 8 ? 0 : unsigned(view, pos + Math.max(0, variable - 4), Math.min(variable, 4));
            if (kind === VARIABLE_WORD) {
              words[slot] = low;
            } else {
              words[slot] = variable > 4 && variable <= 8 ? unsigned(view, pos, variable - 4) : 0;
              words[slot + 1] = low;
            }
          }
          pos += variable;
        }
      }
    }
    if (sources.copyTo >= 0) times[sources.copyTo] = times[1 - sources.copyTo]!;
    return pos + tailOffset;
  };
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
