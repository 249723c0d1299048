/**
 * Between a decoder or meter and the sinks: tells of each flow which process, user and container of this host has its ends. What an
 * Exporter itself says of an end is left as it is.
 */

import { IPV4_PREFIX } from '../agent/address-words.ts';
import type { FlowOwner } from '../agent/flow-owner.ts';
import { fillOwner, OWNER_BITS, type OwnerRecord, ownerEntries, type Stem } from '../agent/owner-fields.ts';
import { clipped } from '../agent/record-texts.ts';
import type { SocketDirectory } from '../agent/socket-directory.ts';
import { type FieldName, SLOT } from '../flow/fields.ts';
import type { Flow, PlainRecord } from '../flow/flow.ts';
import { Layout } from '../flow/layout.ts';
import type { RecordOutput } from '../flow/record-output.ts';
import { LayoutOctets } from './layout-octets.ts';

/** How {@link ProcessAnnotation} works. */
export interface ProcessAnnotationOptions {
  readonly withCommandLines: boolean;
  /** The owner with what has become known since its socket was seen. */
  readonly complete: (owner: FlowOwner) => FlowOwner;
  /** Layouts with owners at a time, 2,048 where not given; each costs its writers some 10 kB. */
  readonly maxLayouts?: number;
  /** Clock, Unix milliseconds. */
  readonly now?: () => number;
}

/** What a {@link ProcessAnnotation} did since its start. */
export interface ProcessAnnotationCounters {
  /** Flows with ports, whose ends were looked up. */
  flowsLookedUp: number;
  /** Flows that got the owner of an end, or of both. */
  flowsAnnotated: number;
  /** Times that layouts made for flows with owners were thrown away because there were too many. */
  layoutsForgotten: number;
}

/** What is the same for all flows of a layout. */
interface LayoutFacts {
  /** Whether the fields that sockets are told apart by are there. */
  readonly hasKey: boolean;
  readonly hasIPv4: boolean;
  readonly hasIPv6: boolean;
  readonly hasStart: boolean;
  readonly hasEnd: boolean;
  /** Whether the Exporter says itself who has an end. */
  readonly isSourceTold: boolean;
  readonly isDestinationTold: boolean;
  readonly octets: LayoutOctets;
  /** Layouts with owners, by what is known of these. */
  readonly annotated: Map<number, Layout>;
}

const TCP = 6;
const UDP = 17;
const MAX_LAYOUTS = 2048;
/** Texts of both ends, three octets a character. */
const TEXT_OCTETS = 2 * 8 * 4096 * 3;
/** Writers may read some octets further than a value goes. */
const BEYOND = 8;
/** Clocks of Exporters this far from ours are taken to be wrong, and times of their flows to be off by as much, milliseconds. */
const CLOCK_SKEW_MS = 5000;
const TOLD_FIELDS = ['ProcessId', 'ProcessName', 'ProcessUserId', 'ProcessUserName', 'ContainerId', 'PodName'] as const;

const encoder = new TextEncoder();

/** See the head of this file. */
export class ProcessAnnotation implements RecordOutput {
  readonly counters: ProcessAnnotationCounters = { flowsLookedUp: 0, flowsAnnotated: 0, layoutsForgotten: 0 };
  private readonly options: ProcessAnnotationOptions;
  private readonly directory: SocketDirectory;
  private readonly output: RecordOutput;
  private readonly now: () => number;
  private readonly texts: FlowTexts;
  private facts = new WeakMap<Layout, LayoutFacts>();
  private layouts = 0;
  private lastLayout: Layout | undefined;
  private lastFacts: LayoutFacts | undefined;

  /** Flows go on to `output` with what `directory` knows. */
  constructor(options: ProcessAnnotationOptions, directory: SocketDirectory, output: RecordOutput) {
    this.options = options;
    this.directory = directory;
    this.output = output;
    this.now = options.now ?? Date.now;
    this.texts = new FlowTexts(options.withCommandLines);
  }

