import { setTimeout as sleep } from 'node:timers/promises';
import { afterEach, describe, expect, it } from 'vitest';
import { curveKeyPair, Subscriber } from 'zeromq';
import type { ZmqEndpoint } from '../../src/bytes/zmq-endpoint.ts';
import { SLOT } from '../../src/flow/fields.ts';
import { FlowJson } from '../../src/sink/formats/flow-json.ts';
import { ZmqSink, type ZmqSinkOptions } from '../../src/sink/zmq.ts';
import type { ZmqEvent, ZmqPublisher } from '../../src/sink/zmq-publisher.ts';
import { makeFlow } from '../support/flow-builder.ts';
import { freePort } from '../support/free-port.ts';
import { readTlv } from '../support/tlv-reader.ts';

const open: { close(): unknown }[] = [];
afterEach(async () => {
  for (const each of open.splice(0).reverse()) await each.close();
});

const events: ZmqEvent[] = [];

function at(url: string, isBound: boolean): ZmqEndpoint {
  return { url, host: '127.0.0.1', port: 0, isBound };
}

async function sinkAt(endpoints: readonly string[], options: Partial<ZmqSinkOptions> = {}): Promise<ZmqSink> {
  events.length = 0;
  const sink = await ZmqSink.open({
    endpoints: endpoints.map((url) => at(url, true)),
    isBalanced: false,
    payload: 'ntopng',
    format: 'tlv',
    keys: 'numeric',
    headerVersion: 1,
    isCompressed: false,
    saysHello: false,
    batchOctets: 4096,
    highWaterMark: 50,
    queueOctets: 8_388_608,
    curveServerKey: undefined,
    delivery: 'drop',
    sourceId: 5,
    observationPoint: 0,
    codeGeneration: true,
    version: 'test',
    status: () => ({
      netflowFlows: 0,
      sflowSamples: 0,
      sflowDrops: 0,
      collectionDrops: 0,
      socketDrops: 0,
      collectionPort: 0,
      exporters: [],
    }),
    makeFormat: (drain) =>
      new FlowJson(
        { names: 'ntop', fields: undefined, upscale: false, recordTypes: new Set(['flow']), codeGeneration: true },
        drain,
      ),
    onEvent: (event) => events.push(event),
    ...options,
  });
  open.push(sink);
  return sink;
}

/** A subscriber that keeps what it gets. */
class Taker {
  readonly messages: { topic: string; header: Buffer; payload: Buffer }[] = [];
  readonly socket: Subscriber;
  /** Flows in them. */
  flows = 0;

  constructor(options: ConstructorParameters<typeof Subscriber>[0] = {}, topics: readonly string[] = ['']) {
    this.socket = new Subscriber(options);
    this.socket.subscribe(...topics);
    open.push(this);
  }

  connect(address: string): this {
    this.socket.connect(address);
    void this.take();
    return this;
  }

  async bind(address: string): Promise<string> {
    await this.socket.bind(address);
    void this.take();
    return this.socket.lastEndpoint!;
  }

  async take(): Promise<void> {
    try {
      for await (const [header, payload] of this.socket) {
        const topic = header!.toString('latin1', 0, 16).replace(/\0.*/, '');
        this.messages.push({ topic, header: header!, payload: payload! });
        if (topic === 'flow' && header![16] === 3) this.flows += readTlv(payload!).length;
      }
    } catch {
      // Closed.
    }
  }

  close(): void {
    if (!this.socket.closed) this.socket.close();
  }
}

async function until(isTrue: () => boolean, what: string): Promise<void> {
  for (const endMs = Date.now() + 30_000; !isTrue(); await sleep(2)) {
    if (Date.now() > endMs) throw new Error(`not within 30 s: ${what}`);
  }
}

const FLOW = makeFlow({
  fields: {
    sourceIPv4: 1,
    destinationIPv4: 2,
    sourcePort: 3,
    destinationPort: 4,
    protocol: 17,
    octets: 5,
    packets: 6,
    startMs: 7000,
    endMs: 8000,
  },
});

/** Writes until ZeroMQ and the kernel take no more for a subscriber that reads nothing. */
async function fillUp(sink: ZmqSink, publisher: ZmqPublisher): Promise<void> {
  for (let [sent, looks] = [-1, 0]; looks < 100; await sleep(2)) {
    if (publisher.queued.messages < 10) write(sink, 2000);
    looks = publisher.sent.messages === sent ? looks + 1 : 0;
    sent = publisher.sent.messages;
  }
}

function write(sink: ZmqSink, flows: number): void {
  for (let i = 0; i < flows; i++) sink.write(FLOW);
}

