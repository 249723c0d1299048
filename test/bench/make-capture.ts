import { closeSync, openSync, writeSync } from 'node:fs';
import { type Protocol, RECORDS_PER_DATAGRAM, TrafficMaker } from './traffic.ts';

const PCAP_MAGIC = 0xa1b2_c3d4;
const LINK_ETHERNET = 1;
const HEADERS = 14 + 20 + 8;
const BLOCK = 1 << 20;
/** Octets of UDP payload that IPv4 allows. */
const MAX_DATAGRAM = 65_507;
const EXPORTER = 0xc000_0201;
const EXPORTER_PORT = 50_000;

/** UDP port that the datagrams of a protocol are sent to. */
export function portOf(protocol: Protocol): number {
  return protocol === 'sflow' ? 6343 : 2055;
}

/**
 * Writes a capture (pcap, Ethernet) of `flows` flows of one Exporter to `path`, and what a collector should print to
 * `truthPath` if given: an object a line, the keys of the flow itself.
 */
export function makeCapture(protocol: Protocol, flows: number, path: string, truthPath?: string, seed = 1): void {
  const capture = new CaptureWriter(path);
  const truth = truthPath === undefined ? undefined : new BlockWriter(truthPath);
  const maker = new TrafficMaker(protocol, seed, truth && ((line) => truth.text(`${line}\n`)));
  for (let left = flows; left > 0; left -= RECORDS_PER_DATAGRAM[protocol]) {
    const length = maker.make(left);
    capture.datagram(maker.exportSeconds, EXPORTER, EXPORTER_PORT, portOf(protocol), maker.octets, length);
  }
  capture.close();
  truth?.close();
}

/** Writes a capture (pcap, Ethernet) of UDP datagrams over IPv4, without checksums. */
export class CaptureWriter {
  private readonly blocks: BlockWriter;
  private readonly packet = new Uint8Array(16 + HEADERS + MAX_DATAGRAM);
  private readonly view = new DataView(this.packet.buffer);

  constructor(path: string) {
    this.blocks = new BlockWriter(path);
    const head = new DataView(new ArrayBuffer(24));
    head.setUint32(0, PCAP_MAGIC);
    head.setUint16(4, 2);
    head.setUint16(6, 4);
    head.setUint32(16, 65_535);
    head.setUint32(20, LINK_ETHERNET);
    this.blocks.octets(new Uint8Array(head.buffer));
    const { view } = this;
    view.setUint16(16 + 12, 0x0800);
    view.setUint16(16 + 14, 0x4500);
    view.setUint8(16 + 14 + 8, 64);
    view.setUint8(16 + 14 + 9, 17);
    view.setUint32(16 + 14 + 16, 0xc000_0202);
  }

  /** Writes the first `length` octets of `payload`, captured at `seconds` since 1970, to 192.0.2.2. */
  datagram(
    seconds: number,
    sourceAddress: number,
    sourcePort: number,
    destinationPort: number,
    payload: Uint8Array,
    length: number,
  ): void {
    const { view, packet } = this;
    view.setUint32(0, seconds);
    view.setUint32(8, HEADERS + length);
    view.setUint32(12, HEADERS + length);
    view.setUint16(16 + 16, 28 + length);
    view.setUint32(16 + 14 + 12, sourceAddress);
    view.setUint16(16 + 34, sourcePort);
    view.setUint16(16 + 36, destinationPort);
    view.setUint16(16 + 38, 8 + length);
    packet.set(payload.subarray(0, length), 16 + HEADERS);
    this.blocks.octets(packet.subarray(0, 16 + HEADERS + length));
  }

  /** Writes what is left. */
  close(): void {
    this.blocks.close();
  }
}

/** The datagrams of a capture that {@link makeCapture} wrote, in order; they share its memory. */
export function* capturedDatagrams(capture: Uint8Array): Generator<Uint8Array, undefined> {
  const view = new DataView(capture.buffer, capture.byteOffset, capture.byteLength);
  for (let at = 24; at < capture.length; ) {
    const end = at + 16 + view.getUint32(at + 8);
    yield capture.subarray(at + 16 + HEADERS, end);
    at = end;
  }
  return undefined;
}

class BlockWriter {
  private readonly fd: number;
  private readonly block = Buffer.alloc(BLOCK);
  private pos = 0;

  constructor(path: string) {
    this.fd = openSync(path, 'w');
  }

  octets(octets: Uint8Array): void {
    if (this.pos + octets.length > BLOCK) this.flush();
    this.block.set(octets, this.pos);
    this.pos += octets.length;
  }

  text(text: string): void {
    this.octets(Buffer.from(text));
  }

  close(): void {
    this.flush();
    closeSync(this.fd);
  }

  private flush(): void {
    writeSync(this.fd, this.block, 0, this.pos);
    this.pos = 0;
  }
}
