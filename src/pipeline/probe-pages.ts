/** What the status page shows of a probe. */

import type { LiveCapture } from '../input/live-capture.ts';
import type { MeteringProcess } from '../meter/metering-process.ts';
import { FLOW_END_REASONS, PACKETS_IGNORED } from '../metrics/meter-counters.ts';
import { formatPrometheus, type Metric, PROMETHEUS_CONTENT_TYPE, plainMetric } from '../metrics/prometheus.ts';
import { jsonBody, type StatusPage } from '../metrics/status.ts';
import type { Output } from './output.ts';
import { publisherStatus } from './status-pages.ts';

/** The program as the pages see it. */
export interface ProbeView {
  readonly version: string;
  readonly startedMs: number;
  readonly meter: MeteringProcess;
  readonly output: Output;
  readonly captures: readonly LiveCapture[];
}

/** The pages by path. */
export function probePages(view: ProbeView): ReadonlyMap<string, StatusPage> {
  return new Map<string, StatusPage>([
    ['/metrics', () => ({ contentType: PROMETHEUS_CONTENT_TYPE, text: formatPrometheus(metricsOf(view)) })],
    ['/health', () => jsonBody(healthOf(view))],
  ]);
}

function metricsOf({ meter, output, captures }: ProbeView): Metric[] {
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
    ...(
      [
        ['flowrelay_lines_written_total', 'Lines written.', 'linesWritten'],
        ['flowrelay_lines_dropped_total', 'Lines dropped because a reader was too slow.', 'linesDropped'],
      ] as const
    ).map(
      ([name, help, property]): Metric => ({
        name,
        help,
        kind: 'counter',
        samples: output.sinks.map((sink) => ({ labels: { sink: sink.path }, value: sink[property] })),
      }),
    ),
  ];
}

function healthOf({ version, startedMs, meter, output, captures }: ProbeView): unknown {
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
    sinks: output.sinks.map(({ path, linesOffered, linesWritten, linesDropped, linesQueued }) => ({
      sink: path === '-' ? 'standard output' : path,
      linesOffered,
      linesWritten,
      linesDropped,
      linesQueued,
    })),
    ...(output.feed !== undefined && { zmq: output.feed.publishers.map(publisherStatus) }),
  };
}
