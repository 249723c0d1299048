import { describe, expect, it } from 'vitest';
import { Layout } from '../../../src/flow/layout.ts';
import { PayloadDetector } from '../../../src/meter/application/payload-detector.ts';
import { loadBuiltInServices } from '../../../src/meter/application-services.ts';
import { emptyFlow, valuesOf, writtenBy } from '../../support/application-flows.ts';
import {
  alpn,
  clientHello,
  dhcpMessage,
  dnsMessage,
  dnsOverTcp,
  octetsOf,
  PAYLOADS,
  serverHello,
  serverName,
  supportedVersions,
  tlsRecords,
} from '../../support/application-payloads.ts';

const CLIENT = 0;
const SERVER = 1;
const EMPTY = new Uint8Array(0);

/** One flow of a detector: hands over packets, and says what is written. */
class TestFlow {
  readonly detector: PayloadDetector;
  private readonly slot: number;
  private readonly protocol: number;
  private readonly serverPort: number;

  constructor(protocol: number, serverPort: number, detector = newDetector(), slot = 0) {
    this.protocol = protocol;
    this.serverPort = serverPort;
    this.detector = detector;
    this.slot = slot;
  }

  send(direction: 0 | 1, payload: Uint8Array, sequence = 0): void {
    // In the midst of other octets, as in a packet.
    const octets = octetsOf('0xffffffff', payload, '0xffffffff');
    const view = new DataView(octets.buffer, octets.byteOffset, octets.byteLength);
    const { slot, protocol, serverPort } = this;
    this.detector.onPayload(
      slot,
      protocol,
      50_123,
      serverPort,
      direction,
      octets,
      view,
      4,
      4 + payload.length,
      sequence >>> 0,
    );
  }

  values(): Record<string, string | number> {
    return writtenBy(this.detector, this.slot, this.protocol);
  }

  get isWanted(): boolean {
    return this.detector.wants(this.slot);
  }
}

function newDetector(options = {}): PayloadDetector {
  return new PayloadDetector(64, { services: loadBuiltInServices(), ...options });
}

const HELLO = tlsRecords(
  clientHello({
    extensions: [serverName('www.google.com'), alpn('h2', 'http/1.1'), supportedVersions(0x0304, 0x0303)],
  }),
);

describe('PayloadDetector by one payload', () => {
  for (const { name, application, protocol, clientPort, serverPort, direction, payload } of PAYLOADS) {
    it(`knows ${name}`, () => {
      const detector = newDetector();
      const view = new DataView(payload.buffer, payload.byteOffset, payload.byteLength);
      detector.onPayload(0, protocol, clientPort, serverPort, direction, payload, view, 0, payload.length, 1);
      expect(writtenBy(detector, 0, protocol)).toMatchObject({ L7_PROTO_NAME: application, L7_CONFIDENCE: 6 });
    });
  }
});

describe('PayloadDetector without a word of payload', () => {
  it('guesses by port, marked as a guess', () => {
    const flow = new TestFlow(6, 443);
    flow.send(CLIENT, EMPTY, 1000);
    expect(flow.values()).toEqual({ L7_PROTO: 91, L7_PROTO_NAME: 'TLS', L7_CONFIDENCE: 1 });
  });

  it('says unknown where the ports say nothing', () => {
    const flow = new TestFlow(6, 40_001);
    flow.send(CLIENT, octetsOf('0x99aabbccddeeff'), 1000);
    expect(flow.values()).toEqual({ L7_PROTO: 0, L7_PROTO_NAME: 'Unknown', L7_CONFIDENCE: 0 });
  });

  it('takes an IP protocol that is an application for that', () => {
    const flow = new TestFlow(1, 0);
    flow.send(CLIENT, octetsOf('0x0800'));
    expect(flow.isWanted).toBe(false);
    expect(flow.values()).toEqual({ L7_PROTO: 81, L7_PROTO_NAME: 'ICMP', L7_CONFIDENCE: 6 });
  });

  it('guesses for a flow whose packets were never handed over', () => {
    expect(writtenBy(newDetector(), 5, 58)).toMatchObject({ L7_PROTO_NAME: 'ICMPV6' });
  });

  it('gives a flow up after a few packets', () => {
    const flow = new TestFlow(17, 40_001);
    let packets = 0;
    for (; flow.isWanted && packets < 1000; packets++) flow.send(CLIENT, octetsOf('0x99aabbccddeeff'));
    expect(packets).toBeLessThanOrEqual(20);
  });
});

