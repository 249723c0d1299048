/** Totals of series over real captures against the sums of what their lines say. */

import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import type { RecordOutput } from '../../src/flow/record-output.ts';
import {
  CORPORA,
  cataloguedCaptures,
  decodeCapture,
  hasCorpora,
  type Line,
  type LineValue,
  skipVisibly,
} from '../support/conformance-capture.ts';
import { SeriesHarness } from './series-harness.ts';

const EVERYTHING = { localNetworks: ['0.0.0.0/0', '::/0'], maxSeries: 10_000_000, countOnce: false } as const;

describe('totals of captures', () => {
  if (!hasCorpora) {
    skipVisibly('captures of real exporters are absent (../shared/corpora)');
    return;
  }
  const elements = JSON.parse(readFileSync(`${CORPORA}../ie/ntop-ies.json`, 'utf8')) as { name: string }[];
  const ntopNames = new Set(elements.map(({ name }) => name));
  let octetsOfAll = 0;

  for (const { path } of cataloguedCaptures()) {
    it(path, () => {
      const spread = new SeriesHarness(EVERYTHING);
      const last = new SeriesHarness({ ...EVERYTHING, spread: false });
      const once = new SeriesHarness({ ...EVERYTHING, countOnce: true });
      const harnesses = [spread, last, once];
      const output: RecordOutput = {
        write(flow) {
          for (const { series } of harnesses) {
            series.advance(flow.origin.exportTimeMs);
            series.write(flow);
          }
        },
        writeRecord(record) {
          for (const { series } of harnesses) series.writeRecord(record);
        },
      };
      const { lines } = decodeCapture(path, false, [output]);
      for (const { series } of harnesses) series.finish();
      const flows = lines.filter(({ ntop }) => ntop['RECORD_TYPE'] === 'flow');
      const octets = flows.reduce((sum, line) => sum + octetsOf(line, ntopNames), 0);
      const ofHosts = flows.filter(hasBothAddresses).reduce((sum, line) => sum + 2 * octetsOf(line, ntopNames), 0);
      octetsOfAll += octets;
      for (const harness of [spread, last]) {
        expect(harness.series.counters.flowsImplausible).toBe(0);
        expect(harness.total('iface:traffic', 'bytes')).toBe(octets);
        expect(harness.total('flowdev:traffic', 'bytes_sent', 'bytes_rcvd')).toBe(octets);
        expect(harness.total('iface:traffic_rxtx', 'bytes_sent', 'bytes_rcvd')).toBe(octets);
        expect(harness.total('host:traffic', 'bytes_sent', 'bytes_rcvd')).toBe(ofHosts);
        expect(harness.total('flowdev:flows', 'flows')).toBe(flows.length);
        expect(harness.total('iface:l4protos', 'bytes')).toBeLessThanOrEqual(octets);
      }
      expect(once.total('flowdev:traffic', 'bytes_sent', 'bytes_rcvd')).toBe(octets);
      expect(once.total('iface:traffic', 'bytes')).toBeLessThanOrEqual(octets);
    });
  }

  it('saw octets at all', () => {
    expect(octetsOfAll).toBeGreaterThan(1e9);
  });
});

/** Octets both ways, up-scaled. ntop's probes call the other direction by the name of IANA's octets behind a middlebox. */
function octetsOf({ ntop, iana }: Line, ntopNames: ReadonlySet<string>): number {
  const isProbe = Object.keys(ntop).some((key) => ntopNames.has(key));
  const reverse = iana['reverseOctetDeltaCount'] ?? (isProbe ? iana['postOctetDeltaCount'] : undefined);
  const sampling = Math.max(1, numberOf(ntop['SAMPLING_INTERVAL']));
  return (numberOf(iana['octetDeltaCount']) + numberOf(reverse)) * sampling;
}

function hasBothAddresses({ ntop }: Line): boolean {
  return (
    (ntop['IPV4_SRC_ADDR'] !== undefined && ntop['IPV4_DST_ADDR'] !== undefined) ||
    (ntop['IPV6_SRC_ADDR'] !== undefined && ntop['IPV6_DST_ADDR'] !== undefined)
  );
}

function numberOf(value: LineValue | undefined): number {
  return Number((Array.isArray(value) ? value[0] : value) ?? 0);
}
