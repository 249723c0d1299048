/** The session that users of containers type at `influx`, on a real InfluxDB that the program has filled. */

import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { XPublisher } from 'zeromq';
import { skipVisibly } from '../support/conformance-capture.ts';
import { containerCapture, containerPackets } from '../support/container-exporter.ts';
import { typeAtInflux } from '../support/influx-session.ts';
import { InfluxServer } from '../support/influxdb.ts';
import { hasProgram } from '../support/lab.ts';
import { agentExamples } from '../support/listening-harness.ts';
import { header0 } from '../support/ntopng-message.ts';
import { buildProgram, RunningProgram, repositoryPath, runProgram } from '../support/program.ts';
import { UdpExporter } from '../support/udp-exporter.ts';

const MEASUREMENTS = 'show measurements with measurement =~ /^container*/';
const FLOWS = 'select * from "container:num_flows" order by time desc limit 10';
const FLOWS_OF_ONE = `select * from "container:num_flows" where "container" = '1edb6c16e3d2' order by time desc limit 10`;

/** As influx shows what the Exporter tells of its two containers. */
const ROWS = ['1         11        f427db2c87ac 6', '138       34        1edb6c16e3d2 6'];

/** An event in a pod, as libebpfflow prints it. */
function podRecord(event: string, localPort: number): string {
  return JSON.stringify({
    timestamp: '1556532359.110896',
    EVENT_TYPE: event,
    IP_PROTOCOL_VERSION: 4,
    PROTOCOL: 6,
    L4_LOCAL_PORT: localPort,
    L4_REMOTE_PORT: 9090,
    IPV4_LOCAL_ADDR: '10.1.1.9',
    IPV4_REMOTE_ADDR: '10.1.1.10',
    LOCAL_CONTAINER: {
      ID: '89b0acbdba4b',
      KUBE: { NAME: 'heapster', POD: 'heapster-v1.5.2-6b5d7b57f9-g2cjz', NS: 'kube-system' },
    },
  });
}

/** A time as influx shows it. */
function shown(unixSeconds: number): string {
  return `${new Date(unixSeconds * 1000).toISOString().slice(0, 19)}Z`;
}

const programs: RunningProgram[] = [];

