import { closeSync, openSync, writeSync } from 'node:fs';
import { type Protocol, RECORDS_PER_DATAGRAM, TrafficMaker } from './traffic.ts';

const PCAP_MAGIC = 0xa1b2_c3d4;
const LINK_ETHERNET = 1;
const HEADERS = 14 + 20 + 8;
const BLOCK = 1 << 20;

/** UDP port that the datagrams of a protocol are sent to. */
export function portOf(protocol: Protocol): number {
  return protocol === 'sflow' ? 6343 : 2055;
}

/**
 * Writes a capture (pcap, Ethernet) of `flows` flows of one Exporter to `path`, and what a collector should print to
 * `truthPath` if given: an object a line, the keys of the flow itself.
 */
export function makeCapture(protocol: Protocol, flows: number, path: string, truthPath?: string, seed = 1): void {
  const capture = new BlockWriter(path);
  const truth = truthPath === undefined ? undefined : new BlockWriter(truthPath);
  const maker = new TrafficMaker(protocol, seed, truth && ((line) => truth.text(`${line}\n`)));
  const head = new DataView(new ArrayBuffer(24));
  head.setUint32(0, PCAP_MAGIC);
  head.setUint16(4, 2);
  head.setUint16(6, 4);
  head.setUint32(16, 65_535);
  head.setUint32(20, LINK_ETHERNET);
  capture.octets(new Uint8Array(head.buffer));
  const packet = new Uint8Array(16 + HEADERS + maker.octets.length);
  const view = new DataView(packet.buffer);
  view.setUint16(16 + 12, 0x0800);
  view.setUint16(16 + 14, 0x4500);
  view.setUint8(16 + 14 + 8, 64);
  view.setUint8(16 + 14 + 9, 17);
  view.setUint32(16 + 14 + 12, 0xc000_0201);
  view.setUint32(16 + 14 + 16, 0xc000_0202);
  view.setUint16(16 + 34, 50_000);
  view.setUint16(16 + 36, portOf(protocol));
  for (let left = flows; left > 0; left -= RECORDS_PER_DATAGRAM[protocol]) {
    const length = maker.make(left);
    view.setUint32(0, maker.exportSeconds);
    view.setUint32(8, HEADERS + length);
    view.setUint32(12, HEADERS + length);
    view.setUint16(16 + 16, 28 + length);
    view.setUint16(16 + 38, 8 + length);
    packet.set(maker.octets.subarray(0, length), 16 + HEADERS);
    capture.octets(packet.subarray(0, 16 + HEADERS + length));
  }
  capture.close();
  truth?.close();
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
