import { describe, expect, it } from 'vitest';
import { PayloadDetector } from '../../../src/meter/application/payload-detector.ts';
import { writtenBy } from '../../support/application-flows.ts';
import { alpn, clientHello, octetsOf, serverName, supportedVersions, u16 } from '../../support/application-payloads.ts';
import { crypto, initial } from '../../support/quic-packet.ts';
import { Random } from '../../support/random.ts';

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

  it('keeps the keys of one connection for another neither of the next version nor of the next id', () => {
    const detector = new PayloadDetector(1);
    const nameIn = (octets: Uint8Array) => {
      send(detector, 0, octets);
      const name = writtenBy(detector, 0, 17)['TLS_SERVER_NAME'];
      detector.release(0);
      return name;
    };
    const good = initial(1, 0, crypto(0, HELLO));
    expect(nameIn(good)).toBe('quic.example');
    expect(nameIn(initial(2, 0, crypto(0, HELLO)))).toBe('quic.example');
    // Datagrams come in one buffer, one over the other.
    const buffer = Buffer.from(good);
    buffer[6]! ^= 1;
    expect(nameIn(buffer)).toBeUndefined();
    buffer.set(good);
    expect(nameIn(buffer)).toBe('quic.example');
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

  it('tries only a few datagrams', () => {
    const detector = new PayloadDetector(1);
    const packet = initial(1, 0, crypto(0, HELLO));
    packet[packet.length - 1]! ^= 1;
    for (let i = 0; i < 20; i++) send(detector, 0, packet);
    expect(detector.wants(0)).toBe(false);
    expect(detector.counters.quicUndecrypted).toBeLessThanOrEqual(6);
    expect(writtenBy(detector, 0, 17)['L7_PROTO_NAME']).toBe('QUIC');
  });

  it('knows QUIC by what the server sends', () => {
    const detector = new PayloadDetector(1);
    send(detector, 1, initial(1, 0, crypto(0, HELLO)));
    expect(writtenBy(detector, 0, 17)).toEqual({ L7_PROTO: 188, L7_PROTO_NAME: 'QUIC', L7_CONFIDENCE: 6 });
  });
});
