/**
 * Export traffic made from a seed: the same octets anywhere. Each protocol as a typical Exporter sends it, with the truth
 * beside it as the JSON lines a collector should print, so that speed never comes from leaving work out.
 */

/** Protocols that traffic is made for. */
export const PROTOCOLS = ['v5', 'v9', 'ipfix', 'sflow'] as const;

/** One of {@link PROTOCOLS}. */
export type Protocol = (typeof PROTOCOLS)[number];

/** Records in each full datagram. */
export const RECORDS_PER_DATAGRAM: Readonly<Record<Protocol, number>> = { v5: 30, v9: 17, ipfix: 7, sflow: 7 };

/** Records in each datagram sent over loopback, where IPv4's 65,535 octets are the limit. */
export const LIVE_RECORDS: Readonly<Record<Protocol, number>> = { v5: 30, v9: 24, ipfix: 7, sflow: 7 };

/** Datagrams between two announcements of the Template. */
const TEMPLATE_EVERY = 100;

/** Export time of the first datagram, Unix seconds. */
export const FIRST_EXPORT_SECONDS = 1_767_225_600;

/** Milliseconds since the Exporter's start at that time. */
const FIRST_UPTIME_MS = 3_600_000;

/** What a flow is, before it is put on the wire. */
export interface TrafficFlow {
  source: number;
  destination: number;
  nextHop: number;
  sourcePort: number;
  destinationPort: number;
  protocol: number;
  tcpFlags: number;
  tos: number;
  packets: number;
  octets: number;
  input: number;
  output: number;
  /** Milliseconds before the export. */
  startedBefore: number;
  endedBefore: number;
  sourceAs: number;
  destinationAs: number;
  sourceMask: number;
  destinationMask: number;
  vlan: number;
  ttl: number;
}

/** A small seeded generator (xorshift32): quality is of no matter here, sameness is. */
export class Random {
  private state: number;

  constructor(seed: number) {
    this.state = seed | 1;
  }

  /** The next unsigned 32-bit number. */
  next(): number {
    let x = this.state;
    x ^= x << 13;
    x ^= x >>> 17;
    x ^= x << 5;
    this.state = x;
    return x >>> 0;
  }

  /** A whole number from 0 to below `limit`. */
  below(limit: number): number {
    return this.next() % limit;
  }
}

const SERVER_PORTS = [443, 80, 53, 22, 25, 993, 3306, 8080, 123, 5060];
const APPLICATIONS = ['tls', 'http', 'dns', 'ssh', 'smtp', 'imaps', 'mysql', 'http-alt', 'ntp', 'sip'];
const INTERFACES = ['GigabitEthernet0/0/1', 'TenGigE0/1/0/3', 'xe-0/0/1.100', 'Ethernet12', 'eth0'];

/** Fills `flow` with the next flow of `random`: sizes and ports spread as in real traffic, most counters small. */
export function nextFlow(random: Random, flow: TrafficFlow): void {
  const service = random.below(SERVER_PORTS.length);
  flow.source = 0x0a00_0000 + random.below(1 << 20);
  flow.destination = random.next();
  flow.nextHop = 0xc0a8_0001 + random.below(4);
  flow.sourcePort = 1024 + random.below(64_512);
  flow.destinationPort = SERVER_PORTS[service]!;
  flow.protocol = random.below(4) === 0 ? 17 : 6;
  flow.tcpFlags = flow.protocol === 6 ? 0x18 + random.below(4) : 0;
  flow.tos = random.below(8) === 0 ? 0xb8 : 0;
  flow.packets = 1 + random.below(1 << (1 + random.below(12)));
  flow.octets = flow.packets * (40 + random.below(1400));
  flow.input = 1 + random.below(48);
  flow.output = 1 + random.below(48);
  flow.endedBefore = random.below(60_000);
  flow.startedBefore = flow.endedBefore + random.below(300_000);
  flow.sourceAs = 64_512 + random.below(1000);
  flow.destinationAs = 1 + random.below(400_000);
  flow.sourceMask = 20 + random.below(8);
  flow.destinationMask = 16 + random.below(9);
  flow.vlan = 1 + random.below(4000);
  flow.ttl = 48 + random.below(80);
}

