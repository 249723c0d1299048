/** Expected output of other collectors, kept with their captures: every golden is read, and compared value by value. */

import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { loadBuiltInRegistry } from '../../src/ie/registry.ts';
import {
  CORPORA,
  cataloguedCaptures,
  compareMultisets,
  type DecodedCapture,
  decodeCapture,
  hasCorpora,
  type Line,
  skipVisibly,
} from '../support/conformance-capture.ts';
import { type GoldenRecord, matchGolden } from '../support/golden.ts';
import { beatsRecords, logstashRecords } from '../support/golden-elastic.ts';
import { ipfixDump } from '../support/golden-ipfix-dump.ts';
import { type Factor, pmacctSums } from '../support/golden-pmacct.ts';
import { tcpdumpRecords } from '../support/golden-tcpdump.ts';
import { telegrafRecords } from '../support/golden-telegraf.ts';

/** What a golden says and no line does, or the other way round; and why the lines are right. */
interface Slip {
  readonly golden: string;
  /** Names of the values, each as often as it differs. */
  readonly values?: Readonly<Record<string, number>>;
  /** Lines of the capture that the golden has no record for. */
  readonly linesLeft?: number;
  /** Template Records it counts and the program does not learn. */
  readonly templates?: number;
  readonly reason: string;
}

const TOTALS = 'no slip: both deltas are zero beside totals, which the line gives in their place';
const EARLY = 'the program drops data that come before their Template';
const NETSCALER = 'IPFIX-Netscaler-with-variable-length-fields';

const SLIPS: readonly Slip[] = [
  {
    golden: 'export/beats/golden/IPFIX-Barracuda-firewall.golden.json',
    values: { octet_delta_count: 4, packet_delta_count: 4 },
    reason: TOTALS,
  },
  {
    golden: 'oracle/derived/logstash/IPFIX-Barracuda-firewall.pcap.ipfixDump.txt',
    values: { octetDeltaCount: 4, packetDeltaCount: 4 },
    reason: TOTALS,
  },
  { golden: `oracle/derived/logstash/${NETSCALER}.pcap.ipfixDump.txt`, linesLeft: 3, reason: EARLY },
  {
    golden: 'export/logstash/golden/Netflow-5-valid-01.json',
    values: { first_switched: 2, last_switched: 2 },
    reason:
      'first is 1 ms before sysUpTime began, which wraps: logstash places it 49.7 days late; and it forgets to borrow a second ' +
      'where the milliseconds of the export time are fewer',
  },
  {
    golden: 'export/logstash/golden/Netflow-9-Streamcore.json',
    values: { first_switched: 2, last_switched: 2 },
    reason: 'the milliseconds of two records were replaced by 999 in the golden; filebeat has the true ones',
  },
  {
    golden: 'export/logstash/golden/Netflow-9-nprobe-DPI-L7.json',
    values: { nprobe_proto_name: 1 },
    reason: 'octets that are no text: logstash takes them for Latin-1',
  },
  {
    golden: 'oracle/derived/ipfixcol1/withdrawal-message-256.pcap.ipfixDump.txt',
    templates: 1,
    reason: 'a Template Withdrawal is no Template',
  },
  {
    golden: 'export/beats/golden/Netflow-9-invalid-01.golden.json',
    linesLeft: 3,
    reason: 'the header counts too few records, at which filebeat gives up the datagram',
  },
];

/** Octets of a datagram that holds the Messages of a file one after the other. */
const RUN_TOGETHER: ReadonlySet<string> = new Set(['export/derived/logstash/IPFIX.pcap']);

const captures = cataloguedCaptures();

/** Fields of which ipfixDump prints no value. */
let unreadFields = 0;

/** Every golden with its captures: some are of several. */
const capturesOf = new Map<string, string[]>();
for (const { path, goldens } of captures) {
  for (const golden of goldens) capturesOf.set(golden, [...(capturesOf.get(golden) ?? []), path]);
}
for (const [golden, paths] of [...capturesOf]) {
  // The scenarios of a pmacct test are of the same captures.
  if (formatOf(golden) !== 'pmacct') continue;
  for (const entry of readdirSync(join(CORPORA, dirname(golden)))) {
    const scenario = join(dirname(golden), entry, 'output-flow-00.json');
    if (existsSync(join(CORPORA, scenario))) capturesOf.set(scenario, paths);
  }
}

type Format = 'logstash' | 'beats' | 'pmacct' | 'telegraf' | 'tcpdump' | 'ipfixDump';

function formatOf(golden: string): Format {
  if (golden.endsWith('.ipfixDump.txt')) return 'ipfixDump';
  const [, format = ''] = golden.split('/');
  return format as Format;
}

/** Files beside the captures and oracles that are goldens by their names. */
function goldenFiles(): string[] {
  const isGolden =
    /^export\/(?:logstash|beats)\/golden\/.*\.json$|^export\/pmacct\/.*\/output-flow-\d+\.json$|^export\/.*\.out$|^oracle\/.*\.ipfixDump\.txt$/;
  return readdirSync(CORPORA, { recursive: true, encoding: 'utf8' }).filter((path) => isGolden.test(path));
}

const decoded = new Map<string, DecodedCapture>();

function decode(path: string): DecodedCapture {
  const known = decoded.get(path) ?? decodeCapture(path, RUN_TOGETHER.has(path));
  decoded.set(path, known);
  return known;
}

const totals = new Map<Format, { goldens: number; records: number; values: number; excepted: number }>();

