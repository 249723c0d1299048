import { describe, expect, it } from 'vitest';
import { PayloadDetector } from '../../../src/meter/application/payload-detector.ts';
import { loadBuiltInServices } from '../../../src/meter/application-services.ts';
import { writtenBy } from '../../support/application-flows.ts';
import {
  alpn,
  clientHello,
  dnsMessage,
  dnsOverTcp,
  octetsOf,
  PAYLOADS,
  type PayloadCase,
  serverHello,
  serverName,
  signatureAlgorithms,
  supportedVersions,
  tlsRecords,
} from '../../support/application-payloads.ts';
import { Random } from '../../support/random.ts';

const SLOTS = 8;
const ADDED = Number(process.env['FUZZ_SECONDS'] ?? 0) * 1000;
const LONG_HELLO = tlsRecords(
  clientHello({
    extensions: [
      serverName('a.example'),
      alpn('h2', 'h3'),
      supportedVersions(0x0304),
      signatureAlgorithms(0x0403, 0x0804),
    ],
  }),
  90,
);

const MORE: readonly PayloadCase[] = [
  ['long ClientHello', 6, 0, LONG_HELLO],
  ['ServerHello', 6, 1, serverHello(0x1301, 0x0304)],
  ['answer of DNS', 17, 1, dnsMessage('a.b.example', 1, 0x8180, 3)],
  ['answer of DNS over TCP', 6, 1, dnsOverTcp(dnsMessage('a.b.example', 1, 0x8180, 3))],
  ['request', 6, 0, octetsOf('GET / HTTP/1.1\r\nHost: [::1]:80\r\nUser-Agent:\r\nUpgrade: h2c\r\n\r\n')],
  ['mail', 6, 0, octetsOf('MAIL FROM:<a@b>\r\nRCPT TO:<>\r\nDATA\r\n')],
  ['QUIC', 17, 0, octetsOf('0xc100000001 08 8394c8f03e515708 00 00 4040', new Uint8Array(64).fill(0x33))],
].map(([name, protocol, direction, payload]) => ({
  name,
  application: '',
  protocol,
  direction,
  payload,
  clientPort: 50_123,
  serverPort: protocol === 6 ? 443 : 53,
})) as PayloadCase[];

const CASES = [...PAYLOADS, ...MORE];
const GOOD = tlsRecords(clientHello({ extensions: [serverName('www.google.com')] }));

/** A detector that gets anything, in any order, over a few slots; `problem` is what is wrong with it, `''` for nothing. */
class Attacked {
  readonly detector = new PayloadDetector(SLOTS, { services: loadBuiltInServices(), maxReassemblies: 3 });

  send(
    { protocol, clientPort, serverPort }: PayloadCase,
    slot: number,
    direction: 0 | 1,
    payload: Uint8Array,
    sequence: number,
  ): void {
    // The octets around belong to nobody.
    const octets = octetsOf('0x16030100ff01', payload, '0xc0ffee');
    const view = new DataView(octets.buffer, octets.byteOffset, octets.byteLength);
    this.detector.onPayload(
      slot,
      protocol,
      clientPort,
      serverPort,
      direction,
      octets,
      view,
      6,
      6 + payload.length,
      sequence,
    );
  }

  problem(): string {
    for (let slot = 0; slot < SLOTS; slot++) {
      const values = writtenBy(this.detector, slot, 6, [0x0a000001, 0x08080808]);
      if (typeof values['L7_PROTO_NAME'] !== 'string' || /undefined|NaN/.test(JSON.stringify(values)))
        return JSON.stringify(values);
      if (JSON.stringify(values).length > 4096) return 'too long';
      this.detector.release(slot);
    }
    if (this.detector.counters.reassembliesActive !== 0) return 'a buffer is lost';
    this.send({ ...CASES[0]!, protocol: 6, serverPort: 443 }, 0, 0, GOOD, 1);
    const good = writtenBy(this.detector, 0)['TLS_SERVER_NAME'];
    this.detector.release(0);
    return good === 'www.google.com' ? '' : `a good flow is of ${good}`;
  }
}

describe('PayloadDetector under attack', () => {
  it('stands every prefix of every payload', () => {
    const attacked = new Attacked();
    for (const payload of CASES) {
      for (let end = 0; end <= payload.payload.length; end++) {
        attacked.send(payload, end % SLOTS, payload.direction, payload.payload.subarray(0, end), 7);
        if (end % SLOTS === SLOTS - 1) expect(attacked.problem(), `${payload.name}, ${end} octets`).toBe('');
      }
      expect(attacked.problem(), payload.name).toBe('');
    }
  });

  it('stands every octet of every payload changed', () => {
    const attacked = new Attacked();
    for (const payload of CASES) {
      const octets = Uint8Array.from(payload.payload);
      for (let at = 0; at < Math.min(octets.length, 300); at++) {
        const was = octets[at]!;
        for (const value of [0, 1, 0x7f, 0x80, 0xff]) {
          octets[at] = value;
          attacked.send(payload, at % SLOTS, payload.direction, octets, 7);
          attacked.detector.release(at % SLOTS);
        }
        octets[at] = was;
      }
      expect(attacked.problem(), payload.name).toBe('');
    }
  });

  it('stands random packets of random kinds, cut, changed, in any order', () => {
    const seed = ADDED > 0 ? Date.now() >>> 0 : 7;
    const random = new Random(seed);
    const attacked = new Attacked();
    const end = Date.now() + ADDED;
    for (let round = 0; round < 1500 || Date.now() < end; round++) {
      for (let packet = 0; packet < 20; packet++) {
        const from = random.pick(CASES);
        const octets =
          random.below(8) === 0 ? random.octets(random.below(200)) : Uint8Array.from(random.pick(CASES).payload);
        for (let changes = random.below(4); changes > 0 && octets.length > 0; changes--) {
          octets[random.below(octets.length)] = random.u32() & 0xff;
        }
        const first = random.below(3) === 0 ? random.below(octets.length + 1) : 0;
        const last = random.below(3) === 0 ? first + random.below(octets.length - first + 1) : octets.length;
        const sequence = random.below(4) === 0 ? random.u32() : first;
        attacked.send(from, random.below(SLOTS), random.below(2) as 0 | 1, octets.subarray(first, last), sequence);
        if (random.below(30) === 0) attacked.detector.release(random.below(SLOTS));
      }
      expect(attacked.problem(), `seed ${seed}, round ${round}`).toBe('');
    }
  });
});
