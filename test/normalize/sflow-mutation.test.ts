import { expect, it } from 'vitest';
import { Random } from '../support/random.ts';
import {
  address,
  countersSample,
  datagram,
  discardedPacket,
  expandedFlowSample,
  flowSample,
  hyper,
  opaque,
  record,
  sampledHeader,
  TCP_FRAME,
  words,
} from '../support/sflow-builder.ts';
import { sflowCaptures } from '../support/sflow-captures.ts';
import { SflowHarness } from '../support/sflow-harness.ts';

const HEADER = sampledHeader(TCP_FRAME, 1518);
const GOOD = datagram([flowSample([HEADER])], { sequence: 3_000_000_000 });

/** Datagrams with one of everything that has a count or a length in it. */
const MADE = [
  datagram([
    flowSample([HEADER, record(1001, words(1, 2, 3, 4)), record(1002, [...address('192.0.2.1'), ...words(24, 24)])]),
    expandedFlowSample([
      record(1003, [...address('192.0.2.1'), ...words(1, 2, 3, 1, 2, 2, 9, 8, 1, 7, 100)]),
      record(1006, [...address('192.0.2.1'), ...words(1, 0x10140, 0)]),
      record(1007, [...address('192.0.2.1'), ...address('20010db8000000000000000000000001')]),
    ]),
    discardedPacket([HEADER, record(1041, [...opaque('group'), ...opaque('trap')])], 259),
  ]),
  datagram([
    countersSample([
      record(2001, words(2, 1, 1, 5, 6, 2, 0)),
      record(2000, [...opaque('host'), ...words(1, 2, 3, 4, 5, 6), ...opaque('release')]),
      record(10, words(1, 2, 3, 4, 1, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10)),
      record(5, [...words(1), ...hyper(2n), ...words(3, 4, 5, 6)]),
    ]),
    flowSample([
      record(1016, words(1, 1, 1, 4, 7)),
      record(2206, [...words(1, 1001), ...opaque('/uri'), ...opaque('host')]),
    ]),
  ]),
];
const captured = sflowCaptures().flatMap((capture) => capture.datagrams.slice(0, 3).map(({ payload }) => payload));
if (captured.length === 0)
  console.log('sFlow mutations: only of made datagrams, there are no captures beside the repository');
const SEEDS = [...MADE, ...captured];

/** Never throws, keeps its counts, and the same decoder still decodes a good datagram. */
function expectSound(harness: SflowHarness): void {
  harness.lines = [];
  expect(harness.decode(GOOD)).toBe('ok');
  expect(harness.lines.length).toBe(1);
  expect(harness.lines[0]?.fields).toMatchObject({
    sourceIPv4: '10.1.2.3',
    destinationPort: 50_000,
    octets: 1518,
    packets: 1,
  });
  expect(harness.lines[0]?.attachments).toEqual({});
  const { messagesReceived, messagesDecoded, messagesDiscarded } = harness.counters;
  expect(messagesReceived).toBe(messagesDecoded + messagesDiscarded);
}

it('bears every prefix of every datagram', () => {
  const harness = new SflowHarness();
  for (const octets of SEEDS) {
    for (let length = 0; length < octets.length; length++) harness.decode(octets.subarray(0, length));
    expectSound(harness);
  }
});

it('bears every change of an octet of the made datagrams', () => {
  const harness = new SflowHarness();
  for (const octets of MADE) {
    for (let at = 0; at < octets.length; at++) {
      for (const value of [0, 1, 0x7f, 0x80, 0xff]) {
        const changed = Uint8Array.from(octets);
        changed[at] = value;
        harness.decode(changed);
      }
    }
    expectSound(harness);
  }
});

it('bears every number of every datagram made very large or zero', () => {
  const harness = new SflowHarness();
  for (const octets of SEEDS) {
    const changed = Uint8Array.from(octets);
    for (let at = 0; at + 4 <= octets.length; at += 4) {
      for (const value of [0, 1, 0x7f, 0xff]) {
        changed.fill(value, at, at + 4);
        harness.decode(changed);
      }
      changed.set(octets.subarray(at, at + 4), at);
    }
    expectSound(harness);
  }
});

it('bears random changes, cuts and joins', () => {
  const until = Date.now() + Number(process.env['FUZZ_SECONDS'] ?? 0) * 1000;
  let seed = 1;
  do {
    const random = new Random(seed);
    const harness = new SflowHarness();
    try {
      for (let round = 0; round < 4000; round++) {
        const base = random.pick(SEEDS);
        const other = random.pick(SEEDS);
        const changed = new Uint8Array(base.length + 64);
        changed.set(base);
        for (let changes = random.below(6); changes >= 0; changes--) {
          const at = random.below(base.length);
          if (random.below(3) === 0)
            changed.set(other.subarray(at, at + 1 + random.below(40)), Math.min(at, base.length));
          else if (random.below(2) === 0) changed[at] = random.u32();
          else changed.set(words(random.pick([0, 1, 4, 0x40000001, 0x7fffffff, 0xffffffff])), at & ~3);
        }
        harness.decode(changed.subarray(0, random.below(4) === 0 ? random.below(changed.length) : base.length));
        if (round % 50 === 0) expectSound(harness);
      }
    } catch (error) {
      throw new Error(`seed ${seed}`, { cause: error });
    }
    seed++;
  } while (Date.now() < until);
});
