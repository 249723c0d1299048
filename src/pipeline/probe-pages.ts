/** What the status page shows of a probe. */

import type { LiveCapture } from '../input/live-capture.ts';
import type { PayloadDetector } from '../meter/application/payload-detector.ts';
import type { MeteringProcess } from '../meter/metering-process.ts';
import { FLOW_END_REASONS, PACKETS_IGNORED } from '../metrics/meter-counters.ts';
import { formatPrometheus, type Metric, PROMETHEUS_CONTENT_TYPE, plainMetric } from '../metrics/prometheus.ts';
import { jsonBody, type StatusPage } from '../metrics/status.ts';
import type { FlowOwnership } from './flow-ownership.ts';
import type { Output } from './output.ts';
import { senderMetrics, senderStatus, sinkMetrics, sinkStatus } from './sender-status.ts';

/** The program as the pages see it. */
export interface ProbeView {
  readonly version: string;
  readonly startedMs: number;
  readonly meter: MeteringProcess;
  readonly detector: PayloadDetector | undefined;
  readonly output: Output;
  readonly captures: readonly LiveCapture[];
  /** Undefined without `--processes`. */
  readonly ownership: FlowOwnership | undefined;
}

/** The pages by path. */
export function probePages(view: ProbeView): ReadonlyMap<string, StatusPage> {
  return new Map<string, StatusPage>([
    ['/metrics', () => ({ contentType: PROMETHEUS_CONTENT_TYPE, text: formatPrometheus(metricsOf(view)) })],
    ['/health', () => jsonBody(healthOf(view))],
  ]);
}

function metricsOf({ meter, detector, output, captures, ownership }: ProbeView): Metric[] {
  const { counters, cache } = meter;
  return [
    plainMetric('flowrelay_packets_seen_total', 'counter', 'Packets captured.', counters.packetsSeen),
    plainMetric('flowrelay_packets_metered_total', 'counter', 'Packets counted to flows.', counters.packetsMetered),
    {
      name: 'flowrelay_packets_ignored_total',
      kind: 'counter',
      help: 'Packets not counted to flows, by reason.',
      samples: PACKETS_IGNORED.map((reason) => ({ labels: { reason }, value: counters.packetsIgnored[reason] })),
    },
    plainMetric('flowrelay_metered_bytes_total', 'counter', 'IP octets of packets metered.', counters.octetsMetered),
    {
      name: 'flowrelay_capture_dropped_packets_total',
      kind: 'counter',
      help: 'Packets the kernel dropped because they were not taken in time.',
      samples: captures.map(({ interfaceName, packetsDropped }) => ({
        labels: { interface: interfaceName },
        value: packetsDropped,
      })),
    },
    plainMetric(
      'flowrelay_fragments_unmatched_total',
      'counter',
      'Fragments whose first was not seen before them.',
      counters.fragmentsUnmatched,
    ),
    {
      name: 'flowrelay_flow_records_total',
      kind: 'counter',
      help: 'Flow records, by why the flow ended.',
      samples: FLOW_END_REASONS.map((reason, i) => ({ labels: { reason }, value: counters.flowsEnded[i]! })),
    },
    plainMetric('flowrelay_flows', 'gauge', 'Flows in the cache.', cache.flows),
    plainMetric('flowrelay_flows_most', 'gauge', 'Most flows that were in the cache at once.', cache.flowsMost),
    ...applicationMetrics(detector),
    ...(ownership?.metrics() ?? []),
    ...sinkMetrics(output.sinks),
    ...senderMetrics(output),
  ];
}

function applicationMetrics(detector: PayloadDetector | undefined): Metric[] {
  if (detector === undefined) return [];
  const { counters } = detector;
  const byReason = (name: string, help: string, values: Readonly<Record<string, number>>): Metric => ({
    name,
    kind: 'counter',
    help,
    samples: Object.entries(values).map(([reason, value]) => ({ labels: { reason }, value })),
  });
  return [
    byReason('flowrelay_applications_total', 'Flows by how their application was found.', {
      payload: counters.flowsDetected,
      port: counters.flowsGuessed,
      unknown: counters.flowsUnknown,
    }),
    byReason('flowrelay_application_faults_total', 'Payload that was given up, by reason.', {
      reassembly_abandoned: counters.reassembliesAbandoned,
      reassembly_failed: counters.reassembliesFailed,
      quic_undecrypted: counters.quicUndecrypted,
      details_dropped: counters.detailsDropped,
    }),
  ];
}

function healthOf({ version, startedMs, meter, output, captures, ownership }: ProbeView): unknown {
  return {
    status: 'ok',
    version,
    uptimeSeconds: Math.floor((Date.now() - startedMs) / 1000),
    captures: captures.map(({ interfaceName, tool, packetsReceived, packetsDropped }) => ({
      interface: interfaceName,
      capturedWith: tool,
      packetsReceived,
      packetsDropped,
    })),
    flows: meter.cache.flows,
    counters: meter.counters,
    ...ownership?.health(),
    sinks: output.sinks.map(sinkStatus),
    ...senderStatus(output),
  };
}