describe('PayloadDetector on TLS', () => {
  it('reads both hellos', () => {
    const flow = new TestFlow(6, 443);
    flow.send(CLIENT, HELLO, 1);
    expect(flow.isWanted).toBe(true);
    flow.send(SERVER, serverHello(0x1302, 0x0304), 1);
    expect(flow.isWanted).toBe(false);
    expect(flow.values()).toMatchObject({
      L7_PROTO: 126,
      L7_MASTER_PROTO: 91,
      L7_PROTO_NAME: 'TLS.Google',
      TLS_SERVER_NAME: 'www.google.com',
      TLS_ALPN: 'h2,http/1.1',
      TLS_VERSION: 0x0304,
      TLS_CIPHER: 0x1302,
    });
  });

  it('has the version offered while no server answers, and the chosen one once it does', () => {
    const flow = new TestFlow(6, 443);
    flow.send(CLIENT, HELLO, 1);
    expect(flow.values()['TLS_VERSION']).toBe(0x0304);
    flow.send(SERVER, serverHello(0xc02f, 0), 1);
    expect(flow.values()).toMatchObject({ TLS_VERSION: 0x0303, TLS_CIPHER: 0xc02f });
  });

  const orders: readonly (readonly [string, readonly (readonly [number, number])[]])[] = [
    [
      'in two segments',
      [
        [0, 60],
        [60, HELLO.length],
      ],
    ],
    [
      'in segments of seven octets',
      Array.from(
        { length: Math.ceil(HELLO.length / 7) },
        (_, i) => [i * 7, Math.min(HELLO.length, i * 7 + 7)] as const,
      ),
    ],
    [
      'the last segment first',
      [
        [100, HELLO.length],
        [0, 50],
        [50, 100],
      ],
    ],
    [
      'backwards',
      [
        [120, HELLO.length],
        [80, 120],
        [40, 80],
        [0, 40],
      ],
    ],
    [
      'overlapping',
      [
        [0, 70],
        [30, 110],
        [90, HELLO.length],
      ],
    ],
    [
      'overlapping, out of order',
      [
        [90, HELLO.length],
        [40, 100],
        [0, 60],
      ],
    ],
    [
      'with everything sent twice',
      [
        [0, 60],
        [0, 60],
        [60, 100],
        [60, 100],
        [100, HELLO.length],
      ],
    ],
    [
      'from its second octet on one',
      [
        [0, 1],
        [1, HELLO.length],
      ],
    ],
  ];
  for (const [title, segments] of orders) {
    for (const first of [1000, 0xffff_fff0]) {
      it(`puts a ClientHello together that comes ${title}, from ${first} on`, () => {
        const flow = new TestFlow(6, 443);
        // The SYN has the number before the first octet.
        flow.send(CLIENT, EMPTY, first - 1);
        for (const [from, to] of segments) flow.send(CLIENT, HELLO.subarray(from, to), first + from);
        expect(flow.values()['TLS_SERVER_NAME']).toBe('www.google.com');
        expect(flow.detector.counters.reassembliesActive).toBe(0);
      });
    }
  }

  it('takes the octet of a keep-alive for nothing, before and within a ClientHello that is out of order', () => {
    const flow = new TestFlow(6, 443);
    flow.send(CLIENT, EMPTY, 1000);
    flow.send(CLIENT, octetsOf('0x00'), 999);
    flow.send(CLIENT, HELLO.subarray(100), 1100);
    flow.send(CLIENT, octetsOf('0x00'), 999);
    flow.send(CLIENT, octetsOf('0xffff', HELLO.subarray(0, 50)), 998);
    flow.send(CLIENT, HELLO.subarray(50, 100), 1050);
    expect(flow.values()['TLS_SERVER_NAME']).toBe('www.google.com');
  });

  it('gives up a ClientHello of too many pieces, and counts it', () => {
    const flow = new TestFlow(6, 443);
    flow.send(CLIENT, EMPTY, 1000);
    for (let at = 20; flow.isWanted && at < HELLO.length; at += 2)
      flow.send(CLIENT, HELLO.subarray(at, at + 1), 1000 + at);
    expect(flow.isWanted).toBe(false);
    expect(flow.detector.counters).toMatchObject({ reassembliesFailed: 1, reassembliesActive: 0 });
    expect(flow.values()).toEqual({ L7_PROTO: 91, L7_PROTO_NAME: 'TLS', L7_CONFIDENCE: 1 });
  });

  it('leaves nothing of one flow in the next that the same record is used for', () => {
    const detector = newDetector();
    const [named, nameless] = [0, 1].map((slot) => new TestFlow(6, 443, detector, slot));
    named!.send(CLIENT, HELLO, 1);
    named!.send(SERVER, serverHello(0x1302, 0x0304), 1);
    nameless!.send(CLIENT, tlsRecords(clientHello({ version: 0x0301 })), 1);
    const record = emptyFlow();
    const base = new Layout('flow', []);
    record.layout = base;
    detector.write(0, record);
    expect(valuesOf(record)['TLS_CIPHER']).toBe(0x1302);
    detector.write(1, record);
    expect(valuesOf(record)).toEqual({
      L7_PROTO: 91,
      L7_PROTO_NAME: 'TLS',
      L7_CONFIDENCE: 6,
      TLS_VERSION: 0x0301,
      JA4C_HASH: expect.stringMatching(/^t10i020000_/),
    });
    const { layout } = record;
    detector.write(0, record);
    // The same for flows of the same kind, whether the record's layout is the meter's or what became of it.
    expect(record.layout).toBe(layout);
    record.layout = base;
    detector.write(0, record);
    expect(record.layout).toBe(layout);
  });

  it('leaves octets before its own alone, and a record that has too few of them', () => {
    const flow = new TestFlow(6, 443);
    flow.send(CLIENT, HELLO, 1);
    const record = emptyFlow();
    record.bytes.fill(0x2a);
    flow.detector.write(0, record);
    expect(record.bytes.subarray(0, 256 - 64).every((octet) => octet === 0x2a)).toBe(true);
    record.bytes = new Uint8Array(63).fill(0x2a);
    flow.detector.write(0, record);
    expect(record.bytes.every((octet) => octet === 0x2a)).toBe(true);
    expect(valuesOf(record)).toMatchObject({ L7_PROTO: 126, L7_PROTO_NAME: '' });
  });

  it('puts a ClientHello together that comes in several records', () => {
    const flow = new TestFlow(6, 443);
    flow.send(CLIENT, tlsRecords(clientHello({ extensions: [serverName('records.example')] }), 40), 1);
    expect(flow.values()['TLS_SERVER_NAME']).toBe('records.example');
  });

  it('knows TLS by the beginning of a ClientHello whose rest never comes', () => {
    const flow = new TestFlow(6, 40_001);
    flow.send(CLIENT, HELLO.subarray(0, 60), 1);
    expect(flow.values()).toMatchObject({ L7_PROTO_NAME: 'TLS', L7_CONFIDENCE: 6 });
  });

  it('ends a ClientHello that says it is longer than any', () => {
    const flow = new TestFlow(6, 443);
    flow.send(CLIENT, octetsOf('0x160301 4000 01 ffffff 0303', new Uint8Array(1000)), 1);
    for (let i = 1; flow.isWanted && i < 100; i++) flow.send(CLIENT, new Uint8Array(1000), 1 + i * 1011);
    expect(flow.isWanted).toBe(false);
    expect(flow.detector.counters.reassembliesActive).toBe(0);
  });
});

