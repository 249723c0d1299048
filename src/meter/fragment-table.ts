import type { PacketHeaders } from '../packet/packet-headers.ts';

/** Packets whose first fragment is remembered. */
const PLACES = 8192;
/** Words of a place: both addresses, identification, protocol and version, ports, a spare one. */
const PLACE_WORDS = 12;
/** Longer than this no host waits for the rest (RFC 791 section 3.2, RFC 8200 section 4.5). */
const TIMEOUT_US = 60_000_000;

/**
 * Ports of fragmented packets, so that later fragments are counted to the flow of the first. Of fixed size: a newer packet takes
 * the place of an older one.
 */
export class FragmentTable {
  /** Source port << 16, destination port of the packet found last. */
  ports = 0;
  private readonly words = new Uint32Array(PLACES * PLACE_WORDS);
  private readonly timesUs = new Float64Array(PLACES);
  private readonly key = new Uint32Array(PLACE_WORDS);
  private readonly seed: number;

  /** `seed` is a number nobody outside knows. */
  constructor(seed: number) {
    this.seed = seed;
  }

  /** Remembers the ports of a first fragment. */
  add(view: DataView, ip: PacketHeaders, sourcePort: number, destinationPort: number, timeUs: number): void {
    const place = this.placeOf(view, ip);
    const at = place * PLACE_WORDS;
    for (let i = 0; i < 10; i++) this.words[at + i] = this.key[i]!;
    this.words[at + 10] = (sourcePort << 16) | destinationPort;
    this.timesUs[place] = timeUs;
  }

  /** Looks for the first fragment of a later one; {@link FragmentTable.ports} has the ports when it is true. */
  find(view: DataView, ip: PacketHeaders, timeUs: number): boolean {
    const place = this.placeOf(view, ip);
    const at = place * PLACE_WORDS;
    if (this.timesUs[place] === 0 || Math.abs(timeUs - this.timesUs[place]!) > TIMEOUT_US) return false;
    for (let i = 0; i < 10; i++) if (this.words[at + i] !== this.key[i]) return false;
    this.ports = this.words[at + 10]!;
    return true;
  }

  /** Reads the key of a fragment and gives its place. */
  private placeOf(view: DataView, ip: PacketHeaders): number {
    const { key } = this;
    const isIPv4 = ip.ipVersion === 4;
    for (let i = 0; i < 4; i++) {
      key[i] = isIPv4 ? (i === 0 ? ip.sourceIPv4 : 0) : view.getUint32(ip.sourceIPv6At + 4 * i);
      key[4 + i] = isIPv4 ? (i === 0 ? ip.destinationIPv4 : 0) : view.getUint32(ip.destinationIPv6At + 4 * i);
    }
    key[8] = ip.identification;
    // An IPv6 packet has the protocol of its first fragment, behind further extension headers; later ones need not know it.
    key[9] = isIPv4 ? (4 << 8) | ip.protocol : 6 << 8;
    let hash = this.seed;
    for (let i = 0; i < 10; i++) {
      hash = Math.imul(hash ^ key[i]!, 0x9e3779b1);
      hash = (hash << 13) | (hash >>> 19);
    }
    return (hash >>> 0) % PLACES;
  }
}
