/** Keys and counters of every capture against what tshark was seen to print for it (`oracle/….tshark.tsv`). */

import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import {
  CORPORA,
  cataloguedCaptures,
  compareMultisets,
  decodeCapture,
  exporterOf,
  hasCorpora,
  type LearnedTemplate,
  type Line,
  type LineValue,
  oraclePath,
  skipVisibly,
  textOf,
} from '../support/conformance-capture.ts';
import { NO_VALUE, nanosecondsOf, TSHARK_FIELDS } from '../support/tshark-fields.ts';

type Kind = 'flow' | 'optrec' | 'tmpl' | 'smpl' | 'ctr';

/** Rows in which the oracle and the program differ: how many, and why the program is right. */
interface Slip {
  readonly capture: string;
  readonly kind: Kind;
  /** Rows of the oracle without a record of ours. */
  readonly missing: number;
  /** Records of ours without a row. */
  readonly surplus: number;
  readonly reason: string;
}

const EARLY = 'the oracle was made in one pass: data before their Template were dropped';
const COUNT = 'the header counts too few records, at which tshark stops';
const EMPTY = 'a Template without fields, or whose records would be empty, is refused';
const SECTION = 'tshark leaves the packet section undissected; the line has the addresses of the packet in it';

function slip(capture: string, kind: Kind, missing: number, surplus: number, reason: string): Slip {
  return { capture: `export/${capture}.pcap`, kind, missing, surplus, reason };
}

const SLIPS: readonly Slip[] = [
  slip('akvorado/netflow/testdata/data+templates', 'flow', 0, 11, EARLY),
  slip('generated/softflowd-v9', 'flow', 0, 2, COUNT),
  slip('generated/softflowd-v9', 'optrec', 0, 1, COUNT),
  slip('generated/softflowd-v9', 'tmpl', 0, 3, COUNT),
  slip('libnetflow9/malformed-OT', 'tmpl', 1, 0, EMPTY),
  slip('libnetflow9/malformed_1', 'tmpl', 3, 0, EMPTY),
  slip('libnetflow9/malformed_3', 'tmpl', 1, 0, EMPTY),
  slip('libnetflow9/malformed_5', 'tmpl', 1, 0, EMPTY),
  slip(
    'derived/logstash/IPFIX-Barracuda-firewall',
    'flow',
    4,
    4,
    'deltas of zero beside totals: the line gives the totals',
  ),
  slip('derived/logstash/IPFIX-Netscaler-with-variable-length-fields', 'flow', 0, 3, EARLY),
  slip('derived/logstash/Netflow-9-invalid-01', 'flow', 0, 2, COUNT),
  slip('derived/logstash/Netflow-9-invalid-01', 'optrec', 0, 1, COUNT),
  slip('derived/logstash/Netflow-9-invalid-01', 'tmpl', 0, 1, COUNT),
  slip('derived/akvorado/data-then-template', 'flow', 0, 4, EARLY),
  slip('derived/akvorado/datalink', 'flow', 1, 1, SECTION),
  slip('derived/akvorado/ipfix-srv6', 'flow', 1, 1, SECTION),
  slip(
    'derived/ipfixcol1/bad-length-in-set',
    'tmpl',
    16,
    0,
    'a Message with broken framing is discarded whole (RFC 7011 section 9.1)',
  ),
  slip('derived/ipfixcol1/withdrawal-message-256', 'tmpl', 1, 0, 'a Template Withdrawal is no Template'),
  slip(
    'derived/vermont/correct_variable_length_template_and_data',
    'flow',
    0,
    3,
    'tshark dissects no record of nothing but variable-length fields',
  ),
  slip(
    'derived/vermont/template_record_field_number_too_big',
    'tmpl',
    1,
    0,
    'a Template that its Set does not hold whole is refused',
  ),
];

const captures = cataloguedCaptures().filter(({ path }) => existsSync(join(CORPORA, oraclePath(path, 'tshark.tsv'))));