function count(golden: string, records: number, values: number, excepted: number): void {
  const format = formatOf(golden);
  const total = totals.get(format) ?? { goldens: 0, records: 0, values: 0, excepted: 0 };
  total.goldens++;
  total.records += records;
  total.values += values;
  total.excepted += excepted;
  totals.set(format, total);
}

/** `isWhole`: the golden has a record for every line. */
function check(golden: string, records: readonly GoldenRecord[], lines: readonly Line[], isWhole: boolean): void {
  const { failures, values, linesLeft } = matchGolden(records, lines);
  const slip = SLIPS.find((each) => each.golden === golden);
  const excepted = Object.values(slip?.values ?? {}).reduce((sum, each) => sum + each, 0);
  if (slip?.values === undefined) expect(failures).toEqual([]);
  else {
    const byName: Record<string, number> = {};
    for (const failure of failures) {
      const name = failure.slice(0, failure.indexOf(':'));
      byName[name] = (byName[name] ?? 0) + 1;
    }
    expect(byName).toEqual(slip.values);
  }
  if (isWhole) expect(linesLeft).toBe(slip?.linesLeft ?? 0);
  count(golden, records.length, values, excepted);
}

/** What a pmacct test multiplies by: the options' interval, or one of a map of its own. */
function pmacctFactor(golden: string): Factor {
  if (golden.includes('/104-')) return ({ iana }) => Number(iana.samplingInterval);
  return golden.includes('/102-') && golden.endsWith('-01.json') ? () => 1000 : () => 1;
}

/** pmacct knows no start of the Exporter and gives the export time for times that count from it. */
function pmacctUncompared(golden: string): string[] {
  return golden.includes('/500-') ? ['timestamp_start'] : [];
}

function checkPmacct(golden: string, text: string, lines: readonly Line[]): void {
  const flows = lines.filter(({ ntop }) => ntop.RECORD_TYPE === 'flow');
  const { expected, ours, names, unknown } = pmacctSums(text, flows, pmacctFactor(golden), pmacctUncompared(golden));
  expect(unknown).toEqual([]);
  const { agreeing, missing, surplus } = compareMultisets(expected, ours);
  expect({ missing, surplus }).toEqual({ missing: [], surplus: [] });
  count(golden, agreeing, agreeing * names.length, 0);
}

function checkDump(golden: string, text: string, paths: readonly string[], lines: readonly Line[]): void {
  const { records, templates, unread } = ipfixDump(text);
  unreadFields += unread;
  check(golden, records, lines, true);
  const learned = paths.flatMap((path) => decode(path).templates);
  const slip = SLIPS.find((each) => each.golden === golden);
  expect(learned.length).toBe(templates - (slip?.templates ?? 0));
}

/** logstash's print of Templates: `["uint32", "observationPointId"]`, or `skip` with a length. */
function checkTemplates(templates: readonly Record<string, unknown>[], paths: readonly string[]): void {
  const registry = loadBuiltInRegistry();
  const learned = paths.flatMap((path) => decode(path).templates);
  for (const [key, fields] of templates.flatMap((each) => Object.entries(each))) {
    const [domain, id] = key.split('|').map(Number);
    const found = learned.find((each) => each.domain === domain && each.template.id === id);
    const names = found?.template.fields.map(({ enterpriseNumber, elementId }) =>
      registry.find(enterpriseNumber, elementId)?.name.toLowerCase(),
    );
    const expected = (fields as [string, string | null][]).map(([, name]) =>
      name?.replace('netscaler', '').toLowerCase(),
    );
    expect(names?.length).toBe(expected.length);
    // Those it skips have no name; `netscaler…` is this vendor's prefix there.
    expected.forEach((name, at) => {
      if (name !== undefined && !name.startsWith('unknown')) expect([key, at, names?.[at]]).toEqual([key, at, name]);
    });
  }
}

if (!hasCorpora) skipVisibly('goldens: the captures (../shared/corpora) are absent');
else {
  describe('goldens', () => {
    it('are all read', () => {
      const unread = goldenFiles().filter((path) => !capturesOf.has(path));
      expect(unread).toEqual([]);
      expect(SLIPS.filter(({ golden }) => !capturesOf.has(golden))).toEqual([]);
    });

    it.each([...capturesOf].map(([golden, paths]) => ({ golden, paths })))('$golden', ({ golden, paths }) => {
      for (const path of paths) expect(decode(path).internalError).toBe('');
      const lines = paths.flatMap((path) => decode(path).lines);
      const text = readFileSync(join(CORPORA, golden), 'utf8');
      switch (formatOf(golden)) {
        case 'logstash': {
          const { records, templates } = logstashRecords(text);
          // Its tests keep one event of many.
          check(golden, records, lines, false);
          checkTemplates(templates, paths);
          return;
        }
        case 'beats':
          check(golden, beatsRecords(text), lines, true);
          return;
        case 'telegraf':
          check(golden, telegrafRecords(text), lines, true);
          return;
        case 'tcpdump':
          // The NetFlow v5 datagrams of a mixed capture are "not supported" there.
          check(
            golden,
            tcpdumpRecords(text),
            lines.filter(({ ntop }) => ntop.EXPORT_PROTOCOL === 'sFlow'),
            true,
          );
          return;
        case 'ipfixDump':
          checkDump(golden, text, paths, lines);
          return;
        case 'pmacct':
          checkPmacct(golden, text, lines);
      }
    });

    afterAll(() => {
      for (const [format, { goldens, records, values, excepted }] of totals)
        console.log(`${format}: ${goldens} goldens, ${records} records, ${values} values agree, ${excepted} excepted`);
      console.log(
        `ipfixDump: ${unreadFields} fields without a value: unknown elements, texts of which it prints the length`,
      );
    });
  });
}
