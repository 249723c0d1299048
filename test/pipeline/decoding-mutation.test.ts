import { existsSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import { CaptureReader } from '../../src/input/capture-file.ts';
import { CapturedIpfixStreams } from '../../src/input/captured-ipfix-streams.ts';
import { DatagramExtractor } from '../../src/input/datagram-extractor.ts';
import { OctetSourceError, openOctetSource } from '../../src/input/octet-source.ts';
import { DecodingHarness } from '../support/decoding-harness.ts';
import { dataSet, message, optionsTemplateSet, templateSet, VARIABLE, withdrawal } from '../support/ipfix-message.ts';
import { v1Datagram, v5Datagram, v5Record, v7Datagram } from '../support/netflow5-message.ts';
import { v9DataSet, v9OptionsTemplateSet, v9Packet, v9TemplateSet } from '../support/netflow9-message.ts';
import { Random } from '../support/random.ts';
import { hex, ipv4, ipv6, joined, type Octets, text, u8, u16, u32, u64, variable } from '../support/wire-octets.ts';

const CORPORA = fileURLToPath(new URL('../../../shared/corpora/export/', import.meta.url));
const hasCorpora = existsSync(CORPORA);
if (!hasCorpora) console.log('captures of real exporters are absent (../shared/corpora): their mutations are skipped');

/** FUZZ_SECONDS lengthens the random part; FUZZ_SEED repeats a failure. */
const FUZZ_MS = Number(process.env['FUZZ_SECONDS'] ?? 1) * 1000;
const SEED = Number(process.env['FUZZ_SEED'] ?? Date.now() % 2 ** 32);
const LOOK_EVERY = 200;

const FLOW = joined(ipv4('10.0.0.1'), ipv4('10.0.0.2'), u16(443), u16(51234), u8(6), u64(1234567), u32(89));
const GOOD_MESSAGES: readonly Octets[] = [
  v5Datagram([v5Record(), v5Record({ protocol: 17 })], { engineType: 1, engineId: 2, sampling: 0x4064 }),
  v1Datagram([{}, {}]),
  v7Datagram([{}, {}]),
  v9Packet([
    v9TemplateSet(256, [
      [8, 4],
      [12, 4],
      [22, 4],
      [21, 4],
      [1, 4],
      [2, 4],
      [57641, 16],
    ]),
    v9OptionsTemplateSet(
      257,
      [[1, 4]],
      [
        [48, 1],
        [34, 4],
        [82, 8],
      ],
    ),
    v9DataSet(257, joined(u32(1), u8(3), u32(1000), text('eth0', 8))),
    v9DataSet(
      256,
      joined(ipv4('10.0.0.1'), ipv4('10.0.0.2'), u32(3_500_000), u32(3_599_000), u32(1), u32(2), text('nginx', 16)),
    ),
  ]),
  message([
    templateSet(300, [
      [8, 4],
      [12, 4],
      [7, 2],
      [11, 2],
      [4, 1],
      [1, 8],
      [2, 4],
    ]),
    dataSet(300, FLOW, FLOW),
  ]),
  message([
    templateSet(301, [
      [27, 16],
      [152, 8],
      [156, 8],
      [82, VARIABLE],
      [169, VARIABLE, 35632],
      [95, 4],
      [22, 4],
      [160, 8],
    ]),
    dataSet(
      301,
      joined(
        ipv6('2001:db8::1'),
        u64(1_700_000_000_000),
        hex('e8ff000080000000'),
        variable('eth0'),
        variable('sshd\u00e9'),
        hex('03000050'),
        u32(77),
        u64(1_600_000_000_000),
      ),
    ),
  ]),
  message([
    templateSet(302, [
      [7, 2],
      [82, VARIABLE],
    ]),
    templateSet(303, [
      [1, 4],
      [291, VARIABLE],
      [292, VARIABLE],
      [293, VARIABLE],
    ]),
    dataSet(
      303,
      joined(
        u32(5),
        variable(hex('03 000a 0004 00000001 00000002')),
        variable(joined(hex('03 012e'), u16(80), variable('a'), u16(81), variable('b'))),
        variable(joined(hex('04 012e'), u16(8), u16(443), variable('c'), hex('012e'), u16(7), u16(22), variable(''))),
      ),
    ),
  ]),
  message([
    optionsTemplateSet(
      304,
      [
        [346, 4],
        [303, 2],
      ],
      [
        [339, 1],
        [344, 1],
        [341, VARIABLE],
      ],
    ),
    dataSet(304, joined(u32(64999), u16(77), u8(2), u8(1), variable('ownElement'))),
    templateSet(305, [
      [1, 4],
      [77, 2, 64999],
      [315, VARIABLE],
    ]),
    dataSet(
      305,
      joined(
        u32(5),
        u16(6),
        variable(
          hex(
            '0200000000010200000000020800450000280001000040060000c0000201c633640201bb9c40000000010000000050021000000000000000',
          ),
        ),
      ),
    ),
    withdrawal(305),
  ]),
];

/** A decoder that has seen all good messages, and what it makes of one of them. */
function prepared(): DecodingHarness {
  const harness = new DecodingHarness();
  for (const octets of GOOD_MESSAGES) harness.decode(octets);
  return harness;
}

/** The flow of 10.0.0.1 comes out right whatever was sent before. */
function lookAt(harness: DecodingHarness, what: string): void {
  expect(harness.problems(), what).toEqual([]);
  const [line] = harness.lines(GOOD_MESSAGES[4]!, { port: 9 });
  const { IPV4_SRC_ADDR, IPV4_DST_ADDR, L4_SRC_PORT, L4_DST_PORT, PROTOCOL, IN_BYTES, IN_PKTS } = line!;
  expect([IPV4_SRC_ADDR, IPV4_DST_ADDR, L4_SRC_PORT, L4_DST_PORT, PROTOCOL, IN_BYTES, IN_PKTS], what).toEqual([
    '10.0.0.1',
    '10.0.0.2',
    443,
    51234,
    6,
    1234567,
    89,
  ]);
}

describe('good messages', () => {
  it('make lines, or the mutations would show little', () => {
    const harness = new DecodingHarness();
    const counts = GOOD_MESSAGES.map((octets) => harness.lines(octets, { isReliable: true }).length);
    expect(counts).toEqual([2, 2, 2, 2, 2, 1, 1, 2]);
    expect(Object.values(harness.counters.faults).filter((count) => count > 0)).toEqual([]);
  });

  it('every prefix', () => {
    for (const isReliable of [false, true]) {
      const harness = prepared();
      for (const [i, octets] of GOOD_MESSAGES.entries()) {
        for (let length = 0; length < octets.length; length++)
          harness.decode(octets.subarray(0, length), { isReliable });
        lookAt(harness, `prefixes of message ${i}`);
      }
    }
  });

  it('every octet changed to 0, 1, 0x7f, 0x80, 0xff', () => {
    for (const [i, octets] of GOOD_MESSAGES.entries()) {
      const harness = prepared();
      for (let at = 0; at < octets.length; at++) {
        for (const value of [0, 1, 0x7f, 0x80, 0xff]) {
          const changed = octets.slice();
          changed[at] = value;
          harness.decode(changed);
          harness.decode(octets);
        }
        lookAt(harness, `message ${i}, octet ${at}`);
      }
    }
  });
});

function mutated(random: Random, octets: Octets): Octets {
  const changed = octets.slice();
  const changes = 1 + random.below(8);
  for (let i = 0; i < changes && changed.length > 0; i++) {
    const at = random.below(changed.length);
    const value = random.pick([0, 1, 2, 4, 0x7f, 0x80, 0xff, random.below(256)]);
    if (random.below(8) === 0) changed.copyWithin(at, random.below(changed.length));
    else changed[at] = value;
  }
  return random.below(4) === 0 ? changed.subarray(0, random.below(changed.length + 1)) : changed;
}

/** Mutates `messages` for `forMs`; a failure names the seed. */
function fuzz(messages: readonly Octets[], seed: number, forMs: number): number {
  const random = new Random(seed);
  const until = performance.now() + forMs;
  let harness = new DecodingHarness({ codeGeneration: random.below(2) === 0 });
  let rounds = 0;
  while (performance.now() < until) {
    for (let i = 0; i < LOOK_EVERY; i++) {
      const octets = random.pick(messages);
      const sender = { port: 2000 + random.below(3), isReliable: random.below(4) === 0 };
      harness.decode(random.below(3) === 0 ? octets : mutated(random, octets), sender);
    }
    expect(harness.problems(), `FUZZ_SEED=${seed}`).toEqual([]);
    if (++rounds % 20 === 0) harness = new DecodingHarness({ codeGeneration: random.below(2) === 0 });
  }
  lookAt(new DecodingHarness(), `FUZZ_SEED=${seed}`);
  return rounds;
}

describe('random mutations', () => {
  it('of messages built', () => {
    expect(fuzz(GOOD_MESSAGES, SEED, FUZZ_MS)).toBeGreaterThan(0);
  });

  it('of random octets behind right headers', () => {
    const random = new Random(SEED);
    const harness = prepared();
    for (let i = 0; i < 3000; i++) {
      const octets = random.octets(random.below(200));
      harness.decode(message([octets]));
      harness.decode(v9Packet([octets]));
      harness.decode(message([joined(u16(random.pick([2, 3, 300, 301, 303, 305])), u16(octets.length + 4), octets)]));
      harness.decode(v9Packet([joined(u16(random.pick([0, 1, 256, 257])), u16(octets.length + 4), octets)]));
      harness.decode(octets);
      if (i % LOOK_EVERY === 0) lookAt(harness, `FUZZ_SEED=${SEED}`);
    }
    lookAt(harness, `FUZZ_SEED=${SEED}`);
  });

  it.skipIf(!hasCorpora)('of the datagrams of real exporters', async () => {
    const datagrams = await corpusDatagrams();
    expect(datagrams.length).toBeGreaterThan(500);
    const harness = new DecodingHarness();
    for (const octets of datagrams) harness.decode(octets);
    expect(harness.problems()).toEqual([]);
    expect(harness.recordsSeen).toBeGreaterThan(1000);
    expect(fuzz(datagrams, SEED, FUZZ_MS)).toBeGreaterThan(0);
  });
});

/** NetFlow and IPFIX datagrams and messages of all captures, a bounded number of each. */
async function corpusDatagrams(): Promise<Octets[]> {
  const paths = readdirSync(CORPORA, { recursive: true, encoding: 'utf8' }).filter((path) =>
    /\.(pcap|pcapng|dat)/.test(path),
  );
  const found: Octets[] = [];
  for (const path of paths.sort()) {
    const source = await openOctetSource(join(CORPORA, path));
    if (source instanceof OctetSourceError) continue;
    let taken = 0;
    const take = (octets: Uint8Array, start: number, end: number): void => {
      const version = end - start >= 4 ? octets[start]! * 256 + octets[start + 1]! : 0;
      if (![1, 5, 7, 9, 10].includes(version) || taken++ >= 40) return;
      found.push(octets.slice(start, end));
    };
    const streams = new CapturedIpfixStreams((_stream, _view, octets, start, end) => take(octets, start, end));
    const extractor = new DatagramExtractor(
      { onDatagram: ({ octets, start, end }) => take(octets, start, end) },
      streams,
      [],
    );
    const reader = new CaptureReader();
    for (;;) {
      while (reader.next()) extractor.add(reader.packet);
      const block = await source.next();
      if (block === undefined) break;
      reader.feed(block);
    }
    source.close();
    extractor.finish();
  }
  return found;
}
