import { execFileSync } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join as joinPath } from 'node:path';
import { fileURLToPath } from 'node:url';
import { gzipSync } from 'node:zlib';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { CaptureOutcome } from '../../src/input/capture-file.ts';
import { CaptureReader } from '../../src/input/capture-file.ts';
import { CapturedIpfixStreams } from '../../src/input/captured-ipfix-streams.ts';
import { DatagramExtractor } from '../../src/input/datagram-extractor.ts';
import { IpfixFileReader } from '../../src/input/ipfix-file.ts';
import { OctetSourceError, openOctetSource } from '../../src/input/octet-source.ts';
import { hasProgram } from '../support/lab.ts';

const CORPORA = fileURLToPath(new URL('../../../shared/corpora/', import.meta.url));
const hasCorpora = existsSync(joinPath(CORPORA, 'MANIFEST.tsv'));
if (!hasCorpora) console.log('captures of real exporters are absent (../shared/corpora): their tests are skipped');

const hasTshark = hasProgram('tshark');
const hasEditcap = hasProgram('editcap') && hasProgram('mergecap');

interface Found {
  rows: string[];
  messages: string[];
  outcome: CaptureOutcome;
  extractor: DatagramExtractor;
  reader: CaptureReader;
  linkTypes: Set<number>;
}

/** Reads a capture from disk the way the program does, and holds the sums. */
async function read(path: string, ports: readonly number[] = []): Promise<Found> {
  const source = await openOctetSource(path);
  if (source instanceof OctetSourceError) throw new Error(source.message);
  const rows: string[] = [];
  const messages: string[] = [];
  const linkTypes = new Set<number>();
  const streams = new CapturedIpfixStreams((_stream, _view, octets, start, end) => {
    messages.push(Buffer.from(octets.subarray(start, end)).toString('hex'));
  });
  const extractor = new DatagramExtractor(
    {
      onDatagram: (d) => {
        const payload = Buffer.from(d.octets.subarray(d.start, d.end)).toString('hex');
        const time = Math.round(d.timeMs * 1000);
        rows.push([time, d.sourceAddress, d.sourcePort, d.destinationAddress, d.destinationPort, payload].join('|'));
      },
    },
    streams,
    ports,
  );
  const reader = new CaptureReader();
  for (;;) {
    while (reader.next()) {
      linkTypes.add(reader.packet.linkType);
      extractor.add(reader.packet);
    }
    const next = source.next();
    const block = next instanceof Promise ? await next : next;
    if (block === undefined) break;
    reader.feed(block);
  }
  expect(source.error).toBeUndefined();
  source.close();
  extractor.finish();
  expect(extractor.packetsRead).toBe(reader.packetsRead);
  let ignored = 0;
  for (const [name, value] of Object.entries(extractor)) if (name.startsWith('packetsIgnored')) ignored += value;
  const used = extractor.packetsUsedDatagram + extractor.packetsUsedFragment + extractor.packetsUsedStream;
  expect(extractor.packetsRead).toBe(used + ignored);
  return { rows, messages, outcome: reader.finish(), extractor, reader, linkTypes };
}

/** UDP payloads of the outermost IP header as tshark sees them, those that were captured whole. */
function tsharkRows(path: string): string[] {
  const fields =
    'frame.time_epoch ip.src ipv6.src udp.srcport ip.dst ipv6.dst udp.dstport udp.length udp.payload frame.protocols';
  const columns = fields.split(' ').flatMap((field) => ['-e', field]);
  const preferences = ['-o', 'ip.defragment:TRUE', '-o', 'ipv6.defragment:TRUE'];
  const text = execFileSync(
    'tshark',
    [
      '-n',
      '-r',
      path,
      ...preferences,
      '-Y',
      'udp',
      '-T',
      'fields',
      '-E',
      'separator=|',
      '-E',
      'occurrence=f',
      ...columns,
    ],
    { encoding: 'utf8', maxBuffer: 1 << 28, stdio: ['ignore', 'pipe', 'ignore'] },
  );
  const rows: string[] = [];
  for (const line of text.split('\n')) {
    const [
      time,
      source4,
      source6,
      sourcePort,
      destination4,
      destination6,
      destinationPort,
      length,
      payload,
      protocols,
    ] = line.split('|');
    const names = (protocols ?? '').split(':').filter((name) => !name.startsWith('ipv6.'));
    const network = names.findIndex((name) => name === 'ip' || name === 'ipv6');
    // Not those in tunnels, nor quoted in ICMP errors.
    if (network < 0 || names[network + 1] !== 'udp') continue;
    const octets = (payload ?? '').replaceAll(':', '');
    if (octets.length / 2 !== Number(length) - 8) continue;
    const timeUs = Math.round(Number(time!.replace('.', '')) / 1000);
    rows.push(
      [timeUs, source4 || source6, sourcePort, destination4 || destination6, destinationPort, octets].join('|'),
    );
  }
  return rows;
}

