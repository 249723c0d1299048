import type { ListenCounters } from '../metrics/listen-counters.ts';

/** Further ahead than this is a restart, not a loss. */
const LARGEST_GAP = 1 << 24;

/**
 * Follows the numbers of one source's messages, which count up by one over all topics, wrap at 2^32 and may begin anywhere. A
 * number that goes back is that of a sender that began anew: ZeroMQ keeps order, so none is late.
 */
export class MessageNumbers {
  private last = -1;

  /** Takes the number of a message; counts what is lost, repeated or begun anew. */
  observe(messageId: number, counters: ListenCounters): void {
    const { last } = this;
    this.last = messageId;
    if (last < 0) return;
    const ahead = (messageId - last) >>> 0;
    if (ahead === 1) return;
    if (ahead === 0) {
      counters.messagesRepeated++;
    } else if (ahead <= LARGEST_GAP) {
      counters.messagesLost += ahead - 1;
    } else {
      counters.restarts++;
    }
  }
}
