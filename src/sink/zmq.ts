/** Flows to whoever subscribes by ZeroMQ: ntopng, which takes them as from a probe of its own maker, or any reader of our lines. */

import { hostname, networkInterfaces, release, type } from 'node:os';
import { deflateSync } from 'node:zlib';
import type { ZmqEndpoint } from '../bytes/zmq-endpoint.ts';
import type { Flow, PlainRecord, PlainValue } from '../flow/flow.ts';
import {
  flowHash,
  hashText,
  MAX_PAYLOAD_OCTETS,
  NtopngFlows,
  type NtopngFlowsOptions,
  uniqueSourceId,
} from './formats/ntopng-flows.ts';
import { type HeaderVersion, writeHeader } from './formats/ntopng-header.ts';
import { InterfaceNames } from './formats/ntopng-interfaces.ts';
import { TLV_START } from './formats/ntopng-tlv.ts';
import {
  counterMessages,
  eventMessage,
  type FeedProbe,
  type FeedStatus,
  helloMessage,
  interfaceName,
  optionMessage,
  templateMessage,
} from './formats/ntopng-topics.ts';
import { plainJson } from './formats/plain-json.ts';
import type { LineFormat, MakeLineFormat } from './ndjson.ts';
import type { Sink } from './sink.ts';
import { type ZmqEvent, ZmqPublisher, type ZmqPublisherOptions } from './zmq-publisher.ts';

/** What a feed is and where it goes. */
export interface ZmqSinkOptions
  extends Pick<ZmqPublisherOptions, 'highWaterMark' | 'curveServerKey' | 'delivery' | 'queueOctets'>,
    Pick<NtopngFlowsOptions, 'format' | 'keys' | 'batchOctets' | 'observationPoint' | 'codeGeneration'> {
  readonly endpoints: readonly ZmqEndpoint[];
  /** Each flow goes to one endpoint, chosen by its peers, rather than to all. */
  readonly isBalanced: boolean;
  readonly payload: 'ntopng' | 'ndjson';
  readonly headerVersion: HeaderVersion;
  readonly isCompressed: boolean;
  /** Whether each subscriber is sent a message of topic `hello`, on which ntopng sends its rules anew. */
  readonly saysHello: boolean;
  /** Which probe this is to ntopng; 0 for a number made of the host's name and the endpoints. */
  readonly sourceId: number;
  /** Version of the program. */
  readonly version: string;
  /** Makes the lines of payload `ndjson`. */
  readonly makeFormat: MakeLineFormat;
  /** The collector's state, for events. */
  readonly status: () => FeedStatus;
  readonly onEvent: (event: ZmqEvent) => void;
}

/** Batches go out after this long, full or not. */
const FLUSH_MS = 1000;
const GREET_MS = 50;
/** ntopng takes a probe for gone after 10 s of silence. */
const EVENT_TICKS = 5;
const TEMPLATE_TICKS = 60;
/** Octets of an event that any ntopng takes. */
const EVENT_OCTETS = 32_000;
/** Longest that a conversion waits for somebody to subscribe. */
const SUBSCRIBER_WAIT_MS = 5000;
/** Buffers kept for the next batches: more than a steady feed has on its way. */
const MAX_SPARE_BUFFERS = 64;
/** Topic of flows and of lines. */
const FLOW_TOPIC = 'flow';
const NEWLINE = 0x0a;
const encoder = new TextEncoder();

/** Sends every record to all endpoints, or to one of them by its peers. */
export class ZmqSink implements Sink {
  /** One for each endpoint. */
  readonly publishers: readonly ZmqPublisher[];
  readonly #options: ZmqSinkOptions;
  readonly #flows: NtopngFlows | undefined;
  readonly #lines: readonly LineFormat[];
  readonly #probe: FeedProbe;
  readonly #timer: NodeJS.Timeout;
  readonly #interfaces = new InterfaceNames();
  /** Room for a full batch each, to be used again. */
  readonly #buffers: ArrayBuffer[] = [];
  readonly #bufferOctets: number;
  #ticks = 0;
  #octetsBefore = 0;
  #packetsBefore = 0;
  #eventMs = Date.now();
  #greeting: NodeJS.Timeout | undefined;
  #isClosed = false;

