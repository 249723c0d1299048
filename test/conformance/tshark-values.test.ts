/** Every field of every NetFlow and IPFIX record that tshark knows, against the line of the same record. */

import { afterAll, describe, expect, it } from 'vitest';
import { loadBuiltInRegistry } from '../../src/ie/registry.ts';
import {
  type CataloguedCapture,
  cataloguedCaptures,
  decodeCapture,
  exporterOf,
  hasCorpora,
  type Line,
  type LineValue,
  skipVisibly,
} from '../support/conformance-capture.ts';
import { hasProgram } from '../support/lab.ts';
import {
  type Conversion,
  MPLS_KEYS,
  NO_VALUE,
  nanosecondsOf,
  reverseKey,
  TSHARK_FIELDS,
  textOfOctets,
} from '../support/tshark-fields.ts';
import { type TsharkField, type TsharkRecord, tsharkRecords } from '../support/tshark-records.ts';

/** Values in which tshark 4.0 and the lines differ, how many, and why the lines are right. */
interface Slip {
  readonly capture: string;
  readonly field: string;
  readonly values: number;
  readonly reason: string;
}

const BARRACUDA = 'export/derived/logstash/IPFIX-Barracuda-firewall.pcap';

const SLIPS: readonly Slip[] = [
  ...['cflow.octets', 'cflow.packets'].map((field) => ({
    capture: BARRACUDA,
    field,
    values: 4,
    reason: 'no slip: both deltas are zero beside totals of elements 85 and 86, which the line gives in their place',
  })),
];

/** Records that tshark 4.0 loses: how many of them have lines, and why. */
interface LostRecords {
  readonly capture: string;
  readonly records: number;
  readonly reason: string;
}

const LOST: readonly LostRecords[] = [
  {
    capture: 'export/generated/softflowd-v9.pcap',
    records: 3,
    reason: 'the header counts too few records, at which tshark stops',
  },
  {
    capture: 'export/derived/logstash/IPFIX-Netscaler-with-variable-length-fields.pcap',
    records: 2,
    reason: 'tshark takes no Template of more than 64 fields',
  },
  {
    capture: 'export/derived/beats/IPFIX-Netscaler-with-variable-length-fields.pcap',
    records: 1,
    reason: 'tshark takes no Template of more than 64 fields',
  },
  {
    capture: 'export/derived/logstash/Netflow-9-invalid-01.pcap',
    records: 3,
    reason: 'the header counts too few records, at which tshark stops',
  },
  {
    capture: 'export/derived/vermont/correct_variable_length_template_and_data.pcap',
    records: 3,
    reason: 'tshark dissects no record of nothing but variable-length fields',
  },
];

/** Enterprise numbers by tshark's names, for elements it does not know itself. */
const ENTERPRISES: Readonly<Record<string, number>> = {
  'CERT Coordination Center': 6871,
  'VMware Inc.': 6876,
  Netscaler: 5951,
  CESNET: 8057,
  'Masaryk University': 16982,
  'vIPtela Inc.': 41916,
};

interface Comparison {
  readonly name: string;
  readonly expected: string;
  readonly ours: string;
}

const registry = loadBuiltInRegistry();

function number(octets: string): string {
  return BigInt(`0x${octets}`).toString();
}

function convert(field: TsharkField, as: Conversion): string {
  switch (as) {
    case 'number':
      return field.octets === '' ? field.show : number(field.octets);
    case 'text':
      return textOfOctets(Buffer.from(field.octets, 'hex'));
    case 'octets':
      return field.octets;
    default:
      return field.show;
  }
}

function plain(value: LineValue | undefined): string {
  if (value === undefined) return '(absent)';
  if (typeof value === 'boolean') return value ? '1' : '2';
  return typeof value === 'object' ? JSON.stringify(value) : String(value);
}

function exportTimes({ header }: TsharkRecord): { exportMs: number; upMs: number } {
  const upMs = Number.parseInt(header.get('cflow.sysuptime')?.octets ?? '0', 16);
  return { exportMs: Number(nanosecondsOf(header.get('cflow.timestamp')!.show) / 1_000_000n), upMs };
}

/** One record of tshark's against one line. */
class RecordComparison {
  readonly comparisons: Comparison[] = [];
  /** Names that no table knows. */
  readonly unmapped: string[] = [];
  readonly #line: Line;
  readonly #record: TsharkRecord;
  readonly #systemInitMs: number;
  readonly #seen = new Map<string, number>();

