/** One of the threads of `collect --workers N`: a collector that the main thread asks and tells, instead of a person. */

import { isMainThread, type MessagePort, parentPort, workerData } from 'node:worker_threads';
import type { Configuration } from '../config/configuration.ts';
import { Collector } from './collect.ts';
import { Log } from './log.ts';
import { metricsOf, statusPages } from './status-pages.ts';
import { TemplateSharing } from './template-sharing.ts';
import { answerCalls } from './thread-calls.ts';
import {
  THREAD_WORD,
  type ThreadData,
  type ThreadMethods,
  type ThreadSaid,
  type ThreadTold,
} from './thread-protocol.ts';

/** The module that a thread starts with: this one, wherever the bundler put it. */
export const THREAD_MODULE = new URL(import.meta.url);

if (!isMainThread && parentPort !== null && isThreadData(workerData)) runThread(parentPort, workerData);

function isThreadData(data: unknown): data is ThreadData {
  return typeof data === 'object' && data !== null && 'threadWord' in data && data.threadWord === THREAD_WORD;
}

function runThread(port: MessagePort, { configuration: atStart, version }: ThreadData): void {
  const say = (said: ThreadSaid): void => port.postMessage(said);
  const waiting = new Map<string, (() => void)[]>();
  const sharing = new TemplateSharing();
  let configuration: Configuration = atStart;
  let opened: Collector | undefined;
  const collector = (): Collector => {
    if (opened === undefined) throw new Error('the thread has not opened its sinks');
    return opened;
  };
  const methods: ThreadMethods = {
    open: () => {
      opened = new Collector(configuration, {
        log: new Log(configuration.logLevel, (line) => say({ say: 'log', line })),
        version,
        isStatusAsked: false,
        onReaderGone: () => say({ say: 'reader_gone' }),
        turns: {
          take: (destination, onTurn) => {
            waiting.set(destination, [...(waiting.get(destination) ?? []), onTurn]);
            say({ say: 'take_turn', destination });
          },
          give: (destination) => say({ say: 'give_turn', destination }),
        },
      });
    },
    listen: async () => {
      await collector().start();
      return collector().listeners;
    },
    restoreState: (text) => collector().decoding.restoreState(text),
    serializeState: () => collector().decoding.serializeState(),
    news: () => {
      const { decoding } = collector();
      const { templateTimeout } = configuration;
      // Four times before the others would forget what was only repeated here.
      const refreshMs = templateTimeout === 0 ? Number.POSITIVE_INFINITY : (templateTimeout * 1000) / 4;
      return { sessions: sharing.news(decoding, Date.now(), refreshMs), changes: decoding.changes() };
    },
    adopt: (sessions) => sharing.adopt(collector().decoding, sessions, Date.now()),
    listenerStatus: () => collector().listenerStatus(),
    page: async ({ path, query }) => {
      const page = statusPages(collector()).get(path);
      return page === undefined ? '' : (await page(new URLSearchParams(query))).text;
    },
    metrics: () => metricsOf(collector()),
    reload: async (next) => {
      await collector().reload(next);
      configuration = next;
    },
    finish: () => collector().finish(),
  };
  answerCalls<ThreadMethods, ThreadTold>(port, methods, ({ turnAt }) => waiting.get(turnAt)?.shift()?.());
}
