/** The definition files themselves, held against standards, vendors' tables and Wireshark's. */

import { execFileSync } from 'node:child_process';
import { readdirSync, readFileSync } from 'node:fs';
import { Ajv } from 'ajv';
import { describe, expect, it } from 'vitest';
import { DEFINITION_FILE_SCHEMA, type DefinitionFile } from '../../src/ie/definition-file.ts';
import { loadBuiltInRegistry } from '../../src/ie/registry.ts';

const DIRECTORY = new URL('../../ie-definitions/', import.meta.url);
const registry = loadBuiltInRegistry();
const names = readdirSync(DIRECTORY)
  .filter((name) => name.endsWith('.json'))
  .sort();
const texts = new Map(names.map((name) => [name, readFileSync(new URL(name, DIRECTORY), 'utf8')]));

const SHARED_NUMBERS = `
1 octetDeltaCount unsigned64
2 packetDeltaCount unsigned64
3 deltaFlowCount unsigned64
4 protocolIdentifier unsigned8
5 ipClassOfService unsigned8
6 tcpControlBits unsigned16
7 sourceTransportPort unsigned16
8 sourceIPv4Address ipv4Address
9 sourceIPv4PrefixLength unsigned8
10 ingressInterface unsigned32
11 destinationTransportPort unsigned16
12 destinationIPv4Address ipv4Address
13 destinationIPv4PrefixLength unsigned8
14 egressInterface unsigned32
15 ipNextHopIPv4Address ipv4Address
16 bgpSourceAsNumber unsigned32
17 bgpDestinationAsNumber unsigned32
18 bgpNextHopIPv4Address ipv4Address
19 postMCastPacketDeltaCount unsigned64
20 postMCastOctetDeltaCount unsigned64
21 flowEndSysUpTime unsigned32
22 flowStartSysUpTime unsigned32
23 postOctetDeltaCount unsigned64
24 postPacketDeltaCount unsigned64
25 minimumIpTotalLength unsigned64
26 maximumIpTotalLength unsigned64
27 sourceIPv6Address ipv6Address
28 destinationIPv6Address ipv6Address
29 sourceIPv6PrefixLength unsigned8
30 destinationIPv6PrefixLength unsigned8
31 flowLabelIPv6 unsigned32
32 icmpTypeCodeIPv4 unsigned16
33 igmpType unsigned8
34 samplingInterval unsigned32
35 samplingAlgorithm unsigned8
36 flowActiveTimeout unsigned16
37 flowIdleTimeout unsigned16
38 engineType unsigned8
39 engineId unsigned8
40 exportedOctetTotalCount unsigned64
41 exportedMessageTotalCount unsigned64
42 exportedFlowRecordTotalCount unsigned64
43 ipv4RouterSc ipv4Address
44 sourceIPv4Prefix ipv4Address
45 destinationIPv4Prefix ipv4Address
46 mplsTopLabelType unsigned8
47 mplsTopLabelIPv4Address ipv4Address
48 samplerId unsigned8
49 samplerMode unsigned8
50 samplerRandomInterval unsigned32
51 classId unsigned8
52 minimumTTL unsigned8
53 maximumTTL unsigned8
54 fragmentIdentification unsigned32
55 postIpClassOfService unsigned8
56 sourceMacAddress macAddress
57 postDestinationMacAddress macAddress
58 vlanId unsigned16
59 postVlanId unsigned16
60 ipVersion unsigned8
61 flowDirection unsigned8
62 ipNextHopIPv6Address ipv6Address
63 bgpNextHopIPv6Address ipv6Address
64 ipv6ExtensionHeaders unsigned32
70 mplsTopLabelStackSection octetArray
71 mplsLabelStackSection2 octetArray
72 mplsLabelStackSection3 octetArray
73 mplsLabelStackSection4 octetArray
74 mplsLabelStackSection5 octetArray
75 mplsLabelStackSection6 octetArray
76 mplsLabelStackSection7 octetArray
77 mplsLabelStackSection8 octetArray
78 mplsLabelStackSection9 octetArray
79 mplsLabelStackSection10 octetArray
80 destinationMacAddress macAddress
81 postSourceMacAddress macAddress
82 interfaceName string
83 interfaceDescription string
84 samplerName string
85 octetTotalCount unsigned64
86 packetTotalCount unsigned64
87 flagsAndSamplerId unsigned32
88 fragmentOffset unsigned16
89 forwardingStatus unsigned32
90 mplsVpnRouteDistinguisher octetArray
91 mplsTopLabelPrefixLength unsigned8
92 srcTrafficIndex unsigned32
93 dstTrafficIndex unsigned32
94 applicationDescription string
95 applicationId octetArray
96 applicationName string
98 postIpDiffServCodePoint unsigned8
99 multicastReplicationFactor unsigned32
100 className string
101 classificationEngineId unsigned8
102 layer2packetSectionOffset unsigned16
103 layer2packetSectionSize unsigned16
104 layer2packetSectionData octetArray
`;

