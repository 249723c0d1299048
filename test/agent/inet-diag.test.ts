import { describe, expect, it } from 'vitest';
import { InetDiagReader } from '../../src/agent/inet-diag.ts';
import type { SocketEntry } from '../../src/agent/socket-entry.ts';
import { Random } from '../support/random.ts';
import { DIAG_OCTETS, SS_TEXT } from './recorded-sockets.ts';
import { compareWithText, withoutUserOfRoot } from './socket-text.ts';

const NAMESPACE = 4026531833;

function read(octets: Uint8Array, maxSockets = 1000): InetDiagReader {
  const reader = new InetDiagReader(NAMESPACE, maxSockets);
  reader.push(octets);
  return reader;
}

/** A struct nlmsghdr of 16 octets and what follows, little-endian. */
function message(type: number, content: Uint8Array, length = 16 + content.length): Buffer {
  const header = Buffer.alloc(16);
  header.writeUInt32LE(length, 0);
  header.writeUInt16LE(type, 4);
  return Buffer.concat([header, content, Buffer.alloc(-content.length & 3)]);
}

function attribute(type: number, value: Uint8Array): Buffer {
  const header = Buffer.alloc(4);
  header.writeUInt16LE(4 + value.length, 0);
  header.writeUInt16LE(type, 2);
  return Buffer.concat([header, value, Buffer.alloc(-value.length & 3)]);
}

/** A struct inet_diag_msg: 10.0.0.1:443 established with 10.0.0.2:50000, user 1000, inode 77, cookie 0x0000000500000009. */
function established(...attributes: Uint8Array[]): Buffer {
  const fixed = Buffer.alloc(72);
  fixed.set([2, 1, 0, 0, 0x01, 0xbb, 0xc3, 0x50, 10, 0, 0, 1]);
  fixed.set([10, 0, 0, 2], 24);
  fixed.writeUInt32LE(9, 44);
  fixed.writeUInt32LE(5, 48);
  fixed.writeUInt32LE(1000, 64);
  fixed.writeUInt32LE(77, 68);
  return message(20, Buffer.concat([fixed, ...attributes]));
}

const DONE = message(3, Buffer.alloc(4));