/** A flow of zeros, to be filled. */
export function emptyFlow(): TrafficFlow {
  return {
    source: 0,
    destination: 0,
    nextHop: 0,
    sourcePort: 0,
    destinationPort: 0,
    protocol: 0,
    tcpFlags: 0,
    tos: 0,
    packets: 0,
    octets: 0,
    input: 0,
    output: 0,
    startedBefore: 0,
    endedBefore: 0,
    sourceAs: 0,
    destinationAs: 0,
    sourceMask: 0,
    destinationMask: 0,
    vlan: 0,
    ttl: 0,
  };
}

type Spec = readonly (readonly [element: number, length: number])[];

/** 22 fields, 77 octets, as a router exports IPv4. */
export const NETFLOW9_FIELDS: Spec = [
  [8, 4],
  [12, 4],
  [15, 4],
  [10, 4],
  [14, 4],
  [2, 8],
  [1, 8],
  [22, 4],
  [21, 4],
  [7, 2],
  [11, 2],
  [6, 1],
  [4, 1],
  [5, 1],
  [16, 4],
  [17, 4],
  [9, 1],
  [13, 1],
  [58, 2],
  [59, 2],
  [56, 6],
  [57, 6],
];

/** 30 fields with IPv6 addresses and two strings of variable length. */
const IPFIX_FIELDS: Spec = [
  [27, 16],
  [28, 16],
  [62, 16],
  [7, 2],
  [11, 2],
  [4, 1],
  [1, 8],
  [2, 8],
  [152, 8],
  [153, 8],
  [10, 4],
  [14, 4],
  [6, 2],
  [5, 1],
  [16, 4],
  [17, 4],
  [29, 1],
  [30, 1],
  [58, 2],
  [59, 2],
  [56, 6],
  [57, 6],
  [136, 1],
  [61, 1],
  [60, 1],
  [31, 4],
  [52, 1],
  [53, 1],
  [82, 65_535],
  [96, 65_535],
];

/**
 * Elements of one octet that no Template above has: variant k of a Template has, at its end, those whose bit is set in k. So
 * there are many Templates, no two alike.
 */
const VARIANT_ELEMENTS = [33, 46, 55, 89, 192, 195, 196, 206, 207, 193, 176, 177, 178, 179];

/** Variants of a Template there are. */
export const TEMPLATE_VARIANTS = 2 ** VARIANT_ELEMENTS.length;

const NETFLOW9_TEMPLATE = 260;
const IPFIX_TEMPLATE = 300;

/** Makes the datagrams of one Exporter, one after the other. */
export class TrafficMaker {
  /** Variant of the Template that the next datagrams' records follow, from 0 to below {@link TEMPLATE_VARIANTS}. */
  variant = 0;
  /** Variant whose fields all Templates have, under ids of their own; undefined where each has those of its variant. */
  shape: number | undefined;
  /** Whether the next datagrams announce their Template; undefined for every hundredth. */
  announces: boolean | undefined;
  /** Octets of the datagram made last. */
  readonly octets = new Uint8Array(4096);
  private readonly view = new DataView(this.octets.buffer);
  private readonly protocol: Protocol;
  private readonly random: Random;
  private readonly flow = emptyFlow();
  private readonly onTruth: ((line: string) => void) | undefined;
  private readonly recordsPerDatagram: number;
  private datagrams = 0;
  private records = 0;
  private pos = 0;

  /** `onTruth` gets, for each flow, the line a collector should print: the keys of the flow itself, without its origin. */
  constructor(protocol: Protocol, seed: number, onTruth?: (line: string) => void, recordsPerDatagram?: number) {
    this.recordsPerDatagram = recordsPerDatagram ?? RECORDS_PER_DATAGRAM[protocol];
    this.protocol = protocol;
    this.random = new Random(seed);
    this.onTruth = onTruth;
  }

