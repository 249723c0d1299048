import { describe, expect, it } from 'vitest';
import type { PlainRecord, PlainValue } from '../../src/flow/flow.ts';
import { Origin } from '../../src/flow/origin.ts';
import {
  counterMessages,
  eventMessage,
  interfaceName,
  optionMessage,
  templateMessage,
} from '../../src/sink/formats/ntopng-topics.ts';

function record(recordType: PlainRecord['recordType'], values: Record<string, PlainValue>): PlainRecord {
  const origin = Object.assign(new Origin(), { exporterAddress: '192.0.2.1' });
  return { recordType, origin, values, ianaValues: values };
}

const PROBE = {
  version: 'flowrelay 1',
  hostName: `host${'x'.repeat(40)}`,
  operatingSystem: 'Linux',
  address: '198.51.100.1',
  sourceId: 77,
};

const TOTALS = {
  octets: 1000,
  packets: 30,
  flows: 25,
  octetsPerSecond: 100,
  packetsPerSecond: 3,
  flowsDropped: 6,
  endpoints: 2,
};

describe('event', () => {
  const event = JSON.parse(
    eventMessage(
      {
        netflowFlows: 10,
        sflowSamples: 20,
        sflowDrops: 3,
        collectionDrops: 4,
        socketDrops: 5,
        collectionPort: 2055,
        exporters: [
          { address: '192.0.2.1', lastSeenSeconds: 1_700_000_000, netflowFlows: 10, sflowFlows: 0, drops: 1 },
          { address: '2001:db8::1', lastSeenSeconds: 1, netflowFlows: 1, sflowFlows: 0, drops: 1 },
        ],
      },
      TOTALS,
      PROBE,
      1_700_000_123_999,
      32_000,
      () => 99,
    ),
  );

  it.each([32_000, 131_072])('tells of the Exporters heard last in at most %d octets', (maxOctets) => {
    const exporters = Array.from({ length: 2000 }, (_, i) => ({
      address: `100.100.${100 + Math.floor(i / 100)}.${100 + (i % 100)}`,
      lastSeenSeconds: 1_700_000_000 + i,
      netflowFlows: 2 ** 50,
      sflowFlows: 2 ** 50,
      drops: 2 ** 50,
    }));
    const status = {
      netflowFlows: 2 ** 50,
      sflowSamples: 2 ** 50,
      sflowDrops: 2 ** 50,
      collectionDrops: 2 ** 50,
      socketDrops: 2 ** 50,
      collectionPort: 65_535,
      exporters,
    };
    const text = eventMessage(status, TOTALS, PROBE, 1_700_000_123_999, maxOctets, () => 0xffff_ffff);
    expect(Buffer.byteLength(text)).toBeLessThanOrEqual(maxOctets);
    expect(Buffer.byteLength(text)).toBeGreaterThan(maxOctets - 3000);
    const listed = Object.keys(JSON.parse(text).flow_collection.exporters);
    const last = exporters.slice(-listed.length).map(({ address }) => address);
    expect(listed).toEqual(last.toReversed());
  });

  it('has names and types that ntopng reads', () => {
    expect(event).toEqual({
      iface: { name: expect.any(String), speed: expect.any(Number), ip: '198.51.100.1' },
      mode: expect.not.stringMatching(/^packet_collection$/),
      probe: {
        ip: '198.51.100.1',
        public_ip: '198.51.100.1',
        version: 'flowrelay 1',
        osname: 'Linux',
        license: expect.any(String),
        edition: expect.any(String),
        maintenance: expect.any(String),
        uuid: expect.stringMatching(/^.{1,35}$/),
        uuid_num: 77,
        unique_source_id: 77,
      },
      time: 1_700_000_123,
      bytes: 1000,
      packets: 30,
      packet_drops: 5,
      avg: { bps: 800, pps: 3 },
      timeout: { lifetime: 300, idle: 60, collected_lifetime: 300 },
      drops: {
        export_queue_full: 6,
        too_many_flows: 0,
        elk_flow_drops: 0,
        sflow_pkt_sample_drops: 3,
        flow_collection_drops: 4,
        flow_collection_udp_socket_drops: 5,
      },
      flow_collection: {
        nf_ipfix_flows: 10,
        sflow_samples: 20,
        collection_port: 2055,
        exporters: {
          '192.0.2.1': {
            time_last_flow: 1_700_000_000,
            num_sflow_flows: 0,
            num_netflow_ipfix_flows: 10,
            num_drops: 1,
            unique_source_id: 99,
          },
        },
      },
      zmq: { num_flow_exports: 25, num_exporters: 2, num_zmq_exporters: 2 },
    });
    expect(event.iface.name.length).toBeLessThanOrEqual(31);
  });
});

