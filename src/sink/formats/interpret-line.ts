import {
  OCTET_DIGITS,
  OCTET_LENGTH,
  writeHexadecimal,
  writeIPv4Word,
  writeIPv6,
  writeMac,
  writeMilliseconds,
  writeThousandths,
  writeUnsigned32,
  writeUnsigned64,
} from '../../bytes/digits.ts';
import { writeJsonString, writeJsonText } from '../../bytes/json-text.ts';
import { SLOT } from '../../flow/fields.ts';
import type { Flow } from '../../flow/flow.ts';
import type { LineStep } from './line-plan.ts';
import { elementNumber, writeApplication, writeElement, writeScaled } from './line-values.ts';
import type { WriteLine } from './line-writer.ts';
import { octetChunks } from './text-chunks.ts';

/** What to do for a value; {@link writeSteps} has them in the same order. */
const OPERATION = {
  octet: 0,
  word: 1,
  ipv4: 2,
  long: 3,
  time: 4,
  optionalWord: 5,
  choice: 6,
  optionalName: 7,
  ipv6: 8,
  mac: 9,
  text: 10,
  application: 11,
  scaledLong: 12,
  duration: 13,
  longChoice: 14,
  unsigned1: 15,
  unsigned2: 16,
  unsigned4: 17,
  unsigned8: 18,
  string: 19,
  hexadecimal: 20,
  /** Other elements: this and the {@link elementNumber} of their value. */
  element: 32,
} as const;

/** Of each step: its operation and what stands behind its value (octets and their number), slot, octets before its value, and length. */
const STEP_NUMBERS = 4;
/** Octets that a store writes. */
const CHUNK = 8;
/** Chunks stored for each key, however short: most have two or three, and how many no branch can foresee. */
const STORED_CHUNKS = 3;

/** Steps of a line, packed: read one after the other, by one function for all lines. */
interface LineProgram {
  readonly steps: Int32Array;
  /**
   * Octets as the doubles of the same bits, in the machine's usual order: what stands before the values, in the order of the
   * steps, then the texts of choices, each with its length behind it.
   */
  readonly texts: Float64Array;
  /** Of choices with longer texts. */
  readonly choices: readonly (readonly string[])[];
}

/**
 * Goes through the steps one by one: for layouts with few records, and where code generation is switched off. It writes up to 23
 * octets behind the line.
 */
export function interpretLine(steps: readonly LineStep[]): WriteLine {
  const program = new Packer(steps).finish();
  return (out, octets, pos, flow) => writeSteps(program, out, octets, pos, flow);
}

/**
 * One function outside of all others, so that V8 takes the tables for constants, with literals for its cases, which make a jump where
 * names make a row of comparisons: a line of real exporters took 0.30 µs, by a closure for each line and names 0.48.
 */
function writeSteps(program: LineProgram, out: DataView, octets: Uint8Array, start: number, flow: Flow): number {
  const { steps, texts } = program;
  const { words } = flow;
  let pos = start;
  let chunk = 0;
  for (let i = 0; i < steps.length; i += STEP_NUMBERS) {
    const packed = steps[i]!;
    const operation = packed & 0xff;
    const slot = steps[i + 1]!;
    const before = steps[i + 2]!;
    const length = steps[i + 3]!;
    const first = chunk;
    chunk += (before + 7) >> 3;
    if (operation === 5 || operation === 13) {
      if (words[slot] === 0) continue;
    } else if (operation === 7 && flow.names[slot] === '') continue;
    out.setFloat64(pos, texts[first]!, true);
    out.setFloat64(pos + 8, texts[first + 1]!, true);
    out.setFloat64(pos + 16, texts[first + 2]!, true);
    for (let j = first + STORED_CHUNKS; j < chunk; j++) out.setFloat64(pos + CHUNK * (j - first), texts[j]!, true);
    pos += before;
    switch (operation) {
      case 0: // octet
        out.setUint32(pos, OCTET_DIGITS[words[slot]! & 255]!);
        pos += OCTET_LENGTH[words[slot]! & 255]!;
        break;
      case 1: // word
      case 5: // optionalWord
        pos = writeUnsigned32(out, pos, words[slot]!);
        break;
      case 2: // ipv4
        pos = writeIPv4Word(out, pos, words, slot);
        break;
      case 3: // long
        pos =
          words[slot]! === 0
            ? writeUnsigned32(out, pos, words[slot + 1]!)
            : writeUnsigned64(out, pos, words[slot]!, words[slot + 1]!);
        break;
      case 4: // time
        pos = writeMilliseconds(out, pos, flow.times, slot);
        break;
      case 6: {
        // choice
        const at = length + 2 * words[slot]!;
        out.setFloat64(pos, texts[at]!, true);
        pos += texts[at + 1]! | 0;
        break;
      }
      default:
        pos = writeOther(program, out, octets, pos, flow, operation, slot, length);
    }
    // Stored where there is nothing, too: that needs no branch.
    out.setUint16(pos, packed >>> 16);
    pos += (packed >>> 8) & 0xff;
  }
  return pos;
}

