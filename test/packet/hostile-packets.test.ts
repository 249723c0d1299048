import { describe, expect, it } from 'vitest';
import * as linkTypes from '../../src/packet/link-type.ts';
import { PACKET_FAULTS } from '../../src/packet/packet-fault.ts';
import { PacketHeaders } from '../../src/packet/packet-headers.ts';
import { MAX_TUNNEL_DEPTH, parsePacket } from '../../src/packet/parse-packet.ts';
import { Random } from '../support/random.ts';
import { FRAMES, octets } from './frames.ts';

/** Reads one packet may take, however it is made: the longest chains we follow, at every tunnel depth. */
const MOST_READS = 800;

/** Typed for one kind of buffer: the compiler finds no base among DataView's generic constructors. */
const BufferView: new (buffer: ArrayBuffer) => DataView = DataView;

/** A view that counts reads and notes one outside of what the parser was given. */
class GuardedView extends BufferView {
  first = 0;
  end = 0;
  reads = 0;
  strayed = false;

  /** Starts to count for octets `[first, end)`. */
  guard(first: number, end: number): void {
    this.first = first;
    this.end = end;
    this.reads = 0;
    this.strayed = false;
  }

  override getUint8(at: number): number {
    this.note(at, 1);
    return super.getUint8(at);
  }

  override getUint16(at: number, littleEndian?: boolean): number {
    this.note(at, 2);
    return super.getUint16(at, littleEndian);
  }

  override getUint32(at: number, littleEndian?: boolean): number {
    this.note(at, 4);
    return super.getUint32(at, littleEndian);
  }

  private note(at: number, length: number): void {
    this.reads++;
    if (at < this.first || at + length > this.end) this.strayed = true;
  }
}

const headers = new PacketHeaders();
const LINK_TYPES = Object.values(linkTypes).filter((value) => typeof value === 'number');
const GOOD = FRAMES[0]!;

/** Octets before and after each frame that must never be read. */
const MARGIN = 16;

/** A frame in the middle of a view that has room around it. */
function guardedView(frame: Uint8Array): GuardedView {
  const around = new Uint8Array(frame.length + 2 * MARGIN).fill(0xff);
  around.set(frame, MARGIN);
  return new GuardedView(around.buffer);
}

/** Parses `[MARGIN, MARGIN + length)` and returns what is wrong with the outcome, '' for nothing. */
function problemOf(view: GuardedView, length: number, linkType: number): string {
  view.guard(MARGIN, MARGIN + length);
  try {
    parsePacket(view, MARGIN, MARGIN + length, linkType, headers);
  } catch (error) {
    return `threw ${error}`;
  }
  if (view.strayed) return 'read outside';
  if (view.reads > MOST_READS) return `${view.reads} reads`;
  return disorderOf(headers, view) || (headers.hasInner ? disorderOf(headers.inner!, view) : '');
}

/** What contradicts itself in `of`. */
function disorderOf(of: PacketHeaders, view: GuardedView): string {
  for (const name of Object.keys(of) as (keyof PacketHeaders)[]) {
    const value = of[name];
    if (typeof value === 'number' && (!Number.isSafeInteger(value) || value < -1)) return `${name} is ${value}`;
    const isPosition = name.endsWith('At') || name === 'payloadEnd';
    if (isPosition && value !== -1 && ((value as number) < view.first || (value as number) > view.end)) {
      return `${name} is ${value}`;
    }
    if (!isPosition && typeof value === 'number' && value < 0) return `${name} is negative`;
  }
  if (of.ipVersion === 4 && of.networkAt + 20 > view.end) return 'IPv4 header outside';
  if (of.ipVersion === 6 && (of.networkAt + 40 > view.end || of.destinationIPv6At + 16 > view.end)) {
    return 'IPv6 header outside';
  }
  if (of.ipVersion !== 0 && of.ipVersion !== 4 && of.ipVersion !== 6) return `version ${of.ipVersion}`;
  if (of.ipVersion === 0 && (of.transportAt !== -1 || of.protocol !== 0 || of.payloadAt !== -1))
    return 'transport without IP';
  if (of.sourceMacAt > view.end - 6 || of.destinationMacAt > view.end - 6) return 'MAC address outside';
  if (of.payloadAt > of.payloadEnd) return 'payload ends before it starts';
  if (of.payloadLength < of.payloadEnd - of.payloadAt) return 'payload longer than announced';
  if (of.isFragment && of.fragmentOffset > 0 && of.transportAt !== -1) return 'transport in a later fragment';
  if (of.tunnelDepth > MAX_TUNNEL_DEPTH || of.hasInner !== of.tunnelDepth > 0) return `tunnel depth ${of.tunnelDepth}`;
  return PACKET_FAULTS[of.fault] === undefined ? `fault ${of.fault}` : '';
}