describe('PayloadDetector on HTTP', () => {
  const REQUEST = octetsOf(
    'GET /a/b?c=d HTTP/1.1\r\nCookie: ',
    'x'.repeat(3000),
    '\r\nhOsT:  www.example:8080 \r\nUser-Agent: Test/1.0 (like a browser)\r\n\r\n',
  );

  it('reads a request whose Cookie spans segments, and the status', () => {
    const flow = new TestFlow(6, 80);
    for (let at = 0; at < REQUEST.length; at += 1400) flow.send(CLIENT, REQUEST.subarray(at, at + 1400), 500 + at);
    flow.send(SERVER, octetsOf('HTTP/1.1 100 Continue\r\n\r\n'), 1);
    flow.send(SERVER, octetsOf('HTTP/1.1 404 Not Found\r\n\r\n'), 26);
    expect(flow.values()).toEqual({
      L7_PROTO: 7,
      L7_PROTO_NAME: 'HTTP',
      L7_CONFIDENCE: 6,
      HTTP_METHOD: 'GET',
      HTTP_HOST: 'www.example',
      HTTP_URL: '/a/b?c=d',
      HTTP_USER_AGENT: 'Test/1.0 (like a browser)',
      HTTP_RET_CODE: 404,
    });
    expect(flow.isWanted).toBe(false);
  });

  it('makes the best of a request that never ends', () => {
    const flow = new TestFlow(6, 80);
    flow.send(CLIENT, octetsOf('POST /x HTTP/1.1\r\nHost: half.example\r\nCookie: aaaa'), 1);
    expect(flow.values()).toMatchObject({ HTTP_METHOD: 'POST', HTTP_HOST: 'half.example' });
  });

  it('cuts a URL that is longer than 512 octets', () => {
    const flow = new TestFlow(6, 80);
    flow.send(CLIENT, octetsOf('GET /', 'u'.repeat(4000), ' HTTP/1.1\r\nHost: long.example\r\n\r\n'), 1);
    expect(flow.values()).toMatchObject({ HTTP_URL: `/${'u'.repeat(511)}`, HTTP_HOST: 'long.example' });
  });

  it('is no HTTP what begins like it', () => {
    const flow = new TestFlow(6, 40_001);
    flow.send(CLIENT, octetsOf('GET the door\r\n'), 1);
    expect(flow.values()['L7_PROTO_NAME']).toBe('Unknown');
  });
});

