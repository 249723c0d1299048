/** The messages of each topic, as a subscriber in Python reads them, against what ntopng's parsers take. */

import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { skipVisibly } from '../support/conformance-capture.ts';
import { freePorts } from '../support/free-port.ts';
import { dataSet, message, optionsTemplateSet, templateSet, VARIABLE } from '../support/ipfix-message.ts';
import { pythonObstacle } from '../support/ntopng.ts';
import { FLOW_FIELDS, flowOctets, variableText } from '../support/ntopng-exports.ts';
import { NtopngSubscriber } from '../support/ntopng-subscriber.ts';
import { buildProgram, RunningProgram } from '../support/program.ts';
import { countersSample, datagram, hyper, opaque, record, words } from '../support/sflow-builder.ts';
import { UdpExporter } from '../support/udp-exporter.ts';
import { hex, joined, u32 } from '../support/wire-octets.ts';

const obstacle = pythonObstacle();
const SOURCE_ID = 200;

/** Without these in a message of topic `template` ntopng complains. */
const NEEDED_NAMES =
  'FIRST_SWITCHED LAST_SWITCHED L4_SRC_PORT L4_DST_PORT IP_PROTOCOL_VERSION PROTOCOL IN_BYTES IN_PKTS OUT_BYTES OUT_PKTS';

/** Names that ntopng knows from such messages alone, by ntop's id. */
const TOLD_NAMES: readonly (readonly [id: number, name: string])[] = [
  [78, 'CLIENT_TCP_FLAGS'],
  [79, 'SERVER_TCP_FLAGS'],
  [125, 'APPL_LATENCY_MS'],
  [130, 'SIP_CALL_ID'],
  [355, 'DHCP_CLIENT_NAME'],
  [416, 'TCP_WIN_MAX_IN'],
  [420, 'TCP_WIN_MAX_OUT'],
];

