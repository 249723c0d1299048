/** What a collector has learned survives `kill -9`: Templates, sampling intervals, names of interfaces, VRFs, applications. */

import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { dataSet, message, optionsTemplateSet, templateSet } from '../support/ipfix-message.ts';
import { v9DataSet, v9OptionsTemplateSet, v9Packet, v9TemplateSet } from '../support/netflow9-message.ts';
import { buildProgram, RunningProgram } from '../support/program.ts';
import type { PartialLine } from '../support/tshark-lines.ts';
import { UdpExporter } from '../support/udp-exporter.ts';
import { ipv4, joined, text, u8, u16, u32 } from '../support/wire-octets.ts';

beforeAll(() => {
  buildProgram();
});

let directory: string;
const programs: RunningProgram[] = [];

beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'flowrelay-kill-'));
});

afterEach(async () => {
  for (const program of programs.splice(0)) await program.stop('SIGKILL');
  rmSync(directory, { recursive: true, force: true });
});

async function collect(): Promise<RunningProgram> {
  const program = await RunningProgram.collect(['--state-dir', directory, '--status', 'off']);
  programs.push(program);
  return program;
}

const stateFile = () => join(directory, 'state.json');

function savedText(): string {
  try {
    return readFileSync(stateFile(), 'utf8');
  } catch {
    return '';
  }
}

/** Lines of flows so far. */
function flows(program: RunningProgram): PartialLine[] {
  return program.lines
    .map((line) => JSON.parse(line) as PartialLine)
    .filter(({ RECORD_TYPE }) => RECORD_TYPE === 'flow');
}

/** sourceIPv4Address, destinationIPv4Address, octets, packets, ifIndex in and out, sampler, application, VRF. */
const RECORD = joined(
  ipv4('192.0.2.1'),
  ipv4('198.51.100.2'),
  u32(1500),
  u32(3),
  u16(5),
  u16(6),
  u8(9),
  joined(u8(3), u16(0), u8(80)),
  u32(42),
);
const FIELDS = [
  [8, 4],
  [12, 4],
  [1, 4],
  [2, 4],
  [10, 2],
  [14, 2],
  [48, 1],
  [95, 4],
  [234, 4],
] as const;

/** What RECORD and the options say together. */
const FLOW = {
  IPV4_SRC_ADDR: '192.0.2.1',
  IPV4_DST_ADDR: '198.51.100.2',
  IN_BYTES: 1500,
  IN_PKTS: 3,
  INPUT_SNMP: 5,
  INPUT_INTERFACE_NAME: 'uplink',
  OUTPUT_SNMP: 6,
  OUTPUT_INTERFACE_NAME: 'customer "A"',
  SAMPLING_INTERVAL: 512,
  SAMPLING_ORIGIN: 'option',
  APPLICATION_ID: '3:80',
  APPLICATION_NAME: 'http',
  INGRESS_VRFID: 42,
  INGRESS_VRF_NAME: 'blue',
};

const IPFIX = {
  learn: message(
    [
      templateSet(256, FIELDS),
      optionsTemplateSet(300, [[10, 4]], [[82, 16]]),
      dataSet(300, joined(u32(5), text('uplink', 16)), joined(u32(6), text('customer "A"', 16))),
      optionsTemplateSet(301, [[48, 1]], [[50, 4]]),
      dataSet(301, joined(u8(9), u32(512))),
      optionsTemplateSet(302, [[95, 4]], [[96, 8]]),
      dataSet(302, joined(u8(3), u16(0), u8(80), text('http', 8))),
      optionsTemplateSet(303, [[234, 4]], [[236, 8]]),
      dataSet(303, joined(u32(42), text('blue', 8))),
    ],
    { domain: 7 },
  ),
  data: message([dataSet(256, RECORD)], { domain: 7, sequence: 5 }),
};

const NETFLOW9 = {
  learn: v9Packet([
    v9TemplateSet(256, FIELDS),
    v9OptionsTemplateSet(300, [[2, 4]], [[82, 16]]),
    v9DataSet(300, joined(u32(5), text('uplink', 16)), joined(u32(6), text('customer "A"', 16))),
    v9OptionsTemplateSet(
      301,
      [[1, 4]],
      [
        [48, 1],
        [50, 4],
      ],
    ),
    v9DataSet(301, joined(u32(0), u8(9), u32(512))),
    v9OptionsTemplateSet(
      302,
      [[1, 4]],
      [
        [95, 4],
        [96, 8],
      ],
    ),
    v9DataSet(302, joined(u32(0), u8(3), u16(0), u8(80), text('http', 8))),
    v9OptionsTemplateSet(
      303,
      [[1, 4]],
      [
        [234, 4],
        [236, 8],
      ],
    ),
    v9DataSet(303, joined(u32(0), u32(42), text('blue', 8))),
  ]),
  data: v9Packet([v9DataSet(256, RECORD)], { sequence: 1 }),
};