describe('PayloadDetector on names', () => {
  it('reads question and answer of DNS', () => {
    const flow = new TestFlow(17, 53);
    flow.send(CLIENT, dnsMessage('www.facebook.com', 28));
    expect(flow.values()).toMatchObject({
      L7_PROTO_NAME: 'DNS.Facebook',
      DNS_QUERY: 'www.facebook.com',
      DNS_QUERY_TYPE: 28,
    });
    expect(flow.values()['DNS_RET_CODE']).toBeUndefined();
    flow.send(SERVER, dnsMessage('www.facebook.com', 28, 0x8180, 2));
    expect(flow.values()).toMatchObject({ DNS_RET_CODE: 0, DNS_NUM_ANSWERS: 2 });
    expect(flow.isWanted).toBe(false);
  });

  it('reads DNS over TCP in two segments', () => {
    const flow = new TestFlow(6, 53);
    const question = dnsOverTcp(dnsMessage('tcp.example', 1));
    flow.send(CLIENT, question.subarray(0, 9), 1);
    flow.send(CLIENT, question.subarray(9), 10);
    flow.send(SERVER, dnsOverTcp(dnsMessage('tcp.example', 1, 0x8183)), 1);
    expect(flow.values()).toMatchObject({ DNS_QUERY: 'tcp.example', DNS_RET_CODE: 3 });
  });

  it('reads the host name of DHCP', () => {
    const flow = new TestFlow(17, 67);
    flow.send(CLIENT, dhcpMessage(3, 'laptop'));
    expect(flow.values()).toMatchObject({ DHCP_CLIENT_NAME: 'laptop', DHCP_MESSAGE_TYPE: 3 });
  });

  it('decodes a NetBIOS name', () => {
    const flow = new TestFlow(17, 137);
    // "FRED" of kind 0x20, as RFC 1001 section 14.1 has it.
    flow.send(CLIENT, dnsMessage('EGFCEFEECACACACACACACACACACACACA', 32, 0x0110));
    expect(flow.values()['NETBIOS_QUERY_NAME']).toBe('FRED');
  });

  it('reads the parties of a call of SIP and its final status', () => {
    const flow = new TestFlow(17, 5060);
    const fields = 'f: <sip:alice@a.example>;tag=1\r\nTo: Bob <sip:bob@b.example>\r\nCALL-ID: 77@a\r\n\r\n';
    // The server adds a tag (RFC 3261 section 8.2.6.2): what came first stays.
    const answered = fields.replace('b.example>', 'b.example>;tag=2');
    flow.send(CLIENT, octetsOf('INVITE sip:bob@b.example SIP/2.0\r\n', fields));
    flow.send(SERVER, octetsOf('SIP/2.0 180 Ringing\r\n', answered));
    flow.send(SERVER, octetsOf('SIP/2.0 486 Busy Here\r\n', answered));
    expect(flow.values()).toMatchObject({
      L7_PROTO_NAME: 'SIP',
      SIP_CALL_ID: '77@a',
      SIP_CALLING_PARTY: '<sip:alice@a.example>;tag=1',
      SIP_CALLED_PARTY: 'Bob <sip:bob@b.example>',
      SIP_RESPONSE_CODE: 486,
    });
  });

  it('reads sender and recipient of a mail', () => {
    const flow = new TestFlow(6, 25);
    flow.send(SERVER, octetsOf('220 mx.example ESMTP\r\n'), 1);
    flow.send(CLIENT, octetsOf('EHLO a.example\r\n'), 1);
    flow.send(SERVER, octetsOf('250 mx.example\r\n'), 23);
    flow.send(CLIENT, octetsOf('mail FROM:<a@a.example> SIZE=10\r\nRCPT TO:<b@b.example>\r\n'), 17);
    expect(flow.values()).toMatchObject({
      L7_PROTO_NAME: 'SMTP',
      L7_INFO: '220 mx.example ESMTP',
      SMTP_MAIL_FROM: 'a@a.example',
      SMTP_RCPT_TO: 'b@b.example',
    });
    expect(flow.isWanted).toBe(false);
  });

  it('tells SMTP from FTP by the first command where the greeting does not', () => {
    for (const [command, application] of [
      ['HELO a.example\r\n', 'SMTP'],
      ['FEAT\r\n', 'FTP_CONTROL'],
    ] as const) {
      const flow = new TestFlow(6, 40_001);
      flow.send(SERVER, octetsOf('220 welcome\r\n'), 1);
      flow.send(CLIENT, octetsOf(command), 1);
      expect(flow.values()['L7_PROTO_NAME']).toBe(application);
    }
  });

  it('has the software of an SSH server', () => {
    const flow = new TestFlow(6, 40_001);
    flow.send(CLIENT, octetsOf('SSH-2.0-PuTTY\r\n'), 1);
    flow.send(SERVER, octetsOf('SSH-2.0-OpenSSH_9.2p1 Debian-2\r\n'), 1);
    expect(flow.values()).toMatchObject({ L7_PROTO_NAME: 'SSH', L7_INFO: 'SSH-2.0-OpenSSH_9.2p1 Debian-2' });
  });

  it('knows RTP by two packets of one source', () => {
    const flow = new TestFlow(17, 40_001);
    flow.send(CLIENT, octetsOf('0x80000001 00000000 deadbeef', new Uint8Array(160)));
    expect(flow.values()['L7_PROTO_NAME']).toBe('Unknown');
    flow.send(CLIENT, octetsOf('0x80000002 000000a0 deadbeef', new Uint8Array(160)));
    expect(flow.values()).toMatchObject({ L7_PROTO_NAME: 'RTP', RTP_SSRC: 0xdeadbeef });
  });

  it('has the info hash of a torrent', () => {
    const flow = new TestFlow(6, 40_001);
    flow.send(
      CLIENT,
      octetsOf(
        19,
        'BitTorrent protocol',
        new Uint8Array(8),
        '0x000102030405060708090a0b0c0d0e0f10111213',
        'p'.repeat(20),
      ),
      1,
    );
    expect(flow.values()['BITTORRENT_HASH']).toBe('000102030405060708090a0b0c0d0e0f10111213');
  });
});