  constructor(record: TsharkRecord, line: Line, systemInitMs: number) {
    this.#record = record;
    this.#line = line;
    this.#systemInitMs = systemInitMs;
    this.#header();
    for (const field of record.fields) this.#compare(field);
  }

  /** Whether keys and counters are the same. */
  get isSameRecord(): boolean {
    const differing = this.comparisons.filter(({ expected, ours }) => expected !== ours);
    return differing.every(({ name }) => !IDENTIFYING.test(name));
  }

  #header(): void {
    const { header, version } = this.#record;
    const { iana } = this.#line;
    this.#add('header: export time', String(exportTimes(this.#record).exportMs), iana.exportTimeMilliseconds);
    const sequence = header.get('cflow.sequence');
    if (sequence !== undefined) this.#add('header: sequence', number(sequence.octets), iana.exportSequenceNumber);
    if (version !== 5) return;
    this.#add('header: engine type', number(header.get('cflow.engine_type')!.octets), iana.engineType);
    this.#add('header: engine id', number(header.get('cflow.engine_id')!.octets), iana.engineId);
    const rate = header.get('cflow.samplerate')!.show;
    if (rate !== '0') this.#add('header: sampling', rate, iana.samplingInterval);
  }

  #compare(field: TsharkField): void {
    const { name } = field;
    if (NO_VALUE.test(name)) return;
    const time = /^cflow\.(abs)?time(start|end)$/.exec(name);
    if (time !== null) this.#time(field, time[1] === 'abs', time[2]!);
    else if (name === 'cflow.enterprise_private_entry' || name === 'cflow.unknown_field_type') this.#byNumber(field);
    else if (name === 'cflow.appl_id.classification_engine_id') this.#application(field);
    else if (name === 'cflow.icmp_ipv6_type') this.#icmpIPv6(field);
    else if (name === 'cflow.mpls_label') this.#mplsLabel(field);
    else if (name in INSTANTS) this.#instant(field, INSTANTS[name]!);
    else if (TSHARK_FIELDS[name] !== undefined) this.#mapped(field, TSHARK_FIELDS[name]);
    else this.unmapped.push(name);
  }

  /** An occurrence of a repeated element is the array's item of the same place. */
  #add(name: string, expected: string, value: LineValue | undefined, occurrence = 0): void {
    this.comparisons.push({ name, expected, ours: plain(Array.isArray(value) ? value[occurrence] : value) });
  }

  #occurrence(name: string): number {
    const occurrence = this.#seen.get(name) ?? 0;
    this.#seen.set(name, occurrence + 1);
    return occurrence;
  }

  #mapped(field: TsharkField, { keys, as }: { keys: readonly string[]; as: Conversion }): void {
    const { iana } = this.#line;
    const name = field.isReverse ? `${field.name} (reverse)` : field.name;
    const occurrence = this.#occurrence(name);
    const candidates = field.isReverse ? keys.map(reverseKey) : keys;
    const key = candidates.find((candidate) => iana[candidate] !== undefined) ?? candidates[0]!;
    // tshark has one name for elements 7, 180 and 182, and for 11, 181 and 183.
    const others = occurrence > 0 && !Array.isArray(iana[key]) ? PORTS_BY_PROTOCOL[field.name] : undefined;
    const other = others?.find((candidate) => iana[candidate] !== undefined);
    this.#add(name, convert(field, as), iana[other ?? key], occurrence);
  }

  #application(field: TsharkField): void {
    const { fields } = this.#record;
    const selector = fields[fields.indexOf(field) + 1];
    const id = selector?.name === 'cflow.appl_id.selector_id' ? number(selector.octets) : '0';
    this.#add('cflow.appl_id', `${number(field.octets)}:${id}`, this.#line.iana.applicationId);
  }

  #icmpIPv6(field: TsharkField): void {
    const { fields } = this.#record;
    const code = fields[fields.indexOf(field) + 1];
    const expected = code?.name === 'cflow.icmp_ipv6_code' ? number(field.octets + code.octets) : '';
    this.#add('cflow.icmp_ipv6', expected, this.#line.iana.icmpTypeCodeIPv6);
  }

  #mplsLabel(field: TsharkField): void {
    const key = MPLS_KEYS[this.#occurrence(field.name)]!;
    this.#add(field.name, field.show, this.#line.iana[key]);
  }

  #instant(field: TsharkField, [key, perSecond]: readonly [string, bigint]): void {
    const expected = (nanosecondsOf(field.show) * perSecond) / 1_000_000_000n;
    this.#add(field.name, String(expected), this.#line.iana[key]);
  }

  #time(field: TsharkField, isAbsolute: boolean, side: string): void {
    const { iana } = this.#line;
    const prefix = side === 'start' ? 'flowStart' : 'flowEnd';
    const raw = iana[`${prefix}SysUpTime`];
    const milliseconds = iana[`${prefix}Milliseconds`];
    const seconds = iana[`${prefix}Seconds`];
    const isFourOctets = field.octets.length === 8;
    // tshark shows a time of 0 since the Exporter's start as 1970.
    const isZero = isFourOctets && field.octets === '00000000' && seconds === undefined && milliseconds !== 0;
    if (!isAbsolute || isZero) {
      const value = Number.parseInt(field.octets, 16);
      const expected = raw === undefined ? this.#placed(value) : value;
      this.#add(`${field.name} since start`, String(expected), raw ?? milliseconds);
      return;
    }
    const nanoseconds = nanosecondsOf(field.show);
    const microseconds = iana[`${prefix}Microseconds`];
    // tshark cuts nanoseconds off the fraction of 2^-32 s that the Exporter cut off already.
    if (microseconds !== undefined) this.#add(`${field.name} µs`, String((nanoseconds + 500n) / 1000n), microseconds);
    if (isFourOctets && seconds !== undefined)
      this.#add(`${field.name} s`, String(nanoseconds / 1_000_000_000n), seconds);
    else this.#add(`${field.name} ms`, String(nanoseconds / 1_000_000n), milliseconds);
  }

  /** RFC 3954 section 5.1. The difference is signed, so that it survives the wrap of sysUpTime and flows older than it. */
  #placed(sinceStart: number): number {
    const { exportMs, upMs } = exportTimes(this.#record);
    const up = this.#record.version === 10 ? exportMs - this.#systemInitMs : upMs;
    return exportMs + ((sinceStart - up) | 0);
  }

  /** Elements that tshark shows by number; their names are the definitions', their values tshark's octets. */
  #byNumber(field: TsharkField): void {
    const [, vendor = '', digits = ''] = /(?:\((.*)\) )?Type (\d+): Value/.exec(field.label) ?? [];
    // Elements 291 to 293, lists: compared where a golden has them.
    if (vendor === '(null)') return;
    const id = Number(digits);
    const enterprise = ENTERPRISES[vendor] ?? 0;
    const own = enterprise === 0 ? registry.findNetflow9(id) : registry.find(enterprise, id);
    const reversed = own === undefined && id >= 16_384 ? registry.find(enterprise, id - 16_384) : undefined;
    const element = own ?? reversed;
    if (element !== undefined && /List$/.test(element.type)) return;
    const name = element?.name ?? `${enterprise}.${id}`;
    const type = element?.type ?? 'octetArray';
    const as = type.startsWith('unsigned') ? 'number' : type === 'string' ? 'text' : 'octets';
    const { iana, ntop } = this.#line;
    const value = iana[reversed === undefined ? name : reverseKey(name)] ?? ntop[element?.ntopName ?? name];
    this.#add(`${enterprise}.${id}`, convert(field, as), value);
  }
}