describe('the kernel’s answers about sockets', () => {
  it('say what ss prints of them', () => {
    const reader = read(DIAG_OCTETS);
    expect(reader).toMatchObject({ isWhole: true, dumpsDone: 2, messagesInvalid: 0, kernelErrors: 0 });
    expect(reader.sockets.map(withoutUserOfRoot)).toEqual(compareWithText(reader.sockets, SS_TEXT, NAMESPACE));
  });

  it('are the same in pieces of any size', () => {
    const whole = read(DIAG_OCTETS).sockets;
    for (const size of [1, 3, 16, 415, 416, 1000]) {
      const reader = new InetDiagReader(NAMESPACE, 1000);
      for (let pos = 0; pos < DIAG_OCTETS.length; pos += size) reader.push(DIAG_OCTETS.slice(pos, pos + size));
      expect(reader.isWhole).toBe(true);
      expect(reader.sockets).toEqual(whole);
    }
  });

  it('give what struct inet_diag_msg holds', () => {
    const cgroup = Buffer.alloc(8);
    cgroup.writeBigUInt64LE(0x1_0000_0052n);
    const { sockets } = read(Buffer.concat([established(attribute(99, Buffer.alloc(7)), attribute(21, cgroup)), DONE]));
    expect(sockets).toEqual([
      {
        namespace: NAMESPACE,
        protocol: 6,
        localAddress: '10.0.0.1',
        localPort: 443,
        remoteAddress: '10.0.0.2',
        remotePort: 50_000,
        state: 'ESTABLISHED',
        userId: 1000,
        inode: 77,
        cookie: '0000000500000009',
        cgroupId: 0x1_0000_0052,
        tcp: undefined,
      } satisfies SocketEntry,
    ]);
  });

  it('give -1 for what a shorter tcp_info does not hold', () => {
    const info = Buffer.alloc(232);
    const fields = { mss: 16, unacked: 24, lost: 32, rtt: 68, variance: 72, window: 80, retransmitted: 100 };
    for (const [index, at] of Object.values(fields).entries()) info.writeUInt32LE(1000 + index, at);
    for (const [index, at] of [120, 128, 160, 200, 208].entries()) info.writeBigUInt64LE(2n ** 40n + BigInt(index), at);
    for (const [index, at] of [136, 140, 148].entries()) info.writeUInt32LE(2000 + index, at);
    const figures = (length: number) =>
      read(Buffer.concat([established(attribute(2, info.subarray(0, length))), DONE])).sockets[0]?.tcp;
    const whole = {
      roundTripUs: 1003,
      roundTripVarianceUs: 1004,
      minimumRoundTripUs: 2002,
      unacknowledgedSegments: 1001,
      lostSegments: 1002,
      retransmittedSegments: 1006,
      segmentsReceived: 2001,
      segmentsSent: 2000,
      octetsReceived: 2 ** 40 + 1,
      octetsSent: 2 ** 40 + 3,
      octetsAcknowledged: 2 ** 40,
      octetsRetransmitted: 2 ** 40 + 4,
      sendRate: (1005 * 1000 * 8) / 1003e-6,
      deliveryRate: (2 ** 40 + 2) * 8,
    };
    const { sendRate, ...others } = figures(232)!;
    expect({ ...others, sendRate: Math.round(sendRate) }).toEqual({ ...whole, sendRate: Math.round(whole.sendRate) });
    // Ends of the structure in Linux 4.6, 3.15 and 2.6, and in the middle of a number.
    expect(figures(168)).toMatchObject({ deliveryRate: whole.deliveryRate, octetsSent: -1, octetsRetransmitted: -1 });
    expect(figures(167)).toMatchObject({ deliveryRate: -1, minimumRoundTripUs: 2002 });
    expect(figures(120)).toMatchObject({ octetsAcknowledged: -1, segmentsSent: -1, retransmittedSegments: 1006 });
    expect(figures(104)).toMatchObject({ retransmittedSegments: 1006, roundTripUs: 1003 });
    expect(figures(103)).toMatchObject({ retransmittedSegments: -1, roundTripUs: 1003 });
    expect(Object.values(figures(0)!).every((value) => value === -1)).toBe(true);
  });

  it('skip attributes that are cut, and end at one that cannot be', () => {
    const cgroup = Buffer.alloc(8, 1);
    const read1 = (...attributes: Uint8Array[]) => read(Buffer.concat([established(...attributes), DONE])).sockets[0];
    expect(read1(attribute(21, cgroup.subarray(0, 4)))).toMatchObject({ cgroupId: 0 });
    for (const length of [0, 1, 3, 200]) {
      const wrong = attribute(99, Buffer.alloc(4));
      wrong.writeUInt16LE(length, 0);
      expect(read1(wrong, attribute(21, cgroup))).toMatchObject({ cgroupId: 0, inode: 77 });
    }
  });

  it('know no user of sockets that no process has', () => {
    const user = (userId: number, inode: number) => {
      const octets = established();
      octets.writeUInt32LE(userId, 16 + 64);
      octets.writeUInt32LE(inode, 16 + 68);
      return read(Buffer.concat([octets, DONE])).sockets[0]?.userId;
    };
    expect([user(0, 0), user(0, 5), user(1000, 0)]).toEqual([-1, 0, 1000]);
  });

  it('have no round trip before one is measured', () => {
    const info = Buffer.alloc(232);
    info.writeUInt32LE(250_000, 72);
    info.writeUInt32LE(10, 80);
    info.writeUInt32LE(536, 16);
    info.writeUInt32LE(0xffff_ffff, 148);
    const [socket] = read(Buffer.concat([established(attribute(2, info)), DONE])).sockets;
    expect(socket?.tcp).toMatchObject({
      roundTripUs: -1,
      roundTripVarianceUs: -1,
      minimumRoundTripUs: -1,
      sendRate: -1,
      octetsSent: 0,
    });
  });

  it('are not whole where an end is missing, the kernel errs or a length is wrong', () => {
    const good = established();
    expect(read(good)).toMatchObject({ isWhole: false, isBroken: false });
    expect(read(Buffer.concat([good, DONE, good.subarray(0, 40)])).isWhole).toBe(false);
    expect(read(Buffer.concat([good, message(2, Buffer.alloc(20)), DONE]))).toMatchObject({
      isWhole: false,
      kernelErrors: 1,
    });
    for (const length of [0, 1, 15, 65_537, 0xffff_ffff]) {
      const reader = read(Buffer.concat([good, message(20, Buffer.alloc(72), length), good, DONE]));
      expect(reader).toMatchObject({ isBroken: true, isWhole: false });
      reader.push(good);
      expect(reader.sockets).toHaveLength(1);
    }
    expect(read(Buffer.from('State Recv-Q Send-Q Local Address:Port')).isWhole).toBe(false);
  });

  it('count messages that are cut or of other families, and read on', () => {
    const otherFamily = established();
    otherFamily[16] = 1;
    const reader = read(Buffer.concat([message(20, Buffer.alloc(71)), otherFamily, established(), DONE]));
    expect(reader).toMatchObject({ isWhole: true, messagesInvalid: 2 });
    expect(reader.sockets).toHaveLength(1);
  });

  it('are counted beyond the limit', () => {
    const reader = read(Buffer.concat([established(), established(), established(), DONE]), 2);
    expect(reader).toMatchObject({ isWhole: true, socketsBeyondLimit: 1 });
    expect(reader.sockets).toHaveLength(2);
  });

  it('may be damaged in any way', () => {
    const seed = Date.now() >>> 0;
    const random = new Random(seed);
    const good = read(DIAG_OCTETS).sockets;
    const damaged = Buffer.from(DIAG_OCTETS);
    const tryIt = (octets: Uint8Array) => {
      const reader = new InetDiagReader(NAMESPACE, 1000);
      const cut = random.below(octets.length + 1);
      reader.push(octets.subarray(0, cut));
      reader.push(octets.subarray(cut));
      if (reader.sockets.length > 400) throw new Error(`too many sockets, seed ${seed}`);
      for (const { cookie, localPort, localAddress } of reader.sockets) {
        if (!/^[0-9a-f]{16}$/.test(cookie) || localPort > 65_535 || localAddress.length > 39)
          throw new Error(`seed ${seed}`);
      }
    };
    for (let at = 0; at < damaged.length; at++) {
      const octet = damaged[at]!;
      for (const value of [0, 1, 0x7f, 0x80, 0xff]) {
        damaged[at] = value;
        tryIt(damaged);
      }
      damaged[at] = octet;
      if (at % 7 === 0) tryIt(damaged.subarray(0, at));
    }
    for (let i = 0; i < 2000; i++) tryIt(random.octets(random.below(600)));
    expect(read(DIAG_OCTETS).sockets).toEqual(good);
  });
});