function read(name: string): DefinitionFile {
  return JSON.parse(texts.get(name) ?? 'null') as DefinitionFile;
}

describe.each(names)('%s', (name) => {
  const content = read(name);
  const validate = new Ajv({ allErrors: true }).compile(DEFINITION_FILE_SCHEMA);

  it('has the form of a definition file', () => {
    validate(content);
    expect(validate.errors ?? []).toEqual([]);
  });

  it('has each number once, in order', () => {
    const ids = content.elements.map(({ id }) => id);
    expect(ids).toEqual([...new Set(ids)].sort((a, b) => a - b));
  });

  it('has each name once, whichever spelling', () => {
    const seen = content.elements.flatMap((element) => [
      element.name,
      ...(element.ntopName === undefined ? [] : [element.ntopName]),
      ...(element.aliases ?? []),
    ]);
    expect(seen.filter((spelling, index) => seen.indexOf(spelling) !== index)).toEqual([]);
  });

  it('has one element a line', () => {
    const lines = texts.get(name)?.split('\n') ?? [];
    const elementLines = lines.filter((line) => line.startsWith('    {"id": '));
    expect(elementLines.length).toBe(content.elements.length + (content.scopes?.length ?? 0));
  });

  it('names documents as its source, not a place on a disk', () => {
    expect(content.source.length).toBeGreaterThan(10);
    expect(content.source).not.toMatch(/(^|\s)[./]*\/\w/);
  });

  it('has numbers IPFIX can carry, but for version 9 field types', () => {
    const largest = content.elements.at(-1)?.id ?? 0;
    expect(largest).toBeLessThanOrEqual(content.netflow9Only === true ? 65535 : 32767);
  });
});

describe('the files together', () => {
  it('have an enterprise each', () => {
    const numbers = names.map(read).filter((file) => file.netflow9Only !== true);
    expect(new Set(numbers.map((file) => file.enterpriseNumber)).size).toBe(numbers.length);
  });

  it('give version 9 field types of its own no number that IANA has', () => {
    const iana = new Set(read('iana.json').elements.map(({ id }) => id));
    expect(read('netflow9.json').elements.filter(({ id }) => iana.has(id))).toEqual([]);
  });

  // Private Enterprise Numbers as IANA's registry has them.
  it.each([
    ['ntop.json', 35632, 57472],
    ['cisco.json', 9, 32768],
    ['vmware.json', 6876, undefined],
    ['netscaler.json', 5951, undefined],
    ['cert.json', 6871, undefined],
    ['cesnet.json', 8057, undefined],
    ['flowmon.json', 39499, undefined],
    ['muni.json', 16982, undefined],
    ['viptela.json', 41916, undefined],
    ['barracuda.json', 10704, undefined],
    ['ixia.json', 3054, undefined],
    ['gigamon.json', 26866, undefined],
    ['iana.json', 0, undefined],
  ])('%s is of enterprise %i, version 9 offset %s', (name, enterpriseNumber, offset) => {
    expect(read(name).enterpriseNumber).toBe(enterpriseNumber);
    expect(read(name).netflow9Offset).toBe(offset);
  });
});

describe('enterprise elements seen in captures', () => {
  // Open vSwitch's ovs-vswitchd.conf.db(5), YAF's element table, Cisco's AVC guide, logstash-codec-netflow's captures.
  it.each([
    [6876, 892, 'tunnelKey', 'octetArray'],
    [6876, 893, 'tunnelSourceIPv4Address', 'ipv4Address'],
    [6876, 898, 'virtualObsID', 'string'],
    [6871, 40, 'flowAttributes', 'unsigned16'],
    [6871, 16424, 'reverseFlowAttributes', 'unsigned16'],
    [6871, 33, 'silkAppLabel', 'unsigned16'],
    [6871, 553, 'certToolId', 'unsigned32'],
    [9, 12239, 'serverIPv6Address', 'ipv6Address'],
    [9, 9252, 'servicesWaasSegment', 'unsigned8'],
    [5951, 128, 'roundTripTime', 'unsigned32'],
    [41916, 4321, 'viptelaVPNId', 'unsigned64'],
    [10704, 8, 'barracudaBindIPv4Address', 'ipv4Address'],
    [3054, 194, 'ixiaThreatIPv6', 'ipv6Address'],
    [26866, 204, 'gigamonDnsQueryName', 'string'],
    [637, 93, 'aluNatSubString', 'string'],
  ])('%i.%i is %s, %s', (enterpriseNumber, id, name, type) => {
    expect(registry.find(enterpriseNumber, id)).toMatchObject({ name, type });
  });
});

