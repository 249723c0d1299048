import { expect, it } from 'vitest';
import { formatPrometheus } from '../../src/metrics/prometheus.ts';

// Expected text as the Prometheus documentation of text format 0.0.4 has it: HELP escapes \ and line feed, labels " too.
it('writes text exposition format 0.0.4', () => {
  expect(
    formatPrometheus([
      { name: 'a_total', kind: 'counter', help: 'Back\\slash\nline', samples: [{ labels: {}, value: 3 }] },
      {
        name: 'b_bytes',
        kind: 'gauge',
        help: 'B.',
        samples: [
          { labels: { exporter: '192.0.2.1', version: 'ipfix' }, value: 1.5 },
          { labels: { exporter: 'a"b\\c\nd' }, value: 0 },
        ],
      },
      { name: 'c_total', kind: 'counter', help: 'None.', samples: [] },
    ]),
  ).toBe(
    [
      '# HELP a_total Back\\\\slash\\nline',
      '# TYPE a_total counter',
      'a_total 3',
      '# HELP b_bytes B.',
      '# TYPE b_bytes gauge',
      'b_bytes{exporter="192.0.2.1",version="ipfix"} 1.5',
      'b_bytes{exporter="a\\"b\\\\c\\nd"} 0',
      '# HELP c_total None.',
      '# TYPE c_total counter',
      '',
    ].join('\n'),
  );
});
