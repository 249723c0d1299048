/** Keys and counters of every capture against what nfdump was seen to print for it (`oracle/….nfdump.tsv`). */

import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import {
  CORPORA,
  cataloguedCaptures,
  decodeCapture,
  hasCorpora,
  type Line,
  type LineValue,
  oraclePath,
  skipVisibly,
} from '../support/conformance-capture.ts';

/** Rows in which nfdump and the program differ: how many, and why the program is right. */
interface Slip {
  readonly capture: string;
  /** Rows of nfdump's without a flow of ours. */
  readonly missing: number;
  /** Flows of ours without a row. */
  readonly surplus: number;
  readonly reason: string;
}

function slip(capture: string, missing: number, surplus: number, reason: string): Slip {
  return { capture: `export/${capture}.pcap`, missing, surplus, reason };
}

const EARLY = 'nfdump drops data that come before their Template';
const SECTION = 'nfdump leaves the packet section undissected; the line has the addresses of the packet in it';
const SHORT_SAMPLE = 'nfdump gives up a sample whose length does not fit its records; what could be read is a line';

const SLIPS: readonly Slip[] = [
  slip('akvorado/netflow/testdata/data+templates', 0, 11, EARLY),
  slip('beats/pcap/ipfix_cisco', 29, 29, 'nfdump 1.7.1 reads no initiatorOctets and initiatorPackets in IPFIX'),
  slip(
    'pmacct/400-IPFIXv10-BMP-CISCO-SRv6-multiple-sources/traffic-00',
    72,
    72,
    'nfdump loses the outer IPv6 addresses where a Template repeats them; tshark has them as the lines do',
  ),
  slip('tcpdump/sflow_multiple_counter_30_pdus', 0, 7, 'sfcapd has no NetFlow v5, of which the capture has a datagram'),
  slip('derived/logstash/IPFIX-Barracuda-firewall', 4, 4, 'deltas of zero beside totals: the line gives the totals'),
  slip('derived/logstash/IPFIX-Netscaler-with-variable-length-fields', 0, 3, EARLY),
  slip(
    'derived/logstash/Netflow-5-invalid-01',
    0,
    30,
    'nfdump rejects the datagram; the records that are whole are lines',
  ),
  slip('derived/logstash/Netflow-5-valid-01', 28, 0, 'the header counts 2 records; nfdump reads what lies behind them'),
  slip('derived/akvorado/data-then-template', 0, 4, EARLY),
  slip('derived/akvorado/datalink', 1, 1, SECTION),
  slip('derived/akvorado/ipfix-srv6', 1, 1, SECTION),
  slip('derived/hexsrc/gopacket-sflow_test-L00211-sflow', 0, 1, SHORT_SAMPLE),
  slip(
    'derived/hexsrc/gopacket-sflow_test-L00225-sflow',
    1,
    1,
    'nfdump takes the protocol of the tunnel for the flow’s',
  ),
  slip('derived/hexsrc/gopacket-sflow_test-L00254-sflow', 0, 1, SHORT_SAMPLE),
  slip('derived/hexsrc/gopacket-sflow_test-L00316-sflow', 7, 7, 'sfcapd ignores the length in Ethernet frame data'),
  slip(
    'derived/vermont/correct_variable_length_template_and_data',
    0,
    3,
    'nfdump has no flow of elements it does not know',
  ),
];

const captures = cataloguedCaptures().filter(({ path }) => existsSync(join(CORPORA, oraclePath(path, 'nfdump.tsv'))));

/**
 * nfdump's rows without ICMP's ports: it puts type and code into the destination port, into both (sFlow), or nowhere (where a
 * Template has ports besides). IPv4 addresses that it keeps as IPv6 because the Template has both come without their `::`.
 */
function oracleRows(capture: string): string[] {
  return readFileSync(join(CORPORA, oraclePath(capture, 'nfdump.tsv')), 'utf8')
    .split('\n')
    .filter((line) => line !== '' && !line.startsWith('#'))
    .map((line) => {
      const cells = line.split('\t').map((cell) => cell.replace(/^::(?=\d+\.)/, ''));
      if (isIcmp(cells[4]!)) cells.splice(2, 2, '-', '-');
      return cells.join(' ');
    });
}