if (obstacle !== undefined) skipVisibly(obstacle);
else
  describe('topics', () => {
    let program: RunningProgram;
    let exporter: UdpExporter;
    let subscriber: NtopngSubscriber;

    beforeAll(async () => {
      buildProgram();
      const [port] = await freePorts(1);
      const endpoint = `tcp://127.0.0.1:${port}`;
      subscriber = await NtopngSubscriber.start(endpoint);
      const flags = ['--json', '/dev/null', '--zmq', endpoint, '--zmq-source-id', String(SOURCE_ID)];
      program = await RunningProgram.collect(flags);
      exporter = await UdpExporter.open(program.port);
      await program.logged('zmq_subscriber_present');
      const interfaces = optionsTemplateSet(302, [[10, 4]], [[82, VARIABLE]]);
      const applications = optionsTemplateSet(303, [[95, 4]], [[96, VARIABLE]]);
      const sets = [
        templateSet(300, FLOW_FIELDS),
        interfaces,
        applications,
        dataSet(302, joined(u32(3), variableText('ge-0/0/3')), joined(u32(4), variableText('say "up"'))),
        dataSet(303, joined(hex('0d0001c5'), variableText('skype'))),
        dataSet(300, flowOctets({ host: 1 })),
      ];
      await exporter.send(message(sets, { exportTime: Math.floor(Date.now() / 1000) }));
      const interfaceCounters = record(1, [
        ...words(17, 6),
        ...hyper(100_000_000_000n),
        ...words(2, 1),
        ...hyper(5_000_000_123n),
        ...words(1000, 200, 30, 4, 5, 6),
        ...hyper(6_000_000_321n),
        ...words(7000, 800, 90, 10, 11, 2),
      ]);
      const counters = countersSample([interfaceCounters, record(1005, opaque('swp17'))], { sequence: 77 });
      await exporter.send(datagram([counters]));
      const topics = ['template', 'event', 'option', 'snmp-ifaces', 'counter', 'flow'];
      await subscriber.until(() => topics.every((topic) => subscriber.messages(topic).length > 0));
    });

    afterAll(async () => {
      await exporter?.close();
      await program?.stop();
      await subscriber?.stop();
      expect(subscriber?.faults).toEqual([]);
    });

    it('have headers of 24 octets with ids that follow each other', () => {
      const all = ['template', 'event', 'option', 'snmp-ifaces', 'counter', 'flow'].flatMap((topic) =>
        subscriber.messages(topic),
      );
      for (const { topic, headerSize, version, sourceId } of all) {
        expect({ headerSize, version, sourceId }).toEqual({
          headerSize: 24,
          version: topic === 'flow' ? 3 : 2,
          sourceId: SOURCE_ID,
        });
      }
      const ids = all.map(({ messageId }) => messageId).sort((one, other) => one - other);
      expect(ids.map((id) => id - ids[0]!)).toEqual(ids.map((_, i) => i));
    });

    it('template: number, name and description of each field', () => {
      const rows = subscriber.messages('template')[0]!.json as Record<string, unknown>[];
      for (const row of rows) {
        expect(row).toEqual({
          PEN: expect.any(Number),
          field: expect.any(Number),
          len: expect.any(Number),
          format: expect.stringMatching(/^(ascii|formatted_uint)$/),
          name: expect.stringMatching(/^[A-Z0-9_]+$/),
          descr: expect.any(String),
        });
      }
      const names = rows.map(({ name }) => name);
      expect(new Set(names).size).toBe(names.length);
      expect(names).toEqual(expect.arrayContaining(NEEDED_NAMES.split(' ')));
      for (const [field, name] of TOLD_NAMES) {
        expect(rows).toContainEqual(expect.objectContaining({ PEN: 35_632, field, name }));
      }
    });

    it('option: the application of a number', () => {
      const [told] = subscriber.messages('option');
      expect(told?.json).toEqual({ PEN: 0, field: 95, value: 0x0d0001c5, map: { name: 'skype' } });
    });

    it('snmp-ifaces: names by interface by Exporter', () => {
      expect(subscriber.messages('snmp-ifaces').at(-1)?.json).toEqual({
        '127.0.0.1': { 3: 'ge-0/0/3', 4: 'say "up"' },
      });
    });

    it('counter: the counters of an interface, the Exporter as a number, the speed in 32 bits', () => {
      expect(subscriber.messages('counter').map(({ json }) => json)).toEqual([
        {
          deviceIP: 0x7f000001,
          samplesGenerated: 77,
          ifIndex: 17,
          ifName: 'swp17',
          ifType: 6,
          ifSpeed: 0xffff_ffff,
          ifDirection: 'Half',
          ifAdminStatus: 'Up',
          ifOperStatus: 'Down',
          ifInOctets: 5_000_000_123,
          ifInPackets: 1230,
          ifInErrors: 5,
          ifOutOctets: 6_000_000_321,
          ifOutPackets: 7890,
          ifOutErrors: 11,
          ifPromiscuousMode: 0,
        },
      ]);
    });

    it('flow: numbers as keys, ports and times as integers', () => {
      const [flow = []] = subscriber.records();
      const values = new Map(flow.map(([key, type, value]) => [key, [type, value]]));
      expect(values.get('7')).toEqual(['u16', 40_000]);
      expect(values.get('11')).toEqual(['u16', 443]);
      expect(values.get('8')).toEqual(['u32', 0x0a010001]);
      expect(values.get('1')).toEqual(['u16', 12_345]);
      expect(values.get('23')).toEqual(['u16', 54_321]);
      expect(values.get('130')).toEqual(['text', '127.0.0.1']);
      const [, first] = values.get('22') ?? [];
      const [, last] = values.get('21') ?? [];
      expect(Number(last) - Number(first)).toBe(5);
      for (const key of ['231', '232', '298', '299', '300', 'INITIATOR_OCTETS', 'RESPONDER_OCTETS']) {
        expect(values.has(key)).toBe(false);
      }
    });
  });
