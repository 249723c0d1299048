/** Real Exporters' datagrams, out of captures, and larger captures made by repeating them. */

import { readdirSync, readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { gunzipSync } from 'node:zlib';
import type { MessageContext } from '../../src/decode/message.ts';
import { NetflowDecoder } from '../../src/decode/netflow-decoder.ts';
import { PendingSets } from '../../src/decode/pending-sets.ts';
import type { RecordReader } from '../../src/decode/record-reader.ts';
import { SessionTable } from '../../src/decode/session-table.ts';
import { SflowDecoder } from '../../src/decode/sflow.ts';
import { SAMPLE_FLOW, type SflowSample } from '../../src/decode/sflow-sample.ts';
import { type Template, VARIABLE_LENGTH } from '../../src/decode/template.ts';
import { CaptureReader, formatOf } from '../../src/input/capture-file.ts';
import { type Datagram, DatagramExtractor } from '../../src/input/datagram-extractor.ts';
import { CaptureWriter } from './make-capture.ts';

/** What a datagram is, by its version word. */
export const REAL_PROTOCOLS = ['NetFlow v5', 'NetFlow v9', 'IPFIX', 'sFlow'] as const;

/** One of {@link REAL_PROTOCOLS}. */
export type RealProtocol = (typeof REAL_PROTOCOLS)[number];

/** A datagram as captured. */
export interface RealDatagram {
  readonly octets: Uint8Array;
  /** File and sender: one Exporter. */
  readonly exporter: string;
  readonly sourcePort: number;
  readonly seconds: number;
  /** Where the lower two octets of its flows' source addresses lie. */
  readonly keys: readonly number[];
}

/** All datagrams of a protocol. */
export interface RealTraffic {
  readonly datagrams: readonly RealDatagram[];
  /** Flow records or samples in all of them together, as our decoder finds them. */
  readonly flows: number;
}

const SOURCE_IPV4 = 8;
const SOURCE_IPV6 = 27;
const SFLOW_RAW_HEADER = 1;
const RAW_HEADER_OFFSET = 16;
const HEADER_ETHERNET = 1;
const NETFLOW5_HEADER = 24;
const NETFLOW5_RECORD = 48;
const FIRST_ADDRESS = 0x0a00_0001;
const VLAN = 0x8100;
const IPV4 = 0x0800;

/** Captures (pcap, pcapng, gzipped or not) at a path: the file, or all in the folder and below. */
export function capturesAt(path: string): string[] {
  const files = statSync(path).isDirectory()
    ? readdirSync(path, { recursive: true, encoding: 'utf8' }).map((name) => join(path, name))
    : [path];
  return files.filter((file) => /\.(pcap|pcapng|cap)(\.gz)?$/.test(file) && statSync(file).isFile()).sort();
}

/** The export datagrams in captures, by protocol; what is of no such protocol is left out. */
export function realTraffic(paths: readonly string[]): Map<RealProtocol, RealTraffic> {
  const found = new Map<RealProtocol, { datagrams: RealDatagram[]; flows: number }>();
  for (const path of paths) {
    const finder = new KeyFinder();
    const extractor = new DatagramExtractor({
      onDatagram: (datagram) => {
        const protocol = protocolOf(datagram);
        if (protocol === undefined) return;
        const octets = datagram.octets.slice(datagram.start, datagram.end);
        const { keys, flows } = finder.find(protocol, octets, datagram.sourceAddress, datagram.sourcePort);
        const traffic = found.get(protocol) ?? { datagrams: [], flows: 0 };
        found.set(protocol, traffic);
        traffic.datagrams.push({
          octets,
          exporter: `${path} ${datagram.sourceAddress}`,
          sourcePort: datagram.sourcePort,
          seconds: Math.floor(datagram.timeMs / 1000),
          keys,
        });
        traffic.flows += flows;
      },
    });
    const file = readFileSync(path);
    const octets = formatOf(file) === 'gzip' ? gunzipSync(file) : file;
    const reader = new CaptureReader();
    reader.feed(octets);
    while (reader.next()) extractor.add(reader.packet);
  }
  return found;
}

/**
 * Writes the datagrams again and again until there are `flows` flows. Each time they come from other Exporters, at most
 * `exporters` times as many as there are, and the flows from other source addresses. As times and sequence numbers stay, an
 * Exporter that has its second turn looks restarted. Returns how often they were written.
 */
export function repeatTraffic(traffic: RealTraffic, flows: number, path: string, exporters: number): number {
  const capture = new CaptureWriter(path);
  const numbers = new Map<string, number>();
  for (const { exporter } of traffic.datagrams) if (!numbers.has(exporter)) numbers.set(exporter, numbers.size);
  const rounds = Math.max(1, Math.ceil(flows / Math.max(1, traffic.flows)));
  for (let round = 0; round < rounds; round++) {
    const first = FIRST_ADDRESS + (round % exporters) * numbers.size;
    for (const { octets, exporter, sourcePort, seconds, keys } of traffic.datagrams) {
      for (const at of keys) flip(octets, at, round);
      capture.datagram(seconds, first + numbers.get(exporter)!, sourcePort, 2055, octets, octets.length);
      for (const at of keys) flip(octets, at, round);
    }
  }
  capture.close();
  return rounds;
}

function flip(octets: Uint8Array, at: number, round: number): void {
  octets[at] = octets[at]! ^ ((round >> 8) & 255);
  octets[at + 1] = octets[at + 1]! ^ (round & 255);
}

function protocolOf({ view, start, end }: Datagram): RealProtocol | undefined {
  if (end - start < 24 || end - start > 65_507) return undefined;
  if (view.getUint32(start) === 5) return 'sFlow';
  const version = view.getUint16(start);
  return version === 5 ? 'NetFlow v5' : version === 9 ? 'NetFlow v9' : version === 10 ? 'IPFIX' : undefined;
}

/** Finds where a datagram's flows have their source addresses, by the Templates of those before it. */
class KeyFinder {
  private keys: number[] = [];
  private flows = 0;
  private view: DataView = new DataView(new ArrayBuffer(0));
  private readonly netflow = new NetflowDecoder(
    new SessionTable(),
    new PendingSets(),
    { readerFor: (_, template) => this.readerOf(template) },
    0,
  );
  private readonly sflow = new SflowDecoder(new SessionTable(), {
    startDatagram: () => {},
    startSample: ({ kind }: SflowSample) => {
      if (kind === SAMPLE_FLOW) this.flows++;
    },
    readRecord: (sample: SflowSample, dataFormat: number, start: number, end: number) => {
      if (sample.kind === SAMPLE_FLOW && dataFormat === SFLOW_RAW_HEADER) this.addRawHeader(start, end);
    },
    endSample: () => {},
  });

  find(protocol: RealProtocol, octets: Uint8Array, address: string, port: number): { keys: number[]; flows: number } {
    this.keys = [];
    this.flows = 0;
    this.view = new DataView(octets.buffer, octets.byteOffset, octets.byteLength);
    if (protocol === 'NetFlow v5') {
      for (let at = NETFLOW5_HEADER; at + NETFLOW5_RECORD <= octets.length; at += NETFLOW5_RECORD) {
        this.keys.push(at + 2);
        this.flows++;
      }
    } else if (protocol === 'sFlow') {
      this.sflow.decode(octets, this.view, 0, octets.length, address, port, 0);
    } else {
      this.netflow.decode(octets, this.view, 0, octets.length, address, port, 0, false);
    }
    return { keys: this.keys, flows: this.flows };
  }

  private readerOf(template: Template): RecordReader {
    return {
      readSet: (message: MessageContext, start: number, end: number) => {
        const isFlow = template.scopeFieldCount < 0;
        let records = 0;
        for (let at = start; at >= 0 && end - at >= template.minRecordLength; records++) {
          // A set that waited for its Template lies elsewhere: its flows are counted and keep their keys.
          at = this.walk(template, message.view, at, end, isFlow && message.view === this.view);
        }
        if (isFlow) this.flows += records;
        return records;
      },
    };
  }

  /** Goes over a record; returns where the next one starts, or -1. */
  private walk({ fields }: Template, view: DataView, start: number, end: number, notes: boolean): number {
    let at = start;
    for (const { elementId, enterpriseNumber, length: specified } of fields) {
      let length = specified;
      if (specified === VARIABLE_LENGTH) {
        if (at + 3 > end) return at + 1 === end && view.getUint8(at) === 0 ? end : -1;
        length = view.getUint8(at++);
        if (length === 255) {
          length = view.getUint16(at);
          at += 2;
        }
      }
      if (at + length > end) return -1;
      const isSource = (elementId === SOURCE_IPV4 && length === 4) || (elementId === SOURCE_IPV6 && length === 16);
      if (notes && isSource && enterpriseNumber === 0) this.keys.push(at + length - 2);
      at += length;
    }
    return at;
  }

  /** A sampled Ethernet frame's IPv4 source address. */
  private addRawHeader(start: number, end: number): void {
    const { view } = this;
    if (end - start < RAW_HEADER_OFFSET + 38 || view.getUint32(start) !== HEADER_ETHERNET) return;
    const frame = start + RAW_HEADER_OFFSET;
    const network = frame + (view.getUint16(frame + 12) === VLAN ? 18 : 14);
    if (view.getUint16(network - 2) === IPV4) this.keys.push(network + 14);
  }
}