  /** Export time of the datagram made last, Unix seconds. */
  get exportSeconds(): number {
    return FIRST_EXPORT_SECONDS + Math.floor(this.datagrams / 1000);
  }

  /** Makes a datagram of at most `maxRecords` flows; returns its length. */
  make(maxRecords: number): number {
    const count = Math.min(maxRecords, this.recordsPerDatagram);
    this.pos = 0;
    if (this.protocol === 'v5') this.netflow5(count);
    else if (this.protocol === 'v9') this.netflow9(count);
    else if (this.protocol === 'ipfix') this.ipfix(count);
    else this.sflow(count);
    this.datagrams++;
    this.records += count;
    return this.pos;
  }

  /**
   * Makes a datagram of NetFlow v9 or IPFIX that only announces variants `[from, to)` of the Template, each in a set of its own;
   * returns its length. There is room for 30.
   */
  makeTemplates(from: number, to: number): number {
    const isIpfix = this.protocol === 'ipfix';
    this.pos = 0;
    this.u16(isIpfix ? 10 : 9);
    this.u16(to - from);
    if (!isIpfix) this.u32(this.upTimeMs);
    this.u32(this.exportSeconds);
    this.u32(isIpfix ? this.records : this.datagrams);
    this.u32(1);
    const current = this.variant;
    for (this.variant = from; this.variant < to; this.variant++) {
      if (isIpfix) this.template(2, IPFIX_TEMPLATE, IPFIX_FIELDS);
      else this.template(0, NETFLOW9_TEMPLATE, NETFLOW9_FIELDS);
    }
    this.variant = current;
    if (isIpfix) this.view.setUint16(2, this.pos);
    this.datagrams++;
    return this.pos;
  }

  private get upTimeMs(): number {
    return FIRST_UPTIME_MS + (this.exportSeconds - FIRST_EXPORT_SECONDS) * 1000;
  }

  private netflow5(count: number): void {
    this.u16(5);
    this.u16(count);
    this.u32(this.upTimeMs);
    this.u32(this.exportSeconds);
    this.u32(0);
    this.u32(this.records);
    this.u32(0);
    for (let i = 0; i < count; i++) {
      const flow = this.next();
      this.u32(flow.source);
      this.u32(flow.destination);
      this.u32(flow.nextHop);
      this.u16(flow.input);
      this.u16(flow.output);
      this.u32(flow.packets);
      this.u32(flow.octets);
      this.u32(this.upTimeMs - flow.startedBefore);
      this.u32(this.upTimeMs - flow.endedBefore);
      this.u16(flow.sourcePort);
      this.u16(flow.destinationPort);
      this.u8(0);
      this.u8(flow.tcpFlags);
      this.u8(flow.protocol);
      this.u8(flow.tos);
      this.u16(flow.sourceAs & 0xffff);
      this.u16(flow.destinationAs & 0xffff);
      this.u8(flow.sourceMask);
      this.u8(flow.destinationMask);
      this.u16(0);
      this.truth({ ...this.ipv4Truth(flow), SRC_AS: flow.sourceAs & 0xffff, DST_AS: flow.destinationAs & 0xffff });
    }
  }

