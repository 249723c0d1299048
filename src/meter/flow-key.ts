import type { PacketHeaders } from '../packet/packet-headers.ts';
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
  length = 0;
  /** Whether the packet's source is the second endpoint of the key. */
  sourceIsSecond = false;
  /** Seeded hash of the words, unsigned. */
  hash = 0;
  /** Words before the addresses. */
  readonly prefixWords: number;
  private readonly options: FlowKeyOptions;
  private readonly seed0: number;
  private readonly seed1: number;

  /** `seed`: two words that nobody outside knows. */
  constructor(options: FlowKeyOptions, seed: Uint32Array) {
    this.options = options;
    this.prefixWords = 2 + (options.tunnel ? 1 : 0) + (options.mac ? 3 : 0);
    this.seed0 = seed[0]! | 0;
    this.seed1 = seed[1]! | 0;
  }

  /**
   * Reads the key of the IP packet with headers `ip` in the frame with headers `frame` (the same unless in a tunnel). Ports are
   * given apart: later fragments have those of the first, ICMP has none.
   */
  read(view: DataView, ip: PacketHeaders, frame: PacketHeaders, sourcePort: number, destinationPort: number): void {
    const { words, options } = this;
    const isIPv4 = ip.ipVersion === 4;
    let isSecond = false;
    if (!options.uniflow) {
      if (isIPv4) {
        const { sourceIPv4, destinationIPv4 } = ip;
        isSecond = sourceIPv4 > destinationIPv4 || (sourceIPv4 === destinationIPv4 && sourcePort > destinationPort);
      } else {
        isSecond = isSourceSecond(view, ip, sourcePort, destinationPort);
      }
    }
    this.sourceIsSecond = isSecond;
    words[0] = isSecond ? (destinationPort << 16) | sourcePort : (sourcePort << 16) | destinationPort;
    words[1] = (ip.protocol << 24) | (options.vlan ? frame.vlanId | (frame.innerVlanId << 12) : 0);
    let length = 2;
    if (options.tunnel) words[length++] = frame.hasTunnelId ? frame.tunnelId : 0;
    if (options.mac) length = this.readMacs(view, frame, isSecond, length);
    if (isIPv4) {
      words[length++] = isSecond ? ip.destinationIPv4 : ip.sourceIPv4;
      words[length++] = isSecond ? ip.sourceIPv4 : ip.destinationIPv4;
    } else {
      const first = isSecond ? ip.destinationIPv6At : ip.sourceIPv6At;
      const second = isSecond ? ip.sourceIPv6At : ip.destinationIPv6At;
      for (let i = 0; i < 16; i += 4) words[length++] = view.getUint32(first + i);
      for (let i = 0; i < 16; i += 4) words[length++] = view.getUint32(second + i);
    }
    this.length = length;
    this.hash = this.hashOf(length);
  }

  private readMacs(view: DataView, frame: PacketHeaders, isSecond: boolean, length: number): number {
    const { words } = this;
    const { sourceMacAt, destinationMacAt } = frame;
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

  /** HalfSipHash-1-3 of the words (Aumasson and Bernstein): whoever sends packets cannot choose them to collide. */
  private hashOf(length: number): number {
    const { words } = this;
    let v0 = this.seed0;
    let v1 = this.seed1;
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
    return (v1 ^ v3) >>> 0;
  }
}

/** Whether the source of an IPv6 packet is the second endpoint: that with the higher address, then the higher port. */
function isSourceSecond(view: DataView, ip: PacketHeaders, sourcePort: number, destinationPort: number): boolean {
  for (let i = 0; i < 16; i += 4) {
    const source = view.getUint32(ip.sourceIPv6At + i);
    const destination = view.getUint32(ip.destinationIPv6At + i);
    if (source !== destination) return source > destination;
  }
  return sourcePort > destinationPort;
}
