/** First payloads of many protocols, made by hand from their specifications. */

/** Octets of texts (Latin-1), of hexadecimal digits after `0x`, and of numbers. */
export function octetsOf(...parts: readonly (string | number | Uint8Array)[]): Uint8Array {
  return Buffer.concat(
    parts.map((part) => {
      if (typeof part === 'number') return Buffer.from([part]);
      if (typeof part !== 'string') return part;
      return part.startsWith('0x')
        ? Buffer.from(part.slice(2).replaceAll(' ', ''), 'hex')
        : Buffer.from(part, 'latin1');
    }),
  );
}

/** A number of two octets. */
export function u16(value: number): Uint8Array {
  return Uint8Array.of(value >> 8, value & 0xff);
}

function withLength16(octets: Uint8Array): Uint8Array {
  return octetsOf(u16(octets.length), octets);
}

function withLength8(octets: Uint8Array): Uint8Array {
  return octetsOf(octets.length, octets);
}

/** What a ClientHello is made of. */
export interface MadeClientHello {
  readonly version?: number;
  readonly ciphers?: readonly number[];
  /** Extensions in order: a number alone has no data. */
  readonly extensions?: readonly (readonly [number, Uint8Array])[];
  readonly datagram?: boolean;
}

/** A handshake message with a ClientHello, without records (RFC 8446 section 4.1.2). */
export function clientHello({
  version = 0x0303,
  ciphers = [0x1301, 0xc02f],
  extensions = [],
  datagram = false,
}: MadeClientHello): Uint8Array {
  const body = octetsOf(
    u16(version),
    new Uint8Array(32).fill(0x5a),
    withLength8(new Uint8Array(32).fill(0x11)),
    datagram ? withLength8(new Uint8Array(0)) : '',
    withLength16(octetsOf(...ciphers.map(u16))),
    '0x0100',
    extensions.length === 0
      ? ''
      : withLength16(octetsOf(...extensions.map(([type, data]) => octetsOf(u16(type), withLength16(data))))),
  );
  return datagram
    ? octetsOf(1, 0, u16(body.length), '0x0000 000000', 0, u16(body.length), body)
    : octetsOf(1, 0, u16(body.length), body);
}

/** server_name (RFC 6066 section 3). */
export function serverName(name: string): readonly [number, Uint8Array] {
  return [0, withLength16(octetsOf(0, withLength16(octetsOf(name))))];
}

/** application_layer_protocol_negotiation (RFC 7301 section 3.1). */
export function alpn(...names: readonly string[]): readonly [number, Uint8Array] {
  return [16, withLength16(octetsOf(...names.map((name) => withLength8(octetsOf(name)))))];
}

/** supported_versions of a client (RFC 8446 section 4.2.1). */
export function supportedVersions(...versions: readonly number[]): readonly [number, Uint8Array] {
  return [43, withLength8(octetsOf(...versions.map(u16)))];
}

/** signature_algorithms (RFC 8446 section 4.2.3). */
export function signatureAlgorithms(...algorithms: readonly number[]): readonly [number, Uint8Array] {
  return [13, withLength16(octetsOf(...algorithms.map(u16)))];
}

/** Handshake messages in TLS records of at most `size` octets (RFC 8446 section 5.1). */
export function tlsRecords(handshake: Uint8Array, size = 16_384): Uint8Array {
  const records: Uint8Array[] = [];
  for (let at = 0; at < handshake.length; at += size) {
    records.push(octetsOf('0x160301', withLength16(handshake.subarray(at, at + size))));
  }
  return octetsOf(...records);
}

/** A ServerHello in a record: cipher suite, and the version in supported_versions unless 0. */
export function serverHello(cipher: number, version: number): Uint8Array {
  const extensions = version === 0 ? new Uint8Array(0) : octetsOf('0x002b0002', u16(version));
  const body = octetsOf('0x0303', new Uint8Array(32).fill(7), 0, u16(cipher), 0, withLength16(extensions));
  return tlsRecords(octetsOf(2, 0, u16(body.length), body));
}

