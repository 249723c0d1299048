/**
 * A stock ntopng that writes its own series to a real InfluxDB, and ours of the same flows beside them: what dashboards made
 * for one find in the other.
 */

import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { isDeepStrictEqual } from 'node:util';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { SCHEMA_BY_NAME } from '../../src/series/schema.ts';
import { ethernet, ipv4, pcap, udp } from '../support/capture-builder.ts';
import { skipVisibly } from '../support/conformance-capture.ts';
import { freePorts } from '../support/free-port.ts';
import { InfluxServer } from '../support/influxdb.ts';
import { dataSet, message, templateSet, VARIABLE } from '../support/ipfix-message.ts';
import { hasProgram } from '../support/lab.ts';
import { Ntopng, ntopngObstacle } from '../support/ntopng.ts';
import { FLOW_FIELDS, flowOctets, ntop, variableText } from '../support/ntopng-exports.ts';
import { buildProgram, RunningProgram, runProgram } from '../support/program.ts';
import { UdpExporter } from '../support/udp-exporter.ts';
import { joined, type Octets, u16, u32 } from '../support/wire-octets.ts';

/** Flows, each of one connection from 10.1.0.1, 10.1.0.2 or 10.1.0.3, a local host, to 10.2.0.x, a remote one. */
const FLOWS = 12;
const LOCAL = '10.1.0.0/16';
const CLIENT = 'c11e27c0ffee';
const SERVER = '5e12be7a11ed';
/** Number of TLS in nDPI. */
const TLS = 91;

/** Application by name and number, container of each end, and half round-trip times of client and server. */
const TEMPLATE = templateSet(300, [
  ...FLOW_FIELDS,
  [96, VARIABLE],
  ntop(118, 2),
  ntop(558, VARIABLE),
  ntop(559, VARIABLE),
  ntop(123, 4),
  ntop(124, 4),
]);

function exported(index: number): Octets {
  const record = joined(
    flowOctets({ host: 1 + (index % 3), ports: [40_000 + index, 443] }),
    variableText('TLS'),
    u16(TLS),
    variableText(CLIENT),
    variableText(SERVER),
    u32(4),
    u32(6),
  );
  return message([TEMPLATE, dataSet(300, record)], { exportTime: Math.floor(Date.now() / 1000), sequence: index });
}

/** Measurements that both write of these flows. */
const SHARED = [
  'container:num_flows',
  'container:rtt',
  'host:active_flows',
  'host:contacts',
  'host:l4protos',
  'host:ndpi',
  'host:tcp_packets',
  'host:total_flows',
  'host:traffic',
  'iface:flows',
  'iface:hosts',
  'iface:l4protos',
  'iface:local2remote',
  'iface:local_hosts',
  'iface:new_flows',
  'iface:remote2local',
  'iface:throughput_bps',
  'iface:throughput_pps',
  'iface:traffic',
  'iface:traffic_ip',
  'iface:traffic_rxtx',
  'subnet:traffic',
];

/** What ntopng writes of these flows, and we of others: zeros of what there is none of, and what no element tells. */
const ONLY_NTOPNG = [
  // ntopng has one AS, 0, for all whose AS it does not know.
  'asn:tcp_out_of_order',
  'asn:tcp_retransmissions',
  'asn:traffic',
  'asn:traffic_rcvd',
  'asn:traffic_sent',
  'container:rtt_variance',
  'host:echo_packets',
  'host:echo_reply_packets',
  'host:tcp_rx_stats',
  'host:tcp_tx_stats',
  'host:udp_pkts',
  'host:udp_sent_unicast',
  'subnet:broadcast_traffic',
  'subnet:tcp_out_of_order',
  'subnet:tcp_retransmissions',
];

/** Those of TCP are ntopng's only until it sees a container. */
function isSteady(measurement: string): boolean {
  return !measurement.startsWith('iface:tcp_');
}

/** Octets and packets of 4 flows each, one of three hosts' (see `flowOctets`). */
const OF_A_HOST = { sent: 4 * 12_345, rcvd: 4 * 54_321, packetsSent: 4 * 20, packetsRcvd: 4 * 40 };

