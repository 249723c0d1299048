/** What delivery to InfluxDB says of itself, in words. */

import type { InfluxdbEvent } from '../sink/influxdb.ts';
import type { Log } from './log.ts';

/** Logs a change of state. */
export function logInfluxdbEvent(log: Log, event: InfluxdbEvent): void {
  const [level, message] = eventText(event);
  const { kind, ...properties } = event;
  // A server may refuse something of every batch.
  if (kind === 'points_refused')
    log.writeLimited(`influxdb ${event.server}`, level, `influxdb_${kind}`, message, properties);
  else log.write(level, `influxdb_${kind}`, message, properties);
}

/** What a person should read of an event. */
export function eventText(event: InfluxdbEvent): readonly ['info' | 'warning' | 'error', string] {
  switch (event.kind) {
    case 'server_identified':
      return ['info', `${event.server} is ${`${event.serverKind} ${event.version}`.trim()}`];
    case 'server_up':
      return ['info', `${event.server} takes points, ${event.pointsPending} wait for it`];
    case 'server_down':
      return ['warning', `${event.server} takes no points: ${event.reason}; they are kept and sent again`];
    case 'server_refuses':
      return ['error', `${event.server} refuses points: ${event.reason}; they are kept and sent again`];
    case 'setup_refused':
      return ['warning', `${event.server} could not be set up: ${event.reason}`];
    case 'points_refused':
      return [
        'error',
        `${event.server} refused ${event.points} points for good: ${event.reason}${advice(event.reason)}`,
      ];
    case 'drops_began':
      return ['error', 'no room is left for points that InfluxDB has not confirmed: the oldest are dropped'];
    case 'drops_ended':
      return ['warning', `${event.pointsDropped} points were dropped for want of room`];
    case 'spool_failed':
      return ['error', `cannot write ${event.path}: ${event.reason}; points are kept in memory alone`];
    default:
      return ['info', `${event.path} can be written again`];
  }
}

/** What to do about an answer that many will meet. */
function advice(reason: string): string {
  if (!/beyond retention policy/.test(reason)) return '';
  return ' (they are older than the database keeps; --influxdb-retention DAYS changes that)';
}