describe('iana.json', () => {
  it('has every number to 529 but the unassigned', () => {
    const unassigned = new Set([65, 66, 67, 68, 69, 97, 416, 419]);
    for (let id = 105; id <= 127; id++) unassigned.add(id);
    const expected = [];
    for (let id = 1; id <= 529; id++) if (!unassigned.has(id)) expected.push(id);
    expect(read('iana.json').elements.map(({ id }) => id)).toEqual(expected);
    expect(expected).toHaveLength(498);
  });

  it('agrees with the numbers that version 9 and IPFIX share (RFC 7012 section 4.1, IANA registry)', () => {
    const held = read('iana.json').elements.filter(({ id }) => id < 128);
    expect(held.map(({ id, name, type }) => `${id} ${name} ${type}`)).toEqual(SHARED_NUMBERS.trim().split('\n'));
  });

  // Elements of each type, as the RFCs that define them have them.
  it.each([
    [4, 'protocolIdentifier', 'unsigned8', 'identifier', 'none'],
    [6, 'tcpControlBits', 'unsigned16', 'flags', 'none'],
    [22, 'flowStartSysUpTime', 'unsigned32', 'default', 'milliseconds'],
    [27, 'sourceIPv6Address', 'ipv6Address', 'default', 'none'],
    [56, 'sourceMacAddress', 'macAddress', 'default', 'none'],
    [85, 'octetTotalCount', 'unsigned64', 'totalCounter', 'octets'],
    [95, 'applicationId', 'octetArray', 'default', 'none'],
    [150, 'flowStartSeconds', 'dateTimeSeconds', 'default', 'seconds'],
    [153, 'flowEndMilliseconds', 'dateTimeMilliseconds', 'default', 'milliseconds'],
    [154, 'flowStartMicroseconds', 'dateTimeMicroseconds', 'default', 'microseconds'],
    [157, 'flowEndNanoseconds', 'dateTimeNanoseconds', 'default', 'nanoseconds'],
    [276, 'dataRecordsReliability', 'boolean', 'default', 'none'],
    [291, 'basicList', 'basicList', 'list', 'none'],
    [292, 'subTemplateList', 'subTemplateList', 'list', 'none'],
    [293, 'subTemplateMultiList', 'subTemplateMultiList', 'list', 'none'],
    [311, 'samplingProbability', 'float64', 'quantity', 'none'],
    [434, 'mibObjectValueInteger', 'signed32', 'quantity', 'none'],
    [515, 'ipv6ExtensionHeadersFull', 'unsigned256', 'flags', 'none'],
    [520, 'tcpOptionsFull', 'unsigned256', 'flags', 'none'],
    [525, 'udpSafeOptions', 'unsigned256', 'flags', 'none'],
  ])('%i is %s', (id, name, type, semantics, units) => {
    expect(registry.find(0, id)).toMatchObject({ name, type, semantics, units });
  });

  // RFC 3954 section 8, its own spellings.
  it.each(
    Object.entries({
      IN_BYTES: 1,
      IN_PKTS: 2,
      FLOWS: 3,
      PROTOCOL: 4,
      TOS: 5,
      TCP_FLAGS: 6,
      L4_SRC_PORT: 7,
      IPV4_SRC_ADDR: 8,
      SRC_MASK: 9,
      INPUT_SNMP: 10,
      L4_DST_PORT: 11,
      IPV4_DST_ADDR: 12,
      DST_MASK: 13,
      OUTPUT_SNMP: 14,
      IPV4_NEXT_HOP: 15,
      SRC_AS: 16,
      DST_AS: 17,
      BGP_IPV4_NEXT_HOP: 18,
      MUL_DST_PKTS: 19,
      MUL_DST_BYTES: 20,
      LAST_SWITCHED: 21,
      FIRST_SWITCHED: 22,
      OUT_BYTES: 23,
      OUT_PKTS: 24,
      IPV6_SRC_ADDR: 27,
      IPV6_DST_ADDR: 28,
      IPV6_SRC_MASK: 29,
      IPV6_DST_MASK: 30,
      IPV6_FLOW_LABEL: 31,
      ICMP_TYPE: 32,
      MUL_IGMP_TYPE: 33,
      SAMPLING_INTERVAL: 34,
      SAMPLING_ALGORITHM: 35,
      FLOW_ACTIVE_TIMEOUT: 36,
      FLOW_INACTIVE_TIMEOUT: 37,
      ENGINE_TYPE: 38,
      ENGINE_ID: 39,
      TOTAL_BYTES_EXP: 40,
      TOTAL_PKTS_EXP: 41,
      TOTAL_FLOWS_EXP: 42,
      MPLS_TOP_LABEL_TYPE: 46,
      MPLS_TOP_LABEL_IP_ADDR: 47,
      FLOW_SAMPLER_ID: 48,
      FLOW_SAMPLER_MODE: 49,
      FLOW_SAMPLER_RANDOM_INTERVAL: 50,
      DST_TOS: 55,
      SRC_MAC: 56,
      DST_MAC: 57,
      SRC_VLAN: 58,
      DST_VLAN: 59,
      IP_PROTOCOL_VERSION: 60,
      DIRECTION: 61,
      IPV6_NEXT_HOP: 62,
      BGP_IPV6_NEXT_HOP: 63,
      IPV6_OPTION_HEADERS: 64,
      MPLS_LABEL_1: 70,
      MPLS_LABEL_2: 71,
      MPLS_LABEL_9: 78,
      MPLS_LABEL_10: 79,
    }),
  )('%s is field type %i (RFC 3954 section 8)', (name, id) => {
    expect(registry.findByName(name)).toMatchObject({ enterpriseNumber: 0, id });
    expect(registry.findNetflow9(id)).toBe(registry.findByName(name));
  });

  // The spelling ntopng writes and reads, which may differ from RFC 3954's.
  it.each([
    [5, 'SRC_TOS'],
    [9, 'IPV4_SRC_MASK'],
    [18, 'BGP_IPV4_NEXT_HOP'],
    [56, 'IN_SRC_MAC'],
    [57, 'OUT_DST_MAC'],
    [80, 'IN_DST_MAC'],
    [81, 'OUT_SRC_MAC'],
    [128, 'BGP_NEXT_ADJACENT_ASN'],
    [129, 'BGP_PREV_ADJACENT_ASN'],
    [130, 'EXPORTER_IPV4_ADDRESS'],
    [136, 'FLOW_END_REASON'],
    [152, 'FLOW_START_MILLISECONDS'],
    [153, 'FLOW_END_MILLISECONDS'],
    [225, 'POST_NAT_SRC_IPV4_ADDR'],
    [228, 'POST_NAPT_DST_TRANSPORT_PORT'],
    [231, 'INITIATOR_OCTETS'],
    [234, 'INGRESS_VRFID'],
    [243, 'DOT1Q_SRC_VLAN'],
    [254, 'DOT1Q_DST_VLAN'],
    [299, 'RESPONDER_PKTS'],
  ])('%i is written as %s', (id, ntopName) => {
    expect(registry.find(0, id)?.ntopName).toBe(ntopName);
  });
});