describe('after kill -9', () => {
  for (const [name, { learn, data }] of Object.entries({ IPFIX, 'NetFlow v9': NETFLOW9 })) {
    it(`data of ${name} are decoded at once, with sampling and names, from whatever port they come`, async () => {
      const first = await collect();
      const exporter = await UdpExporter.open(first.port);
      await exporter.send(learn);
      await first.until(() => savedText().includes('uplink'), 'the saved state');
      expect((await first.stop('SIGKILL')).signal).toBe('SIGKILL');

      const second = await collect();
      expect(second.log.filter(({ level }) => level !== 'info').map(({ event }) => event)).not.toContain(
        'state_ignored',
      );
      const other = await UdpExporter.open(second.port);
      for (const each of [exporter, other]) {
        const before = flows(second).length;
        await each.send(data, second.port);
        await second.until(() => flows(second).length > before, 'a flow');
        await each.close();
      }
      expect(flows(second)).toHaveLength(2);
      for (const flow of flows(second)) expect(flow).toMatchObject(FLOW);
    });
  }

  it('a Template defined anew replaces the saved one', async () => {
    const first = await collect();
    const exporter = await UdpExporter.open(first.port);
    await exporter.send(IPFIX.learn);
    await first.until(() => savedText().includes('uplink'), 'the saved state');
    await first.stop('SIGKILL');
    const second = await collect();
    const again = await UdpExporter.open(second.port);
    const fields = [
      [8, 4],
      [1, 8],
    ] as const;
    const data = dataSet(256, joined(ipv4('203.0.113.9'), u32(0), u32(77)));
    await again.send(message([templateSet(256, fields), data], { domain: 7, sequence: 5 }));
    await second.until(() => flows(second).length > 0, 'a flow');
    expect(flows(second)[0]).toMatchObject({ IPV4_SRC_ADDR: '203.0.113.9', IN_BYTES: 77 });
    expect(flows(second)[0]).not.toHaveProperty('IN_PKTS');
    await exporter.close();
    await again.close();
  });
});

describe('a state file that cannot be used', () => {
  const BROKEN: Readonly<Record<string, string | Uint8Array>> = {
    'is empty': '',
    'is cut off': '{"version":1,"sess',
    'is no JSON': 'templates!',
    'is other JSON': '[1,2,3]',
    'is of another version': '{"version":4711,"sessions":[],"domains":[]}',
    'is octets': Uint8Array.from({ length: 1000 }, (_, i) => (i * 7919) & 255),
  };

  for (const [how, content] of Object.entries(BROKEN)) {
    it(`${how}: one warning, and collecting goes on`, async () => {
      mkdirSync(directory, { recursive: true });
      writeFileSync(stateFile(), content);
      const program = await collect();
      const warnings = program.log.filter(({ event }) => event === 'state_ignored');
      expect(warnings).toHaveLength(1);
      expect(warnings[0]).toMatchObject({ level: 'warning', path: stateFile() });
      const exporter = await UdpExporter.open(program.port);
      await exporter.send(IPFIX.learn);
      await exporter.send(IPFIX.data);
      await program.until(() => flows(program).length > 0, 'a flow');
      expect(flows(program)[0]).toMatchObject(FLOW);
      // The broken file is replaced by a good one.
      await program.until(() => savedText().includes('uplink'), 'the saved state');
      await exporter.close();
    });
  }

  it('was cut off while it was written: the one before it counts', async () => {
    const first = await collect();
    const exporter = await UdpExporter.open(first.port);
    await exporter.send(IPFIX.learn);
    await first.until(() => savedText().includes('uplink'), 'the saved state');
    await first.stop('SIGKILL');
    writeFileSync(`${stateFile()}.new`, savedText().slice(0, 100));
    const second = await collect();
    await exporter.close();
    const again = await UdpExporter.open(second.port);
    await again.send(IPFIX.data);
    await second.until(() => flows(second).length > 0, 'a flow');
    expect(flows(second)[0]).toMatchObject(FLOW);
    await again.close();
  });
});