describe.skipIf(!hasCorpora)('captures of real exporters', () => {
  const manifest = hasCorpora
    ? readFileSync(joinPath(CORPORA, 'MANIFEST.tsv'), 'utf8').trim().split('\n').slice(1)
    : [];

  it('give the number of datagrams they are catalogued with', async () => {
    expect(manifest.length).toBeGreaterThan(100);
    const differing: string[] = [];
    for (const line of manifest) {
      const columns = line.split('\t');
      const path = joinPath(CORPORA, columns[0]!);
      const { extractor, outcome } = await read(path);
      if (outcome !== 'ok' || extractor.datagramsFound !== Number(columns[8])) {
        differing.push(`${columns[0]}: ${outcome}, ${extractor.datagramsFound} and not ${columns[8]}`);
      }
    }
    expect(differing).toEqual([]);
  });

  it('over TCP give the Messages tshark sees: 9 in yaf-tcp', async () => {
    const path = joinPath(CORPORA, 'export/generated/yaf-tcp.pcap');
    for (const ports of [[], [22_094]]) {
      const { messages, extractor } = await read(path, ports);
      // 6,666 octets of stream, by the sequence numbers tshark prints: FIN at 6666, data from 1.
      expect(messages).toHaveLength(9);
      expect(messages.join('').length / 2).toBe(6665);
      expect(extractor.streams).toMatchObject({ streamsFound: 1, gaps: 0, octetsDelivered: 6665 });
    }
    expect((await read(path, [4739])).messages).toEqual([]);
  });

  it('give IPFIX files when their Messages are put one after the other', async () => {
    const { rows } = await read(joinPath(CORPORA, 'export/derived/ipfixcol2/example_flows.pcap'));
    const messages = rows.map((row) => row.split('|')[5]!);
    const found: string[] = [];
    const reader = new IpfixFileReader((_view, octets, start, end) => {
      found.push(Buffer.from(octets.subarray(start, end)).toString('hex'));
    });
    const file = Buffer.from(messages.join(''), 'hex');
    for (let at = 0; at < file.length; at += 10_000) expect(reader.feed(file.subarray(at, at + 10_000))).toBe(true);
    expect([reader.finish(), found]).toEqual(['ok', messages]);
    expect(messages).toHaveLength(68);
  });
});

describe.skipIf(!hasCorpora || !hasTshark)('datagrams as tshark sees them', () => {
  it.each([
    'export/generated/yaf-udp.pcap',
    'export/pmacct/104-IPFIXv10-IPv6-CISCO-sampling_option/traffic-00.pcap',
    'packets/pcapplusplus/Pcap++Test/PcapExamples/sll.pcap',
    'packets/zeek/ppp/quic-interop-retry.pcap',
    'packets/libtrace/vlan.pcap',
    'packets/flowtest/pcap/ipv4-udp-fragmented.pcap',
    'packets/flowtest/pcap/ipv6-udp-fragmented.pcap',
    'packets/gopacket/le/test100.pcapng',
    'packets/arkime/gtp-u.pcap',
    'packets/arkime/v6.pcap',
    'packets/ipfixprobe/inputs/mixed.pcap',
  ])('%s', async (path) => {
    const { rows } = await read(joinPath(CORPORA, path));
    expect(rows).toEqual(tsharkRows(joinPath(CORPORA, path)));
    expect(rows.length).toBeGreaterThan(0);
  });
});

describe.skipIf(!hasCorpora || !hasEditcap)('captures as other programs write them', () => {
  let directory = '';
  beforeAll(() => {
    directory = mkdtempSync(joinPath(tmpdir(), 'captures-'));
  });
  afterAll(() => rmSync(directory, { recursive: true, force: true }));
  const original = joinPath(CORPORA, 'export/generated/softflowd-v9.pcap');

  it.each(['nsecpcap', 'pcapng', 'modpcap', 'nsecpcap.gz'])('%s', async (format) => {
    const path = joinPath(directory, format);
    const [kind, packing] = format.split('.');
    execFileSync('editcap', ['-F', kind!, original, path], { stdio: 'ignore' });
    if (packing === 'gz') writeFileSync(path, gzipSync(readFileSync(path)));
    const { rows, outcome } = await read(path);
    expect([outcome, rows]).toEqual(['ok', (await read(original)).rows]);
    expect(rows).toHaveLength(17);
  });

  it('cut by a snap length, all are counted as truncated', async () => {
    const path = joinPath(directory, 'snapped');
    execFileSync('editcap', ['-s', '100', original, path]);
    expect((await read(path)).extractor).toMatchObject({ datagramsFound: 0, packetsIgnoredTruncated: 17 });
  });

  it('with several interfaces of different link types', async () => {
    const path = joinPath(directory, 'merged.pcapng');
    const others = [
      'packets/suricata/decode-sll2-01/input.pcap',
      'packets/pcapplusplus/Pcap++Test/PcapExamples/raw_ip.pcap',
    ];
    const paths = [original, ...others.map((other) => joinPath(CORPORA, other))];
    execFileSync('mergecap', ['-a', '-F', 'pcapng', '-w', path, ...paths], { stdio: 'ignore' });
    const merged = await read(path);
    const apart: string[] = [];
    for (const each of paths) apart.push(...(await read(each)).rows);
    expect([merged.outcome, merged.rows, merged.linkTypes]).toEqual(['ok', apart, new Set([1, 276, 101])]);
  });

  it('with nanoseconds in a pcapng interface', async () => {
    const nanoseconds = joinPath(directory, 'nanoseconds');
    const path = joinPath(directory, 'nanoseconds.pcapng');
    execFileSync('editcap', ['-F', 'nsecpcap', '-t', '0.000000789', original, nanoseconds]);
    execFileSync('editcap', ['-F', 'pcapng', nanoseconds, path]);
    for (const each of [nanoseconds, path]) {
      const source = await openOctetSource(each);
      if (source instanceof OctetSourceError) throw new Error(source.message);
      const reader = new CaptureReader();
      reader.feed((await source.next())!);
      expect(reader.next()).toBe(true);
      expect(reader.packet.nanoseconds % 1000).toBe(789);
      source.close();
    }
  });
});
