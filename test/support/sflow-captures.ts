import { existsSync, readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

/** Where captures by real exporters may lie, beside the repository. */
export const CORPORA = fileURLToPath(new URL('../../../shared/corpora/', import.meta.url));

/** A datagram of a capture. */
export interface CapturedDatagram {
  /** Number of the frame, from 1. */
  frame: number;
  source: string;
  port: number;
  payload: Uint8Array;
}

/** A capture with sFlow in it. */
export interface SflowCapture {
  /** Path below the corpora. */
  path: string;
  datagrams: CapturedDatagram[];
}

/** All captures with sFlow in them, none where the corpora are not there. */
export function sflowCaptures(): SflowCapture[] {
  if (!existsSync(`${CORPORA}MANIFEST.tsv`)) return [];
  const [head = '', ...lines] = readFileSync(`${CORPORA}MANIFEST.tsv`, 'utf8').trim().split('\n');
  const columns = head.split('\t');
  const captures: SflowCapture[] = [];
  for (const line of lines) {
    const values = line.split('\t');
    const column = (name: string) => values[columns.indexOf(name)] ?? '';
    if (!column('protocol').includes('sflow5')) continue;
    const path = column('path');
    const port = Number(column('udp_ports').split(',')[0]);
    captures.push({ path, datagrams: readDatagrams(readFileSync(CORPORA + path), port) });
  }
  return captures;
}

/** UDP payloads to `port` of a little-endian pcap file with Ethernet, raw IPv4 or Linux cooked frames. */
function readDatagrams(file: Buffer, port: number): CapturedDatagram[] {
  if (file.readUInt32LE(0) !== 0xa1b2c3d4) throw new Error('not a little-endian pcap file');
  const linkType = file.readUInt32LE(20);
  const linkLength = linkType === 1 ? 14 : linkType === 113 ? 16 : 0;
  const datagrams: CapturedDatagram[] = [];
  let frame = 0;
  for (let at = 24; at + 16 <= file.length; ) {
    const length = file.readUInt32LE(at + 8);
    const packet = file.subarray(at + 16 + linkLength, at + 16 + length);
    at += 16 + length;
    frame++;
    const header = (packet[0]! & 15) * 4;
    if (packet[0]! >>> 4 !== 4 || packet[9] !== 17 || packet.readUInt16BE(header + 2) !== port) continue;
    const payload = packet.subarray(header + 8, header + packet.readUInt16BE(header + 4));
    const source = [...packet.subarray(12, 16)].join('.');
    datagrams.push({ frame, source, port: packet.readUInt16BE(header), payload });
  }
  return datagrams;
}
