import type { NdjsonEvent } from '../sink/ndjson.ts';
import type { Log } from './log.ts';

/** Logs what a file or standard output says of itself; an end of its reader is not logged but left to the caller: false. */
export function logSinkEvent(log: Log, event: NdjsonEvent): boolean {
  const sink = event.path === '-' ? 'standard output' : event.path;
  switch (event.kind) {
    case 'write_failed':
      log.write('error', event.kind, `cannot write ${sink}: ${event.reason}; it is tried again until it works`, {
        sink,
        reason: event.reason,
      });
      return true;
    case 'write_recovered':
      log.write('info', event.kind, `${sink} is written again`, { sink });
      return true;
    case 'drops_began':
      log.write('warning', event.kind, `${sink} is read or written too slowly: lines are dropped`, { sink });
      return true;
    case 'drops_ended':
      log.write('warning', event.kind, `${event.linesDropped} lines for ${sink} were dropped`, {
        sink,
        linesDropped: event.linesDropped,
      });
      return true;
    default:
      return false;
  }
}
