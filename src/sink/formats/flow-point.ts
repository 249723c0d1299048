/** Flows as points: one each, with few tags, and everything else as fields (InfluxDB line protocol). */

import { writeInteger, writeMilliseconds, writeUnsigned32 } from '../../bytes/digits.ts';
import { SLOT } from '../../flow/fields.ts';
import type { Flow, PlainRecord } from '../../flow/flow.ts';
import type { ElementEntry, Layout, RecordType } from '../../flow/layout.ts';
import { ORIGIN_KEYS, Origin } from '../../flow/origin.ts';
import type { PointOutput } from '../../flow/point-output.ts';
import type { RecordOutput } from '../../flow/record-output.ts';
import { interpretLine } from './interpret-line.ts';
import { elementStep, entryStep, type LineStep, type Naming } from './line-plan.ts';
import { compileLine, type WriteLine } from './line-writer.ts';
import { plainJson } from './plain-json.ts';
import { TagBound } from './tag-bound.ts';

/** What points look like. */
export interface FlowPointOptions {
  /** Whose names the fields have. */
  readonly names: Naming;
  /** Octets and packets are multiplied by the sampling interval. */
  readonly upscale: boolean;
  /** Kinds of record to write, each a measurement of its own. */
  readonly recordTypes: ReadonlySet<RecordType>;
  /** False where code generation is switched off. */
  readonly codeGeneration: boolean;
  /** Most series, and Exporters: what comes beyond has `other` for its tags, but for an Exporter within. */
  readonly maxSeries: number;
  /** Most names of fields besides those of the normalised ones: an Exporter may make up any number. */
  readonly maxFieldNames: number;
}

interface LayoutWriter {
  readonly isWanted: boolean;
  readonly steps: readonly LineStep[];
  /** Elements whose octets may be no number, or no truth value. */
  readonly fragile: readonly ElementEntry[];
  readonly hasInput: boolean;
  readonly hasOutput: boolean;
  readonly hasProtocol: boolean;
  readonly timeSlot: number;
  write: WriteLine;
  /** Leaves the fragile ones out. */
  readonly writeSafe: WriteLine;
  lines: number;
}

const CAPACITY = 2 * 1024 * 1024;
/** Lines are handed on once this many octets are ready. */
const DRAIN_AT = 128 * 1024;
/** Lines of a layout written by steps before it is compiled. */
const COMPILE_AFTER = 128;
/** Longest text of a record's nested values; InfluxDB takes 64 KiB. */
const MAX_NESTED = 32_768;
/** A time of 64 bits in nanoseconds ends in 2262. */
const MAX_TIME_MS = 9_223_372_036_000;
const NS_PER_MS = 1_000_000;
const SPACE = 0x20;
const NEWLINE = 0x0a;
const encoder = new TextEncoder();
const INPUT = encoder.encode(',input=');
const OUTPUT = encoder.encode(',output=');
const PROTOCOL = encoder.encode(',protocol=');
const OTHER = encoder.encode('other');
/** Origin in fields; the exporter is a tag, and what differs with every datagram says nothing of a flow. */
const SOURCE_KEYS = ORIGIN_KEYS.filter(
  ({ property }) => !['exporterAddress', 'exportTimeMs', 'sequenceNumber'].includes(property),
);

/**
 * Writes a point for each flow, at the time of its end. The nanoseconds below its milliseconds are a running number: flows
 * that end at the same time are different points.
 */
export class FlowPoint implements RecordOutput {
  /** Points since start. */
  pointsMade = 0;
  /** Fields left out because there are too many names. */
  fieldsLeftOut = 0;
  readonly #options: FlowPointOptions;
  readonly #output: PointOutput;
  readonly #octets = new Uint8Array(CAPACITY);
  readonly #out = new DataView(this.#octets.buffer);
  readonly #writers = new WeakMap<Layout, LayoutWriter>();
  readonly #fieldNames = new Set<string>();
  readonly #tags: TagBound;
  readonly #prefixes = new Map<RecordType, Uint8Array>();
  readonly #source = new Origin();
  #sourceFields = new Uint8Array(0);
  #isSourceKnown = false;
  #layout: Layout | undefined;
  #writer: LayoutWriter | undefined;
  #pos = 0;
  #lines = 0;
  #number = 0;

  /** `output` gets whole lines and has copied them when it returns. */
  constructor(options: FlowPointOptions, output: PointOutput) {
    this.#options = options;
    this.#output = output;
    this.#tags = new TagBound(options.maxSeries);
  }

  /** Flows whose tags are `other` because there are too many series. */
  get flowsBeyondSeries(): number {
    return this.#tags.flowsBeyond;
  }

