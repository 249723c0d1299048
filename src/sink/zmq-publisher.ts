/**
 * One ZeroMQ socket that publishes. It knows whether somebody is subscribed, has one message on its way into ZeroMQ at a
 * time and a bounded number waiting, and counts what could not go out by reason.
 */

import type { XPublisher } from 'zeromq';
import { type ZmqEndpoint, zmqOpenError } from '../bytes/zmq-endpoint.ts';
import { numberHeader } from './formats/ntopng-header.ts';

/** Why a message did not go out. */
export const ZMQ_DROP_REASONS = ['no_subscriber', 'high_water_mark', 'undelivered', 'send_failed'] as const;
/** One of {@link ZMQ_DROP_REASONS}: nobody subscribed; a subscriber too slow; handed to ZeroMQ but still there at the end; any other failure. */
export type ZmqDropReason = (typeof ZMQ_DROP_REASONS)[number];

/** Messages, and the flows in them. */
export interface ZmqTally {
  messages: number;
  flows: number;
}

/** What an operator should know. */
export type ZmqEvent =
  | { readonly kind: 'subscriber_present'; readonly endpoint: string }
  | { readonly kind: 'subscriber_gone'; readonly endpoint: string }
  | { readonly kind: 'handshake_refused'; readonly endpoint: string; readonly reason: string }
  | { readonly kind: 'drops_began'; readonly endpoint: string }
  | { readonly kind: 'drops_ended'; readonly endpoint: string; readonly messagesDropped: number };

/** How a socket is set up. */
export interface ZmqPublisherOptions {
  readonly endpoint: ZmqEndpoint;
  /** Messages kept for a subscriber that does not take them. */
  readonly highWaterMark: number;
  /** Public key of the collector in Z85, undefined for no encryption. */
  readonly curveServerKey: string | undefined;
  /** `wait`: a slow subscriber is waited for, within reason; `drop`: what does not fit the queue is dropped. */
  readonly delivery: 'drop' | 'wait';
  /** Octets that may wait before a writer should. */
  readonly queueOctets: number;
  readonly onEvent: (event: ZmqEvent) => void;
  /** Gets back payloads of flows that nobody reads any more, for the next; not all come back. */
  readonly onFree?: (payload: Uint8Array) => void;
}

interface Message {
  readonly topic: string;
  readonly header: Uint8Array | string;
  readonly payload: Uint8Array;
  readonly flows: number;
  isNumbered: boolean;
}

/**
 * Messages given to ZeroMQ in advance. What waits, waits here: what ZeroMQ holds is lost with a connection and cannot be
 * counted then. Its sending thread takes 16 messages of 32 KiB in well under a millisecond.
 */
const ZEROMQ_MESSAGES = 16;
/**
 * Messages after which ZeroMQ has let go of one: it has no more than {@link ZEROMQ_MESSAGES} waiting for a subscriber, and one
 * on its way out. Taken twice, to be far from the edge.
 */
const LET_GO_MESSAGES = 2 * (ZEROMQ_MESSAGES + 1);
/** How often a send that ZeroMQ refused is tried again. */
const RETRY_MS = 1;
const MAX_RETRY_MS = 50;
/** A subscriber that takes nothing for this long is no longer waited for. */
const STALL_MS = { drop: 1000, wait: 5000 } as const;
/** How long the others at an endpoint go on without waiting for a subscriber that was too slow. */
const LOSSY_MS = 10_000;
/** Drops are over when none came for this long. */
const CALM_MS = 5000;
/** How long messages are kept for a subscriber that went away. */
const ABSENCE_MS = { drop: 60_000, wait: 5000 } as const;
/** How long the end waits for messages to leave. */
const CLOSE_MS = { drop: 2000, wait: 5000 } as const;
/** Longest ZeroMQ holds the process back after that, for what is already on its way. */
const LINGER_MS = 1000;
const RECONNECT_MS = 100;
const MAX_RECONNECT_MS = 2000;
/** As ntopng sets them at its end: a peer that vanished is found out. */
const KEEPALIVE = { idle: 30, count: 3, interval: 3 } as const;
const SUBSCRIBE = 1;
const MAX_PREFIXES = 1000;
/** Topics whose messages hold flows. */
const FLOW_TOPIC = 'flow';