/** Rows of one kind without the kind and the frame number. */
function oracleRows(capture: string, kind: Kind): string[][] {
  return readFileSync(join(CORPORA, oraclePath(capture, 'tshark.tsv')), 'utf8')
    .split('\n')
    .map((line) => line.split('\t'))
    .filter((cells) => cells[0] === kind)
    .map((cells) => cells.slice(2));
}

const isSflow = ({ ntop }: Line): boolean => ntop.EXPORT_PROTOCOL === 'sFlow';
const isFlow = ({ ntop }: Line): boolean => ntop.RECORD_TYPE === 'flow' || ntop.RECORD_TYPE === 'event';
const isOptions = ({ ntop }: Line): boolean => ntop.RECORD_TYPE === 'options';

function versionOf({ ntop }: Line): string {
  const version = ntop.EXPORT_PROTOCOL_VERSION;
  return version === 10 ? 'ipfix' : `v${version}`;
}

function flatValues(values: Record<string, LineValue>): LineValue[] {
  return Object.values(values).filter((value) => typeof value !== 'object');
}

/** A value as the oracle has it: of a repeated element the first. */
function first(value: LineValue | undefined): string {
  return textOf(Array.isArray(value) ? value[0] : value);
}

/** tshark takes the IPv6 address of a Template with both where the other is zero. */
function address({ ntop }: Line, side: 'SRC' | 'DST'): string {
  const four = ntop[`IPV4_${side}_ADDR`];
  const six = ntop[`IPV6_${side}_ADDR`];
  return first(four === undefined || (four === '0.0.0.0' && six !== undefined) ? six : four);
}

/** ntop has one name for what comes back and for what leaves; IANA's tell which of them the line has. */
function reverse({ ntop, iana }: Line, what: 'Octet' | 'Packet'): string {
  const key = what === 'Octet' ? 'OUT_BYTES' : 'OUT_PKTS';
  return iana[`reverse${what}DeltaCount`] === undefined ? '-' : textOf(ntop[key]);
}

function flowRow(line: Line): string {
  const { ntop } = line;
  return [
    versionOf(line),
    exporterOf(line),
    textOf(ntop.OBSERVATION_DOMAIN_ID ?? ntop.ENGINE_ID),
    textOf(ntop.TEMPLATE_ID),
    address(line, 'SRC'),
    address(line, 'DST'),
    first(ntop.L4_SRC_PORT),
    first(ntop.L4_DST_PORT),
    first(ntop.PROTOCOL),
    first(ntop.IN_BYTES ?? ntop.OUT_BYTES),
    first(ntop.IN_PKTS ?? ntop.OUT_PKTS),
    reverse(line, 'Octet'),
    reverse(line, 'Packet'),
  ].join(' ');
}

/**
 * sFlow's output interface as the one word it is on the wire: its upper two bits say whether the rest is an interface, why the
 * packet was discarded, or by how many interfaces it left (sFlow version 5, section 5).
 */
function outputInterface({ ntop }: Line): string {
  const { OUTPUT_DISCARD_REASON: reason, OUTPUT_INTERFACE_COUNT: count } = ntop;
  if (reason !== undefined) return String(0x4000_0000 + Number(reason));
  return count === undefined ? textOf(ntop.OUTPUT_SNMP) : String(0x8000_0000 + Number(count));
}

function sampleRow(line: Line): string {
  const { ntop } = line;
  return [
    textOf(ntop.SFLOW_AGENT_ADDRESS),
    textOf(ntop.SFLOW_SUB_AGENT_ID),
    textOf(ntop.SFLOW_SOURCE_ID_INDEX),
    textOf(ntop.SAMPLING_INTERVAL),
    textOf(ntop.INPUT_SNMP),
    outputInterface(line),
    textOf(ntop.FRAME_LENGTH),
    address(line, 'SRC'),
    address(line, 'DST'),
    textOf(ntop.L4_SRC_PORT),
    textOf(ntop.L4_DST_PORT),
    textOf(ntop.PROTOCOL),
  ].join(' ');
}

