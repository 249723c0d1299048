/** Octets in, lines out, as the program wires it, and what must hold after every message. */

import type { RecordType } from '../../src/flow/layout.ts';
import type { DecodeOutcome } from '../../src/metrics/decode-counters.ts';
import { DEFAULT_DECODING_OPTIONS, Decoding, type DecodingOptions } from '../../src/pipeline/decoding.ts';
import { FlowJson } from '../../src/sink/formats/flow-json.ts';
import { doubledKeys } from './json-line.ts';
import type { Octets } from './wire-octets.ts';

/** A line, parsed. Numbers over 2^53 are rounded: look at {@link DecodingHarness.text} for their digits. */
// biome-ignore lint/suspicious/noExplicitAny: a line's values are what the test expects them to be
export type Line = Record<string, any>;

/** Where a message of a test comes from. */
export interface Sender {
  readonly address?: string;
  readonly port?: number;
  readonly isReliable?: boolean;
  readonly arrivalMs?: number;
}

/** Arrival of messages that give none: the builders' export time. */
export const ARRIVAL_MS = 1_700_000_000_000;

/** Throws on what is no UTF-8: lines must be. */
const STRICT_UTF8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });

/** Few, so that tests go through generated code soon. */
export const COMPILE_AFTER = 128;

const ALL_RECORDS: ReadonlySet<RecordType> = new Set(['flow', 'event', 'discard', 'counters', 'options']);

/** A {@link Decoding} whose lines are kept. */
export class DecodingHarness {
  readonly decoding: Decoding;
  /** Lines of the last {@link DecodingHarness.lines} call, as written. */
  text = '';
  private readonly writer: FlowJson;
  private ready = '';
  private decoded = 0;

  constructor(options: Partial<DecodingOptions> = {}, names: 'ntop' | 'iana' = 'ntop', upscale = false) {
    const codeGeneration = options.codeGeneration ?? true;
    const format = {
      names,
      fields: undefined,
      upscale,
      recordTypes: ALL_RECORDS,
      codeGeneration,
      compileAfter: COMPILE_AFTER,
    };
    this.writer = new FlowJson(format, (octets) => {
      this.ready += STRICT_UTF8.decode(octets);
    });
    this.decoding = new Decoding({ ...DEFAULT_DECODING_OPTIONS, compileAfter: COMPILE_AFTER, ...options }, this.writer);
  }

  /** Decodes one message, which lies somewhere inside a larger buffer, at its end each other time. */
  decode(octets: Octets, sender: Sender = {}): DecodeOutcome {
    const { address = '192.0.2.250', port = 2055, isReliable = false, arrivalMs = ARRIVAL_MS } = sender;
    // With octets behind it a message read too far tells nonsense; without, reading too far throws.
    const buffer = new Uint8Array(5 + octets.length + (this.decoded++ % 2 === 0 ? 0 : 11)).fill(0xa5);
    buffer.set(octets, 5);
    return this.decoding.decode(
      buffer,
      new DataView(buffer.buffer),
      5,
      5 + octets.length,
      address,
      port,
      arrivalMs,
      isReliable,
    );
  }

  /** Decodes messages and gives the lines they made. */
  lines(messages: Octets | readonly Octets[], sender: Sender = {}): Line[] {
    this.takeText();
    for (const octets of messages instanceof Uint8Array ? [messages] : messages) this.decode(octets, sender);
    this.text = this.takeText();
    return this.text
      .split('\n')
      .filter((line) => line !== '')
      .map((line) => JSON.parse(line) as Line);
  }

  /** Lines written since the last call, unparsed. */
  takeText(): string {
    this.writer.flush();
    const { ready } = this;
    this.ready = '';
    return ready;
  }

  /** Counters of all sessions, dead ones included, and of messages without a session. */
  get counters() {
    return this.decoding.sessions.totals();
  }

  /** What does not hold, empty when all is well: sums, faults of ours, and the lines written since the last look. */
  problems(): string[] {
    const found: string[] = [];
    const { decoding, counters } = this;
    if (decoding.internalErrors !== 0) found.push(`internal error: ${decoding.lastInternalError}`);
    for (const each of [counters, decoding.unattributed]) {
      if (each.messagesReceived !== each.messagesDecoded + each.messagesDiscarded) found.push('messages do not add up');
      for (const [name, value] of Object.entries(each)) {
        if (typeof value === 'number' && !(Number.isSafeInteger(value) && value >= 0))
          found.push(`${name} is ${value}`);
      }
    }
    const waiting = decoding.pendingStatus().sets;
    const { setsWithoutTemplate, pendingDecoded, pendingDropped } = counters;
    if (setsWithoutTemplate !== pendingDecoded + pendingDropped + waiting) {
      found.push(`sets: ${setsWithoutTemplate} is not ${pendingDecoded} + ${pendingDropped} + ${waiting}`);
    }
    let records = 0;
    for (const line of this.takeText().split('\n')) {
      if (line === '') continue;
      records++;
      const problem = lineProblem(line);
      if (problem !== undefined) found.push(`${problem}: ${line.slice(0, 2000)}`);
    }
    this.recordsSeen += records;
    return found;
  }

  /** Lines that {@link DecodingHarness.problems} has looked at. */
  recordsSeen = 0;
}

function lineProblem(line: string): string | undefined {
  try {
    JSON.parse(line);
  } catch {
    return 'no JSON';
  }
  const doubled = doubledKeys(line);
  return doubled.length > 0 ? `key ${doubled.join()} twice` : undefined;
}