/** Publishes messages. `offered = sent + dropped (all reasons) + queued` holds for messages and for flows. */
export class ZmqPublisher {
  /** Where it is bound, with the port it got, or what it calls. */
  endpoint: string;
  /** Messages offered. */
  readonly offered: ZmqTally = { messages: 0, flows: 0 };
  /** Messages ZeroMQ took for at least one subscriber. */
  readonly sent: ZmqTally = { messages: 0, flows: 0 };
  /** Messages that did not go out; with several subscribers here, those that ZeroMQ first refused because one was too slow. */
  readonly dropped: Readonly<Record<ZmqDropReason, ZmqTally>> = {
    no_subscriber: { messages: 0, flows: 0 },
    high_water_mark: { messages: 0, flows: 0 },
    undelivered: { messages: 0, flows: 0 },
    send_failed: { messages: 0, flows: 0 },
  };
  /** Octets of payload ZeroMQ took. */
  octetsSent = 0;
  /** Connections that failed for their encryption or protocol. */
  handshakesRefused = 0;

  readonly #options: ZmqPublisherOptions;
  readonly #socket: XPublisher;
  readonly #prefixes = new Set<string>();
  readonly #queue: Message[] = [];
  /** Flows of the messages sent last, as many as ZeroMQ may still hold. */
  readonly #sentFlows = new Uint32Array(ZEROMQ_MESSAGES);
  /** Payloads of the flows sent last, which ZeroMQ may still read: a ring. */
  readonly #sentPayloads: (Uint8Array | undefined)[] = new Array(LET_GO_MESSAGES).fill(undefined);
  #sentPayload = 0;
  #queueOctets = 0;
  #messageId = 0;
  #isSending = false;
  #isClosing = false;
  #isClosed = false;
  #isDown = false;
  /** Connections open, where the socket is bound. */
  #peers = 0;
  #lossyUntilMs = 0;
  #lastDropMs = 0;
  #refusedSinceMs = 0;
  /** Whether the log has the refusal: ZeroMQ tries on, and says of each try something else. */
  #isRefusalTold = false;
  #retry: NodeJS.Timeout | undefined;
  #isDropping = false;
  #dropsAtStart = 0;
  #isPresent = false;
  /** While messages are kept for a subscriber that went away. */
  #absence: NodeJS.Timeout | undefined;
  #waiters: (() => void)[] = [];
  #presenceWaiters: (() => void)[] = [];

  /** Binds or connects. Rejects with one clear error where that cannot be. */
  static async open(options: ZmqPublisherOptions): Promise<ZmqPublisher> {
    // Most runs have no feed: the native module is loaded for those that have.
    const zeromq = await import('zeromq');
    const socket = new zeromq.XPublisher({
      noDrop: true,
      sendTimeout: 0,
      sendHighWaterMark: ZEROMQ_MESSAGES,
      linger: LINGER_MS,
      reconnectInterval: RECONNECT_MS,
      reconnectMaxInterval: MAX_RECONNECT_MS,
      tcpKeepalive: 1,
      tcpKeepaliveIdle: KEEPALIVE.idle,
      tcpKeepaliveCount: KEEPALIVE.count,
      tcpKeepaliveInterval: KEEPALIVE.interval,
      ipv6: options.endpoint.url.includes('['),
    });
    const { url, isBound } = options.endpoint;
    try {
      if (options.curveServerKey !== undefined) {
        // The collector takes any client: these keys live as long as the socket.
        const { publicKey, secretKey } = zeromq.curveKeyPair();
        socket.curvePublicKey = publicKey;
        socket.curveSecretKey = secretKey;
        socket.curveServerKey = options.curveServerKey;
      }
      const publisher = new ZmqPublisher(options, socket);
      if (isBound) {
        await socket.bind(url);
        publisher.endpoint = socket.lastEndpoint ?? url;
      } else {
        socket.connect(url);
      }
      void publisher.#watchSubscriptions();
      return publisher;
    } catch (error) {
      socket.close();
      throw await zmqOpenError(error as NodeJS.ErrnoException, options.endpoint);
    }
  }

  private constructor(options: ZmqPublisherOptions, socket: XPublisher) {
    this.#options = options;
    this.#socket = socket;
    this.endpoint = options.endpoint.url;
    this.#watchConnection();
  }

  /** Whether somebody takes flows, as far as is known. */
  get hasSubscriber(): boolean {
    return this.#isPresent;
  }