function expectSumsToHold({ offered, sent, dropped, queued }: ZmqPublisher): void {
  for (const value of ['messages', 'flows'] as const) {
    const drops = Object.values(dropped).reduce((sum, tally) => sum + tally[value], 0);
    expect(offered[value]).toBe(sent[value] + drops + queued[value]);
  }
}

describe('a ZeroMQ feed', () => {
  it('delivers flows and says who is there', async () => {
    const sink = await sinkAt(['tcp://127.0.0.1:0']);
    const [publisher] = sink.publishers;
    const taker = new Taker().connect(publisher!.endpoint);
    await until(() => publisher!.hasSubscriber, 'a subscriber');
    write(sink, 1000);
    await sink.flush();
    await until(() => taker.flows === 1000, 'all flows');
    expect(publisher!.sent.flows).toBe(1000);
    expectSumsToHold(publisher!);
    await until(() => taker.messages.some(({ topic }) => topic === 'event'), 'an event');
    expect(taker.messages.map(({ topic }) => topic)).toContain('template');
    taker.close();
    await until(() => !publisher!.hasSubscriber, 'its end');
    expect(events.map(({ kind }) => kind)).toEqual(['subscriber_present', 'subscriber_gone']);
  });

  it('tells each endpoint of its own losses alone', async () => {
    const sink = await sinkAt(['tcp://127.0.0.1:0', 'tcp://127.0.0.1:0']);
    const [taken, missed] = sink.publishers;
    const taker = new Taker().connect(taken!.endpoint);
    await until(() => taken!.hasSubscriber, 'a subscriber');
    write(sink, 1000);
    await sink.flush();
    await until(() => taker.flows === 1000, 'all flows');
    expect(missed!.dropped.no_subscriber.flows).toBe(1000);
    const late = new Taker({}, ['event']).connect(missed!.endpoint);
    const dropsOf = ({ messages }: Taker) =>
      messages
        .filter(({ topic }) => topic === 'event')
        .map(({ payload }) => JSON.parse(payload.toString()).drops.export_queue_full as number);
    await until(() => dropsOf(late).length > 0, 'an event there');
    await until(() => dropsOf(taker).length > 1, 'an event here after the loss');
    expect(dropsOf(late)).toContain(1000);
    expect(new Set(dropsOf(taker))).toEqual(new Set([0]));
  });

  it('numbers messages one by one, under one source id', async () => {
    const sink = await sinkAt(['tcp://127.0.0.1:0'], { sourceId: 0x1_0203 });
    const taker = new Taker().connect(sink.publishers[0]!.endpoint);
    await until(() => sink.publishers[0]!.hasSubscriber, 'a subscriber');
    write(sink, 500);
    await sink.close();
    await until(() => taker.flows === 500, 'all flows');
    const ids = taker.messages.map(({ header }) => header.readUInt32BE(20));
    expect(ids).toEqual(ids.map((_, i) => ids[0]! + i));
    expect(new Set(taker.messages.map(({ header }) => header[17]))).toEqual(new Set([3]));
    expect(new Set(taker.messages.filter(({ topic }) => topic !== 'flow').map(({ header }) => header[16]))).toEqual(
      new Set([2]),
    );
  });

  it('counts what nobody takes', async () => {
    const sink = await sinkAt(['tcp://127.0.0.1:0']);
    write(sink, 1000);
    await sink.flush();
    const [publisher] = sink.publishers;
    expect(publisher!.dropped.no_subscriber.flows).toBe(1000);
    expect(publisher!.octetsQueued).toBe(0);
    expectSumsToHold(publisher!);
  });

  it('serves late subscribers, and two at a time', async () => {
    const sink = await sinkAt(['tcp://127.0.0.1:0']);
    const [publisher] = sink.publishers;
    write(sink, 10);
    await sink.flush();
    const first = new Taker().connect(publisher!.endpoint);
    await until(() => publisher!.hasSubscriber, 'the first');
    const second = new Taker({}, ['flow']).connect(publisher!.endpoint);
    // Nobody is told of the second: it is there once something has reached it.
    await until(() => {
      write(sink, 1);
      void sink.flush();
      return second.flows > 0;
    }, 'the second');
    await sink.flush();
    await until(() => first.flows === publisher!.sent.flows, 'flows at the first');
    const lastOf = ({ messages }: Taker) => messages.findLast(({ topic }) => topic === 'flow')?.header.readUInt32BE(20);
    await until(() => lastOf(second) === lastOf(first), 'flows at the second');
    const before = [first.flows, second.flows];
    write(sink, 100);
    await sink.flush();
    await until(() => first.flows >= before[0]! + 100 && second.flows >= before[1]! + 100, 'flows at both');
    expect([first.flows, second.flows]).toEqual(before.map((flows) => flows + 100));
    expect(new Set(second.messages.map(({ topic }) => topic))).toEqual(new Set(['flow']));
  });

  it('keeps flows for a subscriber that is restarted, up to the high-water mark', async () => {
    const sink = await sinkAt(['tcp://127.0.0.1:0'], { highWaterMark: 10 });
    const [publisher] = sink.publishers;
    const first = new Taker().connect(publisher!.endpoint);
    await until(() => publisher!.hasSubscriber, 'the first');
    first.close();
    await until(() => !publisher!.hasSubscriber, 'its end');
    write(sink, 100);
    await Promise.race([sink.flush(), sleep(50)]);
    expect(publisher!.queued.flows).toBe(100);
    write(sink, 1000);
    await Promise.race([sink.flush(), sleep(50)]);
    expect(publisher!.queued.messages).toBe(10);
    expect(publisher!.dropped.high_water_mark.flows).toBeGreaterThan(0);
    expectSumsToHold(publisher!);
    const kept = publisher!.queued.flows;
    const second = new Taker().connect(publisher!.endpoint);
    await until(() => second.flows === kept, 'what was kept');
    expect(publisher!.sent.flows).toBe(kept);
  });

  it('writes over no batch that a subscriber has yet to get', async () => {
    const sink = await sinkAt(['tcp://127.0.0.1:0'], { batchOctets: 16_000, highWaterMark: 1000 });
    const [publisher] = sink.publishers;
    // Its queue holds one message: most wait where they were written.
    const socket = new Subscriber({ receiveHighWaterMark: 1, receiveBufferSize: 4096 });
    open.push({ close: () => socket.close() });
    socket.subscribe('flow');
    socket.connect(publisher!.endpoint);
    await until(() => publisher!.hasSubscriber, 'the subscriber');
    const flow = makeFlow({ fields: { sourceIPv4: 1, destinationIPv4: 2, octets: 5, packets: 6 } });
    let written = 0;
    const offer = (flows: number): void => {
      for (const end = written + flows; written < end; written++) {
        flow.words[SLOT.sourceIPv4] = written;
        sink.write(flow);
      }
    };
    // Until ZeroMQ takes no more, and then what would be written over.
    while (publisher!.queued.messages < 20) {
      offer(500);
      await sleep(0);
    }
    const flows = written + 40_000;
    const sources: unknown[] = [];
    while (sources.length < flows) {
      if (written < flows) offer(500);
      else void sink.flush();
      const [, payload] = await socket.receive();
      sources.push(...readTlv(payload!).map((record) => record[8]));
    }
    expect(sources).toEqual(Array.from({ length: written }, (_, i) => i));
    expectSumsToHold(publisher!);
  });

  it('does not wait for a subscriber that stalls, and others go on', async () => {
    const sink = await sinkAt(['tcp://127.0.0.1:0'], { batchOctets: 32_000 });
    const [publisher] = sink.publishers;
    // It never receives: its own queue and the kernel's fill up.
    const stalled = new Subscriber({ receiveHighWaterMark: 1, receiveBufferSize: 4096 });
    open.push(stalled);
    stalled.subscribe('');
    stalled.connect(publisher!.endpoint);
    await until(() => publisher!.hasSubscriber, 'the stalled one');
    const taker = new Taker().connect(publisher!.endpoint);
    await until(() => taker.messages.length > 0, 'what each subscriber is told');
    await until(() => {
      write(sink, 1000);
      expect(publisher!.queued.messages).toBeLessThanOrEqual(51);
      return publisher!.dropped.high_water_mark.flows > 0;
    }, 'drops');
    await until(() => publisher!.queued.messages < 10, 'a queue that moves again');
    expect(publisher!.dropped.high_water_mark.flows).toBeGreaterThan(0);
    expectSumsToHold(publisher!);
    await sink.flush();
    const before = taker.flows;
    write(sink, 5000);
    await sink.flush();
    await until(() => taker.flows >= before + 5000, 'flows at the other one');
    expect(events.filter(({ kind }) => kind === 'drops_began')).toHaveLength(1);
  });

  it('counts at its end what a stalled subscriber never took', async () => {
    const sink = await sinkAt(['tcp://127.0.0.1:0'], { batchOctets: 32_000 });
    const [publisher] = sink.publishers;
    const stalled = new Subscriber({ receiveHighWaterMark: 1, receiveBufferSize: 4096 });
    open.push(stalled);
    stalled.subscribe('');
    stalled.connect(publisher!.endpoint);
    await until(() => publisher!.hasSubscriber, 'the stalled one');
    await fillUp(sink, publisher!);
    await sink.close();
    expect(publisher!.dropped.undelivered.messages).toBeGreaterThan(0);
    expect(publisher!.queued.messages).toBe(0);
    expectSumsToHold(publisher!);
  });

  it('counts lines that a stalled subscriber never took, too', async () => {
    const sink = await sinkAt(['tcp://127.0.0.1:0'], { batchOctets: 32_000, payload: 'ndjson' });
    const [publisher] = sink.publishers;
    const socket = new Subscriber({ receiveHighWaterMark: 1, receiveBufferSize: 4096 });
    open.push({ close: () => socket.close() });
    socket.subscribe('');
    socket.connect(publisher!.endpoint);
    await until(() => publisher!.hasSubscriber, 'the stalled one');
    await fillUp(sink, publisher!);
    await sink.close();
    expect(publisher!.dropped.undelivered.messages).toBe(16);
    expectSumsToHold(publisher!);
    // What counts as sent arrives; the one that was on its way out may not.
    let [messages, lines] = [0, 0];
    try {
      for (;;) {
        socket.receiveTimeout = messages < publisher!.sent.messages - 1 ? 30_000 : 500;
        const [, payload] = await socket.receive();
        messages++;
        lines += payload!.toString().split('\n').length - 1;
      }
    } catch {
      expect(messages).toBeGreaterThanOrEqual(publisher!.sent.messages - 1);
      expect(lines).toBeLessThanOrEqual(publisher!.sent.flows + publisher!.dropped.undelivered.flows);
    }
  });

  it('says hello to each subscriber where asked', async () => {
    for (const saysHello of [false, true]) {
      const sink = await sinkAt(['tcp://127.0.0.1:0'], { saysHello });
      const taker = new Taker().connect(sink.publishers[0]!.endpoint);
      await until(() => taker.messages.some(({ topic }) => topic === 'event'), 'what each subscriber is told');
      const hellos = taker.messages.filter(({ topic }) => topic === 'hello');
      expect(hellos).toHaveLength(saysHello ? 1 : 0);
      if (saysHello) expect(JSON.parse(hellos[0]!.payload.toString())).toBeTypeOf('object');
    }
  });

  it('calls a collector that binds, and waits for its return', async () => {
    const first = new Taker();
    const address = await first.bind(`tcp://127.0.0.1:${await freePort()}`);
    const sink = await sinkAt([], { endpoints: [at(address, false)] });
    const [publisher] = sink.publishers;
    await until(() => publisher!.hasSubscriber, 'the collector');
    write(sink, 100);
    await sink.flush();
    await until(() => first.flows === 100, 'flows');
    first.close();
    await until(() => !publisher!.hasSubscriber, 'its end');
    write(sink, 200);
    await Promise.race([sink.flush(), sleep(50)]);
    const second = new Taker();
    // ZeroMQ lets go of an address when it comes to it.
    const isBound = () =>
      second.bind(address).then(
        () => true,
        () => false,
      );
    await expect.poll(isBound).toBe(true);
    await until(() => second.flows === 200, 'flows that were kept');
    expectSumsToHold(publisher!);
  });

  it('feeds several endpoints the same, or each its part', async () => {
    for (const isBalanced of [false, true]) {
      const sink = await sinkAt(['tcp://127.0.0.1:0', 'tcp://127.0.0.1:0'], { isBalanced });
      const takers = sink.publishers.map(({ endpoint }) => new Taker().connect(endpoint));
      await until(() => sink.publishers.every(({ hasSubscriber }) => hasSubscriber), 'subscribers');
      for (let i = 0; i < 200; i++) {
        FLOW.words[0] = i;
        sink.write(FLOW);
      }
      await sink.flush();
      const expected = isBalanced ? 200 : 400;
      await until(() => takers[0]!.flows + takers[1]!.flows === expected, 'flows');
      for (const { flows } of takers) expect(flows).toBeGreaterThan(50);
      for (const { messages } of takers) {
        const ids = messages.map(({ header }) => header.readUInt32BE(20));
        expect(ids).toEqual(ids.map((_, i) => ids[0]! + i));
      }
    }
  });

  it.each([1, 2, 3] as const)('compresses what header %i can say is compressed', async (headerVersion) => {
    const { inflateSync } = await import('node:zlib');
    const sink = await sinkAt(['tcp://127.0.0.1:0'], { headerVersion, isCompressed: true });
    const taker = new Taker().connect(sink.publishers[0]!.endpoint);
    await until(() => sink.publishers[0]!.hasSubscriber, 'a subscriber');
    write(sink, 10);
    await sink.flush();
    await until(
      () => ['event', 'flow'].every((wanted) => taker.messages.some(({ topic }) => topic === wanted)),
      'both',
    );
    const event = taker.messages.find(({ topic }) => topic === 'event')!;
    const flow = taker.messages.find(({ topic }) => topic === 'flow')!;
    if (headerVersion === 3) {
      const plain = inflateSync(flow.payload);
      expect(readTlv(plain)).toHaveLength(10);
      expect([flow.header.length, flow.header[17]]).toEqual([36, 6]);
      expect([flow.header.readUInt32LE(20), flow.header.readUInt32LE(24)]).toEqual([plain.length, plain.length]);
      expect(JSON.parse(inflateSync(event.payload).toString())).toHaveProperty('probe');
    } else {
      expect(readTlv(flow.payload)).toHaveLength(10);
      expect(event.payload[0]).toBe(0);
      expect(JSON.parse(inflateSync(event.payload.subarray(1)).toString())).toHaveProperty('probe');
    }
  });

  it('carries lines, each message whole ones', async () => {
    const sink = await sinkAt(['tcp://127.0.0.1:0'], { payload: 'ndjson', highWaterMark: 500 });
    const taker = new Taker({}, ['flow']).connect(sink.publishers[0]!.endpoint);
    await until(() => sink.publishers[0]!.hasSubscriber, 'a subscriber');
    write(sink, 1000);
    await sink.flush();
    const lines = () => taker.messages.flatMap(({ payload }) => payload.toString().split('\n').filter(Boolean));
    await until(() => lines().length === 1000, 'all lines');
    for (const { header, payload } of taker.messages) {
      expect(header.toString()).toBe('flow');
      expect(payload.length).toBeLessThanOrEqual(4096);
      expect(payload.at(-1)).toBe(10);
    }
    expect(JSON.parse(lines()[0]!)).toMatchObject({ RECORD_TYPE: 'flow', IN_BYTES: 5 });
    expect(sink.publishers[0]!.sent.flows).toBe(1000);
  });

  it('encrypts for a collector that binds, and for one that calls', async () => {
    const { publicKey, secretKey } = curveKeyPair();
    const server = { curveServer: true, curvePublicKey: publicKey, curveSecretKey: secretKey };
    const bound = new Taker(server);
    const address = await bound.bind('tcp://127.0.0.1:0');
    const calling = await sinkAt([], { endpoints: [at(address, false)], curveServerKey: publicKey });
    await until(() => calling.publishers[0]!.hasSubscriber, 'the collector that binds');
    write(calling, 100);
    await calling.flush();
    await until(() => bound.flows === 100, 'flows');
    const waiting = await sinkAt(['tcp://127.0.0.1:0'], { curveServerKey: publicKey });
    const caller = new Taker(server).connect(waiting.publishers[0]!.endpoint);
    await until(() => waiting.publishers[0]!.hasSubscriber, 'the collector that calls');
    write(waiting, 100);
    await waiting.flush();
    await until(() => caller.flows === 100, 'flows');
  });

  it('says once that a key does not match', async () => {
    const right = curveKeyPair();
    const bound = new Taker({ curveServer: true, curvePublicKey: right.publicKey, curveSecretKey: right.secretKey });
    const address = await bound.bind('tcp://127.0.0.1:0');
    const sink = await sinkAt([], {
      endpoints: [at(address, false)],
      curveServerKey: curveKeyPair().publicKey,
    });
    await until(() => sink.publishers[0]!.handshakesRefused > 0, 'a refusal');
    await sleep(500);
    const refusals = events.filter(({ kind }) => kind === 'handshake_refused');
    expect(refusals).toHaveLength(1);
    expect(refusals[0]).toMatchObject({ reason: expect.stringContaining('keys do not match') });
    write(sink, 10);
    await sink.flush();
    expect(sink.publishers[0]!.dropped.no_subscriber.flows).toBe(10);
  });

  it('does not open where a port is in use, and leaves nothing open', async () => {
    const first = await sinkAt(['tcp://127.0.0.1:0']);
    const taken = first.publishers[0]!.endpoint;
    await expect(sinkAt(['tcp://127.0.0.1:0', taken])).rejects.toThrow(
      `cannot listen on ${taken}: address already in use`,
    );
    await expect(sinkAt(['tcp://no.such.host.invalid:1'])).rejects.toThrow(
      /^cannot listen on tcp:\/\/no.such.host.invalid:1: /,
    );
  });
});