  private netflow9(count: number): void {
    const announces = this.announces ?? this.datagrams % TEMPLATE_EVERY === 0;
    this.u16(9);
    this.u16(count + (announces ? 1 : 0));
    this.u32(this.upTimeMs);
    this.u32(this.exportSeconds);
    this.u32(this.datagrams);
    this.u32(1);
    if (announces) this.template(0, NETFLOW9_TEMPLATE, NETFLOW9_FIELDS);
    const set = this.beginSet(NETFLOW9_TEMPLATE + this.variant);
    for (let i = 0; i < count; i++) {
      const flow = this.next();
      this.u32(flow.source);
      this.u32(flow.destination);
      this.u32(flow.nextHop);
      this.u32(flow.input);
      this.u32(flow.output);
      this.u64(flow.packets);
      this.u64(flow.octets);
      this.u32(this.upTimeMs - flow.startedBefore);
      this.u32(this.upTimeMs - flow.endedBefore);
      this.u16(flow.sourcePort);
      this.u16(flow.destinationPort);
      this.u8(flow.tcpFlags);
      this.u8(flow.protocol);
      this.u8(flow.tos);
      this.u32(flow.sourceAs);
      this.u32(flow.destinationAs);
      this.u8(flow.sourceMask);
      this.u8(flow.destinationMask);
      this.u16(flow.vlan);
      this.u16(flow.vlan + 1);
      this.mac(flow.input);
      this.mac(flow.output);
      this.variantFields();
      this.truth({
        ...this.ipv4Truth(flow),
        SRC_AS: flow.sourceAs,
        DST_AS: flow.destinationAs,
        SRC_VLAN: flow.vlan,
        DST_VLAN: flow.vlan + 1,
        IN_SRC_MAC: macText(flow.input),
        OUT_DST_MAC: macText(flow.output),
      });
    }
    this.endSet(set, 4);
  }

  private ipfix(count: number): void {
    const announces = this.announces ?? this.datagrams % TEMPLATE_EVERY === 0;
    this.u16(10);
    this.u16(0);
    this.u32(this.exportSeconds);
    this.u32(this.records);
    this.u32(1);
    if (announces) this.template(2, IPFIX_TEMPLATE, IPFIX_FIELDS);
    const set = this.beginSet(IPFIX_TEMPLATE + this.variant);
    const exportMs = this.exportSeconds * 1000;
    for (let i = 0; i < count; i++) {
      const flow = this.next();
      this.ipv6(flow.source);
      this.ipv6(flow.destination);
      this.ipv6(flow.nextHop);
      this.u16(flow.sourcePort);
      this.u16(flow.destinationPort);
      this.u8(flow.protocol);
      this.u64(flow.octets);
      this.u64(flow.packets);
      this.u64(exportMs - flow.startedBefore);
      this.u64(exportMs - flow.endedBefore);
      this.u32(flow.input);
      this.u32(flow.output);
      this.u16(flow.tcpFlags);
      this.u8(flow.tos);
      this.u32(flow.sourceAs);
      this.u32(flow.destinationAs);
      this.u8(flow.sourceMask + 20);
      this.u8(flow.destinationMask + 20);
      this.u16(flow.vlan);
      this.u16(flow.vlan + 1);
      this.mac(flow.input);
      this.mac(flow.output);
      this.u8(2);
      this.u8(0);
      this.u8(6);
      this.u32(flow.source & 0xfffff);
      this.u8(flow.ttl);
      this.u8(flow.ttl + 1);
      const interfaceName = INTERFACES[flow.input % INTERFACES.length]!;
      const application = APPLICATIONS[SERVER_PORTS.indexOf(flow.destinationPort)]!;
      this.text(interfaceName);
      this.text(application);
      this.variantFields();
      this.truth({
        IPV6_SRC_ADDR: ipv6Text(flow.source),
        IPV6_DST_ADDR: ipv6Text(flow.destination),
        L4_SRC_PORT: flow.sourcePort,
        L4_DST_PORT: flow.destinationPort,
        PROTOCOL: flow.protocol,
        IP_PROTOCOL_VERSION: 6,
        IN_BYTES: flow.octets,
        IN_PKTS: flow.packets,
        FLOW_START_MILLISECONDS: exportMs - flow.startedBefore,
        FLOW_END_MILLISECONDS: exportMs - flow.endedBefore,
        TCP_FLAGS: flow.tcpFlags,
        SRC_TOS: flow.tos,
        INPUT_SNMP: flow.input,
        OUTPUT_SNMP: flow.output,
        SRC_AS: flow.sourceAs,
        DST_AS: flow.destinationAs,
        IPV6_SRC_MASK: flow.sourceMask + 20,
        IPV6_DST_MASK: flow.destinationMask + 20,
        IPV6_NEXT_HOP: ipv6Text(flow.nextHop),
        SRC_VLAN: flow.vlan,
        DST_VLAN: flow.vlan + 1,
        IN_SRC_MAC: macText(flow.input),
        OUT_DST_MAC: macText(flow.output),
        DIRECTION: 0,
        FLOW_END_REASON: 2,
        MIN_TTL: flow.ttl,
        MAX_TTL: flow.ttl + 1,
        IPV6_FLOW_LABEL: flow.source & 0xfffff,
        INTERFACE_NAME: interfaceName,
        APPLICATION_NAME: application,
      });
    }
    this.endSet(set, 1);
    this.view.setUint16(2, this.pos);
  }