/** Agent, sub-agent, source and number of counter records: each is a member of its own. */
function countersRow({ ntop }: Line): string {
  const records = Object.values(ntop).filter((value) => typeof value === 'object');
  return [
    textOf(ntop.SFLOW_AGENT_ADDRESS),
    textOf(ntop.SFLOW_SUB_AGENT_ID),
    textOf(ntop.SFLOW_SOURCE_ID_INDEX),
    records.length,
  ].join(' ');
}

function templateRow({ exporter, domain, template }: LearnedTemplate): string {
  const version = template.version === 10 ? 'ipfix' : 'v9';
  const kind = template.scopeFieldCount >= 0 ? 'options' : 'data';
  return [version, exporter, domain, kind, template.id, template.fields.length].join(' ');
}

const COLON_OCTETS = /^[0-9a-f]{2}(?::[0-9a-f]{2})*$/;

/** The line's text for a value as tshark shows it. */
function shown(show: string, as: string): string {
  if (as === 'number') {
    if (COLON_OCTETS.test(show) && show.includes(':')) return String(Number.parseInt(show.replaceAll(':', ''), 16));
    return show.startsWith('0x') ? String(Number(show)) : show;
  }
  return as === 'octets' ? show.replaceAll(':', '') : show;
}

const TIMES: Readonly<Record<string, readonly [key: string, perMs: bigint]>> = {
  'cflow.sys_init_time': ['systemInitTimeMilliseconds', 1_000_000n],
  'cflow.observation_time_seconds': ['observationTimeSeconds', 1_000_000_000n],
};

/**
 * An Options Data Record of the oracle and the values of a line that it names, both as one text. Fields tshark has no name
 * for are left to the comparison of values.
 */
function optionsRows(
  [version, exporter, domain, id, fields = '']: string[],
  line: Line,
): [theirs: string, ours: string] {
  const head = `${version} ${exporter} ${domain} ${id}`;
  const theirs: string[] = [head];
  const ours: string[] = [
    [versionOf(line), exporterOf(line), line.iana.observationDomainId, line.iana.templateId].join(' '),
  ];
  const seen = new Map<string, number>();
  let engine = '';
  for (const field of fields.split(';')) {
    const equals = field.indexOf('=');
    const name = field.slice(0, equals);
    const show = field.slice(equals + 1);
    const occurrence = seen.get(name) ?? 0;
    seen.set(name, occurrence + 1);
    const at = (key: string): string => {
      const value = line.iana[key];
      return textOf(Array.isArray(value) ? value[occurrence] : value);
    };
    const time = TIMES[name];
    const mapped = TSHARK_FIELDS[name];
    if (name === 'cflow.appl_id.classification_engine_id') engine = show;
    else if (name === 'cflow.appl_id.selector_id') {
      theirs.push(`${engine}:${shown(show, 'number')}`);
      ours.push(at('applicationId'));
    } else if (time !== undefined) {
      theirs.push(`${name}=${nanosecondsOf(show) / time[1]}`);
      ours.push(`${name}=${at(time[0])}`);
    } else if (mapped !== undefined) {
      const key = mapped.keys.find((candidate) => line.iana[candidate] !== undefined) ?? mapped.keys[0]!;
      theirs.push(`${name}=${shown(show, mapped.as)}`);
      ours.push(`${name}=${at(key)}`);
    } else if (!NO_VALUE.test(name) && name !== 'cflow.enterprise_private_entry') {
      theirs.push(`${name} is in no table`);
    }
  }
  return [theirs.join('; '), ours.join('; ')];
}

