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
import { GeneratedFunctions } from '../../bytes/generated-functions.ts';
import { writeJsonString, writeJsonText } from '../../bytes/json-text.ts';
import { SLOT } from '../../flow/fields.ts';
import type { Flow } from '../../flow/flow.ts';
import type { ElementValue } from '../../flow/layout.ts';
import type { LineStep } from './line-plan.ts';
import { elementNumber, writeApplication, writeElement, writeScaled } from './line-values.ts';
import { octetChunks } from './text-chunks.ts';

/**
 * Writes a flow's keys and values, each with the comma before it, and returns the position behind. `out` and `octets` are
 * the same memory, with room for the line and 24 octets more.
 */
export type WriteLine = (out: DataView, octets: Uint8Array, pos: number, flow: Flow) => number;

/** What generated code calls, by the names it calls it. */
const RUNTIME = {
  OCTET_DIGITS,
  OCTET_LENGTH,
  chunksOf: (texts: readonly string[]) => Float64Array.from(texts, (text) => octetChunks(encoder.encode(text))[0] ?? 0),
  lengthsOf: (texts: readonly string[]) => Uint8Array.from(texts, (text) => text.length),
  writeUnsigned32,
  writeUnsigned64,
  writeIPv4Word,
  writeIPv6,
  writeMac,
  writeHexadecimal,
  writeJsonText,
  writeJsonString,
  writeApplication,
  writeScaled,
  writeElement,
  writeMilliseconds,
  writeThousandths,
};

const encoder = new TextEncoder();
const writers = new GeneratedFunctions<WriteLine>();

/** Fewest and most steps of one generated function. */
const LEAST_STEPS = 4;
const MOST_STEPS = 10;

/**
 * Compiles the steps into straight-line code. Constant text goes out eight octets a store, as the double whose bits they are
 * (eight octets of ASCII are never a NaN, so none is lost): twice as fast as 32-bit stores. The source holds numbers only:
 * no name of an element, be it an Exporter's or a definition file's, is part of it.
 *
 * A line is written by several functions: what optimising one costs grows faster than its length, and lines that differ in a few
 * fields, as those of an Exporter's Templates do, share most of them. For a hundred Templates, no two alike, V8 optimised for 6.3 s
 * with a function for each line, for 0.6 s with parts; a line of parts is written as fast, one of 34 keys 6 % faster.
 */
export function compileLine(steps: readonly LineStep[]): WriteLine {
  const parts = partsOf(steps).map(compilePart);
  return parts.length === 1 ? parts[0]! : writeParts(parts);
}

function writeParts(parts: readonly WriteLine[]): WriteLine {
  return (out, octets, start, flow) => {
    let pos = start;
    for (let i = 0; i < parts.length; i++) pos = parts[i]!(out, octets, pos, flow);
    return pos;
  };
}

function compilePart(steps: readonly LineStep[]): WriteLine {
  const { source, texts } = lineSource(steps);
  return writers.get(
    texts.length === 0 ? source : source + JSON.stringify(texts),
    () => new Function('runtime', 'texts', `'use strict'; ${source}`)(RUNTIME, texts) as WriteLine,
  );
}

/** Cuts a line before steps that their own place in a flow decides on, so that equal stretches of two lines are cut alike. */
function partsOf(steps: readonly LineStep[]): LineStep[][] {
  const parts: LineStep[][] = [];
  let part: LineStep[] = [];
  for (const step of steps) {
    const isCut = Math.imul(step.slot, 0x9e3779b1) >>> 30 === 0;
    if (part.length === MOST_STEPS || (isCut && part.length >= LEAST_STEPS)) {
      parts.push(part);
      part = [];
    }
    part.push(step);
  }
  parts.push(part);
  return parts;
}

/** The generated source, and the texts of choices it refers to by number; apart so that it can be read and tested. */
export function lineSource(steps: readonly LineStep[]): { source: string; texts: readonly (readonly string[])[] } {
  const generator = new LineSource();
  for (const step of steps) generator.add(step);
  return generator.finish();
}

class LineSource {
  private readonly lines: string[] = [];
  private readonly constants: string[] = [];
  private readonly texts: (readonly string[])[] = [];
  private literal = '';

  add(step: LineStep): void {
    const { kind, slot, before, after } = step;
    if (kind === 'optionalWord' || kind === 'optionalName' || kind === 'duration') {
      this.flush();
      const value = kind === 'optionalName' ? `names[${integer(slot)}]` : `words[${integer(slot)}]`;
      this.lines.push(`if (${value} !== ${kind === 'optionalName' ? "''" : '0'}) {`);
      this.literal = before;
      this.flush();
      this.lines.push(
        kind === 'optionalWord'
          ? `pos = writeUnsigned32(out, pos, ${value});`
          : kind === 'duration'
            ? `pos = writeThousandths(out, pos, ${value});`
            : `pos = writeJsonString(octets, pos, ${value});`,
      );
      this.literal = after;
      this.flush();
      this.lines.push('}');
      return;
    }
    this.literal += before;
    if (kind === 'array') for (const item of step.items) this.add(item);
    else {
      this.flush();
      this.lines.push(this.valueSource(step));
    }
    this.literal += after;
  }