  write(flow: Flow): void {
    const { layout, origin } = flow;
    if (layout !== this.#layout) this.#select(layout);
    const writer = this.#writer!;
    if (!writer.isWanted) return;
    if (!this.#isSourceKnown || !origin.isOfSameSource(this.#source)) this.#renderSource(origin);
    const octets = this.#octets;
    const prefix = this.#prefixes.get(layout.recordType)!;
    octets.set(prefix, this.#pos);
    const fields = this.#writeTags(flow, writer, this.#pos + prefix.length);
    octets.set(this.#sourceFields, fields);
    let pos = fields + this.#sourceFields.length;
    const isSafe = writer.fragile.length === 0 || hasPlainValues(flow, writer.fragile);
    pos = isSafe ? writer.write(this.#out, octets, pos, flow) : writer.writeSafe(this.#out, octets, pos, flow);
    if (flow.attachments.length > 0) pos = this.#writeAttachments(flow, pos);
    // Every field comes with a comma before it: the first one's parts them from the tags.
    octets[fields] = SPACE;
    octets[pos++] = SPACE;
    pos = this.#writeTime(flow, writer, pos);
    octets[pos++] = NEWLINE;
    this.#pos = pos;
    this.#lines++;
    this.pointsMade++;
    if (++writer.lines === COMPILE_AFTER && this.#options.codeGeneration) writer.write = compileLine(writer.steps);
    if (pos >= DRAIN_AT) this.flush();
  }

  /** Records that are no flows are no points either. */
  writeRecord(_record: PlainRecord): void {}

  /** Hands on what is ready. */
  flush(): void {
    if (this.#lines === 0) return;
    this.#output.writeLines(this.#octets, 0, this.#pos, this.#lines);
    this.#pos = 0;
    this.#lines = 0;
  }

  #writeTags({ words, origin }: Flow, writer: LayoutWriter, start: number): number {
    const input = writer.hasInput ? words[SLOT.inputInterface]! : -1;
    const output = writer.hasOutput ? words[SLOT.outputInterface]! : -1;
    const protocol = writer.hasProtocol ? words[SLOT.protocol]! : -1;
    const isWithin = this.#tags.admits(origin.exporterAddress, input, output, protocol);
    let pos = start;
    if (input >= 0) pos = this.#writeTag(INPUT, input, isWithin, pos);
    if (output >= 0) pos = this.#writeTag(OUTPUT, output, isWithin, pos);
    if (protocol >= 0) pos = this.#writeTag(PROTOCOL, protocol, isWithin, pos);
    return pos;
  }

  #writeTag(key: Uint8Array, value: number, isWithin: boolean, start: number): number {
    this.#octets.set(key, start);
    const pos = start + key.length;
    if (isWithin) return writeUnsigned32(this.#out, pos, value);
    this.#octets.set(OTHER, pos);
    return pos + OTHER.length;
  }

  #writeTime({ times, origin }: Flow, { timeSlot }: LayoutWriter, start: number): number {
    const ms = timeSlot < 0 ? 0 : times[timeSlot]!;
    let pos: number;
    if (ms > 0 && ms < MAX_TIME_MS) pos = writeMilliseconds(this.#out, start, times, timeSlot);
    else {
      const { exportTimeMs } = origin;
      const isTime = exportTimeMs > 0 && exportTimeMs < MAX_TIME_MS;
      pos = writeInteger(this.#out, start, isTime ? exportTimeMs : Date.now());
    }
    // Six digits, those in front of them zeros: a seventh is written over the digit before, which is put back.
    const before = this.#octets[pos - 1]!;
    writeUnsigned32(this.#out, pos - 1, NS_PER_MS + this.#number);
    this.#octets[pos - 1] = before;
    this.#number = this.#number === NS_PER_MS - 1 ? 0 : this.#number + 1;
    return pos + 6;
  }

  #select(layout: Layout): void {
    this.#layout = layout;
    let writer = this.#writers.get(layout);
    if (writer === undefined) {
      writer = this.#plan(layout);
      this.#writers.set(layout, writer);
    }
    this.#writer = writer;
  }

  #plan(layout: Layout): LayoutWriter {
    const { names, upscale, recordTypes } = this.#options;
    const steps: LineStep[] = [];
    const safeSteps: LineStep[] = [];
    const fragile: ElementEntry[] = [];
    const isWanted = recordTypes.has(layout.recordType);
    for (const entry of isWanted ? layout.entries : []) {
      if (entry.kind === 'field') {
        if (TAGS.has(entry.field.field)) continue;
        const step = entryStep(entry, `,${fieldKey(entry.field[names])}=`, upscale);
        steps.push(step);
        safeSteps.push(step);
        continue;
      }
      const items = entry.kind === 'array' ? entry.items : [entry];
      items.forEach((item, i) => {
        const { name, value, isFragile } = elementField(item, entry[names] + (i === 0 ? '' : `_${i + 1}`));
        if (!this.#takesName(name)) return;
        const step = elementStep(value, item.positionSlot, item.length, `,${fieldKey(name)}=`);
        steps.push(step);
        if (isFragile) fragile.push(item);
        else safeSteps.push(step);
      });
    }
    return {
      isWanted,
      steps,
      fragile,
      hasInput: layout.has('inputInterface'),
      hasOutput: layout.has('outputInterface'),
      hasProtocol: layout.has('protocol'),
      timeSlot: layout.has('endMs') ? SLOT.endMs : layout.has('startMs') ? SLOT.startMs : -1,
      write: interpretLine(steps),
      writeSafe: interpretLine(safeSteps),
      lines: 0,
    };
  }

  #takesName(name: string): boolean {
    if (this.#fieldNames.has(name)) return true;
    if (this.#fieldNames.size >= this.#options.maxFieldNames) {
      this.fieldsLeftOut++;
      return false;
    }
    this.#fieldNames.add(name);
    return true;
  }

  #renderSource(origin: Origin): void {
    const isOtherExporter = !this.#isSourceKnown || origin.exporterAddress !== this.#source.exporterAddress;
    if (isOtherExporter) {
      const exporter = this.#tags.knows(origin.exporterAddress) ? tagValue(origin.exporterAddress) : 'other';
      for (const recordType of this.#options.recordTypes) {
        this.#prefixes.set(recordType, encoder.encode(`${recordType},exporter=${exporter}`));
      }
    }
    let text = '';
    for (const { property, ntop, iana } of SOURCE_KEYS) {
      const value = origin[property];
      if (value === -1 || value === '') continue;
      text += `,${this.#options.names === 'ntop' ? ntop : iana}=${JSON.stringify(value)}`;
    }
    this.#sourceFields = encoder.encode(text);
    this.#source.copySource(origin);
    this.#isSourceKnown = true;
  }

  /** Nested values as JSON in a text. */
  #writeAttachments(flow: Flow, start: number): number {
    let pos = start;
    const isIana = this.#options.names === 'iana';
    for (const { ntop, iana, value, ianaValue } of flow.attachments) {
      const name = isIana ? iana : ntop;
      const json = plainJson(isIana ? (ianaValue ?? value) : value);
      if (json.length > MAX_NESTED || !this.#takesName(name)) continue;
      const text = encoder.encode(`,${fieldKey(name)}=${JSON.stringify(json)}`);
      if (pos + text.length + 64 > CAPACITY) continue;
      this.#octets.set(text, pos);
      pos += text.length;
    }
    return pos;
  }
}

const TAGS: ReadonlySet<string> = new Set(['inputInterface', 'outputInterface', 'protocol']);

/**
 * How an element becomes a field. One name has one type for ever: what is no number where a number belongs has another
 * name.
 */
function elementField(
  { value, length }: ElementEntry,
  name: string,
): { name: string; value: ElementEntry['value']; isFragile: boolean } {
  const isPlain = (isLength: boolean, isFragile = false): ReturnType<typeof elementField> =>
    isLength ? { name, value, isFragile } : { name: `${name}_HEX`, value: 'hexadecimal', isFragile: false };
  switch (value) {
    case 'unsigned':
    case 'signed':
      return isPlain(length >= 1 && length <= 8);
    case 'float':
      return isPlain(length === 4 || length === 8, true);
    case 'boolean':
      return isPlain(length === 1, true);
    case 'mplsLabel':
      return isPlain(length === 3);
    case 'ntpMicroseconds':
    case 'ntpNanoseconds':
      return isPlain(length === 8);
    default:
      return isPlain(true);
  }
}

/** No NaN, no infinity, and a truth value that is one (RFC 7011 section 6.1.5). */
function hasPlainValues({ words, view }: Flow, fragile: readonly ElementEntry[]): boolean {
  for (let i = 0; i < fragile.length; i++) {
    const { value, length, positionSlot } = fragile[i]!;
    const at = words[positionSlot]!;
    if (value === 'boolean') {
      const octet = view.getUint8(at);
      if (octet !== 1 && octet !== 2) return false;
    } else if (!Number.isFinite(length === 4 ? view.getFloat32(at) : view.getFloat64(at))) return false;
  }
  return true;
}

/** A name that line protocol takes as it is: generated code needs ASCII, and a backslash at the end would hide what follows. */
function fieldKey(name: string): string {
  return name.replace(/[^\x20-\x7e]|\\/g, '_').replace(/[,= ]/g, '\\$&');
}

/** The same for the value of a tag, which cannot be empty. */
function tagValue(text: string): string {
  return text === '' ? 'unknown' : text.replace(/[\x00-\x1f\x7f]|\\/g, '_').replace(/[,= ]/g, '\\$&');
}