/** A good packet still reads well: nothing of the bad one stays. */
function expectStillGood(): void {
  const view = guardedView(GOOD.octets);
  expect(problemOf(view, GOOD.octets.length, GOOD.linkType)).toBe('');
  expect(headers).toMatchObject({
    sourcePort: 54321,
    destinationPort: 443,
    payloadLength: 2,
    hasInner: false,
    fault: 0,
  });
}

describe('hostile packets', () => {
  it('every prefix of every frame keeps what was read', () => {
    for (const frame of FRAMES) {
      const view = guardedView(frame.octets);
      expect(problemOf(view, frame.octets.length, frame.linkType), frame.name).toBe('');
      const whole = { ...headers };
      for (let length = 0; length < frame.octets.length; length++) {
        const name = `${frame.name}, first ${length} octets`;
        expect(problemOf(view, length, frame.linkType), name).toBe('');
        if (headers.ipVersion !== 0) {
          expect(headers, name).toMatchObject({
            ipVersion: whole.ipVersion,
            sourceIPv4: whole.sourceIPv4,
            destinationIPv6At: whole.destinationIPv6At,
            ttl: whole.ttl,
          });
        }
        if (headers.transportAt !== -1) {
          expect(headers, name).toMatchObject({
            protocol: whole.protocol,
            sourcePort: whole.sourcePort,
            destinationPort: whole.destinationPort,
            icmpType: whole.icmpType,
          });
        }
      }
    }
    expectStillGood();
  });

  it('every single octet changed to 0, 1, 0x7f, 0x80, 0xff', () => {
    for (const frame of FRAMES) {
      const view = guardedView(frame.octets);
      for (let at = MARGIN; at < MARGIN + frame.octets.length; at++) {
        const original = view.getUint8(at);
        for (const value of [0, 1, 0x7f, 0x80, 0xff]) {
          view.setUint8(at, value);
          const problem = problemOf(view, frame.octets.length, frame.linkType);
          if (problem !== '') expect.fail(`${frame.name}, octet ${at - MARGIN} is ${value}: ${problem}`);
        }
        view.setUint8(at, original);
      }
    }
    expectStillGood();
  });

  it('every frame read as every link type', () => {
    for (const frame of FRAMES) {
      const view = guardedView(frame.octets);
      for (const linkType of LINK_TYPES) {
        expect(problemOf(view, frame.octets.length, linkType), `${frame.name} as ${linkType}`).toBe('');
      }
    }
    expectStillGood();
  });

  it('random octets, and frames with a few octets changed at random', () => {
    const seed = Number(process.env['SEED'] ?? 20240607);
    const until = Date.now() + Number(process.env['FUZZ_SECONDS'] ?? 0) * 1000;
    const random = new Random(seed);
    for (let count = 0; count < 30_000 || Date.now() < until; count++) {
      const frame = random.pick(FRAMES);
      const isMutated = random.below(4) !== 0;
      const content = isMutated ? Uint8Array.from(frame.octets) : random.octets(random.below(200));
      if (isMutated) {
        for (let changes = random.below(6); changes >= 0; changes--) {
          content[random.below(content.length)] = random.pick([
            0,
            1,
            4,
            6,
            0x11,
            0x45,
            0x60,
            0x81,
            0xff,
            random.below(256),
          ]);
        }
      }
      const linkType = isMutated ? frame.linkType : random.pick(LINK_TYPES);
      const length = random.below(2) === 0 ? content.length : random.below(content.length + 1);
      const problem = problemOf(guardedView(content), length, linkType);
      if (problem !== '') {
        expect.fail(
          `seed ${seed}, packet ${count}, link type ${linkType}: ${problem}\n${Buffer.from(content).toString('hex')}`,
        );
      }
    }
    expectStillGood();
  });

  it('65,535 octets of one header after the other', () => {
    const macs = '02005e000001 02005e000002';
    const ipv6 = `${macs} 86dd 60000000 ffc9`;
    const addresses = `${'20'.repeat(16)}${'30'.repeat(16)}`;
    const fill = (start: string, repeated: string) => {
      const head = octets(start);
      const part = octets(repeated);
      return Uint8Array.from({ length: 65535 }, (_, i) =>
        i < head.length ? head[i]! : part[(i - head.length) % part.length]!,
      );
    };
    const ipInIp = '4500 0000 0000 0000 40 04 0000 0a000001 0a000002';
    const cases: [string, number, Uint8Array, string][] = [
      ['VLAN tags', 1, fill(`${macs} 8100`, '0064 8100'), 'link_headers_too_many'],
      ['labels', 1, fill(`${macs} 8847`, '00064000'), 'mpls_bottomless'],
      ['label stacks and pseudowires', 1, fill('', `${macs} 8847 00064100`), 'link_headers_too_many'],
      ['SNAP in SNAP', 1, fill(`${macs} 8870`, 'aaaa03 000000 8870'), 'link_headers_too_many'],
      ['hop-by-hop headers', 1, fill(`${ipv6} 0040 ${addresses}`, '0000010400000000'), 'ip_extension_chain_too_long'],
      ['fragment headers', 1, fill(`${ipv6} 2c40 ${addresses}`, '2c00000000000001'), 'ip_extension_chain_too_long'],
      [
        'authentication headers',
        1,
        fill(`${ipv6} 3340 ${addresses}`, '3300000000000001'),
        'ip_extension_chain_too_long',
      ],
      ['IPv4 in IPv4', 101, fill('', ipInIp), ''],
      ['GRE in GRE', 1, fill(`${macs} 0800`, '4500 0000 0000 0000 40 2f 0000 0a000001 0a000002 0000 0800'), ''],
      [
        'GRE source routes',
        1,
        fill(`${macs} 0800 4500 0000 0000 0000 40 2f 0000 0a000001 0a000002 4000 0800 00000000`, '0800 0000'),
        'tunnel_header_invalid',
      ],
      [
        'GTP-U extension headers',
        101,
        fill(
          '4500 0000 0000 0000 40 11 0000 0a000001 0a000002 1388 0868 0000 0000 34ff 0000 00000001 00000085',
          '01000085',
        ),
        'tunnel_header_invalid',
      ],
      ['radiotap presence words', 127, fill('0000 ffff', 'ffffffff'), 'truncated'],
      ['jumbo hop-by-hop options', 101, fill(`60000000 0000 0040 ${addresses} 06ff`, '00'), 'tcp_data_offset_invalid'],
      ['netfilter log attributes', 239, fill('02000000', '04000100'), 'truncated'],
    ];
    for (const [name, linkType, content, fault] of cases) {
      expect(problemOf(guardedView(content), content.length, linkType), name).toBe('');
      const outcome = headers.hasInner ? headers.inner! : headers;
      expect(PACKET_FAULTS[outcome.fault], name).toBe(fault);
      if (headers.hasInner) expect(headers.tunnelDepthExceeded, name).toBe(true);
    }
    expectStillGood();
  });
});