describe('PayloadDetector within its bounds', () => {
  it('forgets a flow that is released, and what its slot had', () => {
    const detector = newDetector();
    const flow = new TestFlow(6, 80, detector);
    flow.send(CLIENT, octetsOf('GET / HTTP/1.1\r\nHost: a.example\r\nX'), 1);
    detector.release(0);
    flow.send(CLIENT, octetsOf('GET / HTTP/1.1\r\nHost: www.google.com\r\n\r\n'), 1);
    expect(flow.values()['L7_PROTO_NAME']).toBe('HTTP.Google');
    detector.release(0);
    expect(detector.counters).toMatchObject({ reassembliesActive: 0 });
    const next = new TestFlow(6, 40_001, detector);
    next.send(CLIENT, octetsOf('0x99aabbccddeeff'), 99);
    expect(next.values()).toEqual({ L7_PROTO: 0, L7_PROTO_NAME: 'Unknown', L7_CONFIDENCE: 0 });
  });

  it('takes the buffer of the flow that has had it longest when all are in use, and counts it', () => {
    const detector = newDetector({ maxReassemblies: 2 });
    const flows = [0, 1, 2].map((slot) => new TestFlow(6, 443, detector, slot));
    for (const flow of flows) flow.send(CLIENT, HELLO.subarray(0, 60), 1);
    for (const flow of flows) flow.send(CLIENT, HELLO.subarray(60), 61);
    expect(detector.counters).toMatchObject({ reassembliesAbandoned: 1, reassembliesActive: 0 });
    expect(flows.map((flow) => flow.values()['TLS_SERVER_NAME'])).toEqual([
      undefined,
      'www.google.com',
      'www.google.com',
    ]);
    expect(flows.map((flow) => flow.values()['L7_PROTO'])).toEqual([91, 126, 126]);
  });

  it('leaves names out when the store is full, counts them, and has room again', () => {
    const detector = new PayloadDetector(3000, { maxDetailOctets: 65_536 });
    const flows = Array.from({ length: 3000 }, (_, slot) => new TestFlow(17, 53, detector, slot));
    for (const [i, flow] of flows.entries()) flow.send(CLIENT, dnsMessage(`host${i}.example`, 1));
    // Blocks of 64 octets in one slab.
    expect(flows.filter((flow) => flow.values()['DNS_QUERY'] !== undefined)).toHaveLength(1024);
    expect(flows.every((flow) => flow.values()['L7_PROTO_NAME'] === 'DNS')).toBe(true);
    expect(detector.counters.detailsDropped).toBe(2 * (3000 - 1024));
    for (let slot = 0; slot < 3000; slot++) detector.release(slot);
    flows[2999]!.send(CLIENT, dnsMessage('again.example', 1));
    expect(flows[2999]!.values()['DNS_QUERY']).toBe('again.example');
  });

  it('gives back all room of texts that grow', () => {
    const detector = new PayloadDetector(1, { maxDetailOctets: 6 * 65_536 });
    const flow = new TestFlow(6, 80, detector);
    for (let round = 0; round < 3000; round++) {
      flow.send(
        CLIENT,
        octetsOf(
          'GET /',
          'u'.repeat(400),
          ' HTTP/1.1\r\nHost: ',
          'h'.repeat(90),
          '\r\nUser-Agent: ',
          'a'.repeat(500),
          '\r\n\r\n',
        ),
        1,
      );
      detector.release(0);
    }
    expect(detector.counters.detailsDropped).toBe(0);
  });

  it('counts flows by how they are known', () => {
    const detector = newDetector();
    new TestFlow(6, 22, detector, 0).send(CLIENT, octetsOf('SSH-2.0-x\r\n'), 1);
    new TestFlow(6, 22, detector, 1).send(CLIENT, EMPTY, 1);
    new TestFlow(6, 40_001, detector, 2).send(CLIENT, EMPTY, 1);
    for (let slot = 0; slot < 4; slot++) detector.release(slot);
    expect(detector.counters).toMatchObject({ flowsDetected: 1, flowsGuessed: 1, flowsUnknown: 1 });
  });
});
