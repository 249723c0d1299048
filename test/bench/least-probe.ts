/**
 * What the least of a probe costs in this runtime, for `bench:probe -- --floor`: a file of its own, to be run as
 *
 *   node least-probe.cjs read|records|flows CAPTURE
 *
 * `read` reads the capture and looks at none of it. `records` finds its packets. `flows` counts packets and octets by addresses, ports and
 * protocol, of IPv4 with TCP or UDP straight behind Ethernet alone, in one cache line a flow, ends none before the end and writes
 * them as flowrelay writes lines, with these fields. No times, no checks of headers, no hash that withstands crafted addresses.
 */

import { openSync, readSync, statSync, writeSync } from 'node:fs';
import { SLOT } from '../../src/flow/fields.ts';
import { Flow } from '../../src/flow/flow.ts';
import { fieldEntry, Layout } from '../../src/flow/layout.ts';
import { Origin } from '../../src/flow/origin.ts';
import { FlowJson } from '../../src/sink/formats/flow-json.ts';

const BLOCK_OCTETS = 524_288;
const FILE_HEADER = 24;
const RECORD_HEADER = 16;
/** Octets of Ethernet, IPv4 and ports. */
const HEADERS = 38;
const IPV4 = 0x0800;
const TCP = 6;
const UDP = 17;

/** Octets of a capture for which the table has a place. */
const OCTETS_OF_A_PLACE = 4096;
/** Words of a flow: one cache line. */
const FLOW_WORDS = 16;
/** Words of it: protocol, ports, both addresses; packets, and octets, of either direction. */
const PROTOCOL = 0;
const PORTS = 1;
const FIRST = 2;
const SECOND = 3;
const PACKETS = 4;
const OCTETS = 6;

/** Octets in front of the table: where large memory is put, it is then at the start of a cache line. */
const AHEAD_OCTETS = 48;

const [, , stage, capture = ''] = process.argv;
const placeBits = Math.max(10, Math.ceil(Math.log2(statSync(capture).size / OCTETS_OF_A_PLACE)));
const places = 2 ** placeBits;
const words = new Uint32Array(new ArrayBuffer(AHEAD_OCTETS + 4 * places * FLOW_WORDS), AHEAD_OCTETS);
let flows = 0;

/** Counts the packet whose frame begins at `at`, at least {@link HEADERS} long. */
function count(view: DataView, at: number): void {
  const protocol = view.getUint8(at + 23);
  if (view.getUint16(at + 12) !== IPV4 || (protocol !== TCP && protocol !== UDP)) return;
  const source = view.getUint32(at + 26);
  const destination = view.getUint32(at + 30);
  const ports = view.getUint32(at + 34);
  const isReverse = source > destination;
  const first = isReverse ? destination : source;
  const second = isReverse ? source : destination;
  const sorted = (isReverse ? (ports >>> 16) | (ports << 16) : ports) >>> 0;
  const hash = Math.imul(sorted ^ Math.imul(first, 0x9e3779b1) ^ Math.imul(second, 0x85ebca6b), 0xc2b2ae35);
  let flow = (hash >>> (32 - placeBits)) * FLOW_WORDS;
  while (
    words[flow + FIRST]! !== first ||
    words[flow + SECOND]! !== second ||
    words[flow + PORTS]! !== sorted ||
    words[flow + PROTOCOL]! !== protocol
  ) {
    if (words[flow + PROTOCOL]! === 0) {
      if (++flows === places) throw new Error('more flows than places for them');
      words[flow + PROTOCOL] = protocol;
      words[flow + PORTS] = sorted;
      words[flow + FIRST] = first;
      words[flow + SECOND] = second;
      break;
    }
    flow = (flow + FLOW_WORDS) & (places * FLOW_WORDS - 1);
  }
  const direction = isReverse ? 1 : 0;
  words[flow + PACKETS + direction]!++;
  words[flow + OCTETS + direction]! += view.getUint16(at + 16);
}

/** Finds the packets in the octets before `end` and gives the position of the first that is not whole. */
function records(view: DataView, start: number, end: number, isCounting: boolean): number {
  let at = start;
  while (at + RECORD_HEADER <= end) {
    const length = view.getUint32(at + 8, true);
    const next = at + RECORD_HEADER + length;
    if (next > end) break;
    if (isCounting && length >= HEADERS) count(view, at + RECORD_HEADER);
    at = next;
  }
  return at;
}

function write(): void {
  const output = openSync('/dev/null', 'w');
  const json = new FlowJson(
    { names: 'ntop', fields: undefined, upscale: false, recordTypes: new Set(['flow']), codeGeneration: true },
    (octets) => writeSync(output, octets),
  );
  const origin = new Origin();
  origin.protocol = 'packets';
  const flow = new Flow(origin);
  flow.layout = new Layout(
    'flow',
    (
      [
        'protocol',
        'sourceIPv4',
        'destinationIPv4',
        'sourcePort',
        'destinationPort',
        'octets',
        'packets',
        'reverseOctets',
        'reversePackets',
      ] as const
    ).map((name) => fieldEntry(name)),
  );
  const values = flow.words;
  for (let row = 0; row < words.length; row += FLOW_WORDS) {
    if (words[row + PROTOCOL]! === 0) continue;
    values[SLOT.protocol] = words[row + PROTOCOL]!;
    values[SLOT.sourceIPv4] = words[row + FIRST]!;
    values[SLOT.destinationIPv4] = words[row + SECOND]!;
    values[SLOT.sourcePort] = words[row + PORTS]! >>> 16;
    values[SLOT.destinationPort] = words[row + PORTS]! & 0xffff;
    values[SLOT.octets + 1] = words[row + OCTETS]!;
    values[SLOT.packets + 1] = words[row + PACKETS]!;
    values[SLOT.reverseOctets + 1] = words[row + OCTETS + 1]!;
    values[SLOT.reversePackets + 1] = words[row + PACKETS + 1]!;
    json.write(flow);
  }
  json.flush();
}

const input = openSync(capture, 'r');
const block = new Uint8Array(BLOCK_OCTETS);
const view = new DataView(block.buffer);
let kept = 0;
let from = FILE_HEADER;
for (;;) {
  const read = readSync(input, block, kept, BLOCK_OCTETS - kept, null);
  if (read === 0) break;
  if (stage === 'read') continue;
  const end = kept + read;
  const at = records(view, from, end, stage === 'flows');
  from = 0;
  block.copyWithin(0, at, end);
  kept = end - at;
}
if (stage === 'flows') write();
