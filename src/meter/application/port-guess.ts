import { L7 } from './application-numbers.ts';

/** Ports as IANA's registry or the program's own documents have them; a protocol that has none of its own is not guessed. */
const TCP_PORTS: readonly (readonly [number, number])[] = [
  [20, L7.ftpData],
  [21, L7.ftpControl],
  [22, L7.ssh],
  [23, L7.telnet],
  [25, L7.smtp],
  [43, L7.whois],
  [53, L7.dns],
  [80, L7.http],
  [88, L7.kerberos],
  [110, L7.pop3],
  [111, L7.nfs],
  [135, L7.dceRpc],
  [139, L7.netbios],
  [143, L7.imap],
  [179, L7.bgp],
  [389, L7.ldap],
  [443, L7.tls],
  [445, L7.smb2],
  [465, L7.smtps],
  [514, L7.syslog],
  [554, L7.rtsp],
  [587, L7.smtp],
  [631, L7.ipp],
  [636, L7.ldap],
  [853, L7.dohDot],
  [873, L7.rsync],
  [993, L7.imaps],
  [995, L7.pops],
  [1080, L7.socks],
  [1194, L7.openvpn],
  [1433, L7.msSqlTds],
  [1521, L7.oracle],
  [1723, L7.pptp],
  [1883, L7.mqtt],
  [1935, L7.rtmp],
  [2049, L7.nfs],
  [3128, L7.http],
  [3306, L7.mysql],
  [3389, L7.rdp],
  [3868, L7.diameter],
  [5060, L7.sip],
  [5222, L7.jabber],
  [5269, L7.jabber],
  [5432, L7.postgresql],
  [5671, L7.amqp],
  [5672, L7.amqp],
  [5900, L7.vnc],
  [6379, L7.redis],
  [6667, L7.irc],
  [8080, L7.http],
  [8883, L7.mqtt],
  [9418, L7.git],
  [11211, L7.memcached],
  [27017, L7.mongodb],
];

const UDP_PORTS: readonly (readonly [number, number])[] = [
  [53, L7.dns],
  [67, L7.dhcp],
  [68, L7.dhcp],
  [69, L7.tftp],
  [88, L7.kerberos],
  [111, L7.nfs],
  [123, L7.ntp],
  [137, L7.netbios],
  [138, L7.netbios],
  [161, L7.snmp],
  [162, L7.snmp],
  [177, L7.xdmcp],
  [389, L7.ldap],
  [443, L7.quic],
  [500, L7.ipsec],
  [514, L7.syslog],
  [546, L7.dhcp6],
  [547, L7.dhcp6],
  [1194, L7.openvpn],
  [1645, L7.radius],
  [1646, L7.radius],
  [1812, L7.radius],
  [1813, L7.radius],
  [1900, L7.ssdp],
  [2049, L7.nfs],
  [2055, L7.netflow],
  [2123, L7.gtp],
  [2152, L7.gtp],
  [3544, L7.teredo],
  [4500, L7.ipsec],
  [4739, L7.netflow],
  [5004, L7.rtp],
  [5005, L7.rtcp],
  [5060, L7.sip],
  [5246, L7.capwap],
  [5247, L7.capwap],
  [5353, L7.mdns],
  [5355, L7.llmnr],
  [5683, L7.coap],
  [6343, L7.sflow],
  [8611, L7.bjnp],
  [8612, L7.bjnp],
  [11211, L7.memcached],
  [17500, L7.dropbox],
  [51820, L7.wireguard],
  [57621, L7.spotify],
];

/** IP protocols that are an application of their own in nDPI's list. */
const IP_PROTOCOLS: readonly (readonly [number, number])[] = [
  [1, L7.icmp],
  [2, L7.igmp],
  [4, L7.ipInIp],
  [8, L7.egp],
  [47, L7.gre],
  [50, L7.ipsec],
  [51, L7.ipsec],
  [58, L7.icmp6],
  [89, L7.ospf],
  [112, L7.vrrp],
  [132, L7.sctp],
];

const byTcpPort = table(65_536, TCP_PORTS);
const byUdpPort = table(65_536, UDP_PORTS);
const byIpProtocol = table(256, IP_PROTOCOLS);

function table(length: number, rows: readonly (readonly [number, number])[]): Uint16Array {
  const numbers = new Uint16Array(length);
  for (const [key, application] of rows) numbers[key] = application;
  return numbers;
}

/**
 * The application whose port one of the two is: a guess; 0 for none. Where both are known the lower one counts, for who
 * the client is may be a guess itself.
 */
export function applicationOfPorts(protocol: number, clientPort: number, serverPort: number): number {
  const numbers = protocol === 6 ? byTcpPort : byUdpPort;
  return numbers[Math.min(clientPort, serverPort) & 0xffff]! || numbers[Math.max(clientPort, serverPort) & 0xffff]!;
}

/** The application that an IP protocol is, 0 for those that carry others. */
export function applicationOfIpProtocol(protocol: number): number {
  return byIpProtocol[protocol & 0xff]!;
}
