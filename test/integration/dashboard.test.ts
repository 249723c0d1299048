/** The dashboard for Grafana: that it is one, and that every query of it has something to draw. */

import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { XPublisher } from 'zeromq';
import {
  dashboardCapture,
  LOST,
  MESSAGES,
  OCTETS,
  POD_RECORDS,
  PORT_OCTETS,
  STEP_SECONDS,
} from '../support/dashboard-traffic.ts';
import { dashboardFaults, filledQuery, readDashboard, type Shown } from '../support/grafana-dashboard.ts';
import { InfluxServer } from '../support/influxdb.ts';
import { hasProgram } from '../support/lab.ts';
import { header0 } from '../support/ntopng-message.ts';
import { buildProgram, RunningProgram, repositoryPath, runProgram } from '../support/program.ts';

const dashboard = readDashboard(repositoryPath('templates/dashboards/flowrelay.json'));
const variables = dashboard.templating.list;
const panels = dashboard.panels.filter(({ type }) => type !== 'row');
const hasInflux = hasProgram('influxd');

describe('dashboard', () => {
  it('is one by Grafana’s schema', () => {
    expect(dashboardFaults(dashboard)).toEqual([]);
    expect(dashboardFaults({ ...dashboard, definition: '' })).not.toEqual([]);
  });

  it('has panels beside and below each other, each with a number of its own', () => {
    const taken = new Set<string>();
    for (const { gridPos, title } of dashboard.panels) {
      for (let y = gridPos.y; y < gridPos.y + gridPos.h; y++) {
        for (let x = gridPos.x; x < gridPos.x + gridPos.w; x++) {
          expect(x, title).toBeLessThan(24);
          expect(taken.has(`${x}:${y}`), title).toBe(false);
          taken.add(`${x}:${y}`);
        }
      }
    }
    expect(new Set(dashboard.panels.map(({ id }) => id)).size).toBe(dashboard.panels.length);
  });

  it('names in its legends the tags that its queries group by', () => {
    for (const { title, targets = [] } of panels) {
      for (const { query, alias = '' } of targets) {
        const grouped = query.slice(query.lastIndexOf('GROUP BY'));
        for (const [, tag] of alias.matchAll(/\$tag_(\w+)/g)) expect(grouped, title).toContain(`"${tag}"`);
      }
    }
  });
});