describe('ntop.json', () => {
  it('has all 409 elements', () => {
    expect(read('ntop.json').elements).toHaveLength(409);
  });

  // Process and container elements as nProbe's documentation, ntopng's header and ntop's 2014 article number them.
  it.each([
    [168, 'SRC_PROC_PID', 'unsigned32'],
    [169, 'SRC_PROC_NAME', 'string'],
    [425, 'SRC_PROC_UID', 'unsigned32'],
    [372, 'SRC_PROC_USER_NAME', 'string'],
    [373, 'SRC_FATHER_PROC_PID', 'unsigned32'],
    [374, 'SRC_FATHER_PROC_NAME', 'string'],
    [564, 'SRC_FATHER_PROC_UID', 'unsigned32'],
    [565, 'SRC_FATHER_PROC_USER_NAME', 'string'],
    [561, 'SRC_FATHER_PROC_PKG_NAME', 'string'],
    [540, 'SRC_PROC_PKG_NAME', 'string'],
    [556, 'SRC_PROC_CMDLINE', 'string'],
    [558, 'SRC_PROC_CONTAINER_ID', 'string'],
    [375, 'DST_PROC_PID', 'unsigned32'],
    [376, 'DST_PROC_NAME', 'string'],
    [426, 'DST_PROC_UID', 'unsigned32'],
    [377, 'DST_PROC_USER_NAME', 'string'],
    [378, 'DST_FATHER_PROC_PID', 'unsigned32'],
    [379, 'DST_FATHER_PROC_NAME', 'string'],
    [567, 'DST_FATHER_PROC_UID', 'unsigned32'],
    [568, 'DST_FATHER_PROC_USER_NAME', 'string'],
    [563, 'DST_FATHER_PROC_PKG_NAME', 'string'],
    [541, 'DST_PROC_PKG_NAME', 'string'],
    [557, 'DST_PROC_CMDLINE', 'string'],
    [559, 'DST_PROC_CONTAINER_ID', 'string'],
    [383, 'SRC_PROC_ACTUAL_MEMORY', 'unsigned32'],
    [384, 'SRC_PROC_PEAK_MEMORY', 'unsigned32'],
    [385, 'SRC_PROC_AVERAGE_CPU_LOAD', 'unsigned32'],
    [386, 'SRC_PROC_NUM_PAGE_FAULTS', 'unsigned32'],
    [393, 'SRC_PROC_PCTG_IOWAIT', 'unsigned32'],
    [387, 'DST_PROC_ACTUAL_MEMORY', 'unsigned32'],
    [388, 'DST_PROC_PEAK_MEMORY', 'unsigned32'],
    [389, 'DST_PROC_AVERAGE_CPU_LOAD', 'unsigned32'],
    [390, 'DST_PROC_NUM_PAGE_FAULTS', 'unsigned32'],
    [394, 'DST_PROC_PCTG_IOWAIT', 'unsigned32'],
  ])('%i is %s, %s, in IPFIX and, 57472 above, in version 9', (id, name, type) => {
    expect(registry.find(35632, id)).toMatchObject({ name, type });
    expect(registry.findNetflow9(57472 + id)).toBe(registry.find(35632, id));
    expect(registry.findByName(name)).toBe(registry.find(35632, id));
  });

  it.each([562, 566])('%i is not assigned', (id) => {
    expect(registry.find(35632, id)).toBeUndefined();
  });
});

