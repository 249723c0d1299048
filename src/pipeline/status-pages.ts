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
import type { ExportSink } from '../sink/export.ts';
import type { NdjsonSink } from '../sink/ndjson.ts';
import type { ZmqSink } from '../sink/zmq.ts';
import type { ZmqPublisher } from '../sink/zmq-publisher.ts';
import type { Decoding } from './decoding.ts';
import { exportMetrics, exportStatus } from './export-status.ts';
import type { ExporterTotals } from './exporter-totals.ts';
import type { ListenerStatus } from './listener.ts';
import type { Points } from './points.ts';
import { pointsMetrics, pointsStatus } from './points-status.ts';

/** The collector as the pages see it. */
export interface CollectorView {
  readonly version: string;
  readonly startedMs: number;
  readonly decoding: Decoding;
  readonly totals: ExporterTotals;
  readonly output: {
    readonly sinks: readonly NdjsonSink[];
    readonly feed?: ZmqSink | undefined;
    readonly exportSink?: ExportSink | undefined;
    readonly points?: Points | undefined;
  };
  readonly internalErrors: number;
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

function sinkStatus(sink: NdjsonSink) {
  return {
    sink: sink.path === '-' ? 'standard output' : sink.path,
    linesOffered: sink.linesOffered,
    linesWritten: sink.linesWritten,
    linesDropped: sink.linesDropped,
    linesQueued: sink.linesQueued,
    octetsQueued: sink.octetsQueued,
    writeErrors: sink.writeErrors,
  };
}

/** What a ZeroMQ endpoint came to. */
export function publisherStatus(publisher: ZmqPublisher) {
  const { messages, flows } = publisher.queued;
  return {
    endpoint: publisher.endpoint,
    hasSubscriber: publisher.hasSubscriber,
    messagesOffered: publisher.offered.messages,
    messagesSent: publisher.sent.messages,
    messagesQueued: messages,
    flowsOffered: publisher.offered.flows,
    flowsSent: publisher.sent.flows,
    flowsQueued: flows,
    octetsSent: publisher.octetsSent,
    octetsQueued: publisher.octetsQueued,
    dropped: publisher.dropped,
    handshakesRefused: publisher.handshakesRefused,
  };
}

/** A feed as `/health` shows it. */
export function feedStatusOf({ flows, publishers }: ZmqSink) {
  return {
    ...(flows !== undefined && {
      flowsMade: flows.flows,
      flowsLeftOut: flows.leftOut,
      flowsClamped: flows.flowsClamped,
    }),
    endpoints: publishers.map(publisherStatus),
  };
}

function healthOf(collector: CollectorView): unknown {
  const { decoding } = collector;
  return {
    status: 'ok',
    version: collector.version,
    uptimeSeconds: Math.floor((Date.now() - collector.startedMs) / 1000),
    listeners: collector.listenerStatus(),
    sinks: collector.output.sinks.map(sinkStatus),
    ...(collector.output.feed !== undefined && { zmq: feedStatusOf(collector.output.feed) }),
    ...(collector.output.exportSink !== undefined && { export: exportStatus(collector.output.exportSink) }),
    ...(collector.output.points !== undefined && { influxdb: pointsStatus(collector.output.points) }),
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
  if (collector.output.feed !== undefined) metrics.push(...feedMetrics(collector.output.feed));
  if (collector.output.exportSink !== undefined) metrics.push(...exportMetrics(collector.output.exportSink));
  if (collector.output.points !== undefined) metrics.push(...pointsMetrics(collector.output.points));
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

function sinkMetrics(sinks: readonly NdjsonSink[]): Metric[] {
  const sum = (value: (sink: NdjsonSink) => number): number => sinks.reduce((total, sink) => total + value(sink), 0);
  return [
    plainMetric(
      'flowrelay_sink_lines_offered_total',
      'counter',
      'Lines made for all sinks.',
      sum((sink) => sink.linesOffered),
    ),
    plainMetric(
      'flowrelay_sink_lines_written_total',
      'counter',
      'Lines the sinks took.',
      sum((sink) => sink.linesWritten),
    ),
    plainMetric(
      'flowrelay_sink_lines_dropped_total',
      'counter',
      'Lines dropped because a sink was too slow or gone.',
      sum((sink) => sink.linesDropped),
    ),
    plainMetric(
      'flowrelay_sink_lines_queued',
      'gauge',
      'Lines waiting to be written.',
      sum((sink) => sink.linesQueued),
    ),
    plainMetric(
      'flowrelay_sink_queue_bytes',
      'gauge',
      'Octets of lines waiting to be written.',
      sum((sink) => sink.octetsQueued),
    ),
    plainMetric(
      'flowrelay_sink_write_errors_total',
      'counter',
      'Writes that failed.',
      sum((sink) => sink.writeErrors),
    ),
  ];
}

/** A feed's counters. */
export function feedMetrics({ flows, publishers }: ZmqSink): Metric[] {
  const samplesOf = (value: (publisher: ZmqPublisher) => number): MetricSample[] =>
    publishers.map((publisher) => ({ labels: { endpoint: publisher.endpoint }, value: value(publisher) }));
  const dropsOf = (value: 'messages' | 'flows'): MetricSample[] =>
    publishers.flatMap(({ endpoint, dropped }) =>
      Object.entries(dropped).map(([reason, tally]) => ({ labels: { endpoint, reason }, value: tally[value] })),
    );
  const leftOut = Object.entries(flows?.leftOut ?? {}).map(([reason, value]) => ({ labels: { reason }, value }));
  return [
    {
      name: 'flowrelay_zmq_subscriber_present',
      kind: 'gauge',
      help: 'Whether somebody takes flows at this ZeroMQ endpoint.',
      samples: samplesOf(({ hasSubscriber }) => (hasSubscriber ? 1 : 0)),
    },
    {
      name: 'flowrelay_zmq_messages_offered_total',
      kind: 'counter',
      help: 'Messages made for the endpoint.',
      samples: samplesOf(({ offered }) => offered.messages),
    },
    {
      name: 'flowrelay_zmq_messages_sent_total',
      kind: 'counter',
      help: 'Messages ZeroMQ took.',
      samples: samplesOf(({ sent }) => sent.messages),
    },
    {
      name: 'flowrelay_zmq_messages_dropped_total',
      kind: 'counter',
      help: 'Messages that did not go out, by reason.',
      samples: dropsOf('messages'),
    },
    {
      name: 'flowrelay_zmq_messages_queued',
      kind: 'gauge',
      help: 'Messages waiting for ZeroMQ to take them.',
      samples: samplesOf(({ queued }) => queued.messages),
    },
    {
      name: 'flowrelay_zmq_flows_offered_total',
      kind: 'counter',
      help: 'Flows, or lines, in messages made for the endpoint.',
      samples: samplesOf(({ offered }) => offered.flows),
    },
    {
      name: 'flowrelay_zmq_flows_sent_total',
      kind: 'counter',
      help: 'Flows, or lines, in messages ZeroMQ took.',
      samples: samplesOf(({ sent }) => sent.flows),
    },
    {
      name: 'flowrelay_zmq_flows_dropped_total',
      kind: 'counter',
      help: 'Flows, or lines, in messages that did not go out, by reason.',
      samples: dropsOf('flows'),
    },
    {
      name: 'flowrelay_zmq_sent_bytes_total',
      kind: 'counter',
      help: 'Octets of messages ZeroMQ took.',
      samples: samplesOf(({ octetsSent }) => octetsSent),
    },
    {
      name: 'flowrelay_zmq_handshakes_refused_total',
      kind: 'counter',
      help: 'Connections that failed for their encryption or protocol.',
      samples: samplesOf(({ handshakesRefused }) => handshakesRefused),
    },
    {
      name: 'flowrelay_zmq_records_left_out_total',
      kind: 'counter',
      help: 'Records that are no flows to ntopng, by reason.',
      samples: leftOut,
    },
    plainMetric(
      'flowrelay_zmq_flows_clamped_total',
      'counter',
      'Flows whose octets or packets are more than may be split.',
      flows?.flowsClamped ?? 0,
    ),
  ];
}
