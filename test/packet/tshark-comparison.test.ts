import { existsSync, readdirSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import { formatIPv4, formatMac } from '../../src/bytes/address.ts';
import { PacketHeaders } from '../../src/packet/packet-headers.ts';
import { parsePacket } from '../../src/packet/parse-packet.ts';
import { hasProgram } from '../support/lab.ts';
import { type CapturedFrame, readClassicPcap } from './capture.ts';
import { addressText } from './expected-headers.ts';
import { FRAMES } from './frames.ts';
import { readWithTshark, type TsharkField, type TsharkFrame } from './tshark.ts';

const CORPORA = fileURLToPath(new URL('../../../shared/corpora/packets/', import.meta.url));

const tsharkIsThere = hasProgram('tshark');
if (!tsharkIsThere) console.log('SKIPPED: comparison of packet headers with tshark, which is not installed');
const corporaAreThere = existsSync(CORPORA);
if (!corporaAreThere) console.log(`SKIPPED: comparison of captures with tshark, no captures in ${CORPORA}`);

/** Values to compare, by name. */
type Values = Record<string, number | string>;

/** Layers of IPv6 that are no end of its chain. */
const EXTENSIONS = new Set([
  'ipv6.hopopts',
  'ipv6.dstopts',
  'ipv6.routing',
  'ipv6.fraghdr',
  'ah',
  'shim6',
  'ipv6.shim6',
]);

const headers = new PacketHeaders();

/**
 * What tshark says of every IP packet in a frame, outermost first. The layers it names tell which occurrence of a field
 * belongs to which packet; what an ICMP error quotes is left out.
 */
function packetsOfTshark(frame: TsharkFrame): Values[] {
  const layers = (frame['frame.protocols'][0] ?? '').split(':');
  const packets: Values[] = [];
  const seen = new Map<string, number>();
  let packet: Values | undefined;
  let isFragment = false;
  for (const layer of layers) {
    const index = seen.get(layer) ?? 0;
    seen.set(layer, index + 1);
    const value = (field: TsharkField) => Number(frame[field][index]);
    if (
      (layer === 'ip' && frame['ip.src'][index] === undefined) ||
      (layer === 'ipv6' && frame['ipv6.src'][index] === undefined)
    ) {
      // So broken that tshark shows no addresses.
      packet = undefined;
    } else if (layer === 'ip') {
      packet = {
        source: frame['ip.src'][index] ?? '',
        destination: frame['ip.dst'][index] ?? '',
        ttl: value('ip.ttl'),
        identification: value('ip.id'),
        ipTotalLength: value('ip.len'),
        tos: value('ip.dsfield'),
        fragmentOffset: value('ip.frag_offset') * 8,
        moreFragments: value('ip.flags.mf'),
        sourcePort: 0,
        destinationPort: 0,
      };
      if (value('ip.proto') !== 51) {
        packet['protocol'] = value('ip.proto');
        packet['ipHeaderLength'] = value('ip.hdr_len');
      }
      isFragment = packet['fragmentOffset'] !== 0;
      packets.push(packet);
    } else if (layer === 'ipv6') {
      packet = {
        source: frame['ipv6.src'][index] ?? '',
        destination: frame['ipv6.dst'][index] ?? '',
        ttl: value('ipv6.hlim'),
        tos: value('ipv6.tclass'),
        flowLabel: value('ipv6.flow'),
        sourcePort: 0,
        destinationPort: 0,
      };
      if (value('ipv6.plen') !== 0) packet['ipTotalLength'] = 40 + value('ipv6.plen');
      isFragment = false;
      packets.push(packet);
    } else if (packet === undefined || EXTENSIONS.has(layer)) {
      if (packet !== undefined && layer === 'ipv6.fraghdr') {
        packet['fragmentOffset'] = value('ipv6.fraghdr.offset') * 8;
        packet['identification'] = value('ipv6.fraghdr.ident');
        isFragment = packet['fragmentOffset'] !== 0;
      }
    } else if (!isFragment) {
      if (layer === 'tcp') {
        packet['protocol'] = 6;
        packet['sourcePort'] = value('tcp.srcport');
        packet['destinationPort'] = value('tcp.dstport');
        packet['tcpFlags'] = value('tcp.flags');
        packet['tcpSequence'] = value('tcp.seq_raw');
        packet['tcpAcknowledgement'] = value('tcp.ack_raw');
        packet['tcpWindow'] = value('tcp.window_size_value');
        packet['tcpDataOffset'] = value('tcp.hdr_len');
        packet['payloadLength'] = value('tcp.len');
      } else if (layer === 'udp' || layer === 'udplite') {
        const at = layer === 'udp' ? index : index + (seen.get('udp') ?? 0);
        packet['protocol'] = layer === 'udp' ? 17 : 136;
        packet['sourcePort'] = Number(frame['udp.srcport'][at]);
        packet['destinationPort'] = Number(frame['udp.dstport'][at]);
        if (layer === 'udp') packet['udpLength'] = value('udp.length');
      } else if (layer === 'sctp' || layer === 'dccp') {
        packet['protocol'] = layer === 'sctp' ? 132 : 33;
        packet['sourcePort'] = value(`${layer}.srcport`);
        packet['destinationPort'] = value(`${layer}.dstport`);
      } else if (layer === 'icmp' || layer === 'icmpv6') {
        packet['protocol'] = layer === 'icmp' ? 1 : 58;
        packet['icmpType'] = value(`${layer}.type`);
        packet['icmpCode'] = value(`${layer}.code`);
        break;
      } else if (layer === 'igmp' && index === 0) {
        packet['protocol'] = 2;
        packet['igmpType'] = value('igmp.type');
      }
    }
  }
  return packets;
}

/** What tshark says of the links before the first IP packet. */
function linkOfTshark(frame: TsharkFrame): Values {
  const layers = (frame['frame.protocols'][0] ?? '').split(':');
  const firstPacket = layers.findIndex((layer) => layer === 'ip' || layer === 'ipv6');
  const before = new Set(firstPacket < 0 ? layers : layers.slice(0, firstPacket));
  const values: Values = {};
  if (before.has('eth')) {
    values['destinationMac'] = frame['eth.dst'][0] ?? '';
    values['sourceMac'] = frame['eth.src'][0] ?? '';
  }
  if (before.has('wlan') && frame['wlan.sa'].length > 0) {
    values['destinationMac'] = frame['wlan.da'].at(-1) ?? '';
    values['sourceMac'] = frame['wlan.sa'].at(-1) ?? '';
  }
  const tags: { id: number; priority: number }[] = [];
  const used = { vlan: 0, ieee8021ad: 0 };
  for (const layer of firstPacket < 0 ? layers : layers.slice(0, firstPacket)) {
    if (layer !== 'vlan' && layer !== 'ieee8021ad') continue;
    const index = used[layer]++;
    tags.push({ id: Number(frame[`${layer}.id`][index]), priority: Number(frame[`${layer}.priority`][index]) });
  }
  values['vlanCount'] = tags.length;
  values['vlanId'] = tags[0]?.id ?? 0;
  values['vlanPriority'] = tags[0]?.priority ?? 0;
  values['innerVlanId'] = tags.length > 1 ? tags.at(-1)!.id : 0;
  values['innerVlanPriority'] = tags.length > 1 ? tags.at(-1)!.priority : 0;
  if (before.has('mpls')) {
    values['mplsTopLabel'] = Number(frame['mpls.label'][0]);
    values['mplsTopTrafficClass'] = Number(frame['mpls.exp'][0]);
    values['mplsTopTtl'] = Number(frame['mpls.ttl'][0]);
  } else {
    values['mplsLabelCount'] = 0;
  }
  if (before.has('pppoes')) values['pppoeSessionId'] = Number(frame['pppoe.session_id'][0]);
  if (before.has('arp') && frame['arp.src.proto_ipv4'].length > 0) {
    values['arpOperation'] = Number(frame['arp.opcode'][0]);
    values['arpSender'] = frame['arp.src.proto_ipv4'][0] ?? '';
    values['arpTarget'] = frame['arp.dst.proto_ipv4'][0] ?? '';
  }
  return values;
}

/** What tshark says of the outermost tunnel's identifier, by the layer it names first. */
function tunnelOfTshark(frame: TsharkFrame): Values {
  for (const layer of (frame['frame.protocols'][0] ?? '').split(':')) {
    switch (layer) {
      case 'gre':
        // Version 1 keeps the call in the second half.
        return frame['gre.key'].length > 0 ? { tunnelId: Number(frame['gre.key'][0]) } : {};
      case 'vxlan':
        return { tunnelId: Number(frame['vxlan.vni'][0]) };
      case 'geneve':
        return { tunnelId: Number(frame['geneve.vni'][0]) };
      case 'gtp':
        return { tunnelId: Number(frame['gtp.teid'][0]) };
      case 'l2tp':
        return { tunnelId: Number(frame['l2tp.tunnel'][0]) * 65536 + Number(frame['l2tp.session'][0]) };
      default:
    }
  }
  return {};
}

/** Our values of the names in `expected`. */
function ownValues(view: DataView, of: PacketHeaders, expected: Values): Values {
  const own: Values = {};
  for (const name of Object.keys(expected)) {
    switch (name) {
      case 'source':
        own[name] = addressText(view, of.ipVersion, of.sourceIPv4, of.sourceIPv6At);
        break;
      case 'destination':
        own[name] = addressText(view, of.ipVersion, of.destinationIPv4, of.destinationIPv6At);
        break;
      case 'destinationMac':
        own[name] = of.destinationMacAt < 0 ? '' : formatMac(view, of.destinationMacAt);
        break;
      case 'sourceMac':
        own[name] = of.sourceMacAt < 0 ? '' : formatMac(view, of.sourceMacAt);
        break;
      case 'arpSender':
        own[name] = formatIPv4(of.arpSenderIPv4);
        break;
      case 'arpTarget':
        own[name] = formatIPv4(of.arpTargetIPv4);
        break;
      case 'moreFragments':
        own[name] = of.moreFragments ? 1 : 0;
        break;
      default:
        own[name] = of[name as 'protocol'];
    }
  }
  return own;
}

/** Differences between tshark's reading and ours, one line per frame, and how many packets and tunnels were compared. */
function compare(frames: CapturedFrame[]): { differences: string[]; packets: number; tunnels: number } {
  const differences: string[] = [];
  let packets = 0;
  let tunnels = 0;
  for (const [index, other] of readWithTshark(frames).entries()) {
    const frame = frames[index]!;
    const view = new DataView(frame.octets.buffer);
    parsePacket(view, 0, frame.octets.length, frame.linkType, headers);
    const theirs = packetsOfTshark(other);
    const expected: Values = { ...linkOfTshark(other), ...theirs[0], ...tunnelOfTshark(other) };
    if (theirs.length === 0) expected['ipVersion'] = 0;
    // Without an original length tshark takes a frame for whole and shortens what claims more.
    if (frame.originalLength === undefined && headers.payloadCut) delete expected['payloadLength'];
    const own = ownValues(view, headers, expected);
    const innerExpected: Values = theirs.length > 1 ? theirs.at(-1)! : {};
    const inner = headers.hasInner && headers.inner!.ipVersion !== 0 ? headers.inner : undefined;
    const innerOwn: Values = inner === undefined ? {} : ownValues(view, inner, innerExpected);
    if (theirs.length < 2 && inner !== undefined) innerOwn['ipVersion'] = inner.ipVersion;
    packets += theirs.length;
    if (theirs.length > 1) tunnels++;
    const difference = differenceOf(expected, own) + differenceOf(innerExpected, innerOwn, 'inner ');
    if (difference !== '') differences.push(`${frame.name} [${other['frame.protocols'][0]}]:${difference}`);
  }
  return { differences, packets, tunnels };
}

/** Text of the values that differ, '' when none does. */
function differenceOf(expected: Values, own: Values, prefix = ''): string {
  let text = '';
  // What tshark does not say is not compared.
  for (const name of new Set([...Object.keys(expected), ...Object.keys(own)])) {
    if (expected[name] !== own[name] && !Number.isNaN(expected[name]))
      text += ` ${prefix}${name} is ${own[name]}, tshark says ${expected[name]};`;
  }
  return text;
}

describe('tshark reads the same', () => {
  it.skipIf(!tsharkIsThere)('in frames written by hand', () => {
    const frames = FRAMES.filter((frame) => frame.tsharkDiffers === undefined);
    const { differences, tunnels } = compare(frames);
    expect(differences).toEqual([]);
    expect(tunnels).toBeGreaterThan(30);
  });

  it.skipIf(!tsharkIsThere || !corporaAreThere)('in captures', () => {
    const frames: CapturedFrame[] = [];
    for (const name of readdirSync(CORPORA, { recursive: true, encoding: 'utf8' }).sort()) {
      if (name.endsWith('.pcap')) frames.push(...(readClassicPcap(CORPORA + name, name) ?? []));
    }
    const { differences, packets, tunnels } = compare(frames);
    expect(differences).toEqual([]);
    expect(packets).toBeGreaterThan(5000);
    expect(tunnels).toBeGreaterThan(50);
  });
});
