/** TCP analysis against Wireshark's, by connection: real captures, and one with packets dropped, doubled and delayed. */

import { spawnSync } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, describe, expect, it } from 'vitest';
import { hasProgram } from '../support/lab.ts';
import { type FlowLine, MeterHarness } from '../support/meter-harness.ts';
import { Random } from '../support/random.ts';

const CORPORA = fileURLToPath(new URL('../../../shared/corpora/packets/', import.meta.url));
const canRun = hasProgram('tshark') && existsSync(CORPORA);
if (!canRun) console.log(`SKIPPED: TCP analysis beside tshark, which needs tshark and captures in ${CORPORA}`);

const LARGE = 'pcapplusplus/ExamplesTest/pcap_examples/many-protocols.pcap';
const CAPTURES = [
  LARGE,
  'joy/sample.pcap',
  'arkime/http-simple-get.pcap',
  'arkime/v6.pcap',
  'arkime/80211http.pcap',
  'arkime/pppoe.pcap',
  'arkime/nflog.pcap',
  'arkime/gre-sample.pcap',
  'arkime/tcpdump-geneve.pcap',
  'libtrace/vlan.pcap',
  'libtrace/100_packets.pcapng',
  'flowtest/pcap/tls13.pcap',
];

const directory = canRun ? mkdtempSync(join(tmpdir(), 'flowrelay-tcp-')) : '';
afterAll(() => {
  if (directory !== '') rmSync(directory, { recursive: true });
});

/** Counts of one direction of a connection. */
interface Counts {
  retransmissions: number;
  outOfOrder: number;
  gaps: number;
  zeroWindows: number;
  keepAlives: number;
  resets: number;
}

const NONE: Counts = { retransmissions: 0, outOfOrder: 0, gaps: 0, zeroWindows: 0, keepAlives: 0, resets: 0 };

interface Seen {
  /** By source, source port, destination, destination port. */
  readonly directions: Map<string, Counts>;
  /** Round trip of the handshake in milliseconds, by both ends in order. */
  readonly handshakes: Map<string, number>;
}

function add(seen: Seen, key: string, counts: Counts): void {
  const before = seen.directions.get(key) ?? NONE;
  const sum = { ...NONE };
  for (const name of Object.keys(NONE) as (keyof Counts)[]) sum[name] = before[name] + counts[name];
  if (Object.values(sum).some((count) => count > 0)) seen.directions.set(key, sum);
}

function bothEnds(source: string, destination: string): string {
  return [source, destination].sort().join(' ');
}

const FIELDS = [
  'ip.src',
  'ipv6.src',
  'tcp.srcport',
  'ip.dst',
  'ipv6.dst',
  'tcp.dstport',
  'tcp.analysis.retransmission',
  'tcp.analysis.fast_retransmission',
  'tcp.analysis.spurious_retransmission',
  'tcp.analysis.out_of_order',
  'tcp.analysis.lost_segment',
  'tcp.analysis.zero_window',
  'tcp.analysis.keep_alive',
  'tcp.flags.reset',
  'tcp.analysis.initial_rtt',
];

function seenByTshark(path: string): Seen {
  const words = [
    '-n',
    '-r',
    path,
    '-Y',
    'tcp and not icmp',
    '-o',
    'tcp.desegment_tcp_streams:FALSE',
    '-o',
    'ip.defragment:FALSE',
  ];
  words.push('-T', 'fields', '-E', 'occurrence=l', ...FIELDS.flatMap((field) => ['-e', field]));
  const { stdout } = spawnSync('tshark', words, { encoding: 'utf8', maxBuffer: 2 ** 28 });
  const seen: Seen = { directions: new Map(), handshakes: new Map() };
  for (const row of stdout.split('\n')) {
    if (row === '') continue;
    const [ip4, ip6, port, toIp4, toIp6, toPort, again, fast, spurious, order, lost, zero, alive, reset, handshake] =
      row.split('\t');
    const source = `${ip4 || ip6} ${port}`;
    const destination = `${toIp4 || toIp6} ${toPort}`;
    const count = (...texts: readonly (string | undefined)[]): number => (texts.some((text) => text !== '') ? 1 : 0);
    add(seen, `${source} ${destination}`, {
      retransmissions: count(again, fast, spurious),
      outOfOrder: count(order),
      gaps: count(lost),
      zeroWindows: count(zero),
      keepAlives: count(alive),
      resets: reset === '1' || reset === 'True' ? 1 : 0,
    });
    const ends = bothEnds(source, destination);
    if (handshake !== '' && handshake !== undefined && !seen.handshakes.has(ends))
      seen.handshakes.set(ends, Number(handshake) * 1000);
  }
  return seen;
}