  write(flow: Flow): void {
    const facts = flow.layout === this.lastLayout ? this.lastFacts! : this.factsOf(flow.layout);
    const protocol = flow.words[SLOT.protocol]!;
    if (!facts.hasKey || (protocol !== TCP && protocol !== UDP)) {
      this.output.write(flow);
      return;
    }
    this.counters.flowsLookedUp++;
    const { local, remote, addresses } = this.directory;
    // Some Templates have room for both, and zeros in one.
    const isIPv6 = facts.hasIPv6 && (!facts.hasIPv4 || flow.words[SLOT.sourceIPv4] === 0);
    this.setAddress(local, flow, isIPv6 ? SLOT.sourceIPv6 : SLOT.sourceIPv4, isIPv6);
    this.setAddress(remote, flow, isIPv6 ? SLOT.destinationIPv6 : SLOT.destinationIPv4, isIPv6);
    const isSourceLocal = !facts.isSourceTold && addresses.isLocal(local, 0);
    const isDestinationLocal = !facts.isDestinationTold && addresses.isLocal(remote, 0);
    if (isSourceLocal || isDestinationLocal) this.writeLocal(flow, facts, protocol, isSourceLocal, isDestinationLocal);
    else this.output.write(flow);
  }

  writeRecord(record: PlainRecord): void {
    this.output.writeRecord(record);
  }

  private writeLocal(
    flow: Flow,
    facts: LayoutFacts,
    protocol: number,
    isSource: boolean,
    isDestination: boolean,
  ): void {
    const { directory, output } = this;
    const sourcePort = flow.words[SLOT.sourcePort]!;
    const destinationPort = flow.words[SLOT.destinationPort]!;
    this.setTimes(flow, facts);
    const source = isSource ? directory.find(protocol, sourcePort, destinationPort) : undefined;
    let destination: FlowOwner | undefined;
    if (isDestination) {
      directory.swap();
      destination = directory.find(protocol, destinationPort, sourcePort);
    }
    if (source === undefined && destination === undefined) output.write(flow);
    else this.writeAnnotated(flow, facts, source, destination);
  }

  private writeAnnotated(
    flow: Flow,
    facts: LayoutFacts,
    source: FlowOwner | undefined,
    destination: FlowOwner | undefined,
  ): void {
    const { texts, options } = this;
    const { layout, bytes, view } = flow;
    facts.octets.measure(flow);
    texts.take(flow, facts.octets);
    const sourceBits = fillOwner(texts, 'source', source && options.complete(source), true);
    const destinationBits = fillOwner(texts, 'destination', destination && options.complete(destination), true);
    flow.layout = this.layoutOf(layout, facts, sourceBits, destinationBits);
    if (flow.layout !== layout) this.counters.flowsAnnotated++;
    this.output.write(flow);
    flow.layout = layout;
    flow.bytes = bytes;
    flow.view = view;
    if (sourceBits !== 0) clearNames(flow, 'source');
    if (destinationBits !== 0) clearNames(flow, 'destination');
  }

  private setAddress(words: Uint32Array, flow: Flow, slot: number, isIPv6: boolean): void {
    if (!isIPv6) {
      words[0] = words[1] = 0;
      words[2] = IPV4_PREFIX;
      words[3] = flow.words[slot]!;
      return;
    }
    const at = flow.words[slot]!;
    const isThere = at + 16 <= flow.view.byteLength;
    for (let i = 0; i < 4; i++) words[i] = isThere ? flow.view.getUint32(at + 4 * i) : 0;
  }

  private setTimes({ times, origin }: Flow, { hasStart, hasEnd }: LayoutFacts): void {
    const asked = this.directory.times;
    const nowMs = this.now();
    const skewMs = origin.protocol === 'packets' ? 0 : nowMs - origin.exportTimeMs;
    const shiftMs = Math.abs(skewMs) > CLOCK_SKEW_MS ? skewMs : 0;
    asked[1] = hasEnd ? times[SLOT.endMs]! + shiftMs : nowMs;
    asked[0] = hasStart ? times[SLOT.startMs]! + shiftMs : asked[1]!;
  }

