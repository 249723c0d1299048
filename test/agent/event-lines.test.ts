/**
 * Lines are as bpftrace 0.17 printed them for the program on Linux 6.18, by its standard output into a file, while Python made connections
 * and sent datagrams; names and the mark are as other programs would have them. FUZZ_SEED repeats a failure.
 */

import { describe, expect, it } from 'vitest';
import { EventLines } from '../../src/agent/event-lines.ts';
import type { KernelEvent } from '../../src/agent/kernel-event.ts';
import { Random } from '../support/random.ts';

const FUZZ_MS = Number(process.env['FUZZ_SECONDS'] ?? 1) * 1000;
const SEED = Number(process.env['FUZZ_SEED'] ?? Date.now() % 2 ** 32);

const MARK = '#flowrelay-event\t';
const BEGIN = '#flowrelay-event\tB\t25156000000000';
const RAW = Buffer.from('a\tb C\t1\t2]: 9é').toString('latin1');
const HOSTILE = String.raw`a\x09b\x0aC\x091\x092]: 9\xc3\xa9\x00`;
const CONNECT = `${MARK}C\t25156189594315\t29165\t29089\t0\t7\t1\t4026531833\t0\t44480\t35861\t::ffff:127.0.0.1\t::ffff:127.0.0.1\t${RAW}`;
const ACCEPT = `${MARK}A\t25041572242643\t24048\t24035\t1234\t0\t1\t4026532247\t1f\t8002\t51108\t::1\t::1\tnode`;
const CLOSE = `${MARK}K\t25156189758271\t29165\t29089\t0\t0\t1\t4026531833\t0\t35861\t44480\t::ffff:127.0.0.1\t::ffff:127.0.0.1\t3\t5\t${RAW}`;
const EXEC = `${MARK}${String.raw`X	25156190768766	29165	29089	0	0	1	/tmp/e v\x0a\x09"\x00\x00`.replaceAll('\\t', '\t')}\te v`;
const EXIT = `${MARK}Q\t25156192738597\t29165\t29089\t0\t0\t1\t${RAW}`;
const SENT4 = String.raw`@u[1, 125262721216929, 4294967298, 1, 4026531833, 0, 12305937173, 0, 16777343, 0, 16777343, python3\x00]: 1000`;
const SENT6 = String.raw`@v[1, 84168474119289, 0, 1, 4026531833, 255, 45982987029, 0, 0, 0, 16777216, python3\x00]: 5`;
const RECEIVED = `@u[0, 125262721216929, 0, 1, 4026531833, 0, 11585717504, 0, 0, 0, 16777343, ${HOSTILE}]: 7`;
const LINES = [
  BEGIN,
  CONNECT,
  ACCEPT,
  CLOSE,
  EXEC,
  EXIT,
  SENT4,
  SENT6,
  RECEIVED,
  '#flowrelay-event\tH\t25157000000000',
];

/** The wall clock when the program begins. */
const BEGIN_MS = 1_700_000_000_000;

function read(lines: EventLines, ...texts: readonly string[]): KernelEvent[] {
  return lines.read(Buffer.from(texts.map((text) => `${text}\n`).join(''), 'latin1'));
}

function begun(now = () => BEGIN_MS): EventLines {
  const lines = new EventLines(now);
  read(lines, BEGIN);
  return lines;
}

function one(text: string): KernelEvent {
  const lines = begun();
  const events = read(lines, text);
  expect({ length: events.length, malformed: lines.malformed }).toEqual({ length: 1, malformed: 0 });
  return events[0]!;
}

