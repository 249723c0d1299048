/**
 * Builds sFlow version 5 datagrams octet by octet, right or deliberately wrong: lengths and counts can be given. Written from
 * the specification (sflow.org/sflow_version_5.txt), independent of the decoder.
 */
export type Octets = readonly number[];

/** Unsigned 32-bit numbers, one after the other. */
export function words(...values: number[]): number[] {
  return values.flatMap((value) => [value >>> 24, (value >>> 16) & 255, (value >>> 8) & 255, value & 255]);
}

/** An unsigned hyper. */
export function hyper(value: bigint): number[] {
  return words(Number(value >> 32n), Number(value & 0xffffffffn));
}

/** An IEEE 754 single. */
export function single(value: number): number[] {
  const view = new DataView(new ArrayBuffer(4));
  view.setFloat32(0, value);
  return words(view.getUint32(0));
}

/** Octets written in hexadecimal, blanks ignored. */
export function hex(text: string): number[] {
  return (text.replaceAll(/\s+/g, '').match(/../g) ?? []).map((pair) => Number.parseInt(pair, 16));
}

/** Octets with zeros behind them up to a multiple of four. */
export function padded(octets: Octets): number[] {
  return [...octets, ...new Array<number>(-octets.length & 3).fill(0)];
}

/** Variable-length opaque data or, of a text, a string. */
export function opaque(content: Octets | string): number[] {
  const octets = typeof content === 'string' ? [...Buffer.from(content, 'utf8')] : content;
  return [...words(octets.length), ...padded(octets)];
}

/** Octets of a dotted IPv4 address. */
export function ipv4(address: string): number[] {
  return address.split('.').map(Number);
}

/** An address with its type word, from dotted decimals or 32 hexadecimal digits. */
export function address(text: string): number[] {
  return text.includes('.') ? [...words(1), ...ipv4(text)] : [...words(2), ...hex(text)];
}

/** A flow or counters record; `length` lies about the octets that follow. */
export function record(dataFormat: number, content: Octets, length = content.length): number[] {
  return [...words(dataFormat, length), ...padded(content)];
}

/** A sample; `length` lies about the octets that follow. */
export function sample(dataFormat: number, content: Octets, length = content.length): number[] {
  return [...words(dataFormat, length), ...content];
}

/** Fixed part of a flow sample; what is not given is a plain value that shows up nowhere else. */
export interface FlowSampleFields {
  sequence?: number;
  sourceType?: number;
  sourceIndex?: number;
  rate?: number;
  pool?: number;
  drops?: number;
  inputFormat?: number;
  input?: number;
  outputFormat?: number;
  output?: number;
  count?: number;
}

/** Flow sample (format 1). */
export function flowSample(records: Octets[], fields: FlowSampleFields = {}): number[] {
  const f = { ...PLAIN_SAMPLE, ...fields };
  return sample(1, [
    ...words(f.sequence, f.sourceType * 2 ** 24 + f.sourceIndex, f.rate, f.pool, f.drops),
    ...words(f.inputFormat * 2 ** 30 + f.input, f.outputFormat * 2 ** 30 + f.output, fields.count ?? records.length),
    ...records.flat(),
  ]);
}

/** Expanded flow sample (format 3). */
export function expandedFlowSample(records: Octets[], fields: FlowSampleFields = {}): number[] {
  const f = { ...PLAIN_SAMPLE, ...fields };
  return sample(3, [
    ...words(f.sequence, f.sourceType, f.sourceIndex, f.rate, f.pool, f.drops, f.inputFormat, f.input, f.outputFormat),
    ...words(f.output, fields.count ?? records.length),
    ...records.flat(),
  ]);
}

/** Counters sample (format 2). */
export function countersSample(records: Octets[], fields: FlowSampleFields = {}): number[] {
  const f = { ...PLAIN_SAMPLE, ...fields };
  const source = f.sourceType * 2 ** 24 + f.sourceIndex;
  return sample(2, [...words(f.sequence, source, fields.count ?? records.length), ...records.flat()]);
}

/** Expanded counters sample (format 4). */
export function expandedCountersSample(records: Octets[], fields: FlowSampleFields = {}): number[] {
  const f = { ...PLAIN_SAMPLE, ...fields };
  const fixed = words(f.sequence, f.sourceType, f.sourceIndex, fields.count ?? records.length);
  return sample(4, [...fixed, ...records.flat()]);
}

/** Discarded packet (format 5). */
export function discardedPacket(records: Octets[], reason: number, fields: FlowSampleFields = {}): number[] {
  const f = { ...PLAIN_SAMPLE, ...fields };
  return sample(5, [
    ...words(
      f.sequence,
      f.sourceType,
      f.sourceIndex,
      f.drops,
      f.input,
      f.output,
      reason,
      fields.count ?? records.length,
    ),
    ...records.flat(),
  ]);
}

const PLAIN_SAMPLE = {
  sequence: 7001,
  sourceType: 0,
  sourceIndex: 17,
  rate: 512,
  pool: 90_210,
  drops: 3,
  inputFormat: 0,
  input: 21,
  outputFormat: 0,
  output: 34,
};

/** Header of a datagram. */
export interface DatagramFields {
  version?: number;
  agent?: Octets;
  subAgent?: number;
  sequence?: number;
  upTime?: number;
  count?: number;
}

/** A datagram of samples. */
export function datagram(samples: Octets[], fields: DatagramFields = {}): Uint8Array {
  return Uint8Array.from([
    ...words(fields.version ?? 5),
    ...(fields.agent ?? address('192.0.2.77')),
    ...words(fields.subAgent ?? 2, fields.sequence ?? 4711, fields.upTime ?? 1_000_000, fields.count ?? samples.length),
    ...samples.flat(),
  ]);
}

/** Sampled header record (format 1). */
export function sampledHeader(
  header: Octets,
  frameLength: number,
  protocol = 1,
  stripped = 4,
  length = header.length,
): number[] {
  return record(1, [...words(protocol, frameLength, stripped, length), ...padded(header)]);
}

/** Ethernet, IPv4, TCP: 10.1.2.3 port 443 to 198.51.100.7 port 50000, SYN and ACK, TTL 61, TOS 0xb8. */
export const TCP_FRAME: Octets = hex(`
  00 11 22 33 44 55  66 77 88 99 aa bb  08 00
  45 b8 00 34 1c 46 40 00 3d 06 00 00 0a 01 02 03 c6 33 64 07
  01 bb c3 50 00 00 00 01 00 00 00 02 80 12 ff ff 00 00 00 00 01 03 03 07 01 01 01 01`);