/** Fields by which records are told apart where tshark has lost some. */
const IDENTIFYING =
  /^cflow\.(?:srcaddr|dstaddr|srcport|dstport|octets|packets|flowsexp|if_name|flow_id|pie\.netscaler\.transaction-id)/;

const PORTS_BY_PROTOCOL: Readonly<Record<string, readonly string[]>> = {
  'cflow.srcport': ['tcpSourcePort', 'udpSourcePort'],
  'cflow.dstport': ['tcpDestinationPort', 'udpDestinationPort'],
};

const INSTANTS: Readonly<Record<string, readonly [key: string, perSecond: bigint]>> = {
  'cflow.sys_init_time': ['systemInitTimeMilliseconds', 1000n],
  'cflow.observation_time_seconds': ['observationTimeSeconds', 1n],
  'cflow.observation_time_milliseconds': ['observationTimeMilliseconds', 1000n],
};

function sessionOfRecord({ version, exporter, domain, templateId }: TsharkRecord): string {
  return version >= 9 ? `${version} ${exporter} ${domain} ${templateId}` : `${version} ${exporter}`;
}

function sessionOfLine(line: Line): string {
  const { ntop } = line;
  const version = Number(ntop.EXPORT_PROTOCOL_VERSION);
  const session = `${version} ${exporterOf(line)}`;
  return version >= 9 ? `${session} ${ntop.OBSERVATION_DOMAIN_ID} ${ntop.TEMPLATE_ID}` : session;
}

