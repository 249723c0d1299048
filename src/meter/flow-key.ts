import type { IpPacket } from '../packet/ip-packet.ts';
import { KEY_WORDS } from './flow-row.ts';

/** What flows are told apart by, besides addresses, ports and protocol. */
export interface FlowKeyOptions {
  /** Both VLANs. */
  readonly vlan: boolean;
  /** Identifier of the tunnel. */
  readonly tunnel: boolean;
  /** MAC addresses of both ends. */
  readonly mac: boolean;
  /** Each direction is a flow of its own. */
  readonly uniflow: boolean;
}

/**
 * The key of one packet as a row of words. The two endpoints are sorted, so that both directions have one key. One object
 * serves packet after packet.
 */
export class FlowKey {
  /** Ports, VLANs and protocol, then tunnel identifier and MAC addresses where they count, then both addresses; {@link FlowKey.length} words. */
  readonly words = new Uint32Array(KEY_WORDS);
  /** Words in use. */
  length = 4;
  /** Whether the packet's source is the second endpoint of the key. */
  sourceIsSecond = false;
  /** Signed hash of ports and addresses, found in no time: who looks something up by it must expect crafted ones. Its upper bits are the better ones. */
  mix = 0;
  /** Words before the addresses. */
  readonly prefixWords: number;
  private readonly hasVlan: boolean;
  private readonly hasTunnel: boolean;
  private readonly hasMac: boolean;
  private readonly isUniflow: boolean;
  private readonly seed0: number;
  private readonly seed1: number;
  private isHashed = false;
  private lastHash = 0;

  /** `seed`: two words that nobody outside knows. */
  constructor(options: FlowKeyOptions, seed: Uint32Array) {
    this.hasVlan = options.vlan;
    this.hasTunnel = options.tunnel;
    this.hasMac = options.mac;
    this.isUniflow = options.uniflow;
    this.prefixWords = 2 + (options.tunnel ? 1 : 0) + (options.mac ? 3 : 0);
    this.seed0 = seed[0]! | 0;
    this.seed1 = seed[1]! | 0;
  }

  /** Reads the key of a packet, whose octets are in `view`. */
  read(view: DataView, packet: IpPacket): void {
    const { words } = this;
    const { sourcePort, destinationPort, sourceAt, destinationAt } = packet;
    const vlans = this.hasVlan ? packet.vlans : 0;
    this.isHashed = false;
    words[1] = (packet.protocol << 24) | vlans;
    if (packet.ipVersion === 4 && this.prefixWords === 2) {
      const source = view.getUint32(sourceAt);
      const destination = view.getUint32(destinationAt);
      const isSecond =
        !this.isUniflow && (source > destination || (source === destination && sourcePort > destinationPort));
      const ports = isSecond ? (destinationPort << 16) | sourcePort : (sourcePort << 16) | destinationPort;
      const first = isSecond ? destination : source;
      const second = isSecond ? source : destination;
      this.sourceIsSecond = isSecond;
      words[0] = ports;
      words[2] = first;
      words[3] = second;
      this.length = 4;
      this.mix = mixOf(ports, first | 0, second | 0);
      return;
    }
    this.readLong(view, packet);
  }

  private readLong(view: DataView, packet: IpPacket): void {
    const { words } = this;
    const { ipVersion, sourcePort, destinationPort, sourceAt, destinationAt } = packet;
    const addressOctets = ipVersion === 4 ? 4 : 16;
    const isSecond = !this.isUniflow && isSourceSecond(view, packet, addressOctets);
    this.sourceIsSecond = isSecond;
    words[0] = isSecond ? (destinationPort << 16) | sourcePort : (sourcePort << 16) | destinationPort;
    let length = 2;
    if (this.hasTunnel) words[length++] = packet.tunnelId;
    if (this.hasMac) length = this.readMacs(view, packet, isSecond, length);
    const first = isSecond ? destinationAt : sourceAt;
    const second = isSecond ? sourceAt : destinationAt;
    for (let i = 0; i < addressOctets; i += 4) words[length++] = view.getUint32(first + i);
    const firstEnd = length;
    for (let i = 0; i < addressOctets; i += 4) words[length++] = view.getUint32(second + i);
    this.length = length;
    this.mix = mixOf(words[0]! | 0, words[firstEnd - 1]! | 0, words[length - 1]! | 0);
  }

  private readMacs(view: DataView, packet: IpPacket, isSecond: boolean, length: number): number {
    const { words } = this;
    const { sourceMacAt, destinationMacAt } = packet;
    if (sourceMacAt < 0 || destinationMacAt < 0) {
      words.fill(0, length, length + 3);
    } else {
      const first = isSecond ? destinationMacAt : sourceMacAt;
      const second = isSecond ? sourceMacAt : destinationMacAt;
      words[length] = view.getUint32(first);
      words[length + 1] = (view.getUint16(first + 4) << 16) | view.getUint16(second + 4);
      words[length + 2] = view.getUint32(second);
    }
    return length + 3;
  }

  /** Seeded hash of the words, signed: HalfSipHash-1-3 (Aumasson and Bernstein). Whoever sends packets cannot choose them to collide. */
  hash(): number {
    if (!this.isHashed) {
      this.lastHash = this.hashOfWords();
      this.isHashed = true;
    }
    return this.lastHash;
  }

  private hashOfWords(): number {
    const { words, length } = this;
    // Without `| 0` the sums below would be those of doubles.
    let v0 = this.seed0 | 0;
    let v1 = this.seed1 | 0;
    let v2 = v0 ^ 0x6c796765;
    let v3 = v1 ^ 0x74656462;
    for (let i = 0; i < length + 4; i++) {
      // One round a word, one for their number, three to finish.
      const word = i < length ? words[i]! | 0 : i === length ? length << 24 : 0;
      if (i === length + 1) v2 ^= 0xff;
      v3 ^= word;
      v0 = (v0 + v1) | 0;
      v1 = ((v1 << 5) | (v1 >>> 27)) ^ v0;
      v0 = (v0 << 16) | (v0 >>> 16);
      v2 = (v2 + v3) | 0;
      v3 = ((v3 << 8) | (v3 >>> 24)) ^ v2;
      v0 = (v0 + v3) | 0;
      v3 = ((v3 << 7) | (v3 >>> 25)) ^ v0;
      v2 = (v2 + v1) | 0;
      v1 = ((v1 << 13) | (v1 >>> 19)) ^ v2;
      v2 = (v2 << 16) | (v2 >>> 16);
      v0 ^= word;
    }
    return v1 ^ v3;
  }
}

function mixOf(ports: number, first: number, second: number): number {
  return Math.imul(ports ^ Math.imul(first, 0x9e3779b1) ^ Math.imul(second, 0x85ebca6b), 0xc2b2ae35);
}

/** Whether the source of a packet is the second endpoint: that with the higher address, then the higher port. */
function isSourceSecond(view: DataView, packet: IpPacket, addressOctets: number): boolean {
  for (let i = 0; i < addressOctets; i += 4) {
    const source = view.getUint32(packet.sourceAt + i);
    const destination = view.getUint32(packet.destinationAt + i);
    if (source !== destination) return source > destination;
  }
  return packet.sourcePort > packet.destinationPort;
}