function isIcmp(protocol: string): boolean {
  return protocol === '1' || protocol === '58';
}

/** nfdump has zero for what a record does not tell, and the last of what it tells several times. */
function number(value: LineValue | undefined): number {
  return Number((Array.isArray(value) ? value.at(-1) : value) ?? 0);
}

function address({ iana }: Line, side: 'source' | 'destination'): string {
  const last = (value: LineValue | undefined): LineValue | undefined => (Array.isArray(value) ? value.at(-1) : value);
  const four = last(iana[`${side}IPv4Address`]);
  const six = last(iana[`${side}IPv6Address`]);
  return String((four === undefined || (four === '0.0.0.0' && six !== undefined) ? six : four) ?? '0.0.0.0');
}

/** A flow as nfdump prints it: its octets and packets as given. */
function row(line: Line, octets: number, packets: number): string {
  const { iana } = line;
  const protocol = String(number(iana.protocolIdentifier));
  return [
    address(line, 'source'),
    address(line, 'destination'),
    isIcmp(protocol) ? '-' : number(iana.sourceTransportPort),
    isIcmp(protocol) ? '-' : number(iana.destinationTransportPort),
    protocol,
    octets,
    packets,
    number(iana.reverseOctetDeltaCount ?? iana.postOctetDeltaCount),
    number(iana.reversePacketDeltaCount ?? iana.postPacketDeltaCount),
  ].join(' ');
}

/** Every form in which nfdump may print a flow, the one it prefers first. */
function forms(line: Line): string[] {
  const { iana } = line;
  const octets = number(iana.octetDeltaCount);
  const packets = number(iana.packetDeltaCount);
  // It multiplies by the sampling interval where it knows it, which is in fewer captures than here.
  const interval = number(iana.samplingInterval) || 1;
  const scaled = row(line, octets * interval, packets * interval);
  // Of deltas and totals in one record it keeps the totals where they come later (Open vSwitch).
  const totalPackets = number(iana.packetTotalCount ?? packets);
  return [scaled, row(line, octets, packets), row(line, number(iana.octetTotalCount ?? octets), totalPackets)];
}

function compare(rows: readonly string[], lines: readonly Line[]): { missing: string[]; surplus: string[] } {
  const left = new Map<string, number>();
  for (const each of rows) left.set(each, (left.get(each) ?? 0) + 1);
  const surplus: string[] = [];
  for (const line of lines) {
    const found = forms(line).find((form) => (left.get(form) ?? 0) > 0);
    if (found === undefined)
      surplus.push(row(line, number(line.iana.octetDeltaCount), number(line.iana.packetDeltaCount)));
    else left.set(found, left.get(found)! - 1);
  }
  return { missing: [...left].flatMap(([text, count]) => new Array<string>(count).fill(text)), surplus };
}

const totals = { captures: 0, rows: 0, missing: 0, surplus: 0 };

if (!hasCorpora) skipVisibly('captures against nfdump: the captures (../shared/corpora) are absent');
else {
  describe('captures against the rows nfdump printed', () => {
    it.each(captures.map(({ path }) => ({ path })))('$path', ({ path }) => {
      const { lines, internalError } = decodeCapture(path);
      expect(internalError).toBe('');
      const flows = lines.filter(({ ntop }) => ntop.RECORD_TYPE === 'flow' || ntop.RECORD_TYPE === 'event');
      const { missing, surplus } = compare(oracleRows(path), flows);
      totals.rows += flows.length - surplus.length;
      totals.missing += missing.length;
      totals.surplus += surplus.length;
      const known = SLIPS.find(({ capture }) => capture === path);
      if (known === undefined) {
        expect({ missing, surplus }).toEqual({ missing: [], surplus: [] });
        totals.captures++;
      } else {
        expect({ missing: missing.length, surplus: surplus.length }).toEqual({
          missing: known.missing,
          surplus: known.surplus,
        });
      }
    });

    afterAll(() => {
      const { captures: count, rows, missing, surplus } = totals;
      console.log(
        `nfdump rows: ${count} of ${captures.length} captures agree wholly; ${rows} flows agree; ` +
          `excepted: -${missing} +${surplus}`,
      );
    });
  });
}