describe('lines of bpftrace', () => {
  it('are those of a program at work once it says so, which is after its beginning', () => {
    const lines = new EventLines(() => BEGIN_MS);
    read(lines, BEGIN);
    expect(lines.hasBegun).toBe(false);
    read(lines, BEGIN.replace('\tB\t', '\tH\t'));
    expect(lines.hasBegun).toBe(true);
  });

  it('give a connection, whatever its process calls itself', () => {
    expect(one(CONNECT)).toEqual({
      kind: 'CONNECT',
      timeMs: BEGIN_MS + 189.594315,
      pid: 29165,
      fatherPid: 29089,
      userId: 0,
      groupId: 7,
      cgroupId: 1,
      namespace: 4026531833,
      protocol: 6,
      localAddress: '127.0.0.1',
      localPort: 44480,
      remoteAddress: '127.0.0.1',
      remotePort: 35861,
      cookie: '',
      octetsSent: 0,
      octetsReceived: 0,
      name: 'a\tb C\t1\t2]: 9é',
      path: '',
    });
  });

  it('give an accepted connection with its cookie', () => {
    expect(one(ACCEPT)).toMatchObject({
      kind: 'ACCEPT',
      userId: 1234,
      localAddress: '::1',
      remotePort: 51108,
      cookie: '000000000000001f',
      name: 'node',
    });
  });

  it('give what a connection carried, programs begun and processes ended', () => {
    expect(one(CLOSE)).toMatchObject({ kind: 'CLOSE', octetsSent: 3, octetsReceived: 5, remotePort: 44480 });
    expect(one(EXEC)).toMatchObject({
      kind: 'EXEC',
      protocol: 0,
      name: 'e v',
      path: '/tmp/e v\n\t"',
      localAddress: '',
    });
    expect(one(EXIT)).toMatchObject({ kind: 'EXIT', pid: 29165, namespace: 0 });
  });

  it('give sums of datagrams', () => {
    expect(one(SENT4)).toMatchObject({
      kind: 'SEND',
      timeMs: BEGIN_MS,
      pid: 29165,
      fatherPid: 29089,
      userId: 2,
      groupId: 1,
      protocol: 17,
      localAddress: '127.0.0.1',
      localPort: 56701,
      remoteAddress: '127.0.0.1',
      remotePort: 5555,
      octetsSent: 1000,
      octetsReceived: 0,
      name: 'python3',
    });
    expect(one(SENT6)).toMatchObject({
      localAddress: '::',
      remoteAddress: '::1',
      remotePort: 5555,
      cookie: '00000000000000ff',
    });
    expect(one(RECEIVED)).toMatchObject({
      kind: 'RECV',
      octetsReceived: 7,
      localAddress: '0.0.0.0',
      name: 'a\tb\nC\t1\t2]: 9é',
    });
  });

  it('name IPv4 peers of IPv6 sockets as IPv4', () => {
    // Family 258; 10.0.0.1 in memory order.
    const ports = (258n << 32n) | (53n << 16n) | 0x3500n;
    expect(one(`@u[0, 4294967297, 0, 1, 5, 0, ${ports}, 0, 0, 0, 16777226, x]: 9`)).toMatchObject({
      localAddress: '0.0.0.0',
      localPort: 53,
      remoteAddress: '10.0.0.1',
      remotePort: 53,
    });
    const mapped = (10n << 32n) | (53n << 16n) | 0x3500n;
    // ::ffff:10.0.0.1, printed as a signed number.
    const word = BigInt.asIntN(64, (0xffff0000n << 32n) | 16777226n);
    expect(one(`@u[0, 4294967297, 0, 1, 5, 0, ${mapped}, 0, 0, 0, ${word}, x]: 9`)).toMatchObject({
      remoteAddress: '10.0.0.1',
    });
  });

  it('are cut by a name with a line feed, and what is behind it is no line', () => {
    const lines = begun();
    const names = ['\nH\t9000000000', '\nQ\t1\t1\t1\t1\t1\t1\t', '\nC\t1\t2\t3\t4\t5\t', 'x\n#flowrelay-eve'];
    for (const name of names)
      expect(read(lines, EXIT.replace(RAW, name))).toMatchObject([{ kind: 'EXIT', pid: 29165 }]);
    expect(lines.malformed).toBe(names.length);
    expect(read(lines, EXIT)[0]?.timeMs).toBeCloseTo(BEGIN_MS + 192.738597, 3);
  });

  it('come in pieces of any size', () => {
    const octets = Buffer.from(LINES.map((text) => `${text}\n`).join(''), 'latin1');
    const whole = new EventLines(() => BEGIN_MS).read(octets);
    expect(whole).toHaveLength(8);
    for (const size of [1, 2, 7, 100, 333]) {
      const lines = new EventLines(() => BEGIN_MS);
      const events: KernelEvent[] = [];
      for (let at = 0; at < octets.length; at += size) events.push(...lines.read(octets.subarray(at, at + size)));
      expect(events).toEqual(whole);
      expect({ events: lines.events, malformed: lines.malformed }).toEqual({ events: 8, malformed: 0 });
    }
  });

  it('tell of what bpftrace lost, on either output, and of nothing in what it says of itself', () => {
    const lines = begun();
    expect(read(lines, 'Attaching 24 probes...')).toEqual([]);
    expect(read(lines, 'Lost 37 events')).toEqual([]);
    expect(lines.readLoss('Lost 5 events')).toBe(true);
    expect(lines.readLoss('Lost many events')).toBe(false);
    expect({ lost: lines.lost, malformed: lines.malformed }).toEqual({ lost: 42, malformed: 0 });
  });

  it.each([
    ['another mark', EXIT.replace('#', '%')],
    ['a remote port of 65536', CONNECT.replace('35861', '65536')],
    ['no mark', EXIT.slice(MARK.length)],
    ['an unknown letter', `${MARK}Z\t1\t2`],
    ['a name of the prototype', `${MARK}constructor\t1`],
    ['a field too few', ACCEPT.slice(0, ACCEPT.lastIndexOf('\t'))],
    ['a name of 16 octets', `${CONNECT}x`],
    ['a negative pid', CONNECT.replace('29165', '-1')],
    ['a port of 65536', CONNECT.replace('44480', '65536')],
    ['an address of five parts', CONNECT.replace('127.0.0.1', '127.0.0.1.1')],
    ['an address with a zone', ACCEPT.replace('::1', 'fe80::1%eth0')],
    ['an empty number', CONNECT.replace('29089', '')],
    ['a number in another base', CONNECT.replace('29089', '0x10')],
    ['a cookie of 17 digits', ACCEPT.replace('\t1f\t', '\t11111111111111111\t')],
    ['a time without digits', `${MARK}H\tnow`],
    ['a sum of an unknown family', SENT4.replace('12305937173', '1')],
    ['a sum without an end', SENT4.replace(']: 1000', '')],
    ['a sum of another map', SENT4.replace('@u', '@w')],
  ])('are refused and counted with %s', (_, text) => {
    const lines = begun();
    expect(read(lines, text, ACCEPT)).toHaveLength(1);
    expect(lines.malformed).toBe(1);
  });

  it('are cut where one never ends, and reading goes on behind it', () => {
    const lines = begun();
    for (let i = 0; i < 100; i++) expect(lines.read(Buffer.alloc(1000, 'x'))).toEqual([]);
    expect(read(lines, '', ACCEPT)).toHaveLength(1);
    expect(lines.malformed).toBe(1);
    expect(read(lines, 'C'.repeat(5000), ACCEPT)).toHaveLength(1);
    expect(lines.malformed).toBe(2);
  });

  it('follow the wall clock when it steps', () => {
    let wallMs = BEGIN_MS;
    let kernelMs = 25_156_000;
    const lines = new EventLines(() => wallMs);
    const second = (stepMs: number) => {
      wallMs += 1000 + stepMs;
      kernelMs += 1000;
      read(lines, `${MARK}H\t${kernelMs * 1e6}`);
      return read(lines, EXIT.replace('25156192738597', String(kernelMs * 1e6)))[0]!.timeMs - wallMs;
    };
    read(lines, BEGIN);
    expect(second(0)).toBe(0);
    // 300 ms late: still right, because the others were not.
    expect(second(300)).toBe(-300);
    expect(second(-300)).toBe(0);
    expect(second(-3_600_000)).toBe(0);
    expect(second(7_200_000)).toBe(-7_200_000);
    expect(second(0)).toBe(0);
  });

  it(`never become what they are not when damaged (seed ${SEED})`, () => {
    const random = new Random(SEED);
    const whole = begun();
    const good = read(whole, ...LINES).map((event) => JSON.stringify(event));
    for (const endMs = Date.now() + FUZZ_MS; Date.now() < endMs; ) {
      const octets = Buffer.from(LINES.map((text) => `${text}\n`).join(''), 'latin1');
      const changes = 1 + random.below(4);
      let added = 0;
      for (let i = 0; i < changes; i++) {
        const octet = random.pick([0, 9, 10, 0x20, 0x2d, 0x30, 0x39, 0x5c, 0x5d, 0x7f, 0xff, random.below(256)]);
        if (octet === 10) added++;
        octets[random.below(octets.length)] = octet;
      }
      const lines = begun();
      const events = lines.read(octets);
      // Each line is an event, time, nothing, or counted; untouched ones stay.
      expect(events.length).toBeLessThanOrEqual(8 + added);
      expect(events.length + lines.malformed).toBeGreaterThanOrEqual(LINES.length - 2 - changes);
      const kept = new Set(events.map((event) => JSON.stringify({ ...event, timeMs: 0 })));
      const unharmed = good.filter((text) => kept.has(JSON.stringify({ ...JSON.parse(text), timeMs: 0 })));
      expect(unharmed.length).toBeGreaterThanOrEqual(good.length - 2 * changes);
      for (const event of events) {
        for (const value of Object.values(event)) {
          if (typeof value === 'number') expect(value).not.toBeNaN();
          else expect(value.length).toBeLessThanOrEqual(1024);
        }
      }
      // And the next good one is read.
      lines.read(Buffer.from('\n'));
      expect(read(lines, ACCEPT)).toHaveLength(1);
    }
  });
});
