/** Runs captures through a metering process, for tests. */

import { readFileSync } from 'node:fs';
import { gunzipSync } from 'node:zlib';
import { PacketBatch } from '../../src/bytes/packet-batch.ts';
import { CaptureReader } from '../../src/input/capture-file.ts';
import type { ApplicationDetector } from '../../src/meter/application-detector.ts';
import { type MeteringOptions, MeteringProcess } from '../../src/meter/metering-process.ts';
import { FlowJson } from '../../src/sink/formats/flow-json.ts';

/** A line as parsed from JSON. */
export type FlowLine = Readonly<Record<string, string | number>>;

/** Options of a metering process that tells flows apart as oracles do: without timeouts that cut them. */
export const METERING: MeteringOptions = {
  maxFlows: 65_536,
  idleTimeoutUs: 3_600_000_000,
  activeTimeoutUs: 3_600_000_000,
  key: { vlan: true, tunnel: false, mac: false, uniflow: false },
  tunnels: 'inner',
  samplingInterval: 1,
  tcpAnalysis: true,
  interfaces: [],
  seed: Uint32Array.of(1, 2),
};

/** A packet for a metering process. */
export interface MeteredPacket {
  readonly octets: Uint8Array;
  readonly timeUs: number;
  /** Of the whole packet; its captured octets where not given. */
  readonly wireLength?: number;
  /** Ethernet where not given. */
  readonly linkType?: number;
}

/** A metering process whose records are kept as parsed lines. */
export class MeterHarness {
  readonly meter: MeteringProcess;
  readonly #json: FlowJson;
  #text = '';

  /** `options` replace those of {@link METERING}. */
  constructor(options: Partial<MeteringOptions> = {}, detector?: ApplicationDetector) {
    const decoder = new TextDecoder();
    this.#json = new FlowJson(
      { names: 'ntop', fields: undefined, upscale: false, recordTypes: new Set(['flow']), codeGeneration: true },
      (octets) => {
        this.#text += decoder.decode(octets, { stream: true });
      },
    );
    this.meter = new MeteringProcess({ ...METERING, ...options }, this.#json, detector);
  }

  /** Takes packets one by one. */
  add(packets: readonly MeteredPacket[]): void {
    for (const { octets, timeUs, wireLength, linkType } of packets) {
      const view = new DataView(octets.buffer, octets.byteOffset, octets.byteLength);
      this.meter.add(octets, view, 0, octets.length, wireLength ?? octets.length, linkType ?? 1, timeUs, 0);
    }
  }

  /** Takes the packets of a capture file, gzipped or not. */
  addFile(path: string): void {
    const file = readFileSync(path);
    const octets = file[0] === 0x1f ? gunzipSync(file) : file;
    const reader = new CaptureReader();
    reader.feed(octets);
    const batch = new PacketBatch();
    while (reader.readBatch(batch)) this.meter.addBatch(batch, 0);
  }

  /** The records so far; `finish` ends all flows first. */
  lines(finish = true): FlowLine[] {
    if (finish) this.meter.finish();
    this.#json.flush();
    return this.#text
      .split('\n')
      .filter((line) => line !== '')
      .map((line) => JSON.parse(line) as FlowLine);
  }
}
