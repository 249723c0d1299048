/** What the status page shows of a collector. */

import type { Session } from '../decode/session.ts';
import type { DecodeCounters } from '../metrics/decode-counters.ts';
import {
  formatPrometheus,
  type Metric,
  type MetricSample,
  PROMETHEUS_CONTENT_TYPE,
  plainMetric,
} from '../metrics/prometheus.ts';
import { jsonBody, type StatusPage } from '../metrics/status.ts';
import { domainOptions } from '../normalize/flow-reader.ts';
import type { NdjsonSink } from '../sink/ndjson.ts';
import type { Decoding } from './decoding.ts';
import type { ExporterTotals } from './exporter-totals.ts';
import type { FlowOwnership } from './flow-ownership.ts';
import type { ListenerStatus } from './listener.ts';
import { type Senders, senderMetrics, senderStatus, sinkMetrics, sinkStatus } from './sender-status.ts';

/** The collector as the pages see it. */
export interface CollectorView {
  readonly version: string;
  readonly startedMs: number;
  readonly decoding: Decoding;
  readonly totals: ExporterTotals;
  readonly output: Senders & { readonly sinks: readonly NdjsonSink[] };
  readonly internalErrors: number;
  /** Undefined without `--processes`. */
  readonly ownership: FlowOwnership | undefined;
  listenerStatus(): readonly ListenerStatus[];
}

/** Counters of a number each. */
export type CounterName = Exclude<keyof DecodeCounters, 'faults'>;

/** The metric of each counter of {@link DecodeCounters}: its name after `flowrelay_`, and its help text. */
export const COUNTER_METRICS: Readonly<Record<CounterName, readonly [name: string, help: string]>> = {
  messagesReceived: ['messages_received_total', 'Datagrams and IPFIX Messages received.'],
  messagesDecoded: ['messages_decoded_total', 'Messages decoded.'],
  messagesDiscarded: ['messages_discarded_total', 'Messages thrown away whole.'],
  octetsReceived: ['received_bytes_total', 'Octets of messages received.'],
  flowRecords: ['flow_records_total', 'Records that are flows, events or discards.'],
  optionsRecords: ['options_records_total', 'Records of Options Templates.'],
  countersRecords: ['counters_records_total', 'sFlow counters samples.'],
  unknownSamples: ['unknown_samples_total', 'sFlow samples of an unknown kind.'],
  unknownSampleRecords: ['unknown_sample_records_total', 'sFlow records of an unknown structure, kept as octets.'],
  templatesLearned: ['templates_learned_total', 'Templates learned.'],
  templatesRedefined: ['templates_redefined_total', 'Templates announced again with other fields.'],
  templatesRefreshed: ['templates_refreshed_total', 'Templates announced again unchanged.'],
  templatesWithdrawn: ['templates_withdrawn_total', 'Templates withdrawn.'],
  withdrawalsIgnored: ['withdrawals_ignored_total', 'Template Withdrawals over UDP, which do not count.'],
  templatesEvicted: ['templates_evicted_total', 'Templates forgotten because a limit was reached.'],
  templatesExpired: ['templates_expired_total', 'Templates forgotten after the template timeout.'],
  templateBorrowed: ['template_borrowed_total', 'Sets decoded by a Template from another port of the Exporter.'],
  setsWithoutTemplate: ['sets_without_template_total', 'Data Sets that came before their Template.'],
  pendingDecoded: ['pending_sets_decoded_total', 'Data Sets decoded once their Template came.'],
  pendingDropped: ['pending_sets_dropped_total', 'Data Sets dropped while waiting for their Template.'],
  trailingOctets: ['trailing_bytes_total', 'Octets behind the last set or record that belong to nothing.'],
  sequenceLost: [
    'sequence_lost_total',
    'Records (v5, IPFIX), packets (v9) or datagrams (sFlow) missing by sequence number.',
  ],
  sequenceLate: ['sequence_late_total', 'Of the missing: came after all, late.'],
  sequenceReordered: ['sequence_reordered_total', 'Messages that came late.'],
  sequenceDuplicates: ['sequence_duplicates_total', 'Messages that came again.'],
  sequenceRestarts: ['sequence_restarts_total', 'Times that sequence numbers began anew.'],
  samplesLost: ['samples_lost_total', 'sFlow samples missing by sequence number.'],
};

