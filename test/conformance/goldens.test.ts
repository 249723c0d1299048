/** Expected output of other collectors, kept with their captures: every golden is read, and compared value by value. */

import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import {
  CORPORA,
  cataloguedCaptures,
  compareMultisets,
  type DecodedCapture,
  decodeCapture,
  hasCorpora,
  type Line,
} from '../support/conformance-capture.ts';
import { type GoldenRecord, matchGolden } from '../support/golden.ts';
import { beatsRecords, logstashRecords } from '../support/golden-elastic.ts';
import { ipfixDump } from '../support/golden-ipfix-dump.ts';
import { pmacctSums } from '../support/golden-pmacct.ts';
import { tcpdumpRecords } from '../support/golden-tcpdump.ts';
import { telegrafRecords } from '../support/golden-telegraf.ts';

const captures = cataloguedCaptures();

/** Captures of a golden: a golden may be of several. */
const capturesOf = new Map<string, string[]>();
for (const { path, goldens } of captures) {
  for (const golden of goldens) capturesOf.set(golden, [...(capturesOf.get(golden) ?? []), path]);
}
for (const [golden, paths] of [...capturesOf]) {
  // The scenarios of a pmacct test are of the same captures.
  if (!golden.includes('/pmacct/') || !golden.endsWith('output-flow-00.json')) continue;
  for (const entry of readdirSync(join(CORPORA, dirname(golden)))) {
    const scenario = join(dirname(golden), entry, 'output-flow-00.json');
    if (existsSync(join(CORPORA, scenario))) capturesOf.set(scenario, paths);
  }
}

const goldens = [...capturesOf].map(([golden, paths]) => ({ golden, paths }));
const read = (golden: string): string => readFileSync(join(CORPORA, golden), 'utf8');

const decoded = new Map<string, DecodedCapture>();
function decode(path: string): DecodedCapture {
  const known = decoded.get(path) ?? decodeCapture(path, path.endsWith('/IPFIX.pcap'));
  decoded.set(path, known);
  return known;
}

const matched = { goldens: 0, records: 0, values: 0 };

function check(golden: string, paths: readonly string[], records: readonly GoldenRecord[], lines: readonly Line[]): void {
  const { failures, values, linesLeft } = matchGolden(records, lines);
  if (failures.length || linesLeft) console.log('XX', golden, paths.join(), records.length, 'left', linesLeft, 'fail', failures.length, JSON.stringify(failures.slice(0, 6)));
  matched.goldens++;
  matched.records += records.length;
  matched.values += values;
}

if (!hasCorpora) it.skip('goldens: the captures (../shared/corpora) are absent', () => {});
else {
  describe('goldens', () => {
    it.each(goldens)('$golden', ({ golden, paths }) => {
      const lines = paths.flatMap((path) => decode(path).lines);
      const text = read(golden);
      if (golden.includes('/logstash/')&&golden.endsWith('.json')) check(golden, paths, logstashRecords(text).records, lines);
      else if (golden.includes('/beats/')&&golden.endsWith('.json')) check(golden, paths, beatsRecords(text), lines);
      else if (golden.endsWith('ipfixDump.txt')) check(golden, paths, ipfixDump(text).records, lines);
      else if (golden.endsWith('expected.out')) check(golden, paths, telegrafRecords(text), lines);
      else if (golden.endsWith('.out')) check(golden, paths, tcpdumpRecords(text), lines);
      else {
        const flows = lines.filter((l) => l.ntop.RECORD_TYPE === 'flow');
        const sums = pmacctSums(text, flows, golden.includes('/104-') ? (l) => Number(l.iana.samplingInterval) : golden.endsWith('-01.json') ? () => 1000 : () => 1, golden.includes('/500-') ? ['timestamp_start'] : []);
        const c = compareMultisets(sums.expected, sums.ours);
        console.log('PM', golden, c.agreeing, c.missing.length, c.surplus.length, sums.unknown.join(), c.missing.slice(0, 2), c.surplus.slice(0, 2), sums.names.join(' '));
      }
    });
    afterAll(() => console.log(matched));
  });
}
