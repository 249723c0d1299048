import { GenerationPolicy } from '../../bytes/generation-policy.ts';
import type { Flow, PlainRecord, PlainValue } from '../../flow/flow.ts';
import type { Layout, RecordType } from '../../flow/layout.ts';
import type { Origin } from '../../flow/origin.ts';
import type { RecordOutput } from '../../flow/record-output.ts';
import { CountersJson } from './counters-json.ts';
import { interpretLine } from './interpret-line.ts';
import { type LineOptions, planLine } from './line-plan.ts';
import { LinePrefix, PREFIX_OCTETS } from './line-prefix.ts';
import { compileLine, type WriteLine } from './line-writer.ts';
import { plainJson } from './plain-json.ts';
import { NO_ROOM, PlainOctets } from './plain-octets.ts';

/** What a {@link FlowJson} writes. */
export interface FlowJsonOptions extends LineOptions {
  /** Kinds of record to write; others are left out. */
  readonly recordTypes: ReadonlySet<RecordType>;
  /** False where code generation is switched off. */
  readonly codeGeneration: boolean;
  /** Lines of a layout written by steps before its writer is compiled; by default as {@link GenerationPolicy} says. */
  readonly compileAfter?: number | undefined;
}

/**
 * For captures that are metered, whose flows have long lines of a dozen layouts and are few beside their packets: compiling them all takes 0.15 s, as
 * much as it saves in half a million lines.
 */
export const METER_COMPILE_AFTER = 262_144;

/** Lines are handed on once this many octets are ready. */
const DRAIN_AT = 256 * 1024;
/** Room for the longest line: a datagram's octets all escaped, and the keys of the longest Template. */
const CAPACITY = 2 * 1024 * 1024;
const NEWLINE = 0x0a;
const OPENING_BRACE = 0x7b;
const CLOSING_BRACE = 0x7d;

interface LayoutWriter {
  readonly isWanted: boolean;
  write: WriteLine;
  lines: number;
  /** Lines after which compiling is considered; 0 for no more. */
  lookAt: number;
}

/** Records as JSON, one a line: RFC 8259 in UTF-8, each value with every digit. */
export class FlowJson implements RecordOutput {
  /** Lines since start. */
  linesWritten = 0;
  private readonly options: FlowJsonOptions;
  private readonly drain: (octets: Uint8Array) => void;
  private readonly selected: ReadonlySet<string> | undefined;
  private readonly octets = new Uint8Array(CAPACITY + PREFIX_OCTETS);
  private readonly out = new DataView(this.octets.buffer);
  private readonly buffer = Buffer.from(this.octets.buffer);
  private readonly generation: GenerationPolicy;
  private pos = 0;
  /** Go with their layouts, which go with the plans of Templates. */
  private readonly writers = new WeakMap<Layout, LayoutWriter>();
  /** Keys and values of records that come again. */
  private readonly members = new WeakMap<object, Uint8Array>();
  private layout: Layout | undefined;
  private writer: LayoutWriter | undefined;
  private readonly prefix: LinePrefix;
  private readonly counters: CountersJson;
  private readonly plain = new PlainOctets(this.octets.subarray(0, CAPACITY));

  /** `drain` gets whole lines and must have done with them when it returns. */
  constructor(options: FlowJsonOptions, drain: (octets: Uint8Array) => void) {
    this.options = options;
    this.generation = new GenerationPolicy(options.codeGeneration, options.compileAfter);
    this.drain = drain;
    this.selected = options.fields && new Set(options.fields);
    this.prefix = new LinePrefix(options, this.octets);
    this.counters = new CountersJson(this.selected);
  }

