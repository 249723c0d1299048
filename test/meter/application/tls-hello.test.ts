import { describe, expect, it } from 'vitest';
import { Ja4Table, ja4 } from '../../../src/meter/application/ja4.ts';
import { PARSE_DONE, PARSE_MORE, PARSE_NOT } from '../../../src/meter/application/parse-result.ts';
import { TlsHello } from '../../../src/meter/application/tls-hello.ts';
import {
  alpn,
  clientHello,
  octetsOf,
  serverHello,
  serverName,
  signatureAlgorithms,
  supportedVersions,
  tlsRecords,
} from '../../support/application-payloads.ts';

const NOTHING = new Uint8Array(0);

/** The example of "JA4: TLS Client Fingerprinting" (FoxIO), with GREASE values strewn in. */
const EXAMPLE = clientHello({
  ciphers: [
    0x2a2a, 0x1301, 0x1302, 0x1303, 0xc02b, 0xc02f, 0xc02c, 0xc030, 0xcca9, 0xcca8, 0xc013, 0xc014, 0x009c, 0x009d,
    0x002f, 0x0035,
  ],
  extensions: [
    [0x1a1a, NOTHING],
    [0x001b, octetsOf('0x020002')],
    serverName('example.org'),
    [0x0033, octetsOf('0x0000')],
    alpn('h2', 'http/1.1'),
    [0x4469, octetsOf('0x0003026832')],
    [0x0017, NOTHING],
    [0x002d, octetsOf('0x0101')],
    [0x0012, NOTHING],
    [0x0005, octetsOf('0x0100000000')],
    [0x0023, NOTHING],
    signatureAlgorithms(0x0403, 0x0804, 0x0401, 0x0503, 0x0805, 0x0501, 0x0806, 0x0601),
    supportedVersions(0x9a9a, 0x0304, 0x0303),
    [0x000b, octetsOf('0x0100')],
    [0xff01, octetsOf('0x00')],
    [0x000a, octetsOf('0x0002001d')],
    [0x0015, new Uint8Array(9)],
  ],
});

function read(handshake: Uint8Array): TlsHello {
  const hello = new TlsHello();
  expect(hello.readHandshake(handshake, 0, handshake.length)).toBe(PARSE_DONE);
  return hello;
}

describe('JA4', () => {
  it("is that of the specification's example", () => {
    expect(ja4(read(EXAMPLE), 't')).toBe('t13d1516h2_8daaf6152771_e5627efa2ab1');
  });

  it('begins with q for QUIC', () => {
    expect(ja4(read(EXAMPLE), 'q')).toBe('q13d1516h2_8daaf6152771_e5627efa2ab1');
  });

  it('has i without a server name, 00 without ALPN, zeros without extensions', () => {
    expect(ja4(read(clientHello({ version: 0x0301, ciphers: [] })), 't')).toBe('t10i000000_000000000000_000000000000');
  });

  it('has hexadecimal digits where ALPN is no text', () => {
    const hello = read(clientHello({ extensions: [alpn('\xab'), supportedVersions(0x0304)] }));
    expect(ja4(hello, 't')).toMatch(/^t13i0202ab_/);
  });
});

describe('Ja4Table', () => {
  it('tells hellos apart by all that a fingerprint shows, known or new', () => {
    const table = new Ja4Table();
    const of = (handshake: Uint8Array, transport: 't' | 'q' | 'd' = 't') =>
      Buffer.from(table.of(read(handshake), transport)).toString('latin1');
    const short = (...extensions: readonly (readonly [number, Uint8Array])[]) => clientHello({ extensions });
    for (let round = 0; round < 2; round++) {
      expect(of(EXAMPLE)).toBe('t13d1516h2_8daaf6152771_e5627efa2ab1');
      expect(of(EXAMPLE, 'q')).toBe('q13d1516h2_8daaf6152771_e5627efa2ab1');
      expect(of(short(serverName('a.example'), alpn('h2')))).toMatch(/^t12d..02h2_/);
      expect(of(short([0x000b, NOTHING], alpn('h2')))).toMatch(/^t12i..02h2_/);
      expect(of(short([0x000b, NOTHING], alpn('h3')))).toMatch(/^t12i..02h3_/);
      expect(of(short([0x000b, NOTHING], [0x000a, NOTHING]))).toMatch(/^t12i..0200_/);
      expect(of(short([0x000b, NOTHING], supportedVersions(0x0304)))).toMatch(/^t13i..0200_/);
    }
    const signed = of(short(signatureAlgorithms(0x0403, 0x0804)));
    expect(of(short(signatureAlgorithms(0x0804, 0x0403)))).not.toBe(signed);
    expect(of(short(signatureAlgorithms(0x0403, 0x0804)))).toBe(signed);
  });

  it('sees no difference between extensions in one order and another', () => {
    const table = new Ja4Table();
    const one = table.of(
      read(
        clientHello({
          extensions: [
            [0x000b, NOTHING],
            [0x000a, NOTHING],
          ],
        }),
      ),
      't',
    );
    expect(
      table.of(
        read(
          clientHello({
            extensions: [
              [0x000a, NOTHING],
              [0x000b, NOTHING],
            ],
          }),
        ),
        't',
      ),
    ).toBe(one);
  });

  it('keeps its word when there are more hellos than places', () => {
    const table = new Ja4Table();
    for (let i = 0; i < 5000; i++) {
      const hello = read(clientHello({ ciphers: [i, 0x1301] }));
      if (i % 100 === 0) expect(Buffer.from(table.of(hello, 't')).toString('latin1')).toBe(ja4(hello, 't'));
      else table.of(hello, 't');
    }
  });
});

describe('TlsHello', () => {
  it('reads the fields of a ClientHello', () => {
    const hello = read(EXAMPLE);
    const name = Buffer.from(hello.octets.subarray(hello.serverNameAt, hello.serverNameEnd)).toString();
    expect({ name, version: hello.version, ciphers: hello.ciphers.count }).toEqual({
      name: 'example.org',
      version: 0x0304,
      ciphers: 15,
    });
  });

  it('asks for more after every prefix, and for nothing else', () => {
    const record = tlsRecords(EXAMPLE);
    const hello = new TlsHello();
    for (let end = 1; end < record.length; end++) expect(hello.readRecords(record, 0, end), `${end}`).toBe(PARSE_MORE);
    expect(hello.readRecords(record, 0, record.length)).toBe(PARSE_DONE);
  });

  it('takes the version a server chose from supported_versions', () => {
    const hello = new TlsHello();
    const record = serverHello(0x1301, 0x0304);
    expect(hello.readRecords(record, 0, record.length)).toBe(PARSE_DONE);
    expect([hello.isClient, hello.version, hello.cipher]).toEqual([false, 0x0304, 0x1301]);
  });

  it('is not fooled by lengths that do not fit', () => {
    const hello = new TlsHello();
    const long = Uint8Array.from(EXAMPLE);
    // The length of the session id, one past the version and 32 random octets.
    long[4 + 34] = 255;
    expect(hello.readHandshake(long, 0, long.length)).toBe(PARSE_NOT);
    const name = clientHello({ extensions: [[0, octetsOf('0x0005 00 ffff 61 62')]] });
    expect(read(name).serverNameAt).toBe(-1);
  });
});
