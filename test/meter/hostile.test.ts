/** Damaged packets and floods: nothing may throw, lose count or grow. */

import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { expect, it } from 'vitest';
import type { ApplicationDetector } from '../../src/meter/application-detector.ts';
import { readClassicPcap } from '../packet/capture.ts';
import { FRAMES } from '../packet/frames.ts';
import { MeterHarness } from '../support/meter-harness.ts';
import { tcpFrame } from '../support/packets.ts';
import { Random } from '../support/random.ts';

const CORPORA = fileURLToPath(new URL('../../../shared/corpora/packets/', import.meta.url));
if (!existsSync(CORPORA))
  console.log(`SKIPPED: mutation of real packets, none in ${CORPORA}; frames made by hand are mutated`);

/** Takes everything, and holds what it is told to what it may be told. */
class WatchfulDetector implements ApplicationDetector {
  readonly #slots = new Set<number>();
  payloads = 0;

  wants(): boolean {
    return true;
  }

  onPayload(...[slot, , , , direction, octets, view, start, end]: Parameters<ApplicationDetector['onPayload']>): void {
    this.payloads++;
    this.#slots.add(slot);
    if (start < 0 || end < start || end > octets.length || view.byteLength !== octets.length)
      throw new Error('payload out of bounds');
    if (direction !== 0 && direction !== 1) throw new Error('no direction');
  }

  write(): void {}

  release(slot: number): void {
    this.#slots.delete(slot);
  }

  get flowsLeft(): number {
    return this.#slots.size;
  }
}

it('meters mutated packets without a fault, and counts each', () => {
  const seed = Date.now() % 2 ** 32;
  const random = new Random(seed);
  const frames = [...FRAMES.map(({ linkType, octets }) => ({ linkType, octets }))];
  for (const name of existsSync(CORPORA) ? readdirSync(CORPORA, { recursive: true, encoding: 'utf8' }) : []) {
    if (!name.endsWith('.pcap')) continue;
    frames.push(...(readClassicPcap(`${CORPORA}${name}`, name) ?? []).slice(0, 40));
  }
  for (const tunnels of ['inner', 'outer'] as const) {
    const detector = new WatchfulDetector();
    const harness = new MeterHarness(
      { tunnels, maxFlows: 300, key: { vlan: true, tunnel: true, mac: true, uniflow: false } },
      detector,
    );
    let timeUs = 1_700_000_000_000_000;
    let count = 0;
    for (let round = 0; round < 6; round++) {
      for (const { linkType, octets } of frames) {
        const mutated = Uint8Array.from(
          octets.subarray(0, random.below(3) === 0 ? random.below(octets.length + 1) : octets.length),
        );
        for (let i = random.below(4); i > 0 && mutated.length > 0; i--)
          mutated[random.below(Math.min(mutated.length, 120))] = random.below(256);
        timeUs += random.below(2_000_000);
        harness.add([
          { octets: mutated, timeUs: random.below(500) === 0 ? random.u32() * random.u32() : timeUs, linkType },
        ]);
        count++;
      }
    }
    const lines = harness.lines();
    const { packetsSeen, packetsMetered, packetsIgnored, octetsMetered } = harness.meter.counters;
    const ignored = Object.values(packetsIgnored).reduce((sum, each) => sum + each, 0);
    const sum = (...keys: readonly string[]) =>
      lines.reduce((total, line) => keys.reduce((part, key) => part + Number(line[key] ?? 0), total), 0);
    expect(packetsSeen, `seed ${seed}`).toBe(count);
    expect(packetsMetered + ignored).toBe(count);
    expect(sum('IN_PKTS', 'OUT_PKTS')).toBe(packetsMetered);
    expect(sum('IN_BYTES', 'OUT_BYTES')).toBe(octetsMetered);
    expect(detector.payloads).toBeGreaterThan(1000);
    expect(detector.flowsLeft).toBe(0);
  }
});

it('keeps its size in a flood of SYNs, and reports each flow', () => {
  const harness = new MeterHarness({ maxFlows: 1000 });
  const octets = tcpFrame({ flags: 'S' });
  for (let i = 0; i < 30_000; i++) {
    octets[28] = i >>> 8;
    octets[29] = i & 0xff;
    harness.add([{ octets, timeUs: 1_700_000_000_000_000 + i }]);
  }
  expect(harness.meter.cache.flowsMost).toBe(1000);
  expect(harness.meter.counters.flowsEnded).toEqual([0, 0, 0, 0, 29_000]);
  expect(harness.lines()).toHaveLength(30_000);
});

it('keeps its size in a flood of fragments, and counts each', () => {
  const harness = new MeterHarness({ maxFlows: 1000 });
  const file = existsSync(CORPORA) ? readFileSync(`${CORPORA}flowtest/pcap/ipv4-udp-fragmented.pcap`) : undefined;
  const frame =
    file === undefined
      ? tcpFrame({ moreFragments: true })
      : Uint8Array.from(file.subarray(40, 40 + file.readUInt32LE(32)));
  for (let i = 0; i < 30_000; i++) {
    frame[18] = i >>> 8;
    frame[19] = i & 0xff;
    frame[20] = i % 3 === 0 ? 0x20 : 0x00;
    frame[21] = i % 3 === 0 ? 0 : 1 + (i % 90);
    harness.add([{ octets: frame, timeUs: 1_700_000_000_000_000 + i }]);
  }
  const { fragmentsMatched, fragmentsUnmatched, packetsMetered } = harness.meter.counters;
  expect(packetsMetered).toBe(30_000);
  expect(fragmentsMatched + fragmentsUnmatched).toBe(20_000);
});
