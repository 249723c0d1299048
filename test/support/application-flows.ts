/** Flows of captures with the applications a detector finds: packets in order, a Map of flows, nothing ever timed out. */

import { readFileSync } from 'node:fs';
import { gunzipSync } from 'node:zlib';
import { formatIPv4, formatIPv6 } from '../../src/bytes/address.ts';
import { SLOT } from '../../src/flow/fields.ts';
import { Flow } from '../../src/flow/flow.ts';
import { fieldEntry, Layout } from '../../src/flow/layout.ts';
import { Origin } from '../../src/flow/origin.ts';
import { CaptureReader } from '../../src/input/capture-file.ts';
import type { PayloadDetectorOptions } from '../../src/meter/application/detector-options.ts';
import { PayloadDetector } from '../../src/meter/application/payload-detector.ts';
import { loadBuiltInServices } from '../../src/meter/application-services.ts';
import { PacketHeaders } from '../../src/packet/packet-headers.ts';
import { parsePacket } from '../../src/packet/parse-packet.ts';
import type { CapturedFrame } from '../packet/capture.ts';

/** One flow and what was found. */
export interface DetectedFlow {
  readonly slot: number;
  /** `protocol endpoint endpoint`, endpoints sorted. */
  readonly key: string;
  readonly protocol: number;
  readonly clientPort: number;
  readonly serverPort: number;
  /** Positions of its packets in the input. */
  readonly frames: number[];
  /** What `write` left in the flow, under ntop's names; optional fields that are empty left out. */
  readonly values: Readonly<Record<string, string | number>>;
}

/** All frames of a capture file, pcap or pcapng, maybe compressed. */
export function readCapture(path: string): CapturedFrame[] {
  const file = readFileSync(path);
  const octets = file[0] === 0x1f && file[1] === 0x8b ? gunzipSync(file) : file;
  const reader = new CaptureReader();
  reader.feed(octets);
  const frames: CapturedFrame[] = [];
  while (reader.next()) {
    const { view, start, end, linkType, originalLength } = reader.packet;
    const copy = Uint8Array.from(new Uint8Array(view.buffer, view.byteOffset + start, end - start));
    frames.push({ linkType, octets: copy, originalLength, name: `${path} frame ${frames.length + 1}` });
  }
  return frames;
}

/** The flow's fields by ntop's names, as a line would have them. */
export function valuesOf(flow: Flow): Record<string, string | number> {
  const values: Record<string, string | number> = {};
  for (const entry of flow.layout.entries) {
    if (entry.kind !== 'field') continue;
    const slot = (SLOT as Readonly<Record<string, number>>)[entry.field.field]!;
    const { type } = entry.field;
    const value = type === 'name' ? flow.names[slot]! : type === 'text' ? textAt(flow, slot) : flow.words[slot]!;
    if ((type === 'name' && value === '') || (entry.optional && value === 0)) continue;
    values[entry.field.ntop] = value;
  }
  return values;
}

/** A flow as the meter has it: octets of its own before those that are the detector's. */
export function emptyFlow(): Flow {
  const flow = new Flow(new Origin());
  flow.bytes = new Uint8Array(256);
  return flow;
}

function textAt({ words, bytes }: Flow, slot: number): string {
  return Buffer.from(bytes.subarray(words[slot]!, words[slot]! + words[slot + 1]!)).toString('utf8');
}

/** What `write` of the detector leaves in a flow that has its addresses, or nothing. */
export function writtenBy(
  detector: PayloadDetector,
  slot: number,
  protocol = 6,
  addresses?: readonly [number, number],
): Record<string, string | number> {
  const flow = emptyFlow();
  flow.layout = addresses === undefined ? EMPTY : IPV4;
  flow.protocol = protocol;
  if (addresses !== undefined) [flow.sourceIPv4, flow.destinationIPv4] = addresses;
  detector.write(slot, flow);
  const { IPV4_SRC_ADDR: _source, IPV4_DST_ADDR: _destination, ...values } = valuesOf(flow);
  return values;
}

const EMPTY = new Layout('flow', []);
const IPV4 = new Layout('flow', [fieldEntry('sourceIPv4'), fieldEntry('destinationIPv4')]);

interface OpenFlow extends Omit<DetectedFlow, 'values'> {
  readonly client: string;
  readonly addresses: readonly [number, number] | undefined;
}

/**
 * Hands the packets of `frames` to a detector. `tunnels` `inner`: of a tunnelled packet the innermost headers count, else
 * the outermost.
 */
export function detectApplications(
  frames: readonly CapturedFrame[],
  tunnels: 'inner' | 'outer' = 'inner',
  options: PayloadDetectorOptions = { services: loadBuiltInServices() },
): DetectedFlow[] {
  const detector = new PayloadDetector(Math.max(frames.length, 1), options);
  const flows = new Map<string, OpenFlow>();
  const headers = new PacketHeaders();
  for (const [index, frame] of frames.entries()) {
    const { octets } = frame;
    const view = new DataView(octets.buffer, octets.byteOffset, octets.byteLength);
    parsePacket(view, 0, octets.length, frame.linkType, headers);
    const packet = tunnels === 'inner' && headers.hasInner && headers.inner!.ipVersion > 0 ? headers.inner! : headers;
    if (packet.ipVersion === 0) continue;
    const source = packet.ipVersion === 4 ? formatIPv4(packet.sourceIPv4) : formatIPv6(view, packet.sourceIPv6At);
    const target =
      packet.ipVersion === 4 ? formatIPv4(packet.destinationIPv4) : formatIPv6(view, packet.destinationIPv6At);
    const [from, to] = [`${source}|${packet.sourcePort}`, `${target}|${packet.destinationPort}`];
    const key = `${packet.protocol} ${[from, to].sort().join(' ')}`;
    let flow = flows.get(key);
    if (flow === undefined) {
      // A SYN with an ACK is the server's.
      const isServer = packet.protocol === 6 && (packet.tcpFlags & 0x12) === 0x12;
      flow = {
        slot: flows.size,
        key,
        protocol: packet.protocol,
        client: isServer ? to : from,
        clientPort: isServer ? packet.destinationPort : packet.sourcePort,
        serverPort: isServer ? packet.sourcePort : packet.destinationPort,
        frames: [],
        addresses: packet.ipVersion === 4 ? [packet.sourceIPv4, packet.destinationIPv4] : undefined,
      };
      flows.set(key, flow);
    }
    flow.frames.push(index);
    if (packet.fragmentOffset > 0 || packet.payloadAt < 0 || !detector.wants(flow.slot)) continue;
    const direction = flow.client === from ? 0 : 1;
    detector.onPayload(
      flow.slot,
      packet.protocol,
      flow.clientPort,
      flow.serverPort,
      direction,
      octets,
      view,
      packet.payloadAt,
      packet.payloadEnd,
      packet.protocol === 6 ? packet.tcpSequence : 0,
    );
  }
  return [...flows.values()].map((flow) => ({
    ...flow,
    values: writtenBy(detector, flow.slot, flow.protocol, flow.addresses),
  }));
}
