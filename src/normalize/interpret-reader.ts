import { ntpToUnixMs } from '../bytes/ntp-time.ts';
import type { ReadRecord } from './compile-reader.ts';
import type { RecordPlan } from './record-plan.ts';

/**
 * A reader that goes through the plan's steps: for Templates with few records, which are not worth compiling, and
 * where code generation is switched off.
 */
export function interpretReader(plan: RecordPlan): ReadRecord {
  const { steps, tailOffset, times: sources } = plan;
  const ownStart = steps.find(({ kind }) => kind === 'systemInit')?.offset ?? -1;
  return (view, start, end, words, times, clock) => {
    const exportMs = clock[0]!;
    let pos = start;
    const upTimeMs =
      ownStart < 0
        ? clock[1]!
        : exportMs - (view.getUint32(pos + ownStart) * 4294967296 + view.getUint32(pos + ownStart + 4));
    for (let i = 0; i < steps.length; i++) {
      const { kind, slot, offset, length, tail } = steps[i]!;
      const at = pos + offset;
      switch (kind) {
        case 'word':
          words[slot] = unsigned(view, at, length);
          break;
        case 'long':
          words[slot] = length > 4 ? unsigned(view, at, length - 4) : 0;
          words[slot + 1] = length > 4 ? view.getUint32(at + length - 4) : unsigned(view, at, length);
          break;
        case 'position':
          words[slot] = at;
          break;
        case 'text':
          words[slot] = at;
          words[slot + 1] = length;
          break;
        case 'seconds':
          times[slot] = long(view, at, length) * 1000;
          break;
        case 'milliseconds':
          times[slot] = long(view, at, length);
          break;
        case 'microseconds':
        case 'nanoseconds':
          times[slot] = Math.floor(ntpToUnixMs(view.getUint32(at), view.getUint32(at + 4), exportMs));
          break;
        case 'deltaMicroseconds':
          times[slot] = Math.floor(exportMs - view.getUint32(at) / 1000);
          break;
        case 'relative':
          times[slot] = exportMs + ((unsigned(view, at, length) - upTimeMs) | 0);
          break;
        case 'systemInit':
          break;
        default: {
          pos = at + 1;
          let variable = view.getUint8(at);
          if (variable === 255) {
            if (pos + 2 > end) return -1;
            variable = view.getUint16(pos);
            pos += 2;
          }
          if (pos + variable + tail > end) return -1;
          if (kind === 'variableText') {
            words[slot] = pos;
            words[slot + 1] = variable;
          } else if (kind !== 'variableSkip') {
            const low = variable > 8 ? 0 : unsigned(view, pos + Math.max(0, variable - 4), Math.min(variable, 4));
            if (kind === 'variableWord') {
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
  let value = 0;
  for (let i = 0; i < length; i++) value = value * 256 + view.getUint8(at + i);
  return value;
}

function long(view: DataView, at: number, length: number): number {
  return length <= 4
    ? unsigned(view, at, length)
    : unsigned(view, at, length - 4) * 4294967296 + view.getUint32(at + length - 4);
}