/** Values that are the same in both once all flows are counted: measurement, further condition, and fields. */
const SAME: readonly (readonly [string, string, Readonly<Record<string, number>>])[] = [
  ['iface:traffic', '', { bytes: FLOWS * 66_666 }],
  ['iface:traffic_rxtx', '', { bytes_sent: FLOWS * 12_345, bytes_rcvd: FLOWS * 54_321 }],
  ['iface:traffic_ip', '', { bytes_ipv4: FLOWS * 66_666, bytes_ipv6: 0 }],
  ['iface:l4protos', `"l4proto" = 'tcp'`, { bytes: FLOWS * 66_666 }],
  ['iface:local2remote', '', { bytes: FLOWS * 12_345 }],
  ['iface:remote2local', '', { bytes: FLOWS * 54_321 }],
  ['iface:new_flows', '', { new_flows: FLOWS }],
  ['subnet:traffic', `"subnet" = '${LOCAL}'`, { bytes_egress: FLOWS * 12_345, bytes_ingress: FLOWS * 54_321 }],
  ...['10.1.0.1', '10.1.0.2', '10.1.0.3'].flatMap((host) => {
    const octets = { bytes_sent: OF_A_HOST.sent, bytes_rcvd: OF_A_HOST.rcvd };
    const packets = { packets_sent: OF_A_HOST.packetsSent, packets_rcvd: OF_A_HOST.packetsRcvd };
    const flows = { flows_as_client: FLOWS / 3, flows_as_server: 0 };
    const condition = `"host" = '${host}'`;
    return [
      ['host:traffic', condition, octets],
      ['host:l4protos', `${condition} AND "l4proto" = 'tcp'`, octets],
      ['host:ndpi', `${condition} AND "protocol" = 'TLS'`, octets],
      ['host:tcp_packets', condition, packets],
      ['host:total_flows', condition, flows],
      ['host:active_flows', condition, flows],
      ['host:contacts', condition, { num_as_client: 1, num_as_server: 0 }],
    ] as const;
  }),
];

/** Of ntopng's schemas. */
const HOST_STEP_SECONDS = 300;

/** Gauges of the minute in which all flows were. */
const SAME_IN_THE_MINUTE: typeof SAME = [
  ['iface:flows', '', { num_flows: FLOWS }],
  ['iface:hosts', '', { num_hosts: 6 }],
  ['iface:local_hosts', '', { num_hosts: 3 }],
  ['container:num_flows', `"container" = '${CLIENT}'`, { as_client: FLOWS, as_server: 0 }],
  ['container:num_flows', `"container" = '${SERVER}'`, { as_client: 0, as_server: FLOWS }],
];

const obstacle = ntopngObstacle() ?? (hasProgram('influxd') ? undefined : 'there is no influxd');
const DATABASES = { ntopng: 'ntopng', ours: 'flowrelay' } as const;

