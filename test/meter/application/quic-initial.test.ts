import { createCipheriv } from 'node:crypto';
import { describe, expect, it } from 'vitest';
import { PayloadDetector } from '../../../src/meter/application/payload-detector.ts';
import { writtenBy } from '../../support/application-flows.ts';
import { alpn, clientHello, octetsOf, serverName, supportedVersions, u16 } from '../../support/application-payloads.ts';
import { Random } from '../../support/random.ts';

/** The connection id of the examples in RFC 9001 appendix A and RFC 9369 appendix A. */
const CONNECTION_ID = '0x8394c8f03e515708';

/** The client's keys for it, as those appendices print them: what is tested derives its own. */
const KEYS = {
  1: {
    version: '0x00000001',
    first: 0xc0,
    key: '1f369613dd76d5467730efcbe3b1a22d',
    iv: 'fa044b2f42a3fd3b46fb255c',
    headerKey: '9f50449e04a0e810283a1e9933adedd2',
  },
  2: {
    version: '0x6b3343cf',
    first: 0xd0,
    key: '8b1a0bc121284290a29e0971b5cd045d',
    iv: '91f73e2351d8fa91660e909f',
    headerKey: '45b95e15235d6f45a6b19cbcb0294ba9',
  },
} as const;

/** An Initial of the client with `frames`, protected as RFC 9001 section 5 says. */
function initial(quicVersion: 1 | 2, packetNumber: number, frames: Uint8Array, token = ''): Uint8Array {
  const { version, first, key, iv, headerKey } = KEYS[quicVersion];
  const plain = octetsOf(frames, new Uint8Array(Math.max(0, 1100 - frames.length)));
  const number = Buffer.alloc(2);
  number.writeUInt16BE(packetNumber);
  const length = number.length + plain.length + 16;
  const header = octetsOf(
    first | 1,
    version,
    8,
    CONNECTION_ID,
    0,
    token.length,
    token,
    u16(0x4000 | length),
    Uint8Array.from(number),
  );
  const nonce = Buffer.from(iv, 'hex');
  for (let i = 0; i < 2; i++) nonce[10 + i] = nonce[10 + i]! ^ number[i]!;
  const cipher = createCipheriv('aes-128-gcm', Buffer.from(key, 'hex'), nonce);
  cipher.setAAD(header);
  const protectedOctets = octetsOf(cipher.update(plain), cipher.final(), cipher.getAuthTag());
  const packet = octetsOf(header, protectedOctets);
  const numberAt = header.length - 2;
  const mask = createCipheriv('aes-128-ecb', Buffer.from(headerKey, 'hex'), null).update(
    packet.subarray(numberAt + 4, numberAt + 20),
  );
  packet[0] = packet[0]! ^ (mask[0]! & 0x0f);
  for (let i = 0; i < 2; i++) packet[numberAt + i] = packet[numberAt + i]! ^ mask[1 + i]!;
  return packet;
}

/** A CRYPTO frame (RFC 9000 section 19.6). */
function crypto(offset: number, octets: Uint8Array): Uint8Array {
  return octetsOf(6, u16(0x4000 | offset), u16(0x4000 | octets.length), octets);
}

const HELLO = clientHello({ extensions: [serverName('quic.example'), alpn('h3'), supportedVersions(0x0304)] });

function send(detector: PayloadDetector, direction: 0 | 1, octets: Uint8Array): void {
  const view = new DataView(octets.buffer, octets.byteOffset, octets.byteLength);
  detector.onPayload(0, 17, 50_123, 40_001, direction, octets, view, 0, octets.length, 0);
}

