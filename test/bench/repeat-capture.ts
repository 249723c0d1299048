/** A large capture made of a small one: its packets again and again, each time under other addresses. */

import { closeSync, openSync, readFileSync, writeSync } from 'node:fs';

const FILE_HEADER = 24;
const RECORD_HEADER = 16;
const FIRST_SECOND = 1_700_000_000;
const BLOCK_OCTETS = 8_388_608;

/** What was made. */
export interface RepeatedCapture {
  readonly octets: number;
  readonly packets: number;
}

/**
 * Writes the packets of `source` (classic pcap, little-endian, microseconds, Ethernet) `rounds` times to `target`, in order of time,
 * each round a second later than the one before and with two octets of both IPv4 addresses moved on: as many flows more.
 */
export function repeatCapture(source: string, target: string, rounds: number): RepeatedCapture {
  const file = readFileSync(source);
  if (file.readUInt32LE(0) !== 0xa1b2c3d4 || file.readUInt32LE(20) !== 1)
    throw new Error(`${source}: is no such capture`);
  const packets: { readonly timeUs: number; readonly start: number; readonly end: number }[] = [];
  for (let at = FILE_HEADER; at + RECORD_HEADER <= file.length; ) {
    const end = at + RECORD_HEADER + file.readUInt32LE(at + 8);
    packets.push({ timeUs: file.readUInt32LE(at) * 1e6 + file.readUInt32LE(at + 4), start: at, end });
    at = end;
  }
  packets.sort((a, b) => a.timeUs - b.timeUs);
  const originUs = packets[0]?.timeUs ?? 0;
  const descriptor = openSync(target, 'w');
  const block = Buffer.alloc(BLOCK_OCTETS);
  let length = file.copy(block, 0, 0, FILE_HEADER);
  let octets = 0;
  const flush = (): void => {
    octets += writeSync(descriptor, block, 0, length);
    length = 0;
  };
  // The next packet of each round; of all rounds the earliest goes first.
  const next = new Uint32Array(rounds);
  const timeOf = (round: number): number => packets[next[round]!]!.timeUs - originUs + round * 1e6;
  let first = 0;
  let last = 0;
  for (let left = rounds * packets.length; left > 0; left--) {
    while (last + 1 < rounds && (next[last] === packets.length || timeOf(last) >= 1e6 * (last + 1))) last++;
    while (next[first] === packets.length) first++;
    let earliest = -1;
    for (let round = first; round <= last; round++) {
      if (next[round]! < packets.length && (earliest < 0 || timeOf(round) < timeOf(earliest))) earliest = round;
    }
    if (earliest < 0) earliest = ++last;
    const timeUs = timeOf(earliest);
    const { start, end } = packets[next[earliest]!]!;
    next[earliest]!++;
    if (length + end - start > BLOCK_OCTETS) flush();
    file.copy(block, length, start, end);
    block.writeUInt32LE(FIRST_SECOND + Math.floor(timeUs / 1e6), length);
    block.writeUInt32LE(timeUs % 1e6, length + 4);
    moveAddresses(block, length + RECORD_HEADER, length + end - start, earliest);
    length += end - start;
  }
  flush();
  closeSync(descriptor);
  return { octets, packets: rounds * packets.length };
}

function moveAddresses(frame: Buffer, start: number, end: number, round: number): void {
  let type = start + 12;
  if (end - type > 8 && frame.readUInt16BE(type) === 0x8100) type += 4;
  if (end - type < 22 || frame.readUInt16BE(type) !== 0x0800) return;
  for (const address of [type + 14, type + 18]) {
    frame[address + 1] = (frame[address + 1]! + round) & 0xff;
    frame[address + 2] = (frame[address + 2]! + (round >>> 8)) & 0xff;
  }
}