/** A message of DNS with one question (RFC 1035 section 4.1); `flags` 0x0100 is a question, 0x8180 an answer. */
export function dnsMessage(name: string, type: number, flags = 0x0100, answers = 0): Uint8Array {
  const labels = name.split('.').map((label) => withLength8(octetsOf(label)));
  const record = octetsOf('0xc00c 0001 0001 0000003c 0004 c0000201');
  return octetsOf(
    '0x1234',
    u16(flags),
    u16(1),
    u16(answers),
    '0x00000000',
    ...labels,
    0,
    u16(type),
    u16(1),
    ...Array.from({ length: answers }, () => record),
  );
}

/** The same behind its length, as over TCP. */
export function dnsOverTcp(message: Uint8Array): Uint8Array {
  return withLength16(message);
}

/** A DHCP message with options (RFC 2131 section 2). */
export function dhcpMessage(messageType: number, hostName: string): Uint8Array {
  return octetsOf(
    '0x01010600',
    new Uint8Array(232),
    '0x63825363',
    '0x3501',
    messageType,
    12,
    withLength8(octetsOf(hostName)),
    255,
  );
}

/** The 32 letters of a NetBIOS name of 15 characters and a kind (RFC 1001 section 14.1). */
function netbiosName(name: string, kind: number): string {
  const octets = octetsOf(name.padEnd(15), kind);
  return [...octets].map((octet) => String.fromCharCode(0x41 + (octet >> 4), 0x41 + (octet & 15))).join('');
}

function sflowDatagram(): Uint8Array {
  return octetsOf('0x00000005 00000001 c0000201 00000000 00000001 00001000 00000000');
}

function ikeMessage(): Uint8Array {
  return octetsOf('0x1122334455667788 0000000000000000 21 20 22 08 00000000 0000001c');
}

/** One payload and what it is. */
export interface PayloadCase {
  readonly name: string;
  /** nDPI's name of it. */
  readonly application: string;
  readonly protocol: 6 | 17;
  readonly clientPort: number;
  readonly serverPort: number;
  readonly direction: 0 | 1;
  readonly payload: Uint8Array;
}

function row(
  name: string,
  application: string,
  transport: 'tcp' | 'udp',
  serverPort: number,
  direction: 0 | 1,
  ...parts: readonly (string | number | Uint8Array)[]
): PayloadCase {
  const payload = octetsOf(...parts);
  return {
    name,
    application,
    protocol: transport === 'tcp' ? 6 : 17,
    clientPort: 50_123,
    serverPort,
    direction,
    payload,
  };
}

/** A port that nothing is guessed by. */
const ANY = 40_001;

