import { parseIPv4, parseIPv6 } from '../bytes/parse-address.ts';
import { SLOT } from '../flow/fields.ts';
import { Flow } from '../flow/flow.ts';
import type { Origin } from '../flow/origin.ts';

/** Characters kept of a text from outside. */
const MAX_CHARACTERS = 4096;
/** Texts that a record has at most. */
const MAX_TEXTS = 16;
const SOURCE_AT = 0;
const DESTINATION_AT = 16;
const SCRATCH_AT = 32;
const TEXTS_AT = 96;

const encoder = new TextEncoder();

/** A flow, used again and again, and the octets that its addresses and texts lie in. */
export class RecordTexts {
  readonly flow: Flow;
  /** Whether the arguments of processes are told. */
  readonly withCommandLines: boolean;
  private readonly bytes = new Uint8Array(TEXTS_AT + MAX_TEXTS * MAX_CHARACTERS * 3);
  private end = TEXTS_AT;

  /** Records come from `origin`. */
  constructor(origin: Origin, withCommandLines: boolean) {
    this.withCommandLines = withCommandLines;
    this.flow = new Flow(origin);
    this.flow.bytes = this.bytes;
    this.flow.view = new DataView(this.bytes.buffer);
  }

  /** Begins the next record. */
  start(): void {
    const { flow } = this;
    this.end = TEXTS_AT;
    flow.attachments.length = 0;
    for (let i = 0; i < flow.names.length; i++) flow.names[i] = '';
  }

  /** Sets a field of type `text`. */
  text(slot: number, text: string): void {
    const { words } = this.flow;
    const { written } = encoder.encodeInto(clipped(text), this.bytes.subarray(this.end));
    words[slot] = this.end;
    words[slot + 1] = written;
    this.end += written;
  }

  /** Sets the fields of both addresses. False where they are of no IP version, or of two. */
  addresses(source: string, destination: string): boolean {
    const { words } = this.flow;
    if (source.includes(':') !== destination.includes(':')) return false;
    const isIPv6 = source.includes(':');
    words[SLOT.ipVersion] = isIPv6 ? 6 : 4;
    if (isIPv6) {
      words[SLOT.sourceIPv6] = SOURCE_AT;
      words[SLOT.destinationIPv6] = DESTINATION_AT;
      return this.ipv6(source, SOURCE_AT) && this.ipv6(destination, DESTINATION_AT);
    }
    const first = this.ipv4(source);
    const second = this.ipv4(destination);
    words[SLOT.sourceIPv4] = first;
    words[SLOT.destinationIPv4] = second;
    return first >= 0 && second >= 0;
  }

  /** An IPv4 address as a number, -1 where the text is none. */
  ipv4(text: string): number {
    const { written } = encoder.encodeInto(text, this.bytes.subarray(SCRATCH_AT, TEXTS_AT));
    return parseIPv4(this.bytes, SCRATCH_AT, written);
  }

  private ipv6(text: string, at: number): boolean {
    // A zone means nothing to others (RFC 4007 section 6).
    const zone = text.indexOf('%');
    const address = zone < 0 ? text : text.slice(0, zone);
    const { written } = encoder.encodeInto(address, this.bytes.subarray(SCRATCH_AT, TEXTS_AT));
    return parseIPv6(this.bytes, SCRATCH_AT, written, this.bytes, at);
  }
}

/** A text from outside, bounded. */
export function clipped(text: string): string {
  return text.length > MAX_CHARACTERS ? text.slice(0, MAX_CHARACTERS) : text;
}