  /** Opens all endpoints; rejects with one clear error, and leaves nothing open, where one cannot be. */
  static async open(options: ZmqSinkOptions): Promise<ZmqSink> {
    const publishers: ZmqPublisher[] = [];
    let sink: ZmqSink | undefined;
    const onEvent = (event: ZmqEvent): void => {
      if (event.kind === 'subscriber_present') sink?.greet();
      options.onEvent(event);
    };
    // What several publishers send is nobody's to give back.
    const recycles = options.endpoints.length === 1 && options.payload === 'ntopng' && !options.isCompressed;
    const onFree = (payload: Uint8Array): void => sink?.keep(payload);
    try {
      for (const endpoint of options.endpoints)
        publishers.push(await ZmqPublisher.open({ ...options, endpoint, onEvent, ...(recycles && { onFree }) }));
    } catch (error) {
      await Promise.all(publishers.map((publisher) => publisher.close(undefined)));
      throw error;
    }
    sink = new ZmqSink(options, publishers);
    return sink;
  }

  private constructor(options: ZmqSinkOptions, publishers: readonly ZmqPublisher[]) {
    this.#options = options;
    this.publishers = publishers;
    const sourceId =
      options.sourceId || hashText(`${hostname()} ${options.endpoints.map(({ url }) => url).join(' ')}`) || 1;
    this.#probe = {
      version: `flowrelay ${options.version}`,
      hostName: hostname(),
      operatingSystem: `${type()} ${release()}`,
      address: ownAddress(),
      sourceId,
    };
    this.#bufferOctets = options.batchOctets;
    const targets = options.isBalanced ? publishers.length : 1;
    this.#lines =
      options.payload === 'ntopng'
        ? []
        : Array.from({ length: targets }, (_, i) => options.makeFormat((octets) => this.#sendLines(i, octets)));
    if (options.payload === 'ntopng') {
      const batchOctets =
        options.isCompressed && options.headerVersion < 3
          ? Math.min(options.batchOctets, MAX_COMPRESSED)
          : options.batchOctets;
      this.#flows = new NtopngFlows({ ...options, batchOctets, sourceId, targets }, (target, payload, flows) =>
        this.#sendFlows(target, payload, flows),
      );
    }
    this.#timer = setInterval(() => this.#tick(), FLUSH_MS);
  }

  /** Id by which ntopng tells this probe from others. */
  get sourceId(): number {
    return this.#probe.sourceId;
  }

  /** What the flows were made into; undefined for lines. */
  get flows(): NtopngFlows | undefined {
    return this.#flows;
  }

  /** Whether more waits than should: the caller may stop and await {@link ZmqSink.drained}. */
  get mustWait(): boolean {
    for (let i = 0; i < this.publishers.length; i++) if (this.publishers[i]!.mustWait) return true;
    return false;
  }