describe.skipIf(!hasInflux)('its queries, to an InfluxDB that flowrelay has filled', () => {
  const folder = mkdtempSync(join(tmpdir(), 'flowrelay-dashboard-'));
  // Two hours back: in the past for `convert`, and within what a page can show.
  const beginSeconds = (Math.floor(Date.now() / 1000 / STEP_SECONDS) - 24) * STEP_SECONDS;
  let server: InfluxServer;
  let shown: Shown;

  beforeAll(async () => {
    buildProgram();
    server = await InfluxServer.start();
    const capture = join(folder, 'traffic.pcap');
    writeFileSync(capture, dashboardCapture(beginSeconds));
    const run = await runProgram(['convert', capture, '--json', '/dev/null', '--influxdb', server.url]);
    expect(run).toMatchObject({ code: 0 });
    await fillPods();
    shown = {
      fromMs: beginSeconds * 1000,
      toMs: Date.now() + 600_000,
      intervalSeconds: STEP_SECONDS,
      chosen: { ifid: ['0'], device: ['$__all'], host: ['$__all'], container: ['$__all'], pod: ['$__all'] },
    };
  }, 180_000);
  afterAll(async () => {
    await server?.close();
    rmSync(folder, { recursive: true, force: true });
  });

  async function fillPods(): Promise<void> {
    const feed = new XPublisher({ linger: 0 });
    await feed.bind('tcp://127.0.0.1:*');
    const program = await RunningProgram.start('listen', [
      feed.lastEndpoint!,
      '--status',
      'off',
      '--json',
      '-',
      '--influxdb',
      server.url,
    ]);
    for (const wanted = new Set(['flow', 'counter']); wanted.size > 0; ) {
      wanted.delete((await feed.receive())[0]!.subarray(1).toString());
    }
    for (const record of POD_RECORDS) await feed.send([header0(), record]);
    await program.until(() => program.lines.length === POD_RECORDS.length, 'lines');
    expect(await program.stop()).toMatchObject({ code: 0 });
    feed.close();
  }

  const filled = (query: string, chosen: Shown['chosen'] = {}): string =>
    filledQuery(query, variables, { ...shown, chosen: { ...shown.chosen, ...chosen } });

  /** Values of a panel by legend. */
  async function drawn(title: string, chosen: Shown['chosen'] = {}): Promise<Record<string, unknown[]>> {
    const legends: Record<string, unknown[]> = {};
    for (const { query, alias = '' } of panels.find((panel) => panel.title === title)!.targets!) {
      for (const { tags = {}, values } of await server.series(filled(query, chosen))) {
        const legend = alias.replace(/\$tag_(\w+)/g, (_, tag: string) => tags[tag]!);
        legends[legend] = values.map(([, value]) => value).filter((value) => value !== null);
      }
    }
    return legends;
  }

  for (const { title, targets = [] } of panels) {
    for (const { refId, query } of targets) {
      it(`${title}: ${refId}`, async () => {
        const rows = await server.query(filled(query));
        expect(rows.filter(([, ...values]) => values.every((value) => value !== null)).length).toBeGreaterThan(0);
      });
    }
  }

  it.each([
    ['ifid', ['0']],
    ['device', ['192.0.2.1', '192.0.2.2']],
    ['host', ['10.1.0.1', '10.2.0.1']],
    ['container', ['1edb6c16e3d2', 'f427db2c87ac']],
    ['pod', ['web-7d9c5b6f4-x2x8z']],
  ])('offers for %s what there is', async (name, offered) => {
    const { query } = variables.find((each) => each.name === name)!;
    const values = (await server.query(filled(query))).map(([, value]) => value);
    expect([...new Set(values)].sort()).toEqual(expect.arrayContaining(offered));
  });

  it('gives rates of octets in bits, of an Exporter and of a port', async () => {
    const each = OCTETS.out + OCTETS.back;
    const constant = (octets: number, count: number) => new Array<number>(count).fill((octets * 8) / STEP_SECONDS);
    // Of an Exporter's absolute counters only the growth is known; ours begin with a point of zero.
    expect(await drawn('Traffic by Exporter', { device: ['192.0.2.1'] })).toEqual({
      '192.0.2.1': constant(each, MESSAGES),
    });
    expect(await drawn('Ports, from sFlow counters')).toEqual({
      '192.0.2.2 3 received': constant(PORT_OCTETS.received, MESSAGES - 1),
      '192.0.2.2 3 sent': constant(PORT_OCTETS.sent, MESSAGES - 1),
    });
  });

  it('tells what is lost, of which share', async () => {
    const lost = await drawn('Flows lost on the way here', { device: ['192.0.2.1', '192.0.2.2'] });
    const sum = (values: unknown[]) => (values as number[]).reduce((total, value) => total + value * STEP_SECONDS, 0);
    expect(Object.fromEntries(Object.entries(lost).map(([device, values]) => [device, sum(values)]))).toEqual({
      '192.0.2.1': expect.closeTo(LOST, 6),
      '192.0.2.2': 0,
    });
    // In the step of the gap one record came of three that were sent.
    const { '': shares } = await drawn('Share of flows lost', { device: ['192.0.2.1'] });
    expect(Math.max(...(shares as number[]))).toBeCloseTo((100 * LOST) / (LOST + 1), 6);
  });

  it('ranks hosts and applications by their octets in the time shown', async () => {
    const rows = async (title: string) =>
      (await server.query(filled(panels.find((panel) => panel.title === title)!.targets![0]!.query))).map(
        ([, octets, name]) => [name, octets],
      );
    const total = MESSAGES * (OCTETS.out + OCTETS.back);
    expect(await rows('Top hosts')).toEqual([
      ['10.1.0.1', 2 * total],
      ['10.2.0.1', total],
    ]);
    expect(await rows('Top applications')).toEqual([['HTTP', 2 * total]]);
  });

  it('shows containers and pods as client and as server', async () => {
    expect(await drawn('Flows of containers', { container: ['f427db2c87ac'] })).toEqual({
      'f427db2c87ac as client': new Array<number>(MESSAGES).fill(0),
      'f427db2c87ac as server': new Array<number>(MESSAGES).fill(2),
    });
    const pod = 'web-7d9c5b6f4-x2x8z';
    expect(await drawn('Round-trip times of pods')).toEqual({
      [`${pod} as client`]: [4.5],
      [`${pod} as server`]: [5.5],
    });
  });
});