  write(flow: Flow): void {
    const { layout } = flow;
    if (layout !== this.layout) this.select(layout);
    const writer = this.writer!;
    if (!writer.isWanted) return;
    const { octets } = this;
    const start = this.pos;
    let pos = writer.write(this.out, octets, this.begin(flow.origin, layout.recordType), flow);
    if (flow.attachments.length > 0) pos = this.attachments(flow, pos);
    this.end(start, pos);
    if (writer.lookAt !== 0 && ++writer.lines === writer.lookAt) this.compile(layout, writer);
  }

  writeRecord(record: PlainRecord): void {
    const { recordType, origin, sample, comesAgain } = record;
    if (!this.options.recordTypes.has(recordType)) return;
    const start = this.pos;
    const first = this.begin(origin, recordType);
    if (sample !== undefined) {
      this.end(start, this.counters.write(this.out, this.octets, first, sample));
      return;
    }
    const named = this.options.names === 'ntop' ? record.values : record.ianaValues;
    const known = comesAgain === true ? this.members.get(named) : undefined;
    if (known !== undefined) {
      this.octets.set(known, first);
      this.end(start, first + known.length);
      return;
    }
    let pos = first;
    for (const key of Object.keys(named)) {
      if (this.selected === undefined || this.selected.has(key)) pos = this.member(key, named[key]!, pos);
    }
    if (comesAgain === true) this.members.set(named, this.octets.slice(first, pos));
    this.end(start, pos);
  }

  /** Hands on what is ready. */
  flush(): void {
    if (this.pos === 0) return;
    const ready = this.octets.subarray(0, this.pos);
    this.pos = 0;
    this.drain(ready);
  }

  /** Begins a line, and returns where it goes on. */
  private begin(origin: Origin, recordType: RecordType): number {
    this.prefix.update(origin, recordType);
    return this.prefix.write(this.pos);
  }

  private end(start: number, behind: number): void {
    let pos = behind;
    if (pos === start) return;
    const { octets } = this;
    // Every key comes with a comma before it: the first one's becomes the brace.
    octets[start] = OPENING_BRACE;
    octets[pos++] = CLOSING_BRACE;
    octets[pos++] = NEWLINE;
    this.pos = pos;
    this.linesWritten++;
    if (pos >= DRAIN_AT) this.flush();
  }

  private select(layout: Layout): void {
    this.layout = layout;
    let writer = this.writers.get(layout);
    if (writer === undefined) {
      const isWanted = this.options.recordTypes.has(layout.recordType);
      const write = interpretLine(planLine(layout, this.options));
      writer = { isWanted, write, lines: 0, lookAt: this.generation.firstLook };
      this.writers.set(layout, writer);
    }
    this.writer = writer;
  }

  /** Where it is worth it. */
  private compile(layout: Layout, writer: LayoutWriter): void {
    this.generation.records = this.linesWritten;
    writer.lookAt = this.generation.nextLook(writer.lines);
    if (writer.lookAt === 0) writer.write = compileLine(planLine(layout, this.options));
  }

  private attachments(flow: Flow, start: number): number {
    let pos = start;
    for (const { ntop, iana, value, ianaValue } of flow.attachments) {
      if (this.selected !== undefined && !this.selected.has(ntop) && !this.selected.has(iana)) continue;
      if (this.options.names === 'ntop') pos = this.member(ntop, value, pos);
      else pos = this.member(iana, ianaValue ?? value, pos);
    }
    return pos;
  }

  /** A key and value of any size that still fits; one that does not is left out. */
  private member(key: string, value: PlainValue, start: number): number {
    const pos = this.plain.member(start, key, value);
    return pos === NO_ROOM ? this.longMember(key, value, start) : pos;
  }

  private longMember(key: string, value: PlainValue, pos: number): number {
    const text = `,${JSON.stringify(key)}:${plainJson(value)}`;
    // No more than three octets for each of its UTF-16 units.
    const mayFit = pos + text.length * 3 + 64 <= CAPACITY;
    if (!mayFit && pos + Buffer.byteLength(text) + 64 > CAPACITY) return pos;
    return pos + this.buffer.write(text, pos, 'utf8');
  }
}