  write(flow: Flow): void {
    if (this.#flows !== undefined) this.#flows.write(flow);
    else if (this.#lines.length === 1) this.#lines[0]!.write(flow);
    else this.#lines[flowHash(flow) % this.#lines.length]!.write(flow);
  }

  writeRecord(record: PlainRecord): void {
    if (this.#flows === undefined) {
      this.#lines[0]!.writeRecord(record);
      return;
    }
    if (record.recordType === 'counters') {
      const messages = counterMessages(record);
      for (const message of messages) this.#sendJson('counter', message);
      if (messages.length === 0) this.#flows.leftOut.no_message++;
      return;
    }
    const option = optionMessage(record);
    if (option !== undefined) this.#sendJson('option', option);
    const named = interfaceName(record);
    if (named !== undefined) this.#interfaces.learn(record.origin.exporterAddress, named[0], named[1]);
    if (option === undefined && named === undefined) this.#flows.leftOut.no_message++;
  }

  /** Passes on what was heard on a topic that is ntopng's alone. A reader of lines has no use for it. */
  relay(topic: 'snmp-ifaces' | 'listening-ports', value: PlainValue): void {
    if (this.#flows !== undefined) this.#sendJson(topic, plainJson(value));
  }

  private keep(payload: Uint8Array): void {
    if (payload.buffer.byteLength === this.#bufferOctets && this.#buffers.length < MAX_SPARE_BUFFERS)
      this.#buffers.push(payload.buffer as ArrayBuffer);
  }

  /** Tells a new subscriber at once what others have heard. */
  private greet(): void {
    if (this.#flows === undefined || this.#greeting !== undefined) return;
    // Its subscriptions come one by one.
    this.#greeting = setTimeout(() => {
      this.#greeting = undefined;
      if (this.#options.saysHello) this.#sendJson('hello', helloMessage(this.#probe));
      this.#sendNames();
      this.#sendEvent();
    }, GREET_MS);
  }

  /** Settles when every endpoint has a subscriber, or after a while. Only a conversion waits. */
  async ready(): Promise<void> {
    if (this.#options.delivery !== 'wait') return;
    await Promise.all(this.publishers.map((publisher) => publisher.subscribed(SUBSCRIBER_WAIT_MS)));
  }

  /** Settles when nothing waits any more. */
  async drained(): Promise<void> {
    await Promise.all(this.publishers.map((publisher) => publisher.drained()));
  }

  async flush(): Promise<void> {
    this.#flushBatches();
    await this.drained();
  }

  async close(): Promise<void> {
    if (this.#isClosed) return;
    this.#isClosed = true;
    clearInterval(this.#timer);
    clearTimeout(this.#greeting);
    this.#flushBatches();
    if (this.#flows !== undefined) {
      this.#sendChangedInterfaces();
      this.#sendEvent();
    }
    // A reader of lines need not expect a message without any.
    const last = this.#flows === undefined ? undefined : () => this.#emptyMessage();
    await Promise.all(this.publishers.map((publisher) => publisher.close(last)));
  }

  #tick(): void {
    this.#ticks++;
    this.#flushBatches();
    if (this.#flows === undefined) return;
    if (this.#ticks % TEMPLATE_TICKS === 0) this.#sendNames();
    else this.#sendChangedInterfaces();
    if (this.#ticks % EVENT_TICKS === 0) this.#sendEvent();
  }

  #flushBatches(): void {
    this.#flows?.flush();
    for (const lines of this.#lines) lines.flush();
  }

  #sendFlows(target: number, payload: Uint8Array, flows: number): void {
    const { format, isBalanced } = this.#options;
    const { length } = payload;
    // A record that alone is longer than a batch is rare.
    const buffer =
      length > this.#bufferOctets
        ? undefined
        : (this.#buffers.pop() ?? (Buffer.allocUnsafeSlow(this.#bufferOctets).buffer as ArrayBuffer));
    const copy = buffer === undefined ? new Uint8Array(length) : new Uint8Array(buffer, 0, length);
    copy.set(payload);
    this.#send(FLOW_TOPIC, copy, format === 'tlv', flows, isBalanced ? target : -1);
  }

  /** To one publisher, or to all. */
  #sendJson(topic: string, text: string, target = -1): void {
    const payload = encoder.encode(text);
    if (payload.length > MAX_PAYLOAD_OCTETS) this.#flows!.leftOut.too_large++;
    else this.#send(topic, payload, false, 0, target);
  }

  /** To one publisher, or to all for -1. */
  #send(topic: string, payload: Uint8Array, isTlv: boolean, flows: number, target: number): void {
    const { headerVersion, isCompressed } = this.#options;
    // The first two forms of the header have no way to say that TLV is compressed.
    const compresses = isCompressed && (headerVersion === 3 || (!isTlv && payload.length <= MAX_COMPRESSED));
    const body = !compresses ? payload : compressed(payload, headerVersion);
    for (let i = 0; i < this.publishers.length; i++) {
      if (target >= 0 && target !== i) continue;
      this.publishers[i]!.send(topic, this.#header(topic, isTlv, compresses, payload.length), body, flows);
    }
  }

  #header(topic: string, isTlv: boolean, isCompressed: boolean, payloadOctets: number): Uint8Array {
    const { sourceId } = this.#probe;
    return writeHeader({
      version: this.#options.headerVersion,
      topic,
      sourceId,
      isTlv,
      isCompressed,
      payloadOctets,
    });
  }

  #emptyMessage(): { header: Uint8Array | string; payload: Uint8Array } {
    const isTlv = this.#options.format === 'tlv';
    const payload = isTlv ? Uint8Array.from(TLV_START) : encoder.encode('[]');
    return { header: this.#header(FLOW_TOPIC, isTlv, false, payload.length), payload };
  }

  /** Whole lines, as many as a batch may hold. */
  #sendLines(target: number, octets: Uint8Array): void {
    const { batchOctets } = this.#options;
    for (let start = 0; start < octets.length; ) {
      let end = octets.length;
      if (end - start > batchOctets) {
        end = octets.lastIndexOf(NEWLINE, start + batchOctets - 1) + 1;
        if (end <= start) end = octets.indexOf(NEWLINE, start) + 1;
      }
      const payload = new Uint8Array(octets.subarray(start, end));
      let lines = 0;
      for (let at = payload.indexOf(NEWLINE); at >= 0; at = payload.indexOf(NEWLINE, at + 1)) lines++;
      for (let i = 0; i < this.publishers.length; i++) {
        if (!this.#options.isBalanced || i === target) this.publishers[i]!.send(FLOW_TOPIC, FLOW_TOPIC, payload, lines);
      }
      start = end;
    }
  }

  /** Names of fields and of all interfaces. */
  #sendNames(): void {
    this.#sendJson('template', templateMessage());
    for (const message of this.#interfaces.messages(MAX_PAYLOAD_OCTETS)) this.#sendJson('snmp-ifaces', message);
  }

  #sendChangedInterfaces(): void {
    for (const message of this.#interfaces.changedMessages(MAX_PAYLOAD_OCTETS)) this.#sendJson('snmp-ifaces', message);
  }

  #sendEvent(): void {
    const { octets, packets, flows } = this.#flows!;
    const nowMs = Date.now();
    const seconds = Math.max((nowMs - this.#eventMs) / 1000, 1);
    const totals = {
      octets,
      packets,
      flows,
      octetsPerSecond: (octets - this.#octetsBefore) / seconds,
      packetsPerSecond: (packets - this.#packetsBefore) / seconds,
      endpoints: this.publishers.length,
    };
    this.#octetsBefore = octets;
    this.#packetsBefore = packets;
    this.#eventMs = nowMs;
    const exporterId = (address: string): number => uniqueSourceId(this.#probe.sourceId, address);
    const maxOctets = Math.max(this.#options.batchOctets, EVENT_OCTETS);
    const status = this.#options.status();
    // What another endpoint does not take is nothing to its subscribers.
    this.publishers.forEach(({ dropped }, i) => {
      const flowsDropped = Object.values(dropped).reduce((sum, tally) => sum + tally.flows, 0);
      const text = eventMessage(status, { ...totals, flowsDropped }, this.#probe, nowMs, maxOctets, exporterId);
      this.#sendJson('event', text, i);
    });
  }
}

/** ntopng's room for what it decompresses after the first two forms of the header. */
const MAX_COMPRESSED = 43_000;

function compressed(payload: Uint8Array, headerVersion: HeaderVersion): Uint8Array {
  const stream = deflateSync(payload);
  if (headerVersion === 3) return stream;
  // An octet of zero tells it from text.
  const body = new Uint8Array(stream.length + 1);
  body.set(stream, 1);
  return body;
}

/** An IPv4 address of this machine for ntopng to show. */
function ownAddress(): string {
  for (const addresses of Object.values(networkInterfaces())) {
    for (const { family, internal, address } of addresses ?? []) if (family === 'IPv4' && !internal) return address;
  }
  return '127.0.0.1';
}
