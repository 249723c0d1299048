import { writeInteger } from '../../bytes/digits.ts';
import type { RecordType } from '../../flow/layout.ts';
import { ORIGIN_KEYS, Origin } from '../../flow/origin.ts';
import type { LineOptions } from './line-plan.ts';
import { type TextChunks, textChunks } from './text-chunks.ts';

/** Places for sources whose keys and values are kept, a power of two: many times what a thousand Exporters have. */
const KEPT_SOURCES = 16_384;
/** Places that a source may have: with one, a fifth of four thousand took the place of another again and again. */
const PLACES = 8;
/** What the octets that lines are written into have to spare at their end: room for the longest names and numbers of an {@link Origin}. */
export const PREFIX_OCTETS = 4096;

/** What differs from Data Set to Data Set and from datagram to datagram of one session, in printing order. */
const LAST_PROPERTIES = ['templateId', 'exportTimeMs', 'sequenceNumber'] as const;
type LastProperty = (typeof LAST_PROPERTIES)[number];

/** The rendered keys and values of one source. */
interface Source {
  readonly origin: Origin;
  readonly recordType: RecordType;
  readonly octets: Uint8Array;
}

/** A key with what surrounds it. */
interface LastKey extends TextChunks {
  readonly property: LastProperty;
}

/**
 * How lines begin: the keys and values of an {@link Origin}, the same for all records of a set. Only the last of them differ
 * between sets of one source; what comes before is kept by source.
 */
export class LinePrefix {
  /** Octets of the beginning of lines, as of the last {@link LinePrefix.update}. */
  length = 0;
  private readonly isIana: boolean;
  private readonly selected: ReadonlySet<string> | undefined;
  private readonly octets: Uint8Array;
  private readonly view: DataView;
  /** Where in {@link LinePrefix.octets} the beginning of lines is kept. */
  private readonly at: number;
  private serial = -1;
  private recordType: RecordType | undefined;
  private source: Source | undefined;
  /** By hash; made for the second source, since most captures have one. */
  private sources: (Source | undefined)[] | undefined;
  private readonly lastKeys: readonly LastKey[];

  /** Lines are written into `octets`, whose last {@link PREFIX_OCTETS} are for this object alone. */
  constructor({ names, fields }: LineOptions, octets: Uint8Array) {
    this.octets = octets;
    this.at = octets.length - PREFIX_OCTETS;
    this.view = new DataView(octets.buffer, octets.byteOffset + this.at, PREFIX_OCTETS);
    this.isIana = names === 'iana';
    this.selected = fields && new Set(fields);
    this.lastKeys = ORIGIN_KEYS.flatMap(({ property, ntop, iana }) => {
      if (!isLastProperty(property) || !this.selects(ntop, iana)) return [];
      return [{ property, ...textChunks(`,"${this.isIana ? iana : ntop}":`) }];
    });
  }

  /** Renders the beginning of lines, each key with the comma before it, anew where the origin has changed since. */
  update(origin: Origin, recordType: RecordType): void {
    if (origin.serial === this.serial && recordType === this.recordType) return;
    this.serial = origin.serial;
    this.recordType = recordType;
    const source = this.sourceOf(origin, recordType);
    const { view, lastKeys } = this;
    if (source !== this.source) {
      this.octets.set(source.octets, this.at);
      this.source = source;
    }
    let pos = source.octets.length;
    for (let i = 0; i < lastKeys.length; i++) {
      const { property, chunks, length } = lastKeys[i]!;
      const value = origin[property];
      if (value === -1) continue;
      for (let j = 0; j < chunks.length; j++) view.setFloat64(pos + 8 * j, chunks[j]!);
      pos = writeInteger(view, pos + length, value);
    }
    this.length = pos;
  }

  /** Writes the beginning of a line and returns the position behind it. To write it eight octets a store took twice as long. */
  write(pos: number): number {
    const { length, at } = this;
    this.octets.copyWithin(pos, at, at + length);
    return pos + length;
  }

  private sourceOf(origin: Origin, recordType: RecordType): Source {
    const { source } = this;
    if (source === undefined) return makeSource(origin, recordType, this.render(origin, recordType));
    if (isSource(source, origin, recordType)) return source;
    this.sources ??= new Array<Source | undefined>(KEPT_SOURCES).fill(undefined);
    const home = sourceHash(origin);
    // Where all places are taken, the first one's source makes way.
    let index = home & (KEPT_SOURCES - 1);
    for (let place = 0; place < PLACES; place++) {
      const at = (home + place) & (KEPT_SOURCES - 1);
      const kept = this.sources[at];
      if (kept === undefined) {
        index = at;
        break;
      }
      if (isSource(kept, origin, recordType)) return kept;
    }
    const made = makeSource(origin, recordType, this.render(origin, recordType));
    this.sources[index] = made;
    return made;
  }

  private render(origin: Origin, recordType: RecordType): Uint8Array {
    const typeKey = this.isIana ? 'recordType' : 'RECORD_TYPE';
    let text = this.selects('RECORD_TYPE', 'recordType') ? `,"${typeKey}":"${recordType}"` : '';
    for (const { property, ntop, iana } of ORIGIN_KEYS) {
      if (isLastProperty(property)) continue;
      const value = origin[property];
      if (value === -1 || value === '') continue;
      const isIPv6 = property === 'exporterAddress' && String(value).includes(':');
      const ntopKey = isIPv6 ? ntop.replace('IPV4', 'IPV6') : ntop;
      const ianaKey = isIPv6 ? iana.replace('IPv4', 'IPv6') : iana;
      if (this.selects(ntopKey, ianaKey)) text += `,"${this.isIana ? ianaKey : ntopKey}":${JSON.stringify(value)}`;
    }
    return new TextEncoder().encode(text);
  }

  private selects(ntop: string, iana: string): boolean {
    return this.selected === undefined || this.selected.has(ntop) || this.selected.has(iana);
  }
}

function isLastProperty(property: string): property is LastProperty {
  return (LAST_PROPERTIES as readonly string[]).includes(property);
}

/** Spreads Exporters over the table by their ports, the ends of their addresses, and their domains. */
function sourceHash({ exporterAddress, exporterPort, observationDomainId, subAgentId }: Origin): number {
  const last = exporterAddress.length - 1;
  let hash = last < 3 ? 0 : exporterAddress.charCodeAt(last) + exporterAddress.charCodeAt(last - 1) * 10;
  if (last >= 3) hash += exporterAddress.charCodeAt(last - 2) * 100 + exporterAddress.charCodeAt(last - 3) * 1000;
  hash = Math.imul(hash + exporterPort, 0x9e3779b1) + Math.imul(observationDomainId + subAgentId, 0xc2b2ae35);
  return hash ^ (hash >>> 15);
}

function isSource(source: Source, origin: Origin, recordType: RecordType): boolean {
  return source.recordType === recordType && source.origin.isOfSameSource(origin);
}

function makeSource(from: Origin, recordType: RecordType, octets: Uint8Array): Source {
  const origin = new Origin();
  origin.copySource(from);
  return { origin, recordType, octets };
}