/** Sessions shown unless `?limit=N` says otherwise. */
const DEFAULT_LIMIT = 1000;
const MAX_LIMIT = 100_000;

/** The pages by path. */
export function statusPages(collector: CollectorView): ReadonlyMap<string, StatusPage> {
  return new Map<string, StatusPage>([
    ['/metrics', () => ({ contentType: PROMETHEUS_CONTENT_TYPE, text: formatPrometheus(metricsOf(collector)) })],
    ['/health', () => jsonBody(healthOf(collector))],
    ['/exporters', (query) => jsonBody(exportersOf(collector, limitOf(query)))],
    ['/templates', (query) => jsonBody(templatesOf(collector, limitOf(query)))],
  ]);
}

/** How many rows a page is asked for. */
export function limitOf(query: URLSearchParams): number {
  const limit = Number(query.get('limit') ?? DEFAULT_LIMIT);
  return Number.isInteger(limit) && limit >= 0 ? Math.min(limit, MAX_LIMIT) : DEFAULT_LIMIT;
}

function healthOf(collector: CollectorView): unknown {
  const { decoding } = collector;
  return {
    status: 'ok',
    version: collector.version,
    uptimeSeconds: Math.floor((Date.now() - collector.startedMs) / 1000),
    listeners: collector.listenerStatus(),
    sinks: collector.output.sinks.map(sinkStatus),
    ...senderStatus(collector.output),
    ...collector.ownership?.health(),
    sessions: decoding.sessions.heard().length,
    sessionsEvicted: decoding.sessions.sessionsEvicted,
    templateCollisions: decoding.sessions.templateCollisions,
    pending: decoding.pendingStatus(),
    internalErrors: collector.internalErrors,
  };
}

/** The sessions heard last, newest first. */
function latestSessions(collector: CollectorView): Session[] {
  return collector.decoding.sessions.heard().sort((a, b) => b.lastSeenMs - a.lastSeenMs);
}

function sessionKey(session: Session) {
  return {
    address: session.address,
    port: session.port,
    protocol: session.version >= 100 ? 'sFlow' : session.version === 10 ? 'IPFIX' : 'NetFlow',
    version: session.version % 100,
    domain: session.domain.id,
    ...(session.agentAddress !== '' && { agent: session.agentAddress }),
  };
}

function exportersOf(collector: CollectorView, limit: number): unknown {
  const sessions = latestSessions(collector);
  return {
    total: sessions.length,
    exporters: sessions.slice(0, limit).map((session) => ({
      ...sessionKey(session),
      transport: session.isReliable ? 'tcp' : 'udp',
      firstSeen: new Date(session.firstSeenMs).toISOString(),
      lastSeen: new Date(session.lastSeenMs).toISOString(),
      sampling: session.samplingInterval || (domainOptions(session)?.commonSamplingInterval ?? 0),
      templates: session.templates.size,
      counters: session.counters,
      ...optionsOf(session),
    })),
  };
}

/** What options data told about an Exporter, in numbers, and its own statistics. */
function optionsOf(session: Session) {
  const options = domainOptions(session);
  if (options === undefined) return {};
  return {
    options: {
      samplers: Object.fromEntries(options.samplers.entries),
      interfaceNames: options.interfaceNames.entries.size,
      applicationNames: options.applicationNames.entries.size,
      vrfNames: options.vrfNames.entries.size,
      refused: options.refused,
      statistics: Object.fromEntries(options.statistics.entries),
    },
  };
}

function templatesOf(collector: CollectorView, limit: number): unknown {
  const templates: unknown[] = [];
  let total = 0;
  for (const session of latestSessions(collector)) {
    for (const { template, announcedMs, usedMs } of session.templates.values()) {
      if (total++ >= limit) continue;
      templates.push({
        ...sessionKey(session),
        template: template.id,
        kind: template.scopeFieldCount < 0 ? 'data' : 'options',
        ...(template.scopeFieldCount >= 0 && { scopeFields: template.scopeFieldCount }),
        announced: new Date(announcedMs).toISOString(),
        used: usedMs === 0 ? null : new Date(usedMs).toISOString(),
        fields: template.fields.map(({ elementId, enterpriseNumber, length }) => ({
          element: elementId,
          enterprise: enterpriseNumber,
          length,
        })),
      });
    }
  }
  return { total, templates };
}