  private factsOf(layout: Layout): LayoutFacts {
    let facts = this.facts.get(layout);
    if (facts === undefined) {
      facts = factsOf(layout);
      this.facts.set(layout, facts);
    }
    this.lastLayout = layout;
    this.lastFacts = facts;
    return facts;
  }

  private layoutOf(layout: Layout, { annotated }: LayoutFacts, sourceBits: number, destinationBits: number): Layout {
    const key = sourceBits | (destinationBits << OWNER_BITS);
    if (key === 0) return layout;
    const known = annotated.get(key);
    if (known !== undefined) return known;
    const made = new Layout(layout.recordType, [
      ...layout.entries,
      ...ownerEntries('source', sourceBits),
      ...ownerEntries('destination', destinationBits),
    ]);
    if (++this.layouts > (this.options.maxLayouts ?? MAX_LAYOUTS)) this.forgetLayouts();
    annotated.set(key, made);
    return made;
  }

  /** Exporters may make layouts without end. */
  private forgetLayouts(): void {
    this.facts = new WeakMap();
    this.lastLayout = undefined;
    this.layouts = 0;
    this.counters.layoutsForgotten++;
  }
}

/** A flow whose octets are copied to where there is room for texts. */
class FlowTexts implements OwnerRecord {
  readonly withCommandLines: boolean;
  /** The flow taken last. */
  flow!: Flow;
  private bytes = new Uint8Array(4096 + TEXT_OCTETS);
  private view = new DataView(this.bytes.buffer);
  private end = 0;

  constructor(withCommandLines: boolean) {
    this.withCommandLines = withCommandLines;
  }

  /** Copies the octets of a flow, at the positions they have, and gives it the copy. */
  take(flow: Flow, { start, end }: LayoutOctets): void {
    this.flow = flow;
    const needed = end + BEYOND + TEXT_OCTETS;
    if (this.bytes.length < needed) {
      this.bytes = new Uint8Array(2 * needed);
      this.view = new DataView(this.bytes.buffer);
    }
    const { bytes } = flow;
    const last = Math.min(end + BEYOND, bytes.length);
    if (last - start > 64) this.bytes.set(bytes.subarray(start, last), start);
    else for (let i = start; i < last; i++) this.bytes[i] = bytes[i]!;
    this.end = end + BEYOND;
    flow.bytes = this.bytes;
    flow.view = this.view;
  }

  text(slot: number, text: string): void {
    const { words } = this.flow;
    const { written } = encoder.encodeInto(clipped(text), this.bytes.subarray(this.end));
    words[slot] = this.end;
    words[slot + 1] = written;
    this.end += written;
  }
}

function factsOf(layout: Layout): LayoutFacts {
  const has = (...fields: readonly FieldName[]): boolean => fields.every((field) => layout.has(field));
  const hasIPv4 = has('sourceIPv4', 'destinationIPv4');
  const hasIPv6 = has('sourceIPv6', 'destinationIPv6');
  const isTold = (stem: Stem): boolean => TOLD_FIELDS.some((field) => layout.has(`${stem}${field}`));
  return {
    hasKey: has('protocol', 'sourcePort', 'destinationPort') && (hasIPv4 || hasIPv6),
    hasIPv4,
    hasIPv6,
    hasStart: has('startMs'),
    hasEnd: has('endMs'),
    isSourceTold: isTold('source'),
    isDestinationTold: isTold('destination'),
    octets: new LayoutOctets(layout),
    annotated: new Map(),
  };
}

/** The flow's owner may have other records in which nothing sets them. */
function clearNames({ names }: Flow, stem: Stem): void {
  names[SLOT[`${stem}ContainerName`]] = '';
  names[SLOT[`${stem}PodName`]] = '';
  names[SLOT[`${stem}PodNamespace`]] = '';
}