describe.skipIf(!hasProgram('influxd') || !hasProgram('influx') || !hasProgram('script'))('a session of influx', () => {
  let server: InfluxServer;
  let folder: string;

  beforeAll(async () => {
    buildProgram();
    server = await InfluxServer.start();
  });
  afterAll(() => server.close());
  beforeEach(async () => {
    folder = mkdtempSync(join(tmpdir(), 'influxdb-session-'));
    await server.query('DROP DATABASE "ntopng"');
  });
  afterEach(async () => {
    for (const program of programs.splice(0)) await program.stop('SIGKILL');
    rmSync(folder, { recursive: true, force: true });
  });

  /** Waits until a measurement has points. */
  async function written(measurement: string): Promise<void> {
    for (const endMs = Date.now() + 30_000; ; await sleep(100)) {
      const rows = await server.query(`SELECT * FROM "${measurement}"`).catch(() => []);
      if (rows.length > 0) return;
      if (Date.now() > endMs) throw new Error(`no ${measurement}`);
    }
  }

  it('shows what it showed in 2019, of a capture of that minute', async () => {
    const startMs = Date.parse('2019-07-29T15:41:20.000Z');
    const file = join(folder, 'exporter.pcap');
    writeFileSync(file, containerCapture(startMs));
    const run = await runProgram(['convert', file, '--influxdb', server.url, '--ifid', '6']);
    expect(run).toMatchObject({ code: 0, stdout: '', stderr: '' });
    const [use, measurements, flows, flowsOfOne, rtt] = await typeAtInflux(server, [
      'use ntopng',
      MEASUREMENTS,
      FLOWS,
      FLOWS_OF_ONE,
      'select * from "container:rtt" order by time desc',
    ]);
    expect(use).toEqual(['Using database ntopng']);
    expect(measurements).toEqual(['name: measurements', 'name', '----', 'container:num_flows', 'container:rtt']);
    // To the letter.
    expect(flows).toEqual([
      'name: container:num_flows',
      'time                 as_client as_server container    ifid',
      '----                 --------- --------- ---------    ----',
      '2019-07-29T15:42:00Z 1         11        f427db2c87ac 6',
      '2019-07-29T15:42:00Z 138       34        1edb6c16e3d2 6',
    ]);
    expect(flowsOfOne).toEqual([...flows!.slice(0, 3), flows![4]]);
    expect(rtt!.slice(3).map((row) => row.split(/ +/))).toEqual([
      ['2019-07-29T15:42:00Z', '6', 'f427db2c87ac', '6'],
      ['2019-07-29T15:42:00Z', '6', '1edb6c16e3d2', '6'],
    ]);
  });

  it('is in the README as it is here', async () => {
    const readme = readFileSync(repositoryPath('README.md'), 'utf8');
    const [, session = ''] = /<!-- session: [^\n]*\n\n```\n([\s\S]*?)```/.exec(readme) ?? [];
    const [shell = '', , ...rest] = session.trimEnd().split('\n');
    const [, ...words] = shell.replace('$ ', '').split(' ');
    const capture = words.findIndex((word) => word.endsWith('.pcap'));
    words[capture] = repositoryPath(words[capture]!);
    words[words.indexOf('--influxdb') + 1] = server.url;
    expect(await runProgram(words)).toMatchObject({ code: 0, stdout: '', stderr: '' });
    const typed = rest.filter((line) => line.startsWith('> ')).map((line) => line.slice(2));
    expect(typed.length).toBeGreaterThan(1);
    const answers = await typeAtInflux(server, typed);
    expect(answers.flatMap((answer, index) => [`> ${typed[index]}`, ...answer])).toEqual(rest);
  });

  it('shows flows of containers a second after an Exporter has told them', async () => {
    const program = await RunningProgram.collect([
      ...['--influxdb', server.url, '--ifid', '6', '--json', '/dev/null'],
      // What comes later counts in another step.
      ...['--series-step', 'container=1s,pod=1s', '--series-delay', '8'],
    ]);
    programs.push(program);
    const exporter = await UdpExporter.open(program.port);
    const second = Math.floor(Date.now() / 1000);
    for (const packet of containerPackets(second * 1000 + 100)) await exporter.send(packet);
    await exporter.close();
    for (const measurement of ['container:num_flows', 'container:rtt']) await written(measurement);
    const [, measurements, flows, flowsOfOne] = await typeAtInflux(server, [
      'use ntopng',
      MEASUREMENTS,
      FLOWS,
      FLOWS_OF_ONE,
    ]);
    expect(measurements!.slice(3)).toEqual(['container:num_flows', 'container:rtt']);
    const time = shown(second + 1);
    expect(flows!.slice(1)).toEqual([
      'time                 as_client as_server container    ifid',
      '----                 --------- --------- ---------    ----',
      ...ROWS.map((row) => `${time} ${row}`),
    ]);
    expect(flowsOfOne!.slice(3)).toEqual([`${time} ${ROWS[1]}`]);
    expect((await program.stop()).code).toBe(0);
  });

  describe('of agents', () => {
    const examples = agentExamples();
    if (examples === undefined) {
      skipVisibly('the records of agents are absent (../shared/AGENT-JSON.md)');
      return;
    }

    for (const [what, isNow] of [
      ['as they were printed', false],
      ['with the time of now', true],
    ] as const) {
      it(`shows their nested records, ${what}`, async () => {
        const publisher = new XPublisher({ linger: 0 });
        try {
          await publisher.bind('tcp://127.0.0.1:*');
          const program = await RunningProgram.start('listen', [
            publisher.lastEndpoint!,
            ...['--status', '127.0.0.1:0', '--influxdb', server.url, '--ifid', '6', '--json', '/dev/null'],
            ...['--series-step', 'container=1s,pod=1s', '--series-delay', isNow ? '8' : '3'],
          ]);
          programs.push(program);
          for (const wanted = new Set(['flow', 'counter']); wanted.size > 0; ) {
            const [frame] = await publisher.receive();
            wanted.delete(frame!.subarray(1).toString());
          }
          const second = Math.floor(Date.now() / 1000);
          const ofPod = (event: string, port: number) => ({ text: podRecord(event, port), isCounters: false });
          for (const { text: printed, isCounters } of [...examples, ofPod('CONNECT', 41_000), ofPod('ACCEPT', 8080)]) {
            const record = isNow ? printed.replace(/("timestamp": ?)"[0-9.]+"/, `$1"${second}.100000"`) : printed;
            await publisher.send([header0({ topic: isCounters ? 'counter' : 'flow' }), record]);
          }
          // The socket that sends, and the connection, whose record has the container's name alone; the pod's two connections. What is told late
          // counts in the step that is open: the next one may have some of it.
          const sums = () =>
            server
              .query('SELECT sum(as_client), sum(as_server) FROM "container:num_flows" GROUP BY container')
              .then((rows) => rows.map(([, ...values]) => values).sort())
              .catch(() => []);
          await expect.poll(sums).toEqual([
            [1, 1],
            [2, 0],
          ]);
          for (const measurement of ['container:rtt_variance', 'pod:num_containers']) await written(measurement);
          const [, measurements, flows, rtt, variance, pod] = await typeAtInflux(server, [
            'use ntopng',
            MEASUREMENTS,
            FLOWS,
            'select as_client from "container:rtt"',
            'select as_client from "container:rtt_variance"',
            'select num_containers from "pod:num_containers"',
          ]);
          expect(measurements!.slice(3)).toEqual(['container:num_flows', 'container:rtt', 'container:rtt_variance']);
          const time = shown(second + 1);
          if (isNow)
            expect(flows!.slice(1)).toEqual([
              'time                 as_client as_server container    ifid',
              '----                 --------- --------- ---------    ----',
              `${time} 2         0         cf5485c07181 6`,
              `${time} 1         1         89b0acbdba4b 6`,
            ]);
          for (const [rows, value] of [
            [rtt!, '4.144'],
            [variance!, '5.322'],
            [pod!, '1'],
          ] as const) {
            for (const row of rows.slice(3)) {
              const [at = '', told] = row.split(' ');
              expect(told).toBe(value);
              if (isNow) expect(at).toBe(time);
              else expect(Date.parse(at)).toBeGreaterThan((second - 60) * 1000);
            }
          }
          expect([rtt, variance].map((rows) => rows!.length)).toEqual([4, 4]);
          expect((await program.stop()).code).toBe(0);
        } finally {
          publisher.close();
        }
      });
    }
  });
});