/** All metrics of a collector. */
export function metricsOf(collector: CollectorView): Metric[] {
  const { decoding, totals } = collector;
  totals.update(decoding.sessions);
  const rows = totals.rows().map(({ exporter, version, counters }) => ({ labels: { exporter, version }, counters }));
  const metrics: Metric[] = [];
  for (const [counter, [name, help]] of Object.entries(COUNTER_METRICS) as [CounterName, readonly [string, string]][]) {
    const samples = rows.map(({ labels, counters }) => ({ labels, value: counters[counter] }));
    metrics.push({ name: `flowrelay_${name}`, kind: 'counter', help, samples });
  }
  const faults: MetricSample[] = [];
  for (const { labels, counters } of rows) {
    for (const [reason, value] of Object.entries(counters.faults)) {
      // A zero for each reason and Exporter would be most of the page.
      if (value > 0) faults.push({ labels: { ...labels, reason }, value });
    }
  }
  metrics.push({
    name: 'flowrelay_faults_total',
    kind: 'counter',
    help: 'Messages, sets or records that could not be decoded, by reason.',
    samples: faults,
  });
  metrics.push(...listenerMetrics(collector.listenerStatus()), ...sinkMetrics(collector.output.sinks));
  metrics.push(...senderMetrics(collector.output), ...(collector.ownership?.metrics() ?? []));
  const pending = decoding.pendingStatus();
  const { cpuUsage, memoryUsage } = process;
  const cpu = cpuUsage();
  metrics.push(
    plainMetric('flowrelay_sessions', 'gauge', 'Sessions now known.', decoding.sessions.heard().length),
    plainMetric(
      'flowrelay_sessions_evicted_total',
      'counter',
      'Sessions dropped to make room.',
      decoding.sessions.sessionsEvicted,
    ),
    plainMetric(
      'flowrelay_template_collisions_total',
      'counter',
      'Templates of one id and other fields from another port of the same Exporter.',
      decoding.sessions.templateCollisions,
    ),
    plainMetric('flowrelay_pending_sets', 'gauge', 'Data Sets waiting for their Template.', pending.sets),
    plainMetric('flowrelay_pending_bytes', 'gauge', 'Octets of Data Sets waiting for their Template.', pending.octets),
    plainMetric(
      'flowrelay_internal_errors_total',
      'counter',
      'Datagrams that met a fault of this program.',
      collector.internalErrors,
    ),
    plainMetric(
      'process_start_time_seconds',
      'gauge',
      'Start time of the process, Unix seconds.',
      collector.startedMs / 1000,
    ),
    plainMetric('process_cpu_seconds_total', 'counter', 'CPU time used.', (cpu.user + cpu.system) / 1e6),
    plainMetric('process_resident_memory_bytes', 'gauge', 'Resident memory.', memoryUsage().rss),
  );
  return metrics;
}

function listenerMetrics(listeners: readonly ListenerStatus[]): Metric[] {
  const samplesOf = (value: (status: ListenerStatus) => number | null | undefined): MetricSample[] =>
    listeners.flatMap((status) => {
      const number = value(status);
      return number === undefined || number === null ? [] : [{ labels: { listener: status.listener }, value: number }];
    });
  return [
    {
      name: 'flowrelay_listener_messages_total',
      kind: 'counter',
      help: 'Datagrams and Messages received.',
      samples: samplesOf((status) => status.messagesReceived),
    },
    {
      name: 'flowrelay_listener_received_bytes_total',
      kind: 'counter',
      help: 'Octets received.',
      samples: samplesOf((status) => status.octetsReceived),
    },
    {
      name: 'flowrelay_listener_kernel_drops_total',
      kind: 'counter',
      help: 'Datagrams the kernel dropped because they were not read in time.',
      samples: samplesOf((status) => status.kernelDrops),
    },
    {
      name: 'flowrelay_listener_receive_buffer_bytes',
      kind: 'gauge',
      help: 'Receive buffer the kernel gave.',
      samples: samplesOf((status) => status.receiveBufferGot),
    },
    {
      name: 'flowrelay_listener_connections',
      kind: 'gauge',
      help: 'TCP connections open.',
      samples: samplesOf((status) => status.connectionsOpen),
    },
    {
      name: 'flowrelay_listener_connections_refused_total',
      kind: 'counter',
      help: 'TCP connections refused because there were too many.',
      samples: samplesOf((status) => status.connectionsRefused),
    },
  ];
}