/** The rarer operations, apart: V8 makes no code for what has not been done yet, and makes {@link writeSteps} anew, 25 ms, when it is. */
function writeOther(
  program: LineProgram,
  out: DataView,
  octets: Uint8Array,
  pos: number,
  flow: Flow,
  operation: number,
  slot: number,
  length: number,
): number {
  const { words } = flow;
  switch (operation) {
    case 7: // optionalName
      return writeJsonString(octets, pos, flow.names[slot]!);
    case 8: // ipv6
      return writeIPv6(out, pos, flow.view, words[slot]!);
    case 9: // mac
      return writeMac(out, pos, flow.view, words[slot]!);
    case 10: // text
      return writeJsonText(octets, pos, flow.bytes, words[slot]!, words[slot + 1]!);
    case 11: // application
      return writeApplication(out, pos, flow.view, words[slot]!, words[slot + 1]!);
    case 12: // scaledLong
      return writeScaled(out, octets, pos, words[slot]!, words[slot + 1]!, words[SLOT.samplingInterval]!);
    case 13: // duration
      return writeThousandths(out, pos, words[slot]!);
    case 14: // longChoice
      return writeJsonString(octets, pos, program.choices[length]![words[slot]!] ?? '');
    case 15: // unsigned1
      return writeUnsigned32(out, pos, flow.view.getUint8(words[slot]!));
    case 16: // unsigned2
      return writeUnsigned32(out, pos, flow.view.getUint16(words[slot]!));
    case 17: // unsigned4
      return writeUnsigned32(out, pos, flow.view.getUint32(words[slot]!));
    case 18: {
      // unsigned8
      const at = words[slot]!;
      return writeUnsigned64(out, pos, flow.view.getUint32(at), flow.view.getUint32(at + 4));
    }
    case 19: // string
      return writeJsonText(octets, pos, flow.bytes, words[slot]!, length < 0 ? words[slot + 1]! : length);
    case 20: // hexadecimal
      return writeHexadecimal(out, pos, flow.view, words[slot]!, length < 0 ? words[slot + 1]! : length);
    default:
      return writeElement(
        out,
        octets,
        pos,
        flow,
        words[slot]!,
        length < 0 ? words[slot + 1]! : length,
        operation - OPERATION.element,
      );
  }
}

const encoder = new TextEncoder();

/** Packs steps; an array's are its elements' one after the other. */
class Packer {
  readonly #steps: number[] = [];
  readonly #texts: Uint8Array[] = [];
  readonly #choices: (readonly string[])[] = [];
  readonly #longChoices: (readonly string[])[] = [];
  /** Chunks of what stands before values. */
  #chunks = 0;

  constructor(steps: readonly LineStep[]) {
    for (const step of steps) this.#add(step, step.before, step.after);
  }

  finish(): LineProgram {
    let at = this.#chunks;
    const starts = this.#choices.map((texts) => {
      const start = at;
      at += 2 * texts.length;
      return start;
    });
    const texts = new Float64Array(at + STORED_CHUNKS);
    let chunk = 0;
    for (const octets of this.#texts) {
      texts.set(octetChunks(octets, true), chunk);
      chunk += Math.ceil(octets.length / CHUNK);
    }
    for (const [i, choice] of this.#choices.entries()) {
      for (const [j, text] of choice.entries()) {
        texts.set(octetChunks(encoder.encode(text), true), starts[i]! + 2 * j);
        texts[starts[i]! + 2 * j + 1] = text.length;
      }
    }
    const steps = Int32Array.from(this.#steps);
    for (let i = 0; i < steps.length; i += STEP_NUMBERS) {
      if ((steps[i]! & 0xff) === OPERATION.choice) steps[i + 3] = starts[steps[i + 3]!]!;
    }
    return { steps, texts, choices: this.#longChoices };
  }

  #add(step: LineStep, before: string, after: string): void {
    const { kind, slot, texts, items } = step;
    if (kind === 'array') {
      for (const [i, item] of items.entries()) {
        const isLast = i === items.length - 1;
        this.#add(item, (i === 0 ? before : '') + item.before, item.after + (isLast ? after : ''));
      }
      return;
    }
    const octets = encoder.encode(before);
    this.#texts.push(octets);
    this.#chunks += Math.ceil(octets.length / CHUNK);
    let operation: number;
    let { length } = step;
    if (kind === 'choice') {
      const isLong = texts.some((text) => text.length > CHUNK);
      operation = isLong ? OPERATION.longChoice : OPERATION.choice;
      length = (isLong ? this.#longChoices : this.#choices).push(texts) - 1;
    } else operation = kind === 'element' ? elementOperation(step) : OPERATION[kind];
    const behind = (after.charCodeAt(0) || 0) * 256 + (after.charCodeAt(1) || 0);
    this.#steps.push(operation | (after.length << 8) | (behind << 16), slot, octets.length, length);
  }
}

function elementOperation({ value, length }: LineStep): number {
  if (value === 'string' || value === 'hexadecimal') return OPERATION[value];
  if (value === 'unsigned') {
    if (length === 1) return OPERATION.unsigned1;
    if (length === 2) return OPERATION.unsigned2;
    if (length === 4) return OPERATION.unsigned4;
    if (length === 8) return OPERATION.unsigned8;
  }
  return OPERATION.element + elementNumber(value!);
}