if (obstacle !== undefined) skipVisibly(obstacle);
else
  describe('series of ntopng and ours, of the same flows', () => {
    let server: InfluxServer;
    let ntopng: Ntopng;
    let folder = '';
    /** End of the minute in which the flows were, seconds. */
    let minute = 0;

    /** Names and what `statement` lists of each, in order of names. */
    async function keys(statement: string): Promise<Map<string, string[]>> {
      const series = await server.series(statement);
      return new Map(series.map(({ name, values }) => [name, values.map((row) => row.join(' ')).sort()]));
    }

    /** The last point of a series, seconds and fields by name; undefined where there is none. */
    async function last(
      database: string,
      [measurement, condition, fields]: (typeof SAME)[number],
      times = '',
    ): Promise<{ seconds: number; values: Record<string, unknown> } | undefined> {
      const names = Object.keys(fields);
      const where = [`"ifid" = '0'`, condition, times].filter((part) => part !== '').join(' AND ');
      const columns = names.map((name) => `"${name}"`).join(', ');
      const rows = await server.query(
        `SELECT ${columns} FROM "${database}".."${measurement}" WHERE ${where} ORDER BY time DESC LIMIT 1`,
      );
      const [row] = rows;
      if (row === undefined) return undefined;
      return {
        seconds: Number(row[0]) / 1e9,
        values: Object.fromEntries(names.map((name, i) => [name, row[i + 1]])),
      };
    }

    /** The values written last, once they are those wanted: ntopng writes in turns of its own; at most 15 s. */
    async function settled(database: string, wanted: (typeof SAME)[number], times = ''): ReturnType<typeof last> {
      const isThere = async () => isDeepStrictEqual((await last(database, wanted, times))?.values, wanted[2]);
      for (let tries = 0; tries < 30 && !(await isThere()); tries++) await sleep(500);
      return last(database, wanted, times);
    }

    beforeAll(async () => {
      buildProgram();
      folder = mkdtempSync(join(tmpdir(), 'flowrelay-ntopng-series-'));
      server = await InfluxServer.start();
      // Its start script takes the server from here.
      vi.stubEnv('INFLUXDB', server.url);
      const [port] = await freePorts(1);
      const endpoint = `tcp://127.0.0.1:${port}c`;
      ntopng = await Ntopng.start(endpoint, '-m', LOCAL);
      for (const [name, value] of [
        ['hosts_ts_creation', 'full'],
        ['host_ndpi_timeseries_creation', 'per_protocol'],
        ['asn_rrd_creation', '1'],
      ]) {
        ntopng.redis('set', `ntopng.prefs.${name}`, value!);
      }
      const program = await RunningProgram.collect([
        ...['--json', '/dev/null', '--zmq', endpoint, '--local-networks', LOCAL],
        ...['--influxdb', server.url, '--influxdb-database', DATABASES.ours],
      ]);
      await program.logged('zmq_subscriber_present');
      // All flows, and what ntopng makes of them, within one minute.
      const second = (Date.now() / 1000) % 60;
      if (second < 8 || second > 40) await sleep((((68 - second) % 60) + 0.5) * 1000);
      minute = Math.ceil(Date.now() / 60_000) * 60;
      const exporter = await UdpExporter.open(program.port);
      for (let index = 0; index < FLOWS; index++) {
        await exporter.send(exported(index));
        await sleep(100);
      }
      await exporter.close();
      // What it writes last is there; before, there may be no database.
      const written = async () =>
        (await server.number(`SELECT count("bytes") FROM "asn:traffic_rcvd" WHERE time >= ${minute}s`)) > 0;
      await ntopng.until(written, 'points of the minute', 110_000);
      expect((await program.stop()).code).toBe(0);
    }, 240_000);

    afterAll(async () => {
      vi.unstubAllEnvs();
      await ntopng?.stop();
      await server?.close();
      rmSync(folder, { recursive: true, force: true });
    });

    it('have the same measurements, tags, fields and types', async () => {
      const [theirs, ours] = [
        await keys(`SHOW FIELD KEYS ON "${DATABASES.ntopng}"`),
        await keys(`SHOW FIELD KEYS ON "${DATABASES.ours}"`),
      ];
      const [theirTags, ourTags] = [
        await keys(`SHOW TAG KEYS ON "${DATABASES.ntopng}"`),
        await keys(`SHOW TAG KEYS ON "${DATABASES.ours}"`),
      ];
      const shared = [...theirs.keys()].filter((name) => ours.has(name)).sort();
      expect(shared.filter(isSteady)).toEqual(SHARED);
      for (const name of shared) {
        expect([name, ours.get(name), ourTags.get(name)]).toEqual([name, theirs.get(name), theirTags.get(name)]);
      }
      const families = [...theirs.keys()].filter((name) => (SCHEMA_BY_NAME.get(name)?.family ?? '') !== '');
      expect(families.filter((name) => !ours.has(name) && isSteady(name)).sort()).toEqual(ONLY_NTOPNG);
    });

    it('have the tags and fields of the table, whether we write them or not', async () => {
      const fields = await keys(`SHOW FIELD KEYS ON "${DATABASES.ntopng}"`);
      const tags = await keys(`SHOW TAG KEYS ON "${DATABASES.ntopng}"`);
      for (const [name, found] of fields) {
        const schema = SCHEMA_BY_NAME.get(name);
        expect([name, schema?.fields.map((field) => `${field} float`).sort()]).toEqual([name, found]);
        expect([name, ['ifid', ...(schema?.tags ?? [])].sort()]).toEqual([name, tags.get(name)]);
      }
    });

    it('have the same values once all is counted', async () => {
      // Gauges are those of the step that has the flows; one that began after has none.
      const step = `time <= ${Math.ceil(minute / HOST_STEP_SECONDS) * HOST_STEP_SECONDS}s`;
      for (const wanted of SAME) {
        const [measurement, condition, values] = wanted;
        const ours = await settled(
          DATABASES.ours,
          wanted,
          SCHEMA_BY_NAME.get(measurement)!.type === 'gauge' ? step : '',
        );
        const theirs = await settled(DATABASES.ntopng, wanted);
        expect([measurement, condition, ours?.values]).toEqual([measurement, condition, values]);
        expect([measurement, condition, theirs?.values]).toEqual([measurement, condition, values]);
      }
      for (const wanted of SAME_IN_THE_MINUTE) {
        const [measurement, condition, values] = wanted;
        // ntopng's time is when its script ran, mostly the full minute or a little later.
        const theirs = await settled(DATABASES.ntopng, wanted, `time >= ${minute}s`);
        const ours = await settled(DATABASES.ours, wanted, `time = ${minute}s`);
        expect([measurement, condition, ours?.values]).toEqual([measurement, condition, values]);
        expect([measurement, condition, theirs?.values]).toEqual([measurement, condition, values]);
      }
    });

    it('differ in round-trip times: ntopng takes only those agents tell, and writes 0 without', async () => {
      const wanted = ['container:rtt', `"container" = '${CLIENT}'`, { as_client: 0 }] as const;
      expect((await last(DATABASES.ntopng, wanted))?.values).toEqual({ as_client: 0 });
      // Twice the two halves of 4 and 6 ms.
      expect((await last(DATABASES.ours, wanted))?.values).toEqual({ as_client: 20 });
    });

    it('have the same steps, except those of 5 minutes, which ntopng writes to InfluxDB once a minute', async () => {
      const stepOf = async (database: string, name: string): Promise<boolean[]> => {
        const field = SCHEMA_BY_NAME.get(name)!.fields[0]!;
        const rows = await server.query(`SELECT "${field}" FROM "${database}".."${name}"`);
        const seconds = rows.map(([time]) => Number(time) / 1e9);
        return [300, 60, 1].map((step) => seconds.length > 0 && seconds.every((second) => second % step === 0));
      };
      for (const name of SHARED) {
        const step = SCHEMA_BY_NAME.get(name)!.stepSeconds;
        expect([name, ...(await stepOf(DATABASES.ours, name)).slice([300, 60, 1].indexOf(step))]).not.toContain(false);
      }
      for (const [name, condition] of [
        ['iface:flows', `"ifid" = '0'`],
        ['iface:local2remote', `"ifid" = '0'`],
        ['host:traffic', `"host" = '10.1.0.1'`],
      ] as const) {
        const rows = await server.query(`SELECT * FROM "${name}" WHERE ${condition} AND time >= ${minute}s`);
        const minutes = rows.map(([time]) => Math.floor(Number(time) / 60e9));
        expect([name, minutes]).toEqual([name, [...new Set(minutes)]]);
        expect([name, minutes[0]]).toEqual([name, minute / 60]);
      }
      for (const name of ['iface:traffic', 'iface:traffic_rxtx']) {
        for (const database of Object.values(DATABASES)) {
          const rows = await server.query(`SELECT * FROM "${database}".."${name}"`);
          const seconds = rows.map(([time]) => Number(time) / 1e9);
          const usual = seconds.slice(1).filter((second, i) => second - seconds[i]! === 1);
          expect([database, name, usual.length > 0.8 * (seconds.length - 1)]).toEqual([database, name, true]);
        }
      }
    });

    it('go into the database that ntopng has made, without a conflict of types', async () => {
      const seconds = Math.floor(Date.now() / 1000);
      const octets = ethernet(
        0x0800,
        ipv4({ source: '192.0.2.1', destination: '192.0.2.2', protocol: 17 }, udp(40_000, 4739, exported(0))),
      );
      const file = join(folder, 'flow.pcap');
      writeFileSync(file, pcap({}, [{ seconds, octets }]));
      const fields = await keys(`SHOW FIELD KEYS ON "${DATABASES.ntopng}"`);
      const run = await runProgram([
        ...['convert', file, '--json', '/dev/null', '--influxdb', server.url, '--ifid', '7'],
        ...['--local-networks', LOCAL],
      ]);
      expect([run.code, run.stderr]).toEqual([0, expect.not.stringMatching(/conflict|refused [1-9]/)]);
      const rows = await server.query(`SELECT last("bytes") FROM "iface:traffic" WHERE "ifid" = '7'`);
      expect(rows[0]?.[1]).toBe(66_666);
      const after = await keys(`SHOW FIELD KEYS ON "${DATABASES.ntopng}"`);
      for (const [name, found] of after) {
        expect([name, found.every((field) => field.endsWith(' float'))]).toEqual([name, true]);
        if (fields.has(name)) expect([name, found]).toEqual([name, fields.get(name)]);
      }
      expect(ntopng.complaints).toEqual([]);
    });
  });