  private sflow(count: number): void {
    this.u32(5);
    this.u32(1);
    this.u32(0xc0a8_0a01);
    this.u32(0);
    this.u32(this.datagrams);
    this.u32(this.upTimeMs);
    this.u32(count);
    for (let i = 0; i < count; i++) {
      const flow = this.next();
      const frameLength = 64 + (flow.octets % 1400);
      this.u32(1);
      const sample = this.pos;
      this.u32(0);
      this.u32(this.records + i);
      this.u32(flow.input);
      this.u32(1000);
      this.u32((this.records + i) * 1000);
      this.u32(0);
      this.u32(flow.input);
      this.u32(flow.output);
      this.u32(2);
      this.u32(1);
      const record = this.pos;
      this.u32(0);
      this.u32(1);
      this.u32(frameLength);
      this.u32(4);
      this.u32(60);
      this.mac(flow.output);
      this.mac(flow.input);
      this.u16(0x0800);
      this.u16(0x4500 + flow.tos);
      this.u16(frameLength - 18);
      this.u16(flow.source & 0xffff);
      this.u16(0);
      this.u8(flow.ttl);
      this.u8(flow.protocol);
      this.u16(0);
      this.u32(flow.source);
      this.u32(flow.destination);
      this.u16(flow.sourcePort);
      this.u16(flow.destinationPort);
      this.u32(flow.source);
      this.u32(flow.destination);
      this.u16(0x5000 + flow.tcpFlags);
      this.u16(512);
      this.u32(0);
      this.u32(0);
      this.u16(0);
      this.view.setUint32(record, this.pos - record - 4);
      this.u32(1001);
      this.u32(16);
      this.u32(flow.vlan);
      this.u32(0);
      this.u32(flow.vlan + 1);
      this.u32(0);
      this.view.setUint32(sample, this.pos - sample - 4);
      this.truth({
        IPV4_SRC_ADDR: ipv4Text(flow.source),
        IPV4_DST_ADDR: ipv4Text(flow.destination),
        L4_SRC_PORT: flow.sourcePort,
        L4_DST_PORT: flow.destinationPort,
        PROTOCOL: flow.protocol,
        IN_BYTES: frameLength,
        IN_PKTS: 1,
        SAMPLING_INTERVAL: 1000,
        ...(flow.protocol === 6 && { TCP_FLAGS: flow.tcpFlags }),
        SRC_TOS: flow.tos,
        INPUT_SNMP: flow.input,
        OUTPUT_SNMP: flow.output,
        SRC_VLAN: flow.vlan,
        DST_VLAN: flow.vlan + 1,
        IN_SRC_MAC: macText(flow.input),
        IN_DST_MAC: macText(flow.output),
        MIN_TTL: flow.ttl,
        MAX_TTL: flow.ttl,
      });
    }
  }