function groupBy<Item>(items: readonly Item[], key: (item: Item) => string): Map<string, Item[]> {
  const groups = new Map<string, Item[]>();
  for (const item of items) {
    const group = groups.get(key(item));
    if (group === undefined) groups.set(key(item), [item]);
    else group.push(item);
  }
  return groups;
}

const totals = { captures: 0, records: 0, values: 0, names: new Set<string>(), excepted: 0, lost: 0 };

async function compareCapture(capture: CataloguedCapture): Promise<void> {
  const { path } = capture;
  const records = await tsharkRecords(capture);
  const decoded = decodeCapture(path);
  expect(decoded.internalError).toBe('');
  const lines = decoded.lines.filter(({ ntop }) => ntop.EXPORT_PROTOCOL !== 'sFlow');
  const linesBySession = groupBy(lines, sessionOfLine);
  const recordsLeft = new Map([...groupBy(records, sessionOfRecord)].map(([session, all]) => [session, all.length]));
  const next = new Map<string, number>();
  const systemInits = new Map<string, number>();
  const differences: string[] = [];
  const excepted = new Map<Slip, number>();
  let compared = 0;
  for (const record of records) {
    const session = sessionOfRecord(record);
    const domain = `${record.exporter} ${record.domain}`;
    const init = record.fields.find(({ name }) => name === 'cflow.sys_init_time');
    if (init !== undefined) systemInits.set(domain, Number(nanosecondsOf(init.show) / 1_000_000n));
    const group = linesBySession.get(session) ?? [];
    let at = next.get(session) ?? 0;
    const left = recordsLeft.get(session)!;
    recordsLeft.set(session, left - 1);
    let comparison: RecordComparison | undefined;
    // Lines that tshark has no record for are passed over: only as many as there are too many.
    for (; at < group.length; at++) {
      comparison = new RecordComparison(record, group[at]!, systemInits.get(domain) ?? 0);
      if (comparison.isSameRecord || group.length - at <= left) break;
    }
    next.set(session, at + 1);
    if (comparison === undefined || at >= group.length) {
      differences.push(`frame ${record.frame}, ${session}: no line`);
      continue;
    }
    compared++;
    for (const name of comparison.unmapped) differences.push(`${name}: no table knows it`);
    for (const { name, expected, ours } of comparison.comparisons) {
      totals.names.add(name);
      const slip = expected === ours ? undefined : SLIPS.find((each) => each.capture === path && each.field === name);
      if (slip !== undefined) excepted.set(slip, (excepted.get(slip) ?? 0) + 1);
      else if (expected !== ours)
        differences.push(`frame ${record.frame}, ${session}, ${name}: ${expected}, not ${ours}`);
      else totals.values++;
    }
  }
  totals.captures++;
  totals.records += compared;
  const lost = lines.length - compared;
  totals.lost += lost;
  expect(differences.slice(0, 20)).toEqual([]);
  expect(lost).toBe(LOST.find((each) => each.capture === path)?.records ?? 0);
  for (const slip of SLIPS.filter((each) => each.capture === path)) {
    expect([slip.field, excepted.get(slip) ?? 0]).toEqual([slip.field, slip.values]);
    totals.excepted += slip.values;
  }
}

const captures = cataloguedCaptures().filter(({ protocol }) => protocol !== 'sflow5');

if (!hasCorpora) skipVisibly('values as tshark sees them: the captures (../shared/corpora) are absent');
else if (!hasProgram('tshark')) skipVisibly('values as tshark sees them: tshark is absent');
else {
  describe('values of NetFlow and IPFIX as tshark sees them', () => {
    // Two at a time: each is a run of tshark.
    const gates = [Promise.resolve(), Promise.resolve()];
    it.concurrent.each(captures.map((capture, index) => ({ path: capture.path, capture, index })))(
      '$path',
      async ({ capture, index }) => {
        const gate = index % gates.length;
        const turn = gates[gate]!.then(() => compareCapture(capture));
        gates[gate] = turn.catch(() => {});
        await turn;
      },
      600_000,
    );
    afterAll(() => {
      const { captures: count, records, values, names, excepted, lost } = totals;
      console.log(
        `tshark, values: ${count} captures, ${records} records, ${values} values of ${names.size} fields agree; ` +
          `${excepted} values excepted, ${lost} records that tshark loses`,
      );
    });
  });
}