const wireshark = wiresharkTables();

describe.skipIf(wireshark.size === 0)('Wireshark', () => {
  const sameLetters = (text: string) => text.toLowerCase().replaceAll(/[^a-z0-9]/g, '');
  const rows = (table: string) => wireshark.get(`cflow.${table}`) ?? [];

  it('calls IANA elements the same, where it uses their names', () => {
    // IANA renamed these in 2014 (collector… of the exporting side), and Wireshark marks 416 and 419 as withdrawn.
    const renamed = new Set([213, 214, 215, 416, 419]);
    const compared = rows('template_ipfix_field_type').filter(
      ([id, name]) => id < 500 && !renamed.has(id) && /^[a-z]/.test(name) && !name.includes('_'),
    );
    expect(compared.length).toBeGreaterThan(300);
    for (const [id, name] of compared) {
      expect([id, sameLetters(registry.find(0, id)?.name ?? '')]).toEqual([id, sameLetters(name)]);
    }
  });

  it('calls ntop elements the same, or by a name that is an alias', () => {
    // 427 has the name that nProbe prints for IANA's 96, and the standard element keeps it.
    const compared = rows('template_ntop_field_type').filter(([, name]) => name !== 'APPLICATION_NAME');
    expect(compared.length).toBeGreaterThan(300);
    for (const [number, name] of compared) {
      const id = number >= 57472 ? number - 57472 : number;
      expect([name, registry.findByName(name)?.id, registry.find(35632, id)?.id]).toEqual([name, id, id]);
    }
  });

  it('knows no NetScaler or Cisco element that is missing here', () => {
    for (const [id] of rows('template_netscaler_field_type'))
      expect([id, registry.find(5951, id)]).not.toContain(undefined);
    for (const [id] of rows('template_cisco_field_type')) expect([id, registry.find(9, id)]).not.toContain(undefined);
  });

  it('has the same scope types', () => {
    expect(rows('scope_field_type').map(([id]) => id)).toEqual([1, 2, 3, 4, 5]);
  });
});

/** Wireshark's value tables by field name, empty (and said so) where tshark is not installed. */
function wiresharkTables(): Map<string, [number, string][]> {
  const tables = new Map<string, [number, string][]>();
  let output = '';
  try {
    output = execFileSync('tshark', ['-G', 'values'], {
      maxBuffer: 2 ** 28,
      stdio: ['ignore', 'pipe', 'ignore'],
    }).toString();
  } catch {
    console.log('skipped: comparison with Wireshark, since tshark does not run here');
  }
  for (const line of output.split('\n')) {
    const [kind, field, value, text] = line.split('\t');
    if (kind !== 'V' || !field?.startsWith('cflow.')) continue;
    const rows = tables.get(field) ?? [];
    rows.push([Number(value), text ?? '']);
    tables.set(field, rows);
  }
  return tables;
}