  finish(): { source: string; texts: readonly (readonly string[])[] } {
    this.flush();
    const source = [
      `const { ${Object.keys(RUNTIME).join(', ')} } = runtime;`,
      ...this.constants,
      'return function write(out, octets, pos, flow) {',
      '  const { words, times, names, bytes, view } = flow;',
      ...this.lines.map((line) => `  ${line}`),
      '  return pos;',
      '};',
    ].join('\n');
    return { source, texts: this.texts };
  }

  private valueSource({ kind, slot, texts, value, length }: LineStep): string {
    const word = `words[${integer(slot)}]`;
    const next = `words[${integer(slot + 1)}]`;
    switch (kind) {
      case 'octet':
        return `out.setUint32(pos, OCTET_DIGITS[${word} & 255]); pos += OCTET_LENGTH[${word} & 255];`;
      case 'word':
        return `pos = writeUnsigned32(out, pos, ${word});`;
      case 'long':
        return `pos = ${word} === 0 ? writeUnsigned32(out, pos, ${next}) : writeUnsigned64(out, pos, ${word}, ${next});`;
      case 'scaledLong':
        return `pos = writeScaled(out, octets, pos, ${word}, ${next}, words[${integer(SLOT.samplingInterval)}]);`;
      case 'time':
        return `pos = writeMilliseconds(out, pos, times, ${integer(slot)});`;
      case 'ipv4':
        return `pos = writeIPv4Word(out, pos, words, ${integer(slot)});`;
      case 'ipv6':
        return `pos = writeIPv6(out, pos, view, ${word});`;
      case 'mac':
        return `pos = writeMac(out, pos, view, ${word});`;
      case 'text':
        return `pos = writeJsonText(octets, pos, bytes, ${word}, ${next});`;
      case 'application':
        return `pos = writeApplication(out, pos, view, ${word}, ${next});`;
      case 'choice':
        return this.choiceSource(texts, word);
      default:
        return elementSource(value ?? 'hexadecimal', word, length < 0 ? next : integer(length), length);
    }
  }

  /** Texts of up to eight octets go out as one double each. */
  private choiceSource(texts: readonly string[], word: string): string {
    const index = integer(this.texts.push(texts) - 1);
    if (texts.some((text) => text.length > 8))
      return `pos = writeJsonString(octets, pos, texts[${index}][${word}] ?? '');`;
    this.constants.push(
      `const chunks${index} = chunksOf(texts[${index}]), lengths${index} = lengthsOf(texts[${index}]);`,
    );
    return `out.setFloat64(pos, chunks${index}[${word}]); pos += lengths${index}[${word}];`;
  }

  private flush(): void {
    const octets = encoder.encode(this.literal);
    this.literal = '';
    if (octets.length === 0) return;
    const chunks = octetChunks(octets);
    const stores = Array.from(
      chunks,
      (chunk, i) => `out.setFloat64(pos${i === 0 ? '' : ` + ${8 * i}`}, ${double(chunk)});`,
    );
    this.lines.push(`${stores.join(' ')} pos += ${integer(octets.length)};`);
  }
}

function elementSource(value: ElementValue, at: string, length: string, fixedLength: number): string {
  if (value === 'string') return `pos = writeJsonText(octets, pos, bytes, ${at}, ${length});`;
  if (value === 'hexadecimal') return `pos = writeHexadecimal(out, pos, view, ${at}, ${length});`;
  if (value === 'unsigned') {
    if (fixedLength === 1) return `pos = writeUnsigned32(out, pos, view.getUint8(${at}));`;
    if (fixedLength === 2) return `pos = writeUnsigned32(out, pos, view.getUint16(${at}));`;
    if (fixedLength === 4) return `pos = writeUnsigned32(out, pos, view.getUint32(${at}));`;
    if (fixedLength === 8) return `pos = writeUnsigned64(out, pos, view.getUint32(${at}), view.getUint32(${at} + 4));`;
  }
  return `pos = writeElement(out, octets, pos, flow, ${at}, ${length}, ${integer(elementNumber(value))});`;
}

function integer(value: number): string {
  if (!Number.isInteger(value) || value < 0) throw new RangeError(`not an index: ${value}`);
  return String(value);
}

function double(value: number): string {
  if (!Number.isFinite(value)) throw new RangeError('not eight octets of ASCII');
  return String(value);
}