/** Options Data Records pair up in the order of their Template. */
function compareOptions(rows: readonly string[][], lines: readonly Line[]): { expected: string[]; ours: string[] } {
  const left = new Map<string, Line[]>();
  for (const line of lines) {
    const key = [versionOf(line), exporterOf(line), line.iana.observationDomainId, line.iana.templateId].join(' ');
    left.set(key, [...(left.get(key) ?? []), line]);
  }
  const expected: string[] = [];
  const ours: string[] = [];
  for (const row of rows) {
    const line = left.get(row.slice(0, 4).join(' '))?.shift();
    if (line === undefined) {
      expected.push(row.join(' '));
      continue;
    }
    const [theirText, ourText] = optionsRows(row, line);
    expected.push(theirText);
    ours.push(ourText);
  }
  for (const rest of left.values()) for (const line of rest) ours.push(JSON.stringify(line.iana));
  return { expected, ours };
}

const totals = new Map<Kind, { rows: number; missing: number; surplus: number }>();
let agreeingCaptures = 0;

function check(capture: string, kind: Kind, expected: readonly string[], ours: readonly string[]): boolean {
  const { agreeing, missing, surplus } = compareMultisets(expected, ours);
  const total = totals.get(kind) ?? { rows: 0, missing: 0, surplus: 0 };
  totals.set(kind, {
    rows: total.rows + agreeing,
    missing: total.missing + missing.length,
    surplus: total.surplus + surplus.length,
  });
  const known = SLIPS.find((each) => each.capture === capture && each.kind === kind);
  if (known === undefined) expect({ kind, missing, surplus }).toEqual({ kind, missing: [], surplus: [] });
  else
    expect({ kind, missing: missing.length, surplus: surplus.length }).toEqual({
      kind,
      missing: known.missing,
      surplus: known.surplus,
    });
  return known === undefined;
}

if (!hasCorpora) skipVisibly('captures against tshark: the captures (../shared/corpora) are absent');
else {
  describe('captures against the rows tshark printed', () => {
    it('names no capture in its exceptions that is not there', () => {
      const paths = captures.map(({ path }) => path);
      expect(SLIPS.filter(({ capture }) => !paths.includes(capture))).toEqual([]);
      expect(captures.length).toBeGreaterThan(130);
    });

    it.each(captures.map(({ path }) => ({ path })))('$path', ({ path }) => {
      const { lines, templates, internalError } = decodeCapture(path);
      expect(internalError).toBe('');
      // The comparisons read the one naming or the other: they tell the same.
      for (const line of lines) expect(flatValues(line.ntop)).toEqual(flatValues(line.iana));
      const rows = (kind: Kind): string[] => oracleRows(path, kind).map((cells) => cells.join(' '));
      const samples = oracleRows(path, 'smpl').map(([agent, sub, , ...rest]) => [agent, sub, ...rest].join(' '));
      const counters = oracleRows(path, 'ctr').map(([agent, sub, , ...rest]) => [agent, sub, ...rest].join(' '));
      const options = compareOptions(oracleRows(path, 'optrec'), lines.filter(isOptions));
      const agrees = [
        check(path, 'flow', rows('flow'), lines.filter((line) => isFlow(line) && !isSflow(line)).map(flowRow)),
        check(path, 'optrec', options.expected, options.ours),
        check(path, 'tmpl', rows('tmpl'), templates.map(templateRow)),
        check(path, 'smpl', samples, lines.filter((line) => isFlow(line) && isSflow(line)).map(sampleRow)),
        check(path, 'ctr', counters, lines.filter(({ ntop }) => ntop.RECORD_TYPE === 'counters').map(countersRow)),
      ];
      if (!agrees.includes(false)) agreeingCaptures++;
    });

    afterAll(() => {
      const kinds = [...totals].map(
        ([kind, { rows, missing, surplus }]) => `${kind} ${rows} (excepted: -${missing} +${surplus})`,
      );
      console.log(`tshark rows: ${agreeingCaptures} of ${captures.length} captures agree wholly; ${kinds.join(', ')}`);
    });
  });
}
