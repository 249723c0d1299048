/** Why a message, with the flows in it, did not go out. */
export const EXPORT_DROP_REASONS = [
  'queue_full',
  'refused',
  'unreachable',
  'no_buffers',
  'too_long',
  'disconnected',
  'write_failed',
  'closed',
] as const;

/**
 * Why a message did not go out: `queue_full` more waits than may, `refused` nobody listens there, `unreachable` there is no way there,
 * `no_buffers` the kernel has no room, `too_long` a datagram is longer than the way allows, `disconnected` the connection is down,
 * `write_failed` any other fault, `closed` it still waited at the end.
 */
export type ExportDropReason = (typeof EXPORT_DROP_REASONS)[number];

/** Messages and the flows in them. */
export interface ExportTally {
  messages: number;
  flows: number;
}

/** Events worth telling an operator; each is told once until its opposite happens. */
export type ExportEvent =
  | { readonly kind: 'connected'; readonly destination: string }
  | { readonly kind: 'disconnected'; readonly destination: string; readonly reason: string }
  | { readonly kind: 'drops_began'; readonly destination: string; readonly reason: string }
  | { readonly kind: 'drops_ended'; readonly destination: string; readonly messagesDropped: number };

/** What happens to messages that cannot go out at once. */
export interface ExportTransportOptions {
  /** `drop`: they are dropped and counted beyond `queueOctets`. `wait`: the caller awaits {@link ExportTallies.drained} when {@link ExportTransport.mustWait}. */
  readonly delivery: 'drop' | 'wait';
  /** Octets that may wait. */
  readonly queueOctets: number;
  readonly onEvent: (event: ExportEvent) => void;
  /** A new connection or file begins: whoever makes messages announces everything anew. Called between messages. */
  readonly onRestart: () => void;
  /** A message that was taken got lost: whoever makes them announces everything anew. */
  readonly onLoss: () => void;
}

/** Carries messages to one collector or file. `offered = sent + dropped + queued` at any time, in messages and in flows. */
export interface ExportTransport {
  /** As given: `udp://HOST:PORT`, `tcp://HOST:PORT` or a path. */
  readonly destination: string;
  readonly tallies: ExportTallies;
  /** Octets waiting. */
  readonly octetsQueued: number;
  /** Whether more waits than should. */
  readonly mustWait: boolean;
  /** Why nothing more can be sent (`wait` only). */
  readonly failure: Error | undefined;
  /** Takes a message with `flows` flows, of which it copies what it keeps; false where it was dropped. */
  send(octets: Uint8Array, flows: number): boolean;
  /** Opens a file of that name anew. */
  reopen(): void;
  /** Sends what waits and releases the destination. */
  close(): Promise<void>;
}

/** Drops are over when there was none for this long. */
const QUIET_MS = 5000;

/** Counts what became of messages, and says when drops begin and end. */
export class ExportTallies {
  readonly offered: ExportTally = { messages: 0, flows: 0 };
  readonly sent: ExportTally = { messages: 0, flows: 0 };
  readonly queued: ExportTally = { messages: 0, flows: 0 };
  readonly dropped = Object.fromEntries(
    EXPORT_DROP_REASONS.map((reason) => [reason, { messages: 0, flows: 0 }]),
  ) as Record<ExportDropReason, ExportTally>;
  /** Of those sent: what the kernel said later had not arrived, as far as it says. */
  readonly refused: ExportTally = { messages: 0, flows: 0 };
  /** Octets of messages sent. */
  octetsSent = 0;
  private readonly destination: string;
  private readonly onEvent: (event: ExportEvent) => void;
  private droppingSince = -1;
  private lastDropMs = 0;
  private waiters: (() => void)[] = [];

  constructor(destination: string, { onEvent }: ExportTransportOptions) {
    this.destination = destination;
    this.onEvent = onEvent;
  }

  /** Messages dropped, for whatever reason. */
  get messagesDropped(): number {
    return EXPORT_DROP_REASONS.reduce((sum, reason) => sum + this.dropped[reason].messages, 0);
  }

  /** Flows dropped, for whatever reason. */
  get flowsDropped(): number {
    return EXPORT_DROP_REASONS.reduce((sum, reason) => sum + this.dropped[reason].flows, 0);
  }

  /** A message that waits. */
  queue(flows: number): void {
    this.offered.messages++;
    this.offered.flows += flows;
    this.queued.messages++;
    this.queued.flows += flows;
  }

  /** One that waited went out. */
  send(flows: number, octets: number): void {
    this.queued.messages--;
    this.queued.flows -= flows;
    this.sent.messages++;
    this.sent.flows += flows;
    this.octetsSent += octets;
    this.wake();
    if (this.droppingSince < 0) return;
    // Of datagrams to nobody every other one seems to go out.
    if (Date.now() - this.lastDropMs > QUIET_MS) this.endDrops();
  }

  /** One that waited, or `messages` of them with `flows` flows together, did not. */
  drop(reason: ExportDropReason, flows: number, messages = 1): void {
    this.queued.messages -= messages;
    this.queued.flows -= flows;
    this.dropped[reason].messages += messages;
    this.dropped[reason].flows += flows;
    this.wake();
    this.lose(reason);
  }

  /** One that went out turned out not to have arrived; it stays among those sent. */
  refuse(reason: ExportDropReason, flows: number): void {
    this.refused.messages++;
    this.refused.flows += flows;
    this.lose(reason);
  }

  /** Settles when no message waits any more: each has gone out, or never will. */
  async drained(): Promise<void> {
    while (this.queued.messages > 0) {
      await new Promise<void>((resolve) => {
        this.waiters.push(resolve);
      });
    }
  }

  /** Says that drops are over, where there were any. */
  endDrops(): void {
    if (this.droppingSince < 0) return;
    const messagesDropped = this.messagesLost - this.droppingSince;
    this.droppingSince = -1;
    this.onEvent({ kind: 'drops_ended', destination: this.destination, messagesDropped });
  }

  private get messagesLost(): number {
    return this.messagesDropped + this.refused.messages;
  }

  private wake(): void {
    if (this.queued.messages > 0 || this.waiters.length === 0) return;
    const { waiters } = this;
    this.waiters = [];
    for (const resolve of waiters) resolve();
  }

  private lose(reason: ExportDropReason): void {
    this.lastDropMs = Date.now();
    if (this.droppingSince >= 0) return;
    this.droppingSince = this.messagesLost - 1;
    this.onEvent({ kind: 'drops_began', destination: this.destination, reason });
  }
}