function seenByUs(path: string): Seen {
  const harness = new MeterHarness();
  harness.addFile(path);
  const seen: Seen = { directions: new Map(), handshakes: new Map() };
  for (const line of harness.lines()) {
    if (line['PROTOCOL'] !== 6) continue;
    const source = `${line['IPV4_SRC_ADDR'] ?? line['IPV6_SRC_ADDR']} ${line['L4_SRC_PORT']}`;
    const destination = `${line['IPV4_DST_ADDR'] ?? line['IPV6_DST_ADDR']} ${line['L4_DST_PORT']}`;
    add(seen, `${source} ${destination}`, countsOf(line, 'IN'));
    add(seen, `${destination} ${source}`, countsOf(line, 'OUT'));
    const ends = bothEnds(source, destination);
    const [client, server] = [line['CLIENT_NW_LATENCY_MS'], line['SERVER_NW_LATENCY_MS']];
    if (client !== undefined && server !== undefined && !seen.handshakes.has(ends))
      seen.handshakes.set(ends, 2 * (Number(client) + Number(server)));
  }
  return seen;
}

function countsOf(line: FlowLine, direction: 'IN' | 'OUT'): Counts {
  const number = (key: string): number => Number(line[key] ?? 0);
  return {
    retransmissions: number(`RETRANSMITTED_${direction}_PKTS`),
    outOfOrder: number(`OOORDER_${direction}_PKTS`),
    gaps: number(`LOST_${direction}_PKTS`),
    zeroWindows: number(`TCP_WIN_ZERO_${direction}`),
    keepAlives: number(`TCP_KEEP_ALIVE_${direction}`),
    resets: number(`TCP_RESETS_${direction}`),
  };
}

/** Handshakes that both saw whole must agree within 50 µs. Gives how many there are. */
function compareHandshakes(own: Seen, theirs: Seen): number {
  let compared = 0;
  for (const [ends, roundTripMs] of own.handshakes) {
    const theirsMs = theirs.handshakes.get(ends);
    expect(theirsMs, ends).toBeDefined();
    expect(Math.abs(theirsMs! - roundTripMs), ends).toBeLessThan(0.05);
    compared++;
  }
  return compared;
}

describe.skipIf(!canRun)('TCP analysis', () => {
  for (const capture of CAPTURES) {
    it(`${capture}: every connection has the counts and the handshake that tshark sees`, () => {
      const own = seenByUs(CORPORA + capture);
      const theirs = seenByTshark(CORPORA + capture);
      expect(own.directions).toEqual(theirs.directions);
      expect(compareHandshakes(own, theirs)).toBe(theirs.handshakes.size);
    });
  }

  it('of bad lines: counts within 1 % of those of tshark', () => {
    const path = join(directory, 'bad-line.pcap');
    const [ownSums, theirSums] = [{ ...NONE }, { ...NONE }];
    const addTo = (sums: Counts, seen: Seen) => {
      for (const counts of seen.directions.values())
        for (const name of Object.keys(NONE) as (keyof Counts)[]) sums[name] += counts[name];
    };
    // Several, always the same: of one line a segment or two, which could be taken for either, would be more than a hundredth.
    for (const seed of SEEDS) {
      writeFileSync(path, badLine(readFileSync(CORPORA + LARGE), new Random(seed)));
      addTo(ownSums, seenByUs(path));
      addTo(theirSums, seenByTshark(path));
    }
    for (const name of Object.keys(NONE) as (keyof Counts)[]) {
      // What came behind others is one or the other, by fractions of a round trip: seed 13,000,039 has two of 125 that each takes otherwise.
      const isLate = name === 'retransmissions' || name === 'outOfOrder';
      const counted = isLate ? theirSums.retransmissions + theirSums.outOfOrder : theirSums[name];
      const most = Math.max(1, counted * 0.01);
      expect(Math.abs(ownSums[name] - theirSums[name]), name).toBeLessThanOrEqual(most);
    }
    expect(theirSums.retransmissions).toBeGreaterThan(250);
    expect(theirSums.gaps).toBeGreaterThan(150);
  });
});

const SEEDS = [1, 2, 3, 4, 13_000_039];

/**
 * A capture (classic pcap, little-endian, microseconds) with one packet with payload in 50 missing, as many doubled, as many
 * delayed. Handshakes stay whole: what is out of order depends on their round trip, which tshark guesses where a part is missing.
 */
function badLine(file: Buffer, random: Random): Uint8Array {
  const packets: { readonly timeUs: number; readonly octets: Buffer }[] = [];
  for (let at = 24; at + 16 <= file.length; ) {
    const end = at + 16 + file.readUInt32LE(at + 8);
    const timeUs = file.readUInt32LE(at) * 1_000_000 + file.readUInt32LE(at + 4);
    const octets = file.subarray(at, end);
    const chance = octets.length > 16 + 60 ? random.below(50) : 50;
    if (chance === 1) packets.push({ timeUs, octets });
    if (chance === 1 || chance === 2)
      packets.push({ timeUs: timeUs + random.pick([300, 2000, 30_000, 250_000]), octets });
    if (chance > 2) packets.push({ timeUs, octets });
    at = end;
  }
  packets.sort((a, b) => a.timeUs - b.timeUs);
  const parts = packets.map(({ timeUs, octets }) => {
    const record = Buffer.from(octets);
    record.writeUInt32LE(Math.floor(timeUs / 1_000_000), 0);
    record.writeUInt32LE(timeUs % 1_000_000, 4);
    return record;
  });
  return Buffer.concat([file.subarray(0, 24), ...parts]);
}
