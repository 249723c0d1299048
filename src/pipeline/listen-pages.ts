/** What the status page shows of a `listen`. */

import { LISTEN_FAULTS, type ListenCounters } from '../metrics/listen-counters.ts';
import { formatPrometheus, type Metric, PROMETHEUS_CONTENT_TYPE } from '../metrics/prometheus.ts';
import { jsonBody, type StatusPage } from '../metrics/status.ts';
import type { ListenSource } from './listen-sources.ts';
import type { Listening } from './listening.ts';
import type { Output } from './output.ts';
import { senderMetrics, senderStatus, sinkMetrics, sinkStatus } from './sender-status.ts';

/** A subscription as the pages show it. */
export interface SubscriptionStatus {
  readonly endpoint: string;
  readonly messagesReceived: number;
  readonly octetsReceived: number;
  readonly peers: number;
  readonly handshakesRefused: number;
}

/** The program as the pages see it. */
export interface ListenView {
  readonly version: string;
  readonly startedMs: number;
  readonly listening: Listening;
  readonly output: Output;
  subscriptions(): readonly SubscriptionStatus[];
}

type CounterName = Exclude<keyof ListenCounters, 'faults'>;

const COUNTER_METRICS: Readonly<Record<CounterName, readonly [name: string, help: string]>> = {
  messagesReceived: ['messages_received_total', 'Messages received.'],
  messagesDecoded: ['messages_decoded_total', 'Messages taken, in part at least.'],
  messagesDiscarded: ['messages_discarded_total', 'Messages thrown away whole.'],
  octetsReceived: ['received_bytes_total', 'Octets of messages received.'],
  flowRecords: ['flow_records_total', 'Records that are flows or events.'],
  countersRecords: ['counters_records_total', 'Interface counters.'],
  optionsRecords: ['options_records_total', 'Names of values.'],
  statusMessages: ['probe_status_messages_total', 'Messages in which a probe tells of itself.'],
  templateMessages: ['template_messages_total', 'Messages that give names to elements.'],
  interfaceNameMessages: ['interface_name_messages_total', 'Messages that give names to interfaces.'],
  listeningPortsMessages: [
    'listening_ports_messages_total',
    'Messages on ports that hosts listen on; passed on to a feed alone.',
  ],
  otherMessages: ['other_messages_total', 'Messages of topics that hold nothing to take.'],
  messagesLost: ['messages_lost_total', 'Messages missing by their numbers.'],
  messagesRepeated: ['messages_repeated_total', 'Messages that came again.'],
  restarts: ['source_restarts_total', 'Times that a source began its numbers anew.'],
};

/** The pages by path. */
export function listenPages(view: ListenView): ReadonlyMap<string, StatusPage> {
  return new Map<string, StatusPage>([
    ['/metrics', () => ({ contentType: PROMETHEUS_CONTENT_TYPE, text: formatPrometheus(metricsOf(view)) })],
    ['/health', () => jsonBody(healthOf(view))],
    ['/sources', () => jsonBody(view.listening.sources.list().map(sourceStatus))],
  ]);
}

function metricsOf({ listening, output }: ListenView): Metric[] {
  const sources = listening.sources.list();
  const labelsOf = ({ endpoint, sourceId }: ListenSource) => ({
    endpoint: endpoint.url,
    source: sourceId < 0 ? 'none' : String(sourceId),
  });
  const metrics: Metric[] = Object.entries(COUNTER_METRICS).map(([name, [metric, help]]) => ({
    name: `flowrelay_${metric}`,
    help,
    kind: 'counter',
    samples: sources.map((source) => ({ labels: labelsOf(source), value: source.counters[name as CounterName] })),
  }));
  metrics.push({
    name: 'flowrelay_decode_errors_total',
    help: 'Messages, or parts of them, that could not be taken, by reason.',
    kind: 'counter',
    samples: sources.flatMap((source) =>
      LISTEN_FAULTS.filter((fault) => source.counters.faults[fault] > 0).map((reason) => ({
        labels: { ...labelsOf(source), reason },
        value: source.counters.faults[reason],
      })),
    ),
  });
  metrics.push(...sinkMetrics(output.sinks), ...senderMetrics(output));
  return metrics;
}

function healthOf(view: ListenView): unknown {
  const { version, startedMs, listening, output } = view;
  return {
    status: 'ok',
    version,
    uptimeSeconds: Math.floor((Date.now() - startedMs) / 1000),
    subscriptions: view.subscriptions(),
    sources: listening.sources.list().length,
    totals: listening.sources.totals(),
    sinks: output.sinks.map(sinkStatus),
    ...senderStatus(output),
    internalErrors: listening.internalErrors,
  };
}

function sourceStatus({ endpoint, sourceId, counters, firstSeenMs, lastSeenMs, probe }: ListenSource): unknown {
  return {
    endpoint: endpoint.url,
    sourceId: sourceId < 0 ? null : sourceId,
    firstSeen: new Date(firstSeenMs).toISOString(),
    lastSeen: new Date(lastSeenMs).toISOString(),
    probe: probe ?? null,
    counters,
  };
}