  /** Messages and flows waiting here. */
  get queued(): ZmqTally {
    let flows = 0;
    for (const message of this.#queue) flows += message.flows;
    return { messages: this.#queue.length, flows };
  }

  /** Octets waiting here. */
  get octetsQueued(): number {
    return this.#queueOctets;
  }

  /** Whether more waits than should. */
  get mustWait(): boolean {
    return this.#queueOctets > this.#options.queueOctets;
  }

  /** Takes one message; `payload` is not changed any more. */
  send(topic: string, header: Uint8Array | string, payload: Uint8Array, flows: number): void {
    this.offered.messages++;
    this.offered.flows += flows;
    const message = { topic, header, payload, flows, isNumbered: false };
    if (this.#isClosed) {
      this.#drop(message, 'no_subscriber');
      return;
    }
    if (this.#options.delivery === 'drop' && this.#queue.length >= this.#options.highWaterMark) {
      this.#drop(message, 'high_water_mark');
      return;
    }
    this.#queue.push(message);
    this.#queueOctets += payload.length;
    this.#pump();
  }

  /** Settles when somebody takes flows, or after `timeoutMs`. */
  async subscribed(timeoutMs: number): Promise<void> {
    if (this.#isPresent) return;
    await new Promise<void>((resolve) => {
      const timer = setTimeout(resolve, timeoutMs);
      this.#presenceWaiters.push(() => {
        clearTimeout(timer);
        resolve();
      });
    });
  }

  /** Settles when nothing waits any more. */
  async drained(): Promise<void> {
    while (this.#queue.length > 0 || this.#isSending) {
      await new Promise<void>((resolve) => {
        this.#waiters.push(resolve);
      });
    }
  }

  /**
   * Sends what waits, waits a while for it to leave, counts what did not, and closes. `last` makes an empty message of topic
   * flow, by which that is found out. Without it the last messages count as sent, and ZeroMQ gets its time for them, unless a
   * subscriber has taken none all the while.
   */
  async close(last: (() => { header: Uint8Array | string; payload: Uint8Array }) | undefined): Promise<void> {
    if (this.#isClosing) return;
    this.#isClosing = true;
    if (this.#options.delivery === 'drop' && this.#absence !== undefined) this.#giveUp();
    const endMs = Date.now() + CLOSE_MS[this.#options.delivery];
    let timer: NodeJS.Timeout | undefined;
    const isLate = new Promise<void>((resolve) => {
      timer = setTimeout(resolve, CLOSE_MS[this.#options.delivery]);
    });
    await Promise.race([this.drained(), isLate]);
    clearTimeout(timer);
    this.#isClosed = true;
    clearTimeout(this.#retry);
    clearTimeout(this.#absence);
    const isStalled = this.#isPresent && this.#queue.length > 0;
    for (const message of this.#queue) this.#drop(message, this.#isPresent ? 'high_water_mark' : 'no_subscriber');
    this.#queue.length = 0;
    this.#queueOctets = 0;
    this.#wake();
    // What is counted as undelivered is not to arrive after all.
    if (last !== undefined) this.#socket.linger = (await this.#hasLeft(last, endMs)) ? LINGER_MS : 0;
    else if (isStalled) {
      this.#countUndelivered(ZEROMQ_MESSAGES);
      this.#socket.linger = 0;
    } else this.#socket.linger = this.sent.messages === 0 ? 0 : Math.max(endMs - Date.now(), LINGER_MS);
    this.#tellDropsEnded();
    this.#socket.close();
  }

  #pump(): void {
    while (!this.#isSending && this.#queue.length > 0 && !this.#isClosed && this.#absence === undefined) {
      const message = this.#queue[0]!;
      if (this.#takes(message.topic)) {
        this.#number(message);
        this.#isSending = true;
        clearTimeout(this.#retry);
        void this.#transmit(message);
        return;
      }
      this.#shift();
      this.#drop(message, 'no_subscriber');
    }
    if (this.#queue.length === 0) this.#wake();
  }

  async #transmit(message: Message): Promise<void> {
    const frames = [message.header, message.payload];
    try {
      await this.#socket.send(frames);
      this.#count(message);
    } catch (error) {
      const { code } = error as NodeJS.ErrnoException;
      if (code !== 'EAGAIN') {
        this.#shiftIf(message);
        this.#drop(message, 'send_failed');
      } else if (!(await this.#hold(message, frames))) {
        return;
      }
    }
    this.#isSending = false;
    this.#pump();
  }

  /**
   * A subscriber does not take what ZeroMQ has for it: the message is tried again, or let go. True when it is done with.
   * Where there are others, they go on without the slow one.
   */
  async #hold(message: Message, frames: (Uint8Array | string)[]): Promise<boolean> {
    const nowMs = Date.now();
    if (this.#refusedSinceMs === 0) this.#refusedSinceMs = nowMs;
    const stalledMs = nowMs - this.#refusedSinceMs;
    const isStalled = stalledMs >= STALL_MS[this.#options.delivery] || nowMs < this.#lossyUntilMs;
    const hasOthers = this.#peers > 1;
    if (this.#absence !== undefined || !isStalled || !(hasOthers || this.#options.delivery === 'wait')) {
      const delayMs = Math.min(MAX_RETRY_MS, RETRY_MS + stalledMs / 20);
      this.#retry = setTimeout(() => {
        this.#isSending = false;
        this.#pump();
      }, delayMs);
      return false;
    }
    this.#shiftIf(message);
    this.#drop(message, 'high_water_mark');
    if (hasOthers) {
      this.#lossyUntilMs = nowMs + LOSSY_MS;
      await this.#sendToOthers(frames);
    }
    return true;
  }

  /** For one message, subscribers that have no room are passed over. */
  async #sendToOthers(frames: (Uint8Array | string)[]): Promise<void> {
    this.#keepSent();
    try {
      setNoDrop(this.#socket, false);
      await this.#socket.send(frames);
    } catch {
      // It is counted already.
    } finally {
      if (!this.#socket.closed) setNoDrop(this.#socket, true);
    }
  }

  #count(message: Message): void {
    this.#refusedSinceMs = 0;
    this.#shiftIf(message);
    this.#sentFlows[this.sent.messages % ZEROMQ_MESSAGES] = message.flows;
    this.sent.messages++;
    this.sent.flows += message.flows;
    this.octetsSent += message.payload.length;
    if (message.flows > 0) this.#recycle(message.payload);
    if (this.#isDropping && Date.now() - this.#lastDropMs > CALM_MS) this.#tellDropsEnded();
  }

  /** Payloads come back for the next flows: fresh memory for each costs as much as writing it. */
  #recycle(payload: Uint8Array): void {
    const { onFree } = this.#options;
    if (onFree === undefined) return;
    const ring = this.#sentPayloads;
    const left = ring[this.#sentPayload];
    ring[this.#sentPayload] = payload;
    this.#sentPayload = (this.#sentPayload + 1) % LET_GO_MESSAGES;
    // Of several subscribers one may be passed over while it still holds older messages.
    if (left !== undefined && this.#peers <= 1) onFree(left);
  }

  /** What one subscriber held before is no longer followed by the same messages: it never comes back. */
  #keepSent(): void {
    this.#sentPayloads.fill(undefined);
  }

  #shift(): void {
    const message = this.#queue.shift()!;
    this.#queueOctets -= message.payload.length;
  }

  /** The end may have emptied the queue meanwhile. */
  #shiftIf(message: Message): void {
    if (this.#queue[0] === message) this.#shift();
  }

  /**
   * Subscribers take a gap in the numbers for a loss: a message on a topic that nobody has subscribed to gets none, one that is
   * dropped for its subscribers' sake does.
   */
  #number(message: Message): void {
    if (message.isNumbered) return;
    message.isNumbered = true;
    if (typeof message.header !== 'string') numberHeader(message.header, this.#messageId);
    this.#messageId = (this.#messageId + 1) >>> 0;
  }

  #drop(message: Message, reason: ZmqDropReason): void {
    if (reason !== 'no_subscriber') this.#number(message);
    const tally = this.dropped[reason];
    tally.messages++;
    tally.flows += message.flows;
    if (reason !== 'high_water_mark') return;
    this.#lastDropMs = Date.now();
    if (this.#isDropping) return;
    this.#isDropping = true;
    this.#dropsAtStart = tally.messages - 1;
    this.#options.onEvent({ kind: 'drops_began', endpoint: this.endpoint });
  }

  #tellDropsEnded(): void {
    if (!this.#isDropping) return;
    this.#isDropping = false;
    const messagesDropped = this.dropped.high_water_mark.messages - this.#dropsAtStart;
    this.#options.onEvent({ kind: 'drops_ended', endpoint: this.endpoint, messagesDropped });
  }

  #takes(topic: string): boolean {
    for (const prefix of this.#prefixes) if (topic.startsWith(prefix)) return true;
    return false;
  }

  /** ZeroMQ tells of the first subscription to a prefix and of the end of the last. */
  async #watchSubscriptions(): Promise<void> {
    try {
      for (;;) {
        const [frame] = await this.#socket.receive();
        if (frame === undefined || frame.length === 0) continue;
        const prefix = frame.toString('latin1', 1);
        this.#keepSent();
        if (frame[0] !== SUBSCRIBE) this.#prefixes.delete(prefix);
        else if (this.#prefixes.size < MAX_PREFIXES) this.#prefixes.add(prefix);
        this.#tellPresence();
        this.#pump();
      }
    } catch {
      // The socket was closed.
    }
  }

  #watchConnection(): void {
    const { events } = this.#socket;
    const refuse = (reason: string): void => {
      this.handshakesRefused++;
      if (this.#isRefusalTold) return;
      this.#isRefusalTold = true;
      this.#options.onEvent({ kind: 'handshake_refused', endpoint: this.endpoint, reason });
    };
    events.on('handshake', () => {
      this.#isRefusalTold = false;
      this.#isDown = false;
      this.#tellPresence();
    });
    events.on('accept', () => {
      this.#keepSent();
      this.#peers++;
    });
    events.on('disconnect', () => {
      this.#keepSent();
      this.#peers = Math.max(0, this.#peers - 1);
      // Of a socket that is bound the subscriptions tell.
      if (this.#options.endpoint.isBound) return;
      this.#isDown = true;
      this.#tellPresence();
    });
    events.on('handshake:error:auth', () => refuse('the other end refuses this key'));
    events.on('handshake:error:protocol', ({ error }) => refuse(handshakeReason(error.code, this.#options)));
    events.on('handshake:error:other', () => refuse(handshakeReason('', this.#options)));
  }

  #tellPresence(): void {
    const isPresent = this.#takes(FLOW_TOPIC) && !this.#isDown;
    if (isPresent === this.#isPresent) return;
    this.#isPresent = isPresent;
    clearTimeout(this.#absence);
    if (isPresent) {
      this.#absence = undefined;
      const waiters = this.#presenceWaiters;
      this.#presenceWaiters = [];
      for (const resolve of waiters) resolve();
    } else {
      this.#absence = setTimeout(() => this.#giveUp(), ABSENCE_MS[this.#options.delivery]);
    }
    this.#options.onEvent({ kind: isPresent ? 'subscriber_present' : 'subscriber_gone', endpoint: this.endpoint });
  }

  /** The subscriber did not come back. */
  #giveUp(): void {
    clearTimeout(this.#absence);
    this.#absence = undefined;
    if (this.#isPresent || this.#isClosed) return;
    for (const message of this.#queue) {
      this.#number(message);
      this.#drop(message, 'no_subscriber');
    }
    this.#queue.length = 0;
    this.#queueOctets = 0;
    this.#wake();
  }

  /**
   * Whether all that was sent has left ZeroMQ, tried until `endMs`. It takes a message only while it holds fewer than
   * {@link ZEROMQ_MESSAGES}: when it has taken that many more, the ones before are gone. The others are counted.
   */
  async #hasLeft(last: () => { header: Uint8Array | string; payload: Uint8Array }, endMs: number): Promise<boolean> {
    let taken = 0;
    if (this.sent.messages === 0) return true;
    while (taken < ZEROMQ_MESSAGES && this.#takes(FLOW_TOPIC)) {
      if (await this.#offer(last())) taken++;
      else if (Date.now() < endMs && !(this.#isDown && this.#options.delivery === 'drop'))
        await new Promise((resolve) => setTimeout(resolve, RETRY_MS));
      else break;
    }
    if (taken === ZEROMQ_MESSAGES) return true;
    this.#countUndelivered(ZEROMQ_MESSAGES - taken);
    return false;
  }

  #countUndelivered(most: number): void {
    const messages = Math.min(most, this.sent.messages);
    for (let i = 1; i <= messages; i++) {
      const flows = this.#sentFlows[(this.sent.messages - i) % ZEROMQ_MESSAGES]!;
      this.dropped.undelivered.flows += flows;
      this.sent.flows -= flows;
    }
    this.dropped.undelivered.messages += messages;
    this.sent.messages -= messages;
  }

  async #offer({ header, payload }: { header: Uint8Array | string; payload: Uint8Array }): Promise<boolean> {
    if (typeof header !== 'string') numberHeader(header, this.#messageId);
    try {
      await this.#socket.send([header, payload]);
      this.#messageId = (this.#messageId + 1) >>> 0;
      return true;
    } catch {
      return false;
    }
  }

  #wake(): void {
    const waiters = this.#waiters;
    this.#waiters = [];
    for (const resolve of waiters) resolve();
  }
}

/** The package warns that this takes effect with the next connection only, which is not so: the socket asks it for each message. */
function setNoDrop(socket: XPublisher, isOn: boolean): void {
  const { emitWarning } = process;
  process.emitWarning = () => {};
  try {
    socket.noDrop = isOn;
  } finally {
    process.emitWarning = emitWarning;
  }
}

function handshakeReason(code: string, { curveServerKey }: ZmqPublisherOptions): string {
  if (curveServerKey !== undefined)
    return `the encryption keys do not match, or the other end does not encrypt (${code || 'no detail'})`;
  return `the other end may want encryption, or is no ZeroMQ subscriber (${code || 'no detail'})`;
}