describe('QuicInitial', () => {
  for (const version of [1, 2] as const) {
    it(`finds the server name in an Initial of version ${version}`, () => {
      const detector = new PayloadDetector(1);
      send(detector, 0, initial(version, 2, crypto(0, HELLO)));
      expect(writtenBy(detector, 0, 17)).toMatchObject({
        L7_PROTO: 188,
        L7_CONFIDENCE: 6,
        TLS_SERVER_NAME: 'quic.example',
        TLS_ALPN: 'h3',
        TLS_VERSION: 0x0304,
        JA4C_HASH: expect.stringMatching(/^q13d0203h3_/),
      });
      expect(detector.wants(0)).toBe(false);
      expect(detector.counters).toMatchObject({ quicUndecrypted: 0, reassembliesActive: 0 });
    });
  }

  it('puts CRYPTO frames together that come over two datagrams, out of order, among PING, PADDING and ACK', () => {
    const detector = new PayloadDetector(1);
    const ack = octetsOf('0x02 05 00 01 00 01 01');
    const [a, b, c] = [HELLO.subarray(0, 40), HELLO.subarray(40, 90), HELLO.subarray(90)];
    send(detector, 0, initial(1, 0, octetsOf(1, crypto(90, c), new Uint8Array(3), ack, crypto(0, a)), 'token'));
    expect(writtenBy(detector, 0, 17)).toEqual({ L7_PROTO: 188, L7_PROTO_NAME: 'QUIC', L7_CONFIDENCE: 6 });
    send(detector, 0, initial(1, 1, crypto(40, b)));
    expect(writtenBy(detector, 0, 17)['TLS_SERVER_NAME']).toBe('quic.example');
  });

  it('puts CRYPTO frames together that follow each other at once', () => {
    const detector = new PayloadDetector(1);
    send(
      detector,
      0,
      initial(
        1,
        0,
        octetsOf(crypto(50, HELLO.subarray(50)), crypto(20, HELLO.subarray(20, 60)), crypto(0, HELLO.subarray(0, 20))),
      ),
    );
    expect(writtenBy(detector, 0, 17)['TLS_SERVER_NAME']).toBe('quic.example');
  });

  it('reads an Initial behind another in one datagram', () => {
    const detector = new PayloadDetector(1);
    send(
      detector,
      0,
      octetsOf(initial(1, 0, crypto(0, HELLO.subarray(0, 50))), initial(1, 1, crypto(50, HELLO.subarray(50)))),
    );
    expect(writtenBy(detector, 0, 17)['TLS_SERVER_NAME']).toBe('quic.example');
  });

  it('trusts nothing in a packet whose tag is wrong, and counts it', () => {
    const detector = new PayloadDetector(1);
    const packet = initial(1, 0, crypto(0, HELLO));
    packet[packet.length - 1]! ^= 1;
    send(detector, 0, packet);
    expect(writtenBy(detector, 0, 17)).toEqual({ L7_PROTO: 188, L7_PROTO_NAME: 'QUIC', L7_CONFIDENCE: 6 });
    expect(detector.counters.quicUndecrypted).toBe(1);
  });

  it('leaves out what lies far behind the beginning', () => {
    const detector = new PayloadDetector(1);
    // 2^32 on eight octets (RFC 9000 section 16): the beginning, were it taken for 32 bits.
    const far = octetsOf(6, '0xc000000100000000', u16(0x4000 | HELLO.length), HELLO);
    send(detector, 0, initial(1, 0, far));
    expect(writtenBy(detector, 0, 17)).toEqual({ L7_PROTO: 188, L7_PROTO_NAME: 'QUIC', L7_CONFIDENCE: 6 });
    expect(detector.counters.reassembliesActive).toBe(0);
  });

  it('stands any frames', () => {
    const random = new Random(11);
    const good = octetsOf('0x02 05 00 01 00 01 01', crypto(0, HELLO), 1, crypto(60, HELLO.subarray(60)));
    for (let round = 0; round < 400; round++) {
      const detector = new PayloadDetector(1);
      const frames = random.below(4) === 0 ? random.octets(random.below(300)) : Uint8Array.from(good);
      for (let changes = random.below(6); changes > 0 && frames.length > 0; changes--) {
        frames[random.below(frames.length)] = random.u32() & 0xff;
      }
      send(detector, 0, initial(1, round, frames));
      expect(writtenBy(detector, 0, 17)['L7_PROTO'], `round ${round}`).toBe(188);
      detector.release(0);
      expect(detector.counters).toMatchObject({ quicUndecrypted: 0, reassembliesActive: 0 });
    }
  });

  it('knows QUIC by what the server sends', () => {
    const detector = new PayloadDetector(1);
    send(detector, 1, initial(1, 0, crypto(0, HELLO)));
    expect(writtenBy(detector, 0, 17)).toEqual({ L7_PROTO: 188, L7_PROTO_NAME: 'QUIC', L7_CONFIDENCE: 6 });
  });
});
