/** What a ZeroMQ feed says of itself, in the log. */

import type { ZmqEvent } from '../sink/zmq-publisher.ts';
import type { Log } from './log.ts';

/** Logs an event of an endpoint. */
export function logFeedEvent(log: Log, event: ZmqEvent): void {
  const { kind, endpoint } = event;
  switch (kind) {
    case 'subscriber_present':
      log.write('info', `zmq_${kind}`, `somebody takes flows at ${endpoint}`, { endpoint });
      break;
    case 'subscriber_gone':
      log.write('warning', `zmq_${kind}`, `nobody takes flows at ${endpoint} any more`, { endpoint });
      break;
    case 'handshake_refused':
      log.write('error', `zmq_${kind}`, `${endpoint}: connection refused: ${event.reason}`, {
        endpoint,
        reason: event.reason,
      });
      break;
    case 'drops_began':
      log.write('warning', `zmq_${kind}`, `${endpoint} is read too slowly: messages are dropped`, { endpoint });
      break;
    default:
      log.write('warning', `zmq_${kind}`, `${event.messagesDropped} messages for ${endpoint} were dropped`, {
        endpoint,
        messagesDropped: event.messagesDropped,
      });
  }
}
