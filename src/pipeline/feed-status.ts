import { DECODE_FAULTS } from '../metrics/decode-counters.ts';
import type { FeedExporter, FeedStatus } from '../sink/formats/ntopng-topics.ts';
import type { Decoding } from './decoding.ts';
import { type ExporterTotals, OTHER_EXPORTERS } from './exporter-totals.ts';

/** The state of decoding as a ZeroMQ feed tells of it. `socketDrops` are the kernel's, `collectionPort` 0 for none. */
export function feedStatus(
  totals: ExporterTotals,
  decoding: Decoding,
  socketDrops: number,
  collectionPort: number,
): FeedStatus {
  totals.update(decoding.sessions);
  const lastSeen = new Map<string, number>();
  for (const { address, lastSeenMs } of decoding.sessions.sessions()) {
    lastSeen.set(address, Math.max(lastSeenMs, lastSeen.get(address) ?? 0));
  }
  const sums = { netflowFlows: 0, sflowSamples: 0, sflowDrops: 0, collectionDrops: 0 };
  const exporters = new Map<string, { -readonly [Key in keyof FeedExporter]: FeedExporter[Key] }>();
  for (const { exporter, version, counters } of totals.rows()) {
    const isSflow = version.startsWith('sflow');
    let drops = counters.sequenceLost;
    for (const fault of DECODE_FAULTS) drops += counters.faults[fault];
    sums.collectionDrops += drops;
    sums.sflowDrops += counters.samplesLost;
    if (isSflow) sums.sflowSamples += counters.flowRecords;
    else sums.netflowFlows += counters.flowRecords;
    if (exporter === OTHER_EXPORTERS) continue;
    let row = exporters.get(exporter);
    if (row === undefined) {
      const lastSeenSeconds = Math.floor((lastSeen.get(exporter) ?? 0) / 1000);
      row = { address: exporter, lastSeenSeconds, netflowFlows: 0, sflowFlows: 0, drops: 0 };
      exporters.set(exporter, row);
    }
    row.drops += drops;
    if (isSflow) row.sflowFlows += counters.flowRecords;
    else row.netflowFlows += counters.flowRecords;
  }
  return { ...sums, socketDrops, collectionPort, exporters: [...exporters.values()] };
}
