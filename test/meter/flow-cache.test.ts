import { expect, it } from 'vitest';
import { FlowCache } from '../../src/meter/flow-cache.ts';
import { FlowKey } from '../../src/meter/flow-key.ts';
import { IpPacket } from '../../src/packet/ip-packet.ts';
import { readPlainFrame } from '../../src/packet/plain-frame.ts';
import { udpFrame } from '../support/packets.ts';
import { Random } from '../support/random.ts';

const OPTIONS = { vlan: false, tunnel: false, mac: false, uniflow: false };

/** Reads the key of a datagram from this port. */
function readKey(key: FlowKey, port: number): void {
  const octets = udpFrame({ fromPort: port });
  const view = new DataView(octets.buffer);
  const packet = new IpPacket();
  if (!readPlainFrame(view, 0, octets.length, packet)) throw new Error('no plain frame');
  key.read(view, packet);
}

function keyOf(port: number, seed: Uint32Array): FlowKey {
  const key = new FlowKey(OPTIONS, seed);
  readKey(key, port);
  return key;
}

it('finds every flow it holds and no other, whatever was added and removed before', () => {
  const seed = Date.now() % 2 ** 32;
  const random = new Random(seed);
  const words = Uint32Array.of(random.u32(), random.u32());
  const cache = new FlowCache({ maxFlows: 60, idleTimeoutUs: 1e9, activeTimeoutUs: 1e9 }, { onFlowEnd: () => {} });
  cache.advance(1e15);
  const keys = Array.from({ length: 200 }, (_, i) => keyOf(1000 + i, words));
  const held = new Map<number, number>();
  for (let i = 0; i < 5000; i++) {
    const number = random.below(keys.length);
    const slot = held.get(number);
    if (slot !== undefined) {
      cache.end(slot, 4);
      held.delete(number);
    } else if (held.size < 60) {
      held.set(number, cache.add(keys[number]!, 4, 17, 1e15));
    }
    for (let probe = 0; probe < 10; probe++) {
      const looked = random.below(keys.length);
      if (cache.find(keys[looked]!, 4) !== (held.get(looked) ?? -1)) throw new Error(`lost a flow, seed ${seed}`);
    }
    if (cache.flows !== held.size) throw new Error(`counts wrong, seed ${seed}`);
  }
  expect(cache.flowsMost).toBe(60);
});

it('finds each of many flows, and none of those that ended', () => {
  const words = Uint32Array.of(1, 2);
  const keys = Array.from({ length: 40_000 }, (_, i) => keyOf(20_000 + i, words));
  const options = { maxFlows: keys.length, idleTimeoutUs: 1e9, activeTimeoutUs: 1e9 };
  const cache = new FlowCache(options, { onFlowEnd: () => {} });
  cache.advance(1e15);
  const slots = keys.map((key) => cache.add(key, 4, 17, 1e15));
  expect(keys.map((key) => cache.find(key, 4))).toEqual(slots);
  for (const [i, slot] of slots.entries()) if (i % 3 === 0) cache.end(slot, 4);
  expect(keys.map((key) => cache.find(key, 4))).toEqual(slots.map((slot, i) => (i % 3 === 0 ? -1 : slot)));
});

it('hashes each key that one object reads', () => {
  const key = keyOf(1000, Uint32Array.of(1, 2));
  const before = key.hash();
  readKey(key, 1001);
  expect(key.hash()).not.toBe(before);
  readKey(key, 1000);
  expect(key.hash()).toBe(before);
});

it('hashes by a secret: other seeds, other places', () => {
  const hashes = [1, 2, 3, 4].map((seed) => keyOf(1000, Uint32Array.of(seed, 0)).hash());
  expect(new Set(hashes).size).toBe(4);
});
