/** Subscriptions to ntop's ZeroMQ feeds. The native package is loaded for those who listen to one, and only here. */

import type { Subscriber } from 'zeromq';
import { type ZmqEndpoint, zmqOpenError } from '../bytes/zmq-endpoint.ts';

/** Keys in Z85 for the encryption of a subscription (CURVE, ZeroMQ RFC 26). */
export type ZmqEncryption =
  | { readonly role: 'server'; readonly secretKey: string; readonly publicKey: string }
  | { readonly role: 'client'; readonly serverKey: string };

/** What happens to a subscription's connections. */
export type ZmqInputEvent =
  | { readonly kind: 'connected'; readonly peer: string }
  | { readonly kind: 'disconnected'; readonly peer: string }
  | { readonly kind: 'handshake_refused'; readonly reason: string };

/** How to subscribe. */
export interface ZmqInputOptions {
  readonly endpoint: ZmqEndpoint;
  readonly encryption: ZmqEncryption | undefined;
  /** First octets of the messages wanted. */
  readonly topics: readonly string[];
  /** One message; its frames are the receiver's to keep. */
  readonly onMessage: (frames: readonly Uint8Array[]) => void;
  readonly onEvent: (event: ZmqInputEvent) => void;
}

/** Eight times what ntopng takes; who sends more is cut off. */
const MAX_MESSAGE_OCTETS = 1024 * 1024;
/** Messages that may wait here: a burst must not be lost for want of room. */
const HIGH_WATER_MARK = 10_000;
const RECEIVE_BUFFER_OCTETS = 8 * 1024 * 1024;
const RECONNECT_MS = 100;
const MAX_RECONNECT_MS = 2000;
/** As ntopng has them: a publisher that vanished is found out. */
const KEEPALIVE = { idle: 30, count: 3, interval: 3 } as const;
/** Messages taken at once before timers and signals get their turn. */
const MESSAGES_PER_TURN = 64;
/** Longest the end waits for messages to be taken that are here already, and how long none of them is the end. */
const DRAIN_MS = 3000;
const IDLE_MS = 100;

/** One subscription. */
export class ZmqInput {
  /** Where it is bound, with the port it got, or what it calls. */
  url: string;
  messagesReceived = 0;
  octetsReceived = 0;
  /** Connections now up. */
  peers = 0;
  handshakesRefused = 0;
  readonly #options: ZmqInputOptions;
  readonly #socket: Subscriber;
  #isClosing = false;
  #received: Promise<void> = Promise.resolve();
  /** Whether the log has the refusal: ZeroMQ tries on, and says of each try something else. */
  #isRefusalTold = false;

  /** Binds or connects, and begins to receive. Rejects with one clear error where that cannot be. */
  static async open(options: ZmqInputOptions): Promise<ZmqInput> {
    const { endpoint, encryption, topics } = options;
    const zeromq = await import('zeromq');
    const socket = new zeromq.Subscriber({
      receiveHighWaterMark: HIGH_WATER_MARK,
      receiveBufferSize: RECEIVE_BUFFER_OCTETS,
      maxMessageSize: MAX_MESSAGE_OCTETS,
      linger: 0,
      reconnectInterval: RECONNECT_MS,
      reconnectMaxInterval: MAX_RECONNECT_MS,
      tcpKeepalive: 1,
      tcpKeepaliveIdle: KEEPALIVE.idle,
      tcpKeepaliveCount: KEEPALIVE.count,
      tcpKeepaliveInterval: KEEPALIVE.interval,
      ipv6: endpoint.url.includes('['),
    });
    try {
      if (encryption?.role === 'server') {
        socket.curveServer = true;
        socket.curvePublicKey = encryption.publicKey;
        socket.curveSecretKey = encryption.secretKey;
      } else if (encryption?.role === 'client') {
        // Publishers take any client: these keys live as long as the socket.
        const { publicKey, secretKey } = zeromq.curveKeyPair();
        socket.curvePublicKey = publicKey;
        socket.curveSecretKey = secretKey;
        socket.curveServerKey = encryption.serverKey;
      }
      socket.subscribe(...topics);
      const input = new ZmqInput(options, socket);
      if (endpoint.isBound) {
        await socket.bind(endpoint.port === 0 ? endpoint.url.replace(/:0$/, ':*') : endpoint.url);
        input.url = socket.lastEndpoint ?? endpoint.url;
      } else {
        socket.connect(endpoint.url);
      }
      input.#received = input.#receive();
      return input;
    } catch (error) {
      socket.close();
      throw await zmqOpenError(error as NodeJS.ErrnoException, endpoint);
    }
  }

  private constructor(options: ZmqInputOptions, socket: Subscriber) {
    this.#options = options;
    this.#socket = socket;
    this.url = options.endpoint.url;
    this.#watch();
  }

  /** Takes what has come already, for as long as {@link DRAIN_MS} at most, and no more; settles when the last one is through. */
  async close(): Promise<void> {
    if (this.#isClosing) return;
    this.#isClosing = true;
    this.#socket.receiveTimeout = 0;
    let isDone = false;
    void this.#received.then(() => {
      isDone = true;
    });
    const endMs = Date.now() + DRAIN_MS;
    for (let before = -1; !isDone && before !== this.messagesReceived && Date.now() < endMs; ) {
      before = this.messagesReceived;
      await new Promise((resolve) => setTimeout(resolve, IDLE_MS));
    }
    this.#socket.close();
    await this.#received;
  }

  async #receive(): Promise<void> {
    let inTurn = 0;
    for (;;) {
      let frames: readonly Uint8Array[];
      try {
        frames = await this.#socket.receive();
      } catch (error) {
        if (this.#isClosing || this.#socket.closed) return;
        throw error;
      }
      this.messagesReceived++;
      for (let i = 0; i < frames.length; i++) this.octetsReceived += frames[i]!.length;
      this.#options.onMessage(frames);
      // What is there already comes without a turn of the event loop between.
      if (++inTurn < MESSAGES_PER_TURN) continue;
      inTurn = 0;
      await new Promise((resolve) => setImmediate(resolve));
    }
  }

  #watch(): void {
    const { events } = this.#socket;
    const refuse = (reason: string): void => {
      this.handshakesRefused++;
      if (this.#isRefusalTold) return;
      this.#isRefusalTold = true;
      this.#options.onEvent({ kind: 'handshake_refused', reason });
    };
    const up = new Set<string>();
    events.on('handshake', ({ address }) => {
      this.#isRefusalTold = false;
      up.add(address);
      this.peers++;
      this.#options.onEvent({ kind: 'connected', peer: address });
    });
    events.on('disconnect', ({ address }) => {
      // One that was refused never was up.
      if (this.peers === 0 || !up.has(address)) return;
      this.peers--;
      if (this.peers === 0) up.clear();
      this.#options.onEvent({ kind: 'disconnected', peer: address });
    });
    events.on('handshake:error:protocol', () => refuse('the other end is not encrypted, or does not speak ZeroMQ'));
    events.on('handshake:error:auth', () => refuse('the other end refused our key'));
    events.on('handshake:error:other', () =>
      refuse(
        this.#options.encryption === undefined
          ? 'the other end asks for encryption, or went away'
          : 'the other end has another key, no encryption, or went away',
      ),
    );
  }
}
