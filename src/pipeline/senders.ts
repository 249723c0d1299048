/** What sends flows elsewhere besides lines: the ZeroMQ feed, the export and points to InfluxDB, opened alike by all commands. */

import type { Configuration } from '../config/configuration.ts';
import type { FeedStatus } from '../sink/formats/ntopng-topics.ts';
import { logExportEvent } from './export-status.ts';
import { logFeedEvent } from './feed-events.ts';
import { eventText, logInfluxdbEvent } from './influxdb-events.ts';
import type { Log } from './log.ts';
import type { Output } from './output.ts';

/** What senders need to know of the program. */
export interface SenderContext {
  /** Version of the program, for ntopng. */
  readonly version: string;
  /** The state to tell ntopng of. */
  readonly status: () => FeedStatus;
  /** Whether it tells of this host and its interfaces. */
  readonly isAgent?: boolean;
}

/** Octets of messages that may wait live. */
const LIVE_QUEUE_OCTETS = 16_777_216;
/** Octets of an export that may wait when files are read. */
const FILE_QUEUE_OCTETS = 8_388_608;
/** Few enough batches of a feed to be still in the processor's cache when they are sent, and written over after that. */
const FILE_FEED_QUEUE_OCTETS = 786_432;
/** Different things said about points when files are read. */
const MAX_POINT_PROBLEMS = 10;

/** Opens those that are asked for, of a program that runs until it is stopped and has flows from so many places. Rejects with one clear error where one cannot be opened. */
export async function openLiveSenders(
  output: Output,
  configuration: Configuration,
  context: SenderContext,
  log: Log,
  places: number,
): Promise<void> {
  const delivery = 'drop';
  await output.openFeed(configuration, {
    ...context,
    delivery,
    queueOctets: LIVE_QUEUE_OCTETS,
    onEvent: (event) => logFeedEvent(log, event),
  });
  await output.openExport(configuration, {
    delivery,
    queueOctets: LIVE_QUEUE_OCTETS,
    onEvent: (event) => logExportEvent(log, event),
  });
  await output.openPoints(configuration, {
    delivery,
    places,
    hasOwnInterfaces: context.isAgent === true,
    onEvent: (event) => logInfluxdbEvent(log, event),
  });
}

/** The same for a program that reads files to their end and waits for what takes its flows; closes `output` where it rejects. */
export async function openFileSenders(
  output: Output,
  configuration: Configuration,
  context: SenderContext,
  onProblem: (text: string) => void,
): Promise<void> {
  const delivery = 'wait';
  // A server may refuse any number of points in the same words; how many they were is in the summary.
  const said = new Set<string>();
  try {
    await output.openFeed(configuration, {
      ...context,
      delivery,
      queueOctets: FILE_FEED_QUEUE_OCTETS,
      onEvent: (event) => {
        if (event.kind === 'handshake_refused') onProblem(`${event.endpoint}: ${event.reason}`);
      },
    });
    await output.openExport(configuration, { delivery, queueOctets: FILE_QUEUE_OCTETS, onEvent: () => {} });
    await output.openPoints(configuration, {
      delivery,
      places: 1,
      onEvent: (event) => {
        const [level, text] = eventText(event);
        if (level === 'info' || said.size >= MAX_POINT_PROBLEMS || said.has(text)) return;
        said.add(text);
        onProblem(text);
      },
    });
  } catch (error) {
    await output.close();
    throw error;
  }
}
