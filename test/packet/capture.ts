import { readFileSync } from 'node:fs';

/** One captured frame. */
export interface CapturedFrame {
  linkType: number;
  octets: Uint8Array;
  /** Octets the frame had on the wire, where the capture says that it cut it. */
  originalLength?: number;
  /** Where it is from, for messages. */
  name: string;
}

/** Frames of a classic pcap file in either byte order and resolution; undefined when the file is of another format. */
export function readClassicPcap(path: string, name: string): CapturedFrame[] | undefined {
  const file = readFileSync(path);
  const view = new DataView(file.buffer, file.byteOffset, file.byteLength);
  const magic = file.byteLength < 24 ? 0 : view.getUint32(0);
  const isLittleEndian = magic === 0xd4c3b2a1 || magic === 0x4d3cb2a1;
  if (!isLittleEndian && magic !== 0xa1b2c3d4 && magic !== 0xa1b23c4d) return undefined;
  const linkType = view.getUint32(20, isLittleEndian) & 0xffff;
  const frames: CapturedFrame[] = [];
  for (let at = 24; at + 16 <= file.byteLength; ) {
    const length = view.getUint32(at + 8, isLittleEndian);
    const octets = Uint8Array.from(file.subarray(at + 16, at + 16 + length));
    if (octets.length < length) break;
    const originalLength = view.getUint32(at + 12, isLittleEndian);
    frames.push({ linkType, octets, originalLength, name: `${name} frame ${frames.length + 1}` });
    at += 16 + length;
  }
  return frames;
}

/** A pcapng file with an interface for each link type, so that one run of another program reads frames of all kinds. */
export function pcapngFile(frames: CapturedFrame[]): Uint8Array {
  const linkTypes = [...new Set(frames.map((frame) => frame.linkType))];
  const blocks = [block(0x0a0d0d0a, [0x1a2b3c4d, 0x00000001, 0xffffffff, 0xffffffff])];
  for (const linkType of linkTypes) blocks.push(block(1, [linkType, 0]));
  for (const frame of frames) {
    const length = frame.octets.length;
    const originalLength = frame.originalLength ?? length;
    blocks.push(block(6, [linkTypes.indexOf(frame.linkType), 0, 0, length, originalLength], frame.octets));
  }
  return Buffer.concat(blocks);
}

/** A pcapng block: type, length, words in little-endian order, octets padded to four, length again. */
function block(type: number, words: number[], octets: Uint8Array = new Uint8Array(0)): Uint8Array {
  const length = 12 + words.length * 4 + Math.ceil(octets.length / 4) * 4;
  const result = new Uint8Array(length);
  const view = new DataView(result.buffer);
  view.setUint32(0, type, true);
  view.setUint32(4, length, true);
  for (const [index, word] of words.entries()) view.setUint32(8 + index * 4, word, true);
  result.set(octets, 8 + words.length * 4);
  view.setUint32(length - 4, length, true);
  return result;
}
