/**
 * Captures of real exporters, converted into a real InfluxDB: what its counters say last is the sum of what the lines say.
 * A sample of them, or with FLOWRELAY_ALL_CAPTURES=1 all.
 */

import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { CORPORA, cataloguedCaptures, hasCorpora, skipVisibly } from '../support/conformance-capture.ts';
import { freePort } from '../support/free-port.ts';
import { InfluxServer } from '../support/influxdb.ts';
import { hasProgram } from '../support/lab.ts';
import { buildProgram, type Run, runProgram } from '../support/program.ts';

/** Every how manyth of those catalogued is in the sample. */
const STRIDE = 9;
/** Everything counts, nothing is over a limit, and reports of one flow by several Exporters each count. */
const EVERYTHING = ['--local-networks', '0.0.0.0/0,::/0', '--series-max', '10000000', '--series-count', 'each'];

type Line = Readonly<Record<string, unknown>>;

describe.skipIf(!hasProgram('influxd'))('captures in InfluxDB', () => {
  if (!hasCorpora) {
    skipVisibly('captures of real exporters are absent (../shared/corpora)');
    return;
  }
  const isAll = process.env['FLOWRELAY_ALL_CAPTURES'] === '1';
  const catalogue = cataloguedCaptures();
  const captures = catalogue.filter(
    ({ path }, index) => isAll || index % STRIDE === 0 || path.startsWith('export/generated/'),
  );
  const elements = JSON.parse(readFileSync(`${CORPORA}../ie/ntop-ies.json`, 'utf8')) as { name: string }[];
  const ntopNames = new Set(elements.map(({ name }) => name));
  let server: InfluxServer;
  let folder: string;
  let octetsOfAll = 0;
  let away: Promise<Run>;

  beforeAll(async () => {
    buildProgram();
    folder = mkdtempSync(join(tmpdir(), 'influxdb-totals-'));
    server = await InfluxServer.start();
    // It waits a minute for any progress, while the others go on.
    const url = `http://127.0.0.1:${await freePort()}`;
    away = runProgram(['convert', join(CORPORA, 'export/generated/softflowd-v9.pcap'), '--influxdb', url]);
  });
  afterAll(async () => {
    await server.close();
    rmSync(folder, { recursive: true, force: true });
  });

  /** The sum of the last values of fields over all series of an interface. */
  async function total(measurement: string, ifid: number, ...fields: readonly string[]): Promise<number> {
    const last = fields.map((field) => `last(${field})`).join(', ');
    const rows = await server.query(`SELECT ${last} FROM "${measurement}" WHERE ifid = '${ifid}' GROUP BY *`);
    return rows.reduce((sum, [, ...values]) => sum + values.reduce<number>((all, value) => all + Number(value), 0), 0);
  }

  /** Converts a capture into the database, and gives the lines if they are asked for. */
  async function converted(path: string, words: readonly string[], json = '/dev/null'): Promise<Line[]> {
    const influxdb = ['--influxdb', server.url, ...EVERYTHING, ...words];
    const lines = ['--json', json, '--names', 'iana', '--upscale'];
    const run = await runProgram(['convert', '-v', join(CORPORA, path), ...influxdb, ...lines]);
    // A capture may be cut off, which is an exit code of 1 too.
    expect(run.stderr).toMatch(/, \d+ points/);
    expect(run.stderr).not.toMatch(/not confirmed|refused/);
    if (json === '/dev/null') return [];
    const text = readFileSync(json, 'utf8').trimEnd();
    return text === '' ? [] : text.split('\n').map((line) => JSON.parse(line) as Line);
  }

  for (const [index, { path }] of captures.entries()) {
    it(path, async () => {
      const [spread, last] = [2 * index, 2 * index + 1];
      const [lines] = await Promise.all([
        converted(path, ['--ifid', String(spread)], join(folder, `${index}.json`)),
        converted(path, ['--ifid', String(last), '--series-spread', 'off']),
      ]);
      const flows = lines.filter(({ recordType }) => recordType === 'flow');
      const octets = flows.reduce((sum, line) => sum + octetsOf(line, ntopNames), 0);
      // Each octet is sent by a host and received by another.
      const ofHosts = flows.filter(hasBothAddresses).reduce((sum, line) => sum + 2 * octetsOf(line, ntopNames), 0);
      octetsOfAll += octets;
      for (const ifid of [spread, last]) {
        expect(await total('flowdev:traffic', ifid, 'bytes_sent', 'bytes_rcvd')).toBe(octets);
        expect(await total('iface:traffic', ifid, 'bytes')).toBe(octets);
        expect(await total('iface:traffic_rxtx', ifid, 'bytes_sent', 'bytes_rcvd')).toBe(octets);
        expect(await total('host:traffic', ifid, 'bytes_sent', 'bytes_rcvd')).toBe(ofHosts);
        expect(await total('flowdev:flows', ifid, 'flows')).toBe(flows.length);
      }
    });
  }

  it('hold octets at all', () => {
    expect(octetsOfAll).toBeGreaterThan(1e8);
  });

  it('end with exit code 1, and one line says what is missing, where the server is away', async () => {
    const { code, stdout, stderr } = await away;
    expect(code).toBe(1);
    expect(stdout).toBe('');
    expect(stderr).toMatch(/^flowrelay: .* 506 flows, .*, (\d+) points, \1 points not confirmed$/m);
  });
});

/** Octets both ways. ntop's probes call the other direction by the name of IANA's octets behind a middlebox. */
function octetsOf(line: Line, ntopNames: ReadonlySet<string>): number {
  const isProbe = Object.keys(line).some((key) => ntopNames.has(key));
  const reverse = line['reverseOctetDeltaCount'] ?? (isProbe ? line['postOctetDeltaCount'] : undefined);
  return numberOf(line['octetDeltaCount']) + numberOf(reverse);
}

function hasBothAddresses(line: Line): boolean {
  return (
    (line['sourceIPv4Address'] !== undefined && line['destinationIPv4Address'] !== undefined) ||
    (line['sourceIPv6Address'] !== undefined && line['destinationIPv6Address'] !== undefined)
  );
}

function numberOf(value: unknown): number {
  return Number((Array.isArray(value) ? value[0] : value) ?? 0);
}
