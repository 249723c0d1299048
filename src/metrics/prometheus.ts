/** Metrics as Prometheus reads them: text exposition format, version 0.0.4. */

/** `Content-Type` of the text. */
export const PROMETHEUS_CONTENT_TYPE = 'text/plain; version=0.0.4; charset=utf-8';

/** Labels of a sample; each a small closed set, or the Exporter's address, whose number is bounded. */
export type LabelName =
  | 'exporter'
  | 'version'
  | 'reason'
  | 'listener'
  | 'endpoint'
  | 'source'
  | 'sink'
  | 'server'
  | 'interface';

/** One value of a metric. */
export interface MetricSample {
  readonly labels: Readonly<Partial<Record<LabelName, string>>>;
  readonly value: number;
}

/** One metric with its values. Its name ends in `_total` for a counter, and in its unit (`_bytes`, `_seconds`) where it has one. */
export interface Metric {
  readonly name: string;
  readonly kind: 'counter' | 'gauge';
  readonly help: string;
  readonly samples: readonly MetricSample[];
}

/** A metric with one value and no labels. */
export function plainMetric(name: string, kind: Metric['kind'], help: string, value: number): Metric {
  return { name, kind, help, samples: [{ labels: {}, value }] };
}

/** The text of all metrics. */
export function formatPrometheus(metrics: readonly Metric[]): string {
  const lines: string[] = [];
  for (const { name, kind, help, samples } of metrics) {
    lines.push(`# HELP ${name} ${help.replace(/\\/g, '\\\\').replace(/\n/g, '\\n')}`, `# TYPE ${name} ${kind}`);
    for (const { labels, value } of samples) {
      const pairs = Object.entries(labels).map(([label, text]) => `${label}="${escapeLabel(text)}"`);
      lines.push(`${name}${pairs.length === 0 ? '' : `{${pairs.join(',')}}`} ${value}`);
    }
  }
  return `${lines.join('\n')}\n`;
}

function escapeLabel(text: string): string {
  return text.replace(/\\/g, '\\\\').replace(/"/g, '\\"').replace(/\n/g, '\\n');
}