  private ipv4Truth(flow: TrafficFlow) {
    const exportMs = this.exportSeconds * 1000;
    return {
      IPV4_SRC_ADDR: ipv4Text(flow.source),
      IPV4_DST_ADDR: ipv4Text(flow.destination),
      L4_SRC_PORT: flow.sourcePort,
      L4_DST_PORT: flow.destinationPort,
      PROTOCOL: flow.protocol,
      IN_BYTES: flow.octets,
      IN_PKTS: flow.packets,
      FLOW_START_MILLISECONDS: exportMs - flow.startedBefore,
      FLOW_END_MILLISECONDS: exportMs - flow.endedBefore,
      TCP_FLAGS: flow.tcpFlags,
      SRC_TOS: flow.tos,
      INPUT_SNMP: flow.input,
      OUTPUT_SNMP: flow.output,
      IPV4_SRC_MASK: flow.sourceMask,
      IPV4_DST_MASK: flow.destinationMask,
      IPV4_NEXT_HOP: ipv4Text(flow.nextHop),
    };
  }

  private next(): TrafficFlow {
    nextFlow(this.random, this.flow);
    return this.flow;
  }

  private truth(values: Record<string, string | number>): void {
    if (this.onTruth !== undefined) this.onTruth(JSON.stringify(values));
  }

  /** Announces the current variant of the Template of `firstId`. */
  private template(setId: number, firstId: number, fields: Spec): void {
    const set = this.beginSet(setId);
    const shape = this.shape ?? this.variant;
    const extra = VARIANT_ELEMENTS.filter((_, i) => (shape >> i) & 1);
    this.u16(firstId + this.variant);
    this.u16(fields.length + extra.length);
    for (const [element, length] of fields) {
      this.u16(element);
      this.u16(length);
    }
    for (const element of extra) {
      this.u16(element);
      this.u16(1);
    }
    this.endSet(set, 1);
  }

  /** The octets of what the variant adds to a record. */
  private variantFields(): void {
    for (let bits = this.shape ?? this.variant; bits !== 0; bits &= bits - 1) this.u8(0);
  }

  private beginSet(id: number): number {
    this.u16(id);
    this.u16(0);
    return this.pos - 4;
  }

  private endSet(start: number, multiple: number): void {
    while ((this.pos - start) % multiple !== 0) this.u8(0);
    this.view.setUint16(start + 2, this.pos - start);
  }

  private u8(value: number): void {
    this.view.setUint8(this.pos, value);
    this.pos += 1;
  }

  private u16(value: number): void {
    this.view.setUint16(this.pos, value);
    this.pos += 2;
  }

  private u32(value: number): void {
    this.view.setUint32(this.pos, value);
    this.pos += 4;
  }

  private u64(value: number): void {
    this.u32(Math.floor(value / 4294967296));
    this.u32(value >>> 0);
  }

  private mac(port: number): void {
    this.u32(0x0200_5e00);
    this.u16(port);
  }

  private ipv6(host: number): void {
    this.u32(0x2001_0db8);
    this.u32(host & 0xff);
    this.u32(0);
    this.u32(host);
  }

  private text(value: string): void {
    this.u8(value.length);
    for (let i = 0; i < value.length; i++) this.u8(value.charCodeAt(i));
  }
}

function ipv4Text(address: number): string {
  return [address >>> 24, (address >>> 16) & 255, (address >>> 8) & 255, address & 255].join('.');
}

/** By way of the URL standard's serialiser, which follows RFC 5952. */
function ipv6Text(host: number): string {
  const groups = [
    '2001',
    'db8',
    '0',
    (host & 0xff).toString(16),
    '0',
    '0',
    (host >>> 16).toString(16),
    (host & 0xffff).toString(16),
  ];
  return new URL(`http://[${groups.join(':')}]/`).hostname.slice(1, -1);
}

function macText(port: number): string {
  return `02:00:5e:00:${(port >> 8).toString(16).padStart(2, '0')}:${(port & 255).toString(16).padStart(2, '0')}`;
}
