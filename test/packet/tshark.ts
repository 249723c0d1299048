import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type CapturedFrame, pcapngFile } from './capture.ts';

/** The values asked for, each with all its occurrences in a frame. */
const FIELDS = [
  'frame.protocols',
  'eth.dst',
  'eth.src',
  'vlan.id',
  'vlan.priority',
  'ieee8021ad.id',
  'ieee8021ad.priority',
  'mpls.label',
  'mpls.exp',
  'mpls.ttl',
  'pppoe.session_id',
  'arp.opcode',
  'arp.src.proto_ipv4',
  'arp.dst.proto_ipv4',
  'wlan.da',
  'wlan.sa',
  'ip.src',
  'ip.dst',
  'ip.proto',
  'ip.ttl',
  'ip.id',
  'ip.len',
  'ip.hdr_len',
  'ip.dsfield',
  'ip.flags.mf',
  'ip.frag_offset',
  'ipv6.src',
  'ipv6.dst',
  'ipv6.hlim',
  'ipv6.plen',
  'ipv6.tclass',
  'ipv6.flow',
  'ipv6.fraghdr.offset',
  'ipv6.fraghdr.ident',
  'tcp.srcport',
  'tcp.dstport',
  'tcp.flags',
  'tcp.seq_raw',
  'tcp.ack_raw',
  'tcp.window_size_value',
  'tcp.hdr_len',
  'tcp.len',
  'udp.srcport',
  'udp.dstport',
  'udp.length',
  'sctp.srcport',
  'sctp.dstport',
  'dccp.srcport',
  'dccp.dstport',
  'icmp.type',
  'icmp.code',
  'icmpv6.type',
  'icmpv6.code',
  'igmp.type',
  'gre.key',
  'vxlan.vni',
  'geneve.vni',
  'gtp.teid',
  'l2tp.tunnel',
  'l2tp.session',
] as const;

/** Name of a value asked for. */
export type TsharkField = (typeof FIELDS)[number];

/** What tshark reads in one frame: each field's occurrences, outermost first. */
export type TsharkFrame = Record<TsharkField, string[]>;

/** Reads `frames` with tshark, without reassembly, so that each frame stands for itself. */
export function readWithTshark(frames: CapturedFrame[]): TsharkFrame[] {
  const directory = mkdtempSync(join(tmpdir(), 'frames-'));
  const path = join(directory, 'frames.pcapng');
  try {
    writeFileSync(path, pcapngFile(frames));
    const options = ['-n', '-r', path, '-T', 'fields', '-E', 'occurrence=a', '-E', 'aggregator=;'];
    for (const preference of ['ip.defragment', 'ipv6.defragment', 'tcp.desegment_tcp_streams', 'wlan.defragment']) {
      options.push('-o', `${preference}:FALSE`);
    }
    // A second look for each frame costs time; these are read by no test.
    for (const protocol of ['http', 'tls', 'dns', 'smb', 'smb2', 'quic', 'ssh', 'snmp']) {
      options.push('--disable-protocol', protocol);
    }
    for (const field of FIELDS) options.push('-e', field);
    const run = spawnSync('tshark', options, { encoding: 'utf8', maxBuffer: 1 << 28 });
    const lines = run.stdout.split('\n').slice(0, -1);
    if (run.status !== 0 || lines.length !== frames.length) {
      throw new Error(`tshark read ${lines.length} of ${frames.length} frames: ${run.stderr}`);
    }
    return lines.map(toFrame);
  } finally {
    rmSync(directory, { recursive: true });
  }
}

/** One line of output. */
function toFrame(line: string): TsharkFrame {
  const values = line.split('\t');
  return Object.fromEntries(
    FIELDS.map((field, index) => [field, (values[index] ?? '').split(';').filter((value) => value !== '')]),
  ) as TsharkFrame;
}