describe('template', () => {
  const rows = JSON.parse(templateMessage()) as {
    PEN: number;
    field: number;
    name: string;
    len: number;
    format: string;
    descr: string;
  }[];
  const find = (name: string) => rows.find((row) => row.name === name);

  it('has the names without which ntopng warns', () => {
    const expected: Record<string, number> = {
      FIRST_SWITCHED: 22,
      LAST_SWITCHED: 21,
      L4_SRC_PORT: 7,
      L4_DST_PORT: 11,
      IP_PROTOCOL_VERSION: 60,
      PROTOCOL: 4,
      IN_BYTES: 1,
      IN_PKTS: 2,
      OUT_BYTES: 23,
      OUT_PKTS: 24,
    };
    for (const [name, field] of Object.entries(expected)) expect(find(name)).toMatchObject({ PEN: 0, field });
  });

  it('tells the names ntopng does not know by itself', () => {
    expect(find('CLIENT_TCP_FLAGS')).toMatchObject({ PEN: 35_632, field: 78 });
    expect(find('SERVER_TCP_FLAGS')).toMatchObject({ PEN: 35_632, field: 79 });
    expect(find('APPL_LATENCY_MS')).toMatchObject({ PEN: 35_632, field: 125 });
    expect(find('SRC_PROC_CONTAINER_ID')).toMatchObject({ PEN: 35_632, field: 558 });
  });

  it('fits any ntopng, with one row for a number and one for a name', () => {
    expect(Buffer.byteLength(templateMessage())).toBeLessThan(32_768);
    expect(new Set(rows.map(({ PEN, field }) => `${PEN}.${field}`)).size).toBe(rows.length);
    expect(new Set(rows.map(({ name }) => name)).size).toBe(rows.length);
    for (const row of rows) {
      expect(row).toEqual({
        PEN: expect.any(Number),
        field: expect.any(Number),
        name: expect.stringMatching(/^[A-Z0-9_]+$/),
        len: expect.any(Number),
        format: expect.any(String),
        descr: expect.any(String),
      });
    }
  });
});

describe('counter', () => {
  const counters = {
    ifIndex: 3,
    ifType: 6,
    ifSpeed: 10_000_000_000,
    ifDirection: 1,
    ifStatus: 1,
    ifInOctets: 2n ** 60n,
    ifInUcastPkts: 10,
    ifInMulticastPkts: 0xffff_ffff,
    ifInBroadcastPkts: 5,
    ifInDiscards: 1,
    ifInErrors: 2,
    ifInUnknownProtos: 0,
    ifOutOctets: 7,
    ifOutUcastPkts: 1,
    ifOutMulticastPkts: 2,
    ifOutBroadcastPkts: 3,
    ifOutDiscards: 0,
    ifOutErrors: 4,
    ifPromiscuousMode: 2,
  };

  it('has names and types that ntopng reads', () => {
    const values = { SFLOW_SAMPLE_SEQUENCE_NUMBER: 12, if_counters: counters, port_name: { name: 'Gi0/3' } };
    expect(counterMessages(record('counters', values)).map((text) => JSON.parse(text))).toEqual([
      {
        deviceIP: 3_221_225_985,
        samplesGenerated: 12,
        ifIndex: 3,
        ifName: 'Gi0/3',
        ifType: 6,
        ifSpeed: 4_294_967_295,
        ifDirection: 'Full',
        ifAdminStatus: 'Up',
        ifOperStatus: 'Down',
        ifInOctets: 2 ** 60,
        ifInPackets: 15,
        ifInErrors: 2,
        ifOutOctets: 7,
        ifOutPackets: 6,
        ifOutErrors: 4,
        ifPromiscuousMode: 0,
      },
    ]);
  });

  it.each([
    [0, 'Down', 'Down'],
    [1, 'Up', 'Down'],
    [2, 'Down', 'Up'],
    [3, 'Up', 'Up'],
  ])('has status %i as %s, %s', (ifStatus, ifAdminStatus, ifOperStatus) => {
    const [text] = counterMessages(record('counters', { if_counters: { ...counters, ifStatus } }));
    expect(JSON.parse(text!)).toMatchObject({ ifAdminStatus, ifOperStatus });
  });

  it('is left out without interface counters', () => {
    expect(counterMessages(record('counters', { processor: { '5s_cpu': 1 } }))).toEqual([]);
    expect(counterMessages(record('counters', { if_counters: 'x' }))).toEqual([]);
  });
});

describe('option and snmp-ifaces', () => {
  it('name applications', () => {
    const text = optionMessage(record('options', { applicationId: '13:453', applicationName: 'skype' }));
    expect(JSON.parse(text!)).toEqual({ PEN: 0, field: 95, value: 13 * 2 ** 24 + 453, map: { name: 'skype' } });
  });

  it.each([{}, { applicationId: '13:453' }, { applicationName: 'x' }, { applicationId: 'ff', applicationName: 'x' }])(
    'say nothing of %j',
    (values) => expect(optionMessage(record('options', values))).toBeUndefined(),
  );

  it('name interfaces', () => {
    expect(interfaceName(record('options', { ingressInterface: 3, interfaceName: 'Gi0/3' }))).toEqual([3, 'Gi0/3']);
    expect(interfaceName(record('options', { SCOPE_INTERFACE: 4, interfaceDescription: 'up' }))).toEqual([4, 'up']);
    expect(interfaceName(record('options', { ingressInterface: 3 }))).toBeUndefined();
  });
});