/** Payloads that decide alone; most on a port that says nothing. */
export const PAYLOADS: readonly PayloadCase[] = [
  row(
    'TLS, RFC 8446 4.1.2',
    'TLS',
    'tcp',
    ANY,
    0,
    tlsRecords(clientHello({ extensions: [serverName('host.example')] })),
  ),
  row(
    'TLS over DTLS, RFC 9147 5',
    'DTLS',
    'udp',
    ANY,
    0,
    '0x16fefd 0000 000000000000',
    withLength16(clientHello({ datagram: true, version: 0xfefd })),
  ),
  row('SMTPS, RFC 8314 7.3', 'SMTPS', 'tcp', 465, 0, tlsRecords(clientHello({}))),
  row('IMAPS, RFC 8314 7.2', 'IMAPS', 'tcp', 993, 0, tlsRecords(clientHello({}))),
  row('POP3S, RFC 8314 7.1', 'POPS', 'tcp', 995, 0, tlsRecords(clientHello({}))),
  row('DNS over TLS, RFC 7858 3.1', 'DoH_DoT', 'tcp', 853, 0, tlsRecords(clientHello({}))),
  row('HTTP request, RFC 9112 3', 'HTTP', 'tcp', ANY, 0, 'GET /index.html HTTP/1.1\r\nHost: www.example\r\n\r\n'),
  row('HTTP response, RFC 9112 4', 'HTTP', 'tcp', ANY, 1, 'HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n'),
  row(
    'HTTP to a proxy, RFC 9112 3.2.2',
    'HTTP.HTTP_Proxy',
    'tcp',
    3128,
    0,
    'GET http://www.example/ HTTP/1.1\r\nHost: www.example\r\n\r\n',
  ),
  row(
    'HTTP CONNECT, RFC 9110 9.3.6',
    'HTTP.HTTP_Connect',
    'tcp',
    3128,
    0,
    'CONNECT www.example:443 HTTP/1.1\r\nHost: www.example:443\r\n\r\n',
  ),
  row(
    'WebSocket, RFC 6455 1.3',
    'WebSocket',
    'tcp',
    ANY,
    0,
    'GET /chat HTTP/1.1\r\nHost: www.example\r\nUpgrade: websocket\r\n\r\n',
  ),
  row(
    'OCSP, RFC 6960 A.1',
    'HTTP.OCSP',
    'tcp',
    80,
    0,
    'POST / HTTP/1.1\r\nHost: ocsp.example\r\nContent-Type: application/ocsp-request\r\n\r\n',
  ),
  row('SSH, RFC 4253 4.2', 'SSH', 'tcp', ANY, 0, 'SSH-2.0-OpenSSH_9.2\r\n'),
  row('SMTP, RFC 5321 4.2', 'SMTP', 'tcp', ANY, 1, '220 mail.example ESMTP ready\r\n'),
  row('SMTP command, RFC 5321 4.1.1.1', 'SMTP', 'tcp', ANY, 0, 'EHLO client.example\r\n'),
  row('FTP, RFC 959 5.4', 'FTP_CONTROL', 'tcp', ANY, 1, '220 FTP server ready\r\n'),
  row('FTP by its port', 'FTP_CONTROL', 'tcp', 21, 1, '220 ready\r\n'),
  row('POP3, RFC 1939 4', 'POP3', 'tcp', ANY, 1, '+OK ready\r\n'),
  row('IMAP, RFC 9051 7.1.1', 'IMAP', 'tcp', ANY, 1, '* OK [CAPABILITY IMAP4rev2] ready\r\n'),
  row('IMAP command, RFC 9051 6.2.3', 'IMAP', 'tcp', ANY, 0, 'a001 LOGIN smith sesame\r\n'),
  row('DNS over TCP, RFC 1035 4.2.2', 'DNS', 'tcp', 53, 0, withLength16(dnsMessage('host.example', 1))),
  row('SMB 1, MS-CIFS 2.2.3.1', 'SMBv1', 'tcp', ANY, 0, '0x00000023 ff534d42 72', new Uint8Array(30)),
  row('SMB 2, MS-SMB2 2.2.1', 'SMBv23', 'tcp', ANY, 0, '0x00000044 fe534d42 4000', new Uint8Array(62)),
  row(
    'NetBIOS session, RFC 1002 4.3.2',
    'NetBIOS',
    'tcp',
    ANY,
    0,
    '0x81000044',
    32,
    netbiosName('SERVER', 0x20),
    0,
    32,
    netbiosName('CLIENT', 0),
    0,
  ),
  row('RDP, MS-RDPBCGR 2.2.1.1', 'RDP', 'tcp', ANY, 0, '0x03000013 0ee00000000000 0100080003000000'),
  row('PostgreSQL StartupMessage', 'PostgreSQL', 'tcp', ANY, 0, '0x00000013 00030000', 'user\0alice\0\0'.slice(0, 11)),
  row('PostgreSQL SSLRequest', 'PostgreSQL', 'tcp', ANY, 0, '0x00000008 04d2162f'),
  row('MySQL HandshakeV10', 'MySQL', 'tcp', ANY, 1, '0x15000000 0a', '8.0.36\0', '0x01000000', 'abcdefgh', 0),
  row('Redis, RESP', 'Redis', 'tcp', ANY, 0, '*1\r\n$4\r\nPING\r\n'),
  row('MongoDB OP_MSG', 'MongoDB', 'tcp', ANY, 0, '0x1a000000 01000000 00000000 dd070000 00000000 00 05000000 00'),
  row('LDAP bind, RFC 4511 4.2', 'LDAP', 'tcp', ANY, 0, '0x300c 020101 6007 020103 0400 8000'),
  row(
    'Kerberos AS-REQ over TCP, RFC 4120 7.2.2',
    'Kerberos',
    'tcp',
    ANY,
    0,
    '0x0000000e 6a0c 300a a103 020105 a203 02010a',
  ),
  row('Kerberos AS-REQ, RFC 4120 5.4.1', 'Kerberos', 'udp', ANY, 0, '0x6a0c 300a a103 020105 a203 02010a'),
  row(
    'BitTorrent, BEP 3',
    'BitTorrent',
    'tcp',
    ANY,
    0,
    19,
    'BitTorrent protocol',
    new Uint8Array(8),
    new Uint8Array(20).fill(0xab),
    '-XX0001-123456789012',
  ),
  row('BitTorrent DHT, BEP 5', 'BitTorrent', 'udp', ANY, 0, 'd1:ad2:id20:abcdefghij0123456789e1:q4:ping1:t2:aa1:y1:qe'),
  row(
    'BGP OPEN, RFC 4271 4.2',
    'BGP',
    'tcp',
    ANY,
    0,
    new Uint8Array(16).fill(0xff),
    '0x001d 01 04 fde8 00b4 c0000201 00',
  ),
  row('RFB, RFC 6143 7.1.1', 'VNC', 'tcp', ANY, 1, 'RFB 003.008\n'),
  row('XMPP, RFC 6120 4.2', 'Jabber', 'tcp', ANY, 0, "<stream:stream to='example' version='1.0'>"),
  row('RTSP, RFC 2326 10.1', 'RTSP', 'tcp', ANY, 0, 'OPTIONS rtsp://server.example/ RTSP/1.0\r\nCSeq: 1\r\n\r\n'),
  row('AMQP', 'AMQP', 'tcp', ANY, 0, 'AMQP', '0x00000901'),
  row('MQTT CONNECT, 3.1.1 section 3.1', 'MQTT', 'tcp', ANY, 0, '0x100c 0004', 'MQTT', '0x04 02 003c 0000'),
  row('ZMTP greeting', 'ZeroMQ', 'tcp', ANY, 0, '0xff0000000000000001 7f 03'),
  row('rsync', 'RSYNC', 'tcp', ANY, 1, '@RSYNCD: 31.0\n'),
  row('Git', 'Git', 'tcp', ANY, 0, '0033git-upload-pack /project.git\0host=myserver.com\0'),
  row('PPTP, RFC 2637 2.1', 'PPTP', 'tcp', ANY, 0, '0x009c0001 1a2b3c4d 0001 0000', new Uint8Array(144)),
  row('TDS prelogin, MS-TDS 2.2.6.5', 'MsSQL-TDS', 'tcp', ANY, 0, '0x1201000f 0000 0000 00 0006 0001 ff 00'),
  row('SIP over TCP, RFC 3261 7.1', 'SIP', 'tcp', ANY, 0, 'INVITE sip:bob@example SIP/2.0\r\nCall-ID: 1@a\r\n\r\n'),
  row('DNS on its port, RFC 1035 4.1', 'DNS', 'udp', 53, 0, dnsMessage('host.example', 1)),
  row('DNS elsewhere', 'DNS', 'udp', ANY, 0, dnsMessage('host.example', 1)),
  row('mDNS, RFC 6762 18', 'MDNS', 'udp', 5353, 0, dnsMessage('printer.local', 255, 0)),
  row('LLMNR, RFC 4795 2.1.1', 'LLMNR', 'udp', 5355, 0, dnsMessage('printer', 1, 0)),
  row(
    'NetBIOS name, RFC 1002 4.2.12',
    'NetBIOS',
    'udp',
    137,
    0,
    dnsMessage(netbiosName('FILESERVER', 0x20), 32, 0x0110),
  ),
  row(
    'NetBIOS datagram with SMB, RFC 1002 4.4.1',
    'NetBIOS.SMBv1',
    'udp',
    138,
    0,
    '0x110a0001 c0000201 008a 00bb 0000',
    32,
    netbiosName('A', 0),
    0,
    32,
    netbiosName('B', 0),
    0,
    '0xff534d42 25',
    new Uint8Array(40),
  ),
  row('DHCP, RFC 2131 2', 'DHCP', 'udp', 67, 0, dhcpMessage(1, 'laptop')),
  row('DHCPv6 solicit, RFC 8415 8', 'DHCPV6', 'udp', 547, 0, '0x01 abcdef 00080002 0000'),
  row('NTP, RFC 5905 7.3', 'NTP', 'udp', 123, 0, '0x23', new Uint8Array(47)),
  row('SNMP, RFC 1157 4', 'SNMP', 'udp', 161, 0, '0x3018 020100 0406 7075626c6963 a00b 020101 020100 020100 3000'),
  row('SIP, RFC 3261 7.1', 'SIP', 'udp', ANY, 0, 'REGISTER sip:example SIP/2.0\r\nCall-ID: 2@a\r\n\r\n'),
  row('STUN, RFC 8489 5', 'STUN', 'udp', ANY, 0, '0x0001 0000 2112a442 000102030405060708090a0b'),
  row('RADIUS, RFC 2865 3', 'Radius', 'udp', 1812, 0, '0x0101 0014', new Uint8Array(16).fill(3)),
  row('SSDP', 'SSDP', 'udp', 1900, 0, 'M-SEARCH * HTTP/1.1\r\nHOST: 239.255.255.250:1900\r\n\r\n'),
  row('WireGuard initiation', 'WireGuard', 'udp', ANY, 0, '0x01000000', new Uint8Array(144).fill(9)),
  row('OpenVPN hard reset', 'OpenVPN', 'udp', ANY, 0, '0x38 0102030405060708 00 00000000'),
  row('IKE, RFC 7296 3.1', 'IPsec', 'udp', 500, 0, ikeMessage()),
  row('IKE behind a NAT, RFC 3948 2.2', 'IPsec', 'udp', 4500, 0, '0x00000000', ikeMessage()),
  row(
    'syslog, RFC 5424 6.5',
    'Syslog',
    'udp',
    ANY,
    0,
    "<34>1 2003-10-11T22:14:15.003Z mymachine.example.com su - ID47 - 'su root' failed",
  ),
  row('NetFlow v5', 'NetFlow', 'udp', ANY, 0, '0x0005 0001', new Uint8Array(20), new Uint8Array(48)),
  row(
    'NetFlow v9, RFC 3954 5.1',
    'NetFlow',
    'udp',
    ANY,
    0,
    '0x0009 0001',
    new Uint8Array(16),
    '0x0000 000c 0100 0001 0001 0004',
  ),
  row(
    'IPFIX, RFC 7011 3.1',
    'NetFlow',
    'udp',
    ANY,
    0,
    '0x000a 001c',
    new Uint8Array(12),
    '0x0002 000c 0100 0001 0001 0004',
  ),
  row('sFlow v5', 'sFlow', 'udp', ANY, 0, sflowDatagram()),
  row('TFTP, RFC 1350 5', 'TFTP', 'udp', 69, 0, '0x0001', 'file\0octet\0'),
  row('CoAP, RFC 7252 3', 'COAP', 'udp', 5683, 0, '0x40010001'),
  row('GTP-U, TS 29.281 5.1', 'GTP.GTP_U', 'udp', 2152, 0, '0x30ff0004 00000001 45000000'),
  row('RTCP, RFC 3550 6.4.1', 'RTCP', 'udp', ANY, 0, '0x80c80006', new Uint8Array(24)),
];
